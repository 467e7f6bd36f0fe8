/* Loading a notification configuration: the order of things, and what belongs to no other file. */

#include "notify/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "notify/config_print.h"
#include "notify/template.h"

/* ---- nodes ---- */

const YamlNode *yaml_text_node(Arena *arena, const char *text) {
    YamlNode *node = arena_new(arena, YamlNode);
    *node = (YamlNode){.kind = YAML_SCALAR, .text = arena_str(arena, str_of(text))};
    return node;
}

YamlNode *yaml_map_node(Arena *arena, size_t room) {
    YamlNode *node = arena_new(arena, YamlNode);
    *node = (YamlNode){.kind = YAML_MAP, .pairs = arena_array(arena, YamlPair, room + 1)};
    return node;
}

void yaml_map_set(Arena *arena, YamlNode *map, const char *key, const YamlNode *value) {
    map->pairs[map->count++] = (YamlPair){.key = yaml_text_node(arena, key), .value = value};
}

YamlNode *yaml_list_node(Arena *arena, size_t room) {
    YamlNode *node = arena_new(arena, YamlNode);
    *node = (YamlNode){.kind = YAML_LIST, .items = arena_array(arena, const YamlNode *, room + 1)};
    return node;
}

const YamlNode *yaml_copy(Arena *arena, const YamlNode *node) {
    YamlNode *copy = arena_new(arena, YamlNode);
    *copy = *node;
    copy->text = arena_str(arena, node->text);
    if (node->kind == YAML_MAP) {
        copy->pairs = arena_array(arena, YamlPair, node->count + 1);
        for (size_t i = 0; i < node->count; i++) {
            copy->pairs[i] = node->pairs[i];
            copy->pairs[i].key = yaml_copy(arena, node->pairs[i].key);
            copy->pairs[i].value = yaml_copy(arena, node->pairs[i].value);
        }
    }
    if (node->kind == YAML_LIST) {
        copy->items = arena_array(arena, const YamlNode *, node->count + 1);
        for (size_t i = 0; i < node->count; i++) {
            copy->items[i] = yaml_copy(arena, node->items[i]);
        }
    }
    return copy;
}

/* ---- small things ---- */

bool config_problem(ConfigLoader *loader, const YamlNode *node, const char *fmt, ...) {
    char text[sizeof((Err *)0)->text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    loader->failed = true;
    return problems_add(loader->yaml.problems, loader->yaml.file, node ? node->line : 0,
                        node ? node->column : 0, "%s", text);
}

void config_keep_matchers(NotifyConfig *config, MatcherSet *set) {
    VEC_PUSH(*config, matcher_sets, set);
}

const Receiver *config_receiver(const NotifyConfig *config, Str name) {
    for (size_t i = 0; i < config->receiver_count; i++) {
        if (str_eq(config->receivers[i].name, name)) {
            return &config->receivers[i];
        }
    }
    return NULL;
}

const Calendar *config_calendar(const NotifyConfig *config, Str name) {
    for (size_t i = 0; i < config->calendar_count; i++) {
        if (str_eq(config->calendars[i]->name, name)) {
            return config->calendars[i];
        }
    }
    return NULL;
}

const Integration *config_integration(const NotifyConfig *config, Str id) {
    for (size_t i = 0; i < config->receiver_count; i++) {
        const Receiver *receiver = &config->receivers[i];
        for (size_t j = 0; j < receiver->integration_count; j++) {
            if (str_eq(receiver->integrations[j].id, id)) {
                return &receiver->integrations[j];
            }
        }
    }
    return NULL;
}

NotifyConfig *notify_config_ref(NotifyConfig *config) {
    atomic_fetch_add(&config->references, 1);
    return config;
}

void notify_config_unref(NotifyConfig *config) {
    if (!config || atomic_fetch_sub(&config->references, 1) != 1) {
        return;
    }
    for (size_t i = 0; i < config->matcher_sets_count; i++) {
        matcher_set_finish(config->matcher_sets[i]);
    }
    for (size_t i = 0; i < config->calendar_count; i++) {
        calendar_finish(config->calendars[i]);
    }
    free(config->matcher_sets);
    regex_free(config->policy.silence_comment);
    tmpl_free(config->templates);
    arena_finish(&config->arena);
    free(config);
}

/* ---- loading ---- */

/* Alertmanager's keys, then ours. */
static const char *const root_keys[] = {"global",
                                        "templates",
                                        "route",
                                        "receivers",
                                        "inhibit_rules",
                                        "time_intervals",
                                        "mute_time_intervals",
                                        "event_recorder",
                                        "tracing",
                                        "config",
                                        "shadow",
                                        "ledger_keep",
                                        "silences",
                                        "flag_label",
                                        "flag_metric",
                                        "heartbeat",
                                        "flapping",
                                        "pagerduty_webhook",
                                        NULL};

static bool has_any(const YamlNode *map, const char *const *keys, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (yaml_get(map, keys[i])) {
            return true;
        }
    }
    return false;
}

