#include "ingest/json_in.h"

JsonIn json_in_of(Str text) {
    return (JsonIn){.at = text.ptr, .end = text.ptr + text.len};
}

static bool fail(JsonIn *json) {
    json->bad = true;
    return false;
}

char json_in_peek(JsonIn *json) {
    while (json->at < json->end &&
           (*json->at == ' ' || *json->at == '\t' || *json->at == '\n' || *json->at == '\r')) {
        json->at++;
    }
    return json->at < json->end && !json->bad ? *json->at : '\0';
}

static bool take(JsonIn *json, char c) {
    if (json_in_peek(json) != c) {
        return fail(json);
    }
    json->at++;
    return true;
}

bool json_in_enter(JsonIn *json, char bracket) {
    if (json->depth == JSON_IN_DEPTH_MAX || !take(json, bracket)) {
        return fail(json);
    }
    json->depth++;
    json->first = true;
    return true;
}

/* Steps over the comma to the next item; false at the closing bracket. */
static bool next(JsonIn *json, char closing) {
    if (json_in_peek(json) == closing) {
        json->at++;
        json->depth--;
        json->first = false;
        return false;
    }
    if (!json->first && !take(json, ',')) {
        return false;
    }
    json->first = false;
    return !json->bad;
}

bool json_in_key(JsonIn *json, Arena *arena, Str *ret_key) {
    return next(json, '}') && json_in_str(json, arena, ret_key) && take(json, ':');
}

bool json_in_item(JsonIn *json) {
    return next(json, ']') && (json_in_peek(json) || fail(json));
}

/* ---- texts ---- */

static bool read_hex4(JsonIn *json, uint32_t *ret_code) {
    uint32_t code = 0;
    if (json->end - json->at < 4) {
        return fail(json);
    }
    for (int i = 0; i < 4; i++) {
        char c = *json->at++;
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16;
        if (digit == 16) {
            return fail(json);
        }
        code = code << 4 | digit;
    }
    *ret_code = code;
    return true;
}

static size_t put_utf8(char *out, uint32_t code) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* After "\u". Surrogates come in pairs; half a one becomes U+FFFD, as in Go. */
static bool read_unicode(JsonIn *json, uint32_t *ret_code) {
    uint32_t code, low;
    if (!read_hex4(json, &code)) {
        return false;
    }
    if (code >= 0xd800 && code < 0xdc00 && json->end - json->at >= 6 && json->at[0] == '\\' &&
        json->at[1] == 'u') {
        JsonIn ahead = *json;
        ahead.at += 2;
        if (read_hex4(&ahead, &low) && low >= 0xdc00 && low < 0xe000) {
            json->at = ahead.at;
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    *ret_code = code >= 0xd800 && code < 0xe000 ? 0xfffd : code;
    return true;
}

static bool read_escape(JsonIn *json, char *out, size_t *len) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (json->at == json->end) {
        return fail(json);
    }
    char c = *json->at++;
    if (c == 'u') {
        uint32_t code;
        if (!read_unicode(json, &code)) {
            return false;
        }
        *len += put_utf8(out + *len, code);
        return true;
    }
    const char *found = c ? strchr(from, c) : NULL;
    if (!found) {
        return fail(json);
    }
    out[(*len)++] = to[found - from];
    return true;
}

/* Copies up to the closing quote. No escape grows: \uXXXX is six bytes and at most three out, a
 * pair twelve and four. */
static bool unescape(JsonIn *json, size_t room, Arena *arena, Str *ret_text) {
    char *out = arena_raw(arena, room + 1);
    size_t len = 0;
    while (json->at < json->end && *json->at != '"') {
        char c = *json->at++;
        if (c != '\\') {
            out[len++] = c;
        } else if (!read_escape(json, out, &len)) {
            return false;
        }
    }
    *ret_text = (Str){out, len};
    return take(json, '"');
}

bool json_in_str(JsonIn *json, Arena *arena, Str *ret_text) {
    if (!take(json, '"')) {
        return false;
    }
    const char *from = json->at, *at = from;
    while (at < json->end && *at != '"' && *at != '\\') {
        if ((unsigned char)*at++ < 0x20) {
            return fail(json);
        }
    }
    if (at == json->end) {
        return fail(json);
    }
    if (*at == '"') {
        *ret_text = (Str){from, (size_t)(at - from)};
        json->at = at + 1;
        return true;
    }
    while (at < json->end && *at != '"') {
        at += *at == '\\' && at + 1 < json->end ? 2 : 1;
    }
    return unescape(json, (size_t)(at - from), arena, ret_text);
}

/* ---- other values ---- */

bool json_in_number(JsonIn *json, Str *ret_text) {
    char c = json_in_peek(json);
    if (c != '-' && (c < '0' || c > '9')) {
        return fail(json);
    }
    const char *from = json->at;
    while (json->at < json->end &&
           ((*json->at >= '0' && *json->at <= '9') || *json->at == '-' || *json->at == '+' ||
            *json->at == '.' || *json->at == 'e' || *json->at == 'E')) {
        json->at++;
    }
    *ret_text = (Str){from, (size_t)(json->at - from)};
    return true;
}

bool json_in_word(JsonIn *json, Str *ret_word) {
    static const Str words[] = {{"true", 4}, {"false", 5}, {"null", 4}};
    json_in_peek(json);
    for (size_t i = 0; i < sizeof words / sizeof *words && !json->bad; i++) {
        if (str_starts((Str){json->at, (size_t)(json->end - json->at)}, words[i])) {
            json->at += words[i].len;
            *ret_word = words[i];
            return true;
        }
    }
    return fail(json);
}

static bool skip_str(JsonIn *json) {
    for (json->at++; json->at < json->end && *json->at != '"'; json->at++) {
        json->at += *json->at == '\\' && json->at + 1 < json->end;
    }
    return take(json, '"');
}

static bool skip_scalar(JsonIn *json, char c) {
    Str text;
    if (c == '"') {
        return skip_str(json);
    }
    return c == 't' || c == 'f' || c == 'n' ? json_in_word(json, &text)
                                            : json_in_number(json, &text);
}

/* Brackets are only counted: what is skipped is either read later or never. */
bool json_in_skip(JsonIn *json, Str *ret_text) {
    int depth = 0;
    char c = json_in_peek(json);
    const char *from = json->at;
    do {
        c = json_in_peek(json);
        if (c == '{' || c == '[') {
            depth++;
            json->at++;
        } else if (depth && (c == '}' || c == ']')) {
            depth--;
            json->at++;
        } else if (depth && (c == ',' || c == ':')) {
            json->at++;
        } else if (!skip_scalar(json, c)) {
            return false;
        }
    } while (depth);
    if (ret_text) {
        *ret_text = (Str){from, (size_t)(json->at - from)};
    }
    return !json->bad;
}

bool json_in_done(JsonIn *json) {
    return json_in_peek(json) == '\0' && !json->bad && json->at == json->end && json->depth == 0;
}
