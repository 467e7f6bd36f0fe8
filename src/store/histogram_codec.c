/*
 * THE BYTES OF A LAYOUT
 *
 *     zigzag   schema
 *     varint   number of custom bounds, then 8 bytes each
 *     varint   number of shapes, then each:
 *              u8 reset hint | 4 is integer, 8 bytes zero threshold,
 *              varint positive spans, then each zigzag offset, varint length; the negative ones
 * likewise for runs of samples, until all have a shape: varint shape, varint samples - 1
 *
 * The lanes: count, zero count, sum, then the positive buckets that any shape has, ascending, then
 * the negative ones.
 */

#include "store/histogram_codec.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMN_COUNT, COLUMN_ZERO_COUNT, COLUMN_SUM, COLUMN_BUCKETS };
enum { SHAPE_HINT = 3, SHAPE_INTEGER = 4, SHAPE_FLAGS_ALL = 7 };
enum { POSITIVE, NEGATIVE, SIDES };

/* What may change from sample to sample besides the counts. */
typedef struct Shape {
    ResetHint hint;
    bool is_integer;
    double zero_threshold;
    const HistogramSpan *spans[SIDES];
    uint32_t span_counts[SIDES];
    uint32_t bucket_counts[SIDES];
    uint32_t *columns[SIDES]; /* of each bucket */
} Shape;

struct HistogramLayout {
    int32_t schema;
    const double *custom_values;
    uint32_t custom_count;
    Shape *shapes;
    size_t shape_count;
    uint16_t shape_of[CHUNK_SAMPLES_MAX];
    size_t column_count;
};

/* ---- which buckets there are ---- */

static int position_cmp(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Writes the positions of a side's buckets. */
static void bucket_positions(const HistogramSpan *spans, size_t span_count, int64_t *positions) {
    int64_t at = 0;
    size_t found = 0;
    for (size_t i = 0; i < span_count; i++) {
        at += spans[i].offset;
        for (uint32_t j = 0; j < spans[i].length; j++) {
            positions[found++] = at++;
        }
    }
}

static size_t sort_unique(int64_t *positions, size_t count) {
    if (count) {
        qsort(positions, count, sizeof *positions, position_cmp);
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || positions[i] != positions[kept - 1]) {
            positions[kept++] = positions[i];
        }
    }
    return kept;
}

/* Gives every bucket of one side its column. */
static void place_side(HistogramLayout *layout, int side, Arena *arena) {
    size_t total = 0, at = 0;
    for (size_t i = 0; i < layout->shape_count; i++) {
        total += layout->shapes[i].bucket_counts[side];
    }
    int64_t *positions = arena_raw(arena, (total + 1) * sizeof *positions);
    int64_t *all = arena_raw(arena, (total + 1) * sizeof *all);
    for (size_t i = 0; i < layout->shape_count; i++) {
        const Shape *shape = &layout->shapes[i];
        bucket_positions(shape->spans[side], shape->span_counts[side], positions + at);
        at += shape->bucket_counts[side];
    }
    memcpy(all, positions, total * sizeof *all);
    size_t distinct = sort_unique(all, total);
    for (size_t i = 0; i < layout->shape_count; i++) {
        Shape *shape = &layout->shapes[i];
        shape->columns[side] = arena_array(arena, uint32_t, shape->bucket_counts[side] + 1);
        size_t column = 0; /* both lists ascend */
        for (uint32_t j = 0; j < shape->bucket_counts[side]; j++) {
            while (all[column] < positions[j]) {
                column++;
            }
            shape->columns[side][j] = (uint32_t)(layout->column_count + column);
        }
        positions += shape->bucket_counts[side];
    }
    layout->column_count += distinct;
}

static void place_columns(HistogramLayout *layout, Arena *arena) {
    layout->column_count = COLUMN_BUCKETS;
    for (int side = 0; side < SIDES; side++) {
        place_side(layout, side, arena);
    }
}

