#include "app/config.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/number.h"

enum { CONFIG_BYTES_MAX = 16 << 20 };

static Config *new_with_defaults(Str file) {
    Config *config = mem_zero(1, sizeof *config);
    config->file = arena_str(&config->arena, file);
    config->web.listen = STR("127.0.0.1:8119");
    config->global.scrape_interval = 15 * SECOND_MS;
    config->global.scrape_timeout = 10 * SECOND_MS;
    config->global.evaluation_interval = MINUTE_MS;
    config->storage.path = STR("./belfry-data");
    config->storage.sync = STR("always");
    config->storage.retention_percent = 80;
    config->storage.future_max = DAY_MS;
    config->storage.block_span = 2 * HOUR_MS;
    config->sources.label = STR("cluster");
    config->sources.lost = 5 * MINUTE_MS;
    config->query.lookback = 5 * MINUTE_MS;
    config->query.timeout = 2 * MINUTE_MS;
    config->query.concurrency = 20;
    config->query.queue_max = 1000;
    config->query.memory_max = UINT64_C(2) << 30;
    static const ConfigRules shipped = {{"rules.d/**/*.y*ml", 17}, {"auto", 4}, {"", 0}};
    config->rules = &shipped;
    config->rules_count = 1;
    config->log.level = LOG_INFO;
    config->hold = true;
    return config;
}

/* A list of strings; false (with a problem) if there is something else in it. */
static bool read_strings(const YamlReader *reader, const YamlNode *map, const char *key,
                         Arena *arena, const Str **ret_items, size_t *ret_count) {
    const YamlNode *list;
    if (!yaml_list(reader, map, key, &list)) {
        return false;
    }
    Str *items = arena_array(arena, Str, list->count);
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i]->kind != YAML_SCALAR) {
            return yaml_problem(reader, list->items[i], "%s: expected a list of strings", key);
        }
        items[i] = list->items[i]->text;
    }
    *ret_items = items;
    *ret_count = list->count;
    return true;
}

/* A whole number that is not negative. */
static void read_count(const YamlReader *reader, const YamlNode *map, const char *key,
                       uint64_t *ret_count) {
    int64_t count;
    if (yaml_int(reader, map, key, 0, INT64_MAX, &count)) {
        *ret_count = (uint64_t)count;
    }
}

/* One word out of a few; a problem names them all. */
static void read_choice(const YamlReader *reader, const YamlNode *map, const char *key,
                        const char *const *choices, Str *ret_choice) {
    Str word;
    if (!yaml_str(reader, map, key, &word)) {
        return;
    }
    Buf known = {0};
    for (size_t i = 0; choices[i]; i++) {
        if (str_eq(word, str_of(choices[i]))) {
            *ret_choice = word;
            buf_finish(&known);
            return;
        }
        buf_printf(&known, "%s%s", i ? ", " : "", choices[i]);
    }
    yaml_problem(reader, yaml_get(map, key), "%s: \"%.*s\" is none of %.*s", key, STR_ARG(word),
                 STR_ARG(buf_view(&known)));
    buf_finish(&known);
}

static void read_web(const YamlReader *reader, const YamlNode *map, Config *config) {
    static const char *const known[] = {"listen",          "external_url",    "actor_header",
                                        "trusted_proxies", "allowed_origins", NULL};
    yaml_check_keys(reader, map, known);
    yaml_str(reader, map, "listen", &config->web.listen);
    yaml_str(reader, map, "external_url", &config->web.external_url);
    yaml_str(reader, map, "actor_header", &config->web.actor_header);
    read_strings(reader, map, "trusted_proxies", &config->arena, &config->web.trusted_proxies,
                 &config->web.trusted_proxy_count);
    read_strings(reader, map, "allowed_origins", &config->arena, &config->web.allowed_origins,
                 &config->web.allowed_origin_count);
}

/* A map of label names to values. */
static void read_labels(const YamlReader *reader, const YamlNode *map, const char *key,
                        Arena *arena, LabelSet *ret_labels) {
    const YamlNode *labels;
    if (!yaml_map(reader, map, key, &labels)) {
        return;
    }
    Label *items = arena_array(arena, Label, labels->count);
    for (size_t i = 0; i < labels->count; i++) {
        const YamlPair *pair = &labels->pairs[i];
        if (pair->value->kind != YAML_SCALAR || !label_name_is_legacy(pair->key->text)) {
            yaml_problem(reader, pair->key, "%s: expected label names with a text each", key);
            return;
        }
        items[i] = (Label){pair->key->text, pair->value->text};
    }
    Err err = {0};
    if (!labels_build(items, labels->count, ret_labels, &err)) {
        yaml_problem(reader, labels, "%s: %s", key, err.text);
    }
}

