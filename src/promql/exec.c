#include "promql/exec.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "promql/metricsql_rollup.h"
#include "promql/range_functions.h"
#include "promql/scalar_ops.h"
#include "promql/select.h"

/* ---- workers ---- */

Notes *worker_notes(Worker *worker, PlanNode *node) {
    for (size_t i = 0; i < worker->note_sets; i++) {
        if (worker->notes[i].node == node) {
            return &worker->notes[i].notes;
        }
    }
    size_t at = worker->note_sets < WORKER_NOTES_MAX ? worker->note_sets++ : WORKER_NOTES_MAX - 1;
    if (!worker->notes[at].node) {
        worker->notes[at] = (WorkerNotes){.node = node, .notes = {.arena = &worker->note_arena}};
    }
    return &worker->notes[at].notes;
}

static void worker_finish(Worker *worker) {
    exec_refund_bytes(worker->exec, worker->charged);
    arena_finish(&worker->out);
    arena_finish(&worker->scratch);
    arena_finish(&worker->note_arena);
}

/* There may be many ranges, whose columns stay. */
static void forget_windows(Worker *worker) {
    arena_finish(&worker->windows_arena);
    memset(worker->windows, 0, sizeof worker->windows);
}

bool worker_reserve(Worker *worker, size_t bytes) {
    enum { CHARGE_BYTES = 16 * 1024 }; /* at a time: the account is shared by all workers */
    size_t used = worker->out.used_bytes + worker->windows_arena.used_bytes +
                  worker->scratch.used_bytes + bytes;
    if (used <= worker->charged) {
        return true;
    }
    size_t more = used - worker->charged;
    more = more < CHARGE_BYTES ? CHARGE_BYTES : more;
    if (!exec_charge_bytes(worker->exec, more, &worker->err)) {
        return false;
    }
    worker->charged += more;
    return true;
}

/* ---- one series of a chain ---- */

bool exec_read_series(Worker *worker, PlanNode *node, size_t index, Column *ret_column) {
    if (node->state == NODE_DONE) {
        *ret_column = node->frame.columns[index];
        ret_column->borrowed = true;
        return true;
    }
    switch (node->op) {
    case PLAN_SELECT:
        return select_column(worker, node, index, ret_column);
    case PLAN_ROLLUP:
        return rollup_column(worker, node, index, ret_column);
    case PLAN_MAP:
        return exec_read_series(worker, node->args[0], index, ret_column) &&
               map_column(worker, node, ret_column);
    case PLAN_NEGATE:
        return exec_read_series(worker, node->args[0], index, ret_column) &&
               negate_column(worker, node, ret_column);
    case PLAN_VECTOR_SCALAR:
        return exec_read_series(worker, node->args[0], index, ret_column) &&
               vector_scalar_column(worker, node, ret_column);
    default:
        assert(false);
        return false;
    }
}

size_t exec_series_count(const PlanNode *node) {
    if (node->state == NODE_DONE) {
        return node->frame.count;
    }
    switch (node->op) {
    case PLAN_SELECT:
        return selection_count(node->selector->selection);
    case PLAN_ROLLUP:
        return node->selector ? selection_count(node->selector->selection)
                              : node->subquery->frame.count;
    default:
        return exec_series_count(node->args[0]);
    }
}

/* ---- what lies below a chain ---- */

static bool prepare_below(Exec *exec, PlanNode *node, Err *err) {
    if (node->selector) {
        return select_open(exec, node->selector, err);
    }
    if (node->subquery) {
        return exec_node(exec, node->subquery, err);
    }
    return exec_prepare(exec, node->args[0], err);
}

