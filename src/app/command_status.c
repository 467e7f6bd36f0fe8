/* belfry status: one screen of what a running server sees. */

#include <stdio.h>

#include "app/command.h"
#include "app/commands.h"

static double number_of(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

/* Series, churn and sizes; loudly, if nothing can be written. */
static void print_store(Str url) {
    Err err = {0};
    cJSON *answer = NULL;
    if (client_json(url, "GET", STR("/api/v1/status/store?limit=1"), STR(""), &answer, &err)) {
        const cJSON *data = cJSON_GetObjectItem(answer, "data");
        printf("store    %.0f active series, %.0f new in the last hour, %.1f MiB on disk\n",
               number_of(data, "series"), number_of(data, "seriesCreatedLastHour"),
               number_of(data, "diskBytes") / (1 << 20));
        if (cJSON_IsTrue(cJSON_GetObjectItem(data, "readOnly"))) {
            printf("store    READ-ONLY: %s\n", client_text(data, "readOnlyReason"));
        }
        const cJSON *damage;
        cJSON_ArrayForEach(damage, cJSON_GetObjectItem(data, "damagedBlocks")) {
            bool aside = cJSON_IsTrue(cJSON_GetObjectItem(damage, "setAside"));
            printf("store    DAMAGED: %s%s\n", client_text(damage, "block"),
                   aside ? ", set aside in quarantine/" : ", what cannot be read is left out");
        }
    }
    cJSON_Delete(answer);
}

typedef struct RuleCounts {
    int groups, rules, bad, firing, pending;
} RuleCounts;

static void print_rule(const cJSON *rule, RuleCounts *counts) {
    counts->rules++;
    if (strcmp(client_text(rule, "health"), "err") == 0) {
        counts->bad++;
        printf("failing  %s: %s\n", client_text(rule, "name"), client_text(rule, "lastError"));
    }
    const cJSON *alert;
    cJSON_ArrayForEach(alert, cJSON_GetObjectItem(rule, "alerts")) {
        bool firing = strcmp(client_text(alert, "state"), "firing") == 0;
        const cJSON *labels = cJSON_GetObjectItem(alert, "labels");
        const cJSON *annotations = cJSON_GetObjectItem(alert, "annotations");
        counts->firing += firing;
        counts->pending += !firing;
        printf("%-8s %s", client_text(alert, "state"), client_text(labels, "alertname"));
        const cJSON *label;
        cJSON_ArrayForEach(label, labels) {
            if (strcmp(label->string, "alertname") != 0) {
                printf(" %s=%s", label->string, label->valuestring);
            }
        }
        printf("  since %s  %s\n", client_text(alert, "activeAt"),
               client_text(annotations, "summary"));
    }
}

static bool print_rules(Str url, Err *err) {
    cJSON *answer = NULL;
    if (!client_json(url, "GET", STR("/api/v1/rules"), STR(""), &answer, err)) {
        return false;
    }
    RuleCounts counts = {0};
    const cJSON *group;
    cJSON_ArrayForEach(group, cJSON_GetObjectItem(cJSON_GetObjectItem(answer, "data"), "groups")) {
        counts.groups++;
        const cJSON *rule;
        cJSON_ArrayForEach(rule, cJSON_GetObjectItem(group, "rules")) {
            print_rule(rule, &counts);
        }
    }
    printf("rules    %d in %d groups, %d failing; %d alerts firing, %d pending\n", counts.rules,
           counts.groups, counts.bad, counts.firing, counts.pending);
    cJSON_Delete(answer);
    return true;
}

static int print_status(const Args *args, Arena *arena, Err *err) {
    Str url = client_url(args, arena);
    print_store(url);
    return print_rules(url, err) ? EXIT_DONE : EXIT_FAILED;
}

int command_status(int argc, char **argv) {
    static const ArgOption options[] = {CLIENT_URL_OPTION, {NULL, NULL, NULL}};
    static const ArgSpec spec = {"belfry status [OPTIONS]",
                                 "Shows what a running server sees: series, rules with errors, and "
                                 "the alerts that are pending or firing.",
                                 options};
    return command_run(argc, argv, &spec, print_status);
}
