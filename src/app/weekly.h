#pragma once

/* Weekly windows on a command line: --weekly "monday:friday 22:00-06:00" --time-zone Europe/Berlin,
 * of silences and maintenance flags alike. */

#include "app/args.h"
#include "base/json.h"

#define WEEKLY_OPTIONS                                                                             \
    {"weekly", "WINDOW",                                                                           \
     "only in this window: \"tuesday 22:00-02:00\", \"monday:friday 20:00-06:00\"; may be "        \
     "repeated"},                                                                                  \
    {                                                                                              \
        "time-zone", "ZONE", "of --weekly, e.g. Europe/Berlin (default UTC)"                       \
    }

/* Writes the member `schedule` where --weekly was given. */
bool weekly_put(JsonWriter *json, const Args *args, Err *err) MUST_CHECK;
