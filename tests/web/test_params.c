#include "web/http.h"

#include <criterion/criterion.h>

/* Query strings and forms: names and values, escapes, and what is refused. */

static void assert_decodes(const char *text, const char *name, const char *want) {
    AUTO(arena_finish) Arena arena = {0};
    Params params = {0};
    Err err = {0};
    cr_assert(params_decode(&arena, str_of(text), &params, &err), "%s: %s", text, err.text);
    Str value = params_get(&params, str_of(name));
    cr_expect_eq(value.ptr != NULL, want != NULL, "%s: %s", text, name);
    cr_expect(!want || str_eq(value, str_of(want)), "%s: %.*s", text, STR_ARG(value));
    params_finish(&params);
}

Test(params, names_values_and_escapes) {
    assert_decodes("a=1&b=2", "b", "2");
    assert_decodes("query=up%7Bjob%3D%22x%22%7D", "query", "up{job=\"x\"}");
    assert_decodes("a=x+y%2Bz", "a", "x y+z");
    assert_decodes("a", "a", "");
    assert_decodes("&&a=1&", "a", "1");
    assert_decodes("a=1&a=2", "a", "1");
    assert_decodes("match%5B%5D=up", "match[]", "up");
    assert_decodes("a=1", "b", NULL);
}

Test(params, refuses_broken_escapes) {
    static const char *const broken[] = {"a=%", "a=%2", "a=%zz", "%g0=1"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        AUTO(arena_finish) Arena arena = {0};
        Params params = {0};
        Err err = {0};
        cr_expect_not(params_decode(&arena, str_of(broken[i]), &params, &err), "%s", broken[i]);
        cr_expect_eq(err.kind, ERR_INVALID);
        params_finish(&params);
    }
}

Test(params, label_names_of_paths) {
    static const struct {
        const char *name, *want;
    } cases[] = {
        {"job", "job"},
        {"U__http_2e_status", "http.status"},
        {"U__a__b_20_c", "a_b c"},
        {"U___1F30A_", "\xf0\x9f\x8c\x8a"},
        {"U___E9_", "\xc3\xa9"},
        /* no such names */
        {"U__a_", "U__a_"},
        {"U__a_2e", "U__a_2e"},
        {"U__a_xy_", "U__a_xy_"},
        {"U___d800_", "U___d800_"},
        {"U___110000_", "U___110000_"},
        {"U___00002e_", "U___00002e_"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO(arena_finish) Arena arena = {0};
        Str got = label_name_unescape(&arena, str_of(cases[i].name));
        cr_expect(str_eq(got, str_of(cases[i].want)), "%s: %.*s", cases[i].name, STR_ARG(got));
    }
}

Test(params, refuses_more_than_anyone_needs) {
    AUTO(arena_finish) Arena arena = {0};
    Params params = {0};
    Err err = {0};
    AUTO(buf_finish) Buf text = {0};
    for (int i = 0; i <= PARAMS_MAX; i++) {
        buf_str(&text, STR("a&"));
    }
    cr_assert_not(params_decode(&arena, buf_view(&text), &params, &err));
    cr_assert_eq(err.kind, ERR_LIMIT);
    params_finish(&params);
}
