#pragma once

/*
 * Running a plan.
 *
 * Operators that look at one series at a time (selectors, window functions, functions of a sample,
 * operators with a number) are streamed: a reader asks their chain for series `i` and gets one
 * column. Readers are aggregations, which fold columns batch by batch and keep groups only, and
 * exec_node(), which keeps all columns as a frame. All other operators take whole frames.
 *
 * Work is split over cores by ranges of series. The split depends on the number of series only, and
 * ranges are put together in order, so an answer never depends on timing.
 *
 * Each worker counts what it reads against the query's budget before it allocates; running over is
 * the operator's error. A worker looks at deadline and cancellation once per range of series.
 */

#include <stdatomic.h>

#include "promql/plan.h"

/* What is read at each step of the query, where its asker wants to know. */
typedef struct StepCounts {
    Grid grid;
    atomic_uint_fast64_t *total, *read;
} StepCounts;

typedef struct Exec {
    Plan *plan;
    Arena *arena; /* for what outlives an operator: why it failed */
    StoreSnapshot *snapshot;
    Pool *pool;
    const QueryOptions *options;
    int64_t deadline_ns; /* of the expression under way; 0 = none */
    uint64_t bytes_base; /* held for expressions before it */
    atomic_uint_fast64_t samples, points, bytes;
    atomic_uint_fast64_t bytes_peak, points_peak;
    StepCounts *counts; /* NULL: nobody asked */
} Exec;

/* Operators of one streamed chain that may have notes; further ones share the last set. */
enum { WORKER_NOTES_MAX = 16 };

typedef struct WorkerNotes {
    PlanNode *node;
    Notes notes;
} WorkerNotes;

/* The series of a target have the same times, so the windows found for one are those of the next.
 */
enum { WORKER_WINDOWS = 8, WORKER_HISTOGRAM_WINDOWS = WORKER_WINDOWS };

typedef struct WorkerWindows {
    const PlanNode *node; /* NULL: free */
    TimeMs *times;        /* they are of these; this and the rest in `windows_arena` */
    size_t count, room;
    uint32_t *from, *to; /* of each step */
    TimeMs *end;
    uint64_t samples; /* in all windows together */
} WorkerWindows;

/* One range of series, on one thread. */
typedef struct Worker {
    Exec *exec;
    WorkerWindows windows[WORKER_WINDOWS + 1]; /* the last: of a series' histograms */
    Arena windows_arena;                       /* given up at the end of the range */
    Arena out;                                 /* columns */
    Arena scratch;                             /* reset before each series */
    Arena note_arena;
    WorkerNotes notes[WORKER_NOTES_MAX]; /* one set for each operator of the chain that has any */
    size_t note_sets;
    uint64_t samples_read,
        samples_seen; /* decoded; as Prometheus counts them, once per window they are in */
    uint64_t charged; /* of the three arenas' most, to the budget */
    Err err;          /* kind set: failed */
} Worker;

void exec_init(Exec *exec, Plan *plan, Arena *arena, StoreSnapshot *snapshot, Pool *pool,
               const QueryOptions *options);

/* A copy of what failed, for a node or selector. */
const Err *exec_keep_err(Exec *exec, const Err *err);

/* Computes the node if it has not been. Its frame stays until the plan ends, as others may share
 * labels and histograms with it, or until the last user gives it up. */
bool exec_node(Exec *exec, PlanNode *node, Err *err) MUST_CHECK;
/* For a user that keeps nothing of the frame: an aggregation. */
void exec_release(Exec *exec, PlanNode *node);

/* Series a streamed node may give, once exec_prepare() was true: which opens selectors and computes
 * frames below it. */
bool exec_prepare(Exec *exec, PlanNode *node, Err *err) MUST_CHECK;
/* The same for a rollup that is not streamed: its window and numbers. */
bool exec_prepare_window(Exec *exec, PlanNode *node, Err *err) MUST_CHECK;
size_t exec_series_count(const PlanNode *node);
/* When all series were read: gives up what lies below a streamed node. */
void exec_unprepare(Exec *exec, PlanNode *node);

