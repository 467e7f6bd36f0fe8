/*
 * MetricsQL's aggregations: its own, and those it has in common with Prometheus where they take
 * several vectors, a limit of groups, or mean something else (topk() answers in order).
 */

#include <math.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/number.h"
#include "promql/aggregate.h"
#include "promql/metricsql_calls.h"
#include "promql/range_functions.h"

/* A group's series: places in the input, best last where they are ranked. */
typedef struct Group {
    LabelSet labels;
    uint32_t *members;
    size_t count;
} Group;

typedef struct AggRun {
    Exec *exec;
    PlanNode *node;
    AggregateId id;
    Arena *arena;
    Frame input; /* with values of their own */
    Group *groups;
    size_t group_count;
    size_t steps;
    size_t out_cap;
    double *buffer; /* room for a value of each series */
} AggRun;

static double value_at(const AggRun *run, uint32_t member, size_t step) {
    return run->input.columns[member].values[step];
}

static Column *add_column(AggRun *run, LabelSet labels) {
    Frame *frame = &run->node->frame;
    if (frame->count == run->out_cap) {
        size_t cap = run->out_cap ? run->out_cap * 2 : 64;
        Column *columns = arena_array(run->arena, Column, cap);
        if (frame->count) {
            memcpy(columns, frame->columns, frame->count * sizeof *columns);
        }
        frame->columns = columns;
        run->out_cap = cap;
    }
    Column *column = &frame->columns[frame->count++];
    *column = (Column){.labels = labels, .values = column_alloc(run->arena, run->steps)};
    return column;
}

static void add_member(AggRun *run, uint32_t member) {
    const Column *from = &run->input.columns[member];
    if (column_any(from, run->steps)) {
        double *values = add_column(run, from->labels)->values;
        memcpy(values, from->values, run->steps * sizeof *values);
    }
}

/* The group's numbers at a step, in order, into the run's buffer. */
static size_t gather(const AggRun *run, const Group *group, size_t step) {
    size_t count = 0;
    for (size_t i = 0; i < group->count; i++) {
        double value = value_at(run, group->members[i], step);
        if (!isnan(value)) {
            run->buffer[count++] = value;
        }
    }
    return count;
}

/* ---- one number of many ---- */

typedef double NumberFn(double *values, size_t count);

static double sum(double *values, size_t count) {
    double total = 0;
    for (size_t i = 0; i < count; i++) {
        total += values[i];
    }
    return total;
}

static double avg(double *values, size_t count) {
    return sum(values, count) / (double)count;
}

static double count_of(double *values, size_t count) {
    (void)values;
    return (double)count;
}

static double one(double *values, size_t count) {
    (void)values, (void)count;
    return 1;
}

static double least(double *values, size_t count) {
    double found = values[0];
    for (size_t i = 1; i < count; i++) {
        found = values[i] < found ? values[i] : found;
    }
    return found;
}

static double greatest(double *values, size_t count) {
    double found = values[0];
    for (size_t i = 1; i < count; i++) {
        found = values[i] > found ? values[i] : found;
    }
    return found;
}

static double stdvar(double *values, size_t count) {
    double mean = 0, squares = 0;
    for (size_t i = 0; i < count; i++) {
        double next = mean + (values[i] - mean) / (double)(i + 1);
        squares += (values[i] - mean) * (values[i] - next);
        mean = next;
    }
    return squares / (double)count;
}

static double stddev(double *values, size_t count) {
    return sqrt(stdvar(values, count));
}

static double sum2(double *values, size_t count) {
    double total = 0;
    for (size_t i = 0; i < count; i++) {
        total += values[i] * values[i];
    }
    return total;
}

static double geomean(double *values, size_t count) {
    double product = 1;
    for (size_t i = 0; i < count; i++) {
        product *= values[i];
    }
    return count == 1 ? values[0] : pow(product, 1 / (double)count);
}

static double median(double *values, size_t count) {
    return quantile_of(0.5, values, count);
}

static double mad(double *values, size_t count) {
    double middle = median(values, count);
    for (size_t i = 0; i < count; i++) {
        values[i] = fabs(values[i] - middle);
    }
    return median(values, count);
}

static double mode(double *values, size_t count) {
    mql_sort(values, count);
    return mql_mode(values, count);
}

static double distinct(double *values, size_t count) {
    size_t found = 1;
    mql_sort(values, count);
    for (size_t i = 1; i < count; i++) {
        found += values[i] != values[i - 1];
    }
    return (double)found;
}

