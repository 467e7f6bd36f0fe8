#pragma once

/*
 * When the clock is set back.
 *
 * Slots that were evaluated lie in the future then, and waiting until the clock is there again
 * would mean that nothing is evaluated for as long as it was wrong. So what has seen a later time
 * goes back with the clock: what an alert has waited for and how long it is held stays as long as
 * it was. A clock that goes back by less than an interval is none of this: the next slot comes a
 * little later.
 */

#include "rules/rule_set.h"

/* Has the slot seen a time that is more than an interval from now? */
bool rewind_is_due(const Slot *slot, TimeMs now);

/* Takes the slot back: the newest one before `now` is due at once. */
void rewind_slot(Slot *slot, TimeMs now);

/* An alert of the database that was stored later than `now`. */
void rewind_alert(Alert *alert, TimeMs now);
