/* Other people's unit tests: each comes out as its own tool says, or the difference is explained in
 * tests/rules/corpus.md. */

#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/file.h"
#include "rules/rule_file.h"

static const char *shared(void) {
    const char *path = getenv("BELFRY_SHARED");
    return path ? path : "../shared";
}

static cJSON *load_manifest(Arena *arena) {
    Str path = arena_printf(arena, "%s/corpus/manifest.json", shared());
    Str text = {0};
    Err err = {0};
    if (!file_read(arena, path.ptr, 64 << 20, &text, &err)) {
        cr_skip_test("no corpus: %s", err.text);
    }
    cJSON *json = cJSON_ParseWithLength(text.ptr, text.len);
    cr_assert_not_null(json);
    return json;
}

static const char *text_of(const cJSON *object, const char *key) {
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

/* The files named in the table of corpus.md ("| file | reason |"). */
static bool is_listed(Str table, const char *file) {
    AUTO(arena_finish) Arena arena = {0};
    Str row = arena_printf(&arena, "| %s |", file);
    return memmem(table.ptr, table.len, row.ptr, row.len) != NULL;
}

static Str read_table(Arena *arena) {
    Str table = {0};
    Err err = {0};
    cr_assert(file_read(arena, "tests/rules/corpus.md", 1 << 20, &table, &err), "%s", err.text);
    return table;
}

static bool should_pass(const cJSON *entry) {
    const char *expect = text_of(entry, "expect");
    return expect ? strcmp(expect, "pass") == 0
                  : cJSON_IsTrue(cJSON_GetObjectItem(entry, "promtool_2_42"));
}

static void check_unit_test(const cJSON *entry, Str table) {
    AUTO(arena_finish) Arena arena = {0};
    const char *name = text_of(entry, "file");
    RulesTestReport report = {0};
    AUTO(problems_finish) Problems problems = {0};
    AUTO(buf_finish) Buf complaint = {0};
    Str path = arena_printf(&arena, "%s/corpus/%s", shared(), name);
    bool ok = rules_unittest(path, NULL, &report, &problems);
    problems_print(&problems, &complaint);
    bool passed = ok && report.failed == 0;
    bool want = should_pass(entry) != is_listed(table, name);
    cr_expect_eq(passed, want, "%s: %s\n%.*s%.*s", name, passed ? "passes" : "fails",
                 STR_ARG(buf_view(&complaint)), STR_ARG(buf_view(&report.text)));
    buf_finish(&report.text);
    buf_finish(&report.junit);
}

Test(corpus, unit_tests_come_out_as_their_own_tools_say) {
    AUTO(arena_finish) Arena arena = {0};
    cJSON *manifest = load_manifest(&arena);
    Str table = read_table(&arena);
    const char *only = getenv("BELFRY_TEST_ONLY");
    for (const cJSON *entry = manifest->child; entry; entry = entry->next) {
        const char *file = text_of(entry, "file");
        if (cJSON_HasObjectItem(entry, "alert_tests") && (!only || strstr(file, only))) {
            check_unit_test(entry, table);
        }
    }
    cJSON_Delete(manifest);
}
