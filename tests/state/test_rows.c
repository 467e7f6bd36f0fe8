/* Each kind of row comes back as it was put. */

#include <math.h>
#include <sqlite3.h>
#include <unistd.h>

#include "state/rows_alert.h"
#include "state/rows_group.h"
#include "state/rows_ledger.h"
#include "state/rows_outbox.h"
#include "state/rows_silence.h"
#include "state/rows_source_gap.h"
#include "state_test.h"

TestSuite(rows, .init = test_folder, .fini = test_folder_remove);

static Label cpu_labels[] = {{{"alertname", 9}, {"CpuHigh", 7}},
                             {{"note", 4}, {"a \"b\"\n\x01\xc3\xa9", 9}}};
static Label cpu_annotations[] = {{{"summary", 7}, {"93 %", 4}}};

static Alert cpu_alert(void) {
    return (Alert){.rule_key = STR("k1"),
                   .labels = {cpu_labels, 2},
                   .annotations = {cpu_annotations, 1},
                   .generator_url = STR("http://x/graph"),
                   .phase = ALERT_FIRING,
                   .active_at = 1000,
                   .fired_at = 2000,
                   .updated_at = 2000,
                   .interval = 60000,
                   .value = NAN};
}

static int64_t put(State *state, AlertEvent event, Alert alert) {
    StateTx *tx = test_begin(state);
    Err err = {0};
    int64_t id = -1;
    AlertChange change = {.event = event, .alert = alert, .reason = "condition"};
    cr_assert(state_put_alerts(tx, &change, 1, &id, &err), "%s", err.text);
    test_commit(tx);
    return id;
}

Test(rows, an_alert_comes_back_as_it_was) {
    State *state = test_open();
    Alert alert = cpu_alert();
    int64_t id = put(state, ALERT_BECAME_FIRING, alert);
    AUTO(arena_finish) Arena arena = {0};
    AlertRow *rows;
    size_t count;
    Err err = {0};
    cr_assert(state_load_alert_rows(state, &arena, &rows, &count, &err), "%s", err.text);
    cr_assert_eq(count, 1);
    cr_expect_eq(rows[0].id, id);
    cr_expect(labels_eq(rows[0].alert.labels, alert.labels));
    cr_expect(labels_eq(rows[0].alert.annotations, alert.annotations));
    cr_expect(str_eq(rows[0].alert.rule_key, alert.rule_key));
    cr_expect_eq(rows[0].alert.fired_at, 2000);
    cr_expect(isnan(rows[0].alert.value));
    state_close(state);
}

Test(rows, the_same_alert_keeps_its_row_and_a_resolved_one_without_group_leaves) {
    State *state = test_open();
    Alert alert = cpu_alert();
    int64_t id = put(state, ALERT_BECAME_FIRING, alert);
    alert.value = 5;
    cr_expect_eq(put(state, ALERT_CHANGED, alert), id);
    alert.phase = ALERT_INACTIVE;
    alert.resolved_at = alert.updated_at = 9000;
    cr_expect_eq(put(state, ALERT_BECAME_RESOLVED, alert), 0);

    AUTO(arena_finish) Arena arena = {0};
    Err err = {0};
    AlertRow *rows;
    size_t count;
    cr_assert(state_load_alert_rows(state, &arena, &rows, &count, &err));
    cr_expect_eq(count, 0);

    char key[65];
    alert_dedup_key(&alert, key);
    AlertHistoryRow *history;
    cr_assert(state_alert_history(state, 0, 10000, key, 0, &arena, &history, &count, &err));
    cr_assert_eq(count, 2, "changes of value are no history");
    cr_expect_eq(history[0].event, ALERT_BECAME_RESOLVED);
    cr_expect_eq(history[1].event, ALERT_BECAME_FIRING);
    cr_expect(labels_eq(history[1].alert.labels, alert.labels));
    state_close(state);
}

