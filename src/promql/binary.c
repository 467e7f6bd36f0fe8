/*
 * Operators between two vectors.
 *
 * Series are matched once, by a hash of the labels they match on; what pairs share a match number
 * is then computed column by column. Which series of the "one" side is there may differ from step
 * to step, and two at one step are an error; both are looked at only where a number has more than
 * one series.
 */

#include "promql/binary.h"

#include "base/go_text.h"
#include "promql/scalar_ops.h"

/* ---- matching ---- */

typedef struct HashRun {
    Exec *exec;
    const ExprBinary *binary;
    const Frame *frame;
    Hash128 *hashes;
} HashRun;

enum { HASH_RANGE = 1024 };

/* When time is up it does nothing; match_frames() tells so in the end. */
static void hash_range(void *ctx, size_t index) {
    HashRun *run = ctx;
    Err ignored;
    if (!exec_check(run->exec, &ignored)) {
        return;
    }
    size_t to = (index + 1) * HASH_RANGE;
    to = to < run->frame->count ? to : run->frame->count;
    for (size_t i = index * HASH_RANGE; i < to; i++) {
        run->hashes[i] =
            labels_hash_selected(run->frame->columns[i].labels, run->binary->match_labels,
                                 run->binary->match_label_count, run->binary->on, true);
    }
}

static uint32_t *number_columns(Exec *exec, Arena *arena, const ExprBinary *binary,
                                const Frame *frame, HashIndex *index) {
    HashRun run = {exec, binary, frame, arena_array(arena, Hash128, frame->count + 1)};
    pool_for(exec->pool, (frame->count + HASH_RANGE - 1) / HASH_RANGE, hash_range, &run);
    uint32_t *numbers = arena_raw(arena, (frame->count + 1) * sizeof *numbers);
    for (size_t i = 0; i < frame->count; i++) {
        bool is_new;
        numbers[i] = hash_index_add(index, run.hashes[i], &is_new);
    }
    return numbers;
}

bool match_frames(Exec *exec, Arena *arena, const PlanNode *node, const Frame *left,
                  const Frame *right, Matching *ret_matching, Err *err) {
    const ExprBinary *binary = &node->expr->binary;
    HashIndex index = {.arena = arena};
    ret_matching->left = number_columns(exec, arena, binary, left, &index);
    ret_matching->right = number_columns(exec, arena, binary, right, &index);
    ret_matching->count = index.count;
    return exec_check(exec, err);
}

/* ---- text of errors ---- */

void labels_put(Buf *buf, LabelSet labels) {
    buf_byte(buf, '{');
    for (size_t i = 0; i < labels.count; i++) {
        if (i) {
            buf_str(buf, STR(", "));
        }
        if (label_name_is_legacy(labels.items[i].name)) {
            buf_str(buf, labels.items[i].name);
        } else {
            go_quote(buf, labels.items[i].name, 0);
        }
        buf_byte(buf, '=');
        go_quote(buf, labels.items[i].value, 0);
    }
    buf_byte(buf, '}');
}

/* ---- one match number ---- */

typedef struct Side {
    const Frame *frame;
    const uint32_t *numbers;
    uint32_t *first; /* per number, + 1: its first column; the next of each column is in `next` */
    uint32_t *next;
} Side;

typedef struct Join {
    Exec *exec;
    PlanNode *node;
    const ExprBinary *binary;
    Arena *arena, *scratch;
    size_t steps;
    Side many, one;  /* one-to-one: left is "many" */
    bool swapped;    /* the many side stands right */
    bool may_repeat; /* several of the results may have the same labels */
    bool fill_one_given, fill_many_given;
    double fill_one, fill_many;
    uint8_t *matched;      /* steps; of the number at hand, one-to-one */
    const Column **one_at; /* steps; of the number at hand */
    uint8_t *any_many;     /* steps: the many side has some series; NULL until asked for */
    size_t capacity;
    size_t scratch_charged;
} Join;

static Side make_side(Arena *arena, const Frame *frame, const uint32_t *numbers, size_t count) {
    Side side = {frame, numbers, arena_array(arena, uint32_t, count + 1),
                 arena_array(arena, uint32_t, frame->count + 1)};
    for (size_t i = frame->count; i-- > 0;) {
        side.next[i] = side.first[numbers[i]];
        side.first[numbers[i]] = (uint32_t)i + 1;
    }
    return side;
}

