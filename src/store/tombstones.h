#pragma once

/*
 * Deletions that block files do not know of yet: which matchers, which span, from which file. Kept
 * in `blocks/tombstones`.
 *
 * Threads: the store's maintenance lock.
 */

#include "store/blocklist.h"
#include "store/record.h"

typedef struct Tombstone {
    char *block;  /* file name */
    Str deletion; /* as in a RECORD_DELETE; owned */
} Tombstone;

typedef struct Tombstones {
    Tombstone *items;
    size_t items_count, items_cap;
} Tombstones;

void tombstones_finish(Tombstones *tombstones);

/* Reads the file; there may be none. A damaged record is reported, counted and left out. */
bool tombstones_load(Tombstones *tombstones, const char *path, uint64_t *ret_damaged,
                     Err *err) MUST_CHECK;
/* Replaces the file. */
bool tombstones_save(const Tombstones *tombstones, const StoreFiles *files, const char *path,
                     Err *err) MUST_CHECK;

void tombstones_add(Tombstones *tombstones, Str block, const RecordDelete *deletion);
/* Forgets what is about these blocks; true if there was anything. */
bool tombstones_forget(Tombstones *tombstones, const BlockEntry *entries, size_t count);
/* Forgets the newest `count`. */
void tombstones_undo(Tombstones *tombstones, size_t count);

/* What the deletions hide of a block; NULL if nothing. */
bool tombstones_resolve(const Tombstones *tombstones, const Block *block, HiddenSet **ret_hidden,
                        Err *err) MUST_CHECK;
