#pragma once

/*
 * Silences, by Alertmanager's rules (reference: notification 3): validity, states, and when an edit
 * keeps the id.
 */

#include "notify/live.h"

/* By its start and end alone. */
SilenceState silence_state(const Silence *silence, TimeMs now);
/* With its schedule: between two windows it is pending. */
SilenceState silence_entry_state(const SilenceEntry *entry, TimeMs now);

bool silence_same_matcher(const SilenceMatcher *a, const SilenceMatcher *b);
SilenceEntry *silence_find(const Notify *notify, Str id); /* NULL = unknown */
/* Its text for the API. */
QuietText silence_write_text(Arena *arena, const Silence *silence);

/* True if `edit` may replace `old` under the same id: same matchers in the same order, and times
 * that do not rewrite the past. */
bool silence_keeps_id(const Silence *old, const Silence *edit, TimeMs now);

/* As stored; the texts stay the rows'. */
SilenceMatcher *matchers_of_rows(Arena *arena, const MatcherRow *rows, size_t count);
SilenceMatcher *matchers_copy(Arena *arena, const SilenceMatcher *from, size_t count);

/* Compiles the matchers into `ret_set` (matcher_set_finish) and checks them; `force`: also ones
 * that select nothing. */
bool matchers_compile(Arena *arena, const SilenceMatcher *matchers, size_t count, bool force,
                      MatcherSet *ret_set, Err *err) MUST_CHECK;
/* Of what is stored, and was checked before that: ERR_CORRUPT. */
bool matchers_restore(Arena *arena, const SilenceMatcher *matchers, size_t count,
                      MatcherSet *ret_set, Err *err) MUST_CHECK;

/* A random UUID (RFC 9562, version 4). */
Str uuid_make(Arena *arena);
bool uuid_is_valid(Str text);

bool silences_load(Notify *notify, TimeMs now, Err *err) MUST_CHECK;
void silences_clear(Notify *notify);
/* After a reload: when people are reminded may have changed. */
void silences_reload(Notify *notify, TimeMs now);
/* Starts and ends of silences and flags have been reached: indexes follow, groups are looked at
 * again. Also forgets silences that ended long ago. */
bool silences_tick(Notify *notify, StateTx *tx, TimeMs now, Err *err) MUST_CHECK;

/* The silences that cover the labels at `now`; returns how many (at most `max`). */
size_t silences_find(const Notify *notify, const MatchKeys *keys, TimeMs now,
                     SilenceEntry **ret_entries, size_t max);

/* When it is updated at `now`: two edits in one millisecond are two versions. */
TimeMs next_version(TimeMs last, TimeMs now);

/* ERR_CONFLICT where an edit expects (0 = nothing) another version than there is. */
bool check_unchanged(TimeMs expected, TimeMs updated_at, Err *err) MUST_CHECK;

bool silence_store(StateTx *tx, const Silence *silence, TimeMs reminded_at, Err *err) MUST_CHECK;

/* A silence as JSON, for the audit trail. */
Str silence_json(Arena *arena, const Silence *silence);
