/* /api/v2/silences and /api/v2/silence/{id}: status codes and texts as Alertmanager's (0.25
 * measured, 0.34 read). */

#include <ctype.h>

#include "web/am.h"

/* A filter on silences compares text: one of its matchers has to be the same. */
static void text_filter(Request *request, const MatcherSet *filters, SilenceFilter *filter) {
    SilenceMatcher *matchers = arena_array(&request->arena, SilenceMatcher, filters->count + 1);
    for (size_t i = 0; i < filters->count; i++) {
        const Matcher *from = &filters->items[i];
        matchers[i] = (SilenceMatcher){
            .name = from->name,
            .value = from->value,
            .is_regex = from->type == MATCH_RE || from->type == MATCH_NRE,
            .is_equal = from->type == MATCH_EQ || from->type == MATCH_RE,
        };
    }
    filter->matchers = matchers;
    filter->matcher_count = filters->count;
}

void handle_am_silences(Web *web, Request *request) {
    MatcherSet filters;
    if (!am_filters(request, "filter", &filters)) {
        return;
    }
    SilenceFilter filter = {.without = {[SILENCE_PENDING] = !am_bool(request, "pending", true),
                                        [SILENCE_ACTIVE] = !am_bool(request, "active", true),
                                        [SILENCE_EXPIRED] = !am_bool(request, "expired", true)}};
    text_filter(request, &filters, &filter);
    (void)am_json(request, 200);
    notify_silence_list(web_doors(web)->notify, &filter, clock_now(), &request->response.body);
    matcher_set_finish(&filters);
}

/* ---- posting ---- */

/* A member that the schema requires; answers 422 as the framework does. */
static const cJSON *required(Request *request, const cJSON *object, const char *where,
                             const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!item || cJSON_IsNull(item)) {
        am_framework_error(request, 422, 602, "%s%s in body is required", where, key);
        return NULL;
    }
    return item;
}

static bool read_matcher(Request *request, const cJSON *item, int index, SilenceMatcher *matcher) {
    char where[40];
    snprintf(where, sizeof where, "matchers.%d.", index);
    const cJSON *regex = required(request, item, where, "isRegex");
    const cJSON *name = regex ? required(request, item, where, "name") : NULL;
    const cJSON *value = name ? required(request, item, where, "value") : NULL;
    const cJSON *equal = cJSON_GetObjectItemCaseSensitive(item, "isEqual");
    if (!value) {
        return false;
    }
    *matcher = (SilenceMatcher){
        .name = str_of(name->valuestring),
        .value = str_of(value->valuestring),
        .is_regex = cJSON_IsTrue(regex),
        .is_equal = !cJSON_IsFalse(equal),
    };
    return true;
}

/* Types are looked at before anything is missed, as the framework does. */
static bool check_matcher_types(Request *request, const cJSON *item) {
    static const char *const texts[] = {"name", "value"}, *const truths[] = {"isRegex", "isEqual"};
    if (!cJSON_IsObject(item)) {
        am_wrong_type(request, "silence", "a matcher", "an object");
        return false;
    }
    for (int i = 0; i < 2; i++) {
        Str ignored;
        const cJSON *truth = cJSON_GetObjectItemCaseSensitive(item, truths[i]);
        if (!am_text(request, "silence", item, texts[i], &ignored)) {
            return false;
        }
        if (truth && !cJSON_IsBool(truth) && !cJSON_IsNull(truth)) {
            am_wrong_type(request, "silence", truths[i], "true or false");
            return false;
        }
    }
    return true;
}

static bool check_types(Request *request, const cJSON *body, Silence *silence) {
    if (!cJSON_IsObject(body) && !cJSON_IsNull(body)) {
        am_wrong_type(request, "silence", "it", "an object");
        return false;
    }
    const cJSON *matchers = cJSON_GetObjectItemCaseSensitive(body, "matchers");
    if (matchers && !cJSON_IsArray(matchers) && !cJSON_IsNull(matchers)) {
        am_wrong_type(request, "silence", "matchers", "a list");
        return false;
    }
    const cJSON *item;
    cJSON_ArrayForEach(item, matchers) {
        if (!check_matcher_types(request, item)) {
            return false;
        }
    }
    return am_text(request, "silence", body, "id", &silence->id) &&
           am_text(request, "silence", body, "comment", &silence->comment) &&
           am_text(request, "silence", body, "createdBy", &silence->created_by);
}

static bool read_matchers(Request *request, const cJSON *body, Silence *silence) {
    const cJSON *matchers = required(request, body, "", "matchers");
    if (!matchers) {
        return false;
    }
    int count = cJSON_GetArraySize(matchers);
    if (count < 1) {
        am_framework_error(request, 422, 612, "matchers in body should have at least 1 items");
        return false;
    }
    silence->matchers = arena_array(&request->arena, SilenceMatcher, (size_t)count);
    const cJSON *item;
    cJSON_ArrayForEach(item, matchers) {
        if (!read_matcher(request, item, (int)silence->matcher_count,
                          &silence->matchers[silence->matcher_count])) {
            return false;
        }
        silence->matcher_count++;
    }
    return true;
}