static bool prepare_numbers(Exec *exec, PlanNode *node, Err *err) {
    size_t first = node->op == PLAN_ROLLUP ? 0 : 1;
    for (size_t i = first; i < node->arg_count; i++) {
        const PlanNode *arg = node->args[i];
        if (arg && !exec_node(exec, node->args[i], err)) {
            return false;
        }
        if (arg && arg->type != VALUE_SCALAR && arg->frame.count != 1) {
            return err_set(err, ERR_INVALID,
                           "%.*s: arg #%zu must contain a single timeseries; got %zu timeseries",
                           STR_ARG(plan_node_name(node)), i + 1, arg->frame.count);
        }
    }
    return true;
}

static bool prepare_self(Exec *exec, PlanNode *node, Err *err) {
    return prepare_below(exec, node, err) && prepare_numbers(exec, node, err);
}

bool exec_prepare_window(Exec *exec, PlanNode *node, Err *err) {
    return prepare_self(exec, node, err);
}

static bool is_read_through(const PlanNode *node) {
    return plan_is_streamed(node) && node->uses == 1 && node->state == NODE_PENDING;
}

bool exec_prepare(Exec *exec, PlanNode *node, Err *err) {
    return is_read_through(node) ? prepare_self(exec, node, err) : exec_node(exec, node, err);
}

static void unprepare_self(Exec *exec, PlanNode *node) {
    if (node->subquery) {
        exec_release(exec, node->subquery);
    }
    for (size_t i = 0; i < node->arg_count; i++) {
        if (node->args[i]) {
            exec_unprepare(exec, node->args[i]);
        }
    }
}

void exec_unprepare(Exec *exec, PlanNode *node) {
    if (is_read_through(node)) {
        unprepare_self(exec, node);
    }
    exec_release(exec, node);
}

void exec_release(Exec *exec, PlanNode *node) {
    if (node->op == PLAN_NUMBER) {
        return; /* which many share */
    }
    assert(node->uses > 0);
    if (--node->uses == 0) {
        exec_refund_bytes(exec, node->frame.bytes);
        frame_finish(&node->frame);
    }
}

/* ---- ranges of series ---- */

/* A range of series for one worker: enough that handing it out costs nothing, few enough that its
 * columns stay in cache. */
static size_t range_size(size_t steps) {
    size_t size = 32768 / (steps ? steps : 1);
    return size < 16 ? 16 : size > 512 ? 512 : size;
}

enum { BATCH_RANGES = 16 };

typedef struct Range {
    Worker worker;
    Column *columns;
    size_t count;
} Range;

typedef struct Ranges {
    Exec *exec;
    PlanNode *node;
    size_t size;  /* series in a range */
    size_t first; /* series of the first range */
    size_t series;
    Range *items;
    size_t count;
    const Fold *fold; /* NULL: columns are kept */
} Ranges;

static void read_columns(const Ranges *ranges, Range *range, size_t from, size_t to) {
    Worker *worker = &range->worker;
    range->columns = arena_array(&worker->out, Column, to - from);
    for (size_t i = from; i < to; i++) {
        arena_reset(&worker->scratch);
        Column *column = &range->columns[range->count];
        *column = (Column){0};
        if (exec_read_series(worker, ranges->node, i, column)) {
            range->count++;
            if (ranges->fold && ranges->fold->key) {
                ranges->fold->key(ranges->fold->ctx, column);
            }
        }
        /* One series of a long subquery may take a while: time and cancellation are looked at after
         * each. */
        if (worker->err.kind || !worker_reserve(worker, 0) ||
            !exec_check(worker->exec, &worker->err)) {
            return;
        }
    }
}

static void read_range(void *ctx, size_t index) {
    Ranges *ranges = ctx;
    Range *range = &ranges->items[index];
    Worker *worker = &range->worker;
    size_t from = ranges->first + index * ranges->size;
    size_t to = from + ranges->size < ranges->series ? from + ranges->size : ranges->series;
    range->count = 0;
    if (from < to && exec_check(worker->exec, &worker->err)) {
        read_columns(ranges, range, from, to);
        forget_windows(worker);
    }
}

