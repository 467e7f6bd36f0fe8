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
#include "model/matcher.h"
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
    uint64_t alerts_max;   /* from outside; 0 = none */
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

/* What requests to other Alertmanagers carry for the alerts of each alerting rule (all of them;
 * most have none). Requests made from now on do; a rule that is not in the list any more keeps its
 * headers while it has alerts. Kept over a restart. */
bool notify_set_headers(Notify *notify, const AlertHeaders *list, size_t count, TimeMs now,
                        Err *err) MUST_CHECK;

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
/* Rules have been evaluated up to `now` and what changed is stored. */
void notify_evaluated(Notify *notify, TimeMs now);
/* Tells people where notify_evaluated(), notify_flush() or notify_deliver() have stood still for
 * `heartbeat.stall_after`, and when they go on. To be called every few seconds by a thread that
 * does nothing else, with a `net` that nobody else uses: it waits for answers, and for nothing the
 * loops hold. */
void notify_watch(Notify *notify, Net *net, TimeMs now);
/* Keeps the alerts of the last week at hand, for previews, explain and annotations, so that not the
 * first of these has to read them. To be called each minute or so by a thread that may wait for the
 * database. */
bool notify_keep_week(Notify *notify, TimeMs now, Err *err) MUST_CHECK;
/* Makes it give up reading, for good: the program ends. */
void notify_end_week(Notify *notify);
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
    /* The windows in which it holds, a list in the shape of time_intervals as JSON or YAML; "" =
     * from starts_at to ends_at without a break. In an edit, a NULL `ptr` leaves it as it is. */
    Str schedule;
    SilenceState state;   /* when read; between two windows pending */
    bool force;           /* accept one that matches everything */
    TimeMs if_updated_at; /* of an edit: ERR_CONFLICT if it was changed since; 0 = whatever */
} Silence;

/* Who did it: put into the audit row. */
typedef struct Actor {
    Str name;     /* may be empty */
    bool claimed; /* only the client says so */
    Str address;
} Actor;
/* As the audit trail names it: "claimed:ann" where only the client says so. In `arena`, or the name
 * itself. */
Str actor_text(Arena *arena, const Actor *actor);

/* Creates or edits by Alertmanager's ID rules; durable when it returns. ERR_INVALID, ERR_NOT_FOUND,
 * ERR_LIMIT with Alertmanager's words. */
bool notify_silence_set(Notify *notify, const Silence *silence, const Actor *actor, TimeMs now,
                        Arena *arena, Str *ret_id, Err *err) MUST_CHECK;
bool notify_silence_expire(Notify *notify, Str id, const Actor *actor, TimeMs now,
                           Err *err) MUST_CHECK;
bool notify_silence_get(Notify *notify, Str id, TimeMs now, Arena *arena, Silence *ret_silence,
                        Err *err) MUST_CHECK;
typedef struct SilenceFilter {
    const SilenceMatcher *matchers; /* each has to be, as it is written, one of the silence's */
    size_t matcher_count;
    bool without[3]; /* by SilenceState */
} SilenceFilter;

/* As a JSON list in the API's shape and order: active, pending, expired. Flags are among them, with
 * an annotation `maintenance` that names their mode. */
void notify_silence_list(Notify *notify, const SilenceFilter *filter, TimeMs now, Buf *out);
/* One of them. */
bool notify_silence_print(Notify *notify, Str id, TimeMs now, Buf *out, TimeMs *ret_updated_at,
                          Err *err) MUST_CHECK;

/* ---- maintenance flags ---- */

typedef enum FlagMode { FLAG_ALL, FLAG_BELOW_CRITICAL, FLAG_HOLD, FLAG_MODES } FlagMode;

/* "all", "below_critical", "hold". */
const char *flag_mode_text(FlagMode mode);
/* False for what is none of them. */
bool flag_mode_of(Str text, FlagMode *ret_mode) MUST_CHECK;

typedef struct Flag {
    Str id;
    SilenceMatcher *matchers;
    size_t matcher_count;
    FlagMode mode;
    Str reason, owner;
    TimeMs starts_at, ends_at, review_at; /* ends_at 0 = open end, then review_at has to be set */
    TimeMs created_at, updated_at;
    Str schedule;           /* as of a silence */
    Str origin;             /* "api", "config", "label", "metric" */
    bool active, forgotten; /* when read; forgotten: its review is overdue */
    TimeMs if_updated_at;   /* as of a silence */
} Flag;

