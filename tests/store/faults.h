#pragma once

/*
 * File operations that fail on command, or lose what was not synced, as a power cut does.
 *
 * Power cut. What a file holds durably is its length at the last sync; what names a folder holds
 * durably are those at its last sync. faults_cut_power() makes the disk look so: files are cut to
 * their synced length, names that were not synced are undone. (Real disks may keep more of it, in
 * any order; keeping nothing is the hardest case for what was promised, and kept tails are the
 * business of the tests that damage them.)
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/files.h"

enum { FAULT_FILES_MAX = 4096, FAULT_FDS_MAX = 1024 };

typedef struct FaultFile {
    char path[128];
    off_t synced;  /* -1: the name itself is not durable */
    off_t written; /* by whoever has it open */
    bool exists;
} FaultFile;

typedef struct Faults {
    pthread_mutex_t lock;
    StoreFiles files;
    long countdown; /* operations until one fails; negative: none does */
    int error;      /* its errno */
    bool sticky;    /* the ones after it fail as well */
    long operations;
    bool power_off; /* nothing has any effect */
    FaultFile *list;
    size_t count;
    int file_of_fd[FAULT_FDS_MAX]; /* index + 1 */
} Faults;

static inline bool fault_due(Faults *faults) {
    faults->operations++;
    if (faults->power_off) {
        errno = EIO;
        return true;
    }
    if (faults->countdown < 0) {
        return false;
    }
    if (faults->countdown > 0) {
        faults->countdown--;
        return false;
    }
    if (!faults->sticky) {
        faults->countdown = -1;
    }
    errno = faults->error;
    return true;
}

static inline FaultFile *fault_file(Faults *faults, const char *path) {
    for (size_t i = faults->count; i-- > 0;) {
        if (faults->list[i].exists && strcmp(faults->list[i].path, path) == 0) {
            return &faults->list[i];
        }
    }
    return NULL;
}

static inline FaultFile *fault_new(Faults *faults, const char *path) {
    if (faults->count >= FAULT_FILES_MAX) {
        abort();
    }
    FaultFile *file = &faults->list[faults->count++];
    *file = (FaultFile){.synced = -1, .exists = true};
    snprintf(file->path, sizeof file->path, "%s", path);
    return file;
}

static inline int fault_open(void *ctx, const char *path, int flags) {
    Faults *faults = ctx;
    pthread_mutex_lock(&faults->lock);
    int fd = -1;
    if (!fault_due(faults)) {
        fd = open(path, flags | O_CLOEXEC, 0640);
        if (fd >= 0 && fd < FAULT_FDS_MAX) {
            FaultFile *file = fault_file(faults, path);
            file = file ? file : fault_new(faults, path);
            file->written = 0;
            faults->file_of_fd[fd] = (int)(file - faults->list) + 1;
        }
    }
    pthread_mutex_unlock(&faults->lock);
    return fd;
}

/* A failing write may have written a part. */
static inline ssize_t fault_write(void *ctx, int fd, const void *bytes, size_t len) {
    Faults *faults = ctx;
    pthread_mutex_lock(&faults->lock);
    bool fails = fault_due(faults);
    int error = errno;
    ssize_t put = faults->power_off ? -1 : write(fd, bytes, fails ? len / 2 : len);
    if (put > 0 && faults->file_of_fd[fd]) {
        faults->list[faults->file_of_fd[fd] - 1].written += put;
    }
    if (fails) {
        errno = error;
        put = -1;
    }
    pthread_mutex_unlock(&faults->lock);
    return put;
}

static inline int fault_sync(void *ctx, int fd) {
    Faults *faults = ctx;
    pthread_mutex_lock(&faults->lock);
    bool fails = fault_due(faults);
    if (!fails && faults->file_of_fd[fd]) {
        FaultFile *file = &faults->list[faults->file_of_fd[fd] - 1];
        file->synced = file->synced < 0 ? -2 - file->written : file->written;
    }
    pthread_mutex_unlock(&faults->lock);
    return fails ? -1 : 0;
}

