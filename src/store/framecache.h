#pragma once

/*
 * Frames that were read lately, decompressed and validated, shared by all blocks of the process. A
 * frame here takes about a third of a byte a sample, so a few megabytes hold what the rules of a
 * fleet read again every minute.
 *
 * Threads: every function may be called from any thread. Frames never change; whoever got one holds
 * a reference.
 */

#include "store/frame.h"

typedef struct CachedFrame {
    const Frame *frame;
    struct CacheEntry *entry; /* what is released */
} CachedFrame;

/* A number for the frames of one block, never given twice. */
uint64_t frame_cache_owner(void);

/* The frame `index` of `owner`, with a reference. False if it is not there. */
bool frame_cache_get(uint64_t owner, uint32_t index, CachedFrame *ret_frame);

/* Puts in a frame that was just opened and returns it with a reference; if someone else was faster,
 * `frame` is freed and theirs returned. */
CachedFrame frame_cache_put(uint64_t owner, uint32_t index, Frame *frame);

/* One more reference to a frame that the caller holds. */
CachedFrame frame_cache_share(const CachedFrame *frame);

/* Accepts {0}, and leaves it. */
void frame_cache_release(CachedFrame *frame);

/* Forgets the frames of a block that is closed. */
void frame_cache_drop(uint64_t owner);

size_t frame_cache_bytes(void);
