#pragma once

/*
 * A block is an immutable file with the samples of many series over a span of time: written once,
 * synced, renamed in, never changed. This header is what the rest of the store knows of it; the
 * file format is drawn in blockfile.c.
 *
 *     head or older blocks --(BlockSource)--> block_write() --> file --> block_open() -->
 * block_select(), block_read()
 *
 * Series stand in parts_order() and are known by their place in it, the ordinal. Samples of one
 * series are in time order, each time once. Deletions and the choice of which blocks to merge
 * belong to the store above.
 *
 * Threads: a Block never changes; every function on it may be called from any thread. Files are
 * read by pread(), not mapped: pages of a mapping count as our memory, and a disk error on one
 * would be a signal instead of an error.
 */

#include "base/pool.h"
#include "model/matcher.h"
#include "store/files.h"
#include "store/store.h"

typedef struct Block Block;

typedef struct BlockInfo {
    TimeMs min, max; /* of the samples in it */
    uint64_t series_count;
    uint64_t sample_count;
    uint64_t bytes;       /* of the file */
    uint64_t index_bytes; /* of these, for labels and postings */
    int level;            /* as given when it was written */
} BlockInfo;

/* ---- writing ---- */

/* Where the series of a new block come from. Functions may be called from several threads at once,
 * each with its own arena. `labels` may be called often and in any order; `read` once per series
 * and, within one thread, in ascending order. */
typedef struct BlockSource {
    void *ctx;
    size_t series_count; /* in parts_order(), no two equal */
    LabelSet (*labels)(void *ctx, size_t index, Arena *arena);
    /* All samples of the series, in time order, each time once. None at all: the series is left
     * out. False stops the writing. */
    bool (*read)(void *ctx, size_t index, Arena *arena, SeriesData *ret_data, Err *err);
} BlockSource;

typedef struct BlockWriteOptions {
    const char *path; /* final name; written beside it as "<path>.tmp" */
    DurationMs
        window; /* chunks do not cross multiples of it (the store's block_span); 0 = one window */
    int level;  /* 0 = fresh from the head: fast; higher: merged, may take more time to become
                   smaller */
    const StoreFiles *files;
    Pool *pool; /* may be NULL */
} BlockWriteOptions;

/* Writes, syncs and renames in a block. A source without any sample writes no file:
 * `ret_info->sample_count` is 0. On failure no file is left behind. */
bool block_write(const BlockWriteOptions *options, const BlockSource *source, BlockInfo *ret_info,
                 Err *err) MUST_CHECK;

/* ---- reading ---- */

/* Opens and checks header, footer and indexes with their checksums: ERR_CORRUPT where something is
 * wrong, ERR_UNSUPPORTED for a newer format. The reference that is returned is released by
 * block_unref(). */
bool block_open(const char *path, Block **ret_block, Err *err) MUST_CHECK;
Block *block_ref(Block *block);
void block_unref(Block *block); /* accepts NULL */
DEFINE_AUTO(Block, block_unref)

/* Where the bytes of a block are, for `belfry store inspect`; together with `index` they are the
 * file. Sections are those of frames (frame_write.c), as stored. */
typedef struct BlockSections {
    uint64_t frames;                     /* their number */
    uint64_t windows;                    /* spans of time with samples */
    uint64_t directory, meta, low, wide; /* of values */
    uint64_t times;                      /* of all time columns, and what frames them */
    uint64_t headers;                    /* of the file and of the frames of values */
    uint64_t index;                      /* labels */
    uint64_t table;                      /* of frames, and the footer */
} BlockSections;

bool block_sections(const Block *block, BlockSections *ret_sections, Err *err) MUST_CHECK;

/* Reads everything and checks every checksum and that every chunk decodes: for `belfry store
 * verify`. */
bool block_verify(const Block *block, Err *err) MUST_CHECK;

const BlockInfo *block_info(const Block *block);
const char *block_path(const Block *block);

/* The ordinals, ascending, of the series that match one of `sets` (no set: all) and may have
 * samples in [from, to]. In `arena`. ERR_CORRUPT where the index turns out to be damaged. */
bool block_select(const Block *block, const MatcherSet *sets, size_t set_count, TimeMs from,
                  TimeMs to, Arena *arena, uint32_t **ret_ordinals, size_t *ret_count,
                  Err *err) MUST_CHECK;

/* The labels of a series; text valid as long as the block is referenced, the array in `arena`. */
LabelSet block_labels(const Block *block, uint32_t ordinal, Arena *arena);

/* Decodes the samples in [from, to] into `arena`. A damaged frame is skipped, logged once and
 * counted (block_damaged()). */
void block_read(const Block *block, uint32_t ordinal, TimeMs from, TimeMs to, Arena *arena,
                SeriesData *ret_data);

/* Frames found damaged since it was opened. */
uint64_t block_damaged(const Block *block);

/* Label names, and values of one name, of the given series (`ordinals` NULL: all): sorted, each
 * once; array in `arena`, text as that of block_labels(). */
void block_label_names(const Block *block, const uint32_t *ordinals, size_t count, Arena *arena,
                       Str **ret_names, size_t *ret_count);
void block_label_values(const Block *block, Str name, const uint32_t *ordinals, size_t count,
                        Arena *arena, Str **ret_values, size_t *ret_count);

/* ---- merging ---- */

/* Samples of some series in [from, to] that were deleted: sorted by ordinal. Refused to readers by
 * the store and left out by block_merge(). */
typedef struct HiddenRange {
    uint32_t ordinal;
    TimeMs from, to;
} HiddenRange;

/* Takes the samples out of `data` (whose arrays are shared or copied into `arena`) that the ranges
 * of `ordinal` cover. */
void hidden_apply(const HiddenRange *ranges, size_t count, uint32_t ordinal, Arena *arena,
                  SeriesData *data);

/* Two columns of one series become one: times ascending; where both have a time, `newer` wins. In
 * `arena` (or shared). */
void series_data_merge(const SeriesData *older, const SeriesData *newer, Arena *arena,
                       SeriesData *ret_data);

typedef struct BlockInput {
    Block *block; /* later inputs win where both have a time */
    const HiddenRange *hidden;
    size_t hidden_count;
} BlockInput;

/* Merges blocks into one file; samples before `keep_from` are left out (retention). Frames are
 * copied as they are where nothing in them changes. A damaged frame of an input is left out and
 * reported. */
bool block_merge(const BlockWriteOptions *options, const BlockInput *inputs, size_t input_count,
                 TimeMs keep_from, BlockInfo *ret_info, Err *err) MUST_CHECK;
