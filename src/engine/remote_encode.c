/*
 * Remote write 1.0 (prometheus/prompb): protobuf in one snappy block.
 *
 *   WriteRequest { repeated TimeSeries timeseries = 1; }
 *   TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2; }
 *   Label        { string name = 1; string value = 2; }
 *   Sample       { double value = 1; int64 timestamp = 2; }
 */

#include <assert.h>
#include <snappy-c.h>

#include "engine/engine_remote.h"

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2 };

static void put_tag(Buf *buf, unsigned field, unsigned wire) {
    buf_varint(buf, field << 3 | wire);
}

static void put_bytes(Buf *buf, unsigned field, Str bytes) {
    put_tag(buf, field, WIRE_BYTES);
    buf_varint(buf, bytes.len);
    buf_str(buf, bytes);
}

static void put_label(Buf *buf, const Label *label) {
    AUTO(buf_finish) Buf inner = {0};
    put_bytes(&inner, 1, label->name);
    put_bytes(&inner, 2, label->value);
    put_bytes(buf, 1, buf_view(&inner));
}

static void put_sample(Buf *buf, TimeMs time, double value) {
    AUTO(buf_finish) Buf inner = {0};
    put_tag(&inner, 1, WIRE_FIXED64);
    buf_u64(&inner, value_bits(value));
    put_tag(&inner, 2, WIRE_VARINT);
    buf_varint(&inner, (uint64_t)time);
    put_bytes(buf, 2, buf_view(&inner));
}

static bool put_series(Buf *buf, const SampleBatch *batch, const BatchSeries *series, Err *err) {
    assert(!series->raw.ptr);
    AUTO(buf_finish) Buf inner = {0};
    for (size_t i = 0; i < series->labels.count; i++) {
        put_label(&inner, &series->labels.items[i]);
    }
    for (uint32_t row = series->row_first; row < series->row_first + series->row_count; row++) {
        if (batch->histograms && batch->histograms[row]) {
            return err_set(err, ERR_UNSUPPORTED,
                           "native histograms cannot be written to a remote engine");
        }
        put_sample(&inner, batch->times[row], batch->values[row]);
    }
    put_bytes(buf, 1, buf_view(&inner));
    return true;
}

bool remote_write_encode(const SampleBatch *batch, Buf *ret_plain, Err *err) {
    for (size_t i = 0; i < batch->series_count; i++) {
        if (!put_series(ret_plain, batch, &batch->series[i], err)) {
            return false;
        }
    }
    return true;
}

bool remote_write_compress(Str plain, Buf *ret_body, Err *err) {
    size_t length = snappy_max_compressed_length(plain.len);
    buf_reserve(ret_body, length);
    if (snappy_compress(plain.ptr, plain.len, ret_body->ptr + ret_body->len, &length) !=
        SNAPPY_OK) {
        return err_set(err, ERR_INVALID, "remote write: cannot compress %zu bytes", plain.len);
    }
    ret_body->len += length;
    return true;
}
