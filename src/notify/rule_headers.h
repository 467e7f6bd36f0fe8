#pragma once

/*
 * Headers that rules want on the requests which tell another Alertmanager of their alerts
 * (vmalert's `notifier_headers`; a tenant, mostly). They are looked up by the rule's key when a
 * request is made, and kept in the database, so that the end of an alert whose rule is gone is told
 * to whom its beginning was.
 */

#include "notify/live.h"

/* As AlertHeaders has them; "" = none. Valid under the lock. */
Str rule_headers_of(const Notify *notify, const LiveAlert *alert);

/* Those of the last run. */
bool rule_headers_load(Notify *notify, Err *err) MUST_CHECK;
