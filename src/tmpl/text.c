#include "tmpl/text.h"

#include <locale.h>
#include <pthread.h>
#include <string.h>
#include <wctype.h>

size_t text_take_rune(Str text, uint32_t *ret_rune) {
    if (text.len == 0) {
        return 0;
    }
    const unsigned char *p = (const unsigned char *)text.ptr;
    if (p[0] < 0x80) {
        *ret_rune = p[0];
        return 1;
    }
    static const struct {
        unsigned char mask, lead;
        uint32_t min;
    } forms[] = {{0xE0, 0xC0, 0x80}, {0xF0, 0xE0, 0x800}, {0xF8, 0xF0, 0x10000}};
    for (size_t extra = 1; extra <= 3; extra++) {
        if ((p[0] & forms[extra - 1].mask) != forms[extra - 1].lead || text.len <= extra) {
            continue;
        }
        uint32_t rune = p[0] & (unsigned char)~forms[extra - 1].mask;
        size_t i = 1;
        for (; i <= extra && (p[i] & 0xC0) == 0x80; i++) {
            rune = rune << 6 | (p[i] & 0x3F);
        }
        bool is_valid = i > extra && rune >= forms[extra - 1].min && rune <= 0x10FFFF &&
                        !(rune >= 0xD800 && rune <= 0xDFFF);
        if (is_valid) {
            *ret_rune = rune;
            return extra + 1;
        }
    }
    *ret_rune = 0xFFFD;
    return 1;
}

void text_put_rune(Buf *buf, uint32_t rune) {
    if (rune > 0x10FFFF || (rune >= 0xD800 && rune <= 0xDFFF)) {
        rune = 0xFFFD;
    }
    if (rune < 0x80) {
        buf_byte(buf, (char)rune);
    } else if (rune < 0x800) {
        buf_byte(buf, (char)(0xC0 | rune >> 6));
        buf_byte(buf, (char)(0x80 | (rune & 0x3F)));
    } else if (rune < 0x10000) {
        buf_byte(buf, (char)(0xE0 | rune >> 12));
        buf_byte(buf, (char)(0x80 | (rune >> 6 & 0x3F)));
        buf_byte(buf, (char)(0x80 | (rune & 0x3F)));
    } else {
        buf_byte(buf, (char)(0xF0 | rune >> 18));
        buf_byte(buf, (char)(0x80 | (rune >> 12 & 0x3F)));
        buf_byte(buf, (char)(0x80 | (rune >> 6 & 0x3F)));
        buf_byte(buf, (char)(0x80 | (rune & 0x3F)));
    }
}

static locale_t unicode_locale;
static pthread_once_t unicode_once = PTHREAD_ONCE_INIT;

static void open_locale(void) {
    unicode_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* The C library knows Unicode's classes in its UTF-8 locale; the process's own locale stays as it
 * is. */
static locale_t unicode(void) {
    pthread_once(&unicode_once, open_locale);
    return unicode_locale;
}

bool text_is_letter(uint32_t rune) {
    if (rune < 0x80) {
        return (rune | 0x20) >= 'a' && (rune | 0x20) <= 'z';
    }
    return iswalnum_l((wint_t)rune, unicode()) != 0;
}

uint32_t text_rune_upper(uint32_t rune) {
    if (rune < 0x80) {
        return rune >= 'a' && rune <= 'z' ? rune - 0x20 : rune;
    }
    return (uint32_t)towupper_l((wint_t)rune, unicode());
}

uint32_t text_rune_lower(uint32_t rune) {
    if (rune < 0x80) {
        return rune >= 'A' && rune <= 'Z' ? rune + 0x20 : rune;
    }
    return (uint32_t)towlower_l((wint_t)rune, unicode());
}

static const struct {
    char plain, escaped;
} escapes[] = {{'\a', 'a'}, {'\b', 'b'}, {'\f', 'f'},  {'\n', 'n'}, {'\r', 'r'},
               {'\t', 't'}, {'\v', 'v'}, {'\\', '\\'}, {'"', '"'}};

static void put_quoted_rune(Buf *buf, uint32_t rune) {
    for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++) {
        if (rune == (unsigned char)escapes[i].plain) {
            buf_byte(buf, '\\');
            buf_byte(buf, escapes[i].escaped);
            return;
        }
    }
    if (rune < 0x20 || rune == 0x7F) {
        buf_printf(buf, "\\x%02x", rune);
    } else if (rune >= 0x80 && rune < 0xA1) {
        buf_printf(buf, "\\u%04x", rune);
    } else {
        text_put_rune(buf, rune);
    }
}

