/* belfry backup create | list | restore. Creating asks a running server, or opens the data
 * directory itself where there is none; listing and restoring need no server. */

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/command.h"
#include "app/commands.h"
#include "app/config.h"
#include "backup/backup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/number.h"

#define PLACE_OPTIONS(word)                                                                        \
    {word, "PLACE", "a folder or s3://BUCKET/PREFIX (default backup.to of --config)"},             \
        {"config", "FILE", "belfry.yml, for its section `backup`"},                                \
        {"endpoint", "URL", "of the bucket, if it is not AWS' (or $AWS_ENDPOINT_URL)"},            \
        {"region", "NAME", "of the bucket (or $AWS_REGION; default us-east-1)"}, {                 \
        "access-key", "KEY",                                                                       \
            "of the bucket (or $AWS_ACCESS_KEY_ID; the secret key only by "                        \
            "$AWS_SECRET_ACCESS_KEY\n                               or the configuration)"         \
    }

/* ---- where ---- */

/* A folder's path as the server has to see it, too. */
static Str absolute(Str path, Arena *arena) {
    char cwd[PATH_MAX];
    if (path.len == 0 || path.ptr[0] == '/' || memmem(path.ptr, path.len, "://", 3) ||
        !getcwd(cwd, sizeof cwd)) {
        return path;
    }
    return arena_printf(arena, "%s/%.*s", cwd, STR_ARG(path));
}

static bool read_config(const char *file, Arena *arena, BackupTarget *configured, Err *err) {
    Problems problems = {0};
    Config *config = config_load(str_of(file), &problems);
    if (config) {
        *configured = (BackupTarget){.to = arena_str(arena, config->backup.to),
                                     .endpoint = arena_str(arena, config->backup.endpoint),
                                     .region = arena_str(arena, config->backup.region),
                                     .access_key = arena_str(arena, config->backup.access_key),
                                     .secret_key = arena_str(arena, config->backup.secret_key)};
    } else {
        AUTO(buf_finish) Buf text = {0};
        problems_print(&problems, &text);
        err_set(err, ERR_INVALID, "%.*s", STR_ARG(str_trim(buf_view(&text))));
    }
    bool good = config != NULL;
    config_free(config);
    problems_finish(&problems);
    return good;
}

/* Flags, then the configuration, then the environment. */
static bool read_target(const Args *args, const char *word, Arena *arena, BackupTarget *ret_target,
                        Err *err) {
    const char *file = args_get(args, "config");
    BackupTarget configured = {0};
    BackupTarget target = {.to = absolute(str_of(args_get(args, word)), arena),
                           .endpoint = str_of(args_get(args, "endpoint")),
                           .region = str_of(args_get(args, "region")),
                           .access_key = str_of(args_get(args, "access-key"))};
    if (target.access_key.len) {
        target.secret_key = str_of(getenv("AWS_SECRET_ACCESS_KEY"));
    }
    if (file && !read_config(file, arena, &configured, err)) {
        return false;
    }
    backup_target_fill(&target, &configured);
    *ret_target = target;
    return true;
}

/* ---- printing ---- */

/* "1.4 GiB" */
static void print_bytes(double bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < sizeof units / sizeof *units) {
        bytes /= 1024;
        unit++;
    }
    printf(unit ? "%8.1f %-3s" : "%8.0f %-3s", bytes, units[unit]);
}

static void print_info(const BackupInfo *info) {
    AUTO(buf_finish) Buf at = {0};
    time_put(&at, info->created_at);
    if (info->problem.len) {
        printf("%-28.*s  DAMAGED: %.*s\n", STR_ARG(info->name), STR_ARG(info->problem));
        return;
    }
    printf("%-28.*s  %.19sZ  ", STR_ARG(info->name), at.ptr);
    print_bytes((double)info->bytes);
    printf("  %llu series  %llu samples\n", (unsigned long long)info->series,
           (unsigned long long)info->samples);
}

static void put_info(JsonWriter *json, const BackupInfo *info) {
    json_object(json);
    json_put_str(json, "name", info->name);
    json_put_time(json, "created_at", info->created_at);
    json_put_str(json, "version", info->version);
    json_put_int(json, "files", (int64_t)info->files);
    json_put_int(json, "bytes", (int64_t)info->bytes);
    json_put_int(json, "series", (int64_t)info->series);
    json_put_int(json, "samples", (int64_t)info->samples);
    if (info->samples) {
        json_put_time(json, "min_time", info->min);
        json_put_time(json, "max_time", info->max);
    }
    json_put_bool(json, "good", info->problem.len == 0);
    if (info->problem.len) {
        json_put_str(json, "problem", info->problem);
    }
    json_end(json);
}

