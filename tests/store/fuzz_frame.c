/* Frames from outside: whatever the bytes, opening one says no or yields a frame that can be read
 * to the end. The checksums are put right first, or nothing behind them would ever be reached. */

#include <stdlib.h>

#include "base/hash.h"
#include "store/frame.h"
#include "store/histogram_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void set_u32(char *at, uint32_t value) {
    for (int i = 0; i < 4; i++) {
        at[i] = (char)(value >> (8 * i));
    }
}

static void read_layout(const FrameChunk *chunk) {
    AUTO(arena_finish) Arena arena = {0};
    HistogramLayout *layout;
    Err err;
    size_t lanes = chunk->lane_count - chunk->starts_vary;
    if (!histogram_layout_read(chunk->layout, chunk->count, lanes, &arena, &layout, &err)) {
        return;
    }
    uint64_t *columns = arena_array(&arena, uint64_t, lanes * chunk->count);
    for (size_t i = 0; i < chunk->count; i++) {
        histogram_decode(layout, i, columns, chunk->count, i, &arena);
    }
}

static void read_all(const Frame *frame) {
    static FrameMemo memo;
    uint64_t bits[CHUNK_SAMPLES_MAX];
    size_t count;
    const FrameChunk *chunks = frame_chunks(frame, &count);
    for (size_t i = 0; i < count; i++) {
        for (uint32_t lane = 0; lane < chunks[i].lane_count; lane++) {
            frame_read_lane(frame, chunks[i].lane_first + lane, bits);
            frame_scan_lane(frame, &memo, chunks[i].lane_first + lane, bits);
        }
        if (chunks[i].histograms) {
            read_layout(&chunks[i]);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < FRAME_HEADER_BYTES) {
        return 0;
    }
    char *bytes = malloc(size);
    memcpy(bytes, data, size);
    set_u32(bytes + 56, crc32c(0, bytes + FRAME_HEADER_BYTES, size - FRAME_HEADER_BYTES));
    set_u32(bytes + 60, crc32c(0, bytes, 60));
    Frame *frame = NULL;
    Err err;
    if (frame_open((Str){bytes, size}, &frame, &err)) {
        AUTO(buf_finish) Buf copy = {0};
        read_all(frame);
        FrameCopy how = {.recompress = true, .zstd_level = 1};
        if (!frame_copy((Str){bytes, size}, &how, &copy, &err)) {
            abort(); /* what opens can be copied */
        }
    }
    frame_free(frame);
    free(bytes);
    return 0;
}
