#pragma once

/*
 * The schedule of a silence or flag: windows that come again, such as every Tuesday from 22:00 to
 * 02:00 in Berlin. As text it is a list in the shape of time_intervals (see calendar.h), JSON or
 * YAML:
 *
 *     [{"weekdays": ["tuesday"], "times": [{"start_time": "22:00", "end_time": "02:00"}],
 *       "location": "Europe/Berlin"}]
 *
 * It comes from clients, so a file of holidays cannot be named in it.
 */

#include "notify/calendar.h"

/* "" gives NULL: no schedule. The calendar is in `arena`; calendar_finish() releases its zones.
 * ERR_INVALID names what is wrong. */
bool schedule_load(Arena *arena, Str text, Calendar **ret_calendar, Err *err) MUST_CHECK;

/* Only whether it can be loaded. */
bool schedule_check(Str text, Err *err) MUST_CHECK;
