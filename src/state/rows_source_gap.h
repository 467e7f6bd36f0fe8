#pragma once

/*
 * Spans in which a source sent nothing: what rules hold alerts by after an outage, over a restart.
 */

#include "state/state.h"

typedef struct SourceGapRow {
    Str source;
    TimeMs from, to; /* TIME_MAX: still dark */
} SourceGapRow;

/* Makes the table hold exactly these. */
bool state_put_source_gaps(StateTx *tx, const SourceGapRow *rows, size_t count,
                           Err *err) MUST_CHECK;
/* Ordered by source, then time. */
bool state_load_source_gaps(State *state, Arena *arena, SourceGapRow **ret_rows, size_t *ret_count,
                            Err *err) MUST_CHECK;
