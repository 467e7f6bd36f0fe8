#pragma once

/*
 * What selections found, remembered: dashboards and rules ask for the same series again and again.
 *
 * A finding is the series that match some sets of matchers, in label order, with the places where
 * their samples are; it knows no times. It holds for one list of blocks and for the head's series
 * as they were at one count of births and one of deaths (head.h), so it is looked up by all of
 * these. Matchers that were asked about many series at once are not remembered: the memory is
 * bounded. What was not asked for some minutes makes room; what is in use stays.
 *
 * Threads: every function may be called from any thread. A finding never changes; whoever got one
 * holds a reference.
 */

#include <stdatomic.h>

#include "store/blocklist.h"
#include "store/head.h"

enum { NO_PIECE = UINT32_MAX };

/* The samples of a series in one block. */
typedef struct Piece {
    uint32_t block; /* index in the list */
    uint32_t ordinal;
    uint32_t next; /* NO_PIECE at the end */
} Piece;

typedef struct FoundSeries {
    LabelSet labels;
    HeadRef head; /* HEAD_REF_NONE: not there */
    uint32_t first_piece, last_piece;
} FoundSeries;

typedef struct Finding {
    atomic_uint refs;
    Arena arena;         /* labels */
    FoundSeries *series; /* on the heap, as the next */
    size_t series_count, series_cap;
    Piece *pieces; /* oldest block first within a series */
    size_t pieces_count, pieces_cap;
    BlockList *blocks; /* a reference: text of labels is in their indexes */
} Finding;

/* With one reference, which `finding_unref` gives up. Takes a reference of `blocks`. */
Finding *finding_new(BlockList *blocks);
void finding_unref(Finding *finding); /* accepts NULL */

typedef struct SelectKey {
    Str question;            /* matchers and which blocks were asked, as bytes */
    const BlockList *blocks; /* the list */
    uint64_t births, deaths; /* of head series; of the head not asked: 0 */
} SelectKey;

typedef struct SelectCache SelectCache;

SelectCache *select_cache_new(void);
void select_cache_free(SelectCache *cache); /* accepts NULL */

/* A finding with a reference, or NULL. */
Finding *select_cache_get(SelectCache *cache, const SelectKey *key);
/* Remembers it, if it is not too big. */
void select_cache_put(SelectCache *cache, const SelectKey *key, Finding *finding);
/* Forgets all: the list of blocks is another one now. */
void select_cache_clear(SelectCache *cache);
