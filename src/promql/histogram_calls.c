/*
 * histogram_quantile, histogram_quantiles and histogram_fraction, over classic histograms (series
 * with `le`) and native ones.
 *
 * Buckets of one classic histogram are the series that differ in `le` only; found and put in order
 * once. A native histogram of the same name and labels at the same step makes both unusable.
 */

#include <math.h>
#include <stdlib.h>

#include "base/go_text.h"
#include "base/number.h"
#include "promql/calls.h"
#include "promql/histogram_ops.h"

/* ---- classic histograms ---- */

typedef struct ClassicBucket {
    double upper, count;
} ClassicBucket;

typedef struct ClassicSeries {
    double upper;
    const Column *column;
} ClassicSeries;

typedef struct Classic {
    LabelSet labels; /* without le */
    bool drop_name;
    ClassicSeries *series;
    size_t count, cap;
} Classic;

/* Differences below this are float noise (Prometheus: sums of shards). */
static const double small_delta = 1e-12;

static bool almost_equal(double a, double b) {
    if (a == b || (isnan(a) && isnan(b))) {
        return true;
    }
    const double min_normal = 0x1p-1022, max = 0x1.fffffffffffffp1023;
    double sum = fabs(a) + fabs(b), difference = fabs(a - b);
    if (a == 0 || b == 0 || sum < min_normal) {
        return difference < small_delta * min_normal;
    }
    return difference / (sum < max ? sum : max) < small_delta;
}

typedef struct Forced {
    bool forced;
    double min_bucket, max_bucket, max_diff;
} Forced;

/* Counts must not fall from bucket to bucket: noise is smoothed silently, real falls are lifted and
 * told. */
static Forced make_monotonic(ClassicBucket *buckets, size_t count) {
    Forced forced = {false, INFINITY, -INFINITY, 0};
    double before = buckets[0].count;
    for (size_t i = 1; i < count; i++) {
        double now = buckets[i].count;
        if (now == before) {
            continue;
        }
        if (almost_equal(before, now)) {
            buckets[i].count = before;
        } else if (now < before) {
            buckets[i].count = before;
            forced.forced = true;
            forced.min_bucket = fmin(forced.min_bucket, buckets[i].upper);
            forced.max_bucket = fmax(forced.max_bucket, buckets[i].upper);
            forced.max_diff = fmax(forced.max_diff, before - now);
        } else {
            before = now;
        }
    }
    return forced;
}

/* The buckets there are at a step, equal bounds made one. */
static size_t buckets_at(const Classic *classic, size_t step, ClassicBucket *buckets) {
    size_t count = 0;
    for (size_t i = 0; i < classic->count; i++) {
        double value = classic->series[i].column->values[step];
        if (value_is_none(value)) {
            continue;
        }
        double upper = classic->series[i].upper;
        if (count && buckets[count - 1].upper == upper) {
            buckets[count - 1].count += value;
        } else {
            buckets[count++] = (ClassicBucket){upper, value};
        }
    }
    return count;
}

static double classic_quantile(double q, ClassicBucket *buckets, size_t count, Forced *ret_forced) {
    *ret_forced = (Forced){0};
    if (isnan(q)) {
        return value_nan();
    }
    if (q < 0 || q > 1) {
        return q < 0 ? -INFINITY : INFINITY;
    }
    if (buckets[count - 1].upper != INFINITY) {
        return value_nan();
    }
    *ret_forced = make_monotonic(buckets, count);
    double observations = buckets[count - 1].count;
    if (count < 2 || observations == 0) {
        return value_nan();
    }
    double rank = q * observations;
    size_t at = 0;
    while (at < count - 1 && !(buckets[at].count >= rank)) {
        at++;
    }
    if (at == count - 1) {
        return buckets[count - 2].upper;
    }
    if (at == 0 && buckets[0].upper <= 0) {
        return buckets[0].upper;
    }
    double start = 0, in_bucket = buckets[at].count;
    if (at > 0) {
        start = buckets[at - 1].upper;
        in_bucket -= buckets[at - 1].count;
        rank -= buckets[at - 1].count;
    }
    return start + (buckets[at].upper - start) * (rank / in_bucket);
}

/* ---- fractions of classic histograms ---- */

typedef struct Rank {
    double bound, rank;
    bool set;
} Rank;

