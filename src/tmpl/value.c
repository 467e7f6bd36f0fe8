#include "tmpl/value.h"

#include <math.h>
#include <stdlib.h>

#include "base/go_text.h"
#include "base/number.h"
#include "tmpl/go_time.h"

enum { PRINT_DEPTH_MAX = 100 };

TmplValue tmpl_string(Str text) {
    return (TmplValue){.type = TMPL_STRING, .string = text};
}

TmplValue tmpl_float(double number) {
    return (TmplValue){.type = TMPL_FLOAT, .number = number};
}

TmplValue tmpl_int(int64_t number) {
    return (TmplValue){.type = TMPL_INT, .integer = number};
}

TmplValue tmpl_bool(bool value) {
    return (TmplValue){.type = TMPL_BOOL, .boolean = value};
}

TmplValue tmpl_time(TimeMs time) {
    /* What nanoseconds since 1970 cannot hold is Go's zero time: year 1 stands for "none". */
    bool fits = time > INT64_MIN / 1000000 && time < INT64_MAX / 1000000;
    return (TmplValue){
        .type = TMPL_TIME, .integer = fits ? time * 1000000 : GO_TIME_ZERO, .zone_name = "UTC"};
}

static int by_name(const void *a, const void *b) {
    return str_cmp(((const TmplField *)a)->name, ((const TmplField *)b)->name);
}

TmplValue tmpl_string_map(Arena *arena, const Str *names, const Str *values, size_t count) {
    TmplField *fields = arena_array(arena, TmplField, count + 1);
    TmplValue *texts = arena_array(arena, TmplValue, count + 1);
    bool is_sorted = true;
    for (size_t i = 0; i < count; i++) {
        texts[i] = tmpl_string(values[i]);
        fields[i] = (TmplField){names[i], &texts[i]};
        is_sorted &= i == 0 || str_cmp(names[i - 1], names[i]) < 0;
    }
    if (!is_sorted) {
        qsort(fields, count, sizeof *fields, by_name);
    }
    return (TmplValue){.type = TMPL_MAP,
                       .fields = fields,
                       .count = count,
                       .zero_missing = true,
                       .go_type = "map[string]string"};
}

Str tmpl_type_name(const TmplValue *value) {
    if (value->go_type) {
        return str_of(value->go_type);
    }
    switch (value->type) {
    case TMPL_NIL:
        return STR("<nil>");
    case TMPL_BOOL:
        return STR("bool");
    case TMPL_INT:
        return STR("int");
    case TMPL_FLOAT:
        return STR("float64");
    case TMPL_STRING:
        return STR("string");
    case TMPL_LIST:
        return STR("[]interface {}");
    case TMPL_MAP:
        return STR("map[string]interface {}");
    case TMPL_OBJECT:
        return STR("struct {}");
    case TMPL_TIME:
        return STR("time.Time");
    case TMPL_DURATION:
        return STR("time.Duration");
    }
    return STR("");
}

bool tmpl_truth(const TmplValue *value) {
    switch (value->type) {
    case TMPL_NIL:
        return false;
    case TMPL_BOOL:
        return value->boolean;
    case TMPL_INT:
    case TMPL_DURATION:
        return value->integer != 0;
    case TMPL_FLOAT:
        return value->number != 0;
    case TMPL_STRING:
        return value->string.len > 0;
    case TMPL_LIST:
    case TMPL_MAP:
        return value->count > 0;
    case TMPL_OBJECT:
    case TMPL_TIME:
        return true;
    }
    return false;
}

const TmplValue *tmpl_field(const TmplValue *value, Str key) {
    for (size_t i = 0; i < value->count; i++) {
        if (str_eq(value->fields[i].name, key)) {
            return value->fields[i].value;
        }
    }
    return NULL;
}

bool tmpl_to_float(const TmplValue *value, double *ret_number, Err *err) {
    switch (value->type) {
    case TMPL_FLOAT:
        *ret_number = value->number;
        return true;
    case TMPL_INT:
        *ret_number = (double)value->integer;
        return true;
    case TMPL_DURATION:
        *ret_number = (double)value->integer / 1e9;
        return true;
    case TMPL_STRING:
        if (number_parse(value->string, ret_number)) {
            return true;
        }
        return err_set(err, ERR_INVALID, "strconv.ParseFloat: parsing \"%.*s\": invalid syntax",
                       STR_ARG(value->string));
    default:
        return err_set(err, ERR_INVALID, "can't convert %.*s to float",
                       STR_ARG(tmpl_type_name(value)));
    }
}

