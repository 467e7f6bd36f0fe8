#include "store/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int real_open(void *ctx, const char *path, int flags) {
    (void)ctx;
    return open(path, flags | O_CLOEXEC, 0640);
}

static ssize_t real_write(void *ctx, int fd, const void *bytes, size_t len) {
    (void)ctx;
    return write(fd, bytes, len);
}

static int real_sync(void *ctx, int fd) {
    (void)ctx;
    return fdatasync(fd);
}

static int real_close(void *ctx, int fd) {
    (void)ctx;
    return close(fd);
}

static int real_truncate(void *ctx, int fd, off_t len) {
    (void)ctx;
    return ftruncate(fd, len);
}

static int real_rename(void *ctx, const char *from, const char *to) {
    (void)ctx;
    return rename(from, to);
}

static int real_link(void *ctx, const char *from, const char *to) {
    (void)ctx;
    return link(from, to);
}

static int real_unlink(void *ctx, const char *path) {
    (void)ctx;
    return unlink(path);
}

static int real_sync_dir(void *ctx, const char *path) {
    (void)ctx;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    int result = fsync(fd);
    int saved = errno;
    close(fd);
    errno = saved;
    /* Some network file systems cannot sync a folder and say so; their renames are durable by
     * themselves. */
    return result < 0 && errno == EINVAL ? 0 : result;
}

const StoreFiles store_files_real = {
    .open = real_open,
    .write = real_write,
    .sync = real_sync,
    .close = real_close,
    .truncate = real_truncate,
    .rename = real_rename,
    .link = real_link,
    .unlink = real_unlink,
    .sync_dir = real_sync_dir,
};

static int leave_unsynced(void *ctx, int fd) {
    (void)ctx;
    (void)fd;
    return 0;
}

static int leave_dir_unsynced(void *ctx, const char *path) {
    (void)ctx;
    (void)path;
    return 0;
}

const StoreFiles store_files_unsynced = {
    .open = real_open,
    .write = real_write,
    .sync = leave_unsynced,
    .close = real_close,
    .truncate = real_truncate,
    .rename = real_rename,
    .link = real_link,
    .unlink = real_unlink,
    .sync_dir = leave_dir_unsynced,
};

bool files_write_all(const StoreFiles *files, int fd, const void *bytes, size_t len,
                     const char *path, Err *err) {
    const char *at = bytes;
    while (len > 0) {
        ssize_t put = files->write(files->ctx, fd, at, len);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return err_errno(err, "%s: cannot write", path);
        }
        at += put;
        len -= (size_t)put;
    }
    return true;
}

static bool sync_parent(const StoreFiles *files, const char *path, Err *err) {
    char parent[PATH_MAX];
    snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (slash) {
        *slash = '\0';
    } else {
        snprintf(parent, sizeof parent, ".");
    }
    if (files->sync_dir(files->ctx, parent) < 0) {
        return err_errno(err, "%s: cannot sync the folder", parent);
    }
    return true;
}

bool files_publish(const StoreFiles *files, int fd, const char *temporary, const char *path,
                   Err *err) {
    bool synced = files->sync(files->ctx, fd) == 0 || err_errno(err, "%s: cannot sync", temporary);
    if (files->close(files->ctx, fd) < 0 && synced) {
        synced = err_errno(err, "%s: cannot close", temporary);
    }
    bool renamed = synced && (files->rename(files->ctx, temporary, path) == 0 ||
                              err_errno(err, "%s: cannot rename to %s", temporary, path));
    if (!renamed) {
        files->unlink(files->ctx, temporary);
        return false;
    }
    return sync_parent(files, path, err);
}

bool files_replace(const StoreFiles *files, const char *path, Str bytes, Err *err) {
    char temporary[PATH_MAX];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    int fd = files->open(files->ctx, temporary, O_WRONLY | O_CREAT | O_TRUNC);
    if (fd < 0) {
        return err_errno(err, "%s: cannot create", temporary);
    }
    if (!files_write_all(files, fd, bytes.ptr, bytes.len, temporary, err)) {
        files->close(files->ctx, fd);
        files->unlink(files->ctx, temporary);
        return false;
    }
    return files_publish(files, fd, temporary, path, err);
}

bool files_room(const char *path, uint64_t *ret_avail, uint64_t *ret_reserve) {
    enum { RESERVE_MAX = 64 << 20, RESERVE_PART = 50 };
    struct statvfs info;
    if (statvfs(path, &info) < 0 || info.f_blocks == 0) {
        return false;
    }
    uint64_t part = (uint64_t)info.f_blocks * info.f_frsize / RESERVE_PART;
    *ret_avail = (uint64_t)info.f_bavail * info.f_frsize;
    *ret_reserve = part < RESERVE_MAX ? part : RESERVE_MAX;
    return true;
}

uint64_t files_folder_bytes(const char *path) {
    DIR *dir = opendir(path);
    if (!dir) {
        return 0;
    }
    uint64_t bytes = 0;
    struct dirent *entry;
    while ((entry = readdir(dir))) {
        struct stat info;
        if (fstatat(dirfd(dir), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(info.st_mode)) {
            bytes += (uint64_t)info.st_size;
        }
    }
    closedir(dir);
    return bytes;
}
