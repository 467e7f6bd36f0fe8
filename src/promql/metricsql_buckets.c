/*
 * MetricsQL's functions of histograms: classic buckets (`le`, cumulative) and VictoriaMetrics' own
 * (`vmrange`, each for itself), which are turned into classic ones first.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/number.h"
#include "promql/metricsql_calls.h"

/* ---- vmrange ---- */

enum { DECADE_MIN = -9, DECADE_MAX = 18, BUCKETS_PER_DECADE = 18 };
enum { VMRANGE_BUCKETS = (DECADE_MAX - DECADE_MIN) * BUCKETS_PER_DECADE };

/* Edges are multiplied up from the lowest, as VictoriaMetrics does, so that texts are equal. */
static double vmrange_edge(size_t index) {
    double edge = 1e-9, factor = pow(10, 1.0 / BUCKETS_PER_DECADE);
    for (size_t i = 0; i < index; i++) {
        edge *= factor;
    }
    return edge;
}

Str mql_vmrange(Arena *arena, double value) {
    if (isnan(value) || value < 0) {
        return (Str){"", 0};
    }
    double place = (log10(value) - DECADE_MIN) * BUCKETS_PER_DECADE;
    if (place < 0) {
        return arena_str(arena, STR("0...1.000e-09"));
    }
    if (place >= VMRANGE_BUCKETS) {
        return arena_str(arena, STR("1.000e+18...+Inf"));
    }
    size_t index = (size_t)place;
    if ((double)index == place && index > 0) {
        index--; /* an edge belongs to the bucket below */
    }
    return arena_printf(arena, "%.3e...%.3e", vmrange_edge(index), vmrange_edge(index + 1));
}

typedef struct Bucket {
    LabelSet rest; /* without le and vmrange */
    Hash128 group;
    double start, end;
    Str start_text, end_text;
    Column *column;
    uint32_t at;
} Bucket;

static bool read_vmrange(Str text, Bucket *bucket) {
    const char *dots = text.len ? memmem(text.ptr, text.len, "...", 3) : NULL;
    if (!dots) {
        return false;
    }
    size_t at = (size_t)(dots - text.ptr);
    bucket->start_text = (Str){text.ptr, at};
    bucket->end_text = str_skip(text, at + 3);
    return number_parse(bucket->start_text, &bucket->start) &&
           number_parse(bucket->end_text, &bucket->end);
}

static int compare_buckets(const void *a, const void *b) {
    const Bucket *x = a, *y = b;
    int order = memcmp(&x->group, &y->group, sizeof x->group);
    if (order) {
        return order;
    }
    if (x->end != y->end) {
        return x->end < y->end ? -1 : 1;
    }
    return x->at < y->at ? -1 : 1;
}

static bool is_all_zero(const Column *column, size_t steps) {
    for (size_t step = 0; step < steps; step++) {
        if (column->values[step] > 0) {
            return false;
        }
    }
    return true;
}

/* What a group of vmrange buckets becomes: columns by rising `le`. */
typedef struct LeGroup {
    Arena *arena;
    size_t steps;
    Column *columns;
    Str *edges;
    size_t count;
} LeGroup;

static Column *find_edge(LeGroup *group, Str edge) {
    for (size_t i = group->count; i-- > 0;) {
        if (str_eq(group->edges[i], edge)) {
            return &group->columns[i];
        }
    }
    return NULL;
}

static void add_edge(LeGroup *group, LabelSet rest, Str edge, double *values) {
    if (!values) {
        values = arena_array(group->arena, double, group->steps);
    }
    group->edges[group->count] = edge;
    group->columns[group->count++] =
        (Column){.labels = labels_with(group->arena, rest, STR("le"), edge), .values = values};
}

/* Two buckets with the same end: their ranges changed over time, so each has its own steps. */
static void fill_from(Column *to, const Column *from, size_t steps) {
    for (size_t step = 0; step < steps; step++) {
        if (isnan(to->values[step])) {
            to->values[step] = from->values[step];
        }
    }
}

