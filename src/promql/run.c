/* From expressions to answers: plans them as one program, runs it, and copies each result into the
 * asker's arena. */

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "promql/exec.h"
#include "promql/portions.h"
#include "promql/select.h"

/* ---- answers ---- */

typedef struct Answer {
    Exec *exec;
    const Expr *expr;
    Arena *arena;
    bool instant;
    Value *value;
    Err *err;
} Answer;

static bool charge_answer(const Answer *answer, size_t series, size_t points) {
    return exec_charge_bytes(answer->exec,
                             series * (sizeof(ValueSeries) + 128) + points * 2 * sizeof(double),
                             answer->err);
}

/* The points of a column that are there. */
static void put_points(Arena *arena, const Column *column, const Grid *grid, ValueSeries *series) {
    size_t count = column_points(column, grid->count), at = 0;
    TimeMs *times = arena_raw(arena, count * sizeof *times);
    double *values = arena_raw(arena, count * sizeof *values);
    const Histogram **histograms = NULL;
    if (column->histograms) {
        histograms = arena_array(arena, const Histogram *, count);
    }
    for (size_t step = 0; step < grid->count; step++) {
        if (!column_has(column, step)) {
            continue;
        }
        times[at] = grid_time(grid, step);
        values[at] = column->values[step];
        if (histograms && column->histograms[step]) {
            histograms[at] = histogram_copy(arena, column->histograms[step]);
        }
        at++;
    }
    series->times = times;
    series->values = values;
    series->histograms = histograms;
    series->count = count;
}

static int compare_series(const void *a, const void *b) {
    const ValueSeries *x = a, *y = b;
    return labels_cmp(x->labels, y->labels);
}

/* Names that were to be dropped go now; what is equal then is one series, or an error. Within one
 * metric nothing can become equal by losing its name. */
static bool may_collide(const Frame *frame) {
    Str first = {0};
    for (size_t i = 0; i < frame->count; i++) {
        Str name = labels_get(frame->columns[i].labels, LABEL_METRIC_NAME);
        if (i == 0) {
            first = name;
        }
        if (!str_eq(first, name) || labels_has(frame->columns[i].labels, STR("__type__")) ||
            labels_has(frame->columns[i].labels, STR("__unit__"))) {
            return true;
        }
    }
    return false;
}

static bool is_unique_by_nature(const PlanNode *node, const Frame *frame) {
    bool from_store = node->op == PLAN_SELECT || (node->op == PLAN_ROLLUP && node->selector);
    return from_store && !may_collide(frame);
}

/* MetricsQL: answers of functions and aggregations that put series in order keep it, others are in
 * order of labels, of ranges and of instants alike. */
static bool is_ordered(const Expr *expr) {
    switch (expr->kind) {
    case EXPR_CALL:
        switch (expr->call.function->id) {
        case FUNC_LIMIT_OFFSET:
        case FUNC_SORT:
        case FUNC_SORT_BY_LABEL:
        case FUNC_SORT_BY_LABEL_DESC:
        case FUNC_SORT_BY_LABEL_NUMERIC:
        case FUNC_SORT_BY_LABEL_NUMERIC_DESC:
        case FUNC_SORT_DESC:
            return true;
        default:
            return false;
        }
    case EXPR_AGGREGATE:
        return aggregate_is_ranking(expr->aggregate.aggregate->id);
    case EXPR_BINARY:
        return expr->binary.op == OP_OR;
    default:
        return false;
    }
}

static bool drop_names(const Answer *answer, const PlanNode *node, Arena *scratch,
                       Frame *ret_frame) {
    const Frame *from = &node->frame;
    bool unique = is_unique_by_nature(node, from);
    Frame frame = {.columns = arena_array(scratch, Column, from->count), .count = from->count};
    for (size_t i = 0; i < from->count; i++) {
        frame.columns[i] = from->columns[i];
        frame.columns[i].borrowed = true;
        if (frame.columns[i].drop_name) {
            frame.columns[i].labels = labels_without_metadata(scratch, frame.columns[i].labels);
        }
    }
    *ret_frame = frame;
    return unique || frame_merge_equal(scratch, ret_frame, node->grid.count, answer->err);
}