static const struct {
    AggregateId id;
    NumberFn *fn;
} numbers[] = {
    {AGGREGATE_AVG, avg},         {AGGREGATE_COUNT, count_of}, {AGGREGATE_DISTINCT, distinct},
    {AGGREGATE_GEOMEAN, geomean}, {AGGREGATE_GROUP, one},      {AGGREGATE_MAD, mad},
    {AGGREGATE_MAX, greatest},    {AGGREGATE_MEDIAN, median},  {AGGREGATE_MIN, least},
    {AGGREGATE_MODE, mode},       {AGGREGATE_STDDEV, stddev},  {AGGREGATE_STDVAR, stdvar},
    {AGGREGATE_SUM, sum},         {AGGREGATE_SUM2, sum2},
};

static NumberFn *find_number(AggregateId id) {
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (numbers[i].id == id) {
            return numbers[i].fn;
        }
    }
    return NULL;
}

static void fold_group(AggRun *run, const Group *group) {
    NumberFn *fn = find_number(run->id);
    double *values = add_column(run, group->labels)->values;
    for (size_t step = 0; step < run->steps; step++) {
        size_t count = gather(run, group, step);
        double value = count ? fn(run->buffer, count) : value_none();
        values[step] = isnan(value) ? value_none() : value;
    }
}

static void quantile_group(AggRun *run, const Group *group, const PlanNode *phi, Column *column) {
    for (size_t step = 0; step < run->steps; step++) {
        size_t count = gather(run, group, step);
        double value = quantile_of(exec_scalar(phi, step), run->buffer, count);
        column->values[step] = isnan(value) ? value_none() : value;
    }
}

/* quantiles("label", 0.5, 0.9, x) */
static void add_quantiles(AggRun *run, const Group *group) {
    PlanNode *node = run->node;
    for (size_t i = 1; i + 1 < node->arg_count; i++) {
        Str text = mql_number_text(run->arena, exec_scalar(node->args[i], 0));
        Str label = expr_unwrap(node->expr->aggregate.exprs[0])->string;
        Column *column = add_column(run, labels_with(run->arena, group->labels, label, text));
        quantile_group(run, group, node->args[i], column);
    }
}

/* ---- series that stay ---- */

static void add_members(AggRun *run, const Group *group) {
    for (size_t i = 0; i < group->count; i++) {
        add_member(run, group->members[i]);
    }
}

/* Each non-negative value's part in their sum. */
static void add_shares(AggRun *run, const Group *group) {
    for (size_t step = 0; step < run->steps; step++) {
        double total = 0;
        for (size_t i = 0; i < group->count; i++) {
            double value = value_at(run, group->members[i], step);
            total += value >= 0 ? value : 0;
        }
        for (size_t i = 0; i < group->count; i++) {
            double *value = &run->input.columns[group->members[i]].values[step];
            *value = *value >= 0 ? *value / total : value_none();
        }
    }
    add_members(run, group);
}

static void add_zscores(AggRun *run, const Group *group) {
    for (size_t step = 0; step < run->steps; step++) {
        size_t count = gather(run, group, step);
        double mean = 0;
        for (size_t i = 0; i < count; i++) {
            mean += (run->buffer[i] - mean) / (double)(i + 1);
        }
        double deviates = count ? stddev(run->buffer, count) : 0;
        for (size_t i = 0; i < group->count; i++) {
            double *value = &run->input.columns[group->members[i]].values[step];
            double score = (*value - mean) / deviates;
            *value = isnan(score) ? value_none() : score;
        }
    }
    add_members(run, group);
}

/* Series with a value outside [low, high] of its step. */
static void add_outside(AggRun *run, const Group *group, const double *low, const double *high) {
    for (size_t i = 0; i < group->count; i++) {
        for (size_t step = 0; step < run->steps; step++) {
            double value = value_at(run, group->members[i], step);
            if (value > high[step] || value < low[step]) {
                add_member(run, group->members[i]);
                break;
            }
        }
    }
}

