/* store_append(): a batch on its way to head and journal. */

#include <time.h>

#include "base/hash.h"
#include "store/storeimpl.h"

enum { BACKLOG_MAX = 64 << 20 }; /* bytes that wait for the disk; more is "busy" */

/* Why a series of the batch has no ref. */
typedef enum Refusal { REFUSAL_NONE, REFUSAL_LIMIT, REFUSAL_INVALID } Refusal;

typedef struct Appending {
    Store *store;
    const SampleBatch *batch;
    HeadAppend append;
    Hash128 *keys;
    HeadRef *refs;
    uint8_t *refusals;
    bool in_memory; /* nothing is logged */
    Arena arena;
} Appending;

/* What a series is remembered by: its raw bytes under the relabelling rules of `raw_epoch`, or its
 * labels. */
static Hash128 key_of(const SampleBatch *batch, const BatchSeries *series) {
    Hash128 key;
    if (series->raw.ptr) {
        bool known = series->raw_hash.lo || series->raw_hash.hi;
        key = known ? series->raw_hash : hash128(series->raw);
        key.lo ^= (batch->raw_epoch + 1) * UINT64_C(0x9E3779B97F4A7C15);
    } else {
        key = labels_hash(series->labels);
    }
    return key;
}

static bool ready(Store *store, Err *err) {
    if (journal_failure(store->journal, err)) {
        return err_context(err, "the store is read-only");
    }
    uint64_t backlog = journal_backlog(store->journal);
    if (backlog > BACKLOG_MAX) {
        return err_set(err, ERR_BUSY, "%llu bytes wait to be written to the log",
                       (unsigned long long)backlog);
    }
    return true;
}

static bool any_acceptable(const HeadAppend *append, const BatchSeries *series) {
    for (uint32_t i = 0; i < series->row_count; i++) {
        TimeMs time = append->batch->times[series->row_first + i];
        if (time >= append->oldest && time <= append->newest) {
            return true;
        }
    }
    return false;
}

/* The labels under which a series not seen before is to be made. */
static SeriesDecode decode(Appending *work, const BatchSeries *series, LabelSet *ret_labels,
                           Err *err) {
    LabelSet labels = series->labels;
    if (series->raw.ptr) {
        SeriesDecode answer =
            work->batch->decode(work->batch->decode_ctx, series->raw, &work->arena, &labels, err);
        if (answer != SERIES_USE) {
            *ret_labels = labels;
            return answer;
        }
    }
    const StoreConfig *config = &work->store->config;
    if (config->replica_label_count > 0) {
        labels = labels_filter(&work->arena, labels, config->replica_labels,
                               config->replica_label_count, false);
    }
    if (labels.count == 0) {
        err_set(err, ERR_INVALID, "a series without labels");
        return SERIES_INVALID;
    }
    *ret_labels = labels;
    if (!labels_valid(labels, err)) {
        return SERIES_INVALID;
    }
    return SERIES_USE;
}

/* Those series that are not known yet and are to be made. */
typedef struct Missing {
    HeadMake *makes;
    uint32_t *origin; /* their places in the batch */
    size_t count;
} Missing;

static Missing decode_missing(Appending *work) {
    const SampleBatch *batch = work->batch;
    Missing missing = {.makes = arena_array(&work->arena, HeadMake, batch->series_count),
                       .origin =
                           arena_raw(&work->arena, (batch->series_count + 1) * sizeof(uint32_t))};
    for (size_t i = 0; i < batch->series_count; i++) {
        if (work->refs[i] != HEAD_REF_NONE || !any_acceptable(&work->append, &batch->series[i])) {
            continue;
        }
        LabelSet labels = {0};
        Err bad = {0};
        SeriesDecode answer = decode(work, &batch->series[i], &labels, &bad);
        if (answer == SERIES_INVALID) {
            work->refusals[i] = REFUSAL_INVALID;
            if (outcome_complain(work->append.outcome, bad.text)) {
                outcome_name(work->append.outcome, labels);
            }
            continue;
        }
        missing.origin[missing.count] = (uint32_t)i;
        missing.makes[missing.count++] =
            (HeadMake){.labels = labels,
                       .key = work->keys[i],
                       .ref = answer == SERIES_DROP ? HEAD_REF_DROPPED : HEAD_REF_NONE};
    }
    return missing;
}

