/*
 * Merging blocks.
 *
 * First the series: the inputs' are in the same order, so a merge of the label sets gives the new
 * ordinals. Then window by window: what only one input has, and no deletion or retention touches,
 * is copied frame by frame, with the new ordinals in its directory and perhaps compressed harder;
 * nothing is decoded. All else is read, merged and encoded anew.
 */

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/block_writer.h"
#include "store/blockfile.h"
#include "store/parts.h"
#include "store/seriesdata.h"

/* An input's series has no place in the output: all of its samples are gone. */
#define NO_ORDINAL UINT32_MAX

typedef struct Input {
    const BlockInput *from;
    const Block *block;
    uint32_t *ordinals; /* new ones; ascending but for NO_ORDINAL */
    uint32_t series_count;
    LabelSet labels; /* while merging: of the series at `next` */
    Arena arena;     /* what `labels` is in */
    uint32_t next;
} Input;

typedef struct Merge {
    const BlockWriteOptions *options;
    TimeMs keep_from;
    Input *inputs;
    size_t input_count;
    BlockWriter *writer;
    uint32_t series_count; /* of the output */
    TimeMs *windows;       /* of the output, by start */
    size_t windows_count, windows_cap;
} Merge;

static void merge_finish(Merge *merge) {
    for (size_t i = 0; i < merge->input_count; i++) {
        free(merge->inputs[i].ordinals);
        arena_finish(&merge->inputs[i].arena);
    }
    free(merge->inputs);
    free(merge->windows);
    block_writer_free(merge->writer);
}

/* ---- samples ---- */

