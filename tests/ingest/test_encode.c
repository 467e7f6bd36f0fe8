/* What is written as remote write is read back the same, bit for bit. */

#include <criterion/criterion.h>

#include "ingest/ingest.h"
#include "show.h"

static const Label first[] = {{STR("__name__"), STR("up")}, {STR("job"), STR("nöde\n")}};
static const Label second[] = {{STR("__name__"), STR("h")}};

static const HistogramSpan spans[] = {{-3, 2}, {4, 1}};
static const double counts[] = {1, 5, 2}, fractions[] = {0.5, 0, 1.25}, bounds[] = {-1, 0, 2.5};

static const Histogram histograms[] = {
    {.schema = 3,
     .hint = RESET_NO,
     .is_integer = true,
     .zero_threshold = 1e-128,
     .zero_count = 2,
     .count = 18,
     .sum = -7.5,
     .positive = {spans, counts, 2, 3},
     .negative = {spans, counts, 2, 3}},
    {.schema = -4,
     .hint = RESET_GAUGE,
     .zero_threshold = 0.001,
     .zero_count = 0.25,
     .count = 2,
     .sum = 3,
     .positive = {spans, fractions, 2, 3}},
    {.schema = HISTOGRAM_SCHEMA_CUSTOM,
     .is_integer = true,
     .count = 8,
     .sum = 3,
     .positive = {(const HistogramSpan[]){{0, 3}}, counts, 1, 3},
     .custom_values = bounds,
     .custom_count = 3},
};

Test(encode, remote_write_comes_back_bit_for_bit) {
    const double values[] = {1, -0.0, value_of_bits(STALE_NAN_BITS), value_of_bits(1), 0, 0, 0};
    const TimeMs times[] = {1000, INT64_MAX, INT64_MIN, -1, 1, 2, 3};
    const Histogram *column[] = {NULL,           NULL,           NULL,          NULL,
                                 &histograms[0], &histograms[1], &histograms[2]};
    const BatchSeries series[] = {
        {.labels = {first, 2}, .row_first = 0, .row_count = 4},
        {.labels = {second, 1}, .row_first = 4, .row_count = 3},
    };
    SampleBatch batch = {.series = series,
                         .series_count = 2,
                         .times = times,
                         .values = values,
                         .histograms = column,
                         .row_count = 7};
    Buf packed = {0}, plain = {0};
    ingest_encode_remote_write(&batch, &packed);
    Err err;
    IngestBatch back = {0};
    cr_assert(ingest_unsnappy(buf_view(&packed), 1 << 20, &plain, &err), "%s", err.text);
    cr_assert(ingest_remote_write_v1(buf_view(&plain), NULL, &back, &err), "%s", err.text);
    cr_assert_eq(back.batch.series_count, 2);
    cr_assert_eq(back.batch.row_count, 7);
    cr_expect_eq(back.refused, 0, "%s", back.first_refused.text);
    for (size_t i = 0; i < 2; i++) {
        Arena arena = {0};
        LabelSet labels;
        cr_assert_eq(show_labels(&back.batch, &back.batch.series[i], &arena, &labels, &err),
                     SERIES_USE);
        cr_expect(labels_eq(labels, series[i].labels));
        cr_expect_eq(back.batch.series[i].row_count, series[i].row_count);
        arena_finish(&arena);
    }
    for (size_t row = 0; row < 7; row++) {
        cr_expect_eq(back.batch.times[row], times[row]);
        if (column[row]) {
            cr_expect(histogram_eq(back.batch.histograms[row], column[row]), "row %zu", row);
            cr_expect_eq(back.batch.histograms[row]->hint, column[row]->hint);
        } else {
            cr_expect_eq(value_bits(back.batch.values[row]), value_bits(values[row]), "row %zu",
                         row);
        }
    }
    ingest_batch_finish(&back);
    buf_finish(&packed);
    buf_finish(&plain);
}

Test(encode, an_empty_batch_is_an_empty_request) {
    SampleBatch batch = {0};
    Buf packed = {0}, plain = {0};
    Err err;
    ingest_encode_remote_write(&batch, &packed);
    cr_assert(ingest_unsnappy(buf_view(&packed), 0, &plain, &err), "%s", err.text);
    buf_finish(&packed);
    buf_finish(&plain);
}
