#include "ingest/file_sd.h"

#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"

enum { FILE_BYTES_MAX = 64 << 20 };

typedef struct Paths {
    Str *items;
    size_t count;
} Paths;

static bool find_files(const ScrapeJob *job, Arena *arena, Paths *ret_paths, Err *err) {
    Paths all = {0};
    for (size_t i = 0; i < job->file_count; i++) {
        Str *paths;
        size_t count;
        if (!file_glob(arena, arena_cstr(arena, job->files[i].pattern), &paths, &count, err)) {
            return false;
        }
        Str *joined = arena_array(arena, Str, all.count + count + 1);
        for (size_t k = 0; k < all.count + count; k++) {
            joined[k] = k < all.count ? all.items[k] : paths[k - all.count];
        }
        all = (Paths){joined, all.count + count};
    }
    *ret_paths = all;
    return true;
}

static uint64_t signature_of(const Paths *paths, Arena *arena) {
    AUTO(buf_finish) Buf text = {0};
    for (size_t i = 0; i < paths->count; i++) {
        struct stat info = {0};
        if (stat(arena_cstr(arena, paths->items[i]), &info) == 0) {
            buf_str(&text, paths->items[i]);
            buf_u64(&text, (uint64_t)info.st_size);
            buf_u64(&text, (uint64_t)info.st_mtim.tv_sec);
            buf_u64(&text, (uint64_t)info.st_mtim.tv_nsec);
            buf_u64(&text, (uint64_t)info.st_ino);
        }
    }
    return hash64(buf_view(&text));
}

static bool read_file(Arena *arena, Str path, FileSdGroup *ret_group, Err *err) {
    Problems problems = {0};
    Str bytes;
    YamlDocs docs;
    if (!file_read(arena, arena_cstr(arena, path), FILE_BYTES_MAX, &bytes, err)) {
        return false;
    }
    YamlReader reader = {.file = path, .problems = &problems, .where = ""};
    FileSdGroup group = {.path = arena_str(arena, path)};
    bool ok = yaml_parse(arena, bytes, path, &docs, &problems) &&
              target_groups_read(&reader, docs.count ? docs.items[0] : NULL, arena, &group.groups,
                                 &group.count);
    if (!ok) {
        problems_err(&problems, err);
    }
    problems_finish(&problems);
    *ret_group = group;
    return ok;
}

static bool read_files(FileSdState *state, const Paths *paths, Err *err) {
    Arena arena = {0};
    FileSdGroup *files = arena_array(&arena, FileSdGroup, paths->count + 1);
    for (size_t i = 0; i < paths->count; i++) {
        if (!read_file(&arena, paths->items[i], &files[i], err)) {
            arena_finish(&arena);
            return false;
        }
    }
    arena_finish(&state->arena);
    state->arena = arena;
    state->files = files;
    state->file_count = paths->count;
    return true;
}

static DurationMs look_interval(const ScrapeJob *job) {
    DurationMs interval = FILE_SD_LOOK;
    for (size_t i = 0; i < job->file_count; i++) {
        interval = job->files[i].refresh < interval ? job->files[i].refresh : interval;
    }
    return interval;
}

bool file_sd_look(FileSdState *state, const ScrapeJob *job, TimeMs now) {
    if (job->file_count == 0 || now < state->next_look) {
        return false;
    }
    state->next_look = now + look_interval(job);
    Arena scratch = {0};
    Paths paths;
    Err err;
    bool changed = false, ok = find_files(job, &scratch, &paths, &err);
    uint64_t signature = ok ? signature_of(&paths, &scratch) : state->signature + 1;
    if (!state->read_once || signature != state->signature) {
        state->read_once = true;
        state->signature = signature; /* also of what is wrong: it is complained of once */
        ok = ok && read_files(state, &paths, &err);
        changed = ok;
        if (!ok) {
            log_event(LOG_WARN, "target file not taken, targets stay as they were",
                      LOG_STR("job", job->name), LOG_STR("reason", str_of(err.text)));
        }
    }
    arena_finish(&scratch);
    return changed;
}

void file_sd_finish(FileSdState *state) {
    arena_finish(&state->arena);
    *state = (FileSdState){0};
}
