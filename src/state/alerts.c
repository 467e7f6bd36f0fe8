/* alert_state and alert_history. */

#include "state/rows_alert.h"

#include <assert.h>

#include "base/mem.h"
#include "base/number.h"
#include "state/state_impl.h"

int64_t state_alert_key(const char hex_key[65]) {
    uint64_t key = 0;
    for (int i = 0; i < 16; i++) {
        char c = hex_key[i];
        unsigned digit = c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a') + 10;
        key = key << 4 | (digit & 15);
    }
    return (int64_t)key;
}

/* ---- writing ---- */

#define STATE_VALUES(id, alert, texts)                                                             \
    DB_INT(id), DB_INT(str_eq((alert)->rule_key, STR("api"))), DB_INT((texts)->rule),              \
        DB_INT((texts)->labels), DB_INT((texts)->annotations), DB_INT((texts)->url),               \
        DB_INT((alert)->phase), DB_INT((alert)->active_at), DB_INT((alert)->fired_at),             \
        DB_INT((alert)->keep_firing_since), DB_INT((alert)->resolved_at),                          \
        DB_INT((alert)->ends_at), DB_INT((alert)->updated_at), DB_INT((alert)->interval),          \
        DB_REAL((alert)->value), DB_INT((alert)->stale)

static bool insert(StateTx *tx, const Alert *alert, const AlertTexts *texts, int64_t *ret_id,
                   Err *err) {
    Db *db = tx_db(tx);
    int64_t id = ++tx->state->alert_last;
    if (!db_run(db, err,
                "INSERT INTO alert_state (id, origin, rule_text, labels_text, annotations_text,"
                " url_text, phase, active_at, fired_at, keep_firing_since, resolved_at, ends_at,"
                " updated_at, interval_ms, value, stale)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                STATE_VALUES(id, alert, texts))) {
        return false;
    }
    *ret_id = db_changed(db) ? id : 0;
    return true;
}

static bool update(StateTx *tx, const Alert *alert, const AlertTexts *texts, int64_t *ret_id,
                   Err *err) {
    DbRows rows;
    if (!db_query(tx_db(tx), &rows, err,
                  "SELECT id FROM alert_state WHERE labels_text = ? AND rule_text = ?",
                  DB_INT(texts->labels), DB_INT(texts->rule))) {
        return false;
    }
    *ret_id = db_next(&rows) ? db_int(&rows, 0) : 0;
    return db_done(&rows, err) &&
           db_run(tx_db(tx), err,
                  "UPDATE alert_state SET annotations_text = ?, url_text = ?, phase = ?,"
                  " active_at = ?, fired_at = ?, keep_firing_since = ?, resolved_at = ?,"
                  " ends_at = ?, updated_at = ?, interval_ms = ?, value = ?, stale = ?"
                  " WHERE id = ?",
                  DB_INT(texts->annotations), DB_INT(texts->url), DB_INT(alert->phase),
                  DB_INT(alert->active_at), DB_INT(alert->fired_at),
                  DB_INT(alert->keep_firing_since), DB_INT(alert->resolved_at),
                  DB_INT(alert->ends_at), DB_INT(alert->updated_at), DB_INT(alert->interval),
                  DB_REAL(alert->value), DB_INT(alert->stale), DB_INT(*ret_id));
}

/* Two statements: one that returned the id would open a table of its own for it, each time. */
static bool upsert(StateTx *tx, const Alert *alert, const AlertTexts *texts, int64_t *ret_id,
                   Err *err) {
    if (texts->is_new) {
        *ret_id = ++tx->state->alert_last;
        return batch_row(tx, BATCH_ALERTS, err, STATE_VALUES(*ret_id, alert, texts));
    }
    return insert(tx, alert, texts, ret_id, err) &&
           (*ret_id || update(tx, alert, texts, ret_id, err));
}

static bool drop_if_unused(StateTx *tx, int64_t *id, Err *err) {
    if (!db_run(tx_db(tx), err,
                "DELETE FROM alert_state WHERE id = ?1 AND phase = 0 AND NOT EXISTS"
                " (SELECT 1 FROM group_alerts WHERE alert_id = ?1)",
                DB_INT(*id))) {
        return false;
    }
    if (db_changed(tx_db(tx))) {
        *id = 0;
    }
    return true;
}

static bool put_history(StateTx *tx, const AlertChange *change, const AlertTexts *texts, Err *err) {
    const Alert *alert = &change->alert;
    return batch_row(tx, BATCH_HISTORY, err, DB_INT(alert->updated_at), DB_INT(change->event),
                     DB_TEXT(str_of(change->reason)), DB_INT(texts->key), DB_INT(texts->rule),
                     DB_INT(texts->labels), DB_INT(texts->annotations), DB_INT(texts->url),
                     DB_INT(alert->active_at), DB_INT(alert->fired_at), DB_INT(alert->resolved_at),
                     DB_REAL(alert->value));
}

static KeySlot *key_slot(const State *state, int64_t id) {
    return &state->keys[(uint64_t)id % KEY_SLOTS];
}

static void keep_key(StateTx *tx, int64_t id, const AlertTexts *texts) {
    KeySlot *slot = key_slot(tx->state, id);
    if (slot->id != id) {
        slot->id = id;
        memcpy(slot->key, texts->dedup_key, sizeof slot->key);
    }
}

const char *state_stored_key(const State *state, int64_t alert_id) {
    const KeySlot *slot = key_slot(state, alert_id);
    return alert_id && slot->id == alert_id ? slot->key : NULL;
}

static bool put_change(StateTx *tx, const AlertChange *change, const AlertTexts *texts,
                       int64_t *ret_id, Err *err) {
    bool ended = change->event == ALERT_BECAME_RESOLVED || change->event == ALERT_BECAME_INACTIVE;
    assert(!ended || change->alert.phase == ALERT_INACTIVE);
    if (!upsert(tx, &change->alert, texts, ret_id, err)) {
        return false;
    }
    keep_key(tx, *ret_id, texts);
    return (!ended || drop_if_unused(tx, ret_id, err)) &&
           (change->event == ALERT_CHANGED || put_history(tx, change, texts, err));
}

bool state_put_alerts(StateTx *tx, const AlertChange *changes, size_t count, int64_t *ret_ids,
                      Err *err) {
    AlertTexts texts[BATCH_ROWS];
    assert(count <= STATE_TX_ALERTS_MAX);
    for (size_t i = 0; i < count; i++) {
        size_t at = i % BATCH_ROWS, left = count - i;
        int64_t id = 0;
        if (at == 0 && !alert_texts_intern(tx, changes + i, left < BATCH_ROWS ? left : BATCH_ROWS,
                                           texts, err)) {
            return false;
        }
        if (!put_change(tx, &changes[i], &texts[at], &id, err)) {
            return false;
        }
        if (ret_ids) {
            ret_ids[i] = id;
        }
    }
    return true;
}

/* ---- reading ---- */

typedef struct AlertList {
    AlertRow *rows;
    size_t rows_count, rows_cap;
} AlertList;

static bool read_alert(const DbRows *rows, Arena *arena, AlertRow *row, Err *err) {
    Alert *alert = &row->alert;
    *row = (AlertRow){.id = db_int(rows, 0),
                      .alert = {.rule_key = db_str(rows, 1, arena),
                                .generator_url = db_str(rows, 4, arena),
                                .phase = (AlertPhase)db_int(rows, 5),
                                .active_at = db_int(rows, 6),
                                .fired_at = db_int(rows, 7),
                                .keep_firing_since = db_int(rows, 8),
                                .resolved_at = db_int(rows, 9),
                                .ends_at = db_int(rows, 10),
                                .updated_at = db_int(rows, 11),
                                .interval = db_int(rows, 12),
                                .value = db_real(rows, 13),
                                .stale = db_int(rows, 14) != 0}};
    return labels_decode(arena, db_view(rows, 2), &alert->labels, err) &&
           labels_decode(arena, db_view(rows, 3), &alert->annotations, err);
}

#define ALERT_COLUMNS                                                                              \
    "SELECT a.id, r.text, l.text, n.text, u.text, a.phase, a.active_at, a.fired_at,"               \
    " a.keep_firing_since, a.resolved_at, a.ends_at, a.updated_at, a.interval_ms, a.value, "       \
    "a.stale"                                                                                      \
    " FROM alert_state a JOIN texts r ON r.id = a.rule_text JOIN texts l ON l.id = a.labels_text"  \
    " JOIN texts n ON n.id = a.annotations_text JOIN texts u ON u.id = a.url_text"

static bool read_alerts(Db *db, const char *sql, int64_t origin, Arena *arena, AlertList *list,
                        Err *err) {
    DbRows rows;
    if (!db_query(db, &rows, err, sql, DB_INT(origin))) {
        return false;
    }
    bool ok = true;
    while (ok && db_next(&rows)) {
        AlertRow row;
        ok = read_alert(&rows, arena, &row, err);
        if (ok) {
            VEC_PUSH(*list, rows, row);
        }
    }
    Err at_end;
    bool done = db_done(&rows, ok ? err : &at_end);
    return ok && done;
}

static bool load_alerts(State *state, const char *sql, int64_t origin, Arena *arena,
                        AlertRow **ret_rows, size_t *ret_count, Err *err) {
    Db *db;
    if (!state_reader(state, &db, err)) {
        return false;
    }
    AlertList list = {0};
    bool ok = read_alerts(db, sql, origin, arena, &list, err);
    state_reader_done(state, db);
    if (!ok) {
        free(list.rows);
        return err_context(err, "alerts");
    }
    *ret_count = list.rows_count;
    *ret_rows = list_to_arena(arena, list.rows, list.rows_count * sizeof *list.rows);
    return true;
}

bool state_load_alert_rows(State *state, Arena *arena, AlertRow **ret_rows, size_t *ret_count,
                           Err *err) {
    return load_alerts(state, ALERT_COLUMNS " WHERE a.origin >= ? ORDER BY a.id", 0, arena,
                       ret_rows, ret_count, err);
}

bool state_load_alerts(State *state, bool from_outside, Arena *arena, Alert **ret_alerts,
                       size_t *ret_count, Err *err) {
    AlertRow *rows;
    size_t count = 0;
    if (!load_alerts(state, ALERT_COLUMNS " WHERE a.origin = ? AND a.phase != 0 ORDER BY a.id",
                     from_outside, arena, &rows, &count, err)) {
        return false;
    }
    Alert *alerts = arena_array(arena, Alert, count + 1);
    for (size_t i = 0; i < count; i++) {
        alerts[i] = rows[i].alert;
    }
    *ret_alerts = alerts;
    *ret_count = count;
    return true;
}

/* ---- history ---- */

typedef struct HistoryList {
    AlertHistoryRow *rows;
    size_t rows_count, rows_cap;
} HistoryList;

/* Texts by their ids. Rows of history repeat few: each is copied and decoded once. */
typedef struct KnownText {
    int64_t id; /* 0 = empty */
    Str text;
    LabelSet labels; /* what it says, where that was asked for */
    bool is_decoded;
} KnownText;

typedef struct KnownTexts {
    KnownText *slots;
    size_t count, cap; /* a power of two */
} KnownTexts;

static KnownText *known_slot(const KnownTexts *known, int64_t id) {
    size_t at = (size_t)((uint64_t)id * UINT64_C(0x9E3779B97F4A7C15) >> 20);
    while (known->slots[at & (known->cap - 1)].id && known->slots[at & (known->cap - 1)].id != id) {
        at++;
    }
    return &known->slots[at & (known->cap - 1)];
}

static void known_grow(KnownTexts *known) {
    KnownTexts bigger = {.count = known->count, .cap = known->cap ? known->cap * 2 : 64};
    bigger.slots = mem_zero(bigger.cap, sizeof *bigger.slots);
    for (size_t i = 0; i < known->cap; i++) {
        if (known->slots[i].id) {
            *known_slot(&bigger, known->slots[i].id) = known->slots[i];
        }
    }
    free(known->slots);
    *known = bigger;
}

static KnownText *known_text(KnownTexts *known, const DbRows *rows, int id_column, int text_column,
                             Arena *arena) {
    int64_t id = db_int(rows, id_column);
    if ((known->count + 1) * 2 > known->cap) {
        known_grow(known);
    }
    KnownText *text = known_slot(known, id);
    if (!text->id) {
        *text = (KnownText){.id = id, .text = db_str(rows, text_column, arena)};
        known->count++;
    }
    return text;
}

static bool known_labels(KnownTexts *known, const DbRows *rows, int id_column, int text_column,
                         Arena *arena, LabelSet *ret_labels, Err *err) {
    KnownText *text = known_text(known, rows, id_column, text_column, arena);
    if (!text->is_decoded && !labels_decode(arena, text->text, &text->labels, err)) {
        return false;
    }
    text->is_decoded = true;
    *ret_labels = text->labels;
    return true;
}

static bool read_history_row(const DbRows *rows, KnownTexts *known, Arena *arena,
                             AlertHistoryRow *row, Err *err) {
    *row = (AlertHistoryRow){.id = db_int(rows, 0),
                             .at = db_int(rows, 1),
                             .event = (AlertEvent)db_int(rows, 2),
                             .reason = db_str(rows, 3, arena),
                             .alert = {.rule_key = known_text(known, rows, 12, 4, arena)->text,
                                       .generator_url = known_text(known, rows, 15, 7, arena)->text,
                                       .active_at = db_int(rows, 8),
                                       .fired_at = db_int(rows, 9),
                                       .resolved_at = db_int(rows, 10),
                                       .updated_at = db_int(rows, 1),
                                       .value = db_real(rows, 11)}};
    row->alert.phase = row->event == ALERT_BECAME_FIRING    ? ALERT_FIRING
                       : row->event == ALERT_BECAME_PENDING ? ALERT_PENDING
                                                            : ALERT_INACTIVE;
    return known_labels(known, rows, 13, 5, arena, &row->alert.labels, err) &&
           known_labels(known, rows, 14, 6, arena, &row->alert.annotations, err);
}

#define HISTORY_COLUMNS                                                                            \
    "SELECT h.id, h.at, h.event, h.reason, r.text, l.text, n.text, u.text, h.active_at, "          \
    "h.fired_at,"                                                                                  \
    " h.resolved_at, h.value, h.rule_text, h.labels_text, h.annotations_text, h.url_text"          \
    " FROM alert_history h JOIN texts r ON r.id = h.rule_text"                                     \
    " JOIN texts l ON l.id = h.labels_text JOIN texts n ON n.id = h.annotations_text"              \
    " JOIN texts u ON u.id = h.url_text"

static bool take_history(DbRows *rows, Arena *arena, HistoryList *list, Err *err) {
    KnownTexts known = {0};
    bool ok = true;
    while (ok && db_next(rows)) {
        AlertHistoryRow row;
        ok = read_history_row(rows, &known, arena, &row, err);
        if (ok) {
            VEC_PUSH(*list, rows, row);
        }
    }
    free(known.slots);
    Err at_end;
    bool done = db_done(rows, ok ? err : &at_end);
    return ok && done;
}

#define LABELS_OF_KEY "(SELECT id FROM texts WHERE hash = ?1 AND hash != 0)"

static bool read_history(Db *db, TimeMs from, TimeMs to, const char *hex_key, size_t limit,
                         Arena *arena, HistoryList *list, Err *err) {
    DbRows rows;
    DbValue most = DB_INT(limit ? (int64_t)limit : -1);
    bool ok = hex_key ? db_query(db, &rows, err,
                                 HISTORY_COLUMNS " WHERE h.labels_text = " LABELS_OF_KEY
                                                 " AND h.at BETWEEN ?2 AND ?3"
                                                 " ORDER BY h.at DESC, h.id DESC LIMIT ?4",
                                 DB_INT(state_alert_key(hex_key)), DB_INT(from), DB_INT(to), most)
                      : db_query(db, &rows, err,
                                 HISTORY_COLUMNS " WHERE h.at BETWEEN ? AND ?"
                                                 " ORDER BY h.at DESC, h.id DESC LIMIT ?",
                                 DB_INT(from), DB_INT(to), most);
    return ok && take_history(&rows, arena, list, err);
}

bool state_alert_history(State *state, TimeMs from, TimeMs to, const char hex_key_or_null[65],
                         size_t limit, Arena *arena, AlertHistoryRow **ret_rows, size_t *ret_count,
                         Err *err) {
    Db *db;
    if (!state_reader(state, &db, err)) {
        return false;
    }
    HistoryList list = {0};
    bool ok = read_history(db, from, to, hex_key_or_null, limit, arena, &list, err);
    state_reader_done(state, db);
    if (!ok) {
        free(list.rows);
        return err_context(err, "alert history");
    }
    *ret_count = list.rows_count;
    *ret_rows = list_to_arena(arena, list.rows, list.rows_count * sizeof *list.rows);
    return true;
}

static bool query_episodes(Db *db, TimeMs from, TimeMs to, int64_t alert_key, DbRows *rows,
                           Err *err) {
    if (alert_key) {
        return db_query(db, rows, err,
                        HISTORY_COLUMNS
                        " WHERE h.labels_text = " LABELS_OF_KEY
                        " AND (h.at BETWEEN ?2 AND ?3 OR (h.at > ?3"
                        " AND h.event = 2 AND h.fired_at <= ?3)) ORDER BY h.at, h.id",
                        DB_INT(alert_key), DB_INT(from), DB_INT(to));
    }
    return db_query(db, rows, err,
                    HISTORY_COLUMNS " WHERE h.at >= ?1 AND (h.at <= ?2 OR (h.event = 2"
                                    " AND h.fired_at <= ?2)) ORDER BY h.at, h.id",
                    DB_INT(from), DB_INT(to));
}

static bool read_episodes(Db *db, TimeMs from, TimeMs to, int64_t alert_key, Arena *arena,
                          HistoryList *list, Err *err) {
    DbRows rows;
    return query_episodes(db, from, to, alert_key, &rows, err) &&
           take_history(&rows, arena, list, err);
}

static bool query_episodes_of(Db *db, TimeMs from, TimeMs to, int64_t number, DbRows *rows,
                              Err *err) {
    return db_query(db, rows, err,
                    HISTORY_COLUMNS " WHERE h.labels_text = ?1 AND (h.at BETWEEN ?2 AND ?3"
                                    " OR (h.at > ?3 AND h.event = 2 AND h.fired_at <= ?3))"
                                    " ORDER BY h.at, h.id",
                    DB_INT(number), DB_INT(from), DB_INT(to));
}

static bool read_alerts_of(Db *db, int64_t number, Arena *arena, AlertList *list, Err *err) {
    DbRows rows;
    if (!db_query(db, &rows, err,
                  ALERT_COLUMNS " WHERE a.labels_text = ? AND a.phase != 0 ORDER BY a.origin, a.id",
                  DB_INT(number))) {
        return false;
    }
    bool ok = true;
    while (ok && db_next(&rows)) {
        AlertRow row;
        ok = read_alert(&rows, arena, &row, err);
        if (ok) {
            VEC_PUSH(*list, rows, row);
        }
    }
    Err at_end;
    bool done = db_done(&rows, ok ? err : &at_end);
    return ok && done;
}

bool state_load_rows_of(State *state, const int64_t *numbers, size_t count, TimeMs from, TimeMs to,
                        Arena *arena, RowsOf *ret_rows, Err *err) {
    Db *db;
    if (!state_reader(state, &db, err)) {
        return false;
    }
    HistoryList history = {0};
    AlertList alerts = {0};
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) {
        DbRows rows;
        ok = query_episodes_of(db, from, to, numbers[i], &rows, err) &&
             take_history(&rows, arena, &history, err) &&
             read_alerts_of(db, numbers[i], arena, &alerts, err);
    }
    state_reader_done(state, db);
    ret_rows->history_count = history.rows_count;
    ret_rows->history =
        list_to_arena(arena, history.rows, history.rows_count * sizeof *history.rows);
    ret_rows->alert_count = alerts.rows_count;
    ret_rows->alerts = list_to_arena(arena, alerts.rows, alerts.rows_count * sizeof *alerts.rows);
    return ok || err_context(err, "alert history");
}

