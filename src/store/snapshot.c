/*
 * Snapshots and selections: the door's reading half.
 *
 * A selection gathers, for each label set, where its samples are: the head and any number of
 * blocks. Those places are a list of pieces, oldest block first; reading merges them in this order,
 * so that the last written wins.
 */

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/blocks.h"
#include "store/foundsort.h"
#include "store/selectcache.h"
#include "store/seriesdata.h"

struct StoreSelection {
    StoreSnapshot *snapshot;
    Finding *finding;
    uint32_t *kept; /* which series of the finding; NULL: all. On the heap */
    size_t count;
    bool with_head; /* the head has samples of such series */
};

StoreSnapshot *store_snapshot(Store *store) {
    StoreSnapshot *snapshot = mem_zero(1, sizeof *snapshot);
    snapshot->store = store;
    snapshot->refs = 1;
    head_gate_shut(&store->head);
    snapshot->epoch = head_epoch_begin(&store->head);
    snapshot->blocks = blocks_list(store);
    head_gate_open(&store->head);
    return snapshot;
}

void snapshot_release(StoreSnapshot *snapshot) {
    if (!snapshot || atomic_fetch_sub(&snapshot->refs, 1) > 1) {
        return;
    }
    head_epoch_end(&snapshot->store->head, snapshot->epoch);
    blocklist_unref(snapshot->blocks);
    free(snapshot);
}

/* ---- gathering ---- */

/* Series by the hash of their labels: several places can have the same. */
typedef struct SeriesTable {
    uint32_t *slots;  /* index + 1 */
    uint64_t *hashes; /* per series */
    size_t slot_count, hashes_cap;
} SeriesTable;

static void table_finish(SeriesTable *table) {
    free(table->slots);
    free(table->hashes);
}

static void table_put(SeriesTable *table, uint64_t hash, size_t index) {
    size_t at = hash & (table->slot_count - 1);
    while (table->slots[at]) {
        at = (at + 1) & (table->slot_count - 1);
    }
    table->slots[at] = (uint32_t)index + 1;
}

static void table_reserve(SeriesTable *table, size_t series_count, size_t more) {
    size_t need = (series_count + more) * 2;
    if (table->slot_count >= need) {
        return;
    }
    size_t count = 64;
    while (count < need) {
        count *= 2;
    }
    free(table->slots);
    table->slots = mem_zero(count, sizeof *table->slots);
    table->slot_count = count;
    for (size_t i = 0; i < series_count; i++) {
        table_put(table, table->hashes[i], i);
    }
}

static size_t table_find(const SeriesTable *table, const Finding *finding, uint64_t hash,
                         LabelSet labels) {
    for (size_t at = hash & (table->slot_count - 1); table->slots[at];
         at = (at + 1) & (table->slot_count - 1)) {
        size_t index = table->slots[at] - 1;
        if (table->hashes[index] == hash && labels_eq(finding->series[index].labels, labels)) {
            return index;
        }
    }
    return SIZE_MAX;
}

/* Copies the array; the text belongs to the head or to a block. */
static size_t add_series(Finding *finding, LabelSet labels) {
    Label *items = arena_raw(&finding->arena, labels.count * sizeof *items);
    if (labels.count) {
        memcpy(items, labels.items, labels.count * sizeof *items);
    }
    FoundSeries series = {{items, labels.count}, HEAD_REF_NONE, NO_PIECE, NO_PIECE};
    VEC_PUSH(*finding, series, series);
    return finding->series_count - 1;
}

/* The series with these labels, made if it is new. */
static size_t find_or_add(Finding *finding, SeriesTable *table, LabelSet labels) {
    uint64_t hash = labels_hash(labels).lo;
    size_t index = table_find(table, finding, hash, labels);
    if (index != SIZE_MAX) {
        return index;
    }
    index = add_series(finding, labels);
    table->hashes =
        mem_reserve(table->hashes, &table->hashes_cap, index + 1, sizeof *table->hashes);
    table->hashes[index] = hash;
    table_put(table, hash, index);
    return index;
}

static void add_piece(Finding *finding, size_t index, uint32_t block, uint32_t ordinal) {
    FoundSeries *series = &finding->series[index];
    Piece piece = {block, ordinal, NO_PIECE};
    uint32_t at = (uint32_t)finding->pieces_count;
    VEC_PUSH(*finding, pieces, piece);
    if (series->first_piece == NO_PIECE) {
        series->first_piece = at;
    } else {
        finding->pieces[series->last_piece].next = at;
    }
    series->last_piece = at;
}

typedef struct Selecting {
    StoreSnapshot *snapshot;
    Finding *finding;
    const MatcherSet *sets;
    size_t set_count;
    TimeMs from, to;
    bool with_head;
    SeriesTable table;
    bool hashed; /* more than one place can have a series */
} Selecting;

