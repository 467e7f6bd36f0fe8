/*
 * ledger, writing.
 *
 * What a transaction decides is kept until it commits. Few decisions are stored as they came. In a
 * storm, those that say the same about many alerts (routed to the same group, queued for the same
 * receiver) are one row with the alerts' keys: a tenth of the work, and just as complete.
 */

#include "base/mem.h"
#include "state/rows_ledger.h"
#include "state/state_impl.h"

enum { STORM_MIN = 256 }; /* decisions in one transaction */

/* What a restart reads by alert (state_load_quiet) stays a row each. */
static bool may_be_shared(const LedgerRow *row) {
    static const char *const quiet[] = {"silenced", "flagged", "inhibited", "damped", "released"};
    for (size_t i = 0; i < sizeof quiet / sizeof *quiet; i++) {
        if (str_eq(row->decision, str_of(quiet[i]))) {
            return false;
        }
    }
    return row->alert_key && !row->member_count;
}

static size_t slot_of(const LedgerRow *row) {
    uint64_t hash = hash64(row->subject) ^ hash64(row->detail) * 3 ^ hash64(row->decision) * 5;
    return (hash ^ (uint64_t)row->group_id * UINT64_C(0x9E3779B97F4A7C15)) % LEDGER_SLOTS;
}

static bool says_the_same(const LedgerRow *a, const LedgerRow *b) {
    return a->at == b->at && a->group_id == b->group_id && a->until == b->until &&
           str_eq(a->decision, b->decision) && str_eq(a->reason, b->reason) &&
           str_eq(a->subject, b->subject) && str_eq(a->detail, b->detail) && may_be_shared(b);
}

static LedgerRow copy_row(Arena *arena, const LedgerRow *from) {
    LedgerRow row = *from;
    Str *texts[] = {&row.decision, &row.reason, &row.subject, &row.detail};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        *texts[i] = arena_str(arena, *texts[i]);
    }
    int64_t *members = arena_array(arena, int64_t, row.member_count + 1);
    if (row.member_count) {
        memcpy(members, from->members, row.member_count * sizeof *members);
    }
    row.members = members;
    return row;
}

/* Where a later saying takes the slot of an earlier one, the earlier one is just not added to. */
static uint32_t saying_of(LedgerPending *pending, const LedgerRow *row) {
    uint32_t *slot = &pending->slots[slot_of(row)];
    if (*slot && may_be_shared(row) && says_the_same(&pending->sayings[*slot - 1].row, row)) {
        return *slot - 1;
    }
    VEC_PUSH(*pending, sayings, ((LedgerSaying){.row = copy_row(&pending->arena, row)}));
    *slot = (uint32_t)pending->sayings_count;
    return *slot - 1;
}

bool state_put_ledger(StateTx *tx, const LedgerRow *row, Err *err) {
    LedgerPending *pending = &tx->state->ledger;
    (void)err;
    LedgerSaid said = {.alert_key = row->alert_key, .saying = saying_of(pending, row)};
    pending->sayings[said.saying].count++;
    VEC_PUSH(*pending, said, said);
    return true;
}

static bool insert(StateTx *tx, const LedgerRow *row, int64_t alert_text, Err *err) {
    Buf *members = &tx->state->json;
    members->len = 0;
    for (size_t i = 0; i < row->member_count; i++) {
        buf_u64(members, (uint64_t)row->members[i]);
    }
    return batch_row(tx, BATCH_LEDGER, err, DB_INT(row->at), DB_INT(row->alert_key),
                     DB_INT(row->group_id), DB_TEXT(row->decision), DB_TEXT(row->reason),
                     DB_TEXT(row->subject), DB_TEXT(row->detail), DB_BLOB(buf_view(members)),
                     DB_INT(row->until), DB_INT(alert_text));
}

static bool insert_single(StateTx *tx, const LedgerRow *row, int64_t alert_key, Err *err) {
    LedgerRow single = *row;
    int64_t alert_text = 0;
    single.alert_key = alert_key;
    return (!alert_key || alert_labels_find(tx, alert_key, &alert_text, err)) &&
           insert(tx, &single, alert_text, err);
}

static bool insert_each(StateTx *tx, const LedgerPending *pending, Err *err) {
    for (size_t i = 0; i < pending->said_count; i++) {
        const LedgerSaid *said = &pending->said[i];
        if (!insert_single(tx, &pending->sayings[said->saying].row, said->alert_key, err)) {
            return false;
        }
    }
    return true;
}

/* The alerts of each saying, one saying after the other. */
static void sort_by_saying(LedgerPending *pending) {
    int64_t *keys = arena_array(&pending->arena, int64_t, pending->said_count + 1);
    size_t at = 0;
    for (size_t i = 0; i < pending->sayings_count; i++) {
        LedgerSaying *saying = &pending->sayings[i];
        saying->keys = keys + at;
        at += saying->count;
        saying->count = 0;
    }
    for (size_t i = 0; i < pending->said_count; i++) {
        LedgerSaying *saying = &pending->sayings[pending->said[i].saying];
        saying->keys[saying->count++] = pending->said[i].alert_key;
    }
}

static bool insert_sayings(StateTx *tx, LedgerPending *pending, Err *err) {
    sort_by_saying(pending);
    for (size_t i = 0; i < pending->sayings_count; i++) {
        const LedgerSaying *saying = &pending->sayings[i];
        LedgerRow many = saying->row;
        many.alert_key = 0;
        many.members = saying->keys;
        many.member_count = saying->count;
        bool ok = saying->count == 1 ? insert_single(tx, &saying->row, saying->row.alert_key, err)
                                     : insert(tx, &many, LEDGER_MANY, err);
        if (!ok) {
            return false;
        }
    }
    return true;
}

bool ledger_write(StateTx *tx, Err *err) {
    LedgerPending *pending = &tx->state->ledger;
    bool ok = pending->said_count < STORM_MIN ? insert_each(tx, pending, err)
                                              : insert_sayings(tx, pending, err);
    ledger_forget(tx->state);
    return ok;
}

void ledger_forget(State *state) {
    LedgerPending *pending = &state->ledger;
    if (pending->said_count) {
        memset(pending->slots, 0, sizeof pending->slots);
        arena_reset(&pending->arena);
        pending->sayings_count = pending->said_count = 0;
    }
}

void ledger_finish(State *state) {
    LedgerPending *pending = &state->ledger;
    free(pending->sayings);
    free(pending->said);
    arena_finish(&pending->arena);
}
