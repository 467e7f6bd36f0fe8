/*
 * Values as Go's package fmt writes them: %v of an action, and printf with its verbs and flags.
 *
 * The order of decisions is Go's (fmt/print.go, fmt/format.go), since what comes out of odd formats
 * follows from it: a verb that does not fit a value prints `%!d(string=hi)` with the flags still in
 * force, precision wins over zero padding, and so on.
 */

#include <math.h>
#include <stdio.h>

#include "base/go_text.h"
#include "base/number.h"
#include "tmpl/go_time.h"
#include "tmpl/value.h"

enum {
    PRINT_DEPTH_MAX = 100,
    SIZE_MAX_GO = 1000 * 1000, /* of widths, precisions and indices: Go reads no larger ones */
    PADDING_MAX = 10000,       /* wider is cut: output is bounded elsewhere, work here */
    PRECISION_MAX = 400,
};

/* A verb with its flags. */
typedef struct Format {
    int32_t verb;
    bool plus, minus, sharp, space, zero;
    bool plus_v, sharp_v; /* %+v and %#v */
    bool has_width, has_precision;
    bool is_erroring; /* inside %!d(...): types that print themselves do not */
    int width, precision;
} Format;

static void put_padding(Buf *buf, const Format *format, int count) {
    char byte = format->zero && !format->minus ? '0' : ' ';
    for (int i = 0; i < count && i < PADDING_MAX; i++) {
        buf_byte(buf, byte);
    }
}

static int rune_count(Str text) {
    int count = 0;
    for (size_t at = 0; at < text.len; count++) {
        int32_t rune;
        at += utf8_next(text, at, &rune);
    }
    return count;
}

static void put_padded(Buf *buf, const Format *format, Str text) {
    int missing = format->has_width ? format->width - rune_count(text) : 0;
    if (!format->minus) {
        put_padding(buf, format, missing);
    }
    buf_str(buf, text);
    if (format->minus) {
        put_padding(buf, format, missing);
    }
}

static void put_spaced(Buf *buf, const Format *format, Str text) {
    Format spaces = *format;
    spaces.zero = false;
    put_padded(buf, &spaces, text);
}

static void put_value(Buf *buf, const TmplValue *value, const Format *format, int depth);

static void put_verb(Buf *buf, int32_t verb) {
    utf8_put(buf, (uint32_t)verb);
}

/* %!d(string=hi) */
static void put_bad_verb(Buf *buf, const TmplValue *value, const Format *format, int depth) {
    buf_str(buf, STR("%!"));
    put_verb(buf, format->verb);
    buf_byte(buf, '(');
    if (value->type == TMPL_NIL) {
        buf_str(buf, STR("<nil>"));
    } else {
        Format plain = *format;
        plain.verb = 'v';
        plain.is_erroring = true;
        buf_str(buf, tmpl_type_name(value));
        buf_byte(buf, '=');
        put_value(buf, value, &plain, depth + 1);
    }
    buf_byte(buf, ')');
}

/* ---- integers ---- */

static void put_digits(Buf *buf, uint64_t size, unsigned base, bool upper, int digits_min) {
    char digits[64];
    size_t at = sizeof digits;
    do {
        digits[--at] = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[size % base];
        size /= base;
    } while (size);
    int count = (int)(sizeof digits - at);
    for (int i = count; i < digits_min && i < PADDING_MAX; i++) {
        buf_byte(buf, '0');
    }
    buf_put(buf, digits + at, (size_t)count);
}