Test(rows, a_resolved_alert_stays_until_its_last_group_lets_go) {
    State *state = test_open();
    Alert alert = cpu_alert();
    int64_t id = put(state, ALERT_BECAME_FIRING, alert);
    Err err = {0};
    StateTx *tx = test_begin(state);
    int64_t groups[2];
    for (int i = 0; i < 2; i++) {
        GroupRow group = {.key = i ? STR("b") : STR("a"), .receiver = STR("r"), .next_due = 7};
        cr_assert(state_add_group(tx, &group, &groups[i], &err));
        cr_assert(state_add_member(tx, groups[i], id, &err));
    }
    test_commit(tx);
    alert.phase = ALERT_INACTIVE;
    cr_expect_eq(put(state, ALERT_BECAME_RESOLVED, alert), id);

    static const size_t want_after[] = {1, 0};
    for (int i = 0; i < 2; i++) {
        tx = test_begin(state);
        cr_assert(state_remove_member(tx, groups[i], id, &err));
        test_commit(tx);
        AUTO(arena_finish) Arena arena = {0};
        AlertRow *rows;
        size_t count;
        cr_assert(state_load_alert_rows(state, &arena, &rows, &count, &err));
        cr_expect_eq(count, want_after[i]);
    }
    state_close(state);
}

Test(rows, groups_members_and_sent_sets_come_back) {
    State *state = test_open();
    int64_t alert = put(state, ALERT_BECAME_FIRING, cpu_alert());
    Err err = {0};
    StateTx *tx = test_begin(state);
    GroupRow group = {.key = STR("g"),
                      .receiver = STR("r"),
                      .labels = {cpu_labels, 1},
                      .next_due = 50,
                      .created_at = 10};
    cr_assert(state_add_group(tx, &group, &group.id, &err));
    cr_assert(state_add_member(tx, group.id, alert, &err));
    int64_t firing[] = {900, 7, 1 << 30};
    SentRow sent = {.group_id = group.id,
                    .integration = STR("r/webhook/0"),
                    .dedup_key = STR("key"),
                    .target = STR("http://x"),
                    .at = 40,
                    .firing = firing,
                    .firing_count = 3};
    cr_assert(state_put_sent(tx, &sent, &err));
    sent.delivered = true;
    sent.data = STR("17");
    cr_assert(state_put_sent(tx, &sent, &err));
    group.next_due = 60;
    group.flushed_at = 50;
    cr_assert(state_update_group(tx, &group, &err));
    test_commit(tx);

    AUTO(arena_finish) Arena arena = {0};
    GroupRows rows;
    cr_assert(state_load_groups(state, &arena, &rows, &err), "%s", err.text);
    cr_assert_eq(rows.group_count, 1);
    cr_expect_eq(rows.groups[0].next_due, 60);
    cr_expect(labels_eq(rows.groups[0].labels, group.labels));
    cr_assert_eq(rows.member_count, 1);
    cr_assert_eq(rows.sent_count, 1);
    cr_assert_eq(rows.sent[0].firing_count, 3);
    cr_expect_eq(memcmp(rows.sent[0].firing, firing, sizeof firing), 0);
    cr_expect(rows.sent[0].delivered);
    cr_expect(str_eq(rows.sent[0].data, STR("17")));

    tx = test_begin(state);
    cr_assert(state_remove_member(tx, group.id, alert, &err));
    cr_assert(state_delete_sent(tx, sent.id, &err));
    cr_assert(state_delete_group(tx, group.id, &err));
    test_commit(tx);
    cr_assert(state_load_groups(state, &arena, &rows, &err));
    cr_expect_eq(rows.group_count + rows.member_count + rows.sent_count, 0);
    state_close(state);
}

