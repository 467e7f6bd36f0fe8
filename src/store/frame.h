#pragma once

/*
 * A frame holds the chunks of some hundred neighbouring series in one window of time, about 25 kB
 * of them: large enough that what the series have in common is stored once, small enough that
 * reading one series costs tens of microseconds. It is the unit that is compressed, checked,
 * cached, and copied from block to block.
 *
 * A chunk is up to CHUNK_SAMPLES_MAX samples of one series. Its times are `count` slots, from
 * `first` on, of a time column that it shares with the other series of its target. Its values are
 * one lane (codec.h), and those of a native histogram several (histogram_codec.h); where a start
 * time changes within the chunk, one more lane holds them.
 *
 * Time columns are lanes of frames too, one chunk each.
 *
 * The bytes are drawn in frame_write.c.
 *
 * Threads: a FrameWriter belongs to one thread. A Frame never changes and may be read from
 * anywhere.
 */

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "store/codec.h"

enum {
    FRAME_HEADER_BYTES = 64,
    /* A frame is full when it has this many samples or lanes: the study found 131072 samples best,
     * and reading one series should not mean looking at more than some thousand lanes. */
    FRAME_SAMPLES_FULL = 131072,
    FRAME_LANES_FULL = 4096,
    /* What a reader accepts. One chunk of the largest histogram may come on top of a nearly full
       frame. */
    FRAME_SAMPLES_MAX = 1 << 20,
    FRAME_LANES_MAX = 1 << 18,
    FRAME_BYTES_MAX = 1 << 25,
};

typedef enum FrameKind {
    FRAME_VALUES = 1,
    FRAME_TIMES, /* chunks are time columns: `ordinal` is the column's number in its window */
} FrameKind;

typedef struct FrameChunk {
    uint32_t ordinal;
    uint32_t column;  /* time column */
    uint16_t first;   /* slot of the column where the chunk begins */
    uint16_t count;   /* slots; some may be absent */
    bool histograms;  /* the lanes are those of histogram_codec.h */
    bool starts_vary; /* the last lane holds the start times */
    uint32_t lane_first;
    uint32_t lane_count;
    TimeMs start; /* start time of all samples; 0 = unknown */
    Str layout;   /* of histograms */
} FrameChunk;

/* What the header says, and all that a copy to another block changes. */
typedef struct FrameHeader {
    FrameKind kind;
    uint32_t chunk_count;
    uint32_t lane_count;
    uint32_t ordinal_first, ordinal_last;
    uint32_t raw_bytes[4];
    uint32_t stored_bytes[4]; /* equal to raw_bytes: not compressed */
    uint32_t crc;             /* of the stored bytes */
} FrameHeader;

/* ---- writing ---- */

typedef struct FrameWriter FrameWriter;

/* Up to this zstd level the wide residuals are not compressed. */
enum { FRAME_LEVEL_FAST = 3 };

FrameWriter *frame_writer_new(FrameKind kind, int zstd_level);
void frame_writer_free(FrameWriter *writer); /* accepts NULL */
DEFINE_AUTO(FrameWriter, frame_writer_free)

/* Adds a chunk with its lanes (lane_first and lane_count are filled in). Ordinals do not descend.
 * Encodes at once: the inputs may go away, `chunk->layout` is copied. */
void frame_writer_add(FrameWriter *writer, const FrameChunk *chunk, const LaneInput *lanes,
                      size_t lane_count);

bool frame_writer_empty(const FrameWriter *writer);
bool frame_writer_full(const FrameWriter *writer);
uint32_t frame_writer_ordinal_first(const FrameWriter *writer);
uint32_t frame_writer_ordinal_last(const FrameWriter *writer);

/* Appends the frame's bytes and starts over. Not for an empty one. */
void frame_writer_flush(FrameWriter *writer, Buf *out);

/* ---- reading ---- */

typedef struct Frame Frame;

/* Checks and reads a header: `bytes` has at least FRAME_HEADER_BYTES. */
bool frame_header_read(Str bytes, FrameHeader *ret_header, Err *err) MUST_CHECK;

/* Opens a frame from exactly its bytes: checks the checksum, decompresses, and validates everything
 * it holds, so that reading it afterwards cannot fail. Keeps no reference to `bytes`. ERR_CORRUPT
 * says what is wrong. */
bool frame_open(Str bytes, Frame **ret_frame, Err *err) MUST_CHECK;
void frame_free(Frame *frame); /* accepts NULL */
DEFINE_AUTO(Frame, frame_free)

size_t frame_memory_bytes(const Frame *frame);
const FrameChunk *frame_chunks(const Frame *frame, size_t *ret_count);

/* Index of the first chunk of `ordinal` or above. */
size_t frame_find(const Frame *frame, uint32_t ordinal);

const Lane *frame_lane(const Frame *frame, uint32_t lane);

/* Decodes a lane: the doubles' bits, or integers of a LANE_INT. Absent values read as 0. */
void frame_read_lane(const Frame *frame, uint32_t lane, uint64_t bits[CHUNK_SAMPLES_MAX]);

/* Remembers integers of lanes decoded lately, so that a reader who goes through a frame does not
 * decode chains of references over and over. {0} is empty. Belongs to one thread; 130 kB, so not
 * for the stack. */
enum { FRAME_MEMO_LANES = 32 };
typedef struct FrameMemo {
    uint64_t frame;                   /* frame_serial() */
    uint32_t lanes[FRAME_MEMO_LANES]; /* which, + 1 */
    int64_t ints[FRAME_MEMO_LANES][CHUNK_SAMPLES_MAX];
} FrameMemo;

/* A number no other frame of the process has had, not 0. */
uint64_t frame_serial(const Frame *frame);

/* As frame_read_lane(), with a memory. */
void frame_scan_lane(const Frame *frame, FrameMemo *memo, uint32_t lane,
                     uint64_t bits[CHUNK_SAMPLES_MAX]);

/* ---- copying ---- */

typedef struct FrameCopy {
    const uint32_t *ordinals; /* of each chunk, not descending; NULL: as they are */
    bool recompress; /* all sections at `zstd_level`; else only the directory, and only if ordinals
                        are given */
    int zstd_level;
} FrameCopy;

/* Appends a copy of the frame in `bytes`, in which its series may have other ordinals. The
 * residuals are copied as they are, compressed or not: nothing is decoded. On failure (ERR_CORRUPT)
 * `out` may have grown. */
bool frame_copy(Str bytes, const FrameCopy *copy, Buf *out, Err *err) MUST_CHECK;
