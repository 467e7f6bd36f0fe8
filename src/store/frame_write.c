/*
 * THE BYTES OF A FRAME
 *
 * All numbers are little-endian; "varint" is LEB128, "zigzag" a signed number folded into a varint.
 *
 *     header   64 bytes
 *              u32 magic "BRF1"    u8 kind, 3 zero bytes
 *              u32 chunks          u32 lanes
 *              u32 first ordinal   u32 last ordinal
 *              4 x u32 bytes of each section when decompressed
 *              4 x u32 bytes of each section as stored; the same number: stored as it is, else zstd
 *              u32 crc32c of the stored sections
 *              u32 crc32c of the 60 bytes before
 *     DIR      what a chunk and a lane is, column by column, because a column compresses better
 * than a row META     width and exceptions of every stream LOW      packed residuals of streams up
 * to 6 bits wide WIDE     of wider ones; mostly noise, so zstd is kept only if it saves 3 %
 *
 * DIR, for all chunks:
 *     varint   ordinal - ordinal of the chunk before (header's first for the first one)
 *     zigzag   time column - that of the chunk before, from 0
 *     varint   first slot
 *     zigzag   number of slots - that of the chunk before, from 0
 *     u8       flags: 1 histograms, 2 the last lane holds start times, 4 has one start time
 *     zigzag   start time - that of the last chunk that has one, from 0 (where flagged)
 *     varint   number of lanes, then the bytes of the layout with their length before (histogram
 * chunks only) then for all lanes: u8       mode | order << 3 | 32 patched | 64 has residuals | 128
 * has a gcd u8       exponent, 255 for -1 u8       reference (all but LANE_CONST) u8       order of
 * the ulps | 8 has residuals (LANE_ULP) varint   gcd (where flagged) zigzag   base (not with a
 * reference of order 0); 8 bytes for LANE_CONST with exponent -1 zigzag   centre (all but
 * LANE_CONST) zigzag   base, centre of the ulps (LANE_ULP) patches (where flagged): varint number,
 * then each: varint slots since the end of the one before, varint slots - 1, u8 code, 8 bytes if
 * the code is PATCH_BITS
 *
 * META: varint bytes of A, varint bytes of B; then
 *     A        for each stream (a lane's values, then its ulps): u8 width, varint number of
 * exceptions B        the exceptions' positions: varint distance to the one before (the first: to
 * 0) C        their high bits, minus 1: varint
 *
 * LOW and WIDE: pack_write() of each stream, in order of the lanes. A reader finds a lane's bits by
 * summing up lengths that META and DIR imply.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "model/sample.h"
#include "store/bits.h"
#include "store/frame_format.h"
#include "store/pack.h"

struct FrameWriter {
    FrameKind kind;
    int zstd_level;
    Arena arena; /* what the encodings point to */
    FrameChunk *chunks;
    size_t chunks_count, chunks_cap;
    LaneEncoding *lanes;
    size_t lanes_count, lanes_cap;
    size_t sample_count;
    Buf sections[SECTION_COUNT];
    Buf packed; /* one section, compressed */
    ZSTD_CCtx *zstd;
};

FrameWriter *frame_writer_new(FrameKind kind, int zstd_level) {
    FrameWriter *writer = mem_zero(1, sizeof *writer);
    writer->kind = kind;
    writer->zstd_level = zstd_level;
    writer->zstd = ZSTD_createCCtx();
    assert(writer->zstd);
    return writer;
}

void frame_writer_free(FrameWriter *writer) {
    if (!writer) {
        return;
    }
    arena_finish(&writer->arena);
    free(writer->chunks);
    free(writer->lanes);
    for (int i = 0; i < SECTION_COUNT; i++) {
        buf_finish(&writer->sections[i]);
    }
    buf_finish(&writer->packed);
    ZSTD_freeCCtx(writer->zstd);
    free(writer);
}

