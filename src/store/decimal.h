#pragma once

/*
 * Doubles as decimal integers.
 *
 * Nearly every value a monitoring system sends was a decimal number of few digits before it became
 * a double: 0.25, 1432.7, 1e9. Such a column is stored as integers d with value == d / 10^exponent,
 * which is exact because IEEE division rounds correctly. A sum of such numbers (`..._seconds_sum`)
 * is a decimal plus an accumulated rounding error of a few units in the last place; that error
 * walks slowly and is stored as a second column of integers:
 *
 *     value == the double `ulp` steps above d / 10^exponent
 *
 * What the decoder does is one int64-to-double conversion, one division and integer arithmetic, so
 * that every CPU restores the same bits. (Exact decimals: Afroozeh, Kuffo, Boncz, "ALP", SIGMOD
 * 2023.)
 *
 * Threads: plain functions over the caller's arrays.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DECIMAL_EXPONENT_MAX =
        15, /* of exact columns: beyond, integers would pass 2^53 for values over 9 */
    DECIMAL_ULP_EXPONENT_MAX = 18,
};

/* The integers nearest in meaning to the bits of doubles: ordered as the doubles are, neighbours 1
 * apart. Maps every pattern but -0 (which the codec patches) one to one. */
static inline int64_t ordered_of_bits(uint64_t bits) {
    return bits >> 63 ? -(int64_t)(bits & INT64_MAX) : (int64_t)bits;
}

static inline uint64_t bits_of_ordered(int64_t ordered) {
    return ordered < 0 ? (0 - (uint64_t)ordered) | UINT64_C(1) << 63 : (uint64_t)ordered;
}

/* Finds the smallest exponent at which all of `bits` (finite, no -0) are exact, and their integers.
 * False if there is none. */
bool decimal_exact(const uint64_t *bits, size_t count, int *ret_exponent, int64_t *ret_ints);

/* The nearest integers at one exponent and what is left in units in the last place. False if the
 * exponent does not fit the column's magnitude. */
bool decimal_nearest(const uint64_t *bits, size_t count, int exponent, int64_t *ret_ints,
                     int64_t *ret_ulps);

/* The way back. `ulps` may be NULL: all zero. */
void decimal_restore(const int64_t *ints, const int64_t *ulps, size_t count, int exponent,
                     uint64_t *bits);
