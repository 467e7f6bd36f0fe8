#pragma once

/*
 * What sources say of themselves: "do not alert on me", by a label that all their series carry
 * (alerting="off", an external label of their Prometheus), or by a metric
 * (belfry_maintenance{cluster="x"} 1). Looked up right before rules are evaluated, and once more
 * before alerts that begin are handed on, since data may have come in between: so a test cluster is
 * flagged before its first alert can ring.
 *
 * By label. A source counts as flagged if all of its `up` series carry the label: a label of one
 * application's own metric flags nobody's cluster. For a source that writes no `up`, any series
 * does.
 *
 * By metric. Each series of it with a value other than 0 is a flag; its labels are the matchers,
 * without `job` and `instance` (they name who reports, not whom it is about), and without `mode`,
 * `reason` and `owner`, which say what they are called.
 *
 * A source that has gone dark says nothing any more, and that decides nothing: its flags stay.
 */

#include "app/app.h"

/* Asks, and hands the flags to notify. Failures are logged; the flags then stay as they are. From
 * any thread. */
void observe_flags(App *app, TimeMs now);
