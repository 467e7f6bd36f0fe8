#pragma once

/*
 * The life of one alert, as a function of time and nothing else.
 *
 *                seen                    seen for `hold`
 *   INACTIVE -----------> PENDING ------------------------> FIRING
 *       ^                    |                                 |
 *       |       absent       |      absent for `keep_firing`   |
 *       +--------------------+---------------------------------+
 *
 * The order of decisions is Prometheus' (rules/alerting.go, Eval), with two differences. A firing
 * alert stays firing when `for` is raised above its age: a page that rang is closed by its
 * condition, not by an edit. And an evaluation may be undecided, because the data it would need are
 * late: then nothing moves, neither towards firing nor towards resolved.
 *
 * No clock, store or network in here: the evaluator passes the time of the slot in and writes down
 * what comes out, so every path can be written as one line of a test table.
 */

#include "model/alert.h"

typedef struct AlertTiming {
    DurationMs hold;        /* `for:` of the rule; 0 fires at once */
    DurationMs keep_firing; /* `keep_firing_for:` of the rule; 0 resolves at once */
} AlertTiming;

/* What an evaluation said about one alert. */
typedef enum AlertSight {
    ALERT_SEEN,      /* its labels are among the results */
    ALERT_ABSENT,    /* they are not */
    ALERT_UNDECIDED, /* they are not, but their source is late: that decides nothing */
} AlertSight;

/* {0} is an alert that was never seen. */
typedef struct AlertLife {
    AlertPhase phase;
    TimeMs active_at;         /* first evaluation of the current run */
    TimeMs fired_at;          /* 0 until it fires */
    TimeMs keep_firing_since; /* first evaluation without it while firing; 0 while seen */
    TimeMs resolved_at;       /* when it stopped firing; 0 while active */
    bool stale;               /* the last evaluation was undecided */
} AlertLife;

/* The life after an evaluation at `now`. */
AlertLife alert_step(AlertLife life, AlertTiming timing, AlertSight sight, TimeMs now);

/* What another evaluator left about an alert: active since when, and when that was last written. */
typedef struct AlertRecord {
    TimeMs active_at;
    TimeMs seen_at;
} AlertRecord;

/* Since when an alert counts as active that is found true at `now` and was recorded by another.
 * vmalert counts the time nobody looked, Prometheus does not; nor does it fire within ten minutes
 * of a start what had less than that to wait. Rules with a `for` below those ten minutes, which
 * Prometheus makes wait anew, go on waiting for what was left. */
TimeMs alert_taken_over(AlertRecord record, DurationMs hold, bool vmalert, TimeMs now);

/* What the step from `before` to `after` is called; false if it was no transition. */
bool alert_transition(AlertLife before, AlertLife after, AlertEvent *ret_event);
