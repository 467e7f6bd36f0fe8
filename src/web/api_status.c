/* What the server is and how it does: health, version, metrics, cardinality, sources. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/file.h"
#include "base/number.h"
#include "web/api.h"
#include "web/server.h"

/* The Prometheus whose API we speak: clients switch features on by it. */
#define SPEAKS_PROMETHEUS "3.5.0"
#define SPEAKS_ALERTMANAGER "0.28.0"

void handle_healthy(Web *web, Request *request) {
    (void)web;
    respond_text(request, 200, STR("OK\n"));
}

void handle_ready(Web *web, Request *request) {
    if (web_is_ready(web)) {
        respond_text(request, 200, STR("OK\n"));
    } else {
        respond_text(request, 503, STR("starting: the log is being replayed\n"));
    }
}

/* ---- metrics ---- */

static void put_build_info(MetricWriter *out) {
    static const struct {
        const char *name, *version;
    } builds[] = {{"belfry_build_info", BELFRY_VERSION},
                  {"prometheus_build_info", SPEAKS_PROMETHEUS},
                  {"alertmanager_build_info", SPEAKS_ALERTMANAGER}};
    for (size_t i = 0; i < sizeof builds / sizeof *builds; i++) {
        MetricLabel labels[] = {{"version", str_of(builds[i].version)},
                                {"revision", STR("belfry")}};
        metric_family(
            out, builds[i].name, "gauge",
            "Always 1; the version is a label. Those of other programs name the API we speak.");
        metric_value(out, "", labels, 2, 1);
    }
}

static double file_count(const char *dir) {
    AUTO(arena_finish) Arena arena = {0};
    Str *names;
    size_t count = 0;
    Err err = {0};
    return dir_list(&arena, dir, &names, &count, &err) ? (double)count : 0;
}

static void put_process(const Web *web, MetricWriter *out) {
    struct rusage usage;
    struct rlimit files;
    getrusage(RUSAGE_SELF, &usage);
    getrlimit(RLIMIT_NOFILE, &files);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    unsigned long pages_virtual = 0;
    unsigned long pages_resident = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm) {
        if (fscanf(statm, "%lu %lu", &pages_virtual, &pages_resident) != 2) {
            pages_resident = 0;
        }
        fclose(statm);
    }
    double page = (double)sysconf(_SC_PAGESIZE);
    metric_family(out, "process_cpu_seconds_total", "counter", "CPU time used.");
    metric_value(out, "", NULL, 0, cpu);
    metric_gauge(out, "process_resident_memory_bytes", "Memory in RAM.",
                 (double)pages_resident * page);
    metric_gauge(out, "process_virtual_memory_bytes", "Address space.",
                 (double)pages_virtual * page);
    metric_gauge(out, "process_open_fds", "Open files.", file_count("/proc/self/fd"));
    metric_gauge(out, "process_max_fds", "Files that may be open.", (double)files.rlim_cur);
    metric_gauge(out, "process_start_time_seconds", "Unix time of the start.",
                 (double)web_options(web)->started_at / 1000);
}

static void put_own(Web *web, MetricWriter *out) {
    static const char *const classes[] = {"other", "1xx", "2xx", "3xx", "4xx", "5xx"};
    uint64_t total = 0;
    metric_family(out, "prometheus_http_requests_total", "counter",
                  "Requests answered, by class of status.");
    for (size_t i = 0; i < 6; i++) {
        MetricLabel label = {"code", str_of(classes[i])};
        metric_value(out, "", &label, 1, (double)counter_get(&web->requests[i]));
        total += counter_get(&web->requests[i]);
    }
    metric_family(out, "prometheus_http_request_duration_seconds", "summary",
                  "Time from the first byte to the answer.");
    metric_value(out, "_sum", NULL, 0, (double)counter_get(&web->request_ns) / 1e9);
    metric_value(out, "_count", NULL, 0, (double)total);
    const WebCounters *counters = web_counters(web);
    metric_counter(out, "belfry_ingest_samples_total", "Samples stored from requests.",
                   counter_get(&counters->samples));
    metric_counter(out, "belfry_ingest_metadata_total", "Metadata entries of remote writes.",
                   counter_get(&counters->metadata));
    metric_counter(out, "belfry_ingest_exemplars_skipped_total",
                   "Exemplars of remote writes, which are not kept.",
                   counter_get(&counters->exemplars_skipped));
    const WebInfo *info = web_info(web);
    double reload_ok = web_is_ready(web) ? info->reload_ok : 0;
    double reload_at = (double)info->reload_at / 1000;
    const char *ok_help = "1 if the last load of the configuration had no problem.";
    const char *at_help = "Unix time of the last load.";
    metric_gauge(out, "prometheus_config_last_reload_successful", ok_help, reload_ok);
    metric_gauge(out, "prometheus_config_last_reload_success_timestamp_seconds", at_help,
                 reload_at);
    /* The same file has Alertmanager's part, and its usual alerts ask by these names. */
    metric_gauge(out, "alertmanager_config_last_reload_successful", ok_help, reload_ok);
    metric_gauge(out, "alertmanager_config_last_reload_success_timestamp_seconds", at_help,
                 reload_at);
}

