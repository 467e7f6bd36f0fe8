#include "ingest/scrape_config.h"

enum { KEYS_MAX = 64 };

static const char *const job_keys[] = {
    "job_name",
    "scrape_interval",
    "scrape_timeout",
    "metrics_path",
    "scheme",
    "params",
    "honor_labels",
    "honor_timestamps",
    "sample_limit",
    "label_limit",
    "label_name_length_limit",
    "label_value_length_limit",
    "body_size_limit",
    "static_configs",
    "file_sd_configs",
    "relabel_configs",
    "metric_relabel_configs",
    /* What these choose between is settled by negotiation here, or makes no difference to what is
       stored. */
    "enable_compression",
    "track_timestamps_staleness",
    "scrape_protocols",
    "scrape_fallback_protocol",
    "metric_name_validation_scheme",
    "metric_name_escaping_scheme",
};
static const char *const group_keys[] = {"targets", "labels", NULL};
static const char *const file_keys[] = {"files", "refresh_interval", NULL};

static bool there(const YamlNode *map, const char *key) {
    const YamlNode *node = yaml_get(map, key);
    return node && node->kind != YAML_NULL;
}

static bool check_keys(const YamlReader *reader, const YamlNode *map) {
    const char *known[KEYS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < sizeof job_keys / sizeof *job_keys; i++) {
        known[count++] = job_keys[i];
    }
    for (size_t i = 0; net_options_keys[i]; i++) {
        known[count++] = net_options_keys[i];
    }
    known[count] = NULL;
    for (size_t i = 0; i < map->count; i++) {
        const YamlNode *key = map->pairs[i].key;
        if (str_ends(key->text, STR("_sd_configs")) && !str_eq(key->text, STR("file_sd_configs"))) {
            return yaml_problem(reader, key,
                                "%.*s: only static_configs and file_sd_configs are supported",
                                STR_ARG(key->text));
        }
    }
    return yaml_check_keys(reader, map, known);
}

/* ---- target groups ---- */

static bool read_texts(const YamlReader *reader, const YamlNode *map, const char *key, Arena *arena,
                       const Str **ret_items, size_t *ret_count) {
    const YamlNode *list;
    *ret_count = 0;
    if (!there(map, key)) {
        return true;
    }
    if (!yaml_list(reader, map, key, &list)) {
        return false;
    }
    Str *items = arena_array(arena, Str, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i]->kind != YAML_SCALAR) {
            return yaml_problem(reader, list->items[i], "%s: expected a text", key);
        }
        items[i] = arena_str(arena, list->items[i]->text);
    }
    *ret_items = items;
    *ret_count = list->count;
    return true;
}

static bool read_labels(const YamlReader *reader, const YamlNode *map, Arena *arena,
                        LabelSet *ret_labels) {
    const YamlNode *node;
    if (!there(map, "labels")) {
        return true;
    }
    if (!yaml_map(reader, map, "labels", &node)) {
        return false;
    }
    Label *items = arena_array(arena, Label, node->count + 1);
    for (size_t i = 0; i < node->count; i++) {
        const YamlPair *pair = &node->pairs[i];
        if (pair->value->kind != YAML_SCALAR) {
            return yaml_problem(reader, pair->value, "labels: expected a text");
        }
        items[i] = (Label){arena_str(arena, pair->key->text), arena_str(arena, pair->value->text)};
    }
    Err err;
    if (!labels_build(items, node->count, ret_labels, &err)) {
        return yaml_problem(reader, node, "labels: %s", err.text);
    }
    return true;
}

bool target_groups_read(const YamlReader *reader, const YamlNode *list, Arena *arena,
                        const TargetGroup **ret_groups, size_t *ret_count) {
    if (!list || list->kind == YAML_NULL) {
        *ret_count = 0;
        return true;
    }
    if (list->kind != YAML_LIST) {
        return yaml_problem(reader, list, "expected a list of target groups");
    }
    TargetGroup *groups = arena_array(arena, TargetGroup, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i]->kind != YAML_MAP) {
            return yaml_problem(reader, list->items[i], "expected a map with \"targets\"");
        }
        if (!yaml_check_keys(reader, list->items[i], group_keys) ||
            !read_texts(reader, list->items[i], "targets", arena, &groups[i].addresses,
                        &groups[i].address_count) ||
            !read_labels(reader, list->items[i], arena, &groups[i].labels)) {
            return false;
        }
    }
    *ret_groups = groups;
    *ret_count = list->count;
    return true;
}

