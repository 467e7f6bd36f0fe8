#pragma once

/*
 * The head holds the newest samples of all series in memory, until they are flushed to a block.
 *
 *   HeadSeries (64 bytes, one cache line)
 *     open ----> bytes: the chunk that takes samples in order
 *     extra ---> late: an open chunk for samples that came out of order; start times. Few series
 * have it closed --> ClosedChunk -> ClosedChunk ...  newest first; they never change part[4] ->
 * parttable.h: the labels
 *
 * Of two samples with one time the later written wins: late chunks over those in order (a sample in
 * order is later than all before it), younger late chunks over older ones, the head over blocks.
 *
 * No chunk crosses a multiple of `block_span` (a "window"): windows are flushed as a whole.
 *
 * Snapshots. Time in the head is counted in epochs. A snapshot ends an epoch; what is appended
 * later belongs to later ones. A chunk notes in `mark` how many samples it had when its newest
 * epoch began, so an older snapshot leaves out the others. (One mark is kept: a snapshot that lives
 * while a series gets samples in two further epochs sees those of the first of them. With scrapes
 * every 30 s that takes a query of more than 30 s, at the newest end of its data.) A chunk that a
 * flush has put into a block stays for those snapshots that were taken before.
 *
 * Threads. A series belongs to one of 16 shards, each with a lock. The gate is a reader-writer
 * lock: an append holds it shared while samples go in, so whoever holds it alone (a snapshot being
 * taken, a flush being published) stands between whole batches.
 *
 * A HeadRef names a series while the process lives and in the journal: 4 bits of shard, 28 of slot.
 */

#include <pthread.h>
#include <stdatomic.h>

#include "store/aliases.h"
#include "store/journal.h"
#include "store/openchunk.h"
#include "store/parttable.h"
#include "store/record.h"
#include "store/sources.h"

typedef uint32_t HeadRef;
#define HEAD_REF_NONE UINT32_MAX          /* not known */
#define HEAD_REF_DROPPED (UINT32_MAX - 1) /* relabelling drops it */

enum {
    HEAD_SHARDS = 16,
    HEAD_SLOT_BITS = 28,
    HEAD_PAGE = 1024,  /* series per page */
    HEAD_FLUSHES = 64, /* whose chunks can be around at once, held by old snapshots */
};

typedef struct HeadSeries {
    OpenChunk open;
    uint32_t part[PART_COUNT]; /* part[0] == UINT32_MAX: the slot is free */
    uint32_t next; /* slot + 1 of the next series of the same name and source in the shard, or of
                      the next free slot */
    SlabRef closed;
} HeadSeries;

typedef struct ClosedChunk {
    TimeMs first, last;
    SlabRef next;
    SlabRef bytes;
    uint32_t mark_epoch;
    uint32_t batch; /* of the flush that takes or took it; 0 = none yet */
    uint32_t len;
    uint16_t count;
    uint16_t mark;
    uint8_t class;
    bool late;
} ClosedChunk;

typedef struct HeadExtra {
    TimeMs start; /* start time in force in `open` */
    TimeMs late_start;
    OpenChunk late;
} HeadExtra;

/* The series of one name in a shard, a chain for each source: most questions are about one name,
 * and those of rules about one cluster. */
typedef struct HeadChain {
    uint32_t source; /* its number, see sources.h */
    uint32_t first;  /* slot + 1 of its newest series */
} HeadChain;

typedef struct HeadName {
    HeadChain *chains;
    uint32_t count, cap;
    bool idle; /* no series of it has a chunk: found out after a flush, over with the next chunk */
} HeadName;

typedef struct HeadShard {
    pthread_mutex_t lock;
    Slab slab;
    HeadSeries **pages;
    size_t pages_count, pages_cap;
    uint32_t slot_count; /* used so far, free ones included */
    uint32_t free_slot;  /* slot + 1 of the first free one */
    uint32_t *table;     /* slot + 1, open-addressed by parts */
    size_t table_size;
    HeadName *names; /* by number of the name (PartEntry.source) */
    size_t names_count, names_cap;
    uint64_t series, chunks, samples;
    char apart[64]; /* shards are locked by different threads: not in one cache line */
} HeadShard;

typedef struct Head {
    PartTable parts;
    Sources sources;
    HeadShard shards[HEAD_SHARDS];

    Aliases aliases; /* of HeadRefs */

    pthread_rwlock_t gate;
    _Atomic uint32_t epoch; /* of what is appended now; from 1 */
    pthread_mutex_t epoch_lock;
    uint32_t *live; /* epochs of open snapshots, ascending */
    size_t live_count, live_cap;
    uint32_t batch; /* number of the last flush begun */
    /* By batch: snapshots of this epoch or later find its chunks in a block; 0 = not yet. */
    _Atomic uint32_t flush_epoch[HEAD_FLUSHES];
    uint32_t forgot_epoch; /* when series were last forgotten whose slots are not yet free; 0 = none
                              are */

    LabelPart source_part;
    char *source_label;
    DurationMs span;
    uint32_t name_count; /* under the part table's lock */
    _Atomic uint64_t series_count, series_max;
    _Atomic uint64_t births, deaths; /* series made; times that series were forgotten */
    Journal *journal;                /* NULL while replaying: nothing is written */
} Head;

void head_init(Head *head, Str source_label, DurationMs span);
void head_finish(Head *head);

static inline HeadShard *head_shard(Head *head, HeadRef ref) {
    return &head->shards[ref >> HEAD_SLOT_BITS];
}

static inline uint32_t head_slot(HeadRef ref) {
    return ref & ((1U << HEAD_SLOT_BITS) - 1);
}

