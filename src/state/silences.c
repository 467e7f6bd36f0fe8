/* silences, maintenance_flags, and the matchers of both. */

#include "state/rows_silence.h"

#include "base/mem.h"
#include "state/state_impl.h"

/* ---- writing ---- */

static bool put_matchers(StateTx *tx, const char *delete_sql, const char *insert_sql, Str id,
                         const MatcherRow *matchers, size_t count, Err *err) {
    if (!db_run(tx_db(tx), err, delete_sql, DB_TEXT(id))) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const MatcherRow *matcher = &matchers[i];
        if (!db_run(tx_db(tx), err, insert_sql, DB_TEXT(id), DB_INT((int64_t)i),
                    DB_TEXT(matcher->name), DB_TEXT(matcher->value), DB_INT(matcher->is_regex),
                    DB_INT(matcher->is_equal))) {
            return false;
        }
    }
    return true;
}

bool state_put_silence(StateTx *tx, const SilenceRow *row, Err *err) {
    int64_t annotations;
    return labels_intern(tx, row->annotations, &annotations, err) &&
           db_run(tx_db(tx), err,
                  "INSERT INTO silences (id, starts_at, ends_at, updated_at, created_by, comment,"
                  " annotations_text, schedule, reminded_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
                  " ON CONFLICT (id) DO UPDATE SET"
                  " starts_at = excluded.starts_at, ends_at = excluded.ends_at,"
                  " updated_at = excluded.updated_at, created_by = excluded.created_by,"
                  " comment = excluded.comment, annotations_text = excluded.annotations_text,"
                  " schedule = excluded.schedule, reminded_at = excluded.reminded_at",
                  DB_TEXT(row->id), DB_INT(row->starts_at), DB_INT(row->ends_at),
                  DB_INT(row->updated_at), DB_TEXT(row->created_by), DB_TEXT(row->comment),
                  DB_INT(annotations), DB_TEXT(row->schedule), DB_INT(row->reminded_at)) &&
           put_matchers(tx, "DELETE FROM silence_matchers WHERE silence_id = ?",
                        "INSERT INTO silence_matchers VALUES (?, ?, ?, ?, ?, ?)", row->id,
                        row->matchers, row->matcher_count, err);
}

bool state_delete_silence(StateTx *tx, Str id, Err *err) {
    return db_run(tx_db(tx), err, "DELETE FROM silences WHERE id = ?", DB_TEXT(id));
}

bool state_put_flag(StateTx *tx, const FlagRow *row, Err *err) {
    return db_run(tx_db(tx), err,
                  "INSERT INTO maintenance_flags (id, mode, reason, owner, starts_at, ends_at,"
                  " review_at, created_at, updated_at, origin, schedule, reminded_at)"
                  " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                  " ON CONFLICT (id) DO UPDATE SET mode = excluded.mode, reason = excluded.reason,"
                  " owner = excluded.owner, starts_at = excluded.starts_at, ends_at = "
                  "excluded.ends_at,"
                  " review_at = excluded.review_at, updated_at = excluded.updated_at,"
                  " schedule = excluded.schedule, reminded_at = excluded.reminded_at",
                  DB_TEXT(row->id), DB_INT(row->mode), DB_TEXT(row->reason), DB_TEXT(row->owner),
                  DB_INT(row->starts_at), DB_INT(row->ends_at), DB_INT(row->review_at),
                  DB_INT(row->created_at), DB_INT(row->updated_at), DB_TEXT(row->origin),
                  DB_TEXT(row->schedule), DB_INT(row->reminded_at)) &&
           put_matchers(tx, "DELETE FROM flag_matchers WHERE flag_id = ?",
                        "INSERT INTO flag_matchers VALUES (?, ?, ?, ?, ?, ?)", row->id,
                        row->matchers, row->matcher_count, err);
}

bool state_delete_flag(StateTx *tx, Str id, Err *err) {
    return db_run(tx_db(tx), err, "DELETE FROM maintenance_flags WHERE id = ?", DB_TEXT(id));
}

/* ---- reading: owners and matchers come in the same order, so that one walk joins them ---- */

typedef struct OwnedMatcher {
    Str owner;
    MatcherRow matcher;
} OwnedMatcher;

typedef struct Lists {
    SilenceRow *silences;
    size_t silences_count, silences_cap;
    FlagRow *flags;
    size_t flags_count, flags_cap;
    OwnedMatcher *matchers;
    size_t matchers_count, matchers_cap;
    size_t matcher_at;
} Lists;

static bool read_matchers(Db *db, const char *sql, Arena *arena, Lists *lists, Err *err) {
    DbRows rows;
    if (!db_query(db, &rows, err, sql)) {
        return false;
    }
    while (db_next(&rows)) {
        OwnedMatcher row = {.owner = db_str(&rows, 0, arena),
                            .matcher = {.name = db_str(&rows, 1, arena),
                                        .value = db_str(&rows, 2, arena),
                                        .is_regex = db_int(&rows, 3) != 0,
                                        .is_equal = db_int(&rows, 4) != 0}};
        VEC_PUSH(*lists, matchers, row);
    }
    return db_done(&rows, err);
}

