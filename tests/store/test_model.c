/*
 * The store against a model that cannot be wrong: an array of samples per series, in which the last
 * written wins. Random appends in and out of order, deletions, flushes, merges, restarts; after
 * each step everything has to read the same, and a snapshot taken at some time has to keep reading
 * what it saw.
 */

#include "testing.h"

#include "base/number.h"

enum { SERIES = 12, STEPS = 160, TIMES = 4000, TIME_STEP = 7000 };

typedef struct Cell {
    bool there;
    bool is_histogram;
    uint64_t bits;
    TimeMs start;
} Cell;

/* Time is counted in steps of TIME_STEP: three days at all, so that chunks, windows and blocks are
 * crossed. */
typedef struct Model {
    Cell cells[SERIES][TIMES];
} Model;

typedef struct Random {
    uint64_t state;
} Random;

static uint64_t next(Random *random) {
    random->state ^= random->state << 13;
    random->state ^= random->state >> 7;
    random->state ^= random->state << 17;
    return random->state;
}

static uint64_t below(Random *random, uint64_t limit) {
    return next(random) % limit;
}

static uint64_t random_bits(Random *random) {
    switch (below(random, 8)) {
    case 0:
        return next(random);
    case 1:
        return STALE_NAN_BITS;
    case 2:
        return value_bits((double)(int64_t)below(random, 100000) / 1000);
    case 3:
        return value_bits(-0.0);
    default:
        return value_bits((double)below(random, 50));
    }
}

static Histogram *some_histogram(Arena *arena, double sum) {
    Histogram *histogram = arena_new(arena, Histogram);
    HistogramSpan *span = arena_new(arena, HistogramSpan);
    double *counts = arena_array(arena, double, 2);
    *span = (HistogramSpan){1, 2};
    counts[0] = 3;
    counts[1] = 4;
    *histogram = (Histogram){
        .schema = 1, .is_integer = true, .count = 7, .sum = sum, .positive = {span, counts, 1, 2}};
    return histogram;
}

static LabelSet series_labels(Arena *arena, size_t series) {
    char words[128];
    snprintf(words, sizeof words, "m%zu cluster=c%zu pod=p%zu le=%zu", series % 3, series % 2,
             series % 4, series);
    return test_labels(arena, words);
}

/* A batch for several series, with some rows in order and some not. */
static void append_random(TestStore *test, Model *model, Random *random) {
    AUTO(arena_finish) Arena arena = {0};
    enum { ROWS_MAX = 400 };
    BatchSeries series[SERIES];
    TimeMs *times = arena_array(&arena, TimeMs, ROWS_MAX);
    TimeMs *starts = arena_array(&arena, TimeMs, ROWS_MAX);
    double *values = arena_array(&arena, double, ROWS_MAX);
    const Histogram **histograms = arena_array(&arena, const Histogram *, ROWS_MAX);
    size_t rows = 0, count = 0;
    for (size_t i = below(random, 3); i < SERIES; i += 1 + below(random, 4)) {
        size_t at = below(random, TIMES), length = 1 + below(random, 30);
        series[count++] = (BatchSeries){.labels = series_labels(&arena, i),
                                        .row_first = (uint32_t)rows,
                                        .row_count = (uint32_t)length};
        TimeMs start = below(random, 6) ? 0 : (TimeMs)(1 + below(random, 3));
        for (size_t j = 0; j < length; j++, rows++) {
            Cell cell = {.there = true, .bits = random_bits(random), .start = start};
            cell.is_histogram = i % 6 == 5 && below(random, 2);
            histograms[rows] =
                cell.is_histogram ? some_histogram(&arena, value_of_bits(cell.bits)) : NULL;
            times[rows] = (TimeMs)at * TIME_STEP;
            values[rows] = value_of_bits(cell.bits);
            starts[rows] = start;
            model->cells[i][at] = cell;
            at = below(random, 5) ? (at + 1) % TIMES : below(random, TIMES);
        }
    }
    SampleBatch batch = {series, count, times, values, histograms, starts, rows, .own = false};
    StoreOutcome outcome;
    uint64_t lsn;
    Err err = {0};
    cr_assert(store_append(test->store, &batch, 0, &lsn, &outcome, &err), "%s", err.text);
    cr_assert_eq(outcome.stored + outcome.duplicates, rows, "%s", outcome.first_bad);
    cr_assert(store_wait_synced(test->store, lsn, &err), "%s", err.text);
}

