#include "notify/outbox.h"

#include <stdlib.h>

#include "base/mem.h"

void members_put(Buf *buf, int64_t alert_id, bool is_firing) {
    buf_varint(buf, (uint64_t)alert_id);
    buf_byte(buf, (char)is_firing);
}

bool members_next(ByteReader *reader, int64_t *ret_alert_id, bool *ret_is_firing) {
    if (!reader_left(reader)) {
        return false;
    }
    *ret_alert_id = (int64_t)reader_varint(reader);
    *ret_is_firing = reader_u8(reader) != 0;
    return !reader->bad;
}

/* ---- chains ---- */

static uint64_t chain_key(const OutboxRow *row) {
    uint64_t key = fnv1a(fnv1a(fnv1a(FNV1A_START, row->integration), STR("\xff")), row->dedup_key);
    return key ? key : 1;
}

static bool same_chain(const OutboxRow *a, const OutboxRow *b) {
    return str_eq(a->integration, b->integration) && str_eq(a->dedup_key, b->dedup_key);
}

bool outbox_is_first(const Notify *notify, const OutboxEntry *entry) {
    const OutboxEntry *at = idmap_get(&notify->outbox.chains, chain_key(&entry->row));
    while (at && (at->row.status == OUTBOX_FAILED || !same_chain(&at->row, &entry->row))) {
        at = at->next_of_key;
    }
    return at == entry;
}

static void chain_append(Notify *notify, OutboxEntry *entry) {
    uint64_t key = chain_key(&entry->row);
    OutboxEntry *last = idmap_get(&notify->outbox.chains, key);
    if (!last) {
        idmap_put(&notify->outbox.chains, key, entry);
        return;
    }
    while (last->next_of_key) {
        last = last->next_of_key;
    }
    last->next_of_key = entry;
}

static void chain_remove(Notify *notify, OutboxEntry *entry) {
    uint64_t key = chain_key(&entry->row);
    OutboxEntry *at = idmap_get(&notify->outbox.chains, key);
    if (at == entry) {
        if (entry->next_of_key) {
            idmap_put(&notify->outbox.chains, key, entry->next_of_key);
        } else {
            idmap_remove(&notify->outbox.chains, key);
        }
        return;
    }
    while (at->next_of_key != entry) {
        at = at->next_of_key;
    }
    at->next_of_key = entry->next_of_key;
}

/* The last one of a chain that is not on its way. */
static OutboxEntry *last_waiting(const Notify *notify, const OutboxRow *row) {
    OutboxEntry *found = NULL;
    for (OutboxEntry *at = idmap_get(&notify->outbox.chains, chain_key(row)); at;
         at = at->next_of_key) {
        if (same_chain(&at->row, row)) {
            found = at->in_flight ? NULL : at;
        }
    }
    return found;
}

static bool anything_in_chain(const Notify *notify, const OutboxRow *row, const OutboxEntry *but) {
    for (OutboxEntry *at = idmap_get(&notify->outbox.chains, chain_key(row)); at;
         at = at->next_of_key) {
        if (at != but && same_chain(&at->row, row)) {
            return true;
        }
    }
    return false;
}

/* ---- entries ---- */

static void count_members(Notify *notify, const OutboxRow *row, int by) {
    ByteReader reader = reader_of(row->members);
    int64_t id;
    bool firing;
    while (members_next(&reader, &id, &firing)) {
        LiveAlert *alert = live_alert(notify, id);
        if (alert) {
            alert->outbox_count = (uint32_t)((int)alert->outbox_count + by);
        }
    }
}

static void keep(char **at, Str *text) {
    if (text->len) {
        memcpy(*at, text->ptr, text->len);
    }
    *text = (Str){*at, text->len};
    *at += text->len;
}

/* One block an entry: in a storm there are as many as alerts. */
static void copy_row(OutboxEntry *entry, const OutboxRow *from) {
    OutboxRow row = *from;
    Str *texts[] = {&row.integration, &row.receiver, &row.dedup_key, &row.target,
                    &row.members,     &row.reason,   &row.answer};
    size_t count = sizeof texts / sizeof *texts, bytes = 1;
    for (size_t i = 0; i < count; i++) {
        bytes += texts[i]->len;
    }
    char *block = mem_grow(NULL, bytes), *at = block;
    for (size_t i = 0; i < count; i++) {
        keep(&at, texts[i]);
    }
    free(entry->texts);
    entry->texts = block;
    entry->row = row;
}

static OutboxEntry *add_entry(Notify *notify, const OutboxRow *row) {
    OutboxEntry *entry = mem_zero(1, sizeof *entry);
    copy_row(entry, row);
    entry->list_at = notify->outbox.entries_count;
    VEC_PUSH(notify->outbox, entries, entry);
    idmap_put(&notify->outbox.by_id, (uint64_t)row->id, entry);
    chain_append(notify, entry);
    count_members(notify, &entry->row, 1);
    return entry;
}

static void free_entry(OutboxEntry *entry) {
    free(entry->texts);
    free(entry);
}

bool outbox_update(StateTx *tx, OutboxEntry *entry, Err *err) {
    OutboxRow row = entry->row;
    copy_row(entry, &row);
    return state_put_outbox(tx, &entry->row, err);
}

