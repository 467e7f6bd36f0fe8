#include "store/headflush.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/headchunk.h"
#include "store/seriesdata.h"

/* ---- which windows there are ---- */

typedef struct WindowSet {
    HeadWindow *items;
    size_t items_count, items_cap;
    size_t last; /* where the last one was found: most chunks fall into the same */
} WindowSet;

static void count_window(WindowSet *set, TimeMs start, uint64_t samples) {
    if (set->last < set->items_count && set->items[set->last].start == start) {
        set->items[set->last].samples += samples;
        return;
    }
    size_t low = 0, high = set->items_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->items[middle].start < start) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == set->items_count || set->items[low].start != start) {
        VEC_PUSH(*set, items, (HeadWindow){0});
        memmove(set->items + low + 1, set->items + low,
                (set->items_count - 1 - low) * sizeof *set->items);
        set->items[low] = (HeadWindow){.start = start};
    }
    set->items[low].samples += samples;
    set->last = low;
}

static OpenChunk *late_of(const HeadShard *shard, const HeadSeries *series) {
    if (!series->open.extra) {
        return NULL;
    }
    return &((HeadExtra *)slab_at(&shard->slab, series->open.extra))->late;
}

static bool in_block(const Head *head, const ClosedChunk *chunk) {
    return chunk->batch != 0 && head->flush_epoch[chunk->batch % HEAD_FLUSHES] != 0;
}

static void count_series(const Head *head, const HeadShard *shard, const HeadSeries *series,
                         WindowSet *set) {
    const OpenChunk *late = late_of(shard, series);
    if (series->open.count > 0) {
        count_window(set, window_of(series->open.last_time, head->span), series->open.count);
    }
    if (late && late->count > 0) {
        count_window(set, window_of(late->last_time, head->span), late->count);
    }
    for (SlabRef ref = series->closed; ref;) {
        const ClosedChunk *chunk = slab_at(&shard->slab, ref);
        if (!in_block(head, chunk)) {
            count_window(set, window_of(chunk->first, head->span), chunk->count);
        }
        ref = chunk->next;
    }
}

/* A shard is left after so many series, so that appends do not wait for a walk over all of them. */
enum { WALK_STEP = 4096 };

static void walk_series(Head *head, void (*visit)(void *ctx, HeadShard *shard, HeadRef ref),
                        void *ctx) {
    for (unsigned i = 0; i < HEAD_SHARDS; i++) {
        HeadShard *shard = &head->shards[i];
        bool more = true;
        for (uint32_t slot = 0; more;) {
            pthread_mutex_lock(&shard->lock);
            for (int step = 0; step < WALK_STEP && slot < shard->slot_count; step++, slot++) {
                if (shard_series(shard, slot)->part[0] != UINT32_MAX) {
                    visit(ctx, shard, (HeadRef)i << HEAD_SLOT_BITS | slot);
                }
            }
            more = slot < shard->slot_count;
            pthread_mutex_unlock(&shard->lock);
        }
    }
}

typedef struct Counting {
    Head *head;
    WindowSet set;
} Counting;

static void visit_count(void *ctx, HeadShard *shard, HeadRef ref) {
    Counting *counting = ctx;
    count_series(counting->head, shard, shard_series(shard, head_slot(ref)), &counting->set);
}

void headflush_windows(Head *head, Arena *arena, HeadWindow **ret_windows, size_t *ret_count) {
    Counting counting = {.head = head};
    walk_series(head, visit_count, &counting);
    *ret_windows = arena_array(arena, HeadWindow, counting.set.items_count + 1);
    if (counting.set.items_count > 0) {
        memcpy(*ret_windows, counting.set.items, counting.set.items_count * sizeof **ret_windows);
    }
    *ret_count = counting.set.items_count;
    free(counting.set.items);
}

typedef struct Range {
    Head *head;
    TimeMs min, max;
} Range;

static void widen(Range *range, TimeMs min, TimeMs max) {
    range->min = min < range->min ? min : range->min;
    range->max = max > range->max ? max : range->max;
}

static void widen_open(Range *range, const HeadShard *shard, const OpenChunk *chunk) {
    if (chunk && chunk->count > 0) {
        widen(range, openchunk_first(slab_at(&shard->slab, chunk->bytes), chunk->len),
              chunk->last_time);
    }
}

