/* The route tree and the inhibition rules. Complaints have Alertmanager's words (config/config.go,
 * dispatch/route.go). */

#include <stdlib.h>

#include "base/mem.h"
#include "notify/config.h"

/* ---- matchers ---- */

typedef struct MatcherList {
    Matcher *items;
    size_t items_count, items_cap;
} MatcherList;

static bool read_matcher_map(ConfigLoader *loader, const YamlNode *map, MatchType type,
                             MatcherList *list) {
    if (!map || map->kind != YAML_MAP) {
        return !map || map->kind == YAML_NULL ||
               config_problem(loader, map, "expected a map of labels");
    }
    for (size_t i = 0; i < map->count; i++) {
        const YamlPair *pair = &map->pairs[i];
        Matcher matcher;
        Err err;
        if (type == MATCH_RE && pair->value->kind == YAML_NULL) {
            return config_problem(loader, pair->key,
                                  "invalid_label: missing regular expression of \"%.*s\"",
                                  STR_ARG(pair->key->text));
        }
        if (!label_name_is_legacy(pair->key->text)) {
            return config_problem(loader, pair->key, "invalid label name \"%.*s\"",
                                  STR_ARG(pair->key->text));
        }
        if (!matcher_init(&loader->config->arena, type, pair->key->text, pair->value->text,
                          &matcher, &err)) {
            return config_problem(loader, pair->value, "%s", err.text);
        }
        VEC_PUSH(*list, items, matcher);
    }
    return true;
}

static bool read_matcher_items(ConfigLoader *loader, const YamlNode *node, MatcherList *list) {
    if (!node || node->kind == YAML_NULL) {
        return true;
    }
    if (node->kind != YAML_LIST) {
        return config_problem(loader, node, "matchers: expected a list");
    }
    for (size_t i = 0; i < node->count; i++) {
        MatcherSet set;
        Err err;
        if (!matcher_list_parse(&loader->config->arena, node->items[i]->text, &set, &err)) {
            return config_problem(loader, node->items[i], "%s", err.text);
        }
        for (size_t j = 0; j < set.count; j++) {
            VEC_PUSH(*list, items, set.items[j]);
        }
    }
    return true;
}

static int compare_matchers(const void *a, const void *b) {
    const Matcher *x = a, *y = b;
    int order = str_cmp(x->name, y->name);
    order = order ? order : str_cmp(x->value, y->value);
    return order ? order : (x->type > y->type) - (x->type < y->type);
}

/* The three ways of writing matchers, merged and sorted as Alertmanager does. */
static bool read_matchers(ConfigLoader *loader, const YamlNode *map, const char *const keys[3],
                          MatcherSet *ret_set) {
    MatcherList list = {0};
    bool ok = read_matcher_map(loader, yaml_get(map, keys[0]), MATCH_EQ, &list) &&
              read_matcher_map(loader, yaml_get(map, keys[1]), MATCH_RE, &list) &&
              read_matcher_items(loader, yaml_get(map, keys[2]), &list);
    Matcher *items = arena_array(&loader->config->arena, Matcher, list.items_count + 1);
    if (list.items_count) {
        memcpy(items, list.items, list.items_count * sizeof *items);
        qsort(items, list.items_count, sizeof *items, compare_matchers);
    }
    free(list.items);
    *ret_set = (MatcherSet){items, list.items_count};
    config_keep_matchers(loader->config, ret_set);
    return ok;
}

/* ---- routes ---- */

static const char *const route_keys[] = {"receiver",
                                         "group_by",
                                         "match",
                                         "match_re",
                                         "matchers",
                                         "mute_time_intervals",
                                         "active_time_intervals",
                                         "continue",
                                         "routes",
                                         "group_wait",
                                         "group_interval",
                                         "repeat_interval",
                                         "labels",
                                         "digest",
                                         NULL};

static bool read_group_by(ConfigLoader *loader, const YamlNode *map, Route *route) {
    const YamlNode *list;
    if (!yaml_list(&loader->yaml, map, "group_by", &list)) {
        return !loader->failed;
    }
    Str *names = arena_array(&loader->config->arena, Str, list->count + 1);
    route->group_by_all = false;
    route->group_by = names;
    route->group_by_count = 0;
    for (size_t i = 0; i < list->count; i++) {
        Str name = list->items[i]->text;
        if (str_eq(name, STR("..."))) {
            route->group_by_all = true;
            continue;
        }
        for (size_t j = 0; j < route->group_by_count; j++) {
            if (str_eq(names[j], name)) {
                return config_problem(loader, list->items[i],
                                      "duplicated label \"%.*s\" in group_by", STR_ARG(name));
            }
        }
        if (name.len == 0 || !str_is_utf8(name)) {
            return config_problem(loader, list->items[i],
                                  "invalid label name \"%.*s\" in group_by list", STR_ARG(name));
        }
        names[route->group_by_count++] = name;
    }
    if (route->group_by_all && route->group_by_count) {
        return config_problem(
            loader, list,
            "cannot have wildcard group_by (`...`) and other labels at the same time");
    }
    return true;
}

