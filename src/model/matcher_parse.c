/*
 * Alertmanager's matcher syntax, in both its forms (alertmanager: matcher/parse and
 * pkg/labels/parse.go):
 *
 *   classic   name op value: the name a plain word, the value quoted or bare up to the end or the
 * next comma; in quotes \" \n \\ are escapes and any other backslash stands for itself; an empty
 * value is allowed UTF-8     name or value quoted (Go's string literals), or a run without white
 * space and {}!=~,\"'`
 *
 * As Alertmanager's fallback mode, what either reads is accepted; where both read it and disagree,
 * the classic reading wins, since files were written for it.
 */

#include "model/matcher.h"

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static Str skip_space(Str text) {
    while (text.len && is_space(text.ptr[0])) {
        text = str_skip(text, 1);
    }
    return text;
}

/* Takes the operator `text` begins with. */
static bool take_operator(Str *text, MatchType *ret_type) {
    static const struct {
        Str text;
        MatchType type;
    } operators[] = {
        {{"=~", 2}, MATCH_RE}, {{"!~", 2}, MATCH_NRE}, {{"!=", 2}, MATCH_NE}, {{"=", 1}, MATCH_EQ}};
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        if (str_starts(*text, operators[i].text)) {
            *ret_type = operators[i].type;
            *text = str_skip(*text, operators[i].text.len);
            return true;
        }
    }
    return false;
}

static bool bad_format(Str text, Err *err) {
    return err_set(err, ERR_INVALID, "bad matcher format: %.*s",
                   text.len > 500 ? 500 : (int)text.len, text.ptr);
}

/* Unescapes the inside of classic quotes. An unescaped quote is an error. */
static bool classic_unquote(Arena *arena, Str raw, Str whole, Str *ret_value, Err *err) {
    char *out = arena_alloc(arena, raw.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i];
        if (c == '\\' && i + 1 < raw.len && strchr("\"n\\", raw.ptr[i + 1])) {
            i++;
            out[len++] = raw.ptr[i] == 'n' ? '\n' : raw.ptr[i];
        } else if (c == '"') {
            return err_set(err, ERR_INVALID, "matcher value contains unescaped double quote: %.*s",
                           STR_ARG(whole));
        } else {
            out[len++] = c;
        }
    }
    *ret_value = (Str){out, len};
    return true;
}

static bool parse_classic(Arena *arena, Str text, Matcher *ret_matcher, Err *err) {
    Str rest = str_trim(text);
    size_t name_len = 0;
    while (name_len < rest.len && metric_name_is_legacy((Str){rest.ptr, name_len + 1})) {
        name_len++;
    }
    Str name = {rest.ptr, name_len};
    rest = skip_space(str_skip(rest, name_len));
    MatchType type;
    if (name_len == 0 || !take_operator(&rest, &type)) {
        return bad_format(text, err);
    }
    Str raw = str_trim(rest);
    if (raw.len && raw.ptr[0] == '"') {
        bool closed = raw.len >= 2 && raw.ptr[raw.len - 1] == '"';
        if (!closed) {
            return err_set(err, ERR_INVALID, "matcher value contains unescaped double quote: %.*s",
                           STR_ARG(raw));
        }
        raw = (Str){raw.ptr + 1, raw.len - 2};
    }
    Str value;
    if (!str_is_utf8(raw)) {
        return err_set(err, ERR_INVALID, "matcher value not valid UTF-8: %.*s", STR_ARG(raw));
    }
    return classic_unquote(arena, raw, raw, &value, err) &&
           matcher_init(arena, type, name, value, ret_matcher, err);
}

static bool is_reserved(char c) {
    return is_space(c) || (c != '\0' && strchr("{}!=~,\\\"'`", c) != NULL);
}

static size_t put_utf8(char *out, uint32_t rune) {
    if (rune < 0x80) {
        out[0] = (char)rune;
        return 1;
    }
    size_t extra = rune < 0x800 ? 1 : rune < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    for (size_t i = extra; i > 0; i--, rune >>= 6) {
        out[i] = (char)(0x80 | (rune & 0x3f));
    }
    out[0] = (char)(lead[extra] | rune);
    return extra + 1;
}

static int hex_digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* \xHH, \uHHHH, \UHHHHHHHH: `*at` is at the first digit. */
static bool take_hex(Str text, size_t *at, size_t digits, uint32_t *ret_rune) {
    uint32_t rune = 0;
    if (text.len - *at < digits) {
        return false;
    }
    for (size_t i = 0; i < digits; i++) {
        int digit = hex_digit(text.ptr[(*at)++]);
        if (digit < 0) {
            return false;
        }
        rune = rune << 4 | (uint32_t)digit;
    }
    *ret_rune = rune;
    return rune <= 0x10ffff && (rune < 0xd800 || rune > 0xdfff);
}

