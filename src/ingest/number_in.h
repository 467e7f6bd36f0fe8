#pragma once

/*
 * Reading the numbers of bulk text. Nearly all of them are short decimals, whose digits fit a
 * double exactly and whose power of ten does as well, so that one multiplication or division rounds
 * correctly (Clinger, "How to read floating point numbers accurately", PLDI 1990). The rest goes
 * the long way through number_parse().
 */

#include "base/number.h"

bool number_in(Str text, double *ret_value) MUST_CHECK;
