/* Frames and the codec in them: every column comes back bit for bit, whatever is in it, and damaged
 * bytes are refused. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "columns.h"
#include "store/frame.h"

enum { COLUMNS_MAX = 300 };

/* What a frame was written from. */
typedef struct Column {
    uint64_t bits[CHUNK_SAMPLES_MAX];
    uint8_t present[CHUNK_SAMPLES_MAX];
    size_t count;
    bool gaps;
    bool times;
} Column;

static LaneInput input_of(const Column *column, uint64_t group) {
    return (LaneInput){
        .bits = column->bits,
        .present = column->gaps ? column->present : NULL,
        .count = column->count,
        .group = group,
        .integers = column->times,
    };
}

static void fill_gaps(Random *random, Column *column) {
    uint64_t rate = 1 + random_below(random, 20);
    for (size_t i = 0; i < column->count; i++) {
        column->present[i] = random_below(random, rate) != 0;
    }
    column->present[random_below(random, column->count)] = 1;
}

static void assert_lane(const Frame *frame, FrameMemo *memo, uint32_t lane, const Column *column,
                        const char *what) {
    uint64_t alone[CHUNK_SAMPLES_MAX], scanned[CHUNK_SAMPLES_MAX];
    frame_read_lane(frame, lane, alone);
    frame_scan_lane(frame, memo, lane, scanned);
    for (size_t i = 0; i < column->count; i++) {
        uint64_t want = column->gaps && !column->present[i] ? 0 : column->bits[i];
        cr_assert_eq(alone[i], want, "%s: lane %u, value %zu: %016lx, want %016lx", what, lane, i,
                     alone[i], want);
        cr_assert_eq(scanned[i], want, "%s: lane %u, value %zu when scanned", what, lane, i);
    }
}

/* Writes the columns as a frame of one chunk each and compares what comes back. */
static void assert_frame(const Column *columns, size_t count, const char *what) {
    AUTO(frame_writer_freep) FrameWriter *writer = frame_writer_new(FRAME_VALUES, 3);
    for (size_t i = 0; i < count; i++) {
        LaneInput input = input_of(&columns[i], 7);
        FrameChunk chunk = {
            .ordinal = (uint32_t)(i * 3),
            .column = (uint32_t)(i % 5),
            .count = (uint16_t)columns[i].count,
            .start = i % 3 ? (TimeMs)(i % 7) * 1000 : 0,
        };
        frame_writer_add(writer, &chunk, &input, 1);
    }
    AUTO(buf_finish) Buf bytes = {0};
    frame_writer_flush(writer, &bytes);

    Err err;
    AUTO(frame_freep) Frame *frame = NULL;
    cr_assert(frame_open(buf_view(&bytes), &frame, &err), "%s: %s", what, err.text);
    size_t chunk_count;
    const FrameChunk *chunks = frame_chunks(frame, &chunk_count);
    cr_assert_eq(chunk_count, count);
    FrameMemo *memo = calloc(1, sizeof *memo);
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(chunks[i].ordinal, i * 3);
        cr_assert_eq(chunks[i].column, i % 5);
        cr_assert_eq(chunks[i].count, columns[i].count);
        cr_assert_eq(chunks[i].start, i % 3 ? (TimeMs)(i % 7) * 1000 : 0);
        assert_lane(frame, memo, chunks[i].lane_first, &columns[i], what);
    }
    free(memo);
}

Test(frame, gives_back_every_kind_of_column_at_every_length) {
    Random random = {1};
    Column *column = calloc(1, sizeof *column);
    for (int kind = 0; kind < COLUMN_KINDS; kind++) {
        for (size_t count = 1; count <= CHUNK_SAMPLES_MAX; count += count < 20 ? 1 : 41) {
            *column = (Column){.count = count};
            column_fill(&random, (ColumnKind)kind, count, column->bits);
            char what[64];
            snprintf(what, sizeof what, "kind %d, %zu values", kind, count);
            assert_frame(column, 1, what);
        }
    }
    free(column);
}

Test(frame, gives_back_random_mixtures_with_gaps) {
    Column *columns = calloc(COLUMNS_MAX, sizeof *columns);
    for (uint64_t seed = 1; seed <= 40; seed++) {
        Random random = {seed};
        size_t count = 1 + random_below(&random, COLUMNS_MAX);
        size_t length = 1 + random_below(&random, CHUNK_SAMPLES_MAX);
        for (size_t i = 0; i < count; i++) {
            columns[i] = (Column){.count = length};
            if (random_below(&random, 10) == 0) {
                columns[i].count = 1 + random_below(&random, length);
            }
            column_fill(&random, (ColumnKind)random_below(&random, COLUMN_KINDS), columns[i].count,
                        columns[i].bits);
            if (i && columns[i].count == columns[i - 1].count && random_below(&random, 4) == 0) {
                memcpy(columns[i].bits, columns[i - 1].bits, sizeof columns[i].bits);
                columns[i].bits[random_below(&random, columns[i].count)] += 1;
            }
            columns[i].gaps = random_below(&random, 4) == 0;
            if (columns[i].gaps) {
                fill_gaps(&random, &columns[i]);
            }
        }
        char what[64];
        snprintf(what, sizeof what, "seed %lu", seed);
        assert_frame(columns, count, what);
    }
    free(columns);
}

