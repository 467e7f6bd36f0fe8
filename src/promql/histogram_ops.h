#pragma once

/*
 * Arithmetic of native histograms: sums and differences with Prometheus' reconciliation of what
 * differs between the two (schema, zero bucket, custom bounds), scaling, counter resets.
 *
 * A running sum keeps buckets as lists of (index, count), which merge in one walk; spans come back
 * with the result. With compensation each count has a second part (Neumaier), folded in at the end.
 *
 * Threads: plain data; everything lives in the sum's arena.
 */

#include "promql/annotations.h"
#include "promql/frame.h"

static inline bool histogram_is_custom(const Histogram *histogram) {
    return histogram->schema == HISTOGRAM_SCHEMA_CUSTOM;
}

typedef struct BucketList {
    int32_t *index;
    double *counts;
    double *comps; /* NULL without compensation */
    uint32_t count;
} BucketList;

typedef struct HistogramSum {
    Arena *arena;
    int32_t schema;
    ResetHint hint;
    double zero_threshold, zero_count, count, sum;
    double zero_count_comp, count_comp, sum_comp;
    BucketList positive, negative;
    const double *custom_values;
    uint32_t custom_count;
    bool compensated;
} HistogramSum;

/* What adding met on its way. */
typedef struct HistogramMeet {
    bool reset_collision; /* one says reset, the other says none */
    bool reconciled;      /* custom bounds differed: the common ones were kept */
} HistogramMeet;

void histogram_sum_start(Arena *arena, const Histogram *first, HistogramSum *ret_sum);
/* sum += other, or -= if `negative`. False: exponential and custom buckets do not mix; the sum is
 * as it was. */
bool histogram_sum_add(HistogramSum *sum, const Histogram *other, bool negative,
                       HistogramMeet *ret_meet) MUST_CHECK;
/* The same, with compensation. */
bool histogram_sum_add_exact(HistogramSum *sum, const Histogram *other,
                             HistogramMeet *ret_meet) MUST_CHECK;
/* histogram_sum_add() with what it meets noted, resets aside. */
bool histogram_sum_noted(HistogramSum *sum, const Histogram *other, bool negative, Notes *notes,
                         Str metric, int part) MUST_CHECK;
void histogram_sum_scale(HistogramSum *sum, double factor);
void histogram_sum_divide(HistogramSum *sum, double divisor);
/* Scales or divides the compensations only. */
void histogram_sum_scale_comps(HistogramSum *sum, double factor);
/* Adds the compensations to the counts. */
void histogram_sum_fold(HistogramSum *sum);
/* Any part is infinite. */
bool histogram_sum_overflows(const HistogramSum *sum);
/* Drops empty buckets. */
void histogram_sum_compact(HistogramSum *sum);
HistogramSum histogram_sum_copy(const HistogramSum *sum);
/* Shares the sum's arrays; the sum is not used afterwards. */
Histogram *histogram_sum_result(const HistogramSum *sum);

/* h * factor, h / divisor, without empty buckets. */
Histogram *histogram_scale(Arena *arena, const Histogram *histogram, double factor);
Histogram *histogram_divide(Arena *arena, const Histogram *histogram, double divisor);
Histogram *histogram_compacted(Arena *arena, const Histogram *histogram);
/* At a lower resolution (`schema` at most the histogram's). */
Histogram *histogram_reduced(Arena *arena, const Histogram *histogram, int32_t schema);

/* Whether a counter was reset between `previous` and `histogram`. */
bool histogram_is_reset(Arena *arena, const Histogram *histogram, const Histogram *previous);

/* Equality as `==` has it: same buckets with the same counts to the bit, however spans are cut. */
bool histogram_same(const Histogram *a, const Histogram *b);

/* ---- buckets with their bounds ---- */

typedef struct Bucket {
    double lower, upper, count;
} Bucket;

/* Upper bound of bucket `index`; its lower bound is that of index - 1. */
double histogram_bound(int64_t index, int32_t schema, const double *custom_values,
                       uint32_t custom_count);

/* All buckets from the lowest value to the highest; those beside the zero bucket end where it
 * begins. */
size_t histogram_buckets(Arena *arena, const Histogram *histogram, Bucket **ret_buckets);

/* One side in order of bucket index. */
BucketList bucket_list(Arena *arena, const HistogramSide *side);
HistogramSide bucket_list_side(Arena *arena, const BucketList *list);
Bucket bucket_at(const Histogram *histogram, bool positive, int32_t index, double count);

/* ---- statistics ---- */

double histogram_quantile_native(Arena *arena, double q, const Histogram *histogram, Notes *notes,
                                 Str metric, int part);
double histogram_fraction_native(Arena *arena, double lower, double upper,
                                 const Histogram *histogram, Notes *notes, Str metric, int part);
double histogram_variance(Arena *arena, const Histogram *histogram);

/* Only what was observed below (`upper`) or above `bound`: the operators </ and >/. */
Histogram *histogram_trim(Arena *arena, const Histogram *histogram, double bound, bool upper);
