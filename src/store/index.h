#pragma once

/*
 * The label index of a block: which series are in it, and which of them match.
 *
 * A fleet combines few names, targets, objects and rests (parts.h) over and over. The index keeps
 * every text once (a symbol), every distinct part once, and a series as four small numbers. A
 * matcher looks at one label, hence at one part: it is answered once per distinct part (a regular
 * expression once per distinct value), and selecting is a walk over the numbers of the series whose
 * metric name matched, which stand together. That walk takes about a nanosecond per series, so
 * there are no posting lists to store, to cache or to keep right.
 *
 * The bytes are drawn in index_write.c.
 *
 * Threads: an IndexWriter belongs to one thread. An Index never changes and may be read from
 * anywhere.
 */

#include "base/buf.h"
#include "model/matcher.h"

/* ---- writing ---- */

typedef struct IndexWriter IndexWriter;

IndexWriter *index_writer_new(void);
void index_writer_free(IndexWriter *writer); /* accepts NULL */
DEFINE_AUTO(IndexWriter, index_writer_free)

/* Adds a series, in parts_order(); returns its ordinal. Copies what it needs. */
uint32_t index_writer_add(IndexWriter *writer, LabelSet labels);

size_t index_writer_count(const IndexWriter *writer);

/* A number that the series of one target share. */
uint32_t index_writer_target(const IndexWriter *writer, uint32_t ordinal);

/* Appends the index. */
void index_writer_finish(IndexWriter *writer, int zstd_level, Buf *out);

/* ---- reading ---- */

typedef struct Index Index;

/* Reads and validates all of it; keeps no reference to `bytes`. ERR_CORRUPT. */
bool index_open(Str bytes, Index **ret_index, Err *err) MUST_CHECK;
void index_free(Index *index); /* accepts NULL */
DEFINE_AUTO(Index, index_free)

size_t index_count(const Index *index);
size_t index_memory_bytes(const Index *index);

/* Text valid as long as the index; the array is in `arena`. */
LabelSet index_labels(const Index *index, uint32_t ordinal, Arena *arena);

/* Ordinals, ascending, of the series that match one of the sets (no set: all). In `arena`. */
void index_select(const Index *index, const MatcherSet *sets, size_t set_count, Arena *arena,
                  uint32_t **ret_ordinals, size_t *ret_count);

/* Label names, and the values of one, of the given series (`ordinals` NULL: all): sorted, each
 * once. The array is in `arena`, text valid as long as the index. */
void index_label_names(const Index *index, const uint32_t *ordinals, size_t count, Arena *arena,
                       Str **ret_names, size_t *ret_count);
void index_label_values(const Index *index, Str name, const uint32_t *ordinals, size_t count,
                        Arena *arena, Str **ret_values, size_t *ret_count);
