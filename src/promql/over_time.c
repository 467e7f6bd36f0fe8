/*
 * Aggregations over time, and the trend functions, over floats.
 *
 * Sums are compensated and run over each window in Prometheus' order, as a sliding compensated sum
 * would differ in the last bits; except where all of a series' values are integers small enough
 * that every sum is exact: then windows are differences of running sums. Extremes slide over a
 * monotonic queue (Lemire, "Streaming maximum-minimum filter", 2006).
 */

#include "promql/range_functions.h"
#include "promql/scalar_ops.h"

#include <math.h>

/* Sums of up to 2^21 integers below 2^31 stay below 2^52. */
static const double exact_max = 2147483648.0;
enum { EXACT_COUNT_MAX = 1 << 21 };

/* Running sums, or NULL where they would not be exact or would not pay. */
static const double *exact_sums(Arena *arena, const FloatPoints *points, const Windows *windows) {
    if (points->count > EXACT_COUNT_MAX || windows->steps < 4) {
        return NULL;
    }
    for (size_t i = 0; i < points->count; i++) {
        double value = points->values[i];
        if (!(value > -exact_max && value < exact_max) || value != (double)(int64_t)value) {
            return NULL;
        }
    }
    double *sums = arena_raw(arena, (points->count + 1) * sizeof *sums);
    sums[0] = 0;
    for (size_t i = 0; i < points->count; i++) {
        sums[i + 1] = sums[i] + points->values[i];
    }
    return sums;
}

static double window_sum(const double *values, size_t from, size_t to) {
    double sum = 0, comp = 0;
    for (size_t i = from; i < to; i++) {
        kahan_add(values[i], &sum, &comp);
    }
    return isinf(sum) ? sum : sum + comp;
}

static void sum_over_time(const RollupCall *call, const FloatPoints *points, const Windows *windows,
                          double *out) {
    const double *sums = exact_sums(&call->worker->scratch, points, windows);
    for (size_t step = 0; step < windows->steps; step++) {
        size_t from = windows->from[step], to = windows->to[step];
        if (from < to) {
            out[step] = sums ? sums[to] - sums[from] : window_sum(points->values, from, to);
        }
    }
}

/* The sum, divided; once the sum overflows, the mean is carried on from there. */
static double window_mean(const double *values, size_t from, size_t to) {
    double sum = values[from], comp = 0, mean = 0;
    bool incremental = false;
    for (size_t i = from + 1; i < to; i++) {
        double count = (double)(i - from + 1);
        if (!incremental) {
            double new_sum = sum, new_comp = comp;
            kahan_add(values[i], &new_sum, &new_comp);
            if (!isinf(new_sum)) {
                sum = new_sum;
                comp = new_comp;
                continue;
            }
            incremental = true;
            mean = sum / (count - 1);
            comp /= count - 1;
        }
        double q = (count - 1) / count;
        mean *= q;
        comp *= q;
        kahan_add(values[i] / count, &mean, &comp);
    }
    double count = (double)(to - from);
    return incremental ? mean + comp : sum / count + comp / count;
}

static void avg_over_time(const RollupCall *call, const FloatPoints *points, const Windows *windows,
                          double *out) {
    const double *sums = exact_sums(&call->worker->scratch, points, windows);
    for (size_t step = 0; step < windows->steps; step++) {
        size_t from = windows->from[step], to = windows->to[step];
        if (from < to) {
            out[step] = sums ? (sums[to] - sums[from]) / (double)(to - from)
                             : window_mean(points->values, from, to);
        }
    }
}

static double window_variance(const double *values, size_t from, size_t to) {
    double count = 0, mean = 0, mean_comp = 0, aux = 0, aux_comp = 0;
    for (size_t i = from; i < to; i++) {
        count++;
        double delta = values[i] - (mean + mean_comp);
        kahan_add(delta / count, &mean, &mean_comp);
        kahan_add(delta * (values[i] - (mean + mean_comp)), &aux, &aux_comp);
    }
    return (aux + aux_comp) / count;
}

static void stdvar_over_time(const RollupCall *call, const FloatPoints *points,
                             const Windows *windows, double *out) {
    (void)call;
    for (size_t step = 0; step < windows->steps; step++) {
        if (windows->from[step] < windows->to[step]) {
            out[step] = window_variance(points->values, windows->from[step], windows->to[step]);
        }
    }
}

