/* belfry quality: how often each rule rang, and whether it was worth it. A client of
 * /api/v1/quality. */

#include <stdio.h>

#include "app/command.h"
#include "app/commands.h"
#include "base/number.h"

static int count_of(const cJSON *row, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(row, key);
    return cJSON_IsNumber(item) ? item->valueint : 0;
}

static void print_span(const cJSON *row, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(row, key);
    AUTO(buf_finish) Buf text = {0};
    if (cJSON_IsNumber(item)) {
        DurationMs span = (DurationMs)(item->valuedouble * 1000);
        duration_put(&text, span >= SECOND_MS ? span / SECOND_MS * SECOND_MS : span);
    } else {
        buf_byte(&text, '-');
    }
    printf("  %9.*s", STR_ARG(buf_view(&text)));
}

static void print_row(const cJSON *row, const char *rule, const char *team, bool acknowledged) {
    static const char *const keys[] = {
        "fired", "rang", "rang_at_night", "auto_resolved_5m", "flapped", "silenced", NULL};
    printf("%-36s %-14s", rule, team);
    for (const char *const *key = keys; *key; key++) {
        printf(" %7d", count_of(row, *key));
    }
    if (acknowledged) {
        printf(" %9d", count_of(row, "never_acknowledged"));
    } else {
        printf(" %9s", "-");
    }
    print_span(row, "median_seconds_to_resolve");
    printf("\n");
}

static void print_table(const cJSON *data, bool by_team, const char *only_team) {
    bool acknowledged = cJSON_IsTrue(cJSON_GetObjectItem(data, "has_acknowledgements"));
    const cJSON *rows = cJSON_GetObjectItem(data, by_team ? "teams" : "rules");
    const cJSON *row;
    printf("%-36s %-14s %7s %7s %7s %7s %7s %7s %9s  %9s\n", by_team ? "" : "rule", "team", "fired",
           "rang", "night", "< 5m", "flapped", "quiet", "never ack", "resolved");
    cJSON_ArrayForEach(row, rows) {
        const char *team = client_text(row, "team");
        if (!only_team || strcmp(team, only_team) == 0) {
            print_row(row, client_text(row, "rule"), *team ? team : "-", acknowledged);
        }
    }
    if (!only_team) {
        print_row(cJSON_GetObjectItem(data, "total"), "all", "", acknowledged);
    }
    printf("\nnight: %s. \"< 5m\" ended by themselves within 5 minutes; \"quiet\" were silenced or "
           "under a flag;\n\"resolved\" is the median time to the end.%s\n",
           client_text(data, "night"),
           acknowledged ? ""
                        : " No acknowledgements come back yet: see "
                          "notify.pagerduty_webhook.");
}

static int quality(const Args *args, Arena *arena, Err *err) {
    AUTO(buf_finish) Buf path = {0};
    Str text;
    const char *by = args_get(args, "by"), *label = args_get(args, "team-label");
    bool by_team = by && strcmp(by, "team") == 0;
    if (by && !by_team && strcmp(by, "rule") != 0) {
        return command_usage(args->spec, "--by: rule or team, not \"%s\"", by);
    }
    if (args->word_count) {
        return command_usage(args->spec, "unexpected \"%s\"", args->words[0]);
    }
    buf_str(&path, STR("/api/v1/quality?"));
    if (!client_last(args, 30 * DAY_MS, clock_now(), &path, err)) {
        return EXIT_FAILED;
    }
    if (label) {
        Str escaped = client_escape(arena, str_of(label));
        buf_printf(&path, "&team_label=%.*s", STR_ARG(escaped));
    }
    if (!client_call(client_url(args, arena), "GET", buf_view(&path), STR(""), arena, &text, err)) {
        return EXIT_FAILED;
    }
    if (args_has(args, "json")) {
        printf("%.*s\n", STR_ARG(text));
        return EXIT_DONE;
    }
    cJSON *answer = cJSON_ParseWithLength(text.ptr, text.len);
    print_table(cJSON_GetObjectItem(answer, "data"), by_team, args_get(args, "team"));
    cJSON_Delete(answer);
    return EXIT_DONE;
}

int command_quality(int argc, char **argv) {
    static const ArgOption options[] = {
        {"last", "SPAN", "what began to fire within it (default 30d)"},
        {"by", "rule|team", "a line for each (default rule)"},
        {"team", "NAME", "only this team's"},
        {"team-label", "LABEL", "where alerts say whose they are (default team)"},
        {"json", NULL, "the server's answer as it is"},
        CLIENT_URL_OPTION,
        {NULL, NULL, NULL},
    };
    static const ArgSpec spec = {
        "belfry quality [OPTIONS]",
        "How good the alerts are: how often each rule fired and rang, at night, ended by itself\n"
        "within 5 minutes, flapped, was silenced, was never acknowledged.",
        options,
    };
    return command_run(argc, argv, &spec, quality);
}
