#pragma once

/*
 * The program's own log: one line an event on stderr, logfmt or JSON.
 *
 *     log_event(LOG_WARN, "block set aside", LOG_STR("path", path), LOG_STR("reason",
 * str_of(err.text)));
 *
 * Set up once at start; any thread may log, lines never mix.
 */

#include <stdint.h>

#include "base/buf.h"

typedef enum LogLevel { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR } LogLevel;
typedef enum LogFormat { LOG_LOGFMT, LOG_JSON } LogFormat;

typedef struct LogField {
    const char *key;
    Str text;       /* used if `is_text` */
    int64_t number; /* else this */
    bool is_text;
} LogField;

#define LOG_STR(name, value) ((LogField){.key = (name), .text = (value), .is_text = true})
#define LOG_INT(name, value) ((LogField){.key = (name), .number = (value)})

void log_setup(LogLevel level, LogFormat format);

void log_fields(LogLevel level, const char *event, const LogField *fields, size_t count);

#define log_event(level, event, ...)                                                               \
    log_fields((level), (event), (const LogField[]){{.key = NULL}, __VA_ARGS__} + 1,               \
               sizeof((const LogField[]){{.key = NULL}, __VA_ARGS__}) / sizeof(LogField) - 1)

/* The same text events go through, for tests: one line without its time. */
void log_format(Buf *buf, LogFormat format, LogLevel level, const char *event,
                const LogField *fields, size_t count);
