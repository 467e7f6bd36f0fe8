#include "store/blocklist.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

/* ---- what is hidden ---- */

static HiddenSet *hidden_ref(HiddenSet *hidden) {
    if (hidden) {
        atomic_fetch_add(&hidden->refs, 1);
    }
    return hidden;
}

void hidden_unref(HiddenSet *hidden) {
    if (hidden && atomic_fetch_sub(&hidden->refs, 1) == 1) {
        free(hidden->ranges);
        free(hidden);
    }
}

static int by_ordinal(const void *a, const void *b) {
    uint32_t x = ((const HiddenRange *)a)->ordinal, y = ((const HiddenRange *)b)->ordinal;
    return (x > y) - (x < y);
}

HiddenSet *hidden_with(const HiddenSet *old, const uint32_t *ordinals, size_t count, TimeMs from,
                       TimeMs to) {
    size_t old_count = old ? old->count : 0;
    HiddenSet *hidden = mem_zero(1, sizeof *hidden);
    hidden->refs = 1;
    hidden->ranges = mem_grow(NULL, (old_count + count + 1) * sizeof *hidden->ranges);
    if (old_count > 0) {
        memcpy(hidden->ranges, old->ranges, old_count * sizeof *hidden->ranges);
    }
    hidden->count = old_count;
    for (size_t i = 0; i < count; i++) {
        hidden->ranges[hidden->count++] = (HiddenRange){ordinals[i], from, to};
    }
    qsort(hidden->ranges, hidden->count, sizeof *hidden->ranges, by_ordinal);
    return hidden;
}

/* One range that covers all of [from, to]. */
static bool hidden_covers(const HiddenSet *hidden, uint32_t ordinal, TimeMs from, TimeMs to) {
    size_t low = 0, high = hidden->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (hidden->ranges[middle].ordinal < ordinal) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < hidden->count && hidden->ranges[low].ordinal == ordinal; low++) {
        if (hidden->ranges[low].from <= from && hidden->ranges[low].to >= to) {
            return true;
        }
    }
    return false;
}

bool entry_hides(const BlockEntry *entry, uint32_t ordinal, TimeMs from, TimeMs to) {
    if (!entry->hidden) {
        return false;
    }
    const BlockInfo *info = block_info(entry->block);
    return hidden_covers(entry->hidden, ordinal, from > info->min ? from : info->min,
                         to < info->max ? to : info->max);
}

/* ---- lists ---- */

BlockList *blocklist_ref(BlockList *list) {
    atomic_fetch_add(&list->refs, 1);
    return list;
}

void blocklist_unref(BlockList *list) {
    if (!list || atomic_fetch_sub(&list->refs, 1) > 1) {
        return;
    }
    for (size_t i = 0; i < list->count; i++) {
        block_unref(list->entries[i].block);
        hidden_unref(list->entries[i].hidden);
    }
    free(list);
}

static BlockList *new_list(size_t count) {
    BlockList *list = mem_zero(1, sizeof *list + count * sizeof list->entries[0]);
    list->refs = 1;
    return list;
}

static BlockEntry shared_entry(const BlockEntry *entry) {
    return (BlockEntry){block_ref(entry->block), hidden_ref(entry->hidden), entry->number};
}

static bool is_among(const BlockEntry *entry, const BlockEntry *some, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (some[i].block == entry->block) {
            return true;
        }
    }
    return false;
}

BlockList *blocklist_change(const BlockList *list, const BlockEntry *without, size_t without_count,
                            const BlockEntry *added) {
    BlockList *changed = new_list((list ? list->count : 0) + 1);
    bool placed = !added;
    for (size_t i = 0; list && i < list->count; i++) {
        if (!placed && list->entries[i].number > added->number) {
            changed->entries[changed->count++] = *added;
            placed = true;
        }
        if (!is_among(&list->entries[i], without, without_count)) {
            changed->entries[changed->count++] = shared_entry(&list->entries[i]);
        }
    }
    if (!placed) {
        changed->entries[changed->count++] = *added;
    }
    return changed;
}

BlockList *blocklist_hide(const BlockList *list, size_t index, HiddenSet *hidden) {
    BlockList *changed = new_list(list->count);
    for (size_t i = 0; i < list->count; i++) {
        changed->entries[i] = shared_entry(&list->entries[i]);
    }
    changed->count = list->count;
    hidden_unref(changed->entries[index].hidden);
    changed->entries[index].hidden = hidden;
    return changed;
}

/* ---- names ---- */

void block_name(char *name, TimeMs from, TimeMs to, int level, uint64_t number) {
    snprintf(name, BLOCK_NAME_MAX, "b-%" PRId64 "-%" PRId64 "-%d-%" PRIu64 ".tsb", from, to, level,
             number);
}

bool block_name_parse(Str name, uint64_t *ret_number) {
    char text[BLOCK_NAME_MAX];
    if (name.len >= sizeof text || !str_starts(name, STR("b-")) || !str_ends(name, STR(".tsb"))) {
        return false;
    }
    memcpy(text, name.ptr, name.len);
    text[name.len - 4] = '\0';
    char *dash = strrchr(text, '-');
    char *end = NULL;
    *ret_number = strtoull(dash + 1, &end, 10);
    return end > dash + 1 && *end == '\0';
}

Str block_file_name(const Block *block) {
    const char *path = block_path(block);
    const char *slash = strrchr(path, '/');
    return str_of(slash ? slash + 1 : path);
}
