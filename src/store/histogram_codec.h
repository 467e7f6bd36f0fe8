#pragma once

/*
 * Native histograms as columns: a chunk of histograms is a layout and one lane of doubles for the
 * counts, the zero buckets, the sums, and for each bucket. Buckets next to each other move
 * together, which the codec's references find.
 *
 * Samples of one chunk share schema and custom bounds. The buckets that are there may differ from
 * sample to sample (they come with traffic): the lanes are those of all samples' buckets, 0 where a
 * sample has not got it, and the layout keeps which sample had which spans, so that every field
 * comes back exactly.
 *
 * The bytes of the layout are drawn in histogram_codec.c.
 *
 * Threads: plain functions; a HistogramLayout never changes.
 */

#include "base/buf.h"
#include "model/histogram.h"
#include "store/predict.h"

typedef struct HistogramLayout HistogramLayout;

/* How many of the `count` samples, at least 1, one chunk can take: equal schema and bounds, and not
 * more than `values_max` values in all lanes (but always one sample). */
size_t histogram_chunk_length(const Histogram *const *samples, size_t count, size_t values_max);

/* Writes the layout of `count` samples into `layout` and their lanes into columns of `count`
 * values: column i begins at ret_columns[i * count]. In `arena`. */
void histogram_encode(const Histogram *const *samples, size_t count, Arena *arena, Buf *layout,
                      uint64_t **ret_columns, size_t *ret_column_count);

/* Reads and validates a layout of `count` samples in a chunk of `column_count` lanes; ERR_CORRUPT.
 * In `arena`. */
bool histogram_layout_read(Str bytes, size_t count, size_t column_count, Arena *arena,
                           HistogramLayout **ret_layout, Err *err) MUST_CHECK;

/* Puts sample number `sample` together from row `row` of the columns; column i begins at columns[i
 * * stride]. In `arena`, which also has to keep the layout. */
Histogram *histogram_decode(const HistogramLayout *layout, size_t sample, const uint64_t *columns,
                            size_t stride, size_t row, Arena *arena);
