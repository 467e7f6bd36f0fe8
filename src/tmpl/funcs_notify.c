/* Functions of notification templates: Alertmanager's. */

#include <ctype.h>
#include <stdlib.h>

#include "base/str.h"
#include "tmpl/funcs.h"
#include "tmpl/go_time.h"
#include "tmpl/html.h"
#include "tmpl/node.h"
#include "tmpl/text.h"

enum { ROUTE_LABEL_DEPTH_MAX = 10 };

/* ---- text ---- */

static bool text_mapped(TmplExec *exec, const TmplValue *arg, void (*put)(Buf *, Str),
                        TmplValue *ret, Err *err) {
    Str text = {0};
    if (!tmpl_to_text(arg, &text, err)) {
        return false;
    }
    AUTO(buf_finish) Buf out = {0};
    put(&out, text);
    *ret = tmpl_text_result(exec, &out);
    return true;
}

static void put_title_words(Buf *out, Str text) {
    text_put_title(out, text, true);
}

static bool func_to_upper(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                          Err *err) {
    (void)count;
    return text_mapped(exec, &args[0], text_put_upper, ret, err);
}

static bool func_to_lower(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                          Err *err) {
    (void)count;
    return text_mapped(exec, &args[0], text_put_lower, ret, err);
}

static bool func_title(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                       Err *err) {
    (void)count;
    return text_mapped(exec, &args[0], put_title_words, ret, err);
}

static bool func_trim_space(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                            Err *err) {
    (void)exec, (void)count;
    Str text = {0};
    if (!tmpl_to_text(&args[0], &text, err)) {
        return false;
    }
    *ret = tmpl_string(str_trim(text));
    return true;
}

static bool func_join(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                      Err *err) {
    (void)count;
    Str separator = {0};
    if (!tmpl_to_text(&args[0], &separator, err)) {
        return false;
    }
    if (args[1].type != TMPL_LIST && args[1].type != TMPL_NIL) {
        return err_set(err, ERR_UNSUPPORTED, "wrong type for value; expected []string; got %.*s",
                       STR_ARG(tmpl_type_name(&args[1])));
    }
    AUTO(buf_finish) Buf out = {0};
    for (size_t i = 0; i < args[1].count; i++) {
        Str text = {0};
        if (!tmpl_to_text(&args[1].items[i], &text, err)) {
            return false;
        }
        buf_str(&out, i ? separator : STR(""));
        buf_str(&out, text);
    }
    *ret = tmpl_text_result(exec, &out);
    return true;
}

static bool marked(const TmplValue *arg, const char *type, TmplValue *ret, Err *err) {
    Str text = {0};
    if (!tmpl_to_text(arg, &text, err)) {
        return false;
    }
    *ret = tmpl_string(text);
    ret->go_type = type;
    return true;
}

static bool func_safe_html(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                           Err *err) {
    (void)exec, (void)count;
    return marked(&args[0], HTML_SAFE_TYPE, ret, err);
}

static bool func_safe_url(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                          Err *err) {
    (void)exec, (void)count;
    return marked(&args[0], URL_SAFE_TYPE, ret, err);
}

static int hex_value(char c) {
    return isdigit((unsigned char)c) ? c - '0' : (c | 0x20) - 'a' + 10;
}

static bool func_url_unescape(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                              Err *err) {
    (void)count;
    Str text = {0};
    if (!tmpl_to_text(&args[0], &text, err)) {
        return false;
    }
    AUTO(buf_finish) Buf out = {0};
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '+') {
            buf_byte(&out, ' ');
        } else if (text.ptr[i] != '%') {
            buf_byte(&out, text.ptr[i]);
        } else if (i + 2 < text.len && isxdigit((unsigned char)text.ptr[i + 1]) &&
                   isxdigit((unsigned char)text.ptr[i + 2])) {
            buf_byte(&out, (char)(hex_value(text.ptr[i + 1]) << 4 | hex_value(text.ptr[i + 2])));
            i += 2;
        } else {
            size_t rest = text.len - i < 3 ? text.len - i : 3;
            return err_set(err, ERR_INVALID, "invalid URL escape \"%.*s\"", (int)rest,
                           text.ptr + i);
        }
    }
    *ret = tmpl_text_result(exec, &out);
    return true;
}

