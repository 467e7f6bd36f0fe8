/* Opening and refusing databases, taking turns, the audit trail. */

#include <pthread.h>
#include <sqlite3.h>
#include <unistd.h>

#include "base/file.h"
#include "state/rows_alert.h"
#include "state/rows_group.h"
#include "state/rows_ledger.h"
#include "state/rows_silence.h"
#include "state_test.h"

TestSuite(state, .init = test_folder, .fini = test_folder_remove);

static void run_sql(const char *sql) {
    sqlite3 *conn;
    cr_assert_eq(sqlite3_open(test_path, &conn), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(conn, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(conn));
    sqlite3_close(conn);
}

static void assert_refused(ErrKind kind, const char *words) {
    State *state = NULL;
    Err err = {0};
    cr_assert_not(state_open(&(StateOptions){.path = test_path}, &state, &err));
    cr_expect_eq(err.kind, kind, "%s", err.text);
    cr_expect(strstr(err.text, words), "%s", err.text);
}

Test(state, keeps_what_was_committed_and_nothing_else) {
    State *state = test_open();
    Err err = {0};
    StateTx *tx = test_begin(state);
    cr_assert(state_meta_set(tx, "kept", STR("yes"), &err));
    test_commit(tx);
    tx = test_begin(state);
    cr_assert(state_meta_set(tx, "kept", STR("no"), &err));
    state_rollback(tx);
    state_close(state);

    state = test_open();
    AUTO(arena_finish) Arena arena = {0};
    Str value;
    cr_assert(state_meta_get(state, "kept", &arena, &value, &err));
    cr_expect(str_eq(value, STR("yes")));
    cr_expect_not(state_meta_get(state, "never", &arena, &value, &err));
    cr_expect_eq(err.kind, ERR_NOT_FOUND);
    state_close(state);
}

Test(state, refuses_a_database_of_a_newer_version) {
    state_close(test_open());
    run_sql("INSERT INTO schema_migrations VALUES (9999, 'from the future', 0)");
    assert_refused(ERR_UNSUPPORTED, "written by a newer version (schema 9999");
    run_sql("DELETE FROM schema_migrations WHERE number = 9999; PRAGMA user_version = 7");
    assert_refused(ERR_UNSUPPORTED, "written by a newer version (user_version 7");
}

Test(state, refuses_a_database_that_lost_all_it_held) {
    char wal[sizeof test_path + 8];
    State *state = test_open();
    StateTx *tx = test_begin(state);
    Err err = {0};
    cr_assert(state_meta_set(tx, "kept", STR("yes"), &err));
    test_commit(tx);
    state_close(state);
    cr_assert_eq(truncate(test_path, 0), 0);
    assert_refused(ERR_CORRUPT, "the file is empty");
    snprintf(wal, sizeof wal, "%s-wal", test_path);
    cr_assert_eq(rename(test_path, wal), 0);
    state_close(test_open()); /* nothing is in it */
    cr_assert_eq(unlink(test_path), 0);
    FILE *file = fopen(wal, "wb");
    fputs("changes of a database that is gone", file);
    fclose(file);
    assert_refused(ERR_CORRUPT, "the file is missing, but its -wal is there");
}

Test(state, a_database_that_was_not_begun_whole_is_begun_again) {
    char fresh[sizeof test_path + 8];
    snprintf(fresh, sizeof fresh, "%s.new", test_path);
    FILE *file = fopen(fresh, "wb");
    fputs("killed here", file);
    fclose(file);
    state_close(test_open());
    cr_expect_neq(access(fresh, F_OK), 0);
}

Test(state, refuses_a_damaged_database_and_says_what_to_do) {
    State *state = test_open();
    StateTx *tx = test_begin(state);
    Err err = {0};
    for (int i = 0; i < 2000; i++) {
        char key[16];
        snprintf(key, sizeof key, "key%d", i);
        cr_assert(state_meta_set(tx, key, STR("some text that fills pages"), &err));
    }
    test_commit(tx);
    state_close(state);
    FILE *file = fopen(test_path, "r+b");
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    for (long at = 3L * 4096; at + 2100 < size; at += 4096) {
        fseek(file, at + 100, SEEK_SET);
        for (int i = 0; i < 2000; i++) {
            fputc(0xA5, file);
        }
    }
    fclose(file);
    assert_refused(ERR_CORRUPT, "the database is damaged");
}

Test(state, refuses_a_file_that_is_no_database) {
    FILE *file = fopen(test_path, "wb");
    for (int i = 0; i < 5000; i++) {
        fputs("not a database ", file);
    }
    fclose(file);
    assert_refused(ERR_CORRUPT, "put the newest backup in their place");
}

Test(state, audit_log_can_only_grow) {
    State *state = test_open();
    StateTx *tx = test_begin(state);
    Err err = {0};
    AuditRow row = {.at = 5,
                    .actor = STR("claimed:ann"),
                    .address = STR("10.0.0.1"),
                    .action = STR("silence.create"),
                    .subject = STR("s1"),
                    .after = STR("{}")};
    cr_assert(state_audit(tx, &row, &err));
    test_commit(tx);
    sqlite3 *conn;
    sqlite3_open(test_path, &conn);
    cr_expect_neq(sqlite3_exec(conn, "DELETE FROM audit_log", NULL, NULL, NULL), SQLITE_OK);
    cr_expect_neq(sqlite3_exec(conn, "UPDATE audit_log SET actor = 'x'", NULL, NULL, NULL),
                  SQLITE_OK);
    sqlite3_close(conn);
    AUTO(arena_finish) Arena arena = {0};
    AuditRow *rows;
    size_t count;
    cr_assert(state_find_audit(state, &(AuditQuery){.to = 10}, &arena, &rows, &count, &err));
    cr_assert_eq(count, 1);
    cr_expect(str_eq(rows[0].actor, STR("claimed:ann")));
    cr_expect(str_eq(rows[0].after, STR("{}")));
    state_close(state);
}

/* Ten writers add one to the same number, a hundred times each; a lost update would show. */
static void *add_hundred(void *arg) {
    State *state = arg;
    for (int i = 0; i < 100; i++) {
        AUTO(arena_finish) Arena arena = {0};
        StateTx *tx = test_begin(state);
        Err err = {0};
        Str value = STR("0");
        (void)!state_meta_get(state, "sum", &arena, &value, &err);
        char text[32];
        snprintf(text, sizeof text, "%d", atoi(value.ptr) + 1);
        cr_assert(state_meta_set(tx, "sum", str_of(text), &err));
        test_commit(tx);
    }
    return NULL;
}

Test(state, concurrent_writers_lose_no_update) {
    State *state = test_open();
    pthread_t threads[10];
    for (int i = 0; i < 10; i++) {
        pthread_create(&threads[i], NULL, add_hundred, state);
    }
    for (int i = 0; i < 10; i++) {
        pthread_join(threads[i], NULL);
    }
    AUTO(arena_finish) Arena arena = {0};
    Str value;
    Err err;
    cr_assert(state_meta_get(state, "sum", &arena, &value, &err));
    cr_expect(str_eq(value, STR("1000")), "%.*s", STR_ARG(value));
    state_close(state);
}

Test(state, a_writer_that_waits_too_long_is_told_so) {
    State *state = NULL;
    Err err = {0};
    cr_assert(state_open(&(StateOptions){.path = test_path, .busy_timeout = 20}, &state, &err));
    StateTx *tx = test_begin(state), *other = NULL;
    cr_expect_not(state_begin(state, &other, &err));
    cr_expect_eq(err.kind, ERR_BUSY);
    state_rollback(tx);
    cr_assert(state_begin(state, &other, &err));
    state_rollback(other);
    state_close(state);
}

Test(state, backup_is_a_whole_database) {
    State *state = test_open();
    Err err = {0};
    StateTx *tx = test_begin(state);
    cr_assert(state_meta_set(tx, "a", STR("b"), &err));
    test_commit(tx);
    char copy[PATH_MAX + 32];
    snprintf(copy, sizeof copy, "%s/copy.db", test_dir);
    cr_assert(state_backup(state, copy, &err), "%s", err.text);
    cr_expect_not(state_backup(state, copy, &err));
    cr_expect_eq(err.kind, ERR_CONFLICT);
    state_close(state);

    cr_assert(state_open(&(StateOptions){.path = copy}, &state, &err), "%s", err.text);
    AUTO(arena_finish) Arena arena = {0};
    Str value;
    cr_expect(state_meta_get(state, "a", &arena, &value, &err));
    state_close(state);
}

/* ---- upgrades: databases as earlier versions left them ---- */

static void restore(const char *dump) {
    AUTO(arena_finish) Arena arena = {0};
    Str sql;
    Err err = {0};
    cr_assert(file_read(&arena, dump, 1 << 20, &sql, &err), "%s", err.text);
    run_sql(arena_printf(&arena, "%.*s", STR_ARG(sql)).ptr);
}

/* Texts written by an earlier version are found, so the alert keeps its row. */
static void expect_known(State *state, const Alert *alert) {
    AUTO(arena_finish) Arena arena = {0};
    AlertChange again = {.event = ALERT_CHANGED, .alert = *alert, .reason = "condition"};
    Alert *alerts;
    int64_t id = 0;
    size_t count;
    Err err = {0};
    StateTx *tx = test_begin(state);
    cr_assert(state_put_alerts(tx, &again, 1, &id, &err), "%s", err.text);
    test_commit(tx);
    cr_expect_eq(id, 1);
    cr_assert(state_load_alerts(state, false, &arena, &alerts, &count, &err), "%s", err.text);
    cr_expect_eq(count, 1);
}

/* What was noted of an alert before and what is noted now are found together. */
static void expect_notes(State *state, const Alert *alert) {
    AUTO(arena_finish) Arena arena = {0};
    char hex[65];
    alert_dedup_key(alert, hex);
    int64_t key = state_alert_key(hex);
    LedgerRow row = {.at = 1795829900000, .alert_key = key, .decision = STR("silenced")};
    LedgerFilter filter = {.to = TIME_MAX, .alert_key = key};
    LedgerRow *rows;
    AlertHistoryRow *history;
    size_t count;
    Err err = {0};
    StateTx *tx = test_begin(state);
    cr_assert(state_put_ledger(tx, &row, &err), "%s", err.text);
    test_commit(tx);
    cr_assert(state_load_ledger(state, &filter, &arena, &rows, &count, &err), "%s", err.text);
    cr_assert_eq(count, 4);
    cr_expect(str_eq(rows[0].decision, STR("silenced")));
    cr_expect(str_eq(rows[3].decision, STR("routed")));
    cr_assert(state_alert_history(state, 0, TIME_MAX, hex, 0, &arena, &history, &count, &err), "%s",
              err.text);
    cr_expect_eq(count, 1);
}

/* Each holds a silence, a flag, an alert of ours and one from outside. In the order of
 * their age, named by the step that was the last to come: a new migration adds the dump of the
 * schema with it. */
Test(state, every_earlier_schema_is_upgraded_with_all_it_holds) {
    static const char *const dumps[] = {
        "tests/state/schemas/003.sql",    "tests/state/schemas/003-20.sql",
        "tests/state/schemas/003-29.sql", "tests/state/schemas/003-10.sql",
        "tests/state/schemas/003-21.sql", "tests/state/schemas/030.sql",
        "tests/state/schemas/030-22.sql", "tests/state/schemas/030-23.sql",
        "tests/state/schemas/030-24.sql", "tests/state/schemas/030-11.sql",
        "tests/state/schemas/030-26.sql"};
    for (size_t i = 0; i < sizeof dumps / sizeof *dumps; i++) {
        unlink(test_path);
        restore(dumps[i]);
        AUTO(arena_finish) Arena arena = {0};
        State *state = test_open();
        SilenceRow *silences;
        FlagRow *flags;
        Alert *own, *posted;
        size_t silence_count, flag_count, own_count, posted_count;
        Err err = {0};
        cr_assert(state_load_silences(state, &arena, &silences, &silence_count, &err), "%s",
                  err.text);
        cr_assert(state_load_flags(state, &arena, &flags, &flag_count, &err), "%s", err.text);
        cr_assert(state_load_alerts(state, false, &arena, &own, &own_count, &err), "%s", err.text);
        cr_assert(state_load_alerts(state, true, &arena, &posted, &posted_count, &err), "%s",
                  err.text);
        cr_assert_eq(silence_count, 1, "%s", dumps[i]);
        cr_expect(str_eq(silences[0].comment, STR("kept through an upgrade")));
        cr_expect_eq(silences[0].matcher_count, 2);
        cr_assert_eq(flag_count, 1, "%s", dumps[i]);
        cr_expect(str_eq(flags[0].owner, STR("team-db")));
        cr_assert_eq(own_count, 1, "%s", dumps[i]);
        cr_expect(str_eq(labels_get(own[0].labels, STR("alertname")), STR("Watchdog")));
        cr_assert_eq(posted_count, 1, "%s", dumps[i]);
        GroupRows groups;
        cr_assert(state_load_groups(state, &arena, &groups, &err), "%s", err.text);
        cr_assert_eq(groups.group_count, 1, "%s", dumps[i]);
        cr_assert_eq(groups.member_count, 2, "%s", dumps[i]);
        cr_assert_eq(groups.sent_count, 2, "%s", dumps[i]);
        cr_expect_eq(groups.sent[1].alert_id, 2);
        expect_known(state, &own[0]);
        expect_notes(state, &own[0]);
        state_close(state);
    }
}
