#include "notify/match_index.h"

#include <stdlib.h>

#include "base/mem.h"

static uint64_t bucket_key(Str name, Str value) {
    uint64_t key = fnv1a(fnv1a(fnv1a(FNV1A_START, name), STR("\xff")), value);
    return key ? key : 1;
}

static MatchBucket *bucket_of(const MatchIndex *index, Str name, Str value) {
    return idmap_get(&index->buckets, bucket_key(name, value));
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

/* The values a matcher can match, if they are known and none is "", which absent labels have too.
 */
static size_t values_of(const Matcher *matcher, const Str **ret_values) {
    if (matcher->matches_empty) {
        return 0;
    }
    if (matcher->type == MATCH_EQ) {
        *ret_values = &matcher->value;
        return 1;
    }
    *ret_values = matcher->literals;
    return matcher->type == MATCH_RE && matcher->literals ? matcher->literal_count : 0;
}

static size_t crowd_of(const MatchIndex *index, const Matcher *matcher) {
    const Str *values;
    size_t count = values_of(matcher, &values), most = 0;
    for (size_t i = 0; i < count; i++) {
        const MatchBucket *bucket = bucket_of(index, matcher->name, values[i]);
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
    const Str *values;
    size_t count = values_of(best, &values);
    for (size_t i = 0; i < count; i++) {
        MatchBucket *bucket = bucket_of(index, best->name, values[i]);
        if (!bucket) {
            bucket = mem_zero(1, sizeof *bucket);
            idmap_put(&index->buckets, bucket_key(best->name, values[i]), bucket);
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
        const Str *values;
        size_t count = values_of(&set->items[i], &values);
        for (size_t j = 0; j < count; j++) {
            bucket_remove(bucket_of(index, set->items[i].name, values[j]), owner);
        }
    }
    index->count--;
}

typedef struct Found {
    void **owners;
    size_t count, max;
} Found;

static void search(const MatchBucket *bucket, LabelSet labels, Found *found) {
    for (size_t i = 0; bucket && i < bucket->entries_count && found->count < found->max; i++) {
        if (matcher_set_matches(bucket->entries[i].set, labels)) {
            found->owners[found->count++] = bucket->entries[i].owner;
        }
    }
}

size_t match_index_find(const MatchIndex *index, LabelSet labels, void **ret_owners,
                        size_t owners_max) {
    Found found = {.owners = ret_owners, .max = owners_max};
    search(&index->always, labels, &found);
    for (size_t i = 0; index->buckets.count && i < labels.count; i++) {
        search(bucket_of(index, labels.items[i].name, labels.items[i].value), labels, &found);
    }
    return found.count;
}
