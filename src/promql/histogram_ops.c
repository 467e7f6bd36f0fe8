#include "promql/histogram_ops.h"

#include <assert.h>
#include <math.h>

#include "promql/scalar_ops.h"

/* ---- lists and spans ---- */

BucketList bucket_list(Arena *arena, const HistogramSide *side) {
    BucketList list = {arena_raw(arena, (side->bucket_count + 1) * sizeof *list.index),
                       arena_raw(arena, (side->bucket_count + 1) * sizeof *list.counts), NULL, 0};
    int32_t index = 0;
    for (uint32_t i = 0; i < side->span_count; i++) {
        index = (int32_t)((uint32_t)index + (uint32_t)side->spans[i].offset);
        for (uint32_t j = 0; j < side->spans[i].length && list.count < side->bucket_count; j++) {
            list.index[list.count] = index;
            index = (int32_t)((uint32_t)index + 1);
            list.counts[list.count] = side->counts[list.count];
            list.count++;
        }
    }
    return list;
}

static uint32_t count_spans(const BucketList *list) {
    uint32_t spans = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        spans += i == 0 || list->index[i] != list->index[i - 1] + 1;
    }
    return spans;
}

HistogramSide bucket_list_side(Arena *arena, const BucketList *list) {
    uint32_t span_count = count_spans(list);
    HistogramSpan *spans = arena_array(arena, HistogramSpan, span_count + 1);
    uint32_t at = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        if (i > 0 && list->index[i] == list->index[i - 1] + 1) {
            spans[at - 1].length++;
            continue;
        }
        int32_t after = i > 0 ? list->index[i - 1] + 1 : 0;
        spans[at++] = (HistogramSpan){list->index[i] - after, 1};
    }
    return (HistogramSide){spans, list->counts, span_count, list->count};
}

/* ---- resolution ---- */

/* The bucket of schema `to` that bucket `index` of schema `from` lies in: 2^(from - to) of them
 * make one. */
static int32_t reduced_index(int32_t index, int32_t from, int32_t to) {
    return (int32_t)((((int64_t)index - 1) >> (from - to)) + 1);
}

static void reduce_list(BucketList *list, int32_t from, int32_t to) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        int32_t index = reduced_index(list->index[i], from, to);
        double comp = list->comps ? list->comps[i] : 0;
        if (count && list->index[count - 1] == index) {
            if (list->comps) {
                kahan_add(list->counts[i], &list->counts[count - 1], &list->comps[count - 1]);
                kahan_add(comp, &list->counts[count - 1], &list->comps[count - 1]);
            } else {
                list->counts[count - 1] += list->counts[i];
            }
            continue;
        }
        list->index[count] = index;
        list->counts[count] = list->counts[i];
        if (list->comps) {
            list->comps[count] = comp;
        }
        count++;
    }
    list->count = count;
}

/* ---- merging lists ---- */

/* Whether every bucket of `b` is in `a`: the common case, where nothing has to move. */
static bool covers(const BucketList *a, const BucketList *b, uint32_t b_first) {
    uint32_t i = 0;
    for (uint32_t j = b_first; j < b->count; j++) {
        while (i < a->count && a->index[i] < b->index[j]) {
            i++;
        }
        if (i == a->count || a->index[i] != b->index[j]) {
            return false;
        }
    }
    return true;
}

static BucketList list_alloc(Arena *arena, uint32_t count, bool compensated) {
    BucketList list = {arena_raw(arena, (count + 1) * sizeof *list.index),
                       arena_raw(arena, (count + 1) * sizeof *list.counts), NULL, 0};
    if (compensated) {
        list.comps = arena_array(arena, double, count + 1);
    }
    return list;
}

/* `a` with room for the buckets only `b` has, their counts a negative zero, which changes nothing
 * it is added to. */
