/* Bodies shrink by zstd or gzip (RFC 8878, 1952) where the client takes it and it pays. */

#include <zlib.h>
#include <zstd.h>

#include "web/server.h"

enum { WORTH_BYTES = 1400 }; /* what fits one packet anyway stays as it is */

/* True for ";q=0", ";q=0.0" and the like: not wanted. */
static bool is_unwanted(Str params) {
    params = str_trim(params);
    if (!str_starts(params, STR("q="))) {
        return false;
    }
    for (size_t i = 2; i < params.len; i++) {
        if (params.ptr[i] != '0' && params.ptr[i] != '.') {
            return false;
        }
    }
    return true;
}

/* Whether Accept-Encoding (RFC 9110, 12.5.3) names the coding. `*` would mean any, but who writes
 * that is rarely ready for zstd. */
static bool accepts(const Request *request, Str coding) {
    Str rest = request_header(request, STR("accept-encoding"));
    while (rest.len) {
        size_t end = str_find(rest, ',');
        Str item = {rest.ptr, end};
        rest = str_skip(rest, end < rest.len ? end + 1 : end);
        size_t name_end = str_find(item, ';');
        if (str_eq(str_trim((Str){item.ptr, name_end}), coding)) {
            return name_end == item.len || !is_unwanted(str_skip(item, name_end + 1));
        }
    }
    return false;
}

static bool pack_zstd(Str body, Buf *out) {
    buf_reserve(out, ZSTD_compressBound(body.len));
    size_t len = ZSTD_compress(out->ptr, out->cap, body.ptr, body.len, 1);
    out->len = ZSTD_isError(len) ? 0 : len;
    return out->len > 0;
}

static bool pack_gzip(Str body, Buf *out) {
    z_stream stream = {0};
    if (body.len > UINT32_MAX ||
        deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        return false;
    }
    buf_reserve(out, deflateBound(&stream, body.len));
    stream.next_in = (Bytef *)(uintptr_t)body.ptr;
    stream.avail_in = (uInt)body.len;
    stream.next_out = (Bytef *)out->ptr;
    stream.avail_out = (uInt)(out->cap > UINT32_MAX ? UINT32_MAX : out->cap);
    int result = deflate(&stream, Z_FINISH);
    out->len = stream.total_out;
    deflateEnd(&stream);
    return result == Z_STREAM_END;
}

void compress_response(Request *request) {
    Response *response = &request->response;
    Str body = buf_view(&response->body);
    bool zstd = accepts(request, STR("zstd"));
    if (body.len < WORTH_BYTES || params_has(&response->headers, STR("Content-Encoding")) ||
        (!zstd && !accepts(request, STR("gzip")))) {
        return;
    }
    Buf packed = {0};
    if ((zstd ? pack_zstd(body, &packed) : pack_gzip(body, &packed)) && packed.len < body.len) {
        buf_finish(&response->body);
        response->body = packed;
        respond_header(request, "Content-Encoding", zstd ? STR("zstd") : STR("gzip"));
        respond_header(request, "Vary", STR("Accept-Encoding"));
    } else {
        buf_finish(&packed);
    }
}
