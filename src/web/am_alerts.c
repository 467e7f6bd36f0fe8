/* /api/v2/alerts, /api/v2/alerts/groups, /api/v2/receivers and /api/v2/status. */

#include <stdlib.h>

#include "base/mem.h"
#include "base/number.h"
#include "web/am.h"

/* ---- what a request wants to see ---- */

typedef struct AlertFilter {
    AlertShow show;
    MatcherSet filters;
    MatcherSet receivers;
    Regex *receiver;
    size_t limit; /* of alerts, ours and not Alertmanager's; 0 = none */
} AlertFilter;

static void filter_finish(AlertFilter *filter) {
    matcher_set_finish(&filter->filters);
    matcher_set_finish(&filter->receivers);
    regex_free(filter->receiver);
}

/* For a group that `muted_by` holds back. Points into `filter`. */
static AlertShow show_of(const AlertFilter *filter, Str muted_by) {
    AlertShow show = filter->show;
    show.receivers = filter->receivers.count ? &filter->receivers : NULL;
    show.receiver = filter->receiver;
    show.muted_by = muted_by;
    return show;
}

static bool read_filter(Request *request, AlertFilter *filter) {
    Str receiver = params_get_last(&request->params, STR("receiver"));
    Err err = {0};
    filter->show.active = am_bool(request, "active", true);
    filter->show.silenced = am_bool(request, "silenced", true);
    filter->show.inhibited = am_bool(request, "inhibited", true);
    filter->show.muted = am_bool(request, "muted", true);
    if (!am_filters(request, "filter", &filter->filters)) {
        return false;
    }
    if (!am_filters(request, "receiver_matchers", &filter->receivers)) {
        filter_finish(filter);
        return false;
    }
    if (!api_limit(request, &filter->limit, &err)) {
        am_string_error(request, 400, "%s", err.text);
        filter_finish(filter);
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

/* ---- answers, piece by piece ---- */

/* A hundred thousand alerts are eighty megabytes: they are looked at a few at a time, while the
 * client reads what there is. Alerts are groups of one kind: with `labels` and `receiver`. */
typedef struct Listing {
    AlertFilter filter;
    bool in_groups;
    AlertGroupView *groups; /* of /api/v2/alerts: one, with all of them */
    size_t group_count, group_at;
    size_t alert_at;
    size_t shown_count;
    bool is_open; /* the group at `group_at` is begun: somebody in it is shown */
    TimeMs now;
    JsonWriter json;
    Arena arena; /* the names of all */
    Buf piece;   /* what is shown just now */
} Listing;

enum { LISTING_PIECE_ALERTS = 512 };

static void listing_free(void *ctx) {
    Listing *listing = ctx;
    filter_finish(&listing->filter);
    arena_finish(&listing->arena);
    buf_finish(&listing->piece);
    free(listing);
}

static void open_group(Listing *listing) {
    if (listing->in_groups && !listing->is_open) {
        json_object(&listing->json);
        json_put_array(&listing->json, "alerts");
    }
    listing->is_open = true;
}

static void close_group(Listing *listing, const AlertGroupView *group) {
    JsonWriter *json = &listing->json;
    if (listing->in_groups && listing->is_open) {
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
    listing->is_open = false;
    listing->group_at++;
    listing->alert_at = 0;
}

/* True when there may be more to show. */
static bool put_alerts(Web *web, Listing *listing, const AlertGroupView *group, size_t count) {
    AlertShow show = show_of(&listing->filter, group->muted_by);
    size_t limit = listing->filter.limit ? listing->filter.limit : SIZE_MAX;
    listing->piece.len = 0;
    size_t shown =
        notify_alerts_print(web_doors(web)->notify, group->alerts + listing->alert_at, count, &show,
                            limit - listing->shown_count, listing->now, &listing->piece);
    if (shown) {
        open_group(listing);
        json_raw(&listing->json, buf_view(&listing->piece));
    }
    listing->shown_count += shown;
    return listing->shown_count < limit;
}

static void put_piece(Web *web, Listing *listing, const AlertGroupView *group) {
    size_t left = group->alert_count - listing->alert_at;
    size_t count = left < LISTING_PIECE_ALERTS ? left : LISTING_PIECE_ALERTS;
    bool more = put_alerts(web, listing, group, count);
    listing->alert_at += count;
    if (!more || listing->alert_at == group->alert_count) {
        close_group(listing, group);
    }
    if (!more) {
        listing->group_at = listing->group_count;
    }
}

static bool listing_fill(void *ctx, Request *request, Buf *body, Err *err) {
    enum { PIECE_BYTES = 1 << 20 };
    Listing *listing = ctx;
    while (listing->group_at < listing->group_count && body->len < PIECE_BYTES) {
        const AlertGroupView *group = &listing->groups[listing->group_at];
        AlertShow show = show_of(&listing->filter, group->muted_by);
        if (listing->in_groups && !notify_shows_receiver(&show, group->receiver)) {
            listing->group_at++;
            continue;
        }
        put_piece(request->web, listing, group);
        if (request->cancelled) {
            return err_set(err, ERR_CANCELLED, "the client went away");
        }
    }
    bool more = listing->group_at < listing->group_count;
    if (!more) {
        json_end(&listing->json);
    }
    return more;
}

static void find_alerts(Web *web, Listing *listing) {
    AlertGroupView *all = arena_new(&listing->arena, AlertGroupView);
    *all = (AlertGroupView){.labels = {0}};
    notify_alert_refs(web_doors(web)->notify, &listing->filter.filters, listing->now,
                      &listing->arena, &all->alerts, &all->alert_count);
    listing->groups = all;
    listing->group_count = all->alert_count > 0;
}

static void list_alerts(Web *web, Request *request, bool in_groups) {
    AlertFilter filter = {0};
    if (!read_filter(request, &filter)) {
        return;
    }
    Listing *listing = mem_zero(1, sizeof *listing);
    listing->filter = filter;
    listing->in_groups = in_groups;
    listing->now = clock_now();
    if (in_groups) {
        notify_groups(web_doors(web)->notify, &filter.filters, listing->now, &listing->arena,
                      &listing->groups, &listing->group_count);
    } else {
        find_alerts(web, listing);
    }
    listing->json = am_json(request, 200);
    json_array(&listing->json);
    Err err = {0};
    if (!listing_fill(listing, request, &request->response.body, &err)) {
        listing_free(listing); /* that was all */
        return;
    }
    request->response.stream =
        (ResponseStream){.fill = listing_fill, .free = listing_free, .ctx = listing};
}

void handle_am_alerts(Web *web, Request *request) {
    list_alerts(web, request, false);
}

void handle_am_groups(Web *web, Request *request) {
    list_alerts(web, request, true);
}

/* ---- posting ---- */

/* A page is worth more than the end of what it says. */
static void cut_annotations(Arena *arena, LabelSet *annotations) {
    Label *items = arena_array(arena, Label, annotations->count + 1);
    for (size_t i = 0; i < annotations->count; i++) {
        items[i] = annotations->items[i];
        Str *value = &items[i].value;
        size_t len = value->len < LABEL_VALUE_BYTES_MAX ? value->len : LABEL_VALUE_BYTES_MAX;
        while (len < value->len && len > 0 && ((unsigned char)value->ptr[len] & 0xC0) == 0x80) {
            len--;
        }
        value->len = len;
    }
    annotations->items = items;
}

static bool read_label_set(Request *request, const cJSON *item, const char *key,
                           LabelSet *ret_labels) {
    const cJSON *object = cJSON_GetObjectItemCaseSensitive(item, key);
    Err err = {0};
    if (!am_labels(&request->arena, object, ret_labels, &err)) {
        am_framework_error(request, 400, 400,
                           "parsing alerts body from \"\" failed, because %s: %s", key, err.text);
        return false;
    }
    return true;
}

/* One posted alert; false where the schema refuses it (answered). */
static bool read_alert(Request *request, const cJSON *item, int index, Alert *alert) {
    const cJSON *labels = cJSON_GetObjectItemCaseSensitive(item, "labels");
    *alert = (Alert){.rule_key = STR("api"), .phase = ALERT_FIRING};
    if (!cJSON_IsObject(item) && !cJSON_IsNull(item)) {
        am_wrong_type(request, "alerts", "an alert", "an object");
        return false;
    }
    if (!am_text(request, "alerts", item, "generatorURL", &alert->generator_url) ||
        !am_time(request, "alerts", item, "startsAt", &alert->fired_at) ||
        !am_time(request, "alerts", item, "endsAt", &alert->ends_at) ||
        !read_label_set(request, item, "labels", &alert->labels) ||
        !read_label_set(request, item, "annotations", &alert->annotations)) {
        return false;
    }
    if (!labels || cJSON_IsNull(labels)) {
        am_framework_error(request, 422, 602, "%d.labels in body is required", index);
        return false;
    }
    cut_annotations(&request->arena, &alert->annotations);
    if (alert->generator_url.len && !am_is_uri(alert->generator_url)) {
        am_framework_error(request, 422, 601,
                           "%d.generatorURL in body must be of type uri: \"%.*s\"", index,
                           STR_ARG(alert->generator_url));
        return false;
    }
    return true;
}

static bool read_alerts(Request *request, const cJSON *body, Alert *alerts, size_t *ret_count) {
    if (!cJSON_IsArray(body) && !cJSON_IsNull(body)) {
        am_framework_error(request, 400, 400,
                           "parsing alerts body from \"\" failed, because it is no array");
        return false;
    }
    size_t count = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, body) {
        if (!read_alert(request, item, (int)count, &alerts[count])) {
            return false;
        }
        count++;
    }
    *ret_count = count;
    return true;
}

/* Frees `body`. True if all were taken; otherwise the answer says why not. */
static bool post_alerts(Web *web, Request *request, cJSON *body) {
    Err err = {0};
    if (!body) {
        return false;
    }
    size_t count;
    Alert *alerts = arena_array(&request->arena, Alert, (size_t)cJSON_GetArraySize(body));
    bool good = read_alerts(request, body, alerts, &count);
    if (good) {
        good = notify_post_alerts(web_doors(web)->notify, alerts, count, clock_now(), &err);
        if (!good) {
            log_trouble(request, &err);
            am_string_error(request, err.kind == ERR_INVALID ? 400 : status_of_err(err.kind), "%s",
                            err.text);
        }
        notify_wake(web_doors(web)->notify);
    }
    cJSON_Delete(body);
    return good;
}

void handle_am_post_alerts(Web *web, Request *request) {
    if (post_alerts(web, request, am_body(request, "alerts"))) {
        am_empty(request, 200);
        request->response.content_type = "application/json"; /* of nothing, as Alertmanager's */
    }
}

/* ---- version 1 of the API ---- */

/* The sentence in an error of version 2, of either shape. */
static Str error_text(Request *request) {
    Str body = buf_view(&request->response.body);
    cJSON *json = cJSON_ParseWithLength(body.ptr, body.len);
    const cJSON *text =
        cJSON_IsObject(json) ? cJSON_GetObjectItemCaseSensitive(json, "message") : json;
    Str copy = arena_str(&request->arena,
                         cJSON_IsString(text) ? str_of(text->valuestring) : STR("refused"));
    cJSON_Delete(json);
    return copy;
}

/* Rulers of Loki, Cortex and Thanos still send by it unless told not to; the alerts are the same.
 */
void handle_am_post_alerts_v1(Web *web, Request *request) {
    bool good = post_alerts(web, request, am_body_of_any_type(request, "alerts"));
    Str text = good ? STR("") : error_text(request);
    JsonWriter json = respond_json(request, good ? 200 : request->response.status);
    json_object(&json);
    json_put_str(&json, "status", good ? STR("success") : STR("error"));
    if (!good) {
        json_put_str(&json, "errorType", STR("bad_data"));
        json_put_str(&json, "error", text);
    }
    json_end(&json);
}

void handle_am_v1_gone(Web *web, Request *request) {
    (void)web;
    JsonWriter json = respond_json(request, 410);
    json_object(&json);
    json_put_str(&json, "status", STR("deprecated"));
    json_put_str(&json, "error",
                 STR("the Alertmanager v1 API was removed in version 0.27.0: use the equivalent "
                     "route below /api/v2"));
    json_end(&json);
}

/* ---- status ---- */

void handle_am_receivers(Web *web, Request *request) {
    AUTO(arena_finish) Arena arena = {0};
    Str *names;
    size_t count;
    AlertFilter filter = {0};
    if (!am_filters(request, "receiver_matchers", &filter.receivers)) {
        return;
    }
    notify_receivers(web_doors(web)->notify, &arena, &names, &count);
    AlertShow show = show_of(&filter, STR(""));
    JsonWriter json = am_json(request, 200);
    json_array(&json);
    for (size_t i = 0; i < count; i++) {
        if (notify_shows_receiver(&show, names[i])) {
            json_object(&json);
            json_put_str(&json, "name", names[i]);
            json_end(&json);
        }
    }
    json_end(&json);
    filter_finish(&filter);
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
