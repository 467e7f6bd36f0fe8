/*
 * Functions of rule templates: Prometheus' and vmalert's. Where both have a name with the same
 * meaning, one function serves both.
 */

#include <arpa/inet.h>
#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "base/go_text.h"
#include "base/number.h"
#include "base/regex.h"
#include "tmpl/funcs.h"
#include "tmpl/go_time.h"
#include "tmpl/html.h"
#include "tmpl/text.h"

/* ---- query results ---- */

static bool func_query(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                       Err *err) {
    (void)count;
    const TmplWorld *world = tmpl_exec_world(exec);
    Str expr = {0};
    if (!tmpl_to_text(&args[0], &expr, err)) {
        return false;
    }
    if (!world->query) {
        return err_set(err, ERR_INVALID, "query is not available here");
    }
    return world->query(world->query_ctx, expr, tmpl_exec_arena(exec), ret, err);
}

static bool func_first(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                       Err *err) {
    (void)exec, (void)count;
    if (args[0].type != TMPL_LIST) {
        return err_set(err, ERR_UNSUPPORTED,
                       "wrong type for value; expected template.queryResult; got %.*s",
                       STR_ARG(tmpl_type_name(&args[0])));
    }
    if (args[0].count == 0) {
        return err_set(err, ERR_INVALID, "first() called on vector with no elements");
    }
    *ret = args[0].items[0];
    return true;
}

static Str sample_label(const TmplValue *sample, Str name) {
    const TmplValue *labels =
        sample->type == TMPL_OBJECT ? tmpl_field(sample, STR("Labels")) : NULL;
    const TmplValue *value = labels ? tmpl_field(labels, name) : NULL;
    return value && value->type == TMPL_STRING ? value->string : STR("");
}

static bool wants_sample(const TmplValue *value, Err *err) {
    if (value->type == TMPL_OBJECT && tmpl_field(value, STR("Labels"))) {
        return true;
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "wrong type for value; expected *template.sample; got %.*s",
                   STR_ARG(tmpl_type_name(value)));
}

static bool func_label(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                       Err *err) {
    (void)exec, (void)count;
    Str name = {0};
    if (!tmpl_to_text(&args[0], &name, err) || !wants_sample(&args[1], err)) {
        return false;
    }
    *ret = tmpl_string(sample_label(&args[1], name));
    return true;
}

static bool func_value(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                       Err *err) {
    (void)exec, (void)count;
    if (!wants_sample(&args[0], err)) {
        return false;
    }
    const TmplValue *value = tmpl_field(&args[0], STR("Value"));
    *ret = value ? *value : (TmplValue){.type = TMPL_NIL};
    return true;
}

static bool func_strvalue(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                          Err *err) {
    (void)exec, (void)count;
    *ret = tmpl_string(sample_label(&args[0], STR("__value__")));
    return wants_sample(&args[0], err);
}

static bool func_strvalue_vmalert(TmplExec *exec, const TmplValue *args, size_t count,
                                  TmplValue *ret, Err *err) {
    (void)exec, (void)count;
    *ret = tmpl_string(sample_label(&args[0], STR("__name__")));
    return wants_sample(&args[0], err);
}

typedef struct SortItem {
    Str key;
    size_t place; /* keeps the sort stable */
} SortItem;

static int by_key(const void *a, const void *b) {
    const SortItem *x = a, *y = b;
    int order = str_cmp(x->key, y->key);
    return order ? order : (x->place > y->place) - (x->place < y->place);
}

static bool func_sort_by_label(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                               Err *err) {
    (void)count;
    Str name = {0};
    if (!tmpl_to_text(&args[0], &name, err)) {
        return false;
    }
    if (args[1].type != TMPL_LIST) {
        return err_set(err, ERR_UNSUPPORTED,
                       "wrong type for value; expected template.queryResult; got %.*s",
                       STR_ARG(tmpl_type_name(&args[1])));
    }
    Arena *arena = tmpl_exec_arena(exec);
    SortItem *order = arena_array(arena, SortItem, args[1].count + 1);
    TmplValue *sorted = arena_array(arena, TmplValue, args[1].count + 1);
    for (size_t i = 0; i < args[1].count; i++) {
        order[i] = (SortItem){sample_label(&args[1].items[i], name), i};
    }
    qsort(order, args[1].count, sizeof *order, by_key);
    for (size_t i = 0; i < args[1].count; i++) {
        sorted[i] = args[1].items[order[i].place];
    }
    *ret = args[1];
    ret->items = sorted;
    return true;
}