/* ---- encoding ---- */

static const HistogramSide *side_of(const Histogram *histogram, int side) {
    return side == POSITIVE ? &histogram->positive : &histogram->negative;
}

static bool same_family(const Histogram *a, const Histogram *b) {
    return a->schema == b->schema && a->custom_count == b->custom_count &&
           (a->custom_count == 0 || memcmp(a->custom_values, b->custom_values,
                                           a->custom_count * sizeof *a->custom_values) == 0);
}

static bool has_shape(const Histogram *histogram, const Shape *shape) {
    bool same = histogram->hint == shape->hint && histogram->is_integer == shape->is_integer &&
                value_bits(histogram->zero_threshold) == value_bits(shape->zero_threshold);
    for (int i = 0; same && i < SIDES; i++) {
        const HistogramSide *side = side_of(histogram, i);
        same = side->span_count == shape->span_counts[i] &&
               (side->span_count == 0 ||
                memcmp(side->spans, shape->spans[i], side->span_count * sizeof *side->spans) == 0);
    }
    return same;
}

static Shape shape_of(const Histogram *histogram) {
    Shape shape = {
        .hint = histogram->hint,
        .is_integer = histogram->is_integer,
        .zero_threshold = histogram->zero_threshold,
    };
    for (int i = 0; i < SIDES; i++) {
        const HistogramSide *side = side_of(histogram, i);
        shape.spans[i] = side->spans;
        shape.span_counts[i] = side->span_count;
        shape.bucket_counts[i] = side->bucket_count;
    }
    return shape;
}

/* Lists the distinct shapes; a sample nearly always has that of the one before. */
static void find_shapes(const Histogram *const *samples, size_t count, HistogramLayout *layout) {
    for (size_t i = 0; i < count; i++) {
        size_t found = i ? layout->shape_of[i - 1] : 0;
        if (i == 0 || !has_shape(samples[i], &layout->shapes[found])) {
            for (found = 0; found < layout->shape_count; found++) {
                if (has_shape(samples[i], &layout->shapes[found])) {
                    break;
                }
            }
        }
        if (found == layout->shape_count) {
            layout->shapes[layout->shape_count++] = shape_of(samples[i]);
        }
        layout->shape_of[i] = (uint16_t)found;
    }
}

static HistogramLayout *layout_of(const Histogram *const *samples, size_t count, Arena *arena) {
    HistogramLayout *layout = arena_new(arena, HistogramLayout);
    layout->schema = samples[0]->schema;
    layout->custom_values = samples[0]->custom_values;
    layout->custom_count = samples[0]->custom_count;
    layout->shapes = arena_array(arena, Shape, count);
    find_shapes(samples, count, layout);
    place_columns(layout, arena);
    return layout;
}

size_t histogram_chunk_length(const Histogram *const *samples, size_t count, size_t values_max) {
    size_t length = 1;
    while (length < count && length < CHUNK_SAMPLES_MAX &&
           same_family(samples[0], samples[length])) {
        length++;
    }
    while (length > 1) {
        AUTO(arena_finish) Arena scratch = {0};
        size_t columns = layout_of(samples, length, &scratch)->column_count;
        if (columns * length <= values_max) {
            break;
        }
        length = values_max / columns ? values_max / columns : 1;
    }
    return length;
}

static void put_shape(Buf *out, const Shape *shape) {
    buf_byte(out, (char)((int)shape->hint | (shape->is_integer ? SHAPE_INTEGER : 0)));
    buf_u64(out, value_bits(shape->zero_threshold));
    for (int side = 0; side < SIDES; side++) {
        buf_varint(out, shape->span_counts[side]);
        for (uint32_t i = 0; i < shape->span_counts[side]; i++) {
            buf_varint(out, zigzag(shape->spans[side][i].offset));
            buf_varint(out, shape->spans[side][i].length);
        }
    }
}