enum { ALERTMANAGER_KEY_COUNT = 9 };

/* Without any configuration pages go to the log: a file of one route says so. */
static const YamlNode *default_root(Arena *arena) {
    YamlNode *receiver = yaml_map_node(arena, 2), *route = yaml_map_node(arena, 1);
    YamlNode *root = yaml_map_node(arena, 2), *receivers = yaml_list_node(arena, 1);
    YamlNode *configs = yaml_list_node(arena, 1);
    configs->items[configs->count++] = yaml_map_node(arena, 0);
    yaml_map_set(arena, receiver, "name", yaml_text_node(arena, "log"));
    yaml_map_set(arena, receiver, "log_configs", configs);
    receivers->items[receivers->count++] = receiver;
    yaml_map_set(arena, route, "receiver", yaml_text_node(arena, "log"));
    yaml_map_set(arena, root, "route", route);
    yaml_map_set(arena, root, "receivers", receivers);
    return root;
}

static Str folder_of(Arena *arena, Str file) {
    size_t at = file.len;
    while (at > 0 && file.ptr[at - 1] != '/') {
        at--;
    }
    return at > 1 ? arena_str(arena, (Str){file.ptr, at - 1}) : STR(".");
}

static Str resolve_path(Arena *arena, Str folder, Str path) {
    return path.len && path.ptr[0] == '/'
               ? arena_str(arena, path)
               : arena_printf(arena, "%.*s/%.*s", STR_ARG(folder), STR_ARG(path));
}

/* Reads the file that `notify.config` names. */
static bool read_file(ConfigLoader *loader, const YamlNode *at, Str name,
                      const YamlNode **ret_root) {
    NotifyConfig *config = loader->config;
    Str path = resolve_path(&config->arena, config->folder, name);
    Str bytes;
    Err err;
    if (!file_read(&config->arena, path.ptr, YAML_BYTES_MAX, &bytes, &err)) {
        return config_problem(loader, at, "config: %s", err.text);
    }
    loader->yaml.file = config->file = path;
    config->folder = folder_of(&config->arena, path);
    YamlDocs docs;
    if (!yaml_parse(&config->arena, bytes, path, &docs, loader->yaml.problems)) {
        loader->failed = true;
        return false;
    }
    if (docs.count == 0 || docs.items[0]->kind == YAML_NULL) {
        return config_problem(loader, NULL, "no route provided in config");
    }
    *ret_root = docs.items[0];
    return true;
}

static bool find_root(ConfigLoader *loader, const YamlNode *notify, const YamlNode **ret_root) {
    Arena *arena = &loader->config->arena;
    if (notify && notify->kind == YAML_NULL) {
        return config_problem(loader, notify, "no route provided in config");
    }
    Str file;
    if (yaml_str(&loader->yaml, notify, "config", &file)) {
        if (has_any(notify, root_keys, ALERTMANAGER_KEY_COUNT)) {
            return config_problem(loader, notify,
                                  "either config or the configuration itself, not both");
        }
        return read_file(loader, yaml_get(notify, "config"), file, ret_root);
    }
    *ret_root =
        !notify || (notify->kind == YAML_MAP && !has_any(notify, root_keys, ALERTMANAGER_KEY_COUNT))
            ? default_root(arena)
            : yaml_copy(arena, notify);
    return true;
}

static bool load_global(ConfigLoader *loader) {
    NotifyConfig *config = loader->config;
    config->resolve_timeout = 5 * MINUTE_MS;
    config->global = yaml_get(config->root, "global");
    if (config->global && config->global->kind != YAML_MAP) {
        config->global = NULL;
    }
    (void)yaml_duration(&loader->yaml, config->global, "resolve_timeout", &config->resolve_timeout);
    return true;
}