void frame_writer_add(FrameWriter *writer, const FrameChunk *chunk, const LaneInput *lanes,
                      size_t lane_count) {
    assert(lane_count >= 1 && chunk->count >= 1 && chunk->count <= CHUNK_SAMPLES_MAX);
    assert(!writer->chunks_count ||
           writer->chunks[writer->chunks_count - 1].ordinal <= chunk->ordinal);
    FrameChunk copy = *chunk;
    copy.lane_first = (uint32_t)writer->lanes_count;
    copy.lane_count = (uint32_t)lane_count;
    copy.layout = arena_str(&writer->arena, chunk->layout);
    VEC_PUSH(*writer, chunks, copy);
    for (size_t i = 0; i < lane_count; i++) {
        assert(lanes[i].count == chunk->count);
        LaneEncoding encoding;
        lane_encode(&writer->arena, &lanes[i], writer->lanes, writer->lanes_count, &encoding);
        VEC_PUSH(*writer, lanes, encoding);
    }
    writer->sample_count += lane_count * chunk->count;
}

bool frame_writer_empty(const FrameWriter *writer) {
    return writer->chunks_count == 0;
}

bool frame_writer_full(const FrameWriter *writer) {
    return writer->sample_count >= FRAME_SAMPLES_FULL || writer->lanes_count >= FRAME_LANES_FULL;
}

uint32_t frame_writer_ordinal_first(const FrameWriter *writer) {
    return writer->chunks_count ? writer->chunks[0].ordinal : 0;
}

uint32_t frame_writer_ordinal_last(const FrameWriter *writer) {
    return writer->chunks_count ? writer->chunks[writer->chunks_count - 1].ordinal : 0;
}

/* ---- directory ---- */

static void put_ordinals(Buf *dir, const FrameChunk *chunks, size_t count) {
    uint32_t before = chunks[0].ordinal;
    for (size_t i = 0; i < count; i++) {
        buf_varint(dir, chunks[i].ordinal - before);
        before = chunks[i].ordinal;
    }
}

static void put_chunk_columns(Buf *dir, const FrameChunk *chunks, size_t count) {
    put_ordinals(dir, chunks, count);
    uint32_t column = 0;
    for (size_t i = 0; i < count; i++) {
        buf_varint(dir, zigzag((int64_t)chunks[i].column - column));
        column = chunks[i].column;
    }
    for (size_t i = 0; i < count; i++) {
        buf_varint(dir, chunks[i].first);
    }
    int64_t slots = 0;
    for (size_t i = 0; i < count; i++) {
        buf_varint(dir, zigzag(chunks[i].count - slots));
        slots = chunks[i].count;
    }
    for (size_t i = 0; i < count; i++) {
        buf_byte(dir, (char)((chunks[i].histograms ? CHUNK_HISTOGRAMS : 0) |
                             (chunks[i].starts_vary ? CHUNK_STARTS_VARY : 0) |
                             (chunks[i].start ? CHUNK_STARTED : 0)));
    }
    TimeMs start = 0;
    for (size_t i = 0; i < count; i++) {
        if (chunks[i].start) {
            buf_varint(dir, zigzag(wrap_sub(chunks[i].start, start)));
            start = chunks[i].start;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (chunks[i].histograms) {
            buf_varint(dir, chunks[i].lane_count);
            buf_varint(dir, chunks[i].layout.len);
            buf_str(dir, chunks[i].layout);
        }
    }
}

static bool is_plain(const Lane *lane) {
    return lane->mode != LANE_CONST;
}

static bool has_base(const Lane *lane) {
    return !(is_plain(lane) && lane->value.reference && lane->value.order == 0);
}

static uint8_t lane_flags(const Lane *lane) {
    int flags = lane->mode;
    if (is_plain(lane)) {
        flags |= lane->value.order << 3 | (lane->value.flat ? 0 : LANE_RESIDUALS) |
                 (lane->value.gcd > 1 ? LANE_GCD : 0);
    }
    return (uint8_t)(flags | (lane->patch_count ? LANE_PATCHED : 0));
}

static int patch_code(const LanePatch *patch) {
    static const struct {
        uint64_t bits;
        int code;
    } codes[] = {
        {STALE_NAN_BITS, PATCH_STALE},
        {NORMAL_NAN_BITS, PATCH_NAN},
        {UINT64_C(0x7ff0000000000000), PATCH_POSITIVE_INFINITY},
        {UINT64_C(0xfff0000000000000), PATCH_NEGATIVE_INFINITY},
        {UINT64_C(0x8000000000000000), PATCH_NEGATIVE_ZERO},
    };
    if (patch->absent) {
        return PATCH_ABSENT;
    }
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (codes[i].bits == patch->bits) {
            return codes[i].code;
        }
    }
    return PATCH_BITS;
}

