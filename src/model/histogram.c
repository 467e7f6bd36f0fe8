#include "model/histogram.h"

#include <math.h>
#include <string.h>

static bool side_valid(const HistogramSide *side, bool custom, const char *which, Err *err) {
    uint64_t covered = 0;
    int64_t index = 0;
    for (uint32_t i = 0; i < side->span_count; i++) {
        if (i > 0 && side->spans[i].offset < 0) {
            return err_set(err, ERR_INVALID,
                           "%s side: span number %u with offset %d: histogram has a span whose "
                           "offset is negative",
                           which, i + 1, side->spans[i].offset);
        }
        if (custom && i == 0 && side->spans[i].offset < 0) {
            return err_set(err, ERR_INVALID, "%s side: first span of custom buckets starts below 0",
                           which);
        }
        covered += side->spans[i].length;
        index += (int64_t)side->spans[i].offset + side->spans[i].length;
    }
    if (covered != side->bucket_count) {
        return err_set(err, ERR_INVALID,
                       "%s side: spans need %llu buckets, have %u buckets: histogram spans specify "
                       "different number of buckets than provided",
                       which, (unsigned long long)covered, side->bucket_count);
    }
    if (index > INT32_MAX || side->bucket_count > HISTOGRAM_BUCKETS_MAX) {
        return err_set(err, ERR_INVALID, "%s side: more buckets than the %d allowed", which,
                       HISTOGRAM_BUCKETS_MAX);
    }
    for (uint32_t i = 0; i < side->bucket_count; i++) {
        if (side->counts[i] < 0) {
            return err_set(err, ERR_INVALID,
                           "%s side: bucket number %u has observation count of %g: histogram has a "
                           "bucket whose observation count is negative",
                           which, i + 1, side->counts[i]);
        }
    }
    return true;
}

static bool custom_valid(const Histogram *histogram, Err *err) {
    for (uint32_t i = 0; i < histogram->custom_count; i++) {
        double bound = histogram->custom_values[i];
        bool ordered = i == 0 || histogram->custom_values[i - 1] < bound;
        if (isnan(bound) || !ordered) {
            return err_set(err, ERR_INVALID,
                           "histogram custom bounds must be in strictly increasing order");
        }
        if (isinf(bound) && bound > 0) {
            return err_set(err, ERR_INVALID, "histogram custom bounds must be finite");
        }
    }
    if (histogram->negative.bucket_count || histogram->zero_count != 0) {
        return err_set(err, ERR_INVALID, "custom buckets: must not have negative or zero buckets");
    }
    const HistogramSide *side = &histogram->positive;
    int64_t end = 0;
    for (uint32_t i = 0; i < side->span_count; i++) {
        end += (int64_t)side->spans[i].offset + side->spans[i].length;
    }
    if (end > (int64_t)histogram->custom_count + 1) {
        return err_set(err, ERR_INVALID,
                       "custom buckets: only %u custom bounds defined which is insufficient to "
                       "cover total span length of %lld",
                       histogram->custom_count, (long long)end);
    }
    return true;
}

static double side_sum(const HistogramSide *side) {
    double sum = 0;
    for (uint32_t i = 0; i < side->bucket_count; i++) {
        sum += side->counts[i];
    }
    return sum;
}

/* Only integers add up exactly; observations of NaN are in `count` but in no bucket. */
static bool counts_add_up(const Histogram *histogram, Err *err) {
    double sum =
        side_sum(&histogram->positive) + side_sum(&histogram->negative) + histogram->zero_count;
    bool fits = isnan(histogram->sum) ? sum <= histogram->count : sum == histogram->count;
    if (!fits) {
        return err_set(
            err, ERR_INVALID,
            "%.0f observations found in buckets, but the Count field is %.0f: "
            "histogram's observation count should equal the number of observations found "
            "in the buckets",
            sum, histogram->count);
    }
    return true;
}

bool histogram_valid(const Histogram *histogram, Err *err) {
    bool custom = histogram->schema == HISTOGRAM_SCHEMA_CUSTOM;
    if (!custom &&
        (histogram->schema < HISTOGRAM_SCHEMA_MIN || histogram->schema > HISTOGRAM_SCHEMA_MAX)) {
        return err_set(err, ERR_INVALID, "histogram has unknown schema %d", histogram->schema);
    }
    if (histogram_is_stale(histogram)) {
        return true;
    }
    if (!side_valid(&histogram->positive, custom, "positive", err) ||
        !side_valid(&histogram->negative, custom, "negative", err)) {
        return false;
    }
    if (histogram->zero_count < 0 || histogram->count < 0) {
        return err_set(err, ERR_INVALID, "histogram has a negative observation count");
    }
    if (custom && !custom_valid(histogram, err)) {
        return false;
    }
    return !histogram->is_integer || counts_add_up(histogram, err);
}

static const void *copy_bytes(Arena *arena, const void *bytes, size_t len) {
    return len ? memcpy(arena_raw(arena, len), bytes, len) : NULL;
}

static HistogramSide copy_side(Arena *arena, const HistogramSide *side) {
    HistogramSide copy = *side;
    copy.spans = copy_bytes(arena, side->spans, side->span_count * sizeof *side->spans);
    copy.counts = copy_bytes(arena, side->counts, side->bucket_count * sizeof *side->counts);
    return copy;
}

Histogram *histogram_copy(Arena *arena, const Histogram *histogram) {
    Histogram *copy = arena_new(arena, Histogram);
    *copy = *histogram;
    copy->positive = copy_side(arena, &histogram->positive);
    copy->negative = copy_side(arena, &histogram->negative);
    copy->custom_values = copy_bytes(arena, histogram->custom_values,
                                     histogram->custom_count * sizeof *histogram->custom_values);
    return copy;
}

static bool bytes_eq(const void *a, const void *b, size_t len) {
    return len == 0 || memcmp(a, b, len) == 0;
}

static bool side_eq(const HistogramSide *a, const HistogramSide *b) {
    return a->span_count == b->span_count && a->bucket_count == b->bucket_count &&
           bytes_eq(a->spans, b->spans, a->span_count * sizeof *a->spans) &&
           bytes_eq(a->counts, b->counts, a->bucket_count * sizeof *a->counts);
}

bool histogram_eq(const Histogram *a, const Histogram *b) {
    return a->schema == b->schema && a->is_integer == b->is_integer &&
           value_bits(a->zero_threshold) == value_bits(b->zero_threshold) &&
           value_bits(a->zero_count) == value_bits(b->zero_count) &&
           value_bits(a->count) == value_bits(b->count) &&
           value_bits(a->sum) == value_bits(b->sum) && side_eq(&a->positive, &b->positive) &&
           side_eq(&a->negative, &b->negative) && a->custom_count == b->custom_count &&
           bytes_eq(a->custom_values, b->custom_values, a->custom_count * sizeof *a->custom_values);
}
