#pragma once

/*
 * belfry.yml: read once, checked whole, never changed. A reload reads a new one and swaps; a bad
 * one is refused with every problem named and the old one stays.
 *
 * Without a file all defaults hold: loopback, ./belfry-data, ./rules.d, scraping itself. The shape
 * is drawn in belfry.example.yml, which the tests load.
 */

#include "base/log.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "model/label.h"

/* One entry of `rules:`. */
typedef struct ConfigRules {
    Str pattern;
    Str flavour;   /* "auto", "prometheus", "vmalert" */
    Str templates; /* globs with commas between; "" = none */
} ConfigRules;

/* One entry of `sources.overrides:`. */
typedef struct ConfigSource {
    Str source;
    bool has_series_max; /* else the default's holds */
    uint64_t series_max;
    const YamlNode *write_relabel_configs; /* NULL = the default's */
} ConfigSource;

typedef struct Config {
    Arena arena;          /* owns all text and nodes below */
    Str file;             /* "" without a file */
    const YamlNode *root; /* the whole file; NULL without one */

    struct {
        Str listen, external_url, actor_header;
        const Str *trusted_proxies;
        size_t trusted_proxy_count;
        const Str *allowed_origins;
        size_t allowed_origin_count;
    } web;
    struct {
        DurationMs scrape_interval, scrape_timeout, evaluation_interval, rule_query_offset;
        LabelSet external_labels;
        bool no_alertgroup; /* alerts of vmalert's files have no label `alertgroup` */
    } global;
    struct {
        Str path, sync; /* sync: "always", "interval", "never" */
        DurationMs retention_time, future_max, dedup_interval, block_span;
        uint64_t retention_bytes; /* 0 = by percent */
        int retention_percent;
        const Str *replica_labels;
        size_t replica_label_count;
    } storage;
    struct {
        Str label;
        DurationMs late; /* 0 = auto */
        DurationMs lost;
        uint64_t series_max;
        const YamlNode *write_relabel_configs;
        const ConfigSource *overrides;
        size_t override_count;
    } sources;
    struct {
        Str opentsdb_listen;
    } ingest;
    struct {
        DurationMs lookback, timeout;
        int64_t concurrency, queue_max;
        uint64_t series_max, samples_max, memory_max;
    } query;
    struct {
        Str to, endpoint, region, access_key, secret_key;
    } backup;
    const ConfigRules *rules;
    size_t rules_count;
    const YamlNode *datasource;                        /* NULL or empty: the embedded store */
    const YamlNode *scrape_configs;                    /* NULL = none */
    const YamlNode *notify, *severities, *maintenance; /* for notify_config_load(); NULL = none */
    struct {
        uint64_t alerts_max, silences_max, body_bytes_max;
    } limits;
    struct {
        LogLevel level;
        LogFormat format;
    } log;
    bool hold; /* telemetry-aware holding: `sources.hold`, default true */
} Config;

/* Reads `file`, or takes the defaults where it is empty. NULL with problems. Release with
 * config_free(). */
Config *config_load(Str file, Problems *problems);
/* The same from text, for tests and `belfry check`; `file` only names it. */
Config *config_parse(Str file, Str text, Problems *problems);
void config_free(Config *config); /* accepts NULL */

/* The configuration as YAML with every secret as <secret>: /api/v1/status/config. */
void app_config_print(const Config *config, Buf *out);
