#include "notify/deliver.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "notify/lease.h"
#include "notify/notice.h"
#include "notify/outbox.h"
#include "notify/receivers.h"
#include "notify/recent.h"
#include "notify/route.h"
#include "notify/rule_headers.h"

enum {
    BATCH_MAX = 64, /* alerts in a request to an Alertmanager: few enough to find a bad one */
    LANE_REQUESTS_MAX = 32,
    STARTS_MAX = 256, /* requests begun in one transaction */
    ANSWERS_MAX = 256,
    LOOK_BACK = 16,   /* requests in preparation that a row is tried on */
    SCAN_MAX = 20000, /* rows looked at in one search */
};

static const DurationMs backoff_first = SECOND_MS, backoff_most = 5 * MINUTE_MS;
static const DurationMs retry_after_most = HOUR_MS;

/* How an integration is doing. */
typedef struct DeliveryLane {
    size_t in_flight;
    bool is_failing;
    TimeMs pause_until;
} DeliveryLane;

/* A request under way, or several with the same content to the instances of a cluster. */
typedef struct Delivery Delivery;
struct Delivery {
    uint64_t id;
    NotifyConfig *config; /* holds the integration */
    const Integration *integration;
    Arena arena;
    int64_t rows[BATCH_MAX];
    const Message *messages[BATCH_MAX];
    size_t count;
    size_t pending; /* answers to come */
    bool is_renewal;
    MessageVerdict verdict; /* the best so far */
    MessageAnswer answer;
    DurationMs retry_after;
    int status;
    Delivery *next;
};

DurationMs deliver_backoff(int64_t row_id, int64_t attempts) {
    int64_t doublings = attempts < 1 ? 0 : attempts > 20 ? 20 : attempts - 1;
    DurationMs span = backoff_first << doublings;
    span = span > backoff_most ? backoff_most : span;
    int64_t seed[2] = {row_id, attempts};
    uint64_t dice = hash64((Str){(const char *)seed, sizeof seed}) % 1000;
    return span * 3 / 4 + (DurationMs)((uint64_t)span * dice / 2000);
}

/* ---- lanes ---- */

static uint64_t lane_key(Str integration) {
    uint64_t key = hash64(integration);
    return key ? key : 1;
}

static DeliveryLane *lane_of(Notify *notify, Str integration) {
    DeliveryLane *lane = idmap_get(&notify->lanes, lane_key(integration));
    if (!lane) {
        lane = mem_zero(1, sizeof *lane);
        idmap_put(&notify->lanes, lane_key(integration), lane);
    }
    return lane;
}

static bool lane_is_open(const DeliveryLane *lane, TimeMs now) {
    size_t most = lane->is_failing ? 1 : LANE_REQUESTS_MAX;
    return now >= lane->pause_until && lane->in_flight < most;
}

/* ---- deliveries ---- */

static Delivery *new_delivery(Notify *notify, const Integration *integration) {
    Delivery *delivery = mem_zero(1, sizeof *delivery);
    delivery->id = ++notify->delivery_count;
    delivery->config = notify_config_ref(notify->config);
    delivery->integration = integration;
    delivery->verdict = VERDICT_REFUSED;
    delivery->retry_after = -1;
    return delivery;
}

static void free_delivery(Delivery *delivery) {
    notify_config_unref(delivery->config);
    arena_finish(&delivery->arena);
    free(delivery);
}

static Delivery *take_delivery(Notify *notify, uint64_t id) {
    for (Delivery **at = &notify->deliveries; *at; at = &(*at)->next) {
        if ((*at)->id == id) {
            Delivery *found = *at;
            *at = found->next;
            return found;
        }
    }
    return NULL;
}

size_t deliver_count(const Notify *notify) {
    size_t count = 0;
    for (const Delivery *at = notify->deliveries; at; at = at->next) {
        count++;
    }
    return count;
}

void deliver_clear(Notify *notify) {
    while (notify->deliveries) {
        Delivery *delivery = notify->deliveries;
        notify->deliveries = delivery->next;
        free_delivery(delivery);
    }
    for (size_t i = 0; i < notify->lanes.cap; i++) {
        free(notify->lanes.slots[i].value);
    }
    idmap_finish(&notify->lanes);
}

