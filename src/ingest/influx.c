/*
 * Influx line protocol (docs.influxdata.com, "Line protocol"):
 *
 *     measurement,tag=value,tag=value field=1.5,count=3i,ok=true,text="x" 1465839830100400200
 *
 * Each field becomes a series: its name is measurement, separator and field key (the key alone
 * where the measurement is empty), its labels are the tags, and `db` where the request names one.
 * Values are floats, integers (3i, 3u) and booleans (1, 0); a text that is a number counts as that
 * number, any other as 0 (as in VictoriaMetrics: senders rely on the series being there).
 *
 * A backslash escapes comma, equal sign and space outside of texts, quote and itself inside; before
 * anything else it stands for itself, also before another backslash. A text may hold newlines.
 */

#include <math.h>

#include "ingest/number_in.h"
#include "ingest/raw.h"
#include "ingest/stream.h"

typedef struct Cursor {
    const char *at, *end;
} Cursor;

static bool is_special(char c) {
    return c == ',' || c == '=' || c == ' ';
}

/* Up to the first byte of `stops` that is not escaped, with its escapes taken away. */
static Str take_text(IngestStream *stream, Cursor *cursor, const char *stops) {
    const char *from = cursor->at;
    bool escaped = false;
    while (cursor->at < cursor->end && !(*cursor->at && strchr(stops, *cursor->at))) {
        bool pair =
            *cursor->at == '\\' && cursor->at + 1 < cursor->end && is_special(cursor->at[1]);
        escaped |= pair;
        cursor->at += pair ? 2 : 1;
    }
    Str text = {from, (size_t)(cursor->at - from)};
    if (!escaped) {
        return text;
    }
    char *out = arena_raw(&stream->line_arena, text.len);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        i += text.ptr[i] == '\\' && i + 1 < text.len && is_special(text.ptr[i + 1]);
        out[len++] = text.ptr[i];
    }
    return (Str){out, len};
}

static bool at_byte(const Cursor *cursor, char c) {
    return cursor->at < cursor->end && *cursor->at == c;
}

static void skip_spaces(Cursor *cursor) {
    while (at_byte(cursor, ' ') || at_byte(cursor, '\t')) {
        cursor->at++;
    }
}

/* ---- tags ---- */

static bool read_tags(IngestStream *stream, Cursor *cursor, Err *err) {
    while (at_byte(cursor, ',')) {
        cursor->at++;
        Str name = take_text(stream, cursor, ",= ");
        if (!at_byte(cursor, '=')) {
            return err_set(err, ERR_INVALID, "tag \"%.*s\" has no value",
                           (int)(name.len < 100 ? name.len : 100), name.ptr);
        }
        cursor->at++;
        Str value = take_text(stream, cursor, ", ");
        if (name.len && value.len) {
            raw_put(&stream->scratch, name, value);
        }
    }
    return true;
}

/* ---- field values ---- */

typedef enum ValueResult { VALUE_OK, VALUE_BAD, VALUE_OPEN } ValueResult;

static ValueResult read_quoted(Cursor *cursor, double *ret_value) {
    const char *from = ++cursor->at;
    while (cursor->at < cursor->end && *cursor->at != '"') {
        cursor->at += *cursor->at == '\\' && cursor->at + 1 < cursor->end ? 2 : 1;
    }
    if (cursor->at >= cursor->end) {
        return VALUE_OPEN;
    }
    Str text = {from, (size_t)(cursor->at - from)};
    cursor->at++;
    if (!number_in(text, ret_value)) {
        *ret_value = 0;
    }
    return VALUE_OK;
}

static const struct {
    Str word;
    double value;
} booleans[] = {
    {{"t", 1}, 1}, {{"T", 1}, 1}, {{"true", 4}, 1},  {{"True", 4}, 1},  {{"TRUE", 4}, 1},
    {{"f", 1}, 0}, {{"F", 1}, 0}, {{"false", 5}, 0}, {{"False", 5}, 0}, {{"FALSE", 5}, 0},
};

static bool digits_only(Str text) {
    size_t from = text.len && text.ptr[0] == '-';
    for (size_t i = from; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
    }
    return text.len > from;
}

static ValueResult read_plain(Str word, double *ret_value) {
    for (size_t i = 0; i < sizeof booleans / sizeof *booleans; i++) {
        if (str_eq(word, booleans[i].word)) {
            *ret_value = booleans[i].value;
            return VALUE_OK;
        }
    }
    char suffix = word.len ? word.ptr[word.len - 1] : '\0';
    if (suffix == 'i' || suffix == 'u') {
        word.len--;
        if (!digits_only(word)) {
            return VALUE_BAD;
        }
    }
    return word.len && number_in(word, ret_value) ? VALUE_OK : VALUE_BAD;
}

