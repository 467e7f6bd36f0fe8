/* vmalert's annotations: the cases of its own tests, through the door rules use. */

#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/number.h"
#include "rules/rule_text.h"

/* Groups of type vlogs are refused at load, so their type is never seen; and an alert that was
 * never active has no annotations made. */
static const char *const left_out[] = {"alert_test.go:216", "alert_test.go:191"};

static const cJSON *get(const cJSON *object, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static Str text_of(const cJSON *node) {
    return str_of(cJSON_GetStringValue(node));
}

static double number_of(const cJSON *node) {
    return cJSON_IsNumber(node) ? cJSON_GetNumberValue(node) : 0;
}

static LabelSet labels_of(Arena *arena, const cJSON *object) {
    Label *items = arena_array(arena, Label, 64);
    LabelSet set;
    size_t count = 0;
    Err err = {0};
    const cJSON *label;
    cJSON_ArrayForEach(label, object) {
        items[count++] = (Label){str_of(label->string), text_of(label)};
    }
    cr_assert(labels_build(items, count, &set, &err), "%s", err.text);
    return set;
}

static TmplValue sample(Arena *arena, const char *foo, const char *baz, double value) {
    Str names[] = {STR("foo"), STR("baz")};
    Str values[] = {str_of(foo), str_of(baz)};
    TmplValue *parts = arena_array(arena, TmplValue, 2);
    TmplField *fields = arena_array(arena, TmplField, 2);
    parts[0] = tmpl_string_map(arena, names, values, 2);
    parts[1] = tmpl_float(value);
    fields[0] = (TmplField){STR("Labels"), &parts[0]};
    fields[1] = (TmplField){STR("Value"), &parts[1]};
    return (TmplValue){.type = TMPL_OBJECT, .fields = fields, .count = 2};
}

/* Two series, whatever is asked. */
static bool answer(void *ctx, Str expr, Arena *arena, TmplValue *ret_list, Err *err) {
    (void)ctx;
    (void)expr;
    (void)err;
    TmplValue *items = arena_array(arena, TmplValue, 2);
    items[0] = sample(arena, "bar", "qux", 1);
    items[1] = sample(arena, "garply", "fred", 2);
    *ret_list = (TmplValue){.type = TMPL_LIST, .items = items, .count = 2};
    return true;
}

static RuleTextData data_of(Arena *arena, const cJSON *alert) {
    static const Label external[] = {{{"cluster", 7}, {"prod", 4}}, {{"dc", 2}, {"east", 4}}};
    RuleTextData data = {
        .labels = labels_of(arena, get(alert, "labels")),
        .value = number_of(get(alert, "value")),
        .external_labels = {external, 2},
        .external_url = STR("https://foo.bar"),
        .expr = text_of(get(alert, "expr")),
        .interval = (DurationMs)(number_of(get(alert, "interval_ns")) / 1e6),
        .hold = (DurationMs)(number_of(get(alert, "for_ns")) / 1e6),
        .group_id = (uint64_t)number_of(get(alert, "group_id")),
        .alert_id = (uint64_t)number_of(get(alert, "id")),
    };
    Err err = {0};
    if (get(alert, "active_at")) {
        cr_assert(time_parse_rfc3339(text_of(get(alert, "active_at")), &data.active_at, &err), "%s",
                  err.text);
    }
    return data;
}

static void check_case(const cJSON *item) {
    AUTO(arena_finish) Arena arena = {0};
    RuleTextData data = data_of(&arena, get(item, "alert"));
    TmplValue dot = rule_text_dot(&arena, true, &data);
    TmplWorld world = {.external_url = data.external_url, .query = answer};
    const cJSON *annotation;
    cJSON_ArrayForEach(annotation, get(item, "annotations")) {
        RuleText text = {.name = str_of(annotation->string), .text = text_of(annotation)};
        Str failed = {0};
        Err err = {0};
        cr_assert(rule_text_parse(true, NULL, STR("x"), text.text, &text.tmpl, &err), "%s",
                  err.text);
        Str got = rule_text_expand(&text, true, STR("x"), &dot, &world, &arena, &failed);
        Str want = text_of(get(get(item, "expect"), annotation->string));
        cr_expect(str_eq(got, want), "%.*s: %s: got %.*s, want %.*s",
                  STR_ARG(text_of(get(item, "name"))), annotation->string, STR_ARG(got),
                  STR_ARG(want));
        tmpl_free(text.tmpl);
    }
}

static bool is_left_out(Str name) {
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++) {
        if (str_eq(name, str_of(left_out[i]))) {
            return true;
        }
    }
    return false;
}

Test(rule_text, annotations_of_vmalert_expand) {
    AUTO(arena_finish) Arena arena = {0};
    const char *shared = getenv("BELFRY_SHARED");
    Str path = arena_printf(&arena, "%s/corpus/go-template/vmalert-alert-template.json",
                            shared ? shared : "../shared");
    Str text = {0};
    Err err = {0};
    if (!file_read(&arena, path.ptr, 1 << 20, &text, &err)) {
        cr_skip_test("no corpus: %s", err.text);
    }
    cJSON *all = cJSON_ParseWithLength(text.ptr, text.len);
    size_t count = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, get(all, "cases")) {
        if (!is_left_out(text_of(get(item, "name")))) {
            check_case(item);
            count++;
        }
    }
    cr_expect_geq(count, 8);
    cJSON_Delete(all);
}
