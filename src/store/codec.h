#pragma once

/*
 * The codec turns a chunk of one column into a lane: a rule of a few bytes and at most two streams
 * of residuals.
 *
 *     doubles --patch--> finite doubles --decimal--> integers (+ ulps) --predict--> residuals
 * --pack--> bits
 *
 * Every double comes back bit for bit. Patches replace what is not a finite number (stale markers
 * and other NaNs, infinities, -0) or not there at all, so that one stale marker does not spoil a
 * column.
 *
 * A lane may be predicted from an earlier lane of the same frame; whoever decodes it decodes that
 * one first. Chains of references are at most LANE_DEPTH_MAX long.
 *
 * The bytes of lanes and streams are frame.c's business; here they are structures.
 *
 * Threads: plain functions over the caller's memory.
 */

#include "base/arena.h"
#include "store/predict.h"

enum {
    LANE_DEPTH_MAX = 16,
    LANE_REFERENCE_MAX = 255, /* farthest reference, in lanes */
};

typedef enum LaneMode {
    LANE_CONST =
        1, /* all values are the same: base / 10^exponent, or with exponent -1 the bits `base` */
    LANE_DECIMAL, /* integer / 10^exponent */
    LANE_ULP,     /* the same, corrected by some units in the last place */
    LANE_RAW,     /* the doubles' bits as ordered integers */
    LANE_INT,     /* not doubles but integers: times */
} LaneMode;

/* `count` values from `at` on are `bits`, or are absent. */
typedef struct LanePatch {
    uint64_t bits;
    uint16_t at;
    uint16_t count;
    bool absent;
} LanePatch;

typedef struct Lane {
    uint8_t mode; /* LaneMode */
    int8_t exponent;
    uint16_t count;
    uint16_t patch_count;
    const LanePatch *patches; /* in order, not overlapping */
    Prediction value;         /* LANE_CONST: only base */
    Prediction ulp;           /* LANE_ULP; no gcd, no reference */
} Lane;

/* An encoded lane and what later lanes may refer to. All of it is in the encoder's arena. */
typedef struct LaneEncoding {
    Lane lane;
    const uint64_t *residuals[2]; /* of `value` and of `ulp` */
    size_t residual_count[2];
    const int64_t *ints; /* NULL if it cannot be a reference */
    uint64_t shape_hash; /* of the integers' differences: finds duplicate columns */
    uint64_t group;
    uint8_t depth; /* of its chain of references */
} LaneEncoding;

typedef struct LaneInput {
    const uint64_t *bits;   /* of doubles, or integers */
    const uint8_t *present; /* NULL: all are. Bits of absent values are not read */
    size_t count;           /* 1..CHUNK_SAMPLES_MAX */
    uint64_t group; /* lanes of equal group have the same times: references stay within it */
    bool integers;  /* LANE_INT; no patches then */
} LaneInput;

/* Encodes, decodes again and compares; what does not come back (it would be our mistake) is stored
 * raw. `earlier` are the lanes before it in the frame. */
void lane_encode(Arena *arena, const LaneInput *input, const LaneEncoding *earlier,
                 size_t earlier_count, LaneEncoding *ret_encoding);

/* True if the lane has integers: it is no constant, so it can be a reference, and lane_ints()
 * applies. */
static inline bool lane_has_ints(const Lane *lane) {
    return lane->mode != LANE_CONST;
}

/* Restores the integers; `reference` are those of the lane it refers to, NULL if none. */
void lane_ints(const Lane *lane, const uint64_t *residuals, const int64_t *reference,
               int64_t *ints);

/* Turns integers into the doubles' bits (LANE_INT: into integers) and patches them. `ints` is not
 * read for LANE_CONST, `ulp_residuals` only for a LANE_ULP whose ulps are not flat. Absent values
 * read as 0. */
void lane_values(const Lane *lane, const int64_t *ints, const uint64_t *ulp_residuals,
                 uint64_t *bits);