static void put_layout(Buf *out, const HistogramLayout *layout, size_t count) {
    buf_varint(out, zigzag(layout->schema));
    buf_varint(out, layout->custom_count);
    for (uint32_t i = 0; i < layout->custom_count; i++) {
        buf_u64(out, value_bits(layout->custom_values[i]));
    }
    buf_varint(out, layout->shape_count);
    for (size_t i = 0; i < layout->shape_count; i++) {
        put_shape(out, &layout->shapes[i]);
    }
    for (size_t i = 0, run; i < count; i += run) {
        for (run = 1; i + run < count && layout->shape_of[i + run] == layout->shape_of[i];) {
            run++;
        }
        buf_varint(out, layout->shape_of[i]);
        buf_varint(out, run - 1);
    }
}

void histogram_encode(const Histogram *const *samples, size_t count, Arena *arena, Buf *layout_out,
                      uint64_t **ret_columns, size_t *ret_column_count) {
    assert(count >= 1 && count <= CHUNK_SAMPLES_MAX);
    HistogramLayout *layout = layout_of(samples, count, arena);
    put_layout(layout_out, layout, count);
    uint64_t *columns = arena_array(arena, uint64_t, layout->column_count * count);
    for (size_t row = 0; row < count; row++) {
        const Histogram *sample = samples[row];
        const Shape *shape = &layout->shapes[layout->shape_of[row]];
        columns[COLUMN_COUNT * count + row] = value_bits(sample->count);
        columns[COLUMN_ZERO_COUNT * count + row] = value_bits(sample->zero_count);
        columns[COLUMN_SUM * count + row] = value_bits(sample->sum);
        for (int side = 0; side < SIDES; side++) {
            const double *counts = side_of(sample, side)->counts;
            for (uint32_t i = 0; i < shape->bucket_counts[side]; i++) {
                columns[shape->columns[side][i] * count + row] = value_bits(counts[i]);
            }
        }
    }
    *ret_columns = columns;
    *ret_column_count = layout->column_count;
}

/* ---- decoding ---- */

static bool corrupt(Err *err, const char *what) {
    return err_set(err, ERR_CORRUPT, "histogram layout: %s", what);
}

static bool read_side(ByteReader *reader, Shape *shape, int side, size_t buckets_max, Arena *arena,
                      Err *err) {
    uint64_t count = reader_varint(reader), buckets = 0;
    if (count > reader_left(reader)) { /* each takes two bytes */
        return corrupt(err, "spans break off");
    }
    HistogramSpan *spans = arena_array(arena, HistogramSpan, count + 1);
    for (size_t i = 0; i < count; i++) {
        int64_t offset = unzigzag(reader_varint(reader));
        uint64_t length = reader_varint(reader);
        if (offset < (i ? 0 : INT32_MIN) || offset > INT32_MAX || length > buckets_max - buckets) {
            return corrupt(err, "span makes no sense");
        }
        buckets += length;
        spans[i] = (HistogramSpan){(int32_t)offset, (uint32_t)length};
    }
    shape->spans[side] = spans;
    shape->span_counts[side] = (uint32_t)count;
    shape->bucket_counts[side] = (uint32_t)buckets;
    return true;
}

static bool read_shape(ByteReader *reader, Shape *shape, size_t column_count, Arena *arena,
                       Err *err) {
    uint8_t flags = reader_u8(reader);
    shape->hint = (ResetHint)(flags & SHAPE_HINT);
    shape->is_integer = flags & SHAPE_INTEGER;
    shape->zero_threshold = value_of_bits(reader_u64(reader));
    if (flags & ~SHAPE_FLAGS_ALL) {
        return corrupt(err, "shape makes no sense");
    }
    for (int side = 0; side < SIDES; side++) {
        if (!read_side(reader, shape, side, column_count, arena, err)) {
            return false;
        }
    }
    return true;
}

