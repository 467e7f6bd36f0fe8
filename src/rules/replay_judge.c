/* What a person decides by: counts and spans of an alert's rings. */

#include <stdlib.h>

#include "rules/replay_internal.h"

static bool is_night(const ReplayPolicy *policy, TimeMs time) {
    CivilTime civil = zone_civil(policy->zone, time);
    int minute = civil.hour * 60 + civil.minute;
    return policy->night_from <= policy->night_to
               ? minute >= policy->night_from && minute < policy->night_to
               : minute >= policy->night_from || minute < policy->night_to;
}

static int by_span(const void *a, const void *b) {
    DurationMs x = *(const DurationMs *)a, y = *(const DurationMs *)b;
    return (x > y) - (x < y);
}

/* The ring of the same alert right before, or NULL. */
static const ReplayRing *ring_before(const ReplayAlert *alert, size_t index) {
    for (size_t i = index; i-- > 0;) {
        if (labels_eq(alert->rings[i].labels, alert->rings[index].labels)) {
            return &alert->rings[i];
        }
    }
    return NULL;
}

static void judge_ring(ReplayAlert *alert, size_t index, const ReplayPolicy *policy) {
    ReplayRing *ring = &alert->rings[index];
    const ReplayRing *before = ring_before(alert, index);
    alert->instances += before == NULL;
    if (ring->began_before) {
        return;
    }
    ring->by_night = is_night(policy, ring->fired_at);
    ring->is_flap = before && ring->fired_at - before->ended_at < policy->flap_within;
    alert->rang++;
    alert->by_night += ring->by_night;
    alert->flapped += ring->is_flap;
}

void replay_judge(ReplayAlert *alert, const ReplayPolicy *policy, TimeMs from, TimeMs to,
                  Arena *arena) {
    DurationMs *spans = arena_array(arena, DurationMs, alert->ring_count + 1);
    for (size_t i = 0; i < alert->ring_count; i++) {
        ReplayRing *ring = &alert->rings[i];
        judge_ring(alert, i, policy);
        TimeMs began = ring->fired_at > from ? ring->fired_at : from;
        spans[i] = ring->ended_at - began;
        alert->firing += spans[i];
    }
    if (alert->ring_count) {
        qsort(spans, alert->ring_count, sizeof *spans, by_span);
        alert->longest = spans[alert->ring_count - 1];
        alert->median = spans[alert->ring_count / 2];
    }
    alert->per_week =
        to > from ? (double)alert->rang * (double)(7 * DAY_MS) / (double)(to - from) : 0;
}

void replay_span_put(Buf *buf, DurationMs span) {
    static const struct {
        DurationMs span;
        const char *name;
    } units[] = {{DAY_MS, "d"}, {HOUR_MS, "h"}, {MINUTE_MS, "m"}, {SECOND_MS, "s"}};
    enum { UNIT_COUNT = sizeof units / sizeof *units };
    size_t first = 0;
    while (first + 1 < UNIT_COUNT && span < units[first].span) {
        first++;
    }
    buf_printf(buf, "%lld%s", (long long)(span / units[first].span), units[first].name);
    DurationMs rest = span % units[first].span;
    if (first + 1 < UNIT_COUNT && rest >= units[first + 1].span) {
        buf_printf(buf, " %lld%s", (long long)(rest / units[first + 1].span),
                   units[first + 1].name);
    }
}

void replay_time_put(Buf *buf, const ReplayPolicy *policy, TimeMs time) {
    CivilTime civil = zone_civil(policy->zone, time);
    buf_printf(buf, "%04lld-%02d-%02d %02d:%02d", (long long)civil.year, civil.month, civil.day,
               civil.hour, civil.minute);
    if (civil.second) {
        buf_printf(buf, ":%02d", civil.second);
    }
}
