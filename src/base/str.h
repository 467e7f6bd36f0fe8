#pragma once

/*
 * A view of bytes that someone else owns; not NUL-terminated. A function that returns a Str says
 * how long the bytes stay valid. Print with "%.*s" and STR_ARG.
 */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct Str {
    const char *ptr;
    size_t len;
} Str;

#define STR(literal) ((Str){"" literal, sizeof(literal) - 1})
#define STR_ARG(s) (int)(s).len, (s).ptr

/* A view of a NUL-terminated string; NULL gives the empty view. */
static inline Str str_of(const char *text) {
    return text ? (Str){text, strlen(text)} : (Str){"", 0};
}

static inline bool str_eq(Str a, Str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Byte order, shorter first on a tie, as Go compares strings. */
static inline int str_cmp(Str a, Str b) {
    size_t shared = a.len < b.len ? a.len : b.len;
    int order = shared ? memcmp(a.ptr, b.ptr, shared) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static inline bool str_starts(Str text, Str prefix) {
    return text.len >= prefix.len && str_eq((Str){text.ptr, prefix.len}, prefix);
}

static inline bool str_ends(Str text, Str suffix) {
    return text.len >= suffix.len &&
           str_eq((Str){text.ptr + text.len - suffix.len, suffix.len}, suffix);
}

static inline Str str_skip(Str text, size_t count) {
    return (Str){text.ptr + count, text.len - count};
}

/* Without white space (space, tab, CR, LF) at both ends. */
static inline Str str_trim(Str text) {
    while (text.len && strchr(" \t\r\n", text.ptr[0]) && text.ptr[0]) {
        text = str_skip(text, 1);
    }
    while (text.len && strchr(" \t\r\n", text.ptr[text.len - 1]) && text.ptr[text.len - 1]) {
        text.len--;
    }
    return text;
}

/* Index of the first `byte`, or `text.len`. */
static inline size_t str_find(Str text, char byte) {
    const char *at = text.len ? memchr(text.ptr, byte, text.len) : NULL;
    return at ? (size_t)(at - text.ptr) : text.len;
}

/* True for well-formed UTF-8 (no overlong forms, no surrogates). */
bool str_is_utf8(Str text);

/* Bytes of the well-formed UTF-8 character `text` starts with; 0 if it starts with none or is
 * empty. */
size_t str_utf8_len(Str text);

/* The known word nearest to a misspelt one, or NULL if none is near: "did you mean ...?".
 * `known` ends with NULL. Distance as in Damerau (1964), at most 1 + len/4. */
const char *str_suggest(Str word, const char *const *known);
