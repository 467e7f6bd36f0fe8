/*
 * Maintenance flags kept in git: the `maintenance:` list of belfry.yml.
 *
 *     maintenance:
 *       - name: staging
 *         matchers: ['cluster=~"staging-.*"']
 *         mode: all
 *         reason: nobody is on call for staging
 *         owner: team-platform
 *         review_at: 2027-01-31T00:00:00Z
 *         schedule:                      # optional: only then
 *           - weekdays: [tuesday]
 *             times: [{start_time: '22:00', end_time: '02:00'}]
 *             location: Europe/Berlin
 */

#include <stdio.h>

#include "notify/config.h"
#include "notify/flag.h"

static bool read_matchers(ConfigLoader *loader, const YamlNode *map, Flag *flag) {
    const YamlNode *list;
    Arena *arena = &loader->config->arena;
    if (!yaml_list(&loader->yaml, map, "matchers", &list) || list->count == 0) {
        return config_problem(loader, map, "maintenance: matchers are missing");
    }
    flag->matchers = arena_array(arena, SilenceMatcher, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        Matcher matcher;
        Err err;
        if (!matcher_parse(arena, list->items[i]->text, &matcher, &err)) {
            return config_problem(loader, list->items[i], "maintenance: %s", err.text);
        }
        flag->matchers[flag->matcher_count++] =
            (SilenceMatcher){.name = matcher.name,
                             .value = matcher.value,
                             .is_regex = matcher.type == MATCH_RE || matcher.type == MATCH_NRE,
                             .is_equal = matcher.type == MATCH_EQ || matcher.type == MATCH_RE};
        matcher_finish(&matcher);
    }
    return true;
}

static bool read_mode(ConfigLoader *loader, const YamlNode *map, Flag *flag) {
    Str text = STR("all");
    (void)yaml_str(&loader->yaml, map, "mode", &text);
    return flag_mode_of(text, &flag->mode) ||
           config_problem(loader, map,
                          "maintenance: mode is all, below_critical or hold, not \"%.*s\"",
                          STR_ARG(text));
}

/* A day is its beginning, by UTC. */
static bool read_time(ConfigLoader *loader, const YamlNode *map, const char *key,
                      TimeMs *ret_time) {
    Str text;
    Err err;
    char midnight[sizeof "2030-01-31T00:00:00Z"] = "";
    if (!yaml_str(&loader->yaml, map, key, &text)) {
        return true;
    }
    if (text.len == strlen("2030-01-31")) {
        snprintf(midnight, sizeof midnight, "%.*sT00:00:00Z", STR_ARG(text));
    }
    return time_parse(*midnight ? str_of(midnight) : text, ret_time, &err) ||
           config_problem(
               loader, yaml_get(map, key),
               "maintenance: %s: expected a time such as 2030-01-31T18:00:00Z, or a day, "
               "not \"%.*s\"",
               key, STR_ARG(text));
}

static bool read_schedule(ConfigLoader *loader, const YamlNode *map, Str name, ConfigFlag *entry) {
    NotifyConfig *config = loader->config;
    const YamlNode *list;
    if (!yaml_list(&loader->yaml, map, "schedule", &list)) {
        return true;
    }
    Calendar *calendar = arena_new(&config->arena, Calendar);
    if (!calendar_load(&loader->yaml, &config->arena, config->folder, name, list, calendar)) {
        loader->failed = true;
        return false;
    }
    config->calendars[config->calendar_count++] = calendar;
    entry->when = calendar;
    return true;
}

static bool read_flag(ConfigLoader *loader, const YamlNode *map, ConfigFlag *entry) {
    static const char *const keys[] = {"name",      "matchers", "mode",      "reason",   "owner",
                                       "starts_at", "ends_at",  "review_at", "schedule", NULL};
    Flag *flag = &entry->flag;
    Str name = STR("");
    if (!yaml_check_keys(&loader->yaml, map, keys)) {
        loader->failed = true;
        return false;
    }
    *flag = (Flag){.origin = STR("config"), .reason = STR(""), .owner = STR("")};
    (void)yaml_str(&loader->yaml, map, "name", &name);
    (void)yaml_str(&loader->yaml, map, "reason", &flag->reason);
    (void)yaml_str(&loader->yaml, map, "owner", &flag->owner);
    if (!read_matchers(loader, map, flag) || !read_mode(loader, map, flag) ||
        !read_time(loader, map, "starts_at", &flag->starts_at) ||
        !read_time(loader, map, "ends_at", &flag->ends_at) ||
        !read_time(loader, map, "review_at", &flag->review_at) ||
        !read_schedule(loader, map, name, entry)) {
        return false;
    }
    if (!flag->reason.len || !flag->owner.len) {
        return config_problem(loader, map, "maintenance: reason and owner are required");
    }
    if (!flag->ends_at && !flag->review_at && !entry->when) {
        return config_problem(
            loader, map,
            "maintenance: one of ends_at, review_at or schedule is required, so that "
            "no flag is forgotten");
    }
    flag->id = flag_id_of(&loader->config->arena, flag, name);
    return true;
}

static bool load_flag_label(ConfigLoader *loader, const YamlNode *map, Str text, FlagLabel *label) {
    Err err;
    label->text = text;
    if (!text.len) {
        return true;
    }
    if (!matcher_list_parse(&loader->config->arena, text, &label->set, &err)) {
        return config_problem(loader, map, "flag_label: %s", err.text);
    }
    config_keep_matchers(loader->config, &label->set);
    return true;
}

bool config_load_flag_labels(ConfigLoader *loader, const YamlNode *notify) {
    static const char *const keys[] = {"all", "below_critical", "hold", NULL};
    FlagLabel *labels = loader->config->policy.flag_labels;
    const YamlNode *node = yaml_get(notify, "flag_label");
    Str all = STR("alerting=\"off\"");
    if (!node || node->kind != YAML_MAP) {
        (void)yaml_str(&loader->yaml, notify, "flag_label", &all);
        return load_flag_label(loader, notify, all, &labels[FLAG_ALL]);
    }
    if (!yaml_check_keys(&loader->yaml, node, keys)) {
        return false;
    }
    for (int mode = 0; mode < FLAG_MODES; mode++) {
        Str text = mode == FLAG_ALL ? all : STR("");
        (void)yaml_str(&loader->yaml, node, flag_mode_text((FlagMode)mode), &text);
        if (!load_flag_label(loader, node, text, &labels[mode])) {
            return false;
        }
    }
    return true;
}

bool config_load_flags(ConfigLoader *loader, const YamlNode *maintenance) {
    NotifyConfig *config = loader->config;
    if (!maintenance || maintenance->kind == YAML_NULL) {
        return true;
    }
    if (maintenance->kind != YAML_LIST) {
        return config_problem(loader, maintenance, "maintenance: expected a list");
    }
    const YamlNode *list = yaml_copy(&config->arena, maintenance);
    Calendar **calendars =
        arena_array(&config->arena, Calendar *, config->calendar_count + list->count + 1);
    if (config->calendar_count) {
        memcpy(calendars, config->calendars, config->calendar_count * sizeof *calendars);
    }
    config->calendars = calendars;
    config->flags = arena_array(&config->arena, ConfigFlag, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        if (!read_flag(loader, list->items[i], &config->flags[i])) {
            return false;
        }
        config->flag_count++;
    }
    return true;
}
