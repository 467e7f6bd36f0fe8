#pragma once

/*
 * Errors are values: a kind to act on and a sentence to read.
 *
 * A function that can fail returns `bool` and takes `Err *err` last. On failure it has filled
 * `err` and left its `ret_` outputs untouched. The text is the sentence a user sees in the web UI
 * or the log, so it names the thing ("rules.d/cpu.yaml:14:3") before the complaint.
 */

#include <stdbool.h>

#include "base/attr.h"

typedef enum ErrKind {
    ERR_NONE = 0,
    ERR_INVALID,     /* the input is wrong: a query, a YAML file, a request (HTTP 400) */
    ERR_NOT_FOUND,   /* no such thing (404) */
    ERR_CONFLICT,    /* it changed under the caller, or exists already (409) */
    ERR_LIMIT,       /* fine, but larger than a configured limit (422) */
    ERR_BUSY,        /* over capacity now; try again later (503) */
    ERR_TIMEOUT,     /* took longer than it was given (503) */
    ERR_CANCELLED,   /* the one who asked has gone (503) */
    ERR_UNSUPPORTED, /* right, but not something we do (400) */
    ERR_IO,          /* disk or network failed us; trying again may help (503) */
    ERR_CORRUPT,     /* bytes we wrote no longer have the shape we wrote (500) */
} ErrKind;

typedef struct Err {
    ErrKind kind;
    char text[1024]; /* NUL-terminated; cut short rather than allocated */
} Err;

/* These fill `err` and return false, so that a failing function ends in `return err_...(...)`. */
bool err_set(Err *err, ErrKind kind, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* As err_set(ERR_IO), with the text of `errno` appended. */
bool err_errno(Err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Puts "what: " in front of the text that is already there. */
bool err_context(Err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
