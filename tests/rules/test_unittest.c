/*
 * belfry test: what it has beyond promtool, and what it says of files that are wrong. The corpora
 * of others are in test_corpus_unittest.c.
 */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "rules/rules.h"

static char dir[64];

static void open_folder(void) {
    snprintf(dir, sizeof dir, "/tmp/belfry-unittest-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void remove_folder(void) {
    Err err = {0};
    cr_assert(dir_remove(dir, &err), "%s", err.text);
}

static Str put_file(Arena *arena, const char *name, Str text) {
    Err err = {0};
    Str path = arena_printf(arena, "%s/%s", dir, name);
    cr_assert(file_replace(path.ptr, text, &err), "%s", err.text);
    return path;
}

static const char rules_text[] =
    "groups:\n"
    "- name: g\n"
    "  rules:\n"
    "  - {record: 'disk:max', expr: max(disk)}\n"
    "  - {alert: Full, expr: disk > 90, for: 2m, annotations: {summary: 'at {{ $value }}'}}\n";

#define HEAD "rule_files: [rules.yml]\nevaluation_interval: 1m\ntests:\n- interval: 1m\n"
#define DISK "  input_series: [{series: 'disk{d=\"a\"}', values: '95x4 50x4'}]\n"
#define ALERTS HEAD DISK "  alert_rule_test:\n"

static RulesTestOptions options; /* the command line */

/* 1 = passes, 0 = fails with `said` in the report, -1 = not run, with `said` among the problems. */
static void assert_outcome(const char *text, int want, const char *said) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(problems_finish) Problems problems = {0};
    AUTO(buf_finish) Buf all = {0};
    RulesTestReport report = {0};
    put_file(&arena, "rules.yml", str_of(rules_text));
    Str path = put_file(&arena, "test.yml", str_of(text));
    bool ran = rules_unittest(path, &options, &report, &problems);
    int outcome = ran ? report.failed == 0 && report.passed > 0 : -1;
    problems_print(&problems, &all);
    buf_str(&all, buf_view(&report.text));
    cr_expect_eq(outcome, want, "%s\n%.*s", text, STR_ARG(buf_view(&all)));
    cr_expect(!*said || memmem(all.ptr, all.len, said, strlen(said)), "no \"%s\" in\n%.*s", said,
              STR_ARG(buf_view(&all)));
    buf_finish(&report.text);
    buf_finish(&report.junit);
}

TestSuite(unittest, .init = open_folder, .fini = remove_folder);

Test(unittest, asserts_states) {
    assert_outcome(ALERTS "  - {eval_time: 1m, alertname: Full, exp_alerts:"
                          " [{exp_labels: {d: a}, exp_state: pending}]}\n"
                          "  - {eval_time: 3m, alertname: Full, exp_alerts:"
                          " [{exp_labels: {d: a}, exp_state: firing}]}\n"
                          "  - {eval_time: 5m, alertname: Full, exp_alerts:"
                          " [{exp_labels: {d: a}, exp_state: resolved}]}\n"
                          "  - {eval_time: 6m, alertname: Full, exp_alerts: []}\n",
                   1, "");
    assert_outcome(ALERTS "  - {eval_time: 1m, alertname: Full, exp_alerts:"
                          " [{exp_labels: {d: a}, exp_state: firing}]}\n",
                   0, "State:pending");
    /* Annotations that are written are compared, with a state too. */
    assert_outcome(ALERTS "  - {eval_time: 1m, alertname: Full, exp_alerts: [{exp_labels: {d: a},"
                          " exp_state: pending, exp_annotations: {summary: at 95}}]}\n",
                   1, "");
    assert_outcome(ALERTS "  - {eval_time: 1m, alertname: Full, exp_alerts: [{exp_labels: {d: a},"
                          " exp_state: pending, exp_annotations: {summary: at 96}}]}\n",
                   0, "summary=\"at 96\"");
    assert_outcome(ALERTS "  - {eval_time: 1m, alertname: Full, exp_alerts:"
                          " [{exp_labels: {d: a}, exp_state: burning}]}\n",
                   -1, "exp_state has to be pending, firing or resolved");
}

Test(unittest, compares_annotations_as_promtool_does_where_no_state_is_named) {
    assert_outcome(ALERTS
                   "  - {eval_time: 3m, alertname: Full, exp_alerts: [{exp_labels: {d: a}}]}\n",
                   0, "summary=\"at 95\"");
    assert_outcome(ALERTS "  - {eval_time: 1m, alertname: Full, exp_alerts: []}\n", 1, "");
}