bool state_load_episode_rows(State *state, TimeMs from, TimeMs to, int64_t alert_key, Arena *arena,
                             AlertHistoryRow **ret_rows, size_t *ret_count, Err *err) {
    _Static_assert(ALERT_BECAME_RESOLVED == 2, "the number in the statements");
    Db *db;
    if (!state_reader(state, &db, err)) {
        return false;
    }
    HistoryList list = {0};
    bool ok = read_episodes(db, from, to, alert_key, arena, &list, err);
    state_reader_done(state, db);
    if (!ok) {
        free(list.rows);
        return err_context(err, "alert history");
    }
    *ret_count = list.rows_count;
    *ret_rows = list_to_arena(arena, list.rows, list.rows_count * sizeof *list.rows);
    return true;
}

typedef struct MarkList {
    HistoryMark *rows;
    size_t rows_count, rows_cap;
} MarkList;

/* Times and ids grow together, so either finds the few that are wanted. */
#define MARK_COLUMNS                                                                               \
    "SELECT id, at, labels_text, event, CASE fired_at WHEN 0 THEN active_at ELSE fired_at END,"    \
    " CASE resolved_at WHEN 0 THEN at ELSE resolved_at END FROM alert_history"

static bool query_marks(Db *db, TimeMs from, int64_t after, DbRows *rows, Err *err) {
    if (after) {
        return db_query(db, rows, err, MARK_COLUMNS " WHERE id > ? AND +at >= ?", DB_INT(after),
                        DB_INT(from));
    }
    return db_query(db, rows, err, MARK_COLUMNS " WHERE at >= ?", DB_INT(from));
}

