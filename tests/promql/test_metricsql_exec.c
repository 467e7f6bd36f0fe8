/* MetricsQL evaluated: VictoriaMetrics' own cases of queries over an empty database, and queries
 * that have to fail. */

#include <math.h>
#include <unistd.h>

#include "corpus.h"
#include "promql/promql.h"

static Store *open_empty(char *dir) {
    Store *store;
    Err err = {0};
    cr_assert(mkdtemp(dir));
    StoreOptions options = {.dir = dir,
                            .sync = STORE_SYNC_NEVER,
                            .future_max = 24 * HOUR_MS,
                            .block_span = 2 * HOUR_MS};
    cr_assert(store_open(&options, &store, &err), "%s", err.text);
    return store;
}

static bool run(Store *store, Str query, QueryRange range, Arena *arena, Value *ret_value,
                Err *err) {
    const Expr *expr;
    if (!promql_parse(arena, query, PROMQL_METRICSQL, &expr, err)) {
        return false;
    }
    QueryOptions options = {.lookback = 5 * MINUTE_MS, .default_step = MINUTE_MS};
    StoreSnapshot *snapshot = store_snapshot(store);
    bool ok = false;
    promql_run(&expr, 1, snapshot, range, &options, NULL, arena, ret_value, &ok, err);
    snapshot_release(snapshot);
    expr_finish(expr);
    return ok;
}

static double number_at(const cJSON *value) {
    if (cJSON_IsNumber(value)) {
        return value->valuedouble;
    }
    const char *text = cJSON_GetObjectItem(value, "$float")->valuestring;
    return strcmp(text, "NaN") == 0 ? NAN : text[0] == '-' ? -INFINITY : INFINITY;
}

static double value_at(const ValueSeries *series, TimeMs time) {
    for (size_t i = 0; i < series->count; i++) {
        if (series->times[i] == time) {
            return series->values[i];
        }
    }
    return NAN;
}

static bool same_number(double got, double want) {
    if (isnan(want) || isinf(want)) { /* the cases do not tell infinities apart */
        return isnan(want) ? isnan(got) : isinf(got);
    }
    return fabs(got - want) <= 1e-13 * fabs(want) || fabs(got - want) < 1e-15;
}

static bool same_labels(LabelSet labels, const cJSON *want) {
    size_t count = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, want) {
        count++;
        if (!str_eq(labels_get(labels, str_of(item->string)), str_of(item->valuestring))) {
            return false;
        }
    }
    return labels.count == count;
}

static bool same_series(const ValueSeries *got, const cJSON *want, QueryRange range) {
    if (!same_labels(got->labels, cJSON_GetObjectItem(want, "metric"))) {
        return false;
    }
    TimeMs time = range.from;
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(want, "values")) {
        if (!same_number(value_at(got, time), number_at(item))) {
            return false;
        }
        time += range.step;
    }
    return true;
}

static void put_got(Buf *out, const Value *value) {
    for (size_t i = 0; i < value->series_count; i++) {
        const ValueSeries *series = &value->series[i];
        buf_str(out, STR("\n    "));
        labels_print(out, series->labels);
        for (size_t j = 0; j < series->count; j++) {
            buf_printf(out, " %.17g@%lld", series->values[j], (long long)series->times[j] / 1000);
        }
    }
}

static bool has_series(const Value *value, const cJSON *want, QueryRange range) {
    for (size_t i = 0; i < value->series_count; i++) {
        if (same_series(&value->series[i], want, range)) {
            return true;
        }
    }
    return false;
}

static bool same_answer(const Value *value, const cJSON *want, bool ordered, QueryRange range) {
    if (value->series_count != (size_t)cJSON_GetArraySize(want)) {
        return false;
    }
    size_t i = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, want) {
        if (ordered ? !same_series(&value->series[i++], item, range)
                    : !has_series(value, item, range)) {
            return false;
        }
    }
    return true;
}

/* Order counts where it was asked for. */
static bool is_ordered(Str query) {
    query = str_trim(query);
    return str_starts(query, STR("sort")) || str_starts(query, STR("topk")) ||
           str_starts(query, STR("bottomk")) || str_starts(query, STR("limit_offset"));
}

/* Numbers of Go's random generator cannot be told; that there are as many series can. */
static bool is_expected(const Value *value, const cJSON *item, QueryRange range) {
    const cJSON *want = cJSON_GetObjectItem(item, "expect");
    if (cJSON_IsTrue(cJSON_GetObjectItem(item, "go_rand"))) {
        return (value->series_count > 0) == (cJSON_GetArraySize(want) > 0);
    }
    Str query = str_of(cJSON_GetObjectItem(item, "query")->valuestring);
    return same_answer(value, want, is_ordered(query), range);
}

static TimeMs time_of(const cJSON *item, const char *key) {
    return (TimeMs)cJSON_GetObjectItem(item, key)->valuedouble;
}

Test(metricsql_exec, answers_as_victoriametrics_does) {
    char dir[] = "/tmp/metricsql.XXXXXX";
    cJSON *root = corpus_open("exec-success.json");
    Store *store = open_empty(dir);
    const cJSON *item;
    cJSON_ArrayForEach(item, corpus_cases(root)) {
        Arena arena = {0};
        Value value = {0};
        Err err = {0};
        QueryRange range = {time_of(item, "start_ms"), time_of(item, "end_ms"),
                            time_of(item, "step_ms")};
        Str query = corpus_text(&arena, item, "query");
        bool ok = run(store, query, range, &arena, &value, &err);
        cr_expect(ok, "%.*s\n  %s", STR_ARG(query), err.text);
        AUTO(buf_finish) Buf got = {0};
        put_got(&got, &value);
        char *want = cJSON_PrintUnformatted(cJSON_GetObjectItem(item, "expect"));
        cr_expect(!ok || is_expected(&value, item, range), "%.*s\n  want %s\n  got %.*s",
                  STR_ARG(query), want, STR_ARG(buf_view(&got)));
        free(want);
        arena_finish(&arena);
    }
    store_close(store);
    cJSON_Delete(root);
    Err err = {0};
    cr_assert(dir_remove(dir, &err), "%s", err.text);
}

Test(metricsql_exec, fails_where_victoriametrics_does) {
    char dir[] = "/tmp/metricsql.XXXXXX";
    cJSON *root = corpus_open("exec-error.json");
    Store *store = open_empty(dir);
    const cJSON *item;
    cJSON_ArrayForEach(item, corpus_cases(root)) {
        Arena arena = {0};
        Value value = {0};
        Err err = {0};
        Str query = corpus_text(&arena, item, "query");
        bool ok = run(store, query, (QueryRange){1000000, 2000000, 200000}, &arena, &value, &err);
        cr_expect(!ok, "%.*s has an answer", STR_ARG(query));
        cr_expect(err.kind != ERR_UNSUPPORTED, "%.*s: %s", STR_ARG(query), err.text);
        arena_finish(&arena);
    }
    store_close(store);
    cJSON_Delete(root);
    Err err = {0};
    cr_assert(dir_remove(dir, &err), "%s", err.text);
}
