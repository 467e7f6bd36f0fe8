/* Silences and maintenance flags: when an edit keeps its id, what is refused, weekly windows,
 * reminders, what sources say of themselves, and what a preview tells. */

#include <cjson/cJSON.h>

#include "notify/match_index.h"
#include "notify/schedule.h"
#include "notify/silence.h"
#include "notify_test.h"

static const Actor ann = {.name = {"ann", 3}, .address = {"127.0.0.1", 9}};

static const char *const nobody = "route: {receiver: x}\n"
                                  "receivers: [{name: x}]\n";

static Silence silence_of(SilenceMatcher *matcher, TimeMs from, TimeMs to) {
    return (Silence){.matchers = matcher,
                     .matcher_count = 1,
                     .starts_at = from,
                     .ends_at = to,
                     .created_by = STR("ann"),
                     .comment = STR("because")};
}

static SilenceMatcher cluster_is(const char *value) {
    return (SilenceMatcher){.name = STR("cluster"), .value = str_of(value), .is_equal = true};
}

static Str must_set(Rig *rig, Arena *arena, const Silence *silence) {
    Str id;
    Err err = {0};
    cr_assert(notify_silence_set(rig->notify, silence, &ann, rig->now, arena, &id, &err), "%s",
              err.text);
    return id;
}

static void assert_refused(Rig *rig, const Silence *silence, const char *words) {
    AUTO(arena_finish) Arena arena = {0};
    Str id;
    Err err = {0};
    cr_assert_not(notify_silence_set(rig->notify, silence, &ann, rig->now, &arena, &id, &err),
                  "taken, but %s", words);
    cr_expect(strstr(err.text, words), "%s", err.text);
}

static SilenceState state_of(Rig *rig, Str id) {
    AUTO(arena_finish) Arena arena = {0};
    Silence silence;
    Err err = {0};
    cr_assert(notify_silence_get(rig->notify, id, rig->now, &arena, &silence, &err), "%s",
              err.text);
    return silence.state;
}

static bool is_quiet(Rig *rig, const char *alertname) {
    AUTO(arena_finish) Arena arena = {0};
    AlertView *views;
    size_t count;
    notify_alerts(rig->notify, &(MatcherSet){0}, rig->now, &arena, &views, &count);
    for (size_t i = 0; i < count; i++) {
        if (str_eq(labels_get(views[i].alert.labels, STR("alertname")), str_of(alertname))) {
            return views[i].suppressed;
        }
    }
    cr_assert(false, "no alert %s", alertname);
    return false;
}

