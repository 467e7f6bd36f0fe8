/* Test scripts -> commands. */

#include <assert.h>
#include <ctype.h>

#include "base/go_text.h"
#include "base/number.h"
#include "promql/lex.h"
#include "promql/testlang.h"

/* The script as lines without comments and surrounding spaces. */
typedef struct LineReader {
    Arena *arena;
    Str *lines;
    size_t count;
    size_t at; /* the next one */
    Err *err;
} LineReader;

static bool fail(const LineReader *reader, size_t line, const char *what) {
    return err_set(reader->err, ERR_INVALID, "line %zu: %s", line + 1, what);
}

static bool fail_in(const LineReader *reader, size_t line) {
    return err_context(reader->err, "line %zu", line + 1);
}

static void split_lines(LineReader *reader, Str text) {
    size_t count = 1;
    for (size_t i = 0; i < text.len; i++) {
        count += text.ptr[i] == '\n';
    }
    reader->lines = arena_array(reader->arena, Str, count);
    while (reader->count < count) {
        size_t length = str_find(text, '\n');
        Str line = str_trim((Str){text.ptr, length});
        reader->lines[reader->count++] = str_starts(line, STR("#")) ? (Str){"", 0} : line;
        text = str_skip(text, length < text.len ? length + 1 : length);
    }
}

/* The next line of a block; an empty one ends it. */
static bool next_of_block(LineReader *reader, Str *ret_line) {
    if (reader->at >= reader->count || reader->lines[reader->at].len == 0) {
        return false;
    }
    *ret_line = reader->lines[reader->at++];
    return true;
}

/* Cuts the first word off. */
static Str take_word(Str *line) {
    size_t length = 0;
    while (length < line->len && !lex_is_space(line->ptr[length])) {
        length++;
    }
    Str word = {line->ptr, length};
    *line = str_trim(str_skip(*line, length));
    return word;
}

static bool take_this(Str *line, const char *word) {
    Str rest = *line;
    if (!str_eq(take_word(&rest), str_of(word))) {
        return false;
    }
    *line = rest;
    return true;
}

static bool word_is(Str word, const char *known) {
    if (word.len != strlen(known)) {
        return false;
    }
    for (size_t i = 0; i < word.len; i++) {
        if (tolower((unsigned char)word.ptr[i]) != known[i]) {
            return false;
        }
    }
    return true;
}

/* ---- load ---- */

/* -1m, 30s: `*at` moves behind it. */
static bool read_span(Str text, size_t *at, int64_t *ret_ms, Err *err) {
    bool negative = *at < text.len && text.ptr[*at] == '-';
    if (negative || (*at < text.len && text.ptr[*at] == '+')) {
        ++*at;
    }
    size_t start = *at;
    while (*at < text.len && lex_is_digit(text.ptr[*at])) {
        ++*at;
    }
    while (*at < text.len && isalpha((unsigned char)text.ptr[*at]) && text.ptr[*at] != 'x') {
        ++*at;
    }
    DurationMs span;
    if (!duration_parse((Str){text.ptr + start, *at - start}, &span, err)) {
        return false;
    }
    *ret_ms = negative ? -span : span;
    return true;
}

/* Start times relative to their samples. */
typedef struct StartList {
    bool *given;
    int64_t *offsets;
    size_t count, cap;
} StartList;

static bool add_starts(StartList *list, bool given, int64_t offset, int64_t step, uint64_t times,
                       Err *err) {
    for (uint64_t i = 0; i < times; i++, offset += step) {
        if (list->count == list->cap) {
            return err_set(err, ERR_INVALID, "@st line and sample line differ in length");
        }
        list->given[list->count] = given;
        list->offsets[list->count++] = offset;
    }
    return true;
}

static bool read_times(Str text, size_t at, uint64_t *ret_times, Err *err) {
    int64_t times;
    if (!number_parse_int(str_skip(text, at), &times) || times < 0) {
        return err_set(err, ERR_INVALID, "invalid repeat count in @st line");
    }
    *ret_times = (uint64_t)times;
    return true;
}

/* _, _x3, -1m, -1mx3, -1m-30sx3 */
static bool read_start_item(Str item, StartList *list, Err *err) {
    uint64_t times = 0;
    if (item.ptr[0] == '_') {
        if (item.len > 1 && !read_times(item, 2, &times, err)) {
            return false;
        }
        return add_starts(list, false, 0, 0, item.len > 1 ? times : 1, err);
    }
    size_t at = 0;
    int64_t offset;
    int64_t step = 0;
    if (!read_span(item, &at, &offset, err)) {
        return false;
    }
    bool stepped = at < item.len && item.ptr[at] != 'x';
    if (stepped && !read_span(item, &at, &step, err)) {
        return false;
    }
    if (at < item.len && !read_times(item, at + 1, &times, err)) {
        return false;
    }
    return add_starts(list, true, offset, step, times + 1, err);
}

