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
#include "store/seriesdata.h"

enum { NO_PIECE = UINT32_MAX };

/* The samples of a series in one block. */
typedef struct Piece {
    uint32_t block; /* index in the snapshot's list */
    uint32_t ordinal;
    uint32_t next; /* NO_PIECE at the end */
} Piece;

typedef struct SelectionSeries {
    LabelSet labels;
    HeadRef head; /* HEAD_REF_NONE: not there */
    uint32_t first_piece, last_piece;
} SelectionSeries;

struct StoreSelection {
    StoreSnapshot *snapshot;
    Arena arena;
    SelectionSeries *series; /* on the heap, as the next two */
    size_t series_count, series_cap;
    Piece *pieces;
    size_t pieces_count, pieces_cap;
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

static size_t table_find(const SeriesTable *table, const StoreSelection *selection, uint64_t hash,
                         LabelSet labels) {
    for (size_t at = hash & (table->slot_count - 1); table->slots[at];
         at = (at + 1) & (table->slot_count - 1)) {
        size_t index = table->slots[at] - 1;
        if (table->hashes[index] == hash && labels_eq(selection->series[index].labels, labels)) {
            return index;
        }
    }
    return SIZE_MAX;
}

static size_t add_series(StoreSelection *selection, LabelSet labels) {
    SelectionSeries series = {labels, HEAD_REF_NONE, NO_PIECE, NO_PIECE};
    VEC_PUSH(*selection, series, series);
    return selection->series_count - 1;
}

/* The series with these labels, made if it is new. */
static size_t find_or_add(StoreSelection *selection, SeriesTable *table, LabelSet labels) {
    uint64_t hash = labels_hash(labels).lo;
    size_t index = table_find(table, selection, hash, labels);
    if (index != SIZE_MAX) {
        return index;
    }
    index = add_series(selection, labels);
    table->hashes =
        mem_reserve(table->hashes, &table->hashes_cap, index + 1, sizeof *table->hashes);
    table->hashes[index] = hash;
    table_put(table, hash, index);
    return index;
}

static void add_piece(StoreSelection *selection, size_t index, uint32_t block, uint32_t ordinal) {
    SelectionSeries *series = &selection->series[index];
    Piece piece = {block, ordinal, NO_PIECE};
    uint32_t at = (uint32_t)selection->pieces_count;
    VEC_PUSH(*selection, pieces, piece);
    if (series->first_piece == NO_PIECE) {
        series->first_piece = at;
    } else {
        selection->pieces[series->last_piece].next = at;
    }
    series->last_piece = at;
}

typedef struct Selecting {
    StoreSelection *selection;
    const MatcherSet *sets;
    size_t set_count;
    TimeMs from, to;
    SeriesTable table;
    bool hashed; /* more than one place can have a series */
} Selecting;

static size_t take_series(Selecting *selecting, LabelSet labels) {
    return selecting->hashed ? find_or_add(selecting->selection, &selecting->table, labels)
                             : add_series(selecting->selection, labels);
}

static bool add_block(Selecting *selecting, uint32_t index, Err *err) {
    AUTO(arena_finish) Arena scratch = {0};
    StoreSelection *selection = selecting->selection;
    const BlockEntry *entry = &selection->snapshot->blocks->entries[index];
    uint32_t *ordinals;
    size_t count;
    if (!block_select(entry->block, selecting->sets, selecting->set_count, selecting->from,
                      selecting->to, &scratch, &ordinals, &count, err)) {
        return false;
    }
    if (selecting->hashed) {
        table_reserve(&selecting->table, selection->series_count, count);
    }
    for (size_t i = 0; i < count; i++) {
        if (!entry_hides(entry, ordinals[i], selecting->from, selecting->to)) {
            LabelSet labels = block_labels(entry->block, ordinals[i], &selection->arena);
            add_piece(selection, take_series(selecting, labels), index, ordinals[i]);
        }
    }
    return true;
}

static void add_head(Selecting *selecting) {
    StoreSelection *selection = selecting->selection;
    StoreSnapshot *snapshot = selection->snapshot;
    HeadMatch *matches = NULL;
    size_t count = 0;
    head_select(&snapshot->store->head, snapshot->epoch, selecting->sets, selecting->set_count,
                selecting->from, selecting->to, &selection->arena, &matches, &count);
    if (selecting->hashed) {
        table_reserve(&selecting->table, selection->series_count, count);
    }
    for (size_t i = 0; i < count; i++) {
        size_t index = take_series(selecting, matches[i].labels);
        selection->series[index].head = matches[i].ref;
    }
}

static bool overlaps(const BlockEntry *entry, TimeMs from, TimeMs to) {
    const BlockInfo *info = block_info(entry->block);
    return info->max >= from && info->min <= to;
}

/* The head comes first: its label text is shared, which makes sorting quicker. */
static bool gather(Selecting *selecting, Err *err) {
    const BlockList *blocks = selecting->selection->snapshot->blocks;
    for (size_t i = 0; i < blocks->count && !selecting->hashed; i++) {
        selecting->hashed = overlaps(&blocks->entries[i], selecting->from, selecting->to);
    }
    add_head(selecting);
    for (size_t i = 0; i < blocks->count; i++) {
        if (overlaps(&blocks->entries[i], selecting->from, selecting->to) &&
            !add_block(selecting, (uint32_t)i, err)) {
            return false;
        }
    }
    return true;
}

/* ---- selecting ---- */

/* Label text is kept once per string in the head and in each block, so most equal texts are the
 * same pointer. */
static int text_cmp(Str a, Str b) {
    return a.ptr == b.ptr && a.len == b.len ? 0 : str_cmp(a, b);
}

static int by_labels(const void *left, const void *right) {
    LabelSet a = ((const SelectionSeries *)left)->labels;
    LabelSet b = ((const SelectionSeries *)right)->labels;
    for (size_t i = 0; i < a.count && i < b.count; i++) {
        int order = text_cmp(a.items[i].name, b.items[i].name);
        order = order ? order : text_cmp(a.items[i].value, b.items[i].value);
        if (order) {
            return order;
        }
    }
    return (a.count > b.count) - (a.count < b.count);
}

bool snapshot_select(StoreSnapshot *snapshot, const MatcherSet *sets, size_t set_count, TimeMs from,
                     TimeMs to, size_t series_max, StoreSelection **ret_selection, Err *err) {
    AUTO(selection_freep) StoreSelection *selection = mem_zero(1, sizeof *selection);
    atomic_fetch_add(&snapshot->refs, 1);
    selection->snapshot = snapshot;
    Selecting selecting = {
        .selection = selection, .sets = sets, .set_count = set_count, .from = from, .to = to};
    bool good = gather(&selecting, err);
    table_finish(&selecting.table);
    if (!good) {
        return false;
    }
    size_t count = selection->series_count;
    if (series_max && count > series_max) {
        return err_set(err, ERR_LIMIT, "the selection has %zu series, more than the %zu allowed",
                       count, series_max);
    }
    if (count > 1) {
        qsort(selection->series, count, sizeof *selection->series, by_labels);
    }
    *ret_selection = TAKE(selection);
    return true;
}

void selection_free(StoreSelection *selection) {
    if (!selection) {
        return;
    }
    snapshot_release(selection->snapshot);
    arena_finish(&selection->arena);
    free(selection->series);
    free(selection->pieces);
    free(selection);
}

size_t selection_count(const StoreSelection *selection) {
    return selection->series_count;
}

LabelSet selection_labels(const StoreSelection *selection, size_t index) {
    assert(index < selection->series_count);
    return selection->series[index].labels;
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
    assert(index < selection->series_count);
    const SelectionSeries *series = &selection->series[index];
    SeriesData all = {0}, part, merged;
    for (uint32_t at = series->first_piece; at != NO_PIECE; at = selection->pieces[at].next) {
        read_piece(selection, &selection->pieces[at], from, to, arena, &part);
        series_data_merge(&all, &part, arena, &merged);
        all = merged;
    }
    if (series->head != HEAD_REF_NONE) {
        head_read(&selection->snapshot->store->head, selection->snapshot->epoch, series->head, from,
                  to, arena, &part);
        series_data_merge(&all, &part, arena, &merged);
        all = merged;
    }
    *ret_data = all;
}