static size_t take_series(Selecting *selecting, LabelSet labels) {
    return selecting->hashed ? find_or_add(selecting->finding, &selecting->table, labels)
                             : add_series(selecting->finding, labels);
}

static bool add_block(Selecting *selecting, uint32_t index, Err *err) {
    AUTO(arena_finish) Arena scratch = {0}, room = {0};
    Finding *finding = selecting->finding;
    const BlockEntry *entry = &selecting->snapshot->blocks->entries[index];
    uint32_t *ordinals;
    size_t count;
    if (!block_select(entry->block, selecting->sets, selecting->set_count, selecting->from,
                      selecting->to, &scratch, &ordinals, &count, err)) {
        return false;
    }
    if (selecting->hashed) {
        table_reserve(&selecting->table, finding->series_count, count);
    }
    for (size_t i = 0; i < count; i++) {
        if (!entry_hides(entry, ordinals[i], selecting->from, selecting->to)) {
            arena_reset(&room);
            LabelSet labels = block_labels(entry->block, ordinals[i], &room);
            add_piece(finding, take_series(selecting, labels), index, ordinals[i]);
        }
    }
    return true;
}

static void add_head(Selecting *selecting) {
    AUTO(arena_finish) Arena scratch = {0};
    Finding *finding = selecting->finding;
    HeadMatch *matches = NULL;
    size_t count = 0;
    head_select_all(&selecting->snapshot->store->head, selecting->sets, selecting->set_count,
                    &scratch, &matches, &count);
    if (selecting->hashed) {
        table_reserve(&selecting->table, finding->series_count, count);
    }
    for (size_t i = 0; i < count; i++) {
        size_t index = take_series(selecting, matches[i].labels);
        finding->series[index].head = matches[i].ref;
    }
}

static bool overlaps(const BlockEntry *entry, TimeMs from, TimeMs to) {
    const BlockInfo *info = block_info(entry->block);
    return info->max >= from && info->min <= to;
}

/* The head comes first: its label text is shared, which makes sorting quicker. */
static bool gather(Selecting *selecting, Err *err) {
    const BlockList *blocks = selecting->snapshot->blocks;
    size_t places = selecting->with_head;
    for (size_t i = 0; i < blocks->count; i++) {
        places += overlaps(&blocks->entries[i], selecting->from, selecting->to);
    }
    selecting->hashed = places > 1;
    if (selecting->with_head) {
        add_head(selecting);
    }
    for (size_t i = 0; i < blocks->count; i++) {
        if (overlaps(&blocks->entries[i], selecting->from, selecting->to) &&
            !add_block(selecting, (uint32_t)i, err)) {
            return false;
        }
    }
    return true;
}

/* ---- selecting ---- */

/* What the cache calls the question: the matchers, and the blocks that are asked. False where the
 * answer depends on the times in another way: something is deleted from one of these blocks. */
static bool put_question(const Selecting *selecting, Buf *out) {
    for (size_t i = 0; i < selecting->set_count; i++) {
        const MatcherSet *set = &selecting->sets[i];
        buf_put(out, (const char *)&set->count, sizeof set->count);
        for (size_t j = 0; j < set->count; j++) {
            const Matcher *matcher = &set->items[j];
            const size_t head[] = {matcher->type, matcher->name.len, matcher->value.len};
            buf_put(out, (const char *)head, sizeof head);
            buf_str(out, matcher->name);
            buf_str(out, matcher->value);
        }
    }
    const BlockList *blocks = selecting->snapshot->blocks;
    for (uint32_t i = 0; i < blocks->count; i++) {
        if (overlaps(&blocks->entries[i], selecting->from, selecting->to)) {
            if (blocks->entries[i].hidden) {
                return false;
            }
            buf_put(out, (const char *)&i, sizeof i);
        }
    }
    buf_byte(out, selecting->with_head ? 'h' : 'b');
    return true;
}

static bool find_series(Selecting *selecting, Err *err) {
    selecting->finding = finding_new(selecting->snapshot->blocks);
    bool good = gather(selecting, err);
    table_finish(&selecting->table);
    Finding *finding = selecting->finding;
    if (good) {
        found_sort(finding->series, finding->series_count);
    }
    return good;
}

/* The list that a finding was made for may have been replaced meanwhile. */
static void remember(Store *store, const SelectKey *key, Finding *finding) {
    select_cache_put(store->selections, key, finding);
    pthread_mutex_lock(&store->list_lock);
    bool current = store->blocks == key->blocks;
    pthread_mutex_unlock(&store->list_lock);
    if (!current) {
        select_cache_clear(store->selections);
    }
}