static bool func_args(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                      Err *err) {
    (void)err;
    Arena *arena = tmpl_exec_arena(exec);
    TmplField *fields = arena_array(arena, TmplField, count + 1);
    for (size_t i = 0; i < count; i++) {
        TmplValue *copy = arena_new(arena, TmplValue);
        *copy = args[i];
        fields[i] = (TmplField){arena_printf(arena, "arg%zu", i), copy};
    }
    *ret = (TmplValue){.type = TMPL_MAP, .fields = fields, .count = count};
    return true;
}

/* ---- numbers and times ---- */

static bool humanized(TmplExec *exec, const TmplValue *value, void (*put)(Buf *, double),
                      TmplValue *ret, Err *err) {
    double number = 0;
    if (!tmpl_to_float(value, &number, err)) {
        return false;
    }
    AUTO(buf_finish) Buf text = {0};
    put(&text, number);
    *ret = tmpl_text_result(exec, &text);
    return true;
}

static bool func_humanize(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                          Err *err) {
    (void)count;
    return humanized(exec, &args[0], tmpl_humanize, ret, err);
}

static bool func_humanize_1024(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                               Err *err) {
    (void)count;
    return humanized(exec, &args[0], tmpl_humanize_1024, ret, err);
}

static bool func_humanize_duration(TmplExec *exec, const TmplValue *args, size_t count,
                                   TmplValue *ret, Err *err) {
    (void)count;
    return humanized(exec, &args[0], tmpl_humanize_duration, ret, err);
}

static bool func_humanize_percentage(TmplExec *exec, const TmplValue *args, size_t count,
                                     TmplValue *ret, Err *err) {
    (void)count;
    return humanized(exec, &args[0], tmpl_humanize_percentage, ret, err);
}

/* Seconds as a time with the millisecond precision of Prometheus' timestamps. */
static bool to_time(double seconds, TmplValue *ret, Err *err) {
    double ns = seconds * 1e9;
    if (!(ns >= -9223372036854775808.0 && ns < 9223372036854775808.0)) {
        AUTO(buf_finish) Buf text = {0};
        number_put_general(&text, seconds, 6);
        return err_set(
            err, ERR_INVALID,
            "%.*s cannot be represented as a nanoseconds timestamp since it overflows int64",
            STR_ARG(buf_view(&text)));
    }
    *ret = go_time_value((int64_t)floor(seconds * 1000) * 1000000);
    return true;
}

static bool func_humanize_timestamp(TmplExec *exec, const TmplValue *args, size_t count,
                                    TmplValue *ret, Err *err) {
    (void)count;
    double seconds = 0;
    TmplValue time = {0};
    if (!tmpl_to_float(&args[0], &seconds, err)) {
        return false;
    }
    AUTO(buf_finish) Buf text = {0};
    if (!isfinite(seconds)) {
        tmpl_humanize(&text, seconds);
    } else if (to_time(seconds, &time, err)) {
        go_time_print(&text, &time);
    } else {
        return false;
    }
    *ret = tmpl_text_result(exec, &text);
    return true;
}

static bool func_to_time(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                         Err *err) {
    (void)exec, (void)count;
    double seconds = 0;
    if (!tmpl_to_float(&args[0], &seconds, err)) {
        return false;
    }
    if (!isfinite(seconds)) {
        return err_set(err, ERR_INVALID, "value is NaN or Inf");
    }
    if (!to_time(seconds, ret, err)) {
        return false;
    }
    ret->go_type = "*time.Time";
    return true;
}

