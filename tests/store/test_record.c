/* Log records: what is put is got back, and no prefix or flipped bit of a good one is read out of
 * bounds or as more than it is. */

#include <criterion/criterion.h>

#include "store/record.h"

enum { ROWS = 50 };

static void fill_rows(RecordRow rows[ROWS], const Histogram *histogram) {
    static const double values[] = {0, -0.0, 1, -7, 0.1, 1e300, 9007199254740991, 0x1p60};
    for (size_t i = 0; i < ROWS; i++) {
        rows[i] = (RecordRow){.ref = (uint32_t)((i % 3) << 28 | (i * 5)),
                              .sample = {.time = 1700000000000 + (TimeMs)(i / 9) * 77,
                                         .value = values[i % (sizeof values / sizeof *values)],
                                         .histogram = i % 11 == 10 ? histogram : NULL,
                                         .start = i % 7 == 6 ? 1600000000000 : 0}};
    }
}

static const HistogramSpan span = {-3, 2};
static const double counts[] = {1, 2.5};
static const Histogram histogram = {.schema = -4,
                                    .hint = RESET_GAUGE,
                                    .zero_threshold = 1e-9,
                                    .zero_count = 3,
                                    .count = 6.5,
                                    .sum = -1.25,
                                    .positive = {&span, counts, 1, 2}};

static void put_rows(Buf *buf) {
    RecordRow rows[ROWS];
    fill_rows(rows, &histogram);
    record_put_samples(buf, &(RecordSamples){1700000000001, true, rows, ROWS});
}

Test(record, samples_come_back_as_they_were) {
    Buf buf = {0};
    Arena arena = {0};
    RecordRow want[ROWS];
    fill_rows(want, &histogram);
    put_rows(&buf);
    RecordSamples got;
    cr_assert(record_get_samples(buf_view(&buf), &arena, &got));
    cr_expect(got.now == 1700000000001 && got.own);
    cr_assert_eq(got.row_count, ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        const OpenSample *a = &want[i].sample, *b = &got.rows[i].sample;
        cr_expect_eq(want[i].ref, got.rows[i].ref, "row %zu", i);
        cr_expect(a->time == b->time && a->start == b->start, "row %zu", i);
        cr_assert_eq(!a->histogram, !b->histogram, "row %zu", i);
        if (a->histogram) {
            cr_expect(histogram_eq(a->histogram, b->histogram) &&
                      a->histogram->hint == b->histogram->hint);
        } else {
            cr_expect_eq(value_bits(a->value), value_bits(b->value), "row %zu", i);
        }
    }
    arena_finish(&arena);
    buf_finish(&buf);
}

Test(record, no_prefix_of_a_record_is_a_record) {
    Buf buf = {0};
    put_rows(&buf);
    for (size_t len = 0; len < buf.len; len++) {
        Arena arena = {0};
        RecordSamples got;
        cr_expect_not(record_get_samples((Str){buf.ptr, len}, &arena, &got), "%zu bytes", len);
        arena_finish(&arena);
    }
    buf_finish(&buf);
}

Test(record, a_flipped_bit_does_no_harm) {
    Buf buf = {0};
    put_rows(&buf);
    for (size_t bit = 0; bit < buf.len * 8; bit++) {
        Arena arena = {0};
        RecordSamples got = {0};
        buf.ptr[bit / 8] = (char)(buf.ptr[bit / 8] ^ 1 << bit % 8);
        if (record_get_samples(buf_view(&buf), &arena, &got)) {
            cr_expect_leq(got.row_count, buf.len);
        }
        buf.ptr[bit / 8] = (char)(buf.ptr[bit / 8] ^ 1 << bit % 8);
        arena_finish(&arena);
    }
    buf_finish(&buf);
}
