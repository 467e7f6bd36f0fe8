/* The store's door: what was appended is found again, in order, once, and after reopening. */

#include <math.h>

#include "testing.h"

#include "base/buf.h"
#include "store/foundsort.h"

Test(store, finds_series_by_matchers_in_label_order) {
    TestStore test;
    test_store_open(&test);
    test_append_one(&test, "up cluster=b job=x", 1000, 1);
    test_append_one(&test, "up cluster=a job=y", 2000, 2);
    test_append_one(&test, "up cluster=a job=x", 3000, 3);
    test_append_one(&test, "down cluster=a", 3000, 4);
    test_append_one(&test, "cluster=nameless", 3000, 5);

    static const struct {
        const char *selector, *want;
    } cases[] = {
        {"__name__=\"up\"", "up{cluster=\"a\", job=\"x\"}: 3@3000\nup{cluster=\"a\", job=\"y\"}: "
                            "2@2000\nup{cluster=\"b\", job=\"x\"}: 1@1000\n"},
        {"__name__=\"up\",job!=\"x\"", "up{cluster=\"a\", job=\"y\"}: 2@2000\n"},
        {"__name__=~\"d.*|z\"", "down{cluster=\"a\"}: 4@3000\n"},
        {"job=\"\"", "down{cluster=\"a\"}: 4@3000\n{cluster=\"nameless\"}: 5@3000\n"},
        {"__name__=\"\",cluster=~\".+\"", "{cluster=\"nameless\"}: 5@3000\n"},
        {"__name__=\"none\"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_str_eq(test_read(&test, NULL, cases[i].selector, 0, 5000), cases[i].want, "%s",
                         cases[i].selector);
    }
    test_store_close(&test);
}

Test(store, leaves_out_series_without_samples_in_the_range) {
    TestStore test;
    test_store_open(&test);
    test_append_one(&test, "a", 1000, 1);
    test_append_one(&test, "b", 9000, 2);
    cr_expect_str_eq(test_read(&test, NULL, "", 0, 5000), "a: 1@1000\n");
    cr_expect_str_eq(test_read(&test, NULL, "", 1001, 9000), "b: 2@9000\n");
    test_store_close(&test);
}

Test(store, takes_samples_in_any_order_and_the_last_written_wins) {
    TestStore test;
    test_store_open(&test);
    static const struct {
        TimeMs time;
        double value;
    } samples[] = {{5000, 1}, {6000, 2}, {1000, 3}, {5500, 4}, {5000, 5}, {100, 6}, {1000, 7}};
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        StoreOutcome outcome = test_append_one(&test, "a", samples[i].time, samples[i].value);
        cr_expect_eq(outcome.stored, 1);
    }
    const char *want = "a: 6@100 7@1000 5@5000 4@5500 2@6000\n";
    cr_expect_str_eq(test_read(&test, NULL, "", 0, 10000), want);
    test_store_reopen(&test);
    cr_expect_str_eq(test_read(&test, NULL, "", 0, 10000), want);
    test_store_close(&test);
}

Test(store, counts_what_is_already_there_as_duplicate) {
    TestStore test;
    test_store_open(&test);
    TimeMs times[] = {1000, 2000, 3000};
    double values[] = {1, 2, 3};
    cr_expect_eq(test_append(&test, "a", times, values, 3).stored, 3);
    StoreOutcome again = test_append(&test, "a", times, values, 3);
    cr_expect_eq(again.stored, 0);
    cr_expect_eq(again.duplicates, 3);
    test_store_close(&test);
}

Test(store, a_snapshot_sees_what_was_there_when_it_was_taken) {
    TestStore test;
    test_store_open(&test);
    test_append_one(&test, "a", 1000, 1);
    StoreSnapshot *before = store_snapshot(test.store);
    test_append_one(&test, "a", 2000, 2);
    test_append_one(&test, "a", 500, 3);
    test_append_one(&test, "b", 500, 4);
    cr_expect_str_eq(test_read(&test, before, "", 0, 10000), "a: 1@1000\n");
    cr_expect_str_eq(test_read(&test, NULL, "", 0, 10000), "a: 3@500 1@1000 2@2000\nb: 4@500\n");
    cr_expect_str_eq(test_read(&test, before, "", 0, 10000), "a: 1@1000\n");
    snapshot_release(before);
    test_store_close(&test);
}