static bool many_side_is_empty(Join *join, size_t step) {
    if (!join->any_many) {
        join->any_many = arena_array(join->arena, uint8_t, join->steps);
        for (size_t i = 0; i < join->many.frame->count; i++) {
            for (size_t at = 0; at < join->steps; at++) {
                join->any_many[at] |= column_has(&join->many.frame->columns[i], at);
            }
        }
    }
    return !join->any_many[step];
}

static LabelSet match_labels(const Join *join, Arena *arena, LabelSet labels) {
    const ExprBinary *binary = join->binary;
    LabelSet kept =
        labels_filter(arena, labels, binary->match_labels, binary->match_label_count, binary->on);
    return binary->on ? kept : labels_with(arena, kept, LABEL_METRIC_NAME, STR(""));
}

static bool duplicate_error(const Join *join, const Column *a, const Column *b, Err *err) {
    Buf group = {0}, first = {0}, second = {0};
    labels_put(&group, match_labels(join, join->scratch, a->labels));
    labels_put(&first, a->labels);
    labels_put(&second, b->labels);
    bool in_order = str_cmp(buf_view(&first), buf_view(&second)) <= 0;
    Str low = buf_view(in_order ? &first : &second), high = buf_view(in_order ? &second : &first);
    err_set(err, ERR_INVALID,
            "found duplicate series for the match group %.*s on the %s hand-side of the "
            "operation: [%.*s, %.*s];many-to-many matching not allowed: matching labels must be "
            "unique on one side",
            STR_ARG(buf_view(&group)), join->swapped ? "left" : "right", STR_ARG(low),
            STR_ARG(high));
    buf_finish(&group);
    buf_finish(&first);
    buf_finish(&second);
    return false;
}

/* Which series of the one side stands at each step. */
static bool find_one(Join *join, uint32_t number, Err *err) {
    memset(join->one_at, 0, join->steps * sizeof *join->one_at);
    for (uint32_t i = join->one.first[number]; i; i = join->one.next[i - 1]) {
        const Column *column = &join->one.frame->columns[i - 1];
        for (size_t step = 0; step < join->steps; step++) {
            if (!column_has(column, step)) {
                continue;
            }
            bool filled = join->fill_one_given || join->fill_many_given;
            if (join->one_at[step] && (filled || !many_side_is_empty(join, step))) {
                return duplicate_error(join, column, join->one_at[step], err);
            }
            join->one_at[step] = column;
        }
    }
    return true;
}

/* ---- result labels ---- */

static LabelSet include_labels(const Join *join, LabelSet labels, LabelSet from) {
    const ExprBinary *binary = join->binary;
    for (size_t i = 0; i < binary->include_count; i++) {
        Str value = labels_get(from, binary->include[i]);
        Str name = binary->include[i];
        if (binary->include_prefix.len) {
            name = arena_printf(join->arena, "%.*s%.*s", STR_ARG(binary->include_prefix),
                                STR_ARG(name));
        }
        labels = labels_with(join->arena, labels, name, value);
    }
    for (size_t i = 0; binary->include_all && i < from.count; i++) {
        if (!str_eq(from.items[i].name, LABEL_METRIC_NAME)) {
            labels = labels_with(join->arena, labels, from.items[i].name, from.items[i].value);
        }
    }
    return labels;
}

static LabelSet result_labels(const Join *join, LabelSet many, LabelSet one) {
    const ExprBinary *binary = join->binary;
    LabelSet labels = many;
    if (binary_op_drops_name(binary->op) && !binary->keep_metric_names) {
        labels = labels_without_metadata(join->arena, labels);
    }
    if (binary->card == CARD_ONE_TO_ONE) {
        bool nothing = !binary->on && binary->match_label_count == 0;
        return nothing ? labels
                       : labels_filter(join->arena, labels, binary->match_labels,
                                       binary->match_label_count, binary->on);
    }
    return include_labels(join, labels, one);
}