static void look_for_rank(Rank *rank, double lower, double upper, double count, double below) {
    if (rank->set) {
        return;
    }
    if (lower >= rank->bound) {
        rank->rank = below;
        rank->set = true;
    } else if (upper > rank->bound) {
        rank->rank = lower == -INFINITY
                         ? count
                         : below + (count - below) * (rank->bound - lower) / (upper - lower);
        rank->set = true;
    }
}

static double classic_fraction(double lower, double upper, const ClassicBucket *buckets,
                               size_t count) {
    double all = buckets[count - 1].count;
    if (buckets[count - 1].upper != INFINITY || all == 0 || isnan(lower) || isnan(upper)) {
        return value_nan();
    }
    if (lower >= upper) {
        return 0;
    }
    Rank low = {lower, 0, false}, high = {upper, 0, false};
    double below = 0, from = buckets[0].upper <= 0 ? -INFINITY : 0;
    for (size_t i = 0; i < count && !(low.set && high.set); i++) {
        look_for_rank(&low, from, buckets[i].upper, buckets[i].count, below);
        look_for_rank(&high, from, buckets[i].upper, buckets[i].count, below);
        below = buckets[i].count;
        from = buckets[i].upper;
    }
    double low_rank = !low.set || low.rank > all ? all : low.rank;
    double high_rank = !high.set || high.rank > all ? all : high.rank;
    return (high_rank - low_rank) / all;
}

/* ---- the input, sorted out ---- */

typedef struct Input {
    PlanNode *node;
    Arena *arena;
    size_t vector_arg;
    const Frame *frame;
    HashIndex index; /* labels without le -> classic */
    Classic *classics;
    size_t count, cap;
    size_t widest;
    uint32_t *native_classic; /* per column with histograms: its classic twin + 1, or 0 */
} Input;

static Classic *classic_of(Input *input, const Column *column) {
    static const Str le = {"le", 2};
    bool is_new;
    Hash128 hash = labels_hash_selected(column->labels, &le, 1, false, false);
    uint32_t at = hash_index_add(&input->index, hash, &is_new);
    if (!is_new) {
        input->classics[at].drop_name |= column->drop_name;
        return &input->classics[at];
    }
    if (input->count == input->cap) {
        size_t cap = input->cap ? input->cap * 2 : 16;
        Classic *classics = arena_array(input->arena, Classic, cap);
        if (input->count) {
            memcpy(classics, input->classics, input->count * sizeof *classics);
        }
        input->classics = classics;
        input->cap = cap;
    }
    Classic *classic = &input->classics[input->count++];
    *classic = (Classic){.labels = labels_with(input->arena, column->labels, le, STR("")),
                         .drop_name = column->drop_name};
    return classic;
}

static void add_series(Input *input, const Column *column, double upper) {
    Classic *classic = classic_of(input, column);
    if (classic->count == classic->cap) {
        size_t cap = classic->cap ? classic->cap * 2 : 16;
        ClassicSeries *series = arena_array(input->arena, ClassicSeries, cap);
        if (classic->count) {
            memcpy(series, classic->series, classic->count * sizeof *series);
        }
        classic->series = series;
        classic->cap = cap;
    }
    classic->series[classic->count++] = (ClassicSeries){upper, column};
}

static Str column_metric(const Column *column) {
    return labels_get(column->labels, LABEL_METRIC_NAME);
}

static bool has_floats(const Column *column, size_t steps) {
    for (size_t step = 0; step < steps; step++) {
        if (!value_is_none(column->values[step])) {
            return true;
        }
    }
    return false;
}

static int compare_upper(const void *a, const void *b) {
    const ClassicSeries *x = a, *y = b;
    return (x->upper > y->upper) - (x->upper < y->upper);
}

static void sort_out_floats(Input *input) {
    for (size_t i = 0; i < input->frame->count; i++) {
        const Column *column = &input->frame->columns[i];
        if (!has_floats(column, input->node->grid.count)) {
            continue;
        }
        Str le = labels_get(column->labels, STR("le"));
        double upper;
        if (number_parse(le, &upper)) {
            add_series(input, column, upper);
        } else {
            note_bad_bucket(&input->node->notes, column_metric(column), le, (int)input->vector_arg);
        }
    }
    for (size_t i = 0; i < input->count; i++) {
        Classic *classic = &input->classics[i];
        qsort(classic->series, classic->count, sizeof *classic->series, compare_upper);
        input->widest = classic->count > input->widest ? classic->count : input->widest;
    }
}

