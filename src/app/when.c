#include "app/when.h"

#include <stdio.h>
#include <time.h>

#include "base/number.h"

/* "2030-01-31", also with " 18:00". */
static bool parse_day(Str text, TimeMs *ret_time) {
    char word[32];
    int year, month, day, hour = 0, minute = 0;
    char between = ' ', extra;
    if (text.len >= sizeof word) {
        return false;
    }
    snprintf(word, sizeof word, "%.*s", STR_ARG(text));
    int count = sscanf(word, "%4d-%2d-%2d%c%2d:%2d%c", &year, &month, &day, &between, &hour,
                       &minute, &extra);
    if ((count != 3 && count != 6) || (between != ' ' && between != 'T') || hour > 23 ||
        minute > 59) {
        return false;
    }
    struct tm local = {.tm_year = year - 1900,
                       .tm_mon = month - 1,
                       .tm_mday = day,
                       .tm_hour = hour,
                       .tm_min = minute,
                       .tm_isdst = -1};
    *ret_time = (TimeMs)mktime(&local) * SECOND_MS;
    return local.tm_mon == month - 1 && local.tm_mday == day; /* there is no 31st of February */
}

bool when_parse(Str text, TimeMs now, TimeMs *ret_time, Err *err) {
    int hour;
    int minute;
    char extra;
    char word[16];
    snprintf(word, sizeof word, "%.*s", STR_ARG(text));
    bool clock = text.len <= 5 && sscanf(word, "%d:%d%c", &hour, &minute, &extra) == 2;
    if (!clock) {
        return parse_day(text, ret_time) || time_parse(text, ret_time, err);
    }
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59) {
        return err_set(err, ERR_INVALID, "\"%s\" is no time of day", word);
    }
    time_t seconds = (time_t)(now / SECOND_MS);
    struct tm local;
    localtime_r(&seconds, &local);
    local.tm_hour = hour;
    local.tm_min = minute;
    local.tm_sec = 0;
    local.tm_isdst = -1;
    TimeMs until = (TimeMs)mktime(&local) * SECOND_MS;
    if (until <= now) {
        local.tm_mday += 1;
        local.tm_isdst = -1;
        until = (TimeMs)mktime(&local) * SECOND_MS;
    }
    *ret_time = until;
    return true;
}

bool when_parse_past(Str text, TimeMs now, TimeMs *ret_time, Err *err) {
    DurationMs span;
    if (str_starts(text, STR("-"))) {
        if (!duration_parse(str_skip(text, 1), &span, err)) {
            return false;
        }
        *ret_time = now - span;
        return true;
    }
    return parse_day(text, ret_time) || time_parse(text, ret_time, err);
}
