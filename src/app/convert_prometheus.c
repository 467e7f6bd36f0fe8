/*
 * prometheus.yml -> belfry.yml. Scrape jobs, rule files and global settings keep their words; what
 * Belfry has no part for is told where it stood.
 */

#include "app/convert.h"
#include "net/net.h"

/* Sections that are not carried over, and what to do about each. */
static const struct {
    const char *key, *note;
} left_out[] = {
    {"remote_write", "remote_write: Belfry stores what it gets and writes nowhere else; let the "
                     "senders write to both places"},
    {"remote_read", "remote_read: history elsewhere is not read; import what is needed, or keep "
                    "asking the old server"},
    {"scrape_config_files",
     "scrape_config_files: put their jobs under scrape_configs, or convert each"},
    {"tracing", "tracing: there are no traces"},
    {"otlp", "otlp: send by remote write"},
    {"runtime", "runtime: settings of Go's garbage collector mean nothing here"},
};

static const struct {
    const char *key, *note;
} storage_left_out[] = {
    {"exemplars", "storage.exemplars: exemplars are not stored"},
    {"tsdb", "storage.tsdb: samples out of order are always accepted, of any age; nothing to set"},
};

static const char *const global_kept[] = {"scrape_interval",     "scrape_timeout",
                                          "evaluation_interval", "rule_query_offset",
                                          "external_labels",     NULL};

static const char *const job_kept[] = {"job_name",
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
                                       "relabel_configs",
                                       "metric_relabel_configs",
                                       "enable_compression",
                                       "track_timestamps_staleness",
                                       "scrape_protocols",
                                       "scrape_fallback_protocol",
                                       "metric_name_validation_scheme",
                                       "metric_name_escaping_scheme",
                                       NULL};

/* Limits that `global` may set for all jobs. */
static const char *const global_limits[] = {
    "sample_limit",    "label_limit", "label_name_length_limit", "label_value_length_limit",
    "body_size_limit", NULL};

static bool is_among(Str word, const char *const *words) {
    for (size_t i = 0; words[i]; i++) {
        if (str_eq(word, str_of(words[i]))) {
            return true;
        }
    }
    return false;
}

static bool is_there(const YamlNode *map, const char *key) {
    const YamlNode *node = yaml_get(map, key);
    return node && node->kind != YAML_NULL;
}

static void note(Convert *convert, const YamlNode *at, const char *text) {
    (void)problems_add(convert->notes, convert->file, at->line, at->column, "%s", text);
}

/* ---- global ---- */

/* Prometheus' defaults are written out where ours differ. */
static void convert_global(Convert *convert, const YamlNode *global) {
    static const char *const defaults[][2] = {
        {"scrape_interval", "1m"}, {"scrape_timeout", "10s"}, {"evaluation_interval", "1m"}};
    YamlNode *ours = tree_child(convert->arena, convert->root, "global");
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++) {
        tree_put_text(convert->arena, ours, defaults[i][0], str_of(defaults[i][1]));
    }
    for (size_t i = 0; global && global->kind == YAML_MAP && i < global->count; i++) {
        const YamlPair *pair = &global->pairs[i];
        AUTO(arena_finish) Arena arena = {0};
        if (is_among(pair->key->text, global_kept)) {
            tree_put(convert->arena, ours, arena_cstr(&arena, pair->key->text), pair->value);
        } else if (!is_among(pair->key->text, global_limits)) {
            note(convert, pair->key,
                 arena_printf(&arena, "global.%.*s has no counterpart", STR_ARG(pair->key->text))
                     .ptr);
        }
    }
    if (is_there(global, "external_labels")) {
        note(convert, yaml_get(global, "external_labels"),
             "global.external_labels are added to what is scraped here and known to templates; "
             "alerts get them through their series");
    }
}

/* ---- scraping ---- */

static void keep_files(Convert *convert, YamlNode *job, const YamlNode *list) {
    YamlNode *kept = tree_list(convert->arena);
    for (size_t i = 0; list->kind == YAML_LIST && i < list->count; i++) {
        const YamlNode *files = yaml_get(list->items[i], "files");
        YamlNode *entry = tree_map(convert->arena);
        YamlNode *paths = tree_list(convert->arena);
        for (size_t k = 0; files && files->kind == YAML_LIST && k < files->count; k++) {
            tree_add(convert->arena, paths,
                     tree_text(convert->arena, convert_path(convert, files->items[k]->text)));
        }
        tree_put(convert->arena, entry, "files", paths);
        if (is_there(list->items[i], "refresh_interval")) {
            tree_put(convert->arena, entry, "refresh_interval",
                     yaml_get(list->items[i], "refresh_interval"));
        }
        tree_add(convert->arena, kept, entry);
    }
    tree_put(convert->arena, job, "file_sd_configs", kept);
}