static bool load_templates(ConfigLoader *loader) {
    NotifyConfig *config = loader->config;
    const YamlNode *list = NULL;
    (void)yaml_list(&loader->yaml, config->root, "templates", &list);
    size_t count = list ? list->count : 0;
    config->template_patterns = arena_array(&config->arena, Str, count + 1);
    for (size_t i = 0; i < count; i++) {
        config->template_patterns[config->template_pattern_count++] =
            resolve_path(&config->arena, config->folder, list->items[i]->text);
    }
    Err err;
    return template_load(config, &err) || config_problem(loader, list, "%s", err.text);
}

/* ---- what is ours ---- */

static bool load_reminder(ConfigLoader *loader, const YamlNode *map) {
    static const char *const keys[] = {"receiver", "before", NULL};
    NotifyPolicy *policy = &loader->config->policy;
    if (!yaml_check_keys(&loader->yaml, map, keys)) {
        return false;
    }
    (void)yaml_str(&loader->yaml, map, "receiver", &policy->remind_receiver);
    (void)yaml_duration(&loader->yaml, map, "before", &policy->remind_before);
    return !policy->remind_receiver.len ||
           config_receiver(loader->config, policy->remind_receiver) ||
           config_problem(loader, map, "silences: reminder: undefined receiver \"%.*s\"",
                          STR_ARG(policy->remind_receiver));
}

static bool load_silence_policy(ConfigLoader *loader, const YamlNode *map) {
    static const char *const keys[] = {"duration_max", "comment_pattern", "reminder", NULL};
    NotifyPolicy *policy = &loader->config->policy;
    Str pattern;
    Err err;
    if (!yaml_check_keys(&loader->yaml, map, keys) ||
        !load_reminder(loader, yaml_get(map, "reminder"))) {
        return false;
    }
    (void)yaml_duration(&loader->yaml, map, "duration_max", &policy->silence_max);
    if (yaml_str(&loader->yaml, map, "comment_pattern", &pattern)) {
        policy->silence_comment = regex_new(pattern.ptr, pattern.len, &err);
        return policy->silence_comment ||
               config_problem(loader, map, "comment_pattern: %s", err.text);
    }
    return true;
}

static bool load_heartbeat(ConfigLoader *loader, const YamlNode *map) {
    static const char *const keys[] = {"receiver", "interval", "stall_after", "stall_receiver",
                                       NULL};
    NotifyPolicy *policy = &loader->config->policy;
    policy->stall_receiver = STR("");
    if (!yaml_check_keys(&loader->yaml, map, keys)) {
        return false;
    }
    (void)yaml_str(&loader->yaml, map, "receiver", &policy->heartbeat_receiver);
    (void)yaml_duration(&loader->yaml, map, "interval", &policy->heartbeat_interval);
    (void)yaml_duration(&loader->yaml, map, "stall_after", &policy->stall_after);
    (void)yaml_str(&loader->yaml, map, "stall_receiver", &policy->stall_receiver);
    Str names[] = {policy->heartbeat_receiver, policy->stall_receiver};
    for (size_t i = 0; i < 2; i++) {
        if (names[i].len && !config_receiver(loader->config, names[i])) {
            return config_problem(loader, map, "heartbeat: undefined receiver \"%.*s\"",
                                  STR_ARG(names[i]));
        }
    }
    return policy->heartbeat_interval > 0 ||
           config_problem(loader, map, "heartbeat: interval cannot be zero");
}

/* By which acknowledgements come back. */
static bool load_pager_webhook(ConfigLoader *loader, const YamlNode *map) {
    static const char *const keys[] = {"secret", "secret_file", NULL};
    NotifyPolicy *policy = &loader->config->policy;
    Str file;
    if (!map) {
        return true;
    }
    if (!yaml_check_keys(&loader->yaml, map, keys)) {
        return false;
    }
    (void)yaml_str(&loader->yaml, map, "secret", &policy->pager_secret);
    if (yaml_str(&loader->yaml, map, "secret_file", &file)) {
        policy->pager_secret_file =
            resolve_path(&loader->config->arena, loader->config->folder, file);
    }
    bool one = (policy->pager_secret.len != 0) != (policy->pager_secret_file.len != 0);
    return one ||
           config_problem(loader, map, "pagerduty_webhook: either secret or secret_file is needed");
}

