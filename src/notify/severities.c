/*
 * The severity policy, in the words of an on-call team, rewritten into ordinary routes and a time
 * interval. Nothing else in the program knows of it: what it does can be read with `belfry route
 * --show`.
 *
 *     severities:
 *       label: severity
 *       map: {page: critical, high: warning, notify: info}    words of other people's rules
 *       unknown: warning                                       what any other word counts as
 *       business_hours: {days: [monday:friday], from: '09:00', to: '17:30', time_zone:
 * Europe/Berlin, holidays: ['2026-12-25'], holidays_file: holidays.ics} critical: {now: pager}
 *       warning:  {by_day: team, by_night: rotation}
 *       info:     {digest: team, at: business_hours_start}
 *
 * becomes, after the routes that are written out,
 *
 *       - {matchers: [severity=~"(?i)critical|page"], receiver: pager, group_wait: 0s,
 *          group_interval: 1s}
 *       - {matchers: [severity!~"(?i)critical|page|info|notify|none"], receiver: team,
 *          active_time_intervals: [business_hours], continue: true}
 *       - {matchers: (the same), receiver: rotation, mute_time_intervals: [business_hours],
 * repeat_interval: 1y}
 *       - {matchers: [severity=~"(?i)info|notify"], receiver: team, digest: business_hours,
 * group_by: []}
 *       - {matchers: [severity=~"(?i)none"], receiver: none}
 *
 * The class that unknown words belong to matches by exclusion, so no alert falls through. A Warning
 * that still burns at closing time is new to the rotation's group when its window opens: told once.
 * The receiver `none` has nobody behind it: recorded, never delivered. Without a route of its own
 * the file gets one that writes to the log.
 *
 * Any route may have `severities:` too: `true` for the same policy, or a map whose keys stand in
 * for those of the policy (`{critical: {now: db-pager}}`). It expands to that route's last
 * children.
 */

#include <strings.h>

#include "notify/config.h"

typedef enum SeverityClass {
    CLASS_CRITICAL,
    CLASS_WARNING,
    CLASS_INFO,
    CLASS_NONE,
    CLASS_COUNT
} SeverityClass;

static const char *const class_names[] = {"critical", "warning", "info", "none"};

static const char none_name[] = "none", log_name[] = "log";

enum { ROUTES_PER_POLICY = 8 };

typedef struct Policy {
    ConfigLoader *loader;
    Arena *arena;
    const YamlNode *map; /* of the configuration */
    Str label;
    Buf words[CLASS_COUNT]; /* separated by | */
    SeverityClass unknown;
    const char *hours; /* the interval's name; NULL = there are no business hours */
    YamlNode *routes;
} Policy;

static bool class_of(const Policy *policy, const YamlNode *node, Str word, SeverityClass *ret) {
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        if (str_eq(word, str_of(class_names[i]))) {
            *ret = (SeverityClass)i;
            return true;
        }
    }
    return config_problem(policy->loader, node,
                          "severities: \"%.*s\" is none of critical, warning, info, none",
                          STR_ARG(word));
}

/* Words are matched as text: what means something in an expression is escaped. */
static void add_word(Buf *words, Str word) {
    if (words->len) {
        buf_byte(words, '|');
    }
    for (size_t i = 0; i < word.len; i++) {
        if (strchr("\\.+*?()|[]{}^$", word.ptr[i])) {
            buf_byte(words, '\\');
        }
        buf_byte(words, word.ptr[i]);
    }
}

