#include "store/block_writer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "store/histogram_codec.h"
#include "store/index.h"
#include "store/parts.h"
#include "store/timetable.h"

enum {
    /* Chunks are parts of a window short enough to leave room for some jitter below
       CHUNK_SAMPLES_MAX. */
    CHUNK_SAMPLES_AIM = 500,
    /* So many differences of times tell the interval of a series. */
    INTERVAL_PROBES = 15,
    /* Samples that may wait in the open frames of all windows together. */
    OPEN_SAMPLES_MAX = 8 * FRAME_SAMPLES_FULL,
};

/* A window that samples still come for. */
typedef struct Window {
    TimeMs start;
    FrameWriter *frame;
    BlockFrame entry; /* of the open frame, as far as it is known */
    TimeTable *times;
} Window;

struct BlockWriter {
    const StoreFiles *files;
    char path[PATH_MAX];
    char temporary[PATH_MAX + 8];
    int fd;
    int level;
    DurationMs span;
    IndexWriter *index;
    Window *windows; /* by start */
    size_t windows_count, windows_cap;
    BlockFrame *frames;
    size_t frames_count, frames_cap;
    uint64_t offset;
    uint64_t open_samples;
    BlockInfo info;
    Buf out;
    Arena scratch;
};

int block_zstd_level(int level) {
    static const int levels[] = {FRAME_LEVEL_FAST, 9, 19};
    int last = (int)(sizeof levels / sizeof *levels) - 1;
    return levels[level < 0 ? 0 : level < last ? level : last];
}

/* ---- the file ---- */

static bool put(BlockWriter *writer, Str bytes, Err *err) {
    if (!files_write_all(writer->files, writer->fd, bytes.ptr, bytes.len, writer->temporary, err)) {
        return false;
    }
    writer->offset += bytes.len;
    return true;
}

static bool put_header(BlockWriter *writer, Err *err) {
    buf_u64(&writer->out, BLOCK_MAGIC);
    buf_u32(&writer->out, BLOCK_VERSION);
    buf_u32(&writer->out, 0);
    bool done = put(writer, buf_view(&writer->out), err);
    writer->out.len = 0;
    return done;
}

bool block_writer_open(const BlockWriteOptions *options, BlockWriter **ret_writer, Err *err) {
    AUTO(block_writer_freep) BlockWriter *writer = mem_zero(1, sizeof *writer);
    writer->files = options->files;
    writer->level = options->level;
    writer->span = options->window;
    writer->fd = -1;
    writer->index = index_writer_new();
    writer->info = (BlockInfo){.min = TIME_MAX, .max = TIME_MIN, .level = options->level};
    int len = snprintf(writer->path, sizeof writer->path, "%s", options->path);
    if (len < 0 || (size_t)len >= sizeof writer->path) {
        return err_set(err, ERR_INVALID, "%s: path is too long", options->path);
    }
    snprintf(writer->temporary, sizeof writer->temporary, "%s.tmp", writer->path);
    writer->fd =
        writer->files->open(writer->files->ctx, writer->temporary, O_WRONLY | O_CREAT | O_TRUNC);
    if (writer->fd < 0) {
        return err_errno(err, "%s: cannot create", writer->temporary);
    }
    if (!put_header(writer, err)) {
        return false;
    }
    *ret_writer = TAKE(writer);
    return true;
}

static void window_finish(Window *window) {
    frame_writer_free(window->frame);
    time_table_free(window->times);
    *window = (Window){0};
}

void block_writer_free(BlockWriter *writer) {
    if (!writer) {
        return;
    }
    for (size_t i = 0; i < writer->windows_count; i++) {
        window_finish(&writer->windows[i]);
    }
    free(writer->windows);
    free(writer->frames);
    index_writer_free(writer->index);
    buf_finish(&writer->out);
    arena_finish(&writer->scratch);
    if (writer->fd >= 0) {
        writer->files->close(writer->files->ctx, writer->fd);
        writer->files->unlink(writer->files->ctx, writer->temporary);
    }
    free(writer);
}

uint32_t block_writer_series(BlockWriter *writer, LabelSet labels) {
    return index_writer_add(writer->index, labels);
}

