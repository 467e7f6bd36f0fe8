#pragma once

/*
 * A compiled regular expression with RE2 syntax: linear time in the length of the text, whatever
 * the pattern. This is the C door to the RE2 library; regex.cc behind it is the only C++ file in
 * the tree.
 *
 * Threads: a compiled expression never changes and may be used from any thread.
 */

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "base/err.h"

typedef struct Regex Regex;

typedef struct RegexSpan {
    long from, to; /* byte offsets; -1 where a group took no part */
} RegexSpan;

/* Compiles `pattern`, to match whole texts, as Prometheus' matchers do; '.' matches newline. NULL
 * with `err` (ERR_INVALID, RE2's own sentence) where it is no expression, or where its program
 * would need more than 1 MiB. Free with regex_free(). */
Regex *regex_new(const char *pattern, size_t pattern_bytes, Err *err);

/* The same unanchored and with '.' not matching newline, as Go's regexp.Compile does: for
 * templates. */
Regex *regex_new_search(const char *pattern, size_t pattern_bytes, Err *err);

/* True if the whole of `text` matches (regex_new), or any part of it (regex_new_search). */
bool regex_matches(const Regex *regex, const char *text, size_t text_bytes);

/* Finds the first match at or after `from` (of regex_new: only one of all that is left); fills up
 * to `span_count` groups, group 0 the whole. */
bool regex_find(const Regex *regex, const char *text, size_t text_bytes, size_t from,
                RegexSpan *spans, size_t span_count);

/* Number of capturing groups, and the index of a named one (-1 if there is none). */
int regex_group_count(const Regex *regex);
int regex_group_index(const Regex *regex, const char *name, size_t name_bytes);

/* The range [min, max] within which every whole match lies, as far as it can be told in `bytes_max`
 * bytes (RE2::PossibleMatchRange); false if nothing can be said. Buffers have bytes_max + 1 bytes.
 */
bool regex_range(const Regex *regex, char *min, char *max, int bytes_max);

/* Accepts NULL. */
void regex_free(Regex *regex);

#ifdef __cplusplus
}
#endif
