/* time_intervals and the deprecated mute_time_intervals: named calendars. */

#include "notify/config.h"

static bool read_one(ConfigLoader *loader, const YamlNode *map, const char *what) {
    static const char *const keys[] = {"name", "time_intervals", NULL};
    NotifyConfig *config = loader->config;
    Str name = STR("");
    size_t before = loader->yaml.problems->items_count;
    if (!yaml_check_keys(&loader->yaml, map, keys)) {
        loader->failed = true;
        return false;
    }
    (void)yaml_str(&loader->yaml, map, "name", &name);
    if (name.len == 0) {
        return config_problem(loader, map, "missing name in %s interval", what);
    }
    if (config_calendar(config, name)) {
        return config_problem(loader, map, "%s interval \"%.*s\" is not unique", what,
                              STR_ARG(name));
    }
    Calendar *calendar = arena_new(&config->arena, Calendar);
    if (!calendar_load(&loader->yaml, &config->arena, config->folder, name,
                       yaml_get(map, "time_intervals"), calendar) ||
        loader->yaml.problems->items_count != before) {
        loader->failed = true;
        return false;
    }
    config->calendars[config->calendar_count++] = calendar;
    return true;
}

static bool read_all(ConfigLoader *loader, const YamlNode *list, const char *what) {
    for (size_t i = 0; list && i < list->count; i++) {
        if (!read_one(loader, list->items[i], what)) {
            return false;
        }
    }
    return true;
}

bool config_load_calendars(ConfigLoader *loader) {
    NotifyConfig *config = loader->config;
    const YamlNode *mute = NULL, *named = NULL;
    (void)yaml_list(&loader->yaml, config->root, "mute_time_intervals", &mute);
    (void)yaml_list(&loader->yaml, config->root, "time_intervals", &named);
    config->calendars = arena_array(&config->arena, Calendar *,
                                    (mute ? mute->count : 0) + (named ? named->count : 0) + 1);
    return read_all(loader, mute, "mute time") && read_all(loader, named, "time");
}