/* One series of a prepared node into `ret_column` (in worker->out). False: it has no sample, or
 * worker->err is set. */
bool exec_read_series(Worker *worker, PlanNode *node, size_t index, Column *ret_column);

/* Runs `fold` in the calling thread over all series of a prepared node that have samples, in order;
 * the columns are gone after the call. `key`, if there is one, is run on each column by the workers
 * before. Notes of the operators read are merged into theirs. */
typedef struct Fold {
    bool (*fold)(void *ctx, const Column *columns, size_t count, Err *err);
    void (*key)(const void *ctx, Column *column);
    void *ctx;
} Fold;
bool exec_fold(Exec *exec, PlanNode *node, const Fold *fold, Err *err) MUST_CHECK;

/* Counts `bytes` more that the worker is about to take from its arenas, before they are taken: for
 * what a long grid makes large. False: worker->err. */
bool worker_reserve(Worker *worker, size_t bytes) MUST_CHECK;

/* The worker's notes about an operator of its chain. */
Notes *worker_notes(Worker *worker, PlanNode *node);

/* Budget. Each expression has its own: begins with exec_begin(). Charging fails with ERR_LIMIT,
 * ERR_TIMEOUT or ERR_CANCELLED. */
void exec_begin(Exec *exec);
bool exec_check(Exec *exec, Err *err) MUST_CHECK;
bool exec_charge_bytes(Exec *exec, size_t bytes, Err *err) MUST_CHECK;
void exec_refund_bytes(Exec *exec, size_t bytes);
/* Counts what the node's frame took from its arenas since the last time, and looks at time and
 * cancellation: for operators whose frame may grow out of proportion to what they read, in
 * between. */
bool exec_charge_frame(Exec *exec, PlanNode *node, Err *err) MUST_CHECK;
/* The same where it has grown by enough to be worth it. */
static inline bool exec_watch_frame(Exec *exec, PlanNode *node, Err *err) {
    enum { WORTH_BYTES = 256 * 1024 };
    const Frame *frame = &node->frame;
    return frame->arena_count == 0 || frame->arenas[0].used_bytes < frame->bytes + WORTH_BYTES ||
           exec_charge_frame(exec, node, err);
}
bool exec_charge_samples(Exec *exec, uint64_t samples, Err *err) MUST_CHECK;

/* Counts of stats (stats.c): nothing happens unless options->count_samples. `total` samples are in
 * the window of a node's step, of which no window before had `read`. */
void exec_count_begin(Exec *exec, Arena *arena, const PlanRoot *root);
void exec_count(Exec *exec, const PlanNode *node, size_t step, uint64_t total, uint64_t read);
/* One at each step where the column has a sample. */
void exec_count_column(Exec *exec, const PlanNode *node, const Column *column);
void exec_count_end(const Exec *exec, Arena *arena, QueryStats *stats);

/* The value of a scalar node at a step; it has been computed. */
double exec_scalar(const PlanNode *node, size_t step);

/* ---- operators: each makes node->frame from its arguments' frames ---- */

/* An arena of the frame, for its columns. */
Arena *frame_arena(Frame *frame);

bool run_aggregate(Exec *exec, PlanNode *node, Err *err) MUST_CHECK;
bool run_binary(Exec *exec, PlanNode *node, Err *err) MUST_CHECK;
bool run_call(Exec *exec, PlanNode *node, Err *err) MUST_CHECK;

/* A sample function over one column, in place. False: nothing is left. */
bool map_column(Worker *worker, PlanNode *node, Column *column);
bool negate_column(Worker *worker, PlanNode *node, Column *column);
bool vector_scalar_column(Worker *worker, PlanNode *node, Column *column);

/* Series with equal labels become one; two samples at one step are Prometheus' "vector cannot
 * contain metrics with the same labelset". */
bool frame_merge_equal(Arena *arena, Frame *frame, size_t steps, Err *err) MUST_CHECK;
