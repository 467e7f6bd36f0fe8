/* Making a backup; the way is drawn in backup.h. */

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/place.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/number.h"
#include "store/tools.h"

#define STAGED ".backup-"

struct Backups {
    Store *store;
    State *state;
    Net *net;
    char *dir;
    pthread_mutex_t lock; /* guards what follows */
    bool running;
    Arena arena; /* of the target's texts */
    BackupTarget target;
    uint64_t made, failed, last_bytes;
    TimeMs last_at;
    double last_seconds;
};

/* ---- the data directory's part ---- */

static Str snapshots_dir(const Backups *backups, Arena *arena) {
    return arena_printf(arena, "%s/snapshots", backups->dir);
}

/* Links to blocks that were merged away since cost their space. */
static void remove_staged(const Backups *backups) {
    AUTO(arena_finish) Arena arena = {0};
    Str dir = snapshots_dir(backups, &arena);
    Str *names;
    size_t count = 0;
    Err err = {0};
    if (access(dir.ptr, F_OK) != 0 || !dir_list(&arena, dir.ptr, &names, &count, &err)) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        Str path = arena_printf(&arena, "%s/%.*s", dir.ptr, STR_ARG(names[i]));
        if (str_starts(names[i], STR(STAGED)) && !dir_remove(path.ptr, &err)) {
            log_event(LOG_WARN, "remains of a backup not removed",
                      LOG_STR("reason", str_of(err.text)));
        }
    }
}

static bool sync_file(const char *path, Err *err) {
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    return (fd >= 0 && fsync(fd) == 0) || err_errno(err, "%s: cannot sync", path);
}

static bool stage(const Backups *backups, const char *dir, Arena *arena, Err *err) {
    Str state = arena_printf(arena, "%s/state.db", dir);
    return dir_make(snapshots_dir(backups, arena).ptr, err) &&
           store_backup(backups->store, dir, err) &&
           (!backups->state ||
            (state_backup(backups->state, state.ptr, err) && sync_file(state.ptr, err)));
}

/* ---- what is in it ---- */

static bool add_file(Manifest *manifest, const char *dir, Str path, Arena *arena, Err *err) {
    Str whole = arena_printf(arena, "%s/%.*s", dir, STR_ARG(path));
    struct stat info;
    if (stat(whole.ptr, &info) < 0) {
        return err_errno(err, "%s", whole.ptr);
    }
    manifest->files[manifest->file_count++] =
        (ManifestFile){.path = path, .bytes = (uint64_t)info.st_size, .hash = STR("")};
    manifest->info.bytes += (uint64_t)info.st_size;
    return true;
}

static bool list_files(const Backups *backups, const char *dir, Manifest *manifest, Arena *arena,
                       Err *err) {
    Str *names;
    size_t count;
    if (!dir_list(arena, arena_printf(arena, "%s/blocks", dir).ptr, &names, &count, err)) {
        return false;
    }
    manifest->files = arena_array(arena, ManifestFile, count + 2);
    bool good = add_file(manifest, dir, STR("FORMAT"), arena, err) &&
                (!backups->state || add_file(manifest, dir, STR("state.db"), arena, err));
    for (size_t i = 0; good && i < count; i++) {
        Str path = arena_printf(arena, "blocks/%.*s", STR_ARG(names[i]));
        good = add_file(manifest, dir, path, arena, err);
    }
    manifest->info.files = manifest->file_count;
    return good;
}

static bool describe(const Backups *backups, const char *dir, Str name, TimeMs now, Arena *arena,
                     Manifest *manifest, Err *err) {
    StoreInspection inspection;
    if (!store_inspect(dir, false, arena, &inspection, err)) {
        return false;
    }
    *manifest = (Manifest){.info = {.name = name,
                                    .created_at = now,
                                    .min = TIME_MAX,
                                    .max = TIME_MIN,
                                    .series = inspection.series,
                                    .samples = inspection.samples,
                                    .version = STR(BELFRY_VERSION),
                                    .problem = STR("")}};
    for (size_t i = 0; i < inspection.block_count; i++) {
        const StoreBlockView *block = &inspection.blocks[i];
        BackupInfo *info = &manifest->info;
        if (block->damaged) {
            return err_set(err, ERR_CORRUPT,
                           "block %.*s is damaged, so there is no backup of it: %.*s; `belfry "
                           "store repair` sets it aside",
                           STR_ARG(block->name), STR_ARG(block->damage));
        }
        info->min = block->min < info->min ? block->min : info->min;
        info->max = block->max > info->max ? block->max : info->max;
    }
    return list_files(backups, dir, manifest, arena, err);
}

/* ---- sending ---- */

static bool send_files(Place *place, const char *dir, Manifest *manifest,
                       const _Atomic bool *cancelled, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    for (size_t i = 0; i < manifest->file_count; i++) {
        ManifestFile *file = &manifest->files[i];
        Str staged = arena_printf(&arena, "%s/%.*s", dir, STR_ARG(file->path));
        if (cancelled && *cancelled) {
            return err_set(err, ERR_CANCELLED, "cancelled");
        }
        if (!place->kind->put(place, manifest->info.name, staged.ptr, file, err)) {
            return false;
        }
        arena_reset(&arena);
    }
    AUTO(buf_finish) Buf text = {0};
    manifest_write(manifest, &text);
    return place->kind->finish(place, manifest->info.name, buf_view(&text), err);
}

