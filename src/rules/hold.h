#pragma once

/*
 * Telemetry-aware holding: missing data is not "resolved".
 *
 *            nothing newer than `late_after`           late for `lost_after`
 *   FRESH --------------------------------> LATE --------------------------> LOST
 *     ^                                       |                                |
 *     +---------------------------------------+--------------------------------+
 *                             a new sample arrives
 *
 * While a source is late, the absence of a result decides nothing. After its return a gap stays
 * behind in its series, and for some time a window begins inside that gap: `increase(x[5m])` then
 * sees a part of five minutes only, and may fall under a threshold that was never left. So absence
 * decides again when all windows of the rule are whole: they begin before the gap, or after it, and
 * every target has had time to be scraped again.
 *
 *      samples   x  x  x  x                    x  x  x  x  x  x
 *                         |<------- gap ------>|<-settle->|
 *      window              [-----------------------------]        begins inside: held
 *      window       [------------------------------------]        begins before: decides
 *
 * A long window may begin inside any of several gaps, so the last ones are known; and since they
 * outlive the outage by the length of the window, they have to outlive a restart too: hold_gaps()
 * lists what to keep, hold_restore() gives it back.
 *
 * Pure: sources and the time come in, decisions come out.
 */

#include "rules/rules.h"

/* Gaps known of one source; of more, the oldest are forgotten. */
enum { HOLD_GAPS_MAX = 8 };

typedef struct HoldGap {
    TimeMs from; /* last sample before it */
    TimeMs to;   /* first one seen after it; TIME_MAX while late */
} HoldGap;

typedef struct HoldSource {
    Str name;      /* value of the source label, on the heap */
    TimeMs newest; /* newest sample received */
    DurationMs late_after;
    DurationMs settle; /* after a return: time for every target to be scraped again */
    bool is_late;
    bool is_lost;
    HoldGap gaps[HOLD_GAPS_MAX]; /* in order of time; only the last may be open */
    size_t gap_count;
} HoldSource;

typedef struct Hold {
    HoldSource *items;
    size_t items_count, items_cap;
    HoldSource *restored; /* gaps from before the start, of sources not looked at yet */
    size_t restored_count, restored_cap;
    uint64_t changes; /* grows with each gap that begins, ends or is forgotten */
} Hold;

typedef struct HoldTiming {
    DurationMs late_after; /* 0 = max(2 x usual interval, 30 s) */
    DurationMs lost_after;
    TimeMs started_at; /* lost counts from here at the earliest */
} HoldTiming;

void hold_finish(Hold *hold);

/* Takes in what is known of the sources at `now`. Those no longer listed are forgotten. */
void hold_update(Hold *hold, const StoreSource *sources, size_t count, const HoldTiming *timing,
                 TimeMs now);

/* May the absence of a result at `time` decide about an alert or series of `source`, given the
 * windows (ranges of selectors; 0 = instant) its rule looks through? Always, for unknown sources
 * and for none. */
bool hold_decides(const Hold *hold, Str source, const DurationMs *windows, size_t count,
                  TimeMs time);

/* All gaps; `ret_gaps` has room for hold_gap_count(). Names point into the hold. */
size_t hold_gap_count(const Hold *hold);
void hold_gaps(const Hold *hold, RulesGap *ret_gaps);
/* Gives gaps back, those of a source in order of time. Before the first hold_update(). */
void hold_restore(Hold *hold, const RulesGap *gaps, size_t count);

const HoldSource *hold_find(const Hold *hold, Str source);
