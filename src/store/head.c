/* The head itself: epochs, and samples going in. */

#include "store/head.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/headchunk.h"

void head_init(Head *head, Str source_label, DurationMs span) {
    *head = (Head){.epoch = 1, .span = span};
    parttable_init(&head->parts);
    sources_init(&head->sources);
    for (int i = 0; i < HEAD_SHARDS; i++) {
        pthread_mutex_init(&head->shards[i].lock, NULL);
    }
    aliases_init(&head->aliases);
    pthread_mutex_init(&head->epoch_lock, NULL);
    /* A snapshot that waits for the gate must not starve behind appends that keep coming. */
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&head->gate, &attr);
    pthread_rwlockattr_destroy(&attr);
    head->source_label = mem_grow(NULL, source_label.len + 1);
    if (source_label.len) {
        memcpy(head->source_label, source_label.ptr, source_label.len);
    }
    head->source_label[source_label.len] = '\0';
    head->source_part = label_part(source_label);
}

static void finish_shard(HeadShard *shard) {
    for (size_t i = 0; i < shard->pages_count; i++) {
        free(shard->pages[i]);
    }
    free(shard->pages);
    free(shard->table);
    for (size_t i = 0; i < shard->names_count; i++) {
        free(shard->names[i].chains);
    }
    free(shard->names);
    slab_finish(&shard->slab);
    pthread_mutex_destroy(&shard->lock);
}

void head_finish(Head *head) {
    for (int i = 0; i < HEAD_SHARDS; i++) {
        finish_shard(&head->shards[i]);
    }
    parttable_finish(&head->parts);
    sources_finish(&head->sources);
    aliases_finish(&head->aliases);
    pthread_rwlock_destroy(&head->gate);
    pthread_mutex_destroy(&head->epoch_lock);
    free(head->live);
    free(head->source_label);
}

/* ---- epochs ---- */

void head_gate_shut(Head *head) {
    pthread_rwlock_wrlock(&head->gate);
}

void head_gate_open(Head *head) {
    pthread_rwlock_unlock(&head->gate);
}

void head_gate_share(Head *head) {
    pthread_rwlock_rdlock(&head->gate);
}

void head_gate_leave(Head *head) {
    pthread_rwlock_unlock(&head->gate);
}

uint32_t head_epoch_begin(Head *head) {
    pthread_mutex_lock(&head->epoch_lock);
    uint32_t epoch = head->epoch++;
    VEC_PUSH(*head, live, epoch);
    pthread_mutex_unlock(&head->epoch_lock);
    return epoch;
}

void head_epoch_end(Head *head, uint32_t epoch) {
    pthread_mutex_lock(&head->epoch_lock);
    size_t at = 0;
    while (head->live[at] != epoch) {
        at++;
        assert(at < head->live_count);
    }
    head->live_count--;
    memmove(head->live + at, head->live + at + 1, (head->live_count - at) * sizeof *head->live);
    pthread_mutex_unlock(&head->epoch_lock);
}

uint32_t head_epoch_oldest(Head *head) {
    pthread_mutex_lock(&head->epoch_lock);
    uint32_t oldest = head->live_count ? head->live[0] : head->epoch;
    pthread_mutex_unlock(&head->epoch_lock);
    return oldest;
}

/* ---- one sample ---- */

typedef enum Put { PUT_STORED, PUT_DUPLICATE } Put;

/* What the samples of one batch have in common. */
typedef struct Putting {
    Head *head;
    HeadShard *shard;
    uint32_t epoch;
    DurationMs dedup;
    TimeMs window, window_end; /* the one the last sample fell into */
    size_t late;               /* samples out of order so far */
    Arena *scratch;
} Putting;

static bool same_window(Putting *put, TimeMs a, TimeMs b) {
    if (b < put->window || b >= put->window_end) {
        put->window = window_of(b, put->head->span);
        put->window_end = put->window + put->head->span;
    }
    return a >= put->window && a < put->window_end;
}

