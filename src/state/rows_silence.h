#pragma once

/*
 * Rows of silences and maintenance flags, with their matchers in the order they were given
 * (Alertmanager's ID rules compare them in order). They are plain rows here; what they mean is
 * notify's.
 */

#include "state/state.h"

typedef struct MatcherRow {
    Str name, value;
    bool is_regex, is_equal;
} MatcherRow;

typedef struct SilenceRow {
    Str id;
    const MatcherRow *matchers;
    size_t matcher_count;
    TimeMs starts_at, ends_at, updated_at;
    Str created_by, comment;
    LabelSet annotations;
    Str schedule;       /* JSON in the shape of time_intervals; "" = all the time */
    TimeMs reminded_at; /* of its end; 0 = not yet */
} SilenceRow;

/* Inserts, or replaces the one with this id. */
bool state_put_silence(StateTx *tx, const SilenceRow *row, Err *err) MUST_CHECK;
bool state_delete_silence(StateTx *tx, Str id, Err *err) MUST_CHECK;
bool state_load_silences(State *state, Arena *arena, SilenceRow **ret_rows, size_t *ret_count,
                         Err *err) MUST_CHECK;

typedef struct FlagRow {
    Str id;
    const MatcherRow *matchers;
    size_t matcher_count;
    int64_t mode;
    Str reason, owner, origin;
    TimeMs starts_at, ends_at, review_at, created_at, updated_at;
    Str schedule;       /* as of a silence */
    TimeMs reminded_at; /* of its end or review */
} FlagRow;

bool state_put_flag(StateTx *tx, const FlagRow *row, Err *err) MUST_CHECK;
bool state_delete_flag(StateTx *tx, Str id, Err *err) MUST_CHECK;
bool state_load_flags(State *state, Arena *arena, FlagRow **ret_rows, size_t *ret_count,
                      Err *err) MUST_CHECK;