static void read_global(const YamlReader *reader, const YamlNode *map, Config *config) {
    static const char *const known[] = {"scrape_interval",
                                        "scrape_timeout",
                                        "evaluation_interval",
                                        "rule_query_offset",
                                        "external_labels",
                                        "disable_alertgroup_label",
                                        NULL};
    yaml_check_keys(reader, map, known);
    yaml_duration(reader, map, "scrape_interval", &config->global.scrape_interval);
    yaml_duration(reader, map, "scrape_timeout", &config->global.scrape_timeout);
    yaml_duration(reader, map, "evaluation_interval", &config->global.evaluation_interval);
    yaml_duration(reader, map, "rule_query_offset", &config->global.rule_query_offset);
    yaml_bool(reader, map, "disable_alertgroup_label", &config->global.no_alertgroup);
    read_labels(reader, map, "external_labels", &config->arena, &config->global.external_labels);
    if (config->global.scrape_interval <= 0 || config->global.evaluation_interval <= 0) {
        yaml_problem(reader, map, "intervals have to be longer than 0");
    }
}

/* `size: 80%` of the file system, or `size: 500GB`. */
static void read_retention_size(const YamlReader *reader, const YamlNode *map, Config *config) {
    Str text;
    if (!yaml_str(reader, map, "size", &text)) {
        return;
    }
    int64_t percent;
    if (str_ends(text, STR("%"))) {
        if (number_parse_int((Str){text.ptr, text.len - 1}, &percent) && percent >= 1 &&
            percent <= 99) {
            config->storage.retention_percent = (int)percent;
        } else {
            yaml_problem(reader, yaml_get(map, "size"), "size: %.*s is not between 1%% and 99%%",
                         STR_ARG(text));
        }
    } else if (yaml_bytes(reader, map, "size", &config->storage.retention_bytes)) {
        config->storage.retention_percent = 0;
    }
}

static void read_storage(const YamlReader *reader, const YamlNode *map, Config *config) {
    static const char *const known[] = {"path",  "sync",       "retention", "future_max",
                                        "dedup", "block_span", NULL};
    static const char *const syncs[] = {"always", "interval", "never", NULL};
    yaml_check_keys(reader, map, known);
    yaml_str(reader, map, "path", &config->storage.path);
    read_choice(reader, map, "sync", syncs, &config->storage.sync);
    yaml_duration(reader, map, "future_max", &config->storage.future_max);
    yaml_duration(reader, map, "block_span", &config->storage.block_span);
    if (config->storage.block_span < MINUTE_MS || config->storage.block_span > 7 * DAY_MS) {
        yaml_problem(reader, map, "block_span has to be between 1m and 7d");
    }
    const YamlNode *retention;
    if (yaml_map(reader, map, "retention", &retention)) {
        static const char *const retention_keys[] = {"time", "size", NULL};
        yaml_check_keys(reader, retention, retention_keys);
        yaml_duration(reader, retention, "time", &config->storage.retention_time);
        read_retention_size(reader, retention, config);
    }
    const YamlNode *dedup;
    if (yaml_map(reader, map, "dedup", &dedup)) {
        static const char *const dedup_keys[] = {"interval", "replica_labels", NULL};
        yaml_check_keys(reader, dedup, dedup_keys);
        yaml_duration(reader, dedup, "interval", &config->storage.dedup_interval);
        read_strings(reader, dedup, "replica_labels", &config->arena,
                     &config->storage.replica_labels, &config->storage.replica_label_count);
    }
}

static void read_source(const YamlReader *reader, const YamlNode *map, ConfigSource *source) {
    static const char *const known[] = {"source", "series_max", "write_relabel_configs", NULL};
    yaml_check_keys(reader, map, known);
    if (!yaml_str(reader, map, "source", &source->source)) {
        yaml_problem(reader, map, "an override needs a source");
    }
    source->has_series_max = yaml_get(map, "series_max") != NULL;
    read_count(reader, map, "series_max", &source->series_max);
    yaml_list(reader, map, "write_relabel_configs", &source->write_relabel_configs);
}

