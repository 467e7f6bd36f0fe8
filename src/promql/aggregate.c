/*
 * Aggregations that fold: sum, avg, min, max, count, group, stddev, stdvar. Series stream through;
 * a group keeps a few numbers a step. Sums are compensated, in series order, as Prometheus has
 * them.
 */

#include "promql/aggregate.h"

#include <math.h>

#include "promql/histogram_ops.h"
#include "promql/scalar_ops.h"

/* ---- groups ---- */

Hash128 aggregate_key(const ExprAggregate *aggregate, LabelSet labels) {
    if (!aggregate->without && aggregate->label_count == 0) {
        return (Hash128){0};
    }
    return labels_hash_selected(labels, aggregate->labels, aggregate->label_count,
                                !aggregate->without, true);
}

static LabelSet group_labels(Arena *arena, const ExprAggregate *aggregate, LabelSet labels) {
    if (!aggregate->without && aggregate->label_count == 0) {
        return (LabelSet){0};
    }
    LabelSet picked = labels_filter(arena, labels, aggregate->labels, aggregate->label_count,
                                    !aggregate->without);
    if (aggregate->without) {
        picked = labels_with(arena, picked, LABEL_METRIC_NAME, STR(""));
    }
    return labels_copy(arena, picked);
}

AggregateGroup *aggregate_group(AggregateGroups *groups, const Column *column, Hash128 key,
                                bool *ret_new) {
    uint32_t at = hash_index_add(&groups->index, key, ret_new);
    if (!*ret_new) {
        groups->items[at].drop_name |= column->drop_name;
        return &groups->items[at];
    }
    if (groups->count == groups->cap) {
        size_t cap = groups->cap ? groups->cap * 2 : 16;
        AggregateGroup *items = arena_array(groups->arena, AggregateGroup, cap);
        if (groups->count) {
            memcpy(items, groups->items, groups->count * sizeof *items);
        }
        groups->items = items;
        groups->cap = cap;
    }
    AggregateGroup *group = &groups->items[groups->count++];
    *group =
        (AggregateGroup){.labels = group_labels(groups->arena, groups->aggregate, column->labels),
                         .drop_name = column->drop_name};
    return group;
}

ParamRange aggregate_param_range(const PlanNode *node) {
    ParamRange range = {INFINITY, -INFINITY, false};
    for (size_t step = 0; step < node->grid.count; step++) {
        double value = exec_scalar(node->args[1], step);
        if (isnan(value)) {
            range.any_nan = true;
            continue;
        }
        range.min = value < range.min ? value : range.min;
        range.max = value > range.max ? value : range.max;
    }
    return range;
}

/* ---- cells ---- */

/* A histogram sum at one step of one group. */
typedef struct HistogramCell {
    HistogramSum sum, mean;
    bool incremental, incompatible, reset_seen, no_reset_seen;
} HistogramCell;

/* Columns of a group's numbers; which are there depends on the operator. */
typedef struct Cells {
    double *count;
    double *value;
    double *comp;
    double *mean;
    uint8_t *incremental;
    uint8_t *has_histogram, *has_float;
    HistogramCell **histograms; /* NULL until one comes */
} Cells;

typedef struct Aggregation {
    Exec *exec;
    PlanNode *node;
    AggregateId id;
    Arena *arena;
    size_t steps;
    AggregateGroups groups;
    size_t charged;
} Aggregation;

static Cells *new_cells(const Aggregation *aggregation) {
    Arena *arena = aggregation->arena;
    size_t steps = aggregation->steps;
    AggregateId id = aggregation->id;
    Cells *cells = arena_new(arena, Cells);
    cells->count = arena_array(arena, double, steps);
    cells->value = arena_array(arena, double, steps);
    if (id == AGGREGATE_SUM || id == AGGREGATE_AVG) {
        cells->comp = arena_array(arena, double, steps);
        cells->has_histogram = arena_array(arena, uint8_t, steps);
        cells->has_float = arena_array(arena, uint8_t, steps);
    }
    if (id == AGGREGATE_AVG || id == AGGREGATE_STDDEV || id == AGGREGATE_STDVAR) {
        cells->mean = arena_array(arena, double, steps);
        cells->incremental = arena_array(arena, uint8_t, steps);
    }
    return cells;
}

