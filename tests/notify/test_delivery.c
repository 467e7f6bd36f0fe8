/* Delivery against a listener that misbehaves, with the clock in hand: everything arrives once it
 * recovers, in order per key, and what cannot succeed is parked, shown, and tried again by hand. */

#include "notify_test.h"

static NotifyConfig *pagerduty(const Listener *listener, const char *more) {
    char text[2048];
    snprintf(text, sizeof text,
             "%s\nroute: {receiver: pager, group_wait: 0s, group_interval: 1s}\n"
             "receivers:\n"
             "  - name: pager\n"
             "    pagerduty_configs: [{routing_key: key0, incident: alert, timeout: 100ms,\n"
             "      url: 'http://127.0.0.1:%d/v2/enqueue'}]\n",
             more, listener->port);
    return rig_config(text, NULL, NULL);
}

static size_t waiting(Rig *rig, const char *status) {
    AUTO(arena_finish) Arena arena = {0};
    NotificationView *views;
    size_t count;
    notify_notifications(rig->notify, &(NotificationFilter){.status = str_of(status)}, &arena,
                         &views, &count);
    return count;
}

static int64_t first_id(Rig *rig, const char *status, char answer[128]) {
    AUTO(arena_finish) Arena arena = {0};
    NotificationView *views;
    size_t count;
    notify_notifications(rig->notify, &(NotificationFilter){.status = str_of(status)}, &arena,
                         &views, &count);
    cr_assert_gt(count, 0, "nothing is %s", status);
    snprintf(answer, 128, "%.*s", STR_ARG(views[0].answer));
    return views[0].id;
}

/* How often `action` arrived for instance `n` from body `from` on. */
static size_t arrivals(Listener *listener, size_t from, const char *action, int n) {
    char want[64], instance[64];
    size_t found = 0, count = listener_count(listener);
    snprintf(want, sizeof want, "\"event_action\":\"%s\"", action);
    snprintf(instance, sizeof instance, "\"instance\":\"n%d\"", n);
    for (size_t i = from; i < count; i++) {
        found += listener_has(listener, i, want) && listener_has(listener, i, instance);
    }
    return found;
}

static size_t place_of(Listener *listener, size_t from, const char *action, int n) {
    size_t count = listener_count(listener);
    char want[64], instance[64];
    snprintf(want, sizeof want, "\"event_action\":\"%s\"", action);
    snprintf(instance, sizeof instance, "\"instance\":\"n%d\"", n);
    for (size_t i = from; i < count; i++) {
        if (listener_has(listener, i, want) && listener_has(listener, i, instance)) {
            return i;
        }
    }
    return SIZE_MAX;
}

static void change(Rig *rig, bool fires, int n) {
    char labels[64];
    snprintf(labels, sizeof labels, "alertname=A instance=n%d", n);
    rig_change(rig, fires ? ALERT_BECAME_FIRING : ALERT_BECAME_RESOLVED, labels);
}

/* Ten minutes of trouble, in which n0 was told before and ends, n1 begins, n2 begins and ends, n3
 * ends and begins again. */