/* ---- file_sd_configs ---- */

static Str beside_config(Arena *arena, Str config_file, Str pattern) {
    size_t folder = config_file.len;
    while (folder && config_file.ptr[folder - 1] != '/') {
        folder--;
    }
    return str_starts(pattern, STR("/"))
               ? pattern
               : arena_printf(arena, "%.*s%.*s", (int)folder, config_file.ptr, STR_ARG(pattern));
}

static bool read_file_sd(const YamlReader *reader, const YamlNode *map, Arena *arena, FileSd *files,
                         size_t *count) {
    const Str *patterns;
    size_t pattern_count;
    DurationMs refresh = 5 * MINUTE_MS;
    if (!yaml_check_keys(reader, map, file_keys) ||
        !read_texts(reader, map, "files", arena, &patterns, &pattern_count) ||
        (there(map, "refresh_interval") &&
         !yaml_duration(reader, map, "refresh_interval", &refresh))) {
        return false;
    }
    for (size_t i = 0; i < pattern_count; i++) {
        files[(*count)++] = (FileSd){beside_config(arena, reader->file, patterns[i]), refresh};
    }
    return pattern_count > 0 ||
           yaml_problem(reader, map,
                        "file service discovery config must contain at least one file");
}

static bool read_files(const YamlReader *reader, const YamlNode *map, Arena *arena,
                       ScrapeJob *job) {
    const YamlNode *list;
    if (!there(map, "file_sd_configs")) {
        return true;
    }
    if (!yaml_list(reader, map, "file_sd_configs", &list)) {
        return false;
    }
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++) {
        const YamlNode *files = yaml_get(list->items[i], "files");
        count += files ? files->count : 0;
    }
    FileSd *files = arena_array(arena, FileSd, count + 1);
    job->files = files;
    for (size_t i = 0; i < list->count; i++) {
        if (!read_file_sd(reader, list->items[i], arena, files, &job->file_count)) {
            return false;
        }
    }
    return true;
}

/* ---- the job's fields ---- */

static bool read_params(const YamlReader *reader, const YamlNode *map, Arena *arena,
                        ScrapeJob *job) {
    const YamlNode *node;
    if (!there(map, "params")) {
        return true;
    }
    if (!yaml_map(reader, map, "params", &node)) {
        return false;
    }
    ScrapeParam *params = arena_array(arena, ScrapeParam, node->count + 1);
    for (size_t i = 0; i < node->count; i++) {
        Str name = node->pairs[i].key->text;
        char *key = arena_cstr(arena, name);
        params[i].name = arena_str(arena, name);
        if (!read_texts(reader, node, key, arena, &params[i].values, &params[i].value_count)) {
            return false;
        }
    }
    job->params = params;
    job->param_count = node->count;
    return true;
}

static bool read_limits(const YamlReader *reader, const YamlNode *map, ScrapeJob *job) {
    const struct {
        const char *key;
        uint64_t *slot;
    } limits[] = {
        {"sample_limit", &job->sample_limit},
        {"label_limit", &job->label_limit},
        {"label_name_length_limit", &job->label_name_bytes_max},
        {"label_value_length_limit", &job->label_value_bytes_max},
    };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        int64_t value = 0;
        if (there(map, limits[i].key) &&
            !yaml_int(reader, map, limits[i].key, 0, INT64_MAX, &value)) {
            return false;
        }
        *limits[i].slot = (uint64_t)value;
    }
    return !there(map, "body_size_limit") ||
           yaml_bytes(reader, map, "body_size_limit", &job->body_bytes_max);
}

static bool read_str(const YamlReader *reader, const YamlNode *map, const char *key, Arena *arena,
                     Str *slot) {
    Str text;
    if (!there(map, key)) {
        return true;
    }
    if (!yaml_str(reader, map, key, &text)) {
        return false;
    }
    *slot = arena_str(arena, text);
    return true;
}

