/*
 * A wall clock in a test's hand: preloaded into a server, it stands still until the test moves it.
 *
 * The time is eight bytes of Unix milliseconds in the file $HAND_CLOCK, mapped here and written by
 * the test. Whoever waits for a wall time (pthread_cond_timedwait), or for as long as it is until
 * one (pthread_cond_clockwait), wakes within some milliseconds of the clock reaching it, or of
 * being set back. Monotonic clocks run on: deadlines, spans and background work stay real.
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

/* Waits until the hand is at `due`, or before where it was. */
static int wait_for_hand(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t due) {
    int64_t began = atomic_load(hand);
    for (;;) {
        int64_t now = atomic_load(hand);
        if (now >= due || now < began) {
            return ETIMEDOUT;
        }
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
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
                           const struct timespec *until) {
    if (!real_timedwait) {
        begin();
    }
    if (!hand || until->tv_sec < DATES_FROM) {
        return real_timedwait(cond, lock, until);
    }
    return wait_for_hand(cond, lock, (int64_t)until->tv_sec * 1000 + until->tv_nsec / 1000000);
}

int pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *lock, clockid_t id,
                           const struct timespec *until) {
    if (!real_timedwait) {
        begin();
    }
    struct timespec now;
    real_gettime(id, &now);
    int64_t wait =
        (int64_t)(until->tv_sec - now.tv_sec) * 1000 + (until->tv_nsec - now.tv_nsec) / 1000000;
    if (hand) {
        return wait_for_hand(cond, lock, atomic_load(hand) + wait);
    }
    struct timespec at;
    real_gettime(CLOCK_REALTIME, &at);
    at.tv_sec += wait / 1000;
    at.tv_nsec += wait % 1000 * 1000000;
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return real_timedwait(cond, lock, &at);
}
