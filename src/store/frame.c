/* Reading frames: every byte is validated when a frame is opened, so that decoding can do without
 * checks. */

#include "store/frame.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "model/sample.h"
#include "store/bits.h"
#include "store/decimal.h"
#include "store/frame_format.h"
#include "store/pack.h"

/* Where the residuals of one stream are. */
typedef struct Stream {
    const uint8_t *packed;
    uint32_t exception_first;
    uint16_t exception_count;
    uint8_t width;
} Stream;

typedef struct LaneStreams {
    Stream of[2]; /* of the values, of the ulps */
} LaneStreams;

struct Frame {
    Arena arena; /* all that follows */
    FrameHeader header;
    uint64_t serial;
    FrameChunk *chunks;
    Lane *lanes;
    LaneStreams *streams;
    uint16_t *exception_positions;
    uint64_t *exception_highs; /* shifted to where they belong */
};

/* What only opening needs. */
typedef struct Opening {
    Frame *frame;
    ByteReader sections[SECTION_COUNT];
    uint8_t *depths; /* of the lanes' chains of references */
} Opening;

static bool corrupt(Err *err, const char *what) {
    return err_set(err, ERR_CORRUPT, "frame %s", what);
}

/* Most varints are one byte. */
static inline uint64_t get_varint(ByteReader *reader) {
    if (reader->at < reader->end && *reader->at < 0x80) {
        return *reader->at++;
    }
    return reader_varint(reader);
}

static inline uint8_t get_byte(ByteReader *reader) {
    if (reader->at < reader->end) {
        return *reader->at++;
    }
    reader->bad = true;
    return 0;
}

/* ---- header and sections ---- */

bool frame_header_read(Str bytes, FrameHeader *ret_header, Err *err) {
    assert(bytes.len >= FRAME_HEADER_BYTES);
    ByteReader reader = reader_of((Str){bytes.ptr, FRAME_HEADER_BYTES});
    uint32_t fields[FRAME_HEADER_BYTES / 4];
    for (size_t i = 0; i < FRAME_HEADER_BYTES / 4; i++) {
        fields[i] = reader_u32(&reader);
    }
    if (fields[0] != FRAME_MAGIC || fields[15] != crc32c(0, bytes.ptr, 60)) {
        return corrupt(err, "header is damaged");
    }
    FrameHeader header = {
        .kind = (FrameKind)fields[1],
        .chunk_count = fields[2],
        .lane_count = fields[3],
        .ordinal_first = fields[4],
        .ordinal_last = fields[5],
        .crc = fields[14],
    };
    uint64_t stored = 0;
    bool sized = true;
    for (int i = 0; i < SECTION_COUNT; i++) {
        header.raw_bytes[i] = fields[6 + i];
        header.stored_bytes[i] = fields[10 + i];
        stored += header.stored_bytes[i];
        sized = sized && header.raw_bytes[i] <= FRAME_BYTES_MAX &&
                header.stored_bytes[i] <= header.raw_bytes[i];
    }
    if (!sized || stored > FRAME_BYTES_MAX) {
        return corrupt(err, "sections are too large");
    }
    if ((header.kind != FRAME_VALUES && header.kind != FRAME_TIMES) || header.chunk_count == 0 ||
        header.chunk_count > header.lane_count || header.lane_count > FRAME_LANES_MAX ||
        header.ordinal_first > header.ordinal_last) {
        return corrupt(err, "header makes no sense");
    }
    *ret_header = header;
    return true;
}

/* Contexts of zstd that wait for their next use: making one costs as much as decompressing a
 * section. */
enum { CONTEXTS_KEPT = 8 };
static _Atomic(ZSTD_DCtx *) contexts[CONTEXTS_KEPT];

static ZSTD_DCtx *take_context(void) {
    for (int i = 0; i < CONTEXTS_KEPT; i++) {
        ZSTD_DCtx *context = atomic_exchange(&contexts[i], NULL);
        if (context) {
            return context;
        }
    }
    ZSTD_DCtx *context = ZSTD_createDCtx();
    assert(context);
    return context;
}

