/*
 * Choosing is done by estimate: the entropy of the residuals' bit lengths plus the bits below the
 * leading one, as an entropy coder would need. It picks better than the cost of the bit packing
 * that follows, since the packed bytes are compressed once more.
 */

#include "store/predict.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "base/buf.h"
#include "store/bits.h"

/* Differences beyond this might overflow when divided and multiplied back: such columns get no gcd.
 */
static const uint64_t SAFE_SPAN = UINT64_C(1) << 62;

enum { MEDIAN_PROBES = 63 };

/* What one candidate costs, filled value by value. */
typedef struct Tally {
    uint32_t lengths[65];
    uint32_t bits;
} Tally;

static inline void tally_add(Tally *tally, uint64_t residual) {
    int length = bit_length(residual);
    tally->lengths[length]++;
    tally->bits += length > 1 ? (uint32_t)length - 1 : 0;
}

/* n log2(n) for the numbers a chunk can have; log2() itself was a tenth of encoding short chunks.
 */
static double entropies[CHUNK_SAMPLES_MAX + 1];
static pthread_once_t entropies_once = PTHREAD_ONCE_INIT;

static void fill_entropies(void) {
    for (int n = 1; n <= CHUNK_SAMPLES_MAX; n++) {
        entropies[n] = n * log2(n);
    }
}

static double tally_bits(const Tally *tally, size_t count) {
    pthread_once(&entropies_once, fill_entropies);
    double bits = tally->bits + entropies[count];
    size_t left = count;
    for (int length = 0; left; length++) {
        bits -= entropies[tally->lengths[length]];
        left -= tally->lengths[length];
    }
    return bits;
}

static bool tally_flat(const Tally *tally, size_t count) {
    return tally->lengths[0] == count;
}

static double rule_bits(const Prediction *p) {
    int bits = varint_bits(zigzag(p->centre)) + varint_bits(p->gcd);
    if (p->reference) {
        bits += p->order == 0 ? 0 : varint_bits(zigzag(p->base));
    } else {
        bits += varint_bits(zigzag(p->base));
    }
    return bits;
}

/* The k-th smallest; reorders `values` (Hoare's selection). */
static int64_t select_nth(int64_t *values, ptrdiff_t count, ptrdiff_t k) {
    ptrdiff_t low = 0, high = count - 1;
    while (low < high) {
        int64_t pivot = values[low + (high - low) / 2];
        ptrdiff_t i = low, j = high;
        while (i <= j) {
            while (values[i] < pivot) {
                i++;
            }
            while (values[j] > pivot) {
                j--;
            }
            if (i <= j) {
                int64_t swap = values[i];
                values[i++] = values[j];
                values[j--] = swap;
            }
        }
        if (k <= j) {
            high = j;
        } else if (k >= i) {
            low = i;
        } else {
            return values[k];
        }
    }
    return values[k];
}

/* The median, or of many values that of some: a centre that is a little off costs next to nothing,
 * and finding the exact one was a quarter of all encoding. */
static int64_t median(const int64_t *values, size_t count) {
    int64_t some[MEDIAN_PROBES];
    size_t probes = count < MEDIAN_PROBES ? count : MEDIAN_PROBES;
    for (size_t i = 0; i < probes; i++) {
        some[i] = values[i * count / probes];
    }
    return select_nth(some, (ptrdiff_t)probes, (ptrdiff_t)probes / 2);
}

