/* From a change of an alert to what a receiver gets, through the database and a real listener, with
 * the clock in hand. */

#include "notify_test.h"

static NotifyConfig *pagerduty(const Listener *listener, const char *more) {
    char text[2048];
    snprintf(text, sizeof text,
             "route: {receiver: pager%s}\n"
             "receivers: [{name: pager, pagerduty_configs: [{routing_key: key0, url: "
             "'http://127.0.0.1:%d/v2/enqueue'}]}]\n",
             more, listener->port);
    return rig_config(text, NULL, NULL);
}

static NotifyConfig *webhook(const Listener *listener, const char *more) {
    char text[2048];
    snprintf(text, sizeof text,
             "route: {receiver: hook%s}\n"
             "receivers: [{name: hook, webhook_configs: [{url: 'http://127.0.0.1:%d/'}]}]\n",
             more, listener->port);
    return rig_config(text, NULL, NULL);
}

Test(flow, an_incident_opens_and_closes_under_one_key) {
    Listener listener;
    Rig rig;
    listener_start(&listener, 202);
    rig_open(&rig, pagerduty(&listener, ""));
    rig_fire(&rig, "alertname=CpuHigh instance=n1 severity=critical");
    rig_run(&rig);
    cr_expect_eq(listener_count(&listener), 0, "waits for group_wait");
    rig_pass(&rig, 30 * SECOND_MS, 30 * SECOND_MS);
    cr_assert_eq(listener_count(&listener), 1);
    cr_expect(listener_has(&listener, 0, "\"event_action\":\"trigger\""), "%s", listener.bodies[0]);
    cr_expect(listener_has(&listener, 0, "\"severity\":\"critical\""));
    cr_expect(listener_has(&listener, 0, "\"routing_key\":\"key0\""));
    rig_resolve(&rig, "alertname=CpuHigh instance=n1 severity=critical");
    rig_pass(&rig, 5 * MINUTE_MS, MINUTE_MS);
    cr_assert_eq(listener_count(&listener), 2);
    cr_expect(listener_has(&listener, 1, "\"event_action\":\"resolve\""), "%s", listener.bodies[1]);
    const char *key = strstr(listener.bodies[0], "\"dedup_key\":\"");
    char copy[90] = {0};
    memcpy(copy, key, 80);
    cr_expect(listener_has(&listener, 1, copy));
    rig_pass(&rig, HOUR_MS, MINUTE_MS);
    cr_expect_eq(listener_count(&listener), 2);
    rig_close(&rig);
    listener_stop(&listener);
}

Test(flow, what_starts_and_ends_within_the_wait_is_never_told) {
    Listener listener;
    Rig rig;
    listener_start(&listener, 202);
    rig_open(&rig, pagerduty(&listener, ""));
    rig_fire(&rig, "alertname=A");
    rig_pass(&rig, 10 * SECOND_MS, 10 * SECOND_MS);
    rig_resolve(&rig, "alertname=A");
    rig_pass(&rig, HOUR_MS, MINUTE_MS);
    cr_expect_eq(listener_count(&listener), 0);
    rig_close(&rig);
    listener_stop(&listener);
}

Test(flow, a_trigger_that_was_refused_leaves_nothing_to_resolve) {
    Listener listener;
    Rig rig;
    listener_start(&listener, 429);
    rig_open(&rig, pagerduty(&listener, ""));
    rig_fire(&rig, "alertname=A");
    rig_pass(&rig, 10 * MINUTE_MS, 10 * SECOND_MS);
    size_t tried = listener_count(&listener);
    cr_expect_geq(tried, 3);
    rig_resolve(&rig, "alertname=A");
    rig_pass(&rig, 10 * MINUTE_MS, MINUTE_MS);
    listener_set(&listener, 202, NULL);
    size_t before = listener_count(&listener);
    rig_pass(&rig, HOUR_MS, MINUTE_MS);
    cr_expect_eq(listener_count(&listener), before, "nobody heard of it");
    rig_close(&rig);
    listener_stop(&listener);
}