/* How full the file system of the data directory is: what the shipped rules warn of. */
static void put_file_system(const Store *store, MetricWriter *out) {
    struct statvfs space;
    if (statvfs(store_dir(store), &space) == 0) {
        double unit = (double)space.f_frsize;
        metric_gauge(out, "belfry_store_filesystem_size_bytes", "Size of the data's file system.",
                     (double)space.f_blocks * unit);
        metric_gauge(out, "belfry_store_filesystem_avail_bytes", "What is left of it.",
                     (double)space.f_bavail * unit);
    }
}

void handle_metrics(Web *web, Request *request) {
    respond_text(request, 200, STR(""));
    request->response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    MetricWriter out = {.buf = &request->response.body};
    put_build_info(&out);
    put_process(web, &out);
    put_own(web, &out);
    if (!web_is_ready(web)) {
        return;
    }
    const WebDoors *doors = web_doors(web);
    store_metrics(doors->store, &out);
    put_file_system(doors->store, &out);
    rules_metrics(doors->rules, &out);
    notify_metrics(doors->notify, &out);
    state_metrics(doors->state, &out);
    net_metrics(doors->net, &out);
    if (doors->backups) {
        backups_metrics(doors->backups, &out);
    }
    buf_str(&request->response.body, web_info(web)->metrics);
}

/* ---- status ---- */

void handle_buildinfo(Web *web, Request *request) {
    (void)web;
    JsonWriter json = respond_success(request);
    json_object(&json);
    json_put_str(&json, "version", STR(SPEAKS_PROMETHEUS));
    json_put_str(&json, "revision", STR("belfry-" BELFRY_VERSION));
    json_put_str(&json, "branch", STR(""));
    json_put_str(&json, "buildUser", STR(""));
    json_put_str(&json, "buildDate", STR(""));
    json_put_str(&json, "goVersion", STR(""));
    json_put_str(&json, "application", STR("Belfry"));
    json_end(&json);
    respond_success_end(&json);
}

void handle_runtimeinfo(Web *web, Request *request) {
    AUTO(arena_finish) Arena arena = {0};
    StoreStats stats;
    store_stats(web_doors(web)->store, 1, &arena, &stats);
    JsonWriter json = respond_success(request);
    json_object(&json);
    json_put_time(&json, "startTime", web_options(web)->started_at);
    char *cwd = getcwd(NULL, 0);
    json_put_str(&json, "CWD", str_of(cwd));
    free(cwd);
    json_put_bool(&json, "reloadConfigSuccess", web_info(web)->reload_ok);
    json_put_time(&json, "lastConfigTime", web_info(web)->reload_at);
    json_put_int(&json, "corruptionCount", (int64_t)stats.quarantined);
    json_put_int(&json, "goroutineCount", 0);
    json_put_int(&json, "GOMAXPROCS", get_nprocs());
    json_put_str(&json, "GOGC", STR(""));
    json_put_str(&json, "GODEBUG", STR(""));
    json_put_str(&json, "storageRetention", STR(""));
    json_put_bool(&json, "storageReadOnly", stats.read_only);
    json_end(&json);
    respond_success_end(&json);
}

void handle_flags(Web *web, Request *request) {
    JsonWriter json = respond_success(request);
    Str flags = web_info(web)->flags_json;
    json_raw(&json, flags.len ? flags : STR("{}"));
    respond_success_end(&json);
}

void handle_config(Web *web, Request *request) {
    JsonWriter json = respond_success(request);
    json_object(&json);
    json_put_str(&json, "yaml", web_info(web)->config_yaml);
    json_end(&json);
    respond_success_end(&json);
}

/* There is no replay to tell of: whoever can ask has it behind them. */
void handle_walreplay(Web *web, Request *request) {
    (void)web;
    JsonWriter json = respond_success(request);
    json_raw(&json, STR("{\"min\":0,\"max\":0,\"current\":0}"));
    respond_success_end(&json);
}

/* Those Prometheus would find; ours are receivers (/api/v2/receivers). */
void handle_alertmanagers(Web *web, Request *request) {
    (void)web;
    JsonWriter json = respond_success(request);
    json_raw(&json, STR("{\"activeAlertmanagers\":[],\"droppedAlertmanagers\":[]}"));
    respond_success_end(&json);
}

static void put_target(JsonWriter *json, const ScrapeTargetView *target) {
    json_object(json);
    json_key(json, STR("discoveredLabels"));
    labels_json(json, target->discovered);
    json_key(json, STR("labels"));
    labels_json(json, target->labels);
    json_put_str(json, "scrapePool", target->job);
    json_put_str(json, "scrapeUrl", target->url);
    json_put_str(json, "globalUrl", target->url);
    json_put_str(json, "lastError", target->last_error);
    json_put_time(json, "lastScrape", target->last_scrape);
    json_put_number(json, "lastScrapeDuration", (double)target->last_took / 1000);
    json_put_str(json, "health", target->health);
    AUTO(buf_finish) Buf span = {0};
    duration_put(&span, target->interval);
    json_put_str(json, "scrapeInterval", buf_view(&span));
    span.len = 0;
    duration_put(&span, target->timeout);
    json_put_str(json, "scrapeTimeout", buf_view(&span));
    json_end(json);
}

