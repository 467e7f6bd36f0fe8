#pragma once

/*
 * State is what must survive: alerts, silences, flags, groups, the outbox, the ledger, the audit
 * trail, in one SQLite file (WAL, synchronous=FULL, STRICT tables, foreign keys).
 *
 * Schema by numbered migrations, applied at start in one transaction; a database newer than the
 * program is refused, a corrupt one too, with what to do. SQLite sees changes only: a row is
 * written on a transition, never for a value. Label text is stored once (table label_sets), keys
 * are integers.
 *
 * Transactions. One writer at a time: state_begin() waits for its turn (at most `busy_timeout`). A
 * transaction takes at most STATE_TX_ALERTS_MAX alerts, so that a silence is never answered late
 * behind a storm. Reads see the last commit, on connections of their own, and never wait for the
 * writer.
 *
 * Threads: State may be used from any thread; a StateTx belongs to the one that began it.
 *
 * The rows of notification (groups, outbox, ledger, sent, silences, flags) are declared in
 * state/rows_*.h, a file a subject.
 */

#include "base/metrics.h"
#include "model/alert.h"

typedef struct State State;
typedef struct StateTx StateTx;

enum { STATE_TX_ALERTS_MAX = 8000 };

typedef struct StateOptions {
    const char *path;        /* ".../state.db" */
    DurationMs busy_timeout; /* 10 s */
    bool skip_check;         /* without the integrity check at start (tests of big databases) */
} StateOptions;

/* Opens, checks integrity, migrates. ERR_CORRUPT and ERR_UNSUPPORTED (newer schema) say what to do.
 */
bool state_open(const StateOptions *options, State **ret_state, Err *err) MUST_CHECK;
/* To an `err` of kind ERR_CORRUPT, of rows that make no sense: says what to do. Returns false. */
bool state_say_damaged(const State *state, Err *err);
void state_close(State *state);
DEFINE_AUTO(State, state_close)

/* Between begin and commit, or rollback, everything is one atom. After a failed commit the
 * transaction is rolled back and gone. */
bool state_begin(State *state, StateTx **ret_tx, Err *err) MUST_CHECK;
bool state_commit(StateTx *tx, Err *err) MUST_CHECK;
void state_rollback(StateTx *tx); /* accepts NULL */
DEFINE_AUTO(StateTx, state_rollback)

/* ---- alerts (tables alert_state, alert_history) ---- */

/* Stores each change: the alert's row as it is now (removed when inactive and resolved and no
 * longer needed) and, for transitions, a row of history. At most STATE_TX_ALERTS_MAX. Gives each
 * its row id (0 = has none any more) in `ret_ids` unless that is NULL. */
bool state_put_alerts(StateTx *tx, const AlertChange *changes, size_t count, int64_t *ret_ids,
                      Err *err) MUST_CHECK;

/* All alerts that are not inactive, own (`from_outside` false) or posted by others. */
bool state_load_alerts(State *state, bool from_outside, Arena *arena, Alert **ret_alerts,
                       size_t *ret_count, Err *err) MUST_CHECK;

/* History, newest first: what explain, quality and the annotation feed are made from. */
typedef struct AlertHistoryRow {
    int64_t id;
    TimeMs at;
    AlertEvent event;
    Str reason;
    Alert alert; /* labels, annotations, fired_at, resolved_at, rule_key, value */
} AlertHistoryRow;
bool state_alert_history(State *state, TimeMs from, TimeMs to, const char hex_key_or_null[65],
                         size_t limit, Arena *arena, AlertHistoryRow **ret_rows, size_t *ret_count,
                         Err *err) MUST_CHECK;

/* A row of history, as short as it gets. */
typedef struct HistoryMark {
    int64_t id; /* grows as they are stored */
    TimeMs at;
    int64_t labels; /* the number of its label set */
    AlertEvent event;
    TimeMs fired_at; /* since when it is active where it did not fire */
    TimeMs ended_at; /* of a resolved one */
} HistoryMark;

/* Those not before `from` whose id is above `after` (0 = all). free() `*ret_rows`. */
bool state_load_marks(State *state, TimeMs from, int64_t after, HistoryMark **ret_rows,
                      size_t *ret_count, Err *err) MUST_CHECK;
/* Of all alerts that are stored, as rows without ids whose `at` is `fired_at`:
 * ALERT_BECAME_FIRING for one that fires, else ALERT_BECAME_PENDING. free() `*ret_rows`. */
bool state_load_alert_marks(State *state, HistoryMark **ret_rows, size_t *ret_count,
                            Err *err) MUST_CHECK;

/* Tells `each` the label sets of these numbers as JSON (valid during the call); those that are gone
 * are left out. */
typedef void StateLabelsFn(int64_t number, Str json, void *context);
bool state_each_label_set(State *state, const int64_t *numbers, size_t count, StateLabelsFn *each,
                          void *context, Err *err) MUST_CHECK;

/* What that gives as JSON. ERR_CORRUPT for what is no label set. */
bool state_labels_decode(Arena *arena, Str json, LabelSet *ret_labels, Err *err) MUST_CHECK;

/* ---- audit and meta ---- */

typedef struct AuditRow {
    TimeMs at;
    Str actor;   /* who; "claimed:NAME" when only the client says so */
    Str address; /* from where */
    Str action;  /* "silence.create", "maintenance.clear", "reload"... */
    Str subject; /* id of the thing */
    Str reason;
    Str before, after; /* JSON, empty where there is none */
} AuditRow;
bool state_audit(StateTx *tx, const AuditRow *row, Err *err) MUST_CHECK;

/* What to read of the audit trail; zero fields do not narrow. */
typedef struct AuditQuery {
    TimeMs from, to; /* both included */
    Str subject;     /* id of the thing */
    Str action;      /* "silence.create", or with all that begins so: "silence." */
    size_t limit;    /* the newest so many */
    bool oldest_first;
} AuditQuery;
bool state_find_audit(State *state, const AuditQuery *query, Arena *arena, AuditRow **ret_rows,
                      size_t *ret_count, Err *err) MUST_CHECK;
/* Of one subject ("silence": silence.create, silence.expire, ...), oldest first. */
bool state_load_audit_of(State *state, const char *subject, TimeMs from, TimeMs to, Arena *arena,
                         AuditRow **ret_rows, size_t *ret_count, Err *err) MUST_CHECK;

bool state_meta_set(StateTx *tx, const char *key, Str value, Err *err) MUST_CHECK;
/* False without error (err->kind ERR_NOT_FOUND) if there is none. */
bool state_meta_get(State *state, const char *key, Arena *arena, Str *ret_value, Err *err);

/* An online copy of the whole database, consistent, at `path`. */
bool state_backup(State *state, const char *path, Err *err) MUST_CHECK;

void state_metrics(State *state, MetricWriter *out);
