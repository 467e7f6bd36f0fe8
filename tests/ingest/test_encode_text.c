/* Exports as text: JSON lines come back bit for bit, OpenMetrics names its series right. */

#include <criterion/criterion.h>
#include <math.h>

#include "ingest/ingest.h"
#include "show.h"

static const Label labels[] = {{STR("__name__"), STR("up")},
                               {STR("job"), STR("n\xc3\xb6"
                                                "de\n\"\\")},
                               {STR("z"), STR("1")}};

static const Histogram histogram = {.schema = 0, .count = 1, .sum = 1};

Test(encode_text, a_json_line_comes_back_bit_for_bit) {
    const double values[] = {0.1,      -0.0,      value_of_bits(STALE_NAN_BITS), value_of_bits(1),
                             INFINITY, -INFINITY, 1.7976931348623157e308,        7};
    const TimeMs times[] = {-5, 0, 1, 2, 3, 4, INT64_C(1) << 52, (INT64_C(1) << 52) + 1};
    const Histogram *column[8] = {NULL, NULL, NULL, NULL, NULL, NULL, NULL, &histogram};
    IngestSeries series = {{labels, 3}, times, values, column, 8};
    Buf line = {0};
    Err err = {0};
    cr_assert(ingest_encode_json_line(&series, &line));
    IngestStream *stream = ingest_stream_new(&(IngestStreamOptions){.format = INGEST_JSONL});
    cr_assert(ingest_stream_push(stream, buf_view(&line), true, &err), "%s", err.text);
    const SampleBatch *batch = ingest_stream_batch(stream);
    cr_assert(batch && batch->series_count == 1 && batch->row_count == 7);
    for (size_t i = 0; i < 7; i++) {
        cr_expect_eq(value_bits(batch->values[i]), value_bits(values[i]), "value %zu", i);
        cr_expect_eq(batch->times[i], times[i], "time %zu", i);
    }
    Arena arena = {0};
    LabelSet back;
    cr_assert_eq(show_labels(batch, &batch->series[0], &arena, &back, &err), SERIES_USE);
    cr_expect(labels_eq(back, series.labels));
    ingest_stream_free(stream);
    arena_finish(&arena);
    buf_finish(&line);
}

static const char *open_metrics(Arena *arena, const IngestSeries *series) {
    Buf out = {0};
    ingest_encode_openmetrics(series, &out);
    const char *text = arena_cstr(arena, buf_view(&out));
    buf_finish(&out);
    return text;
}

Test(encode_text, openmetrics_quotes_what_it_has_to) {
    static const Label utf8[] = {{STR("__name__"), STR("sys.cpu")}, {STR("a.b"), STR("x")}};
    static const Label bare[] = {{STR("__name__"), STR("up")}};
    const double values[] = {1.5, value_of_bits(STALE_NAN_BITS), -INFINITY, NAN};
    const TimeMs times[] = {1700000000123, 2, -1500, 3};
    Arena arena = {0};
    cr_expect_str_eq(open_metrics(&arena, &(IngestSeries){{labels, 3}, times, values, NULL, 1}),
                     "up{job=\"n\xc3\xb6"
                     "de\\n\\\"\\\\\",z=\"1\"} 1.5 1700000000.123\n");
    cr_expect_str_eq(open_metrics(&arena, &(IngestSeries){{utf8, 2}, times, values, NULL, 1}),
                     "{\"sys.cpu\",\"a.b\"=\"x\"} 1.5 1700000000.123\n");
    cr_expect_str_eq(open_metrics(&arena, &(IngestSeries){{bare, 1}, times, values, NULL, 4}),
                     "up{} 1.5 1700000000.123\nup{} -Inf -1.500\nup{} NaN 0.003\n");
    arena_finish(&arena);
}

Test(encode_text, a_series_without_floats_is_left_out) {
    const Histogram *column[] = {&histogram};
    IngestSeries series = {{labels, 3}, &(TimeMs){1}, &(double){1}, column, 1};
    Buf out = {0};
    cr_expect_not(ingest_encode_json_line(&series, &out));
    cr_expect_not(ingest_encode_openmetrics(&series, &out));
    cr_expect_eq(out.len, 0);
    buf_finish(&out);
}
