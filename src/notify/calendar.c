/* Reading and asking calendars; semantics of alertmanager/timeinterval, with the additions
 * calendar.h names. */

#include "notify/calendar.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/mem.h"

enum { DAY_MINUTES = 24 * 60 };

/* ---- reading ---- */

typedef struct Reading {
    const YamlReader *yaml;
    Arena *arena;
    Str folder;
} Reading;

static const char *const weekdays[] = {"sunday",   "monday", "tuesday",  "wednesday",
                                       "thursday", "friday", "saturday", NULL};
static const char *const months[] = {"january",  "february", "march",  "april",     "may",
                                     "june",     "july",     "august", "september", "october",
                                     "november", "december", NULL};

static int index_of(Str word, const char *const *words) {
    for (int i = 0; words[i]; i++) {
        if (word.len == strlen(words[i]) && strncasecmp(word.ptr, words[i], word.len) == 0) {
            return i;
        }
    }
    return -1;
}

static bool read_weekday(const Reading *reading, const YamlNode *node, Str text, int *ret) {
    *ret = index_of(text, weekdays);
    return *ret >= 0 ||
           yaml_problem(reading->yaml, node, "%.*s is not a valid weekday", STR_ARG(text));
}

static bool read_month(const Reading *reading, const YamlNode *node, Str text, int *ret) {
    int64_t number;
    *ret = index_of(text, months) + 1;
    if (*ret == 0 && number_parse_int(text, &number) && number >= 1 && number <= 12) {
        *ret = (int)number;
    }
    return *ret > 0 ||
           yaml_problem(reading->yaml, node, "%.*s is not a valid month", STR_ARG(text));
}

static bool read_day(const Reading *reading, const YamlNode *node, Str text, int *ret) {
    int64_t number;
    if (!number_parse_int(text, &number)) {
        return yaml_problem(reading->yaml, node, "%.*s is not a valid day of the month",
                            STR_ARG(text));
    }
    *ret = number < -99 || number > 99 ? 0 : (int)number;
    return (*ret != 0 && *ret >= -31 && *ret <= 31) ||
           yaml_problem(reading->yaml, node, "%.*s is not a valid day of the month: out of range",
                        STR_ARG(text));
}

static bool read_year(const Reading *reading, const YamlNode *node, Str text, int *ret) {
    int64_t number;
    bool ok = number_parse_int(text, &number) && number >= 0 && number < 100000;
    *ret = ok ? (int)number : 0;
    return ok || yaml_problem(reading->yaml, node, "%.*s is not a valid year", STR_ARG(text));
}

static bool check_weekdays(const Reading *reading, const YamlNode *node, CalendarRange range) {
    return range.first <= range.last ||
           yaml_problem(reading->yaml, node, "start day cannot be before end day");
}

static bool check_months(const Reading *reading, const YamlNode *node, CalendarRange range) {
    return range.first <= range.last ||
           yaml_problem(reading->yaml, node, "end month %d is before start month %d", range.last,
                        range.first);
}

static bool check_years(const Reading *reading, const YamlNode *node, CalendarRange range) {
    return range.first <= range.last ||
           yaml_problem(reading->yaml, node, "end year %d is before start year %d", range.last,
                        range.first);
}

/* Mixed signs are judged for the shortest month. */
static bool check_days(const Reading *reading, const YamlNode *node, CalendarRange range) {
    if (range.first < 0 && range.last > 0) {
        return yaml_problem(reading->yaml, node,
                            "end day must be negative if start day is negative");
    }
    int first = range.first < 0 ? 28 + range.first : range.first;
    int last = range.last < 0 ? 28 + range.last : range.last;
    return first <= last ||
           yaml_problem(reading->yaml, node, "end day %d is always before start day %d", range.last,
                        range.first);
}

typedef struct FieldRule {
    const char *key;
    bool (*read)(const Reading *reading, const YamlNode *node, Str text, int *ret);
    bool (*check)(const Reading *reading, const YamlNode *node, CalendarRange range);
} FieldRule;

