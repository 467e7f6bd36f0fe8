/* belfry route: where an alert with these labels goes, and when; from a running server, or from a
 * file that no server runs yet. */

#include <stdio.h>

#include "app/command.h"
#include "app/commands.h"
#include "app/config.h"
#include "base/file.h"
#include "base/json.h"
#include "base/number.h"
#include "notify/notify.h"

enum { FILE_BYTES_MAX = 64 << 20 };

/* ---- asking a file ---- */

static NotifyConfig *load_file(Str path, Problems *problems) {
    AUTO(arena_finish) Arena arena = {0};
    static const YamlNode nothing = {.kind = YAML_NULL};
    Str text;
    Err err = {0};
    YamlDocs docs = {0};
    if (!file_read(&arena, path.ptr, FILE_BYTES_MAX, &text, &err)) {
        problems_add(problems, path, 0, 0, "%s", err.text);
        return NULL;
    }
    if (!yaml_parse(&arena, text, path, &docs, problems)) {
        return NULL;
    }
    NotifyConfigSource source = {.notify = docs.count ? docs.items[0] : &nothing, .file = path};
    return notify_config_load(&source, problems);
}

static NotifyConfig *load_config(Str path, Problems *problems) {
    Config *config = config_load(path, problems);
    NotifyConfig *loaded = NULL;
    if (config) {
        NotifyConfigSource source = {.notify = config->notify,
                                     .severities = config->severities,
                                     .maintenance = config->maintenance,
                                     .file = path,
                                     .external_url = config->web.external_url};
        loaded = notify_config_load(&source, problems);
    }
    config_free(config);
    return loaded;
}

static bool load(const Args *args, NotifyConfig **ret_config, Err *err) {
    Problems problems = {0};
    const char *file = args_get(args, "file"), *config = args_get(args, "config");
    *ret_config = file     ? load_file(str_of(file), &problems)
                  : config ? load_config(str_of(config), &problems)
                           : NULL;
    bool good = *ret_config || (!file && !config) || problems_err(&problems, err);
    problems_finish(&problems);
    return good;
}

/* ---- the question ---- */

static bool read_labels(const Args *args, Arena *arena, LabelSet *ret_labels, Err *err) {
    Label *items = arena_array(arena, Label, args->word_count + 1);
    for (size_t i = 0; i < args->word_count; i++) {
        Str word = str_of(args->words[i]);
        size_t equals = str_find(word, '=');
        if (equals == 0 || equals == word.len || word.ptr[equals - 1] == '!' ||
            (equals + 1 < word.len && word.ptr[equals + 1] == '~')) {
            return err_set(err, ERR_INVALID, "\"%s\" is no label: expected name=value",
                           args->words[i]);
        }
        Str value = str_skip(word, equals + 1);
        if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"') {
            value = (Str){value.ptr + 1, value.len - 2};
        }
        items[i] = (Label){{word.ptr, equals}, value};
    }
    return labels_build(items, args->word_count, ret_labels, err) && labels_valid(*ret_labels, err);
}

static bool read_time(const Args *args, TimeMs *ret_time, Err *err) {
    const char *text = args_get(args, "time");
    *ret_time = clock_now();
    return !text || time_parse(str_of(text), ret_time, err) || err_context(err, "--time");
}

/* The answer as JSON, the same from a file and from a server. */
static bool ask(const Args *args, const NotifyConfig *config, LabelSet labels, TimeMs time,
                cJSON **ret_answer, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(buf_finish) Buf text = {0};
    if (config) {
        JsonWriter json = json_writer(&text);
        notify_config_route_json(config, labels, time, &json);
        *ret_answer = cJSON_ParseWithLength(text.ptr, text.len);
        return true;
    }
    buf_printf(&text, "/api/v1/route?time=%lld.%03lld", (long long)(time / SECOND_MS),
               (long long)(time % SECOND_MS));
    for (size_t i = 0; i < labels.count; i++) {
        Str pair = arena_printf(&arena, "%.*s=%.*s", STR_ARG(labels.items[i].name),
                                STR_ARG(labels.items[i].value));
        buf_printf(&text, "&label=%.*s", STR_ARG(client_escape(&arena, pair)));
    }
    cJSON *answer = NULL;
    if (!client_json(client_url(args, &arena), "GET", buf_view(&text), STR(""), &answer, err)) {
        return false;
    }
    *ret_answer = cJSON_DetachItemFromObject(answer, "data");
    cJSON_Delete(answer);
    return *ret_answer != NULL || err_set(err, ERR_INVALID, "the server's answer makes no sense");
}

static bool show_tree(const Args *args, const NotifyConfig *config, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(buf_finish) Buf text = {0};
    const char *format = args_get(args, "format");
    bool yaml = format && strcmp(format, "yaml") == 0;
    Str answer;
    if (config) {
        notify_config_route_print(config, yaml, &text);
        answer = buf_view(&text);
    } else if (!client_call(client_url(args, &arena), "GET",
                            yaml ? STR("/api/v1/route?format=yaml") : STR("/api/v1/route"), STR(""),
                            &arena, &answer, err)) {
        return false;
    }
    fwrite(answer.ptr, 1, answer.len, stdout);
    return true;
}

/* ---- the answer ---- */

