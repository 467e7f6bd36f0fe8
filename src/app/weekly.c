#include "app/weekly.h"

static bool put_window(JsonWriter *json, Str text, Str zone, Err *err) {
    size_t space = str_find(text, ' ');
    Str days = {text.ptr, space};
    Str span = str_trim(str_skip(text, space));
    size_t dash = str_find(span, '-');
    if (!days.len || !span.len || dash == span.len) {
        return err_set(err, ERR_INVALID,
                       "--weekly: \"%.*s\" is not of the form \"monday:friday 22:00-06:00\"",
                       STR_ARG(text));
    }
    json_object(json);
    json_put_array(json, "weekdays");
    while (days.len) {
        size_t comma = str_find(days, ',');
        json_str(json, (Str){days.ptr, comma});
        days = str_skip(days, comma < days.len ? comma + 1 : comma);
    }
    json_end(json);
    json_put_array(json, "times");
    json_object(json);
    json_put_str(json, "start_time", (Str){span.ptr, dash});
    json_put_str(json, "end_time", str_skip(span, dash + 1));
    json_end(json);
    json_end(json);
    if (zone.len) {
        json_put_str(json, "location", zone);
    }
    json_end(json);
    return true;
}

bool weekly_put(JsonWriter *json, const Args *args, Err *err) {
    const char *const *windows;
    size_t count = args_all(args, "weekly", &windows);
    const char *zone = args_get(args, "time-zone");
    if (!count) {
        return !zone || err_set(err, ERR_INVALID, "--time-zone belongs to --weekly");
    }
    json_put_array(json, "schedule");
    for (size_t i = 0; i < count; i++) {
        if (!put_window(json, str_of(windows[i]), str_of(zone ? zone : ""), err)) {
            return false;
        }
    }
    json_end(json);
    return true;
}
