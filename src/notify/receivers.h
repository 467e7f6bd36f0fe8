#pragma once

/*
 * How each type of receiver is written to and its answers are read; a file a type (receiver_*.c),
 * put together by the table in integration.c.
 *
 * A build function fills the request from its messages (several only where the type's `batch_max`
 * allows). What it makes lives in the world's arena. It fails where a template fails: then nothing
 * is sent and the row is parked with the reason.
 */

#include "notify/config.h"
#include "notify/message.h"

#define RECEIVER_BUILD(name)                                                                       \
    bool name##_build(const Integration *integration, const Message *const *messages,              \
                      size_t count, MessageWorld *world, MessageRequest *ret_request, Err *err)

#define RECEIVER_JUDGE(name)                                                                       \
    MessageVerdict name##_judge(const Integration *integration, const NetAnswer *answer,           \
                                Arena *arena, MessageAnswer *ret_answer)

RECEIVER_BUILD(log);
RECEIVER_BUILD(pagerduty);
RECEIVER_BUILD(alertmanager);
RECEIVER_BUILD(webhook);
RECEIVER_BUILD(slack);
RECEIVER_BUILD(email);
RECEIVER_BUILD(msteams);
RECEIVER_BUILD(msteamsv2);
RECEIVER_BUILD(grafana);

/* 2xx is delivered; 429 and 5xx are tried again; other answers are refusals. */
RECEIVER_JUDGE(http);
RECEIVER_JUDGE(pagerduty);
RECEIVER_JUDGE(slack);
RECEIVER_JUDGE(email);
RECEIVER_JUDGE(grafana);

/* ---- for those files ---- */

/* A secret given in place or in a file (read now, as Alertmanager does), without surrounding white
 * space. */
bool receiver_secret(const Integration *integration, const char *key, const char *file_key,
                     Arena *arena, Str *ret_secret, Err *err) MUST_CHECK;

/* A setting that is a template, expanded. */
bool receiver_expand(const Integration *integration, const char *key, const TmplValue *data,
                     const MessageWorld *world, Str *ret_text, Err *err) MUST_CHECK;

/* `text` cut to `chars_max` characters, with a final ellipsis that says so. */
Str receiver_cut(Arena *arena, Str text, size_t chars_max);

/* The same by the bytes the text takes in JSON, escapes included. */
Str receiver_cut_json(Arena *arena, Str text, size_t bytes_max);

/* A request with a JSON body. The body is copied into the arena. */
void receiver_post_json(const Integration *integration, Str url, const Buf *body,
                        MessageWorld *world, MessageRequest *ret_request);