static void mark(OpenChunk *chunk, uint32_t epoch) {
    if (chunk->mark_epoch != epoch) {
        chunk->mark_epoch = epoch;
        chunk->mark = chunk->count;
    }
}

static void begin_chunk(Putting *put, const HeadSeries *series, OpenChunk *chunk) {
    const PartEntry *name = parttable_entry(&put->head->parts, series->part[PART_NAME]);
    chunk->mark_epoch = put->epoch;
    chunk->mark = 0;
    put->shard->chunks++;
    put->shard->names[name->source].idle = false;
}

static void add_sample(Putting *put, const HeadSeries *series, OpenChunk *chunk,
                       const OpenSample *sample, TimeMs *start) {
    if (chunk->count == 0) {
        begin_chunk(put, series, chunk);
    } else {
        mark(chunk, put->epoch);
    }
    put->shard->samples++;
    openchunk_append(chunk, &put->shard->slab, sample, start);
}

static HeadExtra *need_extra(HeadShard *shard, HeadSeries *series) {
    if (!series->open.extra) {
        series->open.extra = slab_alloc(&shard->slab, slab_class(sizeof(HeadExtra)));
        HeadExtra *extra = slab_at(&shard->slab, series->open.extra);
        *extra = (HeadExtra){.late.last_time = TIME_MIN};
    }
    return slab_at(&shard->slab, series->open.extra);
}

static TimeMs *start_state(HeadShard *shard, HeadSeries *series, const OpenSample *sample) {
    if (!series->open.extra && sample->start == 0) {
        return NULL;
    }
    return &need_extra(shard, series)->start;
}

static Put put_in_order(Putting *put, HeadSeries *series, const OpenSample *sample) {
    OpenChunk *open = &series->open;
    if (put->dedup > 0 && open->last_time != TIME_MIN &&
        window_of(open->last_time, put->dedup) == window_of(sample->time, put->dedup)) {
        return PUT_DUPLICATE; /* the other replica was first in this interval */
    }
    if (open->count > 0 && (!openchunk_has_room(open, sample->time) ||
                            !same_window(put, open->last_time, sample->time))) {
        headchunk_close(put->shard, series, open, false);
    }
    add_sample(put, series, open, sample, start_state(put->shard, series, sample));
    return PUT_STORED;
}

static bool same_sample(const SeriesData *data, const OpenSample *sample) {
    if (data->count == 0) {
        return false;
    }
    const Histogram *histogram = data->histograms ? data->histograms[0] : NULL;
    TimeMs start = data->starts ? data->starts[0] : 0;
    if (start != sample->start || !histogram != !sample->histogram) {
        return false;
    }
    return histogram ? histogram_eq(histogram, sample->histogram)
                     : value_bits(data->values[0]) == value_bits(sample->value);
}

static OpenSample decoded_sample(const SeriesData *data, size_t i) {
    return (OpenSample){.time = data->times[i],
                        .value = data->values[i],
                        .histogram = data->histograms ? data->histograms[i] : NULL,
                        .start = data->starts ? data->starts[i] : 0};
}

/* Whether the open late chunk can be written anew with a sample before its end: no snapshot may
 * have seen any of it, and it has to stay a chunk. */
static bool can_insert(Putting *put, const OpenChunk *late, TimeMs time) {
    enum { INSERT_MAX = 256 }; /* writing them anew takes some microseconds */
    return late->count > 0 && late->count < INSERT_MAX && time <= late->last_time &&
           late->mark_epoch == put->epoch && late->mark == 0 &&
           openchunk_has_room(late, late->last_time) && late->last_time - time < INT32_MAX &&
           same_window(put, late->last_time, time);
}

/* Backfill that comes backwards or mixed up would otherwise begin a chunk with each sample, and
 * each sample looks at all chunks: a second's worth of import took a minute. */
