#pragma once

/*
 * The outbox: decided, not yet answered. In memory and in the table, which agree after every
 * commit.
 *
 * Rows with the same integration and key form a chain: only its first is sent, so that order is
 * kept. What comes later may make what waits pointless; the rules, by what waits last (and is not
 * on its way):
 *
 *     waits     comes     then
 *     trigger   trigger   the newer one takes the older one's place
 *     trigger   resolve   both go if nobody can have heard of the incident; else the resolve takes
 * the trigger's place resolve   trigger   both stay: one incident ends, another begins resolve
 * resolve   the newer one takes the older one's place
 *
 * So a chain is never longer than three: on its way, an end, a beginning.
 *
 * `members` of a row lists the alerts it shows: varint id, then a byte, 1 = firing.
 */

#include "notify/live.h"

typedef enum OutboxPut {
    OUTBOX_STORED,
    OUTBOX_SUPERSEDED, /* took the place of one that waited */
    OUTBOX_COLLAPSED,  /* nothing is left to be told */
} OutboxPut;

/* `heard`: the receiver knows of the incident from before. Gives `row` its id, or that of the one
 * whose place it took. */
bool outbox_put(Notify *notify, StateTx *tx, OutboxRow *row, bool heard, OutboxPut *ret_outcome,
                Err *err) MUST_CHECK;
/* Takes an entry out for good. */
bool outbox_remove(Notify *notify, StateTx *tx, OutboxEntry *entry, TimeMs now,
                   Err *err) MUST_CHECK;
/* Writes what changed in `entry->row`. */
bool outbox_update(StateTx *tx, OutboxEntry *entry, Err *err) MUST_CHECK;

/* Takes out what failed for good before `entry`, which has been delivered: it would undo it. */
bool outbox_drop_stale(Notify *notify, StateTx *tx, const OutboxEntry *entry, TimeMs now,
                       Err *err) MUST_CHECK;

/* True if nothing of its key is before it; what was refused for good does not count. */
bool outbox_is_first(const Notify *notify, const OutboxEntry *entry);

bool outbox_load(Notify *notify, Err *err) MUST_CHECK;
void outbox_clear(Notify *notify);

void members_put(Buf *buf, int64_t alert_id, bool is_firing);
/* The next member; false at the end. */
bool members_next(ByteReader *reader, int64_t *ret_alert_id, bool *ret_is_firing);
