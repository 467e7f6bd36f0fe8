#include "rules/hash_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void hash_index_finish(HashIndex *index) {
    free(index->slots);
    *index = (HashIndex){0};
}

void hash_index_clear(HashIndex *index) {
    if (index->cap) {
        memset(index->slots, 0, index->cap * sizeof *index->slots);
    }
    index->count = 0;
}

/* The slot of `hash`, or the free one where it would go. */
static HashSlot *probe(const HashIndex *index, Hash128 hash) {
    size_t at = hash.lo & (index->cap - 1);
    while (index->slots[at].is_used && !hash_eq(index->slots[at].hash, hash)) {
        at = (at + 1) & (index->cap - 1);
    }
    return &index->slots[at];
}

uint32_t hash_index_get(const HashIndex *index, Hash128 hash) {
    if (index->count == 0) {
        return HASH_INDEX_NONE;
    }
    HashSlot *slot = probe(index, hash);
    return slot->is_used ? slot->item : HASH_INDEX_NONE;
}

static void grow(HashIndex *index) {
    HashIndex bigger = {.cap = index->cap ? index->cap * 2 : 8};
    bigger.slots = mem_zero(bigger.cap, sizeof *bigger.slots);
    for (size_t i = 0; i < index->cap; i++) {
        if (index->slots[i].is_used) {
            *probe(&bigger, index->slots[i].hash) = index->slots[i];
            bigger.count++;
        }
    }
    free(index->slots);
    *index = bigger;
}

bool hash_index_put(HashIndex *index, Hash128 hash, uint32_t item) {
    assert(item != HASH_INDEX_NONE);
    if ((index->count + 1) * 2 > index->cap) {
        grow(index);
    }
    HashSlot *slot = probe(index, hash);
    if (slot->is_used) {
        return false;
    }
    *slot = (HashSlot){hash, item, true};
    index->count++;
    return true;
}