/* Empty buckets are left out; where one is missing below another, its upper edge stands for it. */
static void build_group(LeGroup *group, const Bucket *buckets, size_t count) {
    double end = 0;
    const Bucket *last = NULL;
    for (size_t i = 0; i < count; i++) {
        const Bucket *bucket = &buckets[i];
        if (is_all_zero(bucket->column, group->steps)) {
            continue;
        }
        if (bucket->start != end && !find_edge(group, bucket->start_text)) {
            add_edge(group, bucket->rest, bucket->start_text, NULL);
        }
        Column *known = find_edge(group, bucket->end_text);
        if (known) {
            fill_from(known, bucket->column, group->steps);
        } else {
            add_edge(group, bucket->rest, bucket->end_text, bucket->column->values);
        }
        last = bucket;
        end = bucket->end;
    }
    if (last && !(isinf(end) && end > 0)) {
        add_edge(group, last->rest, STR("+Inf"), NULL);
    }
    for (size_t step = 0; step < group->steps; step++) {
        double total = 0;
        for (size_t i = 0; i < group->count; i++) {
            double *value = &group->columns[i].values[step];
            total += *value > 0 ? *value : 0;
            *value = total;
        }
    }
}

void mql_buckets_to_le(Arena *arena, Frame *frame, size_t steps) {
    static const Str bucket_labels[] = {{"le", 2}, {"vmrange", 7}};
    Column *columns = arena_array(arena, Column, 2 * frame->count + frame->count + 1);
    Bucket *buckets = arena_array(arena, Bucket, frame->count + 1);
    size_t count = 0, bucket_count = 0;
    for (size_t i = 0; i < frame->count; i++) {
        Column *column = &frame->columns[i];
        Str range = labels_get(column->labels, STR("vmrange"));
        Bucket *bucket = &buckets[bucket_count];
        if (range.len == 0 && labels_get(column->labels, STR("le")).len) {
            columns[count++] = *column;
        } else if (read_vmrange(range, bucket)) {
            bucket->rest = labels_filter(arena, column->labels, bucket_labels, 2, false);
            bucket->group = labels_hash(bucket->rest);
            bucket->column = column;
            bucket->at = (uint32_t)bucket_count++;
        }
    }
    if (bucket_count) {
        qsort(buckets, bucket_count, sizeof *buckets, compare_buckets);
    }
    for (size_t from = 0, to; from < bucket_count; from = to) {
        for (to = from; to < bucket_count &&
                        memcmp(&buckets[to].group, &buckets[from].group, sizeof(Hash128)) == 0;) {
            to++;
        }
        LeGroup group = {arena, steps, &columns[count],
                         arena_array(arena, Str, 2 * (to - from) + 1), 0};
        build_group(&group, &buckets[from], to - from);
        count += group.count;
    }
    frame->columns = columns;
    frame->count = count;
}

/* ---- groups of le ---- */

typedef struct LeBucket {
    double le;
    Hash128 group;
    LabelSet rest; /* without le and name */
    Column *column;
    uint32_t first, at; /* of the group, and its own place */
} LeBucket;

typedef struct LeBuckets {
    LeBucket *items;
    size_t count;
} LeBuckets;

static int compare_le(const void *a, const void *b) {
    const LeBucket *x = a, *y = b;
    if (x->first != y->first) {
        return x->first < y->first ? -1 : 1;
    }
    if (x->le != y->le) {
        return x->le < y->le ? -1 : 1;
    }
    return x->at < y->at ? -1 : 1;
}

