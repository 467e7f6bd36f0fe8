#pragma once

/*
 * Reading JSON (RFC 8259) front to back, without a tree: an import line may hold millions of
 * numbers, which go straight into columns. Depth is bounded, texts are unescaped into an arena.
 *
 *     json_in_enter(&json, '{');
 *     while (json_in_key(&json, arena, &key)) {
 *         ... take exactly one value ...
 *     }
 *     bool ok = json_in_done(&json);
 *
 * After the first mistake `bad` is set and every call answers false: check once at the end.
 *
 * Threads: a plain value.
 */

#include "base/arena.h"

enum { JSON_IN_DEPTH_MAX = 32 };

typedef struct JsonIn {
    const char *at, *end;
    int depth;
    bool first; /* no item of the innermost object or array was taken yet */
    bool bad;
} JsonIn;

JsonIn json_in_of(Str text);

/* The first byte of the next value: '{' '[' '"' '-' a digit, 't' 'f' 'n'; 0 at the end. */
char json_in_peek(JsonIn *json);

/* Enters an object or array. */
bool json_in_enter(JsonIn *json, char bracket);
/* The next key of the innermost object; false at its end, which is taken. */
bool json_in_key(JsonIn *json, Arena *arena, Str *ret_key);
/* True if the innermost array has a further value; false at its end, which is taken. */
bool json_in_item(JsonIn *json);

bool json_in_str(JsonIn *json, Arena *arena, Str *ret_text);
/* A number's text as it stands. */
bool json_in_number(JsonIn *json, Str *ret_text);
/* true, false or null. */
bool json_in_word(JsonIn *json, Str *ret_word);
/* Any value; `ret_text`, if not NULL, is its text. */
bool json_in_skip(JsonIn *json, Str *ret_text);

/* Nothing but white space is left and nothing was wrong. */
bool json_in_done(JsonIn *json);
