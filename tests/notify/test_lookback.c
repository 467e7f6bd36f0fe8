/* What is counted and drawn from the history: quality, the annotation feed, the comparison of
 * shadow mode. Pure functions over rows; minutes count from T0. */

#include "notify/compare.h"
#include "notify/feed.h"
#include "notify/quality.h"
#include "notify_test.h"

static Arena arena;

static TimeMs minute(int64_t minutes) {
    return T0 + minutes * MINUTE_MS;
}

/* ---- episodes ---- */

static AlertHistoryRow history(AlertEvent event, const char *labels, int64_t fired, int64_t at) {
    bool over = event == ALERT_BECAME_RESOLVED;
    return (AlertHistoryRow){.at = minute(at),
                             .event = event,
                             .reason = STR("condition"),
                             .alert = {.rule_key = STR("r"),
                                       .labels = rig_labels(&arena, labels),
                                       .phase = over ? ALERT_INACTIVE : ALERT_FIRING,
                                       .fired_at = minute(fired),
                                       .resolved_at = over ? minute(at) : 0}};
}

Test(episodes, rows_and_what_fires_now_become_episodes) {
    AlertHistoryRow rows[] = {
        history(ALERT_BECAME_RESOLVED, "alertname=Before", -60, 5),
        history(ALERT_BECAME_FIRING, "alertname=A", 10, 10),
        history(ALERT_BECAME_RESOLVED, "alertname=A", 10, 12),
        history(ALERT_BECAME_FIRING, "alertname=A", 20, 20),
        history(ALERT_BECAME_FIRING, "alertname=Lost", 30, 30),
    };
    Alert now[] = {rows[3].alert, history(ALERT_BECAME_FIRING, "alertname=Old", -99, 0).alert};
    Episode *episodes;
    size_t count;
    episodes_of(rows, 5, now, 2, &arena, &episodes, &count);
    static const struct {
        const char *name;
        int64_t fired, ended; /* -1000 = fires */
    } want[] = {
        {"Old", -99, -1000}, {"Before", -60, 5}, {"A", 10, 12}, {"A", 20, -1000}, {"Lost", 30, 30}};
    cr_assert_eq(count, 5);
    for (size_t i = 0; i < 5; i++) {
        cr_expect(str_eq(labels_get(episodes[i].labels, STR("alertname")), str_of(want[i].name)));
        cr_expect_eq(episodes[i].fired_at, minute(want[i].fired), "%s", want[i].name);
        cr_expect_eq(episodes[i].ended_at, want[i].ended == -1000 ? 0 : minute(want[i].ended), "%s",
                     want[i].name);
    }
}

/* ---- quality ---- */

static LedgerRow decided(const char *decision, const char *reason, const char *labels, int64_t at) {
    Alert alert = {.labels = rig_labels(&arena, labels)};
    char key[65];
    alert_dedup_key(&alert, key);
    return (LedgerRow){.at = minute(at),
                       .alert_key = state_alert_key(key),
                       .decision = str_of(decision),
                       .reason = str_of(reason)};
}

static Quality quality_of(const AlertHistoryRow *rows, size_t row_count, const LedgerRow *ledger,
                          size_t ledger_count) {
    Episode *episodes;
    size_t count;
    Quality quality;
    episodes_of(rows, row_count, NULL, 0, &arena, &episodes, &count);
    quality_build(&(QualityInput){.episodes = episodes,
                                  .episode_count = count,
                                  .ledger = ledger,
                                  .ledger_count = ledger_count,
                                  .flap_window = HOUR_MS,
                                  .from = T0,
                                  .to = minute(60 * 24),
                                  .team_label = STR("team")},
                  &arena, &quality);
    return quality;
}

#define A "alertname=A team=db"
#define B "alertname=B team=web"

