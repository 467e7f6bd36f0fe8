#pragma once

/*
 * When a group that is told in digests is told: at the first beginning of its calendar after it was
 * told last (or made). Whatever else makes the group be looked at in between (a restart, an answer)
 * tells nothing. Pure; the group's flushed_at is the time of its last digest.
 */

#include "notify/live.h"

/* The next beginning after `now`. */
TimeMs digest_next(const Route *route, TimeMs now);

bool digest_is_due(const Group *group, TimeMs now);

/* True if an alert that is over is still to be told in the next one. */
bool digest_waits_for(const Group *group, const LiveAlert *alert);
