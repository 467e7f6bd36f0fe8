#include "notify/schedule.h"

enum { SCHEDULE_BYTES_MAX = 16 * 1024 };

static bool names_a_file(const YamlNode *entries) {
    for (size_t i = 0; i < entries->count; i++) {
        if (yaml_get(entries->items[i], "holidays_file")) {
            return true;
        }
    }
    return false;
}

static bool load(Arena *arena, Str text, Problems *problems, Calendar **ret_calendar, Err *err) {
    YamlReader reader = {.file = STR("schedule"), .problems = problems, .where = ""};
    YamlDocs docs;
    if (!yaml_parse(arena, text, reader.file, &docs, problems)) {
        return problems_err(problems, err);
    }
    if (docs.count != 1 || docs.items[0]->kind != YAML_LIST || !docs.items[0]->count) {
        return err_set(err, ERR_INVALID,
                       "schedule: expected a list such as [{\"weekdays\": [\"tuesday\"], \"times\":"
                       " [{\"start_time\": \"22:00\", \"end_time\": \"02:00\"}]}]");
    }
    if (names_a_file(docs.items[0])) {
        return err_set(err, ERR_INVALID, "schedule: holidays_file is for configurations only");
    }
    Calendar *calendar = arena_new(arena, Calendar);
    if (!calendar_load(&reader, arena, STR("."), STR("schedule"), docs.items[0], calendar) ||
        problems->items_count) {
        calendar_finish(calendar);
        return problems_err(problems, err);
    }
    *ret_calendar = calendar;
    return true;
}

bool schedule_load(Arena *arena, Str text, Calendar **ret_calendar, Err *err) {
    if (!text.len) {
        *ret_calendar = NULL;
        return true;
    }
    if (text.len > SCHEDULE_BYTES_MAX) {
        return err_set(err, ERR_INVALID, "schedule: %zu bytes, more than the %d allowed", text.len,
                       SCHEDULE_BYTES_MAX);
    }
    Problems problems = {0};
    bool ok = load(arena, text, &problems, ret_calendar, err);
    problems_finish(&problems);
    return ok;
}

bool schedule_check(Str text, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    Calendar *calendar = NULL;
    if (!schedule_load(&arena, text, &calendar, err)) {
        return false;
    }
    if (calendar) {
        calendar_finish(calendar);
    }
    return true;
}
