#include "ingest/page.h"

#include <stdlib.h>

#include "base/mem.h"
#include "ingest/build.h"
#include "ingest/raw.h"
#include "ingest/text.h"

enum { SLOTS_FIRST = 256 };

struct PageSeries {
    Hash128 key;          /* of the text */
    Str raw;              /* NULL: the slot is free */
    uint32_t since, seen; /* the scrapes it was first and last in */
    bool dropped;         /* by metric_relabel_configs */
    bool own_time;        /* brought a time of its own: it ends by itself, as in Prometheus */
};

/* ---- labels ---- */

static bool check_limits(const ScrapeJob *job, LabelSet set, Err *err) {
    if (job->label_limit && set.count > job->label_limit) {
        return err_set(err, ERR_LIMIT, "label_limit exceeded: %zu labels, limit %llu", set.count,
                       (unsigned long long)job->label_limit);
    }
    for (size_t i = 0; i < set.count; i++) {
        Label label = set.items[i];
        if ((job->label_name_bytes_max && label.name.len > job->label_name_bytes_max) ||
            (job->label_value_bytes_max && label.value.len > job->label_value_bytes_max)) {
            return err_set(err, ERR_LIMIT, "length limit of label \"%.*s\" exceeded",
                           (int)(label.name.len < 100 ? label.name.len : 100), label.name.ptr);
        }
    }
    return true;
}

static LabelSet add_external(const Page *page, LabelSet set, Arena *arena) {
    for (size_t i = 0; i < page->external.count; i++) {
        Label label = page->external.items[i];
        if (!labels_has(set, label.name)) {
            set = labels_with(arena, set, label.name, label.value);
        }
    }
    return set;
}

/* SampleBatch.decode of scraped lines. */
static SeriesDecode decode_line(void *ctx, Str raw, Arena *arena, LabelSet *ret_labels, Err *err) {
    const Page *page = ctx;
    const ScrapeJob *job = page->target.job;
    Label *items = arena_array(arena, Label, LABELS_MAX);
    size_t count;
    LabelSet set;
    if (!text_labels(raw, arena, items, &count, err) || !labels_build(items, count, &set, err)) {
        return SERIES_INVALID;
    }
    set = target_label_series(&page->target, set, job->honor_labels, arena);
    if (job->metric_relabel && !relabel_apply(job->metric_relabel, set, arena, &set)) {
        return SERIES_DROP;
    }
    set = add_external(page, set, arena);
    if (!check_limits(job, set, err) || !labels_valid(set, err)) {
        return SERIES_INVALID;
    }
    if (!labels_has(set, LABEL_METRIC_NAME)) {
        err_set(err, ERR_INVALID, "a series without a metric name");
        return SERIES_INVALID;
    }
    *ret_labels = set;
    return SERIES_USE;
}

/* ---- the series of the last page ---- */

static PageSeries *find_slot(PageSeries *slots, size_t slot_count, Hash128 key) {
    size_t at = key.lo & (slot_count - 1);
    while (slots[at].raw.ptr && !hash_eq(slots[at].key, key)) {
        at = (at + 1) & (slot_count - 1);
    }
    return &slots[at];
}

static void resize(Page *page, size_t slot_count) {
    PageSeries *slots = mem_zero(slot_count, sizeof *slots);
    for (size_t i = 0; i < page->slot_count; i++) {
        if (page->slots[i].raw.ptr) {
            *find_slot(slots, slot_count, page->slots[i].key) = page->slots[i];
        }
    }
    free(page->slots);
    page->slots = slots;
    page->slot_count = slot_count;
}

