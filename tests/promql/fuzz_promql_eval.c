/*
 * Any text evaluated, in both flavours (the first byte tells which, and whether over a range), over
 * a small store and within a small budget: an answer or an error, and nothing beyond the budget.
 */

#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "promql/promql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static Store *store;
static char dir[] = "/tmp/fuzzeval.XXXXXX";

static void close_store(void) {
    Err err;
    store_close(store);
    (void)!dir_remove(dir, &err);
}

/* Counters, gauges and classic buckets every 15 seconds for ten minutes. */
static void fill_store(void) {
    static const char *const names[] = {"a", "b", "c_bucket"};
    static const char *const edges[] = {"0.1", "1", "+Inf"};
    TimeMs times[40];
    double values[40];
    for (size_t i = 0; i < 9; i++) {
        Label labels[] = {{LABEL_METRIC_NAME, str_of(names[i / 3])},
                          {STR("le"), str_of(edges[i % 3])},
                          {STR("vmrange"), STR("1.0e+00...2.0e+00")},
                          {STR("x"), STR("y.z")}};
        for (size_t j = 0; j < 40; j++) {
            times[j] = (TimeMs)j * 15000;
            values[j] = j % 13 == 12 ? 0 : (double)(j * (i + 1)) / 3;
        }
        BatchSeries series = {.labels = {labels, 4}, .row_first = 0, .row_count = 40};
        SampleBatch batch = {.series = &series,
                             .series_count = 1,
                             .times = times,
                             .values = values,
                             .row_count = 40};
        uint64_t lsn;
        StoreOutcome outcome;
        Err err = {0};
        if (!store_append(store, &batch, clock_now(), &lsn, &outcome, &err)) {
            abort();
        }
    }
}

static void open_store(void) {
    Err err = {0};
    StoreOptions options = {.dir = dir,
                            .sync = STORE_SYNC_NEVER,
                            .future_max = 24 * HOUR_MS,
                            .block_span = 2 * HOUR_MS};
    if (!mkdtemp(dir) || !store_open(&options, &store, &err)) {
        abort();
    }
    fill_store();
    atexit(close_store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!store) {
        open_store();
    }
    if (size < 1) {
        return 0;
    }
    PromqlFlavour flavour = data[0] & 1 ? PROMQL_METRICSQL : PROMQL_PROMETHEUS;
    QueryRange range = {300000, 300000, 0};
    if (data[0] & 2) {
        range = (QueryRange){100000, 500000, 50000};
    }
    AUTO(arena_finish) Arena arena = {0};
    Err err = {0};
    const Expr *expr;
    if (!promql_parse(&arena, (Str){(const char *)data + 1, size - 1}, flavour, &expr, &err)) {
        return 0;
    }
    QueryOptions options = {
        .lookback = 5 * MINUTE_MS,
        .default_step = MINUTE_MS,
        .budget = {.series_max = 1000,
                   .samples_max = 2000000,
                   .bytes_max = 64 << 20,
                   .deadline_ns = clock_monotonic_ns() + INT64_C(1000000000)},
    };
    StoreSnapshot *snapshot = store_snapshot(store);
    Value value = {0};
    bool ok = false;
    promql_run(&expr, 1, snapshot, range, &options, NULL, &arena, &value, &ok, &err);
    if (ok) {
        AUTO(buf_finish) Buf text = {0};
        JsonWriter json = json_writer(&text);
        value_json(&json, &value, range.step == 0, 0);
    } else if (!err.kind) {
        abort();
    }
    snapshot_release(snapshot);
    expr_finish(expr);
    return 0;
}
