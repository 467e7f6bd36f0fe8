/* Alerts come in: they are routed into groups, and the groups learn when to look at them. */

#include "notify/accept.h"
#include "base/mem.h"
#include "notify/digest.h"
#include "notify/live.h"
#include "notify/route.h"
#include "notify/suppress.h"

static TimeMs earlier(TimeMs a, TimeMs b) {
    return a < b ? a : b;
}

/* When a group looks at a change of a member. */
static TimeMs due_after(const Group *group, const LiveAlert *alert, TimeMs now) {
    const Route *route = group->route;
    if (group->is_direct || !route) {
        return now;
    }
    if (route->digest) {
        return digest_next(route, now);
    }
    if (group->flushed_at) {
        TimeMs next = group->flushed_at + route->group_interval;
        return next > now ? next : now;
    }
    if (!live_is_firing(alert)) {
        return group->next_due;
    }
    /* An alert that has burnt long enough already does not wait once more. */
    TimeMs waited = alert->alert.fired_at + route->group_wait;
    return waited <= now ? now : now + route->group_wait;
}

static bool touch(Group *group, LiveAlert *alert, StateTx *tx, TimeMs now, Err *err) {
    group->next_due = earlier(group->next_due, due_after(group, alert, now));
    if (group->is_direct && (!alert->queued_count || alert->groups_count > 1)) {
        live_group_changed(group, alert);
    }
    return group->next_due == group->stored_due || live_group_store(tx, group, err);
}

static bool has_scope(const Route *route, bool direct) {
    for (size_t i = 0; i < route->receiver->integration_count; i++) {
        const Integration *integration = &route->receiver->integrations[i];
        if ((integration->type->scope(integration, route) == SCOPE_DIRECT) == direct) {
            return true;
        }
    }
    /* A receiver that tells nobody still groups: it shows, and the ledger says so. */
    return !direct && route->receiver->integration_count == 0;
}

/* Where it goes, with whom, and when they are told: `detail` is Alertmanager's group key. */
static bool note_route(Notify *notify, StateTx *tx, const LiveAlert *alert, const Group *group,
                       TimeMs now, Err *err) {
    const Route *route = group->route;
    LedgerRow row = {.at = now,
                     .alert_key = alert->short_key,
                     .group_id = group->id,
                     .decision = STR("routed"),
                     .reason = STR("fired"),
                     .subject = route->receiver->name,
                     .detail = str_of(strchr(group->key, '@') + 1),
                     .until =
                         group->next_due > now && group->next_due < TIME_MAX ? group->next_due : 0};
    if (!ledger_row(notify, tx, &row, err)) {
        return false;
    }
    if (!route->digest) {
        return true;
    }
    row.decision = STR("held");
    row.reason = STR("digest");
    row.detail = row.subject;
    row.subject = route->digest->name;
    return ledger_row(notify, tx, &row, err);
}

static bool join_route(Notify *notify, StateTx *tx, LiveAlert *alert, const Route *route,
                       TimeMs now, bool note, Err *err) {
    arena_reset(&notify->scratch);
    LabelSet labels = route_group_labels(route, alert->alert.labels, &notify->scratch);
    for (int direct = 0; direct < 2; direct++) {
        if (!has_scope(route, direct)) {
            continue;
        }
        Group *group;
        if (!live_group(notify, tx, route, direct, labels, now, &group, err) ||
            !live_join(notify, tx, group, alert, err) || !touch(group, alert, tx, now, err)) {
            return false;
        }
        if (note && !note_route(notify, tx, alert, group, now, err)) {
            return false;
        }
    }
    return true;
}

bool accept_route(Notify *notify, StateTx *tx, LiveAlert *alert, TimeMs now, bool note, Err *err) {
    const Route *routes[ROUTES_MATCHED_MAX];
    size_t count = route_match(notify->config->route, alert->alert.labels, routes);
    for (size_t i = 0; i < count; i++) {
        if (!join_route(notify, tx, alert, routes[i], now, note, err)) {
            return false;
        }
    }
    return true;
}

static bool touch_groups(LiveAlert *alert, StateTx *tx, TimeMs now, Err *err) {
    for (size_t i = 0; i < alert->groups_count; i++) {
        if (!touch(alert->groups[i], alert, tx, now, err)) {
            return false;
        }
    }
    return true;
}

static bool accept_one(Notify *notify, StateTx *tx, const AlertChange *change, int64_t id,
                       TimeMs now, Err *err) {
    LiveAlert *known = id ? live_alert(notify, id) : NULL;
    bool firing = change->alert.phase == ALERT_FIRING;
    if (!id || (!known && !firing)) {
        return true; /* pending, or over before anybody was told */
    }
    bool was_firing = known && live_is_firing(known);
    LiveAlert *alert = live_alert_put(notify, id, &change->alert);
    if (firing && !was_firing) {
        return flapping_note(notify, tx, alert, err) &&
               accept_route(notify, tx, alert, now, true, err);
    }
    return firing || !was_firing || touch_groups(alert, tx, now, err);
}

bool accept_changes(Notify *notify, StateTx *tx, const AlertChange *changes, const int64_t *ids,
                    size_t count, TimeMs now, Err *err) {
    for (size_t i = 0; i < count; i++) {
        if (!accept_one(notify, tx, &changes[i], ids[i], now, err)) {
            return false;
        }
        if (i % LIVE_BREATHE_EVERY == LIVE_BREATHE_EVERY - 1) {
            live_breathe(notify);
        }
    }
    counter_add(&notify->counters.alerts_received, count);
    return true;
}

bool notify_accept(Notify *notify, StateTx *tx, const AlertChange *changes, const int64_t *ids,
                   size_t count, TimeMs now, Err *err) {
    pthread_rwlock_wrlock(&notify->lock);
    bool ok = (!notify->stale || live_reload(notify, now, err)) &&
              accept_changes(notify, tx, changes, ids, count, now, err);
    notify->stale |= !ok;
    pthread_rwlock_unlock(&notify->lock);
    return ok;
}

void notify_accepted(Notify *notify, bool committed) {
    pthread_rwlock_wrlock(&notify->lock);
    notify->stale |= !committed;
    pthread_rwlock_unlock(&notify->lock);
    notify_wake(notify);
}
