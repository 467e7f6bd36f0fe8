/* Label names and values of what a snapshot sees. */

#include <stdlib.h>

#include "base/mem.h"
#include "store/storeimpl.h"

/* Different texts, found by hash, on the heap; texts belong to the selection. */
typedef struct TextSet {
    Str *items;
    size_t items_count, items_cap;
    uint32_t *slots; /* item + 1 */
    size_t slot_count;
} TextSet;

static void text_set_finish(TextSet *set) {
    free(set->items);
    free(set->slots);
}

static void put_slot(TextSet *set, Str text, uint32_t item) {
    size_t at = hash64(text) & (set->slot_count - 1);
    while (set->slots[at]) {
        at = (at + 1) & (set->slot_count - 1);
    }
    set->slots[at] = item + 1;
}

static void grow(TextSet *set) {
    free(set->slots);
    set->slot_count = set->slot_count ? set->slot_count * 2 : 64;
    set->slots = mem_zero(set->slot_count, sizeof *set->slots);
    for (size_t i = 0; i < set->items_count; i++) {
        put_slot(set, set->items[i], (uint32_t)i);
    }
}

static void text_set_add(TextSet *set, Str text) {
    if (set->items_count * 2 >= set->slot_count) {
        grow(set);
    }
    for (size_t at = hash64(text) & (set->slot_count - 1); set->slots[at];
         at = (at + 1) & (set->slot_count - 1)) {
        if (str_eq(set->items[set->slots[at] - 1], text)) {
            return;
        }
    }
    VEC_PUSH(*set, items, text);
    put_slot(set, text, (uint32_t)set->items_count - 1);
}

static int by_text(const void *a, const void *b) {
    return str_cmp(*(const Str *)a, *(const Str *)b);
}

/* Sorted, copied, and cut to `limit`. */
static void give(TextSet *set, size_t limit, Arena *arena, Str **ret_texts, size_t *ret_count,
                 bool *ret_cut) {
    qsort(set->items, set->items_count, sizeof *set->items, by_text);
    size_t count = limit && limit < set->items_count ? limit : set->items_count;
    Str *texts = arena_array(arena, Str, count + 1);
    for (size_t i = 0; i < count; i++) {
        texts[i] = arena_str(arena, set->items[i]);
    }
    *ret_cut = count < set->items_count;
    *ret_texts = texts;
    *ret_count = count;
}

bool snapshot_label_names(StoreSnapshot *snapshot, const MatcherSet *sets, size_t set_count,
                          TimeMs from, TimeMs to, size_t limit, Arena *arena, Str **ret_names,
                          size_t *ret_count, bool *ret_cut, Err *err) {
    AUTO(selection_freep) StoreSelection *selection = NULL;
    if (!snapshot_select(snapshot, sets, set_count, from, to, 0, &selection, err)) {
        return false;
    }
    AUTO(text_set_finish) TextSet names = {0};
    for (size_t i = 0; i < selection_count(selection); i++) {
        LabelSet labels = selection_labels(selection, i);
        for (size_t j = 0; j < labels.count; j++) {
            text_set_add(&names, labels.items[j].name);
        }
    }
    give(&names, limit, arena, ret_names, ret_count, ret_cut);
    return true;
}

bool snapshot_label_values(StoreSnapshot *snapshot, Str name, const MatcherSet *sets,
                           size_t set_count, TimeMs from, TimeMs to, size_t limit, Arena *arena,
                           Str **ret_values, size_t *ret_count, bool *ret_cut, Err *err) {
    AUTO(selection_freep) StoreSelection *selection = NULL;
    if (!snapshot_select(snapshot, sets, set_count, from, to, 0, &selection, err)) {
        return false;
    }
    AUTO(text_set_finish) TextSet values = {0};
    for (size_t i = 0; i < selection_count(selection); i++) {
        Str value = labels_get(selection_labels(selection, i), name);
        if (value.len > 0) {
            text_set_add(&values, value);
        }
    }
    give(&values, limit, arena, ret_values, ret_count, ret_cut);
    return true;
}
