#pragma once

/*
 * The store's blocks over time: loading them, flushing the head into new ones, merging, retention.
 *
 *     span (2 h)      12 spans (a day)        360 spans (30 days)
 *     L0  L0  L0 ...  -> L1 L1 L1 ...    ->   L2
 *
 * A block never crosses a multiple of its level's span, so levels nest and merging takes whole
 * blocks. Windows of long ago (backfill) are flushed a day or thirty days at a time, however few
 * samples they have: time without samples costs nothing.
 *
 * Threads: all under the maintenance lock.
 */

#include "store/storeimpl.h"

/* Opens what is in `blocks/`. Damaged files go to `quarantine/`, remains of unfinished ones are
 * removed. */
bool blocks_load(Store *store, Err *err) MUST_CHECK;

/* Flushes the windows of the head that begin in [from, to]. */
bool blocks_flush(Store *store, TimeMs from, TimeMs to, Err *err) MUST_CHECK;

/* Merges what can be merged by now: blocks of spans that are over at `now`. `all`: of every span,
 * and rewrites those with deletions. */
bool blocks_merge(Store *store, TimeMs now, bool all, Err *err) MUST_CHECK;

/* Rewrites blocks that have deletions. */
bool blocks_clean(Store *store, TimeMs now, Err *err) MUST_CHECK;

/* Removes blocks that are too old at `now`, and the oldest while there is too much. */
void blocks_retain(Store *store, TimeMs now);

/* Hides what matches from the blocks, durably; the new list is in force for the next snapshot once
 * `blocks_put_list()` puts it in place. */
bool blocks_hide(Store *store, const RecordDelete *deletion, BlockList **ret_list,
                 Err *err) MUST_CHECK;

/* A reference to the current list. */
BlockList *blocks_list(Store *store);
/* Puts a list (its reference is taken over) in place of the current one. */
void blocks_put_list(Store *store, BlockList *list);

uint64_t blocks_bytes(const BlockList *list);
