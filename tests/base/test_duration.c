/* Durations as Prometheus reads and prints them (model.ParseDuration, model.Duration.String). */

#include <criterion/criterion.h>

#include "base/number.h"

Test(duration, reads_units_from_large_to_small) {
    static const struct {
        const char *text;
        DurationMs want;
        const char *printed;
    } cases[] = {
        {"0", 0, "0s"},
        {"0s", 0, "0s"},
        {"0w", 0, "0s"},
        {"324ms", 324, "324ms"},
        {"3s", 3 * SECOND_MS, "3s"},
        {"5m", 5 * MINUTE_MS, "5m"},
        {"1h", HOUR_MS, "1h"},
        {"1h30m", 90 * MINUTE_MS, "1h30m"},
        {"90m", 90 * MINUTE_MS, "1h30m"},
        {"4d", 4 * DAY_MS, "4d"},
        {"90d", 90 * DAY_MS, "90d"}, /* not 12w6d */
        {"4d1h", 4 * DAY_MS + HOUR_MS, "4d1h"},
        {"14d", 14 * DAY_MS, "2w"},
        {"3w", 21 * DAY_MS, "3w"},
        {"10y", 3650 * DAY_MS, "10y"},
        {"8w5d", 61 * DAY_MS, "61d"},
        {"1y2w3d4h5m6s7ms", 382 * DAY_MS + 4 * HOUR_MS + 5 * MINUTE_MS + 6 * SECOND_MS + 7,
         "382d4h5m6s7ms"},
        {"292y", 292 * 365 * DAY_MS, "292y"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Err err = {0};
        DurationMs span;
        cr_assert(duration_parse(str_of(cases[i].text), &span, &err), "%s", err.text);
        cr_expect_eq(span, cases[i].want, "%s gave %lld", cases[i].text, (long long)span);

        AUTO(buf_finish) Buf buf = {0};
        duration_put(&buf, span);
        cr_expect(str_eq(buf_view(&buf), str_of(cases[i].printed)), "%s printed as %.*s",
                  cases[i].text, STR_ARG(buf_view(&buf)));
    }
}

Test(duration, refuses_in_the_words_of_prometheus) {
    static const struct {
        const char *text;
        const char *want;
    } cases[] = {
        {"", "empty duration string"},
        {"1", "not a valid duration string: \"1\""},
        {"300", "not a valid duration string: \"300\""},
        {"00", "not a valid duration string: \"00\""},
        {"1y1m1d", "not a valid duration string: \"1y1m1d\""},
        {"5m1h", "not a valid duration string: \"5m1h\""},
        {"5m5m", "not a valid duration string: \"5m5m\""},
        {"-1w", "not a valid duration string: \"-1w\""},
        {"1.5d", "not a valid duration string: \"1.5d\""},
        {"d", "not a valid duration string: \"d\""},
        {"5M", "not a valid duration string: \"5M\""},
        {" 5m", "not a valid duration string: \" 5m\""},
        {"5mss", "not a valid duration string: \"5mss\""},
        {"5m 3s", "not a valid duration string: \"5m 3s\""},
        {"294y", "duration out of range"},
        {"292y365d", "duration out of range"},
        {"99999999999999999999s", "duration out of range"},
        {"99999999999999999999s1h", "not a valid duration string: \"99999999999999999999s1h\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Err err = {0};
        DurationMs span = 42;
        cr_expect_not(duration_parse(str_of(cases[i].text), &span, &err), "%s", cases[i].text);
        cr_expect_eq(err.kind, ERR_INVALID);
        cr_expect_str_eq(err.text, cases[i].want);
        cr_expect_eq(span, 42);
    }
}

Test(duration, prints_offsets_with_their_sign) {
    AUTO(buf_finish) Buf buf = {0};
    duration_put(&buf, -90 * MINUTE_MS);
    cr_expect(str_eq(buf_view(&buf), STR("-1h30m")));
}
