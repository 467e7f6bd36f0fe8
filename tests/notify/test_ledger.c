/* What the ledger says: each decision once, with its reason, also after a restart. */

#include "notify_test.h"
#include "state/rows_ledger.h"

/* "decision reason subject [+seconds until]" a line, oldest first; `want` gives what it begins
 * with. */
static void assert_ledger(Rig *rig, const char *want) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(buf_finish) Buf text = {0};
    LedgerRow *rows;
    size_t count;
    Err err = {0};
    cr_assert(
        state_load_ledger(rig->state, &(LedgerFilter){.to = TIME_MAX}, &arena, &rows, &count, &err),
        "%s", err.text);
    for (size_t i = count; i > 0; i--) {
        const LedgerRow *row = &rows[i - 1];
        Str subject = row->subject; /* an integration without the hash of its address */
        subject.len = str_starts(subject, STR("hook/")) ? sizeof "hook/webhook" - 1 : subject.len;
        buf_printf(&text, "%.*s|%.*s|%.*s", STR_ARG(row->decision), STR_ARG(row->reason),
                   STR_ARG(subject));
        if (row->until) {
            buf_printf(&text, "|+%llds", (long long)(row->until - row->at) / 1000);
        }
        buf_byte(&text, '\n');
    }
    buf_byte(&text, '\0');
    cr_expect_str_eq(text.ptr, want);
}

static NotifyConfig *hook(const Listener *listener, const char *route, const char *more) {
    char text[2048];
    snprintf(text, sizeof text,
             "route: {receiver: hook, group_interval: 1m, repeat_interval: 100h%s}\n"
             "receivers: [{name: hook, webhook_configs: [{url: 'http://127.0.0.1:%d/'}]}]\n%s",
             route, listener->port, more);
    return rig_config(text, NULL, NULL);
}

static void restart(Rig *rig) {
    rig_shut(rig);
    rig_open_again(rig);
}

Test(ledger, a_page_is_routed_queued_attempted_and_delivered) {
    Listener listener;
    Rig rig;
    listener_start(&listener, 503);
    rig_open(&rig, hook(&listener, "", ""));
    rig_fire(&rig, "alertname=A");
    rig_pass(&rig, 40 * SECOND_MS, 10 * SECOND_MS);
    listener_set(&listener, 200, NULL);
    rig_pass(&rig, MINUTE_MS, 20 * SECOND_MS);
    rig_resolve(&rig, "alertname=A");
    rig_pass(&rig, 5 * MINUTE_MS, 30 * SECOND_MS);
    char want[1024];
    snprintf(want, sizeof want,
             "routed|fired|hook|+30s\n"
             "queued|first notification|hook/webhook\n"
             "attempted|trigger|hook/webhook\n"
             "failed|trigger|hook/webhook\n"
             "delivered|trigger|hook/webhook\n"
             "queued|all alerts resolved|hook/webhook\n"
             "attempted|resolve|hook/webhook\n"
             "delivered|resolve|hook/webhook\n");
    assert_ledger(&rig, want);
    rig_close(&rig);
    listener_stop(&listener);
}

Test(ledger, what_a_time_interval_holds_is_named_once_for_each_alert_and_until_when) {
    Listener listener;
    Rig rig;
    listener_start(&listener, 200);
    rig_open(&rig, hook(&listener,
                        ", group_wait: 0s, routes: [{receiver: hook, active_time_intervals: "
                        "[day]}]",
                        "time_intervals: [{name: day, time_intervals: [{times: [{start_time: "
                        "'09:00', end_time: '17:00'}]}]}]\n"));
    rig_fire(&rig, "alertname=A");
    rig_pass(&rig, 2 * MINUTE_MS, MINUTE_MS);
    restart(&rig);
    rig_pass(&rig, 2 * MINUTE_MS, MINUTE_MS);
    rig_fire(&rig, "alertname=B");
    rig_pass(&rig, 56 * MINUTE_MS, MINUTE_MS);
    assert_ledger(&rig, "routed|fired|hook\n"
                        "muted|time interval|day|+32340s\n"
                        "routed|fired|hook\n"
                        "muted|time interval|day|+32100s\n");
    rig_close(&rig);
    listener_stop(&listener);
}

Test(ledger, a_restart_does_not_write_again_what_keeps_an_alert_quiet) {
    Listener listener;
    Rig rig;
    listener_start(&listener, 200);
    rig_open(&rig, hook(&listener, ", group_wait: 0s",
                        "inhibit_rules: [{source_matchers: ['a=\"down\"'], target_matchers: "
                        "['a=\"slow\"'], equal: [c]}]\n"));
    rig_fire(&rig, "a=down c=1");
    rig_run(&rig);
    rig_fire(&rig, "a=slow c=1");
    rig_pass(&rig, 3 * MINUTE_MS, MINUTE_MS);
    restart(&rig);
    rig_pass(&rig, 3 * MINUTE_MS, MINUTE_MS);
    rig_resolve(&rig, "a=down c=1");
    rig_pass(&rig, 3 * MINUTE_MS, MINUTE_MS);
    AUTO(arena_finish) Arena arena = {0};
    LedgerRow *rows;
    size_t count;
    Err err = {0};
    cr_assert(state_load_ledger(rig.state,
                                &(LedgerFilter){.to = TIME_MAX, .decision = STR("inhibited")},
                                &arena, &rows, &count, &err));
    cr_assert_eq(count, 1, "%zu rows", count);
    cr_expect(str_eq(rows[0].detail, STR("{a=\"down\", c=\"1\"}")), "%.*s",
              STR_ARG(rows[0].detail));
    cr_expect_eq(rows[0].subject.len, 16);
    cr_assert(state_load_ledger(rig.state,
                                &(LedgerFilter){.to = TIME_MAX, .decision = STR("released")},
                                &arena, &rows, &count, &err));
    cr_expect_eq(count, 1);
    rig_close(&rig);
    listener_stop(&listener);
}

