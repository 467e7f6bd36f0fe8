#pragma once

/*
 * Native histograms on the remote write wire. The message is the same in 1.0 and 2.0
 * (prompb/types.proto, prompb/io/prometheus/write/v2/types.proto), but for the start time that
 * later editions of 2.0 have:
 *
 *      1 count_int         6 zero_count_int     11 positive_spans     16 custom_values
 *      2 count_float       7 zero_count_float   12 positive_deltas    17 start_timestamp
 *      3 sum               8 negative_spans     13 positive_counts
 *      4 schema            9 negative_deltas    14 reset_hint
 *      5 zero_threshold   10 negative_counts    15 timestamp
 *
 * Integer histograms carry zigzag deltas from bucket to bucket, float ones absolute counts.
 * Repeated numbers may come packed or one by one.
 */

#include "ingest/ingest.h"

/* Adds one row to the open series; its arrays live in the batch's arena. A histogram that parses
 * but has an impossible shape is left out and counted in `batch->refused`. False with ERR_INVALID
 * where bytes make no sense. */
bool wire_histogram_read(IngestBatch *batch, Str message, Err *err) MUST_CHECK;

/* Appends the message (without tag and length). */
void wire_histogram_write(Buf *buf, TimeMs time, const Histogram *histogram);
