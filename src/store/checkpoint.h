#pragma once

/*
 * A checkpoint is the whole head as a file: with it, replay begins where the checkpoint was taken
 * instead of at the beginning of time.
 *
 * It is taken at a position of the journal while appends go on: everything before that position is
 * in it, some of what came after may be, and replaying that again does no harm. The newest two are
 * kept, with the journal from the older on, so that a damaged one costs time and nothing else.
 *
 * Threads: one at a time (the store's maintenance lock).
 */

#include "base/pool.h"
#include "store/head.h"

#define CHECKPOINT_PACKED UINT32_C(0x80000000) /* in a record's type: u32 length, zstd */

/* Writes `head/<lsn>.head`; everything before `lsn` has been applied to the head. */
bool checkpoint_write(Head *head, const StoreFiles *files, const char *dir, uint64_t lsn,
                      Err *err) MUST_CHECK;

/* Loads the newest good one into an empty head; `ret_lsn` is where replay goes on (0 if there is
 * none), `ret_damaged` counts those that were set aside (renamed to `.bad`). */
bool checkpoint_load(Head *head, Pool *pool, const StoreFiles *files, const char *dir,
                     uint64_t *ret_lsn, uint64_t *ret_damaged, Err *err) MUST_CHECK;

/* Reads one file into an empty head (checkpoint_read.c). ERR_CORRUPT if it is damaged. */
bool checkpoint_read(Head *head, Pool *pool, const char *path, Err *err) MUST_CHECK;

/* Removes all but the newest `keep`; `ret_oldest` is the position of the oldest that is left. */
void checkpoint_clean(const StoreFiles *files, const char *dir, size_t keep, uint64_t *ret_oldest);
