#pragma once

/* Texts made from what a regular expression found. */

#include "base/buf.h"
#include "base/regex.h"

/* As Go's Regexp.Expand: $1, $name, ${name}, $$ in `template` stand for groups found in `source`;
 * what names no group is empty. `spans` holds all groups. */
void label_text_expand(Buf *out, Str template, const Regex *regex, Str source,
                       const RegexSpan *spans);
