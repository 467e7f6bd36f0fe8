#include "model/matcher.h"

#include <stdlib.h>

#include "base/json.h"

/*
 * What can be told of an expression without running it. Only the plain shapes that people write in
 * selectors are recognised: literals, a|b|c (also in one pair of round brackets), a literal prefix,
 * prefix.*, prefix.*infix.* (either may be empty), .* and .+; everything else is left to RE2, so
 * missing a shape costs time and never an answer. Of prefix.*infix(whatever) it is told that a text
 * without the infix does not match: most are none of those looked for.
 */

static const char meta_chars[] = "\\.+*?()|[]{}^$";

static bool is_meta(char c) {
    return c != '\0' && strchr(meta_chars, c) != NULL;
}

static bool is_repeat(char c) {
    return c == '*' || c == '+' || c == '?' || c == '{';
}

/* Reads one literal character at `*at` into `*ret`: itself, or an escaped punctuation mark. False
 * at a metacharacter. */
static bool take_literal(Str pattern, size_t *at, char *ret) {
    char c = pattern.ptr[*at];
    if (c == '\\' && *at + 1 < pattern.len && is_meta(pattern.ptr[*at + 1])) {
        *ret = pattern.ptr[*at + 1];
        *at += 2;
        return true;
    }
    if (is_meta(c)) {
        return false;
    }
    *ret = c;
    *at += 1;
    return true;
}

/* The literal characters that `pattern` begins with, into `text`, which has room for all of it;
 * `*ret_rest` is where they end. A character that a repetition follows is not one of them, nor is
 * half a UTF-8 sequence. */
static Str take_literals(char *text, Str pattern, size_t *ret_rest) {
    size_t len = 0;
    size_t at = 0;
    size_t before_last = 0;
    size_t last_len = 0;
    while (at < pattern.len) {
        size_t start = at;
        char c;
        if (!take_literal(pattern, &at, &c)) {
            break;
        }
        if (((unsigned char)c & 0xc0) != 0x80) { /* a character begins */
            before_last = start;
            last_len = len;
        }
        text[len++] = c;
    }
    if (at < pattern.len && is_repeat(pattern.ptr[at])) {
        at = before_last;
        len = last_len;
    }
    *ret_rest = at;
    return (Str){text, len};
}

static Str literal_head(Arena *arena, Str pattern, size_t *ret_rest) {
    return take_literals(arena_alloc(arena, pattern.len + 1), pattern, ret_rest);
}

static Str without_brackets(Str pattern) {
    Str inner = pattern;
    if (str_starts(inner, STR("(?:"))) {
        inner = str_skip(inner, 3);
    } else if (str_starts(inner, STR("(")) && !str_starts(inner, STR("(?"))) {
        inner = str_skip(inner, 1);
    } else {
        return pattern;
    }
    if (!str_ends(inner, STR(")")) || memchr(inner.ptr, '(', inner.len)) {
        return pattern;
    }
    inner.len--;
    return memchr(inner.ptr, ')', inner.len) ? pattern : inner;
}

/* Longest last: most texts that are none of the literals are told by their length. */
static int compare_literals(const void *a, const void *b) {
    const Str *x = a, *y = b;
    return x->len != y->len ? (x->len > y->len) - (x->len < y->len) : str_cmp(*x, *y);
}

static bool find_literals(Arena *arena, Str pattern, Matcher *matcher) {
    Str inner = without_brackets(pattern);
    size_t count = 1;
    for (size_t i = 0; i < inner.len; i++) {
        count += inner.ptr[i] == '|';
    }
    Str *literals = arena_array(arena, Str, count);
    char *text = arena_alloc(arena, inner.len + 1); /* of all */
    size_t found = 0;
    for (;;) {
        size_t rest;
        literals[found] = take_literals(text, inner, &rest);
        text += literals[found++].len;
        inner = str_skip(inner, rest);
        if (inner.len == 0) {
            break;
        }
        if (inner.ptr[0] != '|') {
            return false;
        }
        inner = str_skip(inner, 1);
    }
    qsort(literals, found, sizeof *literals, compare_literals);
    matcher->literals = literals;
    matcher->literal_count = found;
    return true;
}

static bool has_bar(Str pattern) {
    return memchr(pattern.ptr, '|', pattern.len) != NULL;
}

/* What follows the prefix: `.*`, `.*infix.*`, or `.*infix` and more; likewise with `.+`. */
static void study_infix(Arena *arena, Str rest, Matcher *matcher) {
    bool any = str_starts(rest, STR(".*"));
    if (!any && !str_starts(rest, STR(".+"))) {
        return;
    }
    rest = str_skip(rest, 2);
    size_t end;
    matcher->infix = literal_head(arena, rest, &end);
    matcher->plain =
        any && (rest.len == 0 || (matcher->infix.len && str_eq(str_skip(rest, end), STR(".*"))));
}

