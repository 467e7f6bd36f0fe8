#include "store/codec.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "model/sample.h"
#include "store/bits.h"
#include "store/decimal.h"

/* How many of the nearest lanes of the same group are tried as reference. */
enum { REFERENCES_TRIED = 8 };

/* Below this cost a column is so small already that looking for a duplicate far away would not pay.
 */
static const double DUPLICATE_COST_MIN = 64;

/* A reference costs its byte besides the rule. */
static const double REFERENCE_BITS = 8;

#define NEGATIVE_ZERO_BITS (UINT64_C(1) << 63)

static bool needs_patch(uint64_t bits) {
    return (bits >> 52 & 0x7ff) == 0x7ff || bits == NEGATIVE_ZERO_BITS;
}

static bool all_equal(const LaneInput *input) {
    if (input->present && memchr(input->present, 0, input->count)) {
        return false;
    }
    for (size_t i = 1; i < input->count; i++) {
        if (input->bits[i] != input->bits[0]) {
            return false;
        }
    }
    return true;
}

static void encode_constant(uint64_t bits, bool integers, Lane *lane) {
    lane->mode = LANE_CONST;
    lane->exponent = -1;
    lane->value = (Prediction){.flat = true, .gcd = 1, .base = (int64_t)bits};
    int exponent;
    int64_t value;
    if (!integers && !needs_patch(bits) && decimal_exact(&bits, 1, &exponent, &value)) {
        lane->exponent = (int8_t)exponent;
        lane->value.base = value;
    }
}

/* Copies the bits with everything special replaced by the value before it (or the first one that is
 * not), and lists what was replaced. */
static void encode_patches(Arena *arena, const LaneInput *input, uint64_t *bits, Lane *lane) {
    size_t count = input->count, first = 0, patched = 0;
    uint8_t special[CHUNK_SAMPLES_MAX];
    for (size_t i = 0; i < count; i++) {
        bool absent = input->present && !input->present[i];
        special[i] = absent ? 2 : needs_patch(input->bits[i]) ? 1 : 0;
        patched += special[i] != 0;
    }
    if (!patched) {
        memcpy(bits, input->bits, count * sizeof *bits);
        return;
    }
    while (first < count && special[first]) {
        first++;
    }
    uint64_t before = first < count ? input->bits[first] : 0;
    LanePatch *patches = arena_array(arena, LanePatch, patched);
    LanePatch *open = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!special[i]) {
            bits[i] = before = input->bits[i];
            open = NULL;
            continue;
        }
        bits[i] = before;
        bool absent = special[i] == 2;
        uint64_t value = absent ? 0 : input->bits[i];
        if (!open || open->absent != absent || open->bits != value) {
            open = &patches[lane->patch_count++];
            *open = (LanePatch){.bits = value, .at = (uint16_t)i, .absent = absent};
        }
        open->count++;
    }
    lane->patches = patches;
}

/* Looks for the exponent at which integers plus ulps cost least, if that is less than raw bits do.
 */
static bool encode_ulp(const uint64_t *bits, size_t count, double *cost, Lane *lane, int64_t *ints,
                       int64_t *ulps) {
    bool found = false;
    for (int exponent = 0; exponent <= DECIMAL_ULP_EXPONENT_MAX; exponent++) {
        int64_t tried_ints[CHUNK_SAMPLES_MAX], tried_ulps[CHUNK_SAMPLES_MAX];
        if (!decimal_nearest(bits, count, exponent, tried_ints, tried_ulps)) {
            continue;
        }
        Prediction value, ulp;
        double bits_needed = predict_best(tried_ints, count, PREDICT_ANY, &value);
        if (bits_needed >= *cost) {
            continue;
        }
        bits_needed += predict_best(tried_ulps, count, PREDICT_NO_GCD, &ulp) + REFERENCE_BITS;
        if (bits_needed >= *cost) {
            continue;
        }
        *cost = bits_needed;
        lane->mode = LANE_ULP;
        lane->exponent = (int8_t)exponent;
        lane->value = value;
        lane->ulp = ulp;
        memcpy(ints, tried_ints, count * sizeof *ints);
        memcpy(ulps, tried_ulps, count * sizeof *ulps);
        found = true;
    }
    return found;
}

