/*
 * belfry convert prometheus.yml, or a command line: writes belfry.yml, and tells what is not
 * carried over, in the file's head and on standard error. What is written is read back before it is
 * handed out.
 */

#include <stdio.h>
#include <unistd.h>

#include "app/command.h"
#include "app/commands.h"
#include "app/config.h"
#include "app/convert.h"
#include "base/file.h"
#include "rules/rules.h"

enum { CONVERTED_BYTES_MAX = 64 << 20 };

typedef struct Job {
    Arena arena;
    Problems notes, problems;
    Convert convert;
} Job;

/* belfry.yml may be put anywhere. */
static Str whole_path(Arena *arena, const char *path) {
    char cwd[4096];
    return path[0] == '/' || !getcwd(cwd, sizeof cwd) ? str_of(path)
                                                      : arena_printf(arena, "%s/%s", cwd, path);
}

static Str folder_of(Arena *arena, const char *path) {
    Str text = str_of(path);
    char cwd[4096];
    while (text.len && text.ptr[text.len - 1] != '/') {
        text.len--;
    }
    if (text.len > 1) {
        text.len--;
    }
    if (str_starts(text, STR("/")) || !getcwd(cwd, sizeof cwd)) {
        return arena_str(arena, text);
    }
    return text.len ? arena_printf(arena, "%s/%.*s", cwd, STR_ARG(text))
                    : arena_str(arena, str_of(cwd));
}

/* The program a command line begins with: its last name, also with a version or "-prod". */
static bool is_program(const char *word, const char *name) {
    Str text = str_of(word);
    for (size_t i = text.len; i > 0; i--) {
        if (text.ptr[i - 1] == '/') {
            text = str_skip(text, i);
            break;
        }
    }
    size_t len = strlen(name);
    return str_starts(text, str_of(name)) &&
           (text.len == len || (text.ptr[len] == '-' && !str_ends(text, STR(".yml")) &&
                                !str_ends(text, STR(".yaml"))));
}

static bool convert_file(Job *job, const char *path, Err *err) {
    Str text;
    YamlDocs docs = {0};
    job->convert.file = str_of(path);
    job->convert.folder = folder_of(&job->arena, path);
    if (!file_read(&job->arena, path, CONVERTED_BYTES_MAX, &text, err)) {
        return false;
    }
    return (yaml_parse(&job->arena, text, job->convert.file, &docs, &job->problems) &&
            convert_prometheus(&job->convert, docs.count ? docs.items[0] : NULL, &job->problems)) ||
           err_set(err, ERR_INVALID, "%s is not converted", path);
}

static bool convert_command(Job *job, int argc, char **argv, Err *err) {
    Str config_file;
    bool is_vmalert = is_program(argv[0], "vmalert");
    job->convert.file = str_of(argv[0]);
    job->convert.folder = folder_of(&job->arena, "");
    return convert_flags(&job->convert, is_vmalert, argc - 1, argv + 1, &config_file, err) &&
           (config_file.len == 0 || convert_file(job, arena_cstr(&job->arena, config_file), err));
}

/* Rule files are read as the server will read them: better to know today. */
static void check_rules(Job *job) {
    const YamlNode *rules = yaml_get(job->convert.root, "rules");
    for (size_t i = 0; rules && i < rules->count; i++) {
        Str pattern = yaml_get(rules->items[i], "files")->text;
        bool is_vmalert = str_eq(yaml_get(rules->items[i], "flavour")->text, STR("vmalert"));
        const YamlNode *templates = yaml_get(rules->items[i], "templates");
        RulesSource source = {pattern, is_vmalert ? RULES_VMALERT : RULES_PROMETHEUS,
                              templates ? templates->text : STR("")};
        Problems findings = {0};
        (void)rules_check(&source, 1, &(RulesCheckOptions){0}, &job->notes, &findings);
        problems_finish(&findings);
    }
}

static void put_head(const Job *job, Buf *out) {
    buf_printf(out, "# Converted from %.*s.\n", STR_ARG(job->convert.file));
    if (job->notes.items_count) {
        AUTO(buf_finish) Buf text = {0};
        problems_print(&job->notes, &text);
        buf_str(out, STR("#\n# Not carried over, or to be looked at:\n"));
        for (Str rest = buf_view(&text); rest.len;) {
            size_t len = str_find(rest, '\n');
            buf_printf(out, "#   %.*s\n", (int)len, rest.ptr);
            rest = str_skip(rest, len < rest.len ? len + 1 : len);
        }
    }
    buf_byte(out, '\n');
}

