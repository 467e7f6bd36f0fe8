/* Functions of a whole vector: absent, scalar, vector, sorting, dates of the step itself. */

#include "promql/calls.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "promql/range_functions.h"
#include "promql/scalar_ops.h"

Str call_text(const PlanNode *node, size_t index) {
    const Expr *arg = expr_unwrap(node->expr->call.args[index]);
    return arg->kind == EXPR_STRING ? arg->string : STR("");
}

void call_share_columns(PlanNode *node, const Frame *from) {
    Frame *frame = &node->frame;
    frame->columns = arena_array(frame_arena(frame), Column, from->count);
    frame->count = from->count;
    if (from->count) {
        memcpy(frame->columns, from->columns, from->count * sizeof *from->columns);
    }
    for (size_t i = 0; i < from->count; i++) {
        frame->columns[i].borrowed = true;
    }
}

static Column *add_column(PlanNode *node) {
    Arena *arena = frame_arena(&node->frame);
    if (!node->frame.columns) {
        node->frame.columns = arena_new(arena, Column);
    }
    Column *column = &node->frame.columns[node->frame.count++];
    column->values = column_alloc(arena, node->grid.count);
    return column;
}

/* ---- absent ---- */

/* The labels absent() answers with: what the selector asks for by equality, once. A label asked for
 * twice is left out, as in Prometheus. */
static LabelSet absent_labels(Arena *arena, const Expr *arg) {
    arg = expr_unwrap(arg);
    if (arg->kind == EXPR_MATRIX) {
        arg = arg->matrix.selector;
    }
    LabelSet labels = {0};
    if (arg->kind != EXPR_SELECTOR || arg->selector.set_count != 1) {
        return labels;
    }
    const MatcherSet *set = &arg->selector.sets[0];
    Label *items = arena_array(arena, Label, set->count + 1);
    HashIndex names = {.arena = arena};
    for (size_t i = 0; i < set->count; i++) {
        const Matcher *matcher = &set->items[i];
        if (str_eq(matcher->name, LABEL_METRIC_NAME)) {
            continue;
        }
        bool is_new;
        Label *item = &items[hash_index_add(&names, hash128(matcher->name), &is_new)];
        bool asked = item->name.len > 0;
        /* One that was asked for before keeps its name and loses its value. */
        Str value = matcher->type == MATCH_EQ && !asked ? matcher->value : STR("");
        *item = (Label){asked || matcher->type == MATCH_EQ ? matcher->name : STR(""), value};
    }
    Err ignored = {0};
    bool unique = labels_build(items, names.count, &labels, &ignored);
    assert(unique);
    (void)unique;
    return labels;
}

static bool run_absent(Exec *exec, PlanNode *node, Err *err) {
    (void)exec, (void)err;
    const Frame *input = &node->args[0]->frame;
    Column *column = add_column(node);
    column->labels = absent_labels(frame_arena(&node->frame), node->expr->call.args[0]);
    column->drop_name = true;
    for (size_t step = 0; step < node->grid.count; step++) {
        bool found = false;
        for (size_t i = 0; i < input->count && !found; i++) {
            found = column_has(&input->columns[i], step);
        }
        if (!found) {
            column->values[step] = 1;
        }
    }
    node->frame.count = column_any(column, node->grid.count);
    return true;
}

static bool mark_present(void *ctx, const Column *columns, size_t count, Err *err) {
    (void)err;
    PlanNode *node = ctx;
    double *values = node->frame.columns[0].values;
    for (size_t i = 0; i < count; i++) {
        for (size_t step = 0; step < node->grid.count; step++) {
            if (column_has(&columns[i], step)) {
                values[step] = value_none();
            }
        }
    }
    return true;
}

