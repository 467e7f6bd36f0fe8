#include "notify/posted.h"

#include <stdlib.h>

#include "base/mem.h"
#include "notify/accept.h"

Alert posted_merge(const Alert *known, bool is_guess, const Alert *report) {
    TimeMs start = known->fired_at, end = known->ends_at;
    bool overlaps = (report->ends_at > start && report->ends_at < end) ||
                    (report->fired_at > start && report->fired_at < end);
    Alert merged = *report;
    if (overlaps || report->fired_at == start) {
        merged.fired_at = report->fired_at < start ? report->fired_at : start;
        merged.active_at = merged.fired_at;
    }
    if (overlaps && !is_guess && report->ends_at > report->updated_at && end > report->ends_at) {
        merged.ends_at = end;
    }
    return merged;
}

/* ---- taking reports in ---- */

typedef struct Posting {
    AlertChange *changes;
    size_t changes_count, changes_cap;
    bool *guesses; /* one a change: its end is */
    size_t guesses_count, guesses_cap;
    IdMap seen; /* label sets of the changes, any value */
    size_t new_count;
    size_t firing; /* there are already, 0 = not counted yet */
} Posting;

/* Leaves it empty. */
static void posting_finish(Posting *posting) {
    free(posting->changes);
    free(posting->guesses);
    idmap_finish(&posting->seen);
    *posting = (Posting){.changes = NULL};
}

static void add_change(Posting *posting, const AlertChange *change, bool end_is_guess) {
    idmap_put(&posting->seen, live_posted_key(change->alert.labels), posting);
    VEC_PUSH(*posting, changes, *change);
    VEC_PUSH(*posting, guesses, end_is_guess);
}

static bool check(const Alert *alert, TimeMs end_otherwise, Err *err) {
    if (alert->labels.count == 0) {
        return err_set(err, ERR_INVALID, "at least one label pair required");
    }
    if ((alert->ends_at ? alert->ends_at : end_otherwise) < alert->fired_at) {
        return err_set(err, ERR_INVALID, "start time must be before end time");
    }
    return labels_valid(alert->labels, err) && labels_valid(alert->annotations, err);
}

/* Times as Alertmanager completes them. */
static Alert complete(const Notify *notify, const Alert *from, TimeMs now) {
    Alert alert = *from;
    alert.rule_key = STR("api");
    alert.updated_at = now;
    alert.fired_at = from->fired_at ? from->fired_at : from->active_at;
    if (!alert.fired_at) {
        alert.fired_at = alert.ends_at && alert.ends_at < now ? alert.ends_at : now;
    }
    alert.active_at = alert.fired_at;
    alert.ends_at = alert.ends_at ? alert.ends_at : now + notify->config->resolve_timeout;
    return alert;
}

/* A report that says nothing but "still so": only its lease counts, and that stays in memory for
 * half its length. */
static bool is_renewal(const LiveAlert *known, const Alert *merged, TimeMs now) {
    return known && live_is_firing(known) && merged->ends_at > now &&
           labels_eq(known->alert.annotations, merged->annotations) &&
           known->alert.fired_at == merged->fired_at &&
           str_eq(known->alert.generator_url, merged->generator_url);
}

static void settle_phase(Alert *alert, TimeMs now) {
    bool over = alert->ends_at <= now;
    alert->phase = over ? ALERT_INACTIVE : ALERT_FIRING;
    alert->resolved_at = over ? alert->ends_at : 0;
}

static size_t count_firing(const Notify *notify) {
    size_t count = 0;
    for (size_t i = 0; i < notify->posted.cap; i++) {
        const LiveAlert *alert = notify->posted.slots[i].value;
        count += alert && live_is_firing(alert);
    }
    return count;
}

/* Those that are over are there, too, until everybody has been told. */
static bool has_room(const Notify *notify, Posting *posting) {
    if (!notify->alerts_max || notify->posted.count + posting->new_count < notify->alerts_max) {
        return true;
    }
    posting->firing = posting->firing ? posting->firing : count_firing(notify);
    return posting->firing + posting->new_count < notify->alerts_max;
}

/* Ends and renewals always have room. */
static bool check_room(const Notify *notify, const Alert *alert, const LiveAlert *known,
                       Posting *posting, Err *err) {
    bool begins = !(known && live_is_firing(known)) && alert->phase == ALERT_FIRING;
    return !begins || has_room(notify, posting) ||
           err_set(err, ERR_BUSY, "exceeded limits.alerts_max: there are %llu alerts from outside",
                   (unsigned long long)notify->alerts_max);
}

