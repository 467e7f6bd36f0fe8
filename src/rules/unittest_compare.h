#pragma once

/* What a unit test expected against what came out, and how the difference is shown. */

#include "rules/unittest_file.h"

/* True if `got` has just what the case expects. Otherwise `out` gets the two lists. Lists are in
 * any order. */
bool unittest_alerts_match(const AlertCase *test, ExpectedAlert *got, size_t got_count, Buf *out);

/* The samples of an expression. NaN equals NaN; with `fuzzy` numbers may be one ULP apart. */
bool unittest_samples_match(const ExprCase *test, const Value *got, bool fuzzy, Buf *out);
