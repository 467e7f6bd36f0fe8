/*
 * PagerDuty, Events API v2 (reference: notification 4).
 *
 * Limits: summary 1024 characters, dedup_key 255, the event 512 KB. What is cut says so. `severity`
 * is the severity label's word if PagerDuty knows it or has one near it, since a service with
 * dynamic urgency goes by it.
 */

#include <assert.h>
#include <strings.h>

#include "base/json.h"
#include "base/number.h"
#include "notify/integration.h"
#include "notify/receivers.h"
#include "notify/template.h"

enum {
    SUMMARY_CHARS_MAX = 1024,
    EVENT_BYTES_MAX = 512000,
    FIELD_CHARS_MAX = 1024,
    LISTED_MAX = 100
};

/* Words in use for PagerDuty's four. */
static const struct {
    const char *word, *severity;
} severities[] = {
    {"critical", "critical"},  {"page", "critical"},   {"fatal", "critical"},
    {"emergency", "critical"}, {"error", "error"},     {"high", "error"},
    {"major", "error"},        {"warning", "warning"}, {"warn", "warning"},
    {"minor", "warning"},      {"medium", "warning"},  {"info", "info"},
    {"notice", "info"},        {"low", "info"},        {"none", "info"},
    {"debug", "info"},
};

/* What the on-call policy's `map` makes of a word comes first. */
static const char *severity_of(const NotifyPolicy *policy, Str word) {
    for (size_t i = 0; policy && i < policy->severity_word_count; i++) {
        const SeverityWord *known = &policy->severity_words[i];
        if (known->word.len == word.len && strncasecmp(known->word.ptr, word.ptr, word.len) == 0) {
            word = known->severity;
            break;
        }
    }
    for (size_t i = 0; i < sizeof severities / sizeof *severities; i++) {
        if (word.len == strlen(severities[i].word) &&
            strncasecmp(word.ptr, severities[i].word, word.len) == 0) {
            return severities[i].severity;
        }
    }
    return "error";
}

typedef struct Writing {
    const Integration *integration;
    const Message *message;
    MessageWorld *world;
    const TmplValue *data;
    const Alert *first; /* speaks for the message */
    Err *err;
} Writing;

static bool put_text(const Writing *writing, JsonWriter *json, const char *key, const char *setting,
                     Str otherwise, size_t chars_max) {
    Str text;
    if (!receiver_expand(writing->integration, setting, writing->data, writing->world, &text,
                         writing->err)) {
        return false;
    }
    text = text.len ? text : otherwise;
    if (text.len) {
        json_put_str(json, key, receiver_cut(writing->world->arena, text, chars_max));
    }
    return true;
}

/* What is affected: as near to the machine as the labels say. */
static Str source_of(const Alert *alert) {
    static const char *const labels[] = {"instance", "pod", "node", "cluster", "job", "alertname"};
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        Str value = labels_get(alert->labels, str_of(labels[i]));
        if (value.len) {
            return value;
        }
    }
    return STR("belfry");
}

static Str summary_of(const Writing *writing) {
    const Alert *alert = writing->first;
    Str summary = labels_get(alert->annotations, STR("summary"));
    Str name = labels_get(alert->labels, STR("alertname"));
    size_t more = writing->message->alert_count - 1;
    Arena *arena = writing->world->arena;
    Str text = summary.len
                   ? arena_printf(arena, "%.*s: %.*s", STR_ARG(name), STR_ARG(summary))
                   : arena_printf(arena, "%.*s on %.*s", STR_ARG(name), STR_ARG(source_of(alert)));
    text = more ? arena_printf(arena, "%.*s (and %zu more)", STR_ARG(text), more) : text;
    return writing->message->is_test ? arena_printf(arena, "[TEST] %.*s", STR_ARG(text)) : text;
}

