/* Answers in the JSON of Prometheus' query API. */

#include "promql/value_json.h"

#include <criterion/criterion.h>
#include <math.h>

#include "base/json.h"
#include "promql/series_desc.h"

static void assert_json(const Value *value, bool instant, size_t limit, const char *want) {
    AUTO(buf_finish) Buf buf = {0};
    JsonWriter json = json_writer(&buf);
    value_json(&json, value, instant, limit);
    cr_expect(str_eq(buf_view(&buf), str_of(want)), "want %s\n  got  %.*s", want,
              STR_ARG(buf_view(&buf)));
}

Test(value_json, writes_numbers_as_prometheus_does) {
    static const struct {
        double value;
        const char *want;
    } rows[] = {{1, "\"1\""},           {0.1, "\"0.1\""},
                {-0.0, "\"-0\""},       {1e20, "\"100000000000000000000\""},
                {1e21, "\"1e+21\""},    {1e-6, "\"0.000001\""},
                {1e-7, "\"1e-07\""},    {NAN, "\"NaN\""},
                {INFINITY, "\"+Inf\""}, {-INFINITY, "\"-Inf\""}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        AUTO(buf_finish) Buf buf = {0};
        value_number_put(&buf, rows[i].value);
        cr_expect(str_eq(buf_view(&buf), str_of(rows[i].want)), "want %s, got %.*s", rows[i].want,
                  STR_ARG(buf_view(&buf)));
    }
}

Test(value_json, writes_times_in_seconds_with_three_decimals_or_none) {
    static const struct {
        TimeMs time;
        const char *want;
    } rows[] = {{0, "0"},          {1435781451781, "1435781451.781"},
                {1500, "1.500"},   {1005, "1.005"},
                {-1500, "-1.500"}, {2000, "2"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        AUTO(buf_finish) Buf buf = {0};
        value_time_put(&buf, rows[i].time);
        cr_expect(str_eq(buf_view(&buf), str_of(rows[i].want)), "want %s, got %.*s", rows[i].want,
                  STR_ARG(buf_view(&buf)));
    }
}

Test(value_json, writes_each_type) {
    Value scalar = {.type = VALUE_SCALAR, .time = 1500, .scalar = 1e30};
    assert_json(&scalar, true, 0,
                "{\"resultType\":\"scalar\",\"result\":[1.5,\"1000000000000000000000000000000\"]}");
    Value string = {.type = VALUE_STRING, .time = 1000, .string = STR("a\"b")};
    assert_json(&string, true, 0, "{\"resultType\":\"string\",\"result\":[1,\"a\\\"b\"]}");

    Label labels[] = {{STR("__name__"), STR("up")}, {STR("job"), STR("x<y")}};
    TimeMs times[] = {1000, 2000};
    double values[] = {1, 0.5};
    ValueSeries series[] = {{.labels = {labels, 2}, .times = times, .values = values, .count = 1},
                            {.times = times, .values = values, .count = 1}};
    Value vector = {.type = VALUE_VECTOR, .series = series, .series_count = 2};
    assert_json(&vector, true, 1,
                "{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"__name__\":\"up\",\"job\":"
                "\"x<y\"},\"value\":[1,\"1\"]}]}");
    series[1].count = 2;
    Value matrix = {.type = VALUE_MATRIX, .series = series + 1, .series_count = 1};
    assert_json(&matrix, false, 0,
                "{\"resultType\":\"matrix\",\"result\":[{\"metric\":{},\"values\":[[1,\"1\"],[2,"
                "\"0.5\"]]}]}");
    Value empty = {.type = VALUE_VECTOR};
    assert_json(&empty, true, 0, "{\"resultType\":\"vector\",\"result\":[]}");
}

Test(value_json, keeps_floats_and_histograms_of_a_series_apart) {
    Arena arena = {0};
    Err err = {0};
    SeriesPoint *points;
    size_t count;
    cr_assert(series_values_parse(
                  &arena,
                  STR("{{schema:0 sum:1.5 count:7 z_bucket:2 z_bucket_w:0.1 buckets:[1 0 2] "
                      "n_buckets:[2]}} 3"),
                  &points, &count, &err),
              "%s", err.text);
    TimeMs times[] = {1000, 2000};
    double values[] = {0, 3};
    const Histogram *histograms[] = {points[0].histogram, NULL};
    ValueSeries series = {.times = times, .values = values, .histograms = histograms, .count = 2};
    Value matrix = {.type = VALUE_MATRIX, .series = &series, .series_count = 1};
    assert_json(&matrix, false, 0,
                "{\"resultType\":\"matrix\",\"result\":[{\"metric\":{},\"values\":[[2,\"3\"]],"
                "\"histograms\":[[1,{\"count\":\"7\",\"sum\":\"1.5\",\"buckets\":[[1,\"-1\",\"-0."
                "5\",\"2\"],"
                "[3,\"-0.1\",\"0.1\",\"2\"],[0,\"0.5\",\"1\",\"1\"],[0,\"2\",\"4\",\"2\"]]}]]}]}");
    arena_finish(&arena);
}
