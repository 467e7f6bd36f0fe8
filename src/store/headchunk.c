#include "store/headchunk.h"

#include <assert.h>

#include "store/seriesdata.h"

static TimeMs open_first(const HeadShard *shard, const OpenChunk *chunk) {
    return openchunk_first(slab_at(&shard->slab, chunk->bytes), chunk->len);
}

void headchunk_close(HeadShard *shard, HeadSeries *series, OpenChunk *chunk, bool late) {
    assert(chunk->count > 0);
    openchunk_seal(chunk, &shard->slab);
    SlabRef ref = slab_alloc(&shard->slab, slab_class(sizeof(ClosedChunk)));
    ClosedChunk *closed = slab_at(&shard->slab, ref);
    *closed = (ClosedChunk){
        .first = open_first(shard, chunk),
        .last = chunk->last_time,
        .next = series->closed,
        .bytes = chunk->bytes,
        .mark_epoch = chunk->mark_epoch,
        .len = chunk->len,
        .count = chunk->count,
        .mark = chunk->mark,
        .class = chunk->class,
        .late = late,
    };
    series->closed = ref;
    chunk->bytes = 0;
    chunk->count = 0;
    chunk->len = 0;
    chunk->mark = 0;
    if (series->open.extra) {
        HeadExtra *extra = slab_at(&shard->slab, series->open.extra);
        *(late ? &extra->late_start : &extra->start) = 0;
    }
}

void headchunk_free(HeadShard *shard, SlabRef ref) {
    ClosedChunk *closed = slab_at(&shard->slab, ref);
    shard->chunks--;
    shard->samples -= closed->count;
    slab_free(&shard->slab, closed->bytes, closed->class);
    slab_free(&shard->slab, ref, slab_class(sizeof *closed));
}

static size_t seen_of(uint32_t epoch, uint32_t mark_epoch, size_t mark, size_t count) {
    return mark_epoch > epoch ? mark : count;
}

/* The open chunk as `epoch` sees it; false if it sees nothing of it in [from, to]. */
static bool view_open(const HeadShard *shard, const OpenChunk *chunk, bool late, uint32_t epoch,
                      TimeMs from, TimeMs to, ChunkView *ret_view) {
    if (chunk->count == 0 || chunk->last_time < from) {
        return false;
    }
    size_t seen = seen_of(epoch, chunk->mark_epoch, chunk->mark, chunk->count);
    TimeMs first = open_first(shard, chunk);
    *ret_view = (ChunkView){slab_at(&shard->slab, chunk->bytes),
                            chunk->len,
                            chunk->run,
                            chunk->count,
                            seen,
                            first,
                            chunk->last_time,
                            late};
    return seen > 0 && first <= to;
}

static bool view_closed(const Head *head, const HeadShard *shard, const ClosedChunk *chunk,
                        uint32_t epoch, TimeMs from, TimeMs to, ChunkView *ret_view) {
    if (chunk->last < from || chunk->first > to) {
        return false;
    }
    uint32_t flushed = chunk->batch ? head->flush_epoch[chunk->batch % HEAD_FLUSHES] : 0;
    bool in_block = flushed != 0 && epoch >= flushed;
    size_t seen = seen_of(epoch, chunk->mark_epoch, chunk->mark, chunk->count);
    *ret_view = (ChunkView){slab_at(&shard->slab, chunk->bytes),
                            chunk->len,
                            0,
                            chunk->count,
                            seen,
                            chunk->first,
                            chunk->last,
                            chunk->late};
    return !in_block && seen > 0;
}

static const OpenChunk *late_chunk(const HeadShard *shard, const HeadSeries *series) {
    static const OpenChunk none;
    if (!series->open.extra) {
        return &none;
    }
    return &((const HeadExtra *)slab_at(&shard->slab, series->open.extra))->late;
}

bool headchunk_any(const Head *head, const HeadShard *shard, const HeadSeries *series,
                   uint32_t epoch, TimeMs from, TimeMs to) {
    ChunkView view;
    if (view_open(shard, &series->open, false, epoch, from, to, &view) ||
        view_open(shard, late_chunk(shard, series), true, epoch, from, to, &view)) {
        return true;
    }
    for (SlabRef ref = series->closed; ref;) {
        const ClosedChunk *chunk = slab_at(&shard->slab, ref);
        if (view_closed(head, shard, chunk, epoch, from, to, &view)) {
            return true;
        }
        ref = chunk->next;
    }
    return false;
}

/* Adds those closed chunks that are (or are not) late, oldest first. */
static size_t add_closed(const Head *head, const HeadShard *shard, const HeadSeries *series,
                         bool late, uint32_t epoch, TimeMs from, TimeMs to, ChunkView *views) {
    size_t count = 0;
    for (SlabRef ref = series->closed; ref;) {
        const ClosedChunk *chunk = slab_at(&shard->slab, ref);
        count +=
            chunk->late == late && view_closed(head, shard, chunk, epoch, from, to, &views[count]);
        ref = chunk->next;
    }
    for (size_t i = 0; i < count / 2; i++) {
        ChunkView swap = views[i];
        views[i] = views[count - 1 - i];
        views[count - 1 - i] = swap;
    }
    return count;
}

size_t headchunk_views(const Head *head, const HeadShard *shard, const HeadSeries *series,
                       uint32_t epoch, TimeMs from, TimeMs to, Arena *arena,
                       ChunkView **ret_views) {
    size_t max = 3;
    for (SlabRef ref = series->closed; ref; max++) {
        ref = ((const ClosedChunk *)slab_at(&shard->slab, ref))->next;
    }
    ChunkView *views = arena_raw(arena, max * sizeof *views);
    size_t count = add_closed(head, shard, series, false, epoch, from, to, views);
    count += view_open(shard, &series->open, false, epoch, from, to, &views[count]);
    count += add_closed(head, shard, series, true, epoch, from, to, views + count);
    count += view_open(shard, late_chunk(shard, series), true, epoch, from, to, &views[count]);
    *ret_views = views;
    return count;
}

void headchunk_decode(const ChunkView *views, size_t count, TimeMs from, TimeMs to, Arena *arena,
                      SeriesData *ret_data) {
    SeriesData all = {0};
    for (size_t i = 0; i < count; i++) {
        SeriesData one, merged;
        openchunk_decode(views[i].bytes, views[i].len, views[i].run, views[i].seen, arena, &one);
        one = series_data_cut(&one, from, to);
        series_data_merge(&all, &one, arena, &merged);
        all = merged;
    }
    *ret_data = all;
}
