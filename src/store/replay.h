#pragma once

/*
 * What the journal says, put into an empty or a checkpointed head when the store opens.
 *
 * Replay is what a restart waits for, so it is spread over the pool, a run of records at a time:
 *
 *     1  parts        one thread: numbers are given in order
 *     2  decoding     a record each; its rows are put in order of their shards
 *     3  applying     a shard each, all records of the run in order
 *
 * A deletion looks at all series: it ends the run before it and is applied alone.
 *
 * Threads: one, before anybody else can see the head.
 */

#include "base/pool.h"
#include "store/head.h"

typedef struct ReplayResult {
    JournalReplay journal;
    uint64_t unknown; /* samples whose definition was lost */
} ReplayResult;

/* Applies what begins at or after `from` in the journal's folder `dir`. What makes no sense is
 * reported in the log and left out. */
bool replay_journal(Head *head, Pool *pool, const char *dir, uint64_t from,
                    ReplayResult *ret_result, Err *err) MUST_CHECK;
