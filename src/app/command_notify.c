/* belfry notify list|failed|retry|drop|ack|test: a client of /api/v1/notifications. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/command.h"
#include "app/commands.h"
#include "base/json.h"
#include "base/number.h"

/* ---- looking ---- */

static void print_notification(const cJSON *item) {
    const cJSON *alerts = cJSON_GetObjectItem(item, "alerts"), *alert, *label;
    const cJSON *id = cJSON_GetObjectItem(item, "id");
    const cJSON *attempts = cJSON_GetObjectItem(item, "attempts");
    const cJSON *count = cJSON_GetObjectItem(item, "alert_count");
    printf("%-8.0f %-9s %s (%s) %s: %s, since %s, %.0f attempts\n", id ? id->valuedouble : 0,
           client_text(item, "status"), client_text(item, "receiver"), client_text(item, "type"),
           client_text(item, "action"), client_text(item, "reason"),
           client_text(item, "created_at"), attempts ? attempts->valuedouble : 0);
    if (*client_text(item, "answer")) {
        printf("         answer: %s\n", client_text(item, "answer"));
    }
    int shown = 0;
    cJSON_ArrayForEach(alert, alerts) {
        if (shown++ == 3) {
            break;
        }
        printf("        ");
        cJSON_ArrayForEach(label, alert) {
            printf(" %s=%s", label->string, label->valuestring);
        }
        printf("\n");
    }
    if (count && count->valuedouble > 3) {
        printf("         and %.0f more\n", count->valuedouble - 3);
    }
}

static int list(const Args *args, Arena *arena, const char *status, Err *err) {
    cJSON *answer = NULL;
    const char *receiver = args_get(args, "receiver"), *format = args_get(args, "format");
    if (args->word_count) {
        return command_usage(args->spec, "no words expected");
    }
    Str path = arena_printf(arena, "/api/v1/notifications?status=%.*s&receiver=%.*s",
                            STR_ARG(client_escape(arena, str_of(status))),
                            STR_ARG(client_escape(arena, str_of(receiver))));
    if (!client_json(client_url(args, arena), "GET", path, STR(""), &answer, err)) {
        return EXIT_FAILED;
    }
    const cJSON *item, *data = cJSON_GetObjectItem(answer, "data");
    if (format && strcmp(format, "json") == 0) {
        char *text = cJSON_Print(data);
        puts(text);
        cJSON_free(text);
    } else {
        cJSON_ArrayForEach(item, data) {
            print_notification(item);
        }
        if (cJSON_GetArraySize(data) == 0) {
            printf("no notification %s\n", *status ? "has this status" : "waits or failed");
        }
    }
    cJSON_Delete(answer);
    return EXIT_DONE;
}

static int list_all(const Args *args, Arena *arena, Err *err) {
    const char *status = args_get(args, "status");
    return list(args, arena, status ? status : "", err);
}

static int list_failed(const Args *args, Arena *arena, Err *err) {
    return list(args, arena, "failed", err);
}

static int run_list(int argc, char **argv, bool failed) {
    static const ArgOption options[] = {
        {"status", "WORD", "only queued, sending, retrying, failed or delivered (tests)"},
        {"receiver", "NAME", "only of this receiver"},
        {"format", "FORM", "text (default) or json"},
        CLIENT_URL_OPTION,
        {NULL, NULL, NULL},
    };
    static const ArgSpec specs[2] = {
        {"belfry notify list [OPTIONS]",
         "Lists what waits to be delivered, what was refused for good, and the latest tests.",
         options},
        {"belfry notify failed [OPTIONS]",
         "Lists notifications that were refused for good, each with the answer.", options}};
    return command_run(argc, argv, &specs[failed], failed ? list_failed : list_all);
}

static int notify_list(int argc, char **argv) {
    return run_list(argc, argv, false);
}

static int notify_failed(int argc, char **argv) {
    return run_list(argc, argv, true);
}

