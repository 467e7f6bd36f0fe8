#pragma once

/*
 * How good the alerts are: per rule and team how often they rang, at night, ended by themselves
 * within minutes, flapped, were silenced, and were never acknowledged.
 *
 * Counted in episodes (episode.h) that began in the time asked for. An episode *rang* if somebody
 * was told of it (in shadow mode: would have been); at *night* is what was told outside of business
 * hours, as the policy `severities.business_hours` has them, else between 22:00 and 07:00 UTC. It
 * *flapped* if it began within an hour (`flapping.window`) of the end of the same alert's last one.
 * *Silenced* counts silences and maintenance flags.
 *
 * Threads: plain functions; notify_quality() may be called from any thread.
 */

#include "notify/calendar.h"
#include "notify/episode.h"
#include "notify/notify.h"
#include "state/rows_ledger.h"

typedef struct QualityCounts {
    size_t fired, rang, notifications, night, short_lived, flapped, silenced;
    size_t acknowledged, unacknowledged; /* of those that rang */
    DurationMs resolve_median;           /* of those that ended; -1 = none did */
    DurationMs acknowledge_median;       /* from ringing; -1 = none was */
} QualityCounts;

typedef struct QualityRow {
    Str rule; /* alertname; "" in rows of a team */
    Str team; /* "" = it has no such label */
    QualityCounts counts;
} QualityRow;

typedef struct Quality {
    TimeMs from, to;
    QualityRow *rules; /* by rule and team; what rang most first */
    size_t rule_count;
    QualityRow *teams;
    size_t team_count;
    QualityCounts total;
    bool has_acknowledgements; /* any is on record: without, "never acknowledged" says nothing */
    Str night;                 /* what counts as night, in words */
} Quality;

typedef struct QualityInput {
    const Episode *episodes; /* in order of `fired_at`, also some from before `from` */
    size_t episode_count;
    const LedgerRow *ledger; /* of the same time and after, in any order */
    size_t ledger_count;
    const Calendar *business_hours; /* NULL = 07:00 to 22:00 UTC */
    DurationMs flap_window;
    TimeMs from, to;
    Str team_label;
} QualityInput;

/* Pure. */
void quality_build(const QualityInput *input, Arena *arena, Quality *ret_quality);

/* `team_label` "" = "team". */
bool notify_quality(Notify *notify, TimeMs from, TimeMs to, Str team_label, Arena *arena,
                    Quality *ret_quality, Err *err) MUST_CHECK;