/* Paths are relative to prometheus.yml there, and to where the server starts here. */
static const YamlNode *net_option(const Convert *convert, const YamlPair *pair) {
    bool is_path = str_ends(pair->key->text, STR("_file")) && pair->value->kind == YAML_SCALAR;
    return is_path ? tree_text(convert->arena, convert_path(convert, pair->value->text))
                   : convert_files(convert, pair->value);
}

static void convert_job_key(Convert *convert, YamlNode *job, const YamlPair *pair, Str name) {
    AUTO(arena_finish) Arena arena = {0};
    Str key = pair->key->text;
    if (str_eq(key, STR("file_sd_configs"))) {
        keep_files(convert, job, pair->value);
    } else if (is_among(key, job_kept)) {
        tree_put(convert->arena, job, arena_cstr(&arena, key), pair->value);
    } else if (is_among(key, net_options_keys)) {
        tree_put(convert->arena, job, arena_cstr(&arena, key), net_option(convert, pair));
    } else if (str_ends(key, STR("_sd_configs"))) {
        (void)problems_add(convert->notes, convert->file, pair->key->line, pair->key->column,
                           "job \"%.*s\": %.*s: targets are not discovered here; let a Prometheus "
                           "or vmagent there scrape and write to Belfry, or write them to a file "
                           "for file_sd_configs",
                           STR_ARG(name), STR_ARG(key));
    } else {
        (void)problems_add(convert->notes, convert->file, pair->key->line, pair->key->column,
                           "job \"%.*s\": %.*s has no counterpart", STR_ARG(name), STR_ARG(key));
    }
}

static void convert_job(Convert *convert, YamlNode *jobs, const YamlNode *from,
                        const YamlNode *global) {
    const YamlNode *name_node = yaml_get(from, "job_name");
    Str name = name_node ? name_node->text : STR("");
    YamlNode *job = tree_map(convert->arena);
    for (size_t i = 0; from->kind == YAML_MAP && i < from->count; i++) {
        convert_job_key(convert, job, &from->pairs[i], name);
    }
    for (size_t i = 0; global_limits[i]; i++) {
        if (is_there(global, global_limits[i]) && !is_there(job, global_limits[i])) {
            tree_put(convert->arena, job, global_limits[i], yaml_get(global, global_limits[i]));
        }
    }
    if (is_there(job, "static_configs") || is_there(job, "file_sd_configs")) {
        tree_add(convert->arena, jobs, job);
    } else {
        (void)problems_add(convert->notes, convert->file, from->line, from->column,
                           "job \"%.*s\" is left out: it has no target that can be known here",
                           STR_ARG(name));
    }
}

static void convert_jobs(Convert *convert, const YamlNode *list, const YamlNode *global) {
    YamlNode *jobs = tree_list(convert->arena);
    for (size_t i = 0; list && list->kind == YAML_LIST && i < list->count; i++) {
        convert_job(convert, jobs, list->items[i], global);
    }
    if (jobs->count) {
        tree_put(convert->arena, convert->root, "scrape_configs", jobs);
    }
}

/* ---- rules ---- */

static void convert_rules(Convert *convert, const YamlNode *list) {
    YamlNode *rules = tree_list(convert->arena);
    for (size_t i = 0; list && list->kind == YAML_LIST && i < list->count; i++) {
        YamlNode *entry = tree_map(convert->arena);
        tree_put_text(convert->arena, entry, "files", convert_path(convert, list->items[i]->text));
        tree_put_text(convert->arena, entry, "flavour", STR("prometheus"));
        tree_add(convert->arena, rules, entry);
    }
    tree_put(convert->arena, convert->root, "rules", rules);
}

/* ---- alerting ---- */

static const YamlNode *http_options(Convert *convert, const YamlNode *from) {
    YamlNode *http = tree_map(convert->arena);
    for (size_t i = 0; from->kind == YAML_MAP && i < from->count; i++) {
        AUTO(arena_finish) Arena arena = {0};
        if (is_among(from->pairs[i].key->text, net_options_keys)) {
            tree_put(convert->arena, http, arena_cstr(&arena, from->pairs[i].key->text),
                     net_option(convert, &from->pairs[i]));
        }
    }
    return http;
}