Test(unittest, fails_on_a_name_that_no_alert_has) {
    assert_outcome(ALERTS "  - {eval_time: 3m, alertname: Ful, exp_alerts: []}\n", 0,
                   "Ful: no alerting rule of this name in the rule files, did you mean \"Full\"?");
    assert_outcome(ALERTS "  - {eval_time: 3m, alertname: Nothing, exp_alerts: []}\n", 0,
                   "of this name in the rule files\n");
}

/* The clock of a unit test begins at 0, which is a time as any other. */
Test(unittest, count_what_holds_at_the_first_instant) {
    assert_outcome(ALERTS
                   "  - {eval_time: 0, alertname: Full, exp_alerts:"
                   " [{exp_labels: {d: a}, exp_state: pending}]}\n"
                   "  - {eval_time: 2m, alertname: Full, exp_alerts:"
                   " [{exp_labels: {d: a}, exp_annotations: {summary: at 95}}]}\n"
                   "  promql_expr_test:\n"
                   "  - {expr: 'count_over_time(disk:max[1h])', eval_time: 1m,"
                   " exp_samples: [{labels: '{}', value: 2}]}\n"
                   "  - {expr: 'ALERTS @ 0', eval_time: 3m, exp_samples: [{labels:"
                   " 'ALERTS{alertname=\"Full\", alertstate=\"pending\", d=\"a\"}', value: 1}]}\n",
                   1, "");
}

Test(unittest, use_templates_of_files) {
    AUTO(arena_finish) Arena arena = {0};
    put_file(&arena, "a.tmpl", STR("{{ define \"val\" }}{{ printf \"%.1f\" . }}{{ end }}\n"));
    put_file(&arena, "b.tmpl", STR("{{ define \"where\" }}{{ .Labels.d | toUpper }}{{ end }}\n"));
    put_file(&arena, "v.yml",
             STR("groups:\n"
                 "- name: g\n"
                 "  rules:\n"
                 "  - alert: A\n"
                 "    expr: disk > 90\n"
                 "    annotations: {s: '{{ template \"where\" . }} at {{ template \"val\" $value "
                 "}}'}\n"));
    static const char text[] =
        "rule_files: [v.yml]\nevaluation_interval: 1m\ntests:\n- interval: 1m\n" DISK
        "  alert_rule_test: [{eval_time: 1m, alertname: A, exp_alerts:"
        " [{exp_labels: {d: a}, exp_annotations: {s: A at 95.0}}]}]\n";
    assert_outcome(text, 0, "not defined");
    options.templates = arena_printf(&arena, "%s/a.tmpl, %s/b.tm*", dir, dir);
    assert_outcome(text, 1, "");
    options.templates = arena_printf(&arena, "%s/none.tmpl", dir);
    assert_outcome(text, 0, "no file matches");
    put_file(&arena, "a.tmpl", STR("{{ define \"val\" }}{{ nothing }}{{ end }}\n"));
    options.templates = arena_printf(&arena, "%s/a.tmpl", dir);
    assert_outcome(text, 0, "a.tmpl: template: a.tmpl:1: function \"nothing\" not defined");
    options = (RulesTestOptions){0};
}

Test(unittest, take_values_behind_the_name_of_a_series_too) {
    assert_outcome(HEAD "  input_series: [{series: 'm{i=\"1\"} 5', values: '6 7'}]\n"
                        "  promql_expr_test:\n"
                        "  - {expr: 'm', eval_time: 2m,"
                        " exp_samples: [{labels: 'm{i=\"1\"}', value: 7}]}\n"
                        "  - {expr: 'm @ 0', eval_time: 2m,"
                        " exp_samples: [{labels: 'm{i=\"1\"}', value: 5}]}\n",
                   1, "");
}

Test(unittest, takes_more_samples_than_promtool_and_knows_nan) {
    assert_outcome(HEAD "  input_series: [{series: 'm{i=\"1\"}', values: '1x20000'}]\n"
                        "  promql_expr_test:\n"
                        "  - {expr: 'count_over_time(m[20000m])', eval_time: 20000m,"
                        " exp_samples: [{labels: '{i=\"1\"}', value: 20000}]}\n"
                        "  - {expr: 'm * NaN', eval_time: 1m,"
                        " exp_samples: [{labels: '{i=\"1\"}', value: NaN}]}\n",
                   1, "");
}