static bool read_marks(DbRows *rows, MarkList *list, Err *err) {
    while (db_next(rows)) {
        HistoryMark mark = {.id = db_int(rows, 0),
                            .at = db_int(rows, 1),
                            .labels = db_int(rows, 2),
                            .event = (AlertEvent)db_int(rows, 3),
                            .fired_at = db_int(rows, 4),
                            .ended_at = db_int(rows, 5)};
        VEC_PUSH(*list, rows, mark);
    }
    return db_done(rows, err);
}

static bool give_marks(State *state, Db *db, bool ok, const char *what, MarkList *list,
                       HistoryMark **ret_rows, size_t *ret_count, Err *err) {
    state_reader_done(state, db);
    if (!ok) {
        free(list->rows);
        return err_context(err, "%s", what);
    }
    *ret_rows = list->rows;
    *ret_count = list->rows_count;
    return true;
}

bool state_load_marks(State *state, TimeMs from, int64_t after, HistoryMark **ret_rows,
                      size_t *ret_count, Err *err) {
    Db *db;
    DbRows rows;
    MarkList list = {0};
    if (!state_reader(state, &db, err)) {
        return false;
    }
    bool ok = query_marks(db, from, after, &rows, err) && read_marks(&rows, &list, err);
    return give_marks(state, db, ok, "alert history", &list, ret_rows, ret_count, err);
}

