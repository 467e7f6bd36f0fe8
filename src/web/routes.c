#include "web/routes.h"

static const Route routes[] = {
    /* method  path                                 handler                where         before
       ready */
    {"GET", "/", handle_page, ROUTE_INLINE, true},
    {"GET", "/ui/*", handle_ui_file, ROUTE_INLINE, true},
    {"GET", "/graph", handle_graph_link, ROUTE_INLINE, true},
    {"GET", "/alerts", handle_alerts_link, ROUTE_INLINE, true},
    {"GET", "/rules", handle_rules_link, ROUTE_INLINE, true},
    {"GET", "/-/healthy", handle_healthy, ROUTE_INLINE, true},
    {"GET", "/-/ready", handle_ready, ROUTE_INLINE, true},
    {"GET", "/metrics", handle_metrics, ROUTE_POOL, true},
    {"POST|PUT", "/-/reload", NULL, ROUTE_ORDER, false},

    {"POST", "/api/v1/write", handle_write, ROUTE_WRITE, false},
    {"POST|PUT", "/api/v1/import/prometheus", handle_import, ROUTE_WRITE, false},
    {"POST|PUT", "/api/v1/import", handle_import, ROUTE_WRITE, false},
    {"POST", "/write", handle_import, ROUTE_WRITE, false},
    {"POST", "/api/v2/write", handle_import, ROUTE_WRITE, false},
    {"POST", "/influx/write", handle_import, ROUTE_WRITE, false},
    {"POST", "/influx/api/v2/write", handle_import, ROUTE_WRITE, false},
    {"GET", "/query", handle_influx_query, ROUTE_INLINE, false},
    {"GET|POST", "/influx/query", handle_influx_query, ROUTE_INLINE, false},
    {"GET", "/ping", handle_influx_ping, ROUTE_INLINE, false},
    {"GET", "/influx/ping", handle_influx_ping, ROUTE_INLINE, false},
    {"GET", "/health", handle_influx_health, ROUTE_INLINE, false},
    {"GET", "/influx/health", handle_influx_health, ROUTE_INLINE, false},
    {"GET|POST", "/api/version", handle_opentsdb_version, ROUTE_INLINE, false},
    {"GET|POST", "/opentsdb/api/version", handle_opentsdb_version, ROUTE_INLINE, false},
    {"POST|PUT", "/api/put", handle_import, ROUTE_WRITE, false},
    {"POST|PUT", "/opentsdb/api/put", handle_import, ROUTE_WRITE, false},
    {"GET|POST", "/api/v1/export", handle_export, ROUTE_POOL, false},

    {"GET|POST", "/api/v1/query", handle_query, ROUTE_POOL, false},
    {"GET|POST", "/api/v1/query_range", handle_query_range, ROUTE_POOL, false},
    {"GET|POST", "/api/v1/format_query", handle_format_query, ROUTE_INLINE, false},
    {"GET|POST", "/api/v1/parse_query", handle_parse_query, ROUTE_INLINE, false},
    {"GET|POST", "/api/v1/query_exemplars", handle_query_exemplars, ROUTE_INLINE, false},
    {"GET|POST", "/api/v1/series", handle_series, ROUTE_POOL, false},
    {"GET|POST", "/api/v1/labels", handle_labels, ROUTE_POOL, false},
    {"GET", "/api/v1/label/*/values", handle_label_values, ROUTE_POOL, false},
    {"GET", "/api/v1/metadata", handle_metadata, ROUTE_POOL, false},
    {"GET", "/api/v1/targets/metadata", handle_target_metadata, ROUTE_POOL, false},
    {"GET", "/api/v1/features", handle_features, ROUTE_INLINE, false},

    {"GET", "/api/v1/rules", handle_rules, ROUTE_POOL, false},
    {"GET", "/api/v1/alerts", handle_alerts, ROUTE_POOL, false},
    {"GET", "/api/v1/group", handle_rule_group, ROUTE_POOL, false},
    {"GET", "/api/v1/rule", handle_rule, ROUTE_POOL, false},
    {"GET", "/api/v1/alert", handle_rule_alert, ROUTE_POOL, false},
    {"GET", "/api/v1/notifiers", handle_notifiers, ROUTE_POOL, false},
    {"GET", "/vmalert/api/v1/rules", handle_rules, ROUTE_POOL, false},
    {"GET", "/vmalert/api/v1/alerts", handle_alerts, ROUTE_POOL, false},
    {"GET", "/vmalert/api/v1/group", handle_rule_group, ROUTE_POOL, false},
    {"GET", "/vmalert/api/v1/rule", handle_rule, ROUTE_POOL, false},
    {"GET", "/vmalert/api/v1/alert", handle_rule_alert, ROUTE_POOL, false},
    {"GET", "/vmalert/api/v1/notifiers", handle_notifiers, ROUTE_POOL, false},

    {"GET", "/api/v1/status/buildinfo", handle_buildinfo, ROUTE_INLINE, true},
    {"GET", "/api/v1/status/runtimeinfo", handle_runtimeinfo, ROUTE_POOL, false},
    {"GET", "/api/v1/status/flags", handle_flags, ROUTE_INLINE, false},
    {"GET", "/api/v1/status/config", handle_config, ROUTE_INLINE, false},
    {"GET", "/api/v1/status/tsdb", handle_tsdb, ROUTE_POOL, false},
    {"GET", "/api/v1/status/store", handle_store_status, ROUTE_POOL, false},
    {"GET", "/api/v1/status/walreplay", handle_walreplay, ROUTE_INLINE, false},
    {"GET", "/api/v1/targets", handle_targets, ROUTE_POOL, false},
    {"GET", "/api/v1/scrape_pools", handle_scrape_pools, ROUTE_POOL, false},
    {"GET", "/api/v1/alertmanagers", handle_alertmanagers, ROUTE_INLINE, false},
    {"GET", "/api/v1/sources", handle_sources, ROUTE_POOL, false},
    {"DELETE", "/api/v1/sources/*", handle_forget_source, ROUTE_POOL, false},

    {"POST", "/api/v1/admin/flush", handle_flush, ROUTE_POOL, false},
    {"POST", "/api/v1/admin/compact", handle_compact, ROUTE_POOL, false},
    {"POST", "/api/v1/admin/backup", handle_backup, ROUTE_POOL, false},
    {"GET", "/api/v1/admin/backup", handle_backups, ROUTE_POOL, false},
    {"POST|PUT", "/api/v1/admin/tsdb/delete_series", handle_delete_series, ROUTE_POOL, false},
    {"POST|PUT", "/api/v1/admin/tsdb/clean_tombstones", handle_clean_tombstones, ROUTE_POOL, false},
    {"POST|PUT", "/api/v1/admin/tsdb/snapshot", handle_tsdb_snapshot, ROUTE_POOL, false},

    {"POST", "/api/v1/alerts", handle_am_post_alerts_v1, ROUTE_POOL, false},
    {"GET", "/api/v1/status", handle_am_v1_gone, ROUTE_INLINE, false},
    {"GET", "/api/v1/receivers", handle_am_v1_gone, ROUTE_INLINE, false},
    {"GET|POST", "/api/v1/silences", handle_am_v1_gone, ROUTE_INLINE, false},
    {"GET|DELETE", "/api/v1/silence/*", handle_am_v1_gone, ROUTE_INLINE, false},

    {"GET", "/api/v2/status", handle_am_status, ROUTE_POOL, false},
    {"GET", "/api/v2/receivers", handle_am_receivers, ROUTE_POOL, false},
    {"GET", "/api/v2/alerts", handle_am_alerts, ROUTE_POOL, false},
    {"POST", "/api/v2/alerts", handle_am_post_alerts, ROUTE_POOL, false},
    {"GET", "/api/v2/alerts/groups", handle_am_groups, ROUTE_POOL, false},
    {"GET", "/api/v2/silences", handle_am_silences, ROUTE_POOL, false},
    {"POST", "/api/v2/silences", handle_am_set_silence, ROUTE_POOL, false},
    {"GET", "/api/v2/silence/*", handle_am_silence, ROUTE_POOL, false},
    {"DELETE", "/api/v2/silence/*", handle_am_expire_silence, ROUTE_POOL, false},

    {"GET", "/api/v1/explain", handle_explain, ROUTE_POOL, false},
    {"GET", "/api/v1/quality", handle_quality, ROUTE_POOL, false},
    {"POST", "/api/v1/webhooks/pagerduty", handle_pagerduty_webhook, ROUTE_POOL, false},
    {"POST", "/api/v1/shadow/alertmanager", handle_shadow_take, ROUTE_POOL, false},
    {"GET", "/api/v1/shadow/diff", handle_shadow_diff, ROUTE_POOL, false},

    {"GET", "/api/v1/annotations", handle_annotations, ROUTE_POOL, false},
    {"POST", "/annotations", handle_simple_annotations, ROUTE_POOL, false},
    {"POST", "/search", handle_simple_search, ROUTE_INLINE, false},
    {"POST", "/query", handle_simple_query, ROUTE_POOL, false},
    {"POST", "/tag-keys", handle_tag_keys, ROUTE_POOL, false},
    {"POST", "/tag-values", handle_tag_values, ROUTE_POOL, false},
    {"POST", "/metrics", handle_json_metrics, ROUTE_INLINE, false},
    {"POST", "/metric-payload-options", handle_empty_list, ROUTE_INLINE, false},
    {"POST", "/variable", handle_empty_list, ROUTE_INLINE, false},

    {"POST", "/api/v1/silences/preview", handle_quiet_preview, ROUTE_POOL, false},
    {"GET", "/api/v1/audit", handle_audit, ROUTE_POOL, false},
    {"GET", "/api/v1/maintenance", handle_maintenance, ROUTE_POOL, false},
    {"POST", "/api/v1/maintenance", handle_set_maintenance, ROUTE_POOL, false},
    {"GET", "/api/v1/maintenance/*", handle_maintenance_flag, ROUTE_POOL, false},
    {"DELETE", "/api/v1/maintenance/*", handle_clear_maintenance, ROUTE_POOL, false},

    {"GET", "/api/v1/route", handle_route, ROUTE_POOL, false},
    {"GET", "/api/v1/notifications", handle_notifications, ROUTE_POOL, false},
    {"POST", "/api/v1/notifications/retry", handle_retry_notifications, ROUTE_POOL, false},
    {"POST", "/api/v1/notifications/acknowledge", handle_acknowledge, ROUTE_POOL, false},
    {"POST", "/api/v1/notifications/test", handle_test_notification, ROUTE_POOL, false},
    {"DELETE", "/api/v1/notifications/*", handle_drop_notification, ROUTE_POOL, false},
};

