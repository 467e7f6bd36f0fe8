#include "store/tools.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "store/blocklist.h"
#include "store/journal.h"
#include "store/tombstones.h"

/* Held as long as somebody looks. A backup has no lock file and nobody who could hold it. */
static bool take_lock(const char *dir, int *ret_fd, Err *err) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/blocks", dir);
    if (access(path, F_OK) < 0) {
        return err_set(err, ERR_NOT_FOUND, "%s: is no data directory", dir);
    }
    snprintf(path, sizeof path, "%s/lock", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT || err_errno(err, "%s: cannot open", path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        bool taken = errno == EWOULDBLOCK;
        fd_close(&fd);
        return taken ? err_set(err, ERR_CONFLICT, "%s: another process has this directory", dir)
                     : err_errno(err, "%s: cannot lock", path);
    }
    *ret_fd = fd;
    return true;
}

static uint64_t deletions_of(const Tombstones *tombstones, Str name) {
    uint64_t count = 0;
    for (size_t i = 0; i < tombstones->items_count; i++) {
        count += str_eq(str_of(tombstones->items[i].block), name);
    }
    return count;
}

static void add_sections(BlockSections *sum, const BlockSections *more) {
    sum->frames += more->frames;
    sum->windows += more->windows;
    sum->directory += more->directory;
    sum->meta += more->meta;
    sum->low += more->low;
    sum->wide += more->wide;
    sum->times += more->times;
    sum->headers += more->headers;
    sum->index += more->index;
    sum->table += more->table;
}

/* A block that cannot be opened for another reason than damage is no answer but an error. */
static bool view_block(const char *dir, Str name, bool thorough, Arena *arena,
                       StoreBlockView *ret_view, Err *err) {
    AUTO(block_unrefp) Block *block = NULL;
    Str path = arena_printf(arena, "%s/blocks/%.*s", dir, STR_ARG(name));
    Err bad = {0};
    StoreBlockView view = {.name = name};
    bool opened = block_open(path.ptr, &block, &bad);
    if (opened) {
        const BlockInfo *info = block_info(block);
        view = (StoreBlockView){.name = name,
                                .min = info->min,
                                .max = info->max,
                                .series = info->series_count,
                                .samples = info->sample_count,
                                .bytes = info->bytes,
                                .index_bytes = info->index_bytes,
                                .level = info->level};
    }
    if (!opened || !block_sections(block, &view.sections, &bad) ||
        (thorough && !block_verify(block, &bad))) {
        if (bad.kind != ERR_CORRUPT) {
            *err = bad;
            return false;
        }
        view.damaged = true;
        view.damage = arena_str(arena, str_of(bad.text));
    }
    *ret_view = view;
    return true;
}

static bool is_gone(const char *dir, Str name) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/blocks/%.*s", dir, STR_ARG(name));
    return access(path, F_OK) != 0;
}

static bool view_blocks(const char *dir, bool thorough, Arena *arena, StoreInspection *inspection,
                        Err *err) {
    AUTO(tombstones_finish) Tombstones tombstones = {0};
    char path[PATH_MAX];
    Str *names;
    size_t count;
    uint64_t damaged;
    snprintf(path, sizeof path, "%s/blocks/tombstones", dir);
    if (!tombstones_load(&tombstones, path, &damaged, err)) {
        return false;
    }
    snprintf(path, sizeof path, "%s/blocks", dir);
    if (!dir_list(arena, path, &names, &count, err)) {
        return false;
    }
    inspection->blocks = arena_array(arena, StoreBlockView, count + 1);
    for (size_t i = 0; i < count; i++) {
        uint64_t number;
        StoreBlockView *view = &inspection->blocks[inspection->block_count];
        if (!block_name_parse(names[i], &number)) {
            continue;
        }
        Err bad = {0};
        if (!view_block(dir, names[i], thorough, arena, view, &bad)) {
            if (inspection->in_use && is_gone(dir, names[i])) {
                continue; /* merged into another one since the folder was read */
            }
            *err = bad;
            return false;
        }
        view->deletions = deletions_of(&tombstones, names[i]);
        inspection->block_count++;
        inspection->series += view->series;
        inspection->samples += view->samples;
        inspection->index_bytes += view->index_bytes;
        inspection->damaged += view->damaged;
        add_sections(&inspection->sections, &view->sections);
    }
    return true;
}

static void ignore_records(void *ctx, const JournalRecord *records, size_t count) {
    (void)ctx, (void)records, (void)count;
}

static uint64_t folder_bytes(const char *dir, const char *name) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return files_folder_bytes(path);
}

static bool view_log(const char *dir, StoreInspection *inspection, Err *err) {
    JournalReplay replay = {0};
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/log", dir);
    if (inspection->in_use || access(path, F_OK) < 0) {
        return true;
    }
    if (!journal_replay(path, 0, ignore_records, NULL, &replay, err)) {
        return false;
    }
    inspection->log_records = replay.records;
    inspection->log_damaged = replay.damaged;
    return true;
}

bool store_inspect(const char *dir, bool thorough, Arena *arena, StoreInspection *ret_inspection,
                   Err *err) {
    AUTO(fd_close) int lock = -1;
    StoreInspection inspection = {.block_bytes = folder_bytes(dir, "blocks"),
                                  .log_bytes = folder_bytes(dir, "log"),
                                  .head_bytes = folder_bytes(dir, "head"),
                                  .quarantine_bytes = folder_bytes(dir, "quarantine")};
    Err locked = {0};
    if (!take_lock(dir, &lock, &locked)) {
        inspection.in_use = locked.kind == ERR_CONFLICT;
        if (!inspection.in_use) {
            *err = locked;
            return false;
        }
    }
    if (!view_blocks(dir, thorough, arena, &inspection, err) || !view_log(dir, &inspection, err)) {
        return false;
    }
    *ret_inspection = inspection;
    return true;
}

bool store_repair(const char *dir, uint64_t *ret_moved, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(fd_close) int lock = -1;
    StoreInspection inspection = {0};
    if (!take_lock(dir, &lock, err) || !view_blocks(dir, true, &arena, &inspection, err)) {
        return false;
    }
    uint64_t moved = 0;
    for (size_t i = 0; i < inspection.block_count; i++) {
        const StoreBlockView *view = &inspection.blocks[i];
        if (!view->damaged) {
            continue;
        }
        Str from = arena_printf(&arena, "%s/blocks/%.*s", dir, STR_ARG(view->name));
        Str to = arena_printf(&arena, "%s/quarantine/%.*s", dir, STR_ARG(view->name));
        if (rename(from.ptr, to.ptr) < 0) {
            return err_errno(err, "%s: cannot set aside", from.ptr);
        }
        moved++;
    }
    *ret_moved = moved;
    return true;
}