static void read_sources(const YamlReader *reader, const YamlNode *map, Config *config) {
    static const char *const known[] = {"label",    "late",      "lost", "hold",
                                        "defaults", "overrides", NULL};
    yaml_check_keys(reader, map, known);
    yaml_str(reader, map, "label", &config->sources.label);
    Str late;
    if (yaml_str(reader, map, "late", &late) && !str_eq(late, STR("auto"))) {
        yaml_duration(reader, map, "late", &config->sources.late);
    }
    yaml_duration(reader, map, "lost", &config->sources.lost);
    yaml_bool(reader, map, "hold", &config->hold);
    const YamlNode *defaults;
    if (yaml_map(reader, map, "defaults", &defaults)) {
        static const char *const default_keys[] = {"series_max", "write_relabel_configs", NULL};
        yaml_check_keys(reader, defaults, default_keys);
        read_count(reader, defaults, "series_max", &config->sources.series_max);
        yaml_list(reader, defaults, "write_relabel_configs",
                  &config->sources.write_relabel_configs);
    }
    const YamlNode *overrides;
    if (yaml_list(reader, map, "overrides", &overrides)) {
        ConfigSource *items = arena_array(&config->arena, ConfigSource, overrides->count);
        for (size_t i = 0; i < overrides->count; i++) {
            read_source(reader, overrides->items[i], &items[i]);
        }
        config->sources.overrides = items;
        config->sources.override_count = overrides->count;
    }
}

static void read_ingest(const YamlReader *reader, const YamlNode *map, Config *config) {
    static const char *const known[] = {"opentsdb_listen", NULL};
    yaml_check_keys(reader, map, known);
    yaml_str(reader, map, "opentsdb_listen", &config->ingest.opentsdb_listen);
}

static void read_backup(const YamlReader *reader, const YamlNode *map, Config *config) {
    static const char *const known[] = {"to",         "endpoint",   "region",
                                        "access_key", "secret_key", NULL};
    yaml_check_keys(reader, map, known);
    yaml_str(reader, map, "to", &config->backup.to);
    yaml_str(reader, map, "endpoint", &config->backup.endpoint);
    yaml_str(reader, map, "region", &config->backup.region);
    yaml_str(reader, map, "access_key", &config->backup.access_key);
    yaml_str(reader, map, "secret_key", &config->backup.secret_key);
    Str to = config->backup.to;
    if (to.len && to.ptr[0] != '/' && !str_starts(to, STR("s3://"))) {
        yaml_problem(reader, yaml_get(map, "to"),
                     "to: expected an absolute path or s3://BUCKET/PREFIX");
    }
}

static void read_query(const YamlReader *reader, const YamlNode *map, Config *config) {
    static const char *const known[] = {"lookback_delta", "timeout",     "concurrency", "queue_max",
                                        "series_max",     "samples_max", "memory_max",  NULL};
    yaml_check_keys(reader, map, known);
    yaml_duration(reader, map, "lookback_delta", &config->query.lookback);
    yaml_duration(reader, map, "timeout", &config->query.timeout);
    yaml_int(reader, map, "concurrency", 1, 1000, &config->query.concurrency);
    yaml_int(reader, map, "queue_max", 1, 100000, &config->query.queue_max);
    read_count(reader, map, "series_max", &config->query.series_max);
    read_count(reader, map, "samples_max", &config->query.samples_max);
    yaml_bytes(reader, map, "memory_max", &config->query.memory_max);
}

static void read_limits(const YamlReader *reader, const YamlNode *map, Config *config) {
    static const char *const known[] = {"alerts_max", "silences_max", "body_bytes_max", NULL};
    yaml_check_keys(reader, map, known);
    read_count(reader, map, "alerts_max", &config->limits.alerts_max);
    read_count(reader, map, "silences_max", &config->limits.silences_max);
    yaml_bytes(reader, map, "body_bytes_max", &config->limits.body_bytes_max);
}

