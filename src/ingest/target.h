#pragma once

/*
 * A scrape target: what it is asked, and what it is called. Made from a discovered address and
 * labels by the job's defaults and relabel_configs, as Prometheus does (scrape/target.go,
 * PopulateLabels).
 *
 * Threads: a plain value; never changes after target_make().
 */

#include "ingest/scrape_config.h"

typedef struct Target {
    const ScrapeJob *job;
    LabelSet labels;     /* on each of its series; without those that begin with "__" */
    LabelSet discovered; /* before relabelling */
    Str url;
    DurationMs interval, timeout;
} Target;

typedef enum TargetResult {
    TARGET_OK,
    TARGET_DROPPED, /* by relabel_configs */
    TARGET_INVALID, /* `err` says why */
} TargetResult;

/* Texts go into `arena`. */
TargetResult target_make(const ScrapeJob *job, Str address, LabelSet group_labels, Arena *arena,
                         Target *ret_target, Err *err);

/* Puts the target's labels on a series of its page: what conflicts is kept as exported_x, or wins
 * with honor_labels. */
LabelSet target_label_series(const Target *target, LabelSet series, bool honor_labels,
                             Arena *arena);
