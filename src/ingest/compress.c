/*
 * Undoing compression, bounded: a small body must not become a large memory. The length a stream
 * claims for itself is checked before memory is taken, and where it claims none the output is
 * counted as it grows.
 */

#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#include "base/hash.h"
#include "ingest/ingest.h"
#include "ingest/snappy_block.h"

static bool refuse_size(Err *err, const char *what, uint64_t bytes, size_t bytes_max) {
    return err_set(err, ERR_LIMIT, "%s body of %llu bytes uncompressed, more than the %zu allowed",
                   what, (unsigned long long)bytes, bytes_max);
}

/* ---- snappy ---- */

static bool unsnappy_block(Str packed, size_t bytes_max, Buf *out, Err *err) {
    size_t bytes;
    if (snappy_uncompressed_length(packed.ptr, packed.len, &bytes) != SNAPPY_OK) {
        return err_set(err, ERR_INVALID, "snappy: the body has no valid length in front");
    }
    if (bytes > bytes_max || out->len > bytes_max - bytes) {
        return refuse_size(err, "snappy", (uint64_t)out->len + bytes, bytes_max);
    }
    /* The best snappy can do is 64 bytes for a 3-byte copy: a longer claim is a lie, not worth its
     * memory. */
    if (bytes / 32 > packed.len) {
        return err_set(err, ERR_INVALID, "snappy: %zu bytes cannot unpack to %zu", packed.len,
                       bytes);
    }
    buf_reserve(out, bytes + SNAPPY_SLOP);
    if (!snappy_block_unpack(packed, (uint8_t *)out->ptr + out->len, bytes)) {
        return err_set(err, ERR_INVALID, "snappy: the body is corrupt");
    }
    out->len += bytes;
    return true;
}

/* The framing format (google/snappy, framing_format.txt): chunks of a type byte, a 3-byte length,
 * and for data a masked CRC-32C of the uncompressed bytes. */
enum { FRAME_PACKED = 0x00, FRAME_PLAIN = 0x01, FRAME_SKIPPABLE = 0x80, FRAME_BYTES_MAX = 65536 };
static const char frame_magic[] = "\xff\x06\0\0sNaPpY";
#define FRAME_MAGIC ((Str){frame_magic, 10})

static bool unsnappy_chunk(uint8_t type, Str chunk, size_t bytes_max, Buf *out, Err *err) {
    if (type >= FRAME_SKIPPABLE) {
        return true;
    }
    if (type > FRAME_PLAIN || chunk.len < 4) {
        return err_set(err, ERR_INVALID, "snappy: chunk of type 0x%02x cannot be read", type);
    }
    size_t from = out->len;
    Str data = str_skip(chunk, 4);
    if (type == FRAME_PACKED) {
        if (!unsnappy_block(data, bytes_max, out, err)) {
            return false;
        }
    } else if (data.len > bytes_max - from) {
        return refuse_size(err, "snappy", (uint64_t)from + data.len, bytes_max);
    } else {
        buf_str(out, data);
    }
    if (out->len - from > FRAME_BYTES_MAX) {
        return err_set(err, ERR_INVALID, "snappy: chunk of %zu bytes, more than 65536",
                       out->len - from);
    }
    ByteReader reader = reader_of(chunk);
    uint32_t crc = crc32c(0, out->ptr + from, out->len - from);
    if (reader_u32(&reader) != ((crc >> 15 | crc << 17) + 0xa282ead8u)) {
        return err_set(err, ERR_INVALID, "snappy: wrong checksum in chunk at byte %zu", from);
    }
    return true;
}

static bool unsnappy_frames(Str packed, size_t bytes_max, Buf *out, Err *err) {
    while (packed.len) {
        if (packed.len < 4) {
            return err_set(err, ERR_INVALID, "snappy: chunk header breaks off");
        }
        const uint8_t *head = (const uint8_t *)packed.ptr;
        size_t len = (size_t)head[1] | (size_t)head[2] << 8 | (size_t)head[3] << 16;
        packed = str_skip(packed, 4);
        if (len > packed.len) {
            return err_set(err, ERR_INVALID, "snappy: chunk breaks off");
        }
        if (!unsnappy_chunk(head[0], (Str){packed.ptr, len}, bytes_max, out, err)) {
            return false;
        }
        packed = str_skip(packed, len);
    }
    return true;
}

