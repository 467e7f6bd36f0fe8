/* belfry test FILE...: unit tests of rules (promtool's and vmalert-tool's files); belfry test
 * promql FILE...: PromQL scripts. */

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "app/command.h"
#include "app/commands.h"
#include "base/file.h"
#include "base/number.h"
#include "base/yaml.h"
#include "promql/promql.h"
#include "rules/rules.h"

enum { SCRIPT_BYTES_MAX = 64 << 20 };

static bool run_script(const char *path, size_t *passed, size_t *failed, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(buf_finish) Buf report = {0};
    Str text;
    PromqlTestResult result = {0};
    if (!file_read(&arena, path, SCRIPT_BYTES_MAX, &text, err) ||
        !promql_test_script(str_of(path), text, &report, &result, err)) {
        return false;
    }
    fwrite(report.ptr, 1, report.len, stdout);
    printf("%-60s %zu passed, %zu failed\n", path, result.passed, result.failed);
    *passed += result.passed;
    *failed += result.failed;
    return true;
}

static int test_promql(int argc, char **argv) {
    static const ArgOption options[] = {{NULL, NULL, NULL}};
    static const ArgSpec spec = {"belfry test promql FILE...",
                                 "Runs scripts in Prometheus' test language (load, eval, expect), "
                                 "each over a store of its own.",
                                 options};
    Args args;
    int status;
    if (!command_args(argc, argv, &spec, &args, &status)) {
        return status;
    }
    size_t passed = 0;
    size_t failed = 0;
    for (size_t i = 0; i < args.word_count; i++) {
        Err err = {0};
        if (!run_script(args.words[i], &passed, &failed, &err)) {
            command_fail(&err);
            failed++;
        }
    }
    printf("%zu passed, %zu failed\n", passed, failed);
    status = args.word_count == 0 ? command_usage(&spec, "which scripts?")
             : failed             ? EXIT_FAILED
                                  : EXIT_DONE;
    args_finish(&args);
    return status;
}

static size_t count_of(Str text, const char *word) {
    size_t count = 0;
    const char *end = text.ptr + text.len;
    size_t len = strlen(word);
    for (const char *at = text.ptr; (at = memmem(at, (size_t)(end - at), word, len)); at += len) {
        count++;
    }
    return count;
}

static void put_xml(Buf *out, Str text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (strchr("<>&\"", c) && c) {
            buf_printf(out, "&#%d;", c);
        } else {
            buf_byte(out, c < ' ' && c != '\n' && c != '\t' ? '?' : (char)c);
        }
    }
}

/* A file that cannot be run at all fails as one test. */
static void put_broken(Buf *junit, const char *path, Str complaint) {
    buf_str(junit, STR("  <testcase classname=\""));
    put_xml(junit, str_of(path));
    buf_str(junit, STR("\" name=\"(the file)\" time=\"0\"><failure>"));
    put_xml(junit, complaint);
    buf_str(junit, STR("</failure></testcase>\n"));
}

static bool write_junit(const char *path, Str cases, Err *err) {
    AUTO(buf_finish) Buf text = {0};
    size_t tests = count_of(cases, "<testcase ");
    size_t failures = count_of(cases, "<failure>");
    buf_printf(&text,
               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
               "<testsuites tests=\"%zu\" failures=\"%zu\">\n"
               "<testsuite name=\"belfry test\" tests=\"%zu\" failures=\"%zu\" errors=\"0\">\n",
               tests, failures, tests, failures);
    buf_str(&text, cases);
    buf_str(&text, STR("</testsuite>\n</testsuites>\n"));
    return file_replace(path, buf_view(&text), err);
}

/* In a folder unit tests often stand beside the rules they test. */
static bool is_unit_test(const char *path) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(problems_finish) Problems problems = {0};
    YamlDocs docs = {0};
    Str text;
    Err err = {0};
    return !file_read(&arena, path, SCRIPT_BYTES_MAX, &text, &err) ||
           !yaml_parse(&arena, text, str_of(path), &docs, &problems) ||
           (docs.count && yaml_get(docs.items[0], "tests"));
}

/* Files that could not be run. */
static size_t test_path(const char *path, const RulesTestOptions *options,
                        RulesTestReport *report) {
    AUTO(problems_finish) Problems problems = {0};
    AUTO(buf_finish) Buf text = {0};
    if (rules_unittest(str_of(path), options, report, &problems)) {
        return 0;
    }
    problems_print(&problems, &text);
    fwrite(text.ptr, 1, text.len, stderr);
    put_broken(&report->junit, path, buf_view(&text));
    return 1;
}