Test(store, keeps_values_bit_for_bit_over_a_restart) {
    TestStore test;
    test_store_open(&test);
    const uint64_t bits[] = {0,
                             0x8000000000000000,
                             1,
                             STALE_NAN_BITS,
                             NORMAL_NAN_BITS,
                             0x7ff8000000000bad,
                             0x7ff0000000000000,
                             0xfff0000000000000,
                             0x3fb999999999999a,
                             0x4340000000000001,
                             0x7fefffffffffffff,
                             0x3ff0000000000001};
    enum { COUNT = sizeof bits / sizeof *bits };
    TimeMs times[COUNT];
    double values[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        times[i] = (TimeMs)(1000 + i * i * 7);
        values[i] = value_of_bits(bits[i]);
    }
    test_append(&test, "a", times, values, COUNT);
    for (int round = 0; round < 2; round++) {
        StoreSnapshot *snapshot = store_snapshot(test.store);
        StoreSelection *selection;
        Err err;
        cr_assert(snapshot_select(snapshot, NULL, 0, 0, TIME_MAX, 0, &selection, &err));
        SeriesData data;
        selection_read(selection, 0, 0, TIME_MAX, &test.arena, &data);
        cr_assert_eq(data.count, COUNT);
        for (size_t i = 0; i < COUNT; i++) {
            cr_expect_eq(value_bits(data.values[i]), bits[i], "value %zu", i);
            cr_expect_eq(data.times[i], times[i]);
        }
        selection_free(selection);
        snapshot_release(snapshot);
        test_store_reopen(&test);
    }
    test_store_close(&test);
}

Test(store, is_held_by_one_process) {
    TestStore test;
    test_store_open(&test);
    Store *second = NULL;
    Err err;
    cr_expect_not(store_open(&test.options, &second, &err));
    cr_expect_eq(err.kind, ERR_CONFLICT, "%s", err.text);
    test_store_close(&test);
}

Test(store, lists_label_names_and_values) {
    TestStore test;
    test_store_open(&test);
    test_append_one(&test, "up cluster=b job=x", 1000, 1);
    test_append_one(&test, "up cluster=a zone=x", 1000, 1);
    StoreSnapshot *snapshot = store_snapshot(test.store);
    Str *texts;
    size_t count;
    bool cut;
    Err err;
    cr_assert(snapshot_label_names(snapshot, NULL, 0, 0, 2000, 0, &test.arena, &texts, &count, &cut,
                                   &err));
    cr_assert_eq(count, 4);
    cr_expect(str_eq(texts[0], STR("__name__")) && str_eq(texts[3], STR("zone")) && !cut);
    cr_assert(snapshot_label_values(snapshot, STR("cluster"), NULL, 0, 0, 2000, 1, &test.arena,
                                    &texts, &count, &cut, &err));
    cr_expect(count == 1 && cut && str_eq(texts[0], STR("a")));
    snapshot_release(snapshot);
    test_store_close(&test);
}

Test(store, refuses_series_over_a_limit_and_stores_the_others) {
    TestStore test;
    test_store_open(&test);
    test.options.source_series_max = 2;
    test.options.limits = &(StoreSeriesLimit){STR("big"), 3};
    test.options.limit_count = 1;
    store_set_options(test.store, &test.options);
    char words[64];
    uint64_t refused[2] = {0};
    for (int i = 0; i < 5; i++) {
        snprintf(words, sizeof words, "m cluster=small i=%d", i);
        refused[0] += test_append_one(&test, words, 1000, 1).over_limit;
        snprintf(words, sizeof words, "m cluster=big i=%d", i);
        StoreOutcome outcome = test_append_one(&test, words, 1000, 1);
        refused[1] += outcome.over_limit;
        cr_expect_eq(outcome.first_bad[0] != 0, outcome.over_limit > 0);
    }
    cr_expect_eq(refused[0], 3);
    cr_expect_eq(refused[1], 2);
    test_store_close(&test);
}

