/* Holidays from an iCalendar file (RFC 5545), as calendar applications export them: whole-day
 * events, some of them yearly. */

#include <libical/ical.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "notify/calendar.h"

enum {
    ICAL_BYTES_MAX = 8 << 20,
    OCCURRENCES_MAX = 100, /* of a yearly event: a century */
    EVENT_DAYS_MAX = 366,
};

typedef struct DayList {
    int *days;
    size_t days_count, days_cap;
} DayList;

static void add_days(DayList *list, struct icaltimetype start, int count) {
    for (int i = 0; i < count; i++) {
        VEC_PUSH(*list, days, start.year * 10000 + start.month * 100 + start.day);
        icaltime_adjust(&start, 1, 0, 0, 0);
    }
}

static int length_in_days(icalcomponent *event, struct icaltimetype start) {
    struct icaltimetype end = icalcomponent_get_dtend(event);
    if (icaltime_is_null_time(end)) {
        return 1;
    }
    int days = (int)(icaltime_as_timet(end) - icaltime_as_timet(start)) / 86400;
    return days < 1 ? 1 : days > EVENT_DAYS_MAX ? EVENT_DAYS_MAX : days;
}

static void add_event(DayList *list, icalcomponent *event) {
    struct icaltimetype start = icalcomponent_get_dtstart(event);
    if (icaltime_is_null_time(start)) {
        return;
    }
    int length = length_in_days(event, start);
    icalproperty *rule = icalcomponent_get_first_property(event, ICAL_RRULE_PROPERTY);
    if (!rule) {
        add_days(list, start, length);
        return;
    }
    struct icalrecurrencetype recurrence = icalproperty_get_rrule(rule);
    icalrecur_iterator *iterator = icalrecur_iterator_new(recurrence, start);
    for (int i = 0; iterator && i < OCCURRENCES_MAX; i++) {
        struct icaltimetype at = icalrecur_iterator_next(iterator);
        if (icaltime_is_null_time(at)) {
            break;
        }
        add_days(list, at, length);
    }
    icalrecur_iterator_free(iterator);
}

static int compare_int(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

bool holidays_read(Arena *arena, const char *path, const int **ret_days, size_t *ret_count,
                   Err *err) {
    AUTO(arena_finish) Arena text_arena = {0};
    Str text;
    if (!file_read(&text_arena, path, ICAL_BYTES_MAX, &text, err)) {
        return false;
    }
    icalcomponent *calendar = icalparser_parse_string(arena_cstr(&text_arena, text));
    if (!calendar || icalcomponent_isa(calendar) != ICAL_VCALENDAR_COMPONENT) {
        if (calendar) {
            icalcomponent_free(calendar);
        }
        return err_set(err, ERR_INVALID, "%s: no iCalendar file", path);
    }
    DayList list = {0};
    for (icalcomponent *event = icalcomponent_get_first_component(calendar, ICAL_VEVENT_COMPONENT);
         event; event = icalcomponent_get_next_component(calendar, ICAL_VEVENT_COMPONENT)) {
        add_event(&list, event);
    }
    icalcomponent_free(calendar);
    if (list.days_count) {
        qsort(list.days, list.days_count, sizeof *list.days, compare_int);
    }
    int *days = arena_array(arena, int, list.days_count + 1);
    if (list.days_count) {
        memcpy(days, list.days, list.days_count * sizeof *days);
    }
    free(list.days);
    *ret_days = days;
    *ret_count = list.days_count;
    return true;
}
