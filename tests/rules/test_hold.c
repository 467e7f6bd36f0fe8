/*
 * Missing data is not "resolved": one source, scraped every 15 s, dark for some minutes; may the
 * absence of a result decide?
 *
 * A row is a dark span and a window; in `want` there is one letter for each minute from the
 * beginning of the gap on: 'd' absence decides, '.' it does not.
 */

#include <criterion/criterion.h>

#include "rules/hold.h"

static const TimeMs START = INT64_C(1700000040000); /* a whole minute */
static const DurationMs SCRAPE = 15 * SECOND_MS;

/* The newest sample at `now`, if nothing was scraped in (from, to). */
static TimeMs newest_at(TimeMs now, TimeMs from, TimeMs to) {
    TimeMs newest = now - now % SCRAPE;
    return newest > from && newest < to ? from - from % SCRAPE : newest;
}

static void look(Hold *hold, TimeMs now, TimeMs newest) {
    StoreSource source = {.source = STR("prod"), .newest = newest, .interval = SCRAPE};
    hold_update(hold, &source, 1, &(HoldTiming){.lost_after = 5 * MINUTE_MS}, now);
}

/* What a restart leaves of it. */
static void restart(Hold *hold) {
    RulesGap gaps[16];
    size_t count = hold_gap_count(hold);
    cr_assert_leq(count, 16);
    hold_gaps(hold, gaps);
    Hold next = {0};
    hold_restore(&next, gaps, count);
    hold_finish(hold);
    *hold = next;
}

/* With a restart in minute `restart_at`, if there is one. */
static void assert_decisions_over(DurationMs dark, DurationMs window, const char *want,
                                  size_t restart_at) {
    AUTO(hold_finish) Hold hold = {0};
    TimeMs from = START + SECOND_MS, to = from + dark;
    look(&hold, START - MINUTE_MS, START - MINUTE_MS);
    TimeMs now = START - 5 * SECOND_MS;
    for (size_t i = 0; want[i]; i++) {
        TimeMs slot = START + (TimeMs)(i + 1) * MINUTE_MS;
        if (i == restart_at) {
            restart(&hold);
        }
        for (; now <= slot; now += 5 * SECOND_MS) {
            look(&hold, now, newest_at(now, from, to));
        }
        bool decides = hold_decides(&hold, STR("prod"), &window, 1, slot);
        cr_expect_eq(decides ? 'd' : '.', want[i],
                     "dark %lld s, window %lld s, restart in minute %zu: minute %zu of %s",
                     (long long)(dark / 1000), (long long)(window / 1000), restart_at + 1, i + 1,
                     want);
    }
}

/* As ever, whenever the program was started anew. */
static void assert_decisions(DurationMs dark, DurationMs window, const char *want) {
    for (size_t at = 0; at <= strlen(want); at++) {
        assert_decisions_over(dark, window, want, at);
    }
}

Test(hold, waits_until_windows_are_whole_again) {
    /* instant selectors: until every target was scraped again */
    assert_decisions(MINUTE_MS, 0, ".dddd");
    assert_decisions(3 * MINUTE_MS, 0, "...dddd");
    assert_decisions(10 * MINUTE_MS, 0, "..........ddd");
    /* a window of one minute: until it begins after the gap */
    assert_decisions(MINUTE_MS, MINUTE_MS, "..ddd");
    assert_decisions(3 * MINUTE_MS, MINUTE_MS, "....ddd");
    assert_decisions(10 * MINUTE_MS, MINUTE_MS, "...........ddd");
    /* two minutes */
    assert_decisions(MINUTE_MS, 2 * MINUTE_MS, "...ddd");
    assert_decisions(3 * MINUTE_MS, 2 * MINUTE_MS, ".....ddd");
    /* Five minutes, dark for one: whole while it still begins before the gap, not while it begins
     * inside. */
    assert_decisions(MINUTE_MS, 5 * MINUTE_MS, ".ddd..ddd");
    assert_decisions(3 * MINUTE_MS, 5 * MINUTE_MS, "...d....ddd");
    assert_decisions(10 * MINUTE_MS, 5 * MINUTE_MS, "...............ddd");
}

Test(hold, remembers_more_than_the_last_gap) {
    AUTO(hold_finish) Hold hold = {0};
    DurationMs window = 10 * MINUTE_MS;
    /* Dark in the second and in the fifth minute: a window that begins in either is in pieces. */
    for (TimeMs now = START - MINUTE_MS; now <= START + 20 * MINUTE_MS; now += 5 * SECOND_MS) {
        TimeMs newest = newest_at(now, START + MINUTE_MS, START + 2 * MINUTE_MS);
        look(&hold, now,
             newest_at(now, START + 4 * MINUTE_MS, START + 5 * MINUTE_MS) < newest
                 ? START + 4 * MINUTE_MS
                 : newest);
        if (now == START + 8 * MINUTE_MS) {
            restart(&hold);
        }
        if (now == START + 11 * MINUTE_MS + 30 * SECOND_MS ||
            now == START + 14 * MINUTE_MS + 30 * SECOND_MS) {
            cr_expect(!hold_decides(&hold, STR("prod"), &window, 1, now));
        }
    }
    cr_expect_eq(hold_gap_count(&hold), 2);
    cr_expect(hold_decides(&hold, STR("prod"), &window, 1, START + 20 * MINUTE_MS));
}