/* ---- messages ---- */

static const Alert *copy_alert(Arena *arena, const Alert *from) {
    Alert *alert = arena_new(arena, Alert);
    *alert = *from;
    alert->labels = labels_copy(arena, from->labels);
    alert->annotations = labels_copy(arena, from->annotations);
    alert->generator_url = arena_str(arena, from->generator_url);
    alert->rule_key = arena_str(arena, from->rule_key);
    return alert;
}

static int compare_alerts(const void *a, const void *b) {
    const MessageAlert *x = a, *y = b;
    if (x->is_firing != y->is_firing) {
        return x->is_firing ? -1 : 1;
    }
    return labels_cmp(x->alert->labels, y->alert->labels);
}

static void add_members(Notify *notify, const OutboxRow *row, Arena *arena, Message *message,
                        TimeMs now) {
    ByteReader reader = reader_of(row->members);
    message->alerts = arena_array(arena, MessageAlert, row->members.len / 2 + 1);
    int64_t id;
    bool firing;
    while (members_next(&reader, &id, &firing)) {
        const LiveAlert *alert = live_alert(notify, id);
        if (alert) {
            TimeMs end = alert->alert.resolved_at ? alert->alert.resolved_at : now;
            message->alerts[message->alert_count++] = (MessageAlert){
                .alert = copy_alert(arena, &alert->alert),
                .fingerprint = alert->fingerprint,
                .is_firing = firing,
                .starts_at = alert->alert.fired_at ? alert->alert.fired_at : alert->alert.active_at,
                .ends_at = firing ? 0 : end};
        }
    }
    qsort(message->alerts, message->alert_count, sizeof *message->alerts, compare_alerts);
}

static Message *make_message(Notify *notify, const OutboxEntry *entry, Arena *arena, TimeMs now) {
    const OutboxRow *row = &entry->row;
    Message *message = arena_new(arena, Message);
    *message = (Message){.action = row->action,
                         .receiver = arena_str(arena, row->receiver),
                         .dedup_key = arena_str(arena, row->dedup_key),
                         .target = arena_str(arena, row->target),
                         .reason = arena_str(arena, row->reason),
                         .is_repeat = entry->is_repeat};
    if (row->action == OUTBOX_NOTICE) {
        notice_read(row->members, arena, message);
        return message;
    }
    add_members(notify, row, arena, message, now);
    const Group *group = idmap_get(&notify->groups_by_id, (uint64_t)row->group_id);
    if (group) {
        message->group_labels = labels_copy(arena, group->labels);
        /* Without the receiver, which is ours. */
        message->group_key = arena_str(arena, str_of(strchr(group->key, '@') + 1));
        message->route_labels =
            group->route ? labels_copy(arena, group->route->labels) : (LabelSet){0};
    }
    const Sent *sent = sent_by_id(notify, row);
    message->data = sent ? arena_str(arena, str_of(sent_data(sent))) : STR("");
    return message;
}

/* ---- what the ledger says of it ---- */

static bool note_answer(Notify *notify, StateTx *tx, const OutboxEntry *entry, const char *decision,
                        Str answer, TimeMs now, Err *err) {
    static const char *const actions[] = {"trigger", "resolve", "acknowledge", "notice"};
    ByteReader reader = reader_of(entry->row.members);
    const Group *group = idmap_get(&notify->groups_by_id, (uint64_t)entry->row.group_id);
    AUTO(arena_finish) Arena arena = {0};
    const LiveAlert **shown =
        arena_array(&arena, const LiveAlert *, entry->row.members.len / 2 + 1);
    size_t count = 0;
    int64_t id;
    bool firing;
    while (entry->row.action != OUTBOX_NOTICE && members_next(&reader, &id, &firing)) {
        const LiveAlert *alert = live_alert(notify, id);
        if (alert) {
            shown[count++] = alert;
        }
    }
    if (count == 1) {
        return ledger_alert(notify, tx, now, shown[0], group, decision, actions[entry->row.action],
                            entry->row.integration, answer, err);
    }
    return ledger_group(notify, tx, now, group, shown, count, decision, actions[entry->row.action],
                        entry->row.integration, answer, err);
}

