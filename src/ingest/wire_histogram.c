#include "ingest/wire_histogram.h"

#include "ingest/build.h"
#include "ingest/proto.h"

/* One side's arrays while they grow; sizes are known from a first pass. */
typedef struct SideReader {
    HistogramSpan *spans;
    double *counts;
    uint32_t span_count, span_cap;
    uint32_t count, cap;
    int64_t last; /* the delta's base */
} SideReader;

typedef struct HistogramReader {
    Histogram histogram;
    SideReader sides[2]; /* negative, positive */
    double *custom;
    uint32_t custom_count, custom_cap;
    TimeMs time, start;
} HistogramReader;

enum { NEGATIVE, POSITIVE };

static bool read_span(Str message, HistogramSpan *ret_span) {
    ProtoReader reader = proto_reader(message);
    ProtoField field;
    HistogramSpan span = {0};
    while (proto_next(&reader, &field)) {
        if (field.tag == PROTO_TAG(1, PROTO_VARINT)) {
            span.offset = (int32_t)unzigzag(field.value);
        } else if (field.tag == PROTO_TAG(2, PROTO_VARINT)) {
            span.length = (uint32_t)field.value;
        }
    }
    *ret_span = span;
    return !reader.bad;
}

static uint32_t count_varints(Str packed) {
    uint32_t count = 0;
    for (size_t i = 0; i < packed.len; i++) {
        count += ((uint8_t)packed.ptr[i] & 0x80) == 0;
    }
    return count;
}

/* Counts the elements of every repeated field, so that arrays are made once at their size. */
static bool count_elements(Str message, HistogramReader *out) {
    ProtoReader reader = proto_reader(message);
    ProtoField field;
    uint64_t total = 0;
    while (proto_next(&reader, &field) && total <= HISTOGRAM_BUCKETS_MAX) {
        uint32_t number = field.tag >> 3;
        bool packed = (field.tag & 7) == PROTO_BYTES;
        SideReader *side = &out->sides[number >= 11 ? POSITIVE : NEGATIVE];
        uint32_t count = 1;
        switch (number) {
        case 8:
        case 11:
            side->span_cap++;
            break;
        case 9:
        case 12:
            count = packed ? count_varints(field.bytes) : 1;
            side->cap += count;
            break;
        case 10:
        case 13:
            count = packed ? (uint32_t)(field.bytes.len / sizeof(double)) : 1;
            side->cap += count;
            break;
        case 16:
            count = packed ? (uint32_t)(field.bytes.len / sizeof(double)) : 1;
            out->custom_cap += count;
            break;
        default:
            count = 0;
            break;
        }
        total += count;
    }
    return !reader.bad && total <= HISTOGRAM_BUCKETS_MAX;
}

static void make_arrays(HistogramReader *out, Arena *arena) {
    for (int i = NEGATIVE; i <= POSITIVE; i++) {
        out->sides[i].spans = arena_array(arena, HistogramSpan, out->sides[i].span_cap + 1);
        out->sides[i].counts = arena_array(arena, double, out->sides[i].cap + 1);
    }
    out->custom = arena_array(arena, double, out->custom_cap + 1);
}

static void put_delta(SideReader *side, uint64_t value) {
    /* Wraps like the sender's int64 would; a sum below zero is refused with the shape. */
    side->last = (int64_t)((uint64_t)side->last + (uint64_t)unzigzag(value));
    side->counts[side->count++] = (double)side->last;
}

static bool read_deltas(SideReader *side, const ProtoField *field) {
    if ((field->tag & 7) == PROTO_VARINT) {
        put_delta(side, field->value);
        return true;
    }
    if ((field->tag & 7) != PROTO_BYTES) {
        return false;
    }
    ProtoReader reader = proto_reader(field->bytes);
    uint64_t value;
    while (reader.at < reader.end && proto_varint(&reader, &value)) {
        put_delta(side, value);
    }
    return !reader.bad;
}

