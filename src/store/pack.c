#include "store/pack.h"

#include <assert.h>
#include <string.h>

#include "store/bits.h"

int pack_width(const uint64_t *residuals, size_t count) {
    uint32_t lengths[65] = {0};
    int longest = 0;
    for (size_t i = 0; i < count; i++) {
        int length = bit_length(residuals[i]);
        lengths[length]++;
        longest = length > longest ? length : longest;
    }
    size_t best_bits = SIZE_MAX;
    int best = longest;
    for (int width = longest; width >= 0; width--) {
        size_t bits = (size_t)width * count;
        for (int length = width + 1; length <= longest; length++) {
            bits += lengths[length] * (size_t)(8 + 8 * ((length - width + 6) / 7));
        }
        if (bits < best_bits) {
            best_bits = bits;
            best = width;
        }
    }
    return best > PACK_WIDTH_MAX ? 64 : best;
}

void pack_write(Buf *buf, const uint64_t *residuals, size_t count, int width) {
    assert(pack_width_valid(width));
    size_t bytes = pack_bytes(count, width);
    buf_reserve(buf, bytes + PACK_SLACK);
    uint8_t *out = (uint8_t *)buf->ptr + buf->len;
    memset(out, 0, bytes + PACK_SLACK);
    buf->len += bytes;
    if (width == 64) {
        memcpy(out, residuals, bytes);
        return;
    }
    uint64_t mask = (UINT64_C(1) << width) - 1;
    for (size_t i = 0; i < count; i++) {
        size_t at = i * (size_t)width;
        uint64_t word;
        memcpy(&word, out + at / 8, sizeof word);
        word |= (residuals[i] & mask) << at % 8;
        memcpy(out + at / 8, &word, sizeof word);
    }
}

static inline uint64_t load(const uint8_t *at) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* Eight residuals take exactly `width` bytes, so with a constant width all offsets and shifts in a
 * round are constants. */
static inline void unpack(const uint8_t *packed, size_t count, int width, uint64_t *residuals) {
    uint64_t mask = (UINT64_C(1) << width) - 1;
    size_t i = 0;
    for (; i + 8 <= count; i += 8, packed += width) {
        for (int j = 0; j < 8; j++) {
            residuals[i + (size_t)j] = load(packed + j * width / 8) >> j * width % 8 & mask;
        }
    }
    for (int j = 0; i < count; i++, j++) {
        residuals[i] = load(packed + j * width / 8) >> j * width % 8 & mask;
    }
}

/* One copy of unpack() for each width that is common. */
#define UNPACK_CASE(width)                                                                         \
    case width:                                                                                    \
        unpack(packed, count, width, residuals);                                                   \
        break;

void pack_read(const uint8_t *packed, size_t count, int width, uint64_t *residuals) {
    switch (width) {
    case 0:
        memset(residuals, 0, count * sizeof *residuals);
        break;
        /* clang-format off */
        UNPACK_CASE(1) UNPACK_CASE(2) UNPACK_CASE(3) UNPACK_CASE(4)
        UNPACK_CASE(5) UNPACK_CASE(6) UNPACK_CASE(7) UNPACK_CASE(8)
        UNPACK_CASE(9) UNPACK_CASE(10) UNPACK_CASE(11) UNPACK_CASE(12)
        UNPACK_CASE(13) UNPACK_CASE(14) UNPACK_CASE(15) UNPACK_CASE(16)
        UNPACK_CASE(17) UNPACK_CASE(18) UNPACK_CASE(19) UNPACK_CASE(20)
        UNPACK_CASE(21) UNPACK_CASE(22) UNPACK_CASE(23) UNPACK_CASE(24)
        UNPACK_CASE(25) UNPACK_CASE(26) UNPACK_CASE(27) UNPACK_CASE(28)
        UNPACK_CASE(29) UNPACK_CASE(30) UNPACK_CASE(31) UNPACK_CASE(32)
            /* clang-format on */
            case 64 : memcpy(residuals, packed, count * sizeof *residuals);
        break;
    default:
        unpack(packed, count, width, residuals);
    }
}