/* Rows are stored some at a time; nobody can tell, whatever their number. */
Test(rows, any_number_of_rows_in_a_transaction_is_stored) {
    enum { MOST = 20 };
    State *state = test_open();
    Err err = {0};
    size_t stored = 0;
    for (int64_t number = 1; number <= MOST; number++) {
        StateTx *tx = test_begin(state);
        for (int64_t i = 0; i < number; i++, stored++) {
            char name[32];
            snprintf(name, sizeof name, "%lld-%lld", (long long)number, (long long)i);
            Label labels[] = {{STR("alertname"), str_of(name)}};
            AlertChange change = {
                .event = ALERT_BECAME_FIRING, .alert = cpu_alert(), .reason = "condition"};
            OutboxRow page = {.integration = STR("i"), .dedup_key = str_of(name)};
            SentRow sent = {.integration = STR("i"), .dedup_key = str_of(name)};
            int64_t id, again;
            change.alert.labels = (LabelSet){labels, 1};
            cr_assert(state_put_alerts(tx, &change, 1, &id, &err));
            cr_assert(i % 3 || state_put_alerts(tx, &change, 1, &again, &err));
            cr_expect(i % 3 || id == again, "what waits to be stored is known");
            cr_assert(state_add_member(tx, 1, id, &err));
            cr_assert(state_put_outbox(tx, &page, &err));
            sent.group_id = sent.alert_id = id;
            cr_assert(state_put_sent(tx, &sent, &err));
        }
        test_commit(tx);
        AUTO(arena_finish) Arena arena = {0};
        AlertRow *alerts;
        OutboxRow *outbox;
        GroupRows groups;
        AlertHistoryRow *history;
        size_t alert_count, outbox_count, history_count;
        cr_assert(state_load_alert_rows(state, &arena, &alerts, &alert_count, &err));
        cr_assert(state_load_outbox(state, &arena, &outbox, &outbox_count, &err));
        cr_assert(state_load_groups(state, &arena, &groups, &err));
        cr_assert(state_alert_history(state, 0, TIME_MAX, NULL, 0, &arena, &history, &history_count,
                                      &err));
        cr_expect_eq(alert_count, stored);
        cr_expect_eq(outbox_count, stored);
        cr_expect_eq(groups.member_count, stored);
        cr_expect_eq(groups.sent_count, stored);
        cr_expect_geq(history_count, stored);
    }
    state_close(state);
}

/* Texts of eight alerts are stored by one statement, whichever of them are known already. */
Test(rows, alerts_that_are_known_and_new_ones_are_told_apart) {
    enum { MOST = 8 };
    Err err = {0};
    for (unsigned known = 0; known < 1u << MOST; known += 37) {
        unlink(test_path);
        State *state = test_open();
        AlertChange changes[MOST];
        Label labels[MOST][1];
        char names[MOST][16];
        int64_t ids[MOST], again[MOST];
        for (int i = 0; i < MOST; i++) {
            snprintf(names[i], sizeof names[i], "alert-%d",
                     i / 2 * 2 == i ? i : i - (int)known % 2);
            labels[i][0] = (Label){STR("alertname"), str_of(names[i])};
            changes[i] = (AlertChange){
                .event = ALERT_BECAME_FIRING, .alert = cpu_alert(), .reason = "condition"};
            changes[i].alert.labels = (LabelSet){labels[i], 1};
        }
        StateTx *tx = test_begin(state);
        for (int i = 0; i < MOST; i++) {
            ids[i] = 0;
            cr_assert(!(known >> i & 1) || state_put_alerts(tx, &changes[i], 1, &ids[i], &err));
        }
        test_commit(tx);
        state_close(state); /* and nothing is remembered */
        state = test_open();
        tx = test_begin(state);
        cr_assert(state_put_alerts(tx, changes, MOST, again, &err), "%s", err.text);
        test_commit(tx);
        AUTO(arena_finish) Arena arena = {0};
        AlertRow *rows;
        size_t count, different = 0;
        cr_assert(state_load_alert_rows(state, &arena, &rows, &count, &err), "%s", err.text);
        for (int i = 0; i < MOST; i++) {
            bool is_first = true;
            for (int j = 0; j < i; j++) {
                bool same = strcmp(names[i], names[j]) == 0;
                is_first &= !same;
                cr_expect_eq(again[i] == again[j], same, "%x: %d and %d", known, i, j);
            }
            different += is_first;
            cr_expect(!ids[i] || ids[i] == again[i], "%x: %d is known", known, i);
        }
        cr_expect_eq(count, different);
        state_close(state);
    }
}

