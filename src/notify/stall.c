#include "notify/stall.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/number.h"
#include "notify/message.h"

static const struct {
    const char *alertname, *summary;
} stalls[STALL_KINDS] = {
    [STALL_EVALUATION] = {"StalledEvaluation", "Rules have not been evaluated for too long."},
    [STALL_DECISION] = {"StalledNotification",
                        "Decisions about alerts cannot be made or stored: nobody is told of new "
                        "alerts."},
    [STALL_DELIVERY] = {"StalledDelivery", "A notification waits in the outbox for too long."},
};

static DurationMs limit_of(const Notify *notify) {
    return atomic_load(&notify->pulse.stall_after);
}

static bool is_late(TimeMs since, DurationMs limit, TimeMs now) {
    return limit > 0 && since > 0 && now - since > limit;
}

bool stall_of_evaluation(const Notify *notify, TimeMs now) {
    return is_late(atomic_load(&notify->pulse.evaluated_at), limit_of(notify), now);
}

/* The oldest row that has not been refused for good. */
static TimeMs oldest_row(const Notify *notify) {
    TimeMs oldest = 0;
    for (size_t i = 0; i < notify->outbox.entries_count; i++) {
        const OutboxRow *row = &notify->outbox.entries[i]->row;
        if (row->status != OUTBOX_FAILED && (!oldest || row->created_at < oldest)) {
            oldest = row->created_at;
        }
    }
    return oldest;
}

void stall_pulse(Notify *notify, TimeMs now) {
    pthread_rwlock_rdlock(&notify->lock);
    TimeMs oldest = notify->config->policy.shadow ? 0 : oldest_row(notify);
    pthread_rwlock_unlock(&notify->lock);
    atomic_store(&notify->pulse.oldest_row_at, oldest);
    atomic_store(&notify->pulse.decided_at, now);
}

void notify_evaluated(Notify *notify, TimeMs now) {
    atomic_store(&notify->pulse.evaluated_at, now);
}

void stall_configure(Notify *notify) {
    pthread_mutex_lock(&notify->pulse.lock);
    notify_config_unref(notify->pulse.config);
    notify->pulse.config = notify_config_ref(notify->config);
    atomic_store(&notify->pulse.stall_after, notify->config->policy.stall_after);
    pthread_mutex_unlock(&notify->pulse.lock);
}

void stall_clear(Notify *notify) {
    notify_config_unref(notify->pulse.config);
    notify->pulse.config = NULL;
}

/* ---- telling ---- */

/* The receiver of choice, else the default route's, else the heartbeat's. */
static const Receiver *receiver_of(const NotifyConfig *config) {
    const Receiver *chosen = config_receiver(config, config->policy.stall_receiver);
    if (!chosen && config->route->receiver->integration_count) {
        chosen = config->route->receiver;
    }
    return chosen ? chosen : config_receiver(config, config->policy.heartbeat_receiver);
}

typedef struct Alarm {
    const NotifyConfig *config;
    Net *net;
    const Message *message;
    Arena arena;
    TimeMs now;
} Alarm;

static bool send_one(Alarm *alarm, const Integration *integration, NetRequest *request) {
    NetAnswer answer = {0};
    MessageAnswer read = {0};
    Err err = {0};
    if (!net_call(alarm->net, request, &answer, &err)) {
        return false;
    }
    bool taken =
        integration->type->judge(integration, &answer, &alarm->arena, &read) == VERDICT_DELIVERED;
    net_answer_finish(&answer);
    return taken;
}

static bool tell_integration(Alarm *alarm, const Integration *integration) {
    MessageWorld world = {.arena = &alarm->arena,
                          .now = alarm->now,
                          .external_url = alarm->config->external_url,
                          .templates = alarm->config->templates,
                          .policy = &alarm->config->policy};
    MessageRequest request = {0};
    Err err = {0};
    if (!integration->type->build ||
        !integration->type->build(integration, &alarm->message, 1, &world, &request, &err)) {
        return false;
    }
    bool taken =
        request.is_done || (!request.url_count && send_one(alarm, integration, &request.request));
    for (size_t i = 0; i < request.url_count; i++) {
        request.request.url = request.urls[i];
        taken = send_one(alarm, integration, &request.request) || taken;
    }
    return taken;
}

/* True if somebody took it, or there is nobody to take it. */
static bool tell(const NotifyConfig *config, Net *net, StallKind kind, bool ends, TimeMs since,
                 TimeMs now) {
    const Receiver *receiver = config->policy.shadow ? NULL : receiver_of(config);
    Label labels[] = {{STR("alertname"), str_of(stalls[kind].alertname)},
                      {STR("severity"), STR("critical")}};
    Label annotations[] = {{STR("summary"), str_of(stalls[kind].summary)}};
    Alert alert = {.labels = {labels, 2},
                   .annotations = {annotations, 1},
                   .rule_key = STR("notice"),
                   .generator_url = config->external_url,
                   .phase = ends ? ALERT_INACTIVE : ALERT_FIRING};
    char key[65];
    alert_dedup_key(&alert, key);
    MessageAlert member = {.alert = &alert,
                           .fingerprint = labels_fingerprint(alert.labels),
                           .is_firing = !ends,
                           .starts_at = since,
                           .ends_at = ends ? now : 0};
    Message message = {.action = ends ? OUTBOX_RESOLVE : OUTBOX_TRIGGER,
                       .receiver = receiver ? receiver->name : STR(""),
                       .dedup_key = str_of(key),
                       .reason = STR("stall"),
                       .group_key = STR("{}:{}"),
                       .target = STR(""),
                       .data = STR(""),
                       .alerts = &member,
                       .alert_count = 1,
                       .text = str_of(stalls[kind].summary)};
    Alarm alarm = {.config = config, .net = net, .message = &message, .now = now};
    bool taken = !receiver;
    log_event(ends ? LOG_INFO : LOG_ERROR, ends ? "goes on" : "stands still",
              LOG_STR("alertname", str_of(stalls[kind].alertname)),
              LOG_STR("receiver", message.receiver));
    for (size_t i = 0; receiver && i < receiver->integration_count; i++) {
        const Integration *integration = &receiver->integrations[i];
        taken =
            (ends && !integration->send_resolved) || tell_integration(&alarm, integration) || taken;
    }
    arena_finish(&alarm.arena);
    return taken;
}

/* ---- watching ---- */

static TimeMs since_of(const Notify *notify, StallKind kind) {
    switch (kind) {
    case STALL_EVALUATION:
        return atomic_load(&notify->pulse.evaluated_at);
    case STALL_DECISION:
        return atomic_load(&notify->pulse.decided_at);
    case STALL_DELIVERY:
        return atomic_load(&notify->pulse.oldest_row_at);
    case STALL_KINDS:
        break;
    }
    return 0;
}

void notify_watch(Notify *notify, Net *net, TimeMs now) {
    pthread_mutex_lock(&notify->pulse.lock);
    NotifyConfig *config = notify_config_ref(notify->pulse.config);
    pthread_mutex_unlock(&notify->pulse.lock);
    for (int i = 0; i < STALL_KINDS; i++) {
        StallKind kind = (StallKind)i;
        TimeMs *told = &notify->pulse.told[kind];
        TimeMs since = since_of(notify, kind);
        bool stalled = is_late(since, limit_of(notify), now);
        if (stalled == (*told != 0)) {
            continue;
        }
        if (tell(config, net, kind, !stalled, stalled ? since : *told, now)) {
            *told = stalled ? since : 0;
        }
    }
    notify_config_unref(config);
}
