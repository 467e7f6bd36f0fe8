/*
 * Loading the series of a test script into a store.
 *
 * `load_with_nhcb` also makes a native histogram with custom buckets of each classic one: its
 * buckets' upper bounds are the custom values, the cumulated counts become counts per bucket.
 */

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/number.h"
#include "promql/testlang.h"

/* A batch while it grows; one row per sample. */
typedef struct BatchDraft {
    BatchSeries *series;
    size_t series_count, series_cap;
    TimeMs *times;
    size_t times_count, times_cap;
    double *values;
    size_t values_count, values_cap;
    const Histogram **histograms;
    size_t histograms_count, histograms_cap;
    TimeMs *starts;
    size_t starts_count, starts_cap;
} BatchDraft;

static void draft_finish(BatchDraft *draft) {
    free(draft->series);
    free(draft->times);
    free(draft->values);
    free(draft->histograms);
    free(draft->starts);
    *draft = (BatchDraft){0};
}

static void begin_series(BatchDraft *draft, LabelSet labels) {
    BatchSeries series = {.labels = labels, .row_first = (uint32_t)draft->times_count};
    VEC_PUSH(*draft, series, series);
}

static void add_row(BatchDraft *draft, TimeMs time, double value, const Histogram *histogram,
                    TimeMs start) {
    VEC_PUSH(*draft, times, time);
    VEC_PUSH(*draft, values, value);
    VEC_PUSH(*draft, histograms, histogram);
    VEC_PUSH(*draft, starts, start);
    draft->series[draft->series_count - 1].row_count++;
}

static void add_load_series(BatchDraft *draft, const TestLoad *load, const LoadSeries *series) {
    begin_series(draft, series->desc.labels);
    for (size_t i = 0; i < series->desc.count; i++) {
        const SeriesPoint *point = &series->desc.points[i];
        if (!point->omitted) {
            add_row(draft, (TimeMs)i * load->step, point->value, point->histogram,
                    series->starts ? series->starts[i] : 0);
        }
    }
}

/* ---- classic histograms ---- */

typedef enum ClassicPart { PART_BUCKET, PART_COUNT, PART_SUM, PART_OTHER } ClassicPart;

/* One sample of a classic histogram's series. Sorted by histogram, time, part, bound. */
typedef struct ClassicSample {
    LabelSet base; /* without `le`, metric name without suffix */
    TimeMs time;
    ClassicPart part;
    double bound;
    double value;
} ClassicSample;

typedef struct ClassicSamples {
    ClassicSample *items;
    size_t items_count, items_cap;
} ClassicSamples;

static ClassicPart part_of(Str metric, Str *ret_base) {
    static const struct {
        const char *suffix;
        ClassicPart part;
    } suffixes[] = {{"_bucket", PART_BUCKET}, {"_count", PART_COUNT}, {"_sum", PART_SUM}};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        Str suffix = str_of(suffixes[i].suffix);
        if (str_ends(metric, suffix)) {
            *ret_base = (Str){metric.ptr, metric.len - suffix.len};
            return suffixes[i].part;
        }
    }
    return PART_OTHER;
}

static void collect_classic(Arena *arena, const TestLoad *load, const LoadSeries *series,
                            ClassicSamples *samples) {
    LabelSet labels = series->desc.labels;
    Str name;
    ClassicSample sample = {.part = part_of(labels_get(labels, LABEL_METRIC_NAME), &name)};
    if (sample.part == PART_OTHER) {
        return;
    }
    if (sample.part == PART_BUCKET &&
        (!number_parse(labels_get(labels, STR("le")), &sample.bound) || isnan(sample.bound))) {
        return;
    }
    sample.base =
        labels_with(arena, labels_with(arena, labels, STR("le"), STR("")), LABEL_METRIC_NAME, name);
    for (size_t i = 0; i < series->desc.count; i++) {
        const SeriesPoint *point = &series->desc.points[i];
        if (!point->omitted && !point->histogram) {
            sample.time = (TimeMs)i * load->step;
            sample.value = point->value;
            VEC_PUSH(*samples, items, sample);
        }
    }
}

static int compare_samples(const void *left, const void *right) {
    const ClassicSample *a = left;
    const ClassicSample *b = right;
    int order = labels_cmp(a->base, b->base);
    if (order == 0) {
        order = (a->time > b->time) - (a->time < b->time);
    }
    if (order == 0) {
        order = (int)a->part - (int)b->part;
    }
    return order ? order : (a->bound > b->bound) - (a->bound < b->bound);
}

