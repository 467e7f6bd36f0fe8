#pragma once

/*
 * Notices: messages about no alert of the engine's. A test by hand, a heartbeat, a silence that is
 * about to end. They go through the outbox like all others, and look like an alert to the receiver.
 */

#include "notify/live.h"
#include "notify/message.h"

typedef struct Notice {
    LabelSet labels, annotations;
    LabelSet group_labels; /* of a test by labels */
    bool is_test;
    bool ends; /* a resolve of the same labels */
    Str reason;
} Notice;

/* The bytes an outbox row carries in `members`. */
void notice_write(Buf *buf, const Notice *notice, TimeMs now);
/* Fills the message of a row. */
bool notice_is_test(Str members);
void notice_read(Str members, Arena *arena, Message *message);

/* Queues a notice to one integration. A waiting heartbeat gives its place to the next one. */
bool notice_put(Notify *notify, StateTx *tx, const Integration *integration, const Notice *notice,
                TimeMs now, int64_t *ret_id, Err *err) MUST_CHECK;

/* Queues a notice to every integration of a receiver; ERR_NOT_FOUND if there is no such receiver.
 * In shadow mode nothing is queued. */
bool notice_queue(Notify *notify, StateTx *tx, Str receiver, const Notice *notice, TimeMs now,
                  size_t *ret_count, Err *err) MUST_CHECK;
