#pragma once

/* Reading the lists of expressions that must parse or must not, from the corpus next to the source.
 */

#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/str.h"

/* The cases of corpus/metricsql/`name`; the test is skipped where there is no corpus. Free with
 * cJSON_Delete(). */
static inline cJSON *corpus_open(const char *name) {
    const char *shared = getenv("BELFRY_SHARED");
    char path[512];
    snprintf(path, sizeof path, "%s/corpus/metricsql/%s", shared ? shared : "../shared", name);
    Arena arena = {0};
    Str bytes;
    Err err = {0};
    if (!file_read(&arena, path, 64 << 20, &bytes, &err)) {
        arena_finish(&arena);
        cr_skip("%s", err.text);
    }
    cJSON *root = cJSON_ParseWithLength(bytes.ptr, bytes.len);
    arena_finish(&arena);
    cr_assert(root, "%s is no JSON", path);
    return root;
}

static inline const cJSON *corpus_cases(const cJSON *root) {
    return cJSON_GetObjectItem(root, "cases");
}

static inline int base64_digit(char byte) {
    const char *digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = byte ? strchr(digits, byte) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* A field that is text, or {"$b64": ...} where it is no UTF-8. */
static inline Str corpus_text(Arena *arena, const cJSON *item, const char *key) {
    const cJSON *value = cJSON_GetObjectItem(item, key);
    if (cJSON_IsString(value)) {
        return str_of(value->valuestring);
    }
    const cJSON *coded = cJSON_GetObjectItem(value, "$b64");
    if (!cJSON_IsString(coded)) {
        return (Str){"", 0};
    }
    char *bytes = arena_alloc(arena, strlen(coded->valuestring));
    size_t length = 0;
    unsigned bits = 0;
    int held = 0;
    for (const char *at = coded->valuestring; base64_digit(*at) >= 0; at++) {
        bits = bits << 6 | (unsigned)base64_digit(*at);
        held += 6;
        if (held >= 8) {
            held -= 8;
            bytes[length++] = (char)(bits >> held);
        }
    }
    return (Str){bytes, length};
}
