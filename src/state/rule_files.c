/* rule_files. */

#include "state/rows_rule_file.h"

#include "base/mem.h"
#include "state/state_impl.h"

bool state_put_rule_files(StateTx *tx, const RuleFileRow *rows, size_t count, TimeMs now,
                          Err *err) {
    Db *db = tx_db(tx);
    if (!db_run(db, err, "UPDATE rule_files SET is_live = 0")) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!db_run(db, err,
                    "INSERT INTO rule_files (path, flavour, content, stored_at, is_live)"
                    " VALUES (?, ?, ?, ?, 1) ON CONFLICT (path) DO UPDATE SET is_live = 1,"
                    " flavour = excluded.flavour, content = excluded.content,"
                    " stored_at = excluded.stored_at",
                    DB_TEXT(rows[i].path), DB_INT(rows[i].flavour), DB_BLOB(rows[i].content),
                    DB_INT(now))) {
            return false;
        }
    }
    return db_run(db, err, "DELETE FROM rule_files WHERE is_live = 0");
}

typedef struct RuleFileList {
    RuleFileRow *rows;
    size_t rows_count, rows_cap;
} RuleFileList;

bool state_load_rule_files(State *state, Arena *arena, RuleFileRow **ret_rows, size_t *ret_count,
                           Err *err) {
    Db *db;
    if (!state_reader(state, &db, err)) {
        return false;
    }
    RuleFileList list = {0};
    DbRows rows;
    bool ok = db_query(db, &rows, err, "SELECT path, flavour, content FROM rule_files");
    if (ok) {
        while (db_next(&rows)) {
            RuleFileRow row = {.path = db_str(&rows, 0, arena),
                               .flavour = db_int(&rows, 1),
                               .content = db_str(&rows, 2, arena)};
            VEC_PUSH(list, rows, row);
        }
        ok = db_done(&rows, err);
    }
    state_reader_done(state, db);
    if (!ok) {
        free(list.rows);
        return err_context(err, "rule files");
    }
    *ret_count = list.rows_count;
    *ret_rows = list_to_arena(arena, list.rows, list.rows_count * sizeof *list.rows);
    return true;
}