Test(quality, counts_what_rang_at_night_was_short_flapped_or_was_not_acknowledged) {
    AlertHistoryRow rows[] = {
        history(ALERT_BECAME_FIRING, A, -30, -30),
        history(ALERT_BECAME_RESOLVED, A, -30, -10),
        history(ALERT_BECAME_FIRING, A, 0, 0), /* within the hour: flapped; at night; short */
        history(ALERT_BECAME_RESOLVED, A, 0, 4),
        history(ALERT_BECAME_FIRING, A, 600, 600), /* 10:00 */
        history(ALERT_BECAME_FIRING, B, 610, 610),
        history(ALERT_BECAME_RESOLVED, A, 600, 620),
        history(ALERT_BECAME_RESOLVED, B, 610, 700),
    };
    LedgerRow ledger[] = {
        decided("delivered", "trigger", A, 1),        decided("delivered", "resolve", A, 5),
        decided("delivered", "trigger", A, 601),      decided("delivered", "trigger", A, 610),
        decided("acknowledged", "pagerduty", A, 603), decided("silenced", "", B, 611),
    };
    Quality quality = quality_of(rows, 8, ledger, 6);
    cr_assert_eq(quality.rule_count, 2);
    cr_assert_eq(quality.team_count, 2);
    const QualityCounts *a = &quality.rules[0].counts, *b = &quality.rules[1].counts;
    cr_expect(str_eq(quality.rules[0].rule, STR("A")));
    cr_expect(str_eq(quality.teams[0].team, STR("db")));
    cr_expect_eq(a->fired, 2, "what began before is not counted");
    cr_expect_eq(a->rang, 2);
    cr_expect_eq(a->notifications, 3);
    cr_expect_eq(a->night, 1);
    cr_expect_eq(a->short_lived, 1);
    cr_expect_eq(a->flapped, 1);
    cr_expect_eq(a->silenced, 0);
    cr_expect_eq(a->acknowledged, 1);
    cr_expect_eq(a->unacknowledged, 1);
    cr_expect_eq(a->resolve_median, 12 * MINUTE_MS, "of 4 and 20");
    cr_expect_eq(a->acknowledge_median, 2 * MINUTE_MS);
    cr_expect_eq(b->fired, 1);
    cr_expect_eq(b->rang, 0);
    cr_expect_eq(b->unacknowledged, 0, "it did not ring");
    cr_expect_eq(b->silenced, 1);
    cr_expect_eq(quality.total.fired, 3);
    cr_expect(quality.has_acknowledgements);
}

Test(quality, nothing_is_nothing) {
    Quality quality = quality_of(NULL, 0, NULL, 0);
    cr_expect_eq(quality.total.fired, 0);
    cr_expect_eq(quality.total.resolve_median, -1);
    cr_expect(!quality.has_acknowledgements);
}

/* ---- the annotation feed ---- */

static const char silence_json[] =
    "{\"id\":\"s1\",\"matchers\":[{\"name\":\"cluster\",\"value\":\"a\",\"isRegex\":false,"
    "\"isEqual\":true}],\"startsAt\":\"2026-01-01T00:10:00Z\",\"endsAt\":\"2026-01-01T02:00:00Z\","
    "\"createdBy\":\"ann\",\"comment\":\"swap\"}";
static const char expired_json[] =
    "{\"id\":\"s1\",\"matchers\":[{\"name\":\"cluster\",\"value\":\"a\",\"isRegex\":false,"
    "\"isEqual\":true}],\"startsAt\":\"2026-01-01T00:10:00Z\",\"endsAt\":\"2026-01-01T00:30:00Z\","
    "\"createdBy\":\"ann\",\"comment\":\"swap\"}";
static const char flag_json[] =
    "{\"id\":\"f1\",\"matchers\":[{\"name\":\"cluster\",\"value\":\"b\",\"isRegex\":false,"
    "\"isEqual\":true}],\"mode\":\"all\",\"reason\":\"boot\",\"owner\":\"bob\",\"starts_at\":"
    "\"2026-01-01T00:20:00Z\",\"review_at\":\"2026-01-09T00:00:00Z\"}";

static AuditRow audit(const char *action, const char *subject, int64_t at, const char *after) {
    return (AuditRow){.at = minute(at),
                      .action = str_of(action),
                      .subject = str_of(subject),
                      .reason = STR("why"),
                      .after = str_of(after)};
}

