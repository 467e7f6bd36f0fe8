/* Filling a response. */

#include "base/log.h"
#include "base/mem.h"
#include "web/http.h"

int status_of_err(ErrKind kind) {
    switch (kind) {
    case ERR_NONE:
        return 200;
    case ERR_INVALID:
    case ERR_UNSUPPORTED:
        return 400;
    case ERR_NOT_FOUND:
        return 404;
    case ERR_CONFLICT:
        return 409;
    case ERR_LIMIT:
        return 422;
    case ERR_CANCELLED:
        return 499; /* the client has left; as nginx and Prometheus count it */
    case ERR_BUSY:
    case ERR_TIMEOUT:
    case ERR_IO:
        return 503;
    case ERR_CORRUPT:
        return 500;
    }
    return 500;
}

const char *error_type_of_err(ErrKind kind) {
    switch (kind) {
    case ERR_NOT_FOUND:
        return "not_found";
    case ERR_LIMIT:
        return "execution";
    case ERR_BUSY:
    case ERR_IO:
        return "unavailable";
    case ERR_TIMEOUT:
        return "timeout";
    case ERR_CANCELLED:
        return "canceled";
    case ERR_CORRUPT:
        return "internal";
    default:
        return "bad_data";
    }
}

JsonWriter respond_json(Request *request, int status) {
    request->response.status = status;
    request->response.content_type = "application/json";
    request->response.body.len = 0;
    return json_writer(&request->response.body);
}

void respond_text(Request *request, int status, Str text) {
    request->response.status = status;
    request->response.content_type = "text/plain; charset=utf-8";
    request->response.body.len = 0;
    buf_str(&request->response.body, text);
}

void respond_header(Request *request, const char *name, Str value) {
    Param header = {str_of(name), arena_str(&request->arena, value)};
    VEC_PUSH(request->response.headers, items, header);
}

void log_trouble(const Request *request, const Err *err) {
    if (err->kind == ERR_IO || err->kind == ERR_CORRUPT) {
        log_event(LOG_ERROR, "request refused", LOG_STR("method", request->method),
                  LOG_STR("path", request->path), LOG_STR("reason", str_of(err->text)));
    }
}

void respond_error(Request *request, const Err *err) {
    int status = status_of_err(err->kind);
    log_trouble(request, err);
    JsonWriter json = respond_json(request, status);
    json_object(&json);
    json_put_str(&json, "status", STR("error"));
    json_put_str(&json, "errorType", str_of(error_type_of_err(err->kind)));
    json_put_str(&json, "error", str_of(err->text));
    json_end(&json);
    if (status == 503) {
        respond_header(request, "Retry-After", STR("5"));
    }
}

JsonWriter respond_success(Request *request) {
    JsonWriter json = respond_json(request, 200);
    json_object(&json);
    json_put_str(&json, "status", STR("success"));
    json_key(&json, STR("data"));
    return json;
}

void respond_success_end(JsonWriter *json) {
    json_end(json);
}

Str request_header(const Request *request, Str name) {
    Str value = params_get(&request->headers, name);
    return value.ptr ? value : STR("");
}

static bool is_trusted(const WebOptions *options, Str address) {
    for (size_t i = 0; i < options->trusted_proxy_count; i++) {
        if (str_eq(options->trusted_proxies[i], address)) {
            return true;
        }
    }
    return false;
}

Actor request_actor(const Request *request, Str claimed) {
    const WebOptions *options = web_options(request->web);
    Str name = STR("");
    if (options->actor_header.len && is_trusted(options, request->address)) {
        char *lower = arena_cstr((Arena *)&request->arena, options->actor_header);
        for (char *c = lower; *c; c++) {
            *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
        }
        name = request_header(request, str_of(lower));
    }
    return name.len ? (Actor){.name = name, .address = request->address}
                    : (Actor){.name = claimed, .claimed = true, .address = request->address};
}