static void study_regex(Arena *arena, Matcher *matcher) {
    Str pattern = matcher->value;
    matcher->any = str_eq(pattern, STR(".*")) || str_eq(pattern, STR(".+"));
    if (pattern.len == 0 || matcher->any || find_literals(arena, pattern, matcher)) {
        return;
    }
    if (has_bar(pattern)) {
        return;
    }
    size_t rest;
    matcher->prefix = literal_head(arena, pattern, &rest);
    study_infix(arena, str_skip(pattern, rest), matcher);
}

bool matcher_init(Arena *arena, MatchType type, Str name, Str value, Matcher *ret_matcher,
                  Err *err) {
    Matcher matcher = {
        .type = type,
        .name = arena_str(arena, name),
        .value = arena_str(arena, value),
        .prefix = STR(""),
    };
    if (type == MATCH_RE || type == MATCH_NRE) {
        /* Compiled also where the literals say it all: RE2 judges whether it is an expression. */
        matcher.regex = regex_new(value.ptr, value.len, err);
        if (!matcher.regex) {
            return false;
        }
        study_regex(arena, &matcher);
    }
    matcher.matches_empty = matcher_matches(&matcher, STR(""));
    *ret_matcher = matcher;
    return true;
}

void matcher_finish(Matcher *matcher) {
    regex_free(matcher->regex);
    matcher->regex = NULL;
}

void matcher_set_finish(MatcherSet *set) {
    for (size_t i = 0; i < set->count; i++) {
        matcher_finish(&set->items[i]);
    }
}

/* Values are short: memmem() would spend more on getting ready than on looking. */
static bool contains(Str text, Str part) {
    enum { SHORT = 128 };
    if (part.len > text.len) {
        return false;
    }
    if (text.len > SHORT) {
        return memmem(text.ptr, text.len, part.ptr, part.len) != NULL;
    }
    const char *at = text.ptr, *last = text.ptr + text.len - part.len;
    while (at <= last && (at = memchr(at, part.ptr[0], (size_t)(last - at) + 1))) {
        if (memcmp(at, part.ptr, part.len) == 0) {
            return true;
        }
        at++;
    }
    return false;
}

static bool regex_part_matches(const Matcher *matcher, Str value) {
    if (matcher->any) {
        return value.len > 0 || matcher->value.ptr[1] == '*';
    }
    if (matcher->literals) {
        return bsearch(&value, matcher->literals, matcher->literal_count, sizeof value,
                       compare_literals) != NULL;
    }
    if (!str_starts(value, matcher->prefix)) {
        return false;
    }
    Str rest = str_skip(value, matcher->prefix.len);
    bool has_infix = matcher->infix.len == 0 || contains(rest, matcher->infix);
    if (matcher->plain || !has_infix) {
        return has_infix;
    }
    return regex_matches(matcher->regex, value.ptr, value.len);
}

bool matcher_matches(const Matcher *matcher, Str value) {
    switch (matcher->type) {
    case MATCH_EQ:
        return str_eq(matcher->value, value);
    case MATCH_NE:
        return !str_eq(matcher->value, value);
    case MATCH_RE:
        return regex_part_matches(matcher, value);
    case MATCH_NRE:
        return !regex_part_matches(matcher, value);
    }
    return false;
}

bool matcher_set_matches(const MatcherSet *set, LabelSet labels) {
    for (size_t i = 0; i < set->count; i++) {
        if (!matcher_matches(&set->items[i], labels_get(labels, set->items[i].name))) {
            return false;
        }
    }
    return true;
}

const char *match_type_text(MatchType type) {
    static const char *const texts[] = {"=", "!=", "=~", "!~"};
    return texts[type];
}

void matcher_print(Buf *buf, const Matcher *matcher) {
    if (label_name_is_legacy(matcher->name)) {
        buf_str(buf, matcher->name);
    } else {
        json_quote(buf, matcher->name);
    }
    buf_str(buf, str_of(match_type_text(matcher->type)));
    json_quote(buf, matcher->value);
}

/* A name that may stand in front of the braces: letters, digits, '_' and ':'. */
static bool is_plain_metric(Str name) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
        if (!is_letter && (i == 0 || c < '0' || c > '9')) {
            return false;
        }
    }
    return name.len > 0;
}

static const Matcher *plain_metric(const MatcherSet *set) {
    for (size_t i = 0; i < set->count; i++) {
        const Matcher *matcher = &set->items[i];
        if (matcher->type == MATCH_EQ && str_eq(matcher->name, LABEL_METRIC_NAME)) {
            return is_plain_metric(matcher->value) ? matcher : NULL;
        }
    }
    return NULL;
}

void matchers_print(Buf *buf, const MatcherSet *set) {
    const Matcher *metric = plain_metric(set);
    if (metric) {
        buf_str(buf, metric->value);
    }
    bool is_open = false;
    for (size_t i = 0; i < set->count; i++) {
        if (&set->items[i] != metric) {
            buf_str(buf, is_open ? STR(",") : STR("{"));
            matcher_print(buf, &set->items[i]);
            is_open = true;
        }
    }
    buf_str(buf, is_open ? STR("}") : metric ? STR("") : STR("{}"));
}