/* ---- trying again, giving up ---- */

static bool read_id(const char *word, int64_t *ret_id, Err *err) {
    return (number_parse_int(str_of(word), ret_id) && *ret_id > 0) ||
           err_set(err, ERR_INVALID, "\"%s\" is no notification's id", word);
}

static int retry(const Args *args, Arena *arena, Err *err) {
    AUTO(buf_finish) Buf body = {0};
    JsonWriter json = json_writer(&body);
    cJSON *answer = NULL;
    if ((args->word_count > 0) == args_has(args, "all")) {
        return command_usage(args->spec, "either ids or --all");
    }
    json_object(&json);
    json_put_str(&json, "actor", client_author(args));
    if (args_has(args, "all")) {
        json_put_bool(&json, "all", true);
    } else {
        json_put_array(&json, "ids");
        for (size_t i = 0; i < args->word_count; i++) {
            int64_t id;
            if (!read_id(args->words[i], &id, err)) {
                return EXIT_FAILED;
            }
            json_int(&json, id);
        }
        json_end(&json);
    }
    json_end(&json);
    if (!client_json(client_url(args, arena), "POST", STR("/api/v1/notifications/retry"),
                     buf_view(&body), &answer, err)) {
        return EXIT_FAILED;
    }
    const cJSON *count = cJSON_GetObjectItem(cJSON_GetObjectItem(answer, "data"), "retried");
    printf("%.0f tried again\n", count ? count->valuedouble : 0);
    cJSON_Delete(answer);
    return EXIT_DONE;
}

static int notify_retry_command(int argc, char **argv) {
    static const ArgOption options[] = {
        {"all", NULL, "all that failed"},
        CLIENT_AUTHOR_OPTION,
        CLIENT_URL_OPTION,
        {NULL, NULL, NULL},
    };
    static const ArgSpec spec = {"belfry notify retry ID...|--all",
                                 "Tries notifications again at once.", options};
    return command_run(argc, argv, &spec, retry);
}

static int drop(const Args *args, Arena *arena, Err *err) {
    (void)err; /* each id has its own */
    int status = args->word_count ? EXIT_DONE : command_usage(args->spec, "which notification?");
    Str actor = client_escape(arena, client_author(args));
    for (size_t i = 0; i < args->word_count; i++) {
        Err failure = {0};
        int64_t id;
        Str answer;
        if (!read_id(args->words[i], &id, &failure) ||
            !client_call(client_url(args, arena), "DELETE",
                         arena_printf(arena, "/api/v1/notifications/%lld?actor=%.*s", (long long)id,
                                      STR_ARG(actor)),
                         STR(""), arena, &answer, &failure)) {
            status = command_fail(&failure);
        }
    }
    return status;
}

static int notify_drop_command(int argc, char **argv) {
    static const ArgOption options[] = {
        CLIENT_AUTHOR_OPTION, CLIENT_URL_OPTION, {NULL, NULL, NULL}};
    static const ArgSpec spec = {
        "belfry notify drop ID...",
        "Gives notifications up: they are not sent. The ledger keeps that.", options};
    return command_run(argc, argv, &spec, drop);
}

/* ---- tests ---- */

static bool put_labels(JsonWriter *json, const Args *args, Err *err) {
    const char *const *texts;
    size_t count = args_all(args, "labels", &texts);
    if (count + args->word_count == 0) {
        return true;
    }
    json_put_object(json, "labels");
    for (size_t i = 0; i < count + args->word_count; i++) {
        /* A list with commas, too: --labels a=b,c=d */
        Str rest = str_of(i < count ? texts[i] : args->words[i - count]);
        while (rest.len) {
            size_t comma = i < count ? str_find(rest, ',') : rest.len;
            Str pair = {rest.ptr, comma};
            size_t equals = str_find(pair, '=');
            if (equals == 0 || equals == pair.len) {
                return err_set(err, ERR_INVALID, "\"%.*s\" is no label: expected name=value",
                               STR_ARG(pair));
            }
            json_key(json, (Str){pair.ptr, equals});
            json_str(json, str_skip(pair, equals + 1));
            rest = str_skip(rest, comma < rest.len ? comma + 1 : comma);
        }
    }
    json_end(json);
    return true;
}

