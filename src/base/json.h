#pragma once

/*
 * Writing JSON front to back into a Buf, commas placed by the writer. (Reading is cJSON's.)
 *
 *     JsonWriter json = json_writer(&buf);
 *     json_object(&json);
 *     json_key(&json, STR("status")), json_str(&json, STR("success"));
 *     json_end(&json);
 *
 * Strings are escaped as Go's encoding/json does with HTML escaping off; bytes that are not UTF-8
 * become U+FFFD, so the output is always valid.
 */

#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"

enum { JSON_DEPTH_MAX = 64 };

typedef struct JsonWriter {
    Buf *buf;
    int depth;
    bool after_key;
    bool has_item[JSON_DEPTH_MAX];
    char closer[JSON_DEPTH_MAX];
} JsonWriter;

JsonWriter json_writer(Buf *buf);
void json_object(JsonWriter *json);
void json_array(JsonWriter *json);
void json_end(JsonWriter *json); /* closes the innermost object or array */
void json_key(JsonWriter *json, Str key);

void json_str(JsonWriter *json, Str text);
void json_int(JsonWriter *json, int64_t value);
void json_number(JsonWriter *json, double value); /* NaN and infinities as null */
void json_bool(JsonWriter *json, bool value);
void json_null(JsonWriter *json);
void json_time(JsonWriter *json, TimeMs time); /* RFC 3339 string */
void json_raw(JsonWriter *json, Str text);     /* already JSON */

/* `"key": value` in one call. */
void json_put_str(JsonWriter *json, const char *key, Str value);
void json_put_int(JsonWriter *json, const char *key, int64_t value);
void json_put_number(JsonWriter *json, const char *key, double value);
void json_put_bool(JsonWriter *json, const char *key, bool value);
void json_put_time(JsonWriter *json, const char *key, TimeMs value);
void json_put_object(JsonWriter *json, const char *key); /* opens; json_end() closes */
void json_put_array(JsonWriter *json, const char *key);

/* Only the quoted, escaped string. */
void json_quote(Buf *buf, Str text);
