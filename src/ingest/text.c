#include "ingest/text.h"

#include <math.h>

#include "base/number.h"
#include "ingest/build.h"
#include "ingest/number_in.h"
#include "ingest/raw.h"

/* ---- tokens ---- */

typedef struct Cursor {
    const char *at, *end;
    const char *line;
    bool open_metrics; /* stricter about white space */
} Cursor;

static inline bool is_name_start(char c) {
    return (unsigned char)((c | 0x20) - 'a') < 26 || c == '_';
}

static inline bool is_name_char(char c) {
    return is_name_start(c) || (unsigned char)(c - '0') < 10;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t';
}

static Str rest_of(const Cursor *cursor) {
    return (Str){cursor->at, (size_t)(cursor->end - cursor->at)};
}

/* "expected ..., got ..." at the cursor, with the line up to there, as Prometheus words it. */
static bool expected(const Cursor *cursor, const char *what, Err *err) {
    Str got = rest_of(cursor);
    got.len = got.len < 16 ? got.len : 16;
    Str before = {cursor->line, (size_t)(cursor->at - cursor->line)};
    before.len = before.len < 200 ? before.len : 200;
    if (got.len == 0) {
        return err_set(err, ERR_INVALID, "expected %s, got the end of the line after \"%.*s\"",
                       what, STR_ARG(before));
    }
    return err_set(err, ERR_INVALID, "expected %s, got \"%.*s\" after \"%.*s\"", what, STR_ARG(got),
                   STR_ARG(before));
}

static void skip_space(Cursor *cursor) {
    while (cursor->at < cursor->end && is_space(*cursor->at)) {
        cursor->at++;
    }
}

/* Inside of braces OpenMetrics has none. */
static void skip_list_space(Cursor *cursor) {
    if (!cursor->open_metrics) {
        skip_space(cursor);
    }
}

static bool take(Cursor *cursor, char c) {
    if (cursor->at < cursor->end && *cursor->at == c) {
        cursor->at++;
        return true;
    }
    return false;
}

/* A bare name; with colons where it is a metric's. Empty if there is none. */
static Str take_name(Cursor *cursor, bool colons) {
    const char *from = cursor->at, *at = from, *end = cursor->end;
    if (at < end && (is_name_start(*at) || (colons && *at == ':'))) {
        for (at++; at < end && (is_name_char(*at) || (colons && *at == ':')); at++) {
        }
    }
    cursor->at = at;
    return (Str){from, (size_t)(at - from)};
}

/* What stands between quotes, still escaped. `*high` is set if there is anything but ASCII in it.
 */
static bool take_quoted(Cursor *cursor, Str *ret_text, bool *high) {
    const char *from = cursor->at, *at = from + 1, *end = cursor->end;
    if (from == end || *from != '"') {
        return false;
    }
    char bits = 0;
    while (at < end && *at != '"') {
        bits |= *at;
        if (*at == '\\' && ++at < end) {
            bits |= *at;
        }
        at++;
    }
    if (at >= end) {
        return false;
    }
    *high |= (bits & 0x80) != 0;
    *ret_text = (Str){from + 1, (size_t)(at - from - 1)};
    cursor->at = at + 1;
    return true;
}

/* ---- label lists ---- */

/* One entry between braces: a label, or the metric's name in quotes. Texts are still escaped. */
typedef struct Entry {
    Str name, value;
    bool is_metric;
    bool high; /* not all of it is ASCII */
} Entry;

static bool take_entry(Cursor *cursor, bool metric_allowed, Entry *ret_entry, Err *err) {
    Entry entry = {0};
    bool quoted = take_quoted(cursor, &entry.name, &entry.high);
    if (!quoted) {
        entry.name = take_name(cursor, false);
        if (entry.name.len == 0) {
            return expected(cursor, "label name or \"}\"", err);
        }
    }
    skip_list_space(cursor);
    if (!take(cursor, '=')) {
        if (!quoted) {
            return expected(cursor, "equal", err);
        }
        if (!metric_allowed) {
            return err_set(err, ERR_INVALID, "metric name already set before \"%.*s\"",
                           STR_ARG(entry.name));
        }
        entry.is_metric = true;
        *ret_entry = entry;
        return true;
    }
    skip_list_space(cursor);
    if (!take_quoted(cursor, &entry.value, &entry.high)) {
        return expected(cursor, "label value in quotes", err);
    }
    *ret_entry = entry;
    return true;
}

typedef enum ListStep { LIST_ENTRY, LIST_END, LIST_BAD } ListStep;

