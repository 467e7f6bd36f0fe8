#pragma once

/*
 * An open chunk takes the samples of one series, in ascending time, as they come in. It is what the
 * head is made of.
 *
 * Bytes are tokens, appended: a repeat of value and spacing costs nothing until the run ends, a
 * whole-numbered or decimal change a byte or two, anything else up to nine. Measured on real data
 * in half an hour of 15 s samples: 0.5 bytes a sample. The layout is drawn in openchunk.c. A chunk
 * is turned into a block's denser form when it is flushed.
 *
 * The state is 40 bytes and refers to its bytes by a handle of the shard's slab.
 *
 * Threads: plain data under the shard's lock. Bytes are only ever appended, so that a copy of the
 * first `len` bytes, decoded for the first `n` samples, is what a snapshot of n samples ago saw.
 */

#include "model/histogram.h"
#include "store/slab.h"
#include "store/store.h"

enum {
    OPENCHUNK_SAMPLES_MAX = 1000,
    OPENCHUNK_BYTES_FULL = 4096, /* after a sample passed this, the next one starts a new chunk */
};

typedef struct OpenChunk {
    uint64_t last_bits; /* of the last float */
    TimeMs last_time;   /* stays when the chunk is closed: what "in order" is judged by */
    int32_t last_delta;
    SlabRef bytes;
    uint32_t mark_epoch; /* see head.h: samples from number `mark` on were appended in this epoch or
                            later */
    SlabRef extra;       /* see head.c */
    unsigned count : 10; /* samples; 0 = no chunk is open */
    unsigned mark : 10;
    unsigned run : 10;       /* repeats not yet in the bytes */
    unsigned idle : 2;       /* see headflush_forget_idle() */
    unsigned len : 21;       /* of the bytes */
    unsigned class : 6;      /* of their block */
    unsigned exponent : 4;   /* the last float is exactly an integer / 10^exponent ... */
    unsigned is_decimal : 1; /* ... if this is set */
} OpenChunk;

typedef struct OpenSample {
    TimeMs time;
    double value;
    const Histogram *histogram; /* NULL: a float */
    TimeMs start;               /* 0 = unknown */
} OpenSample;

/* True if `time` continues the chunk: there is room and its distance can be written. The caller has
 * seen that it is later than the last one. */
bool openchunk_has_room(const OpenChunk *chunk, TimeMs time);

/* Appends. `start_state` holds the start time in force within this chunk (0 at its beginning); it
 * may be NULL where no sample of the chunk ever had one. */
void openchunk_append(OpenChunk *chunk, Slab *slab, const OpenSample *sample, TimeMs *start_state);

/* Gives the bytes' form that stands on its own: a run that is still open is written out. */
void openchunk_seal(OpenChunk *chunk, Slab *slab);

/* The bytes an encoded histogram may take at most; what is larger is refused before it comes here.
 */
bool openchunk_histogram_fits(const Histogram *histogram);

/* The first sample's time. */
TimeMs openchunk_first(const uint8_t *bytes, size_t len);

/* Decodes the first `count` samples (fewer if the bytes end before: they may come from disk), the
 * last `run` of them repeats that are not in the bytes. Columns in `arena`; `starts` and
 * `histograms` NULL where all are unknown or floats. */
void openchunk_decode(const uint8_t *bytes, size_t len, size_t run, size_t count, Arena *arena,
                      SeriesData *ret_data);