static bool read_doubles(double *items, uint32_t *count, const ProtoField *field) {
    if ((field->tag & 7) == PROTO_FIXED64) {
        items[(*count)++] = proto_double(field);
        return true;
    }
    if ((field->tag & 7) != PROTO_BYTES || field->bytes.len % sizeof(double)) {
        return false;
    }
    memcpy(items + *count, field->bytes.ptr, field->bytes.len);
    *count += (uint32_t)(field->bytes.len / sizeof(double));
    return true;
}

static bool read_repeated(HistogramReader *out, const ProtoField *field) {
    uint32_t number = field->tag >> 3;
    SideReader *side = &out->sides[number >= 11 ? POSITIVE : NEGATIVE];
    switch (number) {
    case 8:
    case 11:
        return (field->tag & 7) == PROTO_BYTES &&
               read_span(field->bytes, &side->spans[side->span_count++]);
    case 9:
    case 12:
        return read_deltas(side, field);
    case 10:
    case 13:
        return read_doubles(side->counts, &side->count, field);
    case 16:
        return read_doubles(out->custom, &out->custom_count, field);
    default:
        return true;
    }
}

static bool read_field(HistogramReader *out, const ProtoField *field) {
    Histogram *histogram = &out->histogram;
    switch (field->tag) {
    case PROTO_TAG(1, PROTO_VARINT):
        histogram->count = (double)field->value;
        histogram->is_integer = true;
        return true;
    case PROTO_TAG(2, PROTO_FIXED64):
        histogram->count = proto_double(field);
        histogram->is_integer = false;
        return true;
    case PROTO_TAG(3, PROTO_FIXED64):
        histogram->sum = proto_double(field);
        return true;
    case PROTO_TAG(4, PROTO_VARINT):
        histogram->schema = (int32_t)unzigzag(field->value);
        return true;
    case PROTO_TAG(5, PROTO_FIXED64):
        histogram->zero_threshold = proto_double(field);
        return true;
    case PROTO_TAG(6, PROTO_VARINT):
        histogram->zero_count = (double)field->value;
        return true;
    case PROTO_TAG(7, PROTO_FIXED64):
        histogram->zero_count = proto_double(field);
        return true;
    case PROTO_TAG(14, PROTO_VARINT):
        histogram->hint = field->value <= RESET_GAUGE ? (ResetHint)field->value : RESET_UNKNOWN;
        return true;
    case PROTO_TAG(15, PROTO_VARINT):
        out->time = (TimeMs)field->value;
        return true;
    case PROTO_TAG(17, PROTO_VARINT):
        out->start = (TimeMs)field->value;
        return true;
    default:
        return read_repeated(out, field);
    }
}

static HistogramSide side_of(const SideReader *side) {
    return (HistogramSide){
        .spans = side->spans,
        .counts = side->counts,
        .span_count = side->span_count,
        .bucket_count = side->count,
    };
}

static void refuse(IngestBatch *batch, const Err *reason) {
    if (batch->refused++ == 0) {
        batch->first_refused = *reason;
    }
}

bool wire_histogram_read(IngestBatch *batch, Str message, Err *err) {
    /* proto3 leaves out what is 0, so a histogram without any count is an integer one. */
    HistogramReader out = {.histogram = {.is_integer = true}};
    if (!count_elements(message, &out)) {
        return err_set(err, ERR_INVALID, "a histogram breaks off or has more than %d buckets",
                       HISTOGRAM_BUCKETS_MAX);
    }
    make_arrays(&out, &batch->arena);
    ProtoReader reader = proto_reader(message);
    ProtoField field;
    while (proto_next(&reader, &field)) {
        if (!read_field(&out, &field)) {
            return err_set(err, ERR_INVALID, "field %u of a histogram is malformed",
                           field.tag >> 3);
        }
    }
    Histogram *histogram = arena_new(&batch->arena, Histogram);
    *histogram = out.histogram;
    histogram->negative = side_of(&out.sides[NEGATIVE]);
    histogram->positive = side_of(&out.sides[POSITIVE]);
    histogram->custom_values = out.custom;
    histogram->custom_count = out.custom_count;
    Err reason;
    if (!histogram_is_stale(histogram) && !histogram_valid(histogram, &reason)) {
        refuse(batch, &reason);
        return true;
    }
    build_histogram(batch, out.time, histogram);
    build_start(batch, out.start);
    return true;
}

