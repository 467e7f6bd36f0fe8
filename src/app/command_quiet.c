/* belfry silence preview|history|export|import: what a silence would catch, who did what to it, and
 * carrying silences from one server to another. */

#include <stdio.h>
#include <stdlib.h>

#include "app/command.h"
#include "app/command_quiet.h"
#include "app/commands.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

/* ---- preview ---- */

enum { PREVIEW_SHOWN = 50 };

static void print_caught(const cJSON *data) {
    const cJSON *alerts = cJSON_GetObjectItem(data, "alerts");
    const cJSON *week = cJSON_GetObjectItem(data, "lastWeek");
    const cJSON *alert, *label;
    int shown = cJSON_GetArraySize(alerts);
    double all = cJSON_GetNumberValue(cJSON_GetObjectItem(data, "alertCount"));
    printf("now: %.0f\n", all);
    cJSON_ArrayForEach(alert, alerts) {
        const char *comma = "  {";
        cJSON_ArrayForEach(label, cJSON_GetObjectItem(alert, "labels")) {
            printf("%s%s=\"%s\"", comma, label->string, cJSON_GetStringValue(label));
            comma = ", ";
        }
        printf("} since %s%s\n", client_text(alert, "startsAt"),
               cJSON_IsTrue(cJSON_GetObjectItem(alert, "suppressed")) ? " (quiet already)" : "");
    }
    if (all > shown) {
        printf("  and %.0f more\n", all - shown);
    }
    printf("last 7 days: %.0f alerts rang %.0f times\n",
           cJSON_GetNumberValue(cJSON_GetObjectItem(week, "alerts")),
           cJSON_GetNumberValue(cJSON_GetObjectItem(week, "firings")));
}

int quiet_preview(const Args *args, Arena *arena, Err *err) {
    AUTO(buf_finish) Buf body = {0};
    JsonWriter json = json_writer(&body);
    cJSON *answer = NULL;
    if (args->word_count == 0) {
        return command_usage(args->spec, "which alerts? Matchers are missing");
    }
    json_object(&json);
    json_put_array(&json, "matchers");
    for (size_t i = 0; i < args->word_count; i++) {
        json_str(&json, str_of(args->words[i]));
    }
    json_end(&json);
    json_put_int(&json, "limit", PREVIEW_SHOWN);
    json_end(&json);
    if (!client_json(client_url(args, arena), "POST", STR("/api/v1/silences/preview"),
                     buf_view(&body), &answer, err)) {
        return EXIT_FAILED;
    }
    print_caught(cJSON_GetObjectItem(answer, "data"));
    cJSON_Delete(answer);
    return EXIT_DONE;
}

int silence_preview(int argc, char **argv) {
    static const ArgOption options[] = {CLIENT_URL_OPTION, {NULL, NULL, NULL}};
    static const ArgSpec spec = {
        "belfry silence preview MATCHER... [OPTIONS]",
        "Shows which alerts a silence or maintenance flag with these matchers would keep quiet "
        "now,\n"
        "and how many it would have caught in the last 7 days. Sets nothing.",
        options,
    };
    return command_run(argc, argv, &spec, quiet_preview);
}

/* ---- history ---- */

static void print_history_row(const cJSON *row) {
    printf("%s  %-18s by %s%s from %s: %s\n", client_text(row, "at"), client_text(row, "action"),
           client_text(row, "actor"),
           cJSON_IsTrue(cJSON_GetObjectItem(row, "claimed")) ? " (claimed)" : "",
           client_text(row, "address"), client_text(row, "reason"));
    const cJSON *after = cJSON_GetObjectItem(row, "after");
    if (cJSON_IsObject(after)) {
        char *text = cJSON_PrintUnformatted(after);
        printf("    %s\n", text);
        cJSON_free(text);
    }
}

static int history(const Args *args, Arena *arena, Err *err) {
    Str answer;
    if (args->word_count != 1) {
        return command_usage(args->spec, "which one? One id is needed");
    }
    Str path = arena_printf(arena, "/api/v1/audit?subject=%.*s",
                            STR_ARG(client_escape(arena, str_of(args->words[0]))));
    if (!client_call(client_url(args, arena), "GET", path, STR(""), arena, &answer, err)) {
        return EXIT_FAILED;
    }
    if (!answer.len) {
        err_set(err, ERR_NOT_FOUND, "nothing was ever done to \"%s\"", args->words[0]);
        return EXIT_FAILED;
    }
    while (answer.len) {
        size_t end = str_find(answer, '\n');
        cJSON *row = cJSON_ParseWithLength(answer.ptr, end);
        print_history_row(row);
        cJSON_Delete(row);
        answer = str_skip(answer, end < answer.len ? end + 1 : end);
    }
    return EXIT_DONE;
}

