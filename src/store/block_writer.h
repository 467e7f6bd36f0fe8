#pragma once

/*
 * Writes a block file piece by piece: series in order, and for each window of time the samples of
 * series in order. block_write() and block_merge() are two ways to use it.
 *
 * Memory stays bounded: a frame is written as soon as it is full, and however many windows are
 * open, no more than some frames' worth of samples waits in memory. What grows with the block is
 * the index and the time columns of open windows.
 *
 * Threads: belongs to one thread.
 */

#include "store/block_format.h"

typedef struct BlockWriter BlockWriter;

/* Creates "<path>.tmp". */
bool block_writer_open(const BlockWriteOptions *options, BlockWriter **ret_writer,
                       Err *err) MUST_CHECK;

/* Removes what was not committed. Accepts NULL. */
void block_writer_free(BlockWriter *writer);
DEFINE_AUTO(BlockWriter, block_writer_free)

/* Adds a series, in parts_order(); returns its ordinal. */
uint32_t block_writer_series(BlockWriter *writer, LabelSet labels);

/* Adds samples of a series. Within one window ordinals do not descend, and the samples of one are
 * in time order. */
bool block_writer_samples(BlockWriter *writer, uint32_t ordinal, const SeriesData *data,
                          Err *err) MUST_CHECK;

/* Writes out all open windows: nothing more will come for them. */
bool block_writer_close_windows(BlockWriter *writer, Err *err) MUST_CHECK;

/* Adds a finished frame to a window that is not open. `frame` tells all but its offset and bytes.
 */
bool block_writer_frame(BlockWriter *writer, const BlockFrame *frame, Str bytes,
                        Err *err) MUST_CHECK;

/* Writes index and footer, syncs and renames. Without any sample no file is left. */
bool block_writer_commit(BlockWriter *writer, BlockInfo *ret_info, Err *err) MUST_CHECK;

/* zstd's level for a block's level. */
int block_zstd_level(int level);
