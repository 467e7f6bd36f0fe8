#include "store/churn.h"

#include <string.h>

void churn_init(Churn *churn) {
    *churn = (Churn){0};
    pthread_mutex_init(&churn->lock, NULL);
}

/* Empties the buckets of minutes that have passed since. */
static void move_to(Churn *churn, int64_t now_ns) {
    int64_t minute = now_ns / (60 * INT64_C(1000000000));
    if (minute - churn->minute >= CHURN_BUCKETS) {
        memset(churn->counts, 0, sizeof churn->counts);
        churn->minute = minute;
    }
    while (churn->minute < minute) {
        churn->counts[++churn->minute % CHURN_BUCKETS] = 0;
    }
}

void churn_add(Churn *churn, int64_t now_ns, uint64_t series) {
    pthread_mutex_lock(&churn->lock);
    move_to(churn, now_ns);
    churn->counts[churn->minute % CHURN_BUCKETS] += series;
    pthread_mutex_unlock(&churn->lock);
}

uint64_t churn_hour(Churn *churn, int64_t now_ns) {
    pthread_mutex_lock(&churn->lock);
    move_to(churn, now_ns);
    uint64_t sum = 0;
    for (int i = 0; i < CHURN_BUCKETS; i++) {
        sum += churn->counts[i];
    }
    pthread_mutex_unlock(&churn->lock);
    return sum;
}