static void read_log(const YamlReader *reader, const YamlNode *map, Config *config) {
    static const char *const known[] = {"level", "format", NULL};
    static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
    static const char *const formats[] = {"logfmt", "json", NULL};
    Str level = STR("info");
    Str format = STR("logfmt");
    yaml_check_keys(reader, map, known);
    read_choice(reader, map, "level", levels, &level);
    read_choice(reader, map, "format", formats, &format);
    for (int i = 0; levels[i]; i++) {
        if (str_eq(level, str_of(levels[i]))) {
            config->log.level = (LogLevel)i;
        }
    }
    config->log.format = str_eq(format, STR("json")) ? LOG_JSON : LOG_LOGFMT;
}

static void read_rules(const YamlReader *reader, const YamlNode *list, Config *config) {
    static const char *const known[] = {"files", "flavour", "templates", NULL};
    static const char *const flavours[] = {"auto", "prometheus", "vmalert", NULL};
    ConfigRules *rules = arena_array(&config->arena, ConfigRules, list->count);
    for (size_t i = 0; i < list->count; i++) {
        const YamlNode *entry = list->items[i];
        rules[i].flavour = STR("auto");
        if (entry->kind == YAML_SCALAR) { /* a bare pattern, as in rule_files */
            rules[i].pattern = entry->text;
            continue;
        }
        yaml_check_keys(reader, entry, known);
        read_choice(reader, entry, "flavour", flavours, &rules[i].flavour);
        yaml_str(reader, entry, "templates", &rules[i].templates);
        if (!yaml_str(reader, entry, "files", &rules[i].pattern)) {
            yaml_problem(reader, entry, "an entry of rules needs `files`");
        }
    }
    config->rules = rules;
    config->rules_count = list->count;
}

static const struct {
    const char *key;
    void (*read)(const YamlReader *reader, const YamlNode *map, Config *config);
} sections[] = {
    {"web", read_web},         {"global", read_global}, {"storage", read_storage},
    {"sources", read_sources}, {"ingest", read_ingest}, {"query", read_query},
    {"limits", read_limits},   {"log", read_log},       {"backup", read_backup},
};

static void read_root(const YamlReader *reader, const YamlNode *root, Config *config) {
    static const char *const known[] = {
        "web",    "global",     "storage",        "sources", "ingest",     "query",
        "rules",  "datasource", "scrape_configs", "notify",  "severities", "maintenance",
        "limits", "log",        "backup",         NULL};
    yaml_check_keys(reader, root, known);
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        const YamlNode *map;
        if (yaml_map(reader, root, sections[i].key, &map)) {
            YamlReader inner = *reader;
            inner.where = sections[i].key;
            sections[i].read(&inner, map, config);
        }
    }
    const YamlNode *rules;
    if (yaml_list(reader, root, "rules", &rules)) {
        read_rules(reader, rules, config);
    }
    yaml_map(reader, root, "datasource", &config->datasource);
    yaml_list(reader, root, "scrape_configs", &config->scrape_configs);
    yaml_map(reader, root, "notify", &config->notify);
    yaml_map(reader, root, "severities", &config->severities);
    yaml_list(reader, root, "maintenance", &config->maintenance);
}

Config *config_parse(Str file, Str text, Problems *problems) {
    Config *config = new_with_defaults(file);
    size_t before = problems->items_count;
    YamlDocs docs = {0};
    Str owned = arena_str(&config->arena, text);
    YamlReader reader = {.file = config->file, .problems = problems, .where = ""};
    if (yaml_parse(&config->arena, owned, config->file, &docs, problems) && docs.count > 0) {
        if (docs.count > 1) {
            yaml_problem(&reader, docs.items[1], "a second document; one is expected");
        }
        config->root = docs.items[0];
        read_root(&reader, docs.items[0], config);
    }
    if (problems->items_count > before) {
        config_free(config);
        return NULL;
    }
    return config;
}

Config *config_load(Str file, Problems *problems) {
    if (file.len == 0) {
        return new_with_defaults(file);
    }
    AUTO(arena_finish) Arena arena = {0};
    Str text;
    Err err = {0};
    if (!file_read(&arena, arena_cstr(&arena, file), CONFIG_BYTES_MAX, &text, &err)) {
        problems_add(problems, file, 0, 0, "%s", err.text);
        return NULL;
    }
    return config_parse(file, text, problems);
}

void config_free(Config *config) {
    if (config) {
        Arena arena = config->arena; /* the config's text is in it, the config itself is not */
        arena_finish(&arena);
        free(config);
    }
}
