/*
 * BLOCK   varint of the unpacked length, then elements: a tag byte whose two low bits say what it
 * is
 *
 *   0   literal: length - 1 in the upper six bits, or (60..63) in the next 1..4 bytes; the bytes
 *   1   copy: length - 4 in bits 2-4, offset in bits 5-7 and one byte
 *   2   copy: length - 1 in the upper six bits, offset in two bytes
 *   3   copy: likewise, offset in four bytes
 *
 * A copy repeats what was put out `offset` bytes ago, and may reach into itself.
 *
 * Short pieces are copied in whole steps of 16 or 64 bytes, whatever their length: what is too much
 * is overwritten by the next element.
 */

#include "ingest/snappy_block.h"

#include <string.h>

enum {
    STEP = 16,
    TAG_BYTES_MAX = 5,                       /* with length or offset */
    INPUT_MARGIN = TAG_BYTES_MAX + 4 * STEP, /* with so much left, whole steps can be read */
    LITERAL_SHORT = 60,                      /* longest whose length is in the tag */
};

typedef struct Unpack {
    const uint8_t *in, *in_end;
    uint8_t *out, *out_begin, *out_end;
} Unpack;

typedef struct Element {
    bool literal;
    size_t length;
    size_t offset; /* of a copy */
} Element;

/* The fixed sizes become loads and stores. */
static inline void copy_step(uint8_t *to, const uint8_t *from) {
    memcpy(to, from, STEP);
}

static inline void copy_4_steps(uint8_t *to, const uint8_t *from) {
    copy_step(to, from);
    copy_step(to + STEP, from + STEP);
    copy_step(to + 2 * STEP, from + 2 * STEP);
    copy_step(to + 3 * STEP, from + 3 * STEP);
}

static inline uint32_t load_le(const uint8_t *at, unsigned bytes) {
    uint32_t value = 0;
    for (unsigned i = 0; i < bytes; i++) {
        value |= (uint32_t)at[i] << 8 * i;
    }
    return value;
}

/* The tag at `in` with what belongs to it; there are enough bytes. Returns how many they are. */
static inline unsigned read_tag(const uint8_t *in, Element *ret_element) {
    unsigned tag = in[0], upper = tag >> 2;
    switch (tag & 3) {
    case 0:
        if (upper < LITERAL_SHORT) {
            *ret_element = (Element){true, upper + 1, 0};
            return 1;
        }
        *ret_element = (Element){true, (size_t)load_le(in + 1, upper - LITERAL_SHORT + 1) + 1, 0};
        return 1 + upper - LITERAL_SHORT + 1;
    case 1:
        *ret_element = (Element){false, 4 + (upper & 7), (size_t)(tag >> 5) << 8 | in[1]};
        return 2;
    case 2:
        *ret_element = (Element){false, upper + 1, load_le(in + 1, 2)};
        return 3;
    default:
        *ret_element = (Element){false, upper + 1, load_le(in + 1, 4)};
        return 5;
    }
}

static unsigned tag_bytes(uint8_t tag) {
    static const uint8_t copy_bytes[4] = {1, 2, 3, 5};
    unsigned upper = tag >> 2;
    return (tag & 3) == 0 && upper >= LITERAL_SHORT ? 1 + upper - LITERAL_SHORT + 1
                                                    : copy_bytes[tag & 3];
}

static bool take_literal(Unpack *u, size_t length) {
    if (length > (size_t)(u->in_end - u->in) || length > (size_t)(u->out_end - u->out)) {
        return false;
    }
    memcpy(u->out, u->in, length);
    u->in += length;
    u->out += length;
    return true;
}

/* `length` is at most 64, so that steps stay within the slop. */
static inline bool take_copy(Unpack *u, size_t length, size_t offset) {
    if (offset - 1 >= (size_t)(u->out - u->out_begin) || length > (size_t)(u->out_end - u->out)) {
        return false; /* 0 as well */
    }
    const uint8_t *from = u->out - offset;
    if (offset < STEP) {
        for (size_t i = 0; i < length; i++) {
            u->out[i] = from[i];
        }
    } else if (length <= STEP) {
        copy_step(u->out, from);
    } else {
        copy_4_steps(u->out, from);
    }
    u->out += length;
    return true;
}

/* While whole steps can be read. */
static bool unpack_fast(Unpack *u) {
    while (u->in_end - u->in >= INPUT_MARGIN) {
        Element element;
        u->in += read_tag(u->in, &element);
        if (!element.literal) {
            if (!take_copy(u, element.length, element.offset)) {
                return false;
            }
        } else if (element.length <= STEP && element.length <= (size_t)(u->out_end - u->out)) {
            copy_step(u->out, u->in);
            u->in += element.length;
            u->out += element.length;
        } else if (!take_literal(u, element.length)) {
            return false;
        }
    }
    return true;
}

/* The last elements. */
static bool unpack_rest(Unpack *u) {
    while (u->in < u->in_end) {
        Element element;
        if (tag_bytes(*u->in) > (size_t)(u->in_end - u->in)) {
            return false;
        }
        u->in += read_tag(u->in, &element);
        if (element.literal ? !take_literal(u, element.length)
                            : !take_copy(u, element.length, element.offset)) {
            return false;
        }
    }
    return u->out == u->out_end;
}

/* Steps over the length in front. */
static bool skip_length(Unpack *u) {
    for (int i = 0; i < 5 && u->in < u->in_end; i++) {
        if (*u->in++ < 0x80) {
            return true;
        }
    }
    return false;
}

bool snappy_block_unpack(Str packed, uint8_t *out, size_t bytes) {
    const uint8_t *in = (const uint8_t *)packed.ptr;
    Unpack u = {in, in + packed.len, out, out, out + bytes};
    return skip_length(&u) && unpack_fast(&u) && unpack_rest(&u);
}
