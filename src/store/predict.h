#pragma once

/*
 * Prediction: a column of integers becomes a rule and small residuals.
 *
 * Most columns of a monitoring system move little or move steadily, in multiples of something
 * (pages of 4096 bytes, hundredths of a second), or move as their neighbour does (a histogram
 * bucket and the next one). A prediction names what to subtract so that what is left needs few
 * bits:
 *
 *     step[i] = (value[i] - value[0]) / gcd        exact; the gcd is 1 where differences may
 * overflow order 0   residual[i] = step[i] - centre                          for i >= 0 order 1
 * residual[i] = step[i] - step[i-1] - centre              for i >= 1 order 2   residual[i] =
 * step[i] - 2 step[i-1] + step[i-2]         for i >= 2, step[1] = centre
 *
 * or, against a reference column of the same length (no gcd):
 *
 *     order 0   residual[i] = value[i] - reference[i] - centre          for i >= 0
 *     order 1   residual[i] = (value - reference)[i] - (value - reference)[i-1] - centre     for i
 * >= 1
 *
 * Residuals are zigzag coded. All arithmetic wraps around at 64 bits, so every column can be
 * restored, whatever it holds. If every residual is zero none is kept (`flat`): the rule says it
 * all.
 *
 * Threads: plain functions over the caller's arrays.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest column; one chunk of one series. Longer chunks gain nothing measurable: one rule has to
 * fit all of it. */
enum { CHUNK_SAMPLES_MAX = 512 };

typedef struct Prediction {
    uint8_t order;     /* 0, 1 or 2; 0 or 1 with a reference */
    uint8_t reference; /* how many lanes back the reference stands; 0 = none */
    bool flat;         /* no residuals */
    uint64_t gcd;      /* at least 1; 1 with a reference */
    int64_t base;      /* value[0]; unused by order 0 with a reference */
    int64_t centre;
} Prediction;

/* What the encoder is allowed to try. */
typedef enum PredictLimits {
    PREDICT_ANY,
    PREDICT_NO_GCD, /* the format has no place for a gcd here */
} PredictLimits;

/* Number of residuals of `count` values: none if flat. */
static inline size_t prediction_residual_count(const Prediction *prediction, size_t count) {
    return prediction->flat ? 0 : count - prediction->order;
}

/* Finds the cheapest prediction without a reference for 1 <= count <= CHUNK_SAMPLES_MAX values.
 * Returns its estimated cost in bits: the entropy of the residuals' lengths, their bits, and the
 * rule itself. */
double predict_best(const int64_t *values, size_t count, PredictLimits limits,
                    Prediction *ret_prediction);

/* Tries a reference `distance` lanes back; replaces `*prediction` and lowers `*cost` if that is
 * cheaper. count > 2. */
bool predict_try_reference(const int64_t *values, const int64_t *reference, size_t count,
                           uint8_t distance, Prediction *prediction, double *cost);

/* True if the column is the reference plus a constant: the cheapest prediction there is. Fills the
 * rule. */
bool predict_same_shape(const int64_t *values, const int64_t *reference, size_t count,
                        uint8_t distance, Prediction *ret_prediction);

/* Writes the residuals; sets `flat` where all are zero. Returns how many are to be kept. */
size_t predict_residuals(Prediction *prediction, const int64_t *values, const int64_t *reference,
                         size_t count, uint64_t *residuals);

/* The way back. `residuals` is not read if flat, `reference` not without one; for a prediction read
 * from outside, `order` must be valid and less than `count` unless flat. The arrays do not overlap.
 */
void predict_restore(const Prediction *prediction, const uint64_t *residuals,
                     const int64_t *reference, size_t count, int64_t *values);
