/*
 * The store as a whole: its directory, opening and closing.
 *
 *   lock          held by flock() while a process has the directory
 *   FORMAT        one line, "belfry store 1": a newer number is refused
 *   log/          the journal's segments (journal.c)
 *   head/         checkpoints of the head (checkpoint.c)
 *   blocks/       block files (blockfile.c)
 *   quarantine/   what was found damaged and set aside
 */

#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/blocks.h"
#include "store/checkpoint.h"
#include "store/headflush.h"
#include "store/maintain.h"
#include "store/replay.h"

enum { FORMAT_VERSION = 1 };

static const char *const folders[] = {"log", "head", "blocks", "quarantine"};

static void path_in(const Store *store, const char *name, char path[PATH_MAX]) {
    snprintf(path, PATH_MAX, "%s/%s", store->dir, name);
}

/* ---- the directory ---- */

static bool make_folders(const Store *store, Err *err) {
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        path_in(store, folders[i], path);
        if (!dir_make(path, err)) {
            return false;
        }
    }
    return true;
}

static bool take_lock(Store *store, Err *err) {
    char path[PATH_MAX];
    path_in(store, "lock", path);
    store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (store->lock_fd < 0) {
        return err_errno(err, "%s: cannot open", path);
    }
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK) {
            return err_set(err, ERR_CONFLICT, "%s: another process has this directory", store->dir);
        }
        return err_errno(err, "%s: cannot lock", path);
    }
    return true;
}

static bool check_format(const Store *store, Err *err) {
    char path[PATH_MAX];
    path_in(store, "FORMAT", path);
    if (access(path, F_OK) != 0) {
        char line[64];
        snprintf(line, sizeof line, "belfry store %d\n", FORMAT_VERSION);
        return files_replace(store->files, path, str_of(line), err);
    }
    AUTO(arena_finish) Arena arena = {0};
    Str text;
    if (!file_read(&arena, path, 4096, &text, err)) {
        return false;
    }
    int version = 0;
    if (str_starts(text, STR(STORE_FORMAT_UNFINISHED))) {
        return err_set(err, ERR_CONFLICT,
                       "%s: a restore into this directory was not finished; remove the directory "
                       "and restore again",
                       store->dir);
    }
    if (sscanf(arena_cstr(&arena, text), "belfry store %d", &version) != 1) {
        return err_set(err, ERR_CORRUPT, "%s: is not the format file of a store", path);
    }
    if (version > FORMAT_VERSION) {
        return err_set(err, ERR_UNSUPPORTED, "%s: format %d is newer than this program's %d", path,
                       version, FORMAT_VERSION);
    }
    return true;
}

/* ---- configuration ---- */

static Str *copy_names(Arena *arena, const Str *names, size_t count) {
    Str *copy = arena_array(arena, Str, count + 1);
    for (size_t i = 0; i < count; i++) {
        copy[i] = arena_str(arena, names[i]);
    }
    return copy;
}

void store_set_options(Store *store, const StoreOptions *options) {
    StoreConfig config = {
        .retention_time = options->retention_time,
        .future_max = options->future_max,
        .dedup_interval = options->dedup_interval,
        .retention_bytes = options->retention_bytes,
        .retention_percent = options->retention_percent,
        .replica_label_count = options->replica_label_count,
    };
    config.replica_labels =
        copy_names(&config.arena, options->replica_labels, options->replica_label_count);
    pthread_rwlock_wrlock(&store->config_lock);
    arena_finish(&store->config.arena);
    store->config = config;
    pthread_rwlock_unlock(&store->config_lock);
    store->head.series_max = options->series_max;
    sources_set_limits(&store->head.sources, options->source_series_max, options->limits,
                       options->limit_count);
}

/* ---- replay ---- */

/* The newest good checkpoint, and what the journal has since. */
static bool replay(Store *store, uint64_t *ret_end, Err *err) {
    char path[PATH_MAX];
    uint64_t damaged = 0;
    path_in(store, "head", path);
    if (!checkpoint_load(&store->head, store->pool, store->files, path, &store->checkpoint_lsn,
                         &damaged, err)) {
        return false;
    }
    path_in(store, "log", path);
    ReplayResult result = {0};
    bool good =
        replay_journal(&store->head, store->pool, path, store->checkpoint_lsn, &result, err);
    head_collect_free(&store->head);
    counter_add(&store->damaged, damaged + result.journal.damaged);
    counter_add(&store->unknown, result.unknown);
    *ret_end = result.journal.end;
    return good;
}

