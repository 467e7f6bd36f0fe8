#pragma once

/* Deciding for the groups that are due. */

#include "notify/live.h"

/* One transaction's worth of work; `ret_more`: call again. */
bool flush_due(Notify *notify, TimeMs now, bool *ret_more, Err *err) MUST_CHECK;

/* When the next group, silence or flag wants to be looked at. Under the lock. */
TimeMs flush_next_due(const Notify *notify);
