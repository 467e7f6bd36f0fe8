/*
 * The scraper: which target is due, what came back, which targets there are now.
 *
 *     scraper_next(now):  files changed? -> targets     due? -> net_send     an answer? ->
 * page_scrape -> batch
 *
 * A target's life:  ACTIVE --(no longer discovered)--> ENDING --(stale markers handed out)--> gone
 *
 * Threads: one thread calls scraper_next() and owns targets and pages; the lock covers what
 * scraper_targets() shows: the list and the `shown` part of each.
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "ingest/file_sd.h"
#include "ingest/page.h"

enum { BODY_BYTES_MAX = 256 << 20 };

/* What Prometheus asks for, without the protobuf form. */
static const Str accept_header = STR(
    "Accept: application/openmetrics-text;version=1.0.0;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1");

typedef struct ScrapeTarget {
    Arena arena; /* of the target's texts */
    Page page;
    uint64_t id; /* tag of its requests */
    Hash128 identity;
    TimeMs due;
    TimeMs scrape_time;            /* of the request under way */
    bool in_flight, ending, found; /* found: by the discovery going on */
    bool own;                      /* this program itself */
    struct {
        const char *health;
        Err err; /* of the last scrape; its text is empty where it went well */
        TimeMs scraped_at;
        DurationMs took;
    } shown;
} ScrapeTarget;

struct Scraper {
    ScraperOptions options;
    ScrapeJobs jobs;
    FileSdState *files; /* one per job */
    NetBox *box;
    Arena arena; /* external labels */
    pthread_mutex_t lock;
    ScrapeTarget **targets;
    size_t targets_count, targets_cap;
    uint64_t next_id;
    bool discovered;    /* at least once */
    bool stopped;       /* another one took over */
    IngestBatch batch;  /* the last one handed out */
    NetAnswer answer;   /* it points into */
    ScrapeTarget *gone; /* its page is part of the last batch */
};

/* ---- targets ---- */

static void free_target(ScrapeTarget *target) {
    if (target) {
        page_finish(&target->page);
        arena_finish(&target->arena);
        free(target);
    }
}

/* Two targets with the same job, labels and URL are one. */
static Hash128 identity_of(const Target *target) {
    AUTO(buf_finish) Buf text = {0};
    buf_str(&text, target->job->name);
    buf_byte(&text, '\0');
    buf_str(&text, target->url);
    labels_print(&text, target->labels);
    return hash128(buf_view(&text));
}

static ScrapeTarget *find_target(const Scraper *scraper, Hash128 identity) {
    for (size_t i = 0; i < scraper->targets_count; i++) {
        ScrapeTarget *target = scraper->targets[i];
        if (!target->ending && hash_eq(target->identity, identity)) {
            return target;
        }
    }
    return NULL;
}

static void discover_one(Scraper *scraper, const ScrapeJob *job, Str address, LabelSet labels,
                         TimeMs now) {
    ScrapeTarget *fresh = mem_zero(1, sizeof *fresh);
    Target target;
    Err err;
    TargetResult result = target_make(job, address, labels, &fresh->arena, &target, &err);
    if (result == TARGET_INVALID) {
        log_event(LOG_WARN, "target left out", LOG_STR("job", job->name),
                  LOG_STR("address", address), LOG_STR("reason", str_of(err.text)));
    }
    Hash128 identity = result == TARGET_OK ? identity_of(&target) : (Hash128){0};
    ScrapeTarget *known = result == TARGET_OK ? find_target(scraper, identity) : NULL;
    if (known) {
        known->found = true;
    }
    if (known || result != TARGET_OK) {
        free_target(fresh);
        return;
    }
    fresh->id = ++scraper->next_id;
    fresh->identity = identity;
    fresh->found = true;
    fresh->due =
        now; /* at once, so that a new target is seen soon; from then on at its own offset */
    fresh->own = str_eq(job->name, scraper->options.own_job) && job->name.len > 0;
    fresh->shown.health = "unknown";
    page_init(&fresh->page, &target, scraper->options.external_labels);
    VEC_PUSH(*scraper, targets, fresh);
}

static void discover_groups(Scraper *scraper, const ScrapeJob *job, const TargetGroup *groups,
                            size_t count, Str path, TimeMs now) {
    Arena arena = {0};
    for (size_t i = 0; i < count; i++) {
        LabelSet labels = groups[i].labels;
        if (path.len) {
            labels = labels_with(&arena, labels, STR("__meta_filepath"), path);
        }
        for (size_t k = 0; k < groups[i].address_count; k++) {
            /* The target keeps what it needs: its texts are copied with its labels. */
            discover_one(scraper, job, groups[i].addresses[k], labels, now);
        }
    }
    arena_finish(&arena);
}

