#include "promql/range_functions.h"

#include "promql/metricsql_rollup.h"
#include "promql/range_histograms.h"

double rollup_number(const RollupCall *call, size_t index, size_t step) {
    const PlanNode *arg = call->node->args[index];
    return arg ? exec_scalar(arg, call->step_first + step) : value_nan();
}

/* ---- windows ---- */

/* Both edges of every step's window, by one walk over the times. A window is (end - range, end];
 * around extended selectors it is wider by the lookback. */
typedef struct Edges {
    DurationMs back, ahead;
} Edges;

static Edges window_edges(const PlanNode *node, const Plan *plan) {
    DurationMs lookback = plan->lookback;
    Edges edges = {node->range + plan->closed, 0};
    if (node->selector && (node->anchored || node->smoothed)) {
        edges.back += lookback;
        edges.ahead = node->smoothed ? lookback : 0;
    }
    return edges;
}

static void find_windows(const PlanNode *node, Edges edges, const TimeMs *times, size_t count,
                         uint32_t *from, uint32_t *to) {
    size_t low = 0, high = 0;
    for (size_t step = 0; step < node->grid.count; step++) {
        TimeMs end = plan_node_ref(node, step);
        while (high < count && times[high] <= end + edges.ahead) {
            high++;
        }
        while (low < high && times[low] <= end - edges.back) {
            low++;
        }
        from[step] = (uint32_t)low;
        to[step] = (uint32_t)high;
    }
}

/* Where the windows of such times are remembered. */
static WorkerWindows *windows_place(Worker *worker, const TimeMs *times, size_t count) {
    uint64_t hash = count ? (uint64_t)times[0] * UINT64_C(0x9e3779b97f4a7c15) : 0;
    return &worker->windows[hash >> 61]; /* WORKER_WINDOWS places */
}

static bool windows_known(const WorkerWindows *known, const PlanNode *node, const TimeMs *times,
                          size_t count) {
    return known->node == node && known->count == count &&
           memcmp(known->times, times, count * sizeof *times) == 0;
}

static void learn_windows(Worker *worker, WorkerWindows *known, const PlanNode *node,
                          const TimeMs *times, size_t count) {
    size_t steps = node->grid.count;
    Arena *arena = &worker->windows_arena;
    if (known->node != node) {
        known->from = arena_raw(arena, steps * sizeof *known->from);
        known->to = arena_raw(arena, steps * sizeof *known->to);
        known->end = arena_raw(arena, steps * sizeof *known->end);
        known->node = node;
    }
    if (known->room < count) {
        known->times = arena_raw(arena, count * 2 * sizeof *known->times);
        known->room = count * 2;
    }
    if (count) {
        memcpy(known->times, times, count * sizeof *times);
    }
    known->count = count;
    known->samples = 0;
    find_windows(node, window_edges(node, worker->exec->plan), times, count, known->from,
                 known->to);
    for (size_t step = 0; step < steps; step++) {
        known->end[step] = plan_node_ref(node, step);
        known->samples += known->to[step] - known->from[step];
    }
}

/* Samples of a subquery were read where it was computed. */
static void count_windows(Exec *exec, const PlanNode *node, const WorkerWindows *known) {
    uint32_t seen = 0;
    for (size_t step = 0; exec->counts && step < node->grid.count; step++) {
        uint32_t from = known->from[step], to = known->to[step];
        uint32_t fresh = from > seen ? from : seen;
        exec_count(exec, node, step, to - from, node->subquery || to <= fresh ? 0 : to - fresh);
        seen = to;
    }
}

static Windows make_windows(Worker *worker, WorkerWindows *known, const PlanNode *node,
                            const TimeMs *times, size_t count) {
    if (count == 0 || !windows_known(known, node, times, count)) {
        learn_windows(worker, known, node, times, count);
    }
    worker->samples_seen += known->samples;
    count_windows(worker->exec, node, known);
    return (Windows){node->grid.count, known->from, known->to,
                     known->end,       node->range, known->samples};
}

/* ---- the input ---- */

/* A subquery's column as samples. Explicit reset hints of its histograms are forgotten: what they
 * say is about neighbours that need not be in the column, or are there twice. */
