#pragma once

/*
 * The blocks there are, as one value: a list never changes, changing it means putting another one
 * in its place. A snapshot holds on to the list it began with.
 *
 * Files are named b-<from>-<to>-<level>-<number>.tsb: times in milliseconds, for people; the number
 * orders them by age of their data, so that of two samples with one time the later written wins. A
 * merged block has the number of its youngest input.
 *
 * Deletions are remembered per block file in `blocks/tombstones` (drawn in tombstones.c) until the
 * file has been rewritten without them.
 *
 * Threads: references may be taken and released from any thread.
 */

#include <stdatomic.h>

#include "store/block.h"

/* What is deleted from a block; shared by the lists it stays in. */
typedef struct HiddenSet {
    atomic_int refs;
    HiddenRange *ranges; /* sorted by ordinal */
    size_t count;
} HiddenSet;

typedef struct BlockEntry {
    Block *block;
    HiddenSet *hidden; /* NULL: nothing */
    uint64_t number;
} BlockEntry;

typedef struct BlockList {
    atomic_int refs;
    size_t count;
    BlockEntry entries[]; /* by number */
} BlockList;

BlockList *blocklist_ref(BlockList *list);
void blocklist_unref(BlockList *list); /* accepts NULL */
DEFINE_AUTO(BlockList, blocklist_unref)

/* A list with all of `list` (may be NULL) but the blocks of `without`, and with `added` (NULL:
 * none), whose references it takes over. */
BlockList *blocklist_change(const BlockList *list, const BlockEntry *without, size_t without_count,
                            const BlockEntry *added);
/* A list with the same blocks, in which entry `index` hides `hidden` (its reference is taken over).
 */
BlockList *blocklist_hide(const BlockList *list, size_t index, HiddenSet *hidden);

void hidden_unref(HiddenSet *hidden); /* accepts NULL */
/* A set of the ranges of `old` (may be NULL) and for each of the ordinals [from, to]. */
HiddenSet *hidden_with(const HiddenSet *old, const uint32_t *ordinals, size_t count, TimeMs from,
                       TimeMs to);
/* Whether everything that the block has of the series in [from, to] is hidden. */
bool entry_hides(const BlockEntry *entry, uint32_t ordinal, TimeMs from, TimeMs to);

/* The name of a block file. `name` has room for BLOCK_NAME_MAX. */
enum { BLOCK_NAME_MAX = 128 };
void block_name(char *name, TimeMs from, TimeMs to, int level, uint64_t number);
/* False if it is no such name. */
bool block_name_parse(Str name, uint64_t *ret_number);
/* The last part of the path. */
Str block_file_name(const Block *block);
