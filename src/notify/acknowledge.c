#include "notify/acknowledge.h"

#include <cjson/cJSON.h>

#include "base/file.h"
#include "base/number.h"
#include "notify/live.h"

enum { SECRET_BYTES_MAX = 4096 };

/* ---- signatures ---- */

static int hex_digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* In a time that does not depend on where they differ. */
static bool same_digest(Str hex, const uint8_t digest[32]) {
    unsigned differ = 0;
    if (hex.len != 64) {
        return false;
    }
    for (size_t i = 0; i < 32; i++) {
        int high = hex_digit(hex.ptr[2 * i]), low = hex_digit(hex.ptr[2 * i + 1]);
        differ |= high < 0 || low < 0 ? 1U : (unsigned)(high << 4 | low) ^ digest[i];
    }
    return differ == 0;
}

bool pagerduty_signature_fits(Str secret, Str header, Str body) {
    uint8_t digest[32];
    bool fits = false;
    hmac_sha256(secret, body, digest);
    while (header.len) {
        size_t comma = str_find(header, ',');
        Str part = str_trim((Str){header.ptr, comma});
        fits |= str_starts(part, STR("v1=")) && same_digest(str_skip(part, 3), digest);
        header = str_skip(header, comma < header.len ? comma + 1 : comma);
    }
    return fits && secret.len;
}

/* ---- events ---- */

static Str member(const cJSON *object, const char *key, Arena *arena) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) ? arena_str(arena, str_of(item->valuestring)) : STR("");
}

bool pagerduty_event_read(Str body, TimeMs now, Arena *arena, PagerEvent *ret_event, Err *err) {
    cJSON *json = cJSON_ParseWithLength(body.ptr, body.len);
    const cJSON *event = cJSON_GetObjectItemCaseSensitive(json, "event");
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(event, "data");
    const cJSON *agent = cJSON_GetObjectItemCaseSensitive(event, "agent");
    PagerEvent read = {.type = member(event, "event_type", arena),
                       .key = member(data, "incident_key", arena),
                       .who = member(agent, "summary", arena),
                       .incident = member(data, "html_url", arena),
                       .at = now};
    Err ignored;
    Str time = member(event, "occurred_at", arena);
    if (time_parse_rfc3339(time, &read.at, &ignored) && read.at > now) {
        read.at = now; /* their clock is ahead of ours */
    }
    cJSON_Delete(json);
    if (!read.type.len) {
        return err_set(err, ERR_INVALID,
                       "expected PagerDuty's webhook message, version 3: {event: {event_type, "
                       "data, ...}}");
    }
    *ret_event = read;
    return true;
}

static const char *decision_of(Str type) {
    static const char *const decisions[][2] = {{"incident.acknowledged", "acknowledged"},
                                               {"incident.unacknowledged", "unacknowledged"},
                                               {"incident.resolved", "closed"}};
    for (size_t i = 0; i < sizeof decisions / sizeof *decisions; i++) {
        if (str_eq(type, str_of(decisions[i][0]))) {
            return decisions[i][1];
        }
    }
    return NULL;
}

/* ---- whose incident it is ---- */

/* The row about the alerts of an incident: of one alert by its key, of a group by its. An alert
 * that is over and gone is known by its history. */
static bool find_incident(Notify *notify, const PagerEvent *event, Arena *arena, LedgerRow *row,
                          bool *ret_known, Err *err) {
    char key[65] = "";
    bool is_hex = event->key.len == 64;
    for (size_t i = 0; i < event->key.len && is_hex; i++) {
        is_hex = hex_digit(event->key.ptr[i]) >= 0;
    }
    *ret_known = false;
    if (!is_hex) {
        return true; /* an incident of somebody else's */
    }
    memcpy(key, event->key.ptr, 64);
    for (size_t i = 0; i < notify->group_list_count; i++) {
        const Group *group = notify->group_list[i];
        if (strcmp(group->dedup_key, key) == 0 && group->members_count) {
            int64_t *members = arena_array(arena, int64_t, group->members_count);
            for (size_t j = 0; j < group->members_count; j++) {
                members[j] = group->members[j]->short_key;
            }
            row->group_id = group->id;
            row->members = members;
            row->member_count = group->members_count;
            *ret_known = true;
            return true;
        }
    }
    AlertHistoryRow *history;
    size_t count;
    row->alert_key = state_alert_key(key);
    if (!state_alert_history(notify->state, 0, TIME_MAX, key, 1, arena, &history, &count, err)) {
        return false;
    }
    *ret_known = count > 0;
    return true;
}

static bool is_noted(Notify *notify, const LedgerRow *row, Arena *arena, bool *ret_noted,
                     Err *err) {
    LedgerRow *rows;
    size_t count;
    LedgerFilter filter = {.from = row->at,
                           .to = row->at,
                           .alert_key = row->alert_key ? row->alert_key : row->members[0],
                           .decision = row->decision};
    *ret_noted = false;
    if (!state_load_ledger(notify->state, &filter, arena, &rows, &count, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        *ret_noted |= str_eq(rows[i].subject, row->subject);
    }
    return true;
}

static bool note_event(Notify *notify, StateTx *tx, const PagerEvent *event, const char *decision,
                       WebhookOutcome *outcome, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    LedgerRow row = {.at = event->at,
                     .decision = str_of(decision),
                     .reason = STR("pagerduty"),
                     .subject = event->who.len ? event->who : STR("nobody named"),
                     .detail = event->incident};
    bool known, noted;
    if (!find_incident(notify, event, &arena, &row, &known, err)) {
        return false;
    }
    if (!known) {
        return true;
    }
    if (!is_noted(notify, &row, &arena, &noted, err)) {
        return false;
    }
    *outcome = WEBHOOK_TAKEN;
    return noted || ledger_row(notify, tx, &row, err);
}

/* ---- the door ---- */

static bool check_signature(Notify *notify, Str header, Str body, WebhookOutcome *outcome,
                            Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    pthread_rwlock_rdlock(&notify->lock);
    NotifyConfig *config = notify_config_ref(notify->config);
    pthread_rwlock_unlock(&notify->lock);
    Str secret = config->policy.pager_secret;
    Str file = config->policy.pager_secret_file;
    bool ok = true;
    if (file.len) { /* read now, as all secrets in files */
        ok = file_read(&arena, file.ptr, SECRET_BYTES_MAX, &secret, err);
        secret = str_trim(secret);
    }
    if (ok && !secret.len) {
        *outcome = WEBHOOK_UNCONFIGURED;
    } else if (ok && !pagerduty_signature_fits(secret, header, body)) {
        *outcome = WEBHOOK_FORGED;
    }
    notify_config_unref(config);
    return ok;
}

bool notify_pagerduty_webhook(Notify *notify, Str header, Str body, TimeMs now,
                              WebhookOutcome *ret_outcome, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    PagerEvent event;
    WebhookOutcome outcome = WEBHOOK_IGNORED;
    if (!check_signature(notify, header, body, &outcome, err)) {
        return false;
    }
    if (outcome != WEBHOOK_IGNORED) {
        *ret_outcome = outcome;
        return true;
    }
    if (!pagerduty_event_read(body, now, &arena, &event, err)) {
        return false;
    }
    const char *decision = decision_of(event.type);
    StateTx *tx;
    if (decision) {
        if (!live_begin(notify, now, &tx, err)) {
            return false;
        }
        bool ok = note_event(notify, tx, &event, decision, &outcome, err);
        if (!live_end(notify, tx, ok, err)) {
            return false;
        }
    }
    *ret_outcome = outcome;
    return true;
}
