/* The series notation of tests. */

#include "promql/series_desc.h"

#include <assert.h>
#include <math.h>

#include "base/go_text.h"
#include "base/number.h"
#include "promql/ast.h"
#include "promql/histogram_desc.h"
#include "promql/lex.h"

/* ---- reading ---- */

bool series_fail(const SeriesReader *reader, size_t at, const char *what) {
    AUTO(buf_finish) Buf position = {0};
    expr_position(&position, reader->text, (uint32_t)at);
    return err_set(reader->err, ERR_INVALID, "%.*s: parse error: %s", STR_ARG(buf_view(&position)),
                   what);
}

bool series_unexpected(const SeriesReader *reader, const char *where) {
    AUTO(buf_finish) Buf what = {0};
    if (reader->at >= reader->text.len) {
        buf_str(&what, STR("unexpected end of input"));
    } else {
        int32_t rune;
        utf8_next(reader->text, reader->at, &rune);
        buf_str(&what, STR("unexpected character "));
        go_quote_rune(&what, rune, false);
    }
    buf_printf(&what, " in %s", where);
    buf_byte(&what, '\0');
    return series_fail(reader, reader->at, what.ptr);
}

char series_peek(const SeriesReader *reader) {
    return reader->at < reader->text.len ? reader->text.ptr[reader->at] : '\0';
}

bool series_accept(SeriesReader *reader, char byte) {
    if (series_peek(reader) != byte) {
        return false;
    }
    reader->at++;
    return true;
}

void series_skip_space(SeriesReader *reader) {
    while (lex_is_space(series_peek(reader))) {
        reader->at++;
    }
}

Str series_word(SeriesReader *reader) {
    size_t start = reader->at;
    while (lex_is_alpha(series_peek(reader)) && series_peek(reader) != 'x') {
        reader->at++;
    }
    return (Str){reader->text.ptr + start, reader->at - start};
}

/* Digits, dot, exponent; underscores between digits are allowed as in expressions. */
static bool scan_number(SeriesReader *reader, char *plain, size_t plain_max) {
    size_t length = 0;
    for (;;) {
        char byte = series_peek(reader);
        char last = length ? plain[length - 1] : '\0';
        bool sign = (byte == '+' || byte == '-') && (last == 'e' || last == 'E');
        if (byte == '_' && length) {
            reader->at++;
            continue;
        }
        if (!lex_is_digit(byte) && byte != '.' && byte != 'e' && byte != 'E' && !sign) {
            break;
        }
        if (length + 1 == plain_max) {
            return false;
        }
        plain[length++] = byte;
        reader->at++;
    }
    plain[length] = '\0';
    return length > 0;
}

bool series_number(SeriesReader *reader, double *ret_value) {
    size_t start = reader->at;
    bool negative = series_accept(reader, '-');
    if (!negative) {
        series_accept(reader, '+');
    }
    double value;
    if (lex_is_alpha(series_peek(reader))) {
        Str word = series_word(reader);
        if (!number_parse(word, &value)) {
            return series_fail(reader, start,
                               "unexpected identifier in series values, expected "
                               "number or \"stale\"");
        }
    } else {
        char plain[64];
        if (!scan_number(reader, plain, sizeof plain)) {
            return series_unexpected(reader, "series values");
        }
        if (!number_parse(str_of(plain), &value)) {
            return series_fail(reader, start, "bad number syntax in series values");
        }
    }
    *ret_value = negative ? -value : value;
    return true;
}

bool series_integer(SeriesReader *reader, int64_t *ret_value) {
    size_t start = reader->at;
    series_accept(reader, '-');
    while (lex_is_digit(series_peek(reader))) {
        reader->at++;
    }
    Str text = {reader->text.ptr + start, reader->at - start};
    return number_parse_int(text, ret_value) ||
           series_fail(reader, start, "expected a whole number in series values");
}

/* ---- values ---- */

typedef struct PointList {
    SeriesPoint *items;
    size_t count, cap;
} PointList;

/* Asked before the first of many is made: a count that is too large costs nothing. */
static bool has_room(const SeriesReader *reader, const PointList *list, uint64_t times) {
    if (times > SERIES_POINTS_MAX || list->count + times > SERIES_POINTS_MAX) {
        return err_set(reader->err, ERR_LIMIT, "series has more than %d values", SERIES_POINTS_MAX);
    }
    return reader->arena->used_bytes + times * sizeof(SeriesPoint) <= SERIES_BYTES_MAX ||
           err_set(reader->err, ERR_LIMIT, "the values of all series take more than %d MiB",
                   SERIES_BYTES_MAX >> 20);
}

static bool add_points(SeriesReader *reader, PointList *list, SeriesPoint point, uint64_t times) {
    if (!has_room(reader, list, times)) {
        return false;
    }
    if (list->count + times > list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 16;
        cap = cap < list->count + times ? list->count + times : cap;
        SeriesPoint *items = arena_array(reader->arena, SeriesPoint, cap);
        if (list->count) {
            memcpy(items, list->items, list->count * sizeof *items);
        }
        list->items = items;
        list->cap = cap;
    }
    for (uint64_t i = 0; i < times; i++) {
        list->items[list->count++] = point;
    }
    return true;
}

