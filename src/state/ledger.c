/*
 * ledger, reading. How rows are written: ledger_write.c.
 *
 * A decision about many alerts is one row with their keys in a blob. To find it again for one
 * alert, the alert's own rows name the groups it was in ("routed"), and the rows of those groups
 * are read and looked through. In a storm "routed" itself may be one row for many; there are few
 * such rows (alert_text LEDGER_MANY), and all of them are looked through.
 */

#include "state/rows_ledger.h"

#include <assert.h>

#include "base/mem.h"
#include "state/state_impl.h"

typedef struct LedgerList {
    LedgerRow *rows;
    size_t rows_count, rows_cap;
} LedgerList;

static LedgerRow read_row(const DbRows *rows, Arena *arena) {
    Str blob = db_view(rows, 8);
    size_t count = blob.len / 8;
    int64_t *members = arena_array(arena, int64_t, count + 1);
    ByteReader reader = reader_of(blob);
    for (size_t i = 0; i < count; i++) {
        members[i] = (int64_t)reader_u64(&reader);
    }
    return (LedgerRow){.id = db_int(rows, 0),
                       .at = db_int(rows, 1),
                       .alert_key = db_int(rows, 2),
                       .group_id = db_int(rows, 3),
                       .decision = db_str(rows, 4, arena),
                       .reason = db_str(rows, 5, arena),
                       .subject = db_str(rows, 6, arena),
                       .detail = db_str(rows, 7, arena),
                       .members = members,
                       .member_count = count,
                       .until = db_int(rows, 9)};
}

static bool is_about(const LedgerRow *row, int64_t alert_key) {
    if (!alert_key || row->alert_key == alert_key) {
        return true;
    }
    for (size_t i = 0; i < row->member_count; i++) {
        if (row->members[i] == alert_key) {
            return true;
        }
    }
    return false;
}

#define LEDGER_COLUMNS                                                                             \
    "SELECT id, at, alert_key, group_id, decision, reason, subject, detail, members, until_at"     \
    " FROM ledger"

/* By the number of its labels; rows of earlier versions, and those about an alert that is not known
 * here, by its key; and as one of many. */
#define OF_ALERT                                                                                   \
    "alert_text = (SELECT id FROM texts WHERE hash = ?1 AND hash != 0) AND alert_text != 0"        \
    " AND alert_key = ?1"
#define OF_ALERT_BY_KEY "alert_key = ?1 AND alert_key != 0 AND alert_text = 0"
#define OF_MANY "alert_text = -1 AND alert_text != 0 AND has_key(members, ?1)"

/* has_key(members, key): whether the alert is one of these. */
static void sql_has_key(sqlite3_context *context, int count, sqlite3_value **values) {
    const char *keys = sqlite3_value_blob(values[0]);
    size_t key_count = (size_t)sqlite3_value_bytes(values[0]) / 8;
    uint64_t key = (uint64_t)sqlite3_value_int64(values[1]);
    char wanted[8]; /* as it is stored: thousands are looked through */
    bool found = false;
    assert(count == 2);
    for (int i = 0; i < 8; i++) {
        wanted[i] = (char)(key >> 8 * i);
    }
    for (size_t i = 0; i < key_count && !found; i++) {
        found = memcmp(keys + 8 * i, wanted, sizeof wanted) == 0;
    }
    sqlite3_result_int(context, found);
}

bool ledger_functions(Db *db, Err *err) {
    return sqlite3_create_function_v2(db->conn, "has_key", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC,
                                      NULL, sql_has_key, NULL, NULL, NULL) == SQLITE_OK ||
           db_failed(db, err, "cannot define has_key()");
}

static bool query(Db *db, const LedgerFilter *filter, DbRows *rows, Err *err) {
    if (!filter->alert_key) {
        return db_query(db, rows, err,
                        LEDGER_COLUMNS " WHERE at BETWEEN ? AND ? ORDER BY at DESC, id DESC",
                        DB_INT(filter->from), DB_INT(filter->to));
    }
    return db_query(
        db, rows, err,
        LEDGER_COLUMNS
        " WHERE id IN (SELECT id FROM ledger WHERE " OF_ALERT " AND at BETWEEN ?2 AND ?3"
        " UNION SELECT id FROM ledger WHERE " OF_ALERT_BY_KEY " AND at BETWEEN ?2 AND ?3"
        " UNION SELECT id FROM ledger WHERE " OF_MANY " AND at BETWEEN ?2 AND ?3"
        " UNION SELECT id FROM ledger WHERE group_id != 0"
        " AND at BETWEEN ?2 AND ?3 AND alert_key = 0 AND alert_text = 0 AND group_id IN"
        " (SELECT group_id FROM ledger WHERE " OF_ALERT " AND group_id != 0"
        " UNION SELECT group_id FROM ledger WHERE " OF_ALERT_BY_KEY " AND group_id != 0"
        " UNION SELECT group_id FROM ledger WHERE " OF_MANY
        " AND group_id != 0)) ORDER BY at DESC, id DESC",
        DB_INT(filter->alert_key), DB_INT(filter->from), DB_INT(filter->to));
}

