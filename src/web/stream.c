/*
 * Answers that are made while they are sent. libmicrohttpd asks for bytes on the connection's
 * worker; where none are left the connection is suspended, the pool makes the next piece, and the
 * worker goes on. So memory holds one piece per client, and a client that reads slowly costs
 * nobody time.
 */

#include <microhttpd.h>

#include "base/log.h"
#include "web/server.h"

static void run_fill(void *job) {
    Request *request = job;
    ResponseStream *stream = &request->response.stream;
    Err err = {0};
    bool more = false;
    if (request->cancelled) {
        err_set(&err, ERR_CANCELLED, "the client went away");
    } else {
        more = stream->fill(stream->ctx, request, &request->response.body, &err);
    }
    stream->done = !more;
    stream->failed = err.kind != ERR_NONE;
    if (stream->failed && err.kind != ERR_CANCELLED) {
        log_event(LOG_WARN, "answer broken off", LOG_STR("path", request->path),
                  LOG_STR("reason", str_of(err.text)));
    }
    server_finish(request->web, request);
}

static ssize_t read_stream(void *context, uint64_t position, char *bytes, size_t bytes_max) {
    (void)position;
    Request *request = context;
    ResponseStream *stream = &request->response.stream;
    Buf *body = &request->response.body;
    size_t left = body->len - stream->taken;
    if (left) {
        size_t len = left < bytes_max ? left : bytes_max;
        memcpy(bytes, body->ptr + stream->taken, len);
        stream->taken += len;
        return (ssize_t)len;
    }
    if (stream->done) {
        return stream->failed ? MHD_CONTENT_READER_END_WITH_ERROR
                              : MHD_CONTENT_READER_END_OF_STREAM;
    }
    body->len = stream->taken = 0;
    if (!server_suspend_reader(request->web, request)) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    if (!pool_submit(request->web->pool, run_fill, request)) {
        stream->done = stream->failed = true;
        server_finish(request->web, request);
    }
    return 0;
}

struct MHD_Response *stream_response(Request *request) {
    enum { BLOCK_BYTES = 64 * 1024 };
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_stream, request,
                                             NULL);
}
