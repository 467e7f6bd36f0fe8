#pragma once

/* A sample: a time and a value. Values are any IEEE double, kept bit for bit. */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/clock.h"

typedef struct Sample {
    TimeMs time;
    double value;
} Sample;

/* The NaN by which Prometheus marks that a series ended (model/value in prometheus), and its
 * ordinary NaN. */
#define STALE_NAN_BITS UINT64_C(0x7ff0000000000002)
#define NORMAL_NAN_BITS UINT64_C(0x7ff8000000000001)

static inline uint64_t value_bits(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline double value_of_bits(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline bool value_is_stale(double value) {
    return value_bits(value) == STALE_NAN_BITS;
}
