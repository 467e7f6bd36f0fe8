/* The pool: all work is done once, a full queue says so, and waiting inside a job ends. */

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/pool.h"

static void count_index(void *ctx, size_t index) {
    atomic_int *counts = ctx;
    atomic_fetch_add(&counts[index], 1);
}

static void assert_each_once(Pool *pool, size_t count) {
    static atomic_int counts[1000];
    memset(counts, 0, sizeof counts);
    pool_for(pool, count, count_index, counts);
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(counts[i], 1, "index %zu of %zu", i, count);
    }
}

Test(pool, runs_each_index_once) {
    Pool *pool = pool_new("test", 3, 8);
    cr_expect_eq(pool_threads(pool), 3);
    for (size_t count = 0; count < 1000; count += 37) {
        assert_each_once(pool, count);
        assert_each_once(NULL, count);
    }
    pool_free(pool);
    pool_free(NULL);
}

typedef struct Nest {
    Pool *pool;
    atomic_int count;
} Nest;

static void count_leaf(void *ctx, size_t index) {
    (void)index;
    atomic_fetch_add(&((Nest *)ctx)->count, 1);
}

static void spread_again(void *ctx, size_t index) {
    (void)index;
    pool_for(((Nest *)ctx)->pool, 10, count_leaf, ctx);
}

Test(pool, spreads_work_from_inside_of_work, .timeout = 60) {
    Nest nest = {.pool = pool_new("test", 2, 1)};
    pool_for(nest.pool, 50, spread_again, &nest);
    cr_expect_eq(nest.count, 500);
    pool_free(nest.pool);
}

typedef struct Gate {
    pthread_mutex_t lock;
    atomic_int entered, passed;
} Gate;

static void pass_gate(void *job) {
    Gate *gate = job;
    atomic_fetch_add(&gate->entered, 1);
    pthread_mutex_lock(&gate->lock);
    atomic_fetch_add(&gate->passed, 1);
    pthread_mutex_unlock(&gate->lock);
}

Test(pool, a_full_queue_refuses_and_closing_finishes_what_was_taken, .timeout = 60) {
    Gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER};
    Pool *pool = pool_new("a name longer than the kernel keeps", 1, 2);
    pthread_mutex_lock(&gate.lock);
    cr_assert(pool_submit(pool, pass_gate, &gate));
    while (gate.entered == 0) { /* from now on the only thread is busy */
    }
    cr_expect(pool_submit(pool, pass_gate, &gate));
    cr_expect(pool_submit(pool, pass_gate, &gate));
    cr_expect_not(pool_submit(pool, pass_gate, &gate));
    cr_expect_eq(pool_queued(pool), 2);

    assert_each_once(pool, 100); /* the caller does it alone */
    pthread_mutex_unlock(&gate.lock);
    pool_free(pool);
    cr_expect_eq(gate.passed, 3);
}
