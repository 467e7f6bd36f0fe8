#pragma once

/*
 * How many series were made within the last hour, in sixty buckets of a minute.
 *
 * Threads: any; one lock.
 */

#include <pthread.h>
#include <stdint.h>

enum { CHURN_BUCKETS = 60 };

typedef struct Churn {
    pthread_mutex_t lock;
    uint64_t counts[CHURN_BUCKETS];
    int64_t minute; /* of the newest bucket, on the monotonic clock */
} Churn;

void churn_init(Churn *churn);
void churn_add(Churn *churn, int64_t now_ns, uint64_t series);
uint64_t churn_hour(Churn *churn, int64_t now_ns);
