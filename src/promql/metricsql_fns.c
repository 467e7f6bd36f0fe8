/* One function a row: what MetricsQL computes of a window. */

#include <math.h>
#include <stdlib.h>

#include "promql/metricsql_rollup.h"

static double number_arg(const RollupView *view, size_t index) {
    return rollup_number(view->call, index, view->step);
}

/* ---- changes of counters and gauges ---- */

/* Where nothing is known of the time before, the counter began at 0, unless its first value is far
 * above its steps: then it was there before, and only we did not see it. */
static double assumed_before(const RollupView *view) {
    double step = 0;
    if (view->count > 1) {
        step = view->values[1] - view->values[0];
    } else if (!isnan(view->real_next)) {
        step = view->real_next - view->values[0];
    }
    return fabs(view->values[0]) < 10 * (fabs(step) + 1) ? 0 : view->values[0];
}

static double delta(const RollupView *view) {
    double before = view->prev_value;
    if (view->count == 0) {
        return isnan(before) ? value_nan() : 0;
    }
    if (isnan(before)) {
        before = !isnan(view->real_prev) ? view->real_prev : assumed_before(view);
    }
    return view->values[view->count - 1] - before;
}

static double increase_pure(const RollupView *view) {
    double before = view->prev_value;
    if (view->count == 0) {
        return isnan(before) ? value_nan() : 0;
    }
    if (isnan(before)) {
        before = isnan(view->real_prev) ? 0 : view->real_prev;
    }
    return view->values[view->count - 1] - before;
}

static double delta_prometheus(const RollupView *view) {
    return view->count < 2 ? value_nan() : view->values[view->count - 1] - view->values[0];
}

static double rate_prometheus(const RollupView *view) {
    return delta_prometheus(view) / ((double)view->window / 1e3);
}

static double idelta(const RollupView *view) {
    if (view->count == 0) {
        return isnan(view->prev_value) ? value_nan() : 0;
    }
    double last = view->values[view->count - 1];
    if (view->count > 1) {
        return last - view->values[view->count - 2];
    }
    return isnan(view->prev_value) ? last : last - view->prev_value;
}

static double deriv_fast(const RollupView *view) {
    double before = view->prev_value;
    TimeMs before_time = view->prev_time;
    if (isnan(before)) {
        if (view->count < 2) {
            return value_nan();
        }
        before = view->values[0];
        before_time = view->times[0];
    } else if (view->count == 0) {
        return 0;
    }
    double seconds = (double)(view->times[view->count - 1] - before_time) / 1e3;
    return (view->values[view->count - 1] - before) / seconds;
}

static double ideriv(const RollupView *view) {
    if (view->count == 0 || (view->count == 1 && isnan(view->prev_value))) {
        return value_nan();
    }
    size_t last = view->count - 1;
    double before = view->count > 1 ? view->values[last - 1] : view->prev_value;
    TimeMs before_time = view->count > 1 ? view->times[last - 1] : view->prev_time;
    return (view->values[last] - before) / ((double)(view->times[last] - before_time) / 1e3);
}

static double deriv(const RollupView *view) {
    if (view->count == 0) {
        return value_nan();
    }
    double slope, value;
    FloatPoints points = {view->times, view->values, NULL, view->count};
    linear_regression(&points, 0, view->count, view->now, &slope, &value);
    return slope;
}

static double predict_linear(const RollupView *view) {
    if (view->count == 0) {
        return value_nan();
    }
    double slope, value;
    FloatPoints points = {view->times, view->values, NULL, view->count};
    linear_regression(&points, 0, view->count, view->now, &slope, &value);
    return value + slope * number_arg(view, 1);
}

/* ---- events ---- */

/* Differences this small are float noise. */
static bool is_noise(double before, double now) {
    return fabs(now - before) < 1e-12 * fabs(now);
}

typedef enum EventKind { EVENT_CHANGE, EVENT_RISE, EVENT_FALL } EventKind;

static double count_events(const double *values, size_t count, double before, EventKind kind) {
    size_t events = 0;
    for (size_t i = 0; i < count; i++) {
        double now = values[i];
        bool is_event = kind == EVENT_CHANGE ? now != before
                        : kind == EVENT_RISE ? now > before
                                             : now < before;
        if (is_event && !is_noise(before, now)) {
            events++;
        } else if (kind == EVENT_CHANGE) {
            continue;
        }
        before = now;
    }
    return (double)events;
}