/* "kind from-to" of each, newest first, in minutes; a point has no end, what goes on has a +. */
static const char *feed_text(FeedQuery query) {
    AlertHistoryRow rows[] = {
        history(ALERT_BECAME_FIRING, "alertname=A cluster=a severity=critical", 5, 5),
        history(ALERT_BECAME_RESOLVED, "alertname=A cluster=a severity=critical", 5, 15),
        history(ALERT_BECAME_FIRING, "alertname=B cluster=b severity=info", 40, 40),
    };
    AuditRow audits[] = {
        audit("silence.create", "s1", 10, silence_json),
        audit("silence.expire", "s1", 30, expired_json),
        audit("maintenance.set", "f1", 20, flag_json),
        audit("maintenance.clear", "f1", 50, ""),
        audit("silence.create", "broken", 20, "{\"id\":"),
    };
    AuditRow points[] = {audit("server.start", "", 1, ""), audit("server.stop", "", 2, ""),
                         audit("server.reload", "", 25, "")};
    Episode *episodes;
    FeedWindow *windows;
    Annotation *annotations;
    size_t episode_count, window_count, count;
    episodes_of(rows, 3, &rows[2].alert, 1, &arena, &episodes, &episode_count);
    feed_windows(audits, 5, &arena, &windows, &window_count);
    feed_build(&(FeedInput){.episodes = episodes,
                            .episode_count = episode_count,
                            .windows = windows,
                            .window_count = window_count,
                            .points = points,
                            .point_count = 3,
                            .severity_label = STR("severity"),
                            .source_label = STR("cluster")},
               &query, minute(60), &arena, &annotations, &count);
    Buf text = {0};
    for (size_t i = 0; i < count; i++) {
        buf_printf(&text, "%s%s %lld", i ? ", " : "", annotation_kind_text(annotations[i].kind),
                   (long long)(annotations[i].from - T0) / MINUTE_MS);
        if (annotations[i].is_region) {
            buf_printf(&text, "-%lld%s", (long long)(annotations[i].to - T0) / MINUTE_MS,
                       annotations[i].is_open ? "+" : "");
        }
    }
    Str copy = arena_str(&arena, buf_view(&text));
    buf_finish(&text);
    return copy.ptr;
}

Test(feed, alerts_silences_flags_and_restarts_are_drawn_where_they_were) {
    FeedQuery all = {.from = T0, .to = minute(60)};
    cr_expect_str_eq(feed_text(all), "alert 40-60+, reload 25, maintenance 20-50, silence 10-30, "
                                     "alert 5-15, restart 1");
    FeedQuery middle = {.from = minute(16), .to = minute(22)};
    cr_expect_str_eq(feed_text(middle), "maintenance 20-50, silence 10-30", "what overlaps");
    FeedQuery two = {.from = T0, .to = minute(60), .limit = 2};
    cr_expect_str_eq(feed_text(two), "alert 40-60+, reload 25", "the newest");
}

Test(feed, filters_by_tags_severity_and_matchers) {
    Str silence[] = {STR("silence")}, alert_a[] = {STR("alert"), STR("a")};
    FeedQuery query = {.from = T0, .to = minute(60), .tags = silence, .tag_count = 1};
    cr_expect_str_eq(feed_text(query), "silence 10-30");
    query.tags = alert_a;
    query.tag_count = 2;
    cr_expect_str_eq(feed_text(query), "alert 5-15", "all of the tags");
    query.any_tag = true;
    cr_expect_str_eq(feed_text(query), "alert 40-60+, silence 10-30, alert 5-15");
    query = (FeedQuery){.from = T0, .to = minute(60), .severities = STR("critical, warning")};
    cr_expect_str_eq(feed_text(query), "alert 5-15");
    MatcherSet set;
    Err err;
    cr_assert(matcher_list_parse(&arena, STR("{cluster=\"b\"}"), &set, &err));
    query = (FeedQuery){.from = T0, .to = minute(60), .sets = &set, .set_count = 1};
    cr_expect_str_eq(feed_text(query), "alert 40-60+, reload 25, maintenance 20-50, restart 1",
                     "a silence of another cluster is not about this one");
    matcher_set_finish(&set);
}

/* ---- shadow mode ---- */

/* "5F 9R": at minute 5 told to fire, at 9 resolved. */
static size_t tellings(const char *text, Telling *ret) {
    size_t count = 0;
    int at, used;
    char what;
    while (sscanf(text, " %d%c%n", &at, &what, &used) == 2) {
        ret[count++] = (Telling){.receiver = STR("pager"),
                                 .labels = rig_labels(&arena, "alertname=A replica=0"),
                                 .is_firing = what == 'F',
                                 .at = minute(at)};
        text += used;
    }
    return count;
}

