#include "store/maintain.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/blocks.h"
#include "store/checkpoint.h"
#include "store/headflush.h"

enum {
    TICK_MS = 1000,
    /* Replay takes about 0.1 s for so much; a checkpoint of half a million series as long. */
    CHECKPOINT_LOG_BYTES = 48 << 20,
    RECOVER_EVERY_MS = 5000,
    BLOCKS_EVERY_MS = 30 * 1000,
    WINDOWS_EVERY_MS = 300 * 1000,
    IDLE_EVERY_MS = 3600 * 1000,
    KEEP_CHECKPOINTS = 2,
    HEAD_MEMORY_SHARE = 3, /* of the machine: a bigger head is flushed early */
};

bool maintain_checkpoint(Store *store, size_t keep, Err *err) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/head", store->dir);
    journal_roll(store->journal);
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
    enum { CHECKPOINT_PART = 4 }; /* of the head's memory, as a file */
    Err reason, err;
    uint64_t avail, reserve;
    if (!journal_failure(store->journal, &reason)) {
        return;
    }
    if (files_room(store->dir, &avail, &reserve) &&
        avail < reserve + head_bytes(&store->head) / CHECKPOINT_PART) {
        return;
    }
    if (maintain_checkpoint(store, KEEP_CHECKPOINTS, &err) &&
        journal_restart(store->journal, &err)) {
        log_event(LOG_INFO, "log can be written again");
    }
}

/* ---- flushing what is over ---- */

/* A window is flushed when it is over for a quarter of its span and nothing has come for it since
 * the last look, so that a late sender does not make many small blocks; or at the latest after two
 * spans. */
static bool window_over(const Store *store, const HeadWindow *window, TimeMs now) {
    DurationMs span = store->head.span;
    return now >= window->start + span + span / 4;
}

static bool window_due(const Store *store, const HeadWindow *window, TimeMs now) {
    DurationMs span = store->head.span;
    if (!window_over(store, window, now)) {
        return false;
    }
    for (size_t i = 0; i < store->seen_count; i++) {
        if (store->seen[i].start == window->start && store->seen[i].samples == window->samples) {
            return true;
        }
    }
    return now >= window->start + 3 * span && now < window->start + 4 * span;
}

static void remember_windows(Store *store, const HeadWindow *windows, size_t count, TimeMs now) {
    store->seen_at = now;
    free(store->seen);
    store->seen = mem_grow(NULL, (count + 1) * sizeof *store->seen);
    memcpy(store->seen, windows, count * sizeof *store->seen);
    store->seen_count = count;
}

static bool too_big(Store *store) {
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    return head_bytes(&store->head) > (uint64_t)pages * (uint64_t)page / HEAD_MEMORY_SHARE;
}

/* Windows are counted by a walk over all series. Until one that is known is over there is nothing
 * to do but for what came late into windows not known yet, and that can wait some minutes. */
static bool should_count_windows(const Store *store, TimeMs now) {
    for (size_t i = 0; i < store->seen_count; i++) {
        if (window_over(store, &store->seen[i], now)) {
            return true;
        }
    }
    return now < store->seen_at || now - store->seen_at >= WINDOWS_EVERY_MS;
}

/* Flushes each run of windows that are due, and the oldest half of all where the head takes too
 * much memory. */
static bool flush_due(Store *store, TimeMs now, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    HeadWindow *windows;
    size_t count, flushed = 0;
    bool forces = too_big(store);
    if (!forces && !should_count_windows(store, now)) {
        return true;
    }
    headflush_windows(&store->head, &arena, &windows, &count);
    size_t forced = forces ? (count + 1) / 2 : 0;
    bool good = true;
    for (size_t i = 0; i < count && good; i++) {
        size_t end = i;
        while (end < count && (end < forced || window_due(store, &windows[end], now))) {
            end++;
        }
        if (end > i) {
            good = blocks_flush(store, windows[i].start, windows[end - 1].start, err);
            flushed += end - i;
            i = end;
        }
    }
    remember_windows(store, windows, count, now);
    if (good && flushed > 0) {
        good = maintain_checkpoint(store, KEEP_CHECKPOINTS, err);
    }
    return good;
}

static void look_at_blocks(Store *store, TimeMs now) {
    Err err;
    if (!flush_due(store, now, &err) || !blocks_merge(store, now, false, &err)) {
        log_event(LOG_ERROR, "maintenance failed, tried again later",
                  LOG_STR("reason", str_of(err.text)));
    }
    blocks_retain(store, now);
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
    if (ticks % (BLOCKS_EVERY_MS / TICK_MS) == 0) {
        look_at_blocks(store, clock_now());
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
        int64_t until_ns = clock_monotonic_ns() + TICK_MS * 1000000;
        pthread_mutex_lock(&store->stop_lock);
        if (!store->stop) {
            (void)clock_wait(&store->stop_signal, &store->stop_lock, until_ns);
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
    free(store->seen);
    store->seen = NULL;
    store->maintained = false;
}
