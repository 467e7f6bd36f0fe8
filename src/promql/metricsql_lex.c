/* The lexer of MetricsQL. */

#include "promql/metricsql_lex.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

#include "base/go_text.h"
#include "base/number.h"
#include "promql/lex.h"

/* ---- words ---- */

/* Letters as Unicode knows them, roughly: everything from U+00AA that is neither punctuation nor
 * space of the blocks below. */
static bool is_letter(int32_t rune) {
    if (rune < 128) {
        return rune > 0 && isalpha(rune);
    }
    bool latin_symbol = rune < 0xC0 && rune != 0xAA && rune != 0xB5 && rune != 0xBA;
    bool sign = rune == 0xD7 || rune == 0xF7;
    bool punctuation = (rune >= 0x2000 && rune <= 0x2BFF) || (rune >= 0x3000 && rune <= 0x3004) ||
                       (rune >= 0x3008 && rune <= 0x3020) || (rune >= 0xFE10 && rune <= 0xFE6F) ||
                       (rune >= 0xFF00 && rune <= 0xFF20) || rune == 0xFFFD ||
                       (rune >= 0x1F000 && rune <= 0x1FAFF) || (rune >= 0xE000 && rune <= 0xF8FF);
    return !latin_symbol && !sign && !punctuation;
}

static bool is_word_rune(int32_t rune, bool first) {
    if (is_letter(rune) || rune == '_' || rune == ':') {
        return true;
    }
    return !first && (rune == '.' || (rune >= '0' && rune <= '9'));
}

static int hex_value(char byte) {
    if (lex_is_digit(byte)) {
        return byte - '0';
    }
    byte = (char)(byte | 0x20);
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* The character behind a backslash: \-, \x2d, \u263a. Its length; 0 if there is none. */
static size_t read_escape(Str text, int32_t *ret_rune) {
    char letter = text.len ? (char)(text.ptr[0] | 0x20) : '\0';
    size_t digits = letter == 'x' ? 2 : letter == 'u' ? 4 : 0;
    if (digits) {
        int32_t rune = 0;
        for (size_t i = 1; i <= digits; i++) {
            int digit = i < text.len ? hex_value(text.ptr[i]) : -1;
            if (digit < 0) {
                return 0;
            }
            rune = rune << 4 | digit;
        }
        *ret_rune = rune;
        return digits + 1;
    }
    size_t length = utf8_next(text, 0, ret_rune);
    return *ret_rune >= 0x20 && *ret_rune != 0xFFFD ? length : 0;
}

static size_t word_length(Str text) {
    size_t at = 0;
    for (;;) {
        int32_t rune;
        size_t length = utf8_next(text, at, &rune);
        if (rune == '\\') {
            size_t escaped = read_escape(str_skip(text, at + 1), &rune);
            length = escaped ? escaped + 1 : 0;
        } else if (length == 0 || !is_word_rune(rune, at == 0)) {
            length = 0;
        }
        if (length == 0) {
            return at;
        }
        at += length;
    }
}

Str mql_word_unescape(Arena *arena, Str word) {
    if (str_find(word, '\\') == word.len) {
        return word;
    }
    AUTO(buf_finish) Buf out = {0};
    for (size_t at = 0; at < word.len;) {
        int32_t rune;
        size_t length = word.ptr[at] == '\\' ? read_escape(str_skip(word, at + 1), &rune) : 0;
        if (length) {
            utf8_put(&out, (uint32_t)rune);
            at += length + 1;
        } else {
            buf_byte(&out, word.ptr[at++]);
        }
    }
    return arena_str(arena, buf_view(&out));
}

void mql_word_print(Buf *buf, Str word) {
    for (size_t at = 0; at < word.len;) {
        int32_t rune;
        size_t length = utf8_next(word, at, &rune);
        if (is_word_rune(rune, at == 0)) {
            buf_put(buf, word.ptr + at, length);
        } else if (rune >= 0x20 && rune != 0x7F && rune != 0xFFFD) {
            buf_byte(buf, '\\');
            buf_put(buf, word.ptr + at, length);
        } else {
            buf_printf(buf, rune < 256 ? "\\x%02x" : "\\u%04x", (unsigned)rune);
        }
        at += length;
    }
}

/* ---- numbers ---- */

static const struct {
    const char *suffix;
    double factor;
} multipliers[] = {
    {"kib", 0x1p10}, {"ki", 0x1p10}, {"kb", 1e3},  {"k", 1e3},
    {"mib", 0x1p20}, {"mi", 0x1p20}, {"mb", 1e6},  {"m", 1e6},
    {"gib", 0x1p30}, {"gi", 0x1p30}, {"gb", 1e9},  {"g", 1e9},
    {"tib", 0x1p40}, {"ti", 0x1p40}, {"tb", 1e12}, {"t", 1e12},
};

/* The multiplier `text` begins with; its length. */
static size_t multiplier_of(Str text, double *ret_factor) {
    for (size_t i = 0; i < sizeof multipliers / sizeof multipliers[0]; i++) {
        size_t length = strlen(multipliers[i].suffix);
        if (text.len >= length && strncasecmp(text.ptr, multipliers[i].suffix, length) == 0) {
            *ret_factor = multipliers[i].factor;
            return length;
        }
    }
    return 0;
}

static char byte_at(Str text, size_t at) {
    return at < text.len ? text.ptr[at] : '\0';
}

static size_t skip_digits(Str text, size_t at) {
    while (lex_is_digit(byte_at(text, at)) || byte_at(text, at) == '_') {
        at++;
    }
    return at;
}

/* 0x1F, 0b11, 0o17, 017; 0 if it is none of them. */
static size_t special_integer_length(Str text) {
    if (byte_at(text, 0) != '0') {
        return 0;
    }
    char letter = (char)(byte_at(text, 1) | 0x20);
    if (letter == 'x') {
        size_t at = 2;
        while (hex_value(byte_at(text, at)) >= 0) {
            at++;
        }
        return at;
    }
    bool prefixed = letter == 'b' || letter == 'o';
    return prefixed || lex_is_digit(byte_at(text, 1)) ? skip_digits(text, prefixed ? 2 : 1) : 0;
}

size_t mql_number_length(Str text) {
    bool begins = lex_is_digit(byte_at(text, 0)) ||
                  (byte_at(text, 0) == '.' && lex_is_digit(byte_at(text, 1)));
    if (!begins) {
        return 0;
    }
    double factor;
    size_t at = special_integer_length(text);
    if (at && (byte_at(text, 1) | 0x20) == 'x') {
        return at;
    }
    at = at ? at : skip_digits(text, 0);
    size_t suffix = multiplier_of(str_skip(text, at), &factor);
    if (suffix) {
        return at + suffix;
    }
    if (byte_at(text, at) == '.') {
        at = skip_digits(text, at + 1);
        suffix = multiplier_of(str_skip(text, at), &factor);
        if (suffix) {
            return at + suffix;
        }
    }
    if ((byte_at(text, at) | 0x20) != 'e') {
        return at;
    }
    at++;
    if (byte_at(text, at) == '-' || byte_at(text, at) == '+') {
        at++;
    }
    size_t digits = at;
    while (lex_is_digit(byte_at(text, at))) {
        at++;
    }
    return at > digits ? at : 0;
}

/* Copies without underscores into `plain`. */
static bool strip_underscores(Str text, char *plain, size_t plain_max) {
    size_t length = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '_') {
            if (length + 1 == plain_max) {
                return false;
            }
            plain[length++] = text.ptr[i];
        }
    }
    plain[length] = '\0';
    return length > 0;
}

