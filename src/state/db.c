#include "state/db.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>

/* SQLite's codes as our kinds: what a caller can do about them differs. */
static ErrKind kind_of(int code) {
    switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    case SQLITE_CONSTRAINT:
        return ERR_CONFLICT;
    case SQLITE_TOOBIG:
        return ERR_LIMIT;
    default:
        return ERR_IO;
    }
}

bool db_failed(Db *db, Err *err, const char *what) {
    int code = db->conn ? sqlite3_extended_errcode(db->conn) : SQLITE_NOMEM;
    const char *text = db->conn ? sqlite3_errmsg(db->conn) : "out of memory";
    if ((code & 0xff) == SQLITE_FULL) {
        db->disk_full = true;
        return err_set(err, ERR_IO, "%s: %s: the disk is full; what was committed is kept",
                       db->path, what);
    }
    return err_set(err, kind_of(code), "%s: %s: %s", db->path, what, text);
}

/* Nobody reads SQLite's count of its own memory, and keeping it takes a lock each allocation. */
static void set_up_sqlite(void) {
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

bool db_open(Db *db, const char *path, bool read_only, DurationMs busy_timeout, Err *err) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, set_up_sqlite);
    *db = (Db){.path = path};
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE | (read_only ? 0 : SQLITE_OPEN_CREATE);
    bool ok = sqlite3_open_v2(path, &db->conn, flags, NULL) == SQLITE_OK;
    /* Rows mostly come at the end of tables: bigger pages than usual (of a new file; an old one
     * keeps its own) are half the writes. */
    if (ok) {
        sqlite3_busy_timeout(db->conn, (int)busy_timeout);
        ok = sqlite3_exec(db->conn,
                          "PRAGMA page_size=8192; PRAGMA journal_mode=WAL;"
                          "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                          "PRAGMA trusted_schema=OFF; PRAGMA cache_size=-16384;"
                          "PRAGMA temp_store=MEMORY",
                          NULL, NULL, NULL) == SQLITE_OK;
    }
    /* The writer in a storm: what a transaction of some thousand alerts touches stays in memory
     * (the cache grows only as it is used), and pages that the next transactions change again are
     * written back once for several of them, not at the end of each. */
    if (ok) {
        ok = sqlite3_exec(db->conn,
                          read_only ? "PRAGMA query_only=ON"
                                    : "PRAGMA cache_size=-32768; PRAGMA wal_autocheckpoint=16384;"
                                      "PRAGMA journal_size_limit=67108864",
                          NULL, NULL, NULL) == SQLITE_OK;
    }
    if (!ok) {
        db_failed(db, err, "cannot open");
        db_close(db);
        return false;
    }
    return true;
}

void db_close(Db *db) {
    for (size_t i = 0; i < DB_STATEMENTS_MAX; i++) {
        sqlite3_finalize(db->statements[i].stmt);
    }
    sqlite3_close(db->conn);
    *db = (Db){0};
}

static bool prepare(Db *db, const char *sql, sqlite3_stmt **ret_stmt, Err *err) {
    size_t at = ((uintptr_t)sql * UINT64_C(0x9E3779B97F4A7C15) >> 40) % DB_STATEMENTS_MAX;
    for (size_t tried = 0; db->statements[at].sql && db->statements[at].sql != sql; tried++) {
        assert(tried < DB_STATEMENTS_MAX);
        at = (at + 1) % DB_STATEMENTS_MAX;
    }
    DbStatement *slot = &db->statements[at];
    if (!slot->sql) {
        if (sqlite3_prepare_v3(db->conn, sql, -1, SQLITE_PREPARE_PERSISTENT, &slot->stmt, NULL) !=
            SQLITE_OK) {
            return db_failed(db, err, sql);
        }
        slot->sql = sql;
    }
    *ret_stmt = slot->stmt;
    return true;
}

/* Bound bytes are not copied: they live until the statement is reset, which is before the caller
 * returns. */
static void bind(sqlite3_stmt *stmt, int index, const DbValue *value) {
    const char *bytes = value->bytes.ptr ? value->bytes.ptr : "";
    switch (value->type) {
    case DB_TYPE_NULL:
        sqlite3_bind_null(stmt, index);
        break;
    case DB_TYPE_INT:
        sqlite3_bind_int64(stmt, index, value->integer);
        break;
    case DB_TYPE_REAL:
        sqlite3_bind_double(stmt, index, value->real);
        break;
    case DB_TYPE_TEXT:
        sqlite3_bind_text64(stmt, index, bytes, value->bytes.len, SQLITE_STATIC, SQLITE_UTF8);
        break;
    case DB_TYPE_BLOB:
        sqlite3_bind_blob64(stmt, index, bytes, value->bytes.len, SQLITE_STATIC);
        break;
    }
}

bool db_query_values(Db *db, DbRows *ret_rows, Err *err, const char *sql, const DbValue *values,
                     size_t count) {
    sqlite3_stmt *stmt = NULL;
    if (!prepare(db, sql, &stmt, err)) {
        return false;
    }
    assert((size_t)sqlite3_bind_parameter_count(stmt) == count);
    for (size_t i = 0; i < count; i++) {
        bind(stmt, (int)i + 1, &values[i]);
    }
    *ret_rows = (DbRows){.db = db, .stmt = stmt, .code = SQLITE_ROW};
    return true;
}

bool db_next(DbRows *rows) {
    if (rows->code == SQLITE_ROW) {
        rows->code = sqlite3_step(rows->stmt);
    }
    return rows->code == SQLITE_ROW;
}

bool db_done(DbRows *rows, Err *err) {
    bool ok = rows->code == SQLITE_ROW || rows->code == SQLITE_DONE;
    if (!ok) {
        db_failed(rows->db, err, sqlite3_sql(rows->stmt));
    }
    sqlite3_reset(rows->stmt);
    return ok;
}

bool db_run_values(Db *db, Err *err, const char *sql, const DbValue *values, size_t count) {
    DbRows rows;
    if (!db_query_values(db, &rows, err, sql, values, count)) {
        return false;
    }
    while (db_next(&rows)) {
    }
    return db_done(&rows, err);
}

bool db_script(Db *db, const char *sql, Err *err) {
    return sqlite3_exec(db->conn, sql, NULL, NULL, NULL) == SQLITE_OK || db_failed(db, err, sql);
}

int64_t db_int(const DbRows *rows, int column) {
    return sqlite3_column_int64(rows->stmt, column);
}

double db_real(const DbRows *rows, int column) {
    if (sqlite3_column_type(rows->stmt, column) == SQLITE_NULL) {
        return (double)NAN;
    }
    return sqlite3_column_double(rows->stmt, column);
}

Str db_view(const DbRows *rows, int column) {
    const void *bytes = sqlite3_column_blob(rows->stmt, column);
    size_t len = (size_t)sqlite3_column_bytes(rows->stmt, column);
    return (Str){bytes ? bytes : "", bytes ? len : 0};
}

Str db_str(const DbRows *rows, int column, Arena *arena) {
    return arena_str(arena, db_view(rows, column));
}

int64_t db_inserted_id(const Db *db) {
    return sqlite3_last_insert_rowid(db->conn);
}

int64_t db_changed(const Db *db) {
    return sqlite3_changes64(db->conn);
}
