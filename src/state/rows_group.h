#pragma once

/*
 * Rows of notification groups: the group and when it is due, its members, and what each integration
 * was told last. All of it is read once at start and kept in memory by notify; every change is
 * written through.
 */

#include "state/state.h"

typedef struct GroupRow {
    int64_t id; /* 0 = not stored yet */
    Str key;    /* unique: receiver route and group labels */
    Str receiver;
    LabelSet labels;
    TimeMs next_due; /* TIME_MAX = nothing to do */
    TimeMs created_at;
    TimeMs flushed_at; /* 0 = never */
    bool retired;
} GroupRow;

/* Stores a new group and gives its id. */
bool state_add_group(StateTx *tx, const GroupRow *row, int64_t *ret_id, Err *err) MUST_CHECK;
/* Changes next_due, flushed_at and retired. */
bool state_update_group(StateTx *tx, const GroupRow *row, Err *err) MUST_CHECK;
/* One that has no members and no sent sets any more. */
bool state_delete_group(StateTx *tx, int64_t id, Err *err) MUST_CHECK;

bool state_add_member(StateTx *tx, int64_t group_id, int64_t alert_id, Err *err) MUST_CHECK;
/* Also removes the alert if it is resolved and this was its last group. */
bool state_remove_member(StateTx *tx, int64_t group_id, int64_t alert_id, Err *err) MUST_CHECK;

typedef struct MemberRow {
    int64_t group_id, alert_id;
} MemberRow;

typedef struct SentRow {
    int64_t id;
    int64_t group_id;
    int64_t alert_id; /* 0 = of the group as a whole */
    Str integration;
    Str dedup_key;
    Str target; /* where the incident was opened: address or routing key */
    TimeMs at;
    bool delivered;        /* the receiver has answered at least once that it has it */
    const int64_t *firing; /* alert ids */
    size_t firing_count;
    const int64_t *resolved;
    size_t resolved_count;
    Str data;
} SentRow;

/* Inserts (id 0) or replaces; the id is in `row->id` then. */
bool state_put_sent(StateTx *tx, SentRow *row, Err *err) MUST_CHECK;
bool state_delete_sent(StateTx *tx, int64_t id, Err *err) MUST_CHECK;

typedef struct GroupRows {
    GroupRow *groups;
    size_t group_count;
    MemberRow *members; /* by group */
    size_t member_count;
    SentRow *sent;
    size_t sent_count;
} GroupRows;
bool state_load_groups(State *state, Arena *arena, GroupRows *ret_rows, Err *err) MUST_CHECK;
