/* /api/v1/admin/backup: makes a backup, or lists those there are. The work is done by src/backup.
 */

#include <cjson/cJSON.h>

#include "web/api.h"

static void put_backup(JsonWriter *json, const BackupInfo *info) {
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
    if (info->problem.len) {
        json_put_str(json, "problem", info->problem);
    }
    json_end(json);
}

static bool read_text(const cJSON *item, Arena *arena, Str *ret_text, Err *err) {
    if (!cJSON_IsString(item)) {
        return err_set(err, ERR_INVALID, "\"%s\" has to be a text", item->string);
    }
    *ret_text = arena_str(arena, str_of(item->valuestring));
    return true;
}

static bool read_members(const cJSON *root, Arena *arena, BackupTarget *target, Err *err) {
    const struct {
        const char *key;
        Str *text;
    } members[] = {{"to", &target->to},
                   {"endpoint", &target->endpoint},
                   {"region", &target->region},
                   {"access_key", &target->access_key},
                   {"secret_key", &target->secret_key},
                   {"session_token", &target->session_token}};
    const cJSON *item;
    cJSON_ArrayForEach(item, root) {
        Str *text = NULL;
        for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
            text = strcmp(item->string, members[i].key) == 0 ? members[i].text : text;
        }
        if (!text) {
            return err_set(err, ERR_INVALID, "unknown key \"%s\"", item->string);
        }
        if (!read_text(item, arena, text, err)) {
            return false;
        }
    }
    return true;
}

/* Where the data goes is not for a page in somebody's browser to say. */
static bool read_target(Request *request, BackupTarget *ret_target, Err *err) {
    Str body = str_trim(buf_view(&request->body));
    *ret_target = (BackupTarget){0};
    if (body.len == 0) {
        return true;
    }
    if (request_header(request, STR("origin")).len) {
        return err_set(err, ERR_INVALID, "a browser cannot name the place of a backup");
    }
    if (!str_starts(request_header(request, STR("content-type")), STR("application/json"))) {
        return err_set(err, ERR_UNSUPPORTED, "expected Content-Type application/json");
    }
    cJSON *root = cJSON_ParseWithLength(body.ptr, body.len);
    bool good = cJSON_IsObject(root)
                    ? read_members(root, &request->arena, ret_target, err)
                    : err_set(err, ERR_INVALID, "expected a JSON object such as {\"to\": \"...\"}");
    cJSON_Delete(root);
    if (good && ret_target->to.len && ret_target->to.ptr[0] != '/' &&
        !str_starts(ret_target->to, STR("s3://"))) {
        good = err_set(err, ERR_INVALID,
                       "\"to\" has to be an absolute path or s3://BUCKET/PREFIX, not \"%.*s\"",
                       STR_ARG(ret_target->to));
    }
    return good;
}

void handle_backup(Web *web, Request *request) {
    Err err = {0};
    BackupTarget target;
    BackupInfo info;
    if (!read_target(request, &target, &err) ||
        !api_audit(web, request, "backup.create", target.to, &err) ||
        !backups_create(web_doors(web)->backups, &target, clock_now(), &request->cancelled,
                        &request->arena, &info, &err)) {
        respond_error(request, &err);
        return;
    }
    JsonWriter json = respond_success(request);
    put_backup(&json, &info);
    respond_success_end(&json);
}

void handle_backups(Web *web, Request *request) {
    Err err = {0};
    BackupInfo *infos;
    size_t count;
    BackupTarget target = {0};
    backups_target(web_doors(web)->backups, &request->arena, &target);
    if (!backup_list(web_doors(web)->net, &target, &request->arena, &infos, &count, &err)) {
        respond_error(request, &err);
        return;
    }
    JsonWriter json = respond_success(request);
    json_array(&json);
    for (size_t i = 0; i < count; i++) {
        put_backup(&json, &infos[i]);
    }
    json_end(&json);
    respond_success_end(&json);
}
