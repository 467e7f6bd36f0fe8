#pragma once

/*
 * An arena hands out memory that is all released at once.
 *
 * One piece of work owns one arena: parsing a rule file, answering a query, serving a request.
 * Whatever the work builds along the way (AST, label sets, result vectors, messages) comes from
 * its arena and needs no freeing of its own.
 *
 * Threads: an arena belongs to one thread at a time.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

typedef struct ArenaBlock ArenaBlock;

/* {0} is an empty arena, ready for use. */
typedef struct Arena {
    ArenaBlock *newest;
    size_t used_bytes; /* handed out so far, for limits and metrics */
} Arena;

void arena_finish(Arena *arena);

/* Forgets everything but keeps the newest block for reuse: for loops over many small pieces. */
void arena_reset(Arena *arena);

/* What is in `from` lives as long as `into` from now on; `from` is empty then. */
void arena_join(Arena *into, Arena *from);

/* Aligned for any type; lives until arena_finish(). arena_alloc() zeroes, arena_raw() does not
 * (columns of millions of samples that are written at once anyway). */
void *arena_alloc(Arena *arena, size_t bytes);
void *arena_raw(Arena *arena, size_t bytes);

#define arena_new(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define arena_array(arena, type, count) ((type *)arena_alloc((arena), (count) * sizeof(type)))

/* Copies; the result is followed by a NUL that `len` does not count. */
Str arena_str(Arena *arena, Str text);

/* The copy as a C string. Text with NUL inside is cut there. */
char *arena_cstr(Arena *arena, Str text);

Str arena_printf(Arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3);