static bool read_range(const Reading *reading, const FieldRule *rule, const YamlNode *node,
                       CalendarRange *ret_range) {
    if (node->kind != YAML_SCALAR) {
        return yaml_problem(reading->yaml, node, "%s: expected a value or a range a:b", rule->key);
    }
    Str text = str_trim(node->text);
    size_t colon = str_find(text, ':');
    Str last = colon < text.len ? str_skip(text, colon + 1) : text;
    Str first = {text.ptr, colon};
    return rule->read(reading, node, first, &ret_range->first) &&
           rule->read(reading, node, last, &ret_range->last) &&
           rule->check(reading, node, *ret_range);
}

/* Of a list that is not there: false where something else is, which has been told. */
static bool may_be_missing(const YamlNode *entry, const char *key) {
    const YamlNode *value = yaml_get(entry, key);
    return !value || value->kind == YAML_NULL;
}

static bool read_field(const Reading *reading, const YamlNode *entry, const FieldRule *rule,
                       CalendarField *ret_field) {
    const YamlNode *list;
    if (!yaml_list(reading->yaml, entry, rule->key, &list)) {
        return may_be_missing(entry, rule->key);
    }
    ret_field->ranges = arena_array(reading->arena, CalendarRange, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        if (!read_range(reading, rule, list->items[i], &ret_field->ranges[i])) {
            return false;
        }
    }
    ret_field->count = list->count;
    return true;
}

int calendar_parse_clock(Str text) {
    if (text.len != 5 || text.ptr[2] != ':' || !isdigit((unsigned char)text.ptr[0]) ||
        !isdigit((unsigned char)text.ptr[1]) || !isdigit((unsigned char)text.ptr[3]) ||
        !isdigit((unsigned char)text.ptr[4])) {
        return -1;
    }
    int hour = (text.ptr[0] - '0') * 10 + text.ptr[1] - '0';
    int minute = (text.ptr[3] - '0') * 10 + text.ptr[4] - '0';
    return (hour < 24 && minute < 60) || (hour == 24 && minute == 0) ? hour * 60 + minute : -1;
}

static bool read_clock(const Reading *reading, const YamlNode *span, const char *key, int *ret) {
    Str text;
    if (!yaml_str(reading->yaml, span, key, &text)) {
        return yaml_problem(reading->yaml, span, "both start and end times must be provided");
    }
    *ret = calendar_parse_clock(text);
    return *ret >= 0 ||
           yaml_problem(reading->yaml, span, "couldn't parse timestamp %.*s, invalid format",
                        STR_ARG(text));
}

static bool read_times(const Reading *reading, const YamlNode *entry, CalendarField *ret_field) {
    static const char *const keys[] = {"start_time", "end_time", NULL};
    const YamlNode *list;
    if (!yaml_list(reading->yaml, entry, "times", &list)) {
        return may_be_missing(entry, "times");
    }
    ret_field->ranges = arena_array(reading->arena, CalendarRange, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        CalendarRange *range = &ret_field->ranges[i];
        const YamlNode *span = list->items[i];
        if (!yaml_check_keys(reading->yaml, span, keys) ||
            !read_clock(reading, span, "start_time", &range->first) ||
            !read_clock(reading, span, "end_time", &range->last)) {
            return false;
        }
        if (range->first == range->last || range->first == DAY_MINUTES) {
            return yaml_problem(reading->yaml, span,
                                "start time cannot be equal or greater than end time");
        }
    }
    ret_field->count = list->count;
    return true;
}