static void print_receivers(const cJSON *routes) {
    const cJSON *route;
    const char *comma = "";
    printf("receivers: ");
    cJSON_ArrayForEach(route, routes) {
        printf("%s%s", comma, client_text(route, "receiver"));
        comma = ", ";
    }
    printf("\n");
}

static void print_window(const cJSON *route) {
    const char *held = client_text(route, "held_by"), *change = client_text(route, "changes_at");
    const char *digest = client_text(route, "digest");
    if (*digest) {
        printf("   held for the digest of %s at %s\n", digest, client_text(route, "digest_at"));
    } else if (*held) {
        bool outside = cJSON_IsTrue(cJSON_GetObjectItem(route, "outside"));
        printf("   silent: %s %s", outside ? "outside of" : "in", held);
    } else {
        printf("   rings");
    }
    if (!*digest) {
        printf(*change ? ", until %s\n" : "\n", change);
    }
}

static void print_route(const cJSON *route, int number) {
    const cJSON *item, *integrations = cJSON_GetObjectItem(route, "integrations");
    printf("\n%d. %s", number, client_text(route, "receiver"));
    cJSON_ArrayForEach(item, integrations) {
        printf("%s%s: %s", item == integrations->child ? "  (" : ", ", client_text(item, "type"),
               client_text(item, "tells"));
    }
    printf(integrations && integrations->child ? ")\n" : "  (recorded, never delivered)\n");
    printf("   route %s\n   group {", client_text(route, "route"));
    const char *comma = "";
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(route, "group_labels")) {
        printf("%s%s=\"%s\"", comma, item->string, item->valuestring);
        comma = ", ";
    }
    printf("}, wait %s, interval %s, repeat %s\n", client_text(route, "group_wait"),
           client_text(route, "group_interval"), client_text(route, "repeat_interval"));
    print_window(route);
}

static void print_answer(const cJSON *answer, const char *format) {
    const cJSON *route, *routes = cJSON_GetObjectItem(answer, "routes");
    if (format && strcmp(format, "json") == 0) {
        char *text = cJSON_Print(answer);
        puts(text);
        cJSON_free(text);
        return;
    }
    int number = 0;
    print_receivers(routes);
    cJSON_ArrayForEach(route, routes) {
        print_route(route, ++number);
    }
    if (cJSON_IsTrue(cJSON_GetObjectItem(answer, "shadow"))) {
        printf("\nshadow mode: decided and recorded, nothing is sent\n");
    }
}

/* --expect a,b: the receivers in order, as amtool's --verify.receivers. */
static bool is_expected(const cJSON *answer, const char *expect, Err *err) {
    AUTO(buf_finish) Buf found = {0};
    const cJSON *route;
    cJSON_ArrayForEach(route, cJSON_GetObjectItem(answer, "routes")) {
        buf_printf(&found, "%s%s", found.len ? "," : "", client_text(route, "receiver"));
    }
    return str_eq(buf_view(&found), str_of(expect)) ||
           err_set(err, ERR_INVALID, "expected receivers %s, found %.*s", expect,
                   STR_ARG(buf_view(&found)));
}

static bool route_labels(const Args *args, const NotifyConfig *config, Arena *arena, Err *err) {
    LabelSet labels;
    TimeMs time;
    cJSON *answer = NULL;
    const char *expect = args_get(args, "expect");
    if (!read_labels(args, arena, &labels, err) || !read_time(args, &time, err) ||
        !ask(args, config, labels, time, &answer, err)) {
        return false;
    }
    print_answer(answer, args_get(args, "format"));
    bool good = !expect || is_expected(answer, expect, err);
    cJSON_Delete(answer);
    return good;
}

static int route(const Args *args, Arena *arena, Err *err) {
    NotifyConfig *config = NULL;
    bool show = args_has(args, "show");
    if (show == (args->word_count > 0)) {
        return command_usage(args->spec, show ? "either labels or --show" : "which labels?");
    }
    if (args_get(args, "file") && args_get(args, "config")) {
        return command_usage(args->spec, "either --file or --config");
    }
    bool good = load(args, &config, err) &&
                (show ? show_tree(args, config, err) : route_labels(args, config, arena, err));
    notify_config_unref(config);
    return good ? EXIT_DONE : EXIT_FAILED;
}

int command_route(int argc, char **argv) {
    static const ArgOption options[] = {
        {"show", NULL, "the whole tree instead, `severities` expanded"},
        {"time", "TIME", "at another time: RFC 3339 or Unix seconds"},
        {"expect", "NAMES", "exit 1 unless these are the receivers, in order: a,b"},
        {"format", "FORM", "text (default), json; with --show: text or yaml"},
        {"config", "FILE", "ask this belfry.yml instead of a server"},
        {"file", "FILE", "ask this alertmanager.yml instead of a server"},
        CLIENT_URL_OPTION,
        {NULL, NULL, NULL},
    };
    static const ArgSpec spec = {
        "belfry route LABEL=VALUE... | --show [OPTIONS]",
        "Shows which routes and receivers an alert with these labels takes, how it is grouped, and "
        "whether it rings now\nor waits for a time interval or a digest.",
        options,
    };
    return command_run(argc, argv, &spec, route);
}
