#pragma once

/*
 * A calendar is a named set of times: business hours, nights, freezes. Alertmanager's
 * time_intervals, and three things it lacks: spans across midnight (22:00 to 06:00 belongs to the
 * day it begins on), holidays (a list of dates, or an iCalendar file), and the question when it
 * begins or ends next, so that what was held back goes out at that minute.
 *
 *     time_intervals:
 *       - name: business
 *         time_intervals:
 *           - weekdays: ['monday:friday']
 *             times: [{start_time: '09:00', end_time: '17:30'}]
 *             location: Europe/Berlin
 *             holidays: ['2026-12-25', '2026-12-26']
 *             holidays_file: holidays.ics
 *
 * Entries are alternatives. Within an entry each field that is there has to contain the time; a
 * field's ranges are alternatives. Minutes are the grain; daylight saving is the zone's: what its
 * wall clock shows twice in autumn is contained twice, and what it skips in spring is not.
 *
 * Threads: never changes after loading.
 */

#include "base/yaml.h"
#include "base/zone.h"

typedef struct CalendarRange {
    int first, last; /* both included; times: minutes of the day, `last` excluded */
} CalendarRange;

typedef struct CalendarField {
    CalendarRange *ranges;
    size_t count; /* 0 = any */
} CalendarField;

typedef struct CalendarEntry {
    CalendarField times, weekdays, days, months, years;
    const int *holidays; /* yyyymmdd, sorted */
    size_t holiday_count;
    Zone *zone;
} CalendarEntry;

typedef struct Calendar {
    Str name;
    CalendarEntry *entries;
    size_t count;
} Calendar;

/* Reads the list of entries. Everything but the zones is in `arena`; calendar_finish() releases
 * those. Problems have Alertmanager's words. */
bool calendar_load(const YamlReader *reader, Arena *arena, Str folder, Str name,
                   const YamlNode *entries, Calendar *ret_calendar);
void calendar_finish(Calendar *calendar);

bool calendar_contains(const Calendar *calendar, TimeMs time);

/* The first time after `time` and before `limit` at which calendar_contains() answers differently;
 * `limit` if there is none. */
TimeMs calendar_next_change(const Calendar *calendar, TimeMs time, TimeMs limit);

/* The first beginning after `time`; `limit` if there is none before. */
TimeMs calendar_next_start(const Calendar *calendar, TimeMs time, TimeMs limit);

/* "HH:MM" to minutes, 24:00 allowed; -1 if it is none. */
int calendar_parse_clock(Str text);

/* The dates of an iCalendar file's events, as yyyymmdd, sorted; recurring ones for a century. */
bool holidays_read(Arena *arena, const char *path, const int **ret_days, size_t *ret_count,
                   Err *err) MUST_CHECK;
