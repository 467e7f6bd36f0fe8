#pragma once

/*
 * Selectors: from the store's samples to columns and windows.
 *
 * Threads: select_open() belongs to the query's own thread; the rest to any worker.
 */

#include "promql/exec.h"

bool select_open(Exec *exec, PlanSelector *selector, Err *err) MUST_CHECK;

/* The instant vector's column of one series: at each step the newest sample within the lookback,
 * none where that is a stale marker. False: nothing at any step. */
bool select_column(Worker *worker, PlanNode *node, size_t index, Column *ret_column);

/* The samples of one series within a node's span, floats and histograms apart, stale markers left
 * out. `starts` is NULL unless the query asks for start times and the series has them. */
typedef struct FloatPoints {
    const TimeMs *times;
    const double *values;
    const TimeMs *starts;
    size_t count;
} FloatPoints;

typedef struct HistogramPoints {
    const TimeMs *times;
    const Histogram *const *values;
    const TimeMs *starts;
    size_t count;
} HistogramPoints;

typedef struct SeriesPoints {
    LabelSet labels;
    bool drop_name;
    FloatPoints floats;
    HistogramPoints histograms;
} SeriesPoints;

/* Points live in the worker's scratch arena. False if there are none. */
bool select_points(Worker *worker, PlanNode *node, size_t index, SeriesPoints *ret_points);

/* Splits samples by kind and leaves stale markers out; `starts` may be NULL. */
void split_points(Arena *arena, const SeriesData *data, const TimeMs *starts,
                  SeriesPoints *ret_points);

/* A range selector, or a subquery's frame, as the answer itself: a series' raw samples. */
bool select_raw(Exec *exec, PlanNode *node, Arena *arena, SeriesPoints **ret_series,
                size_t *ret_count, Err *err) MUST_CHECK;