static void give_context(ZSTD_DCtx *context) {
    for (int i = 0; context && i < CONTEXTS_KEPT; i++) {
        context = atomic_exchange(&contexts[i], context);
    }
    ZSTD_freeDCtx(context);
}

static bool unpack_section(char *bytes, uint32_t raw, Str stored) {
    ZSTD_DCtx *context = take_context();
    size_t len = ZSTD_decompressDCtx(context, bytes, raw, stored.ptr, stored.len);
    give_context(context);
    return !ZSTD_isError(len) && len == raw;
}

static bool open_sections(Opening *opening, Str body, Err *err) {
    Frame *frame = opening->frame;
    for (int i = 0; i < SECTION_COUNT; i++) {
        uint32_t raw = frame->header.raw_bytes[i], stored = frame->header.stored_bytes[i];
        if (stored > body.len) {
            return corrupt(err, "breaks off");
        }
        char *bytes = arena_raw(&frame->arena, (size_t)raw + PACK_SLACK);
        memset(bytes + raw, 0, PACK_SLACK);
        if (raw == stored) {
            memcpy(bytes, body.ptr, stored);
        } else if (!unpack_section(bytes, raw, (Str){body.ptr, stored})) {
            return corrupt(err, "section does not decompress");
        }
        opening->sections[i] = reader_of((Str){bytes, raw});
        body = str_skip(body, stored);
    }
    return body.len == 0 || corrupt(err, "has bytes left over");
}

/* ---- chunks ---- */

static bool open_ordinals(Opening *opening, Err *err) {
    const FrameHeader *header = &opening->frame->header;
    ByteReader *dir = &opening->sections[SECTION_DIR];
    uint64_t ordinal = header->ordinal_first;
    for (size_t i = 0; i < header->chunk_count; i++) {
        uint64_t step = get_varint(dir);
        bool ascends = header->kind == FRAME_VALUES || i == 0 || step > 0;
        if (step > header->ordinal_last - ordinal || !ascends) {
            return corrupt(err, "ordinals make no sense");
        }
        ordinal += step;
        opening->frame->chunks[i].ordinal = (uint32_t)ordinal;
    }
    return ordinal == header->ordinal_last || corrupt(err, "ordinals do not match its header");
}

static bool open_slots(Opening *opening, Err *err) {
    FrameChunk *chunks = opening->frame->chunks;
    size_t count = opening->frame->header.chunk_count;
    ByteReader *dir = &opening->sections[SECTION_DIR];
    int64_t column = 0, slots = 0;
    for (size_t i = 0; i < count; i++) {
        column = wrap_add(column, unzigzag(get_varint(dir)));
        if (column < 0 || column > UINT32_MAX) {
            return corrupt(err, "time column makes no sense");
        }
        chunks[i].column = (uint32_t)column;
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t first = get_varint(dir);
        chunks[i].first = first < CHUNK_SAMPLES_MAX ? (uint16_t)first : CHUNK_SAMPLES_MAX;
    }
    for (size_t i = 0; i < count; i++) {
        slots = wrap_add(slots, unzigzag(get_varint(dir)));
        if (slots < 1 || slots > CHUNK_SAMPLES_MAX - chunks[i].first) {
            return corrupt(err, "chunk does not fit a time column");
        }
        chunks[i].count = (uint16_t)slots;
    }
    return true;
}