enum { ROUTE_COUNT = sizeof routes / sizeof *routes };

/* The next segment of a path, without its slash. */
static Str take_segment(Str *path) {
    Str rest = str_skip(*path, path->len > 0);
    size_t len = str_find(rest, '/');
    *path = str_skip(rest, len);
    return (Str){rest.ptr, len};
}

static bool path_matches(Str pattern, Str path, Str args[PATH_ARGS_MAX]) {
    size_t count = 0;
    while (pattern.len && path.len) {
        Str want = take_segment(&pattern);
        Str have = take_segment(&path);
        if (str_eq(want, STR("*"))) {
            if (have.len == 0 || count == PATH_ARGS_MAX) {
                return false;
            }
            args[count++] = have;
        } else if (!str_eq(want, have)) {
            return false;
        }
    }
    return pattern.len == 0 && path.len == 0;
}

/* HEAD counts as GET, but not to Alertmanager's API: its own does not take it. */
static Str asked_method(Str path, Str method) {
    bool is_head = str_eq(method, STR("HEAD")) && !str_starts(path, STR("/api/v2/"));
    return is_head ? STR("GET") : method;
}

/* Takes "GET" off "GET|POST". */
static Str take_method(Str *methods) {
    size_t len = str_find(*methods, '|');
    Str method = {methods->ptr, len};
    *methods = str_skip(*methods, len < methods->len ? len + 1 : len);
    return method;
}

