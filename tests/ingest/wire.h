#pragma once

/* Writing protobuf by hand, so that tests do not depend on our own encoder. */

#include "base/buf.h"
#include "model/sample.h"

static inline void wire_varint(Buf *buf, unsigned number, uint64_t value) {
    buf_varint(buf, number << 3);
    buf_varint(buf, value);
}

static inline void wire_double(Buf *buf, unsigned number, double value) {
    buf_varint(buf, number << 3 | 1);
    buf_u64(buf, value_bits(value));
}

static inline void wire_bytes(Buf *buf, unsigned number, Str bytes) {
    buf_varint(buf, number << 3 | 2);
    buf_varint(buf, bytes.len);
    buf_str(buf, bytes);
}

/* Takes the content of `message` and leaves it empty. */
static inline void wire_message(Buf *buf, unsigned number, Buf *message) {
    wire_bytes(buf, number, buf_view(message));
    buf_finish(message);
    *message = (Buf){0};
}

static inline void wire_label(Buf *series, const char *name, const char *value) {
    Buf label = {0};
    wire_bytes(&label, 1, str_of(name));
    wire_bytes(&label, 2, str_of(value));
    wire_message(series, 1, &label);
}

static inline void wire_sample(Buf *series, TimeMs time, double value) {
    Buf sample = {0};
    wire_double(&sample, 1, value);
    wire_varint(&sample, 2, (uint64_t)time);
    wire_message(series, 2, &sample);
}
