#pragma once

/*
 * The distinct parts of label sets (parts.h) that the head's series are made of, each with a
 * number. Label text is kept once per distinct string, a part as pairs of string numbers.
 *
 * A part lives as long as the table: a number, once given, keeps its meaning.
 *
 * Threads: one lock for adding. Who got a number in a way that orders him after its making (through
 * a lock, say) may read that part without any lock: parts do not change or move.
 */

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "store/parts.h"

enum {
    PARTTABLE_PAGE = 4096,
    PARTTABLE_PAGES_MAX = 16384, /* 67 million parts or strings; more is refused */
};

typedef struct PartText {
    uint32_t len;
    char bytes[];
} PartText;

typedef struct PartEntry {
    uint32_t label_count;
    uint32_t source;  /* number of the source label's value (sources.h) where this is the part that
                         holds it */
    uint32_t kind;    /* LabelPart; the empty part, number 0, counts as PART_REST */
    uint32_t pairs[]; /* string numbers: name, value, name, value, ... sorted by name */
} PartEntry;

typedef struct PartTable {
    pthread_mutex_t lock;
    Arena arena;
    void **text_pages[PARTTABLE_PAGES_MAX];
    void **part_pages[PARTTABLE_PAGES_MAX];
    _Atomic uint32_t part_count;
    uint32_t text_count;
    uint32_t *text_slots, *part_slots; /* open-addressed by hash; 0 = empty, else number + 1 */
    size_t text_slot_count, part_slot_count;
    size_t part_slots_used;
} PartTable;

void parttable_init(PartTable *table);
void parttable_finish(PartTable *table);

/* Who holds the lock may look up and add. */
void parttable_lock(PartTable *table);
void parttable_unlock(PartTable *table);

/* The number of a part, UINT32_MAX if it is not there. Under the lock. */
uint32_t parttable_find(const PartTable *table, LabelSet part);
/* Adds a part that is not there, as `id` or, for UINT32_MAX, under the next number. Numbers skipped
 * are of empty parts. UINT32_MAX if the table is full. Under the lock. */
uint32_t parttable_add(PartTable *table, uint32_t id, LabelPart kind, LabelSet part,
                       uint32_t source);

static inline PartEntry *parttable_entry(const PartTable *table, uint32_t id) {
    return table->part_pages[id / PARTTABLE_PAGE][id % PARTTABLE_PAGE];
}

Str parttable_text(const PartTable *table, uint32_t id);

/* The labels of a part; `room` has space for entry->label_count. Text valid as long as the table.
 */
LabelSet parttable_labels(const PartTable *table, uint32_t id, Label *room);

/* Number of parts; ids are 0 .. count - 1. */
uint32_t parttable_count(const PartTable *table);

/* Memory. Under the lock. */
size_t parttable_bytes(const PartTable *table);
