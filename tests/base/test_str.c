/* Views of text: order, trimming, UTF-8, and guesses at what was meant. */

#include <criterion/criterion.h>

#include "base/str.h"

Test(str, orders_by_bytes_and_then_by_length) {
    static const char *const sorted[] = {"", "A", "a", "a.b", "ab", "b", "\xc3\xa4"};
    enum { COUNT = sizeof sorted / sizeof sorted[0] };
    for (int i = 0; i < COUNT; i++) {
        for (int j = 0; j < COUNT; j++) {
            int order = str_cmp(str_of(sorted[i]), str_of(sorted[j]));
            cr_expect_eq((order > 0) - (order < 0), (i > j) - (i < j), "\"%s\" and \"%s\"",
                         sorted[i], sorted[j]);
        }
    }
}

Test(str, looks_at_both_ends) {
    cr_expect(str_eq(str_trim(STR(" \t\r\nup == 0\n ")), STR("up == 0")));
    cr_expect_eq(str_trim(STR(" \n")).len, 0);
    cr_expect(str_starts(STR("node_cpu"), STR("node_")));
    cr_expect_not(str_starts(STR("node"), STR("node_")));
    cr_expect(str_ends(STR("a.yaml"), STR(".yaml")));
    cr_expect_eq(str_find(STR("key=value"), '='), 3);
    cr_expect_eq(str_find(STR("key"), '='), 3);
}

Test(str, knows_well_formed_utf8) {
    static const struct {
        const char *text;
        bool fine;
    } cases[] = {
        {"", true},
        {"plain ascii, longer than eight", true},
        {"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x94\xa5", true},
        {"\xf4\x8f\xbf\xbf", true},  /* U+10FFFF */
        {"\xf4\x90\x80\x80", false}, /* one above */
        {"\x80", false},             /* a tail alone */
        {"abcdefgh\xc3", false},     /* breaks off */
        {"\xc0\x80", false},         /* overlong NUL */
        {"\xe0\x9f\xbf", false},     /* overlong */
        {"\xed\xa0\x80", false},     /* a surrogate */
        {"\xff\xfe", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_expect_eq(str_is_utf8(str_of(cases[i].text)), cases[i].fine, "case %zu", i);
    }
}

Test(str, suggests_the_known_word_that_is_near) {
    static const char *const known[] = {"alert",       "expr", "for",  "labels",
                                        "annotations", "rad",  "rate", NULL};
    static const struct {
        const char *word;
        const char *want;
    } cases[] = {
        {"exp", "expr"},
        {"exrp", "expr"},
        {"lables", "labels"},
        {"Alert", "alert"},
        {"annotation", "annotations"},
        {"fro", "for"},
        {"rat", "rate"}, /* "rad" is as near, and begins less alike */
        {"label", "labels"},
        {"interval", NULL},
        {"x", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *got = str_suggest(str_of(cases[i].word), known);
        cr_expect_str_eq(got ? got : "(none)", cases[i].want ? cases[i].want : "(none)", "for %s",
                         cases[i].word);
    }
}