Test(rows, outbox_rows_come_back_in_order) {
    State *state = test_open();
    Err err = {0};
    StateTx *tx = test_begin(state);
    OutboxRow first = {.integration = STR("i"),
                       .receiver = STR("r"),
                       .dedup_key = STR("k"),
                       .target = STR("t"),
                       .action = OUTBOX_RESOLVE,
                       .members = STR("\x01\x00\x02"),
                       .reason = STR("first notification"),
                       .due_at = 5};
    OutboxRow second = first;
    cr_assert(state_put_outbox(tx, &first, &err));
    cr_assert(state_put_outbox(tx, &second, &err));
    first.status = OUTBOX_FAILED;
    first.http_status = 400;
    first.answer = STR("bad key");
    cr_assert(state_put_outbox(tx, &first, &err));
    test_commit(tx);
    AUTO(arena_finish) Arena arena = {0};
    OutboxRow *rows;
    size_t count;
    cr_assert(state_load_outbox(state, &arena, &rows, &count, &err));
    cr_assert_eq(count, 2);
    cr_expect_eq(rows[0].status, OUTBOX_FAILED);
    cr_expect(str_eq(rows[0].answer, STR("bad key")));
    cr_expect(str_eq(rows[0].members, STR("\x01\x00\x02")));
    cr_expect_eq(rows[1].action, OUTBOX_RESOLVE);
    state_close(state);
}

Test(rows, the_ledger_finds_an_alert_alone_and_among_others) {
    State *state = test_open();
    Err err = {0};
    StateTx *tx = test_begin(state);
    int64_t both[] = {11, 22}, one[] = {22};
    const LedgerRow put_rows[] = {
        {.at = 1, .alert_key = 11, .group_id = 5, .decision = STR("routed")},
        {.at = 2, .group_id = 5, .decision = STR("sent"), .members = both, .member_count = 2},
        {.at = 3, .group_id = 5, .decision = STR("sent"), .members = one, .member_count = 1},
        {.at = 4, .alert_key = 22, .decision = STR("silenced")},
    };
    for (size_t i = 0; i < 4; i++) {
        cr_assert(state_put_ledger(tx, &put_rows[i], &err), "%s", err.text);
    }
    test_commit(tx);
    AUTO(arena_finish) Arena arena = {0};
    LedgerRow *rows;
    size_t count;
    cr_assert(state_load_ledger(state, &(LedgerFilter){.to = 100, .alert_key = 11}, &arena, &rows,
                                &count, &err));
    cr_assert_eq(count, 2);
    cr_expect_eq(rows[0].at, 2);
    cr_expect_eq(rows[1].at, 1);
    cr_assert(state_load_ledger(state, &(LedgerFilter){.to = 100, .limit = 3}, &arena, &rows,
                                &count, &err));
    cr_expect_eq(count, 3);
    state_close(state);
}

static int64_t count_texts(void) {
    sqlite3 *conn;
    sqlite3_stmt *stmt;
    cr_assert_eq(sqlite3_open(test_path, &conn), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(conn, "SELECT count(*) FROM texts", -1, &stmt, NULL),
                 SQLITE_OK);
    cr_assert_eq(sqlite3_step(stmt), SQLITE_ROW);
    int64_t count = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(conn);
    return count;
}

/* Annotations are in no index: they are found again by their alert, while it lives and later. */
Test(rows, the_texts_of_an_alert_are_stored_once_over_restarts) {
    int64_t first = 0;
    for (int i = 0; i < 6; i++) {
        State *state = test_open();
        Alert alert = cpu_alert();
        if (i % 2) {
            alert.phase = ALERT_INACTIVE;
            alert.resolved_at = alert.updated_at = 9000 + i;
        }
        put(state, i % 2 ? ALERT_BECAME_RESOLVED : ALERT_BECAME_FIRING, alert);
        state_close(state);
        first = i ? first : count_texts();
        cr_expect_eq(count_texts(), first);
    }
    State *state = test_open();
    Alert alert = cpu_alert();
    Label other[] = {{STR("summary"), STR("another")}};
    alert.annotations = (LabelSet){other, 1};
    put(state, ALERT_CHANGED, alert);
    state_close(state);
    cr_expect_eq(count_texts(), first + 1);
}

