#include "web/am.h"

#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "base/number.h"
#include "web/origin.h"

static void open_to_all(Request *request) {
    respond_header(request, "Cache-Control", STR("no-store"));
    respond_header(request, "Access-Control-Allow-Origin", STR("*"));
    respond_header(request, "Access-Control-Allow-Methods", origin_methods(request));
    respond_header(request, "Access-Control-Allow-Headers",
                   STR("Accept, Authorization, Content-Type, Origin"));
    respond_header(request, "Access-Control-Expose-Headers", STR("Date"));
}

JsonWriter am_json(Request *request, int status) {
    open_to_all(request);
    return respond_json(request, status);
}

void am_empty(Request *request, int status) {
    open_to_all(request);
    request->response.status = status;
}

void handle_am_preflight(Web *web, Request *request) {
    (void)web;
    am_empty(request, 200);
}

void am_string_error(Request *request, int status, const char *fmt, ...) {
    char text[1200];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    JsonWriter json = am_json(request, status);
    json_str(&json, str_of(text));
    if (status == 503) {
        respond_header(request, "Retry-After", STR("5"));
    }
}

void am_framework_error(Request *request, int status, int code, const char *fmt, ...) {
    char text[1200];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    JsonWriter json = am_json(request, status);
    json_object(&json);
    json_put_int(&json, "code", code);
    json_put_str(&json, "message", str_of(text));
    json_end(&json);
}

/* "application/json", whatever its case and its parameters. */
static bool is_json_type(Str type) {
    Str media = str_trim((Str){type.ptr, str_find(type, ';')});
    Str json = STR("application/json");
    return media.len == json.len && strncasecmp(media.ptr, json.ptr, json.len) == 0;
}

/* What most bodies are, is read as it stands. */
static cJSON *parse(Request *request, Str body, const char **ret_end) {
    bool plain = str_is_utf8(body) && !memmem(body.ptr, body.len, "\\u0000", 6);
    cJSON *json = plain ? cJSON_ParseWithLengthOpts(body.ptr, body.len, ret_end, false) : NULL;
    if (!json) {
        Str mended = am_mended(&request->arena, body);
        const char *end = NULL;
        json = cJSON_ParseWithLengthOpts(mended.ptr, mended.len, plain ? &end : ret_end, false);
        *ret_end = plain || !*ret_end ? *ret_end : body.ptr + (*ret_end - mended.ptr);
    }
    return json;
}

cJSON *am_body_of_any_type(Request *request, const char *what) {
    Str body = buf_view(&request->body);
    if (!str_trim(body).len) {
        am_framework_error(request, 422, 602, "%s in body is required", what);
        return NULL;
    }
    const char *end = NULL;
    cJSON *json = parse(request, body, &end);
    if (!json) {
        am_framework_error(request, 400, 400,
                           "parsing %s body from \"\" failed, because invalid JSON at byte %zu",
                           what, end ? (size_t)(end - body.ptr) : 0);
    }
    return json;
}

cJSON *am_body(Request *request, const char *what) {
    Str type = request_header(request, STR("content-type"));
    if (request->body.len && !is_json_type(type)) {
        am_framework_error(request, 415, 415,
                           "unsupported media type \"%.*s\", only [application/json] are allowed",
                           STR_ARG(type.len ? type : STR("application/octet-stream")));
        return NULL;
    }
    return am_body_of_any_type(request, what);
}

void am_wrong_type(Request *request, const char *what, const char *member, const char *wanted) {
    am_framework_error(request, 400, 400,
                       "parsing %s body from \"\" failed, because %s has to be %s", what, member,
                       wanted);
}

bool am_text(Request *request, const char *what, const cJSON *object, const char *key,
             Str *ret_text) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    *ret_text = STR("");
    if (!item || cJSON_IsNull(item)) {
        return true;
    }
    if (!cJSON_IsString(item)) {
        am_wrong_type(request, what, key, "a string");
        return false;
    }
    *ret_text = str_of(item->valuestring);
    return true;
}

