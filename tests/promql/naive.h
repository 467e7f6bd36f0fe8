#pragma once

/*
 * PromQL evaluated the slow and obvious way: one step at a time, each from the samples, nothing
 * shared, nothing planned. What test_random.c holds the real evaluator against.
 *
 * It knows floats, the functions and operators that query_make() writes, and no others.
 */

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "promql/ast.h"
#include "promql/frame.h"

typedef struct NaiveSeries {
    LabelSet labels;
    TimeMs times[256];
    double values[256]; /* stale markers among them */
    size_t count;
} NaiveSeries;

typedef struct NaiveData {
    const NaiveSeries *series;
    size_t count;
    QueryRange range; /* what start() and end() are */
} NaiveData;

typedef struct NaiveSample {
    LabelSet labels;
    double value;
    bool drop_name;
} NaiveSample;

/* A scalar is one sample without labels. */
typedef struct NaiveVector {
    NaiveSample *items;
    size_t count;
    bool failed; /* what Prometheus answers with an error */
} NaiveVector;

static NaiveVector naive_eval(const NaiveData *data, Arena *arena, const Expr *expr, TimeMs time);
static void query_make(Buf *buf, uint64_t *state, int depth);

/* ---- vectors ---- */

static NaiveVector new_vector(Arena *arena, size_t most) {
    return (NaiveVector){arena_array(arena, NaiveSample, most + 1), 0, false};
}

static void put(NaiveVector *vector, LabelSet labels, double value, bool drop_name) {
    vector->items[vector->count++] = (NaiveSample){labels, value, drop_name};
}

static NaiveVector scalar_of(Arena *arena, double value) {
    NaiveVector vector = new_vector(arena, 1);
    put(&vector, (LabelSet){0}, value, false);
    return vector;
}

static LabelSet without_name(Arena *arena, LabelSet labels) {
    return labels_with(arena, labels, LABEL_METRIC_NAME, STR(""));
}

/* ---- selectors ---- */

static bool matches(const ExprSelector *selector, LabelSet labels) {
    const MatcherSet *set = &selector->sets[0];
    for (size_t i = 0; i < set->count; i++) {
        if (!matcher_matches(&set->items[i], labels_get(labels, set->items[i].name))) {
            return false;
        }
    }
    return true;
}

static TimeMs shifted(const NaiveData *data, const TimeShift *shift, TimeMs time) {
    TimeMs at = shift->at.kind == AT_START  ? data->range.from
                : shift->at.kind == AT_END  ? data->range.to
                : shift->at.kind == AT_TIME ? shift->at.time
                                            : time;
    return at - shift->offset.value;
}

static NaiveVector eval_selector(const NaiveData *data, Arena *arena, const ExprSelector *selector,
                                 TimeMs time) {
    NaiveVector out = new_vector(arena, data->count);
    time = shifted(data, &selector->shift, time);
    for (size_t i = 0; i < data->count; i++) {
        const NaiveSeries *series = &data->series[i];
        if (!matches(selector, series->labels)) {
            continue;
        }
        for (size_t j = series->count; j-- > 0;) {
            if (series->times[j] <= time) {
                if (series->times[j] > time - 5 * MINUTE_MS && !value_is_stale(series->values[j])) {
                    put(&out, series->labels, series->values[j], false);
                }
                break;
            }
        }
    }
    return out;
}

/* ---- windows ---- */

/* Of the ranges that make_window() writes: 60 samples at most, and of 12 series with a name each
 * and without. */
enum { POINTS_MAX = 128, WINDOWS_MAX = 32 };

typedef struct Window {
    LabelSet labels;
    bool drop_name;
    double seconds[POINTS_MAX], values[POINTS_MAX];
    size_t count;
} Window;

typedef struct Windows {
    Window *items;
    size_t count;
    double from, to; /* seconds */
    bool failed;
} Windows;

/* What lost its name and what has it are two series, as where Prometheus does not put off dropping
 * names: `max_over_time(a[1m]) or a` may give one at some steps and the other at the rest. */
