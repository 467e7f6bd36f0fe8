#include "ingest/proto.h"

static bool read_fixed(ProtoReader *reader, size_t width, uint64_t *ret_value) {
    if ((size_t)(reader->end - reader->at) < width) {
        reader->bad = true;
        return false;
    }
    *ret_value = 0;
    memcpy(ret_value, reader->at, width);
    reader->at += width;
    return true;
}

static bool read_payload(ProtoReader *reader, ProtoField *field) {
    switch (field->tag & 7) {
    case PROTO_VARINT:
        return proto_varint(reader, &field->value);
    case PROTO_FIXED64:
        return read_fixed(reader, 8, &field->value);
    case PROTO_FIXED32:
        return read_fixed(reader, 4, &field->value);
    case PROTO_BYTES:
        return proto_bytes(reader, &field->bytes);
    default:
        reader->bad = true;
        return false;
    }
}

bool proto_next(ProtoReader *reader, ProtoField *ret_field) {
    if (reader->bad || reader->at == reader->end) {
        return false;
    }
    const uint8_t *before = reader->at;
    ProtoField field = {0};
    uint64_t tag;
    if (!proto_varint(reader, &tag)) {
        return false;
    }
    field.tag = (uint32_t)tag;
    /* Field numbers are 1 to 2^29 - 1. */
    if (tag > UINT32_MAX || tag >> 3 == 0 || !read_payload(reader, &field)) {
        reader->at = before;
        reader->bad = true;
        return false;
    }
    *ret_field = field;
    return true;
}