static bool load_policy(ConfigLoader *loader, const YamlNode *map) {
    static const char *const flap_keys[] = {"changes", "window", NULL};
    NotifyConfig *config = loader->config;
    NotifyPolicy *policy = &config->policy;
    *policy = (NotifyPolicy){.ledger_keep = 90 * DAY_MS,
                             .heartbeat_interval = MINUTE_MS,
                             .stall_after = 5 * MINUTE_MS,
                             .flap_window = HOUR_MS,
                             .heartbeat_receiver = STR(""),
                             .remind_receiver = STR(""),
                             .remind_before = HOUR_MS,
                             .flag_metric = STR("belfry_maintenance"),
                             .severity_label = STR("severity"),
                             .pager_secret = STR(""),
                             .pager_secret_file = STR("")};
    (void)yaml_bool(&loader->yaml, map, "shadow", &policy->shadow);
    (void)yaml_duration(&loader->yaml, map, "ledger_keep", &policy->ledger_keep);
    (void)yaml_str(&loader->yaml, map, "flag_metric", &policy->flag_metric);
    const YamlNode *flapping = yaml_get(map, "flapping");
    if (!config_load_flag_labels(loader, map) ||
        !yaml_check_keys(&loader->yaml, flapping, flap_keys)) {
        return false;
    }
    (void)yaml_int(&loader->yaml, flapping, "changes", 0, 1000, &policy->flap_changes);
    (void)yaml_duration(&loader->yaml, flapping, "window", &policy->flap_window);
    return load_pager_webhook(loader, yaml_get(map, "pagerduty_webhook")) &&
           load_silence_policy(loader, yaml_get(map, "silences")) &&
           load_heartbeat(loader, yaml_get(map, "heartbeat"));
}

/* What flags, and receivers with severities of their own, go by. */
static void read_severity_words(ConfigLoader *loader, const YamlNode *severities) {
    NotifyPolicy *policy = &loader->config->policy;
    const YamlNode *map = yaml_get(severities, "map");
    size_t count = map && map->kind == YAML_MAP ? map->count : 0;
    SeverityWord *words = arena_array(&loader->config->arena, SeverityWord, count + 1);
    for (size_t i = 0; i < count; i++) {
        words[i] = (SeverityWord){map->pairs[i].key->text, map->pairs[i].value->text};
    }
    policy->severity_words = words;
    policy->severity_word_count = count;
    Str unknown = STR("");
    (void)yaml_str(&loader->yaml, severities, "unknown", &unknown);
    policy->unknown_is_critical = str_eq(unknown, STR("critical"));
    (void)yaml_str(&loader->yaml, severities, "label", &policy->severity_label);
}

static bool load(ConfigLoader *loader, const NotifyConfigSource *source) {
    NotifyConfig *config = loader->config;
    const YamlNode *ours = source->notify ? yaml_copy(&config->arena, source->notify) : NULL;
    const YamlNode *severities =
        source->severities ? yaml_copy(&config->arena, source->severities) : NULL;
    if (!yaml_check_keys(&loader->yaml, ours, root_keys) ||
        !find_root(loader, ours, &config->root) ||
        !yaml_check_keys(&loader->yaml, config->root, root_keys) ||
        !severities_expand(loader, severities, &config->root)) {
        return false;
    }
    bool ok = load_global(loader) && config_load_calendars(loader) &&
              config_load_receivers(loader) && config_load_routes(loader) &&
              config_load_inhibit_rules(loader) && load_templates(loader) &&
              load_policy(loader, ours) && config_load_flags(loader, source->maintenance);
    read_severity_words(loader, severities);
    return ok;
}

NotifyConfig *notify_config_load(const NotifyConfigSource *source, Problems *problems) {
    NotifyConfig *config = mem_zero(1, sizeof *config);
    atomic_init(&config->references, 1);
    config->file = arena_str(&config->arena, source->file);
    config->folder = folder_of(&config->arena, config->file);
    config->external_url = arena_str(&config->arena, source->external_url);
    ConfigLoader loader = {.config = config,
                           .yaml = {.file = config->file, .problems = problems, .where = ""}};
    size_t before = problems->items_count;
    (void)load(&loader, source);
    if (loader.failed || problems->items_count != before) {
        notify_config_unref(config);
        return NULL;
    }
    return config;
}