static bool read_words(Policy *policy) {
    const YamlNode *map = NULL;
    Str unknown = STR("warning");
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        add_word(&policy->words[i], str_of(class_names[i]));
    }
    (void)yaml_map(&policy->loader->yaml, policy->map, "map", &map);
    bool ok = true;
    for (size_t i = 0; map && i < map->count; i++) {
        SeverityClass found = (SeverityClass)0;
        if (!class_of(policy, map->pairs[i].value, map->pairs[i].value->text, &found)) {
            ok = false;
        } else if (!str_eq(map->pairs[i].key->text, map->pairs[i].value->text)) {
            add_word(&policy->words[found], map->pairs[i].key->text);
        }
    }
    (void)yaml_str(&policy->loader->yaml, policy->map, "unknown", &unknown);
    const YamlNode *place = yaml_get(policy->map, "unknown");
    return class_of(policy, place ? place : policy->map, unknown, &policy->unknown) && ok;
}

/* ---- building routes ---- */

static const YamlNode *list_of(Arena *arena, const YamlNode *item) {
    YamlNode *list = yaml_list_node(arena, 1);
    if (item) {
        list->items[list->count++] = item;
    }
    return list;
}

static Str matcher_of(const Policy *policy, SeverityClass class) {
    AUTO(buf_finish) Buf words = {0};
    bool by_exclusion = class == policy->unknown;
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        if ((i == (size_t) class) != by_exclusion) {
            if (words.len) {
                buf_byte(&words, '|');
            }
            buf_str(&words, buf_view(&policy->words[i]));
        }
    }
    /* In quotes a backslash has to be doubled. */
    AUTO(buf_finish) Buf quoted = {0};
    for (size_t i = 0; i < words.len; i++) {
        if (words.ptr[i] == '\\' || words.ptr[i] == '"') {
            buf_byte(&quoted, '\\');
        }
        buf_byte(&quoted, words.ptr[i]);
    }
    return arena_printf(policy->arena, "%.*s%s\"(?i)%.*s\"", STR_ARG(policy->label),
                        by_exclusion ? "!~" : "=~", STR_ARG(buf_view(&quoted)));
}

static YamlNode *add_route(Policy *policy, SeverityClass class, const YamlNode *receiver) {
    YamlNode *route = yaml_map_node(policy->arena, 8);
    *route = (YamlNode){.kind = YAML_MAP,
                        .pairs = route->pairs,
                        .line = receiver->line,
                        .column = receiver->column};
    yaml_map_set(policy->arena, route, "receiver", receiver);
    yaml_map_set(
        policy->arena, route, "matchers",
        list_of(policy->arena, yaml_text_node(policy->arena, matcher_of(policy, class).ptr)));
    policy->routes->items[policy->routes->count++] = route;
    return route;
}

static void set_text(Policy *policy, YamlNode *route, const char *key, const char *value) {
    yaml_map_set(policy->arena, route, key, yaml_text_node(policy->arena, value));
}

static void set_hours(Policy *policy, YamlNode *route, const char *key) {
    yaml_map_set(policy->arena, route, key,
                 list_of(policy->arena, yaml_text_node(policy->arena, policy->hours)));
}

static bool need_hours(const Policy *policy, const YamlNode *node) {
    return policy->hours ||
           config_problem(policy->loader, node, "severities: business_hours are missing");
}

static bool expand_critical(Policy *policy) {
    static const char *const keys[] = {"now", NULL};
    const YamlNode *map = yaml_get(policy->map, "critical"), *now = yaml_get(map, "now");
    bool ok = yaml_check_keys(&policy->loader->yaml, map, keys);
    if (now) { /* one that joins others that burn already pages at once, too */
        YamlNode *route = add_route(policy, CLASS_CRITICAL, now);
        set_text(policy, route, "group_wait", "0s");
        set_text(policy, route, "group_interval", "1s");
    }
    return ok;
}

