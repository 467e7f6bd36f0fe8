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
enum { SAMPLE_BYTES_MIN = 11 };

static bool take_sample(ProtoReader *reader, double *ret_value, uint64_t *ret_time) {
    const uint8_t *bytes = reader->at;
    if (reader->end - bytes < SAMPLE_BYTES_MIN || bytes[0] != PROTO_TAG(1, PROTO_FIXED64) ||
        bytes[9] != PROTO_TAG(2, PROTO_VARINT)) {
        return false;
    }
    *ret_value = proto_load_double(bytes + 1);
    reader->at += 10;
    return proto_varint(reader, ret_time) && reader->at == reader->end;
}

static bool read_sample(IngestBatch *batch, Str message) {
    ProtoReader reader = proto_reader(message);
    double value;
    uint64_t time;
    if (take_sample(&reader, &value, &time)) {
        build_row(batch, (TimeMs)time, value);
        return true;
    }
    return read_sample_fields(batch, message);
}

/* Steps over a run of label fields. Each step waits for the length it loads, so nothing else is
 * done in it: lengths of one byte, which nearly all are, are told from others by one comparison. */
static bool skip_labels(ProtoReader *reader) {
    const uint8_t *at = reader->at, *end = reader->end;
    while (end - at >= 2 && at[0] == PROTO_TAG(1, PROTO_BYTES)) {
        size_t len = at[1];
        if (len >= 0x80) {
            Str skipped;
            reader->at = at + 1;
            if (!proto_bytes(reader, &skipped)) {
                return false;
            }
            at = reader->at;
            continue;
        }
        if (len + 2 > (size_t)(end - at)) {
            return false;
        }
        at += len + 2;
    }
    bool whole = at == end || at[0] != PROTO_TAG(1, PROTO_BYTES); /* else a tag without a length */
    reader->at = at;
    return whole;
}

static bool read_label_span(SeriesWalk *walk) {
    const uint8_t *from = walk->reader.at;
    if (!skip_labels(&walk->reader)) {
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

/* The shape nearly every series has: labels, then one sample, then nothing. False, with nothing
 * done, where it is another. */
static bool read_plain_series(IngestBatch *batch, Str message) {
    ProtoReader reader = proto_reader(message);
    double value;
    uint64_t time;
    if (!skip_labels(&reader) || reader.end - reader.at < 2 + SAMPLE_BYTES_MIN ||
        reader.at[0] != PROTO_TAG(2, PROTO_BYTES) || reader.at[1] != reader.end - reader.at - 2) {
        return false;
    }
    Str raw = {message.ptr, (size_t)((const char *)reader.at - message.ptr)};
    reader.at += 2;
    if (!take_sample(&reader, &value, &time)) {
        return false;
    }
    build_series(batch, raw);
    build_row(batch, (TimeMs)time, value);
    BatchSeries *series = &batch->series[batch->series_count - 1];
    series->raw_hash = hash128(raw); /* while its bytes are in the inner cache */
    series->row_count = 1;
    return true;
}

/* False where the bytes make no sense; `err` is only set where a histogram says more. */
static bool read_series(IngestBatch *batch, Str message, Err *err) {
    if (read_plain_series(batch, message)) {
        return true;
    }
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

/* As proto_next(), but without a call for what a request consists of. */
static inline bool next_field(ProtoReader *reader, ProtoField *field) {
    if (reader->at < reader->end && *reader->at == PROTO_TAG(1, PROTO_BYTES)) {
        field->tag = PROTO_TAG(1, PROTO_BYTES);
        reader->at++;
        bool whole = proto_bytes(reader, &field->bytes);
        reader->at -= !whole; /* a fault is told by where its field begins */
        return whole;
    }
    return proto_next(reader, field);
}

/* MetricMetadata { MetricType type = 1; string metric_family_name = 2; string help = 4; string unit
 * = 5; } */
static void read_metadata(IngestBatch *batch, Str message) {
    ProtoReader reader = proto_reader(message);
    ProtoField field;
    Str metric = {0};
    MetricMeta meta = {0};
    batch->metadata++;
    while (proto_next(&reader, &field)) {
        switch (field.tag) {
        case PROTO_TAG(1, PROTO_VARINT):
            meta.type = metadata_type(field.value);
            break;
        case PROTO_TAG(2, PROTO_BYTES):
            metric = field.bytes;
            break;
        case PROTO_TAG(4, PROTO_BYTES):
            meta.help = field.bytes;
            break;
        case PROTO_TAG(5, PROTO_BYTES):
            meta.unit = field.bytes;
            break;
        default:
            break;
        }
    }
    if (!reader.bad) {
        metadata_note(batch->table, metric, meta);
    }
}

bool ingest_remote_write_v1(Str message, const IngestLabels *labels, IngestBatch *ret_batch,
                            Err *err) {
    build_reset(ret_batch);
    if (message.len >= UINT32_MAX) {
        return err_set(err, ERR_LIMIT, "remote write: request of %zu bytes", message.len);
    }
    ProtoReader reader = proto_reader(message);
    ProtoField field;
    Err reason; /* a kilobyte: cleared by its kind, not whole for each series */
    for (size_t number = 0; next_field(&reader, &field);) {
        if (field.tag == PROTO_TAG(3, PROTO_BYTES)) {
            read_metadata(ret_batch, field.bytes);
        } else if (field.tag == PROTO_TAG(1, PROTO_BYTES)) {
            number++;
            reason.kind = ERR_NONE;
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
