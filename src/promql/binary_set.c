/* Set operators: and, or, unless; and MetricsQL's default, if, ifnot. */

#include "promql/binary.h"

/* Whether any column of a match number has a sample, per number and step. */
typedef struct Presence {
    uint8_t *bytes;
    size_t steps;
} Presence;

static Presence find_presence(Arena *arena, const Frame *frame, const uint32_t *numbers,
                              size_t number_count, size_t steps) {
    Presence presence = {arena_array(arena, uint8_t, number_count * steps + 1), steps};
    for (size_t i = 0; i < frame->count; i++) {
        uint8_t *row = presence.bytes + (size_t)numbers[i] * steps;
        for (size_t step = 0; step < steps; step++) {
            row[step] |= column_has(&frame->columns[i], step);
        }
    }
    return presence;
}

/* A column with only the steps where the other side is there (`wanted`), or is not. Borrows where
 * all stay. */
static bool mask_column(Arena *arena, const Column *from, const uint8_t *row, bool wanted,
                        bool keep_empty, size_t steps, Column *to) {
    bool all = true, any = false;
    for (size_t step = 0; step < steps; step++) {
        if (column_has(from, step)) {
            bool stays = (row[step] != 0) == wanted;
            all = all && stays;
            any = any || stays;
        }
    }
    if (!any && !keep_empty) {
        return false;
    }
    *to = *from;
    if (all) {
        return true;
    }
    to->borrowed = true;
    column_own(arena, to, steps);
    for (size_t step = 0; step < steps; step++) {
        if ((row[step] != 0) != wanted) {
            to->values[step] = value_none();
            if (to->histograms) {
                to->histograms[step] = NULL;
            }
        }
    }
    return true;
}

typedef struct SetRun {
    PlanNode *node;
    Arena *arena;
    const Frame *left, *right;
    Matching matching;
    size_t steps;
} SetRun;

static void keep_masked(SetRun *run, const Frame *from, const uint32_t *numbers, Presence other,
                        bool wanted) {
    Frame *frame = &run->node->frame;
    bool keep_empty = run->node->expr->flavour == PROMQL_METRICSQL;
    for (size_t i = 0; i < from->count; i++) {
        const uint8_t *row = other.bytes + (size_t)numbers[i] * run->steps;
        frame->count += mask_column(run->arena, &from->columns[i], row, wanted, keep_empty,
                                    run->steps, &frame->columns[frame->count]);
    }
}

static Presence right_presence(SetRun *run) {
    return find_presence(run->arena, run->right, run->matching.right, run->matching.count,
                         run->steps);
}

static bool run_or(SetRun *run, Err *err) {
    Frame *frame = &run->node->frame;
    Presence left =
        find_presence(run->arena, run->left, run->matching.left, run->matching.count, run->steps);
    if (run->left->count) {
        memcpy(frame->columns, run->left->columns, run->left->count * sizeof *frame->columns);
    }
    frame->count = run->left->count;
    keep_masked(run, run->right, run->matching.right, left, false);
    return run->steps == 1 || frame_merge_equal(run->arena, frame, run->steps, err);
}

/* A right side of one unlabelled series stands for every left one. */
static bool is_lone(const Frame *right) {
    return right->count == 1 && right->columns[0].labels.count == 0;
}

static void fill_gaps(SetRun *run, Column *column, const Column *right) {
    for (size_t step = 0; step < run->steps; step++) {
        if (!column_has(column, step) && column_has(right, step)) {
            column->values[step] = right->values[step];
        }
    }
}

/* The right side's columns of each number: the first of number n at [n], the next of column i at
 * [count + i], both + 1. */
static uint32_t *chain_right(SetRun *run) {
    size_t numbers = run->matching.count;
    uint32_t *chain = arena_array(run->arena, uint32_t, numbers + run->right->count + 1);
    for (size_t i = run->right->count; i-- > 0;) {
        uint32_t *first = &chain[is_lone(run->right) ? 0 : run->matching.right[i]];
        chain[numbers + i] = *first;
        *first = (uint32_t)i + 1;
    }
    return chain;
}

