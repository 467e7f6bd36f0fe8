/*
 * A TZif file (RFC 8536) holds, after a block of 32-bit times we skip:
 *
 *   header   "TZif" version 15 reserved, then counts (big-endian u32): isut isstd leap time type
 * char times    `time` x i64: moments of change indexes  `time` x u8: the type from that moment on
 *   types    `type` x {i32 seconds east, u8 is_dst, u8 offset of the abbreviation}
 *   chars    abbreviations, NUL-terminated
 *   leap, isstd, isut: not needed here
 *   footer   "\n" a POSIX TZ rule for all later times "\n"
 *
 * The footer is a text such as CET-1CEST,M3.5.0,M10.5.0/3: standard time an hour east (POSIX counts
 * west), summer time from the last Sunday of March, 02:00, to the last Sunday of October, 03:00.
 */

#include "base/zone.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

enum { ZONE_FILE_BYTES_MAX = 1 << 20, TZIF_HEADER_BYTES = 44, ABBREVIATION_BYTES = 16 };

typedef struct ZoneType {
    int32_t offset_s;
    uint8_t name_at;
} ZoneType;

/* One end of summer time within a year. */
typedef struct RuleDay {
    enum { DAY_JULIAN, DAY_OF_YEAR, DAY_OF_WEEK } kind; /* Jn (no Feb 29), n, Mm.w.d */
    int month, week, day;
    int32_t seconds; /* of the local day */
} RuleDay;

typedef struct TailRule {
    bool is_set, has_summer;
    int32_t standard_s, summer_s;
    char standard_name[ABBREVIATION_BYTES], summer_name[ABBREVIATION_BYTES];
    RuleDay start, end;
} TailRule;

struct Zone {
    char *name;
    int64_t *times; /* seconds */
    uint8_t *indexes;
    size_t time_count;
    ZoneType *types;
    size_t type_count;
    char *names;
    size_t names_len;
    TailRule tail;
};

void zone_free(Zone *zone) {
    if (zone) {
        free(zone->name);
        free(zone->times);
        free(zone->indexes);
        free(zone->types);
        free(zone->names);
        free(zone);
    }
}

Str zone_name(const Zone *zone) {
    return str_of(zone->name);
}

/* ---- the footer ---- */

static bool take_name(Str *text, char *name) {
    bool quoted = text->len && text->ptr[0] == '<';
    size_t len = 0, skip = quoted ? 1 : 0;
    while (skip + len < text->len &&
           (quoted ? text->ptr[skip + len] != '>'
                   : isalpha((unsigned char)text->ptr[skip + len]) != 0)) {
        len++;
    }
    if (len == 0 || len >= ABBREVIATION_BYTES || (quoted && skip + len >= text->len)) {
        return false;
    }
    memcpy(name, text->ptr + skip, len);
    name[len] = '\0';
    *text = str_skip(*text, len + skip * 2);
    return true;
}

static bool take_number(Str *text, int *ret) {
    int value = 0;
    size_t len = 0;
    while (len < text->len && len < 4 && isdigit((unsigned char)text->ptr[len])) {
        value = value * 10 + (text->ptr[len++] - '0');
    }
    *text = str_skip(*text, len);
    *ret = value;
    return len > 0;
}

static bool take_byte(Str *text, char byte) {
    if (text->len && text->ptr[0] == byte) {
        *text = str_skip(*text, 1);
        return true;
    }
    return false;
}

/* [+-]hh[:mm[:ss]] */
static bool take_span(Str *text, int32_t *ret_seconds) {
    bool negative = take_byte(text, '-');
    if (!negative) {
        (void)take_byte(text, '+');
    }
    int part;
    int32_t seconds = 0;
    for (int unit = 3600; unit; unit /= 60) {
        if (!take_number(text, &part)) {
            return false;
        }
        seconds += part * unit;
        if (!take_byte(text, ':')) {
            break;
        }
    }
    *ret_seconds = negative ? -seconds : seconds;
    return true;
}

static bool take_rule_day(Str *text, RuleDay *ret_day) {
    RuleDay day = {.kind = DAY_OF_YEAR, .seconds = 2 * 3600};
    bool ok;
    if (take_byte(text, 'M')) {
        day.kind = DAY_OF_WEEK;
        ok = take_number(text, &day.month) && take_byte(text, '.') &&
             take_number(text, &day.week) && take_byte(text, '.') && take_number(text, &day.day) &&
             day.month >= 1 && day.month <= 12 && day.week >= 1 && day.week <= 5 && day.day <= 6;
    } else {
        day.kind = take_byte(text, 'J') ? DAY_JULIAN : DAY_OF_YEAR;
        ok = take_number(text, &day.day) && day.day <= 366;
    }
    if (ok && take_byte(text, '/')) {
        ok = take_span(text, &day.seconds);
    }
    *ret_day = day;
    return ok;
}

