#pragma once

/* Operators and functions of two plain numbers, with Go's treatment of the odd ones (NaN,
 * infinities, signed zeros). */

#include <float.h>
#include <math.h>

#include "promql/ast.h"

/* Comparisons give 1 and 0. Not for set operators. */
double scalar_binary(BinaryOp op, double left, double right);

/* What a comparison says. */
bool scalar_compare(BinaryOp op, double left, double right);

/* Go's math.Max and math.Min: an infinity wins over NaN, NaN over the rest, +0 is more than -0. */
double go_max(double a, double b);
double go_min(double a, double b);

/* One step of compensated summation (Neumaier, "Rundungsfehleranalyse einiger Verfahren zur
 * Summation endlicher Summen", ZAMM 1974), as Prometheus does it: an infinite sum drops the
 * compensation. */
static inline void kahan_add(double add, double *sum, double *comp) {
    double total = *sum + add;
    if (total > DBL_MAX || total < -DBL_MAX) {
        *comp = 0;
    } else if (fabs(*sum) >= fabs(add)) {
        *comp += (*sum - total) + add;
    } else {
        *comp += (add - total) + *sum;
    }
    *sum = total;
}
