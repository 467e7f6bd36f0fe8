/*
 * Flushing: a group that is due is looked at, each of its integrations decides, and what is to be
 * told becomes outbox rows, in one transaction with the sent sets, the ledger, and the group's next
 * due time.
 *
 * A transaction takes about STATE_TX_ALERTS_MAX alerts. Small groups share one; a big one is looked
 * at in portions (group->cursor), so that whoever wants to set a silence meanwhile waits for one
 * portion at most.
 */

#include <stdlib.h>

#include "base/mem.h"
#include "notify/digest.h"
#include "notify/flag.h"
#include "notify/flush.h"
#include "notify/live.h"
#include "notify/outbox.h"
#include "notify/route.h"
#include "notify/shadow.h"
#include "notify/silence.h"
#include "notify/suppress.h"
#include "notify/wake.h"

enum { DECIDE_CHUNK = 64 }; /* alerts looked at together */

typedef struct Flush {
    Notify *notify;
    StateTx *tx;
    TimeMs now;
    Group *group;
    RouteWindow window;
    TimeMs again;  /* when to look at this group again at the latest */
    bool withheld; /* a digest that does not begin now: nothing is told */
    size_t weight;
    Err *err;
} Flush;

static TimeMs earlier(TimeMs a, TimeMs b) {
    return a < b ? a : b;
}

/* ---- what was told, and telling ---- */

/* Where an incident is opened: remembered, so that its end goes to the same place whatever the
 * configuration says then. */
static Str target_of(const Integration *integration) {
    return strcmp(integration->type->name, "pagerduty") == 0
               ? integration_text(integration, "routing_key")
               : STR("");
}

typedef struct Telling {
    const Integration *integration; /* NULL: of an integration that is gone */
    Str integration_id;
    Sent *sent;
    LiveAlert *alert; /* NULL: of the group */
    NotifyReason reason;
    const Buf *members;
    bool ends; /* the incident */
    const LiveAlert *const *shown;
    size_t shown_count;
} Telling;

static bool note_telling(const Flush *flush, const Telling *telling, OutboxPut outcome) {
    static const char *const words[] = {[OUTBOX_STORED] = "queued",
                                        [OUTBOX_SUPERSEDED] = "superseded",
                                        [OUTBOX_COLLAPSED] = "collapsed"};
    const char *decision = flush->notify->config->policy.shadow ? "shadowed" : words[outcome];
    const char *reason = notify_reason_text(telling->reason);
    if (telling->alert) {
        return ledger_alert(flush->notify, flush->tx, flush->now, telling->alert, flush->group,
                            decision, reason, telling->integration_id, STR(""), flush->err);
    }
    return ledger_group(flush->notify, flush->tx, flush->now, flush->group, telling->shown,
                        telling->shown_count, decision, reason, telling->integration_id, STR(""),
                        flush->err);
}

static bool enqueue(const Flush *flush, const Telling *telling) {
    OutboxRow row = {.integration = telling->integration_id,
                     .receiver = str_of(flush->group->receiver),
                     .dedup_key = str_of(telling->sent->dedup_key),
                     .target = str_of(telling->sent->target),
                     .action = telling->ends ? OUTBOX_RESOLVE : OUTBOX_TRIGGER,
                     .group_id = flush->group->id,
                     .alert_id = telling->alert ? telling->alert->id : 0,
                     .sent_id = telling->sent->id,
                     .members = buf_view(telling->members),
                     .reason = str_of(notify_reason_text(telling->reason)),
                     .created_at = flush->now,
                     .due_at = flush->now};
    OutboxPut outcome = OUTBOX_STORED;
    if (!flush->notify->config->policy.shadow &&
        !outbox_put(flush->notify, flush->tx, &row, telling->sent->delivered, &outcome,
                    flush->err)) {
        return false;
    }
    return note_telling(flush, telling, outcome);
}

