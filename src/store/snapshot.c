/* Snapshots and selections: the door's reading half. */

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/seriesdata.h"
#include "store/storeimpl.h"

struct StoreSnapshot {
    Store *store;
    uint32_t epoch;
    atomic_int refs; /* its holder and its selections */
};

typedef struct SelectionSeries {
    LabelSet labels;
    HeadRef head; /* HEAD_REF_NONE: not there */
} SelectionSeries;

struct StoreSelection {
    StoreSnapshot *snapshot;
    Arena arena;
    SelectionSeries *series;
    size_t count;
};

StoreSnapshot *store_snapshot(Store *store) {
    StoreSnapshot *snapshot = mem_zero(1, sizeof *snapshot);
    snapshot->store = store;
    snapshot->refs = 1;
    head_gate_shut(&store->head);
    snapshot->epoch = head_epoch_begin(&store->head);
    head_gate_open(&store->head);
    return snapshot;
}

void snapshot_release(StoreSnapshot *snapshot) {
    if (!snapshot || atomic_fetch_sub(&snapshot->refs, 1) > 1) {
        return;
    }
    head_epoch_end(&snapshot->store->head, snapshot->epoch);
    free(snapshot);
}

/* ---- selecting ---- */

/* Label text of the head is kept once per string, so most equal texts are the same pointer. */
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
    HeadMatch *matches = NULL;
    size_t count = 0;
    head_select(&snapshot->store->head, snapshot->epoch, sets, set_count, from, to,
                &selection->arena, &matches, &count);
    if (series_max && count > series_max) {
        return err_set(err, ERR_LIMIT, "the selection has %zu series, more than the %zu allowed",
                       count, series_max);
    }
    selection->series = arena_raw(&selection->arena, (count + 1) * sizeof *selection->series);
    for (size_t i = 0; i < count; i++) {
        selection->series[i] = (SelectionSeries){matches[i].labels, matches[i].ref};
    }
    selection->count = count;
    qsort(selection->series, count, sizeof *selection->series, by_labels);
    *ret_selection = TAKE(selection);
    return true;
}

void selection_free(StoreSelection *selection) {
    if (!selection) {
        return;
    }
    snapshot_release(selection->snapshot);
    arena_finish(&selection->arena);
    free(selection);
}

size_t selection_count(const StoreSelection *selection) {
    return selection->count;
}

LabelSet selection_labels(const StoreSelection *selection, size_t index) {
    assert(index < selection->count);
    return selection->series[index].labels;
}

uint64_t selection_series_id(const StoreSelection *selection, size_t index) {
    return labels_hash(selection_labels(selection, index)).lo;
}

void selection_read(const StoreSelection *selection, size_t index, TimeMs from, TimeMs to,
                    Arena *arena, SeriesData *ret_data) {
    assert(index < selection->count);
    const SelectionSeries *series = &selection->series[index];
    head_read(&selection->snapshot->store->head, selection->snapshot->epoch, series->head, from, to,
              arena, ret_data);
}
