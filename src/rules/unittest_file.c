#include "rules/unittest_file.h"

#include <math.h>
#include <stdlib.h>

#include "base/number.h"
#include "rules/rule_duration.h"

/* 2000-01-01T00:00:00Z, when vmalert-tool's tests begin. */
static const TimeMs VMALERT_START = INT64_C(946684800000);

static const char *const file_keys[] = {
    "rule_files", "evaluation_interval", "fuzzy_compare", "group_eval_order", "tests", NULL};
static const char *const group_keys[] = {
    "name",         "interval",        "start_timestamp",  "input_series",        "external_labels",
    "external_url", "alert_rule_test", "promql_expr_test", "metricsql_expr_test", NULL};
static const char *const series_keys[] = {"series", "values", NULL};
static const char *const alert_keys[] = {"eval_time", "alertname", "groupname", "exp_alerts", NULL};
static const char *const exp_alert_keys[] = {"exp_labels", "exp_annotations", "exp_state", NULL};
static const char *const expr_keys[] = {"expr", "eval_time", "exp_samples", NULL};
static const char *const sample_keys[] = {"labels", "value", "histogram", NULL};

typedef struct TestReader {
    Arena *arena;
    YamlReader yaml;
    TestFile *file;
} TestReader;

static bool read_span(TestReader *reader, const YamlNode *map, const char *key, DurationMs *ret) {
    const YamlNode *node = yaml_get(map, key);
    Err err = {0};
    if (!node || node->kind == YAML_NULL) {
        return false;
    }
    if (node->kind != YAML_SCALAR || !rule_duration(node->text, reader->file->vmalert, ret, &err)) {
        yaml_problem(&reader->yaml, node, "%s: %s", key,
                     node->kind == YAML_SCALAR ? err.text : "no duration");
        return false;
    }
    return true;
}

static const YamlNode *list_of(TestReader *reader, const YamlNode *map, const char *key) {
    static const YamlNode empty = {.kind = YAML_LIST};
    const YamlNode *list = NULL;
    return yaml_list(&reader->yaml, map, key, &list) ? list : &empty;
}

/* A map of texts as a label set, the extra ones set in any case; empty values are kept, an
 * annotation may be empty. */
static LabelSet read_map(TestReader *reader, const YamlNode *map, const char *key, Str extra_name,
                         Str extra_value, Str second_name, Str second_value) {
    const YamlNode *node = NULL;
    (void)yaml_map(&reader->yaml, map, key, &node);
    size_t own = node ? node->count : 0;
    Label *labels = arena_array(reader->arena, Label, own + 3);
    size_t count = 0;
    for (size_t i = 0; i < own; i++) {
        const YamlPair *pair = &node->pairs[i];
        if (pair->first_line) {
            yaml_problem(&reader->yaml, pair->key, "key \"%.*s\" already set in map, at line %u",
                         STR_ARG(pair->key->text), pair->first_line);
        }
        Str value = pair->value->kind == YAML_SCALAR ? pair->value->text : STR("");
        labels[count++] = (Label){node->pairs[i].key->text, value};
    }
    const Label extras[] = {{extra_name, extra_value}, {second_name, second_value}};
    for (size_t e = 0; e < 2; e++) {
        size_t at = 0;
        while (at < count && !str_eq(labels[at].name, extras[e].name)) {
            at++;
        }
        if (extras[e].name.len) {
            labels[at] = extras[e];
            count += at == count;
        }
    }
    for (size_t i = 1; i < count; i++) {
        for (size_t k = i; k > 0 && str_cmp(labels[k - 1].name, labels[k].name) > 0; k--) {
            Label swap = labels[k];
            labels[k] = labels[k - 1];
            labels[k - 1] = swap;
        }
    }
    return (LabelSet){labels, count};
}

/* `0x10000000` is ten million points, of which a test that ends after an hour sees sixty: counts of
 * repetitions are cut to what the test's times can reach. */
static Str clip_repeats(Arena *arena, Str values, uint64_t most) {
    AUTO(buf_finish) Buf out = {0};
    for (size_t i = 0; i < values.len;) {
        size_t digits = 0;
        uint64_t count = 0;
        buf_byte(&out, values.ptr[i]);
        if (values.ptr[i++] != 'x') {
            continue;
        }
        while (i + digits < values.len && values.ptr[i + digits] >= '0' &&
               values.ptr[i + digits] <= '9') {
            count = count <= most ? count * 10 + (uint64_t)(values.ptr[i + digits] - '0') : count;
            digits++;
        }
        bool ends = i + digits == values.len || values.ptr[i + digits] == ' ' ||
                    values.ptr[i + digits] == '\n';
        if (digits && ends && count > most) {
            buf_printf(&out, "%llu", (unsigned long long)most);
            i += digits;
        }
    }
    return arena_str(arena, buf_view(&out));
}

