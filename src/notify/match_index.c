#include "notify/match_index.h"

#include <stdlib.h>

#include "base/mem.h"

static uint64_t bucket_key(Str name, Str value) {
    uint64_t key = fnv1a(fnv1a(fnv1a(FNV1A_START, name), STR("\xff")), value);
    return key ? key : 1;
}

void match_index_finish(MatchIndex *index) {
    for (size_t i = 0; i < index->buckets.cap; i++) {
        MatchBucket *bucket = index->buckets.slots[i].value;
        if (bucket) {
            free(bucket->entries);
            free(bucket);
        }
    }
    idmap_finish(&index->buckets);
    free(index->always.entries);
    *index = (MatchIndex){0};
}

/* The longest kept length that is not beyond `len`; lengths are 1, 2, 4, ... 128. */
static int prefix_step(size_t len) {
    int step = 0;
    while (step < MATCH_PREFIX_STEPS - 1 && (size_t)2 << step <= len) {
        step++;
    }
    return step;
}

static uint64_t prefix_key(Str name, Str prefix) {
    uint64_t key = fnv1a(fnv1a(fnv1a(FNV1A_START, name), STR("\xfe")), prefix);
    return key ? key : 1;
}

/* Under how many keys a matcher can be filed: its literal values, or the beginning all its values
 * have. None if it matches "", which absent labels have too. */
static size_t key_count(const Matcher *matcher) {
    if (matcher->matches_empty) {
        return 0;
    }
    switch (matcher->type) {
    case MATCH_EQ:
        return 1;
    case MATCH_RE:
        return matcher->literals ? matcher->literal_count : matcher->prefix.len > 0;
    default:
        return 0;
    }
}

static uint64_t key_at(const Matcher *matcher, size_t at) {
    if (matcher->type == MATCH_EQ) {
        return bucket_key(matcher->name, matcher->value);
    }
    if (matcher->literals) {
        return bucket_key(matcher->name, matcher->literals[at]);
    }
    Str prefix = {matcher->prefix.ptr, (size_t)1 << prefix_step(matcher->prefix.len)};
    return prefix_key(matcher->name, prefix);
}

static size_t crowd_of(const MatchIndex *index, const Matcher *matcher) {
    size_t count = key_count(matcher), most = 0;
    for (size_t i = 0; i < count; i++) {
        const MatchBucket *bucket = idmap_get(&index->buckets, key_at(matcher, i));
        size_t crowd = bucket ? bucket->entries_count : 0;
        most = crowd > most ? crowd : most;
    }
    return count ? most + count : SIZE_MAX;
}

static void bucket_add(MatchBucket *bucket, const MatcherSet *set, void *owner) {
    VEC_PUSH(*bucket, entries, ((MatchEntry){set, owner}));
}

void match_index_add(MatchIndex *index, const MatcherSet *set, void *owner) {
    const Matcher *best = NULL;
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < set->count; i++) {
        size_t crowd = crowd_of(index, &set->items[i]);
        if (crowd < least) {
            least = crowd;
            best = &set->items[i];
        }
    }
    index->count++;
    if (!best) {
        bucket_add(&index->always, set, owner);
        return;
    }
    if (best->type == MATCH_RE && !best->literals) {
        index->prefix_steps |= 1u << prefix_step(best->prefix.len);
    }
    for (size_t i = 0; i < key_count(best); i++) {
        uint64_t key = key_at(best, i);
        MatchBucket *bucket = idmap_get(&index->buckets, key);
        if (!bucket) {
            bucket = mem_zero(1, sizeof *bucket);
            idmap_put(&index->buckets, key, bucket);
        }
        bucket_add(bucket, set, owner);
    }
}

static void bucket_remove(MatchBucket *bucket, const void *owner) {
    for (size_t i = 0; bucket && i < bucket->entries_count; i++) {
        if (bucket->entries[i].owner == owner) {
            bucket->entries[i--] = bucket->entries[--bucket->entries_count];
        }
    }
}

void match_index_remove(MatchIndex *index, const MatcherSet *set, void *owner) {
    bucket_remove(&index->always, owner);
    for (size_t i = 0; i < set->count; i++) {
        for (size_t j = 0; j < key_count(&set->items[i]); j++) {
            bucket_remove(idmap_get(&index->buckets, key_at(&set->items[i], j)), owner);
        }
    }
    index->count--;
}

typedef struct Found {
    MatchAccept *accept;
    const void *context;
    void **owners;
    size_t count, max;
} Found;

static void search(const MatchBucket *bucket, LabelSet labels, Found *found) {
    for (size_t i = 0; bucket && i < bucket->entries_count && found->count < found->max; i++) {
        const MatchEntry *entry = &bucket->entries[i];
        if (matcher_set_matches(entry->set, labels) &&
            found->accept(entry->owner, found->context)) {
            found->owners[found->count++] = entry->owner;
        }
    }
}

size_t match_index_find(const MatchIndex *index, LabelSet labels, MatchAccept *accept,
                        const void *context, void **ret_owners, size_t owners_max) {
    Found found = {.accept = accept, .context = context, .owners = ret_owners, .max = owners_max};
    search(&index->always, labels, &found);
    for (size_t i = 0; index->buckets.count && i < labels.count; i++) {
        const Label *label = &labels.items[i];
        search(idmap_get(&index->buckets, bucket_key(label->name, label->value)), labels, &found);
        for (int step = 0; index->prefix_steps >> step; step++) {
            size_t len = (size_t)1 << step;
            if (index->prefix_steps >> step & 1 && len <= label->value.len) {
                Str prefix = {label->value.ptr, len};
                search(idmap_get(&index->buckets, prefix_key(label->name, prefix)), labels, &found);
            }
        }
    }
    return found.count;
}
