/* Native histograms of the series notation. */

#include "promql/histogram_desc.h"

#include <stdio.h>

#include "promql/histogram_ops.h"
#include "promql/lex.h"

typedef enum DescKey {
    KEY_SCHEMA,
    KEY_SUM,
    KEY_COUNT,
    KEY_Z_BUCKET,
    KEY_Z_BUCKET_W,
    KEY_CUSTOM_VALUES,
    KEY_BUCKETS,
    KEY_OFFSET,
    KEY_N_BUCKETS,
    KEY_N_OFFSET,
    KEY_HINT,
    KEY_NONE,
} DescKey;

static const char *const key_names[KEY_NONE] = {
    "schema",  "sum",    "count",     "z_bucket", "z_bucket_w",         "custom_values",
    "buckets", "offset", "n_buckets", "n_offset", "counter_reset_hint",
};

static const char *const hint_names[] = {
    [RESET_UNKNOWN] = "unknown",
    [RESET_YES] = "reset",
    [RESET_NO] = "not_reset",
    [RESET_GAUGE] = "gauge",
};

typedef struct NumberList {
    double *items;
    uint32_t count;
} NumberList;

/* A histogram while its parts come in, in any order. */
typedef struct Draft {
    Histogram histogram;
    NumberList buckets, n_buckets, custom;
    int64_t offset, n_offset;
    bool seen[KEY_NONE];
} Draft;

static Str read_key(SeriesReader *reader) {
    size_t start = reader->at;
    while (lex_is_alpha(series_peek(reader))) {
        reader->at++;
    }
    return (Str){reader->text.ptr + start, reader->at - start};
}

/* [5 10 7] */
static bool read_list(SeriesReader *reader, NumberList *ret_list) {
    if (!series_accept(reader, '[')) {
        return series_unexpected(reader, "histogram description");
    }
    size_t room = 1;
    for (size_t i = reader->at; i < reader->text.len && reader->text.ptr[i] != ']'; i++) {
        room += lex_is_space(reader->text.ptr[i]);
    }
    if (room > HISTOGRAM_BUCKETS_MAX) {
        return series_fail(reader, reader->at, "too many buckets in histogram description");
    }
    *ret_list = (NumberList){.items = arena_array(reader->arena, double, room)};
    for (series_skip_space(reader); !series_accept(reader, ']'); series_skip_space(reader)) {
        if (ret_list->count == room) {
            return series_unexpected(reader, "buckets description");
        }
        if (!series_number(reader, &ret_list->items[ret_list->count++])) {
            return false;
        }
    }
    return true;
}

static bool read_hint(SeriesReader *reader, ResetHint *ret_hint) {
    size_t start = reader->at;
    Str word = read_key(reader);
    for (ResetHint hint = RESET_UNKNOWN; hint <= RESET_GAUGE; hint++) {
        if (str_eq(word, str_of(hint_names[hint]))) {
            *ret_hint = hint;
            return true;
        }
    }
    return series_fail(reader, start, "bad counter_reset_hint in histogram description");
}

static bool read_value(SeriesReader *reader, DescKey key, Draft *draft) {
    Histogram *histogram = &draft->histogram;
    int64_t whole = 0;
    switch (key) {
    case KEY_SCHEMA:
        if (!series_integer(reader, &whole)) {
            return false;
        }
        histogram->schema = (int32_t)whole;
        return whole >= INT32_MIN && whole <= INT32_MAX;
    case KEY_SUM:
        return series_number(reader, &histogram->sum);
    case KEY_COUNT:
        return series_number(reader, &histogram->count);
    case KEY_Z_BUCKET:
        return series_number(reader, &histogram->zero_count);
    case KEY_Z_BUCKET_W:
        return series_number(reader, &histogram->zero_threshold);
    case KEY_CUSTOM_VALUES:
        return read_list(reader, &draft->custom);
    case KEY_BUCKETS:
        return read_list(reader, &draft->buckets);
    case KEY_OFFSET:
        return series_integer(reader, &draft->offset);
    case KEY_N_BUCKETS:
        return read_list(reader, &draft->n_buckets);
    case KEY_N_OFFSET:
        return series_integer(reader, &draft->n_offset);
    case KEY_HINT:
        return read_hint(reader, &histogram->hint);
    case KEY_NONE:
        break;
    }
    return false;
}

static bool read_part(SeriesReader *reader, Draft *draft) {
    size_t start = reader->at;
    Str name = read_key(reader);
    char message[128];
    for (DescKey key = KEY_SCHEMA; key < KEY_NONE; key++) {
        if (!str_eq(name, str_of(key_names[key]))) {
            continue;
        }
        if (!series_accept(reader, ':')) {
            return series_fail(reader, start, "missing `:` for histogram descriptor");
        }
        if (draft->seen[key]) {
            snprintf(message, sizeof message, "duplicate key \"%s\" in histogram", key_names[key]);
            return series_fail(reader, start, message);
        }
        draft->seen[key] = true;
        return read_value(reader, key, draft);
    }
    if (name.len == 0) {
        return series_unexpected(reader, "histogram description");
    }
    snprintf(message, sizeof message, "bad histogram descriptor found: \"%.*s\"",
             name.len < 64 ? (int)name.len : 64, name.ptr);
    return series_fail(reader, start, message);
}

static HistogramSide make_side(Arena *arena, const NumberList *buckets, int64_t offset) {
    if (buckets->count == 0) {
        return (HistogramSide){0};
    }
    HistogramSpan *span = arena_new(arena, HistogramSpan);
    *span = (HistogramSpan){.offset = (int32_t)offset, .length = buckets->count};
    return (HistogramSide){
        .spans = span, .counts = buckets->items, .span_count = 1, .bucket_count = buckets->count};
}

bool histogram_desc_read(SeriesReader *reader, Histogram **ret_histogram, bool *ret_hint_given) {
    if (!series_accept(reader, '{') || !series_accept(reader, '{')) {
        return series_unexpected(reader, "series values");
    }
    Draft draft = {0};
    for (series_skip_space(reader); series_peek(reader) != '}'; series_skip_space(reader)) {
        if (!read_part(reader, &draft)) {
            return false;
        }
    }
    if (!series_accept(reader, '}') || !series_accept(reader, '}')) {
        return series_unexpected(reader, "histogram description");
    }
    Histogram *histogram = arena_new(reader->arena, Histogram);
    *histogram = draft.histogram;
    histogram->positive = make_side(reader->arena, &draft.buckets, draft.offset);
    histogram->negative = make_side(reader->arena, &draft.n_buckets, draft.n_offset);
    histogram->custom_values = draft.custom.items;
    histogram->custom_count = draft.custom.count;
    *ret_histogram = histogram;
    *ret_hint_given = draft.seen[KEY_HINT];
    return true;
}

bool histogram_desc_step(const SeriesReader *reader, const Histogram *previous,
                         const Histogram *step, bool subtract, const Histogram **ret_next) {
    if (previous->schema > step->schema) {
        char message[128];
        snprintf(message, sizeof message,
                 "error combining histograms: cannot merge from schema %d to %d", step->schema,
                 previous->schema);
        return series_fail(reader, reader->at, message);
    }
    HistogramSum sum;
    HistogramMeet meet = {0};
    histogram_sum_start(reader->arena, previous, &sum);
    if (!histogram_sum_add(&sum, step, subtract, &meet)) {
        return series_fail(reader, reader->at,
                           "operation on histograms with different bucket layouts");
    }
    *ret_next = histogram_sum_result(&sum);
    return true;
}