static int compare_int(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

static bool read_date(const Reading *reading, const YamlNode *node, int *ret_day) {
    Err err;
    TimeMs time;
    char text[40];
    if (node->kind == YAML_SCALAR && node->text.len == 10) {
        snprintf(text, sizeof text, "%.*sT00:00:00Z", STR_ARG(node->text));
        if (time_parse_rfc3339(str_of(text), &time, &err)) {
            CivilTime civil = civil_of(time);
            *ret_day = (int)civil.year * 10000 + civil.month * 100 + civil.day;
            return true;
        }
    }
    return yaml_problem(reading->yaml, node, "holidays: expected a date such as 2026-12-25");
}

static bool read_holidays(const Reading *reading, const YamlNode *entry, CalendarEntry *ret_entry) {
    const int *from_file = NULL;
    size_t file_count = 0;
    const YamlNode *list = NULL;
    Str file;
    if (yaml_str(reading->yaml, entry, "holidays_file", &file)) {
        Err err;
        Str path = file.len && file.ptr[0] == '/'
                       ? arena_str(reading->arena, file)
                       : arena_printf(reading->arena, "%.*s/%.*s", STR_ARG(reading->folder),
                                      STR_ARG(file));
        if (!holidays_read(reading->arena, path.ptr, &from_file, &file_count, &err)) {
            return yaml_problem(reading->yaml, entry, "holidays_file: %s", err.text);
        }
    }
    (void)yaml_list(reading->yaml, entry, "holidays", &list);
    size_t count = list ? list->count : 0;
    int *days = arena_array(reading->arena, int, count + file_count + 1);
    for (size_t i = 0; i < count; i++) {
        if (!read_date(reading, list->items[i], &days[i])) {
            return false;
        }
    }
    if (file_count) {
        memcpy(days + count, from_file, file_count * sizeof *days);
    }
    qsort(days, count + file_count, sizeof *days, compare_int);
    ret_entry->holidays = days;
    ret_entry->holiday_count = count + file_count;
    return true;
}

static bool read_entry(const Reading *reading, const YamlNode *node, CalendarEntry *ret_entry) {
    static const char *const keys[] = {"times",    "weekdays", "days_of_month", "months", "years",
                                       "location", "holidays", "holidays_file", NULL};
    static const FieldRule day_rule = {"days_of_month", read_day, check_days};
    static const FieldRule weekday_rule = {"weekdays", read_weekday, check_weekdays};
    static const FieldRule month_rule = {"months", read_month, check_months};
    static const FieldRule year_rule = {"years", read_year, check_years};
    Str location = STR("");
    Err err;
    if (!yaml_check_keys(reading->yaml, node, keys) ||
        !read_times(reading, node, &ret_entry->times) ||
        !read_field(reading, node, &weekday_rule, &ret_entry->weekdays) ||
        !read_field(reading, node, &day_rule, &ret_entry->days) ||
        !read_field(reading, node, &month_rule, &ret_entry->months) ||
        !read_field(reading, node, &year_rule, &ret_entry->years) ||
        !read_holidays(reading, node, ret_entry)) {
        return false;
    }
    (void)yaml_str(reading->yaml, node, "location", &location);
    return zone_load(location, &ret_entry->zone, &err) ||
           yaml_problem(reading->yaml, node, "%s", err.text);
}

bool calendar_load(const YamlReader *reader, Arena *arena, Str folder, Str name,
                   const YamlNode *entries, Calendar *ret_calendar) {
    Reading reading = {reader, arena, folder};
    Calendar calendar = {.name = arena_str(arena, name)};
    size_t count = entries && entries->kind == YAML_LIST ? entries->count : 0;
    calendar.entries = arena_array(arena, CalendarEntry, count + 1);
    calendar.count = count;
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) {
        ok = read_entry(&reading, entries->items[i], &calendar.entries[i]);
    }
    if (!ok) {
        calendar_finish(&calendar);
        return false;
    }
    *ret_calendar = calendar;
    return true;
}

void calendar_finish(Calendar *calendar) {
    for (size_t i = 0; i < calendar->count; i++) {
        zone_free(calendar->entries[i].zone);
    }
    *calendar = (Calendar){0};
}

/* ---- asking ---- */

static bool field_has(const CalendarField *field, int value) {
    for (size_t i = 0; i < field->count; i++) {
        if (field->ranges[i].first <= value && value <= field->ranges[i].last) {
            return true;
        }
    }
    return field->count == 0;
}

static bool days_have(const CalendarField *field, const CivilTime *civil) {
    int in_month = civil_days_in_month(civil->year, civil->month);
    for (size_t i = 0; i < field->count; i++) {
        CalendarRange range = field->ranges[i];
        int first = range.first < 0 ? in_month + range.first + 1 : range.first;
        int last = range.last < 0 ? in_month + range.last + 1 : range.last;
        if (first <= in_month && first <= civil->day && civil->day <= last) {
            return true;
        }
    }
    return field->count == 0;
}

static bool is_holiday(const CalendarEntry *entry, const CivilTime *civil) {
    int day = (int)civil->year * 10000 + civil->month * 100 + civil->day;
    return entry->holiday_count &&
           bsearch(&day, entry->holidays, entry->holiday_count, sizeof day, compare_int) != NULL;
}

static bool entry_has_day(const CalendarEntry *entry, const CivilTime *civil) {
    return field_has(&entry->weekdays, civil->weekday) && days_have(&entry->days, civil) &&
           field_has(&entry->months, civil->month) && field_has(&entry->years, (int)civil->year) &&
           !is_holiday(entry, civil);
}