/* Writes what is told now as the new sent set, and the message into the outbox. */
static bool tell(Flush *flush, Telling *telling, const int64_t *open, size_t open_count) {
    Sent *sent = telling->sent;
    bool silent_end = telling->ends && telling->integration && !telling->integration->send_resolved;
    if (sent->firing.count == 0) {
        sent->delivered = flush->notify->config->policy.shadow; /* a new incident */
        if (telling->integration && !integration_forwards_all(telling->integration)) {
            sent_set_data(sent, STR("")); /* what was learned belongs to the last one */
        }
        if (sent->delivered) {
            shadow_mark(sent);
        }
        if (telling->integration) {
            sent->target = live_share(flush->notify, target_of(telling->integration));
        }
    }
    sent_set_firing(sent, open, open_count);
    sent->at = flush->now;
    flush->weight++;
    return sent_store(flush->tx, sent, flush->err) && (silent_end || enqueue(flush, telling));
}

/* ---- one alert by itself ---- */

/* With `forward: all` what is suppressed is told, marked; a change of that is news. */
static bool mark_changed(const Sent *sent, bool quiet) {
    return (strcmp(sent_data(sent), "suppressed") == 0) != quiet;
}

static void set_mark(Sent *sent, bool quiet) {
    sent_set_data(sent, quiet ? STR("suppressed") : STR(""));
}

static bool decide_alert(Flush *flush, LiveAlert *alert, const Integration *integration, Str id,
                         Sent *sent, bool quiet) {
    const Route *route = flush->group->route;
    bool marks = integration && integration_forwards_all(integration), is_quiet = quiet;
    quiet = quiet && !marks;
    int64_t self[1] = {alert->id};
    bool told = sent && sent->firing.count;
    bool firing = live_is_firing(alert);
    bool muted = flush->window.is_muted;
    DedupInput input = {
        .told = {self, told},
        .was_told = sent != NULL,
        .told_at = sent ? sent->at : 0,
        .firing = {self, firing && !quiet && (told || !muted) && integration},
        .held = {self, firing && told && (quiet || !integration)},
        .resolved = {self, !firing && told},
        .send_resolved = !integration || integration->send_resolved,
        .is_muted = muted,
        .repeat_interval =
            route && !flush->group->is_direct ? route->repeat_interval : INT64_MAX / 4,
        .now = flush->now,
    };
    NotifyReason reason = dedup_decide(&input);
    if (reason == NOTIFY_NOTHING_NEW && marks && told && firing && mark_changed(sent, is_quiet)) {
        reason = NOTIFY_SUPPRESSION;
    }
    if (reason == NOTIFY_NOTHING_NEW) {
        flush->again = earlier(flush->again, dedup_repeat_at(&input));
        return true;
    }
    if (!sent) {
        sent = sent_add(flush->notify, &alert->sent, flush->group, alert, id, str_of(alert->key),
                        STR(""));
    }
    if (marks && firing) {
        set_mark(sent, is_quiet);
    }
    AUTO(buf_finish) Buf members = {0};
    members_put(&members, alert->id, firing);
    Telling telling = {.integration = integration,
                       .integration_id = id,
                       .sent = sent,
                       .alert = alert,
                       .reason = reason,
                       .ends = reason == NOTIFY_ALL_RESOLVED,
                       .members = &members};
    bool open = !telling.ends;
    if (open && route && !flush->group->is_direct) {
        flush->again = earlier(flush->again, flush->now + route->repeat_interval);
    }
    return tell(flush, &telling, self, open);
}

/* ---- a group as a whole ---- */

typedef struct Sets {
    int64_t *firing, *held, *resolved, *open;
    size_t firing_count, held_count, resolved_count, open_count;
    const LiveAlert **shown;
    size_t shown_count;
    Buf members;
} Sets;

static Sets sets_new(size_t room) {
    int64_t *ids = mem_grow(NULL, (4 * room + 1) * sizeof *ids);
    return (Sets){.firing = ids,
                  .held = ids + room,
                  .resolved = ids + 2 * room,
                  .open = ids + 3 * room,
                  .shown = mem_grow(NULL, (room + 1) * sizeof(LiveAlert *))};
}

static void sets_finish(Sets *sets) {
    free(sets->firing);
    free(sets->shown);
    buf_finish(&sets->members);
}

