#pragma once

/*
 * A native histogram sample, as Prometheus 3 has them: exponential buckets (schema -4..8, bucket i
 * ends at 2^(i * 2^-schema)), or custom ones (schema -53, bounds in `custom_values`). Counts are
 * absolute doubles, also for integer histograms (exact to 2^53); `is_integer` remembers how it
 * came, so that it can be written back the same.
 *
 * Buckets that are there are listed by spans: `offset` buckets are skipped (the first span counts
 * from bucket 0), then `length` follow. A stale marker is a histogram whose sum is the stale NaN.
 *
 * A plain value: arrays belong to the arena or service it came from.
 */

#include "base/arena.h"
#include "base/err.h"
#include "model/sample.h"

enum {
    HISTOGRAM_SCHEMA_MIN = -4,
    HISTOGRAM_SCHEMA_MAX = 8,
    HISTOGRAM_SCHEMA_CUSTOM = -53,
    HISTOGRAM_BUCKETS_MAX = 65536, /* bound for what comes from outside */
};

typedef enum ResetHint { RESET_UNKNOWN, RESET_YES, RESET_NO, RESET_GAUGE } ResetHint;

typedef struct HistogramSpan {
    int32_t offset;
    uint32_t length;
} HistogramSpan;

typedef struct HistogramSide {
    const HistogramSpan *spans;
    const double *counts;
    uint32_t span_count;
    uint32_t bucket_count; /* sum of the spans' lengths */
} HistogramSide;

typedef struct Histogram {
    int32_t schema;
    ResetHint hint;
    bool is_integer;
    double zero_threshold;
    double zero_count;
    double count;
    double sum;
    HistogramSide positive;
    HistogramSide negative;
    const double *custom_values;
    uint32_t custom_count;
} Histogram;

static inline bool histogram_is_stale(const Histogram *histogram) {
    return value_is_stale(histogram->sum);
}

/* Shape as Prometheus checks it on append: spans fit the buckets, no negative offsets but the
 * first, counts not negative, custom bounds sorted, sum of buckets equals count for integer ones...
 */
bool histogram_valid(const Histogram *histogram, Err *err) MUST_CHECK;

Histogram *histogram_copy(Arena *arena, const Histogram *histogram);

/* Bit-exact equality of all fields but the hint. */
bool histogram_eq(const Histogram *a, const Histogram *b);
