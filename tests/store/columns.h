#pragma once

/* Columns of values for the tests of the codec and of blocks: each kind is one trouble that real
 * series, or an adversary, have in store. */

#include <math.h>
#include <stdint.h>

#include "model/sample.h"

typedef struct Random {
    uint64_t state;
} Random;

/* Marsaglia's xorshift64*, so that a failure can be repeated from its seed. */
static inline uint64_t random_next(Random *random) {
    random->state ^= random->state >> 12;
    random->state ^= random->state << 25;
    random->state ^= random->state >> 27;
    return random->state * UINT64_C(0x2545f4914f6cdd1d);
}

static inline uint64_t random_below(Random *random, uint64_t bound) {
    return random_next(random) % bound;
}

typedef enum ColumnKind {
    COLUMN_CONSTANT,
    COLUMN_COUNTER,   /* whole steps, with resets */
    COLUMN_FLOAT_SUM, /* decimals added up with rounding */
    COLUMN_PAGES,     /* multiples of 4096 */
    COLUMN_DECIMALS,  /* a gauge of few digits */
    COLUMN_STRAIGHT_LINE,
    COLUMN_RANDOM_BITS, /* any pattern, NaN payloads included */
    COLUMN_SPECIALS,    /* NaNs, infinities, -0 among ordinary values */
    COLUMN_SUBNORMALS,
    COLUMN_EXTREMES,      /* 1e+-300, the largest integers, wrapping differences */
    COLUMN_HUGE_INTEGERS, /* beyond 2^53 */
    COLUMN_NOISE,
    COLUMN_KINDS,
} ColumnKind;

static inline double column_special(Random *random) {
    static const uint64_t specials[] = {
        STALE_NAN_BITS,
        NORMAL_NAN_BITS,
        UINT64_C(0x7ff0000000000000),
        UINT64_C(0xfff0000000000000),
        UINT64_C(0x8000000000000000),
        UINT64_C(0xfff8000000abcdef),
        UINT64_C(0x7ff0000000000001),
        0,
    };
    return value_of_bits(specials[random_below(random, sizeof specials / sizeof *specials)]);
}

static inline double column_extreme(Random *random) {
    static const double extremes[] = {
        1e300,
        -1e300,
        1e-300,
        9007199254740993.0,
        9.2e18,
        -9.3e18,
        1.7976931348623157e308,
        0,
        1,
        -1,
        4.9e-324,
        9223372036854775808.0,
        -9223372036854775808.0,
        0.1,
        123456789.123456789,
    };
    return extremes[random_below(random, sizeof extremes / sizeof *extremes)];
}

static inline void column_fill(Random *random, ColumnKind kind, size_t count, uint64_t *bits) {
    double value = (double)random_below(random, 1000000);
    double slope = (double)random_below(random, 100) / 8;
    for (size_t i = 0; i < count; i++) {
        uint64_t pick = random_next(random);
        switch (kind) {
        case COLUMN_CONSTANT:
            break;
        case COLUMN_COUNTER:
            value = pick % 97 == 0 ? 0 : value + (double)(pick % 50);
            break;
        case COLUMN_FLOAT_SUM:
            value += (double)(pick % 1000) / 1000.0;
            break;
        case COLUMN_PAGES:
            value = (double)(1000000 + pick % 64) * 4096;
            break;
        case COLUMN_DECIMALS:
            value = (double)(pick % 100000) / 100 - 300;
            break;
        case COLUMN_STRAIGHT_LINE:
            value += slope;
            break;
        case COLUMN_RANDOM_BITS:
            value = value_of_bits(pick);
            break;
        case COLUMN_SPECIALS:
            value = pick % 5 == 0 ? column_special(random) : (double)(pick % 10);
            break;
        case COLUMN_SUBNORMALS:
            value = value_of_bits(pick & ((UINT64_C(1) << 52) - 1));
            break;
        case COLUMN_EXTREMES:
            value = column_extreme(random);
            break;
        case COLUMN_HUGE_INTEGERS:
            value = (double)(int64_t)pick;
            break;
        default:
            value = (double)(int64_t)pick / 9e18;
        }
        bits[i] = value_bits(value);
    }
}
