#pragma once

/*
 * What stands behind a Store handle; shared by the files that implement the door (store.c,
 * append.c, snapshot.c, ...).
 */

#include "store/blocklist.h"
#include "store/churn.h"
#include "store/headflush.h"
#include "store/selectcache.h"
#include "store/store.h"
#include "store/tombstones.h"

/* The part of the options that a reload can change; never changes itself. */
typedef struct StoreConfig {
    DurationMs retention_time, future_max, dedup_interval;
    uint64_t retention_bytes;
    int retention_percent;
    Str *replica_labels;
    size_t replica_label_count;
    Arena arena;
} StoreConfig;

struct Store {
    char *dir;
    const StoreFiles *files;
    Pool *pool;
    int lock_fd;
    Head head;
    Journal *journal;
    pthread_rwlock_t config_lock;
    StoreConfig config; /* under `config_lock` */

    pthread_mutex_t maintenance; /* who changes blocks, checkpoints or tombstones */
    Tombstones tombstones;       /* under it */
    uint64_t block_number;       /* the newest given; under it */
    pthread_mutex_t list_lock;
    BlockList *blocks; /* under `list_lock`; changed under `maintenance` only */
    SelectCache *selections;
    uint64_t checkpoint_lsn; /* under it */
    pthread_t maintainer;
    pthread_mutex_t stop_lock;
    pthread_cond_t stop_signal;
    bool maintained, stop;
    HeadWindow *seen; /* the head's windows at the last look; the background thread's */
    size_t seen_count;
    TimeMs seen_at; /* when that was; 0: never */

    Churn churn;
    Counter checkpoints, flushes, merges;
    Counter stored, duplicates, too_old, too_new, over_limit, invalid, dropped, batches;
    Counter damaged; /* places in log and blocks that were set aside */
    Counter unknown; /* replayed samples whose definition was lost */
};

struct StoreSnapshot {
    Store *store;
    uint32_t epoch;
    BlockList *blocks;
    atomic_int refs; /* its holder and its selections */
};

/* As store_open(), with the table through which files are changed. */
bool store_open_with(const StoreOptions *options, const StoreFiles *files, Store **ret_store,
                     Err *err) MUST_CHECK;
