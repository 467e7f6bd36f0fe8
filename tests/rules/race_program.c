/* One program of many expressions on several threads, for ThreadSanitizer: expressions that share
 * nothing, operators, selectors or constants, and some that fail or warn. Each round has to answer
 * as the first did, which ran on one thread. */

#include <stdio.h>
#include <stdlib.h>

#include "rules/sandbox.h"
#include "rules/series_list.h"

static const TimeMs START = INT64_C(1700000040000);
enum { METRICS = 40, SERIES = 25, STEPS = 40, SCRAPE_MS = 15000, ROUNDS = 8, THREADS = 4 };

static const char *const forms[] = {
    "sum(rate(m%zu[5m])) > 0.9",
    "m%zu > 0.9",
    "sum by (a) (rate(m%zu[5m])) / 100",
    "histogram_quantile(0.9, sum by (a) (m%zu))", /* warns: no le */
    "m%zu * on () m%zu",                          /* fails: many on both sides */
    "0.9",
    "time() - max(m%zu)",
    "max_over_time(sum(rate(m%zu[2m]))[5m:1m])",
};
enum { FORMS = sizeof forms / sizeof *forms, EXPRS = METRICS * FORMS };

static void must(bool ok, const char *what, const Err *err) {
    if (!ok) {
        fprintf(stderr, "race_program: %s: %s\n", what, err ? err->text : "");
        abort();
    }
}

static void fill_store(Engine *engine) {
    AUTO(arena_finish) Arena arena = {0};
    SeriesList list = {0};
    for (size_t i = 0; i < (size_t)METRICS * SERIES * STEPS; i++) {
        size_t metric = i % METRICS, series = i / METRICS % SERIES, step = i / METRICS / SERIES;
        Label *labels = arena_array(&arena, Label, 3);
        labels[0] = (Label){LABEL_METRIC_NAME, arena_printf(&arena, "m%zu", metric)};
        labels[1] = (Label){STR("a"), arena_printf(&arena, "%zu", series % 3)};
        labels[2] = (Label){STR("b"), arena_printf(&arena, "%zu", series)};
        series_list_add(&list, (LabelSet){labels, 3},
                        START - (TimeMs)(STEPS - 1 - step) * SCRAPE_MS,
                        (double)(step * (series + 1) + metric));
    }
    uint64_t lsn = 0, ticket = 0;
    Err err = {0};
    must(series_list_write(&list, engine, START, &lsn, &ticket, &err), "write", &err);
    series_list_finish(&list);
}

static void parse_all(Arena *arena, EngineExpr *exprs) {
    for (size_t i = 0; i < EXPRS; i++) {
        size_t metric = i / FORMS;
        Err err = {0};
        exprs[i].text = arena_printf(arena, forms[i % FORMS], metric, (metric + 1) % METRICS);
        must(promql_parse(arena, exprs[i].text, PROMQL_PROMETHEUS, &exprs[i].expr, &err), "parse",
             &err);
    }
}

static void put_answers(Buf *out, const Value *values, const bool *ok, const Err *errs) {
    for (size_t i = 0; i < EXPRS; i++) {
        buf_printf(out, "%zu %d %a %s", i, ok[i], ok[i] ? values[i].scalar : 0,
                   ok[i] ? "" : errs[i].text);
        for (size_t s = 0; ok[i] && s < values[i].series_count; s++) {
            labels_print(out, values[i].series[s].labels);
            buf_printf(out, " %a", values[i].series[s].values[0]);
        }
        for (size_t w = 0; ok[i] && w < values[i].warning_count + values[i].info_count; w++) {
            bool warns = w < values[i].warning_count;
            buf_str(out,
                    warns ? values[i].warnings[w] : values[i].infos[w - values[i].warning_count]);
        }
        buf_byte(out, '\n');
    }
}

static void ask_all(Engine *engine, const EngineExpr *exprs, Buf *out) {
    AUTO(arena_finish) Arena arena = {0};
    Value *values = arena_array(&arena, Value, EXPRS);
    bool *ok = arena_array(&arena, bool, EXPRS);
    Err *errs = arena_array(&arena, Err, EXPRS);
    QueryOptions options = {.lookback = 5 * MINUTE_MS, .default_step = MINUTE_MS};
    engine_instant(engine, exprs, EXPRS, START, &options, &arena, values, ok, errs);
    put_answers(out, values, ok, errs);
}

int main(void) {
    Sandbox sandbox;
    Err err = {0};
    Arena arena = {0};
    Pool *pool = pool_new("race", THREADS, 64);
    must(sandbox_open(&sandbox, pool, 1, &err), "sandbox", &err);
    fill_store(sandbox.engine);
    EngineExpr *exprs = arena_array(&arena, EngineExpr, EXPRS);
    parse_all(&arena, exprs);

    Engine *alone = engine_local_new(sandbox.store, NULL);
    Buf wanted = {0};
    ask_all(alone, exprs, &wanted);
    for (int round = 0; round < ROUNDS; round++) {
        Buf got = {0};
        ask_all(sandbox.engine, exprs, &got);
        must(str_eq(buf_view(&got), buf_view(&wanted)), "another answer", NULL);
        buf_finish(&got);
    }

    for (size_t i = 0; i < EXPRS; i++) {
        expr_finish(exprs[i].expr);
    }
    buf_finish(&wanted);
    engine_free(alone);
    sandbox_close(&sandbox);
    pool_free(pool);
    arena_finish(&arena);
    return 0;
}
