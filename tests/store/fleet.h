#pragma once

/* A small fleet of series for the tests of blocks: what was put in is what has to come out. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "columns.h"
#include "store/block.h"
#include "store/parts.h"

typedef struct FleetSeries {
    LabelSet labels;
    SeriesData data;
} FleetSeries;

typedef struct Fleet {
    Arena arena;
    FleetSeries *series;
    size_t count;
} Fleet;

typedef struct FleetShape {
    size_t targets, metrics, buckets;
    TimeMs from;
    DurationMs step;
    size_t samples;
    bool jitter; /* times are some milliseconds off */
    bool gaps;   /* some samples are missing, some series begin late or end early */
    bool histograms;
    bool starts;
    uint64_t seed;
} FleetShape;

static inline LabelSet fleet_labels(Arena *arena, size_t metric, size_t target, size_t bucket) {
    static const char *const bounds[] = {"0.1", "0.5", "1", "2.5", "10", "+Inf"};
    Label *items = arena_array(arena, Label, 6);
    size_t count = 0;
    items[count++] = (Label){LABEL_METRIC_NAME, arena_printf(arena, "metric_%zu_total", metric)};
    items[count++] = (Label){STR("cluster"), arena_printf(arena, "c%zu", target % 3)};
    items[count++] = (Label){STR("instance"), arena_printf(arena, "10.0.0.%zu:9100", target)};
    items[count++] = (Label){STR("job"), target % 2 ? STR("node") : STR("api")};
    if (metric % 2) {
        items[count++] = (Label){STR("le"), str_of(bounds[bucket % 6])};
    }
    items[count++] = (Label){STR("pod"), arena_printf(arena, "pod-%zu", (target + metric) % 5)};
    return (LabelSet){items, count};
}

static inline const Histogram *fleet_histogram(Arena *arena, Random *random, size_t sample) {
    uint32_t buckets = (uint32_t)(2 + sample / 30 % 4);
    HistogramSpan *spans = arena_array(arena, HistogramSpan, 2);
    double *counts = arena_array(arena, double, buckets);
    spans[0] = (HistogramSpan){-3, 1};
    spans[1] = (HistogramSpan){2, buckets - 1};
    Histogram *histogram = arena_new(arena, Histogram);
    for (uint32_t i = 0; i < buckets; i++) {
        counts[i] = (double)(sample * 3 + random_below(random, 3));
        histogram->count += counts[i];
    }
    histogram->schema = 3;
    histogram->is_integer = true;
    histogram->hint = sample % 50 == 0 ? RESET_YES : RESET_NO;
    histogram->zero_threshold = 1e-9;
    histogram->sum = (double)sample * 1.25;
    histogram->positive = (HistogramSide){spans, counts, 2, buckets};
    if (sample % 70 == 69) {
        *histogram = (Histogram){.schema = 3, .sum = value_of_bits(STALE_NAN_BITS)};
    }
    return histogram;
}

static inline SeriesData fleet_data(const FleetShape *shape, Arena *arena, Random *random,
                                    const TimeMs *times) {
    TimeMs *own = arena_array(arena, TimeMs, shape->samples);
    uint64_t *bits = arena_array(arena, uint64_t, shape->samples);
    const Histogram **histograms = arena_array(arena, const Histogram *, shape->samples);
    TimeMs *starts = arena_array(arena, TimeMs, shape->samples);
    column_fill(random, (ColumnKind)random_below(random, COLUMN_KINDS), shape->samples, bits);
    size_t first = 0, end = shape->samples, count = 0;
    if (shape->gaps && random_below(random, 4) == 0) {
        first = random_below(random, shape->samples);
        end = first + 1 + random_below(random, shape->samples - first);
    }
    bool histogram = shape->histograms && random_below(random, 3) == 0;
    bool started = shape->starts && random_below(random, 2) == 0;
    for (size_t i = first; i < end; i++) {
        if (shape->gaps && random_below(random, 30) == 0 && i > first) {
            continue;
        }
        own[count] = times[i];
        bits[count] = bits[i];
        starts[count] = started ? shape->from - (i > 100 ? 0 : 5000) : 0;
        if (histogram && i % 200 < 150) {
            histograms[count] = fleet_histogram(arena, random, i);
            bits[count] = value_bits(histograms[count]->sum);
        }
        count++;
    }
    return (SeriesData){
        .times = own,
        .values = (const double *)bits,
        .histograms = histogram ? histograms : NULL,
        .starts = started ? starts : NULL,
        .count = count,
    };
}

static inline int fleet_cmp(const void *a, const void *b) {
    return parts_order(((const FleetSeries *)a)->labels, ((const FleetSeries *)b)->labels);
}

