#pragma once

/*
 * Alerts by label: for each name its values, and for each value the alerts that have it, so that a
 * question about few of a hundred thousand looks at few, and an expression is run once a value and
 * not once an alert. Whom it costs something: an alert that comes or goes, by each of its labels
 * once.
 *
 * The texts of the values are kept here, for all alerts that have them: LiveAlert.alert.labels
 * points to them.
 *
 * Threads: as all of live.h.
 */

#include "notify/live.h"

/* An alert's labels never change: they are its identity. `ret_values` has room for as many texts:
 * those of `labels` as they are kept here, until postings_remove(). */
void postings_add(Notify *notify, LiveAlert *alert, LabelSet labels, Str *ret_values);
void postings_remove(Notify *notify, LiveAlert *alert);
/* After all alerts have gone. */
void postings_clear(Notify *notify);

typedef struct LabelName LabelName;

/* A way through the alerts that have one of a matcher's values. */
typedef struct PostingsCursor {
    const Matcher *matcher;
    const LabelName *name; /* all its values are tried; NULL = the matcher says which they are */
    size_t value_at;
    const AlertLink *at; /* NULL = at the end */
} PostingsCursor;

/* Goes over all alerts whose labels match: along the shortest list that the matchers lead to, over
 * all alerts where they lead to none. Valid while nobody writes. */
typedef struct PostingsScan {
    const Notify *notify;
    const MatcherSet *filter;
    PostingsCursor cursor;
    const AlertLink *link; /* by which the last candidate was found; not `everywhere` */
    bool everywhere, nowhere;
    size_t slot; /* of the map of all alerts */
} PostingsScan;

PostingsScan postings_scan(const Notify *notify, const MatcherSet *filter);
/* The same without running expressions to find a list: over all alerts rather. */
PostingsScan postings_scan_known(const Notify *notify, const MatcherSet *filter);
/* NULL at the end. */
LiveAlert *postings_next(PostingsScan *scan);
/* The next that may match: for whoever has a cheaper test than its labels. */
LiveAlert *postings_candidate(PostingsScan *scan);
