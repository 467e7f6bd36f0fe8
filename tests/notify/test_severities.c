/* The on-call policy over days and weeks, one row a story: what happens when, by the wall clock of
 * Berlin, and who is told at which second. Decided in shadow mode, so that nothing is sent and a
 * month takes milliseconds; what is told is read from the ledger. */

#include "base/zone.h"
#include "notify/calendar.h"
#include "notify/config.h"
#include "notify_test.h"
#include "state/rows_ledger.h"

static const char receivers[] =
    "shadow: true\n"
    "route: {receiver: chat, repeat_interval: 30d}\n"
    "receivers:\n"
    "  - {name: pager, pagerduty_configs: [{routing_key: a}]}\n"
    "  - {name: rotation, pagerduty_configs: [{routing_key: b}]}\n"
    "  - {name: chat, webhook_configs: [{url: 'http://127.0.0.1:1/'}]}\n"
    "  - {name: mail, webhook_configs: [{url: 'http://127.0.0.1:1/mail'}]}\n";

static const char policy[] = "map: {page: critical, high: warning, notify: info, none: none}\n"
                             "business_hours: {days: 'monday:friday', from: '09:00', to: '17:00', "
                             "time_zone: Europe/Berlin,\n"
                             "  holidays: [2026-04-03, 2026-04-06]}\n"
                             "critical: {now: pager}\n"
                             "warning: {by_day: chat, by_night: rotation}\n"
                             "info: {digest: mail, at: business_hours_start}\n";

static const char night_shift[] = "business_hours: {days: 'monday:friday', from: '22:00', to: "
                                  "'06:00', time_zone: Europe/Berlin}\n"
                                  "warning: {by_day: chat, by_night: rotation}\n"
                                  "info: {digest: mail}\n";

typedef struct Story {
    const char *name;
    const char *policy;
    const char *events; /* "2026-03-27 18:00:00 + severity=info; ..." : + fires, - ends, . waits */
    const char *told;   /* "Mon 2026-03-30 09:00:00 mail digest; ..." */
} Story;

