/*
 * The operators </ and >/: a histogram without what was observed above, or below, a bound.
 *
 * A bucket the bound lies in keeps the part below (above) it, by the interpolation quantiles use.
 * The sum is estimated anew from the middles of what is left. Buckets without end keep all or
 * nothing, as nothing is known of how they are filled.
 */

#include <math.h>

#include "promql/histogram_ops.h"

typedef struct Trim {
    double bound;
    bool upper; /* keeps what is below */
    bool custom;
    double count, sum; /* of what is left */
    bool changed;
} Trim;

/* Where the observations between two values are taken to lie. */
static double middle(double lower, double upper, bool positive, bool linear) {
    if (isinf(lower)) {
        if (isinf(upper)) {
            return 0;
        }
        return upper > 0 ? upper / 2 : upper;
    }
    if (isinf(upper)) {
        return lower;
    }
    if (linear) {
        return (lower + upper) / 2;
    }
    double geometric = sqrt(fabs(lower * upper));
    return positive ? geometric : -geometric;
}

static double finite_or_zero(double value) {
    return isinf(value) ? 0 : value;
}

typedef struct Kept {
    double count, middle;
} Kept;

/* The lowest bucket of custom bounds has no beginning; where it ends above zero, it is taken to
 * begin there. */
static Kept trim_lowest(const Trim *trim, Bucket bucket) {
    double bound = trim->bound;
    if (trim->upper) {
        if (bound >= bucket.upper) {
            return (Kept){bucket.count, 0};
        }
        if (bound > 0 && bucket.upper > 0 && !isinf(bucket.upper)) {
            return (Kept){bucket.count * bound / bucket.upper, bound / 2};
        }
        if (bucket.upper <= 0) {
            return (Kept){bucket.count, bound};
        }
        return (Kept){0, finite_or_zero(bucket.upper)};
    }
    if (bound <= bucket.lower) {
        return (Kept){bucket.count, 0};
    }
    if (bound >= 0 && bucket.upper > bound && !isinf(bucket.upper)) {
        return (Kept){bucket.count * (1 - bound / bucket.upper), (bound + bucket.upper) / 2};
    }
    return (Kept){0, finite_or_zero(bucket.upper)};
}

static Kept trim_highest(const Trim *trim, Bucket bucket) {
    if (!trim->upper && trim->bound >= bucket.lower) {
        return (Kept){bucket.count, trim->bound};
    }
    return (Kept){0, finite_or_zero(bucket.lower)};
}

static double log_fraction(Bucket bucket, double value) {
    double lower = log2(fabs(bucket.lower)), upper = log2(fabs(bucket.upper));
    double at = log2(fabs(value));
    return value > 0 ? (at - lower) / (upper - lower) : 1 - (at - upper) / (lower - upper);
}

static double count_below(const Trim *trim, Bucket bucket) {
    if (trim->bound <= bucket.lower) {
        return 0;
    }
    if (trim->bound >= bucket.upper) {
        return bucket.count;
    }
    double fraction = trim->custom ? (trim->bound - bucket.lower) / (bucket.upper - bucket.lower)
                                   : log_fraction(bucket, trim->bound);
    return bucket.count * fraction;
}

static Kept trim_across(const Trim *trim, Bucket bucket, bool positive) {
    if (bucket.lower == -INFINITY) {
        return trim_lowest(trim, bucket);
    }
    if (bucket.upper == INFINITY) {
        return trim_highest(trim, bucket);
    }
    double below = count_below(trim, bucket);
    if (trim->upper) {
        return (Kept){below, middle(bucket.lower, trim->bound, positive, trim->custom)};
    }
    return (Kept){bucket.count - below, middle(trim->bound, bucket.upper, positive, trim->custom)};
}

static Kept trim_bucket(const Trim *trim, Bucket bucket, bool positive) {
    bool inside = trim->upper ? bucket.upper <= trim->bound : bucket.lower >= trim->bound;
    bool across = trim->upper ? bucket.lower < trim->bound : bucket.upper > trim->bound;
    if (inside) {
        return (Kept){bucket.count, middle(bucket.lower, bucket.upper, positive, trim->custom)};
    }
    return across ? trim_across(trim, bucket, positive) : (Kept){0, 0};
}

static bool trim_side(Trim *trim, const Histogram *histogram, BucketList *list, bool positive) {
    bool any = false;
    for (uint32_t i = 0; i < list->count; i++) {
        Bucket bucket = bucket_at(histogram, positive, list->index[i], list->counts[i]);
        if (bucket.count == 0) {
            continue;
        }
        any = true;
        Kept kept = trim_bucket(trim, bucket, positive);
        trim->changed |= kept.count != bucket.count;
        list->counts[i] = kept.count;
        trim->count += kept.count;
        trim->sum += kept.count == 0 ? 0 : kept.middle * kept.count;
    }
    return any;
}

static Kept trim_zero(const Trim *trim, double lower, double upper, double count) {
    double bound = trim->bound;
    if (trim->upper ? bound <= lower : bound >= upper) {
        return (Kept){0, 0};
    }
    if (trim->upper ? bound >= upper : bound <= lower) {
        return (Kept){count, (lower + upper) / 2};
    }
    if (trim->upper) {
        return (Kept){count * ((bound - lower) / (upper - lower)), (lower + bound) / 2};
    }
    return (Kept){count * ((upper - bound) / (upper - lower)), (bound + upper) / 2};
}

Histogram *histogram_trim(Arena *arena, const Histogram *histogram, double bound, bool upper) {
    Trim trim = {.bound = bound, .upper = upper, .custom = histogram_is_custom(histogram)};
    HistogramSum sum;
    histogram_sum_start(arena, histogram, &sum);
    bool positive = trim_side(&trim, histogram, &sum.positive, true);
    bool negative = trim_side(&trim, histogram, &sum.negative, false);
    if (sum.zero_count > 0) {
        double low = positive && !negative ? 0 : -sum.zero_threshold;
        double high = negative && !positive ? 0 : sum.zero_threshold;
        Kept kept = trim_zero(&trim, low, high, sum.zero_count);
        trim.changed |= kept.count != sum.zero_count;
        sum.zero_count = kept.count;
        trim.sum += kept.middle * kept.count;
        trim.count += kept.count;
    }
    if (trim.changed) {
        sum.count = trim.count;
        sum.sum = trim.sum;
        histogram_sum_compact(&sum);
    }
    return histogram_sum_result(&sum);
}
