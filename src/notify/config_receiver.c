/* receivers and global: which keys there may be comes from the table of integration types. */

#include <assert.h>

#include "base/mem.h"
#include "notify/config.h"
#include "notify/integration.h"

/* Keys of `global` that no single integration type stands behind. */
static const char *const global_keys[] = {"resolve_timeout",
                                          "http_config",
                                          "smtp_from",
                                          "smtp_hello",
                                          "smtp_smarthost",
                                          "smtp_auth_username",
                                          "smtp_auth_password",
                                          "smtp_auth_password_file",
                                          "smtp_auth_secret",
                                          "smtp_auth_secret_file",
                                          "smtp_auth_identity",
                                          "smtp_require_tls",
                                          "smtp_tls_config",
                                          "smtp_force_implicit_tls",
                                          "slack_api_url",
                                          "slack_api_url_file",
                                          "slack_app_token",
                                          "slack_app_token_file",
                                          "slack_app_url",
                                          "pagerduty_url",
                                          "opsgenie_api_url",
                                          "opsgenie_api_key",
                                          "opsgenie_api_key_file",
                                          "wechat_api_url",
                                          "wechat_api_secret",
                                          "wechat_api_secret_file",
                                          "wechat_api_corp_id",
                                          "victorops_api_url",
                                          "victorops_api_key",
                                          "victorops_api_key_file",
                                          "telegram_api_url",
                                          "telegram_bot_token",
                                          "telegram_bot_token_file",
                                          "webex_api_url",
                                          "jira_api_url",
                                          "rocketchat_api_url",
                                          "rocketchat_token",
                                          "rocketchat_token_file",
                                          "rocketchat_token_id",
                                          "rocketchat_token_id_file",
                                          "mattermost_webhook_url",
                                          "mattermost_webhook_url_file",
                                          NULL};

/* Pairs of which one says where a secret is and the other what it is. */
static const char *const exclusive_globals[][2] = {
    {"slack_api_url", "slack_api_url_file"},
    {"slack_app_token", "slack_app_token_file"},
    {"opsgenie_api_key", "opsgenie_api_key_file"},
    {"wechat_api_secret", "wechat_api_secret_file"},
    {"victorops_api_key", "victorops_api_key_file"},
    {"telegram_bot_token", "telegram_bot_token_file"},
    {"smtp_auth_password", "smtp_auth_password_file"},
    {"smtp_auth_secret", "smtp_auth_secret_file"},
    {"rocketchat_token", "rocketchat_token_file"},
    {"rocketchat_token_id", "rocketchat_token_id_file"},
    {"mattermost_webhook_url", "mattermost_webhook_url_file"},
};

static bool check_url(ConfigLoader *loader, const YamlNode *node, const char *key) {
    if (!node || node->kind != YAML_SCALAR || node->text.len == 0 ||
        str_eq(node->text, STR("<secret>")) || memchr(node->text.ptr, '{', node->text.len)) {
        return true;
    }
    return str_starts(node->text, STR("http://")) || str_starts(node->text, STR("https://")) ||
           config_problem(loader, node, "%s: unsupported scheme for URL, only http and https", key);
}

static bool check_global(ConfigLoader *loader) {
    const YamlNode *global = loader->config->global;
    if (!yaml_check_keys(&loader->yaml, global, global_keys)) {
        loader->failed = true;
        return false;
    }
    for (size_t i = 0; i < sizeof exclusive_globals / sizeof *exclusive_globals; i++) {
        const char *a = exclusive_globals[i][0], *b = exclusive_globals[i][1];
        const YamlNode *x = yaml_get(global, a), *y = yaml_get(global, b);
        if (x && x->text.len && y && y->text.len) {
            return config_problem(loader, y, "at most one of %s & %s must be configured", a, b);
        }
        if (strstr(a, "_url") && !check_url(loader, x, a)) {
            return false;
        }
    }
    return check_url(loader, yaml_get(global, "pagerduty_url"), "pagerduty_url");
}

