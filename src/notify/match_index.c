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

static uint64_t sieve_bit(const MatchIndex *index, uint64_t key, uint64_t **ret_word) {
    uint64_t mixed = key * UINT64_C(0x9E3779B97F4A7C15);
    *ret_word = &index->sieve[mixed >> 53]; /* MATCH_SIEVE_WORDS of them */
    return UINT64_C(1) << (mixed >> 47 & 63);
}

static void put_bucket(MatchIndex *index, uint64_t key, MatchBucket *bucket) {
    uint64_t *word;
    if (!index->sieve) {
        index->sieve = mem_zero(MATCH_SIEVE_WORDS, sizeof *index->sieve);
    }
    uint64_t bit = sieve_bit(index, key, &word);
    *word |= bit;
    idmap_put(&index->buckets, key, bucket);
}

static MatchBucket *get_bucket(const MatchIndex *index, uint64_t key) {
    uint64_t *word;
    if (!index->sieve) {
        return NULL;
    }
    uint64_t bit = sieve_bit(index, key, &word);
    return *word & bit ? idmap_get(&index->buckets, key) : NULL;
}

static void free_bucket(MatchBucket *bucket) {
    free(bucket->entries);
    free(bucket);
}

void match_index_finish(MatchIndex *index) {
    for (size_t i = 0; i < index->buckets.cap; i++) {
        if (index->buckets.slots[i].value) {
            free_bucket(index->buckets.slots[i].value);
        }
    }
    idmap_finish(&index->buckets);
    free(index->sieve);
    free(index->always);
    *index = (MatchIndex){0};
}

/* Buckets that have become empty go, and so do their bits. */
static void sweep(MatchIndex *index) {
    IdMap old = index->buckets;
    index->buckets = (IdMap){0};
    if (index->sieve) {
        memset(index->sieve, 0, MATCH_SIEVE_WORDS * sizeof *index->sieve);
    }
    for (size_t i = 0; i < old.cap; i++) {
        MatchBucket *bucket = old.slots[i].value;
        if (bucket && bucket->entries_count) {
            put_bucket(index, old.slots[i].key, bucket);
        } else if (bucket) {
            free_bucket(bucket);
        }
    }
    idmap_finish(&old);
    index->removed = 0;
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
        const MatchBucket *bucket = get_bucket(index, key_at(matcher, i));
        size_t crowd = bucket ? bucket->entries_count : 0;
        most = crowd > most ? crowd : most;
    }
    return count ? most + count : SIZE_MAX;
}

enum { SECOND_KEYS_MAX = 8 };

/* Another matcher whose values are known, the fewer the better: an alert has to have one of them,
 * too. NULL = there is none. */
static const Matcher *second_of(const MatcherSet *set, const Matcher *best) {
    const Matcher *second = NULL;
    for (size_t i = 0; i < set->count; i++) {
        const Matcher *matcher = &set->items[i];
        bool known = matcher->type == MATCH_EQ || matcher->literals;
        size_t count = key_count(matcher);
        if (matcher != best && known && count && count <= SECOND_KEYS_MAX &&
            (!second || count < key_count(second))) {
            second = matcher;
        }
    }
    return second;
}

/* ---- candidates always ---- */

/* Bits of all three bytes that stand together in `text`. What a value contains has no piece that
 * the value has not. */
static uint64_t pieces_of(Str text) {
    uint64_t pieces = 0;
    for (size_t i = 0; i + 2 < text.len; i++) {
        const unsigned char *at = (const unsigned char *)text.ptr + i;
        uint32_t piece = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
        pieces |= UINT64_C(1) << (piece * UINT32_C(0x9E3779B1) >> 26);
    }
    return pieces;
}

static MatchAlways always_of(const MatcherSet *set, void *owner) {
    MatchAlways entry = {.set = set, .owner = owner};
    for (size_t i = 0; i < set->count && !entry.inside; i++) {
        const Matcher *matcher = &set->items[i];
        if (matcher->type == MATCH_RE && matcher->plain && matcher->infix.len) {
            entry.inside = matcher;
            entry.name = name_hash(matcher->name);
            entry.pieces = pieces_of(matcher->infix);
        }
    }
    return entry;
}

