/*
 * MetricsQL's functions of a whole graph: range_* put one number of a series at all its steps,
 * running_* what has come so far, others fill gaps or take noise away. Each looks at one series'
 * values and nothing else.
 */

#include <math.h>
#include <stdlib.h>

#include "base/zone.h"
#include "promql/metricsql_calls.h"
#include "promql/range_functions.h"

/* One series; steps without a value are NaN. */
typedef struct Graph {
    const PlanNode *node;
    Arena *scratch;
    double *values;
    size_t count;
    double number;           /* the number asked for with it, at the first step */
    const PlanNode *numbers; /* ... at each step */
} Graph;

typedef void GraphFn(Graph *graph);

/* ---- moments ---- */

static double mean(const Graph *graph) {
    double sum = 0;
    size_t found = 0;
    for (size_t i = 0; i < graph->count; i++) {
        if (!isnan(graph->values[i])) {
            sum += graph->values[i];
            found++;
        }
    }
    return sum / (double)found;
}

/* Welford, Technometrics 1962. */
static double variance(const Graph *graph) {
    double average = 0, squares = 0, found = 0;
    for (size_t i = 0; i < graph->count; i++) {
        double value = graph->values[i];
        if (!isnan(value)) {
            found++;
            double next = average + (value - average) / found;
            squares += (value - average) * (value - next);
            average = next;
        }
    }
    return found == 0 ? value_nan() : squares / found;
}

static double quantile(const Graph *graph, double q) {
    return mql_quantile(graph->scratch, q, graph->values, graph->count);
}

static double deviation(const Graph *graph) {
    double middle = quantile(graph, 0.5);
    double *off = arena_raw(graph->scratch, (graph->count + 1) * sizeof *off);
    for (size_t i = 0; i < graph->count; i++) {
        off[i] = fabs(graph->values[i] - middle);
    }
    return mql_quantile(graph->scratch, 0.5, off, graph->count);
}

/* ---- the same number everywhere ---- */

static void spread(Graph *graph, double number) {
    for (size_t i = 0; i < graph->count; i++) {
        graph->values[i] = number;
    }
}

static double last_number(const Graph *graph) {
    for (size_t i = graph->count; i-- > 0;) {
        if (!isnan(graph->values[i])) {
            return graph->values[i];
        }
    }
    return value_nan();
}

static double first_number(const Graph *graph) {
    for (size_t i = 0; i < graph->count; i++) {
        if (!isnan(graph->values[i])) {
            return graph->values[i];
        }
    }
    return value_nan();
}

static void range_first(Graph *graph) {
    spread(graph, first_number(graph));
}

static void range_last(Graph *graph) {
    spread(graph, last_number(graph));
}

static void range_quantile(Graph *graph) {
    spread(graph, quantile(graph, graph->number));
}

static void range_stddev(Graph *graph) {
    spread(graph, sqrt(variance(graph)));
}

static void range_stdvar(Graph *graph) {
    spread(graph, variance(graph));
}

static void range_mad(Graph *graph) {
    spread(graph, deviation(graph));
}

/* ---- what has come so far ---- */

typedef double StepFn(double before, double value, size_t index);

static double step_sum(double before, double value, size_t index) {
    (void)index;
    return before + value;
}

static double step_max(double before, double value, size_t index) {
    (void)index;
    return before > value ? before : value;
}

static double step_min(double before, double value, size_t index) {
    (void)index;
    return before < value ? before : value;
}

/* Steps without a value count, so that the average moves less behind a gap. */
static double step_avg(double before, double value, size_t index) {
    return before + (value - before) / (double)(index + 1);
}

static void run_steps(Graph *graph, StepFn *fn) {
    size_t first = 0;
    while (first < graph->count && isnan(graph->values[first])) {
        first++;
    }
    for (size_t i = first + 1; i < graph->count; i++) {
        double value = graph->values[i], before = graph->values[i - 1];
        graph->values[i] = isnan(value) ? before : fn(before, value, i - first);
    }
}

static void running_sum(Graph *graph) {
    run_steps(graph, step_sum);
}

static void running_max(Graph *graph) {
    run_steps(graph, step_max);
}

static void running_min(Graph *graph) {
    run_steps(graph, step_min);
}

static void running_avg(Graph *graph) {
    run_steps(graph, step_avg);
}

static void range_sum(Graph *graph) {
    running_sum(graph);
    range_last(graph);
}

static void range_max(Graph *graph) {
    running_max(graph);
    range_last(graph);
}

static void range_min(Graph *graph) {
    running_min(graph);
    range_last(graph);
}

static void range_avg(Graph *graph) {
    running_avg(graph);
    range_last(graph);
}

/* ---- gaps ---- */

static void keep_last(Graph *graph) {
    for (size_t i = 1; i < graph->count; i++) {
        if (isnan(graph->values[i])) {
            graph->values[i] = graph->values[i - 1];
        }
    }
}