static void sort_out_natives(Input *input) {
    input->native_classic = arena_array(input->arena, uint32_t, input->frame->count + 1);
    for (size_t i = 0; i < input->frame->count; i++) {
        const Column *column = &input->frame->columns[i];
        if (column->histograms) {
            Hash128 hash = labels_hash_selected(column->labels, NULL, 0, false, false);
            input->native_classic[i] = hash_index_find(&input->index, hash) + 1;
        }
    }
}

static Input sort_out(PlanNode *node, size_t vector_arg) {
    Arena *arena = frame_arena(&node->frame);
    Input input = {.node = node,
                   .arena = arena,
                   .vector_arg = vector_arg,
                   .frame = &node->args[vector_arg]->frame,
                   .index = {.arena = arena}};
    sort_out_floats(&input);
    sort_out_natives(&input);
    return input;
}

static bool has_classic_at(const Classic *classic, size_t step) {
    for (size_t i = 0; i < classic->count; i++) {
        if (!value_is_none(classic->series[i].column->values[step])) {
            return true;
        }
    }
    return false;
}

/* Whether the native histogram of column `at` meets its classic twin at this step. */
static bool is_in_conflict(Input *input, size_t at, size_t step) {
    uint32_t twin = input->native_classic[at];
    if (!twin || !has_classic_at(&input->classics[twin - 1], step)) {
        return false;
    }
    note_mixed_classic_native(&input->node->notes, column_metric(&input->frame->columns[at]),
                              (int)input->vector_arg);
    return true;
}

/* ---- computing ---- */

/* What is asked: a quantile, or the fraction between two bounds. */
typedef struct Question {
    bool fraction;
    const PlanNode *first, *second;
} Question;

static double ask_native(Input *input, const Question *question, const Column *column, size_t step,
                         Arena *scratch) {
    const Histogram *histogram = column->histograms[step];
    double first = exec_scalar(question->first, step);
    Notes *notes = &input->node->notes;
    if (question->fraction) {
        return histogram_fraction_native(scratch, first, exec_scalar(question->second, step),
                                         histogram, notes, column_metric(column),
                                         (int)input->vector_arg);
    }
    return histogram_quantile_native(scratch, first, histogram, notes, column_metric(column),
                                     (int)input->vector_arg);
}

static double ask_classic(Input *input, const Question *question, const Classic *classic,
                          size_t step, ClassicBucket *buckets, size_t count) {
    double first = exec_scalar(question->first, step);
    if (question->fraction) {
        return classic_fraction(first, exec_scalar(question->second, step), buckets, count);
    }
    Forced forced;
    double quantile = classic_quantile(first, buckets, count, &forced);
    if (forced.forced) {
        note_forced_monotonic(&input->node->notes, labels_get(classic->labels, LABEL_METRIC_NAME),
                              grid_time(&input->node->grid, step), forced.min_bucket,
                              forced.max_bucket, forced.max_diff, (int)input->vector_arg);
    }
    return quantile;
}

static Column *add_column(Input *input, LabelSet labels) {
    Column *column = &input->node->frame.columns[input->node->frame.count++];
    *column = (Column){.labels = labels,
                       .drop_name = true,
                       .values = column_alloc(input->arena, input->node->grid.count)};
    return column;
}

/* A classic histogram gives way at steps where its native twin is. */
typedef struct Blocked {
    uint8_t *bytes; /* per classic and step */
    size_t steps;
} Blocked;

static void answer_natives(Input *input, const Question *question, Blocked blocked, Str label,
                           Str text) {
    Arena scratch = {0};
    size_t steps = input->node->grid.count;
    for (size_t i = 0; i < input->frame->count; i++) {
        const Column *column = &input->frame->columns[i];
        if (!column->histograms) {
            continue;
        }
        LabelSet labels =
            label.len ? labels_with(input->arena, column->labels, label, text) : column->labels;
        Column *to = add_column(input, labels);
        for (size_t step = 0; step < steps; step++) {
            if (!column->histograms[step]) {
                continue;
            }
            if (is_in_conflict(input, i, step)) {
                blocked.bytes[(input->native_classic[i] - 1) * steps + step] = 1;
                continue;
            }
            to->values[step] = ask_native(input, question, column, step, &scratch);
            arena_reset(&scratch);
        }
        input->node->frame.count -= !column_any(to, steps);
    }
    arena_finish(&scratch);
}

