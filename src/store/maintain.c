#include "store/maintain.h"

#include <limits.h>
#include <stdio.h>

#include "base/log.h"
#include "store/checkpoint.h"
#include "store/headflush.h"

enum {
    TICK_MS = 500,
    /* Replay takes about 0.1 s for so much; a checkpoint of half a million series as long. */
    CHECKPOINT_LOG_BYTES = 48 << 20,
    RECOVER_EVERY_MS = 5000,
    IDLE_EVERY_MS = 3600 * 1000,
    KEEP_CHECKPOINTS = 2,
};

bool maintain_checkpoint(Store *store, size_t keep, Err *err) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/head", store->dir);
    uint64_t lsn = journal_end(store->journal);
    if (!checkpoint_write(&store->head, store->files, path, lsn, err)) {
        return false;
    }
    uint64_t oldest;
    checkpoint_clean(store->files, path, keep, &oldest);
    journal_drop_before(store->journal, oldest);
    store->checkpoint_lsn = lsn;
    counter_add(&store->checkpoints, 1);
    head_gate_shut(&store->head);
    headflush_reuse(&store->head);
    head_gate_open(&store->head);
    return true;
}

/* After a failed write: once a checkpoint can be written, everything in memory is safe and the
 * journal can begin anew. */
static void recover(Store *store) {
    Err reason, err;
    if (!journal_failure(store->journal, &reason)) {
        return;
    }
    if (maintain_checkpoint(store, KEEP_CHECKPOINTS, &err) &&
        journal_restart(store->journal, &err)) {
        log_event(LOG_INFO, "log can be written again");
    }
}

static void tick(Store *store, int64_t ticks) {
    Err err;
    if (ticks % (RECOVER_EVERY_MS / TICK_MS) == 0) {
        recover(store);
    }
    if (journal_end(store->journal) - store->checkpoint_lsn > CHECKPOINT_LOG_BYTES &&
        !maintain_checkpoint(store, KEEP_CHECKPOINTS, &err)) {
        log_event(LOG_ERROR, "checkpoint failed", LOG_STR("reason", str_of(err.text)));
    }
    if (ticks % (IDLE_EVERY_MS / TICK_MS) == 0) {
        head_gate_shut(&store->head);
        headflush_forget_idle(&store->head);
        head_gate_open(&store->head);
    }
    headflush_collect(&store->head);
}

static void *run_maintenance(void *ctx) {
    Store *store = ctx;
    for (int64_t ticks = 1;; ticks++) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += TICK_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_mutex_lock(&store->stop_lock);
        if (!store->stop) {
            pthread_cond_timedwait(&store->stop_signal, &store->stop_lock, &until);
        }
        bool stop = store->stop;
        pthread_mutex_unlock(&store->stop_lock);
        if (stop) {
            return NULL;
        }
        pthread_mutex_lock(&store->maintenance);
        tick(store, ticks);
        pthread_mutex_unlock(&store->maintenance);
    }
}

bool maintain_start(Store *store, Err *err) {
    if (pthread_create(&store->maintainer, NULL, run_maintenance, store) != 0) {
        return err_set(err, ERR_IO, "cannot start the store's background thread");
    }
    store->maintained = true;
    return true;
}

void maintain_stop(Store *store) {
    if (!store->maintained) {
        return;
    }
    pthread_mutex_lock(&store->stop_lock);
    store->stop = true;
    pthread_cond_broadcast(&store->stop_signal);
    pthread_mutex_unlock(&store->stop_lock);
    pthread_join(store->maintainer, NULL);
    store->maintained = false;
}