/* The series of a line: known, or made now. NULL where it cannot be stored. */
static PageSeries *find_series(Page *page, Str raw, bool *ret_new, Err *err) {
    Hash128 key = hash128(raw);
    PageSeries *slot = find_slot(page->slots, page->slot_count, key);
    *ret_new = !slot->raw.ptr;
    if (slot->raw.ptr) {
        return slot;
    }
    Arena arena = {0};
    LabelSet labels;
    SeriesDecode decode = decode_line(page, raw, &arena, &labels, err);
    arena_finish(&arena);
    if (decode == SERIES_INVALID) {
        return NULL;
    }
    if (++page->used * 2 > page->slot_count) {
        resize(page, page->slot_count * 2);
        slot = find_slot(page->slots, page->slot_count, key);
    }
    *slot = (PageSeries){
        .key = key,
        .raw = arena_str(&page->texts, raw),
        .since = page->scrape,
        .dropped = decode == SERIES_DROP,
    };
    return slot;
}

/* Ends what was not in the current scrape, and forgets it. What came first in the failed scrape (0
 * = none) was never stored. */
static void end_vanished(Page *page, TimeMs time, uint32_t failed, IngestBatch *batch) {
    size_t kept = 0;
    for (size_t i = 0; i < page->slot_count; i++) {
        PageSeries *series = &page->slots[i];
        if (!series->raw.ptr || series->seen == page->scrape) {
            kept += series->raw.ptr != NULL;
            continue;
        }
        if (!series->dropped && !series->own_time && series->since != failed) {
            build_series(batch, series->raw);
            build_row(batch, time, value_of_bits(STALE_NAN_BITS));
            build_series_end(batch);
        }
    }
    arena_finish(&page->old_texts);
    if (kept == page->used) {
        return;
    }
    /* The batch still points at the old texts, so the kept ones are copied away from them. */
    page->old_texts = page->texts;
    page->texts = (Arena){0};
    PageSeries *old = page->slots;
    size_t old_count = page->slot_count;
    page->slots = mem_zero(old_count, sizeof *old);
    page->used = kept;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].raw.ptr && old[i].seen == page->scrape) {
            PageSeries *slot = find_slot(page->slots, page->slot_count, old[i].key);
            *slot = old[i];
            slot->raw = arena_str(&page->texts, old[i].raw);
        }
    }
    free(old);
}

/* ---- up and its like ---- */

static void report(const Page *page, IngestBatch *batch, const char *name, TimeMs time,
                   double value) {
    Arena *arena = &batch->arena;
    LabelSet set = add_external(page, page->target.labels, arena);
    set = labels_with(arena, set, LABEL_METRIC_NAME, str_of(name));
    build_series(batch, (Str){0});
    batch->series[batch->series_count - 1].labels = set;
    build_row(batch, time, value);
    build_series_end(batch);
}

typedef struct PageCounts {
    uint64_t scraped, stored, added;
} PageCounts;

static void report_all(Page *page, IngestBatch *batch, TimeMs time, const double values[5]) {
    static const char *const names[5] = {
        "up",
        "scrape_duration_seconds",
        "scrape_samples_scraped",
        "scrape_samples_post_metric_relabeling",
        "scrape_series_added",
    };
    for (int i = 0; i < 5; i++) {
        report(page, batch, names[i], time, values[i]);
    }
    page->reported = true;
}

/* ---- a page ---- */

static bool take_sample(Page *page, const PageScrape *scrape, const TextSample *sample,
                        IngestBatch *batch, PageCounts *counts, Err *err) {
    bool fresh;
    PageSeries *series = find_series(page, sample->series, &fresh, err);
    if (!series) {
        return false;
    }
    bool own_time = sample->has_time && page->target.job->honor_timestamps;
    series->seen = page->scrape;
    series->own_time = own_time;
    counts->scraped++;
    counts->added += fresh && !series->dropped;
    batch->exemplars += sample->has_exemplar;
    if (series->dropped) {
        return true;
    }
    if (++counts->stored > page->target.job->sample_limit && page->target.job->sample_limit) {
        return err_set(err, ERR_LIMIT, "sample limit exceeded: more than %llu",
                       (unsigned long long)page->target.job->sample_limit);
    }
    build_series(batch, series->raw);
    build_row(batch, own_time ? sample->time : scrape->time, sample->value);
    build_series_end(batch);
    return true;
}