Test(compare, beginnings_and_ends_are_matched_and_repeats_do_not_count) {
    static const struct {
        const char *theirs, *ours;
        size_t both, only_theirs, only_ours, undecided;
    } cases[] = {
        {"100F 200R", "101F 201R", 2, 0, 0, 0},
        {"100F 160F 200R", "101F 200R", 2, 0, 0, 0}, /* a repeat */
        {"100F 200R", "", 0, 2, 0, 0},
        {"", "100F 200R", 0, 0, 2, 0},
        {"100F 200R", "100F", 1, 1, 0, 0},
        {"100F", "150F", 0, 1, 1, 0},                     /* too far apart to be the same */
        {"100F 105R 107F 120R", "100F 120R", 2, 2, 0, 0}, /* it flapped for them */
        {"100F 105R 107F 120R", "101F 105R 108F 121R", 4, 0, 0, 0},
        {"495F", "", 0, 0, 0, 1}, /* ours may still come */
        {"", "5F", 0, 0, 0, 1},   /* theirs may have been before */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Telling theirs[16], ours[16];
        Compare compare;
        CompareInput input = {.theirs = theirs,
                              .theirs_count = tellings(cases[i].theirs, theirs),
                              .ours = ours,
                              .ours_count = tellings(cases[i].ours, ours),
                              .within = 10 * MINUTE_MS,
                              .from = T0,
                              .to = minute(500)};
        compare_tellings(&input, &arena, &compare);
        cr_expect_eq(compare.both, cases[i].both, "case %zu: %zu both", i, compare.both);
        cr_expect_eq(compare.only_theirs, cases[i].only_theirs, "case %zu: %zu theirs", i,
                     compare.only_theirs);
        cr_expect_eq(compare.only_ours, cases[i].only_ours, "case %zu: %zu ours", i,
                     compare.only_ours);
        cr_expect_eq(compare.undecided, cases[i].undecided, "case %zu: %zu undecided", i,
                     compare.undecided);
    }
}

Test(compare, labels_only_one_side_has_can_be_ignored) {
    Telling theirs = {.receiver = STR("pager"),
                      .labels = rig_labels(&arena, "alertname=A replica=0"),
                      .is_firing = true,
                      .at = minute(100)};
    Telling ours = theirs;
    ours.labels = rig_labels(&arena, "alertname=A");
    Str replica = STR("replica");
    Compare compare;
    CompareInput input = {.theirs = &theirs,
                          .theirs_count = 1,
                          .ours = &ours,
                          .ours_count = 1,
                          .within = MINUTE_MS,
                          .from = T0,
                          .to = minute(200)};
    compare_tellings(&input, &arena, &compare);
    cr_expect_eq(compare.both, 0);
    input.ignored = &replica;
    input.ignored_count = 1;
    compare_tellings(&input, &arena, &compare);
    cr_expect_eq(compare.both, 1);
}

Test(compare, alertmanagers_webhook_is_kept_and_anything_else_refused) {
    Rig rig;
    rig_open(&rig, rig_config("route: {receiver: web.hook}\nreceivers: [{name: web.hook}]\n"
                              "shadow: true\n",
                              NULL, NULL));
    static const struct {
        const char *body;
        bool good;
    } cases[] = {
        {"{\"receiver\":\"web\\\\.hook\",\"alerts\":[{\"status\":\"firing\",\"labels\":{"
         "\"alertname\":\"A\"},\"startsAt\":\"2026-01-01T00:00:00Z\",\"endsAt\":"
         "\"0001-01-01T00:00:00Z\"}]}",
         true},
        {"", false},
        {"[]", false},
        {"{\"receiver\":\"x\"}", false},
        {"{\"receiver\":\"x\",\"alerts\":[{\"status\":\"odd\",\"labels\":{\"a\":\"b\"}}]}", false},
        {"{\"receiver\":\"x\",\"alerts\":[{\"status\":\"firing\"}]}", false},
        {"{\"receiver\":\"x\",\"alerts\":[{\"status\":\"firing\",\"labels\":{\"a\":1}}]}", false},
        {"{\"receiver\":\"x\",\"alerts\":[7]}", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t count;
        Err err = {0};
        cr_expect_eq(notify_shadow_take(rig.notify, str_of(cases[i].body), rig.now, &count, &err),
                     cases[i].good, "case %zu: %s", i, err.text);
    }
    ShadowRow *rows;
    size_t count;
    Err err = {0};
    cr_assert(state_load_shadow(rig.state, 0, TIME_MAX, &arena, &rows, &count, &err));
    cr_assert_eq(count, 1, "a message is kept whole or not at all");
    cr_expect(str_eq(rows[0].receiver, STR("web.hook")), "%.*s", STR_ARG(rows[0].receiver));
    cr_expect(rows[0].is_firing);
    cr_expect_eq(rows[0].ends_at, 0);
    rig_close(&rig);
}