Test(flow, a_trigger_whose_answer_was_lost_is_resolved) {
    Listener listener;
    Rig rig;
    listener_start(&listener, 500);
    rig_open(&rig, pagerduty(&listener, ""));
    rig_fire(&rig, "alertname=A");
    rig_pass(&rig, MINUTE_MS, 10 * SECOND_MS);
    rig_resolve(&rig, "alertname=A");
    rig_pass(&rig, 6 * MINUTE_MS, MINUTE_MS);
    listener_set(&listener, 202, NULL);
    rig_pass(&rig, HOUR_MS, MINUTE_MS);
    cr_expect(listener_has(&listener, listener_count(&listener) - 1, "\"resolve\""));
    rig_close(&rig);
    listener_stop(&listener);
}

Test(flow, a_silence_holds_the_page_and_lets_the_end_of_a_told_one_through) {
    Listener listener;
    Rig rig;
    AUTO(arena_finish) Arena arena = {0};
    listener_start(&listener, 202);
    rig_open(&rig, pagerduty(&listener, ", group_wait: 0s, group_interval: 1m"));
    SilenceMatcher matcher = {STR("cluster"), STR("a"), false, true};
    Silence silence = {.matchers = &matcher,
                       .matcher_count = 1,
                       .starts_at = rig.now,
                       .ends_at = rig.now + HOUR_MS,
                       .created_by = STR("ann"),
                       .comment = STR("work")};
    Actor actor = {.name = STR("ann"), .claimed = true};
    Str id;
    Err err = {0};
    rig_fire(&rig, "alertname=Told cluster=a");
    rig_run(&rig);
    cr_assert_eq(listener_count(&listener), 1);
    cr_assert(notify_silence_set(rig.notify, &silence, &actor, rig.now, &arena, &id, &err), "%s",
              err.text);
    rig_fire(&rig, "alertname=Quiet cluster=a");
    rig_pass(&rig, 10 * MINUTE_MS, MINUTE_MS);
    cr_expect_eq(listener_count(&listener), 1, "silenced");
    rig_resolve(&rig, "alertname=Told cluster=a");
    rig_pass(&rig, 5 * MINUTE_MS, MINUTE_MS);
    cr_expect_eq(listener_count(&listener), 2);
    cr_expect(listener_has(&listener, 1, "\"resolve\""), "a silence swallows no end");
    rig_pass(&rig, 46 * MINUTE_MS, MINUTE_MS);
    cr_expect_eq(listener_count(&listener), 3, "still burning when the silence is over");
    cr_expect(listener_has(&listener, 2, "Quiet"));
    rig_close(&rig);
    listener_stop(&listener);
}

static Str set_silence(Rig *rig, Arena *arena, SilenceMatcher *matcher, DurationMs span) {
    Silence silence = {.matchers = matcher,
                       .matcher_count = 1,
                       .starts_at = rig->now,
                       .ends_at = rig->now + span,
                       .created_by = STR("ann"),
                       .comment = STR("work")};
    Actor actor = {.name = STR("ann"), .claimed = true};
    Str id;
    Err err = {0};
    cr_assert(notify_silence_set(rig->notify, &silence, &actor, rig->now, arena, &id, &err), "%s",
              err.text);
    return id;
}

/* An alert is noted as quiet because of one of those that cover it: whichever ends first, it rings
 * after the last, by whatever kind of matcher. */