Test(store, knows_the_newest_sample_of_each_source) {
    TestStore test;
    test_store_open(&test);
    for (int i = 0; i < 5; i++) {
        test_append_one(&test, "m cluster=a", 1000 + i * 30000, i);
    }
    test_append_one(&test, "m cluster=b", 7000, 1);
    for (int round = 0; round < 2; round++) {
        StoreSource *sources;
        size_t count;
        store_sources(test.store, &test.arena, &sources, &count);
        cr_assert_eq(count, 2);
        cr_expect(str_eq(sources[0].source, STR("a")));
        cr_expect_eq(sources[0].newest, 121000);
        cr_expect_eq(sources[0].interval, 30000);
        cr_expect_eq(sources[0].series, 1);
        cr_expect_eq(sources[1].newest, 7000);
        test_store_reopen(&test);
    }
    Err err;
    cr_expect(store_forget_source(test.store, STR("b"), &err));
    cr_expect_not(store_forget_source(test.store, STR("b"), &err));
    test_store_close(&test);
}

/* Each question is asked twice, the second time of what is remembered. */
static void expect_twice(TestStore *test, const char *selector, const char *want, int line) {
    for (int round = 0; round < 2; round++) {
        cr_expect_str_eq(test_read(test, NULL, selector, 0, 10000), want, "line %d, round %d", line,
                         round);
    }
}

Test(store, remembers_what_was_selected_only_while_it_is_true) {
    TestStore test;
    Err err = {0};
    test_store_open(&test);
    const char *ups = "__name__=\"up\"";
    expect_twice(&test, ups, "", __LINE__);
    test_append_one(&test, "up job=b", 1000, 1);
    expect_twice(&test, ups, "up{job=\"b\"}: 1@1000\n", __LINE__);
    StoreSnapshot *before = store_snapshot(test.store);
    test_append_one(&test, "up job=a", 2000, 2);
    expect_twice(&test, ups, "up{job=\"a\"}: 2@2000\nup{job=\"b\"}: 1@1000\n", __LINE__);
    cr_expect_str_eq(test_read(&test, before, ups, 0, 10000), "up{job=\"b\"}: 1@1000\n");
    cr_expect_str_eq(test_read(&test, NULL, ups, 1500, 10000), "up{job=\"a\"}: 2@2000\n");
    snapshot_release(before);

    cr_assert(store_flush(test.store, &err), "%s", err.text);
    expect_twice(&test, ups, "up{job=\"a\"}: 2@2000\nup{job=\"b\"}: 1@1000\n", __LINE__);
    test_append_one(&test, "down", 2500, 9);
    expect_twice(&test, ups, "up{job=\"a\"}: 2@2000\nup{job=\"b\"}: 1@1000\n", __LINE__);
    test_append_one(&test, "up job=a", 3000, 3);
    test_append_one(&test, "up job=c", 3000, 4);
    const char *all =
        "up{job=\"a\"}: 2@2000 3@3000\nup{job=\"b\"}: 1@1000\nup{job=\"c\"}: 4@3000\n";
    expect_twice(&test, ups, all, __LINE__);
    expect_twice(&test, "__name__=\"up\",job=~\"a|c\"",
                 "up{job=\"a\"}: 2@2000 3@3000\nup{job=\"c\"}: 4@3000\n", __LINE__);

    MatcherSet set = {0};
    cr_assert(matcher_list_parse(&test.arena, STR("job=\"a\""), &set, &err), "%s", err.text);
    cr_assert(store_delete(test.store, &set, 1, 0, 5000, &err), "%s", err.text);
    matcher_set_finish(&set);
    expect_twice(&test, ups, "up{job=\"b\"}: 1@1000\nup{job=\"c\"}: 4@3000\n", __LINE__);
    cr_assert(store_compact(test.store, &err), "%s", err.text);
    expect_twice(&test, ups, "up{job=\"b\"}: 1@1000\nup{job=\"c\"}: 4@3000\n", __LINE__);
    test_store_close(&test);
}