bool tmpl_to_text(const TmplValue *value, Str *ret_text, Err *err) {
    if (value->type != TMPL_STRING) {
        return err_set(err, ERR_UNSUPPORTED, "wrong type for value; expected string; got %.*s",
                       STR_ARG(tmpl_type_name(value)));
    }
    *ret_text = value->string;
    return true;
}

/* ---- printing ---- */

/* A verb of a format with its flags. */
typedef struct Verb {
    char letter;
    bool plus, minus, sharp, space, zero;
    int width, precision; /* -1 = not given */
} Verb;

static const Verb plain_verb = {.letter = 'v', .width = -1, .precision = -1};

static void pad(Buf *buf, Str text, const Verb *verb, bool may_zero) {
    size_t runes = 0;
    for (size_t i = 0; i < text.len; i++) {
        runes += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
    }
    size_t missing =
        verb->width > 0 && (size_t)verb->width > runes ? (size_t)verb->width - runes : 0;
    bool zeros = verb->zero && !verb->minus && may_zero;
    size_t sign = zeros && text.len && strchr("+- ", text.ptr[0]) ? 1 : 0;
    if (zeros) {
        buf_put(buf, text.ptr, sign);
    }
    for (size_t i = 0; i < missing && !verb->minus; i++) {
        buf_byte(buf, zeros ? '0' : ' ');
    }
    buf_str(buf, zeros ? str_skip(text, sign) : text);
    for (size_t i = 0; i < missing && verb->minus; i++) {
        buf_byte(buf, ' ');
    }
}

static void put_value(Buf *buf, const TmplValue *value, const Verb *verb, int depth);

/* %!d(string=hi) */
static void put_bad_verb(Buf *buf, const TmplValue *value, const Verb *verb, int depth) {
    buf_printf(buf, "%%!%c(", verb->letter);
    if (value->type == TMPL_NIL) {
        buf_str(buf, STR("<nil>"));
    } else {
        buf_str(buf, tmpl_type_name(value));
        buf_byte(buf, '=');
        put_value(buf, value, &plain_verb, depth + 1);
    }
    buf_byte(buf, ')');
}

/* Digits of a finite number by C's printf, which agrees with Go's wherever a precision is given. */
static void put_float_digits(Buf *buf, double number, const Verb *verb) {
    enum { PRECISION_MAX = 100 };
    int precision = verb->precision < 0 ? 6 : verb->precision;
    precision = precision > PRECISION_MAX ? PRECISION_MAX : precision;
    switch (verb->letter) {
    case 'e':
        buf_printf(buf, "%.*e", precision, number);
        return;
    case 'E':
        buf_printf(buf, "%.*E", precision, number);
        return;
    case 'v':
    case 'g':
        buf_printf(buf, "%.*g", precision, number);
        return;
    case 'G':
        buf_printf(buf, "%.*G", precision, number);
        return;
    default:
        buf_printf(buf, "%.*f", precision, number);
        return;
    }
}

/* The decimal exponent from which %v and %g write an exponent (strconv/ftoa.go, shortest form). */
enum { SHORTEST_EXPONENT = 6 };

static void put_float(Buf *buf, double number, const Verb *verb) {
    AUTO(buf_finish) Buf text = {0};
    bool is_shortest = (verb->letter == 'v' || verb->letter == 'g') && verb->precision < 0;
    if (!isfinite(number)) {
        buf_str(&text, isnan(number) ? STR("NaN") : number > 0 ? STR("+Inf") : STR("-Inf"));
        pad(buf, buf_view(&text), verb, false);
        return;
    }
    if (!signbit(number) && (verb->plus || verb->space)) {
        buf_byte(&text, verb->plus ? '+' : ' ');
    }
    if (is_shortest) {
        number_put_general(&text, number, SHORTEST_EXPONENT);
    } else {
        put_float_digits(&text, number, verb);
    }
    pad(buf, buf_view(&text), verb, true);
}