static void stddev_over_time(const RollupCall *call, const FloatPoints *points,
                             const Windows *windows, double *out) {
    stdvar_over_time(call, points, windows, out);
    for (size_t step = 0; step < windows->steps; step++) {
        if (!value_is_none(out[step])) {
            out[step] = sqrt(out[step]);
        }
    }
}

static void count_over_time(const RollupCall *call, const FloatPoints *points,
                            const Windows *windows, double *out) {
    (void)call, (void)points;
    for (size_t step = 0; step < windows->steps; step++) {
        if (windows->from[step] < windows->to[step]) {
            out[step] = (double)(windows->to[step] - windows->from[step]);
        }
    }
}

static void present_over_time(const RollupCall *call, const FloatPoints *points,
                              const Windows *windows, double *out) {
    (void)call, (void)points;
    for (size_t step = 0; step < windows->steps; step++) {
        if (windows->from[step] < windows->to[step]) {
            out[step] = 1;
        }
    }
}

static void first_over_time(const RollupCall *call, const FloatPoints *points,
                            const Windows *windows, double *out) {
    (void)call;
    for (size_t step = 0; step < windows->steps; step++) {
        if (windows->from[step] < windows->to[step]) {
            out[step] = points->values[windows->from[step]];
        }
    }
}

static void last_over_time(const RollupCall *call, const FloatPoints *points,
                           const Windows *windows, double *out) {
    (void)call;
    for (size_t step = 0; step < windows->steps; step++) {
        if (windows->from[step] < windows->to[step]) {
            out[step] = points->values[windows->to[step] - 1];
        }
    }
}

static void ts_of_first_over_time(const RollupCall *call, const FloatPoints *points,
                                  const Windows *windows, double *out) {
    (void)call;
    for (size_t step = 0; step < windows->steps; step++) {
        if (windows->from[step] < windows->to[step]) {
            out[step] = (double)points->times[windows->from[step]] / 1000;
        }
    }
}

static void ts_of_last_over_time(const RollupCall *call, const FloatPoints *points,
                                 const Windows *windows, double *out) {
    (void)call;
    for (size_t step = 0; step < windows->steps; step++) {
        if (windows->from[step] < windows->to[step]) {
            out[step] = (double)points->times[windows->to[step] - 1] / 1000;
        }
    }
}

/* ---- extremes ---- */

typedef struct Extreme {
    bool largest;
    bool latest; /* of equal ones the last counts, else the first */
} Extreme;

/* Whether `now` replaces `kept`: any number replaces NaN. */
static inline bool beats(Extreme extreme, double now, double kept) {
    if (isnan(kept)) {
        return !isnan(now) || extreme.latest;
    }
    if (extreme.latest && now == kept) {
        return true;
    }
    return extreme.largest ? now > kept : now < kept;
}

/* Calls `put` with the index of each window's extreme. Indices in the queue are in order and no
 * later one beats an earlier one, so the front is the answer; each index enters and leaves once. */
static void slide_extreme(Arena *arena, const FloatPoints *points, const Windows *windows,
                          Extreme extreme, uint32_t *ret_at) {
    uint32_t *queue = arena_raw(arena, (points->count + 1) * sizeof *queue);
    size_t head = 0, tail = 0, next = 0;
    for (size_t step = 0; step < windows->steps; step++) {
        size_t from = windows->from[step], to = windows->to[step];
        next = next < from ? from : next;
        for (; next < to; next++) {
            while (tail > head &&
                   beats(extreme, points->values[next], points->values[queue[tail - 1]])) {
                tail--;
            }
            queue[tail++] = (uint32_t)next;
        }
        while (head < tail && queue[head] < from) {
            head++;
        }
        ret_at[step] = head < tail && from < to ? queue[head] : UINT32_MAX;
    }
}

static void put_extreme(const RollupCall *call, const FloatPoints *points, const Windows *windows,
                        Extreme extreme, bool time, double *out) {
    Arena *scratch = &call->worker->scratch;
    uint32_t *at = arena_raw(scratch, windows->steps * sizeof *at);
    slide_extreme(scratch, points, windows, extreme, at);
    for (size_t step = 0; step < windows->steps; step++) {
        if (at[step] != UINT32_MAX) {
            out[step] = time ? (double)points->times[at[step]] / 1000 : points->values[at[step]];
        }
    }
}

