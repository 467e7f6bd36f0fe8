/* Opening, taking turns, committing, and the small tables. */

#include "state/state.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "state/state_impl.h"

/* ---- open and close ---- */

static bool check_integrity(Db *db, Err *err) {
    DbRows rows;
    if (!db_query(db, &rows, err, "PRAGMA quick_check(1)")) {
        return false;
    }
    bool sound = db_next(&rows) && str_eq(db_view(&rows, 0), STR("ok"));
    if (!sound && rows.code == SQLITE_ROW) {
        Str found = db_view(&rows, 0);
        err_set(err, ERR_CORRUPT, "%.*s", STR_ARG(found));
        Err ignored;
        (void)!db_done(&rows, &ignored);
        return false;
    }
    return db_done(&rows, err);
}

/* For its owner and group, like the store's files: SQLite gives its own the same rights. */
static void create_private(const char *path) {
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd >= 0) {
        close(fd);
    }
}

static double file_bytes(const char *path, const char *suffix) {
    char name[4096];
    struct stat info;
    snprintf(name, sizeof name, "%s%s", path, suffix);
    return stat(name, &info) == 0 ? (double)info.st_size : 0;
}

static bool sync_folder_of(Arena *arena, const char *path, Err *err) {
    const char *slash = strrchr(path, '/');
    return dir_sync(slash ? arena_printf(arena, "%.*s", (int)(slash - path + 1), path).ptr : ".",
                    err);
}

/* A database is begun under another name and renamed once it has its tables: so one that is empty
 * has lost what it held, whatever happened here. */
static bool create_database(const State *state, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    const char *fresh = arena_printf(&arena, "%s.new", state->path).ptr;
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        (void)unlink(arena_printf(&arena, "%s%s", fresh, suffixes[i]).ptr);
    }
    create_private(fresh);
    Db *db = mem_zero(1, sizeof *db);
    bool ok = db_open(db, fresh, false, state->busy_timeout, err) &&
              migrations_apply(db, clock_now(), err);
    db_close(db);
    free(db);
    return ok &&
           (rename(fresh, state->path) == 0 || err_errno(err, "%s: cannot create", state->path)) &&
           sync_folder_of(&arena, state->path, err);
}

/* Makes one where there is none yet. */
static bool find_database(const State *state, Err *err) {
    struct stat info;
    bool exists = stat(state->path, &info) == 0;
    if (exists) {
        return info.st_size > 0 || err_set(err, ERR_CORRUPT, "the file is empty");
    }
    if (file_bytes(state->path, "-wal") > 0) {
        return err_set(err, ERR_CORRUPT, "the file is missing, but its -wal is there");
    }
    return create_database(state, err);
}

bool state_say_damaged(const State *state, Err *err) {
    Err cause = *err;
    return cause.kind == ERR_CORRUPT &&
           err_set(err, ERR_CORRUPT,
                   "%s: the database is damaged (%.400s): move it and its -wal and -shm files "
                   "aside and put the newest backup in their place, or start without to begin anew",
                   state->path, cause.text);
}

static bool open_writer(State *state, bool skip_check, Err *err) {
    bool ok = find_database(state, err) &&
              db_open(&state->writer, state->path, false, state->busy_timeout, err) &&
              (skip_check || check_integrity(&state->writer, err)) &&
              migrations_apply(&state->writer, clock_now(), err);
    return ok || state_say_damaged(state, err);
}

bool row_ids_load(State *state, Err *err) {
    DbRows rows;
    if (!db_query(&state->writer, &rows, err,
                  "SELECT max(coalesce((SELECT max(id) FROM outbox), 0), coalesce((SELECT"
                  " CAST(value AS INTEGER) FROM meta WHERE key = 'outbox_last'), 0)),"
                  " coalesce((SELECT max(id) FROM alert_state), 0),"
                  " coalesce((SELECT max(id) FROM sent), 0),"
                  " coalesce((SELECT max(id) FROM texts), 0)")) {
        return false;
    }
    if (db_next(&rows)) {
        state->outbox_last = db_int(&rows, 0);
        state->alert_last = db_int(&rows, 1);
        state->sent_last = db_int(&rows, 2);
        state->text_last = db_int(&rows, 3);
    }
    return db_done(&rows, err);
}

