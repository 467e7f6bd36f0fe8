#pragma once

/*
 * Bit packing: `count` residuals of `width` bits each, the least significant bit first, padded to a
 * byte.
 *
 * The width is chosen so that few residuals do not fit (patched frame of reference: Zukowski et
 * al., "Super-Scalar RAM-CPU Cache Compression", ICDE 2006). Of those the low bits are packed with
 * the others, and the caller stores where they are and their high bits.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum {
    PACK_WIDTH_MAX = 56, /* so that one unaligned 8-byte load holds any residual; beyond it is 64 */
    PACK_SLACK = 8,      /* bytes that must be readable after packed bytes */
};

static inline size_t pack_bytes(size_t count, int width) {
    return (count * (size_t)width + 7) / 8;
}

static inline bool pack_width_valid(int width) {
    return (width >= 0 && width <= PACK_WIDTH_MAX) || width == 64;
}

/* The cheapest width, counting about two bytes for each exception. */
int pack_width(const uint64_t *residuals, size_t count);

void pack_write(Buf *buf, const uint64_t *residuals, size_t count, int width);

/* Reads pack_bytes(count, width) bytes and may touch PACK_SLACK more. */
void pack_read(const uint8_t *packed, size_t count, int width, uint64_t *residuals);
