/* groups, group_alerts, sent. Sets of alert ids are blobs of varint differences: they are written
 * and read whole. */

#include "state/rows_group.h"

#include <assert.h>

#include "base/mem.h"
#include "state/state_impl.h"

bool state_add_group(StateTx *tx, const GroupRow *row, int64_t *ret_id, Err *err) {
    int64_t labels;
    if (!labels_intern(tx, row->labels, &labels, err) ||
        !db_run(tx_db_as_is(tx), err,
                "INSERT INTO groups (key, receiver, labels_text, next_due, created_at, flushed_at,"
                " retired) VALUES (?, ?, ?, ?, ?, ?, ?)",
                DB_TEXT(row->key), DB_TEXT(row->receiver), DB_INT(labels), DB_INT(row->next_due),
                DB_INT(row->created_at), DB_INT(row->flushed_at), DB_INT(row->retired))) {
        return false;
    }
    *ret_id = db_inserted_id(tx_db_as_is(tx));
    return true;
}

bool state_update_group(StateTx *tx, const GroupRow *row, Err *err) {
    assert(row->id);
    return db_run(tx_db_as_is(tx), err,
                  "UPDATE groups SET next_due = ?, flushed_at = ?, retired = ? WHERE id = ?",
                  DB_INT(row->next_due), DB_INT(row->flushed_at), DB_INT(row->retired),
                  DB_INT(row->id));
}

bool state_delete_group(StateTx *tx, int64_t id, Err *err) {
    return db_run(tx_db(tx), err, "DELETE FROM groups WHERE id = ?", DB_INT(id));
}

bool state_add_member(StateTx *tx, int64_t group_id, int64_t alert_id, Err *err) {
    return batch_row(tx, BATCH_MEMBERS, err, DB_INT(group_id), DB_INT(alert_id));
}

bool state_remove_member(StateTx *tx, int64_t group_id, int64_t alert_id, Err *err) {
    return db_run(tx_db(tx), err, "DELETE FROM group_alerts WHERE group_id = ? AND alert_id = ?",
                  DB_INT(group_id), DB_INT(alert_id)) &&
           db_run(tx_db(tx), err,
                  "DELETE FROM alert_state WHERE id = ?1 AND phase = 0 AND NOT EXISTS"
                  " (SELECT 1 FROM group_alerts WHERE alert_id = ?1)",
                  DB_INT(alert_id));
}

/* ---- sent ---- */

static void put_ids(Buf *buf, const int64_t *ids, size_t count) {
    int64_t last = 0;
    for (size_t i = 0; i < count; i++) {
        buf_varint(buf, zigzag(ids[i] - last));
        last = ids[i];
    }
}

static bool take_ids(Str bytes, Arena *arena, const int64_t **ret_ids, size_t *ret_count,
                     Err *err) {
    ByteReader reader = reader_of(bytes);
    int64_t *ids = arena_array(arena, int64_t, bytes.len + 1);
    size_t count = 0;
    int64_t last = 0;
    while (reader_left(&reader) && !reader.bad) {
        last += unzigzag(reader_varint(&reader));
        ids[count++] = last;
    }
    if (reader.bad) {
        return err_set(err, ERR_CORRUPT, "sent: a set of alerts breaks off");
    }
    *ret_ids = ids;
    *ret_count = count;
    return true;
}

static bool write_sent(StateTx *tx, SentRow *row, int64_t integration, int64_t target, Str firing,
                       Str resolved, Err *err) {
    if (row->id) {
        return db_run(
            tx_db(tx), err,
            "UPDATE sent SET group_id = ?, target_text = ?, at = ?, delivered = ?, firing = ?,"
            " resolved = ?, data = ? WHERE id = ?",
            DB_INT(row->group_id), DB_INT(target), DB_INT(row->at), DB_INT(row->delivered),
            DB_BLOB(firing), DB_BLOB(resolved), DB_TEXT(row->data), DB_INT(row->id));
    }
    row->id = ++tx->state->sent_last;
    return batch_row(tx, BATCH_SENT, err, DB_INT(row->id), DB_INT(row->group_id),
                     DB_INT(row->alert_id), DB_INT(integration), DB_TEXT(row->dedup_key),
                     DB_INT(target), DB_INT(row->at), DB_INT(row->delivered), DB_BLOB(firing),
                     DB_BLOB(resolved), DB_TEXT(row->data));
}

