/* What each receiver is sent, byte by byte, against tests/notify/golden/, and the limits that hold
 * for it. BELFRY_GOLDEN=write writes the files anew: read the difference before you commit it. */

#include "notify/integration.h"
#include "notify/receivers.h"
#include "notify_test.h"

static const char configuration[] =
    "global: {smtp_from: 'Belfry <belfry@example.org>', smtp_smarthost: 'mail.example.org:587'}\n"
    "route: {receiver: plain}\n"
    "receivers:\n"
    "  - name: plain\n"
    "    pagerduty_configs: [{routing_key: key-0123456789}]\n"
    "    alertmanager_configs: [{static_configs: [{targets: ['am-1:9093', 'am-2:9093']}]}]\n"
    "    webhook_configs: [{url: 'http://hook.example.org/x'}]\n"
    "    slack_configs: [{api_url: 'https://hooks.slack.com/services/T/B/x', channel: '#alerts'}]\n"
    "    email_configs: [{to: 'a@example.org, B <b@example.org>'}]\n"
    "    msteams_configs: [{webhook_url: 'https://example.webhook.office.com/x'}]\n"
    "    msteamsv2_configs: [{webhook_url: 'https://example.logic.azure.com/x'}]\n"
    "    grafana_configs: [{url: 'http://grafana:3000/', token: t0, tags: [belfry]}]\n"
    "  - name: team.db\n"
    "    pagerduty_configs:\n"
    "      - routing_key: key-0123456789\n"
    "        description: '{{ .CommonLabels.alertname }} in {{ .CommonLabels.cluster }}'\n"
    "        severity: '{{ .CommonLabels.severity }}'\n"
    "        details: {team: '{{ .CommonLabels.team }}', firing: '{{ .Alerts.Firing | len }}'}\n"
    "        images: [{src: 'https://img/{{ .CommonLabels.cluster }}.png', alt: graph}, {alt: "
    "'no src'}]\n"
    "        links: [{href: 'https://wiki/{{ .CommonLabels.alertname }}', text: wiki}]\n"
    "    alertmanager_configs: [{url: 'http://am/prefix/', forward: all}]\n"
    "    webhook_configs:\n"
    "      - {url: 'http://hook/{{ .CommonLabels.cluster }}', max_alerts: 1}\n"
    "      - {url: 'http://hook/own', payload: {text: '{{ .Status }}', n: 3, on: true, list: "
    "[a]}}\n"
    "    slack_configs:\n"
    "      - {app_token: xoxb-1, channel: C1, text: '{{ .CommonAnnotations.summary }}',\n"
    "         fields: [{title: cluster, value: '{{ .CommonLabels.cluster }}', short: true}]}\n"
    "      - {app_token: xoxb-1, channel: C1, update_message: true}\n"
    "    email_configs:\n"
    "      - {to: a@example.org, text: 'plain {{ .Status }} äöü', html: '', require_tls: false,\n"
    "         headers: {Subject: 'Störung {{ .Status }}', X-Team: db}}\n";

/* ---- the message ---- */

static Label firing_labels[] = {{STR("alertname"), STR("DiskFull")},
                                {STR("cluster"), STR("prod-1")},
                                {STR("instance"), STR("db-1:9100")},
                                {STR("severity"), STR("critical")},
                                {STR("team"), STR("db")}};
static Label ended_labels[] = {{STR("alertname"), STR("DiskFull")},
                               {STR("cluster"), STR("prod-1")},
                               {STR("instance"), STR("db-2:9100")},
                               {STR("severity"), STR("critical")},
                               {STR("team"), STR("db")}};
static Label annotations[] = {
    {STR("description"), STR("\"/var\" has <5 % left & shrinks\nsoon over")},
    {STR("runbook_url"), STR("https://runbooks/DiskFull")},
    {STR("summary"), STR("Disk nearly full — act now")}};

