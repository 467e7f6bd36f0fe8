/* Findings of the lint: a rule in a row and what is said about it, or nothing. */

#include <criterion/criterion.h>

#include "rules/lint.h"

typedef struct LintCase {
    const char *rules;
    const char *want; /* a part of the one finding; NULL: none */
} LintCase;

static const LintCase cases[] = {
    /* labels */
    {"{alert: A, expr: 'sum by (job) (up) > 1', annotations: {s: '{{ $labels.job }}'}}", NULL},
    {"{alert: A, expr: 'sum by (job) (up) > 1', annotations: {s: '{{ $labels.instance }}'}}",
     "annotation \"s\" uses the label \"instance\", which the result of the expression cannot "
     "have"},
    {"{alert: A, expr: 'sum(up) > 1', labels: {x: '{{ .Labels.pod }}'}}",
     "label \"x\" uses the label \"pod\""},
    {"{alert: A, expr: 'sum without (pod) (up) > 1', annotations: {s: '{{ $labels.pod }}'}}",
     "label \"pod\""},
    {"{alert: A, expr: 'sum without (pod) (up) > 1', annotations: {s: '{{ $labels.job }}'}}", NULL},
    {"{alert: A, expr: 'up > 1', annotations: {s: '{{ $labels.anything }}'}}", NULL},
    {"{alert: A, expr: 'absent(up{job=\"x\"})', annotations: {s: '{{ $labels.job }}'}}", NULL},
    {"{alert: A, expr: 'absent(up{job=~\"x\"})', annotations: {s: '{{ $labels.job }}'}}",
     "label \"job\""},
    {"{alert: A, expr: 'a / on(x) group_left(y) sum by (x, y) (b) > 0', annotations: {s: '{{ "
     "$labels.y }}'}}",
     NULL},
    {"{alert: A, expr: 'sum by (x) (a) / on(x) sum by (x) (b) > 0', annotations: {s: '{{ $labels.y "
     "}}'}}",
     "label \"y\""},
    {"{alert: A, expr: 'label_replace(sum(a), \"z\", \"$1\", \"q\", \"(.*)\") > 0', annotations: "
     "{s: '{{ $labels.z }}'}}",
     NULL},
    {"{alert: A, expr: 'histogram_quantile(0.9, sum by (le) (a)) > 0', annotations: {s: '{{ "
     "$labels.le }}'}}",
     "label \"le\""},
    {"{alert: A, expr: 'topk(3, up) > 0', annotations: {s: '{{ $labels.pod }}'}}", NULL},
    {"{alert: A, expr: 'sum(a) > 0 or up == 0', annotations: {s: '{{ $labels.pod }}'}}", NULL},
    {"{alert: A, expr: 'sum(a) > 0', annotations: {s: '{{ range query \"up\" }}{{ .Labels.pod "
     "}}{{ end }}'}}",
     NULL},
    {"{alert: A, expr: 'sum(a) > 0', annotations: {s: '{{ range query \"up\" }}{{ $labels.pod "
     "}}{{ end }}'}}",
     "label \"pod\""},
    {"{alert: A, expr: 'sum(a) > 0', annotations: {s: '{{ index $labels \"pod\" }}'}}",
     "label \"pod\""},
    {"{alert: A, expr: 'sum by (pod) (a) > 0', annotations: {s: '{{ index .Labels \"pod\" }}'}}",
     NULL},
    {"{alert: A, expr: 'up > 1', annotations: {s: '{{ if .Value }}{{ template \"x\" . }}{{ end "
     "}}'}}",
     "annotation \"s\" uses the template \"x\", which nothing defines"},
    {"{alert: A, expr: 'up > 1', annotations: {s: '{{ define \"x\" }}{{ end }}{{ template \"x\" . "
     "}}'}}",
     NULL},
    {"{alert: A, expr: 'up > 1', annotations: {s: '{{ $.labels.job }}'}}",
     "annotation \"s\": there is no field \"labels\", did you mean \"Labels\"?"},
    {"{alert: A, expr: 'up > 1', annotations: {s: '{{ .Job }}'}}", "there is no field \"Job\""},
    {"{alert: A, expr: 'up > 1', annotations: {s: '{{ $.Labels.job }}{{ .ExternalURL }}{{ .Value "
     "}}'}}",
     NULL},
    {"{alert: A, expr: 'up > 1', annotations: {s: '{{ define \"x\" }}{{ $.Foo }}{{ .Bar }}{{ end "
     "}}{{ range query \"up\" }}{{ .Foo }}{{ end }}{{ with .Value }}{{ .Foo }}{{ end }}'}}",
     NULL},
    /* names */
    {"{alert: A B, expr: 'up > 1', labels: {'sever-ity': x}}",
     "the label \"sever-ity\" has to be in quotes in expressions: is that meant?"},
    {"{record: 'a-b', expr: up}", "\"a-b\" has to be in quotes"},
    {"{record: 'a:b_c1', expr: up, labels: {_x1: y}}", NULL},
    /* comparison */
    {"{alert: A, expr: up}", "no comparison in the expression"},
    {"{alert: A, expr: 'rate(x[5m])'}", "no comparison"},
    {"{alert: A, expr: 'up > bool 1'}", "`bool` makes a result of every comparison"},
    {"{alert: A, expr: 'up unless on(job) down'}", NULL},
    {"{alert: A, expr: 'count(up == 0)'}", NULL},
    {"{alert: Watchdog, expr: 'vector(1)'}", NULL},
    {"{alert: A, expr: 'ALERTS{severity=\"x\"}'}", NULL},
    {"{record: a, expr: up}", NULL},
    {"{alert: A, expr: 'node_pool_info{deprecated=\"Warning\"}'}", NULL},
    {"{alert: A, expr: 'node_pool_info'}", "no comparison"},
    {"{record: bad, expr: 'up == 0'}\n  - {alert: A, expr: bad}", NULL},
    {"{alert: A, expr: bad}\n  - {record: bad, expr: 'up + 0'}", "no comparison"},
    /* for, duplicates */
    {"{alert: A, expr: 'up == 0', for: 30s}", "`for` is shorter than the interval"},
    {"{alert: A, expr: 'up == 0', for: 1m}", NULL},
    {"{record: a, expr: 'up + 1'}\n  - {record: a, expr: up+1}",
     "f:5:5: group \"g\", rule 2, \"a\": the same rule (name, labels and expression) is at f:4"},
    {"{alert: A, expr: 'up == 0'}\n  - {alert: A, expr: 'up == 1'}", NULL},
    {"{alert: A, expr: 'up{a=\"%{NOT_SET_ANYWHERE}\"} == 0', update_entries_limit: 3}",
     "f:4:29: %{NOT_SET_ANYWHERE} stays as it is"},
    {"{record: a, expr: up}\n  notifier_headers: ['A: b']", NULL},
};

Test(lint, finds_what_was_probably_not_meant) {
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO(arena_finish) Arena arena = {0};
        AUTO(problems_finish) Problems problems = {0};
        AUTO(problems_finish) Problems findings = {0};
        AUTO(rule_file_unrefp) RuleFile *file = NULL;
        AUTO(buf_finish) Buf text = {0};
        Str whole = arena_printf(&arena, "groups:\n- name: g\n  rules:\n  - %s\n", cases[i].rules);
        cr_assert(rule_file_load(STR("f"), whole, RULES_AUTO, &file, &problems), "%s: %.*s",
                  cases[i].rules, STR_ARG(problems.items[0].text));
        lint_files(&file, 1, MINUTE_MS, &findings);
        problems_print(&findings, &text);
        buf_byte(&text, '\0');
        cr_expect_eq(findings.items_count, cases[i].want ? 1 : 0, "%s: %s", cases[i].rules,
                     text.ptr);
        cr_expect(!cases[i].want || strstr(text.ptr, cases[i].want), "%s:\n got %s\nwant %s",
                  cases[i].rules, text.ptr, cases[i].want);
    }
}