static size_t take_matchers(Lists *lists, Str owner, Arena *arena,
                            const MatcherRow **ret_matchers) {
    size_t first = lists->matcher_at;
    while (lists->matcher_at < lists->matchers_count &&
           str_eq(lists->matchers[lists->matcher_at].owner, owner)) {
        lists->matcher_at++;
    }
    size_t count = lists->matcher_at - first;
    MatcherRow *matchers = arena_array(arena, MatcherRow, count + 1);
    for (size_t i = 0; i < count; i++) {
        matchers[i] = lists->matchers[first + i].matcher;
    }
    *ret_matchers = matchers;
    return count;
}

static bool read_silences(Db *db, Arena *arena, Lists *lists, Err *err) {
    DbRows rows;
    if (!read_matchers(db,
                       "SELECT silence_id, name, value, is_regex, is_equal FROM silence_matchers"
                       " ORDER BY silence_id, position",
                       arena, lists, err) ||
        !db_query(
            db, &rows, err,
            "SELECT s.id, s.starts_at, s.ends_at, s.updated_at, s.created_by, s.comment, a.text,"
            " s.schedule, s.reminded_at"
            " FROM silences s JOIN texts a ON a.id = s.annotations_text ORDER BY s.id")) {
        return false;
    }
    bool ok = true;
    while (ok && db_next(&rows)) {
        SilenceRow row = {.id = db_str(&rows, 0, arena),
                          .starts_at = db_int(&rows, 1),
                          .ends_at = db_int(&rows, 2),
                          .updated_at = db_int(&rows, 3),
                          .created_by = db_str(&rows, 4, arena),
                          .comment = db_str(&rows, 5, arena),
                          .schedule = db_str(&rows, 7, arena),
                          .reminded_at = db_int(&rows, 8)};
        row.matcher_count = take_matchers(lists, row.id, arena, &row.matchers);
        ok = labels_decode(arena, db_view(&rows, 6), &row.annotations, err);
        VEC_PUSH(*lists, silences, row);
    }
    Err at_end;
    bool done = db_done(&rows, ok ? err : &at_end);
    return ok && done;
}

static bool read_flags(Db *db, Arena *arena, Lists *lists, Err *err) {
    DbRows rows;
    if (!read_matchers(db,
                       "SELECT flag_id, name, value, is_regex, is_equal FROM flag_matchers"
                       " ORDER BY flag_id, position",
                       arena, lists, err) ||
        !db_query(
            db, &rows, err,
            "SELECT id, mode, reason, owner, starts_at, ends_at, review_at, created_at,"
            " updated_at, origin, schedule, reminded_at FROM maintenance_flags ORDER BY id")) {
        return false;
    }
    while (db_next(&rows)) {
        FlagRow row = {.id = db_str(&rows, 0, arena),
                       .mode = db_int(&rows, 1),
                       .reason = db_str(&rows, 2, arena),
                       .owner = db_str(&rows, 3, arena),
                       .starts_at = db_int(&rows, 4),
                       .ends_at = db_int(&rows, 5),
                       .review_at = db_int(&rows, 6),
                       .created_at = db_int(&rows, 7),
                       .updated_at = db_int(&rows, 8),
                       .origin = db_str(&rows, 9, arena),
                       .schedule = db_str(&rows, 10, arena),
                       .reminded_at = db_int(&rows, 11)};
        row.matcher_count = take_matchers(lists, row.id, arena, &row.matchers);
        VEC_PUSH(*lists, flags, row);
    }
    return db_done(&rows, err);
}

bool state_load_silences(State *state, Arena *arena, SilenceRow **ret_rows, size_t *ret_count,
                         Err *err) {
    Db *db;
    if (!state_reader(state, &db, err)) {
        return false;
    }
    Lists lists = {0};
    bool ok = read_silences(db, arena, &lists, err);
    state_reader_done(state, db);
    free(lists.matchers);
    if (!ok) {
        free(lists.silences);
        return err_context(err, "silences");
    }
    *ret_count = lists.silences_count;
    *ret_rows = list_to_arena(arena, lists.silences, lists.silences_count * sizeof *lists.silences);
    return true;
}

bool state_load_flags(State *state, Arena *arena, FlagRow **ret_rows, size_t *ret_count, Err *err) {
    Db *db;
    if (!state_reader(state, &db, err)) {
        return false;
    }
    Lists lists = {0};
    bool ok = read_flags(db, arena, &lists, err);
    state_reader_done(state, db);
    free(lists.matchers);
    if (!ok) {
        free(lists.flags);
        return err_context(err, "maintenance flags");
    }
    *ret_count = lists.flags_count;
    *ret_rows = list_to_arena(arena, lists.flags, lists.flags_count * sizeof *lists.flags);
    return true;
}