static bool parse_tail(Str text, TailRule *ret_tail) {
    TailRule tail = {.is_set = true};
    if (!take_name(&text, tail.standard_name) || !take_span(&text, &tail.standard_s)) {
        return false;
    }
    tail.standard_s = -tail.standard_s;
    if (text.len) {
        tail.has_summer = true;
        tail.summer_s = tail.standard_s + 3600;
        if (!take_name(&text, tail.summer_name)) {
            return false;
        }
        if (text.len && text.ptr[0] != ',') {
            if (!take_span(&text, &tail.summer_s)) {
                return false;
            }
            tail.summer_s = -tail.summer_s;
        }
        if (!take_byte(&text, ',') || !take_rule_day(&text, &tail.start) ||
            !take_byte(&text, ',') || !take_rule_day(&text, &tail.end)) {
            return false;
        }
    }
    *ret_tail = tail;
    return text.len == 0;
}

static int64_t seconds_of(int64_t year, int month, int day) {
    CivilTime civil = {.year = year, .month = month, .day = day};
    return civil_to_time(&civil) / 1000;
}

/* Local seconds (as if UTC) at which the rule takes effect in `year`. */
static int64_t rule_moment(const RuleDay *rule, int64_t year) {
    if (rule->kind == DAY_OF_YEAR) {
        return seconds_of(year, 1, 1) + (int64_t)rule->day * 86400 + rule->seconds;
    }
    if (rule->kind == DAY_JULIAN) {
        bool leap = civil_days_in_month(year, 2) == 29;
        int day = rule->day - 1 + (leap && rule->day >= 60);
        return seconds_of(year, 1, 1) + (int64_t)day * 86400 + rule->seconds;
    }
    int64_t first = seconds_of(year, rule->month, 1);
    int weekday = civil_of(first * 1000).weekday;
    int day = 1 + (rule->day - weekday + 7) % 7 + (rule->week - 1) * 7;
    if (day > civil_days_in_month(year, rule->month)) {
        day -= 7;
    }
    return first + (int64_t)(day - 1) * 86400 + rule->seconds;
}

static int32_t tail_offset(const TailRule *tail, int64_t seconds, const char **ret_name) {
    bool summer = false;
    if (tail->has_summer) {
        int64_t year = civil_of((seconds + tail->standard_s) * 1000).year;
        int64_t start = rule_moment(&tail->start, year) - tail->standard_s;
        int64_t end = rule_moment(&tail->end, year) - tail->summer_s;
        summer = start < end ? seconds >= start && seconds < end
                             : seconds >= start || seconds < end; /* southern half of the earth */
    }
    *ret_name = summer ? tail->summer_name : tail->standard_name;
    return summer ? tail->summer_s : tail->standard_s;
}

/* ---- the file ---- */

typedef struct TzifCounts {
    uint32_t isut, isstd, leap, time, type, chars;
} TzifCounts;

static uint64_t take_big(ByteReader *reader, int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) {
        value = value << 8 | reader_u8(reader);
    }
    return value;
}

static bool take_header(ByteReader *reader, TzifCounts *ret_counts, uint8_t *ret_version) {
    Str magic = reader_bytes(reader, 4);
    *ret_version = reader_u8(reader);
    (void)reader_bytes(reader, 15);
    uint32_t counts[6];
    for (int i = 0; i < 6; i++) {
        counts[i] = (uint32_t)take_big(reader, 4);
        reader->bad |= counts[i] > ZONE_FILE_BYTES_MAX;
    }
    *ret_counts = (TzifCounts){counts[0], counts[1], counts[2], counts[3], counts[4], counts[5]};
    return !reader->bad && str_eq(magic, STR("TZif"));
}

static void take_body(ByteReader *reader, const TzifCounts *counts, Zone *zone) {
    zone->time_count = counts->time;
    zone->type_count = counts->type;
    zone->names_len = counts->chars;
    zone->times = mem_zero(counts->time + 1, sizeof *zone->times);
    zone->indexes = mem_zero(counts->time + 1, 1);
    zone->types = mem_zero(counts->type + 1, sizeof *zone->types);
    zone->names = mem_zero(counts->chars + 1, 1);
    for (uint32_t i = 0; i < counts->time; i++) {
        zone->times[i] = (int64_t)take_big(reader, 8);
    }
    for (uint32_t i = 0; i < counts->time; i++) {
        zone->indexes[i] = reader_u8(reader);
        reader->bad |= zone->indexes[i] >= counts->type;
    }
    for (uint32_t i = 0; i < counts->type; i++) {
        zone->types[i].offset_s = (int32_t)take_big(reader, 4);
        (void)reader_u8(reader);
        zone->types[i].name_at = reader_u8(reader);
        reader->bad |= zone->types[i].name_at >= counts->chars;
    }
    Str chars = reader_bytes(reader, counts->chars);
    if (!reader->bad && chars.len) {
        memcpy(zone->names, chars.ptr, chars.len);
    }
    (void)reader_bytes(reader, (uint64_t)counts->leap * 12 + counts->isstd + counts->isut);
}

