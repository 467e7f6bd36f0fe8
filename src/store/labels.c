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
    if (set->items_count) {
        qsort(set->items, set->items_count, sizeof *set->items, by_text);
    }
    size_t count = limit && limit < set->items_count ? limit : set->items_count;
    Str *texts = arena_array(arena, Str, count + 1);
    for (size_t i = 0; i < count; i++) {
        texts[i] = arena_str(arena, set->items[i]);
    }
    *ret_cut = count < set->items_count;
    *ret_texts = texts;
    *ret_count = count;
}

/* ---- where they come from ---- */

typedef struct Wanted {
    StoreSnapshot *snapshot;
    const MatcherSet *sets;
    size_t set_count;
    TimeMs from, to;
    Str name; /* values of this label; no name: the names themselves */
    bool names;
    TextSet *texts;
} Wanted;

static void add_head(const Wanted *wanted, Arena *arena) {
    Head *head = &wanted->snapshot->store->head;
    uint32_t *parts;
    size_t count;
    head_used_parts(head, wanted->snapshot->epoch, wanted->sets, wanted->set_count, wanted->from,
                    wanted->to, arena, &parts, &count);
    for (size_t i = 0; i < count; i++) {
        Label room[LABELS_MAX];
        LabelSet labels = parttable_labels(&head->parts, parts[i], room);
        for (size_t j = 0; j < labels.count; j++) {
            if (wanted->names) {
                text_set_add(wanted->texts, labels.items[j].name);
            } else if (str_eq(labels.items[j].name, wanted->name)) {
                text_set_add(wanted->texts, labels.items[j].value);
            }
        }
    }
}

/* Ordinals of the block's series that match and are not hidden; `*ret_all` where that is all of
 * them. */
static bool block_series(const Wanted *wanted, const BlockEntry *entry, Arena *arena,
                         uint32_t **ret_ordinals, size_t *ret_count, bool *ret_all, Err *err) {
    const BlockInfo *info = block_info(entry->block);
    *ret_all = wanted->set_count == 0 && !entry->hidden && info->min >= wanted->from &&
               info->max <= wanted->to;
    if (*ret_all) {
        return true;
    }
    uint32_t *ordinals;
    size_t count, kept = 0;
    if (!block_select(entry->block, wanted->sets, wanted->set_count, wanted->from, wanted->to,
                      arena, &ordinals, &count, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!entry_hides(entry, ordinals[i], wanted->from, wanted->to)) {
            ordinals[kept++] = ordinals[i];
        }
    }
    *ret_ordinals = ordinals;
    *ret_count = kept;
    return true;
}

static bool add_block(const Wanted *wanted, const BlockEntry *entry, Arena *arena, Err *err) {
    uint32_t *ordinals = NULL;
    size_t count = 0, text_count;
    bool all;
    Str *texts;
    if (!block_series(wanted, entry, arena, &ordinals, &count, &all, err)) {
        return false;
    }
    if (!all && count == 0) {
        return true;
    }
    if (wanted->names) {
        block_label_names(entry->block, all ? NULL : ordinals, count, arena, &texts, &text_count);
    } else {
        block_label_values(entry->block, wanted->name, all ? NULL : ordinals, count, arena, &texts,
                           &text_count);
    }
    for (size_t i = 0; i < text_count; i++) {
        text_set_add(wanted->texts, texts[i]);
    }
    return true;
}

static bool list_texts(Wanted *wanted, size_t limit, Arena *arena, Str **ret_texts,
                       size_t *ret_count, bool *ret_cut, Err *err) {
    AUTO(arena_finish) Arena scratch = {0};
    AUTO(text_set_finish) TextSet texts = {0};
    wanted->texts = &texts;
    add_head(wanted, &scratch);
    const BlockList *blocks = wanted->snapshot->blocks;
    for (size_t i = 0; i < blocks->count; i++) {
        const BlockInfo *info = block_info(blocks->entries[i].block);
        if (info->max >= wanted->from && info->min <= wanted->to &&
            !add_block(wanted, &blocks->entries[i], &scratch, err)) {
            return false;
        }
    }
    give(&texts, limit, arena, ret_texts, ret_count, ret_cut);
    return true;
}

bool snapshot_label_names(StoreSnapshot *snapshot, const MatcherSet *sets, size_t set_count,
                          TimeMs from, TimeMs to, size_t limit, Arena *arena, Str **ret_names,
                          size_t *ret_count, bool *ret_cut, Err *err) {
    Wanted wanted = {snapshot, sets, set_count, from, to, .names = true};
    return list_texts(&wanted, limit, arena, ret_names, ret_count, ret_cut, err);
}

bool snapshot_label_values(StoreSnapshot *snapshot, Str name, const MatcherSet *sets,
                           size_t set_count, TimeMs from, TimeMs to, size_t limit, Arena *arena,
                           Str **ret_values, size_t *ret_count, bool *ret_cut, Err *err) {
    Wanted wanted = {snapshot, sets, set_count, from, to, .name = name};
    return list_texts(&wanted, limit, arena, ret_values, ret_count, ret_cut, err);
}
