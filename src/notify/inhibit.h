#pragma once

/*
 * Inhibition: a firing source mutes targets that agree with it in the `equal` labels (reference:
 * notification 1.5).
 *
 * Sources are filed by rule and equal values, all of them, so that none hides another and the end
 * of one leaves the others standing. Which rules an alert is source or target of is found out once,
 * when it comes.
 */

#include "notify/live.h"

/* Files an alert, and takes it out; called for each change of it. */
void inhibit_add(Notify *notify, LiveAlert *alert);
void inhibit_remove(Notify *notify, LiveAlert *alert);
void inhibit_clear(Notify *notify);
/* After a change of configuration. */
void inhibit_rebuild(Notify *notify);

/* A source that mutes `alert` now, or NULL. */
const LiveAlert *inhibit_source(const Notify *notify, const LiveAlert *alert);