static bool expand_warning(Policy *policy) {
    static const char *const keys[] = {"now", "by_day", "by_night", NULL};
    const YamlNode *map = yaml_get(policy->map, "warning");
    const YamlNode *day = yaml_get(map, "by_day"), *night = yaml_get(map, "by_night");
    const YamlNode *now = yaml_get(map, "now");
    bool ok = yaml_check_keys(&policy->loader->yaml, map, keys);
    if ((day || night) && !need_hours(policy, map)) {
        return false;
    }
    if (now) {
        (void)add_route(policy, CLASS_WARNING, now);
    }
    if (day) {
        YamlNode *route = add_route(policy, CLASS_WARNING, day);
        set_hours(policy, route, "active_time_intervals");
        if (night) {
            set_text(policy, route, "continue", "true");
        }
    }
    if (night) {
        YamlNode *route = add_route(policy, CLASS_WARNING, night);
        set_hours(policy, route, "mute_time_intervals");
        set_text(policy, route, "repeat_interval", "1y");
    }
    return ok;
}

static bool expand_info(Policy *policy) {
    static const char *const keys[] = {"now", "digest", "at", NULL};
    const YamlNode *map = yaml_get(policy->map, "info"), *digest = yaml_get(map, "digest");
    const YamlNode *now = yaml_get(map, "now");
    Str at = STR("business_hours_start");
    bool ok = yaml_check_keys(&policy->loader->yaml, map, keys);
    (void)yaml_str(&policy->loader->yaml, map, "at", &at);
    if (now) {
        (void)add_route(policy, CLASS_INFO, now);
    }
    if (!digest) {
        return ok;
    }
    if (!str_eq(at, STR("business_hours_start"))) {
        ok = config_problem(policy->loader, yaml_get(map, "at"),
                            "severities: info.at: only business_hours_start");
    }
    if (!need_hours(policy, map)) {
        return false;
    }
    YamlNode *route = add_route(policy, CLASS_INFO, digest);
    set_text(policy, route, "digest", policy->hours);
    yaml_map_set(policy->arena, route, "group_by", list_of(policy->arena, NULL));
    return ok;
}

/* ---- business hours ---- */

static YamlNode *placed(YamlNode *node, const YamlNode *like) {
    node->line = like->line;
    node->column = like->column;
    return node;
}

static const YamlNode *text_at(Arena *arena, Str text, const YamlNode *like) {
    YamlNode *node = arena_new(arena, YamlNode);
    *node = *yaml_text_node(arena, arena_cstr(arena, text));
    return placed(node, like);
}

/* "mon", "Tues": people write days short; time_intervals, as Alertmanager reads them, do not. */
static Str whole_day(Str word) {
    static const char *const days[] = {"sunday",   "monday", "tuesday", "wednesday",
                                       "thursday", "friday", "saturday"};
    word = str_trim(word);
    for (size_t i = 0; i < sizeof days / sizeof *days; i++) {
        if (word.len >= 3 && word.len <= strlen(days[i]) &&
            strncasecmp(word.ptr, days[i], word.len) == 0) {
            return str_of(days[i]);
        }
    }
    return word;
}

/* "mon-fri" as "monday:friday". */
static const YamlNode *weekdays_of(Arena *arena, const YamlNode *node) {
    if (node->kind == YAML_LIST) {
        YamlNode *list = placed(yaml_list_node(arena, node->count), node);
        for (size_t i = 0; i < node->count; i++) {
            list->items[list->count++] = weekdays_of(arena, node->items[i]);
        }
        return list;
    }
    if (node->kind != YAML_SCALAR) {
        return node;
    }
    size_t colon = str_find(node->text, ':'), dash = str_find(node->text, '-');
    size_t split = colon < dash ? colon : dash;
    Str first = whole_day((Str){node->text.ptr, split});
    Str last = split < node->text.len ? whole_day(str_skip(node->text, split + 1)) : first;
    return text_at(arena, arena_printf(arena, "%.*s:%.*s", STR_ARG(first), STR_ARG(last)), node);
}

/* "9:00" as "09:00". */
static const YamlNode *clock_of(Arena *arena, const YamlNode *node, const char *otherwise) {
    if (!node) {
        return yaml_text_node(arena, otherwise);
    }
    bool is_short = node->kind == YAML_SCALAR && node->text.len == 4 && node->text.ptr[1] == ':';
    return is_short ? text_at(arena, arena_printf(arena, "0%.*s", STR_ARG(node->text)), node)
                    : node;
}