Test(frame, finds_neighbours_that_move_together_and_cuts_long_chains) {
    Random random = {3};
    Column *columns = calloc(100, sizeof *columns);
    columns[0].count = 480;
    column_fill(&random, COLUMN_COUNTER, 480, columns[0].bits);
    for (size_t i = 1; i < 100; i++) {
        columns[i] = columns[i - 1];
        double more = 0;
        for (size_t j = 0; j < 480; j++) {
            more += random_below(&random, 200) == 0;
            columns[i].bits[j] = value_bits(value_of_bits(columns[i].bits[j]) + more);
        }
    }
    assert_frame(columns, 100, "buckets");
    free(columns);
}

Test(frame, keeps_times_as_integers_of_64_bits) {
    Column *columns = calloc(3, sizeof *columns);
    for (size_t i = 0; i < 3; i++) {
        columns[i] = (Column){.count = 200, .times = true};
    }
    Random random = {9};
    for (size_t i = 0; i < 200; i++) {
        columns[0].bits[i] = 1700000000000 + i * 15000;
        columns[1].bits[i] = 1700000000000 + i * 15000 + random_below(&random, 20);
        columns[2].bits[i] = random_next(&random);
    }
    AUTO(frame_writer_freep) FrameWriter *writer = frame_writer_new(FRAME_TIMES, 3);
    for (size_t i = 0; i < 3; i++) {
        LaneInput input = input_of(&columns[i], 0);
        frame_writer_add(writer, &(FrameChunk){.ordinal = (uint32_t)i, .count = 200}, &input, 1);
    }
    AUTO(buf_finish) Buf bytes = {0};
    frame_writer_flush(writer, &bytes);
    Err err;
    AUTO(frame_freep) Frame *frame = NULL;
    cr_assert(frame_open(buf_view(&bytes), &frame, &err), "%s", err.text);
    FrameMemo *memo = calloc(1, sizeof *memo);
    for (uint32_t i = 0; i < 3; i++) {
        assert_lane(frame, memo, i, &columns[i], "times");
    }
    free(memo);
    free(columns);
}

/* A frame with a bit of everything. */
static void mixed_frame(Buf *out) {
    AUTO(frame_writer_freep) FrameWriter *writer = frame_writer_new(FRAME_VALUES, 3);
    Random random = {5};
    Column *column = calloc(1, sizeof *column);
    for (int kind = 0; kind < COLUMN_KINDS; kind++) {
        column->count = 40;
        column->gaps = kind % 3 == 0;
        fill_gaps(&random, column);
        column_fill(&random, (ColumnKind)kind, 40, column->bits);
        LaneInput input = input_of(column, 0);
        frame_writer_add(writer, &(FrameChunk){.ordinal = (uint32_t)kind, .count = 40}, &input, 1);
    }
    free(column);
    frame_writer_flush(writer, out);
}

Test(frame, refuses_every_prefix_and_every_flipped_bit) {
    AUTO(buf_finish) Buf bytes = {0};
    mixed_frame(&bytes);
    Err err;
    for (size_t len = 0; len < bytes.len; len++) {
        Frame *frame = NULL;
        cr_assert(!frame_open((Str){bytes.ptr, len}, &frame, &err), "prefix of %zu bytes", len);
    }
    for (size_t bit = 0; bit < bytes.len * 8; bit++) {
        bytes.ptr[bit / 8] ^= (char)(1 << bit % 8);
        Frame *frame = NULL;
        cr_assert(!frame_open(buf_view(&bytes), &frame, &err), "bit %zu", bit);
        bytes.ptr[bit / 8] ^= (char)(1 << bit % 8);
    }
}

Test(frame, is_copied_for_other_ordinals_and_keeps_its_values) {
    AUTO(buf_finish) Buf bytes = {0};
    AUTO(buf_finish) Buf moved = {0};
    mixed_frame(&bytes);
    uint32_t ordinals[COLUMN_KINDS];
    for (uint32_t i = 0; i < COLUMN_KINDS; i++) {
        ordinals[i] = 1000 + i * i;
    }
    Err err;
    FrameCopy copy = {.ordinals = ordinals, .recompress = true, .zstd_level = 12};
    cr_assert(frame_copy(buf_view(&bytes), &copy, &moved, &err), "%s", err.text);
    AUTO(frame_freep) Frame *before = NULL;
    AUTO(frame_freep) Frame *after = NULL;
    cr_assert(frame_open(buf_view(&bytes), &before, &err), "%s", err.text);
    cr_assert(frame_open(buf_view(&moved), &after, &err), "%s", err.text);
    size_t count;
    const FrameChunk *chunks = frame_chunks(after, &count);
    cr_assert_eq(count, COLUMN_KINDS);
    for (uint32_t i = 0; i < COLUMN_KINDS; i++) {
        uint64_t old[CHUNK_SAMPLES_MAX], new[CHUNK_SAMPLES_MAX];
        cr_expect_eq(chunks[i].ordinal, 1000 + i * i);
        cr_expect_eq(frame_find(after, 1000 + i * i), i);
        frame_read_lane(before, i, old);
        frame_read_lane(after, i, new);
        cr_expect_arr_eq(old, new, 40 * sizeof *old);
    }
}