/* The next entry of a list whose "{" was taken; a comma may follow the last one. */
static ListStep next_entry(Cursor *cursor, bool *first, bool metric_allowed, Entry *ret_entry,
                           Err *err) {
    skip_list_space(cursor);
    if (!*first && !take(cursor, ',')) {
        if (take(cursor, '}')) {
            return LIST_END;
        }
        expected(cursor, "\",\" or \"}\"", err);
        return LIST_BAD;
    }
    skip_list_space(cursor);
    if (take(cursor, '}')) {
        return LIST_END;
    }
    *first = false;
    return take_entry(cursor, metric_allowed, ret_entry, err) ? LIST_ENTRY : LIST_BAD;
}

/* ---- series ---- */

static bool utf8_or_refuse(Str text, Err *err) {
    return str_is_utf8(text) || err_set(err, ERR_INVALID, "invalid UTF-8 in \"%.*s\"",
                                        (int)(text.len < 200 ? text.len : 200), text.ptr);
}

static bool scan_list(Cursor *cursor, bool *has_name, bool name_allowed, Err *err) {
    bool first = true;
    Entry entry;
    for (;;) {
        switch (next_entry(cursor, &first, name_allowed && !*has_name, &entry, err)) {
        case LIST_END:
            return true;
        case LIST_BAD:
            return false;
        case LIST_ENTRY:
            *has_name |= entry.is_metric;
            if (entry.high &&
                (!utf8_or_refuse(entry.name, err) || !utf8_or_refuse(entry.value, err))) {
                return false;
            }
        }
    }
}

/* Steps over the part before the value. */
static bool scan_series(Cursor *cursor, Str *ret_series, Err *err) {
    const char *from = cursor->at;
    bool has_name = take_name(cursor, true).len > 0;
    const char *to = cursor->at;
    if (!cursor->open_metrics) {
        skip_space(cursor);
    }
    if (take(cursor, '{')) {
        if (!scan_list(cursor, &has_name, true, err)) {
            return false;
        }
        to = cursor->at;
    } else {
        cursor->at = to;
    }
    if (!has_name) {
        return to == from ? expected(cursor, "a metric name or a comment", err)
                          : err_set(err, ERR_INVALID, "metric name not set");
    }
    *ret_series = (Str){from, (size_t)(to - from)};
    return true;
}

/* ---- values and times ---- */

static Str take_word(Cursor *cursor) {
    const char *from = cursor->at;
    while (cursor->at < cursor->end && !is_space(*cursor->at)) {
        cursor->at++;
    }
    return (Str){from, (size_t)(cursor->at - from)};
}

/* Between fields: one space in OpenMetrics, any run of spaces and tabs before. */
static bool take_gap(Cursor *cursor) {
    if (cursor->open_metrics) {
        return take(cursor, ' ') && cursor->at < cursor->end && *cursor->at != ' ';
    }
    skip_space(cursor);
    return true;
}

static bool read_number(Cursor *cursor, const char *what, double *ret_value, Err *err) {
    Str word = take_word(cursor);
    if (word.len == 0) {
        return expected(cursor, what, err);
    }
    if (memchr(word.ptr, 'p', word.len) || memchr(word.ptr, 'P', word.len)) {
        return err_set(err, ERR_INVALID, "unsupported character in float: \"%.*s\"", STR_ARG(word));
    }
    if (!number_in(word, ret_value)) {
        return err_set(err, ERR_INVALID, "%s: not a number: \"%.*s\"", what,
                       (int)(word.len < 200 ? word.len : 200), word.ptr);
    }
    return true;
}

static bool read_seconds(Cursor *cursor, TimeMs *ret_time, Err *err) {
    double seconds;
    if (!read_number(cursor, "timestamp", &seconds, err)) {
        return false;
    }
    if (!(fabs(seconds) <
          9e15)) { /* milliseconds stay within an int64; NaN and infinities fall out */
        return err_set(err, ERR_INVALID, "invalid timestamp %f", seconds);
    }
    *ret_time = (TimeMs)(seconds * 1000);
    return true;
}

static bool read_millis(Cursor *cursor, TimeMs *ret_time, Err *err) {
    Str word = take_word(cursor);
    int64_t time;
    if (!number_parse_int(word, &time)) {
        return err_set(err, ERR_INVALID, "timestamp: not a number of milliseconds: \"%.*s\"",
                       (int)(word.len < 200 ? word.len : 200), word.ptr);
    }
    *ret_time = time;
    return true;
}

static bool read_exemplar(Cursor *cursor, Err *err) {
    cursor->at += 3; /* "# {" */
    bool has_name = true;
    double value;
    if (!scan_list(cursor, &has_name, false, err)) {
        return false;
    }
    if (!take_gap(cursor) || !read_number(cursor, "exemplar value", &value, err)) {
        return expected(cursor, "value after exemplar labels", err);
    }
    if (cursor->at < cursor->end) {
        TimeMs time;
        return take_gap(cursor) ? read_seconds(cursor, &time, err)
                                : expected(cursor, "exemplar timestamp", err);
    }
    return true;
}

