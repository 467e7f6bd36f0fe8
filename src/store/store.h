#pragma once

/*
 * The store keeps every sample it acknowledged, small and quick to read.
 *
 *   store_append() -> log (durable) -> head (open chunks) -> blocks (immutable files)
 *
 * Promises. A sample is visible to snapshots taken after store_append() returned. It is durable
 * once store_wait_synced() has returned true for the append's `lsn`: kill -9 or power loss cannot
 * take it back. Values are kept bit for bit. Damage (a torn log tail, a flipped byte, a bad block)
 * is set aside, reported in the log and by metrics, and hurts nothing else.
 *
 * Time. Samples may be of any age from 1970 on and at most `future_max` ahead. Samples out of order
 * and backfill are accepted; two samples of one series at one time: the last written wins.
 *
 * Threads. Every function may be called from any thread. Readers never wait for writers: a snapshot
 * is a reference to the block list and to the head's chunks as they were.
 *
 * The data directory is held by one process (flock on `lock`): a second one gets ERR_CONFLICT.
 */

#include "base/metrics.h"
#include "base/pool.h"
#include "model/batch.h"
#include "model/matcher.h"

typedef struct Store Store;
typedef struct StoreSnapshot StoreSnapshot;
typedef struct StoreSelection StoreSelection;

/* ---- opening ---- */

typedef enum StoreSync {
    STORE_SYNC_ALWAYS,   /* an append is synced as soon as the disk can: what 2xx promises */
    STORE_SYNC_INTERVAL, /* every `sync_interval`; waiting is for that */
    STORE_SYNC_NEVER,    /* left to the kernel; waiting returns at once */
} StoreSync;

typedef struct StoreSeriesLimit {
    Str source;          /* value of the source label */
    uint64_t series_max; /* active series; 0 = none */
} StoreSeriesLimit;

typedef struct StoreOptions {
    const char *dir;
    StoreSync sync;
    bool is_scratch; /* thrown away after use: nothing is synced, not even a rename */
    DurationMs sync_interval;
    DurationMs retention_time; /* 0 = unlimited */
    uint64_t retention_bytes;  /* 0 = unlimited */
    int retention_percent; /* of the file system; 0 = not by that; 80 by default (app's config) */
    DurationMs future_max; /* 24 h */
    DurationMs block_span; /* 2 h; tests make it short */
    DurationMs dedup_interval; /* HA pairs: one sample per interval; 0 = off */
    const Str *replica_labels; /* removed from every series before it is looked up */
    size_t replica_label_count;
    Str source_label;               /* "cluster": whose newest received time and limits are kept */
    uint64_t series_max;            /* active series over all; 0 = none */
    uint64_t source_series_max;     /* default per source; 0 = none */
    const StoreSeriesLimit *limits; /* overrides */
    size_t limit_count;
    Pool *pool; /* for work that can be spread; may be NULL. Outlives the store */
} StoreOptions;

/* Opens or creates. Replays what the log has beyond the last head snapshot and the blocks.
 * ERR_CONFLICT if another process has the directory, ERR_UNSUPPORTED if it was written by a newer
 * version. */
bool store_open(const StoreOptions *options, Store **ret_store, Err *err) MUST_CHECK;

/* Syncs the log and closes. No snapshot may be open. Accepts NULL. */
void store_close(Store *store);
DEFINE_AUTO(Store, store_close)

/* Limits, retention, replica labels and dedup interval of a reloaded configuration; dir and sync
 * mode do not change. */
void store_set_options(Store *store, const StoreOptions *options);

/* ---- writing ---- */

/* What became of a batch. Good samples are stored whatever happens to their neighbours. */
typedef struct StoreOutcome {
    uint64_t stored;
    uint64_t stored_histograms; /* of `stored` */
    uint64_t duplicates; /* same series, time and value were there: nothing to do, no error */
    uint64_t dropped;    /* by relabelling */
    uint64_t too_old; /* before the retention: counted, no error (a sender must not repeat them) */
    uint64_t too_new; /* more than `future_max` ahead of now: refused */
    uint64_t over_limit; /* would have made a series over a limit: refused */
    uint64_t invalid;    /* refused by `decode` or by its shape */
    char first_bad[512]; /* a sentence about the first refused one; "" if none was */
} StoreOutcome;

/* Stores a batch at `now`. `ret_lsn` is what to wait for. False (nothing stored): ERR_IO where the
 * store is read-only or the log failed, ERR_BUSY where too much waits to be synced. A read-only
 * store takes `own` batches into memory; they become durable when it can be written again. */
bool store_append(Store *store, const SampleBatch *batch, TimeMs now, uint64_t *ret_lsn,
                  StoreOutcome *ret_outcome, Err *err) MUST_CHECK;

/* Blocks until the log is durable up to `lsn`; one fdatasync serves all who wait. False: it never
 * will be (ERR_IO). */
bool store_wait_synced(Store *store, uint64_t lsn, Err *err) MUST_CHECK;

/* How far it is durable now. */
uint64_t store_synced_lsn(const Store *store);

/* ---- reading ---- */

StoreSnapshot *store_snapshot(Store *store);
void snapshot_release(StoreSnapshot *snapshot);
DEFINE_AUTO(StoreSnapshot, snapshot_release)

/* All series with samples in [from, to] that match one of the sets (no set at all: every series),
 * in label order (labels_cmp). More than `series_max` (0 = any) is ERR_LIMIT. The selection holds
 * on to the snapshot. */