static void add_outliers(AggRun *run, const Group *group) {
    double *low = arena_raw(run->arena, run->steps * sizeof *low);
    double *high = arena_raw(run->arena, run->steps * sizeof *high);
    for (size_t step = 0; step < run->steps; step++) {
        size_t count = gather(run, group, step);
        if (run->id == AGGREGATE_OUTLIERS_IQR) {
            double first = quantile_of(0.25, run->buffer, count);
            double third = quantile_of(0.75, run->buffer, count), reach = 1.5 * (third - first);
            low[step] = first - reach;
            high[step] = third + reach;
        } else {
            double middle = quantile_of(0.5, run->buffer, count);
            double reach = count ? mad(run->buffer, count) : 0;
            reach *= exec_scalar(run->node->args[0], step);
            low[step] = middle - reach;
            high[step] = middle + reach;
        }
    }
    add_outside(run, group, low, high);
}

/* ---- ranking ---- */

typedef struct Ranked {
    double value;
    uint32_t member;
} Ranked;

/* What has no value ranks lowest, whichever way. */
static int rank_up(const void *a, const void *b) {
    const Ranked *x = a, *y = b;
    if (isnan(x->value) != isnan(y->value)) {
        return isnan(x->value) ? -1 : 1;
    }
    if (x->value != y->value && !isnan(x->value)) {
        return x->value < y->value ? -1 : 1;
    }
    return x->member < y->member ? -1 : 1;
}

static int rank_down(const void *a, const void *b) {
    const Ranked *x = a, *y = b;
    if (isnan(x->value) || isnan(y->value) || x->value == y->value) {
        return rank_up(a, b);
    }
    return x->value > y->value ? -1 : 1;
}

static size_t rank_count(double k, size_t most) {
    return !(k >= 1) ? 0 : k >= (double)most ? most : (size_t)k;
}

/* Clears what does not rank among the k last. */
static void clear_below(AggRun *run, const Group *group, double k, size_t step) {
    size_t kept = rank_count(k, group->count);
    for (size_t i = 0; i < group->count - kept; i++) {
        run->input.columns[group->members[i]].values[step] = value_none();
    }
}

static void add_ranked(AggRun *run, const Group *group) {
    for (size_t i = group->count; i-- > 0;) {
        add_member(run, group->members[i]);
    }
}

static void order_members(Group *group, Ranked *ranked, bool bottom) {
    qsort(ranked, group->count, sizeof *ranked, bottom ? rank_down : rank_up);
    for (size_t i = 0; i < group->count; i++) {
        group->members[i] = ranked[i].member;
    }
}

/* topk and bottomk: at each step for itself. */
static void add_topk(AggRun *run, Group *group) {
    Ranked *ranked = arena_raw(run->arena, group->count * sizeof *ranked);
    for (size_t step = 0; step < run->steps; step++) {
        for (size_t i = 0; i < group->count; i++) {
            ranked[i] = (Ranked){value_at(run, group->members[i], step), group->members[i]};
        }
        order_members(group, ranked, run->id == AGGREGATE_BOTTOMK);
        clear_below(run, group, exec_scalar(run->node->args[0], step), step);
    }
    add_ranked(run, group);
}

/* A series' one number to rank it by; `medians` are the group's, of each step. */
static double rank_value(const AggRun *run, uint32_t member, const double *medians) {
    const double *values = run->input.columns[member].values;
    size_t count = mql_numbers(values, run->steps, run->buffer);
    double squares = 0;
    switch (run->id) {
    case AGGREGATE_TOPK_AVG:
    case AGGREGATE_BOTTOMK_AVG:
        return count ? avg(run->buffer, count) : value_nan();
    case AGGREGATE_TOPK_MAX:
    case AGGREGATE_BOTTOMK_MAX:
        return count ? greatest(run->buffer, count) : value_nan();
    case AGGREGATE_TOPK_MIN:
    case AGGREGATE_BOTTOMK_MIN:
        return count ? least(run->buffer, count) : value_nan();
    case AGGREGATE_TOPK_LAST:
    case AGGREGATE_BOTTOMK_LAST:
        return count ? run->buffer[count - 1] : value_nan();
    case AGGREGATE_TOPK_MEDIAN:
    case AGGREGATE_BOTTOMK_MEDIAN:
        return quantile_of(0.5, run->buffer, count);
    default:
        for (size_t step = 0; step < run->steps; step++) {
            squares += (values[step] - medians[step]) * (values[step] - medians[step]);
        }
        return squares;
    }
}

static bool is_bottom(AggregateId id) {
    return id == AGGREGATE_BOTTOMK_AVG || id == AGGREGATE_BOTTOMK_LAST ||
           id == AGGREGATE_BOTTOMK_MAX || id == AGGREGATE_BOTTOMK_MEDIAN ||
           id == AGGREGATE_BOTTOMK_MIN;
}

