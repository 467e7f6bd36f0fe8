#include "store/foundsort.h"

#include <stdlib.h>

#include "base/mem.h"

/* ---- few: compared as they are ---- */

/* Label text is kept once per string in the head and in each block, so most equal texts are the
 * same pointer. */
static bool same_text(Str a, Str b) {
    return a.ptr == b.ptr && a.len == b.len;
}

static int text_cmp(Str a, Str b) {
    return same_text(a, b) ? 0 : str_cmp(a, b);
}

static int by_labels(const void *left, const void *right) {
    LabelSet a = ((const FoundSeries *)left)->labels;
    LabelSet b = ((const FoundSeries *)right)->labels;
    for (size_t i = 0; i < a.count && i < b.count; i++) {
        int order = text_cmp(a.items[i].name, b.items[i].name);
        order = order ? order : text_cmp(a.items[i].value, b.items[i].value);
        if (order) {
            return order;
        }
    }
    return (a.count > b.count) - (a.count < b.count);
}

/* ---- many: the texts' ranks ---- */

/* One text, known by where it lies. */
typedef struct Text {
    Str text;
    uint32_t rank; /* from 1; equal texts have the same */
} Text;

typedef struct TextTable {
    Text *items;
    size_t items_count, items_cap;
    uint32_t *slots; /* item + 1 */
    size_t slot_count;
} TextTable;

static size_t text_slot(const TextTable *table, Str text) {
    uint64_t mixed = ((uint64_t)(uintptr_t)text.ptr + text.len) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(mixed >> 20) & (table->slot_count - 1);
}

static void put_text(TextTable *table, uint32_t item) {
    size_t at = text_slot(table, table->items[item].text);
    while (table->slots[at]) {
        at = (at + 1) & (table->slot_count - 1);
    }
    table->slots[at] = item + 1;
}

static void grow_texts(TextTable *table) {
    table->slot_count = table->slot_count ? table->slot_count * 2 : 4096;
    free(table->slots);
    table->slots = mem_zero(table->slot_count, sizeof *table->slots);
    for (size_t i = 0; i < table->items_count; i++) {
        put_text(table, (uint32_t)i);
    }
}

/* The item of a text, made if it is new. */
static uint32_t text_item(TextTable *table, Str text) {
    if (table->items_count * 2 >= table->slot_count) {
        grow_texts(table);
    }
    for (size_t at = text_slot(table, text); table->slots[at];
         at = (at + 1) & (table->slot_count - 1)) {
        uint32_t item = table->slots[at] - 1;
        if (same_text(table->items[item].text, text)) {
            return item;
        }
    }
    VEC_PUSH(*table, items, ((Text){text, 0}));
    uint32_t item = (uint32_t)table->items_count - 1;
    put_text(table, item);
    return item;
}

static int by_text(const void *left, const void *right) {
    return str_cmp((*(Text *const *)left)->text, (*(Text *const *)right)->text);
}

static void rank_texts(TextTable *table) {
    Text **order = mem_grow(NULL, (table->items_count + 1) * sizeof *order);
    for (size_t i = 0; i < table->items_count; i++) {
        order[i] = &table->items[i];
    }
    qsort(order, table->items_count, sizeof *order, by_text);
    uint32_t rank = 0;
    for (size_t i = 0; i < table->items_count; i++) {
        rank += i == 0 || !str_eq(order[i]->text, order[i - 1]->text);
        order[i]->rank = rank;
    }
    free(order);
}

/* ---- rows ---- */

/* A series as a row of ranks: name, value, name, value, ..., 0. */
typedef struct Rows {
    uint32_t *ranks;
    size_t *first; /* of each series, into `ranks` */
} Rows;

/* Neighbours have most texts in common, so the row before is asked first. */
static void put_items(TextTable *table, Rows *rows, const FoundSeries *series, size_t count) {
    size_t at = 0;
    LabelSet before = {0};
    for (size_t i = 0; i < count; i++) {
        LabelSet labels = series[i].labels;
        const uint32_t *row_before = i ? &rows->ranks[rows->first[i - 1]] : NULL;
        rows->first[i] = at;
        for (size_t j = 0; j < labels.count; j++) {
            Label own = labels.items[j];
            bool known = j < before.count;
            bool same_name = known && same_text(own.name, before.items[j].name);
            bool same_value = known && same_text(own.value, before.items[j].value);
            rows->ranks[at++] = same_name ? row_before[2 * j] : text_item(table, own.name);
            rows->ranks[at++] = same_value ? row_before[2 * j + 1] : text_item(table, own.value);
        }
        rows->ranks[at++] = 0;
        before = labels;
    }
    rows->first[count] = at;
}

