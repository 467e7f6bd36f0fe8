#pragma once

/*
 * The heartbeat of the dead man's switch, and the housekeeping that comes with time: old ledger
 * rows go.
 *
 * A heartbeat is a notice to the receiver of choice at a steady interval, through outbox and
 * delivery like everything else; whoever gets it rings when it stays away. It is a promise that all
 * is well: while rules are not evaluated none is sent. What stands still is also told, by another
 * way: stall.h.
 */

#include "notify/live.h"

bool watch_tick(Notify *notify, TimeMs now, Err *err) MUST_CHECK;
TimeMs watch_next_due(const Notify *notify);