static bool func_to_time_vmalert(TmplExec *exec, const TmplValue *args, size_t count,
                                 TmplValue *ret, Err *err) {
    double seconds = 0;
    if (tmpl_to_float(&args[0], &seconds, err) && !isfinite(seconds)) {
        AUTO(buf_finish) Buf text = {0};
        tmpl_humanize(&text, seconds);
        return err_set(err, ERR_INVALID, "cannot convert %.*s to time.Time",
                       STR_ARG(buf_view(&text)));
    }
    bool ok = func_to_time(exec, args, count, ret, err);
    ret->go_type = NULL;
    return ok;
}

static bool func_to_duration(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                             Err *err) {
    (void)exec, (void)count;
    double seconds = 0;
    if (!tmpl_to_float(&args[0], &seconds, err)) {
        return false;
    }
    if (!isfinite(seconds)) {
        return err_set(err, ERR_INVALID, "value is NaN or Inf");
    }
    double ns = seconds * 1e9;
    if (!(ns >= -9223372036854775808.0 && ns < 9223372036854775808.0)) {
        AUTO(buf_finish) Buf text = {0};
        number_put_general(&text, seconds, 6);
        return err_set(
            err, ERR_INVALID,
            "%.*s cannot be represented as a nanoseconds duration since it overflows int64",
            STR_ARG(buf_view(&text)));
    }
    *ret = go_duration_value((int64_t)ns);
    return true;
}

static bool func_now(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                     Err *err) {
    (void)args, (void)count, (void)err;
    *ret = tmpl_float((double)tmpl_exec_world(exec)->now / 1000.0);
    return true;
}

static bool func_now_vmalert(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                             Err *err) {
    (void)args, (void)count, (void)err;
    *ret = tmpl_float((double)(tmpl_exec_world(exec)->now / 1000));
    return true;
}

static bool func_format_time(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                             Err *err) {
    (void)count;
    Str layout = {0};
    double seconds = 0;
    TmplValue time = {0};
    if (!tmpl_to_text(&args[0], &layout, err) || !tmpl_to_float(&args[1], &seconds, err)) {
        return false;
    }
    if (!isfinite(seconds)) {
        return err_set(err, ERR_INVALID, "cannot convert %s to time.Time",
                       isnan(seconds) ? "NaN"
                       : seconds > 0  ? "+Inf"
                                      : "-Inf");
    }
    if (!to_time(seconds, &time, err)) {
        return false;
    }
    AUTO(buf_finish) Buf text = {0};
    go_time_format(&text, &time, layout);
    *ret = tmpl_text_result(exec, &text);
    return true;
}

/* Prometheus' durations with an optional sign, in seconds. */
static bool func_parse_duration(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                                Err *err) {
    (void)exec, (void)count;
    Str text = {0};
    DurationMs span = 0;
    if (!tmpl_to_text(&args[0], &text, err)) {
        return false;
    }
    bool negative = text.len && text.ptr[0] == '-';
    if (!duration_parse(str_skip(text, negative), &span, err)) {
        return false;
    }
    double seconds = (double)span / 1000.0;
    *ret = tmpl_float(negative ? -seconds : seconds);
    return true;
}

/* MetricsQL's durations: fractions, any order, a bare number of seconds. In milliseconds. */
static bool parse_metricsql_duration(Str text, double *ret_ms, Err *err) {
    static const struct {
        const char *unit;
        double ms;
    } units[] = {{"ms", 1},      {"s", 1e3},      {"m", 60e3},   {"h", 3600e3},
                 {"d", 86400e3}, {"w", 604800e3}, {"y", 31536e6}};
    Str rest = text;
    double total = 0, sign = 1;
    if (rest.len && rest.ptr[0] == '-') {
        sign = -1;
        rest = str_skip(rest, 1);
    }
    bool is_empty = rest.len == 0;
    while (rest.len) {
        size_t digits = 0;
        while (digits < rest.len &&
               (isdigit((unsigned char)rest.ptr[digits]) || rest.ptr[digits] == '.')) {
            digits++;
        }
        double number = 0, unit = 0;
        is_empty |= !number_parse((Str){rest.ptr, digits}, &number);
        rest = str_skip(rest, digits);
        if (rest.len == 0) {
            unit = 1e3;
        }
        for (size_t i = 0; i < sizeof units / sizeof units[0] && unit == 0; i++) {
            size_t len = strlen(units[i].unit);
            if (rest.len >= len && strncasecmp(rest.ptr, units[i].unit, len) == 0) {
                unit = units[i].ms;
                rest = str_skip(rest, len);
            }
        }
        if (is_empty || unit == 0) {
            return err_set(err, ERR_INVALID, "cannot parse duration \"%.*s\"", STR_ARG(text));
        }
        total += number * unit;
    }
    if (is_empty || !(total < 9e15)) {
        return err_set(err, ERR_INVALID, "cannot parse duration \"%.*s\"", STR_ARG(text));
    }
    *ret_ms = sign * total;
    return true;
}

