#pragma once

/*
 * Giving every alert and group its place in the present configuration: after a start and after a
 * reload.
 *
 * Groups whose route is still there go on. What the others were told moves along with their alerts
 * where the same integration tells of them from another group now, so that nobody is paged twice;
 * what cannot move stays in a retired group, which only closes what it has opened.
 */

#include "notify/live.h"

bool reroute_all(Notify *notify, StateTx *tx, TimeMs now, Err *err) MUST_CHECK;