static BucketList widen(Arena *arena, const BucketList *a, const BucketList *b, uint32_t b_first) {
    BucketList wide = list_alloc(arena, a->count + b->count, a->comps != NULL);
    uint32_t i = 0, j = b_first;
    while (i < a->count || j < b->count) {
        bool from_a = j == b->count || (i < a->count && a->index[i] <= b->index[j]);
        if (from_a) {
            j += j < b->count && a->index[i] == b->index[j];
            wide.index[wide.count] = a->index[i];
            wide.counts[wide.count] = a->counts[i];
            if (a->comps) {
                wide.comps[wide.count] = a->comps[i];
            }
            i++;
        } else {
            wide.index[wide.count] = b->index[j++];
            wide.counts[wide.count] = -0.0;
        }
        wide.count++;
    }
    return wide;
}

static void add_list(Arena *arena, BucketList *a, const BucketList *b, uint32_t b_first,
                     bool negative) {
    if (!covers(a, b, b_first)) {
        *a = widen(arena, a, b, b_first);
    }
    uint32_t i = 0;
    for (uint32_t j = b_first; j < b->count; j++) {
        while (a->index[i] < b->index[j]) {
            i++;
        }
        double count = negative ? -b->counts[j] : b->counts[j];
        if (!a->comps) {
            a->counts[i] += count;
            continue;
        }
        kahan_add(count, &a->counts[i], &a->comps[i]);
        if (b->comps && b->comps[j] != 0) {
            kahan_add(negative ? -b->comps[j] : b->comps[j], &a->counts[i], &a->comps[i]);
        }
    }
}

/* Buckets of `b` that lie within the zero bucket are counted there already. */
static uint32_t first_above(const BucketList *list, int32_t schema, double threshold) {
    uint32_t first = 0;
    while (first < list->count &&
           histogram_bound(list->index[first], schema, NULL, 0) <= threshold) {
        first++;
    }
    return first;
}

/* ---- the zero bucket ---- */

/* One side's part of a zero bucket widened to `*threshold`. If that ends inside a populated bucket,
 * it is moved to the bucket's end, and true is returned. */
static bool widen_zero_side(const BucketList *list, int32_t schema, double *threshold,
                            double *zero_count, double *comp) {
    for (uint32_t i = 0; i < list->count; i++) {
        double upper = histogram_bound(list->index[i], schema, NULL, 0);
        double lower = histogram_bound((int64_t)list->index[i] - 1, schema, NULL, 0);
        if (lower >= *threshold) {
            return false;
        }
        kahan_add(list->counts[i], zero_count, comp);
        if (list->comps) {
            kahan_add(list->comps[i], zero_count, comp);
        }
        if (upper > *threshold) {
            if (list->counts[i] != 0) {
                *threshold = upper;
                return true;
            }
            return false;
        }
    }
    return false;
}

typedef struct ZeroBucket {
    double threshold, count, comp;
} ZeroBucket;

static ZeroBucket widen_zero(ZeroBucket zero, const BucketList *positive,
                             const BucketList *negative, int32_t schema, double threshold) {
    if (threshold == zero.threshold) {
        return zero;
    }
    for (;;) {
        ZeroBucket wide = {threshold, zero.count, zero.comp};
        (void)widen_zero_side(positive, schema, &wide.threshold, &wide.count, &wide.comp);
        double before = wide.threshold;
        if (widen_zero_side(negative, schema, &wide.threshold, &wide.count, &wide.comp)) {
            /* The positive side has to be looked at again. */
            threshold = wide.threshold;
            continue;
        }
        wide.threshold = before;
        return wide;
    }
}

static void compact_list(BucketList *list) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->counts[i] == 0 && (!list->comps || list->comps[i] == 0)) {
            continue;
        }
        list->index[count] = list->index[i];
        list->counts[count] = list->counts[i];
        if (list->comps) {
            list->comps[count] = list->comps[i];
        }
        count++;
    }
    list->count = count;
}

static void drop_within_zero(BucketList *list, int32_t schema, double threshold) {
    for (uint32_t i = 0; i < list->count; i++) {
        if (histogram_bound((int64_t)list->index[i] - 1, schema, NULL, 0) >= threshold) {
            break;
        }
        list->counts[i] = 0;
        if (list->comps) {
            list->comps[i] = 0;
        }
    }
    compact_list(list);
}

