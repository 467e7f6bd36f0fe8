#include "base/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/number.h"

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};

static _Atomic LogLevel level_min = LOG_INFO;
static _Atomic LogFormat line_format = LOG_LOGFMT;
static pthread_mutex_t line_lock = PTHREAD_MUTEX_INITIALIZER;

void log_setup(LogLevel level, LogFormat format) {
    level_min = level;
    line_format = format;
}

static bool is_bare_logfmt(Str text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if (byte <= ' ' || byte == '=' || byte == '"' || byte == '\\' || byte >= 0x7f) {
            return false;
        }
    }
    return text.len > 0;
}

static void put_logfmt_text(Buf *buf, Str text) {
    if (is_bare_logfmt(text)) {
        buf_str(buf, text);
    } else {
        json_quote(buf, text);
    }
}

static void put_logfmt(Buf *buf, const char *level, const char *event, const LogField *fields,
                       size_t count) {
    buf_printf(buf, "level=%s msg=", level);
    put_logfmt_text(buf, str_of(event));
    for (size_t i = 0; i < count; i++) {
        buf_printf(buf, " %s=", fields[i].key);
        if (fields[i].is_text) {
            put_logfmt_text(buf, fields[i].text);
        } else {
            number_put_int(buf, fields[i].number);
        }
    }
}

static void put_json(JsonWriter *json, const char *level, const char *event, const LogField *fields,
                     size_t count) {
    json_put_str(json, "level", str_of(level));
    json_put_str(json, "msg", str_of(event));
    for (size_t i = 0; i < count; i++) {
        if (fields[i].is_text) {
            json_put_str(json, fields[i].key, fields[i].text);
        } else {
            json_put_int(json, fields[i].key, fields[i].number);
        }
    }
}

/* `time` NULL: the line does without. */
static void put_line(Buf *buf, LogFormat format, const TimeMs *time, LogLevel level,
                     const char *event, const LogField *fields, size_t count) {
    if (format == LOG_JSON) {
        JsonWriter json = json_writer(buf);
        json_object(&json);
        if (time) {
            json_put_time(&json, "time", *time);
        }
        put_json(&json, level_names[level], event, fields, count);
        json_end(&json);
    } else {
        if (time) {
            buf_str(buf, STR("time="));
            time_put(buf, *time);
            buf_byte(buf, ' ');
        }
        put_logfmt(buf, level_names[level], event, fields, count);
    }
    buf_byte(buf, '\n');
}

/* Nobody can be told that the log cannot be written, so errors end the line. */
static void write_line(Str line) {
    pthread_mutex_lock(&line_lock);
    while (line.len) {
        ssize_t done = write(STDERR_FILENO, line.ptr, line.len);
        if (done <= 0) {
            break;
        }
        line = str_skip(line, (size_t)done);
    }
    pthread_mutex_unlock(&line_lock);
}

void log_fields(LogLevel level, const char *event, const LogField *fields, size_t count) {
    if (level < level_min) {
        return;
    }
    TimeMs now = clock_now();
    AUTO(buf_finish) Buf buf = {0};
    put_line(&buf, line_format, &now, level, event, fields, count);
    write_line(buf_view(&buf));
}

void log_format(Buf *buf, LogFormat format, LogLevel level, const char *event,
                const LogField *fields, size_t count) {
    put_line(buf, format, NULL, level, event, fields, count);
}