static bool open_chunks(Opening *opening, Err *err) {
    Frame *frame = opening->frame;
    FrameChunk *chunks = frame->chunks;
    size_t count = frame->header.chunk_count;
    ByteReader *dir = &opening->sections[SECTION_DIR];
    if (!open_ordinals(opening, err) || !open_slots(opening, err)) {
        return false;
    }
    uint8_t *flags = (uint8_t *)dir->at;
    if (reader_bytes(dir, count).len < count) {
        return corrupt(err, "directory breaks off");
    }
    TimeMs start = 0;
    for (size_t i = 0; i < count; i++) {
        if (flags[i] & CHUNK_STARTED) {
            chunks[i].start = start = wrap_add(start, unzigzag(get_varint(dir)));
        }
    }
    uint64_t lanes = 0, samples = 0;
    for (size_t i = 0; i < count; i++) {
        FrameChunk *chunk = &chunks[i];
        chunk->histograms = flags[i] & CHUNK_HISTOGRAMS;
        chunk->starts_vary = flags[i] & CHUNK_STARTS_VARY;
        uint64_t own = 1 + (uint64_t)chunk->starts_vary;
        if (chunk->histograms) {
            own = get_varint(dir);
            chunk->layout = reader_bytes(dir, get_varint(dir));
        }
        bool sane = (flags[i] & ~CHUNK_FLAGS_ALL) == 0 && own > chunk->starts_vary &&
                    own <= frame->header.lane_count - lanes &&
                    (frame->header.kind == FRAME_VALUES || (flags[i] == 0 && chunk->first == 0));
        if (!sane || dir->bad) {
            return corrupt(err, "chunk makes no sense");
        }
        chunk->lane_first = (uint32_t)lanes;
        chunk->lane_count = (uint32_t)own;
        lanes += own;
        samples += own * chunk->count;
    }
    if (lanes != frame->header.lane_count || samples > FRAME_SAMPLES_MAX) {
        return corrupt(err, "has another number of lanes than it says");
    }
    return true;
}

/* ---- lanes ---- */

/* True where the lane holds times and no doubles. */
static bool holds_times(const Frame *frame, const FrameChunk *chunk, uint32_t lane) {
    return frame->header.kind == FRAME_TIMES ||
           (chunk->starts_vary && lane == chunk->lane_first + chunk->lane_count - 1);
}

static bool lane_shape_valid(const Lane *lane, bool times) {
    static const struct {
        int8_t exponent_min, exponent_max;
        bool times, doubles;
    } shapes[] = {
        [LANE_CONST] = {-1, DECIMAL_EXPONENT_MAX, true, true},
        [LANE_DECIMAL] = {0, DECIMAL_EXPONENT_MAX, false, true},
        [LANE_ULP] = {0, DECIMAL_ULP_EXPONENT_MAX, false, true},
        [LANE_RAW] = {0, 0, false, true},
        [LANE_INT] = {0, 0, true, false},
    };
    if (lane->mode < LANE_CONST || lane->mode > LANE_INT) {
        return false;
    }
    if (lane->mode == LANE_CONST && times && lane->exponent != -1) {
        return false;
    }
    return (times ? shapes[lane->mode].times : shapes[lane->mode].doubles) &&
           lane->exponent >= shapes[lane->mode].exponent_min &&
           lane->exponent <= shapes[lane->mode].exponent_max;
}

static bool open_lane_flags(Opening *opening, const uint8_t *flags, Err *err) {
    Frame *frame = opening->frame;
    ByteReader *dir = &opening->sections[SECTION_DIR];
    for (size_t c = 0; c < frame->header.chunk_count; c++) {
        const FrameChunk *chunk = &frame->chunks[c];
        for (uint32_t i = chunk->lane_first; i < chunk->lane_first + chunk->lane_count; i++) {
            Lane *lane = &frame->lanes[i];
            lane->mode = flags[i] & 7;
            lane->exponent = (int8_t)get_byte(dir);
            lane->count = chunk->count;
            lane->value = (Prediction){
                .order = flags[i] >> 3 & 3, .flat = !(flags[i] & LANE_RESIDUALS), .gcd = 1};
            lane->ulp = (Prediction){.flat = true, .gcd = 1};
            bool times = holds_times(frame, chunk, i);
            bool plain = lane->mode != LANE_CONST;
            if (!lane_shape_valid(lane, times) || lane->value.order > 2 ||
                (!plain && flags[i] & ~LANE_CONST) || (times && flags[i] & LANE_PATCHED) ||
                (!lane->value.flat && lane->count <= lane->value.order)) {
                return corrupt(err, "lane makes no sense");
            }
        }
    }
    return true;
}

