#pragma once

/*
 * Many matcher sets, and the question which of them match a label set: silences and flags, ten
 * thousand of them, against each alert.
 *
 * A set is filed under one of its positive matchers with known values (`a="x"`, `a=~"x|y"`) or a
 * known beginning (`a=~"prod-.*"`, cut to a power of two), the one whose bucket is emptiest; an
 * alert's labels then lead to few candidates, which are checked in full. Sets without such a
 * matcher are candidates always.
 *
 * Threads: none of its own; readers may share it while nobody writes.
 */

#include "model/matcher.h"
#include "notify/idmap.h"

typedef struct MatchEntry {
    const MatcherSet *set;
    uint64_t also; /* the key of another label that it needs; 0 = none */
    void *owner;
} MatchEntry;

typedef struct MatchBucket {
    MatchEntry *entries;
    size_t entries_count, entries_cap;
} MatchBucket;

enum { MATCH_PREFIX_STEPS = 8 };

typedef struct MatchIndex {
    IdMap buckets;         /* by hash of name and value, or of name and beginning */
    uint64_t names;        /* bits of the label names under which anything was filed */
    unsigned prefix_steps; /* bit n: something is filed under a beginning of 2^n bytes */
    MatchBucket always;
    size_t count;
} MatchIndex;

void match_index_finish(MatchIndex *index);

/* `set` has to live until it is removed. */
void match_index_add(MatchIndex *index, const MatcherSet *set, void *owner);
void match_index_remove(MatchIndex *index, const MatcherSet *set, void *owner);

/* Whether an owner counts now: a silence that has begun. */
typedef bool MatchAccept(const void *owner, const void *context);

/* The owners whose sets match and that `accept` takes, at most `owners_max`, in no order. A set is
 * found once, whatever it is filed under. */
size_t match_index_find(const MatchIndex *index, LabelSet labels, MatchAccept *accept,
                        const void *context, void **ret_owners, size_t owners_max);
