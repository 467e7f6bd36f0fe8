#pragma once

/*
 * Series written for tests: `http_requests{job="api"} 0+10x5 _ stale {{sum:3 count:2 buckets:[1
 * 1]}}x2`.
 *
 * The notation of Prometheus' promqltest scripts and of the `input_series` in rule unit tests
 * (promtool's and vmalert-tool's, which agree on what both accept):
 *
 *   5        a value; also -1e3, Inf, NaN
 *   _        no sample at this step; _x3 for three of them
 *   stale    a stale marker
 *   1x3      1 1 1 1: the value and three repetitions
 *   1+2x3    1 3 5 7; 1-2x3 downward
 *   {{...}}  a native histogram: schema, sum, count, z_bucket, z_bucket_w, custom_values, buckets,
 * offset, n_buckets, n_offset, counter_reset_hint; repeated and added to each other as values are
 *
 * Everything lives in the arena given, which bounds what all series of a file may take.
 */

#include "model/histogram.h"
#include "model/label.h"

enum {
    SERIES_POINTS_MAX = 10 * 1000 * 1000, /* of one series, against `1x99999999999` */
    SERIES_BYTES_MAX = 1 << 30,           /* of all values of the arena */
    SERIES_RUN_BYTES_MAX = 128 << 20,     /* of one `{{}}+{{sum:1}}x9999999` */
};

typedef struct SeriesPoint {
    bool omitted;
    bool hint_given; /* counter_reset_hint was written: a test compares it only then */
    double value;
    const Histogram *histogram; /* NULL: a float */
} SeriesPoint;

typedef struct SeriesDesc {
    LabelSet labels;
    SeriesPoint *points;
    size_t count;
} SeriesDesc;

/* Labels and values. Errors are ERR_INVALID, `LINE:COLUMN: parse error: ...`; too many points
 * or bytes ERR_LIMIT. */
bool series_desc_parse(Arena *arena, Str text, SeriesDesc *ret_desc, Err *err) MUST_CHECK;

/* Only the values, as in `values:`; and only the labels, as in `series:` (metric{a="b"}). */
bool series_values_parse(Arena *arena, Str text, SeriesPoint **ret_points, size_t *ret_count,
                         Err *err) MUST_CHECK;
bool series_labels_parse(Arena *arena, Str text, LabelSet *ret_labels, Err *err) MUST_CHECK;
