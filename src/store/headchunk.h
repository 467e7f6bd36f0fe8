#pragma once

/*
 * The chunks of a head series: closing, walking, decoding, freeing. Under the shard's lock, all of
 * it.
 */

#include "store/head.h"

/* Turns `chunk` (the series' open or late one) into a closed chunk and leaves it empty. */
void headchunk_close(HeadShard *shard, HeadSeries *series, OpenChunk *chunk, bool late);

/* Frees a closed chunk that is no longer in any list. */
void headchunk_free(HeadShard *shard, SlabRef ref);

/* A chunk as a snapshot sees it, open or closed. */
typedef struct ChunkView {
    const uint8_t *bytes;
    size_t len;
    size_t run;   /* repeats not in the bytes */
    size_t count; /* samples in it */
    size_t seen;  /* of these, by the snapshot */
    TimeMs first, last;
    bool late;
} ChunkView;

/* Views of all chunks that a snapshot of `epoch` sees and that overlap [from, to], in the order in
 * which they were written over each other: in-order ones first, then late ones; each group oldest
 * first. Array in `arena`, bytes in the slab. */
size_t headchunk_views(const Head *head, const HeadShard *shard, const HeadSeries *series,
                       uint32_t epoch, TimeMs from, TimeMs to, Arena *arena, ChunkView **ret_views);

/* Whether there is any. */
bool headchunk_any(const Head *head, const HeadShard *shard, const HeadSeries *series,
                   uint32_t epoch, TimeMs from, TimeMs to);

/* Decodes and merges views, cut to [from, to]. */
void headchunk_decode(const ChunkView *views, size_t count, TimeMs from, TimeMs to, Arena *arena,
                      SeriesData *ret_data);
