#pragma once

/*
 * What the files of this folder share: the handle, its connections, and interned text. Not for
 * other folders.
 *
 * The writer's connection belongs to whoever holds the turn (an open StateTx); `lock` covers the
 * rest.
 */

#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/metrics.h"
#include "state/db.h"
#include "state/rows_ledger.h"
#include "state/state.h"

enum {
    STATE_READERS_IDLE_MAX = 8,  /* connections kept open between reads */
    TEXT_CACHE_SLOTS = 1 << 15,  /* texts known to be stored: a storm repeats few annotations */
    ALERT_CACHE_SLOTS = 1 << 17, /* label sets of alerts, by key */
    LEDGER_SLOTS = 1 << 11,
    KEY_SLOTS = 1 << 13, /* more than a transaction has alerts */
    BATCH_ROWS = 8,
    BATCH_COLUMNS_MAX = 18,
    LEDGER_MANY = -1, /* alert_text of a row about many alerts that says something of each */
};

typedef struct TextSlot {
    Hash128 hash;
    int64_t id; /* 0 = empty */
} TextSlot;

typedef struct AlertSlot {
    int64_t key;
    Hash128 hash; /* of the text */
    int64_t id;   /* 0 = empty */
} AlertSlot;

/* The ledger's rows of this transaction: ledger_write.c. */
typedef struct LedgerSaying {
    LedgerRow row; /* of the first alert */
    int64_t *keys; /* of all, when it is written */
    size_t count;
} LedgerSaying;

typedef struct LedgerSaid {
    int64_t alert_key; /* 0 = see the saying's members */
    uint32_t saying;
} LedgerSaid;

typedef struct LedgerPending {
    Arena arena;
    LedgerSaying *sayings;
    size_t sayings_count, sayings_cap;
    LedgerSaid *said; /* in the order they came */
    size_t said_count, said_cap;
    uint32_t slots[LEDGER_SLOTS]; /* by hash: place of a saying, + 1 */
} LedgerPending;

/* Rows that wait to be stored, some at a time: batch.c. */
typedef enum BatchKind {
    BATCH_ALERTS,
    BATCH_HISTORY,
    BATCH_MEMBERS,
    BATCH_SENT,
    BATCH_OUTBOX,
    BATCH_LEDGER,
    BATCH_KINDS
} BatchKind;

typedef struct RowBatch {
    DbValue values[BATCH_ROWS * BATCH_COLUMNS_MAX];
    size_t rows;
    Arena arena; /* of their texts */
} RowBatch;

typedef struct KeySlot {
    int64_t id; /* of the alert; 0 = empty */
    char key[65];
} KeySlot;

struct StateTx {
    State *state;
    int64_t began_ns;
    int64_t changes_before; /* of the connection */
    int64_t outbox_before;  /* outbox_last, when it began */
    bool batch_failed;      /* and why; the commit tells */
    Err batch_err;
};

/* Somebody waiting for the writer's turn; lives on the waiter's stack. First come, first served, so
 * that a silence never waits behind more than one transaction of a storm. */
typedef struct Waiter {
    pthread_cond_t granted;
    bool has_turn;
    struct Waiter *next;
} Waiter;

struct State {
    char *path;
    DurationMs busy_timeout;

    Db writer;
    StateTx tx;
    TextSlot *texts;   /* by the writer only */
    AlertSlot *alerts; /* so, too */
    Buf json;          /* and so: the bytes that are stored just now */
    LedgerPending ledger;
    KeySlot *keys; /* of the alerts stored last, by id */
    RowBatch batches[BATCH_KINDS];
    bool is_batching;                         /* there are rows in them */
    int64_t outbox_last;                      /* the highest id ever given to a row of the outbox */
    int64_t alert_last, sent_last, text_last; /* the highest ids in use, or more */

    pthread_mutex_t lock;
    bool turn_taken;
    Waiter *waiters;
    Db *idle[STATE_READERS_IDLE_MAX];
    size_t idle_count;

    Counter commits, rollbacks, failures, waited_out;
    Counter commit_ns, tx_ns;
};

#define BATCH_OF(row) row ", " row ", " row ", " row ", " row ", " row ", " row ", " row

void batches_flush(StateTx *tx);
void batches_forget(State *state);
void batches_finish(State *state);
/* Adds a row. */
bool batch_put(StateTx *tx, BatchKind kind, const DbValue *values, size_t count,
               Err *err) MUST_CHECK;
#define batch_row(tx, kind, err, ...)                                                              \
    batch_put((tx), (kind), (const DbValue[]){__VA_ARGS__},                                        \
              sizeof((const DbValue[]){__VA_ARGS__}) / sizeof(DbValue), (err))

/* For statements about tables that have no batch: texts, groups. */
static inline Db *tx_db_as_is(StateTx *tx) {
    return &tx->state->writer;
}

/* With all rows written that wait. */
static inline Db *tx_db(StateTx *tx) {
    if (tx->state->is_batching) {
        batches_flush(tx);
    }
    return &tx->state->writer;
}

/* A connection for reading; give it back with state_reader_done(). */
bool state_reader(State *state, Db **ret_db, Err *err) MUST_CHECK;
void state_reader_done(State *state, Db *db);

/* The id of `text` in table texts, stored if it was not there. */
bool text_intern(StateTx *tx, Str text, int64_t *ret_id, Err *err) MUST_CHECK;
/* A label set as the JSON text that stands for it. */
bool labels_intern(StateTx *tx, LabelSet labels, int64_t *ret_id, Err *err) MUST_CHECK;
/* What some alerts, BATCH_ROWS at most, have in table texts. Annotations are found again by their
 * alert, not by a hash: most are of one alert alone, and an index of hashes is the dearest of a
 * storm. */
typedef struct AlertTexts {
    char dedup_key[65];
    int64_t key; /* its beginning */
    int64_t rule, labels, annotations, url;
    bool is_new; /* nothing was known of the alert */
} AlertTexts;
bool alert_texts_intern(StateTx *tx, const AlertChange *changes, size_t count,
                        AlertTexts *ret_texts, Err *err) MUST_CHECK;
/* The id of the label set of the alert with this key, 0 if no such alert is known. */
bool alert_labels_find(StateTx *tx, int64_t alert_key, int64_t *ret_id, Err *err) MUST_CHECK;
/* Forgets which texts are known to be stored: some may not be any more. */
void texts_forget(State *state);
/* Reads it back. ERR_CORRUPT for text we never wrote. */
bool labels_decode(Arena *arena, Str json, LabelSet *ret_labels, Err *err) MUST_CHECK;
/* Removes texts no row points to. */
bool text_prune(StateTx *tx, Err *err) MUST_CHECK;

/* Writes down what the transaction has decided, or forgets it. */
bool ledger_write(StateTx *tx, Err *err) MUST_CHECK;
void ledger_forget(State *state);
void ledger_finish(State *state);
/* What reading the ledger needs of a connection. */
bool ledger_functions(Db *db, Err *err) MUST_CHECK;

/* Ids that are given here: read at the start; the outbox's are written once a transaction. */
bool row_ids_load(State *state, Err *err) MUST_CHECK;
bool outbox_ids_store(StateTx *tx, Err *err) MUST_CHECK;

/* Applies what is missing, in one transaction. */
bool migrations_apply(Db *db, TimeMs now, Err *err) MUST_CHECK;

/* Copies a list that grew on the heap into `arena`, and frees it. */
static inline void *list_to_arena(Arena *arena, void *items, size_t bytes) {
    void *copy = arena_alloc(arena, bytes + 1);
    if (bytes) {
        memcpy(copy, items, bytes);
    }
    free(items);
    return copy;
}