static const YamlNode *hours_interval(Arena *arena, const char *name, const YamlNode *hours) {
    static const char *const renamed[][2] = {{"days", "weekdays"},
                                             {"time_zone", "location"},
                                             {"holidays", "holidays"},
                                             {"holidays_file", "holidays_file"}};
    YamlNode *entry = yaml_map_node(arena, 6), *span = yaml_map_node(arena, 2);
    YamlNode *interval = yaml_map_node(arena, 2);
    if (hours) {
        (void)placed(entry, hours);
        (void)placed(span, hours);
    }
    for (size_t i = 0; i < 4; i++) {
        const YamlNode *value = yaml_get(hours, renamed[i][0]);
        if (value) {
            value = i == 0 ? weekdays_of(arena, value) : value;
            yaml_map_set(arena, entry, renamed[i][1],
                         i == 0 && value->kind == YAML_SCALAR ? list_of(arena, value) : value);
        }
    }
    const YamlNode *from = yaml_get(hours, "from"), *to = yaml_get(hours, "to");
    yaml_map_set(arena, span, "start_time", clock_of(arena, from, "09:00"));
    yaml_map_set(arena, span, "end_time", clock_of(arena, to, "17:00"));
    yaml_map_set(arena, entry, "times", list_of(arena, span));
    if (!yaml_get(hours, "days")) {
        yaml_map_set(arena, entry, "weekdays",
                     list_of(arena, yaml_text_node(arena, "monday:friday")));
    }
    yaml_map_set(arena, interval, "name", yaml_text_node(arena, name));
    yaml_map_set(arena, interval, "time_intervals", list_of(arena, entry));
    return interval;
}

/* A copy of `map` with `key`'s list (or a new one) longer by `more`. */
static const YamlNode *with_items(Arena *arena, const YamlNode *map, const char *key,
                                  const YamlNode *const *more, size_t count) {
    const YamlNode *old = yaml_get(map, key);
    size_t had = old && old->kind == YAML_LIST ? old->count : 0;
    YamlNode *list = yaml_list_node(arena, had + count);
    for (size_t i = 0; i < had; i++) {
        list->items[list->count++] = old->items[i];
    }
    for (size_t i = 0; i < count; i++) {
        list->items[list->count++] = more[i];
    }
    YamlNode *copy = yaml_map_node(arena, map->count + 1);
    copy->line = map->line;
    copy->column = map->column;
    for (size_t i = 0; i < map->count; i++) {
        if (!str_eq(map->pairs[i].key->text, str_of(key))) {
            copy->pairs[copy->count++] = map->pairs[i];
        }
    }
    yaml_map_set(arena, copy, key, list);
    return copy;
}

static const YamlNode *new_receiver(Arena *arena, const char *name, bool logs) {
    YamlNode *receiver = yaml_map_node(arena, 2);
    yaml_map_set(arena, receiver, "name", yaml_text_node(arena, name));
    if (logs) {
        yaml_map_set(arena, receiver, "log_configs", list_of(arena, yaml_map_node(arena, 0)));
    }
    return receiver;
}

static const YamlNode *with_receiver(Arena *arena, const YamlNode *root, const char *name,
                                     bool logs) {
    const YamlNode *list = yaml_get(root, "receivers");
    for (size_t i = 0; list && i < list->count; i++) {
        const YamlNode *found = yaml_get(list->items[i], "name");
        if (found && str_eq(found->text, str_of(name))) {
            return root;
        }
    }
    const YamlNode *receiver = new_receiver(arena, name, logs);
    return with_items(arena, root, "receivers", &receiver, 1);
}

