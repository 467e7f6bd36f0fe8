#include "store/timetable.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

/* How many columns of a target are looked at for one that has all times of a chunk. */
enum { COLUMNS_TRIED = 6 };

/* A column that is not extended further, nor used, for a chunk with fewer than 1 / GAPS_MAX of its
 * times: absent slots are decoded too. */
enum { GAPS_MAX = 8 };

typedef struct TimeColumn {
    TimeMs *times; /* on the heap */
    uint32_t count;
    uint32_t older; /* the target's column before this one, + 1 */
} TimeColumn;

/* Open addressing; `value` is a column + 1, 0 marks a free slot. */
typedef struct ColumnMapSlot {
    uint64_t key;
    uint32_t value;
} ColumnMapSlot;

typedef struct ColumnMap {
    ColumnMapSlot *slots;
    size_t size, used;
} ColumnMap;

struct TimeTable {
    TimeColumn *columns;
    size_t columns_count, columns_cap;
    ColumnMap by_times;  /* hash of the times -> the column that is exactly these */
    ColumnMap by_target; /* target -> its newest column */
};

static ColumnMapSlot *map_slot(const ColumnMap *map, uint64_t key) {
    size_t at = key & (map->size - 1);
    while (map->slots[at].value && map->slots[at].key != key) {
        at = (at + 1) & (map->size - 1);
    }
    return &map->slots[at];
}

static uint32_t map_get(const ColumnMap *map, uint64_t key) {
    return map->size ? map_slot(map, key)->value : 0;
}

static void map_set(ColumnMap *map, uint64_t key, uint32_t value) {
    if (map->used * 2 >= map->size) {
        ColumnMap larger = {.size = map->size ? map->size * 2 : 64};
        larger.slots = mem_zero(larger.size, sizeof *larger.slots);
        for (size_t i = 0; i < map->size; i++) {
            if (map->slots[i].value) {
                *map_slot(&larger, map->slots[i].key) = map->slots[i];
            }
        }
        larger.used = map->used;
        free(map->slots);
        *map = larger;
    }
    ColumnMapSlot *slot = map_slot(map, key);
    map->used += slot->value == 0;
    *slot = (ColumnMapSlot){key, value};
}

TimeTable *time_table_new(void) {
    return mem_zero(1, sizeof(TimeTable));
}

void time_table_free(TimeTable *table) {
    if (!table) {
        return;
    }
    for (size_t i = 0; i < table->columns_count; i++) {
        free(table->columns[i].times);
    }
    free(table->columns);
    free(table->by_times.slots);
    free(table->by_target.slots);
    free(table);
}

static uint64_t hash_times(const TimeMs *times, size_t count) {
    return hash64((Str){(const char *)times, count * sizeof *times});
}

/* Numbers next to each other fall into slots far apart (splitmix64's last step). */
static uint64_t scatter(uint64_t key) {
    key = (key ^ key >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    key = (key ^ key >> 27) * UINT64_C(0x94d049bb133111eb);
    return key ^ key >> 31;
}

static size_t first_not_before(const TimeMs *times, size_t count, TimeMs time) {
    size_t low = 0;
    while (low < count && times[low] < time) {
        low++;
    }
    return low;
}

/* True if all `times` are in the column; fills the place. */
static bool place_in(const TimeColumn *column, const TimeMs *times, size_t count,
                     TimePlace *place) {
    size_t first = first_not_before(column->times, column->count, times[0]);
    size_t found = 0, slot = first;
    for (; slot < column->count && found < count && column->times[slot] <= times[found]; slot++) {
        place->present[slot - first] = column->times[slot] == times[found];
        found += place->present[slot - first];
    }
    if (found < count || (slot - first) > count * GAPS_MAX) {
        return false;
    }
    place->first = (uint16_t)first;
    place->slots = (uint16_t)(slot - first);
    place->gaps = slot - first > count;
    return true;
}

/* True if `times` begin as the column does from some slot to its end, and go on: then it can grow
 * at its end, where no slot in use changes its number. */
static bool extend(TimeTable *table, uint32_t index, const TimeMs *times, size_t count,
                   TimePlace *place) {
    TimeColumn *column = &table->columns[index];
    size_t first = first_not_before(column->times, column->count, times[0]);
    size_t shared = column->count - first;
    if (shared == 0 || shared >= count || first + count > CHUNK_SAMPLES_MAX ||
        memcmp(column->times + first, times, shared * sizeof *times) != 0) {
        return false;
    }
    column->times = mem_grow(column->times, (first + count) * sizeof *times);
    memcpy(column->times + first, times, count * sizeof *times);
    column->count = (uint32_t)(first + count);
    map_set(&table->by_times, hash_times(column->times, column->count), index + 1);
    place->first = (uint16_t)first;
    place->slots = (uint16_t)count;
    place->gaps = false;
    return true;
}

static uint32_t add_column(TimeTable *table, uint64_t target, uint64_t hash, const TimeMs *times,
                           size_t count) {
    TimeColumn column = {
        .times = mem_grow(NULL, count * sizeof *times),
        .count = (uint32_t)count,
        .older = map_get(&table->by_target, scatter(target)),
    };
    memcpy(column.times, times, count * sizeof *times);
    VEC_PUSH(*table, columns, column);
    uint32_t index = (uint32_t)table->columns_count - 1;
    map_set(&table->by_times, hash, index + 1);
    map_set(&table->by_target, scatter(target), index + 1);
    return index;
}

static bool is_exactly(const TimeColumn *column, const TimeMs *times, size_t count) {
    return column->count == count && memcmp(column->times, times, count * sizeof *times) == 0;
}

void time_table_place(TimeTable *table, uint64_t target, const TimeMs *times, size_t count,
                      TimePlace *ret_place) {
    assert(count >= 1 && count <= CHUNK_SAMPLES_MAX);
    uint64_t hash = hash_times(times, count);
    uint32_t same = map_get(&table->by_times, hash);
    if (same && is_exactly(&table->columns[same - 1], times, count)) {
        ret_place->column = same - 1;
        ret_place->first = 0;
        ret_place->slots = (uint16_t)count;
        ret_place->gaps = false;
        return;
    }
    uint32_t next = map_get(&table->by_target, scatter(target));
    for (int tried = 0; next && tried < COLUMNS_TRIED; tried++) {
        uint32_t index = next - 1;
        if (place_in(&table->columns[index], times, count, ret_place) ||
            extend(table, index, times, count, ret_place)) {
            ret_place->column = index;
            return;
        }
        next = table->columns[index].older;
    }
    ret_place->column = add_column(table, target, hash, times, count);
    ret_place->first = 0;
    ret_place->slots = (uint16_t)count;
    ret_place->gaps = false;
}

size_t time_table_count(const TimeTable *table) {
    return table->columns_count;
}

const TimeMs *time_table_column(const TimeTable *table, uint32_t column, size_t *ret_count) {
    assert(column < table->columns_count);
    *ret_count = table->columns[column].count;
    return table->columns[column].times;
}
