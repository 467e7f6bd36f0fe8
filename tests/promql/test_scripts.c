/* Our own cases in the test language: every *.test next to this file has to pass. */

#include <criterion/criterion.h>
#include <stdio.h>

#include "base/file.h"
#include "promql/promql.h"

Test(scripts, all_cases_pass) {
    Arena arena = {0};
    Str *paths;
    size_t count = 0;
    Err err = {0};
    cr_assert(file_glob(&arena, "tests/promql/*.test", &paths, &count, &err), "%s", err.text);
    cr_assert(count > 0);
    for (size_t i = 0; i < count; i++) {
        Str text;
        AUTO(buf_finish) Buf report = {0};
        PromqlTestResult result = {0};
        char *path = arena_cstr(&arena, paths[i]);
        cr_assert(file_read(&arena, path, 1 << 20, &text, &err), "%s", err.text);
        cr_assert(promql_test_script(paths[i], text, &report, &result, &err), "%s", err.text);
        cr_expect(result.failed == 0 && result.passed > 0, "%.*s", STR_ARG(buf_view(&report)));
    }
    arena_finish(&arena);
}

/* A runner that reports nothing would pass everything: each of these has to fail. */
Test(scripts, wrong_expectations_are_reported) {
    static const char *const wrong[] = {
        "{a=\"1\"} 2",
        "m{a=\"1\"} 1",
        "{a=\"1\"} 1\n {a=\"2\"} 1",
        "expect fail",
        "expect warn\n {a=\"1\"} 1",
        "1",
        "",
        "{a=\"1\"} {{count:1}}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        AUTO(buf_finish) Buf script = {0};
        buf_printf(&script, "load 1m\n m{a=\"1\"} 1\n\neval instant at 0 m + 0\n %s\n", wrong[i]);
        AUTO(buf_finish) Buf report = {0};
        PromqlTestResult result = {0};
        Err err = {0};
        cr_assert(promql_test_script(STR("x"), buf_view(&script), &report, &result, &err), "%s",
                  err.text);
        cr_expect(result.failed == 1 && str_starts(buf_view(&report), STR("x:4: m + 0: ")),
                  "%s: %.*s", wrong[i], STR_ARG(buf_view(&report)));
    }
}

Test(scripts, mistakes_in_scripts_name_their_line) {
    static const char *const rows[][2] = {
        {"lod 5m", "x: line 1: expected load, clear or eval"},
        {"\nload 5q", "x: line 2: "},
        {"load 5m\n m 1 2 foo", "x: line 2: 1:7: parse error"},
        {"eval instant", "x: line 1: no query"},
        {"eval range from 5m to 1m step 1m m", "x: line 1: the end is before the start"},
        {"eval instant at 0 m\n expect nothing", "x: line 2: unknown expectation \"nothing\""},
        {"load 1m\n m@st 1m 1m\n m 1", "x: line 3: @st line and sample line differ in length"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        AUTO(buf_finish) Buf report = {0};
        PromqlTestResult result;
        Err err = {0};
        cr_expect(!promql_test_script(STR("x"), str_of(rows[i][0]), &report, &result, &err));
        cr_expect(str_starts(str_of(err.text), str_of(rows[i][1])), "%s\n  want %s\n  got  %s",
                  rows[i][0], rows[i][1], err.text);
    }
}