static const Histogram *without_reset_hint(Arena *arena, const Histogram *histogram) {
    if (histogram->hint != RESET_YES && histogram->hint != RESET_NO) {
        return histogram;
    }
    Histogram *copy = arena_new(arena, Histogram);
    *copy = *histogram;
    copy->hint = RESET_UNKNOWN;
    return copy;
}

static bool subquery_points(Worker *worker, const PlanNode *node, size_t index,
                            SeriesPoints *ret_points) {
    const PlanNode *inner = node->subquery;
    const Column *column = &inner->frame.columns[index];
    Arena *scratch = &worker->scratch;
    size_t steps = inner->grid.count, floats = 0, others = 0;
    if (!worker_reserve(worker, steps * (column->histograms ? 32 : 16))) {
        return false;
    }
    TimeMs *times = arena_raw(scratch, steps * sizeof *times);
    double *values = arena_raw(scratch, steps * sizeof *values);
    TimeMs *histogram_times = NULL;
    const Histogram **histograms = NULL;
    if (column->histograms) {
        histogram_times = arena_raw(scratch, steps * sizeof *histogram_times);
        histograms = arena_raw(scratch, steps * sizeof *histograms);
    }
    for (size_t i = 0; i < steps; i++) {
        if (column->histograms && column->histograms[i]) {
            histogram_times[others] = grid_time(&inner->grid, i);
            histograms[others++] = without_reset_hint(scratch, column->histograms[i]);
        } else if (!value_is_none(column->values[i])) {
            times[floats] = grid_time(&inner->grid, i);
            values[floats++] = column->values[i];
        }
    }
    *ret_points = (SeriesPoints){.labels = column->labels, .drop_name = column->drop_name};
    ret_points->floats = (FloatPoints){times, values, NULL, floats};
    ret_points->histograms = (HistogramPoints){histogram_times, histograms, NULL, others};
    return floats + others > 0;
}

static bool uses_start_times(FunctionId id) {
    return id == FUNC_RATE || id == FUNC_IRATE || id == FUNC_INCREASE || id == FUNC_RESETS;
}

bool rollup_points(Worker *worker, PlanNode *node, size_t index, SeriesPoints *ret_points) {
    if (node->subquery) {
        return subquery_points(worker, node, index, ret_points);
    }
    if (!select_points(worker, node, index, ret_points)) {
        return false;
    }
    if (!uses_start_times(node->expr->call.function->id)) {
        ret_points->floats.starts = NULL;
        ret_points->histograms.starts = NULL;
    }
    return true;
}

/* ---- the function ---- */

static FloatKernel *find_kernel(FunctionId id) {
    FloatKernel *kernel = rate_kernel(id);
    return kernel ? kernel : over_time_kernel(id);
}

/* MetricsQL: what the function gives is still the same thing as the metric. */
static bool keeps_meaning(FunctionId id) {
    switch (id) {
    case FUNC_AVG_OVER_TIME:
    case FUNC_DEFAULT_ROLLUP:
    case FUNC_GEOMEAN_OVER_TIME:
    case FUNC_HOEFFDING_BOUND_LOWER:
    case FUNC_HOEFFDING_BOUND_UPPER:
    case FUNC_HOLT_WINTERS:
    case FUNC_IQR_OVER_TIME:
    case FUNC_MAX_OVER_TIME:
    case FUNC_MEDIAN_OVER_TIME:
    case FUNC_MIN_OVER_TIME:
    case FUNC_MODE_OVER_TIME:
    case FUNC_PREDICT_LINEAR:
    case FUNC_QUANTILE_OVER_TIME:
    case FUNC_TIMESTAMP_WITH_NAME:
        return true;
    default:
        return false;
    }
}

static bool keeps_name(const PlanNode *node) {
    const ExprCall *call = &node->expr->call;
    switch (call->function->id) {
    case FUNC_FIRST_OVER_TIME:
    case FUNC_LAST_OVER_TIME:
        return true;
    default:
        return call->keep_metric_names ||
               (node->expr->flavour == PROMQL_METRICSQL && keeps_meaning(call->function->id));
    }
}

