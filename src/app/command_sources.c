/* belfry sources [list] | forget NAME...: a client of /api/v1/sources. */

#include <stdio.h>

#include "app/command.h"
#include "app/commands.h"

static int run_list(int argc, char **argv) {
    static const ArgOption options[] = {CLIENT_URL_OPTION, {NULL, NULL, NULL}};
    static const ArgSpec spec = {"belfry sources list [OPTIONS]",
                                 "Lists who sends telemetry, and when each was last heard of.",
                                 options};
    Args args;
    int status;
    if (!command_args(argc, argv, &spec, &args, &status)) {
        return status;
    }
    AUTO(arena_finish) Arena arena = {0};
    Err err = {0};
    cJSON *answer = NULL;
    bool good = client_json(client_url(&args, &arena), "GET", STR("/api/v1/sources"), STR(""),
                            &answer, &err);
    const cJSON *source;
    cJSON_ArrayForEach(source, cJSON_GetObjectItem(answer, "data")) {
        const cJSON *series = cJSON_GetObjectItem(source, "series");
        printf("%-24s newest %s  %.0f series\n", client_text(source, "source"),
               client_text(source, "newest"), series ? series->valuedouble : 0);
    }
    cJSON_Delete(answer);
    args_finish(&args);
    return good ? EXIT_DONE : command_fail(&err);
}

static int run_forget(int argc, char **argv) {
    static const ArgOption options[] = {CLIENT_URL_OPTION, {NULL, NULL, NULL}};
    static const ArgSpec spec = {
        "belfry sources forget NAME... [OPTIONS]",
        "Forgets sources that are gone for good: their TelemetryLost ends, and their alerts are no "
        "longer held.\nA source that sends again is known again. Its samples stay.",
        options};
    Args args;
    int status;
    if (!command_args(argc, argv, &spec, &args, &status)) {
        return status;
    }
    AUTO(arena_finish) Arena arena = {0};
    Str url = client_url(&args, &arena);
    status = args.word_count ? EXIT_DONE : command_usage(&spec, "forget which source?");
    for (size_t i = 0; i < args.word_count; i++) {
        Err err = {0};
        Str answer;
        Str name = client_escape(&arena, str_of(args.words[i]));
        Str path = arena_printf(&arena, "/api/v1/sources/%.*s", STR_ARG(name));
        if (!client_call(url, "DELETE", path, STR(""), &arena, &answer, &err)) {
            status = command_fail(&err);
        }
    }
    args_finish(&args);
    return status;
}

int command_sources(int argc, char **argv) {
    static const CommandAction actions[] = {
        {"list", run_list, "who sends telemetry"},
        {"forget", run_forget, "forget sources that are gone for good"},
        {NULL, NULL, NULL},
    };
    return command_dispatch(argc, argv, "belfry sources list|forget [OPTIONS]", actions);
}