/* Buckets by group and rising edge; those with equal edges (5 and 5.0) are one. */
static LeBuckets group_le(Arena *arena, Frame *frame, size_t steps, bool drop_name) {
    static const Str dropped[] = {{"le", 2}, {"__name__", 8}};
    LeBuckets buckets = {arena_array(arena, LeBucket, frame->count + 1), 0};
    HashIndex index = {.arena = arena};
    for (size_t i = 0; i < frame->count; i++) {
        Column *column = &frame->columns[i];
        LeBucket *bucket = &buckets.items[buckets.count];
        if (!number_parse(labels_get(column->labels, STR("le")), &bucket->le)) {
            continue;
        }
        bool is_new;
        bucket->rest = labels_filter(arena, column->labels, dropped, drop_name ? 2 : 1, false);
        bucket->group = labels_hash(bucket->rest);
        bucket->first = hash_index_add(&index, bucket->group, &is_new);
        bucket->column = column;
        bucket->at = (uint32_t)buckets.count++;
    }
    if (buckets.count) {
        qsort(buckets.items, buckets.count, sizeof *buckets.items, compare_le);
    }
    size_t count = 0;
    for (size_t i = 0; i < buckets.count; i++) {
        LeBucket *last = count ? &buckets.items[count - 1] : NULL;
        if (!drop_name || !last || last->first != buckets.items[i].first ||
            last->le != buckets.items[i].le) {
            buckets.items[count++] = buckets.items[i];
            continue;
        }
        for (size_t step = 0; step < steps; step++) {
            double sum = last->column->values[step] + buckets.items[i].column->values[step];
            last->column->values[step] = isnan(sum) ? value_none() : sum;
        }
    }
    buckets.count = count;
    return buckets;
}

static size_t group_size(const LeBuckets *buckets, size_t from) {
    size_t to = from;
    while (to < buckets->count && buckets->items[to].first == buckets->items[from].first) {
        to++;
    }
    return to - from;
}

/* ---- one histogram at one step ---- */

typedef struct Ladder {
    const double *le;
    double *counts; /* rising, none is missing */
    size_t count;
} Ladder;

/* A count that is missing or below the one before is as large as that. */
static void read_ladder(const LeBucket *buckets, size_t count, size_t step, Ladder *ladder) {
    for (size_t i = 0; i < count; i++) {
        double value = buckets[i].column->values[step];
        double before = i ? ladder->counts[i - 1] : 0;
        bool missing = isnan(value) && (count > 1);
        ladder->counts[i] = missing || (i && value < before) ? before : value;
    }
    ladder->count = count;
}

typedef struct Bounded {
    double value, lower, upper;
} Bounded;

static double last_finite(const Ladder *ladder) {
    for (size_t i = ladder->count; i-- > 0;) {
        if (!isinf(ladder->le[i])) {
            return ladder->le[i];
        }
    }
    return value_nan();
}

static Bounded find_quantile(const Ladder *ladder, double phi) {
    double total = ladder->counts[ladder->count - 1];
    if (isnan(phi) || isnan(total) || total == 0) {
        return (Bounded){value_nan(), value_nan(), value_nan()};
    }
    if (phi < 0) {
        return (Bounded){-INFINITY, -INFINITY, ladder->counts[0]};
    }
    if (phi > 1) {
        return (Bounded){INFINITY, total, INFINITY};
    }
    double wanted = total * phi, below = 0, edge = 0;
    for (size_t i = 0; i < ladder->count; i++) {
        double count = ladder->counts[i], le = ladder->le[i];
        if (count <= 0 || count < wanted) {
            below = count <= 0 ? below : count;
            edge = le;
            continue;
        }
        if (isinf(le)) {
            break;
        }
        if (count == below) {
            return (Bounded){edge, edge, count};
        }
        double value = edge + (le - edge) * (wanted - below) / (count - below);
        return (Bounded){value, edge, le};
    }
    double last = last_finite(ladder);
    return (Bounded){last, last, INFINITY};
}