/* ---- writing ---- */

static void put_varint(Buf *buf, uint32_t number, uint64_t value) {
    if (value != 0) {
        buf_varint(buf, PROTO_TAG(number, PROTO_VARINT));
        buf_varint(buf, value);
    }
}

static void put_double(Buf *buf, uint32_t number, double value) {
    if (value_bits(value) != 0) {
        buf_varint(buf, PROTO_TAG(number, PROTO_FIXED64));
        buf_u64(buf, value_bits(value));
    }
}

static void put_message(Buf *buf, uint32_t number, const Buf *message) {
    buf_varint(buf, PROTO_TAG(number, PROTO_BYTES));
    buf_varint(buf, message->len);
    buf_put(buf, message->ptr, message->len);
}

static void put_spans(Buf *buf, uint32_t number, const HistogramSide *side, Buf *scratch) {
    for (uint32_t i = 0; i < side->span_count; i++) {
        scratch->len = 0;
        put_varint(scratch, 1, zigzag(side->spans[i].offset));
        put_varint(scratch, 2, side->spans[i].length);
        put_message(buf, number, scratch);
    }
}

static void put_deltas(Buf *buf, uint32_t number, const HistogramSide *side, Buf *scratch) {
    int64_t last = 0;
    scratch->len = 0;
    for (uint32_t i = 0; i < side->bucket_count; i++) {
        int64_t count = (int64_t)side->counts[i];
        buf_varint(scratch, zigzag(count - last));
        last = count;
    }
    if (side->bucket_count) {
        put_message(buf, number, scratch);
    }
}

static void put_doubles(Buf *buf, uint32_t number, const double *items, uint32_t count,
                        Buf *scratch) {
    scratch->len = 0;
    for (uint32_t i = 0; i < count; i++) {
        buf_u64(scratch, value_bits(items[i]));
    }
    if (count) {
        put_message(buf, number, scratch);
    }
}

static void put_side(Buf *buf, uint32_t spans_number, const HistogramSide *side, bool is_integer,
                     Buf *scratch) {
    put_spans(buf, spans_number, side, scratch);
    if (is_integer) {
        put_deltas(buf, spans_number + 1, side, scratch);
    } else {
        put_doubles(buf, spans_number + 2, side->counts, side->bucket_count, scratch);
    }
}

void wire_histogram_write(Buf *buf, TimeMs time, const Histogram *histogram) {
    AUTO(buf_finish) Buf scratch = {0};
    if (histogram->is_integer) {
        buf_varint(buf, PROTO_TAG(1, PROTO_VARINT)); /* also if 0: it says which kind this is */
        buf_varint(buf, (uint64_t)histogram->count);
        put_varint(buf, 6, (uint64_t)histogram->zero_count);
    } else {
        buf_varint(buf, PROTO_TAG(2, PROTO_FIXED64));
        buf_u64(buf, value_bits(histogram->count));
        put_double(buf, 7, histogram->zero_count);
    }
    put_double(buf, 3, histogram->sum);
    put_varint(buf, 4, zigzag(histogram->schema));
    put_double(buf, 5, histogram->zero_threshold);
    put_side(buf, 8, &histogram->negative, histogram->is_integer, &scratch);
    put_side(buf, 11, &histogram->positive, histogram->is_integer, &scratch);
    put_varint(buf, 14, histogram->hint);
    put_varint(buf, 15, (uint64_t)time);
    put_doubles(buf, 16, histogram->custom_values, histogram->custom_count, &scratch);
}
