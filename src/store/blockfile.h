#pragma once

/* An open block as the halves of the block code see it; everyone else uses block.h. */

#include <stdatomic.h>

#include "store/block_format.h"
#include "store/framecache.h"
#include "store/index.h"

/* The frames of one window: values [values_first, values_end), times [values_end, times_end). */
typedef struct BlockWindow {
    TimeMs start;
    TimeMs min, max; /* of its samples */
    uint32_t values_first, values_end, times_end;
} BlockWindow;

struct Block {
    atomic_uint references;
    char *path;
    int fd;
    uint64_t owner; /* of its frames in the cache */
    BlockInfo info;
    DurationMs span; /* of a window; 0 = there is one */
    Index *index;
    Arena arena; /* frames and windows */
    BlockFrame *frames;
    uint32_t frame_count;
    BlockWindow *windows; /* by start */
    uint32_t window_count;
    atomic_bool *reported; /* for each frame: damage was logged; it is not tried again */
    atomic_uint_fast64_t damaged;
};

/* A frame by its place in the table. False if it is damaged, which was reported. Released by
 * frame_cache_release(). */
bool block_frame(const Block *block, uint32_t index, CachedFrame *ret_frame) MUST_CHECK;

/* Its bytes as they are in the file, unchecked. */
bool block_frame_bytes(const Block *block, uint32_t index, Arena *arena, Str *ret_bytes,
                       Err *err) MUST_CHECK;

/* Reports a frame that is sound by itself but does not fit the others. */
void block_report(const Block *block, uint32_t index, const char *what);
