#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "promql/promql.h"

/*
 * Prometheus' own query tests, run in process. What fails has to be exactly what known_failures.txt
 * lists, a line each with its reason: a case that starts to fail fails this test, and so does one
 * that begins to pass and is still listed.
 */

enum { SCRIPT_BYTES_MAX = 16 << 20 };

static const char *scripts_dir(void) {
    static char path[4096];
    const char *shared = getenv("BELFRY_SHARED");
    snprintf(path, sizeof path, "%s/conformance/promqltest", shared ? shared : "../shared");
    return path;
}

/* The "file:line" a line of a report or of the list begins with. */
static Str place_of(Str line) {
    size_t file = str_find(line, ':');
    size_t number = file < line.len ? str_find(str_skip(line, file + 1), ':') : 0;
    return (Str){line.ptr, file + 1 + number <= line.len ? file + 1 + number : line.len};
}

static bool is_listed(Str text, Str place) {
    while (text.len) {
        size_t end = str_find(text, '\n');
        if (str_eq(place_of((Str){text.ptr, end}), place)) {
            return true;
        }
        text = str_skip(text, end < text.len ? end + 1 : end);
    }
    return false;
}

/* Every place of `some` has to be in `all`. */
static void assert_all_in(Str some, Str all, const char *complaint) {
    while (some.len) {
        size_t end = str_find(some, '\n');
        Str line = {some.ptr, end};
        if (line.len && line.ptr[0] != '#') {
            cr_expect(is_listed(all, place_of(line)), "%s: %.*s", complaint, STR_ARG(line));
        }
        some = str_skip(some, end < some.len ? end + 1 : end);
    }
}

static size_t run_scripts(Buf *report) {
    AUTO(arena_finish) Arena arena = {0};
    Str *names;
    size_t count = 0;
    size_t passed = 0;
    Err err = {0};
    if (!dir_list(&arena, scripts_dir(), &names, &count, &err)) {
        cr_skip_test("no conformance scripts: %s", err.text);
    }
    for (size_t i = 0; i < count; i++) {
        Str text;
        PromqlTestResult result = {0};
        Str path = arena_printf(&arena, "%s/%.*s", scripts_dir(), STR_ARG(names[i]));
        if (!str_ends(names[i], STR(".test"))) {
            continue;
        }
        cr_assert(file_read(&arena, path.ptr, SCRIPT_BYTES_MAX, &text, &err), "%s", err.text);
        cr_assert(promql_test_script(names[i], text, report, &result, &err), "%s", err.text);
        passed += result.passed;
    }
    return passed;
}

Test(conformance, what_fails_is_what_is_listed_with_a_reason, .timeout = 240) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(buf_finish) Buf report = {0};
    Err err = {0};
    Str known;
    size_t passed = run_scripts(&report);
    cr_assert(file_read(&arena, "tests/promql/known_failures.txt", SCRIPT_BYTES_MAX, &known, &err),
              "%s", err.text);
    assert_all_in(buf_view(&report), known, "fails");
    assert_all_in(known, buf_view(&report), "passes, but is listed");
    cr_assert_gt(passed, 2000, "only %zu cases passed: are all scripts there?", passed);
}