static void visit_range(void *ctx, HeadShard *shard, HeadRef ref) {
    Range *range = ctx;
    const HeadSeries *series = shard_series(shard, head_slot(ref));
    widen_open(range, shard, &series->open);
    widen_open(range, shard, late_of(shard, series));
    for (SlabRef at = series->closed; at;) {
        const ClosedChunk *chunk = slab_at(&shard->slab, at);
        if (!in_block(range->head, chunk)) {
            widen(range, chunk->first, chunk->last);
        }
        at = chunk->next;
    }
}

void headflush_range(Head *head, TimeMs *ret_min, TimeMs *ret_max) {
    Range range = {head, TIME_MAX, TIME_MIN};
    walk_series(head, visit_range, &range);
    *ret_min = range.min;
    *ret_max = range.max;
}

/* ---- beginning ---- */

typedef struct Taking {
    Head *head;
    TimeMs from, to;
    uint32_t batch;
    HeadRef *refs;
    size_t refs_count, refs_cap;
} Taking;

static bool wanted(const Taking *taking, TimeMs time) {
    TimeMs window = window_of(time, taking->head->span);
    return window >= taking->from && window <= taking->to;
}

static void visit_take(void *ctx, HeadShard *shard, HeadRef ref) {
    Taking *taking = ctx;
    HeadSeries *series = shard_series(shard, head_slot(ref));
    OpenChunk *late = late_of(shard, series);
    if (series->open.count > 0 && wanted(taking, series->open.last_time)) {
        headchunk_close(shard, series, &series->open, false);
    }
    if (late && late->count > 0 && wanted(taking, late->last_time)) {
        headchunk_close(shard, series, late, true);
    }
    bool any = false;
    for (SlabRef at = series->closed; at;) {
        ClosedChunk *chunk = slab_at(&shard->slab, at);
        if (chunk->batch == 0 && wanted(taking, chunk->first)) {
            chunk->batch = taking->batch;
            any = true;
        }
        at = chunk->next;
    }
    if (any) {
        VEC_PUSH(*taking, refs, ref);
    }
}

/*
 * Blocks want series by parts_order(). Each distinct part gets its rank first, then series are
 * sorted by four numbers: label text is compared once per part, not once per series.
 */
typedef struct RankedPart {
    uint32_t id;
    LabelSet labels;
} RankedPart;

static int by_part(const void *a, const void *b) {
    return part_cmp(((const RankedPart *)a)->labels, ((const RankedPart *)b)->labels);
}

static uint32_t *rank_parts(const PartTable *parts, Arena *arena) {
    uint32_t count = parttable_count(parts);
    AUTO(arena_finish) Arena scratch = {0};
    RankedPart *ranked = arena_raw(&scratch, count * sizeof *ranked);
    for (uint32_t id = 0; id < count; id++) {
        Label *room = arena_raw(&scratch, parttable_entry(parts, id)->label_count * sizeof *room);
        ranked[id] = (RankedPart){id, parttable_labels(parts, id, room)};
    }
    qsort(ranked, count, sizeof *ranked, by_part);
    uint32_t *ranks = arena_raw(arena, count * sizeof *ranks);
    for (uint32_t i = 0; i < count; i++) {
        ranks[ranked[i].id] = i;
    }
    return ranks;
}

typedef struct RankedSeries {
    uint32_t rank[PART_COUNT];
    HeadRef ref;
} RankedSeries;

static int by_rank(const void *left, const void *right) {
    const RankedSeries *a = left, *b = right;
    for (int i = 0; i < PART_COUNT; i++) {
        if (a->rank[i] != b->rank[i]) {
            return a->rank[i] < b->rank[i] ? -1 : 1;
        }
    }
    return 0;
}