/* A copy of `map` with `value` under `key`; NULL takes the key out. */
static YamlNode *with_value(Arena *arena, const YamlNode *map, const char *key,
                            const YamlNode *value) {
    YamlNode *copy = yaml_map_node(arena, map->count + 1);
    copy->line = map->line;
    copy->column = map->column;
    for (size_t i = 0; i < map->count; i++) {
        if (!str_eq(map->pairs[i].key->text, str_of(key))) {
            copy->pairs[copy->count++] = map->pairs[i];
        }
    }
    if (value) {
        yaml_map_set(arena, copy, key, value);
    }
    return copy;
}

/* ---- policies: the file's, and those of routes ---- */

typedef struct Expansion {
    ConfigLoader *loader;
    Arena *arena;
    const YamlNode *top; /* `severities` of the file; may be NULL */
    const char *top_hours;
    YamlNode *intervals; /* new ones */
    size_t hours_count;
    bool any;
} Expansion;

static const char *name_hours(Expansion *expansion, const YamlNode *hours) {
    static const char first[] = "business_hours";
    if (!hours || hours->kind != YAML_MAP) {
        return NULL;
    }
    const char *name =
        expansion->hours_count
            ? arena_printf(expansion->arena, "%s_%zu", first, expansion->hours_count + 1).ptr
            : first;
    YamlNode *list = yaml_list_node(expansion->arena, expansion->intervals->count + 1);
    for (size_t i = 0; i < expansion->intervals->count; i++) {
        list->items[list->count++] = expansion->intervals->items[i];
    }
    list->items[list->count++] = hours_interval(expansion->arena, name, hours);
    expansion->intervals = list;
    expansion->hours_count++;
    return name;
}

static bool check_policy(const Expansion *expansion, const YamlNode *map) {
    static const char *const keys[] = {"label",    "map",     "unknown", "business_hours",
                                       "critical", "warning", "info",    NULL};
    static const char *const hour_keys[] = {"days",     "from",          "to", "time_zone",
                                            "holidays", "holidays_file", NULL};
    const YamlReader *yaml = &expansion->loader->yaml;
    bool ok = yaml_check_keys(yaml, map, keys);
    return yaml_check_keys(yaml, yaml_get(map, "business_hours"), hour_keys) && ok;
}

/* The routes of a policy. All that is wrong with it is told. */
static bool expand_policy(Expansion *expansion, const YamlNode *map, const char *hours,
                          YamlNode **ret_routes) {
    Arena *arena = expansion->arena;
    Policy policy = {.loader = expansion->loader,
                     .arena = arena,
                     .map = map,
                     .label = STR("severity"),
                     .hours = hours,
                     .routes = yaml_list_node(arena, ROUTES_PER_POLICY)};
    (void)yaml_str(&expansion->loader->yaml, map, "label", &policy.label);
    bool ok = read_words(&policy);
    ok &= expand_critical(&policy);
    ok &= expand_warning(&policy);
    ok &= expand_info(&policy);
    if (ok) {
        (void)add_route(&policy, CLASS_NONE, yaml_text_node(arena, none_name));
    }
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        buf_finish(&policy.words[i]);
    }
    expansion->any |= ok;
    *ret_routes = policy.routes;
    return ok;
}

static const YamlNode *append_routes(Arena *arena, const YamlNode *route, const YamlNode *more) {
    return with_items(arena, route, "routes", more->items, more->count);
}

