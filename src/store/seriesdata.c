/* Columns of samples: cutting, joining, hiding. Declared in block.h. */

#include "store/seriesdata.h"

#include <assert.h>

/* First index whose time is >= `time`. */
static size_t lower_bound(const SeriesData *data, TimeMs time) {
    size_t low = 0, high = data->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (data->times[middle] < time) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

SeriesData series_data_slice(const SeriesData *data, size_t first, size_t end) {
    assert(first <= end && end <= data->count);
    SeriesData slice = {data->times ? data->times + first : NULL,
                        data->values ? data->values + first : NULL,
                        data->histograms ? data->histograms + first : NULL,
                        data->starts ? data->starts + first : NULL, end - first};
    return slice;
}

SeriesData series_data_cut(const SeriesData *data, TimeMs from, TimeMs to) {
    size_t first = lower_bound(data, from);
    size_t end = to == TIME_MAX ? data->count : lower_bound(data, to + 1);
    return series_data_slice(data, first, end < first ? first : end);
}

/* Columns being filled, wide enough for what goes in. */
typedef struct Columns {
    TimeMs *times;
    double *values;
    const Histogram **histograms;
    TimeMs *starts;
    size_t count;
} Columns;

static Columns columns_new(Arena *arena, size_t count, bool histograms, bool starts) {
    return (Columns){
        .times = arena_raw(arena, count * sizeof(TimeMs)),
        .values = arena_raw(arena, count * sizeof(double)),
        .histograms = histograms ? arena_array(arena, const Histogram *, count) : NULL,
        .starts = starts ? arena_array(arena, TimeMs, count) : NULL,
    };
}

static void put_range(Columns *to, const SeriesData *from, size_t first, size_t count) {
    if (count == 0) {
        return;
    }
    memcpy(to->times + to->count, from->times + first, count * sizeof *to->times);
    memcpy(to->values + to->count, from->values + first, count * sizeof *to->values);
    if (from->histograms) {
        memcpy(to->histograms + to->count, from->histograms + first,
               count * sizeof *to->histograms);
    }
    if (from->starts) {
        memcpy(to->starts + to->count, from->starts + first, count * sizeof *to->starts);
    }
    to->count += count;
}

static SeriesData columns_data(const Columns *columns) {
    return (SeriesData){columns->times, columns->values, columns->histograms, columns->starts,
                        columns->count};
}

void series_data_merge(const SeriesData *older, const SeriesData *newer, Arena *arena,
                       SeriesData *ret_data) {
    if (older->count == 0 || newer->count == 0) {
        *ret_data = older->count ? *older : *newer;
        return;
    }
    Columns to =
        columns_new(arena, older->count + newer->count, older->histograms || newer->histograms,
                    older->starts || newer->starts);
    size_t i = 0, j = 0;
    while (i < older->count && j < newer->count) {
        /* Stretches of one side go over as a whole: mostly one ends where the other begins. */
        size_t i_end = i, j_end = j;
        while (i_end < older->count && older->times[i_end] < newer->times[j]) {
            i_end++;
        }
        put_range(&to, older, i, i_end - i);
        i = i_end;
        while (j_end < newer->count &&
               (i == older->count || newer->times[j_end] <= older->times[i])) {
            i += i < older->count && newer->times[j_end] == older->times[i];
            j_end++;
        }
        put_range(&to, newer, j, j_end - j);
        j = j_end;
    }
    put_range(&to, older, i, older->count - i);
    put_range(&to, newer, j, newer->count - j);
    *ret_data = columns_data(&to);
}

void hidden_apply(const HiddenRange *ranges, size_t count, uint32_t ordinal, Arena *arena,
                  SeriesData *data) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ranges[middle].ordinal < ordinal) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (size_t i = low; i < count && ranges[i].ordinal == ordinal; i++) {
        series_data_hide(data, ranges[i].from, ranges[i].to, arena);
    }
}

void series_data_hide(SeriesData *data, TimeMs from, TimeMs to, Arena *arena) {
    size_t first = lower_bound(data, from);
    size_t end = to == TIME_MAX ? data->count : lower_bound(data, to + 1);
    if (first >= end) {
        return;
    }
    SeriesData before = series_data_slice(data, 0, first);
    SeriesData after = series_data_slice(data, end, data->count);
    series_data_merge(&before, &after, arena, data);
}
