/*
 * /api/v1/maintenance: flags as {id, matchers, mode, reason, owner, starts_at, ends_at | review_at,
 * ...}.
 *
 * Matchers are taken as strings (`cluster="x"`), as Alertmanager's objects, or as a map of labels;
 * they are shown as strings.
 */

#include "web/am.h"

#include "base/number.h"

static const char *const mode_texts[] = {"all", "below_critical", "hold"};

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
    json_put_str(json, "mode", str_of(mode_texts[flag->mode]));
    json_put_str(json, "reason", flag->reason);
    json_put_str(json, "owner", flag->owner);
    json_put_time(json, "starts_at", flag->starts_at);
    if (flag->ends_at) {
        json_put_time(json, "ends_at", flag->ends_at);
    }
    if (flag->review_at) {
        json_put_time(json, "review_at", flag->review_at);
    }
    json_put_time(json, "created_at", flag->created_at);
    json_put_time(json, "updated_at", flag->updated_at);
    json_put_str(json, "origin", flag->origin);
    json_put_bool(json, "active", flag->active);
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
    JsonWriter json = respond_success(request);
    put_flag(&json, &flag);
    respond_success_end(&json);
}

/* ---- setting one ---- */

static Str member_text(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) ? str_of(item->valuestring) : STR("");
}

static bool matcher_of_text(Arena *arena, Str text, SilenceMatcher *ret_matcher, Err *err) {
    Matcher matcher;
    if (!matcher_parse(arena, text, &matcher, err)) {
        return false;
    }
    *ret_matcher = (SilenceMatcher){
        .name = matcher.name,
        .value = matcher.value,
        .is_regex = matcher.type == MATCH_RE || matcher.type == MATCH_NRE,
        .is_equal = matcher.type == MATCH_EQ || matcher.type == MATCH_RE,
    };
    matcher_finish(&matcher);
    return true;
}

/* A string, Alertmanager's object, or (in a map) a plain value under its label's name. */
static bool read_matcher(Arena *arena, const cJSON *item, bool in_map, SilenceMatcher *ret_matcher,
                         Err *err) {
    if (in_map && cJSON_IsString(item)) {
        *ret_matcher = (SilenceMatcher){
            .name = str_of(item->string), .value = str_of(item->valuestring), .is_equal = true};
        return true;
    }
    if (cJSON_IsString(item)) {
        return matcher_of_text(arena, str_of(item->valuestring), ret_matcher, err);
    }
    if (!in_map && cJSON_IsString(cJSON_GetObjectItem(item, "name"))) {
        *ret_matcher = (SilenceMatcher){
            .name = member_text(item, "name"),
            .value = member_text(item, "value"),
            .is_regex = cJSON_IsTrue(cJSON_GetObjectItem(item, "isRegex")),
            .is_equal = !cJSON_IsFalse(cJSON_GetObjectItem(item, "isEqual")),
        };
        return true;
    }
    return err_set(
        err, ERR_INVALID,
        "matchers: expected strings like cluster=\"x\", or objects {name, value, isRegex, "
        "isEqual}");
}

static bool read_matchers(Arena *arena, const cJSON *list, Flag *flag, Err *err) {
    flag->matchers = arena_array(arena, SilenceMatcher, (size_t)cJSON_GetArraySize(list));
    const cJSON *item;
    cJSON_ArrayForEach(item, list) {
        if (!read_matcher(arena, item, cJSON_IsObject(list), &flag->matchers[flag->matcher_count],
                          err)) {
            return false;
        }
        flag->matcher_count++;
    }
    return flag->matcher_count > 0 ||
           err_set(err, ERR_INVALID, "a flag needs matchers, e.g. [\"cluster=\\\"staging-1\\\"\"]");
}

static bool read_mode(const cJSON *body, FlagMode *ret_mode, Err *err) {
    Str mode = member_text(body, "mode");
    *ret_mode = FLAG_ALL;
    for (int i = 0; i < 3 && mode.len; i++) {
        if (str_eq(mode, str_of(mode_texts[i]))) {
            *ret_mode = (FlagMode)i;
            return true;
        }
    }
    return mode.len == 0 ||
           err_set(err, ERR_INVALID, "mode: \"%.*s\" is none of all, below_critical, hold",
                   STR_ARG(mode));
}

static bool read_time(const cJSON *body, const char *key, TimeMs *ret_time, Err *err) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(body, key);
    if (cJSON_IsNumber(item)) {
        *ret_time = (TimeMs)(item->valuedouble * 1000);
        return true;
    }
    Str text = member_text(body, key);
    return text.len == 0 || time_parse(text, ret_time, err) || err_context(err, "%s", key);
}

static bool read_flag(Arena *arena, const cJSON *body, TimeMs now, Flag *flag, Err *err) {
    static const char *const known[] = {"id",        "matchers", "reason",    "owner", "mode",
                                        "starts_at", "ends_at",  "review_at", NULL};
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
    flag->id = member_text(body, "id");
    flag->reason = member_text(body, "reason");
    flag->owner = member_text(body, "owner");
    if (!read_matchers(arena, cJSON_GetObjectItemCaseSensitive(body, "matchers"), flag, err) ||
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
    Flag flag;
    Str id;
    TimeMs now = clock_now();
    bool good = cJSON_IsObject(body) ||
                err_set(&err, ERR_INVALID, "expected a JSON object {matchers, reason, owner, ...}");
    good = good && read_flag(&request->arena, body, now, &flag, &err);
    if (good) {
        Actor actor = request_actor(request, flag.owner);
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
    }
    cJSON_Delete(body);
}

void handle_clear_maintenance(Web *web, Request *request) {
    Err err = {0};
    Actor actor = request_actor(request, STR(""));
    if (!notify_flag_clear(web_doors(web)->notify, request->path_args[0], &actor, clock_now(),
                           &err)) {
        respond_error(request, &err);
        return;
    }
    notify_wake(web_doors(web)->notify);
    request->response.status = 204;
}