static void discover_all(Scraper *scraper, TimeMs now) {
    pthread_mutex_lock(&scraper->lock);
    for (size_t i = 0; i < scraper->targets_count; i++) {
        scraper->targets[i]->found = false;
    }
    for (size_t i = 0; i < scraper->jobs.count; i++) {
        const ScrapeJob *job = &scraper->jobs.items[i];
        discover_groups(scraper, job, job->groups, job->group_count, STR(""), now);
        const FileSdState *state = &scraper->files[i];
        for (size_t k = 0; k < state->file_count; k++) {
            discover_groups(scraper, job, state->files[k].groups, state->files[k].count,
                            state->files[k].path, now);
        }
    }
    for (size_t i = 0; i < scraper->targets_count; i++) {
        scraper->targets[i]->ending |= !scraper->targets[i]->found;
    }
    pthread_mutex_unlock(&scraper->lock);
}

static void look_for_targets(Scraper *scraper, TimeMs now) {
    bool changed = !scraper->discovered;
    for (size_t i = 0; i < scraper->jobs.count; i++) {
        changed |= file_sd_look(&scraper->files[i], &scraper->jobs.items[i], now);
    }
    if (changed) {
        scraper->discovered = true;
        discover_all(scraper, now);
    }
}

/* Takes an ending target out of the list; it is freed when its last batch is done with. */
static void remove_target(Scraper *scraper, size_t index) {
    pthread_mutex_lock(&scraper->lock);
    scraper->gone = scraper->targets[index];
    scraper->targets[index] = scraper->targets[--scraper->targets_count];
    pthread_mutex_unlock(&scraper->lock);
}

/* ---- scraping ---- */

/* The next time at the target's own place within its interval, so that a fleet's scrapes are spread
 * out. */
static TimeMs next_due(const ScrapeTarget *target, TimeMs now) {
    DurationMs interval = target->page.target.interval;
    TimeMs offset = (TimeMs)(target->identity.lo % (uint64_t)interval);
    TimeMs slot = (now - offset) / interval * interval + offset;
    return slot > now ? slot : slot + interval;
}

/* Times that are equally spaced compress best: the due time stands for the real one where they
 * differ by at most 1 % of the interval. */
static TimeMs sample_time(const ScrapeTarget *target, TimeMs now) {
    DurationMs late = now - target->due;
    return late >= 0 && late <= target->page.target.interval / 100 ? target->due : now;
}

static void send_request(Scraper *scraper, ScrapeTarget *target) {
    const Target *what = &target->page.target;
    char timeout[80];
    int len = snprintf(timeout, sizeof timeout, "X-Prometheus-Scrape-Timeout-Seconds: %g",
                       (double)what->timeout / 1000);
    const Str headers[] = {accept_header, {timeout, (size_t)len}};
    uint64_t bytes_max = what->job->body_bytes_max;
    net_send(scraper->box, &(NetRequest){
                               .method = STR("GET"),
                               .url = what->url,
                               .options = &what->job->options,
                               .headers = headers,
                               .header_count = 2,
                               .timeout = what->timeout,
                               .answer_bytes_max = bytes_max ? bytes_max : BODY_BYTES_MAX,
                               .tag = target->id,
                           });
}

/* Starts what is due. Returns when the next one will be. */
static TimeMs start_due(Scraper *scraper, TimeMs now) {
    TimeMs next = now + HOUR_MS;
    for (size_t i = 0; i < scraper->targets_count; i++) {
        ScrapeTarget *target = scraper->targets[i];
        if (target->ending) {
            continue;
        }
        if (target->due <= now) {
            if (!target->in_flight) { /* else the last one is slow: this turn is left out */
                target->in_flight = true;
                target->scrape_time = sample_time(target, now);
                send_request(scraper, target);
            }
            target->due = next_due(target, now);
        }
        next = target->due < next ? target->due : next;
    }
    return next;
}

static bool page_came(const NetAnswer *answer, Err *err) {
    if (!answer->ok) {
        *err = answer->err;
        return false;
    }
    return answer->status == 200 ||
           err_set(err, ERR_IO, "server returned HTTP status %d", answer->status);
}

static void show_result(Scraper *scraper, ScrapeTarget *target, bool ok, const Err *err) {
    pthread_mutex_lock(&scraper->lock);
    target->shown.health = ok ? "up" : "down";
    target->shown.err = ok ? (Err){0} : *err;
    target->shown.scraped_at = target->scrape_time;
    target->shown.took = scraper->answer.took;
    pthread_mutex_unlock(&scraper->lock);
}

static const SampleBatch *take_page(Scraper *scraper, ScrapeTarget *target) {
    Err err = {0};
    const NetAnswer *answer = &scraper->answer;
    PageScrape scrape = {
        .time = target->scrape_time,
        .took = answer->took,
        .ok = page_came(answer, &err),
        .open_metrics = str_starts(answer->content_type, STR("application/openmetrics-text")),
        .text = answer->body,
    };
    bool ok = page_scrape(&target->page, &scrape, &scraper->batch, &err);
    show_result(scraper, target, ok, &err);
    scraper->batch.batch.own = target->own;
    return &scraper->batch.batch;
}

/* An ending target whose request is not under way any more, if there is one. */
static const SampleBatch *end_one(Scraper *scraper, TimeMs now) {
    for (size_t i = 0; i < scraper->targets_count; i++) {
        ScrapeTarget *target = scraper->targets[i];
        if (!target->ending || target->in_flight) {
            continue;
        }
        remove_target(scraper, i);
        page_end(&target->page, now, &scraper->batch);
        scraper->batch.batch.own = target->own;
        return &scraper->batch.batch;
    }
    return NULL;
}