static void put_alert(JsonWriter *json, const MessageAlert *alert) {
    json_object(json);
    json_key(json, STR("labels")), labels_json(json, alert->alert->labels);
    json_key(json, STR("annotations")), labels_json(json, alert->alert->annotations);
    json_put_time(json, "startsAt", alert->starts_at);
    if (!alert->is_firing) {
        json_put_time(json, "endsAt", alert->ends_at);
    }
    if (alert->alert->generator_url.len) {
        json_put_str(json, "generatorURL", alert->alert->generator_url);
    }
    json_end(json);
}

/* The configuration's details take the place of ours with the same name. */
static bool is_own(const Writing *writing, const char *key) {
    const YamlNode *details = integration_tree(writing->integration, "details");
    return yaml_get(details, key) != NULL;
}

static size_t put_list(const Writing *writing, JsonWriter *json, const char *key, bool firing) {
    const Message *message = writing->message;
    size_t count = 0;
    if (is_own(writing, key)) {
        for (size_t i = 0; i < message->alert_count; i++) {
            count += message->alerts[i].is_firing == firing;
        }
        return count;
    }
    json_put_array(json, key);
    for (size_t i = 0; i < message->alert_count; i++) {
        if (message->alerts[i].is_firing == firing && count++ < LISTED_MAX) {
            put_alert(json, &message->alerts[i]);
        }
    }
    json_end(json);
    return count;
}

static void put_default_details(const Writing *writing, JsonWriter *json) {
    const Message *message = writing->message;
    size_t firing = put_list(writing, json, "firing", true);
    size_t resolved = put_list(writing, json, "resolved", false);
    if (!is_own(writing, "num_firing")) {
        json_put_int(json, "num_firing", (int64_t)firing);
    }
    if (!is_own(writing, "num_resolved")) {
        json_put_int(json, "num_resolved", (int64_t)resolved);
    }
    if (firing > LISTED_MAX || resolved > LISTED_MAX) {
        json_put_str(json, "truncated",
                     arena_printf(writing->world->arena, "only the first %d of each are listed",
                                  LISTED_MAX));
    }
    if (message->is_test) {
        json_put_str(json, "test", STR("sent by hand to try this receiver; nothing is wrong"));
    }
}

static bool put_details(const Writing *writing, JsonWriter *json, bool cut) {
    json_put_object(json, "custom_details");
    if (cut) {
        json_put_str(json, "error",
                     STR("custom details are left out: the event would be larger than 512 KB"));
    } else {
        put_default_details(writing, json);
        const YamlNode *details = integration_tree(writing->integration, "details");
        for (size_t i = 0; details && i < details->count; i++) {
            Str text;
            if (!template_expand(details->pairs[i].value->text, writing->data, writing->world,
                                 &text, writing->err)) {
                return err_context(writing->err, "details");
            }
            json_key(json, details->pairs[i].key->text), json_str(json, text);
        }
    }
    json_end(json);
    return true;
}

static bool put_payload(const Writing *writing, JsonWriter *json, bool cut) {
    const Alert *alert = writing->first;
    Str severity;
    json_put_object(json, "payload");
    if (!put_text(writing, json, "summary", "description", summary_of(writing),
                  SUMMARY_CHARS_MAX) ||
        !put_text(writing, json, "source", "source", source_of(alert), FIELD_CHARS_MAX) ||
        !receiver_expand(writing->integration, "severity", writing->data, writing->world, &severity,
                         writing->err)) {
        return false;
    }
    if (!severity.len) {
        severity = labels_get(alert->labels, writing->world->policy
                                                 ? writing->world->policy->severity_label
                                                 : STR("severity"));
    }
    json_put_str(json, "severity", str_of(severity_of(writing->world->policy, severity)));
    json_put_time(json, "timestamp", writing->message->alerts[0].starts_at);
    bool ok = put_text(writing, json, "component", "component",
                       labels_get(alert->labels, STR("job")), FIELD_CHARS_MAX) &&
              put_text(writing, json, "group", "group", labels_get(alert->labels, STR("cluster")),
                       FIELD_CHARS_MAX) &&
              put_text(writing, json, "class", "class", labels_get(alert->labels, STR("alertname")),
                       FIELD_CHARS_MAX) &&
              put_details(writing, json, cut);
    json_end(json);
    return ok;
}

