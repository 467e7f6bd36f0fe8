/* Calendar dates and RFC 3339, from before the epoch to far behind us. */

#include <criterion/criterion.h>

#include "base/number.h"

#define DAY(days) ((days)*DAY_MS)

Test(civil, knows_days_that_calendars_get_wrong) {
    enum { SUNDAY, MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY };
    static const struct {
        TimeMs time;
        int64_t year;
        int month, day, weekday, yearday;
    } cases[] = {
        {0, 1970, 1, 1, THURSDAY, 1},
        {-1, 1969, 12, 31, WEDNESDAY, 365},
        {DAY(59), 1970, 3, 1, SUNDAY, 60},
        {DAY(11016), 2000, 2, 29, TUESDAY, 60}, /* a leap year, by the rule of 400 */
        {DAY(19782), 2024, 2, 29, THURSDAY, 60},
        {DAY(20088), 2024, 12, 31, TUESDAY, 366},
        {DAY(-25508), 1900, 3, 1, THURSDAY, 60}, /* no leap year, by the rule of 100 */
        {DAY(-719528), 0, 1, 1, SATURDAY, 1},
        {DAY(2932896), 9999, 12, 31, FRIDAY, 365},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CivilTime civil = civil_of(cases[i].time);
        cr_expect_eq(civil.year, cases[i].year, "year of case %zu", i);
        cr_expect_eq(civil.month, cases[i].month, "month of case %zu", i);
        cr_expect_eq(civil.day, cases[i].day, "day of case %zu", i);
        cr_expect_eq(civil.weekday, cases[i].weekday, "weekday of case %zu", i);
        cr_expect_eq(civil.yearday, cases[i].yearday, "day of the year of case %zu", i);
        cr_expect_eq(civil_to_time(&civil), cases[i].time, "way back of case %zu", i);
    }
}

Test(civil, every_day_of_800_years_follows_the_one_before) {
    CivilTime before = civil_of(DAY(-146098));
    for (int64_t day = -146097; day < 146097; day++) {
        CivilTime civil = civil_of(DAY(day));
        bool new_month = before.day == civil_days_in_month(before.year, before.month);
        cr_assert_eq(civil.day, new_month ? 1 : before.day + 1, "day %lld", (long long)day);
        cr_assert_eq(civil.weekday, (before.weekday + 1) % 7, "day %lld", (long long)day);
        cr_assert_eq(civil_to_time(&civil), DAY(day), "day %lld", (long long)day);
        before = civil;
    }
}

Test(civil, survives_the_ends_of_time) {
    CivilTime first = civil_of(TIME_MIN);
    CivilTime last = civil_of(TIME_MAX);
    cr_expect_eq(first.year, -292275055);
    cr_expect_eq(last.year, 292278994);
    cr_expect_eq(last.ms, 807);
}

static void assert_printed(TimeMs time, const char *want) {
    AUTO(buf_finish) Buf buf = {0};
    time_put(&buf, time);
    cr_expect(str_eq(buf_view(&buf), str_of(want)), "got %.*s, want %s", STR_ARG(buf_view(&buf)),
              want);
}

Test(civil, reads_times_in_any_form_the_api_takes) {
    static const struct {
        const char *text;
        const char *want;
    } cases[] = {
        {"2026-11-22T20:28:26Z", "2026-11-22T20:28:26.000Z"},
        {"2026-11-22T20:28:26.376Z", "2026-11-22T20:28:26.376Z"},
        {"2026-11-22T20:28:26.376999999Z", "2026-11-22T20:28:26.376Z"},
        {"2026-11-22T20:28:26.5+02:00", "2026-11-22T18:28:26.500Z"},
        {"2026-11-22T20:28:26-00:30", "2026-11-22T20:58:26.000Z"},
        {"0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000Z"},
        {"1435781430.781", "2015-07-01T20:10:30.781Z"},
        {"1435781430", "2015-07-01T20:10:30.000Z"},
        {"-1.5", "1969-12-31T23:59:58.500Z"},
        {"1e9", "2001-09-09T01:46:40.000Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Err err = {0};
        TimeMs time;
        cr_assert(time_parse(str_of(cases[i].text), &time, &err), "%s", err.text);
        assert_printed(time, cases[i].want);
    }
}

Test(civil, refuses_times_that_are_none) {
    static const char *const cases[] = {
        "",
        "now",
        "2026-11-22",
        "2026-11-22 20:28:26Z",
        "2026-11-22T20:28:26",
        "2026-11-22T20:28Z",
        "2026-02-29T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-11-22T24:00:00Z",
        "2026-11-22T20:60:00Z",
        "2026-11-22T20:28:60Z",
        "2026-11-22T20:28:26.Z",
        "2026-11-22T20:28:26+0200",
        "2026-11-22T20:28:26Zx",
        "26-11-22T20:28:26Z",
        "NaN",
        "Inf",
        "1e300",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Err err = {0};
        TimeMs time;
        cr_expect_not(time_parse(str_of(cases[i]), &time, &err), "%s", cases[i]);
        cr_expect_eq(err.kind, ERR_INVALID, "%s", cases[i]);
    }
}

/* Grafana and promtool send these for "as far as there is". */
Test(civil, takes_the_extremes_of_go_for_the_ends_of_the_data) {
    Err err = {0};
    TimeMs first, last;
    cr_assert(time_parse(STR("-292273086-05-16T16:47:06Z"), &first, &err), "%s", err.text);
    cr_assert(time_parse(STR("292277025-08-18T07:12:54.999999999Z"), &last, &err), "%s", err.text);
    cr_expect_lt(first, civil_to_time(&(CivilTime){.year = -292000000, .month = 1, .day = 1}));
    cr_expect_gt(last, civil_to_time(&(CivilTime){.year = 292000000, .month = 1, .day = 1}));
}
