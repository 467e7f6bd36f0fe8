#include "promql/range_histograms.h"

#include <math.h>

#include "promql/extended.h"
#include "promql/histogram_ops.h"

/* ---- samples of both kinds in order of time ---- */

typedef struct MixedSample {
    TimeMs time, start;
    double value;
    const Histogram *histogram;
} MixedSample;

typedef struct MixedWalk {
    const HistogramWindow *window;
    size_t next_float, next_histogram;
} MixedWalk;

static bool next_mixed(MixedWalk *walk, MixedSample *ret_sample) {
    const HistogramWindow *window = walk->window;
    const FloatPoints *floats = window->floats;
    const HistogramPoints *histograms = window->histograms;
    bool has_float = walk->next_float < window->float_to;
    bool has_histogram = walk->next_histogram < window->to;
    if (!has_float && !has_histogram) {
        return false;
    }
    bool take_float = !has_histogram || (has_float && floats->times[walk->next_float] <
                                                          histograms->times[walk->next_histogram]);
    if (take_float) {
        size_t at = walk->next_float++;
        *ret_sample = (MixedSample){floats->times[at], floats->starts ? floats->starts[at] : 0,
                                    floats->values[at], NULL};
    } else {
        size_t at = walk->next_histogram++;
        *ret_sample =
            (MixedSample){histograms->times[at], histograms->starts ? histograms->starts[at] : 0, 0,
                          histograms->values[at]};
    }
    return true;
}

static bool is_start_reset(const MixedSample *before, const MixedSample *now) {
    if (now->start == 0 || now->start >= now->time || now->start < before->time) {
        return false;
    }
    if (now->start > before->time) {
        return true;
    }
    return before->start <= before->time && before->start != 0 && before->start != before->time;
}

/* ---- rate, increase, delta ---- */

static double range_seconds(DurationMs range) {
    return (double)(range / 1000) + (double)((range % 1000) * 1000000) / 1e9;
}

typedef struct RateRun {
    const RollupCall *call;
    const HistogramWindow *window;
    Arena *arena;
    Notes *notes;
    bool is_counter, is_rate;
} RateRun;

static MixedSample sample_at(const RateRun *run, size_t at) {
    const HistogramPoints *points = run->window->histograms;
    return (MixedSample){points->times[at], points->starts ? points->starts[at] : 0, 0,
                         points->values[at]};
}

static bool is_reset_between(const RateRun *run, size_t at, const Histogram *before) {
    MixedSample previous = sample_at(run, at - 1), now = sample_at(run, at);
    return is_start_reset(&previous, &now) || histogram_is_reset(run->arena, now.histogram, before);
}

static bool mixed_schemas(const RateRun *run) {
    note_mixed_schemas(run->notes, run->call->metric, run->call->window_arg);
    return false;
}

/* Checks what lies between the first and last; `*ret_schema` is the lowest resolution. */
static bool check_between(const RateRun *run, bool custom, int32_t *ret_schema) {
    const HistogramWindow *window = run->window;
    for (size_t i = window->from + 1; run->is_counter && i + 1 < window->to; i++) {
        const Histogram *now = window->histograms->values[i];
        if (now->hint == RESET_GAUGE) {
            note_not_counter(run->notes, run->call->metric, run->call->window_arg);
        }
        if (histogram_is_custom(now) != custom) {
            return mixed_schemas(run);
        }
        *ret_schema = now->schema < *ret_schema ? now->schema : *ret_schema;
    }
    return true;
}

static void note_overlaps(const RateRun *run) {
    for (size_t i = run->window->from + 1; i < run->window->to; i++) {
        MixedSample before = sample_at(run, i - 1), now = sample_at(run, i);
        if (now.start != 0 && now.start < before.time && now.start != before.start) {
            note_start_overlap(run->notes, run->call->metric, run->call->window_arg);
            return;
        }
    }
}

static bool add_resets(const RateRun *run, const Histogram *first, HistogramSum *sum) {
    const HistogramWindow *window = run->window;
    const Histogram *before = first;
    note_overlaps(run);
    for (size_t i = window->from + 1; i < window->to; i++) {
        const Histogram *now = window->histograms->values[i];
        if (is_reset_between(run, i, before) &&
            !histogram_sum_noted(sum, before, false, run->notes, run->call->metric,
                                 run->call->window_arg)) {
            return false;
        }
        before = now;
    }
    return true;
}

