/* Interned text: see migrations.c for why. */

#include <assert.h>

#include "base/json.h"
#include "state/rows_alert.h"
#include "state/state_impl.h"

static bool find(Db *db, int64_t hash, Str text, int64_t *ret_id, Err *err) {
    DbRows rows;
    if (!db_query(db, &rows, err, "SELECT id FROM texts WHERE hash = ? AND hash != 0 AND text = ?",
                  DB_INT(hash), DB_TEXT(text))) {
        return false;
    }
    *ret_id = db_next(&rows) ? db_int(&rows, 0) : 0;
    return db_done(&rows, err);
}

/* A text that is not known to be stored. */
typedef struct NewText {
    Str text;
    int64_t hash; /* 0 = nobody looks for it: it is always stored */
    int64_t id;
    bool is_new; /* it was not there */
} NewText;

#define STORE "INSERT OR FAIL INTO texts (id, text, hash) VALUES "
#define UNLESS_KNOWN " ON CONFLICT (hash) WHERE hash != 0 DO NOTHING"

/* Where another text has the same number, this one gets the next free one. */
static bool store(StateTx *tx, NewText *text, Err *err) {
    Db *db = tx_db_as_is(tx);
    text->is_new = false;
    text->id = 0; /* "none" in every column */
    for (int64_t hash = text->hash; !text->id; hash = (int64_t)((uint64_t)hash + 2)) {
        int64_t id = ++tx->state->text_last;
        if (!db_run(db, err, STORE "(?, ?, ?)" UNLESS_KNOWN, DB_INT(id), DB_TEXT(text->text),
                    DB_INT(hash))) {
            return false;
        }
        if (db_changed(db) == 1) {
            text->id = id;
            text->is_new = true;
        } else if (!find(db, hash, text->text, &text->id, err)) {
            return false;
        }
    }
    return true;
}

/* One of many that were stored together, under the id it was given, or not since it was there. */
static bool look_up(StateTx *tx, NewText *text, Err *err) {
    int64_t given = text->id;
    if (!find(tx_db_as_is(tx), text->hash, text->text, &text->id, err)) {
        return false;
    }
    text->is_new = text->id == given;
    return text->id || store(tx, text, err);
}

/* In a storm, most are new: so as many as a batch has are stored by one statement. */
static bool store_all(StateTx *tx, NewText *texts, size_t count, Err *err) {
    DbValue values[3 * BATCH_ROWS];
    bool ok = true;
    for (size_t i = 0; count < BATCH_ROWS && i < count && ok; i++) {
        ok = store(tx, &texts[i], err);
    }
    if (count < BATCH_ROWS || !ok) {
        return ok;
    }
    for (size_t i = 0; i < BATCH_ROWS; i++) {
        texts[i].id = ++tx->state->text_last;
        texts[i].is_new = true;
        values[3 * i] = DB_INT(texts[i].id);
        values[3 * i + 1] = DB_TEXT(texts[i].text);
        values[3 * i + 2] = DB_INT(texts[i].hash);
    }
    ok = db_run_values(tx_db_as_is(tx), err, STORE BATCH_OF("(?, ?, ?)") UNLESS_KNOWN, values,
                       3 * BATCH_ROWS);
    bool all_new = ok && db_changed(tx_db_as_is(tx)) == BATCH_ROWS;
    for (size_t i = 0; i < BATCH_ROWS && ok && !all_new; i++) {
        ok = look_up(tx, &texts[i], err);
    }
    return ok;
}

static TextSlot *text_slot(StateTx *tx, Hash128 hash) {
    return &tx->state->texts[hash.hi % TEXT_CACHE_SLOTS];
}

