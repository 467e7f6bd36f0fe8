/* PromQL: what parses, what does not and what is said about it, and how it is written back. */

#include "promql/promql.h"

#include "base/json.h"
#include "corpus.h"
#include "promql/ast.h"
#include "promql/print.h"

static const Expr *parse(Arena *arena, Str text, Err *err) {
    const Expr *expr = NULL;
    return promql_parse(arena, text, PROMQL_PROMETHEUS, &expr, err) ? expr : NULL;
}

/* The text written back, or the error. */
static Str printed(Arena *arena, Str text) {
    Err err = {0};
    const Expr *expr = parse(arena, text, &err);
    if (!expr) {
        return arena_str(arena, str_of(err.text));
    }
    AUTO(buf_finish) Buf buf = {0};
    expr_print(&buf, expr, false);
    expr_finish(expr);
    return arena_str(arena, buf_view(&buf));
}

static void assert_print(const char *text, const char *want) {
    Arena arena = {0};
    Str got = printed(&arena, str_of(text));
    cr_expect(str_eq(got, str_of(want)), "%s\n  want %s\n  got  %.*s", text, want, STR_ARG(got));
    arena_finish(&arena);
}

Test(parse, accepts_what_prometheus_accepts_and_prints_it_stably) {
    cJSON *root = corpus_open("promql-parse-valid.json");
    const cJSON *item;
    cJSON_ArrayForEach(item, corpus_cases(root)) {
        Arena arena = {0};
        Str query = corpus_text(&arena, item, "query");
        Err err = {0};
        const Expr *expr = parse(&arena, query, &err);
        cr_expect(expr, "%.*s: %s", STR_ARG(query), err.text);
        Str once = printed(&arena, query);
        Str twice = printed(&arena, once);
        cr_expect(str_eq(once, twice), "%.*s\n  %.*s\n  %.*s", STR_ARG(query), STR_ARG(once),
                  STR_ARG(twice));
        expr_finish(expr);
        arena_finish(&arena);
    }
    cJSON_Delete(root);
}

Test(parse, refuses_in_prometheus_words_at_the_same_place) {
    cJSON *root = corpus_open("promql-parse-invalid.json");
    const cJSON *item;
    cJSON_ArrayForEach(item, corpus_cases(root)) {
        Arena arena = {0};
        Str query = corpus_text(&arena, item, "query");
        Err err = {0};
        const Expr *expr = parse(&arena, query, &err);
        cr_expect(!expr, "%.*s is accepted", STR_ARG(query));
        const cJSON *first = cJSON_GetArrayItem(cJSON_GetObjectItem(item, "errors"), 0);
        if (!expr && first) {
            AUTO(buf_finish) Buf want = {0};
            expr_position(&want, query, (uint32_t)cJSON_GetObjectItem(first, "start")->valuedouble);
            buf_printf(&want, ": parse error: %s", cJSON_GetObjectItem(first, "err")->valuestring);
            cr_expect(str_eq(str_of(err.text), buf_view(&want)), "%.*s\n  want %.*s\n  got  %s",
                      STR_ARG(query), STR_ARG(buf_view(&want)), err.text);
        }
        arena_finish(&arena);
    }
    cJSON_Delete(root);
}

Test(parse, prints_the_canonical_text) {
    cJSON *root = corpus_open("promql-print.json");
    const cJSON *item;
    cJSON_ArrayForEach(item, corpus_cases(root)) {
        assert_print(cJSON_GetObjectItem(item, "query")->valuestring,
                     cJSON_GetObjectItem(item, "text")->valuestring);
    }
    cJSON_Delete(root);
}

Test(parse, infinity_to_a_power_is_read_back_as_it_was) {
    assert_print("inf ^ b", "Inf ^ b");
    assert_print("a - Inf ^ b", "a - Inf ^ b");
    assert_print("Inf ^ Inf", "Inf ^ +Inf");
    assert_print("-Inf ^ 2", "-Inf ^ 2");
    assert_print("+Inf * 2", "+Inf * 2");
}

Test(parse, an_empty_selector_keeps_its_braces) {
    assert_print("info(a, {})", "info(a, {})");
    assert_print("info(a, {b=\"c\"})", "info(a, {b=\"c\"})");
}

Test(parse, breaks_long_expressions_over_lines) {
    cJSON *root = corpus_open("promql-prettify.json");
    const cJSON *item;
    cJSON_ArrayForEach(item, corpus_cases(root)) {
        Arena arena = {0};
        Str query = corpus_text(&arena, item, "query");
        Str want = corpus_text(&arena, item, "pretty");
        Err err = {0};
        const Expr *expr = parse(&arena, query, &err);
        cr_assert(expr, "%s", err.text);
        AUTO(buf_finish) Buf got = {0};
        expr_print_lines(&got, expr, 10);
        cr_expect(str_eq(buf_view(&got), want), "%.*s\n%.*s\n--- got\n%.*s", STR_ARG(query),
                  STR_ARG(want), STR_ARG(buf_view(&got)));
        expr_finish(expr);
        arena_finish(&arena);
    }
    cJSON_Delete(root);
}