static void put_digits(Buf *buf, uint64_t size, unsigned base, bool upper) {
    char digits[72];
    size_t at = sizeof digits;
    do {
        digits[--at] = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[size % base];
        size /= base;
    } while (size);
    buf_put(buf, digits + at, sizeof digits - at);
}

static unsigned base_of(char letter) {
    switch (letter) {
    case 'b':
        return 2;
    case 'o':
    case 'O':
        return 8;
    case 'x':
    case 'X':
        return 16;
    default:
        return 10;
    }
}

static uint32_t rune_of(int64_t number) {
    bool is_rune = number >= 0 && number <= 0x10FFFF && !(number >= 0xD800 && number < 0xE000);
    return is_rune ? (uint32_t)number : 0xFFFD;
}

static void put_int(Buf *buf, const TmplValue *value, const Verb *verb, int depth) {
    AUTO(buf_finish) Buf text = {0};
    int64_t number = value->integer;
    uint64_t size = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    switch (verb->letter) {
    case 'c':
        utf8_put(&text, rune_of(number));
        pad(buf, buf_view(&text), verb, false);
        return;
    case 'q':
        go_quote_rune(&text, (int32_t)rune_of(number));
        pad(buf, buf_view(&text), verb, false);
        return;
    case 'U':
        buf_printf(&text, "U+%04llX", (unsigned long long)size);
        pad(buf, buf_view(&text), verb, false);
        return;
    case 'v':
    case 'd':
    case 'b':
    case 'o':
    case 'O':
    case 'x':
    case 'X':
        break;
    default:
        put_bad_verb(buf, value, verb, depth);
        return;
    }
    if (number < 0 || verb->plus || verb->space) {
        buf_byte(&text, number < 0 ? '-' : verb->plus ? '+' : ' ');
    }
    if (verb->letter == 'O' || (verb->sharp && base_of(verb->letter) != 10)) {
        buf_str(&text, verb->letter == 'x'   ? STR("0x")
                       : verb->letter == 'X' ? STR("0X")
                       : verb->letter == 'b' ? STR("0b")
                       : verb->letter == 'O' ? STR("0o")
                                             : STR("0"));
    }
    put_digits(&text, size, base_of(verb->letter), verb->letter == 'X');
    pad(buf, buf_view(&text), verb, true);
}

static void put_hex(Buf *buf, Str text, bool upper) {
    for (size_t i = 0; i < text.len; i++) {
        buf_printf(buf, upper ? "%02X" : "%02x", (unsigned char)text.ptr[i]);
    }
}

static Str cut_runes(Str text, int most) {
    size_t at = 0;
    for (int i = 0; i < most && at < text.len; i++) {
        int32_t rune;
        at += utf8_next(text, at, &rune);
    }
    return (Str){text.ptr, at};
}

static void put_string(Buf *buf, const TmplValue *value, Str string, const Verb *verb, int depth) {
    AUTO(buf_finish) Buf text = {0};
    if (verb->precision >= 0 && verb->letter != 'x' && verb->letter != 'X') {
        string = cut_runes(string, verb->precision);
    }
    switch (verb->letter) {
    case 'v':
        if (verb->sharp) {
            go_quote(&text, string, 0);
            break;
        }
        buf_str(&text, string);
        break;
    case 's':
        buf_str(&text, string);
        break;
    case 'q':
        go_quote(&text, string, 0);
        break;
    case 'x':
    case 'X':
        put_hex(&text, string, verb->letter == 'X');
        break;
    default:
        put_bad_verb(buf, value, verb, depth);
        return;
    }
    pad(buf, buf_view(&text), verb, false);
}

static void put_list(Buf *buf, const TmplValue *value, const Verb *verb, int depth) {
    buf_byte(buf, '[');
    for (size_t i = 0; i < value->count; i++) {
        if (i) {
            buf_byte(buf, ' ');
        }
        put_value(buf, &value->items[i], verb, depth + 1);
    }
    buf_byte(buf, ']');
}

