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

static void assert_decisions(DurationMs dark, DurationMs window, const char *want) {
    AUTO(hold_finish) Hold hold = {0};
    TimeMs from = START + SECOND_MS, to = from + dark;
    look(&hold, START - MINUTE_MS, START - MINUTE_MS);
    TimeMs now = START - 5 * SECOND_MS;
    for (size_t i = 0; want[i]; i++) {
        TimeMs slot = START + (TimeMs)(i + 1) * MINUTE_MS;
        for (; now <= slot; now += 5 * SECOND_MS) {
            look(&hold, now, newest_at(now, from, to));
        }
        bool decides = hold_decides(&hold, STR("prod"), &window, 1, slot);
        cr_expect_eq(decides ? 'd' : '.', want[i], "dark %lld s, window %lld s: minute %zu of %s",
                     (long long)(dark / 1000), (long long)(window / 1000), i + 1, want);
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
