#pragma once

/*
 * When a group is due: at whole multiples of its interval, shifted by its eval_offset and by
 * nothing else. Groups with equal timing share the slot and are evaluated together; there is no
 * spreading, because evaluation inside the store costs so little that it need not be spread, and
 * results of one instant belong together.
 *
 *     slot times   k x interval + offset
 *     query time   slot - query_offset, or (slot - eval_delay) rounded down to the interval where
 * alignment is on
 */

#include "rules/rule_file.h"

typedef struct SlotTiming {
    DurationMs interval;
    DurationMs offset;       /* 0 <= offset < interval */
    DurationMs query_offset; /* may be negative */
    DurationMs delay;
    bool align;
} SlotTiming;

SlotTiming slot_timing(const GroupDef *group, const RulesOptions *options);
bool slot_timing_eq(SlotTiming a, SlotTiming b);

/* The newest slot time at or before `now`. */
TimeMs slot_before(SlotTiming timing, TimeMs now);

/* Does an evaluation that begins at `now` come late for its slot: by more than a tenth of the
 * interval, and more than a second? */
bool slot_is_late(SlotTiming timing, TimeMs slot, TimeMs now);

/* How long others may wait for one group: a third of the interval, but at least a second and at
 * most five; of a remote engine, where waiting is all that happens, a second. */
DurationMs slot_patience(SlotTiming timing, bool is_local);

/* Does a group whose evaluation took `took` hold up others? One that `was_slow` has to be well
 * below that. */
bool slot_holds_up(DurationMs patience, DurationMs took, bool was_slow);

/* What an evaluation of the slot `slot` asks for. */
TimeMs slot_query_time(SlotTiming timing, TimeMs slot);