/* vmalert-tool's `1+2` is one sample, their sum. */
static Str add_sums(Arena *arena, Str values) {
    AUTO(buf_finish) Buf out = {0};
    for (Str rest = str_trim(values); rest.len;) {
        size_t len = 0, plus = 0;
        double left = 0, right = 0;
        while (len < rest.len && rest.ptr[len] != ' ' && rest.ptr[len] != '\n') {
            bool is_exponent = len && (rest.ptr[len - 1] | 0x20) == 'e';
            plus = rest.ptr[len] == '+' && len && !is_exponent ? len : plus;
            len++;
        }
        if (plus && number_parse((Str){rest.ptr, plus}, &left) &&
            number_parse((Str){rest.ptr + plus + 1, len - plus - 1}, &right)) {
            number_put(&out, left + right);
        } else {
            buf_put(&out, rest.ptr, len);
        }
        buf_byte(&out, ' ');
        rest = str_trim(str_skip(rest, len));
    }
    return arena_str(arena, str_trim(buf_view(&out)));
}

static DurationMs last_time(const TestGroup *group) {
    DurationMs last = 0;
    for (size_t i = 0; i < group->alert_count; i++) {
        last = group->alerts[i].at > last ? group->alerts[i].at : last;
    }
    for (size_t i = 0; i < group->expr_count; i++) {
        last = group->exprs[i].at > last ? group->exprs[i].at : last;
    }
    return last;
}

/* promtool reads both as one text, so that `series` may end in values of its own. */
static bool parse_series(TestReader *reader, Str series, Str values, SeriesDesc *ret_desc,
                         Err *err) {
    if (reader->file->vmalert) {
        values = add_sums(reader->arena, values);
        return series_labels_parse(reader->arena, series, &ret_desc->labels, err) &&
               series_values_parse(reader->arena, values, &ret_desc->points, &ret_desc->count, err);
    }
    Str both = arena_printf(reader->arena, "%.*s %.*s", STR_ARG(series), STR_ARG(values));
    return series_desc_parse(reader->arena, both, ret_desc, err);
}

static void read_series(TestReader *reader, const YamlNode *map, TestGroup *group) {
    uint64_t most = (uint64_t)(group->last / group->interval) + 1;
    const YamlNode *list = list_of(reader, map, "input_series");
    group->series = arena_array(reader->arena, SeriesDesc, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        Str series = {0}, values = {0};
        Err err = {0};
        (void)yaml_check_keys(&reader->yaml, list->items[i], series_keys);
        if (!yaml_str(&reader->yaml, list->items[i], "series", &series)) {
            yaml_problem(&reader->yaml, list->items[i], "an input series without `series`");
            continue;
        }
        (void)yaml_str(&reader->yaml, list->items[i], "values", &values);
        values = clip_repeats(reader->arena, values, most);
        if (parse_series(reader, series, values, &group->series[group->series_count], &err)) {
            group->series_count++;
        } else {
            yaml_problem(&reader->yaml, list->items[i], "%s", err.text);
        }
    }
}

static ExpectedState read_state(TestReader *reader, const YamlNode *map, AlertCase *test) {
    Str state = {0};
    if (!yaml_str(&reader->yaml, map, "exp_state", &state)) {
        return EXPECT_FIRING;
    }
    test->names_states = true;
    if (str_eq(state, STR("pending"))) {
        return EXPECT_PENDING;
    }
    if (str_eq(state, STR("resolved"))) {
        return EXPECT_RESOLVED;
    }
    if (!str_eq(state, STR("firing"))) {
        yaml_problem(&reader->yaml, yaml_get(map, "exp_state"),
                     "exp_state has to be pending, firing or resolved");
    }
    return EXPECT_FIRING;
}

static void read_alert_case(TestReader *reader, const YamlNode *map, AlertCase *test) {
    (void)yaml_check_keys(&reader->yaml, map, alert_keys);
    test->line = map->line;
    (void)read_span(reader, map, "eval_time", &test->at);
    (void)yaml_str(&reader->yaml, map, "groupname", &test->groupname);
    reader->file->names_groups |= test->groupname.len > 0;
    if (!yaml_str(&reader->yaml, map, "alertname", &test->alertname) || test->alertname.len == 0) {
        yaml_problem(&reader->yaml, map,
                     "an item under alert_rule_test misses required attribute alertname");
    }
    const YamlNode *list = list_of(reader, map, "exp_alerts");
    test->alerts = arena_array(reader->arena, ExpectedAlert, list->count + 1);
    Str group_label = reader->file->vmalert && test->groupname.len ? STR("alertgroup") : STR("");
    for (size_t i = 0; i < list->count; i++) {
        const YamlNode *item = list->items[i];
        (void)yaml_check_keys(&reader->yaml, item, exp_alert_keys);
        test->alerts[test->alert_count++] = (ExpectedAlert){
            .labels = read_map(reader, item, "exp_labels", STR("alertname"), test->alertname,
                               group_label, test->groupname),
            .annotations =
                read_map(reader, item, "exp_annotations", STR(""), STR(""), STR(""), STR("")),
            .state = read_state(reader, item, test),
            .any_annotations = yaml_get(item, "exp_state") && !yaml_get(item, "exp_annotations"),
        };
    }
}