static void ten_bad_minutes(int status, const char *answer) {
    Listener listener;
    Rig rig;
    listener_start(&listener, 202);
    rig_open(&rig, pagerduty(&listener, ""));
    change(&rig, true, 0);
    change(&rig, true, 3);
    rig_run(&rig);
    cr_assert_eq(listener_count(&listener), 2);
    listener_set(&listener, status, answer);
    change(&rig, false, 0);
    change(&rig, true, 1);
    change(&rig, false, 3);
    rig_pass(&rig, 30 * SECOND_MS, 5 * SECOND_MS);
    change(&rig, true, 2);
    change(&rig, true, 3);
    rig_pass(&rig, 4 * MINUTE_MS + 30 * SECOND_MS, 30 * SECOND_MS);
    change(&rig, false, 2);
    rig_pass(&rig, 5 * MINUTE_MS, 30 * SECOND_MS);
    size_t from = listener_count(&listener);
    listener_set(&listener, 202, NULL);
    rig_pass(&rig, 10 * MINUTE_MS, 30 * SECOND_MS);
    bool may_have_arrived = status != 429;
    cr_expect_eq(arrivals(&listener, from, "resolve", 0), 1, "%d: the end of n0", status);
    cr_expect_eq(arrivals(&listener, from, "trigger", 1), 1, "%d: the page for n1", status);
    cr_expect_eq(arrivals(&listener, from, "trigger", 2), 0, "%d: n2 is over", status);
    cr_expect_eq(arrivals(&listener, from, "resolve", 2), may_have_arrived,
                 "%d: n2 is ended if somebody may have heard of it", status);
    cr_expect_eq(arrivals(&listener, from, "resolve", 3), 1, "%d: the end of n3", status);
    cr_expect_eq(arrivals(&listener, from, "trigger", 3), 1, "%d: n3 again", status);
    cr_expect_lt(place_of(&listener, from, "resolve", 3), place_of(&listener, from, "trigger", 3),
                 "%d: in order", status);
    cr_expect_eq(waiting(&rig, ""), 0, "%d: nothing is left", status);
    rig_close(&rig);
    listener_stop(&listener);
}

Test(delivery, survives_ten_minutes_of_too_many_requests) {
    ten_bad_minutes(429, NULL);
}

Test(delivery, survives_ten_minutes_of_errors) {
    ten_bad_minutes(500, "<html>garbage \x01\xff</html>");
}

Test(delivery, survives_ten_minutes_of_hanging_up) {
    ten_bad_minutes(0, NULL);
}

Test(delivery, a_receiver_that_is_not_there_heard_of_nothing) {
    Listener listener;
    Rig rig;
    listener_start(&listener, 202);
    NotifyConfig *config = pagerduty(&listener, "");
    listener_stop(&listener);
    rig_open(&rig, config);
    change(&rig, true, 1);
    rig_pass(&rig, MINUTE_MS, 10 * SECOND_MS);
    cr_expect_eq(waiting(&rig, ""), 1);
    change(&rig, false, 1);
    rig_pass(&rig, MINUTE_MS, 10 * SECOND_MS);
    cr_expect_eq(waiting(&rig, ""), 0, "no end of what was never told");
    rig_close(&rig);
}

Test(delivery, waits_as_long_as_it_is_asked_to) {
    Listener listener;
    Rig rig;
    listener_start(&listener, 429);
    listener.retry_after = "120";
    rig_open(&rig, pagerduty(&listener, ""));
    change(&rig, true, 1);
    rig_run(&rig);
    change(&rig, true, 2); /* the same receiver: it has to wait, too */
    rig_pass(&rig, 119 * SECOND_MS, 7 * SECOND_MS);
    cr_expect_eq(listener_count(&listener), 1);
    listener_set(&listener, 202, NULL);
    rig_pass(&rig, 10 * SECOND_MS, SECOND_MS);
    cr_expect_eq(listener_count(&listener), 3);
    rig_close(&rig);
    listener_stop(&listener);
}

