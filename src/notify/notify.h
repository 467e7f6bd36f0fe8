#pragma once

/*
 * Notify decides who is told what, when, through which receiver; makes sure they are; and remembers
 * why.
 *
 *   flag -> silence -> inhibition -> route -> time window -> group -> deduplicate -> outbox ->
 * deliver
 *
 * notify_accept() takes alert changes inside the caller's state transaction: membership of groups
 * and their next due time commit with the transition. notify_flush() is a second transaction per
 * group: decide, write outbox rows, sent set and ledger, move the due time. notify_deliver() sends
 * what is in the outbox. A crash anywhere between finds the group due, or the row unsent, at
 * restart. Decisions are pure functions of (configuration, alerts, time) that return their reason;
 * the reasons are what explain shows.
 *
 * Threads: every function may be called from any thread.
 */

#include "base/problems.h"
#include "base/yaml.h"
#include "net/net.h"
#include "state/state.h"
#include "tmpl/tmpl.h"

typedef struct Notify Notify;
typedef struct NotifyConfig NotifyConfig; /* a loaded configuration; never changes */

/* ---- configuration ---- */

typedef struct NotifyConfigSource {
    const YamlNode *notify; /* the `notify:` map of belfry.yml or a whole alertmanager.yml; NULL =
                               none: receiver `log` */
    const YamlNode *severities;  /* NULL = none */
    const YamlNode *maintenance; /* flags kept in git; NULL = none */
    Str file;                    /* for messages; relative paths are resolved against its folder */
    Str external_url;
} NotifyConfigSource;

/* All problems are added; NULL if there was any. */
NotifyConfig *notify_config_load(const NotifyConfigSource *source, Problems *problems);
NotifyConfig *notify_config_ref(NotifyConfig *config);
void notify_config_unref(NotifyConfig *config); /* accepts NULL */

typedef struct NotifyOptions {
    State *state;
    Net *net;
    NotifyConfig *config;  /* takes a reference */
    uint64_t silences_max; /* 0 = none */
    TimeMs now;
} NotifyOptions;

/* Loads silences, flags, groups and the outbox. Nothing is sent before the first notify_deliver().
 */
bool notify_open(const NotifyOptions *options, Notify **ret_notify, Err *err) MUST_CHECK;
void notify_close(Notify *notify);
DEFINE_AUTO(Notify, notify_close)

/* Swaps the configuration: open incidents keep their keys; groups that no route has any more are
 * closed by the ledger. */
bool notify_reload(Notify *notify, NotifyConfig *config, TimeMs now, Err *err) MUST_CHECK;

/* ---- the way of an alert ---- */

/* Inside the caller's transaction, after state_put_alerts() (whose ids these are). */
bool notify_accept(Notify *notify, StateTx *tx, const AlertChange *changes, const int64_t *ids,
                   size_t count, TimeMs now, Err *err) MUST_CHECK;
/* The transaction of the last notify_accept() committed, or did not: what was prepared in memory
 * takes effect or is dropped. */
void notify_accepted(Notify *notify, bool committed);

/* Alerts from outside (POST /api/v2/alerts): merged with what is known by fingerprint, as
 * Alertmanager does. One transaction of its own. Bad ones are named in `err`-like `ret_refused`,
 * the good ones stored. */
bool notify_post_alerts(Notify *notify, const Alert *alerts, size_t count, TimeMs now,
                        Err *err) MUST_CHECK;

/* Decides for every group due at `now`, in transactions of its own; expires leases and silences.
 * Returns the next due time. */
TimeMs notify_flush(Notify *notify, TimeMs now);

/* Starts deliveries that are due and takes answers, for at most `wait`. Returns when something is
 * due next. */
TimeMs notify_deliver(Notify *notify, TimeMs now, DurationMs wait);
/* Requests whose answers have not come in yet: for a shutdown that waits for them. */
size_t notify_in_flight(Notify *notify);
/* Rules have been evaluated up to `now`: the dead man's switch rings when this is not said for too
 * long. */
void notify_evaluated(Notify *notify, TimeMs now);
/* Makes a waiting notify_deliver() return. */
void notify_wake(Notify *notify);

/* ---- silences (reference: notification 2.2, 3) ---- */

