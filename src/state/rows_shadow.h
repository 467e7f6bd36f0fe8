#pragma once

/*
 * What the real Alertmanager told its receivers while Belfry runs in shadow mode: a row for each
 * alert of each notification it sent to our webhook. Kept as long as the ledger.
 */

#include "state/state.h"

typedef struct ShadowRow {
    TimeMs at;
    Str receiver;
    LabelSet labels;
    bool is_firing;
    TimeMs starts_at, ends_at; /* 0 = unknown */
    Str group_key;
} ShadowRow;

bool state_put_shadow(StateTx *tx, const ShadowRow *row, Err *err) MUST_CHECK;

/* When the first row came; 0 = there is none. */
bool state_first_shadow(State *state, TimeMs *ret_at, Err *err) MUST_CHECK;

/* Oldest first. */
bool state_load_shadow(State *state, TimeMs from, TimeMs to, Arena *arena, ShadowRow **ret_rows,
                       size_t *ret_count, Err *err) MUST_CHECK;
