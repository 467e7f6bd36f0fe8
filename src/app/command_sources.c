/* belfry sources [list] | forget NAME...: a client of /api/v1/sources. */

#include <stdio.h>

#include "app/command.h"
#include "app/commands.h"

static int list(const Args *args, Arena *arena, Err *err) {
    cJSON *answer = NULL;
    if (!client_json(client_url(args, arena), "GET", STR("/api/v1/sources"), STR(""), &answer,
                     err)) {
        return EXIT_FAILED;
    }
    const cJSON *source;
    cJSON_ArrayForEach(source, cJSON_GetObjectItem(answer, "data")) {
        const cJSON *series = cJSON_GetObjectItem(source, "series");
        printf("%-24s newest %s  %.0f series\n", client_text(source, "source"),
               client_text(source, "newest"), series ? series->valuedouble : 0);
    }
    cJSON_Delete(answer);
    return EXIT_DONE;
}

static int run_list(int argc, char **argv) {
    static const ArgOption options[] = {CLIENT_URL_OPTION, {NULL, NULL, NULL}};
    static const ArgSpec spec = {"belfry sources list [OPTIONS]",
                                 "Lists who sends telemetry, and when each was last heard of.",
                                 options};
    return command_run(argc, argv, &spec, list);
}

static int forget(const Args *args, Arena *arena, Err *err) {
    (void)err; /* each name has its own */
    int status = args->word_count ? EXIT_DONE : command_usage(args->spec, "forget which source?");
    for (size_t i = 0; i < args->word_count; i++) {
        Err failure = {0};
        Str answer;
        Str name = client_escape(arena, str_of(args->words[i]));
        Str path = arena_printf(arena, "/api/v1/sources/%.*s", STR_ARG(name));
        if (!client_call(client_url(args, arena), "DELETE", path, STR(""), arena, &answer,
                         &failure)) {
            status = command_fail(&failure);
        }
    }
    return status;
}

static int run_forget(int argc, char **argv) {
    static const ArgOption options[] = {CLIENT_URL_OPTION, {NULL, NULL, NULL}};
    static const ArgSpec spec = {
        "belfry sources forget NAME... [OPTIONS]",
        "Forgets sources that are gone for good: their TelemetryLost ends, and their alerts are no "
        "longer held.\nA source that sends again is known again. Its samples stay.",
        options};
    return command_run(argc, argv, &spec, forget);
}

int command_sources(int argc, char **argv) {
    static const CommandAction actions[] = {
        {"list", run_list, "who sends telemetry"},
        {"forget", run_forget, "forget sources that are gone for good"},
        {NULL, NULL, NULL},
    };
    return command_dispatch(argc, argv, "belfry sources list|forget [OPTIONS]", actions);
}
