#pragma once

/*
 * Results on their way to a remote engine: a queue that one thread empties, so that whoever
 * evaluates does not wait for somebody else's disk.
 *
 *     remote_writer_add()  -->  parts in order  -->  as many as fit into one request
 *
 * A part is what one group recorded. A request that is refused (4xx but 429) is sent again part by
 * part, so that one bad series costs its own group only: receivers store all of a request or
 * nothing. What fails for the moment is tried again until its oldest part has waited for half a
 * minute. More than the queue holds is not taken. Whatever is given up is logged, counted, and
 * known by its ticket for a while.
 *
 * Threads: every function may be called from any thread.
 */

#include "engine/engine.h"

typedef struct RemoteWriter RemoteWriter;

/* `url` and `options` outlive the writer. The thread begins with the first part. */
RemoteWriter *remote_writer_new(Net *net, Str url, const NetOptions *options);
/* What waits has some seconds more. Accepts NULL. */
void remote_writer_free(RemoteWriter *writer);

/* Queues `plain`, an uncompressed WriteRequest of `samples`, which is taken over. False: ERR_LIMIT,
 * too much waits already. */
bool remote_writer_add(RemoteWriter *writer, Buf *plain, size_t samples, uint64_t *ret_ticket,
                       Err *err) MUST_CHECK;

/* See engine_written(). */
EngineWritten remote_writer_wait(RemoteWriter *writer, uint64_t ticket, DurationMs wait, Err *err);

void remote_writer_metrics(RemoteWriter *writer, MetricWriter *out);
