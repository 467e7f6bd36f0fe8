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
#include "state/state.h"

enum {
    STATE_READERS_IDLE_MAX = 8,  /* connections kept open between reads */
    TEXT_CACHE_SLOTS = 1 << 15,  /* texts known to be stored: a storm repeats few annotations */
    ALERT_CACHE_SLOTS = 1 << 17, /* label sets of alerts, by key */
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

struct StateTx {
    State *state;
    int64_t began_ns;
    int64_t changes_before; /* of the connection */
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
    Buf json;          /* and so: the text of the label set that is stored just now */

    pthread_mutex_t lock;
    bool turn_taken;
    Waiter *waiters;
    Db *idle[STATE_READERS_IDLE_MAX];
    size_t idle_count;

    Counter commits, rollbacks, failures, waited_out;
    Counter commit_ns, tx_ns;
};

static inline Db *tx_db(StateTx *tx) {
    return &tx->state->writer;
}

/* A connection for reading; give it back with state_reader_done(). */
bool state_reader(State *state, Db **ret_db, Err *err) MUST_CHECK;
void state_reader_done(State *state, Db *db);

/* The id of `text` in table texts, stored if it was not there. */
bool text_intern(StateTx *tx, Str text, int64_t *ret_id, Err *err) MUST_CHECK;
/* A label set as the JSON text that stands for it. */
bool labels_intern(StateTx *tx, LabelSet labels, int64_t *ret_id, Err *err) MUST_CHECK;
/* The label set of the alert with this key. */
bool alert_labels_intern(StateTx *tx, LabelSet labels, int64_t alert_key, int64_t *ret_id,
                         Err *err) MUST_CHECK;
/* Its id, 0 if no such alert is known. */
bool alert_labels_find(StateTx *tx, int64_t alert_key, int64_t *ret_id, Err *err) MUST_CHECK;
/* Forgets which texts are known to be stored: some may not be any more. */
void texts_forget(State *state);
/* Reads it back. ERR_CORRUPT for text we never wrote. */
bool labels_decode(Arena *arena, Str json, LabelSet *ret_labels, Err *err) MUST_CHECK;
/* Removes texts no row points to. */
bool text_prune(StateTx *tx, Err *err) MUST_CHECK;

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
