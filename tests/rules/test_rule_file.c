/*
 * What rule files may say, and what is complained of: a file in a row, with the complaint or none.
 */

#include <criterion/criterion.h>
#include <stdlib.h>

#include "rules/rule_duration.h"
#include "rules/rule_file.h"

/* `want` is a part of the complaint; NULL: the file loads. */
typedef struct FileCase {
    RulesFlavour flavour;
    const char *text;
    const char *want;
} FileCase;

static void check_file(const FileCase *c) {
    AUTO(problems_finish) Problems problems = {0};
    AUTO(rule_file_unrefp) RuleFile *file = NULL;
    AUTO(buf_finish) Buf text = {0};
    bool ok = rule_file_load(STR("f.yml"), str_of(c->text), c->flavour, &file, &problems);
    problems_print(&problems, &text);
    buf_byte(&text, '\0');
    if (!c->want) {
        cr_expect(ok, "%s\nrefused: %s", c->text, text.ptr);
        return;
    }
    cr_expect(!ok, "%s\nshould be refused: %s", c->text, c->want);
    cr_expect_not_null(strstr(text.ptr, c->want), "%s\n got %s\nwant %s", c->text, text.ptr,
                       c->want);
}

#define GROUP "groups:\n- name: g\n"
#define RULES GROUP "  rules:\n"
#define ALERT RULES "  - alert: A\n    expr: up == 0\n"

