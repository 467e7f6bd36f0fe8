#include "base/clock.h"

#include <assert.h>
#include <time.h>

static struct timespec read_clock(clockid_t id) {
    struct timespec now;
    int failed = clock_gettime(id, &now);
    assert(!failed);
    (void)failed;
    return now;
}

static int64_t read_clock_ns(clockid_t id) {
    struct timespec now = read_clock(id);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

TimeMs clock_now(void) {
    struct timespec now = read_clock(CLOCK_REALTIME);
    return (TimeMs)now.tv_sec * SECOND_MS + now.tv_nsec / 1000000;
}

int64_t clock_monotonic_ns(void) {
    return read_clock_ns(CLOCK_MONOTONIC);
}

bool clock_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t until_ns) {
    struct timespec until = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};
    return pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, &until) == 0;
}

int64_t clock_thread_cpu_ns(void) {
    return read_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}
