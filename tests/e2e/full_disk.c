/*
 * A disk that is full when a test says so: preloaded into a server, writes to files whose names
 * contain $FULL_DISK_OF fail with ENOSPC while the file $FULL_DISK is there. Reading goes on.
 */

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int is_full(int fd) {
    const char *flag = getenv("FULL_DISK"), *of = getenv("FULL_DISK_OF");
    char link[40], path[4096];
    if (!flag || !of || access(flag, F_OK) != 0) {
        return 0;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (len <= 0) {
        return 0;
    }
    path[len] = '\0';
    return strstr(path, of) != NULL;
}

typedef ssize_t PwriteFn(int, const void *, size_t, off_t);
typedef ssize_t WriteFn(int, const void *, size_t);

/* By the name that SQLite was built to call. */
ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t at);

ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t at) {
    static PwriteFn *real;
    if (!real) {
        *(void **)&real = dlsym(RTLD_NEXT, "pwrite64");
    }
    if (is_full(fd)) {
        errno = ENOSPC;
        return -1;
    }
    return real(fd, bytes, len, at);
}

ssize_t write(int fd, const void *bytes, size_t len) {
    static WriteFn *real;
    if (!real) {
        *(void **)&real = dlsym(RTLD_NEXT, "write");
    }
    if (is_full(fd)) {
        errno = ENOSPC;
        return -1;
    }
    return real(fd, bytes, len);
}
