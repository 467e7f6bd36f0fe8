#include "store/selectcache.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

/* Room for some fifty thousand series in all; one finding may take half of that. */
enum { CACHE_BYTES_MAX = 32 << 20, FINDING_BYTES_MAX = CACHE_BYTES_MAX / 2 };
/* A question has its place in one bucket. */
enum { CACHE_BUCKETS = 2048, BUCKET_ENTRIES = 4, CACHE_ENTRIES = CACHE_BUCKETS * BUCKET_ENTRIES };
/* Whoever asks again within this time, as rules do each round, finds its answer still there. */
enum { KEEP_S = 150 };
/* So many entries are looked at to make room. */
enum { SWEEP_STEPS = 256 };

typedef struct CacheEntry {
    Hash128 question;
    const BlockList *blocks;
    uint64_t births, deaths;
    Finding *finding; /* NULL: free */
    size_t bytes;
    int64_t used_s; /* by the monotonic clock */
} CacheEntry;

struct SelectCache {
    pthread_mutex_t lock;
    CacheEntry entries[CACHE_ENTRIES]; /* bucket by bucket */
    size_t bytes;
    size_t hand; /* the sweep goes on here */
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

static int64_t now_s(void) {
    return clock_monotonic_ns() / 1000000000;
}

static CacheEntry *bucket_of(SelectCache *cache, Hash128 question) {
    return &cache->entries[question.lo % CACHE_BUCKETS * BUCKET_ENTRIES];
}

static CacheEntry *find_entry(SelectCache *cache, const SelectKey *key, Hash128 question) {
    CacheEntry *bucket = bucket_of(cache, question);
    for (size_t i = 0; i < BUCKET_ENTRIES; i++) {
        CacheEntry *entry = &bucket[i];
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
        entry->used_s = now_s();
        finding = entry->finding;
        atomic_fetch_add(&finding->refs, 1);
    }
    pthread_mutex_unlock(&cache->lock);
    return finding;
}

static bool is_stale(const CacheEntry *entry, int64_t now) {
    return entry->finding && now - entry->used_s > KEEP_S;
}

/* Rules ask their questions one after the other, round by round: were the least recently used to
 * go, and more of them than there is room for, each would go just before it is asked again. So what
 * is in use stays, and what comes later is not remembered. */
static bool make_room(SelectCache *cache, size_t bytes, int64_t now) {
    for (int i = 0; i < SWEEP_STEPS && cache->bytes + bytes > CACHE_BYTES_MAX; i++) {
        CacheEntry *entry = &cache->entries[cache->hand];
        cache->hand = (cache->hand + 1) % CACHE_ENTRIES;
        if (is_stale(entry, now)) {
            drop(cache, entry);
        }
    }
    return cache->bytes + bytes <= CACHE_BYTES_MAX;
}

/* The place in its bucket for a question that has none; NULL: all are in use. */
static CacheEntry *free_entry(SelectCache *cache, Hash128 question, int64_t now) {
    CacheEntry *bucket = bucket_of(cache, question);
    for (size_t i = 0; i < BUCKET_ENTRIES; i++) {
        if (is_stale(&bucket[i], now)) {
            drop(cache, &bucket[i]);
        }
        if (!bucket[i].finding) {
            return &bucket[i];
        }
    }
    return NULL;
}

void select_cache_put(SelectCache *cache, const SelectKey *key, Finding *finding) {
    size_t bytes = finding_bytes(finding);
    if (bytes > FINDING_BYTES_MAX) {
        return;
    }
    Hash128 question = hash128(key->question);
    int64_t now = now_s();
    pthread_mutex_lock(&cache->lock);
    CacheEntry *entry = find_entry(cache, key, question);
    if (entry) {
        drop(cache, entry);
    }
    entry = make_room(cache, bytes, now) ? free_entry(cache, question, now) : NULL;
    if (entry) {
        atomic_fetch_add(&finding->refs, 1);
        *entry = (CacheEntry){.question = question,
                              .blocks = key->blocks,
                              .births = key->births,
                              .deaths = key->deaths,
                              .finding = finding,
                              .bytes = bytes,
                              .used_s = now};
        cache->bytes += bytes;
    }
    pthread_mutex_unlock(&cache->lock);
}
