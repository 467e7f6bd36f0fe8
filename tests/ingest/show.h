#pragma once

/* A batch as text, a row a line, labels decoded as the store would: `{...} value@time`, histograms
 * as `{...} h(count,sum)@time`, refused series as `! reason`. */

#include "base/number.h"
#include "ingest/ingest.h"

static inline SeriesDecode show_labels(const SampleBatch *batch, const BatchSeries *series,
                                       Arena *arena, LabelSet *ret_labels, Err *err) {
    if (!series->raw.ptr) {
        *ret_labels = series->labels;
        return SERIES_USE;
    }
    return batch->decode(batch->decode_ctx, series->raw, arena, ret_labels, err);
}

static inline void show_row(Buf *out, const SampleBatch *batch, size_t row) {
    const Histogram *histogram = batch->histograms ? batch->histograms[row] : NULL;
    if (histogram) {
        buf_printf(out, " h(");
        number_put(out, histogram->count);
        buf_printf(out, ",");
        number_put(out, histogram->sum);
        buf_printf(out, ")");
    } else if (value_is_stale(batch->values[row])) {
        buf_printf(out, " stale");
    } else {
        buf_printf(out, " ");
        number_put(out, batch->values[row]);
    }
    buf_printf(out, "@%lld", (long long)batch->times[row]);
    if (batch->starts && batch->starts[row]) {
        buf_printf(out, "/%lld", (long long)batch->starts[row]);
    }
}

static inline void show_batch(Buf *out, const SampleBatch *batch) {
    for (size_t i = 0; i < batch->series_count; i++) {
        const BatchSeries *series = &batch->series[i];
        Arena arena = {0};
        LabelSet labels;
        Err err;
        switch (show_labels(batch, series, &arena, &labels, &err)) {
        case SERIES_USE:
            labels_print(out, labels);
            for (uint32_t row = 0; row < series->row_count; row++) {
                show_row(out, batch, series->row_first + row);
            }
            buf_printf(out, "\n");
            break;
        case SERIES_DROP:
            buf_printf(out, "dropped\n");
            break;
        case SERIES_INVALID:
            buf_printf(out, "! %s\n", err.text);
            break;
        }
        arena_finish(&arena);
    }
}