static ScrapeTarget *target_of(const Scraper *scraper, uint64_t id) {
    for (size_t i = 0; i < scraper->targets_count; i++) {
        if (scraper->targets[i]->id == id) {
            return scraper->targets[i];
        }
    }
    return NULL;
}

const SampleBatch *scraper_next(Scraper *scraper, TimeMs now, DurationMs wait) {
    net_answer_finish(&scraper->answer);
    free_target(scraper->gone);
    scraper->gone = NULL;
    if (!scraper->stopped) {
        look_for_targets(scraper, now);
    }
    const SampleBatch *ended = end_one(scraper, now);
    if (ended || scraper->stopped) {
        return ended;
    }
    TimeMs next = start_due(scraper, now);
    DurationMs patience = next - now < wait ? next - now : wait;
    if (!net_take(scraper->box, patience, &scraper->answer)) {
        return NULL;
    }
    ScrapeTarget *target = target_of(scraper, scraper->answer.tag);
    if (!target) {
        return NULL;
    }
    target->in_flight = false;
    return target->ending ? NULL : take_page(scraper, target);
}

/* The older target's series become the newer one's, and with them its schedule and what was last
 * seen of it. */
static void hand_over(ScrapeTarget *older, ScrapeTarget *newer) {
    Page page = newer->page;
    page_adopt(&newer->page, &older->page);
    page_adopt(&older->page, &page);
    newer->due = older->due;
    newer->shown = older->shown;
}

void scraper_take_over(Scraper *scraper, Scraper *older, TimeMs now) {
    look_for_targets(scraper, now);
    pthread_mutex_lock(&older->lock);
    pthread_mutex_lock(&scraper->lock);
    older->stopped = true;
    for (size_t i = 0; i < older->targets_count; i++) {
        ScrapeTarget *target = older->targets[i];
        ScrapeTarget *newer = find_target(scraper, target->identity);
        target->ending = true;
        target->in_flight = false; /* its answer, should it still come, finds nobody */
        if (newer && newer->page.epoch == target->page.epoch) {
            hand_over(target, newer);
        }
    }
    pthread_mutex_unlock(&scraper->lock);
    pthread_mutex_unlock(&older->lock);
}

void scraper_wake(Scraper *scraper) {
    net_box_wake(scraper->box);
}

/* ---- the door ---- */

Scraper *scraper_new(const YamlReader *reader, const YamlNode *configs,
                     const ScraperOptions *options) {
    ScrapeJobs jobs;
    if (!scrape_jobs_read(reader, configs, options, &jobs)) {
        return NULL;
    }
    Scraper *scraper = mem_zero(1, sizeof *scraper);
    scraper->options = *options;
    scraper->batch.table = options->metadata;
    scraper->options.external_labels = labels_copy(&scraper->arena, options->external_labels);
    scraper->jobs = jobs;
    scraper->files = mem_zero(jobs.count + 1, sizeof *scraper->files);
    scraper->box = net_box_new(options->net);
    pthread_mutex_init(&scraper->lock, NULL);
    return scraper;
}

void scraper_free(Scraper *scraper) {
    if (!scraper) {
        return;
    }
    net_box_free(scraper->box);
    net_answer_finish(&scraper->answer);
    ingest_batch_finish(&scraper->batch);
    free_target(scraper->gone);
    for (size_t i = 0; i < scraper->targets_count; i++) {
        free_target(scraper->targets[i]);
    }
    free(scraper->targets);
    for (size_t i = 0; i < scraper->jobs.count; i++) {
        file_sd_finish(&scraper->files[i]);
    }
    free(scraper->files);
    scrape_jobs_finish(&scraper->jobs);
    arena_finish(&scraper->arena);
    pthread_mutex_destroy(&scraper->lock);
    free(scraper);
}

void scraper_targets(Scraper *scraper, Arena *arena, ScrapeTargetView **ret_targets,
                     size_t *ret_count) {
    pthread_mutex_lock(&scraper->lock);
    ScrapeTargetView *views = arena_array(arena, ScrapeTargetView, scraper->targets_count + 1);
    for (size_t i = 0; i < scraper->targets_count; i++) {
        const ScrapeTarget *target = scraper->targets[i];
        const Target *what = &target->page.target;
        views[i] = (ScrapeTargetView){
            .job = arena_str(arena, what->job->name),
            .url = arena_str(arena, what->url),
            .health = str_of(target->shown.health),
            .last_error = arena_str(arena, str_of(target->shown.err.text)),
            .labels = labels_copy(arena, what->labels),
            .discovered = labels_copy(arena, what->discovered),
            .last_scrape = target->shown.scraped_at,
            .last_took = target->shown.took,
            .interval = what->interval,
            .timeout = what->timeout,
        };
    }
    *ret_count = scraper->targets_count;
    *ret_targets = views;
    pthread_mutex_unlock(&scraper->lock);
}
