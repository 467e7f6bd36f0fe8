/* Many threads submit, spread and spread again on one pool, for ThreadSanitizer. */

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/pool.h"

enum { CALLERS = 4, ROUNDS = 300, WIDTH = 20 };

typedef struct Work {
    Pool *pool;
    atomic_long done;
} Work;

static void run_leaf(void *ctx, size_t index) {
    (void)index;
    atomic_fetch_add_explicit(&((Work *)ctx)->done, 1, memory_order_relaxed);
}

static void run_job(void *job) {
    pool_for(((Work *)job)->pool, WIDTH, run_leaf, job);
}

static void *call(void *arg) {
    Work *work = arg;
    for (int i = 0; i < ROUNDS; i++) {
        if (!pool_submit(work->pool, run_job, work)) {
            run_job(work);
        }
        pool_for(work->pool, WIDTH, run_leaf, work);
    }
    return NULL;
}

/* Written without atomics: pool_for() orders it. */
static void write_plain(void *ctx, size_t index) {
    ((size_t *)ctx)[index] = index;
}

static void assert_results_are_visible(Pool *pool) {
    size_t plain[1000];
    pool_for(pool, 1000, write_plain, plain);
    for (size_t i = 0; i < 1000; i++) {
        assert(plain[i] == i);
    }
}

int main(void) {
    Work work = {.pool = pool_new("race", 3, 16)};
    pthread_t callers[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        pthread_create(&callers[i], NULL, call, &work);
    }
    assert_results_are_visible(work.pool);
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(callers[i], NULL);
    }
    pool_free(work.pool);
    return work.done == 2L * CALLERS * ROUNDS * WIDTH ? EXIT_SUCCESS : EXIT_FAILURE;
}