/* `state` is active, dropped, any, or left out; of others there are none. */
static bool wants_state(const Request *request, const char *state) {
    Str asked = params_get(&request->params, STR("state"));
    char text[8] = "";
    for (size_t i = 0; i < asked.len && asked.len < sizeof text; i++) {
        text[i] =
            (char)(asked.ptr[i] >= 'A' && asked.ptr[i] <= 'Z' ? asked.ptr[i] + 32 : asked.ptr[i]);
    }
    return asked.len == 0 || strcmp(text, "any") == 0 || strcmp(text, state) == 0;
}

static void list_targets(Web *web, Arena *arena, ScrapeTargetView **ret_targets,
                         size_t *ret_count) {
    *ret_targets = NULL;
    *ret_count = 0;
    if (web_doors(web)->scraper) {
        scraper_targets(web_doors(web)->scraper, arena, ret_targets, ret_count);
    }
}

static int compare_jobs(const void *a, const void *b) {
    return str_cmp(((const ScrapeTargetView *)a)->job, ((const ScrapeTargetView *)b)->job);
}

void handle_scrape_pools(Web *web, Request *request) {
    AUTO(arena_finish) Arena arena = {0};
    ScrapeTargetView *targets;
    size_t count;
    list_targets(web, &arena, &targets, &count);
    if (count) {
        qsort(targets, count, sizeof *targets, compare_jobs);
    }
    JsonWriter json = respond_success(request);
    json_object(&json);
    json_put_array(&json, "scrapePools");
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || !str_eq(targets[i].job, targets[i - 1].job)) {
            json_str(&json, targets[i].job);
        }
    }
    json_end(&json);
    json_end(&json);
    respond_success_end(&json);
}

void handle_targets(Web *web, Request *request) {
    AUTO(arena_finish) Arena arena = {0};
    ScrapeTargetView *targets;
    size_t count;
    list_targets(web, &arena, &targets, &count);
    Str pool = params_get(&request->params, STR("scrapePool"));
    bool active = wants_state(request, "active"), dropped = wants_state(request, "dropped");
    JsonWriter json = respond_success(request);
    json_object(&json);
    json_put_array(&json, "activeTargets");
    for (size_t i = 0; active && i < count; i++) {
        if (pool.len == 0 || str_eq(pool, targets[i].job)) {
            put_target(&json, &targets[i]);
        }
    }
    json_end(&json);
    json_put_array(&json, "droppedTargets");
    json_end(&json);
    json_key(&json, STR("droppedTargetCounts"));
    json_raw(&json, dropped ? STR("{}") : STR("null"));
    json_end(&json);
    respond_success_end(&json);
}

static void put_source(JsonWriter *json, const StoreSource *source) {
    json_object(json);
    json_put_str(json, "source", source->source);
    json_put_time(json, "newest", source->newest);
    json_put_time(json, "receivedAt", source->received_at);
    json_put_number(json, "interval", (double)source->interval / 1000);
    json_put_int(json, "series", (int64_t)source->series);
    json_put_int(json, "samplesTotal", (int64_t)source->samples_total);
    json_put_int(json, "refusedTotal", (int64_t)source->refused_total);
    json_end(json);
}

/* Those of our own store, and of a remote datasource that rules are evaluated against. */
void handle_sources(Web *web, Request *request) {
    AUTO(arena_finish) Arena arena = {0};
    Engine *engine = web_doors(web)->engine;
    StoreSource *sources, *far = NULL;
    size_t count, far_count = 0;
    store_sources(web_doors(web)->store, &arena, &sources, &count);
    if (engine_is_remote(engine)) {
        engine_known_sources(engine, &arena, &far, &far_count);
    }
    JsonWriter json = respond_success(request);
    json_array(&json);
    for (size_t i = 0; i < count; i++) {
        put_source(&json, &sources[i]);
    }
    for (size_t i = 0; i < far_count; i++) {
        put_source(&json, &far[i]);
    }
    json_end(&json);
    respond_success_end(&json);
}

/* Someone's decision: telemetry from there is not expected any more. */
void handle_forget_source(Web *web, Request *request) {
    Str source = request->path_args[0];
    Err err = {0};
    bool found = engine_forget_source(web_doors(web)->engine, source, &err);
    if (!found && engine_is_remote(web_doors(web)->engine)) {
        found = store_forget_source(web_doors(web)->store, source, &err);
    }
    if (!found || !api_audit(web, request, "source.forget", source, &err)) {
        respond_error(request, &err);
        return;
    }
    request->response.status = 204;
}
