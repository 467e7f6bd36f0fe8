#pragma once

/*
 * Go's time.Time and time.Duration, as far as templates show them.
 *
 * A time is a TmplValue of type TMPL_TIME: Unix nanoseconds and the zone it is shown in.
 * GO_TIME_ZERO stands for Go's zero time, the year 1, which does not fit into nanoseconds.
 */

#include "base/number.h"
#include "tmpl/tmpl.h"

#define GO_TIME_ZERO INT64_MIN

/* time.Time.String(): "2006-01-02 15:04:05.999 +0000 UTC". */
void go_time_print(Buf *buf, const TmplValue *time);

/* time.Time.Format(layout). */
void go_time_format(Buf *buf, const TmplValue *time, Str layout);

/* time.Parse(layout, text), in UTC where the layout has no zone. */
bool go_time_parse(Str layout, Str text, TmplValue *ret_time, Err *err) MUST_CHECK;

/* RFC 3339 with the nanoseconds that are there, as encoding/json writes times. */
void go_time_put_json(Buf *buf, const TmplValue *time);

/* The same instant in another zone of the tz database. "unknown time zone X" */
bool go_time_in_zone(const TmplValue *time, Str zone, Arena *arena, TmplValue *ret_time,
                     Err *err) MUST_CHECK;

/* time.Duration.String(): "1h2m3.5s". */
void go_duration_print(Buf *buf, int64_t ns);

/* Methods that templates may call on times and durations, {0}-terminated. */
extern const TmplFunc go_time_methods[];
extern const TmplFunc go_duration_methods[];

/* Seconds since 1970, and what calendar and clock of its zone show, with the nanoseconds within the
 * second. */
int64_t go_time_unix(const TmplValue *time);
CivilTime go_time_civil(const TmplValue *time, int64_t *ret_ns);

extern const char *const go_month_names[]; /* from January */
extern const char *const go_day_names[];   /* from Sunday */

/* A time or duration with its methods. */
TmplValue go_time_value(int64_t ns);
TmplValue go_duration_value(int64_t ns);