/* The first hidden range of `ordinal` or above. */
static size_t find_hidden(const BlockInput *input, uint32_t ordinal) {
    size_t low = 0, high = input->hidden_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (input->hidden[middle].ordinal < ordinal) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool has_hidden(const BlockInput *input, uint32_t ordinal) {
    size_t at = find_hidden(input, ordinal);
    return at < input->hidden_count && input->hidden[at].ordinal == ordinal;
}

/* What is left of a series of one input in [from, to]. */
static void read_kept(const Merge *merge, const Input *input, uint32_t ordinal, TimeMs from,
                      TimeMs to, Arena *arena, SeriesData *ret_data) {
    from = from < merge->keep_from ? merge->keep_from : from;
    *ret_data = (SeriesData){0};
    if (from > to) {
        return;
    }
    block_read(input->block, ordinal, from, to, arena, ret_data);
    if (has_hidden(input->from, ordinal)) {
        hidden_apply(input->from->hidden, input->from->hidden_count, ordinal, arena, ret_data);
    }
}

/* ---- series ---- */

static void next_series(Input *input) {
    arena_reset(&input->arena);
    if (input->next < input->series_count) {
        input->labels = block_labels(input->block, input->next, &input->arena);
    }
}

static int order_of(LabelSet a, LabelSet b) {
    return labels_eq(a, b) ? 0 : parts_order(a, b);
}

/* The input whose next series comes first; NULL if all are through. */
static Input *first_input(const Merge *merge) {
    Input *first = NULL;
    for (size_t i = 0; i < merge->input_count; i++) {
        Input *input = &merge->inputs[i];
        if (input->next < input->series_count &&
            (!first || order_of(input->labels, first->labels) < 0)) {
            first = input;
        }
    }
    return first;
}

/* True if the input has samples of its next series that stay. Only where something was cut away has
 * one to look. */
static bool has_samples(const Merge *merge, const Input *input) {
    if (block_info(input->block)->min >= merge->keep_from &&
        !has_hidden(input->from, input->next)) {
        return true;
    }
    AUTO(arena_finish) Arena arena = {0};
    SeriesData data;
    read_kept(merge, input, input->next, TIME_MIN, TIME_MAX, &arena, &data);
    return data.count > 0;
}

/* Gives every series that has samples left its new ordinal. */
static void merge_series(Merge *merge) {
    for (size_t i = 0; i < merge->input_count; i++) {
        next_series(&merge->inputs[i]);
    }
    bool *same = mem_zero(merge->input_count, sizeof *same);
    for (Input *first; (first = first_input(merge));) {
        bool any = false;
        for (size_t i = 0; i < merge->input_count; i++) {
            Input *input = &merge->inputs[i];
            same[i] = input->next < input->series_count && labels_eq(input->labels, first->labels);
            any = any || (same[i] && has_samples(merge, input));
        }
        uint32_t ordinal = any ? block_writer_series(merge->writer, first->labels) : NO_ORDINAL;
        merge->series_count += any;
        for (size_t i = 0; i < merge->input_count; i++) {
            Input *input = &merge->inputs[i];
            if (same[i]) {
                input->ordinals[input->next++] = ordinal;
                next_series(input);
            }
        }
    }
    free(same);
}

/* ---- windows ---- */

static DurationMs span_of(const Merge *merge) {
    return merge->options->window;
}

static TimeMs window_last(const Merge *merge, TimeMs start) {
    return span_of(merge) ? start + span_of(merge) - 1 : TIME_MAX;
}

static TimeMs window_first(const Merge *merge, TimeMs start) {
    return span_of(merge) ? start : TIME_MIN;
}

static int time_cmp(const void *a, const void *b) {
    TimeMs x = *(const TimeMs *)a, y = *(const TimeMs *)b;
    return (x > y) - (x < y);
}

/* The windows of the output that the inputs' frames reach into. */
static void list_windows(Merge *merge) {
    for (size_t i = 0; i < merge->input_count; i++) {
        const Block *block = merge->inputs[i].block;
        for (uint32_t w = 0; w < block->window_count; w++) {
            TimeMs last = window_of(block->windows[w].max, span_of(merge));
            TimeMs at = window_of(block->windows[w].min, span_of(merge));
            for (;; at += span_of(merge)) {
                VEC_PUSH(*merge, windows, at);
                if (at == last) {
                    break;
                }
            }
        }
    }
    if (merge->windows_count == 0) {
        return;
    }
    qsort(merge->windows, merge->windows_count, sizeof *merge->windows, time_cmp);
    size_t kept = 0;
    for (size_t i = 0; i < merge->windows_count; i++) {
        if (kept == 0 || merge->windows[i] != merge->windows[kept - 1]) {
            merge->windows[kept++] = merge->windows[i];
        }
    }
    merge->windows_count = kept;
}

static bool reaches_into(const Merge *merge, const Block *block, TimeMs start) {
    for (uint32_t w = 0; w < block->window_count; w++) {
        if (block->windows[w].min <= window_last(merge, start) &&
            block->windows[w].max >= window_first(merge, start)) {
            return true;
        }
    }
    return false;
}

static const BlockWindow *find_window(const Block *block, TimeMs start) {
    for (uint32_t w = 0; w < block->window_count; w++) {
        if (block->windows[w].start == start) {
            return &block->windows[w];
        }
    }
    return NULL;
}

static bool is_cut(const Merge *merge, const Input *input, const BlockWindow *window) {
    if (window->min < merge->keep_from) {
        return true;
    }
    for (size_t i = 0; i < input->from->hidden_count; i++) {
        const HiddenRange *range = &input->from->hidden[i];
        if (range->from <= window->max && range->to >= window->min) {
            return true;
        }
    }
    return false;
}

/* The one input whose frames of this window can be copied; NULL if the samples have to be read. */
static const Input *copyable_input(const Merge *merge, TimeMs start) {
    const Input *only = NULL;
    for (size_t i = 0; i < merge->input_count; i++) {
        if (reaches_into(merge, merge->inputs[i].block, start)) {
            if (only) {
                return NULL;
            }
            only = &merge->inputs[i];
        }
    }
    if (!only || only->block->span != span_of(merge)) {
        return NULL;
    }
    const BlockWindow *window = find_window(only->block, start);
    return window && !is_cut(merge, only, window) ? only : NULL;
}

/* New ordinals of a frame's chunks, NULL if they stay as they are. False if one has none: its
 * series was found empty. */
static bool map_ordinals(const Input *input, const Frame *frame, Arena *arena,
                         const uint32_t **ret_ordinals) {
    size_t count;
    const FrameChunk *chunks = frame_chunks(frame, &count);
    uint32_t *ordinals = arena_array(arena, uint32_t, count);
    bool moved = false;
    for (size_t i = 0; i < count; i++) {
        ordinals[i] = input->ordinals[chunks[i].ordinal];
        moved = moved || ordinals[i] != chunks[i].ordinal;
        if (ordinals[i] == NO_ORDINAL) {
            return false;
        }
    }
    *ret_ordinals = moved ? ordinals : NULL;
    return true;
}

static bool copy_one(Merge *merge, const Input *input, uint32_t index, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(buf_finish) Buf out = {0};
    AUTO(frame_freep) Frame *frame = NULL;
    BlockFrame entry = input->block->frames[index];
    FrameCopy copy = {.recompress = merge->options->level > block_info(input->block)->level,
                      .zstd_level = block_zstd_level(merge->options->level)};
    Str bytes;
    Err damage;
    /* A frame that is not sound is left out; opening it is how to know. */
    if (!block_frame_bytes(input->block, index, &arena, &bytes, &damage) ||
        !frame_open(bytes, &frame, &damage)) {
        block_report(input->block, index, damage.text);
        return true;
    }
    if (entry.kind == FRAME_VALUES && !map_ordinals(input, frame, &arena, &copy.ordinals)) {
        block_report(input->block, index, "series was found without samples before");
        return true;
    }
    if (!frame_copy(bytes, &copy, &out, err)) {
        return false;
    }
    if (copy.ordinals) {
        entry.first = copy.ordinals[0];
        size_t count;
        frame_chunks(frame, &count);
        entry.last = copy.ordinals[count - 1];
    }
    return block_writer_frame(merge->writer, &entry, buf_view(&out), err);
}

static bool copy_window(Merge *merge, const Input *input, TimeMs start, Err *err) {
    const BlockWindow *window = find_window(input->block, start);
    for (uint32_t i = window->values_first; i < window->times_end; i++) {
        if (!copy_one(merge, input, i, err)) {
            return false;
        }
    }
    return true;
}

/* Reads one series from all inputs whose next ordinal it is. */
static bool merge_one(Merge *merge, uint32_t ordinal, TimeMs start, Arena *arena, Err *err) {
    SeriesData merged = {0};
    for (size_t i = 0; i < merge->input_count; i++) {
        Input *input = &merge->inputs[i];
        while (input->next < input->series_count && input->ordinals[input->next] == NO_ORDINAL) {
            input->next++;
        }
        if (input->next == input->series_count || input->ordinals[input->next] != ordinal) {
            continue;
        }
        SeriesData data, both;
        read_kept(merge, input, input->next++, window_first(merge, start),
                  window_last(merge, start), arena, &data);
        if (merged.count == 0) {
            merged = data;
        } else if (data.count) {
            series_data_merge(&merged, &data, arena, &both);
            merged = both;
        }
    }
    return merged.count == 0 || block_writer_samples(merge->writer, ordinal, &merged, err);
}

static bool merge_window(Merge *merge, TimeMs start, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    for (size_t i = 0; i < merge->input_count; i++) {
        merge->inputs[i].next = 0;
    }
    for (uint32_t ordinal = 0; ordinal < merge->series_count; ordinal++) {
        arena_reset(&arena);
        if (!merge_one(merge, ordinal, start, &arena, err)) {
            return false;
        }
    }
    return block_writer_close_windows(merge->writer, err);
}

bool block_merge(const BlockWriteOptions *options, const BlockInput *inputs, size_t input_count,
                 TimeMs keep_from, BlockInfo *ret_info, Err *err) {
    AUTO(merge_finish) Merge merge = {.options = options, .keep_from = keep_from};
    merge.inputs = mem_zero(input_count + 1, sizeof *merge.inputs);
    for (size_t i = 0; i < input_count; i++) {
        if (block_info(inputs[i].block)->max < keep_from) {
            continue;
        }
        uint32_t count = (uint32_t)block_info(inputs[i].block)->series_count;
        merge.inputs[merge.input_count++] = (Input){
            .from = &inputs[i],
            .block = inputs[i].block,
            .ordinals = mem_zero(count + 1, sizeof(uint32_t)),
            .series_count = count,
        };
    }
    if (!block_writer_open(options, &merge.writer, err)) {
        return false;
    }
    merge_series(&merge);
    list_windows(&merge);
    for (size_t i = 0; i < merge.windows_count; i++) {
        const Input *input = copyable_input(&merge, merge.windows[i]);
        if (!(input ? copy_window(&merge, input, merge.windows[i], err)
                    : merge_window(&merge, merge.windows[i], err))) {
            return false;
        }
    }
    return block_writer_commit(merge.writer, ret_info, err);
}
