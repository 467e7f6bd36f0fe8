#include "store/sources.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"

enum { CONFIDENCE_MAX = 100 };

static size_t find_slot(const Sources *sources, Str name) {
    size_t mask = sources->slot_count - 1;
    size_t at = hash64(name) & mask;
    while (sources->slots[at] && !str_eq(sources->items[sources->slots[at] - 1].name, name)) {
        at = (at + 1) & mask;
    }
    return at;
}

static void grow(Sources *sources) {
    free(sources->slots);
    sources->slot_count = sources->slot_count ? sources->slot_count * 2 : 256;
    sources->slots = mem_zero(sources->slot_count, sizeof *sources->slots);
    for (size_t i = 0; i < sources->items_count; i++) {
        sources->slots[find_slot(sources, sources->items[i].name)] = (uint32_t)i + 1;
    }
}

static uint32_t number_of(Sources *sources, Str name) {
    size_t at = find_slot(sources, name);
    if (sources->slots[at]) {
        return sources->slots[at] - 1;
    }
    if (sources->items_count >= SOURCES_MAX) {
        return 0;
    }
    char *copy = mem_grow(NULL, name.len + 1);
    memcpy(copy, name.ptr, name.len);
    SourceEntry entry = {
        .name = {copy, name.len}, .newest = TIME_MIN, .series_max = sources->series_max_default};
    VEC_PUSH(*sources, items, entry);
    sources->slots[at] = (uint32_t)sources->items_count;
    if (sources->items_count * 4 >= sources->slot_count * 3) {
        grow(sources);
    }
    return (uint32_t)sources->items_count - 1;
}

void sources_init(Sources *sources) {
    *sources = (Sources){0};
    pthread_mutex_init(&sources->lock, NULL);
    grow(sources);
    number_of(sources, STR(""));
}

void sources_finish(Sources *sources) {
    for (size_t i = 0; i < sources->items_count; i++) {
        free((char *)sources->items[i].name.ptr);
    }
    free(sources->items);
    free(sources->slots);
    pthread_mutex_destroy(&sources->lock);
}

void sources_set_limits(Sources *sources, uint64_t series_max, const StoreSeriesLimit *limits,
                        size_t limit_count) {
    pthread_mutex_lock(&sources->lock);
    sources->series_max_default = series_max;
    for (size_t i = 0; i < sources->items_count; i++) {
        sources->items[i].series_max = series_max;
    }
    for (size_t i = 0; i < limit_count; i++) {
        sources->items[number_of(sources, limits[i].source)].series_max = limits[i].series_max;
    }
    pthread_mutex_unlock(&sources->lock);
}

uint32_t sources_find(Sources *sources, Str name) {
    pthread_mutex_lock(&sources->lock);
    uint32_t found = sources->slots[find_slot(sources, name)];
    pthread_mutex_unlock(&sources->lock);
    return found ? found - 1 : 0;
}

uint32_t sources_number(Sources *sources, Str name) {
    pthread_mutex_lock(&sources->lock);
    uint32_t number = number_of(sources, name);
    pthread_mutex_unlock(&sources->lock);
    return number;
}

bool sources_add_series(Sources *sources, uint32_t number, uint64_t *ret_max) {
    pthread_mutex_lock(&sources->lock);
    SourceEntry *entry = &sources->items[number];
    bool fits = entry->series_max == 0 || entry->series < entry->series_max;
    *ret_max = entry->series_max;
    if (fits) {
        entry->series++;
    } else {
        entry->refused_total++;
        entry->known = true;
    }
    pthread_mutex_unlock(&sources->lock);
    return fits;
}

/* Empties the slices that have passed since. */
static void move_to(Sources *sources, int64_t now_ns) {
    int64_t slice = now_ns / (300 * INT64_C(1000000000));
    int64_t passed = slice - sources->slice;
    for (size_t i = 0; i < sources->items_count && passed > 0; i++) {
        for (int64_t k = 1; k <= (passed < SOURCE_SLICES ? passed : SOURCE_SLICES); k++) {
            sources->items[i].born[(slice - k + 1) % SOURCE_SLICES] = 0;
        }
    }
    sources->slice = passed > 0 ? slice : sources->slice;
}