/* ---- frames ---- */

static void note_frame(BlockWriter *writer, BlockFrame entry, size_t bytes) {
    entry.offset = writer->offset;
    entry.bytes = (uint32_t)bytes;
    VEC_PUSH(*writer, frames, entry);
    if (entry.kind == FRAME_VALUES) {
        writer->info.min = entry.min < writer->info.min ? entry.min : writer->info.min;
        writer->info.max = entry.max > writer->info.max ? entry.max : writer->info.max;
        writer->info.sample_count += entry.sample_count;
    }
}

bool block_writer_frame(BlockWriter *writer, const BlockFrame *frame, Str bytes, Err *err) {
    note_frame(writer, *frame, bytes.len);
    return put(writer, bytes, err);
}

static bool flush_frame(BlockWriter *writer, FrameWriter *frame, BlockFrame entry, Err *err) {
    entry.first = frame_writer_ordinal_first(frame);
    entry.last = frame_writer_ordinal_last(frame);
    writer->out.len = 0;
    frame_writer_flush(frame, &writer->out);
    return block_writer_frame(writer, &entry, buf_view(&writer->out), err);
}

static BlockFrame empty_entry(const Window *window) {
    return (BlockFrame){
        .window = window->start, .kind = FRAME_VALUES, .min = TIME_MAX, .max = TIME_MIN};
}

static bool flush_values(BlockWriter *writer, Window *window, Err *err) {
    if (frame_writer_empty(window->frame)) {
        return true;
    }
    BlockFrame entry = window->entry;
    writer->open_samples -= entry.sample_count;
    window->entry = empty_entry(window);
    return flush_frame(writer, window->frame, entry, err);
}

static bool flush_times(BlockWriter *writer, Window *window, Err *err) {
    AUTO(frame_writer_freep)
    FrameWriter *frame = frame_writer_new(FRAME_TIMES, block_zstd_level(writer->level));
    BlockFrame entry = {
        .window = window->start, .kind = FRAME_TIMES, .min = window->start, .max = window->start};
    size_t columns = time_table_count(window->times);
    for (uint32_t i = 0; i < columns; i++) {
        size_t count;
        const TimeMs *times = time_table_column(window->times, i, &count);
        LaneInput lane = {.bits = (const uint64_t *)times, .count = count, .integers = true};
        frame_writer_add(frame, &(FrameChunk){.ordinal = i, .count = (uint16_t)count}, &lane, 1);
        if ((frame_writer_full(frame) || i + 1 == columns) &&
            !flush_frame(writer, frame, entry, err)) {
            return false;
        }
    }
    return true;
}

static Window *open_window(BlockWriter *writer, TimeMs start) {
    size_t at = writer->windows_count;
    while (at > 0 && writer->windows[at - 1].start > start) {
        at--;
    }
    if (at > 0 && writer->windows[at - 1].start == start) {
        return &writer->windows[at - 1];
    }
    Window window = {
        .start = start,
        .frame = frame_writer_new(FRAME_VALUES, block_zstd_level(writer->level)),
        .times = time_table_new(),
    };
    window.entry = empty_entry(&window);
    VEC_PUSH(*writer, windows, window);
    memmove(&writer->windows[at + 1], &writer->windows[at],
            (writer->windows_count - 1 - at) * sizeof window);
    writer->windows[at] = window;
    return &writer->windows[at];
}

/* Many windows at once (a backfill over months): the fullest frames go first. */
static bool bound_memory(BlockWriter *writer, Err *err) {
    while (writer->open_samples > OPEN_SAMPLES_MAX) {
        Window *fullest = &writer->windows[0];
        for (size_t i = 1; i < writer->windows_count; i++) {
            if (writer->windows[i].entry.sample_count > fullest->entry.sample_count) {
                fullest = &writer->windows[i];
            }
        }
        if (!flush_values(writer, fullest, err)) {
            return false;
        }
    }
    return true;
}

bool block_writer_close_windows(BlockWriter *writer, Err *err) {
    bool done = true;
    for (size_t i = 0; i < writer->windows_count; i++) {
        Window *window = &writer->windows[i];
        done = done && flush_values(writer, window, err) && flush_times(writer, window, err);
        window_finish(window);
    }
    writer->windows_count = 0;
    return done;
}

