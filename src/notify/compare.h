#pragma once

/*
 * What the real Alertmanager told, against what Belfry in shadow mode would have: per receiver and
 * alert, the beginnings and ends each of them told. Repeats do not count: what was told again
 * without a change in between is one telling, at its first time.
 *
 * Threads: plain functions; the two of the door may be called from any thread.
 */

#include "notify/notify.h"
#include "state/rows_shadow.h"

typedef enum CompareSide {
    COMPARE_BOTH,
    COMPARE_ONLY_ALERTMANAGER,
    COMPARE_ONLY_BELFRY
} CompareSide;

/* One alert told to one receiver. */
typedef struct Telling {
    Str receiver;
    LabelSet labels;
    bool is_firing;
    TimeMs at;
    Str why; /* ours: the reason of the decision */
} Telling;

typedef struct CompareRow {
    CompareSide side;
    Str receiver;
    LabelSet labels; /* without the ignored ones */
    bool is_firing;
    TimeMs theirs_at, ours_at; /* 0 = not told */
    Str why;                   /* what Belfry decided instead, or why it told */
} CompareRow;

typedef struct Compare {
    CompareRow *rows; /* by time; also those on both sides */
    size_t row_count;
    size_t both, only_theirs, only_ours;
    size_t undecided; /* too new, or too near the beginning, for the other side to be known */
    DurationMs lag_median, lag_max; /* by how much ours came later (negative: earlier), of `both` */
    Str *unheard;                   /* receivers to which we told, and from which nothing came */
    size_t unheard_count;
} Compare;

typedef struct CompareInput {
    const Telling *theirs, *ours; /* in order of time */
    size_t theirs_count, ours_count;
    DurationMs within;  /* what is told this near on both sides is the same */
    const Str *ignored; /* labels that only one side has: replica, prometheus... */
    size_t ignored_count;
    TimeMs from, to; /* unmatched ones within `within` of either stay undecided */
} CompareInput;

/* Pure. */
void compare_tellings(const CompareInput *input, Arena *arena, Compare *ret_compare);

/* The alerts of such a notification as below. */
bool shadow_message_read(Str body, TimeMs now, Arena *arena, ShadowRow **ret_rows,
                         size_t *ret_count, Err *err) MUST_CHECK;

/* A notification in the shape of Alertmanager's webhook, version 4: keeps its alerts. ERR_INVALID
 * for anything else. */
bool notify_shadow_take(Notify *notify, Str body, TimeMs now, size_t *ret_count,
                        Err *err) MUST_CHECK;

bool notify_shadow_compare(Notify *notify, TimeMs from, TimeMs to, DurationMs within,
                           const Str *ignored, size_t ignored_count, TimeMs now, Arena *arena,
                           Compare *ret_compare, Err *err) MUST_CHECK;
