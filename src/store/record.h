#pragma once

/*
 * What stands in the journal: definitions and samples as bytes. Drawn in record.c.
 *
 * A series is known in the journal by its number in the head (HeadRef), which a RECORD_SERIES gives
 * it; that refers to parts, which RECORD_PARTS define. Samples mean nothing without their
 * definitions, so these are written twice: a damaged place takes one copy.
 *
 * Every record is complete in itself: a damaged neighbour does not change what it says. Replaying
 * one twice does no harm.
 */

#include "store/openchunk.h"
#include "store/parttable.h"

typedef enum RecordType {
    RECORD_PARTS = 1,
    RECORD_SERIES = 2,
    RECORD_SAMPLES = 3,
    RECORD_DELETE = 4,
    /* in checkpoints only */
    RECORD_CHUNKS = 5,
    RECORD_SOURCES = 6,
    RECORD_END = 7,
} RecordType;

/* ---- definitions ---- */

void record_put_part(Buf *buf, uint32_t id, LabelPart kind, LabelSet part);
/* Reads the next; false at the end or on bytes that make no sense (`reader->bad`). Text is a view
 * into the record. */
bool record_get_part(ByteReader *reader, Arena *arena, uint32_t *ret_id, LabelPart *ret_kind,
                     LabelSet *ret_part);

void record_put_series(Buf *buf, uint32_t ref, const uint32_t part[PART_COUNT]);
bool record_get_series(ByteReader *reader, uint32_t *ret_ref, uint32_t ret_part[PART_COUNT]);

/* ---- samples ---- */

typedef struct RecordRow {
    uint32_t ref;
    OpenSample sample;
} RecordRow;

typedef struct RecordSamples {
    TimeMs now; /* of the append */
    bool own;
    const RecordRow *rows;
    size_t row_count;
} RecordSamples;

void record_put_samples(Buf *buf, const RecordSamples *samples);
/* Rows in `arena`. False on bytes that make no sense. */
bool record_get_samples(Str payload, Arena *arena, RecordSamples *ret_samples);

/* ---- deletions ---- */

typedef struct RecordDelete {
    const MatcherSet *sets;
    size_t set_count;
    TimeMs from, to;
} RecordDelete;

void record_put_delete(Buf *buf, const RecordDelete *deletion);
/* Matchers are compiled: the caller releases each set with matcher_set_finish(). */
bool record_get_delete(Str payload, Arena *arena, MatcherSet **ret_sets, RecordDelete *ret_deletion,
                       Err *err) MUST_CHECK;
