#include <assert.h>
#include <snappy-c.h>

#include "ingest/proto.h"
#include "ingest/raw.h"
#include "ingest/wire_histogram.h"

static void put_bytes(Buf *out, uint32_t number, const Buf *message) {
    buf_varint(out, PROTO_TAG(number, PROTO_BYTES));
    buf_varint(out, message->len);
    buf_put(out, message->ptr, message->len);
}

static void put_sample(Buf *out, TimeMs time, double value, Buf *scratch) {
    scratch->len = 0;
    buf_varint(scratch, PROTO_TAG(1, PROTO_FIXED64));
    buf_u64(scratch, value_bits(value));
    buf_varint(scratch, PROTO_TAG(2, PROTO_VARINT));
    buf_varint(scratch, (uint64_t)time);
    put_bytes(out, 2, scratch);
}

static void put_rows(Buf *out, const SampleBatch *batch, const BatchSeries *series, Buf *scratch) {
    for (uint32_t row = series->row_first; row < series->row_first + series->row_count; row++) {
        const Histogram *histogram = batch->histograms ? batch->histograms[row] : NULL;
        if (histogram) {
            scratch->len = 0;
            wire_histogram_write(scratch, batch->times[row], histogram);
            put_bytes(out, 4, scratch);
        } else {
            put_sample(out, batch->times[row], batch->values[row], scratch);
        }
    }
}

void ingest_encode_remote_write(const SampleBatch *batch, Buf *out) {
    AUTO(buf_finish) Buf message = {0};
    AUTO(buf_finish) Buf series_bytes = {0};
    AUTO(buf_finish) Buf scratch = {0};
    for (size_t i = 0; i < batch->series_count; i++) {
        const BatchSeries *series = &batch->series[i];
        assert(!series->raw.ptr);
        series_bytes.len = 0;
        for (size_t k = 0; k < series->labels.count; k++) {
            raw_put(&series_bytes, series->labels.items[k].name, series->labels.items[k].value);
        }
        put_rows(&series_bytes, batch, series, &scratch);
        put_bytes(&message, 1, &series_bytes);
    }
    size_t packed_bytes = snappy_max_compressed_length(message.len);
    buf_reserve(out, packed_bytes);
    Str plain = buf_view(&message);
    snappy_status status =
        snappy_compress(plain.ptr, plain.len, out->ptr + out->len, &packed_bytes);
    assert(status == SNAPPY_OK);
    (void)status;
    out->len += packed_bytes;
}
