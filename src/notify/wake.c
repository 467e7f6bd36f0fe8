#include "notify/wake.h"

#include <stdlib.h>

#include "base/mem.h"
#include "notify/postings.h"
#include "notify/suppress.h"

/* Told of suppressed alerts, too: a change of that is news to them even where nothing was held
 * back. */
static bool is_informed(const Group *group) {
    for (size_t i = 0;
         group->is_direct && group->route && i < group->route->receiver->integration_count; i++) {
        if (integration_forwards_all(&group->route->receiver->integrations[i])) {
            return true;
        }
    }
    return false;
}

static bool informs_any(const LiveAlert *alert) {
    for (size_t i = 0; i < alert->groups_count; i++) {
        if (is_informed(alert->groups[i])) {
            return true;
        }
    }
    return false;
}

static bool informs_of_all(const NotifyConfig *config) {
    for (size_t i = 0; i < config->receiver_count; i++) {
        const Receiver *receiver = &config->receivers[i];
        for (size_t j = 0; j < receiver->integration_count; j++) {
            if (integration_forwards_all(&receiver->integrations[j])) {
                return true;
            }
        }
    }
    return false;
}

static bool is_concerned(const LiveAlert *alert) {
    return alert->noted_by != SUPPRESSED_NOT || informs_any(alert);
}

static void note(Notify *notify, LiveAlert *alert) {
    if (!alert->is_to_wake) {
        alert->is_to_wake = true;
        VEC_PUSH(*notify, to_wake, alert->id);
    }
}

/* Who is told of quiet alerts, too, is told of what begins or ends to keep them so. */
static void wake_informing(Notify *notify, const MatcherSet *set) {
    PostingsScan scan = postings_scan(notify, set);
    LiveAlert *alert;
    while ((alert = postings_next(&scan))) {
        if (informs_any(alert)) {
            note(notify, alert);
        }
    }
}

void wake_begun(Notify *notify, const MatcherSet *set) {
    if (!notify->wakes_all && informs_of_all(notify->config)) {
        wake_informing(notify, set);
    }
}

/* Few alerts are quiet for just this reason, and to see that costs less than any matcher: so
 * expressions are not run to find candidates. */
static void wake_noted(Notify *notify, const MatcherSet *set, Suppressor by, uint64_t subject) {
    PostingsScan scan = postings_scan_known(notify, set);
    LiveAlert *alert;
    while ((alert = postings_candidate(&scan))) {
        if (alert->noted_by == by && alert->noted_subject == subject) {
            note(notify, alert);
        }
    }
}

void wake_ended(Notify *notify, const MatcherSet *set, Suppressor by, Str subject) {
    Suppression was = {.by = by, .subject = subject};
    if (notify->wakes_all) {
        return;
    }
    if (informs_of_all(notify->config)) {
        wake_informing(notify, set);
    }
    if (notify->quiet_counts[by]) {
        wake_noted(notify, set, by, suppression_subject(&was));
    }
}

void wake_all(Notify *notify) {
    notify->wakes_all = true;
}

static TimeMs earlier(TimeMs a, TimeMs b) {
    return a < b ? a : b;
}

void wake_damped(Notify *notify, TimeMs now) {
    notify->next_damped_end = TIME_MAX;
    for (size_t i = 0; i < notify->alerts.cap; i++) {
        LiveAlert *alert = notify->alerts.slots[i].value;
        if (!alert || alert->noted_by != SUPPRESSED_FLAPPING) {
            continue;
        }
        if (alert->damped_until > now) {
            notify->next_damped_end = earlier(notify->next_damped_end, alert->damped_until);
        } else {
            note(notify, alert);
        }
    }
}

void wake_clear(Notify *notify) {
    free(notify->to_wake);
    notify->to_wake = NULL;
    notify->to_wake_count = notify->to_wake_cap = 0;
}

bool wake_is_pending(const Notify *notify) {
    return notify->wakes_all || notify->to_wake_count;
}

/* Still quiet for the same reason: nothing to write down, nothing to tell. */
static bool is_released(const Notify *notify, const LiveAlert *alert, TimeMs now) {
    if (!live_is_firing(alert) || alert->noted_by == SUPPRESSED_NOT) {
        return false;
    }
    Suppression found = suppression_of(notify, alert, now);
    return found.by != alert->noted_by || suppression_subject(&found) != alert->noted_subject;
}

static void wake(Notify *notify, LiveAlert *alert, TimeMs now) {
    bool released = is_released(notify, alert, now);
    for (size_t i = 0; i < alert->groups_count; i++) {
        Group *group = alert->groups[i];
        bool informed = is_informed(group);
        if (!released && !informed) {
            continue;
        }
        if (group->is_direct) {
            live_group_changed(group, alert);
        }
        bool digest = group->route && group->route->digest;
        if (informed || (group->flushed_at && !digest)) {
            group->next_due = earlier(group->next_due, now);
        }
    }
}

void wake_some(Notify *notify, size_t max, TimeMs now) {
    for (size_t i = 0; notify->wakes_all && i < notify->alerts.cap; i++) {
        LiveAlert *alert = notify->alerts.slots[i].value;
        if (alert && is_concerned(alert)) {
            note(notify, alert);
        }
    }
    notify->wakes_all = false;
    for (size_t i = 0; notify->to_wake_count && i < max; i++) {
        LiveAlert *alert = live_alert(notify, notify->to_wake[--notify->to_wake_count]);
        if (alert) {
            alert->is_to_wake = false;
            wake(notify, alert, now);
        }
        if (i % LIVE_BREATHE_EVERY == LIVE_BREATHE_EVERY - 1) {
            live_breathe(notify);
        }
    }
}
