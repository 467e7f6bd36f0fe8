#pragma once

/*
 * An alert as rules, state, notify and web pass it to each other: plain values.
 *
 *               condition                     held for `for`
 *   INACTIVE -------------> PENDING ------------------------> FIRING
 *       ^                      |                                 |
 *       +----------------------+---------------------------------+
 *
 * Its identity is (rule_key, labels): `rule_key` names the rule independently of file place and
 * configuration; alerts from outside (POST /api/v2/alerts) have the key "api".
 */

#include "base/clock.h"
#include "model/label.h"

typedef enum AlertPhase { ALERT_INACTIVE, ALERT_PENDING, ALERT_FIRING } AlertPhase;

typedef struct Alert {
    Str rule_key;    /* group name, rule name and the rule's own labels, hashed: see
                        rules/rule_state.h; "api" from outside */
    LabelSet labels; /* with alertname */
    LabelSet annotations;
    Str generator_url;
    AlertPhase phase;
    TimeMs active_at;         /* pending since; 0 = never */
    TimeMs fired_at;          /* firing since */
    TimeMs keep_firing_since; /* condition gone since, while `keep_firing_for` holds it */
    TimeMs resolved_at;       /* 0 while active */
    TimeMs ends_at;           /* lease of an alert from outside; 0 for our own */
    TimeMs updated_at;
    DurationMs interval; /* of its group, for leases at other Alertmanagers; 0 = unknown */
    double value;        /* at the last match */
    bool stale;          /* its source is late: held as it was, see rules.h */
    bool is_restored;    /* since when it is active comes from before a start, see rules.h */
} Alert;

/* What happened to an alert in one evaluation. */
typedef enum AlertEvent {
    ALERT_BECAME_PENDING,
    ALERT_BECAME_FIRING,
    ALERT_BECAME_RESOLVED, /* was firing */
    ALERT_BECAME_INACTIVE, /* was only pending */
    ALERT_CHANGED, /* annotations, value or stale mark of a firing one differ: no transition */
} AlertEvent;

typedef struct AlertChange {
    AlertEvent event;
    Alert alert;        /* as it is now */
    const char *reason; /* "condition", "rule removed", "lease expired"...: a constant, shown in the
                           history */
} AlertChange;

/* What a request that tells another Alertmanager of a rule's alerts carries beside them. */
typedef struct AlertHeaders {
    Str rule_key;
    Str headers; /* "Name: value", one a line, each line ended; "" = none */
} AlertHeaders;

const char *alert_phase_text(AlertPhase phase); /* "inactive", "pending", "firing" */

/* The key one incident has at every receiver, for as long as it is open: hex SHA-256 over rule name
 * and labels, nothing that configuration can change. */
void alert_dedup_key(const Alert *alert, char hex[65]);
