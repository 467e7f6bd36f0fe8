/* outbox. */

#include "state/rows_outbox.h"

#include <stdio.h>

#include "base/mem.h"
#include "state/state_impl.h"

static bool insert(StateTx *tx, OutboxRow *row, Err *err) {
    int64_t integration, target;
    if (!text_intern(tx, row->integration, &integration, err) ||
        !text_intern(tx, row->target, &target, err)) {
        return false;
    }
    row->id = ++tx->state->outbox_last;
    return batch_row(
        tx, BATCH_OUTBOX, err, DB_INT(row->id), DB_INT(integration), DB_TEXT(row->receiver),
        DB_TEXT(row->dedup_key), DB_INT(target), DB_INT(row->action), DB_INT(row->group_id),
        DB_INT(row->alert_id), DB_INT(row->sent_id), DB_BLOB(row->members), DB_TEXT(row->reason),
        DB_INT(row->created_at), DB_INT(row->due_at), DB_INT(row->attempts), DB_INT(row->status),
        DB_INT(row->maybe_delivered), DB_INT(row->http_status), DB_TEXT(row->answer));
}

bool state_put_outbox(StateTx *tx, OutboxRow *row, Err *err) {
    if (!row->id) {
        return insert(tx, row, err);
    }
    return db_run(tx_db(tx), err,
                  "UPDATE outbox SET action = ?, sent_id = ?, members = ?, reason = ?, due_at = ?,"
                  " attempts = ?, status = ?, maybe_delivered = ?, http_status = ?, answer = ?"
                  " WHERE id = ?",
                  DB_INT(row->action), DB_INT(row->sent_id), DB_BLOB(row->members),
                  DB_TEXT(row->reason), DB_INT(row->due_at), DB_INT(row->attempts),
                  DB_INT(row->status), DB_INT(row->maybe_delivered), DB_INT(row->http_status),
                  DB_TEXT(row->answer), DB_INT(row->id));
}

/* People name notifications by their ids, so none is given twice, whatever was deleted. SQLite's
 * AUTOINCREMENT writes the last one down with each row; here it is once a transaction. */
bool outbox_ids_store(StateTx *tx, Err *err) {
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)tx->state->outbox_last);
    return tx->state->outbox_last == tx->outbox_before ||
           state_meta_set(tx, "outbox_last", str_of(text), err);
}

bool state_delete_outbox(StateTx *tx, int64_t id, Err *err) {
    return db_run(tx_db(tx), err, "DELETE FROM outbox WHERE id = ?", DB_INT(id));
}

typedef struct OutboxList {
    OutboxRow *rows;
    size_t rows_count, rows_cap;
} OutboxList;

static bool read_outbox(Db *db, Arena *arena, OutboxList *list, Err *err) {
    DbRows rows;
    if (!db_query(db, &rows, err,
                  "SELECT o.id, i.text, o.receiver, o.dedup_key, t.text, o.action, o.group_id,"
                  " o.alert_id, o.sent_id, o.members, o.reason, o.created_at, o.due_at, o.attempts,"
                  " o.status, o.maybe_delivered, o.http_status, o.answer FROM outbox o"
                  " JOIN texts i ON i.id = o.integration_text JOIN texts t ON t.id = o.target_text"
                  " ORDER BY o.id")) {
        return false;
    }
    while (db_next(&rows)) {
        OutboxRow row = {.id = db_int(&rows, 0),
                         .integration = db_str(&rows, 1, arena),
                         .receiver = db_str(&rows, 2, arena),
                         .dedup_key = db_str(&rows, 3, arena),
                         .target = db_str(&rows, 4, arena),
                         .action = (OutboxAction)db_int(&rows, 5),
                         .group_id = db_int(&rows, 6),
                         .alert_id = db_int(&rows, 7),
                         .sent_id = db_int(&rows, 8),
                         .members = db_str(&rows, 9, arena),
                         .reason = db_str(&rows, 10, arena),
                         .created_at = db_int(&rows, 11),
                         .due_at = db_int(&rows, 12),
                         .attempts = db_int(&rows, 13),
                         .status = (OutboxStatus)db_int(&rows, 14),
                         .maybe_delivered = db_int(&rows, 15) != 0,
                         .http_status = db_int(&rows, 16),
                         .answer = db_str(&rows, 17, arena)};
        VEC_PUSH(*list, rows, row);
    }
    return db_done(&rows, err);
}

bool state_load_outbox(State *state, Arena *arena, OutboxRow **ret_rows, size_t *ret_count,
                       Err *err) {
    Db *db;
    if (!state_reader(state, &db, err)) {
        return false;
    }
    OutboxList list = {0};
    bool ok = read_outbox(db, arena, &list, err);
    state_reader_done(state, db);
    if (!ok) {
        free(list.rows);
        return err_context(err, "outbox");
    }
    *ret_count = list.rows_count;
    *ret_rows = list_to_arena(arena, list.rows, list.rows_count * sizeof *list.rows);
    return true;
}
