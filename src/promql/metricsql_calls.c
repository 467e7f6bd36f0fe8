/* MetricsQL's functions of whole vectors: union, order, chance; and what all of them share. */

#include "promql/metricsql_calls.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "base/go_text.h"
#include "base/mem.h"
#include "base/number.h"
#include "promql/range_functions.h"

/* ---- arguments ---- */

static const char *name_of(const PlanNode *node) {
    return node->expr->kind == EXPR_AGGREGATE ? node->expr->aggregate.aggregate->name
                                              : node->expr->call.function->name;
}

static const Expr *arg_of(const PlanNode *node, size_t index) {
    return expr_unwrap(node->expr->kind == EXPR_AGGREGATE ? node->expr->aggregate.exprs[index]
                                                          : node->expr->call.args[index]);
}

bool mql_text(const PlanNode *node, size_t index, Str *ret_text, Err *err) {
    const Expr *arg = arg_of(node, index);
    if (arg->kind != EXPR_STRING) {
        return err_set(err, ERR_INVALID, "%s: arg #%zu must be a string", name_of(node), index + 1);
    }
    *ret_text = arg->string;
    return true;
}

bool mql_texts(PlanNode *node, size_t first, Str **ret_texts, size_t *ret_count, Err *err) {
    size_t count = node->arg_count > first ? node->arg_count - first : 0;
    Str *texts = arena_array(frame_arena(&node->frame), Str, count + 1);
    for (size_t i = 0; i < count; i++) {
        if (!mql_text(node, first + i, &texts[i], err)) {
            return false;
        }
    }
    *ret_texts = texts;
    *ret_count = count;
    return true;
}

bool mql_number(const PlanNode *node, size_t index, Err *err) {
    const PlanNode *arg = node->args[index];
    if (!arg) {
        return err_set(err, ERR_INVALID, "%s: arg #%zu must be a number", name_of(node), index + 1);
    }
    if (arg->type != VALUE_SCALAR && arg->frame.count != 1) {
        return err_set(err, ERR_INVALID,
                       "%s: arg #%zu must contain a single timeseries; got %zu timeseries",
                       name_of(node), index + 1, arg->frame.count);
    }
    return true;
}

bool mql_integer(const PlanNode *node, size_t index, int64_t *ret_number, Err *err) {
    if (!mql_number(node, index, err)) {
        return false;
    }
    double number = exec_scalar(node->args[index], 0);
    *ret_number = isnan(number)       ? 0
                  : number >= 0x1p62  ? INT64_C(1) << 62
                  : number <= -0x1p62 ? -(INT64_C(1) << 62)
                                      : (int64_t)number;
    return true;
}

bool mql_arity(const PlanNode *node, size_t least, Err *err) {
    return err_set(err, ERR_INVALID, "%s: unexpected number of args; got %zu; want at least %zu",
                   name_of(node), node->arg_count, least);
}

/* ---- columns ---- */

bool mql_take(Exec *exec, PlanNode *node, const Frame *from, Err *err) {
    size_t bytes = from->count * (sizeof(Column) + node->grid.count * sizeof(double));
    if (!exec_charge_bytes(exec, bytes, err)) {
        return false;
    }
    node->frame.bytes += bytes;
    call_share_columns(node, from);
    Arena *arena = frame_arena(&node->frame);
    for (size_t i = 0; i < node->frame.count; i++) {
        node->frame.columns[i].histograms = NULL;
        column_own(arena, &node->frame.columns[i], node->grid.count);
    }
    return true;
}

double *mql_new_column(PlanNode *node) {
    Arena *arena = frame_arena(&node->frame);
    node->frame.columns = arena_new(arena, Column);
    node->frame.count = 1;
    node->frame.columns[0].values = column_alloc(arena, node->grid.count);
    return node->frame.columns[0].values;
}

void mql_drop_name(Arena *arena, Column *column) {
    column->labels = labels_with(arena, column->labels, LABEL_METRIC_NAME, STR(""));
    column->drop_name = false;
}

void mql_drop_empty(Frame *frame, size_t steps) {
    size_t count = 0;
    for (size_t i = 0; i < frame->count; i++) {
        if (column_any(&frame->columns[i], steps)) {
            frame->columns[count++] = frame->columns[i];
        }
    }
    frame->count = count;
}

