#pragma once

/*
 * The remote engine: each expression's text goes to a Prometheus-compatible API by POST, all of one
 * call at once (a few in flight); results are written back by remote write 1.0.
 *
 * Native histograms in answers are not understood: the API tells their buckets, not their schema.
 * Such a query fails.
 */

#include "engine/engine.h"

typedef struct RemoteEngine RemoteEngine;

/* Options are copied. */
RemoteEngine *remote_engine_new(Net *net, const EngineRemoteOptions *options);
void remote_engine_free(RemoteEngine *engine); /* accepts NULL */

/* Instant where range.step is 0. */
void remote_query(const RemoteEngine *engine, const EngineExpr *exprs, size_t count,
                  QueryRange range, const QueryOptions *options, Arena *arena, Value *ret_values,
                  bool *ret_ok, Err *errs);

/* True when the other side has acknowledged; `*ret_lsn` is 0. */
bool remote_write(const RemoteEngine *engine, const SampleBatch *batch, uint64_t *ret_lsn,
                  Err *err) MUST_CHECK;

/* See engine_write_later(), engine_written(), engine_metrics(). */
bool remote_write_later(const RemoteEngine *engine, const SampleBatch *batch, uint64_t *ret_ticket,
                        Err *err) MUST_CHECK;
EngineWritten remote_written(const RemoteEngine *engine, uint64_t ticket, DurationMs wait,
                             Err *err);
struct RemoteSources *remote_engine_sources(const RemoteEngine *engine);
void remote_metrics(const RemoteEngine *engine, MetricWriter *out);

/* One request with a compressed WriteRequest, and what its answer means: ERR_INVALID for what is
 * refused with 4xx, ERR_IO and others for what may go better another time. */
void remote_write_send(NetBox *box, Str url, const NetOptions *options, Str body);
bool remote_write_judge(const NetAnswer *answer, Err *err) MUST_CHECK;

/* ---- remote_answer.c ---- */

/* The JSON of an answer with this HTTP status -> its value, or its error. */
bool remote_answer_read(Arena *arena, int status, Str body, Value *ret_value, Err *err) MUST_CHECK;

/* ---- remote_encode.c ---- */

/* A WriteRequest of remote write 1.0. ERR_UNSUPPORTED for native histograms. */
bool remote_write_encode(const SampleBatch *batch, Buf *ret_plain, Err *err) MUST_CHECK;
/* As it is sent. */
bool remote_write_compress(Str plain, Buf *ret_body, Err *err) MUST_CHECK;
