/* YAML trees: what they hold, where it stood, and what is refused. */

#include <criterion/criterion.h>
#include <math.h>

#include "base/yaml.h"

typedef struct Parsed {
    Arena arena;
    Problems problems;
    YamlDocs docs;
    bool fine;
} Parsed;

static void finish_parsed(Parsed *parsed) {
    arena_finish(&parsed->arena);
    problems_finish(&parsed->problems);
}

static void parse(Parsed *parsed, Str text) {
    parsed->fine =
        yaml_parse(&parsed->arena, text, STR("f.yaml"), &parsed->docs, &parsed->problems);
    cr_assert_eq(parsed->fine, parsed->problems.items_count == 0);
}

static const YamlNode *parse_one(Parsed *parsed, const char *text) {
    parse(parsed, str_of(text));
    cr_assert(parsed->fine, "%s: %.*s", text, STR_ARG(parsed->problems.items[0].text));
    cr_assert_eq(parsed->docs.count, 1, "%s", text);
    return parsed->docs.items[0];
}

/* All problems, as a user sees them. */
static void assert_problems(const Parsed *parsed, const char *want) {
    AUTO(buf_finish) Buf buf = {0};
    problems_print(&parsed->problems, &buf);
    cr_expect(str_eq(buf_view(&buf), str_of(want)), "got\n%.*swant\n%s", STR_ARG(buf_view(&buf)),
              want);
}

static void assert_refused(const char *text, const char *want) {
    AUTO(finish_parsed) Parsed parsed = {0};
    parse(&parsed, str_of(text));
    assert_problems(&parsed, want);
}

/* What the tree says, in block style. */
static void assert_printed(const char *text, const char *want) {
    AUTO(finish_parsed) Parsed parsed = {0};
    AUTO(buf_finish) Buf buf = {0};
    yaml_print(&buf, parse_one(&parsed, text), 0);
    cr_expect(str_eq(buf_view(&buf), str_of(want)), "got\n%.*swant\n%s", STR_ARG(buf_view(&buf)),
              want);
}

