#pragma once

/*
 * Filling an IngestBatch, for the decoders of this folder: open a series, add its rows, seal.
 *
 * The two columns every sample has are written side by side; the histogram and the start column
 * come into being with the first row that needs them, so that a request of floats never pays for
 * them.
 */

#include "ingest/ingest.h"

/* Room for one more row in all columns that exist. */
void build_grow_rows(IngestBatch *batch);
void build_grow_series(IngestBatch *batch);

/* Makes the column, 0 for the rows so far. */
void build_histogram_column(IngestBatch *batch);
void build_start_column(IngestBatch *batch);

/* Rows added from now on belong to this series. */
static inline void build_series(IngestBatch *batch, Str raw) {
    if (batch->series_count == batch->series_cap) {
        build_grow_series(batch);
    }
    batch->series[batch->series_count++] =
        (BatchSeries){.raw = raw, .row_first = (uint32_t)batch->row_count};
}

static inline void build_row(IngestBatch *batch, TimeMs time, double value) {
    if (batch->row_count == batch->row_cap) {
        build_grow_rows(batch);
    }
    batch->times[batch->row_count] = time;
    batch->values[batch->row_count] = value;
    if (batch->histogram_column) {
        batch->histogram_column[batch->row_count] = NULL;
    }
    if (batch->starts) {
        batch->starts[batch->row_count] = 0;
    }
    batch->row_count++;
    batch->samples++;
}

/* `histogram` has to live as long as the batch. */
void build_histogram(IngestBatch *batch, TimeMs time, const Histogram *histogram);

/* The start time of the newest row; 0 is unknown and costs nothing. */
static inline void build_start(IngestBatch *batch, TimeMs start) {
    if (start != 0) {
        build_start_column(batch);
        batch->starts[batch->row_count - 1] = start;
    }
}

/* Ends the series: one without rows is taken back, there is nothing to store. */
static inline void build_series_end(IngestBatch *batch) {
    BatchSeries *series = &batch->series[batch->series_count - 1];
    series->row_count = (uint32_t)batch->row_count - series->row_first;
    batch->series_count -= series->row_count == 0;
}

/* What a page says of a metric, a piece at a time; the pieces about one metric follow each other.
 * The texts have to live until the next metric's, or the end. */
void build_meta(IngestBatch *batch, Str metric, MetricMeta meta);
void build_meta_end(IngestBatch *batch);

/* Sets `batch->batch` to what was built. */
typedef SeriesDecode DecodeFn(void *ctx, Str raw, Arena *arena, LabelSet *ret_labels, Err *err);
void build_seal(IngestBatch *batch, DecodeFn *decode, const IngestLabels *labels);

/* Forgets the content but keeps the memory. */
void build_reset(IngestBatch *batch);