bool run_absent_over_time(Exec *exec, PlanNode *node, Err *err) {
    if (node->selector ? !select_open(exec, node->selector, err)
                       : !exec_node(exec, node->subquery, err)) {
        return false;
    }
    Column *column = add_column(node);
    column->labels = absent_labels(frame_arena(&node->frame), node->expr->call.args[0]);
    column->drop_name = true;
    for (size_t step = 0; step < node->grid.count; step++) {
        column->values[step] = 1;
    }
    size_t count = node->frame.count;
    Fold fold = {mark_present, NULL, node};
    if (!exec_fold(exec, node, &fold, err)) {
        return false;
    }
    node->frame.count = count && column_any(column, node->grid.count);
    return true;
}

/* ---- scalars ---- */

static bool run_scalar(Exec *exec, PlanNode *node, Err *err) {
    (void)exec, (void)err;
    const Frame *input = &node->args[0]->frame;
    double *values = add_column(node)->values;
    for (size_t step = 0; step < node->grid.count; step++) {
        size_t found = 0;
        double value = value_nan();
        for (size_t i = 0; i < input->count; i++) {
            if (!value_is_none(input->columns[i].values[step])) {
                value = input->columns[i].values[step];
                found++;
            }
        }
        values[step] = found == 1 ? value : value_nan();
    }
    return true;
}

static bool run_vector(Exec *exec, PlanNode *node, Err *err) {
    (void)exec, (void)err;
    double *values = add_column(node)->values;
    for (size_t step = 0; step < node->grid.count; step++) {
        values[step] = exec_scalar(node->args[0], step);
    }
    return true;
}

static bool run_extreme_of(Exec *exec, PlanNode *node, Err *err) {
    (void)exec, (void)err;
    bool max = node->expr->call.function->id == FUNC_MAX_OF;
    double *values = add_column(node)->values;
    for (size_t step = 0; step < node->grid.count; step++) {
        double a = exec_scalar(node->args[0], step), b = exec_scalar(node->args[1], step);
        values[step] = max ? go_max(a, b) : go_min(a, b);
    }
    return true;
}

/* hour() and friends without argument: of the step's own time. */
static bool run_date(Exec *exec, PlanNode *node, Err *err) {
    (void)exec, (void)err;
    SampleFn *fn = sample_function(node->expr->call.function->id);
    double *values = add_column(node)->values;
    for (size_t step = 0; step < node->grid.count; step++) {
        TimeMs time = grid_time(&node->grid, step);
        values[step] = fn((double)(time / 1000));
    }
    return true;
}

/* ---- sorting ---- */

typedef struct SortKey {
    double value;
    uint32_t at;
} SortKey;

/* NaN last, whichever way. Equal ones keep their order. */
static int compare_up(const void *a, const void *b) {
    const SortKey *x = a, *y = b;
    if (isnan(x->value) != isnan(y->value)) {
        return isnan(x->value) ? 1 : -1;
    }
    if (x->value != y->value && !isnan(x->value)) {
        return x->value < y->value ? -1 : 1;
    }
    return x->at < y->at ? -1 : 1;
}

static int compare_down(const void *a, const void *b) {
    const SortKey *x = a, *y = b;
    if (isnan(x->value) != isnan(y->value)) {
        return isnan(x->value) ? 1 : -1;
    }
    if (x->value != y->value && !isnan(x->value)) {
        return x->value > y->value ? -1 : 1;
    }
    return x->at < y->at ? -1 : 1;
}

/* In a range answer series are in order of labels anyway; histograms are dropped either way. */
static bool run_sort(Exec *exec, PlanNode *node, Err *err) {
    (void)exec, (void)err;
    const Frame *input = &node->args[0]->frame;
    size_t steps = node->grid.count;
    Arena *arena = frame_arena(&node->frame);
    SortKey *keys = arena_raw(arena, (input->count + 1) * sizeof *keys);
    size_t count = 0;
    for (size_t i = 0; i < input->count; i++) {
        Column floats = input->columns[i];
        floats.histograms = NULL;
        if (column_any(&floats, steps)) {
            keys[count++] = (SortKey){floats.values[0], (uint32_t)i};
        }
    }
    if (steps > 1) {
        note_sort_in_range(&node->notes);
    } else {
        bool down = node->expr->call.function->id == FUNC_SORT_DESC;
        qsort(keys, count, sizeof *keys, down ? compare_down : compare_up);
    }
    node->frame.columns = arena_array(arena, Column, count);
    node->frame.count = count;
    for (size_t i = 0; i < count; i++) {
        node->frame.columns[i] = input->columns[keys[i].at];
        node->frame.columns[i].histograms = NULL;
    }
    return true;
}