static void print_json(const BackupInfo *infos, size_t count, bool as_list) {
    AUTO(buf_finish) Buf out = {0};
    JsonWriter json = json_writer(&out);
    if (as_list) {
        json_array(&json);
    }
    for (size_t i = 0; i < count; i++) {
        put_info(&json, &infos[i]);
    }
    if (as_list) {
        json_end(&json);
    }
    buf_byte(&out, '\n');
    fwrite(out.ptr, 1, out.len, stdout);
}

/* ---- create ---- */

/* What the flags and this machine's environment say goes along; what they leave open the server
 * fills from its own. */
static void put_target(Buf *body, const BackupTarget *target) {
    const struct {
        const char *key;
        Str text;
    } members[] = {{"to", target->to},
                   {"endpoint", target->endpoint},
                   {"region", target->region},
                   {"access_key", target->access_key},
                   {"secret_key", target->secret_key},
                   {"session_token", target->session_token}};
    JsonWriter json = json_writer(body);
    if (target->to.len == 0) {
        return;
    }
    json_object(&json);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (members[i].text.len) {
            json_put_str(&json, members[i].key, members[i].text);
        }
    }
    json_end(&json);
}

static void print_made(Str answer, bool as_json) {
    cJSON *root = cJSON_ParseWithLength(answer.ptr, answer.len);
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(root, "data");
    if (as_json) {
        char *text = cJSON_PrintUnformatted(data);
        puts(text ? text : "{}");
        cJSON_free(text);
    } else {
        puts(client_text(data, "name"));
    }
    cJSON_Delete(root);
}

static bool create_by_server(const Args *args, const BackupTarget *target, Arena *arena, Err *err) {
    AUTO(buf_finish) Buf body = {0};
    Str answer;
    put_target(&body, target);
    if (!client_call_patiently(client_url(args, arena), "POST", STR("/api/v1/admin/backup"),
                               buf_view(&body), arena, &answer, err)) {
        return false;
    }
    print_made(answer, args_has(args, "json"));
    return true;
}

static bool open_and_create(const char *dir, const BackupTarget *target, Arena *arena,
                            BackupInfo *ret_info, Err *err) {
    AUTO(net_closep) Net *net = NULL;
    AUTO(store_closep) Store *store = NULL;
    AUTO(state_closep) State *state = NULL;
    Str state_path = arena_printf(arena, "%s/state.db", dir);
    StoreOptions options = {.dir = dir,
                            .sync = STORE_SYNC_ALWAYS,
                            .future_max = DAY_MS,
                            .block_span = 2 * HOUR_MS,
                            .source_label = STR("cluster")};
    if (access(arena_printf(arena, "%s/blocks", dir).ptr, F_OK) != 0) {
        return err_set(err, ERR_NOT_FOUND, "%s: is no data directory", dir);
    }
    if (!net_open(&net, err) || !store_open(&options, &store, err)) {
        return err->kind == ERR_CONFLICT
                   ? err_context(err, "is a server running? Then leave --data out (and say --url)")
                   : false;
    }
    if (access(state_path.ptr, F_OK) == 0 &&
        !state_open(&(StateOptions){.path = state_path.ptr}, &state, err)) {
        return false;
    }
    Backups *backups = backups_new(store, state, net, dir);
    bool good = backups_create(backups, target, clock_now(), NULL, arena, ret_info, err);
    backups_free(backups);
    return good;
}

static bool create_offline(const Args *args, const BackupTarget *target, Arena *arena, Err *err) {
    BackupInfo info;
    log_setup(LOG_ERROR + 1, LOG_LOGFMT); /* the failure is told once, at the end */
    if (!open_and_create(args_get(args, "data"), target, arena, &info, err)) {
        return false;
    }
    if (args_has(args, "json")) {
        print_json(&info, 1, false);
    } else {
        printf("%.*s\n", STR_ARG(info.name));
    }
    return true;
}

static int create(const Args *args, Arena *arena, Err *err) {
    BackupTarget target;
    if (args->word_count) {
        return command_usage(args->spec, "unexpected word \"%s\"", args->words[0]);
    }
    bool good = read_target(args, "to", arena, &target, err) &&
                (args_get(args, "data") ? create_offline(args, &target, arena, err)
                                        : create_by_server(args, &target, arena, err));
    return good ? EXIT_DONE : EXIT_FAILED;
}

