/* encoding/json of template values, with Go's HTML escaping of < > &. */

#include <math.h>

#include "base/json.h"
#include "base/number.h"
#include "tmpl/funcs.h"
#include "tmpl/go_time.h"

enum { DEPTH_MAX = 100 };

static void put_text(Buf *buf, Str text) {
    AUTO(buf_finish) Buf quoted = {0};
    json_quote(&quoted, text);
    for (size_t i = 0; i < quoted.len; i++) {
        char c = quoted.ptr[i];
        if (c == '<' || c == '>' || c == '&') {
            buf_printf(buf, "\\u%04x", (unsigned char)c);
        } else {
            buf_byte(buf, c);
        }
    }
}

/* 'f' inside [1e-6, 1e21), else 'e' with a short exponent. */
static void put_number(Buf *buf, double number) {
    double size = fabs(number);
    if (size != 0 && (size < 1e-6 || size >= 1e21)) {
        AUTO(buf_finish) Buf text = {0};
        number_put_exp(&text, number);
        /* e-09 becomes e-9 */
        if (text.len >= 4 && text.ptr[text.len - 4] == 'e' && text.ptr[text.len - 3] == '-' &&
            text.ptr[text.len - 2] == '0') {
            text.ptr[text.len - 2] = text.ptr[text.len - 1];
            text.len--;
        }
        buf_str(buf, buf_view(&text));
    } else {
        number_put(buf, number);
    }
}

static bool put_members(Buf *buf, const TmplValue *value, int depth, Err *err) {
    buf_byte(buf, '{');
    for (size_t i = 0; i < value->count; i++) {
        if (i) {
            buf_byte(buf, ',');
        }
        put_text(buf, value->fields[i].name);
        buf_byte(buf, ':');
        if (!tmpl_json_put(buf, value->fields[i].value, depth + 1, err)) {
            return false;
        }
    }
    buf_byte(buf, '}');
    return true;
}

bool tmpl_json_put(Buf *buf, const TmplValue *value, int depth, Err *err) {
    if (depth > DEPTH_MAX) {
        return err_set(err, ERR_INVALID, "json: nested too deep");
    }
    if (value->json_as) {
        return tmpl_json_put(buf, value->json_as, depth + 1, err);
    }
    switch (value->type) {
    case TMPL_NIL:
        buf_str(buf, STR("null"));
        return true;
    case TMPL_BOOL:
        buf_str(buf, value->boolean ? STR("true") : STR("false"));
        return true;
    case TMPL_INT:
    case TMPL_DURATION:
        buf_printf(buf, "%lld", (long long)value->integer);
        return true;
    case TMPL_FLOAT:
        if (!isfinite(value->number)) {
            return err_set(err, ERR_INVALID, "json: unsupported value: %s",
                           isnan(value->number) ? "NaN"
                           : value->number > 0  ? "+Inf"
                                                : "-Inf");
        }
        put_number(buf, value->number);
        return true;
    case TMPL_STRING:
        put_text(buf, value->string);
        return true;
    case TMPL_TIME:
        buf_byte(buf, '"');
        go_time_put_json(buf, value);
        buf_byte(buf, '"');
        return true;
    case TMPL_LIST:
        buf_byte(buf, '[');
        for (size_t i = 0; i < value->count; i++) {
            if (i) {
                buf_byte(buf, ',');
            }
            if (!tmpl_json_put(buf, &value->items[i], depth + 1, err)) {
                return false;
            }
        }
        buf_byte(buf, ']');
        return true;
    case TMPL_MAP:
    case TMPL_OBJECT:
        return put_members(buf, value, depth, err);
    }
    return true;
}