bool state_open(const StateOptions *options, State **ret_state, Err *err) {
    AUTO(state_closep) State *state = mem_zero(1, sizeof *state);
    state->path = mem_strdup(options->path);
    state->busy_timeout = options->busy_timeout ? options->busy_timeout : 10 * SECOND_MS;
    state->texts = mem_zero(TEXT_CACHE_SLOTS, sizeof *state->texts);
    state->alerts = mem_zero(ALERT_CACHE_SLOTS, sizeof *state->alerts);
    state->keys = mem_zero(KEY_SLOTS, sizeof *state->keys);
    pthread_mutex_init(&state->lock, NULL);
    if (!open_writer(state, options->skip_check, err) || !row_ids_load(state, err)) {
        return false;
    }
    *ret_state = TAKE(state);
    return true;
}

void state_close(State *state) {
    if (!state) {
        return;
    }
    assert(!state->turn_taken);
    for (size_t i = 0; i < state->idle_count; i++) {
        db_close(state->idle[i]);
        free(state->idle[i]);
    }
    db_close(&state->writer);
    pthread_mutex_destroy(&state->lock);
    free(state->texts);
    free(state->alerts);
    free(state->keys);
    buf_finish(&state->json);
    ledger_finish(state);
    batches_finish(state);
    free(state->path);
    free(state);
}

/* ---- readers ---- */

bool state_reader(State *state, Db **ret_db, Err *err) {
    Db *db = NULL;
    pthread_mutex_lock(&state->lock);
    if (state->idle_count) {
        db = state->idle[--state->idle_count];
    }
    pthread_mutex_unlock(&state->lock);
    if (!db) {
        db = mem_zero(1, sizeof *db);
        if (!db_open(db, state->path, true, state->busy_timeout, err) ||
            !ledger_functions(db, err)) {
            db_close(db);
            free(db);
            return false;
        }
    }
    *ret_db = db;
    return true;
}

void state_reader_done(State *state, Db *db) {
    pthread_mutex_lock(&state->lock);
    if (state->idle_count < STATE_READERS_IDLE_MAX) {
        state->idle[state->idle_count++] = TAKE(db);
    }
    pthread_mutex_unlock(&state->lock);
    if (db) {
        db_close(db);
        free(db);
    }
}

/* ---- turns ---- */

static void waiter_remove(State *state, const Waiter *waiter) {
    Waiter **at = &state->waiters;
    while (*at != waiter) {
        at = &(*at)->next;
    }
    *at = waiter->next;
}

static bool wait_for_turn(State *state) {
    Waiter self = {.has_turn = false};
    pthread_cond_init(&self.granted, NULL);

    Waiter **last = &state->waiters;
    while (*last) {
        last = &(*last)->next;
    }
    *last = &self;
    int64_t until_ns = clock_monotonic_ns() + state->busy_timeout * 1000000;
    while (!self.has_turn && clock_wait(&self.granted, &state->lock, until_ns)) {
    }
    if (!self.has_turn) {
        waiter_remove(state, &self);
    }
    pthread_cond_destroy(&self.granted);
    return self.has_turn;
}

static bool take_turn(State *state, Err *err) {
    pthread_mutex_lock(&state->lock);
    bool mine = !state->turn_taken || wait_for_turn(state);
    if (mine) {
        state->turn_taken = true;
    }
    pthread_mutex_unlock(&state->lock);
    if (!mine) {
        counter_add(&state->waited_out, 1);
        return err_set(err, ERR_BUSY, "%s: other writers held it for %lld ms", state->path,
                       (long long)state->busy_timeout);
    }
    return true;
}

/* Hands the turn to the first who waits; `turn_taken` stays set on the way, so nobody slips in
 * between. */
static void pass_turn(State *state) {
    pthread_mutex_lock(&state->lock);
    Waiter *next = state->waiters;
    state->turn_taken = next != NULL;
    if (next) {
        state->waiters = next->next;
        next->has_turn = true;
        pthread_cond_signal(&next->granted);
    }
    pthread_mutex_unlock(&state->lock);
}

/* ---- transactions ---- */

bool state_begin(State *state, StateTx **ret_tx, Err *err) {
    if (!take_turn(state, err)) {
        return false;
    }
    if (!db_run(&state->writer, err, "BEGIN IMMEDIATE")) {
        counter_add(&state->failures, 1);
        pass_turn(state);
        return false;
    }
    state->tx = (StateTx){.state = state,
                          .began_ns = clock_monotonic_ns(),
                          .outbox_before = state->outbox_last,
                          .changes_before = sqlite3_total_changes64(state->writer.conn)};
    *ret_tx = &state->tx;
    return true;
}

static void end(StateTx *tx) {
    State *state = tx->state;
    counter_add(&state->tx_ns, (uint64_t)(clock_monotonic_ns() - tx->began_ns));
    tx->state = NULL;
    pass_turn(state);
}