/* Samples [from, to) of one histogram at one time -> the native one. */
static bool convert_classic(Arena *arena, const ClassicSample *samples, size_t count,
                            Histogram **ret_histogram, Err *err) {
    double *bounds = arena_array(arena, double, count + 1);
    double *counts = arena_array(arena, double, count + 1);
    uint32_t buckets = 0;
    double total = 0;
    double sum = 0;
    bool has_total = false;
    for (size_t i = 0; i < count; i++) {
        const ClassicSample *sample = &samples[i];
        if (sample->part == PART_COUNT) {
            total = sample->value;
            has_total = true;
        } else if (sample->part == PART_SUM) {
            sum = sample->value;
        } else if (buckets == 0 || bounds[buckets - 1] < sample->bound) {
            bounds[buckets] = sample->bound;
            counts[buckets++] = sample->value;
        }
    }
    if (!has_total && buckets) {
        total = counts[buckets - 1];
    }
    if (buckets == 0 || bounds[buckets - 1] != INFINITY) {
        bounds[buckets] = INFINITY;
        counts[buckets++] = total;
    }
    for (uint32_t i = buckets; i-- > 1;) {
        if (counts[i] < counts[i - 1]) {
            return err_set(err, ERR_INVALID, "bucket counts are not cumulative");
        }
        counts[i] -= counts[i - 1];
    }
    Histogram *histogram = arena_new(arena, Histogram);
    HistogramSpan *span = arena_new(arena, HistogramSpan);
    span->length = buckets;
    *histogram = (Histogram){
        .schema = HISTOGRAM_SCHEMA_CUSTOM,
        .count = total,
        .sum = sum,
        .positive = {.spans = span, .counts = counts, .span_count = 1, .bucket_count = buckets},
        .custom_values = bounds,
        .custom_count = buckets - 1,
    };
    *ret_histogram = histogram;
    return true;
}

static bool same_moment(const ClassicSample *a, const ClassicSample *b) {
    return a->time == b->time && labels_eq(a->base, b->base);
}

static bool add_converted(Arena *arena, BatchDraft *draft, const ClassicSamples *samples,
                          Err *err) {
    const ClassicSample *items = samples->items;
    size_t to = 0;
    for (size_t from = 0; from < samples->items_count; from = to) {
        for (to = from; to < samples->items_count && same_moment(&items[from], &items[to]); to++) {
        }
        if (from == 0 || !labels_eq(items[from].base, items[from - 1].base)) {
            begin_series(draft, items[from].base);
        }
        Histogram *histogram = NULL;
        if (!convert_classic(arena, items + from, to - from, &histogram, err)) {
            return false;
        }
        add_row(draft, items[from].time, 0, histogram, 0);
    }
    return true;
}

static bool add_nhcb(Arena *arena, const TestLoad *load, BatchDraft *draft, Err *err) {
    ClassicSamples samples = {0};
    for (size_t i = 0; i < load->series_count; i++) {
        collect_classic(arena, load, &load->series[i], &samples);
    }
    if (samples.items_count) {
        qsort(samples.items, samples.items_count, sizeof *samples.items, compare_samples);
    }
    bool ok = add_converted(arena, draft, &samples, err);
    free(samples.items);
    return ok;
}

static bool append(Store *store, const BatchDraft *draft, Err *err) {
    if (draft->times_count == 0) {
        return true;
    }
    SampleBatch batch = {
        .series = draft->series,
        .series_count = draft->series_count,
        .times = draft->times,
        .values = draft->values,
        .histograms = draft->histograms,
        .starts = draft->starts,
        .row_count = draft->times_count,
    };
    uint64_t lsn;
    StoreOutcome outcome;
    if (!store_append(store, &batch, clock_now(), &lsn, &outcome, err)) {
        return false;
    }
    return outcome.first_bad[0] == '\0' || err_set(err, ERR_INVALID, "%s", outcome.first_bad);
}

bool test_load_append(Store *store, const TestLoad *load, Err *err) {
    AUTO(draft_finish) BatchDraft draft = {0};
    AUTO(arena_finish) Arena arena = {0};
    for (size_t i = 0; i < load->series_count; i++) {
        add_load_series(&draft, load, &load->series[i]);
    }
    if (load->with_nhcb && !add_nhcb(&arena, load, &draft, err)) {
        return false;
    }
    return append(store, &draft, err);
}