static bool func_parse_duration_vmalert(TmplExec *exec, const TmplValue *args, size_t count,
                                        TmplValue *ret, Err *err) {
    (void)exec, (void)count;
    Str text = {0};
    double ms = 0;
    if (!tmpl_to_text(&args[0], &text, err) || !parse_metricsql_duration(text, &ms, err)) {
        return false;
    }
    *ret = tmpl_float(ms / 1000.0);
    return true;
}

static bool func_parse_duration_time(TmplExec *exec, const TmplValue *args, size_t count,
                                     TmplValue *ret, Err *err) {
    (void)exec, (void)count;
    Str text = {0};
    double ms = 0;
    if (!tmpl_to_text(&args[0], &text, err) || !parse_metricsql_duration(text, &ms, err)) {
        return false;
    }
    double ns = ms * 1e6;
    *ret = go_duration_value(fabs(ns) < 9.2e18 ? (int64_t)ns : ns < 0 ? INT64_MIN : INT64_MAX);
    return true;
}

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

static void put_title_prometheus(Buf *buf, Str text) {
    text_put_title(buf, text, true);
}

static void put_title_vmalert(Buf *buf, Str text) {
    text_put_title(buf, text, false);
}

static void put_crlf(Buf *buf, Str text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\n' || text.ptr[i] == '\r') {
            buf_str(buf, text.ptr[i] == '\n' ? STR("\\n") : STR("\\r"));
        } else {
            buf_byte(buf, text.ptr[i]);
        }
    }
}

/* Escapes what a JSON string and a quoted HTML attribute may not hold. */
static void put_quotes_escaped(Buf *buf, Str text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        switch (c) {
        case '"':
        case '\\':
            buf_byte(buf, '\\');
            buf_byte(buf, (char)c);
            break;
        case '\n':
            buf_str(buf, STR("\\n"));
            break;
        case '\r':
            buf_str(buf, STR("\\r"));
            break;
        case '\t':
            buf_str(buf, STR("\\t"));
            break;
        case '\b':
            buf_str(buf, STR("\\b"));
            break;
        case '\f':
            buf_str(buf, STR("\\f"));
            break;
        default:
            if (c < 0x20 || c == '<' || c == '\'') {
                buf_printf(buf, "\\u%04x", c);
            } else {
                buf_byte(buf, (char)c);
            }
            break;
        }
    }
}

static void put_json_escaped(Buf *buf, Str text) {
    buf_byte(buf, '"');
    put_quotes_escaped(buf, text);
    buf_byte(buf, '"');
}

static void put_html_vmalert(Buf *buf, Str text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"') {
            buf_str(buf, STR("&quot;"));
        } else {
            html_escape(buf, (Str){text.ptr + i, 1});
        }
    }
}

#define TEXT_FUNC(name, put)                                                                       \
    static bool name(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,          \
                     Err *err) {                                                                   \
        (void)count;                                                                               \
        return text_mapped(exec, &args[0], put, ret, err);                                         \
    }

TEXT_FUNC(func_to_upper, text_put_upper)
TEXT_FUNC(func_to_lower, text_put_lower)
TEXT_FUNC(func_title, put_title_prometheus)
TEXT_FUNC(func_title_vmalert, put_title_vmalert)
TEXT_FUNC(func_crlf_escape, put_crlf)
TEXT_FUNC(func_quotes_escape, put_quotes_escaped)
TEXT_FUNC(func_json_escape, put_json_escaped)
TEXT_FUNC(func_html_escape, put_html_vmalert)
TEXT_FUNC(func_query_escape, url_query_escape)
TEXT_FUNC(func_path_escape, url_path_escape)