/* A route's own policy over the file's. */
static bool expand_own(Expansion *expansion, const YamlNode *own, const YamlNode **route) {
    const YamlNode *map = expansion->top;
    const char *hours = expansion->top_hours;
    YamlNode *routes;
    bool ok = true;
    bool as_file = own->kind == YAML_SCALAR && str_eq(own->text, STR("true"));
    if (!as_file && own->kind != YAML_MAP) {
        return config_problem(expansion->loader, own, "severities: expected true or a map");
    }
    if (as_file && !map) {
        return config_problem(expansion->loader, own,
                              "severities: true, but there is no policy `severities` to use");
    }
    if (!as_file) {
        ok = check_policy(expansion, own);
        const char *own_hours = name_hours(expansion, yaml_get(own, "business_hours"));
        hours = own_hours ? own_hours : hours;
        YamlNode *merged = with_value(expansion->arena, own, "", NULL);
        for (size_t i = 0; map && i < map->count; i++) {
            const char *key = arena_cstr(expansion->arena, map->pairs[i].key->text);
            if (!yaml_get(own, key)) {
                merged = with_value(expansion->arena, merged, key, map->pairs[i].value);
            }
        }
        map = merged;
    }
    ok &= expand_policy(expansion, map, hours, &routes);
    *route = append_routes(expansion->arena, *route, routes);
    return ok;
}

/* Recursion is bounded by YAML_DEPTH_MAX. */
static bool expand_tree(Expansion *expansion, const YamlNode **route) {
    const YamlNode *own = yaml_get(*route, "severities"), *list = yaml_get(*route, "routes");
    Arena *arena = expansion->arena;
    bool ok = true;
    if (list && list->kind == YAML_LIST) {
        YamlNode *children = yaml_list_node(arena, list->count);
        *children = (YamlNode){.kind = YAML_LIST,
                               .items = children->items,
                               .line = list->line,
                               .column = list->column};
        for (size_t i = 0; i < list->count; i++) {
            children->items[children->count] = list->items[i];
            if (list->items[i]->kind == YAML_MAP) {
                ok &= expand_tree(expansion, &children->items[children->count]);
            }
            children->count++;
        }
        *route = with_value(arena, *route, "routes", children);
    }
    if (!own) {
        return ok;
    }
    *route = with_value(arena, *route, "severities", NULL);
    return expand_own(expansion, own, route) && ok;
}

static const YamlNode *log_route(Arena *arena) {
    YamlNode *route = yaml_map_node(arena, 1);
    yaml_map_set(arena, route, "receiver", yaml_text_node(arena, log_name));
    return route;
}

static bool expand_all(Expansion *expansion, const YamlNode **root) {
    Arena *arena = expansion->arena;
    const YamlNode *route = yaml_get(*root, "route");
    if (expansion->top && (!route || route->kind == YAML_NULL)) {
        *root = with_receiver(arena, *root, log_name, true);
        route = log_route(arena);
    }
    if (!route || route->kind != YAML_MAP) {
        return true; /* the loader complains */
    }
    bool ok = true;
    if (expansion->top) {
        ok = check_policy(expansion, expansion->top);
        expansion->top_hours = name_hours(expansion, yaml_get(expansion->top, "business_hours"));
    }
    ok &= expand_tree(expansion, &route);
    if (expansion->top) {
        YamlNode *routes;
        ok &= expand_policy(expansion, expansion->top, expansion->top_hours, &routes);
        route = append_routes(arena, route, routes);
    }
    if (ok && expansion->any) {
        *root = with_receiver(arena, *root, none_name, false);
        *root = with_items(arena, *root, "time_intervals", expansion->intervals->items,
                           expansion->intervals->count);
        *root = with_value(arena, *root, "route", route);
    }
    return ok;
}

bool severities_expand(ConfigLoader *loader, const YamlNode *severities, const YamlNode **root) {
    Arena *arena = &loader->config->arena;
    bool none = !severities || severities->kind == YAML_NULL ||
                (severities->kind == YAML_MAP && severities->count == 0);
    Expansion expansion = {.loader = loader,
                           .arena = arena,
                           .top = none ? NULL : severities,
                           .intervals = yaml_list_node(arena, 0)};
    bool ok = (none || severities->kind == YAML_MAP ||
               config_problem(loader, severities, "severities: expected a map")) &&
              expand_all(&expansion, root);
    loader->failed |= !ok;
    return ok;
}
