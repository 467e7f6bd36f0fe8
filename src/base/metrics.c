#include "base/metrics.h"

#include "base/number.h"

static void put_escaped(Buf *buf, Str text, bool quotes_too) {
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.ptr[i];
        if (byte == '\n') {
            buf_str(buf, STR("\\n"));
            continue;
        }
        if (byte == '\\' || (quotes_too && byte == '"')) {
            buf_byte(buf, '\\');
        }
        buf_byte(buf, byte);
    }
}

static void put_labels(Buf *buf, const MetricLabel *labels, size_t count) {
    for (size_t i = 0; i < count; i++) {
        buf_byte(buf, i ? ',' : '{');
        buf_str(buf, str_of(labels[i].name));
        buf_str(buf, STR("=\""));
        put_escaped(buf, labels[i].value, true);
        buf_byte(buf, '"');
    }
    if (count) {
        buf_byte(buf, '}');
    }
}

void metric_family(MetricWriter *out, const char *name, const char *type, const char *help) {
    out->family = name;
    buf_printf(out->buf, "# HELP %s ", name);
    put_escaped(out->buf, str_of(help), false);
    buf_printf(out->buf, "\n# TYPE %s %s\n", name, type);
}

void metric_value(MetricWriter *out, const char *suffix, const MetricLabel *labels, size_t count,
                  double value) {
    buf_printf(out->buf, "%s%s", out->family, suffix);
    put_labels(out->buf, labels, count);
    buf_byte(out->buf, ' ');
    number_put(out->buf, value);
    buf_byte(out->buf, '\n');
}

void metric_counter(MetricWriter *out, const char *name, const char *help, uint64_t value) {
    metric_family(out, name, "counter", help);
    metric_value(out, "", NULL, 0, (double)value);
}

void metric_gauge(MetricWriter *out, const char *name, const char *help, double value) {
    metric_family(out, name, "gauge", help);
    metric_value(out, "", NULL, 0, value);
}