static inline void fleet_make(const FleetShape *shape, Fleet *fleet) {
    Random random = {shape->seed + 1};
    *fleet = (Fleet){0};
    size_t most = shape->targets * shape->metrics * shape->buckets;
    fleet->series = arena_array(&fleet->arena, FleetSeries, most);
    for (size_t target = 0; target < shape->targets; target++) {
        TimeMs *times = arena_array(&fleet->arena, TimeMs, shape->samples);
        for (size_t i = 0; i < shape->samples; i++) {
            times[i] = shape->from + (TimeMs)i * shape->step + (TimeMs)target * 37 +
                       (shape->jitter ? (TimeMs)random_below(&random, 9) : 0);
        }
        for (size_t metric = 0; metric < shape->metrics; metric++) {
            for (size_t bucket = 0; bucket < (metric % 2 ? shape->buckets : 1); bucket++) {
                fleet->series[fleet->count++] = (FleetSeries){
                    fleet_labels(&fleet->arena, metric, target, bucket),
                    fleet_data(shape, &fleet->arena, &random, times),
                };
            }
        }
    }
    qsort(fleet->series, fleet->count, sizeof *fleet->series, fleet_cmp);
}

static inline LabelSet fleet_source_labels(void *ctx, size_t index, Arena *arena) {
    (void)arena;
    return ((Fleet *)ctx)->series[index].labels;
}

static inline bool fleet_source_read(void *ctx, size_t index, Arena *arena, SeriesData *ret_data,
                                     Err *err) {
    (void)arena;
    (void)err;
    *ret_data = ((Fleet *)ctx)->series[index].data;
    return true;
}

static inline void fleet_write(Fleet *fleet, const char *path, DurationMs window, int level,
                               BlockInfo *ret_info) {
    BlockSource source = {fleet, fleet->count, fleet_source_labels, fleet_source_read};
    BlockWriteOptions options = {
        .path = path, .window = window, .level = level, .files = &store_files_real};
    Err err;
    cr_assert(block_write(&options, &source, ret_info, &err), "%s", err.text);
}

/* Compares what was read with samples [from, to] of what was put in. */
static inline void fleet_assert_data(const SeriesData *got, const SeriesData *want, TimeMs from,
                                     TimeMs to, const char *what) {
    size_t at = 0;
    for (size_t i = 0; i < want->count; i++) {
        if (want->times[i] < from || want->times[i] > to) {
            continue;
        }
        cr_assert_lt(at, got->count, "%s: has %zu samples, sample at %ld is missing", what,
                     got->count, want->times[i]);
        cr_assert_eq(got->times[at], want->times[i], "%s: sample %zu is of %ld, want %ld", what, at,
                     got->times[at], want->times[i]);
        cr_assert_eq(value_bits(got->values[at]), value_bits(want->values[i]),
                     "%s: value at %ld is %a, want %a", what, want->times[i], got->values[at],
                     want->values[i]);
        const Histogram *wanted = want->histograms ? want->histograms[i] : NULL;
        const Histogram *read = got->histograms ? got->histograms[at] : NULL;
        cr_assert_eq(wanted == NULL, read == NULL, "%s: kind of sample at %ld", what,
                     want->times[i]);
        cr_assert(!wanted || (histogram_eq(wanted, read) && wanted->hint == read->hint &&
                              wanted->is_integer == read->is_integer),
                  "%s: histogram at %ld differs", what, want->times[i]);
        cr_assert_eq(got->starts ? got->starts[at] : 0, want->starts ? want->starts[i] : 0,
                     "%s: start time at %ld", what, want->times[i]);
        at++;
    }
    cr_assert_eq(at, got->count, "%s: has %zu samples, want %zu", what, got->count, at);
}

/* Every series of the fleet is in the block, in order, with all of its samples in [from, to]. */
static inline void fleet_assert_block(const Fleet *fleet, const Block *block, TimeMs from,
                                      TimeMs to, const char *what) {
    cr_assert_eq(block_info(block)->series_count, fleet->count, "%s: number of series", what);
    for (size_t i = 0; i < fleet->count; i++) {
        AUTO(arena_finish) Arena arena = {0};
        SeriesData data;
        cr_assert(labels_eq(block_labels(block, (uint32_t)i, &arena), fleet->series[i].labels),
                  "%s: labels of series %zu", what, i);
        block_read(block, (uint32_t)i, from, to, &arena, &data);
        fleet_assert_data(&data, &fleet->series[i].data, from, to, what);
    }
    cr_assert_eq(block_damaged(block), 0, "%s: found damage", what);
}