static Column *add_result(Join *join, LabelSet labels, bool drop_name) {
    Frame *frame = &join->node->frame;
    if (frame->count == join->capacity) {
        size_t capacity = join->capacity ? join->capacity * 2 : 64;
        Column *columns = arena_raw(join->arena, capacity * sizeof *columns);
        if (frame->count) {
            memcpy(columns, frame->columns, frame->count * sizeof *columns);
        }
        frame->columns = columns;
        join->capacity = capacity;
    }
    Column *column = &frame->columns[frame->count++];
    *column = (Column){.labels = labels,
                       .drop_name = drop_name || join->binary->return_bool,
                       .values = column_alloc(join->arena, join->steps)};
    return column;
}

/* ---- computing ---- */

/* Computes one step into `to`; true if there was a pair at all. */
static void compute_step(Join *join, Element many, Element one, size_t step, Column *to) {
    Element left = join->swapped ? one : many, right = join->swapped ? many : one;
    Element result;
    bool keep;
    if (!binary_element(join->arena, join->binary->op, left, right, &join->node->notes, &result,
                        &keep)) {
        return;
    }
    if (join->binary->return_bool) {
        to->values[step] = keep ? 1 : 0;
    } else if (keep && result.histogram) {
        column_set_histogram(join->arena, to, join->steps, step, result.histogram);
    } else if (keep) {
        to->values[step] = result.value;
    }
}

/* MetricsQL: series that lost all their values stay, for `(x / y) default 0`. */
static bool drop_if_empty(Join *join, const Column *column) {
    if (join->node->expr->flavour == PROMQL_METRICSQL) {
        return false;
    }
    if (!column_any(column, join->steps)) {
        join->node->frame.count--;
        return true;
    }
    return false;
}

/* MetricsQL: a comparison of what is with what is not at that step holds for != only; unless it is
 * not there because another comparison took it away. */
static bool binary_keeps_unmatched(const Expr *expr) {
    const ExprBinary *binary = &expr->binary;
    const Expr *right = binary->right;
    if (right->kind == EXPR_SHIFT) {
        right = right->shift.expr;
    }
    bool filtered = right->kind == EXPR_BINARY && binary_op_is_comparison(right->binary.op) &&
                    right->type == VALUE_VECTOR;
    return expr->flavour == PROMQL_METRICSQL && binary_op_is_comparison(binary->op) && !filtered;
}

static double compute_float(const ExprBinary *binary, double left, double right) {
    if (!binary_op_is_comparison(binary->op)) {
        return scalar_binary(binary->op, left, right);
    }
    bool holds = scalar_compare(binary->op, left, right);
    if (binary->return_bool) {
        return holds ? 1 : 0;
    }
    return holds ? left : value_none();
}

/* The common case: one series on each side, floats only. */
static void join_pair(Join *join, const Column *many, const Column *one) {
    Column *to = add_result(join, result_labels(join, many->labels, one->labels), many->drop_name);
    const ExprBinary *binary = join->binary;
    const double *left = join->swapped ? one->values : many->values;
    const double *right = join->swapped ? many->values : one->values;
    double *out = to->values;
    bool lone = binary_keeps_unmatched(join->node->expr);
    for (size_t step = 0; step < join->steps; step++) {
        if (!value_is_none(left[step]) && (lone || !value_is_none(right[step]))) {
            out[step] = compute_float(binary, left[step], right[step]);
        }
    }
    (void)drop_if_empty(join, to);
}

static bool mark_matched(Join *join, size_t step, Err *err) {
    if (join->matched[step]) {
        return err_set(err, ERR_INVALID,
                       "multiple matches for labels: many-to-one matching must be explicit "
                       "(group_left/group_right)");
    }
    join->matched[step] = 1;
    return true;
}

/* The results of one number so far, to find equal labels among them (many-to-one). */
typedef struct NumberResults {
    size_t first; /* index into the frame */
    HashIndex index;
    uint8_t **matched; /* per hash, per step */
    size_t cap;
} NumberResults;