Test(yaml, tells_texts_from_other_scalars) {
    static const struct {
        const char *text;
        YamlKind kind;
        bool quoted;
        const char *want;
    } cases[] = {
        {"abc", YAML_SCALAR, false, "abc"},
        {"1", YAML_SCALAR, false, "1"},
        {"'1'", YAML_SCALAR, true, "1"},
        {"\"a\\tb\"", YAML_SCALAR, true, "a\tb"},
        {"|\n  a\n   b\n", YAML_SCALAR, true, "a\n b\n"},
        {">-\n  a\n  b\n", YAML_SCALAR, true, "a b"},
        {"!!str 1", YAML_SCALAR, true, "1"},
        {"~", YAML_NULL, false, "~"},
        {"null", YAML_NULL, false, "null"},
        {"'null'", YAML_SCALAR, true, "null"},
        {"''", YAML_SCALAR, true, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO(finish_parsed) Parsed parsed = {0};
        const YamlNode *node = parse_one(&parsed, cases[i].text);
        cr_expect_eq(node->kind, cases[i].kind, "%s", cases[i].text);
        cr_expect_eq(node->quoted, cases[i].quoted, "%s", cases[i].text);
        cr_expect(str_eq(node->text, str_of(cases[i].want)), "%s", cases[i].text);
    }
}

Test(yaml, remembers_where_each_thing_stood) {
    AUTO(finish_parsed) Parsed parsed = {0};
    const YamlNode *root = parse_one(&parsed, "# rules\n"
                                              "groups:\n"
                                              "  - name: \xc3\xa4\xc3\xb6 # counted as characters\n"
                                              "    rules: [a, {b: c}]\n");
    const YamlNode *groups = yaml_get(root, "groups");
    const YamlNode *group = groups->items[0];
    const YamlNode *rules = yaml_get(group, "rules");
    const struct {
        const YamlNode *node;
        uint32_t line, column;
    } cases[] = {
        {root, 2, 1},
        {root->pairs[0].key, 2, 1},
        {groups, 3, 3},
        {group, 3, 5},
        {yaml_get(group, "name"), 3, 11},
        {rules, 4, 12},
        {rules->items[0], 4, 13},
        {yaml_get(rules->items[1], "b"), 4, 20},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_expect_eq(cases[i].node->line, cases[i].line, "line of case %zu", i);
        cr_expect_eq(cases[i].node->column, cases[i].column, "column of case %zu", i);
    }
}

Test(yaml, a_file_may_have_any_number_of_documents) {
    static const struct {
        const char *text;
        size_t want;
    } cases[] = {
        {"", 0}, {"# nothing\n", 0}, {"a", 1}, {"---\n", 1}, {"a: 1\n---\nb: 2\n...\n---\nc\n", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO(finish_parsed) Parsed parsed = {0};
        parse(&parsed, str_of(cases[i].text));
        cr_expect(parsed.fine);
        cr_expect_eq(parsed.docs.count, cases[i].want, "%s", cases[i].text);
    }
    AUTO(finish_parsed) Parsed parsed = {0};
    parse(&parsed, (Str){0});
    cr_expect(parsed.fine && parsed.docs.count == 0);
}

Test(yaml, syntax_errors_have_a_place) {
    assert_refused("a: [1\nb: 2\n",
                   "f.yaml:2:2: while parsing a flow sequence: did not find expected ',' or ']'\n");
    assert_refused("a: b: c\n", "f.yaml:1:5: mapping values are not allowed in this context\n");
    assert_refused("a:\n\t- b\n", "f.yaml:2:1: while scanning for the next token: found character "
                                  "that cannot start any token\n");
    assert_refused("ok: 1\nbad: \xff\n", "f.yaml:2:6: invalid leading UTF-8 octet\n");
    assert_refused("? [a]\n: b\n", "f.yaml:1:3: a mapping key has to be a scalar\n");
}

Test(yaml, repeated_keys_are_kept_and_told) {
    AUTO(finish_parsed) Parsed parsed = {0};
    const YamlNode *map = parse_one(&parsed, "name: a\nother: b\n\"name\": c\n");
    static const char *const known[] = {"name", "other", NULL};
    YamlReader reader = {.file = STR("f.yaml"), .problems = &parsed.problems, .where = "group"};

    cr_expect_eq(map->count, 3);
    cr_expect(str_eq(yaml_get(map, "name")->text, STR("c")));
    cr_expect_not(yaml_check_keys(&reader, map, known));
    assert_problems(&parsed, "f.yaml:3:1: group: mapping key \"name\" already defined at line 1\n");
}

Test(yaml, repeated_keys_are_found_in_large_maps_too) {
    AUTO(finish_parsed) Parsed parsed = {0};
    AUTO(buf_finish) Buf buf = {0};
    for (int i = 0; i < 1000; i++) {
        buf_printf(&buf, "key%d: %d\n", i, i);
    }
    buf_str(&buf, STR("key3: again\nkey999: again\nkey3: and again\n"));
    parse(&parsed, buf_view(&buf));
    cr_assert(parsed.fine);
    const YamlNode *map = parsed.docs.items[0];
    for (size_t i = 0; i < 1000; i++) {
        cr_assert_eq(map->pairs[i].first_line, 0, "pair %zu", i);
    }
    cr_expect_eq(map->pairs[1000].first_line, 4);
    cr_expect_eq(map->pairs[1001].first_line, 1000);
    cr_expect_eq(map->pairs[1002].first_line, 4);
}

Test(yaml, aliases_and_merge_keys_leave_a_plain_tree) {
    assert_printed("a: &x [1, 2]\nb: *x\n", "a:\n  - 1\n  - 2\nb:\n  - 1\n  - 2\n");
    /* What is written in the map wins, wherever it stands; then the first of several. */
    assert_printed("- &a {x: 1, y: 1}\n"
                   "- &b {x: 2, z: 2}\n"
                   "- <<: [*a, *b]\n"
                   "  y: 3\n"
                   "- {\"<<\": 1}\n",
                   "- x: 1\n"
                   "  y: 1\n"
                   "- x: 2\n"
                   "  z: 2\n"
                   "- y: 3\n"
                   "  x: 1\n"
                   "  z: 2\n"
                   "- \"<<\": 1\n");
    /* An anchor may be set again, and is forgotten with its document. */
    assert_printed("- &a 1\n- &a 2\n- *a\n", "- 1\n- 2\n- 2\n");
    assert_refused("&a 1\n---\n*a\n", "f.yaml:3:1: unknown anchor\n");
    assert_refused("a: *nothing\n", "f.yaml:1:4: unknown anchor\n");
    assert_refused("&a [*a]\n", "f.yaml:1:5: anchor contains itself\n");
    assert_refused("a: 1\n<<: 2\n", "f.yaml:2:5: map merge requires map or sequence of maps as the "
                                    "value\n");
}

/* 9 levels of 9 aliases: 300 bytes that stand for 400 million nodes. */
Test(yaml, an_alias_bomb_is_refused) {
    AUTO(finish_parsed) Parsed parsed = {0};
    AUTO(buf_finish) Buf buf = {0};
    buf_str(&buf, STR("- &l0 x\n"));
    for (int level = 1; level <= 9; level++) {
        buf_printf(&buf, "- &l%d [", level);
        for (int i = 0; i < 9; i++) {
            buf_printf(&buf, "*l%d,", level - 1);
        }
        buf_str(&buf, STR("]\n"));
    }
    parse(&parsed, buf_view(&buf));
    cr_assert_not(parsed.fine);
    cr_expect(str_eq(parsed.problems.items[0].text,
                     STR("too many nodes, counting each alias as what it stands for")));
    cr_expect_lt(parsed.arena.used_bytes, 100000);
}

static void put_nested(Buf *buf, int levels) {
    for (int i = 0; i < levels; i++) {
        buf_byte(buf, '[');
    }
    for (int i = 0; i < levels; i++) {
        buf_byte(buf, ']');
    }
}

Test(yaml, nesting_is_bounded_also_by_way_of_aliases) {
    AUTO(finish_parsed) Parsed fits = {0}, deep = {0}, aliased = {0};
    AUTO(buf_finish) Buf buf = {0};
    put_nested(&buf, YAML_DEPTH_MAX);
    parse(&fits, buf_view(&buf));
    cr_expect(fits.fine);

    put_nested(&buf, 100000);
    buf.ptr[0] = ' ';
    parse(&deep, buf_view(&buf));
    cr_expect_not(deep.fine);

    buf.len = 0;
    buf_str(&buf, STR("- &a0 x\n"));
    for (int i = 1; i <= YAML_DEPTH_MAX; i++) {
        buf_printf(&buf, "- &a%d [*a%d]\n", i, i - 1);
    }
    parse(&aliased, buf_view(&buf));
    cr_assert_not(aliased.fine);
    cr_expect(str_eq(aliased.problems.items[0].text, STR("nested too deeply")));
}

Test(yaml, unknown_keys_are_told_with_a_guess) {
    AUTO(finish_parsed) Parsed parsed = {0};
    const YamlNode *root = parse_one(&parsed, "alert: x\nexp: up\nzzz: 1\nlist: [1]\nnone:\n");
    static const char *const known[] = {"alert", "expr", "list", "none", NULL};
    YamlReader reader = {.file = STR("f.yaml"), .problems = &parsed.problems, .where = ""};

    cr_expect_not(yaml_check_keys(&reader, root, known));
    cr_expect(yaml_check_keys(&reader, yaml_get(root, "none"), known));
    cr_expect_not(yaml_check_keys(&reader, yaml_get(root, "list"), known));
    assert_problems(&parsed, "f.yaml:2:1: unknown key \"exp\", did you mean \"expr\"?\n"
                             "f.yaml:3:1: unknown key \"zzz\"\n"
                             "f.yaml:4:7: expected a map, got a list\n");
}

Test(yaml, fields_are_read_by_type) {
    AUTO(finish_parsed) Parsed parsed = {0};
    const YamlNode *map = parse_one(&parsed, "text: 5\n"
                                             "yes: on\n"
                                             "whole: -5\n"
                                             "helm: 1e+06\n"
                                             "real: .inf\n"
                                             "span: 1h30m\n"
                                             "size: \"4MB\"\n"
                                             "list: []\n"
                                             "map: {}\n");
    YamlReader reader = {.file = STR("f.yaml"), .problems = &parsed.problems, .where = ""};
    Str text;
    bool yes = false;
    int64_t whole;
    double real;
    DurationMs span;
    uint64_t size;
    const YamlNode *list, *inner;
    cr_expect(yaml_str(&reader, map, "text", &text) && str_eq(text, STR("5")));
    cr_expect(yaml_bool(&reader, map, "yes", &yes) && yes);
    cr_expect(yaml_int(&reader, map, "whole", -5, 5, &whole) && whole == -5);
    cr_expect(yaml_int(&reader, map, "helm", 0, 9999999, &whole) && whole == 1000000);
    cr_expect(yaml_number(&reader, map, "real", &real) && isinf(real));
    cr_expect(yaml_duration(&reader, map, "span", &span) && span == 90 * MINUTE_MS);
    cr_expect(yaml_bytes(&reader, map, "size", &size) && size == 4 << 20);
    cr_expect(yaml_list(&reader, map, "list", &list) && list->kind == YAML_LIST);
    cr_expect(yaml_map(&reader, map, "map", &inner) && inner->kind == YAML_MAP);
    assert_problems(&parsed, "");
}

Test(yaml, fields_that_are_missing_or_null_are_no_problem) {
    AUTO(finish_parsed) Parsed parsed = {0};
    const YamlNode *map = parse_one(&parsed, "none: ~\n");
    YamlReader reader = {.file = STR("f.yaml"), .problems = &parsed.problems, .where = ""};
    Str text = STR("kept");
    cr_expect_not(yaml_str(&reader, map, "none", &text));
    cr_expect_not(yaml_str(&reader, map, "missing", &text));
    cr_expect_not(yaml_str(&reader, NULL, "missing", &text));
    cr_expect(str_eq(text, STR("kept")));
    assert_problems(&parsed, "");
}

Test(yaml, fields_of_the_wrong_type_are_problems) {
    AUTO(finish_parsed) Parsed parsed = {0};
    const YamlNode *map = parse_one(&parsed, "text: [a]\n"
                                             "yes: 'true'\n"
                                             "whole: 1.5\n"
                                             "large: 70000\n"
                                             "real: \"1\"\n"
                                             "span: 300\n"
                                             "size: 5 apples\n"
                                             "list: a\n"
                                             "map: [a]\n");
    YamlReader reader = {
        .file = STR("f.yaml"), .problems = &parsed.problems, .where = "group \"x\""};
    Str text;
    bool yes;
    int64_t whole;
    double real;
    DurationMs span;
    uint64_t size;
    const YamlNode *node;
    cr_expect_not(yaml_str(&reader, map, "text", &text));
    cr_expect_not(yaml_bool(&reader, map, "yes", &yes));
    cr_expect_not(yaml_int(&reader, map, "whole", 0, 9, &whole));
    cr_expect_not(yaml_int(&reader, map, "large", 0, 65535, &whole));
    cr_expect_not(yaml_number(&reader, map, "real", &real));
    cr_expect_not(yaml_duration(&reader, map, "span", &span));
    cr_expect_not(yaml_bytes(&reader, map, "size", &size));
    cr_expect_not(yaml_list(&reader, map, "list", &node));
    cr_expect_not(yaml_map(&reader, map, "map", &node));
    assert_problems(&parsed,
                    "f.yaml:1:7: group \"x\": text: expected a value, got a list\n"
                    "f.yaml:2:6: group \"x\": yes: expected true or false, got \"true\"\n"
                    "f.yaml:3:8: group \"x\": whole: expected a whole number, got \"1.5\"\n"
                    "f.yaml:4:8: group \"x\": large: 70000 is not between 0 and 65535\n"
                    "f.yaml:5:7: group \"x\": real: expected a number, got \"1\"\n"
                    "f.yaml:6:7: group \"x\": span: not a valid duration string: \"300\"\n"
                    "f.yaml:7:7: group \"x\": size: not a valid size in bytes: \"5 apples\"\n"
                    "f.yaml:8:7: group \"x\": list: expected a list, got a value\n"
                    "f.yaml:9:6: group \"x\": map: expected a map, got a list\n");
}

Test(yaml, printing_quotes_only_what_would_be_read_otherwise) {
    assert_printed("[plain words, 1, '1', true, 'true', '', \"- x\", 'a: b', 'a #b', 'a:', '#a', "
                   "\"\\u00e9\", -1, '-x', '*a']",
                   "- plain words\n"
                   "- 1\n"
                   "- \"1\"\n"
                   "- true\n"
                   "- \"true\"\n"
                   "- \"\"\n"
                   "- \"- x\"\n"
                   "- \"a: b\"\n"
                   "- \"a #b\"\n"
                   "- \"a:\"\n"
                   "- \"#a\"\n"
                   "- \"\xc3\xa9\"\n"
                   "- -1\n"
                   "- \"-x\"\n"
                   "- \"*a\"\n");
}

Test(yaml, printing_keeps_lines) {
    static const char text[] = "expr: |\n"
                               "  up\n"
                               "    == 0\n"
                               "\n"
                               "  and on() x\n"
                               "cut: |-\n"
                               "  a\n"
                               "  b\n"
                               "kept:\n"
                               "  - |+\n"
                               "    a\n"
                               "\n"
                               "  - {}\n"
                               "  - - []\n"
                               "    - null\n"
                               "odd: \"\\n a\"\n";
    assert_printed(text, text);
}

/* Every cut of a good file and every bit flip: an answer, and never a wild pointer. */
Test(yaml, what_is_secret_is_not_shown) {
    static const struct {
        const char *text, *shown;
    } rows[] = {
        {"password: hush", "password: \"<secret>\"\n"},
        {"password_file: /etc/p", "password_file: /etc/p\n"},
        {"token: ''", "token: \"\"\n"},
        {"http_headers: {A: {values: [b], secrets: [hush]}}",
         "http_headers:\n  A:\n    values:\n      - b\n    secrets:\n      - \"<secret>\"\n"},
        {"proxy_connect_header: {A: [hush]}", "proxy_connect_header:\n  A:\n    - \"<secret>\"\n"},
        {"headers: ['A: hush']", "headers:\n  - \"A: <secret>\"\n"},
        {"headers: {Subject: open}", "headers:\n  Subject: open\n"},
        {"proxy_url: http://u:hush@h:1/p", "proxy_url: http://u:xxxxx@h:1/p\n"},
        {"url: http://u@h/p:q", "url: http://u@h/p:q\n"},
        {"key: |\n  -----BEGIN PRIVATE KEY-----\n  hush\n", "key: \"<secret>\"\n"},
        {"webhook_configs: [{url: 'http://u:hush@h/x?y', http_config: {proxy_url: 'http://p/'}}]",
         "webhook_configs:\n  - url: http://h/<secret>\n    http_config:\n      proxy_url: "
         "http://p/\n"},
        {"webhook_configs: [{url: 'http://h'}, {url: '{{ .hush }}'}, {url: 'https://h/'}]",
         "webhook_configs:\n  - url: http://h\n  - url: http://secret.invalid/<secret>\n  - url: "
         "https://h\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        AUTO(finish_parsed) Parsed parsed = {0};
        AUTO(buf_finish) Buf buf = {0};
        const YamlNode *node = parse_one(&parsed, rows[i].text);
        yaml_print(&buf, yaml_hide(&parsed.arena, node), 0);
        cr_expect(str_eq(buf_view(&buf), str_of(rows[i].shown)), "got\n%.*swant\n%s",
                  STR_ARG(buf_view(&buf)), rows[i].shown);
    }
}

Test(yaml, survives_damaged_files) {
    static const char good[] = "a: &x {b: [1, \"2\", 'c']}\n"
                               "m: {<<: *x, d: |\n    t\n  }\n"
                               "? e\n: >-\n  f\n  g\n--- !!str h\n";
    for (size_t len = 0; len < sizeof good; len++) {
        AUTO(finish_parsed) Parsed parsed = {0};
        parse(&parsed, (Str){good, len});
    }
    for (size_t bit = 0; bit < 8 * (sizeof good - 1); bit++) {
        AUTO(finish_parsed) Parsed parsed = {0};
        char damaged[sizeof good];
        memcpy(damaged, good, sizeof good);
        damaged[bit / 8] = (char)(damaged[bit / 8] ^ 1 << bit % 8);
        parse(&parsed, (Str){damaged, sizeof good - 1});
    }
}
