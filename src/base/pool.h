#pragma once

/*
 * A fixed set of threads that take jobs from one bounded queue.
 *
 * Threads: every function may be called from any thread; pool_for() also from inside a job (the
 * caller works along, so nested use cannot deadlock).
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

typedef struct Pool Pool;

/* `name` shows in debuggers (at most 11 characters are used). */
Pool *pool_new(const char *name, int threads, size_t queue_max);

/* Lets queued jobs finish, then ends the threads. Accepts NULL. */
void pool_free(Pool *pool);

/* False if the queue is full: nothing was taken, the caller answers "busy". */
bool pool_submit(Pool *pool, void (*run)(void *job), void *job) MUST_CHECK;

/* run(ctx, i) for each i < count, spread over the pool's threads and the calling one; returns when
 * all are done. Order is not defined. NULL pool: all in the calling thread. */
void pool_for(Pool *pool, size_t count, void (*run)(void *ctx, size_t index), void *ctx);

size_t pool_queued(const Pool *pool);
int pool_threads(const Pool *pool);