bool text_intern(StateTx *tx, Str text, int64_t *ret_id, Err *err) {
    Hash128 hash = hash128(text);
    TextSlot *slot = text_slot(tx, hash);
    /* Earlier versions used these numbers as ids. */
    if (!(slot->id && hash_eq(slot->hash, hash))) {
        NewText stored = {.text = text, .hash = (int64_t)(hash.lo >> 1) | 1};
        if (!store(tx, &stored, err)) {
            return false;
        }
        *slot = (TextSlot){.hash = hash, .id = stored.id};
    }
    *ret_id = slot->id;
    return true;
}

/* Valid until the next one. */
static Str json_of(StateTx *tx, LabelSet labels) {
    Buf *buf = &tx->state->json;
    buf->len = 0;
    JsonWriter json = json_writer(buf);
    labels_json(&json, labels);
    return buf_view(buf);
}

bool labels_intern(StateTx *tx, LabelSet labels, int64_t *ret_id, Err *err) {
    return text_intern(tx, json_of(tx, labels), ret_id, err);
}

static AlertSlot *alert_slot(StateTx *tx, int64_t alert_key) {
    return &tx->state->alerts[(uint64_t)alert_key % ALERT_CACHE_SLOTS];
}

bool alert_labels_find(StateTx *tx, int64_t alert_key, int64_t *ret_id, Err *err) {
    const AlertSlot *slot = alert_slot(tx, alert_key);
    if (slot->id && slot->key == alert_key) {
        *ret_id = slot->id;
        return true;
    }
    DbRows rows;
    if (!db_query(tx_db_as_is(tx), &rows, err, "SELECT id FROM texts WHERE hash = ? AND hash != 0",
                  DB_INT(alert_key))) {
        return false;
    }
    *ret_id = db_next(&rows) ? db_int(&rows, 0) : 0;
    return db_done(&rows, err);
}

/* The last annotations of the alert, if they are these. */
static bool find_last(StateTx *tx, Str text, int64_t labels_text, int64_t *ret_id, Err *err) {
    DbRows rows;
    if (!db_query(tx_db(tx), &rows, err,
                  "SELECT id FROM texts WHERE text = ?1 AND id IN"
                  " (SELECT annotations_text FROM alert_state WHERE labels_text = ?2"
                  " UNION ALL SELECT * FROM (SELECT annotations_text FROM alert_history"
                  " WHERE labels_text = ?2 ORDER BY at DESC LIMIT 1)) LIMIT 1",
                  DB_TEXT(text), DB_INT(labels_text))) {
        return false;
    }
    *ret_id = db_next(&rows) ? db_int(&rows, 0) : 0;
    return db_done(&rows, err);
}

/* ---- the texts of some alerts together ---- */

/* Those that are not known, and whose they are. */
typedef struct Unknown {
    NewText texts[BATCH_ROWS];
    Hash128 hashes[BATCH_ROWS];
    AlertTexts *of[BATCH_ROWS];
    size_t count;
} Unknown;

static void add_unknown(Unknown *unknown, Str text, Hash128 hash, int64_t number, AlertTexts *of) {
    unknown->texts[unknown->count] = (NewText){.text = text, .hash = number};
    unknown->hashes[unknown->count] = hash;
    unknown->of[unknown->count++] = of;
}

/* Valid until the next ones. */
static void jsons_of(StateTx *tx, const AlertChange *changes, size_t count, bool annotations,
                     Str *ret_jsons) {
    Buf *buf = &tx->state->json;
    size_t starts[BATCH_ROWS + 1] = {0};
    buf->len = 0;
    for (size_t i = 0; i < count; i++) {
        JsonWriter json = json_writer(buf);
        labels_json(&json, annotations ? changes[i].alert.annotations : changes[i].alert.labels);
        starts[i + 1] = buf->len;
    }
    for (size_t i = 0; i < count; i++) {
        ret_jsons[i] = (Str){buf->ptr + starts[i], starts[i + 1] - starts[i]};
    }
}

