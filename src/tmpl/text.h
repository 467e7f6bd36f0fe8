#pragma once

/*
 * Text as Go treats it: runes, quoting, case.
 */

#include <stdint.h>

#include "base/buf.h"

/* Decodes one rune; bytes that are no UTF-8 give U+FFFD and length 1. 0 at the end. */
size_t text_take_rune(Str text, uint32_t *ret_rune);
void text_put_rune(Buf *buf, uint32_t rune);

bool text_is_letter(uint32_t rune);
uint32_t text_rune_upper(uint32_t rune);
uint32_t text_rune_lower(uint32_t rune);

/* strconv.Quote. */
void text_quote(Buf *buf, Str text);

/* strconv.Unquote of a "..." or `...` literal, quotes included. False if it is none. */
bool text_unquote(Buf *buf, Str literal);

/* The rune of a 'x' literal. False if it is none. */
bool text_unquote_char(Str literal, uint32_t *ret_rune);

void text_put_upper(Buf *buf, Str text);
void text_put_lower(Buf *buf, Str text);

/* Upper-cases the first letter of each word and leaves the rest. A word is letters, digits and `_`;
 * with `apostrophes` an apostrophe between letters does not end it (Unicode's word boundaries, as
 * golang.org/x/text/cases has them). */
void text_put_title(Buf *buf, Str text, bool apostrophes);
