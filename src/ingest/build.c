#include "ingest/build.h"

#include <stdlib.h>

#include "base/mem.h"
#include "ingest/raw.h"

enum { ROWS_FIRST = 1024, SERIES_FIRST = 1024 };

void build_grow_rows(IngestBatch *batch) {
    size_t cap = batch->row_cap ? batch->row_cap * 2 : ROWS_FIRST;
    batch->times = mem_grow(batch->times, cap * sizeof *batch->times);
    batch->values = mem_grow(batch->values, cap * sizeof *batch->values);
    if (batch->histogram_column) {
        batch->histogram_column =
            mem_grow(batch->histogram_column, cap * sizeof(const Histogram *));
    }
    if (batch->starts) {
        batch->starts = mem_grow(batch->starts, cap * sizeof *batch->starts);
    }
    batch->row_cap = cap;
}

void build_grow_series(IngestBatch *batch) {
    size_t cap = batch->series_cap ? batch->series_cap * 2 : SERIES_FIRST;
    batch->series = mem_grow(batch->series, cap * sizeof *batch->series);
    batch->series_cap = cap;
}

void build_histogram_column(IngestBatch *batch) {
    if (!batch->histogram_column) {
        size_t cap = batch->row_cap ? batch->row_cap : 1;
        batch->histogram_column = mem_zero(cap, sizeof(const Histogram *));
    }
}

void build_start_column(IngestBatch *batch) {
    if (!batch->starts) {
        batch->starts = mem_zero(batch->row_cap ? batch->row_cap : 1, sizeof *batch->starts);
    }
}

void build_histogram(IngestBatch *batch, TimeMs time, const Histogram *histogram) {
    build_row(batch, time, histogram->sum);
    batch->samples--;
    batch->histograms++;
    build_histogram_column(batch);
    batch->histogram_column[batch->row_count - 1] = histogram;
}

void build_meta(IngestBatch *batch, Str metric, MetricMeta meta) {
    if (!str_eq(metric, batch->meta_metric)) {
        build_meta_end(batch);
        batch->meta_metric = metric;
    }
    batch->meta.type = meta.type.len ? meta.type : batch->meta.type;
    batch->meta.unit = meta.unit.len ? meta.unit : batch->meta.unit;
    batch->meta.help = meta.help.len ? meta.help : batch->meta.help;
    batch->metadata++;
}

void build_meta_end(IngestBatch *batch) {
    if (batch->meta_metric.len) {
        metadata_note(batch->table, batch->meta_metric, batch->meta);
        batch->meta_metric = (Str){0};
        batch->meta = (MetricMeta){0};
    }
}

void build_seal(IngestBatch *batch, DecodeFn *decode, const IngestLabels *labels) {
    build_meta_end(batch);
    batch->batch = (SampleBatch){
        .series = batch->series,
        .series_count = batch->series_count,
        .times = batch->times,
        .values = batch->values,
        .histograms = batch->histogram_column,
        .starts = batch->starts,
        .row_count = batch->row_count,
        .decode = decode,
        .decode_ctx = (void *)labels,
        .raw_epoch = raw_epoch(labels),
    };
}

void build_reset(IngestBatch *batch) {
    arena_reset(&batch->arena);
    free(batch->histogram_column);
    free(batch->starts);
    *batch = (IngestBatch){
        .arena = batch->arena,
        .table = batch->table,
        .series = batch->series,
        .times = batch->times,
        .values = batch->values,
        .series_cap = batch->series_cap,
        .row_cap = batch->row_cap,
    };
}

void ingest_batch_finish(IngestBatch *batch) {
    arena_finish(&batch->arena);
    free(batch->series);
    free(batch->times);
    free(batch->values);
    free(batch->histogram_column);
    free(batch->starts);
    *batch = (IngestBatch){0};
}
