/* Webhook, version 4 of Alertmanager's format (notify/webhook): what any small service reads. */

#include <stdio.h>

#include "base/json.h"
#include "base/number.h"
#include "notify/integration.h"
#include "notify/receivers.h"
#include "notify/template.h"

/* Go's zero time: an alert that fires has no end. */
#define NO_TIME STR("0001-01-01T00:00:00Z")

static void put_alert(JsonWriter *json, const MessageAlert *alert) {
    json_object(json);
    json_put_str(json, "status", alert->is_firing ? STR("firing") : STR("resolved"));
    json_key(json, STR("labels")), labels_json(json, alert->alert->labels);
    json_key(json, STR("annotations")), labels_json(json, alert->alert->annotations);
    json_put_time(json, "startsAt", alert->starts_at);
    if (alert->is_firing) {
        json_put_str(json, "endsAt", NO_TIME);
    } else {
        json_put_time(json, "endsAt", alert->ends_at);
    }
    json_put_str(json, "generatorURL", alert->alert->generator_url);
    char fingerprint[17];
    snprintf(fingerprint, sizeof fingerprint, "%016llx", (unsigned long long)alert->fingerprint);
    json_put_str(json, "fingerprint", str_of(fingerprint));
    json_end(json);
}

static void write_body(const Message *message, const MessageWorld *world, size_t max_alerts,
                       Buf *out) {
    size_t shown =
        max_alerts && message->alert_count > max_alerts ? max_alerts : message->alert_count;
    bool firing = false;
    for (size_t i = 0; i < shown; i++) {
        firing |= message->alerts[i].is_firing;
    }
    JsonWriter json = json_writer(out);
    json_object(&json);
    json_put_str(&json, "receiver", message_receiver(world->arena, message->receiver));
    json_put_str(&json, "status", firing ? STR("firing") : STR("resolved"));
    json_put_array(&json, "alerts");
    for (size_t i = 0; i < shown; i++) {
        put_alert(&json, &message->alerts[i]);
    }
    json_end(&json);
    json_put_str(&json, "notification_reason", message->reason);
    json_key(&json, STR("groupLabels")), labels_json(&json, message->group_labels);
    json_key(&json, STR("commonLabels"));
    labels_json(&json, message_common(world->arena, message, shown, false));
    json_key(&json, STR("commonAnnotations"));
    labels_json(&json, message_common(world->arena, message, shown, true));
    if (message->route_labels.count) {
        json_key(&json, STR("routeLabels")), labels_json(&json, message->route_labels);
    }
    json_put_str(&json, "externalURL", world->external_url);
    json_put_str(&json, "version", STR("4"));
    json_put_str(&json, "groupKey", message->group_key);
    json_put_int(&json, "truncatedAlerts", (int64_t)(message->alert_count - shown));
    if (message->is_repeat) {
        json_put_bool(&json, "repeat", true);
    }
    if (message->is_test) {
        json_put_bool(&json, "test", true);
    }
    json_end(&json);
}

/* A payload of the configuration: its texts are templates; all other shapes stay. */
static bool write_tree(const YamlNode *node, const TmplValue *data, const MessageWorld *world,
                       JsonWriter *json, Err *err) {
    Str text;
    switch (node->kind) {
    case YAML_NULL:
        json_null(json);
        return true;
    case YAML_SCALAR:
        if (!node->quoted &&
            (str_eq(node->text, STR("true")) || str_eq(node->text, STR("false")))) {
            json_bool(json, str_eq(node->text, STR("true")));
            return true;
        }
        double number;
        if (!node->quoted && number_parse(node->text, &number)) {
            json_number(json, number);
            return true;
        }
        if (!template_expand(node->text, data, world, &text, err)) {
            return err_context(err, "payload");
        }
        json_str(json, text);
        return true;
    case YAML_LIST:
        json_array(json);
        for (size_t i = 0; i < node->count; i++) {
            if (!write_tree(node->items[i], data, world, json, err)) {
                return false;
            }
        }
        json_end(json);
        return true;
    case YAML_MAP:
        json_object(json);
        for (size_t i = 0; i < node->count; i++) {
            json_key(json, node->pairs[i].key->text);
            if (!write_tree(node->pairs[i].value, data, world, json, err)) {
                return false;
            }
        }
        json_end(json);
        return true;
    }
    return true;
}

RECEIVER_BUILD(webhook) {
    (void)count;
    const YamlNode *payload = integration_tree(integration, "payload");
    AUTO(buf_finish) Buf body = {0};
    Str url;
    if (!receiver_secret(integration, "url", "url_file", world->arena, &url, err)) {
        return false;
    }
    TmplValue data = template_data(messages[0], world);
    if (memmem(url.ptr, url.len, "{{", 2) && !template_expand(url, &data, world, &url, err)) {
        return err_context(err, "url");
    }
    if (payload) {
        JsonWriter json = json_writer(&body);
        if (!write_tree(payload, &data, world, &json, err)) {
            return false;
        }
    } else {
        int64_t max_alerts = 0;
        (void)!number_parse_int(integration_text(integration, "max_alerts"), &max_alerts);
        write_body(messages[0], world, max_alerts > 0 ? (size_t)max_alerts : 0, &body);
    }
    receiver_post_json(integration, url, &body, world, ret_request);
    return true;
}