/* Chooses how the column becomes integers. */
static double encode_ints(const LaneInput *input, const uint64_t *bits, Lane *lane, int64_t *ints,
                          int64_t *ulps) {
    int exponent;
    if (input->integers) {
        lane->mode = LANE_INT;
        memcpy(ints, bits, input->count * sizeof *ints);
        return predict_best(ints, input->count, PREDICT_ANY, &lane->value);
    }
    if (decimal_exact(bits, input->count, &exponent, ints)) {
        lane->mode = LANE_DECIMAL;
        lane->exponent = (int8_t)exponent;
        return predict_best(ints, input->count, PREDICT_ANY, &lane->value);
    }
    lane->mode = LANE_RAW;
    for (size_t i = 0; i < input->count; i++) {
        ints[i] = ordered_of_bits(bits[i]);
    }
    double cost = predict_best(ints, input->count, PREDICT_ANY, &lane->value);
    encode_ulp(bits, input->count, &cost, lane, ints, ulps);
    return cost;
}

static bool may_refer(const LaneEncoding *encoding, const LaneEncoding *to) {
    const Lane *lane = &encoding->lane, *other = &to->lane;
    return to->ints && to->group == encoding->group && other->count == lane->count &&
           other->exponent == lane->exponent &&
           (lane->mode == LANE_INT) == (other->mode == LANE_INT) && to->depth < LANE_DEPTH_MAX;
}

static uint64_t hash_shape(const int64_t *ints, size_t count) {
    uint64_t hash = UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = 1; i < count; i++) {
        hash = (hash ^ (uint64_t)wrap_sub(ints[i], ints[i - 1])) * UINT64_C(0x100000001b3);
        hash ^= hash >> 29;
    }
    return hash;
}

/* Looks among the earlier lanes for one to predict this one from; returns its integers or NULL. */
static const int64_t *find_reference(LaneEncoding *encoding, const int64_t *ints, double cost,
                                     const LaneEncoding *earlier, size_t earlier_count) {
    Lane *lane = &encoding->lane;
    const LaneEncoding *found = NULL;
    int tried = 0;
    for (size_t back = 1; back <= earlier_count && back <= LANE_REFERENCE_MAX; back++) {
        const LaneEncoding *to = &earlier[earlier_count - back];
        if (lane->value.flat || tried == REFERENCES_TRIED) {
            break;
        }
        if (may_refer(encoding, to)) {
            tried++;
            cost -= REFERENCE_BITS;
            if (predict_try_reference(ints, to->ints, lane->count, (uint8_t)back, &lane->value,
                                      &cost)) {
                found = to;
            }
            cost += REFERENCE_BITS;
        }
    }
    if (!lane->value.flat && cost > DUPLICATE_COST_MIN) {
        for (size_t back = 1; back <= earlier_count && back <= LANE_REFERENCE_MAX; back++) {
            const LaneEncoding *to = &earlier[earlier_count - back];
            if (to->shape_hash == encoding->shape_hash && may_refer(encoding, to) &&
                predict_same_shape(ints, to->ints, lane->count, (uint8_t)back, &lane->value)) {
                found = to;
                break;
            }
        }
    }
    encoding->depth = found ? (uint8_t)(found->depth + 1) : 0;
    return found ? found->ints : NULL;
}

static void keep_residuals(Arena *arena, LaneEncoding *encoding, int which, Prediction *prediction,
                           const int64_t *ints, const int64_t *reference) {
    size_t count = encoding->lane.count;
    uint64_t *residuals = arena_raw(arena, count * sizeof *residuals);
    encoding->residual_count[which] =
        predict_residuals(prediction, ints, reference, count, residuals);
    encoding->residuals[which] = residuals;
}

static bool comes_back(const LaneEncoding *encoding, const LaneInput *input,
                       const int64_t *reference) {
    int64_t ints[CHUNK_SAMPLES_MAX];
    uint64_t bits[CHUNK_SAMPLES_MAX];
    if (lane_has_ints(&encoding->lane)) {
        lane_ints(&encoding->lane, encoding->residuals[0], reference, ints);
    }
    lane_values(&encoding->lane, ints, encoding->residuals[1], bits);
    if (!input->present) {
        return memcmp(bits, input->bits, input->count * sizeof *bits) == 0;
    }
    for (size_t i = 0; i < input->count; i++) {
        if (bits[i] != (input->present[i] ? input->bits[i] : 0)) {
            return false;
        }
    }
    return true;
}

