#pragma once

/*
 * The time columns of one window while a block is written.
 *
 * All series of a scrape target are sampled at the same moments, so a window has few distinct
 * columns of times, and a chunk names one of them and the slots in it. Where some samples of a
 * series are missing, its chunk still uses the target's column, with absent slots: a column costs
 * hundreds of bytes, a gap two.
 *
 * Threads: belongs to one thread.
 */

#include "base/buf.h"
#include "store/frame.h"

typedef struct TimeTable TimeTable;

/* Where a chunk's samples found their place. */
typedef struct TimePlace {
    uint32_t column;
    uint16_t first, slots;
    bool gaps;                          /* slots > number of samples */
    uint8_t present[CHUNK_SAMPLES_MAX]; /* of the slots; set if `gaps` */
} TimePlace;

TimeTable *time_table_new(void);
void time_table_free(TimeTable *table); /* accepts NULL */
DEFINE_AUTO(TimeTable, time_table_free)

/* Finds or makes a column for `count` ascending times, at most CHUNK_SAMPLES_MAX. `target` is any
 * number that series sampled together share; it only guides the search. */
void time_table_place(TimeTable *table, uint64_t target, const TimeMs *times, size_t count,
                      TimePlace *ret_place);

size_t time_table_count(const TimeTable *table);

/* Times of a column; valid until the next time_table_place(). */
const TimeMs *time_table_column(const TimeTable *table, uint32_t column, size_t *ret_count);
