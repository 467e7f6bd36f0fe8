/* What the receivers share, and the plainest of them: the log. */

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/number.h"
#include "notify/integration.h"
#include "notify/receivers.h"
#include "notify/template.h"

enum { SECRET_BYTES_MAX = 64 << 10, ANSWER_CHARS_MAX = 300 };

bool receiver_secret(const Integration *integration, const char *key, const char *file_key,
                     Arena *arena, Str *ret_secret, Err *err) {
    Str file = integration_text(integration, file_key);
    if (!file.len || integration_has(integration, key)) {
        *ret_secret = str_trim(integration_text(integration, key));
        return true;
    }
    Str path = file.ptr[0] == '/'
                   ? arena_str(arena, file)
                   : arena_printf(arena, "%.*s/%.*s", STR_ARG(integration->folder), STR_ARG(file));
    Str bytes;
    if (!file_read(arena, path.ptr, SECRET_BYTES_MAX, &bytes, err)) {
        return err_context(err, "%s", file_key);
    }
    *ret_secret = str_trim(bytes);
    return true;
}

bool receiver_expand(const Integration *integration, const char *key, const TmplValue *data,
                     const MessageWorld *world, Str *ret_text, Err *err) {
    return template_expand(integration_text(integration, key), data, world, ret_text, err) ||
           err_context(err, "%s", key);
}

Str receiver_cut(Arena *arena, Str text, size_t chars_max) {
    size_t chars = 0, keep = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (((unsigned char)text.ptr[i] & 0xC0) != 0x80) {
            if (chars == chars_max - 1) {
                keep = i;
            }
            chars++;
        }
    }
    if (chars <= chars_max) {
        return text;
    }
    return arena_printf(arena, "%.*s…", (int)keep, text.ptr);
}

/* What a byte takes in JSON: 2 for what has a short escape, 6 for other control characters. */
static size_t json_width(unsigned char c) {
    return c == '"' || c == '\\' || c == '\n' || c == '\t' || c == '\r' ? 2 : c < ' ' ? 6 : 1;
}

Str receiver_cut_json(Arena *arena, Str text, size_t bytes_max) {
    size_t bytes = 0, keep = 0;
    for (size_t i = 0; i < text.len; i++) {
        bool starts = ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
        if (starts && bytes + sizeof "…" - 1 <= bytes_max) {
            keep = i;
        }
        bytes += json_width((unsigned char)text.ptr[i]);
    }
    return bytes <= bytes_max ? text : arena_printf(arena, "%.*s…", (int)keep, text.ptr);
}

void receiver_post_json(const Integration *integration, Str url, const Buf *body,
                        MessageWorld *world, MessageRequest *ret_request) {
    *ret_request = (MessageRequest){.request = {.method = STR("POST"),
                                                .url = url,
                                                .body = arena_str(world->arena, buf_view(body)),
                                                .content_type = STR("application/json"),
                                                .options = &integration->http,
                                                .timeout = 10 * SECOND_MS,
                                                .answer_bytes_max = 64 << 10,
                                                .answer_may_be_cut = true}};
    for (const FieldSpec *spec = integration->type->fields; spec->key; spec++) {
        if (strcmp(spec->key, "timeout") == 0 && integration_duration(integration, "timeout")) {
            ret_request->request.timeout = integration_duration(integration, "timeout");
        }
    }
}

MessageVerdict http_judge(const Integration *integration, const NetAnswer *answer, Arena *arena,
                          MessageAnswer *ret_answer) {
    (void)integration;
    if (!answer->ok) {
        ret_answer->text = arena_str(arena, str_of(answer->err.text));
        return answer->not_sent ? VERDICT_RETRY : VERDICT_UNKNOWN;
    }
    Str body = receiver_cut(arena, str_trim(answer->body), ANSWER_CHARS_MAX);
    ret_answer->text = arena_printf(arena, "%d %.*s", answer->status, STR_ARG(body));
    if (answer->status / 100 == 2) {
        return VERDICT_DELIVERED;
    }
    /* 429 says it was not taken, 408 and 425 that another time may do; a 5xx may come after the
     * work was done. */
    bool later = answer->status == 429 || answer->status == 408 || answer->status == 425;
    return later ? VERDICT_RETRY : answer->status / 100 == 5 ? VERDICT_UNKNOWN : VERDICT_REFUSED;
}

/* ---- log ---- */

static void log_alert(const Message *message, const MessageAlert *alert) {
    AUTO(buf_finish) Buf labels = {0};
    labels_print(&labels, alert->alert->labels);
    Str summary = labels_get(alert->alert->annotations, STR("summary"));
    log_event(LOG_WARN, alert->is_firing ? "alert firing" : "alert resolved",
              LOG_STR("receiver", message->receiver),
              LOG_STR("alertname", labels_get(alert->alert->labels, STR("alertname"))),
              LOG_STR("severity", labels_get(alert->alert->labels, STR("severity"))),
              LOG_STR("labels", buf_view(&labels)), LOG_STR("summary", summary),
              LOG_STR("reason", message->reason));
}

RECEIVER_BUILD(log) {
    (void)integration, (void)world, (void)err;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < messages[i]->alert_count; j++) {
            log_alert(messages[i], &messages[i]->alerts[j]);
        }
        if (messages[i]->text.len) {
            log_event(LOG_WARN, "notice", LOG_STR("receiver", messages[i]->receiver),
                      LOG_STR("text", messages[i]->text));
        }
    }
    *ret_request = (MessageRequest){.is_done = true};
    return true;
}