static bool post_one(Notify *notify, const Alert *report, TimeMs now, Posting *posting, Err *err) {
    Alert alert = complete(notify, report, now);
    LiveAlert *known = live_alert_posted(notify, alert.labels);
    if (known) {
        alert = posted_merge(&known->alert, known->end_is_guess, &alert);
    }
    bool is_guess = !report->ends_at; /* also where the older end stays, as in Alertmanager */
    settle_phase(&alert, now);
    if (!check_room(notify, &alert, known, posting, err)) {
        return false;
    }
    if (alert.ends_at < notify->posted_expiry) {
        notify->posted_expiry = alert.ends_at;
    }
    if (is_renewal(known, &alert, now)) {
        TimeMs stored = known->stored_end;
        known->alert.ends_at = alert.ends_at;
        known->alert.updated_at = now;
        known->end_is_guess = is_guess;
        if (stored > now + (alert.ends_at - now) / 2) {
            return true;
        }
    } else if (alert.phase == ALERT_INACTIVE && (!known || !live_is_firing(known))) {
        return true;
    }
    bool was_firing = known && live_is_firing(known);
    AlertChange change = {.alert = alert, .reason = "posted"};
    change.event = alert.phase == ALERT_INACTIVE ? ALERT_BECAME_RESOLVED
                   : was_firing                  ? ALERT_CHANGED
                                                 : ALERT_BECAME_FIRING;
    add_change(posting, &change, is_guess);
    posting->new_count += change.event == ALERT_BECAME_FIRING;
    return true;
}

/* Stores and routes what was collected, in the caller's transaction. */
static bool store(Notify *notify, StateTx *tx, const Posting *posting, TimeMs now, Err *err) {
    size_t count = posting->changes_count;
    if (count == 0) {
        return true;
    }
    int64_t *ids = mem_zero(count + 1, sizeof *ids);
    live_let_read(notify);
    bool ok = state_put_alerts(tx, posting->changes, count, ids, err);
    live_write_on(notify);
    ok = ok && accept_changes(notify, tx, posting->changes, ids, count, now, err);
    for (size_t i = 0; ok && i < count; i++) {
        LiveAlert *alert = ids[i] ? live_alert(notify, ids[i]) : NULL;
        if (alert) {
            alert->stored_end = alert->alert.ends_at;
            alert->end_is_guess = posting->guesses[i];
        }
    }
    free(ids);
    return ok;
}

/* All that is wrong in one sentence, as far as there is room. */
static void note_refused(Err *refused, const Err *why) {
    if (refused->kind == ERR_NONE) {
        *refused = *why;
        return;
    }
    AUTO(buf_finish) Buf all = {0};
    buf_printf(&all, "%s; %s", refused->text, why->text);
    err_set(refused, refused->kind, "%.*s", STR_ARG(buf_view(&all)));
}

static bool post_portion(Notify *notify, const Alert *alerts, size_t count, TimeMs now,
                         Err *refused, Err *err) {
    StateTx *tx;
    Posting posting = {0};
    if (!live_begin(notify, now, &tx, err)) {
        return false;
    }
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) {
        Err why = {0};
        if (!check(&alerts[i], now + notify->config->resolve_timeout, &why)) {
            counter_add(&notify->counters.alerts_invalid, 1);
            note_refused(refused, &why);
            continue;
        }
        if (idmap_get(&posting.seen, live_posted_key(alerts[i].labels))) {
            ok = store(notify, tx, &posting, now, err); /* it may be the end of that one */
            posting_finish(&posting);
        }
        if (!post_one(notify, &alerts[i], now, &posting, &why)) {
            note_refused(refused, &why);
        }
    }
    ok = ok && store(notify, tx, &posting, now, err);
    posting_finish(&posting);
    return live_end(notify, tx, ok, err);
}

bool notify_post_alerts(Notify *notify, const Alert *alerts, size_t count, TimeMs now, Err *err) {
    Err refused = {0};
    for (size_t from = 0; from < count; from += STATE_TX_ALERTS_MAX) {
        size_t portion = count - from < STATE_TX_ALERTS_MAX ? count - from : STATE_TX_ALERTS_MAX;
        if (!post_portion(notify, alerts + from, portion, now, &refused, err)) {
            return false;
        }
    }
    notify_wake(notify);
    if (refused.kind != ERR_NONE) {
        *err = refused;
        return false;
    }
    return true;
}

/* ---- leases ---- */

/* Leases are only renewed, mostly: when the earliest known end has come they are looked through
 * for the next one. */
static TimeMs next_expiry(const Notify *notify) {
    TimeMs next = TIME_MAX;
    for (size_t i = 0; i < notify->posted.cap; i++) {
        const LiveAlert *alert = notify->posted.slots[i].value;
        if (alert && live_is_firing(alert) && alert->alert.ends_at < next) {
            next = alert->alert.ends_at;
        }
    }
    return next;
}

bool posted_expire(Notify *notify, TimeMs now, Err *err) {
    pthread_rwlock_rdlock(&notify->lock);
    bool nothing = notify->posted_expiry > now;
    pthread_rwlock_unlock(&notify->lock);
    if (nothing) {
        return true;
    }
    StateTx *tx;
    Posting posting = {0};
    if (!live_begin(notify, now, &tx, err)) {
        return false;
    }
    for (size_t i = 0; i < notify->posted.cap && posting.changes_count < STATE_TX_ALERTS_MAX; i++) {
        const LiveAlert *alert = notify->posted.slots[i].value;
        if (alert && live_is_firing(alert) && alert->alert.ends_at <= now) {
            AlertChange change = {
                .event = ALERT_BECAME_RESOLVED, .alert = alert->alert, .reason = "lease expired"};
            settle_phase(&change.alert, now);
            change.alert.updated_at = now;
            add_change(&posting, &change, false);
        }
    }
    bool ok = store(notify, tx, &posting, now, err);
    posting_finish(&posting);
    notify->posted_expiry = next_expiry(notify);
    return live_end(notify, tx, ok, err);
}
