#pragma once

/*
 * Columns of samples of one series (SeriesData): cutting, joining, hiding. Everything returned
 * shares the columns given or is in the arena given.
 */

#include "store/block.h"

/* Samples [first, end). */
SeriesData series_data_slice(const SeriesData *data, size_t first, size_t end);

/* Samples with times in [from, to]. */
SeriesData series_data_cut(const SeriesData *data, TimeMs from, TimeMs to);

/* Takes out the samples with times in [from, to]. */
void series_data_hide(SeriesData *data, TimeMs from, TimeMs to, Arena *arena);