static void put_patches(Buf *dir, const Lane *lane) {
    size_t end = 0;
    buf_varint(dir, lane->patch_count);
    for (size_t i = 0; i < lane->patch_count; i++) {
        const LanePatch *patch = &lane->patches[i];
        int code = patch_code(patch);
        buf_varint(dir, patch->at - end);
        buf_varint(dir, patch->count - 1u);
        buf_byte(dir, (char)code);
        if (code == PATCH_BITS) {
            buf_u64(dir, patch->bits);
        }
        end = (size_t)patch->at + patch->count;
    }
}

static void put_lane_bases(Buf *dir, const LaneEncoding *lanes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const Lane *lane = &lanes[i].lane;
        if (!is_plain(lane) && lane->exponent < 0) {
            buf_u64(dir, (uint64_t)lane->value.base);
        } else if (has_base(lane)) {
            buf_varint(dir, zigzag(lane->value.base));
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (is_plain(&lanes[i].lane)) {
            buf_varint(dir, zigzag(lanes[i].lane.value.centre));
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (lanes[i].lane.mode == LANE_ULP) {
            buf_varint(dir, zigzag(lanes[i].lane.ulp.base));
            buf_varint(dir, zigzag(lanes[i].lane.ulp.centre));
        }
    }
}

static void put_lane_columns(Buf *dir, const LaneEncoding *lanes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        buf_byte(dir, (char)lane_flags(&lanes[i].lane));
    }
    for (size_t i = 0; i < count; i++) {
        buf_byte(dir, (char)lanes[i].lane.exponent);
    }
    for (size_t i = 0; i < count; i++) {
        if (is_plain(&lanes[i].lane)) {
            buf_byte(dir, (char)lanes[i].lane.value.reference);
        }
    }
    for (size_t i = 0; i < count; i++) {
        const Prediction *ulp = &lanes[i].lane.ulp;
        if (lanes[i].lane.mode == LANE_ULP) {
            buf_byte(dir, (char)(ulp->order | (ulp->flat ? 0 : ULP_RESIDUALS)));
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (lane_flags(&lanes[i].lane) & LANE_GCD) {
            buf_varint(dir, lanes[i].lane.value.gcd);
        }
    }
    put_lane_bases(dir, lanes, count);
    for (size_t i = 0; i < count; i++) {
        if (lanes[i].lane.patch_count) {
            put_patches(dir, &lanes[i].lane);
        }
    }
}

/* ---- streams ---- */

typedef struct Exceptions {
    Buf widths, positions, highs;
} Exceptions;

static void exceptions_finish(Exceptions *exceptions) {
    buf_finish(&exceptions->widths);
    buf_finish(&exceptions->positions);
    buf_finish(&exceptions->highs);
}

static void put_stream(FrameWriter *writer, Exceptions *exceptions, const uint64_t *residuals,
                       size_t count) {
    int width = pack_width(residuals, count);
    int section = width <= LOW_WIDTH_MAX ? SECTION_LOW : SECTION_WIDE;
    pack_write(&writer->sections[section], residuals, count, width);
    size_t found = 0, before = 0;
    for (size_t i = 0; width < 64 && i < count; i++) {
        if (residuals[i] >> width) {
            buf_varint(&exceptions->positions, i - before);
            buf_varint(&exceptions->highs, (residuals[i] >> width) - 1);
            before = i;
            found++;
        }
    }
    buf_byte(&exceptions->widths, (char)width);
    buf_varint(&exceptions->widths, found);
}

static void put_streams(FrameWriter *writer) {
    AUTO(exceptions_finish) Exceptions exceptions = {0};
    for (size_t i = 0; i < writer->lanes_count; i++) {
        const LaneEncoding *encoding = &writer->lanes[i];
        for (int which = 0; which < 2; which++) {
            if (encoding->residual_count[which]) {
                put_stream(writer, &exceptions, encoding->residuals[which],
                           encoding->residual_count[which]);
            }
        }
    }
    Buf *meta = &writer->sections[SECTION_META];
    buf_varint(meta, exceptions.widths.len);
    buf_varint(meta, exceptions.positions.len);
    buf_str(meta, buf_view(&exceptions.widths));
    buf_str(meta, buf_view(&exceptions.positions));
    buf_str(meta, buf_view(&exceptions.highs));
}

/* ---- the whole ---- */

/* Compresses a section into `packed`; returns what is to be stored. */
static Str store_section(ZSTD_CCtx *zstd, int level, Buf *packed, Str raw, bool wide) {
    if (wide && level <= FRAME_LEVEL_FAST) {
        return raw;
    }
    packed->len = 0;
    buf_reserve(packed, ZSTD_compressBound(raw.len));
    size_t len = ZSTD_compressCCtx(zstd, packed->ptr, packed->cap, raw.ptr, raw.len, level);
    assert(!ZSTD_isError(len));
    size_t worth = wide ? raw.len - raw.len * 3 / 100 : raw.len;
    return len < worth ? (Str){packed->ptr, len} : raw;
}

static void set_u32(char *at, uint32_t value) {
    for (int i = 0; i < 4; i++) {
        at[i] = (char)(value >> (8 * i));
    }
}

/* Fills the header that stands before `body_at`; the sections follow it to the end of `out`. */
static void set_header(Buf *out, size_t body_at, FrameHeader header) {
    uint32_t fields[FRAME_HEADER_BYTES / 4] = {FRAME_MAGIC,          header.kind,
                                               header.chunk_count,   header.lane_count,
                                               header.ordinal_first, header.ordinal_last};
    for (int i = 0; i < SECTION_COUNT; i++) {
        fields[6 + i] = header.raw_bytes[i];
        fields[10 + i] = header.stored_bytes[i];
    }
    fields[14] = crc32c(0, out->ptr + body_at, out->len - body_at);
    char *at = out->ptr + body_at - FRAME_HEADER_BYTES;
    for (int i = 0; i < 15; i++) {
        set_u32(at + 4 * i, fields[i]);
    }
    set_u32(at + 60, crc32c(0, at, 60));
}

static void put_header_room(Buf *out) {
    static const char zeroes[FRAME_HEADER_BYTES];
    buf_put(out, zeroes, sizeof zeroes);
}

static void writer_reset(FrameWriter *writer) {
    arena_reset(&writer->arena);
    writer->chunks_count = writer->lanes_count = writer->sample_count = 0;
    for (int i = 0; i < SECTION_COUNT; i++) {
        writer->sections[i].len = 0;
    }
}

void frame_writer_flush(FrameWriter *writer, Buf *out) {
    assert(!frame_writer_empty(writer));
    FrameHeader header = {
        .kind = writer->kind,
        .chunk_count = (uint32_t)writer->chunks_count,
        .lane_count = (uint32_t)writer->lanes_count,
        .ordinal_first = frame_writer_ordinal_first(writer),
        .ordinal_last = frame_writer_ordinal_last(writer),
    };
    put_chunk_columns(&writer->sections[SECTION_DIR], writer->chunks, writer->chunks_count);
    put_lane_columns(&writer->sections[SECTION_DIR], writer->lanes, writer->lanes_count);
    put_streams(writer);
    put_header_room(out);
    size_t body_at = out->len;
    for (int i = 0; i < SECTION_COUNT; i++) {
        Str raw = buf_view(&writer->sections[i]);
        Str stored = store_section(writer->zstd, writer->zstd_level, &writer->packed, raw,
                                   i == SECTION_WIDE);
        header.raw_bytes[i] = (uint32_t)raw.len;
        header.stored_bytes[i] = (uint32_t)stored.len;
        buf_str(out, stored);
    }
    set_header(out, body_at, header);
    writer_reset(writer);
}

/* ---- copying ---- */

/* The directory's first column, anew; the rest as it is. */
static bool rebase_directory(Str dir, const uint32_t *ordinals, size_t count, Buf *out, Err *err) {
    ByteReader reader = reader_of(dir);
    for (size_t i = 0; i < count; i++) {
        reader_varint(&reader);
    }
    if (reader.bad) {
        return err_set(err, ERR_CORRUPT, "frame directory breaks off");
    }
    uint32_t before = ordinals[0];
    for (size_t i = 0; i < count; i++) {
        buf_varint(out, ordinals[i] - before);
        before = ordinals[i];
    }
    buf_put(out, reader.at, reader_left(&reader));
    return true;
}

static bool unpack_section(Str stored, uint32_t raw_bytes, Buf *room, Str *ret_raw, Err *err) {
    *ret_raw = stored;
    if (stored.len == raw_bytes) {
        return true;
    }
    room->len = 0;
    buf_reserve(room, raw_bytes);
    size_t len = ZSTD_decompress(room->ptr, raw_bytes, stored.ptr, stored.len);
    if (ZSTD_isError(len) || len != raw_bytes) {
        return err_set(err, ERR_CORRUPT, "frame section does not decompress");
    }
    *ret_raw = (Str){room->ptr, len};
    return true;
}

/* What copying a frame needs besides the frame. */
typedef struct Copying {
    ZSTD_CCtx *zstd;
    Buf raw, dir, packed;
} Copying;

static void copying_finish(Copying *copying) {
    ZSTD_freeCCtx(copying->zstd);
    buf_finish(&copying->raw);
    buf_finish(&copying->dir);
    buf_finish(&copying->packed);
}

/* Copies one section, or compresses it anew; `ordinals` are those of the directory. */
static bool copy_section(Copying *copying, const FrameCopy *copy, int section, Str stored,
                         FrameHeader *header, Buf *out, Err *err) {
    bool rebase = section == SECTION_DIR && copy->ordinals;
    if (rebase || copy->recompress) {
        Str raw;
        if (!unpack_section(stored, header->raw_bytes[section], &copying->raw, &raw, err) ||
            (rebase &&
             !rebase_directory(raw, copy->ordinals, header->chunk_count, &copying->dir, err))) {
            return false;
        }
        raw = rebase ? buf_view(&copying->dir) : raw;
        header->raw_bytes[section] = (uint32_t)raw.len;
        stored = store_section(copying->zstd, copy->zstd_level, &copying->packed, raw,
                               section == SECTION_WIDE);
    }
    header->stored_bytes[section] = (uint32_t)stored.len;
    buf_str(out, stored);
    return true;
}

bool frame_copy(Str bytes, const FrameCopy *copy, Buf *out, Err *err) {
    FrameHeader header;
    if (!frame_header_read(bytes, &header, err)) {
        return false;
    }
    Str body = str_skip(bytes, FRAME_HEADER_BYTES);
    if (crc32c(0, body.ptr, body.len) != header.crc) {
        return err_set(err, ERR_CORRUPT, "frame checksum does not match");
    }
    AUTO(copying_finish) Copying copying = {.zstd = ZSTD_createCCtx()};
    put_header_room(out);
    size_t body_at = out->len;
    for (int i = 0; i < SECTION_COUNT; i++) {
        if (header.stored_bytes[i] > body.len) {
            return err_set(err, ERR_CORRUPT, "frame breaks off");
        }
        Str stored = {body.ptr, header.stored_bytes[i]};
        body = str_skip(body, stored.len);
        if (!copy_section(&copying, copy, i, stored, &header, out, err)) {
            return false;
        }
    }
    if (copy->ordinals) {
        header.ordinal_first = copy->ordinals[0];
        header.ordinal_last = copy->ordinals[header.chunk_count - 1];
    }
    set_header(out, body_at, header);
    return true;
}
