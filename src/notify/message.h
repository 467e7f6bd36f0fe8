#pragma once

/*
 * A message is what one receiver is to be told, with everything needed to write it: made from an
 * outbox row and the alerts as they are when it is sent. A plain value in the delivery's arena.
 */

#include "model/alert.h"
#include "net/net.h"
#include "state/rows_outbox.h"
#include "tmpl/tmpl.h"

typedef struct MessageAlert {
    const Alert *alert;
    uint64_t fingerprint;
    bool is_firing;
    TimeMs starts_at, ends_at; /* ends_at 0 while firing */
} MessageAlert;

typedef struct Message {
    OutboxAction action;
    Str receiver;
    Str dedup_key;
    Str target; /* what the incident was opened with; "" = what is configured now */
    Str reason; /* notification_reason */
    Str group_key;
    LabelSet group_labels, route_labels;
    MessageAlert *alerts; /* firing first, then resolved, each by labels */
    size_t alert_count;
    Str data;       /* what an earlier answer left: an annotation's id */
    bool is_repeat; /* it may have arrived before a crash: receivers without keys mark it */
    bool is_test;
    bool suppressed; /* for `forward: all` */
    bool is_renewal; /* of a lease: nothing has changed */
    Str headers;     /* for another Alertmanager, a line each */
    Str text;        /* of a notice about no alert */
} Message;

typedef struct MessageWorld {
    Arena *arena;
    TimeMs now;
    Str external_url;
    const Tmpl *templates;
    const struct NotifyPolicy *policy; /* NULL = Alertmanager's own words only */
} MessageWorld;

typedef struct MessageRequest {
    NetRequest request;
    const Str *urls; /* instead of request.url: all of them get it, one has to take it */
    size_t url_count;
    Str *headers;
    bool is_done; /* nothing to send: it is written already (receiver log) */
} MessageRequest;

typedef enum MessageVerdict {
    VERDICT_DELIVERED,
    VERDICT_RETRY,   /* not taken, certainly; another time may help */
    VERDICT_UNKNOWN, /* may have been taken; has to be sent again */
    VERDICT_REFUSED, /* not taken, and never will be as it is */
} MessageVerdict;

typedef struct MessageAnswer {
    Str text; /* a sentence for the ledger */
    Str data; /* to be kept with the incident */
} MessageAnswer;