/* A digest also tells what began and ended since the last one. */
static void sort_member(const Flush *flush, const LiveAlert *alert, const IdSet *told, bool quiet,
                        bool with_ended, Sets *sets) {
    bool known = idset_has(told, alert->id);
    bool firing = live_is_firing(alert);
    bool mute = flush->window.is_muted && !known;
    if (firing && !quiet && !mute) {
        sets->firing[sets->firing_count++] = alert->id;
    } else if (firing && known) {
        sets->held[sets->held_count++] = alert->id;
    } else if (!firing && known) {
        sets->resolved[sets->resolved_count++] = alert->id;
    } else if (!firing && with_ended && !quiet) {
        sets->firing[sets->firing_count++] = alert->id;
    } else {
        return;
    }
    bool is_open = firing;
    if (is_open) {
        sets->open[sets->open_count++] = alert->id;
    }
    if (!(firing && quiet)) {
        sets->shown[sets->shown_count++] = alert;
        members_put(&sets->members, alert->id, firing);
    }
}

static bool decide_group(Flush *flush, const Integration *integration, Str id, Sent *sent,
                         const bool *quiet) {
    Group *group = flush->group;
    static const IdSet nothing = {0};
    const IdSet *told = sent ? &sent->firing : &nothing;
    const Route *route = group->route;
    bool digest = route && route->digest && integration;
    Sets sets = sets_new(group->members_count);
    for (size_t i = 0; i < group->members_count; i++) {
        sort_member(flush, group->members[i], told, quiet[i] || !integration, digest, &sets);
    }
    DedupInput input = {
        .told = *told,
        .was_told = sent != NULL,
        .told_at = sent ? sent->at : 0,
        .firing = {sets.firing, sets.firing_count},
        .held = {sets.held, sets.held_count},
        .resolved = {sets.resolved, sets.resolved_count},
        .send_resolved = !integration || integration->send_resolved,
        .is_muted = flush->window.is_muted,
        /* A digest tells what is new; what still burns is no news. */
        .repeat_interval = route && !digest ? route->repeat_interval : INT64_MAX / 4,
        .now = flush->now,
    };
    NotifyReason reason = dedup_decide(&input);
    bool ok = true;
    if (reason != NOTIFY_NOTHING_NEW) {
        if (!sent) {
            sent = sent_add(flush->notify, &group->sent, group, NULL, id, str_of(group->dedup_key),
                            STR(""));
        }
        Telling telling = {.integration = integration,
                           .integration_id = id,
                           .sent = sent,
                           .reason =
                               digest && reason != NOTIFY_ALL_RESOLVED ? NOTIFY_DIGEST : reason,
                           .ends = reason == NOTIFY_ALL_RESOLVED,
                           .members = &sets.members,
                           .shown = sets.shown,
                           .shown_count = sets.shown_count};
        ok = tell(flush, &telling, sets.open, sets.open_count);
        flush->weight += sets.shown_count;
        if (route && !digest && sets.open_count) {
            flush->again = earlier(flush->again, flush->now + route->repeat_interval);
        }
    } else {
        flush->again = earlier(flush->again, dedup_repeat_at(&input));
    }
    sets_finish(&sets);
    return ok;
}

/* ---- members ---- */

/* A row when what keeps an alert quiet differs from the last time. */
static bool note_suppression(const Flush *flush, LiveAlert *alert, const Suppression *found) {
    uint64_t subject = suppression_subject(found);
    if (alert->noted_by == found->by && alert->noted_subject == subject) {
        return true;
    }
    AUTO(arena_finish) Arena arena = {0};
    bool was_noted = alert->noted_by != SUPPRESSED_NOT;
    AUTO(buf_finish) Buf source = {0};
    if (found->source) {
        labels_print(&source, found->source->alert.labels);
    }
    live_note_quiet(flush->notify, alert, found->by, subject);
    if (found->by) {
        counter_add(&flush->notify->counters.suppressed, 1);
    }
    Str detail = found->source    ? buf_view(&source)
                 : found->who.len ? arena_printf(&arena, "by %.*s: %.*s", STR_ARG(found->who),
                                                 STR_ARG(found->why))
                                  : found->why;
    return (!found->by && !was_noted) ||
           ledger_row(flush->notify, flush->tx,
                      &(LedgerRow){.at = flush->now,
                                   .alert_key = alert->short_key,
                                   .group_id = flush->group->id,
                                   .decision = str_of(suppressor_text(found->by)),
                                   .reason = STR(""),
                                   .subject = found->subject,
                                   .detail = detail,
                                   .until = found->until},
                      flush->err);
}

