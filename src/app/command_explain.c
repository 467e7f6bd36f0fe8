/* belfry explain: why was I paged, why was I not? A client of /api/v1/explain. */

#include <stdio.h>

#include "app/command.h"
#include "app/commands.h"
#include "base/number.h"
#include "model/matcher.h"

/* The words after the name as one selector: {cluster="a",severity=~"c.*"}. */
static bool put_selector(const Args *args, size_t from, Buf *selector, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    buf_byte(selector, '{');
    for (size_t i = from; i < args->word_count; i++) {
        Matcher matcher;
        if (!matcher_parse(&arena, str_of(args->words[i]), &matcher, err)) {
            return false;
        }
        buf_str(selector, i > from ? STR(",") : STR(""));
        matcher_print(selector, &matcher);
        matcher_finish(&matcher);
    }
    buf_byte(selector, '}');
    return true;
}

static bool explain_path(const Args *args, Buf *path, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(buf_finish) Buf selector = {0};
    const char *limit = args_get(args, "limit");
    bool named = args->word_count && !strpbrk(args->words[0], "={");
    buf_str(path, STR("/api/v1/explain?"));
    if (!client_last(args, DAY_MS, clock_now(), path, err)) {
        return false;
    }
    if (named) {
        Str name = client_escape(&arena, str_of(args->words[0]));
        buf_printf(path, "&alert=%.*s", STR_ARG(name));
    }
    if (args->word_count > named) {
        if (!put_selector(args, named, &selector, err)) {
            return false;
        }
        Str text = client_escape(&arena, buf_view(&selector));
        buf_printf(path, "&match[]=%.*s", STR_ARG(text));
    }
    if (limit) {
        Str text = client_escape(&arena, str_of(limit));
        buf_printf(path, "&limit=%.*s", STR_ARG(text));
    }
    return true;
}

static void print_labels(const cJSON *labels) {
    const char *comma = "";
    const cJSON *label;
    printf("{");
    cJSON_ArrayForEach(label, labels) {
        printf("%s%s=\"%s\"", comma, label->string,
               cJSON_IsString(label) ? label->valuestring : "");
        comma = ", ";
    }
    printf("}");
}

static void print_alert(const cJSON *alert) {
    print_labels(cJSON_GetObjectItem(alert, "labels"));
    const char *since = client_text(alert, "since");
    printf("\n  fingerprint %s, %s%s%s\n  %s.\n\n", client_text(alert, "fingerprint"),
           client_text(alert, "state"), *since ? " since " : "", since,
           client_text(alert, "verdict"));
    const cJSON *event;
    cJSON_ArrayForEach(event, cJSON_GetObjectItem(alert, "timeline")) {
        printf("  %s  %-13s %s\n", client_text(event, "at"), client_text(event, "event"),
               client_text(event, "text"));
    }
    printf("\n");
}

static void print_answer(const cJSON *answer) {
    const cJSON *data = cJSON_GetObjectItem(answer, "data");
    const cJSON *alerts = cJSON_GetObjectItem(data, "alerts");
    const cJSON *matched = cJSON_GetObjectItem(data, "matched");
    const cJSON *item;
    cJSON_ArrayForEach(item, alerts) {
        print_alert(item);
    }
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(data, "notes")) {
        printf("%s\n", cJSON_IsString(item) ? item->valuestring : "");
    }
    int left = (cJSON_IsNumber(matched) ? matched->valueint : 0) - cJSON_GetArraySize(alerts);
    if (left > 0) {
        printf("%d more alerts match: name them more closely, or raise --limit\n", left);
    }
}

static int explain(const Args *args, Arena *arena, Err *err) {
    AUTO(buf_finish) Buf path = {0};
    Str text;
    if (args->word_count == 0) {
        return command_usage(args->spec, "which alert?");
    }
    if (!explain_path(args, &path, err) ||
        !client_call(client_url(args, arena), "GET", buf_view(&path), STR(""), arena, &text, err)) {
        return EXIT_FAILED;
    }
    if (args_has(args, "json")) {
        printf("%.*s\n", STR_ARG(text));
        return EXIT_DONE;
    }
    cJSON *answer = cJSON_ParseWithLength(text.ptr, text.len);
    print_answer(answer);
    /* As grep does: 1 says that nothing was found. */
    const cJSON *data = cJSON_GetObjectItem(answer, "data");
    bool found = cJSON_GetArraySize(cJSON_GetObjectItem(data, "alerts")) > 0;
    cJSON_Delete(answer);
    return found ? EXIT_DONE : EXIT_FAILED;
}

int command_explain(int argc, char **argv) {
    static const ArgOption options[] = {
        {"last", "SPAN", "how far back (default 1d); what still fires is shown from its start"},
        {"limit", "COUNT", "alerts at most (default 20)"},
        {"json", NULL, "the server's answer as it is"},
        CLIENT_URL_OPTION,
        {NULL, NULL, NULL},
    };
    static const ArgSpec spec = {
        "belfry explain ALERT|FINGERPRINT [MATCHER...] [OPTIONS]",
        "Why was I paged, why was I not? Shows what happened to an alert and each decision about\n"
        "it: where it was routed, what held it back until when and who asked for that, what was\n"
        "sent to whom, and what was answered.",
        options,
    };
    return command_run(argc, argv, &spec, explain);
}