bool notify_flag_set(Notify *notify, const Flag *flag, const Actor *actor, TimeMs now, Arena *arena,
                     Str *ret_id, Err *err) MUST_CHECK;
bool notify_flag_clear(Notify *notify, Str id, const Actor *actor, TimeMs now, Err *err) MUST_CHECK;
bool notify_flag_get(Notify *notify, Str id, TimeMs now, Arena *arena, Flag *ret_flag,
                     Err *err) MUST_CHECK;
void notify_flag_list(Notify *notify, TimeMs now, Arena *arena, Flag **ret_flags,
                      size_t *ret_count);

/* All flags that the sources themselves set now, by a label (origin "label") or a metric
 * ("metric"); what was observed before and is not among them ends. Matchers, mode, reason, owner
 * and origin are read. Stores and records changes only; cheap where there is none. */
bool notify_flags_observed(Notify *notify, const Flag *flags, size_t count, TimeMs now,
                           Err *err) MUST_CHECK;
/* By what sources set flags: matchers such as alerting="off" for each mode, and the name of a
 * metric; "" = not. */
void notify_flag_signs(Notify *notify, Arena *arena, Str ret_labels[FLAG_MODES], Str *ret_metric);

/* What a silence or flag with these matchers would catch. */
typedef struct QuietPreview {
    struct AlertView *shown; /* active alerts it covers, as notify_alerts() gives them */
    size_t shown_count;
    size_t now_count;      /* how many they are */
    uint64_t week_firings; /* how often covered alerts began to fire in the last 7 days */
    uint64_t week_alerts;  /* of how many different alerts */
} QuietPreview;
/* `shown_max` 0 = all. */
bool notify_quiet_preview(Notify *notify, const SilenceMatcher *matchers, size_t count,
                          size_t shown_max, TimeMs now, Arena *arena, QuietPreview *ret_preview,
                          Err *err) MUST_CHECK;

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

/* An alert, named only: for answers about many that are made piece by piece. */
typedef struct AlertRef {
    uint64_t fingerprint;
    int64_t id;
} AlertRef;

/* All active (firing) alerts whose labels match, ours and posted ones, by fingerprint. Only those
 * that the filter's plain values lead to are looked at. */
void notify_alert_refs(Notify *notify, const MatcherSet *filter, TimeMs now, Arena *arena,
                       AlertRef **ret_refs, size_t *ret_count);
/* The first `max` of them; returns how many there are. */
size_t notify_alert_first(Notify *notify, const MatcherSet *filter, size_t max, TimeMs now,
                          Arena *arena, AlertRef **ret_refs, size_t *ret_count);
/* These as they are now, in this order; those that have ended meanwhile are left out. */
void notify_alert_views(Notify *notify, const AlertRef *refs, size_t count, TimeMs now,
                        Arena *arena, AlertView **ret_alerts, size_t *ret_count);
/* Which of them a list shows. */
typedef struct AlertShow {
    bool active, silenced, inhibited, muted; /* these, too */
    const MatcherSet *receivers; /* of the labels a receiver has: its name; NULL = any */
    const Regex *receiver;       /* its whole name; NULL = any */
    Str muted_by; /* the time interval that holds back the group they are shown in; "" = none */
} AlertShow;
bool notify_shows_receiver(const AlertShow *show, Str name);
/* Writes those that are shown, at most `max`, as Alertmanager's JSON objects with commas between;
 * returns how many. */
size_t notify_alerts_print(Notify *notify, const AlertRef *refs, size_t count,
                           const AlertShow *show, size_t max, TimeMs now, Buf *out);
/* Views of all. */
void notify_alerts(Notify *notify, const MatcherSet *filter, TimeMs now, Arena *arena,
                   AlertView **ret_alerts, size_t *ret_count);

typedef struct AlertGroupView {
    LabelSet labels;
    LabelSet route_labels;
    Str receiver;
    Str muted_by;     /* the time interval that holds it back now; "" = none */
    AlertRef *alerts; /* by fingerprint */
    size_t alert_count;
} AlertGroupView;
/* The groups that alerts with matching labels are in, with those alerts: by labels, then
 * receiver. */
