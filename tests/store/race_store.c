/*
 * Everything at once, for ThreadSanitizer: writers, readers, deletions, flushes, merges,
 * statistics, a changed configuration. What is checked besides is only what has to hold in any
 * order: nothing fails, readers see times ascending and values of the writer, and in the end every
 * sample that was not deleted is there.
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "store/storeimpl.h"

enum { WRITERS = 2, READERS = 2, SERIES = 40, ROUNDS = 600, STEP_MS = 15000 };

typedef struct Shared {
    Store *store;
    StoreOptions options;
    atomic_int writing;
} Shared;

typedef struct Writer {
    Shared *shared;
    int number;
} Writer;

static _Noreturn void give_up(const char *what, const Err *err) {
    fprintf(stderr, "%s: %s\n", what, err->text);
    exit(1);
}

static SeriesDecode decode_raw(void *ctx, Str raw, Arena *arena, LabelSet *ret_labels, Err *err) {
    (void)ctx;
    Label *labels = arena_array(arena, Label, 2);
    labels[0] = (Label){LABEL_METRIC_NAME, STR("m")};
    labels[1] = (Label){STR("cluster"), raw};
    return labels_build(labels, 2, ret_labels, err) ? SERIES_USE : SERIES_INVALID;
}

static void *run_writer(void *ctx) {
    Writer *writer = ctx;
    for (int round = 0; round < ROUNDS; round++) {
        BatchSeries series[SERIES];
        char raw[SERIES][16];
        TimeMs times[SERIES];
        double values[SERIES];
        for (int i = 0; i < SERIES; i++) {
            /* new series come all the time */
            int len = snprintf(raw[i], sizeof raw[i], "w%d-%d", writer->number,
                               i < SERIES / 2 ? i : i + round);
            times[i] = (TimeMs)round * STEP_MS;
            values[i] = round;
            series[i] = (BatchSeries){
                .raw = {raw[i], (size_t)len}, .row_first = (uint32_t)i, .row_count = 1};
        }
        SampleBatch batch = {.series = series,
                             .series_count = SERIES,
                             .times = times,
                             .values = values,
                             .row_count = SERIES,
                             .decode = decode_raw};
        StoreOutcome outcome;
        uint64_t lsn;
        Err err;
        if (!store_append(writer->shared->store, &batch, 0, &lsn, &outcome, &err) ||
            !store_wait_synced(writer->shared->store, lsn, &err)) {
            give_up("append", &err);
        }
        if (outcome.stored != SERIES) {
            fprintf(stderr, "stored %d of %d\n", (int)outcome.stored, SERIES);
            exit(1);
        }
    }
    writer->shared->writing--;
    return NULL;
}

/* Reads everything; the number of samples. */
static size_t read_all(Store *store) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(selection_freep) StoreSelection *selection = NULL;
    AUTO(snapshot_releasep) StoreSnapshot *snapshot = store_snapshot(store);
    Err err;
    size_t samples = 0;
    if (!snapshot_select(snapshot, NULL, 0, 0, TIME_MAX, 0, &selection, &err)) {
        give_up("select", &err);
    }
    for (size_t i = 0; i < selection_count(selection); i++) {
        SeriesData data;
        selection_read(selection, i, 0, TIME_MAX, &arena, &data);
        for (size_t j = 0; j < data.count; j++) {
            if (data.values[j] * STEP_MS != (double)data.times[j] ||
                (j > 0 && data.times[j] <= data.times[j - 1])) {
                fprintf(stderr, "a wrong sample\n");
                exit(1);
            }
        }
        samples += data.count;
        arena_reset(&arena);
    }
    return samples;
}

static void *run_reader(void *ctx) {
    Shared *shared = ctx;
    while (shared->writing > 0) {
        AUTO(arena_finish) Arena arena = {0};
        AUTO(snapshot_releasep) StoreSnapshot *snapshot = store_snapshot(shared->store);
        Str *texts;
        size_t count;
        bool cut;
        Err err;
        read_all(shared->store);
        if (!snapshot_label_values(snapshot, STR("cluster"), NULL, 0, 0, TIME_MAX, 0, &arena,
                                   &texts, &count, &cut, &err)) {
            give_up("label values", &err);
        }
    }
    return NULL;
}

