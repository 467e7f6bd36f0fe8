#pragma once

/*
 * Alerts with their row ids, for who keeps references to them (groups, outbox).
 *
 * A resolved alert keeps its row as long as a group has it as a member: its end still has to be
 * told. state_put_alerts() removes one that no group has; the last state_remove_member() removes it
 * otherwise.
 */

#include "state/state.h"

typedef struct AlertRow {
    int64_t id;
    Alert alert;
} AlertRow;

/* The dedup key of an alert that was stored lately, NULL for others: it need not be computed twice.
 * Valid until more are stored; for whoever has a transaction. */
const char *state_stored_key(const State *state, int64_t alert_id);

/* All rows, own and posted, also resolved ones. */
bool state_load_alert_rows(State *state, Arena *arena, AlertRow **ret_rows, size_t *ret_count,
                           Err *err) MUST_CHECK;

/* History of what fired at some time in [from, to], oldest first: rows of that span, and the ends
 * that came later. `alert_key` 0 = of all alerts. */
bool state_load_episode_rows(State *state, TimeMs from, TimeMs to, int64_t alert_key, Arena *arena,
                             AlertHistoryRow **ret_rows, size_t *ret_count, Err *err) MUST_CHECK;

/* Of the alerts with these label sets, one set after the other: such history, and the alerts that
 * are pending or fire. */
typedef struct RowsOf {
    AlertHistoryRow *history;
    size_t history_count;
    AlertRow *alerts;
    size_t alert_count;
} RowsOf;
bool state_load_rows_of(State *state, const int64_t *numbers, size_t count, TimeMs from, TimeMs to,
                        Arena *arena, RowsOf *ret_rows, Err *err) MUST_CHECK;

/* When the alert began to fire the `nth` time back (1 = its newest start); 0 = not so often. Sees
 * what the transaction has written. */
bool state_nth_start(StateTx *tx, int64_t alert_key, int64_t nth, TimeMs *ret_at,
                     Err *err) MUST_CHECK;

/* The rows of history and ledger that are older than `before`, and texts nothing points to any
 * more. Bounded work: at most `rows_max` of each; true in `ret_more` if there are more. */
bool state_prune(StateTx *tx, TimeMs before, size_t rows_max, bool *ret_more, Err *err) MUST_CHECK;

/* The first 8 bytes of a dedup key, as the indexed columns keep it. */
int64_t state_alert_key(const char hex_key[65]);
