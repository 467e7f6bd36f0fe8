#include "store/decimal.h"

#include <math.h>

#include "model/sample.h"
#include "store/bits.h"

static const double powers[DECIMAL_ULP_EXPONENT_MAX + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,
    1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
};

/* Doubles below this are exact integers, so d is never rounded itself. */
static const double EXACT_INT_MAX = 9007199254740991.0;

/* int64_t holds everything below 9.22e18. */
static const double INT64_SAFE = 9.2e18;

/* Adding and subtracting this rounds a double below 2^51 to the nearest integer, without a call to
 * rint(). */
static const double ROUNDER = 6755399441055744.0; /* 1.5 * 2^52 */
static const double ROUNDER_MAX = 2251799813685248.0;

static inline bool exact_at(double value, int exponent, int64_t *ret_int) {
    if (exponent == 0) {
        if (!(fabs(value) < INT64_SAFE)) {
            return false;
        }
        *ret_int = (int64_t)value;
        return (double)*ret_int == value;
    }
    double scaled = value * powers[exponent];
    if (!(fabs(scaled) < EXACT_INT_MAX)) {
        return false;
    }
    double rounded = fabs(scaled) < ROUNDER_MAX ? scaled + ROUNDER - ROUNDER : rint(scaled);
    *ret_int = (int64_t)rounded;
    /* Only the division that the decoder does proves it; the product above may have been rounded.
     */
    return rounded / powers[exponent] == value;
}

bool decimal_exact(const uint64_t *bits, size_t count, int *ret_exponent, int64_t *ret_ints) {
    int exponent = 0;
    for (size_t i = 0; i < count; i++) {
        while (!exact_at(value_of_bits(bits[i]), exponent, &ret_ints[i])) {
            if (++exponent > DECIMAL_EXPONENT_MAX) {
                return false;
            }
        }
    }
    /* What was exact at a smaller exponent need not be at the larger one. */
    for (size_t i = 0; i < count; i++) {
        if (!exact_at(value_of_bits(bits[i]), exponent, &ret_ints[i])) {
            return false;
        }
    }
    *ret_exponent = exponent;
    return true;
}

bool decimal_nearest(const uint64_t *bits, size_t count, int exponent, int64_t *ret_ints,
                     int64_t *ret_ulps) {
    double power = powers[exponent];
    for (size_t i = 0; i < count; i++) {
        double value = value_of_bits(bits[i]);
        if (!(fabs(value) * power < INT64_SAFE / 2)) {
            return false;
        }
        /* A product of two doubles has up to 106 bits; the wider type keeps 64 of them. Where it
         * has no more than a double, the integer may be one off and the ulp column makes up for it.
         */
        ret_ints[i] = (int64_t)rintl((long double)value * (long double)power);
        if (ret_ints[i] == 0 && bits[i] != 0) {
            return false; /* the sign and magnitude would have to come from the ulps alone */
        }
        uint64_t nearest = value_bits((double)ret_ints[i] / power);
        ret_ulps[i] = wrap_sub(ordered_of_bits(bits[i]), ordered_of_bits(nearest));
    }
    return true;
}

/*
 * (double)x, correctly rounded, in operations that every vector unit has. The high half, with its
 * sign bit flipped, becomes the low mantissa bits of a double of 2^84, the low half those of one of
 * 2^52; taking the offsets off is exact, and the sum of the two rounds once, as the conversion
 * does. (What compilers emit for unsigned integers, for signed ones.)
 */
static inline double double_of_int(int64_t x) {
    uint64_t high = ((uint64_t)x >> 32) ^ UINT64_C(0x4530000080000000);
    uint64_t low = ((uint64_t)x & UINT32_MAX) | UINT64_C(0x4330000000000000);
    static const double offsets = 0x1p84 + 0x1p63 + 0x1p52;
    return value_of_bits(high) - offsets + value_of_bits(low);
}

void decimal_restore(const int64_t *restrict ints, const int64_t *restrict ulps, size_t count,
                     int exponent, uint64_t *restrict bits) {
    double power = powers[exponent];
    if (exponent == 0) {
        for (size_t i = 0; i < count; i++) {
            bits[i] = value_bits(double_of_int(ints[i]));
        }
    } else {
        for (size_t i = 0; i < count; i++) {
            bits[i] = value_bits(double_of_int(ints[i]) / power);
        }
    }
    for (size_t i = 0; ulps && i < count; i++) {
        bits[i] = bits_of_ordered(wrap_add(ordered_of_bits(bits[i]), ulps[i]));
    }
}
