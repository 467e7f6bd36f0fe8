#pragma once

/*
 * The working copy of what state keeps: alerts, groups, sent sets, outbox, silences and flags, with
 * the indexes that deciding needs.
 *
 * Who writes. Everything here changes only while the changing thread holds a state transaction and
 * `lock` for writing; it takes the transaction first. So a thread that has a transaction sees
 * memory as the database will be when it commits. A transaction that does not commit leaves memory
 * wrong: `stale` is set and the next one who begins reads all of it anew (live_reload). Readers
 * take `lock` for reading.
 */

#include <pthread.h>

#include "base/metrics.h"
#include "notify/config.h"
#include "notify/dedup.h"
#include "notify/idmap.h"
#include "notify/integration.h"
#include "notify/match_index.h"
#include "notify/notify.h"
#include "notify/week.h"
#include "state/rows_alert.h"
#include "state/rows_group.h"
#include "state/rows_ledger.h"
#include "state/rows_outbox.h"
#include "state/rows_silence.h"

enum { RECENT_KEPT = 256 };

typedef struct LiveAlert LiveAlert;
typedef struct Group Group;
typedef struct RecentNotice RecentNotice;

/* What an integration was told last, of a group or of one alert. */
typedef struct Sent {
    int64_t id;
    Group *group;
    int64_t alert_id;        /* 0 = the whole group */
    const char *integration; /* live_share() */
    const char *dedup_key;   /* the alert's own key where it is that */
    bool owns_key;
    const char *target; /* live_share() */
    TimeMs at;
    bool delivered;
    IdSet firing; /* of a group: what it knows to be firing. Of an alert: itself while open */
    char *data;   /* sent_set_data(); NULL = "" */
} Sent;

typedef struct SentList {
    Sent **items;
    size_t items_count, items_cap;
} SentList;

/* What keeps an alert from ringing. */
typedef enum Suppressor {
    SUPPRESSED_NOT,
    SUPPRESSED_FLAG,
    SUPPRESSED_FLAG_LABEL, /* the source says so itself: alerting="off" */
    SUPPRESSED_SILENCE,
    SUPPRESSED_INHIBITED,
    SUPPRESSED_FLAPPING,
    SUPPRESSED_KINDS,
} Suppressor;

typedef struct Suppression {
    Suppressor by;
    Str subject; /* silence or flag id, fingerprint of the source; valid under the lock */
    Str who, why;
    TimeMs until;            /* 0 = open */
    const LiveAlert *source; /* of an inhibition */
} Suppression;

/* In the list of the alerts that have one label: postings.h. */
typedef struct AlertLink {
    LiveAlert *alert;
    struct AlertLink *next, *previous; /* previous NULL = the first */
} AlertLink;

struct LiveAlert {
    int64_t id;
    Alert alert; /* texts in `block`, values of labels in postings */
    char *block;
    char key[65];
    int64_t short_key; /* of the ledger */
    uint64_t fingerprint;
    char fingerprint_hex[17];
    Group **groups;
    size_t groups_count, groups_cap;
    SentList sent;         /* of integrations that tell of each alert by itself */
    TimeMs stored_end;     /* posted ones: the lease as the database has it */
    bool end_is_guess;     /* posted ones: who posted gave no end */
    uint32_t outbox_count; /* rows that will show it */
    uint8_t noted_by;      /* Suppressor of the last ledger row: live_note_quiet() */
    uint64_t noted_subject;
    uint32_t queued_count; /* in how many direct groups' lists of what changed it is */
    TimeMs damped_until;   /* it has begun too often of late; 0 = it has not */
    /* Inhibition: bits of the rules it is source or target of, 64 a word. */
    uint64_t *inhibit_bits;
    bool is_to_wake;   /* its id is in Notify.to_wake */
    AlertLink links[]; /* one a label */
};

struct Group {
    int64_t id;
    char *key;
    const Route *route; /* NULL: retired */
    char *receiver;
    char *block; /* labels */
    LabelSet labels;
    char dedup_key[65];
    bool is_direct; /* each alert by itself, at once */
    bool retired;
    IdSet noted_muted; /* of whom the ledger says that a time interval holds them back */
    bool was_muted;    /* a time interval held it back when it was last looked at */
    TimeMs next_due, created_at, flushed_at;
    TimeMs stored_due;   /* next_due as the database has it */
    LiveAlert **members; /* sorted by id */
    size_t members_count, members_cap;
    SentList sent;  /* of integrations that tell of the group as a whole */
    size_t list_at; /* place in group_list */
    size_t cursor;  /* where the flush of a big group goes on in the next transaction */
    /* Direct groups: what has changed since the last flush. */
    LiveAlert **changed;
    size_t changed_count, changed_cap;
};

/* What tells whether it covers an alert now comes first, to be in one line of the CPU's cache. */
/* As /api/v2/silences shows it, all but its state (silence_text.c). In the arena of what it is. */
typedef struct QuietText {
    Str head, tail;
} QuietText;

