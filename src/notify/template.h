#pragma once

/*
 * Notification templates: Alertmanager's data and default templates on src/tmpl.
 */

#include "notify/config.h"
#include "notify/message.h"

/* The default templates and the files `templates:` names, tried out on a made-up alert, so that
 * nobody finds out at three in the morning. */
bool template_load(NotifyConfig *config, Err *err) MUST_CHECK;

/* The data a message shows: the root of notification templates. */
TmplValue template_data(const Message *message, const MessageWorld *world);

/* Expands `text` (a setting); the result lives in the world's arena. */
bool template_expand(Str text, const TmplValue *data, const MessageWorld *world, Str *ret_text,
                     Err *err) MUST_CHECK;

/* What is equal in the first `shown` alerts of a message: labels or annotations. */
LabelSet message_common(Arena *arena, const Message *message, size_t shown, bool annotations);

/* The receiver's name as Alertmanager writes it into messages: quoted for regular expressions. */
Str message_receiver(Arena *arena, Str name);
