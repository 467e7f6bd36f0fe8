#pragma once

/* The local engine: expressions asked together run as one program over one snapshot of our own
 * store. */

#include "engine/engine.h"

typedef struct LocalEngine {
    Store *store;
    Pool *pool;
} LocalEngine;

/* As promql_run(): an instant query where range.step is 0. */
void local_query(const LocalEngine *engine, const EngineExpr *exprs, size_t count, QueryRange range,
                 const QueryOptions *options, Arena *arena, Value *ret_values, bool *ret_ok,
                 Err *errs);

bool local_write(const LocalEngine *engine, const SampleBatch *batch, TimeMs now, uint64_t *ret_lsn,
                 Err *err) MUST_CHECK;