static size_t count_ledger(State *state, int64_t alert_key, const char *decision) {
    AUTO(arena_finish) Arena arena = {0};
    LedgerFilter filter = {.to = 100, .alert_key = alert_key, .decision = str_of(decision)};
    LedgerRow *rows;
    size_t count;
    Err err = {0};
    cr_assert(state_load_ledger(state, &filter, &arena, &rows, &count, &err), "%s", err.text);
    return count;
}

/* What is said of many alerts in one transaction is stored once, and found for each of them, with
 * what is said of its group later. */
Test(rows, the_ledger_of_a_storm_is_short_and_complete) {
    enum { ALERTS = 300 };
    State *state = test_open();
    Err err = {0};
    StateTx *tx = test_begin(state);
    for (int64_t key = 1; key <= ALERTS; key++) {
        LedgerRow row = {.at = 1,
                         .alert_key = key,
                         .group_id = 1 + key % 2,
                         .decision = STR("routed"),
                         .subject = STR("hook")};
        cr_assert(state_put_ledger(tx, &row, &err));
        row.decision = key % 3 ? STR("queued") : STR("silenced");
        cr_assert(state_put_ledger(tx, &row, &err));
    }
    LedgerRow alone = {.at = 1, .alert_key = 999, .group_id = 2, .decision = STR("routed")};
    cr_assert(state_put_ledger(tx, &alone, &err));
    test_commit(tx);
    tx = test_begin(state);
    int64_t some[] = {3, 5};
    LedgerRow later = {
        .at = 2, .group_id = 2, .decision = STR("delivered"), .members = some, .member_count = 2};
    cr_assert(state_put_ledger(tx, &later, &err));
    test_commit(tx);
    cr_expect_eq(count_ledger(state, 0, "routed"), 3);
    cr_expect_eq(count_ledger(state, 0, "queued"), 2);
    cr_expect_eq(count_ledger(state, 0, "silenced"), ALERTS / 3);
    for (int64_t key = 1; key <= ALERTS; key++) {
        cr_expect_eq(count_ledger(state, key, "routed"), 1);
        cr_expect_eq(count_ledger(state, key, "queued"), key % 3 != 0);
        cr_expect_eq(count_ledger(state, key, "silenced"), key % 3 == 0);
        cr_expect_eq(count_ledger(state, key, "delivered"), key == 3 || key == 5);
    }
    cr_expect_eq(count_ledger(state, 999, ""), 1);
    cr_expect_eq(count_ledger(state, 1000, ""), 0);
    state_close(state);
}

Test(rows, what_a_transaction_that_is_undone_decided_is_forgotten) {
    State *state = test_open();
    Err err = {0};
    StateTx *tx = test_begin(state);
    LedgerRow row = {.at = 1, .alert_key = 1, .decision = STR("routed")};
    OutboxRow page = {.integration = STR("i"), .dedup_key = STR("k")}, next = page;
    cr_assert(state_put_ledger(tx, &row, &err));
    cr_assert(state_put_outbox(tx, &page, &err));
    state_rollback(tx);
    tx = test_begin(state);
    cr_assert(state_put_outbox(tx, &next, &err));
    cr_expect_eq(next.id, page.id);
    cr_assert(state_delete_outbox(tx, next.id, &err));
    test_commit(tx);
    cr_expect_eq(count_ledger(state, 0, ""), 0);
    state_close(state);

    state = test_open();
    tx = test_begin(state);
    OutboxRow third = {.integration = STR("i"), .dedup_key = STR("k")};
    cr_assert(state_put_outbox(tx, &third, &err));
    cr_expect_eq(third.id, next.id + 1, "an id is given once, over restarts too");
    test_commit(tx);
    state_close(state);
}

