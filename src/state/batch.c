/*
 * Rows that wait to be stored, some at a time.
 *
 * In a storm half of what an insert costs is beginning and ending a statement; so rows of the
 * tables below are kept, in a transaction, until there are enough for one with many. Nobody sees
 * that: whatever else the transaction does (tx_db) has them written first, and so has its commit.
 * They have their ids before. A failure is told by the commit at the latest.
 */

#include <assert.h>

#include "state/state_impl.h"

#define ROW_2 "(?, ?)"
#define ROW_10 "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
#define ROW_11 "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
#define ROW_12 "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
#define ROW_16 "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
#define ROW_18 "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

/* A transaction of which something fails is undone as a whole, so a statement need not be able to
 * undo what it did (OR FAIL): that saves it a journal of its own. */
#define ALERTS                                                                                     \
    "INSERT OR FAIL INTO alert_state (id, origin, rule_text, labels_text, annotations_text,"       \
    " url_text, phase, active_at, fired_at, keep_firing_since, resolved_at, ends_at, updated_at,"  \
    " interval_ms, value, stale) VALUES "
#define HISTORY                                                                                    \
    "INSERT OR FAIL INTO alert_history (at, event, reason, alert_key, rule_text, labels_text,"     \
    " annotations_text, url_text, active_at, fired_at, resolved_at, value) VALUES "
#define MEMBERS "INSERT OR IGNORE INTO group_alerts (group_id, alert_id) VALUES "
#define SENT                                                                                       \
    "INSERT OR FAIL INTO sent (id, group_id, alert_id, integration_text, dedup_key, target_text,"  \
    " at, delivered, firing, resolved, data) VALUES "
#define OUTBOX                                                                                     \
    "INSERT OR FAIL INTO outbox (id, integration_text, receiver, dedup_key, target_text, action,"  \
    " group_id, alert_id, sent_id, members, reason, created_at, due_at, attempts, status,"         \
    " maybe_delivered, http_status, answer) VALUES "
#define LEDGER                                                                                     \
    "INSERT OR FAIL INTO ledger (at, alert_key, group_id, decision, reason, subject, detail,"      \
    " members, until_at, alert_text) VALUES "

static const struct {
    const char *one, *many;
    size_t columns;
} tables[BATCH_KINDS] = {
    [BATCH_ALERTS] = {ALERTS ROW_16, ALERTS BATCH_OF(ROW_16), 16},
    [BATCH_HISTORY] = {HISTORY ROW_12, HISTORY BATCH_OF(ROW_12), 12},
    [BATCH_MEMBERS] = {MEMBERS ROW_2, MEMBERS BATCH_OF(ROW_2), 2},
    [BATCH_SENT] = {SENT ROW_11, SENT BATCH_OF(ROW_11), 11},
    [BATCH_OUTBOX] = {OUTBOX ROW_18, OUTBOX BATCH_OF(ROW_18), 18},
    [BATCH_LEDGER] = {LEDGER ROW_10, LEDGER BATCH_OF(ROW_10), 10},
};

static void forget(RowBatch *batch) {
    batch->rows = 0;
    arena_reset(&batch->arena);
}

static bool write_one_by_one(State *state, BatchKind kind, Err *err) {
    const RowBatch *batch = &state->batches[kind];
    size_t columns = tables[kind].columns;
    for (size_t i = 0; i < batch->rows; i++) {
        if (!db_run_values(&state->writer, err, tables[kind].one, batch->values + i * columns,
                           columns)) {
            return false;
        }
    }
    return true;
}

bool batch_put(StateTx *tx, BatchKind kind, const DbValue *values, size_t count, Err *err) {
    RowBatch *batch = &tx->state->batches[kind];
    DbValue *row = batch->values + batch->rows * count;
    assert(count == tables[kind].columns);
    for (size_t i = 0; i < count; i++) {
        row[i] = values[i];
        if (row[i].bytes.len) {
            row[i].bytes = arena_str(&batch->arena, row[i].bytes);
        }
    }
    tx->state->is_batching = true;
    if (++batch->rows < BATCH_ROWS) {
        return true;
    }
    bool ok = db_run_values(&tx->state->writer, err, tables[kind].many, batch->values,
                            BATCH_ROWS * count);
    forget(batch);
    return ok;
}

/* SQLite undoes a transaction by itself when the disk is full: what the caller does before it hears
 * of that must not be stored, so it goes into another one, which is undone, too. */
static void keep_together(State *state) {
    Err ignored;
    if (sqlite3_get_autocommit(state->writer.conn)) {
        (void)!db_run(&state->writer, &ignored, "BEGIN IMMEDIATE");
    }
}

void batches_flush(StateTx *tx) {
    State *state = tx->state;
    for (int kind = 0; kind < BATCH_KINDS; kind++) {
        if (!tx->batch_failed && !write_one_by_one(state, (BatchKind)kind, &tx->batch_err)) {
            tx->batch_failed = true;
            keep_together(state);
        }
        forget(&state->batches[kind]);
    }
    state->is_batching = false;
}

void batches_forget(State *state) {
    for (int kind = 0; kind < BATCH_KINDS; kind++) {
        forget(&state->batches[kind]);
    }
    state->is_batching = false;
}

void batches_finish(State *state) {
    for (int kind = 0; kind < BATCH_KINDS; kind++) {
        arena_finish(&state->batches[kind].arena);
    }
}
