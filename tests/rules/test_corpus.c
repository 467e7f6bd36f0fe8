/*
 * Other people's rule files and their unit tests: each file loads, or its reason not to is in
 * tests/rules/corpus.md; each unit test comes out as its own tool says.
 */

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

/* The reason in the table of corpus.md ("| file | reason |"); ptr NULL if the file is not there. */
static Str listed_reason(Str table, const char *file) {
    AUTO(arena_finish) Arena arena = {0};
    Str row = arena_printf(&arena, "| %s | ", file);
    const char *at = memmem(table.ptr, table.len, row.ptr, row.len);
    if (!at) {
        return (Str){0};
    }
    Str rest = str_skip(table, (size_t)(at - table.ptr) + row.len);
    Str line = {rest.ptr, str_find(rest, '\n')};
    return (Str){line.ptr, line.len - 2}; /* without the last " |" */
}

static Str read_table(Arena *arena) {
    Str table = {0};
    Err err = {0};
    cr_assert(file_read(arena, "tests/rules/corpus.md", 1 << 20, &table, &err), "%s", err.text);
    return table;
}

Test(corpus, rule_files_load_or_are_listed_with_a_reason) {
    AUTO(arena_finish) Arena arena = {0};
    cJSON *manifest = load_manifest(&arena);
    Str table = read_table(&arena);
    size_t loaded = 0, refused = 0;
    for (const cJSON *entry = manifest->child; entry; entry = entry->next) {
        if (!cJSON_HasObjectItem(entry, "vmalert_1_79")) {
            continue;
        }
        AUTO(arena_finish) Arena own = {0};
        AUTO(problems_finish) Problems problems = {0};
        AUTO(rule_file_unrefp) RuleFile *file = NULL;
        const char *name = text_of(entry, "file");
        Str path = arena_printf(&own, "%s/corpus/%s", shared(), name);
        Str bytes = {0};
        Err err = {0};
        cr_assert(file_read(&own, path.ptr, 64 << 20, &bytes, &err), "%s", err.text);
        bool ok = rule_file_load(str_of(name), bytes, RULES_AUTO, &file, &problems);
        loaded += ok;
        refused += !ok;
        AUTO(buf_finish) Buf text = {0};
        problems_print(&problems, &text);
        Str reason = listed_reason(table, name);
        if (ok == (reason.ptr != NULL)) {
            cr_expect(false, "%s: %s\n%.*s", name,
                      ok ? "loads, though it is listed as refused" : "refused",
                      STR_ARG(buf_view(&text)));
        } else if (!ok) {
            cr_expect(memmem(text.ptr, text.len, reason.ptr, reason.len),
                      "%s: refused for another reason than \"%.*s\":\n%.*s", name, STR_ARG(reason),
                      STR_ARG(buf_view(&text)));
        }
    }
    cr_log_info("%zu rule files loaded, %zu refused", loaded, refused);
    cr_expect_gt(loaded, 780);
    cJSON_Delete(manifest);
}

/* The resources that most of those files were made of. */
Test(corpus, resources_load_as_they_are) {
    AUTO(arena_finish) Arena arena = {0};
    Str pattern = arena_printf(&arena, "%s/corpus/rules/*/crd/*.y*ml", shared());
    Str *paths;
    size_t count;
    Err err = {0};
    cr_assert(file_glob(&arena, pattern.ptr, &paths, &count, &err), "%s", err.text);
    if (count == 0) {
        cr_skip_test("no corpus at %s", shared());
    }
    for (size_t i = 0; i < count; i++) {
        AUTO(arena_finish) Arena own = {0};
        AUTO(problems_finish) Problems problems = {0};
        AUTO(rule_file_unrefp) RuleFile *file = NULL;
        AUTO(buf_finish) Buf text = {0};
        Str bytes = {0};
        cr_assert(file_read(&own, arena_cstr(&own, paths[i]), 64 << 20, &bytes, &err), "%s",
                  err.text);
        bool ok = rule_file_load(paths[i], bytes, RULES_AUTO, &file, &problems);
        problems_print(&problems, &text);
        cr_expect(ok, "%.*s", STR_ARG(buf_view(&text)));
    }
}
