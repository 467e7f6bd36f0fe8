#pragma once

/*
 * What a query answers: plain data in the asker's arena.
 */

#include "model/histogram.h"
#include "model/label.h"

typedef enum ValueType { VALUE_SCALAR, VALUE_STRING, VALUE_VECTOR, VALUE_MATRIX } ValueType;

/* One series of an answer. A vector has one point, a matrix up to one a step (or the raw samples,
 * for `x[5m]`). Points are columns: `histograms` is NULL, or has one per point, NULL where the
 * point is a float. */
typedef struct ValueSeries {
    LabelSet labels;
    const TimeMs *times;
    const double *values;
    const Histogram *const *histograms;
    size_t count;
} ValueSeries;

/* What one step of a query touched, as `stats=all` reports it. */
typedef struct StepStat {
    TimeMs time;
    uint64_t samples, read;
} StepStat;

/* The samples a query touched. Where QueryOptions.count_samples asked, `samples` and what goes by
 * step count as Prometheus does: each place of the expression for itself, what stands in a subquery
 * once per window it is in, what does not depend on the step at every step. */
typedef struct QueryStats {
    uint64_t series;                 /* selected */
    bool knows_series;               /* not every remote engine tells */
    const uint64_t *selector_series; /* by each selector of the expression, in its order */
    size_t selector_count;
    uint64_t samples;      /* read, as Prometheus counts totalQueryableSamples */
    uint64_t samples_read; /* the same, but none twice for windows that overlap */
    const StepStat *steps; /* NULL: not asked */
    size_t step_count;
    uint64_t samples_peak;
    uint64_t bytes_peak;
    int64_t eval_ns; /* wall time */
    int64_t queue_ns;
} QueryStats;

typedef struct Value {
    ValueType type;
    double scalar; /* VALUE_SCALAR, instant */
    Str string;    /* VALUE_STRING */
    TimeMs time;   /* of an instant scalar or string */
    ValueSeries
        *series; /* VECTOR, MATRIX; sorted by labels for ranges, as evaluated for instants */
    size_t series_count;
    const Str *warnings; /* annotations with Prometheus' wording, each once */
    const Str *infos;
    size_t warning_count, info_count;
    QueryStats stats;
} Value;