static ValueResult read_value(Cursor *cursor, double *ret_value) {
    if (at_byte(cursor, '"')) {
        return read_quoted(cursor, ret_value);
    }
    const char *from = cursor->at;
    while (cursor->at < cursor->end && *cursor->at != ',' && *cursor->at != ' ' &&
           *cursor->at != '\t') {
        cursor->at++;
    }
    return read_plain((Str){from, (size_t)(cursor->at - from)}, ret_value);
}

/* ---- fields ---- */

/* The tags are in the scratch buffer up to `tag_bytes`; the name goes behind them for each field.
 */
static void add_field(IngestStream *stream, size_t tag_bytes, Str measurement, Str key,
                      double value) {
    Str separator = measurement.len && key.len ? stream->options.influx_separator : STR("");
    Str name = arena_printf(&stream->line_arena, "%.*s%.*s%.*s", STR_ARG(measurement),
                            STR_ARG(separator), STR_ARG(key));
    stream->scratch.len = tag_bytes;
    raw_put(&stream->scratch, LABEL_METRIC_NAME, name);
    stream_series(stream);
    build_row(&stream->batch, stream->options.default_time, value);
    build_series_end(&stream->batch);
}

static LineResult read_fields(IngestStream *stream, Cursor *cursor, Str measurement, Err *err) {
    size_t tag_bytes = stream->scratch.len;
    for (bool first = true; first || at_byte(cursor, ','); first = false) {
        cursor->at += !first;
        Str key = take_text(stream, cursor, ",= ");
        if (key.len == 0 || !at_byte(cursor, '=')) {
            err_set(err, ERR_INVALID, "expected a field \"key=value\", got \"%.*s\"",
                    (int)(key.len < 100 ? key.len : 100), key.ptr);
            return LINE_BAD;
        }
        cursor->at++;
        double value;
        switch (read_value(cursor, &value)) {
        case VALUE_OPEN:
            return LINE_OPEN;
        case VALUE_BAD:
            err_set(err, ERR_INVALID, "field \"%.*s\" has no proper value",
                    (int)(key.len < 100 ? key.len : 100), key.ptr);
            return LINE_BAD;
        case VALUE_OK:
            add_field(stream, tag_bytes, measurement, key, value);
        }
    }
    return LINE_TAKEN;
}

/* From a unit of the sender's to milliseconds, rounded down. */
static TimeMs to_millis(int64_t time, DurationMs unit_ns) {
    if (unit_ns >= 1000000) {
        int64_t factor = unit_ns / 1000000;
        return time > INT64_MAX / factor   ? INT64_MAX
               : time < INT64_MIN / factor ? INT64_MIN
                                           : time * factor;
    }
    int64_t divisor = 1000000 / unit_ns;
    return time / divisor - (time % divisor < 0);
}

static bool read_time(IngestStream *stream, Cursor *cursor, size_t first_row, Err *err) {
    skip_spaces(cursor);
    Str word = str_trim((Str){cursor->at, (size_t)(cursor->end - cursor->at)});
    int64_t time;
    if (word.len == 0) {
        return true;
    }
    if (!number_parse_int(word, &time)) {
        return err_set(err, ERR_INVALID, "timestamp \"%.*s\" is no whole number",
                       (int)(word.len < 100 ? word.len : 100), word.ptr);
    }
    for (size_t row = first_row; row < stream->batch.row_count; row++) {
        stream->batch.times[row] = to_millis(time, stream->options.influx_precision_ns);
    }
    return true;
}

LineResult stream_influx_line(IngestStream *stream, Str line, Err *err) {
    if (line.len && line.ptr[line.len - 1] == '\r') {
        line.len--;
    }
    Cursor cursor = {line.ptr, line.ptr + line.len};
    if (str_trim(line).len == 0 || str_trim(line).ptr[0] == '#') {
        return LINE_TAKEN;
    }
    size_t first_row = stream->batch.row_count;
    Str measurement = take_text(stream, &cursor, ", ");
    if (!read_tags(stream, &cursor, err)) {
        return LINE_BAD;
    }
    if (stream->options.influx_db.len) {
        raw_put(&stream->scratch, STR("db"), stream->options.influx_db);
    }
    skip_spaces(&cursor);
    LineResult result = read_fields(stream, &cursor, measurement, err);
    if (result != LINE_TAKEN) {
        return result;
    }
    return read_time(stream, &cursor, first_row, err) ? LINE_TAKEN : LINE_BAD;
}
