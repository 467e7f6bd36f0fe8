#include "promql/frame.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

void frame_finish(Frame *frame) {
    for (size_t i = 0; i < frame->arena_count; i++) {
        arena_finish(&frame->arenas[i]);
    }
    free(frame->arenas);
    *frame = (Frame){0};
}

double *column_alloc(Arena *arena, size_t steps) {
    double *values = arena_raw(arena, steps * sizeof *values);
    for (size_t i = 0; i < steps; i++) {
        values[i] = value_none();
    }
    return values;
}

bool column_any(const Column *column, size_t steps) {
    for (size_t i = 0; i < steps; i++) {
        if (column_has(column, i)) {
            return true;
        }
    }
    return false;
}

size_t column_points(const Column *column, size_t steps) {
    size_t points = 0;
    for (size_t i = 0; i < steps; i++) {
        points += column_has(column, i);
    }
    return points;
}

void column_own(Arena *arena, Column *column, size_t steps) {
    if (!column->borrowed) {
        return;
    }
    double *values = arena_raw(arena, steps * sizeof *values);
    memcpy(values, column->values, steps * sizeof *values);
    column->values = values;
    if (column->histograms) {
        const Histogram **histograms = arena_raw(arena, steps * sizeof *histograms);
        memcpy(histograms, column->histograms, steps * sizeof *histograms);
        column->histograms = histograms;
    }
    column->borrowed = false;
}

void column_set_histogram(Arena *arena, Column *column, size_t steps, size_t step,
                          const Histogram *histogram) {
    if (!column->histograms) {
        column->histograms = arena_array(arena, const Histogram *, steps);
    }
    column->histograms[step] = histogram;
    column->values[step] = value_none();
}

static bool is_metadata_label(Str name) {
    return str_eq(name, LABEL_METRIC_NAME) || str_eq(name, STR("__type__")) ||
           str_eq(name, STR("__unit__"));
}

LabelSet labels_without_metadata(Arena *arena, LabelSet labels) {
    size_t dropped = 0;
    for (size_t i = 0; i < labels.count; i++) {
        dropped += is_metadata_label(labels.items[i].name);
    }
    if (dropped == 0) {
        return labels;
    }
    Label *items = arena_array(arena, Label, labels.count);
    size_t count = 0;
    for (size_t i = 0; i < labels.count; i++) {
        if (!is_metadata_label(labels.items[i].name)) {
            items[count++] = labels.items[i];
        }
    }
    return (LabelSet){items, count};
}

/* Most names differ in length or in their last byte, which saves the call. */
static bool is_among(Str name, const Str *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        Str other = names[i];
        if (name.len == other.len && name.len &&
            name.ptr[name.len - 1] == other.ptr[name.len - 1] && str_eq(name, other)) {
            return true;
        }
    }
    return false;
}

Hash128 labels_hash_selected(LabelSet labels, const Str *names, size_t count, bool keep,
                             bool drop_name) {
    char fixed[1024];
    Buf big = {0};
    size_t used = 0;
    for (size_t i = 0; i < labels.count; i++) {
        Label label = labels.items[i];
        bool skip = is_among(label.name, names, count) != keep ||
                    (!keep && drop_name && str_eq(label.name, LABEL_METRIC_NAME));
        if (skip) {
            continue;
        }
        size_t need = label.name.len + label.value.len + 2;
        if (big.len == 0 && used + need <= sizeof fixed) {
            memcpy(fixed + used, label.name.ptr, label.name.len);
            used += label.name.len;
            fixed[used++] = '\xff';
            memcpy(fixed + used, label.value.ptr, label.value.len);
            used += label.value.len;
            fixed[used++] = '\xff';
            continue;
        }
        if (big.len == 0) {
            buf_put(&big, fixed, used);
        }
        buf_str(&big, label.name);
        buf_byte(&big, '\xff');
        buf_str(&big, label.value);
        buf_byte(&big, '\xff');
    }
    Hash128 hash = hash128(big.len ? buf_view(&big) : (Str){fixed, used});
    buf_finish(&big);
    return hash;
}

static void grow_slots(HashIndex *index) {
    size_t slot_count = index->slot_count ? index->slot_count * 2 : 64;
    uint32_t *slots = arena_array(index->arena, uint32_t, slot_count);
    for (size_t i = 0; i < index->count; i++) {
        size_t at = index->keys[i].lo & (slot_count - 1);
        while (slots[at]) {
            at = (at + 1) & (slot_count - 1);
        }
        slots[at] = (uint32_t)i + 1;
    }
    index->slots = slots;
    index->slot_count = slot_count;
}

static void grow_keys(HashIndex *index) {
    size_t cap = index->key_cap ? index->key_cap * 2 : 32;
    Hash128 *keys = arena_raw(index->arena, cap * sizeof *keys);
    if (index->count) {
        memcpy(keys, index->keys, index->count * sizeof *keys);
    }
    index->keys = keys;
    index->key_cap = cap;
}

uint32_t hash_index_add(HashIndex *index, Hash128 hash, bool *ret_new) {
    assert(index->count < UINT32_MAX - 1);
    if (index->count * 2 >= index->slot_count) {
        grow_slots(index);
    }
    size_t at = hash.lo & (index->slot_count - 1);
    while (index->slots[at]) {
        uint32_t found = index->slots[at] - 1;
        if (hash_eq(index->keys[found], hash)) {
            *ret_new = false;
            return found;
        }
        at = (at + 1) & (index->slot_count - 1);
    }
    if (index->count == index->key_cap) {
        grow_keys(index);
    }
    index->keys[index->count] = hash;
    index->slots[at] = (uint32_t)++index->count;
    *ret_new = true;
    return (uint32_t)index->count - 1;
}

uint32_t hash_index_find(const HashIndex *index, Hash128 hash) {
    if (index->slot_count == 0) {
        return UINT32_MAX;
    }
    size_t at = hash.lo & (index->slot_count - 1);
    while (index->slots[at]) {
        uint32_t found = index->slots[at] - 1;
        if (hash_eq(index->keys[found], hash)) {
            return found;
        }
        at = (at + 1) & (index->slot_count - 1);
    }
    return UINT32_MAX;
}
