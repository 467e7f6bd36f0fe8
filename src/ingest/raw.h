#pragma once

/*
 * Raw series bytes, and how they become labels.
 *
 * Two forms go into a batch. PROTO: the `labels` fields of a remote write TimeSeries as they stand
 * on the wire (tag 0x0a, length, name in field 1, value in field 2, and so on); formats whose
 * labels do not stand together are written in this form as well, so that the same series is
 * remembered once however it comes. TEXT: the part of an exposition line before the value.
 *
 * Threads: pure functions.
 */

#include "ingest/ingest.h"

/* SampleBatch.decode for PROTO bytes. `ctx` is an IngestLabels or NULL; the labels are views into
 * `raw` and `arena`. */
SeriesDecode raw_decode_proto(void *ctx, Str raw, Arena *arena, LabelSet *ret_labels, Err *err);

/* What is done with foreign labels whatever form they came in: sorted, made unique, extra ones
 * added, relabelled, checked. `items` is changed. */
SeriesDecode raw_finish(const IngestLabels *labels, Label *items, size_t count, Arena *arena,
                        LabelSet *ret_labels, Err *err);

/* One label in PROTO form: into a buffer, or in two steps into room that is there; the second
 * answers the end. */
void raw_put(Buf *buf, Str name, Str value);
size_t raw_label_bytes(Str name, Str value);
char *raw_label_write(char *at, Str name, Str value);

/* A number that differs where the same bytes may mean other labels. */
uint64_t raw_epoch(const IngestLabels *labels);

/* Of a relabelling: a hash of its rules. */
uint64_t relabel_epoch(const Relabel *relabel);
