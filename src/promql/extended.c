#include "promql/extended.h"

#include "promql/histogram_ops.h"

/* ---- floats ---- */

static double interpolate(TimeMs time1, double value1, TimeMs time2, double value2, TimeMs at,
                          bool is_counter) {
    if (is_counter && value2 < value1) {
        value1 = 0;
    }
    return value1 + (value2 - value1) * (double)(at - time1) / (double)(time2 - time1);
}

/* First index in [from, last) whose time is after (or, `inclusive`, at) `time`; `last` if there is
 * none. */
static size_t search_time(const TimeMs *times, size_t from, size_t last, TimeMs time,
                          bool inclusive) {
    size_t low = from, high = last;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (times[middle] > time || (inclusive && times[middle] == time)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

/* The samples that stand for the window's edges: the last one at or before its start (or the first
 * there is), and the first at or after its end if smoothed, else the last there is. False if the
 * window has nothing to say. */
typedef struct Span {
    size_t first, last;
} Span;

static bool find_span(const TimeMs *times, size_t from, size_t to, TimeMs start, TimeMs end,
                      bool smoothed, Span *ret_span) {
    size_t last = to - 1;
    size_t after = search_time(times, from, last, start, false);
    Span span = {after > from ? after - 1 : from, last};
    if (smoothed) {
        span.last = search_time(times, from, last, end, true);
    }
    if (times[span.last] <= start || (smoothed && times[span.first] > end)) {
        return false;
    }
    *ret_span = span;
    return true;
}

static double left_value(const FloatPoints *points, size_t at, TimeMs start, bool smoothed,
                         bool is_counter) {
    if (smoothed && points->times[at] < start) {
        return interpolate(points->times[at], points->values[at], points->times[at + 1],
                           points->values[at + 1], start, is_counter);
    }
    return points->values[at];
}

static double right_value(const FloatPoints *points, size_t from, size_t at, TimeMs end,
                          bool smoothed, bool is_counter) {
    if (smoothed && at > from && points->times[at] > end) {
        return interpolate(points->times[at - 1], points->values[at - 1], points->times[at],
                           points->values[at], end, is_counter);
    }
    return points->values[at];
}

static double lost_in_resets(const FloatPoints *points, size_t from, size_t to, double left,
                             double right) {
    double lost = 0, before = left;
    for (size_t i = from; i < to; i++) {
        if (points->values[i] < before) {
            lost += before;
        }
        before = points->values[i];
    }
    return right < before ? lost + before : lost;
}

static double range_seconds(DurationMs range) {
    return (double)(range / 1000) + (double)((range % 1000) * 1000000) / 1e9;
}

bool extended_rate(const ExtendedWindow *window, const FloatPoints *points, size_t from, size_t to,
                   double *ret_value) {
    Span span;
    if (!find_span(points->times, from, to, window->start, window->end, window->smoothed, &span)) {
        return false;
    }
    double left =
        left_value(points, span.first, window->start, window->smoothed, window->is_counter);
    double right =
        right_value(points, from, span.last, window->end, window->smoothed, window->is_counter);
    double change = right - left;
    if (window->is_counter) {
        /* Resets at the edges are in `left` and `right` already. */
        size_t first = span.first + (points->times[span.first] <= window->start);
        size_t end = span.last + (points->times[span.last] < window->end);
        change += lost_in_resets(points, first, end > first ? end : first, left, right);
    }
    *ret_value = window->is_rate ? change / range_seconds(window->range) : change;
    return true;
}

void extend_points(Arena *arena, const PlanNode *node, FloatPoints *points) {
    TimeMs end = plan_node_ref(node, 0), start = end - node->range;
    Span span;
    if (points->count == 0 ||
        !find_span(points->times, 0, points->count, start, end, node->smoothed, &span)) {
        points->count = 0;
        return;
    }
    double left = left_value(points, span.first, start, node->smoothed, false);
    double right = right_value(points, 0, span.last, end, node->smoothed, false);
    size_t first = span.first + (points->times[span.first] <= start);
    size_t stop = span.last + (points->times[span.last] < end);
    size_t inner = stop > first ? stop - first : 0;
    TimeMs *times = arena_raw(arena, (inner + 2) * sizeof *times);
    double *values = arena_raw(arena, (inner + 2) * sizeof *values);
    times[0] = start;
    values[0] = left;
    memcpy(times + 1, points->times + first, inner * sizeof *times);
    memcpy(values + 1, points->values + first, inner * sizeof *values);
    times[inner + 1] = end;
    values[inner + 1] = right;
    *points = (FloatPoints){times, values, NULL, inner + 2};
}

/* ---- histograms ---- */

/* Between two histograms: h1 + (h2 - h1) * fraction; across a reset the counter is taken to start
 * from zero. NULL where the two cannot be combined. */
static const Histogram *interpolate_histograms(Arena *arena, Notes *notes, Str metric, int part,
                                               const HistogramPoints *points, size_t at,
                                               TimeMs time, bool is_counter) {
    const Histogram *h1 = points->values[at], *h2 = points->values[at + 1];
    TimeMs t1 = points->times[at], t2 = points->times[at + 1];
    if (time == t1 || time == t2) {
        return time == t1 ? h1 : h2;
    }
    double fraction = (double)(time - t1) / (double)(t2 - t1);
    if (is_counter && histogram_is_reset(arena, h2, h1)) {
        return histogram_scale(arena, h2, fraction);
    }
    HistogramSum sum;
    histogram_sum_start(arena, h2, &sum);
    if (!histogram_sum_noted(&sum, h1, true, notes, metric, part)) {
        return NULL;
    }
    histogram_sum_scale(&sum, fraction);
    if (!histogram_sum_noted(&sum, h1, false, notes, metric, part)) {
        return NULL;
    }
    return histogram_sum_result(&sum);
}

static const Histogram *left_histogram(Arena *arena, Notes *notes, Str metric,
                                       const ExtendedWindow *window, const HistogramPoints *points,
                                       size_t at) {
    if (window->smoothed && points->times[at] < window->start) {
        return interpolate_histograms(arena, notes, metric, 0, points, at, window->start,
                                      window->is_counter);
    }
    return points->values[at];
}

static const Histogram *right_histogram(Arena *arena, Notes *notes, Str metric,
                                        const ExtendedWindow *window, const HistogramPoints *points,
                                        size_t from, size_t at) {
    if (window->smoothed && at > from && points->times[at] > window->end) {
        return interpolate_histograms(arena, notes, metric, 0, points, at - 1, window->end,
                                      window->is_counter);
    }
    return points->values[at];
}

static bool check_histograms(Notes *notes, Str metric, const HistogramPoints *points, Span span,
                             bool is_counter) {
    bool custom = histogram_is_custom(points->values[span.first]);
    for (size_t i = span.first; i <= span.last; i++) {
        if (histogram_is_custom(points->values[i]) != custom) {
            note_mixed_schemas(notes, metric, 0);
            return false;
        }
        if (is_counter && points->values[i]->hint == RESET_GAUGE) {
            note_not_counter(notes, metric, 0);
        }
    }
    return true;
}

/* Adds to `sum` what was lost in resets between the edges. The last sample is `right` itself, or in
 * its interpolation. */
static bool add_lost(Arena *arena, Notes *notes, Str metric, const ExtendedWindow *window,
                     const HistogramPoints *points, Span span, const Histogram *left,
                     const Histogram *right, HistogramSum *sum) {
    size_t next = span.first + 1;
    const Histogram *before = left;
    if (window->smoothed && points->times[span.first] < window->start &&
        histogram_is_reset(arena, points->values[span.first + 1], points->values[span.first])) {
        /* This reset is in `left` already. */
        before = points->values[span.first + 1];
        next++;
    }
    if (next > span.last) {
        return true;
    }
    HistogramSum lost;
    bool any = false;
    for (size_t i = next; i <= span.last; i++) {
        const Histogram *now = i == span.last ? right : points->values[i];
        if (histogram_is_reset(arena, now, before)) {
            if (!any) {
                histogram_sum_start(arena, before, &lost);
            } else if (!histogram_sum_noted(&lost, before, false, notes, metric, 0)) {
                return false;
            }
            any = true;
        }
        before = now;
    }
    return !any || histogram_sum_noted(sum, histogram_sum_result(&lost), false, notes, metric, 0);
}

const Histogram *extended_histogram_rate(Arena *arena, Notes *notes, Str metric,
                                         const ExtendedWindow *window,
                                         const HistogramPoints *points, size_t from, size_t to) {
    Span span;
    if (!find_span(points->times, from, to, window->start, window->end, window->smoothed, &span) ||
        !check_histograms(notes, metric, points, span, window->is_counter)) {
        return NULL;
    }
    const Histogram *left = left_histogram(arena, notes, metric, window, points, span.first);
    const Histogram *right =
        left ? right_histogram(arena, notes, metric, window, points, from, span.last) : NULL;
    if (!right) {
        return NULL;
    }
    if (!window->is_counter && (left->hint != RESET_GAUGE || right->hint != RESET_GAUGE)) {
        note_not_gauge(notes, metric, 0);
    }
    HistogramSum sum;
    histogram_sum_start(arena, right, &sum);
    if (!histogram_sum_noted(&sum, left, true, notes, metric, 0)) {
        return NULL;
    }
    if (window->is_counter &&
        !add_lost(arena, notes, metric, window, points, span, left, right, &sum)) {
        return NULL;
    }
    if (window->is_rate) {
        histogram_sum_divide(&sum, range_seconds(window->range));
    }
    sum.hint = RESET_GAUGE;
    histogram_sum_compact(&sum);
    return histogram_sum_result(&sum);
}

/* ---- instant selectors ---- */

typedef struct Smoothing {
    Worker *worker;
    PlanNode *node;
    Str metric;
    FloatPoints floats;
    HistogramPoints histograms;
    Column *column;
} Smoothing;

static void smooth_floats(Smoothing *smoothing, size_t step, TimeMs ref, size_t from, size_t to) {
    const FloatPoints *points = &smoothing->floats;
    double *value = &smoothing->column->values[step];
    size_t at = search_time(points->times, from, to, ref, true);
    if (at < to && points->times[at] == ref) {
        *value = points->values[at];
    } else if (at > from && at < to) {
        *value = interpolate(points->times[at - 1], points->values[at - 1], points->times[at],
                             points->values[at], ref, false);
    } else if (at > from) {
        *value = points->values[at - 1];
    }
}

static const Histogram *between(Smoothing *smoothing, size_t at, TimeMs ref) {
    const HistogramPoints *points = &smoothing->histograms;
    const Histogram *before = points->values[at - 1], *after = points->values[at];
    Notes *notes = worker_notes(smoothing->worker, smoothing->node);
    if (histogram_is_custom(before) != histogram_is_custom(after)) {
        note_mixed_schemas(notes, smoothing->metric, NOTE_SELF);
        return NULL;
    }
    bool is_counter = before->hint != RESET_GAUGE || after->hint != RESET_GAUGE;
    return interpolate_histograms(&smoothing->worker->out, notes, smoothing->metric, NOTE_SELF,
                                  points, at - 1, ref, is_counter);
}

static void smooth_histograms(Smoothing *smoothing, size_t step, TimeMs ref, size_t from,
                              size_t to) {
    const HistogramPoints *points = &smoothing->histograms;
    Arena *out = &smoothing->worker->out;
    size_t at = search_time(points->times, from, to, ref, true);
    const Histogram *found = NULL;
    if (at < to && points->times[at] == ref) {
        found = histogram_copy(out, points->values[at]);
    } else if (at > from && at < to) {
        found = between(smoothing, at, ref);
    } else if (at > from) {
        Histogram *carried = histogram_copy(out, points->values[at - 1]);
        carried->hint = RESET_UNKNOWN;
        found = carried;
    }
    if (found) {
        column_set_histogram(out, smoothing->column, smoothing->node->grid.count, step, found);
    }
}

static void smooth_steps(Smoothing *smoothing, DurationMs lookback) {
    const PlanNode *node = smoothing->node;
    const FloatPoints *floats = &smoothing->floats;
    const HistogramPoints *histograms = &smoothing->histograms;
    for (size_t step = 0; step < node->grid.count; step++) {
        TimeMs ref = plan_node_ref(node, step);
        size_t from = search_time(floats->times, 0, floats->count, ref - lookback, false);
        size_t to = search_time(floats->times, from, floats->count, ref + lookback, false);
        size_t h_from = search_time(histograms->times, 0, histograms->count, ref - lookback, false);
        size_t h_to =
            search_time(histograms->times, h_from, histograms->count, ref + lookback, false);
        if (from < to && h_from < h_to) {
            note_mixed_samples(worker_notes(smoothing->worker, smoothing->node), smoothing->metric,
                               NOTE_SELF);
        } else if (h_from < h_to) {
            smooth_histograms(smoothing, step, ref, h_from, h_to);
        } else if (from < to) {
            smooth_floats(smoothing, step, ref, from, to);
        }
    }
}

bool smooth_column(Worker *worker, PlanNode *node, const SeriesData *data, Column *column) {
    SeriesPoints points = {0};
    split_points(&worker->scratch, data, NULL, &points);
    column->values = column_alloc(&worker->out, node->grid.count);
    Smoothing smoothing = {.worker = worker,
                           .node = node,
                           .metric = labels_get(column->labels, LABEL_METRIC_NAME),
                           .floats = points.floats,
                           .histograms = points.histograms,
                           .column = column};
    smooth_steps(&smoothing, worker->exec->plan->lookback);
    size_t seen = column_points(column, node->grid.count);
    worker->samples_seen += seen;
    exec_count_column(worker->exec, node, column);
    return seen > 0;
}