/* What the others come to, as one series: `asked` is a label's name, or name=value. */
static Column *remaining_sum(AggRun *run, const Group *group, Str asked) {
    size_t equals = str_find(asked, '=');
    Str name = {asked.ptr, equals};
    Str value = equals < asked.len ? str_skip(asked, equals + 1) : asked;
    Column *column = arena_new(run->arena, Column);
    column->labels = labels_with(run->arena, group->labels, name, value);
    column->values = column_alloc(run->arena, run->steps);
    for (size_t step = 0; step < run->steps; step++) {
        size_t kept = rank_count(exec_scalar(run->node->args[0], step), group->count);
        double total = 0;
        bool any = false;
        for (size_t i = 0; i < group->count - kept; i++) {
            double member = value_at(run, group->members[i], step);
            if (!isnan(member)) {
                total += member;
                any = true;
            }
        }
        column->values[step] = any ? total : value_none();
    }
    return column;
}

/* topk_max and its kind: whole series by one number of each. */
static void add_range_topk(AggRun *run, Group *group, Str asked) {
    double *medians = NULL;
    if (run->id == AGGREGATE_OUTLIERSK) {
        medians = arena_raw(run->arena, run->steps * sizeof *medians);
        for (size_t step = 0; step < run->steps; step++) {
            medians[step] = quantile_of(0.5, run->buffer, gather(run, group, step));
        }
    }
    Ranked *ranked = arena_raw(run->arena, group->count * sizeof *ranked);
    for (size_t i = 0; i < group->count; i++) {
        ranked[i] = (Ranked){rank_value(run, group->members[i], medians), group->members[i]};
    }
    order_members(group, ranked, is_bottom(run->id));
    if (asked.len) {
        Column *others = remaining_sum(run, group, asked);
        if (column_any(others, run->steps)) {
            memcpy(add_column(run, others->labels)->values, others->values,
                   run->steps * sizeof(double));
        }
    }
    for (size_t step = 0; step < run->steps; step++) {
        clear_below(run, group, exec_scalar(run->node->args[0], step), step);
    }
    add_ranked(run, group);
}

/* By a hash of the labels, so that the same series are taken each time and from everywhere. */
static void add_limited(AggRun *run, Group *group, int64_t limit) {
    Ranked *ranked = arena_raw(run->arena, group->count * sizeof *ranked);
    for (size_t i = 0; i < group->count; i++) {
        LabelSet labels = run->input.columns[group->members[i]].labels;
        Buf text = {0};
        buf_str(&text, labels_get(labels, LABEL_METRIC_NAME));
        for (size_t j = 0; j < labels.count; j++) {
            if (!str_eq(labels.items[j].name, LABEL_METRIC_NAME)) {
                buf_str(&text, labels.items[j].name);
                buf_str(&text, labels.items[j].value);
            }
        }
        ranked[i] = (Ranked){(double)XXH64(buf_view(&text).ptr, text.len, 0), group->members[i]};
        buf_finish(&text);
    }
    order_members(group, ranked, false);
    for (size_t i = 0; i < group->count && (int64_t)i < limit; i++) {
        add_member(run, group->members[i]);
    }
}

/* ---- by value ---- */

static bool add_value_counts(AggRun *run, const Group *group, Str label, Err *err) {
    HashIndex index = {.arena = run->arena};
    size_t first = run->node->frame.count;
    for (size_t i = 0; i < group->count; i++) {
        for (size_t step = 0; step < run->steps; step++) {
            double value = value_at(run, group->members[i], step);
            if (isnan(value)) {
                continue;
            }
            Buf text = {0};
            number_put(&text, value);
            bool is_new;
            size_t at = hash_index_add(&index, hash128(buf_view(&text)), &is_new);
            if (is_new) {
                Str copy = arena_str(run->arena, buf_view(&text));
                add_column(run, labels_with(run->arena, group->labels, label, copy));
            }
            buf_finish(&text);
            double *count = &run->node->frame.columns[first + at].values[step];
            *count = value_is_none(*count) ? 1 : *count + 1;
            if (is_new && !exec_charge_bytes(run->exec, run->steps * sizeof(double), err)) {
                return false;
            }
            run->node->frame.bytes += is_new ? run->steps * sizeof(double) : 0;
        }
    }
    return true;
}

