#include "store/aliases.h"

#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/mem.h"

enum { LIST_FIRST = 1024, PLACES_FIRST = 2048 };

void aliases_init(Aliases *aliases) {
    *aliases = (Aliases){0};
    pthread_rwlock_init(&aliases->lock, NULL);
}

void aliases_finish(Aliases *aliases) {
    pthread_rwlock_destroy(&aliases->lock);
    free(aliases->list);
    free(aliases->places);
    *aliases = (Aliases){0};
}

static void take_key(Hash128 hash, uint32_t key[4]) {
    memcpy(key, &hash, 4 * sizeof key[0]);
}

static bool is_key(const Alias *alias, Hash128 hash) {
    Hash128 own;
    memcpy(&own, alias->key, sizeof own);
    return own.lo == hash.lo && own.hi == hash.hi;
}

/* By the upper half of `hi`; the tag is of `lo`, so both tell keys apart. */
static uint32_t home_of(Hash128 hash, uint32_t place_count) {
    return (uint32_t)((hash.hi >> 32) * place_count >> 32);
}

/* The place of the key, or the free one where it would go. */
static AliasPlace *place_of(const Aliases *aliases, Hash128 hash) {
    uint32_t at = home_of(hash, aliases->place_count);
    uint32_t tag = (uint32_t)hash.lo;
    for (;;) {
        AliasPlace *place = &aliases->places[at];
        if (!place->entry ||
            (place->tag == tag && is_key(&aliases->list[place->entry - 1], hash))) {
            return place;
        }
        at = at + 1 == aliases->place_count ? 0 : at + 1;
    }
}

/* Places for all entries anew. */
static void make_places(Aliases *aliases, uint32_t place_count) {
    free(aliases->places);
    aliases->places = mem_zero(place_count, sizeof *aliases->places);
    aliases->place_count = place_count;
    for (uint32_t i = 0; i < aliases->count; i++) {
        Hash128 hash;
        memcpy(&hash, aliases->list[i].key, sizeof hash);
        *place_of(aliases, hash) = (AliasPlace){(uint32_t)hash.lo, i + 1};
    }
}

/* Filled up to three quarters; both grow by half, since they are the largest single pieces of
 * memory there are. */
static void make_room(Aliases *aliases) {
    if (aliases->count == aliases->cap) {
        aliases->cap = aliases->cap ? aliases->cap + aliases->cap / 2 : LIST_FIRST;
        aliases->list = mem_grow(aliases->list, aliases->cap * sizeof *aliases->list);
    }
    if ((uint64_t)aliases->count * 4 >= (uint64_t)aliases->place_count * 3) {
        uint32_t now = aliases->place_count;
        make_places(aliases, now ? now + now / 2 : PLACES_FIRST);
    }
}

void aliases_put(Aliases *aliases, Hash128 key, uint32_t ref) {
    make_room(aliases);
    AliasPlace *place = place_of(aliases, key);
    if (place->entry) {
        aliases->list[place->entry - 1].ref = ref;
        return;
    }
    Alias *alias = &aliases->list[aliases->count++];
    take_key(key, alias->key);
    alias->ref = ref;
    *place = (AliasPlace){(uint32_t)key.lo, aliases->count};
}

void aliases_lock(Aliases *aliases) {
    pthread_rwlock_wrlock(&aliases->lock);
}

void aliases_unlock(Aliases *aliases) {
    pthread_rwlock_unlock(&aliases->lock);
}

void aliases_find(Aliases *aliases, const Hash128 *keys, size_t count, uint32_t none,
                  uint32_t *ret_refs) {
    enum { AHEAD = 8 };
    pthread_rwlock_rdlock(&aliases->lock);
    uint32_t next = 0; /* the entry behind the one found last */
    for (size_t i = 0; i < count; i++) {
        ret_refs[i] = none;
        if (next < aliases->count && is_key(&aliases->list[next], keys[i])) {
            ret_refs[i] = aliases->list[next++].ref;
        } else if (aliases->place_count > 0) {
            /* Out of order, so those behind it may be as well. */
            if (i + AHEAD < count) {
                PREFETCH(&aliases->places[home_of(keys[i + AHEAD], aliases->place_count)]);
            }
            uint32_t entry = place_of(aliases, keys[i])->entry;
            if (entry) {
                ret_refs[i] = aliases->list[entry - 1].ref;
                next = entry;
            }
        }
    }
    pthread_rwlock_unlock(&aliases->lock);
}

void aliases_filter(Aliases *aliases, bool (*keep)(void *ctx, uint32_t ref), void *ctx) {
    aliases_lock(aliases);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < aliases->count; i++) {
        if (keep(ctx, aliases->list[i].ref)) {
            aliases->list[kept++] = aliases->list[i];
        }
    }
    bool changed = kept != aliases->count;
    aliases->count = kept;
    if (changed) {
        make_places(aliases, aliases->place_count);
    }
    aliases_unlock(aliases);
}

size_t aliases_bytes(Aliases *aliases) {
    pthread_rwlock_rdlock(&aliases->lock);
    size_t bytes =
        aliases->cap * sizeof *aliases->list + aliases->place_count * sizeof *aliases->places;
    pthread_rwlock_unlock(&aliases->lock);
    return bytes;
}
