#pragma once

/* Subcommands that talk to a running server: one HTTP exchange, and errors a person can act on. */

#include <cjson/cJSON.h>

#include "app/args.h"
#include "base/buf.h"
#include "base/clock.h"

#define CLIENT_URL_OPTION                                                                          \
    { "url", "URL", "server to talk to (default $BELFRY_URL, else http://127.0.0.1:8119)" }

#define CLIENT_AUTHOR_OPTION                                                                       \
    { "author", "NAME", "who (default $USER)" }

/* Who says so: --author, else $USER. The server keeps it as a claim, see web.actor_header. */
Str client_author(const Args *args);

/* The server's URL by option, environment or default; without a slash at the end. */
Str client_url(const Args *args, Arena *arena);

/* Sends `body` ("" = none) as JSON, or as a form if it is no JSON, and gives the answer's text. An
 * answer that is not 2xx is an error with the server's own words: ERR_INVALID (400, 422),
 * ERR_NOT_FOUND, ERR_IO. */
bool client_call(Str url, const char *method, Str path, Str body, Arena *arena, Str *ret_answer,
                 Err *err) MUST_CHECK;

/* As client_call() for what takes long: waits up to a day. */
bool client_call_patiently(Str url, const char *method, Str path, Str body, Arena *arena,
                           Str *ret_answer, Err *err) MUST_CHECK;

/* The same, parsed: cJSON_Delete() the result. */
bool client_json(Str url, const char *method, Str path, Str body, cJSON **ret_answer,
                 Err *err) MUST_CHECK;

/* A POST of JSON with one further header, "Name: value". */
bool client_edit(Str url, Str path, Str body, Str header, cJSON **ret_answer, Err *err) MUST_CHECK;

/* `text` percent-encoded for a query string. */
Str client_escape(Arena *arena, Str text);

/* A string member of an object, "" if it has none. */
const char *client_text(const cJSON *object, const char *key);

/* Appends "start=...&end=..." for the last `--last` (else `fallback`) before `now`. */
bool client_last(const Args *args, DurationMs fallback, TimeMs now, Buf *path, Err *err) MUST_CHECK;