/* A zero bucket wide enough for both, ending inside no populated bucket of either. The sum is
 * changed to it; what the other's zero bucket would then hold is returned. */
static double reconcile_zero(HistogramSum *sum, const Histogram *other, const BucketList *positive,
                             const BucketList *negative) {
    ZeroBucket theirs = {other->zero_threshold, other->zero_count, 0};
    while (theirs.threshold != sum->zero_threshold) {
        if (sum->zero_threshold > theirs.threshold) {
            ZeroBucket start = {other->zero_threshold, other->zero_count, 0};
            theirs = widen_zero(start, positive, negative, other->schema, sum->zero_threshold);
        }
        if (theirs.threshold > sum->zero_threshold) {
            ZeroBucket ours = {sum->zero_threshold, sum->zero_count, sum->zero_count_comp};
            ours = widen_zero(ours, &sum->positive, &sum->negative, sum->schema, theirs.threshold);
            sum->zero_threshold = ours.threshold;
            sum->zero_count = ours.count;
            sum->zero_count_comp = sum->compensated ? ours.comp : 0;
            drop_within_zero(&sum->positive, sum->schema, ours.threshold);
            drop_within_zero(&sum->negative, sum->schema, ours.threshold);
        }
    }
    return theirs.count;
}

/* ---- custom bounds ---- */

static bool bounds_match(const double *a, uint32_t a_count, const double *b, uint32_t b_count) {
    if (a_count != b_count) {
        return false;
    }
    for (uint32_t i = 0; i < a_count; i++) {
        if (a[i] != b[i]) {
            return false;
        }
    }
    return true;
}

static uint32_t intersect_bounds(const HistogramSum *sum, const Histogram *other, double *common) {
    uint32_t i = 0, j = 0, count = 0;
    while (i < sum->custom_count && j < other->custom_count) {
        if (sum->custom_values[i] == other->custom_values[j]) {
            common[count++] = sum->custom_values[i];
            i++;
            j++;
        } else if (sum->custom_values[i] < other->custom_values[j]) {
            i++;
        } else {
            j++;
        }
    }
    return count;
}

/* Adds the buckets of `from` to those of `to`, which has one per common bound and one above. */
static void map_to_common(const BucketList *from, const double *bounds, uint32_t bound_count,
                          const double *common, uint32_t common_count, bool negative,
                          BucketList *to) {
    uint32_t next = 0;
    for (uint32_t i = 0; i < from->count; i++) {
        uint32_t index = (uint32_t)from->index[i], target = common_count;
        if (index < bound_count) {
            while (next < common_count && common[next] < bounds[index]) {
                next++;
            }
            target = next;
        }
        kahan_add(negative ? -from->counts[i] : from->counts[i], &to->counts[target],
                  &to->comps[target]);
        if (from->comps && !negative) {
            kahan_add(from->comps[i], &to->counts[target], &to->comps[target]);
        }
    }
}

static void add_reconciled(HistogramSum *sum, const Histogram *other, const BucketList *theirs,
                           bool negative) {
    double *common = arena_raw(sum->arena, (sum->custom_count + 1) * sizeof *common);
    uint32_t common_count = intersect_bounds(sum, other, common);
    BucketList merged = list_alloc(sum->arena, common_count + 1, true);
    merged.count = common_count + 1;
    for (uint32_t i = 0; i < merged.count; i++) {
        merged.index[i] = (int32_t)i;
        merged.counts[i] = 0;
    }
    map_to_common(&sum->positive, sum->custom_values, sum->custom_count, common, common_count,
                  false, &merged);
    map_to_common(theirs, other->custom_values, other->custom_count, common, common_count, negative,
                  &merged);
    compact_list(&merged);
    if (!sum->compensated) {
        merged.comps = NULL;
    }
    sum->positive = merged;
    sum->custom_values = common;
    sum->custom_count = common_count;
}