static Window *window_for(Windows *windows, LabelSet labels, bool drop_name) {
    drop_name = drop_name && labels_has(labels, LABEL_METRIC_NAME);
    for (size_t i = 0; i < windows->count; i++) {
        if (windows->items[i].drop_name == drop_name &&
            labels_eq(windows->items[i].labels, labels)) {
            return &windows->items[i];
        }
    }
    assert(windows->count < WINDOWS_MAX);
    Window *window = &windows->items[windows->count++];
    *window = (Window){.labels = labels, .drop_name = drop_name};
    return window;
}

static void add_point(Window *window, TimeMs time, double value) {
    assert(window->count < POINTS_MAX);
    window->seconds[window->count] = (double)time / 1000;
    window->values[window->count++] = value;
}

static Windows eval_window(const NaiveData *data, Arena *arena, const Expr *expr, TimeMs time) {
    Windows windows = {.items = arena_raw(arena, WINDOWS_MAX * sizeof(Window))};
    if (expr->kind == EXPR_SUBQUERY) {
        const ExprSubquery *subquery = &expr->subquery;
        TimeMs to = shifted(data, &subquery->shift, time), from = to - subquery->range.value;
        DurationMs step = subquery->step.value;
        for (TimeMs at = from - from % step + step; at <= to; at += step) {
            NaiveVector inner = naive_eval(data, arena, subquery->expr, at);
            windows.failed |= inner.failed;
            for (size_t i = 0; i < inner.count; i++) {
                add_point(window_for(&windows, inner.items[i].labels, inner.items[i].drop_name), at,
                          inner.items[i].value);
            }
        }
        windows.from = (double)from / 1000;
        windows.to = (double)to / 1000;
        return windows;
    }
    const ExprSelector *selector = &expr->matrix.selector->selector;
    TimeMs to = shifted(data, &selector->shift, time), from = to - expr->matrix.range.value;
    for (size_t i = 0; i < data->count; i++) {
        const NaiveSeries *series = &data->series[i];
        for (size_t j = 0; j < series->count && matches(selector, series->labels); j++) {
            if (series->times[j] > from && series->times[j] <= to &&
                !value_is_stale(series->values[j])) {
                add_point(window_for(&windows, series->labels, false), series->times[j],
                          series->values[j]);
            }
        }
    }
    windows.from = (double)from / 1000;
    windows.to = (double)to / 1000;
    return windows;
}

/* Times are whole milliseconds: their differences, too, which a difference of seconds is not to the
 * last bit. */
static double between(double from, double to) {
    return round((to - from) * 1000) / 1000;
}

/* What rate(), increase() and delta() make of a window: its change, stretched to its edges. */
static double extrapolate(const Window *window, const Windows *all, bool counter, bool per_second) {
    size_t last = window->count - 1;
    if (window->count < 2) {
        return value_none();
    }
    double change = window->values[last] - window->values[0];
    for (size_t i = 1; counter && i <= last; i++) {
        change += window->values[i] < window->values[i - 1] ? window->values[i - 1] : 0;
    }
    double sampled = between(window->seconds[0], window->seconds[last]);
    double before = between(all->from, window->seconds[0]);
    double after = between(window->seconds[last], all->to);
    double gap = sampled / (double)last;
    before = before >= gap * 1.1 ? gap / 2 : before;
    if (counter && change > 0 && window->values[0] >= 0) {
        double to_zero = sampled * (window->values[0] / change);
        before = to_zero < before ? to_zero : before;
    }
    after = after >= gap * 1.1 ? gap / 2 : after;
    double stretch = (sampled + before + after) / sampled;
    return change * (per_second ? stretch / between(all->from, all->to) : stretch);
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return isnan(x) || isnan(y) ? isnan(y) - isnan(x) : (x > y) - (x < y);
}

static double quantile(double q, double *values, size_t count) {
    if (count == 0 || isnan(q)) {
        return NAN;
    }
    if (q < 0 || q > 1) {
        return q < 0 ? -INFINITY : INFINITY;
    }
    qsort(values, count, sizeof *values, compare_doubles);
    double rank = q * (double)(count - 1), weight = rank - floor(rank);
    size_t low = (size_t)floor(rank), high = low + 1 < count ? low + 1 : low;
    return values[low] * (1 - weight) + values[high] * weight;
}