static Str text_or(const YamlNode *map, const char *key, Str otherwise) {
    return is_there(map, key) ? yaml_get(map, key)->text : otherwise;
}

static const char *const alertmanager_kept[] = {"static_configs", "scheme", "path_prefix",
                                                "api_version", /* v2 is the only one there is */
                                                NULL};

static void convert_alertmanager(Convert *convert, const YamlNode *from) {
    const YamlNode *groups = yaml_get(from, "static_configs");
    Str scheme = text_or(from, "scheme", STR("http"));
    Str prefix = text_or(from, "path_prefix", STR(""));
    while (prefix.len && prefix.ptr[prefix.len - 1] == '/') {
        prefix.len--;
    }
    for (size_t g = 0; groups && groups->kind == YAML_LIST && g < groups->count; g++) {
        const YamlNode *targets = yaml_get(groups->items[g], "targets");
        for (size_t i = 0; targets && targets->kind == YAML_LIST && i < targets->count; i++) {
            Str slash = prefix.len && prefix.ptr[0] != '/' ? STR("/") : STR("");
            Str url =
                arena_printf(convert->arena, "%.*s://%.*s%.*s%.*s", STR_ARG(scheme),
                             STR_ARG(targets->items[i]->text), STR_ARG(slash), STR_ARG(prefix));
            convert_alertmanagers(convert, &url, 1, http_options(convert, from));
        }
    }
    for (size_t i = 0; from->kind == YAML_MAP && i < from->count; i++) {
        Str key = from->pairs[i].key->text;
        if (str_ends(key, STR("_sd_configs"))) {
            (void)problems_add(convert->notes, convert->file, from->pairs[i].key->line,
                               from->pairs[i].key->column,
                               "alerting: %.*s: name each Alertmanager by its URL under "
                               "notify.receivers",
                               STR_ARG(key));
        } else if (str_ends(key, STR("relabel_configs"))) {
            note(convert, from->pairs[i].key,
                 "alerting: relabelling per Alertmanager has no counterpart; use routes");
        } else if (!is_among(key, alertmanager_kept) && !is_among(key, net_options_keys)) {
            (void)problems_add(convert->notes, convert->file, from->pairs[i].key->line,
                               from->pairs[i].key->column, "alerting: %.*s has no counterpart",
                               STR_ARG(key));
        }
    }
}

static void convert_alerting(Convert *convert, const YamlNode *alerting) {
    const YamlNode *list = yaml_get(alerting, "alertmanagers");
    for (size_t i = 0; list && list->kind == YAML_LIST && i < list->count; i++) {
        convert_alertmanager(convert, list->items[i]);
    }
    if (is_there(alerting, "alert_relabel_configs")) {
        note(convert, yaml_get(alerting, "alert_relabel_configs"),
             "alerting.alert_relabel_configs: labels of alerts are not changed on their way out; "
             "set or drop them in the rules (`labels:`, an empty value drops one)");
    }
}

/* ---- the whole ---- */

static void note_left_out(Convert *convert, const YamlNode *root) {
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++) {
        if (is_there(root, left_out[i].key)) {
            note(convert, yaml_get(root, left_out[i].key), left_out[i].note);
        }
    }
    const YamlNode *storage = yaml_get(root, "storage");
    for (size_t i = 0; i < sizeof storage_left_out / sizeof *storage_left_out; i++) {
        if (is_there(storage, storage_left_out[i].key)) {
            note(convert, yaml_get(storage, storage_left_out[i].key), storage_left_out[i].note);
        }
    }
}

bool convert_prometheus(Convert *convert, const YamlNode *root, Problems *problems) {
    static const char *const known[] = {
        "global",   "rule_files",   "scrape_configs", "scrape_config_files",
        "alerting", "remote_write", "remote_read",    "storage",
        "tracing",  "otlp",         "runtime",        NULL};
    YamlReader reader = {.file = convert->file, .problems = problems, .where = ""};
    if (!root || root->kind != YAML_MAP) {
        return problems_add(problems, convert->file, root ? root->line : 0, root ? root->column : 0,
                            "no configuration of Prometheus");
    }
    if (!yaml_check_keys(&reader, root, known)) {
        return false;
    }
    convert_global(convert, yaml_get(root, "global"));
    convert_rules(convert, yaml_get(root, "rule_files"));
    convert_jobs(convert, yaml_get(root, "scrape_configs"), yaml_get(root, "global"));
    convert_alerting(convert, yaml_get(root, "alerting"));
    note_left_out(convert, root);
    return true;
}
