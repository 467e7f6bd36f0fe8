/* belfry query: a client of /api/v1/query and query_range. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/command.h"
#include "app/commands.h"
#include "base/json.h"
#include "base/number.h"
#include "model/label.h"

typedef struct QueryAsk {
    Str url;
    const char *expr;
    const char *from, *to, *step, *time;
    const char *flavour;
    bool explain;
} QueryAsk;

/* "-1h" is that long before now; else a time as everywhere. */
static bool ask_time(const char *text, TimeMs now, TimeMs *ret_time, Err *err) {
    DurationMs span;
    if (text[0] == '-' && duration_parse(str_of(text + 1), &span, err)) {
        *ret_time = now - span;
        return true;
    }
    return time_parse(str_of(text), ret_time, err);
}

/* A duration, or seconds. */
static bool ask_step(const char *text, DurationMs *ret_step, Err *err) {
    double seconds;
    if (number_parse(str_of(text), &seconds) && fabs(seconds) < 1e12) {
        *ret_step = (DurationMs)(seconds * 1000);
    } else if (!duration_parse(str_of(text), ret_step, err)) {
        return false;
    }
    return *ret_step > 0 || err_set(err, ERR_INVALID, "\"%s\" is not above zero", text);
}

/* A range begins with --from, and has no --time. */
static bool check_times(const QueryAsk *ask, Err *err) {
    if (!ask->from && (ask->to || ask->step)) {
        return err_set(err, ERR_INVALID, "%s is of a range query, which takes --from",
                       ask->to ? "--to" : "--step");
    }
    return !ask->from || !ask->time ||
           err_set(err, ERR_INVALID, "--time is of an instant query, --from of a range: not both");
}

static bool query_path(const QueryAsk *ask, Arena *arena, Str *ret_body, bool *ret_range,
                       Err *err) {
    TimeMs now = clock_now();
    TimeMs from;
    TimeMs to = now;
    DurationMs step;
    Str expr = client_escape(arena, str_of(ask->expr));
    const char *more =
        arena_cstr(arena, arena_printf(arena, "%s%s%.*s", ask->explain ? "&explain=1" : "",
                                       ask->flavour ? "&flavour=" : "",
                                       STR_ARG(client_escape(arena, str_of(ask->flavour)))));
    *ret_range = ask->from != NULL;
    if (!check_times(ask, err)) {
        return false;
    }
    if (!ask->from) {
        if (ask->time && !ask_time(ask->time, now, &to, err)) {
            return err_context(err, "--time");
        }
        *ret_body = arena_printf(arena, "query=%.*s&time=%lld.%03lld%s", STR_ARG(expr),
                                 (long long)(to / 1000), (long long)(to % 1000), more);
        return true;
    }
    if (!ask_time(ask->from, now, &from, err)) {
        return err_context(err, "--from");
    }
    if (ask->to && !ask_time(ask->to, now, &to, err)) {
        return err_context(err, "--to");
    }
    step = (to - from) / 60000 * 1000; /* about sixty points */
    step = step < SECOND_MS ? SECOND_MS : step;
    if (ask->step && !ask_step(ask->step, &step, err)) {
        return err_context(err, "--step");
    }
    *ret_body = arena_printf(arena, "query=%.*s&start=%lld.%03lld&end=%lld.%03lld&step=%lldms%s",
                             STR_ARG(expr), (long long)(from / 1000), (long long)(from % 1000),
                             (long long)(to / 1000), (long long)(to % 1000), (long long)step, more);
    return true;
}

static void put_metric(const cJSON *metric, Buf *out) {
    Str name = str_of(client_text(metric, "__name__"));
    bool plain = name.len == 0 || metric_name_is_legacy(name);
    const char *comma = plain ? "" : ", ";
    buf_str(out, plain ? name : STR(""));
    buf_byte(out, '{');
    if (!plain) {
        json_quote(out, name);
    }
    const cJSON *label;
    cJSON_ArrayForEach(label, metric) {
        Str label_name = str_of(label->string);
        if (strcmp(label->string, "__name__") == 0) {
            continue;
        }
        buf_str(out, str_of(comma));
        if (label_name_is_legacy(label_name)) {
            buf_str(out, label_name);
        } else {
            json_quote(out, label_name);
        }
        buf_byte(out, '=');
        json_quote(out, str_of(cJSON_GetStringValue(label)));
        comma = ", ";
    }
    buf_byte(out, '}');
}

/* The text of a sample's value: a string, or a histogram as JSON. */
static void put_point(const cJSON *point, Buf *out) {
    const cJSON *value = cJSON_GetArrayItem(point, 1);
    if (cJSON_IsString(value)) {
        buf_str(out, str_of(value->valuestring));
    } else {
        char *text = cJSON_PrintUnformatted(value);
        buf_str(out, str_of(text));
        free(text);
    }
}