static bool make(const Backups *backups, Place *place, Str name, TimeMs now,
                 const _Atomic bool *cancelled, Arena *arena, BackupInfo *ret_info, Err *err) {
    Manifest manifest = {0};
    Str dir = arena_printf(arena, "%s/snapshots/" STAGED "%.*s", backups->dir, STR_ARG(name));
    if (!place->kind->begin(place, name, err)) {
        return false;
    }
    bool good = stage(backups, dir.ptr, arena, err) &&
                describe(backups, dir.ptr, name, now, arena, &manifest, err) &&
                send_files(place, dir.ptr, &manifest, cancelled, err);
    if (!good) {
        place->kind->abandon(place, name);
    }
    remove_staged(backups);
    *ret_info = manifest.info;
    return good;
}

static Str name_at(TimeMs now, Arena *arena) {
    CivilTime at = civil_of(now);
    return arena_printf(arena, "belfry-%04lld%02d%02dT%02d%02d%02d.%03dZ", (long long)at.year,
                        at.month, at.day, at.hour, at.minute, at.second, (int)(now % SECOND_MS));
}

/* ---- the door ---- */

Backups *backups_new(Store *store, State *state, Net *net, const char *dir) {
    Backups *backups = mem_zero(1, sizeof *backups);
    *backups = (Backups){.store = store, .state = state, .net = net, .dir = mem_strdup(dir)};
    pthread_mutex_init(&backups->lock, NULL);
    remove_staged(backups);
    return backups;
}

void backups_free(Backups *backups) {
    if (backups) {
        pthread_mutex_destroy(&backups->lock);
        arena_finish(&backups->arena);
        free(backups->dir);
        free(backups);
    }
}

static BackupTarget copy_target(Arena *arena, const BackupTarget *target) {
    return (BackupTarget){.to = arena_str(arena, target->to),
                          .endpoint = arena_str(arena, target->endpoint),
                          .region = arena_str(arena, target->region),
                          .access_key = arena_str(arena, target->access_key),
                          .secret_key = arena_str(arena, target->secret_key),
                          .session_token = arena_str(arena, target->session_token)};
}

void backups_set_target(Backups *backups, const BackupTarget *target) {
    pthread_mutex_lock(&backups->lock);
    arena_reset(&backups->arena);
    backups->target = copy_target(&backups->arena, target);
    pthread_mutex_unlock(&backups->lock);
}

void backups_target(Backups *backups, Arena *arena, BackupTarget *ret_target) {
    pthread_mutex_lock(&backups->lock);
    *ret_target = copy_target(arena, &backups->target);
    pthread_mutex_unlock(&backups->lock);
    backup_target_fill(ret_target, NULL);
}

/* Takes the turn, and the target as it is now. */
static bool take_turn(Backups *backups, const BackupTarget *asked, Arena *arena,
                      BackupTarget *ret_target, Err *err) {
    pthread_mutex_lock(&backups->lock);
    BackupTarget configured = copy_target(arena, &backups->target);
    bool free = !backups->running;
    bool other = asked->to.len && configured.to.len && !str_eq(asked->to, configured.to);
    backups->running = backups->running || !other;
    pthread_mutex_unlock(&backups->lock);
    if (other) {
        return err_set(err, ERR_INVALID,
                       "backups go to %.*s, as backup.to of the server's configuration says",
                       STR_ARG(configured.to));
    }
    *ret_target = *asked;
    backup_target_fill(ret_target, &configured);
    return free || err_set(err, ERR_CONFLICT, "a backup is under way; one at a time");
}

static void end_turn(Backups *backups, bool good, const BackupInfo *info, TimeMs now,
                     double seconds) {
    pthread_mutex_lock(&backups->lock);
    backups->running = false;
    if (good) {
        backups->made++;
        backups->last_at = now;
        backups->last_bytes = info->bytes;
        backups->last_seconds = seconds;
    } else {
        backups->failed++;
    }
    pthread_mutex_unlock(&backups->lock);
}

bool backups_create(Backups *backups, const BackupTarget *asked, TimeMs now,
                    const _Atomic bool *cancelled, Arena *arena, BackupInfo *ret_info, Err *err) {
    BackupTarget target;
    Place place;
    BackupInfo info = {0};
    if (!take_turn(backups, asked, arena, &target, err)) {
        return false;
    }
    int64_t from = clock_monotonic_ns();
    Str name = name_at(now, arena);
    bool good = place_open(backups->net, &target, cancelled, &place, err);
    if (good) {
        good = make(backups, &place, name, now, cancelled, arena, &info, err);
        place_close(&place);
    }
    double seconds = (double)(clock_monotonic_ns() - from) / 1e9;
    end_turn(backups, good, &info, now, seconds);
    if (good) {
        log_event(LOG_INFO, "backup made", LOG_STR("name", name), LOG_STR("to", target.to),
                  LOG_INT("bytes", (int64_t)info.bytes),
                  LOG_INT("took_ms", (int64_t)(seconds * 1000)));
        *ret_info = info;
    } else {
        log_event(LOG_ERROR, "no backup", LOG_STR("to", target.to),
                  LOG_STR("reason", str_of(err->text)));
    }
    return good;
}

void backups_metrics(Backups *backups, MetricWriter *out) {
    pthread_mutex_lock(&backups->lock);
    metric_counter(out, "belfry_backups_total", "Backups made.", backups->made);
    metric_counter(out, "belfry_backup_failures_total", "Backups that failed.", backups->failed);
    metric_gauge(out, "belfry_backup_last_success_timestamp_seconds",
                 "Unix time of the last backup since the start; 0 = none.",
                 (double)backups->last_at / 1000);
    metric_gauge(out, "belfry_backup_last_bytes", "Its size.", (double)backups->last_bytes);
    metric_gauge(out, "belfry_backup_last_duration_seconds", "How long it took.",
                 backups->last_seconds);
    pthread_mutex_unlock(&backups->lock);
}
