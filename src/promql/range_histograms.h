#pragma once

/* Functions of a window that has native histograms in it. */

#include "promql/range_functions.h"

typedef struct HistogramWindow {
    const FloatPoints *floats;
    const HistogramPoints *histograms;
    size_t float_from, float_to, from, to; /* at least one histogram */
    TimeMs time;                           /* of the step */
    TimeMs end;                            /* of the window */
    DurationMs range;
} HistogramWindow;

typedef struct HistogramResult {
    bool is_float;
    double value;
    const Histogram *histogram; /* in the worker's `out` */
} HistogramResult;

/* False: no result at this step. `float_value` is what the function says of the window's floats
 * alone (VALUE_NONE if there are none): functions that ignore histograms give it back, with a note.
 */
bool histogram_window(const RollupCall *call, const HistogramWindow *window, double float_value,
                      HistogramResult *ret_result);