/* Shown as suppressed to receivers that are told of such, too. */
static bool is_marked(const Integration *integration, const LiveAlert *alert) {
    return integration && integration_forwards_all(integration) &&
           alert->noted_by != SUPPRESSED_NOT;
}

/* ---- choosing what to send ---- */

/* An integration that is gone lends its incidents to another one of its type: the same receiver's,
 * if it can be. */
static const Integration *stand_in(const NotifyConfig *config, Str id) {
    size_t slash = str_find(id, '/');
    Str receiver = {id.ptr, slash};
    Str type = slash < id.len ? str_skip(id, slash + 1) : STR("");
    type.len = str_find(type, '/');
    const Integration *found = NULL;
    for (size_t i = 0; i < config->receiver_count; i++) {
        for (size_t j = 0; j < config->receivers[i].integration_count; j++) {
            const Integration *integration = &config->receivers[i].integrations[j];
            bool same = str_eq(config->receivers[i].name, receiver);
            if (str_eq(str_of(integration->type->name), type) && (!found || same)) {
                found = integration;
            }
        }
    }
    return found;
}

static const Integration *integration_of(const Notify *notify, const OutboxRow *row) {
    const Integration *integration = config_integration(notify->config, row->integration);
    return integration ? integration : stand_in(notify->config, row->integration);
}

typedef struct Starting {
    Delivery *list[STARTS_MAX];
    size_t count;
} Starting;

static bool joins(const Delivery *delivery, const Integration *integration,
                  const OutboxEntry *entry, Str headers) {
    return delivery->integration == integration && integration->type->batch_max > 1 &&
           delivery->count < integration->type->batch_max && !entry->alone && delivery->count > 0 &&
           str_eq(delivery->messages[0]->headers, headers);
}

/* The request under preparation that takes the row too. Rules with different headers fire in turn,
 * so it need not be the last. */
static Delivery *joined_by(const Starting *starting, const Integration *integration,
                           const OutboxEntry *entry, Str headers) {
    for (size_t i = starting->count; integration && i > 0 && starting->count - i < LOOK_BACK; i--) {
        if (joins(starting->list[i - 1], integration, entry, headers)) {
            return starting->list[i - 1];
        }
    }
    return NULL;
}

static bool start_entry(Notify *notify, StateTx *tx, OutboxEntry *entry, Starting *starting,
                        TimeMs now, Err *err) {
    const Integration *integration = integration_of(notify, &entry->row);
    DeliveryLane *lane = lane_of(notify, entry->row.integration);
    const LiveAlert *alert = entry->row.alert_id ? live_alert(notify, entry->row.alert_id) : NULL;
    Str headers = alert ? rule_headers_of(notify, alert) : STR("");
    Delivery *delivery = joined_by(starting, integration, entry, headers);
    if (!delivery && (!lane_is_open(lane, now) || starting->count == STARTS_MAX)) {
        return true;
    }
    if (!delivery) {
        delivery = new_delivery(notify, integration);
        starting->list[starting->count++] = delivery;
        lane->in_flight++;
    }
    entry->in_flight = true;
    entry->row.status = OUTBOX_SENDING;
    entry->row.attempts++;
    delivery->rows[delivery->count] = entry->row.id;
    Message *message = make_message(notify, entry, &delivery->arena, now);
    message->headers = arena_str(&delivery->arena, headers);
    message->suppressed = alert && is_marked(integration, alert);
    delivery->messages[delivery->count++] = message;
    bool is_first = entry->row.attempts == 1 && entry->row.action != OUTBOX_NOTICE;
    return outbox_update(tx, entry, err) &&
           (!is_first || note_answer(notify, tx, entry, "attempted", STR(""), now, err));
}

/* In shadow mode nothing leaves but a test somebody asked for; what was queued before waits. */
static bool is_held(const Notify *notify, const OutboxRow *row) {
    return notify->config->policy.shadow &&
           !(row->action == OUTBOX_NOTICE && notice_is_test(row->members));
}

static bool is_due(const Notify *notify, const OutboxEntry *entry, TimeMs now) {
    return !entry->in_flight && !is_held(notify, &entry->row) &&
           entry->row.status == OUTBOX_QUEUED && entry->row.due_at <= now &&
           outbox_is_first(notify, entry);
}