/* Sets selecting->finding, with a reference in any case but for the cache's NULL. */
static bool find_or_remember(Selecting *selecting, Err *err) {
    Store *store = selecting->snapshot->store;
    AUTO(buf_finish) Buf question = {0};
    bool memorable = put_question(selecting, &question);
    SelectKey key = {.question = buf_view(&question), .blocks = selecting->snapshot->blocks};
    if (selecting->with_head) {
        key.births = store->head.births; /* before looking: later ones make it a different key */
        key.deaths = store->head.deaths;
    }
    selecting->finding = memorable ? select_cache_get(store->selections, &key) : NULL;
    if (selecting->finding) {
        return true;
    }
    if (!find_series(selecting, err)) {
        return false;
    }
    if (memorable) {
        remember(store, &key, selecting->finding);
    }
    return true;
}

/* Leaves out series that only the head knows and that have no samples there. */
static void keep_seen(StoreSelection *selection, TimeMs from, TimeMs to) {
    const Finding *finding = selection->finding;
    StoreSnapshot *snapshot = selection->snapshot;
    uint32_t *kept = mem_grow(NULL, (finding->series_count + 1) * sizeof *kept);
    size_t count = 0;
    for (uint32_t i = 0; i < finding->series_count; i++) {
        const FoundSeries *series = &finding->series[i];
        if (series->first_piece != NO_PIECE ||
            head_sees(&snapshot->store->head, snapshot->epoch, series->head, from, to)) {
            kept[count++] = i;
        }
    }
    selection->kept = kept;
    selection->count = count;
}

bool snapshot_select(StoreSnapshot *snapshot, const MatcherSet *sets, size_t set_count, TimeMs from,
                     TimeMs to, size_t series_max, StoreSelection **ret_selection, Err *err) {
    AUTO(selection_freep) StoreSelection *selection = mem_zero(1, sizeof *selection);
    atomic_fetch_add(&snapshot->refs, 1);
    selection->snapshot = snapshot;
    selection->with_head =
        head_any(&snapshot->store->head, snapshot->epoch, sets, set_count, from, to);
    Selecting selecting = {.snapshot = snapshot,
                           .sets = sets,
                           .set_count = set_count,
                           .from = from,
                           .to = to,
                           .with_head = selection->with_head};
    bool good = find_or_remember(&selecting, err);
    selection->finding = selecting.finding;
    if (!good) {
        return false;
    }
    selection->count = selection->finding->series_count;
    if (selection->with_head) {
        keep_seen(selection, from, to);
    }
    size_t count = selection->count;
    if (series_max && count > series_max) {
        return err_set(err, ERR_LIMIT, "the selection has %zu series, more than the %zu allowed",
                       count, series_max);
    }
    *ret_selection = TAKE(selection);
    return true;
}

void selection_free(StoreSelection *selection) {
    if (!selection) {
        return;
    }
    snapshot_release(selection->snapshot);
    finding_unref(selection->finding);
    free(selection->kept);
    free(selection);
}

size_t selection_count(const StoreSelection *selection) {
    return selection->count;
}

static const FoundSeries *series_at(const StoreSelection *selection, size_t index) {
    assert(index < selection->count);
    size_t at = selection->kept ? selection->kept[index] : index;
    return &selection->finding->series[at];
}

LabelSet selection_labels(const StoreSelection *selection, size_t index) {
    return series_at(selection, index)->labels;
}

uint64_t selection_series_id(const StoreSelection *selection, size_t index) {
    return labels_hash(selection_labels(selection, index)).lo;
}

/* ---- reading ---- */

static void read_piece(const StoreSelection *selection, const Piece *piece, TimeMs from, TimeMs to,
                       Arena *arena, SeriesData *ret_data) {
    const BlockEntry *entry = &selection->snapshot->blocks->entries[piece->block];
    *ret_data = (SeriesData){0};
    if (!overlaps(entry, from, to)) {
        return;
    }
    block_read(entry->block, piece->ordinal, from, to, arena, ret_data);
    if (entry->hidden) {
        hidden_apply(entry->hidden->ranges, entry->hidden->count, piece->ordinal, arena, ret_data);
    }
}

void selection_read(const StoreSelection *selection, size_t index, TimeMs from, TimeMs to,
                    Arena *arena, SeriesData *ret_data) {
    const FoundSeries *series = series_at(selection, index);
    const Piece *pieces = selection->finding->pieces;
    SeriesData all = {0}, part, merged;
    for (uint32_t at = series->first_piece; at != NO_PIECE; at = pieces[at].next) {
        read_piece(selection, &pieces[at], from, to, arena, &part);
        series_data_merge(&all, &part, arena, &merged);
        all = merged;
    }
    if (series->head != HEAD_REF_NONE && selection->with_head) {
        head_read(&selection->snapshot->store->head, selection->snapshot->epoch, series->head, from,
                  to, arena, &part);
        series_data_merge(&all, &part, arena, &merged);
        all = merged;
    }
    *ret_data = all;
}
