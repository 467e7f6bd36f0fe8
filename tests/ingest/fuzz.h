#pragma once

/* What the fuzz targets of this folder share: a decoded batch is read as the store would read it,
 * every byte of it. */

#include <assert.h>
#include <stdlib.h>

#include "ingest/ingest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void fuzz_histogram(const Histogram *histogram) {
    Arena arena = {0};
    const Histogram *copy = histogram_copy(&arena, histogram);
    assert(histogram_eq(copy, histogram));
    (void)copy;
    arena_finish(&arena);
}

static inline void fuzz_batch(const SampleBatch *batch) {
    Arena arena = {0};
    uint64_t rows = 0;
    for (size_t i = 0; i < batch->series_count; i++) {
        const BatchSeries *series = &batch->series[i];
        LabelSet labels = series->labels;
        Err err;
        assert(series->row_first == rows && series->row_count > 0);
        rows += series->row_count;
        if (!series->raw.ptr ||
            batch->decode(batch->decode_ctx, series->raw, &arena, &labels, &err) == SERIES_USE) {
            assert(labels_valid(labels, &err));
            assert(labels_has(labels, LABEL_METRIC_NAME));
        }
        for (uint32_t row = series->row_first; batch->histograms && row < rows; row++) {
            if (batch->histograms[row]) {
                fuzz_histogram(batch->histograms[row]);
            }
        }
        arena_reset(&arena);
    }
    assert(rows == batch->row_count);
    arena_finish(&arena);
}

/* The first byte says in which steps the rest is pushed, and whether bad lines are skipped. */
static inline int fuzz_stream(IngestFormat format, const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    size_t step = 1 + (data[0] & 0x7f);
    IngestStream *stream = ingest_stream_new(&(IngestStreamOptions){
        .format = format, .skip_bad = data[0] & 0x80, .default_time = 1, .line_bytes_max = 4096});
    Err err;
    bool ok = true;
    for (size_t at = 1; ok && at <= size; at += step) {
        size_t len = size - at < step ? size - at : step;
        char *piece = malloc(len + (len == 0));
        assert(piece);
        memcpy(piece, data + at, len);
        ok = ingest_stream_push(stream, (Str){piece, len}, at + len == size, &err);
        free(piece);
        const SampleBatch *batch = ingest_stream_batch(stream);
        if (batch) {
            fuzz_batch(batch);
        }
    }
    ingest_stream_free(stream);
    return 0;
}
