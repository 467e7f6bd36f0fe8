#pragma once

/* A hash map from 64-bit numbers to pointers: alerts by id, groups by hash. {0} is empty. Linear
 * probing; 0 is no key. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct IdSlot {
    uint64_t key; /* 0 = empty */
    void *value;
} IdSlot;

typedef struct IdMap {
    IdSlot *slots;
    size_t count, cap; /* cap is a power of two */
} IdMap;

void idmap_finish(IdMap *map);
void *idmap_get(const IdMap *map, uint64_t key); /* NULL if there is none */
/* Where its value is, NULL there if it is new: to be set before anything else is done. */
void **idmap_at(IdMap *map, uint64_t key);
void idmap_put(IdMap *map, uint64_t key, void *value);
void idmap_remove(IdMap *map, uint64_t key);