static Bounded find_share(const Ladder *ladder, double wanted) {
    if (isnan(wanted)) {
        return (Bounded){value_nan(), value_nan(), value_nan()};
    }
    if (wanted < 0) {
        return (Bounded){0, 0, 0};
    }
    double below = 0, edge = 0, total = ladder->counts[ladder->count - 1];
    for (size_t i = 0; i < ladder->count && !isinf(wanted); i++) {
        double count = ladder->counts[i], le = ladder->le[i];
        if (wanted >= le) {
            below = count;
            edge = le;
            continue;
        }
        double lower = below / total;
        if (isinf(le)) {
            return (Bounded){lower, lower, 1};
        }
        if (edge == wanted) {
            return (Bounded){lower, lower, lower};
        }
        double share = lower + (count - below) / total * (wanted - edge) / (le - edge);
        return (Bounded){share, lower, count / total};
    }
    return (Bounded){1, 1, 1};
}

/* Mean and variance with each bucket's middle standing for what is in it. */
static void find_moments(const Ladder *ladder, double *ret_mean, double *ret_variance) {
    double edge = 0, below = 0, sum = 0, squares = 0, weight = 0;
    for (size_t i = 0; i < ladder->count; i++) {
        if (isinf(ladder->le[i])) {
            continue;
        }
        double middle = (ladder->le[i] + edge) / 2, share = ladder->counts[i] - below;
        sum += middle * share;
        squares += middle * middle * share;
        weight += share;
        edge = ladder->le[i];
        below = ladder->counts[i];
    }
    double mean = sum / weight, variance = squares / weight - mean * mean;
    *ret_mean = weight == 0 ? value_nan() : mean;
    *ret_variance = weight == 0 ? value_nan() : variance < 0 ? 0 : variance;
}

/* ---- the functions ---- */

typedef struct BucketRun {
    PlanNode *node;
    Arena *arena;
    LeBuckets buckets;
    Column *out;
    size_t out_count;
} BucketRun;

static double *add_result(BucketRun *run, LabelSet labels, Str label, Str value) {
    if (label.len) {
        labels = labels_with(run->arena, labels, label, value);
    }
    Column *column = &run->out[run->out_count++];
    *column = (Column){.labels = labels, .values = column_alloc(run->arena, run->node->grid.count)};
    return column->values;
}

static double kept(double value) {
    return isnan(value) ? value_none() : value;
}

static Ladder new_ladder(BucketRun *run, const LeBucket *buckets, size_t count) {
    double *edges = arena_raw(run->arena, (count + 1) * sizeof *edges);
    for (size_t i = 0; i < count; i++) {
        edges[i] = buckets[i].le;
    }
    return (Ladder){edges, arena_raw(run->arena, (count + 1) * sizeof(double)), count};
}

static Bounded one_result(FunctionId id, const PlanNode *node, const Ladder *ladder, size_t number,
                          size_t step) {
    Bounded result = {0};
    double variance;
    switch (id) {
    case FUNC_HISTOGRAM_QUANTILE:
    case FUNC_HISTOGRAM_QUANTILES:
        return find_quantile(ladder, exec_scalar(node->args[number], step));
    case FUNC_HISTOGRAM_SHARE:
        return find_share(ladder, exec_scalar(node->args[0], step));
    case FUNC_HISTOGRAM_FRACTION:
        result.value = find_share(ladder, exec_scalar(node->args[1], step)).value -
                       find_share(ladder, exec_scalar(node->args[0], step)).value;
        return result;
    case FUNC_HISTOGRAM_AVG:
        find_moments(ladder, &result.value, &variance);
        return result;
    default:
        find_moments(ladder, &variance, &result.value);
        result.value = id == FUNC_HISTOGRAM_STDDEV ? sqrt(result.value) : result.value;
        return result;
    }
}