Test(store, names_the_series_of_the_first_refused_sample) {
    TestStore test;
    test_store_open(&test);
    test.options.future_max = HOUR_MS;
    store_set_options(test.store, &test.options);
    const TimeMs now = 0, late = DAY_MS;
    const char *unknown = "fresh cluster=a";
    StoreOutcome outcome = test_append_one(&test, unknown, late, 1);
    cr_expect_eq(outcome.too_new, 1);
    cr_expect(strstr(outcome.first_bad, "fresh{cluster=\"a\"}: sample is too far"), "%s",
              outcome.first_bad);
    cr_expect_eq(test_append_one(&test, unknown, now, 1).stored, 1);
    outcome = test_append_one(&test, unknown, late, 1); /* now it is known */
    cr_expect(strstr(outcome.first_bad, "fresh{cluster=\"a\"}: sample is too far"), "%s",
              outcome.first_bad);
    test.options.series_max = 1;
    store_set_options(test.store, &test.options);
    outcome = test_append_one(&test, "more cluster=b", now, 1);
    cr_expect(strstr(outcome.first_bad, "more{cluster=\"b\"}: limit of 1 active series"), "%s",
              outcome.first_bad);
    test_store_close(&test);
}

/* Each sample older than the one before: chunks are filled all the same, and times that come twice
 * hold what was written last. */
Test(store, backfill_that_comes_backwards_fills_chunks) {
    enum { COUNT = 1000 };
    TestStore test;
    test_store_open(&test);
    TimeMs times[COUNT + 2];
    double values[COUNT + 2];
    for (int i = 0; i < COUNT; i++) {
        times[i] = (COUNT - i) * SECOND_MS;
        values[i] = i;
    }
    times[COUNT] = times[COUNT - 10];
    values[COUNT] = -1;
    times[COUNT + 1] = times[COUNT - 5];
    values[COUNT + 1] = NAN;
    StoreOutcome outcome = test_append(&test, "m cluster=a", times, values, COUNT + 2);
    cr_assert_eq(outcome.stored, COUNT + 2);
    StoreStats stats;
    store_stats(test.store, 1, &test.arena, &stats);
    cr_assert_lt(stats.head_chunks, 10);
    for (int life = 0; life < 2; life++) {
        AUTO(selection_freep) StoreSelection *selection = NULL;
        AUTO(snapshot_releasep) StoreSnapshot *snapshot = store_snapshot(test.store);
        Err err = {0};
        SeriesData data;
        cr_assert(snapshot_select(snapshot, NULL, 0, 0, TIME_MAX, 0, &selection, &err));
        selection_read(selection, 0, 0, TIME_MAX, &test.arena, &data);
        cr_assert_eq(data.count, COUNT);
        for (int i = 0; i < COUNT; i++) {
            cr_assert_eq(data.times[i], (i + 1) * SECOND_MS);
            bool again = i + 1 == 5 || i + 1 == 10;
            double want = COUNT - 1 - i;
            cr_assert(again ? data.values[i] != want : data.values[i] == want, "time %d", i + 1);
        }
        selection_free(TAKE(selection));
        snapshot_release(TAKE(snapshot));
        test_store_reopen(&test);
    }
    test_store_close(&test);
}

/* Enough for ranks; texts that are equal lie in several places, as those of head and blocks do. */
Test(store, sorts_many_series_as_labels_compare) {
    enum { COUNT = 5000, TEXTS = 40 };
    static const char *const words[] = {"", "a", "ab", "b", "B", "\xff", "a\xff", "zz"};
    Arena arena = {0};
    uint64_t state = 7;
    Str texts[TEXTS];
    for (size_t i = 0; i < TEXTS; i++) {
        texts[i] = arena_printf(&arena, "%s%s", words[i % 8], words[i / 8 % 8]);
    }
    FoundSeries *series = arena_array(&arena, FoundSeries, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        Label *items = arena_array(&arena, Label, 6);
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
        size_t labels = state >> 33 & 3;
        for (size_t j = 0; j < labels + 2; j++) {
            state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
            size_t name = j < 2 ? 9 : (state >> 33) % TEXTS; /* all begin alike */
            items[j] = (Label){texts[name], texts[(state >> 40) % TEXTS]};
        }
        series[i] = (FoundSeries){.labels = {items, labels + 2}, .head = i};
    }
    found_sort(series, COUNT);
    uint8_t *seen = arena_array(&arena, uint8_t, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        seen[series[i].head]++;
        cr_expect(i == 0 || labels_cmp(series[i - 1].labels, series[i].labels) <= 0, "at %zu", i);
    }
    for (size_t i = 0; i < COUNT; i++) {
        cr_expect_eq(seen[i], 1, "series %zu", i);
    }
    arena_finish(&arena);
}