/* The start times of a series from the line before it, `metric{..}@st VALUES`. */
static bool read_starts(LineReader *reader, Str values, const TestLoad *load, LoadSeries *series) {
    size_t count = series->desc.count;
    StartList list = {.given = arena_array(reader->arena, bool, count),
                      .offsets = arena_array(reader->arena, int64_t, count),
                      .cap = count};
    while (values.len) {
        if (!read_start_item(take_word(&values), &list, reader->err)) {
            return false;
        }
    }
    if (list.count != count) {
        return err_set(reader->err, ERR_INVALID, "@st line and sample line differ in length");
    }
    series->starts = arena_array(reader->arena, TimeMs, count);
    for (size_t i = 0; i < count; i++) {
        series->starts[i] = list.given[i] ? (TimeMs)i * load->step + list.offsets[i] : 0;
    }
    return true;
}

/* `metric{..}@st` in front of start times. */
static bool is_start_line(Str line) {
    return str_ends(take_word(&line), STR("@st"));
}

static bool read_load_series(LineReader *reader, Str line, Str starts, const TestLoad *load,
                             LoadSeries *ret_series) {
    if (!series_desc_parse(reader->arena, line, &ret_series->desc, reader->err)) {
        return false;
    }
    return starts.len == 0 || read_starts(reader, starts, load, ret_series);
}

static size_t block_length(const LineReader *reader) {
    size_t length = 0;
    while (reader->at + length < reader->count && reader->lines[reader->at + length].len) {
        length++;
    }
    return length;
}

static bool parse_load(LineReader *reader, Str line, TestLoad *load) {
    size_t at = reader->at - 1;
    load->with_nhcb = word_is(take_word(&line), "load_with_nhcb");
    if (!duration_parse(line, &load->step, reader->err)) {
        return fail_in(reader, at);
    }
    load->series = arena_array(reader->arena, LoadSeries, block_length(reader));
    Str starts = {"", 0};
    while (next_of_block(reader, &line)) {
        if (is_start_line(line)) {
            take_word(&line);
            starts = line;
            continue;
        }
        if (!read_load_series(reader, line, starts, load, &load->series[load->series_count++])) {
            return fail_in(reader, reader->at - 1);
        }
        starts = (Str){"", 0};
    }
    return true;
}

/* ---- eval ---- */

static const struct {
    const char *word;
    ExpectKind kind;
} expect_words[] = {
    {"fail", EXPECT_FAIL},       {"warn", EXPECT_WARN},       {"info", EXPECT_INFO},
    {"no_warn", EXPECT_NO_WARN}, {"no_info", EXPECT_NO_INFO}, {"ordered", EXPECT_ORDERED},
};

static bool find_expect(Str word, ExpectKind *ret_kind) {
    for (size_t i = 0; i < sizeof expect_words / sizeof expect_words[0]; i++) {
        if (str_eq(word, str_of(expect_words[i].word))) {
            *ret_kind = expect_words[i].kind;
            return true;
        }
    }
    return false;
}

/* from X to Y step Z; the keyword before it was taken. */
static bool read_range(LineReader *reader, Str *line, TestEval *eval) {
    static const char *const words[] = {"from", "to", "step"};
    DurationMs spans[3];
    for (size_t i = 0; i < 3; i++) {
        if (!take_this(line, words[i])) {
            return err_set(reader->err, ERR_INVALID, "expected `from X to Y step Z`");
        }
        if (!duration_parse(take_word(line), &spans[i], reader->err)) {
            return false;
        }
    }
    eval->from = spans[0];
    eval->to = spans[1];
    eval->step = spans[2];
    return eval->to >= eval->from ||
           err_set(reader->err, ERR_INVALID, "the end is before the start");
}

/* expect fail msg: TEXT; `expect` was taken. */
static bool read_expect(LineReader *reader, Str line, TestEval *eval) {
    Str word = take_word(&line);
    if (str_eq(word, STR("string"))) {
        eval->has_string = true;
        return go_unquote(reader->arena, line, &eval->string) ||
               err_set(reader->err, ERR_INVALID, "expected a quoted string");
    }
    if (str_eq(word, STR("range")) && take_this(&line, "vector")) {
        eval->range_vector = true;
        bool ok = read_range(reader, &line, eval);
        eval->at = eval->to;
        return ok;
    }
    Expectation *expect = &eval->expects[eval->expect_count++];
    if (!find_expect(word, &expect->kind)) {
        return err_set(reader->err, ERR_INVALID, "unknown expectation \"%.*s\"", STR_ARG(word));
    }
    expect->exact = str_starts(line, STR("msg:"));
    expect->regex = str_starts(line, STR("regex:"));
    if (line.len && !expect->exact && !expect->regex) {
        return err_set(reader->err, ERR_INVALID, "expected `msg:` or `regex:`");
    }
    expect->text = str_trim(str_skip(line, expect->exact ? 4 : expect->regex ? 6 : 0));
    return true;
}