/* One histogram's results; with `bounds` the edges of the bucket a result lies in as well. */
static void add_group(BucketRun *run, const LeBucket *buckets, size_t count, size_t number,
                      Str label, Str value, Str bounds) {
    FunctionId id = run->node->expr->call.function->id;
    Ladder ladder = new_ladder(run, buckets, count);
    double *values = add_result(run, buckets[0].rest, label, value), *lower = NULL, *upper = NULL;
    if (bounds.len) {
        lower = add_result(run, buckets[0].rest, bounds, STR("lower"));
        upper = add_result(run, buckets[0].rest, bounds, STR("upper"));
    }
    for (size_t step = 0; step < run->node->grid.count; step++) {
        read_ladder(buckets, count, step, &ladder);
        Bounded result = one_result(id, run->node, &ladder, number, step);
        values[step] = kept(result.value);
        if (bounds.len) {
            lower[step] = kept(result.lower);
            upper[step] = kept(result.upper);
        }
    }
}

/* Which argument holds the buckets, and a check of the others. */
static bool check_args(PlanNode *node, size_t *ret_buckets, Str *ret_label, Err *err) {
    FunctionId id = node->expr->call.function->id;
    *ret_label = (Str){"", 0};
    switch (id) {
    case FUNC_HISTOGRAM_QUANTILE:
    case FUNC_HISTOGRAM_SHARE:
        *ret_buckets = 1;
        return mql_number(node, 0, err) &&
               (node->arg_count < 3 || mql_text(node, 2, ret_label, err));
    case FUNC_HISTOGRAM_QUANTILES:
        *ret_buckets = node->arg_count - 1;
        if (node->arg_count < 3) {
            return mql_arity(node, 3, err);
        }
        for (size_t i = 1; i + 1 < node->arg_count; i++) {
            if (!mql_number(node, i, err)) {
                return false;
            }
        }
        return mql_text(node, 0, ret_label, err);
    case FUNC_HISTOGRAM_FRACTION:
        *ret_buckets = 2;
        if (!mql_number(node, 0, err) || !mql_number(node, 1, err)) {
            return false;
        }
        double low = exec_scalar(node->args[0], 0), high = exec_scalar(node->args[1], 0);
        return !(low >= high) ||
               err_set(err, ERR_INVALID,
                       "histogram_fraction: lower le cannot be greater than upper le; got lower "
                       "le: %f, upper le: %f",
                       low, high);
    default:
        *ret_buckets = 0;
        return true;
    }
}

static bool run_histogram(Exec *exec, PlanNode *node, Err *err) {
    FunctionId id = node->expr->call.function->id;
    size_t input;
    Str label;
    if (!check_args(node, &input, &label, err)) {
        return false;
    }
    static const Frame none = {0};
    if (!mql_take(exec, node, node->args[input] ? &node->args[input]->frame : &none, err)) {
        return false;
    }
    Arena *arena = frame_arena(&node->frame);
    mql_buckets_to_le(arena, &node->frame, node->grid.count);
    bool moments =
        id == FUNC_HISTOGRAM_AVG || id == FUNC_HISTOGRAM_STDDEV || id == FUNC_HISTOGRAM_STDVAR;
    bool many = id == FUNC_HISTOGRAM_QUANTILES;
    BucketRun run = {.node = node, .arena = arena};
    run.buckets = group_le(arena, &node->frame, node->grid.count, true);
    size_t results = many ? node->arg_count : moments ? 1 : 3;
    run.out = arena_array(arena, Column, run.buckets.count * results + 1);
    for (size_t from = 0, size; from < run.buckets.count; from += size) {
        const LeBucket *buckets = &run.buckets.items[from];
        size = group_size(&run.buckets, from);
        if (!many) {
            add_group(&run, buckets, size, 0, (Str){"", 0}, (Str){"", 0}, label);
        }
        for (size_t i = 1; many && i + 1 < node->arg_count; i++) {
            Str text = mql_number_text(arena, exec_scalar(node->args[i], 0));
            add_group(&run, buckets, size, i, label, text, (Str){"", 0});
        }
        if (!exec_check(exec, err)) {
            return false;
        }
    }
    node->frame.columns = run.out;
    node->frame.count = run.out_count;
    return true;
}

