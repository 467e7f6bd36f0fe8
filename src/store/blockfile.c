/*
 * THE BYTES OF A BLOCK
 *
 *     header   16 bytes: u64 magic "BELRYBLK", u32 version, u32 zero
 *     frames   drawn in frame_write.c; as they became full, those of a window's times after those
 * of its values index    drawn in index_write.c table    varint frames, then each, sorted by
 * window, kind, first ordinal, offset: zigzag window start - that of the frame before (from 0), u8
 * kind, varint first ordinal, varint last - first, varint offset in the file, varint bytes, zigzag
 * earliest sample - window start, varint latest - earliest, varint samples footer   128 bytes: u64
 * magic, u32 version, u32 order of the series (PARTS_ORDER), u32 level, u32 crc32c of the index,
 * u32 of the table, u32 zero, u64 offset and bytes of the index, u64 offset and bytes of the table,
 *              i64 earliest and latest sample, u64 series, u64 samples, i64 span of a window,
 *              zeroes, u32 crc32c of the 124 bytes before
 *
 * A window is a multiple of its span in time; chunks do not cross it, so blocks of the same span
 * are merged by copying the frames of windows that only one of them has. Time columns are numbered
 * within a window.
 *
 * Everything but the frames is checked when a block is opened; a frame when it is read.
 */

#include "store/blockfile.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/parts.h"

/* What a reader accepts. */
enum { INDEX_BYTES_MAX = 1 << 30 };

static bool corrupt(const Block *block, Err *err, const char *what) {
    return err_set(err, ERR_CORRUPT, "%s: %s", block->path, what);
}

/* ---- opening ---- */

typedef struct Footer {
    uint32_t parts_order, index_crc, table_crc;
    uint64_t index_at, index_bytes, table_at, table_bytes;
} Footer;

static bool read_header(const Block *block, Err *err) {
    char bytes[BLOCK_HEADER_BYTES];
    if (block->info.bytes < BLOCK_HEADER_BYTES + BLOCK_FOOTER_BYTES) {
        return corrupt(block, err, "is too short for a block");
    }
    if (!fd_read_at(block->fd, bytes, sizeof bytes, 0, block->path, err)) {
        return false;
    }
    ByteReader reader = reader_of((Str){bytes, sizeof bytes});
    if (reader_u64(&reader) != BLOCK_MAGIC) {
        return corrupt(block, err, "is no block");
    }
    uint32_t version = reader_u32(&reader);
    if (version != BLOCK_VERSION) {
        return err_set(err, version > BLOCK_VERSION ? ERR_UNSUPPORTED : ERR_CORRUPT,
                       "%s: has format %u, this program reads format %d", block->path, version,
                       BLOCK_VERSION);
    }
    return reader_u32(&reader) == 0 || corrupt(block, err, "header is damaged");
}

static bool read_footer(Block *block, Footer *ret_footer, Err *err) {
    char bytes[BLOCK_FOOTER_BYTES];
    uint64_t at = block->info.bytes - sizeof bytes;
    if (!fd_read_at(block->fd, bytes, sizeof bytes, at, block->path, err)) {
        return false;
    }
    ByteReader reader = reader_of((Str){bytes, sizeof bytes});
    uint64_t magic = reader_u64(&reader);
    uint32_t version = reader_u32(&reader);
    Footer footer = {.parts_order = reader_u32(&reader)};
    block->info.level = (int)reader_u32(&reader);
    footer.index_crc = reader_u32(&reader);
    footer.table_crc = reader_u32(&reader);
    reader_u32(&reader);
    footer.index_at = reader_u64(&reader);
    footer.index_bytes = reader_u64(&reader);
    footer.table_at = reader_u64(&reader);
    footer.table_bytes = reader_u64(&reader);
    block->info.min = (TimeMs)reader_u64(&reader);
    block->info.max = (TimeMs)reader_u64(&reader);
    block->info.series_count = reader_u64(&reader);
    block->info.sample_count = reader_u64(&reader);
    block->span = (DurationMs)reader_u64(&reader);
    block->info.index_bytes = footer.index_bytes;
    uint32_t crc = crc32c(0, bytes, sizeof bytes - 4);
    reader_bytes(&reader, reader_left(&reader) - 4);
    if (magic != BLOCK_MAGIC || version != BLOCK_VERSION || reader_u32(&reader) != crc) {
        return corrupt(block, err, "footer is damaged");
    }
    if (footer.parts_order != PARTS_ORDER) {
        return err_set(err, ERR_UNSUPPORTED, "%s: series are in order %u, this program has %d",
                       block->path, footer.parts_order, PARTS_ORDER);
    }
    bool fits = footer.index_at >= BLOCK_HEADER_BYTES && footer.index_at <= at &&
                footer.index_bytes <= INDEX_BYTES_MAX &&
                footer.index_bytes <= at - footer.index_at &&
                footer.table_at == footer.index_at + footer.index_bytes &&
                footer.table_bytes == at - footer.table_at && block->span >= 0 &&
                block->info.min <= block->info.max;
    *ret_footer = footer;
    return fits || corrupt(block, err, "footer makes no sense");
}