static void max_over_time(const RollupCall *call, const FloatPoints *points, const Windows *windows,
                          double *out) {
    put_extreme(call, points, windows, (Extreme){.largest = true}, false, out);
}

static void min_over_time(const RollupCall *call, const FloatPoints *points, const Windows *windows,
                          double *out) {
    put_extreme(call, points, windows, (Extreme){0}, false, out);
}

static void ts_of_max_over_time(const RollupCall *call, const FloatPoints *points,
                                const Windows *windows, double *out) {
    put_extreme(call, points, windows, (Extreme){.largest = true, .latest = true}, true, out);
}

static void ts_of_min_over_time(const RollupCall *call, const FloatPoints *points,
                                const Windows *windows, double *out) {
    put_extreme(call, points, windows, (Extreme){.latest = true}, true, out);
}

/* ---- order statistics ---- */

static double *window_copy(const RollupCall *call, const FloatPoints *points,
                           const Windows *windows) {
    size_t longest = 0;
    for (size_t step = 0; step < windows->steps; step++) {
        size_t count = windows->to[step] - windows->from[step];
        longest = count > longest ? count : longest;
    }
    (void)points;
    return arena_raw(&call->worker->scratch, longest * sizeof(double));
}

static void quantile_over_time(const RollupCall *call, const FloatPoints *points,
                               const Windows *windows, double *out) {
    double *copy = window_copy(call, points, windows);
    for (size_t step = 0; step < windows->steps; step++) {
        size_t from = windows->from[step], count = windows->to[step] - from;
        if (count == 0) {
            continue;
        }
        double q = rollup_number(call, 0, step);
        if (isnan(q) || q < 0 || q > 1) {
            note_invalid_quantile(worker_notes(call->worker, call->node), q, 0);
        }
        memcpy(copy, points->values + from, count * sizeof *copy);
        out[step] = quantile_of(q, copy, count);
    }
}

static double median_deviation(double *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (isnan(values[i])) {
            return value_nan();
        }
    }
    double median = quantile_of(0.5, values, count);
    for (size_t i = 0; i < count; i++) {
        values[i] = fabs(values[i] - median);
    }
    return quantile_of(0.5, values, count);
}

static void mad_over_time(const RollupCall *call, const FloatPoints *points, const Windows *windows,
                          double *out) {
    double *copy = window_copy(call, points, windows);
    for (size_t step = 0; step < windows->steps; step++) {
        size_t from = windows->from[step], count = windows->to[step] - from;
        if (count) {
            memcpy(copy, points->values + from, count * sizeof *copy);
            out[step] = median_deviation(copy, count);
        }
    }
}

/* ---- trends ---- */

void linear_regression(const FloatPoints *points, size_t from, size_t to, TimeMs at,
                       double *ret_slope, double *ret_intercept) {
    double sum_x = 0, sum_y = 0, sum_xy = 0, sum_x2 = 0;
    double comp_x = 0, comp_y = 0, comp_xy = 0, comp_x2 = 0;
    double first = points->values[from], n = 0;
    bool constant = true;
    for (size_t i = from; i < to; i++) {
        double y = points->values[i];
        constant = constant && (i == from || y == first);
        n++;
        double x = (double)(points->times[i] - at) / 1e3;
        kahan_add(x, &sum_x, &comp_x);
        kahan_add(y, &sum_y, &comp_y);
        kahan_add(x * y, &sum_xy, &comp_xy);
        kahan_add(x * x, &sum_x2, &comp_x2);
    }
    if (constant) {
        *ret_slope = isinf(first) ? value_nan() : 0;
        *ret_intercept = isinf(first) ? value_nan() : first;
        return;
    }
    sum_x += comp_x;
    sum_y += comp_y;
    sum_xy += comp_xy;
    sum_x2 += comp_x2;
    double covariance = sum_xy - sum_x * sum_y / n;
    double variance = sum_x2 - sum_x * sum_x / n;
    *ret_slope = covariance / variance;
    *ret_intercept = sum_y / n - *ret_slope * sum_x / n;
}

static void deriv(const RollupCall *call, const FloatPoints *points, const Windows *windows,
                  double *out) {
    (void)call;
    for (size_t step = 0; step < windows->steps; step++) {
        size_t from = windows->from[step], to = windows->to[step];
        double intercept;
        if (to - from >= 2) {
            linear_regression(points, from, to, points->times[from], &out[step], &intercept);
        }
    }
}

