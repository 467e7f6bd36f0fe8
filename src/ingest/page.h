#pragma once

/*
 * The pages of one target, scrape after scrape: what was there last time, so that what vanished
 * gets a stale marker.
 *
 * A line's series is known by the hash of its text, as it stands on the page; labels are only made
 * of a text that was not there before. The first time decides whether it is stored, dropped by
 * metric_relabel_configs, or makes the scrape fail.
 *
 * Threads: belongs to the thread that scrapes.
 */

#include "ingest/target.h"

typedef struct PageSeries PageSeries;

typedef struct Page {
    Target target;
    LabelSet external; /* added where a series has none of that name */
    uint64_t epoch;    /* of what decoding a line depends on */
    PageSeries *slots; /* open addressing; `slot_count` is a power of two */
    size_t slot_count, used;
    uint32_t scrape; /* number of the current one */
    Arena texts;     /* of the series in the slots */
    Arena old_texts; /* of those the last batch ended: kept until the next */
    bool reported;   /* up and its like were written, so they can end */
} Page;

/* The target's texts have to live as long as the page. */
void page_init(Page *page, const Target *target, LabelSet external);
void page_finish(Page *page);

typedef struct PageScrape {
    TimeMs time; /* of samples without an own one */
    DurationMs took;
    bool ok; /* a page came; else only `up` and stale markers are written */
    bool open_metrics;
    Str text; /* has to live as long as the batch */
} PageScrape;

/* Makes one scrape's batch, with up and scrape_*. False where the page was no good (or none came
 * and `err` says so already): the batch then says that the target is down. */
bool page_scrape(Page *page, const PageScrape *scrape, IngestBatch *ret_batch, Err *err);

/* Takes the series of `from`, a page of the same target and epoch, in place of its own, which are
 * not released. */
void page_adopt(Page *page, const Page *from);

/* Stale markers for everything, for a target that is no longer scraped. */
void page_end(Page *page, TimeMs time, IngestBatch *ret_batch);