static void undo(StateTx *tx) {
    State *state = tx->state;
    texts_forget(state);
    ledger_forget(state);
    batches_forget(state);
    state->outbox_last = tx->outbox_before;
    if (!sqlite3_get_autocommit(state->writer.conn)) {
        Err ignored;
        (void)!db_run(&state->writer, &ignored, "ROLLBACK");
    }
    counter_add(&state->rollbacks, 1);
    end(tx);
}

/* What waits to be stored; a failure of it that nobody has been told yet. */
static bool write_waiting(StateTx *tx, Err *err) {
    if (!ledger_write(tx, err) || !outbox_ids_store(tx, err)) {
        return false;
    }
    batches_flush(tx);
    if (tx->batch_failed) {
        *err = tx->batch_err;
    }
    return !tx->batch_failed;
}

bool state_commit(StateTx *tx, Err *err) {
    State *state = tx->state;
    assert(state);
    int64_t start_ns = clock_monotonic_ns();
    if (!write_waiting(tx, err) || !db_run(&state->writer, err, "COMMIT")) {
        counter_add(&state->failures, 1);
        undo(tx);
        return false;
    }
    if (sqlite3_total_changes64(state->writer.conn) != tx->changes_before) {
        state->writer.disk_full = false; /* something was written, so there is room */
    }
    counter_add(&state->commits, 1);
    counter_add(&state->commit_ns, (uint64_t)(clock_monotonic_ns() - start_ns));
    end(tx);
    return true;
}

void state_rollback(StateTx *tx) {
    if (tx) {
        undo(tx);
    }
}

/* ---- audit ---- */

bool state_audit(StateTx *tx, const AuditRow *row, Err *err) {
    return db_run(
        tx_db(tx), err,
        "INSERT INTO audit_log (at, actor, address, action, subject, reason, before, after)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        DB_INT(row->at), DB_TEXT(row->actor), DB_TEXT(row->address), DB_TEXT(row->action),
        DB_TEXT(row->subject), DB_TEXT(row->reason), DB_TEXT(row->before), DB_TEXT(row->after));
}

typedef struct AuditList {
    AuditRow *rows;
    size_t rows_count, rows_cap;
} AuditList;

#define AUDIT_COLUMNS                                                                              \
    "SELECT at, actor, address, action, subject, reason, before, after FROM audit_log"

static bool select_audit(Db *db, DbRows *rows, const AuditQuery *query, Err *err) {
    DbValue from = DB_INT(query->from), to = DB_INT(query->to ? query->to : INT64_MAX);
    DbValue limit = DB_INT(query->limit ? (int64_t)query->limit : -1);
    DbValue action = DB_TEXT(query->action);
    DbValue action_len = DB_INT((int64_t)query->action.len);
    if (query->subject.len) {
        return db_query(db, rows, err,
                        AUDIT_COLUMNS " WHERE subject = ? AND at BETWEEN ? AND ? AND"
                                      " substr(action, 1, ?) = ? ORDER BY id DESC LIMIT ?",
                        DB_TEXT(query->subject), from, to, action_len, action, limit);
    }
    if (query->action.len && !query->limit) { /* a kind of row among many others */
        return db_query(db, rows, err,
                        AUDIT_COLUMNS " INDEXED BY audit_log_action WHERE action >= ?4"
                                      " AND action < ?4 || char(1114111) AND at BETWEEN ?1 AND ?2"
                                      " AND substr(action, 1, ?3) = ?4 ORDER BY at DESC, id DESC",
                        from, to, action_len, action);
    }
    /* In the order of the index: who asks for the newest hundred reads no more than those. */
    return db_query(db, rows, err,
                    AUDIT_COLUMNS " WHERE at BETWEEN ? AND ? AND substr(action, 1, ?) = ?"
                                  " ORDER BY at DESC, id DESC LIMIT ?",
                    from, to, action_len, action, limit);
}

static bool read_audit(Db *db, const AuditQuery *query, Arena *arena, AuditList *list, Err *err) {
    DbRows rows;
    if (!select_audit(db, &rows, query, err)) {
        return false;
    }
    while (db_next(&rows)) {
        AuditRow row = {.at = db_int(&rows, 0),
                        .actor = db_str(&rows, 1, arena),
                        .address = db_str(&rows, 2, arena),
                        .action = db_str(&rows, 3, arena),
                        .subject = db_str(&rows, 4, arena),
                        .reason = db_str(&rows, 5, arena),
                        .before = db_str(&rows, 6, arena),
                        .after = db_str(&rows, 7, arena)};
        VEC_PUSH(*list, rows, row);
    }
    return db_done(&rows, err);
}

