/*
 * /api/v1/maintenance: flags as {id, matchers, mode, reason, owner, starts_at, ends_at | review_at,
 * schedule, ...}. Matchers are shown as strings.
 */

#include "web/am.h"

#include "base/number.h"

static void put_matcher(JsonWriter *json, const SilenceMatcher *matcher) {
    static const char *const operators[2][2] = {{"!=", "="}, {"!~", "=~"}};
    AUTO(buf_finish) Buf text = {0};
    if (label_name_is_legacy(matcher->name)) {
        buf_str(&text, matcher->name);
    } else {
        json_quote(&text, matcher->name);
    }
    buf_str(&text, str_of(operators[matcher->is_regex][matcher->is_equal]));
    json_quote(&text, matcher->value);
    json_str(json, buf_view(&text));
}

static void put_flag(JsonWriter *json, const Flag *flag) {
    json_object(json);
    json_put_str(json, "id", flag->id);
    json_put_array(json, "matchers");
    for (size_t i = 0; i < flag->matcher_count; i++) {
        put_matcher(json, &flag->matchers[i]);
    }
    json_end(json);
    json_put_str(json, "mode", str_of(flag_mode_text(flag->mode)));
    json_put_str(json, "reason", flag->reason);
    json_put_str(json, "owner", flag->owner);
    json_put_time(json, "starts_at", flag->starts_at);
    if (flag->ends_at) {
        json_put_time(json, "ends_at", flag->ends_at);
    }
    if (flag->review_at) {
        json_put_time(json, "review_at", flag->review_at);
    }
    api_put_schedule(json, flag->schedule);
    json_put_time(json, "created_at", flag->created_at);
    json_put_time(json, "updated_at", flag->updated_at);
    json_put_str(json, "origin", flag->origin);
    json_put_bool(json, "active", flag->active);
    json_put_bool(json, "forgotten", flag->forgotten);
    json_end(json);
}

void handle_maintenance(Web *web, Request *request) {
    AUTO(arena_finish) Arena arena = {0};
    Flag *flags;
    size_t count;
    notify_flag_list(web_doors(web)->notify, clock_now(), &arena, &flags, &count);
    JsonWriter json = respond_success(request);
    json_array(&json);
    for (size_t i = 0; i < count; i++) {
        put_flag(&json, &flags[i]);
    }
    json_end(&json);
    respond_success_end(&json);
}

void handle_maintenance_flag(Web *web, Request *request) {
    Err err = {0};
    Flag flag;
    if (!notify_flag_get(web_doors(web)->notify, request->path_args[0], clock_now(),
                         &request->arena, &flag, &err)) {
        respond_error(request, &err);
        return;
    }
    api_put_etag(request, flag.updated_at);
    JsonWriter json = respond_success(request);
    put_flag(&json, &flag);
    respond_success_end(&json);
}

/* ---- setting one ---- */

static bool read_mode(const cJSON *body, FlagMode *ret_mode, Err *err) {
    Str mode = json_text(body, "mode");
    *ret_mode = FLAG_ALL;
    return mode.len == 0 || flag_mode_of(mode, ret_mode) ||
           err_set(err, ERR_INVALID, "mode: \"%.*s\" is none of all, below_critical, hold",
                   STR_ARG(mode));
}

static bool read_time(const cJSON *body, const char *key, TimeMs *ret_time, Err *err) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(body, key);
    if (cJSON_IsNumber(item)) {
        *ret_time = (TimeMs)(item->valuedouble * 1000);
        return true;
    }
    Str text = json_text(body, key);
    return text.len == 0 || time_parse(text, ret_time, err) || err_context(err, "%s", key);
}

static bool read_flag(Arena *arena, const cJSON *body, TimeMs now, Flag *flag, Err *err) {
    static const char *const known[] = {"id",        "matchers", "reason",    "owner",    "mode",
                                        "starts_at", "ends_at",  "review_at", "schedule", NULL};
    const cJSON *item;
    cJSON_ArrayForEach(item, body) {
        bool found = false;
        for (size_t i = 0; known[i]; i++) {
            found = found || strcmp(known[i], item->string) == 0;
        }
        if (!found) {
            const char *near = str_suggest(str_of(item->string), known);
            return err_set(err, ERR_INVALID, "unknown member \"%s\"%s%s%s", item->string,
                           near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
        }
    }
    *flag = (Flag){.origin = STR("api"), .starts_at = now};
    flag->id = json_text(body, "id");
    flag->reason = json_text(body, "reason");
    flag->owner = json_text(body, "owner");
    if (!api_read_matchers(arena, cJSON_GetObjectItemCaseSensitive(body, "matchers"),
                           &flag->matchers, &flag->matcher_count, err) ||
        !api_read_schedule(arena, body, &flag->schedule, err) ||
        !read_mode(body, &flag->mode, err) ||
        !read_time(body, "starts_at", &flag->starts_at, err) ||
        !read_time(body, "ends_at", &flag->ends_at, err) ||
        !read_time(body, "review_at", &flag->review_at, err)) {
        return false;
    }
    if (flag->reason.len == 0 || flag->owner.len == 0) {
        return err_set(err, ERR_INVALID, "a flag needs a reason and an owner");
    }
    return flag->ends_at || flag->review_at ||
           err_set(err, ERR_INVALID, "a flag needs ends_at or review_at");
}

void handle_set_maintenance(Web *web, Request *request) {
    Err err = {0};
    Str body_text = buf_view(&request->body);
    cJSON *body = cJSON_ParseWithLength(body_text.ptr, body_text.len);
    Flag flag = {0};
    Str id;
    TimeMs now = clock_now();
    bool good = cJSON_IsObject(body) ||
                err_set(&err, ERR_INVALID, "expected a JSON object {matchers, reason, owner, ...}");
    good = good && read_flag(&request->arena, body, now, &flag, &err);
    if (good) {
        flag.if_updated_at = api_if_match(request);
        Str claimed = params_get(&request->params, STR("actor"));
        Actor actor = request_actor(request, claimed.len ? claimed : flag.owner);
        good =
            notify_flag_set(web_doors(web)->notify, &flag, &actor, now, &request->arena, &id, &err);
    }
    if (good) {
        notify_wake(web_doors(web)->notify);
        JsonWriter json = respond_json(request, 200);
        json_object(&json);
        json_put_str(&json, "id", id);
        json_end(&json);
    } else {
        respond_error(request, &err);
        request->response.status =
            flag.if_updated_at && err.kind == ERR_CONFLICT ? 412 : request->response.status;
    }
    cJSON_Delete(body);
}

void handle_clear_maintenance(Web *web, Request *request) {
    Err err = {0};
    Actor actor = request_actor(request, params_get(&request->params, STR("actor")));
    if (!notify_flag_clear(web_doors(web)->notify, request->path_args[0], &actor, clock_now(),
                           &err)) {
        respond_error(request, &err);
        return;
    }
    notify_wake(web_doors(web)->notify);
    request->response.status = 204;
}
