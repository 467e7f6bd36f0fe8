#pragma once

/*
 * Sources are the values of the source label (`cluster`): for each the newest sample received, its
 * usual interval, the number of active series and the limit on them. Belfry judges by it whether
 * telemetry is late or lost.
 *
 * A source has a small number while the process lives; 0 is the source "" of series without the
 * label. Beyond SOURCES_MAX different values (the label was badly chosen then) the rest count as
 * source 0.
 *
 * Threads: every function may be called from any thread; one lock, held shortly, once per batch and
 * source.
 */

#include <pthread.h>

#include "store/store.h"

enum {
    SOURCES_MAX = 65536,
    SOURCE_SLICES = 12, /* of five minutes */
};

typedef struct SourceEntry {
    Str name; /* owned */
    TimeMs newest, received_at;
    DurationMs interval;
    int confidence; /* how often `interval` was seen, minus how often not */
    uint64_t series, series_max;
    uint64_t samples_total, refused_total;
    uint32_t born[SOURCE_SLICES]; /* series made in the slice of that number modulo SOURCE_SLICES */
    bool known;                   /* something was received since it was made or forgotten */
} SourceEntry;

typedef struct Sources {
    pthread_mutex_t lock;
    SourceEntry *items;
    size_t items_count, items_cap;
    uint64_t series_max_default;
    uint32_t *slots; /* open-addressed by name: number + 1 */
    size_t slot_count;
    int64_t slice; /* the newest, on the monotonic clock */
} Sources;

/* What a batch brought for one source. */
typedef struct SourceNote {
    TimeMs newest;
    DurationMs interval; /* distance of two samples of a series, 0 = none seen */
    uint64_t samples;
} SourceNote;

void sources_init(Sources *sources);
void sources_finish(Sources *sources);

void sources_set_limits(Sources *sources, uint64_t series_max, const StoreSeriesLimit *limits,
                        size_t limit_count);

/* The number of a source; 0 where it is not known, as those beyond SOURCES_MAX. */
uint32_t sources_find(Sources *sources, Str name);
/* The number of a source, made if it is new. */
uint32_t sources_number(Sources *sources, Str name);

/* Counts a new series; false (and one refused) where the source is at its limit. `ret_max` is that
 * limit. */
bool sources_add_series(Sources *sources, uint32_t number, uint64_t *ret_max);
/* Notes that series of a source were made at `now_ns` (monotonic). */
void sources_note_born(Sources *sources, uint32_t number, uint64_t series, int64_t now_ns);
void sources_drop_series(Sources *sources, uint32_t number);

void sources_note(Sources *sources, uint32_t number, const SourceNote *note, TimeMs now);

/* Puts back what a checkpoint remembered. */
void sources_restore(Sources *sources, Str name, const StoreSource *source);

/* The known ones, sorted by name; what was made in the hour before `now_ns` (monotonic). */
void sources_list(Sources *sources, int64_t now_ns, Arena *arena, StoreSource **ret_sources,
                  size_t *ret_count);
bool sources_forget(Sources *sources, Str name);
