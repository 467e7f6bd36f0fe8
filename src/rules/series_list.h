#pragma once

/*
 * Samples that rules are about to write, one per series: recordings, ALERTS, stale markers. The
 * list is an array in the tick's arena; label text is borrowed and has to hold until
 * series_list_write().
 */

#include "engine/engine.h"

typedef struct RulePoint {
    LabelSet labels;
    TimeMs time;
    double value;
    const Histogram *histogram; /* NULL: `value` */
} RulePoint;

typedef struct SeriesList {
    RulePoint *items; /* on the heap */
    size_t items_count, items_cap;
} SeriesList;

void series_list_finish(SeriesList *list);
void series_list_add(SeriesList *list, LabelSet labels, TimeMs time, double value);
void series_list_add_stale(SeriesList *list, LabelSet labels, TimeMs time);

/* Writes all as one batch marked as our own, and empties the list; where the engine is remote it is
 * only queued (engine_write_later()). Nothing to write is fine and leaves both results. */
bool series_list_write(SeriesList *list, Engine *engine, TimeMs now, uint64_t *ret_lsn,
                       uint64_t *ret_ticket, Err *err) MUST_CHECK;
