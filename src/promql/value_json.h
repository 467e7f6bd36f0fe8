#pragma once

/* Pieces of the query API's JSON, written straight into a buffer. */

#include "promql/promql.h"

/* "0.1": in quotes, fixed notation unless very small or very big; "NaN", "+Inf". */
void value_number_put(Buf *buf, double value);
/* 1435781451.781: seconds, with three digits of milliseconds or none. */
void value_time_put(Buf *buf, TimeMs time);
void value_histogram_put(Buf *buf, const Histogram *histogram);