/* ---- opening and closing ---- */

static bool open_all(Store *store, const StoreOptions *options, Err *err) {
    if (!make_folders(store, err) || !take_lock(store, err) || !check_format(store, err)) {
        return false;
    }
    head_init(&store->head, options->source_label,
              options->block_span > 0 ? options->block_span : 2 * HOUR_MS);
    uint64_t end = 0;
    char path[PATH_MAX];
    path_in(store, "log", path);
    if (!blocks_load(store, err) || !replay(store, &end, err)) {
        return false;
    }
    JournalOptions journal = {.dir = path,
                              .files = store->files,
                              .sync = options->sync,
                              .sync_interval = options->sync_interval,
                              .start = end};
    if (!journal_open(&journal, &store->journal, err)) {
        return false;
    }
    store->head.journal = store->journal;
    store_set_options(store, options);
    return maintain_start(store, err);
}

static void init_locks(Store *store) {
    pthread_rwlock_init(&store->config_lock, NULL);
    churn_init(&store->churn);
    pthread_mutex_init(&store->maintenance, NULL);
    pthread_mutex_init(&store->stop_lock, NULL);
    pthread_mutex_init(&store->list_lock, NULL);
    pthread_cond_init(&store->stop_signal, NULL);
}

bool store_open_with(const StoreOptions *options, const StoreFiles *files, Store **ret_store,
                     Err *err) {
    AUTO(store_closep) Store *store = mem_zero(1, sizeof *store);
    store->dir = mem_strdup(options->dir);
    store->files = files;
    store->pool = options->pool;
    store->lock_fd = -1;
    store->selections = select_cache_new();
    init_locks(store);
    if (!open_all(store, options, err)) {
        return err_context(err, "store %s", options->dir);
    }
    *ret_store = TAKE(store);
    return true;
}

bool store_open(const StoreOptions *options, Store **ret_store, Err *err) {
    const StoreFiles *files = options->is_scratch ? &store_files_unsynced : &store_files_real;
    return store_open_with(options, files, ret_store, err);
}

/* The next start has nothing to replay then. Not being able to costs only time. */
static void save_head(Store *store) {
    Err err;
    if (journal_end(store->journal) > store->checkpoint_lsn &&
        !maintain_checkpoint(store, 2, &err)) {
        log_event(LOG_WARN, "no checkpoint at the end", LOG_STR("reason", str_of(err.text)));
    }
}

void store_close(Store *store) {
    if (!store) {
        return;
    }
    maintain_stop(store);
    if (store->journal) {
        save_head(store);
    }
    journal_close(store->journal);
    if (store->head.source_label) {
        head_finish(&store->head);
    }
    arena_finish(&store->config.arena);
    pthread_rwlock_destroy(&store->config_lock);
    pthread_mutex_destroy(&store->churn.lock);
    pthread_mutex_destroy(&store->maintenance);
    pthread_mutex_destroy(&store->stop_lock);
    pthread_mutex_destroy(&store->list_lock);
    select_cache_free(store->selections);
    blocklist_unref(store->blocks);
    tombstones_finish(&store->tombstones);
    pthread_cond_destroy(&store->stop_signal);
    fd_close(&store->lock_fd);
    free(store->dir);
    free(store);
}

/* ---- sources ---- */

void store_sources(Store *store, Arena *arena, StoreSource **ret_sources, size_t *ret_count) {
    sources_list(&store->head.sources, clock_monotonic_ns(), arena, ret_sources, ret_count);
}

bool store_forget_source(Store *store, Str source, Err *err) {
    if (!sources_forget(&store->head.sources, source)) {
        return err_set(err, ERR_NOT_FOUND, "no source \"%.*s\"", STR_ARG(source));
    }
    return true;
}

const char *store_dir(const Store *store) {
    return store->dir;
}