Test(flow, what_several_silences_cover_rings_when_the_last_is_over) {
    static const DurationMs spans[][2] = {{HOUR_MS, 2 * HOUR_MS}, {2 * HOUR_MS, HOUR_MS}};
    for (size_t i = 0; i < 2; i++) {
        Listener listener;
        Rig rig;
        AUTO(arena_finish) Arena arena = {0};
        listener_start(&listener, 202);
        rig_open(&rig, pagerduty(&listener, ", group_wait: 0s, group_interval: 1m"));
        SilenceMatcher name = {STR("alertname"), STR(".*uie.*"), true, true};
        SilenceMatcher cluster = {STR("cluster"), STR("a"), false, true};
        (void)set_silence(&rig, &arena, &name, spans[i][0]);
        rig_fire(&rig, "alertname=Quiet cluster=a");
        rig_pass(&rig, MINUTE_MS, MINUTE_MS);
        (void)set_silence(&rig, &arena, &cluster, spans[i][1]);
        rig_pass(&rig, 118 * MINUTE_MS, MINUTE_MS);
        cr_expect_eq(listener_count(&listener), 0, "%zu: covered by one of them", i);
        rig_pass(&rig, 5 * MINUTE_MS, MINUTE_MS);
        cr_expect_eq(listener_count(&listener), 1, "%zu: still burning", i);
        rig_close(&rig);
        listener_stop(&listener);
    }
}

Test(flow, groups_wait_gather_and_repeat) {
    Listener listener;
    Rig rig;
    listener_start(&listener, 200);
    rig_open(&rig,
             webhook(&listener, ", group_by: [alertname], group_wait: 30s, group_interval: 5m, "
                                "repeat_interval: 7m"));
    rig_fire(&rig, "alertname=A i=1");
    rig_fire(&rig, "alertname=A i=2");
    rig_pass(&rig, 30 * SECOND_MS, 10 * SECOND_MS);
    cr_assert_eq(listener_count(&listener), 1);
    cr_expect(listener_has(&listener, 0, "\"notification_reason\":\"first notification\""), "%s",
              listener.bodies[0]);
    cr_expect(listener_has(&listener, 0, "\"groupKey\":\"{}:{alertname=\\\"A\\\"}\""), "%s",
              listener.bodies[0]);
    rig_fire(&rig, "alertname=A i=3");
    rig_pass(&rig, 5 * MINUTE_MS, 30 * SECOND_MS);
    cr_assert_eq(listener_count(&listener), 2);
    cr_expect(listener_has(&listener, 1, "new alerts added"));
    rig_pass(&rig, 7 * MINUTE_MS, 30 * SECOND_MS);
    cr_assert_eq(listener_count(&listener), 3, "a repeat is not rounded up to the next interval");
    cr_expect(listener_has(&listener, 2, "repeat interval elapsed"));
    rig_resolve(&rig, "alertname=A i=1");
    rig_pass(&rig, 5 * MINUTE_MS, 30 * SECOND_MS);
    cr_assert_eq(listener_count(&listener), 4);
    cr_expect(listener_has(&listener, 3, "some alerts resolved"));
    rig_close(&rig);
    listener_stop(&listener);
}

Test(flow, a_restart_forgets_nothing_and_repeats_nothing) {
    Listener listener;
    Rig rig;
    listener_start(&listener, 202);
    rig_open(&rig, pagerduty(&listener, ""));
    rig_fire(&rig, "alertname=A");
    rig_shut(&rig); /* before its group was due */
    rig_open_again(&rig);
    rig_pass(&rig, MINUTE_MS, 30 * SECOND_MS);
    cr_assert_eq(listener_count(&listener), 1);
    rig_shut(&rig);
    rig_open_again(&rig);
    rig_pass(&rig, 10 * MINUTE_MS, MINUTE_MS);
    cr_expect_eq(listener_count(&listener), 1);
    rig_resolve(&rig, "alertname=A");
    rig_shut(&rig);
    rig_open_again(&rig);
    rig_pass(&rig, 10 * MINUTE_MS, MINUTE_MS);
    cr_assert_eq(listener_count(&listener), 2);
    cr_expect(listener_has(&listener, 1, "\"resolve\""));
    rig_close(&rig);
    listener_stop(&listener);
}