static void note_counter_name(const RollupCall *call) {
    FunctionId id = call->id;
    bool counts = id == FUNC_RATE || id == FUNC_INCREASE;
    Str name = call->metric;
    if (!counts || name.len == 0 || call->node->expr->flavour == PROMQL_METRICSQL ||
        str_ends(name, STR("_total")) || str_ends(name, STR("_sum")) ||
        str_ends(name, STR("_count")) || str_ends(name, STR("_bucket"))) {
        return;
    }
    note_possible_non_counter(worker_notes(call->worker, call->node), name, call->window_arg);
}

static void run_histogram_steps(const RollupCall *call, const SeriesPoints *points,
                                const Windows *floats, Column *column) {
    Worker *worker = call->worker;
    const HistogramPoints *histograms = &points->histograms;
    Windows windows = make_windows(worker, &worker->windows[WORKER_HISTOGRAM_WINDOWS], call->node,
                                   histograms->times, histograms->count);
    for (size_t step = 0; step < windows.steps && !worker->err.kind; step++) {
        if (windows.from[step] == windows.to[step]) {
            continue;
        }
        HistogramWindow window = {.floats = &points->floats,
                                  .histograms = histograms,
                                  .float_from = floats->from[step],
                                  .float_to = floats->to[step],
                                  .from = windows.from[step],
                                  .to = windows.to[step],
                                  .time = grid_time(&call->node->grid, step),
                                  .end = windows.end[step],
                                  .range = windows.range};
        HistogramResult result;
        double float_value = column->values[step];
        column->values[step] = value_none();
        if (!histogram_window(call, &window, float_value, &result)) {
            continue;
        }
        if (result.is_float) {
            column->values[step] = result.value;
        } else {
            column_set_histogram(&worker->out, column, windows.steps, step, result.histogram);
        }
    }
}

/* The kernel over all windows; piece by piece where they are so many and long that one might have
 * to stop before the end: most kernels look at each sample of each window. */
static void run_kernel(RollupCall *call, const FloatPoints *points, const Windows *windows,
                       double *out) {
    FloatKernel *kernel = find_kernel(call->id);
    size_t pieces = windows->samples / ROLLUP_SAMPLES_AT_ONCE + 1;
    size_t at_once = windows->steps / pieces + 1;
    for (size_t first = 0; first < windows->steps; first += at_once) {
        size_t left = windows->steps - first;
        Windows piece = *windows;
        piece.steps = left < at_once ? left : at_once;
        piece.from += first;
        piece.to += first;
        piece.end += first;
        call->step_first = first;
        kernel(call, points, &piece, out + first);
        if (pieces > 1 && !exec_check(call->worker->exec, &call->worker->err)) {
            return;
        }
    }
}

static bool any_float(const double *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!value_is_none(values[i])) {
            return true;
        }
    }
    return false;
}

bool rollup_column(Worker *worker, PlanNode *node, size_t index, Column *ret_column) {
    SeriesPoints points;
    if (!rollup_points(worker, node, index, &points)) {
        return false;
    }
    const ExprCall *expr = &node->expr->call;
    RollupCall call = {.worker = worker,
                       .node = node,
                       .id = expr->function->id,
                       .metric = labels_get(points.labels, LABEL_METRIC_NAME),
                       .window_arg = function_window_arg(expr->function, (int)expr->arg_count)};
    ret_column->labels = points.labels;
    ret_column->drop_name = points.drop_name || !keeps_name(node);
    /* A column, and maybe windows: from, to and end of each step. */
    if (!worker_reserve(worker, node->grid.count * 32 + points.floats.count * 16)) {
        return false;
    }
    ret_column->values = column_alloc(&worker->out, node->grid.count);
    if (node->expr->flavour == PROMQL_METRICSQL) {
        return metricsql_column(&call, &points.floats, ret_column);
    }
    const FloatPoints *floats = &points.floats;
    Windows windows = make_windows(worker, windows_place(worker, floats->times, floats->count),
                                   node, floats->times, floats->count);
    run_kernel(&call, floats, &windows, ret_column->values);
    if (points.histograms.count) {
        run_histogram_steps(&call, &points, &windows, ret_column);
    }
    if (worker->err.kind) {
        return false;
    }
    if (any_float(ret_column->values, node->grid.count)) {
        note_counter_name(&call);
        return true;
    }
    return points.histograms.count && column_any(ret_column, node->grid.count);
}
