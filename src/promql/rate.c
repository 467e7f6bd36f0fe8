/*
 * rate, increase, delta, irate, idelta over floats.
 *
 * rate and increase extrapolate as Prometheus 3 does: the change between a window's first and last
 * sample, plus what was lost at each reset, is stretched to the window's edges; to the edge where
 * the nearest sample is less than 1.1 average distances away, else by half a distance; a counter
 * never below zero.
 */

#include "promql/extended.h"
#include "promql/range_functions.h"

#include <math.h>

static double range_seconds(DurationMs range) {
    return (double)(range / 1000) + (double)((range % 1000) * 1000000) / 1e9;
}

/* A start time tells of a reset where it is known, sensible and not before the sample before; where
 * it *is* the sample before, only if that one knows its own start (a delta series). */
static bool is_start_reset(TimeMs prev_start, TimeMs prev_time, TimeMs start, TimeMs time) {
    if (start == 0 || start >= time || start < prev_time) {
        return false;
    }
    if (start > prev_time) {
        return true;
    }
    return prev_start <= prev_time && prev_start != 0 && prev_start != prev_time;
}

static bool is_reset(const FloatPoints *points, size_t at) {
    return points->values[at] < points->values[at - 1] ||
           (points->starts && is_start_reset(points->starts[at - 1], points->times[at - 1],
                                             points->starts[at], points->times[at]));
}

/* Where the counter fell, over the whole series: found once, however many windows overlap. */
typedef struct Resets {
    uint32_t *at;
    size_t count;
} Resets;

static Resets find_resets(Arena *arena, const FloatPoints *points) {
    size_t count = 0;
    if (points->starts) {
        for (size_t i = 1; i < points->count; i++) {
            count += is_reset(points, i);
        }
    } else {
        for (size_t i = 1; i < points->count; i++) { /* many at once */
            count += points->values[i] < points->values[i - 1];
        }
    }
    Resets resets = {count ? arena_raw(arena, count * sizeof *resets.at) : NULL, 0};
    for (size_t i = 1; i < points->count && resets.count < count; i++) {
        if (is_reset(points, i)) {
            resets.at[resets.count++] = (uint32_t)i;
        }
    }
    return resets;
}

static void note_overlaps(const RollupCall *call, const FloatPoints *points, size_t from,
                          size_t to) {
    for (size_t i = from + 1; points->starts && i < to; i++) {
        TimeMs start = points->starts[i];
        if (start != 0 && start < points->times[i - 1] && start != points->starts[i - 1]) {
            note_start_overlap(worker_notes(call->worker, call->node), call->metric,
                               call->window_arg);
            return;
        }
    }
}

typedef struct Extrapolation {
    TimeMs start, end; /* of the window */
    DurationMs range;
    bool is_counter, is_rate;
} Extrapolation;

/* The window's first sample knows its start and that lies inside: a zero was there. */
static bool has_start_inside(const Extrapolation *window, const FloatPoints *points, size_t first) {
    return window->is_counter && points->starts && points->starts[first] != 0 &&
           points->starts[first] > window->start && points->starts[first] < points->times[first];
}

static double limit_to_zero(double to_start, double interval, double first_value, double change) {
    if (change > 0 && first_value >= 0) {
        double to_zero = interval * (first_value / change);
        return to_zero < to_start ? to_zero : to_start;
    }
    return to_start;
}

/* `change`: last - first, with resets made good. */
static bool extrapolate(const Extrapolation *window, const FloatPoints *points, size_t first,
                        size_t last, double change, double *ret_value) {
    TimeMs first_time = points->times[first], last_time = points->times[last];
    double to_start = (double)(first_time - window->start) / 1000;
    double to_end = (double)(window->end - last_time) / 1000;
    double interval = (double)(last_time - first_time) / 1000;
    double average = last > first ? interval / (double)(last - first) : 0;
    double threshold = average * 1.1;
    if (has_start_inside(window, points, first)) {
        to_start = 0;
        interval = (double)(last_time - points->starts[first]) / 1000;
        change += points->values[first];
    } else if (last == first) {
        return false;
    } else {
        to_start = to_start >= threshold ? average / 2 : to_start;
        if (window->is_counter) {
            to_start = limit_to_zero(to_start, interval, points->values[first], change);
        }
    }
    to_end = to_end >= threshold ? average / 2 : to_end;
    double factor = interval != 0 ? (interval + to_start + to_end) / interval : 1;
    if (window->is_rate) {
        factor /= range_seconds(window->range);
    }
    *ret_value = change * factor;
    return true;
}

static void extrapolated(const RollupCall *call, const FloatPoints *points, const Windows *windows,
                         bool is_counter, bool is_rate, double *out) {
    Resets resets = {0};
    if (is_counter) {
        resets = find_resets(&call->worker->scratch, points);
    }
    Extrapolation window = {.range = windows->range, .is_counter = is_counter, .is_rate = is_rate};
    size_t reset_first = 0;
    for (size_t step = 0; step < windows->steps; step++) {
        size_t from = windows->from[step], to = windows->to[step];
        if (to - from < (points->starts ? 1u : 2u)) {
            continue;
        }
        double change = points->values[to - 1] - points->values[from];
        while (reset_first < resets.count && resets.at[reset_first] <= from) {
            reset_first++;
        }
        for (size_t i = reset_first; i < resets.count && resets.at[i] < to; i++) {
            change += points->values[resets.at[i] - 1];
        }
        if (is_counter) {
            note_overlaps(call, points, from, to);
        }
        window.end = windows->end[step];
        window.start = window.end - windows->range;
        double value;
        if (extrapolate(&window, points, from, to - 1, change, &value)) {
            out[step] = value;
        }
    }
}

