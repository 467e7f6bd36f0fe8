#pragma once

/*
 * `scrape_configs:` as read: one ScrapeJob each, with the texts and rules that its targets share.
 *
 * Threads: never changes after scrape_jobs_read().
 */

#include "ingest/ingest.h"

typedef struct ScrapeParam {
    Str name;
    const Str *values;
    size_t value_count;
} ScrapeParam;

/* One entry of static_configs, or of a file that file_sd_configs names. */
typedef struct TargetGroup {
    const Str *addresses;
    size_t address_count;
    LabelSet labels;
} TargetGroup;

typedef struct FileSd {
    Str pattern; /* with the configuration file's folder in front, if it was relative */
    DurationMs refresh;
} FileSd;

typedef struct ScrapeJob {
    Str name, metrics_path, scheme;
    DurationMs interval, timeout;
    bool honor_labels, honor_timestamps;
    const ScrapeParam *params;
    size_t param_count;
    /* 0 = no limit */
    uint64_t sample_limit, label_limit, label_name_bytes_max, label_value_bytes_max, body_bytes_max;
    NetOptions options;
    Relabel *target_relabel, *metric_relabel; /* NULL = none */
    const TargetGroup *groups;
    size_t group_count;
    const FileSd *files;
    size_t file_count;
} ScrapeJob;

typedef struct ScrapeJobs {
    Arena arena;
    ScrapeJob *items;
    size_t count;
} ScrapeJobs;

/* Prometheus' defaults and checks. False with problems added; nothing is left to release then. */
bool scrape_jobs_read(const YamlReader *reader, const YamlNode *list, const ScraperOptions *options,
                      ScrapeJobs *ret_jobs);
void scrape_jobs_finish(ScrapeJobs *jobs);

/* A list of target groups, as in static_configs and in the files of file_sd_configs (JSON is YAML,
 * too). Texts are copied. */
bool target_groups_read(const YamlReader *reader, const YamlNode *list, Arena *arena,
                        const TargetGroup **ret_groups, size_t *ret_count);
