#pragma once

/*
 * All that is wrong with a file, found in one pass: a person who mends a configuration wants every
 * complaint at once. Each has a place and a sentence; the order is that of finding.
 */

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

typedef struct Problem {
    Str file;      /* as the user named it */
    uint32_t line; /* from 1; 0 where there is no place */
    uint32_t column;
    Str text;
} Problem;

typedef struct Problems {
    Arena arena;
    Problem *items;
    size_t items_count, items_cap;
} Problems;

void problems_finish(Problems *problems);

/* Copies what it is given. Returns false, so that a check may end in `return problems_add(...)`. */
bool problems_add(Problems *problems, Str file, uint32_t line, uint32_t column, const char *fmt,
                  ...) PRINTF_LIKE(5, 6);

/* Copies all of `from` to the end of `to`. */
void problems_copy(Problems *to, const Problems *from);

/* "file:line:col: text" for each, a line each. */
void problems_print(const Problems *problems, Buf *buf);

/* The first one as an Err (ERR_INVALID), with "(and N more)" where there are. Returns false. */
bool problems_err(const Problems *problems, Err *err);
