/* The engine's door: passes on to the one of the two it is. */

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "engine/engine_local.h"
#include "engine/engine_remote.h"

struct Engine {
    LocalEngine local;
    RemoteEngine *remote; /* NULL: local */
};

Engine *engine_local_new(Store *store, Pool *pool) {
    Engine *engine = mem_zero(1, sizeof *engine);
    engine->local = (LocalEngine){.store = store, .pool = pool};
    return engine;
}

Engine *engine_remote_new(Net *net, const EngineRemoteOptions *options) {
    Engine *engine = mem_zero(1, sizeof *engine);
    engine->remote = remote_engine_new(net, options);
    return engine;
}

void engine_free(Engine *engine) {
    if (engine) {
        remote_engine_free(engine->remote);
        free(engine);
    }
}

bool engine_is_local(const Engine *engine) {
    return !engine->remote;
}

void engine_instant(Engine *engine, const EngineExpr *exprs, size_t count, TimeMs time,
                    const QueryOptions *options, Arena *arena, Value *ret_values, bool *ret_ok,
                    Err *errs) {
    QueryRange range = {.from = time, .to = time};
    if (engine->remote) {
        remote_query(engine->remote, exprs, count, range, options, arena, ret_values, ret_ok, errs);
    } else {
        local_query(&engine->local, exprs, count, range, options, arena, ret_values, ret_ok, errs);
    }
}

bool engine_range(Engine *engine, const EngineExpr *expr, QueryRange range,
                  const QueryOptions *options, Arena *arena, Value *ret_value, Err *err) {
    assert(range.step > 0);
    bool ok = false;
    if (engine->remote) {
        remote_query(engine->remote, expr, 1, range, options, arena, ret_value, &ok, err);
    } else {
        local_query(&engine->local, expr, 1, range, options, arena, ret_value, &ok, err);
    }
    return ok;
}

bool engine_write(Engine *engine, const SampleBatch *batch, TimeMs now, uint64_t *ret_lsn,
                  Err *err) {
    return engine->remote ? remote_write(engine->remote, batch, ret_lsn, err)
                          : local_write(&engine->local, batch, now, ret_lsn, err);
}

bool engine_sync(Engine *engine, uint64_t lsn, Err *err) {
    return engine->remote || store_wait_synced(engine->local.store, lsn, err);
}

void engine_sources(Engine *engine, Arena *arena, StoreSource **ret_sources, size_t *ret_count) {
    if (engine->remote) {
        *ret_sources = NULL;
        *ret_count = 0;
    } else {
        store_sources(engine->local.store, arena, ret_sources, ret_count);
    }
}