bool state_put_sent(StateTx *tx, SentRow *row, Err *err) {
    Buf *ids = &tx->state->json;
    ids->len = 0;
    buf_reserve(ids, 1);
    put_ids(ids, row->firing, row->firing_count);
    size_t firing_len = ids->len;
    put_ids(ids, row->resolved, row->resolved_count);
    Str firing = {ids->ptr, firing_len}, resolved = str_skip(buf_view(ids), firing_len);
    int64_t integration, target;
    return text_intern(tx, row->integration, &integration, err) &&
           text_intern(tx, row->target, &target, err) &&
           write_sent(tx, row, integration, target, firing, resolved, err);
}

bool state_delete_sent(StateTx *tx, int64_t id, Err *err) {
    return db_run(tx_db(tx), err, "DELETE FROM sent WHERE id = ?", DB_INT(id));
}

/* ---- reading ---- */

typedef struct Lists {
    GroupRow *groups;
    size_t groups_count, groups_cap;
    MemberRow *members;
    size_t members_count, members_cap;
    SentRow *sent;
    size_t sent_count, sent_cap;
} Lists;

static bool read_groups(Db *db, Arena *arena, Lists *lists, Err *err) {
    DbRows rows;
    if (!db_query(db, &rows, err,
                  "SELECT g.id, g.key, g.receiver, l.text, g.next_due, g.created_at, g.flushed_at,"
                  " g.retired FROM groups g JOIN texts l ON l.id = g.labels_text ORDER BY g.id")) {
        return false;
    }
    bool ok = true;
    while (ok && db_next(&rows)) {
        GroupRow row = {.id = db_int(&rows, 0),
                        .key = db_str(&rows, 1, arena),
                        .receiver = db_str(&rows, 2, arena),
                        .next_due = db_int(&rows, 4),
                        .created_at = db_int(&rows, 5),
                        .flushed_at = db_int(&rows, 6),
                        .retired = db_int(&rows, 7) != 0};
        ok = labels_decode(arena, db_view(&rows, 3), &row.labels, err);
        VEC_PUSH(*lists, groups, row);
    }
    Err at_end;
    bool done = db_done(&rows, ok ? err : &at_end);
    return ok && done;
}

static bool read_members(Db *db, Lists *lists, Err *err) {
    DbRows rows;
    if (!db_query(db, &rows, err,
                  "SELECT group_id, alert_id FROM group_alerts ORDER BY group_id, alert_id")) {
        return false;
    }
    while (db_next(&rows)) {
        MemberRow row = {db_int(&rows, 0), db_int(&rows, 1)};
        VEC_PUSH(*lists, members, row);
    }
    return db_done(&rows, err);
}

static bool read_sent(Db *db, Arena *arena, Lists *lists, Err *err) {
    DbRows rows;
    if (!db_query(
            db, &rows, err,
            "SELECT s.id, s.group_id, s.alert_id, i.text, s.dedup_key, t.text, s.at, s.delivered,"
            " s.firing, s.resolved, s.data FROM sent s JOIN texts i ON i.id = s.integration_text"
            " JOIN texts t ON t.id = s.target_text ORDER BY s.id")) {
        return false;
    }
    bool ok = true;
    while (ok && db_next(&rows)) {
        SentRow row = {.id = db_int(&rows, 0),
                       .group_id = db_int(&rows, 1),
                       .alert_id = db_int(&rows, 2),
                       .integration = db_str(&rows, 3, arena),
                       .dedup_key = db_str(&rows, 4, arena),
                       .target = db_str(&rows, 5, arena),
                       .at = db_int(&rows, 6),
                       .delivered = db_int(&rows, 7) != 0,
                       .data = db_str(&rows, 10, arena)};
        ok = take_ids(db_view(&rows, 8), arena, &row.firing, &row.firing_count, err) &&
             take_ids(db_view(&rows, 9), arena, &row.resolved, &row.resolved_count, err);
        VEC_PUSH(*lists, sent, row);
    }
    Err at_end;
    bool done = db_done(&rows, ok ? err : &at_end);
    return ok && done;
}

bool state_load_groups(State *state, Arena *arena, GroupRows *ret_rows, Err *err) {
    Db *db;
    if (!state_reader(state, &db, err)) {
        return false;
    }
    Lists lists = {0};
    bool ok = read_groups(db, arena, &lists, err) && read_members(db, &lists, err) &&
              read_sent(db, arena, &lists, err);
    state_reader_done(state, db);
    GroupRows found = {
        .group_count = lists.groups_count,
        .member_count = lists.members_count,
        .sent_count = lists.sent_count,
        .groups = list_to_arena(arena, lists.groups, lists.groups_count * sizeof *lists.groups),
        .members = list_to_arena(arena, lists.members, lists.members_count * sizeof *lists.members),
        .sent = list_to_arena(arena, lists.sent, lists.sent_count * sizeof *lists.sent),
    };
    if (!ok) {
        return err_context(err, "groups");
    }
    *ret_rows = found;
    return true;
}
