/* The builtin functions of Go's text/template. */

#include <stdlib.h>

#include "base/go_text.h"
#include "tmpl/funcs.h"
#include "tmpl/html.h"
#include "tmpl/node.h"

TmplValue tmpl_text_result(TmplExec *exec, const Buf *text) {
    return tmpl_string(arena_str(tmpl_exec_arena(exec), buf_view(text)));
}

bool tmpl_text_args(const TmplValue *args, size_t count, Str *ret_texts, Err *err) {
    for (size_t i = 0; i < count; i++) {
        if (!tmpl_to_text(&args[i], &ret_texts[i], err)) {
            return false;
        }
    }
    return true;
}

/* ---- comparison ---- */

typedef enum BasicKind { KIND_NONE, KIND_BOOL, KIND_INT, KIND_FLOAT, KIND_STRING } BasicKind;

static BasicKind basic_kind(const TmplValue *value) {
    switch (value->type) {
    case TMPL_BOOL:
        return KIND_BOOL;
    case TMPL_INT:
    case TMPL_DURATION:
        return KIND_INT;
    case TMPL_FLOAT:
        return KIND_FLOAT;
    case TMPL_STRING:
        return KIND_STRING;
    default:
        return KIND_NONE;
    }
}

static bool equal(const TmplValue *a, const TmplValue *b, bool *ret_equal, Err *err) {
    if (a->type == TMPL_NIL || b->type == TMPL_NIL) {
        *ret_equal = a->type == b->type;
        return true;
    }
    BasicKind kind = basic_kind(a);
    if (kind != basic_kind(b)) {
        return err_set(err, ERR_INVALID, "incompatible types for comparison");
    }
    if (a->type == TMPL_TIME && b->type == TMPL_TIME) {
        *ret_equal = a->integer == b->integer;
        return true;
    }
    if (kind == KIND_NONE) {
        AUTO(buf_finish) Buf shown = {0};
        tmpl_print_value(&shown, a);
        return err_set(err, ERR_INVALID, "non-comparable type %.*s: %.*s",
                       STR_ARG(buf_view(&shown)), STR_ARG(tmpl_type_name(a)));
    }
    switch (kind) {
    case KIND_BOOL:
        *ret_equal = a->boolean == b->boolean;
        return true;
    case KIND_INT:
        *ret_equal = a->integer == b->integer;
        return true;
    case KIND_FLOAT:
        *ret_equal = a->number == b->number;
        return true;
    default:
        *ret_equal = str_eq(a->string, b->string);
        return true;
    }
}

static bool less(const TmplValue *a, const TmplValue *b, bool *ret_less, Err *err) {
    BasicKind kind = basic_kind(a);
    if (kind == KIND_NONE || basic_kind(b) == KIND_NONE) {
        return err_set(err, ERR_INVALID, "invalid type for comparison");
    }
    if (kind != basic_kind(b)) {
        return err_set(err, ERR_INVALID, "incompatible types for comparison");
    }
    switch (kind) {
    case KIND_INT:
        *ret_less = a->integer < b->integer;
        return true;
    case KIND_FLOAT:
        *ret_less = a->number < b->number;
        return true;
    case KIND_STRING:
        *ret_less = str_cmp(a->string, b->string) < 0;
        return true;
    default:
        return err_set(err, ERR_INVALID, "invalid type for comparison");
    }
}

static bool func_eq(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret, Err *err) {
    (void)exec;
    if (count < 2) {
        return err_set(err, ERR_INVALID, "missing argument for comparison");
    }
    bool found = false;
    for (size_t i = 1; i < count && !found; i++) {
        if (!equal(&args[0], &args[i], &found, err)) {
            return false;
        }
    }
    *ret = tmpl_bool(found);
    return true;
}

static bool func_ne(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret, Err *err) {
    (void)exec, (void)count;
    bool is_equal = false;
    if (!equal(&args[0], &args[1], &is_equal, err)) {
        return false;
    }
    *ret = tmpl_bool(!is_equal);
    return true;
}

static bool func_lt(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret, Err *err) {
    (void)exec, (void)count;
    bool is_less = false;
    if (!less(&args[0], &args[1], &is_less, err)) {
        return false;
    }
    *ret = tmpl_bool(is_less);
    return true;
}

static bool func_le(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret, Err *err) {
    (void)exec, (void)count;
    bool is_less = false, is_equal = false;
    if (!less(&args[0], &args[1], &is_less, err) || !equal(&args[0], &args[1], &is_equal, err)) {
        return false;
    }
    *ret = tmpl_bool(is_less || is_equal);
    return true;
}

static bool func_gt(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret, Err *err) {
    if (!func_le(exec, args, count, ret, err)) {
        return false;
    }
    ret->boolean = !ret->boolean;
    return true;
}