static Alert alerts[2] = {{.labels = {firing_labels, 5},
                           .annotations = {annotations, 3},
                           .generator_url = STR("http://belfry/graph?g0.expr=disk"),
                           .interval = MINUTE_MS},
                          {.labels = {ended_labels, 5},
                           .annotations = {annotations, 3},
                           .generator_url = STR("http://belfry/graph?g0.expr=disk"),
                           .interval = MINUTE_MS}};
static Label group_labels[] = {{STR("alertname"), STR("DiskFull")},
                               {STR("cluster"), STR("prod-1")}};

static Message message_of(MessageAlert members[2], OutboxAction action, size_t count) {
    bool firing = action != OUTBOX_RESOLVE;
    members[0] = (MessageAlert){.alert = &alerts[0],
                                .fingerprint = labels_fingerprint(alerts[0].labels),
                                .is_firing = firing,
                                .starts_at = T0,
                                .ends_at = firing ? 0 : T0 + HOUR_MS};
    members[1] = (MessageAlert){.alert = &alerts[1],
                                .fingerprint = labels_fingerprint(alerts[1].labels),
                                .starts_at = T0,
                                .ends_at = T0 + HOUR_MS};
    return (Message){.action = action,
                     .receiver = STR("team.db"),
                     .dedup_key = STR("0123456789abcdef0123456789abcdef"),
                     .target = STR(""),
                     .reason = STR("first notification"),
                     .group_key = STR("{}:{alertname=\"DiskFull\", cluster=\"prod-1\"}"),
                     .group_labels = {group_labels, 2},
                     .alerts = members,
                     .alert_count = count,
                     .data = STR(""),
                     .text = STR("")};
}

/* The n-th integration of a type at a receiver. */
static const Integration *find(const NotifyConfig *config, const char *receiver, const char *type,
                               size_t n) {
    const Receiver *found = config_receiver(config, str_of(receiver));
    for (size_t i = 0; i < found->integration_count; i++) {
        if (strcmp(found->integrations[i].type->name, type) == 0 && n-- == 0) {
            return &found->integrations[i];
        }
    }
    cr_assert_fail("%s has no such %s", receiver, type);
    return NULL;
}

static void build(const NotifyConfig *config, const Integration *integration,
                  const Message *message, Arena *arena, MessageRequest *ret_request) {
    MessageWorld world = {.arena = arena,
                          .now = T0 + 2 * HOUR_MS,
                          .external_url = STR("http://belfry"),
                          .templates = config->templates,
                          .policy = &config->policy};
    Err err = {0};
    cr_assert(integration->type->build(integration, &message, 1, &world, ret_request, &err), "%s",
              err.text);
}

/* ---- goldens ---- */

static void print_request(const MessageRequest *request, Buf *out) {
    const NetRequest *net = &request->request;
    for (size_t i = 0; i < (request->url_count ? request->url_count : 1); i++) {
        buf_printf(out, "%.*s %.*s\n", STR_ARG(net->method),
                   STR_ARG(request->url_count ? request->urls[i] : net->url));
    }
    for (size_t i = 0; i < net->header_count; i++) {
        buf_printf(out, "%.*s\n", STR_ARG(net->headers[i]));
    }
    for (size_t i = 0; i < net->mail_to_count; i++) {
        buf_printf(out, "from %.*s to %.*s%s\n", STR_ARG(net->mail_from), STR_ARG(net->mail_to[i]),
                   net->mail_require_tls ? ", TLS required" : "");
    }
    buf_printf(out, "\n%.*s\n", STR_ARG(net->body));
}

static void compare(const char *name, Str got) {
    AUTO(arena_finish) Arena arena = {0};
    char path[256];
    Str want;
    Err err = {0};
    const char *mode = getenv("BELFRY_GOLDEN");
    snprintf(path, sizeof path, "tests/notify/golden/%s.txt", name);
    if (mode && strcmp(mode, "write") == 0) {
        FILE *file = fopen(path, "w");
        cr_assert(file && fwrite(got.ptr, 1, got.len, file) == got.len && fclose(file) == 0);
        return;
    }
    cr_assert(file_read(&arena, path, 1 << 20, &want, &err), "%s", err.text);
    cr_expect(str_eq(got, want), "%s\n got %.*s\nwant %.*s", path, STR_ARG(got), STR_ARG(want));
}

