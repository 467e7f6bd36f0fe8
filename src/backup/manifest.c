#include "backup/manifest.h"

#include <cjson/cJSON.h>

#include "base/json.h"
#include "base/number.h"

enum { FORMAT = 1 };

bool backup_name_ok(Str name) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '_' || (c == '.' && i > 0);
        if (!good) {
            return false;
        }
    }
    return name.len > 0 && name.len <= 200;
}

/* What a data directory has, and nothing that leads out of it. */
static bool path_ok(Str path) {
    Str blocks = STR("blocks/");
    return str_eq(path, STR("FORMAT")) || str_eq(path, STR("state.db")) ||
           (str_starts(path, blocks) && backup_name_ok(str_skip(path, blocks.len)));
}

/* ---- writing ---- */

void manifest_write(const Manifest *manifest, Buf *out) {
    const BackupInfo *info = &manifest->info;
    JsonWriter json = json_writer(out);
    json_object(&json);
    json_put_int(&json, "format", FORMAT);
    json_put_str(&json, "name", info->name);
    json_put_time(&json, "created_at", info->created_at);
    json_put_str(&json, "version", info->version);
    json_put_int(&json, "series", (int64_t)info->series);
    json_put_int(&json, "samples", (int64_t)info->samples);
    if (info->samples) {
        json_put_time(&json, "min_time", info->min);
        json_put_time(&json, "max_time", info->max);
    }
    json_put_array(&json, "files");
    for (size_t i = 0; i < manifest->file_count; i++) {
        const ManifestFile *file = &manifest->files[i];
        json_object(&json);
        json_put_str(&json, "path", file->path);
        json_put_int(&json, "bytes", (int64_t)file->bytes);
        json_put_int(&json, "parts", (int64_t)file->parts);
        if (file->hash.len) {
            json_put_str(&json, "hash", file->hash);
        }
        json_end(&json);
    }
    json_end(&json);
    json_end(&json);
    buf_byte(out, '\n');
}

/* ---- reading ---- */

static bool bad(Err *err, const char *what) {
    return err_set(err, ERR_CORRUPT, MANIFEST_NAME ": %s", what);
}

static Str text_of(const cJSON *object, const char *key, Arena *arena) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) ? arena_str(arena, str_of(item->valuestring)) : STR("");
}

/* Whole numbers up to 2^53, as JSON can carry them. */
static bool number_of(const cJSON *object, const char *key, uint64_t *ret_number) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= 0x1p53)) {
        return false;
    }
    *ret_number = (uint64_t)item->valuedouble;
    return (double)*ret_number == item->valuedouble;
}

static bool time_of(const cJSON *object, const char *key, Arena *arena, TimeMs *ret_time) {
    Err ignored;
    return time_parse_rfc3339(text_of(object, key, arena), ret_time, &ignored);
}

static bool read_info(const cJSON *root, Arena *arena, BackupInfo *info, Err *err) {
    uint64_t format;
    if (!number_of(root, "format", &format)) {
        return bad(err, "has no format");
    }
    if (format > FORMAT) {
        return err_set(err, ERR_UNSUPPORTED,
                       MANIFEST_NAME ": format %llu is newer than this program's %d",
                       (unsigned long long)format, FORMAT);
    }
    *info = (BackupInfo){.name = text_of(root, "name", arena),
                         .version = text_of(root, "version", arena),
                         .problem = STR(""),
                         .min = TIME_MAX,
                         .max = TIME_MIN};
    if (!backup_name_ok(info->name)) {
        return bad(err, "has no name");
    }
    if (!time_of(root, "created_at", arena, &info->created_at) ||
        !number_of(root, "series", &info->series) || !number_of(root, "samples", &info->samples)) {
        return bad(err, "created_at, series or samples is missing");
    }
    if (info->samples && (!time_of(root, "min_time", arena, &info->min) ||
                          !time_of(root, "max_time", arena, &info->max))) {
        return bad(err, "min_time or max_time is missing");
    }
    return true;
}

static bool read_file(const cJSON *item, Arena *arena, ManifestFile *file, Err *err) {
    *file =
        (ManifestFile){.path = text_of(item, "path", arena), .hash = text_of(item, "hash", arena)};
    if (!path_ok(file->path)) {
        return err_set(err, ERR_CORRUPT, MANIFEST_NAME ": \"%.*s\" is no file of a data directory",
                       STR_ARG(file->path));
    }
    if (!number_of(item, "bytes", &file->bytes) || !number_of(item, "parts", &file->parts) ||
        file->parts > file->bytes || (file->bytes > 0) != (file->parts > 0)) {
        return err_set(err, ERR_CORRUPT, MANIFEST_NAME ": %.*s: lengths make no sense",
                       STR_ARG(file->path));
    }
    return true;
}

static bool read_files(const cJSON *list, Arena *arena, Manifest *manifest, Err *err) {
    size_t count = (size_t)cJSON_GetArraySize(list);
    if (!cJSON_IsArray(list) || count == 0 || count > MANIFEST_FILES_MAX) {
        return bad(err, "has no list of files");
    }
    manifest->files = arena_array(arena, ManifestFile, count);
    const cJSON *item;
    bool has_format = false;
    cJSON_ArrayForEach(item, list) {
        ManifestFile *file = &manifest->files[manifest->file_count++];
        if (!read_file(item, arena, file, err)) {
            return false;
        }
        has_format = has_format || str_eq(file->path, STR("FORMAT"));
        manifest->info.bytes += file->bytes;
    }
    manifest->info.files = manifest->file_count;
    return has_format || bad(err, "has no FORMAT among its files");
}

bool manifest_read(Str text, Arena *arena, Manifest *ret_manifest, Err *err) {
    cJSON *root = cJSON_ParseWithLength(text.ptr, text.len);
    Manifest manifest = {0};
    if (!cJSON_IsObject(root)) {
        cJSON_Delete(root);
        return bad(err, "is no JSON object");
    }
    bool good = read_info(root, arena, &manifest.info, err) &&
                read_files(cJSON_GetObjectItemCaseSensitive(root, "files"), arena, &manifest, err);
    cJSON_Delete(root);
    if (good) {
        *ret_manifest = manifest;
    }
    return good;
}
