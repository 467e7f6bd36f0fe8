#pragma once

/*
 * Maintenance flags: one decision for a cluster, a node pool, a team. Set through the API (stored),
 * from the configuration (with a time or a calendar), or by the source itself: by a label on its
 * series, or a metric.
 */

#include "notify/live.h"

bool flags_load(Notify *notify, TimeMs now, Err *err) MUST_CHECK;
void flags_clear(Notify *notify);
/* After a reload: the configuration's flags anew. */
bool flags_reload(Notify *notify, TimeMs now, Err *err) MUST_CHECK;
/* Starts and ends have been reached; those that ended are recorded and removed. */
bool flags_tick(Notify *notify, StateTx *tx, TimeMs now, Err *err) MUST_CHECK;

/* Sets a checked flag with its id, and takes one away: row, audit row, memory. */
bool flag_add(Notify *notify, StateTx *tx, const Flag *flag, const Actor *actor, TimeMs now,
              Err *err) MUST_CHECK;
bool flag_clear(Notify *notify, StateTx *tx, FlagEntry *entry, const char *action,
                const Actor *actor, TimeMs now, Err *err) MUST_CHECK;
bool flag_store(StateTx *tx, const Flag *flag, TimeMs reminded_at, Err *err) MUST_CHECK;

/* An id, in the shape of a UUID, that is the same for the same matchers and `name`. */
Str flag_id_of(Arena *arena, const Flag *flag, Str name);

FlagEntry *flag_find(const Notify *notify, Str id); /* NULL = unknown */

/* A flag among silences, as other programs see what keeps an alert quiet: its owner made it, its
 * reason is the comment, and without an end it ends in the year 9999. */
TimeMs flag_shown_end(const Flag *flag);
SilenceState flag_state(const FlagEntry *entry, TimeMs now);

/* Over its review date, or over its end, and still there. */
bool flag_is_forgotten(const Flag *flag, TimeMs now);

bool flag_is_active(const FlagEntry *entry, TimeMs now);

/* The label by which the alert itself says that it is not to ring, as configured; NULL = it does
 * not. */
const MatcherSet *flag_label_of(const Notify *notify, LabelSet labels);

/* The flags that keep an alert with these labels from ringing at `now`; at most `max`. */
size_t flags_find(const Notify *notify, const MatchKeys *keys, TimeMs now, FlagEntry **ret_entries,
                  size_t max);
