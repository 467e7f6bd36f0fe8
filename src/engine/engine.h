#pragma once

/*
 * The engine answers queries and takes results back, wherever the data is:
 *
 *   local    promql over our own store: expressions asked together run as one program
 *   remote   any Prometheus-compatible API (VictoriaMetrics cluster, Thanos, Mimir): each
 * expression's text is sent there, written results go by remote write
 *   replay   one of these as history, and what rules write during a replay (engine_replay.h)
 *
 * Threads: every function may be called from any thread.
 */

#include "net/net.h"
#include "promql/promql.h"

typedef struct Engine Engine;

/* What vmalert's groups add to their queries; for remote engines only. */
typedef struct EngineExtra {
    const Label *params; /* win over the engine's of the same name */
    size_t param_count;
    const Str *headers; /* "Name: value" */
    size_t header_count;
    int64_t in_flight_max; /* of the expressions with this very extra; 0 = as many as go */
} EngineExtra;

/* An expression in both forms: the remote engine needs the text, ours the tree. */
typedef struct EngineExpr {
    const Expr *expr; /* NULL: remote only */
    Str text;
    const EngineExtra *extra; /* NULL = nothing */
} EngineExpr;

typedef struct EngineRemoteOptions {
    const char *url;       /* "http://host:8428": "/api/v1/query" is appended */
    const char *write_url; /* NULL: url + "/api/v1/write" */
    const NetOptions *net; /* headers, TLS, proxy, timeout */
    const Str *params;     /* "key=value", added to every query */
    size_t param_count;
} EngineRemoteOptions;

/* Neither takes ownership: store, net and pool outlive the engine. */
Engine *engine_local_new(Store *store, Pool *pool);
Engine *engine_remote_new(Net *net, const EngineRemoteOptions *options);
void engine_free(Engine *engine);
bool engine_is_local(const Engine *engine);
bool engine_is_remote(const Engine *engine);

/* All expressions at one time, as one program where we can. Answers as promql_run() gives them; of
 * those that failed `stats.eval_ns` is filled, too. */
void engine_instant(Engine *engine, const EngineExpr *exprs, size_t count, TimeMs time,
                    const QueryOptions *options, Arena *arena, Value *ret_values, bool *ret_ok,
                    Err *errs);

/* All expressions over one range, as one program where we can; `range.step` is not 0. */
void engine_program(Engine *engine, const EngineExpr *exprs, size_t count, QueryRange range,
                    const QueryOptions *options, Arena *arena, Value *ret_values, bool *ret_ok,
                    Err *errs);

bool engine_range(Engine *engine, const EngineExpr *expr, QueryRange range,
                  const QueryOptions *options, Arena *arena, Value *ret_value, Err *err) MUST_CHECK;

/* Writes results (recordings, ALERTS). Local: visible at once; durable after engine_sync(*ret_lsn).
 * Remote: durable when it returns. */
bool engine_write(Engine *engine, const SampleBatch *batch, TimeMs now, uint64_t *ret_lsn,
                  Err *err) MUST_CHECK;
/* The same for a caller that must not wait for a remote engine: there the results are queued and
 * written in order, as many as fit to a request, and what fails for the moment is tried again for
 * half a minute. `*ret_ticket` tells what became of it; 0: it is written. False: nothing was taken,
 * also because too much waits already (ERR_LIMIT). */
bool engine_write_later(Engine *engine, const SampleBatch *batch, TimeMs now, uint64_t *ret_lsn,
                        uint64_t *ret_ticket, Err *err) MUST_CHECK;

typedef enum EngineWritten {
    ENGINE_WRITTEN,
    ENGINE_WAITING,     /* `err` tells why, if it was tried and failed; else its kind is ERR_NONE */
    ENGINE_NOT_WRITTEN, /* given up; `err` tells why */
} EngineWritten;
/* Waits for at most `wait`, and not at all where others have been waiting for long. */
EngineWritten engine_written(Engine *engine, uint64_t ticket, DurationMs wait, Err *err);
/* What a remote engine has taken and refused; nothing for others. */
void engine_metrics(Engine *engine, MetricWriter *out);

bool engine_sync(Engine *engine, uint64_t lsn, Err *err) MUST_CHECK;

/* Newest received sample per source, see store_sources(). A remote engine is asked for its series
 * `up` (remote_sources.h) and may not answer in time: false, and nothing is known of `now`. */
bool engine_sources(Engine *engine, Str label, TimeMs now, Arena *arena, StoreSource **ret_sources,
                    size_t *ret_count) MUST_CHECK;
/* What is known of sources without asking. */
void engine_known_sources(Engine *engine, Arena *arena, StoreSource **ret_sources,
                          size_t *ret_count);
/* A source from before a restart; others than remote engines know them. */
void engine_know_source(Engine *engine, Str source, TimeMs newest);
/* Forgets a source that is gone for good. ERR_NOT_FOUND. */
bool engine_forget_source(Engine *engine, Str source, Err *err) MUST_CHECK;
