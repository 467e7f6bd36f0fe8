/* belfry cardinality: what a running server's store is full of, and who uses it. */

#include <stdio.h>
#include <stdlib.h>

#include "app/command.h"
#include "app/commands.h"

static double number_of(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static void print_metrics(const cJSON *data) {
    const cJSON *metric;
    printf("\n%-48s %9s %6s  %s\n", "METRIC", "SERIES", "RULES", "LAST USED BY");
    cJSON_ArrayForEach(metric, cJSON_GetObjectItem(data, "metrics")) {
        const cJSON *rule = cJSON_GetObjectItem(metric, "lastRule");
        const cJSON *query = cJSON_GetObjectItem(metric, "lastQuery");
        printf("%-48s %9.0f %6.0f  ", client_text(metric, "name"), number_of(metric, "series"),
               number_of(metric, "rules"));
        if (rule) {
            printf("rule %s (%s)", client_text(rule, "name"), client_text(rule, "group"));
        }
        if (query) {
            printf("%squery %.80s at %.19sZ", rule ? ", " : "", client_text(query, "query"),
                   client_text(query, "at"));
        }
        puts(rule || query ? "" : "-");
    }
}

/* A ranking of names by a number or two. */
static void print_ranking(const cJSON *data, const char *list, const char *title, const char *name,
                          const char *first, const char *second) {
    const cJSON *item;
    printf("\n%-48s %9s %s\n", title, first, second ? second : "");
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(data, list)) {
        const char *text = client_text(item, name);
        printf("%-48s %9.0f", *text ? text : "(none)", number_of(item, first));
        if (second) {
            printf(" %.0f", number_of(item, second));
        }
        putchar('\n');
    }
}

static void print_all(const cJSON *data) {
    const cJSON *unused = cJSON_GetObjectItem(data, "unused");
    printf("series   %.0f active, %.0f new in the last hour\n", number_of(data, "series"),
           number_of(data, "seriesCreatedLastHour"));
    printf("unused   %.0f metrics with %.0f series: in no rule, and in no query since %.19sZ\n",
           number_of(unused, "metrics"), number_of(unused, "series"), client_text(unused, "since"));
    print_metrics(data);
    print_ranking(data, "labels", "LABEL", "name", "values", "bytes");
    print_ranking(data, "pairs", "LABEL=VALUE", "name", "series", NULL);
    print_ranking(data, "sources", "SOURCE", "source", "series", "seriesCreatedLastHour");
}

static int print_cardinality(const Args *args, Arena *arena, Err *err) {
    cJSON *answer = NULL;
    const char *limit = args_get(args, "limit") ? args_get(args, "limit") : "10";
    Str path = arena_printf(arena, "/api/v1/status/store?limit=%.*s%s",
                            STR_ARG(client_escape(arena, str_of(limit))),
                            args_has(args, "unused") ? "&unused=true" : "");
    if (args->word_count) {
        return command_usage(args->spec, "unexpected word \"%s\"", args->words[0]);
    }
    if (!client_json(client_url(args, arena), "GET", path, STR(""), &answer, err)) {
        return EXIT_FAILED;
    }
    const cJSON *data = cJSON_GetObjectItem(answer, "data");
    if (args_has(args, "json")) {
        char *text = cJSON_PrintUnformatted(data);
        puts(text ? text : "{}");
        cJSON_free(text);
    } else {
        print_all(data);
    }
    cJSON_Delete(answer);
    return EXIT_DONE;
}

int command_cardinality(int argc, char **argv) {
    static const ArgOption options[] = {
        {"limit", "N", "how many of each (default 10)"},
        {"unused", NULL, "only metrics that no rule and no query uses"},
        {"json", NULL, "print JSON"},
        CLIENT_URL_OPTION,
        {NULL, NULL, NULL},
    };
    static const ArgSpec spec = {
        "belfry cardinality [--limit N] [--unused] [OPTIONS]",
        "Shows what a running server's store is full of: the metrics, labels, pairs and sources\n"
        "with most active series, how many series are new, and which rule or query used each\n"
        "metric last (queries since the server started).",
        options};
    return command_run(argc, argv, &spec, print_cardinality);
}