bool mql_number_value(Str text, double *ret_value) {
    char plain[512];
    if (text.len == 3 &&
        (strncasecmp(text.ptr, "inf", 3) == 0 || strncasecmp(text.ptr, "nan", 3) == 0)) {
        return number_parse(text, ret_value);
    }
    if (special_integer_length(text)) {
        if (!strip_underscores(text, plain, sizeof plain)) {
            return false;
        }
        char letter = (char)(plain[1] | 0x20);
        int base = letter == 'x' ? 16 : letter == 'b' ? 2 : 8;
        char *digits = plain + (letter == 'x' || letter == 'b' || letter == 'o' ? 2 : 1);
        char *end;
        *ret_value = (double)strtoull(digits, &end, base);
        return *digits && *end == '\0';
    }
    double factor = 1;
    size_t body = text.len;
    while (body && !lex_is_digit(text.ptr[body - 1]) && text.ptr[body - 1] != '.') {
        body--;
    }
    if (body < text.len && multiplier_of(str_skip(text, body), &factor) != text.len - body) {
        return false;
    }
    if (!strip_underscores((Str){text.ptr, body}, plain, sizeof plain) ||
        !number_parse(str_of(plain), ret_value)) {
        return false;
    }
    *ret_value *= factor;
    return true;
}

/* ---- durations ---- */

/* 5m, 3.5h, 20ms, 2i; with `sign` also -5m. */
static size_t single_duration_length(Str text, bool sign) {
    size_t at = sign && byte_at(text, 0) == '-' ? 1 : 0;
    size_t digits = at;
    while (lex_is_digit(byte_at(text, at))) {
        at++;
    }
    if (at == digits) {
        return 0;
    }
    if (byte_at(text, at) == '.') {
        at++;
        while (lex_is_digit(byte_at(text, at))) {
            at++;
        }
    }
    char unit = byte_at(text, at);
    char next = (char)(byte_at(text, at + 1) | 0x20);
    if (unit == 'm' || unit == 'M') {
        if (next == 's') {
            return at + 2;
        }
        /* Mi and MB are sizes, and a big M alone is a million. */
        return unit == 'm' && next != 'i' && next != 'b' ? at + 1 : 0;
    }
    return unit && strchr("shdwyiSHDWYI", unit) ? at + 1 : 0;
}

size_t mql_duration_length(Str text) {
    size_t length = single_duration_length(text, false);
    for (size_t more = length; more; length += more) {
        more = single_duration_length(str_skip(text, length), true);
        if (!more) {
            break;
        }
    }
    return length;
}