static bool read_tail(Cursor *cursor, TextSample *sample, Err *err) {
    if (cursor->at == cursor->end) {
        return true;
    }
    if (!take_gap(cursor)) {
        return expected(cursor, "timestamp or new record", err);
    }
    if (cursor->open_metrics && !str_starts(rest_of(cursor), STR("# {"))) {
        if (!read_seconds(cursor, &sample->time, err)) {
            return false;
        }
        sample->has_time = true;
        if (cursor->at == cursor->end) {
            return true;
        }
        if (!take_gap(cursor)) {
            return expected(cursor, "exemplar or new record", err);
        }
    } else if (!cursor->open_metrics && cursor->at < cursor->end) {
        sample->has_time = true;
        if (!read_millis(cursor, &sample->time, err)) {
            return false;
        }
        skip_space(cursor);
    }
    if (cursor->open_metrics && str_starts(rest_of(cursor), STR("# {"))) {
        sample->has_exemplar = true;
        if (!read_exemplar(cursor, err)) {
            return false;
        }
    }
    return cursor->at == cursor->end || expected(cursor, "next entry after timestamp", err);
}

static TextLine read_sample(Cursor *cursor, TextSample *ret_sample, Err *err) {
    TextSample sample = {0};
    if (!scan_series(cursor, &sample.series, err)) {
        return TEXT_BAD;
    }
    if (cursor->at == cursor->end || !take_gap(cursor)) {
        expected(cursor, "value after metric", err);
        return TEXT_BAD;
    }
    if (!read_number(cursor, "value", &sample.value, err) || !read_tail(cursor, &sample, err)) {
        return TEXT_BAD;
    }
    if (isnan(sample.value)) {
        sample.value = value_of_bits(NORMAL_NAN_BITS); /* a text cannot be a stale marker */
    }
    *ret_sample = sample;
    return TEXT_SAMPLE;
}

/* ---- comments ---- */

static const char *const metric_types[] = {
    "counter", "gauge",    "histogram", "gaugehistogram", "summary",
    "info",    "stateset", "unknown",   "untyped",
};

static bool known_type(Str text) {
    for (size_t i = 0; i < sizeof metric_types / sizeof *metric_types; i++) {
        if (str_eq(text, str_of(metric_types[i]))) {
            return true;
        }
    }
    return false;
}

/* "TYPE name type", "HELP name text" or "UNIT name unit"; the word is taken already. */
static bool read_meta(Cursor *cursor, Str word, TextSample *ret_sample, Err *err) {
    Str name;
    bool high = false;
    if (!take_quoted(cursor, &name, &high)) {
        name = take_name(cursor, true);
    }
    if (name.len == 0) {
        return expected(cursor, "metric name after HELP, TYPE or UNIT", err);
    }
    if (cursor->at < cursor->end && !is_space(*cursor->at)) {
        return expected(cursor, "text after the metric name", err);
    }
    Str text = rest_of(cursor);
    text = text.len ? str_skip(text, 1) : text;
    if (!utf8_or_refuse(text, err)) {
        return false;
    }
    if (str_eq(word, STR("TYPE")) && !known_type(cursor->open_metrics ? text : str_trim(text))) {
        return err_set(err, ERR_INVALID, "invalid metric type \"%.*s\"",
                       (int)(text.len < 100 ? text.len : 100), text.ptr);
    }
    /* Prometheus: a unit has to be the name's suffix, after an underscore. */
    if (str_eq(word, STR("UNIT")) && text.len &&
        (!str_ends(name, text) || name.len <= text.len ||
         name.ptr[name.len - text.len - 1] != '_')) {
        return err_set(err, ERR_INVALID, "unit \"%.*s\" not a suffix of metric \"%.*s\"",
                       (int)(text.len < 100 ? text.len : 100), text.ptr, STR_ARG(name));
    }
    ret_sample->metric = name;
    ret_sample->meta = (MetricMeta){0};
    Str *part = str_eq(word, STR("TYPE"))   ? &ret_sample->meta.type
                : str_eq(word, STR("UNIT")) ? &ret_sample->meta.unit
                                            : &ret_sample->meta.help;
    *part = str_eq(word, STR("HELP")) ? text : str_trim(text);
    return true;
}

