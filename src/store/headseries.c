/* Finding and making the head's series: parts, the shards' tables. */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/head.h"

void head_find(Head *head, const Hash128 *keys, size_t count, HeadRef *ret_refs) {
    aliases_find(&head->aliases, keys, count, HEAD_REF_NONE, ret_refs);
}

/* ---- parts ---- */

static uint32_t add_part(Head *head, uint32_t id, LabelPart kind, LabelSet part) {
    uint32_t source = 0;
    if (kind == PART_NAME) {
        source = ++head->name_count;
    } else if (kind == head->source_part) {
        source = sources_number(&head->sources, labels_get(part, str_of(head->source_label)));
    }
    return parttable_add(&head->parts, id, kind, part, source);
}

static uint32_t find_part(Head *head, LabelPart kind, LabelSet part, bool *ret_new) {
    *ret_new = false;
    uint32_t id = parttable_find(&head->parts, part);
    if (id != UINT32_MAX) {
        return id;
    }
    *ret_new = true;
    return add_part(head, UINT32_MAX, kind, part);
}

/* Twice: samples mean nothing without them, and a damaged place takes one copy. */
static bool log_definitions(Head *head, RecordType type, Str definitions, Err *err) {
    bool good = true;
    uint64_t lsn;
    for (int copy = 0; copy < 2 && good && definitions.len > 0 && head->journal; copy++) {
        good = journal_append(head->journal, type, definitions, &lsn, err);
    }
    return good;
}

/* Numbers of the parts of all series to be made; new parts are written to the journal before anyone
 * else can see them. */
static bool find_parts(Head *head, const HeadMake *makes, size_t count, bool logged,
                       uint32_t (*ret_parts)[PART_COUNT], Err *err) {
    AUTO(buf_finish) Buf definitions = {0};
    parttable_lock(&head->parts);
    for (size_t i = 0; i < count; i++) {
        Label room[LABELS_MAX];
        LabelSet parts[PART_COUNT];
        if (makes[i].ref == HEAD_REF_DROPPED) {
            continue;
        }
        parts_split(makes[i].labels, room, parts);
        for (int kind = 0; kind < PART_COUNT; kind++) {
            bool is_new;
            uint32_t id = find_part(head, (LabelPart)kind, parts[kind], &is_new);
            ret_parts[i][kind] = id;
            if (is_new && id != UINT32_MAX) {
                record_put_part(&definitions, id, (LabelPart)kind, parts[kind]);
            }
        }
    }
    bool good = !logged || log_definitions(head, RECORD_PARTS, buf_view(&definitions), err);
    parttable_unlock(&head->parts);
    return good;
}

LabelSet head_labels(const Head *head, const uint32_t part[PART_COUNT], Label *room) {
    Label scattered[LABELS_MAX];
    LabelSet parts[PART_COUNT];
    size_t used = 0;
    for (int kind = 0; kind < PART_COUNT; kind++) {
        parts[kind] = parttable_labels(&head->parts, part[kind], scattered + used);
        used += parts[kind].count;
    }
    return parts_join(parts, room);
}

/* ---- the shards' tables ---- */

static uint64_t parts_hash(const uint32_t part[PART_COUNT]) {
    return hash64((Str){(const char *)part, PART_COUNT * sizeof part[0]});
}

static size_t table_place(const HeadShard *shard, const uint32_t part[PART_COUNT], uint64_t hash) {
    size_t mask = shard->table_size - 1;
    size_t at = hash & mask;
    while (shard->table[at] && memcmp(shard_series(shard, shard->table[at] - 1)->part, part,
                                      PART_COUNT * sizeof part[0]) != 0) {
        at = (at + 1) & mask;
    }
    return at;
}

/* Doubles the table and fills it anew. */
static void grow_table(HeadShard *shard) {
    free(shard->table);
    shard->table_size = shard->table_size ? shard->table_size * 2 : 256;
    shard->table = mem_zero(shard->table_size, sizeof *shard->table);
    for (uint32_t slot = 0; slot < shard->slot_count; slot++) {
        HeadSeries *series = shard_series(shard, slot);
        if (series->part[0] != UINT32_MAX) {
            size_t at = parts_hash(series->part) & (shard->table_size - 1);
            while (shard->table[at]) {
                at = (at + 1) & (shard->table_size - 1);
            }
            shard->table[at] = slot + 1;
        }
    }
}

/* Makes slots up to and including `slot` exist. */
static void reach_slot(HeadShard *shard, uint32_t slot) {
    while (shard->slot_count <= slot) {
        if (shard->slot_count % HEAD_PAGE == 0) {
            HeadSeries *page = mem_zero(HEAD_PAGE, sizeof *page);
            VEC_PUSH(*shard, pages, page);
        }
        HeadSeries *series = shard_series(shard, shard->slot_count);
        series->part[0] = UINT32_MAX;
        shard->slot_count++;
    }
}

static uint32_t take_slot(HeadShard *shard) {
    if (shard->free_slot) {
        uint32_t slot = shard->free_slot - 1;
        shard->free_slot = shard_series(shard, slot)->next;
        return slot;
    }
    reach_slot(shard, shard->slot_count);
    return shard->slot_count - 1;
}