static bool read_times(const YamlReader *reader, const YamlNode *map, const ScraperOptions *options,
                       ScrapeJob *job) {
    job->interval = options->interval;
    job->timeout = 0;
    if ((there(map, "scrape_interval") &&
         !yaml_duration(reader, map, "scrape_interval", &job->interval)) ||
        (there(map, "scrape_timeout") &&
         !yaml_duration(reader, map, "scrape_timeout", &job->timeout))) {
        return false;
    }
    if (job->interval <= 0) {
        return yaml_problem(reader, map, "scrape_interval: must be longer than 0s");
    }
    if (job->timeout > job->interval) {
        return yaml_problem(reader, map, "scrape timeout greater than scrape interval");
    }
    if (job->timeout <= 0) {
        job->timeout = options->timeout < job->interval ? options->timeout : job->interval;
    }
    return true;
}

static bool read_rules(const YamlReader *reader, const YamlNode *map, ScrapeJob *job) {
    return (!there(map, "relabel_configs") ||
            relabel_read(reader, yaml_get(map, "relabel_configs"), &job->target_relabel)) &&
           (!there(map, "metric_relabel_configs") ||
            relabel_read(reader, yaml_get(map, "metric_relabel_configs"), &job->metric_relabel));
}

static bool read_job(const YamlReader *reader, const YamlNode *map, const ScraperOptions *options,
                     Arena *arena, ScrapeJob *job) {
    *job = (ScrapeJob){
        .metrics_path = STR("/metrics"),
        .scheme = STR("http"),
        .honor_timestamps = true,
    };
    if (!map || map->kind != YAML_MAP) {
        return yaml_problem(reader, map, "expected a scrape configuration");
    }
    if (!check_keys(reader, map) || !read_str(reader, map, "job_name", arena, &job->name) ||
        !read_str(reader, map, "metrics_path", arena, &job->metrics_path) ||
        !read_str(reader, map, "scheme", arena, &job->scheme) ||
        !read_times(reader, map, options, job) || !read_params(reader, map, arena, job) ||
        !read_limits(reader, map, job) || !read_rules(reader, map, job) ||
        !read_files(reader, map, arena, job) ||
        (there(map, "honor_labels") &&
         !yaml_bool(reader, map, "honor_labels", &job->honor_labels)) ||
        (there(map, "honor_timestamps") &&
         !yaml_bool(reader, map, "honor_timestamps", &job->honor_timestamps)) ||
        !net_options_read(reader, map, arena, &job->options) ||
        !target_groups_read(reader, yaml_get(map, "static_configs"), arena, &job->groups,
                            &job->group_count)) {
        return false;
    }
    if (job->name.len == 0) {
        return yaml_problem(reader, map, "job_name is empty");
    }
    return str_eq(job->scheme, STR("http")) || str_eq(job->scheme, STR("https")) ||
           yaml_problem(reader, yaml_get(map, "scheme"), "scheme: expected http or https");
}

static bool check_name(const YamlReader *reader, const YamlNode *map, const ScrapeJobs *jobs) {
    const ScrapeJob *last = &jobs->items[jobs->count - 1];
    for (const ScrapeJob *job = jobs->items; job < last; job++) {
        if (job->name.len && str_eq(job->name, last->name)) {
            return yaml_problem(reader, map, "found multiple scrape configs with job name \"%.*s\"",
                                STR_ARG(job->name));
        }
    }
    return true;
}

bool scrape_jobs_read(const YamlReader *reader, const YamlNode *list, const ScraperOptions *options,
                      ScrapeJobs *ret_jobs) {
    if (list && list->kind != YAML_LIST && list->kind != YAML_NULL) {
        return yaml_problem(reader, list, "expected a list of scrape configurations");
    }
    size_t count = list && list->kind == YAML_LIST ? list->count : 0;
    ScrapeJobs jobs = {0};
    jobs.items = arena_array(&jobs.arena, ScrapeJob, count + 1);
    bool ok = true;
    for (size_t i = 0; i < count; i++) {
        jobs.count++;
        ok &= read_job(reader, list->items[i], options, &jobs.arena, &jobs.items[i]) &&
              check_name(reader, list->items[i], &jobs);
    }
    if (!ok) {
        scrape_jobs_finish(&jobs);
        return false;
    }
    *ret_jobs = jobs;
    return true;
}

void scrape_jobs_finish(ScrapeJobs *jobs) {
    for (size_t i = 0; i < jobs->count; i++) {
        relabel_free(jobs->items[i].target_relabel);
        relabel_free(jobs->items[i].metric_relabel);
    }
    arena_finish(&jobs->arena);
    *jobs = (ScrapeJobs){0};
}
