#pragma once

/* The route table: every path we answer, like a page of a manual (routes.c). */

#include "web/http.h"

/* Finds the request's route and fills its path arguments; NULL if there is none. */
const Route *route_find(Request *request);
/* The route of a path and method, and the path's arguments; NULL if there is none.
 * `ret_path_known`: some route has this path, if not this method. */
const Route *route_at(Str path, Str method, Str ret_args[PATH_ARGS_MAX], bool *ret_path_known);
/* 404 or 405, in the shape of the API the path belongs to. */
void respond_no_route(Request *request);

/* Handlers, by file. */
void handle_healthy(Web *web, Request *request); /* api_status.c */
void handle_ready(Web *web, Request *request);
void handle_metrics(Web *web, Request *request);
void handle_buildinfo(Web *web, Request *request);
void handle_runtimeinfo(Web *web, Request *request);
void handle_flags(Web *web, Request *request);
void handle_config(Web *web, Request *request);
void handle_targets(Web *web, Request *request);
void handle_scrape_pools(Web *web, Request *request);
void handle_alertmanagers(Web *web, Request *request);
void handle_walreplay(Web *web, Request *request);
void handle_sources(Web *web, Request *request);
void handle_forget_source(Web *web, Request *request);

void handle_tsdb(Web *web, Request *request); /* api_store.c */
void handle_store_status(Web *web, Request *request);

void handle_write(Web *web, Request *request);  /* api_write.c */
void handle_import(Web *web, Request *request); /* api_import.c */
void handle_influx_query(Web *web, Request *request);
void handle_influx_ping(Web *web, Request *request);
void handle_influx_health(Web *web, Request *request);
void handle_opentsdb_version(Web *web, Request *request);
void handle_export(Web *web, Request *request); /* api_export.c */

void handle_query(Web *web, Request *request); /* api_query.c */
void handle_query_range(Web *web, Request *request);
void handle_format_query(Web *web, Request *request);
void handle_parse_query(Web *web, Request *request);
void handle_query_exemplars(Web *web, Request *request);

void handle_series(Web *web, Request *request); /* api_series.c */
void handle_labels(Web *web, Request *request);
void handle_label_values(Web *web, Request *request);
void handle_metadata(Web *web, Request *request);
void handle_target_metadata(Web *web, Request *request);

void handle_features(Web *web, Request *request); /* api_features.c */

void handle_rules(Web *web, Request *request); /* api_rules.c */
void handle_alerts(Web *web, Request *request);
/* vmalert's: who is told. Receivers by name, since their addresses may be secrets. */
void handle_notifiers(Web *web, Request *request);
void handle_rule_group(Web *web, Request *request); /* api_rule.c */
void handle_rule(Web *web, Request *request);
void handle_rule_alert(Web *web, Request *request);

void handle_flush(Web *web, Request *request); /* api_admin.c */
void handle_compact(Web *web, Request *request);
void handle_delete_series(Web *web, Request *request);
void handle_clean_tombstones(Web *web, Request *request);
void handle_tsdb_snapshot(Web *web, Request *request);

void handle_backup(Web *web, Request *request); /* api_backup.c */
void handle_backups(Web *web, Request *request);

void handle_am_status(Web *web, Request *request); /* am_alerts.c */
void handle_am_receivers(Web *web, Request *request);
void handle_am_alerts(Web *web, Request *request);
void handle_am_post_alerts(Web *web, Request *request);
void handle_am_post_alerts_v1(Web *web, Request *request);
void handle_am_v1_gone(Web *web, Request *request);
void handle_am_groups(Web *web, Request *request);
void handle_am_silences(Web *web, Request *request); /* am_silences.c */
void handle_am_set_silence(Web *web, Request *request);
void handle_am_silence(Web *web, Request *request);
void handle_am_expire_silence(Web *web, Request *request);
void handle_am_preflight(Web *web, Request *request);

void handle_explain(Web *web, Request *request); /* api_explain.c */
void handle_quality(Web *web, Request *request); /* api_quality.c */
void handle_pagerduty_webhook(Web *web, Request *request);
void handle_shadow_take(Web *web, Request *request); /* api_shadow.c */
void handle_shadow_diff(Web *web, Request *request);

void handle_annotations(Web *web, Request *request); /* api_annotations.c */
void handle_simple_annotations(Web *web, Request *request);
void handle_simple_search(Web *web, Request *request);
void handle_simple_query(Web *web, Request *request);
void handle_json_metrics(Web *web, Request *request);
void handle_empty_list(Web *web, Request *request);
void handle_tag_keys(Web *web, Request *request);
void handle_tag_values(Web *web, Request *request);

void handle_maintenance(Web *web, Request *request); /* api_maintenance.c */
void handle_maintenance(Web *web, Request *request);
void handle_quiet_preview(Web *web, Request *request);
void handle_audit(Web *web, Request *request); /* api_maintenance.c */
void handle_set_maintenance(Web *web, Request *request);
void handle_maintenance_flag(Web *web, Request *request);
void handle_clear_maintenance(Web *web, Request *request);

void handle_route(Web *web, Request *request); /* api_notify.c */
void handle_notifications(Web *web, Request *request);
void handle_retry_notifications(Web *web, Request *request);
void handle_drop_notification(Web *web, Request *request);
void handle_test_notification(Web *web, Request *request);
void handle_acknowledge(Web *web, Request *request);

void handle_page(Web *web, Request *request); /* page.c */
void handle_graph_link(Web *web, Request *request);
void handle_alerts_link(Web *web, Request *request);
void handle_rules_link(Web *web, Request *request);
void handle_ui_file(Web *web, Request *request);