static void insert_late(Putting *put, HeadExtra *extra, const OpenSample *sample) {
    Slab *slab = &put->shard->slab;
    OpenChunk old = extra->late, chunk = {.last_time = TIME_MIN, .mark_epoch = put->epoch};
    SeriesData data;
    openchunk_decode(slab_at(slab, old.bytes), old.len, old.run, old.count, put->scratch, &data);
    bool placed = false;
    extra->late_start = 0;
    for (size_t i = 0; i < data.count; i++) {
        OpenSample there = decoded_sample(&data, i);
        if (!placed && there.time >= sample->time) {
            openchunk_append(&chunk, slab, sample, &extra->late_start);
            placed = true;
        }
        if (there.time != sample->time) {
            openchunk_append(&chunk, slab, &there, &extra->late_start);
        }
    }
    assert(placed);
    put->shard->samples += chunk.count - old.count;
    slab_free(slab, old.bytes, old.class);
    extra->late = chunk;
}

static Put put_late(Putting *put, HeadSeries *series, const OpenSample *sample) {
    SeriesData there;
    put->late++;
    arena_reset(put->scratch);
    head_read_locked(put->head, put->shard, series, put->epoch, sample->time, sample->time,
                     put->scratch, &there);
    if (same_sample(&there, sample)) {
        return PUT_DUPLICATE;
    }
    HeadExtra *extra = need_extra(put->shard, series);
    OpenChunk *late = &extra->late;
    if (can_insert(put, late, sample->time)) {
        insert_late(put, extra, sample);
        return PUT_STORED;
    }
    if (late->count > 0 &&
        (sample->time <= late->last_time || !openchunk_has_room(late, sample->time) ||
         !same_window(put, late->last_time, sample->time))) {
        headchunk_close(put->shard, series, late, true);
    }
    add_sample(put, series, late, sample, &extra->late_start);
    return PUT_STORED;
}

static Put put_sample(Putting *put, HeadSeries *series, const OpenSample *sample) {
    series->open.idle = 0;
    if (sample->time > series->open.last_time) {
        return put_in_order(put, series, sample);
    }
    return put_late(put, series, sample);
}

/* ---- a batch ---- */

/* What the batch brings for one source: told once per run of series of one source. */
typedef struct NoteRun {
    uint32_t source;
    SourceNote note;
} NoteRun;

static void tell_source(Head *head, NoteRun *run, TimeMs now) {
    if (run->note.samples > 0) {
        sources_note(&head->sources, run->source, &run->note, now);
    }
    run->note = (SourceNote){.newest = TIME_MIN};
}

static OpenSample batch_sample(const SampleBatch *batch, size_t row) {
    return (OpenSample){.time = batch->times[row],
                        .value = batch->values[row],
                        .histogram = batch->histograms ? batch->histograms[row] : NULL,
                        .start = batch->starts ? batch->starts[row] : 0};
}

bool outcome_complain(StoreOutcome *outcome, const char *what) {
    if (outcome->first_bad[0]) {
        return false;
    }
    snprintf(outcome->first_bad, sizeof outcome->first_bad, "%.511s", what);
    return true;
}

void outcome_name(StoreOutcome *outcome, LabelSet labels) {
    enum { NAME_BYTES_MAX = 250 }; /* the reason has to fit in as well */
    if (labels.count == 0) {
        return;
    }
    AUTO(buf_finish) Buf name = {0};
    labels_print(&name, labels);
    bool cut = name.len > NAME_BYTES_MAX;
    char what[sizeof outcome->first_bad];
    memcpy(what, outcome->first_bad, sizeof what);
    snprintf(outcome->first_bad, sizeof outcome->first_bad, "%.*s%s: %.250s",
             cut ? (int)NAME_BYTES_MAX : (int)name.len, name.ptr, cut ? "..." : "", what);
}