static bool answer_frame(const Answer *answer, const PlanNode *node) {
    Value *value = answer->value;
    Arena scratch = {0};
    Frame frame;
    bool ok = drop_names(answer, node, &scratch, &frame) &&
              charge_answer(answer, frame.count, frame.count * node->grid.count);
    if (ok) {
        value->type = answer->instant ? VALUE_VECTOR : VALUE_MATRIX;
        value->series = arena_array(answer->arena, ValueSeries, frame.count);
        value->series_count = 0;
        for (size_t i = 0; i < frame.count; i++) {
            if (!column_any(&frame.columns[i], node->grid.count)) {
                continue;
            }
            ValueSeries *series = &value->series[value->series_count++];
            put_points(answer->arena, &frame.columns[i], &node->grid, series);
            series->labels = labels_copy(answer->arena, frame.columns[i].labels);
        }
        bool metricsql = node->expr->flavour == PROMQL_METRICSQL;
        bool sorted = metricsql ? !is_ordered(expr_unwrap(answer->expr)) : !answer->instant;
        if (sorted && value->series_count) {
            qsort(value->series, value->series_count, sizeof *value->series, compare_series);
        }
    }
    arena_finish(&scratch);
    return ok;
}

/* MetricsQL: a number is a vector of one series; NaN is no sample. */
static bool answer_number(const Answer *answer, const PlanNode *node) {
    Value *value = answer->value;
    size_t count = 0;
    if (!charge_answer(answer, 1, node->grid.count)) {
        return false;
    }
    TimeMs *times = arena_raw(answer->arena, node->grid.count * sizeof *times);
    double *values = arena_raw(answer->arena, node->grid.count * sizeof *values);
    for (size_t step = 0; step < node->grid.count; step++) {
        double number = exec_scalar(node, step);
        if (number == number) {
            times[count] = grid_time(&node->grid, step);
            values[count++] = number;
        }
    }
    value->type = answer->instant ? VALUE_VECTOR : VALUE_MATRIX;
    value->series = arena_new(answer->arena, ValueSeries);
    value->series[0] = (ValueSeries){.times = times, .values = values, .count = count};
    value->series_count = count ? 1 : 0;
    return true;
}

static bool answer_scalar(const Answer *answer, const PlanNode *node) {
    Value *value = answer->value;
    if (node->expr->flavour == PROMQL_METRICSQL) {
        return answer_number(answer, node);
    }
    if (answer->instant) {
        value->type = VALUE_SCALAR;
        value->scalar = exec_scalar(node, 0);
        value->time = node->grid.start;
        return true;
    }
    size_t count = node->grid.count;
    if (!charge_answer(answer, 1, count)) {
        return false;
    }
    TimeMs *times = arena_raw(answer->arena, count * sizeof *times);
    double *values = arena_raw(answer->arena, count * sizeof *values);
    for (size_t step = 0; step < count; step++) {
        times[step] = grid_time(&node->grid, step);
        values[step] = exec_scalar(node, step);
    }
    value->type = VALUE_MATRIX;
    value->series = arena_new(answer->arena, ValueSeries);
    value->series[0] = (ValueSeries){.times = times, .values = values, .count = count};
    value->series_count = count ? 1 : 0;
    return true;
}

/* Floats and histograms of a series in order of time. */
static void merge_points(Arena *arena, const SeriesPoints *points, ValueSeries *series) {
    const FloatPoints *floats = &points->floats;
    const HistogramPoints *others = &points->histograms;
    size_t count = floats->count + others->count, i = 0, j = 0;
    TimeMs *times = arena_raw(arena, count * sizeof *times);
    double *values = arena_raw(arena, count * sizeof *values);
    const Histogram **histograms =
        others->count ? arena_array(arena, const Histogram *, count) : NULL;
    for (size_t at = 0; at < count; at++) {
        bool take_float =
            j == others->count || (i < floats->count && floats->times[i] <= others->times[j]);
        if (take_float) {
            times[at] = floats->times[i];
            values[at] = floats->values[i++];
        } else {
            times[at] = others->times[j];
            values[at] = value_none();
            histograms[at] = histogram_copy(arena, others->values[j++]);
        }
    }
    *series = (ValueSeries){.labels = series->labels,
                            .times = times,
                            .values = values,
                            .histograms = histograms,
                            .count = count};
}