static int by_time(const void *a, const void *b) {
    const AlertCase *x = a, *y = b;
    return x->at != y->at ? (x->at > y->at) - (x->at < y->at)
                          : (x->line > y->line) - (x->line < y->line);
}

static void read_alert_cases(TestReader *reader, const YamlNode *map, TestGroup *group) {
    const YamlNode *list = list_of(reader, map, "alert_rule_test");
    group->alerts = arena_array(reader->arena, AlertCase, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        read_alert_case(reader, list->items[i], &group->alerts[group->alert_count++]);
    }
    qsort(group->alerts, group->alert_count, sizeof *group->alerts, by_time);
}

/* Numbers as YAML has them: also 0b110, 0o17, 0x1f. */
static bool parse_yaml_number(Str text, double *ret_number) {
    static const struct {
        const char *prefix;
        int base;
    } forms[] = {{"0b", 2}, {"0o", 8}, {"0x", 16}};
    char digits[72];
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (str_starts(text, str_of(forms[i].prefix)) && text.len > 2 && text.len < sizeof digits) {
            memcpy(digits, text.ptr + 2, text.len - 2);
            digits[text.len - 2] = '\0';
            char *end = NULL;
            unsigned long long number = strtoull(digits, &end, forms[i].base);
            *ret_number = (double)number;
            return *end == '\0';
        }
    }
    return number_parse(text, ret_number);
}

static void read_sample(TestReader *reader, const YamlNode *map, ExpectedSample *sample) {
    Str labels = {0}, histogram = {0}, number = {0};
    Err err = {0};
    (void)yaml_check_keys(&reader->yaml, map, sample_keys);
    if (yaml_str(&reader->yaml, map, "labels", &labels) && labels.len &&
        !series_labels_parse(reader->arena, labels, &sample->labels, &err)) {
        yaml_problem(&reader->yaml, map, "labels: %s", err.text);
    }
    if (yaml_str(&reader->yaml, map, "value", &number) &&
        !parse_yaml_number(number, &sample->value)) {
        yaml_problem(&reader->yaml, map, "value: no number: %.*s", STR_ARG(number));
    }
    SeriesPoint *points = NULL;
    size_t count = 0;
    if (!yaml_str(&reader->yaml, map, "histogram", &histogram) || histogram.len == 0) {
        return;
    }
    if (!series_values_parse(reader->arena, histogram, &points, &count, &err) || count != 1) {
        yaml_problem(&reader->yaml, map, "histogram: %s", count > 1 ? "more than one" : err.text);
        return;
    }
    sample->histogram = points[0].histogram;
}

static void read_expr_cases(TestReader *reader, const YamlNode *map, const char *key,
                            TestGroup *group) {
    const YamlNode *list = list_of(reader, map, key);
    if (list->count == 0) {
        return;
    }
    group->exprs = arena_array(reader->arena, ExprCase, list->count);
    for (size_t i = 0; i < list->count; i++) {
        const YamlNode *item = list->items[i];
        ExprCase *test = &group->exprs[group->expr_count++];
        (void)yaml_check_keys(&reader->yaml, item, expr_keys);
        test->line = item->line;
        test->metricsql = str_starts(str_of(key), STR("metricsql"));
        (void)read_span(reader, item, "eval_time", &test->at);
        (void)yaml_str(&reader->yaml, item, "expr", &test->expr);
        const YamlNode *expr = yaml_get(item, "expr");
        test->expr_line = expr ? expr->line : item->line;
        test->expr_column = expr ? expr->column : item->column;
        const YamlNode *samples = list_of(reader, item, "exp_samples");
        test->samples = arena_array(reader->arena, ExpectedSample, samples->count + 1);
        for (size_t s = 0; s < samples->count; s++) {
            read_sample(reader, samples->items[s], &test->samples[test->sample_count++]);
        }
    }
}

static void read_start(TestReader *reader, const YamlNode *map, TestGroup *group) {
    group->start = reader->file->vmalert ? VMALERT_START : 0;
    Str text = {0};
    Err err = {0};
    group->has_start = yaml_str(&reader->yaml, map, "start_timestamp", &text);
    if (group->has_start && !time_parse(text, &group->start, &err)) {
        yaml_problem(&reader->yaml, yaml_get(map, "start_timestamp"), "%s", err.text);
    }
}