Test(flow, another_alertmanager_gets_each_alert_at_once_and_its_lease_renewed) {
    Listener listener;
    Rig rig;
    char text[1024];
    listener_start(&listener, 200);
    snprintf(text, sizeof text,
             "route: {receiver: am}\n"
             "receivers: [{name: am, alertmanager_configs: [{url: 'http://127.0.0.1:%d'}]}]\n",
             listener.port);
    rig_open(&rig, rig_config(text, NULL, NULL));
    rig_run(&rig);
    rig_fire(&rig, "alertname=A");
    rig_run(&rig);
    cr_assert_eq(listener_count(&listener), 1);
    cr_expect_str_eq(listener.paths[0], "/api/v2/alerts");
    cr_expect(listener_has(&listener, 0, "\"endsAt\":\"2026-01-01T00:04:00.000Z\""), "%s",
              listener.bodies[0]);
    rig_pass(&rig, 3 * MINUTE_MS, MINUTE_MS);
    cr_expect_eq(listener_count(&listener), 4, "renewed each minute");
    rig_resolve(&rig, "alertname=A");
    rig_run(&rig);
    cr_assert_eq(listener_count(&listener), 5);
    cr_expect(listener_has(&listener, 4, "\"endsAt\":\"2026-01-01T00:03:00.000Z\""), "%s",
              listener.bodies[4]);
    rig_close(&rig);
    listener_stop(&listener);
}

static void set_headers(Rig *rig, const AlertHeaders *list, size_t count) {
    Err err = {0};
    cr_assert(notify_set_headers(rig->notify, list, count, rig->now, &err), "%s", err.text);
}

static void fire_of(Rig *rig, const char *rule_key, const char *labels) {
    rig->rule_key = rule_key;
    rig_fire(rig, labels);
}

/* What was told since `from` under a tenant: how many requests, all of which have `text`. */
static size_t told_to(Listener *listener, size_t from, const char *tenant, const char *text) {
    size_t count = 0;
    for (size_t i = from; i < listener_count(listener); i++) {
        if (strcmp(listener->tenants[i], tenant) == 0) {
            count++;
            cr_expect(listener_has(listener, i, text), "%s: %s", tenant, listener->bodies[i]);
        }
    }
    return count;
}

Test(flow, alerts_of_rules_with_other_headers_go_to_an_alertmanager_in_requests_of_their_own) {
    Listener listener;
    Rig rig;
    char text[1024];
    const AlertHeaders headers[] = {{STR("b"), STR("X-Scope-OrgID: blue\nX-Empty: \n")},
                                    {STR("r"), STR("x-scope-orgid: red\n")},
                                    {STR("plain"), STR("")}};
    listener_start(&listener, 200);
    snprintf(text, sizeof text,
             "route: {receiver: am}\n"
             "receivers: [{name: am, alertmanager_configs: [{url: 'http://127.0.0.1:%d'}]}]\n",
             listener.port);
    rig_open(&rig, rig_config(text, NULL, NULL));
    set_headers(&rig, headers, 3);
    rig_run(&rig);
    fire_of(&rig, "r", "alertname=A of=red");
    fire_of(&rig, "b", "alertname=B of=blue");
    fire_of(&rig, "plain", "alertname=C of=nobody");
    fire_of(&rig, "b", "alertname=D of=blue");
    fire_of(&rig, "r", "alertname=E of=red");
    rig_run(&rig);
    cr_expect_eq(listener_count(&listener), 3, "what has the same headers goes together: %zu",
                 listener_count(&listener));
    cr_expect_eq(told_to(&listener, 0, "red", "\"of\":\"red\""), 1);
    cr_expect_eq(told_to(&listener, 0, "blue", "\"of\":\"blue\""), 1);
    cr_expect_eq(told_to(&listener, 0, "", "\"of\":\"nobody\""), 1);

    size_t from = listener_count(&listener);
    rig_pass(&rig, MINUTE_MS, MINUTE_MS);
    cr_expect_eq(told_to(&listener, from, "red", "\"of\":\"red\""), 1, "renewed");
    cr_expect_eq(told_to(&listener, from, "blue", "\"of\":\"blue\""), 1, "renewed");

    /* Another start, where one rule is gone and one has got another header: the end of the former's
     * alert is told to whom its beginning was. */
    rig_shut(&rig);
    rig_open_again(&rig);
    const AlertHeaders later[] = {{STR("b"), STR("X-Scope-OrgID: green\n")}};
    set_headers(&rig, later, 1);
    rig_run(&rig);
    from = listener_count(&listener);
    rig.rule_key = "r";
    rig_resolve(&rig, "alertname=A of=red");
    rig.rule_key = "b";
    rig_resolve(&rig, "alertname=B of=blue");
    rig_run(&rig);
    cr_expect_geq(told_to(&listener, from, "red", "\"of\":\"red\""), 1);
    cr_expect_geq(told_to(&listener, from, "green", "\"of\":\"blue\""), 1);
    cr_expect_eq(told_to(&listener, from, "blue", ""), 0);
    rig_close(&rig);
    listener_stop(&listener);
}

