#include "notify/watch.h"

#include "base/number.h"
#include "notify/notice.h"

enum { PRUNE_ROWS_MAX = 5000 };
static const DurationMs prune_interval = HOUR_MS;

static bool queue(Notify *notify, StateTx *tx, const char *name, const char *severity,
                  const char *summary, bool ends, TimeMs now, Err *err) {
    Label labels[] = {{STR("alertname"), str_of(name)}, {STR("severity"), str_of(severity)}};
    Label annotations[] = {{STR("summary"), str_of(summary)}};
    Notice notice = {.labels = {labels, 2},
                     .annotations = {annotations, 1},
                     .ends = ends,
                     .reason = STR("heartbeat")};
    size_t count;
    return notice_queue(notify, tx, notify->config->policy.heartbeat_receiver, &notice, now, &count,
                        err);
}

/* The longest a row has been waiting without having been refused. */
static bool delivery_stands_still(const Notify *notify, TimeMs now) {
    for (size_t i = 0; i < notify->outbox.entries_count; i++) {
        const OutboxRow *row = &notify->outbox.entries[i]->row;
        if (row->status != OUTBOX_FAILED && row->action != OUTBOX_NOTICE &&
            row->created_at + notify->config->policy.stall_after < now) {
            return true;
        }
    }
    return false;
}

static bool tell_change(Notify *notify, StateTx *tx, bool stalled, bool *told, const char *name,
                        const char *summary, TimeMs now, Err *err) {
    if (stalled == *told) {
        return true;
    }
    *told = stalled;
    return queue(notify, tx, name, "critical", summary, !stalled, now, err);
}

static bool beat(Notify *notify, StateTx *tx, TimeMs now, Err *err) {
    const NotifyPolicy *policy = &notify->config->policy;
    notify->next_heartbeat = now + policy->heartbeat_interval;
    return queue(notify, tx, "Heartbeat", "none", "Belfry is alive.", false, now, err) &&
           tell_change(notify, tx,
                       notify->evaluated_at && notify->evaluated_at + policy->stall_after < now,
                       &notify->told_evaluation_stall, "StalledEvaluation",
                       "Rules have not been evaluated for too long.", now, err) &&
           tell_change(notify, tx, delivery_stands_still(notify, now), &notify->told_delivery_stall,
                       "StalledDelivery", "Notifications wait in the outbox for too long.", now,
                       err);
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

void notify_evaluated(Notify *notify, TimeMs now) {
    pthread_rwlock_wrlock(&notify->lock);
    notify->evaluated_at = now;
    pthread_rwlock_unlock(&notify->lock);
}
