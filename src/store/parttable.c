#include "store/parttable.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

void parttable_init(PartTable *table) {
    *table = (PartTable){0};
    pthread_mutex_init(&table->lock, NULL);
    uint32_t empty = parttable_add(table, 0, PART_REST, (LabelSet){0}, 0);
    assert(empty == 0);
    (void)empty;
}

static void free_pages(void **pages[PARTTABLE_PAGES_MAX]) {
    for (size_t i = 0; i < PARTTABLE_PAGES_MAX && pages[i]; i++) {
        free(pages[i]);
    }
}

void parttable_finish(PartTable *table) {
    free_pages(table->text_pages);
    free_pages(table->part_pages);
    free(table->text_slots);
    free(table->part_slots);
    arena_finish(&table->arena);
    pthread_mutex_destroy(&table->lock);
}

void parttable_lock(PartTable *table) {
    pthread_mutex_lock(&table->lock);
}

void parttable_unlock(PartTable *table) {
    pthread_mutex_unlock(&table->lock);
}

/* False if the table is full. */
static bool put_page(void **pages[PARTTABLE_PAGES_MAX], uint32_t id, void *item) {
    size_t page = id / PARTTABLE_PAGE;
    if (page >= PARTTABLE_PAGES_MAX) {
        return false;
    }
    if (!pages[page]) {
        pages[page] = mem_zero(PARTTABLE_PAGE, sizeof(void *));
    }
    pages[page][id % PARTTABLE_PAGE] = item;
    return true;
}

Str parttable_text(const PartTable *table, uint32_t id) {
    const PartText *text = table->text_pages[id / PARTTABLE_PAGE][id % PARTTABLE_PAGE];
    return (Str){text->bytes, text->len};
}

LabelSet parttable_labels(const PartTable *table, uint32_t id, Label *room) {
    const PartEntry *entry = parttable_entry(table, id);
    for (uint32_t i = 0; i < entry->label_count; i++) {
        room[i] = (Label){parttable_text(table, entry->pairs[2 * i]),
                          parttable_text(table, entry->pairs[2 * i + 1])};
    }
    return (LabelSet){room, entry->label_count};
}

uint32_t parttable_count(const PartTable *table) {
    return atomic_load_explicit(&table->part_count, memory_order_acquire);
}

/* ---- finding by content ---- */

static uint64_t part_hash(LabelSet part) {
    return labels_hash(part).lo;
}

static uint64_t stored_hash(const PartTable *table, uint32_t id) {
    Label room[LABELS_MAX];
    return part_hash(parttable_labels(table, id, room));
}

static bool same_part(const PartTable *table, uint32_t id, LabelSet part) {
    const PartEntry *entry = parttable_entry(table, id);
    if (entry->label_count != part.count) {
        return false;
    }
    for (uint32_t i = 0; i < entry->label_count; i++) {
        if (!str_eq(parttable_text(table, entry->pairs[2 * i]), part.items[i].name) ||
            !str_eq(parttable_text(table, entry->pairs[2 * i + 1]), part.items[i].value)) {
            return false;
        }
    }
    return true;
}

static void put_slot(uint32_t *slots, size_t count, uint64_t hash, uint32_t id) {
    size_t at = hash & (count - 1);
    while (slots[at]) {
        at = (at + 1) & (count - 1);
    }
    slots[at] = id + 1;
}

uint32_t parttable_find(const PartTable *table, LabelSet part) {
    if (!table->part_slot_count) {
        return UINT32_MAX;
    }
    size_t mask = table->part_slot_count - 1;
    for (size_t at = part_hash(part) & mask; table->part_slots[at]; at = (at + 1) & mask) {
        uint32_t id = table->part_slots[at] - 1;
        if (same_part(table, id, part)) {
            return id;
        }
    }
    return UINT32_MAX;
}

static void grow_texts(PartTable *table) {
    size_t count = table->text_slot_count ? table->text_slot_count * 2 : 1024;
    free(table->text_slots);
    table->text_slots = mem_zero(count, sizeof *table->text_slots);
    table->text_slot_count = count;
    for (uint32_t id = 0; id < table->text_count; id++) {
        put_slot(table->text_slots, count, hash64(parttable_text(table, id)), id);
    }
}

