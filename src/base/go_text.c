/* Text as Go writes and reads it. */

#include "base/go_text.h"

enum { RUNE_BAD = 0xFFFD };

static bool is_continuation(Str text, size_t at) {
    return at < text.len && ((uint8_t)text.ptr[at] & 0xC0) == 0x80;
}

size_t utf8_next(Str text, size_t at, int32_t *ret_rune) {
    if (at >= text.len) {
        *ret_rune = -1;
        return 0;
    }
    uint8_t lead = (uint8_t)text.ptr[at];
    if (lead < 0x80) {
        *ret_rune = lead;
        return 1;
    }
    size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    int32_t rune = lead & (0xFF >> (length + 1));
    *ret_rune = RUNE_BAD;
    if (lead < 0xC2 || lead > 0xF4) {
        return 1;
    }
    for (size_t i = 1; i < length; i++) {
        if (!is_continuation(text, at + i)) {
            return 1;
        }
        rune = (rune << 6) | ((uint8_t)text.ptr[at + i] & 0x3F);
    }
    bool overlong = (length == 3 && rune < 0x800) || (length == 4 && rune < 0x10000);
    if (overlong || rune > 0x10FFFF || (rune >= 0xD800 && rune < 0xE000)) {
        return 1;
    }
    *ret_rune = rune;
    return length;
}

