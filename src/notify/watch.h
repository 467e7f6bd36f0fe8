#pragma once

/*
 * The dead man's switch, and the housekeeping that comes with time: old ledger rows go.
 *
 * A heartbeat is a notice to the receiver of choice at a steady interval; whoever gets it rings
 * when it stays away (a dead program sends nothing). Where evaluation or delivery stands still
 * while the rest lives, that is told as an alert of its own, StalledEvaluation or StalledDelivery,
 * by the heartbeat's receiver, past the groups and routes that may be the trouble.
 */

#include "notify/live.h"

bool watch_tick(Notify *notify, TimeMs now, Err *err) MUST_CHECK;
TimeMs watch_next_due(const Notify *notify);