static const FileCase cases[] = {
    {RULES_AUTO, "", NULL},
    {RULES_AUTO, "groups:\n", NULL},
    {RULES_AUTO, GROUP, NULL},
    {RULES_AUTO, ALERT, NULL},
    {RULES_AUTO, ALERT "    for: 5m\n    keep_firing_for: 1h30m\n    labels: {severity: warning}\n",
     NULL},
    {RULES_AUTO, ALERT "    hold: false\n", NULL},
    {RULES_AUTO, RULES "  - record: a:b\n    expr: sum(up)\n    labels: {x: '1'}\n", NULL},
    {RULES_AUTO,
     GROUP "  interval: 30s\n  query_offset: 1m\n  limit: 5\n  labels: {a: b}\n  rules: []\n",
     NULL},
    /* places and names */
    {RULES_AUTO, "group: []\n", "f.yml:1:1: field group not found, did you mean \"groups\"?"},
    {RULES_AUTO, ALERT "    fro: 5m\n",
     "f.yml:6:5: group \"g\", rule 1, \"A\": field fro not found"},
    {RULES_AUTO, ALERT "    annotation: {}\n", "did you mean \"annotations\"?"},
    {RULES_AUTO, ALERT "    expr: up\n", "mapping key \"expr\" already defined at line 5"},
    {RULES_AUTO, GROUP "- name: g\n", "groupname: \"g\" is repeated in the same file"},
    {RULES_AUTO, "groups:\n- rules: []\n", "Groupname must not be empty"},
    {RULES_AUTO, RULES "  - expr: up\n", "one of 'record' or 'alert' must be set"},
    {RULES_AUTO, RULES "  - {alert: a, record: b, expr: up}\n",
     "only one of 'record' and 'alert' must be set"},
    {RULES_AUTO, RULES "  - alert: a\n", "field 'expr' must be set in rule"},
    {RULES_AUTO, RULES "  - {record: a, expr: up, for: 5m}\n",
     "invalid field 'for' in recording rule"},
    {RULES_PROMETHEUS, RULES "  - {record: a, expr: up, for: 0s, annotations: {}}\n", NULL},
    {RULES_AUTO, RULES "  - {alert: A, expr: up default 0, annotations: {s: '{{ foo }}'}}\n",
     "f.yml:4:53: group \"g\", rule 1, \"A\": annotation \"s\""},
    {RULES_AUTO, RULES "  - {record: 'a{b=\"c\"}', expr: up}\n",
     "braces present in the recording rule name; should it be in expr?: a{b=\"c\"}"},
    {RULES_AUTO, ALERT "    labels: {__name__: x}\n", "invalid label name: __name__"},
    /* durations: Prometheus' vectors of the reference, section 11 */
    {RULES_PROMETHEUS, ALERT "    for: 300\n", "not a valid duration string: \"300\""},
    {RULES_PROMETHEUS, ALERT "    for: 1.5m\n", "not a valid duration string: \"1.5m\""},
    {RULES_PROMETHEUS, GROUP "  interval: 300\n  rules: []\n",
     "not a valid duration string: \"300\""},
    {RULES_VMALERT, ALERT "    for: 300\n", NULL},
    {RULES_VMALERT, ALERT "    for: 1.5m\n", NULL},
    {RULES_VMALERT, GROUP "  interval: 300\n  rules: []\n", NULL},
    {RULES_VMALERT, ALERT "    for: 1m\n    for: 2m\n", NULL},
    {RULES_VMALERT, ALERT "    forr: 1m\n", "field forr not found"},
    {RULES_VMALERT, GROUP "  limit: -1\n  rules: []\n", "limit"},
    /* vmalert's own */
    {RULES_AUTO, GROUP "  eval_offset: 10s\n  interval: 1m\n  rules: []\n", NULL},
    {RULES_AUTO, GROUP "  eval_offset: 2m\n  interval: 1m\n  rules: []\n",
     "the abs value of eval_offset"},
    {RULES_AUTO, GROUP "  eval_offset: 2s\n  eval_delay: 1s\n  interval: 1m\n  rules: []\n",
     "eval_offset cannot be used with eval_delay"},
    {RULES_AUTO, GROUP "  type: graphite\n  rules: []\n", "only prometheus is supported"},
    {RULES_AUTO, GROUP "  type: x\n  rules: []\n", "unknown datasource type=\"x\""},
    {RULES_AUTO, GROUP "  notifier_headers: ['a b: c']\n  rules: []\n",
     "f.yml:3:22: group \"g\": notifier_headers: \"a b\" is no name of a header"},
    {RULES_AUTO, GROUP "  notifier_headers: [\"a: b\\r\\nc: d\"]\n  rules: []\n",
     "the value of \"a\" has a line break"},
    {RULES_AUTO, GROUP "  notifier_headers: ['host: example.org']\n  rules: []\n",
     "notifier_headers: \"host\" is set by the connection or the body"},
    {RULES_AUTO, GROUP "  headers: [': b']\n  rules: []\n", "headers: \"\" is no name of a header"},
    {RULES_AUTO, GROUP "  headers: ['a']\n  rules: []\n", "missing ':' in header \"a\""},
    {RULES_AUTO, GROUP "  params: {nocache: ['1']}\n  concurrency: 4\n  debug: true\n  rules: []\n",
     NULL},
    {RULES_AUTO, "groups:\n- name: a\n---\ngroups:\n- name: b\n", NULL},
    {RULES_AUTO, "{{- if .Values.rules }}\ngroups:\n{{- end }}\n",
     "`helm template` makes YAML of it"},
    {RULES_AUTO, "groups: [\n",
     "f.yml:2:1: while parsing a flow node: did not find expected node content\n"},
    /* Kubernetes resources */
    {RULES_AUTO,
     "$schema: /x.yml\nkind: PrometheusRule\nmetadata: {name: x}\nspec:\n  groups:\n  - name: g\n"
     "    rules: []\n",
     NULL},
    {RULES_AUTO,
     "kind: List\nitems:\n- kind: ConfigMap\n- kind: PrometheusRule\n  spec:\n    groups:\n    - "
     "nam: g\n",
     "did you mean \"name\"?"},
    {RULES_AUTO,
     "apiVersion: monitoring.googleapis.com/v1\nkind: ClusterRules\nspec: {groups: [{nam: g}]}\n",
     "did you mean \"name\"?"},
    {RULES_AUTO,
     "kind: ConfigMap\ndata: {a: b}\n---\nkind: PrometheusRule\nspec: {groups: [{name: g}]}\n",
     NULL},
    {RULES_AUTO,
     "kind: List\nitems:\n"
     "- {kind: PrometheusRule, metadata: {namespace: a, name: x}, spec: {groups: [{name: g}]}}\n"
     "- {kind: PrometheusRule, metadata: {namespace: b, name: x}, spec: {groups: [{name: g}]}}\n",
     NULL},
    {RULES_AUTO,
     "kind: PrometheusRule\nmetadata: {name: x}\nspec: {groups: [{name: g}, {name: g}]}\n",
     "groupname: \"g\" is repeated in the same file"},
    {RULES_AUTO, "groups: [{name: g, debug: true, interval: %{NOT_SET_ANYWHERE}}]\n",
     "%{NOT_SET_ANYWHERE} stays as it is: the environment has no such variable"},
    {RULES_AUTO, "apiVersion: v1\nkind: ConfigMap\ndata: {a: b}\n",
     "f.yml:2:7: a resource of kind \"ConfigMap\" holds no rules, PrometheusRule does"},
    {RULES_AUTO, "apiVersion: v1\nkind: PrometheusRul\nspec: {groups: []}\n",
     "kind \"PrometheusRul\" holds no rules, did you mean \"PrometheusRule\"?"},
    /* expressions and templates */
    {RULES_AUTO, RULES "  - {alert: A, expr: 'sum(up'}\n", "could not parse expression: 1:"},
    {RULES_AUTO, ALERT "    annotations: {summary: '{{ $label }}'}\n",
     "annotation \"summary\": template: __alert_A:1: undefined variable \"$label\""},
    {RULES_AUTO, ALERT "    annotations: {summary: '{{ $label }}'}\n",
     "undefined variable \"$label\", did you mean \"$labels\"?"},
    {RULES_AUTO, ALERT "    annotations: {summary: '{{ $value | humanise }}'}\n",
     "function \"humanise\" not defined, did you mean \"humanize\"?"},
    {RULES_AUTO, RULES "  - {alert: A, expr: 'rte(up[5m]) > 1'}\n",
     "unknown function with name \"rte\", did you mean \"rate\"?"},
    {RULES_AUTO, ALERT "    labels: {x: '{{ foo }}'}\n",
     "label \"x\": template: __alert_A:1: function \"foo\" not defined"},
    {RULES_PROMETHEUS, ALERT "    annotations: {s: '{{ $value | formatTime }}'}\n",
     "function \"formatTime\" not defined"},
    {RULES_AUTO, ALERT "    annotations: {s: '{{ $expr | queryEscape }}'}\n", NULL},
    {RULES_AUTO, "groups: [", "f.yml:"},
};