/* Neumaier's sum: Prometheus compensates, so what is nearly equal differs by the same last bits. */
static void add_to(double value, double *sum, double *lost) {
    double total = *sum + value;
    if (isinf(total)) {
        *lost = 0;
    } else {
        *lost += fabs(*sum) >= fabs(value) ? (*sum - total) + value : (value - total) + *sum;
    }
    *sum = total;
}

/* A sum, divided; a running mean from where the sum is no number any more. */
static double mean_of(const double *values, size_t count) {
    double sum = values[0], lost = 0, mean = 0;
    bool running = false;
    for (size_t i = 1; i < count; i++) {
        double number = (double)i + 1, next = sum, next_lost = lost;
        add_to(values[i], &next, &next_lost);
        if (!running && !isinf(next)) {
            sum = next;
            lost = next_lost;
            continue;
        }
        if (!running) {
            mean = sum / (double)i;
            lost /= (double)i;
            running = true;
        }
        mean *= (double)i / number;
        lost *= (double)i / number;
        add_to(values[i] / number, &mean, &lost);
    }
    return running ? mean + lost : sum / (double)count + lost / (double)count;
}

/* Welford's; over time with compensated sums, as an aggregation without. */
static double variance_of(const double *values, size_t count, bool compensated) {
    double mean = 0, mean_lost = 0, squares = 0, squares_lost = 0;
    for (size_t i = 0; i < count; i++) {
        double delta = values[i] - (mean + mean_lost);
        if (compensated) {
            add_to(delta / (double)(i + 1), &mean, &mean_lost);
            add_to(delta * (values[i] - (mean + mean_lost)), &squares, &squares_lost);
        } else {
            mean += delta / (double)(i + 1);
            squares += delta * (values[i] - mean);
        }
    }
    return (squares + squares_lost) / (double)count;
}

static double extreme_of(const double *values, size_t count, double sign) {
    double found = values[0];
    for (size_t i = 1; i < count; i++) {
        if (sign * values[i] > sign * found || isnan(found)) {
            found = values[i];
        }
    }
    return found;
}

static double sum_of(const double *values, size_t count) {
    double sum = 0, lost = 0;
    for (size_t i = 0; i < count; i++) {
        add_to(values[i], &sum, &lost);
    }
    return isinf(sum) ? sum : sum + lost;
}

static double count_turns(const Window *window, bool falls) {
    double turns = 0;
    for (size_t i = 1; i < window->count; i++) {
        double before = window->values[i - 1], now = window->values[i];
        bool both_nan = isnan(before) && isnan(now);
        turns += falls ? now < before : now != before && !both_nan;
    }
    return turns;
}

static double window_value(FunctionId id, Window *window, const Windows *all, double number) {
    double *values = window->values;
    size_t count = window->count;
    switch (id) {
    case FUNC_RATE:
        return extrapolate(window, all, true, true);
    case FUNC_INCREASE:
        return extrapolate(window, all, true, false);
    case FUNC_DELTA:
        return extrapolate(window, all, false, false);
    case FUNC_SUM_OVER_TIME:
        return sum_of(values, count);
    case FUNC_AVG_OVER_TIME:
        return mean_of(values, count);
    case FUNC_MIN_OVER_TIME:
        return extreme_of(values, count, -1);
    case FUNC_MAX_OVER_TIME:
        return extreme_of(values, count, 1);
    case FUNC_COUNT_OVER_TIME:
        return (double)count;
    case FUNC_LAST_OVER_TIME:
        return values[count - 1];
    case FUNC_PRESENT_OVER_TIME:
        return 1;
    case FUNC_STDVAR_OVER_TIME:
        return variance_of(values, count, true);
    case FUNC_CHANGES:
        return count_turns(window, false);
    case FUNC_RESETS:
        return count_turns(window, true);
    default:
        return quantile(number, values, count);
    }
}

