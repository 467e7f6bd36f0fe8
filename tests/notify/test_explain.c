/* Why somebody was paged, or was not: timelines and verdicts of real runs; and what comes back from
 * the pager. */

#include "notify/acknowledge.h"
#include "notify/explain.h"
#include "notify_test.h"

static Explanation explain(Rig *rig, Arena *arena, const char *alert) {
    ExplainQuery query = {.alert = str_of(alert), .from = T0 - DAY_MS, .to = rig->now + DAY_MS};
    Explanation *found = NULL;
    size_t count = 0, matched = 0;
    Err err = {0};
    cr_assert(notify_explain(rig->notify, &query, rig->now, arena, &found, &count, &matched, &err),
              "%s", err.text);
    cr_assert_eq(count, 1, "%zu explanations of %s", count, alert);
    return found[0];
}

static void assert_verdict(Rig *rig, const char *alert, const char *want) {
    AUTO(arena_finish) Arena arena = {0};
    Explanation explanation = explain(rig, &arena, alert);
    cr_expect(str_eq(explanation.verdict, str_of(want)), "%s: %.*s", alert,
              STR_ARG(explanation.verdict));
}

static void open_hook(Rig *rig, Listener *listener, const char *more) {
    char text[2048];
    listener_start(listener, 200);
    snprintf(text, sizeof text,
             "route: {receiver: hook, group_by: [alertname], group_interval: 1m, routes: ["
             "{receiver: nobody, matchers: ['team=\"none\"']}, {receiver: hook, matchers: "
             "['day=\"1\"'], active_time_intervals: [day]}]}\n"
             "receivers: [{name: nobody}, {name: hook, webhook_configs: [{url: "
             "'http://127.0.0.1:%d/'}]}]\n"
             "time_intervals: [{name: day, time_intervals: [{times: [{start_time: '09:00', "
             "end_time: '17:00'}]}]}]\n%s",
             listener->port, more);
    rig_open(rig, rig_config(text, NULL, NULL));
}

static void silence(Rig *rig, const char *cluster) {
    AUTO(arena_finish) Arena arena = {0};
    SilenceMatcher matcher = {STR("cluster"), str_of(cluster), false, true};
    Silence silence = {.matchers = &matcher,
                       .matcher_count = 1,
                       .starts_at = rig->now,
                       .ends_at = rig->now + HOUR_MS,
                       .created_by = STR("ann"),
                       .comment = STR("disk swap")};
    Actor actor = {.name = STR("ann"), .claimed = true};
    Str id;
    Err err = {0};
    cr_assert(notify_silence_set(rig->notify, &silence, &actor, rig->now, &arena, &id, &err), "%s",
              err.text);
}

Test(explain, a_timeline_reads_from_the_firing_to_the_answer) {
    Listener listener;
    Rig rig;
    open_hook(&rig, &listener, "");
    rig_fire(&rig, "alertname=A");
    rig_pass(&rig, 30 * SECOND_MS, 30 * SECOND_MS);
    AUTO(arena_finish) Arena arena = {0};
    Explanation explanation = explain(&rig, &arena, "A");
    static const char *const want[][2] = {
        {"fired", "fires, value 1"},
        {"routed", "routed to receiver hook, group {}:{alertname=\"A\"}, whose members are told at "
                   "2026-01-01T00:00:30.000Z"},
        {"queued", "to be told to hook (webhook): first notification"},
        {"attempted", "sending the trigger to hook (webhook)"},
        {"delivered", "trigger taken by hook (webhook): 200 {}"},
    };
    cr_assert_eq(explanation.event_count, 5);
    for (size_t i = 0; i < 5; i++) {
        cr_expect(str_eq(explanation.events[i].event, str_of(want[i][0])), "%zu: %.*s", i,
                  STR_ARG(explanation.events[i].event));
        cr_expect(str_eq(explanation.events[i].text, str_of(want[i][1])), "%zu: %.*s", i,
                  STR_ARG(explanation.events[i].text));
    }
    cr_expect(explanation.paged);
    assert_verdict(&rig, "A",
                   "Paged: told hook (webhook) at 2026-01-01T00:00:30.000Z, 30s after it fired: "
                   "first notification");
    /* By fingerprint and by dedup key, too. */
    assert_verdict(&rig, explanation.fingerprint, explanation.verdict.ptr);
    assert_verdict(&rig, explanation.dedup_key, explanation.verdict.ptr);
    rig_close(&rig);
    listener_stop(&listener);
}

Test(explain, each_reason_not_to_page_has_its_sentence) {
    Listener listener;
    Rig rig;
    open_hook(&rig, &listener,
              "inhibit_rules: [{source_matchers: ['alertname=\"Down\"'], target_matchers: "
              "['alertname=\"Slow\"']}]\n");
    rig_fire(&rig, "alertname=Waits");
    assert_verdict(&rig, "Waits",
                   "Not paged so far: receiver hook is told at 2026-01-01T00:00:30.000Z");
    rig_fire(&rig, "alertname=Short");
    rig_fire(&rig, "alertname=Unheard team=none");
    rig_fire(&rig, "alertname=Night day=1");
    rig_fire(&rig, "alertname=Down");
    rig_fire(&rig, "alertname=Slow");
    rig_pass(&rig, 10 * SECOND_MS, 10 * SECOND_MS);
    rig_resolve(&rig, "alertname=Short");
    rig_pass(&rig, 2 * MINUTE_MS, 10 * SECOND_MS);
    assert_verdict(&rig, "Short", "Not paged: it was over before its group was due to be told");
    assert_verdict(&rig, "Unheard",
                   "Not paged: receiver nobody has told nobody (see what it is configured to do)");
    assert_verdict(&rig, "Night",
                   "Not paged so far: held until 2026-01-01T09:00:00.000Z by time interval day");
    assert_verdict(&rig, "Slow",
                   "Not paged: inhibited by {alertname=\"Down\"} (fingerprint 6accfd3d0992a914)");
    rig_close(&rig);
    listener_stop(&listener);
}

