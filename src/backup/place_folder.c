/*
 * Backups in a folder:
 *
 *     TO/.partial-NAME/        while it is made; `lock` in it is held by its maker
 *     TO/NAME/                 FORMAT, blocks/..., state.db, manifest.json
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/place.h"
#include "base/file.h"

#define PARTIAL ".partial-"

static Str path_in(Place *place, const char *format, Str name, Str file) {
    return arena_printf(&place->arena, format, place->dir, STR_ARG(name), STR_ARG(file));
}

/* ---- making one ---- */

/* What a maker left that is gone: its lock can be taken. */
static void remove_abandoned(Place *place, Str name) {
    Err err;
    Str dir = path_in(place, "%s/%.*s%.*s", name, STR(""));
    Str lock = path_in(place, "%s/%.*s/%.*s", name, STR("lock"));
    AUTO(fd_close) int fd = open(lock.ptr, O_RDONLY | O_CLOEXEC);
    bool gone = fd < 0 ? errno == ENOENT : flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (gone) {
        (void)!dir_remove(dir.ptr, &err);
    }
}

static bool remove_all_abandoned(Place *place, Err *err) {
    Str *names;
    size_t count;
    if (!dir_list(&place->arena, place->dir, &names, &count, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (str_starts(names[i], STR(PARTIAL))) {
            remove_abandoned(place, names[i]);
        }
    }
    return true;
}

static bool begin(Place *place, Str name, Err *err) {
    Str partial = path_in(place, "%s/" PARTIAL "%.*s%.*s", name, STR(""));
    Str final = path_in(place, "%s/%.*s%.*s", name, STR(""));
    if (!dir_make(place->dir, err) || !remove_all_abandoned(place, err)) {
        return false;
    }
    if (access(final.ptr, F_OK) == 0 || mkdir(partial.ptr, 0750) < 0) {
        return err_set(err, ERR_CONFLICT, "%s: is already there", final.ptr);
    }
    place->partial = partial.ptr;
    Str lock = arena_printf(&place->arena, "%s/lock", partial.ptr);
    place->lock_fd = open(lock.ptr, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (place->lock_fd < 0 || flock(place->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        return err_errno(err, "%s: cannot lock", lock.ptr);
    }
    return dir_make(arena_printf(&place->arena, "%s/blocks", partial.ptr).ptr, err);
}

/* Copies `from` to `to`, synced; gives the hashes of its parts. */
static bool copy_hashed(const char *from, const char *to, Buf *hashes, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(fd_close) int source = open(from, O_RDONLY | O_CLOEXEC);
    AUTO(fd_close) int copy = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    struct stat info;
    if (source < 0 || fstat(source, &info) < 0) {
        return err_errno(err, "%s: cannot read", from);
    }
    if (copy < 0) {
        return err_errno(err, "%s: cannot create", to);
    }
    char *part = arena_raw(&arena, PART_BYTES);
    uint64_t size = (uint64_t)info.st_size;
    for (uint64_t at = 0; at < size; at += PART_BYTES) {
        size_t len = size - at < PART_BYTES ? (size_t)(size - at) : (size_t)PART_BYTES;
        if (!fd_read_at(source, part, len, at, from, err) ||
            !fd_write_all(copy, part, len, to, err)) {
            return false;
        }
        place_hash(hashes, (Str){part, len});
    }
    return fsync(copy) == 0 || err_errno(err, "%s: cannot sync", to);
}

/* state.db is copied also where it could be linked, so that nothing in the backup changes when
 * somebody opens the other name of it. */
static bool put(Place *place, Str name, const char *staged, ManifestFile *file, Err *err) {
    (void)name;
    AUTO(buf_finish) Buf hashes = {0};
    Str to = arena_printf(&place->arena, "%s/%.*s", place->partial, STR_ARG(file->path));
    bool block = str_starts(file->path, STR("blocks/b-"));
    file->parts = (file->bytes + PART_BYTES - 1) / PART_BYTES;
    if (block && link(staged, to.ptr) == 0) {
        return true;
    }
    if (!copy_hashed(staged, to.ptr, &hashes, err)) {
        return false;
    }
    file->hash = arena_str(&place->arena, buf_view(&hashes));
    return true;
}

static bool finish(Place *place, Str name, Str manifest, Err *err) {
    Str path = arena_printf(&place->arena, "%s/" MANIFEST_NAME, place->partial);
    Str blocks = arena_printf(&place->arena, "%s/blocks", place->partial);
    Str lock = arena_printf(&place->arena, "%s/lock", place->partial);
    Str final = path_in(place, "%s/%.*s%.*s", name, STR(""));
    if (!dir_sync(blocks.ptr, err)) {
        return false;
    }
    unlink(lock.ptr); /* a data directory's own lock has this name */
    if (!file_replace(path.ptr, manifest, err)) {
        return false;
    }
    if (rename(place->partial, final.ptr) < 0) {
        return err_errno(err, "%s: cannot rename to %s", place->partial, final.ptr);
    }
    place->partial = NULL;
    return dir_sync(place->dir, err);
}

static void abandon(Place *place, Str name) {
    (void)name;
    Err err;
    if (place->partial) {
        (void)!dir_remove(place->partial, &err);
    }
}

/* ---- reading ---- */

static bool names(Place *place, Arena *arena, Str **ret_names, size_t *ret_count, Err *err) {
    return dir_list(arena, place->dir, ret_names, ret_count, err);
}

static bool manifest(Place *place, Str name, Arena *arena, Str *ret_text, Err *err) {
    Str path = arena_printf(arena, "%s/%.*s/" MANIFEST_NAME, place->dir, STR_ARG(name));
    return file_read(arena, path.ptr, MANIFEST_BYTES_MAX, ret_text, err);
}

static bool get(Place *place, Str name, const ManifestFile *file, const char *path, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(buf_finish) Buf hashes = {0};
    Str from = arena_printf(&arena, "%s/%.*s/%.*s", place->dir, STR_ARG(name), STR_ARG(file->path));
    struct stat info;
    if (stat(from.ptr, &info) < 0) {
        return err_errno(err, "%s: cannot read", from.ptr);
    }
    if ((uint64_t)info.st_size != file->bytes) {
        return err_set(err, ERR_CORRUPT, "%s: has %llu bytes, should have %llu", from.ptr,
                       (unsigned long long)info.st_size, (unsigned long long)file->bytes);
    }
    if (!copy_hashed(from.ptr, path, &hashes, err)) {
        return false;
    }
    return file->hash.len == 0 || str_eq(buf_view(&hashes), file->hash) ||
           err_set(err, ERR_CORRUPT, "%s: is damaged, its hash is not that of the manifest",
                   from.ptr);
}

const PlaceKind place_folder = {begin, put, finish, abandon, names, manifest, get};
