#pragma once

/*
 * What stands behind a Store handle; shared by the files that implement the door (store.c,
 * append.c, snapshot.c, ...).
 */

#include "store/churn.h"
#include "store/head.h"
#include "store/store.h"

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
    uint64_t checkpoint_lsn;     /* under it */
    pthread_t maintainer;
    pthread_mutex_t stop_lock;
    pthread_cond_t stop_signal;
    bool maintained, stop;

    Churn churn;
    Counter checkpoints;
    Counter stored, duplicates, too_old, too_new, over_limit, invalid, dropped, batches;
    Counter damaged; /* places in log and blocks that were set aside */
    Counter unknown; /* replayed samples whose definition was lost */
};

/* As store_open(), with the table through which files are changed. */
bool store_open_with(const StoreOptions *options, const StoreFiles *files, Store **ret_store,
                     Err *err) MUST_CHECK;
