/*
 * Comparing an answer with what a test script expects.
 *
 * Values are equal if they differ by less than a millionth of their sum (or are both NaN), as in
 * Prometheus' own runner; histograms are if all of their parts are so, however their spans are cut.
 */

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/number.h"
#include "base/regex.h"
#include "promql/testlang.h"

#define TOLERANCE 0.000001

static bool almost_equal(double a, double b) {
    if (value_is_stale(a) || value_is_stale(b)) {
        return value_is_stale(a) && value_is_stale(b);
    }
    if ((isnan(a) && isnan(b)) || a == b) {
        return true;
    }
    double sum = fabs(a) + fabs(b);
    double difference = fabs(a - b);
    if (a == 0 || b == 0 || sum < DBL_MIN) {
        return difference < TOLERANCE * DBL_MIN;
    }
    return difference / fmin(sum, DBL_MAX) < TOLERANCE;
}

/* ---- histograms ---- */

/* Walks the buckets of a side that are not empty. */
typedef struct SideCursor {
    const HistogramSide *side;
    uint32_t span, in_span, bucket;
    int64_t index; /* of the bucket given last */
} SideCursor;

static bool next_bucket(SideCursor *cursor, double *ret_count) {
    const HistogramSide *side = cursor->side;
    while (cursor->span < side->span_count) {
        const HistogramSpan *span = &side->spans[cursor->span];
        if (cursor->in_span == 0) {
            cursor->index += span->offset;
        }
        if (cursor->in_span == span->length) {
            cursor->span++;
            cursor->in_span = 0;
            continue;
        }
        cursor->in_span++;
        cursor->index++;
        *ret_count = side->counts[cursor->bucket++];
        if (*ret_count != 0) {
            return true;
        }
    }
    return false;
}

static bool sides_equal(const HistogramSide *a, const HistogramSide *b) {
    SideCursor left = {.side = a};
    SideCursor right = {.side = b};
    for (;;) {
        double left_count = 0;
        double right_count = 0;
        bool more = next_bucket(&left, &left_count);
        if (more != next_bucket(&right, &right_count)) {
            return false;
        }
        if (!more) {
            return true;
        }
        if (left.index != right.index || !almost_equal(left_count, right_count)) {
            return false;
        }
    }
}

static bool bounds_equal(const Histogram *a, const Histogram *b) {
    if (a->schema != HISTOGRAM_SCHEMA_CUSTOM) {
        return true;
    }
    if (a->custom_count != b->custom_count) {
        return false;
    }
    for (uint32_t i = 0; i < a->custom_count; i++) {
        if (a->custom_values[i] != b->custom_values[i]) {
            return false;
        }
    }
    return true;
}

static bool histograms_equal(const Histogram *want, const Histogram *got, bool with_hint) {
    return want->schema == got->schema && almost_equal(want->count, got->count) &&
           almost_equal(want->sum, got->sum) && want->zero_threshold == got->zero_threshold &&
           almost_equal(want->zero_count, got->zero_count) && bounds_equal(want, got) &&
           sides_equal(&want->positive, &got->positive) &&
           sides_equal(&want->negative, &got->negative) && (!with_hint || want->hint == got->hint);
}

/* ---- reports ---- */

static void put_point(Buf *buf, double value, const Histogram *histogram) {
    if (!histogram) {
        number_put(buf, value);
        return;
    }
    static const char *const hints[] = {"", " reset", " not_reset", " gauge"};
    buf_printf(buf, "schema %d%s ", histogram->schema, hints[histogram->hint]);
    histogram_print(buf, histogram);
}

static bool fail_series(Err *err, LabelSet labels, const char *what) {
    AUTO(buf_finish) Buf text = {0};
    labels_print(&text, labels);
    return err_set(err, ERR_INVALID, "%s: %.*s", what, STR_ARG(buf_view(&text)));
}

static bool fail_point(Err *err, LabelSet labels, const SeriesPoint *want, double value,
                       const Histogram *histogram) {
    AUTO(buf_finish) Buf text = {0};
    labels_print(&text, labels);
    buf_str(&text, STR(": want "));
    put_point(&text, want->value, want->histogram);
    buf_str(&text, STR(", got "));
    put_point(&text, value, histogram);
    return err_set(err, ERR_INVALID, "%.*s", STR_ARG(buf_view(&text)));
}

/* ---- values ---- */

static bool point_equal(const SeriesPoint *want, double value, const Histogram *histogram) {
    if (!want->histogram != !histogram) {
        return false;
    }
    return histogram ? histograms_equal(want->histogram, histogram, want->hint_given)
                     : almost_equal(want->value, value);
}

