#pragma once

/* What keeps an alert from ringing at a time, in the order of DESIGN: flag, silence, inhibition;
 * then damping. Pure of `notify` and time. */

#include "notify/live.h"

Suppression suppression_of(const Notify *notify, const LiveAlert *alert, TimeMs now);

/* "silenced", "flagged", "inhibited"...: the ledger's decision. */
const char *suppressor_text(Suppressor by);

/* Remembers a start, for damping. */
void flapping_note(LiveAlert *alert, TimeMs now);