Test(rule_file, types_that_promql_refuses_are_told) {
    static const struct {
        RulesFlavour flavour;
        const char *text, *doubts;
    } rows[] = {
        {RULES_AUTO, RULES "  - {record: r, expr: rate(up)}\n",
         "f.yml:4:23: group \"g\", rule 1, \"r\": could not parse expression: 1:6: parse error: "
         "expected type range vector in call to function \"rate\", got instant vector (so the file "
         "is read in the flavour vmalert, which allows it)\n"},
        {RULES_VMALERT, RULES "  - {record: r, expr: rate(up)}\n", ""},
        {RULES_AUTO, GROUP "  concurrency: 1\n  rules: [{record: r, expr: rate(up)}]\n", ""},
        {RULES_AUTO,
         RULES "  - {record: r, expr: rate(up)}\n  - {record: s, expr: range_avg(up)}\n", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        AUTO(problems_finish) Problems problems = {0};
        AUTO(buf_finish) Buf doubts = {0};
        RuleFile *file = NULL;
        cr_assert(
            rule_file_load(STR("f.yml"), str_of(rows[i].text), rows[i].flavour, &file, &problems));
        cr_expect(file->flavour == RULES_VMALERT);
        problems_print(&file->doubts, &doubts);
        cr_expect(str_eq(buf_view(&doubts), str_of(rows[i].doubts)), "%zu: %.*s", i,
                  STR_ARG(buf_view(&doubts)));
        rule_file_unref(file);
    }
}

Test(rule_file, says_where_and_what_is_wrong) {
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_file(&cases[i]);
    }
}