static double point_time(const cJSON *point) {
    const cJSON *time = cJSON_GetArrayItem(point, 0);
    return cJSON_IsNumber(time) ? time->valuedouble : 0;
}

/* A row of eight heights, from the lowest value to the highest. */
static void put_sparkline(const cJSON *points, Buf *out) {
    static const char *const bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    double min = INFINITY;
    double max = -INFINITY;
    const cJSON *point;
    cJSON_ArrayForEach(point, points) {
        double value = strtod(cJSON_GetStringValue(cJSON_GetArrayItem(point, 1)), NULL);
        min = value < min ? value : min;
        max = value > max ? value : max;
    }
    cJSON_ArrayForEach(point, points) {
        double value = strtod(cJSON_GetStringValue(cJSON_GetArrayItem(point, 1)), NULL);
        double share = max > min ? (value - min) / (max - min) : 0;
        buf_str(out, isnan(value) ? STR(" ") : str_of(bars[(int)(share * 7.999)]));
    }
    buf_printf(out, "  %g .. %g", min, max);
}

static void put_rows(const cJSON *points, Buf *out) {
    const cJSON *point;
    cJSON_ArrayForEach(point, points) {
        buf_printf(out, "\n  %.3f  ", point_time(point));
        put_point(point, out);
    }
}

static void put_table_series(const cJSON *series, bool sparkline, Buf *out) {
    const cJSON *points = cJSON_GetObjectItem(series, "values");
    const cJSON *value = cJSON_GetObjectItem(series, "value");
    put_metric(cJSON_GetObjectItem(series, "metric"), out);
    if (sparkline && points) {
        buf_str(out, STR("\n  "));
        put_sparkline(points, out);
    } else {
        put_rows(points, out);
    }
    put_rows(cJSON_GetObjectItem(series, "histograms"), out);
    const cJSON *single = value ? value : cJSON_GetObjectItem(series, "histogram");
    if (single) {
        buf_str(out, STR("  "));
        put_point(single, out);
    }
    buf_byte(out, '\n');
}

static void put_csv_field(Str text, Buf *out) {
    buf_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"') {
            buf_byte(out, '"');
        }
        buf_byte(out, text.ptr[i]);
    }
    buf_byte(out, '"');
}

static void put_csv_row(Str metric, const cJSON *point, Buf *out) {
    AUTO(buf_finish) Buf value = {0};
    put_point(point, &value);
    put_csv_field(metric, out);
    buf_printf(out, ",%.3f,", point_time(point));
    bool plain = str_find(buf_view(&value), ',') == value.len &&
                 str_find(buf_view(&value), '"') == value.len &&
                 str_find(buf_view(&value), '\n') == value.len;
    if (plain) {
        buf_str(out, buf_view(&value));
    } else {
        put_csv_field(buf_view(&value), out);
    }
    buf_byte(out, '\n');
}

static void put_csv_series(const cJSON *series, Buf *out) {
    AUTO(buf_finish) Buf metric = {0};
    put_metric(cJSON_GetObjectItem(series, "metric"), &metric);
    static const char *const lists[] = {"values", "histograms"}, *const alone[] = {"value",
                                                                                   "histogram"};
    for (size_t i = 0; i < 2; i++) {
        const cJSON *point;
        cJSON_ArrayForEach(point, cJSON_GetObjectItem(series, lists[i])) {
            put_csv_row(buf_view(&metric), point, out);
        }
        point = cJSON_GetObjectItem(series, alone[i]);
        if (point) {
            put_csv_row(buf_view(&metric), point, out);
        }
    }
}

static void put_result(const cJSON *data, const char *format, Buf *out) {
    const cJSON *result = cJSON_GetObjectItem(data, "result");
    const char *type = client_text(data, "resultType");
    bool csv = strcmp(format, "csv") == 0;
    if (csv) {
        buf_str(out, STR("series,time,value\n"));
    }
    if (strcmp(type, "scalar") == 0 || strcmp(type, "string") == 0) {
        if (csv) {
            put_csv_row(STR(""), result, out);
        } else {
            put_point(result, out);
            buf_byte(out, '\n');
        }
        return;
    }
    const cJSON *series;
    cJSON_ArrayForEach(series, result) {
        if (csv) {
            put_csv_series(series, out);
        } else {
            put_table_series(series, strcmp(format, "sparkline") == 0, out);
        }
    }
}

static double field_number(const cJSON *node, const char *name) {
    const cJSON *field = cJSON_GetObjectItem(node, name);
    return cJSON_IsNumber(field) ? field->valuedouble : 0;
}

/* A number, or a dash where the operator ran as part of the one that reads it. */
static void put_cell(const cJSON *node, const char *name, double scale, Buf *out) {
    if (cJSON_GetObjectItem(node, name)) {
        buf_printf(out, " %10.*f", scale == 1 ? 0 : 3, field_number(node, name) * scale);
    } else {
        buf_printf(out, " %10s", "-");
    }
}

