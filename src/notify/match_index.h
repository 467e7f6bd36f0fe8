#pragma once

/*
 * Many matcher sets, and the question which of them match a label set: silences and flags, ten
 * thousand of them, against each alert.
 *
 * A set is filed under one of its positive matchers with known values (`a="x"`, `a=~"x|y"`) or a
 * known beginning (`a=~"prod-.*"`, cut to a power of two), the one whose bucket is emptiest; an
 * alert's labels then lead to few candidates, which are checked in full. Sets without such a
 * matcher are candidates always; those that want a text inside a value (`a=~".*-db-.*"`) are told
 * apart by its three-byte pieces.
 *
 * Threads: none of its own; readers may share it while nobody writes.
 */

#include "model/matcher.h"
#include "notify/idmap.h"

typedef struct MatchEntry {
    const MatcherSet *set;
    uint64_t also; /* the key of another label that it needs; 0 = none. One entry for each of
                      several values */
    void *owner;
} MatchEntry;

typedef struct MatchBucket {
    MatchEntry *entries;
    size_t entries_count, entries_cap;
} MatchBucket;

/* A candidate for every alert. */
typedef struct MatchAlways {
    const MatcherSet *set;
    const Matcher *inside; /* looks for a text inside a value; NULL = none does */
    uint64_t name;         /* hash of that label's name */
    uint64_t pieces;       /* bits of the text's pieces */
    void *owner;
} MatchAlways;

enum { MATCH_PREFIX_STEPS = 8, MATCH_SIEVE_WORDS = 1 << 11 };

typedef struct MatchIndex {
    IdMap buckets;   /* by hash of name and value, or of name and beginning */
    uint64_t *sieve; /* bits of the keys in `buckets`: most labels lead nowhere, and this stays in
                        the CPU's nearest cache */
    uint64_t names;  /* bits of the label names that any set asks for */
    uint64_t prefixed[MATCH_PREFIX_STEPS]; /* of those filed under a beginning of 2^n bytes */
    MatchAlways *always;                   /* sorted by `name` */
    size_t always_count, always_cap;
    size_t count, removed; /* removed: since the buckets were last swept */
} MatchIndex;

void match_index_finish(MatchIndex *index);

/* `set` has to live until it is removed. */
void match_index_add(MatchIndex *index, const MatcherSet *set, void *owner);
void match_index_remove(MatchIndex *index, const MatcherSet *set, void *owner);

enum { MATCH_KEYS_MAX = 32 };

/* The hashes of an alert's labels: made once, for every index that is asked about it. */
typedef struct MatchKeys {
    LabelSet labels;
    size_t count; /* of those below; labels beyond are looked at one by one */
    uint64_t names[MATCH_KEYS_MAX], keys[MATCH_KEYS_MAX];
    uint64_t bits; /* of all keys */
} MatchKeys;

void match_keys_of(LabelSet labels, MatchKeys *ret_keys);

/* Whether an owner counts now: a silence that has begun. */
typedef bool MatchAccept(const void *owner, const void *context);

/* The owners whose sets match and that `accept` takes, at most `owners_max`, in no order. A set is
 * found once, whatever it is filed under. */
size_t match_index_find(const MatchIndex *index, const MatchKeys *keys, MatchAccept *accept,
                        const void *context, void **ret_owners, size_t owners_max);
