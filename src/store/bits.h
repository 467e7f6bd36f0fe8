#pragma once

/* Integers as the codec sees them: wrapping subtraction, bit lengths. */

#include <stdint.h>

static inline int64_t wrap_add(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static inline int64_t wrap_sub(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

static inline int64_t wrap_mul(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a * (uint64_t)b);
}

/* Bits needed to write `value`: 0 for 0, 64 for the largest. */
static inline int bit_length(uint64_t value) {
    return value ? 64 - __builtin_clzll(value) : 0;
}

/* Bits of `value` as a LEB128 varint. */
static inline int varint_bits(uint64_t value) {
    int bits = 8;
    for (; value >= 128; value >>= 7) {
        bits += 8;
    }
    return bits;
}
