/* Somebody is on it: said here, and passed on to the receivers that know of acknowledgement, under
 * the incident's key. */

#include "base/mem.h"
#include "notify/live.h"
#include "notify/outbox.h"

static bool takes_acknowledgement(Str integration) {
    Str rest = str_skip(integration, str_find(integration, '/'));
    return str_starts(rest, STR("/pagerduty/"));
}

typedef struct Acknowledging {
    Notify *notify;
    StateTx *tx;
    TimeMs now;
    size_t passed_on;
    Err *err;
} Acknowledging;

static bool pass_on(Acknowledging *acknowledging, const LiveAlert *alert, const Sent *sent) {
    AUTO(buf_finish) Buf members = {0};
    OutboxPut outcome;
    if (!sent->firing.count || !takes_acknowledgement(str_of(sent->integration)) ||
        (!sent->alert_id && !idset_has(&sent->firing, alert->id)) ||
        acknowledging->notify->config->policy.shadow) {
        return true;
    }
    members_put(&members, alert->id, true);
    OutboxRow row = {.integration = str_of(sent->integration),
                     .receiver = str_of(sent->group->receiver),
                     .dedup_key = str_of(sent->dedup_key),
                     .target = str_of(sent->target),
                     .action = OUTBOX_ACKNOWLEDGE,
                     .group_id = sent->group->id,
                     .alert_id = sent->alert_id,
                     .sent_id = sent->id,
                     .members = buf_view(&members),
                     .reason = STR("acknowledged"),
                     .created_at = acknowledging->now,
                     .due_at = acknowledging->now,
                     .answer = STR("")};
    acknowledging->passed_on++;
    return outbox_put(acknowledging->notify, acknowledging->tx, &row, sent->delivered, &outcome,
                      acknowledging->err);
}

static bool acknowledge_one(Acknowledging *acknowledging, const LiveAlert *alert,
                            const Actor *actor, Str comment) {
    AUTO(arena_finish) Arena arena = {0};
    Str detail = comment.len
                     ? arena_printf(&arena, "by %.*s: %.*s", STR_ARG(actor->name), STR_ARG(comment))
                     : arena_printf(&arena, "by %.*s", STR_ARG(actor->name));
    for (size_t i = 0; i < alert->sent.items_count; i++) {
        if (!pass_on(acknowledging, alert, alert->sent.items[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < alert->groups_count; i++) {
        const SentList *list = &alert->groups[i]->sent;
        for (size_t j = 0; j < list->items_count; j++) {
            if (!pass_on(acknowledging, alert, list->items[j])) {
                return false;
            }
        }
    }
    return ledger_alert(acknowledging->notify, acknowledging->tx, acknowledging->now, alert, NULL,
                        "acknowledged", "by hand", STR(""), detail, acknowledging->err);
}

static bool has_labels(const LiveAlert *alert, LabelSet labels) {
    for (size_t i = 0; i < labels.count; i++) {
        if (!str_eq(labels_get(alert->alert.labels, labels.items[i].name), labels.items[i].value)) {
            return false;
        }
    }
    return true;
}

static bool audit(StateTx *tx, LabelSet labels, const Actor *actor, Str comment, TimeMs now,
                  Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(buf_finish) Buf text = {0};
    labels_print(&text, labels);
    AuditRow row = {.at = now,
                    .actor = actor_text(&arena, actor),
                    .address = actor->address,
                    .action = STR("alert.acknowledge"),
                    .subject = buf_view(&text),
                    .reason = comment};
    return state_audit(tx, &row, err);
}

bool notify_acknowledge(Notify *notify, LabelSet labels, const Actor *actor, Str comment,
                        TimeMs now, size_t *ret_alerts, size_t *ret_passed_on, Err *err) {
    Acknowledging acknowledging = {.notify = notify, .now = now, .err = err};
    size_t count = 0;
    bool ok = true;
    if (labels.count == 0) {
        return err_set(err, ERR_INVALID, "which alerts? expected labels");
    }
    if (!live_begin(notify, now, &acknowledging.tx, err)) {
        return false;
    }
    for (size_t i = 0; i < notify->alerts.cap && ok; i++) {
        const LiveAlert *alert = notify->alerts.slots[i].value;
        if (alert && live_is_firing(alert) && has_labels(alert, labels)) {
            ok = acknowledge_one(&acknowledging, alert, actor, comment);
            count++;
        }
    }
    ok = ok && (!count || audit(acknowledging.tx, labels, actor, comment, now, err));
    if (!live_end(notify, acknowledging.tx, ok, err)) {
        return false;
    }
    *ret_alerts = count;
    *ret_passed_on = acknowledging.passed_on;
    notify_wake(notify);
    return count > 0 || err_set(err, ERR_NOT_FOUND, "no alert that fires has these labels");
}
