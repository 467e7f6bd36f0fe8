/*
 * belfry check: rule files, notification files, unit tests and configurations. What a file is, its
 * top-level keys tell, or --as. Exit status: 0 valid (whatever lint finds), 1 an error, 3 findings
 * with --lint-fatal.
 */

#include <stdio.h>
#include <stdlib.h>

#include "app/against.h"
#include "app/command.h"
#include "app/commands.h"
#include "app/config.h"
#include "app/file_kind.h"
#include "app/rule_options.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "notify/notify.h"
#include "rules/rules.h"

enum { CHECKED_BYTES_MAX = 64 << 20 };

static const struct {
    const char *name;
    FileKind kind;
} kinds[] = {
    {"rules", KIND_RULES}, {"notify", KIND_NOTIFY}, {"tests", KIND_TESTS}, {"config", KIND_CONFIG}};

typedef struct Check {
    Problems problems, findings;
    const char *as;
    RulesFlavour flavour;
    Str templates; /* of rule files on the command line */
    RulesCheckOptions rules;
    Arena arena;
    RulesSource *sources; /* rule files, checked together at the end */
    size_t sources_count, sources_cap;
    size_t other_files;
} Check;

/* Keys of prometheus.yml that belfry.yml does not have. */
static bool is_of_prometheus(const YamlNode *root) {
    return yaml_get(root, "rule_files") || yaml_get(root, "alerting") ||
           yaml_get(root, "remote_write") || yaml_get(root, "remote_read");
}

static bool kind_by_name(const char *name, FileKind *ret_kind) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(name, kinds[i].name) == 0) {
            *ret_kind = kinds[i].kind;
            return true;
        }
    }
    return false;
}

static void check_notify(Check *check, Str path, const YamlNode *root) {
    static const YamlNode nothing = {.kind = YAML_NULL};
    NotifyConfigSource source = {.notify = root ? root : &nothing, .file = path};
    notify_config_unref(notify_config_load(&source, &check->problems));
}

/* A file that is named twice, or by the configuration too, is checked once, as named first. */
static void add_rules(Check *check, RulesSource source) {
    for (size_t i = 0; i < check->sources_count; i++) {
        if (str_eq(check->sources[i].pattern, source.pattern)) {
            return;
        }
    }
    source.pattern = arena_str(&check->arena, source.pattern);
    source.templates = arena_str(&check->arena, source.templates);
    VEC_PUSH(*check, sources, source);
}

/* The rule files a configuration names. A pattern without files is none of its errors. */
static void add_rules_of(Check *check, const Config *config) {
    for (size_t i = 0; i < config->rules_count && yaml_get(config->root, "rules"); i++) {
        AUTO(arena_finish) Arena arena = {0};
        Str *paths = NULL;
        size_t count = 0;
        Err err = {0};
        const ConfigRules *rules = &config->rules[i];
        if (!file_glob_yaml(&arena, arena_cstr(&arena, rules->pattern), &paths, &count, &err)) {
            problems_add(&check->problems, config->file, 0, 0, "%s", err.text);
        }
        for (size_t k = 0; k < count; k++) {
            RulesSource source = config_rule_source(rules);
            source.pattern = paths[k];
            add_rules(check, source);
        }
    }
}

/* belfry.yml: its own keys, the notification it holds or names, and its rule files, for which its
 * evaluation interval holds. */
static void check_config(Check *check, Str path, Str text) {
    Config *config = config_parse(path, text, &check->problems);
    if (config) {
        check->rules.evaluation_interval = config->global.evaluation_interval;
        add_rules_of(check, config);
        NotifyConfigSource source = {
            .notify = config->notify,
            .severities = config->severities,
            .maintenance = config->maintenance,
            .file = path,
        };
        notify_config_unref(notify_config_load(&source, &check->problems));
    }
    config_free(config);
}

static void check_file(Check *check, Str path) {
    AUTO(arena_finish) Arena arena = {0};
    Str text;
    Err err = {0};
    YamlDocs docs = {0};
    if (!file_read(&arena, arena_cstr(&arena, path), CHECKED_BYTES_MAX, &text, &err)) {
        problems_add(&check->problems, path, 0, 0, "%s", err.text);
        check->other_files++;
        return;
    }
    FileKind kind = KIND_RULES;
    bool named = check->as && kind_by_name(check->as, &kind);
    /* vmalert's %{ENV} need not be YAML before it is replaced: then it can only be a rule file. */
    Problems syntax = {0};
    bool is_yaml = yaml_parse(&arena, text, path, &docs, &syntax);
    problems_finish(&syntax);
    const YamlNode *root = is_yaml && docs.count ? docs.items[0] : NULL;
    kind = named ? kind : root ? file_kind(root) : KIND_RULES;
    check->other_files += kind != KIND_RULES;
    switch (kind) {
    case KIND_RULES:
        add_rules(check, (RulesSource){path, check->flavour, check->templates});
        break;
    case KIND_NOTIFY:
        check_notify(check, path, root);
        break;
    case KIND_TESTS:
        (void)rules_check_unittest(path, check->templates, &check->problems);
        break;
    case KIND_CONFIG:
        if (is_of_prometheus(root)) {
            problems_add(&check->problems, path, 1, 1,
                         "a configuration of Prometheus: `belfry convert %.*s` makes a belfry.yml "
                         "of it",
                         STR_ARG(path));
            break;
        }
        check_config(check, path, text);
        break;
    }
}

/* Standard input can be read once only: without --as it is taken for rules, as promtool does. */
static void check_standard_input(Check *check) {
    if (check->as && strcmp(check->as, "rules") != 0) {
        check_file(check, STR("-"));
    } else {
        add_rules(check, (RulesSource){STR("-"), check->flavour, check->templates});
    }
}

