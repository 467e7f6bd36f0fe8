#include "notify/digest.h"

/* A year and a little: a calendar that never begins again is looked at once a year. */
static const DurationMs look_ahead = 400 * DAY_MS;

TimeMs digest_next(const Route *route, TimeMs now) {
    return calendar_next_start(route->digest, now, now + look_ahead);
}

bool digest_is_due(const Group *group, TimeMs now) {
    TimeMs told = group->flushed_at ? group->flushed_at : group->created_at;
    return told < now && calendar_next_start(group->route->digest, told, now + 1) <= now;
}

bool digest_waits_for(const Group *group, const LiveAlert *alert) {
    return !live_is_firing(alert) && alert->alert.resolved_at > group->flushed_at;
}