void sources_note_born(Sources *sources, uint32_t number, uint64_t series, int64_t now_ns) {
    pthread_mutex_lock(&sources->lock);
    move_to(sources, now_ns);
    sources->items[number].born[sources->slice % SOURCE_SLICES] += (uint32_t)series;
    pthread_mutex_unlock(&sources->lock);
}

static uint64_t born_in_hour(const SourceEntry *entry) {
    uint64_t sum = 0;
    for (int i = 0; i < SOURCE_SLICES; i++) {
        sum += entry->born[i];
    }
    return sum;
}

void sources_drop_series(Sources *sources, uint32_t number) {
    pthread_mutex_lock(&sources->lock);
    sources->items[number].series--;
    pthread_mutex_unlock(&sources->lock);
}

/* The interval most batches agree on: a majority vote (Boyer and Moore, "MJRTY", 1991) in which
 * what differs by less than a twentieth counts as the same. */
static void vote_interval(SourceEntry *entry, DurationMs interval) {
    DurationMs apart =
        interval > entry->interval ? interval - entry->interval : entry->interval - interval;
    if (apart * 20 <= entry->interval) {
        entry->confidence += entry->confidence < CONFIDENCE_MAX;
    } else if (entry->confidence > 0) {
        entry->confidence--;
    } else {
        entry->interval = interval;
        entry->confidence = 1;
    }
}

void sources_note(Sources *sources, uint32_t number, const SourceNote *note, TimeMs now) {
    pthread_mutex_lock(&sources->lock);
    SourceEntry *entry = &sources->items[number];
    entry->known = true;
    entry->samples_total += note->samples;
    if (note->newest > entry->newest) {
        entry->newest = note->newest;
        entry->received_at = now;
    }
    if (note->interval > 0) {
        vote_interval(entry, note->interval);
    }
    pthread_mutex_unlock(&sources->lock);
}

void sources_restore(Sources *sources, Str name, const StoreSource *source) {
    pthread_mutex_lock(&sources->lock);
    SourceEntry *entry = &sources->items[number_of(sources, name)];
    entry->known = true;
    entry->newest = source->newest;
    entry->received_at = source->received_at;
    entry->interval = source->interval;
    entry->confidence = source->interval > 0 ? CONFIDENCE_MAX / 2 : 0;
    pthread_mutex_unlock(&sources->lock);
}

static int by_name(const void *a, const void *b) {
    return str_cmp(((const StoreSource *)a)->source, ((const StoreSource *)b)->source);
}

void sources_list(Sources *sources, int64_t now_ns, Arena *arena, StoreSource **ret_sources,
                  size_t *ret_count) {
    pthread_mutex_lock(&sources->lock);
    move_to(sources, now_ns);
    StoreSource *list = arena_array(arena, StoreSource, sources->items_count);
    size_t count = 0;
    for (size_t i = 0; i < sources->items_count; i++) {
        const SourceEntry *entry = &sources->items[i];
        if (entry->known) {
            list[count++] = (StoreSource){arena_str(arena, entry->name),
                                          entry->newest,
                                          entry->received_at,
                                          entry->interval,
                                          entry->series,
                                          born_in_hour(entry),
                                          entry->samples_total,
                                          entry->refused_total};
        }
    }
    pthread_mutex_unlock(&sources->lock);
    qsort(list, count, sizeof *list, by_name);
    *ret_sources = list;
    *ret_count = count;
}

bool sources_forget(Sources *sources, Str name) {
    pthread_mutex_lock(&sources->lock);
    uint32_t found = sources->slots[find_slot(sources, name)];
    bool known = found && sources->items[found - 1].known;
    if (known) {
        SourceEntry *entry = &sources->items[found - 1];
        entry->known = false;
        entry->newest = TIME_MIN;
        entry->received_at = 0;
        entry->interval = 0;
        entry->confidence = 0;
    }
    pthread_mutex_unlock(&sources->lock);
    return known;
}