/* What the workers noted and counted goes to the operators, in order of series. */
static bool collect(Ranges *ranges, Err *err) {
    uint64_t samples = 0;
    for (size_t i = 0; i < ranges->count; i++) {
        Worker *worker = &ranges->items[i].worker;
        if (worker->err.kind) {
            *err = worker->err;
            return false;
        }
        for (size_t j = 0; j < worker->note_sets; j++) {
            notes_merge(&worker->notes[j].node->notes, &worker->notes[j].notes);
        }
        worker->note_sets = 0;
        memset(worker->notes, 0, sizeof worker->notes);
        samples += worker->samples_seen;
        ranges->node->samples_read += worker->samples_read;
        ranges->node->series_read += ranges->items[i].count;
        worker->samples_seen = worker->samples_read = 0;
    }
    return exec_charge_samples(ranges->exec, samples, err);
}

static void ranges_init(Ranges *ranges, Exec *exec, PlanNode *node, size_t count_max) {
    size_t series = exec_series_count(node);
    size_t size = range_size(node->grid.count);
    size_t count = (series + size - 1) / size;
    count = count < count_max ? count : count_max;
    *ranges = (Ranges){.exec = exec, .node = node, .size = size, .series = series, .count = count};
    ranges->items = mem_zero(count ? count : 1, sizeof *ranges->items);
    for (size_t i = 0; i < count; i++) {
        ranges->items[i].worker.exec = exec;
    }
}

static void ranges_finish(Ranges *ranges) {
    for (size_t i = 0; i < ranges->count; i++) {
        worker_finish(&ranges->items[i].worker);
    }
    free(ranges->items);
}

bool exec_fold(Exec *exec, PlanNode *node, const Fold *fold, Err *err) {
    Ranges ranges;
    bool ok = true;
    ranges_init(&ranges, exec, node, BATCH_RANGES);
    ranges.fold = fold;
    while (ok && ranges.first < ranges.series) {
        pool_for(exec->pool, ranges.count, read_range, &ranges);
        ok = collect(&ranges, err);
        for (size_t i = 0; ok && i < ranges.count; i++) {
            ok = fold->fold(fold->ctx, ranges.items[i].columns, ranges.items[i].count, err);
        }
        for (size_t i = 0; i < ranges.count; i++) {
            Worker *worker = &ranges.items[i].worker;
            exec_refund_bytes(exec, worker->charged);
            worker->charged = 0;
            arena_reset(&worker->out);
            arena_reset(&worker->note_arena);
        }
        ranges.first += ranges.size * ranges.count;
    }
    ranges_finish(&ranges);
    return ok;
}

/* All columns of a chain as the node's frame. The workers' arenas become the frame's. */
static bool materialise(Exec *exec, PlanNode *node, Err *err) {
    Ranges ranges;
    ranges_init(&ranges, exec, node, SIZE_MAX);
    pool_for(exec->pool, ranges.count, read_range, &ranges);
    bool ok = collect(&ranges, err);
    size_t count = 0;
    for (size_t i = 0; i < ranges.count; i++) {
        count += ranges.items[i].count;
    }
    if (ok && count) {
        Frame *frame = &node->frame;
        frame->arenas = mem_zero(ranges.count + 1, sizeof *frame->arenas);
        frame->arena_count = ranges.count + 1;
        frame->columns = arena_raw(&frame->arenas[ranges.count], count * sizeof *frame->columns);
        for (size_t i = 0; i < ranges.count; i++) {
            Range *range = &ranges.items[i];
            if (range->count) {
                memcpy(&frame->columns[frame->count], range->columns,
                       range->count * sizeof *range->columns);
            }
            frame->count += range->count;
            Worker *worker = &range->worker;
            size_t kept =
                worker->out.used_bytes < worker->charged ? worker->out.used_bytes : worker->charged;
            frame->arenas[i] = worker->out;
            frame->bytes += kept;
            worker->charged -= kept;
            worker->out = (Arena){0};
        }
    }
    ranges_finish(&ranges);
    return ok;
}

/* ---- small operators ---- */

