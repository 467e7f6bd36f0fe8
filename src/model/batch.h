#pragma once

/*
 * A batch is what a writer hands to the store in one piece: series, and columns of samples. It is
 * what ingest makes of a request, the scraper of a page, the rules of an evaluation.
 *
 * Series are named in one of two ways, because a fleet sends the same label sets over and over:
 * decoded labels, or the raw bytes they came in. The store remembers the 128-bit hash of raw bytes,
 * and asks `decode` only for bytes it has not seen: for the other 99.9 % of a remote write no label
 * is ever looked at. (`decode` is called during the append only. What it answers is remembered per
 * `raw_epoch`: a new number forgets, e.g. after relabelling rules changed.)
 *
 * Rows of one series stand together, in any time order. A value is a float, or a native histogram
 * where `histograms` has one for that row. `starts` (created timestamps, 0 = unknown) may be NULL,
 * as may `histograms`.
 *
 * A plain value; everything in it belongs to the writer and is only read during store_append().
 */

#include "base/hash.h"
#include "model/histogram.h"
#include "model/label.h"

/* What decoding raw bytes came to. */
typedef enum SeriesDecode {
    SERIES_USE,
    SERIES_DROP,    /* relabelling dropped it: counted, no error */
    SERIES_INVALID, /* `err` says why, the labels (if any) whose; its samples are refused, the
                       others stored */
} SeriesDecode;

typedef struct BatchSeries {
    Str raw;          /* used if `raw.ptr`; hashed together with the batch's `raw_epoch` */
    Hash128 raw_hash; /* hash128(raw), by who has just read these bytes; {0}: not made yet */
    LabelSet labels;  /* else this */
    uint32_t row_first;
    uint32_t row_count;
} BatchSeries;

typedef struct SampleBatch {
    const BatchSeries *series;
    size_t series_count;
    const TimeMs *times;                /* one per row */
    const double *values;               /* one per row */
    const Histogram *const *histograms; /* NULL, or one per row, NULL where the row is a float */
    const TimeMs *starts;               /* NULL, or one per row */
    size_t row_count;

    SeriesDecode (*decode)(void *ctx, Str raw, Arena *arena, LabelSet *ret_labels, Err *err);
    void *decode_ctx;
    uint64_t raw_epoch;

    bool own; /* written by Belfry itself (recordings, ALERTS, self scrape): never counts as
                 telemetry received */
} SampleBatch;