static bool read_page(Page *page, const PageScrape *scrape, IngestBatch *batch, PageCounts *counts,
                      Err *err) {
    Str rest = scrape->text;
    bool ended = false;
    for (uint64_t number = 1; rest.len; number++) {
        size_t end = str_find(rest, '\n');
        Str line = {rest.ptr, end};
        rest = str_skip(rest, end < rest.len ? end + 1 : end);
        TextSample sample;
        bool ok = !ended || err_set(err, ERR_INVALID, "unexpected data after # EOF");
        if (ok) {
            switch (text_line(line, scrape->open_metrics, &sample, err)) {
            case TEXT_BAD:
                ok = false;
                break;
            case TEXT_EOF:
                ended = true;
                break;
            case TEXT_SAMPLE:
                ok = take_sample(page, scrape, &sample, batch, counts, err);
                break;
            case TEXT_META:
                text_meta(batch, &sample);
                break;
            case TEXT_COMMENT:
                break;
            }
        }
        if (!ok) {
            return err_context(err, "line %llu", (unsigned long long)number);
        }
    }
    return ended || !scrape->open_metrics ||
           err_set(err, ERR_INVALID, "data does not end with # EOF");
}

static void seal(Page *page, IngestBatch *batch) {
    build_seal(batch, decode_line, NULL);
    batch->batch.decode_ctx = page;
    batch->batch.raw_epoch = page->epoch;
}

bool page_scrape(Page *page, const PageScrape *scrape, IngestBatch *ret_batch, Err *err) {
    PageCounts counts = {0};
    uint32_t failed = 0;
    build_reset(ret_batch);
    page->scrape++;
    bool ok = scrape->ok && read_page(page, scrape, ret_batch, &counts, err);
    if (!ok) {
        build_reset(ret_batch);
        failed = page->scrape++; /* whatever was seen counts as gone */
        counts = (PageCounts){.scraped = counts.scraped, .stored = counts.stored};
    }
    end_vanished(page, scrape->time, failed, ret_batch);
    const double values[5] = {
        ok,
        (double)scrape->took / 1000,
        (double)counts.scraped,
        (double)counts.stored,
        (double)counts.added,
    };
    report_all(page, ret_batch, scrape->time, values);
    seal(page, ret_batch);
    return ok;
}

void page_end(Page *page, TimeMs time, IngestBatch *ret_batch) {
    build_reset(ret_batch);
    page->scrape++;
    end_vanished(page, time, 0, ret_batch);
    if (page->reported) {
        double stale = value_of_bits(STALE_NAN_BITS);
        const double values[5] = {stale, stale, stale, stale, stale};
        report_all(page, ret_batch, time, values);
    }
    seal(page, ret_batch);
}

void page_init(Page *page, const Target *target, LabelSet external) {
    const ScrapeJob *job = target->job;
    *page = (Page){.target = *target, .external = external, .slot_count = SLOTS_FIRST};
    page->slots = mem_zero(page->slot_count, sizeof *page->slots);
    AUTO(buf_finish) Buf text = {0};
    labels_print(&text, target->labels);
    labels_print(&text, external);
    buf_u64(&text, job->metric_relabel ? relabel_epoch(job->metric_relabel) : 0);
    buf_u64(&text, job->label_limit);
    buf_u64(&text, job->label_name_bytes_max);
    buf_u64(&text, job->label_value_bytes_max);
    buf_byte(&text, job->honor_labels);
    page->epoch =
        hash64(buf_view(&text)) | 1; /* never that of a request without labels of its own */
}

void page_adopt(Page *page, const Page *from) {
    page->slots = from->slots;
    page->slot_count = from->slot_count;
    page->used = from->used;
    page->scrape = from->scrape;
    page->texts = from->texts;
    page->old_texts = from->old_texts;
    page->reported = from->reported;
}

void page_finish(Page *page) {
    free(page->slots);
    arena_finish(&page->texts);
    arena_finish(&page->old_texts);
    *page = (Page){0};
}