static bool func_ge(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret, Err *err) {
    if (!func_lt(exec, args, count, ret, err)) {
        return false;
    }
    ret->boolean = !ret->boolean;
    return true;
}

static bool func_not(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                     Err *err) {
    (void)exec, (void)count, (void)err;
    *ret = tmpl_bool(!tmpl_truth(&args[0]));
    return true;
}

/* ---- lists and maps ---- */

static bool func_len(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                     Err *err) {
    (void)exec, (void)count;
    switch (args[0].type) {
    case TMPL_STRING:
        *ret = tmpl_int((int64_t)args[0].string.len);
        return true;
    case TMPL_LIST:
    case TMPL_MAP:
        *ret = tmpl_int((int64_t)args[0].count);
        return true;
    case TMPL_NIL:
        return err_set(err, ERR_INVALID, "len of nil pointer");
    default:
        return err_set(err, ERR_INVALID, "len of type %.*s", STR_ARG(tmpl_type_name(&args[0])));
    }
}

static size_t length_of(const TmplValue *value) {
    return value->type == TMPL_STRING ? value->string.len : value->count;
}

/* An index into `value`, up to and including `most`. */
static bool take_index(const TmplValue *index, size_t most, size_t *ret_at, Err *err) {
    if (index->type == TMPL_NIL) {
        return err_set(err, ERR_INVALID, "cannot index slice/array with nil");
    }
    if (index->type != TMPL_INT) {
        return err_set(err, ERR_INVALID, "cannot index slice/array with type %.*s",
                       STR_ARG(tmpl_type_name(index)));
    }
    if (index->integer < 0 || (uint64_t)index->integer > most) {
        return err_set(err, ERR_INVALID, "index out of range: %lld", (long long)index->integer);
    }
    *ret_at = (size_t)index->integer;
    return true;
}

static bool index_one(const Tmpl *tmpl, const TmplValue *value, const TmplValue *index,
                      TmplValue *ret, Err *err) {
    size_t at = 0;
    switch (value->type) {
    case TMPL_LIST:
    case TMPL_STRING:
        if (!take_index(index, length_of(value), &at, err)) {
            return false;
        }
        if (at == length_of(value)) {
            return err_set(err, ERR_INVALID, "index out of range: %zu", at);
        }
        *ret = value->type == TMPL_LIST ? value->items[at]
                                        : tmpl_int((unsigned char)value->string.ptr[at]);
        if (value->type == TMPL_STRING) {
            ret->go_type = "uint8";
        }
        return true;
    case TMPL_MAP: {
        if (index->type == TMPL_NIL) {
            return err_set(err, ERR_INVALID, "value is nil; should be of type string");
        }
        if (index->type != TMPL_STRING) {
            return err_set(err, ERR_INVALID, "value has type %.*s; should be string",
                           STR_ARG(tmpl_type_name(index)));
        }
        const TmplValue *found = tmpl_field(value, index->string);
        (void)tmpl;
        /* A missing key is the element type's zero value here, whatever the option says. */
        *ret = found                 ? *found
               : value->zero_missing ? tmpl_string(STR(""))
                                     : (TmplValue){.type = TMPL_NIL};
        return true;
    }
    case TMPL_NIL:
        return err_set(err, ERR_INVALID, "index of untyped nil");
    default:
        return err_set(err, ERR_INVALID, "can't index item of type %.*s",
                       STR_ARG(tmpl_type_name(value)));
    }
}

static bool func_index(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                       Err *err) {
    TmplValue value = args[0];
    for (size_t i = 1; i < count; i++) {
        TmplValue element = {0};
        if (!index_one(tmpl_exec_tmpl(exec), &value, &args[i], &element, err)) {
            return false;
        }
        value = element;
    }
    *ret = value;
    return true;
}

static bool func_slice(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                       Err *err) {
    (void)exec;
    const TmplValue *value = &args[0];
    if (value->type == TMPL_NIL) {
        return err_set(err, ERR_INVALID, "slice of untyped nil");
    }
    if (value->type != TMPL_STRING && value->type != TMPL_LIST) {
        return err_set(err, ERR_INVALID, "can't slice item of type %.*s",
                       STR_ARG(tmpl_type_name(value)));
    }
    if (value->type == TMPL_STRING && count > 3) {
        return err_set(err, ERR_INVALID, "cannot 3-index slice a string");
    }
    size_t from = 0, to = length_of(value), most = to;
    if ((count > 1 && !take_index(&args[1], most, &from, err)) ||
        (count > 2 && !take_index(&args[2], most, &to, err)) ||
        (count > 3 && !take_index(&args[3], most, &most, err))) {
        return false;
    }
    if (from > to || to > most) {
        return err_set(err, ERR_INVALID, "invalid slice index: %zu > %zu", from, to);
    }
    *ret = *value;
    if (value->type == TMPL_STRING) {
        ret->string = (Str){value->string.ptr + from, to - from};
    } else {
        ret->items = value->items + from;
        ret->count = to - from;
    }
    return true;
}

