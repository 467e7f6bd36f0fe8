/*
 * VictoriaMetrics' JSON lines (/api/v1/import and /api/v1/export), a series a line:
 *
 *     {"metric":{"__name__":"up","job":"node"},"values":[1,null,0.5],"timestamps":[1549891472010,...]}
 *
 * Keys may come in any order, and others may stand beside them. JSON has no NaN: a null is a stale
 * marker, the only NaN that is worth moving house with; "NaN", "Infinity" and "-Infinity" come as
 * texts.
 */

#include "ingest/json_in.h"
#include "ingest/number_in.h"
#include "ingest/raw.h"
#include "ingest/stream.h"

typedef struct JsonSeries {
    Str metric, values, timestamps; /* still as text */
} JsonSeries;

static bool split(IngestStream *stream, Str line, JsonSeries *ret_series) {
    JsonIn json = json_in_of(line);
    JsonSeries series = {0};
    Str key;
    json_in_enter(&json, '{');
    while (json_in_key(&json, &stream->line_arena, &key)) {
        Str *slot = str_eq(key, STR("metric"))       ? &series.metric
                    : str_eq(key, STR("values"))     ? &series.values
                    : str_eq(key, STR("timestamps")) ? &series.timestamps
                                                     : NULL;
        if (!json_in_skip(&json, slot)) {
            return false;
        }
    }
    *ret_series = series;
    return json_in_done(&json);
}

static bool read_metric(IngestStream *stream, Str text) {
    JsonIn json = json_in_of(text);
    Str name, value;
    json_in_enter(&json, '{');
    while (json_in_key(&json, &stream->line_arena, &name)) {
        if (!json_in_str(&json, &stream->line_arena, &value)) {
            return false;
        }
        raw_put(&stream->scratch, name, value);
    }
    return json_in_done(&json);
}

static bool read_value(IngestStream *stream, JsonIn *json, double *ret_value) {
    Str text;
    switch (json_in_peek(json)) {
    case 'n':
        *ret_value = value_of_bits(STALE_NAN_BITS);
        return json_in_word(json, &text);
    case '"':
        return json_in_str(json, &stream->line_arena, &text) && number_in(text, ret_value);
    default:
        return json_in_number(json, &text) && number_in(text, ret_value);
    }
}

static bool read_rows(IngestStream *stream, const JsonSeries *series, Err *err) {
    JsonIn values = json_in_of(series->values), times = json_in_of(series->timestamps);
    json_in_enter(&values, '[');
    json_in_enter(&times, '[');
    for (size_t row = 0;; row++) {
        bool has_value = json_in_item(&values), has_time = json_in_item(&times);
        double value, time;
        Str text;
        if (!has_value || !has_time) {
            if (has_value || has_time) {
                return err_set(err, ERR_INVALID, "\"values\" and \"timestamps\" differ in length");
            }
            break;
        }
        if (!read_value(stream, &values, &value)) {
            return err_set(err, ERR_INVALID, "value %zu is no number", row + 1);
        }
        if (!json_in_number(&times, &text) || !number_in(text, &time) ||
            !(time > -9e18 && time < 9e18)) {
            return err_set(err, ERR_INVALID, "timestamp %zu is no number of milliseconds", row + 1);
        }
        build_row(&stream->batch, (TimeMs)time, value);
    }
    if (!json_in_done(&values) || !json_in_done(&times)) {
        return err_set(err, ERR_INVALID, "\"values\" or \"timestamps\" is no list of numbers");
    }
    return true;
}

LineResult stream_json_line(IngestStream *stream, Str line, Err *err) {
    line = str_trim(line);
    if (line.len == 0) {
        return LINE_TAKEN;
    }
    JsonSeries series;
    if (!split(stream, line, &series)) {
        err_set(err, ERR_INVALID, "not a JSON object");
        return LINE_BAD;
    }
    if (!series.metric.len || !series.values.len || !series.timestamps.len) {
        err_set(err, ERR_INVALID, "\"%s\" is missing",
                !series.metric.len   ? "metric"
                : !series.values.len ? "values"
                                     : "timestamps");
        return LINE_BAD;
    }
    if (!read_metric(stream, series.metric)) {
        err_set(err, ERR_INVALID, "\"metric\" is no object of texts");
        return LINE_BAD;
    }
    stream_series(stream);
    if (!read_rows(stream, &series, err)) {
        return LINE_BAD;
    }
    build_series_end(&stream->batch);
    return LINE_TAKEN;
}
