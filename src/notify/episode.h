#pragma once

/*
 * An episode is one alert from when it began to fire to its end: what explain, quality, the
 * annotation feed and the shadow's comparison are counted in. Made from the history of alerts,
 * which says the same as the ALERTS series: both come from one evaluation.
 */

#include "base/arena.h"
#include "state/rows_alert.h"

typedef struct Episode {
    int64_t key; /* state_alert_key() of the alert */
    char dedup_key[65];
    Str rule_key;
    LabelSet labels, annotations;
    Str url;
    TimeMs pending_at; /* since when its condition held; 0 = unknown */
    TimeMs fired_at;
    TimeMs ended_at;       /* 0 = still firing */
    TimeMs ended_known_at; /* when we learnt it: a posted alert may say that it ended earlier */
    Str end_reason;        /* "condition", "lease expired"...; "" while it fires */
} Episode;

/* Pure: from rows of history, oldest first, and what fires now. An episode without an end that does
 * not fire now ended at an unknown time: it is taken for a point. In order of `fired_at`. Texts are
 * the rows'. */
void episodes_of(const AlertHistoryRow *rows, size_t row_count, const Alert *alerts,
                 size_t alert_count, Arena *arena, Episode **ret_episodes, size_t *ret_count);

/* Those that overlap [from, to]. */
bool episodes_load(State *state, TimeMs from, TimeMs to, Arena *arena, Episode **ret_episodes,
                   size_t *ret_count, Err *err) MUST_CHECK;
