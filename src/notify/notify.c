/* The handle: opening, turns, reloading, and the two loops' verbs. */

#include "notify/notify.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "notify/config_print.h"
#include "notify/deliver.h"
#include "notify/flag.h"
#include "notify/flush.h"
#include "notify/inhibit.h"
#include "notify/live.h"
#include "notify/posted.h"
#include "notify/recent.h"
#include "notify/reroute.h"
#include "notify/route_show.h"
#include "notify/rule_headers.h"
#include "notify/silence.h"
#include "notify/stall.h"
#include "notify/wake.h"
#include "notify/watch.h"

/* After trouble with the database: not at once again, but soon. */
static const DurationMs retry_after_trouble = SECOND_MS;

/* ---- turns ---- */

bool live_begin(Notify *notify, TimeMs now, StateTx **ret_tx, Err *err) {
    AUTO(state_rollbackp) StateTx *tx = NULL;
    if (!state_begin(notify->state, &tx, err)) {
        return false;
    }
    pthread_rwlock_wrlock(&notify->lock);
    if (notify->stale && !(live_reload(notify, now, err) && reroute_all(notify, tx, now, err))) {
        notify->stale = true;
        pthread_rwlock_unlock(&notify->lock);
        return false;
    }
    *ret_tx = TAKE(tx);
    return true;
}

/* The lock is given back before the disk is waited for: readers may see what is about to be
 * committed, the writer's turn keeps other writers out. */
bool live_end(Notify *notify, StateTx *tx, bool commit, Err *err) {
    notify->stale |= !commit;
    pthread_rwlock_unlock(&notify->lock);
    if (!commit) {
        state_rollback(tx);
        return false;
    }
    if (!state_commit(tx, err)) {
        pthread_rwlock_wrlock(&notify->lock);
        notify->stale = true;
        pthread_rwlock_unlock(&notify->lock);
        return false;
    }
    return true;
}

void live_let_read(Notify *notify) {
    pthread_rwlock_unlock(&notify->lock);
}

void live_write_on(Notify *notify) {
    pthread_rwlock_wrlock(&notify->lock);
}

void live_breathe(Notify *notify) {
    live_let_read(notify);
    live_write_on(notify);
}

/* ---- open and close ---- */

/* Who writes goes before readers that come later: lists of all alerts take the lock again and
 * again, and a few of them at a time would keep decisions waiting for ever. No thread takes it
 * twice. */
static void init_lock(pthread_rwlock_t *lock) {
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(lock, &attr);
    pthread_rwlockattr_destroy(&attr);
}

bool notify_open(const NotifyOptions *options, Notify **ret_notify, Err *err) {
    AUTO(notify_closep) Notify *notify = mem_zero(1, sizeof *notify);
    *notify = (Notify){.state = options->state,
                       .net = options->net,
                       .silences_max = options->silences_max,
                       .alerts_max = options->alerts_max,
                       .config = notify_config_ref(options->config),
                       .stale = true,
                       .next_prune = options->now + HOUR_MS,
                       .next_silence_change = TIME_MAX,
                       .next_damped_end = TIME_MAX};
    init_lock(&notify->lock);
    pthread_mutex_init(&notify->deliver_lock, NULL);
    pthread_mutex_init(&notify->pulse.lock, NULL);
    week_init(&notify->week);
    stall_configure(notify);
    notify->box = notify->net ? net_box_new(notify->net) : NULL;
    StateTx *tx;
    if (!rule_headers_load(notify, err) || !live_begin(notify, options->now, &tx, err) ||
        !live_end(notify, tx, true, err)) {
        return false;
    }
    *ret_notify = TAKE(notify);
    return true;
}

void notify_close(Notify *notify) {
    if (!notify) {
        return;
    }
    if (notify->box) {
        net_box_free(notify->box);
    }
    deliver_clear(notify);
    recent_clear(notify);
    live_clear(notify);
    live_names_free(notify);
    wake_clear(notify);
    stall_clear(notify);
    arena_finish(&notify->scratch);
    arena_finish(&notify->rule_headers_arena);
    notify_config_unref(notify->config);
    week_finish(&notify->week);
    pthread_mutex_destroy(&notify->pulse.lock);
    pthread_mutex_destroy(&notify->deliver_lock);
    pthread_rwlock_destroy(&notify->lock);
    free(notify);
}