static double changes(const RollupView *view) {
    double before = view->prev_value;
    if (!isnan(before)) {
        return count_events(view->values, view->count, before, EVENT_CHANGE);
    }
    if (view->count == 0) {
        return value_nan();
    }
    if (!isnan(view->real_prev)) {
        return count_events(view->values, view->count, view->real_prev, EVENT_CHANGE);
    }
    return 1 + count_events(view->values + 1, view->count - 1, view->values[0], EVENT_CHANGE);
}

static double changes_prometheus(const RollupView *view) {
    if (view->count == 0) {
        return value_nan();
    }
    return count_events(view->values + 1, view->count - 1, view->values[0], EVENT_CHANGE);
}

static double count_steps(const RollupView *view, EventKind kind) {
    if (view->count == 0) {
        return isnan(view->prev_value) ? value_nan() : 0;
    }
    if (!isnan(view->prev_value)) {
        return count_events(view->values, view->count, view->prev_value, kind);
    }
    return count_events(view->values + 1, view->count - 1, view->values[0], kind);
}

static double increases(const RollupView *view) {
    return count_steps(view, EVENT_RISE);
}

static double resets(const RollupView *view) {
    return count_steps(view, EVENT_FALL);
}

static double sum_steps(const RollupView *view, double sign) {
    double before = view->prev_value, sum = 0;
    size_t first = 0;
    if (isnan(before)) {
        if (view->count == 0) {
            return value_nan();
        }
        before = view->values[0];
        first = 1;
    }
    for (size_t i = first; i < view->count; i++) {
        double step = sign * (view->values[i] - before);
        sum += step > 0 ? step : 0;
        before = view->values[i];
    }
    return sum;
}

static double ascent(const RollupView *view) {
    return sum_steps(view, 1);
}

static double descent(const RollupView *view) {
    return sum_steps(view, -1);
}

/* ---- sums and moments ---- */

static double count_over_time(const RollupView *view) {
    return view->count ? (double)view->count : value_nan();
}

static double sum_of(const RollupView *view) {
    double sum = 0;
    for (size_t i = 0; i < view->count; i++) {
        sum += view->values[i];
    }
    return sum;
}

static double sum(const RollupView *view) {
    return view->count ? sum_of(view) : value_nan();
}

static double avg(const RollupView *view) {
    return view->count ? sum_of(view) / (double)view->count : value_nan();
}

static double rate_over_sum(const RollupView *view) {
    return view->count ? sum_of(view) / ((double)view->window / 1e3) : value_nan();
}

static double sum2(const RollupView *view) {
    double squares = 0;
    for (size_t i = 0; i < view->count; i++) {
        squares += view->values[i] * view->values[i];
    }
    return view->count ? squares : value_nan();
}

static double geomean(const RollupView *view) {
    double product = 1;
    for (size_t i = 0; i < view->count; i++) {
        product *= view->values[i];
    }
    return view->count ? pow(product, 1 / (double)view->count) : value_nan();
}

static double stdvar(const RollupView *view) {
    double mean = 0, squares = 0;
    for (size_t i = 0; i < view->count; i++) {
        double next = mean + (view->values[i] - mean) / (double)(i + 1);
        squares += (view->values[i] - mean) * (view->values[i] - next);
        mean = next;
    }
    return view->count ? squares / (double)view->count : value_nan();
}

static double stddev(const RollupView *view) {
    return sqrt(stdvar(view));
}

static double min(const RollupView *view) {
    double least = view->count ? view->values[0] : value_nan();
    for (size_t i = 1; i < view->count; i++) {
        least = view->values[i] < least ? view->values[i] : least;
    }
    return least;
}

static double max(const RollupView *view) {
    double most = view->count ? view->values[0] : value_nan();
    for (size_t i = 1; i < view->count; i++) {
        most = view->values[i] > most ? view->values[i] : most;
    }
    return most;
}

static double range(const RollupView *view) {
    return max(view) - min(view);
}

static double integrate(const RollupView *view) {
    double before = view->prev_value, area = 0;
    TimeMs before_time = view->now - view->window;
    size_t first = 0;
    if (isnan(before)) {
        if (view->count == 0) {
            return value_nan();
        }
        before = view->values[0];
        before_time = view->times[0];
        first = 1;
    }
    for (size_t i = first; i < view->count; i++) {
        area += before * ((double)(view->times[i] - before_time) / 1e3);
        before_time = view->times[i];
        before = view->values[i];
    }
    if (!isnan(view->real_next)) {
        area += before * ((double)(view->now - before_time) / 1e3);
    }
    return area;
}

/* ---- order statistics ---- */

