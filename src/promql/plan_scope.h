#pragma once

/*
 * What the files that make a plan (plan.c, plan_node.c, plan_window.c) share, and nobody else.
 */

#include "promql/plan.h"

/* What a node is planned under. */
typedef struct Scope {
    Plan *plan;
    PlanRoot *root; /* failing functions set root->err */
    Grid grid;
    /* Below histogram_count() and its like only counts and sums matter, unless something between
     * looks at buckets. Prometheus then tells of resets where it would not otherwise, see select.c.
     */
    bool stats, needs_buckets;
    Counting counting;
} Scope;

/* plan.c: any expression, and one where a vector has to stand. NULL on failure. */
PlanNode *plan_expr(Scope scope, const Expr *expr);
PlanNode *plan_vector(Scope scope, const Expr *expr);

/* plan_node.c: a node of the scope's grid, to be filled in and interned. */
PlanNode *plan_new_node(Scope scope, PlanOp op, const Expr *expr, size_t arg_count);
/* The node itself, or the equal one that is there; either way one more use of it. */
PlanNode *plan_intern(Scope scope, PlanNode *node);
PlanNode *plan_number(Scope scope, const Expr *expr, double number);

/* plan_window.c: `@` and `offset` into the node. */
bool plan_resolve_shift(Scope scope, const TimeShift *shift, PlanNode *node) MUST_CHECK;
/* The selector an operator reads; its times have been resolved. */
void plan_attach_selector(Scope scope, PlanNode *node, const ExprSelector *selector);
/* The range selector or subquery that a window function reads, or an answer is. */
bool plan_window(Scope scope, const Expr *window, PlanNode *node) MUST_CHECK;