/* images and links of the configuration; an entry without its first field is left out, as
 * Alertmanager does. */
static bool put_objects(const Writing *writing, JsonWriter *json, const YamlNode *list,
                        const char *needed) {
    static const char *const keys[] = {"src", "href", "alt", "text"};
    for (size_t i = 0; list && i < list->count; i++) {
        Str texts[4] = {{0}};
        bool complete = false;
        for (size_t k = 0; k < 4; k++) {
            const YamlNode *node = yaml_get(list->items[i], keys[k]);
            if (node && !template_expand(node->text, writing->data, writing->world, &texts[k],
                                         writing->err)) {
                return false;
            }
            complete |= strcmp(keys[k], needed) == 0 && texts[k].len;
        }
        if (complete) {
            json_object(json);
            for (size_t k = 0; k < 4; k++) {
                if (texts[k].len) {
                    json_put_str(json, keys[k], texts[k]);
                }
            }
            json_end(json);
        }
    }
    return true;
}

static void put_link(JsonWriter *json, Str href, const char *text) {
    if (href.len) {
        json_object(json);
        json_put_str(json, "href", href);
        json_put_str(json, "text", str_of(text));
        json_end(json);
    }
}

static bool put_extras(const Writing *writing, JsonWriter *json) {
    const Integration *integration = writing->integration;
    json_put_array(json, "images");
    bool ok = put_objects(writing, json, integration_tree(integration, "images"), "src");
    json_end(json);
    json_put_array(json, "links");
    put_link(json, writing->first->generator_url, "expression");
    put_link(json, labels_get(writing->first->annotations, STR("runbook_url")), "runbook");
    put_link(json, labels_get(writing->first->annotations, STR("dashboard_url")), "dashboard");
    ok = ok && put_objects(writing, json, integration_tree(integration, "links"), "href");
    json_end(json);
    return ok && put_text(writing, json, "client", "client", STR("Belfry"), FIELD_CHARS_MAX) &&
           put_text(writing, json, "client_url", "client_url", writing->world->external_url,
                    FIELD_CHARS_MAX);
}

static bool write_event(const Writing *writing, Str key, bool cut, Buf *out) {
    static const char *const actions[] = {[OUTBOX_TRIGGER] = "trigger",
                                          [OUTBOX_RESOLVE] = "resolve",
                                          [OUTBOX_ACKNOWLEDGE] = "acknowledge",
                                          [OUTBOX_NOTICE] = "trigger"};
    JsonWriter json = json_writer(out);
    json_object(&json);
    json_put_str(&json, "routing_key", key);
    json_put_str(&json, "event_action", str_of(actions[writing->message->action]));
    json_put_str(&json, "dedup_key", writing->message->dedup_key);
    bool ok = put_payload(writing, &json, cut) && put_extras(writing, &json);
    json_end(&json);
    return ok;
}

RECEIVER_BUILD(pagerduty) {
    static const Alert nobody = {0};
    assert(count == 1);
    (void)count;
    TmplValue data = template_data(messages[0], world);
    Writing writing = {.integration = integration,
                       .message = messages[0],
                       .world = world,
                       .data = &data,
                       .first = messages[0]->alert_count ? messages[0]->alerts[0].alert : &nobody,
                       .err = err};
    Str key = messages[0]->target; /* the one the incident was opened with */
    if (!key.len &&
        !receiver_secret(integration, "routing_key", "routing_key_file", world->arena, &key, err)) {
        return false;
    }
    AUTO(buf_finish) Buf body = {0};
    if (!write_event(&writing, key, false, &body)) {
        return false;
    }
    if (body.len > EVENT_BYTES_MAX) {
        body.len = 0;
        if (!write_event(&writing, key, true, &body)) {
            return false;
        }
    }
    receiver_post_json(integration, integration_text(integration, "url"), &body, world,
                       ret_request);
    return true;
}

/* 400 is "invalid event" and stays so; 429 was not taken. */
RECEIVER_JUDGE(pagerduty) {
    return http_judge(integration, answer, arena, ret_answer);
}