static void note_kinds(const RateRun *run, const Histogram *first, const Histogram *last) {
    bool any_gauge = first->hint == RESET_GAUGE || last->hint == RESET_GAUGE;
    bool both_gauge = first->hint == RESET_GAUGE && last->hint == RESET_GAUGE;
    if (run->is_counter && any_gauge) {
        note_not_counter(run->notes, run->call->metric, run->call->window_arg);
    }
    if (!run->is_counter && !both_gauge) {
        note_not_gauge(run->notes, run->call->metric, run->call->window_arg);
    }
}

/* last - first, and what was lost at resets. A reset right after the first makes the first
 * irrelevant, with whatever buckets it has. */
static bool histogram_change(const RateRun *run, HistogramSum *ret_sum) {
    const HistogramWindow *window = run->window;
    const Histogram *const *values = window->histograms->values;
    const Histogram *first = values[window->from], *last = values[window->to - 1];
    const Histogram *second = values[window->from + 1];
    Histogram nothing = {.schema = second->schema,
                         .custom_values = second->custom_values,
                         .custom_count = second->custom_count};
    if (run->is_counter) {
        note_kinds(run, first, last);
        if (is_reset_between(run, window->from + 1, first)) {
            first = &nothing;
        }
    }
    bool custom = histogram_is_custom(first);
    if (histogram_is_custom(last) != custom) {
        return mixed_schemas(run);
    }
    int32_t schema = last->schema < first->schema ? last->schema : first->schema;
    if (!check_between(run, custom, &schema)) {
        return false;
    }
    histogram_sum_start(run->arena, histogram_reduced(run->arena, last, schema), ret_sum);
    if (!histogram_sum_noted(ret_sum, first, true, run->notes, run->call->metric,
                             run->call->window_arg)) {
        return false;
    }
    if (!run->is_counter) {
        note_kinds(run, first, last);
    } else if (!add_resets(run, first, ret_sum)) {
        return false;
    }
    ret_sum->hint = RESET_GAUGE;
    histogram_sum_compact(ret_sum);
    return true;
}

/* How far the change is stretched: as for floats, with the count of observations for the value. */
static double stretch(const RateRun *run, double interval, double to_start, double to_end,
                      double average, double first_count, double change_count) {
    double threshold = average * 1.1;
    to_start = to_start >= threshold ? average / 2 : to_start;
    if (run->is_counter && change_count > 0 && first_count >= 0) {
        double to_zero = interval * (first_count / change_count);
        to_start = to_zero < to_start ? to_zero : to_start;
    }
    to_end = to_end >= threshold ? average / 2 : to_end;
    return interval != 0 ? (interval + to_start + to_end) / interval : 1;
}

static bool extrapolated(const RateRun *run, HistogramResult *ret_result) {
    const HistogramWindow *window = run->window;
    const HistogramPoints *points = window->histograms;
    size_t first = window->from, last = window->to - 1;
    HistogramSum sum;
    if (last > first && !histogram_change(run, &sum)) {
        return false;
    }
    TimeMs range_start = window->end - window->range;
    double to_end = (double)(window->end - points->times[last]) / 1000;
    double interval = (double)(points->times[last] - points->times[first]) / 1000;
    double average = last > first ? interval / (double)(last - first) : 0;
    TimeMs start = points->starts ? points->starts[first] : 0;
    double factor;
    if (run->is_counter && start != 0 && start > range_start && start < points->times[first]) {
        if (last == first) {
            histogram_sum_start(run->arena, points->values[first], &sum);
        } else if (!histogram_sum_noted(&sum, points->values[first], false, run->notes,
                                        run->call->metric, run->call->window_arg)) {
            return false;
        }
        interval = (double)(points->times[last] - start) / 1000;
        to_end = to_end >= average * 1.1 ? average / 2 : to_end;
        factor = interval != 0 ? (interval + to_end) / interval : 1;
    } else if (last == first) {
        return false;
    } else {
        double to_start = (double)(points->times[first] - range_start) / 1000;
        factor = stretch(run, interval, to_start, to_end, average, points->values[first]->count,
                         sum.count);
    }
    if (run->is_rate) {
        factor /= range_seconds(window->range);
    }
    histogram_sum_scale(&sum, factor);
    ret_result->histogram = histogram_sum_result(&sum);
    return true;
}