void notify_groups(Notify *notify, const MatcherSet *filter, TimeMs now, Arena *arena,
                   AlertGroupView **ret_groups, size_t *ret_count);

void notify_receivers(Notify *notify, Arena *arena, Str **ret_names, size_t *ret_count);
/* The configuration re-marshalled as Alertmanager would, secrets as <secret>. */
void notify_config_print(Notify *notify, Buf *out);

void notify_metrics(Notify *notify, MetricWriter *out);

/* ---- routes ---- */

/* What the configuration in use does with a label set at a time: an object for /api/v1/route and
 * `belfry route`. The second is for a configuration that no server runs. */
struct JsonWriter;
void notify_route_json(Notify *notify, LabelSet labels, TimeMs time, struct JsonWriter *json);
void notify_config_route_json(const NotifyConfig *config, LabelSet labels, TimeMs time,
                              struct JsonWriter *json);
/* The route tree, what `severities` expands to included: a line a route, or YAML. */
void notify_route_print(Notify *notify, bool yaml, Buf *out);
void notify_config_route_print(const NotifyConfig *config, bool yaml, Buf *out);

/* ---- the outbox by hand ---- */

typedef struct NotificationView {
    int64_t id;
    Str receiver, integration, type;
    Str action; /* "trigger", "resolve", "acknowledge", "notice" */
    Str status; /* "queued", "sending", "retrying", "failed"; notices also "delivered" */
    Str reason, dedup_key;
    TimeMs created_at, due_at;
    int64_t attempts, http_status; /* of the last answer; 0 = none */
    Str answer;                    /* its text, cut */
    LabelSet *alerts;              /* the first of those it tells of */
    size_t alerts_shown, alert_count;
} NotificationView;

typedef struct NotificationFilter {
    Str status, receiver; /* "" = any */
    int64_t id;           /* 0 = any */
    size_t limit;         /* 0 = none */
} NotificationFilter;

/* What waits, what failed for good, and the latest notices that were answered; by id. */
void notify_notifications(Notify *notify, const NotificationFilter *filter, Arena *arena,
                          NotificationView **ret_views, size_t *ret_count);

/* Tries these again at once, or all that failed (`count` 0). ERR_NOT_FOUND for an unknown id, and
 * then nothing is done. */
bool notify_retry(Notify *notify, const int64_t *ids, size_t count, const Actor *actor, TimeMs now,
                  size_t *ret_count, Err *err) MUST_CHECK;
/* Takes one out, unsent. ERR_NOT_FOUND, ERR_CONFLICT while it is on its way. */
bool notify_drop(Notify *notify, int64_t id, const Actor *actor, TimeMs now, Err *err) MUST_CHECK;

/* Somebody is on it: a row of the ledger for every firing alert that has these labels, and an
 * `acknowledge` to the receivers that know of such (PagerDuty). ERR_NOT_FOUND if none has. */
bool notify_acknowledge(Notify *notify, LabelSet labels, const Actor *actor, Str comment,
                        TimeMs now, size_t *ret_alerts, size_t *ret_passed_on, Err *err) MUST_CHECK;

typedef struct NotifyTest {
    Str receiver;        /* either this */
    LabelSet labels;     /* or what the route tree is asked about */
    bool resolve;        /* also send its end, so that no incident stays open */
    bool ignore_windows; /* ring even where a time interval or a digest would hold it */
} NotifyTest;

typedef struct TestTarget {
    Str receiver, integration, type; /* integration "" = a receiver that tells nobody */
    int64_t id, resolve_id;          /* of the notifications; 0 = none */
    Str held_by;                     /* the interval that holds it; "" = sent */
    TimeMs held_until;
} TestTarget;

/* Sends a marked test through outbox and delivery, also in shadow mode. ERR_NOT_FOUND for an
 * unknown receiver. */
bool notify_test(Notify *notify, const NotifyTest *test, const Actor *actor, TimeMs now,
                 Arena *arena, TestTarget **ret_targets, size_t *ret_count, Err *err) MUST_CHECK;
