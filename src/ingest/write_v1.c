/*
 * Remote write 1.0 (prometheus.io/docs/specs/prw/remote_write_spec; prometheus/prompb):
 *
 *     WriteRequest { repeated TimeSeries timeseries = 1; repeated MetricMetadata metadata = 3; }
 *     TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2;
 *                    repeated Exemplar exemplars = 3; repeated Histogram histograms = 4; }
 *     Sample       { double value = 1; int64 timestamp = 2; }
 *
 * The way through has no work per label: label fields are stepped over by their lengths, and the
 * span they fill goes into the batch as it is. In practice they always stand together at the front;
 * where they do not, they are copied together.
 */

#include "ingest/build.h"
#include "ingest/proto.h"
#include "ingest/raw.h"
#include "ingest/wire_histogram.h"

typedef struct SeriesWalk {
    ProtoReader reader;
    const uint8_t *labels_from, *labels_to; /* NULL while there was no label */
    bool scattered;
} SeriesWalk;

/* Label fields in one piece, in their order. Only for bytes that were walked without fault. */
static Str gather_labels(Arena *arena, Str series) {
    char *out = arena_raw(arena, series.len + 1);
    size_t len = 0;
    ProtoReader reader = proto_reader(series);
    ProtoField field;
    for (const uint8_t *from = reader.at; proto_next(&reader, &field); from = reader.at) {
        if (field.tag == PROTO_TAG(1, PROTO_BYTES)) {
            memcpy(out + len, from, (size_t)(reader.at - from));
            len += (size_t)(reader.at - from);
        }
    }
    return (Str){out, len};
}

static bool read_sample_fields(IngestBatch *batch, Str message) {
    ProtoReader reader = proto_reader(message);
    ProtoField field;
    double value = 0;
    TimeMs time = 0;
    while (proto_next(&reader, &field)) {
        if (field.tag == PROTO_TAG(1, PROTO_FIXED64)) {
            value = proto_double(&field);
        } else if (field.tag == PROTO_TAG(2, PROTO_VARINT)) {
            time = (TimeMs)field.value;
        }
    }
    build_row(batch, time, value);
    return !reader.bad;
}

/* A sample as every sender writes it is 0x09, eight bytes, 0x10 and a varint that ends with the
 * message. */
static bool read_sample(IngestBatch *batch, Str message) {
    const uint8_t *bytes = (const uint8_t *)message.ptr;
    if (message.len > 10 && bytes[0] == PROTO_TAG(1, PROTO_FIXED64) &&
        bytes[9] == PROTO_TAG(2, PROTO_VARINT)) {
        ProtoReader reader = {.at = bytes + 10, .end = bytes + message.len};
        uint64_t time;
        if (proto_varint(&reader, &time) && reader.at == reader.end) {
            build_row(batch, (TimeMs)time, proto_load_double(bytes + 1));
            return true;
        }
    }
    return read_sample_fields(batch, message);
}

static bool read_label_span(SeriesWalk *walk) {
    const uint8_t *from = walk->reader.at++;
    Str skipped;
    if (!proto_bytes(&walk->reader, &skipped)) {
        return false;
    }
    walk->scattered |= walk->labels_to && walk->labels_to != from;
    walk->labels_from = walk->labels_from ? walk->labels_from : from;
    walk->labels_to = walk->reader.at;
    return true;
}

static bool read_other(SeriesWalk *walk, IngestBatch *batch, Err *err) {
    ProtoField field;
    if (!proto_next(&walk->reader, &field)) {
        return false;
    }
    switch (field.tag) {
    case PROTO_TAG(3, PROTO_BYTES):
        batch->exemplars++;
        return true;
    case PROTO_TAG(4, PROTO_BYTES):
        return wire_histogram_read(batch, field.bytes, err);
    default:
        return true;
    }
}

/* False where the bytes make no sense; `err` is only set where a histogram says more. */
static bool read_series(IngestBatch *batch, Str message, Err *err) {
    SeriesWalk walk = {.reader = proto_reader(message)};
    build_series(batch, (Str){0});
    while (walk.reader.at < walk.reader.end) {
        bool ok;
        if (*walk.reader.at == PROTO_TAG(1, PROTO_BYTES)) {
            ok = read_label_span(&walk);
        } else if (*walk.reader.at == PROTO_TAG(2, PROTO_BYTES)) {
            Str sample;
            walk.reader.at++;
            ok = proto_bytes(&walk.reader, &sample) && read_sample(batch, sample);
        } else {
            ok = read_other(&walk, batch, err);
        }
        if (!ok) {
            return false;
        }
    }
    Str raw = {(const char *)walk.labels_from, (size_t)(walk.labels_to - walk.labels_from)};
    if (!raw.ptr) {
        raw = STR("");
    } else if (walk.scattered) {
        raw = gather_labels(&batch->arena, message);
    }
    batch->series[batch->series_count - 1].raw = raw;
    build_series_end(batch);
    return true;
}

bool ingest_remote_write_v1(Str message, const IngestLabels *labels, IngestBatch *ret_batch,
                            Err *err) {
    build_reset(ret_batch);
    if (message.len >= UINT32_MAX) {
        return err_set(err, ERR_LIMIT, "remote write: request of %zu bytes", message.len);
    }
    ProtoReader reader = proto_reader(message);
    ProtoField field;
    for (size_t number = 0; proto_next(&reader, &field);) {
        if (field.tag == PROTO_TAG(3, PROTO_BYTES)) {
            ret_batch->metadata++;
        } else if (field.tag == PROTO_TAG(1, PROTO_BYTES)) {
            number++;
            Err reason = {0};
            if (!read_series(ret_batch, field.bytes, &reason)) {
                return err_set(err, ERR_INVALID, "remote write: series %zu at byte %zu: %s", number,
                               (size_t)(field.bytes.ptr - message.ptr),
                               reason.kind ? reason.text : "a field breaks off or is malformed");
            }
        }
    }
    if (reader.bad) {
        return err_set(err, ERR_INVALID,
                       "remote write: the request breaks off or is malformed at byte %zu",
                       (size_t)(reader.at - (const uint8_t *)message.ptr));
    }
    build_seal(ret_batch, raw_decode_proto, labels);
    return true;
}
