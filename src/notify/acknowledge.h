#pragma once

/*
 * What people did at the pager comes back: PagerDuty's webhooks (version 3) of incidents that are
 * acknowledged, unacknowledged or resolved become rows of the ledger ("acknowledged",
 * "unacknowledged", "closed") about the alerts of that incident, which explain shows and quality
 * counts.
 *
 * Threads: notify_pagerduty_webhook() may be called from any thread; the others are plain
 * functions.
 */

#include "notify/notify.h"

typedef struct PagerEvent {
    Str type;     /* "incident.acknowledged" */
    Str key;      /* the incident's: our dedup key */
    Str who;      /* "" = nobody is named */
    Str incident; /* its page */
    TimeMs at;
} PagerEvent;

/* True if `header` ("v1=HEX,v1=HEX": several while a secret is being changed) has the body's
 * HMAC-SHA-256 under the secret. */
bool pagerduty_signature_fits(Str secret, Str header, Str body);

/* Texts are in `arena`. ERR_INVALID for what is no such message. */
bool pagerduty_event_read(Str body, TimeMs now, Arena *arena, PagerEvent *ret_event,
                          Err *err) MUST_CHECK;

typedef enum WebhookOutcome {
    WEBHOOK_TAKEN,
    WEBHOOK_IGNORED,      /* about something we keep no record of */
    WEBHOOK_UNCONFIGURED, /* no notify.pagerduty_webhook */
    WEBHOOK_FORGED,       /* the signature does not fit */
} WebhookOutcome;

/* The same event twice leaves one row. */
bool notify_pagerduty_webhook(Notify *notify, Str header, Str body, TimeMs now,
                              WebhookOutcome *ret_outcome, Err *err) MUST_CHECK;
