#pragma once

/*
 * One line of the Prometheus text format 0.0.4 or of OpenMetrics 1.0.
 *
 *     name{label="value",...} value [timestamp] [# {exemplar labels} value [timestamp]]
 *     {"any UTF-8 name",label="value"} value
 *
 * The grammar is that of Prometheus' own lexers (model/textparse/promlex.l, openmetricslex.l): a
 * text that Prometheus scrapes is taken, and one it refuses is refused, so that a page means the
 * same here. OpenMetrics wants single spaces where the older format takes any run of spaces and
 * tabs, and times in seconds instead of milliseconds.
 *
 * Threads: pure functions.
 */

#include "ingest/ingest.h"

typedef struct TextSample {
    Str series; /* the part before the value: raw TEXT bytes */
    double value;
    TimeMs time; /* if has_time */
    bool has_time;
    bool has_exemplar;
    Str metric; /* TEXT_META: whom it is about, and what is said, as written (help with escapes) */
    MetricMeta meta;
} TextSample;

typedef enum TextLine {
    TEXT_SAMPLE,
    TEXT_COMMENT, /* or empty: nothing to store */
    TEXT_META,    /* HELP, TYPE or UNIT */
    TEXT_EOF,     /* OpenMetrics' "# EOF" */
    TEXT_BAD,
} TextLine;

/* `line` is without its newline. */
TextLine text_line(Str line, bool open_metrics, TextSample *ret_sample, Err *err);

/* Puts a TEXT_META line into the batch. */
void text_meta(IngestBatch *batch, const TextSample *sample);

/* SampleBatch.decode for TEXT bytes. `ctx` is an IngestLabels or NULL. */
SeriesDecode text_decode(void *ctx, Str raw, Arena *arena, LabelSet *ret_labels, Err *err);

/* The labels of TEXT bytes as written, unescaped and unsorted; `items` has room for LABELS_MAX. */
bool text_labels(Str raw, Arena *arena, Label *items, size_t *ret_count, Err *err) MUST_CHECK;
