#include "base/number.h"

/* Prometheus keeps durations as nanoseconds in 64 bits and refuses what does not fit; so do we,
 * although milliseconds would go further. */
#define DURATION_MAX (INT64_MAX / 1000000)

typedef struct DurationUnit {
    const char *name;
    DurationMs span;
    bool only_whole; /* written only where nothing is left: 90d is easier to read than 12w6d */
} DurationUnit;

/* In the order in which they have to appear. */
static const DurationUnit units[] = {
    {"y", 365 * DAY_MS, true}, {"w", 7 * DAY_MS, true}, {"d", DAY_MS, false}, {"h", HOUR_MS, false},
    {"m", MINUTE_MS, false},   {"s", SECOND_MS, false}, {"ms", 1, false},
};

enum { UNIT_COUNT = sizeof units / sizeof units[0] };

static size_t digits_len(Str text) {
    size_t len = 0;
    while (len < text.len && text.ptr[len] >= '0' && text.ptr[len] <= '9') {
        len++;
    }
    return len;
}

static Str take(Str *text, size_t len) {
    Str head = {text->ptr, len};
    *text = str_skip(*text, len);
    return head;
}

/* Takes a unit that may stand behind those before `*next`, and moves `*next` behind it. */
static const DurationUnit *take_unit(Str *text, size_t *next) {
    size_t len = 0;
    while (len < text->len && text->ptr[len] >= 'a' && text->ptr[len] <= 'z') {
        len++;
    }
    Str name = take(text, len);
    while (*next < UNIT_COUNT) {
        const DurationUnit *unit = &units[(*next)++];
        if (str_eq(name, str_of(unit->name))) {
            return unit;
        }
    }
    return NULL;
}

bool duration_parse(Str text, DurationMs *ret_span, Err *err) {
    if (text.len == 0) {
        return err_set(err, ERR_INVALID, "empty duration string");
    }
    DurationMs span = 0;
    size_t next = 0;
    bool fits = true;
    for (Str rest = text; rest.len && !str_eq(text, STR("0"));) {
        Str digits = take(&rest, digits_len(rest));
        const DurationUnit *unit = digits.len ? take_unit(&rest, &next) : NULL;
        if (!unit) {
            return err_set(err, ERR_INVALID, "not a valid duration string: \"%.*s\"",
                           STR_ARG(text));
        }
        int64_t count;
        fits =
            fits && number_parse_int(digits, &count) && count <= (DURATION_MAX - span) / unit->span;
        span += fits ? count * unit->span : 0;
    }
    if (!fits) {
        return err_set(err, ERR_INVALID, "duration out of range");
    }
    *ret_span = span;
    return true;
}

void duration_put(Buf *buf, DurationMs span) {
    if (span == 0) {
        buf_str(buf, STR("0s"));
        return;
    }
    if (span < 0) {
        buf_byte(buf, '-');
    }
    uint64_t left = span < 0 ? -(uint64_t)span : (uint64_t)span;
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        uint64_t unit_span = (uint64_t)units[i].span;
        uint64_t count = left / unit_span;
        if (count == 0 || (units[i].only_whole && left % unit_span)) {
            continue;
        }
        number_put_int(buf, (int64_t)count);
        buf_str(buf, str_of(units[i].name));
        left -= count * unit_span;
    }
}
