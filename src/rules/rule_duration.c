#include "rules/rule_duration.h"

#include <math.h>
#include <strings.h>

#include "base/number.h"

static const struct {
    const char *name;
    double ms;
} units[] = {
    /* the longer name first where one begins with the other */
    {"ms", 1},      {"s", 1000},        {"m", 60e3},          {"h", 3600e3},
    {"d", 86400e3}, {"w", 7 * 86400e3}, {"y", 365 * 86400e3}, {"i", 0},
};

/* Also 1e3, which is a number of seconds. */
static bool is_bare_number(Str text, double *ret_seconds) {
    bool begins = text.len && text.ptr[0] >= '0' && text.ptr[0] <= '9';
    bool is_hex = text.len > 1 && (text.ptr[1] | 0x20) == 'x';
    return begins && !is_hex && number_parse(text, ret_seconds);
}

/* About 290,000 years: what a count of milliseconds holds with room to add to. */
static const double SPAN_MS_MAX = 9e15;

static bool take_unit(Str *text, double *ret_ms) {
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t len = strlen(units[i].name);
        if (text->len >= len && strncasecmp(text->ptr, units[i].name, len) == 0) {
            *text = str_skip(*text, len);
            *ret_ms = units[i].ms;
            return true;
        }
    }
    return false;
}

static size_t number_length(Str text) {
    size_t len = 0;
    while (len < text.len &&
           ((text.ptr[len] >= '0' && text.ptr[len] <= '9') || text.ptr[len] == '.')) {
        len++;
    }
    return len;
}

static bool malformed(Str text, Err *err) {
    return err_set(err, ERR_INVALID, "not a valid duration string: \"%.*s\"", STR_ARG(text));
}

bool rule_duration_vmalert(Str text, DurationMs *ret_span, Err *err) {
    Str rest = str_trim(text);
    bool negative = rest.len && rest.ptr[0] == '-';
    if (negative) {
        rest = str_skip(rest, 1);
    }
    if (rest.len == 0) {
        return malformed(text, err);
    }
    double total_ms = 0;
    if (is_bare_number(rest, &total_ms)) {
        total_ms *= 1000;
        rest.len = 0;
    }
    while (rest.len) {
        size_t len = number_length(rest);
        double number = 0;
        if (len == 0 || !number_parse((Str){rest.ptr, len}, &number)) {
            return malformed(text, err);
        }
        rest = str_skip(rest, len);
        double unit_ms = 0;
        if (!take_unit(&rest, &unit_ms)) {
            return malformed(text, err);
        }
        total_ms += number * unit_ms;
    }
    if (!(total_ms <= SPAN_MS_MAX)) {
        return malformed(text, err);
    }
    *ret_span = (DurationMs)llround(negative ? -total_ms : total_ms);
    return true;
}

bool rule_duration(Str text, bool vmalert, DurationMs *ret_span, Err *err) {
    Err first = {0};
    if (duration_parse(text, ret_span, &first)) {
        return true;
    }
    if (vmalert) {
        return rule_duration_vmalert(text, ret_span, err);
    }
    *err = first;
    return false;
}