/* ---- calls ---- */

static double sample_value(FunctionId id, double value, double number) {
    switch (id) {
    case FUNC_ABS:
        return fabs(value);
    case FUNC_SGN:
        return value > 0 ? 1 : value < 0 ? -1 : value;
    default: /* clamp_min */
        if (isnan(value) || isnan(number)) {
            return value == INFINITY || number == INFINITY ? INFINITY : NAN; /* Go's math.Max */
        }
        return value > number ? value : number;
    }
}

static NaiveVector eval_rollup(const NaiveData *data, Arena *arena, const ExprCall *call,
                               TimeMs time) {
    FunctionId id = call->function->id;
    size_t at = call->arg_count - 1;
    Windows windows = eval_window(data, arena, expr_unwrap(call->args[at]), time);
    double number = at ? naive_eval(data, arena, call->args[0], time).items[0].value : 0;
    NaiveVector out = new_vector(arena, windows.count);
    for (size_t i = 0; i < windows.count; i++) {
        Window *window = &windows.items[i];
        double value = window_value(id, window, &windows, number);
        bool drop = window->drop_name || id != FUNC_LAST_OVER_TIME;
        if (!value_is_none(value)) {
            put(&out, window->labels, value, drop);
        }
    }
    out.failed = windows.failed;
    return out;
}

static NaiveVector eval_call(const NaiveData *data, Arena *arena, const ExprCall *call,
                             TimeMs time) {
    FunctionId id = call->function->id;
    if (id == FUNC_TIME) {
        return scalar_of(arena, (double)time / 1000);
    }
    if (function_window_arg(call->function, (int)call->arg_count) >= 0) {
        return eval_rollup(data, arena, call, time);
    }
    NaiveVector out = naive_eval(data, arena, call->args[0], time);
    if (id == FUNC_SCALAR) {
        NaiveVector number = scalar_of(arena, out.count == 1 ? out.items[0].value : NAN);
        number.failed = out.failed;
        return number;
    }
    if (id == FUNC_VECTOR) {
        return out;
    }
    NaiveVector number = {0};
    if (call->arg_count > 1) {
        number = naive_eval(data, arena, call->args[1], time);
        out.failed |= number.failed;
    }
    for (size_t i = 0; i < out.count; i++) {
        out.items[i].value =
            sample_value(id, out.items[i].value, number.items ? number.items[0].value : 0);
        out.items[i].drop_name = true;
    }
    return out;
}

/* ---- aggregations ---- */

static LabelSet group_of(Arena *arena, const ExprAggregate *aggregate, LabelSet labels) {
    labels = labels_filter(arena, labels, aggregate->labels, aggregate->label_count,
                           !aggregate->without);
    return without_name(arena, labels);
}

static double aggregate_value(AggregateId id, double *values, size_t count, double number) {
    switch (id) {
    case AGGREGATE_SUM:
        return sum_of(values, count);
    case AGGREGATE_AVG:
        return mean_of(values, count);
    case AGGREGATE_MIN:
        return extreme_of(values, count, -1);
    case AGGREGATE_MAX:
        return extreme_of(values, count, 1);
    case AGGREGATE_COUNT:
        return (double)count;
    case AGGREGATE_GROUP:
        return 1;
    case AGGREGATE_STDVAR:
        return variance_of(values, count, false);
    default:
        return quantile(number, values, count);
    }
}

static NaiveVector eval_aggregate(const NaiveData *data, Arena *arena,
                                  const ExprAggregate *aggregate, TimeMs time) {
    NaiveVector in = naive_eval(data, arena, aggregate->expr, time);
    double number =
        aggregate->param ? naive_eval(data, arena, aggregate->param, time).items[0].value : 0;
    NaiveVector out = new_vector(arena, in.count);
    bool *done = arena_array(arena, bool, in.count + 1);
    double *values = arena_array(arena, double, in.count + 1);
    for (size_t i = 0; i < in.count; i++) {
        LabelSet group = group_of(arena, aggregate, in.items[i].labels);
        size_t count = 0;
        for (size_t j = i; j < in.count && !done[i]; j++) {
            if (labels_eq(group_of(arena, aggregate, in.items[j].labels), group)) {
                values[count++] = in.items[j].value;
                done[j] = j != i;
            }
        }
        if (count) {
            put(&out, group, aggregate_value(aggregate->aggregate->id, values, count, number),
                false);
        }
    }
    out.failed = in.failed;
    return out;
}