/* A file, a pattern, or a folder with all unit tests in it. */
static size_t test_word(const char *word, const RulesTestOptions *options,
                        RulesTestReport *report) {
    AUTO(arena_finish) Arena arena = {0};
    Str *paths;
    size_t count = 0, found = 0, broken = 0;
    Err err = {0};
    struct stat info;
    bool is_dir = stat(word, &info) == 0 && S_ISDIR(info.st_mode);
    if (!file_glob_yaml(&arena, word, &paths, &count, &err)) {
        command_fail(&err);
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        const char *path = arena_cstr(&arena, paths[i]);
        if (!is_dir || is_unit_test(path)) {
            broken += test_path(path, options, report);
            found++;
        }
    }
    if (found == 0) {
        err_set(&err, ERR_NOT_FOUND,
                is_dir ? "%s: no unit tests in this folder" : "%s: no such file", word);
        command_fail(&err);
        put_broken(&report->junit, word, str_of(err.text));
        broken++;
    }
    return broken;
}

/* NAME=VALUE, as often as given; of repeated names the last counts. */
static bool read_external_labels(const Args *args, Arena *arena, LabelSet *ret_set, Err *err) {
    const char *const *values = NULL;
    size_t count = args_all(args, "external-label", &values);
    for (size_t i = 0; i < count; i++) {
        Str text = str_of(values[i]);
        size_t equals = str_find(text, '=');
        if (equals == 0 || equals == text.len) {
            return err_set(err, ERR_INVALID, "--external-label: expected NAME=VALUE, got \"%s\"",
                           values[i]);
        }
        *ret_set =
            labels_with(arena, *ret_set, (Str){text.ptr, equals}, str_skip(text, equals + 1));
    }
    return true;
}

static bool read_options(const Args *args, Arena *arena, RulesTestOptions *ret, Err *err) {
    const char *start = args_get(args, "start-time");
    const char *url = args_get(args, "external-url");
    *ret = (RulesTestOptions){
        .run_regex = args_get(args, "run"),
        .external_url = str_of(url ? url : ""),
        .has_start = start != NULL,
        .no_alertgroup = args_has(args, "disable-alertgroup-label"),
        .templates = str_of(args_get(args, "templates")),
    };
    if (start && !time_parse(str_of(start), &ret->start, err)) {
        return err_context(err, "--start-time");
    }
    return read_external_labels(args, arena, &ret->external_labels, err);
}

static int test_rules(const Args *args) {
    AUTO(arena_finish) Arena arena = {0};
    RulesTestReport report = {0};
    RulesTestOptions options;
    Err err = {0};
    size_t broken = 0;
    if (!read_options(args, &arena, &options, &err)) {
        command_fail(&err);
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < args->word_count; i++) {
        broken += test_word(args->words[i], &options, &report);
    }
    const char *junit = args_get(args, "junit");
    if (junit && !write_junit(junit, buf_view(&report.junit), &err)) {
        command_fail(&err);
        broken++;
    }
    fwrite(report.text.ptr, 1, report.text.len, stdout);
    printf("%zu passed, %zu failed\n", report.passed, report.failed + broken);
    int status = report.failed + broken ? EXIT_FAILED : EXIT_DONE;
    buf_finish(&report.text);
    buf_finish(&report.junit);
    return status;
}

int command_test(int argc, char **argv) {
    static const ArgOption options[] = {
        {"run", "REGEX", "only test groups whose name matches"},
        {"junit", "FILE", "write the results there as JUnit XML"},
        {"external-label", "NAME=VALUE", "beside those of the files; may be repeated"},
        {"external-url", "URL", "of test groups that name none"},
        {"start-time", "TIME", "when tests begin that have no start_timestamp (RFC 3339, Unix s)"},
        {"templates", "GLOB", "files of {{ define }} that the rules' texts may use"},
        {"disable-alertgroup-label", NULL, "alerts have no label alertgroup (vmalert's flavour)"},
        {NULL, NULL, NULL},
    };
    static const ArgSpec spec = {
        "belfry test [OPTIONS] FILE...  |  belfry test promql FILE...",
        "Runs unit tests of rules, in the formats of promtool and vmalert-tool.", options};
    if (argc > 1 && strcmp(argv[1], "promql") == 0) {
        return test_promql(argc - 1, argv + 1);
    }
    Args args;
    int status;
    if (!command_args(argc, argv, &spec, &args, &status)) {
        return status;
    }
    status = args.word_count ? test_rules(&args) : command_usage(&spec, "which files?");
    args_finish(&args);
    return status;
}
