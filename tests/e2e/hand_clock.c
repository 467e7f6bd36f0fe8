/*
 * A wall clock in a test's hand: preloaded into a server, it stands still until the test moves it.
 *
 * The time is eight bytes of Unix milliseconds in the file $HAND_CLOCK, mapped here and written by
 * the test. Whoever waits for a wall time (condition variables) wakes within some milliseconds of
 * the clock reaching it. Monotonic clocks run on: deadlines, spans and background work stay real.
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_MS = 5 };

/* Absolute times below are of the monotonic clock: uptimes, not dates. */
static const time_t DATES_FROM = 1000000000;

static int (*real_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
static const _Atomic int64_t *hand;

/* By the kernel, since other libraries ask before begin() has run. */
static int real_gettime(clockid_t id, struct timespec *now) {
    return (int)syscall(SYS_clock_gettime, id, now);
}

__attribute__((constructor)) static void begin(void) {
    /* The unversioned lookup may give the condition variables of 2002. */
    real_timedwait = (int (*)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *))dlvsym(
        RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!real_timedwait) {
        real_timedwait =
            (int (*)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *))dlsym(
                RTLD_NEXT, "pthread_cond_timedwait");
    }
    const char *path = getenv("HAND_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        void *map = mmap(NULL, sizeof *hand, PROT_READ, MAP_SHARED, fd, 0);
        hand = map == MAP_FAILED ? NULL : map;
        close(fd);
    }
}

int clock_gettime(clockid_t id, struct timespec *now) {
    if (!hand || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)) {
        return real_gettime(id, now);
    }
    int64_t ms = atomic_load(hand);
    *now = (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    return 0;
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
                           const struct timespec *until) {
    if (!real_timedwait) {
        begin();
    }
    if (!hand || until->tv_sec < DATES_FROM) {
        return real_timedwait(cond, lock, until);
    }
    int64_t due = (int64_t)until->tv_sec * 1000 + until->tv_nsec / 1000000;
    while (atomic_load(hand) < due) {
        struct timespec look;
        real_gettime(CLOCK_REALTIME, &look);
        look.tv_nsec += LOOK_MS * 1000000;
        look.tv_sec += look.tv_nsec / 1000000000;
        look.tv_nsec %= 1000000000;
        int result = real_timedwait(cond, lock, &look);
        if (result != ETIMEDOUT) {
            return result;
        }
    }
    return ETIMEDOUT;
}