/* The newest chains first: a batch brings many series of one source. */
static HeadChain *chain_of(HeadShard *shard, uint32_t name, uint32_t source) {
    if (name >= shard->names_count) {
        size_t before = shard->names_cap;
        shard->names = mem_reserve(shard->names, &shard->names_cap, name + 1, sizeof *shard->names);
        memset(shard->names + before, 0, (shard->names_cap - before) * sizeof *shard->names);
        shard->names_count = shard->names_cap;
    }
    HeadName *all = &shard->names[name];
    for (uint32_t i = all->count; i-- > 0;) {
        if (all->chains[i].source == source) {
            return &all->chains[i];
        }
    }
    if (all->count == all->cap) {
        all->cap = all->cap ? all->cap * 2 : 1;
        all->chains = mem_grow(all->chains, all->cap * sizeof *all->chains);
    }
    all->chains[all->count] = (HeadChain){.source = source};
    return &all->chains[all->count++];
}

static void link_name(Head *head, HeadShard *shard, HeadSeries *series, uint32_t slot) {
    uint32_t name = parttable_entry(&head->parts, series->part[PART_NAME])->source;
    uint32_t source = parttable_entry(&head->parts, series->part[head->source_part])->source;
    HeadChain *chain = chain_of(shard, name, source);
    series->next = chain->first;
    chain->first = slot + 1;
}

static void fill_slot(Head *head, HeadShard *shard, uint32_t slot,
                      const uint32_t part[PART_COUNT]) {
    HeadSeries *series = shard_series(shard, slot);
    *series = (HeadSeries){.open.last_time = TIME_MIN};
    memcpy(series->part, part, sizeof series->part);
    if ((shard->series + 1) * 4 >= shard->table_size * 3) {
        grow_table(shard); /* finds the series just filled in, too */
    }
    shard->table[table_place(shard, part, parts_hash(part))] = slot + 1;
    link_name(head, shard, series, slot);
    shard->series++;
    head->births++;
}

static unsigned shard_of(const uint32_t part[PART_COUNT]) {
    return (unsigned)(parts_hash(part) >> 60); /* the table uses the low bits */
}

static HeadRef make_ref(unsigned shard, uint32_t slot) {
    return (HeadRef)shard << HEAD_SLOT_BITS | slot;
}

/* Counts the new series against the limits; a sentence if it is over one. */
static char *over_limit(Head *head, const uint32_t part[PART_COUNT], Arena *arena) {
    uint32_t source = parttable_entry(&head->parts, part[head->source_part])->source;
    uint64_t max = head->series_max;
    if (max && head->series_count >= max) {
        return (char *)arena_printf(arena, "limit of %llu active series reached",
                                    (unsigned long long)max)
            .ptr;
    }
    if (!sources_add_series(&head->sources, source, &max)) {
        LabelSet labels = {0};
        Label room[LABELS_MAX];
        labels = parttable_labels(&head->parts, part[head->source_part], room);
        Str name = labels_get(labels, str_of(head->source_label));
        return (char *)arena_printf(arena, "limit of %llu active series reached for %s=\"%.*s\"",
                                    (unsigned long long)max, head->source_label, STR_ARG(name))
            .ptr;
    }
    head->series_count++;
    return NULL;
}

static bool room_for_series(const HeadShard *shard) {
    return shard->free_slot || shard->slot_count < (1U << HEAD_SLOT_BITS) - 2;
}

static void find_or_make(Head *head, unsigned shard_index, HeadMake *make,
                         const uint32_t part[PART_COUNT], Buf *definitions, Arena *arena) {
    HeadShard *shard = &head->shards[shard_index];
    if (shard->table_size) {
        uint32_t found = shard->table[table_place(shard, part, parts_hash(part))];
        if (found) {
            make->ref = make_ref(shard_index, found - 1);
            return;
        }
    }
    make->ref = HEAD_REF_NONE;
    make->refusal = room_for_series(shard) ? over_limit(head, part, arena) : "too many series";
    if (make->refusal) {
        return;
    }
    uint32_t slot = take_slot(shard);
    fill_slot(head, shard, slot, part);
    make->created = true;
    make->ref = make_ref(shard_index, slot);
    record_put_series(definitions, make->ref, part);
}

/* All series of one shard. Definitions are in the journal before the lock is left: whoever finds
 * the series can refer to it. */
static bool make_in_shard(Head *head, unsigned shard_index, HeadMake *makes,
                          uint32_t (*parts)[PART_COUNT], size_t count, bool logged, Arena *arena,
                          Err *err) {
    HeadShard *shard = &head->shards[shard_index];
    AUTO(buf_finish) Buf definitions = {0};
    pthread_mutex_lock(&shard->lock);
    for (size_t i = 0; i < count; i++) {
        if (makes[i].ref != HEAD_REF_DROPPED && shard_of(parts[i]) == shard_index) {
            find_or_make(head, shard_index, &makes[i], parts[i], &definitions, arena);
        }
    }
    bool good = !logged || log_definitions(head, RECORD_SERIES, buf_view(&definitions), err);
    pthread_mutex_unlock(&shard->lock);
    return good;
}

