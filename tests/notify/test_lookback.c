/* What is counted and drawn from the history: quality, the annotation feed, the comparison of
 * shadow mode. Pure functions over rows; minutes count from T0. */

#include "notify/compare.h"
#include "notify/feed.h"
#include "notify/quality.h"
#include "notify/week.h"
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
                            .names = {STR("severity"), STR("cluster")}},
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

/* ---- the feed from memory ---- */

static const char *const nobody = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n";

static uint32_t dice_state = 7;

static uint32_t dice(uint32_t sides) {
    dice_state = dice_state * 1664525 + 1013904223;
    return (dice_state >> 8) % sides;
}

static const char *some_labels(void) {
    static const char *const severities[] = {"critical", "warning", "info"};
    return arena_printf(&arena, "alertname=A%u cluster=c%u severity=%s", dice(4), dice(5),
                        severities[dice(3)])
        .ptr;
}

/* Eleven days in which alerts fire and end. */
static void live_through(Rig *rig) {
    struct {
        const char *labels;
        TimeMs since;
    } open[64];
    size_t open_count = 0;
    for (int i = 0; i < 250; i++) {
        const char *labels = some_labels();
        size_t at = 0;
        rig->now += dice(120) * MINUTE_MS;
        while (at < open_count && strcmp(open[at].labels, labels) != 0) {
            at++;
        }
        if (at < open_count) {
            rig_change_of(rig, ALERT_BECAME_RESOLVED, labels, open[at].since);
            open[at] = open[--open_count];
        } else if (open_count < 64) {
            open[open_count].since = rig->now;
            open[open_count++].labels = labels;
            rig_fire(rig, labels);
        }
    }
}

static void quiet_some(Rig *rig) {
    Actor actor = {.name = STR("ann")};
    Err err = {0};
    for (int i = 0; i < 25; i++) {
        SilenceMatcher matcher = {STR("cluster"), arena_printf(&arena, "c%u", dice(5)), false,
                                  true};
        Silence silence = {.matchers = &matcher,
                           .matcher_count = 1,
                           .starts_at = rig->now + dice(20) * MINUTE_MS,
                           .ends_at = rig->now + HOUR_MS,
                           .created_by = STR("ann"),
                           .comment = STR("why")};
        Flag flag = {.matchers = &matcher,
                     .matcher_count = 1,
                     .reason = STR("move"),
                     .owner = STR("bob"),
                     .ends_at = rig->now + HOUR_MS};
        Str id, flag_id;
        cr_assert(notify_silence_set(rig->notify, &silence, &actor, rig->now, &arena, &id, &err),
                  "%s", err.text);
        cr_assert(notify_flag_set(rig->notify, &flag, &actor, rig->now, &arena, &flag_id, &err),
                  "%s", err.text);
        rig->now += MINUTE_MS;
        if (i % 3 == 0) {
            cr_assert(notify_silence_expire(rig->notify, id, &actor, rig->now, &err));
            cr_assert(notify_flag_clear(rig->notify, flag_id, &actor, rig->now, &err));
        }
    }
}

/* All of it is read where no limit is set. */
static void assert_newest(Rig *rig, FeedQuery query, const char *what) {
    Annotation *all, *some;
    size_t all_count, some_count, limit = query.limit;
    Err err = {0};
    query.limit = 0;
    cr_assert(notify_annotations(rig->notify, &query, STR("cluster"), rig->now, &arena, &all,
                                 &all_count, &err),
              "%s", err.text);
    query.limit = limit;
    cr_assert(notify_annotations(rig->notify, &query, STR("cluster"), rig->now, &arena, &some,
                                 &some_count, &err),
              "%s", err.text);
    cr_assert_eq(some_count, all_count < limit ? all_count : limit, "%s, %zu: %zu of %zu", what,
                 limit, some_count, all_count);
    cr_expect_gt(all_count, 0, "%s", what);
    for (size_t i = 0; i < some_count; i++) {
        cr_expect(str_eq(all[i].id, some[i].id), "%s, %zu: %zu is %.*s, not %.*s", what, limit, i,
                  STR_ARG(some[i].id), STR_ARG(all[i].id));
        cr_expect_eq(all[i].to, some[i].to, "%s, %zu: %zu", what, limit, i);
    }
}