static bool run_rate(const RateRun *run, HistogramResult *ret_result) {
    const HistogramWindow *window = run->window;
    const PlanNode *node = run->call->node;
    if (window->float_from < window->float_to) {
        note_mixed_samples(run->notes, run->call->metric, run->call->window_arg);
        return false;
    }
    if (!node->anchored && !node->smoothed) {
        return extrapolated(run, ret_result);
    }
    ExtendedWindow extended = {.start = window->end - window->range,
                               .end = window->end,
                               .range = window->range,
                               .smoothed = node->smoothed,
                               .is_counter = run->is_counter,
                               .is_rate = run->is_rate};
    ret_result->histogram =
        extended_histogram_rate(run->arena, run->notes, run->call->metric, &extended,
                                window->histograms, window->from, window->to);
    return ret_result->histogram != NULL;
}

/* ---- irate, idelta ---- */

static bool last_two(const HistogramWindow *window, MixedSample *ret_before,
                     MixedSample *ret_last) {
    MixedWalk walk = {window, window->float_from, window->from};
    size_t floats = window->float_to - window->float_from, all = window->to - window->from;
    walk.next_float = floats > 2 ? window->float_to - 2 : window->float_from;
    walk.next_histogram = all > 2 ? window->to - 2 : window->from;
    size_t found = 0;
    MixedSample sample;
    while (next_mixed(&walk, &sample)) {
        *ret_before = *ret_last;
        *ret_last = sample;
        found++;
    }
    return found >= 2 && ret_last->time != ret_before->time;
}

static bool histogram_step(const RateRun *run, const MixedSample *before, const MixedSample *last,
                           HistogramResult *ret_result) {
    bool any_gauge = last->histogram->hint == RESET_GAUGE || before->histogram->hint == RESET_GAUGE;
    bool both_gauge =
        last->histogram->hint == RESET_GAUGE && before->histogram->hint == RESET_GAUGE;
    if (run->is_rate && any_gauge) {
        note_not_counter(run->notes, run->call->metric, run->call->window_arg);
    }
    if (!run->is_rate && !both_gauge) {
        note_not_gauge(run->notes, run->call->metric, run->call->window_arg);
    }
    HistogramSum sum;
    histogram_sum_start(run->arena, last->histogram, &sum);
    bool reset = is_start_reset(before, last) ||
                 histogram_is_reset(run->arena, last->histogram, before->histogram);
    if ((!run->is_rate || !reset) &&
        !histogram_sum_noted(&sum, before->histogram, true, run->notes, run->call->metric,
                             run->call->window_arg)) {
        return false;
    }
    sum.hint = RESET_GAUGE;
    histogram_sum_compact(&sum);
    if (run->is_rate) {
        histogram_sum_divide(&sum, (double)(last->time - before->time) / 1000);
    }
    ret_result->histogram = histogram_sum_result(&sum);
    return true;
}

static bool run_instant_rate(const RateRun *run, HistogramResult *ret_result) {
    MixedSample before = {0}, last = {0};
    if (!last_two(run->window, &before, &last)) {
        return false;
    }
    if (!before.histogram != !last.histogram) {
        note_mixed_samples(run->notes, run->call->metric, run->call->window_arg);
        return false;
    }
    if (last.histogram) {
        return histogram_step(run, &before, &last, ret_result);
    }
    double change = last.value - before.value;
    if (run->is_rate && (last.value < before.value || is_start_reset(&before, &last))) {
        change = last.value;
    }
    ret_result->is_float = true;
    ret_result->value = run->is_rate ? change / ((double)(last.time - before.time) / 1000) : change;
    return true;
}

/* ---- changes, resets ---- */

static bool is_mixed_reset(Arena *arena, const MixedSample *before, const MixedSample *now) {
    if (!before->histogram != !now->histogram) {
        return true;
    }
    if (is_start_reset(before, now)) {
        return true;
    }
    return now->histogram ? histogram_is_reset(arena, now->histogram, before->histogram)
                          : now->value < before->value;
}