/* Reads a part of the file that the footer has the checksum of. */
static bool read_checked(const Block *block, Arena *arena, uint64_t at, uint64_t len, uint32_t crc,
                         Str *ret_bytes, Err *err) {
    char *bytes = arena_raw(arena, len + 1);
    if (!fd_read_at(block->fd, bytes, len, at, block->path, err)) {
        return false;
    }
    *ret_bytes = (Str){bytes, len};
    return crc32c(0, bytes, len) == crc ||
           corrupt(block, err, "checksum of index or frame table does not match");
}

static bool frame_sane(const Block *block, const BlockFrame *frame, uint64_t frames_end) {
    bool known = frame->kind == FRAME_VALUES || frame->kind == FRAME_TIMES;
    bool inside = frame->offset >= BLOCK_HEADER_BYTES && frame->bytes >= FRAME_HEADER_BYTES &&
                  frame->offset <= frames_end && frame->bytes <= frames_end - frame->offset;
    bool series = frame->kind == FRAME_TIMES || frame->last < block->info.series_count;
    bool timed =
        frame->kind == FRAME_TIMES || (frame->min >= block->info.min &&
                                       frame->max <= block->info.max && frame->min <= frame->max);
    return known && inside && series && timed;
}

static bool read_frame_entry(const Block *block, ByteReader *reader, TimeMs before,
                             uint64_t frames_end, BlockFrame *ret_frame, Err *err) {
    TimeMs window = (TimeMs)((uint64_t)before + (uint64_t)unzigzag(reader_varint(reader)));
    FrameKind kind = (FrameKind)reader_u8(reader);
    uint64_t first = reader_varint(reader), span = reader_varint(reader);
    uint64_t offset = reader_varint(reader), bytes = reader_varint(reader);
    uint64_t min = (uint64_t)window + (uint64_t)unzigzag(reader_varint(reader));
    uint64_t max = min + reader_varint(reader);
    uint64_t samples = reader_varint(reader);
    if (reader->bad || first > UINT32_MAX || span > UINT32_MAX - first || bytes > UINT32_MAX) {
        return corrupt(block, err, "frame table makes no sense");
    }
    *ret_frame = (BlockFrame){
        .window = window,
        .kind = kind,
        .first = (uint32_t)first,
        .last = (uint32_t)(first + span),
        .offset = offset,
        .bytes = (uint32_t)bytes,
        .min = (TimeMs)min,
        .max = (TimeMs)max,
        .sample_count = samples,
    };
    return frame_sane(block, ret_frame, frames_end) ||
           corrupt(block, err, "frame table does not fit the file");
}

/* Frames of a window stand together: values by ordinal, then times by column. */
static bool add_to_window(Block *block, uint32_t index, Err *err) {
    const BlockFrame *frame = &block->frames[index];
    BlockWindow *window = block->window_count ? &block->windows[block->window_count - 1] : NULL;
    const BlockFrame *before = index ? &block->frames[index - 1] : NULL;
    if (!window || window->start != frame->window) {
        if (window && window->start > frame->window) {
            return corrupt(block, err, "frame table is not in order");
        }
        window = &block->windows[block->window_count++];
        *window = (BlockWindow){
            .start = frame->window,
            .min = frame->min,
            .max = frame->max,
            .values_first = index,
            .values_end = index,
            .times_end = index,
        };
        before = NULL;
    }
    bool times = frame->kind == FRAME_TIMES;
    bool ordered = !before || before->kind < frame->kind ||
                   (before->kind == frame->kind &&
                    (times ? before->last < frame->first : before->last <= frame->first));
    if (!ordered) {
        return corrupt(block, err, "frame table is not in order");
    }
    window->times_end = index + 1;
    if (!times) {
        window->values_end = index + 1;
        window->min = frame->min < window->min ? frame->min : window->min;
        window->max = frame->max > window->max ? frame->max : window->max;
    }
    return true;
}