Test(delivery, parks_what_cannot_succeed_and_tries_it_again_by_hand) {
    Listener listener;
    Rig rig;
    Err err = {0};
    size_t count = 0;
    char answer[128];
    Actor actor = {.name = STR("ann")};
    listener_start(&listener, 400);
    listener.answer = "{\"status\":\"invalid event\"}";
    rig_open(&rig, pagerduty(&listener, ""));
    change(&rig, true, 1);
    rig_pass(&rig, HOUR_MS, MINUTE_MS);
    cr_expect_eq(listener_count(&listener), 1, "not tried again by itself");
    int64_t id = first_id(&rig, "failed", answer);
    cr_expect(strstr(answer, "400") && strstr(answer, "invalid event"), "%s", answer);
    rig_shut(&rig);
    rig_open_again(&rig);
    cr_expect_eq(first_id(&rig, "failed", answer), id, "a restart forgets none");
    listener_set(&listener, 202, NULL);
    int64_t unknown = id + 1000;
    cr_expect(!notify_retry(rig.notify, &unknown, 1, &actor, rig.now, &count, &err));
    cr_expect_eq(err.kind, ERR_NOT_FOUND);
    cr_assert(notify_retry(rig.notify, &id, 1, &actor, rig.now, &count, &err), "%s", err.text);
    cr_expect_eq(count, 1);
    rig_run(&rig);
    cr_expect_eq(listener_count(&listener), 2);
    cr_expect_eq(waiting(&rig, ""), 0);
    rig_close(&rig);
    listener_stop(&listener);
}

Test(delivery, gives_up_by_hand_what_waits) {
    Listener listener;
    Rig rig;
    Err err = {0};
    char answer[128];
    listener_start(&listener, 400);
    rig_open(&rig, pagerduty(&listener, ""));
    change(&rig, true, 1);
    rig_run(&rig);
    int64_t id = first_id(&rig, "failed", answer);
    cr_assert(notify_drop(rig.notify, id, &(Actor){.name = STR("ann")}, rig.now, &err), "%s",
              err.text);
    cr_expect(!notify_drop(rig.notify, id, &(Actor){.name = STR("ann")}, rig.now, &err));
    cr_expect_eq(err.kind, ERR_NOT_FOUND);
    cr_expect_eq(waiting(&rig, ""), 0);
    rig_close(&rig);
    listener_stop(&listener);
}

Test(delivery, a_test_goes_the_real_way_and_is_marked) {
    Listener listener;
    Rig rig;
    AUTO(arena_finish) Arena arena = {0};
    Err err = {0};
    TestTarget *targets;
    size_t count;
    Actor actor = {.name = STR("ann")};
    listener_start(&listener, 202);
    rig_open(&rig, pagerduty(&listener, ""));
    NotifyTest test = {.receiver = STR("pager"), .resolve = true};
    cr_assert(notify_test(rig.notify, &test, &actor, rig.now, &arena, &targets, &count, &err), "%s",
              err.text);
    rig_run(&rig);
    rig_run(&rig);
    cr_assert_eq(listener_count(&listener), 2);
    cr_expect(listener_has(&listener, 0, "[TEST]") && listener_has(&listener, 0, "\"trigger\""));
    cr_expect(listener_has(&listener, 1, "\"resolve\""));
    cr_expect_eq(waiting(&rig, "delivered"), 2, "what came of it can be asked for");
    test = (NotifyTest){.labels = rig_labels(&arena, "team=db")};
    cr_assert(notify_test(rig.notify, &test, &actor, rig.now, &arena, &targets, &count, &err), "%s",
              err.text);
    cr_expect_eq(count, 1);
    rig_run(&rig);
    cr_expect(listener_has(&listener, 2, "\"team\":\"db\""));
    test = (NotifyTest){.receiver = STR("nobody")};
    cr_expect(!notify_test(rig.notify, &test, &actor, rig.now, &arena, &targets, &count, &err));
    cr_expect_eq(err.kind, ERR_NOT_FOUND);
    rig_close(&rig);
    listener_stop(&listener);
}