static bool is_mixed_change(Arena *arena, const MixedSample *before, const MixedSample *now) {
    (void)arena;
    if (!before->histogram != !now->histogram) {
        return true;
    }
    if (now->histogram) {
        return !histogram_same(now->histogram, before->histogram);
    }
    return now->value != before->value && !(isnan(now->value) && isnan(before->value));
}

/* Anchored: the last sample at or before the window's beginning is the baseline, and there has to
 * be one after it. */
static bool anchored_start(const RollupCall *call, const HistogramWindow *window, MixedWalk *walk) {
    if (!call->node->anchored) {
        return true;
    }
    TimeMs start = window->end - window->range;
    MixedWalk look = *walk;
    MixedSample sample;
    bool after = false;
    for (;;) {
        MixedWalk here = look;
        if (!next_mixed(&look, &sample)) {
            break;
        }
        if (sample.time > start) {
            after = true;
            break;
        }
        *walk = here;
    }
    return after;
}

static bool count_events(const RollupCall *call, const HistogramWindow *window, Arena *arena,
                         HistogramResult *ret_result) {
    MixedWalk walk = {window, window->float_from, window->from};
    if (!anchored_start(call, window, &walk)) {
        return false;
    }
    bool resets = call->id == FUNC_RESETS;
    MixedSample before = {0}, now;
    size_t events = 0;
    bool first = true;
    while (next_mixed(&walk, &now)) {
        if (!first) {
            events += resets ? is_mixed_reset(arena, &before, &now)
                             : is_mixed_change(arena, &before, &now);
        }
        first = false;
        before = now;
    }
    *ret_result = (HistogramResult){.is_float = true, .value = (double)events};
    return true;
}

/* ---- sum and average ---- */

typedef struct SumRun {
    const RollupCall *call;
    const HistogramWindow *window;
    Notes *notes;
    bool reset_seen, no_reset_seen, reconciled;
} SumRun;

static void see(SumRun *run, const Histogram *histogram) {
    run->reset_seen |= histogram->hint == RESET_YES;
    run->no_reset_seen |= histogram->hint == RESET_NO;
}

static bool add_mean(HistogramSum *sum, HistogramSum *mean, bool *incremental,
                     const Histogram *histogram, double count, HistogramMeet *meet) {
    if (!*incremental) {
        HistogramSum next = histogram_sum_copy(sum);
        if (!histogram_sum_add_exact(&next, histogram, meet)) {
            return false;
        }
        if (!histogram_sum_overflows(&next)) {
            *sum = next;
            return true;
        }
        *incremental = true;
        *mean = histogram_sum_copy(sum);
        histogram_sum_divide(mean, count - 1);
        histogram_sum_scale_comps(mean, 1 / (count - 1));
    }
    double q = (count - 1) / count;
    histogram_sum_scale_comps(mean, q);
    histogram_sum_scale(mean, q);
    return histogram_sum_add_exact(mean, histogram_divide(sum->arena, histogram, count), meet);
}

static bool sum_histograms(SumRun *run, Arena *arena, bool average, HistogramResult *ret_result) {
    const HistogramWindow *window = run->window;
    const Histogram *const *values = window->histograms->values;
    HistogramSum sum, mean;
    bool incremental = false;
    histogram_sum_start(arena, values[window->from], &sum);
    see(run, values[window->from]);
    for (size_t i = window->from + 1; i < window->to; i++) {
        HistogramMeet meet = {0};
        double count = (double)(i - window->from + 1);
        see(run, values[i]);
        bool ok = average ? add_mean(&sum, &mean, &incremental, values[i], count, &meet)
                          : histogram_sum_add_exact(&sum, values[i], &meet);
        if (!ok) {
            note_mixed_schemas(run->notes, run->call->metric, run->call->window_arg);
            return false;
        }
        run->reconciled |= meet.reconciled;
    }
    HistogramSum *result = incremental ? &mean : &sum;
    if (average && !incremental) {
        double count = (double)(window->to - window->from);
        histogram_sum_divide(result, count);
        histogram_sum_scale_comps(result, 1 / count);
    }
    histogram_sum_fold(result);
    ret_result->histogram = histogram_sum_result(result);
    return true;
}