/* ---- chunks ---- */

/* A part of a series' columns. */
static SeriesData slice(const SeriesData *data, size_t from, size_t count) {
    return (SeriesData){
        .times = data->times + from,
        .values = data->values + from,
        .histograms = data->histograms ? data->histograms + from : NULL,
        .starts = data->starts ? data->starts + from : NULL,
        .count = count,
    };
}

static bool is_histogram(const SeriesData *data, size_t row) {
    return data->histograms && data->histograms[row];
}

/* Spreads `count` values over the slots of a place; an absent slot repeats the value before, which
 * costs nothing. */
static void spread(const TimePlace *place, const uint64_t *values, uint64_t *slots) {
    if (!place->gaps) {
        memcpy(slots, values, place->slots * sizeof *slots);
        return;
    }
    uint64_t before = values[0];
    for (size_t i = 0; i < place->slots; i++) {
        slots[i] = before = place->present[i] ? *values++ : before;
    }
}

/* The lanes of a chunk before they are encoded; columns of `stride` values one after another. */
typedef struct Lanes {
    uint64_t *columns;
    size_t count;
    Buf layout;
} Lanes;

static void lanes_finish(Lanes *lanes) {
    buf_finish(&lanes->layout);
}

static void make_lanes(BlockWriter *writer, const SeriesData *data, const TimePlace *place,
                       FrameChunk *chunk, Lanes *lanes) {
    uint64_t *values = (uint64_t *)data->values;
    lanes->count = 1;
    if (chunk->histograms) {
        histogram_encode(data->histograms, data->count, &writer->scratch, &lanes->layout, &values,
                         &lanes->count);
        chunk->layout = buf_view(&lanes->layout);
    }
    size_t starts = chunk->starts_vary;
    lanes->columns =
        arena_raw(&writer->scratch, (lanes->count + starts) * place->slots * sizeof(uint64_t));
    for (size_t i = 0; i < lanes->count; i++) {
        spread(place, values + i * data->count, lanes->columns + i * place->slots);
    }
    if (starts) {
        spread(place, (const uint64_t *)data->starts, lanes->columns + lanes->count * place->slots);
        lanes->count++;
    }
}

static bool starts_vary(const SeriesData *data) {
    for (size_t i = 1; data->starts && i < data->count; i++) {
        if (data->starts[i] != data->starts[0]) {
            return true;
        }
    }
    return false;
}

/* Adds one chunk: samples of one kind, at most CHUNK_SAMPLES_MAX. */
static bool add_chunk(BlockWriter *writer, Window *window, uint32_t ordinal, const SeriesData *data,
                      Err *err) {
    TimePlace place;
    time_table_place(window->times, index_writer_target(writer->index, ordinal), data->times,
                     data->count, &place);
    FrameChunk chunk = {
        .ordinal = ordinal,
        .column = place.column,
        .first = place.first,
        .count = place.slots,
        .histograms = is_histogram(data, 0),
        .starts_vary = starts_vary(data),
    };
    chunk.start = data->starts && !chunk.starts_vary ? data->starts[0] : 0;
    AUTO(lanes_finish) Lanes lanes = {0};
    make_lanes(writer, data, &place, &chunk, &lanes);
    LaneInput *inputs = arena_array(&writer->scratch, LaneInput, lanes.count);
    for (size_t i = 0; i < lanes.count; i++) {
        inputs[i] = (LaneInput){
            .bits = lanes.columns + i * place.slots,
            .present = place.gaps && i == 0 ? place.present : NULL,
            .count = place.slots,
            .group = (uint64_t)place.column << 16 | place.first,
            .integers = chunk.starts_vary && i + 1 == lanes.count,
        };
    }
    frame_writer_add(window->frame, &chunk, inputs, lanes.count);
    BlockFrame *entry = &window->entry;
    entry->min = data->times[0] < entry->min ? data->times[0] : entry->min;
    entry->max =
        data->times[data->count - 1] > entry->max ? data->times[data->count - 1] : entry->max;
    entry->sample_count += data->count;
    writer->open_samples += data->count;
    return !frame_writer_full(window->frame) || flush_values(writer, window, err);
}