static int base64_value(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

static bool func_base64_decode(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                               Err *err) {
    (void)count;
    Str text = {0};
    if (!tmpl_to_text(&args[0], &text, err)) {
        return false;
    }
    AUTO(buf_finish) Buf out = {0};
    size_t digits = text.len;
    while (digits && text.ptr[digits - 1] == '=' && text.len - digits < 2) {
        digits--;
    }
    uint32_t bits = 0;
    for (size_t i = 0; i < digits; i++) {
        int value = base64_value(text.ptr[i]);
        if (value < 0 || text.len % 4) {
            return err_set(err, ERR_INVALID, "illegal base64 data at input byte %zu", i);
        }
        bits = bits << 6 | (uint32_t)value;
        if (i % 4) {
            buf_byte(&out, (char)(bits >> (6 - 2 * (i % 4))));
        }
    }
    *ret = tmpl_text_result(exec, &out);
    return true;
}

/* ---- lists and dicts ---- */

static bool func_list(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                      Err *err) {
    (void)err;
    TmplValue *items = arena_array(tmpl_exec_arena(exec), TmplValue, count + 1);
    for (size_t i = 0; i < count; i++) {
        items[i] = args[i];
    }
    *ret = (TmplValue){.type = TMPL_LIST, .items = items, .count = count};
    return true;
}

static bool func_string_slice(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                              Err *err) {
    for (size_t i = 0; i < count; i++) {
        Str text = {0};
        if (!tmpl_to_text(&args[i], &text, err)) {
            return false;
        }
    }
    (void)func_list(exec, args, count, ret, err);
    ret->go_type = "[]string";
    return true;
}

static bool func_append(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                        Err *err) {
    if (args[0].type != TMPL_LIST && args[0].type != TMPL_NIL) {
        return err_set(err, ERR_INVALID, "cannot append to %.*s",
                       STR_ARG(tmpl_type_name(&args[0])));
    }
    size_t old = args[0].count;
    TmplValue *items = arena_array(tmpl_exec_arena(exec), TmplValue, old + count);
    for (size_t i = 0; i < old; i++) {
        items[i] = args[0].items[i];
    }
    for (size_t i = 1; i < count; i++) {
        items[old + i - 1] = args[i];
    }
    *ret = (TmplValue){.type = TMPL_LIST, .items = items, .count = old + count - 1};
    return true;
}

static int by_field_name(const void *a, const void *b) {
    return str_cmp(((const TmplField *)a)->name, ((const TmplField *)b)->name);
}

static bool func_dict(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                      Err *err) {
    if (count % 2) {
        return err_set(err, ERR_INVALID, "invalid dict call");
    }
    Arena *arena = tmpl_exec_arena(exec);
    TmplField *fields = arena_array(arena, TmplField, count / 2 + 1);
    TmplValue *values = arena_array(arena, TmplValue, count / 2 + 1);
    size_t used = 0;
    for (size_t i = 0; i < count; i += 2) {
        if (args[i].type != TMPL_STRING) {
            return err_set(err, ERR_INVALID, "dict keys must be strings");
        }
        size_t at = 0;
        while (at < used && !str_eq(fields[at].name, args[i].string)) {
            at++;
        }
        values[at] = args[i + 1];
        fields[at] = (TmplField){args[i].string, &values[at]};
        used += at == used;
    }
    qsort(fields, used, sizeof *fields, by_field_name);
    *ret = (TmplValue){.type = TMPL_MAP, .fields = fields, .count = used};
    return true;
}

static bool func_to_json(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                         Err *err) {
    (void)count;
    AUTO(buf_finish) Buf out = {0};
    if (!tmpl_json_put(&out, &args[0], 0, err)) {
        return false;
    }
    *ret = tmpl_text_result(exec, &out);
    return true;
}

/* ---- times ---- */

static bool wants_time(const TmplValue *value, Err *err) {
    return value->type == TMPL_TIME ||
           err_set(err, ERR_UNSUPPORTED, "wrong type for value; expected time.Time; got %.*s",
                   STR_ARG(tmpl_type_name(value)));
}

static bool func_date(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                      Err *err) {
    (void)count;
    Str layout = {0};
    if (!tmpl_to_text(&args[0], &layout, err) || !wants_time(&args[1], err)) {
        return false;
    }
    AUTO(buf_finish) Buf out = {0};
    go_time_format(&out, &args[1], layout);
    *ret = tmpl_text_result(exec, &out);
    return true;
}

static bool func_tz(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret, Err *err) {
    (void)count;
    Str zone = {0};
    return tmpl_to_text(&args[0], &zone, err) && wants_time(&args[1], err) &&
           go_time_in_zone(&args[1], zone, tmpl_exec_arena(exec), ret, err);
}

static bool func_since(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                       Err *err) {
    (void)count;
    if (!wants_time(&args[0], err)) {
        return false;
    }
    bool is_zero = args[0].integer == GO_TIME_ZERO;
    *ret = go_duration_value(is_zero ? INT64_MAX
                                     : tmpl_exec_world(exec)->now * 1000000 - args[0].integer);
    return true;
}

static bool func_must_to_date(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                              Err *err) {
    (void)exec;
    Str texts[2];
    return tmpl_text_args(args, count, texts, err) && go_time_parse(texts[0], texts[1], ret, err);
}

static bool func_to_date(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                         Err *err) {
    (void)exec;
    Str texts[2];
    Err ignored = {0};
    if (!tmpl_text_args(args, count, texts, err)) {
        return false;
    }
    if (!go_time_parse(texts[0], texts[1], ret, &ignored)) {
        *ret = go_time_value(GO_TIME_ZERO);
    }
    return true;
}

static bool func_now(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                     Err *err) {
    (void)args, (void)count, (void)err;
    *ret = tmpl_time(tmpl_exec_world(exec)->now);
    return true;
}

static bool func_humanize_duration(TmplExec *exec, const TmplValue *args, size_t count,
                                   TmplValue *ret, Err *err) {
    (void)count;
    double seconds = 0;
    if (!tmpl_to_float(&args[0], &seconds, err)) {
        return false;
    }
    AUTO(buf_finish) Buf out = {0};
    tmpl_humanize_duration(&out, seconds);
    *ret = tmpl_text_result(exec, &out);
    return true;
}

/* ---- labels of the route ---- */

/* A route's label is a template itself, expanded with the same data. */
static bool func_route_labels(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                              Err *err) {
    (void)count;
    Str name = {0};
    if (!tmpl_to_text(&args[0], &name, err)) {
        return false;
    }
    const TmplValue *data = tmpl_exec_data(exec);
    bool has_fields = data->type == TMPL_OBJECT || data->type == TMPL_MAP;
    const TmplValue *labels = has_fields ? tmpl_field(data, STR("RouteLabels")) : NULL;
    const TmplValue *text = labels && labels->count ? tmpl_field(labels, name) : NULL;
    *ret = tmpl_string(STR(""));
    if (!text || text->type != TMPL_STRING) {
        return true;
    }
    if (tmpl_exec_nesting(exec) >= ROUTE_LABEL_DEPTH_MAX) {
        return err_set(err, ERR_INVALID, "routeLabels: label \"%.*s\" refers to itself",
                       STR_ARG(name));
    }
    AUTO(tmpl_freep) Tmpl *derived = NULL;
    AUTO(buf_finish) Buf out = {0};
    if (!tmpl_derive(tmpl_exec_tmpl(exec), STR(""), text->string, &derived, err) ||
        !tmpl_execute_nested(exec, derived, &out, err)) {
        return false;
    }
    *ret = tmpl_text_result(exec, &out);
    return true;
}

const TmplFunc tmpl_funcs_alertmanager[] = {
    {"append", 1, -1, func_append},
    {"base64decode", 1, 1, func_base64_decode},
    {"date", 2, 2, func_date},
    {"dict", 0, -1, func_dict},
    {"humanizeDuration", 1, 1, func_humanize_duration},
    {"join", 2, 2, func_join},
    {"list", 0, -1, func_list},
    {"match", 2, 2, tmpl_func_match},
    {"mustToDate", 2, 2, func_must_to_date},
    {"now", 0, 0, func_now},
    {"reReplaceAll", 3, 3, tmpl_func_re_replace_all},
    {"routeLabels", 1, 1, func_route_labels},
    {"safeHtml", 1, 1, func_safe_html},
    {"safeUrl", 1, 1, func_safe_url},
    {"since", 1, 1, func_since},
    {"stringSlice", 0, -1, func_string_slice},
    {"title", 1, 1, func_title},
    {"toDate", 2, 2, func_to_date},
    {"toJson", 1, 1, func_to_json},
    {"toLower", 1, 1, func_to_lower},
    {"toUpper", 1, 1, func_to_upper},
    {"trimSpace", 1, 1, func_trim_space},
    {"tz", 2, 2, func_tz},
    {"urlUnescape", 1, 1, func_url_unescape},
    {0},
};