/* Three starts an hour are too many: the third is not told while it flaps, and is told when it has
 * burnt on until the hour is over. */
Test(ledger, a_flapping_alert_is_damped_across_a_restart_and_rings_when_it_stays) {
    Listener listener;
    Rig rig;
    listener_start(&listener, 200);
    rig_open(&rig, hook(&listener, ", group_wait: 0s", "flapping: {changes: 3, window: 1h}\n"));
    for (int i = 0; i < 2; i++) {
        rig_fire(&rig, "alertname=A");
        rig_pass(&rig, 5 * MINUTE_MS, MINUTE_MS);
        rig_resolve(&rig, "alertname=A");
        rig_pass(&rig, 5 * MINUTE_MS, MINUTE_MS);
    }
    cr_expect_eq(listener_count(&listener), 4);
    restart(&rig);
    rig_fire(&rig, "alertname=A");
    rig_pass(&rig, 30 * MINUTE_MS, MINUTE_MS);
    cr_expect_eq(listener_count(&listener), 4, "damped");
    rig_pass(&rig, 11 * MINUTE_MS, MINUTE_MS);
    cr_expect_eq(listener_count(&listener), 5, "still burning when the window is over");
    AUTO(arena_finish) Arena arena = {0};
    LedgerRow *rows;
    size_t count;
    Err err = {0};
    cr_assert(state_load_ledger(rig.state,
                                &(LedgerFilter){.to = TIME_MAX, .decision = STR("damped")}, &arena,
                                &rows, &count, &err));
    cr_assert_eq(count, 1);
    cr_expect_eq(rows[0].until, T0 + HOUR_MS);
    rig_close(&rig);
    listener_stop(&listener);
}

Test(ledger, shadow_mode_decides_and_sends_nothing_and_what_burns_rings_when_it_ends) {
    Listener listener;
    Rig rig;
    listener_start(&listener, 200);
    rig_open(&rig, hook(&listener, ", group_wait: 0s", "shadow: true\n"));
    rig_fire(&rig, "alertname=Ends");
    rig_fire(&rig, "alertname=Burns");
    rig_pass(&rig, 2 * MINUTE_MS, MINUTE_MS);
    rig_resolve(&rig, "alertname=Ends");
    rig_pass(&rig, 2 * MINUTE_MS, MINUTE_MS);
    cr_expect_eq(listener_count(&listener), 0);
    assert_ledger(&rig, "routed|fired|hook\n"
                        "routed|fired|hook\n"
                        "shadowed|first notification|hook/webhook\n"
                        "shadowed|some alerts resolved|hook/webhook\n");
    NotifyConfig *live = hook(&listener, ", group_wait: 0s", "");
    Err err = {0};
    cr_assert(notify_reload(rig.notify, live, rig.now, &err), "%s", err.text);
    notify_config_unref(rig.config);
    rig.config = live;
    rig_pass(&rig, MINUTE_MS, MINUTE_MS);
    cr_assert_eq(listener_count(&listener), 1);
    cr_expect(listener_has(&listener, 0, "Burns"));
    cr_expect(!listener_has(&listener, 0, "Ends"));
    rig_close(&rig);
    listener_stop(&listener);
}

static bool is_inhibited(Rig *rig, const char *name) {
    AUTO(arena_finish) Arena arena = {0};
    AlertView *views;
    size_t count;
    notify_alerts(rig->notify, &(MatcherSet){0}, rig->now, &arena, &views, &count);
    for (size_t i = 0; i < count; i++) {
        if (str_eq(labels_get(views[i].alert.labels, STR("a")), str_of(name))) {
            return views[i].suppressed;
        }
    }
    cr_assert_fail("no alert %s", name);
    return false;
}

/* Sources of several rules leave in any order; what they kept quiet is so while one is left. */
Test(ledger, an_alert_is_inhibited_until_the_last_of_its_sources_ends) {
    static const int orders[][6] = {
        {0, 1, 2, 3, 4, 5}, {5, 4, 3, 2, 1, 0}, {3, 0, 5, 1, 4, 2}, {2, 4, 0, 5, 3, 1}};
    for (size_t order = 0; order < sizeof orders / sizeof *orders; order++) {
        Rig rig;
        unsigned burning = 63;
        rig_open(&rig, rig_config("route: {receiver: x}\n"
                                  "receivers: [{name: x}]\n"
                                  "inhibit_rules:\n"
                                  "  - {source_matchers: [b=never], target_matchers: [a=all]}\n"
                                  "  - {source_matchers: [a=down], target_matchers: [a=all]}\n"
                                  "  - {source_matchers: ['n=~\"[0-2]\"'], target_matchers: "
                                  "[a=few]}\n",
                                  NULL, NULL));
        for (int n = 0; n < 6; n++) {
            char labels[32];
            snprintf(labels, sizeof labels, "a=down n=%d", n);
            rig_fire(&rig, labels);
        }
        rig_fire(&rig, "a=all");
        rig_fire(&rig, "a=few");
        for (int i = 0; i < 6; i++) {
            char labels[32];
            cr_expect(is_inhibited(&rig, "all"), "order %zu, %d are over", order, i);
            cr_expect_eq(is_inhibited(&rig, "few"), (burning & 7) != 0, "order %zu, %d", order, i);
            snprintf(labels, sizeof labels, "a=down n=%d", orders[order][i]);
            rig_resolve(&rig, labels);
            burning &= ~(1u << orders[order][i]);
        }
        cr_expect_not(is_inhibited(&rig, "all"), "order %zu", order);
        rig_close(&rig);
    }
}
