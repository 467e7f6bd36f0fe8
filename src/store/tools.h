#pragma once

/*
 * What `belfry store inspect | verify | repair` do with a data directory. Inspecting and verifying
 * change nothing. Both also work beside a server that has the directory: blocks never change, and
 * one that the server merges away meanwhile is left out; its log, which grows, is not judged then.
 * Repairing needs the directory for itself (ERR_CONFLICT).
 */

#include "store/block.h"

/* One block file. */
typedef struct StoreBlockView {
    Str name;
    TimeMs min, max;
    uint64_t series, samples, bytes, index_bytes;
    int level;
    BlockSections sections;
    uint64_t deletions; /* that wait to be applied */
    bool damaged;
    Str damage; /* a sentence; "" if it is sound */
} StoreBlockView;

typedef struct StoreInspection {
    StoreBlockView *blocks; /* by name */
    size_t block_count;
    BlockSections sections;   /* of all blocks */
    uint64_t series, samples; /* of all blocks; a series counts once per block */
    bool in_use;              /* a server has the directory: the log was not looked at */
    uint64_t block_bytes, index_bytes, log_bytes, head_bytes, quarantine_bytes;
    uint64_t log_records, log_damaged; /* places of the log that make no sense */
    uint64_t damaged;                  /* blocks */
} StoreInspection;

/* Looks at headers and indexes of blocks and at the frames of the log; with `thorough` also decodes
 * every chunk of every block. Everything in `arena`. Damage is part of the answer, not an error. */
bool store_inspect(const char *dir, bool thorough, Arena *arena, StoreInspection *ret_inspection,
                   Err *err) MUST_CHECK;

/* Moves damaged blocks to `quarantine/`; `ret_moved` tells how many. */
bool store_repair(const char *dir, uint64_t *ret_moved, Err *err) MUST_CHECK;
