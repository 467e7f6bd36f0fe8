#pragma once

/*
 * What the handlers of Alertmanager's API v2 share. Two shapes of error bodies, as the original has
 * them: a bare JSON string for what its own code refuses, {"code", "message"} for what its
 * framework does.
 */

#include <cjson/cJSON.h>

#include "web/api.h"

/* JSON answers of API v2: no-store, and open to other origins. */
JsonWriter am_json(Request *request, int status);
void am_empty(Request *request, int status);
void am_string_error(Request *request, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);
void am_framework_error(Request *request, int status, int code, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* The body as JSON: answers 400 or 415 itself and returns NULL. cJSON_Delete() the result. */
cJSON *am_body(Request *request, const char *what);
/* The same whatever its Content-Type. */
cJSON *am_body_of_any_type(Request *request, const char *what);

/* 400: `member` is no `wanted`. */
void am_wrong_type(Request *request, const char *what, const char *member, const char *wanted);
/* A member that is a string, "" where it is missing; answers 400 itself. */
bool am_text(Request *request, const char *what, const cJSON *object, const char *key,
             Str *ret_text);

/* The `filter` parameters; answers 400 itself. matcher_set_finish() the result. */
bool am_filters(Request *request, const char *name, MatcherSet *ret_filters);

/* A boolean parameter, `fallback` where missing. */
bool am_bool(const Request *request, const char *name, bool fallback);

/* A time member of a `what`: false if it is there and none (answers 400 itself). The zero time
 * counts as missing (0). */
bool am_time(Request *request, const char *what, const cJSON *object, const char *key,
             TimeMs *ret_time);

/* JSON as Go reads it: what is not UTF-8, half of a surrogate pair and \u0000 are U+FFFD. */
Str am_mended(Arena *arena, Str text);
/* What url.ParseRequestURI() takes. */
bool am_is_uri(Str url);

/* A member that is a string, or "". */
Str json_text(const cJSON *object, const char *key);

/* Matchers as strings (`cluster="x"`), as Alertmanager's objects, or as a map of labels. At least
 * one. */
bool api_read_matchers(Arena *arena, const cJSON *list, SilenceMatcher **ret_matchers,
                       size_t *ret_count, Err *err) MUST_CHECK;

/* The member `schedule`, a list in the shape of time_intervals: its text. NULL `ptr` where it is
 * missing, "" where it is null or empty. And the other way round; nothing for "". */
bool api_read_schedule(Arena *arena, const cJSON *object, Str *ret_schedule, Err *err) MUST_CHECK;
void api_put_schedule(JsonWriter *json, Str schedule);

/* Editing without overwriting others: a GET of one silence or flag gives its ETag, an edit with
 * If-Match fails with 412 if somebody was faster. 0 = no such header, or any version will do. */
TimeMs api_if_match(const Request *request);
void api_put_etag(Request *request, TimeMs updated_at);

/* An object of strings as labels; empty values are dropped. False if it is none. */
bool am_labels(Arena *arena, const cJSON *object, LabelSet *ret_labels, Err *err);
