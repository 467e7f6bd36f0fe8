#pragma once

/*
 * What writers call a series: the 128-bit hash of the bytes they name it by, and the head's number
 * for it.
 *
 * Senders repeat their series in the same order scrape after scrape. So the entries stand in the
 * order in which they were made, and a lookup first tries the entry behind the one found before:
 * it is nearly always the right one, and the memory is read front to back. Only where it is not,
 * a table of places is asked.
 *
 *   list     {key, ref} in order of making: 20 bytes an entry
 *   places   open-addressed by key: 32 bits of the key and the entry's number
 *
 * Threads: any; a lock is inside.
 */

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

typedef struct Alias {
    uint32_t key[4];
    uint32_t ref;
} Alias;

typedef struct AliasPlace {
    uint32_t tag;
    uint32_t entry; /* + 1; 0 = free */
} AliasPlace;

typedef struct Aliases {
    pthread_rwlock_t lock;
    Alias *list;
    uint32_t count, cap;
    AliasPlace *places;
    uint32_t place_count;
} Aliases;

void aliases_init(Aliases *aliases);
void aliases_finish(Aliases *aliases);

/* What `count` keys stand for; `none` where one is not known. */
void aliases_find(Aliases *aliases, const Hash128 *keys, size_t count, uint32_t none,
                  uint32_t *ret_refs);

/* Remembers, or changes what is remembered. Between aliases_lock() and aliases_unlock(). */
void aliases_put(Aliases *aliases, Hash128 key, uint32_t ref);
void aliases_lock(Aliases *aliases);
void aliases_unlock(Aliases *aliases);

/* Forgets those that `keep` does not want; the others stay in order. */
void aliases_filter(Aliases *aliases, bool (*keep)(void *ctx, uint32_t ref), void *ctx);

size_t aliases_bytes(Aliases *aliases);