static bool start_due(Notify *notify, StateTx *tx, Starting *starting, TimeMs now, Err *err) {
    Outbox *outbox = &notify->outbox;
    size_t looked = outbox->entries_count < SCAN_MAX ? outbox->entries_count : SCAN_MAX;
    for (size_t i = 0; i < looked && starting->count < STARTS_MAX; i++, notify->scan_at++) {
        OutboxEntry *entry = outbox->entries[notify->scan_at % outbox->entries_count];
        if (is_due(notify, entry, now) && !start_entry(notify, tx, entry, starting, now, err)) {
            return false;
        }
    }
    return true;
}

/* ---- sending ---- */

static void send_all(Notify *notify, const Delivery *delivery, const MessageRequest *request) {
    NetRequest net = request->request;
    net.tag = delivery->id;
    if (!request->url_count) {
        net_send(notify->box, &net);
    }
    for (size_t i = 0; i < request->url_count; i++) {
        net.url = request->urls[i];
        net_send(notify->box, &net);
    }
}

static bool build(Notify *notify, Delivery *delivery, MessageRequest *ret_request, TimeMs now,
                  Err *err) {
    const IntegrationType *type = delivery->integration ? delivery->integration->type : NULL;
    if (!type) {
        return err_set(err, ERR_NOT_FOUND, "no such integration is configured any more");
    }
    if (!type->build) {
        return err_set(err, ERR_UNSUPPORTED, "%s is not delivered by Belfry; use a webhook",
                       type->name);
    }
    (void)notify;
    MessageWorld world = {.arena = &delivery->arena,
                          .now = now,
                          .external_url = delivery->config->external_url,
                          .templates = delivery->config->templates,
                          .policy = &delivery->config->policy};
    return type->build(delivery->integration, delivery->messages, delivery->count, &world,
                       ret_request, err);
}

static void send_delivery(Notify *notify, Delivery *delivery, TimeMs now) {
    MessageRequest request = {0};
    Err err = {0};
    bool built = build(notify, delivery, &request, now, &err);
    if (!built) {
        /* Files and names may be there the next time; anything else will not mend itself. */
        bool transient = err.kind == ERR_IO || (err.kind == ERR_NOT_FOUND && delivery->integration);
        delivery->verdict = transient ? VERDICT_RETRY : VERDICT_REFUSED;
        delivery->answer.text = arena_str(&delivery->arena, str_of(err.text));
    } else if (request.is_done) {
        delivery->verdict = VERDICT_DELIVERED;
        delivery->answer.text = STR("written to the log");
    } else {
        delivery->pending = request.url_count ? request.url_count : 1;
        send_all(notify, delivery, &request);
    }
    delivery->next = notify->deliveries;
    notify->deliveries = delivery;
}

bool deliver_start(Notify *notify, TimeMs now, Err *err) {
    Starting starting = {.count = 0};
    StateTx *tx;
    pthread_rwlock_rdlock(&notify->lock);
    bool nothing = !notify->stale && deliver_next_due(notify) > now;
    pthread_rwlock_unlock(&notify->lock);
    if (nothing) {
        return true;
    }
    if (!live_begin(notify, now, &tx, err)) {
        return false;
    }
    bool ok = start_due(notify, tx, &starting, now, err);
    ok = live_end(notify, tx, ok, err);
    for (size_t i = 0; i < starting.count; i++) {
        if (ok) {
            send_delivery(notify, starting.list[i], now);
        } else {
            free_delivery(starting.list[i]);
        }
    }
    return ok;
}

/* ---- answers ---- */

static size_t type_index(const Integration *integration) {
    return integration ? (size_t)(integration->type - integration_types) : 31;
}

/* A key that is read from a file when it is used: the end has to go with the one that the trigger
 * went with, whatever the file says then. */
static void keep_key(Notify *notify, const OutboxEntry *entry, const Delivery *delivery,
                     Sent *sent) {
    AUTO(arena_finish) Arena arena = {0};
    const Integration *integration = delivery->integration;
    Str key = STR("");
    Err ignored = {0};
    if (integration && entry->row.action == OUTBOX_TRIGGER && !sent->target[0] &&
        integration_has(integration, "routing_key_file") &&
        receiver_secret(integration, "routing_key", "routing_key_file", &arena, &key, &ignored)) {
        sent->target = live_share(notify, key);
    }
}