size_t mql_numbers(const double *values, size_t count, double *out) {
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        if (!isnan(values[i])) {
            out[found++] = values[i];
        }
    }
    return found;
}

double mql_quantile(Arena *scratch, double q, const double *values, size_t count) {
    double *copy = arena_raw(scratch, (count + 1) * sizeof *copy);
    return quantile_of(q, copy, mql_numbers(values, count, copy));
}

Str mql_number_text(Arena *arena, double value) {
    Buf buf = {0};
    number_put_general(&buf, value, GO_EXPONENT_MIN);
    Str text = arena_str(arena, buf_view(&buf));
    buf_finish(&buf);
    return text;
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void mql_sort(double *values, size_t count) {
    qsort(values, count, sizeof *values, compare_doubles);
}

double mql_mode(const double *sorted, size_t count) {
    double best = sorted[0];
    size_t best_count = 0, run = 0;
    for (size_t i = 0; i < count; i++) {
        run = i > 0 && sorted[i] == sorted[i - 1] ? run + 1 : 1;
        if (run > best_count) {
            best_count = run;
            best = sorted[i];
        }
    }
    return best;
}

/* ---- union ---- */

static bool is_number(const PlanNode *arg) {
    return arg && (arg->type == VALUE_SCALAR ||
                   (arg->frame.count == 1 && arg->frame.columns[0].labels.count == 0));
}

static void add_number(PlanNode *node, const PlanNode *arg) {
    Column *column = &node->frame.columns[node->frame.count++];
    *column = (Column){.values = column_alloc(frame_arena(&node->frame), node->grid.count)};
    for (size_t step = 0; step < node->grid.count; step++) {
        column->values[step] = exec_scalar(arg, step);
    }
}

/* Of series with equal labels the first stays; numbers all do, for `q == (1, 2, 3)`. */
static bool run_union(Exec *exec, PlanNode *node, Err *err) {
    (void)exec, (void)err;
    Arena *arena = frame_arena(&node->frame);
    size_t count = 0;
    bool numbers = true;
    for (size_t i = 0; i < node->arg_count; i++) {
        numbers = numbers && is_number(node->args[i]);
        count += node->args[i] ? node->args[i]->frame.count + 1 : 0;
    }
    node->frame.columns = arena_array(arena, Column, count + 1);
    HashIndex index = {.arena = arena};
    for (size_t i = 0; i < node->arg_count; i++) {
        const PlanNode *arg = node->args[i];
        if (numbers) {
            add_number(node, arg);
            continue;
        }
        for (size_t j = 0; arg && j < arg->frame.count; j++) {
            bool is_new;
            hash_index_add(&index, labels_hash(arg->frame.columns[j].labels), &is_new);
            if (is_new) {
                node->frame.columns[node->frame.count] = arg->frame.columns[j];
                node->frame.columns[node->frame.count++].borrowed = true;
            }
        }
    }
    return true;
}

/* ---- order ---- */

typedef struct SortItem {
    const Column *column;
    size_t steps, at;
    const Str *labels;
    size_t label_count;
    bool numeric;
} SortItem;

/* By the last step whose values differ; no value is less than any. */
static int compare_values(const void *a, const void *b) {
    const SortItem *x = a, *y = b;
    for (size_t step = x->steps; step-- > 0;) {
        double left = x->column->values[step], right = y->column->values[step];
        if (isnan(left) != isnan(right)) {
            return isnan(left) ? -1 : 1;
        }
        if (left != right && !isnan(left)) {
            return left < right ? -1 : 1;
        }
    }
    return 0;
}

static size_t digits_len(Str text) {
    size_t at = text.len && (text.ptr[0] == '-' || text.ptr[0] == '+'), from = at;
    bool dot = false, digit = false;
    for (; at < text.len; at++) {
        bool is_digit = text.ptr[at] >= '0' && text.ptr[at] <= '9';
        if (!is_digit && (dot || text.ptr[at] != '.')) {
            break;
        }
        dot = dot || !is_digit;
        digit = digit || is_digit;
    }
    (void)from;
    return digit ? at : 0;
}

static size_t others_len(Str text) {
    size_t at = 0;
    while (at < text.len && !(text.ptr[at] >= '0' && text.ptr[at] <= '9')) {
        at++;
    }
    return at;
}

static Str cut(Str *text, size_t len) {
    Str part = {text->ptr, len};
    *text = str_skip(*text, len);
    return part;
}

/* "node-9" before "node-10": runs of digits by their value. */
static int compare_numeric(Str a, Str b) {
    while (a.len && b.len) {
        Str x = cut(&a, digits_len(a)), y = cut(&b, digits_len(b));
        if ((x.len > 0) != (y.len > 0)) {
            return x.len ? -1 : 1;
        }
        double left = 0, right = 0;
        (void)!number_parse(x, &left), (void)!number_parse(y, &right);
        if (left != right) {
            return left < right ? -1 : 1;
        }
        x = cut(&a, others_len(a)), y = cut(&b, others_len(b));
        int order = str_cmp(x, y);
        if (order) {
            return order;
        }
    }
    return (a.len > 0) - (b.len > 0);
}

static int compare_by_labels(const void *a, const void *b) {
    const SortItem *x = a, *y = b;
    for (size_t i = 0; i < x->label_count; i++) {
        Str left = labels_get(x->column->labels, x->labels[i]);
        Str right = labels_get(y->column->labels, y->labels[i]);
        int order = x->numeric ? compare_numeric(left, right) : str_cmp(left, right);
        if (order) {
            return order;
        }
    }
    return 0;
}

typedef int CompareFn(const void *a, const void *b);

/* Stable, which qsort() is not; upside down equal ones keep their order all the same. */
static void merge_sort(SortItem *items, SortItem *spare, size_t count, CompareFn *compare,
                       bool down) {
    if (count < 2) {
        return;
    }
    size_t half = count / 2, i = 0, j = half, at = 0;
    merge_sort(items, spare, half, compare, down);
    merge_sort(items + half, spare, count - half, compare, down);
    memcpy(spare, items, half * sizeof *items);
    while (i < half && j < count) {
        int order = compare(&items[j], &spare[i]);
        items[at++] = (down ? order > 0 : order < 0) ? items[j++] : spare[i++];
    }
    memcpy(items + at, spare + i, (half - i) * sizeof *items);
}

static bool run_sort(Exec *exec, PlanNode *node, Err *err) {
    (void)exec;
    FunctionId id = node->expr->call.function->id;
    const Frame *input = &node->args[0]->frame;
    bool by_value = id == FUNC_SORT || id == FUNC_SORT_DESC;
    bool down = id == FUNC_SORT_DESC || id == FUNC_SORT_BY_LABEL_DESC ||
                id == FUNC_SORT_BY_LABEL_NUMERIC_DESC;
    bool numeric = id == FUNC_SORT_BY_LABEL_NUMERIC || id == FUNC_SORT_BY_LABEL_NUMERIC_DESC;
    Str *labels;
    size_t label_count;
    if (!by_value && node->arg_count < 2) {
        return mql_arity(node, 2, err);
    }
    if (!mql_texts(node, 1, &labels, &label_count, err)) {
        return false;
    }
    Arena scratch = {0};
    SortItem *items = arena_array(&scratch, SortItem, input->count + 1);
    SortItem *spare = arena_array(&scratch, SortItem, input->count + 1);
    for (size_t i = 0; i < input->count; i++) {
        items[i] =
            (SortItem){&input->columns[i], node->grid.count, i, labels, label_count, numeric};
    }
    merge_sort(items, spare, input->count, by_value ? compare_values : compare_by_labels, down);
    call_share_columns(node, input);
    for (size_t i = 0; i < input->count; i++) {
        node->frame.columns[i] = *items[i].column;
        node->frame.columns[i].borrowed = true;
    }
    arena_finish(&scratch);
    return true;
}

static bool run_limit_offset(Exec *exec, PlanNode *node, Err *err) {
    (void)exec;
    int64_t limit, offset;
    if (!mql_integer(node, 0, &limit, err) || !mql_integer(node, 1, &offset, err)) {
        return false;
    }
    call_share_columns(node, &node->args[2]->frame);
    Frame *frame = &node->frame;
    mql_drop_empty(frame, node->grid.count);
    size_t skip = offset < 0 ? 0 : (uint64_t)offset < frame->count ? (size_t)offset : frame->count;
    frame->columns += skip;
    frame->count -= skip;
    if (limit < 0 || (uint64_t)limit < frame->count) {
        frame->count = limit < 0 ? 0 : (size_t)limit;
    }
    return true;
}

static bool run_drop_empty(Exec *exec, PlanNode *node, Err *err) {
    (void)exec, (void)err;
    call_share_columns(node, &node->args[0]->frame);
    mql_drop_empty(&node->frame, node->grid.count);
    return true;
}

/* ---- numbers ---- */

/* A text is read as a number; of a vector, its one series. */
static bool run_scalar(Exec *exec, PlanNode *node, Err *err) {
    (void)exec, (void)err;
    const PlanNode *arg = node->args[0];
    const Expr *expr = expr_unwrap(node->expr->call.args[0]);
    double *values = mql_new_column(node);
    double number = value_nan();
    if (expr->kind == EXPR_STRING && !number_parse(expr->string, &number)) {
        number = value_nan();
    }
    bool single = arg && (arg->type == VALUE_SCALAR || arg->frame.count == 1);
    for (size_t step = 0; step < node->grid.count; step++) {
        values[step] = single ? exec_scalar(arg, step) : number;
    }
    return true;
}

static bool run_vector(Exec *exec, PlanNode *node, Err *err) {
    (void)exec, (void)err;
    call_share_columns(node, &node->args[0]->frame);
    return true;
}

/* splitmix64 (Steele, Lea, Flood, OOPSLA 2014). */
static uint64_t next_random(uint64_t *state) {
    uint64_t bits = *state += UINT64_C(0x9e3779b97f4a7c15);
    bits = (bits ^ (bits >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    bits = (bits ^ (bits >> 27)) * UINT64_C(0x94d049bb133111eb);
    return bits ^ (bits >> 31);
}

/* In [0, 1). */
static double next_uniform(uint64_t *state) {
    return (double)(next_random(state) >> 11) * 0x1p-53;
}

/* Box and Muller, Annals of Mathematical Statistics 1958. */
static double next_normal(uint64_t *state) {
    double radius = sqrt(-2 * log(1 - next_uniform(state)));
    return radius * cos(2 * 3.14159265358979323846 * next_uniform(state));
}

static double next_exponential(uint64_t *state) {
    return -log(1 - next_uniform(state));
}

/* The same seed gives the same numbers. Without one they are those of the moment. */
static bool run_rand(Exec *exec, PlanNode *node, Err *err) {
    (void)exec;
    FunctionId id = node->expr->call.function->id;
    uint64_t state = (uint64_t)clock_monotonic_ns();
    if (node->arg_count) {
        int64_t seed;
        if (!mql_integer(node, 0, &seed, err)) {
            return false;
        }
        state = (uint64_t)seed;
    }
    double *values = mql_new_column(node);
    for (size_t step = 0; step < node->grid.count; step++) {
        values[step] = id == FUNC_RAND          ? next_uniform(&state)
                       : id == FUNC_RAND_NORMAL ? next_normal(&state)
                                                : next_exponential(&state);
    }
    return true;
}

CallFn *metricsql_call(FunctionId id) {
    switch (id) {
    case FUNC_UNION:
        return run_union;
    case FUNC_SORT:
    case FUNC_SORT_DESC:
    case FUNC_SORT_BY_LABEL:
    case FUNC_SORT_BY_LABEL_DESC:
    case FUNC_SORT_BY_LABEL_NUMERIC:
    case FUNC_SORT_BY_LABEL_NUMERIC_DESC:
        return run_sort;
    case FUNC_LIMIT_OFFSET:
        return run_limit_offset;
    case FUNC_DROP_EMPTY_SERIES:
        return run_drop_empty;
    case FUNC_SCALAR:
        return run_scalar;
    case FUNC_VECTOR:
        return run_vector;
    case FUNC_RAND:
    case FUNC_RAND_NORMAL:
    case FUNC_RAND_EXPONENTIAL:
        return run_rand;
    default:
        break;
    }
    CallFn *const found[] = {mql_label_call(id), mql_graph_call(id), mql_bucket_call(id)};
    for (size_t i = 0; i < sizeof found / sizeof *found; i++) {
        if (found[i]) {
            return found[i];
        }
    }
    return NULL;
}