/* ---- operators ---- */

static double operate(BinaryOp op, double a, double b) {
    switch (op) {
    case OP_ADD:
        return a + b;
    case OP_SUB:
        return a - b;
    case OP_MUL:
        return a * b;
    case OP_DIV:
        return a / b;
    case OP_EQ:
        return a == b;
    case OP_NE:
        return a != b;
    case OP_GT:
        return a > b;
    case OP_LT:
        return a < b;
    case OP_GE:
        return a >= b;
    default:
        return a <= b;
    }
}

static LabelSet match_of(Arena *arena, const ExprBinary *binary, LabelSet labels) {
    labels =
        labels_filter(arena, labels, binary->match_labels, binary->match_label_count, binary->on);
    return without_name(arena, labels);
}

static const NaiveSample *find_match(Arena *arena, const ExprBinary *binary, LabelSet labels,
                                     const NaiveVector *in, size_t *ret_count) {
    const NaiveSample *found = NULL;
    LabelSet match = match_of(arena, binary, labels);
    *ret_count = 0;
    for (size_t i = 0; i < in->count; i++) {
        if (labels_eq(match_of(arena, binary, in->items[i].labels), match)) {
            found = &in->items[i];
            ++*ret_count;
        }
    }
    return found;
}

static NaiveVector eval_set(Arena *arena, const ExprBinary *binary, const NaiveVector *left,
                            const NaiveVector *right) {
    NaiveVector out = new_vector(arena, left->count + right->count);
    size_t count;
    for (size_t i = 0; i < left->count; i++) {
        bool there = find_match(arena, binary, left->items[i].labels, right, &count) != NULL;
        if (binary->op == OP_OR || there == (binary->op == OP_AND)) {
            out.items[out.count++] = left->items[i];
        }
    }
    for (size_t i = 0; i < right->count && binary->op == OP_OR; i++) {
        if (!find_match(arena, binary, right->items[i].labels, left, &count)) {
            out.items[out.count++] = right->items[i];
        }
    }
    return out;
}

/* One result of an operator; a comparison without `bool` keeps `kept`. */
static void put_result(NaiveVector *out, const ExprBinary *binary, LabelSet labels, double a,
                       double b, double kept, bool drop_name) {
    double result = operate(binary->op, a, b);
    bool comparison = binary_op_is_comparison(binary->op);
    bool filters = comparison && !binary->return_bool;
    if (!filters || result != 0) {
        put(out, labels, filters ? kept : result, drop_name || !filters);
    }
}

static NaiveVector eval_pairs(Arena *arena, const ExprBinary *binary, const NaiveVector *left,
                              const NaiveVector *right) {
    NaiveVector out = new_vector(arena, left->count);
    bool filters = binary_op_is_comparison(binary->op) && !binary->return_bool;
    for (size_t i = 0; i < right->count && left->count; i++) {
        size_t count;
        find_match(arena, binary, right->items[i].labels, right, &count);
        out.failed |= count > 1;
    }
    for (size_t i = 0; i < left->count && !out.failed; i++) {
        const NaiveSample *one = &left->items[i];
        size_t count, same;
        const NaiveSample *other = find_match(arena, binary, one->labels, right, &count);
        find_match(arena, binary, one->labels, left, &same);
        if (!other) {
            continue;
        }
        if (same > 1) {
            out.failed = true;
            break;
        }
        bool all = !binary->on && binary->match_label_count == 0;
        LabelSet labels = all ? one->labels
                              : labels_filter(arena, one->labels, binary->match_labels,
                                              binary->match_label_count, binary->on);
        labels = filters ? labels : without_name(arena, labels);
        put_result(&out, binary, labels, one->value, other->value, one->value, one->drop_name);
    }
    return out;
}