static void delete_random(TestStore *test, Model *model, Random *random) {
    AUTO(arena_finish) Arena arena = {0};
    size_t from = below(random, TIMES), to = from + below(random, 300);
    const char *pod = (const char *[]){"p0", "p1", "p2", "p3"}[below(random, 4)];
    MatcherSet set;
    Err err = {0};
    cr_assert(matcher_list_parse(&arena, arena_printf(&arena, "pod=\"%s\"", pod), &set, &err));
    cr_assert(
        store_delete(test->store, &set, 1, (TimeMs)from * TIME_STEP, (TimeMs)to * TIME_STEP, &err),
        "%s", err.text);
    matcher_set_finish(&set);
    for (size_t i = 0; i < SERIES; i++) {
        for (size_t at = from; at <= to && at < TIMES && i % 4 == (size_t)(pod[1] - '0'); at++) {
            model->cells[i][at] = (Cell){0};
        }
    }
}

static void expect_series(const SeriesData *data, const Cell *cells, size_t from, size_t to,
                          size_t series, size_t step) {
    size_t at = from;
    for (size_t i = 0; i < data->count; i++) {
        while (at < to && !cells[at].there) {
            at++;
        }
        cr_assert(at < to && data->times[i] == (TimeMs)at * TIME_STEP,
                  "step %zu, series %zu: sample %zu at %lld, want %lld", step, series, i,
                  (long long)data->times[i] / TIME_STEP, (long long)at);
        bool is_histogram = data->histograms && data->histograms[i];
        TimeMs start = data->starts ? data->starts[i] : 0;
        cr_assert_eq(is_histogram, cells[at].is_histogram, "step %zu, series %zu at %zu", step,
                     series, at);
        double value = is_histogram ? data->histograms[i]->sum : data->values[i];
        cr_assert_eq(value_bits(value), cells[at].bits, "step %zu, series %zu at %zu", step, series,
                     at);
        cr_assert_eq(start, cells[at].start, "step %zu, series %zu at %zu", step, series, at);
        at++;
    }
    while (at < to && !cells[at].there) {
        at++;
    }
    cr_assert_eq(at, to, "step %zu, series %zu: the sample at %zu is missing", step, series, at);
}

static size_t series_of(LabelSet labels) {
    int64_t series = 0;
    cr_assert(number_parse_int(labels_get(labels, STR("le")), &series));
    return (size_t)series;
}

static void expect_same(StoreSnapshot *snapshot, const Model *model, size_t from, size_t to,
                        size_t step) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(selection_freep) StoreSelection *selection = NULL;
    bool seen[SERIES] = {false};
    TimeMs first = (TimeMs)from * TIME_STEP, last = (TimeMs)to * TIME_STEP - 1;
    Err err = {0};
    cr_assert(snapshot_select(snapshot, NULL, 0, first, last, 0, &selection, &err), "%s", err.text);
    for (size_t i = 0; i < selection_count(selection); i++) {
        size_t series = series_of(selection_labels(selection, i));
        SeriesData data;
        cr_assert(i == 0 || labels_cmp(selection_labels(selection, i - 1),
                                       selection_labels(selection, i)) < 0);
        selection_read(selection, i, first, last, &arena, &data);
        expect_series(&data, model->cells[series], from, to, series, step);
        seen[series] = true;
    }
    for (size_t i = 0; i < SERIES; i++) {
        for (size_t at = from; at < to && !seen[i]; at++) {
            cr_assert_not(model->cells[i][at].there, "step %zu: series %zu is missing", step, i);
        }
    }
}

