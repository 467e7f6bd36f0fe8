/* Waiting by the clock that never jumps. */

#include <criterion/criterion.h>

#include "base/clock.h"

typedef struct Bell {
    pthread_mutex_t lock;
    pthread_cond_t rung;
    bool has_rung;
} Bell;

static void *ring(void *ctx) {
    Bell *bell = ctx;
    pthread_mutex_lock(&bell->lock);
    bell->has_rung = true;
    pthread_cond_signal(&bell->rung);
    pthread_mutex_unlock(&bell->lock);
    return NULL;
}

Test(clock, a_wait_ends_when_its_time_is_over) {
    Bell bell = {.lock = PTHREAD_MUTEX_INITIALIZER, .rung = PTHREAD_COND_INITIALIZER};
    int64_t until_ns = clock_monotonic_ns() + 10 * 1000 * 1000;
    pthread_mutex_lock(&bell.lock);
    while (clock_wait(&bell.rung, &bell.lock, until_ns)) {
    }
    cr_expect_geq(clock_monotonic_ns(), until_ns);
    cr_expect_not(clock_wait(&bell.rung, &bell.lock, until_ns), "what is over does not wait");
    pthread_mutex_unlock(&bell.lock);
}

Test(clock, a_wait_ends_when_woken) {
    Bell bell = {.lock = PTHREAD_MUTEX_INITIALIZER, .rung = PTHREAD_COND_INITIALIZER};
    pthread_t thread;
    bool woken = true;
    pthread_mutex_lock(&bell.lock);
    cr_assert_eq(pthread_create(&thread, NULL, ring, &bell), 0);
    int64_t until_ns = clock_monotonic_ns() + INT64_C(600) * 1000 * 1000 * 1000;
    while (!bell.has_rung && woken) {
        woken = clock_wait(&bell.rung, &bell.lock, until_ns);
    }
    cr_expect(woken);
    pthread_mutex_unlock(&bell.lock);
    pthread_join(thread, NULL);
}