static bool test_body(const Args *args, Buf *body, Err *err) {
    JsonWriter json = json_writer(body);
    json_object(&json);
    if (args_get(args, "receiver")) {
        json_put_str(&json, "receiver", str_of(args_get(args, "receiver")));
    }
    if (!put_labels(&json, args, err)) {
        return false;
    }
    json_put_bool(&json, "resolve", args_has(args, "resolve"));
    json_put_bool(&json, "ignore_windows", args_has(args, "any-time"));
    json_put_str(&json, "actor", client_author(args));
    json_end(&json);
    return true;
}

/* Waits for the answer to one notification. True if it was delivered. */
static bool await(const Args *args, int64_t id, TimeMs until, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    bool delivered = false, done = false;
    while (!done) {
        cJSON *answer = NULL;
        Str path = arena_printf(&arena, "/api/v1/notifications?id=%lld", (long long)id);
        if (!client_json(client_url(args, &arena), "GET", path, STR(""), &answer, err)) {
            return false;
        }
        const cJSON *item = cJSON_GetArrayItem(cJSON_GetObjectItem(answer, "data"), 0);
        const char *status = client_text(item, "status");
        delivered = strcmp(status, "delivered") == 0;
        done = !item || delivered || strcmp(status, "failed") == 0 || clock_now() >= until;
        if (done) {
            printf("%s: %s\n", item ? status : "gone", client_text(item, "answer"));
        }
        cJSON_Delete(answer);
        if (!done) {
            usleep(100 * 1000);
        }
    }
    return delivered || err_set(err, ERR_IO, "notification %lld was not delivered", (long long)id);
}

/* Tells of each target, and waits for its answer. */
static int follow(const Args *args, const cJSON *targets, DurationMs wait) {
    const cJSON *target;
    int status = EXIT_DONE;
    TimeMs until = clock_now() + wait;
    cJSON_ArrayForEach(target, targets) {
        const cJSON *id = cJSON_GetObjectItem(target, "id");
        const cJSON *end = cJSON_GetObjectItem(target, "resolve_id");
        Err err = {0};
        printf("%s", client_text(target, "receiver"));
        if (!*client_text(target, "integration")) {
            printf(": tells nobody\n");
        } else if (!id) {
            printf(" (%s): held by %s until %s; --any-time sends it anyway\n",
                   client_text(target, "type"), client_text(target, "held_by"),
                   client_text(target, "held_until"));
        } else if (printf(" (%s) ", client_text(target, "type")),
                   !await(args, (int64_t)id->valuedouble, until, &err)) {
            status = command_fail(&err);
        } else if (end && (printf("%s (%s) resolve ", client_text(target, "receiver"),
                                  client_text(target, "type")),
                           !await(args, (int64_t)end->valuedouble, until, &err))) {
            status = command_fail(&err);
        }
    }
    return status;
}

static bool read_wait(const Args *args, DurationMs *ret_wait, Err *err) {
    const char *text = args_get(args, "wait");
    *ret_wait = 30 * SECOND_MS;
    return !text || duration_parse(str_of(text), ret_wait, err) || err_context(err, "--wait");
}

static int send_test(const Args *args, Arena *arena, Err *err) {
    AUTO(buf_finish) Buf body = {0};
    cJSON *answer = NULL;
    DurationMs wait;
    bool labels = args_has(args, "labels") || args->word_count;
    if (labels == (args_get(args, "receiver") != NULL)) {
        return command_usage(args->spec, "either --receiver or --labels");
    }
    if (!read_wait(args, &wait, err) || !test_body(args, &body, err) ||
        !client_json(client_url(args, arena), "POST", STR("/api/v1/notifications/test"),
                     buf_view(&body), &answer, err)) {
        return EXIT_FAILED;
    }
    int status = follow(args, cJSON_GetObjectItem(answer, "data"), wait);
    cJSON_Delete(answer);
    return status;
}

