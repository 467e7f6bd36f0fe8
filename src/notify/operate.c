/* What people ask of the outbox by hand: what waits and what failed, trying again, giving up, and
 * firing a test through a receiver. */

#include <stdlib.h>

#include "base/mem.h"
#include "notify/live.h"
#include "notify/notice.h"
#include "notify/outbox.h"
#include "notify/recent.h"
#include "notify/route.h"

enum { SHOWN_ALERTS_MAX = 20, TEST_ROWS_MAX = 256 };

static const DurationMs digest_look_ahead = 400 * DAY_MS;

/* ---- looking ---- */

static const char *const action_texts[] = {[OUTBOX_TRIGGER] = "trigger",
                                           [OUTBOX_RESOLVE] = "resolve",
                                           [OUTBOX_ACKNOWLEDGE] = "acknowledge",
                                           [OUTBOX_NOTICE] = "notice"};

static const char *status_of(const OutboxEntry *entry) {
    if (entry->row.status == OUTBOX_FAILED) {
        return "failed";
    }
    return entry->in_flight ? "sending" : entry->row.attempts ? "retrying" : "queued";
}

/* "team/pagerduty/4f1c..." to "pagerduty". */
static Str type_of(Str integration) {
    Str rest = str_skip(integration, str_find(integration, '/'));
    rest = str_skip(rest, rest.len > 0);
    rest.len = str_find(rest, '/');
    return rest;
}

static void view_alerts(Notify *notify, const OutboxRow *row, Arena *arena,
                        NotificationView *view) {
    view->alerts = arena_array(arena, LabelSet, SHOWN_ALERTS_MAX);
    if (row->action == OUTBOX_NOTICE) {
        Message message = {0};
        notice_read(row->members, arena, &message);
        view->alerts[0] = labels_copy(arena, message.alerts[0].alert->labels);
        view->alerts_shown = view->alert_count = 1;
        return;
    }
    ByteReader reader = reader_of(row->members);
    int64_t id;
    bool firing;
    while (members_next(&reader, &id, &firing)) {
        const LiveAlert *alert = live_alert(notify, id);
        if (alert && view->alerts_shown < SHOWN_ALERTS_MAX) {
            view->alerts[view->alerts_shown++] = labels_copy(arena, alert->alert.labels);
        }
        view->alert_count++;
    }
}

void operate_view(Notify *notify, const OutboxRow *row, const char *status, Arena *arena,
                  NotificationView *ret_view) {
    *ret_view = (NotificationView){.id = row->id,
                                   .receiver = arena_str(arena, row->receiver),
                                   .integration = arena_str(arena, row->integration),
                                   .type = arena_str(arena, type_of(row->integration)),
                                   .action = str_of(action_texts[row->action]),
                                   .status = str_of(status),
                                   .reason = arena_str(arena, row->reason),
                                   .dedup_key = arena_str(arena, row->dedup_key),
                                   .created_at = row->created_at,
                                   .due_at = row->due_at,
                                   .attempts = row->attempts,
                                   .http_status = row->http_status,
                                   .answer = arena_str(arena, row->answer)};
    view_alerts(notify, row, arena, ret_view);
}

static bool passes(const NotificationFilter *filter, int64_t id, Str receiver, Str status) {
    return (!filter->id || filter->id == id) &&
           (!filter->receiver.len || str_eq(filter->receiver, receiver)) &&
           (!filter->status.len || str_eq(filter->status, status));
}

