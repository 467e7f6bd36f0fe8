/* belfry maintenance on|off|list: a client of /api/v1/maintenance. */

#include <stdio.h>
#include <stdlib.h>

#include "app/command.h"
#include "app/commands.h"
#include "app/weekly.h"
#include "app/when.h"
#include "base/json.h"
#include "base/number.h"
#include "model/matcher.h"

static bool put_end(JsonWriter *json, const Args *args, TimeMs now, Err *err) {
    const char *until = args_get(args, "until");
    const char *span_text = args_get(args, "for");
    const char *review = args_get(args, "review");
    TimeMs time;
    DurationMs span;
    if (until && span_text) {
        return err_set(err, ERR_INVALID, "--until and --for: it has one end only");
    }
    if (until) {
        if (!when_parse(str_of(until), now, &time, err)) {
            return err_context(err, "--until");
        }
        json_put_time(json, "ends_at", time);
    } else if (span_text) {
        if (!duration_parse(str_of(span_text), &span, err)) {
            return err_context(err, "--for");
        }
        json_put_time(json, "ends_at", now + span);
    }
    if (review) {
        if (!when_parse(str_of(review), now, &time, err)) {
            return err_context(err, "--review");
        }
        json_put_time(json, "review_at", time);
    }
    return until || span_text || review ||
           err_set(err, ERR_INVALID, "a flag needs an end (--until, --for) or a --review date");
}

static bool flag_body(const Args *args, Buf *body, Err *err) {
    const char *mode = args_get(args, "mode");
    const char *owner = args_get(args, "owner");
    JsonWriter json = json_writer(body);
    json_object(&json);
    json_put_array(&json, "matchers");
    for (size_t i = 0; i < args->word_count; i++) {
        json_str(&json, str_of(args->words[i]));
    }
    json_end(&json);
    json_put_str(&json, "reason", str_of(args_get(args, "reason")));
    json_put_str(&json, "owner", owner ? str_of(owner) : client_author(args));
    json_put_str(&json, "mode", str_of(mode ? mode : "all"));
    if (!put_end(&json, args, clock_now(), err) || !weekly_put(&json, args, err)) {
        return false;
    }
    json_end(&json);
    return true;
}

static int set_flag(const Args *args, Arena *arena, Err *err) {
    AUTO(buf_finish) Buf body = {0};
    cJSON *answer = NULL;
    if (args->word_count == 0 || !args_get(args, "reason")) {
        return command_usage(args->spec, "a flag needs matchers and a --reason");
    }
    Str path = arena_printf(arena, "/api/v1/maintenance?actor=%.*s",
                            STR_ARG(client_escape(arena, client_author(args))));
    if (!flag_body(args, &body, err) ||
        !client_json(client_url(args, arena), "POST", path, buf_view(&body), &answer, err)) {
        return EXIT_FAILED;
    }
    puts(client_text(answer, "id"));
    cJSON_Delete(answer);
    return EXIT_DONE;
}

static int maintenance_on(int argc, char **argv) {
    static const ArgOption options[] = {
        {"until", "TIME",
         "18:00 (next time the clock shows it), 2030-01-31, \"2030-01-31 18:00\", RFC 3339 or "
         "Unix seconds"},
        {"for", "SPAN", "instead of --until: 2h, 3d"},
        {"review", "TIME", "open end, but ask again then"},
        {"reason", "TEXT", "why (required)"},
        {"owner", "NAME", "who answers for it (default: the author)"},
        CLIENT_AUTHOR_OPTION,
        {"mode", "MODE", "all (default), below_critical, or hold: ring at its end for what burns"},
        WEEKLY_OPTIONS,
        CLIENT_URL_OPTION,
        {NULL, NULL, NULL},
    };
    static const ArgSpec spec = {
        "belfry maintenance on MATCHER... --until TIME --reason TEXT [OPTIONS]",
        "Keeps every alert that matches from ringing: cluster=staging-1, team=db, node=~\"a.*\".\n"
        "Prints the flag's id; it is durable when printed.",
        options,
    };
    return command_run(argc, argv, &spec, set_flag);
}

static bool load_flags(const Args *args, cJSON **ret_answer, cJSON **ret_list, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    if (!client_json(client_url(args, &arena), "GET", STR("/api/v1/maintenance"), STR(""),
                     ret_answer, err)) {
        return false;
    }
    cJSON *data = cJSON_GetObjectItem(*ret_answer, "data");
    *ret_list = cJSON_IsArray(data) ? data : *ret_answer;
    return true;
}

static void print_flag(const cJSON *flag) {
    const char *end = client_text(flag, "ends_at");
    const char *review = client_text(flag, "review_at"), *origin = client_text(flag, "origin");
    printf("%s  %-14s %s %s  owner %s: %s\n   ", client_text(flag, "id"), client_text(flag, "mode"),
           *end      ? "until"
           : *review ? "review"
                     : "by its",
           *end      ? end
           : *review ? review
                     : "schedule",
           client_text(flag, "owner"), client_text(flag, "reason"));
    const cJSON *matcher;
    cJSON_ArrayForEach(matcher, cJSON_GetObjectItem(flag, "matchers")) {
        printf(" %s", cJSON_IsString(matcher) ? matcher->valuestring : "");
    }
    const cJSON *schedule = cJSON_GetObjectItem(flag, "schedule");
    char *windows = schedule ? cJSON_PrintUnformatted(schedule) : NULL;
    if (*origin && strcmp(origin, "api") != 0) {
        printf("  (by %s)", origin);
    }
    printf("%s%s%s%s\n", cJSON_IsTrue(cJSON_GetObjectItem(flag, "active")) ? "" : "  (not active)",
           cJSON_IsTrue(cJSON_GetObjectItem(flag, "forgotten")) ? "  (review overdue)" : "",
           windows ? "  only in " : "", windows ? windows : "");
    cJSON_free(windows);
}

