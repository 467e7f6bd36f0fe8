/* belfry silence add|list|edit|expire: a client of Alertmanager's API v2, so it works against one,
 * too.
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/command.h"
#include "app/command_quiet.h"
#include "app/commands.h"
#include "app/weekly.h"
#include "app/when.h"
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
    return !text || when_parse(str_of(text), clock_now(), ret_time, err) ||
           err_context(err, "--%s", name);
}

static bool silence_times(const Args *args, TimeMs *ret_start, TimeMs *ret_end, Err *err) {
    DurationMs span = HOUR_MS;
    const char *duration = args_get(args, "duration");
    duration = duration ? duration : args_get(args, "for");
    if (duration && args_has(args, "end")) {
        return err_set(err, ERR_INVALID, "--end and --duration: it has one end only");
    }
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
    const char *comment = args_get(args, "comment");
    if (args->word_count == 0 || !comment || !*comment) {
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
        {"start", "TIME",
         "18:00 (next time the clock shows it), 2030-01-31, \"2030-01-31 18:00\", RFC 3339 or "
         "Unix seconds (default now)"},
        {"end", "TIME", "instead of --duration, written the same"},
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
    AUTO(buf_finish) Buf text = {0};
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(silence, "matchers")) {
        bool regex = cJSON_IsTrue(cJSON_GetObjectItem(item, "isRegex"));
        bool equal = !cJSON_IsFalse(cJSON_GetObjectItem(item, "isEqual"));
        Matcher matcher = {.name = str_of(client_text(item, "name")),
                           .value = str_of(client_text(item, "value")),
                           .type = regex ? (equal ? MATCH_RE : MATCH_NRE)
                                         : (equal ? MATCH_EQ : MATCH_NE)};
        buf_str(&text, text.len ? STR(", ") : STR(""));
        matcher_print(&text, &matcher);
    }
    printf("%.*s", STR_ARG(buf_view(&text)));
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

/* Leaves silences, without the flags that are listed among them, that --search asks for. */
static void search_silences(cJSON *silences, const char *wanted) {
    cJSON *next;
    for (cJSON *silence = silences ? silences->child : NULL; silence; silence = next) {
        next = silence->next;
        if (quiet_is_flag(silence) || !has_text(silence, wanted)) {
            cJSON_Delete(cJSON_DetachItemViaPointer(silences, silence));
        }
    }
}