static void reverse_audit(AuditList *list) {
    for (size_t i = 0; i < list->rows_count / 2; i++) {
        AuditRow row = list->rows[i];
        list->rows[i] = list->rows[list->rows_count - 1 - i];
        list->rows[list->rows_count - 1 - i] = row;
    }
}

bool state_find_audit(State *state, const AuditQuery *query, Arena *arena, AuditRow **ret_rows,
                      size_t *ret_count, Err *err) {
    Db *db;
    if (!state_reader(state, &db, err)) {
        return false;
    }
    AuditList list = {0};
    bool ok = read_audit(db, query, arena, &list, err);
    state_reader_done(state, db);
    if (ok) {
        if (query->oldest_first) {
            reverse_audit(&list);
        }
        *ret_count = list.rows_count;
        *ret_rows = list_to_arena(arena, TAKE(list.rows), list.rows_count * sizeof *list.rows);
    }
    free(list.rows);
    return ok;
}

bool state_load_audit_of(State *state, const char *subject, TimeMs from, TimeMs to, Arena *arena,
                         AuditRow **ret_rows, size_t *ret_count, Err *err) {
    AuditQuery query = {.from = from,
                        .to = to,
                        .action = arena_printf(arena, "%s.", subject),
                        .oldest_first = true};
    return state_find_audit(state, &query, arena, ret_rows, ret_count, err);
}

/* ---- meta ---- */

bool state_meta_set(StateTx *tx, const char *key, Str value, Err *err) {
    return db_run(
        tx_db(tx), err,
        "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        DB_TEXT(str_of(key)), DB_TEXT(value));
}

bool state_meta_get(State *state, const char *key, Arena *arena, Str *ret_value, Err *err) {
    Db *db;
    if (!state_reader(state, &db, err)) {
        return false;
    }
    DbRows rows;
    bool found = false;
    bool ok =
        db_query(db, &rows, err, "SELECT value FROM meta WHERE key = ?", DB_TEXT(str_of(key)));
    if (ok) {
        found = db_next(&rows);
        if (found) {
            *ret_value = db_str(&rows, 0, arena);
        }
        ok = db_done(&rows, err);
    }
    state_reader_done(state, db);
    return ok && (found || err_set(err, ERR_NOT_FOUND, "no such entry: %s", key));
}

/* ---- the rest ---- */

/* VACUUM INTO copies one committed state, and leaves out what was deleted. */
bool state_backup(State *state, const char *path, Err *err) {
    struct stat exists;
    if (stat(path, &exists) == 0) {
        return err_set(err, ERR_CONFLICT, "%s: exists already", path);
    }
    create_private(path);
    Db *db = mem_zero(1, sizeof *db);
    bool ok = db_open(db, state->path, false, state->busy_timeout, err) &&
              db_run(db, err, "VACUUM INTO ?", DB_TEXT(str_of(path)));
    db_close(db);
    free(db);
    return ok || err_context(err, "backup to %s", path);
}

void state_metrics(State *state, MetricWriter *out) {
    metric_counter(out, "belfry_state_commits_total", "Transactions made durable.",
                   counter_get(&state->commits));
    metric_counter(out, "belfry_state_rollbacks_total", "Transactions undone.",
                   counter_get(&state->rollbacks));
    metric_counter(out, "belfry_state_failures_total",
                   "Transactions that SQLite could not begin or commit.",
                   counter_get(&state->failures));
    metric_counter(out, "belfry_state_busy_total", "Writers that gave up waiting for their turn.",
                   counter_get(&state->waited_out));
    metric_family(out, "belfry_state_commit_duration_seconds", "summary",
                  "Time of COMMIT, the disk's sync included.");
    metric_value(out, "_sum", NULL, 0, (double)counter_get(&state->commit_ns) / 1e9);
    metric_value(out, "_count", NULL, 0, (double)counter_get(&state->commits));
    metric_gauge(out, "belfry_state_disk_full",
                 "1 while changes are refused because the disk of state.db is full.",
                 state->writer.disk_full);
    metric_gauge(out, "belfry_state_database_bytes", "Size of state.db.",
                 file_bytes(state->path, ""));
    metric_gauge(out, "belfry_state_wal_bytes", "Size of its write-ahead log.",
                 file_bytes(state->path, "-wal"));
}