static bool read_table(Block *block, Str bytes, uint64_t frames_end, Err *err) {
    ByteReader reader = reader_of(bytes);
    uint64_t count = reader_varint(&reader);
    if (count > reader_left(&reader)) {
        return corrupt(block, err, "frame table breaks off");
    }
    block->frames = arena_array(&block->arena, BlockFrame, count);
    block->windows = arena_array(&block->arena, BlockWindow, count);
    block->reported = mem_zero(count + 1, sizeof *block->reported);
    block->frame_count = (uint32_t)count;
    TimeMs window = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!read_frame_entry(block, &reader, window, frames_end, &block->frames[i], err) ||
            !add_to_window(block, i, err)) {
            return false;
        }
        window = block->frames[i].window;
    }
    return reader_left(&reader) == 0 || corrupt(block, err, "frame table has bytes left over");
}

static bool read_block(Block *block, Err *err) {
    Footer footer = {0};
    AUTO(arena_finish) Arena scratch = {0};
    Str index, table;
    if (!read_header(block, err) || !read_footer(block, &footer, err) ||
        !read_checked(block, &scratch, footer.index_at, footer.index_bytes, footer.index_crc,
                      &index, err) ||
        !read_checked(block, &scratch, footer.table_at, footer.table_bytes, footer.table_crc,
                      &table, err) ||
        !read_table(block, table, footer.index_at, err)) {
        return false;
    }
    if (!index_open(index, &block->index, err)) {
        return err_context(err, "%s", block->path);
    }
    return index_count(block->index) == block->info.series_count ||
           corrupt(block, err, "index has another number of series");
}

bool block_open(const char *path, Block **ret_block, Err *err) {
    AUTO(block_unrefp) Block *block = mem_zero(1, sizeof *block);
    atomic_init(&block->references, 1);
    block->path = mem_strdup(path);
    block->owner = frame_cache_owner();
    block->fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat stat;
    if (block->fd < 0) {
        return err_errno(err, "%s: cannot open", path);
    }
    if (fstat(block->fd, &stat) < 0) {
        return err_errno(err, "%s: cannot look at it", path);
    }
    block->info.bytes = (uint64_t)stat.st_size;
    if (!read_block(block, err)) {
        return false;
    }
    *ret_block = TAKE(block);
    return true;
}

Block *block_ref(Block *block) {
    atomic_fetch_add_explicit(&block->references, 1, memory_order_relaxed);
    return block;
}

void block_unref(Block *block) {
    if (!block || atomic_fetch_sub_explicit(&block->references, 1, memory_order_acq_rel) > 1) {
        return;
    }
    frame_cache_drop(block->owner);
    fd_close(&block->fd);
    index_free(block->index);
    arena_finish(&block->arena);
    free(block->reported);
    free(block->path);
    free(block);
}

/* ---- frames ---- */

static void report_damage(const Block *block, uint32_t index, const Err *err) {
    Block *mutable = (Block *)block; /* only the two atomics below */
    if (!atomic_exchange(&mutable->reported[index], true)) {
        atomic_fetch_add(&mutable->damaged, 1);
        log_event(LOG_ERROR, "damaged frame in a block is left out",
                  LOG_STR("block", str_of(block->path)),
                  LOG_INT("offset", (int64_t)block->frames[index].offset),
                  LOG_STR("reason", str_of(err->text)));
    }
}

bool block_frame_bytes(const Block *block, uint32_t index, Arena *arena, Str *ret_bytes, Err *err) {
    const BlockFrame *entry = &block->frames[index];
    char *bytes = arena_raw(arena, entry->bytes);
    if (!fd_read_at(block->fd, bytes, entry->bytes, entry->offset, block->path, err)) {
        return false;
    }
    *ret_bytes = (Str){bytes, entry->bytes};
    return true;
}

/* Opens a frame past the cache. */
static bool open_frame(const Block *block, uint32_t index, Frame **ret_frame, Err *err) {
    AUTO(arena_finish) Arena scratch = {0};
    Str bytes;
    FrameHeader header;
    const BlockFrame *entry = &block->frames[index];
    if (!block_frame_bytes(block, index, &scratch, &bytes, err) ||
        !frame_header_read(bytes, &header, err)) {
        return false;
    }
    if (header.kind != entry->kind || header.ordinal_first != entry->first ||
        header.ordinal_last != entry->last) {
        return err_set(err, ERR_CORRUPT, "frame is another one than the table says");
    }
    return frame_open(bytes, ret_frame, err);
}

