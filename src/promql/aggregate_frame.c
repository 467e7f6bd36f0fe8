/*
 * Aggregations that look at all series of a step together: topk, bottomk, limitk, limit_ratio,
 * quantile, count_values.
 */

#include <math.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/go_text.h"
#include "base/number.h"
#include "promql/aggregate.h"
#include "promql/histogram_ops.h"
#include "promql/range_functions.h"

/* The input's columns of each group, in order. */
typedef struct Members {
    uint32_t *columns;
    size_t count;
} Members;

typedef struct Grouping {
    AggregateGroups groups;
    Members *members; /* one per group */
} Grouping;

static Grouping group_columns(Arena *arena, const PlanNode *node, const Frame *input) {
    Grouping grouping = {
        .groups = {.arena = arena, .aggregate = &node->expr->aggregate, .index = {.arena = arena}}};
    uint32_t *group_of = arena_raw(arena, (input->count + 1) * sizeof *group_of);
    for (size_t i = 0; i < input->count; i++) {
        bool is_new;
        Hash128 key = aggregate_key(&node->expr->aggregate, input->columns[i].labels);
        AggregateGroup *group = aggregate_group(&grouping.groups, &input->columns[i], key, &is_new);
        group_of[i] = (uint32_t)(group - grouping.groups.items);
    }
    grouping.members = arena_array(arena, Members, grouping.groups.count + 1);
    for (size_t i = 0; i < input->count; i++) {
        grouping.members[group_of[i]].count++;
    }
    for (size_t i = 0; i < grouping.groups.count; i++) {
        grouping.members[i].columns =
            arena_raw(arena, grouping.members[i].count * sizeof(uint32_t));
        grouping.members[i].count = 0;
    }
    for (size_t i = 0; i < input->count; i++) {
        Members *members = &grouping.members[group_of[i]];
        members->columns[members->count++] = (uint32_t)i;
    }
    return grouping;
}

/* ---- quantile ---- */

static void quantile_group(PlanNode *node, const Frame *input, const Members *members,
                           double *buffer, Column *out) {
    for (size_t step = 0; step < node->grid.count; step++) {
        size_t count = 0;
        for (size_t i = 0; i < members->count; i++) {
            const Column *column = &input->columns[members->columns[i]];
            if (!value_is_none(column->values[step])) {
                buffer[count++] = column->values[step];
            } else if (column->histograms && column->histograms[step]) {
                note_histogram_ignored_in(&node->notes, "quantile", 0);
            }
        }
        if (count) {
            out->values[step] = quantile_of(exec_scalar(node->args[1], step), buffer, count);
        }
    }
}

static void note_quantiles(PlanNode *node) {
    ParamRange range = aggregate_param_range(node);
    if (range.any_nan) {
        note_invalid_quantile(&node->notes, value_nan(), NOTE_PARAM);
    }
    if (range.max > 1) {
        note_invalid_quantile(&node->notes, range.max, NOTE_PARAM);
    }
    if (range.min < 0) {
        note_invalid_quantile(&node->notes, range.min, NOTE_PARAM);
    }
}

static void run_quantile(PlanNode *node, Arena *arena, const Frame *input,
                         const Grouping *grouping) {
    note_quantiles(node);
    Frame *frame = &node->frame;
    double *buffer = arena_raw(arena, (input->count + 1) * sizeof *buffer);
    frame->columns = arena_array(arena, Column, grouping->groups.count);
    for (size_t i = 0; i < grouping->groups.count; i++) {
        Column *column = &frame->columns[frame->count];
        *column = (Column){.labels = grouping->groups.items[i].labels,
                           .drop_name = grouping->groups.items[i].drop_name,
                           .values = column_alloc(arena, node->grid.count)};
        quantile_group(node, input, &grouping->members[i], buffer, column);
        frame->count += column_any(column, node->grid.count);
    }
}

/* ---- topk and bottomk ---- */

/* A candidate at one step. */
typedef struct Candidate {
    double value;
    uint32_t column;
} Candidate;

/* The heap keeps the worst candidate on top; NaN is worse than any number. The moves are those of
 * Go's container/heap, so that among equal values the same ones stay. */
typedef struct Heap {
    Candidate *items;
    size_t count;
    bool largest; /* topk: the smallest is on top */
} Heap;

static bool is_worse(const Heap *heap, size_t a, size_t b) {
    double x = heap->items[a].value, y = heap->items[b].value;
    return isnan(x) || (heap->largest ? x < y : x > y);
}

static void heap_swap(Heap *heap, size_t a, size_t b) {
    Candidate kept = heap->items[a];
    heap->items[a] = heap->items[b];
    heap->items[b] = kept;
}