static bool answer_raw(const Answer *answer, PlanNode *node) {
    Value *value = answer->value;
    SeriesPoints *list;
    size_t count;
    Arena scratch = {0};
    bool ok = select_raw(answer->exec, node, &scratch, &list, &count, answer->err);
    if (ok) {
        value->type = VALUE_MATRIX;
        value->series = arena_array(answer->arena, ValueSeries, count);
        value->series_count = count;
        for (size_t i = 0; i < count; i++) {
            LabelSet labels = list[i].drop_name ? labels_without_metadata(&scratch, list[i].labels)
                                                : list[i].labels;
            value->series[i].labels = labels_copy(answer->arena, labels);
            merge_points(answer->arena, &list[i], &value->series[i]);
        }
        if (count) {
            qsort(value->series, count, sizeof *value->series, compare_series);
        }
    }
    arena_finish(&scratch);
    return ok;
}

/* ---- annotations ---- */

static void answer_notes(const Answer *answer, const PlanRoot *root) {
    Arena scratch = {0};
    Notes all = {.arena = &scratch};
    for (size_t i = 0; i < root->origins_count; i++) {
        const Notes *notes = &root->origins[i].node->notes;
        for (size_t j = 0; j < notes->count; j++) {
            Note note = notes->items[j];
            note.origin = root->origins[i].expr;
            notes_add(&all, note);
        }
    }
    Str *warnings = arena_array(answer->arena, Str, all.count);
    Str *infos = arena_array(answer->arena, Str, all.count);
    Value *value = answer->value;
    Str text = root->expr->source->text;
    for (size_t i = 0; i < all.count; i++) {
        Str rendered = note_render(answer->arena, &all.items[i], text);
        if (all.items[i].warning) {
            warnings[value->warning_count++] = rendered;
        } else {
            infos[value->info_count++] = rendered;
        }
    }
    value->warnings = warnings;
    value->infos = infos;
    arena_finish(&scratch);
}

/* ---- running ---- */

static bool answer_root(const Answer *answer, const PlanRoot *root) {
    const Expr *expr = expr_unwrap(root->expr);
    if (root->expr->type == VALUE_STRING && !answer->instant) {
        answer->value->type = VALUE_MATRIX; /* MetricsQL: a text has no points */
        return true;
    }
    if (root->expr->type == VALUE_STRING) {
        answer->value->type = VALUE_STRING;
        answer->value->string = arena_str(answer->arena, expr->string);
        answer->value->time = answer->exec->plan->range.from;
        return true;
    }
    PlanNode *node = root->node;
    if (!exec_node(answer->exec, node, answer->err)) {
        return false;
    }
    bool ok = node->op == PLAN_RAW         ? answer_raw(answer, node)
              : node->type == VALUE_SCALAR ? answer_scalar(answer, node)
                                           : answer_frame(answer, node);
    if (ok) {
        answer_notes(answer, root);
    }
    return ok;
}

void exec_init(Exec *exec, Plan *plan, Arena *arena, StoreSnapshot *snapshot, Pool *pool,
               const QueryOptions *options) {
    *exec = (Exec){.plan = plan,
                   .arena = arena,
                   .snapshot = snapshot,
                   .pool = pool,
                   .options = options,
                   .deadline_ns = options->budget.deadline_ns};
}

/* What the selectors found, also those that others of the program opened before. */
static void put_series(const PlanRoot *root, Arena *arena, QueryStats *stats) {
    uint64_t *series = arena_array(arena, uint64_t, root->selectors_count);
    for (size_t i = 0; i < root->selectors_count; i++) {
        const PlanSelector *selector = root->selectors[i];
        series[i] = selector->selection ? selection_count(selector->selection) : 0;
        stats->series += series[i];
    }
    stats->knows_series = true;
    stats->selector_series = series;
    stats->selector_count = root->selectors_count;
}

