#include "base/pool.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

typedef struct Job {
    void (*run)(void *job);
    void *job;
} Job;

/*
 * One call of pool_for(). It lives on the caller's stack and in the pool's list while there are
 * indices to take; threads of the pool join in, preferring the list to the queue, so that what has
 * been begun is finished first. The caller leaves when no helper is inside any more. Nothing of it
 * enters the queue, so a busy pool does not refuse, it only helps less.
 */
typedef struct Spread {
    struct Spread *next;
    void (*run)(void *ctx, size_t index);
    void *ctx;
    size_t count;
    atomic_size_t taken; /* may run past `count` */
    int helpers;         /* under the pool's lock */
    pthread_cond_t idle;
} Spread;

struct Pool {
    pthread_mutex_t lock;
    pthread_cond_t work;
    bool closing;
    Spread *spreads;
    Job *queue; /* a ring */
    size_t queue_max, queue_first, queue_count;
    int thread_count;
    pthread_t threads[];
};

static void run_spread(Spread *spread) {
    for (;;) {
        size_t index = atomic_fetch_add_explicit(&spread->taken, 1, memory_order_relaxed);
        if (index >= spread->count) {
            return;
        }
        spread->run(spread->ctx, index);
    }
}

/* Under the lock: one that still has indices to take; others leave the list. */
static Spread *open_spread(Pool *pool) {
    while (pool->spreads && atomic_load_explicit(&pool->spreads->taken, memory_order_relaxed) >=
                                pool->spreads->count) {
        pool->spreads = pool->spreads->next;
    }
    return pool->spreads;
}

static void help(Pool *pool, Spread *spread) {
    spread->helpers++;
    pthread_mutex_unlock(&pool->lock);
    run_spread(spread);
    pthread_mutex_lock(&pool->lock);
    if (--spread->helpers == 0) {
        pthread_cond_signal(&spread->idle);
    }
}

static void run_next_job(Pool *pool) {
    Job job = pool->queue[pool->queue_first];
    pool->queue_first = (pool->queue_first + 1) % pool->queue_max;
    pool->queue_count--;
    pthread_mutex_unlock(&pool->lock);
    job.run(job.job);
    pthread_mutex_lock(&pool->lock);
}

static void *run_thread(void *arg) {
    Pool *pool = arg;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        Spread *spread = open_spread(pool);
        if (spread) {
            help(pool, spread);
        } else if (pool->queue_count) {
            run_next_job(pool);
        } else if (pool->closing) {
            break;
        } else {
            pthread_cond_wait(&pool->work, &pool->lock);
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static void start_thread(Pool *pool, const char *name, int index) {
    if (pthread_create(&pool->threads[index], NULL, run_thread, pool) != 0) {
        fprintf(stderr, "cannot start thread %d of %s\n", index, name);
        abort();
    }
    char label[16]; /* what the kernel keeps */
    snprintf(label, sizeof label, "%.11s-%u", name, (unsigned)index % 1000);
    pthread_setname_np(pool->threads[index], label);
}

Pool *pool_new(const char *name, int threads, size_t queue_max) {
    assert(threads > 0 && queue_max > 0);
    Pool *pool = mem_zero(1, sizeof *pool + (size_t)threads * sizeof pool->threads[0]);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pool->queue = mem_zero(queue_max, sizeof *pool->queue);
    pool->queue_max = queue_max;
    pool->thread_count = threads;
    for (int i = 0; i < threads; i++) {
        start_thread(pool, name, i);
    }
    return pool;
}

void pool_free(Pool *pool) {
    if (!pool) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->closing = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->thread_count; i++) {
        pthread_join(pool->threads[i], NULL);
    }
    assert(!pool->spreads && pool->queue_count == 0);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool->queue);
    free(pool);
}

bool pool_submit(Pool *pool, void (*run)(void *job), void *job) {
    pthread_mutex_lock(&pool->lock);
    bool has_room = pool->queue_count < pool->queue_max;
    if (has_room) {
        size_t slot = (pool->queue_first + pool->queue_count++) % pool->queue_max;
        pool->queue[slot] = (Job){.run = run, .job = job};
        pthread_cond_signal(&pool->work);
    }
    pthread_mutex_unlock(&pool->lock);
    return has_room;
}

static void offer_spread(Pool *pool, Spread *spread) {
    pthread_mutex_lock(&pool->lock);
    spread->next = pool->spreads;
    pool->spreads = spread;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

/* Takes it off the list, if no thread has, and waits until those inside are done. */
static void end_spread(Pool *pool, Spread *spread) {
    pthread_mutex_lock(&pool->lock);
    for (Spread **slot = &pool->spreads; *slot; slot = &(*slot)->next) {
        if (*slot == spread) {
            *slot = spread->next;
            break;
        }
    }
    while (spread->helpers > 0) {
        pthread_cond_wait(&spread->idle, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
}

void pool_for(Pool *pool, size_t count, void (*run)(void *ctx, size_t index), void *ctx) {
    Spread spread = {.run = run, .ctx = ctx, .count = count, .idle = PTHREAD_COND_INITIALIZER};
    if (!pool || count < 2) {
        run_spread(&spread);
        return;
    }
    offer_spread(pool, &spread);
    run_spread(&spread);
    end_spread(pool, &spread);
    pthread_cond_destroy(&spread.idle);
}

size_t pool_queued(const Pool *pool) {
    Pool *locked = (Pool *)pool; /* the lock is not part of what a reader sees */
    pthread_mutex_lock(&locked->lock);
    size_t count = pool->queue_count;
    pthread_mutex_unlock(&locked->lock);
    return count;
}

int pool_threads(const Pool *pool) {
    return pool->thread_count;
}