bool snapshot_select(StoreSnapshot *snapshot, const MatcherSet *sets, size_t set_count, TimeMs from,
                     TimeMs to, size_t series_max, StoreSelection **ret_selection,
                     Err *err) MUST_CHECK;
void selection_free(StoreSelection *selection);
DEFINE_AUTO(StoreSelection, selection_free)

size_t selection_count(const StoreSelection *selection);
/* Valid as long as the selection. */
LabelSet selection_labels(const StoreSelection *selection, size_t index);
/* The series' identity while the process lives: equal for equal label sets, for caches. */
uint64_t selection_series_id(const StoreSelection *selection, size_t index);

/* Samples of one series in time order, each time once. Stale markers are among them. */
typedef struct SeriesData {
    const TimeMs *times;
    const double *values;
    const Histogram *const *histograms; /* NULL if all are floats */
    const TimeMs *starts;               /* NULL if none has a start time */
    size_t count;
} SeriesData;

/* Decodes series `index` within [from, to] into `arena`. Different threads may read different (or
 * the same) series of one selection at once, each with its own arena. Damage found here skips the
 * chunk and is reported, no error. */
void selection_read(const StoreSelection *selection, size_t index, TimeMs from, TimeMs to,
                    Arena *arena, SeriesData *ret_data);

/* Label names and values, sorted, of series that match (no set: all) with samples in [from, to]; at
 * most `limit` (0 = any). `ret_cut` tells that there were more. Copied into `arena`. */
bool snapshot_label_names(StoreSnapshot *snapshot, const MatcherSet *sets, size_t set_count,
                          TimeMs from, TimeMs to, size_t limit, Arena *arena, Str **ret_names,
                          size_t *ret_count, bool *ret_cut, Err *err) MUST_CHECK;
bool snapshot_label_values(StoreSnapshot *snapshot, Str name, const MatcherSet *sets,
                           size_t set_count, TimeMs from, TimeMs to, size_t limit, Arena *arena,
                           Str **ret_values, size_t *ret_count, bool *ret_cut, Err *err) MUST_CHECK;

/* The newest sample time *received* per source (batches with `own` do not count), and the usual
 * distance between its samples: what "late" and "lost" are judged by. Kept in memory, rebuilt at
 * start. Copied into `arena`. */
typedef struct StoreSource {
    Str source;          /* value of the source label; "" for series without it */
    TimeMs newest;       /* newest sample time */
    TimeMs received_at;  /* `now` of the append that brought it */
    DurationMs interval; /* usual scrape interval, 0 = not known yet */
    uint64_t series;     /* active */
    uint64_t series_created_hour;
    uint64_t samples_total; /* received since start */
    uint64_t refused_total; /* over limit */
} StoreSource;
void store_sources(Store *store, Arena *arena, StoreSource **ret_sources, size_t *ret_count);
/* Forgets a source that is gone for good. ERR_NOT_FOUND. */
bool store_forget_source(Store *store, Str source, Err *err) MUST_CHECK;

/* ---- looking after it ---- */

/* Everything appended so far is in blocks when it returns. */
bool store_flush(Store *store, Err *err) MUST_CHECK;
/* Flushes, then merges blocks to their final form and applies retention and deletions. */
bool store_compact(Store *store, Err *err) MUST_CHECK;

/* Deletes matching samples in [from, to]: invisible to the next snapshot and durable when it
 * returns; space comes back at compaction. */
bool store_delete(Store *store, const MatcherSet *sets, size_t set_count, TimeMs from, TimeMs to,
                  Err *err) MUST_CHECK;
bool store_clean_tombstones(Store *store, Err *err) MUST_CHECK;

/* While the file FORMAT of a directory begins so, it is being filled by somebody and store_open()
 * refuses it. */
#define STORE_FORMAT_UNFINISHED "unfinished"

/* Flushes and hard-links (or copies) every block into `dir`, which must not exist: a directory
 * store_open() can open. */
bool store_backup(Store *store, const char *dir, Err *err) MUST_CHECK;

/* Cardinality, Prometheus' /api/v1/status/tsdb and more. Names are copied into `arena`, biggest
 * first. */
typedef struct StoreTop {
    Str name;
    uint64_t count;
} StoreTop;
/* A block that lost something: set aside as a whole, or frames of it that could not be read. */
typedef struct StoreDamage {
    Str block;       /* file name */
    bool set_aside;  /* in quarantine/ */
    uint64_t frames; /* of a block that serves */
} StoreDamage;
typedef struct StoreStats {
    uint64_t head_series, head_chunks, head_samples;
    TimeMs head_min, head_max; /* TIME_MAX, TIME_MIN when empty */
    uint64_t label_pairs;
    StoreTop *metrics, *label_values, *label_bytes,
        *pairs; /* by metric, by label name (values; bytes), by "name=value" */
    size_t metrics_count, label_values_count, label_bytes_count, pairs_count;
    uint64_t series_created_hour; /* churn */
    uint64_t disk_bytes, log_bytes, block_bytes, index_bytes;
    uint64_t blocks, quarantined;
    StoreDamage *damage;
    size_t damage_count;
    bool read_only;
    char read_only_reason[256];
} StoreStats;
void store_stats(Store *store, size_t top_max, Arena *arena, StoreStats *ret_stats);

/* The data directory. Valid as long as the store. */
const char *store_dir(const Store *store);

void store_metrics(Store *store, MetricWriter *out);
