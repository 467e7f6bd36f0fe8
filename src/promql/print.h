#pragma once

/* Pieces of the printer that MetricsQL's and the tests use too. */

#include "promql/ast.h"

/* Pretty text with lines of at most `line_max` bytes where they can be broken. */
void expr_print_lines(Buf *buf, const Expr *expr, size_t line_max);

/* `a, "b c"`: names that need it in quotes. */
void print_label_list(Buf *buf, const Str *labels, size_t count);
/* `name="value"` with Go's escapes. */
void print_matcher(Buf *buf, const Matcher *matcher);
