#pragma once

/*
 * The rule files that are live, as they were read: a file that is broken when the program starts
 * again has its last good version here.
 */

#include "state/state.h"

typedef struct RuleFileRow {
    Str path;
    int64_t flavour; /* RulesFlavour, as asked for */
    Str content;
} RuleFileRow;

/* Makes the table hold exactly these. */
bool state_put_rule_files(StateTx *tx, const RuleFileRow *rows, size_t count, TimeMs now,
                          Err *err) MUST_CHECK;
bool state_load_rule_files(State *state, Arena *arena, RuleFileRow **ret_rows, size_t *ret_count,
                           Err *err) MUST_CHECK;