bool am_filters(Request *request, const char *name, MatcherSet *ret_filters) {
    MatcherSet set = {arena_array(&request->arena, Matcher, request->params.items_count), 0};
    for (size_t i = 0; i < request->params.items_count; i++) {
        Param param = request->params.items[i];
        Err err = {0};
        if (!str_eq(param.name, str_of(name))) {
            continue;
        }
        if (!matcher_parse(&request->arena, param.value, &set.items[set.count], &err)) {
            am_string_error(request, 400, "%s", err.text);
            matcher_set_finish(&set);
            return false;
        }
        set.count++;
    }
    *ret_filters = set;
    return true;
}

/* Alertmanager takes these for true and whatever else for false; Python says "True". */
bool am_bool(const Request *request, const char *name, bool fallback) {
    static const char *const words[] = {"true", "1",        "yes",     "ok", "y",
                                        "on",   "selected", "checked", "t",  "enabled"};
    Str text = params_get_last(&request->params, str_of(name));
    bool value = text.len == 0 && fallback;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        value = value ||
                (text.len == strlen(words[i]) && strncasecmp(text.ptr, words[i], text.len) == 0);
    }
    return value;
}

/* Alertmanager also reads times without a zone, as UTC, with a space or T between, and without
 * seconds. */
static bool parse_time(Str text, TimeMs *ret_time, Err *err) {
    char zoned[64];
    if (text.len >= 19 && text.len < sizeof zoned - 1 && text.ptr[10] == ' ') {
        snprintf(zoned, sizeof zoned, "%.*sT%.*s", 10, text.ptr, (int)text.len - 11, text.ptr + 11);
    } else {
        snprintf(zoned, sizeof zoned, "%.*s", (int)(text.len < 60 ? text.len : 60), text.ptr);
    }
    Err ignored;
    if (time_parse_rfc3339(text, ret_time, err)) {
        return true;
    }
    if (text.len == 16 || (text.len == 17 && text.ptr[16] == 'Z')) {
        snprintf(zoned, sizeof zoned, "%.*s:00", 16, text.ptr);
    }
    strncat(zoned, "Z", sizeof zoned - strlen(zoned) - 1);
    return time_parse_rfc3339(str_of(zoned), ret_time, &ignored);
}

/* 0001-01-01T00:00:00Z: what Go sends for "unset". */
#define GO_ZERO_TIME_MS INT64_C(-62135596800000)

bool am_time(Request *request, const char *what, const cJSON *object, const char *key,
             TimeMs *ret_time) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    Err err = {0};
    *ret_time = 0;
    if (!item || cJSON_IsNull(item)) {
        return true;
    }
    TimeMs time = 0;
    if (!cJSON_IsString(item) ||
        (item->valuestring[0] && !parse_time(str_of(item->valuestring), &time, &err))) {
        am_framework_error(request, 400, 400, "parsing %s body from \"\" failed, because %s: %s",
                           what, key, cJSON_IsString(item) ? err.text : "is no time");
        return false;
    }
    *ret_time = time == GO_ZERO_TIME_MS ? 0 : time;
    return true;
}

bool am_labels(Arena *arena, const cJSON *object, LabelSet *ret_labels, Err *err) {
    if (object && !cJSON_IsObject(object) && !cJSON_IsNull(object)) {
        return err_set(err, ERR_INVALID, "labels are an object of strings");
    }
    Label *items = arena_array(arena, Label, (size_t)cJSON_GetArraySize(object));
    size_t count = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, object) {
        if (cJSON_IsNull(item)) {
            continue; /* in Go the same as "", and that is no label */
        }
        if (!cJSON_IsString(item)) {
            return err_set(err, ERR_INVALID, "label \"%s\" is no string", item->string);
        }
        items[count++] = (Label){arena_str(arena, str_of(item->string)),
                                 arena_str(arena, str_of(item->valuestring))};
    }
    return labels_build(items, count, ret_labels, err);
}
