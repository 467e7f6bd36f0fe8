/* The engine over our own store. */

#include "engine_test.h"

static Store *open_store(char *dir) {
    cr_assert(mkdtemp(dir));
    StoreOptions options = {
        .dir = dir, .sync = STORE_SYNC_ALWAYS, .future_max = DAY_MS, .block_span = 2 * HOUR_MS};
    Store *store;
    Err err = {0};
    cr_assert(store_open(&options, &store, &err), "%s", err.text);
    return store;
}

Test(engine_local, answers_several_expressions_each_with_its_own_outcome) {
    char dir[] = "/tmp/belfry-engine.XXXXXX";
    Store *store = open_store(dir);
    Engine *engine = engine_local_new(store, NULL);
    cr_expect(engine_is_local(engine));

    TimeMs now = clock_now();
    uint64_t lsn = 0;
    Err err = {0};
    cr_assert(write_two(engine, now, &lsn, &err), "%s", err.text);
    cr_assert(engine_sync(engine, lsn, &err), "%s", err.text);

    Arena arena = {0};
    EngineExpr exprs[] = {parse_expr(&arena, "sum(up)"),
                          parse_expr(&arena, "up * on () group_left () up"),
                          parse_expr(&arena, "count(up)")};
    Value values[3] = {0};
    bool ok[3];
    Err errs[3] = {0};
    engine_instant(engine, exprs, 3, now, &test_options, &arena, values, ok, errs);
    cr_assert(ok[0] && !ok[1] && ok[2], "%s %s", errs[0].text, errs[2].text);
    assert_single(&values[0], 1);
    assert_single(&values[2], 2);
    cr_expect_eq(errs[1].kind, ERR_INVALID);
    cr_expect(strstr(errs[1].text, "many-to-many"), "%s", errs[1].text);

    Value matrix;
    QueryRange range = {.from = now, .to = now + 2 * MINUTE_MS, .step = MINUTE_MS};
    cr_assert(engine_range(engine, &exprs[0], range, &test_options, &arena, &matrix, &err), "%s",
              err.text);
    cr_expect(matrix.type == VALUE_MATRIX && matrix.series_count == 1 &&
              matrix.series[0].count == 3);

    for (size_t i = 0; i < 3; i++) {
        expr_finish(exprs[i].expr);
    }
    arena_finish(&arena);
    engine_free(engine);
    store_close(store);
    cr_assert(dir_remove(dir, &err), "%s", err.text);
}

Test(engine_local, tells_when_results_are_refused) {
    char dir[] = "/tmp/belfry-engine.XXXXXX";
    Store *store = open_store(dir);
    Engine *engine = engine_local_new(store, NULL);
    uint64_t lsn;
    Err err = {0};
    Label labels[] = {{STR("__name__"), STR("x")}};
    BatchSeries series = {.labels = {labels, 1}, .row_count = 1};
    TimeMs now = clock_now();
    TimeMs time = now + 30 * DAY_MS;
    double value = 1;
    SampleBatch batch = {
        .series = &series, .series_count = 1, .times = &time, .values = &value, .row_count = 1};
    cr_expect(!engine_write(engine, &batch, now, &lsn, &err));
    cr_expect(strstr(err.text, "1 of 1 results were refused"), "%s", err.text);
    engine_free(engine);
    store_close(store);
    cr_assert(dir_remove(dir, &err), "%s", err.text);
}