static void answer_classics(Input *input, const Question *question, Blocked blocked, Str label,
                            Str text) {
    size_t steps = input->node->grid.count;
    ClassicBucket *buckets = arena_raw(input->arena, (input->widest + 1) * sizeof *buckets);
    for (size_t i = 0; i < input->count; i++) {
        const Classic *classic = &input->classics[i];
        LabelSet labels =
            label.len ? labels_with(input->arena, classic->labels, label, text) : classic->labels;
        Column *to = add_column(input, labels);
        for (size_t step = 0; step < steps; step++) {
            size_t count = buckets_at(classic, step, buckets);
            if (count && !blocked.bytes[i * steps + step]) {
                to->values[step] = ask_classic(input, question, classic, step, buckets, count);
            }
        }
        input->node->frame.count -= !column_any(to, steps);
    }
}

static bool answer(Exec *exec, Input *input, const Question *question, Str label, Str text,
                   Err *err) {
    size_t steps = input->node->grid.count;
    Blocked blocked = {arena_array(input->arena, uint8_t, input->count * steps + 1), steps};
    answer_natives(input, question, blocked, label, text);
    answer_classics(input, question, blocked, label, text);
    return exec_check(exec, err);
}

static void note_quantile(PlanNode *node, const PlanNode *number, int part) {
    for (size_t step = 0; step < node->grid.count; step++) {
        double q = exec_scalar(number, step);
        if (isnan(q) || q < 0 || q > 1) {
            note_invalid_quantile(&node->notes, q, part);
        }
    }
}

static void reserve_columns(Input *input, size_t questions) {
    size_t most = (input->frame->count + input->count) * questions;
    input->node->frame.columns = arena_array(input->arena, Column, most + 1);
}

static bool run_quantile(Exec *exec, PlanNode *node, Err *err) {
    Input input = sort_out(node, 1);
    Question question = {.first = node->args[0]};
    note_quantile(node, node->args[0], 0);
    reserve_columns(&input, 1);
    return answer(exec, &input, &question, STR(""), STR(""), err);
}

static bool run_fraction(Exec *exec, PlanNode *node, Err *err) {
    Input input = sort_out(node, 2);
    Question question = {.fraction = true, .first = node->args[0], .second = node->args[1]};
    reserve_columns(&input, 1);
    return answer(exec, &input, &question, STR(""), STR(""), err);
}

/* As OpenMetrics writes bounds: always with a point or exponent. */
static Str quantile_text(Arena *arena, double q) {
    Buf buf = {0};
    if (isnan(q)) {
        buf_str(&buf, STR("NaN"));
    } else {
        number_put_general(&buf, q, GO_EXPONENT_MIN);
        bool plain = true;
        for (size_t i = 0; i < buf.len; i++) {
            plain = plain && buf.ptr[i] != '.' && buf.ptr[i] != 'e' && buf.ptr[i] != 'I';
        }
        if (plain) {
            buf_str(&buf, STR(".0"));
        }
    }
    Str text = arena_str(arena, buf_view(&buf));
    buf_finish(&buf);
    return text;
}

/* histogram_quantiles(v, "label", q, ...), or in MetricsQL ("label", q, ..., v). Quantiles are
 * taken from the first step. */
static bool run_quantiles(Exec *exec, PlanNode *node, Err *err) {
    bool metricsql = node->expr->flavour == PROMQL_METRICSQL;
    size_t vector = metricsql ? node->arg_count - 1 : 0, first = metricsql ? 1 : 2;
    size_t end = metricsql ? node->arg_count - 1 : node->arg_count;
    Str label = call_text(node, metricsql ? 0 : 1);
    Input input = sort_out(node, vector);
    reserve_columns(&input, end > first ? end - first : 1);
    for (size_t i = first; i < end; i++) {
        note_quantile(node, node->args[i], (int)i);
    }
    for (size_t i = first; i < end; i++) {
        Question question = {.first = node->args[i]};
        Str text = quantile_text(input.arena, exec_scalar(node->args[i], 0));
        if (!answer(exec, &input, &question, label, text, err)) {
            return false;
        }
    }
    return true;
}

CallFn *histogram_call(FunctionId id) {
    switch (id) {
    case FUNC_HISTOGRAM_QUANTILE:
        return run_quantile;
    case FUNC_HISTOGRAM_QUANTILES:
        return run_quantiles;
    case FUNC_HISTOGRAM_FRACTION:
        return run_fraction;
    default:
        return NULL;
    }
}
