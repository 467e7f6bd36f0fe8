/* Looking after the store from outside: flush, compact, delete, backup. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "store/blocks.h"
#include "store/headflush.h"
#include "store/maintain.h"

/* Everything is in blocks then: one small checkpoint is enough. */
static bool flush_all(Store *store, Err *err) {
    return blocks_flush(store, TIME_MIN, TIME_MAX, err) && maintain_checkpoint(store, 1, err);
}

bool store_flush(Store *store, Err *err) {
    pthread_mutex_lock(&store->maintenance);
    bool good = flush_all(store, err);
    pthread_mutex_unlock(&store->maintenance);
    return good;
}

bool store_compact(Store *store, Err *err) {
    TimeMs now = clock_now();
    pthread_mutex_lock(&store->maintenance);
    blocks_retain(store, now);
    bool good = flush_all(store, err) && blocks_merge(store, now, true, err);
    pthread_mutex_unlock(&store->maintenance);
    return good;
}

bool store_clean_tombstones(Store *store, Err *err) {
    pthread_mutex_lock(&store->maintenance);
    bool good = blocks_clean(store, clock_now(), err);
    pthread_mutex_unlock(&store->maintenance);
    return good;
}

/* ---- deleting ---- */

/* Blocks first, durably; then head, journal and the new block list between two batches. */
static bool delete_samples(Store *store, const RecordDelete *deletion, uint64_t *ret_lsn,
                           Err *err) {
    AUTO(buf_finish) Buf record = {0};
    record_put_delete(&record, deletion);
    BlockList *list = NULL;
    if (!blocks_hide(store, deletion, &list, err)) {
        return false;
    }
    head_gate_shut(&store->head);
    bool good = headflush_delete(&store->head, deletion->sets, deletion->set_count, deletion->from,
                                 deletion->to, err);
    blocks_put_list(store, list);
    good = good && journal_append(store->journal, RECORD_DELETE, buf_view(&record), ret_lsn, err);
    head_gate_open(&store->head);
    headflush_collect(&store->head);
    return good;
}

bool store_delete(Store *store, const MatcherSet *sets, size_t set_count, TimeMs from, TimeMs to,
                  Err *err) {
    RecordDelete deletion = {sets, set_count, from, to};
    uint64_t lsn = 0;
    if (journal_failure(store->journal, err)) {
        return err_context(err, "the store is read-only");
    }
    pthread_mutex_lock(&store->maintenance);
    bool good = delete_samples(store, &deletion, &lsn, err);
    pthread_mutex_unlock(&store->maintenance);
    return good && journal_wait(store->journal, lsn, err);
}

/* ---- backup ---- */

static bool copy_file(const StoreFiles *files, const char *from, const char *to, Err *err) {
    enum { PIECE = 1 << 20 };
    AUTO(arena_finish) Arena arena = {0};
    char *piece = arena_raw(&arena, PIECE);
    AUTO(fd_close) int source = open(from, O_RDONLY | O_CLOEXEC);
    if (source < 0) {
        return err_errno(err, "%s: cannot open", from);
    }
    char temporary[PATH_MAX];
    snprintf(temporary, sizeof temporary, "%s.tmp", to);
    int target = files->open(files->ctx, temporary, O_WRONLY | O_CREAT | O_TRUNC);
    if (target < 0) {
        return err_errno(err, "%s: cannot create", temporary);
    }
    for (;;) {
        ssize_t got = read(source, piece, PIECE);
        bool good = got >= 0 || err_errno(err, "%s: cannot read", from);
        if (good && got == 0) {
            return files_publish(files, target, temporary, to, err);
        }
        if (!good || !files_write_all(files, target, piece, (size_t)got, temporary, err)) {
            files->close(files->ctx, target);
            files->unlink(files->ctx, temporary);
            return false;
        }
    }
}

/* A link where the file system can, else a copy. */
static bool link_or_copy(const StoreFiles *files, const char *from, const char *to, Err *err) {
    return files->link(files->ctx, from, to) == 0 || copy_file(files, from, to, err);
}

static bool fill_backup(Store *store, const char *dir, Err *err) {
    char from[PATH_MAX], to[PATH_MAX];
    snprintf(to, sizeof to, "%s/blocks", dir);
    if (!dir_make(to, err)) {
        return false;
    }
    for (size_t i = 0; i < store->blocks->count; i++) {
        const Block *block = store->blocks->entries[i].block;
        Str name = block_file_name(block);
        snprintf(to, sizeof to, "%s/blocks/%.*s", dir, STR_ARG(name));
        if (!link_or_copy(store->files, block_path(block), to, err)) {
            return false;
        }
    }
    snprintf(to, sizeof to, "%s/blocks/tombstones", dir);
    if (!tombstones_save(&store->tombstones, store->files, to, err)) {
        return false;
    }
    snprintf(from, sizeof from, "%s/FORMAT", store->dir);
    snprintf(to, sizeof to, "%s/FORMAT", dir);
    return copy_file(store->files, from, to, err);
}

bool store_backup(Store *store, const char *dir, Err *err) {
    if (mkdir(dir, 0750) < 0) {
        if (errno == EEXIST) {
            return err_set(err, ERR_CONFLICT, "%s: is already there", dir);
        }
        return err_errno(err, "%s: cannot create", dir);
    }
    pthread_mutex_lock(&store->maintenance);
    bool good = flush_all(store, err) && fill_backup(store, dir, err);
    pthread_mutex_unlock(&store->maintenance);
    return good;
}