bool head_accepts(HeadAppend *append, const OpenSample *sample) {
    StoreOutcome *outcome = append->outcome;
    if (sample->time < append->oldest) {
        outcome->too_old++;
        return false;
    }
    if (sample->time > append->newest) {
        outcome->too_new++;
        (void)outcome_complain(outcome, "sample is too far in the future");
        return false;
    }
    Err err;
    if (sample->histogram && !histogram_valid(sample->histogram, &err)) {
        outcome->invalid++;
        (void)outcome_complain(outcome, err.text);
        return false;
    }
    if (sample->histogram && !openchunk_histogram_fits(sample->histogram)) {
        outcome->invalid++;
        (void)outcome_complain(outcome, "native histogram has too many buckets");
        return false;
    }
    return true;
}

/* A series of the batch that is known, as it goes to its shard: what is needed of it in one place,
 * since the batch itself is too big for the inner cache. */
typedef struct Routed {
    HeadRef ref;
    uint32_t row_first, row_count;
} Routed;

/* After a sample was refused: if it was the first, tells whose it was. */
static void name_refused(const Putting *put, const HeadSeries *series, bool complained_before,
                         StoreOutcome *outcome) {
    if (!complained_before && outcome->first_bad[0]) {
        Label room[LABELS_MAX];
        outcome_name(outcome, head_labels(put->head, series->part, room));
    }
}

static void append_series(HeadAppend *append, Putting *put, const Routed *from, SourceNote *note) {
    HeadSeries *series = shard_series(put->shard, head_slot(from->ref));
    for (uint32_t i = 0; i < from->row_count; i++) {
        OpenSample sample = batch_sample(append->batch, from->row_first + i);
        bool complained = append->outcome->first_bad[0] != '\0';
        if (!head_accepts(append, &sample)) {
            name_refused(put, series, complained, append->outcome);
            continue;
        }
        bool newer = sample.time > note->newest;
        note->newest = newer ? sample.time : note->newest;
        note->samples++;
        if (put_sample(put, series, &sample) == PUT_DUPLICATE) {
            append->outcome->duplicates++;
            continue;
        }
        append->outcome->stored++;
        append->outcome->stored_histograms += sample.histogram != NULL;
        append->rows[append->row_count++] = (RecordRow){from->ref, sample};
    }
    if (series->open.last_delta > 0 && note->interval == 0) {
        note->interval = series->open.last_delta;
    }
}

/* Tells the CPU what the loop needs soon: the series, and a little later the end of its chunk. */
static void prefetch(const HeadShard *shard, const Routed *routed, size_t left) {
    enum { SERIES_AHEAD = 12, BYTES_AHEAD = 6 };
    if (left > SERIES_AHEAD) {
        PREFETCH(shard_series(shard, head_slot(routed[SERIES_AHEAD].ref)));
    }
    if (left > BYTES_AHEAD) {
        const HeadSeries *ahead = shard_series(shard, head_slot(routed[BYTES_AHEAD].ref));
        if (ahead->open.bytes) {
            PREFETCH((uint8_t *)slab_at(&shard->slab, ahead->open.bytes) + ahead->open.len);
        }
    }
}

/* ---- batches in disorder ---- */

typedef struct SortedRow {
    HeadRef ref;
    uint32_t row;
    TimeMs time;
} SortedRow;

/* Of two samples of one time the later written stays the later. */
static int by_series_and_time(const void *a, const void *b) {
    const SortedRow *left = a, *right = b;
    if (left->ref != right->ref) {
        return left->ref < right->ref ? -1 : 1;
    }
    if (left->time != right->time) {
        return left->time < right->time ? -1 : 1;
    }
    return left->row < right->row ? -1 : 1;
}