Test(rows, silences_and_flags_keep_the_order_of_their_matchers) {
    State *state = test_open();
    Err err = {0};
    StateTx *tx = test_begin(state);
    MatcherRow matchers[] = {{STR("z"), STR("1"), false, true},
                             {STR("a"), STR("2|3"), true, false}};
    SilenceRow silence = {.id = STR("s1"),
                          .matchers = matchers,
                          .matcher_count = 2,
                          .ends_at = 9,
                          .comment = STR("why"),
                          .annotations = {cpu_annotations, 1}};
    cr_assert(state_put_silence(tx, &silence, &err), "%s", err.text);
    silence.ends_at = 10;
    cr_assert(state_put_silence(tx, &silence, &err));
    silence.id = STR("s0");
    cr_assert(state_put_silence(tx, &silence, &err));
    FlagRow flag = {
        .id = STR("f1"), .matchers = matchers, .matcher_count = 1, .mode = 2, .owner = STR("ann")};
    cr_assert(state_put_flag(tx, &flag, &err));
    test_commit(tx);

    AUTO(arena_finish) Arena arena = {0};
    SilenceRow *silences;
    size_t count;
    cr_assert(state_load_silences(state, &arena, &silences, &count, &err), "%s", err.text);
    cr_assert_eq(count, 2);
    cr_assert_eq(silences[1].matcher_count, 2);
    cr_expect_eq(silences[1].ends_at, 10);
    cr_expect(str_eq(silences[1].matchers[0].name, STR("z")));
    cr_expect(silences[1].matchers[1].is_regex && !silences[1].matchers[1].is_equal);
    cr_expect(labels_eq(silences[1].annotations, silence.annotations));
    FlagRow *flags;
    cr_assert(state_load_flags(state, &arena, &flags, &count, &err));
    cr_assert_eq(count, 1);
    cr_expect_eq(flags[0].mode, 2);
    cr_expect_eq(flags[0].matcher_count, 1);
    state_close(state);
}

Test(rows, outages_of_sources_are_replaced_as_a_whole) {
    State *state = test_open();
    Err err = {0};
    SourceGapRow rows[] = {
        {STR("b"), 5, TIME_MAX}, {STR("a"), 7, 9}, {STR("a"), 1, 3}, {STR("gone"), 1, 2}};
    StateTx *tx = test_begin(state);
    cr_assert(state_put_source_gaps(tx, rows, 4, &err), "%s", err.text);
    test_commit(tx);
    tx = test_begin(state);
    cr_assert(state_put_source_gaps(tx, rows, 3, &err), "%s", err.text);
    test_commit(tx);
    AUTO(arena_finish) Arena arena = {0};
    SourceGapRow *found;
    size_t count;
    cr_assert(state_load_source_gaps(state, &arena, &found, &count, &err), "%s", err.text);
    cr_assert_eq(count, 3);
    cr_expect(str_eq(found[0].source, STR("a")) && found[0].from == 1 && found[0].to == 3);
    cr_expect(str_eq(found[1].source, STR("a")) && found[1].from == 7 && found[1].to == 9);
    cr_expect(str_eq(found[2].source, STR("b")) && found[2].to == TIME_MAX);
    state_close(state);
}

Test(rows, pruning_keeps_what_is_in_use) {
    State *state = test_open();
    Alert alert = cpu_alert();
    put(state, ALERT_BECAME_FIRING, alert);
    Alert old = alert;
    old.rule_key = STR("gone");
    old.phase = ALERT_INACTIVE;
    put(state, ALERT_BECAME_RESOLVED, old);
    Err err = {0};
    StateTx *tx = test_begin(state);
    bool more = true;
    cr_assert(state_prune(tx, 5000, 1000, &more, &err), "%s", err.text);
    cr_expect_not(more);
    test_commit(tx);
    AUTO(arena_finish) Arena arena = {0};
    AlertRow *rows;
    AlertHistoryRow *history;
    size_t count;
    cr_assert(state_load_alert_rows(state, &arena, &rows, &count, &err));
    cr_expect_eq(count, 1);
    cr_assert(state_alert_history(state, 0, TIME_MAX, NULL, 0, &arena, &history, &count, &err));
    cr_expect_eq(count, 0);
    state_close(state);
}