/* What does not load as a configuration must not be handed out as one. */
static bool read_back(Job *job, Str text, Err *err) {
    Config *config = config_parse(STR("belfry.yml"), text, &job->problems);
    config_free(config);
    return config != NULL ||
           err_set(err, ERR_INVALID, "what comes out does not load; nothing is written");
}

static int write_out(Job *job, const char *output) {
    AUTO(buf_finish) Buf out = {0};
    AUTO(buf_finish) Buf notes = {0};
    Err err = {0};
    put_head(job, &out);
    yaml_print(&out, job->convert.root, 0);
    if (!read_back(job, buf_view(&out), &err)) {
        return command_fail(&err);
    }
    problems_print(&job->notes, &notes);
    fwrite(notes.ptr, 1, notes.len, stderr);
    if (!output) {
        fwrite(out.ptr, 1, out.len, stdout);
        return EXIT_DONE;
    }
    if (access(output, F_OK) == 0) {
        return command_fail(&(Err){.text = "the output file exists; remove it first"});
    }
    return file_replace(output, buf_view(&out), &err) ? EXIT_DONE : command_fail(&err);
}

static int run_convert(Job *job, int argc, char **argv, const char *output, const char *notify) {
    Err err = {0};
    job->convert = (Convert){.arena = &job->arena,
                             .root = tree_map(&job->arena),
                             .notes = &job->notes,
                             .has_notify = notify != NULL};
    bool is_command = is_program(argv[0], "vmalert") || is_program(argv[0], "prometheus");
    bool ok = is_command ? convert_command(job, argc, argv, &err)
              : argc == 1
                  ? convert_file(job, argv[0], &err)
                  : err_set(&err, ERR_INVALID,
                            "one configuration file, or a command line that begins with vmalert "
                            "or prometheus");
    if (notify) {
        tree_put_text(&job->arena, tree_child(&job->arena, job->convert.root, "notify"), "config",
                      whole_path(&job->arena, notify));
    }
    int status = EXIT_FAILED;
    if (ok) {
        check_rules(job);
        status = write_out(job, output);
    } else {
        command_fail(&err);
    }
    AUTO(buf_finish) Buf text = {0};
    problems_print(&job->problems, &text);
    fwrite(text.ptr, 1, text.len, stderr);
    return status;
}

/* Words up to the first that is none of our options; the rest is the command line to convert. */
static int own_words(int argc, char **argv) {
    int at = 1;
    while (at < argc && str_starts(str_of(argv[at]), STR("--"))) {
        bool has_value = strchr(argv[at], '=') != NULL || strcmp(argv[at], "--help") == 0;
        if (strcmp(argv[at], "--") == 0) {
            return at;
        }
        at += has_value ? 1 : 2;
    }
    return at < argc ? at : argc;
}

int command_convert(int argc, char **argv) {
    static const ArgOption options[] = {
        {"output", "FILE", "write belfry.yml there; default: standard output"},
        {"notify", "FILE",
         "an Alertmanager's configuration to notify by, instead of sending to it"},
        {NULL, NULL, NULL},
    };
    static const ArgSpec spec = {
        "belfry convert [--output FILE] prometheus.yml  |  vmalert FLAGS...  |  prometheus "
        "FLAGS...",
        "Turns the configuration of a Prometheus, or the command line of vmalert or Prometheus, "
        "into belfry.yml,\n"
        "and tells what is not carried over. Options come first.",
        options,
    };
    Args args;
    int status;
    int words = own_words(argc, argv);
    if (!command_args(words, argv, &spec, &args, &status)) {
        return status;
    }
    words += words < argc && strcmp(argv[words], "--") == 0;
    Job job = {0};
    status = words < argc ? run_convert(&job, argc - words, argv + words, args_get(&args, "output"),
                                        args_get(&args, "notify"))
                          : command_usage(&spec, "which configuration?");
    problems_finish(&job.notes);
    problems_finish(&job.problems);
    arena_finish(&job.arena);
    args_finish(&args);
    return status;
}