static bool parse_tzif(Str bytes, Zone *zone) {
    ByteReader reader = reader_of(bytes);
    TzifCounts counts;
    uint8_t version;
    if (!take_header(&reader, &counts, &version) || version < '2') {
        return false;
    }
    (void)reader_bytes(&reader, (uint64_t)counts.time * 5 + (uint64_t)counts.type * 6 +
                                    counts.chars + (uint64_t)counts.leap * 8 + counts.isstd +
                                    counts.isut);
    if (!take_header(&reader, &counts, &version) || counts.type == 0) {
        return false;
    }
    take_body(&reader, &counts, zone);
    Str footer = reader_bytes(&reader, reader_left(&reader));
    if (reader.bad || footer.len < 2 || footer.ptr[0] != '\n') {
        return false;
    }
    footer = str_skip(footer, 1);
    footer.len = str_find(footer, '\n');
    return footer.len == 0 || parse_tail(footer, &zone->tail);
}

static bool name_is_safe(Str name) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool dots = c == '.' && i + 1 < name.len && name.ptr[i + 1] == '.';
        if (dots || !(isalnum((unsigned char)c) || strchr("_+-/.", c))) {
            return false;
        }
    }
    return name.len && name.len < 128 && name.ptr[0] != '/';
}

bool zone_load(Str name, Zone **ret_zone, Err *err) {
    AUTO(zone_freep) Zone *zone = mem_zero(1, sizeof *zone);
    if (name.len == 0 || str_eq(name, STR("UTC"))) {
        zone->name = mem_strdup("UTC");
        zone->tail = (TailRule){.is_set = true, .standard_name = "UTC"};
        *ret_zone = TAKE(zone);
        return true;
    }
    char path[256] = "/etc/localtime";
    if (!str_eq(name, STR("Local"))) {
        if (!name_is_safe(name)) {
            return err_set(err, ERR_INVALID, "unknown time zone %.*s", STR_ARG(name));
        }
        snprintf(path, sizeof path, "/usr/share/zoneinfo/%.*s", STR_ARG(name));
    }
    AUTO(arena_finish) Arena arena = {0};
    Str bytes;
    Err cause;
    if (!file_read(&arena, path, ZONE_FILE_BYTES_MAX, &bytes, &cause)) {
        return err_set(err, ERR_INVALID, "unknown time zone %.*s", STR_ARG(name));
    }
    if (!parse_tzif(bytes, zone)) {
        return err_set(err, ERR_INVALID, "time zone %.*s: %s is no TZif file", STR_ARG(name), path);
    }
    zone->name = arena_cstr(&arena, name);
    zone->name = mem_strdup(zone->name);
    *ret_zone = TAKE(zone);
    return true;
}

/* ---- asking ---- */

int32_t zone_offset(const Zone *zone, TimeMs time, const char **ret_abbreviation) {
    int64_t seconds = time / 1000 - (time % 1000 < 0);
    size_t low = 0, high = zone->time_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zone->times[middle] <= seconds) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const char *name = "";
    int32_t offset;
    if (low == zone->time_count && zone->tail.is_set) {
        offset = tail_offset(&zone->tail, seconds, &name);
    } else {
        /* Before the first change the first type holds. */
        const ZoneType *type = &zone->types[low ? zone->indexes[low - 1] : 0];
        name = zone->names + type->name_at;
        offset = type->offset_s;
    }
    if (ret_abbreviation) {
        *ret_abbreviation = name;
    }
    return offset;
}

CivilTime zone_civil(const Zone *zone, TimeMs time) {
    return civil_of(time + (TimeMs)zone_offset(zone, time, NULL) * 1000);
}

TimeMs zone_time(const Zone *zone, const CivilTime *local) {
    TimeMs wall = civil_to_time(local);
    /* The offset in force a day before and a day after are the only two in question. */
    TimeMs before = (TimeMs)zone_offset(zone, wall - DAY_MS, NULL) * 1000;
    TimeMs after = (TimeMs)zone_offset(zone, wall + DAY_MS, NULL) * 1000;
    TimeMs first = wall - before;
    if ((TimeMs)zone_offset(zone, first, NULL) * 1000 == before) {
        return first;
    }
    TimeMs second = wall - after;
    if ((TimeMs)zone_offset(zone, second, NULL) * 1000 == after) {
        return second;
    }
    return first; /* in the gap: read with the old offset, it lies as far behind the jump */
}
