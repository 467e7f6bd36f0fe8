/* Microsoft Teams: cards for retired connectors (msteams) and for workflows (msteamsv2), which take
 * 28 KB. */

#include "base/json.h"
#include "notify/integration.h"
#include "notify/receivers.h"
#include "notify/template.h"

/* 28 KB with everything around; what JSON has to escape counts twice and more. */
enum { CARD_TEXT_BYTES_MAX = 20000, CARD_TITLE_CHARS_MAX = 1024 };

static const struct {
    const char *hex, *name;
} colors[] = {{"2DC72D", "Good"}, {"8C1A1A", "Attention"}}; /* resolved, firing */

static bool is_firing(const Message *message) {
    for (size_t i = 0; i < message->alert_count; i++) {
        if (message->alerts[i].is_firing) {
            return true;
        }
    }
    return false;
}

typedef struct CardTexts {
    Str title, text, summary;
} CardTexts;

static bool expand(const Integration *integration, const Message *message, MessageWorld *world,
                   bool with_summary, CardTexts *ret_texts, Err *err) {
    TmplValue data = template_data(message, world);
    if (!receiver_expand(integration, "title", &data, world, &ret_texts->title, err) ||
        !receiver_expand(integration, "text", &data, world, &ret_texts->text, err) ||
        (with_summary &&
         !receiver_expand(integration, "summary", &data, world, &ret_texts->summary, err))) {
        return false;
    }
    if (message->is_test) {
        ret_texts->title = arena_printf(world->arena, "[TEST] %.*s", STR_ARG(ret_texts->title));
    }
    if (message->is_repeat) {
        ret_texts->title = arena_printf(world->arena, "(repeat) %.*s", STR_ARG(ret_texts->title));
    }
    ret_texts->title = receiver_cut(world->arena, ret_texts->title, CARD_TITLE_CHARS_MAX);
    ret_texts->text = receiver_cut_json(world->arena, ret_texts->text, CARD_TEXT_BYTES_MAX);
    return true;
}

RECEIVER_BUILD(msteams) {
    (void)count;
    CardTexts texts = {0};
    Str url;
    if (!expand(integration, messages[0], world, true, &texts, err) ||
        !receiver_secret(integration, "webhook_url", "webhook_url_file", world->arena, &url, err)) {
        return false;
    }
    AUTO(buf_finish) Buf body = {0};
    JsonWriter json = json_writer(&body);
    json_object(&json);
    json_put_str(&json, "@context", STR("http://schema.org/extensions"));
    json_put_str(&json, "@type", STR("MessageCard"));
    json_put_str(&json, "title", texts.title);
    json_put_str(&json, "summary", texts.summary);
    json_put_str(&json, "text", texts.text);
    json_put_str(&json, "themeColor", str_of(colors[is_firing(messages[0])].hex));
    json_end(&json);
    receiver_post_json(integration, url, &body, world, ret_request);
    return true;
}

static void put_block(JsonWriter *json, Str text, const char *color) {
    json_object(json);
    json_put_str(json, "type", STR("TextBlock"));
    json_put_str(json, "text", text);
    json_put_bool(json, "wrap", true);
    if (color) {
        json_put_str(json, "weight", STR("Bolder"));
        json_put_str(json, "size", STR("Medium"));
        json_put_str(json, "style", STR("heading"));
        json_put_str(json, "color", str_of(color));
    }
    json_end(json);
}

RECEIVER_BUILD(msteamsv2) {
    (void)count;
    CardTexts texts = {0};
    Str url;
    if (!expand(integration, messages[0], world, false, &texts, err) ||
        !receiver_secret(integration, "webhook_url", "webhook_url_file", world->arena, &url, err)) {
        return false;
    }
    AUTO(buf_finish) Buf body = {0};
    JsonWriter json = json_writer(&body);
    json_object(&json);
    json_put_str(&json, "type", STR("message"));
    json_put_array(&json, "attachments");
    json_object(&json);
    json_put_str(&json, "contentType", STR("application/vnd.microsoft.card.adaptive"));
    json_key(&json, STR("contentUrl")), json_null(&json);
    json_put_object(&json, "content");
    json_put_str(&json, "$schema", STR("http://adaptivecards.io/schemas/adaptive-card.json"));
    json_put_str(&json, "type", STR("AdaptiveCard"));
    json_put_str(&json, "version", STR("1.2"));
    json_put_array(&json, "body");
    put_block(&json, texts.title, colors[is_firing(messages[0])].name);
    put_block(&json, texts.text, NULL);
    json_end(&json);
    json_put_object(&json, "msteams");
    json_put_str(&json, "width", STR("Full"));
    json_end(&json);
    json_end(&json);
    json_end(&json);
    json_end(&json);
    json_end(&json);
    receiver_post_json(integration, url, &body, world, ret_request);
    return true;
}