static uint64_t gcd_of(uint64_t a, uint64_t b) {
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The greatest common divisor of all differences; 1 where the span is too large to divide safely.
 */
static uint64_t common_divisor(const int64_t *values, size_t count) {
    int64_t min = values[0], max = values[0];
    for (size_t i = 1; i < count; i++) {
        min = values[i] < min ? values[i] : min;
        max = values[i] > max ? values[i] : max;
    }
    if ((uint64_t)max - (uint64_t)min >= SAFE_SPAN) {
        return 1;
    }
    uint64_t gcd = 0;
    for (size_t i = 1; i < count && gcd != 1; i++) {
        int64_t diff = values[i] - values[i - 1];
        if (diff) {
            gcd = gcd_of(gcd, diff < 0 ? 0 - (uint64_t)diff : (uint64_t)diff);
        }
    }
    return gcd ? gcd : 1;
}

/* Inverse of an odd number modulo 2^64, by Newton's iteration: each step doubles the right bits. */
static uint64_t odd_inverse(uint64_t odd) {
    uint64_t inverse = odd;
    for (int i = 0; i < 5; i++) {
        inverse *= 2 - odd * inverse;
    }
    return inverse;
}

/* (value - base) / gcd, exact, without dividing. */
static void to_steps(const int64_t *values, size_t count, int64_t base, uint64_t gcd,
                     int64_t *steps) {
    if (gcd == 1) {
        for (size_t i = 0; i < count; i++) {
            steps[i] = wrap_sub(values[i], base);
        }
        return;
    }
    int shift = __builtin_ctzll(gcd);
    int64_t inverse = (int64_t)odd_inverse(gcd >> shift);
    for (size_t i = 0; i < count; i++) {
        steps[i] = wrap_mul(wrap_sub(values[i], base) >> shift, inverse);
    }
}

static Tally tally_constant(const int64_t *values, size_t count, int64_t centre) {
    Tally tally = {0};
    for (size_t i = 0; i < count; i++) {
        tally_add(&tally, zigzag(wrap_sub(values[i], centre)));
    }
    return tally;
}

/* Keeps `candidate` if the tally of its residuals makes it cheaper. */
static void offer(const Tally *tally, size_t count, Prediction candidate, Prediction *best,
                  double *best_cost) {
    candidate.flat = tally_flat(tally, count);
    double cost = tally_bits(tally, count) + rule_bits(&candidate);
    if (cost < *best_cost) {
        *best = candidate;
        *best_cost = cost;
    }
}

double predict_best(const int64_t *values, size_t count, PredictLimits limits,
                    Prediction *ret_prediction) {
    assert(count >= 1 && count <= CHUNK_SAMPLES_MAX);
    Prediction best = {.order = 1, .gcd = 1, .base = values[0], .flat = true};
    if (count == 1) {
        *ret_prediction = best;
        return rule_bits(&best);
    }
    uint64_t gcd = limits == PREDICT_NO_GCD ? 1 : common_divisor(values, count);
    int64_t steps[CHUNK_SAMPLES_MAX], diffs[CHUNK_SAMPLES_MAX];
    to_steps(values, count, values[0], gcd, steps);
    for (size_t i = 1; i < count; i++) {
        diffs[i - 1] = wrap_sub(steps[i], steps[i - 1]);
    }
    double cost = INFINITY;
    Prediction candidate = {.order = 1, .gcd = gcd, .base = values[0]};
    Tally tally = tally_constant(diffs, count - 1, 0);
    offer(&tally, count - 1, candidate, &best, &cost);

    candidate.centre = median(diffs, count - 1);
    if (candidate.centre && !best.flat) {
        tally = tally_constant(diffs, count - 1, candidate.centre);
        offer(&tally, count - 1, candidate, &best, &cost);
    }
    if (count > 2 && !best.flat) {
        candidate.order = 2;
        candidate.centre = steps[1];
        tally = (Tally){0};
        for (size_t i = 1; i < count - 1; i++) {
            tally_add(&tally, zigzag(wrap_sub(diffs[i], diffs[i - 1])));
        }
        offer(&tally, count - 2, candidate, &best, &cost);
    }
    if (!best.flat) {
        candidate.order = 0;
        candidate.centre = median(steps, count);
        tally = tally_constant(steps, count, candidate.centre);
        offer(&tally, count, candidate, &best, &cost);
    }
    *ret_prediction = best;
    return cost;
}

bool predict_try_reference(const int64_t *values, const int64_t *reference, size_t count,
                           uint8_t distance, Prediction *prediction, double *cost) {
    assert(count > 2 && count <= CHUNK_SAMPLES_MAX && distance);
    int64_t apart[CHUNK_SAMPLES_MAX], diffs[CHUNK_SAMPLES_MAX];
    for (size_t i = 0; i < count; i++) {
        apart[i] = wrap_sub(values[i], reference[i]);
    }
    for (size_t i = 1; i < count; i++) {
        diffs[i - 1] = wrap_sub(apart[i], apart[i - 1]);
    }
    double before = *cost;
    Prediction candidate = {.order = 0, .reference = distance, .gcd = 1, .base = values[0]};
    candidate.centre = median(apart, count);
    Tally tally = tally_constant(apart, count, candidate.centre);
    offer(&tally, count, candidate, prediction, cost);

    candidate.order = 1;
    candidate.centre = 0;
    tally = tally_constant(diffs, count - 1, 0);
    offer(&tally, count - 1, candidate, prediction, cost);
    candidate.centre = median(diffs, count - 1);
    if (candidate.centre) {
        tally = tally_constant(diffs, count - 1, candidate.centre);
        offer(&tally, count - 1, candidate, prediction, cost);
    }
    return *cost < before;
}

bool predict_same_shape(const int64_t *values, const int64_t *reference, size_t count,
                        uint8_t distance, Prediction *ret_prediction) {
    int64_t apart = wrap_sub(values[0], reference[0]);
    for (size_t i = 1; i < count; i++) {
        if (wrap_sub(values[i], reference[i]) != apart) {
            return false;
        }
    }
    *ret_prediction =
        (Prediction){.order = 1, .reference = distance, .flat = true, .gcd = 1, .base = values[0]};
    return true;
}

static size_t residuals_of(const Prediction *p, const int64_t *column, size_t count,
                           uint64_t *residuals) {
    size_t kept = 0;
    switch (p->order) {
    case 0:
        for (size_t i = 0; i < count; i++) {
            residuals[kept++] = zigzag(wrap_sub(column[i], p->centre));
        }
        break;
    case 1:
        for (size_t i = 1; i < count; i++) {
            residuals[kept++] = zigzag(wrap_sub(wrap_sub(column[i], column[i - 1]), p->centre));
        }
        break;
    default:
        for (size_t i = 2; i < count; i++) {
            residuals[kept++] = zigzag(wrap_sub(wrap_sub(column[i], column[i - 1]),
                                                wrap_sub(column[i - 1], column[i - 2])));
        }
    }
    return kept;
}

size_t predict_residuals(Prediction *prediction, const int64_t *values, const int64_t *reference,
                         size_t count, uint64_t *residuals) {
    int64_t column[CHUNK_SAMPLES_MAX];
    if (prediction->reference) {
        for (size_t i = 0; i < count; i++) {
            column[i] = wrap_sub(values[i], reference[i]);
        }
    } else {
        to_steps(values, count, prediction->base, prediction->gcd, column);
    }
    size_t kept = residuals_of(prediction, column, count, residuals);
    uint64_t any = 0;
    for (size_t i = 0; i < kept; i++) {
        any |= residuals[i];
    }
    prediction->flat = any == 0;
    return prediction->flat ? 0 : kept;
}

/* A flat column is a straight line: from + i * slope. */
static void put_line(int64_t from, int64_t slope, size_t count, int64_t *restrict values) {
    for (size_t i = 0; i < count; i++) {
        values[i] = wrap_add(from, wrap_mul((int64_t)i, slope));
    }
}

static void restore_flat(const Prediction *p, const int64_t *reference, size_t count,
                         int64_t *restrict values) {
    if (!p->reference) {
        int64_t slope = wrap_mul((int64_t)p->gcd, p->centre);
        bool level = p->order == 0;
        put_line(level ? wrap_add(p->base, slope) : p->base, level ? 0 : slope, count, values);
        return;
    }
    if (p->order == 0) {
        put_line(p->centre, 0, count, values);
    } else {
        put_line(wrap_sub(p->base, reference[0]), p->centre, count, values);
    }
    for (size_t i = 0; i < count; i++) {
        values[i] = wrap_add(values[i], reference[i]);
    }
}

/* The steps the residuals stand for. This loop and the next are apart because the compiler makes
 * vectors of this one. */
static void unfold(const uint64_t *restrict residuals, size_t count, int64_t gcd, int64_t centre,
                   int64_t *restrict steps) {
    if (gcd == 1) {
        for (size_t i = 0; i < count; i++) {
            steps[i] = wrap_add(unzigzag(residuals[i]), centre);
        }
        return;
    }
    for (size_t i = 0; i < count; i++) {
        steps[i] = wrap_mul(wrap_add(unzigzag(residuals[i]), centre), gcd);
    }
}

/* Each value becomes the sum of those up to it. */
static void sum_up(int64_t *restrict values, size_t count) {
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (uint64_t)values[i];
        values[i] = (int64_t)sum;
    }
}

static void add_to_each(int64_t *restrict values, const int64_t *restrict more, size_t count) {
    for (size_t i = 0; i < count; i++) {
        values[i] = wrap_add(values[i], more[i]);
    }
}

void predict_restore(const Prediction *p, const uint64_t *residuals, const int64_t *reference,
                     size_t count, int64_t *values) {
    assert(count <= CHUNK_SAMPLES_MAX);
    if (p->flat) {
        restore_flat(p, reference, count, values);
        return;
    }
    int64_t gcd = (int64_t)p->gcd;
    size_t order = p->order;
    unfold(residuals, count - order, gcd, order == 2 ? 0 : p->centre, values + order);
    if (order == 0) {
        for (size_t i = 0; !p->reference && i < count; i++) {
            values[i] = wrap_add(values[i], p->base);
        }
    } else {
        values[0] = p->reference ? wrap_sub(p->base, reference[0]) : p->base;
        if (order == 2) {
            values[1] = wrap_mul(gcd, p->centre);
            sum_up(values + 1, count - 1);
        }
        sum_up(values, count);
    }
    if (p->reference) {
        add_to_each(values, reference, count);
    }
}
