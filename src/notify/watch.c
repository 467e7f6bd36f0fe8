#include "notify/watch.h"

#include "notify/notice.h"
#include "notify/stall.h"

enum { PRUNE_ROWS_MAX = 5000 };
static const DurationMs prune_interval = HOUR_MS;

static bool beat(Notify *notify, StateTx *tx, TimeMs now, Err *err) {
    const NotifyPolicy *policy = &notify->config->policy;
    Label labels[] = {{STR("alertname"), STR("Heartbeat")}, {STR("severity"), STR("none")}};
    Label annotations[] = {{STR("summary"), STR("Belfry is alive.")}};
    Notice notice = {
        .labels = {labels, 2}, .annotations = {annotations, 1}, .reason = STR("heartbeat")};
    size_t count;
    notify->next_heartbeat = now + policy->heartbeat_interval;
    return stall_of_evaluation(notify, now) ||
           notice_queue(notify, tx, policy->heartbeat_receiver, &notice, now, &count, err);
}

static bool prune(Notify *notify, StateTx *tx, TimeMs now, Err *err) {
    bool more = false;
    if (!state_prune(tx, now - notify->config->policy.ledger_keep, PRUNE_ROWS_MAX, &more, err)) {
        return false;
    }
    notify->next_prune = now + (more ? SECOND_MS : prune_interval);
    return true;
}

static bool has_heartbeat(const Notify *notify) {
    return notify->config->policy.heartbeat_receiver.len && !notify->config->policy.shadow;
}

TimeMs watch_next_due(const Notify *notify) {
    return has_heartbeat(notify) && notify->next_heartbeat < notify->next_prune
               ? notify->next_heartbeat
               : notify->next_prune;
}

bool watch_tick(Notify *notify, TimeMs now, Err *err) {
    pthread_rwlock_rdlock(&notify->lock);
    bool due = watch_next_due(notify) <= now;
    pthread_rwlock_unlock(&notify->lock);
    if (!due) {
        return true;
    }
    StateTx *tx;
    if (!live_begin(notify, now, &tx, err)) {
        return false;
    }
    bool ok =
        (!has_heartbeat(notify) || notify->next_heartbeat > now || beat(notify, tx, now, err)) &&
        (notify->next_prune > now || prune(notify, tx, now, err));
    return live_end(notify, tx, ok, err);
}