static unsigned base_of(int32_t verb) {
    switch (verb) {
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

static void put_prefix(Buf *buf, const Format *format, Str digits) {
    if (format->verb == 'O') {
        buf_str(buf, STR("0o"));
    }
    if (!format->sharp) {
        return;
    }
    switch (base_of(format->verb)) {
    case 2:
        buf_str(buf, STR("0b"));
        return;
    case 8:
        buf_str(buf, digits.ptr[0] == '0' ? STR("") : STR("0"));
        return;
    case 16:
        buf_str(buf, format->verb == 'X' ? STR("0X") : STR("0x"));
        return;
    default:
        return;
    }
}

static void put_number(Buf *buf, int64_t number, const Format *format) {
    AUTO(buf_finish) Buf digits = {0};
    AUTO(buf_finish) Buf text = {0};
    bool has_sign = number < 0 || format->plus || format->space;
    uint64_t size = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    int digits_min = 0;
    if (format->has_precision) {
        digits_min = format->precision;
        if (digits_min == 0 && size == 0) { /* nothing but padding */
            put_spaced(buf, format, STR(""));
            return;
        }
    } else if (format->zero && !format->minus && format->has_width) {
        digits_min = format->width - has_sign;
    }
    put_digits(&digits, size, base_of(format->verb), format->verb == 'X', digits_min);
    if (has_sign) {
        buf_byte(&text, number < 0 ? '-' : format->plus ? '+' : ' ');
    }
    put_prefix(&text, format, buf_view(&digits));
    buf_str(&text, buf_view(&digits));
    put_spaced(buf, format, buf_view(&text));
}

static uint32_t rune_of(int64_t number) {
    bool is_rune = number >= 0 && number <= 0x10FFFF && !(number >= 0xD800 && number < 0xE000);
    return is_rune ? (uint32_t)number : 0xFFFD;
}

/* U+0041, with # also the character. */
static void put_unicode(Buf *buf, int64_t number, const Format *format) {
    AUTO(buf_finish) Buf text = {0};
    int digits_min = format->has_precision && format->precision > 4 ? format->precision : 4;
    buf_str(&text, STR("U+"));
    put_digits(&text, (uint64_t)number, 16, true, digits_min);
    if (format->sharp && number >= 0 && number <= 0x10FFFF && go_is_printable((int32_t)number)) {
        buf_str(&text, STR(" '"));
        utf8_put(&text, (uint32_t)number);
        buf_byte(&text, '\'');
    }
    put_spaced(buf, format, buf_view(&text));
}

static void put_int(Buf *buf, const TmplValue *value, const Format *format, int depth) {
    AUTO(buf_finish) Buf text = {0};
    switch (format->verb) {
    case 'v':
    case 'd':
    case 'b':
    case 'o':
    case 'O':
    case 'x':
    case 'X':
        put_number(buf, value->integer, format);
        return;
    case 'c':
        utf8_put(&text, rune_of(value->integer));
        put_padded(buf, format, buf_view(&text));
        return;
    case 'q':
        go_quote_rune(&text, (int32_t)rune_of(value->integer), format->plus);
        put_padded(buf, format, buf_view(&text));
        return;
    case 'U':
        put_unicode(buf, value->integer, format);
        return;
    default:
        put_bad_verb(buf, value, format, depth);
        return;
    }
}

/* ---- floats ---- */

/* 4503599627370496p-52: an integer times a power of two. */
static void put_binary_float(Buf *buf, double size) {
    int exponent = -1074;
    uint64_t mantissa = 0;
    if (size > 0) {
        int top;
        (void)frexp(size, &top);
        exponent = top - 53 < -1074 ? -1074 : top - 53;
        mantissa = (uint64_t)ldexp(size, -exponent);
    }
    buf_printf(buf, "%llup%+d", (unsigned long long)mantissa, exponent);
}

/* 0x1.cp+01: as C's %a, but with two digits of exponent at least. */
static void put_hex_float(Buf *buf, double size, int precision, bool upper) {
    char text[PRECISION_MAX + 64];
    if (precision < 0) {
        snprintf(text, sizeof text, upper ? "%A" : "%a", size);
    } else {
        snprintf(text, sizeof text, upper ? "%.*A" : "%.*a", precision, size);
    }
    const char *exponent = strchr(text, upper ? 'P' : 'p');
    buf_put(buf, text, (size_t)(exponent - text) + 2);
    if (exponent[3] == '\0') {
        buf_byte(buf, '0');
    }
    buf_str(buf, str_of(exponent + 2));
}

/* The digits of a finite, non-negative number; precision -1 is the shortest that reads back. Where
 * one is given, C's printf agrees with Go's strconv. */
static void put_float_digits(Buf *buf, double size, int32_t verb, int precision) {
    precision = precision > PRECISION_MAX ? PRECISION_MAX : precision;
    switch (verb) {
    case 'b':
        put_binary_float(buf, size);
        return;
    case 'x':
    case 'X':
        put_hex_float(buf, size, precision, verb == 'X');
        return;
    case 'e':
        buf_printf(buf, "%.*e", precision, size);
        return;
    case 'E':
        buf_printf(buf, "%.*E", precision, size);
        return;
    case 'f':
    case 'F':
        buf_printf(buf, "%.*f", precision, size);
        return;
    default:
        break;
    }
    size_t from = buf->len;
    if (precision < 0) {
        number_put_general(buf, size, GO_EXPONENT_MIN);
    } else {
        buf_printf(buf, "%.*g", precision, size);
    }
    for (size_t i = from; i < buf->len && verb == 'G'; i++) {
        buf->ptr[i] = buf->ptr[i] == 'e' ? 'E' : buf->ptr[i];
    }
}

/* What # does: a point always, and with %g the zeros that make the precision full. */
static void put_sharp(Buf *buf, Str digits, int32_t verb, int precision) {
    int missing = 0;
    bool has_point = false, is_significant = false;
    bool is_hex = verb == 'x' || verb == 'X';
    if (verb == 'g' || verb == 'G' || verb == 'x') {
        missing = precision < 0 ? 6 : precision;
    }
    size_t end = 0;
    for (; end < digits.len; end++) {
        char c = digits.ptr[end];
        if ((c | 0x20) == 'p' || (!is_hex && (c | 0x20) == 'e')) {
            break;
        }
        has_point |= c == '.';
        is_significant |= c != '.' && c != '0';
        missing -= c != '.' && is_significant;
    }
    buf_put(buf, digits.ptr, end);
    if (!has_point) {
        missing -= end == 1 && digits.ptr[0] == '0';
        buf_byte(buf, '.');
    }
    for (int i = 0; i < missing && i < PADDING_MAX; i++) {
        buf_byte(buf, '0');
    }
    buf_str(buf, str_skip(digits, end));
}

static void put_infinite(Buf *buf, double number, const Format *format) {
    AUTO(buf_finish) Buf text = {0};
    char sign = number < 0 ? '-' : format->space && !format->plus ? ' ' : '+';
    if (!isnan(number) || format->space || format->plus) {
        buf_byte(&text, sign);
    }
    buf_str(&text, isnan(number) ? STR("NaN") : STR("Inf"));
    put_spaced(buf, format, buf_view(&text));
}

static void put_float(Buf *buf, double number, const Format *format) {
    AUTO(buf_finish) Buf digits = {0};
    AUTO(buf_finish) Buf text = {0};
    if (!isfinite(number)) {
        put_infinite(buf, number, format);
        return;
    }
    int32_t verb = format->verb == 'v' ? 'g' : format->verb;
    int precision = format->has_precision ? format->precision : strchr("eEfF", verb) ? 6 : -1;
    put_float_digits(&digits, fabs(number), verb, precision);
    char sign = signbit(number) ? '-' : format->plus ? '+' : format->space ? ' ' : 0;
    if (sign) {
        buf_byte(&text, sign);
    }
    if (format->sharp && verb != 'b') {
        put_sharp(&text, buf_view(&digits), verb, precision);
    } else {
        buf_str(&text, buf_view(&digits));
    }
    int missing = format->has_width ? format->width - (int)text.len : 0;
    if (sign && format->zero && !format->minus && missing > 0) {
        buf_byte(buf, sign);
        put_padding(buf, format, missing);
        buf_str(buf, str_skip(buf_view(&text), 1));
        return;
    }
    put_padded(buf, format, buf_view(&text));
}

/* ---- text ---- */

static Str cut_runes(Str text, int most) {
    size_t at = 0;
    for (int i = 0; i < most && at < text.len; i++) {
        int32_t rune;
        at += utf8_next(text, at, &rune);
    }
    return (Str){text.ptr, at};
}

static void put_hex(Buf *buf, Str string, const Format *format) {
    AUTO(buf_finish) Buf text = {0};
    bool upper = format->verb == 'X';
    size_t len = string.len;
    if (format->has_precision && (size_t)format->precision < len) {
        len = (size_t)format->precision;
    }
    for (size_t i = 0; i < len; i++) {
        if (format->space && i) {
            buf_byte(&text, ' ');
        }
        if (format->sharp && (i == 0 || format->space)) {
            buf_str(&text, upper ? STR("0X") : STR("0x"));
        }
        buf_printf(&text, upper ? "%02X" : "%02x", (unsigned char)string.ptr[i]);
    }
    put_padded(buf, format, buf_view(&text));
}

static void put_quoted(Buf *buf, Str string, const Format *format) {
    AUTO(buf_finish) Buf text = {0};
    if (format->sharp && go_can_backquote(string)) {
        buf_printf(&text, "`%.*s`", STR_ARG(string));
    } else if (format->plus) {
        go_quote_ascii(&text, string);
    } else {
        go_quote(&text, string, 0);
    }
    put_padded(buf, format, buf_view(&text));
}

static void put_string(Buf *buf, const TmplValue *value, Str string, const Format *format,
                       int depth) {
    Str cut = format->has_precision ? cut_runes(string, format->precision) : string;
    switch (format->verb) {
    case 'v':
        if (format->sharp_v) {
            put_quoted(buf, cut, format);
            return;
        }
        put_padded(buf, format, cut);
        return;
    case 's':
        put_padded(buf, format, cut);
        return;
    case 'q':
        put_quoted(buf, cut, format);
        return;
    case 'x':
    case 'X':
        put_hex(buf, string, format);
        return;
    default:
        put_bad_verb(buf, value, format, depth);
        return;
    }
}

/* ---- lists, maps, structs ---- */

static void put_list(Buf *buf, const TmplValue *value, const Format *format, int depth) {
    buf_str(buf, format->sharp_v ? tmpl_type_name(value) : STR(""));
    buf_byte(buf, format->sharp_v ? '{' : '[');
    for (size_t i = 0; i < value->count; i++) {
        buf_str(buf, i == 0 ? STR("") : format->sharp_v ? STR(", ") : STR(" "));
        put_value(buf, &value->items[i], format, depth + 1);
    }
    buf_byte(buf, format->sharp_v ? '}' : ']');
}

static void put_fields(Buf *buf, const TmplValue *value, const Format *format, int depth) {
    bool is_map = value->type == TMPL_MAP;
    bool is_plain_map = is_map && !format->sharp_v;
    buf_str(buf, format->sharp_v ? tmpl_type_name(value) : is_map ? STR("map") : STR(""));
    buf_byte(buf, is_plain_map ? '[' : '{');
    for (size_t i = 0; i < value->count; i++) {
        buf_str(buf, i == 0 ? STR("") : format->sharp_v ? STR(", ") : STR(" "));
        TmplValue name = tmpl_string(value->fields[i].name);
        if (is_map) {
            put_string(buf, &name, name.string, format, depth);
            buf_byte(buf, ':');
        } else if (format->plus_v || format->sharp_v) {
            buf_str(buf, name.string);
            buf_byte(buf, ':');
        }
        put_value(buf, value->fields[i].value, format, depth + 1);
    }
    buf_byte(buf, is_plain_map ? ']' : '}');
}

/* Types with a String() method print through it where the verb is one for text. */
static void put_stringer(Buf *buf, const TmplValue *value, const Format *format, int depth) {
    AUTO(buf_finish) Buf text = {0};
    bool is_number = value->type != TMPL_TIME;
    bool is_text = format->verb < 0x80 && strchr("vsxXq", format->verb) != NULL;
    bool is_itself = !is_text || format->is_erroring || format->sharp_v;
    if (is_number && is_itself) {
        put_int(buf, value, format, depth);
        return;
    }
    if (value->type == TMPL_INT) {
        buf_str(&text, value->print_as->string);
    } else if (is_number) {
        go_duration_print(&text, value->integer);
    } else {
        go_time_print(&text, value);
    }
    put_string(buf, value, buf_view(&text), format, depth);
}

static void put_simple(Buf *buf, const TmplValue *value, const Format *format, int depth,
                       const char *verbs, Str text) {
    if (format->verb < 0x80 && strchr(verbs, format->verb)) {
        put_padded(buf, format, text);
    } else {
        put_bad_verb(buf, value, format, depth);
    }
}

static void put_value(Buf *buf, const TmplValue *value, const Format *format, int depth) {
    if (depth > PRINT_DEPTH_MAX) {
        buf_str(buf, STR("..."));
        return;
    }
    switch (value->type) {
    case TMPL_NIL:
        put_simple(buf, value, format, depth, "vT", STR("<nil>"));
        return;
    case TMPL_BOOL:
        put_simple(buf, value, format, depth, "vt", value->boolean ? STR("true") : STR("false"));
        return;
    case TMPL_INT:
        if (value->print_as) {
            put_stringer(buf, value, format, depth);
            return;
        }
        put_int(buf, value, format, depth);
        return;
    case TMPL_FLOAT:
        if (format->verb < 0x80 && strchr("vbgGxXeEfF", format->verb)) {
            put_float(buf, value->number, format);
        } else {
            put_bad_verb(buf, value, format, depth);
        }
        return;
    case TMPL_STRING:
        put_string(buf, value, value->string, format, depth);
        return;
    case TMPL_LIST:
        put_list(buf, value, format, depth);
        return;
    case TMPL_OBJECT:
        if (value->print_as) {
            put_value(buf, value->print_as, format, depth + 1);
            return;
        }
        put_fields(buf, value, format, depth);
        return;
    case TMPL_MAP:
        put_fields(buf, value, format, depth);
        return;
    case TMPL_TIME:
    case TMPL_DURATION:
        put_stringer(buf, value, format, depth);
        return;
    }
}

/* ---- print, println ---- */

static const Format plain = {.verb = 'v'};

void tmpl_print_value(Buf *buf, const TmplValue *value) {
    put_value(buf, value, &plain, 0);
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
    size_t count;
    size_t used;       /* the argument that is next */
    bool is_reordered; /* [n] occurred anywhere: nothing is extra then */
    bool bad_index;    /* of the directive at hand */
} Formatter;

static char next_byte(const Formatter *formatter) {
    return formatter->rest.len ? formatter->rest.ptr[0] : '\0';
}

static void skip_byte(Formatter *formatter) {
    formatter->rest = str_skip(formatter->rest, 1);
}

static bool take_flag(Formatter *formatter, Format *format) {
    switch (next_byte(formatter)) {
    case '+':
        format->plus = true;
        return true;
    case '-':
        format->minus = true;
        return true;
    case '#':
        format->sharp = true;
        return true;
    case ' ':
        format->space = true;
        return true;
    case '0':
        format->zero = true;
        return true;
    default:
        return false;
    }
}

/* Digits; a number that is far too large ends the format, as in Go. */
static bool take_number(Formatter *formatter, int *ret_number) {
    bool is_number = false;
    *ret_number = 0;
    while (next_byte(formatter) >= '0' && next_byte(formatter) <= '9') {
        if (*ret_number > SIZE_MAX_GO) {
            formatter->rest = STR("");
            return false;
        }
        *ret_number = *ret_number * 10 + (next_byte(formatter) - '0');
        is_number = true;
        skip_byte(formatter);
    }
    return is_number;
}

/* `[3]`: the argument to take next. True if there was a well-formed one. */
static bool take_index(Formatter *formatter) {
    if (next_byte(formatter) != '[') {
        return false;
    }
    formatter->is_reordered = true;
    size_t close = str_find(formatter->rest, ']');
    if (formatter->rest.len < 3 || close == formatter->rest.len) {
        formatter->bad_index = true;
        skip_byte(formatter);
        return false;
    }
    Formatter inside = {.rest = {formatter->rest.ptr + 1, close - 1}};
    int index = 0;
    bool is_number = take_number(&inside, &index) && inside.rest.len == 0;
    formatter->rest = str_skip(formatter->rest, close + 1);
    if (is_number && index >= 1 && (size_t)index <= formatter->count) {
        formatter->used = (size_t)index - 1;
        return true;
    }
    formatter->bad_index = true;
    return is_number;
}

/* `*`: a width or precision from the arguments. */
static bool take_argument(Formatter *formatter, int *ret_size) {
    skip_byte(formatter);
    *ret_size = 0;
    if (formatter->used >= formatter->count) {
        return false;
    }
    const TmplValue *arg = &formatter->args[formatter->used++];
    if (arg->type != TMPL_INT || arg->integer < -SIZE_MAX_GO || arg->integer > SIZE_MAX_GO) {
        return false;
    }
    *ret_size = (int)arg->integer;
    return true;
}

static bool take_width(Formatter *formatter, Format *format, bool is_indexed) {
    if (next_byte(formatter) != '*') {
        format->has_width = take_number(formatter, &format->width);
        formatter->bad_index |= is_indexed && format->has_width; /* %[3]2d */
        return is_indexed;
    }
    format->has_width = take_argument(formatter, &format->width);
    if (!format->has_width) {
        buf_str(formatter->buf, STR("%!(BADWIDTH)"));
    }
    if (format->width < 0) {
        format->width = -format->width;
        format->minus = true;
    }
    return false;
}

static bool take_precision(Formatter *formatter, Format *format, bool is_indexed) {
    if (next_byte(formatter) != '.') {
        return is_indexed;
    }
    skip_byte(formatter);
    formatter->bad_index |= is_indexed; /* %[3].2d */
    is_indexed = take_index(formatter);
    if (next_byte(formatter) != '*') {
        (void)take_number(formatter, &format->precision);
        format->has_precision = true;
        return is_indexed;
    }
    format->has_precision = take_argument(formatter, &format->precision) && format->precision >= 0;
    if (!format->has_precision) {
        format->precision = 0;
        buf_str(formatter->buf, STR("%!(BADPREC)"));
    }
    return false;
}

static Format take_format(Formatter *formatter) {
    Format format = {0};
    formatter->bad_index = false;
    while (take_flag(formatter, &format)) {
        skip_byte(formatter);
    }
    bool is_indexed = take_index(formatter);
    is_indexed = take_width(formatter, &format, is_indexed);
    is_indexed = take_precision(formatter, &format, is_indexed);
    if (!is_indexed) {
        (void)take_index(formatter);
    }
    formatter->rest =
        str_skip(formatter->rest, utf8_next(formatter->rest, 0, &format.verb)); /* -1 at the end */
    if (format.verb == 'v') {
        format.sharp_v = format.sharp;
        format.plus_v = format.plus;
        format.sharp = format.plus = false;
    }
    return format;
}

static void put_complaint(Formatter *formatter, int32_t verb, const char *what) {
    buf_str(formatter->buf, STR("%!"));
    put_verb(formatter->buf, verb);
    buf_str(formatter->buf, str_of(what));
}

static void put_directive(Formatter *formatter) {
    Format format = take_format(formatter);
    if (format.verb < 0) {
        buf_str(formatter->buf, STR("%!(NOVERB)"));
    } else if (format.verb == '%') {
        buf_byte(formatter->buf, '%');
    } else if (formatter->bad_index) {
        put_complaint(formatter, format.verb, "(BADINDEX)");
    } else if (formatter->used >= formatter->count) {
        put_complaint(formatter, format.verb, "(MISSING)");
    } else {
        const TmplValue *arg = &formatter->args[formatter->used++];
        TmplValue name = tmpl_string(tmpl_type_name(arg));
        bool is_type = format.verb == 'T' && arg->type != TMPL_NIL;
        format.verb = is_type ? 's' : format.verb;
        put_value(formatter->buf, is_type ? &name : arg, &format, 0);
    }
}

static void put_extra(Formatter *formatter) {
    if (formatter->is_reordered || formatter->used >= formatter->count) {
        return;
    }
    buf_str(formatter->buf, STR("%!(EXTRA "));
    for (size_t i = formatter->used; i < formatter->count; i++) {
        const TmplValue *arg = &formatter->args[i];
        buf_str(formatter->buf, i > formatter->used ? STR(", ") : STR(""));
        if (arg->type != TMPL_NIL) {
            buf_printf(formatter->buf, "%.*s=", STR_ARG(tmpl_type_name(arg)));
        }
        tmpl_print_value(formatter->buf, arg);
    }
    buf_byte(formatter->buf, ')');
}

void tmpl_printf(Buf *buf, Str format, const TmplValue *args, size_t count) {
    Formatter formatter = {.buf = buf, .rest = format, .args = args, .count = count};
    while (formatter.rest.len) {
        size_t text = str_find(formatter.rest, '%');
        buf_put(buf, formatter.rest.ptr, text);
        formatter.rest = str_skip(formatter.rest, text);
        if (formatter.rest.len) {
            skip_byte(&formatter);
            put_directive(&formatter);
        }
    }
    put_extra(&formatter);
}