typedef struct SilenceEntry {
    MatcherSet set;
    Calendar *calendar; /* its schedule; NULL = all the time */
    Silence silence;
    Arena arena;
    QuietText text;
    TimeMs reminded_at; /* of its end; 0 = not yet */
    bool indexed;
    bool covers;        /* it kept alerts quiet when it was last looked at */
    TimeMs next_change; /* nothing about it changes before */
} SilenceEntry;

typedef struct FlagEntry {
    Arena arena;
    Flag flag;
    MatcherSet set;
    const Calendar *when;   /* NULL = all the time */
    Calendar *own_calendar; /* `when`, unless it is the configuration's */
    QuietText text;
    TimeMs reminded_at;
    bool covers; /* as of a silence */
} FlagEntry;

/* A row of the outbox, in memory. */
typedef struct OutboxEntry OutboxEntry;
struct OutboxEntry {
    OutboxRow row; /* texts in `texts` */
    char *texts;
    size_t list_at; /* place in the outbox's list */
    bool in_flight;
    bool alone;               /* a batch with it was refused: sent by itself */
    bool is_repeat;           /* it was on its way when the last process ended */
    OutboxEntry *next_of_key; /* later ones with the same integration and key */
};

typedef struct Outbox {
    IdMap chains; /* hash of integration and key -> first OutboxEntry */
    IdMap by_id;
    OutboxEntry **entries;
    size_t entries_count, entries_cap;
} Outbox;

typedef struct InhibitIndex {
    IdMap sources; /* hash of rule and equal values -> InhibitBucket */
} InhibitIndex;

typedef struct NotifyCounters {
    Counter alerts_received, alerts_invalid, groups_flushed;
    Counter sent[32], failed[32], retried[32]; /* by index of integration_types */
    Counter collapsed, suppressed, ledger_rows;
    Counter decide_ns, decided;
} NotifyCounters;

typedef enum StallKind { STALL_EVALUATION, STALL_DECISION, STALL_DELIVERY, STALL_KINDS } StallKind;

/* That the loops live; see stall.h. Needs no lock but its own, which nobody holds for long. */
typedef struct Pulse {
    _Atomic TimeMs evaluated_at;  /* notify_evaluated(); 0 = nobody evaluates here */
    _Atomic TimeMs decided_at;    /* the delivery loop went round without trouble */
    _Atomic TimeMs oldest_row_at; /* of the outbox; 0 = empty */
    _Atomic DurationMs stall_after;
    pthread_mutex_t lock; /* of config */
    NotifyConfig *config;
    TimeMs told[STALL_KINDS]; /* since when it stalls, once told; else 0. Of the watching thread */
} Pulse;

struct Notify {
    State *state;
    Net *net;
    NetBox *box;
    uint64_t silences_max, alerts_max;
    pthread_rwlock_t lock;
    pthread_mutex_t deliver_lock; /* one delivers at a time; taken before all others */
    bool stale;
    NotifyConfig *config;

    IdMap alerts;   /* by id */
    IdMap posted;   /* by labels_hash().lo, alerts from outside */
    IdMap postings; /* postings.h: by label, and by its name */
    IdMap postings_names;
    TimeMs posted_expiry; /* no lease of a posted alert ends before; TIME_MAX = there is none */
    IdMap groups;         /* by hash of key */
    IdMap groups_by_id;
    IdMap label_names; /* by hash: texts that alerts share */
    IdMap texts;       /* by hash: live_share() */
    Group **group_list;
    size_t group_list_count, group_list_cap;

    SilenceEntry **silences;
    size_t silences_count, silences_cap;
    IdMap silences_by_id; /* by hash of the id */
    MatchIndex silence_index;
    FlagEntry **flags;
    size_t flags_count, flags_cap;
    MatchIndex flag_index;
    InhibitIndex inhibit;
    TimeMs next_silence_change; /* the next start or end of a silence or flag */
    int64_t *to_wake;           /* wake.h: ids of alerts that have to be looked at again */
    size_t to_wake_count, to_wake_cap;
    TimeMs next_damped_end;                /* until then at least, what flaps stays damped */
    bool wakes_all;                        /* all that are quiet have to be */
    size_t quiet_counts[SUPPRESSED_KINDS]; /* how many alerts have this `noted_by` */

    Arena rule_headers_arena;   /* rule_headers.h */
    AlertHeaders *rule_headers; /* by key */
    size_t rule_header_count;

    Week week;

    Outbox outbox;
    struct Delivery *deliveries; /* under way; of the delivering thread */
    IdMap lanes;                 /* by hash of integration: DeliveryLane */
    uint64_t delivery_count;
    RecentNotice *recent[RECENT_KEPT]; /* ring of notices that were answered */
    size_t recent_count;
    size_t scan_at;              /* where the search for due rows goes on */
    _Atomic TimeMs next_renewal; /* of leases */
    TimeMs next_prune;
    TimeMs next_heartbeat;
    Pulse pulse;
    _Atomic bool flush_ok; /* the last notify_flush() could decide and store */
    NotifyCounters counters;
    Arena scratch; /* of whoever holds `lock` for writing, for one alert */
};