/* Patterns that match nothing are an error: a check of nothing must not pass. */
static void check_pattern(Check *check, Str pattern) {
    AUTO(arena_finish) Arena arena = {0};
    Str *paths;
    size_t count = 0;
    Err err = {0};
    if (str_eq(pattern, STR("-"))) {
        check_standard_input(check);
        return;
    }
    if (!file_glob_yaml(&arena, arena_cstr(&arena, pattern), &paths, &count, &err)) {
        problems_add(&check->problems, pattern, 0, 0, "%s", err.text);
        return;
    }
    if (count == 0) {
        problems_add(&check->problems, pattern, 0, 0,
                     "no such file, or a folder without .yml and .yaml files");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        check_file(check, paths[i]);
    }
}

static void put_problems(JsonWriter *json, const char *key, const Problems *problems) {
    json_put_array(json, key);
    for (size_t i = 0; i < problems->items_count; i++) {
        const Problem *problem = &problems->items[i];
        json_object(json);
        json_put_str(json, "file", problem->file);
        json_put_int(json, "line", problem->line);
        json_put_int(json, "column", problem->column);
        json_put_str(json, "text", problem->text);
        json_end(json);
    }
    json_end(json);
}

static void print_check(const Check *check, size_t files, bool as_json) {
    AUTO(buf_finish) Buf out = {0};
    if (as_json) {
        JsonWriter json = json_writer(&out);
        json_object(&json);
        json_put_int(&json, "files", (int64_t)files);
        put_problems(&json, "errors", &check->problems);
        put_problems(&json, "findings", &check->findings);
        json_end(&json);
        buf_byte(&out, '\n');
        fwrite(out.ptr, 1, out.len, stdout);
        return;
    }
    problems_print(&check->problems, &out);
    fwrite(out.ptr, 1, out.len, stderr);
    out.len = 0;
    problems_print(&check->findings, &out);
    fwrite(out.ptr, 1, out.len, stdout);
    printf("%zu file%s checked: %zu error%s", files, files == 1 ? "" : "s",
           check->problems.items_count, check->problems.items_count == 1 ? "" : "s");
    size_t findings = check->findings.items_count;
    printf(check->rules.lint || findings ? ", %zu finding%s\n" : "\n", findings,
           findings == 1 ? "" : "s");
}

static int check_all(const Args *args, Check *check) {
    for (size_t i = 0; i < args->word_count; i++) {
        check_pattern(check, str_of(args->words[i]));
    }
    rules_check(check->sources, check->sources_count, &check->rules, &check->problems,
                &check->findings);
    const char *format = args_get(args, "format");
    size_t files = check->other_files + check->sources_count;
    print_check(check, files, format && strcmp(format, "json") == 0);
    bool fatal = args_has(args, "lint-fatal") && check->findings.items_count > 0;
    return check->problems.items_count ? EXIT_FAILED : fatal ? EXIT_FINDINGS : EXIT_DONE;
}

int command_check(int argc, char **argv) {
    static const ArgOption options[] = {
        {"lint", NULL, "also look for what is valid and most likely wrong"},
        {"lint-fatal", NULL, "exit 3 where lint finds something"},
        {"against", "URL|DIR",
         "look whether selectors match anything: a Prometheus API or a data directory"},
        {"as", "KIND", "rules, notify, tests or config, where the keys do not tell"},
        {"flavour", "WORD", "auto (default), prometheus or vmalert"},
        {"templates", "GLOB", "files of {{ define }} that the rules' texts may use"},
        {"format", "FORM", "text (default) or json"},
        {NULL, NULL, NULL},
    };
    static const ArgSpec spec = {
        "belfry check [--lint] FILE...",
        "Checks rule files (Prometheus', vmalert's, PrometheusRule resources), notification files, "
        "unit tests and\n"
        "configurations, and names every error with file, line and column. The rule files a "
        "configuration names are\n"
        "checked with it, by its evaluation interval. - is standard input.",
        options,
    };
    Args args;
    int status;
    if (!command_args(argc, argv, &spec, &args, &status)) {
        return status;
    }
    const char *flavour = args_get(&args, "flavour") ? args_get(&args, "flavour") : "auto";
    const char *format = args_get(&args, "format") ? args_get(&args, "format") : "text";
    FileKind kind;
    Err err = {0};
    Against against = {0};
    Check check = {
        .rules.lint = args_has(&args, "lint") || args_has(&args, "lint-fatal"),
        .as = args_get(&args, "as"),
        .templates = str_of(args_get(&args, "templates")),
    };
    if (args.word_count == 0) {
        status = command_usage(&spec, "which files?");
    } else if (!rule_flavour_parse(str_of(flavour), &check.flavour)) {
        status = command_usage(&spec, "--flavour is auto, prometheus or vmalert");
    } else if (strcmp(format, "text") != 0 && strcmp(format, "json") != 0) {
        status = command_usage(&spec, "--format is text or json");
    } else if (check.as && !kind_by_name(check.as, &kind)) {
        status = command_usage(&spec, "--as is rules, notify, tests or config");
    } else if (!against_open(args_get(&args, "against"), &against, &err)) {
        status = command_fail(&err);
    } else {
        check.rules.against = against.engine;
        status = check_all(&args, &check);
    }
    against_close(&against);
    free(check.sources);
    arena_finish(&check.arena);
    problems_finish(&check.problems);
    problems_finish(&check.findings);
    args_finish(&args);
    return status;
}