/* Keeps with the incident what the answer taught. */
static bool keep_answer(Notify *notify, StateTx *tx, const OutboxEntry *entry,
                        const Delivery *delivery, Err *err) {
    Sent *sent = sent_by_id(notify, &entry->row);
    if (!sent) {
        return true;
    }
    bool changed = !sent->delivered && delivery->verdict == VERDICT_DELIVERED;
    sent->delivered |= changed;
    if (changed) {
        keep_key(notify, entry, delivery, sent);
    }
    if (delivery->answer.data.len) {
        sent_set_data(sent, delivery->answer.data);
        changed = true;
    }
    return !changed || sent_store(tx, sent, err);
}

static bool try_again(Notify *notify, StateTx *tx, OutboxEntry *entry, const Delivery *delivery,
                      TimeMs now, Err *err) {
    DurationMs wait = deliver_backoff(entry->row.id, entry->row.attempts);
    DurationMs asked =
        delivery->retry_after < retry_after_most ? delivery->retry_after : retry_after_most;
    bool is_news = !str_eq(entry->row.answer, delivery->answer.text);
    entry->row.status = OUTBOX_QUEUED;
    entry->row.maybe_delivered |= delivery->verdict == VERDICT_UNKNOWN;
    entry->row.due_at = now + (asked > wait ? asked : wait);
    entry->row.http_status = delivery->status;
    entry->row.answer = delivery->answer.text;
    return outbox_update(tx, entry, err) && keep_answer(notify, tx, entry, delivery, err) &&
           (!is_news || note_answer(notify, tx, entry, "failed", entry->row.answer, now, err));
}

static bool park(Notify *notify, StateTx *tx, OutboxEntry *entry, const Delivery *delivery,
                 TimeMs now, Err *err) {
    if (delivery->count > 1) {
        /* One of the batch is at fault: each is tried by itself, at once. */
        entry->alone = true;
        entry->row.status = OUTBOX_QUEUED;
        entry->row.due_at = now;
        return outbox_update(tx, entry, err);
    }
    entry->row.status = OUTBOX_FAILED;
    entry->row.http_status = delivery->status;
    entry->row.answer = delivery->answer.text;
    log_event(LOG_ERROR, "notification refused", LOG_STR("integration", entry->row.integration),
              LOG_STR("answer", entry->row.answer));
    return outbox_update(tx, entry, err) &&
           note_answer(notify, tx, entry, "refused", entry->row.answer, now, err);
}

/* A heartbeat that arrived is no news; one that did not is. */
static bool settle_delivered(Notify *notify, StateTx *tx, OutboxEntry *entry,
                             const Delivery *delivery, TimeMs now, Err *err) {
    bool beats = str_eq(entry->row.reason, STR("heartbeat"));
    counter_add(&notify->counters.sent[type_index(delivery->integration)], 1);
    entry->row.http_status = delivery->status;
    entry->row.answer = delivery->answer.text;
    if (entry->row.action == OUTBOX_NOTICE) {
        recent_add(notify, &entry->row, "delivered");
    }
    return keep_answer(notify, tx, entry, delivery, err) &&
           (beats ||
            note_answer(notify, tx, entry, "delivered", delivery->answer.text, now, err)) &&
           outbox_drop_stale(notify, tx, entry, now, err) &&
           outbox_remove(notify, tx, entry, now, err);
}

static bool settle_row(Notify *notify, StateTx *tx, int64_t id, const Delivery *delivery,
                       TimeMs now, Err *err) {
    OutboxEntry *entry = idmap_get(&notify->outbox.by_id, (uint64_t)id);
    if (!entry) {
        return true;
    }
    entry->in_flight = false;
    switch (delivery->verdict) {
    case VERDICT_DELIVERED:
        return settle_delivered(notify, tx, entry, delivery, now, err);
    case VERDICT_RETRY:
    case VERDICT_UNKNOWN:
        counter_add(&notify->counters.retried[type_index(delivery->integration)], 1);
        return try_again(notify, tx, entry, delivery, now, err);
    case VERDICT_REFUSED:
        counter_add(&notify->counters.failed[type_index(delivery->integration)], 1);
        return park(notify, tx, entry, delivery, now, err);
    }
    return true;
}

