/* MetricsQL: what parses, what does not, and how it is written back with WITH templates expanded
 * and constants folded. */

#include <math.h>

#include "corpus.h"
#include "promql/metricsql_lex.h"
#include "promql/promql.h"

/* The text written back, or the error. */
static Str printed(Arena *arena, Str text, bool *ret_ok) {
    Err err = {0};
    const Expr *expr;
    *ret_ok = promql_parse(arena, text, PROMQL_METRICSQL, &expr, &err);
    if (!*ret_ok) {
        return arena_str(arena, str_of(err.text));
    }
    AUTO(buf_finish) Buf buf = {0};
    expr_print(&buf, expr, false);
    expr_finish(expr);
    return arena_str(arena, buf_view(&buf));
}

Test(metricsql, accepts_what_victoriametrics_accepts_and_writes_it_back_the_same) {
    cJSON *root = corpus_open("parse-valid.json");
    const cJSON *item;
    cJSON_ArrayForEach(item, corpus_cases(root)) {
        Arena arena = {0};
        Str query = corpus_text(&arena, item, "query");
        Str want = corpus_text(&arena, item, "normalized");
        bool ok;
        Str got = printed(&arena, query, &ok);
        cr_expect(ok && str_eq(got, want), "%.*s\n  want %.*s\n  got  %.*s", STR_ARG(query),
                  STR_ARG(want), STR_ARG(got));
        Str again = printed(&arena, got, &ok);
        /* +Inf, made by folding, is read as Inf. */
        cr_expect(str_eq(again, got) || str_eq(got, STR("+Inf")), "not stable: %.*s",
                  STR_ARG(again));
        arena_finish(&arena);
    }
    cJSON_Delete(root);
}

Test(metricsql, refuses_what_victoriametrics_refuses) {
    cJSON *root = corpus_open("parse-invalid.json");
    const cJSON *item;
    cJSON_ArrayForEach(item, corpus_cases(root)) {
        Arena arena = {0};
        Str query = corpus_text(&arena, item, "query");
        bool ok;
        Str got = printed(&arena, query, &ok);
        cr_expect(!ok, "%.*s is accepted as %.*s", STR_ARG(query), STR_ARG(got));
        arena_finish(&arena);
    }
    cJSON_Delete(root);
}

Test(metricsql, knows_the_queries_of_victoriametrics_own_tests) {
    cJSON *root = corpus_open("exec-success.json");
    const cJSON *item;
    cJSON_ArrayForEach(item, corpus_cases(root)) {
        Arena arena = {0};
        Str query = corpus_text(&arena, item, "query");
        bool ok;
        Str got = printed(&arena, query, &ok);
        cr_expect(ok, "%.*s\n  %.*s", STR_ARG(query), STR_ARG(got));
        arena_finish(&arena);
    }
    cJSON_Delete(root);
}

Test(metricsql, reads_numbers_and_durations) {
    static const struct {
        const char *text;
        double value;
    } numbers[] = {{"12Ki", 12288},   {"1.5Kb", 1500},     {"0x1F", 31},
                   {"0b101", 5},      {"017", 15},         {"1_000", 1000},
                   {"12.5E3", 12500}, {"3Ti", 3 * 0x1p40}, {".5", 0.5}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        double value = NAN;
        cr_expect(mql_number_value(str_of(numbers[i].text), &value), "%s", numbers[i].text);
        cr_expect_eq(value, numbers[i].value, "%s is %g", numbers[i].text, value);
    }
    static const struct {
        const char *text;
        double ms, steps;
    } spans[] = {{"1h30m", 5400000, 0}, {"2i", 0, 2},          {"1h-5m", 3300000, 0},
                 {"10", 10000, 0},      {"1.5s", 1500, 0},     {"-5m", -300000, 0},
                 {"20ms", 20, 0},       {"1w2d", 777600000, 0}};
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        MqlSpan span;
        cr_expect(mql_duration_value(str_of(spans[i].text), &span), "%s", spans[i].text);
        cr_expect(span.ms == spans[i].ms && span.steps == spans[i].steps, "%s is %g + %g steps",
                  spans[i].text, span.ms, span.steps);
    }
}

