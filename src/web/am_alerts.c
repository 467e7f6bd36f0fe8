/* /api/v2/alerts, /api/v2/alerts/groups, /api/v2/receivers and /api/v2/status. */

#include <stdio.h>

#include "base/number.h"
#include "web/am.h"

/* ---- what a request wants to see ---- */

typedef struct AlertFilter {
    bool active, silenced, inhibited, muted;
    MatcherSet filters;
    Regex *receiver; /* NULL = any */
} AlertFilter;

static void filter_finish(AlertFilter *filter) {
    matcher_set_finish(&filter->filters);
    regex_free(filter->receiver);
}

static bool read_filter(Request *request, AlertFilter *filter) {
    Str receiver = params_get(&request->params, STR("receiver"));
    bool unprocessed;
    Err err = {0};
    if (!am_bool(request, "active", true, &filter->active) ||
        !am_bool(request, "silenced", true, &filter->silenced) ||
        !am_bool(request, "inhibited", true, &filter->inhibited) ||
        !am_bool(request, "muted", true, &filter->muted) ||
        !am_bool(request, "unprocessed", true, &unprocessed) ||
        !am_filters(request, &filter->filters)) {
        return false;
    }
    if (receiver.len) {
        filter->receiver = regex_new(receiver.ptr, receiver.len, &err);
        if (!filter->receiver) {
            am_string_error(request, 400, "failed to parse receiver param: %s", err.text);
            filter_finish(filter);
            return false;
        }
    }
    return true;
}

static bool shows_receiver(const AlertFilter *filter, Str name) {
    return !filter->receiver || regex_matches(filter->receiver, name.ptr, name.len);
}

static bool shows(const AlertFilter *filter, const AlertView *view) {
    bool quiet = view->silenced_count || view->inhibited_count;
    if ((!filter->active && !quiet) || (!filter->silenced && view->silenced_count) ||
        (!filter->inhibited && view->inhibited_count) || (!filter->muted && view->muted_count)) {
        return false;
    }
    bool received = filter->receiver == NULL;
    for (size_t i = 0; i < view->receiver_count && !received; i++) {
        received = shows_receiver(filter, view->receivers[i]);
    }
    return received && matcher_set_matches(&filter->filters, view->alert.labels);
}

/* ---- alerts ---- */

static void put_strings(JsonWriter *json, const char *key, const Str *texts, size_t count) {
    json_put_array(json, key);
    for (size_t i = 0; i < count; i++) {
        json_str(json, texts[i]);
    }
    json_end(json);
}

static void put_alert(JsonWriter *json, const AlertView *view) {
    const Alert *alert = &view->alert;
    char fingerprint[17];
    snprintf(fingerprint, sizeof fingerprint, "%016llx", (unsigned long long)view->fingerprint);
    json_object(json);
    json_key(json, STR("annotations"));
    labels_json(json, alert->annotations);
    json_put_time(json, "endsAt", alert->ends_at);
    json_put_str(json, "fingerprint", str_of(fingerprint));
    json_put_array(json, "receivers");
    for (size_t i = 0; i < view->receiver_count; i++) {
        json_object(json);
        json_put_str(json, "name", view->receivers[i]);
        json_end(json);
    }
    json_end(json);
    json_put_time(json, "startsAt", alert->fired_at ? alert->fired_at : alert->active_at);
    json_put_object(json, "status");
    put_strings(json, "inhibitedBy", view->inhibited_by, view->inhibited_count);
    put_strings(json, "mutedBy", view->muted_by, view->muted_count);
    put_strings(json, "silencedBy", view->silenced_by, view->silenced_count);
    json_put_str(json, "state", view->suppressed ? STR("suppressed") : STR("active"));
    json_end(json);
    json_put_time(json, "updatedAt", alert->updated_at);
    if (alert->generator_url.len) {
        json_put_str(json, "generatorURL", alert->generator_url);
    }
    json_key(json, STR("labels"));
    labels_json(json, alert->labels);
    json_end(json);
}

void handle_am_alerts(Web *web, Request *request) {
    AlertFilter filter = {0};
    if (!read_filter(request, &filter)) {
        return;
    }
    AUTO(arena_finish) Arena arena = {0};
    AlertView *alerts;
    size_t count;
    notify_alerts_matching(web_doors(web)->notify, &filter.filters, clock_now(), &arena, &alerts,
                           &count);
    JsonWriter json = am_json(request, 200);
    json_array(&json);
    for (size_t i = 0; i < count; i++) {
        if (shows(&filter, &alerts[i])) {
            put_alert(&json, &alerts[i]);
        }
    }
    json_end(&json);
    filter_finish(&filter);
}

static bool any_shown(const AlertFilter *filter, const AlertGroupView *group) {
    for (size_t i = 0; i < group->alert_count; i++) {
        if (shows(filter, &group->alerts[i])) {
            return true;
        }
    }
    return false;
}