static void put_fields(Buf *buf, const TmplValue *value, const Verb *verb, int depth) {
    bool is_map = value->type == TMPL_MAP;
    buf_str(buf, is_map ? STR("map[") : STR("{"));
    for (size_t i = 0; i < value->count; i++) {
        if (i) {
            buf_byte(buf, ' ');
        }
        if (is_map || verb->plus) {
            Verb key_verb = *verb;
            key_verb.letter = is_map && verb->letter == 'q' ? 'q' : 'v';
            TmplValue name = tmpl_string(value->fields[i].name);
            put_string(buf, &name, name.string, &key_verb, depth);
            buf_byte(buf, ':');
        }
        put_value(buf, value->fields[i].value, verb, depth + 1);
    }
    buf_byte(buf, is_map ? ']' : '}');
}

/* Types with a String() method print through it, except for verbs that want the number. */
static void put_stringer(Buf *buf, const TmplValue *value, const Verb *verb, int depth) {
    AUTO(buf_finish) Buf text = {0};
    bool wants_number =
        strchr("dboOxXc", verb->letter) && verb->letter != 'x' && verb->letter != 'X';
    if (value->type == TMPL_DURATION && wants_number) {
        put_int(buf, value, verb, depth);
        return;
    }
    if (value->type == TMPL_DURATION) {
        go_duration_print(&text, value->integer);
    } else {
        go_time_print(&text, value);
    }
    put_string(buf, value, buf_view(&text), verb, depth);
}

static void put_value(Buf *buf, const TmplValue *value, const Verb *verb, int depth) {
    if (depth > PRINT_DEPTH_MAX) {
        buf_str(buf, STR("..."));
        return;
    }
    switch (value->type) {
    case TMPL_NIL:
        if (verb->letter == 'v') {
            pad(buf, STR("<nil>"), verb, false);
        } else {
            put_bad_verb(buf, value, verb, depth);
        }
        return;
    case TMPL_BOOL:
        if (verb->letter == 'v' || verb->letter == 't') {
            pad(buf, value->boolean ? STR("true") : STR("false"), verb, false);
        } else {
            put_bad_verb(buf, value, verb, depth);
        }
        return;
    case TMPL_INT:
        put_int(buf, value, verb, depth);
        return;
    case TMPL_FLOAT:
        if (strchr("veEfFgG", verb->letter)) {
            put_float(buf, value->number, verb);
        } else {
            put_bad_verb(buf, value, verb, depth);
        }
        return;
    case TMPL_STRING:
        put_string(buf, value, value->string, verb, depth);
        return;
    case TMPL_LIST:
        put_list(buf, value, verb, depth);
        return;
    case TMPL_OBJECT:
        if (value->print_as) {
            put_value(buf, value->print_as, verb, depth + 1);
            return;
        }
        put_fields(buf, value, verb, depth);
        return;
    case TMPL_MAP:
        put_fields(buf, value, verb, depth);
        return;
    case TMPL_TIME:
    case TMPL_DURATION:
        put_stringer(buf, value, verb, depth);
        return;
    }
}

void tmpl_print_value(Buf *buf, const TmplValue *value) {
    put_value(buf, value, &plain_verb, 0);
}

void tmpl_sprint(Buf *buf, const TmplValue *args, size_t count) {
    for (size_t i = 0; i < count; i++) {
        /* Spaces stand between operands neither of which is a string. */
        if (i && args[i].type != TMPL_STRING && args[i - 1].type != TMPL_STRING) {
            buf_byte(buf, ' ');
        }
        tmpl_print_value(buf, &args[i]);
    }
}

void tmpl_sprintln(Buf *buf, const TmplValue *args, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (i) {
            buf_byte(buf, ' ');
        }
        tmpl_print_value(buf, &args[i]);
    }
    buf_byte(buf, '\n');
}

/* ---- printf ---- */

typedef struct Formatter {
    Buf *buf;
    Str rest;
    const TmplValue *args;
    size_t count, used;
} Formatter;

enum { WIDTH_MAX = 10000 }; /* wider is cut: output is bounded elsewhere, work here */