static NaiveVector eval_binary(const NaiveData *data, Arena *arena, const ExprBinary *binary,
                               TimeMs time) {
    NaiveVector left = naive_eval(data, arena, binary->left, time);
    NaiveVector right = naive_eval(data, arena, binary->right, time);
    bool left_scalar = binary->left->type == VALUE_SCALAR;
    bool right_scalar = binary->right->type == VALUE_SCALAR;
    NaiveVector out;
    if (left_scalar && right_scalar) {
        out = scalar_of(arena, operate(binary->op, left.items[0].value, right.items[0].value));
    } else if (left_scalar || right_scalar) {
        const NaiveVector *many = left_scalar ? &right : &left;
        out = new_vector(arena, many->count);
        for (size_t i = 0; i < many->count; i++) {
            const NaiveSample *own = &many->items[i];
            double a = left_scalar ? left.items[0].value : own->value;
            double b = left_scalar ? own->value : right.items[0].value;
            put_result(&out, binary, own->labels, a, b, own->value, own->drop_name);
        }
    } else if (binary_op_is_set(binary->op)) {
        out = eval_set(arena, binary, &left, &right);
    } else {
        out = eval_pairs(arena, binary, &left, &right);
    }
    out.failed |= left.failed || right.failed;
    return out;
}

static NaiveVector naive_eval(const NaiveData *data, Arena *arena, const Expr *expr, TimeMs time) {
    NaiveVector out;
    switch (expr->kind) {
    case EXPR_NUMBER:
        return scalar_of(arena, expr->number.value);
    case EXPR_PAREN:
        return naive_eval(data, arena, expr->paren, time);
    case EXPR_UNARY:
        out = naive_eval(data, arena, expr->unary.expr, time);
        for (size_t i = 0; i < out.count && expr->unary.negate; i++) {
            out.items[i].value = -out.items[i].value;
            out.items[i].drop_name = expr->type != VALUE_SCALAR;
        }
        return out;
    case EXPR_SELECTOR:
        return eval_selector(data, arena, &expr->selector, time);
    case EXPR_CALL:
        return eval_call(data, arena, &expr->call, time);
    case EXPR_AGGREGATE:
        return eval_aggregate(data, arena, &expr->aggregate, time);
    case EXPR_BINARY:
        return eval_binary(data, arena, &expr->binary, time);
    default:
        abort(); /* query_make() writes no other */
    }
}

/* As an answer has it: names dropped that are to be, and no two series alike. */
static NaiveVector naive_answer(const NaiveData *data, Arena *arena, const Expr *expr,
                                TimeMs time) {
    NaiveVector out = naive_eval(data, arena, expr, time);
    for (size_t i = 0; i < out.count; i++) {
        if (out.items[i].drop_name) {
            out.items[i].labels = without_name(arena, out.items[i].labels);
        }
        for (size_t j = 0; j < i; j++) {
            out.failed |= labels_eq(out.items[i].labels, out.items[j].labels);
        }
    }
    return out;
}

/* ---- queries ---- */

/* Below `bound`. */
static uint32_t random_below(uint64_t *state, uint32_t bound) {
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(*state >> 33) % bound;
}

#define PICK(state, ...)                                                                           \
    ((const char *const[]){__VA_ARGS__}[random_below(                                              \
        state, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))])

static void make_selector(Buf *buf, uint64_t *state) {
    buf_str(buf, str_of(PICK(state, "a", "b", "{__name__=~\"a|b\"}", "a{x=\"1\"}", "b{y!=\"1\"}",
                             "{__name__=\"a\",x=~\"1|2\"}", "nothing", "a{x!~\"2\",y=\"2\"}")));
}

static void make_shift(Buf *buf, uint64_t *state) {
    buf_str(buf, str_of(PICK(state, "", "", "", "", " offset 1m", " offset -45s", " @ start()",
                             " @ end()", " @ 1000", " @ 700 offset 20s")));
}