Test(quiet, an_edit_keeps_its_id_unless_it_rewrites_the_past) {
    static const struct {
        const char *what;
        TimeMs old_start, old_end; /* hours from now */
        const char *cluster;
        TimeMs start, end;
        bool keeps;
    } cases[] = {
        {"active, a later end", -2, 2, "c", -2, 5, true},
        {"active, an earlier end", -2, 2, "c", -2, 1, true},
        {"active, another start", -2, 2, "c", -1, 2, false},
        {"active, other matchers", -2, 2, "d", -2, 2, false},
        {"pending, another start", 1, 2, "c", 3, 4, true},
        {"pending, a start in the past", 1, 2, "c", -1, 4, false},
        {"expired", -3, -1, "c", -3, 4, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        SilenceMatcher c = cluster_is("c"), other = cluster_is(cases[i].cluster);
        Silence old =
            silence_of(&c, T0 + cases[i].old_start * HOUR_MS, T0 + cases[i].old_end * HOUR_MS);
        Silence edit =
            silence_of(&other, T0 + cases[i].start * HOUR_MS, T0 + cases[i].end * HOUR_MS);
        cr_expect_eq(silence_keeps_id(&old, &edit, T0), cases[i].keeps, "%s", cases[i].what);
    }
}

Test(quiet, what_is_too_broad_too_long_or_says_too_little_is_refused) {
    Rig rig;
    rig_open(&rig, rig_config("route: {receiver: x}\nreceivers: [{name: x}]\n"
                              "silences: {duration_max: 2d, comment_pattern: '.*[0-9]+.*'}\n",
                              NULL, NULL));
    SilenceMatcher all = {
        .name = STR("cluster"), .value = STR(".*"), .is_regex = true, .is_equal = true};
    SilenceMatcher any = all;
    any.value = STR(".+");
    SilenceMatcher c = cluster_is("c");
    Silence wide = silence_of(&all, T0, T0 + HOUR_MS);
    wide.comment = STR("ticket 1");
    assert_refused(&rig, &wide, "must not match the empty string");
    wide.matchers = &any;
    assert_refused(&rig, &wide, "it would cover nearly everything");
    SilenceMatcher others[] = {{STR("cluster"), STR("c"), false, false},
                               {STR("x"), STR(""), false, true},
                               {STR("cluster"), STR("..*"), true, true},
                               {STR("cluster"), STR("c+"), true, false}};
    wide.matchers = others;
    wide.matcher_count = 2;
    assert_refused(&rig, &wide, "it would cover nearly everything");
    wide.matchers = others + 2;
    assert_refused(&rig, &wide, "it would cover nearly everything");
    wide.matcher_count = 1;
    wide.matchers = &any;
    wide.force = true;
    AUTO(arena_finish) Arena arena = {0};
    (void)must_set(&rig, &arena, &wide);
    Silence long_one = silence_of(&c, T0, T0 + 3 * DAY_MS);
    long_one.comment = STR("ticket 2");
    assert_refused(&rig, &long_one, "longer than the 2d allowed");
    Silence late = silence_of(&c, T0 - DAY_MS, T0 + 2 * DAY_MS); /* starts now, whatever it says */
    late.comment = STR("ticket 3");
    (void)must_set(&rig, &arena, &late);
    Silence silent = silence_of(&c, T0, T0 + HOUR_MS);
    assert_refused(&rig, &silent, "comment does not match");
    Silence past = silence_of(&c, T0 - 2 * HOUR_MS, T0 - HOUR_MS);
    assert_refused(&rig, &past, "end time can't be in the past");
    rig_close(&rig);
}

Test(quiet, an_edit_of_an_older_version_is_refused) {
    Rig rig;
    AUTO(arena_finish) Arena arena = {0};
    rig_open(&rig, rig_config(nobody, NULL, NULL));
    SilenceMatcher c = cluster_is("c");
    Silence silence = silence_of(&c, T0, T0 + HOUR_MS);
    silence.id = must_set(&rig, &arena, &silence);
    rig.now += SECOND_MS;
    silence.if_updated_at = T0;
    silence.ends_at += HOUR_MS;
    (void)must_set(&rig, &arena, &silence);
    silence.ends_at += HOUR_MS;
    assert_refused(&rig, &silence, "changed meanwhile");
    rig_close(&rig);
}

Test(quiet, a_schedule_opens_and_closes_in_its_own_zone) {
    static const char text[] = "[{\"weekdays\": [\"thursday\"], \"times\": [{\"start_time\": "
                               "\"22:00\", \"end_time\": \"02:00\"}], \"location\": "
                               "\"Europe/Berlin\"}]";
    static const struct {
        int hour; /* after Thursday midnight, UTC; Berlin is an hour ahead */
        SilenceState state;
    } hours[] = {{1, SILENCE_PENDING},  {20, SILENCE_PENDING}, {21, SILENCE_ACTIVE},
                 {24, SILENCE_ACTIVE},  {25, SILENCE_PENDING}, {100, SILENCE_PENDING},
                 {189, SILENCE_ACTIVE}, {193, SILENCE_PENDING}};
    Rig rig;
    AUTO(arena_finish) Arena arena = {0};
    rig_open(&rig, rig_config(nobody, NULL, NULL));
    SilenceMatcher c = cluster_is("c");
    Silence silence = silence_of(&c, T0, T0 + 30 * DAY_MS);
    silence.schedule = str_of(text);
    Str id = must_set(&rig, &arena, &silence);
    rig_fire(&rig, "alertname=A cluster=c");
    rig_shut(&rig); /* it has to come back with its schedule */
    rig_open_again(&rig);
    for (size_t i = 0; i < sizeof hours / sizeof *hours; i++) {
        rig.now = T0 + hours[i].hour * HOUR_MS;
        (void)notify_flush(rig.notify, rig.now);
        cr_expect_eq(state_of(&rig, id), hours[i].state, "hour %d", hours[i].hour);
        cr_expect_eq(is_quiet(&rig, "A"), hours[i].state == SILENCE_ACTIVE, "hour %d",
                     hours[i].hour);
    }
    rig_close(&rig);
}

/* The comments of those listed, and their states, as the API's JSON has them. */
static const char *listed(Rig *rig, Arena *arena, const SilenceFilter *filter, bool by_id) {
    AUTO(buf_finish) Buf json = {0}, text = {0};
    notify_silence_list(rig->notify, filter, rig->now, &json);
    cJSON *list = cJSON_ParseWithLength(json.ptr, json.len);
    cr_assert(cJSON_IsArray(list), "%.*s", STR_ARG(buf_view(&json)));
    const char *last_id = "";
    const cJSON *item;
    cJSON_ArrayForEach(item, list) {
        const char *id = cJSON_GetObjectItem(item, "id")->valuestring;
        const cJSON *state = cJSON_GetObjectItem(cJSON_GetObjectItem(item, "status"), "state");
        buf_printf(&text, "%s%s %s", text.len ? ", " : "",
                   cJSON_GetObjectItem(item, "comment")->valuestring, state->valuestring);
        cr_expect(!by_id || strcmp(last_id, id) < 0, "%s is before %s", last_id, id);
        last_id = id;

        AUTO(buf_finish) Buf one = {0};
        TimeMs updated_at;
        Err err = {0};
        cr_assert(notify_silence_print(rig->notify, str_of(id), rig->now, &one, &updated_at, &err));
        cJSON *alone = cJSON_ParseWithLength(one.ptr, one.len);
        cr_expect(cJSON_Compare(item, alone, true), "%s alone is another", id);
        cJSON_Delete(alone);
    }
    Str copy = arena_str(arena, buf_view(&text));
    cJSON_Delete(list);
    return copy.ptr;
}

Test(quiet, silences_are_listed_by_state_and_end_and_their_text_follows_the_clock) {
    static const struct {
        const char *comment;
        int64_t from, to; /* minutes from now */
    } rows[] = {{"a \"b\" \n", 0, 60}, {"soon", 0, 30}, {"later", 50, 90}, {"next", 40, 120}};
    Rig rig;
    AUTO(arena_finish) Arena arena = {0};
    SilenceMatcher c = cluster_is("c\\d");
    rig_open(&rig, rig_config(nobody, NULL, NULL));
    for (size_t i = 0; i < 4; i++) {
        Silence silence =
            silence_of(&c, rig.now + rows[i].from * MINUTE_MS, rig.now + rows[i].to * MINUTE_MS);
        silence.comment = str_of(rows[i].comment);
        (void)must_set(&rig, &arena, &silence);
    }
    SilenceFilter all = {0},
                  quiet_now = {.without = {[SILENCE_PENDING] = true, [SILENCE_EXPIRED] = true}};
    cr_expect_str_eq(listed(&rig, &arena, &all, false),
                     "soon active, a \"b\" \n active, next pending, later pending");
    rig.now += 45 * MINUTE_MS;
    cr_expect_str_eq(listed(&rig, &arena, &all, false),
                     "a \"b\" \n active, next active, later pending, soon expired");
    cr_expect_str_eq(listed(&rig, &arena, &quiet_now, false), "a \"b\" \n active, next active");
    rig.now += 45 * MINUTE_MS + 1;
    cr_expect_str_eq(listed(&rig, &arena, &all, false),
                     "next active, later expired, a \"b\" \n expired, soon expired");
    SilenceMatcher other = cluster_is("other");
    for (int i = 0; i < 9; i++) { /* that end at once: by id */
        Silence silence = silence_of(&other, rig.now, rig.now + HOUR_MS);
        silence.comment = STR("x");
        (void)must_set(&rig, &arena, &silence);
    }
    SilenceFilter others = {.matchers = &other, .matcher_count = 1};
    cr_expect_str_eq(listed(&rig, &arena, &others, true),
                     "x active, x active, x active, x active, x active, x active, x active, "
                     "x active, x active");
    SilenceMatcher unlike = {.name = STR("cluster"), .value = STR("other"), .is_equal = false};
    others.matchers = &unlike;
    cr_expect_str_eq(listed(&rig, &arena, &others, true), "", "another operator is no match");
    rig_close(&rig);
}

Test(quiet, an_edit_that_knows_no_schedule_leaves_it) {
    Rig rig;
    AUTO(arena_finish) Arena arena = {0};
    rig_open(&rig, rig_config(nobody, NULL, NULL));
    SilenceMatcher c = cluster_is("c");
    Silence silence = silence_of(&c, T0, T0 + HOUR_MS);
    silence.schedule = STR("[{\"weekdays\": [\"monday\"]}]");
    silence.id = must_set(&rig, &arena, &silence);
    Silence edit = silence;
    edit.schedule = (Str){0};
    edit.ends_at += HOUR_MS;
    cr_expect(str_eq(must_set(&rig, &arena, &edit), silence.id));
    cr_expect_eq(state_of(&rig, silence.id), SILENCE_PENDING);
    edit.schedule = STR("");
    edit.ends_at += HOUR_MS;
    cr_expect_eq(state_of(&rig, must_set(&rig, &arena, &edit)), SILENCE_ACTIVE);
    rig_close(&rig);
}

Test(quiet, a_bad_schedule_is_named) {
    static const char *const cases[][2] = {
        {"{}", "expected a list"},
        {"[]", "expected a list"},
        {"[{\"weekdays\": [\"someday\"]}]", "someday"},
        {"[{\"weekday\": [\"monday\"]}]", "weekdays"},
        {"[{\"location\": \"Atlantis/City\"}]", "Atlantis/City"},
        {"[{\"holidays_file\": \"/etc/passwd\"}]", "holidays_file is for configurations only"},
        {"[{", "schedule:"},
        {"[{\"times\": 1}]", "schedule:1:"},
        {"[{\"weekdays\": {}}]", "schedule:1:"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO(arena_finish) Arena arena = {0};
        Calendar *calendar = NULL;
        Err err = {0};
        cr_expect_not(schedule_load(&arena, str_of(cases[i][0]), &calendar, &err), "%s",
                      cases[i][0]);
        cr_expect(strstr(err.text, cases[i][1]), "%s: %s", cases[i][0], err.text);
    }
}

Test(quiet, a_schedule_may_name_what_it_leaves_open) {
    static const char *const texts[] = {"[{\"times\": null}]", "[{\"weekdays\": null}]",
                                        "[{\"location\": null, \"holidays\": null}]", "[null]"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        AUTO(arena_finish) Arena arena = {0};
        Calendar *calendar = NULL;
        Err err = {0};
        cr_assert(schedule_load(&arena, str_of(texts[i]), &calendar, &err), "%s: %s", texts[i],
                  err.text);
        cr_expect(calendar_contains(calendar, T0), "%s", texts[i]);
        calendar_finish(calendar);
    }
}

static NotifyConfig *reminding(const Listener *listener) {
    char text[512];
    snprintf(text, sizeof text,
             "route: {receiver: x}\n"
             "receivers: [{name: x}, {name: team, webhook_configs: [{url: "
             "'http://127.0.0.1:%d/'}]}]\n"
             "silences: {reminder: {receiver: team, before: 1h}}\n",
             listener->port);
    return rig_config(text, NULL, NULL);
}

Test(quiet, its_end_is_told_once_before_it_comes) {
    Listener listener;
    Rig rig;
    AUTO(arena_finish) Arena arena = {0};
    listener_start(&listener, 200);
    rig_open(&rig, reminding(&listener));
    SilenceMatcher c = cluster_is("c"), d = cluster_is("d");
    Silence silence = silence_of(&c, T0, T0 + 4 * HOUR_MS);
    silence.id = must_set(&rig, &arena, &silence);
    Silence short_one = silence_of(&d, T0, T0 + 30 * MINUTE_MS);
    (void)must_set(&rig, &arena, &short_one);
    rig_pass(&rig, 26 * MINUTE_MS, MINUTE_MS);
    cr_expect_eq(listener_count(&listener), 0, "too early");
    rig_pass(&rig, 2 * MINUTE_MS, MINUTE_MS);
    cr_assert_eq(listener_count(&listener), 1, "a tenth of the short one is left");
    cr_expect(listener_has(&listener, 0, "of ann ends at 2026-01-01T00:30:00.000Z"), "%s",
              listener.bodies[0]);
    rig_pass(&rig, 3 * HOUR_MS - 40 * MINUTE_MS, MINUTE_MS * 10);
    cr_expect_eq(listener_count(&listener), 1, "too early");
    rig_pass(&rig, 20 * MINUTE_MS, MINUTE_MS);
    cr_assert_eq(listener_count(&listener), 2);
    cr_expect(listener_has(&listener, 1, "SilenceEnds"));
    cr_expect(listener_has(&listener, 1, "of ann ends at 2026-01-01T04:00:00.000Z"), "%s",
              listener.bodies[1]);
    rig_shut(&rig);
    rig_open_again(&rig);
    rig_pass(&rig, 20 * MINUTE_MS, MINUTE_MS);
    cr_expect_eq(listener_count(&listener), 2, "told again");
    silence.ends_at += 4 * HOUR_MS;
    (void)must_set(&rig, &arena, &silence);
    rig_pass(&rig, 4 * HOUR_MS, 10 * MINUTE_MS);
    cr_expect_eq(listener_count(&listener), 3, "a later end is told, too");
    rig_close(&rig);
    listener_stop(&listener);
}

Test(quiet, a_flag_whose_review_is_due_is_reported) {
    Listener listener;
    Rig rig;
    AUTO(arena_finish) Arena arena = {0};
    listener_start(&listener, 200);
    rig_open(&rig, reminding(&listener));
    SilenceMatcher c = cluster_is("c");
    Flag flag = {.matchers = &c,
                 .matcher_count = 1,
                 .reason = STR("being built"),
                 .owner = STR("team-db"),
                 .starts_at = T0,
                 .review_at = T0 + 2 * DAY_MS};
    Str id;
    Err err = {0};
    cr_assert(notify_flag_set(rig.notify, &flag, &ann, rig.now, &arena, &id, &err), "%s", err.text);
    rig_pass(&rig, 2 * DAY_MS + HOUR_MS, HOUR_MS);
    cr_assert_eq(listener_count(&listener), 1);
    cr_expect(listener_has(&listener, 0, "MaintenanceReview"), "%s", listener.bodies[0]);
    cr_expect(listener_has(&listener, 0, "of team-db was to be reviewed at"));
    Flag read;
    cr_assert(notify_flag_get(rig.notify, id, rig.now, &arena, &read, &err));
    cr_expect(read.active && read.forgotten, "it holds on until somebody decides");
    rig_close(&rig);
    listener_stop(&listener);
}

/* A flag of the configuration with this review date; says why it is refused, "" if it is not. */
static void assert_review(const char *date, TimeMs want, const char *complaint) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(buf_finish) Buf why = {0};
    NotifyConfig *config = rig_try(
        nobody, NULL,
        arena_printf(&arena, "[{matchers: [a=b], reason: r, owner: o, review_at: %s}]", date).ptr,
        &why);
    cr_expect(strstr(why.ptr, complaint), "%s: %s", date, why.ptr);
    cr_assert_eq(config == NULL, !want, "%s", date);
    if (config) {
        Rig rig;
        Flag *flags;
        size_t count;
        rig_open(&rig, config);
        notify_flag_list(rig.notify, rig.now, &arena, &flags, &count);
        cr_assert_eq(count, 1);
        cr_expect_eq(flags[0].review_at, want, "%s", date);
        rig_close(&rig);
    }
}

Test(quiet, a_day_in_the_configuration_is_a_time) {
    assert_review("2026-01-09", T0 + 8 * DAY_MS, "");
    assert_review("\"2026-01-09T02:00:00+01:00\"", T0 + 8 * DAY_MS + HOUR_MS, "");
    assert_review("2026-02-30", 0, "expected a time such as 2030-01-31T18:00:00Z, or a day");
    assert_review("tomorrow", 0, "not \"tomorrow\"");
}

Test(quiet, what_sources_say_is_a_flag_until_they_say_no_more) {
    Rig rig;
    AUTO(arena_finish) Arena arena = {0};
    Err err = {0};
    rig_open(&rig, rig_config(nobody, NULL, NULL));
    SilenceMatcher c = cluster_is("c"), d = cluster_is("d");
    Flag flags[] = {
        {.matchers = &c,
         .matcher_count = 1,
         .owner = STR("c"),
         .reason = STR("its series carry x"),
         .origin = STR("label")},
        {.matchers = &d,
         .matcher_count = 1,
         .owner = STR("ops"),
         .reason = STR("the metric"),
         .origin = STR("metric"),
         .mode = FLAG_BELOW_CRITICAL},
    };
    rig_fire(&rig, "alertname=A cluster=c severity=critical");
    rig_fire(&rig, "alertname=B cluster=d severity=critical");
    cr_assert(notify_flags_observed(rig.notify, flags, 2, rig.now, &err), "%s", err.text);
    cr_expect(is_quiet(&rig, "A"));
    cr_expect_not(is_quiet(&rig, "B"), "critical rings under below_critical");
    rig_shut(&rig);
    rig_open_again(&rig);
    rig.now += MINUTE_MS;
    cr_assert(notify_flags_observed(rig.notify, flags, 2, rig.now, &err), "%s", err.text);
    Flag *list;
    size_t count;
    notify_flag_list(rig.notify, rig.now, &arena, &list, &count);
    cr_assert_eq(count, 2, "the same flags, found again after a restart");
    cr_expect_eq(list[0].created_at, T0);
    cr_expect(list[0].review_at > 0, "nobody set an end, so it has a review");
    cr_expect_not(notify_flag_clear(rig.notify, list[0].id, &ann, rig.now, &err));
    cr_expect_eq(err.kind, ERR_CONFLICT, "%s", err.text);
    cr_assert(notify_flags_observed(rig.notify, flags + 1, 1, rig.now, &err), "%s", err.text);
    cr_expect_not(is_quiet(&rig, "A"));
    AuditRow *rows;
    cr_assert(state_find_audit(rig.state, &(AuditQuery){.action = STR("maintenance.")}, &arena,
                               &rows, &count, &err));
    cr_assert_eq(count, 3);
    cr_expect(str_eq(rows[0].action, STR("maintenance.clear")));
    cr_expect(str_eq(rows[0].actor, STR("source")));
    rig_close(&rig);
}

Test(quiet, each_mode_has_a_label_by_which_sources_ask_for_it) {
    static const char base[] = "route: {receiver: x}\nreceivers: [{name: x}]\n";
    static const struct {
        const char *more, *labels;
        bool quiet;
    } rows[] = {
        {"", "alertname=A alerting=off severity=critical", true},
        {"", "alertname=A alerting=some severity=warning", false},
        {"flag_label: 'env=\"test\"'", "alertname=A env=test severity=critical", true},
        {"flag_label: 'env=\"test\"'", "alertname=A alerting=off", false},
        {"flag_label: ''", "alertname=A alerting=off", false},
        {"flag_label: {below_critical: 'alerting=\"some\"'}", "alertname=A alerting=off", true},
        {"flag_label: {below_critical: 'alerting=\"some\"'}",
         "alertname=A alerting=some severity=warning", true},
        {"flag_label: {below_critical: 'alerting=\"some\"'}",
         "alertname=A alerting=some severity=critical", false},
        {"flag_label: {all: '', hold: 'alerting=\"later\"'}", "alertname=A alerting=off", false},
        {"flag_label: {all: '', hold: 'alerting=\"later\"'}",
         "alertname=A alerting=later severity=critical", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Rig rig;
        char text[400];
        snprintf(text, sizeof text, "%s%s\n", base, rows[i].more);
        rig_open(&rig, rig_config(text, NULL, NULL));
        rig_fire(&rig, rows[i].labels);
        cr_expect_eq(is_quiet(&rig, "A"), rows[i].quiet, "%s: %s", rows[i].more, rows[i].labels);
        rig_close(&rig);
    }
    AUTO(buf_finish) Buf complaint = {0};
    char text[400];
    snprintf(text, sizeof text, "%sflag_label: {below_critcal: 'a=b'}\n", base);
    cr_expect(rig_refuses(text, NULL, &complaint));
    buf_byte(&complaint, '\0');
    cr_expect(strstr(complaint.ptr, "below_critical"), "%s", complaint.ptr);
}

Test(quiet, a_flag_below_critical_goes_by_the_words_of_the_policy) {
    Rig rig;
    AUTO(arena_finish) Arena arena = {0};
    Err err = {0};
    const char *severities = "{label: prio, map: {P1: critical, page: warning, P3: info}, unknown: "
                             "critical, business_hours: {days: ['monday:friday'], from: '09:00', "
                             "to: '17:00', time_zone: UTC}, critical: {now: x}, warning: {by_day: "
                             "x, by_night: x}, info: {digest: x, at: business_hours_start}}";
    rig_open(&rig, rig_config("receivers: [{name: x}]", severities, NULL));
    static const struct {
        const char *labels, *name;
        bool quiet;
    } rows[] = {
        {"alertname=A cluster=c prio=P1", "A", false},
        {"alertname=B cluster=c prio=p1", "B", false},
        {"alertname=C cluster=c prio=Critical", "C", false},
        {"alertname=D cluster=c prio=page", "D", true},
        {"alertname=E cluster=c prio=P3", "E", true},
        {"alertname=F cluster=c prio=warning", "F", true},
        {"alertname=G cluster=c prio=strange", "G", false},
        {"alertname=H cluster=c", "H", false},
        {"alertname=I cluster=c prio=P3 severity=critical", "I", true},
    };
    SilenceMatcher c = cluster_is("c");
    Flag flag = {.matchers = &c,
                 .matcher_count = 1,
                 .mode = FLAG_BELOW_CRITICAL,
                 .reason = STR("move"),
                 .owner = STR("ann"),
                 .ends_at = rig.now + HOUR_MS};
    Str id;
    cr_assert(notify_flag_set(rig.notify, &flag, &ann, rig.now, &arena, &id, &err), "%s", err.text);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rig_fire(&rig, rows[i].labels);
        cr_expect_eq(is_quiet(&rig, rows[i].name), rows[i].quiet, "%s", rows[i].labels);
    }
    rig_close(&rig);
}

Test(quiet, a_preview_counts_now_and_the_last_week) {
    Rig rig;
    AUTO(arena_finish) Arena arena = {0};
    Err err = {0};
    rig_open(&rig, rig_config(nobody, NULL, NULL));
    rig_fire(&rig, "alertname=Old cluster=c");
    rig_resolve(&rig, "alertname=Old cluster=c");
    rig.now += 8 * DAY_MS;
    for (int i = 0; i < 3; i++) {
        rig_fire(&rig, "alertname=Flapping cluster=c");
        rig.now += MINUTE_MS;
        rig_resolve(&rig, "alertname=Flapping cluster=c");
    }
    rig_fire(&rig, "alertname=Now cluster=c");
    rig_fire(&rig, "alertname=Other cluster=d");
    SilenceMatcher c = cluster_is("c");
    QuietPreview preview;
    cr_assert(notify_quiet_preview(rig.notify, &c, 1, 0, rig.now, &arena, &preview, &err), "%s",
              err.text);
    cr_expect_eq(preview.now_count, 1);
    cr_expect_eq(preview.shown_count, 1);
    cr_expect_eq(preview.week_firings, 4);
    cr_expect_eq(preview.week_alerts, 2);

    /* Asked again: with what has come meanwhile, without what is older than a week by now. */
    rig.now += HOUR_MS;
    rig_fire(&rig, "alertname=Later cluster=c zone=z");
    rig_fire(&rig, "alertname=Latest cluster=cc");
    SilenceMatcher some[] = {
        {.name = STR("cluster"), .value = STR("c+"), .is_regex = true, .is_equal = true},
        {.name = STR("alertname"), .value = STR("Now"), .is_equal = false},
        {.name = STR("unknown"), .value = STR(""), .is_equal = true},
    };
    static const struct {
        TimeMs later;
        size_t now, shown;
        uint64_t firings, alerts;
    } rows[] = {
        {0, 2, 1, 5, 3}, {7 * DAY_MS - 30 * MINUTE_MS, 2, 1, 2, 2}, {8 * DAY_MS, 2, 1, 0, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_assert(notify_quiet_preview(rig.notify, some, 3, 1, rig.now + rows[i].later, &arena,
                                       &preview, &err),
                  "%s", err.text);
        cr_expect_eq(preview.now_count, rows[i].now);
        cr_expect_eq(preview.shown_count, rows[i].shown);
        cr_expect_eq(preview.week_firings, rows[i].firings, "%zu", i);
        cr_expect_eq(preview.week_alerts, rows[i].alerts, "%zu", i);
        notify_watch(rig.notify, rig.net, rig.now); /* may forget, and does not change an answer */
    }
    rig_close(&rig);
}

/* ---- the index against trying each set ---- */

static bool take_all(const void *owner, const void *context) {
    (void)owner, (void)context;
    return true;
}

Test(quiet, the_index_finds_what_trying_each_finds) {
    static const char *const sets[] = {
        "cluster=prod-1",
        "cluster=~prod-.*",
        "cluster=~\"prod-1|prod-2\"",
        "cluster!=prod-1",
        "cluster=~\".*-1\"",
        "instance=~\"node-1[0-9].*\"",
        "cluster=~\"p.*\",team=db",
        "team=~\"d|db|dbx\"",
        "nothing=\"\"",
        "cluster!~\"prod-.*\"",
        "cluster=~\"prod-1?\"",
        "instance=~\"node-11:9100.*\"",
        "cluster=~\"(?i)PROD-1\"",
        "cluster=~\"prod-1|prod-1|x\",team=~\"db|y|db\"",
        "team=~\".*b.*\"",
        "instance=~\".*de-1.*\"",
        "team=~\".*missing.*\"",
        "instance=~\"node-1.+\"",
    };
    static const char *const alerts[] = {
        "cluster=prod-1 instance=node-11:9100 team=db",
        "cluster=prod-",
        "cluster=p team=db",
        "cluster=staging-1 instance=node-1",
        "team=dbx",
        "nothing=x",
    };
    enum { SETS = sizeof sets / sizeof *sets };
    AUTO(arena_finish) Arena arena = {0};
    MatcherSet parsed[SETS];
    MatchIndex index = {0};
    Err err = {0};
    for (size_t i = 0; i < SETS; i++) {
        cr_assert(matcher_list_parse(&arena, str_of(sets[i]), &parsed[i], &err), "%s", err.text);
        match_index_add(&index, &parsed[i], &parsed[i]);
    }
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof alerts / sizeof *alerts; i++) {
            LabelSet labels = rig_labels(&arena, alerts[i]);
            void *found[SETS];
            MatchKeys keys;
            match_keys_of(labels, &keys);
            size_t count = match_index_find(&index, &keys, take_all, NULL, found, SETS);
            size_t want = 0;
            for (size_t j = (size_t)round; j < SETS; j++) {
                want += matcher_set_matches(&parsed[j], labels);
            }
            cr_expect_eq(count, want, "%s", alerts[i]);
        }
        match_index_remove(&index, &parsed[round], &parsed[round]);
    }
    match_index_finish(&index);
    for (size_t i = 0; i < SETS; i++) {
        matcher_set_finish(&parsed[i]);
    }
}

