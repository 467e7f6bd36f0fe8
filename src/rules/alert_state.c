#include "rules/alert_state.h"

#include <assert.h>

static AlertLife step_seen(AlertLife life, AlertTiming timing, TimeMs now) {
    if (life.phase == ALERT_INACTIVE) {
        life = (AlertLife){.phase = ALERT_PENDING, .active_at = now};
    }
    if (life.phase == ALERT_PENDING && now - life.active_at >= timing.hold) {
        life.phase = ALERT_FIRING;
        life.fired_at = now;
    }
    life.keep_firing_since = 0;
    return life;
}

static AlertLife step_absent(AlertLife life, AlertTiming timing, TimeMs now) {
    if (life.phase != ALERT_FIRING) {
        return (AlertLife){0};
    }
    if (life.keep_firing_since == 0) {
        life.keep_firing_since = now;
    }
    if (now - life.keep_firing_since < timing.keep_firing) {
        return life;
    }
    life.phase = ALERT_INACTIVE;
    life.resolved_at = now;
    return life;
}

AlertLife alert_step(AlertLife life, AlertTiming timing, AlertSight sight, TimeMs now) {
    assert(timing.hold >= 0 && timing.keep_firing >= 0);

    if (sight == ALERT_UNDECIDED) {
        life.stale = life.phase != ALERT_INACTIVE;
        return life;
    }
    life.stale = false;
    return sight == ALERT_SEEN ? step_seen(life, timing, now) : step_absent(life, timing, now);
}

/* Prometheus' --rules.alert.for-grace-period. */
static const DurationMs GRACE = 10 * MINUTE_MS;

TimeMs alert_taken_over(AlertRecord record, DurationMs hold, bool vmalert, TimeMs now) {
    DurationMs left = hold - (record.seen_at - record.active_at);
    if (vmalert || left <= 0 || record.active_at > now || record.seen_at > now) {
        return record.active_at < now ? record.active_at : now;
    }
    if (hold >= GRACE && left < GRACE) {
        return now + GRACE - hold;
    }
    return record.active_at + (now - record.seen_at);
}

bool alert_transition(AlertLife before, AlertLife after, AlertEvent *ret_event) {
    if (before.phase == after.phase) {
        return false;
    }
    switch (after.phase) {
    case ALERT_PENDING:
        *ret_event = ALERT_BECAME_PENDING;
        return true;
    case ALERT_FIRING:
        *ret_event = ALERT_BECAME_FIRING;
        return true;
    case ALERT_INACTIVE:
        *ret_event = before.phase == ALERT_FIRING ? ALERT_BECAME_RESOLVED : ALERT_BECAME_INACTIVE;
        return true;
    }
    return false;
}