/* What keeps each of these quiet; the time it takes is the engine's own measure of deciding. */
static void find_suppressions(const Flush *flush, LiveAlert *const *alerts, size_t count,
                              Suppression *ret_found) {
    int64_t start = clock_thread_cpu_ns();
    for (size_t i = 0; i < count; i++) {
        ret_found[i] = live_is_firing(alerts[i])
                           ? suppression_of(flush->notify, alerts[i], flush->now)
                           : (Suppression){0};
    }
    counter_add(&flush->notify->counters.decide_ns, (uint64_t)(clock_thread_cpu_ns() - start));
    counter_add(&flush->notify->counters.decided, count);
}

static bool take_quiet(const Flush *flush, LiveAlert *alert, const Suppression *found,
                       bool *ret_quiet) {
    *ret_quiet = found->by != SUPPRESSED_NOT;
    if (found->by == SUPPRESSED_FLAPPING) { /* nothing else wakes it when that is over */
        Notify *notify = flush->notify;
        notify->next_damped_end = earlier(notify->next_damped_end, found->until);
    }
    return !live_is_firing(alert) || note_suppression(flush, alert, found);
}

static bool is_told(const Group *group, const LiveAlert *alert) {
    for (size_t i = 0; i < alert->sent.items_count; i++) {
        if (alert->sent.items[i]->group == group && alert->sent.items[i]->firing.count) {
            return true;
        }
    }
    for (size_t i = 0; i < group->sent.items_count; i++) {
        if (idset_has(&group->sent.items[i]->firing, alert->id)) {
            return true;
        }
    }
    return false;
}

/* An alert that is over leaves when its end has been told and no row shows it any more. */
static bool may_leave(const Flush *flush, const LiveAlert *alert) {
    bool over = !live_is_firing(alert) || !flush->group->route;
    if (flush->withheld && digest_waits_for(flush->group, alert)) {
        return false;
    }
    return over && !alert->outbox_count && !is_told(flush->group, alert);
}

static bool leave(Flush *flush, LiveAlert *alert) {
    flush->weight++;
    return live_leave(flush->notify, flush->tx, flush->group, alert, flush->err);
}

static bool let_go(Flush *flush) {
    Group *group = flush->group;
    for (size_t i = group->members_count; i > 0; i--) {
        if (may_leave(flush, group->members[i - 1]) && !leave(flush, group->members[i - 1])) {
            return false;
        }
    }
    return true;
}

/* ---- integrations that are configured, and those that are gone ---- */

static bool is_configured(const Group *group, const char *id) {
    for (size_t i = 0; group->route && i < group->route->receiver->integration_count; i++) {
        if (str_eq(group->route->receiver->integrations[i].id, str_of(id))) {
            return true;
        }
    }
    return false;
}

static bool decide_alert_all(Flush *flush, LiveAlert *alert, bool quiet) {
    const Group *group = flush->group;
    const Route *route = group->route;
    for (size_t i = 0; route && i < route->receiver->integration_count; i++) {
        const Integration *integration = &route->receiver->integrations[i];
        IntegrationScope scope = integration->type->scope(integration, route);
        if (scope == SCOPE_GROUP || (scope == SCOPE_DIRECT) != group->is_direct) {
            continue;
        }
        Sent *sent = sent_find(&alert->sent, group, integration->id);
        if (!decide_alert(flush, alert, integration, integration->id, sent, quiet)) {
            return false;
        }
    }
    for (size_t i = 0; i < alert->sent.items_count; i++) {
        Sent *sent = alert->sent.items[i];
        if (sent->group == group && !is_configured(group, sent->integration) &&
            !decide_alert(flush, alert, NULL, str_of(sent->integration), sent, quiet)) {
            return false;
        }
    }
    return true;
}

static bool decide_group_all(Flush *flush, const bool *quiet) {
    Group *group = flush->group;
    const Route *route = group->route;
    for (size_t i = 0; route && i < route->receiver->integration_count; i++) {
        const Integration *integration = &route->receiver->integrations[i];
        if (integration->type->scope(integration, route) != SCOPE_GROUP) {
            continue;
        }
        Sent *sent = sent_find(&group->sent, group, integration->id);
        if (!decide_group(flush, integration, integration->id, sent, quiet)) {
            return false;
        }
    }
    for (size_t i = 0; i < group->sent.items_count; i++) {
        Sent *sent = group->sent.items[i];
        if (!is_configured(group, sent->integration) &&
            !decide_group(flush, NULL, str_of(sent->integration), sent, quiet)) {
            return false;
        }
    }
    return true;
}

