#pragma once

/*
 * Every change the store makes on disk goes through this table, so that tests can make any of them
 * fail (ENOSPC, EIO) or play a power cut (what was not synced is gone). Reading is not in it:
 * damage on read is tested by damaging files.
 *
 * Each function behaves as the system call of its name: -1 and `errno` on failure.
 *
 * Threads: called from any thread.
 */

#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

typedef struct StoreFiles {
    void *ctx;
    int (*open)(void *ctx, const char *path, int flags); /* mode 0640 where it creates */
    ssize_t (*write)(void *ctx, int fd, const void *bytes, size_t len);
    int (*sync)(void *ctx, int fd); /* fdatasync */
    int (*close)(void *ctx, int fd);
    int (*truncate)(void *ctx, int fd, off_t len);
    int (*rename)(void *ctx, const char *from, const char *to);
    int (*link)(void *ctx, const char *from, const char *to);
    int (*unlink)(void *ctx, const char *path);
    int (*sync_dir)(void *ctx, const char *path);
} StoreFiles;

/* The real ones; and those for a store that nobody opens again, which sync nothing. */
extern const StoreFiles store_files_real;
extern const StoreFiles store_files_unsynced;

/* Writes all of it, across short writes and EINTR. */
bool files_write_all(const StoreFiles *files, int fd, const void *bytes, size_t len,
                     const char *path, Err *err) MUST_CHECK;

/* Makes `fd` durable, closes it (also on failure), renames `temporary` to `path` and makes that
 * durable. On failure the temporary file is removed as far as that can be done. */
bool files_publish(const StoreFiles *files, int fd, const char *temporary, const char *path,
                   Err *err) MUST_CHECK;

/* As file_replace() of base, through the table. */
bool files_replace(const StoreFiles *files, const char *path, Str bytes, Err *err) MUST_CHECK;

/* Bytes that are left on the file system of `path`, and how many of them samples must not take (a
 * fiftieth of it, at most 64 MiB). False where it does not tell. */
bool files_room(const char *path, uint64_t *ret_avail, uint64_t *ret_reserve);

/* Bytes of the regular files in a folder; 0 if it cannot be read. */
uint64_t files_folder_bytes(const char *path);