Test(metricsql, bounds_what_templates_can_grow) {
    AUTO(buf_finish) Buf bomb = {0};
    buf_str(&bomb, STR("WITH (x0 = a + a"));
    for (int i = 1; i < 64; i++) {
        buf_printf(&bomb, ", x%d = x%d + x%d", i, i - 1, i - 1);
    }
    buf_str(&bomb, STR(") x63"));
    Arena arena = {0};
    bool ok;
    Str got = printed(&arena, buf_view(&bomb), &ok);
    cr_expect(!ok && memmem(got.ptr, got.len, "more than", 9), "%.*s", STR_ARG(got));
    static const char *const pieces[] = {"(",    "-",    "sum(",       "rate(",
                                         "a + ", "a ^ ", "with (x = ", "a[1m:1m] @ ("};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        AUTO(buf_finish) Buf deep = {0};
        for (int j = 0; j < 50000; j++) {
            buf_str(&deep, str_of(pieces[i]));
        }
        printed(&arena, buf_view(&deep), &ok);
        cr_expect(!ok, "%s", pieces[i]);
    }
    arena_finish(&arena);
}

/* `count` pieces with numbers, between `before` and `after`. */
static Str numbered(Arena *arena, const char *before, const char *piece, int count,
                    const char *after) {
    AUTO(buf_finish) Buf text = {0};
    buf_str(&text, str_of(before));
    for (int i = 0; i < count; i++) {
        buf_printf(&text, "%s%s%d%s", i ? "," : "", piece, i, piece[0] == 'l' ? "=\"v\"" : "");
    }
    buf_str(&text, str_of(after));
    return arena_str(arena, buf_view(&text));
}

Test(metricsql, reads_long_lists_in_memory_of_their_length) {
    static const char *const shapes[][3] = {
        {"{", "l", "}"},
        {"WITH (f = {", "l", "}) x{f}"},
        {"sum(x) by (", "a", ")"},
        {"x * on (", "a", ") y"},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        Arena arena = {0};
        const Expr *expr = NULL;
        Err err = {0};
        Str text = numbered(&arena, shapes[i][0], shapes[i][1], 5000, shapes[i][2]);
        cr_expect(promql_parse(&arena, text, PROMQL_METRICSQL, &expr, &err), "%s", err.text);
        cr_expect_lt(arena.used_bytes, 250 * text.len, "%s: %zu bytes for a text of %zu",
                     shapes[i][0], arena.used_bytes, text.len);
        expr_finish(expr);
        arena_finish(&arena);
    }
}

Test(metricsql, bounds_lists_and_texts_of_templates) {
    Arena arena = {0};
    AUTO(buf_finish) Buf long_text = {0}, uses = {0}, many = {0};
    buf_str(&long_text, STR("WITH (a = \""));
    for (int i = 0; i < 100000; i++) {
        buf_str(&long_text, STR("x"));
    }
    buf_str(&long_text, STR("\", b = a + a + a + a + a, c = b + b + b + b + b, d = c + c + c + c + "
                            "c, e = d + d + d) label_set(up, \"x\", e)"));
    Str filters = numbered(&arena, "WITH (f = {", "l", 10000, "}) ");
    buf_str(&uses, filters);
    for (int i = 0; i < 500; i++) {
        buf_str(&uses, i ? STR(" + x{f}") : STR("x{f}"));
    }
    buf_str(&many, STR("WITH ("));
    for (int i = 0; i < 1001; i++) {
        buf_printf(&many, "a%d = 1, ", i);
    }
    buf_str(&many, STR(") a0"));
    const struct {
        const Buf *text;
        const char *want;
    } cases[] = {{&long_text, "texts of templates have more than 16777216 bytes"},
                 {&uses, "expression has more than 100000 parts"},
                 {&many, "more than 1000 templates are defined here"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool ok;
        Str got = printed(&arena, buf_view(cases[i].text), &ok);
        cr_expect(!ok && memmem(got.ptr, got.len, cases[i].want, strlen(cases[i].want)),
                  "want %s, got %.*s", cases[i].want, STR_ARG(got));
    }
    arena_finish(&arena);
}