static void read_group(TestReader *reader, const YamlNode *map, size_t index, TestGroup *group) {
    (void)yaml_check_keys(&reader->yaml, map, group_keys);
    group->line = map->line;
    group->name = arena_printf(reader->arena, "tests[%zu]", index);
    (void)yaml_str(&reader->yaml, map, "name", &group->name);
    group->interval = reader->file->evaluation_interval;
    DurationMs interval = 0;
    if (read_span(reader, map, "interval", &interval) && interval > 0) {
        group->interval = interval;
    }
    read_start(reader, map, group);
    group->external_labels =
        read_map(reader, map, "external_labels", STR(""), STR(""), STR(""), STR(""));
    (void)yaml_str(&reader->yaml, map, "external_url", &group->external_url);
    read_alert_cases(reader, map, group);
    read_expr_cases(reader, map, "promql_expr_test", group);
    read_expr_cases(reader, map, "metricsql_expr_test", group);
    group->last = last_time(group);
    read_series(reader, map, group);
}

/* vmalert-tool's files show themselves by its names. */
static bool shows_vmalert(const YamlNode *file) {
    const YamlNode *tests = yaml_get(file, "tests");
    for (size_t i = 0; tests && tests->kind == YAML_LIST && i < tests->count; i++) {
        const YamlNode *test = tests->items[i];
        if (yaml_get(test, "metricsql_expr_test")) {
            return true;
        }
        const YamlNode *alerts = yaml_get(test, "alert_rule_test");
        for (size_t k = 0; alerts && alerts->kind == YAML_LIST && k < alerts->count; k++) {
            if (yaml_get(alerts->items[k], "groupname")) {
                return true;
            }
        }
    }
    return false;
}

static Str folder_of(Str path) {
    for (size_t i = path.len; i-- > 0;) {
        if (path.ptr[i] == '/') {
            return (Str){path.ptr, i + 1};
        }
    }
    return STR("");
}

static void read_rule_files(TestReader *reader, const YamlNode *map) {
    const YamlNode *list = list_of(reader, map, "rule_files");
    TestFile *file = reader->file;
    file->rule_files = arena_array(reader->arena, Str, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        Str pattern = list->items[i]->text;
        bool is_absolute = pattern.len && pattern.ptr[0] == '/';
        Str folder = is_absolute ? STR("") : folder_of(file->path);
        file->rule_files[file->rule_file_count++] =
            arena_printf(reader->arena, "%.*s%.*s", STR_ARG(folder), STR_ARG(pattern));
    }
}

static void read_group_order(TestReader *reader, const YamlNode *map) {
    const YamlNode *list = list_of(reader, map, "group_eval_order");
    TestFile *file = reader->file;
    file->group_order = arena_array(reader->arena, Str, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (str_eq(list->items[k]->text, list->items[i]->text)) {
                yaml_problem(&reader->yaml, list->items[i],
                             "group name repeated in evaluation order: %.*s",
                             STR_ARG(list->items[i]->text));
            }
        }
        file->group_order[file->group_order_count++] = list->items[i]->text;
    }
}

bool unittest_file_parse(Arena *arena, Str path, Str bytes, TestFile *ret_file,
                         Problems *problems) {
    YamlDocs docs = {0};
    size_t before = problems->items_count;
    TestFile file = {.path = path, .evaluation_interval = MINUTE_MS};
    TestReader reader = {arena, {.file = path, .problems = problems, .where = ""}, &file};
    if (!yaml_parse(arena, bytes, path, &docs, problems)) {
        return false;
    }
    const YamlNode *root = docs.count ? docs.items[0] : NULL;
    if (!root || root->kind != YAML_MAP) {
        return problems_add(problems, path, 1, 1,
                            "a unit-test file has to be a mapping with `tests`");
    }
    (void)yaml_check_keys(&reader.yaml, root, file_keys);
    file.vmalert = shows_vmalert(root);
    DurationMs interval = 0;
    if (read_span(&reader, root, "evaluation_interval", &interval) && interval > 0) {
        file.evaluation_interval = interval;
    }
    (void)yaml_bool(&reader.yaml, root, "fuzzy_compare", &file.fuzzy);
    read_rule_files(&reader, root);
    read_group_order(&reader, root);
    const YamlNode *tests = list_of(&reader, root, "tests");
    file.groups = arena_array(arena, TestGroup, tests->count + 1);
    for (size_t i = 0; i < tests->count; i++) {
        read_group(&reader, tests->items[i], i, &file.groups[file.group_count++]);
    }
    *ret_file = file;
    return problems->items_count == before;
}