static bool method_matches(Str allowed, Str method) {
    while (allowed.len) {
        if (str_eq(take_method(&allowed), method)) {
            return true;
        }
    }
    return false;
}

const Route *route_at(Str path, Str method, Str ret_args[PATH_ARGS_MAX], bool *ret_path_known) {
    *ret_path_known = false;
    method = asked_method(path, method);
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (path_matches(str_of(routes[i].path), path, ret_args)) {
            *ret_path_known = true;
            if (method_matches(str_of(routes[i].method), method)) {
                return &routes[i];
            }
        }
    }
    return NULL;
}

/* "GET,POST": what a path answers to. */
static Str allowed_methods(Request *request, Str path) {
    Str args[PATH_ARGS_MAX];
    AUTO(buf_finish) Buf buf = {0};
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        Str methods = str_of(routes[i].method);
        while (path_matches(str_of(routes[i].path), path, args) && methods.len) {
            Str method = take_method(&methods);
            buf_printf(&buf, "%s%.*s", buf.len ? "," : "", STR_ARG(method));
            if (str_eq(method, STR("GET")) && !str_starts(path, STR("/api/v2/"))) {
                buf_str(&buf, STR(",HEAD"));
            }
        }
    }
    return arena_str(&request->arena, buf_view(&buf));
}

/* Alertmanager's API answers with a slash at the end, too. */
static Str plain_path(Str path) {
    path.len -= str_starts(path, STR("/api/v2/")) && str_ends(path, STR("/"));
    return path;
}

const Route *route_find(Request *request) {
    static const Route preflight = {"OPTIONS", "", handle_am_preflight, ROUTE_INLINE, true};
    if (str_eq(request->method, STR("OPTIONS"))) {
        return &preflight;
    }
    return route_at(plain_path(request->path), request->method, request->path_args,
                    &request->path_known);
}

void respond_no_route(Request *request) {
    int status = request->path_known ? 405 : 404;
    Str text = arena_printf(&request->arena, "path %.*s was not found", STR_ARG(request->path));
    if (request->path_known) {
        Str allowed = allowed_methods(request, plain_path(request->path));
        text = arena_printf(&request->arena, "method %.*s is not allowed, but [%.*s] are",
                            STR_ARG(request->method), STR_ARG(allowed));
        respond_header(request, "Allow", allowed);
    }
    if (str_starts(request->path, STR("/api/v2/"))) {
        JsonWriter json = respond_json(request, status);
        json_object(&json);
        json_put_int(&json, "code", status);
        json_put_str(&json, "message", text);
        json_end(&json);
        return;
    }
    if (str_starts(request->path, STR("/api/v1/"))) {
        JsonWriter json = respond_json(request, status);
        json_object(&json);
        json_put_str(&json, "status", STR("error"));
        json_put_str(&json, "errorType", request->path_known ? STR("bad_data") : STR("not_found"));
        json_put_str(&json, "error", text);
        json_end(&json);
        return;
    }
    respond_text(request, status,
                 request->path_known ? STR("405 method not allowed\n")
                                     : STR("404 page not found\n"));
}
