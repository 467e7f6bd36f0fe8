#include "promql/select.h"

#include "promql/extended.h"
#include "promql/histogram_ops.h"
#include "promql/metricsql_rollup.h"

bool select_open(Exec *exec, PlanSelector *selector, Err *err) {
    if (!selector->opened) {
        selector->opened = true;
        uint64_t max = exec->options->budget.series_max;
        if (!snapshot_select(exec->snapshot, selector->sets, selector->set_count, selector->from,
                             selector->to, max, &selector->selection, err)) {
            if (err->kind == ERR_LIMIT) {
                Err found = *err;
                err_set(err, ERR_LIMIT, "%.900s: narrow the query or raise query.series_max",
                        found.text);
            }
            selector->err = exec_keep_err(exec, err);
        }
    }
    if (selector->err) {
        *err = *selector->err;
        return false;
    }
    return true;
}

/* ---- instant vectors ---- */

/* Index of the first sample after `time`, searched from `from` on: steps go forward, mostly by a
 * few samples. */
static size_t after_time(const TimeMs *times, size_t count, size_t from, TimeMs time) {
    while (from < count && times[from] <= time) {
        from++;
    }
    return from;
}

static double sample_value(const PlanNode *node, const SeriesData *data, size_t at) {
    switch (node->mode) {
    case SELECT_TIME:
        return (double)data->times[at] / 1000;
    case SELECT_START_TIME:
        return data->starts ? (double)data->starts[at] / 1000 : 0;
    case SELECT_VALUE:
        break;
    }
    return data->values[at];
}

static bool is_stale(const SeriesData *data, size_t at) {
    if (data->histograms && data->histograms[at]) {
        return histogram_is_stale(data->histograms[at]);
    }
    return value_is_stale(data->values[at]);
}

typedef struct InstantRead {
    Worker *worker;
    PlanNode *node;
    SeriesData data;
    Column *column;
    DurationMs lookback;
    size_t points;
    const Histogram *shared; /* the copy of sample `shared_at`, for all steps that see it */
    size_t shared_at;
} InstantRead;

static void put_sample(InstantRead *read, size_t step, size_t at) {
    const SeriesData *data = &read->data;
    const PlanNode *node = read->node;
    const Histogram *histogram = data->histograms ? data->histograms[at] : NULL;
    read->points++;
    if (!histogram || node->mode != SELECT_VALUE) {
        read->column->values[step] = sample_value(node, data, at);
        return;
    }
    Arena *arena = &read->worker->out;
    if (read->shared && read->shared_at == at) {
        read->column->histograms[step] = read->shared;
        return;
    }
    read->shared = histogram_copy(arena, histogram);
    read->shared_at = at;
    column_set_histogram(arena, read->column, node->grid.count, step, read->shared);
}

static void fill_instants(InstantRead *read) {
    const SeriesData *data = &read->data;
    const PlanNode *node = read->node;
    size_t next = 0;
    for (size_t step = 0; step < node->grid.count; step++) {
        TimeMs ref = plan_node_ref(node, step);
        next = after_time(data->times, data->count, next, ref);
        if (next == 0 || data->times[next - 1] <= ref - read->lookback ||
            is_stale(data, next - 1)) {
            continue;
        }
        put_sample(read, step, next - 1);
    }
}

/* ---- reset hints ---- */

/* How far back the sample before a span is looked for. */
static const DurationMs hint_lookback = HOUR_MS;

/* What a histogram says of a reset since the sample before. Prometheus finds this out when samples
 * arrive and keeps it; here it is found when they are read, which needs no state and knows of
 * samples that came late. As there, a reset that was found (and not told by the sender) is only
 * called one where nothing but counts and sums is asked for, and else left unknown. */
static ResetHint hint_after(Arena *arena, const Histogram *before, const Histogram *now,
                            bool stats) {
    if (now->hint == RESET_YES || now->hint == RESET_GAUGE) {
        return now->hint;
    }
    if (!before || before->hint == RESET_GAUGE || histogram_is_stale(before)) {
        return RESET_UNKNOWN;
    }
    Histogram unknown = *now;
    unknown.hint = RESET_UNKNOWN;
    if (!histogram_is_reset(arena, &unknown, before)) {
        return RESET_NO;
    }
    return stats ? RESET_YES : RESET_UNKNOWN;
}

static const Histogram *sample_before(Worker *worker, const PlanNode *node, size_t index,
                                      TimeMs from) {
    SeriesData data = {0};
    selection_read(node->selector->selection, index, from - hint_lookback, from - 1,
                   &worker->scratch, &data);
    return data.count && data.histograms ? data.histograms[data.count - 1] : NULL;
}