static bool func_safe_html(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                           Err *err) {
    (void)exec, (void)count;
    Str text = {0};
    if (!tmpl_to_text(&args[0], &text, err)) {
        return false;
    }
    *ret = tmpl_string(text);
    ret->go_type = HTML_SAFE_TYPE;
    return true;
}

/* ---- regular expressions ---- */

/* With `compiled` as Go's MustCompile complains, else as MatchString does. */
static Regex *compile(Str pattern, bool compiled, Err *err) {
    Err own = {0};
    Regex *regex = regex_new_search(pattern.ptr, pattern.len, &own);
    if (!regex) {
        AUTO(buf_finish) Buf words = {0};
        if (compiled) {
            buf_printf(&words, "regexp: Compile(`%.*s`): ", STR_ARG(pattern));
        }
        go_regex_error(&words, str_of(own.text));
        err_set(err, own.kind, "%.*s", STR_ARG(buf_view(&words)));
    }
    return regex;
}

static bool search_text(Str pattern, Str text, bool *ret_found, Err *err) {
    Regex *regex = compile(pattern, false, err);
    if (!regex) {
        return false;
    }
    *ret_found = regex_matches(regex, text.ptr, text.len);
    regex_free(regex);
    return true;
}

enum { GROUPS_MAX = 64 };

/* Expands $1, ${1}, $name and ${name}; `$$` is a dollar. An unknown name is empty. */
static void put_replacement(Buf *out, const Regex *regex, Str replacement, Str text,
                            const RegexSpan *spans, size_t span_count) {
    while (replacement.len) {
        size_t plain = str_find(replacement, '$');
        buf_put(out, replacement.ptr, plain);
        replacement = str_skip(replacement, plain);
        if (replacement.len == 0) {
            return;
        }
        replacement = str_skip(replacement, 1);
        if (replacement.len && replacement.ptr[0] == '$') {
            buf_byte(out, '$');
            replacement = str_skip(replacement, 1);
            continue;
        }
        bool in_braces = replacement.len && replacement.ptr[0] == '{';
        Str rest = str_skip(replacement, in_braces);
        size_t len = 0;
        while (len < rest.len && (isalnum((unsigned char)rest.ptr[len]) || rest.ptr[len] == '_')) {
            len++;
        }
        bool is_closed = !in_braces || (len < rest.len && rest.ptr[len] == '}');
        if (len == 0 || !is_closed) {
            buf_byte(out, '$');
            continue;
        }
        int64_t number = 0;
        Str name = {rest.ptr, len};
        int group = number_parse_int(name, &number) && number < GROUPS_MAX
                        ? (int)number
                        : regex_group_index(regex, name.ptr, name.len);
        if (group >= 0 && (size_t)group < span_count && spans[group].from >= 0) {
            buf_put(out, text.ptr + spans[group].from,
                    (size_t)(spans[group].to - spans[group].from));
        }
        replacement = str_skip(rest, len + in_braces);
    }
}

static bool replace_in_text(Str pattern, Str replacement, Str text, Buf *out, Err *err) {
    Regex *regex = compile(pattern, true, err);
    if (!regex) {
        return false;
    }
    RegexSpan spans[GROUPS_MAX];
    int groups = regex_group_count(regex) + 1;
    size_t span_count = (size_t)(groups < GROUPS_MAX ? groups : GROUPS_MAX);
    size_t copied = 0, from = 0;
    bool after_match = false;
    while (from <= text.len && regex_find(regex, text.ptr, text.len, from, spans, span_count)) {
        size_t start = (size_t)spans[0].from, end = (size_t)spans[0].to;
        bool is_empty = start == end;
        /* As Go: no empty match right after a match. */
        if (!(is_empty && after_match && start == copied)) {
            buf_put(out, text.ptr + copied, start - copied);
            put_replacement(out, regex, replacement, text, spans, span_count);
            copied = end;
            after_match = true;
        }
        int32_t rune;
        size_t step = is_empty ? utf8_next(text, end, &rune) : 0;
        from = end + (is_empty && step == 0 ? 1 : step);
    }
    buf_put(out, text.ptr + copied, text.len - copied);
    regex_free(regex);
    return true;
}