static const Story stories[] = {
    {"critical pages at once, in the night of a Sunday", policy,
     "2026-03-08 03:00:00 + severity=critical n=1; 2026-03-08 03:00:10 + severity=page n=2;"
     "2026-03-08 03:10:00 - severity=critical n=1; 2026-03-09 00:00:00 .",
     "Sun 2026-03-08 03:00:00 pager first notification; "
     "Sun 2026-03-08 03:00:10 pager first notification; "
     "Sun 2026-03-08 03:10:00 pager all alerts resolved; "},
    {"a warning by day is the team's", policy,
     "2026-03-10 10:00:00 + severity=high; 2026-03-10 11:00:00 - severity=high;"
     "2026-03-12 00:00:00 .",
     "Tue 2026-03-10 10:00:30 chat first notification; "
     "Tue 2026-03-10 11:00:00 chat all alerts resolved; "},
    {"a warning by night is the rotation's, and the team's in the morning", policy,
     "2026-03-10 22:00:00 + severity=warning; 2026-03-11 10:00:00 - severity=warning;"
     "2026-03-13 00:00:00 .",
     "Tue 2026-03-10 22:00:30 rotation first notification; "
     "Wed 2026-03-11 09:00:00 chat first notification; "
     "Wed 2026-03-11 10:00:00 chat all alerts resolved; "
     "Wed 2026-03-11 10:00:00 rotation all alerts resolved; "},
    {"a warning that still burns at closing time goes to the rotation once", policy,
     "2026-03-10 16:00:00 + severity=warning; 2026-03-20 10:00:00 - severity=warning;"
     "2026-03-21 00:00:00 .",
     "Tue 2026-03-10 16:00:30 chat first notification; "
     "Tue 2026-03-10 17:00:00 rotation first notification; "
     "Fri 2026-03-20 10:00:00 chat all alerts resolved; "
     "Fri 2026-03-20 10:00:00 rotation all alerts resolved; "},
    {"a warning within the wait before closing time rings once, at the rotation", policy,
     "2026-03-10 16:59:50 + severity=warning; 2026-03-10 18:00:00 - severity=warning;"
     "2026-03-12 00:00:00 .",
     "Tue 2026-03-10 17:00:20 rotation first notification; "
     "Tue 2026-03-10 18:00:00 rotation all alerts resolved; "},
    {"words nobody knows, and no word at all, count as warning", policy,
     "2026-03-10 10:00:00 + severity=sev5; 2026-03-10 10:30:00 - severity=sev5;"
     "2026-03-10 11:00:00 + team=db; 2026-03-10 11:30:00 - team=db; 2026-03-12 00:00:00 .",
     "Tue 2026-03-10 10:00:30 chat first notification; "
     "Tue 2026-03-10 10:30:00 chat all alerts resolved; "
     "Tue 2026-03-10 11:00:30 chat first notification; "
     "Tue 2026-03-10 11:30:00 chat all alerts resolved; "},
    {"none is recorded and never told", policy,
     "2026-03-10 10:00:00 + severity=none; 2026-03-20 10:00:00 - severity=none;"
     "2026-03-21 00:00:00 .",
     ""},
    {"info is held over a weekend and over the change to summer time", policy,
     "2026-03-27 18:00:00 + severity=info n=1; 2026-03-28 12:00:00 + severity=notify n=2;"
     "2026-04-01 00:00:00 .",
     "Mon 2026-03-30 09:00:00 mail digest; "},
    {"info that comes within business hours waits for the next day's", policy,
     "2026-03-10 09:00:00 + severity=info; 2026-03-15 00:00:00 .",
     "Wed 2026-03-11 09:00:00 mail digest; "},
    {"info is held over holidays", policy,
     "2026-04-02 12:00:00 + severity=info; 2026-04-10 00:00:00 .",
     "Tue 2026-04-07 09:00:00 mail digest; "},
    {"info that began and ended in between is told, once", policy,
     "2026-03-13 20:00:00 + severity=info; 2026-03-14 08:00:00 - severity=info;"
     "2026-03-20 00:00:00 .",
     "Mon 2026-03-16 09:00:00 mail digest; "},
    {"info that goes on burning is told once, and its end in a digest", policy,
     "2026-03-10 12:00:00 + severity=info; 2026-03-18 12:00:00 - severity=info;"
     "2026-04-15 00:00:00 .",
     "Wed 2026-03-11 09:00:00 mail digest; "
     "Thu 2026-03-19 09:00:00 mail all alerts resolved; "},
    {"an empty digest is not sent in a month without info", policy, "2026-03-31 00:00:00 .", ""},
    {"the change to winter time moves nothing", policy,
     "2026-10-23 16:30:00 + severity=warning; 2026-10-24 20:00:00 + severity=info;"
     "2026-10-26 08:59:00 - severity=warning; 2026-10-28 00:00:00 .",
     "Fri 2026-10-23 16:30:30 chat first notification; "
     "Fri 2026-10-23 17:00:00 rotation first notification; "
     "Mon 2026-10-26 08:59:00 chat all alerts resolved; "
     "Mon 2026-10-26 08:59:00 rotation all alerts resolved; "
     "Mon 2026-10-26 09:00:00 mail digest; "},
    {"business hours cross midnight and belong to the day they begin on", night_shift,
     "2026-03-13 23:00:00 + severity=warning n=1; 2026-03-13 23:30:00 - severity=warning n=1;"
     "2026-03-14 05:00:00 + severity=warning n=2; 2026-03-14 05:30:00 - severity=warning n=2;"
     "2026-03-14 23:00:00 + severity=warning n=3; 2026-03-14 23:30:00 - severity=warning n=3;"
     "2026-03-15 12:00:00 + severity=info; 2026-03-17 00:00:00 .",
     "Fri 2026-03-13 23:00:30 chat first notification; "
     "Fri 2026-03-13 23:30:00 chat all alerts resolved; "
     "Sat 2026-03-14 05:00:30 chat first notification; "
     "Sat 2026-03-14 05:30:00 chat all alerts resolved; "
     "Sat 2026-03-14 23:00:30 rotation first notification; "
     "Sat 2026-03-14 23:30:00 rotation all alerts resolved; "
     "Mon 2026-03-16 22:00:00 mail digest; "},
};

static TimeMs at_berlin(const Zone *zone, const char *text) {
    CivilTime at = {0};
    int year;
    cr_assert_eq(sscanf(text, "%d-%d-%d %d:%d:%d", &year, &at.month, &at.day, &at.hour, &at.minute,
                        &at.second),
                 6, "%s", text);
    at.year = year;
    return zone_time(zone, &at);
}

/* Nothing but what is due is looked at. */
static void wait_until(Rig *rig, TimeMs until) {
    for (;;) {
        TimeMs next = notify_flush(rig->notify, rig->now);
        if (next >= until) {
            break;
        }
        rig->now = next > rig->now ? next : rig->now + 1;
    }
    rig->now = until;
}

static void play(Rig *rig, const Zone *zone, const char *events) {
    char copy[4096];
    char *save = NULL;
    snprintf(copy, sizeof copy, "%s", events);
    for (char *event = strtok_r(copy, ";", &save); event; event = strtok_r(NULL, ";", &save)) {
        event += strspn(event, " ");
        wait_until(rig, at_berlin(zone, event));
        if (event[20] != '.') {
            char labels[256];
            snprintf(labels, sizeof labels, "alertname=A %s", event + 22);
            rig_change(rig, event[20] == '+' ? ALERT_BECAME_FIRING : ALERT_BECAME_RESOLVED, labels);
        }
    }
    (void)notify_flush(rig->notify, rig->now);
}