bool block_frame(const Block *block, uint32_t index, CachedFrame *ret_frame) {
    if (frame_cache_get(block->owner, index, ret_frame)) {
        return true;
    }
    if (atomic_load(&block->reported[index])) {
        return false;
    }
    Frame *frame;
    Err err;
    if (!open_frame(block, index, &frame, &err)) {
        report_damage(block, index, &err);
        return false;
    }
    *ret_frame = frame_cache_put(block->owner, index, frame);
    return true;
}

/* Reads frame after frame without filling the cache; the frames' checksums and shapes are what
 * open_frame() checks, and that chunks find their times and layouts what reading them does. */
bool block_verify(const Block *block, Err *err) {
    for (uint32_t i = 0; i < block->frame_count; i++) {
        AUTO(frame_freep) Frame *frame = NULL;
        if (!open_frame(block, i, &frame, err)) {
            return err_context(err, "%s: frame at %llu", block->path,
                               (unsigned long long)block->frames[i].offset);
        }
    }
    for (uint32_t i = 0; i < block->info.series_count; i++) {
        AUTO(arena_finish) Arena arena = {0};
        SeriesData data;
        block_read(block, i, TIME_MIN, TIME_MAX, &arena, &data);
    }
    return block_damaged(block) == 0 || corrupt(block, err, "has chunks that do not decode");
}

bool block_sections(const Block *block, BlockSections *ret_sections, Err *err) {
    BlockSections sections = {
        .frames = block->frame_count,
        .windows = block->window_count,
        .headers = BLOCK_HEADER_BYTES,
        .index = block->info.index_bytes,
    };
    uint64_t *of_values[] = {&sections.directory, &sections.meta, &sections.low, &sections.wide};
    uint64_t frames = 0;
    for (uint32_t i = 0; i < block->frame_count; i++) {
        const BlockFrame *entry = &block->frames[i];
        char bytes[FRAME_HEADER_BYTES];
        FrameHeader header;
        if (!fd_read_at(block->fd, bytes, sizeof bytes, entry->offset, block->path, err) ||
            !frame_header_read((Str){bytes, sizeof bytes}, &header, err)) {
            return err_context(err, "%s: frame at %llu", block->path,
                               (unsigned long long)entry->offset);
        }
        frames += entry->bytes;
        if (entry->kind == FRAME_TIMES) {
            sections.times += entry->bytes;
            continue;
        }
        sections.headers += FRAME_HEADER_BYTES;
        for (int s = 0; s < 4; s++) {
            *of_values[s] += header.stored_bytes[s];
        }
    }
    sections.table = block->info.bytes - BLOCK_HEADER_BYTES - frames - sections.index;
    *ret_sections = sections;
    return true;
}

void block_report(const Block *block, uint32_t index, const char *what) {
    Err err;
    err_set(&err, ERR_CORRUPT, "%s", what);
    report_damage(block, index, &err);
}

/* ---- what the index answers ---- */

const BlockInfo *block_info(const Block *block) {
    return &block->info;
}

const char *block_path(const Block *block) {
    return block->path;
}

uint64_t block_damaged(const Block *block) {
    return atomic_load(&block->damaged);
}

bool block_select(const Block *block, const MatcherSet *sets, size_t set_count, TimeMs from,
                  TimeMs to, Arena *arena, uint32_t **ret_ordinals, size_t *ret_count, Err *err) {
    (void)err; /* the index was validated when the block was opened */
    if (from > block->info.max || to < block->info.min) {
        *ret_ordinals = arena_array(arena, uint32_t, 1);
        *ret_count = 0;
        return true;
    }
    index_select(block->index, sets, set_count, arena, ret_ordinals, ret_count);
    return true;
}

LabelSet block_labels(const Block *block, uint32_t ordinal, Arena *arena) {
    return index_labels(block->index, ordinal, arena);
}

void block_label_names(const Block *block, const uint32_t *ordinals, size_t count, Arena *arena,
                       Str **ret_names, size_t *ret_count) {
    index_label_names(block->index, ordinals, count, arena, ret_names, ret_count);
}

void block_label_values(const Block *block, Str name, const uint32_t *ordinals, size_t count,
                        Arena *arena, Str **ret_values, size_t *ret_count) {
    index_label_values(block->index, name, ordinals, count, arena, ret_values, ret_count);
}
