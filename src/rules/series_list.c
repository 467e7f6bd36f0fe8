#include "rules/series_list.h"

#include <stdlib.h>

#include "base/mem.h"

void series_list_finish(SeriesList *list) {
    free(list->items);
    *list = (SeriesList){0};
}

void series_list_add(SeriesList *list, LabelSet labels, TimeMs time, double value) {
    VEC_PUSH(*list, items, ((RulePoint){.labels = labels, .time = time, .value = value}));
}

void series_list_add_stale(SeriesList *list, LabelSet labels, TimeMs time) {
    series_list_add(list, labels, time, value_of_bits(STALE_NAN_BITS));
}

bool series_list_write(SeriesList *list, Engine *engine, TimeMs now, uint64_t *ret_lsn,
                       uint64_t *ret_ticket, Err *err) {
    size_t count = list->items_count;
    if (count == 0) {
        return true;
    }
    AUTO(arena_finish) Arena arena = {0};
    BatchSeries *series = arena_array(&arena, BatchSeries, count);
    TimeMs *times = arena_array(&arena, TimeMs, count);
    double *values = arena_array(&arena, double, count);
    const Histogram **histograms = arena_array(&arena, const Histogram *, count);
    bool has_histograms = false;
    for (size_t i = 0; i < count; i++) {
        const RulePoint *point = &list->items[i];
        series[i] =
            (BatchSeries){.labels = point->labels, .row_first = (uint32_t)i, .row_count = 1};
        times[i] = point->time;
        values[i] = point->value;
        histograms[i] = point->histogram;
        has_histograms |= point->histogram != NULL;
    }
    SampleBatch batch = {
        .series = series,
        .series_count = count,
        .times = times,
        .values = values,
        .histograms = has_histograms ? histograms : NULL,
        .row_count = count,
        .own = true,
    };
    list->items_count = 0;
    return engine_write_later(engine, &batch, now, ret_lsn, ret_ticket, err);
}