static bool intern_labels(StateTx *tx, const AlertChange *changes, size_t count, AlertTexts *texts,
                          Err *err) {
    Unknown unknown = {.count = 0};
    Str jsons[BATCH_ROWS];
    jsons_of(tx, changes, count, false, jsons);
    for (size_t i = 0; i < count; i++) {
        const AlertSlot *slot = alert_slot(tx, texts[i].key);
        Hash128 hash = hash128(jsons[i]);
        texts[i].is_new = false;
        texts[i].labels = slot->id;
        if (!(slot->id && slot->key == texts[i].key && hash_eq(slot->hash, hash))) {
            add_unknown(&unknown, jsons[i], hash, texts[i].key, &texts[i]);
        }
    }
    if (!store_all(tx, unknown.texts, unknown.count, err)) {
        return false;
    }
    for (size_t i = 0; i < unknown.count; i++) {
        AlertTexts *of = unknown.of[i];
        of->labels = unknown.texts[i].id;
        of->is_new = unknown.texts[i].is_new;
        *alert_slot(tx, of->key) =
            (AlertSlot){.key = of->key, .hash = unknown.hashes[i], .id = of->labels};
    }
    return true;
}

static bool intern_annotations(StateTx *tx, const AlertChange *changes, size_t count,
                               AlertTexts *texts, Err *err) {
    Unknown unknown = {.count = 0};
    Str jsons[BATCH_ROWS];
    jsons_of(tx, changes, count, true, jsons);
    for (size_t i = 0; i < count; i++) {
        Hash128 hash = hash128(jsons[i]);
        const TextSlot *slot = text_slot(tx, hash);
        int64_t id = slot->id && hash_eq(slot->hash, hash) ? slot->id : 0;
        if (!id && !texts[i].is_new && !find_last(tx, jsons[i], texts[i].labels, &id, err)) {
            return false;
        }
        texts[i].annotations = id;
        if (id) {
            *text_slot(tx, hash) = (TextSlot){.hash = hash, .id = id};
        } else {
            add_unknown(&unknown, jsons[i], hash, 0, &texts[i]);
        }
    }
    if (!store_all(tx, unknown.texts, unknown.count, err)) {
        return false;
    }
    for (size_t i = 0; i < unknown.count; i++) {
        unknown.of[i]->annotations = unknown.texts[i].id;
        *text_slot(tx, unknown.hashes[i]) =
            (TextSlot){.hash = unknown.hashes[i], .id = unknown.texts[i].id};
    }
    return true;
}

bool alert_texts_intern(StateTx *tx, const AlertChange *changes, size_t count,
                        AlertTexts *ret_texts, Err *err) {
    assert(count <= BATCH_ROWS);
    for (size_t i = 0; i < count; i++) {
        const Alert *alert = &changes[i].alert;
        AlertTexts *texts = &ret_texts[i];
        alert_dedup_key(alert, texts->dedup_key);
        texts->key = state_alert_key(texts->dedup_key);
        if (!text_intern(tx, alert->rule_key, &texts->rule, err) ||
            !text_intern(tx, alert->generator_url, &texts->url, err)) {
            return false;
        }
    }
    return intern_labels(tx, changes, count, ret_texts, err) &&
           intern_annotations(tx, changes, count, ret_texts, err);
}

void texts_forget(State *state) {
    memset(state->texts, 0, TEXT_CACHE_SLOTS * sizeof *state->texts);
    memset(state->alerts, 0, ALERT_CACHE_SLOTS * sizeof *state->alerts);
}

/* Decoding what labels_json() wrote: one object of strings, nothing else. */
typedef struct Decoder {
    const char *at, *end;
    Arena *arena;
    bool bad;
} Decoder;

static bool take(Decoder *decoder, char byte) {
    if (decoder->at < decoder->end && *decoder->at == byte) {
        decoder->at++;
        return true;
    }
    return false;
}

static unsigned take_hex4(Decoder *decoder) {
    unsigned code = 0;
    for (int i = 0; i < 4; i++) {
        char c = decoder->at < decoder->end ? *decoder->at++ : '?';
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                                : 16;
        decoder->bad |= digit == 16;
        code = code << 4 | (digit & 15);
    }
    return code;
}

