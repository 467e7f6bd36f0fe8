#include "notify/config_print.h"

#include "notify/integration.h"

static bool is_one_of(Str key, const char *const *words) {
    for (; *words; words++) {
        if (str_eq(key, str_of(*words))) {
            return true;
        }
    }
    return false;
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
            value = strcmp(type->name, "webhook") == 0 ? yaml_hide_url(arena, value->text)
                                                       : yaml_text_node(arena, "<secret>");
        } else {
            value = yaml_hide(arena, value);
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
        yaml_map_set(&arena, root, "global", yaml_hide(&arena, config->global));
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
