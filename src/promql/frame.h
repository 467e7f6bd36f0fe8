#pragma once

/*
 * Frames are what the operators of a plan hand to each other: series as columns over a grid of
 * steps.
 *
 *   grid        start, start + step, ...                     `count` steps
 *   column      labels | values[count] | histograms[count]   one series
 *   frame       columns                                      one operator's whole answer
 *
 * A step without a sample holds VALUE_NONE in `values`. The bits are those of the stale marker,
 * which never comes out of arithmetic (an operation on a signalling NaN gives a quiet one) and
 * which selectors do not let through, so one comparison tells and no second array is read. A step
 * with a native histogram holds VALUE_NONE in `values` and the histogram beside it, so that loops
 * over floats need not know of histograms.
 *
 * Metric names are removed at the very end: operators that drop the name only set `drop_name`
 * (Prometheus' delayed name removal). Label sets therefore pass through most operators by
 * reference.
 *
 * Threads: a frame belongs to the operator that makes it; finished, it never changes and may be
 * read from anywhere.
 */

#include "base/arena.h"
#include "base/hash.h"
#include "model/histogram.h"
#include "model/label.h"

static inline double value_none(void) {
    return value_of_bits(STALE_NAN_BITS);
}

static inline bool value_is_none(double value) {
    return value_bits(value) == STALE_NAN_BITS;
}

/* NaN as Go's math.NaN() has it. */
static inline double value_nan(void) {
    return value_of_bits(NORMAL_NAN_BITS);
}

typedef struct Grid {
    TimeMs start;
    DurationMs step; /* at least 1, also where count is 1 */
    size_t count;
} Grid;

static inline TimeMs grid_time(const Grid *grid, size_t step) {
    return grid->start + (TimeMs)step * grid->step;
}

static inline TimeMs grid_last(const Grid *grid) {
    return grid_time(grid, grid->count ? grid->count - 1 : 0);
}

typedef struct Column {
    LabelSet labels;
    double *values;               /* grid.count */
    const Histogram **histograms; /* NULL, or grid.count */
    Hash128 key;                  /* of whoever reads: an aggregation's group */
    bool drop_name;
    bool borrowed; /* values and histograms belong to a frame: column_own() before writing */
} Column;

static inline bool column_has(const Column *column, size_t step) {
    return !value_is_none(column->values[step]) || (column->histograms && column->histograms[step]);
}

typedef struct Frame {
    Column *columns;
    size_t count;
    Arena *arenas; /* where columns, and what they point to, live */
    size_t arena_count;
    size_t bytes; /* charged to the query's budget */
} Frame;

void frame_finish(Frame *frame);

/* A column of `steps` VALUE_NONE. */
double *column_alloc(Arena *arena, size_t steps);

/* True if there is a sample anywhere. */
bool column_any(const Column *column, size_t steps);
size_t column_points(const Column *column, size_t steps);

/* Copies what the column borrowed. */
void column_own(Arena *arena, Column *column, size_t steps);

/* Puts `histogram` at `step`; `values[step]` becomes VALUE_NONE. */
void column_set_histogram(Arena *arena, Column *column, size_t steps, size_t step,
                          const Histogram *histogram);

/* Labels without __name__, __type__ and __unit__. Shares the text. */
LabelSet labels_without_metadata(Arena *arena, LabelSet labels);

/* A hash of a set's labels that are (`keep`) or are not among `names`; with `keep` false the metric
 * name is left out as well if `drop_name`. 128 bits of XXH3: equal hashes are taken for equal sets,
 * as the store does. */
Hash128 labels_hash_selected(LabelSet labels, const Str *names, size_t count, bool keep,
                             bool drop_name);

/* Hash -> small number, in order of first appearance. Lives in its arena. */
typedef struct HashIndex {
    Arena *arena;
    Hash128 *keys;
    uint32_t *slots; /* index into keys + 1; 0 = free */
    size_t slot_count;
    size_t count;
    size_t key_cap;
} HashIndex;

/* The number of `hash`; `*ret_new` tells whether it was given just now. */
uint32_t hash_index_add(HashIndex *index, Hash128 hash, bool *ret_new);
/* UINT32_MAX if it is not there. */
uint32_t hash_index_find(const HashIndex *index, Hash128 hash);