static bool is_asked_for(const LedgerRow *row, const LedgerFilter *filter) {
    return is_about(row, filter->alert_key) &&
           (!filter->decision.len || str_eq(row->decision, filter->decision));
}

static bool read_ledger(Db *db, const LedgerFilter *filter, Arena *arena, LedgerList *list,
                        Err *err) {
    DbRows rows;
    if (!query(db, filter, &rows, err)) {
        return false;
    }
    while ((!filter->limit || list->rows_count < filter->limit) && db_next(&rows)) {
        LedgerRow row = read_row(&rows, arena);
        if (is_asked_for(&row, filter)) {
            VEC_PUSH(*list, rows, row);
        }
    }
    return db_done(&rows, err);
}

static bool give(State *state, Db *db, bool ok, LedgerList *list, Arena *arena,
                 LedgerRow **ret_rows, size_t *ret_count, Err *err) {
    state_reader_done(state, db);
    if (!ok) {
        free(list->rows);
        return err_context(err, "ledger");
    }
    *ret_count = list->rows_count;
    *ret_rows = list_to_arena(arena, list->rows, list->rows_count * sizeof *list->rows);
    return true;
}

bool state_load_ledger(State *state, const LedgerFilter *filter, Arena *arena, LedgerRow **ret_rows,
                       size_t *ret_count, Err *err) {
    Db *db;
    LedgerList list = {0};
    if (!state_reader(state, &db, err)) {
        return false;
    }
    bool ok = read_ledger(db, filter, arena, &list, err);
    return give(state, db, ok, &list, arena, ret_rows, ret_count, err);
}

static bool tell_rows(Db *db, const LedgerFilter *filter, LedgerFn *each, void *context, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    DbRows rows;
    if (!query(db, filter, &rows, err)) {
        return false;
    }
    while (db_next(&rows)) {
        arena_reset(&arena);
        LedgerRow row = read_row(&rows, &arena);
        if (is_asked_for(&row, filter)) {
            each(&row, context);
        }
    }
    return db_done(&rows, err);
}

bool state_each_ledger(State *state, const LedgerFilter *filter, LedgerFn *each, void *context,
                       Err *err) {
    Db *db;
    if (!state_reader(state, &db, err)) {
        return false;
    }
    bool ok = tell_rows(db, filter, each, context, err);
    state_reader_done(state, db);
    return ok || err_context(err, "ledger");
}

/* ---- what a restart has to know ---- */

static bool read_quiet(Db *db, TimeMs from, Arena *arena, LedgerList *list, Err *err) {
    DbRows rows;
    if (!db_query(db, &rows, err,
                  "SELECT alert_key, max(id), decision, subject, at FROM ledger INDEXED BY"
                  " ledger_quiet WHERE (decision = 'silenced' OR decision = 'flagged'"
                  " OR decision = 'inhibited' OR decision = 'damped' OR decision = 'released')"
                  " AND at >= ?"
                  " GROUP BY alert_key",
                  DB_INT(from))) {
        return false;
    }
    while (db_next(&rows)) {
        LedgerRow row = {.alert_key = db_int(&rows, 0),
                         .id = db_int(&rows, 1),
                         .decision = db_str(&rows, 2, arena),
                         .subject = db_str(&rows, 3, arena),
                         .at = db_int(&rows, 4)};
        VEC_PUSH(*list, rows, row);
    }
    return db_done(&rows, err);
}

static bool read_muted(Db *db, TimeMs now, LedgerList *list, Err *err) {
    DbRows rows;
    if (!db_query(db, &rows, err,
                  "SELECT group_id, max(id), at, until_at FROM ledger INDEXED BY ledger_muted"
                  " WHERE decision = 'muted' AND until_at > ? GROUP BY group_id",
                  DB_INT(now))) {
        return false;
    }
    while (db_next(&rows)) {
        LedgerRow row = {.group_id = db_int(&rows, 0),
                         .id = db_int(&rows, 1),
                         .at = db_int(&rows, 2),
                         .until = db_int(&rows, 3)};
        VEC_PUSH(*list, rows, row);
    }
    return db_done(&rows, err);
}

bool state_load_quiet(State *state, TimeMs from, Arena *arena, LedgerRow **ret_rows,
                      size_t *ret_count, Err *err) {
    Db *db;
    LedgerList list = {0};
    if (!state_reader(state, &db, err)) {
        return false;
    }
    bool ok = read_quiet(db, from, arena, &list, err);
    return give(state, db, ok, &list, arena, ret_rows, ret_count, err);
}

bool state_load_muted(State *state, TimeMs now, Arena *arena, LedgerRow **ret_rows,
                      size_t *ret_count, Err *err) {
    Db *db;
    LedgerList list = {0};
    if (!state_reader(state, &db, err)) {
        return false;
    }
    bool ok = read_muted(db, now, &list, err);
    return give(state, db, ok, &list, arena, ret_rows, ret_count, err);
}