static int list(const Args *args, Arena *arena, Err *err) {
    cJSON *silences = NULL;
    if (!client_json(client_url(args, arena), "GET", list_path(args, arena), STR(""), &silences,
                     err)) {
        return EXIT_FAILED;
    }
    search_silences(silences, args_get(args, "search"));
    if (args_has(args, "json")) {
        char *text = cJSON_PrintUnformatted(silences);
        puts(text);
        cJSON_free(text);
    }
    const cJSON *silence;
    cJSON_ArrayForEach(silence, silences) {
        bool hidden = !args_has(args, "all") && strcmp(state_of(silence), "expired") == 0;
        if (!hidden && !args_has(args, "json")) {
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
            if (failure.kind == ERR_NOT_FOUND) { /* without a word, as Alertmanager says it */
                err_set(&failure, ERR_NOT_FOUND, "there is none with this id");
            }
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

/* ---- editing ---- */

static void put_text(cJSON *silence, const char *key, Str text) {
    cJSON_DeleteItemFromObjectCaseSensitive(silence, key);
    AUTO(buf_finish) Buf buf = {0};
    buf_str(&buf, text);
    buf_byte(&buf, '\0');
    cJSON_AddStringToObject(silence, key, buf.ptr);
}

static void put_when(cJSON *silence, const char *key, TimeMs time) {
    AUTO(buf_finish) Buf buf = {0};
    time_put(&buf, time);
    put_text(silence, key, buf_view(&buf));
}

static bool edit_times(const Args *args, cJSON *silence, Err *err) {
    TimeMs start = 0, end = 0;
    DurationMs span;
    const char *duration = args_get(args, "for");
    if (duration && args_has(args, "end")) {
        return err_set(err, ERR_INVALID, "--end and --for: it has one end only");
    }
    if (duration && !duration_parse(str_of(duration), &span, err)) {
        return err_context(err, "--for");
    }
    if (!option_time(args, "start", 0, &start, err) ||
        !option_time(args, "end", duration ? clock_now() + span : 0, &end, err)) {
        return false;
    }
    if (start) {
        put_when(silence, "startsAt", start);
    }
    if (end) {
        put_when(silence, "endsAt", end);
    }
    return true;
}

static bool edit_silence(const Args *args, cJSON *silence, Err *err) {
    const char *comment = args_get(args, "comment");
    if (!edit_times(args, silence, err)) {
        return false;
    }
    if (comment) {
        put_text(silence, "comment", str_of(comment));
    }
    if (args_has(args, "force")) {
        cJSON_AddTrueToObject(silence, "force");
    }
    return true;
}

/* Whoever was faster is not overwritten: the version that was read goes back with the edit. */
static bool send_edit(const Args *args, cJSON *silence, Arena *arena, Err *err) {
    cJSON *answer = NULL;
    Str version = arena_printf(arena, "If-Match: \"%s\"", client_text(silence, "updatedAt"));
    char *text = cJSON_PrintUnformatted(silence);
    Str path = arena_printf(arena, "/api/v2/silences?actor=%.*s",
                            STR_ARG(client_escape(arena, client_author(args))));
    bool ok = client_edit(client_url(args, arena), path, str_of(text), version, &answer, err);
    cJSON_free(text);
    if (ok) {
        puts(client_text(answer, "silenceID"));
    }
    cJSON_Delete(answer);
    return ok;
}

static int edit(const Args *args, Arena *arena, Err *err) {
    static const char *const changes[] = {"for", "end", "start", "comment"};
    cJSON *silence = NULL;
    bool any = false;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        any = any || args_has(args, changes[i]);
    }
    if (args->word_count != 1 || !any) {
        return command_usage(args->spec, "one id is needed, and what to change");
    }
    Str path = arena_printf(arena, "/api/v2/silence/%.*s",
                            STR_ARG(client_escape(arena, str_of(args->words[0]))));
    bool found = client_json(client_url(args, arena), "GET", path, STR(""), &silence, err);
    if (!found && err->kind == ERR_NOT_FOUND) {
        err_set(err, ERR_NOT_FOUND, "there is none with this id");
    }
    bool ok = found && edit_silence(args, silence, err) && send_edit(args, silence, arena, err);
    cJSON_Delete(silence);
    if (!ok) {
        err_context(err, "silence %s", args->words[0]);
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}

static int silence_edit(int argc, char **argv) {
    static const ArgOption options[] = {
        {"for", "SPAN", "ends so long from now"},
        {"end", "TIME", "ends then; written as for add"},
        {"start", "TIME", "begins then, if it has not begun"},
        {"comment", "TEXT", "another comment"},
        CLIENT_AUTHOR_OPTION,
        {"force", NULL, "also if it would match every alert"},
        CLIENT_URL_OPTION,
        {NULL, NULL, NULL},
    };
    static const ArgSpec spec = {
        "belfry silence edit ID [OPTIONS]",
        "Changes a silence and prints its id. One that has begun keeps its id unless its start is\n"
        "changed; one that has expired comes back as a new one. Refused if somebody changed it\n"
        "in the meantime.",
        options,
    };
    return command_run(argc, argv, &spec, edit);
}

int command_silence(int argc, char **argv) {
    static const CommandAction actions[] = {
        {"add", silence_add, "silence alerts that match"},
        {"list", silence_list, "show silences"},
        {"edit", silence_edit, "change its end or comment"},
        {"update", silence_edit, "the same, as amtool calls it"},
        {"expire", silence_expire, "end silences now"},
        {"preview", silence_preview, "what a silence would keep quiet"},
        {"history", silence_history, "who did what to a silence or flag"},
        {"export", silence_export, "as JSON"},
        {"import", silence_import, "from JSON"},
        {NULL, NULL, NULL},
    };
    return command_dispatch(
        argc, argv, "belfry silence add|list|edit|expire|preview|history|export|import [OPTIONS]",
        actions);
}