bool tmpl_func_match(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                     Err *err) {
    (void)exec;
    Str texts[2];
    bool found = false;
    if (!tmpl_text_args(args, count, texts, err) || !search_text(texts[0], texts[1], &found, err)) {
        return false;
    }
    *ret = tmpl_bool(found);
    return true;
}

bool tmpl_func_re_replace_all(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                              Err *err) {
    Str texts[3];
    AUTO(buf_finish) Buf out = {0};
    if (!tmpl_text_args(args, count, texts, err) ||
        !replace_in_text(texts[0], texts[1], texts[2], &out, err)) {
        return false;
    }
    *ret = tmpl_text_result(exec, &out);
    return true;
}

/* ---- hosts and links ---- */

/* net.SplitHostPort. False where the text is not host:port. */
static bool split_host_port(Str text, Str *ret_host, Str *ret_port) {
    size_t colon = text.len;
    for (size_t i = text.len; i-- > 0;) {
        if (text.ptr[i] == ':') {
            colon = i;
            break;
        }
    }
    if (colon == text.len) {
        return false;
    }
    Str host = {text.ptr, colon};
    if (text.ptr[0] == '[') {
        size_t end = str_find(text, ']');
        if (end + 1 != colon) {
            return false;
        }
        host = (Str){text.ptr + 1, end - 1};
    } else if (str_find(host, ':') < host.len) {
        return false;
    }
    Str port = str_skip(text, colon + 1);
    if (str_find(host, '[') < host.len || str_find(host, ']') < host.len ||
        str_find(port, '[') < port.len || str_find(port, ']') < port.len) {
        return false;
    }
    *ret_host = host;
    *ret_port = port;
    return true;
}

static void put_stripped_port(Buf *out, Str text) {
    Str host = text, port = {0};
    (void)split_host_port(text, &host, &port);
    buf_str(out, host);
}