/* OpenMetrics knows four comments; the older format ignores whatever is not HELP or TYPE. */
static TextLine read_comment(Cursor *cursor, TextSample *ret_sample, Err *err) {
    cursor->at++; /* "#" */
    bool open = cursor->open_metrics;
    if (open ? !take(cursor, ' ') : cursor->at == cursor->end || !is_space(*cursor->at)) {
        if (open) {
            expected(cursor, "\" HELP\", \" TYPE\", \" UNIT\" or \" EOF\" after \"#\"", err);
        }
        return open ? TEXT_BAD : TEXT_COMMENT;
    }
    if (!open) {
        skip_space(cursor);
    }
    Str word = take_word(cursor);
    if (open && str_eq(word, STR("EOF")) && cursor->at == cursor->end) {
        return TEXT_EOF;
    }
    bool meta = str_eq(word, STR("HELP")) || str_eq(word, STR("TYPE")) ||
                (open && str_eq(word, STR("UNIT")));
    if (!meta || cursor->at == cursor->end) {
        if (open) {
            err_set(err, ERR_INVALID, "invalid comment \"%.*s\"",
                    (int)(word.len < 100 ? word.len : 100), word.ptr);
        }
        return open ? TEXT_BAD : TEXT_COMMENT;
    }
    if (open) {
        cursor->at++;
    } else {
        skip_space(cursor);
    }
    return read_meta(cursor, word, ret_sample, err) ? TEXT_META : TEXT_BAD;
}

/* \\ and \n; in OpenMetrics \" besides. */
static Str unescaped_help(Arena *arena, Str help) {
    if (str_find(help, '\\') == help.len) {
        return help;
    }
    char *out = arena_alloc(arena, help.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < help.len; i++) {
        char next = i + 1 < help.len ? help.ptr[i + 1] : '\0';
        bool escape = help.ptr[i] == '\\' && (next == '\\' || next == 'n' || next == '"');
        out[len++] = (char)(!escape ? help.ptr[i] : next == 'n' ? '\n' : next);
        i += escape;
    }
    return (Str){out, len};
}

void text_meta(IngestBatch *batch, const TextSample *sample) {
    MetricMeta meta = sample->meta;
    meta.help = unescaped_help(&batch->arena, meta.help);
    build_meta(batch, sample->metric, meta);
}

TextLine text_line(Str line, bool open_metrics, TextSample *ret_sample, Err *err) {
    /* Windows line ends are no part of either format, but of many files people import. */
    if (!open_metrics && line.len && line.ptr[line.len - 1] == '\r') {
        line.len--;
    }
    Cursor cursor = {line.ptr, line.ptr + line.len, line.ptr, open_metrics};
    if (!open_metrics) {
        skip_space(&cursor);
        if (cursor.at == cursor.end) {
            return TEXT_COMMENT;
        }
    } else if (line.len == 0) {
        err_set(err, ERR_INVALID, "empty line");
        return TEXT_BAD;
    }
    return *cursor.at == '#' ? read_comment(&cursor, ret_sample, err)
                             : read_sample(&cursor, ret_sample, err);
}

/* ---- decoding ---- */

/* \n, \" and \\; any other backslash stands for itself. */
static Str unescape(Arena *arena, Str text) {
    if (text.len == 0 || !memchr(text.ptr, '\\', text.len)) {
        return text;
    }
    char *out = arena_raw(arena, text.len);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        char next = i + 1 < text.len ? text.ptr[i + 1] : 0;
        if (c == '\\' && (next == 'n' || next == '"' || next == '\\')) {
            c = next == 'n' ? '\n' : next;
            i++;
        }
        out[len++] = c;
    }
    return (Str){out, len};
}

bool text_labels(Str raw, Arena *arena, Label *items, size_t *ret_count, Err *err) {
    Cursor cursor = {raw.ptr, raw.ptr + raw.len, raw.ptr, false};
    size_t count = 0;
    Str name = take_name(&cursor, true);
    if (name.len) {
        items[count++] = (Label){LABEL_METRIC_NAME, name};
    }
    skip_space(&cursor);
    if (cursor.at == cursor.end) {
        *ret_count = count;
        return true;
    }
    if (!take(&cursor, '{')) {
        return expected(&cursor, "\"{\"", err);
    }
    bool first = true;
    Entry entry;
    ListStep step;
    while ((step = next_entry(&cursor, &first, !name.len, &entry, err)) == LIST_ENTRY) {
        if (count == LABELS_MAX) {
            return err_set(err, ERR_INVALID, "a series with more than %d labels", LABELS_MAX);
        }
        Str text = unescape(arena, entry.name);
        items[count++] = entry.is_metric ? (Label){LABEL_METRIC_NAME, name = text}
                                         : (Label){text, unescape(arena, entry.value)};
    }
    *ret_count = count;
    return step == LIST_END;
}

SeriesDecode text_decode(void *ctx, Str raw, Arena *arena, LabelSet *ret_labels, Err *err) {
    Label items[LABELS_MAX];
    size_t count;
    if (!text_labels(raw, arena, items, &count, err)) {
        return SERIES_INVALID;
    }
    Label *kept = arena_raw(arena, (count + 1) * sizeof *kept);
    memcpy(kept, items, count * sizeof *kept);
    return raw_finish(ctx, kept, count, arena, ret_labels, err);
}