static void put_group(JsonWriter *json, const AlertFilter *filter, const AlertGroupView *group) {
    json_object(json);
    json_put_array(json, "alerts");
    for (size_t i = 0; i < group->alert_count; i++) {
        if (shows(filter, &group->alerts[i])) {
            put_alert(json, &group->alerts[i]);
        }
    }
    json_end(json);
    json_key(json, STR("labels"));
    labels_json(json, group->labels);
    if (group->route_labels.count) {
        json_key(json, STR("routeLabels"));
        labels_json(json, group->route_labels);
    }
    json_put_object(json, "receiver");
    json_put_str(json, "name", group->receiver);
    json_end(json);
    json_end(json);
}

void handle_am_groups(Web *web, Request *request) {
    AlertFilter filter = {0};
    if (!read_filter(request, &filter)) {
        return;
    }
    AUTO(arena_finish) Arena arena = {0};
    AlertGroupView *groups;
    size_t count;
    notify_groups(web_doors(web)->notify, clock_now(), &arena, &groups, &count);
    JsonWriter json = am_json(request, 200);
    json_array(&json);
    for (size_t i = 0; i < count; i++) {
        if (shows_receiver(&filter, groups[i].receiver) && any_shown(&filter, &groups[i])) {
            put_group(&json, &filter, &groups[i]);
        }
    }
    json_end(&json);
    filter_finish(&filter);
}

/* ---- posting ---- */

static bool is_url(Str text) {
    return str_starts(text, STR("http://")) || str_starts(text, STR("https://")) ||
           str_starts(text, STR("/"));
}

/* One posted alert; false where the schema refuses it (answered). */
static bool read_alert(Request *request, const cJSON *item, int index, Alert *alert, Err *err) {
    const cJSON *labels = cJSON_GetObjectItemCaseSensitive(item, "labels");
    const cJSON *url = cJSON_GetObjectItemCaseSensitive(item, "generatorURL");
    if (!labels) {
        am_framework_error(request, 422, 602, "%d.labels in body is required", index);
        return false;
    }
    if (cJSON_IsString(url) && url->valuestring[0] && !is_url(str_of(url->valuestring))) {
        am_framework_error(request, 422, 601, "%d.generatorURL in body must be of type uri: \"%s\"",
                           index, url->valuestring);
        return false;
    }
    *alert = (Alert){.rule_key = STR("api"), .phase = ALERT_FIRING};
    alert->generator_url = cJSON_IsString(url) ? str_of(url->valuestring) : STR("");
    if (!am_time(request, item, "startsAt", &alert->fired_at) ||
        !am_time(request, item, "endsAt", &alert->ends_at)) {
        return false;
    }
    if (!am_labels(&request->arena, labels, &alert->labels, err) ||
        !am_labels(&request->arena, cJSON_GetObjectItemCaseSensitive(item, "annotations"),
                   &alert->annotations, err)) {
        am_string_error(request, 400, "%s", err->text);
        return false;
    }
    return true;
}

void handle_am_post_alerts(Web *web, Request *request) {
    cJSON *body = am_body(request, "alerts");
    if (!body) {
        return;
    }
    Err err = {0};
    int size = cJSON_GetArraySize(body);
    Alert *alerts = arena_array(&request->arena, Alert, (size_t)size);
    bool good = cJSON_IsArray(body);
    if (!good) {
        am_framework_error(request, 400, 400,
                           "parsing alerts body from \"\" failed, because it is no array");
    }
    size_t count = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, body) {
        good = good && read_alert(request, item, (int)count, &alerts[count], &err);
        count += good;
    }
    if (good) {
        if (notify_post_alerts(web_doors(web)->notify, alerts, count, clock_now(), &err)) {
            am_empty(request, 200);
        } else {
            am_string_error(request, err.kind == ERR_INVALID ? 400 : status_of_err(err.kind), "%s",
                            err.text);
        }
        notify_wake(web_doors(web)->notify);
    }
    cJSON_Delete(body);
}

/* ---- status ---- */

void handle_am_receivers(Web *web, Request *request) {
    AUTO(arena_finish) Arena arena = {0};
    Str *names;
    size_t count;
    notify_receivers(web_doors(web)->notify, &arena, &names, &count);
    JsonWriter json = am_json(request, 200);
    json_array(&json);
    for (size_t i = 0; i < count; i++) {
        json_object(&json);
        json_put_str(&json, "name", names[i]);
        json_end(&json);
    }
    json_end(&json);
}

void handle_am_status(Web *web, Request *request) {
    static const char *const info[] = {"version",   "revision",  "branch",
                                       "buildUser", "buildDate", "goVersion"};
    AUTO(buf_finish) Buf config = {0};
    notify_config_print(web_doors(web)->notify, &config);
    JsonWriter json = am_json(request, 200);
    json_object(&json);
    json_put_object(&json, "cluster");
    json_put_array(&json, "peers");
    json_end(&json);
    json_put_str(&json, "status", STR("disabled"));
    json_end(&json);
    json_put_object(&json, "config");
    json_put_str(&json, "original", buf_view(&config));
    json_end(&json);
    json_put_time(&json, "uptime", web_options(web)->started_at);
    json_put_object(&json, "versionInfo");
    for (size_t i = 0; i < sizeof info / sizeof *info; i++) {
        json_put_str(&json, info[i],
                     i == 0   ? STR("0.28.0")
                     : i == 1 ? STR("belfry-" BELFRY_VERSION)
                              : STR(""));
    }
    json_end(&json);
    json_end(&json);
}
