#pragma once

/*
 * Bodies of any size in line formats: parsed and stored piece by piece while they arrive, so that
 * gigabytes pass through little memory. A bad line is counted and named in the answer; the lines
 * around it are stored.
 */

#include "web/http.h"

typedef struct Import Import;

/* The import a request's path asks for, NULL if it is none or its body is packed (then it is
 * unpacked whole, within the body's limit). */
Import *import_begin(Web *web, Request *request);
/* Takes the next bytes of the body. */
void import_take(Web *web, Import *import, Str bytes);
void import_free(Import *import); /* accepts NULL */