void utf8_put(Buf *buf, uint32_t rune) {
    if (rune > 0x10FFFF || (rune >= 0xD800 && rune < 0xE000)) {
        rune = RUNE_BAD;
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

/* The letter of a one-letter escape, or 0. */
static char escape_letter(int32_t rune) {
    static const char plain[] = "\a\b\f\n\r\t\v\\";
    static const char letters[] = "abfnrtv\\";
    const char *at = rune > 0 && rune < 128 ? strchr(plain, rune) : NULL;
    return at ? letters[at - plain] : 0;
}

bool go_is_printable(int32_t rune) {
    if (rune < 0x20 || (rune >= 0x7F && rune <= 0xA0) || rune == 0xAD) {
        return false;
    }
    bool space = (rune >= 0x2000 && rune <= 0x200F) || (rune >= 0x2028 && rune <= 0x202F) ||
                 (rune >= 0x205F && rune <= 0x206F) || rune == 0x1680 || rune == 0x3000 ||
                 rune == 0xFEFF;
    bool unassigned =
        (rune >= 0xE000 && rune <= 0xF8FF) || (rune & 0xFFFE) == 0xFFFE || rune >= 0xF0000;
    return !space && !unassigned;
}

static void put_escaped(Buf *buf, int32_t rune, char quote, bool ascii) {
    char letter = escape_letter(rune);
    if (rune == quote) {
        buf_byte(buf, '\\');
        buf_byte(buf, quote);
    } else if (letter) {
        buf_byte(buf, '\\');
        buf_byte(buf, letter);
    } else if (go_is_printable(rune) && (rune < 0x80 || !ascii)) {
        utf8_put(buf, (uint32_t)rune);
    } else if (rune < 0x80) {
        buf_printf(buf, "\\x%02x", (unsigned)rune);
    } else if (rune < 0x10000) {
        buf_printf(buf, "\\u%04x", (unsigned)rune);
    } else {
        buf_printf(buf, "\\U%08x", (unsigned)rune);
    }
}

static void put_quoted(Buf *buf, Str text, size_t runes_max, bool ascii) {
    buf_byte(buf, '"');
    size_t written = 0;
    for (size_t at = 0; at < text.len && (!runes_max || written < runes_max); written++) {
        int32_t rune;
        size_t length = utf8_next(text, at, &rune);
        if (rune == RUNE_BAD && length == 1) {
            buf_printf(buf, "\\x%02x", (unsigned)(uint8_t)text.ptr[at]);
        } else {
            put_escaped(buf, rune, '"', ascii);
        }
        at += length;
    }
    buf_byte(buf, '"');
}

void go_quote(Buf *buf, Str text, size_t runes_max) {
    put_quoted(buf, text, runes_max, false);
}

void go_quote_ascii(Buf *buf, Str text) {
    put_quoted(buf, text, 0, true);
}

bool go_can_backquote(Str text) {
    for (size_t at = 0; at < text.len;) {
        int32_t rune;
        size_t length = utf8_next(text, at, &rune);
        bool is_bad = rune == RUNE_BAD && length == 1;
        if (is_bad || (rune < ' ' && rune != '\t') || rune == '`' || rune == 0x7F ||
            rune == 0xFEFF) {
            return false;
        }
        at += length;
    }
    return true;
}

void go_quote_rune(Buf *buf, int32_t rune, bool ascii) {
    buf_byte(buf, '\'');
    put_escaped(buf, rune < 0 ? RUNE_BAD : rune, '\'', ascii);
    buf_byte(buf, '\'');
}

static int digit_value(char byte) {
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    byte = (char)(byte | 0x20);
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : 16;
}

/* The number in `count` digits of `base` at `*at`. */
static bool read_digits(Str text, size_t *at, int count, int base, uint32_t *ret_number) {
    uint32_t number = 0;
    for (int i = 0; i < count; i++, (*at)++) {
        int digit = *at < text.len ? digit_value(text.ptr[*at]) : 16;
        if (digit >= base) {
            return false;
        }
        number = number * (uint32_t)base + (uint32_t)digit;
    }
    *ret_number = number;
    return true;
}

/* One escape; `*at` stands behind the backslash. */
static bool unescape(Str text, size_t *at, char quote, Buf *out) {
    if (*at >= text.len) {
        return false;
    }
    char letter = text.ptr[*at];
    static const char letters[] = "abfnrtv\\";
    static const char plain[] = "\a\b\f\n\r\t\v\\";
    const char *known = letter ? strchr(letters, letter) : NULL;
    if (known || letter == quote) {
        buf_byte(out, known ? plain[known - letters] : quote);
        ++*at;
        return true;
    }
    uint32_t number;
    if (letter >= '0' && letter <= '7') {
        if (!read_digits(text, at, 3, 8, &number) || number > 255) {
            return false;
        }
        buf_byte(out, (char)number);
        return true;
    }
    ++*at;
    if (letter == 'x') {
        if (!read_digits(text, at, 2, 16, &number)) {
            return false;
        }
        buf_byte(out, (char)number);
        return true;
    }
    if ((letter != 'u' && letter != 'U') ||
        !read_digits(text, at, letter == 'u' ? 4 : 8, 16, &number) || number > 0x10FFFF ||
        (number >= 0xD800 && number < 0xE000)) {
        return false;
    }
    utf8_put(out, number);
    return true;
}

/* The inside of a "..." or '...' literal. */
static bool unescape_all(Str inside, char quote, Buf *out) {
    for (size_t at = 0; at < inside.len;) {
        char byte = inside.ptr[at++];
        if (byte == quote || byte == '\n') {
            return false;
        }
        if (byte != '\\') {
            buf_byte(out, byte);
        } else if (!unescape(inside, &at, quote, out)) {
            return false;
        }
    }
    return true;
}

bool go_unquote(Arena *arena, Str quoted, Str *ret_text) {
    if (quoted.len < 2 || quoted.ptr[0] != quoted.ptr[quoted.len - 1]) {
        return false;
    }
    char quote = quoted.ptr[0];
    Str inside = {quoted.ptr + 1, quoted.len - 2};
    if (quote == '`') {
        *ret_text = arena_str(arena, inside);
        return str_find(inside, '`') == inside.len;
    }
    AUTO(buf_finish) Buf out = {0};
    if ((quote != '"' && quote != '\'') || !unescape_all(inside, quote, &out)) {
        return false;
    }
    *ret_text = arena_str(arena, buf_view(&out));
    return true;
}

bool go_unquote_rune(Str literal, uint32_t *ret_rune) {
    AUTO(buf_finish) Buf out = {0};
    if (literal.len < 3 || literal.ptr[0] != '\'' || literal.ptr[literal.len - 1] != '\'' ||
        !unescape_all((Str){literal.ptr + 1, literal.len - 2}, '\'', &out)) {
        return false;
    }
    int32_t rune;
    size_t length = utf8_next(buf_view(&out), 0, &rune);
    *ret_rune = rune == RUNE_BAD && length == 1 ? (uint8_t)out.ptr[0] : (uint32_t)rune;
    return length == out.len && length > 0;
}

/* RE2 and Go's regexp name the same mistakes differently; people know Go's words from Prometheus.
 */
static const struct {
    const char *re2, *go;
} regex_words[] = {
    {"missing ]", "missing closing ]"},
    {"missing )", "missing closing )"},
    {"trailing \\", "trailing backslash at end of expression"},
    {"no argument for repetition operator", "missing argument to repetition operator"},
    {"invalid repetition size", "invalid repeat count"},
    {"bad repetition operator", "invalid nested repetition operator"},
    {"invalid perl operator", "invalid or unsupported Perl syntax"},
    {"invalid named capture group", "invalid named capture"},
};

void go_regex_error(Buf *buf, Str re2) {
    buf_str(buf, STR("error parsing regexp: "));
    Str prefix = STR("regular expression: ");
    if (str_starts(re2, prefix)) {
        re2 = str_skip(re2, prefix.len);
    }
    for (size_t i = 0; i < sizeof regex_words / sizeof regex_words[0]; i++) {
        Str known = str_of(regex_words[i].re2);
        if (str_starts(re2, known)) {
            buf_str(buf, str_of(regex_words[i].go));
            re2 = str_skip(re2, known.len);
            break;
        }
    }
    for (size_t i = 0; i + 1 < re2.len; i++) {
        if (re2.ptr[i] == ':' && re2.ptr[i + 1] == ' ') {
            buf_put(buf, re2.ptr, i + 2);
            buf_byte(buf, '`');
            buf_str(buf, str_skip(re2, i + 2));
            buf_byte(buf, '`');
            return;
        }
    }
    buf_str(buf, re2);
}
