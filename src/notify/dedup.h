#pragma once

/*
 * Whether an integration is to be told something: the decision of reference 1.7 as a pure function,
 * with what Alertmanager gets wrong put right:
 *
 *   - an alert that is suppressed after it was told stays told ("held"): its end is told whatever
 * silences it;
 *   - an alert that was never told has no end to tell;
 *   - repeats come when they are due, by the time of the decision, not of the answer.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

typedef enum NotifyReason {
    NOTIFY_NOTHING_NEW,
    NOTIFY_FIRST,
    NOTIFY_NEW_ALERTS,
    NOTIFY_ALL_RESOLVED,
    NOTIFY_SOME_RESOLVED,
    NOTIFY_REPEAT_DUE,
    NOTIFY_DIGEST,
    NOTIFY_SUPPRESSION, /* of a receiver that is told of suppressed alerts, too */
} NotifyReason;

/* Alertmanager's words: "first notification", "new alerts added"... */
const char *notify_reason_text(NotifyReason reason);

/* Sets of alert ids, sorted. */
typedef struct IdSet {
    int64_t *ids;
    size_t count;
} IdSet;

bool idset_has(const IdSet *set, int64_t id);

typedef struct DedupInput {
    IdSet told;    /* firing when it was told last; empty = nothing is open */
    bool was_told; /* ever */
    TimeMs told_at;
    IdSet firing;   /* to be told: neither suppressed nor muted */
    IdSet held;     /* firing, suppressed or muted, but told before */
    IdSet resolved; /* told before, and over */
    bool send_resolved;
    bool is_muted; /* only ends may be told */
    DurationMs repeat_interval;
    TimeMs now;
} DedupInput;

NotifyReason dedup_decide(const DedupInput *input);

/* When dedup_decide() would answer NOTIFY_REPEAT_DUE if nothing changed; TIME_MAX = never. */
TimeMs dedup_repeat_at(const DedupInput *input);
