/* Looking after a store: retention, pairs of replicas, damaged blocks, inspection. */

#include "testing.h"

#include "store/blocks.h"
#include "store/tools.h"

static size_t block_count(TestStore *test) {
    BlockList *list = blocks_list(test->store);
    size_t count = list->count;
    blocklist_unref(list);
    return count;
}

static void flush(TestStore *test) {
    Err err;
    cr_assert(store_flush(test->store, &err), "%s", err.text);
}

Test(upkeep, a_pair_of_replicas_leaves_one_sample_per_interval) {
    TestStore test;
    test_store_open(&test);
    test.options.dedup_interval = 30 * SECOND_MS;
    test.options.replica_labels = (Str[]){STR("replica")};
    test.options.replica_label_count = 1;
    store_set_options(test.store, &test.options);
    for (int i = 0; i < 3; i++) {
        test_append_one(&test, "up replica=a", 1000 + i * 30000, i);
        StoreOutcome second = test_append_one(&test, "up replica=b", 6000 + i * 30000, 100 + i);
        cr_expect_eq(second.duplicates, 1);
    }
    cr_expect_str_eq(test_read(&test, NULL, "", 0, HOUR_MS), "up: 0@1000 1@31000 2@61000\n");
    test_store_close(&test);
}

Test(upkeep, what_is_older_than_the_retention_is_removed_and_refused) {
    TestStore test;
    test_store_open(&test);
    TimeMs now = clock_now(), old = now - 40 * DAY_MS;
    test_append_one(&test, "a", old, 1);
    test_append_one(&test, "a", now - DAY_MS, 2);
    flush(&test);
    cr_assert_eq(block_count(&test), 2);
    test.options.retention_time = 30 * DAY_MS;
    store_set_options(test.store, &test.options);
    Err err;
    cr_assert(store_compact(test.store, &err), "%s", err.text);
    cr_expect_eq(block_count(&test), 1);
    /* An append at `now` 0 has everything in its future, so it is given a real one here. */
    BatchSeries series = {.labels = test_labels(&test.arena, "b"), .row_count = 1};
    SampleBatch batch = {&series, 1, &old, &(double){3}, .row_count = 1};
    StoreOutcome outcome;
    uint64_t lsn;
    cr_assert(store_append(test.store, &batch, now, &lsn, &outcome, &err), "%s", err.text);
    cr_expect_eq(outcome.too_old, 1);
    cr_expect_eq(outcome.first_bad[0], '\0');
    test_store_close(&test);
}

Test(upkeep, the_oldest_block_goes_when_there_is_too_much) {
    TestStore test;
    test_store_open(&test);
    for (int i = 0; i < 4; i++) {
        test_append_one(&test, "a", i * 100 * DAY_MS, i);
        flush(&test);
    }
    BlockList *list = blocks_list(test.store);
    test.options.retention_bytes = blocks_bytes(list) * 5 / 8;
    blocklist_unref(list);
    store_set_options(test.store, &test.options);
    Err err;
    cr_assert(store_compact(test.store, &err), "%s", err.text);
    cr_expect_str_eq(test_read(&test, NULL, "", 0, TIME_MAX), "a: 2@17280000000 3@25920000000\n");
    test_store_close(&test);
}

Test(upkeep, samples_years_apart_make_few_blocks) {
    TestStore test;
    test_store_open(&test);
    for (int i = 0; i < 400; i++) {
        test_append_one(&test, "a", i * 6 * HOUR_MS, i);
    }
    test_append_one(&test, "a", 50 * 365 * DAY_MS, 1);
    flush(&test);
    cr_expect_leq(block_count(&test), 5);
    test_store_close(&test);
}

Test(upkeep, a_damaged_block_is_set_aside_and_the_rest_serves) {
    TestStore test;
    test_store_open(&test);
    test_append_one(&test, "a", 1000, 1);
    flush(&test);
    test_append_one(&test, "a", 100 * DAY_MS, 2);
    flush(&test);
    BlockList *list = blocks_list(test.store);
    Str path = arena_str(&test.arena, str_of(block_path(list->entries[0].block)));
    blocklist_unref(list);
    store_close(test.store);
    test.store = NULL;
    FILE *file = fopen(path.ptr, "r+");
    cr_assert(file && fseek(file, -20, SEEK_END) == 0 && fputc(0xAA, file) != EOF);
    fclose(file);

    StoreInspection inspection;
    Err err;
    cr_assert(store_inspect(test.dir, true, &test.arena, &inspection, &err), "%s", err.text);
    cr_expect_eq(inspection.block_count, 2);
    cr_expect_eq(inspection.damaged, 1);
    test_store_reopen(&test);
    cr_expect_str_eq(test_read(&test, NULL, "", 0, TIME_MAX), "a: 2@8640000000\n");
    StoreStats stats;
    store_stats(test.store, 10, &test.arena, &stats);
    cr_expect_eq(stats.quarantined, 1);
    cr_expect_eq(stats.blocks, 1);
    test_store_close(&test);
}

Test(upkeep, statistics_count_series_by_metric_label_and_pair) {
    TestStore test;
    test_store_open(&test);
    test_append_one(&test, "up job=x", 1000, 1);
    test_append_one(&test, "up job=y", 1000, 1);
    test_append_one(&test, "down job=y", 2000, 1);
    StoreStats stats;
    store_stats(test.store, 10, &test.arena, &stats);
    cr_expect_eq(stats.head_series, 3);
    cr_expect_eq(stats.head_samples, 3);
    cr_expect(stats.head_min == 1000 && stats.head_max == 2000);
    cr_expect_eq(stats.label_pairs, 4);
    cr_expect_eq(stats.series_created_hour, 3);
    cr_assert_eq(stats.metrics_count, 2);
    cr_expect(str_eq(stats.metrics[0].name, STR("up")) && stats.metrics[0].count == 2);
    cr_expect(str_eq(stats.label_values[0].name, STR("__name__")));
    cr_expect(str_eq(stats.pairs[0].name, STR("__name__=up")) ||
              str_eq(stats.pairs[0].name, STR("job=y")));
    test_store_close(&test);
}

/* A server keeps the directory: what never changes can be looked at, the log, which grows, not. */
Test(upkeep, a_directory_in_use_can_be_inspected_but_not_repaired) {
    TestStore test;
    test_store_open(&test);
    test_append_one(&test, "a", 1000, 1);
    test_append_one(&test, "b x=y", 2000, 2);
    flush(&test);
    StoreInspection inspection;
    Err err = {0};
    cr_assert(store_inspect(test.dir, true, &test.arena, &inspection, &err), "%s", err.text);
    cr_expect(inspection.in_use);
    cr_expect_eq(inspection.series, 2);
    cr_expect_eq(inspection.samples, 2);
    cr_expect_eq(inspection.damaged, 0);
    const BlockSections *all = &inspection.sections;
    cr_expect_eq(all->directory + all->meta + all->low + all->wide + all->times + all->headers +
                     all->index + all->table,
                 inspection.blocks[0].bytes);
    cr_expect_eq(all->index, inspection.index_bytes);
    uint64_t moved;
    cr_expect_not(store_repair(test.dir, &moved, &err));
    cr_expect_eq(err.kind, ERR_CONFLICT);
    cr_expect_not(store_inspect("/tmp", false, &test.arena, &inspection, &err));
    cr_expect_eq(err.kind, ERR_NOT_FOUND);
    test_store_close(&test);
}