Test(receivers, are_sent_what_the_goldens_say) {
    static const struct {
        const char *golden, *receiver, *type;
        size_t n;
        OutboxAction action;
        size_t alerts;
        const char *data;
        bool is_test, is_repeat, suppressed;
    } rows[] = {
        {"pagerduty-trigger", "plain", "pagerduty", 0, OUTBOX_TRIGGER, 1, .data = ""},
        {"pagerduty-resolve", "plain", "pagerduty", 0, OUTBOX_RESOLVE, 1, .data = ""},
        {"pagerduty-acknowledge", "plain", "pagerduty", 0, OUTBOX_ACKNOWLEDGE, 1, .data = ""},
        {"pagerduty-group", "team.db", "pagerduty", 0, OUTBOX_TRIGGER, 2, .data = ""},
        {"pagerduty-test", "plain", "pagerduty", 0, OUTBOX_TRIGGER, 1, .is_test = true},
        {"alertmanager-trigger", "plain", "alertmanager", 0, OUTBOX_TRIGGER, 1, .data = ""},
        {"alertmanager-resolve", "plain", "alertmanager", 0, OUTBOX_RESOLVE, 1, .data = ""},
        {"alertmanager-forward-all", "team.db", "alertmanager", 0, OUTBOX_TRIGGER, 1,
         .suppressed = true},
        {"webhook", "plain", "webhook", 0, OUTBOX_TRIGGER, 2, .data = ""},
        {"webhook-resolved", "plain", "webhook", 0, OUTBOX_RESOLVE, 2, .data = ""},
        {"webhook-truncated", "team.db", "webhook", 0, OUTBOX_TRIGGER, 2, .data = ""},
        {"webhook-payload", "team.db", "webhook", 1, OUTBOX_TRIGGER, 2, .data = ""},
        {"webhook-repeat", "plain", "webhook", 0, OUTBOX_TRIGGER, 1, .is_repeat = true},
        {"slack", "plain", "slack", 0, OUTBOX_TRIGGER, 2, .data = ""},
        {"slack-token", "team.db", "slack", 0, OUTBOX_RESOLVE, 2, .data = ""},
        {"slack-update", "team.db", "slack", 1, OUTBOX_RESOLVE, 2, .data = "C7 1700.42"},
        {"email", "plain", "email", 0, OUTBOX_TRIGGER, 2, .data = ""},
        {"email-text", "team.db", "email", 0, OUTBOX_RESOLVE, 1, .data = ""},
        {"email-test", "plain", "email", 0, OUTBOX_TRIGGER, 1, .is_test = true},
        {"msteams", "plain", "msteams", 0, OUTBOX_TRIGGER, 2, .data = ""},
        {"msteamsv2", "plain", "msteamsv2", 0, OUTBOX_RESOLVE, 2, .data = ""},
        {"grafana-begin", "plain", "grafana", 0, OUTBOX_TRIGGER, 1, .data = ""},
        {"grafana-end", "plain", "grafana", 0, OUTBOX_RESOLVE, 1, .data = "17"},
        {"grafana-both", "plain", "grafana", 0, OUTBOX_RESOLVE, 1, .data = "-"},
    };
    NotifyConfig *config = rig_config(configuration, NULL, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        AUTO(arena_finish) Arena arena = {0};
        AUTO(buf_finish) Buf text = {0};
        MessageAlert members[2];
        MessageRequest request = {0};
        Message message = message_of(members, rows[i].action, rows[i].alerts);
        message.data = str_of(rows[i].data);
        message.is_test = rows[i].is_test;
        message.is_repeat = rows[i].is_repeat;
        message.suppressed = rows[i].suppressed;
        build(config, find(config, rows[i].receiver, rows[i].type, rows[i].n), &message, &arena,
              &request);
        print_request(&request, &text);
        compare(rows[i].golden, buf_view(&text));
    }
    notify_config_unref(config);
}

