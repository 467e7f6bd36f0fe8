#pragma once

/* How long an alert lives at another Alertmanager without hearing of it again. */

#include "base/clock.h"

/* How often firing alerts are told again. Resolved ones are not: an instance that missed the end
 * lets the lease run out. */
#define LEASE_RESEND_MS MINUTE_MS

/* Four missed renewals, as Prometheus counts it (rules/manager.go: 4 * max(interval, resend
 * delay)). */
static inline TimeMs lease_end(DurationMs interval, TimeMs now) {
    return now + 4 * (interval > LEASE_RESEND_MS ? interval : LEASE_RESEND_MS);
}