static const Histogram *histogram_of(const ValueSeries *series, size_t point) {
    return series->histograms ? series->histograms[point] : NULL;
}

/* Index of the expected series with these labels, the last if it is there twice. */
static bool find_expected(const TestEval *eval, LabelSet labels, size_t *ret_index) {
    for (size_t i = eval->series_count; i-- > 0;) {
        if (labels_eq(eval->series[i].labels, labels)) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

static bool check_all_seen(const TestEval *eval, const bool *seen, Err *err) {
    for (size_t i = 0; i < eval->series_count; i++) {
        size_t last;
        if (!seen[i] && find_expected(eval, eval->series[i].labels, &last) && last == i) {
            return fail_series(err, eval->series[i].labels, "expected series is missing");
        }
    }
    return true;
}

/* One point of an expected instant vector. `position` counts the answer's series. */
static bool check_sample(const TestEval *eval, const ValueSeries *series, size_t point,
                         size_t position, bool *seen, Err *err) {
    size_t index;
    if (!find_expected(eval, series->labels, &index)) {
        return fail_series(err, series->labels, "unexpected series");
    }
    if (test_expects(eval, EXPECT_ORDERED) && index != position) {
        return fail_series(err, series->labels, "series is not where it is expected");
    }
    seen[index] = true;
    const SeriesDesc *want = &eval->series[index];
    const SeriesPoint *first = want->count ? &want->points[0] : &(SeriesPoint){0};
    return point_equal(first, series->values[point], histogram_of(series, point)) ||
           fail_point(err, series->labels, first, series->values[point],
                      histogram_of(series, point));
}

static bool check_vector(const TestEval *eval, const Value *value, bool *seen, Err *err) {
    for (size_t i = 0; i < value->series_count; i++) {
        if (!check_sample(eval, &value->series[i], 0, i, seen, err)) {
            return false;
        }
    }
    return check_all_seen(eval, seen, err);
}

/* Times and values of one series of a matrix; omitted points are not there. */
static bool check_points(const TestEval *eval, const SeriesDesc *want, const ValueSeries *series,
                         Err *err) {
    size_t got = 0;
    for (size_t i = 0; i < want->count; i++) {
        const SeriesPoint *point = &want->points[i];
        TimeMs time = eval->from + (TimeMs)i * eval->step;
        if (point->omitted) {
            continue;
        }
        if (got == series->count) {
            return fail_series(err, series->labels, "fewer points than expected");
        }
        if (series->times[got] != time) {
            return err_set(err, ERR_INVALID, "point %zu is at %lld, expected at %lld", got,
                           (long long)series->times[got], (long long)time);
        }
        if (!point_equal(point, series->values[got], histogram_of(series, got))) {
            return fail_point(err, series->labels, point, series->values[got],
                              histogram_of(series, got));
        }
        got++;
    }
    return got == series->count || fail_series(err, series->labels, "more points than expected");
}

static bool check_matrix(const TestEval *eval, const Value *value, bool *seen, Err *err) {
    for (size_t i = 0; i < value->series_count; i++) {
        const ValueSeries *series = &value->series[i];
        if (i && labels_cmp(value->series[i - 1].labels, series->labels) > 0) {
            return fail_series(err, series->labels, "matrix is not sorted");
        }
        size_t index;
        if (!find_expected(eval, series->labels, &index)) {
            return fail_series(err, series->labels, "unexpected series");
        }
        seen[index] = true;
        if (!check_points(eval, &eval->series[index], series, err)) {
            return false;
        }
    }
    return check_all_seen(eval, seen, err);
}

static bool check_scalar(const TestEval *eval, double value, Err *err) {
    if (!eval->has_scalar) {
        return err_set(err, ERR_INVALID, "expected a vector or matrix, got a scalar");
    }
    SeriesPoint want = {.value = eval->scalar};
    return almost_equal(eval->scalar, value) || fail_point(err, (LabelSet){0}, &want, value, NULL);
}

bool test_check_value(const TestEval *eval, const Value *value, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    bool *seen = arena_array(&arena, bool, eval->series_count);
    if (eval->has_scalar && (value->type == VALUE_VECTOR || value->type == VALUE_MATRIX)) {
        return err_set(err, ERR_INVALID, "expected a scalar, got %zu series", value->series_count);
    }
    switch (value->type) {
    case VALUE_SCALAR:
        return check_scalar(eval, value->scalar, err);
    case VALUE_STRING:
        return str_eq(eval->string, value->string) ||
               err_set(err, ERR_INVALID, "expected string \"%.*s\", got \"%.*s\"",
                       STR_ARG(eval->string), STR_ARG(value->string));
    case VALUE_VECTOR:
        return check_vector(eval, value, seen, err);
    case VALUE_MATRIX:
        return check_matrix(eval, value, seen, err);
    }
    return false;
}

/* The point of a series at `time`; its count where there is none. */
static size_t point_at(const ValueSeries *series, TimeMs time) {
    size_t point = 0;
    while (point < series->count && series->times[point] != time) {
        point++;
    }
    return point;
}

bool test_check_value_at(const TestEval *eval, const Value *value, bool scalar, TimeMs time,
                         Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    bool *seen = arena_array(&arena, bool, eval->series_count);
    for (size_t i = 0; i < value->series_count; i++) {
        const ValueSeries *series = &value->series[i];
        size_t point = point_at(series, time);
        if (point == series->count) {
            continue;
        }
        if (scalar) {
            return check_scalar(eval, series->values[point], err);
        }
        if (!check_sample(eval, series, point, i, seen, err)) {
            return false;
        }
    }
    return scalar ? err_set(err, ERR_INVALID, "no value") : check_all_seen(eval, seen, err);
}

/* ---- annotations and failures ---- */

bool test_expects(const TestEval *eval, ExpectKind kind) {
    for (size_t i = 0; i < eval->expect_count; i++) {
        if (eval->expects[i].kind == kind) {
            return true;
        }
    }
    return false;
}

static bool text_matches(const Expectation *expect, Str text) {
    if (!expect->regex) {
        return !expect->exact || str_eq(expect->text, text);
    }
    Err err;
    Regex *regex = regex_new_search(expect->text.ptr, expect->text.len, &err);
    bool matches = regex && regex_matches(regex, text.ptr, text.len);
    regex_free(regex);
    return matches;
}

/* Every expectation of a kind is met, and every note expected, where there are any expectations. */
static bool check_notes(const TestEval *eval, ExpectKind kind, const char *name, const Str *notes,
                        size_t count, Err *err) {
    if (!test_expects(eval, kind)) {
        return true;
    }
    AUTO(arena_finish) Arena arena = {0};
    bool *expected = arena_array(&arena, bool, count);
    for (size_t i = 0; i < eval->expect_count; i++) {
        const Expectation *expect = &eval->expects[i];
        bool met = expect->kind != kind;
        for (size_t j = 0; expect->kind == kind && j < count; j++) {
            bool matches = text_matches(expect, notes[j]);
            met |= matches;
            expected[j] |= matches;
        }
        if (!met) {
            return err_set(err, ERR_INVALID, "expected %s \"%.*s\" among %zu, first is \"%.*s\"",
                           name, STR_ARG(expect->text), count, count ? (int)notes[0].len : 0,
                           count ? notes[0].ptr : "");
        }
    }
    for (size_t j = 0; j < count; j++) {
        if (!expected[j]) {
            return err_set(err, ERR_INVALID, "unexpected %s \"%.*s\"", name, STR_ARG(notes[j]));
        }
    }
    return true;
}

bool test_check_annotations(const TestEval *eval, const Value *value, Err *err) {
    if (test_expects(eval, EXPECT_NO_WARN) && value->warning_count) {
        return err_set(err, ERR_INVALID, "unexpected warning \"%.*s\"",
                       STR_ARG(value->warnings[0]));
    }
    if (test_expects(eval, EXPECT_NO_INFO) && value->info_count) {
        return err_set(err, ERR_INVALID, "unexpected info \"%.*s\"", STR_ARG(value->infos[0]));
    }
    return check_notes(eval, EXPECT_WARN, "warning", value->warnings, value->warning_count, err) &&
           check_notes(eval, EXPECT_INFO, "info", value->infos, value->info_count, err);
}

bool test_check_failure(const TestEval *eval, const Err *actual, Err *err) {
    bool expected = false;
    for (size_t i = 0; i < eval->expect_count; i++) {
        const Expectation *expect = &eval->expects[i];
        if (expect->kind != EXPECT_FAIL) {
            continue;
        }
        expected = true;
        if (!text_matches(expect, str_of(actual->text))) {
            return err_set(err, ERR_INVALID, "expected failure \"%.*s\", got \"%.300s\"",
                           STR_ARG(expect->text), actual->text);
        }
    }
    return expected || err_set(err, ERR_INVALID, "fails: %.800s", actual->text);
}
