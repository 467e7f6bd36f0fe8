/* Query strings and urlencoded forms (WHATWG URL, application/x-www-form-urlencoded). */

#include <stdlib.h>

#include "base/mem.h"
#include "web/http.h"

static int hex_digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool param_unescape(Arena *arena, Str text, Str *ret_text, Err *err) {
    char *out = arena_raw(arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '+') {
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

bool params_has(const Params *params, Str name) {
    return params_get(params, name).ptr != NULL;
}