Test(delivery, in_shadow_mode_nothing_leaves_the_house_by_itself) {
    Listener listener;
    Rig rig;
    AUTO(arena_finish) Arena arena = {0};
    Err err = {0};
    TestTarget *targets;
    size_t count;
    listener_start(&listener, 202);
    rig_open(&rig,
             pagerduty(&listener, "shadow: true\nheartbeat: {receiver: pager, interval: 10s}"));
    change(&rig, true, 1);
    rig_pass(&rig, HOUR_MS, MINUTE_MS);
    change(&rig, false, 1);
    rig_pass(&rig, HOUR_MS, MINUTE_MS);
    cr_expect_eq(listener_count(&listener), 0);
    NotifyTest test = {.receiver = STR("pager")};
    cr_assert(notify_test(rig.notify, &test, &(Actor){0}, rig.now, &arena, &targets, &count, &err),
              "%s", err.text);
    rig_run(&rig);
    cr_expect_eq(listener_count(&listener), 1, "but a test somebody asked for");
    cr_expect(listener_has(&listener, 0, "[TEST]"));
    rig_close(&rig);
    listener_stop(&listener);
}

Test(delivery, an_acknowledgement_is_passed_on_under_the_incidents_key) {
    Listener listener;
    Rig rig;
    AUTO(arena_finish) Arena arena = {0};
    Err err = {0};
    size_t alerts, passed_on;
    Actor actor = {.name = STR("ann")};
    listener_start(&listener, 202);
    rig_open(&rig, pagerduty(&listener, ""));
    change(&rig, true, 1);
    change(&rig, true, 2);
    rig_run(&rig);
    cr_assert(notify_acknowledge(rig.notify, rig_labels(&arena, "instance=n1"), &actor,
                                 STR("on it"), rig.now, &alerts, &passed_on, &err),
              "%s", err.text);
    cr_expect(alerts == 1 && passed_on == 1);
    rig_run(&rig);
    cr_expect_eq(arrivals(&listener, 0, "acknowledge", 1), 1);
    cr_expect_eq(arrivals(&listener, 0, "acknowledge", 2), 0);
    cr_expect(!notify_acknowledge(rig.notify, rig_labels(&arena, "instance=n9"), &actor, STR(""),
                                  rig.now, &alerts, &passed_on, &err));
    cr_expect_eq(err.kind, ERR_NOT_FOUND);
    rig_close(&rig);
    listener_stop(&listener);
}

/* ---- the dead man's switch ---- */

Test(delivery, heartbeats_come_at_their_interval_and_do_not_pile_up) {
    Listener listener;
    Rig rig;
    listener_start(&listener, 202);
    rig_open(&rig, pagerduty(&listener, "heartbeat: {receiver: pager, interval: 10s}"));
    rig_pass(&rig, MINUTE_MS, SECOND_MS);
    cr_expect_eq(listener_count(&listener), 6);
    listener_set(&listener, 503, NULL);
    rig_pass(&rig, 10 * MINUTE_MS, 10 * SECOND_MS);
    cr_expect_eq(waiting(&rig, "retrying") + waiting(&rig, "queued"), 1);
    listener_set(&listener, 400, NULL);
    rig_pass(&rig, 10 * MINUTE_MS, 10 * SECOND_MS);
    cr_expect_eq(waiting(&rig, "failed"), 1);
    rig_close(&rig);
    listener_stop(&listener);
}

Test(delivery, what_stands_still_is_told_by_another_way_and_heartbeats_stop) {
    Listener listener;
    Rig rig;
    Net *net;
    Err err = {0};
    listener_start(&listener, 202);
    rig_open(&rig, pagerduty(&listener, ""));
    cr_assert(net_open(&net, &err), "%s", err.text);
    notify_evaluated(rig.notify, rig.now);
    notify_watch(rig.notify, net, rig.now + 4 * MINUTE_MS);
    cr_expect_eq(listener_count(&listener), 0);
    /* Neither flush nor deliver is called from here on. */
    listener_set(&listener, 500, NULL);
    notify_watch(rig.notify, net, rig.now + 6 * MINUTE_MS);
    cr_expect_eq(listener_count(&listener), 1);
    listener_set(&listener, 202, NULL);
    notify_watch(rig.notify, net, rig.now + 7 * MINUTE_MS);
    cr_expect_eq(listener_count(&listener), 2, "told again until it is taken");
    cr_expect(listener_has(&listener, 1, "StalledEvaluation"));
    notify_watch(rig.notify, net, rig.now + 8 * MINUTE_MS);
    cr_expect_eq(listener_count(&listener), 2, "and then not again");
    notify_evaluated(rig.notify, rig.now + 9 * MINUTE_MS);
    notify_watch(rig.notify, net, rig.now + 9 * MINUTE_MS);
    cr_expect_eq(listener_count(&listener), 3);
    cr_expect(listener_has(&listener, 2, "\"resolve\""));
    net_close(net);
    rig_close(&rig);
    listener_stop(&listener);
}

