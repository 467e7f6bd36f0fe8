/* Civil time, and its RFC 3339 text. */

#include <assert.h>
#include <math.h>

#include "base/digits.h"
#include "base/number.h"

/* 400 years, after which the Gregorian calendar repeats. */
enum { ERA_DAYS = 146097, EPOCH_DAYS = 719468 /* from 0000-03-01 to 1970-01-01 */ };

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b != 0 && (a % b < 0) != (b < 0));
}

static bool is_leap(int64_t year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days since 1970-01-01. Counting years from March puts the leap day at their end. */
static int64_t days_of(int64_t year, int month, int day) {
    year -= month <= 2;
    int64_t era = floor_div(year, 400);
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * ERA_DAYS + day_of_era - EPOCH_DAYS;
}

static void set_date(CivilTime *civil, int64_t days) {
    int64_t shifted = days + EPOCH_DAYS;
    int64_t era = floor_div(shifted, ERA_DAYS);
    int64_t day_of_era = shifted - era * ERA_DAYS;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153; /* 0 = March */

    civil->day = (int)(day_of_year - (153 * march_month + 2) / 5 + 1);
    civil->month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
    civil->year = year_of_era + era * 400 + (civil->month <= 2);
    civil->yearday = (int)(days - days_of(civil->year, 1, 1) + 1);
    civil->weekday = (int)(days + 4 - floor_div(days + 4, 7) * 7); /* day 0 was a Thursday */
}

CivilTime civil_of(TimeMs time) {
    int64_t days = floor_div(time, DAY_MS);
    int ms =
        (int)(time % DAY_MS); /* time - days * DAY_MS would overflow on the first day there is */
    ms += ms < 0 ? (int)DAY_MS : 0;
    CivilTime civil = {
        .hour = ms / (int)HOUR_MS,
        .minute = ms / (int)MINUTE_MS % 60,
        .second = ms / (int)SECOND_MS % 60,
        .ms = ms % (int)SECOND_MS,
    };
    set_date(&civil, days);
    return civil;
}

TimeMs civil_to_time(const CivilTime *civil) {
    assert(civil->month >= 1 && civil->month <= 12);
    return days_of(civil->year, civil->month, civil->day) * DAY_MS + civil->hour * HOUR_MS +
           civil->minute * MINUTE_MS + civil->second * SECOND_MS + civil->ms;
}

int civil_days_in_month(int64_t year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    assert(month >= 1 && month <= 12);
    return days[month - 1] + (month == 2 && is_leap(year));
}

/* At least `width` digits. */
static void put_padded(Buf *buf, int64_t value, int width) {
    char text[20];
    char *end = text + sizeof text;
    char *start = digits_before(end, (uint64_t)value);
    for (ptrdiff_t len = end - start; len < width; len++) {
        buf_byte(buf, '0');
    }
    buf_put(buf, start, (size_t)(end - start));
}

static char *put_two(char *at, int value) {
    at[0] = (char)('0' + value / 10);
    at[1] = (char)('0' + value % 10);
    return at + 2;
}

/* A hundred thousand alerts have three times each. */
void time_put(Buf *buf, TimeMs time) {
    CivilTime civil = civil_of(time);
    if (civil.year < 0) {
        buf_byte(buf, '-');
    }
    put_padded(buf, civil.year < 0 ? -civil.year : civil.year, 4);
    const int fields[] = {civil.month, civil.day, civil.hour, civil.minute, civil.second};
    char text[32], *at = text;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        *at++ = "--T::"[i];
        at = put_two(at, fields[i]);
    }
    *at++ = '.';
    *at++ = (char)('0' + civil.ms / 100);
    at = put_two(at, civil.ms % 100);
    *at++ = 'Z';
    buf_put(buf, text, (size_t)(at - text));
}