static void predict_linear(const RollupCall *call, const FloatPoints *points,
                           const Windows *windows, double *out) {
    for (size_t step = 0; step < windows->steps; step++) {
        size_t from = windows->from[step], to = windows->to[step];
        double slope, intercept;
        if (to - from >= 2) {
            linear_regression(points, from, to,
                              grid_time(&call->node->grid, call->step_first + step), &slope,
                              &intercept);
            out[step] = slope * rollup_number(call, 1, step) + intercept;
        }
    }
}

/* Holt's linear trend (double exponential smoothing): a level and its trend. */
static double smooth(const double *values, size_t count, double level_factor, double trend_factor) {
    double before = 0, level = values[0], trend = values[1] - values[0];
    for (size_t i = 1; i < count; i++) {
        double observed = level_factor * values[i];
        if (i > 1) {
            trend = trend_factor * (level - before) + (1 - trend_factor) * trend;
        }
        double carried = (1 - level_factor) * (level + trend);
        before = level;
        level = observed + carried;
    }
    return level;
}

static bool check_factor(const RollupCall *call, const char *name, const char *sign,
                         double factor) {
    if (factor > 0 && factor < 1) {
        return true;
    }
    return err_set(&call->worker->err, ERR_INVALID,
                   "invalid %s factor. Expected: 0 < %s < 1, got: %f", name, sign, factor);
}

static void double_exponential_smoothing(const RollupCall *call, const FloatPoints *points,
                                         const Windows *windows, double *out) {
    for (size_t step = 0; step < windows->steps; step++) {
        size_t from = windows->from[step], count = windows->to[step] - from;
        double level = rollup_number(call, 1, step), trend = rollup_number(call, 2, step);
        if (count == 0) {
            continue;
        }
        if (!check_factor(call, "smoothing", "sf", level) ||
            !check_factor(call, "trend", "tf", trend)) {
            return;
        }
        if (count >= 2) {
            out[step] = smooth(points->values + from, count, level, trend);
        }
    }
}

typedef struct KernelRow {
    FunctionId id;
    FloatKernel *kernel;
} KernelRow;

static const KernelRow kernels[] = {
    {FUNC_SUM_OVER_TIME, sum_over_time},
    {FUNC_AVG_OVER_TIME, avg_over_time},
    {FUNC_STDVAR_OVER_TIME, stdvar_over_time},
    {FUNC_STDDEV_OVER_TIME, stddev_over_time},
    {FUNC_COUNT_OVER_TIME, count_over_time},
    {FUNC_PRESENT_OVER_TIME, present_over_time},
    {FUNC_ABSENT_OVER_TIME, present_over_time},
    {FUNC_FIRST_OVER_TIME, first_over_time},
    {FUNC_LAST_OVER_TIME, last_over_time},
    {FUNC_DEFAULT_ROLLUP, last_over_time},
    {FUNC_TS_OF_FIRST_OVER_TIME, ts_of_first_over_time},
    {FUNC_TFIRST_OVER_TIME, ts_of_first_over_time},
    {FUNC_TS_OF_LAST_OVER_TIME, ts_of_last_over_time},
    {FUNC_TLAST_OVER_TIME, ts_of_last_over_time},
    {FUNC_TIMESTAMP, ts_of_last_over_time},
    {FUNC_TIMESTAMP_WITH_NAME, ts_of_last_over_time},
    {FUNC_MAX_OVER_TIME, max_over_time},
    {FUNC_MIN_OVER_TIME, min_over_time},
    {FUNC_TS_OF_MAX_OVER_TIME, ts_of_max_over_time},
    {FUNC_TMAX_OVER_TIME, ts_of_max_over_time},
    {FUNC_TS_OF_MIN_OVER_TIME, ts_of_min_over_time},
    {FUNC_TMIN_OVER_TIME, ts_of_min_over_time},
    {FUNC_QUANTILE_OVER_TIME, quantile_over_time},
    {FUNC_MAD_OVER_TIME, mad_over_time},
    {FUNC_DERIV, deriv},
    {FUNC_PREDICT_LINEAR, predict_linear},
    {FUNC_DOUBLE_EXPONENTIAL_SMOOTHING, double_exponential_smoothing},
    {FUNC_HOLT_WINTERS, double_exponential_smoothing},
};

FloatKernel *over_time_kernel(FunctionId id) {
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        if (kernels[i].id == id) {
            return kernels[i].kernel;
        }
    }
    return NULL;
}