/* True if `word` is one of the flag's matchers, as the server prints them. */
static bool has_matcher(const cJSON *flag, const char *word) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(buf_finish) Buf text = {0};
    Matcher want;
    Err err = {0};
    if (!matcher_parse(&arena, str_of(word), &want, &err)) {
        return false;
    }
    matcher_print(&text, &want);
    matcher_finish(&want);
    bool found = false;
    const cJSON *matcher;
    cJSON_ArrayForEach(matcher, cJSON_GetObjectItem(flag, "matchers")) {
        found = found ||
                (cJSON_IsString(matcher) && str_eq(buf_view(&text), str_of(matcher->valuestring)));
    }
    return found;
}

/* True if all words of the command line are among the flag's matchers. */
static bool has_words(const cJSON *flag, const Args *args) {
    for (size_t i = 0; i < args->word_count; i++) {
        if (!has_matcher(flag, args->words[i])) {
            return false;
        }
    }
    return true;
}

/* Leaves the flags that the words of the command line ask for. */
static bool filter_flags(cJSON *list, const Args *args, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    for (size_t i = 0; i < args->word_count; i++) {
        Matcher matcher;
        if (!matcher_parse(&arena, str_of(args->words[i]), &matcher, err)) {
            return false;
        }
        matcher_finish(&matcher);
    }
    cJSON *next;
    for (cJSON *flag = list->child; flag; flag = next) {
        next = flag->next;
        if (!has_words(flag, args)) {
            cJSON_Delete(cJSON_DetachItemViaPointer(list, flag));
        }
    }
    return true;
}

static int list_flags(const Args *args, Arena *arena, Err *err) {
    (void)arena;
    cJSON *answer = NULL, *list;
    const cJSON *flag;
    if (!load_flags(args, &answer, &list, err) || !filter_flags(list, args, err)) {
        cJSON_Delete(answer);
        return EXIT_FAILED;
    }
    if (args_has(args, "json")) {
        char *text = cJSON_PrintUnformatted(list);
        puts(text);
        cJSON_free(text);
        list = NULL;
    }
    cJSON_ArrayForEach(flag, list) {
        print_flag(flag);
    }
    cJSON_Delete(answer);
    return EXIT_DONE;
}

static int maintenance_list(int argc, char **argv) {
    static const ArgOption options[] = {
        {"json", NULL, "as JSON"}, CLIENT_URL_OPTION, {NULL, NULL, NULL}};
    static const ArgSpec spec = {
        "belfry maintenance list [MATCHER...] [OPTIONS]",
        "Lists flags, in the order of their start: all, or those that have these matchers.",
        options};
    return command_run(argc, argv, &spec, list_flags);
}

static bool clear_flag(const Args *args, const char *id, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    Str answer;
    Str path = arena_printf(&arena, "/api/v1/maintenance/%.*s?actor=%.*s",
                            STR_ARG(client_escape(&arena, str_of(id))),
                            STR_ARG(client_escape(&arena, client_author(args))));
    return client_call(client_url(args, &arena), "DELETE", path, STR(""), &arena, &answer, err) ||
           err_context(err, "flag %s", id);
}

/* Clears the flags whose matchers are the words of the command line. */
static bool clear_by_matchers(const Args *args, Err *err) {
    cJSON *answer = NULL;
    cJSON *list = NULL;
    if (!load_flags(args, &answer, &list, err)) {
        return false;
    }
    size_t cleared = 0;
    bool good = true;
    const cJSON *flag;
    cJSON_ArrayForEach(flag, list) {
        int count = cJSON_GetArraySize(cJSON_GetObjectItem(flag, "matchers"));
        if (good && (size_t)count == args->word_count && has_words(flag, args)) {
            good = clear_flag(args, client_text(flag, "id"), err);
            cleared += good;
        }
    }
    cJSON_Delete(answer);
    if (good && cleared == 0) {
        return err_set(err, ERR_NOT_FOUND,
                       "no flag has these matchers; see belfry maintenance list");
    }
    return good;
}

static int clear_flags(const Args *args, Arena *arena, Err *err) {
    (void)arena;
    if (args->word_count == 0) {
        return command_usage(args->spec, "which flag?");
    }
    if (strpbrk(args->words[0], "=~")) {
        return clear_by_matchers(args, err) ? EXIT_DONE : EXIT_FAILED;
    }
    int status = EXIT_DONE;
    for (size_t i = 0; i < args->word_count; i++) {
        Err failure = {0};
        if (!clear_flag(args, args->words[i], &failure)) {
            status = command_fail(&failure);
        }
    }
    return status;
}

static int maintenance_off(int argc, char **argv) {
    static const ArgOption options[] = {
        CLIENT_AUTHOR_OPTION, CLIENT_URL_OPTION, {NULL, NULL, NULL}};
    static const ArgSpec spec = {
        "belfry maintenance off ID...|MATCHER...",
        "Clears flags by id, or those set with exactly these matchers (cluster=staging-1).",
        options};
    return command_run(argc, argv, &spec, clear_flags);
}

int command_maintenance(int argc, char **argv) {
    static const CommandAction actions[] = {
        {"on", maintenance_on, "set a flag: what matches does not ring"},
        {"off", maintenance_off, "clear it"},
        {"list", maintenance_list, "show flags"},
        {NULL, NULL, NULL},
    };
    return command_dispatch(argc, argv, "belfry maintenance on|off|list [OPTIONS]", actions);
}
