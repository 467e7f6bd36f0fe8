/* Expressions: matchers are anchored, searches are not, and both say what is wrong. */

#include <criterion/criterion.h>
#include <string.h>

#include "base/attr.h"
#include "base/regex.h"

DEFINE_AUTO(Regex, regex_free)

static Regex *compile(Regex *(*make)(const char *, size_t, Err *), const char *pattern) {
    Err err = {0};
    Regex *regex = make(pattern, strlen(pattern), &err);
    cr_assert_not_null(regex, "%s", err.text);
    return regex;
}

static bool matches(const char *pattern, const char *text) {
    AUTO(regex_freep) Regex *regex = compile(regex_new, pattern);
    return regex_matches(regex, text, strlen(text));
}

Test(regex, a_matcher_takes_the_whole_text) {
    cr_expect(matches("node.*", "node-1\nx"));
    cr_expect_not(matches("node", "node-1"));
    cr_expect(matches("(?i)prod|stage", "PROD"));
    cr_expect_not(matches("prod|stage", "prod-1"));
    cr_expect(matches("", ""));
    cr_expect_not(matches("", "x"));
}

Test(regex, a_search_takes_any_part_within_a_line) {
    AUTO(regex_freep) Regex *regex = compile(regex_new_search, "a.c");
    cr_expect(regex_matches(regex, "xabcx", 5));
    cr_expect_not(regex_matches(regex, "xa\ncx", 5));
}

Test(regex, refuses_what_has_no_linear_time) {
    Err err = {0};
    cr_expect_null(regex_new("(a)\\1", 5, &err));
    cr_expect_eq(err.kind, ERR_INVALID);
    cr_expect_str_eq(err.text, "regular expression: invalid escape sequence: \\1");
    cr_expect_null(regex_new("((a{100}){100}){100}", 20, &err));
    cr_expect_eq(err.kind, ERR_INVALID);
}

Test(regex, finds_groups_from_anywhere) {
    AUTO(regex_freep) Regex *regex = compile(regex_new_search, "(?P<key>[a-z]+)=(\\d+)|(x)");
    RegexSpan spans[4];
    const char *text = "a=1, bc=23";
    cr_expect_eq(regex_group_count(regex), 3);
    cr_expect_eq(regex_group_index(regex, "key", 3), 1);
    cr_expect_eq(regex_group_index(regex, "other", 5), -1);

    cr_assert(regex_find(regex, text, strlen(text), 3, spans, 4));
    cr_expect(spans[0].from == 5 && spans[0].to == 10);
    cr_expect(spans[1].from == 5 && spans[1].to == 7);
    cr_expect(spans[2].from == 8 && spans[2].to == 10);
    cr_expect(spans[3].from == -1 && spans[3].to == -1);
    cr_expect_not(regex_find(regex, text, strlen(text), 10, spans, 4));
}

Test(regex, an_empty_group_is_not_a_missing_one) {
    AUTO(regex_freep) Regex *regex = compile(regex_new_search, "(a*)$");
    RegexSpan spans[2];
    cr_assert(regex_find(regex, "", 0, 0, spans, 2));
    cr_expect(spans[1].from == 0 && spans[1].to == 0);
    cr_assert(regex_find(regex, NULL, 0, 0, spans, 2));
    cr_expect(spans[1].from == 0 && spans[1].to == 0);
}

Test(regex, says_between_what_texts_all_matches_lie) {
    char min[11], max[11];
    AUTO(regex_freep) Regex *prefix = compile(regex_new, "node-[0-4].*");
    cr_assert(regex_range(prefix, min, max, 10));
    cr_expect_leq(strcmp(min, "node-0"), 0);
    cr_expect_geq(strcmp(max, "node-4zzz"), 0);
    cr_expect_eq(strncmp(min, "node-", 5), 0);

    AUTO(regex_freep) Regex *any = compile(regex_new, ".*x");
    cr_expect_not(regex_range(any, min, max, 10));
}
