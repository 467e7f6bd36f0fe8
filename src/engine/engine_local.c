/* Queries and writes against our own store. */

#include "engine/engine_local.h"

#include <assert.h>

void local_query(const LocalEngine *engine, const EngineExpr *exprs, size_t count, QueryRange range,
                 const QueryOptions *options, Arena *arena, Value *ret_values, bool *ret_ok,
                 Err *errs) {
    if (count == 0) {
        return;
    }
    const Expr **trees = arena_alloc(arena, count * sizeof *trees);
    for (size_t i = 0; i < count; i++) {
        assert(exprs[i].expr);
        trees[i] = exprs[i].expr;
    }
    AUTO(snapshot_releasep) StoreSnapshot *snapshot = store_snapshot(engine->store);
    promql_run(trees, count, snapshot, range, options, engine->pool, arena, ret_values, ret_ok,
               errs);
}

bool local_write(const LocalEngine *engine, const SampleBatch *batch, TimeMs now, uint64_t *ret_lsn,
                 Err *err) {
    StoreOutcome outcome;
    if (!store_append(engine->store, batch, now, ret_lsn, &outcome, err)) {
        return false;
    }
    uint64_t refused = outcome.too_new + outcome.over_limit + outcome.invalid;
    if (refused == 0) {
        return true;
    }
    return err_set(err, outcome.over_limit ? ERR_LIMIT : ERR_INVALID,
                   "%llu of %zu results were refused: %s", (unsigned long long)refused,
                   batch->row_count, outcome.first_bad);
}