static bool read_timing(ConfigLoader *loader, const YamlNode *map, Route *route) {
    size_t before = loader->yaml.problems->items_count;
    (void)yaml_duration(&loader->yaml, map, "group_wait", &route->group_wait);
    (void)yaml_duration(&loader->yaml, map, "group_interval", &route->group_interval);
    (void)yaml_duration(&loader->yaml, map, "repeat_interval", &route->repeat_interval);
    (void)yaml_bool(&loader->yaml, map, "continue", &route->continues);
    if (loader->yaml.problems->items_count != before) {
        loader->failed = true;
        return false;
    }
    if (route->group_interval == 0) {
        return config_problem(loader, map, "group_interval cannot be zero");
    }
    return route->repeat_interval != 0 ||
           config_problem(loader, map, "repeat_interval cannot be zero");
}

static bool read_intervals(ConfigLoader *loader, const YamlNode *map, const char *key,
                           const Calendar *const **ret_list, size_t *ret_count) {
    const YamlNode *list;
    if (!yaml_list(&loader->yaml, map, key, &list)) {
        return true;
    }
    const Calendar **found = arena_array(&loader->config->arena, const Calendar *, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        found[i] = config_calendar(loader->config, list->items[i]->text);
        if (!found[i]) {
            return config_problem(loader, list->items[i],
                                  "undefined time interval \"%.*s\" used in route",
                                  STR_ARG(list->items[i]->text));
        }
    }
    *ret_list = found;
    *ret_count = list->count;
    return true;
}

static bool read_route_receiver(ConfigLoader *loader, const YamlNode *map, Route *route) {
    Str name;
    if (!yaml_str(&loader->yaml, map, "receiver", &name) || name.len == 0) {
        return true;
    }
    route->receiver = config_receiver(loader->config, name);
    if (!route->receiver) {
        return config_problem(loader, yaml_get(map, "receiver"),
                              "undefined receiver \"%.*s\" used in route", STR_ARG(name));
    }
    return true;
}

static bool read_route_labels(ConfigLoader *loader, const YamlNode *map, Route *route) {
    const YamlNode *labels;
    if (!yaml_map(&loader->yaml, map, "labels", &labels)) {
        return true;
    }
    Arena *arena = &loader->config->arena;
    for (size_t i = 0; i < labels->count; i++) {
        route->labels = labels_with(arena, route->labels, labels->pairs[i].key->text,
                                    labels->pairs[i].value->text);
    }
    return true;
}

static bool read_digest(ConfigLoader *loader, const YamlNode *map, Route *route) {
    Str name;
    if (!yaml_str(&loader->yaml, map, "digest", &name)) {
        return true;
    }
    route->digest = config_calendar(loader->config, name);
    return route->digest ||
           config_problem(loader, map, "undefined time interval \"%.*s\" used in route",
                          STR_ARG(name));
}

static Str route_key(Arena *arena, const Route *parent, const MatcherSet *matchers) {
    AUTO(buf_finish) Buf buf = {0};
    if (parent) {
        buf_str(&buf, parent->key);
        buf_byte(&buf, '/');
    }
    buf_byte(&buf, '{');
    for (size_t i = 0; i < matchers->count; i++) {
        if (i) {
            buf_byte(&buf, ',');
        }
        matcher_print(&buf, &matchers->items[i]);
    }
    buf_byte(&buf, '}');
    return arena_str(arena, buf_view(&buf));
}

static bool read_route(ConfigLoader *loader, const YamlNode *map, const Route *parent,
                       Route *route);

static bool read_children(ConfigLoader *loader, const YamlNode *map, Route *route) {
    const YamlNode *list;
    if (!yaml_list(&loader->yaml, map, "routes", &list)) {
        return true;
    }
    Route *children = arena_array(&loader->config->arena, Route, list->count + 1);
    route->routes = children;
    route->route_count = list->count;
    for (size_t i = 0; i < list->count; i++) {
        if (!read_route(loader, list->items[i], route, &children[i])) {
            return false;
        }
    }
    return true;
}

