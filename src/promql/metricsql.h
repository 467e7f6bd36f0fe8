#pragma once

/*
 * MetricsQL, the flavour of VictoriaMetrics: what promql.h dispatches to for PROMQL_METRICSQL.
 *
 * It is parsed by an own, more tolerant parser into the same tree; docs/promql.md lists what is
 * there.
 */

#include "promql/ast.h"

/* As promql_parse(). Positions are of the text as written; WITH templates are expanded, constants
 * folded. */
bool metricsql_parse(Arena *arena, Str text, const Expr **ret_expr, Err *err) MUST_CHECK;

/* On one line, in MetricsQL's own form: `foo{a="b"}[5m] offset 1h`. */
void metricsql_print(Buf *buf, const Expr *expr);