/* ---- limits ---- */

static Str long_text(Arena *arena, size_t times, const char *text) {
    AUTO(buf_finish) Buf buf = {0};
    for (size_t i = 0; i < times; i++) {
        buf_str(&buf, str_of(text));
    }
    return arena_str(arena, buf_view(&buf));
}

static size_t characters(Str text) {
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
    }
    return count;
}

/* The text under `"key":"` in JSON. */
static Str json_text(Str json, const char *key) {
    char start[64];
    snprintf(start, sizeof start, "\"%s\":\"", key);
    const char *at = memmem(json.ptr, json.len, start, strlen(start));
    cr_assert(at, "no %s", key);
    at += strlen(start);
    return (Str){at,
                 (size_t)((const char *)memchr(at, '"', (size_t)(json.ptr + json.len - at)) - at)};
}

Test(receivers, pagerduty_gets_no_more_than_it_takes_and_is_told_what_was_cut) {
    NotifyConfig *config = rig_config(configuration, NULL, NULL);
    AUTO(arena_finish) Arena arena = {0};
    MessageAlert members[2];
    MessageRequest request = {0};
    Label huge[] = {{STR("description"), long_text(&arena, 300000, "ä")},
                    {STR("summary"), long_text(&arena, 2000, "ä")}};
    Alert alert = alerts[0];
    Message message = message_of(members, OUTBOX_TRIGGER, 1);
    alert.annotations = (LabelSet){huge, 2};
    members[0].alert = &alert;
    build(config, find(config, "plain", "pagerduty", 0), &message, &arena, &request);
    Str body = request.request.body, summary = json_text(body, "summary");
    cr_expect_eq(characters(summary), 1024);
    cr_expect(str_ends(summary, STR("…")));
    cr_expect_leq(body.len, 512000);
    cr_expect(memmem(body.ptr, body.len, "custom details are left out", 27));
    cr_expect_leq(json_text(body, "dedup_key").len, 255);
    notify_config_unref(config);
}

Test(receivers, a_card_stays_below_28_kilobytes_whatever_its_characters) {
    static const char *const fillers[] = {"a", "ä", "\"", "\n", "\x01", "€"};
    NotifyConfig *config = rig_config(configuration, NULL, NULL);
    for (size_t i = 0; i < sizeof fillers / sizeof *fillers; i++) {
        AUTO(arena_finish) Arena arena = {0};
        MessageAlert members[2];
        MessageRequest request = {0};
        Label huge[] = {{STR("description"), long_text(&arena, 60000, fillers[i])}};
        Alert alert = alerts[0];
        Message message = message_of(members, OUTBOX_TRIGGER, 1);
        alert.annotations = (LabelSet){huge, 1};
        members[0].alert = &alert;
        build(config, find(config, "plain", "msteamsv2", 0), &message, &arena, &request);
        Str body = request.request.body;
        cr_expect_lt(body.len, 28 * 1024, "filler %zu: %zu bytes", i, body.len);
        cr_expect(memmem(body.ptr, body.len, "…", 3), "filler %zu does not say it was cut", i);
    }
    notify_config_unref(config);
}

