/*
 * /api/v1/route: what the routing tree does with a label set (`label=name=value`, repeated, and
 * `time`); without labels the tree itself as text (`format=yaml` for YAML).
 *
 * /api/v1/notifications: the outbox by hand. GET lists what waits, what failed for good, and the
 * latest tests; POST .../retry {"ids": [1]} or {"all": true}; DELETE .../ID gives one up; POST
 * .../acknowledge {"labels": {...}, "comment"}; POST
 * .../test {"receiver": "x"} or {"labels": {...}}, with "resolve" and "ignore_windows".
 */

#include "base/number.h"
#include "web/am.h"

enum { NOTIFICATIONS_SHOWN = 1000, RETRY_IDS_MAX = 10000 };

/* ---- routes ---- */

static bool read_labels(const Request *request, Label *items, size_t *ret_count, Err *err) {
    for (size_t i = 0; i < request->params.items_count; i++) {
        const Param *param = &request->params.items[i];
        if (!str_eq(param->name, STR("label"))) {
            continue;
        }
        size_t equals = str_find(param->value, '=');
        if (equals == 0 || equals == param->value.len) {
            return err_set(err, ERR_INVALID, "label: expected name=value, not \"%.*s\"",
                           STR_ARG(param->value));
        }
        if (*ret_count == LABELS_MAX) {
            return err_set(err, ERR_LIMIT, "more than %d labels", LABELS_MAX);
        }
        items[(*ret_count)++] =
            (Label){{param->value.ptr, equals}, str_skip(param->value, equals + 1)};
    }
    return true;
}

void handle_route(Web *web, Request *request) {
    Err err = {0};
    LabelSet labels;
    TimeMs time;
    size_t count = 0;
    Label *items = arena_array(&request->arena, Label, LABELS_MAX);
    if (!read_labels(request, items, &count, &err) || !labels_build(items, count, &labels, &err) ||
        !api_time(request, "time", clock_now(), &time, &err)) {
        respond_error(request, &err);
        return;
    }
    if (!params_has(&request->params, STR("label"))) {
        AUTO(buf_finish) Buf text = {0};
        bool yaml = str_eq(params_get(&request->params, STR("format")), STR("yaml"));
        notify_route_print(web_doors(web)->notify, yaml, &text);
        respond_text(request, 200, buf_view(&text));
        return;
    }
    JsonWriter json = respond_success(request);
    notify_route_json(web_doors(web)->notify, labels, time, &json);
    respond_success_end(&json);
}

/* ---- listing ---- */

static void put_notification(JsonWriter *json, const NotificationView *view) {
    json_object(json);
    json_put_int(json, "id", view->id);
    json_put_str(json, "status", view->status);
    json_put_str(json, "receiver", view->receiver);
    json_put_str(json, "type", view->type);
    json_put_str(json, "integration", view->integration);
    json_put_str(json, "action", view->action);
    json_put_str(json, "reason", view->reason);
    json_put_str(json, "dedup_key", view->dedup_key);
    json_put_time(json, "created_at", view->created_at);
    json_put_time(json, "next_attempt_at", view->due_at);
    json_put_int(json, "attempts", view->attempts);
    json_put_int(json, "http_status", view->http_status);
    json_put_str(json, "answer", view->answer);
    json_put_int(json, "alert_count", (int64_t)view->alert_count);
    json_put_array(json, "alerts");
    for (size_t i = 0; i < view->alerts_shown; i++) {
        labels_json(json, view->alerts[i]);
    }
    json_end(json);
    json_end(json);
}

