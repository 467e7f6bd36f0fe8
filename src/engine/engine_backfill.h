#pragma once

/*
 * What the recording rules of a replay give, on its way to a store that is to have it.
 *
 * A month of minutes is 43,200 evaluations of each group; one write for each would take longer than
 * the evaluations. So results are collected, and written many at a time, series by series. A store
 * that is busy for a moment is asked again; what it refuses ends the backfill, because a recording
 * with holes nobody knows of is worse than none.
 *
 * Threads: one at a time.
 */

#include "engine/engine.h"

typedef struct Backfill {
    Engine *to;  /* outlives it; NULL: nothing is collected */
    TimeMs from; /* what is earlier only warmed up */
    const _Atomic bool *cancelled;
    struct BackfillRow *rows;
    size_t rows_count, rows_cap;
    Arena arena; /* of labels and histograms */
    uint64_t written;
} Backfill;

void backfill_finish(Backfill *backfill);

/* Takes copies of the recordings in a batch; ALERTS are no recordings. */
void backfill_add(Backfill *backfill, const SampleBatch *batch);

/* Writes what has come together if that is a lot, or `all`. */
bool backfill_write(Backfill *backfill, bool all, TimeMs now, Err *err) MUST_CHECK;