static bool part_missing(const uint32_t part[PART_COUNT]) {
    for (int kind = 0; kind < PART_COUNT; kind++) {
        if (part[kind] == UINT32_MAX) {
            return true;
        }
    }
    return false;
}

bool head_make(Head *head, HeadMake *makes, size_t count, bool logged, Arena *arena, Err *err) {
    uint32_t(*parts)[PART_COUNT] = arena_alloc(arena, (count + 1) * sizeof *parts);
    if (!find_parts(head, makes, count, logged, parts, err)) {
        return false;
    }
    bool used[HEAD_SHARDS] = {false};
    for (size_t i = 0; i < count; i++) {
        if (part_missing(parts[i])) {
            return err_set(err, ERR_LIMIT, "too many different labels");
        }
        used[shard_of(parts[i])] |= makes[i].ref != HEAD_REF_DROPPED;
    }
    for (unsigned shard = 0; shard < HEAD_SHARDS; shard++) {
        if (used[shard] && !make_in_shard(head, shard, makes, parts, count, logged, arena, err)) {
            return false;
        }
    }
    aliases_lock(&head->aliases);
    for (size_t i = 0; i < count; i++) {
        if (makes[i].ref != HEAD_REF_NONE) {
            aliases_put(&head->aliases, makes[i].key, makes[i].ref);
        }
    }
    aliases_unlock(&head->aliases);
    return true;
}

/* ---- replay ---- */

/* A damaged number must not make us reserve memory for millions of series: refs are given in order.
 */
enum { REPLAY_GAP_MAX = 1 << 22 };

bool head_define_part(Head *head, uint32_t id, LabelPart kind, LabelSet part) {
    if (id == 0 || part.count == 0) {
        return id == 0 && part.count == 0;
    }
    if (id < parttable_count(&head->parts) && parttable_entry(&head->parts, id)->label_count > 0) {
        return true; /* the second copy of the definition */
    }
    return add_part(head, id, kind, part) == id;
}

bool head_defined(const Head *head, HeadRef ref) {
    const HeadShard *shard = &head->shards[ref >> HEAD_SLOT_BITS];
    uint32_t slot = head_slot(ref);
    return slot < shard->slot_count && shard_series(shard, slot)->part[0] != UINT32_MAX;
}

static bool parts_defined(const Head *head, const uint32_t part[PART_COUNT]) {
    for (int kind = 0; kind < PART_COUNT; kind++) {
        if (part[kind] >= parttable_count(&head->parts) ||
            (part[kind] && parttable_entry(&head->parts, part[kind])->label_count == 0)) {
            return false;
        }
    }
    return true;
}

bool head_define(Head *head, HeadRef ref, const uint32_t part[PART_COUNT]) {
    HeadShard *shard = head_shard(head, ref);
    uint32_t slot = head_slot(ref);
    if (head_defined(head, ref)) {
        return true; /* the second copy of the definition */
    }
    if (ref >= HEAD_REF_DROPPED || slot > shard->slot_count + REPLAY_GAP_MAX ||
        !parts_defined(head, part)) {
        return false;
    }
    reach_slot(shard, slot);
    fill_slot(head, shard, slot, part);
    uint64_t max;
    uint32_t source = parttable_entry(&head->parts, part[head->source_part])->source;
    (void)sources_add_series(&head->sources, source, &max);
    head->series_count++;
    return true;
}

static void rebuild_shard(Head *head, HeadShard *shard) {
    shard->table_size /= 2; /* doubled again: same size */
    grow_table(shard);
    for (size_t i = 0; i < shard->names_count; i++) {
        shard->names[i].count = 0;
    }
    for (uint32_t slot = 0; slot < shard->slot_count; slot++) {
        HeadSeries *series = shard_series(shard, slot);
        if (series->part[0] != UINT32_MAX) {
            link_name(head, shard, series, slot);
        }
    }
}

static bool is_in_use(void *ctx, HeadRef ref) {
    const Head *head = ctx;
    return ref == HEAD_REF_DROPPED || (ref < HEAD_REF_DROPPED && head_defined(head, ref));
}

void head_rebuild(Head *head) {
    for (int i = 0; i < HEAD_SHARDS; i++) {
        HeadShard *shard = &head->shards[i];
        pthread_mutex_lock(&shard->lock);
        if (shard->table_size > 0) {
            rebuild_shard(head, shard);
        }
        pthread_mutex_unlock(&shard->lock);
    }
    aliases_filter(&head->aliases, is_in_use, head);
}

void head_collect_free(Head *head) {
    for (int i = 0; i < HEAD_SHARDS; i++) {
        HeadShard *shard = &head->shards[i];
        shard->free_slot = 0;
        for (uint32_t slot = shard->slot_count; slot-- > 0;) {
            HeadSeries *series = shard_series(shard, slot);
            if (series->part[0] == UINT32_MAX) {
                series->next = shard->free_slot;
                shard->free_slot = slot + 1;
            }
        }
    }
}
