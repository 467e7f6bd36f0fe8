#include "notify/reroute.h"

#include "base/mem.h"
#include "notify/accept.h"
#include "notify/shadow.h"

static bool has_integration(const Group *group, const char *id) {
    for (size_t i = 0; group->route && i < group->route->receiver->integration_count; i++) {
        if (str_eq(group->route->receiver->integrations[i].id, str_of(id))) {
            return true;
        }
    }
    return false;
}

static bool move_sent(StateTx *tx, Sent *sent, Group *to, Err *err) {
    sent->group = to;
    return sent_store(tx, sent, err);
}

/* An alert's own incidents: to another of its groups with the same integration. */
static bool move_of_alert(StateTx *tx, LiveAlert *alert, Err *err) {
    for (size_t i = 0; i < alert->sent.items_count; i++) {
        Sent *sent = alert->sent.items[i];
        for (size_t j = 0; !sent->group->route && j < alert->groups_count; j++) {
            Group *group = alert->groups[j];
            if (group != sent->group && has_integration(group, sent->integration) &&
                !sent_find(&alert->sent, group, str_of(sent->integration)) &&
                !move_sent(tx, sent, group, err)) {
                return false;
            }
        }
    }
    return true;
}

/* A group's incident: to the group of the same receiver with the same labels, whose key is the
 * same. */
static Group *heir_of(const Notify *notify, const Group *old) {
    for (size_t i = 0; i < notify->group_list_count; i++) {
        Group *group = notify->group_list[i];
        if (group->route && strcmp(group->dedup_key, old->dedup_key) == 0) {
            return group;
        }
    }
    return NULL;
}

static bool move_of_group(Notify *notify, StateTx *tx, Group *old, Err *err) {
    Group *heir = old->sent.items_count ? heir_of(notify, old) : NULL;
    for (size_t i = 0; heir && i < old->sent.items_count; i++) {
        Sent *sent = old->sent.items[i];
        if (!has_integration(heir, sent->integration) ||
            sent_find(&heir->sent, heir, str_of(sent->integration))) {
            continue;
        }
        old->sent.items[i--] = old->sent.items[--old->sent.items_count];
        VEC_PUSH(heir->sent, items, sent);
        if (!move_sent(tx, sent, heir, err)) {
            return false;
        }
    }
    return true;
}

/* Alerts of which there are pointers may come and go while groups are joined, so they are listed
 * first. */
static LiveAlert **list_alerts(const Notify *notify, Arena *arena, size_t *ret_count) {
    LiveAlert **alerts = arena_array(arena, LiveAlert *, notify->alerts.count + 1);
    size_t count = 0;
    for (size_t i = 0; i < notify->alerts.cap; i++) {
        if (notify->alerts.slots[i].key) {
            alerts[count++] = notify->alerts.slots[i].value;
        }
    }
    *ret_count = count;
    return alerts;
}

static bool settle_group(Notify *notify, StateTx *tx, Group *group, TimeMs now, Err *err) {
    bool retire = !group->route;
    if (retire && !move_of_group(notify, tx, group, err)) {
        return false;
    }
    bool changed = retire != group->retired;
    group->retired = retire;
    /* Silences may have ended, windows opened, while nobody looked. */
    if (retire || group->flushed_at) {
        group->next_due = now;
    }
    for (size_t i = 0; group->is_direct && i < group->members_count; i++) {
        live_group_changed(group, group->members[i]);
        group->next_due = now;
    }
    return (!changed && group->next_due == group->stored_due) || live_group_store(tx, group, err);
}

bool reroute_all(Notify *notify, StateTx *tx, TimeMs now, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    size_t count;
    if (!shadow_forget(notify, tx, err)) {
        return false;
    }
    LiveAlert **alerts = list_alerts(notify, &arena, &count);
    for (size_t i = 0; i < notify->group_list_count; i++) {
        notify->group_list[i]->route = NULL;
        for (size_t j = 0; j < notify->group_list[i]->changed_count; j++) {
            notify->group_list[i]->changed[j]->queued_count--;
        }
        notify->group_list[i]->changed_count = 0;
    }
    for (size_t i = 0; i < count; i++) {
        if ((live_is_firing(alerts[i]) || alerts[i]->groups_count) &&
            !accept_route(notify, tx, alerts[i], now, false, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (!move_of_alert(tx, alerts[i], err)) {
            return false;
        }
    }
    for (size_t i = 0; i < notify->group_list_count; i++) {
        if (!settle_group(notify, tx, notify->group_list[i], now, err)) {
            return false;
        }
    }
    return true;
}
