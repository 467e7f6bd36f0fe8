#pragma once

/*
 * Puts the series of a finding in label order.
 *
 * Comparing two label sets walks over what they have in common, again for each comparison, through
 * text that lies all over memory. Where there are many, each distinct text therefore gets its rank
 * first, and the rows of ranks are sorted a column at a time (multikey quicksort: Bentley and
 * Sedgewick, "Fast algorithms for sorting and searching strings", SODA 1997): half a million series
 * take a fifth of the time.
 */

#include "store/selectcache.h"

/* Label sets that are equal may come in any order. */
void found_sort(FoundSeries *series, size_t count);
