#pragma once

/*
 * Sending what the outbox holds, and taking the answers.
 *
 * A row is marked as being sent, durably, before its bytes leave, so that after a crash the next
 * process knows which may have arrived. Each integration has a lane: so many requests at once, one
 * while it fails, none while it has asked for a pause. Nobody waits for another's lane.
 */

#include "notify/live.h"

/* Starts what is due. */
bool deliver_start(Notify *notify, TimeMs now, Err *err) MUST_CHECK;
/* Takes answers for at most `wait`, and writes down what they mean. */
bool deliver_take(Notify *notify, TimeMs now, DurationMs wait, Err *err) MUST_CHECK;
/* Renews the leases of alerts at other Alertmanagers when it is time. */
void deliver_renew(Notify *notify, TimeMs now);
/* When deliver_start() would find something; under the lock. */
TimeMs deliver_next_due(const Notify *notify);
/* Requests under way. */
size_t deliver_count(const Notify *notify);
void deliver_clear(Notify *notify);

/* How long to wait after a failed attempt: exponential with jitter, by row so that it can be
 * tested. */
DurationMs deliver_backoff(int64_t row_id, int64_t attempts);
