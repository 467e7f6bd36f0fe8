#pragma once

/* Native histograms of the series notation: {{schema:1 sum:3 count:22 buckets:[5 10 7]}}; and what
 * reads both parts of it. */

#include "promql/series_desc.h"

typedef struct SeriesReader {
    Arena *arena;
    Str text;
    size_t at;
    Err *err;
} SeriesReader;

/* series_desc.c: the characters. The failing ones return false. */
bool series_fail(const SeriesReader *reader, size_t at, const char *what);
bool series_unexpected(const SeriesReader *reader, const char *where);
char series_peek(const SeriesReader *reader);
bool series_accept(SeriesReader *reader, char byte);
void series_skip_space(SeriesReader *reader);
Str series_word(SeriesReader *reader); /* letters up to an `x` */
bool series_number(SeriesReader *reader, double *ret_value) MUST_CHECK;
bool series_integer(SeriesReader *reader, int64_t *ret_value) MUST_CHECK;

/* Reads from `{{` to `}}`. */
bool histogram_desc_read(SeriesReader *reader, Histogram **ret_histogram,
                         bool *ret_hint_given) MUST_CHECK;

/* The next of a repeated one: previous + step, or - step. */
bool histogram_desc_step(const SeriesReader *reader, const Histogram *previous,
                         const Histogram *step, bool subtract,
                         const Histogram **ret_next) MUST_CHECK;
