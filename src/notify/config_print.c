#include "notify/config_print.h"

#include "notify/integration.h"

static const char *const secret_words[] = {"password",      "credentials", "bearer_token",
                                           "client_secret", "secret_key",  "access_key",
                                           "secrets",       "token",       NULL};

/* Keys of maps no table speaks of (http_config, tls, sigv4) and of `global`. */
static bool is_secret_key(Str key) {
    static const char *const globals[] = {
        "smtp_auth_password", "smtp_auth_secret",    "slack_api_url",          "slack_app_token",
        "opsgenie_api_key",   "wechat_api_secret",   "victorops_api_key",      "telegram_bot_token",
        "rocketchat_token",   "rocketchat_token_id", "mattermost_webhook_url", NULL};
    for (size_t i = 0; secret_words[i]; i++) {
        if (str_eq(key, str_of(secret_words[i]))) {
            return true;
        }
    }
    for (size_t i = 0; globals[i]; i++) {
        if (str_eq(key, str_of(globals[i]))) {
            return true;
        }
    }
    return false;
}

static bool is_one_of(Str key, const char *const *words) {
    for (; *words; words++) {
        if (str_eq(key, str_of(*words))) {
            return true;
        }
    }
    return false;
}

/* scheme://host/<secret>: still a URL to those who check it, and says where it goes. */
static const YamlNode *hidden_url(Arena *arena, Str url) {
    size_t at = 0;
    Str rest = url;
    for (int slashes = 0; slashes < 3 && at < url.len; at++) {
        slashes += url.ptr[at] == '/';
        rest = (Str){url.ptr, at};
    }
    size_t sign = str_find(rest, '@');
    bool has_user = sign < rest.len;
    return at >= url.len || has_user
               ? yaml_text_node(arena, "<secret>")
               : yaml_text_node(arena, arena_printf(arena, "%.*s/<secret>", STR_ARG(rest)).ptr);
}

/* Both at once: a copy, with texts under secret keys replaced. */
static const YamlNode *hide(Arena *arena, const YamlNode *node) {
    if (node->kind == YAML_MAP) {
        YamlNode *map = yaml_map_node(arena, node->count);
        for (size_t i = 0; i < node->count; i++) {
            const YamlPair *pair = &node->pairs[i];
            bool secret = is_secret_key(pair->key->text) && pair->value->kind == YAML_SCALAR &&
                          pair->value->text.len;
            map->pairs[map->count++] = (YamlPair){
                .key = pair->key,
                .value = secret ? yaml_text_node(arena, "<secret>") : hide(arena, pair->value)};
        }
        return map;
    }
    if (node->kind == YAML_LIST) {
        YamlNode *list = yaml_list_node(arena, node->count);
        for (size_t i = 0; i < node->count; i++) {
            list->items[list->count++] = hide(arena, node->items[i]);
        }
        return list;
    }
    return node;
}

static const YamlNode *print_integration(Arena *arena, const IntegrationType *type,
                                         const YamlNode *settings) {
    YamlNode *map = yaml_map_node(arena, settings->count);
    for (const FieldSpec *spec = type->fields; spec->key; spec++) {
        const YamlNode *value = yaml_get(settings, spec->key);
        bool ours = strcmp(spec->key, "incident") == 0;
        if (!value || ours) {
            continue;
        }
        bool is_set = value->kind == YAML_SCALAR && value->text.len;
        if (is_set && spec->kind == FIELD_SECRET) {
            value = yaml_text_node(arena, "<secret>");
        } else if (is_set && spec->kind == FIELD_SECRET_URL &&
                   !str_eq(value->text, STR("https://slack.com/api/chat.postMessage"))) {
            value = strcmp(type->name, "webhook") == 0 ? hidden_url(arena, value->text)
                                                       : yaml_text_node(arena, "<secret>");
        } else {
            value = hide(arena, value);
        }
        yaml_map_set(arena, map, spec->key, value);
    }
    return map;
}

static const YamlNode *print_receiver(Arena *arena, const YamlNode *receiver) {
    YamlNode *map = yaml_map_node(arena, receiver->count);
    yaml_map_set(arena, map, "name", yaml_get(receiver, "name"));
    for (const IntegrationType *type = integration_types; type->name; type++) {
        const YamlNode *list = yaml_get(receiver, type->key);
        if (!list || type->is_ours || list->kind != YAML_LIST) {
            continue;
        }
        YamlNode *printed = yaml_list_node(arena, list->count);
        for (size_t i = 0; i < list->count; i++) {
            printed->items[printed->count++] = print_integration(arena, type, list->items[i]);
        }
        yaml_map_set(arena, map, type->key, printed);
    }
    return map;
}

