/* Which query asked for a metric last. */

#include <criterion/criterion.h>
#include <stdio.h>

#include "web/usage.h"

static void note(Usage *usage, const char *text, TimeMs now) {
    Arena arena = {0};
    const Expr *expr;
    Err err = {0};
    cr_assert(promql_parse(&arena, str_of(text), PROMQL_PROMETHEUS, &expr, &err), "%s", err.text);
    usage_note(usage, expr, str_of(text), now);
    expr_finish(expr);
    arena_finish(&arena);
}

static void expect(Usage *usage, const char *metric, TimeMs at, const char *text) {
    Arena arena = {0};
    UsageView view = usage_find(usage, str_of(metric), &arena);
    cr_expect_eq(view.at, at, "%s: %lld", metric, (long long)view.at);
    cr_expect(str_eq(view.text, str_of(text)), "%s: %.*s", metric, STR_ARG(view.text));
    arena_finish(&arena);
}

Test(usage, the_last_query_counts_by_name_or_by_pattern) {
    Usage *usage = usage_new();
    expect(usage, "a", 0, "");
    note(usage, "rate(a[5m]) / on(x) b", 1);
    note(usage, "sum({__name__=~\"node_.+\", x=\"1\"})", 2);
    note(usage, "{__name__=~\"c|d\"}", 3);
    note(usage, "{x=\"1\"}", 4);
    note(usage, "{__name__=~\".+\"}", 5);
    note(usage, "{__name__!=\"e\", x=\"1\"}", 6);
    expect(usage, "a", 1, "rate(a[5m]) / on(x) b");
    expect(usage, "b", 1, "rate(a[5m]) / on(x) b");
    expect(usage, "c", 3, "{__name__=~\"c|d\"}");
    expect(usage, "d", 3, "{__name__=~\"c|d\"}");
    expect(usage, "f", 0, "");
    expect(usage, "node_load1", 2, "sum({__name__=~\"node_.+\", x=\"1\"})");
    note(usage, "node_load1", 7);
    expect(usage, "node_load1", 7, "node_load1");
    note(usage, "{__name__=~\"node_.+\"}", 8);
    expect(usage, "node_load1", 8, "{__name__=~\"node_.+\"}");
    usage_free(usage);
}

Test(usage, stays_within_its_bounds) {
    Usage *usage = usage_new();
    char text[2 * USAGE_TEXT_MAX];
    for (int i = 0; i < USAGE_PATTERNS_MAX + 10; i++) {
        snprintf(text, sizeof text, "{__name__=~\"p%d_.*\"}", i);
        note(usage, text, 1);
    }
    expect(usage, "p5_x", 1, "{__name__=~\"p5_.*\"}");
    expect(usage, "p1005_x", 0, "");
    for (int i = 0; i < 5000; i++) {
        snprintf(text, sizeof text, "m%d", i);
        note(usage, text, i + 1);
    }
    expect(usage, "m4999", 5000, "m4999");
    expect(usage, "m0", 1, "m0");
    memset(text, '+', sizeof text);
    memcpy(text, "long", 4);
    text[4] = ' ';
    text[sizeof text - 2] = '1';
    text[sizeof text - 1] = '\0';
    note(usage, text, 9);
    text[USAGE_TEXT_MAX - 1] = '\0';
    expect(usage, "long", 9, text);
    usage_free(usage);
}
