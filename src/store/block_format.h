#pragma once

/* What the halves of the block code share: the numbers of the format drawn in blockfile.c. */

#include "store/block.h"
#include "store/frame.h"

#define BLOCK_MAGIC UINT64_C(0x4b4c4259524c4542) /* "BELRYBLK" */

enum {
    BLOCK_VERSION = 1,
    BLOCK_HEADER_BYTES = 16,
    BLOCK_FOOTER_BYTES = 128,
};

/* One frame, as the frame table lists it. */
typedef struct BlockFrame {
    TimeMs window; /* start */
    FrameKind kind;
    uint32_t first, last; /* ordinals, or time columns */
    uint64_t offset;      /* in the file */
    uint32_t bytes;
    TimeMs min, max; /* of the samples in it; of FRAME_TIMES: `window` */
    uint64_t sample_count;
} BlockFrame;

/* The start of the window that `time` is in. */
static inline TimeMs window_of(TimeMs time, DurationMs span) {
    if (span == 0) {
        return 0;
    }
    TimeMs rest = time % span;
    return time - (rest < 0 ? rest + span : rest);
}
