/*
 * Answers as the query API writes them, to the letter: numbers in quotes, times in seconds with no
 * or three decimals, floats and histograms of a series in lists of their own.
 *
 * Series are written into the writer's buffer directly; a matrix may have millions of points.
 */

#include "promql/value_json.h"

#include <math.h>

#include "base/json.h"
#include "base/number.h"

void value_number_put(Buf *buf, double value) {
    buf_byte(buf, '"');
    double size = fabs(value);
    if (size != 0 && isfinite(size) && (size < 1e-6 || size >= 1e21)) {
        number_put_exp(buf, value);
    } else {
        number_put(buf, value);
    }
    buf_byte(buf, '"');
}

static void put_integer(Buf *buf, uint64_t value) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    buf_put(buf, digits + at, sizeof digits - at);
}

void value_time_put(Buf *buf, TimeMs time) {
    uint64_t size = time < 0 ? 0 - (uint64_t)time : (uint64_t)time;
    if (time < 0) {
        buf_byte(buf, '-');
    }
    put_integer(buf, size / 1000);
    unsigned ms = (unsigned)(size % 1000);
    if (ms) {
        char fraction[4] = {'.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10),
                            (char)('0' + ms % 10)};
        buf_put(buf, fraction, sizeof fraction);
    }
}

static void put_labels(Buf *buf, LabelSet labels) {
    buf_str(buf, STR("{\"metric\":{"));
    for (size_t i = 0; i < labels.count; i++) {
        if (i) {
            buf_byte(buf, ',');
        }
        json_quote(buf, labels.items[i].name);
        buf_byte(buf, ':');
        json_quote(buf, labels.items[i].value);
    }
    buf_byte(buf, '}');
}

static const Histogram *histogram_of(const ValueSeries *series, size_t point) {
    return series->histograms ? series->histograms[point] : NULL;
}

/* [1435781451.781,"1"] */
static void put_point(Buf *buf, const ValueSeries *series, size_t point) {
    const Histogram *histogram = histogram_of(series, point);
    buf_byte(buf, '[');
    value_time_put(buf, series->times[point]);
    buf_byte(buf, ',');
    if (histogram) {
        value_histogram_put(buf, histogram);
    } else {
        value_number_put(buf, series->values[point]);
    }
    buf_byte(buf, ']');
}

static void put_sample(Buf *buf, const ValueSeries *series) {
    put_labels(buf, series->labels);
    buf_str(buf, histogram_of(series, 0) ? STR(",\"histogram\":") : STR(",\"value\":"));
    put_point(buf, series, 0);
    buf_byte(buf, '}');
}

/* `,"values":[...]`: all points of one kind, nothing if there are none. */
static void put_points(Buf *buf, const ValueSeries *series, bool histograms, Str key) {
    bool any = false;
    for (size_t i = 0; i < series->count; i++) {
        if ((histogram_of(series, i) != NULL) != histograms) {
            continue;
        }
        buf_str(buf, any ? STR(",") : key);
        put_point(buf, series, i);
        any = true;
    }
    buf_str(buf, any ? STR("]") : STR(""));
}

static void put_series(Buf *buf, const ValueSeries *series) {
    put_labels(buf, series->labels);
    put_points(buf, series, false, STR(",\"values\":["));
    if (series->histograms) {
        put_points(buf, series, true, STR(",\"histograms\":["));
    }
    buf_byte(buf, '}');
}

static void put_list(Buf *buf, const Value *value, bool instant_vector, size_t limit) {
    size_t count = limit && limit < value->series_count ? limit : value->series_count;
    for (size_t i = 0; i < count; i++) {
        if (i) {
            buf_byte(buf, ',');
        }
        if (instant_vector) {
            put_sample(buf, &value->series[i]);
        } else {
            put_series(buf, &value->series[i]);
        }
    }
}

/* Scalars and strings are marshalled by Go's encoding/json, which writes times as floats and
 * numbers without exponents. */
static void put_alone(Buf *buf, const Value *value) {
    number_put(buf, (double)value->time / 1000);
    buf_byte(buf, ',');
    if (value->type == VALUE_SCALAR) {
        buf_byte(buf, '"');
        number_put(buf, value->scalar);
        buf_byte(buf, '"');
    } else {
        json_quote(buf, value->string);
    }
}

void value_json_members(JsonWriter *json, const Value *value, bool instant, size_t limit) {
    static const char *const names[] = {
        [VALUE_SCALAR] = "scalar",
        [VALUE_STRING] = "string",
        [VALUE_VECTOR] = "vector",
        [VALUE_MATRIX] = "matrix",
    };
    json_put_str(json, "resultType", str_of(names[value->type]));
    json_key(json, STR("result"));
    json_raw(json, STR("["));
    if (value->type == VALUE_SCALAR || value->type == VALUE_STRING) {
        put_alone(json->buf, value);
    } else {
        put_list(json->buf, value, instant && value->type == VALUE_VECTOR, limit);
    }
    buf_byte(json->buf, ']');
}

void value_json(JsonWriter *json, const Value *value, bool instant, size_t limit) {
    json_object(json);
    value_json_members(json, value, instant, limit);
    json_end(json);
}
