/*
 * Backups in a bucket:
 *
 *     PREFIX/NAME/blocks/b-...            a file of up to 32 MiB
 *     PREFIX/NAME/blocks/b-....part-00001 a larger one, a part each
 *     PREFIX/NAME/manifest.json           written last
 *
 * Parts as objects of their own, and not a multipart upload: each is signed and checked with what
 * is in memory, what broke off leaves nothing that has to be aborted, and any tool can put them
 * together again.
 */

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "backup/place.h"
#include "base/file.h"

/* Who is not first finds a manifest. Between two who begin in the same second the bucket cannot
 * decide. */
static bool begin(Place *place, Str name, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    Str key = arena_printf(&arena, "%.*s/" MANIFEST_NAME, STR_ARG(name));
    Str text;
    Err missing = {0};
    if (s3_get(&place->s3, key, MANIFEST_BYTES_MAX, &arena, &text, &missing)) {
        return err_set(err, ERR_CONFLICT, "%.*s: is already there", STR_ARG(name));
    }
    if (missing.kind != ERR_NOT_FOUND) {
        *err = missing;
        return false;
    }
    return true;
}

static Str part_key(Arena *arena, Str name, const ManifestFile *file, uint64_t part) {
    return file->parts == 1 ? arena_printf(arena, "%.*s/%.*s", STR_ARG(name), STR_ARG(file->path))
                            : arena_printf(arena, "%.*s/%.*s.part-%05llu", STR_ARG(name),
                                           STR_ARG(file->path), (unsigned long long)part + 1);
}

static size_t part_bytes(const ManifestFile *file, uint64_t part) {
    uint64_t left = file->bytes - part * PART_BYTES;
    return left < PART_BYTES ? (size_t)left : (size_t)PART_BYTES;
}

static bool put(Place *place, Str name, const char *staged, ManifestFile *file, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(buf_finish) Buf hashes = {0};
    AUTO(fd_close) int fd = open(staged, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_errno(err, "%s: cannot read", staged);
    }
    file->parts = (file->bytes + PART_BYTES - 1) / PART_BYTES;
    for (uint64_t part = 0; part < file->parts; part++) {
        arena_reset(&arena);
        size_t len = part_bytes(file, part);
        char *bytes = arena_raw(&arena, len);
        if (!fd_read_at(fd, bytes, len, part * PART_BYTES, staged, err) ||
            !s3_put(&place->s3, part_key(&arena, name, file, part), (Str){bytes, len}, err)) {
            return false;
        }
        place_hash(&hashes, (Str){bytes, len});
    }
    file->hash = arena_str(&place->arena, buf_view(&hashes));
    return true;
}

static bool finish(Place *place, Str name, Str manifest, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    Str key = arena_printf(&arena, "%.*s/" MANIFEST_NAME, STR_ARG(name));
    return s3_put(&place->s3, key, manifest, err);
}

/* Objects without a manifest are no backup. They stay: deleting is not among the rights a backup
 * needs. */
static void abandon(Place *place, Str name) {
    (void)place, (void)name;
}

static bool names(Place *place, Arena *arena, Str **ret_names, size_t *ret_count, Err *err) {
    return s3_list_folders(&place->s3, arena, ret_names, ret_count, err);
}

static bool manifest(Place *place, Str name, Arena *arena, Str *ret_text, Err *err) {
    Str key = arena_printf(arena, "%.*s/" MANIFEST_NAME, STR_ARG(name));
    return s3_get(&place->s3, key, MANIFEST_BYTES_MAX, arena, ret_text, err);
}

static bool get_part(Place *place, Str name, const ManifestFile *file, uint64_t part, int fd,
                     const char *path, Buf *hashes, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    Str key = part_key(&arena, name, file, part);
    size_t len = part_bytes(file, part);
    Str bytes;
    if (!s3_get(&place->s3, key, len, &arena, &bytes, err)) {
        return false;
    }
    if (bytes.len != len) {
        return err_set(err, ERR_CORRUPT, "%.*s: has %zu bytes, should have %zu", STR_ARG(key),
                       bytes.len, len);
    }
    place_hash(hashes, bytes);
    return fd_write_all(fd, bytes.ptr, bytes.len, path, err);
}

static bool get(Place *place, Str name, const ManifestFile *file, const char *path, Err *err) {
    AUTO(buf_finish) Buf hashes = {0};
    AUTO(fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0) {
        return err_errno(err, "%s: cannot create", path);
    }
    if (file->parts != (file->bytes + PART_BYTES - 1) / PART_BYTES) {
        return err_set(err, ERR_CORRUPT, "%.*s: %llu bytes are not %llu parts", STR_ARG(file->path),
                       (unsigned long long)file->bytes, (unsigned long long)file->parts);
    }
    for (uint64_t part = 0; part < file->parts; part++) {
        if (!get_part(place, name, file, part, fd, path, &hashes, err)) {
            return false;
        }
    }
    if (!str_eq(buf_view(&hashes), file->hash)) {
        return err_set(err, ERR_CORRUPT, "%.*s: is damaged, its hash is not that of the manifest",
                       STR_ARG(file->path));
    }
    return fsync(fd) == 0 || err_errno(err, "%s: cannot sync", path);
}

const PlaceKind place_bucket = {begin, put, finish, abandon, names, manifest, get};