static int compare_views(const void *a, const void *b) {
    const NotificationView *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

void notify_notifications(Notify *notify, const NotificationFilter *filter, Arena *arena,
                          NotificationView **ret_views, size_t *ret_count) {
    pthread_rwlock_rdlock(&notify->lock);
    size_t room = notify->outbox.entries_count + RECENT_KEPT, count = 0;
    room = filter->limit && filter->limit < room ? filter->limit : room;
    NotificationView *views = arena_array(arena, NotificationView, room + 1);
    for (size_t i = 0; i < notify->outbox.entries_count && count < room; i++) {
        const OutboxEntry *entry = notify->outbox.entries[i];
        if (passes(filter, entry->row.id, entry->row.receiver, str_of(status_of(entry)))) {
            operate_view(notify, &entry->row, status_of(entry), arena, &views[count++]);
        }
    }
    for (size_t i = 0; i < RECENT_KEPT && count < room; i++) {
        const RecentNotice *recent = notify->recent[i];
        if (recent && passes(filter, recent->view.id, recent->view.receiver, recent->view.status)) {
            recent_copy(recent, arena, &views[count++]);
        }
    }
    pthread_rwlock_unlock(&notify->lock);
    qsort(views, count, sizeof *views, compare_views);
    *ret_views = views;
    *ret_count = count;
}

/* ---- trying again, giving up ---- */

static bool audit(StateTx *tx, const char *action, int64_t id, const OutboxRow *row,
                  const Actor *actor, TimeMs now, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    AuditRow audit_row = {.at = now,
                          .actor = actor_text(&arena, actor),
                          .address = actor->address,
                          .action = str_of(action),
                          .subject = arena_printf(&arena, "%lld", (long long)id),
                          .reason = row->integration,
                          .before = STR(""),
                          .after = STR("")};
    return state_audit(tx, &audit_row, err);
}

static bool note(Notify *notify, StateTx *tx, const OutboxRow *row, const char *decision,
                 const Actor *actor, TimeMs now, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    const Group *group = idmap_get(&notify->groups_by_id, (uint64_t)row->group_id);
    const LiveAlert *alert = row->alert_id ? live_alert(notify, row->alert_id) : NULL;
    Str detail = actor->name.len ? arena_printf(&arena, "by %.*s", STR_ARG(actor->name)) : STR("");
    return alert ? ledger_alert(notify, tx, now, alert, group, decision, "by hand",
                                row->integration, detail, err)
                 : ledger_group(notify, tx, now, group, NULL, 0, decision, "by hand",
                                row->integration, detail, err);
}

static bool retry_entry(Notify *notify, StateTx *tx, OutboxEntry *entry, const Actor *actor,
                        TimeMs now, Err *err) {
    entry->row.status = OUTBOX_QUEUED;
    entry->row.attempts = 0;
    entry->row.due_at = now;
    return outbox_update(tx, entry, err) &&
           note(notify, tx, &entry->row, "retried", actor, now, err) &&
           audit(tx, "notification.retry", entry->row.id, &entry->row, actor, now, err);
}

static bool is_wanted(const OutboxEntry *entry, const int64_t *ids, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (entry->row.id == ids[i]) {
            return true;
        }
    }
    return count == 0 && entry->row.status == OUTBOX_FAILED;
}

bool notify_retry(Notify *notify, const int64_t *ids, size_t count, const Actor *actor, TimeMs now,
                  size_t *ret_count, Err *err) {
    StateTx *tx;
    size_t done = 0;
    bool ok = true;
    if (!live_begin(notify, now, &tx, err)) {
        return false;
    }
    for (size_t i = 0; i < count && ok; i++) {
        ok = idmap_get(&notify->outbox.by_id, (uint64_t)ids[i]) != NULL;
        if (!ok) {
            pthread_rwlock_unlock(&notify->lock);
            state_rollback(tx);
            return err_set(err, ERR_NOT_FOUND, "no notification %lld waits or failed",
                           (long long)ids[i]);
        }
    }
    for (size_t i = 0; i < notify->outbox.entries_count && ok; i++) {
        OutboxEntry *entry = notify->outbox.entries[i];
        if (is_wanted(entry, ids, count) && !entry->in_flight) {
            ok = retry_entry(notify, tx, entry, actor, now, err);
            done++;
        }
    }
    ok = live_end(notify, tx, ok, err);
    *ret_count = done;
    notify_wake(notify);
    return ok;
}

bool notify_drop(Notify *notify, int64_t id, const Actor *actor, TimeMs now, Err *err) {
    StateTx *tx;
    if (!live_begin(notify, now, &tx, err)) {
        return false;
    }
    OutboxEntry *entry = id > 0 ? idmap_get(&notify->outbox.by_id, (uint64_t)id) : NULL;
    if (!entry || entry->in_flight) {
        pthread_rwlock_unlock(&notify->lock);
        state_rollback(tx);
        return entry ? err_set(err, ERR_CONFLICT, "notification %lld is on its way", (long long)id)
                     : err_set(err, ERR_NOT_FOUND, "no notification %lld waits or failed",
                               (long long)id);
    }
    bool ok = note(notify, tx, &entry->row, "dropped", actor, now, err) &&
              audit(tx, "notification.drop", id, &entry->row, actor, now, err) &&
              outbox_remove(notify, tx, entry, now, err);
    return live_end(notify, tx, ok, err);
}

/* ---- tests ---- */

typedef struct Testing {
    Notify *notify;
    StateTx *tx;
    const NotifyTest *test;
    Notice notice;
    TimeMs now;
    Arena *arena;
    TestTarget *targets;
    size_t count;
    Err *err;
} Testing;

static bool fire(Testing *testing, const Integration *integration, LabelSet group_labels,
                 TestTarget *target) {
    Notice notice = testing->notice;
    notice.group_labels = group_labels;
    if (!notice_put(testing->notify, testing->tx, integration, &notice, testing->now, &target->id,
                    testing->err)) {
        return false;
    }
    notice.ends = true;
    return !testing->test->resolve || !integration->send_resolved ||
           notice_put(testing->notify, testing->tx, integration, &notice, testing->now,
                      &target->resolve_id, testing->err);
}

