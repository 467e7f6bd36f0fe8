#pragma once

/* What binary operators share: one operation on two samples, and matching of series. */

#include "promql/exec.h"

/* A sample of either kind; absent if `value` is VALUE_NONE and `histogram` NULL. */
typedef struct Element {
    double value;
    const Histogram *histogram;
} Element;

static inline Element column_element(const Column *column, size_t step) {
    return (Element){column->values[step], column->histograms ? column->histograms[step] : NULL};
}

static inline bool element_is_none(Element element) {
    return !element.histogram && value_is_none(element.value);
}

/* left op right. `*ret_keep` tells whether a comparison holds (always true for arithmetic). False:
 * the kinds do not go together, there is no result; noted. Histograms are made in `arena`. */
bool binary_element(Arena *arena, BinaryOp op, Element left, Element right, Notes *notes,
                    Element *ret_result, bool *ret_keep);

/* Arithmetic changes what a metric means, so its name goes. */
bool binary_op_drops_name(BinaryOp op);

/* Series of both sides by the labels they are matched on: equal labels have equal numbers. */
typedef struct Matching {
    uint32_t *left, *right; /* a number per column */
    size_t count;           /* of numbers */
} Matching;
bool match_frames(Exec *exec, Arena *arena, const PlanNode *node, const Frame *left,
                  const Frame *right, Matching *ret_matching, Err *err) MUST_CHECK;

/* MetricsQL: `q == (1, 2, 3)` and `q != (1, 2, 3)` ask whether a value is among those. */
bool binary_is_membership(const ExprBinary *binary);
bool run_membership(Exec *exec, PlanNode *node, Err *err) MUST_CHECK;

/* and, or, unless, and MetricsQL's default, if, ifnot. */
bool run_set_operator(Exec *exec, PlanNode *node, Err *err) MUST_CHECK;

/* Labels as Prometheus' Labels.String(): {__name__="x", a="b"}. */
void labels_put(Buf *buf, LabelSet labels);
