/* Undoing gzip and zstd while a body comes in. */

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "base/mem.h"
#include "ingest/ingest.h"

enum {
    PIECE_BYTES = 1 << 20,
    WINDOW_LOG_MAX = 27, /* what the zstd tool itself unpacks without being asked */
};

struct IngestUnpack {
    bool is_zstd;
    z_stream gzip;
    ZSTD_DCtx *zstd;
    bool begun; /* some bytes came */
    bool whole; /* what came so far ends where a stream may end */
};

IngestUnpack *ingest_unpack_new(Str coding) {
    bool zstd = str_eq(coding, STR("zstd"));
    if (!zstd && !str_eq(coding, STR("gzip"))) {
        return NULL;
    }
    IngestUnpack *unpack = mem_zero(1, sizeof *unpack);
    unpack->is_zstd = zstd;
    if (zstd) {
        unpack->zstd = ZSTD_createDCtx();
        ZSTD_DCtx_setParameter(unpack->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    } else if (inflateInit2(&unpack->gzip, 32 + 15) != Z_OK) { /* gzip or zlib by their headers */
        free(unpack);
        return NULL;
    }
    return unpack;
}

void ingest_unpack_free(IngestUnpack *unpack) {
    if (!unpack) {
        return;
    }
    if (unpack->is_zstd) {
        ZSTD_freeDCtx(unpack->zstd);
    } else {
        inflateEnd(&unpack->gzip);
    }
    free(unpack);
}

static bool unpack_zstd(IngestUnpack *unpack, Str *packed, Buf *out, Err *err) {
    ZSTD_inBuffer in = {packed->ptr, packed->len, 0};
    ZSTD_outBuffer piece = {out->ptr, PIECE_BYTES, 0};
    size_t left = ZSTD_decompressStream(unpack->zstd, &piece, &in);
    if (ZSTD_isError(left)) {
        return err_set(err, ERR_INVALID, "zstd: %s", ZSTD_getErrorName(left));
    }
    *packed = str_skip(*packed, in.pos);
    out->len = piece.pos;
    unpack->whole = left == 0;
    return true;
}

static bool unpack_gzip(IngestUnpack *unpack, Str *packed, Buf *out, Err *err) {
    z_stream *gzip = &unpack->gzip;
    if (unpack->whole && packed->len && inflateReset(gzip) != Z_OK) { /* a further member */
        return err_set(err, ERR_INVALID, "gzip: the body is corrupt");
    }
    size_t given = packed->len < UINT32_MAX ? packed->len : UINT32_MAX;
    gzip->next_in = (Bytef *)(uintptr_t)packed->ptr;
    gzip->avail_in = (uInt)given;
    gzip->next_out = (Bytef *)out->ptr;
    gzip->avail_out = PIECE_BYTES;
    int status = inflate(gzip, Z_NO_FLUSH);
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
        return err_set(err, ERR_INVALID, "gzip: %s", gzip->msg ? gzip->msg : "the body is corrupt");
    }
    *packed = str_skip(*packed, given - gzip->avail_in);
    out->len = PIECE_BYTES - gzip->avail_out;
    unpack->whole = status == Z_STREAM_END;
    return true;
}

bool ingest_unpack(IngestUnpack *unpack, Str *packed, Buf *out, Err *err) {
    out->len = 0;
    if (unpack->whole && packed->len == 0) {
        return true;
    }
    buf_reserve(out, PIECE_BYTES);
    unpack->begun = unpack->begun || packed->len > 0;
    /* A call may take bytes and give none, as within a header: only when both stand still is
     * everything done. */
    for (size_t before = SIZE_MAX; out->len == 0 && packed->len != before;) {
        before = packed->len;
        if (!(unpack->is_zstd ? unpack_zstd : unpack_gzip)(unpack, packed, out, err)) {
            return false;
        }
    }
    return true;
}

bool ingest_unpack_end(const IngestUnpack *unpack, Err *err) {
    return unpack->whole || !unpack->begun ||
           err_set(err, ERR_INVALID, "%s: the body breaks off", unpack->is_zstd ? "zstd" : "gzip");
}
