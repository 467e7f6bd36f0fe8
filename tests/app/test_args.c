#include "app/args.h"

#include <criterion/criterion.h>

/* The command line: long options from a table, with suggestions for misspelt ones. */

static const ArgOption options[] = {{"listen", "ADDR", "where"},
                                    {"rules", "GLOB", "which"},
                                    {"all", NULL, "a switch"},
                                    {NULL, NULL, NULL}};
static const ArgSpec spec = {"belfry x", "", options};

static Args parse(int argc, const char *const *argv) {
    Args args = {0};
    Err err = {0};
    cr_assert(args_parse(argc, (char **)(uintptr_t)argv, &spec, &args, &err), "%s", err.text);
    return args;
}

Test(args, takes_values_in_both_forms_and_keeps_words) {
    const char *argv[] = {"x",       "--listen", "a:1",   "word", "--rules=r1",
                          "--rules", "r2",       "--all", "--",   "--word"};
    Args args = parse(10, argv);
    const char *const *rules;
    cr_expect_str_eq(args_get(&args, "listen"), "a:1");
    cr_assert_eq(args_all(&args, "rules", &rules), 2);
    cr_expect_str_eq(rules[0], "r1");
    cr_expect_str_eq(rules[1], "r2");
    cr_expect(args_has(&args, "all"));
    cr_assert_eq(args.word_count, 2);
    cr_expect_str_eq(args.words[1], "--word");
    args_finish(&args);
}

Test(args, refuses_with_a_reason) {
    static const struct {
        const char *argv[3];
        int argc;
        const char *want;
    } cases[] = {
        {{"x", "--lisen", "a"}, 3, "unknown option --lisen; did you mean --listen?"},
        {{"x", "--zzzzzz"}, 2, "unknown option --zzzzzz"},
        {{"x", "--listen"}, 2, "--listen needs a value: ADDR"},
        {{"x", "--all=1"}, 2, "--all takes no value"},
        {{"x", "-v"}, 2, "unknown option -v; options are long, see --help"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Args args = {0};
        Err err = {0};
        cr_expect_not(
            args_parse(cases[i].argc, (char **)(uintptr_t)cases[i].argv, &spec, &args, &err));
        cr_expect_str_eq(err.text, cases[i].want);
    }
}