/* Our writer escapes only single units below U+0080 and U+2028/9, so no surrogates occur. */
static size_t put_utf8(char *out, unsigned code) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    out[0] = (char)(0xE0 | code >> 12);
    out[1] = (char)(0x80 | (code >> 6 & 0x3F));
    out[2] = (char)(0x80 | (code & 0x3F));
    return 3;
}

static size_t take_escape(Decoder *decoder, char *out) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = decoder->at < decoder->end ? *decoder->at++ : '\0';
    if (c == 'u') {
        return put_utf8(out, take_hex4(decoder));
    }
    const char *found = c ? strchr(from, c) : NULL;
    decoder->bad |= !found;
    *out = found ? to[found - from] : '?';
    return 1;
}

static Str take_string(Decoder *decoder) {
    decoder->bad |= !take(decoder, '"');
    const char *start = decoder->at;
    while (decoder->at < decoder->end && *decoder->at != '"' && *decoder->at != '\\') {
        decoder->at++;
    }
    if (take(decoder, '"')) {
        return (Str){start, (size_t)(decoder->at - start) - 1};
    }
    /* With escapes: the text only gets shorter. */
    char *text = arena_raw(decoder->arena, (size_t)(decoder->end - start) + 1);
    size_t len = (size_t)(decoder->at - start);
    memcpy(text, start, len);
    while (decoder->at < decoder->end && *decoder->at != '"' && !decoder->bad) {
        char c = *decoder->at++;
        if (c == '\\') {
            len += take_escape(decoder, text + len);
        } else {
            text[len++] = c;
        }
    }
    decoder->bad |= !take(decoder, '"');
    return (Str){text, len};
}

bool labels_decode(Arena *arena, Str json, LabelSet *ret_labels, Err *err) {
    Str copy = arena_str(arena, json);
    Decoder decoder = {.at = copy.ptr, .end = copy.ptr + copy.len, .arena = arena};
    size_t room = 1;
    for (size_t i = 0; i < copy.len; i++) {
        room += copy.ptr[i] == ':';
    }
    Label *items = arena_array(arena, Label, room);
    size_t count = 0;
    decoder.bad = !take(&decoder, '{');
    while (!decoder.bad && !take(&decoder, '}')) {
        decoder.bad |= count > 0 && !take(&decoder, ',');
        Str name = take_string(&decoder);
        decoder.bad |= !take(&decoder, ':') || count == room;
        Str value = take_string(&decoder);
        if (!decoder.bad) {
            items[count++] = (Label){name, value};
        }
    }
    if (decoder.bad || decoder.at != decoder.end) {
        return err_set(err, ERR_CORRUPT, "no label set: %.200s", copy.ptr);
    }
    *ret_labels = (LabelSet){items, count};
    return true;
}

bool text_prune(StateTx *tx, Err *err) {
    texts_forget(tx->state);
    return db_run(
        tx_db(tx), err,
        "DELETE FROM texts WHERE id NOT IN ("
        "SELECT rule_text FROM alert_state UNION SELECT labels_text FROM alert_state UNION"
        " SELECT annotations_text FROM alert_state UNION SELECT url_text FROM alert_state"
        " UNION SELECT rule_text FROM alert_history UNION"
        " SELECT labels_text FROM alert_history UNION"
        " SELECT annotations_text FROM alert_history UNION"
        " SELECT url_text FROM alert_history UNION SELECT labels_text FROM groups UNION"
        " SELECT integration_text FROM sent UNION SELECT target_text FROM sent UNION"
        " SELECT integration_text FROM outbox UNION SELECT target_text FROM outbox UNION"
        " SELECT annotations_text FROM silences UNION"
        " SELECT alert_text FROM ledger WHERE alert_text != 0)");
}
