#include "model/histogram.h"

#include <criterion/criterion.h>
#include <math.h>

/* The shape a native histogram must have to be stored. */

static Histogram good(void) {
    static const HistogramSpan spans[] = {{-1, 2}, {1, 1}};
    static const double counts[] = {1, 2, 3};
    return (Histogram){
        .schema = 1,
        .is_integer = true,
        .zero_count = 1,
        .count = 7,
        .sum = 12.5,
        .positive = {spans, counts, 2, 3},
    };
}

static void assert_refused(Histogram histogram, const char *part) {
    Err err = {0};
    cr_expect_not(histogram_valid(&histogram, &err), "wanted: %s", part);
    cr_expect(strstr(err.text, part), "%s, wanted: %s", err.text, part);
}

Test(histogram, a_good_one_is_valid_and_its_copy_equal) {
    AUTO(arena_finish) Arena arena = {0};
    Histogram histogram = good();
    Err err = {0};
    cr_assert(histogram_valid(&histogram, &err), "%s", err.text);
    cr_assert(histogram_eq(&histogram, histogram_copy(&arena, &histogram)));
}

Test(histogram, shapes_that_are_refused) {
    Histogram wrong = good();
    wrong.schema = 9;
    assert_refused(wrong, "unknown schema 9");
    wrong = good();
    wrong.positive.bucket_count = 2;
    assert_refused(wrong, "spans need 3 buckets, have 2");
    wrong = good();
    wrong.count = 8;
    assert_refused(wrong, "7 observations found in buckets, but the Count field is 8");
    wrong = good();
    wrong.positive.counts = (const double[]){1, -2, 3};
    assert_refused(wrong, "bucket number 2 has observation count of -2");
    wrong = good();
    wrong.positive.spans = (const HistogramSpan[]){{0, 2}, {-1, 1}};
    assert_refused(wrong, "offset is negative");
}

Test(histogram, custom_bounds_have_to_rise_and_cover_the_spans) {
    static const HistogramSpan spans[] = {{0, 3}};
    static const double counts[] = {1, 2, 3};
    static const double bounds[] = {0.5, 1};
    Histogram custom = {
        .schema = HISTOGRAM_SCHEMA_CUSTOM,
        .is_integer = true,
        .count = 6,
        .positive = {spans, counts, 1, 3},
        .custom_values = bounds,
        .custom_count = 2,
    };
    Err err = {0};
    cr_assert(histogram_valid(&custom, &err), "%s", err.text);
    Histogram wrong = custom;
    wrong.custom_count = 1;
    assert_refused(wrong, "insufficient to cover");
    wrong = custom;
    wrong.custom_values = (const double[]){1, 1};
    assert_refused(wrong, "strictly increasing");
    wrong = custom;
    wrong.custom_values = (const double[]){1, INFINITY};
    assert_refused(wrong, "finite");
}

Test(histogram, a_stale_marker_needs_no_buckets) {
    Histogram stale = {.sum = value_of_bits(STALE_NAN_BITS), .count = 3};
    Err err = {0};
    cr_assert(histogram_valid(&stale, &err));
}