static void heap_up(Heap *heap, size_t at) {
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (!is_worse(heap, at, parent)) {
            break;
        }
        heap_swap(heap, at, parent);
        at = parent;
    }
}

static void heap_down(Heap *heap, size_t at) {
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= heap->count) {
            return;
        }
        if (child + 1 < heap->count && is_worse(heap, child + 1, child)) {
            child++;
        }
        if (!is_worse(heap, child, at)) {
            return;
        }
        heap_swap(heap, at, child);
        at = child;
    }
}

static void offer(Heap *heap, size_t k, Candidate candidate) {
    if (heap->count < k) {
        heap->items[heap->count++] = candidate;
        heap_up(heap, heap->count - 1);
        return;
    }
    double top = heap->items[0].value;
    bool better = heap->largest ? top < candidate.value : top > candidate.value;
    if (better || (isnan(top) && !isnan(candidate.value))) {
        heap->items[0] = candidate;
        heap_down(heap, 0);
    }
}

/* Best first; equal ones stay as the heap has them. */
static void sort_best_first(Heap *heap) {
    for (size_t end = 1; end < heap->count; end++) {
        for (size_t i = end; i > 0 && is_worse(heap, i - 1, i) && !is_worse(heap, i, i - 1); i--) {
            heap_swap(heap, i - 1, i);
        }
    }
}

static bool is_better_first(const Heap *heap, const Candidate *a, const Candidate *b) {
    if (isnan(a->value) || isnan(b->value)) {
        return !isnan(a->value) && isnan(b->value);
    }
    return heap->largest ? a->value > b->value : a->value < b->value;
}

/* Merge sort, for more candidates than insertion sort should move. */
static void merge_sort(const Heap *heap, Candidate *items, Candidate *spare, size_t count) {
    if (count < 2) {
        return;
    }
    size_t half = count / 2;
    merge_sort(heap, items, spare, half);
    merge_sort(heap, items + half, spare, count - half);
    memcpy(spare, items, half * sizeof *items);
    size_t i = 0, j = half, at = 0;
    while (i < half && j < count) {
        bool take_right = is_better_first(heap, &items[j], &spare[i]);
        items[at++] = take_right ? items[j++] : spare[i++];
    }
    memcpy(items + at, spare + i, (half - i) * sizeof *items);
}

static void sort_candidates(Arena *arena, Heap *heap) {
    if (heap->count <= 16) {
        sort_best_first(heap);
    } else {
        Candidate *spare = arena_raw(arena, heap->count * sizeof *spare);
        merge_sort(heap, heap->items, spare, heap->count);
    }
}

/* ---- what a step keeps of the input ---- */

/* Picks samples of the input's columns into columns of its own, in order of first being picked. */
typedef struct Picker {
    Arena *arena;
    PlanNode *node;
    const Frame *input;
    uint32_t *slot_of; /* per input column, + 1 */
    bool failed;
} Picker;

static void pick(Picker *picker, uint32_t column, size_t step) {
    Frame *frame = &picker->node->frame;
    size_t steps = picker->node->grid.count;
    const Column *from = &picker->input->columns[column];
    if (!picker->slot_of[column]) {
        Column *fresh = &frame->columns[frame->count++];
        *fresh = (Column){.labels = from->labels,
                          .drop_name = from->drop_name,
                          .values = column_alloc(picker->arena, steps)};
        picker->slot_of[column] = (uint32_t)frame->count;
    }
    Column *to = &frame->columns[picker->slot_of[column] - 1];
    if (from->histograms && from->histograms[step]) {
        column_set_histogram(picker->arena, to, steps, step, from->histograms[step]);
    } else {
        to->values[step] = from->values[step];
    }
}

static void pick_best(Picker *picker, const Members *members, size_t k, size_t step, Heap *heap) {
    heap->count = 0;
    for (size_t i = 0; i < members->count; i++) {
        const Column *column = &picker->input->columns[members->columns[i]];
        if (!value_is_none(column->values[step])) {
            offer(heap, k, (Candidate){column->values[step], members->columns[i]});
        } else if (column->histograms && column->histograms[step]) {
            note_histogram_ignored_in(&picker->node->notes, heap->largest ? "topk" : "bottomk",
                                      NOTE_SELF);
        }
    }
    sort_candidates(picker->arena, heap);
    for (size_t i = 0; i < heap->count; i++) {
        pick(picker, heap->items[i].column, step);
    }
}

static void pick_first(Picker *picker, const Members *members, size_t k, size_t step) {
    size_t taken = 0;
    for (size_t i = 0; i < members->count && taken < k; i++) {
        if (column_has(&picker->input->columns[members->columns[i]], step)) {
            pick(picker, members->columns[i], step);
            taken++;
        }
    }
}