static bool fire_receiver(Testing *testing, const Receiver *receiver, const Route *route) {
    RouteWindow window = {0};
    TimeMs held_until = 0;
    LabelSet group_labels = {0};
    if (route) {
        window = route_window(route, testing->now);
        group_labels = route_group_labels(route, testing->notice.labels, testing->arena);
        held_until = window.is_muted ? window.next_change : 0;
        if (route->digest) {
            window = (RouteWindow){.is_muted = true, .by = route->digest->name};
            held_until =
                calendar_next_start(route->digest, testing->now, testing->now + digest_look_ahead);
        }
    }
    bool held = window.is_muted && !testing->test->ignore_windows;
    for (size_t i = 0; i < receiver->integration_count || i == 0; i++) {
        if (testing->count == TEST_ROWS_MAX) {
            return err_set(testing->err, ERR_LIMIT, "more than %d integrations", TEST_ROWS_MAX);
        }
        TestTarget *target = &testing->targets[testing->count++];
        *target = (TestTarget){.receiver = arena_str(testing->arena, receiver->name)};
        if (receiver->integration_count == 0) {
            return true; /* it tells nobody */
        }
        const Integration *integration = &receiver->integrations[i];
        target->integration = arena_str(testing->arena, integration->id);
        target->type = str_of(integration->type->name);
        if (held) {
            target->held_by = arena_str(testing->arena, window.by);
            target->held_until = held_until;
        } else if (!fire(testing, integration, group_labels, target)) {
            return false;
        }
    }
    return true;
}

static bool fire_all(Testing *testing) {
    const NotifyConfig *config = testing->notify->config;
    const NotifyTest *test = testing->test;
    if (test->receiver.len) {
        const Receiver *receiver = config_receiver(config, test->receiver);
        if (!receiver) {
            return err_set(testing->err, ERR_NOT_FOUND, "no receiver \"%.*s\"",
                           STR_ARG(test->receiver));
        }
        return fire_receiver(testing, receiver, NULL);
    }
    const Route *routes[ROUTES_MATCHED_MAX];
    size_t count = route_match(config->route, test->labels, routes);
    for (size_t i = 0; i < count; i++) {
        if (!fire_receiver(testing, routes[i]->receiver, routes[i])) {
            return false;
        }
    }
    return true;
}

/* The labels as given, and marked: whoever gets it has to see that nothing is wrong. */
static void make_notice(Testing *testing, const Actor *actor) {
    Arena *arena = testing->arena;
    LabelSet labels = testing->test->labels;
    if (!labels_has(labels, STR("alertname"))) {
        labels = labels_with(arena, labels, STR("alertname"), STR("BelfryTest"));
    }
    Label *summary = arena_new(arena, Label);
    *summary =
        (Label){STR("summary"), arena_printf(arena,
                                             "Test, nothing is wrong: sent by %.*s to try this "
                                             "receiver",
                                             STR_ARG(actor->name.len ? actor->name : STR("hand")))};
    testing->notice =
        (Notice){.labels = labels_with(arena, labels, STR("belfry_test"), STR("true")),
                 .annotations = {summary, 1},
                 .is_test = true,
                 .reason = STR("test")};
}

bool notify_test(Notify *notify, const NotifyTest *test, const Actor *actor, TimeMs now,
                 Arena *arena, TestTarget **ret_targets, size_t *ret_count, Err *err) {
    if (!test->receiver.len == !test->labels.count) {
        return err_set(err, ERR_INVALID, "a test needs either a receiver or labels");
    }
    Testing testing = {.notify = notify, .test = test, .now = now, .arena = arena, .err = err};
    testing.targets = arena_array(arena, TestTarget, TEST_ROWS_MAX);
    make_notice(&testing, actor);
    if (!live_begin(notify, now, &testing.tx, err)) {
        return false;
    }
    /* Refused before anything changed: memory stays good. */
    if (test->receiver.len && !config_receiver(notify->config, test->receiver)) {
        pthread_rwlock_unlock(&notify->lock);
        state_rollback(testing.tx);
        return err_set(err, ERR_NOT_FOUND, "no receiver \"%.*s\"", STR_ARG(test->receiver));
    }
    bool ok = fire_all(&testing);
    for (size_t i = 0; i < testing.count && ok; i++) {
        OutboxRow row = {.id = testing.targets[i].id,
                         .integration = testing.targets[i].integration.len
                                            ? testing.targets[i].integration
                                            : testing.targets[i].receiver};
        ok = !row.id || audit(testing.tx, "notification.test", row.id, &row, actor, now, err);
    }
    ok = live_end(notify, testing.tx, ok, err);
    *ret_targets = testing.targets;
    *ret_count = testing.count;
    notify_wake(notify);
    return ok;
}
