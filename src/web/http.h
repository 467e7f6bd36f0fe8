#pragma once

/*
 * Requests and responses inside the web folder. A handler reads a Request and fills its Response;
 * how bytes get in and out, and on which thread a handler runs, is the server's business (server.c)
 * and the route table's (routes.c).
 *
 * Everything in a Request lives until its connection is done with; text belongs to its arena or its
 * body.
 */

#include <stdio.h>

#include "base/json.h"
#include "web/web.h"

typedef struct Request Request;

/* Where a handler runs. */
typedef enum RouteWhere {
    ROUTE_INLINE, /* on the connection's worker: microseconds only */
    ROUTE_WRITE,  /* on the worker, too; the answer waits for `lsn` to be durable */
    ROUTE_POOL,   /* on the query pool, while the connection is suspended */
    ROUTE_ORDER,  /* by app, through the mailbox */
} RouteWhere;

typedef struct Route {
    const char *method; /* "GET" also answers HEAD; "GET|POST" both */
    const char *path;   /* "*" stands for one segment, given to the handler as an argument */
    void (*handle)(Web *web, Request *request);
    RouteWhere where;
    bool before_ready; /* answers while the doors are still closed */
} Route;

typedef struct Param {
    Str name, value;
} Param;

typedef struct Params {
    Param *items;
    size_t items_count, items_cap; /* on the heap: params_finish() */
} Params;

enum { PARAMS_MAX = 10000, PATH_ARGS_MAX = 2 };

/* Adds the pairs of a query string or urlencoded form. ERR_INVALID on broken escapes, ERR_LIMIT on
 * too many. */
bool params_decode(Arena *arena, Str text, Params *params, Err *err) MUST_CHECK;
/* One name or value: %XX and '+'. */
bool param_unescape(Arena *arena, Str text, Str *ret_text, Err *err) MUST_CHECK;
/* The same for a piece of a path, where a plus is one. */
bool path_unescape(Arena *arena, Str text, Str *ret_text, Err *err) MUST_CHECK;
/* A label name as clients put odd ones into paths: U__http_2e_status is http.status (Prometheus'
 * value encoding). What is no such name stays as it is. */
Str label_name_unescape(Arena *arena, Str name);
void params_finish(Params *params);
/* The first value of `name`; an empty Str with ptr NULL if there is none. */
Str params_get(const Params *params, Str name);
/* The same of those given several times: the last. */
Str params_get_last(const Params *params, Str name);
bool params_has(const Params *params, Str name);

/* An answer of any size, made piece by piece as the client takes it (stream.c). `fill` runs on the
 * pool, puts the next piece (at least a byte, some 1 MiB) into the body and tells whether there may
 * be more; false with `err` set breaks the connection off, so that nobody takes a part for the
 * whole. */
typedef struct ResponseStream {
    bool (*fill)(void *ctx, Request *request, Buf *body, Err *err);
    void (*free)(void *ctx);
    void *ctx;
    size_t taken; /* of the body */
    bool done, failed;
} ResponseStream;

typedef struct Response {
    int status; /* 0 until answered */
    const char *content_type;
    Buf body;
    Params headers;        /* further ones */
    ResponseStream stream; /* `fill` NULL: the body is all */
} Response;

struct Request {
    Web *web;
    const Route *route; /* NULL: none matched */
    Str method, path;
    Str path_args[PATH_ARGS_MAX];
    Params headers; /* names in lower case */
    Params params;  /* of the URL, then of an urlencoded body */
    Buf body;
    Str address; /* the client's */
    Arena arena;
    Response response;
    _Atomic bool cancelled; /* the client went away, or we are ending */
    uint64_t lsn;           /* ROUTE_WRITE: what the answer waits for; 0 = nothing */
    int64_t started_ns;

    /* the server's own */
    void *connection;
    int socket;
    bool path_known;       /* some route has this path, if not this method */
    struct Import *import; /* a body taken in pieces; NULL = it is in `body` */
    bool refused;          /* body too large and the like: the rest is read and thrown away */
    bool foreign;          /* a page of another origin wants a change (origin.h) */
    bool running;          /* suspended, being worked on */
    Request *next;         /* in one of the server's lists */
    uint64_t order_id;
    Request *next_running, *previous_running;
};

/* The doors as they are now, and the limits. Valid while the request is answered. */
const WebDoors *web_doors(const Web *web);
const WebOptions *web_options(const Web *web);
const WebInfo *web_info(const Web *web);
bool web_is_ready(const Web *web);

/* A request header by its lower-case name, or empty. */
Str request_header(const Request *request, Str name);
/* The actor: the trusted proxy's header, or `claimed` by the client. */
Actor request_actor(const Request *request, Str claimed);

/* ---- answers ---- */

/* Starts a JSON answer; write into it, then it is done. */
JsonWriter respond_json(Request *request, int status);
void respond_text(Request *request, int status, Str text);
void respond_header(Request *request, const char *name, Str value);

/* Prometheus' {"status":"error","errorType":...,"error":...}, status and type by the error's kind.
 */
void respond_error(Request *request, const Err *err);
/* A line in the log where it is our trouble and not the client's: the disk, the database. */
void log_trouble(const Request *request, const Err *err);
/* {"status":"success","data": ... }: opens up to data; respond_success_end() closes. */
JsonWriter respond_success(Request *request);
void respond_success_end(JsonWriter *json);

/* HTTP status and Prometheus' errorType for a kind. */
int status_of_err(ErrKind kind);
const char *error_type_of_err(ErrKind kind);

/* Counted by handlers, written by /metrics. */
typedef struct WebCounters {
    Counter samples, metadata, exemplars_skipped;
} WebCounters;
WebCounters *web_counters(Web *web);

/* Memory that writing uses again (scratch.h). */
struct ScratchPool *web_scratch(Web *web);
