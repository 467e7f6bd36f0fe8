/*
 * How Schubfach works. A double v = c * 2^q stands for all reals nearer to it than to its
 * neighbours, an interval of width 2^q around v. With k such that 10^k <= 2^q < 10^(k+1), multiples
 * of 10^k are dense enough for at least one to lie inside, and at most one multiple of 10^(k+1)
 * does. So the candidates are the two multiples of 10^(k+1) around v, then the two multiples of
 * 10^k, and nothing else.
 *
 * v and both ends of the interval are divided by 10^k as 64-bit numbers with two fractional bits,
 * the last one sticky ("round to odd"): enough to compare right, as the paper proves, if 10^-k is
 * known to 128 bits, rounded up. Names below are the paper's.
 */

#include "base/digits.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/attr.h"

/* ---- Powers of ten ---- */

enum {
    POWER_MIN = -292, /* for the largest double, POWER_MAX for the smallest */
    POWER_MAX = 324,
    LIMBS = 40 /* 1280 bits: 10^324 has 1077, and 2^1279 / 10^292 still 310 */
};

/* 10^n = (hi * 2^64 + lo) * 2^e with the highest bit of `hi` set; rounded up where that is inexact.
 */
typedef struct Power {
    uint64_t hi, lo;
} Power;

static Power powers[POWER_MAX - POWER_MIN + 1];

/* An integer of LIMBS times 32 bits, lowest first. */
typedef struct Big {
    uint32_t limbs[LIMBS];
} Big;

