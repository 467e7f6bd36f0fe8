/* Replay: the same rings as live, whatever is worked out ahead; and what is counted from them. */

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "promql/ast.h"
#include "rules/replay_internal.h"
#include "rules/sandbox.h"

#define START INT64_C(1700000040000) /* a whole minute */

enum { MINUTES = 400, NODES = 5 };

/* Recordings read by the same group and by another, alerts about alerts, a window, absence, an
 * offset, a template that asks, a rule that fails at some steps and not at others. */
static const char *const rules_text =
    "groups:\n"
    "  - name: a\n"
    "    rules:\n"
    "      - record: node:load:avg\n"
    "        expr: avg_over_time(load[3m])\n"
    "      - alert: Busy\n"
    "        expr: node:load:avg > 0.6 and on (node) load > 0.2\n"
    "        for: 2m\n"
    "        labels: {severity: warning}\n"
    "        annotations: {summary: '{{ query \"count(load)\" | first | value }} {{ $value }}'}\n"
    "      - alert: Kept\n"
    "        expr: load > 0.95\n"
    "        keep_firing_for: 5m\n"
    "      - alert: Gone\n"
    "        expr: absent(load{node=\"0\"})\n"
    "      - alert: Clash\n"
    "        expr: label_replace(load > 0.9, \"node\", \"x\", \"\", \"\")\n"
    "  - name: b\n"
    "    interval: 30s\n"
    "    rules:\n"
    "      - alert: Many\n"
    "        expr: count(ALERTS{alertname=\"Busy\", alertstate=\"firing\"}) > 1\n"
    "      - alert: OtherGroup\n"
    "        expr: node:load:avg offset 2m > 0.7\n"
    "        for: 90s\n"
    "      - alert: Sub\n"
    "        expr: max_over_time(deriv(load[4m])[10m:1m]) > 0.0004\n";

static double load_at(int node, int minute) {
    double wave = 0.5 + 0.45 * sin(minute / 17.0 + node);
    return wave + 0.05 * sin(minute * (node + 1));
}

/* Node 0 is gone for 40 minutes, with a stale marker; node 1 without. */
static void write_history(Engine *engine) {
    AUTO(arena_finish) Arena arena = {0};
    SeriesList list = {0};
    uint64_t lsn = 0, ticket = 0;
    Err err = {0};
    for (int node = 0; node < NODES; node++) {
        Label *labels = arena_array(&arena, Label, 2);
        LabelSet set;
        labels[0] = (Label){STR("__name__"), STR("load")};
        labels[1] = (Label){STR("node"), arena_printf(&arena, "%d", node)};
        cr_assert(labels_build(labels, 2, &set, &err));
        for (int minute = 0; minute < MINUTES; minute++) {
            TimeMs time = START + minute * MINUTE_MS - 7000;
            if (node < 2 && minute >= 200 && minute < 240) {
                if (node == 0 && minute == 200) {
                    series_list_add_stale(&list, set, time);
                }
                continue;
            }
            series_list_add(&list, set, time, load_at(node, minute));
        }
    }
    cr_assert(series_list_write(&list, engine, START, &lsn, &ticket, &err), "%s", err.text);
    series_list_finish(&list);
}

static char rules_path[4096];

static void write_rules(const Sandbox *sandbox, const char *text) {
    Err err = {0};
    int len = snprintf(rules_path, sizeof rules_path, "%s-rules.yml", sandbox->dir);
    cr_assert(len > 0 && (size_t)len < sizeof rules_path);
    cr_assert(file_replace(rules_path, str_of(text), &err), "%s", err.text);
}

static void print_change(Buf *out, const AlertChange *change) {
    if (change->event == ALERT_BECAME_FIRING) {
        buf_printf(out, "%lld fires ", (long long)(change->alert.fired_at - START) / 1000);
    } else if (change->event == ALERT_BECAME_RESOLVED) {
        buf_printf(out, "%lld ends ", (long long)(change->alert.resolved_at - START) / 1000);
    } else {
        return;
    }
    labels_print(out, change->alert.labels);
    buf_byte(out, '\n');
}

