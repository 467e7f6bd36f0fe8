#pragma once

/*
 * Which expressions of a program can run side by side.
 *
 * Expressions that share an operator or a selector belong together, directly or by way of others,
 * and so do all of their operators: what is shared is computed once, by whoever comes first.
 * Constants are computed when planned, so they tie nothing together. Portions share nothing but
 * what is only read: each is run by one thread at a time.
 */

#include "promql/plan.h"

typedef struct Portion {
    size_t *roots; /* ascending */
    size_t count;
    Arena arena; /* what its operators note and why they failed */
} Portion;

/* Divides the roots among at most `most` portions of about the same number; those of one portion
 * stand in the order in which they were added. Which goes where depends on the program only. The
 * array and the lists are in `arena`; portions are given up by portions_finish(), after
 * plan_finish(). */
void plan_portions(Plan *plan, const PlanRoot *roots, size_t root_count, size_t most, Arena *arena,
                   Portion **ret_portions, size_t *ret_count);
void portions_finish(Portion *portions, size_t count);
