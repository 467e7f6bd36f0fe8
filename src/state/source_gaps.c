/* source_gaps. */

#include "state/rows_source_gap.h"

#include "base/mem.h"
#include "state/state_impl.h"

bool state_put_source_gaps(StateTx *tx, const SourceGapRow *rows, size_t count, Err *err) {
    Db *db = tx_db(tx);
    if (!db_run(db, err, "DELETE FROM source_gaps")) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!db_run(db, err,
                    "INSERT OR REPLACE INTO source_gaps (source, from_at, to_at) VALUES (?, ?, ?)",
                    DB_TEXT(rows[i].source), DB_INT(rows[i].from), DB_INT(rows[i].to))) {
            return false;
        }
    }
    return true;
}

typedef struct GapList {
    SourceGapRow *rows;
    size_t rows_count, rows_cap;
} GapList;

bool state_load_source_gaps(State *state, Arena *arena, SourceGapRow **ret_rows, size_t *ret_count,
                            Err *err) {
    Db *db;
    if (!state_reader(state, &db, err)) {
        return false;
    }
    GapList list = {0};
    DbRows rows;
    bool ok = db_query(db, &rows, err,
                       "SELECT source, from_at, to_at FROM source_gaps ORDER BY source, from_at");
    if (ok) {
        while (db_next(&rows)) {
            SourceGapRow row = {.source = db_str(&rows, 0, arena),
                                .from = db_int(&rows, 1),
                                .to = db_int(&rows, 2)};
            VEC_PUSH(list, rows, row);
        }
        ok = db_done(&rows, err);
    }
    state_reader_done(state, db);
    if (!ok) {
        free(list.rows);
        return err_context(err, "gaps of sources");
    }
    *ret_count = list.rows_count;
    *ret_rows = list_to_arena(arena, list.rows, list.rows_count * sizeof *list.rows);
    return true;
}
