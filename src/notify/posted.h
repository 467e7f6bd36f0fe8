#pragma once

/*
 * Alerts from outside: POST /api/v2/alerts, by Alertmanager's rules of merging and of leases
 * (reference: notification 1.6). The lease is theirs to renew; state keeps it, but a mere renewal
 * is written only when the stored end comes near, so that a thousand alerts re-posted each minute
 * do not become a thousand writes a minute.
 */

#include "notify/live.h"

/* Merges a newer report, whose `updated_at` is now, into what is known; pure. An end that was given
 * stays if it is the latest; one that is only `resolve_timeout` from the report (`is_guess`) gives
 * way. */
Alert posted_merge(const Alert *known, bool is_guess, const Alert *report);

/* Ends those whose lease has run out. */
bool posted_expire(Notify *notify, TimeMs now, Err *err) MUST_CHECK;
