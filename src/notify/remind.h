#pragma once

/*
 * Reminders: whoever is named in `silences: {reminder: {receiver, before}}` is told once of a
 * silence or flag that is about to end, and of a flag without an end when its review is due.
 * Nothing that keeps a page from somebody is forgotten, and nothing begins to ring out of the blue.
 *
 * What lasts no longer than `before` altogether is not worth a reminder. Flags of the configuration
 * are reported by the metric belfry_maintenance_flags_forgotten only: they have no row that could
 * remember that somebody was told.
 */

#include "notify/live.h"

/* When the reminder is due; TIME_MAX where there is none, or no more. */
TimeMs remind_silence_at(const Notify *notify, const SilenceEntry *entry);
TimeMs remind_flag_at(const Notify *notify, const FlagEntry *entry);

/* Queues the notice and remembers it, in the caller's transaction. */
bool remind_silence(Notify *notify, StateTx *tx, SilenceEntry *entry, TimeMs now,
                    Err *err) MUST_CHECK;
bool remind_flag(Notify *notify, StateTx *tx, FlagEntry *entry, TimeMs now, Err *err) MUST_CHECK;
