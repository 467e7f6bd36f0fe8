/*
 * Slack: an incoming webhook, or chat.postMessage with a token (reference: notification 5).
 * Webhooks answer `ok` as text, the API {"ok":true} with status 200 also where it refuses, so the
 * body decides.
 */

#include <cjson/cJSON.h>
#include <stdlib.h>

#include "base/json.h"
#include "notify/integration.h"
#include "notify/receivers.h"
#include "notify/template.h"

enum { TITLE_CHARS_MAX = 1024, TEXT_CHARS_MAX = 30000 };

typedef struct Writing {
    const Integration *integration;
    MessageWorld *world;
    const TmplValue *data;
    JsonWriter *json;
    Err *err;
} Writing;

static bool put(const Writing *writing, const char *key, const char *setting, size_t chars_max) {
    Str text;
    if (!receiver_expand(writing->integration, setting, writing->data, writing->world, &text,
                         writing->err)) {
        return false;
    }
    if (text.len) {
        json_put_str(writing->json, key, receiver_cut(writing->world->arena, text, chars_max));
    }
    return true;
}

/* A list of maps whose texts are templates: fields and actions. */
static bool put_maps(const Writing *writing, const char *key) {
    const YamlNode *list = integration_tree(writing->integration, key);
    if (!list || list->kind != YAML_LIST || list->count == 0) {
        return true;
    }
    json_put_array(writing->json, key);
    for (size_t i = 0; i < list->count; i++) {
        json_object(writing->json);
        for (size_t j = 0; j < list->items[i]->count; j++) {
            const YamlPair *pair = &list->items[i]->pairs[j];
            Str text;
            if (str_eq(pair->key->text, STR("short"))) {
                json_put_bool(writing->json, "short", str_eq(pair->value->text, STR("true")));
                continue;
            }
            if (!template_expand(pair->value->text, writing->data, writing->world, &text,
                                 writing->err)) {
                return err_context(writing->err, "%s", key);
            }
            json_key(writing->json, pair->key->text), json_str(writing->json, text);
        }
        json_end(writing->json);
    }
    json_end(writing->json);
    return true;
}

static void put_markdown(const Writing *writing) {
    const YamlNode *list = integration_tree(writing->integration, "mrkdwn_in");
    json_put_array(writing->json, "mrkdwn_in");
    for (size_t i = 0; list && i < list->count; i++) {
        json_str(writing->json, list->items[i]->text);
    }
    if (!list) {
        json_str(writing->json, STR("fallback"));
        json_str(writing->json, STR("pretext"));
        json_str(writing->json, STR("text"));
    }
    json_end(writing->json);
}

static bool put_attachment(const Writing *writing) {
    json_put_array(writing->json, "attachments");
    json_object(writing->json);
    bool ok = put(writing, "title", "title", TITLE_CHARS_MAX) &&
              put(writing, "title_link", "title_link", TITLE_CHARS_MAX) &&
              put(writing, "pretext", "pretext", TEXT_CHARS_MAX) &&
              put(writing, "text", "text", TEXT_CHARS_MAX) &&
              put(writing, "fallback", "fallback", TEXT_CHARS_MAX) &&
              put(writing, "callback_id", "callback_id", TITLE_CHARS_MAX) &&
              put(writing, "image_url", "image_url", TITLE_CHARS_MAX) &&
              put(writing, "thumb_url", "thumb_url", TITLE_CHARS_MAX) &&
              put(writing, "footer", "footer", TITLE_CHARS_MAX) &&
              put(writing, "color", "color", TITLE_CHARS_MAX) && put_maps(writing, "fields") &&
              put_maps(writing, "actions");
    put_markdown(writing);
    json_end(writing->json);
    json_end(writing->json);
    return ok;
}

/* Where to: the webhook's secret URL, or the API with a token. */
static bool find_url(const Integration *integration, MessageWorld *world, Str *ret_url,
                     Str *ret_token, Err *err) {
    bool by_token =
        integration_has(integration, "app_token") || integration_has(integration, "app_token_file");
    bool by_url =
        integration_has(integration, "api_url") || integration_has(integration, "api_url_file");
    Str url, token;
    if (!receiver_secret(integration, "api_url", "api_url_file", world->arena, &url, err) ||
        !receiver_secret(integration, "app_token", "app_token_file", world->arena, &token, err)) {
        return false;
    }
    bool use_token = by_token || (!by_url && token.len && !url.len);
    *ret_url = use_token && !by_url ? integration_text(integration, "app_url") : url;
    *ret_token = use_token ? token : STR("");
    return true;
}