static void make_window(Buf *buf, uint64_t *state, int depth) {
    if (depth > 0 && random_below(state, 3) == 0) {
        buf_byte(buf, '(');
        query_make(buf, state, depth - 1);
        buf_str(buf, STR(")"));
        buf_str(buf, str_of(PICK(state, "[2m:20s]", "[90s:7s]", "[5m:1m]")));
    } else {
        make_selector(buf, state);
        buf_str(buf, str_of(PICK(state, "[1m]", "[90s]", "[5m]", "[10s]")));
    }
    make_shift(buf, state);
}

static void make_number(Buf *buf, uint64_t *state) {
    buf_str(buf, str_of(PICK(state, "0", "1", "2.5", "-3", "time()", "scalar(a{x=\"1\",y=\"1\"})",
                             "1e3", "0.5", "NaN", "Inf")));
}

static void make_binary(Buf *buf, uint64_t *state, int depth) {
    uint32_t kind = random_below(state, 4);
    buf_byte(buf, '(');
    if (kind == 0) {
        make_number(buf, state);
    } else {
        query_make(buf, state, depth - 1);
    }
    if (kind == 3) {
        buf_printf(buf, " %s %s", PICK(state, "and", "or", "unless"),
                   PICK(state, "", "on(x) ", "ignoring(y) ", "on() "));
    } else if (kind == 2) {
        buf_printf(buf, " %s %s", PICK(state, "+", "-", "*", "/", ">", "<= bool", "!="),
                   PICK(state, "", "on(x,y) ", "ignoring(y) ", "on(x) "));
    } else {
        buf_printf(buf, " %s ", PICK(state, "+", "-", "*", "/", ">", "< bool", "==", "!= bool"));
    }
    if (kind == 1) {
        make_number(buf, state);
    } else {
        query_make(buf, state, depth - 1);
    }
    buf_byte(buf, ')');
}

static void make_aggregate(Buf *buf, uint64_t *state, int depth) {
    const char *grouping = PICK(state, "", " by (x) ", " without (y) ", " by (y, x) ", " by () ");
    const char *name =
        PICK(state, "sum", "avg", "min", "max", "count", "group", "stdvar", "quantile");
    buf_printf(buf, "%s%s(", name, grouping);
    if (name[0] == 'q') {
        buf_printf(buf, "%s, ", PICK(state, "0.5", "0.9", "0", "1"));
    }
    query_make(buf, state, depth - 1);
    buf_byte(buf, ')');
}

static void make_call(Buf *buf, uint64_t *state, int depth) {
    const char *name = PICK(state, "abs", "sgn", "clamp_min", "-");
    buf_printf(buf, "%s(", name);
    query_make(buf, state, depth - 1);
    if (name[0] == 'c' && name[1] == 'l') {
        buf_str(buf, STR(", "));
        make_number(buf, state);
    }
    buf_byte(buf, ')');
}

static void make_rollup(Buf *buf, uint64_t *state, int depth) {
    const char *name =
        PICK(state, "rate", "increase", "delta", "sum_over_time", "avg_over_time", "min_over_time",
             "max_over_time", "count_over_time", "last_over_time", "present_over_time",
             "stdvar_over_time", "changes", "resets", "quantile_over_time");
    buf_printf(buf, "%s(", name);
    if (name[0] == 'q') {
        buf_printf(buf, "%s, ", PICK(state, "0.5", "0.25", "1"));
    }
    make_window(buf, state, depth);
    buf_byte(buf, ')');
}

/* A random query as text; the same `state` gives the same. */
static void query_make(Buf *buf, uint64_t *state, int depth) {
    switch (depth > 0 ? random_below(state, 6) : random_below(state, 2)) {
    case 0:
        make_selector(buf, state);
        make_shift(buf, state);
        return;
    case 1:
        make_rollup(buf, state, depth - 1);
        return;
    case 2:
    case 3:
        make_binary(buf, state, depth);
        return;
    case 4:
        make_aggregate(buf, state, depth);
        return;
    default:
        make_call(buf, state, depth);
    }
}
