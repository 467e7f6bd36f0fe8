#pragma once

/*
 * Time zones, read from the system's zoneinfo files (TZif, RFC 8536), for calendars and templates.
 *
 * The C library's own functions know one zone at a time, the one in the environment variable TZ,
 * which belongs to the whole process; so a program that shows London and Sydney side by side has to
 * read the files itself.
 *
 * Threads: a zone never changes after zone_load().
 */

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/number.h"
#include "base/str.h"

typedef struct Zone Zone;

/* By IANA name ("Europe/Berlin"), "UTC" ("" too), or "Local", which is /etc/localtime. ERR_INVALID
 * (`unknown time zone X`) where there is no such file. Free with zone_free(). */
bool zone_load(Str name, Zone **ret_zone, Err *err) MUST_CHECK;
void zone_free(Zone *zone); /* accepts NULL */
DEFINE_AUTO(Zone, zone_free)

Str zone_name(const Zone *zone);

/* Seconds east of UTC at `time`; `ret_abbreviation` ("CEST", valid as long as the zone) may be
 * NULL. */
int32_t zone_offset(const Zone *zone, TimeMs time, const char **ret_abbreviation);

/* The wall clock at `time`. */
CivilTime zone_civil(const Zone *zone, TimeMs time);

/* When the wall clock shows `local`: the first time of two in autumn; in the gap of spring, as much
 * later as the clock jumps. Fields beyond their range (day 32) count on. */
TimeMs zone_time(const Zone *zone, const CivilTime *local);