static void make_rows(Rows *rows, const FoundSeries *series, size_t count) {
    size_t cells = 0;
    for (size_t i = 0; i < count; i++) {
        cells += 2 * series[i].labels.count + 1;
    }
    rows->ranks = mem_grow(NULL, cells * sizeof *rows->ranks);
    rows->first = mem_grow(NULL, (count + 1) * sizeof *rows->first);
    TextTable table = {0};
    put_items(&table, rows, series, count);
    rank_texts(&table);
    for (size_t i = 0; i < count; i++) {
        for (size_t at = rows->first[i]; at + 1 < rows->first[i + 1]; at++) {
            rows->ranks[at] = table.items[rows->ranks[at]].rank;
        }
    }
    free(table.items);
    free(table.slots);
}

static uint32_t rank_at(const Rows *rows, uint32_t series, size_t column) {
    return rows->ranks[rows->first[series] + column];
}

static bool row_is_less(const Rows *rows, uint32_t a, uint32_t b, size_t column) {
    const uint32_t *x = &rows->ranks[rows->first[a] + column];
    const uint32_t *y = &rows->ranks[rows->first[b] + column];
    while (*x == *y && *x) {
        x++;
        y++;
    }
    return *x < *y;
}

static void sort_few(const Rows *rows, uint32_t *order, size_t count, size_t column) {
    for (size_t i = 1; i < count; i++) {
        uint32_t own = order[i];
        size_t at = i;
        for (; at > 0 && row_is_less(rows, own, order[at - 1], column); at--) {
            order[at] = order[at - 1];
        }
        order[at] = own;
    }
}

/* The middle of three, so that what is sorted already is split in halves. */
static uint32_t pick_pivot(const Rows *rows, const uint32_t *order, size_t count, size_t column) {
    uint32_t a = rank_at(rows, order[count / 4], column);
    uint32_t b = rank_at(rows, order[count / 2], column);
    uint32_t c = rank_at(rows, order[count - count / 4 - 1], column);
    uint32_t low = a < b ? a : b, high = a < b ? b : a;
    return c < low ? low : c > high ? high : c;
}

/* Puts rows below, at and above the pivot together, in this order. */
static void split_rows(const Rows *rows, uint32_t *order, size_t count, size_t column,
                       uint32_t pivot, size_t *ret_below, size_t *ret_at) {
    size_t below = 0, above = count;
    for (size_t i = 0; i < above;) {
        uint32_t own = order[i], rank = rank_at(rows, own, column);
        if (rank < pivot) {
            order[i++] = order[below];
            order[below++] = own;
        } else if (rank > pivot) {
            order[i] = order[--above];
            order[above] = own;
        } else {
            i++;
        }
    }
    *ret_below = below;
    *ret_at = above - below;
}

/* A run of rows that are equal before `column`. */
typedef struct Run {
    size_t first, count, column;
} Run;

enum { FEW = 16 };

/* With a stack of its own on the heap: unlucky pivots can nest runs as deep as there are rows. */
static void sort_rows(const Rows *rows, uint32_t *order, size_t count) {
    Run *runs = NULL;
    size_t runs_cap = 0, depth = 0;
    runs = mem_reserve(runs, &runs_cap, 1, sizeof *runs);
    runs[depth++] = (Run){0, count, 0};
    while (depth) {
        Run run = runs[--depth];
        if (run.count <= FEW) {
            sort_few(rows, order + run.first, run.count, run.column);
            continue;
        }
        size_t below, at;
        uint32_t pivot = pick_pivot(rows, order + run.first, run.count, run.column);
        split_rows(rows, order + run.first, run.count, run.column, pivot, &below, &at);
        Run parts[] = {{run.first, below, run.column},
                       {run.first + below + at, run.count - below - at, run.column},
                       {run.first + below, pivot ? at : 0, run.column + 1}};
        runs = mem_reserve(runs, &runs_cap, depth + 3, sizeof *runs);
        for (size_t i = 0; i < 3; i++) {
            if (parts[i].count > 1) {
                runs[depth++] = parts[i];
            }
        }
    }
    free(runs);
}

void found_sort(FoundSeries *series, size_t count) {
    enum { MANY = 2048 }; /* below, ranking costs as much as it saves */
    if (count < MANY) {
        if (count > 1) {
            qsort(series, count, sizeof *series, by_labels);
        }
        return;
    }
    Rows rows;
    make_rows(&rows, series, count);
    uint32_t *order = mem_grow(NULL, count * sizeof *order);
    for (size_t i = 0; i < count; i++) {
        order[i] = (uint32_t)i;
    }
    sort_rows(&rows, order, count);
    FoundSeries *sorted = mem_grow(NULL, count * sizeof *sorted);
    for (size_t i = 0; i < count; i++) {
        sorted[i] = series[order[i]];
    }
    memcpy(series, sorted, count * sizeof *series);
    free(sorted);
    free(order);
    free(rows.ranks);
    free(rows.first);
}