static CivilTime day_before(const CivilTime *civil) {
    CivilTime midnight = {.year = civil->year, .month = civil->month, .day = civil->day};
    return civil_of(civil_to_time(&midnight) - DAY_MS);
}

static bool entry_contains(const CalendarEntry *entry, TimeMs time) {
    CivilTime civil = zone_civil(entry->zone, time);
    int minute = civil.hour * 60 + civil.minute;
    if (entry->times.count == 0) {
        return entry_has_day(entry, &civil);
    }
    for (size_t i = 0; i < entry->times.count; i++) {
        CalendarRange span = entry->times.ranges[i];
        bool crosses = span.first > span.last;
        bool tonight = minute >= span.first && (crosses || minute < span.last);
        if (tonight && entry_has_day(entry, &civil)) {
            return true;
        }
        CivilTime yesterday = day_before(&civil);
        if (crosses && minute < span.last && entry_has_day(entry, &yesterday)) {
            return true;
        }
    }
    return false;
}

bool calendar_contains(const Calendar *calendar, TimeMs time) {
    for (size_t i = 0; i < calendar->count; i++) {
        if (entry_contains(&calendar->entries[i], time)) {
            return true;
        }
    }
    return false;
}

/* When the zone's clock is set back or forward next; `limit` if it is not before. */
static TimeMs next_clock_change(const Zone *zone, TimeMs time, TimeMs limit) {
    int32_t offset = zone_offset(zone, time, NULL);
    if (zone_offset(zone, limit, NULL) == offset) {
        return limit;
    }
    while (limit - time > 1) {
        TimeMs middle = time + (limit - time) / 2;
        if (zone_offset(zone, middle, NULL) == offset) {
            time = middle;
        } else {
            limit = middle;
        }
    }
    return limit;
}

static TimeMs earlier_after(TimeMs best, TimeMs candidate, TimeMs time) {
    return candidate > time && candidate < best ? candidate : best;
}

/* Both times that the wall clock shows this, where it is set back: the second is reckoned with the
 * offset of `time`, which counts once that hour comes again. */
static TimeMs earlier_of_wall(const Zone *zone, const CivilTime *wall, TimeMs time, TimeMs best) {
    best = earlier_after(best, zone_time(zone, wall), time);
    TimeMs again = civil_to_time(wall) - (TimeMs)zone_offset(zone, time, NULL) * SECOND_MS;
    return earlier_after(best, again, time);
}

/* The earliest candidate after `time`: each entry may change only at midnight and at its spans'
 * ends, by its own clock, and where that clock is changed. */
static TimeMs next_candidate(const Calendar *calendar, TimeMs time) {
    TimeMs best = time + DAY_MS;
    for (size_t i = 0; i < calendar->count; i++) {
        const CalendarEntry *entry = &calendar->entries[i];
        CivilTime now = zone_civil(entry->zone, time);
        best = next_clock_change(entry->zone, time, best);
        for (size_t edge = 0; edge < 1 + 2 * entry->times.count; edge++) {
            const CalendarRange *span = edge ? &entry->times.ranges[(edge - 1) / 2] : NULL;
            int minute = !span ? 0 : edge % 2 ? span->first : span->last;
            for (int ahead = 0; ahead < 2; ahead++) {
                CivilTime at = {.year = now.year,
                                .month = now.month,
                                .day = now.day + ahead,
                                .hour = minute / 60,
                                .minute = minute % 60};
                best = earlier_of_wall(entry->zone, &at, time, best);
            }
        }
    }
    return best;
}

TimeMs calendar_next_change(const Calendar *calendar, TimeMs time, TimeMs limit) {
    bool inside = calendar_contains(calendar, time);
    while (time < limit) {
        time = next_candidate(calendar, time);
        if (time < limit && calendar_contains(calendar, time) != inside) {
            return time;
        }
    }
    return limit;
}

TimeMs calendar_next_start(const Calendar *calendar, TimeMs time, TimeMs limit) {
    TimeMs change = calendar_next_change(calendar, time, limit);
    if (change < limit && !calendar_contains(calendar, change)) {
        change = calendar_next_change(calendar, change, limit);
    }
    return change;
}
