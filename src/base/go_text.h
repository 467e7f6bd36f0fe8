#pragma once

/*
 * Text as Go writes and reads it, which is how Prometheus quotes strings in expressions, templates
 * and messages.
 */

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* Go's %g and %v of a float turn to exponents here: number_put_general(). */
enum { GO_EXPONENT_MIN = 6 };

/* strconv.Quote: "a\"b\n". At most `runes_max` characters of the text (0 = all), as %.10q does. */
void go_quote(Buf *buf, Str text, size_t runes_max);

/* strconv.QuoteToASCII: all but ASCII is escaped. */
void go_quote_ascii(Buf *buf, Str text);

/* Go's %q of a character: 'a', '\n'; with `ascii` its %+q. -1 (end of text) and what is no UTF-8
 * come out as U+FFFD. */
void go_quote_rune(Buf *buf, int32_t rune, bool ascii);

/* What Go's regexp says of a pattern, from what RE2 does (an Err of base/regex): "regular
 * expression: missing ): (" is "error parsing regexp: missing closing ): `(`". */
void go_regex_error(Buf *buf, Str re2);

/* strconv.CanBackquote: whether the text can stand between backquotes in one line. */
bool go_can_backquote(Str text);

/* strconv.IsPrint, without Go's tables: control characters and spaces other than ' ' are not. */
bool go_is_printable(int32_t rune);

/* The inside of a string literal with its quotes, which may be ", ' or `: escapes as Go has them.
 * False if it is none. The result is in `arena`, any bytes. */
bool go_unquote(Arena *arena, Str quoted, Str *ret_text) MUST_CHECK;

/* The character of a literal in single quotes, as strconv.UnquoteChar reads it: '\x80' is 128. */
bool go_unquote_rune(Str literal, uint32_t *ret_rune) MUST_CHECK;

/* Reads one UTF-8 character at text.ptr[at]; its length, and in `*ret_rune` its number: 0xFFFD with
 * length 1 for a byte that begins none, -1 with length 0 at the end. */
size_t utf8_next(Str text, size_t at, int32_t *ret_rune);
/* What is no character (a surrogate, beyond U+10FFFF) is written as U+FFFD. */
void utf8_put(Buf *buf, uint32_t rune);