static void put_length(Buf *buf, size_t len) {
    if (len < 255) {
        buf_byte(buf, (char)len);
        return;
    }
    const char bytes[] = {(char)255, (char)len, (char)(len >> 8), (char)(len >> 16)};
    buf_put(buf, bytes, sizeof bytes);
}

/* Where a series stands between 0 and 1: Prometheus' hash of its labels (XXH64 over each text
 * behind its length), so that the same series are sampled. */
static double ratio_place(LabelSet labels) {
    Buf text = {0};
    for (size_t i = 0; i < labels.count; i++) {
        put_length(&text, labels.items[i].name.len);
        buf_str(&text, labels.items[i].name);
        put_length(&text, labels.items[i].value.len);
        buf_str(&text, labels.items[i].value);
    }
    double place = (double)XXH64(buf_view(&text).ptr, text.len, 0) / 18446744073709551615.0;
    buf_finish(&text);
    return place;
}

/* The share [0, ratio) of series, or for a negative ratio what that of 1 + ratio leaves. */
static bool is_in_ratio(LabelSet labels, double ratio) {
    double place = ratio_place(labels);
    return ratio >= 0 ? place < ratio : place >= 1 + ratio;
}

static void pick_ratio(Picker *picker, const Members *members, double ratio, size_t step) {
    ratio = ratio < -1 ? -1 : ratio > 1 ? 1 : ratio;
    if (ratio == 0) {
        return;
    }
    for (size_t i = 0; i < members->count; i++) {
        const Column *column = &picker->input->columns[members->columns[i]];
        if (column_has(column, step) && is_in_ratio(column->labels, ratio)) {
            pick(picker, members->columns[i], step);
        }
    }
}

static size_t count_of(double parameter, size_t most) {
    if (!(parameter >= 1)) {
        return 0;
    }
    return parameter >= (double)most ? most : (size_t)parameter;
}

static bool check_count(const PlanNode *node, bool *ret_nothing, Err *err) {
    ParamRange range = aggregate_param_range(node);
    *ret_nothing = range.max < 1;
    if (*ret_nothing && !(range.any_nan && range.max == -INFINITY)) {
        return true;
    }
    if (range.any_nan) {
        return err_set(err, ERR_INVALID, "Parameter value is NaN");
    }
    if (range.min <= -0x1p63) {
        return err_set(err, ERR_INVALID, "Scalar value %g underflows int64", range.min);
    }
    if (range.max >= 0x1p63) {
        return err_set(err, ERR_INVALID, "Scalar value %g overflows int64", range.max);
    }
    return true;
}

static bool check_ratio(PlanNode *node, bool *ret_nothing, Err *err) {
    ParamRange range = aggregate_param_range(node);
    *ret_nothing = range.max == 0 && range.min == 0;
    if (range.any_nan) {
        return err_set(err, ERR_INVALID, "Ratio value is NaN");
    }
    if (range.max > 1) {
        note_invalid_ratio(&node->notes, range.max, 1, NOTE_PARAM);
    }
    if (range.min < -1) {
        note_invalid_ratio(&node->notes, range.min, -1, NOTE_PARAM);
    }
    return true;
}

static void pick_step(Picker *picker, const Members *members, AggregateId id, size_t step,
                      Heap *heap) {
    double parameter = exec_scalar(picker->node->args[1], step);
    size_t k = count_of(parameter, picker->input->count);
    switch (id) {
    case AGGREGATE_TOPK:
    case AGGREGATE_BOTTOMK:
        if (k) {
            pick_best(picker, members, k, step, heap);
        }
        return;
    case AGGREGATE_LIMITK:
        pick_first(picker, members, k, step);
        return;
    default:
        pick_ratio(picker, members, parameter, step);
    }
}

static bool run_pick(Exec *exec, PlanNode *node, Arena *arena, const Frame *input,
                     const Grouping *grouping, Err *err) {
    AggregateId id = node->expr->aggregate.aggregate->id;
    bool nothing;
    if (!(id == AGGREGATE_LIMIT_RATIO ? check_ratio(node, &nothing, err)
                                      : check_count(node, &nothing, err))) {
        return false;
    }
    if (nothing) {
        return true;
    }
    Picker picker = {.arena = arena,
                     .node = node,
                     .input = input,
                     .slot_of = arena_array(arena, uint32_t, input->count + 1)};
    node->frame.columns = arena_array(arena, Column, input->count);
    Heap heap = {arena_raw(arena, (input->count + 1) * sizeof *heap.items), 0,
                 id == AGGREGATE_TOPK};
    for (size_t step = 0; step < node->grid.count; step++) {
        for (size_t i = 0; i < grouping->groups.count; i++) {
            pick_step(&picker, &grouping->members[i], id, step, &heap);
            if (!exec_watch_frame(exec, node, err)) {
                return false;
            }
        }
        if (!exec_check(exec, err)) {
            return false;
        }
    }
    return true;
}