typedef enum SilenceState { SILENCE_PENDING, SILENCE_ACTIVE, SILENCE_EXPIRED } SilenceState;

typedef struct SilenceMatcher {
    Str name, value;
    bool is_regex, is_equal;
} SilenceMatcher;

typedef struct Silence {
    Str id; /* UUID; empty = new */
    SilenceMatcher *matchers;
    size_t matcher_count;
    TimeMs starts_at, ends_at, updated_at;
    Str created_by, comment;
    LabelSet annotations;
    SilenceState state; /* when read */
    bool force;         /* accept one that matches everything */
} Silence;

/* Who did it: put into the audit row. */
typedef struct Actor {
    Str name;     /* may be empty */
    bool claimed; /* only the client says so */
    Str address;
} Actor;

/* Creates or edits by Alertmanager's ID rules; durable when it returns. ERR_INVALID, ERR_NOT_FOUND,
 * ERR_LIMIT with Alertmanager's words. */
bool notify_silence_set(Notify *notify, const Silence *silence, const Actor *actor, TimeMs now,
                        Arena *arena, Str *ret_id, Err *err) MUST_CHECK;
bool notify_silence_expire(Notify *notify, Str id, const Actor *actor, TimeMs now,
                           Err *err) MUST_CHECK;
bool notify_silence_get(Notify *notify, Str id, TimeMs now, Arena *arena, Silence *ret_silence,
                        Err *err) MUST_CHECK;
/* In the API's order: active, pending, expired. */
void notify_silence_list(Notify *notify, TimeMs now, Arena *arena, Silence **ret_silences,
                         size_t *ret_count);

/* ---- maintenance flags ---- */

typedef enum FlagMode { FLAG_ALL, FLAG_BELOW_CRITICAL, FLAG_HOLD } FlagMode;

typedef struct Flag {
    Str id;
    SilenceMatcher *matchers;
    size_t matcher_count;
    FlagMode mode;
    Str reason, owner;
    TimeMs starts_at, ends_at, review_at; /* ends_at 0 = open end, then review_at has to be set */
    TimeMs created_at, updated_at;
    Str origin; /* "api", "config", "label", "metric", "schedule" */
    bool active;
} Flag;

bool notify_flag_set(Notify *notify, const Flag *flag, const Actor *actor, TimeMs now, Arena *arena,
                     Str *ret_id, Err *err) MUST_CHECK;
bool notify_flag_clear(Notify *notify, Str id, const Actor *actor, TimeMs now, Err *err) MUST_CHECK;
bool notify_flag_get(Notify *notify, Str id, TimeMs now, Arena *arena, Flag *ret_flag,
                     Err *err) MUST_CHECK;
void notify_flag_list(Notify *notify, TimeMs now, Arena *arena, Flag **ret_flags,
                      size_t *ret_count);

/* ---- looking at it ---- */

/* An alert as /api/v2/alerts shows it. */
typedef struct AlertView {
    Alert alert;
    uint64_t fingerprint;
    Str *receivers;
    size_t receiver_count;
    bool suppressed;
    Str *silenced_by; /* silence ids, and flag ids */
    size_t silenced_count;
    Str *inhibited_by; /* fingerprints in hex */
    size_t inhibited_count;
    Str *muted_by; /* time interval names */
    size_t muted_count;
} AlertView;

/* All active (firing) alerts, ours and posted ones, by fingerprint. */
void notify_alerts(Notify *notify, TimeMs now, Arena *arena, AlertView **ret_alerts,
                   size_t *ret_count);

typedef struct AlertGroupView {
    LabelSet labels;
    LabelSet route_labels;
    Str receiver;
    AlertView *alerts;
    size_t alert_count;
} AlertGroupView;
void notify_groups(Notify *notify, TimeMs now, Arena *arena, AlertGroupView **ret_groups,
                   size_t *ret_count);

void notify_receivers(Notify *notify, Arena *arena, Str **ret_names, size_t *ret_count);
/* The configuration re-marshalled as Alertmanager would, secrets as <secret>. */
void notify_config_print(Notify *notify, Buf *out);

void notify_metrics(Notify *notify, MetricWriter *out);
