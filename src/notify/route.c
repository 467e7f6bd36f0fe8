#include "notify/route.h"

typedef struct Matched {
    const Route **routes;
    size_t count;
} Matched;

static bool walk(const Route *route, LabelSet labels, Matched *matched) {
    if (!matcher_set_matches(&route->matchers, labels)) {
        return false;
    }
    size_t before = matched->count;
    for (size_t i = 0; i < route->route_count; i++) {
        if (walk(&route->routes[i], labels, matched) && !route->routes[i].continues) {
            break;
        }
    }
    if (matched->count == before && matched->count < ROUTES_MATCHED_MAX) {
        matched->routes[matched->count++] = route;
    }
    return true;
}

size_t route_match(const Route *root, LabelSet labels, const Route **ret_routes) {
    Matched matched = {.routes = ret_routes};
    (void)walk(root, labels, &matched);
    return matched.count;
}

LabelSet route_group_labels(const Route *route, LabelSet labels, Arena *arena) {
    return route->group_by_all
               ? labels
               : labels_filter(arena, labels, route->group_by, route->group_by_count, true);
}

void route_group_key(const Route *route, LabelSet group_labels, Buf *buf) {
    buf_str(buf, route->key);
    buf_byte(buf, ':');
    labels_print(buf, group_labels);
}

/* Windows are looked at a month ahead at most: by then the group has been looked at for other
 * reasons. */
static const DurationMs look_ahead = 31 * DAY_MS;

static TimeMs earlier(TimeMs a, TimeMs b) {
    return a < b ? a : b;
}

RouteWindow route_window(const Route *route, TimeMs now) {
    RouteWindow window = {.next_change = TIME_MAX};
    bool active = route->active_count == 0;
    TimeMs limit = now + look_ahead;
    for (size_t i = 0; i < route->mute_count; i++) {
        window.next_change =
            earlier(window.next_change, calendar_next_change(route->mute[i], now, limit));
        if (calendar_contains(route->mute[i], now) && !window.is_muted) {
            window.is_muted = true;
            window.by = route->mute[i]->name;
        }
    }
    for (size_t i = 0; i < route->active_count; i++) {
        window.next_change =
            earlier(window.next_change, calendar_next_change(route->active[i], now, limit));
        active |= calendar_contains(route->active[i], now);
    }
    if (!active && !window.is_muted) {
        window.is_muted = window.is_outside = true;
        window.by = route->active[0]->name;
    }
    return window;
}
