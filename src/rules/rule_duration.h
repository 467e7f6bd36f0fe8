#pragma once

/*
 * Durations in rule files: Prometheus' (`1h30m`, units in falling order, whole numbers) and, in
 * vmalert flavour, MetricsQL's besides
 * (`1.5m`, `-5m`, sums in any order, a bare number of seconds, `i` for a step of which rules have
 * none).
 */

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

/* MetricsQL's form. Negative where it begins with '-'. */
bool rule_duration_vmalert(Str text, DurationMs *ret_span, Err *err) MUST_CHECK;

/* Prometheus' form, and with `vmalert` also the other one. */
bool rule_duration(Str text, bool vmalert, DurationMs *ret_span, Err *err) MUST_CHECK;
