/* belfry silence add|list|expire: a client of Alertmanager's API v2, so it works against one, too.
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/command.h"
#include "app/command_quiet.h"
#include "app/commands.h"
#include "app/weekly.h"
#include "base/json.h"
#include "base/number.h"
#include "model/matcher.h"

/* Matchers from the command line. A word without an operator is refused: amtool takes it for an
 * alert's name, and a mistyped matcher then silences the wrong thing. */
static bool put_matchers(JsonWriter *json, const Args *args, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    json_put_array(json, "matchers");
    for (size_t i = 0; i < args->word_count; i++) {
        Matcher matcher;
        if (!matcher_parse(&arena, str_of(args->words[i]), &matcher, err)) {
            return false;
        }
        bool regex = matcher.type == MATCH_RE || matcher.type == MATCH_NRE;
        bool equal = matcher.type == MATCH_EQ || matcher.type == MATCH_RE;
        json_object(json);
        json_put_str(json, "name", matcher.name);
        json_put_str(json, "value", matcher.value);
        json_put_bool(json, "isRegex", regex);
        json_put_bool(json, "isEqual", equal);
        json_end(json);
        matcher_finish(&matcher);
    }
    json_end(json);
    return true;
}

static bool option_time(const Args *args, const char *name, TimeMs fallback, TimeMs *ret_time,
                        Err *err) {
    const char *text = args_get(args, name);
    *ret_time = fallback;
    return !text || time_parse(str_of(text), ret_time, err) || err_context(err, "--%s", name);
}

static bool silence_times(const Args *args, TimeMs *ret_start, TimeMs *ret_end, Err *err) {
    DurationMs span = HOUR_MS;
    const char *duration = args_get(args, "duration");
    duration = duration ? duration : args_get(args, "for");
    if (duration && !duration_parse(str_of(duration), &span, err)) {
        return err_context(err, "--duration");
    }
    return option_time(args, "start", clock_now(), ret_start, err) &&
           option_time(args, "end", *ret_start + span, ret_end, err);
}

static bool silence_body(const Args *args, Buf *body, Err *err) {
    TimeMs start;
    TimeMs end;
    JsonWriter json = json_writer(body);
    json_object(&json);
    if (!silence_times(args, &start, &end, err) || !put_matchers(&json, args, err)) {
        return false;
    }
    json_put_time(&json, "startsAt", start);
    json_put_time(&json, "endsAt", end);
    json_put_str(&json, "createdBy", client_author(args));
    json_put_str(&json, "comment", str_of(args_get(args, "comment")));
    if (!weekly_put(&json, args, err)) {
        return false;
    }
    if (args_has(args, "force")) {
        json_put_bool(&json, "force", true);
    }
    json_end(&json);
    return true;
}

static int add(const Args *args, Arena *arena, Err *err) {
    AUTO(buf_finish) Buf body = {0};
    cJSON *answer = NULL;
    if (args->word_count && args_has(args, "preview")) {
        return quiet_preview(args, arena, err);
    }
    if (args->word_count == 0 || !args_get(args, "comment")) {
        return command_usage(args->spec, "a silence needs matchers and a --comment");
    }
    if (!silence_body(args, &body, err) ||
        !client_json(client_url(args, arena), "POST", STR("/api/v2/silences"), buf_view(&body),
                     &answer, err)) {
        return EXIT_FAILED;
    }
    puts(client_text(answer, "silenceID"));
    cJSON_Delete(answer);
    return EXIT_DONE;
}

static int silence_add(int argc, char **argv) {
    static const ArgOption options[] = {
        {"duration", "SPAN", "how long from its start (default 1h)"},
        {"for", "SPAN", "the same, as of a maintenance flag"},
        {"start", "TIME", "RFC 3339 or Unix seconds (default now)"},
        {"end", "TIME", "instead of --duration"},
        {"comment", "TEXT", "why (required)"},
        CLIENT_AUTHOR_OPTION,
        {"force", NULL, "also if it would match every alert"},
        {"preview", NULL, "set nothing: show what it would keep quiet"},
        WEEKLY_OPTIONS,
        CLIENT_URL_OPTION,
        {NULL, NULL, NULL},
    };
    static const ArgSpec spec = {
        "belfry silence add MATCHER... --comment TEXT [OPTIONS]",
        "Silences alerts that match all of the matchers, e.g. alertname=DiskFull "
        "cluster=~\"prod-.*\".\n"
        "Prints the silence's id; it is durable when printed.",
        options,
    };
    return command_run(argc, argv, &spec, add);
}

static void print_silence_matchers(const cJSON *silence) {
    static const char *const operators[2][2] = {{"!=", "="}, {"!~", "=~"}};
    const char *comma = "";
    const cJSON *matcher;
    cJSON_ArrayForEach(matcher, cJSON_GetObjectItem(silence, "matchers")) {
        bool regex = cJSON_IsTrue(cJSON_GetObjectItem(matcher, "isRegex"));
        bool equal = !cJSON_IsFalse(cJSON_GetObjectItem(matcher, "isEqual"));
        printf("%s%s%s\"%s\"", comma, client_text(matcher, "name"), operators[regex][equal],
               client_text(matcher, "value"));
        comma = ", ";
    }
}