/* A number alone, as strconv reads it. */
static bool is_number(Str line, double *ret_value) {
    int64_t whole;
    if (number_parse_int(line, &whole)) {
        *ret_value = (double)whole;
        return true;
    }
    return number_parse(line, ret_value);
}

static bool read_expected_line(LineReader *reader, Str line, TestEval *eval) {
    Str rest = line;
    if (take_this(&rest, "expect")) {
        return read_expect(reader, rest, eval);
    }
    if (str_starts(line, STR("expected_fail_message")) ||
        str_starts(line, STR("expected_fail_regexp"))) {
        bool exact = str_starts(line, STR("expected_fail_message"));
        take_word(&rest);
        eval->expects[eval->expect_count++] =
            (Expectation){.kind = EXPECT_FAIL, .exact = exact, .regex = !exact, .text = rest};
        return true;
    }
    if (is_number(line, &eval->scalar)) {
        eval->has_scalar = true;
        return true;
    }
    SeriesDesc *desc = &eval->series[eval->series_count++];
    if (!series_desc_parse(reader->arena, line, desc, reader->err)) {
        return false;
    }
    return desc->count <= 1 || eval->range || eval->range_vector ||
           err_set(reader->err, ERR_INVALID,
                   "expecting multiple values in instant evaluation not allowed");
}

/* eval[_fail|_warn|_info|_ordered] instant [at X] QUERY, or range from X to Y step Z QUERY */
static bool read_eval_head(LineReader *reader, Str line, TestEval *eval) {
    Str command = take_word(&line);
    if (str_starts(command, STR("eval_"))) {
        Expectation *expect = &eval->expects[eval->expect_count++];
        if (!find_expect(str_skip(command, 5), &expect->kind)) {
            return err_set(reader->err, ERR_INVALID, "invalid command \"%.*s\"", STR_ARG(command));
        }
    }
    eval->range = take_this(&line, "range");
    if (eval->range) {
        if (!read_range(reader, &line, eval)) {
            return false;
        }
    } else if (!take_this(&line, "instant")) {
        return err_set(reader->err, ERR_INVALID, "expected `instant` or `range`");
    } else if (take_this(&line, "at") &&
               !duration_parse(take_word(&line), &eval->at, reader->err)) {
        return false;
    }
    eval->query = line;
    return line.len > 0 || err_set(reader->err, ERR_INVALID, "no query");
}

static bool parse_eval(LineReader *reader, Str line, TestEval *eval) {
    size_t at = reader->at - 1;
    size_t room = block_length(reader) + 1;
    eval->line = (uint32_t)at + 1;
    eval->expects = arena_array(reader->arena, Expectation, room);
    eval->series = arena_array(reader->arena, SeriesDesc, room);
    if (!read_eval_head(reader, line, eval)) {
        return fail_in(reader, at);
    }
    while (next_of_block(reader, &line)) {
        if (!read_expected_line(reader, line, eval)) {
            return fail_in(reader, reader->at - 1);
        }
        if (eval->has_scalar) {
            break;
        }
    }
    return true;
}

/* ---- scripts ---- */

static bool parse_command(LineReader *reader, Str line, TestCommand *command) {
    Str rest = line;
    Str word = take_word(&rest);
    command->line = (uint32_t)reader->at;
    if (word_is(word, "clear")) {
        command->kind = COMMAND_CLEAR;
        return true;
    }
    if (word_is(word, "load") || word_is(word, "load_with_nhcb")) {
        command->kind = COMMAND_LOAD;
        return parse_load(reader, line, &command->load);
    }
    if (word_is(word, "eval") || str_starts(word, STR("eval_"))) {
        command->kind = COMMAND_EVAL;
        return parse_eval(reader, line, &command->eval);
    }
    return fail(reader, reader->at - 1, "expected load, clear or eval");
}

bool test_script_parse(Arena *arena, Str text, TestScript *ret_script, Err *err) {
    LineReader reader = {.arena = arena, .err = err};
    split_lines(&reader, text);
    TestScript script = {.commands = arena_array(arena, TestCommand, reader.count)};
    while (reader.at < reader.count) {
        Str line = reader.lines[reader.at++];
        if (line.len && !parse_command(&reader, line, &script.commands[script.count++])) {
            return false;
        }
    }
    *ret_script = script;
    return true;
}