static void settle_lane(Notify *notify, Str integration, const Delivery *delivery, TimeMs now) {
    DeliveryLane *lane = lane_of(notify, integration);
    lane->in_flight -= lane->in_flight > 0;
    lane->is_failing = delivery->verdict == VERDICT_RETRY || delivery->verdict == VERDICT_UNKNOWN;
    if (delivery->retry_after > 0 && lane->is_failing) {
        DurationMs pause =
            delivery->retry_after < retry_after_most ? delivery->retry_after : retry_after_most;
        lane->pause_until = now + pause;
    }
}

static bool settle(Notify *notify, StateTx *tx, const Delivery *delivery, TimeMs now, Err *err) {
    if (delivery->is_renewal) {
        return true;
    }
    const OutboxEntry *first = idmap_get(&notify->outbox.by_id, (uint64_t)delivery->rows[0]);
    if (first) {
        settle_lane(notify, first->row.integration, delivery, now);
    } else if (delivery->integration) {
        settle_lane(notify, delivery->integration->id, delivery, now);
    }
    for (size_t i = 0; i < delivery->count; i++) {
        if (!settle_row(notify, tx, delivery->rows[i], delivery, now, err)) {
            return false;
        }
    }
    return true;
}

/* The best of several answers counts: one instance that has it is enough. */
static void judge(Delivery *delivery, const NetAnswer *answer) {
    static const int rank[] = {
        [VERDICT_DELIVERED] = 0, [VERDICT_UNKNOWN] = 1, [VERDICT_RETRY] = 2, [VERDICT_REFUSED] = 3};
    MessageAnswer read = {0};
    MessageVerdict verdict =
        delivery->integration->type->judge(delivery->integration, answer, &delivery->arena, &read);
    if (rank[verdict] <= rank[delivery->verdict]) {
        delivery->verdict = verdict;
        delivery->answer = read;
        delivery->status = answer->ok ? answer->status : 0;
        delivery->retry_after = answer->ok ? answer->retry_after : -1;
    }
    delivery->pending--;
}

static Delivery *find_delivery(const Notify *notify, uint64_t id) {
    for (Delivery *at = notify->deliveries; at; at = at->next) {
        if (at->id == id) {
            return at;
        }
    }
    return NULL;
}

/* Collects answers until none is there, waiting only for the first. */
static void collect(Notify *notify, DurationMs wait) {
    NetAnswer answer;
    for (int taken = 0; taken < ANSWERS_MAX && net_take(notify->box, wait, &answer); taken++) {
        Delivery *delivery = find_delivery(notify, answer.tag);
        if (delivery) {
            judge(delivery, &answer);
        }
        net_answer_finish(&answer);
        wait = 0;
    }
}

static bool has_finished(const Notify *notify) {
    for (const Delivery *at = notify->deliveries; at; at = at->next) {
        if (at->pending == 0) {
            return true;
        }
    }
    return false;
}

bool deliver_take(Notify *notify, TimeMs now, DurationMs wait, Err *err) {
    collect(notify, has_finished(notify) ? 0 : wait);
    if (!has_finished(notify)) {
        return true;
    }
    StateTx *tx;
    if (!live_begin(notify, now, &tx, err)) {
        return false;
    }
    Delivery *finished = NULL;
    bool ok = true;
    for (Delivery *at = notify->deliveries, *next; at; at = next) {
        next = at->next;
        if (at->pending == 0) {
            Delivery *taken = take_delivery(notify, at->id);
            ok = ok && settle(notify, tx, taken, now, err);
            taken->next = finished;
            finished = taken;
        }
    }
    /* If this does not commit, memory is read anew, and the rows go out once more: at least once.
     */
    ok = live_end(notify, tx, ok, err);
    while (finished) {
        Delivery *next = finished->next;
        free_delivery(finished);
        finished = next;
    }
    return ok;
}

