#pragma once

/*
 * What writing needs for a moment, kept for the next request: megabytes that would otherwise come
 * from the kernel, page by page, for each. As many as were ever in use at once, which is at most
 * one per worker; large ones are given back.
 *
 * Threads: any; a lock is inside.
 */

#include <pthread.h>

#include "base/buf.h"
#include "ingest/ingest.h"

typedef struct WriteScratch {
    struct WriteScratch *next;
    Buf unpacked;
    IngestBatch batch;
} WriteScratch;

typedef struct ScratchPool {
    pthread_mutex_t lock;
    WriteScratch *idle;
} ScratchPool;

void scratch_init(ScratchPool *pool);
void scratch_finish(ScratchPool *pool);

/* With whatever the last one left in it. */
WriteScratch *scratch_take(ScratchPool *pool);
void scratch_give(ScratchPool *pool, WriteScratch *scratch);
