/* Series as text again: VictoriaMetrics' JSON lines and OpenMetrics. Read back by jsonl.c and
 * text.c. */

#include <math.h>

#include "base/json.h"
#include "base/number.h"
#include "ingest/ingest.h"

static bool is_float(const IngestSeries *series, size_t row) {
    return !(series->histograms && series->histograms[row]);
}

/* ---- JSON lines ---- */

/* A null is read back as a stale marker, which is why an ordinary NaN is written as a text. */
static void put_json_value(Buf *out, double value) {
    if (value_is_stale(value)) {
        buf_str(out, STR("null"));
    } else if (isnan(value)) {
        buf_str(out, STR("\"NaN\""));
    } else if (isinf(value)) {
        buf_str(out, value > 0 ? STR("\"Infinity\"") : STR("\"-Infinity\""));
    } else {
        number_put_general(out, value, 21); /* JavaScript's limit: no hundreds of zeros */
    }
}

bool ingest_encode_json_line(const IngestSeries *series, Buf *out) {
    size_t before = out->len;
    size_t count = 0;
    buf_str(out, STR("{\"metric\":"));
    JsonWriter json = json_writer(out);
    labels_json(&json, series->labels);
    buf_str(out, STR(",\"values\":["));
    for (size_t i = 0; i < series->count; i++) {
        if (is_float(series, i)) {
            buf_str(out, count++ ? STR(",") : STR(""));
            put_json_value(out, series->values[i]);
        }
    }
    buf_str(out, STR("],\"timestamps\":["));
    size_t times = 0;
    for (size_t i = 0; i < series->count; i++) {
        if (is_float(series, i)) {
            buf_str(out, times++ ? STR(",") : STR(""));
            number_put_int(out, series->times[i]);
        }
    }
    buf_str(out, STR("]}\n"));
    if (count == 0) {
        out->len = before;
    }
    return count > 0;
}

/* ---- OpenMetrics ---- */

/* Backslash, quote and line feed, as both text formats escape label values. */
static void put_escaped(Buf *out, Str text) {
    buf_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.ptr[i];
        if (byte == '\n') {
            buf_str(out, STR("\\n"));
            continue;
        }
        if (byte == '"' || byte == '\\') {
            buf_byte(out, '\\');
        }
        buf_byte(out, byte);
    }
    buf_byte(out, '"');
}

/* A name outside the old character set goes into the braces, in quotes. */
static void put_series_name(Buf *out, LabelSet labels) {
    Str name = labels_get(labels, LABEL_METRIC_NAME);
    bool plain = metric_name_is_legacy(name);
    size_t count = 0;
    if (plain) {
        buf_str(out, name);
    }
    buf_byte(out, '{');
    if (!plain) {
        put_escaped(out, name);
        count++;
    }
    for (size_t i = 0; i < labels.count; i++) {
        const Label *label = &labels.items[i];
        if (str_eq(label->name, LABEL_METRIC_NAME)) {
            continue;
        }
        buf_str(out, count++ ? STR(",") : STR(""));
        if (label_name_is_legacy(label->name)) {
            buf_str(out, label->name);
        } else {
            put_escaped(out, label->name);
        }
        buf_byte(out, '=');
        put_escaped(out, label->value);
    }
    buf_byte(out, '}');
}

/* OpenMetrics counts in seconds. */
static void put_seconds(Buf *out, TimeMs time) {
    uint64_t distance = time < 0 ? -(uint64_t)time : (uint64_t)time;
    buf_printf(out, "%s%llu.%03llu", time < 0 ? "-" : "", (unsigned long long)(distance / 1000),
               (unsigned long long)(distance % 1000));
}

bool ingest_encode_openmetrics(const IngestSeries *series, Buf *out) {
    AUTO(buf_finish) Buf name = {0};
    put_series_name(&name, series->labels);
    bool any = false;
    for (size_t i = 0; i < series->count; i++) {
        if (!is_float(series, i) || value_is_stale(series->values[i])) {
            continue;
        }
        buf_str(out, buf_view(&name));
        buf_byte(out, ' ');
        number_put(out, series->values[i]);
        buf_byte(out, ' ');
        put_seconds(out, series->times[i]);
        buf_byte(out, '\n');
        any = true;
    }
    return any;
}