/* One line for each operator of the plan, what it reads below it. */
static void put_plan(const cJSON *node, int depth, Buf *out) {
    const char *op = client_text(node, "op");
    put_cell(node, cJSON_GetObjectItem(node, "series") ? "series" : "selected", 1, out);
    put_cell(node, "samplesRead", 1, out);
    put_cell(node, "bytes", 1, out);
    put_cell(node, "microseconds", 1e-3, out);
    buf_printf(out, "  %*s%s", 2 * depth, "", op);
    const char *expr = client_text(node, "expr");
    bool shared = cJSON_IsTrue(cJSON_GetObjectItem(node, "shared"));
    buf_printf(out, shared ? " (as above, #%.0f)" : "  #%.0f", field_number(node, "id"));
    buf_printf(out, "  %s\n", expr);
    const cJSON *input;
    cJSON_ArrayForEach(input, cJSON_GetObjectItem(node, "inputs")) {
        put_plan(input, depth + 1, out);
    }
}

static void put_explain(const cJSON *data, Buf *out) {
    const cJSON *plan = cJSON_GetObjectItem(data, "explain");
    if (!cJSON_IsObject(plan)) {
        buf_str(out, STR("no plan: the query is a constant, or is evaluated elsewhere\n"));
        return;
    }
    buf_printf(out, " %10s %10s %10s %10s  %s\n", "series", "samples", "bytes", "ms", "operator");
    put_plan(plan, 0, out);
}

/* "warning: ..." on stderr for each of a list of texts. */
static void print_notes(const cJSON *texts, const char *kind) {
    const cJSON *text;
    cJSON_ArrayForEach(text, texts) {
        if (cJSON_IsString(text)) {
            fprintf(stderr, "%s: %s\n", kind, text->valuestring);
        }
    }
}

static void print_answer(Str answer, const char *format, bool explain) {
    AUTO(buf_finish) Buf out = {0};
    cJSON *json = cJSON_ParseWithLength(answer.ptr, answer.len);
    print_notes(cJSON_GetObjectItem(json, "warnings"), "warning");
    print_notes(cJSON_GetObjectItem(json, "infos"), "info");
    if (strcmp(format, "json") == 0) {
        buf_str(&out, str_trim(answer));
        buf_byte(&out, '\n');
    } else if (explain) {
        put_explain(cJSON_GetObjectItem(json, "data"), &out);
    } else {
        put_result(cJSON_GetObjectItem(json, "data"), format, &out);
    }
    fwrite(out.ptr, 1, out.len, stdout);
    cJSON_Delete(json);
}

static bool is_format(const char *format) {
    static const char *const formats[] = {"table", "json", "csv", "sparkline"};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(formats[i], format) == 0) {
            return true;
        }
    }
    return false;
}

static int query(const Args *args, Arena *arena, Err *err) {
    const char *format = args_get(args, "format") ? args_get(args, "format") : "table";
    QueryAsk ask = {
        .url = client_url(args, arena),
        .expr = args->word_count ? args->words[0] : "",
        .from = args_get(args, "from"),
        .to = args_get(args, "to"),
        .step = args_get(args, "step"),
        .time = args_get(args, "time"),
        .flavour = args_get(args, "flavour"),
        .explain = args_has(args, "explain"),
    };
    if (args->word_count != 1) {
        return command_usage(args->spec, "one expression, in quotes");
    }
    if (!is_format(format)) {
        return command_usage(args->spec, "--format is table, json, csv or sparkline, not %s",
                             format);
    }
    Str body, answer;
    bool range = false;
    if (!query_path(&ask, arena, &body, &range, err) ||
        !client_call(ask.url, "POST", range ? STR("/api/v1/query_range") : STR("/api/v1/query"),
                     body, arena, &answer, err)) {
        return EXIT_FAILED;
    }
    print_answer(answer, format, ask.explain);
    return EXIT_DONE;
}

int command_query(int argc, char **argv) {
    static const ArgOption options[] = {
        {"time", "TIME", "of an instant query: RFC 3339, Unix seconds or -5m (default now)"},
        {"from", "TIME", "makes it a range query, from then on"},
        {"to", "TIME", "its end (default now)"},
        {"step", "SPAN", "between its points: 30s, or seconds (default a sixtieth)"},
        {"format", "FORM", "table (default), json, csv or sparkline"},
        {"flavour", "NAME", "prometheus (default) or metricsql"},
        {"explain", NULL, "show the plan with series, samples, bytes and time per node"},
        CLIENT_URL_OPTION,
        {NULL, NULL, NULL},
    };
    static const ArgSpec spec = {"belfry query EXPR [OPTIONS]",
                                 "Asks a running server (or any Prometheus API) a PromQL query.",
                                 options};
    return command_run(argc, argv, &spec, query);
}
