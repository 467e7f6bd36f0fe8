/*
 * Rules end to end over a real store, with a clock in hand: samples in, slots evaluated, changes
 * and series out.
 */

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/number.h"
#include "promql/series_desc.h"
#include "rules/rule_set.h"
#include "rules/rules.h"
#include "rules/sandbox.h"
#include "rules/schedule.h"
#include "rules/series_list.h"

static const TimeMs START = INT64_C(1700000040000); /* a whole minute */

/* A store, rules over it, and a folder for rule files. */
typedef struct Bench {
    Sandbox sandbox;
    Sandbox files; /* only its folder is used */
    Rules *rules;
    RulesOptions options;
    Arena arena;
    Buf log;       /* one letter a change: see change_letter() */
    Str templates; /* of load_all() */
} Bench;

static void bench_open_with(Bench *bench, RulesOptions options) {
    Err err = {0};
    *bench = (Bench){0};
    cr_assert(sandbox_open(&bench->sandbox, NULL, 1, &err), "%s", err.text);
    cr_assert(sandbox_open(&bench->files, NULL, 1, &err), "%s", err.text);
    bench->options = options;
    bench->options.evaluation_interval = MINUTE_MS;
    bench->options.lookback = 5 * MINUTE_MS;
    bench->options.started_at = START;
    bench->rules = rules_new(bench->sandbox.engine, &bench->options);
}

static void bench_open(Bench *bench) {
    bench_open_with(bench, (RulesOptions){0});
}

static void bench_close(Bench *bench) {
    rules_free(bench->rules);
    sandbox_close(&bench->sandbox);
    sandbox_close(&bench->files);
    buf_finish(&bench->log);
    arena_finish(&bench->arena);
}

static void write_file(Bench *bench, const char *name, const char *text) {
    Err err = {0};
    Str path = arena_printf(&bench->arena, "%s/%s", bench->files.dir, name);
    cr_assert(file_replace(path.ptr, str_of(text), &err), "%s", err.text);
}

static bool load_all(Bench *bench, TimeMs now, Problems *problems) {
    RulesSource source = {.pattern = arena_printf(&bench->arena, "%s/*.yml", bench->files.dir),
                          .templates = bench->templates};
    return rules_load(bench->rules, &source, 1, now, problems);
}

static void load(Bench *bench, const char *text, TimeMs now) {
    AUTO(problems_finish) Problems problems = {0};
    AUTO(buf_finish) Buf complaint = {0};
    write_file(bench, "rules.yml", text);
    bool ok = load_all(bench, now, &problems);
    problems_print(&problems, &complaint);
    cr_assert(ok, "%.*s", STR_ARG(buf_view(&complaint)));
}

/* Samples from outside: one a step, from `from` on. */
static void feed(Bench *bench, const char *text, TimeMs from, DurationMs step) {
    SeriesDesc desc = {0};
    Err err = {0};
    cr_assert(series_desc_parse(&bench->arena, str_of(text), &desc, &err), "%s: %s", text,
              err.text);
    TimeMs *times = arena_array(&bench->arena, TimeMs, desc.count + 1);
    double *values = arena_array(&bench->arena, double, desc.count + 1);
    size_t count = 0;
    for (size_t i = 0; i < desc.count; i++) {
        if (!desc.points[i].omitted) {
            times[count] = from + (TimeMs)i * step;
            values[count++] = desc.points[i].value;
        }
    }
    BatchSeries series = {.labels = desc.labels, .row_count = (uint32_t)count};
    SampleBatch batch = {
        .series = &series, .series_count = 1, .times = times, .values = values, .row_count = count};
    uint64_t lsn = 0;
    StoreOutcome outcome = {0};
    cr_assert(store_append(bench->sandbox.store, &batch, from + (TimeMs)desc.count * step, &lsn,
                           &outcome, &err),
              "%s", err.text);
}

static char change_letter(const AlertChange *change) {
    switch (change->event) {
    case ALERT_BECAME_PENDING:
        return 'p';
    case ALERT_BECAME_FIRING:
        return 'F';
    case ALERT_BECAME_RESOLVED:
        return 'r';
    case ALERT_BECAME_INACTIVE:
        return 'i';
    case ALERT_CHANGED:
        return 'c';
    }
    return '?';
}

/* One tick at `now`, its ALERTS written; changes are appended to the log as letters, '.' where
 * there were none. */
static RulesTick tick_at(Bench *bench, TimeMs now) {
    RulesTick tick = {0};
    Err err = {0};
    rules_tick(bench->rules, now, &tick);
    for (size_t i = 0; i < tick.changes_count; i++) {
        buf_byte(&bench->log, change_letter(&tick.changes[i]));
    }
    if (tick.changes_count == 0 && tick.did_evaluate) {
        buf_byte(&bench->log, '.');
    }
    cr_assert(rules_write_alerts(bench->rules, &tick, now, &err), "%s", err.text);
    return tick;
}

/* Ticks once a minute, `count` times from `from` on. */
static void run(Bench *bench, TimeMs from, size_t count) {
    for (size_t i = 0; i < count; i++) {
        RulesTick tick = tick_at(bench, from + (TimeMs)i * MINUTE_MS);
        rules_tick_finish(&tick);
    }
}

static void expect_log(Bench *bench, const char *want) {
    cr_expect(str_eq(buf_view(&bench->log), str_of(want)), "changes %.*s, want %s",
              STR_ARG(buf_view(&bench->log)), want);
    bench->log.len = 0;
}

