#pragma once

/*
 * What senders and scraped pages say about metrics: type, unit, help. Kept in memory only: it is
 * said again with every scrape, and every minute by senders.
 *
 * Different things said of one metric (by programs of different versions) are kept beside each
 * other; what is said in pieces (a HELP line, later a TYPE line) becomes one. Bounded: so many
 * metrics, so many sayings of each (the oldest go), texts cut to a length.
 *
 * Threads: every function may be called from any thread.
 */

#include "base/arena.h"

typedef struct Metadata Metadata;

enum {
    METADATA_METRICS_MAX = 50000, /* further ones are not kept */
    METADATA_PER_METRIC_MAX = 8,
    METADATA_HELP_BYTES_MAX = 1024,
};

/* Empty where nothing was said. `type` as in the text formats: counter, gauge, histogram... */
typedef struct MetricMeta {
    Str type, unit, help;
} MetricMeta;

Metadata *metadata_new(void);
void metadata_free(Metadata *metadata); /* accepts NULL */

/* The name of type `number` in both versions of remote write; empty for unknown. */
Str metadata_type(uint64_t number);

/* Cheap where it was said before. Accepts NULL, which keeps nothing. */
void metadata_note(Metadata *metadata, Str metric, MetricMeta meta);

typedef struct MetadataRow {
    Str metric;
    MetricMeta *items;
    size_t count;
} MetadataRow;

/* Of one metric, or of all (`metric` empty) in order of names; at most `limit` metrics. Copies into
 * `arena`. */
void metadata_list(Metadata *metadata, Str metric, size_t limit, Arena *arena,
                   MetadataRow **ret_rows, size_t *ret_count);