static bool read_family(ByteReader *reader, HistogramLayout *layout, Arena *arena, Err *err) {
    int64_t schema = unzigzag(reader_varint(reader));
    uint64_t customs = reader_varint(reader);
    if (schema < INT32_MIN || schema > INT32_MAX || customs > reader_left(reader) / 8) {
        return corrupt(err, "schema makes no sense");
    }
    double *values = arena_array(arena, double, customs + 1);
    for (size_t i = 0; i < customs; i++) {
        values[i] = value_of_bits(reader_u64(reader));
    }
    layout->schema = (int32_t)schema;
    layout->custom_values = customs ? values : NULL;
    layout->custom_count = (uint32_t)customs;
    return true;
}

static bool read_runs(ByteReader *reader, HistogramLayout *layout, size_t count, Err *err) {
    for (size_t at = 0; at < count;) {
        uint64_t shape = reader_varint(reader), more = reader_varint(reader);
        if (reader->bad || shape >= layout->shape_count || more >= count - at) {
            return corrupt(err, "runs make no sense");
        }
        for (size_t end = at + more + 1; at < end; at++) {
            layout->shape_of[at] = (uint16_t)shape;
        }
    }
    return reader_left(reader) == 0 || corrupt(err, "has bytes left over");
}

bool histogram_layout_read(Str bytes, size_t count, size_t column_count, Arena *arena,
                           HistogramLayout **ret_layout, Err *err) {
    ByteReader reader = reader_of(bytes);
    HistogramLayout *layout = arena_new(arena, HistogramLayout);
    if (!read_family(&reader, layout, arena, err)) {
        return false;
    }
    layout->shape_count = reader_varint(&reader);
    if (count > CHUNK_SAMPLES_MAX || layout->shape_count == 0 || layout->shape_count > count) {
        return corrupt(err, "has an impossible number of shapes");
    }
    layout->shapes = arena_array(arena, Shape, layout->shape_count);
    for (size_t i = 0; i < layout->shape_count; i++) {
        if (!read_shape(&reader, &layout->shapes[i], column_count, arena, err)) {
            return false;
        }
    }
    if (!read_runs(&reader, layout, count, err)) {
        return false;
    }
    place_columns(layout, arena);
    if (layout->column_count != column_count) {
        return corrupt(err, "needs another number of lanes");
    }
    *ret_layout = layout;
    return true;
}

static HistogramSide decode_side(const Shape *shape, int side, const uint64_t *columns,
                                 size_t stride, size_t row, Arena *arena) {
    uint32_t count = shape->bucket_counts[side];
    double *counts = arena_raw(arena, (count + 1) * sizeof *counts);
    for (uint32_t i = 0; i < count; i++) {
        counts[i] = value_of_bits(columns[shape->columns[side][i] * stride + row]);
    }
    return (HistogramSide){
        .spans = shape->spans[side],
        .counts = counts,
        .span_count = shape->span_counts[side],
        .bucket_count = count,
    };
}

Histogram *histogram_decode(const HistogramLayout *layout, size_t sample, const uint64_t *columns,
                            size_t stride, size_t row, Arena *arena) {
    assert(sample < CHUNK_SAMPLES_MAX);
    const Shape *shape = &layout->shapes[layout->shape_of[sample]];
    Histogram *histogram = arena_new(arena, Histogram);
    *histogram = (Histogram){
        .schema = layout->schema,
        .hint = shape->hint,
        .is_integer = shape->is_integer,
        .zero_threshold = shape->zero_threshold,
        .zero_count = value_of_bits(columns[COLUMN_ZERO_COUNT * stride + row]),
        .count = value_of_bits(columns[COLUMN_COUNT * stride + row]),
        .sum = value_of_bits(columns[COLUMN_SUM * stride + row]),
        .positive = decode_side(shape, POSITIVE, columns, stride, row, arena),
        .negative = decode_side(shape, NEGATIVE, columns, stride, row, arena),
        .custom_values = layout->custom_values,
        .custom_count = layout->custom_count,
    };
    return histogram;
}