bool ingest_unsnappy(Str packed, size_t bytes_max, Buf *out, Err *err) {
    out->len = 0;
    if (str_starts(packed, FRAME_MAGIC)) {
        return unsnappy_frames(packed, bytes_max, out, err);
    }
    return unsnappy_block(packed, bytes_max, out, err);
}

/* ---- zstd ---- */

enum { STEP_BYTES = 128 * 1024, WINDOW_LOG_MIN = 17, WINDOW_LOG_MAX = 27 };

static void free_zstd(ZSTD_DCtx **stream) {
    ZSTD_freeDCtx(*stream);
}

/* A frame may ask for a window of memory; one larger than all it may unpack to is never needed. */
static int window_log(size_t bytes_max) {
    int log = WINDOW_LOG_MIN;
    while (log < WINDOW_LOG_MAX && ((size_t)1 << log) < bytes_max) {
        log++;
    }
    return log;
}

bool ingest_unzstd(Str packed, size_t bytes_max, Buf *out, Err *err) {
    out->len = 0;
    AUTO(free_zstd) ZSTD_DCtx *stream = ZSTD_createDCtx();
    ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, window_log(bytes_max));
    ZSTD_inBuffer in = {packed.ptr, packed.len, 0};
    size_t left = 1;
    while (in.pos < in.size || left != 0) {
        buf_reserve(out, STEP_BYTES);
        size_t in_before = in.pos;
        ZSTD_outBuffer piece = {out->ptr + out->len, STEP_BYTES, 0};
        left = ZSTD_decompressStream(stream, &piece, &in);
        if (ZSTD_isError(left)) {
            return err_set(err, ERR_INVALID, "zstd: %s", ZSTD_getErrorName(left));
        }
        out->len += piece.pos;
        if (out->len > bytes_max) {
            return refuse_size(err, "zstd", out->len, bytes_max);
        }
        if (left != 0 && piece.pos == 0 && in.pos == in_before) {
            return err_set(err, ERR_INVALID, "zstd: the body breaks off");
        }
    }
    return true;
}

/* ---- gzip and deflate ---- */

static bool inflate_all(z_stream *stream, size_t bytes_max, Buf *out, Err *err) {
    for (int status = Z_OK; status != Z_STREAM_END || stream->avail_in;) {
        if (status == Z_STREAM_END && inflateReset(stream) != Z_OK) { /* a further member */
            return err_set(err, ERR_INVALID, "gzip: the body is corrupt");
        }
        buf_reserve(out, STEP_BYTES);
        stream->next_out = (Bytef *)out->ptr + out->len;
        stream->avail_out = STEP_BYTES;
        status = inflate(stream, Z_NO_FLUSH);
        size_t got = STEP_BYTES - stream->avail_out;
        out->len += got;
        if (status == Z_BUF_ERROR || (status == Z_OK && got == 0 && !stream->avail_in)) {
            return err_set(err, ERR_INVALID, "gzip: the body breaks off");
        }
        if (status != Z_OK && status != Z_STREAM_END) {
            return err_set(err, ERR_INVALID, "gzip: %s",
                           stream->msg ? stream->msg : "the body is corrupt");
        }
        if (out->len > bytes_max) {
            return refuse_size(err, "gzip", out->len, bytes_max);
        }
    }
    return true;
}

bool ingest_gunzip(Str packed, size_t bytes_max, Buf *out, Err *err) {
    out->len = 0;
    if (packed.len > UINT32_MAX) {
        return refuse_size(err, "gzip", packed.len, bytes_max);
    }
    /* zlib only reads `next_in`. 32 + 15: gzip or zlib by their headers, largest window. */
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)packed.ptr, .avail_in = (uInt)packed.len};
    if (inflateInit2(&stream, 32 + 15) != Z_OK) {
        return err_set(err, ERR_IO, "gzip: no memory");
    }
    bool ok = inflate_all(&stream, bytes_max, out, err);
    inflateEnd(&stream);
    return ok;
}