static bool is_ip(Str text) {
    char copy[64];
    struct in6_addr address;
    if (text.len >= sizeof copy) {
        return false;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return inet_pton(AF_INET, copy, &address) == 1 || inet_pton(AF_INET6, copy, &address) == 1;
}

static void put_stripped_domain(Buf *out, Str text) {
    Str host = text, port = {0};
    bool has_port = split_host_port(text, &host, &port);
    if (is_ip(host)) {
        buf_str(out, text);
        return;
    }
    host.len = str_find(host, '.');
    bool is_bracketed = has_port && port.len && str_find(host, ':') < host.len;
    buf_str(out, is_bracketed ? STR("[") : STR(""));
    buf_str(out, host);
    buf_str(out, is_bracketed ? STR("]") : STR(""));
    if (has_port && port.len) {
        buf_byte(out, ':');
        buf_str(out, port);
    }
}

TEXT_FUNC(func_strip_port, put_stripped_port)
TEXT_FUNC(func_strip_domain, put_stripped_domain)

static bool link_to(TmplExec *exec, const TmplValue *arg, int tab, TmplValue *ret, Err *err) {
    Str expr = {0};
    if (!tmpl_to_text(arg, &expr, err)) {
        return false;
    }
    AUTO(buf_finish) Buf out = {0};
    buf_str(&out, STR("/graph?g0.expr="));
    url_query_escape(&out, expr);
    buf_printf(&out, "&g0.tab=%d", tab);
    *ret = tmpl_text_result(exec, &out);
    return true;
}

static bool func_graph_link(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                            Err *err) {
    (void)count;
    return link_to(exec, &args[0], 0, ret, err);
}

static bool func_table_link(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                            Err *err) {
    (void)count;
    return link_to(exec, &args[0], 1, ret, err);
}

static bool func_external_url(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                              Err *err) {
    (void)args, (void)count, (void)err;
    *ret = tmpl_string(tmpl_exec_world(exec)->external_url);
    return true;
}

static bool func_path_prefix(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                             Err *err) {
    (void)args, (void)count, (void)err;
    Str url = tmpl_exec_world(exec)->external_url;
    const char *scheme = memmem(url.ptr, url.len, "://", 3);
    Str rest = scheme ? str_skip(url, (size_t)(scheme - url.ptr) + 3) : url;
    Str path = str_skip(rest, scheme ? str_find(rest, '/') : 0);
    path.len =
        str_find(path, '?') < str_find(path, '#') ? str_find(path, '?') : str_find(path, '#');
    *ret = tmpl_string(path);
    return true;
}

const TmplFunc tmpl_funcs_prometheus[] = {
    {"args", 0, -1, func_args},
    {"externalURL", 0, 0, func_external_url},
    {"first", 1, 1, func_first},
    {"graphLink", 1, 1, func_graph_link},
    {"humanize", 1, 1, func_humanize},
    {"humanize1024", 1, 1, func_humanize_1024},
    {"humanizeDuration", 1, 1, func_humanize_duration},
    {"humanizePercentage", 1, 1, func_humanize_percentage},
    {"humanizeTimestamp", 1, 1, func_humanize_timestamp},
    {"label", 2, 2, func_label},
    {"match", 2, 2, tmpl_func_match},
    {"now", 0, 0, func_now},
    {"parseDuration", 1, 1, func_parse_duration},
    {"pathPrefix", 0, 0, func_path_prefix},
    {"query", 1, 1, func_query},
    {"reReplaceAll", 3, 3, tmpl_func_re_replace_all},
    {"safeHtml", 1, 1, func_safe_html},
    {"sortByLabel", 2, 2, func_sort_by_label},
    {"stripDomain", 1, 1, func_strip_domain},
    {"stripPort", 1, 1, func_strip_port},
    {"strvalue", 1, 1, func_strvalue},
    {"tableLink", 1, 1, func_table_link},
    {"title", 1, 1, func_title},
    {"toDuration", 1, 1, func_to_duration},
    {"toLower", 1, 1, func_to_lower},
    {"toTime", 1, 1, func_to_time},
    {"toUpper", 1, 1, func_to_upper},
    {"urlQueryEscape", 1, 1, func_query_escape},
    {"value", 1, 1, func_value},
    {0},
};

const TmplFunc tmpl_funcs_vmalert[] = {
    {"args", 0, -1, func_args},
    {"crlfEscape", 1, 1, func_crlf_escape},
    {"externalURL", 0, 0, func_external_url},
    {"first", 1, 1, func_first},
    {"formatTime", 2, 2, func_format_time},
    {"htmlEscape", 1, 1, func_html_escape},
    {"humanize", 1, 1, func_humanize},
    {"humanize1024", 1, 1, func_humanize_1024},
    {"humanizeDuration", 1, 1, func_humanize_duration},
    {"humanizePercentage", 1, 1, func_humanize_percentage},
    {"humanizeTimestamp", 1, 1, func_humanize_timestamp},
    {"jsonEscape", 1, 1, func_json_escape},
    {"label", 2, 2, func_label},
    {"match", 2, 2, tmpl_func_match},
    {"now", 0, 0, func_now_vmalert},
    {"parseDuration", 1, 1, func_parse_duration_vmalert},
    {"parseDurationTime", 1, 1, func_parse_duration_time},
    {"pathEscape", 1, 1, func_path_escape},
    {"pathPrefix", 0, 0, func_path_prefix},
    {"query", 1, 1, func_query},
    {"queryEscape", 1, 1, func_query_escape},
    {"quotesEscape", 1, 1, func_quotes_escape},
    {"reReplaceAll", 3, 3, tmpl_func_re_replace_all},
    {"safeHtml", 1, 1, func_safe_html},
    {"sortByLabel", 2, 2, func_sort_by_label},
    {"stripDomain", 1, 1, func_strip_domain},
    {"stripPort", 1, 1, func_strip_port},
    {"strvalue", 1, 1, func_strvalue_vmalert},
    {"title", 1, 1, func_title_vmalert},
    {"toLower", 1, 1, func_to_lower},
    {"toTime", 1, 1, func_to_time_vmalert},
    {"toUpper", 1, 1, func_to_upper},
    {"value", 1, 1, func_value},
    {0},
};