static bool run_sum(const RollupCall *call, const HistogramWindow *window, Arena *arena,
                    bool average, HistogramResult *ret_result) {
    SumRun run = {.call = call, .window = window, .notes = worker_notes(call->worker, call->node)};
    if (window->float_from < window->float_to) {
        note_mixed_samples(run.notes, call->metric, call->window_arg);
        return false;
    }
    if (!sum_histograms(&run, arena, average, ret_result)) {
        return false;
    }
    if (run.reset_seen && run.no_reset_seen) {
        note_reset_collision(run.notes, "aggregation", call->window_arg);
    }
    if (run.reconciled) {
        note_reconciled_buckets(run.notes, "aggregation", call->window_arg);
    }
    return true;
}

/* ---- first, last and counts ---- */

static bool pick_sample(const RollupCall *call, const HistogramWindow *window, Arena *arena,
                        bool last, bool time, HistogramResult *ret_result) {
    (void)call;
    const HistogramPoints *histograms = window->histograms;
    const FloatPoints *floats = window->floats;
    size_t at = last ? window->to - 1 : window->from;
    bool has_float = window->float_from < window->float_to;
    size_t float_at = last ? window->float_to - 1 : window->float_from;
    bool take_float = has_float && (last ? floats->times[float_at] > histograms->times[at]
                                         : floats->times[float_at] < histograms->times[at]);
    TimeMs sample_time = take_float ? floats->times[float_at] : histograms->times[at];
    if (time) {
        *ret_result = (HistogramResult){.is_float = true, .value = (double)sample_time / 1000};
    } else if (take_float) {
        *ret_result = (HistogramResult){.is_float = true, .value = floats->values[float_at]};
    } else {
        ret_result->histogram = histogram_copy(arena, histograms->values[at]);
    }
    return true;
}

static bool give_float(double value, HistogramResult *ret_result) {
    *ret_result = (HistogramResult){.is_float = true, .value = value};
    return true;
}

/* Functions of floats: the histograms beside them are ignored, with a note. Trends need two floats;
 * where there is one, the note is all there is. */
static bool ignore_histograms(const RollupCall *call, const HistogramWindow *window,
                              double float_value, HistogramResult *ret_result) {
    if (window->float_from == window->float_to) {
        return false;
    }
    note_histogram_ignored_in_range(worker_notes(call->worker, call->node), call->metric, 0);
    return !value_is_none(float_value) && give_float(float_value, ret_result);
}

bool histogram_window(const RollupCall *call, const HistogramWindow *window, double float_value,
                      HistogramResult *ret_result) {
    Arena *arena = &call->worker->out;
    *ret_result = (HistogramResult){0};
    RateRun run = {.call = call,
                   .window = window,
                   .arena = arena,
                   .notes = worker_notes(call->worker, call->node),
                   .is_counter = call->id == FUNC_RATE || call->id == FUNC_INCREASE,
                   .is_rate = call->id == FUNC_RATE || call->id == FUNC_IRATE};
    switch (call->id) {
    case FUNC_RATE:
    case FUNC_INCREASE:
    case FUNC_DELTA:
        return run_rate(&run, ret_result);
    case FUNC_IRATE:
    case FUNC_IDELTA:
        return run_instant_rate(&run, ret_result);
    case FUNC_CHANGES:
    case FUNC_RESETS:
        return count_events(call, window, arena, ret_result);
    case FUNC_SUM_OVER_TIME:
    case FUNC_AVG_OVER_TIME:
        return run_sum(call, window, arena, call->id == FUNC_AVG_OVER_TIME, ret_result);
    case FUNC_FIRST_OVER_TIME:
    case FUNC_LAST_OVER_TIME:
    case FUNC_DEFAULT_ROLLUP:
        return pick_sample(call, window, arena, call->id != FUNC_FIRST_OVER_TIME, false,
                           ret_result);
    case FUNC_TS_OF_FIRST_OVER_TIME:
    case FUNC_TS_OF_LAST_OVER_TIME:
        return pick_sample(call, window, arena, call->id == FUNC_TS_OF_LAST_OVER_TIME, true,
                           ret_result);
    case FUNC_COUNT_OVER_TIME:
        return give_float((double)(window->to - window->from) +
                              (double)(window->float_to - window->float_from),
                          ret_result);
    case FUNC_PRESENT_OVER_TIME:
    case FUNC_ABSENT_OVER_TIME:
        return give_float(1, ret_result);
    default:
        return ignore_histograms(call, window, float_value, ret_result);
    }
}