Test(rule_file, tells_everything_at_once) {
    AUTO(problems_finish) Problems problems = {0};
    RuleFile *file = NULL;
    cr_expect(!rule_file_load(
        STR("f.yml"), STR(RULES "  - {alert: A, expr: 'sum(', fro: 5m, for: x}\n  - {alert: B}\n"),
        RULES_AUTO, &file, &problems));
    cr_expect_eq(problems.items_count, 4, "%zu problems", problems.items_count);
}

static RuleFile *load(const char *text, RulesFlavour flavour) {
    AUTO(problems_finish) Problems problems = {0};
    RuleFile *file = NULL;
    bool ok = rule_file_load(STR("f.yml"), str_of(text), flavour, &file, &problems);
    cr_assert(ok, "%s", text);
    return file;
}

Test(rule_file, tells_the_flavour_by_keys_and_expressions) {
    static const struct {
        const char *text;
        RulesFlavour want;
    } rows[] = {
        {ALERT, RULES_PROMETHEUS},
        {ALERT "    update_entries_limit: 5\n", RULES_VMALERT},
        {GROUP "  concurrency: 2\n  rules: []\n", RULES_VMALERT},
        {ALERT "    annotations: {s: '{{ $activeAt }}'}\n", RULES_VMALERT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        AUTO(rule_file_unrefp) RuleFile *file = load(rows[i].text, RULES_AUTO);
        cr_expect_eq(file->flavour, rows[i].want, "%s", rows[i].text);
    }
}

Test(rule_file, merges_labels_of_the_group) {
    AUTO(rule_file_unrefp)
    RuleFile *file = load(
        GROUP
        "  labels: {a: group, b: group}\n  rules:\n  - {alert: A, expr: up, labels: {b: rule}}\n",
        RULES_AUTO);
    const RuleDef *rule = &file->groups[0].rules[0];
    cr_expect(str_eq(labels_get(rule->label_set, STR("a")), STR("group")));
    cr_expect(str_eq(labels_get(rule->label_set, STR("b")), STR("rule")));
}

Test(rule_file, replaces_environment_variables_for_vmalert) {
    setenv("BELFRY_TEST_NAME", "filled", 1);
    AUTO(rule_file_unrefp)
    RuleFile *file =
        load("groups:\n- name: '%{BELFRY_TEST_NAME} %{NOT_THERE_AT_ALL} 5%'\n", RULES_VMALERT);
    cr_expect(str_eq(file->groups[0].name, STR("filled %{NOT_THERE_AT_ALL} 5%")));
}

Test(rule_duration, takes_both_flavours) {
    static const struct {
        const char *text;
        bool prometheus;
        DurationMs want; /* in vmalert's flavour; -1 = refused */
    } rows[] = {
        {"5m", true, 300000},    {"1h30m", true, 5400000}, {"0", true, 0},
        {"300", false, 300000},  {"1.5m", false, 90000},   {"30m1h", false, 5400000},
        {"1H", false, 3600000},  {"-5m", false, -300000},  {"1i", false, 0},
        {"", false, -1},         {"m", false, -1},         {"5x", false, -1},
        {"1e3", false, 1000000}, {"1e999", false, -1},     {"1m30", false, -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        DurationMs span = -1;
        Err err = {0};
        cr_expect_eq(rule_duration(str_of(rows[i].text), false, &span, &err), rows[i].prometheus,
                     "%s", rows[i].text);
        span = -1;
        bool ok = rule_duration(str_of(rows[i].text), true, &span, &err);
        cr_expect_eq(ok, rows[i].want != -1, "%s", rows[i].text);
        cr_expect(!ok || span == rows[i].want, "%s: %lld", rows[i].text, (long long)span);
    }
}