/* Takes exactly `count` digits, as a number from `min` to `max`. */
static bool take_field(Str *text, size_t count, int min, int max, int *ret_value) {
    int value = 0;
    if (text->len < count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        char c = text->ptr[i];
        if (c < '0' || c > '9') {
            return false;
        }
        value = value * 10 + (c - '0');
    }
    *text = str_skip(*text, count);
    *ret_value = value;
    return value >= min && value <= max;
}

static bool take_byte(Str *text, char byte) {
    if (text->len == 0 || text->ptr[0] != byte) {
        return false;
    }
    *text = str_skip(*text, 1);
    return true;
}

/* An optional fraction of a second; digits behind the third are cut off. */
static bool take_fraction(Str *text, int *ret_ms) {
    int ms = 0;
    if (take_byte(text, '.')) {
        int digit, weight = 100;
        if (text->len == 0 || text->ptr[0] < '0' || text->ptr[0] > '9') {
            return false;
        }
        for (; take_field(text, 1, 0, 9, &digit); weight /= 10) {
            ms += digit * weight;
        }
    }
    *ret_ms = ms;
    return true;
}

static bool take_offset(Str *text, DurationMs *ret_offset) {
    if (take_byte(text, 'Z')) {
        *ret_offset = 0;
        return true;
    }
    bool west = text->len && text->ptr[0] == '-';
    int hours, minutes;
    if (!(take_byte(text, west ? '-' : '+') && take_field(text, 2, 0, 23, &hours) &&
          take_byte(text, ':') && take_field(text, 2, 0, 59, &minutes))) {
        return false;
    }
    DurationMs span = hours * HOUR_MS + minutes * MINUTE_MS;
    *ret_offset = west ? -span : span;
    return true;
}

static bool read_rfc3339(Str text, TimeMs *ret_time) {
    CivilTime civil = {0};
    int year;
    DurationMs offset;
    bool fits = take_field(&text, 4, 0, 9999, &year) && take_byte(&text, '-') &&
                take_field(&text, 2, 1, 12, &civil.month) && take_byte(&text, '-') &&
                take_field(&text, 2, 1, civil_days_in_month(year, civil.month), &civil.day) &&
                take_byte(&text, 'T') && take_field(&text, 2, 0, 23, &civil.hour) &&
                take_byte(&text, ':') && take_field(&text, 2, 0, 59, &civil.minute) &&
                take_byte(&text, ':') && take_field(&text, 2, 0, 59, &civil.second) &&
                take_fraction(&text, &civil.ms) && take_offset(&text, &offset) && text.len == 0;
    if (!fits) {
        return false;
    }
    civil.year = year;
    *ret_time = civil_to_time(&civil) - offset;
    return true;
}

bool time_parse_rfc3339(Str text, TimeMs *ret_time, Err *err) {
    return read_rfc3339(text, ret_time) ||
           err_set(err, ERR_INVALID, "cannot parse \"%.*s\" to a valid timestamp", STR_ARG(text));
}

/* What Prometheus takes for the first and the last time there is: Go's extremes, which clients send
 * as text. */
static bool read_extreme(Str text, TimeMs *ret_time) {
    const int64_t seconds_to_year_1 = INT64_C(62135596801);
    if (str_eq(text, STR("-292273086-05-16T16:47:06Z"))) {
        *ret_time = INT64_MIN + seconds_to_year_1 * SECOND_MS;
        return true;
    }
    if (str_eq(text, STR("292277025-08-18T07:12:54.999999999Z"))) {
        *ret_time = INT64_MAX - seconds_to_year_1 * SECOND_MS;
        return true;
    }
    return false;
}

bool time_parse(Str text, TimeMs *ret_time, Err *err) {
    double seconds;
    if (number_parse(text, &seconds)) {
        double ms = round(seconds * 1000);
        if (!(fabs(ms) < 0x1p63)) {
            return err_set(err, ERR_INVALID, "cannot parse \"%.*s\" to a valid timestamp",
                           STR_ARG(text));
        }
        *ret_time = (TimeMs)ms;
        return true;
    }
    return read_extreme(text, ret_time) || time_parse_rfc3339(text, ret_time, err);
}