static void backup_and_open(TestStore *test, const Model *model, size_t step) {
    char dir[128];
    Err err = {0};
    snprintf(dir, sizeof dir, "%s-backup", test->dir);
    cr_assert(store_backup(test->store, dir, &err), "%s", err.text);
    StoreOptions options = test->options;
    options.dir = dir;
    Store *copy;
    cr_assert(store_open(&options, &copy, &err), "%s", err.text);
    StoreSnapshot *snapshot = store_snapshot(copy);
    expect_same(snapshot, model, 0, TIMES, step);
    snapshot_release(snapshot);
    store_close(copy);
    cr_assert(dir_remove(dir, &err));
}

/* What a process finds that starts after this one was killed now: its files as they are. */
static void crash_and_open(TestStore *test, const Model *model, size_t step) {
    char dir[128], copy_files[300];
    Err err = {0};
    snprintf(dir, sizeof dir, "%s-crashed", test->dir);
    snprintf(copy_files, sizeof copy_files, "cp -r %s %s", test->dir, dir);
    pthread_mutex_lock(&test->store->maintenance); /* no file goes away meanwhile */
    cr_assert_eq(system(copy_files), 0);
    pthread_mutex_unlock(&test->store->maintenance);
    StoreOptions options = test->options;
    options.dir = dir;
    Store *copy;
    cr_assert(store_open(&options, &copy, &err), "%s", err.text);
    StoreSnapshot *snapshot = store_snapshot(copy);
    expect_same(snapshot, model, 0, TIMES, step);
    snapshot_release(snapshot);
    cr_assert_eq(counter_get(&copy->unknown), 0);
    store_close(copy);
    cr_assert(dir_remove(dir, &err));
}

static void change(TestStore *test, Model *model, Random *random, size_t step, bool held) {
    Err err = {0};
    uint64_t dice = below(random, 32);
    if (dice < 22) {
        append_random(test, model, random);
    } else if (dice < 24) {
        delete_random(test, model, random);
    } else if (dice < 27) {
        cr_assert(store_flush(test->store, &err), "%s", err.text);
    } else if (dice < 28) {
        cr_assert(store_compact(test->store, &err), "%s", err.text);
    } else if (dice < 29) {
        cr_assert(store_clean_tombstones(test->store, &err), "%s", err.text);
    } else if (dice < 30) {
        backup_and_open(test, model, step);
    } else if (dice < 31) {
        crash_and_open(test, model, step);
    } else if (!held) {
        test_store_reopen(test);
    }
}

static void run_against_model(uint64_t seed) {
    TestStore test;
    Random random = {seed};
    Model *model = calloc(1, sizeof *model), *then = calloc(1, sizeof *then);
    StoreSnapshot *held = NULL;
    test_store_open(&test);
    test.options.pool = pool_new("test", 2, 10);
    for (size_t step = 0; step < STEPS; step++) {
        change(&test, model, &random, step, held != NULL);
        size_t from = below(&random, TIMES), to = from + 1 + below(&random, TIMES - from);
        StoreSnapshot *snapshot = store_snapshot(test.store);
        expect_same(snapshot, model, from, to, step);
        snapshot_release(snapshot);
        if (held) {
            expect_same(held, then, 0, TIMES, step);
            snapshot_release(held);
            held = NULL;
        } else if (below(&random, 3) == 0) {
            held = store_snapshot(test.store);
            *then = *model;
        }
    }
    snapshot_release(held);
    test_store_close(&test);
    pool_free(test.options.pool);
    free(model);
    free(then);
}

Test(model, store_and_model_agree_whatever_happens) {
    for (uint64_t seed = 1; seed <= 4; seed++) {
        run_against_model(seed * UINT64_C(0x9E3779B97F4A7C15));
    }
}