static void extended(const RollupCall *call, const FloatPoints *points, const Windows *windows,
                     bool is_counter, bool is_rate, double *out) {
    ExtendedWindow window = {.range = windows->range,
                             .smoothed = call->node->smoothed,
                             .is_counter = is_counter,
                             .is_rate = is_rate};
    for (size_t step = 0; step < windows->steps; step++) {
        double value;
        window.end = windows->end[step];
        window.start = window.end - windows->range;
        if (windows->to[step] > windows->from[step] &&
            extended_rate(&window, points, windows->from[step], windows->to[step], &value)) {
            out[step] = value;
        }
    }
}

static void change_rate(const RollupCall *call, const FloatPoints *points, const Windows *windows,
                        bool is_counter, bool is_rate, double *out) {
    if (call->node->anchored || call->node->smoothed) {
        extended(call, points, windows, is_counter, is_rate, out);
    } else {
        extrapolated(call, points, windows, is_counter, is_rate, out);
    }
}

static void rate(const RollupCall *call, const FloatPoints *points, const Windows *windows,
                 double *out) {
    change_rate(call, points, windows, true, true, out);
}

static void increase(const RollupCall *call, const FloatPoints *points, const Windows *windows,
                     double *out) {
    change_rate(call, points, windows, true, false, out);
}

static void delta(const RollupCall *call, const FloatPoints *points, const Windows *windows,
                  double *out) {
    change_rate(call, points, windows, false, false, out);
}

static void irate(const RollupCall *call, const FloatPoints *points, const Windows *windows,
                  double *out) {
    (void)call;
    for (size_t step = 0; step < windows->steps; step++) {
        size_t to = windows->to[step];
        if (to - windows->from[step] < 2) {
            continue;
        }
        DurationMs interval = points->times[to - 1] - points->times[to - 2];
        double last = points->values[to - 1];
        double change = is_reset(points, to - 1) ? last : last - points->values[to - 2];
        out[step] = change / ((double)interval / 1000);
    }
}

static void idelta(const RollupCall *call, const FloatPoints *points, const Windows *windows,
                   double *out) {
    (void)call;
    for (size_t step = 0; step < windows->steps; step++) {
        size_t to = windows->to[step];
        if (to - windows->from[step] >= 2) {
            out[step] = points->values[to - 1] - points->values[to - 2];
        }
    }
}

/* With an anchored selector the sample at or before the window's beginning is the baseline, and
 * there must be one after it. */
static bool first_counted(const RollupCall *call, const FloatPoints *points, const Windows *windows,
                          size_t step, size_t *ret_first) {
    size_t from = windows->from[step], to = windows->to[step];
    *ret_first = from;
    if (from == to || !call->node->anchored) {
        return from < to;
    }
    TimeMs start = windows->end[step] - windows->range;
    while (*ret_first + 1 < to && points->times[*ret_first + 1] <= start) {
        ++*ret_first;
    }
    return points->times[to - 1] > start;
}

/* Events between neighbours are counted once; a window's number is a difference of two counts. */
static void count_events(const RollupCall *call, const FloatPoints *points, const Windows *windows,
                         bool (*is_event)(const FloatPoints *points, size_t at), double *out) {
    uint32_t *before = arena_raw(&call->worker->scratch, points->count * sizeof *before);
    uint32_t events = 0;
    for (size_t i = 0; i < points->count; i++) {
        events += i > 0 && is_event(points, i);
        before[i] = events;
    }
    for (size_t step = 0; step < windows->steps; step++) {
        size_t first;
        if (first_counted(call, points, windows, step, &first)) {
            out[step] = (double)(before[windows->to[step] - 1] - before[first]);
        }
    }
}

static bool is_change(const FloatPoints *points, size_t at) {
    double now = points->values[at], before = points->values[at - 1];
    return now != before && !(isnan(now) && isnan(before));
}

static void changes(const RollupCall *call, const FloatPoints *points, const Windows *windows,
                    double *out) {
    count_events(call, points, windows, is_change, out);
}

static void resets(const RollupCall *call, const FloatPoints *points, const Windows *windows,
                   double *out) {
    count_events(call, points, windows, is_reset, out);
}

FloatKernel *rate_kernel(FunctionId id) {
    switch (id) {
    case FUNC_RATE:
    case FUNC_RATE_PROMETHEUS:
        return rate;
    case FUNC_INCREASE:
    case FUNC_INCREASE_PROMETHEUS:
        return increase;
    case FUNC_DELTA:
    case FUNC_DELTA_PROMETHEUS:
        return delta;
    case FUNC_IRATE:
        return irate;
    case FUNC_IDELTA:
        return idelta;
    case FUNC_CHANGES:
    case FUNC_CHANGES_PROMETHEUS:
        return changes;
    case FUNC_RESETS:
        return resets;
    default:
        return NULL;
    }
}
