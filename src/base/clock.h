#pragma once

/*
 * Times are Unix milliseconds, as on the Prometheus wire; spans have their own name so that a
 * reader sees which is which. Only the rim (app, web, the store's background thread) asks the
 * clock; everything inside takes the time as a parameter.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef int64_t TimeMs;     /* Unix time in milliseconds */
typedef int64_t DurationMs; /* a span; never negative unless a name says offset */

#define SECOND_MS ((DurationMs)1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

#define TIME_MIN INT64_MIN
#define TIME_MAX INT64_MAX

/* The wall clock. */
TimeMs clock_now(void);

/* A clock that never jumps, for timeouts and measured spans; starts anywhere. In nanoseconds. */
int64_t clock_monotonic_ns(void);

/* Waits under the mutex, until clock_monotonic_ns() is `until_ns` at the longest: a wall clock that
 * is set meanwhile changes nothing. False when that time is over; true when woken, which happens
 * for no reason, too. The condition needs no attributes. */
bool clock_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t until_ns);

/* CPU time used by the calling thread, in nanoseconds. */
int64_t clock_thread_cpu_ns(void);