Arena *frame_arena(Frame *frame) {
    if (frame->arena_count == 0) {
        frame->arenas = mem_zero(1, sizeof *frame->arenas);
        frame->arena_count = 1;
    }
    return &frame->arenas[0];
}

double exec_scalar(const PlanNode *node, size_t step) {
    if (node->op == PLAN_NUMBER) {
        return node->number;
    }
    return node->frame.count ? node->frame.columns[0].values[step] : value_nan();
}

static double *new_scalar_column(PlanNode *node) {
    Arena *arena = frame_arena(&node->frame);
    node->frame.columns = arena_new(arena, Column);
    node->frame.count = 1;
    node->frame.columns[0].values = column_alloc(arena, node->grid.count);
    return node->frame.columns[0].values;
}

static void run_time(PlanNode *node) {
    double *values = new_scalar_column(node);
    for (size_t i = 0; i < node->grid.count; i++) {
        values[i] = (double)grid_time(&node->grid, i) / 1000;
    }
}

static void run_scalar_binary(PlanNode *node) {
    double *values = new_scalar_column(node);
    for (size_t i = 0; i < node->grid.count; i++) {
        values[i] = scalar_binary(node->expr->binary.op, exec_scalar(node->args[0], i),
                                  exec_scalar(node->args[1], i));
    }
}

static void run_scalar_negate(PlanNode *node) {
    double *values = new_scalar_column(node);
    for (size_t i = 0; i < node->grid.count; i++) {
        values[i] = -exec_scalar(node->args[0], i);
    }
}

static void spread_column(Arena *arena, const Column *from, size_t steps, Column *to) {
    *to = *from;
    to->values = arena_raw(arena, steps * sizeof *to->values);
    for (size_t i = 0; i < steps; i++) {
        to->values[i] = from->values[0];
    }
    if (from->histograms) {
        to->histograms = arena_array(arena, const Histogram *, steps);
        for (size_t i = 0; i < steps; i++) {
            to->histograms[i] = from->histograms[0];
        }
    }
}

static bool run_spread(Exec *exec, PlanNode *node, Err *err) {
    const Frame *from = &node->args[0]->frame;
    Arena *arena = frame_arena(&node->frame);
    size_t steps = node->grid.count;
    size_t bytes = from->count * (sizeof(Column) + steps * sizeof(double));
    if (!exec_charge_bytes(exec, bytes, err)) {
        return false;
    }
    node->frame.bytes = bytes;
    node->frame.columns = arena_array(arena, Column, from->count);
    node->frame.count = from->count;
    for (size_t i = 0; i < from->count; i++) {
        spread_column(arena, &from->columns[i], steps, &node->frame.columns[i]);
    }
    return true;
}

/* A number as a vector of one series without labels. */
static void run_vector_of(PlanNode *node) {
    double *values = new_scalar_column(node);
    for (size_t i = 0; i < node->grid.count; i++) {
        values[i] = exec_scalar(node->args[0], i);
    }
}

bool exec_charge_frame(Exec *exec, PlanNode *node, Err *err) {
    Frame *frame = &node->frame;
    size_t used = 0;
    for (size_t i = 0; i < frame->arena_count; i++) {
        used += frame->arenas[i].used_bytes;
    }
    size_t more = used > frame->bytes ? used - frame->bytes : 0;
    if (!exec_check(exec, err) || !exec_charge_bytes(exec, more, err)) {
        return false;
    }
    frame->bytes += more;
    return true;
}

/* ---- running a node ---- */

const Err *exec_keep_err(Exec *exec, const Err *err) {
    Err *kept = arena_new(exec->arena, Err);
    *kept = *err;
    return kept;
}

static bool run_args(Exec *exec, PlanNode *node, Err *err) {
    for (size_t i = 0; i < node->arg_count; i++) {
        if (node->args[i] && !exec_node(exec, node->args[i], err)) {
            return false;
        }
    }
    return true;
}

