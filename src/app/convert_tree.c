/* Building the tree of a configuration. */

#include <string.h>

#include "app/convert.h"

enum { ITEMS_FIRST = 8 };

static YamlNode *new_node(Arena *arena, YamlKind kind) {
    YamlNode *node = arena_new(arena, YamlNode);
    node->kind = kind;
    return node;
}

YamlNode *tree_map(Arena *arena) {
    return new_node(arena, YAML_MAP);
}

YamlNode *tree_list(Arena *arena) {
    return new_node(arena, YAML_LIST);
}

YamlNode *tree_text(Arena *arena, Str text) {
    YamlNode *node = new_node(arena, YAML_SCALAR);
    node->text = arena_str(arena, text);
    return node;
}

/* Room for one more of `count`: doubles at powers of two, the old array stays in the arena. */
static void *grow(Arena *arena, void *items, size_t count, size_t item_bytes) {
    bool is_full = count == 0 || (count >= ITEMS_FIRST && (count & (count - 1)) == 0);
    if (!is_full) {
        return items;
    }
    size_t room = count ? 2 * count : ITEMS_FIRST;
    void *grown = arena_alloc(arena, room * item_bytes);
    if (count) {
        memcpy(grown, items, count * item_bytes);
    }
    return grown;
}

void tree_put(Arena *arena, YamlNode *map, const char *key, const YamlNode *value) {
    for (size_t i = 0; i < map->count; i++) {
        if (str_eq(map->pairs[i].key->text, str_of(key))) {
            map->pairs[i].value = value;
            return;
        }
    }
    map->pairs = grow(arena, map->pairs, map->count, sizeof *map->pairs);
    map->pairs[map->count++] = (YamlPair){.key = tree_text(arena, str_of(key)), .value = value};
}

void tree_put_text(Arena *arena, YamlNode *map, const char *key, Str text) {
    tree_put(arena, map, key, tree_text(arena, text));
}

void tree_add(Arena *arena, YamlNode *list, const YamlNode *item) {
    list->items = grow(arena, list->items, list->count, sizeof *list->items);
    list->items[list->count++] = item;
}

YamlNode *tree_child(Arena *arena, YamlNode *map, const char *key) {
    const YamlNode *child = yaml_get(map, key);
    if (!child) {
        child = tree_map(arena);
        tree_put(arena, map, key, child);
    }
    return (YamlNode *)child; /* one of ours: nothing from outside is put under a key we extend */
}

Str convert_path(const Convert *convert, Str path) {
    if (str_starts(path, STR("/")) || convert->folder.len == 0) {
        return path;
    }
    return arena_printf(convert->arena, "%.*s/%.*s", STR_ARG(convert->folder), STR_ARG(path));
}

const YamlNode *convert_files(const Convert *convert, const YamlNode *node) {
    if (node->kind != YAML_MAP) {
        return node;
    }
    YamlNode *map = tree_map(convert->arena);
    for (size_t i = 0; i < node->count; i++) {
        const YamlPair *pair = &node->pairs[i];
        bool is_path = str_ends(pair->key->text, STR("_file")) &&
                       pair->value->kind == YAML_SCALAR && pair->value->text.len;
        const YamlNode *value =
            is_path ? tree_text(convert->arena, convert_path(convert, pair->value->text))
                    : convert_files(convert, pair->value);
        tree_put(convert->arena, map, arena_cstr(convert->arena, pair->key->text), value);
    }
    return map;
}

void convert_alertmanagers(Convert *convert, const Str *urls, size_t count, const YamlNode *http) {
    Arena *arena = convert->arena;
    if (count == 0 || convert->has_notify) {
        return;
    }
    YamlNode *notify = tree_child(arena, convert->root, "notify");
    YamlNode *receivers = (YamlNode *)yaml_get(notify, "receivers");
    YamlNode *configs;
    if (!receivers) {
        YamlNode *route = tree_child(arena, notify, "route");
        tree_put_text(arena, route, "receiver", STR("alertmanager"));
        receivers = tree_list(arena);
        tree_put(arena, notify, "receivers", receivers);
        YamlNode *receiver = tree_map(arena);
        tree_put_text(arena, receiver, "name", STR("alertmanager"));
        configs = tree_list(arena);
        tree_put(arena, receiver, "alertmanager_configs", configs);
        tree_add(arena, receivers, receiver);
    } else {
        configs = (YamlNode *)yaml_get(receivers->items[0], "alertmanager_configs");
    }
    for (size_t i = 0; i < count; i++) {
        YamlNode *config = tree_map(arena);
        tree_put_text(arena, config, "url", urls[i]);
        if (http && http->count) {
            tree_put(arena, config, "http_config", http);
        }
        tree_add(arena, configs, config);
    }
}
