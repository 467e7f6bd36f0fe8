#pragma once

/* What the store's tests share: a fresh folder, short ways to append and to read. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "store/storeimpl.h"

typedef struct TestStore {
    char dir[64];
    Store *store;
    StoreOptions options;
    const StoreFiles *files;
    Arena arena;
} TestStore;

static inline void test_store_reopen(TestStore *test) {
    Err err = {0};
    store_close(test->store);
    test->store = NULL;
    cr_assert(store_open_with(&test->options, test->files, &test->store, &err), "%s", err.text);
}

static inline void test_store_open(TestStore *test) {
    *test = (TestStore){.dir = "/tmp/belfry-store-XXXXXX", .files = &store_files_real};
    cr_assert(mkdtemp(test->dir));
    test->options = (StoreOptions){.dir = test->dir,
                                   .future_max = 100 * 365 * DAY_MS,
                                   .block_span = 2 * HOUR_MS,
                                   .source_label = STR("cluster")};
    test_store_reopen(test);
}

static inline void test_store_close(TestStore *test) {
    Err err;
    store_close(test->store);
    arena_finish(&test->arena);
    cr_assert(dir_remove(test->dir, &err));
}

/* Labels from "name" and "a=b" words: `metric cluster=c1 le=5`. */
static inline LabelSet test_labels(Arena *arena, const char *words) {
    Label *labels = arena_array(arena, Label, 32);
    size_t count = 0;
    Str rest = arena_str(arena, str_of(words));
    while (rest.len > 0) {
        Str word = {rest.ptr, str_find(rest, ' ')};
        rest = str_skip(rest, word.len < rest.len ? word.len + 1 : word.len);
        size_t at = str_find(word, '=');
        labels[count++] = at == word.len ? (Label){LABEL_METRIC_NAME, word}
                                         : (Label){{word.ptr, at}, str_skip(word, at + 1)};
    }
    LabelSet set;
    Err err;
    cr_assert(labels_build(labels, count, &set, &err), "%s", err.text);
    return set;
}

/* Appends samples of one series and waits until they are durable. */
static inline StoreOutcome test_append(TestStore *test, const char *words, const TimeMs *times,
                                       const double *values, size_t count) {
    BatchSeries series = {.labels = test_labels(&test->arena, words), .row_count = (uint32_t)count};
    SampleBatch batch = {
        .series = &series, .series_count = 1, .times = times, .values = values, .row_count = count};
    StoreOutcome outcome;
    uint64_t lsn;
    Err err = {0};
    cr_assert(store_append(test->store, &batch, 0, &lsn, &outcome, &err), "%s", err.text);
    cr_assert(store_wait_synced(test->store, lsn, &err), "%s", err.text);
    return outcome;
}

static inline StoreOutcome test_append_one(TestStore *test, const char *words, TimeMs time,
                                           double value) {
    return test_append(test, words, &time, &value, 1);
}

/* All that a selector text finds, printed: `a{b="c"}: 1@10 2@20\n` for each series in order. */
static inline const char *test_read(TestStore *test, StoreSnapshot *given, const char *selector,
                                    TimeMs from, TimeMs to) {
    Err err = {0};
    StoreSnapshot *snapshot = given ? given : store_snapshot(test->store);
    MatcherSet set = {0};
    cr_assert(matcher_list_parse(&test->arena, str_of(selector), &set, &err), "%s", err.text);
    StoreSelection *selection = NULL;
    cr_assert(snapshot_select(snapshot, &set, set.count ? 1 : 0, from, to, 0, &selection, &err),
              "%s", err.text);
    Buf out = {0};
    for (size_t i = 0; i < selection_count(selection); i++) {
        SeriesData data;
        labels_print(&out, selection_labels(selection, i));
        buf_byte(&out, ':');
        selection_read(selection, i, from, to, &test->arena, &data);
        for (size_t j = 0; j < data.count; j++) {
            buf_printf(&out, " %g@%lld", data.values[j], (long long)data.times[j]);
        }
        buf_byte(&out, '\n');
    }
    buf_byte(&out, '\0');
    const char *text = arena_cstr(&test->arena, buf_view(&out));
    buf_finish(&out);
    selection_free(selection);
    matcher_set_finish(&set);
    if (!given) {
        snapshot_release(snapshot);
    }
    return text;
}