int silence_history(int argc, char **argv) {
    static const ArgOption options[] = {CLIENT_URL_OPTION, {NULL, NULL, NULL}};
    static const ArgSpec spec = {"belfry silence history ID [OPTIONS]",
                                 "Who did what to a silence or maintenance flag, when and why.",
                                 options};
    return command_run(argc, argv, &spec, history);
}

/* ---- export and import, in the JSON of amtool ---- */

bool quiet_is_flag(const cJSON *silence) {
    return *client_text(cJSON_GetObjectItem(silence, "annotations"), "maintenance");
}

static int export(const Args *args, Arena *arena, Err *err) {
    cJSON *list = NULL, *next;
    Str path =
        args_has(args, "all") ? STR("/api/v2/silences") : STR("/api/v2/silences?expired=false");
    if (!client_json(client_url(args, arena), "GET", path, STR(""), &list, err)) {
        return EXIT_FAILED;
    }
    for (cJSON *silence = list ? list->child : NULL; silence; silence = next) {
        next = silence->next;
        if (quiet_is_flag(silence)) {
            cJSON_Delete(cJSON_DetachItemViaPointer(list, silence));
        }
    }
    char *text = cJSON_PrintUnformatted(list);
    puts(text);
    cJSON_free(text);
    cJSON_Delete(list);
    return EXIT_DONE;
}

int silence_export(int argc, char **argv) {
    static const ArgOption options[] = {
        {"all", NULL, "also expired ones"}, CLIENT_URL_OPTION, {NULL, NULL, NULL}};
    static const ArgSpec spec = {"belfry silence export [OPTIONS]",
                                 "Prints silences as JSON, which `belfry silence import` and "
                                 "`amtool silence import` read.",
                                 options};
    return command_run(argc, argv, &spec, export);
}

/* A silence of another server is a new one here: its id means nothing. */
static bool import_one(Str url, cJSON *silence, bool force, Err *err) {
    cJSON *answer = NULL;
    const char *comment = client_text(silence, "comment");
    if (!cJSON_IsObject(silence)) {
        return err_set(err, ERR_INVALID, "expected silences in the list, each an object");
    }
    if (quiet_is_flag(silence)) {
        return err_set(err, ERR_INVALID,
                       "\"%s\" is a maintenance flag: set it by belfry maintenance on", comment);
    }
    cJSON_DeleteItemFromObject(silence, "id");
    cJSON_DeleteItemFromObject(silence, "status");
    cJSON_DeleteItemFromObject(silence, "updatedAt");
    if (force) {
        cJSON_AddTrueToObject(silence, "force");
    }
    char *text = cJSON_PrintUnformatted(silence);
    bool ok = client_json(url, "POST", STR("/api/v2/silences"), str_of(text), &answer, err) ||
              err_context(err, "silence \"%s\"", comment);
    cJSON_free(text);
    if (ok) {
        puts(client_text(answer, "silenceID"));
    }
    cJSON_Delete(answer);
    return ok;
}

/* Goes on after one that is refused; false if there was one, which has been told. */
static bool import_list(const Args *args, Arena *arena, cJSON *list) {
    bool all = true;
    cJSON *silence;
    cJSON_ArrayForEach(silence, list) {
        Err failure = {0};
        if (!import_one(client_url(args, arena), silence, args_has(args, "force"), &failure)) {
            command_fail(&failure);
            all = false;
        }
    }
    return all;
}

static bool import_file(const Args *args, Arena *arena, const char *word) {
    enum { IMPORT_BYTES_MAX = 64 << 20 };
    const char *path = strcmp(word, "-") == 0 ? "/dev/stdin" : word;
    Str text;
    Err err = {0};
    if (!file_read(arena, path, IMPORT_BYTES_MAX, &text, &err)) {
        command_fail(&err);
        return false;
    }
    cJSON *list = cJSON_ParseWithLength(text.ptr, text.len);
    bool good = cJSON_IsArray(list);
    if (good) {
        good = import_list(args, arena, list);
    } else {
        err_set(&err, ERR_INVALID, "%s: expected a JSON list of silences", path);
        command_fail(&err);
    }
    cJSON_Delete(list);
    return good;
}

static int import_all(const Args *args, Arena *arena, Err *err) {
    (void)err; /* each has its own */
    bool good = args->word_count || import_file(args, arena, "-");
    for (size_t i = 0; i < args->word_count; i++) {
        good = import_file(args, arena, args->words[i]) && good;
    }
    return good ? EXIT_DONE : EXIT_FAILED;
}

int silence_import(int argc, char **argv) {
    static const ArgOption options[] = {
        {"force", NULL, "also those that would match every alert"},
        CLIENT_URL_OPTION,
        {NULL, NULL, NULL},
    };
    static const ArgSpec spec = {"belfry silence import [FILE...] [OPTIONS]",
                                 "Sets the silences of JSON lists, from FILEs or standard input; "
                                 "prints their new ids.\nGoes on after one that is refused, and "
                                 "exits with 1.",
                                 options};
    return command_run(argc, argv, &spec, import_all);
}
