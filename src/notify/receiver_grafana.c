/*
 * Grafana annotations (reference: notification 7.1): a point when an alert fires, its id kept, and
 * made a region when it ends. An annotation that is gone by then is written anew with both times.
 */

#include <cjson/cJSON.h>
#include <stdio.h>

#include "base/json.h"
#include "notify/integration.h"
#include "notify/receivers.h"
#include "notify/template.h"

static const char *const tag_labels[] = {"severity", "alertname", "cluster", "namespace"};

static void put_tags(const Integration *integration, const Alert *alert, JsonWriter *json) {
    const YamlNode *tags = integration_tree(integration, "tags");
    json_put_array(json, "tags");
    json_str(json, STR("alert"));
    for (size_t i = 0; i < sizeof tag_labels / sizeof *tag_labels; i++) {
        Str value = labels_get(alert->labels, str_of(tag_labels[i]));
        if (value.len) {
            json_str(json, value);
        }
    }
    for (size_t i = 0; tags && tags->kind == YAML_LIST && i < tags->count; i++) {
        json_str(json, tags->items[i]->text);
    }
    json_end(json);
}

static Str text_of(const MessageAlert *alert, Arena *arena) {
    Str summary = labels_get(alert->alert->annotations, STR("summary"));
    AUTO(buf_finish) Buf labels = {0};
    labels_print(&labels, alert->alert->labels);
    return arena_printf(arena, "%.*s%s%.*s", STR_ARG(summary), summary.len ? "\n" : "",
                        STR_ARG(buf_view(&labels)));
}

RECEIVER_BUILD(grafana) {
    (void)count;
    const Message *message = messages[0];
    const MessageAlert *alert = &message->alerts[0];
    bool patch =
        message->action == OUTBOX_RESOLVE && message->data.len && !str_eq(message->data, STR("-"));
    AUTO(buf_finish) Buf body = {0};
    JsonWriter json = json_writer(&body);
    TmplValue data = template_data(message, world);
    Str text, token, url = integration_text(integration, "url");
    if (!receiver_expand(integration, "text", &data, world, &text, err) ||
        !receiver_secret(integration, "token", "token_file", world->arena, &token, err)) {
        return false;
    }
    json_object(&json);
    if (!patch) {
        Str dashboard = integration_text(integration, "dashboard_uid");
        if (dashboard.len) {
            json_put_str(&json, "dashboardUID", dashboard);
        }
        json_put_int(&json, "time", alert->starts_at);
        put_tags(integration, alert->alert, &json);
    }
    if (!alert->is_firing) {
        json_put_int(&json, "timeEnd", alert->ends_at);
    }
    json_put_str(&json, "text", text.len ? text : text_of(alert, world->arena));
    json_end(&json);
    while (url.len && url.ptr[url.len - 1] == '/') {
        url.len--;
    }
    url = patch ? arena_printf(world->arena, "%.*s/api/annotations/%.*s", STR_ARG(url),
                               STR_ARG(message->data))
                : arena_printf(world->arena, "%.*s/api/annotations", STR_ARG(url));
    receiver_post_json(integration, url, &body, world, ret_request);
    ret_request->request.method = patch ? STR("PATCH") : STR("POST");
    if (token.len) {
        Str *headers = arena_array(world->arena, Str, 1);
        headers[0] = arena_printf(world->arena, "Authorization: Bearer %.*s", STR_ARG(token));
        ret_request->request.headers = headers;
        ret_request->request.header_count = 1;
    }
    return true;
}

RECEIVER_JUDGE(grafana) {
    MessageVerdict verdict = http_judge(integration, answer, arena, ret_answer);
    if (verdict == VERDICT_REFUSED && answer->status == 404) {
        ret_answer->data = STR("-"); /* forgets the id: the next attempt writes a new annotation */
        return VERDICT_RETRY;
    }
    if (verdict == VERDICT_DELIVERED) {
        cJSON *json = cJSON_ParseWithLength(answer->body.ptr, answer->body.len);
        const cJSON *id = cJSON_GetObjectItemCaseSensitive(json, "id");
        if (cJSON_IsNumber(id)) {
            ret_answer->data = arena_printf(arena, "%.0f", id->valuedouble);
        }
        cJSON_Delete(json);
    }
    return verdict;
}
