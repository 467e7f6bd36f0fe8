/* File name patterns with "**", which glob(3) does not know. */

#include <fnmatch.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"

typedef struct Glob {
    Arena *arena;
    Err *err;
    Str *paths;
    size_t paths_count, paths_cap;
} Glob;

static void finish_glob(Glob *glob) {
    free(glob->paths);
}

static bool is_real_dir(const char *path) {
    struct stat info;
    return lstat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool is_dir(const char *path) {
    struct stat info;
    return stat(*path ? path : ".", &info) == 0 && S_ISDIR(info.st_mode);
}

static const char *join(Glob *glob, const char *dir, Str name) {
    const char *slash = *dir && !str_ends(str_of(dir), STR("/")) ? "/" : "";
    return arena_printf(glob->arena, "%s%s%.*s", dir, slash, STR_ARG(name)).ptr;
}

/* The names in a folder; none where there is no folder, as a pattern may well point to nothing. */
static bool list_names(Glob *glob, const char *dir, Str **ret_names, size_t *ret_count) {
    *ret_names = NULL;
    *ret_count = 0;
    return !is_dir(dir) || dir_list(glob->arena, *dir ? dir : ".", ret_names, ret_count, glob->err);
}

static bool match_path(Glob *glob, const char *path, Str pattern);

/* "**" stands for no folder or any below; links are not followed, so that a circle of them ends. */
static bool match_any_depth(Glob *glob, const char *dir, Str rest) {
    if (!match_path(glob, dir, rest)) {
        return false;
    }
    Str *names;
    size_t count;
    if (!list_names(glob, dir, &names, &count)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const char *path = join(glob, dir, names[i]);
        if (names[i].ptr[0] != '.' && is_real_dir(path) && !match_any_depth(glob, path, rest)) {
            return false;
        }
    }
    return true;
}

static bool match_names(Glob *glob, const char *dir, const char *segment, Str rest) {
    Str *names;
    size_t count;
    if (!list_names(glob, dir, &names, &count)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (fnmatch(segment, names[i].ptr, FNM_PERIOD) == 0 &&
            !match_path(glob, join(glob, dir, names[i]), rest)) {
            return false;
        }
    }
    return true;
}

/* Takes `pattern` apart from the left: `path` is what its beginning has matched so far. */
static bool match_path(Glob *glob, const char *path, Str pattern) {
    while (pattern.len && pattern.ptr[0] == '/') {
        pattern = str_skip(pattern, 1);
    }
    if (pattern.len == 0) {
        struct stat info;
        if (lstat(path, &info) == 0) {
            VEC_PUSH(*glob, paths, str_of(path));
        }
        return true;
    }
    size_t len = str_find(pattern, '/');
    Str segment = {pattern.ptr, len};
    Str rest = str_skip(pattern, len);
    if (str_eq(segment, STR("**"))) {
        return match_any_depth(glob, path, rest.len ? rest : STR("*"));
    }
    const char *text = arena_cstr(glob->arena, segment);
    if (!strpbrk(text, "*?[\\")) {
        return match_path(glob, join(glob, path, segment), rest);
    }
    return match_names(glob, path, text, rest);
}

static int compare_paths(const void *a, const void *b) {
    return str_cmp(*(const Str *)a, *(const Str *)b);
}

/* Two "**" in a pattern find a path in more than one way. */
static size_t drop_repeated(Str *sorted, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !str_eq(sorted[kept - 1], sorted[i])) {
            sorted[kept++] = sorted[i];
        }
    }
    return kept;
}

/* Sorted, each once, in the arena. */
static void take_paths(Glob *glob, Str **ret_paths, size_t *ret_count) {
    Str *paths = arena_array(glob->arena, Str, glob->paths_count + 1);
    if (glob->paths_count) {
        memcpy(paths, glob->paths, glob->paths_count * sizeof *paths);
        qsort(paths, glob->paths_count, sizeof *paths, compare_paths);
    }
    *ret_count = drop_repeated(paths, glob->paths_count);
    *ret_paths = paths;
}

bool file_glob(Arena *arena, const char *pattern, Str **ret_paths, size_t *ret_count, Err *err) {
    AUTO(finish_glob) Glob glob = {.arena = arena, .err = err};
    if (!match_path(&glob, *pattern == '/' ? "/" : "", str_of(pattern))) {
        return false;
    }
    take_paths(&glob, ret_paths, ret_count);
    return true;
}

bool file_glob_yaml(Arena *arena, const char *pattern, Str **ret_paths, size_t *ret_count,
                    Err *err) {
    Str *paths;
    size_t count;
    if (!file_glob(arena, pattern, &paths, &count, err)) {
        return false;
    }
    AUTO(finish_glob) Glob glob = {.arena = arena, .err = err};
    for (size_t i = 0; i < count; i++) {
        const char *path = arena_cstr(arena, paths[i]);
        bool ok = true;
        if (!is_dir(path)) {
            VEC_PUSH(glob, paths, paths[i]);
        } else {
            ok = match_path(&glob, path, STR("**/*.yml")) &&
                 match_path(&glob, path, STR("**/*.yaml"));
        }
        if (!ok) {
            return false;
        }
    }
    take_paths(&glob, ret_paths, ret_count);
    return true;
}
