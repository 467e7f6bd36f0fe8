#pragma once

/*
 * The engine of a replay: history below, and what the replayed rules write above it.
 *
 * Rules read what they record. In a replay that has to be what the replayed rules record, not what
 * some other version of them recorded then, and history must not be written to. So their writing
 * goes to a store of its own ("own"), and an expression that reads any of it is evaluated there,
 * slot by slot; the rest of what such an expression reads is copied over from history, without the
 * series the replayed rules would have written. All other expressions never notice and are
 * evaluated ahead (engine_history.h).
 *
 * A remote history tells no stale markers in raw samples: there, what an expression reads beside
 * recordings stays for the lookback after it ended.
 *
 * Threads: one at a time.
 */

#include "engine/engine_history.h"

typedef struct ReplayEngine ReplayEngine;

typedef struct EngineReplayOptions {
    History *history; /* outlives the engine, as all of these */
    Engine *own;
    const Str *recorded; /* names the rules record, sorted */
    size_t recorded_count;
    const Str *alerts; /* names of their alerts, sorted */
    size_t alert_count;
    TimeMs from;      /* of the first evaluation */
    Engine *write_to; /* NULL, or where recordings are written besides, from `write_from` on */
    TimeMs write_from;
    const _Atomic bool *cancelled; /* NULL, or set when nobody waits any more */
} EngineReplayOptions;

Engine *engine_replay_new(const EngineReplayOptions *options);

/* Tells of an expression that will be asked at every `step`, see history_expect(). */
void engine_replay_expect(Engine *engine, const EngineExpr *expr, DurationMs step, uint64_t timing);

/* Writes what recordings have come together for `write_to`: if there are many, or `all`. False if
 * they were refused. `ret_written` is how many samples went there so far. */
bool engine_replay_backfill(Engine *engine, bool all, TimeMs now, uint64_t *ret_written,
                            Err *err) MUST_CHECK;

/* ---- for engine.c ---- */

ReplayEngine *replay_engine_new(const EngineReplayOptions *options);
void replay_engine_free(ReplayEngine *engine); /* accepts NULL */
void replay_engine_expect(ReplayEngine *engine, const EngineExpr *expr, DurationMs step,
                          uint64_t timing);
void replay_instant(ReplayEngine *engine, const EngineExpr *exprs, size_t count, TimeMs time,
                    const QueryOptions *options, Arena *arena, Value *ret_values, bool *ret_ok,
                    Err *errs);
bool replay_write(ReplayEngine *engine, const SampleBatch *batch, TimeMs now, uint64_t *ret_lsn,
                  Err *err) MUST_CHECK;
bool replay_backfill(ReplayEngine *engine, bool all, TimeMs now, uint64_t *ret_written,
                     Err *err) MUST_CHECK;
void replay_sources(const ReplayEngine *engine, Arena *arena, StoreSource **ret_sources,
                    size_t *ret_count);