/* ---- one integration ---- */

static bool check_field(ConfigLoader *loader, const YamlNode *map, const FieldSpec *spec) {
    bool flag;
    int64_t number;
    DurationMs span;
    Str text;
    const YamlNode *node = yaml_get(map, spec->key);
    size_t before = loader->yaml.problems->items_count;
    switch (spec->kind) {
    case FIELD_BOOL:
        (void)yaml_bool(&loader->yaml, map, spec->key, &flag);
        break;
    case FIELD_INT:
        (void)yaml_int(&loader->yaml, map, spec->key, INT64_MIN, INT64_MAX, &number);
        break;
    case FIELD_DURATION:
        (void)yaml_duration(&loader->yaml, map, spec->key, &span);
        break;
    case FIELD_URL:
    case FIELD_SECRET_URL:
        (void)check_url(loader, node, spec->key);
        break;
    case FIELD_TEXT:
    case FIELD_TEMPLATE:
    case FIELD_SECRET:
        (void)yaml_str(&loader->yaml, map, spec->key, &text);
        break;
    case FIELD_TREE:
    case FIELD_HTTP:
    case FIELD_TLS:
        break;
    }
    if (loader->yaml.problems->items_count != before) {
        loader->failed = true;
    }
    return !loader->failed;
}

static bool check_fields(ConfigLoader *loader, const Integration *integration) {
    const char *known[64];
    size_t count = 0;
    for (const FieldSpec *spec = integration->type->fields; spec->key; spec++) {
        assert(count + 1 < sizeof known / sizeof *known);
        known[count++] = spec->key;
    }
    known[count] = NULL;
    if (!yaml_check_keys(&loader->yaml, integration->settings, known)) {
        loader->failed = true;
        return false;
    }
    for (const FieldSpec *spec = integration->type->fields; spec->key; spec++) {
        if (!check_field(loader, integration->settings, spec)) {
            return false;
        }
    }
    return true;
}

static bool read_http(ConfigLoader *loader, Integration *integration) {
    Arena *arena = &loader->config->arena;
    const YamlNode *map = NULL;
    for (const FieldSpec *spec = integration->type->fields; spec->key; spec++) {
        const YamlNode *found = integration_tree(integration, spec->key);
        if (spec->kind == FIELD_HTTP) {
            map = found;
        }
        if (spec->kind == FIELD_TLS && found) { /* as http_config has it */
            YamlNode *around = yaml_map_node(arena, 1);
            yaml_map_set(arena, around, "tls_config", found);
            map = around;
        }
    }
    if (map && !net_options_read(&loader->yaml, map, &loader->config->arena, &integration->http)) {
        loader->failed = true;
        return false;
    }
    return true;
}

/* "team-x/pagerduty/4f1c...": what an open incident remembers of its integration. Two that are
 * pointed at the same thing are told apart by their order. */
static Str integration_id(Arena *arena, const Receiver *receiver, const Integration *integration) {
    Str target = integration->type->target_key
                     ? integration_text(integration, integration->type->target_key)
                     : STR("");
    unsigned long long hash = (unsigned long long)hash64(target) & 0xffffffffffff;
    for (int copy = 0;; copy++) {
        Str id = copy ? arena_printf(arena, "%.*s/%s/%012llx/%d", STR_ARG(receiver->name),
                                     integration->type->name, hash, copy)
                      : arena_printf(arena, "%.*s/%s/%012llx", STR_ARG(receiver->name),
                                     integration->type->name, hash);
        bool is_free = true;
        for (size_t i = 0; i < receiver->integration_count; i++) {
            is_free &= !str_eq(receiver->integrations[i].id, id);
        }
        if (is_free) {
            return id;
        }
    }
}

