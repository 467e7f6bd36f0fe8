#include "model/label.h"

#include <criterion/criterion.h>

/* Label sets: how they are built from any list, compared, hashed, cut down and printed. */

static LabelSet build(Label *items, size_t count) {
    LabelSet set = {0};
    Err err = {0};
    cr_assert(labels_build(items, count, &set, &err), "%s", err.text);
    return set;
}

#define SET(...) build((Label[]){__VA_ARGS__}, sizeof((Label[]){__VA_ARGS__}) / sizeof(Label))
#define L(name, value)                                                                             \
    { STR(name), STR(value) }

static void assert_prints(LabelSet set, const char *want) {
    Buf buf = {0};
    labels_print(&buf, set);
    buf_byte(&buf, '\0');
    cr_expect_str_eq(buf.ptr, want);
    buf_finish(&buf);
}

Test(label, build_sorts_and_drops_empty_values) {
    LabelSet set = SET(L("job", "node"), L("empty", ""), L("__name__", "up"), L("a", "1"));
    cr_assert_eq(set.count, 3);
    assert_prints(set, "up{a=\"1\", job=\"node\"}");
}

Test(label, build_refuses_a_name_that_stands_twice) {
    Label items[] = {L("a", "1"), L("b", "2"), L("a", "3")};
    LabelSet set = {0};
    Err err = {0};
    cr_assert_not(labels_build(items, 3, &set, &err));
    cr_assert_eq(err.kind, ERR_INVALID);
    cr_assert_str_eq(err.text, "label name \"a\" is not unique");
}

Test(label, prints_as_prometheus_does) {
    assert_prints(SET(L("__name__", "up")), "up");
    assert_prints((LabelSet){0}, "{}");
    assert_prints(SET(L("a", "x\"y\\z\n")), "{a=\"x\\\"y\\\\z\\n\"}");
    assert_prints(SET(L("__name__", "my metric"), L("a.b", "1")), "{\"my metric\", \"a.b\"=\"1\"}");
}

Test(label, order_is_label_by_label) {
    cr_expect(labels_cmp(SET(L("a", "1")), SET(L("a", "2"))) < 0);
    cr_expect(labels_cmp(SET(L("a", "1")), SET(L("a", "1"), L("b", "1"))) < 0);
    cr_expect(labels_cmp(SET(L("b", "1")), SET(L("a", "9"), L("c", "1"))) > 0);
    cr_expect_eq(labels_cmp(SET(L("a", "1")), SET(L("a", "1"))), 0);
}

Test(label, fingerprint_is_alertmanagers) {
    /* FNV-1a of nothing is its offset basis; of {a="b"}: the five bytes 'a' FF 'b' FF. */
    cr_expect_eq(labels_fingerprint((LabelSet){0}), UINT64_C(14695981039346656037));
    uint64_t want = fnv1a(FNV1A_START, STR("a\xff"
                                           "b\xff"));
    cr_expect_eq(labels_fingerprint(SET(L("a", "b"))), want);
}

Test(label, hash_tells_where_one_label_ends) {
    cr_expect(!hash_eq(labels_hash(SET(L("a", "bc"))), labels_hash(SET(L("ab", "c")))));
    cr_expect(hash_eq(labels_hash(SET(L("a", "b"), L("c", "d"))),
                      labels_hash(SET(L("c", "d"), L("a", "b")))));
}

Test(label, with_sets_replaces_and_removes) {
    AUTO(arena_finish) Arena arena = {0};
    LabelSet set = SET(L("a", "1"), L("c", "3"));
    assert_prints(labels_with(&arena, set, STR("b"), STR("2")), "{a=\"1\", b=\"2\", c=\"3\"}");
    assert_prints(labels_with(&arena, set, STR("c"), STR("9")), "{a=\"1\", c=\"9\"}");
    assert_prints(labels_with(&arena, set, STR("d"), STR("4")), "{a=\"1\", c=\"3\", d=\"4\"}");
    assert_prints(labels_with(&arena, set, STR("a"), STR("")), "{c=\"3\"}");
    assert_prints(labels_filter(&arena, set, (Str[]){STR("a")}, 1, true), "{a=\"1\"}");
    assert_prints(labels_filter(&arena, set, (Str[]){STR("a")}, 1, false), "{c=\"3\"}");
}

Test(label, valid_names_the_first_offender) {
    static const struct {
        Label items[3];
        size_t count;
        const char *want; /* NULL = valid */
    } cases[] = {
        {{L("a", "1"), L("b", "2")}, 2, NULL},
        {{L("b", "1"), L("a", "2")}, 2, "label name \"a\": out of order"},
        {{L("a", "1"), L("a", "2")}, 2, "label name \"a\": is not unique"},
        {{L("", "1")}, 1, "a label has an empty name"},
        {{L("a", "")}, 1, "label name \"a\": has an empty value"},
        {{L("a", "\xff")}, 1, "label name \"a\": its value is not UTF-8"},
        {{L("\xc0\x80", "x")}, 1, "a label name is not UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err err = {0};
        bool valid = labels_valid((LabelSet){cases[i].items, cases[i].count}, &err);
        cr_expect_eq(valid, cases[i].want == NULL, "case %zu", i);
        if (cases[i].want) {
            cr_expect_str_eq(err.text, cases[i].want);
        }
    }
}
