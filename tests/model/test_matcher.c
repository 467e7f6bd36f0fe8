#include "model/matcher.h"

#include <criterion/criterion.h>

/* Matchers: what they match, what is known of them without running them, and Alertmanager's syntax.
 */

static Matcher make(Arena *arena, MatchType type, const char *value) {
    Matcher matcher = {0};
    Err err = {0};
    cr_assert(matcher_init(arena, type, STR("l"), str_of(value), &matcher, &err), "%s", err.text);
    return matcher;
}

Test(matcher, matches_whole_values) {
    static const struct {
        MatchType type;
        const char *pattern, *yes, *no;
    } cases[] = {
        {MATCH_EQ, "a", "a", "ab"},
        {MATCH_NE, "a", "b", "a"},
        {MATCH_EQ, "", "", "x"},
        {MATCH_RE, "a|b", "b", "ab"},
        {MATCH_RE, "(?:up|down)", "down", "do"},
        {MATCH_RE, "node_.*", "node_x", "xnode_"},
        {MATCH_RE, ".+", "x", ""},
        {MATCH_RE, ".*", "", NULL},
        {MATCH_NRE, ".+", "", "x"},
        {MATCH_RE, "ab?c", "ac", "abb"},
        {MATCH_RE, "a\\.b", "a.b", "axb"},
        {MATCH_RE, "a\\.b|", "", "a"},
        {MATCH_RE, "5..", "503", "50"},
        {MATCH_NRE, "5..|4..", "200", "404"},
        {MATCH_RE, "a.c", "a\nc", "ac"},
        {MATCH_RE, "ab*", "a", "b"},
        {MATCH_RE, "\xc3\xa4*", "", "\xc3"},
        {MATCH_RE, "a{2}", "aa", "a"},
        {MATCH_RE, "(?i)abc", "ABC", "ab"},
        {MATCH_RE, "(a|b)c", "bc", "b"},
        {MATCH_RE, ".*-db-.*", "x-db-1", "x-dc-1"},
        {MATCH_RE, ".*-db-.*", "-db-", "-db"},
        {MATCH_RE, "aba.*ba.*", "ababa", "aba"},
        {MATCH_RE, "a.*", "a", ""},
        {MATCH_NRE, ".*x.*", "", "x"},
        {MATCH_RE, ".*a\\.b.*", "a.b", "axb"},
        {MATCH_RE, ".*ab*.*", "a", "b"},
        {MATCH_RE, "a.*b.*c.*", "abc", "acb"},
        {MATCH_RE, ".*a", "ba", "ab"},
        {MATCH_RE, "x.*-db-[1-3]", "x-db-2", "x-dc-2"},
        {MATCH_RE, ".*-db-[1-3].*", "-db-1", "-db-4"},
        {MATCH_RE, ".+ab.*", "xab", "ab"},
        {MATCH_RE, ".+a", "aa", "a"},
        {MATCH_RE, ".*?ab", "xab", "xa"},
        {MATCH_RE, ".*ab{2}", "abb", "ab"},
        {MATCH_NRE, ".*ab[0-9]", "abc", "xab1"},
    };
    AUTO(arena_finish) Arena arena = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Matcher matcher = make(&arena, cases[i].type, cases[i].pattern);
        cr_expect(matcher_matches(&matcher, str_of(cases[i].yes)), "%s matches %s",
                  cases[i].pattern, cases[i].yes);
        cr_expect(!cases[i].no || !matcher_matches(&matcher, str_of(cases[i].no)),
                  "%s does not match %s", cases[i].pattern, cases[i].no);
        matcher_finish(&matcher);
    }
}

Test(matcher, knows_plain_shapes_without_running_them) {
    static const struct {
        const char *pattern;
        size_t literals;
        const char *prefix;
        bool any, empty;
    } cases[] = {
        {"a|b|c", 3, "", false, false},   {"(?:a|b)", 2, "", false, false},
        {"(a|b)", 2, "", false, false},   {"abc", 1, "", false, false},
        {"a\\.b", 1, "", false, false},   {"abc.*", 0, "abc", false, false},
        {"abc*", 0, "ab", false, false},  {".*", 0, "", true, true},
        {".+", 0, "", true, false},       {"a|b.*", 0, "", false, false},
        {"(?i)abc", 0, "", false, false}, {"a\\d+", 0, "a", false, false},
        {"", 0, "", false, true},         {"a|", 2, "", false, true},
    };
    AUTO(arena_finish) Arena arena = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Matcher matcher = make(&arena, MATCH_RE, cases[i].pattern);
        cr_expect_eq(matcher.literal_count, cases[i].literals, "%s: %zu literals", cases[i].pattern,
                     matcher.literal_count);
        cr_expect(str_eq(matcher.prefix, str_of(cases[i].prefix)), "%s: prefix %.*s",
                  cases[i].pattern, STR_ARG(matcher.prefix));
        cr_expect_eq(matcher.any, cases[i].any, "%s", cases[i].pattern);
        cr_expect_eq(matcher.matches_empty, cases[i].empty, "%s", cases[i].pattern);
        matcher_finish(&matcher);
    }
}