/* The same rows, those of a series in order of their time: each a Routed of its own. */
static Routed *sort_rows(const SampleBatch *batch, const Routed *routed, size_t *count,
                         Arena *arena) {
    size_t rows = 0;
    for (size_t i = 0; i < *count; i++) {
        rows += routed[i].row_count;
    }
    SortedRow *sorted = arena_raw(arena, (rows + 1) * sizeof *sorted);
    Routed *result = arena_raw(arena, (rows + 1) * sizeof *result);
    rows = 0;
    for (size_t i = 0; i < *count; i++) {
        for (uint32_t row = routed[i].row_first; row < routed[i].row_first + routed[i].row_count;
             row++) {
            sorted[rows++] = (SortedRow){routed[i].ref, row, batch->times[row]};
        }
    }
    qsort(sorted, rows, sizeof *sorted, by_series_and_time);
    for (size_t i = 0; i < rows; i++) {
        result[i] = (Routed){sorted[i].ref, sorted[i].row, 1};
    }
    *count = rows;
    return result;
}

static bool rows_ascend(const SampleBatch *batch, const Routed *routed, size_t count) {
    for (size_t i = 0; i < count; i++) {
        for (uint32_t k = 1; k < routed[i].row_count; k++) {
            uint32_t row = routed[i].row_first + k;
            if (batch->times[row] < batch->times[row - 1]) {
                return false;
            }
        }
    }
    return true;
}

/* Once some samples came out of order the rest is put into order: a late chunk takes samples of one
 * window, and changing between windows would begin a chunk with each sample. */
static void append_shard(Head *head, HeadAppend *append, Putting *put, const Routed *routed,
                         size_t count, Arena *arena, NoteRun *run) {
    enum { LATE_MAX = 4 };
    HeadShard *shard = put->shard;
    uint32_t last_part = UINT32_MAX;
    bool sorted = false;
    put->late = rows_ascend(append->batch, routed, count) ? 0 : LATE_MAX;
    pthread_mutex_lock(&shard->lock);
    for (size_t i = 0; i < count; i++) {
        if (put->late >= LATE_MAX && !sorted) {
            count -= i;
            routed = sort_rows(append->batch, routed + i, &count, arena);
            sorted = true;
            i = 0;
            if (count == 0) {
                break;
            }
        }
        prefetch(shard, routed + i, count - i);
        const HeadSeries *series = shard_series(shard, head_slot(routed[i].ref));
        if (series->part[head->source_part] != last_part && !append->batch->own) {
            last_part = series->part[head->source_part];
            uint32_t source = parttable_entry(&head->parts, last_part)->source;
            if (source != run->source) {
                tell_source(head, run, append->now);
                run->source = source;
            }
        }
        append_series(append, put, &routed[i], &run->note);
    }
    pthread_mutex_unlock(&shard->lock);
}

/* The batch's known series in order of their shards; `ret_first[s]` is where shard s begins. */
static Routed *route(const HeadAppend *append, Arena *arena, size_t ret_first[HEAD_SHARDS + 1]) {
    size_t count = append->batch->series_count;
    size_t at[HEAD_SHARDS + 1] = {0};
    for (size_t i = 0; i < count; i++) {
        if (append->refs[i] < HEAD_REF_DROPPED) {
            at[(append->refs[i] >> HEAD_SLOT_BITS) + 1]++;
        }
    }
    for (int shard = 0; shard < HEAD_SHARDS; shard++) {
        at[shard + 1] += at[shard];
    }
    memcpy(ret_first, at, sizeof at);
    Routed *routed = arena_raw(arena, (count + 1) * sizeof *routed);
    for (size_t i = 0; i < count; i++) {
        HeadRef ref = append->refs[i];
        if (ref < HEAD_REF_DROPPED) {
            const BatchSeries *series = &append->batch->series[i];
            routed[at[ref >> HEAD_SLOT_BITS]++] =
                (Routed){ref, series->row_first, series->row_count};
        }
    }
    return routed;
}