static void grow_parts(PartTable *table) {
    size_t count = table->part_slot_count ? table->part_slot_count * 2 : 1024;
    free(table->part_slots);
    table->part_slots = mem_zero(count, sizeof *table->part_slots);
    table->part_slot_count = count;
    for (uint32_t id = 0; id < parttable_count(table); id++) {
        if (id == 0 || parttable_entry(table, id)->label_count > 0) {
            put_slot(table->part_slots, count, stored_hash(table, id), id);
        }
    }
}

/* The number of a string, made if it is new; UINT32_MAX if the table is full. */
static uint32_t intern(PartTable *table, Str text) {
    uint64_t hash = hash64(text);
    if ((size_t)table->text_count * 4 >= table->text_slot_count * 3) {
        grow_texts(table);
    }
    size_t mask = table->text_slot_count - 1;
    for (size_t at = hash & mask; table->text_slots[at]; at = (at + 1) & mask) {
        uint32_t id = table->text_slots[at] - 1;
        if (str_eq(parttable_text(table, id), text)) {
            return id;
        }
    }
    PartText *copy = arena_raw(&table->arena, sizeof *copy + text.len);
    copy->len = (uint32_t)text.len;
    memcpy(copy->bytes, text.ptr, text.len);
    uint32_t id = table->text_count;
    if (!put_page(table->text_pages, id, copy)) {
        return UINT32_MAX;
    }
    table->text_count++;
    put_slot(table->text_slots, table->text_slot_count, hash, id);
    return id;
}

static PartEntry *new_entry(PartTable *table, LabelPart kind, LabelSet part, uint32_t source) {
    PartEntry *entry =
        arena_raw(&table->arena, sizeof *entry + part.count * 2 * sizeof entry->pairs[0]);
    *entry =
        (PartEntry){.label_count = (uint32_t)part.count, .source = source, .kind = (uint32_t)kind};
    for (size_t i = 0; i < part.count; i++) {
        entry->pairs[2 * i] = intern(table, part.items[i].name);
        entry->pairs[2 * i + 1] = intern(table, part.items[i].value);
        if (entry->pairs[2 * i] == UINT32_MAX || entry->pairs[2 * i + 1] == UINT32_MAX) {
            return NULL;
        }
    }
    return entry;
}

/* Makes the numbers below `id` exist. */
static bool fill_gap(PartTable *table, uint32_t id) {
    uint32_t count = parttable_count(table);
    if (count >= id) {
        return true;
    }
    PartEntry *gap = new_entry(table, PART_REST, (LabelSet){0}, 0);
    for (; count < id; count++) {
        if (!put_page(table->part_pages, count, gap)) {
            return false;
        }
    }
    atomic_store_explicit(&table->part_count, count, memory_order_release);
    return true;
}

uint32_t parttable_add(PartTable *table, uint32_t id, LabelPart kind, LabelSet part,
                       uint32_t source) {
    uint32_t count = parttable_count(table);
    if (id == UINT32_MAX) {
        id = count;
    }
    if (id / PARTTABLE_PAGE >= PARTTABLE_PAGES_MAX || !fill_gap(table, id)) {
        return UINT32_MAX;
    }
    PartEntry *entry = new_entry(table, kind, part, source);
    if (!entry) {
        return UINT32_MAX;
    }
    put_page(table->part_pages, id, entry);
    if (++table->part_slots_used * 4 >= table->part_slot_count * 3) {
        grow_parts(table);
    }
    put_slot(table->part_slots, table->part_slot_count, part_hash(part), id);
    if (id >= parttable_count(table)) {
        atomic_store_explicit(&table->part_count, id + 1, memory_order_release);
    }
    return id;
}

size_t parttable_bytes(const PartTable *table) {
    return table->arena.used_bytes +
           (table->text_slot_count + table->part_slot_count) * sizeof(uint32_t) +
           ((size_t)table->text_count + parttable_count(table)) * sizeof(void *);
}
