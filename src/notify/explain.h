#pragma once

/*
 * "Why was I paged?" and "why was I not?": what happened to an alert, from its history and the
 * ledger, as a timeline with a sentence for each decision and one that sums them up.
 *
 * The decisions of the ledger:
 *
 *     routed      to a receiver (subject) in a group (detail: Alertmanager's group key), first told
 *                 at `until`
 *     held        for a digest: subject is the calendar
 *     muted       by a time interval (subject)
 *     silenced, flagged, inhibited, damped     subject is the silence, flag, source's fingerprint
 *     released    nothing keeps it quiet any more
 *     queued      to be told to an integration (subject); reason is Alertmanager's
 *     superseded, collapsed                    the same, and what became of an older message
 *     shadowed    would have been queued
 *     attempted, delivered, failed, refused    reason is the action, detail the answer
 *     acknowledged, unacknowledged, closed     by a person (subject) at the pager
 *
 * Threads: plain functions; notify_explain() may be called from any thread.
 */

#include "model/matcher.h"
#include "notify/notify.h"
#include "state/rows_ledger.h"

typedef struct ExplainEvent {
    TimeMs at;
    Str event; /* "pending", "fired", "resolved", "ended pending", or a decision */
    Str reason, subject, detail;
    TimeMs until; /* 0 = none */
    Str text;     /* a sentence */
} ExplainEvent;

typedef struct Explanation {
    Alert alert; /* as its history knows it last */
    char fingerprint[17];
    char dedup_key[65];
    TimeMs since; /* of its phase */
    bool paged;   /* somebody was told of its newest episode */
    Str verdict;
    ExplainEvent *events; /* oldest first */
    size_t event_count;
} Explanation;

/* One alert: pure. Rows of history oldest first, of the ledger newest first, as state gives them;
 * all of this alert. `alert` is what it is now, or was last. */
void explain_alert(const Alert *alert, const AlertHistoryRow *history, size_t history_count,
                   const LedgerRow *ledger, size_t ledger_count, TimeMs now, Arena *arena,
                   Explanation *ret_explanation);

/* "hook/webhook/1f0c..." as people read it: hook (webhook). */
Str explain_integration(Str id, Arena *arena);

typedef struct ExplainQuery {
    Str alert; /* name, fingerprint or dedup key in hex; "" = any */
    const MatcherSet *matchers;
    TimeMs from, to;
    size_t limit; /* alerts; those with the newest events are given */
    /* NULL = all. Of an alert that is not wanted nothing is read. */
    bool (*wants)(LabelSet labels, const void *context);
    const void *context;
} ExplainQuery;

/* What was pending or fired between `from` and `to`, each with its whole timeline since it began.
 * Newest first; `ret_matched` counts those beyond the limit too. */
bool notify_explain(Notify *notify, const ExplainQuery *query, TimeMs now, Arena *arena,
                    Explanation **ret_explanations, size_t *ret_count, size_t *ret_matched,
                    Err *err) MUST_CHECK;