bool state_load_alert_marks(State *state, HistoryMark **ret_rows, size_t *ret_count, Err *err) {
    _Static_assert(ALERT_FIRING == 2, "the number in the statement");
    _Static_assert(ALERT_BECAME_PENDING == 0 && ALERT_BECAME_FIRING == 1, "what it makes of it");
    Db *db;
    DbRows rows;
    MarkList list = {0};
    if (!state_reader(state, &db, err)) {
        return false;
    }
    bool ok = db_query(db, &rows, err,
                       "SELECT 0, since, labels_text, phase = 2, since, since FROM (SELECT"
                       " labels_text, phase, CASE fired_at WHEN 0 THEN active_at ELSE fired_at END"
                       " AS since FROM alert_state)") &&
              read_marks(&rows, &list, err);
    return give_marks(state, db, ok, "alerts", &list, ret_rows, ret_count, err);
}

bool state_each_label_set(State *state, const int64_t *numbers, size_t count, StateLabelsFn *each,
                          void *context, Err *err) {
    Db *db;
    DbRows rows;
    bool ok = true;
    if (!state_reader(state, &db, err)) {
        return false;
    }
    for (size_t i = 0; i < count && ok; i++) {
        ok = db_query(db, &rows, err, "SELECT text FROM texts WHERE id = ?", DB_INT(numbers[i]));
        if (ok) {
            if (db_next(&rows)) {
                each(numbers[i], db_view(&rows, 0), context);
            }
            while (db_next(&rows)) {
            }
            ok = db_done(&rows, err);
        }
    }
    state_reader_done(state, db);
    return ok || err_context(err, "label sets");
}