static void keep_next(Graph *graph) {
    for (size_t i = graph->count; i-- > 1;) {
        if (isnan(graph->values[i - 1])) {
            graph->values[i - 1] = graph->values[i];
        }
    }
}

/* A line from the value before each gap to the one behind it. */
static void interpolate(Graph *graph) {
    double *values = graph->values;
    size_t before = 0;
    while (before < graph->count && isnan(values[before])) {
        before++;
    }
    for (size_t i = before + 1; i < graph->count; i++) {
        if (isnan(values[i])) {
            continue;
        }
        double step = (values[i] - values[before]) / (double)(i - before);
        for (size_t j = before + 1; j < i; j++) {
            values[j] = values[j - 1] + step;
        }
        before = i;
    }
}

/* ---- noise ---- */

static void smooth(Graph *graph) {
    size_t i = 0;
    while (i < graph->count && !isfinite(graph->values[i])) {
        i++;
    }
    double average = i < graph->count ? graph->values[i] : 0;
    for (i++; i < graph->count; i++) {
        double value = graph->values[i];
        if (isnan(value)) {
            continue;
        }
        double factor = exec_scalar(graph->numbers, i);
        factor = isnan(factor) || factor > 1 ? 1 : factor < 0 ? 0 : factor;
        average = isinf(value) ? average : average * (1 - factor) + value * factor;
        graph->values[i] = average;
    }
}

static void drop_outside(Graph *graph, double low, double high) {
    for (size_t i = 0; i < graph->count; i++) {
        if (graph->values[i] > high || graph->values[i] < low) {
            graph->values[i] = value_none();
        }
    }
}

/* Farther from the median than so many median deviations. */
static void trim_outliers(Graph *graph) {
    double middle = quantile(graph, 0.5), reach = graph->number * deviation(graph);
    for (size_t i = 0; i < graph->count; i++) {
        if (fabs(graph->values[i] - middle) > reach) {
            graph->values[i] = value_none();
        }
    }
}

/* The share of values that lie farthest out, half of it at each end. */
static void trim_spikes(Graph *graph) {
    double half = graph->number / 2;
    double low = quantile(graph, half), high = quantile(graph, 1 - half);
    drop_outside(graph, low, high);
}

static void trim_zscore(Graph *graph) {
    double average = mean(graph), deviates = sqrt(variance(graph));
    for (size_t i = 0; i < graph->count; i++) {
        if (fabs(graph->values[i] - average) / deviates > fabs(graph->number)) {
            graph->values[i] = value_none();
        }
    }
}

static void zscore(Graph *graph) {
    double average = mean(graph), deviates = sqrt(variance(graph));
    for (size_t i = 0; i < graph->count; i++) {
        if (!isnan(graph->values[i])) {
            graph->values[i] = (graph->values[i] - average) / deviates;
        }
    }
}

/* To between 0 and 1. */
static void normalize(Graph *graph) {
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < graph->count; i++) {
        low = graph->values[i] < low ? graph->values[i] : low;
        high = graph->values[i] > high ? graph->values[i] : high;
    }
    for (size_t i = 0; i < graph->count; i++) {
        bool bounded = !isinf(high - low);
        if (!isnan(graph->values[i])) {
            graph->values[i] = bounded ? (graph->values[i] - low) / (high - low) : value_none();
        }
    }
}

/* The least-squares line, at every step. */
static void regress(Graph *graph) {
    const Grid *grid = &graph->node->grid;
    TimeMs *times = arena_raw(graph->scratch, (graph->count + 1) * sizeof *times);
    double *values = arena_raw(graph->scratch, (graph->count + 1) * sizeof *values);
    size_t count = 0;
    for (size_t i = 0; i < graph->count; i++) {
        if (!isnan(graph->values[i])) {
            times[count] = grid_time(grid, i);
            values[count++] = graph->values[i];
        }
    }
    if (count == 0) {
        return;
    }
    double slope = 0, base = values[0];
    FloatPoints points = {times, values, NULL, count};
    if (count > 1) {
        linear_regression(&points, 0, count, grid->start, &slope, &base);
    }
    for (size_t i = 0; i < graph->count; i++) {
        graph->values[i] = base + slope * ((double)(grid_time(grid, i) - grid->start) / 1e3);
    }
}

/* As for rate(): a fall by less than an eighth lost a part, a greater one began anew. */
static void remove_resets(Graph *graph) {
    double lost = 0, before = value_nan();
    for (size_t i = 0; i < graph->count; i++) {
        double value = graph->values[i];
        if (isnan(value)) {
            continue;
        }
        if (value < before) {
            lost += (before - value) * 8 < before ? before - value : before;
        }
        before = value;
        graph->values[i] = value + lost;
    }
}

/* ---- the table ---- */

typedef struct GraphRow {
    FunctionId id;
    GraphFn *fn;
    bool drops_name;
} GraphRow;

