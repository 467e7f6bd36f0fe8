#pragma once

/*
 * Rows of the outbox: what has been decided to be sent and has not been answered yet. A delivered
 * row is removed; one that cannot succeed stays with status OUTBOX_FAILED until somebody asks for a
 * retry or drops it.
 */

#include "state/state.h"

typedef enum OutboxStatus {
    OUTBOX_QUEUED,
    OUTBOX_SENDING, /* set, durably, before the bytes leave: after a crash it may have arrived */
    OUTBOX_FAILED,  /* refused for good */
} OutboxStatus;

typedef enum OutboxAction {
    OUTBOX_TRIGGER,
    OUTBOX_RESOLVE,
    OUTBOX_ACKNOWLEDGE,
    OUTBOX_NOTICE, /* about no alert: a test, a reminder, a heartbeat */
} OutboxAction;

typedef struct OutboxRow {
    int64_t id; /* 0 = not stored yet */
    Str integration;
    Str receiver;
    Str dedup_key; /* order is kept within (integration, dedup_key) */
    Str target;
    OutboxAction action;
    int64_t group_id, alert_id, sent_id; /* 0 = none */
    Str members;                         /* bytes, see notify/outbox.h */
    Str reason;
    TimeMs created_at, due_at;
    int64_t attempts;
    OutboxStatus status;
    bool maybe_delivered; /* an attempt ended without saying whether it was taken */
    int64_t http_status;  /* of the last answer; 0 = none */
    Str answer;           /* its text, cut */
} OutboxRow;

bool state_put_outbox(StateTx *tx, OutboxRow *row, Err *err) MUST_CHECK;
bool state_delete_outbox(StateTx *tx, int64_t id, Err *err) MUST_CHECK;
/* In order of id. */
bool state_load_outbox(State *state, Arena *arena, OutboxRow **ret_rows, size_t *ret_count,
                       Err *err) MUST_CHECK;
