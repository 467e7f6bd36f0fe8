/* Numbers read and written as Go does; each expectation was checked against Go's strconv. */

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/number.h"

static void assert_text(Buf *buf, const char *want) {
    cr_expect_eq(str_cmp(buf_view(buf), str_of(want)), 0, "got %.*s, want %s",
                 STR_ARG(buf_view(buf)), want);
    buf->len = 0;
}

Test(number, writes_the_fewest_digits_that_read_back) {
    static const struct {
        double value;
        const char *fixed, *scientific, *general;
    } cases[] = {
        /* value, then as 'f', 'e' and 'g' */
        {0, "0", "0e+00", "0"},
        {-0.0, "-0", "-0e+00", "-0"},
        {1, "1", "1e+00", "1"},
        {-1, "-1", "-1e+00", "-1"},
        {0.1, "0.1", "1e-01", "0.1"},
        {0.3, "0.3", "3e-01", "0.3"},
        {0.1 + 0.2, "0.30000000000000004", "3.0000000000000004e-01", "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333", "3.333333333333333e-01", "0.3333333333333333"},
        {100, "100", "1e+02", "100"},
        {123456, "123456", "1.23456e+05", "123456"},
        {1e6, "1000000", "1e+06", "1e+06"},
        {1234567.5, "1234567.5", "1.2345675e+06", "1.2345675e+06"},
        {1e21, "1000000000000000000000", "1e+21", "1e+21"},
        {1e23, "100000000000000000000000", "1e+23", "1e+23"},
        {0.0001, "0.0001", "1e-04", "0.0001"},
        {0.00001, "0.00001", "1e-05", "1e-05"},
        {0.000012, "0.000012", "1.2e-05", "1.2e-05"},
        {0x1p53, "9007199254740992", "9.007199254740992e+15", "9.007199254740992e+15"},
        {0x1p53 + 2, "9007199254740994", "9.007199254740994e+15", "9.007199254740994e+15"},
        {0x1p63, "9223372036854776000", "9.223372036854776e+18", "9.223372036854776e+18"},
        /* The nearest 16 digits of 2^-44 end in 801, but lie outside its interval. */
        {0x1p-44, "0.00000000000005684341886080802", "5.684341886080802e-14",
         "5.684341886080802e-14"},
        {NAN, "NaN", "NaN", "NaN"},
        {INFINITY, "+Inf", "+Inf", "+Inf"},
        {-INFINITY, "-Inf", "-Inf", "-Inf"},
    };
    AUTO(buf_finish) Buf buf = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        number_put(&buf, cases[i].value);
        assert_text(&buf, cases[i].fixed);
        number_put_exp(&buf, cases[i].value);
        assert_text(&buf, cases[i].scientific);
        number_put_general(&buf, cases[i].value, 6);
        assert_text(&buf, cases[i].general);
    }
}

Test(number, writes_the_ends_of_the_range) {
    static const struct {
        double value;
        const char *want;
    } cases[] = {
        {0x1p-1074, "5e-324"}, /* the smallest */
        {0x1.8p-1073, "1.5e-323"},
        {0x0.fffffffffffffp-1022, "2.225073858507201e-308"}, /* the largest subnormal */
        {0x1p-1022, "2.2250738585072014e-308"},
        {0x1.fffffffffffffp+1023, "1.7976931348623157e+308"}, /* the largest */
        {0x1p+1023, "8.98846567431158e+307"},
    };
    AUTO(buf_finish) Buf buf = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        number_put_exp(&buf, cases[i].value);
        assert_text(&buf, cases[i].want);
    }
    number_put(&buf, 0x1p-1074);
    cr_expect_eq(buf.len, strlen("0.") + 324);
    cr_expect_leq(buf.len, NUMBER_TEXT_MAX);
}

/* A fixed pseudo-random walk over all bit patterns (xorshift64, Marsaglia 2003). */
static uint64_t next_bits(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* No text of fewer digits reads back to the same value; printf rounds right, so it is the judge. */
static bool has_shorter_text(double value, int digit_count) {
    char text[40];
    snprintf(text, sizeof text, "%.*e", digit_count - 2, value);
    return digit_count > 1 && strtod(text, NULL) == value;
}

Test(number, what_is_written_reads_back_and_could_not_be_shorter) {
    AUTO(buf_finish) Buf buf = {0};
    uint64_t state = 88172645463325252;
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = next_bits(&state);
        double value, back;
        memcpy(&value, &bits, sizeof value);
        value = fabs(value);
        if (!isfinite(value)) {
            continue;
        }
        number_put_exp(&buf, value);
        cr_assert(number_parse(buf_view(&buf), &back) && back == value, "%a", value);
        int digit_count = (int)str_find(buf_view(&buf), 'e');
        digit_count -= digit_count > 1; /* the point */
        cr_assert_not(has_shorter_text(value, digit_count), "%a", value);
        buf.len = 0;
    }
}