static const GraphRow rows[] = {
    {FUNC_INTERPOLATE, interpolate, false},
    {FUNC_KEEP_LAST_VALUE, keep_last, false},
    {FUNC_KEEP_NEXT_VALUE, keep_next, false},
    {FUNC_RANGE_AVG, range_avg, true},
    {FUNC_RANGE_FIRST, range_first, false},
    {FUNC_RANGE_LAST, range_last, false},
    {FUNC_RANGE_LINEAR_REGRESSION, regress, false},
    {FUNC_RANGE_MAD, range_mad, false},
    {FUNC_RANGE_MAX, range_max, true},
    {FUNC_RANGE_MIN, range_min, true},
    {FUNC_RANGE_NORMALIZE, normalize, false},
    {FUNC_RANGE_QUANTILE, range_quantile, false},
    {FUNC_RANGE_STDDEV, range_stddev, false},
    {FUNC_RANGE_STDVAR, range_stdvar, false},
    {FUNC_RANGE_SUM, range_sum, true},
    {FUNC_RANGE_TRIM_OUTLIERS, trim_outliers, false},
    {FUNC_RANGE_TRIM_SPIKES, trim_spikes, false},
    {FUNC_RANGE_TRIM_ZSCORE, trim_zscore, false},
    {FUNC_RANGE_ZSCORE, zscore, false},
    {FUNC_REMOVE_RESETS, remove_resets, false},
    {FUNC_RUNNING_AVG, running_avg, true},
    {FUNC_RUNNING_MAX, running_max, true},
    {FUNC_RUNNING_MIN, running_min, true},
    {FUNC_RUNNING_SUM, running_sum, true},
    {FUNC_SMOOTH_EXPONENTIAL, smooth, false},
};

static const GraphRow *find_row(FunctionId id) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].id == id) {
            return &rows[i];
        }
    }
    return NULL;
}

/* Which argument is the vector: the number stands before or behind it. */
static size_t vector_arg(const PlanNode *node) {
    return node->expr->call.function->args[0] == 's' ? 1 : 0;
}

static bool run_graph(Exec *exec, PlanNode *node, Err *err) {
    const GraphRow *row = find_row(node->expr->call.function->id);
    size_t vector = vector_arg(node), number = 1 - vector;
    bool with_number = function_arg_count(node->expr->call.function) == 2;
    if ((with_number && !mql_number(node, number, err)) ||
        !mql_take(exec, node, &node->args[vector]->frame, err)) {
        return false;
    }
    Arena scratch = {0};
    Graph graph = {.node = node, .scratch = &scratch, .count = node->grid.count};
    if (with_number) {
        graph.numbers = node->args[number];
        graph.number = exec_scalar(graph.numbers, 0);
    }
    bool ok = true;
    for (size_t i = 0; ok && i < node->frame.count; i++) {
        Column *column = &node->frame.columns[i];
        arena_reset(&scratch);
        graph.values = column->values;
        row->fn(&graph);
        if (row->drops_name && !node->expr->call.keep_metric_names) {
            mql_drop_name(frame_arena(&node->frame), column);
        }
        ok = (i & 255) || exec_check(exec, err);
    }
    arena_finish(&scratch);
    return ok;
}

/* range_normalize() takes any number of vectors. */
static bool run_normalize(Exec *exec, PlanNode *node, Err *err) {
    Arena *arena = frame_arena(&node->frame);
    Frame all = {0};
    for (size_t i = 0; i < node->arg_count; i++) {
        all.count += node->args[i] ? node->args[i]->frame.count : 0;
    }
    all.columns = arena_array(arena, Column, all.count + 1);
    size_t at = 0;
    for (size_t i = 0; i < node->arg_count; i++) {
        for (size_t j = 0; node->args[i] && j < node->args[i]->frame.count; j++) {
            all.columns[at++] = node->args[i]->frame.columns[j];
        }
    }
    if (!mql_take(exec, node, &all, err)) {
        return false;
    }
    for (size_t i = 0; i < node->frame.count; i++) {
        Graph graph = {
            .node = node, .values = node->frame.columns[i].values, .count = node->grid.count};
        normalize(&graph);
    }
    return true;
}

static bool run_timezone_offset(Exec *exec, PlanNode *node, Err *err) {
    (void)exec;
    Str name;
    AUTO(zone_freep) Zone *zone = NULL;
    if (!mql_text(node, 0, &name, err)) {
        return false;
    }
    if (!zone_load(name, &zone, err)) {
        err->kind = ERR_INVALID;
        return err_context(err, "cannot load timezone \"%.*s\"", STR_ARG(name));
    }
    double *values = mql_new_column(node);
    for (size_t step = 0; step < node->grid.count; step++) {
        const char *ignored;
        values[step] = zone_offset(zone, grid_time(&node->grid, step), &ignored);
    }
    return true;
}

CallFn *mql_graph_call(FunctionId id) {
    if (id == FUNC_RANGE_NORMALIZE) {
        return run_normalize;
    }
    if (id == FUNC_TIMEZONE_OFFSET) {
        return run_timezone_offset;
    }
    return find_row(id) ? run_graph : NULL;
}
