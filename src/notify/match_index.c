#include "notify/match_index.h"

#include <stdlib.h>

#include "base/mem.h"

/* Of a label's name: which bit of `names`, and half of every key. */
static uint64_t name_hash(Str name) {
    return hash64(name) | 1;
}

static uint64_t name_bit(uint64_t name) {
    return UINT64_C(1) << (name >> 58);
}

static uint64_t bucket_key(uint64_t name, Str value) {
    uint64_t key = hash64(value) * name;
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

static uint64_t prefix_key(uint64_t name, Str prefix) {
    uint64_t key = ~hash64(prefix) * name;
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
    uint64_t name = name_hash(matcher->name);
    if (matcher->type == MATCH_EQ) {
        return bucket_key(name, matcher->value);
    }
    if (matcher->literals) {
        return bucket_key(name, matcher->literals[at]);
    }
    Str prefix = {matcher->prefix.ptr, (size_t)1 << prefix_step(matcher->prefix.len)};
    return prefix_key(name, prefix);
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

static void bucket_add(MatchBucket *bucket, const MatcherSet *set, uint64_t also, void *owner) {
    VEC_PUSH(*bucket, entries, ((MatchEntry){set, also, owner}));
}

/* The key of another label that has to be there, too; 0 = none. */
static uint64_t second_key(const MatcherSet *set, const Matcher *best) {
    for (size_t i = 0; i < set->count; i++) {
        const Matcher *matcher = &set->items[i];
        if (matcher != best && matcher->type == MATCH_EQ && key_count(matcher)) {
            return key_at(matcher, 0);
        }
    }
    return 0;
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
        bucket_add(&index->always, set, 0, owner);
        return;
    }
    uint64_t also = second_key(set, best);
    for (size_t i = 0; i < set->count; i++) {
        index->names |= name_bit(name_hash(set->items[i].name));
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
        bucket_add(bucket, set, also, owner);
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

enum { FOUND_KEYS_MAX = 32 };

typedef struct Found {
    MatchAccept *accept;
    const void *context;
    void **owners;
    size_t count, max;
    uint64_t keys[FOUND_KEYS_MAX]; /* of the alert's labels, as far as anything is filed by them */
    size_t key_count;
    bool keys_cut; /* there were more */
} Found;

static bool has_key(const Found *found, uint64_t key) {
    for (size_t i = 0; i < found->key_count; i++) {
        if (found->keys[i] == key) {
            return true;
        }
    }
    return found->keys_cut;
}

/* Most candidates are told apart by their second key, without a look at their matchers, which lie
 * all over memory. */
static void search(const MatchBucket *bucket, LabelSet labels, Found *found) {
    for (size_t i = 0; bucket && i < bucket->entries_count && found->count < found->max; i++) {
        const MatchEntry *entry = &bucket->entries[i];
        if ((!entry->also || has_key(found, entry->also)) &&
            matcher_set_matches(entry->set, labels) &&
            found->accept(entry->owner, found->context)) {
            found->owners[found->count++] = entry->owner;
        }
    }
}

/* What is filed under beginnings of a label's value. */
static void search_prefixes(const MatchIndex *index, const Label *label, LabelSet labels,
                            Found *found) {
    uint64_t name = name_hash(label->name);
    for (int step = 0; index->prefix_steps >> step; step++) {
        size_t len = (size_t)1 << step;
        if (index->prefix_steps >> step & 1 && len <= label->value.len) {
            Str prefix = {label->value.ptr, len};
            search(idmap_get(&index->buckets, prefix_key(name, prefix)), labels, found);
        }
    }
}

size_t match_index_find(const MatchIndex *index, LabelSet labels, MatchAccept *accept,
                        const void *context, void **ret_owners, size_t owners_max) {
    Found found = {.accept = accept, .context = context, .owners = ret_owners, .max = owners_max};
    const Label *filed[FOUND_KEYS_MAX];
    for (size_t i = 0; index->buckets.count && i < labels.count; i++) {
        uint64_t name = name_hash(labels.items[i].name);
        if (!(index->names & name_bit(name))) {
            continue;
        }
        if (found.key_count == FOUND_KEYS_MAX) { /* rare: what is beyond is searched at once */
            found.keys_cut = true;
            search(idmap_get(&index->buckets, bucket_key(name, labels.items[i].value)), labels,
                   &found);
            search_prefixes(index, &labels.items[i], labels, &found);
            continue;
        }
        filed[found.key_count] = &labels.items[i];
        found.keys[found.key_count++] = bucket_key(name, labels.items[i].value);
    }
    search(&index->always, labels, &found);
    for (size_t i = 0; i < found.key_count; i++) {
        search(idmap_get(&index->buckets, found.keys[i]), labels, &found);
        search_prefixes(index, filed[i], labels, &found);
    }
    return found.count;
}