Test(flow, headers_of_the_receiver_have_the_last_word_over_those_of_rules) {
    Listener listener;
    Rig rig;
    char text[1024];
    const AlertHeaders headers[] = {{STR("r"), STR("x-scope-orgid: red\n")}};
    listener_start(&listener, 200);
    snprintf(text, sizeof text,
             "route: {receiver: am}\n"
             "receivers: [{name: am, alertmanager_configs: [{url: 'http://127.0.0.1:%d', "
             "http_config: {http_headers: {X-Scope-OrgID: {values: [ours]}}}}]}]\n",
             listener.port);
    rig_open(&rig, rig_config(text, NULL, NULL));
    set_headers(&rig, headers, 1);
    rig_run(&rig);
    fire_of(&rig, "r", "alertname=A");
    rig_run(&rig);
    cr_assert_eq(listener_count(&listener), 1);
    cr_expect_str_eq(listener.tenants[0], "ours");
    rig_close(&rig);
    listener_stop(&listener);
}

Test(flow, a_flag_keeps_a_whole_cluster_quiet_and_lets_it_ring_when_it_ends) {
    Listener listener;
    Rig rig;
    AUTO(arena_finish) Arena arena = {0};
    listener_start(&listener, 202);
    rig_open(&rig, pagerduty(&listener, ", group_wait: 0s, group_interval: 1m"));
    SilenceMatcher matcher = {STR("cluster"), STR("staging-1"), false, true};
    Flag flag = {.matchers = &matcher,
                 .matcher_count = 1,
                 .reason = STR("upgrade"),
                 .owner = STR("ann"),
                 .ends_at = rig.now + HOUR_MS};
    Str id;
    Err err = {0};
    cr_assert(notify_flag_set(rig.notify, &flag, &(Actor){.name = STR("ann")}, rig.now, &arena, &id,
                              &err),
              "%s", err.text);
    rig_fire(&rig, "alertname=A cluster=staging-1");
    rig_fire(&rig, "alertname=B cluster=prod alerting=off");
    rig_pass(&rig, 30 * MINUTE_MS, MINUTE_MS);
    cr_expect_eq(listener_count(&listener), 0);
    rig_shut(&rig);
    rig_open_again(&rig);
    rig_pass(&rig, 29 * MINUTE_MS, MINUTE_MS);
    cr_expect_eq(listener_count(&listener), 0, "the flag survived");
    rig_pass(&rig, 5 * MINUTE_MS, MINUTE_MS);
    cr_expect_eq(listener_count(&listener), 1);
    cr_expect(listener_has(&listener, 0, "staging-1"));
    rig_close(&rig);
    listener_stop(&listener);
}