static bool mark_unique(Join *join, NumberResults *results, LabelSet labels, size_t step,
                        Err *err) {
    bool is_new;
    uint32_t at = hash_index_add(&results->index, labels_hash(labels), &is_new);
    if (is_new) {
        if (at >= results->cap) {
            size_t cap = results->cap ? results->cap * 2 : 8;
            uint8_t **matched = arena_array(join->scratch, uint8_t *, cap);
            if (results->cap) {
                memcpy(matched, results->matched, results->cap * sizeof *matched);
            }
            results->matched = matched;
            results->cap = cap;
        }
        results->matched[at] = arena_array(join->scratch, uint8_t, join->steps);
    }
    if (results->matched[at][step]) {
        return err_set(err, ERR_INVALID,
                       "multiple matches for labels: grouping labels must ensure unique matches");
    }
    results->matched[at][step] = 1;
    return true;
}

static Element fill_element(double value) {
    return (Element){value, NULL};
}

/* One series of the many side against whatever stands on the one side, step by step. */
static bool join_many(Join *join, const Column *many, NumberResults *results, bool check,
                      Err *err) {
    const Column *last_one = NULL;
    Column *to = NULL;
    LabelSet labels = {0};
    size_t began = join->node->frame.count;
    for (size_t step = 0; step < join->steps; step++) {
        const Column *one = join->one_at[step];
        if (!column_has(many, step) || (!one && !join->fill_one_given)) {
            continue;
        }
        if (!to || one != last_one) {
            LabelSet one_labels = one ? one->labels : match_labels(join, join->arena, many->labels);
            LabelSet wanted = result_labels(join, many->labels, one_labels);
            if (!to || !labels_eq(wanted, labels)) {
                size_t at = began;
                Frame *frame = &join->node->frame;
                while (at < frame->count && !labels_eq(frame->columns[at].labels, wanted)) {
                    at++;
                }
                to = at < frame->count ? &frame->columns[at]
                                       : add_result(join, wanted, many->drop_name);
                labels = wanted;
            }
            last_one = one;
        }
        if (join->binary->card == CARD_ONE_TO_ONE) {
            if (!mark_matched(join, step, err)) {
                return false;
            }
        } else if (check && !mark_unique(join, results, labels, step, err)) {
            return false;
        }
        Element other = one ? column_element(one, step) : fill_element(join->fill_one);
        compute_step(join, column_element(many, step), other, step, to);
    }
    return true;
}

/* What stands on the one side alone, against the many side's fill value. */
static bool join_unmatched(Join *join, uint32_t number, const uint8_t *any_many, Err *err) {
    (void)err;
    for (uint32_t i = join->one.first[number]; i; i = join->one.next[i - 1]) {
        const Column *one = &join->one.frame->columns[i - 1];
        LabelSet many_labels = match_labels(join, join->arena, one->labels);
        Column *to = NULL;
        for (size_t step = 0; step < join->steps; step++) {
            if (!column_has(one, step) || any_many[step]) {
                continue;
            }
            if (!to) {
                to =
                    add_result(join, result_labels(join, many_labels, one->labels), one->drop_name);
            }
            compute_step(join, fill_element(join->fill_many), column_element(one, step), step, to);
        }
    }
    return true;
}

static bool is_plain_pair(const Join *join, uint32_t number) {
    uint32_t many = join->many.first[number], one = join->one.first[number];
    return many && one && !join->many.next[many - 1] && !join->one.next[one - 1] &&
           !join->many.frame->columns[many - 1].histograms &&
           !join->one.frame->columns[one - 1].histograms && !join->fill_one_given &&
           !join->fill_many_given && join->binary->op != OP_TRIM_LOWER &&
           join->binary->op != OP_TRIM_UPPER;
}

/* Counts what the results and the marks of a number's many series take. */
static bool watch_join(Join *join, Err *err) {
    enum { WORTH_BYTES = 256 * 1024 };
    size_t used = join->scratch->used_bytes;
    if (used > join->scratch_charged + WORTH_BYTES) {
        if (!exec_charge_bytes(join->exec, used - join->scratch_charged, err)) {
            return false;
        }
        join->scratch_charged = used;
    }
    return exec_watch_frame(join->exec, join->node, err);
}

