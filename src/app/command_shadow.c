/* belfry shadow diff: what Belfry would have told against what the real Alertmanager told. A client
 * of /api/v1/shadow/diff. */

#include <stdio.h>

#include "app/command.h"
#include "app/commands.h"

static int number_of(const cJSON *data, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(data, key);
    return cJSON_IsNumber(item) ? item->valueint : 0;
}

static void print_row(const cJSON *row) {
    const char *side = client_text(row, "side");
    bool theirs = strcmp(side, "only_alertmanager") == 0;
    bool both = strcmp(side, "both") == 0;
    const char *at = client_text(row, theirs || both ? "alertmanager_at" : "belfry_at");
    printf("%s  %-17s %-8s  %s {", at,
           both     ? "both"
           : theirs ? "only Alertmanager"
                    : "only Belfry",
           client_text(row, "status"), client_text(row, "receiver"));
    const char *comma = "";
    const cJSON *label;
    cJSON_ArrayForEach(label, cJSON_GetObjectItem(row, "labels")) {
        printf("%s%s=\"%s\"", comma, label->string,
               cJSON_IsString(label) ? label->valuestring : "");
        comma = ", ";
    }
    printf("}\n    %s\n", client_text(row, "why"));
}

/* True if both told the same. */
static bool print_diff(const cJSON *data) {
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(data, "rows")) {
        print_row(item);
    }
    int both = number_of(data, "both"), theirs = number_of(data, "only_alertmanager");
    int ours = number_of(data, "only_belfry"), undecided = number_of(data, "undecided");
    printf("%d told by both, %d only by Alertmanager, %d only by Belfry", both, theirs, ours);
    if (undecided) {
        printf(", %d at the edge of the time and not compared", undecided);
    }
    printf("\n");
    if (both) {
        const cJSON *later = cJSON_GetObjectItem(data, "median_seconds_later");
        const cJSON *most = cJSON_GetObjectItem(data, "most_seconds_later");
        printf("Belfry was later by %.1f s (median), %.1f s (most)\n",
               cJSON_IsNumber(later) ? later->valuedouble : 0,
               cJSON_IsNumber(most) ? most->valuedouble : 0);
    }
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(data, "unheard_receivers")) {
        printf("receiver %s: nothing came from Alertmanager; has it a webhook to "
               "/api/v1/shadow/alertmanager?\n",
               cJSON_IsString(item) ? item->valuestring : "");
    }
    return theirs == 0 && ours == 0;
}

static bool diff_path(const Args *args, Buf *path, Arena *arena, Err *err) {
    const char *const *ignored;
    const char *within = args_get(args, "within");
    buf_str(path, STR("/api/v1/shadow/diff?"));
    if (!client_last(args, DAY_MS, clock_now(), path, err)) {
        return false;
    }
    if (within) {
        Str text = client_escape(arena, str_of(within));
        buf_printf(path, "&within=%.*s", STR_ARG(text));
    }
    size_t count = args_all(args, "ignore", &ignored);
    for (size_t i = 0; i < count; i++) {
        Str text = client_escape(arena, str_of(ignored[i]));
        buf_printf(path, "&ignore=%.*s", STR_ARG(text));
    }
    if (args_has(args, "all")) {
        buf_str(path, STR("&all=true"));
    }
    return true;
}

static int diff(const Args *args, Arena *arena, Err *err) {
    AUTO(buf_finish) Buf path = {0};
    Str text;
    if (args->word_count) {
        return command_usage(args->spec, "unexpected \"%s\"", args->words[0]);
    }
    if (!diff_path(args, &path, arena, err) ||
        !client_call(client_url(args, arena), "GET", buf_view(&path), STR(""), arena, &text, err)) {
        return EXIT_FAILED;
    }
    cJSON *answer = cJSON_ParseWithLength(text.ptr, text.len);
    const cJSON *data = cJSON_GetObjectItem(answer, "data");
    bool same = number_of(data, "only_alertmanager") + number_of(data, "only_belfry") == 0;
    if (args_has(args, "json")) {
        printf("%.*s\n", STR_ARG(text));
    } else {
        same = print_diff(data);
    }
    cJSON_Delete(answer);
    return same ? EXIT_DONE : EXIT_FINDINGS;
}

static int shadow_diff(int argc, char **argv) {
    static const ArgOption options[] = {
        {"last", "SPAN", "how far back (default 1d)"},
        {"within", "SPAN", "what both told this near in time is the same (default 10m)"},
        {"ignore", "LABEL", "a label only one side has (replica, prometheus); repeatable"},
        {"all", NULL, "also what both told"},
        {"json", NULL, "the server's answer as it is"},
        CLIENT_URL_OPTION,
        {NULL, NULL, NULL},
    };
    static const ArgSpec spec = {
        "belfry shadow diff [OPTIONS]",
        "Compares what Belfry would have told in shadow mode (notify.shadow: true) with what the\n"
        "real Alertmanager told. Each receiver of the Alertmanager needs a webhook besides its "
        "own:\n"
        "  webhook_configs: [{url: 'http://BELFRY:8119/api/v1/shadow/alertmanager'}]\n"
        "Exits 0 if both told the same, 3 if not.",
        options,
    };
    return command_run(argc, argv, &spec, diff);
}

int command_shadow(int argc, char **argv) {
    static const CommandAction actions[] = {
        {"diff", shadow_diff, "compare with what the real Alertmanager told"},
        {NULL, NULL, NULL},
    };
    return command_dispatch(argc, argv, "belfry shadow diff [OPTIONS]", actions);
}