Test(receivers, a_label_cannot_add_a_header_to_a_mail) {
    NotifyConfig *config = rig_config(configuration, NULL, NULL);
    AUTO(arena_finish) Arena arena = {0};
    MessageAlert members[2];
    MessageRequest request = {0};
    Label labels[] = {{STR("alertname"), STR("A\r\nBcc: eve@example.org\r\n\r\nbody")}};
    Alert alert = alerts[0];
    Message message = message_of(members, OUTBOX_TRIGGER, 1);
    alert.labels = message.group_labels = (LabelSet){labels, 1};
    members[0].alert = &alert;
    build(config, find(config, "plain", "email", 0), &message, &arena, &request);
    Str body = request.request.body;
    const char *end = memmem(body.ptr, body.len, "\r\n\r\n", 4);
    cr_assert(end);
    cr_expect(!memmem(body.ptr, (size_t)(end - body.ptr), "\nBcc:", 5));
    notify_config_unref(config);
}

Test(receivers, mail_goes_to_each_recipient_in_the_thread_it_is_told) {
    static const struct {
        const char *to, *options;
        const char *first; /* of the recipients */
        size_t count;
        const char *thread; /* of the References after the key; NULL = no such header */
    } rows[] = {
        {"a@x.org", "", "a@x.org", 1, "@belfry>"},
        {"\"Doe, Jane\" <jane@x.org>, b@x.org,", "", "jane@x.org", 2, "@belfry>"},
        {"\"A \\\", B\" <a@x.org>", "", "a@x.org", 1, "@belfry>"},
        {"a@x.org", ", threading: {enabled: false}", "a@x.org", 1, NULL},
        {"a@x.org", ", threading: {enabled: true}", "a@x.org", 1, "-2026-01-01@belfry>"},
        {"a@x.org", ", threading: {enabled: true, thread_by_date: none}", "a@x.org", 1, "@belfry>"},
        {NULL, "", "0@x.org", 100, "@belfry>"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        AUTO(arena_finish) Arena arena = {0};
        AUTO(buf_finish) Buf many = {0};
        for (int n = 0; n < 100; n++) {
            buf_printf(&many, "%d@x.org, ", n);
        }
        Str to = rows[i].to ? str_of(rows[i].to) : buf_view(&many);
        NotifyConfig *config = rig_config(
            arena_printf(&arena,
                         "global: {smtp_from: me@x.org, smtp_smarthost: 'mail.x.org:25'}\n"
                         "route: {receiver: r}\n"
                         "receivers: [{name: r, email_configs: [{to: '%.*s'%s}]}]\n",
                         STR_ARG(to), rows[i].options)
                .ptr,
            NULL, NULL);
        MessageAlert members[2];
        MessageRequest request = {0};
        Message message = message_of(members, OUTBOX_TRIGGER, 1);
        build(config, find(config, "r", "email", 0), &message, &arena, &request);
        cr_assert_eq(request.request.mail_to_count, rows[i].count, "row %zu: %zu", i,
                     request.request.mail_to_count);
        cr_expect(str_eq(request.request.mail_to[0], str_of(rows[i].first)), "row %zu", i);
        Str body = request.request.body;
        const char *at = memmem(body.ptr, body.len, "\nReferences: <alert-", 20);
        cr_assert_eq(at != NULL, rows[i].thread != NULL, "row %zu", i);
        if (at) {
            Str line = {at + 1, (size_t)((char *)memchr(at + 1, '\r', 200) - at - 1)};
            cr_expect(str_ends(line, str_of(rows[i].thread)), "row %zu: %.*s", i, STR_ARG(line));
        }
        notify_config_unref(config);
    }
}

/* ---- severities of PagerDuty ---- */

Test(receivers, pagerduty_goes_by_the_severity_label_and_the_policys_words) {
    static const struct {
        const char *word, *severity;
    } rows[] = {
        {"critical", "critical"}, {"warning", "warning"}, {"info", "info"},    {"", "error"},
        {"sev5", "error"},        {"Warn", "warning"},    {"high", "warning"}, {"loud", "critical"},
        {"PAGE", "critical"},     {"fyi", "info"},
    };
    NotifyConfig *config =
        rig_config(configuration, "map: {high: warning, loud: critical, fyi: info}", NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        AUTO(arena_finish) Arena arena = {0};
        MessageAlert members[2];
        MessageRequest request = {0};
        Label labels[] = {{STR("alertname"), STR("A")}, {STR("severity"), str_of(rows[i].word)}};
        Alert alert = alerts[0];
        Message message = message_of(members, OUTBOX_TRIGGER, 1);
        alert.labels = (LabelSet){labels, rows[i].word[0] ? 2 : 1};
        members[0].alert = &alert;
        build(config, find(config, "plain", "pagerduty", 0), &message, &arena, &request);
        const char *payload =
            memmem(request.request.body.ptr, request.request.body.len, "\"payload\"", 9);
        Str rest = {payload,
                    (size_t)(request.request.body.ptr + request.request.body.len - payload)};
        Str got = json_text(rest, "severity");
        cr_expect(str_eq(got, str_of(rows[i].severity)), "%s: %.*s", rows[i].word, STR_ARG(got));
    }
    notify_config_unref(config);
}

/* ---- answers ---- */

Test(receivers, answers_are_judged) {
    static const struct {
        const char *type;
        int status; /* 0 = no answer */
        bool not_sent;
        const char *body;
        MessageVerdict want;
    } rows[] = {
        {"webhook", 200, false, "ok", VERDICT_DELIVERED},
        {"webhook", 204, false, "", VERDICT_DELIVERED},
        {"webhook", 302, false, "", VERDICT_REFUSED},
        {"webhook", 400, false, "", VERDICT_REFUSED},
        {"webhook", 404, false, "", VERDICT_REFUSED},
        {"webhook", 408, false, "", VERDICT_RETRY},
        {"webhook", 429, false, "", VERDICT_RETRY},
        {"webhook", 500, false, "", VERDICT_UNKNOWN},
        {"webhook", 503, false, "", VERDICT_UNKNOWN},
        {"webhook", 0, true, "", VERDICT_RETRY},
        {"webhook", 0, false, "", VERDICT_UNKNOWN},
        {"pagerduty", 202, false, "{\"status\":\"success\"}", VERDICT_DELIVERED},
        {"pagerduty", 202, false, "\x01\xff{\"status", VERDICT_DELIVERED},
        {"pagerduty", 200, false, "<html>", VERDICT_DELIVERED},
        {"pagerduty", 400, false, "{\"status\":\"invalid event\"}", VERDICT_REFUSED},
        {"slack", 200, false, "ok", VERDICT_DELIVERED},
        {"slack", 200, false, "{\"ok\":true,\"ts\":\"1.2\"}", VERDICT_DELIVERED},
        {"slack", 200, false, "{\"ok\":false,\"error\":\"channel_not_found\"}", VERDICT_REFUSED},
        {"slack", 200, false, "{\"ok\":false,\"error\":\"ratelimited\"}", VERDICT_RETRY},
        {"slack", 429, false, "", VERDICT_RETRY},
        {"email", 250, false, "", VERDICT_DELIVERED},
        {"email", 450, false, "", VERDICT_RETRY},
        {"email", 550, false, "", VERDICT_REFUSED},
        {"grafana", 200, false, "{\"id\":17}", VERDICT_DELIVERED},
        {"grafana", 404, false, "", VERDICT_RETRY},
        {"grafana", 401, false, "", VERDICT_REFUSED},
    };
    NotifyConfig *config = rig_config(configuration, NULL, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        AUTO(arena_finish) Arena arena = {0};
        const Integration *integration = find(config, "plain", rows[i].type, 0);
        NetAnswer answer = {.ok = rows[i].status != 0,
                            .not_sent = rows[i].not_sent,
                            .status = rows[i].status,
                            .body = str_of(rows[i].body),
                            .retry_after = -1};
        MessageAnswer read = {0};
        cr_expect_eq(integration->type->judge(integration, &answer, &arena, &read), rows[i].want,
                     "%s %d %s", rows[i].type, rows[i].status, rows[i].body);
    }
    notify_config_unref(config);
}
