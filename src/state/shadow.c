/* shadow_alerts. Labels are written out: these rows are few, and go in one piece. */

#include "state/rows_shadow.h"

#include "base/json.h"
#include "base/mem.h"
#include "state/state_impl.h"

bool state_put_shadow(StateTx *tx, const ShadowRow *row, Err *err) {
    AUTO(buf_finish) Buf labels = {0};
    JsonWriter json = json_writer(&labels);
    labels_json(&json, row->labels);
    return db_run(tx_db(tx), err,
                  "INSERT INTO shadow_alerts (at, receiver, labels, firing, starts_at, ends_at,"
                  " group_key) VALUES (?, ?, ?, ?, ?, ?, ?)",
                  DB_INT(row->at), DB_TEXT(row->receiver), DB_TEXT(buf_view(&labels)),
                  DB_INT(row->is_firing), DB_INT(row->starts_at), DB_INT(row->ends_at),
                  DB_TEXT(row->group_key));
}

typedef struct ShadowList {
    ShadowRow *rows;
    size_t rows_count, rows_cap;
} ShadowList;

static bool read_shadow(Db *db, TimeMs from, TimeMs to, Arena *arena, ShadowList *list, Err *err) {
    DbRows rows;
    bool ok = db_query(db, &rows, err,
                       "SELECT at, receiver, labels, firing, starts_at, ends_at, group_key"
                       " FROM shadow_alerts WHERE at BETWEEN ? AND ? ORDER BY at, id",
                       DB_INT(from), DB_INT(to));
    if (!ok) {
        return false;
    }
    while (ok && db_next(&rows)) {
        ShadowRow row = {.at = db_int(&rows, 0),
                         .receiver = db_str(&rows, 1, arena),
                         .is_firing = db_int(&rows, 3) != 0,
                         .starts_at = db_int(&rows, 4),
                         .ends_at = db_int(&rows, 5),
                         .group_key = db_str(&rows, 6, arena)};
        ok = labels_decode(arena, db_view(&rows, 2), &row.labels, err);
        if (ok) {
            VEC_PUSH(*list, rows, row);
        }
    }
    Err at_end;
    bool done = db_done(&rows, ok ? err : &at_end);
    return ok && done;
}

bool state_load_shadow(State *state, TimeMs from, TimeMs to, Arena *arena, ShadowRow **ret_rows,
                       size_t *ret_count, Err *err) {
    Db *db;
    if (!state_reader(state, &db, err)) {
        return false;
    }
    ShadowList list = {0};
    bool ok = read_shadow(db, from, to, arena, &list, err);
    state_reader_done(state, db);
    if (!ok) {
        free(list.rows);
        return err_context(err, "shadow");
    }
    *ret_count = list.rows_count;
    *ret_rows = list_to_arena(arena, list.rows, list.rows_count * sizeof *list.rows);
    return true;
}

bool state_first_shadow(State *state, TimeMs *ret_at, Err *err) {
    Db *db;
    DbRows rows;
    if (!state_reader(state, &db, err)) {
        return false;
    }
    bool ok = db_query(db, &rows, err, "SELECT coalesce(min(at), 0) FROM shadow_alerts");
    TimeMs at = 0;
    if (ok) {
        at = db_next(&rows) ? db_int(&rows, 0) : 0;
        while (db_next(&rows)) {
        }
        ok = db_done(&rows, err);
    }
    state_reader_done(state, db);
    *ret_at = ok ? at : *ret_at;
    return ok;
}