/* histogram(): how many series have a value in each range. */
static void add_histogram(AggRun *run, const Group *group) {
    Frame ranges = {.columns = arena_array(run->arena, Column, MQL_VMRANGES_MAX)};
    HashIndex index = {.arena = run->arena};
    for (size_t i = 0; i < group->count; i++) {
        for (size_t step = 0; step < run->steps; step++) {
            Str range = mql_vmrange(run->arena, value_at(run, group->members[i], step));
            if (range.len == 0) {
                continue;
            }
            bool is_new;
            size_t at = hash_index_add(&index, hash128(range), &is_new);
            if (is_new) {
                ranges.columns[ranges.count++] = (Column){
                    .labels = labels_with(run->arena, group->labels, STR("vmrange"), range),
                    .values = arena_array(run->arena, double, run->steps)};
            }
            ranges.columns[at].values[step]++;
        }
    }
    mql_buckets_to_le(run->arena, &ranges, run->steps);
    for (size_t i = 0; i < ranges.count; i++) {
        memcpy(add_column(run, ranges.columns[i].labels)->values, ranges.columns[i].values,
               run->steps * sizeof(double));
    }
}

/* ---- the arguments ---- */

/* Texts and numbers beside the vectors. */
typedef struct AggArgs {
    size_t first, last; /* vectors: [first, last) */
    Str label;          /* of count_values, quantiles; what topk_* call the rest */
    int64_t limit;      /* of limitk */
} AggArgs;

static bool is_range_topk(AggregateId id) {
    return id == AGGREGATE_TOPK_AVG || id == AGGREGATE_TOPK_LAST || id == AGGREGATE_TOPK_MAX ||
           id == AGGREGATE_TOPK_MEDIAN || id == AGGREGATE_TOPK_MIN || is_bottom(id);
}

static bool check_count(const PlanNode *node, size_t least_count, size_t most, Err *err) {
    if (node->arg_count >= least_count && node->arg_count <= most) {
        return true;
    }
    return err_set(err, ERR_INVALID, "%s: unexpected number of args; got %zu; want %s%zu",
                   node->expr->aggregate.aggregate->name, node->arg_count,
                   most > least_count ? "at least " : "", least_count);
}

static bool check_quantiles(const PlanNode *node, AggArgs *args, Err *err) {
    if (!check_count(node, 3, SIZE_MAX, err) || !mql_text(node, 0, &args->label, err)) {
        return false;
    }
    for (size_t i = 1; i + 1 < node->arg_count; i++) {
        if (!mql_number(node, i, err)) {
            return false;
        }
    }
    args->first = node->arg_count - 1;
    return true;
}

static bool check_args(const PlanNode *node, AggArgs *args, Err *err) {
    AggregateId id = node->expr->aggregate.aggregate->id;
    *args = (AggArgs){.first = 0, .last = node->arg_count};
    switch (node->expr->aggregate.aggregate->param) {
    case PARAM_NONE:
        return check_count(node, 1, id == AGGREGATE_OUTLIERS_IQR ? 1 : SIZE_MAX, err);
    case PARAM_STRING:
        args->first = 1;
        return check_count(node, 2, 2, err) && mql_text(node, 0, &args->label, err);
    case PARAM_MANY:
        return check_quantiles(node, args, err);
    case PARAM_SCALAR:
        break;
    }
    args->first = 1;
    args->last = 2;
    return check_count(node, 2, is_range_topk(id) ? 3 : 2, err) &&
           (id == AGGREGATE_LIMITK ? mql_integer(node, 0, &args->limit, err)
                                   : mql_number(node, 0, err)) &&
           (node->arg_count < 3 || mql_text(node, 2, &args->label, err));
}

static bool take_input(AggRun *run, const AggArgs *args, Err *err) {
    PlanNode *node = run->node;
    Frame all = {0};
    for (size_t i = args->first; i < args->last; i++) {
        all.count += node->args[i] ? node->args[i]->frame.count : 0;
    }
    all.columns = arena_array(run->arena, Column, all.count + 1);
    size_t at = 0;
    for (size_t i = args->first; i < args->last; i++) {
        const Frame *from = node->args[i] ? &node->args[i]->frame : NULL;
        for (size_t j = 0; from && j < from->count; j++) {
            all.columns[at++] = from->columns[j];
        }
    }
    if (!mql_take(run->exec, node, &all, err)) {
        return false;
    }
    mql_drop_empty(&node->frame, run->steps);
    run->input = (Frame){.columns = node->frame.columns, .count = node->frame.count};
    node->frame.columns = NULL;
    node->frame.count = 0;
    run->buffer = arena_raw(run->arena, (run->input.count + run->steps + 1) * sizeof(double));
    return true;
}