static int notify_test_command(int argc, char **argv) {
    static const ArgOption options[] = {
        {"receiver", "NAME", "through this receiver"},
        {"labels", "LIST", "through the routes an alert with these labels takes: a=b,c=d"},
        {"resolve", NULL, "also send its end, so that no incident stays open"},
        {"any-time", NULL, "also where a time interval or a digest would hold it now"},
        {"wait", "SPAN", "how long to wait for the answers (default 30s)"},
        CLIENT_AUTHOR_OPTION,
        CLIENT_URL_OPTION,
        {NULL, NULL, NULL},
    };
    static const ArgSpec spec = {
        "belfry notify test --receiver NAME | --labels a=b,c=d [OPTIONS]",
        "Sends a test, marked as one, through the real outbox and delivery, and shows what was "
        "answered.\nExit status 1 if any was not delivered.",
        options,
    };
    return command_run(argc, argv, &spec, send_test);
}

/* ---- acknowledging ---- */

static int acknowledge(const Args *args, Arena *arena, Err *err) {
    AUTO(buf_finish) Buf body = {0};
    JsonWriter json = json_writer(&body);
    cJSON *answer = NULL;
    if (args->word_count == 0 && !args_has(args, "labels")) {
        return command_usage(args->spec, "which alerts?");
    }
    json_object(&json);
    if (!put_labels(&json, args, err)) {
        return EXIT_FAILED;
    }
    json_put_str(&json, "comment", str_of(args_get(args, "comment")));
    json_put_str(&json, "actor", client_author(args));
    json_end(&json);
    if (!client_json(client_url(args, arena), "POST", STR("/api/v1/notifications/acknowledge"),
                     buf_view(&body), &answer, err)) {
        return EXIT_FAILED;
    }
    const cJSON *data = cJSON_GetObjectItem(answer, "data");
    const cJSON *alerts = cJSON_GetObjectItem(data, "alerts");
    const cJSON *passed_on = cJSON_GetObjectItem(data, "passed_on");
    printf("%.0f alerts acknowledged, %.0f incidents told\n", alerts ? alerts->valuedouble : 0,
           passed_on ? passed_on->valuedouble : 0);
    cJSON_Delete(answer);
    return EXIT_DONE;
}

static int notify_ack_command(int argc, char **argv) {
    static const ArgOption options[] = {
        {"labels", "LIST", "or as a list: a=b,c=d"},
        {"comment", "TEXT", "what is being done"},
        CLIENT_AUTHOR_OPTION,
        CLIENT_URL_OPTION,
        {NULL, NULL, NULL},
    };
    static const ArgSpec spec = {
        "belfry notify ack LABEL=VALUE... [OPTIONS]",
        "Says that somebody is on it, for every firing alert that has all of these labels; "
        "PagerDuty is told.",
        options,
    };
    return command_run(argc, argv, &spec, acknowledge);
}

int command_notify(int argc, char **argv) {
    static const CommandAction actions[] = {
        {"list", notify_list, "show what waits and what failed"},
        {"failed", notify_failed, "show what was refused for good, with the answers"},
        {"retry", notify_retry_command, "try notifications again at once"},
        {"drop", notify_drop_command, "give notifications up"},
        {"ack", notify_ack_command, "acknowledge what fires; PagerDuty is told"},
        {"test", notify_test_command, "send a marked test through a receiver or a route"},
        {NULL, NULL, NULL},
    };
    return command_dispatch(argc, argv, "belfry notify list|failed|retry|drop|ack|test [OPTIONS]",
                            actions);
}
