#include "store/selectcache.h"

#include <stdlib.h>

#include "base/mem.h"

/* Room for some fifty thousand series in all; one finding may take half of that. */
enum { CACHE_BYTES_MAX = 32 << 20, FINDING_BYTES_MAX = CACHE_BYTES_MAX / 2, CACHE_ENTRIES = 64 };

typedef struct CacheEntry {
    Hash128 question;
    const BlockList *blocks;
    uint64_t births, deaths;
    Finding *finding;
    size_t bytes;
    uint64_t used; /* by the cache's clock */
} CacheEntry;

struct SelectCache {
    pthread_mutex_t lock;
    CacheEntry entries[CACHE_ENTRIES]; /* without finding: free */
    size_t bytes;
    uint64_t clock;
};

/* ---- findings ---- */

Finding *finding_new(BlockList *blocks) {
    Finding *finding = mem_zero(1, sizeof *finding);
    atomic_init(&finding->refs, 1);
    finding->blocks = blocklist_ref(blocks);
    return finding;
}

void finding_unref(Finding *finding) {
    if (!finding || atomic_fetch_sub(&finding->refs, 1) > 1) {
        return;
    }
    arena_finish(&finding->arena);
    blocklist_unref(finding->blocks);
    free(finding->series);
    free(finding->pieces);
    free(finding);
}

static size_t finding_bytes(const Finding *finding) {
    return sizeof *finding + finding->arena.used_bytes +
           finding->series_cap * sizeof *finding->series +
           finding->pieces_cap * sizeof *finding->pieces;
}

/* ---- the cache ---- */

SelectCache *select_cache_new(void) {
    SelectCache *cache = mem_zero(1, sizeof *cache);
    pthread_mutex_init(&cache->lock, NULL);
    return cache;
}

static void drop(SelectCache *cache, CacheEntry *entry) {
    finding_unref(entry->finding);
    cache->bytes -= entry->bytes;
    *entry = (CacheEntry){0};
}

void select_cache_clear(SelectCache *cache) {
    pthread_mutex_lock(&cache->lock);
    for (size_t i = 0; i < CACHE_ENTRIES; i++) {
        if (cache->entries[i].finding) {
            drop(cache, &cache->entries[i]);
        }
    }
    pthread_mutex_unlock(&cache->lock);
}

void select_cache_free(SelectCache *cache) {
    if (cache) {
        select_cache_clear(cache);
        pthread_mutex_destroy(&cache->lock);
        free(cache);
    }
}

static CacheEntry *find_entry(SelectCache *cache, const SelectKey *key, Hash128 question) {
    for (size_t i = 0; i < CACHE_ENTRIES; i++) {
        CacheEntry *entry = &cache->entries[i];
        if (entry->finding && hash_eq(entry->question, question) && entry->blocks == key->blocks) {
            return entry;
        }
    }
    return NULL;
}

Finding *select_cache_get(SelectCache *cache, const SelectKey *key) {
    Finding *finding = NULL;
    Hash128 question = hash128(key->question);
    pthread_mutex_lock(&cache->lock);
    CacheEntry *entry = find_entry(cache, key, question);
    if (entry && entry->births == key->births && entry->deaths == key->deaths) {
        entry->used = ++cache->clock;
        finding = entry->finding;
        atomic_fetch_add(&finding->refs, 1);
    }
    pthread_mutex_unlock(&cache->lock);
    return finding;
}

static CacheEntry *least_used(SelectCache *cache) {
    CacheEntry *least = &cache->entries[0];
    for (size_t i = 1; i < CACHE_ENTRIES; i++) {
        if (cache->entries[i].finding && cache->entries[i].used < least->used) {
            least = &cache->entries[i];
        }
    }
    return least;
}

/* A free entry, when there is room for `bytes`. */
static CacheEntry *make_room(SelectCache *cache, size_t bytes) {
    while (cache->bytes + bytes > CACHE_BYTES_MAX) {
        CacheEntry *oldest = NULL;
        for (size_t i = 0; i < CACHE_ENTRIES; i++) {
            CacheEntry *entry = &cache->entries[i];
            if (entry->finding && (!oldest || entry->used < oldest->used)) {
                oldest = entry;
            }
        }
        drop(cache, oldest);
    }
    for (size_t i = 0; i < CACHE_ENTRIES; i++) {
        if (!cache->entries[i].finding) {
            return &cache->entries[i];
        }
    }
    CacheEntry *entry = least_used(cache);
    drop(cache, entry);
    return entry;
}

void select_cache_put(SelectCache *cache, const SelectKey *key, Finding *finding) {
    size_t bytes = finding_bytes(finding);
    if (bytes > FINDING_BYTES_MAX) {
        return;
    }
    Hash128 question = hash128(key->question);
    pthread_mutex_lock(&cache->lock);
    CacheEntry *entry = find_entry(cache, key, question);
    if (entry) {
        drop(cache, entry);
    }
    entry = make_room(cache, bytes);
    atomic_fetch_add(&finding->refs, 1);
    *entry = (CacheEntry){.question = question,
                          .blocks = key->blocks,
                          .births = key->births,
                          .deaths = key->deaths,
                          .finding = finding,
                          .bytes = bytes,
                          .used = ++cache->clock};
    cache->bytes += bytes;
    pthread_mutex_unlock(&cache->lock);
}
