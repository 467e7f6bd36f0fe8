/* What a query read at each of its steps, as `stats` of the API tells it. */

#include "promql/exec.h"

void exec_count_begin(Exec *exec, Arena *arena, const PlanRoot *root) {
    if (!exec->options->count_samples) {
        return;
    }
    Grid text = {exec->plan->range.from, 1, 1}; /* which has no node */
    Grid grid = root->node ? root->node->grid : text;
    size_t steps = grid.count;
    exec->counts = arena_new(arena, StepCounts);
    *exec->counts =
        (StepCounts){.grid = grid,
                     .total = arena_array(arena, atomic_uint_fast64_t, steps ? steps : 1),
                     .read = arena_array(arena, atomic_uint_fast64_t, steps ? steps : 1)};
}

/* Most windows overlap those before and have nothing new. */
static void add(atomic_uint_fast64_t *count, uint64_t more) {
    if (more) {
        atomic_fetch_add_explicit(count, more, memory_order_relaxed);
    }
}

/* The first step of the query at or after the time. */
static size_t step_at(const Grid *grid, TimeMs time) {
    if (time <= grid->start) {
        return 0;
    }
    size_t step = (size_t)((time - grid->start + grid->step - 1) / grid->step);
    return step < grid->count ? step : grid->count - 1;
}

void exec_count(Exec *exec, const PlanNode *node, size_t step, uint64_t total, uint64_t read) {
    StepCounts *counts = exec->counts;
    if (!counts || counts->grid.count == 0) {
        return;
    }
    total *= node->places;
    read *= node->places;
    switch (node->counting) {
    case COUNT_AT_STEP:
        step = step < counts->grid.count ? step : counts->grid.count - 1;
        add(&counts->total[step], total);
        add(&counts->read[step], read);
        return;
    case COUNT_AT_EVERY:
        for (size_t i = 0; i < counts->grid.count; i++) {
            add(&counts->total[i], total);
        }
        add(&counts->read[0], read);
        return;
    case COUNT_READ_ONLY:
        add(&counts->read[step_at(&counts->grid, grid_time(&node->grid, step))], read);
        return;
    }
}

void exec_count_column(Exec *exec, const PlanNode *node, const Column *column) {
    for (size_t i = 0; exec->counts && i < node->grid.count; i++) {
        if (column_has(column, i)) {
            exec_count(exec, node, i, 1, 1);
        }
    }
}

void exec_count_end(const Exec *exec, Arena *arena, QueryStats *stats) {
    const StepCounts *counts = exec->counts;
    if (!counts) {
        return;
    }
    size_t steps = counts->grid.count;
    StepStat *list = arena_array(arena, StepStat, steps ? steps : 1);
    stats->samples = 0;
    for (size_t i = 0; i < steps; i++) {
        list[i] = (StepStat){.time = grid_time(&counts->grid, i),
                             .samples = atomic_load(&counts->total[i]),
                             .read = atomic_load(&counts->read[i])};
        stats->samples += list[i].samples;
        stats->samples_read += list[i].read;
    }
    stats->steps = list;
    stats->step_count = steps;
}
