#pragma once

/*
 * Which labels the result of an expression can have, followed through aggregations, matching and
 * functions.
 *
 * Either closed: none but those named (`sum by (a, b)` has a and b), or open: any but those named
 * (a selector; `without`). It errs on the side of "can have".
 */

#include "promql/ast.h"

enum { LABEL_FLOW_MAX = 64 }; /* names kept; beyond that a flow counts as open */

typedef struct LabelFlow {
    bool is_closed;
    Str names[LABEL_FLOW_MAX]; /* what it may have if closed, what it cannot have if open */
    size_t count;
} LabelFlow;

LabelFlow label_flow(const Expr *expr);

bool label_flow_may_have(const LabelFlow *flow, Str name);