Test(number, writes_whole_numbers_of_64_bits) {
    AUTO(buf_finish) Buf buf = {0};
    number_put_int(&buf, 0);
    assert_text(&buf, "0");
    number_put_int(&buf, INT64_MIN);
    assert_text(&buf, "-9223372036854775808");
    number_put_int(&buf, INT64_MAX);
    assert_text(&buf, "9223372036854775807");
}

Test(number, reads_what_go_reads) {
    static const struct {
        const char *text;
        double want;
    } cases[] = {
        {"0", 0},
        {"-0", -0.0},
        {"+5", 5},
        {"1.", 1},
        {".5", 0.5},
        {"1e5", 1e5},
        {"1E-5", 1e-5},
        {"00012.500", 12.5},
        {"123456789012345678", 123456789012345678.0},
        {"0.1234567890123456789", 0.1234567890123456789},
        {"2.2250738585072011e-308", 2.2250738585072011e-308},
        {"9007199254740993", 0x1p53}, /* halfway, to even */
        {"1e-999", 0},
        {"0e999999999999", 0},
        {"0x1p-2", 0.25},
        {"-0X1.8P3", -12},
        {"inf", INFINITY},
        {"+Inf", INFINITY},
        {"-Infinity", -INFINITY},
        {"NaN", NAN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double got;
        cr_assert(number_parse(str_of(cases[i].text), &got), "%s", cases[i].text);
        bool same = isnan(cases[i].want) ? isnan(got) : got == cases[i].want;
        cr_expect(same && !signbit(got) == !signbit(cases[i].want), "%s gave %a", cases[i].text,
                  got);
    }
}

Test(number, refuses_what_go_refuses) {
    static const char *const cases[] = {
        "",     " 1",   "1 ",   "1,5", "1_000", "--1", "e5",   ".",     "1e",    "1e+", "0x",
        "0x10", "0x1p", "0xp1", "in",  "infin", "na",  "+nan", "1e999", "1.2.3", "1f",  "0b1",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double value;
        cr_expect_not(number_parse(str_of(cases[i]), &value), "%s", cases[i]);
    }
}

Test(number, reads_whole_numbers_up_to_64_bits) {
    int64_t value;
    cr_assert(number_parse_int(STR("-9223372036854775808"), &value));
    cr_expect_eq(value, INT64_MIN);
    cr_assert(number_parse_int(STR("+9223372036854775807"), &value));
    cr_expect_eq(value, INT64_MAX);

    static const char *const refused[] = {
        "", "-", "1.0", "1e3", " 1", "0x1", "9223372036854775808", "-9223372036854775809"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        cr_expect_not(number_parse_int(str_of(refused[i]), &value), "%s", refused[i]);
    }
}

Test(number, reads_sizes_in_powers_of_1024) {
    static const struct {
        const char *text;
        uint64_t want;
    } cases[] = {
        {"0", 0},
        {"512", 512},
        {"512B", 512},
        {"1K", 1024},
        {"1KB", 1024},
        {"64KiB", 65536},
        {"512MB", 512 << 20},
        {"1.5G", UINT64_C(3) << 29},
        {"7EiB", UINT64_C(7) << 60},
    };
    Err err = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t bytes;
        cr_assert(bytes_parse(str_of(cases[i].text), &bytes, &err), "%s", err.text);
        cr_expect_eq(bytes, cases[i].want, "%s", cases[i].text);
    }
    static const char *const refused[] = {"",    "MB",  "-1",  "1MiBB", "1 MB",
                                          "80%", "1iB", "8EB", "nan"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        uint64_t bytes;
        cr_expect_not(bytes_parse(str_of(refused[i]), &bytes, &err), "%s", refused[i]);
        cr_expect_eq(err.kind, ERR_INVALID);
    }
}