static bool take_flag(Formatter *formatter, Verb *verb) {
    switch (formatter->rest.len ? formatter->rest.ptr[0] : 0) {
    case '+':
        verb->plus = true;
        return true;
    case '-':
        verb->minus = true;
        return true;
    case '#':
        verb->sharp = true;
        return true;
    case ' ':
        verb->space = true;
        return true;
    case '0':
        verb->zero = true;
        return true;
    default:
        return false;
    }
}

/* A number, or `*` for one from the arguments. */
static int take_size(Formatter *formatter, int otherwise) {
    if (formatter->rest.len && formatter->rest.ptr[0] == '*') {
        formatter->rest = str_skip(formatter->rest, 1);
        if (formatter->used < formatter->count &&
            formatter->args[formatter->used].type == TMPL_INT) {
            int64_t size = formatter->args[formatter->used++].integer;
            return size < -WIDTH_MAX || size > WIDTH_MAX ? otherwise : (int)size;
        }
        buf_str(formatter->buf, STR("%!(BADWIDTH)"));
        return otherwise;
    }
    int size = otherwise;
    while (formatter->rest.len && formatter->rest.ptr[0] >= '0' && formatter->rest.ptr[0] <= '9') {
        size = (size < 0 ? 0 : size) * 10 + (formatter->rest.ptr[0] - '0');
        size = size > WIDTH_MAX ? WIDTH_MAX : size;
        formatter->rest = str_skip(formatter->rest, 1);
    }
    return size;
}

static Verb take_verb(Formatter *formatter) {
    Verb verb = {.width = -1, .precision = -1};
    while (take_flag(formatter, &verb)) {
        formatter->rest = str_skip(formatter->rest, 1);
    }
    verb.width = take_size(formatter, -1);
    if (verb.width < -1) {
        verb.minus = true;
        verb.width = -verb.width;
    }
    if (formatter->rest.len && formatter->rest.ptr[0] == '.') {
        formatter->rest = str_skip(formatter->rest, 1);
        verb.precision = take_size(formatter, 0);
    }
    if (formatter->rest.len) {
        verb.letter = formatter->rest.ptr[0];
        formatter->rest = str_skip(formatter->rest, 1);
    }
    return verb;
}

static void put_directive(Formatter *formatter) {
    Verb verb = take_verb(formatter);
    if (verb.letter == 0) {
        buf_str(formatter->buf, STR("%!(NOVERB)"));
    } else if (verb.letter == '%') {
        buf_byte(formatter->buf, '%');
    } else if (formatter->used == formatter->count) {
        buf_printf(formatter->buf, "%%!%c(MISSING)", verb.letter);
    } else if (verb.letter == 'T') {
        Verb text = verb;
        text.letter = 's';
        TmplValue name = tmpl_string(tmpl_type_name(&formatter->args[formatter->used++]));
        put_value(formatter->buf, &name, &text, 0);
    } else {
        put_value(formatter->buf, &formatter->args[formatter->used++], &verb, 0);
    }
}

static void put_extra(Formatter *formatter) {
    if (formatter->used == formatter->count) {
        return;
    }
    buf_str(formatter->buf, STR("%!(EXTRA "));
    for (size_t i = formatter->used; i < formatter->count; i++) {
        const TmplValue *arg = &formatter->args[i];
        if (i > formatter->used) {
            buf_str(formatter->buf, STR(", "));
        }
        if (arg->type == TMPL_NIL) {
            buf_str(formatter->buf, STR("<nil>"));
            continue;
        }
        buf_printf(formatter->buf, "%.*s=", STR_ARG(tmpl_type_name(arg)));
        tmpl_print_value(formatter->buf, arg);
    }
    buf_byte(formatter->buf, ')');
}

void tmpl_printf(Buf *buf, Str format, const TmplValue *args, size_t count) {
    Formatter formatter = {.buf = buf, .rest = format, .args = args, .count = count};
    while (formatter.rest.len) {
        size_t plain = str_find(formatter.rest, '%');
        buf_put(buf, formatter.rest.ptr, plain);
        formatter.rest = str_skip(formatter.rest, plain);
        if (formatter.rest.len) {
            formatter.rest = str_skip(formatter.rest, 1);
            put_directive(&formatter);
        }
    }
    put_extra(&formatter);
}