/* The count behind `x`. */
static bool read_times(SeriesReader *reader, uint64_t *ret_times) {
    int64_t times;
    size_t start = reader->at;
    if (series_peek(reader) == '-' || !series_integer(reader, &times)) {
        return series_fail(reader, start, "invalid repetition in series values");
    }
    *ret_times = (uint64_t)times;
    return true;
}

static bool read_blank(SeriesReader *reader, PointList *list) {
    reader->at++;
    uint64_t times = 1;
    if (series_accept(reader, 'x') && !read_times(reader, &times)) {
        return false;
    }
    return add_points(reader, list, (SeriesPoint){.omitted = true}, times);
}

/* {{..}}, {{..}}x3, {{..}}+{{..}}x3 */
static bool read_histograms(SeriesReader *reader, PointList *list) {
    SeriesPoint point = {0};
    Histogram *first;
    if (!histogram_desc_read(reader, &first, &point.hint_given)) {
        return false;
    }
    point.histogram = first;
    char sign = series_peek(reader);
    uint64_t times = 0;
    if (sign != '+' && sign != '-') {
        return (!series_accept(reader, 'x') || read_times(reader, &times)) &&
               add_points(reader, list, point, times + 1);
    }
    reader->at++;
    Histogram *step;
    if (!histogram_desc_read(reader, &step, &point.hint_given)) {
        return false;
    }
    if (!series_accept(reader, 'x')) {
        return series_unexpected(reader, "series values");
    }
    if (!read_times(reader, &times) || !has_room(reader, list, times) ||
        !add_points(reader, list, point, 1)) {
        return false;
    }
    size_t before = reader->arena->used_bytes;
    for (uint64_t i = 0; i < times; i++) {
        if (reader->arena->used_bytes - before > SERIES_RUN_BYTES_MAX) {
            return err_set(reader->err, ERR_LIMIT, "a run of histograms takes more than %d MiB",
                           SERIES_RUN_BYTES_MAX >> 20);
        }
        if (!histogram_desc_step(reader, point.histogram, step, sign == '-', &point.histogram) ||
            !add_points(reader, list, point, 1)) {
            return false;
        }
    }
    return true;
}

/* 1, 1x3, 1+2x3, stale */
static bool read_floats(SeriesReader *reader, PointList *list) {
    double value;
    size_t start = reader->at;
    if (str_eq(series_word(reader), STR("stale"))) {
        value = value_of_bits(STALE_NAN_BITS);
        if (series_peek(reader) == 'x') { /* there is no `stalex3` */
            return series_fail(reader, start,
                               "unexpected identifier in series values, expected "
                               "number or \"stale\"");
        }
    } else {
        reader->at = start;
        if (!series_number(reader, &value)) {
            return false;
        }
    }
    double step = 0;
    char sign = series_peek(reader);
    bool stepped = sign == '+' || sign == '-';
    if (stepped && !series_number(reader, &step)) {
        return false;
    }
    uint64_t times = 0;
    if (series_accept(reader, 'x')) {
        if (!read_times(reader, &times)) {
            return false;
        }
    } else if (stepped) {
        return series_unexpected(reader, "series values");
    }
    if (!stepped) {
        return add_points(reader, list, (SeriesPoint){.value = value}, times + 1);
    }
    if (!has_room(reader, list, times)) {
        return false;
    }
    for (uint64_t i = 0; i <= times; i++, value += step) {
        if (!add_points(reader, list, (SeriesPoint){.value = value}, 1)) {
            return false;
        }
    }
    return true;
}

static bool read_item(SeriesReader *reader, PointList *list) {
    if (series_peek(reader) == '_') {
        return read_blank(reader, list);
    }
    return series_peek(reader) == '{' ? read_histograms(reader, list) : read_floats(reader, list);
}

static bool read_values(SeriesReader *reader, SeriesPoint **ret_points, size_t *ret_count) {
    PointList list = {0};
    for (series_skip_space(reader); reader->at < reader->text.len; series_skip_space(reader)) {
        if (!read_item(reader, &list)) {
            return false;
        }
        if (reader->at < reader->text.len && !lex_is_space(series_peek(reader))) {
            return series_unexpected(reader, "series values");
        }
    }
    *ret_points = list.items;
    *ret_count = list.count;
    return true;
}

/* ---- labels ---- */

typedef struct LabelList {
    Label *items;
    size_t count;
} LabelList;

static bool fail_token(const SeriesReader *reader, const Token *token, const char *expected) {
    Str words = token_describe(reader->arena, token);
    if (token->kind == TOKEN_ERROR) {
        return series_fail(reader, token->start, arena_cstr(reader->arena, words));
    }
    Str what = arena_printf(reader->arena, "unexpected %.*s in label set, expected %s",
                            STR_ARG(words), expected);
    return series_fail(reader, token->start, arena_cstr(reader->arena, what));
}