Test(feed, a_schedule_is_looked_through_for_a_year) {
    Rig rig;
    Err err = {0};
    Str id;
    Annotation *found;
    size_t count;
    rig_open(&rig, rig_config(nobody, NULL, NULL));
    SilenceMatcher matcher = {STR("cluster"), STR("c1"), false, true};
    Flag flag = {.matchers = &matcher,
                 .matcher_count = 1,
                 .schedule = STR("[{\"weekdays\": [\"sunday\"]}]"),
                 .reason = STR("move"),
                 .owner = STR("bob"),
                 .starts_at = rig.now - 800 * DAY_MS,
                 .review_at = rig.now + DAY_MS};
    cr_assert(notify_flag_set(rig.notify, &flag, &(Actor){.name = STR("bob")}, rig.now, &arena, &id,
                              &err),
              "%s", err.text);
    FeedQuery query = {.from = TIME_MIN, .to = TIME_MAX, .limit = 1000};
    cr_assert(notify_annotations(rig.notify, &query, STR("cluster"), rig.now, &arena, &found,
                                 &count, &err),
              "%s", err.text);
    size_t windows = 0;
    for (size_t i = 0; i < count; i++) {
        windows += found[i].kind == ANNOTATION_MAINTENANCE;
    }
    cr_expect(windows >= 52 && windows <= 53, "%zu", windows);
    rig_close(&rig);
}

Test(feed, the_newest_are_those_that_are_the_newest_of_all) {
    Rig rig;
    rig_open(&rig, rig_config(nobody, NULL, NULL));
    live_through(&rig);
    assert_newest(&rig, (FeedQuery){.from = rig.now - DAY_MS, .to = rig.now, .limit = 9}, "early");
    live_through(&rig); /* read in addition */
    quiet_some(&rig);
    MatcherSet set;
    Err err;
    Str alert_c1[] = {STR("alert"), STR("c1")}, silence[] = {STR("silence")},
        maintenance[] = {STR("maintenance")};
    cr_assert(
        matcher_list_parse(&arena, STR("{cluster=~\"c[12]\",alertname!=\"A1\"}"), &set, &err));
    const FeedQuery queries[] = {
        {0},
        {.sets = &set, .set_count = 1},
        {.severities = STR("critical")},
        {.tags = alert_c1, .tag_count = 2},
        {.tags = silence, .tag_count = 1},
        {.tags = maintenance, .tag_count = 1},
    };
    static const size_t limits[] = {1, 7, 60, 5000};
    static const DurationMs spans[] = {2 * HOUR_MS, 3 * DAY_MS, 6 * DAY_MS, 30 * DAY_MS};
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        for (size_t j = 0; j < 4 * 4; j++) {
            FeedQuery query = queries[i];
            query.limit = limits[j % 4];
            query.to = rig.now;
            query.from = rig.now - spans[j / 4];
            assert_newest(&rig, query, arena_printf(&arena, "query %zu", i).ptr);
        }
        FeedQuery earlier = queries[i];
        earlier.limit = 20;
        earlier.from = rig.now - 5 * DAY_MS;
        earlier.to = rig.now - (i >= 4 ? 0 : 2 * DAY_MS);
        assert_newest(&rig, earlier, "earlier");
    }
    matcher_set_finish(&set);
    rig_close(&rig);
}

/* ---- who is meant ---- */