static void add_always(MatchIndex *index, const MatcherSet *set, void *owner) {
    MatchAlways entry = always_of(set, owner);
    VEC_PUSH(*index, always, entry);
    size_t at = index->always_count - 1;
    for (; at > 0 && index->always[at - 1].name > entry.name; at--) {
        index->always[at] = index->always[at - 1];
    }
    index->always[at] = entry;
}

static void remove_always(MatchIndex *index, const void *owner) {
    size_t kept = 0;
    for (size_t i = 0; i < index->always_count; i++) {
        if (index->always[i].owner != owner) {
            index->always[kept++] = index->always[i];
        }
    }
    index->always_count = kept;
}

/* ---- adding and removing ---- */

static bool is_filed(const MatchBucket *bucket, uint64_t also, const void *owner) {
    for (size_t i = bucket->entries_count; i-- > 0 && bucket->entries[i].owner == owner;) {
        if (bucket->entries[i].also == also) {
            return true; /* `x|x` */
        }
    }
    return false;
}

/* Once for each value of the second matcher. */
static void file(MatchIndex *index, uint64_t key, const MatcherSet *set, const Matcher *second,
                 void *owner) {
    MatchBucket *bucket = get_bucket(index, key);
    if (!bucket) {
        bucket = mem_zero(1, sizeof *bucket);
        put_bucket(index, key, bucket);
    }
    for (size_t i = 0; i < (second ? key_count(second) : 1); i++) {
        MatchEntry entry = {set, second ? key_at(second, i) : 0, owner};
        if (!is_filed(bucket, entry.also, owner)) {
            VEC_PUSH(*bucket, entries, entry);
        }
    }
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
        add_always(index, set, owner);
        return;
    }
    for (size_t i = 0; i < set->count; i++) {
        index->names |= name_bit(name_hash(set->items[i].name));
    }
    if (best->type == MATCH_RE && !best->literals) {
        index->prefixed[prefix_step(best->prefix.len)] |= name_bit(name_hash(best->name));
    }
    const Matcher *second = second_of(set, best);
    for (size_t i = 0; i < key_count(best); i++) {
        file(index, key_at(best, i), set, second, owner);
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
    remove_always(index, owner);
    for (size_t i = 0; i < set->count; i++) {
        for (size_t j = 0; j < key_count(&set->items[i]); j++) {
            bucket_remove(get_bucket(index, key_at(&set->items[i], j)), owner);
        }
    }
    index->count--;
    if (++index->removed > 1024 + index->count) {
        sweep(index);
    }
}

/* ---- finding ---- */

static uint64_t key_bit(uint64_t key) {
    return UINT64_C(1) << (key >> 58);
}

void match_keys_of(LabelSet labels, MatchKeys *ret_keys) {
    ret_keys->labels = labels;
    ret_keys->bits = labels.count > MATCH_KEYS_MAX ? UINT64_MAX : 0;
    ret_keys->count = labels.count < MATCH_KEYS_MAX ? labels.count : MATCH_KEYS_MAX;
    for (size_t i = 0; i < ret_keys->count; i++) {
        ret_keys->names[i] = name_hash(labels.items[i].name);
        ret_keys->keys[i] = bucket_key(ret_keys->names[i], labels.items[i].value);
        ret_keys->bits |= key_bit(ret_keys->keys[i]);
    }
}

/* Most of the time goes into waiting for memory, since buckets, sets and matchers lie all over it:
 * so what a step needs is asked for while others are looked at. */
enum { FOUND_AT_ONCE = 32 };

typedef struct Candidate {
    const MatcherSet *set;
    void *owner;
} Candidate;

typedef struct Found {
    const MatchKeys *keys;
    MatchAccept *accept;
    const void *context;
    void **owners;
    size_t count, max;
    const MatchBucket *buckets[FOUND_AT_ONCE]; /* to be searched */
    size_t bucket_count;
    Candidate candidates[FOUND_AT_ONCE]; /* to be matched */
    size_t candidate_count;
} Found;

static bool has_key(const MatchKeys *keys, uint64_t key) {
    if (!(keys->bits & key_bit(key))) {
        return false;
    }
    for (size_t i = 0; i < keys->count; i++) {
        if (keys->keys[i] == key) {
            return true;
        }
    }
    return keys->count < keys->labels.count; /* it may be one of those beyond */
}

