/* Zones at the moments that matter: the changes to and from summer time, on both halves of the
 * earth, by the file's table and by its rule for years to come. */

#include <criterion/criterion.h>
#include <stdio.h>

#include "base/zone.h"

typedef struct ZoneCase {
    const char *zone, *utc, *local, *abbreviation;
} ZoneCase;

static const ZoneCase cases[] = {
    {"UTC", "2026-03-29T01:00:00Z", "2026-03-29 01:00", "UTC"},
    {"Europe/Berlin", "2026-03-29T00:59:59Z", "2026-03-29 01:59", "CET"},
    {"Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29 03:00", "CEST"},
    {"Europe/Berlin", "2026-10-25T00:59:00Z", "2026-10-25 02:59", "CEST"},
    {"Europe/Berlin", "2026-10-25T01:00:00Z", "2026-10-25 02:00", "CET"},
    {"Europe/Berlin", "2060-07-01T12:00:00Z", "2060-07-01 14:00", "CEST"},
    {"Europe/Berlin", "2060-12-01T12:00:00Z", "2060-12-01 13:00", "CET"},
    {"America/New_York", "2026-11-01T05:59:00Z", "2026-11-01 01:59", "EDT"},
    {"America/New_York", "2026-11-01T06:00:00Z", "2026-11-01 01:00", "EST"},
    {"Australia/Sydney", "2055-01-15T00:00:00Z", "2055-01-15 11:00", "AEDT"},
    {"Australia/Sydney", "2055-07-15T00:00:00Z", "2055-07-15 10:00", "AEST"},
    {"Asia/Kolkata", "2040-01-01T00:00:00Z", "2040-01-01 05:30", "IST"},
    {"Pacific/Kiritimati", "2026-12-31T12:00:00Z", "2027-01-01 02:00", "+14"},
};

Test(zone, shows_the_wall_clock) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO(zone_freep) Zone *zone = NULL;
        Err err = {0};
        cr_assert(zone_load(str_of(cases[i].zone), &zone, &err), "%s", err.text);
        TimeMs time;
        cr_assert(time_parse_rfc3339(str_of(cases[i].utc), &time, &err));
        CivilTime civil = zone_civil(zone, time);
        char local[64];
        snprintf(local, sizeof local, "%04d-%02d-%02d %02d:%02d", (int)civil.year, civil.month,
                 civil.day, civil.hour, civil.minute);
        cr_expect_str_eq(local, cases[i].local, "%s %s: %s", cases[i].zone, cases[i].utc, local);
        const char *name;
        (void)zone_offset(zone, time, &name);
        cr_expect_str_eq(name, cases[i].abbreviation);
    }
}

static void assert_time(const char *zone_text, CivilTime local, const char *utc) {
    AUTO(zone_freep) Zone *zone = NULL;
    Err err = {0};
    TimeMs want;
    cr_assert(zone_load(str_of(zone_text), &zone, &err), "%s", err.text);
    cr_assert(time_parse_rfc3339(str_of(utc), &want, &err));
    cr_expect_eq(zone_time(zone, &local), want, "%s", utc);
}

Test(zone, finds_the_moment_of_a_wall_clock_time) {
    assert_time("Europe/Berlin", (CivilTime){.year = 2026, .month = 7, .day = 1, .hour = 9},
                "2026-07-01T07:00:00Z");
    /* twice: the first */
    assert_time("Europe/Berlin",
                (CivilTime){.year = 2026, .month = 10, .day = 25, .hour = 2, .minute = 30},
                "2026-10-25T00:30:00Z");
    /* never: an hour later */
    assert_time("Europe/Berlin",
                (CivilTime){.year = 2026, .month = 3, .day = 29, .hour = 2, .minute = 30},
                "2026-03-29T01:30:00Z");
}

Test(zone, refuses_what_is_no_zone) {
    static const char *const names[] = {"Nowhere/At_All", "../../etc/passwd", "/etc/passwd",
                                        "tzdata.zi", "Europe/Berlin x"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        Zone *zone = NULL;
        Err err = {0};
        cr_expect_not(zone_load(str_of(names[i]), &zone, &err), "%s", names[i]);
        cr_expect_eq(err.kind, ERR_INVALID);
    }
}