void handle_notifications(Web *web, Request *request) {
    AUTO(arena_finish) Arena arena = {0};
    Err err = {0};
    size_t limit = 0, count;
    NotificationView *views;
    NotificationFilter filter = {.status = params_get(&request->params, STR("status")),
                                 .receiver = params_get(&request->params, STR("receiver"))};
    Str id = params_get(&request->params, STR("id"));
    if (!api_limit(request, &limit, &err) ||
        (id.len && !number_parse_int(id, &filter.id) &&
         !err_set(&err, ERR_INVALID, "id: expected a number, not \"%.*s\"", STR_ARG(id)))) {
        respond_error(request, &err);
        return;
    }
    filter.limit = limit ? limit : NOTIFICATIONS_SHOWN;
    notify_notifications(web_doors(web)->notify, &filter, &arena, &views, &count);
    JsonWriter json = respond_success(request);
    json_array(&json);
    for (size_t i = 0; i < count; i++) {
        put_notification(&json, &views[i]);
    }
    json_end(&json);
    respond_success_end(&json);
}

/* ---- by hand ---- */

/* The body as an object whose members are all among `known`. */
static cJSON *read_object(const Request *request, const char *const *known, Err *err) {
    Str text = buf_view(&request->body);
    cJSON *body = cJSON_ParseWithLength(text.ptr, text.len);
    const cJSON *item;
    if (!cJSON_IsObject(body)) {
        (void)err_set(err, ERR_INVALID, "expected a JSON object");
        cJSON_Delete(body);
        return NULL;
    }
    cJSON_ArrayForEach(item, body) {
        bool found = false;
        for (size_t i = 0; known[i]; i++) {
            found = found || strcmp(known[i], item->string) == 0;
        }
        if (!found) {
            const char *near = str_suggest(str_of(item->string), known);
            (void)err_set(err, ERR_INVALID, "unknown member \"%s\"%s%s%s", item->string,
                          near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
            cJSON_Delete(body);
            return NULL;
        }
    }
    return body;
}

static bool read_ids(const cJSON *body, Arena *arena, int64_t **ret_ids, size_t *ret_count,
                     Err *err) {
    const cJSON *ids = cJSON_GetObjectItemCaseSensitive(body, "ids"), *item;
    bool all = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(body, "all"));
    int count = cJSON_IsArray(ids) ? cJSON_GetArraySize(ids) : 0;
    if (count == 0 && !all) {
        return err_set(err, ERR_INVALID, "expected {\"ids\": [1, 2]} or {\"all\": true}");
    }
    if (count > RETRY_IDS_MAX) {
        return err_set(err, ERR_LIMIT, "more than %d ids", RETRY_IDS_MAX);
    }
    *ret_ids = arena_array(arena, int64_t, (size_t)count + 1);
    cJSON_ArrayForEach(item, ids) {
        if (!cJSON_IsNumber(item) || item->valuedouble < 1 || item->valuedouble > 9e15) {
            return err_set(err, ERR_INVALID, "ids: expected numbers");
        }
        (*ret_ids)[(*ret_count)++] = (int64_t)item->valuedouble;
    }
    return true;
}

void handle_retry_notifications(Web *web, Request *request) {
    static const char *const known[] = {"ids", "all", "actor", NULL};
    Err err = {0};
    int64_t *ids = NULL;
    size_t count = 0, done = 0;
    cJSON *body = read_object(request, known, &err);
    const cJSON *who = cJSON_GetObjectItemCaseSensitive(body, "actor");
    Actor actor = request_actor(request, cJSON_IsString(who) ? str_of(who->valuestring) : STR(""));
    if (!body || !read_ids(body, &request->arena, &ids, &count, &err) ||
        !notify_retry(web_doors(web)->notify, ids, count, &actor, clock_now(), &done, &err)) {
        respond_error(request, &err);
    } else {
        JsonWriter json = respond_success(request);
        json_object(&json);
        json_put_int(&json, "retried", (int64_t)done);
        json_end(&json);
        respond_success_end(&json);
    }
    cJSON_Delete(body);
}

