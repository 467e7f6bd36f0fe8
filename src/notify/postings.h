#pragma once

/*
 * Alerts by label: for each name and value the alerts that have it, so that a question about few of
 * a hundred thousand looks at few. Whom it costs something: an alert that comes or goes, by each of
 * its labels once.
 *
 * Threads: as all of live.h.
 */

#include "notify/live.h"

/* An alert's labels never change: they are its identity. */
void postings_add(Notify *notify, LiveAlert *alert);
void postings_remove(Notify *notify, LiveAlert *alert);

enum { POSTINGS_CURSORS_MAX = 8 };

/* A way through the alerts that have one of a matcher's values. */
typedef struct PostingsCursor {
    const Matcher *matcher;
    size_t value_at;
    const AlertLink *at; /* NULL = at the end */
} PostingsCursor;

/* Goes over all alerts whose labels match: along the shortest list that the matchers lead to, over
 * all alerts where they lead to none. Valid while nobody writes. */
typedef struct PostingsScan {
    const Notify *notify;
    const MatcherSet *filter;
    PostingsCursor cursor;
    bool everywhere;
    size_t slot; /* of the map of all alerts */
} PostingsScan;

PostingsScan postings_scan(const Notify *notify, const MatcherSet *filter);
/* NULL at the end. */
LiveAlert *postings_next(PostingsScan *scan);
/* The next that may match: for whoever has a cheaper test than its labels. */
LiveAlert *postings_candidate(PostingsScan *scan);
