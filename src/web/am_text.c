/*
 * What Go's JSON decoder and its URL parser make of text from outside. Alertmanager refuses a whole
 * post for a generatorURL that is none, and takes bytes that are not UTF-8 as U+FFFD: whoever does
 * less refuses alerts that he would have paged for, and who does more lets others refuse ours.
 */

#include "base/go_text.h"
#include "web/am.h"

/* ---- JSON ---- */

static int hex_digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The number of a \uXXXX at `at`; -1 if there is none. */
static int unicode_escape(Str text, size_t at) {
    if (at + 6 > text.len || text.ptr[at] != '\\' || text.ptr[at + 1] != 'u') {
        return -1;
    }
    int rune = 0;
    for (size_t i = at + 2; i < at + 6; i++) {
        int digit = hex_digit(text.ptr[i]);
        if (digit < 0) {
            return -1;
        }
        rune = rune * 16 + digit;
    }
    return rune;
}

/* Copies the escape at `at` and returns its length; half of a pair, and the NUL that no C string
 * holds, become U+FFFD. */
static size_t mend_escape(Str text, size_t at, Buf *buf) {
    int rune = unicode_escape(text, at);
    int next = unicode_escape(text, at + 6);
    size_t len = at + 2 <= text.len ? 2 : 1;
    if (rune >= 0xD800 && rune < 0xDC00 && next >= 0xDC00 && next < 0xE000) {
        len = 12;
    } else if (rune == 0 || (rune >= 0xD800 && rune < 0xE000)) {
        buf_str(buf, STR("\\ufffd"));
        return 6;
    }
    buf_put(buf, text.ptr + at, len);
    return len;
}

Str am_mended(Arena *arena, Str text) {
    AUTO(buf_finish) Buf buf = {0};
    for (size_t at = 0; at < text.len;) {
        int32_t rune;
        if (text.ptr[at] == '\\') {
            at += mend_escape(text, at, &buf);
            continue;
        }
        size_t len = utf8_next(text, at, &rune);
        if (rune == 0xFFFD && len == 1) {
            buf_str(&buf, STR("\xEF\xBF\xBD"));
        } else {
            buf_put(&buf, text.ptr + at, len);
        }
        at += len;
    }
    return arena_str(arena, buf_view(&buf));
}

/* ---- URLs ---- */

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Length of "scheme:" at the start; 0 if it has none. */
static size_t scheme_len(Str url) {
    for (size_t i = 0; i < url.len && url.ptr[i]; i++) {
        char c = url.ptr[i];
        if (c == ':') {
            return i ? i + 1 : 0;
        }
        if (!is_letter(c) && (i == 0 || (!is_digit(c) && !strchr("+-.", c)))) {
            return 0;
        }
    }
    return 0;
}

static bool escapes_are_whole(Str text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '%' && (i + 2 >= text.len || hex_digit(text.ptr[i + 1]) < 0 ||
                                   hex_digit(text.ptr[i + 2]) < 0)) {
            return false;
        }
    }
    return true;
}

static bool is_port(Str text) {
    for (size_t i = 1; i < text.len; i++) {
        if (!is_digit(text.ptr[i])) {
            return false;
        }
    }
    return text.len == 0 || text.ptr[0] == ':';
}

/* host, host:port, [address], [address]:port */
static bool is_host(Str host) {
    const char *bracket = host.len ? memrchr(host.ptr, ']', host.len) : NULL;
    const char *colon = host.len ? memrchr(host.ptr, ':', host.len) : NULL;
    for (size_t i = 0; i < host.len; i++) {
        if (memchr(" \"<>\\^`{}|", host.ptr[i], 10)) {
            return false;
        }
    }
    if (str_starts(host, STR("["))) {
        return bracket && is_port(str_skip(host, (size_t)(bracket + 1 - host.ptr)));
    }
    return escapes_are_whole(host) &&
           (!colon || is_port(str_skip(host, (size_t)(colon - host.ptr))));
}

bool am_is_uri(Str url) {
    for (size_t i = 0; i < url.len; i++) {
        if ((unsigned char)url.ptr[i] < ' ' || url.ptr[i] == 0x7F) {
            return false;
        }
    }
    size_t scheme = scheme_len(url);
    Str rest = str_skip(url, scheme);
    rest.len = str_find(rest, '?');
    if (!str_starts(rest, STR("/"))) {
        return scheme > 0 || str_eq(rest, STR("*"));
    }
    if (scheme && str_starts(rest, STR("//"))) {
        Str host = str_skip(rest, 2);
        host.len = str_find(host, '/');
        const char *at = host.len ? memrchr(host.ptr, '@', host.len) : NULL;
        rest = str_skip(rest, 2 + host.len);
        if (!is_host(at ? str_skip(host, (size_t)(at + 1 - host.ptr)) : host)) {
            return false;
        }
    }
    return escapes_are_whole(rest);
}