/* What a dashboard's variable with all its values comes to. */
Test(matcher, takes_thousands_of_literals) {
    enum { COUNT = 5000 };
    AUTO(arena_finish) Arena arena = {0};
    AUTO(buf_finish) Buf pattern = {0};
    for (int i = 0; i < COUNT; i++) {
        buf_printf(&pattern, "%spod-%d", i ? "|" : "", i * 7);
    }
    buf_byte(&pattern, '\0');
    Matcher matcher = make(&arena, MATCH_RE, pattern.ptr);
    cr_expect_eq(matcher.literal_count, COUNT);
    cr_expect_lt(arena.used_bytes, 10 * pattern.len, "%zu bytes for a pattern of %zu",
                 arena.used_bytes, pattern.len);
    for (int i = 0; i < COUNT; i++) {
        Str text = arena_printf(&arena, "pod-%d", i);
        cr_expect_eq(matcher_matches(&matcher, text), i % 7 == 0, "%.*s", STR_ARG(text));
    }
    matcher_finish(&matcher);
}

Test(matcher, refuses_what_is_no_expression) {
    AUTO(arena_finish) Arena arena = {0};
    Matcher matcher = {0};
    Err err = {0};
    cr_assert_not(matcher_init(&arena, MATCH_RE, STR("a"), STR("("), &matcher, &err));
    cr_assert_eq(err.kind, ERR_INVALID);
}

Test(matcher, reads_alertmanagers_syntax) {
    static const struct {
        const char *text, *want; /* NULL = refused */
    } cases[] = {
        {"foo=bar", "foo=\"bar\""},
        {" foo != \"b a r\" ", "foo!=\"b a r\""},
        {"foo=~bar.*", "foo=~\"bar.*\""},
        {"foo!~\"a|b\"", "foo!~\"a|b\""},
        {"foo=", "foo=\"\""},
        {"foo=\"a\\\"b\"", "foo=\"a\\\"b\""},
        {"foo=\"a\\d\"", "foo=\"a\\\\d\""},
        {"\"foo bar\"=\"x\"", "\"foo bar\"=\"x\""},
        {"f\xc3\xb6o=x", "\"f\xc3\xb6o\"=\"x\""},
        {"foo", NULL},
        {"{foo=bar}", NULL},
        {"foo=\"bar", NULL},
        {"=bar", NULL},
        {"foo=~\"(\"", NULL},
        {"", NULL},
    };
    AUTO(arena_finish) Arena arena = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Matcher matcher = {0};
        Err err = {0};
        bool good = matcher_parse(&arena, str_of(cases[i].text), &matcher, &err);
        cr_expect_eq(good, cases[i].want != NULL, "%s", cases[i].text);
        if (good && cases[i].want) {
            Buf buf = {0};
            matcher_print(&buf, &matcher);
            cr_expect(str_eq(buf_view(&buf), str_of(cases[i].want)), "%s: got %.*s", cases[i].text,
                      STR_ARG(buf_view(&buf)));
            buf_finish(&buf);
        }
        matcher_finish(&matcher);
    }
}

Test(matcher, lists_split_at_commas_outside_quotes) {
    AUTO(arena_finish) Arena arena = {0};
    MatcherSet set = {0};
    Err err = {0};
    cr_assert(matcher_list_parse(&arena, STR("{a=\"x,y\", b=~\"c|d\",}"), &set, &err), "%s",
              err.text);
    cr_assert_eq(set.count, 2);
    cr_assert(str_eq(set.items[0].value, STR("x,y")));
    matcher_set_finish(&set);
    cr_assert(matcher_list_parse(&arena, STR("{}"), &set, &err));
    cr_assert_eq(set.count, 0);
    cr_assert_not(matcher_list_parse(&arena, STR("{a=b"), &set, &err));
}

Test(matcher, an_absent_label_reads_as_empty) {
    AUTO(arena_finish) Arena arena = {0};
    MatcherSet set = {0};
    Err err = {0};
    cr_assert(matcher_list_parse(&arena, STR("foo!=\"x\",bar=\"\""), &set, &err));
    cr_expect(matcher_set_matches(&set, (LabelSet){0}));
    Label items[] = {{STR("bar"), STR("1")}};
    cr_expect_not(matcher_set_matches(&set, (LabelSet){items, 1}));
    matcher_set_finish(&set);
}