void head_append(Head *head, HeadAppend *append) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(arena_finish) Arena scratch = {0};
    size_t first[HEAD_SHARDS + 1];
    Routed *routed = route(append, &arena, first);
    NoteRun run = {.note.newest = TIME_MIN};
    Putting put = {
        .head = head, .epoch = head->epoch, .dedup = append->dedup_interval, .scratch = &scratch};
    for (int shard = 0; shard < HEAD_SHARDS; shard++) {
        put.shard = &head->shards[shard];
        if (first[shard + 1] > first[shard]) {
            append_shard(head, append, &put, routed + first[shard], first[shard + 1] - first[shard],
                         &arena, &run);
        }
    }
    if (!append->batch->own) {
        tell_source(head, &run, append->now);
    }
}

/* As prefetch(), for rows whose series need not exist. */
static void prefetch_rows(const HeadShard *shard, const RecordRow *rows, size_t left) {
    enum { SERIES_AHEAD = 12, BYTES_AHEAD = 6 };
    if (left > SERIES_AHEAD && head_slot(rows[SERIES_AHEAD].ref) < shard->slot_count) {
        PREFETCH(shard_series(shard, head_slot(rows[SERIES_AHEAD].ref)));
    }
    if (left > BYTES_AHEAD && head_slot(rows[BYTES_AHEAD].ref) < shard->slot_count) {
        const HeadSeries *ahead = shard_series(shard, head_slot(rows[BYTES_AHEAD].ref));
        if (ahead->open.bytes) {
            PREFETCH((uint8_t *)slab_at(&shard->slab, ahead->open.bytes) + ahead->open.len);
        }
    }
}

/* The shard is still for one thread alone: no lock. */
uint64_t head_replay(Head *head, const RecordSamples *samples, unsigned shard_index, size_t first,
                     size_t count) {
    AUTO(arena_finish) Arena scratch = {0};
    HeadShard *shard = &head->shards[shard_index];
    Putting put = {.head = head, .shard = shard, .epoch = head->epoch, .scratch = &scratch};
    NoteRun run = {.note.newest = TIME_MIN};
    uint32_t last_part = UINT32_MAX;
    uint64_t unknown = 0;
    for (size_t i = first; i < first + count; i++) {
        const RecordRow *row = &samples->rows[i];
        prefetch_rows(shard, row, first + count - i);
        if (!head_defined(head, row->ref)) {
            unknown++;
            continue;
        }
        HeadSeries *series = shard_series(shard, head_slot(row->ref));
        (void)put_sample(&put, series, &row->sample);
        if (series->part[head->source_part] != last_part) {
            last_part = series->part[head->source_part];
            uint32_t source = parttable_entry(&head->parts, last_part)->source;
            if (source != run.source && !samples->own) {
                tell_source(head, &run, samples->now);
                run.source = source;
            }
        }
        run.note.newest = row->sample.time > run.note.newest ? row->sample.time : run.note.newest;
        run.note.interval = series->open.last_delta;
        run.note.samples++;
    }
    if (!samples->own) {
        tell_source(head, &run, samples->now);
    }
    return unknown;
}

static size_t names_bytes(const HeadShard *shard) {
    size_t bytes = shard->names_cap * sizeof *shard->names;
    for (size_t i = 0; i < shard->names_count; i++) {
        bytes += shard->names[i].cap * sizeof(HeadChain);
    }
    return bytes;
}

size_t head_bytes(Head *head) {
    parttable_lock(&head->parts);
    size_t bytes = parttable_bytes(&head->parts);
    parttable_unlock(&head->parts);
    bytes += aliases_bytes(&head->aliases);
    for (int i = 0; i < HEAD_SHARDS; i++) {
        HeadShard *shard = &head->shards[i];
        pthread_mutex_lock(&shard->lock);
        bytes += slab_bytes(&shard->slab) + shard->pages_count * HEAD_PAGE * sizeof(HeadSeries) +
                 shard->table_size * sizeof(uint32_t) + names_bytes(shard);
        pthread_mutex_unlock(&shard->lock);
    }
    return bytes;
}
