#pragma once

/*
 * One native histogram as bytes, complete in itself: in log records and open chunks. Drawn in
 * histcode.c.
 */

#include "base/buf.h"
#include "model/histogram.h"

void histogram_put(Buf *buf, const Histogram *histogram);

/* An upper bound of what histogram_put() writes. */
size_t histogram_bytes_bound(const Histogram *histogram);

/* Reads one into `arena`; NULL with `reader->bad` set where the bytes make no sense. */
const Histogram *histogram_get(ByteReader *reader, Arena *arena);