/* Recursion is bounded by YAML_DEPTH_MAX. */
static bool read_route(ConfigLoader *loader, const YamlNode *map, const Route *parent,
                       Route *route) {
    static const char *const keys[3] = {"match", "match_re", "matchers"};
    *route = parent ? (Route){.receiver = parent->receiver,
                              .group_by = parent->group_by,
                              .group_by_count = parent->group_by_count,
                              .group_by_all = parent->group_by_all,
                              .group_wait = parent->group_wait,
                              .group_interval = parent->group_interval,
                              .repeat_interval = parent->repeat_interval,
                              .labels = parent->labels,
                              .digest = parent->digest}
                    : (Route){.group_wait = 30 * SECOND_MS,
                              .group_interval = 5 * MINUTE_MS,
                              .repeat_interval = 4 * HOUR_MS};
    if (!yaml_check_keys(&loader->yaml, map, route_keys)) {
        loader->failed = true;
        return false;
    }
    bool ok =
        read_matchers(loader, map, keys, &route->matchers) &&
        read_route_receiver(loader, map, route) && read_group_by(loader, map, route) &&
        read_timing(loader, map, route) && read_route_labels(loader, map, route) &&
        read_digest(loader, map, route) &&
        read_intervals(loader, map, "mute_time_intervals", &route->mute, &route->mute_count) &&
        read_intervals(loader, map, "active_time_intervals", &route->active, &route->active_count);
    if (!ok) {
        return false;
    }
    route->key = route_key(&loader->config->arena, parent, &route->matchers);
    return read_children(loader, map, route);
}

static bool check_root(ConfigLoader *loader, const YamlNode *map) {
    static const struct {
        const char *key, *complaint;
    } forbidden[] = {
        {"match", "root route must not have any matchers"},
        {"match_re", "root route must not have any matchers"},
        {"matchers", "root route must not have any matchers"},
        {"mute_time_intervals", "root route must not have any mute time intervals"},
        {"active_time_intervals", "root route must not have any active time intervals"},
    };
    Str receiver = STR("");
    bool continues = false;
    (void)yaml_str(&loader->yaml, map, "receiver", &receiver);
    if (receiver.len == 0) {
        return config_problem(loader, map, "root route must specify a default receiver");
    }
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++) {
        const YamlNode *node = yaml_get(map, forbidden[i].key);
        if (node && node->count) {
            return config_problem(loader, node, "%s", forbidden[i].complaint);
        }
    }
    (void)yaml_bool(&loader->yaml, map, "continue", &continues);
    return !continues || config_problem(loader, map, "cannot have continue in root route");
}

static void mark_used(NotifyConfig *config, const Route *route) {
    for (size_t i = 0; i < config->receiver_count; i++) {
        config->receivers[i].is_used |= &config->receivers[i] == route->receiver;
    }
    for (size_t i = 0; i < route->route_count; i++) {
        mark_used(config, &route->routes[i]);
    }
}

bool config_load_routes(ConfigLoader *loader) {
    NotifyConfig *config = loader->config;
    const YamlNode *map = yaml_get(config->root, "route");
    if (!map || map->kind == YAML_NULL) {
        return config_problem(loader, config->root, "no routes provided");
    }
    if (!check_root(loader, map)) {
        return false;
    }
    config->route = arena_new(&config->arena, Route);
    if (!read_route(loader, map, NULL, config->route)) {
        return false;
    }
    mark_used(config, config->route);
    return true;
}

/* ---- inhibition ---- */

static bool read_inhibit_rule(ConfigLoader *loader, const YamlNode *map, InhibitRule *rule) {
    static const char *const keys[] = {"name",
                                       "source_match",
                                       "source_match_re",
                                       "source_matchers",
                                       "target_match",
                                       "target_match_re",
                                       "target_matchers",
                                       "equal",
                                       NULL};
    static const char *const source[3] = {"source_match", "source_match_re", "source_matchers"};
    static const char *const target[3] = {"target_match", "target_match_re", "target_matchers"};
    const YamlNode *equal;
    if (!yaml_check_keys(&loader->yaml, map, keys)) {
        loader->failed = true;
        return false;
    }
    rule->name = STR("");
    (void)yaml_str(&loader->yaml, map, "name", &rule->name);
    if (yaml_list(&loader->yaml, map, "equal", &equal)) {
        Str *names = arena_array(&loader->config->arena, Str, equal->count + 1);
        for (size_t i = 0; i < equal->count; i++) {
            names[i] = equal->items[i]->text;
            if (names[i].len == 0 || !str_is_utf8(names[i])) {
                return config_problem(loader, equal->items[i],
                                      "invalid label name \"%.*s\" in equal list",
                                      STR_ARG(names[i]));
            }
        }
        rule->equal = names;
        rule->equal_count = equal->count;
    }
    return read_matchers(loader, map, source, &rule->source) &&
           read_matchers(loader, map, target, &rule->target);
}

bool config_load_inhibit_rules(ConfigLoader *loader) {
    NotifyConfig *config = loader->config;
    const YamlNode *list;
    if (!yaml_list(&loader->yaml, config->root, "inhibit_rules", &list)) {
        return true;
    }
    config->inhibit_rules = arena_array(&config->arena, InhibitRule, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        if (!read_inhibit_rule(loader, list->items[i],
                               &config->inhibit_rules[config->inhibit_rule_count++])) {
            return false;
        }
    }
    return true;
}