static void sort_refs(Head *head, HeadRef *refs, size_t count) {
    AUTO(arena_finish) Arena arena = {0};
    uint32_t *ranks = rank_parts(&head->parts, &arena);
    RankedSeries *series = mem_grow(NULL, (count + 1) * sizeof *series);
    for (size_t i = 0; i < count; i++) {
        HeadShard *shard = head_shard(head, refs[i]);
        pthread_mutex_lock(&shard->lock);
        const HeadSeries *from = shard_series(shard, head_slot(refs[i]));
        for (int kind = 0; kind < PART_COUNT; kind++) {
            series[i].rank[kind] = ranks[from->part[kind]];
        }
        series[i].ref = refs[i];
        pthread_mutex_unlock(&shard->lock);
    }
    qsort(series, count, sizeof *series, by_rank);
    for (size_t i = 0; i < count; i++) {
        refs[i] = series[i].ref;
    }
    free(series);
}

/* The next flush's number; its place must be free of an earlier one whose chunks are still around.
 */
static bool next_batch(Head *head, uint32_t *ret_batch, Err *err) {
    uint32_t batch = head->batch + 1;
    batch += batch == 0; /* 0 means none */
    if (head->flush_epoch[batch % HEAD_FLUSHES] != 0) {
        headflush_collect(head);
    }
    if (head->flush_epoch[batch % HEAD_FLUSHES] != 0) {
        return err_set(err, ERR_BUSY, "%d flushes are held by snapshots", HEAD_FLUSHES);
    }
    head->batch = *ret_batch = batch;
    return true;
}

bool headflush_begin(Head *head, TimeMs from, TimeMs to, HeadFlush *ret_flush, Err *err) {
    Taking taking = {.head = head, .from = from, .to = to};
    if (!next_batch(head, &taking.batch, err)) {
        return false;
    }
    walk_series(head, visit_take, &taking);
    sort_refs(head, taking.refs, taking.refs_count);
    *ret_flush = (HeadFlush){head, taking.batch, taking.refs, taking.refs_count};
    return true;
}

void headflush_finish(HeadFlush *flush) {
    free(flush->refs);
    *flush = (HeadFlush){0};
}

/* ---- as a source ---- */

static LabelSet source_labels(void *ctx, size_t index, Arena *arena) {
    const HeadFlush *flush = ctx;
    HeadShard *shard = head_shard(flush->head, flush->refs[index]);
    uint32_t part[PART_COUNT];
    pthread_mutex_lock(&shard->lock);
    memcpy(part, shard_series(shard, head_slot(flush->refs[index]))->part, sizeof part);
    pthread_mutex_unlock(&shard->lock);
    Label room[LABELS_MAX];
    LabelSet labels = head_labels(flush->head, part, room);
    Label *copy = arena_raw(arena, (labels.count + 1) * sizeof *copy);
    memcpy(copy, room, labels.count * sizeof *copy);
    return (LabelSet){copy, labels.count};
}

/* The flush's chunks of a series, in the order in which they were written over each other. Closed
 * chunks stay as they are until the flush is over, so decoding needs no lock. */
static size_t batch_views(const HeadShard *shard, const HeadSeries *series, uint32_t batch,
                          Arena *arena, ChunkView **ret_views) {
    size_t max = 0;
    for (SlabRef ref = series->closed; ref; max++) {
        ref = ((const ClosedChunk *)slab_at(&shard->slab, ref))->next;
    }
    ChunkView *views = arena_raw(arena, (max + 1) * sizeof *views);
    size_t at = max;
    for (int late = 1; late >= 0; late--) {
        for (SlabRef ref = series->closed; ref;) {
            const ClosedChunk *chunk = slab_at(&shard->slab, ref);
            if (chunk->batch == batch && chunk->late == (late == 1)) {
                views[--at] = (ChunkView){.bytes = slab_at(&shard->slab, chunk->bytes),
                                          .len = chunk->len,
                                          .count = chunk->count,
                                          .seen = chunk->count};
            }
            ref = chunk->next;
        }
    }
    *ret_views = views + at;
    return max - at;
}

static bool source_read(void *ctx, size_t index, Arena *arena, SeriesData *ret_data, Err *err) {
    (void)err;
    const HeadFlush *flush = ctx;
    HeadShard *shard = head_shard(flush->head, flush->refs[index]);
    pthread_mutex_lock(&shard->lock);
    ChunkView *views;
    size_t count = batch_views(shard, shard_series(shard, head_slot(flush->refs[index])),
                               flush->batch, arena, &views);
    pthread_mutex_unlock(&shard->lock);
    headchunk_decode(views, count, TIME_MIN, TIME_MAX, arena, ret_data);
    return true;
}

