/*
 * OpenTSDB (opentsdb.net/docs, "Writing Data"): by telnet
 *
 *     put sys.cpu.user 1356998400 42.5 host=webserver01 cpu=0
 *
 * and by HTTP, one object or an array of
 *
 *     {"metric": "sys.cpu.nice", "timestamp": 1346846400, "value": 18, "tags": {"host": "web01",
 * "dc": "lga"}}
 *
 * Times below 2^32 are seconds, others milliseconds; 0 and none are now. Numbers may come as texts.
 * A tag with an empty name or value is as good as none. (The last two as in VictoriaMetrics.)
 */

#include <math.h>

#include "ingest/json_in.h"
#include "ingest/number_in.h"
#include "ingest/raw.h"
#include "ingest/stream.h"

#define SECONDS_BELOW ((double)UINT32_MAX + 1)

static bool read_time(IngestStream *stream, Str text, TimeMs *ret_time) {
    double number;
    if (!number_in(text, &number) || !(fabs(number) < 9e15)) {
        return false;
    }
    TimeMs time = (TimeMs)number;
    if (fabs(number) < SECONDS_BELOW) {
        time *= SECOND_MS;
    }
    *ret_time = time ? time : stream->options.default_time;
    return true;
}

static void add_row(IngestStream *stream, TimeMs time, double value) {
    stream_series(stream);
    build_row(&stream->batch, time, value);
    build_series_end(&stream->batch);
}

/* ---- telnet ---- */

static Str next_word(Str *rest) {
    *rest = str_trim(*rest);
    size_t end = 0;
    while (end < rest->len && rest->ptr[end] != ' ' && rest->ptr[end] != '\t') {
        end++;
    }
    Str word = {rest->ptr, end};
    *rest = str_skip(*rest, end);
    return word;
}

static bool read_tags(IngestStream *stream, Str rest, Err *err) {
    for (Str tag; (tag = next_word(&rest)).len;) {
        size_t equal = str_find(tag, '=');
        if (equal == tag.len) {
            return err_set(err, ERR_INVALID, "tag \"%.*s\" has no \"=\"",
                           (int)(tag.len < 100 ? tag.len : 100), tag.ptr);
        }
        Str name = {tag.ptr, equal}, value = str_skip(tag, equal + 1);
        if (name.len && value.len) {
            raw_put(&stream->scratch, name, value);
        }
    }
    return true;
}

static bool read_put(IngestStream *stream, Str rest, Err *err) {
    Str metric = next_word(&rest), time_text = next_word(&rest), value_text = next_word(&rest);
    TimeMs time;
    double value;
    if (value_text.len == 0) {
        return err_set(err, ERR_INVALID,
                       "expected \"put <metric> <timestamp> <value> <tag=value>...\"");
    }
    if (!read_time(stream, time_text, &time)) {
        return err_set(err, ERR_INVALID, "timestamp \"%.*s\" is no number",
                       (int)(time_text.len < 100 ? time_text.len : 100), time_text.ptr);
    }
    if (!number_in(value_text, &value)) {
        return err_set(err, ERR_INVALID, "value \"%.*s\" is no number",
                       (int)(value_text.len < 100 ? value_text.len : 100), value_text.ptr);
    }
    raw_put(&stream->scratch, LABEL_METRIC_NAME, metric);
    if (!read_tags(stream, rest, err)) {
        return false;
    }
    add_row(stream, time, value);
    return true;
}

LineResult stream_opentsdb_line(IngestStream *stream, Str line, Err *err) {
    Str rest = str_trim(line);
    if (rest.len == 0) {
        return LINE_TAKEN;
    }
    Str command = next_word(&rest);
    if (!str_eq(command, STR("put"))) {
        err_set(err, ERR_INVALID, "unknown command \"%.*s\"",
                (int)(command.len < 100 ? command.len : 100), command.ptr);
        return LINE_BAD;
    }
    return read_put(stream, rest, err) ? LINE_TAKEN : LINE_BAD;
}

/* ---- HTTP ---- */

/* A number, or a text that is one. */
static bool read_scalar(IngestStream *stream, JsonIn *json, Str *ret_text) {
    return json_in_peek(json) == '"' ? json_in_str(json, &stream->line_arena, ret_text)
                                     : json_in_number(json, ret_text);
}

static bool read_json_tags(IngestStream *stream, JsonIn *json) {
    Str name, value;
    if (json_in_peek(json) == 'n') {
        return json_in_word(json, &value);
    }
    if (!json_in_enter(json, '{')) {
        return false;
    }
    while (json_in_key(json, &stream->line_arena, &name)) {
        char c = json_in_peek(json);
        bool ok =
            c == 't' || c == 'f' ? json_in_word(json, &value) : read_scalar(stream, json, &value);
        if (ok && name.len && value.len) {
            raw_put(&stream->scratch, name, value);
        }
    }
    return !json->bad;
}

typedef struct Put {
    Str metric, time, value;
} Put;

static bool read_fields(IngestStream *stream, JsonIn *json, Put *put, Err *err) {
    Str key;
    json_in_enter(json, '{');
    while (json_in_key(json, &stream->line_arena, &key)) {
        bool ok;
        if (str_eq(key, STR("metric"))) {
            ok = json_in_str(json, &stream->line_arena, &put->metric);
        } else if (str_eq(key, STR("timestamp"))) {
            ok = read_scalar(stream, json, &put->time);
        } else if (str_eq(key, STR("value"))) {
            ok = read_scalar(stream, json, &put->value);
        } else if (str_eq(key, STR("tags"))) {
            ok = read_json_tags(stream, json);
        } else {
            ok = json_in_skip(json, NULL);
        }
        if (!ok) {
            return err_set(err, ERR_INVALID, "\"%.*s\" is of the wrong type",
                           (int)(key.len < 100 ? key.len : 100), key.ptr);
        }
    }
    return json_in_done(json) || err_set(err, ERR_INVALID, "not a JSON object");
}

LineResult stream_opentsdb_object(IngestStream *stream, Str object, Err *err) {
    JsonIn json = json_in_of(object);
    Put put = {0};
    if (!read_fields(stream, &json, &put, err)) {
        return LINE_BAD;
    }
    TimeMs time = stream->options.default_time;
    double value;
    if (put.metric.len == 0) {
        err_set(err, ERR_INVALID, "\"metric\" is missing or empty");
        return LINE_BAD;
    }
    if (put.time.len && !read_time(stream, put.time, &time)) {
        err_set(err, ERR_INVALID, "\"timestamp\" is no number");
        return LINE_BAD;
    }
    if (put.value.len == 0 || !number_in(put.value, &value)) {
        err_set(err, ERR_INVALID, "\"value\" is missing or no number");
        return LINE_BAD;
    }
    raw_put(&stream->scratch, LABEL_METRIC_NAME, put.metric);
    add_row(stream, time, value);
    return LINE_TAKEN;
}