void handle_drop_notification(Web *web, Request *request) {
    Err err = {0};
    int64_t id = 0;
    Actor actor = request_actor(request, params_get(&request->params, STR("actor")));
    bool good =
        number_parse_int(request->path_args[0], &id) ||
        err_set(&err, ERR_NOT_FOUND, "no notification \"%.*s\"", STR_ARG(request->path_args[0]));
    if (!good || !notify_drop(web_doors(web)->notify, id, &actor, clock_now(), &err)) {
        respond_error(request, &err);
        return;
    }
    request->response.status = 204;
}

static bool read_test(const cJSON *body, Arena *arena, NotifyTest *test, Err *err) {
    const cJSON *receiver = cJSON_GetObjectItemCaseSensitive(body, "receiver");
    const cJSON *labels = cJSON_GetObjectItemCaseSensitive(body, "labels");
    test->receiver = cJSON_IsString(receiver) ? str_of(receiver->valuestring) : STR("");
    test->resolve = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(body, "resolve"));
    test->ignore_windows = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(body, "ignore_windows"));
    return !labels ||
           (am_labels(arena, labels, &test->labels, err) && labels_valid(test->labels, err));
}

static void put_target(JsonWriter *json, const TestTarget *target) {
    json_object(json);
    json_put_str(json, "receiver", target->receiver);
    json_put_str(json, "integration", target->integration);
    json_put_str(json, "type", target->type);
    if (target->id) {
        json_put_int(json, "id", target->id);
    }
    if (target->resolve_id) {
        json_put_int(json, "resolve_id", target->resolve_id);
    }
    if (target->held_by.len) {
        json_put_str(json, "held_by", target->held_by);
        json_put_time(json, "held_until", target->held_until);
    }
    json_end(json);
}

void handle_test_notification(Web *web, Request *request) {
    static const char *const known[] = {"receiver",       "labels", "resolve",
                                        "ignore_windows", "actor",  NULL};
    Err err = {0};
    NotifyTest test = {0};
    TestTarget *targets;
    size_t count;
    cJSON *body = read_object(request, known, &err);
    const cJSON *who = cJSON_GetObjectItemCaseSensitive(body, "actor");
    Actor actor = request_actor(request, cJSON_IsString(who) ? str_of(who->valuestring) : STR(""));
    if (!body || !read_test(body, &request->arena, &test, &err) ||
        !notify_test(web_doors(web)->notify, &test, &actor, clock_now(), &request->arena, &targets,
                     &count, &err)) {
        respond_error(request, &err);
    } else {
        JsonWriter json = respond_success(request);
        json_array(&json);
        for (size_t i = 0; i < count; i++) {
            put_target(&json, &targets[i]);
        }
        json_end(&json);
        respond_success_end(&json);
    }
    cJSON_Delete(body);
}

/* ---- acknowledging ---- */

void handle_acknowledge(Web *web, Request *request) {
    static const char *const known[] = {"labels", "comment", "actor", NULL};
    Err err = {0};
    LabelSet labels = {0};
    size_t alerts = 0, passed_on = 0;
    cJSON *body = read_object(request, known, &err);
    const cJSON *who = cJSON_GetObjectItemCaseSensitive(body, "actor");
    const cJSON *why = cJSON_GetObjectItemCaseSensitive(body, "comment");
    const cJSON *which = cJSON_GetObjectItemCaseSensitive(body, "labels");
    Actor actor = request_actor(request, cJSON_IsString(who) ? str_of(who->valuestring) : STR(""));
    if (!body || (which && !am_labels(&request->arena, which, &labels, &err)) ||
        !notify_acknowledge(web_doors(web)->notify, labels, &actor,
                            cJSON_IsString(why) ? str_of(why->valuestring) : STR(""), clock_now(),
                            &alerts, &passed_on, &err)) {
        respond_error(request, &err);
    } else {
        JsonWriter json = respond_success(request);
        json_object(&json);
        json_put_int(&json, "alerts", (int64_t)alerts);
        json_put_int(&json, "passed_on", (int64_t)passed_on);
        json_end(&json);
        respond_success_end(&json);
    }
    cJSON_Delete(body);
}