static const YamlNode *each(Arena *arena, const YamlNode *list,
                            const YamlNode *(*print)(Arena *arena, const YamlNode *node)) {
    YamlNode *printed = yaml_list_node(arena, list->count);
    for (size_t i = 0; i < list->count; i++) {
        printed->items[printed->count++] = print(arena, list->items[i]);
    }
    return printed;
}

static const YamlNode *print_route(Arena *arena, const YamlNode *route) {
    YamlNode *map = yaml_map_node(arena, route->count);
    for (size_t i = 0; i < route->count; i++) {
        const YamlPair *pair = &route->pairs[i];
        if (str_eq(pair->key->text, STR("digest"))) {
            continue;
        }
        bool nested = str_eq(pair->key->text, STR("routes")) && pair->value->kind == YAML_LIST;
        map->pairs[map->count++] =
            (YamlPair){.key = pair->key,
                       .value = nested ? each(arena, pair->value, print_route) : pair->value};
    }
    return map;
}

/* A span across midnight is two for Alertmanager; that the second belongs to the day before it
 * cannot say. */
static const YamlNode *print_times(Arena *arena, const YamlNode *times) {
    YamlNode *list = yaml_list_node(arena, times->count * 2);
    for (size_t i = 0; i < times->count; i++) {
        const YamlNode *start = yaml_get(times->items[i], "start_time");
        const YamlNode *end = yaml_get(times->items[i], "end_time");
        if (!start || !end || calendar_parse_clock(start->text) < calendar_parse_clock(end->text)) {
            list->items[list->count++] = times->items[i];
            continue;
        }
        YamlNode *evening = yaml_map_node(arena, 2), *morning = yaml_map_node(arena, 2);
        yaml_map_set(arena, evening, "start_time", start);
        yaml_map_set(arena, evening, "end_time", yaml_text_node(arena, "24:00"));
        list->items[list->count++] = evening;
        if (calendar_parse_clock(end->text) > 0) {
            yaml_map_set(arena, morning, "start_time", yaml_text_node(arena, "00:00"));
            yaml_map_set(arena, morning, "end_time", end);
            list->items[list->count++] = morning;
        }
    }
    return list;
}

static const YamlNode *print_entry(Arena *arena, const YamlNode *entry) {
    static const char *const ours[] = {"holidays", "holidays_file", NULL};
    YamlNode *map = yaml_map_node(arena, entry->count);
    for (size_t i = 0; i < entry->count; i++) {
        const YamlPair *pair = &entry->pairs[i];
        if (!is_one_of(pair->key->text, ours)) {
            bool times = str_eq(pair->key->text, STR("times")) && pair->value->kind == YAML_LIST;
            map->pairs[map->count++] = (YamlPair){
                .key = pair->key, .value = times ? print_times(arena, pair->value) : pair->value};
        }
    }
    return map;
}

static const YamlNode *print_interval(Arena *arena, const YamlNode *interval) {
    const YamlNode *entries = yaml_get(interval, "time_intervals");
    YamlNode *map = yaml_map_node(arena, 2);
    yaml_map_set(arena, map, "name", yaml_get(interval, "name"));
    if (entries && entries->kind == YAML_LIST) {
        yaml_map_set(arena, map, "time_intervals", each(arena, entries, print_entry));
    }
    return map;
}

void config_print(const NotifyConfig *config, Buf *out) {
    static const char *const plain[] = {"templates", "inhibit_rules", NULL};
    AUTO(arena_finish) Arena arena = {0};
    YamlNode *root = yaml_map_node(&arena, 8);
    const YamlNode *root_in = config->root;
    const YamlNode *route = yaml_get(root_in, "route"), *receivers = yaml_get(root_in, "receivers");
    if (config->global) {
        yaml_map_set(&arena, root, "global", hide(&arena, config->global));
    }
    yaml_map_set(&arena, root, "route", print_route(&arena, route));
    if (receivers && receivers->kind == YAML_LIST) {
        yaml_map_set(&arena, root, "receivers", each(&arena, receivers, print_receiver));
    }
    static const char *const interval_keys[] = {"time_intervals", "mute_time_intervals"};
    for (size_t i = 0; i < 2; i++) {
        const YamlNode *list = yaml_get(root_in, interval_keys[i]);
        if (list && list->kind == YAML_LIST) {
            yaml_map_set(&arena, root, interval_keys[i], each(&arena, list, print_interval));
        }
    }
    for (size_t i = 0; plain[i]; i++) {
        const YamlNode *list = yaml_get(root_in, plain[i]);
        if (list && list->kind == YAML_LIST) {
            yaml_map_set(&arena, root, plain[i], list);
        }
    }
    yaml_print(out, root, 0);
}
