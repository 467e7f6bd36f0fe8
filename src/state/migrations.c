/*
 * The schema, as numbered steps. A step never changes once it has been released; a later one amends
 * it. Numbers are given out by subject: 1-9 the main job, 10-19 rules, 20-29 notification, 30-39
 * silences.
 *
 * texts holds every label set (as a JSON object, so that `sqlite3 state.db` shows it) and every
 * text that many rows repeat, once; it is found by 63 bits of its hash, the label
 * set of an alert by the alert's key. Columns ending in _text
 * hold its id. They are no foreign keys: removing what nothing points to any more is one sweep
 * (text_prune), not a check per row.
 *
 * Times are Unix milliseconds; 0 is "none".
 */

#include <assert.h>

#include "state/rows_alert.h"
#include "state/state_impl.h"

typedef struct Migration {
    int number;
    const char *name;
    const char *sql;
} Migration;

static const char alerts_sql[] =
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE texts (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;"
    "CREATE TABLE alert_state ("
    " id INTEGER PRIMARY KEY,"
    " origin INTEGER NOT NULL," /* 0 = our rules, 1 = posted to us */
    " rule_text INTEGER NOT NULL,"
    " labels_text INTEGER NOT NULL,"
    " annotations_text INTEGER NOT NULL,"
    " url_text INTEGER NOT NULL,"
    " phase INTEGER NOT NULL," /* AlertPhase; 0 = resolved, kept while somebody has to be told */
    " active_at INTEGER NOT NULL, fired_at INTEGER NOT NULL, keep_firing_since INTEGER NOT NULL,"
    " resolved_at INTEGER NOT NULL, ends_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,"
    " interval_ms INTEGER NOT NULL, value REAL, stale INTEGER NOT NULL) STRICT;"
    "CREATE UNIQUE INDEX alert_state_identity ON alert_state (labels_text, rule_text);"
    "CREATE TABLE alert_history ("
    " id INTEGER PRIMARY KEY, at INTEGER NOT NULL, event INTEGER NOT NULL, reason TEXT NOT NULL,"
    " alert_key INTEGER NOT NULL," /* first 8 bytes of the dedup key */
    " rule_text INTEGER NOT NULL, labels_text INTEGER NOT NULL, annotations_text INTEGER NOT NULL,"
    " url_text INTEGER NOT NULL, active_at INTEGER NOT NULL, fired_at INTEGER NOT NULL,"
    " resolved_at INTEGER NOT NULL, value REAL) STRICT;"
    "CREATE INDEX alert_history_at ON alert_history (at);"
    "CREATE INDEX alert_history_key ON alert_history (alert_key, at);"
    "CREATE TABLE audit_log ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, actor TEXT NOT NULL,"
    " address TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL, reason TEXT NOT NULL,"
    " before TEXT NOT NULL, after TEXT NOT NULL) STRICT;"
    "CREATE INDEX audit_log_at ON audit_log (at);"
    /* Append-only by more than good manners. */
    "CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log"
    " BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;"
    "CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log"
    " BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;";

static const char notify_sql[] =
    "CREATE TABLE groups ("
    " id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, receiver TEXT NOT NULL,"
    " labels_text INTEGER NOT NULL, next_due INTEGER NOT NULL, created_at INTEGER NOT NULL,"
    " flushed_at INTEGER NOT NULL,"
    " retired INTEGER NOT NULL) STRICT;" /* 1 = no route leads here; only open incidents are closed
                                          */
    "CREATE TABLE group_alerts ("
    " group_id INTEGER NOT NULL REFERENCES groups (id) ON DELETE CASCADE,"
    " alert_id INTEGER NOT NULL REFERENCES alert_state (id) ON DELETE CASCADE,"
    " PRIMARY KEY (group_id, alert_id)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX group_alerts_alert ON group_alerts (alert_id);"
    /* What an integration was last told: of a whole group (alert_id 0), or of one alert. */
    "CREATE TABLE sent ("
    " id INTEGER PRIMARY KEY, group_id INTEGER NOT NULL REFERENCES groups (id) ON DELETE CASCADE,"
    " alert_id INTEGER NOT NULL, integration_text INTEGER NOT NULL, dedup_key TEXT NOT NULL,"
    " target_text INTEGER NOT NULL," /* the address or routing key the incident was opened with */
    " at INTEGER NOT NULL, delivered INTEGER NOT NULL, firing BLOB NOT NULL, resolved BLOB NOT "
    "NULL,"
    " data TEXT NOT NULL) STRICT;" /* what the receiver answered and needs again: an annotation's id
                                    */
    "CREATE INDEX sent_group ON sent (group_id);"
    "CREATE TABLE outbox ("
    " id INTEGER PRIMARY KEY, integration_text INTEGER NOT NULL, receiver TEXT NOT NULL,"
    " dedup_key TEXT NOT NULL, target_text INTEGER NOT NULL, action INTEGER NOT NULL,"
    " group_id INTEGER NOT NULL, alert_id INTEGER NOT NULL, sent_id INTEGER NOT NULL,"
    " members BLOB NOT NULL, reason TEXT NOT NULL, created_at INTEGER NOT NULL,"
    " due_at INTEGER NOT NULL, attempts INTEGER NOT NULL, status INTEGER NOT NULL,"
    " maybe_delivered INTEGER NOT NULL, http_status INTEGER NOT NULL, answer TEXT NOT NULL) STRICT;"
    "CREATE TABLE ledger ("
    " id INTEGER PRIMARY KEY, at INTEGER NOT NULL, alert_key INTEGER NOT NULL,"
    " group_id INTEGER NOT NULL, decision TEXT NOT NULL, reason TEXT NOT NULL,"
    " subject TEXT NOT NULL, detail TEXT NOT NULL,"
    " members BLOB NOT NULL) STRICT;" /* alert keys, 8 bytes each, of a decision about many */
    "CREATE INDEX ledger_at ON ledger (at);"
    "CREATE INDEX ledger_key ON ledger (alert_key, at) WHERE alert_key != 0;"
    "CREATE INDEX ledger_group ON ledger (group_id, at) WHERE group_id != 0;";

/* Ids are never given twice: people name notifications by them. */
static const char outbox_ids_sql[] =
    "ALTER TABLE outbox RENAME TO outbox_before;"
    "CREATE TABLE outbox ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, integration_text INTEGER NOT NULL,"
    " receiver TEXT NOT NULL, dedup_key TEXT NOT NULL, target_text INTEGER NOT NULL,"
    " action INTEGER NOT NULL, group_id INTEGER NOT NULL, alert_id INTEGER NOT NULL,"
    " sent_id INTEGER NOT NULL, members BLOB NOT NULL, reason TEXT NOT NULL,"
    " created_at INTEGER NOT NULL, due_at INTEGER NOT NULL, attempts INTEGER NOT NULL,"
    " status INTEGER NOT NULL, maybe_delivered INTEGER NOT NULL, http_status INTEGER NOT NULL,"
    " answer TEXT NOT NULL) STRICT;"
    "INSERT INTO outbox SELECT * FROM outbox_before;"
    "DROP TABLE outbox_before;";

static const char shadow_sql[] =
    "CREATE TABLE shadow_alerts ("
    " id INTEGER PRIMARY KEY, at INTEGER NOT NULL, receiver TEXT NOT NULL, labels TEXT NOT NULL,"
    " firing INTEGER NOT NULL, starts_at INTEGER NOT NULL, ends_at INTEGER NOT NULL,"
    " group_key TEXT NOT NULL) STRICT;"
    "CREATE INDEX shadow_alerts_at ON shadow_alerts (at);"
    /* The annotation feed asks for all that was done to silences, flags, or the server. */
    "CREATE INDEX audit_log_action ON audit_log (action, at);";

static const char silences_sql[] =
    "CREATE TABLE silences ("
    " id TEXT PRIMARY KEY, starts_at INTEGER NOT NULL, ends_at INTEGER NOT NULL,"
    " updated_at INTEGER NOT NULL, created_by TEXT NOT NULL, comment TEXT NOT NULL,"
    " annotations_text INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE silence_matchers ("
    " silence_id TEXT NOT NULL REFERENCES silences (id) ON DELETE CASCADE, position INTEGER NOT "
    "NULL,"
    " name TEXT NOT NULL, value TEXT NOT NULL, is_regex INTEGER NOT NULL, is_equal INTEGER NOT "
    "NULL,"
    " PRIMARY KEY (silence_id, position)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE maintenance_flags ("
    " id TEXT PRIMARY KEY, mode INTEGER NOT NULL, reason TEXT NOT NULL, owner TEXT NOT NULL,"
    " starts_at INTEGER NOT NULL, ends_at INTEGER NOT NULL, review_at INTEGER NOT NULL,"
    " created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, origin TEXT NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE flag_matchers ("
    " flag_id TEXT NOT NULL REFERENCES maintenance_flags (id) ON DELETE CASCADE,"
    " position INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, is_regex INTEGER NOT "
    "NULL,"
    " is_equal INTEGER NOT NULL, PRIMARY KEY (flag_id, position)) STRICT, WITHOUT ROWID;";

/* The two indexes are what a restart reads to know which decisions have been written down. */
static const char ledger_until_sql[] =
    "ALTER TABLE ledger ADD COLUMN until_at INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX ledger_quiet ON ledger (alert_key, id) WHERE decision IN"
    " ('silenced', 'flagged', 'inhibited', 'damped', 'released');"
    "CREATE INDEX ledger_muted ON ledger (group_id, id) WHERE decision = 'muted';";
/* Weekly windows (time_intervals' shape, as JSON), and when somebody was reminded of the end. */
static const char schedules_sql[] =
    "ALTER TABLE silences ADD COLUMN schedule TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE silences ADD COLUMN reminded_at INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE maintenance_flags ADD COLUMN schedule TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE maintenance_flags ADD COLUMN reminded_at INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX audit_log_subject ON audit_log (subject, id);";

static const char rule_files_sql[] =
    "CREATE TABLE rule_files ("
    " path TEXT PRIMARY KEY, flavour INTEGER NOT NULL, content BLOB NOT NULL,"
    " stored_at INTEGER NOT NULL, is_live INTEGER NOT NULL) STRICT, WITHOUT ROWID;";

/* INT64_MAX in to_at: the source is still dark. */
static const char source_gaps_sql[] =
    "CREATE TABLE source_gaps ("
    " source TEXT NOT NULL, from_at INTEGER NOT NULL, to_at INTEGER NOT NULL,"
    " PRIMARY KEY (source, from_at)) STRICT, WITHOUT ROWID;";

/*
 * For storms. Texts get the next number, not one made of their hash: so the texts of a transaction
 * stand together at the table's end, where they used to change every page of it. Members and sent
 * sets are looked up in no other table when they are written; who deletes a group deletes them.
 * Only decisions about a group as a whole are ever looked for by group. And for a condition with
 * IN, SQLite makes a table of the words each time a row is written; one with OR only compares.
 */
static const char storms_sql[] =
    "ALTER TABLE texts ADD COLUMN hash INTEGER NOT NULL DEFAULT 0;"
    "UPDATE texts SET hash = id;"
    "CREATE INDEX texts_hash ON texts (hash);"
    "ALTER TABLE group_alerts RENAME TO group_alerts_before;"
    "CREATE TABLE group_alerts ("
    " group_id INTEGER NOT NULL, alert_id INTEGER NOT NULL, PRIMARY KEY (group_id, alert_id))"
    " STRICT, WITHOUT ROWID;"
    "INSERT INTO group_alerts SELECT * FROM group_alerts_before;"
    "DROP TABLE group_alerts_before;"
    "CREATE INDEX group_alerts_alert ON group_alerts (alert_id);"
    "ALTER TABLE sent RENAME TO sent_before;"
    "CREATE TABLE sent ("
    " id INTEGER PRIMARY KEY, group_id INTEGER NOT NULL, alert_id INTEGER NOT NULL,"
    " integration_text INTEGER NOT NULL, dedup_key TEXT NOT NULL, target_text INTEGER NOT NULL,"
    " at INTEGER NOT NULL, delivered INTEGER NOT NULL, firing BLOB NOT NULL,"
    " resolved BLOB NOT NULL, data TEXT NOT NULL) STRICT;"
    "INSERT INTO sent SELECT * FROM sent_before;"
    "DROP TABLE sent_before;"
    "CREATE INDEX sent_group ON sent (group_id);"
    "DROP INDEX ledger_group;"
    "CREATE INDEX ledger_group ON ledger (group_id, at) WHERE group_id != 0 AND alert_key = 0;"
    "DROP INDEX ledger_quiet;"
    "CREATE INDEX ledger_quiet ON ledger (alert_key, id) WHERE decision = 'silenced'"
    " OR decision = 'flagged' OR decision = 'inhibited' OR decision = 'damped'"
    " OR decision = 'released';";

/*
 * Also for storms: a text is stored without having been looked for, since most are new then; and
 * members stand in the order in which alerts come, so that one table is enough: what is asked is
 * who has an alert, while the members of a group are known when it is read.
 */
static const char in_order_sql[] =
    "DROP INDEX texts_hash;"
    "CREATE UNIQUE INDEX texts_hash ON texts (hash);"
    "DROP INDEX group_alerts_alert;"
    "ALTER TABLE group_alerts RENAME TO group_alerts_before;"
    "CREATE TABLE group_alerts ("
    " alert_id INTEGER NOT NULL, group_id INTEGER NOT NULL, PRIMARY KEY (alert_id, group_id))"
    " STRICT, WITHOUT ROWID;"
    "INSERT INTO group_alerts (alert_id, group_id) SELECT alert_id, group_id"
    " FROM group_alerts_before ORDER BY alert_id, group_id;"
    "DROP TABLE group_alerts_before;";

/*
 * For storms, once more: rows about an alert are found by the number of its label set, which grows
 * as alerts come, where an index of their keys took each row somewhere else and so changed every
 * page in each transaction. Only texts has that index: the hash of an alert's label set is the
 * alert's key. Rows of the ledger from before keep their own.
 */
static const char alert_numbers_sql[] =
    "UPDATE texts SET hash = alert_key(text, hash) WHERE id IN"
    " (SELECT labels_text FROM alert_state UNION SELECT labels_text FROM alert_history);"
    "DROP INDEX alert_history_key;"
    "CREATE INDEX alert_history_labels ON alert_history (labels_text, at);"
    "ALTER TABLE ledger ADD COLUMN alert_text INTEGER NOT NULL DEFAULT 0;"
    "DROP INDEX ledger_key;"
    "CREATE INDEX ledger_key ON ledger (alert_key, at) WHERE alert_key != 0 AND alert_text = 0;"
    "CREATE INDEX ledger_alert ON ledger (alert_text, at) WHERE alert_text != 0;";

/*
 * The rest for storms: annotations are found by their alert, so their hash is 0 and in no index;
 * who deletes a group knows its sent sets; and the last id of the outbox is written once a
 * transaction (outbox_ids_store), not with each row, as AUTOINCREMENT does.
 */
static const char fewer_indexes_sql[] =
    "DROP INDEX texts_hash;"
    "CREATE UNIQUE INDEX texts_hash ON texts (hash) WHERE hash != 0;"
    "DROP INDEX sent_group;";

static const char outbox_last_sql[] =
    "ALTER TABLE outbox RENAME TO outbox_before;"
    "CREATE TABLE outbox ("
    " id INTEGER PRIMARY KEY, integration_text INTEGER NOT NULL, receiver TEXT NOT NULL,"
    " dedup_key TEXT NOT NULL, target_text INTEGER NOT NULL, action INTEGER NOT NULL,"
    " group_id INTEGER NOT NULL, alert_id INTEGER NOT NULL, sent_id INTEGER NOT NULL,"
    " members BLOB NOT NULL, reason TEXT NOT NULL, created_at INTEGER NOT NULL,"
    " due_at INTEGER NOT NULL, attempts INTEGER NOT NULL, status INTEGER NOT NULL,"
    " maybe_delivered INTEGER NOT NULL, http_status INTEGER NOT NULL, answer TEXT NOT NULL) STRICT;"
    "INSERT INTO outbox SELECT * FROM outbox_before;"
    "INSERT OR REPLACE INTO meta VALUES ('outbox_last', CAST(coalesce((SELECT max(seq)"
    " FROM sqlite_sequence WHERE name IN ('outbox', 'outbox_before')), 0) AS TEXT));"
    "DROP TABLE outbox_before;";

/* In the order they are applied. */
static const Migration migrations[] = {
    {1, "alerts, history, audit", alerts_sql},
    {2, "groups, sent sets, outbox, ledger", notify_sql},
    {3, "silences and maintenance flags", silences_sql},
    {10, "last good rule files", rule_files_sql},
    {11, "outages of sources", source_gaps_sql},
    {20, "until when the ledger says something is held", ledger_until_sql},
    {21, "what the Alertmanager beside us told", shadow_sql},
    {22, "texts in the order they come, members and sent sets without checks", storms_sql},
    {23, "members in the order alerts come, hashes that are unique", in_order_sql},
    {24, "rows about an alert found by the number of its labels", alert_numbers_sql},
    {25, "annotations found by their alert, no index of sent sets", fewer_indexes_sql},
    {29, "notification ids that are never used again", outbox_ids_sql},
    {26, "notification ids that are never used again, once a transaction", outbox_last_sql},
    {30, "schedules and reminders of silences and flags", schedules_sql},
};

enum { MIGRATION_COUNT = sizeof migrations / sizeof migrations[0] };

static bool is_known(int64_t number) {
    for (int i = 0; i < MIGRATION_COUNT; i++) {
        if (migrations[i].number == number) {
            return true;
        }
    }
    return false;
}

static bool say_newer(const Db *db, const char *what, int64_t number, Err *err) {
    return err_set(err, ERR_UNSUPPORTED,
                   "%s: written by a newer version (%s %lld, which this program does not know): "
                   "start that version again, or restore the backup made before the upgrade",
                   db->path, what, (long long)number);
}

/* Numbers grow by subject, so the highest alone does not tell. */
static bool refuse_newer(Db *db, Err *err) {
    DbRows rows;
    int64_t unknown = 0;
    if (!db_query(db, &rows, err, "SELECT number FROM schema_migrations ORDER BY number")) {
        return false;
    }
    while (db_next(&rows)) {
        unknown = is_known(db_int(&rows, 0)) ? unknown : db_int(&rows, 0);
    }
    return db_done(&rows, err) && (!unknown || say_newer(db, "schema", unknown, err));
}

/* Never set so far: kept for a change that old programs could not even read. */
static bool refuse_newer_format(Db *db, Err *err) {
    DbRows rows;
    if (!db_query(db, &rows, err, "PRAGMA user_version")) {
        return false;
    }
    int64_t version = db_next(&rows) ? db_int(&rows, 0) : 0;
    return db_done(&rows, err) && (!version || say_newer(db, "user_version", version, err));
}

static bool is_applied(Db *db, int number, bool *ret_applied, Err *err) {
    DbRows rows;
    if (!db_query(db, &rows, err, "SELECT 1 FROM schema_migrations WHERE number = ?",
                  DB_INT(number))) {
        return false;
    }
    *ret_applied = db_next(&rows);
    return db_done(&rows, err);
}

static bool apply_missing(Db *db, TimeMs now, Err *err) {
    if (!refuse_newer_format(db, err) ||
        !db_script(db,
                   "CREATE TABLE IF NOT EXISTS schema_migrations (number INTEGER PRIMARY KEY,"
                   " name TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT",
                   err) ||
        !refuse_newer(db, err)) {
        return false;
    }
    for (int i = 0; i < MIGRATION_COUNT; i++) {
        const Migration *step = &migrations[i];
        bool applied = false;
        if (!is_applied(db, step->number, &applied, err)) {
            return false;
        }
        if (!applied && (!db_script(db, step->sql, err) ||
                         !db_run(db, err, "INSERT INTO schema_migrations VALUES (?, ?, ?)",
                                 DB_INT(step->number), DB_TEXT(str_of(step->name)), DB_INT(now)))) {
            return err_context(err, "migration %d (%s)", step->number, step->name);
        }
    }
    return true;
}

/* alert_key(text, otherwise): the key of the alert with these labels. */
static void sql_alert_key(sqlite3_context *context, int count, sqlite3_value **values) {
    AUTO(arena_finish) Arena arena = {0};
    Str text = {(const char *)sqlite3_value_text(values[0]),
                (size_t)sqlite3_value_bytes(values[0])};
    LabelSet labels;
    Err ignored;
    assert(count == 2);
    if (labels_decode(&arena, text, &labels, &ignored)) {
        char hex[65];
        alert_dedup_key(&(Alert){.labels = labels}, hex);
        sqlite3_result_int64(context, state_alert_key(hex));
    } else {
        sqlite3_result_value(context, values[1]);
    }
}

bool migrations_apply(Db *db, TimeMs now, Err *err) {
    if (sqlite3_create_function_v2(db->conn, "alert_key", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC,
                                   NULL, sql_alert_key, NULL, NULL, NULL) != SQLITE_OK) {
        return db_failed(db, err, "cannot define alert_key()");
    }
    if (!db_script(db, "BEGIN IMMEDIATE", err)) {
        return false;
    }
    if (!apply_missing(db, now, err)) {
        Err ignored;
        (void)!db_script(db, "ROLLBACK", &ignored);
        return false;
    }
    return db_script(db, "COMMIT", err);
}