static void encode_raw(Arena *arena, const uint64_t *bits, LaneEncoding *encoding) {
    Lane *lane = &encoding->lane;
    int64_t *ints = arena_raw(arena, lane->count * sizeof *ints);
    for (size_t i = 0; i < lane->count; i++) {
        ints[i] = ordered_of_bits(bits[i]);
    }
    lane->mode = LANE_RAW;
    lane->exponent = 0;
    lane->value = (Prediction){.order = 1, .gcd = 1, .base = ints[0]};
    encoding->ints = NULL;
    encoding->depth = 0;
    encoding->residual_count[1] = 0;
    keep_residuals(arena, encoding, 0, &lane->value, ints, NULL);
}

void lane_encode(Arena *arena, const LaneInput *input, const LaneEncoding *earlier,
                 size_t earlier_count, LaneEncoding *ret_encoding) {
    assert(input->count >= 1 && input->count <= CHUNK_SAMPLES_MAX);
    LaneEncoding *encoding = ret_encoding;
    *encoding = (LaneEncoding){.group = input->group, .lane.count = (uint16_t)input->count};
    Lane *lane = &encoding->lane;
    if (all_equal(input)) {
        encode_constant(input->bits[0], input->integers, lane);
        assert(comes_back(encoding, input, NULL));
        return;
    }
    uint64_t bits[CHUNK_SAMPLES_MAX];
    int64_t ulps[CHUNK_SAMPLES_MAX];
    int64_t *ints = arena_raw(arena, input->count * sizeof *ints);
    if (input->integers) {
        memcpy(bits, input->bits, input->count * sizeof *bits);
    } else {
        encode_patches(arena, input, bits, lane);
    }
    double cost = encode_ints(input, bits, lane, ints, ulps);
    const int64_t *reference = NULL;
    if (lane->mode != LANE_RAW && lane->count > 2) {
        encoding->shape_hash = hash_shape(ints, lane->count);
        reference = find_reference(encoding, ints, cost, earlier, earlier_count);
        encoding->ints = ints;
    }
    keep_residuals(arena, encoding, 0, &lane->value, ints, reference);
    if (lane->mode == LANE_ULP) {
        keep_residuals(arena, encoding, 1, &lane->ulp, ulps, NULL);
    }
    if (!comes_back(encoding, input, reference)) {
        assert(!input->integers);
        encode_raw(arena, bits, encoding);
        assert(comes_back(encoding, input, NULL));
    }
}

void lane_ints(const Lane *lane, const uint64_t *residuals, const int64_t *reference,
               int64_t *ints) {
    predict_restore(&lane->value, residuals, reference, lane->count, ints);
}

static void apply_patches(const Lane *lane, uint64_t *bits) {
    for (size_t i = 0; i < lane->patch_count; i++) {
        const LanePatch *patch = &lane->patches[i];
        for (size_t j = 0; j < patch->count; j++) {
            bits[patch->at + j] = patch->bits;
        }
    }
}

void lane_values(const Lane *lane, const int64_t *ints, const uint64_t *ulp_residuals,
                 uint64_t *bits) {
    int64_t ulps[CHUNK_SAMPLES_MAX];
    switch (lane->mode) {
    case LANE_CONST:
        bits[0] = (uint64_t)lane->value.base;
        if (lane->exponent >= 0) {
            decimal_restore(&lane->value.base, NULL, 1, lane->exponent, bits);
        }
        for (size_t i = 1; i < lane->count; i++) {
            bits[i] = bits[0];
        }
        break;
    case LANE_DECIMAL:
        decimal_restore(ints, NULL, lane->count, lane->exponent, bits);
        break;
    case LANE_ULP:
        predict_restore(&lane->ulp, ulp_residuals, NULL, lane->count, ulps);
        decimal_restore(ints, ulps, lane->count, lane->exponent, bits);
        break;
    case LANE_RAW:
        for (size_t i = 0; i < lane->count; i++) {
            bits[i] = bits_of_ordered(ints[i]);
        }
        break;
    default:
        assert(lane->mode == LANE_INT);
        memcpy(bits, ints, lane->count * sizeof *bits);
    }
    apply_patches(lane, bits);
}