/* One escape of Go's double-quoted literals; `*at` is behind the backslash. */
static bool take_escape(Str text, size_t *at, char *out, size_t *len) {
    static const char letters[] = "abfnrtv\\\"";
    static const char meaning[] = "\a\b\f\n\r\t\v\\\"";
    char c = text.ptr[(*at)++];
    const char *plain = c ? strchr(letters, c) : NULL;
    uint32_t rune;
    if (plain) {
        out[(*len)++] = meaning[plain - letters];
        return true;
    }
    if (c == 'x' && take_hex(text, at, 2, &rune)) {
        out[(*len)++] = (char)rune;
        return true;
    }
    if ((c == 'u' && take_hex(text, at, 4, &rune)) || (c == 'U' && take_hex(text, at, 8, &rune))) {
        *len += put_utf8(out + *len, rune);
        return true;
    }
    return false;
}

/* A quoted token; `*text` moves behind it. */
static bool take_quoted(Arena *arena, Str *text, Str *ret_token, Err *err) {
    Str all = *text;
    char *out = arena_alloc(arena, all.len);
    size_t len = 0;
    size_t at = 1;
    while (at < all.len && all.ptr[at] != '"') {
        char c = all.ptr[at++];
        if (c != '\\') {
            out[len++] = c;
        } else if (at >= all.len || !take_escape(all, &at, out, &len)) {
            return err_set(err, ERR_INVALID, "invalid escape in %.*s", STR_ARG(all));
        }
    }
    if (at >= all.len) {
        return err_set(err, ERR_INVALID, "missing end \" in %.*s", STR_ARG(all));
    }
    *ret_token = (Str){out, len};
    *text = str_skip(all, at + 1);
    return str_is_utf8(*ret_token) || err_set(err, ERR_INVALID, "%.*s is not UTF-8", STR_ARG(all));
}

static bool take_token(Arena *arena, Str *text, Str *ret_token, Err *err) {
    *text = skip_space(*text);
    if (text->len && text->ptr[0] == '"') {
        return take_quoted(arena, text, ret_token, err);
    }
    size_t len = 0;
    while (len < text->len && !is_reserved(text->ptr[len])) {
        len++;
    }
    if (len == 0) {
        return bad_format(*text, err);
    }
    *ret_token = (Str){text->ptr, len};
    *text = str_skip(*text, len);
    return str_is_utf8(*ret_token) || bad_format(*ret_token, err);
}

static bool parse_utf8(Arena *arena, Str text, Matcher *ret_matcher, Err *err) {
    Str rest = text;
    Str name;
    Str value;
    MatchType type;
    if (!take_token(arena, &rest, &name, err)) {
        return false;
    }
    rest = skip_space(rest);
    if (!take_operator(&rest, &type)) {
        return bad_format(text, err);
    }
    if (!take_token(arena, &rest, &value, err)) {
        return false;
    }
    if (skip_space(rest).len || name.len == 0) {
        return bad_format(text, err);
    }
    return matcher_init(arena, type, name, value, ret_matcher, err);
}

bool matcher_parse(Arena *arena, Str text, Matcher *ret_matcher, Err *err) {
    Str trimmed = str_trim(text);
    if (str_starts(trimmed, STR("{")) || str_ends(trimmed, STR("}"))) {
        return bad_format(text, err);
    }
    Err classic_err = {0};
    if (parse_classic(arena, trimmed, ret_matcher, &classic_err)) {
        return true;
    }
    Err utf8_err = {0};
    if (parse_utf8(arena, trimmed, ret_matcher, &utf8_err)) {
        return true;
    }
    *err = classic_err;
    return false;
}

/* The text up to the next comma outside quotes; `*rest` moves behind the comma. */
static Str take_item(Str *rest) {
    bool quoted = false;
    size_t at = 0;
    for (; at < rest->len; at++) {
        char c = rest->ptr[at];
        if (c == '\\' && quoted) {
            at++;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (c == ',' && !quoted) {
            break;
        }
    }
    size_t len = at < rest->len ? at : rest->len;
    Str item = {rest->ptr, len};
    *rest = str_skip(*rest, len < rest->len ? len + 1 : len);
    return item;
}

bool matcher_list_parse(Arena *arena, Str text, MatcherSet *ret_set, Err *err) {
    Str rest = str_trim(text);
    bool open = str_starts(rest, STR("{"));
    if (open != (rest.len > 0 && str_ends(rest, STR("}")))) {
        return bad_format(text, err);
    }
    if (open) {
        rest = (Str){rest.ptr + 1, rest.len - 2};
    }
    MatcherSet set = {arena_array(arena, Matcher, rest.len / 2 + 1), 0};
    while (str_trim(rest).len) {
        Str item = take_item(&rest);
        if (!matcher_parse(arena, item, &set.items[set.count], err)) {
            matcher_set_finish(&set);
            return false;
        }
        set.count++;
    }
    *ret_set = set;
    return true;
}