bool notify_reload(Notify *notify, NotifyConfig *config, TimeMs now, Err *err) {
    StateTx *tx;
    if (!live_begin(notify, now, &tx, err)) {
        return false;
    }
    NotifyConfig *old = notify->config;
    inhibit_clear(notify);
    notify->config = notify_config_ref(config);
    inhibit_rebuild(notify);
    stall_configure(notify);
    notify->next_renewal = now;
    wake_all(notify);
    silences_reload(notify, now);
    bool ok = flags_reload(notify, now, err) && reroute_all(notify, tx, now, err);
    ok = live_end(notify, tx, ok, err);
    notify_config_unref(old);
    notify_wake(notify);
    return ok;
}

/* ---- the loops ---- */

TimeMs notify_flush(Notify *notify, TimeMs now) {
    Err err = {0};
    bool more = true;
    bool ok = posted_expire(notify, now, &err) && watch_tick(notify, now, &err);
    pthread_rwlock_rdlock(&notify->lock);
    more = notify->stale || wake_is_pending(notify) || flush_next_due(notify) <= now;
    pthread_rwlock_unlock(&notify->lock);
    while (ok && more) {
        ok = flush_due(notify, now, &more, &err);
    }
    notify->flush_ok = ok;
    if (!ok) {
        log_event(LOG_ERROR, "notification decisions put off", LOG_STR("reason", str_of(err.text)));
        return now + retry_after_trouble;
    }
    pthread_rwlock_rdlock(&notify->lock);
    TimeMs next = flush_next_due(notify);
    TimeMs expiry = notify->posted_expiry, watch = watch_next_due(notify);
    pthread_rwlock_unlock(&notify->lock);
    next = expiry < next ? expiry : next;
    return watch < next ? watch : next;
}

TimeMs notify_deliver(Notify *notify, TimeMs now, DurationMs wait) {
    Err err = {0};
    if (!notify->box) {
        return TIME_MAX;
    }
    pthread_mutex_lock(&notify->deliver_lock);
    deliver_renew(notify, now);
    bool ok = deliver_start(notify, now, &err) && deliver_take(notify, now, wait, &err);
    if (!ok) {
        log_event(LOG_ERROR, "delivery put off", LOG_STR("reason", str_of(err.text)));
    } else if (notify->flush_ok) {
        stall_pulse(notify, now);
    }
    pthread_rwlock_rdlock(&notify->lock);
    TimeMs next = ok ? deliver_next_due(notify) : now + retry_after_trouble;
    next = notify->next_renewal < next ? notify->next_renewal : next;
    pthread_rwlock_unlock(&notify->lock);
    pthread_mutex_unlock(&notify->deliver_lock);
    return next;
}

size_t notify_in_flight(Notify *notify) {
    pthread_mutex_lock(&notify->deliver_lock);
    size_t count = deliver_count(notify);
    pthread_mutex_unlock(&notify->deliver_lock);
    return count;
}

Str actor_text(Arena *arena, const Actor *actor) {
    return actor->claimed ? arena_printf(arena, "claimed:%.*s", STR_ARG(actor->name)) : actor->name;
}

bool notify_keep_week(Notify *notify, TimeMs now, Err *err) {
    return week_keep(&notify->week, notify->state, now, err);
}

void notify_end_week(Notify *notify) {
    week_interrupt(&notify->week);
}

void notify_wake(Notify *notify) {
    if (notify->box) {
        net_box_wake(notify->box);
    }
}

/* ---- small readings ---- */

void notify_receivers(Notify *notify, Arena *arena, Str **ret_names, size_t *ret_count) {
    pthread_rwlock_rdlock(&notify->lock);
    const NotifyConfig *config = notify->config;
    Str *names = arena_array(arena, Str, config->receiver_count + 1);
    for (size_t i = 0; i < config->receiver_count; i++) {
        names[i] = arena_str(arena, config->receivers[i].name);
    }
    *ret_names = names;
    *ret_count = config->receiver_count;
    pthread_rwlock_unlock(&notify->lock);
}

void notify_config_print(Notify *notify, Buf *out) {
    pthread_rwlock_rdlock(&notify->lock);
    config_print(notify->config, out);
    pthread_rwlock_unlock(&notify->lock);
}

void notify_config_route_json(const NotifyConfig *config, LabelSet labels, TimeMs time,
                              JsonWriter *json) {
    route_show_json(config, labels, time, json);
}

void notify_route_json(Notify *notify, LabelSet labels, TimeMs time, JsonWriter *json) {
    pthread_rwlock_rdlock(&notify->lock);
    route_show_json(notify->config, labels, time, json);
    pthread_rwlock_unlock(&notify->lock);
}

void notify_config_route_print(const NotifyConfig *config, bool yaml, Buf *out) {
    yaml ? route_show_yaml(config, out) : route_show_tree(config, out);
}