BlockSource headflush_source(HeadFlush *flush) {
    return (BlockSource){flush, flush->count, source_labels, source_read};
}

/* ---- ending ---- */

void headflush_publish(HeadFlush *flush) {
    Head *head = flush->head;
    head->flush_epoch[flush->batch % HEAD_FLUSHES] = head->epoch;
}

static void set_batch(HeadFlush *flush, uint32_t batch) {
    for (size_t i = 0; i < flush->count; i++) {
        HeadShard *shard = head_shard(flush->head, flush->refs[i]);
        pthread_mutex_lock(&shard->lock);
        for (SlabRef ref = shard_series(shard, head_slot(flush->refs[i]))->closed; ref;) {
            ClosedChunk *chunk = slab_at(&shard->slab, ref);
            chunk->batch = chunk->batch == flush->batch ? batch : chunk->batch;
            ref = chunk->next;
        }
        pthread_mutex_unlock(&shard->lock);
    }
}

void headflush_abort(HeadFlush *flush) {
    set_batch(flush, 0);
}

typedef struct Collecting {
    Head *head;
    uint32_t oldest;
    bool held[HEAD_FLUSHES]; /* some chunk of it had to stay */
} Collecting;

static void visit_collect(void *ctx, HeadShard *shard, HeadRef ref) {
    Collecting *collecting = ctx;
    HeadSeries *series = shard_series(shard, head_slot(ref));
    SlabRef *link = &series->closed;
    while (*link) {
        SlabRef at = *link;
        ClosedChunk *chunk = slab_at(&shard->slab, at);
        uint32_t flushed =
            chunk->batch ? collecting->head->flush_epoch[chunk->batch % HEAD_FLUSHES] : 0;
        if (flushed != 0 && flushed <= collecting->oldest) {
            *link = chunk->next;
            headchunk_free(shard, at);
        } else {
            link = &chunk->next;
        }
    }
}

/* Names none of whose series has a chunk any more: searches pass them by. */
static void note_idle_names(Head *head, HeadShard *shard) {
    pthread_mutex_lock(&shard->lock);
    for (size_t i = 0; i < shard->names_count; i++) {
        shard->names[i].idle = true;
    }
    for (uint32_t slot = 0; slot < shard->slot_count; slot++) {
        const HeadSeries *series = shard_series(shard, slot);
        if (series->part[0] != UINT32_MAX && head_has_chunks(series)) {
            uint32_t part = series->part[PART_NAME];
            shard->names[parttable_entry(&head->parts, part)->source].idle = false;
        }
    }
    pthread_mutex_unlock(&shard->lock);
}

void headflush_collect(Head *head) {
    uint32_t oldest = head_epoch_oldest(head);
    bool any = false;
    for (int i = 0; i < HEAD_FLUSHES; i++) {
        any = any || (head->flush_epoch[i] != 0 && head->flush_epoch[i] <= oldest);
    }
    if (!any) {
        return;
    }
    Collecting collecting = {.head = head, .oldest = oldest};
    walk_series(head, visit_collect, &collecting);
    for (unsigned i = 0; i < HEAD_SHARDS; i++) {
        note_idle_names(head, &head->shards[i]);
    }
    for (int i = 0; i < HEAD_FLUSHES; i++) {
        if (head->flush_epoch[i] != 0 && head->flush_epoch[i] <= oldest) {
            head->flush_epoch[i] = 0;
        }
    }
}

/* ---- deleting ---- */

typedef struct Deleting {
    Head *head;
    uint32_t batch, epoch;
    TimeMs from, to;
    Arena arena;
} Deleting;

/* What is left of a chunk, as a new one behind `*link` that snapshots of this epoch or later see.
 */
