#include "rules/rewind.h"

static TimeMs earlier(TimeMs a, TimeMs b) {
    return a < b ? a : b;
}

bool rewind_is_due(const Slot *slot, TimeMs now) {
    return slot->last > now && slot->last - now > slot->timing.interval;
}

static void rewind_state(RuleState *state, DurationMs by, TimeMs seen) {
    state->last_evaluation = earlier(state->last_evaluation, seen);
    for (size_t i = 0; i < state->alerts_count; i++) {
        ActiveAlert *active = state->alerts[i];
        AlertLife *life = &active->life;
        active->updated_at = earlier(active->updated_at, seen);
        life->active_at -= by;
        life->keep_firing_since -= life->keep_firing_since ? by : 0;
        life->fired_at = earlier(life->fired_at, seen);
    }
}

void rewind_slot(Slot *slot, TimeMs now) {
    TimeMs seen = slot_before(slot->timing, now) - slot->timing.interval;
    DurationMs by = slot->last - seen;
    slot->last = seen;
    for (size_t g = 0; g < slot->group_count; g++) {
        LiveGroup *group = slot->groups[g];
        group->last_evaluation = earlier(group->last_evaluation, seen);
        for (size_t i = 0; i < group->rule_count; i++) {
            rewind_state(group->rules[i].state, by, seen);
        }
    }
}

void rewind_alert(Alert *alert, TimeMs now) {
    DurationMs by = alert->updated_at - now;
    if (by > 0) {
        alert->updated_at = now;
        alert->active_at -= by;
        alert->keep_firing_since -= alert->keep_firing_since ? by : 0;
        alert->fired_at = earlier(alert->fired_at, now);
    }
}
