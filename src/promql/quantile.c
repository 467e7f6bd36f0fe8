/* Quantiles of plain numbers. */

#include <math.h>
#include <stdlib.h>

#include "promql/range_functions.h"

/* NaN before all numbers. */
static inline bool is_less(double a, double b) {
    return a < b || (isnan(a) && !isnan(b));
}

static inline void swap(double *a, double *b) {
    double kept = *a;
    *a = *b;
    *b = kept;
}

/* Hoare's quickselect (CACM 1961, "Find"): values[k] is then the k-th smallest, what is smaller
 * stands before it. Middle of three as pivot, so sorted input is no worst case. */
static void select_kth(double *values, size_t count, size_t k) {
    size_t low = 0, high = count - 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (is_less(values[middle], values[low])) {
            swap(&values[middle], &values[low]);
        }
        if (is_less(values[high], values[low])) {
            swap(&values[high], &values[low]);
        }
        if (is_less(values[high], values[middle])) {
            swap(&values[high], &values[middle]);
        }
        double pivot = values[middle];
        size_t i = low, j = high;
        while (i <= j) {
            while (is_less(values[i], pivot)) {
                i++;
            }
            while (is_less(pivot, values[j])) {
                j--;
            }
            if (i <= j) {
                swap(&values[i++], &values[j]);
                if (j == 0) {
                    break;
                }
                j--;
            }
        }
        if (k <= j) {
            high = j;
        } else if (k >= i) {
            low = i;
        } else {
            return;
        }
    }
}

static double smallest(const double *values, size_t count) {
    double found = values[0];
    for (size_t i = 1; i < count; i++) {
        if (is_less(values[i], found)) {
            found = values[i];
        }
    }
    return found;
}

double quantile_of(double q, double *values, size_t count) {
    if (count == 0 || isnan(q)) {
        return value_nan();
    }
    if (q < 0) {
        return -INFINITY;
    }
    if (q > 1) {
        return INFINITY;
    }
    double rank = q * (double)(count - 1);
    size_t lower = (size_t)floor(rank);
    double weight = rank - floor(rank);
    select_kth(values, count, lower);
    double below = values[lower];
    double above = lower + 1 < count ? smallest(values + lower + 1, count - lower - 1) : below;
    return below * (1 - weight) + above * weight;
}
