/*
 * Another Alertmanager: POST /api/v2/alerts, each alert by itself, to every instance (peers of a
 * cluster do not share alerts).
 *
 * An alert there lives on a lease: `endsAt` is four resend intervals ahead while it fires, and the
 * past when it is resolved. The outbox sends the changes; lease.c renews from memory in between, so
 * that an instance that was away has everything again a minute later. Of the outbox's requests one
 * instance has to take each; the renewal reaches the others.
 */

#include <strings.h>

#include "base/json.h"
#include "notify/integration.h"
#include "notify/lease.h"
#include "notify/receivers.h"
#include "notify/targets.h"

static void put_labels(JsonWriter *json, bool suppressed, const Alert *alert) {
    json_put_object(json, "labels");
    for (size_t i = 0; i < alert->labels.count; i++) {
        json_key(json, alert->labels.items[i].name), json_str(json, alert->labels.items[i].value);
    }
    if (suppressed) {
        json_put_str(json, "belfry_suppressed", STR("true"));
    }
    json_end(json);
}

static void put_alert(JsonWriter *json, bool suppressed, const MessageAlert *alert, TimeMs now) {
    json_object(json);
    put_labels(json, suppressed, alert->alert);
    json_key(json, STR("annotations")), labels_json(json, alert->alert->annotations);
    json_put_time(json, "startsAt", alert->starts_at);
    json_put_time(json, "endsAt",
                  alert->is_firing ? lease_end(alert->alert->interval, now) : alert->ends_at);
    json_put_str(json, "generatorURL", alert->alert->generator_url);
    json_end(json);
}

/* Marked and unmarked are two alerts over there: when one begins, the other ends. */
static void put_other(JsonWriter *json, bool suppressed, const MessageAlert *alert, TimeMs now) {
    MessageAlert other = *alert;
    if (alert->is_firing) {
        other.is_firing = false;
        other.ends_at = now;
    }
    put_alert(json, !suppressed, &other, now);
}

static bool is_name(Str header, Str name) {
    return header.len > name.len && header.ptr[name.len] == ':' &&
           strncasecmp(header.ptr, name.ptr, name.len) == 0;
}

/* The receiver's own configuration has the last word, as vmalert's -notifier.* flags do. */
static bool is_configured(const NetOptions *options, Str header) {
    bool logs_in = options->username.len || options->username_file.len || options->bearer.len ||
                   options->bearer_file.len || options->oauth2;
    if (logs_in && is_name(header, STR("Authorization"))) {
        return true;
    }
    for (size_t i = 0; i < options->header_count; i++) {
        Str own = options->headers[i];
        if (is_name(header, (Str){own.ptr, str_find(own, ':')})) {
            return true;
        }
    }
    for (size_t i = 0; i < options->header_file_count; i++) {
        if (is_name(header, options->header_files[i].name)) {
            return true;
        }
    }
    return false;
}

/* All messages of a request have the same. */
static void put_headers(const Message *message, const NetOptions *options, Arena *arena,
                        NetRequest *request) {
    Str *headers = arena_array(arena, Str, message->headers.len / 2 + 1);
    for (Str rest = message->headers; rest.len;) {
        size_t end = str_find(rest, '\n');
        Str header = {rest.ptr, end};
        rest = str_skip(rest, end < rest.len ? end + 1 : end);
        if (header.len && !is_configured(options, header)) {
            /* libcurl sends an empty value only where a semicolon says so. */
            size_t colon = str_find(header, ':');
            bool empty = str_trim(str_skip(header, colon + (colon < header.len))).len == 0;
            headers[request->header_count++] =
                empty ? arena_printf(arena, "%.*s;", (int)colon, header.ptr) : header;
        }
    }
    request->headers = headers;
}

RECEIVER_BUILD(alertmanager) {
    AUTO(buf_finish) Buf body = {0};
    JsonWriter json = json_writer(&body);
    const Str *urls;
    size_t url_count;
    if (!targets_find(integration, world->arena, &urls, &url_count, err)) {
        return false;
    }
    json_array(&json);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < messages[i]->alert_count; j++) {
            const MessageAlert *alert = &messages[i]->alerts[j];
            put_alert(&json, messages[i]->suppressed, alert, world->now);
            if (integration_forwards_all(integration) && !messages[i]->is_renewal) {
                put_other(&json, messages[i]->suppressed, alert, world->now);
            }
        }
    }
    json_end(&json);
    receiver_post_json(integration, STR(""), &body, world, ret_request);
    put_headers(messages[0], &integration->http, world->arena, &ret_request->request);
    ret_request->urls = urls;
    ret_request->url_count = url_count;
    return true;
}
