#pragma once

/*
 * A thin layer over one SQLite connection: statements prepared once, values bound by type, errors
 * in our words.
 *
 *     if (!db_run(db, err, "DELETE FROM groups WHERE id = ?", DB_INT(id))) ...
 *
 *     DbRows rows;
 *     if (!db_query(db, &rows, err, "SELECT id, key FROM groups WHERE next_due <= ?", DB_INT(now)))
 * ... while (db_next(&rows)) { use(db_int(&rows, 0), db_str(&rows, 1, arena));
 *     }
 *     if (!db_done(&rows, err)) ...
 *
 * A statement is remembered by the address of its text, so texts have to be literals.
 *
 * Threads: a connection belongs to one thread at a time.
 */

#include <sqlite3.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"

enum { DB_STATEMENTS_MAX = 256 };

typedef struct DbStatement {
    const char *sql; /* the literal's address is the key; NULL = empty slot */
    sqlite3_stmt *stmt;
} DbStatement;

typedef struct Db {
    _Atomic bool disk_full; /* as the last write that failed found it */
    sqlite3 *conn;
    const char *path; /* for messages; belongs to the caller */
    DbStatement statements[DB_STATEMENTS_MAX];
} Db;

/* Opens with our settings (WAL, synchronous=FULL, foreign keys). */
bool db_open(Db *db, const char *path, bool read_only, DurationMs busy_timeout,
             Err *err) MUST_CHECK;
void db_close(Db *db); /* leaves {0}; harmless on {0} */

typedef enum DbType { DB_TYPE_NULL, DB_TYPE_INT, DB_TYPE_REAL, DB_TYPE_TEXT, DB_TYPE_BLOB } DbType;

typedef struct DbValue {
    DbType type;
    int64_t integer;
    double real;
    Str bytes;
} DbValue;

#define DB_INT(value) ((DbValue){.type = DB_TYPE_INT, .integer = (value)})
#define DB_REAL(value) ((DbValue){.type = DB_TYPE_REAL, .real = (value)})
#define DB_TEXT(value) ((DbValue){.type = DB_TYPE_TEXT, .bytes = (value)})
#define DB_BLOB(value) ((DbValue){.type = DB_TYPE_BLOB, .bytes = (value)})

#define DB_VALUES(...)                                                                             \
    (const DbValue[]){{.type = DB_TYPE_NULL}, ##__VA_ARGS__} + 1,                                  \
        sizeof((const DbValue[]){{.type = DB_TYPE_NULL}, ##__VA_ARGS__}) / sizeof(DbValue) - 1

/* Runs a statement to its end. */
#define db_run(db, err, sql, ...) db_run_values((db), (err), (sql), DB_VALUES(__VA_ARGS__))
bool db_run_values(Db *db, Err *err, const char *sql, const DbValue *values,
                   size_t count) MUST_CHECK;

/* Runs several statements that need no values. */
bool db_script(Db *db, const char *sql, Err *err) MUST_CHECK;

typedef struct DbRows {
    Db *db;
    sqlite3_stmt *stmt;
    int code; /* SQLite's last answer */
} DbRows;

#define db_query(db, ret_rows, err, sql, ...)                                                      \
    db_query_values((db), (ret_rows), (err), (sql), DB_VALUES(__VA_ARGS__))
bool db_query_values(Db *db, DbRows *ret_rows, Err *err, const char *sql, const DbValue *values,
                     size_t count) MUST_CHECK;

/* The next row; false at the end and on failure, which db_done() tells apart. db_done() has to be
 * called in every case. */
bool db_next(DbRows *rows) MUST_CHECK;
bool db_done(DbRows *rows, Err *err) MUST_CHECK;

int64_t db_int(const DbRows *rows, int column);
double db_real(const DbRows *rows, int column); /* NULL is NaN, since SQLite stores NaN as NULL */
Str db_str(const DbRows *rows, int column, Arena *arena);
Str db_view(const DbRows *rows, int column); /* valid until the next db_next() */

int64_t db_inserted_id(const Db *db);
int64_t db_changed(const Db *db);

/* Fills `err` from the connection's last failure. Returns false. */
bool db_failed(Db *db, Err *err, const char *what);
