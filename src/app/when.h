#pragma once

/* Times as people write them on a command line, by the local clock. */

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

/* "2030-01-31", which is its first moment, also with " 18:00"; "18:00", the next time the clock
 * shows that; and what the APIs read: RFC 3339 and Unix seconds. */
bool when_parse(Str text, TimeMs now, TimeMs *ret_time, Err *err) MUST_CHECK;

/* The same of what has been: "-7d" is so long ago, and there is no time of day alone. */
bool when_parse_past(Str text, TimeMs now, TimeMs *ret_time, Err *err) MUST_CHECK;
