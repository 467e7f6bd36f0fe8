#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

enum { BUF_BYTES_MIN = 256, VARINT_BYTES_MAX = 10 };

void buf_finish(Buf *buf) {
    free(buf->ptr);
    *buf = (Buf){0};
}

void buf_reserve(Buf *buf, size_t more) {
    assert(more <= SIZE_MAX / 2 && buf->len <= SIZE_MAX / 2);
    size_t need = buf->len + more;
    if (need <= buf->cap) {
        return;
    }
    size_t cap = buf->cap < BUF_BYTES_MIN ? BUF_BYTES_MIN : buf->cap * 2;
    buf->cap = cap < need ? need : cap;
    buf->ptr = mem_grow(buf->ptr, buf->cap);
}

void buf_printf(Buf *buf, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    assert(len >= 0);

    buf_reserve(buf, (size_t)len + 1); /* vsnprintf writes a NUL behind */
    va_start(args, fmt);
    vsnprintf(buf->ptr + buf->len, (size_t)len + 1, fmt, args);
    va_end(args);
    buf->len += (size_t)len;
}

static void put_little_endian(Buf *buf, uint64_t value, size_t bytes) {
    buf_reserve(buf, bytes);
    for (size_t i = 0; i < bytes; i++) {
        buf->ptr[buf->len++] = (char)(value >> (8 * i));
    }
}

void buf_u32(Buf *buf, uint32_t value) {
    put_little_endian(buf, value, sizeof value);
}

void buf_u64(Buf *buf, uint64_t value) {
    put_little_endian(buf, value, sizeof value);
}

void buf_varint(Buf *buf, uint64_t value) {
    buf_reserve(buf, VARINT_BYTES_MAX);
    while (value >= 0x80) {
        buf->ptr[buf->len++] = (char)(value | 0x80);
        value >>= 7;
    }
    buf->ptr[buf->len++] = (char)value;
}

/* False, and the reader is spent, if there are fewer than `len` bytes left. */
static bool has_bytes(ByteReader *reader, uint64_t len) {
    if (len <= reader_left(reader)) {
        return true;
    }
    reader->bad = true;
    reader->at = reader->end;
    return false;
}

static uint64_t get_little_endian(ByteReader *reader, size_t bytes) {
    if (!has_bytes(reader, bytes)) {
        return 0;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) {
        value |= (uint64_t)*reader->at++ << (8 * i);
    }
    return value;
}

ByteReader reader_of(Str bytes) {
    const uint8_t *start = (const uint8_t *)(bytes.len ? bytes.ptr : "");
    return (ByteReader){.at = start, .end = start + bytes.len};
}

uint8_t reader_u8(ByteReader *reader) {
    return (uint8_t)get_little_endian(reader, 1);
}

uint32_t reader_u32(ByteReader *reader) {
    return (uint32_t)get_little_endian(reader, sizeof(uint32_t));
}

uint64_t reader_u64(ByteReader *reader) {
    return get_little_endian(reader, sizeof(uint64_t));
}

uint64_t reader_varint_long(ByteReader *reader) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && has_bytes(reader, 1); shift += 7) {
        uint8_t byte = *reader->at++;
        if (shift == 63 && byte > 1) {
            break; /* more than 64 bits */
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return value;
        }
    }
    reader->bad = true;
    reader->at = reader->end;
    return 0;
}

Str reader_bytes(ByteReader *reader, uint64_t len) {
    if (!has_bytes(reader, len)) {
        return (Str){"", 0};
    }
    Str view = {(const char *)reader->at, (size_t)len};
    reader->at += len;
    return view;
}
