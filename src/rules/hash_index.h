#pragma once

/*
 * Finds an item of an array by a 128-bit hash: open addressing with linear probing, at most half
 * full. Label sets are told apart by their hash alone (labels_hash), as the store does. Items
 * cannot be removed singly: who drops some, clears and puts the rest again.
 */

#include "base/hash.h"

enum { HASH_INDEX_NONE = UINT32_MAX };

typedef struct HashSlot {
    Hash128 hash;
    uint32_t item;
    bool is_used;
} HashSlot;

/* {0} is empty. */
typedef struct HashIndex {
    HashSlot *slots;
    size_t cap; /* a power of two, or 0 */
    size_t count;
} HashIndex;

void hash_index_finish(HashIndex *index);
void hash_index_clear(HashIndex *index);

/* The item, or HASH_INDEX_NONE. */
uint32_t hash_index_get(const HashIndex *index, Hash128 hash);

/* Puts it in, unless the hash is there already: then false, and nothing changes. */
bool hash_index_put(HashIndex *index, Hash128 hash, uint32_t item);