/* ---- printing and escaping ---- */

static bool func_print(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                       Err *err) {
    (void)err;
    AUTO(buf_finish) Buf text = {0};
    tmpl_sprint(&text, args, count);
    *ret = tmpl_text_result(exec, &text);
    return true;
}

static bool func_println(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                         Err *err) {
    (void)err;
    AUTO(buf_finish) Buf text = {0};
    tmpl_sprintln(&text, args, count);
    *ret = tmpl_text_result(exec, &text);
    return true;
}

static bool func_printf(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                        Err *err) {
    AUTO(buf_finish) Buf text = {0};
    Str format = {0};
    if (!tmpl_to_text(&args[0], &format, err)) {
        return false;
    }
    tmpl_printf(&text, format, args + 1, count - 1);
    *ret = tmpl_text_result(exec, &text);
    return true;
}

/* The arguments as one text: a single string as it is, else as Sprint, with nil as it comes out of
 * an action. */
static void join_args(TmplExec *exec, Buf *buf, const TmplValue *args, size_t count) {
    TmplValue *shown = arena_array(tmpl_exec_arena(exec), TmplValue, count + 1);
    for (size_t i = 0; i < count; i++) {
        shown[i] = args[i].type == TMPL_NIL ? tmpl_string(STR("<no value>")) : args[i];
    }
    tmpl_sprint(buf, shown, count);
}

static bool func_html(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                      Err *err) {
    (void)err;
    AUTO(buf_finish) Buf text = {0};
    AUTO(buf_finish) Buf escaped = {0};
    join_args(exec, &text, args, count);
    html_escape(&escaped, buf_view(&text));
    *ret = tmpl_text_result(exec, &escaped);
    return true;
}

static bool func_urlquery(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                          Err *err) {
    (void)err;
    AUTO(buf_finish) Buf text = {0};
    AUTO(buf_finish) Buf escaped = {0};
    join_args(exec, &text, args, count);
    url_query_escape(&escaped, buf_view(&text));
    *ret = tmpl_text_result(exec, &escaped);
    return true;
}

static void js_put_rune(Buf *out, uint32_t rune) {
    static const struct {
        char plain;
        const char *escaped;
    } table[] = {{'\\', "\\\\"},   {'\'', "\\'"},    {'"', "\\\""},   {'<', "\\u003C"},
                 {'>', "\\u003E"}, {'&', "\\u0026"}, {'=', "\\u003D"}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (rune == (unsigned char)table[i].plain) {
            buf_str(out, str_of(table[i].escaped));
            return;
        }
    }
    if (!go_is_printable((int32_t)rune)) {
        buf_printf(out, "\\u%04X", rune);
    } else {
        utf8_put(out, rune);
    }
}

static bool func_js(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret, Err *err) {
    (void)err;
    AUTO(buf_finish) Buf text = {0};
    AUTO(buf_finish) Buf escaped = {0};
    join_args(exec, &text, args, count);
    for (Str rest = buf_view(&text); rest.len;) {
        int32_t rune;
        rest = str_skip(rest, utf8_next(rest, 0, &rune));
        js_put_rune(&escaped, (uint32_t)rune);
    }
    *ret = tmpl_text_result(exec, &escaped);
    return true;
}

static bool func_call(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                      Err *err) {
    (void)exec, (void)count, (void)ret;
    if (args[0].type == TMPL_NIL) {
        return err_set(err, ERR_INVALID, "call of nil");
    }
    return err_set(err, ERR_INVALID, "non-function of type %.*s",
                   STR_ARG(tmpl_type_name(&args[0])));
}

const TmplFunc tmpl_funcs_go[] = {
    {"and", 1, -1, NULL}, /* evaluated by exec.c, which stops at the operand that decides */
    {"call", 1, -1, func_call},
    {"eq", 1, -1, func_eq},
    {"ge", 2, 2, func_ge},
    {"gt", 2, 2, func_gt},
    {"html", 0, -1, func_html},
    {"index", 1, -1, func_index},
    {"js", 0, -1, func_js},
    {"le", 2, 2, func_le},
    {"len", 1, 1, func_len},
    {"lt", 2, 2, func_lt},
    {"ne", 2, 2, func_ne},
    {"not", 1, 1, func_not},
    {"or", 1, -1, NULL},
    {"print", 0, -1, func_print},
    {"printf", 1, -1, func_printf},
    {"println", 0, -1, func_println},
    {"slice", 1, 4, func_slice},
    {"urlquery", 0, -1, func_urlquery},
    {0},
};
