#include "store/framecache.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"

/* Enough for about 200 million samples, or some hundred thousand series at their newest frames. */
enum { CACHE_BYTES_MAX = 64 << 20, CACHE_SLOTS = 4096 };

typedef struct CacheEntry {
    uint64_t owner;
    uint32_t index;
    uint32_t references; /* of readers, and one of the cache while it is listed */
    size_t bytes;
    Frame *frame;
    struct CacheEntry *next;          /* in its slot */
    struct CacheEntry *newer, *older; /* by use */
} CacheEntry;

/* The one cache of the process; all of it under the lock. */
static struct {
    pthread_mutex_t lock;
    CacheEntry *slots[CACHE_SLOTS];
    CacheEntry *newest, *oldest;
    size_t bytes;
    uint64_t owners;
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void lock_cache(void) {
    pthread_mutex_lock(&cache.lock);
}

static void unlock_cache(void) {
    pthread_mutex_unlock(&cache.lock);
}

static CacheEntry **slot_of(uint64_t owner, uint32_t index) {
    uint64_t hash = (owner * UINT64_C(0x9e3779b97f4a7c15)) ^ (index * UINT64_C(0xd6e8feb86659fd93));
    return &cache.slots[(hash ^ hash >> 32) % CACHE_SLOTS];
}

static CacheEntry *find(uint64_t owner, uint32_t index) {
    CacheEntry *entry = *slot_of(owner, index);
    while (entry && (entry->owner != owner || entry->index != index)) {
        entry = entry->next;
    }
    return entry;
}

static void unlink_use(CacheEntry *entry) {
    *(entry->newer ? &entry->newer->older : &cache.newest) = entry->older;
    *(entry->older ? &entry->older->newer : &cache.oldest) = entry->newer;
    entry->newer = entry->older = NULL;
}

static void link_newest(CacheEntry *entry) {
    entry->older = cache.newest;
    entry->newer = NULL;
    *(cache.newest ? &cache.newest->newer : &cache.oldest) = entry;
    cache.newest = entry;
}

static void unreference(CacheEntry *entry) {
    assert(entry->references > 0);
    if (--entry->references == 0) {
        frame_free(entry->frame);
        free(entry);
    }
}

static void evict(CacheEntry *entry) {
    CacheEntry **link = slot_of(entry->owner, entry->index);
    while (*link != entry) {
        link = &(*link)->next;
    }
    *link = entry->next;
    unlink_use(entry);
    cache.bytes -= entry->bytes;
    unreference(entry);
}

uint64_t frame_cache_owner(void) {
    lock_cache();
    uint64_t owner = ++cache.owners;
    unlock_cache();
    return owner;
}

bool frame_cache_get(uint64_t owner, uint32_t index, CachedFrame *ret_frame) {
    lock_cache();
    CacheEntry *entry = find(owner, index);
    if (entry) {
        entry->references++;
        if (cache.newest != entry) {
            unlink_use(entry);
            link_newest(entry);
        }
        *ret_frame = (CachedFrame){entry->frame, entry};
    }
    unlock_cache();
    return entry != NULL;
}

CachedFrame frame_cache_put(uint64_t owner, uint32_t index, Frame *frame) {
    CachedFrame other;
    if (frame_cache_get(owner, index, &other)) {
        frame_free(frame);
        return other;
    }
    CacheEntry *entry = mem_zero(1, sizeof *entry);
    *entry = (CacheEntry){
        .owner = owner,
        .index = index,
        .references = 2,
        .bytes = sizeof *entry + frame_memory_bytes(frame),
        .frame = frame,
    };
    lock_cache();
    CacheEntry **slot = slot_of(owner, index);
    entry->next = *slot;
    *slot = entry;
    link_newest(entry);
    cache.bytes += entry->bytes;
    while (cache.bytes > CACHE_BYTES_MAX && cache.oldest != entry) {
        evict(cache.oldest);
    }
    unlock_cache();
    return (CachedFrame){frame, entry};
}

CachedFrame frame_cache_share(const CachedFrame *frame) {
    lock_cache();
    frame->entry->references++;
    unlock_cache();
    return *frame;
}

void frame_cache_release(CachedFrame *frame) {
    if (frame->entry) {
        lock_cache();
        unreference(frame->entry);
        unlock_cache();
        *frame = (CachedFrame){0};
    }
}

void frame_cache_drop(uint64_t owner) {
    lock_cache();
    for (CacheEntry *entry = cache.newest, *older; entry; entry = older) {
        older = entry->older;
        if (entry->owner == owner) {
            evict(entry);
        }
    }
    unlock_cache();
}

size_t frame_cache_bytes(void) {
    lock_cache();
    size_t bytes = cache.bytes;
    unlock_cache();
    return bytes;
}