static int backup_create(int argc, char **argv) {
    static const ArgOption options[] = {
        PLACE_OPTIONS("to"),
        CLIENT_URL_OPTION,
        {"data", "DIR", "instead of asking a server: this data directory, whose server is stopped"},
        {"json", NULL, "print JSON instead of the name"},
        {NULL, NULL, NULL},
    };
    static const ArgSpec spec = {
        "belfry backup create [--to PLACE] [OPTIONS]",
        "Makes a backup of a running server's data: all samples, silences, flags, alert states "
        "and\n"
        "undelivered notifications, as they stand at one moment. Prints its name when it is\n"
        "complete and durable. A folder is one of the server's machine; blocks are hard-linked\n"
        "there if it is on the file system of the data, else copied.",
        options};
    return command_run(argc, argv, &spec, create);
}

/* ---- list ---- */

static bool print_list(const BackupTarget *target, bool as_json, Arena *arena, Err *err) {
    AUTO(net_closep) Net *net = NULL;
    BackupInfo *infos;
    size_t count;
    if (!net_open(&net, err) || !backup_list(net, target, arena, &infos, &count, err)) {
        return false;
    }
    if (as_json) {
        print_json(infos, count, true);
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        print_info(&infos[i]);
    }
    if (count == 0) {
        fprintf(stderr, "no backups in %.*s\n", STR_ARG(target->to));
    }
    return true;
}

static int list(const Args *args, Arena *arena, Err *err) {
    BackupTarget target;
    if (args->word_count) {
        return command_usage(args->spec, "unexpected word \"%s\"", args->words[0]);
    }
    return read_target(args, "from", arena, &target, err) &&
                   print_list(&target, args_has(args, "json"), arena, err)
               ? EXIT_DONE
               : EXIT_FAILED;
}

static int backup_list_command(int argc, char **argv) {
    static const ArgOption options[] = {
        PLACE_OPTIONS("from"),
        {"json", NULL, "print JSON"},
        {NULL, NULL, NULL},
    };
    static const ArgSpec spec = {
        "belfry backup list [--from PLACE] [OPTIONS]",
        "Lists the finished backups of a folder or bucket, oldest first. What was never finished\n"
        "is not among them.",
        options};
    return command_run(argc, argv, &spec, list);
}

/* ---- restore ---- */

static bool bring_back(const BackupTarget *target, Str name, const char *dir, bool as_json,
                       Arena *arena, Err *err) {
    AUTO(net_closep) Net *net = NULL;
    BackupInfo info;
    if (!net_open(&net, err) || !backup_restore(net, target, name, dir, arena, &info, err)) {
        return false;
    }
    if (as_json) {
        print_json(&info, 1, false);
    } else {
        printf("%.*s restored to %s: %llu samples in %llu files; `belfry serve --data %s` serves "
               "it\n",
               STR_ARG(info.name), dir, (unsigned long long)info.samples,
               (unsigned long long)info.files, dir);
    }
    return true;
}

static int restore(const Args *args, Arena *arena, Err *err) {
    BackupTarget target;
    const char *dir = args_get(args, "data");
    if (args->word_count > 1) {
        return command_usage(args->spec, "unexpected word \"%s\"", args->words[1]);
    }
    if (!dir || !*dir) {
        return command_usage(args->spec, "where to? --data DIR");
    }
    Str name = str_of(args->word_count ? args->words[0] : "");
    return read_target(args, "from", arena, &target, err) &&
                   bring_back(&target, name, dir, args_has(args, "json"), arena, err)
               ? EXIT_DONE
               : EXIT_FAILED;
}

static int backup_restore_command(int argc, char **argv) {
    static const ArgOption options[] = {
        PLACE_OPTIONS("from"),
        {"data", "DIR", "where to: a new or empty directory (required)"},
        {"json", NULL, "print JSON"},
        {NULL, NULL, NULL},
    };
    static const ArgSpec spec = {
        "belfry backup restore [NAME|latest] --from PLACE --data DIR [OPTIONS]",
        "Brings a backup back as a data directory, every file checked. Without a name, the "
        "newest.\n"
        "Nothing is ever overwritten, and until it is complete no server starts on it.",
        options};
    return command_run(argc, argv, &spec, restore);
}

int command_backup(int argc, char **argv) {
    static const CommandAction actions[] = {
        {"create", backup_create, "make a backup of a running server's data"},
        {"list", backup_list_command, "the backups there are"},
        {"restore", backup_restore_command, "bring one back into an empty directory"},
        {NULL, NULL, NULL},
    };
    return command_dispatch(argc, argv, "belfry backup ACTION [OPTIONS]", actions);
}
