#include "web/origin.h"

#include <strings.h>

#include "web/routes.h"

/* "https://host:port" or "https://host:port/path" as "host:port". */
static Str host_of(Str url) {
    size_t at = 0;
    while (at + 3 <= url.len && memcmp(url.ptr + at, "://", 3) != 0) {
        at++;
    }
    if (at + 3 > url.len) {
        return STR("");
    }
    Str rest = str_skip(url, at + 3);
    return (Str){rest.ptr, str_find(rest, '/')};
}

static bool same_host(Str a, Str b) {
    return a.len && a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

/* Our own pages: by the name they were asked for, which a proxy may have kept for us in a header
 * that no page can set, or by the name we give to people. */
static bool is_ours(const Request *request, Str origin) {
    Str host = host_of(origin);
    return same_host(host, request_header(request, STR("host"))) ||
           same_host(host, request_header(request, STR("x-forwarded-host"))) ||
           same_host(host, host_of(web_options(request->web)->external_url));
}

static bool is_allowed(const Request *request, Str origin) {
    const WebOptions *options = web_options(request->web);
    for (size_t i = 0; i < options->allowed_origin_count; i++) {
        Str allowed = options->allowed_origins[i];
        if (str_eq(allowed, STR("*")) || str_eq(allowed, origin)) {
            return true;
        }
    }
    return false;
}

/* Questions that come by POST and by nothing else. */
static const char *const questions[] = {
    "/annotations",
    "/search",
    "/query",
    "/tag-keys",
    "/tag-values",
    "/metrics",
    "/variable",
    "/metric-payload-options",
    "/api/v1/silences/preview",
};

static bool is_question(Str path) {
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        if (str_eq(path, str_of(questions[i]))) {
            return true;
        }
    }
    return false;
}

/* What is asked by GET or POST, as one likes, is a question, too. */
static bool only_reads(Str path, Str method, const Route *route) {
    return str_eq(method, STR("GET")) || str_eq(method, STR("HEAD")) ||
           str_eq(method, STR("OPTIONS")) || is_question(path) ||
           str_starts(str_of(route->method), STR("GET|"));
}

/* A page that is not ours and that nobody has allowed more than to read. */
static bool is_guest(const Request *request) {
    Str origin = request_header(request, STR("origin"));
    return origin.len && !is_ours(request, origin) && !is_allowed(request, origin);
}

bool origin_is_foreign(const Request *request) {
    return request->route && !only_reads(request->path, request->method, request->route) &&
           is_guest(request);
}

Str origin_methods(const Request *request) {
    if (!is_guest(request)) {
        return STR("GET, POST, DELETE, OPTIONS");
    }
    Str args[PATH_ARGS_MAX];
    bool path_known;
    const Route *route = route_at(request->path, STR("POST"), args, &path_known);
    return route && only_reads(request->path, STR("POST"), route) ? STR("GET, POST, OPTIONS")
                                                                  : STR("GET, OPTIONS");
}

void origin_let_read(Request *request) {
    if (request_header(request, STR("origin")).len && !request->foreign &&
        !params_has(&request->response.headers, STR("Access-Control-Allow-Origin"))) {
        respond_header(request, "Access-Control-Allow-Origin", STR("*"));
        respond_header(request, "Access-Control-Expose-Headers", STR("Date"));
    }
}

void respond_foreign(Request *request) {
    Str origin = request_header(request, STR("origin"));
    Str text = arena_printf(&request->arena,
                            "a page of %.*s may not change anything here: to let it, add the "
                            "origin to web.allowed_origins",
                            STR_ARG(origin));
    JsonWriter json = respond_json(request, 403);
    if (str_starts(request->path, STR("/api/v2/"))) {
        json_str(&json, text);
        return;
    }
    json_object(&json);
    json_put_str(&json, "status", STR("error"));
    json_put_str(&json, "errorType", STR("forbidden"));
    json_put_str(&json, "error", text);
    json_end(&json);
}
