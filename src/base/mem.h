#pragma once

#include <stddef.h>

/* malloc family for a daemon: out of memory ends the process with a message, so callers never
 * see NULL. What users can make grow (queries, request bodies, series) is bounded by ERR_LIMIT
 * long before that. Release with free(). */
void *mem_grow(void *block, size_t bytes);

/* Zeroed. */
void *mem_zero(size_t count, size_t bytes);

/* For a server, once at its start: what is asked for in pieces of a megabyte goes back to the
 * system when it is released. Otherwise each thread's heap keeps what its largest query needed. */
void mem_give_back(void);

/* A copy for free(). */
char *mem_strdup(const char *text);

/* Makes room for at least `need` items in a growing array: doubles `*cap` (0 at first). */
void *mem_reserve(void *items, size_t *cap, size_t need, size_t item_bytes);

/* Appends to a struct that has fields `name`, `count##_suffix`...: VEC_PUSH(list, items, value)
 * uses list.items, list.items_count, list.items_cap. */
#define VEC_PUSH(owner, field, value)                                                              \
    do {                                                                                           \
        (owner).field = mem_reserve((owner).field, &(owner).field##_cap,                           \
                                    (owner).field##_count + 1, sizeof *(owner).field);             \
        (owner).field[(owner).field##_count++] = (value);                                          \
    } while (0)