/* ---- equal series ---- */

static bool merge_into(Arena *arena, Column *to, const Column *from, size_t steps, Err *err) {
    to->borrowed = true;
    column_own(arena, to, steps);
    for (size_t step = 0; step < steps; step++) {
        if (!column_has(from, step)) {
            continue;
        }
        if (column_has(to, step)) {
            return err_set(err, ERR_INVALID,
                           "vector cannot contain metrics with the same labelset");
        }
        if (from->histograms && from->histograms[step]) {
            column_set_histogram(arena, to, steps, step, from->histograms[step]);
        } else {
            to->values[step] = from->values[step];
        }
    }
    return true;
}

/* A name that will be dropped is none: `-a or a` has both series, as Prometheus answers where it
 * does not put off dropping names. */
static Hash128 final_hash(const Column *column) {
    Hash128 hash = labels_hash(column->labels);
    bool drops = column->drop_name && labels_get(column->labels, STR("__name__")).len;
    hash.lo ^= drops ? UINT64_C(0x9e3779b97f4a7c15) : 0;
    return hash;
}

bool frame_merge_equal(Arena *arena, Frame *frame, size_t steps, Err *err) {
    if (frame->count < 2) {
        return true;
    }
    Arena scratch = {0};
    HashIndex index = {.arena = &scratch};
    size_t count = 0;
    bool ok = true;
    for (size_t i = 0; ok && i < frame->count; i++) {
        bool is_new;
        uint32_t at = hash_index_add(&index, final_hash(&frame->columns[i]), &is_new);
        if (is_new) {
            frame->columns[count++] = frame->columns[i];
        } else {
            ok = merge_into(arena, &frame->columns[at], &frame->columns[i], steps, err);
        }
    }
    frame->count = count;
    arena_finish(&scratch);
    return ok;
}

/* ---- the table ---- */

typedef struct CallRow {
    FunctionId id;
    CallFn *fn;
} CallRow;

static const CallRow rows[] = {
    {FUNC_ABSENT, run_absent},    {FUNC_DAY_OF_MONTH, run_date},  {FUNC_DAY_OF_WEEK, run_date},
    {FUNC_DAY_OF_YEAR, run_date}, {FUNC_DAYS_IN_MONTH, run_date}, {FUNC_HOUR, run_date},
    {FUNC_INFO, run_info},        {FUNC_MAX_OF, run_extreme_of},  {FUNC_MIN_OF, run_extreme_of},
    {FUNC_MINUTE, run_date},      {FUNC_MONTH, run_date},         {FUNC_SCALAR, run_scalar},
    {FUNC_SORT, run_sort},        {FUNC_SORT_DESC, run_sort},     {FUNC_VECTOR, run_vector},
    {FUNC_YEAR, run_date},
};

static CallFn *plain_call(FunctionId id) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].id == id) {
            return rows[i].fn;
        }
    }
    return NULL;
}

bool run_call(Exec *exec, PlanNode *node, Err *err) {
    FunctionId id = node->expr->call.function->id;
    bool metricsql = node->expr->flavour == PROMQL_METRICSQL;
    CallFn *const found[] = {metricsql ? metricsql_call(id) : NULL, plain_call(id), label_call(id),
                             histogram_call(id)};
    for (size_t i = 0; i < sizeof found / sizeof *found; i++) {
        if (found[i]) {
            return found[i](exec, node, err);
        }
    }
    return err_set(err, ERR_UNSUPPORTED, "function %s() is not supported",
                   node->expr->call.function->name);
}