/* Adds samples that are to be one chunk, or as few as their kinds and number allow. */
static bool add_part(BlockWriter *writer, Window *window, uint32_t ordinal, const SeriesData *data,
                     Err *err) {
    for (size_t at = 0, length; at < data->count; at += length) {
        bool histogram = is_histogram(data, at);
        for (length = 1; length < CHUNK_SAMPLES_MAX && at + length < data->count &&
                         is_histogram(data, at + length) == histogram;) {
            length++;
        }
        if (histogram) {
            length = histogram_chunk_length(data->histograms + at, length, FRAME_SAMPLES_FULL);
        }
        SeriesData part = slice(data, at, length);
        arena_reset(&writer->scratch);
        if (!add_chunk(writer, window, ordinal, &part, err)) {
            return false;
        }
    }
    return true;
}

static int time_cmp(const void *a, const void *b) {
    TimeMs x = *(const TimeMs *)a, y = *(const TimeMs *)b;
    return (x > y) - (x < y);
}

/* The usual distance between samples: the median of some. */
static DurationMs usual_interval(const SeriesData *data) {
    DurationMs gaps[INTERVAL_PROBES];
    size_t count = 0;
    for (size_t i = 1; i < data->count && count < INTERVAL_PROBES; i++) {
        gaps[count++] = data->times[i] - data->times[i - 1];
    }
    qsort(gaps, count, sizeof *gaps, time_cmp);
    return gaps[count / 2];
}

/* How long a chunk's part of the window is. It depends on the interval and not on how many samples
 * are there, so that the chunks of all series of a target begin and end together and share their
 * times. */
static DurationMs part_span(const SeriesData *data, DurationMs span) {
    if (span == 0 || data->count < 2) {
        return span;
    }
    DurationMs expected = span / usual_interval(data);
    DurationMs parts = (expected + CHUNK_SAMPLES_AIM - 1) / CHUNK_SAMPLES_AIM;
    return parts > 1 ? (span + parts - 1) / parts : span;
}

/* Adds samples that are all in one window. */
static bool add_window(BlockWriter *writer, uint32_t ordinal, const SeriesData *data, Err *err) {
    TimeMs start = window_of(data->times[0], writer->span);
    Window *window = open_window(writer, start);
    DurationMs part = part_span(data, writer->span);
    for (size_t at = 0, end; at < data->count; at = end) {
        end = part ? at + 1 : data->count;
        TimeMs next_part = part ? start + ((data->times[at] - start) / part + 1) * part : 0;
        while (end < data->count && data->times[end] < next_part) {
            end++;
        }
        SeriesData piece = slice(data, at, end - at);
        if (!add_part(writer, window, ordinal, &piece, err)) {
            return false;
        }
    }
    return true;
}

bool block_writer_samples(BlockWriter *writer, uint32_t ordinal, const SeriesData *data, Err *err) {
    for (size_t at = 0, end; at < data->count; at = end) {
        TimeMs window = window_of(data->times[at], writer->span);
        end = writer->span ? at + 1 : data->count;
        while (end < data->count && data->times[end] - window < writer->span) {
            end++;
        }
        SeriesData piece = slice(data, at, end - at);
        if (!add_window(writer, ordinal, &piece, err) || !bound_memory(writer, err)) {
            return false;
        }
    }
    return true;
}

/* ---- the end of the file ---- */

static int frame_cmp(const void *a, const void *b) {
    const BlockFrame *x = a, *y = b;
    if (x->window != y->window) {
        return x->window < y->window ? -1 : 1;
    }
    if (x->kind != y->kind) {
        return x->kind < y->kind ? -1 : 1;
    }
    if (x->first != y->first) {
        return x->first < y->first ? -1 : 1;
    }
    return x->offset < y->offset ? -1 : 1; /* parts of one series: as they were written */
}

