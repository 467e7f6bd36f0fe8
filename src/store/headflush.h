#pragma once

/*
 * Taking samples out of the head: into a block, or because they were deleted.
 *
 *   headflush_begin()    the open chunks of the wanted windows are closed; all closed ones get the
 * number of this flush headflush_labels(), headflush_read()   what the block is written from, while
 * appends go on headflush_publish()  under the shut gate, together with the new block list: later
 * snapshots find the samples in the block headflush_collect()  frees the chunks once no snapshot
 * from before needs them
 *
 * Threads: one flush, deletion or checkpoint at a time (the store's maintenance lock); others
 * append and read meanwhile.
 */

#include "store/block.h"
#include "store/head.h"

/* What the head has of one window. */
typedef struct HeadWindow {
    TimeMs start;
    uint64_t samples;
} HeadWindow;

/* The windows there are, ascending; chunks that are in blocks already do not count. */
void headflush_windows(Head *head, Arena *arena, HeadWindow **ret_windows, size_t *ret_count);

/* Oldest and newest sample that is in no block; TIME_MAX and TIME_MIN if there is none. */
void headflush_range(Head *head, TimeMs *ret_min, TimeMs *ret_max);

typedef struct HeadFlush {
    Head *head;
    uint32_t batch;
    HeadRef *refs; /* series with samples in it, in parts_order() */
    size_t count;
} HeadFlush;

/* Takes windows that begin in [from, to]. `ret_flush->count` is 0 where there is nothing. ERR_BUSY
 * where snapshots hold on to too many earlier ones. */
bool headflush_begin(Head *head, TimeMs from, TimeMs to, HeadFlush *ret_flush, Err *err) MUST_CHECK;
void headflush_finish(HeadFlush *flush);

/* The flush as a source for block_write(). */
BlockSource headflush_source(HeadFlush *flush);

/* Under the shut gate. */
void headflush_publish(HeadFlush *flush);
/* Nothing was written: the chunks stay. */
void headflush_abort(HeadFlush *flush);

/* Frees what is in blocks or deleted and needed by no snapshot. */
void headflush_collect(Head *head);

/* Removes the samples in [from, to] of matching series for snapshots to come. Under the shut gate.
 */
bool headflush_delete(Head *head, const MatcherSet *sets, size_t set_count, TimeMs from, TimeMs to,
                      Err *err) MUST_CHECK;

/* Forgets series without samples that nothing was appended to for two calls (an hour apart, say).
 * Under the shut gate. Their slots can be used again once a checkpoint without them is written and
 * no snapshot is left from before: headflush_reuse() then. */
void headflush_forget_idle(Head *head);
/* Does nothing while a snapshot from before is open. Under the shut gate. */
void headflush_reuse(Head *head);
