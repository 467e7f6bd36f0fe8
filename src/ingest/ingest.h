#pragma once

/*
 * Ingest turns bytes from outside into sample batches; nothing else. Every length is bounded before
 * it is believed.
 *
 * A decoder fills an IngestBatch, which owns its columns and whose SampleBatch view goes to
 * store_append(). Big text bodies are taken in pieces: push bytes, take batches.
 *
 * Threads: an IngestBatch belongs to one thread; a Relabel configuration never changes.
 */

#include "base/yaml.h"
#include "ingest/metadata.h"
#include "model/batch.h"
#include "net/net.h"

/* ---- relabelling: one engine for write_relabel_configs, scrapes and discovery ---- */

typedef struct Relabel Relabel; /* a list of rules, Prometheus' relabel_config; all actions */
bool relabel_read(const YamlReader *reader, const YamlNode *list, Relabel **ret_relabel);
void relabel_free(Relabel *relabel); /* accepts NULL */
/* False: dropped. The result shares text with `labels` and `arena`. */
bool relabel_apply(const Relabel *relabel, LabelSet labels, Arena *arena, LabelSet *ret_labels);

/* ---- batches ---- */

typedef struct IngestBatch {
    Arena arena;
    SampleBatch batch; /* what to give to store_append() */
    uint64_t samples, histograms, exemplars,
        metadata;      /* seen in the request; exemplars are skipped */
    uint64_t refused;  /* rows left out because they cannot be right (a histogram's shape); the rest
                          goes on */
    Err first_refused; /* why the first of them was */
    Metadata *table;   /* set by the caller: where metadata goes; NULL = nowhere */
    Str meta_metric;   /* of a page's comments about one metric, until the next one: private */
    MetricMeta meta;
    /* columns while growing, on the heap: private */
    BatchSeries *series;
    TimeMs *times;
    double *values;
    const Histogram **histogram_column;
    TimeMs *starts;
    size_t series_count, series_cap, row_count, row_cap;
} IngestBatch;
void ingest_batch_finish(IngestBatch *batch);

/* Rules of one source, in place of those for all. */
typedef struct IngestSourceRules {
    Str source; /* value of the source label */
    const Relabel *relabel;
} IngestSourceRules;

/* How raw label bytes become labels: relabelling per source. Shared by all decoders; never changes
 * once made. */
typedef struct IngestLabels {
    const Relabel *relabel; /* NULL = none; applied to every series whose source has no own rules */
    LabelSet extra;         /* put over each series' labels first (/api/v1/import?extra_label=) */
    Str source_label;       /* "cluster": chooses among `sources` */
    const IngestSourceRules *sources;
    size_t source_count;
} IngestLabels;

/* ---- whole requests ---- */

/* Snappy block format and its frame bounded by `bytes_max`; zstd likewise. */
bool ingest_unsnappy(Str packed, size_t bytes_max, Buf *out, Err *err) MUST_CHECK;
bool ingest_unzstd(Str packed, size_t bytes_max, Buf *out, Err *err) MUST_CHECK;
bool ingest_gunzip(Str packed, size_t bytes_max, Buf *out, Err *err) MUST_CHECK;

/* The same piece by piece, for bodies of any size: memory stays bounded by the window. NULL unless
 * `coding` is gzip or zstd. */
typedef struct IngestUnpack IngestUnpack;
IngestUnpack *ingest_unpack_new(Str coding);
void ingest_unpack_free(IngestUnpack *unpack); /* accepts NULL */
/* Unpacks the next piece of what is left of `*packed` (which moves on) into `out`; at most 1 MiB.
 * Nothing in `out` when all was taken. */
bool ingest_unpack(IngestUnpack *unpack, Str *packed, Buf *out, Err *err) MUST_CHECK;
/* After the last byte: ERR_INVALID where the body breaks off. */
bool ingest_unpack_end(const IngestUnpack *unpack, Err *err) MUST_CHECK;

/* A prometheus.WriteRequest / io.prometheus.write.v2.Request (already decompressed). Views into
 * `message`, which has to outlive the append. `ret_batch` starts as {0} and may be used again for
 * the next request, which forgets the last one but keeps its memory. ERR_INVALID names what breaks
 * off and where. */
bool ingest_remote_write_v1(Str message, const IngestLabels *labels, IngestBatch *ret_batch,
                            Err *err) MUST_CHECK;
bool ingest_remote_write_v2(Str message, const IngestLabels *labels, IngestBatch *ret_batch,
                            Err *err) MUST_CHECK;

/* ---- line formats: text exposition and OpenMetrics, VictoriaMetrics JSON lines, Influx, OpenTSDB
 * ---- */