static inline int fault_close(void *ctx, int fd) {
    Faults *faults = ctx;
    pthread_mutex_lock(&faults->lock);
    if (fd < FAULT_FDS_MAX) {
        faults->file_of_fd[fd] = 0;
    }
    pthread_mutex_unlock(&faults->lock);
    return close(fd);
}

static inline int fault_truncate(void *ctx, int fd, off_t len) {
    Faults *faults = ctx;
    pthread_mutex_lock(&faults->lock);
    int result = fault_due(faults) ? -1 : ftruncate(fd, len);
    pthread_mutex_unlock(&faults->lock);
    return result;
}

static inline int fault_rename(void *ctx, const char *from, const char *to) {
    Faults *faults = ctx;
    pthread_mutex_lock(&faults->lock);
    int result = -1;
    if (!fault_due(faults)) {
        result = rename(from, to);
        FaultFile *file = fault_file(faults, from);
        if (result == 0 && file) {
            FaultFile *target = fault_file(faults, to);
            if (target) {
                target->exists = false;
            }
            snprintf(file->path, sizeof file->path, "%s", to);
        }
    }
    pthread_mutex_unlock(&faults->lock);
    return result;
}

static inline int fault_link(void *ctx, const char *from, const char *to) {
    Faults *faults = ctx;
    pthread_mutex_lock(&faults->lock);
    int result = fault_due(faults) ? -1 : link(from, to);
    pthread_mutex_unlock(&faults->lock);
    return result;
}

/* Unlinking counts as durable at once: the store must not need what it removes. */
static inline int fault_unlink(void *ctx, const char *path) {
    Faults *faults = ctx;
    pthread_mutex_lock(&faults->lock);
    int result = -1;
    if (!fault_due(faults)) {
        result = unlink(path);
        FaultFile *file = fault_file(faults, path);
        if (file) {
            file->exists = false;
        }
    }
    pthread_mutex_unlock(&faults->lock);
    return result;
}

/* Names in the folder become durable: files below -1 were synced before their name was. */
static inline int fault_sync_dir(void *ctx, const char *path) {
    Faults *faults = ctx;
    pthread_mutex_lock(&faults->lock);
    bool fails = fault_due(faults);
    size_t len = strlen(path);
    for (size_t i = 0; i < faults->count && !fails; i++) {
        FaultFile *file = &faults->list[i];
        bool inside = strncmp(file->path, path, len) == 0 && file->path[len] == '/' &&
                      !strchr(file->path + len + 1, '/');
        if (inside && file->synced < 0) {
            file->synced = file->synced == -1 ? 0 : -2 - file->synced;
        }
    }
    pthread_mutex_unlock(&faults->lock);
    return fails ? -1 : 0;
}

static inline void faults_init(Faults *faults) {
    *faults = (Faults){.countdown = -1};
    pthread_mutex_init(&faults->lock, NULL);
    faults->list = calloc(FAULT_FILES_MAX, sizeof *faults->list);
    faults->files =
        (StoreFiles){faults,         fault_open,   fault_write, fault_sync,   fault_close,
                     fault_truncate, fault_rename, fault_link,  fault_unlink, fault_sync_dir};
}

static inline void faults_arm(Faults *faults, long countdown, int error, bool sticky) {
    pthread_mutex_lock(&faults->lock);
    faults->countdown = countdown;
    faults->error = error;
    faults->sticky = sticky;
    pthread_mutex_unlock(&faults->lock);
}

static inline void faults_power(Faults *faults, bool off) {
    pthread_mutex_lock(&faults->lock);
    faults->power_off = off;
    pthread_mutex_unlock(&faults->lock);
}

/* Makes the disk look as after the cut. Whoever had files open is gone by now. */
static inline void faults_cut(Faults *faults) {
    for (size_t i = 0; i < faults->count; i++) {
        FaultFile *file = &faults->list[i];
        if (!file->exists) {
            continue;
        }
        if (file->synced < 0) {
            unlink(file->path);
            file->exists = false;
        } else if (truncate(file->path, file->synced) < 0 && errno != ENOENT) {
            abort();
        }
    }
}