static bool run_prometheus_buckets(Exec *exec, PlanNode *node, Err *err) {
    if (!mql_take(exec, node, &node->args[0]->frame, err)) {
        return false;
    }
    mql_buckets_to_le(frame_arena(&node->frame), &node->frame, node->grid.count);
    return true;
}

/* ---- buckets_limit ---- */

typedef struct Weighed {
    Column column;
    double hits;
} Weighed;

static bool is_empty(double hits) {
    return !isnan(hits) && fabs(hits) < 1e-9;
}

static void weigh(Weighed *buckets, size_t count, size_t steps) {
    for (size_t step = 0; step < steps; step++) {
        double before = 0;
        for (size_t i = 0; i < count; i++) {
            buckets[i].hits += buckets[i].column.values[step] - before;
            before = buckets[i].column.values[step];
        }
    }
}

/* Empty ends go first, then those that together with the next hold least; the first and the last
 * bucket stay, as they bound the smallest and the greatest value. */
static size_t limit_group(Weighed **buckets, size_t count, size_t limit) {
    while (count > limit && is_empty((*buckets)[count - 1].hits)) {
        count--;
    }
    while (count > limit && is_empty((*buckets)[0].hits)) {
        (*buckets)++;
        count--;
    }
    Weighed *items = *buckets;
    while (count > limit) {
        size_t least = 1;
        for (size_t i = 1; i + 2 < count; i++) {
            if (items[i].hits + items[i + 1].hits < items[least].hits + items[least + 1].hits) {
                least = i;
            }
        }
        items[least + 1].hits += items[least].hits;
        memmove(&items[least], &items[least + 1], (count - least - 1) * sizeof *items);
        count--;
    }
    return count;
}

static bool run_buckets_limit(Exec *exec, PlanNode *node, Err *err) {
    int64_t limit;
    if (!mql_integer(node, 0, &limit, err)) {
        return false;
    }
    if (limit <= 0) {
        return err_set(err, ERR_INVALID, "buckets_limit: limit must be greater than 0; got %lld",
                       (long long)limit);
    }
    limit = limit < 3 ? 3 : limit;
    if (!mql_take(exec, node, &node->args[1]->frame, err)) {
        return false;
    }
    Arena *arena = frame_arena(&node->frame);
    Frame *frame = &node->frame;
    mql_buckets_to_le(arena, frame, node->grid.count);
    LeBuckets buckets = group_le(arena, frame, node->grid.count, false);
    Weighed *all = arena_array(arena, Weighed, buckets.count + 1);
    Column *out = arena_array(arena, Column, buckets.count + 1);
    size_t count = 0;
    for (size_t from = 0, size; from < buckets.count; from += size) {
        size = group_size(&buckets, from);
        Weighed *group = &all[from];
        for (size_t i = 0; i < size; i++) {
            group[i].column = *buckets.items[from + i].column;
        }
        size_t left = size;
        if ((uint64_t)limit < size) {
            weigh(group, size, node->grid.count);
            left = limit_group(&group, size, (size_t)limit);
        }
        for (size_t i = 0; i < left; i++) {
            out[count++] = group[i].column;
        }
    }
    frame->columns = out;
    frame->count = count;
    return true;
}

CallFn *mql_bucket_call(FunctionId id) {
    switch (id) {
    case FUNC_HISTOGRAM_AVG:
    case FUNC_HISTOGRAM_FRACTION:
    case FUNC_HISTOGRAM_QUANTILE:
    case FUNC_HISTOGRAM_QUANTILES:
    case FUNC_HISTOGRAM_SHARE:
    case FUNC_HISTOGRAM_STDDEV:
    case FUNC_HISTOGRAM_STDVAR:
        return run_histogram;
    case FUNC_PROMETHEUS_BUCKETS:
        return run_prometheus_buckets;
    case FUNC_BUCKETS_LIMIT:
        return run_buckets_limit;
    default:
        return NULL;
    }
}
