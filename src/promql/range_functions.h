#pragma once

/*
 * Functions of a window of one series: rate(x[5m]), max_over_time(x[1h:1m]), ...
 *
 * All windows of a series are computed in one pass over its decoded samples: both edges only move
 * forward. A kernel gets the samples and each step's [from, to) and writes a column; it does the
 * arithmetic in the order Prometheus does it, so that results are the same to the bit, and is
 * O(samples) where that order allows it.
 *
 * Windows with native histograms in them go to the functions of range_histograms.h, a step at a
 * time.
 */

#include "promql/select.h"

typedef struct Windows {
    size_t steps;
    const uint32_t *from, *to; /* [from, to) of each step */
    const TimeMs *end;         /* the window ends here, inclusive */
    DurationMs range;
    uint64_t samples; /* in all windows together */
} Windows;

/* Time and cancellation are looked at after so many samples of windows. */
enum { ROLLUP_SAMPLES_AT_ONCE = 32 << 20 };

typedef struct RollupCall {
    Worker *worker;
    PlanNode *node;
    FunctionId id;
    Str metric; /* the input's name, for notes */
    int window_arg;
    size_t step_first; /* the kernel's step 0 is this one of the node */
} RollupCall;

/* Writes all steps that have a result; the others stay VALUE_NONE. */
typedef void FloatKernel(const RollupCall *call, const FloatPoints *points, const Windows *windows,
                         double *out);

/* The numeric argument at `index` of the call, at a step of the kernel's. */
double rollup_number(const RollupCall *call, size_t index, size_t step);

/* NULL where there is none. */
FloatKernel *rate_kernel(FunctionId id);
FloatKernel *over_time_kernel(FunctionId id);

/* The samples of one series a rollup looks at, from the store or a subquery's frame; in the
 * worker's scratch arena. */
bool rollup_points(Worker *worker, PlanNode *node, size_t index, SeriesPoints *ret_points);

/* A rollup's column of one series. False: nothing at any step. */
bool rollup_column(Worker *worker, PlanNode *node, size_t index, Column *ret_column);

bool run_absent_over_time(Exec *exec, PlanNode *node, Err *err) MUST_CHECK;

/* Slope and value at `at` of the least-squares line through the points [from, to). */
void linear_regression(const FloatPoints *points, size_t from, size_t to, TimeMs at,
                       double *ret_slope, double *ret_intercept);

/* The q-quantile of `values`, which it reorders; NaNs come first, as in Prometheus. */
double quantile_of(double q, double *values, size_t count);
