#pragma once

/*
 * A matcher tests one label: name, operator, value. Absent labels read as "". Regular expressions
 * are RE2, anchored at both ends. Used by selectors, routes, inhibitions, silences, flags and the
 * store's index.
 *
 * A matcher keeps what can be known of its expression besides: whether it is only a set of literals
 * (`a|b|c`), or begins with a literal prefix, or matches the empty string, so that an index can do
 * without running it.
 *
 * Threads: never changes after matcher_init().
 */

#include "base/regex.h"
#include "model/label.h"

typedef enum MatchType { MATCH_EQ, MATCH_NE, MATCH_RE, MATCH_NRE } MatchType;

typedef struct Matcher {
    MatchType type;
    Str name;
    Str value;
    Regex *regex;        /* MATCH_RE and MATCH_NRE */
    const Str *literals; /* the regex matches exactly these, by length, then by bytes; NULL if it is
                            no such set */
    size_t literal_count;
    Str prefix;         /* every text the regex matches begins with this */
    Str infix;          /* and what follows contains this */
    bool plain;         /* the regex is `prefix.*infix.*`: that says it all */
    bool any;           /* the regex is `.*` or `.+`: it matches every text that is not empty */
    bool matches_empty; /* matcher_matches(m, "") */
} Matcher;

/* All matchers of a set have to match; of several sets, one. */
typedef struct MatcherSet {
    Matcher *items;
    size_t count;
} MatcherSet;

/* Compiles; name and value are copied into `arena`, the regex is on the heap: matcher_finish()
 * frees it. */
bool matcher_init(Arena *arena, MatchType type, Str name, Str value, Matcher *ret_matcher,
                  Err *err) MUST_CHECK;
void matcher_finish(Matcher *matcher);
void matcher_set_finish(MatcherSet *set);

bool matcher_matches(const Matcher *matcher, Str value);
bool matcher_set_matches(const MatcherSet *set, LabelSet labels);

const char *match_type_text(MatchType type); /* "=", "!=", "=~", "!~" */

/* `name="value"`, name quoted where needed. */
void matcher_print(Buf *buf, const Matcher *matcher);
/* A selector: `up{job="a"}`, `{__name__=~"a|b"}`. */
void matchers_print(Buf *buf, const MatcherSet *set);

/* One matcher in Alertmanager's syntax, classic and UTF-8 (reference: fallback mode), as in routes,
 * `filter` parameters and on command lines; and a list of them, braces optional. */
bool matcher_parse(Arena *arena, Str text, Matcher *ret_matcher, Err *err) MUST_CHECK;
bool matcher_list_parse(Arena *arena, Str text, MatcherSet *ret_set, Err *err) MUST_CHECK;
