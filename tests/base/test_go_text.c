/* Text as Go writes and reads it: literals in, literals out. */

#include <criterion/criterion.h>

#include "base/go_text.h"

static void check_quoted(const char *text, size_t len, size_t runes_max, const char *expected) {
    AUTO(buf_finish) Buf quoted = {0};
    go_quote(&quoted, (Str){text, len}, runes_max);
    cr_expect(str_eq(buf_view(&quoted), str_of(expected)), "%.*s, not %s",
              STR_ARG(buf_view(&quoted)), expected);
}

Test(go_text, quotes) {
    check_quoted("a\"b\n\\", 5, 0, "\"a\\\"b\\n\\\\\"");
    check_quoted("\x01\x7f\xff", 3, 0, "\"\\x01\\x7f\\xff\"");
    check_quoted("\xc2\xa0\xe2\x80\xa8\xc3\xbc", 7, 0, "\"\\u00a0\\u2028\xc3\xbc\"");
    check_quoted("\xc3\xbc\xc3\xbc\xc3\xbc", 6, 2, "\"\xc3\xbc\xc3\xbc\"");
    check_quoted("", 0, 0, "\"\"");
}

Test(go_text, unquotes) {
    static const struct {
        const char *literal, *expected; /* NULL: is none */
    } cases[] = {
        {"\"a\\tb\"", "a\tb"},
        {"'it\\'s'", "it's"},
        {"`raw \\n`", "raw \\n"},
        {"\"\\x41\\101\\u00fc\\U0001F600\"", "AA\xc3\xbc\xf0\x9f\x98\x80"},
        {"\"\\ud800\"", NULL},
        {"\"\\U00110000\"", NULL},
        {"\"\\400\"", NULL},
        {"\"\\'\"", NULL},
        {"\"a\nb\"", NULL},
        {"\"a\"b\"", NULL},
        {"\"", NULL},
        {"\"a'", NULL},
        {"`a`b`", NULL},
        {"\"\\x4\"", NULL},
        {"a", NULL},
        {"\"\\\"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO(arena_finish) Arena arena = {0};
        Str text = {0};
        bool good = go_unquote(&arena, str_of(cases[i].literal), &text);
        cr_expect(good == (cases[i].expected != NULL), "%s", cases[i].literal);
        cr_expect(!good || str_eq(text, str_of(cases[i].expected)), "%s gave %.*s",
                  cases[i].literal, STR_ARG(text));
    }
}

Test(go_text, reads_a_rune_literal) {
    static const struct {
        const char *literal;
        bool good;
        uint32_t rune;
    } cases[] = {
        {"'a'", true, 'a'},
        {"'\\n'", true, '\n'},
        {"'\\x80'", true, 0x80},
        {"'\xc3\xbc'", true, 0xfc},
        {"'\\U0001F600'", true, 0x1f600},
        {"'ab'", false, 0},
        {"''", false, 0},
        {"'\\ud800'", false, 0},
        {"\"a\"", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t rune = 0;
        bool good = go_unquote_rune(str_of(cases[i].literal), &rune);
        cr_expect(good == cases[i].good, "%s", cases[i].literal);
        cr_expect(!good || rune == cases[i].rune, "%s gave %x", cases[i].literal, rune);
    }
}

Test(go_text, never_writes_what_is_no_character) {
    static const uint32_t bad[] = {0xD800, 0xDFFF, 0x110000, 0xFFFFFFFF};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        AUTO(buf_finish) Buf out = {0};
        utf8_put(&out, bad[i]);
        cr_expect(str_eq(buf_view(&out), STR("\xef\xbf\xbd")));
    }
}

Test(go_text, reads_characters_and_what_is_none) {
    static const struct {
        const char *bytes;
        size_t length;
        int32_t rune;
    } cases[] = {
        {"a", 1, 'a'},
        {"\xc3\xbc", 2, 0xfc},
        {"\xe2\x82\xac", 3, 0x20ac},
        {"\xc3", 1, 0xfffd},
        {"\xc0\x80", 1, 0xfffd},
        {"\xe0\x80\x80", 1, 0xfffd},
        {"\xed\xa0\x80", 1, 0xfffd},
        {"\xf4\x90\x80\x80", 1, 0xfffd},
        {"", 0, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int32_t rune;
        size_t length = utf8_next(str_of(cases[i].bytes), 0, &rune);
        cr_expect(length == cases[i].length && rune == cases[i].rune, "case %zu: %zu, %d", i,
                  length, rune);
    }
}
