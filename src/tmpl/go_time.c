#include "tmpl/go_time.h"

#include <math.h>
#include <stdlib.h>

#include "base/number.h"
#include "base/zone.h"
#include "tmpl/value.h"

static const int64_t SECOND_NS = 1000000000;
/* From Unix to the year 1 (proleptic Gregorian). */
static const int64_t YEAR_ONE_S = INT64_C(-62135596800);

const char *const go_month_names[] = {"January",   "February", "March",    "April",
                                      "May",       "June",     "July",     "August",
                                      "September", "October",  "November", "December"};
const char *const go_day_names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                    "Thursday", "Friday", "Saturday"};

/* A time taken apart in its zone. */
typedef struct GoClock {
    CivilTime civil;
    int64_t ns; /* within the second */
    int32_t offset_s;
    const char *zone;
} GoClock;

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

static int64_t unix_seconds(const TmplValue *time) {
    return time->integer == GO_TIME_ZERO ? YEAR_ONE_S : floor_div(time->integer, SECOND_NS);
}

int64_t go_time_unix(const TmplValue *time) {
    return unix_seconds(time);
}

static GoClock clock_of(const TmplValue *time) {
    int64_t seconds = unix_seconds(time);
    GoClock clock = {
        .ns = time->integer == GO_TIME_ZERO ? 0 : time->integer - seconds * SECOND_NS,
        .offset_s = time->zone_offset_s,
        .zone = time->zone_name ? time->zone_name : "UTC",
    };
    clock.civil = civil_of((seconds + clock.offset_s) * SECOND_MS);
    return clock;
}

CivilTime go_time_civil(const TmplValue *time, int64_t *ret_ns) {
    GoClock clock = clock_of(time);
    *ret_ns = clock.ns;
    return clock.civil;
}

/* ---- layouts ---- */

typedef enum LayoutPart {
    PART_TEXT,
    PART_MONTH_NAME,
    PART_MONTH_SHORT,
    PART_MONTH,
    PART_MONTH_2,
    PART_WEEKDAY,
    PART_WEEKDAY_SHORT,
    PART_DAY,
    PART_DAY_SPACE,
    PART_DAY_2,
    PART_YEARDAY_SPACE,
    PART_YEARDAY,
    PART_HOUR,
    PART_HOUR_12,
    PART_HOUR_12_2,
    PART_MINUTE,
    PART_MINUTE_2,
    PART_SECOND,
    PART_SECOND_2,
    PART_YEAR,
    PART_YEAR_2,
    PART_PM,
    PART_PM_LOWER,
    PART_ZONE,
    PART_ZONE_Z_COLON, /* Z07:00 */
    PART_ZONE_Z,       /* Z0700 */
    PART_ZONE_COLON,   /* -07:00 */
    PART_ZONE_NUM,     /* -0700 */
    PART_ZONE_HOURS,   /* -07 */
    PART_FRACTION,     /* .000 or .999, digits as written */
} LayoutPart;