static int by_line(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Lines in an order of their own: two runs are compared as sets. */
static void sort_lines(Buf *text) {
    char *lines[4096];
    size_t count = 0;
    AUTO(buf_finish) Buf sorted = {0};
    buf_byte(text, '\0');
    for (char *line = strtok(text->ptr, "\n"); line; line = strtok(NULL, "\n")) {
        cr_assert_lt(count, 4096);
        lines[count++] = line;
    }
    qsort(lines, count, sizeof *lines, by_line);
    for (size_t i = 0; i < count; i++) {
        buf_printf(&sorted, "%s\n", lines[i]);
    }
    buf_byte(&sorted, '\0');
    Buf swap = *text;
    *text = sorted;
    sorted = swap;
}

/* What a server over the same samples would have done. */
static void run_live(Buf *out) {
    Sandbox sandbox;
    Err err = {0};
    cr_assert(sandbox_open(&sandbox, NULL, 1, &err), "%s", err.text);
    write_history(sandbox.engine);
    RulesOptions options = {
        .evaluation_interval = MINUTE_MS, .lookback = 5 * MINUTE_MS, .started_at = START};
    Rules *rules = rules_new(sandbox.engine, &options);
    Problems problems = {0};
    RulesSource source = {.pattern = str_of(rules_path)};
    cr_assert(rules_load(rules, &source, 1, START, &problems));
    for (TimeMs now = START; now <= START + MINUTES * MINUTE_MS;) {
        RulesTick tick;
        rules_tick(rules, now, &tick);
        for (size_t i = 0; i < tick.changes_count; i++) {
            print_change(out, &tick.changes[i]);
        }
        cr_assert(rules_write_alerts(rules, &tick, now, &err), "%s", err.text);
        bool again = tick.did_evaluate;
        rules_tick_finish(&tick);
        now = again ? now : rules_next_due(rules, now);
    }
    rules_free(rules);
    problems_finish(&problems);
    sandbox_close(&sandbox);
}

static Zone *utc(void) {
    Zone *zone = NULL;
    Err err = {0};
    cr_assert(zone_load(STR("UTC"), &zone, &err), "%s", err.text);
    return zone;
}

static ReplayReport run_replay(const Sandbox *history, ReplayOptions options) {
    ReplayReport report;
    Problems problems = {0};
    Err err = {0};
    RulesSource source = {.pattern = str_of(rules_path)};
    options.base = history->engine;
    options.store = history->store;
    options.rules.evaluation_interval = MINUTE_MS;
    options.rules.lookback = 5 * MINUTE_MS;
    options.sources = &source;
    options.source_count = 1;
    options.from = START;
    options.to = START + MINUTES * MINUTE_MS;
    bool ok = rules_replay(&options, &report, &problems, &err);
    cr_assert(ok, "%s", err.text);
    problems_finish(&problems);
    return report;
}

static void print_ring(Buf *out, const ReplayRing *ring) {
    buf_printf(out, "%lld fires ", (long long)(ring->fired_at - START) / 1000);
    labels_print(out, ring->labels);
    buf_byte(out, '\n');
    if (!ring->is_open) {
        buf_printf(out, "%lld ends ", (long long)(ring->ended_at - START) / 1000);
        labels_print(out, ring->labels);
        buf_byte(out, '\n');
    }
}

static const ReplayAlert *alert_of(const ReplayRun *run, const char *name) {
    for (size_t i = 0; i < run->alert_count; i++) {
        if (str_eq(run->alerts[i].name, str_of(name))) {
            return &run->alerts[i];
        }
    }
    cr_assert_fail("no alert %s", name);
    return NULL;
}

Test(replay, rings_as_live_does) {
    Sandbox history;
    Err err = {0};
    cr_assert(sandbox_open(&history, NULL, 1, &err), "%s", err.text);
    write_history(history.engine);
    write_rules(&history, rules_text);
    AUTO(buf_finish) Buf live = {0};
    AUTO(buf_finish) Buf replayed = {0};
    run_live(&live);
    Zone *zone = utc();
    ReplayReport report = run_replay(&history, (ReplayOptions){.policy = {.zone = zone}});
    for (size_t i = 0; i < report.runs[0].alert_count; i++) {
        for (size_t k = 0; k < report.runs[0].alerts[i].ring_count; k++) {
            print_ring(&replayed, &report.runs[0].alerts[i].rings[k]);
        }
    }
    for (size_t i = 0; i < report.runs[0].alert_count; i++) {
        const ReplayAlert *alert = &report.runs[0].alerts[i];
        cr_expect(alert->ring_count > 0 || str_eq(alert->name, STR("Clash")), "%.*s never rang",
                  STR_ARG(alert->name));
    }
    sort_lines(&live);
    sort_lines(&replayed);
    cr_expect_str_eq(replayed.ptr, live.ptr);
    cr_expect_gt(alert_of(&report.runs[0], "Clash")->failures, 0);
    cr_expect(alert_of(&report.runs[0], "Clash")->last_error.len > 0, "also where it ended well");
    cr_expect_lt(alert_of(&report.runs[0], "Clash")->failures,
                 alert_of(&report.runs[0], "Clash")->evaluations);
    replay_report_finish(&report);
    zone_free(zone);
    unlink(rules_path);
    sandbox_close(&history);
}

Test(replay, tries_variants_side_by_side) {
    AUTO(arena_finish) Arena arena = {0};
    Sandbox history;
    Err err = {0};
    cr_assert(sandbox_open(&history, NULL, 1, &err), "%s", err.text);
    write_history(history.engine);
    write_rules(&history, rules_text);
    ReplayVariant variants[3];
    Str only = STR("Kept");
    cr_assert(replay_variant_parse(&arena, STR("keep_firing_for=0s"), &variants[0], &err));
    cr_assert(replay_variant_parse(&arena, STR("threshold=0.5, for=1h"), &variants[1], &err));
    cr_assert(replay_variant_parse(&arena, STR("threshold=2"), &variants[2], &err));
    Zone *zone = utc();
    ReplayReport report = run_replay(&history, (ReplayOptions){.policy = {.zone = zone},
                                                               .variants = variants,
                                                               .variant_count = 3,
                                                               .only = &only,
                                                               .only_count = 1});
    cr_assert_eq(report.run_count, 4);
    cr_assert_eq(report.runs[0].alert_count, 1);
    cr_expect_gt(report.runs[1].alerts[0].rang, report.runs[0].alerts[0].rang,
                 "without keep_firing_for it rings more often");
    cr_expect_lt(report.runs[1].alerts[0].firing, report.runs[0].alerts[0].firing);
    cr_expect_eq(report.runs[2].alerts[0].rang, 0, "no wave is over 0.5 for an hour");
    cr_expect_gt(report.runs[2].alerts[0].pending_only, 0);
    cr_expect_eq(report.runs[3].alerts[0].rang, 0);
    cr_expect_eq(report.runs[3].alerts[0].pending_only, 0);
    replay_report_finish(&report);
    zone_free(zone);
    unlink(rules_path);
    sandbox_close(&history);
}

Test(replay, finds_the_threshold) {
    static const struct {
        const char *expr, *number; /* NULL: there is none */
    } cases[] = {
        {"up == 0", "0"},
        {"0.9 < a", "0.9"},
        {"a > -5", "-5"},
        {"a > (1e3)", "(1e3)"},
        {"sum(rate(a[5m])) by (b) / c > 0.05 and d > 7", "0.05"},
        {"(a and b > 3) or c", "3"},
        {"count(a == 1) > 2", "2"},
        {"sum(a > bool 4)", "4"},
        {"a > b", NULL},
        {"a > b * 2", NULL},
        {"vector(1)", NULL},
        {"1 > 0", NULL},
        {"1 > bool 2", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO(arena_finish) Arena arena = {0};
        const Expr *expr = NULL;
        Err err = {0};
        uint32_t start = 0, end = 0;
        Str text = str_of(cases[i].expr);
        if (!promql_parse(&arena, text, PROMQL_PROMETHEUS, &expr, &err)) {
            cr_expect(cases[i].number == NULL, "%s: %s", cases[i].expr, err.text);
            continue;
        }
        bool found = replay_threshold_find(expr, &start, &end);
        cr_expect_eq(found, cases[i].number != NULL, "%s", cases[i].expr);
        if (found && cases[i].number) {
            cr_expect(str_eq((Str){text.ptr + start, end - start}, str_of(cases[i].number)),
                      "%s: %.*s", cases[i].expr, (int)(end - start), text.ptr + start);
        }
        expr_finish(expr);
    }
}

Test(replay, reads_sweeps) {
    static const struct {
        const char *text, *want; /* names, or the error */
    } cases[] = {
        {"0.7:0.95:0.05", "threshold=0.7 threshold=0.75 threshold=0.8 threshold=0.85 "
                          "threshold=0.9 threshold=0.95 "},
        {"10:0:-5", "threshold=10 threshold=5 threshold=0 "},
        {"for=0s:15m:5m", "for=0s for=5m for=10m for=15m "},
        {"1:2:3", "threshold=1 "},
        {"1:2", "\"1:2\" is not FIRST:LAST:STEP"},
        {"1:2:0.5:7", "\"1:2:0.5:7\" is not FIRST:LAST:STEP"},
        {"1:2:0", "\"1:2:0\": the step does not lead from first to last"},
        {"1:2:-1", "\"1:2:-1\": the step does not lead from first to last"},
        {"1:x:1", "\"1:x:1\": \"x\" is no number"},
        {"0:1:0.001", "\"0:1:0.001\" is more than 50 values"},
        {"fur=1m:2m:1m",
         "\"fur\" cannot be changed; did you mean for?: for, keep_firing_for and threshold can"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO(arena_finish) Arena arena = {0};
        AUTO(buf_finish) Buf got = {0};
        ReplayVariant *variants = NULL;
        size_t count = 0;
        Err err = {0};
        if (!replay_sweep_parse(&arena, str_of(cases[i].text), &variants, &count, &err)) {
            buf_str(&got, str_of(err.text));
        }
        for (size_t k = 0; k < count; k++) {
            buf_printf(&got, "%.*s ", STR_ARG(variants[k].name));
        }
        cr_expect(str_eq(buf_view(&got), str_of(cases[i].want)), "%s: got %.*s", cases[i].text,
                  STR_ARG(buf_view(&got)));
    }
}

static LabelSet one_label(const char *value) {
    static Label labels[2] = {{{"a", 1}, {"x", 1}}, {{"a", 1}, {"y", 1}}};
    return (LabelSet){&labels[value[0] == 'y'], 1};
}

Test(replay, counts_nights_and_flapping) {
    AUTO(arena_finish) Arena arena = {0};
    Zone *zone = NULL;
    Err err = {0};
    cr_assert(zone_load(STR("Europe/Berlin"), &zone, &err), "%s", err.text);
    TimeMs from = INT64_C(1699999200000); /* 2023-11-14 23:00 in Berlin */
    ReplayRing rings[] = {
        {.labels = one_label("x"),
         .fired_at = from - HOUR_MS,
         .ended_at = from + HOUR_MS,
         .began_before = true},
        {.labels = one_label("x"),
         .fired_at = from + HOUR_MS + 10 * MINUTE_MS,
         .ended_at = from + 2 * HOUR_MS}, /* 0:10, flap */
        {.labels = one_label("y"),
         .fired_at = from + 2 * HOUR_MS,
         .ended_at = from + 3 * HOUR_MS}, /* 1:00 */
        {.labels = one_label("x"),
         .fired_at = from + 8 * HOUR_MS,
         .ended_at = from + 9 * HOUR_MS}, /* 7:00: day */
    };
    ReplayAlert alert = {.rings = rings, .ring_count = 4};
    ReplayPolicy policy = {
        .zone = zone, .night_from = 22 * 60, .night_to = 7 * 60, .flap_within = 30 * MINUTE_MS};
    replay_judge(&alert, &policy, from, from + 7 * DAY_MS, &arena);
    cr_expect_eq(alert.rang, 3);
    cr_expect_eq(alert.by_night, 2);
    cr_expect_eq(alert.flapped, 1);
    cr_expect_eq(alert.instances, 2);
    cr_expect_eq(alert.firing, 3 * HOUR_MS + 50 * MINUTE_MS, "only what lies in the report");
    cr_expect_eq(alert.longest, HOUR_MS);
    cr_expect_float_eq(alert.per_week, 3, 1e-9);
    zone_free(zone);
}

Test(replay, asks_whose_threshold_is_meant) {
    Sandbox history;
    Err err = {0};
    Problems problems = {0};
    ReplayReport report;
    AUTO(arena_finish) Arena arena = {0};
    ReplayVariant variant;
    cr_assert(sandbox_open(&history, NULL, 1, &err), "%s", err.text);
    write_rules(&history, rules_text);
    cr_assert(replay_variant_parse(&arena, STR("threshold=1"), &variant, &err));
    RulesSource source = {.pattern = str_of(rules_path)};
    ReplayOptions options = {.base = history.engine,
                             .store = history.store,
                             .sources = &source,
                             .source_count = 1,
                             .from = START,
                             .to = START + HOUR_MS,
                             .variants = &variant,
                             .variant_count = 1};
    cr_assert_not(rules_replay(&options, &report, &problems, &err));
    cr_expect_str_eq(err.text, "threshold=1: whose threshold? choose with --rule: Busy, Kept, "
                               "Clash, Many, OtherGroup, Sub");
    Str only = STR("Bussy");
    options.only = &only;
    options.only_count = 1;
    options.variant_count = 0;
    cr_assert_not(rules_replay(&options, &report, &problems, &err));
    cr_expect_str_eq(err.text, "no alert is called \"Bussy\", did you mean \"Busy\"?");
    problems_finish(&problems);
    unlink(rules_path);
    sandbox_close(&history);
}