static bool read_integration(ConfigLoader *loader, Receiver *receiver, const IntegrationType *type,
                             const YamlNode *node) {
    NotifyConfig *config = loader->config;
    Integration integration = {.type = type,
                               .receiver = receiver,
                               .settings = node,
                               .global = config->global,
                               .folder = config->folder,
                               .send_resolved = type->send_resolved};
    if (!check_fields(loader, &integration) ||
        (type->check && !type->check(loader, &integration)) || !read_http(loader, &integration)) {
        return false;
    }
    (void)yaml_bool(&loader->yaml, node, "send_resolved", &integration.send_resolved);
    integration.id = integration_id(&config->arena, receiver, &integration);
    receiver->integrations[receiver->integration_count++] = integration;
    return true;
}

/* ---- receivers ---- */

static bool check_receiver_keys(ConfigLoader *loader, const YamlNode *map) {
    const char *known[40] = {"name", "labels"};
    size_t count = 2;
    for (const IntegrationType *type = integration_types; type->name; type++) {
        assert(count + 1 < sizeof known / sizeof *known);
        known[count++] = type->key;
    }
    if (!yaml_check_keys(&loader->yaml, map, known)) {
        loader->failed = true;
        return false;
    }
    return true;
}

static bool read_labels(ConfigLoader *loader, const YamlNode *map, Receiver *receiver) {
    Arena *arena = &loader->config->arena;
    const YamlNode *labels = NULL;
    (void)yaml_map(&loader->yaml, map, "labels", &labels);
    for (size_t i = 0; labels && i < labels->count; i++) {
        const YamlPair *pair = &labels->pairs[i];
        if (str_eq(pair->key->text, STR("name")) && !str_eq(pair->value->text, receiver->name)) {
            return config_problem(loader, pair->value,
                                  "receiver label \"name\" must match receiver name \"%.*s\", got "
                                  "\"%.*s\"",
                                  STR_ARG(receiver->name), STR_ARG(pair->value->text));
        }
        receiver->labels = labels_with(arena, receiver->labels, pair->key->text, pair->value->text);
    }
    receiver->labels = labels_with(arena, receiver->labels, STR("name"), receiver->name);
    return true;
}

static size_t count_integrations(const YamlNode *map) {
    size_t count = 0;
    for (const IntegrationType *type = integration_types; type->name; type++) {
        const YamlNode *list = yaml_get(map, type->key);
        count += list && list->kind == YAML_LIST ? list->count : 0;
    }
    return count;
}

static bool read_receiver(ConfigLoader *loader, const YamlNode *map, Receiver *receiver) {
    NotifyConfig *config = loader->config;
    Str name = STR("");
    if (!check_receiver_keys(loader, map)) {
        return false;
    }
    (void)yaml_str(&loader->yaml, map, "name", &name);
    if (name.len == 0) {
        return config_problem(loader, map, "missing name in receiver");
    }
    if (config_receiver(config, name)) {
        return config_problem(loader, map, "notification config name \"%.*s\" is not unique",
                              STR_ARG(name));
    }
    *receiver = (Receiver){.name = name};
    receiver->integrations = arena_array(&config->arena, Integration, count_integrations(map) + 1);
    if (!read_labels(loader, map, receiver)) {
        return false;
    }
    for (const IntegrationType *type = integration_types; type->name; type++) {
        const YamlNode *list = NULL;
        (void)yaml_list(&loader->yaml, map, type->key, &list);
        for (size_t i = 0; list && i < list->count; i++) {
            if (!read_integration(loader, receiver, type, list->items[i])) {
                return false;
            }
        }
    }
    return true;
}

bool config_load_receivers(ConfigLoader *loader) {
    NotifyConfig *config = loader->config;
    const YamlNode *list = NULL;
    if (!check_global(loader)) {
        return false;
    }
    (void)yaml_list(&loader->yaml, config->root, "receivers", &list);
    config->receivers = arena_array(&config->arena, Receiver, (list ? list->count : 0) + 1);
    for (size_t i = 0; list && i < list->count; i++) {
        Receiver *receiver = &config->receivers[config->receiver_count];
        if (!read_receiver(loader, list->items[i], receiver)) {
            return false;
        }
        config->receiver_count++;
    }
    return true;
}