/* Longer forms stand before those they begin with. */
static const struct {
    const char *text;
    LayoutPart part;
} layout_parts[] = {
    {"January", PART_MONTH_NAME},
    {"Jan", PART_MONTH_SHORT},
    {"Monday", PART_WEEKDAY},
    {"Mon", PART_WEEKDAY_SHORT},
    {"MST", PART_ZONE},
    {"2006", PART_YEAR},
    {"002", PART_YEARDAY},
    {"__2", PART_YEARDAY_SPACE},
    {"01", PART_MONTH_2},
    {"02", PART_DAY_2},
    {"03", PART_HOUR_12_2},
    {"04", PART_MINUTE_2},
    {"05", PART_SECOND_2},
    {"06", PART_YEAR_2},
    {"15", PART_HOUR},
    {"_2", PART_DAY_SPACE},
    {"PM", PART_PM},
    {"pm", PART_PM_LOWER},
    {"Z07:00", PART_ZONE_Z_COLON},
    {"Z0700", PART_ZONE_Z},
    {"-07:00", PART_ZONE_COLON},
    {"-0700", PART_ZONE_NUM},
    {"-07", PART_ZONE_HOURS},
    {"1", PART_MONTH},
    {"2", PART_DAY},
    {"3", PART_HOUR_12},
    {"4", PART_MINUTE},
    {"5", PART_SECOND},
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* ".000" or ".999" (also with ','), not followed by another digit. */
static size_t fraction_length(Str layout) {
    if (layout.len < 2 || (layout.ptr[0] != '.' && layout.ptr[0] != ',') ||
        (layout.ptr[1] != '0' && layout.ptr[1] != '9')) {
        return 0;
    }
    size_t len = 2;
    while (len < layout.len && layout.ptr[len] == layout.ptr[1]) {
        len++;
    }
    return len < layout.len && is_digit(layout.ptr[len]) ? 0 : len;
}

static bool follows_lower(Str layout, size_t len) {
    return layout.len > len && layout.ptr[len] >= 'a' && layout.ptr[len] <= 'z';
}

/* The next piece of a layout, `*ret_len` bytes long. */
static LayoutPart next_part(Str layout, size_t *ret_len) {
    *ret_len = fraction_length(layout);
    if (*ret_len) {
        return PART_FRACTION;
    }
    for (size_t i = 0; i < sizeof layout_parts / sizeof layout_parts[0]; i++) {
        Str text = str_of(layout_parts[i].text);
        bool is_short =
            layout_parts[i].part == PART_MONTH_SHORT || layout_parts[i].part == PART_WEEKDAY_SHORT;
        if (str_starts(layout, text) && !(is_short && follows_lower(layout, text.len))) {
            *ret_len = text.len;
            return layout_parts[i].part;
        }
    }
    *ret_len = 1;
    return PART_TEXT;
}

static void put_zone(Buf *buf, const GoClock *clock, bool z_for_utc, bool colon, bool minutes) {
    if (z_for_utc && clock->offset_s == 0) {
        buf_byte(buf, 'Z');
        return;
    }
    int32_t size = abs(clock->offset_s) / 60;
    buf_printf(buf, "%c%02d", clock->offset_s < 0 ? '-' : '+', size / 60);
    if (minutes) {
        buf_printf(buf, "%s%02d", colon ? ":" : "", size % 60);
    }
}

static void put_fraction(Buf *buf, int64_t ns, Str layout, size_t len) {
    char digits[16];
    size_t places = len - 1 > 9 ? 9 : len - 1;
    for (size_t i = 0; i < 9; i++) {
        digits[8 - i] = (char)('0' + ns % 10);
        ns /= 10;
    }
    if (layout.ptr[1] == '9') {
        while (places && digits[places - 1] == '0') {
            places--;
        }
        if (places == 0) {
            return;
        }
    }
    buf_byte(buf, layout.ptr[0]);
    buf_put(buf, digits, places);
}

static void put_part(Buf *buf, const GoClock *clock, LayoutPart part, Str layout, size_t len) {
    const CivilTime *civil = &clock->civil;
    int hour_12 = civil->hour % 12 ? civil->hour % 12 : 12;
    switch (part) {
    case PART_TEXT:
        buf_byte(buf, layout.ptr[0]);
        return;
    case PART_MONTH_NAME:
        buf_str(buf, str_of(go_month_names[civil->month - 1]));
        return;
    case PART_MONTH_SHORT:
        buf_put(buf, go_month_names[civil->month - 1], 3);
        return;
    case PART_MONTH:
        buf_printf(buf, "%d", civil->month);
        return;
    case PART_MONTH_2:
        buf_printf(buf, "%02d", civil->month);
        return;
    case PART_WEEKDAY:
        buf_str(buf, str_of(go_day_names[civil->weekday]));
        return;
    case PART_WEEKDAY_SHORT:
        buf_put(buf, go_day_names[civil->weekday], 3);
        return;
    case PART_DAY:
        buf_printf(buf, "%d", civil->day);
        return;
    case PART_DAY_SPACE:
        buf_printf(buf, "%2d", civil->day);
        return;
    case PART_DAY_2:
        buf_printf(buf, "%02d", civil->day);
        return;
    case PART_YEARDAY_SPACE:
        buf_printf(buf, "%3d", civil->yearday);
        return;
    case PART_YEARDAY:
        buf_printf(buf, "%03d", civil->yearday);
        return;
    case PART_HOUR:
        buf_printf(buf, "%02d", civil->hour);
        return;
    case PART_HOUR_12:
        buf_printf(buf, "%d", hour_12);
        return;
    case PART_HOUR_12_2:
        buf_printf(buf, "%02d", hour_12);
        return;
    case PART_MINUTE:
        buf_printf(buf, "%d", civil->minute);
        return;
    case PART_MINUTE_2:
        buf_printf(buf, "%02d", civil->minute);
        return;
    case PART_SECOND:
        buf_printf(buf, "%d", civil->second);
        return;
    case PART_SECOND_2:
        buf_printf(buf, "%02d", civil->second);
        return;
    case PART_YEAR:
        buf_printf(buf, "%04lld", (long long)civil->year);
        return;
    case PART_YEAR_2:
        buf_printf(buf, "%02lld", (long long)(civil->year % 100));
        return;
    case PART_PM:
        buf_str(buf, civil->hour >= 12 ? STR("PM") : STR("AM"));
        return;
    case PART_PM_LOWER:
        buf_str(buf, civil->hour >= 12 ? STR("pm") : STR("am"));
        return;
    case PART_ZONE:
        buf_str(buf, str_of(clock->zone));
        return;
    case PART_ZONE_Z_COLON:
        put_zone(buf, clock, true, true, true);
        return;
    case PART_ZONE_Z:
        put_zone(buf, clock, true, false, true);
        return;
    case PART_ZONE_COLON:
        put_zone(buf, clock, false, true, true);
        return;
    case PART_ZONE_NUM:
        put_zone(buf, clock, false, false, true);
        return;
    case PART_ZONE_HOURS:
        put_zone(buf, clock, false, false, false);
        return;
    case PART_FRACTION:
        put_fraction(buf, clock->ns, layout, len);
        return;
    }
}

void go_time_format(Buf *buf, const TmplValue *time, Str layout) {
    GoClock clock = clock_of(time);
    while (layout.len) {
        size_t len = 0;
        LayoutPart part = next_part(layout, &len);
        put_part(buf, &clock, part, layout, len);
        layout = str_skip(layout, len);
    }
}

void go_time_print(Buf *buf, const TmplValue *time) {
    go_time_format(buf, time, STR("2006-01-02 15:04:05.999999999 -0700 MST"));
}

void go_time_put_json(Buf *buf, const TmplValue *time) {
    go_time_format(buf, time, STR("2006-01-02T15:04:05.999999999Z07:00"));
}

/* ---- parsing by layout ---- */

/* Between `least` and `most` digits. */
static bool take_number(Str *text, size_t least, size_t most, int64_t *ret_number) {
    size_t len = 0;
    int64_t number = 0;
    while (len < most && len < text->len && is_digit(text->ptr[len])) {
        number = number * 10 + (text->ptr[len++] - '0');
    }
    if (len < least) {
        return false;
    }
    *text = str_skip(*text, len);
    *ret_number = number;
    return true;
}

static bool take_name(Str *text, const char *const *names, int count, bool is_short,
                      int *ret_index) {
    for (int i = 0; i < count; i++) {
        Str name = str_of(names[i]);
        name.len = is_short ? 3 : name.len;
        if (text->len >= name.len && strncasecmp(text->ptr, name.ptr, name.len) == 0) {
            *text = str_skip(*text, name.len);
            *ret_index = i;
            return true;
        }
    }
    return false;
}

typedef struct ParsedTime {
    CivilTime civil;
    int64_t ns;
    int32_t offset_s;
    bool is_pm, has_pm;
} ParsedTime;

static bool take_offset(Str *text, bool colon, bool minutes, bool z, ParsedTime *parsed) {
    if (z && text->len && text->ptr[0] == 'Z') {
        *text = str_skip(*text, 1);
        return true;
    }
    if (text->len == 0 || (text->ptr[0] != '+' && text->ptr[0] != '-')) {
        return false;
    }
    bool negative = text->ptr[0] == '-';
    *text = str_skip(*text, 1);
    int64_t hours = 0, mins = 0;
    if (!take_number(text, 2, 2, &hours)) {
        return false;
    }
    if (colon && (text->len == 0 || text->ptr[0] != ':')) {
        return false;
    }
    *text = str_skip(*text, colon);
    if (minutes && !take_number(text, 2, 2, &mins)) {
        return false;
    }
    parsed->offset_s = (int32_t)((hours * 60 + mins) * 60) * (negative ? -1 : 1);
    return hours < 24 && mins < 60;
}

static bool take_fraction(Str *text, ParsedTime *parsed) {
    if (text->len < 2 || (text->ptr[0] != '.' && text->ptr[0] != ',') || !is_digit(text->ptr[1])) {
        return false;
    }
    *text = str_skip(*text, 1);
    int64_t scale = SECOND_NS;
    while (text->len && is_digit(text->ptr[0])) {
        scale /= 10;
        parsed->ns += (text->ptr[0] - '0') * scale;
        *text = str_skip(*text, 1);
    }
    return true;
}

static bool take_zone_name(Str *text) {
    size_t len = 0;
    while (len < text->len && text->ptr[len] >= 'A' && text->ptr[len] <= 'Z') {
        len++;
    }
    *text = str_skip(*text, len);
    return len >= 3 && len <= 5;
}

static bool take_int(Str *text, size_t least, size_t most, int *ret) {
    int64_t number = 0;
    if (!take_number(text, least, most, &number)) {
        return false;
    }
    *ret = (int)number;
    return true;
}

static bool take_part(Str *text, LayoutPart part, Str layout, ParsedTime *parsed) {
    CivilTime *civil = &parsed->civil;
    int index = 0;
    switch (part) {
    case PART_TEXT:
        if (text->len == 0 || text->ptr[0] != layout.ptr[0]) {
            return false;
        }
        *text = str_skip(*text, 1);
        return true;
    case PART_MONTH_NAME:
    case PART_MONTH_SHORT:
        if (!take_name(text, go_month_names, 12, part == PART_MONTH_SHORT, &index)) {
            return false;
        }
        civil->month = index + 1;
        return true;
    case PART_WEEKDAY:
    case PART_WEEKDAY_SHORT:
        return take_name(text, go_day_names, 7, part == PART_WEEKDAY_SHORT, &index);
    case PART_MONTH:
        return take_int(text, 1, 2, &civil->month);
    case PART_MONTH_2:
        return take_int(text, 2, 2, &civil->month);
    case PART_DAY_SPACE:
        if (text->len && text->ptr[0] == ' ') {
            *text = str_skip(*text, 1);
        }
        return take_int(text, 1, 2, &civil->day);
    case PART_DAY:
        return take_int(text, 1, 2, &civil->day);
    case PART_DAY_2:
        return take_int(text, 2, 2, &civil->day);
    case PART_YEARDAY:
    case PART_YEARDAY_SPACE:
        return take_int(text, 1, 3, &civil->yearday);
    case PART_HOUR:
    case PART_HOUR_12_2:
        return take_int(text, 2, 2, &civil->hour);
    case PART_HOUR_12:
        return take_int(text, 1, 2, &civil->hour);
    case PART_MINUTE:
        return take_int(text, 1, 2, &civil->minute);
    case PART_MINUTE_2:
        return take_int(text, 2, 2, &civil->minute);
    case PART_SECOND:
    case PART_SECOND_2:
        if (!take_int(text, part == PART_SECOND ? 1 : 2, 2, &civil->second)) {
            return false;
        }
        /* A fraction may follow even where the layout has none. */
        (void)take_fraction(text, parsed);
        return true;
    case PART_YEAR:
        return take_number(text, 4, 4, &civil->year);
    case PART_YEAR_2:
        if (!take_number(text, 2, 2, &civil->year)) {
            return false;
        }
        civil->year += civil->year >= 69 ? 1900 : 2000;
        return true;
    case PART_PM:
    case PART_PM_LOWER:
        if (text->len < 2 || (text->ptr[1] | 0x20) != 'm') {
            return false;
        }
        parsed->has_pm = true;
        parsed->is_pm = (text->ptr[0] | 0x20) == 'p';
        *text = str_skip(*text, 2);
        return true;
    case PART_ZONE:
        return take_zone_name(text);
    case PART_ZONE_Z_COLON:
        return take_offset(text, true, true, true, parsed);
    case PART_ZONE_Z:
        return take_offset(text, false, true, true, parsed);
    case PART_ZONE_COLON:
        return take_offset(text, true, true, false, parsed);
    case PART_ZONE_NUM:
        return take_offset(text, false, true, false, parsed);
    case PART_ZONE_HOURS:
        return take_offset(text, false, false, false, parsed);
    case PART_FRACTION:
        return layout.ptr[1] == '9' || parsed->ns || take_fraction(text, parsed);
    }
    return false;
}

static bool in_range(const ParsedTime *parsed) {
    const CivilTime *civil = &parsed->civil;
    return civil->month >= 1 && civil->month <= 12 && civil->day >= 1 &&
           civil->day <= civil_days_in_month(civil->year, civil->month) && civil->hour < 24 &&
           civil->minute < 60 && civil->second < 60;
}

static bool cannot_parse(Str layout, Str text, Str part, Str rest, Err *err) {
    return err_set(err, ERR_INVALID,
                   "parsing time \"%.*s\" as \"%.*s\": cannot parse \"%.*s\" as \"%.*s\"",
                   STR_ARG(text), STR_ARG(layout), STR_ARG(rest), STR_ARG(part));
}

bool go_time_parse(Str layout, Str text, TmplValue *ret_time, Err *err) {
    ParsedTime parsed = {.civil = {.month = 1, .day = 1}};
    Str pattern = layout, rest = text;
    while (pattern.len) {
        size_t len = 0;
        Str before = rest;
        LayoutPart part = next_part(pattern, &len);
        if (!take_part(&rest, part, pattern, &parsed)) {
            return cannot_parse(layout, text, (Str){pattern.ptr, len}, before, err);
        }
        pattern = str_skip(pattern, len);
    }
    if (rest.len) {
        return err_set(err, ERR_INVALID, "parsing time \"%.*s\": extra text: \"%.*s\"",
                       STR_ARG(text), STR_ARG(rest));
    }
    if (parsed.has_pm) {
        parsed.civil.hour = parsed.civil.hour % 12 + (parsed.is_pm ? 12 : 0);
    }
    if (!in_range(&parsed)) {
        return err_set(err, ERR_INVALID, "parsing time \"%.*s\": out of range", STR_ARG(text));
    }
    int64_t seconds = civil_to_time(&parsed.civil) / SECOND_MS - parsed.offset_s;
    bool fits = seconds > -9000000000 && seconds < 9000000000;
    *ret_time = go_time_value(fits ? seconds * SECOND_NS + parsed.ns : GO_TIME_ZERO);
    return true;
}

/* ---- zones ---- */

bool go_time_in_zone(const TmplValue *time, Str zone, Arena *arena, TmplValue *ret_time, Err *err) {
    AUTO(zone_freep) Zone *loaded = NULL;
    const char *name = NULL;
    if (!zone_load(zone, &loaded, err)) {
        return false;
    }
    *ret_time = *time;
    ret_time->zone_offset_s = zone_offset(loaded, unix_seconds(time) * SECOND_MS, &name);
    ret_time->zone_name = arena_cstr(arena, str_of(name));
    return true;
}

/* ---- durations ---- */

static void put_with_fraction(Buf *buf, uint64_t value, uint64_t unit) {
    buf_printf(buf, "%llu", (unsigned long long)(value / unit));
    uint64_t rest = value % unit;
    if (rest == 0) {
        return;
    }
    buf_byte(buf, '.');
    while (rest) {
        unit /= 10;
        buf_byte(buf, (char)('0' + rest / unit));
        rest %= unit;
    }
}

void go_duration_print(Buf *buf, int64_t ns) {
    if (ns == 0) {
        buf_str(buf, STR("0s"));
        return;
    }
    uint64_t size = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    if (ns < 0) {
        buf_byte(buf, '-');
    }
    if (size < 1000) {
        buf_printf(buf, "%lluns", (unsigned long long)size);
    } else if (size < 1000000) {
        put_with_fraction(buf, size, 1000);
        buf_str(buf, STR("µs"));
    } else if (size < (uint64_t)SECOND_NS) {
        put_with_fraction(buf, size, 1000000);
        buf_str(buf, STR("ms"));
    } else {
        uint64_t seconds = size / (uint64_t)SECOND_NS;
        if (seconds >= 3600) {
            buf_printf(buf, "%lluh", (unsigned long long)(seconds / 3600));
        }
        if (seconds >= 60) {
            buf_printf(buf, "%llum", (unsigned long long)(seconds / 60 % 60));
        }
        put_with_fraction(buf, size % (60 * (uint64_t)SECOND_NS), (uint64_t)SECOND_NS);
        buf_byte(buf, 's');
    }
}

TmplValue go_time_value(int64_t ns) {
    return (TmplValue){.type = TMPL_TIME, .integer = ns, .zone_name = "UTC"};
}

TmplValue go_duration_value(int64_t ns) {
    return (TmplValue){.type = TMPL_DURATION, .integer = ns};
}