static int compare_lines(const void *a, const void *b) {
    return strcmp(*(char *const *)a + 4, *(char *const *)b + 4); /* without the day's name */
}

/* "Mon 2026-03-30 09:00:00 mail digest; ": in order of time, then receiver. */
static void read_told(const Rig *rig, const Zone *zone, Buf *out) {
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    AUTO(arena_finish) Arena arena = {0};
    LedgerRow *rows;
    size_t count;
    Err err = {0};
    cr_assert(state_load_ledger(rig->state,
                                &(LedgerFilter){.to = TIME_MAX, .decision = STR("shadowed")},
                                &arena, &rows, &count, &err),
              "%s", err.text);
    const char **lines = arena_array(&arena, const char *, count + 1);
    for (size_t i = 0; i < count; i++) {
        CivilTime at = zone_civil(zone, rows[i].at);
        lines[i] = arena_printf(&arena, "%s %04d-%02d-%02d %02d:%02d:%02d %.*s %.*s; ",
                                days[at.weekday], (int)at.year, at.month, at.day, at.hour,
                                at.minute, at.second, (int)str_find(rows[i].subject, '/'),
                                rows[i].subject.ptr, STR_ARG(rows[i].reason))
                       .ptr;
    }
    qsort(lines, count, sizeof *lines, compare_lines);
    for (size_t i = 0; i < count; i++) {
        buf_str(out, str_of(lines[i]));
    }
}

Test(severities, each_story_tells_these_people_at_these_times) {
    AUTO(zone_freep) Zone *zone = NULL;
    Err err = {0};
    cr_assert(zone_load(STR("Europe/Berlin"), &zone, &err), "%s", err.text);
    for (size_t i = 0; i < sizeof stories / sizeof *stories; i++) {
        Rig rig;
        AUTO(buf_finish) Buf told = {0};
        rig_open_at(&rig, rig_config(receivers, stories[i].policy, NULL),
                    at_berlin(zone, stories[i].events) - HOUR_MS);
        play(&rig, zone, stories[i].events);
        read_told(&rig, zone, &told);
        buf_byte(&told, '\0');
        cr_expect_str_eq(told.ptr, stories[i].told, "%s:\n got %s\nwant %s", stories[i].name,
                         told.ptr, stories[i].told);
        rig_close(&rig);
    }
}

Test(severities, a_restart_in_the_night_tells_no_digest) {
    AUTO(zone_freep) Zone *zone = NULL;
    Err err = {0};
    Rig rig;
    AUTO(buf_finish) Buf told = {0};
    cr_assert(zone_load(STR("Europe/Berlin"), &zone, &err), "%s", err.text);
    rig_open_at(&rig, rig_config(receivers, policy, NULL), at_berlin(zone, "2026-03-10 12:00:00"));
    rig_fire(&rig, "alertname=A severity=info n=1");
    wait_until(&rig, at_berlin(zone, "2026-03-11 20:00:00"));
    rig_fire(&rig, "alertname=A severity=info n=2");
    rig_shut(&rig);
    rig_open_again(&rig);
    wait_until(&rig, at_berlin(zone, "2026-03-14 00:00:00"));
    read_told(&rig, zone, &told);
    buf_byte(&told, '\0');
    cr_expect_str_eq(told.ptr, "Wed 2026-03-11 09:00:00 mail digest; "
                               "Thu 2026-03-12 09:00:00 mail digest; ");
    rig_close(&rig);
}

/* ---- where a policy may stand ---- */

static const char *receiver_of(const NotifyConfig *config, const char *labels, TimeMs at) {
    static char text[4096];
    AUTO(arena_finish) Arena arena = {0};
    AUTO(buf_finish) Buf buf = {0};
    JsonWriter json = json_writer(&buf);
    notify_config_route_json(config, rig_labels(&arena, labels), at, &json);
    buf_byte(&buf, '\0');
    const char *found = strstr(buf.ptr, "\"receiver\":\"");
    snprintf(text, sizeof text, "%.*s", (int)strcspn(found + 12, "\""), found + 12);
    return text;
}

