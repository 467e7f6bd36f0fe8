#pragma once

/*
 * Letters and their case, as Go's `unicode` and `strings` have them; quoting is in base/go_text.h.
 */

#include <stdint.h>

#include "base/buf.h"

bool text_is_letter(uint32_t rune);
uint32_t text_rune_upper(uint32_t rune);
uint32_t text_rune_lower(uint32_t rune);

void text_put_upper(Buf *buf, Str text);
void text_put_lower(Buf *buf, Str text);

/* Upper-cases the first letter of each word and leaves the rest. A word is letters, digits and `_`;
 * with `apostrophes` an apostrophe between letters does not end it (Unicode's word boundaries, as
 * golang.org/x/text/cases has them). */
void text_put_title(Buf *buf, Str text, bool apostrophes);
