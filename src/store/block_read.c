/* Reading one series of a block: find its chunks, then decode each into its place in the result. */

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/blockfile.h"
#include "store/histogram_codec.h"

/* A chunk that will be read, with the frames it needs. */
typedef struct ChunkRef {
    CachedFrame values, times;
    uint32_t values_index; /* in the table, for reports */
    const FrameChunk *chunk;
    uint32_t times_lane;
} ChunkRef;

typedef struct ChunkRefs {
    ChunkRef *items;
    size_t items_count, items_cap;
} ChunkRefs;

static void refs_finish(ChunkRefs *refs) {
    for (size_t i = 0; i < refs->items_count; i++) {
        frame_cache_release(&refs->items[i].values);
        frame_cache_release(&refs->items[i].times);
    }
    free(refs->items);
}

/* ---- finding ---- */

/* The first value frame of a window that may hold `ordinal`, or values_end. */
static uint32_t find_values(const Block *block, const BlockWindow *window, uint32_t ordinal) {
    uint32_t low = window->values_first, high = window->values_end;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (block->frames[middle].last < ordinal) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Finds the time column of a chunk. */
static bool find_times(const Block *block, const BlockWindow *window, const FrameChunk *chunk,
                       CachedFrame *ret_frame, uint32_t *ret_lane) {
    for (uint32_t i = window->values_end; i < window->times_end; i++) {
        const BlockFrame *entry = &block->frames[i];
        if (chunk->column < entry->first || chunk->column > entry->last) {
            continue;
        }
        CachedFrame frame;
        if (!block_frame(block, i, &frame)) {
            return false;
        }
        size_t count, at = frame_find(frame.frame, chunk->column);
        const FrameChunk *columns = frame_chunks(frame.frame, &count);
        if (at < count && columns[at].ordinal == chunk->column &&
            columns[at].count >= chunk->first + chunk->count) {
            *ret_frame = frame;
            *ret_lane = columns[at].lane_first;
            return true;
        }
        frame_cache_release(&frame);
        break;
    }
    return false;
}

static void collect_chunks(const Block *block, const BlockWindow *window, uint32_t index,
                           uint32_t ordinal, ChunkRefs *refs) {
    CachedFrame frame;
    if (!block_frame(block, index, &frame)) {
        return;
    }
    size_t count;
    const FrameChunk *chunks = frame_chunks(frame.frame, &count);
    for (size_t i = frame_find(frame.frame, ordinal); i < count && chunks[i].ordinal == ordinal;
         i++) {
        ChunkRef ref = {.values_index = index, .chunk = &chunks[i]};
        if (!find_times(block, window, &chunks[i], &ref.times, &ref.times_lane)) {
            block_report(block, index, "chunk has no times");
            continue;
        }
        ref.values = frame_cache_share(&frame);
        VEC_PUSH(*refs, items, ref);
    }
    frame_cache_release(&frame);
}

static void collect(const Block *block, uint32_t ordinal, TimeMs from, TimeMs to, ChunkRefs *refs) {
    for (uint32_t w = 0; w < block->window_count && block->windows[w].min <= to; w++) {
        const BlockWindow *window = &block->windows[w];
        if (window->max < from) {
            continue;
        }
        for (uint32_t i = find_values(block, window, ordinal);
             i < window->values_end && block->frames[i].first <= ordinal; i++) {
            if (block->frames[i].min <= to && block->frames[i].max >= from) {
                collect_chunks(block, window, i, ordinal, refs);
            }
        }
    }
}

/* ---- decoding ---- */

/* What a thread decoded lately: neighbours refer to each other, and the series of a target share
 * columns of times. */
static _Thread_local FrameMemo lanes_memo;

enum { TIMES_REMEMBERED = 16 };
static _Thread_local struct TimesMemo {
    uint64_t frame;
    uint32_t lane;
    bool ascend;
    TimeMs times[CHUNK_SAMPLES_MAX];
} times_memo[TIMES_REMEMBERED];

/* The column a chunk's times are in; NULL if they do not ascend. */
static const TimeMs *chunk_times(const ChunkRef *ref) {
    uint64_t serial = frame_serial(ref->times.frame);
    struct TimesMemo *memo = &times_memo[(serial + ref->times_lane) % TIMES_REMEMBERED];
    if (memo->frame != serial || memo->lane != ref->times_lane) {
        size_t count = frame_lane(ref->times.frame, ref->times_lane)->count;
        frame_read_lane(ref->times.frame, ref->times_lane, (uint64_t *)memo->times);
        memo->frame = serial;
        memo->lane = ref->times_lane;
        memo->ascend = true;
        for (size_t i = 1; i < count; i++) {
            memo->ascend = memo->ascend && memo->times[i - 1] < memo->times[i];
        }
    }
    return memo->ascend ? memo->times + ref->chunk->first : NULL;
}

/* The result as it grows. */
typedef struct Columns {
    Arena *arena;
    TimeMs from, to;
    TimeMs *times;
    double *values;
    const Histogram **histograms;
    TimeMs *starts;
    size_t count;
} Columns;

/* The slots of a chunk that are wanted: there, and in the time asked for. */
typedef struct Slots {
    uint16_t items[CHUNK_SAMPLES_MAX];
    uint16_t samples[CHUNK_SAMPLES_MAX]; /* which of the chunk's samples it is, absent slots not
                                            counted */
    size_t count;
    size_t sample_count; /* of the chunk */
} Slots;

static bool any_absent(const Lane *lane) {
    for (size_t i = 0; i < lane->patch_count; i++) {
        if (lane->patches[i].absent) {
            return true;
        }
    }
    return false;
}

static void choose_slots(const Columns *out, const Frame *frame, const FrameChunk *chunk,
                         const TimeMs *times, Slots *slots) {
    const Lane *lane = frame_lane(frame, chunk->lane_first);
    size_t patch = 0, skip_to = 0;
    slots->count = slots->sample_count = 0;
    for (size_t i = 0; i < chunk->count; i++) {
        while (patch < lane->patch_count && lane->patches[patch].at <= i) {
            if (lane->patches[patch].absent) {
                skip_to = (size_t)lane->patches[patch].at + lane->patches[patch].count;
            }
            patch++;
        }
        if (i < skip_to) {
            continue;
        }
        size_t sample = slots->sample_count++;
        if (times[i] >= out->from && times[i] <= out->to) {
            slots->samples[slots->count] = (uint16_t)sample;
            slots->items[slots->count++] = (uint16_t)i;
        }
    }
}

/* True if a chunk is wanted as it is: no slot is absent, all are in the time asked for. */
static bool wanted_whole(const Columns *out, const Frame *frame, const FrameChunk *chunk,
                         const TimeMs *times) {
    const Lane *lane = frame_lane(frame, chunk->lane_first);
    return !any_absent(lane) && !chunk->histograms && !out->starts && times[0] >= out->from &&
           times[chunk->count - 1] <= out->to;
}

/* The usual case for a part of a chunk: no slot is absent, so those wanted stand together. */
static void read_span(Columns *out, const Frame *frame, const FrameChunk *chunk,
                      const TimeMs *times) {
    uint64_t bits[CHUNK_SAMPLES_MAX];
    size_t first = 0, end = chunk->count;
    while (times[first] < out->from) {
        first++;
    }
    while (times[end - 1] > out->to) {
        end--;
    }
    if (first >= end) {
        return;
    }
    frame_scan_lane(frame, &lanes_memo, chunk->lane_first, bits);
    memcpy(out->times + out->count, times + first, (end - first) * sizeof *times);
    memcpy(out->values + out->count, bits + first, (end - first) * sizeof *bits);
    out->count += end - first;
}

/* The usual case, straight into the result. */
static void read_whole(Columns *out, const Frame *frame, const FrameChunk *chunk,
                       const TimeMs *times) {
    memcpy(out->times + out->count, times, chunk->count * sizeof *times);
    frame_scan_lane(frame, &lanes_memo, chunk->lane_first, (uint64_t *)(out->values + out->count));
    out->count += chunk->count;
}

static void read_floats(Columns *out, const Frame *frame, const FrameChunk *chunk,
                        const Slots *slots) {
    uint64_t bits[CHUNK_SAMPLES_MAX];
    frame_scan_lane(frame, &lanes_memo, chunk->lane_first, bits);
    for (size_t i = 0; i < slots->count; i++) {
        out->values[out->count + i] = value_of_bits(bits[slots->items[i]]);
    }
}

static bool read_histograms(Columns *out, const Frame *frame, const FrameChunk *chunk,
                            const Slots *slots, Err *err) {
    AUTO(arena_finish) Arena scratch = {0};
    size_t lanes = chunk->lane_count - chunk->starts_vary;
    HistogramLayout *layout;
    if (!histogram_layout_read(chunk->layout, slots->sample_count, lanes, out->arena, &layout,
                               err)) {
        return false;
    }
    /* One lane more than there is: a lane is always decoded with room for the longest chunk. */
    uint64_t *columns =
        arena_raw(&scratch, (lanes * chunk->count + CHUNK_SAMPLES_MAX) * sizeof *columns);
    for (size_t i = 0; i < lanes; i++) {
        frame_scan_lane(frame, &lanes_memo, (uint32_t)(chunk->lane_first + i),
                        columns + i * chunk->count);
    }
    for (size_t i = 0; i < slots->count; i++) {
        Histogram *histogram = histogram_decode(layout, slots->samples[i], columns, chunk->count,
                                                slots->items[i], out->arena);
        out->histograms[out->count + i] = histogram;
        out->values[out->count + i] = histogram->sum;
    }
    return true;
}

static void read_starts(Columns *out, const Frame *frame, const FrameChunk *chunk,
                        const Slots *slots) {
    uint64_t bits[CHUNK_SAMPLES_MAX];
    if (chunk->starts_vary) {
        frame_scan_lane(frame, &lanes_memo, chunk->lane_first + chunk->lane_count - 1, bits);
    }
    for (size_t i = 0; i < slots->count; i++) {
        out->starts[out->count + i] =
            chunk->starts_vary ? (TimeMs)bits[slots->items[i]] : chunk->start;
    }
}

static bool read_slots(Columns *out, const Frame *frame, const FrameChunk *chunk,
                       const TimeMs *times, Err *err) {
    Slots slots;
    choose_slots(out, frame, chunk, times, &slots);
    if (slots.count == 0) {
        return true;
    }
    for (size_t i = 0; i < slots.count; i++) {
        out->times[out->count + i] = times[slots.items[i]];
    }
    if (!chunk->histograms) {
        read_floats(out, frame, chunk, &slots);
    } else if (!read_histograms(out, frame, chunk, &slots, err)) {
        return false;
    }
    if (out->starts) {
        read_starts(out, frame, chunk, &slots);
    }
    out->count += slots.count;
    return true;
}

static bool read_chunk(Columns *out, const ChunkRef *ref, Err *err) {
    const TimeMs *times = chunk_times(ref);
    if (!times || (out->count && out->times[out->count - 1] >= times[0])) {
        return err_set(err, ERR_CORRUPT, "times do not ascend");
    }
    if (times[ref->chunk->count - 1] < out->from || times[0] > out->to) {
        return true;
    }
    if (wanted_whole(out, ref->values.frame, ref->chunk, times)) {
        read_whole(out, ref->values.frame, ref->chunk, times);
        return true;
    }
    if (!ref->chunk->histograms && !out->starts &&
        !any_absent(frame_lane(ref->values.frame, ref->chunk->lane_first))) {
        read_span(out, ref->values.frame, ref->chunk, times);
        return true;
    }
    return read_slots(out, ref->values.frame, ref->chunk, times, err);
}

static Columns make_columns(const ChunkRefs *refs, TimeMs from, TimeMs to, Arena *arena) {
    size_t slots = 0;
    bool histograms = false, starts = false;
    for (size_t i = 0; i < refs->items_count; i++) {
        const FrameChunk *chunk = refs->items[i].chunk;
        slots += chunk->count;
        histograms = histograms || chunk->histograms;
        starts = starts || chunk->start || chunk->starts_vary;
    }
    return (Columns){
        .arena = arena,
        .from = from,
        .to = to,
        .times = arena_raw(arena, (slots + 1) * sizeof(TimeMs)),
        .values = arena_raw(arena, (slots + 1) * sizeof(double)),
        .histograms = histograms ? arena_array(arena, const Histogram *, slots) : NULL,
        .starts = starts ? arena_array(arena, TimeMs, slots) : NULL,
    };
}

void block_read(const Block *block, uint32_t ordinal, TimeMs from, TimeMs to, Arena *arena,
                SeriesData *ret_data) {
    assert(ordinal < block->info.series_count);
    AUTO(refs_finish) ChunkRefs refs = {0};
    collect(block, ordinal, from, to, &refs);
    Columns columns = make_columns(&refs, from, to, arena);
    for (size_t i = 0; i < refs.items_count; i++) {
        Err err;
        if (!read_chunk(&columns, &refs.items[i], &err)) {
            block_report(block, refs.items[i].values_index, err.text);
        }
    }
    *ret_data = (SeriesData){
        .times = columns.times,
        .values = columns.values,
        .histograms = columns.histograms,
        .starts = columns.starts,
        .count = columns.count,
    };
}