/* ---- adding ---- */

/* What hint a sum has: gauge wins, unknown beats both others; reset and no reset collide. */
static bool meet_hints(HistogramSum *sum, ResetHint other) {
    if (other == sum->hint || sum->hint == RESET_GAUGE) {
        return false;
    }
    if (other == RESET_GAUGE) {
        sum->hint = RESET_GAUGE;
        return false;
    }
    bool collide = sum->hint != RESET_UNKNOWN && other != RESET_UNKNOWN;
    sum->hint = RESET_UNKNOWN;
    return collide;
}

static void add_part(HistogramSum *sum, double add, double *part, double *comp) {
    if (sum->compensated) {
        kahan_add(add, part, comp);
    } else {
        *part += add;
    }
}

static void add_exponential(HistogramSum *sum, const Histogram *other, BucketList *positive,
                            BucketList *negative_side, bool negative) {
    double zero = reconcile_zero(sum, other, positive, negative_side);
    add_part(sum, negative ? -zero : zero, &sum->zero_count, &sum->zero_count_comp);
    if (other->schema < sum->schema) {
        reduce_list(&sum->positive, sum->schema, other->schema);
        reduce_list(&sum->negative, sum->schema, other->schema);
        sum->schema = other->schema;
    } else if (other->schema > sum->schema) {
        if (sum->compensated) {
            positive->comps = arena_array(sum->arena, double, positive->count + 1);
            negative_side->comps = arena_array(sum->arena, double, negative_side->count + 1);
        }
        reduce_list(positive, other->schema, sum->schema);
        reduce_list(negative_side, other->schema, sum->schema);
    }
    double threshold = sum->zero_threshold;
    add_list(sum->arena, &sum->positive, positive, first_above(positive, sum->schema, threshold),
             negative);
    add_list(sum->arena, &sum->negative, negative_side,
             first_above(negative_side, sum->schema, threshold), negative);
}

static bool add(HistogramSum *sum, const Histogram *other, bool negative, HistogramMeet *ret_meet) {
    bool custom = sum->schema == HISTOGRAM_SCHEMA_CUSTOM;
    *ret_meet = (HistogramMeet){0};
    if (custom != histogram_is_custom(other)) {
        return false;
    }
    ret_meet->reset_collision = meet_hints(sum, other->hint);
    BucketList positive = bucket_list(sum->arena, &other->positive);
    BucketList negative_side = bucket_list(sum->arena, &other->negative);
    if (!custom) {
        add_exponential(sum, other, &positive, &negative_side, negative);
    } else if (bounds_match(sum->custom_values, sum->custom_count, other->custom_values,
                            other->custom_count)) {
        add_list(sum->arena, &sum->positive, &positive, 0, negative);
    } else {
        ret_meet->reconciled = true;
        add_reconciled(sum, other, &positive, negative);
    }
    add_part(sum, negative ? -other->count : other->count, &sum->count, &sum->count_comp);
    add_part(sum, negative ? -other->sum : other->sum, &sum->sum, &sum->sum_comp);
    return true;
}

static const double *copy_bounds(Arena *arena, const Histogram *histogram) {
    if (!histogram->custom_count) {
        return NULL;
    }
    double *bounds = arena_raw(arena, histogram->custom_count * sizeof *bounds);
    memcpy(bounds, histogram->custom_values, histogram->custom_count * sizeof *bounds);
    return bounds;
}

void histogram_sum_start(Arena *arena, const Histogram *first, HistogramSum *ret_sum) {
    *ret_sum = (HistogramSum){.arena = arena,
                              .schema = first->schema,
                              .hint = first->hint,
                              .zero_threshold = first->zero_threshold,
                              .zero_count = first->zero_count,
                              .count = first->count,
                              .sum = first->sum,
                              .positive = bucket_list(arena, &first->positive),
                              .negative = bucket_list(arena, &first->negative),
                              .custom_values = copy_bounds(arena, first),
                              .custom_count = first->custom_count};
}

