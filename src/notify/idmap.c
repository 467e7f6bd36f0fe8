#include "notify/idmap.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

static size_t home_of(const IdMap *map, uint64_t key) {
    /* Fibonacci hashing (Knuth, TAOCP 3, 6.4): ids are consecutive, hashes are not; this suits
     * both. */
    return (size_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (map->cap - 1);
}

void idmap_finish(IdMap *map) {
    free(map->slots);
    *map = (IdMap){0};
}

static IdSlot *find(const IdMap *map, uint64_t key) {
    size_t at = home_of(map, key);
    while (map->slots[at].key && map->slots[at].key != key) {
        at = (at + 1) & (map->cap - 1);
    }
    return &map->slots[at];
}

void *idmap_get(const IdMap *map, uint64_t key) {
    return map->count ? find(map, key)->value : NULL;
}

static void grow(IdMap *map) {
    IdMap bigger = {.cap = map->cap ? map->cap * 2 : 64};
    bigger.slots = mem_zero(bigger.cap, sizeof *bigger.slots);
    bigger.count = map->count;
    for (size_t i = 0; i < map->cap; i++) {
        if (map->slots[i].key) {
            *find(&bigger, map->slots[i].key) = map->slots[i];
        }
    }
    free(map->slots);
    *map = bigger;
}

void **idmap_at(IdMap *map, uint64_t key) {
    assert(key);
    if ((map->count + 1) * 2 > map->cap) {
        grow(map);
    }
    IdSlot *slot = find(map, key);
    map->count += slot->key == 0;
    slot->key = key;
    return &slot->value;
}

void idmap_put(IdMap *map, uint64_t key, void *value) {
    assert(value);
    *idmap_at(map, key) = value;
}

/* Closes the gap, so that no probe ends too early (Knuth, algorithm 6.4R). */
void idmap_remove(IdMap *map, uint64_t key) {
    if (!map->count || !find(map, key)->key) {
        return;
    }
    size_t gap = (size_t)(find(map, key) - map->slots);
    map->count--;
    for (size_t at = (gap + 1) & (map->cap - 1); map->slots[at].key;
         at = (at + 1) & (map->cap - 1)) {
        size_t home = home_of(map, map->slots[at].key);
        bool stays = gap < at ? home > gap && home <= at : home > gap || home <= at;
        if (!stays) {
            map->slots[gap] = map->slots[at];
            gap = at;
        }
    }
    map->slots[gap] = (IdSlot){0};
}
