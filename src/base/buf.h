#pragma once

/*
 * A growing byte buffer on the heap, for everything that is written front to back: JSON, log
 * records, exposition text, wire messages. {0} is empty and ready; buf_finish() releases it.
 */

#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

typedef struct Buf {
    char *ptr;
    size_t len;
    size_t cap;
} Buf;

void buf_finish(Buf *buf);
void buf_printf(Buf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Room for `more` bytes behind those written; growing doubles, so appending is linear overall. */
void buf_reserve(Buf *buf, size_t more);

static inline void buf_put(Buf *buf, const void *bytes, size_t len) {
    if (len == 0) {
        return;
    }
    if (buf->cap - buf->len < len) {
        buf_reserve(buf, len);
    }
    memcpy(buf->ptr + buf->len, bytes, len);
    buf->len += len;
}

static inline void buf_byte(Buf *buf, char byte) {
    if (buf->len == buf->cap) {
        buf_reserve(buf, 1);
    }
    buf->ptr[buf->len++] = byte;
}

static inline void buf_str(Buf *buf, Str text) {
    buf_put(buf, text.ptr, text.len);
}

/* The bytes so far: valid until the next write or buf_finish(). */
static inline Str buf_view(const Buf *buf) {
    return (Str){buf->ptr ? buf->ptr : "", buf->len};
}

/* Little-endian fixed width, and LEB128 varints as protobuf has them. */
void buf_u32(Buf *buf, uint32_t value);
void buf_u64(Buf *buf, uint64_t value);
void buf_varint(Buf *buf, uint64_t value);

static inline uint64_t zigzag(int64_t value) {
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static inline int64_t unzigzag(uint64_t value) {
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* A reader over bytes from outside. Every get checks the bounds; after the first one that does not
 * fit, `bad` is set, everything reads as 0 and the position stays at the end. Check once, after a
 * group of fields. */
typedef struct ByteReader {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
} ByteReader;

ByteReader reader_of(Str bytes);
uint8_t reader_u8(ByteReader *reader);
uint32_t reader_u32(ByteReader *reader);
uint64_t reader_u64(ByteReader *reader);
uint64_t reader_varint_long(ByteReader *reader);
/* Most numbers take one byte. */
static inline uint64_t reader_varint(ByteReader *reader) {
    if (reader->at < reader->end && *reader->at < 0x80) {
        return *reader->at++;
    }
    return reader_varint_long(reader);
}
/* A view of the next `len` bytes. */
Str reader_bytes(ByteReader *reader, uint64_t len);

static inline size_t reader_left(const ByteReader *reader) {
    return (size_t)(reader->end - reader->at);
}