bool histogram_sum_add(HistogramSum *sum, const Histogram *other, bool negative,
                       HistogramMeet *ret_meet) {
    return add(sum, other, negative, ret_meet);
}

static void compensate(HistogramSum *sum) {
    if (!sum->compensated) {
        sum->compensated = true;
        sum->positive.comps = arena_array(sum->arena, double, sum->positive.count + 1);
        sum->negative.comps = arena_array(sum->arena, double, sum->negative.count + 1);
    }
}

bool histogram_sum_add_exact(HistogramSum *sum, const Histogram *other, HistogramMeet *ret_meet) {
    compensate(sum);
    return add(sum, other, false, ret_meet);
}

bool histogram_sum_noted(HistogramSum *sum, const Histogram *other, bool negative, Notes *notes,
                         Str metric, int part) {
    HistogramMeet meet;
    if (!add(sum, other, negative, &meet)) {
        note_mixed_schemas(notes, metric, part);
        return false;
    }
    if (meet.reconciled) {
        note_reconciled_buckets(notes, negative ? "subtraction" : "addition", part);
    }
    return true;
}

/* ---- scaling ---- */

static void scale_values(double *values, uint32_t count, double factor) {
    for (uint32_t i = 0; values && i < count; i++) {
        values[i] *= factor;
    }
}

void histogram_sum_scale_comps(HistogramSum *sum, double factor) {
    sum->zero_count_comp *= factor;
    sum->count_comp *= factor;
    sum->sum_comp *= factor;
    scale_values(sum->positive.comps, sum->positive.count, factor);
    scale_values(sum->negative.comps, sum->negative.count, factor);
}

void histogram_sum_scale(HistogramSum *sum, double factor) {
    sum->zero_count *= factor;
    sum->count *= factor;
    sum->sum *= factor;
    scale_values(sum->positive.counts, sum->positive.count, factor);
    scale_values(sum->negative.counts, sum->negative.count, factor);
    if (factor < 0) {
        sum->hint = RESET_GAUGE;
    }
}

static void divide_values(double *values, uint32_t count, double divisor) {
    for (uint32_t i = 0; values && i < count; i++) {
        values[i] /= divisor;
    }
}

/* Divided by zero everything is infinite or NaN, and no bucket is left. */
void histogram_sum_divide(HistogramSum *sum, double divisor) {
    sum->zero_count /= divisor;
    sum->count /= divisor;
    sum->sum /= divisor;
    if (divisor == 0) {
        sum->positive.count = sum->negative.count = 0;
        return;
    }
    divide_values(sum->positive.counts, sum->positive.count, divisor);
    divide_values(sum->negative.counts, sum->negative.count, divisor);
    if (divisor < 0) {
        sum->hint = RESET_GAUGE;
    }
}

static void fold_list(BucketList *list) {
    for (uint32_t i = 0; list->comps && i < list->count; i++) {
        list->counts[i] += list->comps[i];
        list->comps[i] = 0;
    }
}

void histogram_sum_fold(HistogramSum *sum) {
    sum->zero_count += sum->zero_count_comp;
    sum->count += sum->count_comp;
    sum->sum += sum->sum_comp;
    sum->zero_count_comp = sum->count_comp = sum->sum_comp = 0;
    fold_list(&sum->positive);
    fold_list(&sum->negative);
}

static bool any_infinite(const double *values, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (isinf(values[i])) {
            return true;
        }
    }
    return false;
}

bool histogram_sum_overflows(const HistogramSum *sum) {
    return isinf(sum->zero_count) || isinf(sum->count) || isinf(sum->sum) ||
           any_infinite(sum->positive.counts, sum->positive.count) ||
           any_infinite(sum->negative.counts, sum->negative.count) ||
           any_infinite(sum->custom_values, sum->custom_count);
}

void histogram_sum_compact(HistogramSum *sum) {
    compact_list(&sum->positive);
    compact_list(&sum->negative);
}