/* Groups whose ended members were only waiting for this row can let them go. */
static void release_members(Notify *notify, const OutboxRow *row, TimeMs now) {
    ByteReader reader = reader_of(row->members);
    int64_t id;
    bool firing;
    while (members_next(&reader, &id, &firing)) {
        LiveAlert *alert = live_alert(notify, id);
        if (!alert || live_is_firing(alert) || alert->outbox_count) {
            continue;
        }
        for (size_t i = 0; i < alert->groups_count; i++) {
            Group *group = alert->groups[i];
            if (group->is_direct) {
                live_group_changed(group, alert);
            }
            group->next_due = group->next_due < now ? group->next_due : now;
        }
    }
}

bool outbox_remove(Notify *notify, StateTx *tx, OutboxEntry *entry, TimeMs now, Err *err) {
    if (!state_delete_outbox(tx, entry->row.id, err)) {
        return false;
    }
    chain_remove(notify, entry);
    count_members(notify, &entry->row, -1);
    release_members(notify, &entry->row, now);
    OutboxEntry *moved = notify->outbox.entries[--notify->outbox.entries_count];
    idmap_remove(&notify->outbox.by_id, (uint64_t)entry->row.id);
    moved->list_at = entry->list_at;
    notify->outbox.entries[entry->list_at] = moved;
    free_entry(entry);
    return true;
}

/* The newer row in the older one's place, with what trying the older one has taught. */
static bool replace(Notify *notify, StateTx *tx, OutboxEntry *entry, const OutboxRow *row,
                    Err *err) {
    OutboxRow merged = *row;
    merged.id = entry->row.id;
    merged.attempts = entry->row.attempts;
    merged.maybe_delivered = entry->row.maybe_delivered;
    merged.http_status = entry->row.http_status;
    merged.answer = entry->row.answer;
    /* A refusal was of the old content; the new one gets its own chance. */
    merged.due_at = entry->row.status == OUTBOX_FAILED ? row->due_at : entry->row.due_at;
    merged.status = OUTBOX_QUEUED;
    if (!state_put_outbox(tx, &merged, err)) {
        return false;
    }
    count_members(notify, &entry->row, -1);
    copy_row(entry, &merged);
    count_members(notify, &entry->row, 1);
    return true;
}

/* What a row does to the one that waits last. */
static OutboxPut rule_of(const Notify *notify, const OutboxEntry *last, const OutboxRow *row,
                         bool heard) {
    if (!last || last->row.action != row->action) {
        bool ends = last && last->row.action == OUTBOX_TRIGGER && row->action == OUTBOX_RESOLVE;
        bool known = ends && (heard || last->row.maybe_delivered);
        return !ends                                            ? OUTBOX_STORED
               : !known || anything_in_chain(notify, row, last) ? OUTBOX_COLLAPSED
                                                                : OUTBOX_SUPERSEDED;
    }
    /* Each notice is told, but for heartbeats: the latest says it all. */
    bool beats = str_eq(row->reason, STR("heartbeat")) && str_eq(last->row.reason, row->reason);
    return row->action != OUTBOX_NOTICE || beats ? OUTBOX_SUPERSEDED : OUTBOX_STORED;
}

bool outbox_put(Notify *notify, StateTx *tx, OutboxRow *row, bool heard, OutboxPut *ret_outcome,
                Err *err) {
    OutboxEntry *last = last_waiting(notify, row);
    *ret_outcome = rule_of(notify, last, row, heard);
    if (*ret_outcome == OUTBOX_STORED) {
        if (!state_put_outbox(tx, row, err)) {
            return false;
        }
        (void)add_entry(notify, row);
        return true;
    }
    counter_add(&notify->counters.collapsed, 1);
    row->id = last->row.id;
    /* Before a trigger nobody heard of there may be the end of an earlier incident; it stays, and
     * says all there is to say. */
    return *ret_outcome == OUTBOX_COLLAPSED ? outbox_remove(notify, tx, last, row->created_at, err)
                                            : replace(notify, tx, last, row, err);
}

bool outbox_drop_stale(Notify *notify, StateTx *tx, const OutboxEntry *entry, TimeMs now,
                       Err *err) {
    OutboxEntry *at = idmap_get(&notify->outbox.chains, chain_key(&entry->row));
    while (at && at != entry) {
        OutboxEntry *next = at->next_of_key;
        if (at->row.status == OUTBOX_FAILED && same_chain(&at->row, &entry->row) &&
            !outbox_remove(notify, tx, at, now, err)) {
            return false;
        }
        at = next;
    }
    return true;
}

bool outbox_load(Notify *notify, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    OutboxRow *rows;
    size_t count;
    if (!state_load_outbox(notify->state, &arena, &rows, &count, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        OutboxEntry *entry = add_entry(notify, &rows[i]);
        if (entry->row.status == OUTBOX_SENDING) {
            /* The last process ended between sending it and hearing of it. */
            entry->row.status = OUTBOX_QUEUED;
            entry->row.maybe_delivered = true;
            entry->row.due_at = 0;
            entry->is_repeat = true;
        }
    }
    return true;
}

void outbox_clear(Notify *notify) {
    for (size_t i = 0; i < notify->outbox.entries_count; i++) {
        free_entry(notify->outbox.entries[i]);
    }
    free(notify->outbox.entries);
    idmap_finish(&notify->outbox.chains);
    idmap_finish(&notify->outbox.by_id);
    notify->outbox = (Outbox){0};
}
