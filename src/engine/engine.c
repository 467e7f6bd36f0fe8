/* The engine's door: passes on to the one of the three it is. */

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "engine/engine_local.h"
#include "engine/engine_remote.h"
#include "engine/engine_replay.h"
#include "engine/remote_sources.h"

struct Engine {
    LocalEngine local;
    RemoteEngine *remote; /* NULL: local or replay */
    ReplayEngine *replay;
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

Engine *engine_replay_new(const EngineReplayOptions *options) {
    Engine *engine = mem_zero(1, sizeof *engine);
    engine->replay = replay_engine_new(options);
    return engine;
}

void engine_replay_expect(Engine *engine, const EngineExpr *expr, DurationMs step,
                          uint64_t timing) {
    assert(engine->replay);
    replay_engine_expect(engine->replay, expr, step, timing);
}

bool engine_replay_backfill(Engine *engine, bool all, TimeMs now, uint64_t *ret_written, Err *err) {
    assert(engine->replay);
    return replay_backfill(engine->replay, all, now, ret_written, err);
}

void engine_free(Engine *engine) {
    if (engine) {
        remote_engine_free(engine->remote);
        replay_engine_free(engine->replay);
        free(engine);
    }
}

bool engine_is_local(const Engine *engine) {
    return !engine->remote && !engine->replay;
}

bool engine_is_remote(const Engine *engine) {
    return engine->remote != NULL;
}

void engine_instant(Engine *engine, const EngineExpr *exprs, size_t count, TimeMs time,
                    const QueryOptions *options, Arena *arena, Value *ret_values, bool *ret_ok,
                    Err *errs) {
    QueryRange range = {.from = time, .to = time};
    if (engine->replay) {
        replay_instant(engine->replay, exprs, count, time, options, arena, ret_values, ret_ok,
                       errs);
    } else if (engine->remote) {
        remote_query(engine->remote, exprs, count, range, options, arena, ret_values, ret_ok, errs);
    } else {
        local_query(&engine->local, exprs, count, range, options, arena, ret_values, ret_ok, errs);
    }
}

void engine_program(Engine *engine, const EngineExpr *exprs, size_t count, QueryRange range,
                    const QueryOptions *options, Arena *arena, Value *ret_values, bool *ret_ok,
                    Err *errs) {
    assert(range.step > 0 && !engine->replay);
    if (engine->remote) {
        remote_query(engine->remote, exprs, count, range, options, arena, ret_values, ret_ok, errs);
    } else {
        local_query(&engine->local, exprs, count, range, options, arena, ret_values, ret_ok, errs);
    }
}

bool engine_range(Engine *engine, const EngineExpr *expr, QueryRange range,
                  const QueryOptions *options, Arena *arena, Value *ret_value, Err *err) {
    bool ok = false;
    engine_program(engine, expr, 1, range, options, arena, ret_value, &ok, err);
    return ok;
}

bool engine_write(Engine *engine, const SampleBatch *batch, TimeMs now, uint64_t *ret_lsn,
                  Err *err) {
    if (engine->replay) {
        return replay_write(engine->replay, batch, now, ret_lsn, err);
    }
    return engine->remote ? remote_write(engine->remote, batch, ret_lsn, err)
                          : local_write(&engine->local, batch, now, ret_lsn, err);
}

bool engine_write_later(Engine *engine, const SampleBatch *batch, TimeMs now, uint64_t *ret_lsn,
                        uint64_t *ret_ticket, Err *err) {
    if (engine->remote) {
        return remote_write_later(engine->remote, batch, ret_ticket, err);
    }
    *ret_ticket = 0;
    return engine_write(engine, batch, now, ret_lsn, err);
}

EngineWritten engine_written(Engine *engine, uint64_t ticket, DurationMs wait, Err *err) {
    return engine->remote && ticket ? remote_written(engine->remote, ticket, wait, err)
                                    : ENGINE_WRITTEN;
}

void engine_metrics(Engine *engine, MetricWriter *out) {
    if (engine->remote) {
        remote_metrics(engine->remote, out);
    }
}

bool engine_sync(Engine *engine, uint64_t lsn, Err *err) {
    return engine->remote || engine->replay || store_wait_synced(engine->local.store, lsn, err);
}

bool engine_sources(Engine *engine, Str label, TimeMs now, Arena *arena, StoreSource **ret_sources,
                    size_t *ret_count) {
    if (engine->replay) {
        replay_sources(engine->replay, arena, ret_sources, ret_count);
        return true;
    }
    if (engine->remote &&
        !remote_sources_ask(remote_engine_sources(engine->remote), engine->remote, label, now)) {
        return false;
    }
    engine_known_sources(engine, arena, ret_sources, ret_count);
    return true;
}

void engine_known_sources(Engine *engine, Arena *arena, StoreSource **ret_sources,
                          size_t *ret_count) {
    assert(!engine->replay);
    if (engine->remote) {
        remote_sources_list(remote_engine_sources(engine->remote), arena, ret_sources, ret_count);
    } else {
        store_sources(engine->local.store, arena, ret_sources, ret_count);
    }
}

void engine_know_source(Engine *engine, Str source, TimeMs newest) {
    if (engine->remote) {
        remote_sources_know(remote_engine_sources(engine->remote), source, newest);
    }
}

bool engine_forget_source(Engine *engine, Str source, Err *err) {
    assert(!engine->replay);
    if (!engine->remote) {
        return store_forget_source(engine->local.store, source, err);
    }
    return remote_sources_forget(remote_engine_sources(engine->remote), source) ||
           err_set(err, ERR_NOT_FOUND, "no source \"%.*s\"", STR_ARG(source));
}