static BucketList copy_list(Arena *arena, const BucketList *list) {
    BucketList copy = list_alloc(arena, list->count, list->comps != NULL);
    copy.count = list->count;
    memcpy(copy.index, list->index, list->count * sizeof *copy.index);
    memcpy(copy.counts, list->counts, list->count * sizeof *copy.counts);
    if (list->comps) {
        memcpy(copy.comps, list->comps, list->count * sizeof *copy.comps);
    }
    return copy;
}

HistogramSum histogram_sum_copy(const HistogramSum *sum) {
    HistogramSum copy = *sum;
    copy.positive = copy_list(sum->arena, &sum->positive);
    copy.negative = copy_list(sum->arena, &sum->negative);
    return copy;
}

Histogram *histogram_sum_result(const HistogramSum *sum) {
    Histogram *result = arena_new(sum->arena, Histogram);
    *result = (Histogram){.schema = sum->schema,
                          .hint = sum->hint,
                          .zero_threshold = sum->zero_threshold,
                          .zero_count = sum->zero_count,
                          .count = sum->count,
                          .sum = sum->sum,
                          .positive = bucket_list_side(sum->arena, &sum->positive),
                          .negative = bucket_list_side(sum->arena, &sum->negative),
                          .custom_values = sum->custom_values,
                          .custom_count = sum->custom_count};
    return result;
}

/* ---- whole histograms ---- */

Histogram *histogram_scale(Arena *arena, const Histogram *histogram, double factor) {
    HistogramSum sum;
    histogram_sum_start(arena, histogram, &sum);
    histogram_sum_scale(&sum, factor);
    histogram_sum_compact(&sum);
    return histogram_sum_result(&sum);
}

Histogram *histogram_divide(Arena *arena, const Histogram *histogram, double divisor) {
    HistogramSum sum;
    histogram_sum_start(arena, histogram, &sum);
    histogram_sum_divide(&sum, divisor);
    histogram_sum_compact(&sum);
    return histogram_sum_result(&sum);
}

Histogram *histogram_compacted(Arena *arena, const Histogram *histogram) {
    HistogramSum sum;
    histogram_sum_start(arena, histogram, &sum);
    histogram_sum_compact(&sum);
    return histogram_sum_result(&sum);
}

Histogram *histogram_reduced(Arena *arena, const Histogram *histogram, int32_t schema) {
    HistogramSum sum;
    histogram_sum_start(arena, histogram, &sum);
    if (schema < histogram->schema && !histogram_is_custom(histogram)) {
        reduce_list(&sum.positive, sum.schema, schema);
        reduce_list(&sum.negative, sum.schema, schema);
        sum.schema = schema;
        sum.hint = RESET_UNKNOWN;
    }
    return histogram_sum_result(&sum);
}

/* ---- resets ---- */

/* Whether a bucket of `previous` is missing or lower in `list`. */
static bool list_fell(const BucketList *list, const BucketList *previous, uint32_t previous_first) {
    uint32_t i = 0;
    for (uint32_t j = previous_first; j < previous->count; j++) {
        while (i < list->count && list->index[i] < previous->index[j]) {
            i++;
        }
        bool there = i < list->count && list->index[i] == previous->index[j];
        double now = there ? list->counts[i] : 0;
        if (there ? now < previous->counts[j] : previous->counts[j] != 0) {
            return true;
        }
    }
    return false;
}

static double sum_up_to(const Histogram *histogram, const BucketList *list, uint32_t *at,
                        double bound) {
    double sum = 0;
    while (*at < list->count &&
           histogram_bound(list->index[*at], histogram->schema, histogram->custom_values,
                           histogram->custom_count) <= bound) {
        sum += list->counts[(*at)++];
    }
    return sum;
}