static bool join_number(Join *join, uint32_t number, Err *err) {
    if (is_plain_pair(join, number)) {
        join_pair(join, &join->many.frame->columns[join->many.first[number] - 1],
                  &join->one.frame->columns[join->one.first[number] - 1]);
        return true;
    }
    arena_reset(join->scratch);
    join->one_at = arena_array(join->scratch, const Column *, join->steps);
    join->matched = arena_array(join->scratch, uint8_t, join->steps);
    uint8_t *any_many = arena_array(join->scratch, uint8_t, join->steps);
    if (!find_one(join, number, err)) {
        return false;
    }
    uint32_t first = join->many.first[number];
    bool check = first && join->many.next[first - 1];
    join->may_repeat = join->may_repeat || check || join->fill_many_given;
    NumberResults results = {.first = join->node->frame.count, .index = {.arena = join->scratch}};
    for (uint32_t i = first; i; i = join->many.next[i - 1]) {
        const Column *many = &join->many.frame->columns[i - 1];
        if (!join_many(join, many, &results, check, err)) {
            return false;
        }
        for (size_t step = 0; step < join->steps; step++) {
            any_many[step] |= column_has(many, step);
        }
        if (!watch_join(join, err)) {
            return false;
        }
    }
    return !join->fill_many_given || join_unmatched(join, number, any_many, err);
}

/* Numbers that only the one side has matter for duplicates and fill values. */
static bool join_all(Join *join, size_t number_count, Err *err) {
    uint8_t *done = arena_array(join->arena, uint8_t, number_count + 1);
    const Side *sides[] = {&join->many, &join->one};
    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < sides[s]->frame->count; i++) {
            uint32_t number = sides[s]->numbers[i];
            if (done[number]) {
                continue;
            }
            done[number] = 1;
            if (!join_number(join, number, err) || !exec_check(join->exec, err)) {
                return false;
            }
        }
    }
    return true;
}

static void drop_empty_columns(Frame *frame, size_t steps) {
    size_t count = 0;
    for (size_t i = 0; i < frame->count; i++) {
        if (column_any(&frame->columns[i], steps)) {
            frame->columns[count++] = frame->columns[i];
        }
    }
    frame->count = count;
}

static bool run_join(Exec *exec, PlanNode *node, Err *err) {
    const ExprBinary *binary = &node->expr->binary;
    const Frame *left = &node->args[0]->frame, *right = &node->args[1]->frame;
    Arena *arena = frame_arena(&node->frame);
    size_t larger = left->count > right->count ? left->count : right->count;
    size_t bytes = larger * (2 * sizeof(Column) + node->grid.count * sizeof(double) + 64);
    if (!exec_charge_bytes(exec, bytes, err)) {
        return false;
    }
    node->frame.bytes = bytes;
    Matching matching;
    if (!match_frames(exec, arena, node, left, right, &matching, err)) {
        return false;
    }
    bool swapped = binary->card == CARD_ONE_TO_MANY;
    Side sides[] = {make_side(arena, left, matching.left, matching.count),
                    make_side(arena, right, matching.right, matching.count)};
    Arena scratch = {0};
    Join join = {
        .exec = exec,
        .node = node,
        .binary = binary,
        .arena = arena,
        .scratch = &scratch,
        .steps = node->grid.count,
        .many = sides[swapped],
        .one = sides[!swapped],
        .swapped = swapped,
        /* Not swapped with the sides, as in Prometheus: fill_right stands for the one side. */
        .fill_one_given = binary->fill_right_given,
        .fill_many_given = binary->fill_left_given,
        .fill_one = binary->fill_right,
        .fill_many = binary->fill_left};
    bool ok = join_all(&join, matching.count, err);
    exec_refund_bytes(exec, join.scratch_charged);
    arena_finish(&scratch);
    if (ok && node->expr->flavour == PROMQL_PROMETHEUS) {
        drop_empty_columns(&node->frame, node->grid.count);
    }
    /* Series that take turns on the many side are one series of a range, as a window over it sees.
     */
    bool merges = join.may_repeat && node->expr->flavour == PROMQL_PROMETHEUS;
    return ok && (!merges || node->grid.count == 1 ||
                  frame_merge_equal(arena, &node->frame, node->grid.count, err));
}

bool run_binary(Exec *exec, PlanNode *node, Err *err) {
    if (binary_is_membership(&node->expr->binary)) {
        return run_membership(exec, node, err);
    }
    return binary_op_is_set(node->expr->binary.op) ? run_set_operator(exec, node, err)
                                                   : run_join(exec, node, err);
}
