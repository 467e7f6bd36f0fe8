/* Bodies shrink by zstd or gzip (RFC 8878, 1952) where the client takes it and it pays. */

#include <zlib.h>
#include <zstd.h>

#include "web/server.h"

enum { WORTH_BYTES = 1400 }; /* what fits one packet anyway stays as it is */

static bool accepts(const Request *request, const char *coding) {
    Str header = request_header(request, STR("accept-encoding"));
    return memmem(header.ptr, header.len, coding, strlen(coding)) != NULL;
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
    bool zstd = accepts(request, "zstd");
    if (body.len < WORTH_BYTES || params_has(&response->headers, STR("Content-Encoding")) ||
        (!zstd && !accepts(request, "gzip"))) {
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