Test(explain, a_silence_is_named_with_its_author_and_its_end_releases) {
    Listener listener;
    Rig rig;
    open_hook(&rig, &listener, "");
    silence(&rig, "a");
    rig_fire(&rig, "alertname=A cluster=a");
    rig_pass(&rig, 2 * MINUTE_MS, MINUTE_MS);
    AUTO(arena_finish) Arena arena = {0};
    Explanation quiet = explain(&rig, &arena, "A");
    cr_expect(!quiet.paged);
    const char *verdict = arena_cstr(&arena, quiet.verdict);
    cr_expect(strstr(verdict, "Not paged: silenced until 2026-01-01T01:00:00.000Z by silence "));
    cr_expect(strstr(verdict, ", by ann: disk swap"), "%s", verdict);
    rig_pass(&rig, HOUR_MS, MINUTE_MS);
    Explanation later = explain(&rig, &arena, "A");
    cr_expect(later.paged, "%.*s", STR_ARG(later.verdict));
    rig_close(&rig);
    listener_stop(&listener);
}

/* ---- acknowledgements ---- */

Test(acknowledge, a_signature_has_to_be_the_bodys_under_the_secret) {
    static const struct {
        const char *secret, *header, *body;
        bool fits;
    } cases[] = {
#define GOOD "0c3e89010807a274fd26fae3628d3e1dc8f1ee15cc206a8e72920e50b4da8baf"
        {"geheim", "v1=" GOOD, "{\"a\":1}", true},
        {"geheim", "v1=0000, v1=" GOOD, "{\"a\":1}", true},
        {"geheim", "v0=" GOOD, "{\"a\":1}", false},
        {"geheim", GOOD, "{\"a\":1}", false},
        {"geheim", "v1=" GOOD, "{\"a\":2}", false},
        {"other", "v1=" GOOD, "{\"a\":1}", false},
        {"", "v1=" GOOD, "{\"a\":1}", false},
        {"geheim", "", "{\"a\":1}", false},
        {"geheim", "v1=", "{\"a\":1}", false},
#undef GOOD
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(pagerduty_signature_fits(str_of(cases[i].secret), str_of(cases[i].header),
                                              str_of(cases[i].body)),
                     cases[i].fits, "case %zu", i);
    }
}

static WebhookOutcome send_event(Rig *rig, const char *secret, const char *type, const char *key) {
    AUTO(buf_finish) Buf body = {0};
    buf_printf(&body,
               "{\"event\":{\"id\":\"e\",\"event_type\":\"%s\",\"occurred_at\":\"2026-01-01T00:"
               "03:00Z\",\"agent\":{\"summary\":\"Ann\"},\"data\":{\"incident_key\":\"%s\","
               "\"html_url\":\"https://pd/1\"}}}",
               type, key);
    uint8_t digest[32];
    char header[80] = "v1=";
    hmac_sha256(str_of(secret), buf_view(&body), digest);
    for (int i = 0; i < 32; i++) {
        snprintf(header + 3 + 2 * i, 3, "%02x", digest[i]);
    }
    WebhookOutcome outcome = WEBHOOK_FORGED;
    Err err = {0};
    cr_assert(notify_pagerduty_webhook(rig->notify, str_of(header), buf_view(&body), rig->now,
                                       &outcome, &err),
              "%s", err.text);
    return outcome;
}

Test(acknowledge, an_acknowledgement_is_noted_once_and_shown) {
    Listener listener;
    Rig rig;
    open_hook(&rig, &listener, "pagerduty_webhook: {secret: geheim}\n");
    rig_fire(&rig, "alertname=A");
    rig_pass(&rig, 5 * MINUTE_MS, 30 * SECOND_MS);
    AUTO(arena_finish) Arena arena = {0};
    Explanation before = explain(&rig, &arena, "A");
    const char *type = "incident.acknowledged";
    cr_expect_eq(send_event(&rig, "wrong", type, before.dedup_key), WEBHOOK_FORGED);
    cr_expect_eq(send_event(&rig, "geheim", type, "somebody else's"), WEBHOOK_IGNORED);
    cr_expect_eq(send_event(&rig, "geheim", "incident.priority_updated", before.dedup_key),
                 WEBHOOK_IGNORED);
    cr_expect_eq(send_event(&rig, "geheim", type, before.dedup_key), WEBHOOK_TAKEN);
    cr_expect_eq(send_event(&rig, "geheim", type, before.dedup_key), WEBHOOK_TAKEN);
    Explanation after = explain(&rig, &arena, "A");
    cr_assert_eq(after.event_count, before.event_count + 1, "the same event twice is one row");
    cr_expect(
        str_eq(after.events[after.event_count - 1].text, STR("acknowledged by Ann, https://pd/1")));
    cr_expect(str_ends(after.verdict, STR("; acknowledged by Ann, https://pd/1")), "%.*s",
              STR_ARG(after.verdict));
    rig_close(&rig);
    listener_stop(&listener);
}