/* The value of an expression that has one result; NaN where it has none. */
static double ask(Bench *bench, const char *expr, TimeMs time) {
    const Expr *parsed = NULL;
    Value value = {0};
    Err err = {0};
    bool ok = false;
    QueryOptions options = {.lookback = 5 * MINUTE_MS, .default_step = MINUTE_MS};
    cr_assert(promql_parse(&bench->arena, str_of(expr), PROMQL_PROMETHEUS, &parsed, &err), "%s",
              err.text);
    engine_instant(bench->sandbox.engine, &(EngineExpr){.expr = parsed, .text = str_of(expr)}, 1,
                   time, &options, &bench->arena, &value, &ok, &err);
    expr_finish(parsed);
    cr_assert(ok, "%s: %s", expr, err.text);
    return value.series_count == 1 ? value.series[0].values[0] : NAN;
}

#define GROUP(rules) "groups:\n- name: g\n  rules:\n" rules

/* ---- the vectors of the reference, section 11 ---- */

Test(rules, holds_and_keeps_firing_as_prometheus_does) {
    Bench bench;
    bench_open(&bench);
    load(&bench, GROUP("  - {alert: A, expr: p == 1, for: 2m, keep_firing_for: 2m}\n"), START);
    /* The gap at 3m is bridged by the lookback; 4m and 5m by keep_firing_for. */
    feed(&bench, "p 1 1 1 _ 0 0 0 0 0 1 1 1", START, MINUTE_MS);
    run(&bench, START, 10);
    expect_log(&bench, "p.F.c.r..p"); /* c: since when it is held is kept, too */
    cr_expect_eq(ask(&bench, "ALERTS{alertstate=\"firing\"}", START + 5 * MINUTE_MS), 1);
    cr_expect(isnan(ask(&bench, "ALERTS", START + 6 * MINUTE_MS)), "a marker ends the series");
    cr_expect(isnan(ask(&bench, "ALERTS_FOR_STATE", START + 6 * MINUTE_MS)));
    cr_expect_eq(ask(&bench, "ALERTS_FOR_STATE", START + 9 * MINUTE_MS),
                 (double)(START / 1000 + 540));
    cr_expect_eq(ask(&bench, "ALERTS{alertstate=\"pending\"}", START + 9 * MINUTE_MS), 1);
    bench_close(&bench);
}

Test(rules, drops_labels_that_come_out_empty) {
    Bench bench;
    bench_open(&bench);
    load(
        &bench,
        GROUP(
            "  - {alert: A, expr: m > 0, labels: {drop: '', gone: '', set: '{{ $labels.host }}'}}\n"
            "  - {record: r, expr: m, labels: {drop: ''}}\n"),
        START);
    feed(&bench, "m{drop=\"x\",host=\"h\"} 1", START, MINUTE_MS);
    RulesTick tick = tick_at(&bench, START);
    cr_assert_eq(tick.changes_count, 1);
    LabelSet labels = tick.changes[0].alert.labels;
    AUTO(buf_finish) Buf text = {0};
    labels_print(&text, labels);
    cr_expect(str_eq(buf_view(&text), STR("{alertname=\"A\", host=\"h\", set=\"h\"}")), "%.*s",
              STR_ARG(buf_view(&text)));
    cr_expect_eq(ask(&bench, "r{drop=\"\",host=\"h\"}", START), 1);
    rules_tick_finish(&tick);
    bench_close(&bench);
}

Test(rules, fires_on_nan_and_refuses_colliding_labels) {
    Bench bench;
    bench_open(&bench);
    load(&bench,
         GROUP("  - {alert: Nan, expr: m2}\n"
               "  - {alert: Collide, expr: m3, labels: {a: same}}\n"),
         START);
    feed(&bench, "m2 NaN", START, MINUTE_MS);
    feed(&bench, "m3{a=\"1\"} 1", START, MINUTE_MS);
    feed(&bench, "m3{a=\"2\"} 1", START, MINUTE_MS);
    run(&bench, START, 1);
    expect_log(&bench, "F");
    GroupView *groups = NULL;
    size_t count = 0;
    rules_view(bench.rules, &bench.arena, &groups, &count);
    cr_assert_eq(count, 1);
    cr_expect_eq(groups[0].rules[0].health, RULE_OK);
    cr_expect_eq(groups[0].rules[1].health, RULE_ERR);
    cr_expect(
        str_eq(groups[0].rules[1].last_error,
               STR("vector contains metrics with the same labelset after applying alert labels: "
                   "{a=\"same\", alertname=\"Collide\"}")),
        "%.*s", STR_ARG(groups[0].rules[1].last_error));
    bench_close(&bench);
}

/* ---- recordings ---- */

Test(rules, see_the_groups_earlier_recordings_and_other_groups_as_the_slot_began) {
    Bench bench;
    bench_open(&bench);
    load(&bench,
         "groups:\n"
         "- name: a\n  rules:\n"
         "  - {record: a1, expr: m * 2}\n"
         "  - {record: a2, expr: a1 + b1 or a1}\n" /* own recording of now, the other's of before */
         "- name: b\n  rules:\n"
         "  - {record: b1, expr: m * 10}\n"
         "  - {record: b2, expr: b1 + 0}\n",
         START);
    feed(&bench, "m 1 2 3 4", START, MINUTE_MS);
    run(&bench, START, 1);
    cr_expect_eq(ask(&bench, "a2", START), 2, "b1 was not there yet: %g", ask(&bench, "a2", START));
    cr_expect_eq(ask(&bench, "b2", START), 10);
    run(&bench, START + MINUTE_MS, 1);
    cr_expect_eq(ask(&bench, "a2", START + MINUTE_MS), 4 + 10, "b1 as it was: %g",
                 ask(&bench, "a2", START + MINUTE_MS));
    cr_expect_eq(ask(&bench, "b2", START + MINUTE_MS), 20);
    bench_close(&bench);
}