static const char *state_of(const cJSON *silence) {
    return client_text(cJSON_GetObjectItem(silence, "status"), "state");
}

static void print_schedule(const cJSON *silence) {
    const cJSON *schedule = cJSON_GetObjectItem(silence, "schedule");
    if (schedule) {
        char *text = cJSON_PrintUnformatted(schedule);
        printf("\n    only in %s", text);
        cJSON_free(text);
    }
}

static Str list_path(const Args *args, Arena *arena) {
    Str path =
        args_has(args, "all") ? STR("/api/v2/silences?") : STR("/api/v2/silences?expired=false");
    for (size_t i = 0; i < args->word_count; i++) {
        path = arena_printf(arena, "%.*s&filter=%.*s", STR_ARG(path),
                            STR_ARG(client_escape(arena, str_of(args->words[i]))));
    }
    return path;
}

/* True if some text of the silence contains `wanted`, whatever the case; NULL is in all. */
static bool has_text(const cJSON *silence, const char *wanted) {
    bool found = !wanted || strcasestr(client_text(silence, "comment"), wanted) ||
                 strcasestr(client_text(silence, "createdBy"), wanted);
    const cJSON *matcher;
    cJSON_ArrayForEach(matcher, cJSON_GetObjectItem(silence, "matchers")) {
        found = found || strcasestr(client_text(matcher, "name"), wanted) ||
                strcasestr(client_text(matcher, "value"), wanted);
    }
    return found;
}

static void print_silence(const cJSON *silence) {
    printf("%s  %-7s  until %s  by %s: %s\n    ", client_text(silence, "id"), state_of(silence),
           client_text(silence, "endsAt"), client_text(silence, "createdBy"),
           client_text(silence, "comment"));
    print_silence_matchers(silence);
    print_schedule(silence);
    printf("\n");
}

static int list(const Args *args, Arena *arena, Err *err) {
    Str path = list_path(args, arena), text;
    if (!client_call(client_url(args, arena), "GET", path, STR(""), arena, &text, err)) {
        return EXIT_FAILED;
    }
    if (args_has(args, "json")) {
        printf("%.*s\n", STR_ARG(str_trim(text)));
        return EXIT_DONE;
    }
    cJSON *silences = cJSON_ParseWithLength(text.ptr, text.len);
    const cJSON *silence;
    cJSON_ArrayForEach(silence, silences) {
        bool hidden = !args_has(args, "all") && strcmp(state_of(silence), "expired") == 0;
        if (!hidden && has_text(silence, args_get(args, "search"))) {
            print_silence(silence);
        }
    }
    cJSON_Delete(silences);
    return EXIT_DONE;
}

static int silence_list(int argc, char **argv) {
    static const ArgOption options[] = {
        {"all", NULL, "also expired ones"},
        {"json", NULL, "as JSON, which `amtool silence import` reads"},
        {"search", "TEXT", "whose comment, author or matchers have this in them"},
        CLIENT_URL_OPTION,
        {NULL, NULL, NULL},
    };
    static const ArgSpec spec = {"belfry silence list [MATCHER...] [OPTIONS]",
                                 "Lists silences: all, or those that have these matchers.",
                                 options};
    return command_run(argc, argv, &spec, list);
}

static int expire(const Args *args, Arena *arena, Err *err) {
    (void)err; /* each id has its own */
    int status = args->word_count ? EXIT_DONE : command_usage(args->spec, "which silence?");
    Str actor = client_escape(arena, client_author(args));
    for (size_t i = 0; i < args->word_count; i++) {
        Err failure = {0};
        Str answer;
        Str id = client_escape(arena, str_of(args->words[i]));
        Str path =
            arena_printf(arena, "/api/v2/silence/%.*s?actor=%.*s", STR_ARG(id), STR_ARG(actor));
        if (!client_call(client_url(args, arena), "DELETE", path, STR(""), arena, &answer,
                         &failure)) {
            err_context(&failure, "silence %s", args->words[i]);
            status = command_fail(&failure);
        }
    }
    return status;
}

static int silence_expire(int argc, char **argv) {
    static const ArgOption options[] = {
        CLIENT_AUTHOR_OPTION, CLIENT_URL_OPTION, {NULL, NULL, NULL}};
    static const ArgSpec spec = {"belfry silence expire ID...", "Ends silences now.", options};
    return command_run(argc, argv, &spec, expire);
}

int command_silence(int argc, char **argv) {
    static const CommandAction actions[] = {
        {"add", silence_add, "silence alerts that match"},
        {"list", silence_list, "show silences"},
        {"expire", silence_expire, "end silences now"},
        {"preview", silence_preview, "what a silence would keep quiet"},
        {"history", silence_history, "who did what to a silence or flag"},
        {"export", silence_export, "as JSON"},
        {"import", silence_import, "from JSON"},
        {NULL, NULL, NULL},
    };
    return command_dispatch(
        argc, argv, "belfry silence add|list|expire|preview|history|export|import [OPTIONS]",
        actions);
}