static void *run_admin(void *ctx) {
    Shared *shared = ctx;
    AUTO(arena_finish) Arena arena = {0};
    Matcher matcher;
    Err err;
    if (!matcher_init(&arena, MATCH_EQ, STR("cluster"), STR("w0-0"), &matcher, &err)) {
        give_up("matcher", &err);
    }
    MatcherSet set = {&matcher, 1};
    for (int i = 0; shared->writing > 0; i++) {
        StoreStats stats;
        StoreSource *sources;
        size_t count;
        AUTO(buf_finish) Buf text = {0};
        MetricWriter metrics = {&text, NULL};
        if (!store_flush(shared->store, &err) ||
            (i % 3 == 2 && !store_compact(shared->store, &err)) ||
            (i % 4 == 3 && !store_delete(shared->store, &set, 1, 0, STEP_MS * 10, &err))) {
            give_up("admin", &err);
        }
        store_set_options(shared->store, &shared->options);
        store_stats(shared->store, 10, &arena, &stats);
        store_sources(shared->store, &arena, &sources, &count);
        store_metrics(shared->store, &metrics);
    }
    return NULL;
}

static void run_all(Shared *shared) {
    pthread_t threads[WRITERS + READERS + 1];
    Writer writers[WRITERS];
    shared->writing = WRITERS;
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (Writer){shared, i};
        pthread_create(&threads[i], NULL, run_writer, &writers[i]);
    }
    for (int i = 0; i < READERS; i++) {
        pthread_create(&threads[WRITERS + i], NULL, run_reader, shared);
    }
    pthread_create(&threads[WRITERS + READERS], NULL, run_admin, shared);
    for (int i = 0; i < WRITERS + READERS + 1; i++) {
        pthread_join(threads[i], NULL);
    }
}

/* Opens the store again, both as it was left now and as it was closed: what replay spreads over
 * threads. The number of samples there. */
static size_t read_again(StoreOptions options) {
    Store *store;
    Err err;
    if (!store_open(&options, &store, &err)) {
        give_up("open again", &err);
    }
    size_t samples = read_all(store);
    store_close(store);
    return samples;
}

int main(void) {
    char dir[] = "/tmp/belfry-race-XXXXXX";
    if (!mkdtemp(dir)) {
        return 1;
    }
    Err err;
    Shared shared = {.options = {.dir = dir,
                                 .future_max = 100 * 365 * DAY_MS,
                                 .block_span = 10 * MINUTE_MS,
                                 .source_label = STR("cluster")}};
    shared.options.pool = pool_new("race", 2, 10);
    if (!store_open(&shared.options, &shared.store, &err)) {
        give_up("open", &err);
    }
    run_all(&shared);
    size_t samples = read_all(shared.store);
    StoreOptions crashed = shared.options;
    char crashed_dir[64], copy_files[200];
    snprintf(crashed_dir, sizeof crashed_dir, "%s-crashed", dir);
    snprintf(copy_files, sizeof copy_files, "cp -r %s %s", dir, crashed_dir);
    crashed.dir = crashed_dir;
    pthread_mutex_lock(&shared.store->maintenance); /* no file goes away meanwhile */
    if (system(copy_files) != 0) {
        return 1;
    }
    pthread_mutex_unlock(&shared.store->maintenance);
    size_t written = (size_t)WRITERS * SERIES * ROUNDS;
    bool good = samples <= written && samples >= written - 11; /* w0-0 lost its first ones */
    fprintf(stderr, "%zu of %zu samples\n", samples, written);
    store_close(shared.store);
    good = good && read_again(crashed) == samples && read_again(shared.options) == samples;
    pool_free(shared.options.pool);
    return dir_remove(dir, &err) && dir_remove(crashed_dir, &err) && good ? 0 : 1;
}