/* ---- alerts by label against looking at each ---- */

static size_t count_of(Rig *rig, const char *filter) {
    AUTO(arena_finish) Arena arena = {0};
    MatcherSet set;
    AlertView *views;
    Err err = {0};
    size_t count, want = 0;
    cr_assert(matcher_list_parse(&arena, str_of(filter), &set, &err), "%s", err.text);
    notify_alerts(rig->notify, &(MatcherSet){0}, rig->now, &arena, &views, &count);
    for (size_t i = 0; i < count; i++) {
        want += matcher_set_matches(&set, views[i].alert.labels);
    }
    notify_alerts(rig->notify, &set, rig->now, &arena, &views, &count);
    cr_expect_eq(count, want, "%s", filter);
    for (size_t i = 1; i < count; i++) {
        cr_expect_lt(views[i - 1].fingerprint, views[i].fingerprint, "order");
    }
    AlertGroupView *groups;
    size_t group_count, grouped = 0;
    notify_groups(rig->notify, &set, rig->now, &arena, &groups, &group_count);
    for (size_t i = 0; i < group_count; i++) {
        grouped += groups[i].alert_count;
    }
    cr_expect_eq(grouped, want, "%s in groups", filter);
    matcher_set_finish(&set);
    return want;
}

Test(quiet, filters_find_by_label_what_looking_at_each_finds) {
    static const char *const filters[] = {
        "cluster=c1",
        "cluster=c1,alertname=A3",
        "cluster=~\"c1|c2|c1\"",
        "cluster=~c.*",
        "cluster!=c1",
        "team=\"\"",
        "team=t,cluster=c2",
        "cluster=gone",
        "alertname=~\"A1|A2\"",
        "alertname=~A1,cluster!~c1",
        "nothing!=x",
        "team=~.+",
        "alertname=~\"A[1-4].*\"",
        "alertname=~\".*5.*\",cluster=~\"c[12]\"",
        "alertname=~\"A1.*|A2.*\",team=t",
        "cluster=~\"c.+\",alertname=~\"A[12]?\"",
        "alertname!=\"\"",
        "alertname!~\"\",team!~\"x|\"",
        "alertname=~\"(A5)?\"",
        "gone=~.+",
        "gone!~.+",
    };
    Rig rig;
    rig_open(&rig, rig_config(nobody, NULL, NULL));
    for (int i = 0; i < 60; i++) {
        char text[64];
        snprintf(text, sizeof text, "alertname=A%d cluster=c%d%s", i, i % 4,
                 i % 3 ? "" : " team=t");
        rig_fire(&rig, text);
    }
    for (int i = 0; i < 60; i += 7) { /* out of the middle, the front and the end of lists */
        char text[64];
        snprintf(text, sizeof text, "alertname=A%d cluster=c%d%s", i, i % 4,
                 i % 3 ? "" : " team=t");
        rig_resolve(&rig, text);
    }
    size_t found = 0;
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        found += count_of(&rig, filters[i]);
    }
    cr_expect_gt(found, 50);
    rig_shut(&rig);
    rig_open_again(&rig);
    cr_expect_eq(count_of(&rig, "cluster=c1"), 13);
    rig_close(&rig);
}
