#include "notify/route_show.h"

#include "base/number.h"
#include "notify/integration.h"
#include "notify/route.h"

static const DurationMs look_ahead = 31 * DAY_MS, digest_look_ahead = 400 * DAY_MS;

/* ---- for a label set ---- */

static void put_duration(JsonWriter *json, const char *key, DurationMs span) {
    AUTO(buf_finish) Buf text = {0};
    duration_put(&text, span);
    json_put_str(json, key, buf_view(&text));
}

static const char *scope_text(const Integration *integration, const Route *route) {
    static const char *const texts[] = {[SCOPE_GROUP] = "one message a group",
                                        [SCOPE_ALERT] = "one message an alert",
                                        [SCOPE_DIRECT] = "each alert at once"};
    return texts[integration->type->scope(integration, route)];
}

static void put_integrations(JsonWriter *json, const Route *route) {
    json_put_array(json, "integrations");
    for (size_t i = 0; i < route->receiver->integration_count; i++) {
        const Integration *integration = &route->receiver->integrations[i];
        json_object(json);
        json_put_str(json, "type", str_of(integration->type->name));
        json_put_str(json, "id", integration->id);
        json_put_str(json, "tells", str_of(scope_text(integration, route)));
        json_put_bool(json, "send_resolved", integration->send_resolved);
        json_end(json);
    }
    json_end(json);
}

/* What the clock says: it rings, a time interval keeps it silent, or a digest holds it. */
static void put_window(JsonWriter *json, const Route *route, TimeMs now) {
    RouteWindow window = route_window(route, now);
    json_put_bool(json, "rings_now", !window.is_muted && !route->digest);
    if (window.is_muted) {
        json_put_str(json, "held_by", window.by);
        json_put_bool(json, "outside", window.is_outside);
    }
    if (window.next_change < now + look_ahead) {
        json_put_time(json, "changes_at", window.next_change);
    }
    if (route->digest) {
        json_put_str(json, "digest", route->digest->name);
        json_put_time(json, "digest_at",
                      calendar_next_start(route->digest, now, now + digest_look_ahead));
    }
}

static void put_route(JsonWriter *json, const Route *route, LabelSet labels, TimeMs now) {
    AUTO(arena_finish) Arena arena = {0};
    json_object(json);
    json_put_str(json, "receiver", route->receiver->name);
    json_put_str(json, "route", route->key);
    put_integrations(json, route);
    json_key(json, STR("group_labels"));
    labels_json(json, route_group_labels(route, labels, &arena));
    put_duration(json, "group_wait", route->group_wait);
    put_duration(json, "group_interval", route->group_interval);
    put_duration(json, "repeat_interval", route->repeat_interval);
    put_window(json, route, now);
    json_end(json);
}

void route_show_json(const NotifyConfig *config, LabelSet labels, TimeMs now, JsonWriter *json) {
    const Route *routes[ROUTES_MATCHED_MAX];
    size_t count = route_match(config->route, labels, routes);
    json_object(json);
    json_key(json, STR("labels")), labels_json(json, labels);
    json_put_time(json, "time", now);
    json_put_bool(json, "shadow", config->policy.shadow);
    json_put_array(json, "routes");
    for (size_t i = 0; i < count; i++) {
        put_route(json, routes[i], labels, now);
    }
    json_end(json);
    json_end(json);
}

/* ---- the tree ---- */

static void put_matchers(Buf *out, const Route *route) {
    for (size_t i = 0; i < route->matchers.count; i++) {
        buf_printf(out, i ? ", " : "");
        matcher_print(out, &route->matchers.items[i]);
    }
    buf_printf(out, route->matchers.count ? "" : "everything");
}

static void put_receiver(Buf *out, const Receiver *receiver) {
    buf_printf(out, "  -> %.*s (", STR_ARG(receiver->name));
    for (size_t i = 0; i < receiver->integration_count; i++) {
        buf_printf(out, "%s%s", i ? ", " : "", receiver->integrations[i].type->name);
    }
    buf_printf(out, receiver->integration_count ? ")" : "recorded, never delivered)");
}

static void put_names(Buf *out, const char *what, const Calendar *const *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "%s %.*s", i ? "," : what, STR_ARG(list[i]->name));
    }
}

static void put_timing(Buf *out, const Route *route) {
    if (route->digest) {
        buf_printf(out, "  digest at the start of %.*s", STR_ARG(route->digest->name));
    } else {
        buf_printf(out, "  wait "), duration_put(out, route->group_wait);
        buf_printf(out, ", interval "), duration_put(out, route->group_interval);
        buf_printf(out, ", repeat "), duration_put(out, route->repeat_interval);
    }
    buf_printf(out, route->group_by_all ? ", by every label" : route->group_by_count ? ", by" : "");
    for (size_t i = 0; i < route->group_by_count; i++) {
        buf_printf(out, " %.*s", STR_ARG(route->group_by[i]));
    }
    put_names(out, ", only in", route->active, route->active_count);
    put_names(out, ", not in", route->mute, route->mute_count);
    buf_printf(out, route->continues ? ", continues\n" : "\n");
}

static void put_branch(Buf *out, const Route *route, int depth) {
    buf_printf(out, "%*s", depth * 2, "");
    put_matchers(out, route);
    put_receiver(out, route->receiver);
    put_timing(out, route);
    for (size_t i = 0; i < route->route_count; i++) {
        put_branch(out, &route->routes[i], depth + 1);
    }
}

void route_show_tree(const NotifyConfig *config, Buf *out) {
    put_branch(out, config->route, 0);
}

void route_show_yaml(const NotifyConfig *config, Buf *out) {
    static const char *const keys[] = {"route", "time_intervals", "mute_time_intervals"};
    AUTO(arena_finish) Arena arena = {0};
    YamlNode *root = yaml_map_node(&arena, 3);
    for (size_t i = 0; i < 3; i++) {
        const YamlNode *node = yaml_get(config->root, keys[i]);
        if (node) {
            yaml_map_set(&arena, root, keys[i], node);
        }
    }
    yaml_print(out, root, 0);
}
