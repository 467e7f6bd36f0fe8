#pragma once

/*
 * Annotations: the warnings and infos of an answer, with Prometheus' wording.
 *
 * An operator may stand for the same sub-expression at several places, so it notes only *which
 * part* of itself a note is about (itself, an argument, its parameter). Places in the text are put
 * in when an expression's answer is made.
 *
 * Notes of one text are one note; what is added later wins its place, as in Prometheus, where the
 * same text at two places is reported at the one evaluated last.
 *
 * Threads: each worker of an operator has its own set; they are merged in series order.
 */

#include "base/arena.h"
#include "promql/ast.h"

/* What part of the operator a note is about: an argument's index, or one of these. */
enum {
    NOTE_SELF = -1,
    NOTE_PARAM = -2, /* an aggregation's */
};

typedef enum NoteKind {
    NOTE_PLAIN,
    NOTE_FORCED_MONOTONIC, /* details below are told */
    NOTE_START_OVERLAP,    /* counts */
} NoteKind;

typedef struct Note {
    NoteKind kind;
    bool warning; /* else info */
    int part;
    const Expr *origin; /* put in when an answer is made */
    Str text;           /* without place and details */
    uint64_t hash;
    uint64_t count;
    TimeMs min_time, max_time;
    double min_bucket, max_bucket, max_diff;
} Note;

typedef struct Notes {
    Arena *arena;
    Note *items;
    size_t count, cap;
    uint32_t *slots;
    size_t slot_count;
} Notes;

/* Adds `note` or merges it with the one of the same text. Texts are copied. */
void notes_add(Notes *notes, Note note);
void notes_merge(Notes *into, const Notes *from);

/* The notes Prometheus has. `op` is "addition", "subtraction" or "aggregation". */
void note_invalid_quantile(Notes *notes, double q, int part);
void note_invalid_ratio(Notes *notes, double ratio, double cap, int part);
void note_bad_bucket(Notes *notes, Str metric, Str label, int part);
void note_mixed_samples(Notes *notes, Str metric, int part);
void note_mixed_samples_in_aggregation(Notes *notes, int part);
void note_mixed_classic_native(Notes *notes, Str metric, int part);
void note_not_counter(Notes *notes, Str metric, int part);
void note_not_gauge(Notes *notes, Str metric, int part);
void note_mixed_schemas(Notes *notes, Str metric, int part);
void note_incompatible_buckets(Notes *notes, const char *op, int part);
void note_sort_in_range(Notes *notes);
void note_possible_non_counter(Notes *notes, Str metric, int part);
void note_incompatible_types(Notes *notes, const char *left, const char *op, const char *right);
void note_histogram_ignored_in(Notes *notes, const char *aggregation, int part);
void note_histogram_ignored_in_range(Notes *notes, Str metric, int part);
void note_quantile_nan_result(Notes *notes, Str metric, int part);
void note_quantile_nan_skew(Notes *notes, Str metric, int part);
void note_fraction_nans(Notes *notes, Str metric, int part);
void note_reset_collision(Notes *notes, const char *op, int part);
void note_reconciled_buckets(Notes *notes, const char *op, int part);
void note_start_overlap(Notes *notes, Str metric, int part);
void note_forced_monotonic(Notes *notes, Str metric, TimeMs time, double min_bucket,
                           double max_bucket, double max_diff, int part);

/* `note` in full, with the place its part has in `text`. */
Str note_render(Arena *arena, const Note *note, Str text);