Test(delivery, a_notification_that_waits_too_long_is_told_by_another_way) {
    static const char starts_at[] = "\"startsAt\":\"2026-01-01T00:00:";
    Listener listener, other;
    Rig rig;
    Net *net;
    Err err = {0};
    char text[1024];
    listener_start(&listener, 503);
    listener_start(&other, 200);
    snprintf(text, sizeof text,
             "route: {receiver: pager, group_wait: 0s}\n"
             "heartbeat: {stall_receiver: other}\n"
             "receivers:\n"
             "  - {name: pager, webhook_configs: [{url: 'http://127.0.0.1:%d/'}]}\n"
             "  - {name: other, webhook_configs: [{url: 'http://127.0.0.1:%d/'}]}\n",
             listener.port, other.port);
    rig_open(&rig, rig_config(text, NULL, NULL));
    cr_assert(net_open(&net, &err), "%s", err.text);
    change(&rig, true, 1);
    for (int i = 0; i < 10; i++) {
        rig_pass(&rig, MINUTE_MS, 10 * SECOND_MS);
        notify_watch(rig.notify, net, rig.now);
    }
    cr_expect_eq(listener_count(&other), 1);
    cr_expect(listener_has(&other, 0, "StalledDelivery"));
    cr_expect(listener_has(&other, 0, starts_at));

    listener_set(&listener, 200, "");
    for (int i = 0; i < 10; i++) {
        rig_pass(&rig, MINUTE_MS, 10 * SECOND_MS);
        notify_watch(rig.notify, net, rig.now);
    }
    cr_expect_eq(listener_count(&other), 2);
    cr_expect(listener_has(&other, 1, "resolved"));
    cr_expect(listener_has(&other, 1, starts_at), "%s", other.bodies[1]);
    net_close(net);
    rig_close(&rig);
    listener_stop(&listener);
    listener_stop(&other);
}

/* ---- other Alertmanagers ---- */

Test(delivery, a_route_with_hours_tells_another_alertmanager_when_they_begin) {
    Listener listener;
    Rig rig;
    char text[1024];
    listener_start(&listener, 200);
    snprintf(text, sizeof text,
             "route: {receiver: none, routes: [{receiver: am, active_time_intervals: [late]}]}\n"
             "time_intervals: [{name: late, time_intervals: [{times: [{start_time: '01:00', "
             "end_time: '24:00'}]}]}]\n"
             "receivers: [{name: none}, {name: am, alertmanager_configs: [{url: "
             "'http://127.0.0.1:%d'}]}]\n",
             listener.port);
    rig_open(&rig, rig_config(text, NULL, NULL));
    change(&rig, true, 1);
    rig_pass(&rig, 59 * MINUTE_MS, MINUTE_MS);
    cr_expect_eq(listener_count(&listener), 0);
    rig_pass(&rig, MINUTE_MS, MINUTE_MS);
    cr_expect_geq(listener_count(&listener), 1);
    cr_expect(listener_has(&listener, 0, "\"instance\":\"n1\""));
    rig_close(&rig);
    listener_stop(&listener);
}