static void put_table(BlockWriter *writer, Buf *out) {
    assert(writer->frames_count);
    qsort(writer->frames, writer->frames_count, sizeof *writer->frames, frame_cmp);
    TimeMs window = 0;
    buf_varint(out, writer->frames_count);
    for (size_t i = 0; i < writer->frames_count; i++) {
        const BlockFrame *frame = &writer->frames[i];
        buf_varint(out, zigzag(frame->window - window));
        buf_byte(out, (char)frame->kind);
        buf_varint(out, frame->first);
        buf_varint(out, frame->last - frame->first);
        buf_varint(out, frame->offset);
        buf_varint(out, frame->bytes);
        buf_varint(out, zigzag(frame->min - frame->window));
        buf_varint(out, (uint64_t)(frame->max - frame->min));
        buf_varint(out, frame->sample_count);
        window = frame->window;
    }
}

static void put_footer(BlockWriter *writer, Str index, Str table, Buf *out) {
    const BlockInfo *info = &writer->info;
    size_t at = out->len;
    uint64_t index_at = writer->offset;
    buf_u64(out, BLOCK_MAGIC);
    buf_u32(out, BLOCK_VERSION);
    buf_u32(out, PARTS_ORDER);
    buf_u32(out, (uint32_t)info->level);
    buf_u32(out, crc32c(0, index.ptr, index.len));
    buf_u32(out, crc32c(0, table.ptr, table.len));
    buf_u32(out, 0);
    buf_u64(out, index_at);
    buf_u64(out, index.len);
    buf_u64(out, index_at + index.len);
    buf_u64(out, table.len);
    buf_u64(out, (uint64_t)info->min);
    buf_u64(out, (uint64_t)info->max);
    buf_u64(out, info->series_count);
    buf_u64(out, info->sample_count);
    buf_u64(out, (uint64_t)writer->span);
    while (out->len - at < BLOCK_FOOTER_BYTES - 4) {
        buf_byte(out, 0);
    }
    buf_u32(out, crc32c(0, out->ptr + at, BLOCK_FOOTER_BYTES - 4));
}

static bool put_end(BlockWriter *writer, Err *err) {
    AUTO(buf_finish) Buf index = {0};
    AUTO(buf_finish) Buf table = {0};
    AUTO(buf_finish) Buf end = {0};
    /* The index is small at any level; higher ones would take longer than all the rest. */
    index_writer_finish(writer->index, block_zstd_level(writer->level > 0), &index);
    put_table(writer, &table);
    writer->info.series_count = index_writer_count(writer->index);
    writer->info.index_bytes = index.len;
    buf_str(&end, buf_view(&index));
    buf_str(&end, buf_view(&table));
    put_footer(writer, buf_view(&index), buf_view(&table), &end);
    return put(writer, buf_view(&end), err);
}

bool block_writer_commit(BlockWriter *writer, BlockInfo *ret_info, Err *err) {
    if (!block_writer_close_windows(writer, err)) {
        return false;
    }
    if (writer->info.sample_count == 0) {
        *ret_info = (BlockInfo){0};
        return true; /* block_writer_free() removes the file */
    }
    if (!put_end(writer, err)) {
        return false;
    }
    writer->info.bytes = writer->offset;
    int fd = writer->fd;
    writer->fd = -1;
    if (!files_publish(writer->files, fd, writer->temporary, writer->path, err)) {
        return false;
    }
    *ret_info = writer->info;
    return true;
}

bool block_write(const BlockWriteOptions *options, const BlockSource *source, BlockInfo *ret_info,
                 Err *err) {
    AUTO(block_writer_freep) BlockWriter *writer = NULL;
    AUTO(arena_finish) Arena arena = {0};
    if (!block_writer_open(options, &writer, err)) {
        return false;
    }
    for (size_t i = 0; i < source->series_count; i++) {
        SeriesData data;
        arena_reset(&arena);
        if (!source->read(source->ctx, i, &arena, &data, err)) {
            return false;
        }
        if (data.count == 0) {
            continue;
        }
        uint32_t ordinal = block_writer_series(writer, source->labels(source->ctx, i, &arena));
        if (!block_writer_samples(writer, ordinal, &data, err)) {
            return false;
        }
    }
    return block_writer_commit(writer, ret_info, err);
}