static void find_hints(Worker *worker, const PlanNode *node, size_t index, TimeMs from,
                       SeriesData *data) {
    Arena *arena = &worker->scratch;
    const Histogram *before = sample_before(worker, node, index, from);
    const Histogram **hinted = arena_array(arena, const Histogram *, data->count);
    for (size_t i = 0; i < data->count; i++) {
        const Histogram *now = data->histograms[i];
        if (now && !histogram_is_stale(now)) {
            Histogram *copy = arena_new(arena, Histogram);
            *copy = *now;
            copy->hint = hint_after(arena, before, now, node->stats);
            hinted[i] = copy;
        } else {
            hinted[i] = now;
        }
        before = now;
    }
    data->histograms = hinted;
}

static bool read_data(Worker *worker, PlanNode *node, size_t index, SeriesData *ret_data) {
    TimeMs from, to;
    plan_node_span(worker->exec->plan, node, &from, &to);
    *ret_data = (SeriesData){0};
    selection_read(node->selector->selection, index, from, to, &worker->scratch, ret_data);
    worker->samples_read += ret_data->count;
    if (ret_data->count && ret_data->histograms) {
        find_hints(worker, node, index, from, ret_data);
    }
    return ret_data->count > 0;
}

bool select_column(Worker *worker, PlanNode *node, size_t index, Column *ret_column) {
    SeriesData data;
    if (!read_data(worker, node, index, &data)) {
        return false;
    }
    if (node->mode == SELECT_START_TIME && !worker->exec->options->start_timestamps) {
        return false;
    }
    ret_column->labels = selection_labels(node->selector->selection, index);
    ret_column->drop_name = node->mode != SELECT_VALUE;
    if (node->smoothed) {
        return smooth_column(worker, node, &data, ret_column);
    }
    if (!worker_reserve(worker, node->grid.count * sizeof(double))) {
        return false;
    }
    ret_column->values = column_alloc(&worker->out, node->grid.count);
    InstantRead read = {.worker = worker,
                        .node = node,
                        .data = data,
                        .column = ret_column,
                        .lookback = worker->exec->plan->lookback};
    if (node->expr->flavour == PROMQL_METRICSQL) {
        read.lookback = metricsql_lookback(&node->grid, data.times, data.count, read.lookback);
    }
    fill_instants(&read);
    worker->samples_seen += read.points;
    exec_count_column(worker->exec, node, ret_column);
    return read.points > 0;
}

/* ---- windows ---- */

static size_t count_stale(const SeriesData *data) {
    size_t stale = 0;
    for (size_t i = 0; i < data->count; i++) {
        stale += value_is_stale(data->values[i]);
    }
    return stale;
}

void split_points(Arena *arena, const SeriesData *data, const TimeMs *starts,
                  SeriesPoints *points) {
    size_t count = data->count;
    TimeMs *float_times = arena_raw(arena, count * sizeof *float_times);
    TimeMs *float_starts = starts ? arena_raw(arena, count * sizeof *float_starts) : NULL;
    double *floats = arena_raw(arena, count * sizeof *floats);
    TimeMs *histogram_times = arena_raw(arena, count * sizeof *histogram_times);
    TimeMs *histogram_starts = starts ? arena_raw(arena, count * sizeof *histogram_starts) : NULL;
    const Histogram **histograms = arena_raw(arena, count * sizeof *histograms);
    size_t float_count = 0, histogram_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_stale(data, i)) {
            continue;
        }
        if (data->histograms && data->histograms[i]) {
            if (starts) {
                histogram_starts[histogram_count] = starts[i];
            }
            histogram_times[histogram_count] = data->times[i];
            histograms[histogram_count++] = data->histograms[i];
            continue;
        }
        if (starts) {
            float_starts[float_count] = starts[i];
        }
        float_times[float_count] = data->times[i];
        floats[float_count++] = data->values[i];
    }
    points->floats = (FloatPoints){float_times, floats, float_starts, float_count};
    points->histograms =
        (HistogramPoints){histogram_times, histograms, histogram_starts, histogram_count};
}

bool select_points(Worker *worker, PlanNode *node, size_t index, SeriesPoints *ret_points) {
    SeriesData data;
    if (!read_data(worker, node, index, &data)) {
        return false;
    }
    const TimeMs *starts = worker->exec->options->start_timestamps ? data.starts : NULL;
    *ret_points = (SeriesPoints){.labels = selection_labels(node->selector->selection, index)};
    if (!data.histograms && count_stale(&data) == 0) {
        ret_points->floats = (FloatPoints){data.times, data.values, starts, data.count};
    } else {
        split_points(&worker->scratch, &data, starts, ret_points);
    }
    return ret_points->floats.count + ret_points->histograms.count > 0;
}