/* New series come in runs of one source. */
static void note_born(Store *store, const Missing *missing, int64_t now_ns) {
    Sources *sources = &store->head.sources;
    Str label = str_of(store->head.source_label);
    uint64_t run = 0;
    Str before = {0};
    for (size_t i = 0; i < missing->count; i++) {
        Str source = labels_get(missing->makes[i].labels, label);
        if (run > 0 && missing->makes[i].created && !str_eq(source, before)) {
            sources_note_born(sources, sources_find(sources, before), run, now_ns);
            run = 0;
        }
        before = missing->makes[i].created ? source : before;
        run += missing->makes[i].created;
    }
    if (run > 0) {
        sources_note_born(sources, sources_find(sources, before), run, now_ns);
    }
}

static bool make_missing(Appending *work, const Missing *missing, Err *err) {
    if (!head_make(&work->store->head, missing->makes, missing->count, !work->in_memory,
                   &work->arena, err)) {
        return false;
    }
    uint64_t created = 0;
    for (size_t i = 0; i < missing->count; i++) {
        created += missing->makes[i].created;
        work->refs[missing->origin[i]] = missing->makes[i].ref;
        if (missing->makes[i].refusal) {
            work->refusals[missing->origin[i]] = REFUSAL_LIMIT;
            if (outcome_complain(work->append.outcome, missing->makes[i].refusal)) {
                outcome_name(work->append.outcome, missing->makes[i].labels);
            }
        }
    }
    if (created > 0) {
        int64_t now_ns = clock_monotonic_ns();
        churn_add(&work->store->churn, now_ns, created);
        note_born(work->store, missing, now_ns);
    }
    return true;
}

static bool any_missing(const Appending *work) {
    for (size_t i = 0; i < work->batch->series_count; i++) {
        if (work->refs[i] == HEAD_REF_NONE) {
            return true;
        }
    }
    return false;
}

/* Finds all series, makes those missing, and returns with the gate shared: while it is, no series
 * is forgotten. Decoding may take a while, so the gate is left for it and everything is looked up
 * once more. */
static bool resolve(Appending *work, Err *err) {
    const SampleBatch *batch = work->batch;
    Head *head = &work->store->head;
    for (size_t i = 0; i < batch->series_count; i++) {
        work->keys[i] = key_of(batch, &batch->series[i]);
    }
    head_gate_share(head);
    head_find(head, work->keys, batch->series_count, work->refs);
    if (!any_missing(work)) {
        return true;
    }
    head_gate_leave(head);
    Missing missing = decode_missing(work);
    head_gate_share(head);
    head_find(head, work->keys, batch->series_count, work->refs);
    if (!make_missing(work, &missing, err)) {
        head_gate_leave(head);
        return false;
    }
    return true;
}

/* A series nobody knows, none of whose samples may come in: what became of each. */
static void count_unacceptable(Appending *work, const BatchSeries *series) {
    StoreOutcome *outcome = work->append.outcome;
    bool complained = outcome->first_bad[0] != '\0';
    for (uint32_t row = 0; row < series->row_count; row++) {
        OpenSample sample = {.time = work->batch->times[series->row_first + row]};
        (void)head_accepts(&work->append, &sample);
    }
    if (!complained && outcome->first_bad[0]) {
        LabelSet labels = {0};
        Err ignored;
        (void)decode(work, series, &labels, &ignored);
        outcome_name(outcome, labels);
    }
}

/* Rows of series that did not get in. */
static void count_refused(Appending *work) {
    StoreOutcome *outcome = work->append.outcome;
    for (size_t i = 0; i < work->batch->series_count; i++) {
        const BatchSeries *series = &work->batch->series[i];
        if (work->refs[i] < HEAD_REF_DROPPED) {
            continue;
        }
        if (work->refs[i] == HEAD_REF_DROPPED) {
            outcome->dropped += series->row_count;
        } else if (work->refusals[i] == REFUSAL_LIMIT) {
            outcome->over_limit += series->row_count;
        } else if (work->refusals[i] == REFUSAL_INVALID) {
            outcome->invalid += series->row_count;
        } else {
            count_unacceptable(work, series);
        }
    }
}

