/* The planned, shared, streamed evaluation against the obvious one, on random queries and data. */

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "naive.h"

enum { SERIES_COUNT = 12, ROUNDS = 1500 };

/* Counters, gauges, gaps, stale markers, a NaN now and then; about 20 minutes each. */
static void make_series(NaiveSeries *series, Arena *arena, size_t index, uint64_t *state) {
    Label *labels = arena_array(arena, Label, 3);
    labels[0] = (Label){LABEL_METRIC_NAME, index % 2 ? STR("a") : STR("b")};
    labels[1] = (Label){STR("x"), arena_printf(arena, "%zu", 1 + index / 2 % 3)};
    labels[2] = (Label){STR("y"), arena_printf(arena, "%zu", 1 + index / 6)};
    series->labels = (LabelSet){labels, 3};
    TimeMs time = random_below(state, 60000);
    double value = random_below(state, 100);
    while (time < 20 * MINUTE_MS && series->count < 200) {
        uint32_t dice = random_below(state, 100);
        double stored = dice == 0 ? value_of_bits(STALE_NAN_BITS) : dice == 1 ? NAN : value;
        series->times[series->count] = time;
        series->values[series->count++] = stored;
        time += 5000 + random_below(state, 10000) + (dice == 2 ? 7 * MINUTE_MS : 0);
        value = dice < 6 ? 0 : value + random_below(state, 20) - (index % 3 ? 0 : 10);
    }
}

static void store_series(Store *store, const NaiveSeries *series) {
    BatchSeries entry = {
        .labels = series->labels, .row_first = 0, .row_count = (uint32_t)series->count};
    SampleBatch batch = {.series = &entry,
                         .series_count = 1,
                         .times = series->times,
                         .values = series->values,
                         .row_count = series->count};
    uint64_t lsn;
    StoreOutcome outcome;
    Err err = {0};
    cr_assert(store_append(store, &batch, clock_now(), &lsn, &outcome, &err), "%s", err.text);
}

static bool run(Store *store, const Expr *expr, QueryRange range, Arena *arena, Value *ret_value,
                Err *err) {
    QueryOptions options = {.lookback = 5 * MINUTE_MS, .default_step = MINUTE_MS};
    StoreSnapshot *snapshot = store_snapshot(store);
    bool ok = false;
    promql_run(&expr, 1, snapshot, range, &options, NULL, arena, ret_value, &ok, err);
    snapshot_release(snapshot);
    return ok;
}

static bool same_number(double a, double b) {
    if (isnan(a) || isnan(b) || isinf(a) || isinf(b)) {
        return (isnan(a) && isnan(b)) || a == b;
    }
    return fabs(a - b) <= 1e-9 * (fabs(a) + fabs(b)) + 1e-9;
}

/* The answer's value of a series at a time; false: there is none. */
static bool value_at(const Value *value, LabelSet labels, TimeMs time, double *ret_value) {
    for (size_t i = 0; i < value->series_count; i++) {
        const ValueSeries *series = &value->series[i];
        for (size_t j = 0; j < series->count && labels_eq(series->labels, labels); j++) {
            if (series->times[j] == time) {
                *ret_value = series->values[j];
                return true;
            }
        }
    }
    return false;
}

static size_t points_at(const Value *value, TimeMs time) {
    size_t found = 0;
    for (size_t i = 0; i < value->series_count; i++) {
        for (size_t j = 0; j < value->series[i].count; j++) {
            found += value->series[i].times[j] == time;
        }
    }
    return found;
}

/* `*ret_failed`: this step has no answer, for Prometheus neither. */
static void check_step(const NaiveData *data, const Expr *expr, const Value *value, TimeMs time,
                       Str query, bool *ret_failed) {
    Arena arena = {0};
    NaiveVector want = naive_answer(data, &arena, expr, time);
    *ret_failed = want.failed;
    if (value && !want.failed) {
        cr_expect_eq(points_at(value, time), want.count, "%.*s at %lld: %zu series, want %zu",
                     STR_ARG(query), (long long)time, points_at(value, time), want.count);
        for (size_t i = 0; i < want.count; i++) {
            double got = NAN;
            bool there = value_at(value, want.items[i].labels, time, &got);
            AUTO(buf_finish) Buf labels = {0};
            labels_print(&labels, want.items[i].labels);
            cr_expect(there && same_number(got, want.items[i].value),
                      "%.*s at %lld %.*s: %s %.17g, want %.17g", STR_ARG(query), (long long)time,
                      STR_ARG(buf_view(&labels)), there ? "" : "none", got, want.items[i].value);
        }
    }
    arena_finish(&arena);
}

static void check_range(Store *store, NaiveData *data, const Expr *expr, QueryRange range,
                        Str query) {
    Arena arena = {0};
    Value value = {0};
    Err err = {0};
    bool ok = run(store, expr, range, &arena, &value, &err), failed = false;
    data->range = range;
    DurationMs step = range.step ? range.step : 1;
    for (TimeMs time = range.from; time <= range.to; time += step) {
        bool step_failed;
        check_step(data, expr, ok ? &value : NULL, time, query, &step_failed);
        failed = failed || step_failed;
    }
    cr_expect_eq(ok, !failed, "%.*s: %s", STR_ARG(query), ok ? "an answer" : err.text);
    arena_finish(&arena);
}

static void check_query(Store *store, NaiveData *data, uint64_t *state) {
    AUTO(buf_finish) Buf text = {0};
    Arena arena = {0};
    Err err = {0};
    const Expr *expr;
    query_make(&text, state, 3);
    cr_assert(promql_parse(&arena, buf_view(&text), PROMQL_PROMETHEUS, &expr, &err), "%.*s: %s",
              STR_ARG(buf_view(&text)), err.text);
    TimeMs from = 400000 + random_below(state, 300000);
    QueryRange range = {from, from + 9 * 37000, 37000};
    check_range(store, data, expr, range, buf_view(&text));
    check_range(store, data, expr, (QueryRange){from, from, 0}, buf_view(&text));
    expr_finish(expr);
    arena_finish(&arena);
}

Test(random, plans_answer_as_the_naive_evaluator_does) {
    char dir[] = "/tmp/promqlrandom.XXXXXX";
    cr_assert(mkdtemp(dir));
    StoreOptions options = {.dir = dir,
                            .sync = STORE_SYNC_NEVER,
                            .future_max = 24 * HOUR_MS,
                            .block_span = 2 * HOUR_MS};
    Store *store;
    Err err = {0};
    cr_assert(store_open(&options, &store, &err), "%s", err.text);
    const char *given = getenv("BELFRY_RANDOM_SEED");
    uint64_t state = given ? strtoull(given, NULL, 10) : 1;
    Arena arena = {0};
    NaiveSeries *series = arena_array(&arena, NaiveSeries, SERIES_COUNT);
    for (size_t i = 0; i < SERIES_COUNT; i++) {
        make_series(&series[i], &arena, i, &state);
        store_series(store, &series[i]);
    }
    NaiveData data = {series, SERIES_COUNT, {0}};
    for (int i = 0; i < ROUNDS; i++) {
        check_query(store, &data, &state);
    }
    arena_finish(&arena);
    store_close(store);
    cr_assert(dir_remove(dir, &err), "%s", err.text);
}