Test(delivery, forward_all_tells_of_suppressed_alerts_and_of_the_change) {
    Listener listener;
    Rig rig;
    AUTO(arena_finish) Arena arena = {0};
    char text[1024];
    Str id;
    Err err = {0};
    listener_start(&listener, 200);
    snprintf(text, sizeof text,
             "route: {receiver: am}\n"
             "receivers: [{name: am, alertmanager_configs: [{url: 'http://127.0.0.1:%d', forward: "
             "all}]}]\n",
             listener.port);
    rig_open(&rig, rig_config(text, NULL, NULL));
    rig_run(&rig);
    change(&rig, true, 1);
    rig_run(&rig);
    cr_assert_eq(listener_count(&listener), 1);
    SilenceMatcher matcher = {STR("instance"), STR("n1"), false, true};
    Silence silence = {.matchers = &matcher,
                       .matcher_count = 1,
                       .starts_at = rig.now,
                       .ends_at = rig.now + 10 * SECOND_MS,
                       .created_by = STR("ann"),
                       .comment = STR("work")};
    change(&rig, true, 2);
    rig_run(&rig);
    cr_expect_eq(listener_count(&listener), 2);
    matcher.value = STR("n3");
    cr_assert(notify_silence_set(rig.notify, &silence, &(Actor){.name = STR("ann")}, rig.now,
                                 &arena, &id, &err),
              "%s", err.text);
    change(&rig, true, 3);
    rig_run(&rig);
    cr_assert_eq(listener_count(&listener), 3, "silenced, and told all the same");
    cr_expect(listener_has(&listener, 2,
                           "\"belfry_suppressed\":\"true\"},\"annotations\":{"
                           "\"summary\":\"something is wrong\"},\"startsAt\":"
                           "\"2026-01-01T00:00:00.000Z\",\"endsAt\":"
                           "\"2026-01-01T00:04:00.000Z\""),
              "%s", listener.bodies[2]);
    rig_pass(&rig, 12 * SECOND_MS, SECOND_MS);
    cr_assert_eq(listener_count(&listener), 4, "no longer silenced");
    cr_expect(listener_has(&listener, 3, "\"belfry_suppressed\":\"true\""), "the marked one ends");
    rig_close(&rig);
    listener_stop(&listener);
}

static void write_key(const char *path, const char *key) {
    FILE *file = fopen(path, "w");
    cr_assert(file && fputs(key, file) >= 0 && fclose(file) == 0, "%s", path);
}

Test(delivery, an_incident_ends_with_the_key_it_was_opened_with_when_the_file_says_another) {
    Listener listener;
    Rig rig;
    char path[] = "/tmp/belfry-key-XXXXXX", text[512];
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
    write_key(path, "first-key");
    listener_start(&listener, 202);
    snprintf(text, sizeof text,
             "route: {receiver: pager, group_wait: 0s, group_interval: 1s}\n"
             "receivers:\n"
             "  - name: pager\n"
             "    pagerduty_configs: [{routing_key_file: %s, incident: alert,\n"
             "      url: 'http://127.0.0.1:%d/v2/enqueue'}]\n",
             path, listener.port);
    rig_open(&rig, rig_config(text, NULL, NULL));
    change(&rig, true, 1);
    rig_pass(&rig, 5 * SECOND_MS, SECOND_MS);
    cr_assert_eq(listener_count(&listener), 1);
    cr_expect(listener_has(&listener, 0, "first-key"));
    write_key(path, "second-key");
    rig_shut(&rig);
    rig_open_again(&rig);
    change(&rig, false, 1);
    rig_pass(&rig, 5 * SECOND_MS, SECOND_MS);
    cr_assert_eq(listener_count(&listener), 2);
    cr_expect(listener_has(&listener, 1, "resolve") && listener_has(&listener, 1, "first-key"));
    change(&rig, true, 2);
    rig_pass(&rig, 5 * SECOND_MS, SECOND_MS);
    cr_assert_eq(listener_count(&listener), 3);
    cr_expect(listener_has(&listener, 2, "second-key"), "a new incident goes with the new key");
    rig_close(&rig);
    listener_stop(&listener);
    unlink(path);
}