/* Custom bounds differ: compared between the bounds both have. */
static bool custom_fell(Arena *arena, const Histogram *now, const Histogram *before) {
    BucketList list = bucket_list(arena, &now->positive);
    BucketList previous = bucket_list(arena, &before->positive);
    uint32_t i = 0, j = 0, list_at = 0, previous_at = 0;
    while (i <= now->custom_count && j <= before->custom_count) {
        double a = i < now->custom_count ? now->custom_values[i] : INFINITY;
        double b = j < before->custom_count ? before->custom_values[j] : INFINITY;
        if (a == b) {
            double sum = sum_up_to(now, &list, &list_at, a);
            if (sum < sum_up_to(before, &previous, &previous_at, a)) {
                return true;
            }
            i++;
            j++;
        } else if (a < b) {
            i++;
        } else {
            j++;
        }
    }
    return false;
}

static bool side_fell(Arena *arena, const HistogramSide *now, const Histogram *histogram,
                      const HistogramSide *before, int32_t before_schema) {
    BucketList list = bucket_list(arena, now), previous = bucket_list(arena, before);
    if (histogram_is_custom(histogram)) {
        return list_fell(&list, &previous, 0);
    }
    reduce_list(&previous, before_schema, histogram->schema);
    uint32_t list_first = first_above(&list, histogram->schema, histogram->zero_threshold);
    BucketList above = {list.index + list_first, list.counts + list_first, NULL,
                        list.count - list_first};
    return list_fell(&above, &previous,
                     first_above(&previous, histogram->schema, histogram->zero_threshold));
}

static bool zero_fell(Arena *arena, const Histogram *now, const Histogram *before) {
    if (now->zero_threshold < before->zero_threshold) {
        return true;
    }
    BucketList positive = bucket_list(arena, &before->positive);
    BucketList negative = bucket_list(arena, &before->negative);
    ZeroBucket zero = widen_zero((ZeroBucket){before->zero_threshold, before->zero_count, 0},
                                 &positive, &negative, before->schema, now->zero_threshold);
    return zero.threshold != now->zero_threshold || now->zero_count < zero.count;
}

bool histogram_is_reset(Arena *arena, const Histogram *histogram, const Histogram *previous) {
    if (histogram->hint == RESET_YES || histogram->hint == RESET_NO) {
        return histogram->hint == RESET_YES;
    }
    if (histogram->count < previous->count) {
        return true;
    }
    if (histogram_is_custom(histogram)) {
        if (!histogram_is_custom(previous)) {
            return true;
        }
        if (!bounds_match(histogram->custom_values, histogram->custom_count,
                          previous->custom_values, previous->custom_count)) {
            return custom_fell(arena, histogram, previous);
        }
        return side_fell(arena, &histogram->positive, histogram, &previous->positive,
                         previous->schema);
    }
    if (histogram->schema > previous->schema || histogram_is_custom(previous)) {
        return true;
    }
    return zero_fell(arena, histogram, previous) ||
           side_fell(arena, &histogram->positive, histogram, &previous->positive,
                     previous->schema) ||
           side_fell(arena, &histogram->negative, histogram, &previous->negative, previous->schema);
}

/* ---- equality ---- */

static bool sides_same(const HistogramSide *a, const HistogramSide *b) {
    Arena arena = {0};
    BucketList x = bucket_list(&arena, a), y = bucket_list(&arena, b);
    bool same = x.count == y.count;
    for (uint32_t i = 0; same && i < x.count; i++) {
        same = x.index[i] == y.index[i] && value_bits(x.counts[i]) == value_bits(y.counts[i]);
    }
    arena_finish(&arena);
    return same;
}

bool histogram_same(const Histogram *a, const Histogram *b) {
    return a->schema == b->schema && value_bits(a->count) == value_bits(b->count) &&
           value_bits(a->sum) == value_bits(b->sum) &&
           bounds_match(a->custom_values, a->custom_count, b->custom_values, b->custom_count) &&
           a->zero_threshold == b->zero_threshold &&
           value_bits(a->zero_count) == value_bits(b->zero_count) &&
           sides_same(&a->negative, &b->negative) && sides_same(&a->positive, &b->positive);
}