static double *copy_values(const RollupView *view) {
    double *copy = arena_raw(&view->call->worker->scratch, (view->count + 1) * sizeof *copy);
    memcpy(copy, view->values, view->count * sizeof *copy);
    return copy;
}

static double quantile(const RollupView *view, double q) {
    return view->count ? quantile_of(q, copy_values(view), view->count) : value_nan();
}

static double quantile_over_time(const RollupView *view) {
    return quantile(view, number_arg(view, 0));
}

static double median(const RollupView *view) {
    return quantile(view, 0.5);
}

static double mad(const RollupView *view) {
    if (view->count == 0) {
        return value_nan();
    }
    double *copy = copy_values(view), middle = quantile_of(0.5, copy, view->count);
    for (size_t i = 0; i < view->count; i++) {
        copy[i] = fabs(copy[i] - middle);
    }
    return quantile_of(0.5, copy, view->count);
}

static double iqr(const RollupView *view) {
    return quantile(view, 0.75) - quantile(view, 0.25);
}

/* The last value, if it is an outlier by the interquartile range. */
static double outlier_iqr(const RollupView *view) {
    if (view->count < 2) {
        return value_nan();
    }
    double low = quantile(view, 0.25), high = quantile(view, 0.75), reach = 1.5 * (high - low);
    double last = view->values[view->count - 1];
    return last > high + reach || last < low - reach ? last : value_nan();
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The value seen most often; of equally frequent ones the least. */
static double mode(const RollupView *view) {
    if (view->count == 0) {
        return view->prev_value;
    }
    double *copy = copy_values(view);
    qsort(copy, view->count, sizeof *copy, compare_doubles);
    double best = copy[0];
    size_t best_count = 0, run = 0;
    for (size_t i = 0; i < view->count; i++) {
        run = i > 0 && copy[i] == copy[i - 1] ? run + 1 : 1;
        if (run > best_count) {
            best_count = run;
            best = copy[i];
        }
    }
    return best;
}

static double distinct(const RollupView *view) {
    if (view->count == 0) {
        return value_nan();
    }
    double *copy = copy_values(view);
    qsort(copy, view->count, sizeof *copy, compare_doubles);
    size_t found = 1;
    for (size_t i = 1; i < view->count; i++) {
        found += copy[i] != copy[i - 1];
    }
    return (double)found;
}

/* Hoeffding's inequality ("Probability inequalities for sums of bounded random variables", 1963).
 */
static double hoeffding(const RollupView *view, double sign) {
    if (view->count < 2) {
        return view->count ? view->values[0] : value_nan();
    }
    double spread = range(view), mean = avg(view), phi = number_arg(view, 0);
    if (spread <= 0 || phi <= 0) {
        return mean;
    }
    if (phi >= 1) {
        return mean + sign * INFINITY;
    }
    return mean + sign * spread * sqrt(log(1 / (1 - phi)) / (2 * (double)view->count));
}

static double hoeffding_lower(const RollupView *view) {
    return hoeffding(view, -1);
}

static double hoeffding_upper(const RollupView *view) {
    return hoeffding(view, 1);
}

/* ---- filters ---- */

typedef enum Filter { FILTER_EQ, FILTER_NE, FILTER_GT, FILTER_LE } Filter;

static bool passes(Filter filter, double value, double limit) {
    switch (filter) {
    case FILTER_EQ:
        return value == limit;
    case FILTER_NE:
        return value != limit;
    case FILTER_GT:
        return value > limit;
    case FILTER_LE:
        return value <= limit;
    }
    return false;
}

static double count_where(const RollupView *view, Filter filter) {
    double limit = number_arg(view, 1);
    size_t found = 0;
    for (size_t i = 0; i < view->count; i++) {
        found += passes(filter, view->values[i], limit);
    }
    return view->count ? (double)found : value_nan();
}

static double sum_where(const RollupView *view, Filter filter) {
    double limit = number_arg(view, 1), total = 0;
    for (size_t i = 0; i < view->count; i++) {
        total += passes(filter, view->values[i], limit) ? view->values[i] : 0;
    }
    return view->count ? total : value_nan();
}

static double count_eq(const RollupView *view) {
    return count_where(view, FILTER_EQ);
}

static double count_ne(const RollupView *view) {
    return count_where(view, FILTER_NE);
}

static double count_gt(const RollupView *view) {
    return count_where(view, FILTER_GT);
}

static double count_le(const RollupView *view) {
    return count_where(view, FILTER_LE);
}

static double share_eq(const RollupView *view) {
    return count_where(view, FILTER_EQ) / (double)view->count;
}

static double share_gt(const RollupView *view) {
    return count_where(view, FILTER_GT) / (double)view->count;
}

static double share_le(const RollupView *view) {
    return count_where(view, FILTER_LE) / (double)view->count;
}

static double sum_eq(const RollupView *view) {
    return sum_where(view, FILTER_EQ);
}

static double sum_gt(const RollupView *view) {
    return sum_where(view, FILTER_GT);
}

static double sum_le(const RollupView *view) {
    return sum_where(view, FILTER_LE);
}

/* ---- times ---- */

static double first(const RollupView *view) {
    return view->count ? view->values[0] : value_nan();
}

static double last(const RollupView *view) {
    return view->count ? view->values[view->count - 1] : value_nan();
}

static double present(const RollupView *view) {
    return view->count ? 1 : value_nan();
}

static double tfirst(const RollupView *view) {
    return view->count ? (double)view->times[0] / 1e3 : value_nan();
}

static double tlast(const RollupView *view) {
    return view->count ? (double)view->times[view->count - 1] / 1e3 : value_nan();
}

static double tmin(const RollupView *view) {
    size_t at = 0;
    for (size_t i = 1; i < view->count; i++) {
        at = view->values[i] <= view->values[at] ? i : at;
    }
    return view->count ? (double)view->times[at] / 1e3 : value_nan();
}

static double tmax(const RollupView *view) {
    size_t at = 0;
    for (size_t i = 1; i < view->count; i++) {
        at = view->values[i] >= view->values[at] ? i : at;
    }
    return view->count ? (double)view->times[at] / 1e3 : value_nan();
}

static double tlast_change(const RollupView *view) {
    if (view->count == 0) {
        return value_nan();
    }
    double now = view->values[view->count - 1];
    for (size_t i = view->count - 1; i > 0; i--) {
        if (view->values[i - 1] != now) {
            return (double)view->times[i] / 1e3;
        }
    }
    bool changed = isnan(view->prev_value) || view->prev_value != now;
    return changed ? (double)view->times[0] / 1e3 : value_nan();
}

static double lag(const RollupView *view) {
    if (view->count) {
        return (double)(view->now - view->times[view->count - 1]) / 1e3;
    }
    return isnan(view->prev_value) ? value_nan() : (double)(view->now - view->prev_time) / 1e3;
}

static double lifetime(const RollupView *view) {
    if (view->count == 0 || (isnan(view->prev_value) && view->count < 2)) {
        return value_nan();
    }
    TimeMs from = isnan(view->prev_value) ? view->times[0] : view->prev_time;
    return (double)(view->times[view->count - 1] - from) / 1e3;
}

static double scrape_interval(const RollupView *view) {
    double span = lifetime(view);
    size_t gaps = isnan(view->prev_value) ? view->count - 1 : view->count;
    return isnan(span) ? span : span / (double)gaps;
}

static double duration_over_time(const RollupView *view) {
    double longest = number_arg(view, 1);
    DurationMs total = 0;
    for (size_t i = 1; i < view->count; i++) {
        DurationMs gap = view->times[i] - view->times[i - 1];
        total += (double)gap <= longest * 1000 ? gap : 0;
    }
    return view->count ? (double)total / 1000 : value_nan();
}

static double stale_samples(const RollupView *view) {
    size_t stale = 0;
    for (size_t i = 0; i < view->count; i++) {
        stale += value_is_stale(view->values[i]);
    }
    return view->count ? (double)stale : value_nan();
}

static double zscore(const RollupView *view) {
    double interval = scrape_interval(view), behind = lag(view);
    if (isnan(interval) || isnan(behind) || behind > interval) {
        return value_nan();
    }
    double off = last(view) - avg(view);
    return off == 0 ? 0 : off / stddev(view);
}

static double holt_winters(const RollupView *view) {
    double level_factor = number_arg(view, 1), trend_factor = number_arg(view, 2);
    bool bad = level_factor < 0 || level_factor > 1 || trend_factor < 0 || trend_factor > 1;
    if (view->count == 0 || bad) {
        return value_nan();
    }
    size_t i = 0;
    double level = isnan(view->prev_value) ? view->values[i++] : view->prev_value;
    if (i == view->count) {
        return level;
    }
    double trend = view->values[i] - level;
    for (; i < view->count; i++) {
        double next = level_factor * view->values[i] + (1 - level_factor) * (level + trend);
        trend = trend_factor * (next - level) + (1 - trend_factor) * trend;
        level = next;
    }
    return level;
}

typedef struct FnRow {
    FunctionId id;
    RollupFn *fn;
} FnRow;

static const FnRow rows[] = {
    {FUNC_ABSENT_OVER_TIME, present},
    {FUNC_ASCENT_OVER_TIME, ascent},
    {FUNC_AVG_OVER_TIME, avg},
    {FUNC_CHANGES, changes},
    {FUNC_CHANGES_PROMETHEUS, changes_prometheus},
    {FUNC_COUNT_EQ_OVER_TIME, count_eq},
    {FUNC_COUNT_GT_OVER_TIME, count_gt},
    {FUNC_COUNT_LE_OVER_TIME, count_le},
    {FUNC_COUNT_NE_OVER_TIME, count_ne},
    {FUNC_COUNT_OVER_TIME, count_over_time},
    {FUNC_DECREASES_OVER_TIME, resets},
    {FUNC_DEFAULT_ROLLUP, last},
    {FUNC_DELTA, delta},
    {FUNC_DELTA_PROMETHEUS, delta_prometheus},
    {FUNC_DERIV, deriv},
    {FUNC_DERIV_FAST, deriv_fast},
    {FUNC_DESCENT_OVER_TIME, descent},
    {FUNC_DISTINCT_OVER_TIME, distinct},
    {FUNC_DURATION_OVER_TIME, duration_over_time},
    {FUNC_FIRST_OVER_TIME, first},
    {FUNC_GEOMEAN_OVER_TIME, geomean},
    {FUNC_HOEFFDING_BOUND_LOWER, hoeffding_lower},
    {FUNC_HOEFFDING_BOUND_UPPER, hoeffding_upper},
    {FUNC_HOLT_WINTERS, holt_winters},
    {FUNC_IDELTA, idelta},
    {FUNC_IDERIV, ideriv},
    {FUNC_INCREASE, delta},
    {FUNC_INCREASE_PROMETHEUS, delta_prometheus},
    {FUNC_INCREASE_PURE, increase_pure},
    {FUNC_INCREASES_OVER_TIME, increases},
    {FUNC_INTEGRATE, integrate},
    {FUNC_IQR_OVER_TIME, iqr},
    {FUNC_IRATE, ideriv},
    {FUNC_LAG, lag},
    {FUNC_LAST_OVER_TIME, last},
    {FUNC_LIFETIME, lifetime},
    {FUNC_MAD_OVER_TIME, mad},
    {FUNC_MAX_OVER_TIME, max},
    {FUNC_MEDIAN_OVER_TIME, median},
    {FUNC_MIN_OVER_TIME, min},
    {FUNC_MODE_OVER_TIME, mode},
    {FUNC_OUTLIER_IQR_OVER_TIME, outlier_iqr},
    {FUNC_PREDICT_LINEAR, predict_linear},
    {FUNC_PRESENT_OVER_TIME, present},
    {FUNC_QUANTILE_OVER_TIME, quantile_over_time},
    {FUNC_RANGE_OVER_TIME, range},
    {FUNC_RATE, deriv_fast},
    {FUNC_RATE_OVER_SUM, rate_over_sum},
    {FUNC_RATE_PROMETHEUS, rate_prometheus},
    {FUNC_RESETS, resets},
    {FUNC_SCRAPE_INTERVAL, scrape_interval},
    {FUNC_SHARE_EQ_OVER_TIME, share_eq},
    {FUNC_SHARE_GT_OVER_TIME, share_gt},
    {FUNC_SHARE_LE_OVER_TIME, share_le},
    {FUNC_STALE_SAMPLES_OVER_TIME, stale_samples},
    {FUNC_STDDEV_OVER_TIME, stddev},
    {FUNC_STDVAR_OVER_TIME, stdvar},
    {FUNC_SUM2_OVER_TIME, sum2},
    {FUNC_SUM_EQ_OVER_TIME, sum_eq},
    {FUNC_SUM_GT_OVER_TIME, sum_gt},
    {FUNC_SUM_LE_OVER_TIME, sum_le},
    {FUNC_SUM_OVER_TIME, sum},
    {FUNC_TFIRST_OVER_TIME, tfirst},
    {FUNC_TIMESTAMP, tlast},
    {FUNC_TIMESTAMP_WITH_NAME, tlast},
    {FUNC_TLAST_CHANGE_OVER_TIME, tlast_change},
    {FUNC_TLAST_OVER_TIME, tlast},
    {FUNC_TMAX_OVER_TIME, tmax},
    {FUNC_TMIN_OVER_TIME, tmin},
    {FUNC_ZSCORE_OVER_TIME, zscore},
};

RollupFn *metricsql_rollup_fn(FunctionId id) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].id == id) {
            return rows[i].fn;
        }
    }
    return NULL;
}
