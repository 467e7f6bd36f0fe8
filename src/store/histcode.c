/*
 * HISTOGRAM
 *
 *   byte    hint + 4 * is_integer
 *   varint  zigzag(schema)
 *   number  zero threshold, zero count, count; sum as 8 bytes
 *   side    positive, negative: varint span count, varint bucket count, spans {varint
 * zigzag(offset), varint length}, buckets {number} varint  count of custom bounds, each 8 bytes
 *
 *   number  a whole one from 0 to 2^53: varint 2 * value; else the byte 1 and 8 bytes
 */

#include "store/histcode.h"

static void put_number(Buf *buf, double value) {
    if (value >= 0 && value <= 0x1p53 && (double)(uint64_t)value == value &&
        value_bits(value) != value_bits(-0.0)) {
        buf_varint(buf, (uint64_t)value << 1);
        return;
    }
    buf_byte(buf, 1);
    buf_u64(buf, value_bits(value));
}

static double get_number(ByteReader *reader) {
    uint64_t first = reader_varint(reader);
    if (first & 1) {
        return value_of_bits(reader_u64(reader));
    }
    return (double)(first >> 1);
}

static void put_side(Buf *buf, const HistogramSide *side) {
    buf_varint(buf, side->span_count);
    buf_varint(buf, side->bucket_count);
    for (uint32_t i = 0; i < side->span_count; i++) {
        buf_varint(buf, zigzag(side->spans[i].offset));
        buf_varint(buf, side->spans[i].length);
    }
    for (uint32_t i = 0; i < side->bucket_count; i++) {
        put_number(buf, side->counts[i]);
    }
}

void histogram_put(Buf *buf, const Histogram *histogram) {
    buf_byte(buf, (char)((int)histogram->hint | (histogram->is_integer ? 4 : 0)));
    buf_varint(buf, zigzag(histogram->schema));
    put_number(buf, histogram->zero_threshold);
    put_number(buf, histogram->zero_count);
    put_number(buf, histogram->count);
    buf_u64(buf, value_bits(histogram->sum));
    put_side(buf, &histogram->positive);
    put_side(buf, &histogram->negative);
    buf_varint(buf, histogram->custom_count);
    for (uint32_t i = 0; i < histogram->custom_count; i++) {
        buf_u64(buf, value_bits(histogram->custom_values[i]));
    }
}

size_t histogram_bytes_bound(const Histogram *histogram) {
    size_t spans = (size_t)histogram->positive.span_count + histogram->negative.span_count;
    size_t buckets = (size_t)histogram->positive.bucket_count + histogram->negative.bucket_count;
    return 80 + spans * 10 + buckets * 9 + (size_t)histogram->custom_count * 8;
}

static bool get_side(ByteReader *reader, Arena *arena, HistogramSide *ret_side) {
    uint64_t span_count = reader_varint(reader);
    uint64_t bucket_count = reader_varint(reader);
    /* Each span and bucket takes a byte at least, so what is claimed is bounded by what is there.
     */
    if (span_count > reader_left(reader) || bucket_count > reader_left(reader) ||
        bucket_count > HISTOGRAM_BUCKETS_MAX) {
        return false;
    }
    HistogramSpan *spans = arena_array(arena, HistogramSpan, span_count);
    double *counts = arena_raw(arena, bucket_count * sizeof *counts);
    uint64_t covered = 0;
    for (uint64_t i = 0; i < span_count; i++) {
        spans[i].offset = (int32_t)unzigzag(reader_varint(reader));
        spans[i].length = (uint32_t)reader_varint(reader);
        covered += spans[i].length;
    }
    for (uint64_t i = 0; i < bucket_count; i++) {
        counts[i] = get_number(reader);
    }
    *ret_side = (HistogramSide){spans, counts, (uint32_t)span_count, (uint32_t)bucket_count};
    return covered == bucket_count && !reader->bad;
}

const Histogram *histogram_get(ByteReader *reader, Arena *arena) {
    Histogram *histogram = arena_new(arena, Histogram);
    uint8_t form = reader_u8(reader);
    histogram->hint = (ResetHint)(form & 3);
    histogram->is_integer = (form & 4) != 0;
    histogram->schema = (int32_t)unzigzag(reader_varint(reader));
    histogram->zero_threshold = get_number(reader);
    histogram->zero_count = get_number(reader);
    histogram->count = get_number(reader);
    histogram->sum = value_of_bits(reader_u64(reader));
    if (!get_side(reader, arena, &histogram->positive) ||
        !get_side(reader, arena, &histogram->negative)) {
        reader->bad = true;
        return NULL;
    }
    uint64_t custom_count = reader_varint(reader);
    if (custom_count > reader_left(reader) / 8) {
        reader->bad = true;
        return NULL;
    }
    double *bounds = arena_raw(arena, custom_count * sizeof *bounds);
    for (uint64_t i = 0; i < custom_count; i++) {
        bounds[i] = value_of_bits(reader_u64(reader));
    }
    histogram->custom_values = bounds;
    histogram->custom_count = (uint32_t)custom_count;
    return reader->bad ? NULL : histogram;
}
