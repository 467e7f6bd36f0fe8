/* Listing backups and bringing one back. */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/place.h"
#include "base/file.h"
#include "store/tools.h"

/* ---- listing ---- */

/* False where it is none: never finished, or something else. */
static bool view(Place *place, Str name, Arena *arena, BackupInfo *ret_info, Err *err) {
    Str text;
    Manifest manifest;
    Err bad = {0};
    if (!place->kind->manifest(place, name, arena, &text, &bad)) {
        if (bad.kind != ERR_NOT_FOUND) {
            *err = bad;
        }
        return false;
    }
    if (manifest_read(text, arena, &manifest, &bad)) {
        *ret_info = manifest.info;
    } else {
        *ret_info = (BackupInfo){.name = name,
                                 .min = TIME_MAX,
                                 .max = TIME_MIN,
                                 .version = STR(""),
                                 .problem = arena_str(arena, str_of(bad.text))};
    }
    ret_info->name = name; /* as it is found there */
    return true;
}

static int by_age(const void *left, const void *right) {
    const BackupInfo *a = left, *b = right;
    if (a->created_at != b->created_at) {
        return a->created_at < b->created_at ? -1 : 1;
    }
    return str_cmp(a->name, b->name);
}

static bool list(Place *place, Arena *arena, BackupInfo **ret_infos, size_t *ret_count, Err *err) {
    Str *names;
    size_t count;
    if (!place->kind->names(place, arena, &names, &count, err)) {
        return false;
    }
    BackupInfo *infos = arena_array(arena, BackupInfo, count + 1);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        Err bad = {0};
        if (!backup_name_ok(names[i])) {
            continue; /* ".partial-..." among them */
        }
        if (view(place, names[i], arena, &infos[kept], &bad)) {
            kept++;
        } else if (bad.kind != ERR_NONE && place->kind == &place_bucket) {
            *err = bad; /* the network: a list with gaps would be a lie */
            return false;
        }
    }
    qsort(infos, kept, sizeof *infos, by_age);
    *ret_infos = infos;
    *ret_count = kept;
    return true;
}

bool backup_list(Net *net, const BackupTarget *target, Arena *arena, BackupInfo **ret_infos,
                 size_t *ret_count, Err *err) {
    Place place;
    if (!place_open(net, target, NULL, &place, err)) {
        return false;
    }
    bool good = list(&place, arena, ret_infos, ret_count, err);
    place_close(&place);
    return good;
}

/* ---- restoring ---- */

static bool find_newest(Place *place, Arena *arena, Str *ret_name, Err *err) {
    BackupInfo *infos;
    size_t count;
    if (!list(place, arena, &infos, &count, err)) {
        return false;
    }
    while (count > 0 && infos[count - 1].problem.len) {
        count--;
    }
    if (count == 0) {
        return err_set(err, ERR_NOT_FOUND, "there is no backup");
    }
    *ret_name = infos[count - 1].name;
    return true;
}

static bool read_manifest(Place *place, Str name, Arena *arena, Manifest *ret_manifest, Err *err) {
    Str text;
    if (!backup_name_ok(name)) {
        return err_set(err, ERR_INVALID, "\"%.*s\" is no name of a backup", STR_ARG(name));
    }
    if (!place->kind->manifest(place, name, arena, &text, err)) {
        return err->kind == ERR_NOT_FOUND
                   ? err_set(err, ERR_NOT_FOUND, "there is no finished backup \"%.*s\"",
                             STR_ARG(name))
                   : false;
    }
    return manifest_read(text, arena, ret_manifest, err);
}

/* Nothing is ever overwritten: the directory has to be new or empty. */
static bool claim(const char *dir, Arena *arena, Err *err) {
    Str *names;
    size_t count = 0;
    if (!dir_make(dir, err) || !dir_list(arena, dir, &names, &count, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!str_eq(names[i], STR("lost+found"))) {
            return err_set(err, ERR_CONFLICT,
                           "%s: is not empty (%.*s); a restore needs a new or empty directory", dir,
                           STR_ARG(names[i]));
        }
    }
    return file_replace(arena_printf(arena, "%s/FORMAT", dir).ptr,
                        STR(STORE_FORMAT_UNFINISHED " restore\n"), err) &&
           dir_make(arena_printf(arena, "%s/blocks", dir).ptr, err);
}

static bool fetch(Place *place, const Manifest *manifest, const char *dir, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    for (size_t i = 0; i < manifest->file_count; i++) {
        const ManifestFile *file = &manifest->files[i];
        bool format = str_eq(file->path, STR("FORMAT"));
        Str path =
            arena_printf(&arena, "%s/%.*s%s", dir, STR_ARG(file->path), format ? ".restored" : "");
        if (!place->kind->get(place, manifest->info.name, file, path.ptr, err)) {
            return false;
        }
    }
    return true;
}

/* The blocks have to open before the directory becomes a store. */
static bool check(const char *dir, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    StoreInspection inspection;
    if (!store_inspect(dir, false, &arena, &inspection, err)) {
        return false;
    }
    for (size_t i = 0; i < inspection.block_count; i++) {
        const StoreBlockView *block = &inspection.blocks[i];
        if (block->damaged) {
            return err_set(err, ERR_CORRUPT, "block %.*s of the backup is damaged: %.*s",
                           STR_ARG(block->name), STR_ARG(block->damage));
        }
    }
    return true;
}

static bool make_it_a_store(const char *dir, Arena *arena, Err *err) {
    const char *restored = arena_printf(arena, "%s/FORMAT.restored", dir).ptr;
    const char *format = arena_printf(arena, "%s/FORMAT", dir).ptr;
    return dir_sync(arena_printf(arena, "%s/blocks", dir).ptr, err) && dir_sync(dir, err) &&
           (rename(restored, format) == 0 || err_errno(err, "%s: cannot rename", restored)) &&
           dir_sync(dir, err);
}

static bool restore(Place *place, Str name, const char *dir, Arena *arena, BackupInfo *ret_info,
                    Err *err) {
    Manifest manifest;
    bool newest = name.len == 0 || str_eq(name, STR("latest"));
    if ((newest && !find_newest(place, arena, &name, err)) ||
        !read_manifest(place, name, arena, &manifest, err)) {
        return false;
    }
    manifest.info.name = name;
    if (!claim(dir, arena, err) || !fetch(place, &manifest, dir, err) || !check(dir, err) ||
        !make_it_a_store(dir, arena, err)) {
        return false;
    }
    *ret_info = manifest.info;
    return true;
}

bool backup_restore(Net *net, const BackupTarget *target, Str name, const char *dir, Arena *arena,
                    BackupInfo *ret_info, Err *err) {
    Place place;
    if (!place_open(net, target, NULL, &place, err)) {
        return false;
    }
    bool good = restore(&place, name, dir, arena, ret_info, err);
    place_close(&place);
    return good;
}