static inline HeadSeries *shard_series(const HeadShard *shard, uint32_t slot) {
    return &shard->pages[slot / HEAD_PAGE][slot % HEAD_PAGE];
}

static inline bool head_has_chunks(const HeadSeries *series) {
    return series->open.count || series->closed || series->open.extra;
}

static inline TimeMs window_of(TimeMs time, DurationMs span) {
    TimeMs rest = time % span;
    return time - (rest < 0 ? rest + span : rest);
}

/* ---- finding and making series (headseries.c) ---- */

/* Looks up what `count` keys are called; HEAD_REF_NONE where not known. */
void head_find(Head *head, const Hash128 *keys, size_t count, HeadRef *ret_refs);

/* A series to be made, or found by its labels. */
typedef struct HeadMake {
    LabelSet labels; /* valid, without replica labels */
    Hash128 key;     /* remembered for head_find() */
    HeadRef ref; /* the answer; HEAD_REF_NONE: refused. Or HEAD_REF_DROPPED as a request to remember
                    that */
    bool created;  /* the answer: it is new */
    char *refusal; /* a sentence, in the arena */
} HeadMake;

/* Finds or makes them and, if `logged`, writes the definitions of new ones to the journal. False
 * where the journal refuses. Not logged is for who knows that a checkpoint comes first. */
bool head_make(Head *head, HeadMake *makes, size_t count, bool logged, Arena *arena,
               Err *err) MUST_CHECK;

/* Replay: definitions, under the numbers they had. False where they make no sense. */
bool head_define_part(Head *head, uint32_t id, LabelPart kind, LabelSet part);
bool head_define(Head *head, HeadRef ref, const uint32_t part[PART_COUNT]);
bool head_defined(const Head *head, HeadRef ref);
/* Lists the slots nobody has. Alone, as after replay or under the shut gate. */
void head_collect_free(Head *head);
/* Makes tables, name lists and aliases anew after series were forgotten. Alone. */
void head_rebuild(Head *head);

/* Labels of a series; text valid as long as the head, `room` for LABELS_MAX. Under the shard's
 * lock. */
LabelSet head_labels(const Head *head, const uint32_t part[PART_COUNT], Label *room);

/* ---- appending (head.c) ---- */

typedef struct HeadAppend {
    const SampleBatch *batch;
    const HeadRef *refs;        /* per series of the batch; those not known are left out */
    TimeMs now, oldest, newest; /* accepted times */
    DurationMs dedup_interval;
    RecordRow *rows; /* room for all rows: those stored, for the journal */
    size_t row_count;
    StoreOutcome *outcome;
} HeadAppend;

/* Remembers what was wrong with the first refused sample; true if it was the first, and whose it
 * was is then to be told by outcome_name(). */
bool outcome_complain(StoreOutcome *outcome, const char *what);
void outcome_name(StoreOutcome *outcome, LabelSet labels);

/* Whether a sample may come in at all; counts it in the outcome if not. */
bool head_accepts(HeadAppend *append, const OpenSample *sample);

/* Applies a batch. Under the gate, shared. */
void head_append(Head *head, HeadAppend *append);

/* Rows of a record of the journal, all of one shard. Returns how many belong to series that are not
 * defined. Different shards may be replayed at once. */
uint64_t head_replay(Head *head, const RecordSamples *samples, unsigned shard_index, size_t first,
                     size_t count);

/* ---- snapshots (head.c) ---- */

void head_gate_shut(Head *head); /* alone */
void head_gate_open(Head *head);
void head_gate_share(Head *head);
void head_gate_leave(Head *head);

/* Ends the epoch; a snapshot is of the one that is returned. Under the gate, alone. */
uint32_t head_epoch_begin(Head *head);
void head_epoch_end(Head *head, uint32_t epoch);
/* The oldest epoch of an open snapshot, or the current one. */
uint32_t head_epoch_oldest(Head *head);

/* ---- reading (headread.c) ---- */

typedef struct HeadMatch {
    HeadRef ref;
    LabelSet labels; /* array in the arena; text valid as long as the head */
} HeadMatch;

void head_select(Head *head, uint32_t epoch, const MatcherSet *sets, size_t set_count, TimeMs from,
                 TimeMs to, Arena *arena, HeadMatch **ret_matches, size_t *ret_count);

/* The same without looking at samples: all series that match, those without any as well. */
void head_select_all(Head *head, const MatcherSet *sets, size_t set_count, Arena *arena,
                     HeadMatch **ret_matches, size_t *ret_count);

/* Whether a snapshot of `epoch` sees samples of the series in [from, to]. */
bool head_sees(Head *head, uint32_t epoch, HeadRef ref, TimeMs from, TimeMs to);

/* Whether head_select() would find any series. */
bool head_any(Head *head, uint32_t epoch, const MatcherSet *sets, size_t set_count, TimeMs from,
              TimeMs to);

/* The parts that matching series are made of, each once. */
void head_used_parts(Head *head, uint32_t epoch, const MatcherSet *sets, size_t set_count,
                     TimeMs from, TimeMs to, Arena *arena, uint32_t **ret_parts, size_t *ret_count);

void head_read(Head *head, uint32_t epoch, HeadRef ref, TimeMs from, TimeMs to, Arena *arena,
               SeriesData *ret_data);

/* All chunks of a series, decoded and merged. Under the shard's lock. */
void head_read_locked(const Head *head, const HeadShard *shard, const HeadSeries *series,
                      uint32_t epoch, TimeMs from, TimeMs to, Arena *arena, SeriesData *ret_data);

size_t head_bytes(Head *head);