void text_quote(Buf *buf, Str text) {
    buf_byte(buf, '"');
    while (text.len) {
        uint32_t rune = 0;
        size_t len = text_take_rune(text, &rune);
        if (rune == 0xFFFD && len == 1) {
            buf_printf(buf, "\\x%02x", (unsigned char)text.ptr[0]);
        } else {
            put_quoted_rune(buf, rune);
        }
        text = str_skip(text, len);
    }
    buf_byte(buf, '"');
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool take_digits(Str *text, size_t count, uint32_t base, uint32_t *ret_value) {
    uint32_t value = 0;
    for (size_t i = 0; i < count; i++) {
        int digit = i < text->len ? hex_digit(text->ptr[i]) : -1;
        if (digit < 0 || digit >= (int)base) {
            return false;
        }
        value = value * base + (uint32_t)digit;
    }
    *text = str_skip(*text, count);
    *ret_value = value;
    return true;
}

/* One character or escape of a literal. `is_byte`: the value is a byte, not a rune (\x and octal).
 */
static bool take_char(Str *text, char quote, uint32_t *ret_rune, bool *ret_is_byte) {
    *ret_is_byte = false;
    if (text->ptr[0] != '\\') {
        size_t len = text_take_rune(*text, ret_rune);
        *ret_is_byte = *ret_rune == 0xFFFD && len == 1;
        if (*ret_is_byte) {
            *ret_rune = (unsigned char)text->ptr[0];
        }
        *text = str_skip(*text, len);
        return true;
    }
    if (text->len < 2) {
        return false;
    }
    char c = text->ptr[1];
    *text = str_skip(*text, 2);
    switch (c) {
    case 'x':
        *ret_is_byte = true;
        return take_digits(text, 2, 16, ret_rune);
    case 'u':
        return take_digits(text, 4, 16, ret_rune);
    case 'U':
        return take_digits(text, 8, 16, ret_rune) && *ret_rune <= 0x10FFFF;
    default:
        break;
    }
    if (c >= '0' && c <= '7') {
        *ret_is_byte = true;
        text->ptr--;
        text->len++;
        return take_digits(text, 3, 8, ret_rune) && *ret_rune <= 255;
    }
    if (c == '\'' || c == '"') {
        *ret_rune = (unsigned char)c;
        return c == quote;
    }
    for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++) {
        if (c == escapes[i].escaped) {
            *ret_rune = (unsigned char)escapes[i].plain;
            return true;
        }
    }
    return false;
}

bool text_unquote(Buf *buf, Str literal) {
    if (literal.len < 2 || literal.ptr[0] != literal.ptr[literal.len - 1]) {
        return false;
    }
    char quote = literal.ptr[0];
    Str text = {literal.ptr + 1, literal.len - 2};
    if (quote == '`') {
        for (size_t i = 0; i < text.len; i++) {
            if (text.ptr[i] != '\r') {
                buf_byte(buf, text.ptr[i]);
            }
        }
        return true;
    }
    while (text.len) {
        uint32_t rune = 0;
        bool is_byte = false;
        if (text.ptr[0] == quote || !take_char(&text, quote, &rune, &is_byte)) {
            return false;
        }
        if (is_byte) {
            buf_byte(buf, (char)rune);
        } else {
            text_put_rune(buf, rune);
        }
    }
    return true;
}

bool text_unquote_char(Str literal, uint32_t *ret_rune) {
    if (literal.len < 3 || literal.ptr[0] != '\'' || literal.ptr[literal.len - 1] != '\'') {
        return false;
    }
    Str text = {literal.ptr + 1, literal.len - 2};
    bool is_byte = false;
    return take_char(&text, '\'', ret_rune, &is_byte) && text.len == 0;
}

static void put_mapped(Buf *buf, Str text, uint32_t (*map)(uint32_t)) {
    while (text.len) {
        uint32_t rune = 0;
        size_t len = text_take_rune(text, &rune);
        if (rune == 0xFFFD && len == 1) {
            buf_byte(buf, text.ptr[0]);
        } else {
            text_put_rune(buf, map(rune));
        }
        text = str_skip(text, len);
    }
}

void text_put_upper(Buf *buf, Str text) {
    put_mapped(buf, text, text_rune_upper);
}

void text_put_lower(Buf *buf, Str text) {
    put_mapped(buf, text, text_rune_lower);
}

static bool is_word_rune(uint32_t rune) {
    return text_is_letter(rune) || rune == '_' || (rune >= '0' && rune <= '9');
}

void text_put_title(Buf *buf, Str text, bool apostrophes) {
    bool in_word = false;
    while (text.len) {
        uint32_t rune = 0, next = 0;
        size_t len = text_take_rune(text, &rune);
        text_put_rune(buf, in_word ? rune : text_rune_upper(rune));
        text = str_skip(text, len);
        (void)text_take_rune(text, &next);
        bool joins = apostrophes && (rune == '\'' || rune == 0x2019 || rune == '.') && in_word &&
                     text.len && text_is_letter(next);
        in_word = is_word_rune(rune) || joins;
    }
}