Test(parse, binds_operators_as_prometheus_does) {
    /* Parentheses show the tree: each binary expression is printed with its own. */
    static const char *const rows[][2] = {
        {"-a ^ b", "-a ^ b"},
        {"2 ^ 3 ^ 4", "2 ^ 3 ^ 4"},
        {"a offset 5m + b", "a offset 5m + b"},
        {"foo offset (1) + 2", "foo offset (1) + 2"},
        {"metric offset -2 ^ 2", "metric offset -2s ^ 2"},
        {"foo[-2^2+10]", "foo[-2 ^ 2 + 10]"},
        {"1_000", "1000"},
        {"0x_1F", "31"},
        {"-5m", "-5m"},
        {"+5", "5"},
        {"foo @ 1e3", "foo @ 1000.000"},
        {"SUM(foo) BY (a)", "sum by (a) (foo)"},
        {"foo{b='1', a=\"2\"}", "foo{a=\"2\",b=\"1\"}"},
        {"{'foo bar', a='2'}", "{__name__=\"foo bar\",a=\"2\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_print(rows[i][0], rows[i][1]);
    }
}

Test(parse, names_the_construct_an_unexpected_token_stands_in) {
    static const char *const rows[][2] = {
        {"sum(foo bar)", "1:9: parse error: unexpected identifier \"bar\" in aggregation"},
        {"sum by (x) foo", "1:12: parse error: unexpected identifier \"foo\" in aggregation"},
        {"sum by x (foo)",
         "1:8: parse error: unexpected identifier \"x\" in grouping opts, expected \"(\""},
        {"foo offset bar",
         "1:12: parse error: unexpected identifier \"bar\" in offset, expected number, "
         "duration, step(), or range()"},
        {"foo[5m 5m]",
         "1:8: parse error: unexpected duration \"5m\" in subquery or range, expected "
         "\":\" or \"]\""},
        {"\n foo ! bar", "2:6: parse error: unexpected character after '!': ' '"},
        {"foo @ bar", "1:7: parse error: unexpected identifier \"bar\" in @, expected timestamp"},
        {"foo{a=~\"(\"}", "1:5: parse error: error parsing regexp: missing closing ): `(`"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_print(rows[i][0], rows[i][1]);
    }
}

/* `count` times `piece`. */
static Str repeated(Arena *arena, const char *piece, size_t count, const char *end) {
    AUTO(buf_finish) Buf buf = {0};
    for (size_t i = 0; i < count; i++) {
        buf_str(&buf, str_of(piece));
    }
    buf_str(&buf, str_of(end));
    return arena_str(arena, buf_view(&buf));
}

Test(parse, bounds_nesting_whatever_it_is_made_of) {
    static const char *const pieces[] = {"(",
                                         "-",
                                         "sum(",
                                         "abs(",
                                         "1+",
                                         "1^",
                                         "a[1m:1m] offset -(",
                                         "foo[(",
                                         "foo offset -",
                                         "foo[1+",
                                         "{a=\"b\"} or "};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        Arena arena = {0};
        Err err = {0};
        cr_expect(!parse(&arena, repeated(&arena, pieces[i], 50000, "1"), &err), "%s", pieces[i]);
        arena_finish(&arena);
    }
    Arena arena = {0};
    Err err = {0};
    const Expr *expr = parse(&arena, repeated(&arena, "a or ", 900, "a"), &err);
    cr_expect(expr, "%s", err.text);
    expr_finish(expr);
    arena_finish(&arena);
}

Test(parse, writes_the_tree_as_json) {
    Arena arena = {0};
    Err err = {0};
    const Expr *expr = parse(&arena, STR("-rate(foo{a=\"b\"}[5m] offset 1m) > bool 2"), &err);
    cr_assert(expr, "%s", err.text);
    AUTO(buf_finish) Buf buf = {0};
    JsonWriter json = json_writer(&buf);
    expr_json(&json, expr);
    Str want =
        STR("{\"bool\":true,\"lhs\":{\"expr\":{\"args\":[{\"anchored\":false,\"matchers\":["
            "{\"name\":\"a\",\"type\":\"=\",\"value\":\"b\"},{\"name\":\"__name__\",\"type\":\"=\","
            "\"value\":\"foo\"}],\"name\":\"foo\",\"offset\":60000,\"offsetExpr\":null,\"range\":"
            "300000,\"rangeExpr\":null,\"smoothed\":false,\"startOrEnd\":null,\"timestamp\":null,"
            "\"type\":\"matrixSelector\"}],\"func\":{\"argTypes\":[\"matrix\"],\"name\":\"rate\","
            "\"returnType\":\"vector\",\"variadic\":0},\"type\":\"call\"},\"op\":\"-\",\"type\":"
            "\"unaryExpr\"},\"matching\":null,\"op\":\">\",\"rhs\":{\"type\":"
            "\"numberLiteral\",\"val\":\"2\"},\"type\":\"binaryExpr\"}");
    cr_expect(str_eq(buf_view(&buf), want), "%.*s", STR_ARG(buf_view(&buf)));
    expr_finish(expr);
    arena_finish(&arena);
}
