#include "rules/label_overlay.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

LabelSet label_overlay(Arena *arena, LabelSet base, const Label *over, size_t over_count) {
    Label *merged = arena_raw(arena, (base.count + over_count + 1) * sizeof *merged);
    size_t count = 0, b = 0, o = 0;
    while (b < base.count || o < over_count) {
        int order = b == base.count   ? 1
                    : o == over_count ? -1
                                      : str_cmp(base.items[b].name, over[o].name);
        if (order < 0) {
            if (!str_eq(base.items[b].name, LABEL_METRIC_NAME)) {
                merged[count++] = base.items[b];
            }
            b++;
            continue;
        }
        if (over[o].value.len) {
            merged[count++] = over[o];
        }
        o++;
        b += order == 0;
    }
    return (LabelSet){merged, count};
}

static const Label *find(const Label *labels, size_t count, Str name) {
    for (size_t i = 0; i < count; i++) {
        if (str_eq(labels[i].name, name)) {
            return &labels[i];
        }
    }
    return NULL;
}

LabelSet label_overlay_exported(Arena *arena, LabelSet base, const Label *over, size_t over_count) {
    LabelSet plain = label_overlay(arena, base, over, over_count);
    Label *items = arena_array(arena, Label, plain.count + over_count + 1);
    size_t count = 0;
    for (size_t i = 0; i < plain.count; i++) {
        items[count++] = plain.items[i];
    }
    for (size_t i = 0; i < base.count; i++) {
        const Label *set = find(over, over_count, base.items[i].name);
        if (!set || set->value.len == 0 || str_eq(set->value, base.items[i].value) ||
            str_eq(set->name, LABEL_METRIC_NAME)) {
            continue;
        }
        Str name = arena_printf(arena, "exported_%.*s", STR_ARG(set->name));
        if (!find(items, count, name)) {
            items[count++] = (Label){name, base.items[i].value};
        }
    }
    LabelSet set = {0};
    Err err = {0};
    bool is_unique = labels_build(items, count, &set, &err);
    assert(is_unique);
    (void)is_unique;
    return set;
}

LabelSet label_block_copy(LabelSet set) {
    if (set.count == 0) {
        return (LabelSet){0};
    }
    size_t bytes = set.count * sizeof(Label);
    for (size_t i = 0; i < set.count; i++) {
        bytes += set.items[i].name.len + set.items[i].value.len;
    }
    Label *items = mem_grow(NULL, bytes);
    char *text = (char *)(items + set.count);
    for (size_t i = 0; i < set.count; i++) {
        Str name = set.items[i].name, value = set.items[i].value;
        items[i] = (Label){{text, name.len}, {text + name.len, value.len}};
        memcpy(text, name.ptr, name.len);
        if (value.len) {
            memcpy(text + name.len, value.ptr, value.len);
        }
        text += name.len + value.len;
    }
    return (LabelSet){items, set.count};
}

void label_block_free(LabelSet set) {
    free((Label *)set.items);
}