/* ---- floats, a column at a time ---- */

static void add_sum(Cells *cells, const double *values, size_t steps) {
    for (size_t i = 0; i < steps; i++) {
        if (value_is_none(values[i])) {
            continue;
        }
        cells->has_float[i] = 1;
        if (cells->count[i]++ == 0) {
            cells->value[i] = values[i];
        } else {
            kahan_add(values[i], &cells->value[i], &cells->comp[i]);
        }
    }
}

/* The sum, divided in the end; once it would overflow, a running mean. */
static void add_mean(Cells *cells, size_t step, double value) {
    double count = ++cells->count[step];
    cells->has_float[step] = 1;
    if (count == 1) {
        cells->value[step] = value;
        return;
    }
    if (!cells->incremental[step]) {
        double sum = cells->value[step], comp = cells->comp[step];
        kahan_add(value, &sum, &comp);
        if (!isinf(sum)) {
            cells->value[step] = sum;
            cells->comp[step] = comp;
            return;
        }
        cells->incremental[step] = 1;
        cells->mean[step] = cells->value[step] / (count - 1);
        cells->comp[step] /= count - 1;
    }
    double q = (count - 1) / count;
    cells->mean[step] *= q;
    cells->comp[step] *= q;
    kahan_add(value / count, &cells->mean[step], &cells->comp[step]);
}

static void add_avg(Cells *cells, const double *values, size_t steps) {
    for (size_t i = 0; i < steps; i++) {
        if (!value_is_none(values[i])) {
            add_mean(cells, i, values[i]);
        }
    }
}

static void add_max(Cells *cells, const double *values, size_t steps) {
    for (size_t i = 0; i < steps; i++) {
        if (value_is_none(values[i])) {
            continue;
        }
        if (cells->count[i]++ == 0 || cells->value[i] < values[i] || isnan(cells->value[i])) {
            cells->value[i] = values[i];
        }
    }
}

static void add_min(Cells *cells, const double *values, size_t steps) {
    for (size_t i = 0; i < steps; i++) {
        if (value_is_none(values[i])) {
            continue;
        }
        if (cells->count[i]++ == 0 || cells->value[i] > values[i] || isnan(cells->value[i])) {
            cells->value[i] = values[i];
        }
    }
}

static void add_count(Cells *cells, const double *values, size_t steps) {
    for (size_t i = 0; i < steps; i++) {
        cells->count[i] += !value_is_none(values[i]);
    }
}

/* Welford, "Note on a method for calculating corrected sums of squares and products", Technometrics
 * 1962. */
static void add_variance(Cells *cells, const double *values, size_t steps) {
    for (size_t i = 0; i < steps; i++) {
        double value = values[i];
        if (value_is_none(value)) {
            continue;
        }
        if (cells->count[i]++ == 0) {
            cells->mean[i] = value;
            cells->value[i] = isfinite(value) ? 0 : value_nan();
            continue;
        }
        double delta = value - cells->mean[i];
        cells->mean[i] += delta / cells->count[i];
        cells->value[i] += delta * (value - cells->mean[i]);
    }
}

/* ---- histograms, a step at a time ---- */

static void see_hint(HistogramCell *cell, ResetHint hint) {
    cell->reset_seen |= hint == RESET_YES;
    cell->no_reset_seen |= hint == RESET_NO;
}

static void note_meet(Aggregation *aggregation, HistogramMeet meet) {
    if (meet.reconciled) {
        note_reconciled_buckets(&aggregation->node->notes, "aggregation", 0);
    }
}

static void mark_incompatible(Aggregation *aggregation, HistogramCell *cell, const Column *column) {
    cell->incompatible = true;
    note_mixed_schemas(&aggregation->node->notes, labels_get(column->labels, LABEL_METRIC_NAME), 0);
}

