#include "base/number.h"

#include <assert.h>
#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <strings.h>

#include "base/digits.h"
#include "base/mem.h"

/* ---- Writing ---- */

/* Writes what is no finite number, or the sign of one. True if there is more to write. */
static bool put_sign(Buf *buf, double value) {
    if (isnan(value)) {
        buf_str(buf, STR("NaN"));
        return false;
    }
    if (isinf(value)) {
        buf_str(buf, value > 0 ? STR("+Inf") : STR("-Inf"));
        return false;
    }
    if (signbit(value)) {
        buf_byte(buf, '-');
    }
    return true;
}

static void put_zeros(Buf *buf, int count) {
    for (int i = 0; i < count; i++) {
        buf_byte(buf, '0');
    }
}

static void put_fixed(Buf *buf, const Digits *digits) {
    if (digits->point <= 0) {
        buf_str(buf, STR("0."));
        put_zeros(buf, -digits->point);
        buf_put(buf, digits->text, (size_t)digits->count);
    } else if (digits->point >= digits->count) {
        buf_put(buf, digits->text, (size_t)digits->count);
        put_zeros(buf, digits->point - digits->count);
    } else {
        buf_put(buf, digits->text, (size_t)digits->point);
        buf_byte(buf, '.');
        buf_put(buf, digits->text + digits->point, (size_t)(digits->count - digits->point));
    }
}

/* The exponent has a sign and at least two digits. */
static void put_exponent(Buf *buf, int exponent) {
    buf_byte(buf, 'e');
    buf_byte(buf, exponent < 0 ? '-' : '+');
    if (abs(exponent) < 10) {
        buf_byte(buf, '0');
    }
    number_put_int(buf, abs(exponent));
}

static void put_scientific(Buf *buf, const Digits *digits) {
    buf_byte(buf, digits->text[0]);
    if (digits->count > 1) {
        buf_byte(buf, '.');
        buf_put(buf, digits->text + 1, (size_t)digits->count - 1);
    }
    put_exponent(buf, digits->point - 1);
}

/* All whole numbers up to here are doubles, so their own digits are the shortest. */
static bool is_small_whole(double value) {
    return fabs(value) < 0x1p53 && (double)(int64_t)value == value &&
           (value != 0 || !signbit(value));
}

void number_put(Buf *buf, double value) {
    if (is_small_whole(value)) {
        number_put_int(buf, (int64_t)value);
        return;
    }
    if (put_sign(buf, value)) {
        Digits digits = digits_of(fabs(value));
        put_fixed(buf, &digits);
    }
}

void number_put_exp(Buf *buf, double value) {
    if (put_sign(buf, value)) {
        Digits digits = digits_of(fabs(value));
        put_scientific(buf, &digits);
    }
}

void number_put_general(Buf *buf, double value, int exp_min) {
    if (!put_sign(buf, value)) {
        return;
    }
    Digits digits = digits_of(fabs(value));
    int exponent = digits.point - 1;
    if (exponent < -4 || exponent >= exp_min) {
        put_scientific(buf, &digits);
    } else {
        put_fixed(buf, &digits);
    }
}

void number_put_int(Buf *buf, int64_t value) {
    char text[20]; /* -9223372036854775808 */
    uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
    char *at = digits_before(text + sizeof text, magnitude);
    if (value < 0) {
        *--at = '-';
    }
    buf_put(buf, at, (size_t)(text + sizeof text - at));
}

/* ---- Reading ---- */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool skip_sign(Str *text) {
    bool negative = text->len && text->ptr[0] == '-';
    if (negative || (text->len && text->ptr[0] == '+')) {
        *text = str_skip(*text, 1);
    }
    return negative;
}

static bool equals_ignoring_case(Str text, const char *word) {
    return text.len == strlen(word) && strncasecmp(text.ptr, word, text.len) == 0;
}

/* A decimal number as found in the text: mantissa * 10^exponent, if `exact`. */
typedef struct Decimal {
    uint64_t mantissa;
    int64_t exponent;
    int digit_count; /* behind leading zeros */
} Decimal;

static bool is_digit_of_base(char c, bool hex) {
    return hex ? isxdigit((unsigned char)c) != 0 : is_digit(c);
}

/* Takes the digits of a mantissa with at most one point. False if there is no digit. */
static bool take_mantissa(Str *text, bool hex, Decimal *decimal) {
    bool any = false, after_point = false;
    for (; text->len; *text = str_skip(*text, 1)) {
        char c = text->ptr[0];
        if (c == '.' && !after_point) {
            after_point = true;
            continue;
        }
        if (!is_digit_of_base(c, hex)) {
            break;
        }
        any = true;
        decimal->exponent -= after_point;
        if (decimal->digit_count > 0 || c != '0') {
            decimal->digit_count++;
            /* May overflow, but then there are too many digits for the one who reads it. */
            decimal->mantissa = decimal->mantissa * 10 + (uint64_t)(c - '0');
        }
    }
    return any;
}