/* With `update_message` one message follows its incident: "CHANNEL TS" of the answer to the first
 * is kept, and later ones are chat.update of that. */
static bool is_update(const Integration *integration, const Message *message, Str *ret_channel,
                      Str *ret_ts) {
    size_t space = str_find(message->data, ' ');
    *ret_channel = (Str){message->data.ptr, space};
    *ret_ts = str_skip(message->data, space < message->data.len ? space + 1 : space);
    return integration_bool(integration, "update_message") && ret_channel->len && ret_ts->len;
}

static Str update_url(Arena *arena, Str url) {
    static const char post[] = "chat.postMessage";
    return str_ends(url, str_of(post))
               ? arena_printf(arena, "%.*schat.update", (int)(url.len - (sizeof post - 1)), url.ptr)
               : url;
}

RECEIVER_BUILD(slack) {
    (void)count;
    AUTO(buf_finish) Buf body = {0};
    JsonWriter json = json_writer(&body);
    TmplValue data = template_data(messages[0], world);
    Writing writing = {integration, world, &data, &json, err};
    Str url, token, channel, ts;
    bool update = is_update(integration, messages[0], &channel, &ts);
    json_object(&json);
    if (update) {
        json_put_str(&json, "channel", channel);
        json_put_str(&json, "ts", ts);
    }
    bool ok = (update || put(&writing, "channel", "channel", TITLE_CHARS_MAX)) &&
              put(&writing, "username", "username", TITLE_CHARS_MAX) &&
              put(&writing, "icon_emoji", "icon_emoji", TITLE_CHARS_MAX) &&
              put(&writing, "icon_url", "icon_url", TITLE_CHARS_MAX);
    if (integration_bool(integration, "link_names")) {
        json_put_bool(&json, "link_names", true);
    }
    if (messages[0]->is_test) {
        json_put_str(&json, "text", STR("[TEST] sent by hand to try this receiver"));
    } else if (messages[0]->is_repeat) {
        json_put_str(&json, "text", STR("(repeated: it may have arrived before)"));
    } else {
        ok = ok && put(&writing, "text", "message_text", TEXT_CHARS_MAX);
    }
    ok = ok && put_attachment(&writing);
    json_end(&json);
    if (!ok || !find_url(integration, world, &url, &token, err)) {
        return false;
    }
    url = update ? update_url(world->arena, url) : url;
    receiver_post_json(integration, url, &body, world, ret_request);
    if (token.len) {
        Str *headers = arena_array(world->arena, Str, 1);
        headers[0] = arena_printf(world->arena, "Authorization: Bearer %.*s", STR_ARG(token));
        ret_request->request.headers = headers;
        ret_request->request.header_count = 1;
    }
    return true;
}

RECEIVER_JUDGE(slack) {
    MessageVerdict verdict = http_judge(integration, answer, arena, ret_answer);
    if (verdict != VERDICT_DELIVERED || str_eq(str_trim(answer->body), STR("ok"))) {
        return verdict;
    }
    cJSON *json = cJSON_ParseWithLength(answer->body.ptr, answer->body.len);
    bool refused = json && cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(json, "ok"));
    const cJSON *ts = cJSON_GetObjectItemCaseSensitive(json, "ts");
    const cJSON *why = cJSON_GetObjectItemCaseSensitive(json, "error");
    const cJSON *channel = cJSON_GetObjectItemCaseSensitive(json, "channel");
    if (cJSON_IsString(ts) && cJSON_IsString(channel)) {
        ret_answer->data = arena_printf(arena, "%s %s", channel->valuestring, ts->valuestring);
    }
    bool limited = cJSON_IsString(why) && strcmp(why->valuestring, "ratelimited") == 0;
    cJSON_Delete(json);
    return !refused ? VERDICT_DELIVERED : limited ? VERDICT_RETRY : VERDICT_REFUSED;
}
