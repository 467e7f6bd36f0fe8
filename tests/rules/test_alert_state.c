/*
 * The alert state machine, one row per evaluation a minute: 't' seen, 'f' absent, 'u' undecided;
 * '-' 'p' 'F' is the state expected after each.
 */

#include <criterion/criterion.h>

#include "rules/alert_state.h"

static const TimeMs START = INT64_C(1700000000000);

static AlertSight sight_of(char tick) {
    return tick == 't' ? ALERT_SEEN : tick == 'f' ? ALERT_ABSENT : ALERT_UNDECIDED;
}

static AlertLife assert_life(AlertTiming timing, const char *ticks, const char *want) {
    AlertLife life = {0};
    TimeMs now = START;
    for (size_t i = 0; ticks[i]; i++, now += MINUTE_MS) {
        life = alert_step(life, timing, sight_of(ticks[i]), now);
        cr_expect_eq("-pF"[life.phase], want[i], "tick %zu of %s, want %s", i, ticks, want);
    }
    return life;
}

Test(alert_state, waits_out_its_hold_and_starts_over_after_a_gap) {
    AlertTiming hold_2m = {.hold = 2 * MINUTE_MS};
    assert_life(hold_2m, "ttttf", "ppFF-");
    assert_life(hold_2m, "ttftt", "pp-pp");
}

Test(alert_state, fires_at_once_without_a_hold) {
    assert_life((AlertTiming){0}, "tft", "F-F");
}

Test(alert_state, keeps_firing_through_short_gaps) {
    AlertTiming keep_2m = {.keep_firing = 2 * MINUTE_MS};
    assert_life(keep_2m, "tftfff", "FFFFF-");
    /* Reference section 2.2: false from 4m, firing at 4m and 5m, resolved at 6m. */
    AlertTiming both = {.hold = 2 * MINUTE_MS, .keep_firing = 2 * MINUTE_MS};
    assert_life(both, "ttttffft", "ppFFFF-p");
}

Test(alert_state, decides_nothing_while_its_source_is_late) {
    AlertTiming hold_2m = {.hold = 2 * MINUTE_MS};
    assert_life(hold_2m, "tttuuuuf", "ppFFFFF-");
    assert_life(hold_2m, "tuuuu", "ppppp");
    /* What was pending before the gap is as old as it is, once it is seen again. */
    assert_life(hold_2m, "tuuut", "ppppF");
    assert_life((AlertTiming){.keep_firing = 2 * MINUTE_MS}, "tfuuuf", "FFFFF-");
    assert_life(hold_2m, "uu", "--");
}

Test(alert_state, is_stale_only_while_undecided) {
    AlertTiming at_once = {0};
    AlertLife life = assert_life(at_once, "tu", "FF");
    cr_expect(life.stale);
    life = alert_step(life, at_once, ALERT_SEEN, START + 5 * MINUTE_MS);
    cr_expect(!life.stale);
}

Test(alert_state, remembers_since_when) {
    AlertTiming hold_2m = {.hold = 2 * MINUTE_MS};
    AlertLife life = assert_life(hold_2m, "tttt", "ppFF");
    cr_expect_eq(life.active_at, START);
    cr_expect_eq(life.fired_at, START + 2 * MINUTE_MS);
    life = alert_step(life, hold_2m, ALERT_ABSENT, START + 4 * MINUTE_MS);
    cr_expect_eq(life.resolved_at, START + 4 * MINUTE_MS);
    life = alert_step(life, hold_2m, ALERT_SEEN, START + 5 * MINUTE_MS);
    cr_expect_eq(life.active_at, START + 5 * MINUTE_MS);
    cr_expect_eq(life.resolved_at, 0);
}

Test(alert_state, a_longer_hold_does_not_take_back_a_page) {
    AlertLife life = assert_life((AlertTiming){.hold = MINUTE_MS}, "tt", "pF");
    life = alert_step(life, (AlertTiming){.hold = HOUR_MS}, ALERT_SEEN, START + 2 * MINUTE_MS);
    cr_expect_eq(life.phase, ALERT_FIRING);
}

/* The reference's vectors: `for` of an hour, active since 12:00, looked at again at 13:00. */
Test(alert_state, takes_over_from_another_evaluator) {
    const TimeMs noon = INT64_C(1700000000000), one = noon + HOUR_MS;
    const struct {
        DurationMs hold, seen, want;
        bool vmalert;
    } rows[] = {
        {HOUR_MS, 40 * MINUTE_MS, 20 * MINUTE_MS, false},      /* fires at 13:20 */
        {HOUR_MS, 40 * MINUTE_MS, 0, true},                    /* fires at the next evaluation */
        {HOUR_MS, 55 * MINUTE_MS, 10 * MINUTE_MS, false},      /* not within ten minutes */
        {30 * MINUTE_MS, 40 * MINUTE_MS, 0, false},            /* was firing */
        {5 * MINUTE_MS, 3 * MINUTE_MS, 57 * MINUTE_MS, false}, /* two minutes are left */
        {5 * MINUTE_MS, 3 * MINUTE_MS, 0, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        AlertRecord record = {noon, noon + rows[i].seen};
        TimeMs since = alert_taken_over(record, rows[i].hold, rows[i].vmalert, one);
        cr_expect_eq(since - noon, rows[i].want, "row %zu: %lld", i, (long long)(since - noon));
    }
}

Test(alert_state, names_its_transitions) {
    static const struct {
        AlertPhase before, after;
        bool is_transition;
        AlertEvent event;
    } rows[] = {
        {ALERT_INACTIVE, ALERT_PENDING, true, ALERT_BECAME_PENDING},
        {ALERT_INACTIVE, ALERT_FIRING, true, ALERT_BECAME_FIRING},
        {ALERT_PENDING, ALERT_FIRING, true, ALERT_BECAME_FIRING},
        {ALERT_PENDING, ALERT_INACTIVE, true, ALERT_BECAME_INACTIVE},
        {ALERT_FIRING, ALERT_INACTIVE, true, ALERT_BECAME_RESOLVED},
        {ALERT_FIRING, ALERT_FIRING, false, 0},
        {ALERT_PENDING, ALERT_PENDING, false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        AlertEvent event = 0;
        bool is_transition = alert_transition((AlertLife){.phase = rows[i].before},
                                              (AlertLife){.phase = rows[i].after}, &event);
        cr_expect_eq(is_transition, rows[i].is_transition, "row %zu", i);
        cr_expect(!is_transition || event == rows[i].event, "row %zu", i);
    }
}