Test(unittest, names_all_that_is_wrong_with_a_file) {
    static const char text[] = "rule_files: [rules.yml]\ntests:\n- interval: 5\n  inputs: []\n"
                               "  alert_rule_test: [{eval_time: x, alertname: Full}]\n";
    assert_outcome(text, -1, "test.yml:3:13: interval");
    assert_outcome(text, -1, "unknown key \"inputs\"");
    assert_outcome(text, -1, "test.yml:5:33: eval_time");
    assert_outcome(HEAD "  input_series: [{series: m, values: '1 stalex3'}]\n", -1,
                   "expected number or \"stale\"");
    assert_outcome(ALERTS "  - {eval_time: 3m, alertname: Full, exp_alerts:"
                          " [{exp_labels: {d: a, d: a}, exp_annotations: {summary: at 95}}]}\n",
                   -1, "key \"d\" already set in map");
    assert_outcome("rule_files: [rulez.yml]\ntests: []\n", 0, "rulez.yml: no such file");
}

/* vmalert counts a template that fails as a fault of its rule; the test goes on. */
Test(unittest, go_on_where_a_template_fails, .init = open_folder, .fini = remove_folder) {
    AUTO(arena_finish) Arena arena = {0};
    put_file(&arena, "v.yml",
             STR("groups:\n"
                 "- {name: g, concurrency: 1, rules: [{alert: A, expr: disk > 90, annotations: "
                 "{s: '{{ query \"none\" | first | value }}'}}]}\n"));
    assert_outcome("rule_files: [v.yml]\nevaluation_interval: 1m\ntests:\n- interval: 1m\n" DISK
                   "  metricsql_expr_test: [{expr: disk, eval_time: 1m, exp_samples: [{labels: "
                   "'disk{d=\"a\"}', value: 95}]}]\n",
                   1, "");
}

#define UP "  input_series: [{series: up, values: '0+1x10 1+2'}]\n"

Test(unittest, begin_when_their_tool_begins_or_as_told) {
    const char *from_2000 = HEAD UP "  metricsql_expr_test: [{expr: timestamp(up), eval_time: 1m,"
                                    " exp_samples: [{value: 946684860}]}]\n";
    const char *from_1970 = HEAD UP "  metricsql_expr_test: [{expr: timestamp(up), eval_time: 1m,"
                                    " exp_samples: [{value: 60}]}]\n";
    assert_outcome(from_2000, 1, "");
    assert_outcome(from_1970, 1, "passes only when it begins in 1970");
    options = (RulesTestOptions){.has_start = true, .start = 1000 * MINUTE_MS};
    assert_outcome(from_1970, 0, "6.006e+04");
    options = (RulesTestOptions){0};
}

Test(unittest, read_vmalerts_expressions_and_values) {
    assert_outcome(HEAD UP
                   "  metricsql_expr_test:\n"
                   "  - {expr: 'gone default 7', eval_time: 1m, exp_samples: [{value: 7}]}\n"
                   "  - {expr: up, eval_time: 11m, exp_samples: [{labels: up, value: 3}]}\n",
                   1, "");
    assert_outcome(HEAD DISK
                   "  promql_expr_test:\n"
                   "  - {expr: 'gone default 7', eval_time: 1m, exp_samples: [{value: 7}]}\n",
                   0, "parse error: unexpected identifier \"default\"");
    assert_outcome(HEAD DISK "  promql_expr_test: [{expr: 'disk{d=\"a\"}', eval_time: 1m}]\n", 0,
                   "expr: \"disk{d=\\\"a\\\"}\", time: 1m,");
    assert_outcome(HEAD UP "  promql_expr_test: []\n", -1, "series values");
}

Test(unittest, take_what_vmalert_tool_is_told_on_its_command_line) {
    const char *labelled =
        ALERTS "  - {eval_time: 3m, alertname: Full, groupname: g, exp_alerts: [{exp_labels: {d: a,"
               " cluster: c}, exp_annotations: {summary: at 95}}]}\n";
    const char *groupless =
        ALERTS "  - {eval_time: 3m, alertname: Full, exp_alerts: [{exp_labels: {d: a},"
               " exp_annotations: {summary: at 95}}]}\n"
               "  metricsql_expr_test: [{expr: 'count(disk)', eval_time: 1m, exp_samples: [{value: "
               "1}]}]\n";
    Label cluster = {STR("cluster"), STR("c")};
    options = (RulesTestOptions){.external_labels = {&cluster, 1}};
    assert_outcome(labelled, 1, "");
    options = (RulesTestOptions){0};
    assert_outcome(labelled, 0, "cluster=\"c\"");
    assert_outcome(groupless, 1, "");
}
