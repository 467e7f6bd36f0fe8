#pragma once

/*
 * The decimal digits of a double: the fewest that read back to it, and of those the nearest.
 *
 * Found by Schubfach (Giulietti, "The Schubfach way to render doubles", 2020), three
 * multiplications by a power of ten of 128 bits; trying printf with more and more digits finds the
 * same fifty times slower, which was most of the time of a large range query.
 */

#include <stdint.h>

enum { DIGITS_MAX = 17 };

/* The value is 0.d1d2d3... * 10^point; no zero at either end, but zero itself is "0" with point 1.
 */
typedef struct Digits {
    char text[DIGITS_MAX]; /* not terminated */
    int count;
    int point;
} Digits;

/* `value` is finite and not negative. Any thread. */
Digits digits_of(double value);

/* Writes `value` in decimal so that it ends before `end`; returns where it begins, at most 20 bytes
 * earlier. */
char *digits_before(char *end, uint64_t value);