Test(severities, a_route_may_have_a_policy_of_its_own) {
    static const char with_team[] =
        "route:\n"
        "  receiver: chat\n"
        "  routes:\n"
        "    - {matchers: [team=db], severities: {critical: {now: rotation}}}\n"
        "    - {matchers: [team=web], receiver: mail, severities: true}\n"
        "receivers: [{name: pager}, {name: rotation}, {name: chat}, {name: mail}]\n";
    static const struct {
        const char *labels, *receiver;
    } rows[] = {
        {"severity=critical", "pager"},       {"severity=page team=db", "rotation"},
        {"severity=info team=db", "mail"},    {"severity=critical team=web", "pager"},
        {"severity=warning team=db", "chat"}, {"severity=none team=db", "none"},
    };
    NotifyConfig *config = rig_config(with_team, policy, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_str_eq(receiver_of(config, rows[i].labels, T0), rows[i].receiver, "%s",
                         rows[i].labels);
    }
    notify_config_unref(config);
}

Test(severities, without_a_route_of_its_own_the_rest_goes_to_the_log) {
    NotifyConfig *config =
        rig_config("receivers: [{name: pager}]\n", "critical: {now: pager}\n", NULL);
    cr_expect_str_eq(receiver_of(config, "severity=critical", T0), "pager");
    cr_expect_str_eq(receiver_of(config, "severity=warning", T0), "log");
    notify_config_unref(config);
}

Test(severities, business_days_may_be_written_short) {
    static const char *const rows[] = {"days: 'monday:friday', from: '09:00'",
                                       "days: mon-fri, from: '9:00'", "days: Mon:Fri",
                                       "days: [mon, tues, Wed, thu, FRI]", "days: [mon-thu, fri]"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[200];
        snprintf(text, sizeof text,
                 "business_hours: {%s}\nwarning: {by_day: chat, by_night: rotation}\n", rows[i]);
        NotifyConfig *config = rig_config(receivers, text, NULL);
        const Calendar *hours = config_calendar(config, STR("business_hours"));
        TimeMs thursday = T0 + 10 * HOUR_MS;
        cr_expect(calendar_contains(hours, thursday), "%s", rows[i]);
        cr_expect(calendar_contains(hours, thursday + DAY_MS), "%s", rows[i]);
        cr_expect_not(calendar_contains(hours, thursday + 2 * DAY_MS), "%s", rows[i]);
        cr_expect_not(calendar_contains(hours, T0 + 8 * HOUR_MS), "%s", rows[i]);
        notify_config_unref(config);
    }
}

Test(severities, what_makes_no_sense_is_refused_with_its_reason) {
    static const struct {
        const char *policy, *complaint;
    } rows[] = {
        {"critical: {now: nobody}", "undefined receiver \"nobody\" used in route"},
        {"warning: {by_day: chat}", "business_hours are missing"},
        {"info: {digest: mail}", "business_hours are missing"},
        {"map: {page: urgent}", "\"urgent\" is none of critical, warning, info, none"},
        {"unknown: loud", "\"loud\" is none of critical, warning, info, none"},
        {"criticall: {now: pager}", "criticall"},
        {"{business_hours: {time_zone: Mars/Base}, warning: {by_day: chat}}", "Mars/Base"},
        {"{business_hours: {days: 'friday:monday'}, warning: {by_day: chat}}", "start day"},
        {"{business_hours: {from: '9 am'}, warning: {by_day: chat}}", "9 am"},
        {"{business_hours: {days: [funday]}, warning: {by_day: chat}}", "funday"},
        {"{business_hours: {days: m-f}, warning: {by_day: chat}}", "m is not a valid weekday"},
        {"{business_hours: {holidays: [25.12.]}, warning: {by_day: chat}}", "holidays"},
        {"{business_hours: {holidays_file: nowhere.ics}, warning: {by_day: chat}}", "nowhere.ics"},
        {"[critical]", "severities: expected a map"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        AUTO(buf_finish) Buf text = {0};
        cr_expect(rig_refuses(receivers, rows[i].policy, &text), "%s is taken", rows[i].policy);
        cr_expect(strstr(text.ptr, rows[i].complaint), "%s: %s", rows[i].policy, text.ptr);
    }
}

Test(severities, all_that_is_wrong_is_told_at_once) {
    static const char *const wanted[] = {
        "unknown key \"notfy\"", "unknown key \"by_dya\"", "unknown key \"infoo\"",
        "\"urgent\" is none of", "\"loud\" is none of",    "unknown key \"untill\"",
        "unknown key \"late\"",
    };
    AUTO(buf_finish) Buf text = {0};
    cr_assert(rig_refuses("receivers: [{name: pager}]\n"
                          "route:\n"
                          "  receiver: pager\n"
                          "  routes:\n"
                          "    - {receiver: pager, severities: {critical: {late: pager}}}\n",
                          "{critical: {notfy: pager}, warning: {by_dya: pager}, infoo: {}, "
                          "map: {page: urgent}, unknown: loud, business_hours: {untill: '9:00'}}",
                          &text));
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        cr_expect(strstr(text.ptr, wanted[i]), "%s: not in\n%s", wanted[i], text.ptr);
    }
}