/* How many programs the rules of a file take. */
static size_t stages_of(const char *text) {
    AUTO(problems_finish) Problems problems = {0};
    RuleFile *file = NULL;
    RulesOptions options = {.evaluation_interval = MINUTE_MS};
    cr_assert(rule_file_load(STR("f.yml"), str_of(text), RULES_AUTO, &file, &problems));
    RuleSet *set = rule_set_new(&file, 1, &options, NULL, false, START);
    size_t count = set->slots[0].stage_count;
    rule_set_free(set);
    rule_file_unref(file);
    return count;
}

Test(rules, wait_only_for_what_they_read) {
    static const struct {
        const char *why, *text;
        size_t stages;
    } rows[] = {
        {"a group's own recordings: one stage more",
         "groups:\n"
         "- {name: a, rules: [{record: r, expr: m}, {record: s, expr: r}]}\n"
         "- {name: b, rules: [{record: t, expr: m}, {record: u, expr: t}]}\n",
         2},
        {"b reads what a writes, so it is through first",
         "groups:\n"
         "- {name: a, rules: [{record: r, expr: m}, {record: s, expr: r}]}\n"
         "- {name: b, rules: [{record: t, expr: m}, {record: u, expr: t + r}]}\n",
         3},
        {"each reads the other's name, of another cluster",
         "groups:\n"
         "- name: a\n  labels: {cluster: a}\n  rules:\n"
         "  - {record: r, expr: 'm{cluster=\"a\"}'}\n"
         "  - {record: s, expr: 'r{cluster=\"a\"}'}\n"
         "- name: b\n  labels: {cluster: b}\n  rules:\n"
         "  - {record: r, expr: 'm{cluster=\"b\"}'}\n"
         "  - {record: s, expr: 'r{cluster=~\"b|c\"}'}\n",
         2},
        {"a circle goes by order",
         "groups:\n"
         "- {name: a, rules: [{record: r, expr: m}, {record: s, expr: r + t}]}\n"
         "- {name: b, rules: [{record: t, expr: m}, {record: u, expr: t + r}]}\n",
         3},
        {"labels of alerts are known where they are no templates",
         "groups:\n"
         "- name: a\n  rules:\n"
         "  - {alert: A, expr: m, labels: {team: x}}\n"
         "  - {alert: B, expr: 'ALERTS{team=\"y\"}'}\n",
         1},
        {"and may be anything where they are",
         "groups:\n"
         "- name: a\n  rules:\n"
         "  - {alert: A, expr: m, labels: {team: '{{ $labels.team }}'}}\n"
         "  - {alert: B, expr: 'ALERTS{team=\"y\"}'}\n",
         2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t count = stages_of(rows[i].text);
        cr_expect_eq(count, rows[i].stages, "%s: %zu stages", rows[i].why, count);
    }
}

Test(rules, keep_equal_rules_apart_by_their_number) {
    Bench bench;
    bench_open(&bench);
    load(&bench,
         GROUP("  - {alert: A, expr: 'm{i=\"1\"} > 0', for: 2m}\n"
               "  - {alert: A, expr: 'm{i=\"2\"} > 0', for: 2m}\n"
               "  - {alert: A, expr: 'm{i=\"3\"} > 0', for: 2m}\n"),
         START);
    feed(&bench, "m{i=\"1\"} 1x9", START, MINUTE_MS);
    feed(&bench, "m{i=\"3\"} _ 1x9", START, MINUTE_MS);
    run(&bench, START, 2);
    expect_log(&bench, "pp");
    /* A reload gives each its own state back. */
    load(&bench,
         GROUP("  - {alert: A, expr: 'm{i=\"1\"} > 0', for: 2m, annotations: {a: b}}\n"
               "  - {alert: A, expr: 'm{i=\"2\"} > 0', for: 2m}\n"
               "  - {alert: A, expr: 'm{i=\"3\"} > 0', for: 2m}\n"),
         START + MINUTE_MS);
    run(&bench, START + 2 * MINUTE_MS, 2);
    expect_log(&bench, "FF");
    bench_close(&bench);
}

Test(rules, end_recorded_series_that_vanish) {
    Bench bench;
    bench_open(&bench);
    load(&bench, GROUP("  - {record: r, expr: m > 1}\n"), START);
    feed(&bench, "m 2 0 2", START, MINUTE_MS);
    run(&bench, START, 3);
    cr_expect_eq(ask(&bench, "r", START), 2);
    cr_expect(isnan(ask(&bench, "r", START + MINUTE_MS)), "not the old value through the lookback");
    cr_expect_eq(ask(&bench, "r", START + 2 * MINUTE_MS), 2);
    bench_close(&bench);
}

Test(rules, see_alerts_of_earlier_rules_of_the_group) {
    Bench bench;
    bench_open(&bench);
    load(&bench,
         GROUP("  - {alert: A, expr: m > 1}\n"
               "  - {record: firing, expr: 'count(ALERTS{alertname=\"A\"})'}\n"),
         START);
    feed(&bench, "m 2 0", START, MINUTE_MS);
    run(&bench, START, 2);
    cr_expect_eq(ask(&bench, "firing", START), 1);
    cr_expect(isnan(ask(&bench, "firing", START + MINUTE_MS)));
    bench_close(&bench);
}

Test(rules, stamp_with_the_query_offset_and_keep_slots_apart) {
    Bench bench;
    bench_open(&bench);
    load(&bench,
         "groups:\n"
         "- {name: now, rules: [{record: now, expr: m}]}\n"
         "- {name: behind, query_offset: 1m, rules: [{record: behind, expr: m}]}\n",
         START);
    feed(&bench, "m 1 2 3", START, MINUTE_MS);
    TimeMs at = START + 2 * MINUTE_MS;
    run(&bench, at, 1);
    run(&bench, at, 1);
    cr_expect_eq(ask(&bench, "now", at), 3);
    cr_expect_eq(ask(&bench, "behind", at), 2);
    cr_expect_eq(ask(&bench, "timestamp(behind)", at), (double)((at - MINUTE_MS) / 1000));
    bench_close(&bench);
}

/* vmalert's timing: a shift of the slot, or of the time that is asked for. */
Test(rules, keep_to_the_timing_that_vmalerts_groups_ask_for) {
    static const struct {
        const char *timing;
        DurationMs due; /* of the first evaluation after the start */
        int64_t answer; /* m is the seconds since ten minutes before the start */
    } rows[] = {
        {"interval: 5m, eval_offset: 90s", 90 * SECOND_MS, 690},
        {"interval: 5m, eval_offset: -90s", 210 * SECOND_MS, 810},
        {"interval: 1m, eval_delay: 75s", MINUTE_MS, 540}, /* rounded down to the interval */
        {"interval: 1m, eval_delay: 75s, eval_alignment: false", MINUTE_MS, 585},
        {"interval: 1m, eval_alignment: false", MINUTE_MS, 660},
        {"interval: 1m, concurrency: 4", MINUTE_MS, 660},
        {"interval: 1m, query_offset: 45s", MINUTE_MS, 615},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        Bench bench;
        bench_open(&bench);
        TimeMs start = START - START % (5 * MINUTE_MS);
        char text[256];
        snprintf(text, sizeof text, "groups: [{name: g, %s, rules: [{record: r, expr: m}]}]",
                 rows[i].timing);
        load(&bench, text, start);
        feed(&bench, "m 0+15x80", start - 10 * MINUTE_MS, 15 * SECOND_MS);
        RulesTick tick = tick_at(&bench, start);
        rules_tick_finish(&tick); /* what was due before */
        TimeMs due = rules_next_due(bench.rules, start);
        cr_expect_eq(due - start, rows[i].due, "%s: due after %lld s", rows[i].timing,
                     (long long)(due - start) / 1000);
        tick = tick_at(&bench, due);
        cr_expect(tick.did_evaluate);
        rules_tick_finish(&tick);
        double value = ask(&bench, "last_over_time(r[20m])", due + MINUTE_MS);
        cr_expect_eq(value, (double)rows[i].answer, "%s: %g", rows[i].timing, value);
        bench_close(&bench);
    }
}

/* ---- limits ---- */

Test(rules, cut_at_the_limit_instead_of_wiping) {
    Bench bench;
    bench_open(&bench);
    load(&bench, "groups:\n- {name: g, limit: 2, rules: [{alert: A, expr: m > 0}]}\n", START);
    feed(&bench, "m{i=\"1\"} 1 1", START, MINUTE_MS);
    feed(&bench, "m{i=\"2\"} 1 1", START, MINUTE_MS);
    feed(&bench, "m{i=\"0\"} _ 1", START, MINUTE_MS);
    run(&bench, START, 2);
    expect_log(&bench, "FF.");
    GroupView *groups = NULL;
    size_t count = 0;
    rules_view(bench.rules, &bench.arena, &groups, &count);
    cr_expect_eq(groups[0].rules[0].alert_count, 2);
    cr_expect(str_starts(groups[0].rules[0].last_error, STR("exceeded limit of 2 with 3 alerts")),
              "%.*s", STR_ARG(groups[0].rules[0].last_error));
    bench_close(&bench);
}

/* ---- reload and restart ---- */

static const char one_rule[] =
    GROUP("  - {alert: A, expr: m > 0, for: 5m, annotations: {s: old}}\n");

Test(rules, keep_state_over_edits_of_hold_annotations_and_place) {
    Bench bench;
    bench_open(&bench);
    load(&bench, one_rule, START);
    feed(&bench, "m 1x20", START, MINUTE_MS);
    run(&bench, START, 3);
    expect_log(&bench, "p..");
    /* another file, another `for`, other annotations, another expression */
    write_file(&bench, "moved.yml",
               GROUP("  - {alert: A, expr: m >= 1, for: 3m, annotations: {s: new}}\n"));
    load(&bench, "groups: []\n", START + 3 * MINUTE_MS);
    RulesTick tick = tick_at(&bench, START + 3 * MINUTE_MS);
    expect_log(&bench, "F");
    cr_assert_eq(tick.changes_count, 1);
    cr_expect_eq(tick.changes[0].alert.active_at, START);
    cr_expect(str_eq(labels_get(tick.changes[0].alert.annotations, STR("s")), STR("new")));
    rules_tick_finish(&tick);
    bench_close(&bench);
}

Test(rules, resolve_alerts_whose_rule_is_removed) {
    Bench bench;
    bench_open(&bench);
    load(&bench, GROUP("  - {alert: A, expr: m > 0}\n  - {record: r, expr: m}\n"), START);
    feed(&bench, "m 1x20", START, MINUTE_MS);
    run(&bench, START, 1);
    expect_log(&bench, "F");
    load(&bench, GROUP("  - {alert: B, expr: m > 5}\n"), START + 10 * SECOND_MS);
    cr_expect_eq(rules_next_due(bench.rules, START + 10 * SECOND_MS), START + 10 * SECOND_MS,
                 "due at once");
    RulesTick tick = tick_at(&bench, START + 10 * SECOND_MS);
    cr_assert_eq(tick.changes_count, 1);
    cr_expect_eq(tick.changes[0].event, ALERT_BECAME_RESOLVED);
    cr_expect_str_eq(tick.changes[0].reason, "rule removed");
    LabelSet annotations = tick.changes[0].alert.annotations;
    cr_expect(str_eq(labels_get(annotations, STR("resolved_reason")), STR("rule removed")),
              "whoever is told is told why");
    rules_tick_finish(&tick);
    cr_expect(isnan(ask(&bench, "ALERTS", START + 30 * SECOND_MS)));
    cr_expect(isnan(ask(&bench, "r", START + 30 * SECOND_MS)));
    bench_close(&bench);
}

Test(rules, hold_back_only_the_bad_file) {
    Bench bench;
    bench_open(&bench);
    AUTO(problems_finish) Problems problems = {0};
    write_file(&bench, "a.yml", "groups:\n- {name: a, rules: [{record: ra, expr: m}]}\n");
    write_file(&bench, "b.yml", "groups:\n- {name: b, rules: [{record: rb, expr: m}]}\n");
    cr_assert(load_all(&bench, START, &problems));
    write_file(&bench, "a.yml", "groups:\n- {name: a, rules: [{record: ra, expr: m +}]}\n");
    write_file(&bench, "b.yml", "groups:\n- {name: b, rules: [{record: rb, expr: m + 1}]}\n");
    cr_expect(!load_all(&bench, START, &problems));
    cr_expect_eq(problems.items_count, 1);
    feed(&bench, "m 1", START, MINUTE_MS);
    run(&bench, START, 1);
    cr_expect_eq(ask(&bench, "ra", START), 1, "the last good version");
    cr_expect_eq(ask(&bench, "rb", START), 2, "the new one");
    GroupView *groups = NULL;
    size_t count = 0;
    rules_view(bench.rules, &bench.arena, &groups, &count);
    cr_assert_eq(count, 2);
    cr_expect_neq(groups[0].file_error.len, 0);
    cr_expect_eq(groups[1].file_error.len, 0);
    bench_close(&bench);
}

/* The annotation of the one alert there is. */
static Str annotation_of(Bench *bench) {
    GroupView *groups = NULL;
    size_t count = 0;
    rules_view(bench->rules, &bench->arena, &groups, &count);
    cr_assert_eq(count, 1);
    cr_assert_eq(groups[0].rules[0].alert_count, 1);
    return labels_get(groups[0].rules[0].alerts[0].annotations, STR("s"));
}

Test(rules, read_templates_anew_and_keep_the_last_good_ones) {
    Bench bench;
    bench_open(&bench);
    AUTO(problems_finish) Problems problems = {0};
    bench.templates = arena_printf(&bench.arena, "%s/*.tmpl", bench.files.dir);
    write_file(&bench, "a.yml",
               "groups:\n- {name: a, rules: [{alert: A, expr: m, annotations: {s: '{{ template "
               "\"x\" . }}'}}]}\n");
    write_file(&bench, "a.tmpl", "{{ define \"x\" }}one {{ .Value }}{{ end }}");
    feed(&bench, "m 1x9", START, MINUTE_MS);
    cr_assert(load_all(&bench, START, &problems));
    run(&bench, START, 1);
    cr_expect(str_eq(annotation_of(&bench), STR("one 1")));
    write_file(&bench, "a.tmpl", "{{ define \"x\" }}two {{ .Value }}{{ end }}");
    cr_assert(load_all(&bench, START, &problems));
    run(&bench, START + MINUTE_MS, 1);
    cr_expect(str_eq(annotation_of(&bench), STR("two 1")));
    write_file(&bench, "a.tmpl", "{{ define \"x\" }}");
    cr_expect(!load_all(&bench, START, &problems));
    cr_expect_eq(problems.items_count, 1);
    run(&bench, START + 2 * MINUTE_MS, 1);
    cr_expect(str_eq(annotation_of(&bench), STR("two 1")), "the last good ones");
    bench_close(&bench);
}

static Alert copy_alert(Arena *arena, const Alert *alert) {
    Alert copy = *alert;
    copy.rule_key = arena_str(arena, alert->rule_key);
    copy.generator_url = arena_str(arena, alert->generator_url);
    copy.labels = labels_copy(arena, alert->labels);
    copy.annotations = labels_copy(arena, alert->annotations);
    return copy;
}

Test(rules, go_on_after_a_restart_where_they_were) {
    Bench bench;
    bench_open(&bench);
    load(&bench, one_rule, START);
    feed(&bench, "m 1x20", START, MINUTE_MS);
    RulesTick tick = tick_at(&bench, START);
    cr_assert_eq(tick.changes_count, 1);
    Alert saved = copy_alert(&bench.arena, &tick.changes[0].alert);
    rules_tick_finish(&tick);
    expect_log(&bench, "p");

    /* Two minutes of downtime: pending since START, so firing five minutes after it and not later.
     */
    rules_free(bench.rules);
    bench.rules = rules_new(bench.sandbox.engine, &bench.options);
    rules_restore(bench.rules, &saved, 1);
    load(&bench, one_rule, START + 2 * MINUTE_MS + 1);
    run(&bench, START + 2 * MINUTE_MS + 1, 1); /* nothing is due before the next slot */
    run(&bench, START + 3 * MINUTE_MS, 3);
    expect_log(&bench, "..F");
    bench_close(&bench);
}

/* On a busy machine the scheduler's thread may have its first turn only after a slot that began
 * when others were served already. */
Test(rules, evaluate_the_first_slot_after_a_restart_however_late_they_get_to_it) {
    Bench bench;
    bench_open(&bench);
    load(&bench, one_rule, START);
    feed(&bench, "m 1x20", START, MINUTE_MS);
    RulesTick tick = tick_at(&bench, START);
    Alert saved = copy_alert(&bench.arena, &tick.changes[0].alert);
    rules_tick_finish(&tick);

    rules_free(bench.rules);
    bench.rules = rules_new(bench.sandbox.engine, &bench.options);
    rules_restore(bench.rules, &saved, 1);
    load(&bench, one_rule, START + MINUTE_MS / 2);
    rules_begin(bench.rules, START + MINUTE_MS / 2);
    tick = tick_at(&bench, START + MINUTE_MS + 1);
    cr_expect(tick.did_evaluate);
    rules_tick_finish(&tick);
    bench_close(&bench);
}

Test(rules, hold_on_after_a_restart_for_what_is_left) {
    static const char held[] = GROUP("  - {alert: A, expr: m > 0, keep_firing_for: 4m}\n");
    Bench bench;
    bench_open(&bench);
    load(&bench, held, START);
    feed(&bench, "m 1 0x20", START, MINUTE_MS);
    run(&bench, START, 1);
    RulesTick tick = tick_at(&bench, START + MINUTE_MS); /* held from now on */
    expect_log(&bench, "Fc");
    Alert saved = copy_alert(&bench.arena, &tick.changes[0].alert);
    cr_expect_eq(saved.keep_firing_since, START + MINUTE_MS);
    rules_tick_finish(&tick);

    rules_free(bench.rules);
    bench.rules = rules_new(bench.sandbox.engine, &bench.options);
    rules_restore(bench.rules, &saved, 1);
    load(&bench, held, START + 2 * MINUTE_MS + 1);
    run(&bench, START + 2 * MINUTE_MS + 1, 1); /* nothing is due before the next slot */
    run(&bench, START + 3 * MINUTE_MS, 3);
    expect_log(&bench, "..r");
    bench_close(&bench);
}

Test(rules, run_a_broken_file_as_it_was_before_the_restart) {
    Bench bench;
    bench_open(&bench);
    AUTO(problems_finish) Problems problems = {0};
    load(&bench, GROUP("  - {record: r, expr: m}\n"), START);
    RulesFile *files = NULL;
    size_t count = 0;
    rules_files(bench.rules, &bench.arena, &files, &count);
    cr_assert_eq(count, 1);
    write_file(&bench, "rules.yml", GROUP("  - {record: r, expr: m +}\n"));

    rules_free(bench.rules);
    bench.rules = rules_new(bench.sandbox.engine, &bench.options);
    rules_remember(bench.rules, files, count);
    cr_expect(!load_all(&bench, START, &problems));
    feed(&bench, "m 1", START, MINUTE_MS);
    run(&bench, START, 1);
    cr_expect_eq(ask(&bench, "r", START), 1);
    bench_close(&bench);
}

Test(rules, tell_what_each_selector_found) {
    Bench bench;
    bench_open(&bench);
    load(&bench, GROUP("  - {record: a, expr: m}\n  - {record: b, expr: m + on () gone}\n"), START);
    feed(&bench, "m{i=\"1\"} 1", START, MINUTE_MS);
    run(&bench, START, 1);
    GroupView *groups = NULL;
    size_t count = 0;
    rules_view(bench.rules, &bench.arena, &groups, &count);
    const RuleView *rule = &groups[0].rules[1];
    cr_assert_eq(rule->selector_count, 2);
    cr_expect_eq(rule->selectors[0].series, 1, "also where another rule asked before");
    cr_expect_eq(rule->selectors[1].series, 0);
    cr_expect(str_eq(rule->selectors[1].text, STR("gone")), "%.*s",
              STR_ARG(rule->selectors[1].text));
    bench_close(&bench);
}

Test(rules, take_over_alerts_from_imported_series) {
    for (int on = 0; on < 2; on++) {
        Bench bench;
        bench_open(&bench);
        load(
            &bench,
            GROUP(
                "  - {alert: A, expr: m > 0, for: 1h}\n  - {alert: Ended, expr: m > 0, for: 1h}\n"),
            START);
        rules_take_over(bench.rules, on);
        feed(&bench, "m{i=\"1\"} 1x5", START, MINUTE_MS);
        feed(&bench, "ALERTS_FOR_STATE{alertname=\"A\",i=\"1\"} 1699996440x30", /* an hour ago */
             START - HOUR_MS, MINUTE_MS);
        feed(&bench, "ALERTS_FOR_STATE{alertname=\"Ended\",i=\"1\"} 1699996440x30 stale",
             START - HOUR_MS, MINUTE_MS);
        RulesTick tick = tick_at(&bench, START);
        expect_log(&bench, "pp");
        /* Written last half an hour ago, when half an hour was left. */
        cr_expect_eq(tick.changes[0].alert.active_at, on ? START - 30 * MINUTE_MS : START);
        cr_expect_eq(tick.changes[1].alert.active_at, START);
        rules_tick_finish(&tick);
        bench_close(&bench);
    }
}

/* The same rules in another group, those of a group that is gone. */
Test(rules, know_rules_that_were_moved_to_another_group) {
    static const char before[] = GROUP("  - {alert: A, expr: m > 0, for: 5m}\n"
                                       "  - {alert: A, expr: m > 1, for: 5m}\n"
                                       "  - {alert: B, expr: m > 0}\n");
    static const char after[] = "groups:\n- name: other\n  rules:\n"
                                "  - {alert: A, expr: m > 1, for: 5m}\n"
                                "  - {alert: A, expr: m > 0, for: 5m}\n"
                                "  - {alert: B, expr: m > 0, labels: {team: x}}\n";
    for (int by_restart = 0; by_restart < 2; by_restart++) {
        Bench bench;
        bench_open(&bench);
        load(&bench, before, START);
        feed(&bench, "m 1x20", START, MINUTE_MS);
        RulesTick tick = tick_at(&bench, START);
        expect_log(&bench, "pF");
        Alert saved[] = {copy_alert(&bench.arena, &tick.changes[0].alert),
                         copy_alert(&bench.arena, &tick.changes[1].alert)};
        rules_tick_finish(&tick);
        run(&bench, START + MINUTE_MS, 1);
        expect_log(&bench, ".");
        if (by_restart) {
            rules_free(bench.rules);
            bench.rules = rules_new(bench.sandbox.engine, &bench.options);
            rules_restore(bench.rules, saved, 2);
        }
        load(&bench, after, START + MINUTE_MS + 1);
        tick = tick_at(&bench, START + 2 * MINUTE_MS);
        size_t ended = 0;
        for (size_t i = 0; i < tick.changes_count; i++) {
            const AlertChange *change = &tick.changes[i];
            ended += change->event == ALERT_BECAME_RESOLVED;
            cr_expect_neq(change->event, ALERT_BECAME_PENDING, "A has been pending all the time");
        }
        cr_expect_eq(ended, 1, "B has other labels: it is another alert");
        rules_tick_finish(&tick);
        bench.log.len = 0;
        run(&bench, START + 3 * MINUTE_MS, 3);
        /* A after five minutes; after a restart, the first slot is the next one, and B is new. */
        expect_log(&bench, by_restart ? "F.F" : "..F");
        bench_close(&bench);
    }
}

Test(rules, resolve_restored_alerts_whose_rule_is_gone) {
    Bench bench;
    bench_open(&bench);
    load(&bench, one_rule, START);
    Label labels[] = {{STR("alertname"), STR("Old")}};
    Alert firing = {
        .rule_key = STR("0123"), .labels = {labels, 1}, .phase = ALERT_FIRING, .fired_at = START};
    rules_restore(bench.rules, &firing, 1);
    RulesTick tick = tick_at(&bench, START);
    cr_assert_eq(tick.changes_count, 1);
    cr_expect_eq(tick.changes[0].event, ALERT_BECAME_RESOLVED);
    cr_expect_str_eq(tick.changes[0].reason, "rule removed");
    rules_tick_finish(&tick);
    bench_close(&bench);
}

/* ---- the clock ---- */

Test(rules, count_missed_slots_and_do_not_repeat_them) {
    Bench bench;
    bench_open(&bench);
    load(&bench, GROUP("  - {record: r, expr: vector(1)}\n"), START);
    run(&bench, START, 1);
    cr_expect_eq(rules_next_due(bench.rules, START + 1), START + MINUTE_MS);
    run(&bench, START + 5 * MINUTE_MS + 10 * SECOND_MS, 1);
    cr_expect_eq(ask(&bench, "timestamp(r)", START + 5 * MINUTE_MS),
                 (double)((START + 5 * MINUTE_MS) / 1000));
    AUTO(buf_finish) Buf text = {0};
    MetricWriter out = {.buf = &text};
    rules_metrics(bench.rules, &out);
    buf_byte(&text, '\0');
    cr_expect_not_null(strstr(text.ptr, "prometheus_rule_group_iterations_missed_total"));
    const char *missed = strstr(text.ptr, "prometheus_rule_group_iterations_missed_total{");
    cr_assert_not_null(missed);
    cr_expect_not_null(strstr(missed, ";g\"} 4\n"), "%.200s", missed);
    const char *late = strstr(text.ptr, "belfry_rule_group_iterations_late_total{");
    cr_assert_not_null(late);
    cr_expect_not_null(strstr(late, ";g\"} 1\n"), "ten seconds of a minute: %.200s", late);
    bench_close(&bench);
}

Test(rules, go_back_with_the_clock) {
    Bench bench;
    bench_open(&bench);
    load(&bench, GROUP("  - {alert: A, expr: vector(1), for: 5m}\n"), START);
    run(&bench, START, 3);
    expect_log(&bench, "p..");
    TimeMs back = START - HOUR_MS;
    cr_expect_eq(rules_next_due(bench.rules, back), back);
    RulesTick tick = tick_at(&bench, back);
    cr_expect(tick.did_evaluate);
    rules_tick_finish(&tick);
    run(&bench, back + MINUTE_MS, 2);
    expect_log(&bench, "..F"); /* two minutes before, three since */
    cr_expect_eq(rules_next_due(bench.rules, back + 150 * SECOND_MS), back + 3 * MINUTE_MS);

    /* A second is no jump: the slot is not evaluated twice. */
    tick = tick_at(&bench, back + 3 * MINUTE_MS);
    rules_tick_finish(&tick);
    tick = tick_at(&bench, back + 3 * MINUTE_MS - SECOND_MS);
    cr_expect(!tick.did_evaluate);
    rules_tick_finish(&tick);
    bench_close(&bench);
}

/* ---- telemetry ---- */

static const char cluster_rules[] =
    GROUP("  - {alert: Instant, expr: m > 0}\n"
          "  - {alert: Window1m, expr: 'rate(c[1m]) > 0'}\n"
          "  - {alert: Window2m, expr: 'increase(c[2m]) > 0'}\n"
          "  - {alert: Window5m, expr: 'increase(c[5m]) > 70'}\n" /* 75 in a whole window, less in a
                                                                     part of one */
          "  - {alert: Quantile, expr: 'histogram_quantile(0.9, rate(h_bucket[2m])) > 0'}\n");

/* Scrapes every 15 s: a gauge, a counter that grows by 3.75 a scrape, a histogram. */
static void scrape(Bench *bench, TimeMs now) {
    char text[128];
    double ticks = (double)((now - START) / (15 * SECOND_MS) + 1000);
    static const char *const formats[] = {"m{cluster=\"c\"} 1", "c{cluster=\"c\"} %.2f",
                                          "h_bucket{cluster=\"c\",le=\"1\"} %.2f",
                                          "h_bucket{cluster=\"c\",le=\"+Inf\"} %.2f"};
    for (size_t i = 0; i < 4; i++) {
        snprintf(text, sizeof text, formats[i], ticks * 3.75);
        feed(bench, text, now, 15 * SECOND_MS);
    }
}

/* The source is dark for `dark` after 10 minutes; everything that happens from then on, without
 * CHANGED. */
static void assert_no_resolve(DurationMs dark, bool restart) {
    Bench bench;
    bench_open_with(&bench, (RulesOptions){.hold = true, .lost_after = 5 * MINUTE_MS});
    load(&bench, cluster_rules, START);
    TimeMs from = START + 10 * MINUTE_MS + 7 * SECOND_MS, to = from + dark;
    size_t pages = 0, lost = 0;
    for (TimeMs now = START; now < to + 15 * MINUTE_MS; now += 5 * SECOND_MS) {
        bool is_scrape = (now - START) % (15 * SECOND_MS) == 0;
        if (is_scrape && (now < from || now >= to)) {
            scrape(&bench, now);
        }
        if (restart && now > from && now < to) {
            bench.options.started_at = now + 5 * SECOND_MS;
            continue; /* we are down, too */
        }
        if (restart && now >= to && now < to + 5 * SECOND_MS) {
            rules_set_options(bench.rules, &bench.options);
        }
        RulesTick tick = tick_at(&bench, now);
        for (size_t i = 0; i < tick.changes_count; i++) {
            const AlertChange *change = &tick.changes[i];
            bool is_lost =
                str_eq(labels_get(change->alert.labels, STR("alertname")), STR("TelemetryLost"));
            pages += change->event == ALERT_BECAME_FIRING && !is_lost;
            lost += change->event == ALERT_BECAME_FIRING && is_lost;
            cr_expect(change->event != ALERT_BECAME_RESOLVED || is_lost,
                      "%.*s resolved %lld s after the gap began",
                      STR_ARG(labels_get(change->alert.labels, STR("alertname"))),
                      (long long)((now - from) / 1000));
        }
        rules_tick_finish(&tick);
    }
    cr_expect_eq(pages, 5, "dark %lld s: %zu pages", (long long)(dark / 1000), pages);
    cr_expect_eq(lost, dark > 5 * MINUTE_MS + 30 * SECOND_MS && !restart, "%zu lost", lost);
    bench_close(&bench);
}

Test(rules, do_not_resolve_while_a_source_is_dark) {
    assert_no_resolve(MINUTE_MS, false);
    assert_no_resolve(3 * MINUTE_MS, false);
    assert_no_resolve(10 * MINUTE_MS, false);
}

Test(rules, do_not_resolve_after_an_outage_of_our_own) {
    assert_no_resolve(10 * MINUTE_MS, true);
}

Test(rules, do_not_call_a_source_back_at_a_restart) {
    Bench bench;
    bench_open_with(&bench, (RulesOptions){.hold = true, .lost_after = 5 * MINUTE_MS});
    load(&bench, one_rule, START);
    feed(&bench, "up{cluster=\"c\"} 1x3", START - MINUTE_MS, 15 * SECOND_MS);
    run(&bench, START, 6);
    RulesTick tick = tick_at(&bench, START + 6 * MINUTE_MS);
    expect_log(&bench, "......F");
    Alert saved = copy_alert(&bench.arena, &tick.changes[0].alert);
    rules_tick_finish(&tick);

    rules_free(bench.rules);
    bench.options.started_at = START + 6 * MINUTE_MS + 1;
    bench.rules = rules_new(bench.sandbox.engine, &bench.options);
    rules_restore(bench.rules, &saved, 1);
    load(&bench, one_rule, bench.options.started_at);
    run(&bench, START + 6 * MINUTE_MS + 1, 1);
    run(&bench, START + 7 * MINUTE_MS, 2);
    feed(&bench, "up{cluster=\"c\"} 1x3", START + 8 * MINUTE_MS + 10 * SECOND_MS, 15 * SECOND_MS);
    run(&bench, START + 9 * MINUTE_MS, 1);
    expect_log(&bench, "ccr"); /* its annotations tell how long it has been */
    bench_close(&bench);
}

Test(rules, resolve_when_the_condition_is_gone_and_telemetry_is_there) {
    Bench bench;
    bench_open_with(&bench, (RulesOptions){.hold = true});
    load(&bench, GROUP("  - {alert: A, expr: m > 0}\n"), START);
    feed(&bench, "m{cluster=\"c\"} 1 1 0 0", START, MINUTE_MS);
    feed(&bench, "up{cluster=\"c\"} 1x8", START, 30 * SECOND_MS);
    run(&bench, START, 4);
    expect_log(&bench, "F.r.");
    bench_close(&bench);
}

/* ---- groups that hold up others ---- */

Test(rules, put_groups_aside_that_hold_up_others_and_take_them_back_when_they_are_quick) {
    static const struct {
        DurationMs interval, took;
        bool was_slow, want;
    } cases[] = {
        /* a third of the interval */
        {6000, 1999, false, false},
        {6000, 2001, false, true},
        /* at least a second */
        {1000, 999, false, false},
        {1000, 1001, false, true},
        /* at most five: others have shorter intervals */
        {3600000, 4999, false, false},
        {3600000, 5001, false, true},
        /* back only when well below */
        {6000, 1900, true, true},
        {6000, 501, true, true},
        {6000, 499, true, false},
    };
    cr_expect_eq(slot_patience((SlotTiming){.interval = HOUR_MS}, false), SECOND_MS, "remote");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        DurationMs patience = slot_patience((SlotTiming){.interval = cases[i].interval}, true);
        cr_expect_eq(slot_holds_up(patience, cases[i].took, cases[i].was_slow), cases[i].want,
                     "case %zu", i);
    }
}
