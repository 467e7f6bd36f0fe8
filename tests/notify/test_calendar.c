/* Calendars: whether a time is inside, and when that changes next. One row a question; times are
 * UTC unless the calendar says otherwise. */

#include "notify/config.h"
#include "notify_test.h"

static const Calendar *load(const char *entries, NotifyConfig **ret_config) {
    char text[2048];
    snprintf(text, sizeof text,
             "route: {receiver: r}\nreceivers: [{name: r}]\n"
             "time_intervals: [{name: c, time_intervals: %s}]\n",
             entries);
    *ret_config = rig_config(text, NULL, NULL);
    return config_calendar(*ret_config, STR("c"));
}

static TimeMs at(const char *text) {
    TimeMs time;
    Err err;
    cr_assert(time_parse_rfc3339(str_of(text), &time, &err), "%s", text);
    return time;
}

static const char business[] = "[{weekdays: ['monday:friday'], times: [{start_time: '09:00', "
                               "end_time: '17:30'}], location: Europe/Berlin}]";
static const char nights[] = "[{weekdays: [friday], times: [{start_time: '22:00', end_time: "
                             "'06:00'}]}]";

Test(calendar, contains_these_times_and_not_those) {
    static const struct {
        const char *entries, *inside, *outside;
    } rows[] = {
        {"[{times: [{start_time: '09:00', end_time: '17:00'}]}]", "2026-03-10T09:00:00Z",
         "2026-03-10T17:00:00Z"},
        {"[{times: [{start_time: '00:00', end_time: '24:00'}]}]", "2026-03-10T23:59:59Z", NULL},
        {"[{weekdays: [saturday, sunday]}]", "2026-03-14T00:00:00Z", "2026-03-16T00:00:00Z"},
        {"[{weekdays: ['Monday:friday']}]", "2026-03-13T23:59:59Z", "2026-03-14T00:00:00Z"},
        {"[{days_of_month: ['1:5']}]", "2026-03-05T12:00:00Z", "2026-03-06T00:00:00Z"},
        {"[{days_of_month: ['-1']}]", "2026-02-28T12:00:00Z", "2026-02-27T12:00:00Z"},
        {"[{days_of_month: ['-1']}]", "2028-02-29T12:00:00Z", "2028-02-28T12:00:00Z"},
        {"[{days_of_month: ['31']}]", "2026-03-31T12:00:00Z", "2026-04-30T12:00:00Z"},
        {"[{months: ['january:march', 12]}]", "2026-12-31T12:00:00Z", "2026-04-01T00:00:00Z"},
        {"[{years: ['2026:2027']}]", "2027-12-31T23:59:59Z", "2028-01-01T00:00:00Z"},
        {"[{days_of_month: ['25'], months: [december]}, {weekdays: [sunday]}]",
         "2026-12-25T12:00:00Z", "2026-12-24T12:00:00Z"},
        /* by another clock */
        {business, "2026-03-27T08:00:00Z", "2026-03-27T07:59:59Z"},
        {business, "2026-03-30T07:00:00Z", "2026-03-30T06:59:59Z"},
        {"[{times: [{start_time: '09:00', end_time: '10:00'}], location: Asia/Kolkata}]",
         "2026-03-10T03:30:00Z", "2026-03-10T04:30:00Z"},
        /* across midnight: the morning belongs to the day before */
        {nights, "2026-03-13T22:00:00Z", "2026-03-13T21:59:59Z"},
        {nights, "2026-03-14T05:59:59Z", "2026-03-14T06:00:00Z"},
        {nights, "2026-03-13T23:00:00Z", "2026-03-13T03:00:00Z"},
        /* holidays are outside */
        {"[{weekdays: ['monday:friday'], holidays: [2026-12-25]}]", "2026-12-24T12:00:00Z",
         "2026-12-25T12:00:00Z"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        NotifyConfig *config;
        const Calendar *calendar = load(rows[i].entries, &config);
        cr_expect(calendar_contains(calendar, at(rows[i].inside)), "%s: %s", rows[i].entries,
                  rows[i].inside);
        cr_expect(!rows[i].outside || !calendar_contains(calendar, at(rows[i].outside)), "%s: %s",
                  rows[i].entries, rows[i].outside);
        notify_config_unref(config);
    }
}

Test(calendar, knows_when_it_changes_and_begins_next) {
    static const struct {
        const char *entries, *from, *change, *start;
    } rows[] = {
        {business, "2026-03-10T12:00:00Z", "2026-03-10T16:30:00Z", "2026-03-11T08:00:00Z"},
        {business, "2026-03-10T08:00:00Z", "2026-03-10T16:30:00Z", "2026-03-11T08:00:00Z"},
        /* over the weekend of the change to summer time, and to winter time */
        {business, "2026-03-27T17:00:00Z", "2026-03-30T07:00:00Z", "2026-03-30T07:00:00Z"},
        {business, "2026-10-23T17:00:00Z", "2026-10-26T08:00:00Z", "2026-10-26T08:00:00Z"},
        {nights, "2026-03-13T23:00:00Z", "2026-03-14T06:00:00Z", "2026-03-20T22:00:00Z"},
        {"[{days_of_month: ['1'], months: [january]}]", "2026-03-01T00:00:00Z",
         "2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z"},
        /* an hour that is skipped: it begins when the clock has jumped, or not at all */
        {"[{times: [{start_time: '02:30', end_time: '04:00'}], location: Europe/Berlin}]",
         "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z"},
        {"[{times: [{start_time: '02:15', end_time: '02:45'}], location: Europe/Berlin}]",
         "2026-03-29T00:00:00Z", "2026-03-30T00:15:00Z", "2026-03-30T00:15:00Z"},
        /* an hour that comes twice: both count */
        {"[{times: [{start_time: '02:15', end_time: '02:45'}], location: Europe/Berlin}]",
         "2026-10-25T00:30:00Z", "2026-10-25T00:45:00Z", "2026-10-25T01:15:00Z"},
        {"[{times: [{start_time: '02:15', end_time: '02:45'}], location: Europe/Berlin}]",
         "2026-10-25T01:15:00Z", "2026-10-25T01:45:00Z", "2026-10-26T01:15:00Z"},
        /* cut by the clock that is set back: 22:00 to 02:30, and again from 02:00 to 02:30 */
        {"[{weekdays: [saturday], times: [{start_time: '22:00', end_time: '02:30'}], location: "
         "Europe/Berlin}]",
         "2026-10-24T20:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        NotifyConfig *config;
        const Calendar *calendar = load(rows[i].entries, &config);
        TimeMs from = at(rows[i].from), limit = from + 400 * DAY_MS;
        cr_expect_eq(calendar_next_change(calendar, from, limit), at(rows[i].change),
                     "%s from %s: change", rows[i].entries, rows[i].from);
        cr_expect_eq(calendar_next_start(calendar, from, limit), at(rows[i].start),
                     "%s from %s: start", rows[i].entries, rows[i].from);
        notify_config_unref(config);
    }
}

/* Every change found by asking each minute is found by jumping, and no other. */
Test(calendar, jumping_and_asking_each_minute_agree_over_a_year) {
    static const char *const all[] = {
        business, nights,
        "[{weekdays: ['monday:friday'], times: [{start_time: '20:00', end_time: '08:00'}], "
        "location: America/New_York, holidays: [2026-07-03]}, {weekdays: [sunday], location: "
        "Australia/Lord_Howe}]",
        "[{times: [{start_time: '02:15', end_time: '02:45'}, {start_time: '23:10', end_time: "
        "'01:50'}], location: Europe/Berlin}, {times: [{start_time: '01:40', end_time: '02:10'}], "
        "location: Australia/Lord_Howe}]",
        "[{weekdays: [sunday], times: [{start_time: '22:00', end_time: '00:30'}], location: "
        "America/Santiago}]"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        NotifyConfig *config;
        const Calendar *calendar = load(all[i], &config);
        TimeMs begin = at("2026-01-01T00:00:00Z"), end = begin + 365 * DAY_MS;
        TimeMs next = calendar_next_change(calendar, begin, end);
        bool inside = calendar_contains(calendar, begin);
        for (TimeMs time = begin + MINUTE_MS; time < end; time += MINUTE_MS) {
            if (calendar_contains(calendar, time) != inside) {
                inside = !inside;
                cr_assert_eq(next, time, "%s: at minute %lld", all[i],
                             (long long)((time - begin) / MINUTE_MS));
                next = calendar_next_change(calendar, time, end);
            }
        }
        cr_expect_eq(next, end, "%s", all[i]);
        notify_config_unref(config);
    }
}

Test(calendar, reads_holidays_of_an_icalendar_file) {
    static const char ics[] =
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//x//EN\r\n"
        "BEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20241225\r\nDTEND;VALUE=DATE:20241227\r\n"
        "RRULE:FREQ=YEARLY\r\nEND:VEVENT\r\n"
        "BEGIN:VEVENT\r\nUID:2\r\nDTSTART;VALUE=DATE:20260403\r\nEND:VEVENT\r\n"
        "END:VCALENDAR\r\n";
    static const struct {
        const char *time;
        bool inside;
    } rows[] = {{"2026-12-24T12:00:00Z", true},  {"2026-12-25T12:00:00Z", false},
                {"2030-12-26T12:00:00Z", false}, {"2030-12-27T12:00:00Z", true},
                {"2026-04-03T12:00:00Z", false}, {"2027-04-05T12:00:00Z", true},
                {"2023-12-25T12:00:00Z", true}};
    char dir[] = "/tmp/belfry-calendar-XXXXXX", path[64], entries[256];
    cr_assert(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/holidays.ics", dir);
    FILE *file = fopen(path, "w");
    cr_assert(file && fputs(ics, file) >= 0 && fclose(file) == 0);
    snprintf(entries, sizeof entries, "[{holidays_file: %s}]", path);
    NotifyConfig *config;
    const Calendar *calendar = load(entries, &config);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_eq(calendar_contains(calendar, at(rows[i].time)), rows[i].inside, "%s",
                     rows[i].time);
    }
    notify_config_unref(config);
    Err err;
    cr_expect(dir_remove(dir, &err));
}