static bool write_rows(Appending *work, uint64_t *ret_lsn, Err *err) {
    if (work->in_memory) {
        *ret_lsn = journal_synced(work->store->journal); /* there is nothing to wait for */
        return true;
    }
    if (work->append.row_count == 0) {
        /* Duplicates of what may still be on its way to the disk. */
        *ret_lsn = journal_end(work->store->journal);
        return true;
    }
    AUTO(buf_finish) Buf record = {0};
    RecordSamples samples = {work->append.now, work->batch->own, work->append.rows,
                             work->append.row_count};
    record_put_samples(&record, &samples);
    return journal_append(work->store->journal, RECORD_SAMPLES, buf_view(&record), ret_lsn, err);
}

static void count_outcome(Store *store, const StoreOutcome *outcome) {
    counter_add(&store->batches, 1);
    counter_add(&store->stored, outcome->stored);
    counter_add(&store->duplicates, outcome->duplicates);
    counter_add(&store->dropped, outcome->dropped);
    counter_add(&store->too_old, outcome->too_old);
    counter_add(&store->too_new, outcome->too_new);
    counter_add(&store->over_limit, outcome->over_limit);
    counter_add(&store->invalid, outcome->invalid);
}

/* While the log has failed, what the store's own program writes goes on in memory: the rule that
 * tells of the full disk reads it. It is little. Recovery begins with a checkpoint, which makes it
 * durable and holds the series it made, so no checkpoint may be half written meanwhile: that is
 * what the lock is for. */
static bool begin_in_memory(Store *store) {
    enum { TRIES_MAX = 200, TRY_MS = 5 };
    Err reason;
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        if (pthread_mutex_trylock(&store->maintenance) == 0) {
            if (journal_failure(store->journal, &reason)) {
                return true;
            }
            pthread_mutex_unlock(&store->maintenance);
            return false;
        }
        nanosleep(&(struct timespec){.tv_nsec = TRY_MS * 1000000L}, NULL);
    }
    return false;
}

/* Under the configuration's lock, shared. */
static bool run(Appending *work, TimeMs now, uint64_t *ret_lsn, Err *err) {
    const StoreConfig *config = &work->store->config;
    const SampleBatch *batch = work->batch;
    work->append.batch = batch;
    work->append.now = now;
    work->append.oldest = config->retention_time > 0 ? now - config->retention_time : 0;
    work->append.newest = now + config->future_max;
    work->append.dedup_interval = config->dedup_interval;
    work->append.rows = arena_raw(&work->arena, (batch->row_count + 1) * sizeof(RecordRow));
    work->keys = arena_raw(&work->arena, (batch->series_count + 1) * sizeof *work->keys);
    work->refs = arena_raw(&work->arena, (batch->series_count + 1) * sizeof *work->refs);
    work->refusals = arena_alloc(&work->arena, batch->series_count + 1);
    work->append.refs = work->refs;
    if (!resolve(work, err)) {
        return false;
    }
    head_append(&work->store->head, &work->append);
    head_gate_leave(&work->store->head);
    count_refused(work);
    return write_rows(work, ret_lsn, err);
}

bool store_append(Store *store, const SampleBatch *batch, TimeMs now, uint64_t *ret_lsn,
                  StoreOutcome *ret_outcome, Err *err) {
    Err reason;
    bool in_memory =
        batch->own && journal_failure(store->journal, &reason) && begin_in_memory(store);
    if (!in_memory && !ready(store, err)) {
        return false;
    }
    StoreOutcome outcome = {0};
    Appending work = {
        .store = store, .batch = batch, .append.outcome = &outcome, .in_memory = in_memory};
    pthread_rwlock_rdlock(&store->config_lock);
    uint64_t lsn = 0;
    bool good = run(&work, now, &lsn, err);
    pthread_rwlock_unlock(&store->config_lock);
    arena_finish(&work.arena);
    if (in_memory) {
        pthread_mutex_unlock(&store->maintenance);
    }
    if (good) {
        count_outcome(store, &outcome);
        *ret_lsn = lsn;
        *ret_outcome = outcome;
    }
    return good;
}

bool store_wait_synced(Store *store, uint64_t lsn, Err *err) {
    return journal_wait(store->journal, lsn, err);
}

uint64_t store_synced_lsn(const Store *store) {
    return journal_synced(store->journal);
}