/* The one column these make of nothing; the others count what they make of their arguments. */
static bool charge_column(Exec *exec, PlanNode *node, Err *err) {
    switch (node->op) {
    case PLAN_TIME:
    case PLAN_SCALAR_BINARY:
    case PLAN_NEGATE:
    case PLAN_VECTOR_OF:
    case PLAN_CALL:
        node->frame.bytes = node->grid.count * sizeof(double);
        return exec_charge_bytes(exec, node->frame.bytes, err);
    default:
        return true;
    }
}

static bool run_whole(Exec *exec, PlanNode *node, Err *err) {
    if (!run_args(exec, node, err)) {
        return false;
    }
    if (!charge_column(exec, node, err)) {
        return false;
    }
    switch (node->op) {
    case PLAN_TIME:
        run_time(node);
        return true;
    case PLAN_SCALAR_BINARY:
        run_scalar_binary(node);
        return true;
    case PLAN_NEGATE:
        run_scalar_negate(node);
        return true;
    case PLAN_SPREAD:
        return run_spread(exec, node, err);
    case PLAN_VECTOR_OF:
        run_vector_of(node);
        return true;
    case PLAN_BINARY:
        return run_binary(exec, node, err);
    case PLAN_CALL:
        return run_call(exec, node, err);
    default:
        return true; /* PLAN_NUMBER has no frame; PLAN_RAW is read by the answer */
    }
}

static bool run_streamed(Exec *exec, PlanNode *node, Err *err) {
    /* What lies below stays: columns may borrow its labels and histograms. */
    return prepare_self(exec, node, err) && materialise(exec, node, err);
}

static bool run_raw(Exec *exec, PlanNode *node, Err *err) {
    return node->selector ? select_open(exec, node->selector, err)
                          : exec_node(exec, node->subquery, err);
}

/* In MetricsQL NaN is no sample, and names are dropped at once. */
static void settle_metricsql(PlanNode *node) {
    Frame *frame = &node->frame;
    for (size_t i = 0; i < frame->count; i++) {
        Column *column = &frame->columns[i];
        column_own(frame_arena(frame), column, node->grid.count);
        for (size_t step = 0; step < node->grid.count; step++) {
            if (column->values[step] != column->values[step]) {
                column->values[step] = value_none();
            }
        }
        if (column->drop_name) {
            column->labels =
                labels_with(frame_arena(frame), column->labels, LABEL_METRIC_NAME, STR(""));
            column->drop_name = false;
        }
    }
}

static bool run_op(Exec *exec, PlanNode *node, Err *err) {
    if (plan_is_streamed(node)) {
        return run_streamed(exec, node, err);
    }
    switch (node->op) {
    case PLAN_AGGREGATE:
        return run_aggregate(exec, node, err);
    case PLAN_ROLLUP:
        return metricsql_is_multi(node->expr->call.function->id)
                   ? run_metricsql_multi(exec, node, err)
                   : run_absent_over_time(exec, node, err);
    case PLAN_RAW:
        return run_raw(exec, node, err);
    default:
        return run_whole(exec, node, err);
    }
}

bool exec_node(Exec *exec, PlanNode *node, Err *err) {
    if (node->state == NODE_DONE) {
        return true;
    }
    if (node->state == NODE_PENDING) {
        int64_t began = exec->options->explain ? clock_monotonic_ns() : 0;
        bool ok = exec_check(exec, err) && run_op(exec, node, err);
        if (ok && node->expr->flavour == PROMQL_METRICSQL) {
            settle_metricsql(node);
        }
        ok = ok && exec_charge_frame(exec, node, err);
        node->state = ok ? NODE_DONE : NODE_FAILED;
        node->err = ok ? NULL : exec_keep_err(exec, err);
        node->run_ns = exec->options->explain ? clock_monotonic_ns() - began : 0;
        node->frame_bytes = node->frame.bytes;
    }
    if (node->state == NODE_FAILED) {
        *err = *node->err;
        return false;
    }
    return true;
}