typedef enum IngestFormat {
    INGEST_TEXT,            /* Prometheus text format 0.0.4 */
    INGEST_OPENMETRICS,     /* 1.0 */
    INGEST_JSONL,           /* VictoriaMetrics /api/v1/import */
    INGEST_INFLUX,          /* line protocol */
    INGEST_OPENTSDB_TELNET, /* "put metric time value tag=v" lines */
    INGEST_OPENTSDB_JSON,   /* /api/put: one object or an array */
} IngestFormat;

typedef struct IngestStream IngestStream;

typedef struct IngestStreamOptions {
    IngestFormat format;
    const IngestLabels *labels;
    TimeMs default_time; /* for samples without one */
    Str influx_db, influx_separator;
    DurationMs influx_precision_ns; /* nanoseconds per unit; 0 = nanoseconds themselves */
    size_t line_bytes_max;          /* 0 = 1 MiB (JSON lines: 64 MiB) */
    Metadata *metadata;             /* NULL: not kept */
    bool skip_bad; /* a bad line is counted and remembered, the rest goes on; else it ends the
                      stream */
} IngestStreamOptions;

IngestStream *ingest_stream_new(const IngestStreamOptions *options);
void ingest_stream_free(IngestStream *stream);

/* Feeds bytes; `last` after the final piece. Complete lines are parsed. False on a bad line (unless
 * skip_bad): err names the line number and reason. */
bool ingest_stream_push(IngestStream *stream, Str bytes, bool last, Err *err) MUST_CHECK;
/* What was parsed so far, NULL if nothing. Valid until the next push. */
const SampleBatch *ingest_stream_batch(IngestStream *stream);
typedef struct IngestBadLine {
    uint64_t line;
    Str text; /* the offending line, cut to 200 bytes */
    Str reason;
} IngestBadLine;
/* Bad lines so far (skip_bad): the first 100 are kept. */
size_t ingest_stream_bad(IngestStream *stream, const IngestBadLine **ret_bad, uint64_t *ret_total);

/* ---- writing out: for remote write of results, export, federation ---- */

/* Encodes a batch with decoded labels as remote write 1.0, snappy. */
void ingest_encode_remote_write(const SampleBatch *batch, Buf *out);

/* A series' samples as columns; `histograms` may be NULL. */
typedef struct IngestSeries {
    LabelSet labels;
    const TimeMs *times;
    const double *values;
    const Histogram *const *histograms;
    size_t count;
} IngestSeries;

/* One line of VictoriaMetrics' export, which INGEST_JSONL reads back: stale markers are null.
 * Native histograms have no place in it and are left out. False, and nothing written, where nothing
 * is left. */
bool ingest_encode_json_line(const IngestSeries *series, Buf *out);
/* A line per sample, as OpenMetrics; stale markers and native histograms have no place there. The
 * text ends with "# EOF\n", which is the caller's to write. False as above. */
bool ingest_encode_openmetrics(const IngestSeries *series, Buf *out);

/* ---- scraping ---- */

typedef struct Scraper Scraper;
typedef struct ScraperOptions {
    Net *net;
    DurationMs interval, timeout; /* global defaults */
    Metadata *metadata;           /* NULL: not kept */
    LabelSet external_labels;     /* added to scraped series where they have none of that name */
    Str own_job; /* whose targets are this program: its batches are marked as `own`; "" = none */
} ScraperOptions;

/* `scrape_configs:`: static_configs, file_sd_configs, relabel_configs, metric_relabel_configs,
 * honor_labels, honor_timestamps, params, scheme, metrics_path, sample_limit, http_config keys.
 * NULL with problems. */
Scraper *scraper_new(const YamlReader *reader, const YamlNode *configs,
                     const ScraperOptions *options);
void scraper_free(Scraper *scraper);

/* Starts what is due at `now`, waits for pages for at most `wait` and returns one parsed target's
 * batch (with up, scrape_duration_seconds, scrape_samples_scraped,
 * scrape_samples_post_metric_relabeling, scrape_series_added and stale markers for what vanished);
 * NULL if there is none yet. Valid until the next call. */
const SampleBatch *scraper_next(Scraper *scraper, TimeMs now, DurationMs wait);
void scraper_wake(Scraper *scraper);

/* For a reload, by the thread that calls scraper_next(): what both scrape in the same way goes on
 * as if nothing had happened; the older one stops, and further calls of scraper_next(older) only
 * hand out the stale markers of its remaining targets, then NULL. */
void scraper_take_over(Scraper *scraper, Scraper *older, TimeMs now);

typedef struct ScrapeTargetView {
    Str job, url, health, last_error; /* "up", "down", "unknown" */
    LabelSet labels, discovered;
    TimeMs last_scrape;
    DurationMs last_took, interval, timeout;
} ScrapeTargetView;
void scraper_targets(Scraper *scraper, Arena *arena, ScrapeTargetView **ret_targets,
                     size_t *ret_count);