TimeMs deliver_next_due(const Notify *notify) {
    TimeMs due = TIME_MAX;
    for (size_t i = 0; i < notify->outbox.entries_count; i++) {
        const OutboxEntry *entry = notify->outbox.entries[i];
        if (entry->in_flight || entry->row.status != OUTBOX_QUEUED || entry->row.due_at >= due ||
            is_held(notify, &entry->row) || !outbox_is_first(notify, entry)) {
            continue;
        }
        const DeliveryLane *lane = idmap_get(&notify->lanes, lane_key(entry->row.integration));
        size_t most = lane && lane->is_failing ? 1 : LANE_REQUESTS_MAX;
        if (lane && lane->in_flight >= most) {
            continue; /* the answer wakes us */
        }
        TimeMs open =
            lane && lane->pause_until > entry->row.due_at ? lane->pause_until : entry->row.due_at;
        due = open < due ? open : due;
    }
    return due;
}

/* ---- leases ---- */

/* Requests under preparation, one for each set of headers; the first slot's is sent when there is
 * no room for another. */
typedef struct Renewals {
    Delivery *list[LOOK_BACK];
    size_t count;
} Renewals;

static void send_renewal(Notify *notify, Renewals *renewals, size_t index, TimeMs now) {
    send_delivery(notify, renewals->list[index], now);
    renewals->list[index] = renewals->list[--renewals->count];
}

static Delivery *renewal_with(Notify *notify, Renewals *renewals, const Integration *integration,
                              Str headers, TimeMs now) {
    for (size_t i = 0; i < renewals->count; i++) {
        if (str_eq(renewals->list[i]->messages[0]->headers, headers)) {
            if (renewals->list[i]->count < BATCH_MAX) {
                return renewals->list[i];
            }
            send_renewal(notify, renewals, i, now);
            break;
        }
    }
    if (renewals->count == LOOK_BACK) {
        send_renewal(notify, renewals, 0, now);
    }
    Delivery *delivery = new_delivery(notify, integration);
    delivery->is_renewal = true;
    renewals->list[renewals->count++] = delivery;
    return delivery;
}

static void add_renewal(Notify *notify, const Integration *integration, const LiveAlert *alert,
                        Renewals *renewals, TimeMs now) {
    Str headers = rule_headers_of(notify, alert);
    Delivery *delivery = renewal_with(notify, renewals, integration, headers, now);
    Message *message = arena_new(&delivery->arena, Message);
    message->alerts = arena_new(&delivery->arena, MessageAlert);
    message->alert_count = 1;
    message->is_renewal = true;
    message->headers = arena_str(&delivery->arena, headers);
    message->suppressed = is_marked(integration, alert);
    message->alerts[0] = (MessageAlert){.alert = copy_alert(&delivery->arena, &alert->alert),
                                        .fingerprint = alert->fingerprint,
                                        .is_firing = true,
                                        .starts_at = alert->alert.fired_at};
    delivery->messages[delivery->count++] = message;
}

static void renew_integration(Notify *notify, const Integration *integration, TimeMs now) {
    Renewals renewals = {.count = 0};
    for (size_t i = 0; i < notify->alerts.cap; i++) {
        const LiveAlert *alert = notify->alerts.slots[i].value;
        for (size_t j = 0; alert && live_is_firing(alert) && j < alert->sent.items_count; j++) {
            const Sent *sent = alert->sent.items[j];
            if (sent->firing.count && str_eq(str_of(sent->integration), integration->id)) {
                add_renewal(notify, integration, alert, &renewals, now);
                break;
            }
        }
    }
    while (renewals.count) {
        send_renewal(notify, &renewals, 0, now);
    }
}

void deliver_renew(Notify *notify, TimeMs now) {
    if (now < notify->next_renewal) {
        return;
    }
    pthread_rwlock_rdlock(&notify->lock);
    const NotifyConfig *config = notify->config;
    bool any = false;
    for (size_t i = 0; !config->policy.shadow && i < config->receiver_count; i++) {
        for (size_t j = 0; j < config->receivers[i].integration_count; j++) {
            const Integration *integration = &config->receivers[i].integrations[j];
            if (strcmp(integration->type->name, "alertmanager") == 0) {
                any = true;
                renew_integration(notify, integration, now);
            }
        }
    }
    /* Nobody to renew at: a reload asks anew. */
    notify->next_renewal = now + (any ? LEASE_RESEND_MS : HOUR_MS);
    pthread_rwlock_unlock(&notify->lock);
}
