#include "web/scratch.h"

#include <stdlib.h>

#include "base/mem.h"

enum { KEEP_BYTES_MAX = 8 << 20, KEEP_SERIES_MAX = 100000 };

void scratch_init(ScratchPool *pool) {
    *pool = (ScratchPool){0};
    pthread_mutex_init(&pool->lock, NULL);
}

static void free_scratch(WriteScratch *scratch) {
    buf_finish(&scratch->unpacked);
    ingest_batch_finish(&scratch->batch);
    free(scratch);
}

void scratch_finish(ScratchPool *pool) {
    while (pool->idle) {
        WriteScratch *next = pool->idle->next;
        free_scratch(pool->idle);
        pool->idle = next;
    }
    pthread_mutex_destroy(&pool->lock);
}

WriteScratch *scratch_take(ScratchPool *pool) {
    pthread_mutex_lock(&pool->lock);
    WriteScratch *scratch = pool->idle;
    if (scratch) {
        pool->idle = scratch->next;
    }
    pthread_mutex_unlock(&pool->lock);
    return scratch ? scratch : mem_zero(1, sizeof *scratch);
}

static bool worth_keeping(const WriteScratch *scratch) {
    return scratch->unpacked.cap <= KEEP_BYTES_MAX &&
           scratch->batch.arena.used_bytes <= KEEP_BYTES_MAX &&
           scratch->batch.row_cap <= KEEP_SERIES_MAX &&
           scratch->batch.series_cap <= KEEP_SERIES_MAX;
}

void scratch_give(ScratchPool *pool, WriteScratch *scratch) {
    if (!worth_keeping(scratch)) {
        free_scratch(scratch);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    scratch->next = pool->idle;
    pool->idle = scratch;
    pthread_mutex_unlock(&pool->lock);
}