/* ---- count_values ---- */

typedef struct ValueCounts {
    Arena *arena;
    PlanNode *node;
    Str label;
    ExprAggregate grouping; /* with the value's label among those kept */
    HashIndex index;
    Column *columns;
    size_t count, cap;
} ValueCounts;

static Str value_text(Arena *arena, const Column *column, size_t step) {
    Buf buf = {0};
    if (column->histograms && column->histograms[step]) {
        histogram_print(&buf, column->histograms[step]);
    } else {
        number_put(&buf, column->values[step]);
    }
    Str text = arena_str(arena, buf_view(&buf));
    buf_finish(&buf);
    return text;
}

static Column *value_column(ValueCounts *counts, LabelSet labels) {
    bool is_new;
    const ExprAggregate *by = &counts->grouping;
    uint32_t at = hash_index_add(&counts->index, aggregate_key(by, labels), &is_new);
    if (!is_new) {
        return &counts->columns[at];
    }
    if (counts->count == counts->cap) {
        size_t cap = counts->cap ? counts->cap * 2 : 16;
        Column *columns = arena_array(counts->arena, Column, cap);
        if (counts->count) {
            memcpy(columns, counts->columns, counts->count * sizeof *columns);
        }
        counts->columns = columns;
        counts->cap = cap;
    }
    LabelSet kept = labels_filter(counts->arena, labels, by->labels, by->label_count, !by->without);
    if (by->without) {
        kept = labels_with(counts->arena, kept, LABEL_METRIC_NAME, STR(""));
    }
    counts->columns[counts->count] =
        (Column){.labels = kept, .values = column_alloc(counts->arena, counts->node->grid.count)};
    return &counts->columns[counts->count++];
}

static void count_value(ValueCounts *counts, const Column *column, size_t step) {
    Str text = value_text(counts->arena, column, step);
    LabelSet labels = labels_with(counts->arena, column->labels, counts->label, text);
    double *count = &value_column(counts, labels)->values[step];
    *count = value_is_none(*count) ? 1 : *count + 1;
}

static bool run_count_values(Exec *exec, PlanNode *node, Arena *arena, const Frame *input,
                             Err *err) {
    const ExprAggregate *aggregate = &node->expr->aggregate;
    Str label = expr_unwrap(aggregate->param)->string;
    if (label.len == 0 || !str_is_utf8(label)) {
        Buf quoted = {0};
        go_quote(&quoted, label, 0);
        err_set(err, ERR_INVALID, "invalid label name %.*s", STR_ARG(buf_view(&quoted)));
        buf_finish(&quoted);
        return false;
    }
    ValueCounts counts = {.arena = arena, .node = node, .label = label, .grouping = *aggregate};
    counts.index.arena = arena;
    if (!aggregate->without) {
        Str *names = arena_array(arena, Str, aggregate->label_count + 1);
        if (aggregate->label_count) {
            memcpy(names, aggregate->labels, aggregate->label_count * sizeof *names);
        }
        names[aggregate->label_count] = label;
        counts.grouping.labels = names;
        counts.grouping.label_count++;
    }
    for (size_t step = 0; step < node->grid.count; step++) {
        for (size_t i = 0; i < input->count; i++) {
            if (column_has(&input->columns[i], step)) {
                count_value(&counts, &input->columns[i], step);
            }
            if (!exec_watch_frame(exec, node, err)) {
                return false;
            }
        }
        if (!exec_check(exec, err)) {
            return false;
        }
    }
    node->frame.columns = counts.columns;
    node->frame.count = counts.count;
    return true;
}

bool run_aggregate_frame(Exec *exec, PlanNode *node, Err *err) {
    if ((node->args[1] && !exec_node(exec, node->args[1], err)) ||
        !exec_node(exec, node->args[0], err)) {
        return false;
    }
    const Frame *input = &node->args[0]->frame;
    Arena *arena = frame_arena(&node->frame);
    AggregateId id = node->expr->aggregate.aggregate->id;
    if (id == AGGREGATE_COUNT_VALUES) {
        return run_count_values(exec, node, arena, input, err);
    }
    Grouping grouping = group_columns(arena, node, input);
    if (id == AGGREGATE_QUANTILE) {
        run_quantile(node, arena, input, &grouping);
        return true;
    }
    return run_pick(exec, node, arena, input, &grouping, err);
}