static void match_candidates(Found *found) {
    for (size_t i = 0; i < found->candidate_count; i++) {
        PREFETCH(found->candidates[i].set->items);
    }
    for (size_t i = 0; i < found->candidate_count && found->count < found->max; i++) {
        const Candidate *candidate = &found->candidates[i];
        if (matcher_set_matches(candidate->set, found->keys->labels) &&
            found->accept(candidate->owner, found->context)) {
            found->owners[found->count++] = candidate->owner;
        }
    }
    found->candidate_count = 0;
}

static void add_candidate(Found *found, const MatcherSet *set, void *owner) {
    PREFETCH(set);
    found->candidates[found->candidate_count++] = (Candidate){set, owner};
    if (found->candidate_count == FOUND_AT_ONCE) {
        match_candidates(found);
    }
}

/* Most candidates are told apart by their second key, without a look at their matchers. */
static void search_buckets(Found *found) {
    for (size_t i = 0; i < found->bucket_count; i++) {
        PREFETCH(found->buckets[i]->entries);
    }
    for (size_t i = 0; i < found->bucket_count && found->count < found->max; i++) {
        const MatchBucket *bucket = found->buckets[i];
        for (size_t j = 0; j < bucket->entries_count; j++) {
            const MatchEntry *entry = &bucket->entries[j];
            if (!entry->also || has_key(found->keys, entry->also)) {
                add_candidate(found, entry->set, entry->owner);
            }
        }
    }
    found->bucket_count = 0;
}

static void add_bucket(Found *found, const MatchBucket *bucket) {
    if (!bucket) {
        return;
    }
    PREFETCH(bucket);
    found->buckets[found->bucket_count++] = bucket;
    if (found->bucket_count == FOUND_AT_ONCE) {
        search_buckets(found);
    }
}

/* What is filed under beginnings of a label's value. */
static void add_prefixes(const MatchIndex *index, uint64_t name, Str value, Found *found) {
    for (int step = 0; step < MATCH_PREFIX_STEPS; step++) {
        size_t len = (size_t)1 << step;
        if (len <= value.len && index->prefixed[step] & name_bit(name)) {
            add_bucket(found, get_bucket(index, prefix_key(name, (Str){value.ptr, len})));
        }
    }
}

/* The value of the label with this name; no two names share 63 bits of a hash. */
static bool value_of(const MatchKeys *keys, uint64_t name, Str *ret_value) {
    for (size_t i = 0; i < keys->count; i++) {
        if (keys->names[i] == name) {
            *ret_value = keys->labels.items[i].value;
            return true;
        }
    }
    return false;
}

static void add_always_candidates(const MatchIndex *index, Found *found) {
    uint64_t name = 0, pieces = 0;
    bool all_known = found->keys->count == found->keys->labels.count;
    for (size_t i = 0; i < index->always_count && found->count < found->max; i++) {
        const MatchAlways *entry = &index->always[i];
        if (entry->inside && all_known) {
            if (entry->name != name) {
                Str value;
                name = entry->name;
                pieces = value_of(found->keys, name, &value) ? pieces_of(value) : 0;
            }
            if (entry->pieces & ~pieces) {
                continue;
            }
        }
        add_candidate(found, entry->set, entry->owner);
    }
}

size_t match_index_find(const MatchIndex *index, const MatchKeys *keys, MatchAccept *accept,
                        const void *context, void **ret_owners, size_t owners_max) {
    Found found;
    found.keys = keys;
    found.accept = accept;
    found.context = context;
    found.owners = ret_owners;
    found.max = owners_max;
    found.count = found.bucket_count = found.candidate_count = 0; /* the lists need no clearing */
    add_always_candidates(index, &found);
    for (size_t i = 0; index->buckets.count && i < keys->labels.count; i++) {
        const Label *label = &keys->labels.items[i];
        uint64_t name = i < keys->count ? keys->names[i] : name_hash(label->name);
        if (index->names & name_bit(name)) {
            uint64_t key = i < keys->count ? keys->keys[i] : bucket_key(name, label->value);
            add_bucket(&found, get_bucket(index, key));
            add_prefixes(index, name, label->value, &found);
        }
    }
    search_buckets(&found);
    match_candidates(&found);
    return found.count;
}
