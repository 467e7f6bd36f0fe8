#pragma once

/*
 * What stands behind a Store handle; shared by the files that implement the door (store.c,
 * append.c, snapshot.c, ...).
 */

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

    Counter stored, duplicates, too_old, too_new, over_limit, invalid, dropped, batches;
    Counter damaged; /* places in log and blocks that were set aside */
    Counter unknown; /* replayed samples whose definition was lost */
};

/* As store_open(), with the table through which files are changed. */
bool store_open_with(const StoreOptions *options, const StoreFiles *files, Store **ret_store,
                     Err *err) MUST_CHECK;