Test(week, a_name_a_fingerprint_or_matchers_find_label_sets) {
    Rig rig;
    Week week;
    Err err = {0};
    rig_open(&rig, rig_config(nobody, NULL, NULL));
    week_init(&week);
    rig_fire(&rig, "alertname=A cluster=a");
    rig_fire(&rig, "alertname=A cluster=b");
    rig_fire(&rig, "alertname=B cluster=b");
    rig_resolve(&rig, "alertname=B cluster=b");
    LabelSet a_b = rig_labels(&arena, "alertname=A cluster=b");
    Str hex = arena_printf(&arena, "%016llx", (unsigned long long)labels_fingerprint(a_b));
    MatcherSet set;
    cr_assert(matcher_list_parse(&arena, STR("{cluster=\"b\"}"), &set, &err));
    const struct {
        WeekSearch search;
        size_t count;
    } rows[] = {
        {{0}, 3},
        {{.name = STR("A")}, 2},
        {{.name = STR("B")}, 1},
        {{.name = STR("C")}, 0},
        {{.name = hex}, 1},
        {{.name = STR("0000000000000000")}, 0},
        {{.filter = &set}, 2},
        {{.filter = &set, .name = STR("A")}, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t *numbers;
        size_t count;
        cr_assert(week_find(&week, rig.state, &rows[i].search, T0 - HOUR_MS, rig.now, &arena,
                            &numbers, &count, &err),
                  "%s", err.text);
        cr_expect_eq(count, rows[i].count, "row %zu: %zu", i, count);
        for (size_t j = 0; j < count; j++) {
            RowsOf found;
            cr_assert(state_load_rows_of(rig.state, &numbers[j], 1, T0 - HOUR_MS, rig.now, &arena,
                                         &found, &err));
            cr_expect_gt(found.history_count, 0, "row %zu", i);
        }
    }
    int64_t *numbers;
    size_t count;
    rig_fire(&rig, "alertname=Later");
    WeekSearch later = {.name = STR("Later")};
    cr_assert(week_find(&week, rig.state, &later, T0, rig.now, &arena, &numbers, &count, &err));
    cr_expect_eq(count, 1, "what came meanwhile");
    cr_expect_not(week_find(&week, rig.state, &later, T0 - 8 * DAY_MS, rig.now, &arena, &numbers,
                            &count, &err));
    cr_expect_eq(err.kind, ERR_NOT_FOUND, "more than a week ago");
    matcher_set_finish(&set);
    week_finish(&week);
    rig_close(&rig);
}

/* How many alerts of this name the week has. */
static void expect_at_hand(Rig *rig, Week *week, const char *name, size_t want, const char *what) {
    int64_t *numbers;
    size_t count = 0;
    Err err = {0};
    WeekSearch search = {.name = str_of(name)};
    cr_assert(week_find(week, rig->state, &search, rig->now - HOUR_MS, rig->now, &arena, &numbers,
                        &count, &err),
              "%s: %s", what, err.text);
    cr_expect_eq(count, want, "%s: %zu", what, count);
}

Test(week, is_read_before_anybody_asks_and_anew_each_day) {
    Rig rig;
    Week week;
    Err err = {0};
    rig_open(&rig, rig_config(nobody, NULL, NULL));
    week_init(&week);
    rig_fire(&rig, "alertname=Old");
    rig_resolve(&rig, "alertname=Old");
    rig_pass(&rig, 10 * MINUTE_MS, MINUTE_MS); /* nobody has to be told of it any more */
    cr_assert(week_keep(&week, rig.state, rig.now, &err));
    TimeMs built_at = rig.now;
    cr_expect_eq(week.book.built_at, built_at);
    expect_at_hand(&rig, &week, "Old", 1, "at once");
    rig.now += 22 * HOUR_MS;
    rig_fire(&rig, "alertname=New");
    cr_assert(week_keep(&week, rig.state, rig.now, &err));
    cr_expect_eq(week.book.built_at, built_at, "it lasts a day");
    cr_expect_eq(week.book.sets_count, 2, "and goes on being read");
    rig.now += 2 * HOUR_MS;
    cr_assert(week_keep(&week, rig.state, rig.now, &err));
    cr_expect_eq(week.book.built_at, rig.now);
    rig.now += 7 * DAY_MS;
    cr_assert(week_keep(&week, rig.state, rig.now, &err));
    expect_at_hand(&rig, &week, "Old", 0, "a week later");
    expect_at_hand(&rig, &week, "New", 1, "it still fires");
    week_interrupt(&week);
    rig.now += DAY_MS;
    cr_expect_not(week_keep(&week, rig.state, rig.now, &err));
    cr_expect_eq(err.kind, ERR_CANCELLED, "%s", err.text);
    week_finish(&week);
    rig_close(&rig);
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