static void times_10(Big *big) {
    uint64_t carry = 0;
    for (int i = 0; i < LIMBS; i++) {
        carry += (uint64_t)big->limbs[i] * 10;
        big->limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    assert(carry == 0);
}

/* Rounds down; done n times that is the same as dividing by 10^n at once. */
static void divide_by_10(Big *big) {
    uint64_t rest = 0;
    for (int i = LIMBS - 1; i >= 0; i--) {
        rest = rest << 32 | big->limbs[i];
        big->limbs[i] = (uint32_t)(rest / 10);
        rest %= 10;
    }
}

static int highest_bit(const Big *big) {
    int limb = LIMBS - 1;
    while (big->limbs[limb] == 0) {
        limb--;
    }
    return 32 * limb + ilogb(big->limbs[limb]);
}

static uint64_t bit_at(const Big *big, int bit) {
    return bit < 0 ? 0 : big->limbs[bit / 32] >> (bit % 32) & 1;
}

/* The 64 bits from `top` downwards. */
static uint64_t bits_below(const Big *big, int top) {
    uint64_t bits = 0;
    for (int bit = top; bit > top - 64; bit--) {
        bits = bits << 1 | bit_at(big, bit);
    }
    return bits;
}

static bool any_bit_below(const Big *big, int top) {
    for (int bit = top; bit >= 0; bit--) {
        if (bit_at(big, bit)) {
            return true;
        }
    }
    return false;
}

static Power power_of(const Big *big, bool inexact) {
    int top = highest_bit(big);
    Power power = {.hi = bits_below(big, top), .lo = bits_below(big, top - 64)};
    if (inexact || any_bit_below(big, top - 128)) {
        power.lo++;
        power.hi += power.lo == 0;
    }
    return power;
}

/* 617 powers take a fraction of a millisecond once; a table of them would be 600 lines to trust. */
static void fill_powers(void) {
    Big big = {.limbs = {1}};
    for (int n = 0; n <= POWER_MAX; n++) {
        powers[n - POWER_MIN] = power_of(&big, false);
        times_10(&big);
    }
    big = (Big){.limbs = {[LIMBS - 1] = UINT32_C(1) << 31}};
    for (int n = -1; n >= POWER_MIN; n--) {
        divide_by_10(&big);
        powers[n - POWER_MIN] = power_of(&big, true);
    }
}

static Power power_of_10(int n) {
    static pthread_once_t filled = PTHREAD_ONCE_INIT;
    pthread_once(&filled, fill_powers);
    assert(n >= POWER_MIN && n <= POWER_MAX);
    return powers[n - POWER_MIN];
}

/* ---- Shortest decimal ---- */

enum { MANTISSA_BITS = 52, EXPONENT_BIAS = 1075 };

/* floor(log2(10^n)), floor(log10(2^n)) and floor(log10(3/4 * 2^n)), by fractions that hold for all
 * n of a double; shifts of negative numbers round down. */
static int log2_of_power_10(int n) {
    return (n * 1741647) >> 19;
}

static int log10_of_power_2(int n) {
    return (n * 1262611) >> 22;
}

static int log10_of_3_quarters_power_2(int n) {
    return (n * 1262611 - 524031) >> 22;
}

/* The upper 64 bits of g * cp, where what is cut off makes the result odd. */
static uint64_t multiply_to_odd(Power g, uint64_t cp) {
    Uint128 low = (Uint128)g.lo * cp;
    Uint128 high = (Uint128)g.hi * cp + (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

typedef struct Decimal {
    uint64_t digits;
    int exponent; /* of ten */
} Decimal;

/* The two neighbours of v at this precision are `below` and `below + step`; all in quarters. One
 * that alone is inside the interval is the answer. */
typedef struct Inside {
    bool below, above;
} Inside;

static Inside test_neighbours(uint64_t below, uint64_t step, uint64_t lower, uint64_t upper) {
    return (Inside){.below = lower <= below, .above = below + step <= upper};
}

static Decimal shortest(uint64_t fraction, int biased_exponent) {
    uint64_t c = biased_exponent ? fraction | UINT64_C(1) << MANTISSA_BITS : fraction;
    int q = (biased_exponent ? biased_exponent : 1) - EXPONENT_BIAS;

    /* Below a power of two doubles lie twice as dense, so the interval ends sooner there. */
    bool lower_is_closer = fraction == 0 && biased_exponent > 1;
    int k = lower_is_closer ? log10_of_3_quarters_power_2(q) : log10_of_power_2(q);
    int h = q + log2_of_power_10(-k) + 1;
    Power g = power_of_10(-k);

    uint64_t v = multiply_to_odd(g, (4 * c) << h);
    uint64_t lower = multiply_to_odd(g, (4 * c - 2 + lower_is_closer) << h);
    uint64_t upper = multiply_to_odd(g, (4 * c + 2) << h);
    /* Reading rounds halfway cases to even, so the ends belong to the interval of an even c. */
    lower += c % 2;
    upper -= c % 2;

    uint64_t s = v / 4;
    if (s >= 10) {
        Inside shorter = test_neighbours(s / 10 * 40, 40, lower, upper);
        if (shorter.below != shorter.above) {
            return (Decimal){.digits = s / 10 + shorter.above, .exponent = k + 1};
        }
    }
    Inside full = test_neighbours(s * 4, 4, lower, upper);
    if (full.below != full.above) {
        return (Decimal){.digits = s + full.above, .exponent = k};
    }
    uint64_t middle = 4 * s + 2;
    bool round_up = v > middle || (v == middle && s % 2);
    return (Decimal){.digits = s + round_up, .exponent = k};
}

/* Two at a time: dividing takes longer than all else here. */
char *digits_before(char *end, uint64_t value) {
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    for (; value >= 100; value /= 100) {
        end -= 2;
        memcpy(end, pairs + value % 100 * 2, 2);
    }
    if (value < 10) {
        *--end = (char)('0' + value);
        return end;
    }
    end -= 2;
    return memcpy(end, pairs + value * 2, 2);
}

static Digits text_of(Decimal decimal) {
    char text[20] = {0};
    char *end = text + sizeof text;
    const char *start = digits_before(end, decimal.digits);
    int count = (int)(end - start);
    Digits digits = {.point = count + decimal.exponent};
    while (start[count - 1] == '0') {
        count--;
    }
    assert(count <= DIGITS_MAX);
    memcpy(digits.text, start, (size_t)count);
    digits.count = count;
    return digits;
}

Digits digits_of(double value) {
    assert(isfinite(value) && value >= 0);
    if (value == 0) {
        return (Digits){.text = "0", .count = 1, .point = 1};
    }
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint64_t fraction = bits & ((UINT64_C(1) << MANTISSA_BITS) - 1);
    return text_of(shortest(fraction, (int)(bits >> MANTISSA_BITS & 0x7ff)));
}
