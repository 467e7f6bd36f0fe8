#pragma once

/*
 * Reading the protobuf wire format (protobuf.dev, "Encoding"): tags, varints, fixed fields and
 * length-delimited ones, every length checked against what is left before it is believed. Nothing
 * is copied: bytes are views into the message.
 *
 * Groups (wire types 3 and 4) do not occur in what we read and are refused.
 *
 * Threads: a reader is a plain value.
 */

#include <stdint.h>
#include <string.h>

#include "base/str.h"

typedef enum ProtoWire {
    PROTO_VARINT = 0,
    PROTO_FIXED64 = 1,
    PROTO_BYTES = 2,
    PROTO_FIXED32 = 5,
} ProtoWire;

#define PROTO_TAG(number, wire) ((number) << 3 | (wire))

/* After something that breaks off or makes no sense, `bad` is set and the reader stays where it
 * was. */
typedef struct ProtoReader {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
} ProtoReader;

typedef struct ProtoField {
    uint32_t tag;   /* PROTO_TAG(number, wire) */
    uint64_t value; /* of a varint or fixed field */
    Str bytes;      /* of a length-delimited one */
} ProtoField;

static inline ProtoReader proto_reader(Str message) {
    const uint8_t *at = (const uint8_t *)message.ptr;
    return (ProtoReader){.at = at, .end = at + message.len};
}

/* At most ten bytes; what does not fit in 64 bits is cut, as protobuf's own readers do. */
static inline bool proto_varint(ProtoReader *reader, uint64_t *ret_value) {
    if (reader->at < reader->end && *reader->at < 0x80) {
        *ret_value = *reader->at++;
        return true;
    }
    uint64_t value = 0;
    const uint8_t *at = reader->at;
    for (unsigned shift = 0; shift < 70 && at < reader->end; shift += 7) {
        uint8_t byte = *at++;
        value |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
        if (byte < 0x80) {
            reader->at = at;
            *ret_value = value;
            return true;
        }
    }
    reader->bad = true;
    return false;
}

static inline uint64_t proto_load64(const void *bytes) {
    uint64_t value;
    memcpy(&value, bytes, sizeof value); /* little-endian, as are the machines we run on */
    return value;
}

static inline double proto_load_double(const void *bytes) {
    double value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static inline double proto_double(const ProtoField *field) {
    return proto_load_double(&field->value);
}

/* A length and that many bytes. */
static inline bool proto_bytes(ProtoReader *reader, Str *ret_bytes) {
    const uint8_t *before = reader->at;
    uint64_t len;
    if (!proto_varint(reader, &len)) {
        return false;
    }
    if (len > (uint64_t)(reader->end - reader->at)) {
        reader->at = before;
        reader->bad = true;
        return false;
    }
    *ret_bytes = (Str){(const char *)reader->at, (size_t)len};
    reader->at += len;
    return true;
}

/* The next field, whatever it is. False at the end and on bad bytes. */
bool proto_next(ProtoReader *reader, ProtoField *ret_field);