/* Takes an exponent: letter, sign, digits. True if none is there and none is demanded. */
static bool take_exponent(Str *text, bool hex, Decimal *decimal) {
    if (text->len == 0 || (text->ptr[0] | 0x20) != (hex ? 'p' : 'e')) {
        return !hex;
    }
    *text = str_skip(*text, 1);
    bool negative = skip_sign(text);
    int64_t exponent = 0;
    bool any = false;
    for (; text->len && is_digit(text->ptr[0]); *text = str_skip(*text, 1)) {
        any = true;
        exponent = exponent < 100000 ? exponent * 10 + (text->ptr[0] - '0') : exponent;
    }
    decimal->exponent += negative ? -exponent : exponent;
    return any;
}

/* Both factors are doubles without error, so the one operation rounds right (Clinger 1990). */
static bool exact_value(const Decimal *decimal, double *ret_value) {
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    bool mantissa_is_exact = decimal->digit_count < 20 && decimal->mantissa <= UINT64_C(1) << 53;
    if (!mantissa_is_exact || decimal->exponent < -22 || decimal->exponent > 22) {
        return false;
    }
    double mantissa = (double)decimal->mantissa;
    *ret_value = decimal->exponent < 0 ? mantissa / powers[-decimal->exponent]
                                       : mantissa * powers[decimal->exponent];
    return true;
}

static locale_t c_locale;

static void make_c_locale(void) {
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    assert(c_locale);
}

/* The slow way, for text already known to be a number. False if it is too large. */
static bool value_by_strtod(Str text, double *ret_value) {
    static pthread_once_t made = PTHREAD_ONCE_INIT;
    pthread_once(&made, make_c_locale);

    char small[64];
    char *copy = text.len < sizeof small ? small : mem_grow(NULL, text.len + 1);
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    double value = strtod_l(copy, NULL, c_locale);
    if (copy != small) {
        free(copy);
    }
    if (isinf(value)) {
        return false;
    }
    *ret_value = value;
    return true;
}

static bool parse_magnitude(Str text, double *ret_value) {
    bool hex = text.len > 2 && text.ptr[0] == '0' && (text.ptr[1] | 0x20) == 'x';
    Str rest = hex ? str_skip(text, 2) : text;
    Decimal decimal = {0};
    if (!take_mantissa(&rest, hex, &decimal) || !take_exponent(&rest, hex, &decimal) || rest.len) {
        return false;
    }
    return (!hex && exact_value(&decimal, ret_value)) || value_by_strtod(text, ret_value);
}

bool number_parse(Str text, double *ret_value) {
    Str unsigned_text = text;
    bool negative = skip_sign(&unsigned_text);
    double value;
    if (equals_ignoring_case(text, "nan")) {
        value = NAN;
    } else if (equals_ignoring_case(unsigned_text, "inf") ||
               equals_ignoring_case(unsigned_text, "infinity")) {
        value = INFINITY;
    } else if (!parse_magnitude(unsigned_text, &value)) {
        return false;
    }
    *ret_value = negative ? -value : value;
    return true;
}

/* Takes the digits at the start of `text` as a number up to `max`. */
typedef enum TakeDigits { DIGITS_TAKEN, DIGITS_NONE, DIGITS_TOO_LARGE } TakeDigits;

static TakeDigits take_digits(Str *text, uint64_t max, uint64_t *ret_value) {
    uint64_t value = 0;
    size_t count = 0;
    for (; count < text->len && is_digit(text->ptr[count]); count++) {
        uint64_t digit = (uint64_t)(text->ptr[count] - '0');
        if (value > (max - digit) / 10) {
            return DIGITS_TOO_LARGE;
        }
        value = value * 10 + digit;
    }
    *ret_value = value;
    if (count == 0) {
        return DIGITS_NONE;
    }
    *text = str_skip(*text, count);
    return DIGITS_TAKEN;
}

bool number_parse_int(Str text, int64_t *ret_value) {
    bool negative = skip_sign(&text);
    uint64_t magnitude;
    uint64_t max = (uint64_t)INT64_MAX + negative;
    if (take_digits(&text, max, &magnitude) != DIGITS_TAKEN || text.len) {
        return false;
    }
    *ret_value = (int64_t)(negative ? -magnitude : magnitude);
    return true;
}

bool bytes_parse(Str text, uint64_t *ret_bytes, Err *err) {
    static const char prefixes[] = "KMGTPE";
    size_t number_len = text.len;
    while (number_len && !is_digit(text.ptr[number_len - 1])) {
        number_len--;
    }
    double number;
    Str unit = str_skip(text, number_len);
    double factor = 1;
    const char *prefix = unit.len ? strchr(prefixes, unit.ptr[0]) : NULL;
    if (prefix && *prefix) {
        factor = ldexp(1, 10 * (int)(prefix - prefixes + 1));
        unit = str_skip(unit, 1);
        unit = str_skip(unit, str_eq(unit, STR("iB")) ? 1 : 0);
    }
    bool unit_is_known = unit.len == 0 || str_eq(unit, STR("B"));
    if (!unit_is_known || number_len == 0 || !is_digit(text.ptr[0]) ||
        !number_parse((Str){text.ptr, number_len}, &number)) {
        return err_set(err, ERR_INVALID, "not a valid size in bytes: \"%.*s\"", STR_ARG(text));
    }
    if (number * factor >= 0x1p63) {
        return err_set(err, ERR_INVALID, "size in bytes out of range: \"%.*s\"", STR_ARG(text));
    }
    *ret_bytes = (uint64_t)(number * factor);
    return true;
}