/* ---- groups ---- */

/* A row when a time interval begins to hold something back, about those it had not held before. */
static bool note_window(const Flush *flush) {
    Group *group = flush->group;
    int64_t *held = mem_grow(NULL, (2 * group->members_count + 1) * sizeof *held);
    int64_t *news = held + group->members_count;
    size_t held_count = 0, news_count = 0;
    for (size_t i = 0; flush->window.is_muted && i < group->members_count; i++) {
        const LiveAlert *alert = group->members[i];
        if (live_is_firing(alert) && !is_told(group, alert)) {
            held[held_count++] = alert->id;
            if (!idset_has(&group->noted_muted, alert->id)) {
                news[news_count++] = alert->short_key;
            }
        }
    }
    LedgerRow row = {.at = flush->now,
                     .group_id = group->id,
                     .decision = STR("muted"),
                     .reason = STR("time interval"),
                     .subject = flush->window.by,
                     .detail = str_of(group->receiver),
                     .members = news,
                     .member_count = news_count,
                     .until = flush->window.next_change < TIME_MAX ? flush->window.next_change : 0};
    bool ok = !news_count || ledger_row(flush->notify, flush->tx, &row, flush->err);
    free(group->noted_muted.ids);
    group->noted_muted = (IdSet){held, held_count};
    return ok;
}

static bool finish_group(Flush *flush) {
    Group *group = flush->group;
    group->cursor = 0;
    if (!let_go(flush)) {
        return false;
    }
    if (group->members_count == 0) {
        return live_group_drop(flush->notify, flush->tx, group, flush->err);
    }
    if (!flush->withheld) {
        group->flushed_at = flush->now;
    }
    group->next_due = group->route && group->route->digest
                          ? digest_next(group->route, flush->now)
                          : earlier(flush->again, flush->window.next_change);
    return live_group_store(flush->tx, group, flush->err);
}

/* Alerts by themselves first, portion by portion, then the group as a whole. */
static bool flush_group(Flush *flush) {
    Group *group = flush->group;
    bool *quiet = mem_zero(group->members_count + 1, sizeof *quiet);
    bool ok = true;
    if (group->cursor >= group->members_count) {
        group->cursor = 0;
    }
    size_t from = group->cursor, known_from = 0, known_to = 0;
    Suppression found[DECIDE_CHUNK];
    for (size_t i = 0; ok && i < group->members_count; i++) {
        if (i > from && flush->weight >= STATE_TX_ALERTS_MAX && i + 1 < group->members_count) {
            group->cursor = i;
            free(quiet);
            return true; /* still due */
        }
        if (i < from) { /* found out in an earlier portion */
            quiet[i] = group->members[i]->noted_by != SUPPRESSED_NOT;
            continue;
        }
        if (i >= known_to) {
            size_t left = group->members_count - i;
            known_from = i;
            known_to = i + (left < DECIDE_CHUNK ? left : DECIDE_CHUNK);
            live_breathe(flush->notify);
            find_suppressions(flush, group->members + i, known_to - i, found);
        }
        flush->weight++;
        ok = take_quiet(flush, group->members[i], &found[i - known_from], &quiet[i]) &&
             (flush->withheld || decide_alert_all(flush, group->members[i], quiet[i]));
    }
    ok = ok && (flush->withheld || (note_window(flush) && decide_group_all(flush, quiet))) &&
         finish_group(flush);
    free(quiet);
    return ok;
}

/* The next few of what has changed. An alert may be among them twice. */
static bool flush_changed(Flush *flush) {
    Group *group = flush->group;
    LiveAlert *alerts[DECIDE_CHUNK];
    Suppression found[DECIDE_CHUNK];
    size_t count = 0;
    while (count < DECIDE_CHUNK && group->changed_count) {
        alerts[count] = group->changed[--group->changed_count];
        alerts[count++]->queued_count--;
    }
    live_breathe(flush->notify);
    find_suppressions(flush, alerts, count, found);
    flush->weight += count / 4 + 1; /* looking is cheap; telling is counted when it is done */
    for (size_t i = 0; i < count; i++) {
        LiveAlert *alert = alerts[i];
        bool quiet;
        if (!alert) {
            continue;
        }
        if (!take_quiet(flush, alert, &found[i], &quiet) ||
            !decide_alert_all(flush, alert, quiet)) {
            return false;
        }
        if (may_leave(flush, alert)) {
            for (size_t j = i + 1; j < count; j++) {
                alerts[j] = alerts[j] == alert ? NULL : alerts[j];
            }
            if (!leave(flush, alert)) {
                return false;
            }
        }
    }
    return true;
}