/* name="value", "quoted name"="value" or "metric name"; `*token` is the first, and then the one
 * behind. */
static bool read_label(const SeriesReader *reader, Lexer *lexer, Token *token, LabelList *list) {
    if (list->count == LABELS_MAX) {
        return err_set(reader->err, ERR_LIMIT, "series has more than %d labels", LABELS_MAX);
    }
    Label *label = &list->items[list->count++];
    bool quoted = token->kind == TOKEN_STRING;
    Token name = *token;
    if (quoted) {
        if (!go_unquote(reader->arena, name.text, &label->name)) {
            return fail_token(reader, token, "identifier or \"}\"");
        }
    } else if (name.kind == TOKEN_IDENTIFIER) {
        label->name = name.text;
    } else {
        return fail_token(reader, token, "identifier or \"}\"");
    }
    *token = lexer_next(lexer);
    if (token->kind != TOKEN_EQL) {
        label->value = label->name;
        label->name = LABEL_METRIC_NAME;
        return quoted || fail_token(reader, token, "\"=\"");
    }
    *token = lexer_next(lexer);
    if (token->kind != TOKEN_STRING || !go_unquote(reader->arena, token->text, &label->value)) {
        return fail_token(reader, token, "string");
    }
    *token = lexer_next(lexer);
    return true;
}

/* What stands in braces; the reader is behind the opening one. */
static bool read_label_list(SeriesReader *reader, LabelList *list) {
    Lexer lexer = lexer_of(reader->arena, reader->text);
    lexer.at = (uint32_t)reader->at;
    lexer.state = LEX_BRACES;
    Token token = lexer_next(&lexer);
    while (token.kind != TOKEN_RIGHT_BRACE) {
        if (!read_label(reader, &lexer, &token, list)) {
            return false;
        }
        if (token.kind == TOKEN_COMMA) {
            token = lexer_next(&lexer);
        } else if (token.kind != TOKEN_RIGHT_BRACE) {
            return fail_token(reader, &token, "\",\" or \"}\"");
        }
    }
    reader->at = lexer.at;
    return true;
}

static bool read_labels(SeriesReader *reader, LabelSet *ret_labels) {
    LabelList list = {.items = arena_array(reader->arena, Label, LABELS_MAX)};
    series_skip_space(reader);
    size_t start = reader->at;
    while (lex_is_alnum(series_peek(reader)) || series_peek(reader) == ':') {
        reader->at++;
    }
    Str name = {reader->text.ptr + start, reader->at - start};
    if (name.len && lex_is_digit(name.ptr[0])) {
        reader->at = start;
        return series_unexpected(reader, "metric name");
    }
    if (name.len) {
        list.items[list.count++] = (Label){LABEL_METRIC_NAME, name};
    }
    size_t brace = reader->at;
    series_skip_space(reader);
    if (series_peek(reader) == '{' &&
        !(reader->at + 1 < reader->text.len && reader->text.ptr[reader->at + 1] == '{')) {
        reader->at++;
        if (!read_label_list(reader, &list)) {
            return false;
        }
    } else {
        reader->at = brace;
    }
    return labels_build(list.items, list.count, ret_labels, reader->err);
}

/* ---- doors ---- */

static bool check_size(Str text, Err *err) {
    return text.len <= EXPR_BYTES_MAX ||
           err_set(err, ERR_LIMIT, "series has %zu bytes, more than the %d allowed", text.len,
                   EXPR_BYTES_MAX);
}

bool series_desc_parse(Arena *arena, Str text, SeriesDesc *ret_desc, Err *err) {
    SeriesReader reader = {.arena = arena, .text = arena_str(arena, text), .err = err};
    if (!check_size(text, err) || !read_labels(&reader, &ret_desc->labels)) {
        return false;
    }
    if (reader.at < reader.text.len && !lex_is_space(series_peek(&reader))) {
        return series_unexpected(&reader, "series values");
    }
    return read_values(&reader, &ret_desc->points, &ret_desc->count);
}

bool series_values_parse(Arena *arena, Str text, SeriesPoint **ret_points, size_t *ret_count,
                         Err *err) {
    SeriesReader reader = {.arena = arena, .text = arena_str(arena, text), .err = err};
    return check_size(text, err) && read_values(&reader, ret_points, ret_count);
}

bool series_labels_parse(Arena *arena, Str text, LabelSet *ret_labels, Err *err) {
    SeriesReader reader = {.arena = arena, .text = arena_str(arena, text), .err = err};
    if (!check_size(text, err) || !read_labels(&reader, ret_labels)) {
        return false;
    }
    series_skip_space(&reader);
    return reader.at == reader.text.len || series_unexpected(&reader, "metric");
}