/* The running mean of histograms, once their sum overflows. */
static bool add_histogram_mean(HistogramCell *cell, const Histogram *histogram, double count,
                               HistogramMeet *meet) {
    if (!cell->incremental) {
        HistogramSum sum = histogram_sum_copy(&cell->sum);
        if (!histogram_sum_add_exact(&sum, histogram, meet)) {
            return false;
        }
        if (!histogram_sum_overflows(&sum)) {
            cell->sum = sum;
            return true;
        }
        cell->incremental = true;
        cell->mean = histogram_sum_copy(&cell->sum);
        histogram_sum_divide(&cell->mean, count - 1);
        histogram_sum_scale_comps(&cell->mean, 1 / (count - 1));
    }
    double q = (count - 1) / count;
    histogram_sum_scale_comps(&cell->mean, q);
    histogram_sum_scale(&cell->mean, q);
    return histogram_sum_add_exact(&cell->mean, histogram_divide(cell->sum.arena, histogram, count),
                                   meet);
}

static void add_histogram(Aggregation *aggregation, Cells *cells, const Column *column,
                          size_t step) {
    const Histogram *histogram = column->histograms[step];
    double count = ++cells->count[step];
    if (!cells->histograms) {
        cells->histograms = arena_array(aggregation->arena, HistogramCell *, aggregation->steps);
    }
    HistogramCell *cell = cells->histograms[step];
    bool after_floats = cells->has_float[step] && !cells->has_histogram[step];
    cells->has_histogram[step] = 1;
    if (after_floats) {
        return; /* a mix, which has no result */
    }
    if (!cell) {
        if (count > 1) {
            return;
        }
        cell = cells->histograms[step] = arena_new(aggregation->arena, HistogramCell);
        histogram_sum_start(aggregation->arena, histogram, &cell->sum);
        see_hint(cell, histogram->hint);
        return;
    }
    if (cell->incompatible) {
        return;
    }
    see_hint(cell, histogram->hint);
    HistogramMeet meet = {0};
    bool ok = aggregation->id == AGGREGATE_AVG
                  ? add_histogram_mean(cell, histogram, count, &meet)
                  : histogram_sum_add_exact(&cell->sum, histogram, &meet);
    if (!ok) {
        mark_incompatible(aggregation, cell, column);
    }
    note_meet(aggregation, meet);
}

static void take_histograms(Aggregation *aggregation, Cells *cells, const Column *column) {
    for (size_t step = 0; step < aggregation->steps; step++) {
        if (!column->histograms[step]) {
            continue;
        }
        switch (aggregation->id) {
        case AGGREGATE_SUM:
        case AGGREGATE_AVG:
            add_histogram(aggregation, cells, column, step);
            break;
        case AGGREGATE_COUNT:
        case AGGREGATE_GROUP:
            cells->count[step]++;
            break;
        default:
            note_histogram_ignored_in(&aggregation->node->notes,
                                      aggregation->node->expr->aggregate.aggregate->name, 0);
        }
    }
}

/* ---- results ---- */

static double float_result(const Aggregation *aggregation, const Cells *cells, size_t step) {
    double count = cells->count[step], value = cells->value[step];
    switch (aggregation->id) {
    case AGGREGATE_SUM:
        return value + cells->comp[step];
    case AGGREGATE_AVG:
        return cells->incremental[step] ? cells->mean[step] + cells->comp[step]
                                        : value / count + cells->comp[step] / count;
    case AGGREGATE_COUNT:
        return count;
    case AGGREGATE_GROUP:
        return 1;
    case AGGREGATE_STDVAR:
        return value / count;
    case AGGREGATE_STDDEV:
        return sqrt(value / count);
    default:
        return value;
    }
}

static const Histogram *histogram_result(Aggregation *aggregation, HistogramCell *cell,
                                         double count) {
    if (cell->incompatible) {
        return NULL;
    }
    HistogramSum *sum = cell->incremental ? &cell->mean : &cell->sum;
    if (aggregation->id == AGGREGATE_AVG && !cell->incremental) {
        histogram_sum_divide(sum, count);
        histogram_sum_scale_comps(sum, 1 / count);
    }
    histogram_sum_fold(sum);
    histogram_sum_compact(sum);
    if (cell->reset_seen && cell->no_reset_seen) {
        note_reset_collision(&aggregation->node->notes, "aggregation", 0);
    }
    return histogram_sum_result(sum);
}