/* ---- raw samples as an answer ---- */

static SeriesPoints keep_points(Arena *arena, SeriesPoints points) {
    FloatPoints *floats = &points.floats;
    TimeMs *times = arena_raw(arena, floats->count * sizeof *times);
    double *values = arena_raw(arena, floats->count * sizeof *values);
    if (floats->count) {
        memcpy(times, floats->times, floats->count * sizeof *times);
        memcpy(values, floats->values, floats->count * sizeof *values);
    }
    points.floats = (FloatPoints){times, values, NULL, floats->count};
    HistogramPoints *from = &points.histograms;
    TimeMs *histogram_times = arena_raw(arena, from->count * sizeof *histogram_times);
    const Histogram **histograms = arena_raw(arena, from->count * sizeof *histograms);
    for (size_t i = 0; i < from->count; i++) {
        histogram_times[i] = from->times[i];
        histograms[i] = histogram_copy(arena, from->values[i]);
    }
    points.histograms = (HistogramPoints){histogram_times, histograms, NULL, from->count};
    points.labels = labels_copy(arena, points.labels);
    return points;
}

static SeriesPoints column_points_of(Arena *arena, const Column *column, const Grid *grid) {
    size_t count = grid->count;
    TimeMs *times = arena_raw(arena, count * sizeof *times);
    double *values = arena_raw(arena, count * sizeof *values);
    TimeMs *histogram_times = arena_raw(arena, count * sizeof *histogram_times);
    const Histogram **histograms = arena_raw(arena, count * sizeof *histograms);
    SeriesPoints points = {.labels = column->labels, .drop_name = column->drop_name};
    size_t floats = 0, others = 0;
    for (size_t i = 0; i < count; i++) {
        if (column->histograms && column->histograms[i]) {
            histogram_times[others] = grid_time(grid, i);
            histograms[others++] = column->histograms[i];
        } else if (!value_is_none(column->values[i])) {
            times[floats] = grid_time(grid, i);
            values[floats++] = column->values[i];
        }
    }
    points.floats = (FloatPoints){times, values, NULL, floats};
    points.histograms = (HistogramPoints){histogram_times, histograms, NULL, others};
    return points;
}

static bool raw_subquery(Exec *exec, PlanNode *node, Arena *arena, SeriesPoints **ret_series,
                         size_t *ret_count, Err *err) {
    const PlanNode *inner = node->subquery;
    const Frame *frame = &inner->frame;
    if (!exec_charge_bytes(exec, frame->count * inner->grid.count * 16, err)) {
        return false;
    }
    *ret_series = arena_array(arena, SeriesPoints, frame->count);
    *ret_count = frame->count;
    for (size_t i = 0; i < frame->count; i++) {
        (*ret_series)[i] = column_points_of(arena, &frame->columns[i], &inner->grid);
    }
    return true;
}

static bool check_raw_histograms(const PlanNode *node, const SeriesPoints *points, Err *err) {
    if ((node->anchored || node->smoothed) && points->histograms.count) {
        return err_set(err, ERR_INVALID, "%s modifier is not supported with histograms",
                       node->anchored ? "anchored" : "smoothed");
    }
    return true;
}

bool select_raw(Exec *exec, PlanNode *node, Arena *arena, SeriesPoints **ret_series,
                size_t *ret_count, Err *err) {
    if (node->subquery) {
        return raw_subquery(exec, node, arena, ret_series, ret_count, err);
    }
    size_t series = selection_count(node->selector->selection);
    SeriesPoints *list = arena_array(arena, SeriesPoints, series);
    Worker worker = {.exec = exec};
    size_t count = 0;
    bool ok = true;
    for (size_t i = 0; ok && i < series; i++) {
        SeriesPoints points;
        arena_reset(&worker.scratch);
        if (!select_points(&worker, node, i, &points)) {
            continue;
        }
        ok = check_raw_histograms(node, &points, err) && exec_check(exec, err) &&
             exec_charge_samples(exec, points.floats.count + points.histograms.count, err) &&
             exec_charge_bytes(exec, 16 * (points.floats.count + points.histograms.count), err);
        if (ok && (node->anchored || node->smoothed)) {
            extend_points(&worker.scratch, node, &points.floats);
        }
        if (ok && points.floats.count + points.histograms.count) {
            uint64_t seen = points.floats.count + points.histograms.count;
            exec_count(exec, node, 0, seen, seen);
            list[count++] = keep_points(arena, points);
        }
    }
    node->samples_read += worker.samples_read;
    arena_finish(&worker.scratch);
    *ret_series = list;
    *ret_count = count;
    return ok;
}