static void keep_rest(Deleting *deleting, HeadShard *shard, const ClosedChunk *chunk,
                      SlabRef *link) {
    SeriesData data;
    const uint8_t *bytes = slab_at(&shard->slab, chunk->bytes);
    openchunk_decode(bytes, chunk->len, 0, chunk->count, &deleting->arena, &data);
    series_data_hide(&data, deleting->from, deleting->to, &deleting->arena);
    if (data.count == 0) {
        return;
    }
    OpenChunk open = {.mark_epoch = deleting->epoch};
    TimeMs start = 0;
    for (size_t i = 0; i < data.count; i++) {
        OpenSample sample = {data.times[i], data.values[i],
                             data.histograms ? data.histograms[i] : NULL,
                             data.starts ? data.starts[i] : 0};
        openchunk_append(&open, &shard->slab, &sample, &start);
    }
    HeadSeries alone = {0};
    headchunk_close(shard, &alone, &open, chunk->late);
    ((ClosedChunk *)slab_at(&shard->slab, alone.closed))->next = *link;
    *link = alone.closed;
    shard->chunks++;
    shard->samples += data.count;
}

static void delete_series(Deleting *deleting, HeadRef ref) {
    HeadShard *shard = head_shard(deleting->head, ref);
    pthread_mutex_lock(&shard->lock);
    HeadSeries *series = shard_series(shard, head_slot(ref));
    OpenChunk *late = late_of(shard, series);
    if (series->open.count > 0) {
        headchunk_close(shard, series, &series->open, false);
    }
    if (late && late->count > 0) {
        headchunk_close(shard, series, late, true);
    }
    for (SlabRef at = series->closed; at;) {
        ClosedChunk *chunk = slab_at(&shard->slab, at);
        SlabRef next = chunk->next;
        if (chunk->batch == 0 && chunk->last >= deleting->from && chunk->first <= deleting->to) {
            chunk->batch = deleting->batch;
            keep_rest(deleting, shard, chunk, &chunk->next);
        }
        at = next;
    }
    pthread_mutex_unlock(&shard->lock);
    arena_reset(&deleting->arena);
}

bool headflush_delete(Head *head, const MatcherSet *sets, size_t set_count, TimeMs from, TimeMs to,
                      Err *err) {
    Deleting deleting = {.head = head, .from = from, .to = to};
    if (!next_batch(head, &deleting.batch, err)) {
        return false;
    }
    AUTO(arena_finish) Arena arena = {0};
    HeadMatch *matches;
    size_t count;
    head_select(head, head->epoch, sets, set_count, from, to, &arena, &matches, &count);
    deleting.epoch = ++head->epoch; /* snapshots from before still see what was there */
    for (size_t i = 0; i < count; i++) {
        delete_series(&deleting, matches[i].ref);
    }
    head->flush_epoch[deleting.batch % HEAD_FLUSHES] = deleting.epoch;
    arena_finish(&deleting.arena);
    return true;
}

/* ---- forgetting ---- */

static bool is_idle(const HeadShard *shard, const HeadSeries *series) {
    const OpenChunk *late = late_of(shard, series);
    return series->open.count == 0 && series->closed == 0 && (!late || late->count == 0);
}

static void visit_idle(void *ctx, HeadShard *shard, HeadRef ref) {
    enum { IDLE_CALLS = 2 };
    Head *head = ctx;
    HeadSeries *series = shard_series(shard, head_slot(ref));
    if (!is_idle(shard, series)) {
        return;
    }
    if (series->open.idle < IDLE_CALLS) {
        series->open.idle++;
        return;
    }
    if (series->open.extra) {
        slab_free(&shard->slab, series->open.extra, slab_class(sizeof(HeadExtra)));
        series->open.extra = 0;
    }
    uint32_t source = parttable_entry(&head->parts, series->part[head->source_part])->source;
    sources_drop_series(&head->sources, source);
    head->series_count--;
    shard->series--;
    series->part[0] = UINT32_MAX;
    series->next = 0;
}

void headflush_forget_idle(Head *head) {
    uint64_t before = head->series_count;
    walk_series(head, visit_idle, head);
    if (head->series_count != before) {
        head_rebuild(head);
        head->forgot_epoch = ++head->epoch;
        head->deaths++;
    }
}

void headflush_reuse(Head *head) {
    if (head->forgot_epoch != 0 && head_epoch_oldest(head) >= head->forgot_epoch) {
        head_collect_free(head);
        head->forgot_epoch = 0;
    }
}
