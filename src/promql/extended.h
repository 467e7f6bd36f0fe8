#pragma once

/*
 * The `anchored` and `smoothed` modifiers (Prometheus' extended range selectors): windows that know
 * the samples around their edges.
 *
 * anchored: the last sample at or before the window's beginning stands for its value there.
 * smoothed: values at both edges are interpolated between the samples around them; across a
 * counter's reset the counter is taken to start from 0.
 */

#include "promql/select.h"

/* A smoothed instant selector: each step interpolated between the samples within the lookback on
 * both sides. */
bool smooth_column(Worker *worker, PlanNode *node, const SeriesData *data, Column *column);

/* A raw range selector's floats cut to its window, with points at both edges. */
void extend_points(Arena *arena, const PlanNode *node, FloatPoints *points);

/* rate, increase and delta of one window [start, end]; `points` and [from, to) are those of the
 * window widened by the lookback. False: no result. */
typedef struct ExtendedWindow {
    TimeMs start, end;
    DurationMs range;
    bool smoothed, is_counter, is_rate;
} ExtendedWindow;
bool extended_rate(const ExtendedWindow *window, const FloatPoints *points, size_t from, size_t to,
                   double *ret_value);

/* The same over native histograms: NULL if there is no result. */
const Histogram *extended_histogram_rate(Arena *arena, Notes *notes, Str metric,
                                         const ExtendedWindow *window,
                                         const HistogramPoints *points, size_t from, size_t to);