/* ---- taking turns ---- */

/* A transaction and the lock; reloads memory first where it has gone stale. */
bool live_begin(Notify *notify, TimeMs now, StateTx **ret_tx, Err *err) MUST_CHECK;
/* Commits or undoes, and gives the lock back. On false memory will be reloaded. */
bool live_end(Notify *notify, StateTx *tx, bool commit, Err *err) MUST_CHECK;

enum { LIVE_BREATHE_EVERY = 64 };

/* Lets readers in who wait, in the middle of a long change: to be called where memory makes sense.
 * The transaction keeps other writers out, so what pointers pointed to is still there. */
void live_breathe(Notify *notify);
/* The same in two halves, around work that needs no memory: the database's. */
void live_let_read(Notify *notify);
void live_write_on(Notify *notify);

/* The next start, end or reminder of a silence or flag is not after `at`; what is over at `now`
 * has been seen. */
static inline void live_note_change(Notify *notify, TimeMs at, TimeMs now) {
    if (at > now && at < notify->next_silence_change) {
        notify->next_silence_change = at;
    }
}

/* Reads everything from the database. */
bool live_reload(Notify *notify, TimeMs now, Err *err) MUST_CHECK;
void live_clear(Notify *notify);
void live_names_free(Notify *notify); /* after live_clear(), for good */

/* ---- alerts ---- */

LiveAlert *live_alert(Notify *notify, int64_t id); /* NULL = unknown */
LiveAlert *live_alert_posted(Notify *notify, LabelSet labels);
/* Its key in Notify.posted. */
uint64_t live_posted_key(LabelSet labels);
/* Adds or updates. */
LiveAlert *live_alert_put(Notify *notify, int64_t id, const Alert *alert);
/* Forgets one that no group has. */
void live_alert_drop(Notify *notify, LiveAlert *alert);

/* What the ledger says from now on about what keeps it quiet. */
void live_note_quiet(Notify *notify, LiveAlert *alert, Suppressor by, uint64_t subject);

static inline bool live_is_firing(const LiveAlert *alert) {
    return alert->alert.phase == ALERT_FIRING;
}

/* Ours fire until they are resolved; posted ones until their lease ends. */
static inline bool live_is_shown(const LiveAlert *alert, TimeMs now) {
    return live_is_firing(alert) && (!alert->alert.ends_at || alert->alert.ends_at > now);
}

/* ---- groups ---- */

/* The group of a route for an alert; made and stored if there is none. */
bool live_group(Notify *notify, StateTx *tx, const Route *route, bool direct, LabelSet labels,
                TimeMs now, Group **ret_group, Err *err) MUST_CHECK;
bool live_join(Notify *notify, StateTx *tx, Group *group, LiveAlert *alert, Err *err) MUST_CHECK;
/* Takes the member out; the alert goes too if it is over and was nowhere else. */
bool live_leave(Notify *notify, StateTx *tx, Group *group, LiveAlert *alert, Err *err) MUST_CHECK;
bool live_group_drop(Notify *notify, StateTx *tx, Group *group, Err *err) MUST_CHECK;
/* Writes next_due, flushed_at and retired if the database has other ones. */
bool live_group_store(StateTx *tx, Group *group, Err *err) MUST_CHECK;
/* Marks a direct group's member as changed. */
void live_group_changed(Group *group, LiveAlert *alert);

/* ---- sent ---- */

Sent *sent_find(const SentList *list, const Group *group, Str integration);
bool sent_store(StateTx *tx, Sent *sent, Err *err) MUST_CHECK;
/* `alert` NULL: of the group as a whole. */
Sent *sent_add(Notify *notify, SentList *list, Group *group, const LiveAlert *alert,
               Str integration, Str dedup_key, Str target);
void sent_set_data(Sent *sent, Str data);
static inline const char *sent_data(const Sent *sent) {
    return sent->data ? sent->data : "";
}
/* A text that a configuration has few of and a storm repeats: kept once, until the end. */
const char *live_share(Notify *notify, Str text);
bool sent_drop(StateTx *tx, SentList *list, Sent *sent, Err *err) MUST_CHECK;
void sent_set_firing(Sent *sent, const int64_t *ids, size_t count);
Sent *sent_by_id(Notify *notify, const OutboxRow *row);

/* ---- the ledger ---- */

/* Any row; the two below fill in what most of them have. */
bool ledger_row(Notify *notify, StateTx *tx, const LedgerRow *row, Err *err) MUST_CHECK;

bool ledger_alert(Notify *notify, StateTx *tx, TimeMs now, const LiveAlert *alert,
                  const Group *group, const char *decision, const char *reason, Str subject,
                  Str detail, Err *err) MUST_CHECK;
bool ledger_group(Notify *notify, StateTx *tx, TimeMs now, const Group *group,
                  const LiveAlert *const *members, size_t count, const char *decision,
                  const char *reason, Str subject, Str detail, Err *err) MUST_CHECK;
