#include "engine/engine_backfill.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

/* Rows of one write, and how often a busy store is asked. */
enum { ROWS_MAX = 20000, TRIES_MAX = 5 };

typedef struct BackfillRow {
    Hash128 id;
    LabelSet labels;
    TimeMs time;
    double value;
    const Histogram *histogram;
} BackfillRow;

void backfill_finish(Backfill *backfill) {
    free(backfill->rows);
    arena_finish(&backfill->arena);
    *backfill = (Backfill){0};
}

static bool is_recording(LabelSet labels) {
    Str name = labels_get(labels, LABEL_METRIC_NAME);
    return !str_eq(name, STR("ALERTS")) && !str_eq(name, STR("ALERTS_FOR_STATE"));
}

static void add_row(Backfill *backfill, const SampleBatch *batch, const BatchSeries *series,
                    size_t row) {
    const Histogram *histogram = batch->histograms ? batch->histograms[row] : NULL;
    BackfillRow added = {
        .id = labels_hash(series->labels),
        .labels = labels_copy(&backfill->arena, series->labels),
        .time = batch->times[row],
        .value = batch->values[row],
        .histogram = histogram ? histogram_copy(&backfill->arena, histogram) : NULL,
    };
    VEC_PUSH(*backfill, rows, added);
}

void backfill_add(Backfill *backfill, const SampleBatch *batch) {
    for (size_t i = 0; backfill->to && i < batch->series_count; i++) {
        const BatchSeries *series = &batch->series[i];
        for (size_t r = 0; r < series->row_count && is_recording(series->labels); r++) {
            if (batch->times[series->row_first + r] >= backfill->from) {
                add_row(backfill, batch, series, series->row_first + r);
            }
        }
    }
}

static int by_series(const void *a, const void *b) {
    const BackfillRow *x = a, *y = b;
    if (x->id.hi != y->id.hi) {
        return x->id.hi < y->id.hi ? -1 : 1;
    }
    if (x->id.lo != y->id.lo) {
        return x->id.lo < y->id.lo ? -1 : 1;
    }
    return (x->time > y->time) - (x->time < y->time);
}

/* Sorted rows as a batch. */
static SampleBatch make_batch(Arena *arena, const BackfillRow *rows, size_t count) {
    BatchSeries *series = arena_array(arena, BatchSeries, count);
    TimeMs *times = arena_array(arena, TimeMs, count);
    double *values = arena_array(arena, double, count);
    const Histogram **histograms = arena_array(arena, const Histogram *, count);
    size_t series_count = 0;
    bool has_histograms = false;
    for (size_t i = 0; i < count; i++) {
        const BackfillRow *row = &rows[i];
        if (i == 0 || !hash_eq(row->id, row[-1].id)) {
            series[series_count++] = (BatchSeries){.labels = row->labels, .row_first = (uint32_t)i};
        }
        series[series_count - 1].row_count++;
        times[i] = row->time;
        values[i] = row->value;
        histograms[i] = row->histogram;
        has_histograms |= row->histogram != NULL;
    }
    return (SampleBatch){
        .series = series,
        .series_count = series_count,
        .times = times,
        .values = values,
        .histograms = has_histograms ? histograms : NULL,
        .row_count = count,
        .own = true,
    };
}

static bool is_for_the_moment(const Err *err) {
    return err->kind == ERR_IO || err->kind == ERR_BUSY || err->kind == ERR_TIMEOUT;
}

static bool write_patiently(const Backfill *backfill, const SampleBatch *batch, TimeMs now,
                            Err *err) {
    uint64_t lsn = 0;
    for (int tries = 1;; tries++) {
        *err = (Err){0};
        if (engine_write(backfill->to, batch, now, &lsn, err)) {
            return engine_sync(backfill->to, lsn, err);
        }
        bool is_cancelled = backfill->cancelled && *backfill->cancelled;
        if (!is_for_the_moment(err) || tries == TRIES_MAX || is_cancelled) {
            return false;
        }
        usleep((useconds_t)100000 << tries); /* 0.2, 0.4, 0.8, 1.6 s */
    }
}

static bool write_rows(Backfill *backfill, size_t first, TimeMs now, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    size_t left = backfill->rows_count - first;
    size_t count = left < ROWS_MAX ? left : ROWS_MAX;
    SampleBatch batch = make_batch(&arena, backfill->rows + first, count);
    if (!write_patiently(backfill, &batch, now, err)) {
        return err_context(err, "recordings not written (%llu samples were before)",
                           (unsigned long long)backfill->written);
    }
    backfill->written += count;
    return true;
}

bool backfill_write(Backfill *backfill, bool all, TimeMs now, Err *err) {
    size_t count = backfill->rows_count;
    if (count == 0 || (!all && count < ROWS_MAX)) {
        return true;
    }
    qsort(backfill->rows, count, sizeof *backfill->rows, by_series);
    for (size_t first = 0; first < count; first += ROWS_MAX) {
        if (!write_rows(backfill, first, now, err)) {
            return false;
        }
    }
    backfill->rows_count = 0;
    arena_reset(&backfill->arena);
    return true;
}
