#pragma once

/* What keeps an alert from ringing at a time, in the order of DESIGN: flag, silence, inhibition;
 * then damping. Pure of `notify` and time. */

#include "notify/live.h"

Suppression suppression_of(const Notify *notify, const LiveAlert *alert, TimeMs now);

/* All that keeps an alert quiet at a time, for whoever shows it. Valid under the lock. */
enum { QUIET_MARKS_MAX = 64 };
typedef struct QuietMarks {
    SilenceEntry *silences[QUIET_MARKS_MAX];
    FlagEntry *flags[QUIET_MARKS_MAX];
    size_t silence_count, flag_count;
    const MatcherSet *by_label; /* the source says so itself; NULL = it does not */
    const LiveAlert *source;    /* of an inhibition; NULL = none */
} QuietMarks;
void quiet_marks(const Notify *notify, const LiveAlert *alert, TimeMs now, QuietMarks *ret_marks);

/* "silenced", "flagged", "inhibited"...: the ledger's decision. */
const char *suppressor_text(Suppressor by);

/* A number of what keeps it quiet, to tell whether it has changed; 0 = nothing does. */
uint64_t suppression_subject(const Suppression *found);

/* Of a decision of the ledger; SUPPRESSED_NOT for others. */
Suppressor suppressor_of(Str decision);

/* An alert begins to fire: whether it has done so too often within the window is read from its
 * history, so that neither its end nor a restart makes it forgotten. */
bool flapping_note(const Notify *notify, StateTx *tx, LiveAlert *alert, Err *err) MUST_CHECK;