static bool single_duration_value(Str text, MqlSpan *ret_span) {
    static const struct {
        char unit;
        double ms;
    } units[] = {{'s', 1e3}, {'m', 6e4}, {'h', 36e5}, {'d', 864e5}, {'w', 6048e5}, {'y', 31536e6}};
    char unit = (char)(text.ptr[text.len - 1] | 0x20);
    bool milli = unit == 's' && text.len > 1 && (text.ptr[text.len - 2] | 0x20) == 'm';
    double number;
    if (!number_parse((Str){text.ptr, text.len - (milli ? 2 : 1)}, &number)) {
        return false;
    }
    if (unit == 'i') {
        *ret_span = (MqlSpan){.steps = number};
        return true;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (units[i].unit == unit) {
            *ret_span = (MqlSpan){.ms = number * (milli ? 1 : units[i].ms)};
            return true;
        }
    }
    return false;
}

bool mql_duration_value(Str text, MqlSpan *ret_span) {
    double seconds;
    char last = text.len ? text.ptr[text.len - 1] : '\0';
    if ((lex_is_digit(last) || last == '.') && number_parse(text, &seconds)) {
        *ret_span = (MqlSpan){.ms = trunc(seconds * 1000)};
        return true;
    }
    /* After one negative part all further ones count down, too. */
    MqlSpan span = {0};
    bool minus = false;
    while (text.len) {
        size_t length = single_duration_length(text, true);
        MqlSpan part;
        if (!length || !single_duration_value((Str){text.ptr, length}, &part)) {
            return false;
        }
        bool negative = part.ms < 0 || part.steps < 0;
        double sign = minus && !negative ? -1 : 1;
        span.ms += sign * part.ms;
        span.steps += sign * part.steps;
        minus |= negative;
        text = str_skip(text, length);
    }
    *ret_span = span;
    return true;
}

/* ---- tokens ---- */

static size_t string_length(Str text) {
    char quote = text.ptr[0];
    for (size_t at = 1; at < text.len; at++) {
        if (text.ptr[at] == '\\') {
            at++;
        } else if (text.ptr[at] == quote) {
            return at + 1;
        }
    }
    return 0;
}

static size_t punct_length(Str text) {
    static const char *const puncts[] = {"==", "!=", ">=", "<=", "=~", "!~", "+", "-",
                                         "*",  "/",  "%",  "^",  ">",  "<",  "=", "{",
                                         "}",  "[",  "]",  "(",  ")",  ",",  "@"};
    for (size_t i = 0; i < sizeof puncts / sizeof puncts[0]; i++) {
        if (str_starts(text, str_of(puncts[i]))) {
            return strlen(puncts[i]);
        }
    }
    return 0;
}

static MqlToken make(MqlLexer *lexer, MqlKind kind, size_t length) {
    MqlToken token = {.kind = kind,
                      .start = lexer->at,
                      .end = lexer->at + (uint32_t)length,
                      .text = {lexer->text.ptr + lexer->at, length}};
    lexer->at = token.end;
    return token;
}

static MqlToken make_error(const MqlLexer *lexer, Str what) {
    return (MqlToken){.kind = MQL_ERROR, .start = lexer->at, .end = lexer->at, .text = what};
}

static void skip_blank(MqlLexer *lexer) {
    for (; lexer->at < lexer->text.len; lexer->at++) {
        char byte = lexer->text.ptr[lexer->at];
        if (byte == '#') {
            while (lexer->at + 1 < lexer->text.len && lexer->text.ptr[lexer->at + 1] != '\n') {
                lexer->at++;
            }
        } else if (!byte || !strchr(" \t\n\v\f\r", byte)) {
            return;
        }
    }
}

MqlToken mql_next(MqlLexer *lexer) {
    skip_blank(lexer);
    Str rest = str_skip(lexer->text, lexer->at);
    if (rest.len == 0) {
        return make(lexer, MQL_EOF, 0);
    }
    size_t length = word_length(rest);
    if (length) {
        return make(lexer, MQL_WORD, length);
    }
    char byte = rest.ptr[0];
    if (byte == '"' || byte == '\'' || byte == '`') {
        length = string_length(rest);
        return length ? make(lexer, MQL_STRING, length)
                      : make_error(lexer, STR("string has no closing quote"));
    }
    length = punct_length(rest);
    if (length) {
        return make(lexer, MQL_PUNCT, length);
    }
    length = mql_duration_length(rest);
    if (length) {
        return make(lexer, MQL_DURATION, length);
    }
    length = mql_number_length(rest);
    if (length) {
        return make(lexer, MQL_NUMBER, length);
    }
    static const char *const intervals[] = {"$__interval", "$__rate_interval"};
    for (size_t i = 0; i < sizeof intervals / sizeof intervals[0]; i++) {
        if (str_starts(rest, str_of(intervals[i]))) {
            return make(lexer, MQL_INTERVAL, strlen(intervals[i]));
        }
    }
    return make_error(lexer, lex_is_digit(byte) ? STR("bad number") : STR("unexpected character"));
}