static bool open_references(Opening *opening, Err *err) {
    Frame *frame = opening->frame;
    ByteReader *dir = &opening->sections[SECTION_DIR];
    for (size_t i = 0; i < frame->header.lane_count; i++) {
        Lane *lane = &frame->lanes[i];
        if (!lane_has_ints(lane)) {
            continue;
        }
        uint8_t back = get_byte(dir);
        lane->value.reference = back;
        if (back == 0) {
            continue;
        }
        if (back > i || lane->value.order > 1) {
            return corrupt(err, "lane refers to nothing");
        }
        const Lane *to = &frame->lanes[i - back];
        opening->depths[i] = (uint8_t)(opening->depths[i - back] + 1);
        if (!lane_has_ints(to) || to->count != lane->count || opening->depths[i] > LANE_DEPTH_MAX) {
            return corrupt(err, "lane refers to what it cannot use");
        }
    }
    return true;
}

static bool open_numbers(Opening *opening, const uint8_t *flags, Err *err) {
    Lane *lanes = opening->frame->lanes;
    size_t count = opening->frame->header.lane_count;
    ByteReader *dir = &opening->sections[SECTION_DIR];
    for (size_t i = 0; i < count; i++) {
        if (lanes[i].mode == LANE_ULP) {
            uint8_t byte = get_byte(dir);
            lanes[i].ulp.order = byte & 3;
            lanes[i].ulp.flat = !(byte & ULP_RESIDUALS);
            if (byte & ~ULP_BITS_ALL || lanes[i].ulp.order > 2 ||
                (!lanes[i].ulp.flat && lanes[i].count <= lanes[i].ulp.order)) {
                return corrupt(err, "lane's ulps make no sense");
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (flags[i] & LANE_GCD) {
            lanes[i].value.gcd = get_varint(dir);
            if (lanes[i].value.gcd < 2 || lanes[i].value.reference) {
                return corrupt(err, "lane's divisor makes no sense");
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        Prediction *value = &lanes[i].value;
        if (lanes[i].mode == LANE_CONST && lanes[i].exponent < 0) {
            value->base = (int64_t)reader_u64(dir);
        } else if (!(value->reference && value->order == 0)) {
            value->base = unzigzag(get_varint(dir));
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (lane_has_ints(&lanes[i])) {
            lanes[i].value.centre = unzigzag(get_varint(dir));
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (lanes[i].mode == LANE_ULP) {
            lanes[i].ulp.base = unzigzag(get_varint(dir));
            lanes[i].ulp.centre = unzigzag(get_varint(dir));
        }
    }
    return !dir->bad || corrupt(err, "directory breaks off");
}

static bool open_patch(ByteReader *dir, size_t room, LanePatch *ret_patch) {
    static const uint64_t values[] = {
        [PATCH_ABSENT] = 0,
        [PATCH_STALE] = STALE_NAN_BITS,
        [PATCH_NAN] = NORMAL_NAN_BITS,
        [PATCH_POSITIVE_INFINITY] = UINT64_C(0x7ff0000000000000),
        [PATCH_NEGATIVE_INFINITY] = UINT64_C(0xfff0000000000000),
        [PATCH_NEGATIVE_ZERO] = UINT64_C(0x8000000000000000),
    };
    uint64_t skip = get_varint(dir), more = get_varint(dir);
    uint8_t code = get_byte(dir);
    if (code > PATCH_BITS || skip >= room || more >= room - skip) {
        return false;
    }
    *ret_patch = (LanePatch){
        .bits = code == PATCH_BITS ? reader_u64(dir) : values[code],
        .at = (uint16_t)skip,
        .count = (uint16_t)(more + 1),
        .absent = code == PATCH_ABSENT,
    };
    return true;
}

static bool open_patches(Opening *opening, const uint8_t *flags, Err *err) {
    Frame *frame = opening->frame;
    ByteReader *dir = &opening->sections[SECTION_DIR];
    for (size_t i = 0; i < frame->header.lane_count; i++) {
        Lane *lane = &frame->lanes[i];
        if (!(flags[i] & LANE_PATCHED)) {
            continue;
        }
        uint64_t count = get_varint(dir);
        if (count == 0 || count > lane->count) {
            return corrupt(err, "lane has an impossible number of patches");
        }
        LanePatch *patches = arena_array(&frame->arena, LanePatch, count);
        size_t end = 0;
        for (size_t j = 0; j < count; j++) {
            if (!open_patch(dir, lane->count - end, &patches[j])) {
                return corrupt(err, "patch does not fit its lane");
            }
            patches[j].at = (uint16_t)(patches[j].at + end);
            end = (size_t)patches[j].at + patches[j].count;
        }
        lane->patches = patches;
        lane->patch_count = (uint16_t)count;
    }
    return (!dir->bad && reader_left(dir) == 0) || corrupt(err, "directory has a wrong length");
}

static bool open_lanes(Opening *opening, Err *err) {
    ByteReader *dir = &opening->sections[SECTION_DIR];
    size_t count = opening->frame->header.lane_count;
    const uint8_t *flags = dir->at;
    if (reader_bytes(dir, count).len < count) {
        return corrupt(err, "directory breaks off");
    }
    return open_lane_flags(opening, flags, err) && open_references(opening, err) &&
           open_numbers(opening, flags, err) && open_patches(opening, flags, err);
}

/* ---- streams ---- */

/* The three parts of META. */
typedef struct MetaParts {
    ByteReader widths, positions, highs;
} MetaParts;

static bool split_meta(ByteReader *meta, MetaParts *ret_parts, Err *err) {
    uint64_t widths = get_varint(meta), positions = get_varint(meta);
    ret_parts->widths = reader_of(reader_bytes(meta, widths));
    ret_parts->positions = reader_of(reader_bytes(meta, positions));
    ret_parts->highs = *meta;
    return !meta->bad || corrupt(err, "widths break off");
}

static bool open_exceptions(Opening *opening, MetaParts *meta, const Stream *stream, size_t count) {
    uint16_t *restrict positions = opening->frame->exception_positions + stream->exception_first;
    uint64_t *restrict highs = opening->frame->exception_highs + stream->exception_first;
    ByteReader position_reader = meta->positions, high_reader = meta->highs; /* in registers */
    int room = 64 - stream->width;
    uint64_t position = 0;
    for (size_t i = 0; i < stream->exception_count; i++) {
        uint64_t step = get_varint(&position_reader);
        uint64_t high = get_varint(&high_reader) + 1;
        if (step >= count - position || (i && step == 0) || high == 0 || bit_length(high) > room) {
            return false;
        }
        position += step;
        positions[i] = (uint16_t)position;
        highs[i] = high << stream->width;
    }
    meta->positions = position_reader;
    meta->highs = high_reader;
    return true;
}

static bool open_stream(Opening *opening, MetaParts *meta, size_t count, uint32_t *exceptions,
                        Stream *ret_stream, Err *err) {
    int width = get_byte(&meta->widths);
    uint64_t exception_count = get_varint(&meta->widths);
    ByteReader *section = &opening->sections[width <= LOW_WIDTH_MAX ? SECTION_LOW : SECTION_WIDE];
    if (!pack_width_valid(width) || exception_count > (width < 64 ? count : 0) ||
        /* each takes a byte at least, which bounds the sum by the arrays' size */
        exception_count > reader_left(&meta->positions) ||
        pack_bytes(count, width) > reader_left(section)) {
        return corrupt(err, "stream does not fit");
    }
    *ret_stream = (Stream){
        .packed = section->at,
        .exception_first = *exceptions,
        .exception_count = (uint16_t)exception_count,
        .width = (uint8_t)width,
    };
    section->at += pack_bytes(count, width);
    *exceptions += (uint32_t)exception_count;
    return open_exceptions(opening, meta, ret_stream, count) ||
           corrupt(err, "exceptions make no sense");
}

static bool open_streams(Opening *opening, Err *err) {
    Frame *frame = opening->frame;
    MetaParts meta;
    if (!split_meta(&opening->sections[SECTION_META], &meta, err)) {
        return false;
    }
    size_t room = reader_left(&meta.positions);
    frame->exception_positions = arena_raw(&frame->arena, room * sizeof(uint16_t));
    frame->exception_highs = arena_raw(&frame->arena, room * sizeof(uint64_t));
    uint32_t exceptions = 0;
    for (size_t i = 0; i < frame->header.lane_count; i++) {
        const Lane *lane = &frame->lanes[i];
        const Prediction *of[2] = {&lane->value, &lane->ulp};
        for (int which = 0; which < 2; which++) {
            size_t count = prediction_residual_count(of[which], lane->count);
            if (count && !open_stream(opening, &meta, count, &exceptions,
                                      &frame->streams[i].of[which], err)) {
                return false;
            }
        }
    }
    bool spent = reader_left(&meta.widths) == 0 && reader_left(&meta.positions) == 0 &&
                 reader_left(&meta.highs) == 0 && !meta.widths.bad && !meta.highs.bad &&
                 reader_left(&opening->sections[SECTION_LOW]) == 0 &&
                 reader_left(&opening->sections[SECTION_WIDE]) == 0;
    return spent || corrupt(err, "streams have a wrong length");
}

bool frame_open(Str bytes, Frame **ret_frame, Err *err) {
    if (bytes.len < FRAME_HEADER_BYTES) {
        return corrupt(err, "breaks off");
    }
    AUTO(frame_freep) Frame *frame = mem_zero(1, sizeof *frame);
    if (!frame_header_read(bytes, &frame->header, err)) {
        return false;
    }
    Str body = str_skip(bytes, FRAME_HEADER_BYTES);
    if (crc32c(0, body.ptr, body.len) != frame->header.crc) {
        return corrupt(err, "checksum does not match");
    }
    AUTO(arena_finish) Arena scratch = {0};
    Opening opening = {
        .frame = frame,
        .depths = arena_array(&scratch, uint8_t, frame->header.lane_count),
    };
    if (!open_sections(&opening, body, err)) {
        return false;
    }
    frame->chunks = arena_array(&frame->arena, FrameChunk, frame->header.chunk_count);
    frame->lanes = arena_array(&frame->arena, Lane, frame->header.lane_count);
    frame->streams = arena_array(&frame->arena, LaneStreams, frame->header.lane_count);
    if (!open_chunks(&opening, err) || !open_lanes(&opening, err) || !open_streams(&opening, err)) {
        return false;
    }
    static atomic_uint_fast64_t serials;
    frame->serial = atomic_fetch_add(&serials, 1) + 1;
    *ret_frame = TAKE(frame);
    return true;
}

uint64_t frame_serial(const Frame *frame) {
    return frame->serial;
}

void frame_free(Frame *frame) {
    if (frame) {
        arena_finish(&frame->arena);
        free(frame);
    }
}

size_t frame_memory_bytes(const Frame *frame) {
    return sizeof *frame + frame->arena.used_bytes;
}

const FrameChunk *frame_chunks(const Frame *frame, size_t *ret_count) {
    *ret_count = frame->header.chunk_count;
    return frame->chunks;
}

size_t frame_find(const Frame *frame, uint32_t ordinal) {
    size_t low = 0, high = frame->header.chunk_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (frame->chunks[middle].ordinal < ordinal) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const Lane *frame_lane(const Frame *frame, uint32_t lane) {
    assert(lane < frame->header.lane_count);
    return &frame->lanes[lane];
}

/* ---- decoding ---- */

static void read_stream(const Frame *frame, const Stream *stream, size_t count,
                        uint64_t *residuals) {
    pack_read(stream->packed, count, stream->width, residuals);
    const uint16_t *positions = frame->exception_positions + stream->exception_first;
    const uint64_t *highs = frame->exception_highs + stream->exception_first;
    for (size_t i = 0; i < stream->exception_count; i++) {
        residuals[positions[i]] |= highs[i];
    }
}

static void decode_ints(const Frame *frame, uint32_t index, const int64_t *reference,
                        int64_t *ints) {
    const Lane *lane = &frame->lanes[index];
    uint64_t residuals[CHUNK_SAMPLES_MAX];
    size_t count = prediction_residual_count(&lane->value, lane->count);
    if (count) {
        read_stream(frame, &frame->streams[index].of[0], count, residuals);
    }
    lane_ints(lane, residuals, reference, ints);
}

static void decode_values(const Frame *frame, uint32_t index, const int64_t *ints, uint64_t *bits) {
    const Lane *lane = &frame->lanes[index];
    uint64_t residuals[CHUNK_SAMPLES_MAX];
    size_t count = prediction_residual_count(&lane->ulp, lane->count);
    if (lane->mode == LANE_ULP && count) {
        read_stream(frame, &frame->streams[index].of[1], count, residuals);
    }
    lane_values(lane, ints, residuals, bits);
}

void frame_read_lane(const Frame *frame, uint32_t index, uint64_t bits[CHUNK_SAMPLES_MAX]) {
    assert(index < frame->header.lane_count);
    if (!lane_has_ints(&frame->lanes[index])) {
        decode_values(frame, index, NULL, bits);
        return;
    }
    uint32_t chain[LANE_DEPTH_MAX + 1];
    size_t length = 0;
    for (uint32_t at = index;; at -= frame->lanes[at].value.reference) {
        assert(length <= LANE_DEPTH_MAX);
        chain[length++] = at;
        if (!frame->lanes[at].value.reference) {
            break;
        }
    }
    int64_t ints[2][CHUNK_SAMPLES_MAX];
    size_t turn = 0;
    while (length--) {
        decode_ints(frame, chain[length], ints[turn ^ 1], ints[turn]);
        turn ^= 1;
    }
    decode_values(frame, index, ints[turn ^ 1], bits);
}

/* The integers of a lane from the memo, decoded now if they are not in it. */
static const int64_t *memo_ints(const Frame *frame, FrameMemo *memo, uint32_t index) {
    uint32_t chain[LANE_DEPTH_MAX + 1];
    size_t length = 0;
    const int64_t *ints = NULL;
    for (uint32_t at = index;; at -= frame->lanes[at].value.reference) {
        uint32_t slot = at % FRAME_MEMO_LANES;
        if (memo->lanes[slot] == at + 1) {
            ints = memo->ints[slot];
            break;
        }
        assert(length <= LANE_DEPTH_MAX);
        chain[length++] = at;
        if (!frame->lanes[at].value.reference) {
            break;
        }
    }
    int64_t copy[CHUNK_SAMPLES_MAX];
    while (length--) {
        uint32_t at = chain[length], slot = at % FRAME_MEMO_LANES;
        if (ints == memo->ints[slot]) { /* the reference would be overwritten while it is read */
            memcpy(copy, ints, frame->lanes[at].count * sizeof *ints);
            ints = copy;
        }
        decode_ints(frame, at, ints, memo->ints[slot]);
        memo->lanes[slot] = at + 1;
        ints = memo->ints[slot];
    }
    return ints;
}

void frame_scan_lane(const Frame *frame, FrameMemo *memo, uint32_t index,
                     uint64_t bits[CHUNK_SAMPLES_MAX]) {
    assert(index < frame->header.lane_count);
    if (memo->frame != frame->serial) {
        memo->frame = frame->serial;
        memset(memo->lanes, 0, sizeof memo->lanes);
    }
    const int64_t *ints =
        lane_has_ints(&frame->lanes[index]) ? memo_ints(frame, memo, index) : NULL;
    decode_values(frame, index, ints, bits);
}