/* The posted silence; answers itself where it is none. Text points into `body`. */
static bool read_silence(Request *request, const cJSON *body, Silence *silence) {
    Err err = {0};
    if (!check_types(request, body, silence) ||
        !am_time(request, "silence", body, "startsAt", &silence->starts_at) ||
        !am_time(request, "silence", body, "endsAt", &silence->ends_at) ||
        !required(request, body, "", "comment") || !required(request, body, "", "createdBy") ||
        !required(request, body, "", "endsAt") || !read_matchers(request, body, silence) ||
        !required(request, body, "", "startsAt")) {
        return false;
    }
    silence->force = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(body, "force"));
    if (!am_labels(&request->arena, cJSON_GetObjectItemCaseSensitive(body, "annotations"),
                   &silence->annotations, &err)) {
        am_string_error(request, 400, "%s", err.text);
        return false;
    }
    if (!api_read_schedule(&request->arena, body, &silence->schedule, &err)) {
        am_string_error(request, 400, "%s", err.text);
        return false;
    }
    silence->if_updated_at = api_if_match(request);
    return true;
}

/* The kinds of notify_silence_set() and _expire() as Alertmanager's statuses. */
static void respond_silence_error(Request *request, const Err *err) {
    switch (err->kind) {
    case ERR_NOT_FOUND:
        am_string_error(request, 404, "%s", err->text);
        break;
    case ERR_CONFLICT:
        am_string_error(request, 412, "%s", err->text);
        break;
    case ERR_INVALID:
    case ERR_LIMIT:
        am_string_error(request, 400, "%s", err->text);
        break;
    default:
        log_trouble(request, err);
        am_string_error(request, err->kind == ERR_CORRUPT ? 500 : 503, "%s", err->text);
    }
}

void handle_am_set_silence(Web *web, Request *request) {
    cJSON *body = am_body(request, "silence");
    if (!body) {
        return;
    }
    Silence silence = {0};
    TimeMs now = clock_now();
    Err err = {0};
    Str id;
    if (!read_silence(request, body, &silence)) {
        cJSON_Delete(body);
        return;
    }
    Str claimed = params_get(&request->params, STR("actor"));
    Actor actor = request_actor(request, claimed.len ? claimed : silence.created_by);
    /* A start that is not given is the year 1 here, as it is in Go. */
    TimeMs start = silence.starts_at ? silence.starts_at : silence.ends_at ? INT64_MIN : 0;
    if (silence.ends_at <= start) {
        am_string_error(request, 400,
                        "Failed to create silence: start time must be before end time");
    } else if (silence.ends_at < now) {
        am_string_error(request, 400, "Failed to create silence: end time can't be in the past");
    } else if (!notify_silence_set(web_doors(web)->notify, &silence, &actor, now, &request->arena,
                                   &id, &err)) {
        respond_silence_error(request, &err);
    } else {
        notify_wake(web_doors(web)->notify);
        JsonWriter json = am_json(request, 200);
        json_object(&json);
        json_put_str(&json, "silenceID", id);
        json_end(&json);
    }
    cJSON_Delete(body);
}

/* ---- one ---- */

static bool is_uuid(Str text) {
    for (size_t i = 0; i < text.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text.ptr[i] != '-' : !isxdigit((unsigned char)text.ptr[i])) {
            return false;
        }
    }
    return text.len == 36;
}

/* The id of the path; answers 422 where it is no UUID. */
static bool read_id(Request *request) {
    Str id = request->path_args[0];
    if (!is_uuid(id)) {
        am_framework_error(request, 422, 601, "silenceID in path must be of type uuid: \"%.*s\"",
                           STR_ARG(id));
        return false;
    }
    return true;
}

void handle_am_silence(Web *web, Request *request) {
    if (!read_id(request)) {
        return;
    }
    Err err = {0};
    TimeMs updated_at;
    (void)am_json(request, 200);
    if (!notify_silence_print(web_doors(web)->notify, request->path_args[0], clock_now(),
                              &request->response.body, &updated_at, &err)) {
        request->response.content_type = NULL;
        request->response.status = err.kind == ERR_NOT_FOUND ? 404 : 500;
        return;
    }
    api_put_etag(request, updated_at);
}

/* What is listed among silences ends as they do. */
static bool clear_flag(Notify *notify, Str id, const Actor *actor, TimeMs now, Err *err) {
    *err = (Err){0};
    return notify_flag_clear(notify, id, actor, now, err);
}

void handle_am_expire_silence(Web *web, Request *request) {
    if (!read_id(request)) {
        return;
    }
    Err err = {0};
    Actor actor = request_actor(request, params_get(&request->params, STR("actor")));
    Notify *notify = web_doors(web)->notify;
    TimeMs now = clock_now();
    if (!notify_silence_expire(notify, request->path_args[0], &actor, now, &err) &&
        !(err.kind == ERR_NOT_FOUND &&
          clear_flag(notify, request->path_args[0], &actor, now, &err))) {
        if (err.kind == ERR_NOT_FOUND) {
            am_empty(request, 404);
        } else if (err.kind == ERR_CONFLICT) { /* amtool shows the words of a 500 only */
            am_string_error(request, 500, "%s", err.text);
        } else {
            respond_silence_error(request, &err);
        }
        return;
    }
    notify_wake(notify);
    am_empty(request, 200);
}