Test(hold, keeps_the_newest_gaps_of_a_source_that_comes_and_goes) {
    AUTO(hold_finish) Hold hold = {0};
    RulesGap gaps[HOLD_GAPS_MAX];
    for (int i = 0; i < 20; i++) {
        TimeMs at = START + i * 10 * MINUTE_MS;
        look(&hold, at, at);
        look(&hold, at + 5 * MINUTE_MS, at);
    }
    cr_assert_eq(hold_gap_count(&hold), HOLD_GAPS_MAX);
    hold_gaps(&hold, gaps);
    for (int i = 0; i < HOLD_GAPS_MAX; i++) {
        cr_expect_eq(gaps[i].from, START + (20 - HOLD_GAPS_MAX + i) * 10 * MINUTE_MS);
        cr_expect_eq(gaps[i].to, i + 1 < HOLD_GAPS_MAX ? gaps[i].from + 10 * MINUTE_MS : TIME_MAX);
    }
}

Test(hold, knows_nothing_of_a_source_without_samples) {
    AUTO(hold_finish) Hold hold = {0};
    look(&hold, START, TIME_MIN);
    cr_expect_eq(hold.items_count, 0);
}

Test(hold, knows_late_from_lost) {
    AUTO(hold_finish) Hold hold = {0};
    static const struct {
        DurationMs age;
        bool is_late, is_lost;
    } rows[] = {
        {0, false, false},
        {30 * SECOND_MS, false, false},
        {31 * SECOND_MS, true, false},
        {5 * MINUTE_MS, true, false},
        {5 * MINUTE_MS + 29 * SECOND_MS, true, false},
        {5 * MINUTE_MS + 30 * SECOND_MS, true, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        look(&hold, START + rows[i].age, START);
        const HoldSource *source = hold_find(&hold, STR("prod"));
        cr_expect_eq(source->is_late, rows[i].is_late, "row %zu", i);
        cr_expect_eq(source->is_lost, rows[i].is_lost, "row %zu", i);
    }
    look(&hold, START + HOUR_MS, START + HOUR_MS);
    cr_expect(!hold_find(&hold, STR("prod"))->is_lost);
}

Test(hold, counts_lost_from_the_start_of_the_process) {
    AUTO(hold_finish) Hold hold = {0};
    StoreSource source = {
        .source = STR("prod"), .newest = START - 10 * MINUTE_MS, .interval = SCRAPE};
    HoldTiming timing = {.lost_after = 5 * MINUTE_MS, .started_at = START};
    hold_update(&hold, &source, 1, &timing, START + MINUTE_MS);
    cr_expect(hold.items[0].is_late && !hold.items[0].is_lost);
    hold_update(&hold, &source, 1, &timing, START + 5 * MINUTE_MS);
    cr_expect(hold.items[0].is_lost);
}

Test(hold, takes_two_scrape_intervals_as_late) {
    AUTO(hold_finish) Hold hold = {0};
    StoreSource source = {.source = STR("slow"), .newest = START, .interval = MINUTE_MS};
    HoldTiming timing = {.lost_after = 5 * MINUTE_MS};
    hold_update(&hold, &source, 1, &timing, START + 2 * MINUTE_MS);
    cr_expect(!hold.items[0].is_late);
    hold_update(&hold, &source, 1, &timing, START + 2 * MINUTE_MS + 1);
    cr_expect(hold.items[0].is_late);
    timing.late_after = 10 * MINUTE_MS;
    hold_update(&hold, &source, 1, &timing, START + 9 * MINUTE_MS);
    cr_expect(!hold.items[0].is_late);
}

Test(hold, decides_for_those_without_a_source) {
    AUTO(hold_finish) Hold hold = {0};
    DurationMs window = 0;
    look(&hold, START + HOUR_MS, START);
    cr_expect(!hold_decides(&hold, STR("prod"), &window, 1, START + HOUR_MS));
    cr_expect(hold_decides(&hold, STR(""), &window, 1, START + HOUR_MS));
    cr_expect(hold_decides(&hold, STR("other"), &window, 1, START + HOUR_MS));
    /* A source that was forgotten holds nothing any more. */
    hold_update(&hold, NULL, 0, &(HoldTiming){0}, START + HOUR_MS);
    cr_expect(hold_decides(&hold, STR("prod"), &window, 1, START + HOUR_MS));
}
