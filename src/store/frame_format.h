#pragma once

/* What the two halves of the frame code share: numbers of the format drawn in frame_write.c. */

#include "store/frame.h"

#define FRAME_MAGIC UINT32_C(0x31465242) /* "BRF1" */

enum { SECTION_DIR, SECTION_META, SECTION_LOW, SECTION_WIDE, SECTION_COUNT };

/* Streams up to this width compress further (their residuals repeat); wider ones are mostly noise.
 */
enum { LOW_WIDTH_MAX = 6 };

/* Chunk flags */
enum { CHUNK_HISTOGRAMS = 1, CHUNK_STARTS_VARY = 2, CHUNK_STARTED = 4, CHUNK_FLAGS_ALL = 7 };

/* Lane flags: mode in bits 0..2, order in bits 3..4. */
enum { LANE_PATCHED = 32, LANE_RESIDUALS = 64, LANE_GCD = 128 };

/* ULP byte: order in bits 0..1. */
enum { ULP_RESIDUALS = 8, ULP_BITS_ALL = 11 };

/* Patch codes: what replaces the value. */
enum {
    PATCH_ABSENT,
    PATCH_STALE,
    PATCH_NAN,
    PATCH_POSITIVE_INFINITY,
    PATCH_NEGATIVE_INFINITY,
    PATCH_NEGATIVE_ZERO,
    PATCH_BITS, /* 8 bytes follow */
};