static void put_result(Aggregation *aggregation, Cells *cells, size_t step, Column *column) {
    if (cells->count[step] == 0) {
        return;
    }
    bool has_histogram = cells->has_histogram && cells->has_histogram[step];
    if (!has_histogram) {
        column->values[step] = float_result(aggregation, cells, step);
        return;
    }
    if (cells->has_float[step]) {
        note_mixed_samples_in_aggregation(&aggregation->node->notes, 0);
        return;
    }
    const Histogram *histogram =
        histogram_result(aggregation, cells->histograms[step], cells->count[step]);
    if (histogram) {
        column_set_histogram(aggregation->arena, column, aggregation->steps, step, histogram);
    }
}

static void put_columns(Aggregation *aggregation) {
    Frame *frame = &aggregation->node->frame;
    AggregateGroups *groups = &aggregation->groups;
    frame->columns = arena_array(aggregation->arena, Column, groups->count);
    for (size_t i = 0; i < groups->count; i++) {
        AggregateGroup *group = &groups->items[i];
        Column *column = &frame->columns[frame->count];
        *column = (Column){.labels = group->labels, .drop_name = group->drop_name};
        column->values = column_alloc(aggregation->arena, aggregation->steps);
        for (size_t step = 0; step < aggregation->steps; step++) {
            put_result(aggregation, group->cells, step, column);
        }
        frame->count += column_any(column, aggregation->steps);
    }
}

/* ---- the fold ---- */

typedef void AddColumn(Cells *cells, const double *values, size_t steps);

static AddColumn *add_column(AggregateId id) {
    switch (id) {
    case AGGREGATE_SUM:
        return add_sum;
    case AGGREGATE_AVG:
        return add_avg;
    case AGGREGATE_MAX:
        return add_max;
    case AGGREGATE_MIN:
        return add_min;
    case AGGREGATE_COUNT:
    case AGGREGATE_GROUP:
        return add_count;
    case AGGREGATE_STDDEV:
    case AGGREGATE_STDVAR:
        return add_variance;
    default:
        return NULL;
    }
}

static void key_column(const void *ctx, Column *column) {
    const Aggregation *aggregation = ctx;
    column->key = aggregate_key(aggregation->groups.aggregate, column->labels);
}

static bool fold_columns(void *ctx, const Column *columns, size_t count, Err *err) {
    Aggregation *aggregation = ctx;
    AddColumn *add = add_column(aggregation->id);
    for (size_t i = 0; i < count; i++) {
        bool is_new;
        AggregateGroup *group =
            aggregate_group(&aggregation->groups, &columns[i], columns[i].key, &is_new);
        if (is_new) {
            group->cells = new_cells(aggregation);
        }
        add(group->cells, columns[i].values, aggregation->steps);
        if (columns[i].histograms) {
            take_histograms(aggregation, group->cells, &columns[i]);
        }
    }
    size_t used = aggregation->arena->used_bytes;
    if (used > aggregation->charged) {
        if (!exec_charge_bytes(aggregation->exec, used - aggregation->charged, err)) {
            return false;
        }
        aggregation->charged = used;
    }
    return true;
}

static bool run_folded(Exec *exec, PlanNode *node, Err *err) {
    Arena *arena = frame_arena(&node->frame);
    Aggregation aggregation = {.exec = exec,
                               .node = node,
                               .id = node->expr->aggregate.aggregate->id,
                               .arena = arena,
                               .steps = node->grid.count};
    aggregation.groups = (AggregateGroups){
        .arena = arena, .aggregate = &node->expr->aggregate, .index = {.arena = arena}};
    PlanNode *input = node->args[0];
    Fold fold = {fold_columns, key_column, &aggregation};
    if (!exec_prepare(exec, input, err) || !exec_fold(exec, input, &fold, err)) {
        return false;
    }
    exec_unprepare(exec, input);
    put_columns(&aggregation);
    node->frame.bytes = aggregation.charged;
    return true;
}

bool run_aggregate(Exec *exec, PlanNode *node, Err *err) {
    if (node->expr->flavour == PROMQL_METRICSQL && !aggregate_is_folded(&node->expr->aggregate)) {
        return run_aggregate_metricsql(exec, node, err);
    }
    return add_column(node->expr->aggregate.aggregate->id) ? run_folded(exec, node, err)
                                                           : run_aggregate_frame(exec, node, err);
}