bool state_labels_decode(Arena *arena, Str json, LabelSet *ret_labels, Err *err) {
    return labels_decode(arena, json, ret_labels, err);
}

bool state_nth_start(StateTx *tx, int64_t alert_key, int64_t nth, TimeMs *ret_at, Err *err) {
    _Static_assert(ALERT_BECAME_FIRING == 1, "the number in the statement");
    DbRows rows;
    if (!db_query(tx_db(tx), &rows, err,
                  "SELECT at FROM alert_history WHERE labels_text = " LABELS_OF_KEY
                  " AND event = 1 ORDER BY at DESC, id DESC LIMIT 1 OFFSET ?2",
                  DB_INT(alert_key), DB_INT(nth - 1))) {
        return false;
    }
    TimeMs at = db_next(&rows) ? db_int(&rows, 0) : 0;
    while (db_next(&rows)) {
    }
    *ret_at = at;
    return db_done(&rows, err);
}

bool state_prune(StateTx *tx, TimeMs before, size_t rows_max, bool *ret_more, Err *err) {
    Db *db = tx_db(tx);
    if (!db_run(db, err,
                "DELETE FROM alert_history WHERE id IN"
                " (SELECT id FROM alert_history WHERE at < ? LIMIT ?)",
                DB_INT(before), DB_INT((int64_t)rows_max))) {
        return false;
    }
    int64_t history = db_changed(db);
    if (!db_run(db, err,
                "DELETE FROM ledger WHERE id IN (SELECT id FROM ledger WHERE at < ? LIMIT ?)",
                DB_INT(before), DB_INT((int64_t)rows_max))) {
        return false;
    }
    int64_t ledger = db_changed(db);
    if (!db_run(db, err,
                "DELETE FROM shadow_alerts WHERE id IN"
                " (SELECT id FROM shadow_alerts WHERE at < ? LIMIT ?)",
                DB_INT(before), DB_INT((int64_t)rows_max))) {
        return false;
    }
    *ret_more = history == (int64_t)rows_max || ledger == (int64_t)rows_max ||
                db_changed(db) == (int64_t)rows_max;
    return *ret_more || text_prune(tx, err);
}