/* ---- groups ---- */

/* count_values() makes its label anew, whatever the grouping says of it. */
static ExprAggregate grouping_of(AggRun *run, Str label) {
    ExprAggregate by = run->node->expr->aggregate;
    if (run->id == AGGREGATE_COUNT_VALUES && by.grouped) {
        Str *names = arena_array(run->arena, Str, by.label_count + 1);
        size_t count = 0;
        for (size_t i = 0; i < by.label_count; i++) {
            if (by.without || !str_eq(by.labels[i], label)) {
                names[count++] = by.labels[i];
            }
        }
        if (by.without) {
            names[count++] = label;
        }
        by.labels = names;
        by.label_count = count;
    }
    return by;
}

static void make_groups(AggRun *run, const ExprAggregate *by) {
    AggregateGroups groups = {.arena = run->arena, .aggregate = by, .index = {.arena = run->arena}};
    uint32_t *group_of = arena_raw(run->arena, (run->input.count + 1) * sizeof *group_of);
    for (size_t i = 0; i < run->input.count; i++) {
        const Column *column = &run->input.columns[i];
        bool is_new;
        Hash128 key = aggregate_key(by, column->labels);
        AggregateGroup *group = aggregate_group(&groups, column, key, &is_new);
        group_of[i] = (uint32_t)(group - groups.items);
    }
    bool limited = by->limit && by->limit < groups.count;
    run->group_count = limited ? (size_t)by->limit : groups.count;
    run->groups = arena_array(run->arena, Group, run->group_count + 1);
    for (size_t i = 0; i < run->input.count; i++) {
        if (group_of[i] < run->group_count) {
            run->groups[group_of[i]].count++;
        }
    }
    for (size_t i = 0; i < run->group_count; i++) {
        Group *group = &run->groups[i];
        group->labels = groups.items[i].labels;
        group->members = arena_raw(run->arena, group->count * sizeof *group->members);
        group->count = 0;
    }
    for (size_t i = 0; i < run->input.count; i++) {
        if (group_of[i] < run->group_count) {
            Group *group = &run->groups[group_of[i]];
            group->members[group->count++] = (uint32_t)i;
        }
    }
}

static bool run_group(AggRun *run, Group *group, const AggArgs *args, Err *err) {
    switch (run->id) {
    case AGGREGATE_ANY:
        add_member(run, group->members[0]);
        return true;
    case AGGREGATE_QUANTILE:
        quantile_group(run, group, run->node->args[0], add_column(run, group->labels));
        return true;
    case AGGREGATE_QUANTILES:
        add_quantiles(run, group);
        return true;
    case AGGREGATE_SHARE:
        add_shares(run, group);
        return true;
    case AGGREGATE_ZSCORE:
        add_zscores(run, group);
        return true;
    case AGGREGATE_OUTLIERS_IQR:
    case AGGREGATE_OUTLIERS_MAD:
        add_outliers(run, group);
        return true;
    case AGGREGATE_TOPK:
    case AGGREGATE_BOTTOMK:
        add_topk(run, group);
        return true;
    case AGGREGATE_LIMITK:
        add_limited(run, group, args->limit);
        return true;
    case AGGREGATE_COUNT_VALUES:
        return add_value_counts(run, group, args->label, err);
    case AGGREGATE_HISTOGRAM:
        add_histogram(run, group);
        return true;
    default:
        break;
    }
    if (find_number(run->id)) {
        fold_group(run, group);
    } else {
        add_range_topk(run, group, args->label);
    }
    return true;
}

bool run_aggregate_metricsql(Exec *exec, PlanNode *node, Err *err) {
    AggArgs args;
    for (size_t i = 0; i < node->arg_count; i++) {
        if (node->args[i] && !exec_node(exec, node->args[i], err)) {
            return false;
        }
    }
    AggRun run = {.exec = exec,
                  .node = node,
                  .id = node->expr->aggregate.aggregate->id,
                  .arena = frame_arena(&node->frame),
                  .steps = node->grid.count};
    if (!check_args(node, &args, err) || !take_input(&run, &args, err)) {
        return false;
    }
    ExprAggregate by = grouping_of(&run, args.label);
    make_groups(&run, &by);
    for (size_t i = 0; i < run.group_count; i++) {
        if (!run_group(&run, &run.groups[i], &args, err) || !exec_check(exec, err)) {
            return false;
        }
    }
    return true;
}
