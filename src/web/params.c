/* Query strings and urlencoded forms (WHATWG URL, application/x-www-form-urlencoded). */

#include <stdlib.h>

#include "base/go_text.h"
#include "base/mem.h"
#include "web/http.h"

static int hex_digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool unescape(Arena *arena, Str text, bool plus_is_space, Str *ret_text, Err *err) {
    char *out = arena_raw(arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '+' && plus_is_space) {
            c = ' ';
        } else if (c == '%') {
            int high = i + 1 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_digit(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return err_set(err, ERR_INVALID, "invalid URL escape in \"%.*s\"",
                               text.len > 100 ? 100 : (int)text.len, text.ptr);
            }
            c = (char)(high << 4 | low);
            i += 2;
        }
        out[len++] = c;
    }
    out[len] = '\0';
    *ret_text = (Str){out, len};
    return true;
}

bool param_unescape(Arena *arena, Str text, Str *ret_text, Err *err) {
    return unescape(arena, text, true, ret_text, err);
}

bool path_unescape(Arena *arena, Str text, Str *ret_text, Err *err) {
    return unescape(arena, text, false, ret_text, err);
}

bool params_decode(Arena *arena, Str text, Params *params, Err *err) {
    while (text.len) {
        size_t end = str_find(text, '&');
        Str pair = {text.ptr, end};
        text = str_skip(text, end < text.len ? end + 1 : end);
        if (pair.len == 0) {
            continue;
        }
        size_t equals = str_find(pair, '=');
        Str name;
        Str value;
        if (params->items_count == PARAMS_MAX) {
            return err_set(err, ERR_LIMIT, "more than %d parameters", PARAMS_MAX);
        }
        if (!param_unescape(arena, (Str){pair.ptr, equals}, &name, err) ||
            !param_unescape(arena, str_skip(pair, equals < pair.len ? equals + 1 : equals), &value,
                            err)) {
            return false;
        }
        VEC_PUSH(*params, items, ((Param){name, value}));
    }
    return true;
}

void params_finish(Params *params) {
    free(params->items);
    *params = (Params){0};
}

Str params_get(const Params *params, Str name) {
    for (size_t i = 0; i < params->items_count; i++) {
        if (str_eq(params->items[i].name, name)) {
            return params->items[i].value;
        }
    }
    return (Str){0};
}

Str params_get_last(const Params *params, Str name) {
    for (size_t i = params->items_count; i > 0; i--) {
        if (str_eq(params->items[i - 1].name, name)) {
            return params->items[i - 1].value;
        }
    }
    return (Str){0};
}

bool params_has(const Params *params, Str name) {
    return params_get(params, name).ptr != NULL;
}

/* The character of an escape, from behind its underscore at `*at` to its closing one. */
static bool take_escape(Str text, size_t *at, uint32_t *ret_rune) {
    enum { DIGITS_MAX = 6 };
    *ret_rune = 0;
    for (int digits = 0; *at < text.len && digits < DIGITS_MAX; digits++, ++*at) {
        if (text.ptr[*at] == '_') {
            bool surrogate = *ret_rune >= 0xd800 && *ret_rune < 0xe000;
            return *ret_rune <= 0x10ffff && !surrogate;
        }
        int digit = hex_digit(text.ptr[*at]);
        if (digit < 0) {
            return false;
        }
        *ret_rune = *ret_rune * 16 + (uint32_t)digit;
    }
    return false;
}

Str label_name_unescape(Arena *arena, Str name) {
    if (!str_starts(name, STR("U__"))) {
        return name;
    }
    AUTO(buf_finish) Buf out = {0};
    Str text = str_skip(name, 3);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '_') {
            buf_byte(&out, text.ptr[i]);
            continue;
        }
        uint32_t rune;
        if (++i < text.len && text.ptr[i] == '_') {
            buf_byte(&out, '_');
        } else if (take_escape(text, &i, &rune)) {
            utf8_put(&out, rune);
        } else {
            return name;
        }
    }
    return arena_str(arena, buf_view(&out));
}