/* Only what changed is looked at: a group that tells at once has all alerts of its route. */
static bool flush_direct(Flush *flush) {
    Group *group = flush->group;
    /* What an interval held back while it was new rings when the window opens. */
    for (size_t i = 0; group->was_muted && !flush->window.is_muted && i < group->members_count;
         i++) {
        live_group_changed(group, group->members[i]);
    }
    group->was_muted = flush->window.is_muted;
    while (group->changed_count && flush->weight < STATE_TX_ALERTS_MAX) {
        if (!flush_changed(flush)) {
            return false;
        }
    }
    if (group->changed_count) {
        return true;
    }
    bool may_hold = flush->window.is_muted || group->noted_muted.count;
    if (may_hold && !note_window(flush)) {
        return false;
    }
    if (group->members_count == 0) {
        return live_group_drop(flush->notify, flush->tx, group, flush->err);
    }
    group->flushed_at = flush->now;
    group->next_due = flush->window.next_change;
    return live_group_store(flush->tx, group, flush->err);
}

static bool flush_one(Notify *notify, StateTx *tx, Group *group, TimeMs now, size_t *weight,
                      Err *err) {
    Flush flush = {.notify = notify,
                   .tx = tx,
                   .now = now,
                   .group = group,
                   .window = {.next_change = TIME_MAX},
                   .again = TIME_MAX,
                   .weight = *weight,
                   .err = err};
    if (group->route) {
        flush.window = route_window(group->route, now);
        flush.withheld = group->route->digest && !digest_is_due(group, now);
    }
    counter_add(&notify->counters.groups_flushed, 1);
    bool ok = group->is_direct ? flush_direct(&flush) : flush_group(&flush);
    *weight = flush.weight + 1;
    return ok;
}

static bool tick(Notify *notify, StateTx *tx, TimeMs now, Err *err) {
    if (now >= notify->next_silence_change &&
        (!silences_tick(notify, tx, now, err) || !flags_tick(notify, tx, now, err))) {
        return false;
    }
    if (now >= notify->next_damped_end) {
        wake_damped(notify, now);
    }
    if (wake_is_pending(notify)) {
        wake_some(notify, STATE_TX_ALERTS_MAX, now);
    }
    return true;
}

static Group *next_due(const Notify *notify, TimeMs now, size_t *at) {
    for (; *at < notify->group_list_count; ++*at) {
        if (notify->group_list[*at]->next_due <= now) {
            return notify->group_list[*at];
        }
    }
    return NULL;
}

static bool flush_portion(Notify *notify, StateTx *tx, TimeMs now, bool *ret_more, Err *err) {
    size_t weight = 0, at = 0;
    Group *group;
    if (!tick(notify, tx, now, err)) {
        return false;
    }
    *ret_more = wake_is_pending(notify);
    if (*ret_more) { /* a group that many of them are in is looked at once */
        return true;
    }
    while (weight < STATE_TX_ALERTS_MAX && (group = next_due(notify, now, &at))) {
        if (!flush_one(notify, tx, group, now, &weight, err)) {
            return false;
        }
    }
    *ret_more = weight >= STATE_TX_ALERTS_MAX;
    return true;
}

bool flush_due(Notify *notify, TimeMs now, bool *ret_more, Err *err) {
    StateTx *tx;
    if (!live_begin(notify, now, &tx, err)) {
        return false;
    }
    bool ok = flush_portion(notify, tx, now, ret_more, err);
    return live_end(notify, tx, ok, err);
}

TimeMs flush_next_due(const Notify *notify) {
    TimeMs due = earlier(notify->next_silence_change, notify->next_damped_end);
    for (size_t i = 0; i < notify->group_list_count; i++) {
        due = earlier(due, notify->group_list[i]->next_due);
    }
    return due;
}
