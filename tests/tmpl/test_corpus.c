/*
 * The template tests of Go, Prometheus, Alertmanager and vmalert, as lists of cases: text, data,
 * what comes out or what is complained of.
 */

#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "base/file.h"
#include "tmpl/go_time.h"
#include "tmpl/node.h"
#include "tmpl/tmpl.h"

static cJSON *load(Arena *arena, const char *name) {
    const char *shared = getenv("BELFRY_SHARED");
    Str path = arena_printf(arena, "%s/corpus/go-template/%s", shared ? shared : "../shared", name);
    Str text = {0};
    Err err = {0};
    if (!file_read(arena, path.ptr, 64 << 20, &text, &err)) {
        cr_skip_test("no corpus: %s", err.text);
    }
    cJSON *json = cJSON_ParseWithLength(text.ptr, text.len);
    cr_assert_not_null(json, "%s", name);
    return json;
}

static const char *text_of(const cJSON *object, const char *key) {
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

/* ---- data ---- */

static TmplValue value_from(Arena *arena, const cJSON *json, const char *type, const char *name);

static TmplValue number_from(const cJSON *json, const char *type, const char *name) {
    double number = json->valuedouble;
    bool is_float =
        strstr(type, "float") || strncmp(name, "Float", 5) == 0 || floor(number) != number;
    if (is_float) {
        return tmpl_float(number);
    }
    if (strstr(type, "uint") && number > 9e18) {
        return tmpl_float(number);
    }
    return tmpl_int(number >= 9223372036854775807.0    ? INT64_MAX
                    : number <= -9223372036854775808.0 ? INT64_MIN
                                                       : (int64_t)number);
}

static int by_name(const void *a, const void *b) {
    return str_cmp(((const TmplField *)a)->name, ((const TmplField *)b)->name);
}

static TmplValue members_from(Arena *arena, const cJSON *json, TmplType kind, const char *type) {
    size_t count = (size_t)cJSON_GetArraySize(json), at = 0;
    TmplField *fields = arena_array(arena, TmplField, count + 1);
    TmplValue *values = arena_array(arena, TmplValue, count + 1);
    for (const cJSON *item = json->child; item; item = item->next, at++) {
        values[at] = value_from(arena, item, type, item->string);
        fields[at] = (TmplField){str_of(item->string), &values[at]};
    }
    if (kind == TMPL_MAP) {
        qsort(fields, count, sizeof *fields, by_name);
    }
    return (TmplValue){.type = kind, .fields = fields, .count = count};
}

static TmplValue value_from(Arena *arena, const cJSON *json, const char *type, const char *name) {
    if (cJSON_IsBool(json)) {
        return tmpl_bool(cJSON_IsTrue(json));
    }
    if (cJSON_IsNumber(json)) {
        return number_from(json, type, name);
    }
    if (cJSON_IsString(json)) {
        return tmpl_string(str_of(json->valuestring));
    }
    if (cJSON_IsArray(json)) {
        size_t count = (size_t)cJSON_GetArraySize(json), at = 0;
        TmplValue *items = arena_array(arena, TmplValue, count + 1);
        for (const cJSON *item = json->child; item; item = item->next) {
            items[at++] = value_from(arena, item, type, "");
        }
        return (TmplValue){.type = TMPL_LIST, .items = items, .count = count};
    }
    if (cJSON_IsObject(json)) {
        bool is_struct = strcmp(type, "struct") == 0;
        if (text_of(json, "$float")) {
            const char *text = text_of(json, "$float");
            return tmpl_float(text[0] == 'N' ? NAN : text[0] == '-' ? -INFINITY : INFINITY);
        }
        TmplValue map =
            members_from(arena, json, is_struct ? TMPL_OBJECT : TMPL_MAP, is_struct ? "" : type);
        if (strcmp(type, "map[string]string") == 0) {
            map.zero_missing = true;
        }
        return map;
    }
    return (TmplValue){.type = TMPL_NIL};
}

/* {type, value} */
static TmplValue typed_value(Arena *arena, const cJSON *data) {
    if (!data) {
        return (TmplValue){.type = TMPL_NIL};
    }
    const char *type = text_of(data, "type");
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(data, "value");
    return value_from(arena, value, type, "");
}

/* ---- running ---- */

typedef struct Case {
    Str name, text;
    const TmplFunc *const *funcs;
    TmplOptions options;
    TmplValue data;
    TmplWorld world;
    bool runs; /* false: parsing is enough to fail */
} Case;

/* True and the output, or false and the error. */
static bool expand(Arena *arena, const Case *c, Buf *out, Err *err) {
    AUTO(tmpl_freep) Tmpl *tmpl = NULL;
    TmplOptions options = c->options;
    options.funcs = c->funcs;
    return tmpl_parse(c->name, c->text, &options, &tmpl, err) &&
           tmpl_execute(tmpl, STR(""), &c->data, &c->world, arena, out, err);
}

/* Compares with the case's `expect` or `error`; `before` is put in front of our error text. */
static void check(const cJSON *json, bool ok, const Buf *out, const Err *err, const char *before) {
    const char *name = text_of(json, "name");
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(json, "error");
    if (error) {
        cr_expect(!ok, "%s: expands to %.*s, should fail", name, STR_ARG(buf_view(out)));
        if (cJSON_IsString(error) && !ok) {
            AUTO(buf_finish) Buf text = {0};
            buf_printf(&text, "%s%s%c", before, err->text, 0);
            cr_expect_str_eq(text.ptr, error->valuestring, "%s:\n got %s\nwant %s", name, text.ptr,
                             error->valuestring);
        }
        return;
    }
    const char *want = text_of(json, "expect");
    cr_expect(ok, "%s: %s", name, err->text);
    if (ok) {
        cr_expect(str_eq(buf_view(out), str_of(want)), "%s:\n got %.*s\nwant %s", name,
                  STR_ARG(buf_view(out)), want);
    }
}

static void each_case(const char *file, void (*run)(Arena *arena, const cJSON *json)) {
    AUTO(arena_finish) Arena arena = {0};
    cJSON *all = load(&arena, file);
    size_t count = 0;
    for (const cJSON *json = cJSON_GetObjectItem(all, "cases")->child; json;
         json = json->next, count++) {
        AUTO(arena_finish) Arena own = {0};
        run(&own, json);
    }
    cr_expect_gt(count, 5, "%s has only %zu cases", file, count);
    cJSON_Delete(all);
}

/* ---- Go ---- */

static void run_go(Arena *arena, const cJSON *json) {
    /* Its struct has a method, which our data would have to bring along. */
    if (strstr(text_of(json, "text"), "Method2")) {
        return;
    }
    Case c = {.name = STR("t"), .text = str_of(text_of(json, "text"))};
    const cJSON *data = cJSON_GetObjectItem(json, "data");
    c.data = data ? typed_value(arena, data) : (TmplValue){.type = TMPL_OBJECT};
    AUTO(buf_finish) Buf out = {0};
    Err err = {0};
    bool ok = expand(arena, &c, &out, &err);
    check(json, ok, &out, &err, "");
}

Test(corpus, go_executes) {
    each_case("text-template-exec.json", run_go);
}

/* A rule file may be anybody's: what it costs to read grows with its length, not with its square.
 */
Test(corpus, reads_chains_as_long_as_a_file) {
    AUTO(buf_finish) Buf text = {0};
    Err err = {0};
    Tmpl *tmpl = NULL;
    buf_str(&text, STR("{{ .a"));
    for (int i = 0; i < 200000; i++) {
        buf_str(&text, STR(".b"));
    }
    buf_str(&text, STR(" }}"));
    static const TmplFunc *const funcs[] = {tmpl_funcs_prometheus, NULL};
    cr_assert(tmpl_parse(STR("t"), buf_view(&text), &(TmplOptions){.funcs = funcs}, &tmpl, &err),
              "%s", err.text);
    tmpl_free(tmpl);
}

Test(corpus, go_compares) {
    each_case("text-template-compare.json", run_go);
}

static void run_parse(Arena *arena, const cJSON *json) {
    (void)arena;
    AUTO(tmpl_freep) Tmpl *tmpl = NULL;
    AUTO(buf_finish) Buf printed = {0};
    Err err = {0};
    const char *name = text_of(json, "name");
    bool ok = tmpl_parse(STR("t"), str_of(text_of(json, "text")), &(TmplOptions){0}, &tmpl, &err);
    bool want = cJSON_IsTrue(cJSON_GetObjectItem(json, "valid"));
    cr_expect_eq(ok, want, "%s: %s", name, err.text);
    if (ok && want) {
        tmpl_node_print(&printed, tmpl_find(tmpl, STR("t"))->root, true);
        const char *canonical = text_of(json, "canonical");
        cr_expect(str_eq(buf_view(&printed), str_of(canonical)), "%s:\n got %.*s\nwant %s", name,
                  STR_ARG(buf_view(&printed)), canonical);
    }
}

Test(corpus, go_parses) {
    each_case("text-template-parse.json", run_parse);
}

/* ---- Prometheus and vmalert ---- */

static bool canned_query(void *ctx, Str expr, Arena *arena, TmplValue *ret_list, Err *err) {
    (void)expr;
    (void)err;
    const cJSON *results = ctx;
    size_t count = (size_t)cJSON_GetArraySize(results), at = 0;
    TmplValue *items = arena_array(arena, TmplValue, count + 1);
    for (const cJSON *sample = results ? results->child : NULL; sample; sample = sample->next) {
        TmplField *fields = arena_array(arena, TmplField, 2);
        TmplValue *values = arena_array(arena, TmplValue, 2);
        values[0] =
            value_from(arena, cJSON_GetObjectItem(sample, "labels"), "map[string]string", "");
        const cJSON *number = cJSON_GetObjectItem(sample, "value");
        values[1] =
            number ? tmpl_float(number->valuedouble) : tmpl_string(STR("{count:3, sum:10}"));
        fields[0] = (TmplField){STR("Labels"), &values[0]};
        fields[1] = (TmplField){STR("Value"), &values[1]};
        items[at++] = (TmplValue){.type = TMPL_OBJECT, .fields = fields, .count = 2};
    }
    *ret_list = (TmplValue){.type = TMPL_LIST, .items = items, .count = count};
    return true;
}

static void run_prometheus(Arena *arena, const cJSON *json) {
    static const TmplFunc *const funcs[] = {tmpl_funcs_prometheus, NULL};
    Case c = {
        .name = STR("test"),
        .text = str_of(text_of(json, "text")),
        .funcs = funcs,
        .options = {.missing_zero = true, .html = cJSON_IsTrue(cJSON_GetObjectItem(json, "html"))},
        .world = {.now = INT64_C(1353755652000),
                  .external_url = STR("http://testhost:9090/path/prefix"),
                  .query = canned_query,
                  .query_ctx = cJSON_GetObjectItem(json, "query_result")},
    };
    const cJSON *options = cJSON_GetObjectItem(json, "options");
    if (options) {
        const char *first = cJSON_GetStringValue(cJSON_GetArrayItem(options, 0));
        c.options.missing_zero = false;
        c.options.missing_error = first && strcmp(first, "missingkey=error") == 0;
    }
    c.data = typed_value(arena, cJSON_GetObjectItem(json, "input"));
    AUTO(buf_finish) Buf out = {0};
    Err err = {0};
    AUTO(tmpl_freep) Tmpl *probe = NULL;
    Err parse_err = {0};
    c.options.funcs = funcs;
    bool parses = tmpl_parse(c.name, c.text, &c.options, &probe, &parse_err);
    bool ok = expand(arena, &c, &out, &err);
    check(json, ok, &out, &err,
          parses ? "error executing template test: " : "error parsing template test: ");
}

Test(corpus, prometheus_expands) {
    each_case("prometheus-template.json", run_prometheus);
}

static void run_vmalert_func(Arena *arena, const cJSON *json) {
    const char *name = text_of(json, "func");
    const TmplFunc *func = tmpl_funcs_vmalert;
    while (func->name && strcmp(func->name, name) != 0) {
        func++;
    }
    cr_assert_not_null(func->name, "no function %s", name);
    /* Called through a template: {{ name .a .b }} prints the result. */
    Buf text = {0};
    buf_printf(&text, "{{ %s", name);
    TmplField fields[4];
    TmplValue values[4];
    size_t count = 0;
    static const Str names[] = {{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}};
    for (const cJSON *arg = cJSON_GetObjectItem(json, "args")->child; arg; arg = arg->next) {
        values[count] = typed_value(arena, arg);
        fields[count] = (TmplField){names[count], &values[count]};
        buf_printf(&text, " .%.*s", STR_ARG(names[count]));
        count++;
    }
    buf_printf(&text, " }}");
    static const TmplFunc *const funcs[] = {tmpl_funcs_vmalert, NULL};
    Case c = {.name = STR(""), .text = buf_view(&text), .funcs = funcs};
    c.data = (TmplValue){.type = TMPL_MAP, .fields = fields, .count = count};
    AUTO(buf_finish) Buf out = {0};
    Err err = {0};
    bool ok = expand(arena, &c, &out, &err);
    if (cJSON_IsFalse(cJSON_GetObjectItem(json, "expect"))) {
        cr_expect(ok && str_eq(buf_view(&out), STR("false")));
    } else {
        check(json, ok, &out, &err, "");
    }
    buf_finish(&text);
}

Test(corpus, vmalert_functions) {
    each_case("vmalert-funcs.json", run_vmalert_func);
}

/* ---- Alertmanager ---- */

static bool remove_names(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                         Err *err) {
    (void)count;
    (void)err;
    Arena *arena = tmpl_exec_arena(exec);
    TmplField *kept = arena_array(arena, TmplField, args[0].count + 1);
    size_t kept_count = 0;
    for (size_t i = 0; i < args[0].count; i++) {
        bool is_named = false;
        for (size_t k = 0; k < args[1].count; k++) {
            is_named |= str_eq(args[1].items[k].string, args[0].fields[i].name);
        }
        if (!is_named) {
            kept[kept_count++] = args[0].fields[i];
        }
    }
    *ret = args[0];
    ret->fields = kept;
    ret->count = kept_count;
    return true;
}

static bool pairs_values(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                         Err *err) {
    (void)count;
    (void)err;
    TmplValue *items = arena_array(tmpl_exec_arena(exec), TmplValue, args[0].count + 1);
    for (size_t i = 0; i < args[0].count; i++) {
        items[i] = *args[0].fields[i].value;
    }
    *ret = (TmplValue){.type = TMPL_LIST, .items = items, .count = args[0].count};
    return true;
}

static const TmplFunc pair_methods[] = {{"Values", 0, 0, pairs_values}, {0}};

static bool sorted_pairs(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                         Err *err) {
    (void)exec;
    (void)count;
    (void)err;
    *ret = args[0];
    ret->methods = pair_methods;
    return true;
}

static const TmplFunc kv_methods[] = {
    {"Remove", 1, 1, remove_names}, {"SortedPairs", 0, 0, sorted_pairs}, {0}};

static bool firing_only(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                        Err *err) {
    (void)count;
    (void)err;
    TmplValue *items = arena_array(tmpl_exec_arena(exec), TmplValue, args[0].count + 1);
    size_t used = 0;
    for (size_t i = 0; i < args[0].count; i++) {
        for (size_t k = 0; k < args[0].items[i].count; k++) {
            const TmplField *field = &args[0].items[i].fields[k];
            if (str_eq(field->name, STR("Status")) && str_eq(field->value->string, STR("firing"))) {
                items[used++] = args[0].items[i];
            }
        }
    }
    *ret = (TmplValue){.type = TMPL_LIST, .items = items, .count = used};
    return true;
}

static const TmplFunc alerts_methods[] = {{"Firing", 0, 0, firing_only}, {0}};

static const TmplValue *boxed(Arena *arena, TmplValue value) {
    TmplValue *copy = arena_new(arena, TmplValue);
    *copy = value;
    return copy;
}

/* One alert as Alertmanager's template.Alert, with the names its JSON has. */
static TmplValue alert_from(Arena *arena, const cJSON *json) {
    const char *status = text_of(json, "Status");
    const cJSON *labels = cJSON_GetObjectItem(json, "Labels");
    TmplValue label_map =
        labels ? value_from(arena, labels, "map[string]string", "") : (TmplValue){.type = TMPL_NIL};
    TmplValue zero = go_time_value(GO_TIME_ZERO);
    const struct {
        Str name, json;
        TmplValue value;
    } members[] = {
        {STR("Status"), STR("status"), tmpl_string(str_of(status))},
        {STR("Labels"), STR("labels"), label_map},
        {STR("Annotations"), STR("annotations"), {.type = TMPL_NIL}},
        {STR("StartsAt"), STR("startsAt"), zero},
        {STR("EndsAt"), STR("endsAt"), zero},
        {STR("GeneratorURL"), STR("generatorURL"), tmpl_string(STR(""))},
        {STR("Fingerprint"), STR("fingerprint"), tmpl_string(STR(""))},
    };
    TmplField *fields = arena_array(arena, TmplField, 7);
    TmplField *json_fields = arena_array(arena, TmplField, 7);
    for (size_t i = 0; i < 7; i++) {
        const TmplValue *value = boxed(arena, members[i].value);
        fields[i] = (TmplField){members[i].name, value};
        json_fields[i] = (TmplField){members[i].json, value};
    }
    TmplValue as_json = {.type = TMPL_OBJECT, .fields = json_fields, .count = 7};
    return (TmplValue){
        .type = TMPL_OBJECT, .fields = fields, .count = 7, .json_as = boxed(arena, as_json)};
}

static TmplValue data_from(Arena *arena, const cJSON *value) {
    TmplField *fields = arena_array(arena, TmplField, 3);
    const cJSON *alerts = cJSON_GetObjectItem(value, "Alerts");
    TmplValue list = {.type = TMPL_LIST, .methods = alerts_methods};
    TmplValue *items = arena_array(arena, TmplValue, (size_t)cJSON_GetArraySize(alerts) + 1);
    for (const cJSON *alert = alerts ? alerts->child : NULL; alert; alert = alert->next) {
        items[list.count++] = alert_from(arena, alert);
    }
    list.items = items;
    const cJSON *groups = cJSON_GetObjectItem(value, "GroupLabels");
    TmplValue group_labels =
        groups ? value_from(arena, groups, "map[string]string", "") : (TmplValue){.type = TMPL_MAP};
    group_labels.methods = kv_methods;
    const cJSON *routes = cJSON_GetObjectItem(value, "RouteLabels");
    TmplValue route_labels =
        routes ? value_from(arena, routes, "map[string]string", "") : (TmplValue){.type = TMPL_MAP};
    fields[0] = (TmplField){STR("Alerts"), boxed(arena, list)};
    fields[1] = (TmplField){STR("GroupLabels"), boxed(arena, group_labels)};
    fields[2] = (TmplField){STR("RouteLabels"), boxed(arena, route_labels)};
    return (TmplValue){.type = TMPL_OBJECT, .fields = fields, .count = 3};
}

static void run_alertmanager(Arena *arena, const cJSON *json) {
    static const TmplFunc *const funcs[] = {tmpl_funcs_alertmanager, NULL};
    Case c = {
        .name = STR(""),
        .text = str_of(text_of(json, "text")),
        .funcs = funcs,
        .options = {.missing_zero = true, .html = cJSON_IsTrue(cJSON_GetObjectItem(json, "html"))},
    };
    const cJSON *data = cJSON_GetObjectItem(json, "data");
    const char *type = data ? text_of(data, "type") : "";
    if (strcmp(type, "Data") == 0) {
        c.data = data_from(arena, cJSON_GetObjectItem(data, "value"));
    } else if (strcmp(type, "time.Time") == 0) {
        Err err = {0};
        cr_assert(go_time_parse(STR("2006-01-02T15:04:05Z07:00"), str_of(text_of(data, "value")),
                                &c.data, &err));
    } else {
        c.data = typed_value(arena, data);
    }
    AUTO(buf_finish) Buf out = {0};
    Err err = {0};
    bool ok = expand(arena, &c, &out, &err);
    check(json, ok, &out, &err, "");
}

Test(corpus, alertmanager_expands) {
    each_case("alertmanager-template.json", run_alertmanager);
}

/* ---- what people wrote ---- */

Test(corpus, every_annotation_of_real_rules_parses) {
    static const TmplFunc *const funcs[] = {tmpl_funcs_prometheus, tmpl_funcs_vmalert, NULL};
    AUTO(arena_finish) Arena arena = {0};
    cJSON *all = load(&arena, "annotations-real.json");
    size_t count = 0;
    for (const cJSON *json = cJSON_GetObjectItem(all, "strings")->child; json;
         json = json->next, count++) {
        AUTO(tmpl_freep) Tmpl *tmpl = NULL;
        AUTO(arena_finish) Arena own = {0};
        Err err = {0};
        const char *text = text_of(json, "text");
        if (!text) {
            continue;
        }
        Str whole = arena_printf(&own,
                                 "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}"
                                 "{{$externalURL := .ExternalURL}}{{$value := .Value}}%s",
                                 text);
        cr_expect(tmpl_parse(STR("t"), whole, &(TmplOptions){.funcs = funcs}, &tmpl, &err),
                  "%s\n%s", text, err.text);
    }
    cr_expect_gt(count, 4000);
    cJSON_Delete(all);
}

Test(corpus, alertmanagers_own_templates_parse) {
    static const TmplFunc *const funcs[] = {tmpl_funcs_alertmanager, NULL};
    static const char *const names[] = {"alertmanager-default/default.tmpl",
                                        "alertmanager-default/email.tmpl"};
    const char *shared = getenv("BELFRY_SHARED");
    for (size_t i = 0; i < 2; i++) {
        AUTO(arena_finish) Arena arena = {0};
        AUTO(tmpl_freep) Tmpl *tmpl = NULL;
        Str path = arena_printf(&arena, "%s/corpus/go-template/%s", shared ? shared : "../shared",
                                names[i]);
        Str text = {0};
        Err err = {0};
        if (!file_read(&arena, path.ptr, 1 << 20, &text, &err)) {
            cr_skip_test("no corpus: %s", err.text);
        }
        cr_expect(tmpl_parse(STR("t"), text, &(TmplOptions){.funcs = funcs}, &tmpl, &err), "%s",
                  err.text);
    }
}