static void put_stats(const Exec *exec, const PlanRoot *root, int64_t began_ns, Arena *arena,
                      Value *value) {
    value->stats = (QueryStats){.samples = atomic_load(&exec->samples),
                                .samples_peak = atomic_load(&exec->samples),
                                .bytes_peak = atomic_load(&exec->bytes_peak),
                                .eval_ns = clock_monotonic_ns() - began_ns};
    exec_count_end(exec, arena, &value->stats);
    put_series(root, arena, &value->stats);
}

/* A program under way. */
typedef struct Run {
    Plan plan;
    PlanRoot *roots;
    size_t count;
    Portion *portions;
    size_t portion_count;
    const Expr *const *exprs;
    StoreSnapshot *snapshot;
    Pool *pool;
    const QueryOptions *options;
    int64_t began_ns;
    Arena *answers; /* of each portion; of a single one the asker's */
    Value *values;
    bool *ok;
    Err *errs;
} Run;

static void run_root(const Run *run, Exec *exec, Arena *arena, size_t i) {
    Value value = {0};
    bool instant = run->plan.range.step == 0;
    Answer answer = {exec, run->exprs[i], arena, instant, &value, &run->errs[i]};
    exec_begin(exec);
    if (run->count == 1) {
        exec_count_begin(exec, exec->arena, &run->roots[i]);
    }
    int64_t from_ns = i ? clock_monotonic_ns() : run->began_ns; /* planning is the first one's */
    run->ok[i] = run->ok[i] && answer_root(&answer, &run->roots[i]);
    if (run->ok[i]) {
        put_stats(exec, &run->roots[i], from_ns, arena, &value);
        run->values[i] = value;
    } else {
        run->values[i] = (Value){.stats = {.eval_ns = clock_monotonic_ns() - from_ns}};
    }
}

static void run_portion(void *context, size_t index) {
    Run *run = context;
    Portion *portion = &run->portions[index];
    Exec exec;
    exec_init(&exec, &run->plan, &portion->arena, run->snapshot, run->pool, run->options);
    for (size_t i = 0; i < portion->count; i++) {
        run_root(run, &exec, &run->answers[index], portion->roots[i]);
    }
}

/* Handing out a few expressions costs more than it saves: the large ones are split by series. */
static size_t portions_most(const Pool *pool, size_t count) {
    enum { EXPRS_MIN = 64, PORTIONS_A_THREAD = 4 };
    size_t most = pool ? (size_t)(pool_threads(pool) + 1) * PORTIONS_A_THREAD : 1;
    return count / EXPRS_MIN < most ? count / EXPRS_MIN : most;
}

static void run_portions(Run *run, Arena *scratch, Arena *arena) {
    plan_portions(&run->plan, run->roots, run->count, portions_most(run->pool, run->count), scratch,
                  &run->portions, &run->portion_count);
    if (run->portion_count == 1) {
        run->answers = arena;
        run_portion(run, 0);
        return;
    }
    run->answers = arena_array(scratch, Arena, run->portion_count);
    pool_for(run->pool, run->portion_count, run_portion, run);
    for (size_t i = 0; i < run->portion_count; i++) {
        arena_join(arena, &run->answers[i]);
    }
}

void promql_run(const Expr *const *exprs, size_t count, StoreSnapshot *snapshot, QueryRange range,
                const QueryOptions *options, Pool *pool, Arena *arena, Value *ret_values,
                bool *ret_ok, Err *errs) {
    Arena scratch = {0};
    Run run = {.roots = arena_array(&scratch, PlanRoot, count),
               .count = count,
               .exprs = exprs,
               .snapshot = snapshot,
               .pool = pool,
               .options = options,
               .began_ns = clock_monotonic_ns(),
               .values = ret_values,
               .ok = ret_ok,
               .errs = errs};
    plan_init(&run.plan, &scratch, range, options);
    for (size_t i = 0; i < count; i++) {
        errs[i].kind = ERR_NONE;
        errs[i].text[0] = '\0';
        run.roots[i].err = &errs[i];
        ret_ok[i] = plan_add(&run.plan, exprs[i], &run.roots[i]);
    }
    run_portions(&run, &scratch, arena);
    for (size_t i = 0; i < count; i++) {
        plan_root_finish(&run.roots[i]);
    }
    plan_finish(&run.plan);
    portions_finish(run.portions, run.portion_count);
    arena_finish(&scratch);
}