static void run_default(SetRun *run) {
    Frame *frame = &run->node->frame;
    const Frame *from = run->left->count ? run->left : run->right;
    const uint32_t *chain = chain_right(run);
    for (size_t i = 0; i < from->count; i++) {
        Column *column = &frame->columns[frame->count++];
        *column = from->columns[i];
        if (from != run->left) {
            continue;
        }
        column->borrowed = true;
        column_own(run->arena, column, run->steps);
        uint32_t j = chain[is_lone(run->right) ? 0 : run->matching.left[i]];
        for (; j; j = chain[run->matching.count + j - 1]) {
            fill_gaps(run, column, &run->right->columns[j - 1]);
        }
    }
}

static void run_if(SetRun *run, bool wanted) {
    Presence right = right_presence(run);
    if (is_lone(run->right)) {
        const uint8_t *row = right.bytes + (size_t)run->matching.right[0] * run->steps;
        for (size_t i = 0; i < run->matching.count; i++) {
            if (i != run->matching.right[0]) {
                memcpy(right.bytes + i * run->steps, row, run->steps);
            }
        }
    }
    keep_masked(run, run->left, run->matching.left, right, wanted);
}

bool run_set_operator(Exec *exec, PlanNode *node, Err *err) {
    Arena *arena = frame_arena(&node->frame);
    size_t steps = node->grid.count;
    SetRun run = {.node = node,
                  .arena = arena,
                  .left = &node->args[0]->frame,
                  .right = &node->args[1]->frame,
                  .steps = steps};
    size_t bytes = (run.left->count + run.right->count) * (sizeof(Column) + steps + 16);
    if (!exec_charge_bytes(exec, bytes, err)) {
        return false;
    }
    node->frame.bytes = bytes;
    if (!match_frames(exec, arena, node, run.left, run.right, &run.matching, err)) {
        return false;
    }
    node->frame.columns = arena_array(arena, Column, run.left->count + run.right->count + 1);
    switch (node->expr->binary.op) {
    case OP_AND:
        keep_masked(&run, run.left, run.matching.left, right_presence(&run), true);
        return true;
    case OP_UNLESS:
        keep_masked(&run, run.left, run.matching.left, right_presence(&run), false);
        return true;
    case OP_OR:
        return run_or(&run, err);
    case OP_DEFAULT:
        run_default(&run);
        return true;
    default:
        run_if(&run, node->expr->binary.op == OP_IF);
        return true;
    }
}

/* ---- membership ---- */

static bool is_union(const Expr *expr) {
    return expr->kind == EXPR_CALL && expr->call.function->id == FUNC_UNION;
}

bool binary_is_membership(const ExprBinary *binary) {
    bool equality = binary->op == OP_EQ || binary->op == OP_NE;
    return equality && (is_union(binary->left) || is_union(binary->right));
}

static bool is_member(const Frame *set, double value, size_t step) {
    for (size_t i = 0; i < set->count; i++) {
        if (set->columns[i].values[step] == value) {
            return true;
        }
    }
    return false;
}

bool run_membership(Exec *exec, PlanNode *node, Err *err) {
    bool left_is_set = is_union(node->expr->binary.left);
    const Frame *from = &node->args[left_is_set]->frame, *set = &node->args[!left_is_set]->frame;
    bool wanted = node->expr->binary.op == OP_EQ;
    size_t steps = node->grid.count;
    Arena *arena = frame_arena(&node->frame);
    size_t bytes = from->count * (sizeof(Column) + steps * sizeof(double));
    if (!exec_charge_bytes(exec, bytes, err)) {
        return false;
    }
    node->frame.bytes = bytes;
    node->frame.columns = arena_array(arena, Column, from->count);
    for (size_t i = 0; i < from->count; i++) {
        Column *column = &node->frame.columns[node->frame.count++];
        *column = from->columns[i];
        column->borrowed = true;
        column->histograms = NULL;
        column_own(arena, column, steps);
        for (size_t step = 0; step < steps; step++) {
            if (is_member(set, column->values[step], step) != wanted) {
                column->values[step] = value_none();
            }
        }
        if (!exec_check(exec, err)) {
            return false;
        }
    }
    return true;
}
