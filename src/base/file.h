#pragma once

/* Files, at the rim: all errors name the path. What cannot be opened because it is not there is
 * ERR_NOT_FOUND, other trouble ERR_IO. */

#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

/* Closes `*fd` unless it is -1 and sets it to -1; for AUTO(fd_close). */
void fd_close(int *fd);

/* Reads a whole file of at most `bytes_max` bytes into `arena` (not only regular ones: "-" is
 * standard input). */
bool file_read(Arena *arena, const char *path, size_t bytes_max, Str *ret_bytes,
               Err *err) MUST_CHECK;

/* Writes all of it, across short writes and EINTR. */
bool fd_write_all(int fd, const void *bytes, size_t len, const char *path, Err *err) MUST_CHECK;

/* Reads exactly `len` bytes at `offset`; fewer is ERR_CORRUPT ("breaks off"). */
bool fd_read_at(int fd, void *bytes, size_t len, uint64_t offset, const char *path,
                Err *err) MUST_CHECK;

/* Replaces `path` so that a crash leaves the old or the new content, never a mix: temporary file,
 * fsync, rename, fsync of the folder. */
bool file_replace(const char *path, Str bytes, Err *err) MUST_CHECK;

/* Makes renames and new names in a folder durable. */
bool dir_sync(const char *path, Err *err) MUST_CHECK;

/* mkdir -p, 0750. */
bool dir_make(const char *path, Err *err) MUST_CHECK;

/* rm -r; missing is fine. */
bool dir_remove(const char *path, Err *err) MUST_CHECK;

/* Names in a folder, sorted by bytes, without "." and "..". */
bool dir_list(Arena *arena, const char *path, Str **ret_names, size_t *ret_count,
              Err *err) MUST_CHECK;

/* Paths that match `pattern`, sorted: as glob(7), and "**" for any depth of folders. None is no
 * error. */
bool file_glob(Arena *arena, const char *pattern, Str **ret_paths, size_t *ret_count,
               Err *err) MUST_CHECK;
/* The same, but a folder among them stands for the YAML files in it (.yml, .yaml), at any depth. */
bool file_glob_yaml(Arena *arena, const char *pattern, Str **ret_paths, size_t *ret_count,
                    Err *err) MUST_CHECK;
