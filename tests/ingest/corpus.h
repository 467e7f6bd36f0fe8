#pragma once

/* The shared corpus of cases that other programs' parsers were tested with; tests that read it are
 * skipped where it is not there. */

#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/file.h"

static inline Str corpus_file(Arena *arena, const char *path) {
    const char *shared = getenv("BELFRY_SHARED");
    Str whole = arena_printf(arena, "%s/corpus/%s", shared ? shared : "../shared", path);
    Str bytes;
    Err err;
    if (!file_read(arena, whole.ptr, 64 << 20, &bytes, &err)) {
        cr_skip_test("no corpus: %s\n", err.text);
    }
    return bytes;
}

/* The array `cases` of a file; to be freed with cJSON_Delete(*ret_root). */
static inline cJSON *corpus_cases(Arena *arena, const char *path, cJSON **ret_root) {
    Str bytes = corpus_file(arena, path);
    /* cJSON's texts end at a NUL: it is carried through as U+E000, see corpus_bytes(). */
    for (char *at = (char *)(uintptr_t)bytes.ptr; (at = strstr(at, "\\u0000"));) {
        memcpy(at, "\\ue000", 6);
    }
    *ret_root = cJSON_ParseWithLength(bytes.ptr, bytes.len);
    cr_assert(*ret_root, "%s is no JSON", path);
    cJSON *cases = cJSON_GetObjectItem(*ret_root, "cases");
    cr_assert(cJSON_GetArraySize(cases) > 0);
    return cases;
}

static inline const char *corpus_text(const cJSON *object, const char *key) {
    return cJSON_GetStringValue(cJSON_GetObjectItem(object, key));
}

/* A text that may hold NULs. */
static inline Str corpus_bytes(Arena *arena, const cJSON *object, const char *key) {
    const char *text = corpus_text(object, key);
    char *out = arena_cstr(arena, str_of(text));
    size_t len = 0;
    while (text && *text) {
        bool nul = !strncmp(text, "\xee\x80\x80", 3);
        out[len++] = nul ? '\0' : *text;
        text += nul ? 3 : 1;
    }
    return (Str){out, len};
}

/* Cases we decide otherwise, with the reason; NULL at the end. */
typedef struct CorpusException {
    const char *name, *why;
} CorpusException;

static inline bool corpus_excepted(const CorpusException *exceptions, const char *name) {
    for (size_t i = 0; exceptions[i].name; i++) {
        if (!strcmp(exceptions[i].name, name)) {
            return true;
        }
    }
    return false;
}