void notify_route_print(Notify *notify, bool yaml, Buf *out) {
    pthread_rwlock_rdlock(&notify->lock);
    notify_config_route_print(notify->config, yaml, out);
    pthread_rwlock_unlock(&notify->lock);
}

static void count_alerts(const Notify *notify, MetricWriter *out) {
    size_t active = 0, suppressed = 0;
    for (size_t i = 0; i < notify->alerts.cap; i++) {
        const LiveAlert *alert = notify->alerts.slots[i].value;
        if (alert && live_is_firing(alert)) {
            suppressed += alert->noted_by != SUPPRESSED_NOT;
            active += alert->noted_by == SUPPRESSED_NOT;
        }
    }
    metric_family(out, "alertmanager_alerts", "gauge", "How many alerts by state.");
    metric_value(out, "", (MetricLabel[]){{"state", STR("active")}}, 1, (double)active);
    metric_value(out, "", (MetricLabel[]){{"state", STR("suppressed")}}, 1, (double)suppressed);
}

static void count_silences(const Notify *notify, TimeMs now, MetricWriter *out) {
    static const char *const states[] = {"pending", "active", "expired"};
    size_t counts[3] = {0};
    for (size_t i = 0; i < notify->silences_count; i++) {
        const Silence *silence = &notify->silences[i]->silence;
        counts[now < silence->starts_at ? 0 : now > silence->ends_at ? 2 : 1]++;
    }
    metric_family(out, "alertmanager_silences", "gauge", "How many silences by state.");
    for (size_t i = 0; i < 3; i++) {
        metric_value(out, "", (MetricLabel[]){{"state", str_of(states[i])}}, 1, (double)counts[i]);
    }
}

static void count_by_type(const Notify *notify, MetricWriter *out, const char *name,
                          const char *help, const Counter *counters) {
    (void)notify;
    metric_family(out, name, "counter", help);
    for (size_t i = 0; integration_types[i].name; i++) {
        metric_value(out, "", (MetricLabel[]){{"integration", str_of(integration_types[i].name)}},
                     1, (double)counter_get(&counters[i]));
    }
}

void notify_metrics(Notify *notify, MetricWriter *out) {
    const NotifyCounters *counters = &notify->counters;
    pthread_rwlock_rdlock(&notify->lock);
    count_alerts(notify, out);
    count_silences(notify, clock_now(), out);
    size_t failed = 0;
    for (size_t i = 0; i < notify->outbox.entries_count; i++) {
        failed += notify->outbox.entries[i]->row.status == OUTBOX_FAILED;
    }
    metric_gauge(out, "belfry_notify_outbox_rows", "Notifications decided and not yet answered.",
                 (double)(notify->outbox.entries_count - failed));
    metric_gauge(out, "belfry_notify_outbox_failed_rows",
                 "Notifications refused for good, until somebody retries or drops them.",
                 (double)failed);
    metric_gauge(out, "belfry_notify_groups", "Groups of alerts.",
                 (double)notify->group_list_count);
    metric_gauge(out, "belfry_maintenance_flags", "Maintenance flags.",
                 (double)notify->flags_count);
    size_t forgotten = 0;
    for (size_t i = 0; i < notify->flags_count; i++) {
        forgotten += flag_is_forgotten(&notify->flags[i]->flag, clock_now());
    }
    metric_gauge(out, "belfry_maintenance_flags_forgotten",
                 "Maintenance flags whose review is overdue.", (double)forgotten);
    pthread_rwlock_unlock(&notify->lock);
    count_by_type(notify, out, "alertmanager_notifications_total",
                  "Notifications delivered, by integration.", counters->sent);
    count_by_type(notify, out, "alertmanager_notifications_failed_total",
                  "Notifications refused for good, by integration.", counters->failed);
    count_by_type(notify, out, "belfry_notify_retries_total",
                  "Attempts that failed and are repeated, by integration.", counters->retried);
    metric_counter(out, "alertmanager_alerts_received_total", "Alert changes taken in.",
                   counter_get(&counters->alerts_received));
    metric_counter(out, "alertmanager_alerts_invalid_total", "Alerts posted that were refused.",
                   counter_get(&counters->alerts_invalid));
    metric_counter(out, "belfry_notify_flushes_total", "Groups decided for.",
                   counter_get(&counters->groups_flushed));
    metric_counter(out, "belfry_notify_collapsed_total",
                   "Notifications that a later one made pointless before they were sent.",
                   counter_get(&counters->collapsed));
    metric_counter(out, "belfry_notify_ledger_rows_total", "Decisions written down.",
                   counter_get(&counters->ledger_rows));
}
