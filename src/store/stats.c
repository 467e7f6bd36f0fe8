/* What the store can tell about itself: cardinality, sizes, counters. */

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "store/blocks.h"
#include "store/headflush.h"
#include "store/storeimpl.h"

/* ---- cardinality: how many series each part, then each name, value and pair has ---- */

/* Texts (or pairs of them) by number, with a count each. */
typedef struct Tally {
    uint64_t *counts;
    size_t count;
} Tally;

static void tally_need(Tally *tally, size_t count) {
    tally->counts = mem_zero(count + 1, sizeof *tally->counts);
    tally->count = count;
}

static int by_count(const void *left, const void *right) {
    const StoreTop *a = left, *b = right;
    if (a->count != b->count) {
        return a->count < b->count ? 1 : -1;
    }
    return str_cmp(a->name, b->name);
}

/* Keeps the `max` biggest. */
static void give_top(StoreTop *all, size_t count, size_t max, Arena *arena, StoreTop **ret_top,
                     size_t *ret_count) {
    qsort(all, count, sizeof *all, by_count);
    count = count < max ? count : max;
    StoreTop *top = arena_array(arena, StoreTop, count + 1);
    for (size_t i = 0; i < count; i++) {
        top[i] = (StoreTop){arena_str(arena, all[i].name), all[i].count};
    }
    *ret_top = top;
    *ret_count = count;
}

/* Series per part. */
static Tally tally_parts(Head *head) {
    Tally parts;
    tally_need(&parts, parttable_count(&head->parts));
    for (int i = 0; i < HEAD_SHARDS; i++) {
        HeadShard *shard = &head->shards[i];
        pthread_mutex_lock(&shard->lock);
        for (uint32_t slot = 0; slot < shard->slot_count; slot++) {
            const HeadSeries *series = shard_series(shard, slot);
            for (int kind = 0; kind < PART_COUNT && series->part[0] != UINT32_MAX; kind++) {
                if (series->part[kind] < parts.count) {
                    parts.counts[series->part[kind]]++;
                }
            }
        }
        pthread_mutex_unlock(&shard->lock);
    }
    return parts;
}

/* A pair of a part that has series. */
typedef struct PairCount {
    uint32_t name, value; /* text numbers */
    uint64_t series;
} PairCount;

static int by_pair(const void *left, const void *right) {
    const PairCount *a = left, *b = right;
    if (a->name != b->name) {
        return a->name < b->name ? -1 : 1;
    }
    return (a->value > b->value) - (a->value < b->value);
}

/* Every different pair once, sorted by name; on the heap. */
static PairCount *list_pairs(const PartTable *table, const Tally *parts, size_t *ret_count) {
    struct {
        PairCount *items;
        size_t items_count, items_cap;
    } list = {0};
    for (uint32_t id = 0; id < parts->count; id++) {
        const PartEntry *entry = parttable_entry(table, id);
        for (uint32_t i = 0; i < entry->label_count && parts->counts[id]; i++) {
            VEC_PUSH(
                list, items,
                ((PairCount){entry->pairs[2 * i], entry->pairs[2 * i + 1], parts->counts[id]}));
        }
    }
    if (list.items_count > 0) {
        qsort(list.items, list.items_count, sizeof *list.items, by_pair);
    }
    size_t count = 0;
    for (size_t i = 0; i < list.items_count; i++) {
        if (count > 0 && by_pair(&list.items[count - 1], &list.items[i]) == 0) {
            list.items[count - 1].series += list.items[i].series;
        } else {
            list.items[count++] = list.items[i];
        }
    }
    *ret_count = count;
    return list.items;
}

static void top_pairs(const PartTable *table, const PairCount *pairs, size_t count, size_t max,
                      Arena *arena, StoreStats *stats) {
    AUTO(arena_finish) Arena scratch = {0};
    StoreTop *all = arena_raw(&scratch, (count + 1) * sizeof *all);
    StoreTop *metrics = arena_raw(&scratch, (count + 1) * sizeof *metrics);
    size_t metric_count = 0;
    for (size_t i = 0; i < count; i++) {
        Str name = parttable_text(table, pairs[i].name);
        Str value = parttable_text(table, pairs[i].value);
        if (str_eq(name, LABEL_METRIC_NAME)) {
            metrics[metric_count++] = (StoreTop){value, pairs[i].series};
        }
        Str pair = arena_printf(&scratch, "%.*s=%.*s", STR_ARG(name), STR_ARG(value));
        all[i] = (StoreTop){pair, pairs[i].series};
    }
    give_top(all, count, max, arena, &stats->pairs, &stats->pairs_count);
    give_top(metrics, metric_count, max, arena, &stats->metrics, &stats->metrics_count);
}

static void top_names(const PartTable *table, const PairCount *pairs, size_t count, size_t max,
                      Arena *arena, StoreStats *stats) {
    AUTO(arena_finish) Arena scratch = {0};
    StoreTop *values = arena_raw(&scratch, (count + 1) * sizeof *values);
    StoreTop *bytes = arena_raw(&scratch, (count + 1) * sizeof *bytes);
    size_t names = 0;
    for (size_t i = 0; i < count; i++) {
        Str name = parttable_text(table, pairs[i].name);
        if (i == 0 || pairs[i].name != pairs[i - 1].name) {
            values[names] = bytes[names] = (StoreTop){name, 0};
            names++;
        }
        values[names - 1].count++;
        bytes[names - 1].count += parttable_text(table, pairs[i].value).len * pairs[i].series;
    }
    give_top(values, names, max, arena, &stats->label_values, &stats->label_values_count);
    give_top(bytes, names, max, arena, &stats->label_bytes, &stats->label_bytes_count);
}

static void add_cardinality(Head *head, size_t top_max, Arena *arena, StoreStats *stats) {
    Tally parts = tally_parts(head);
    /* Text numbers are only read for parts made before the count was taken. */
    size_t count;
    PairCount *pairs = list_pairs(&head->parts, &parts, &count);
    stats->label_pairs = count;
    top_pairs(&head->parts, pairs, count, top_max, arena, stats);
    top_names(&head->parts, pairs, count, top_max, arena, stats);
    free(pairs);
    free(parts.counts);
}

/* ---- the head ---- */

static void add_head(Store *store, StoreStats *stats) {
    Head *head = &store->head;
    for (int i = 0; i < HEAD_SHARDS; i++) {
        HeadShard *shard = &head->shards[i];
        pthread_mutex_lock(&shard->lock);
        stats->head_series += shard->series;
        stats->head_chunks += shard->chunks;
        stats->head_samples += shard->samples;
        pthread_mutex_unlock(&shard->lock);
    }
}

/* ---- sizes on disk ---- */

static uint64_t folder_bytes(const Store *store, const char *name) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", store->dir, name);
    return files_folder_bytes(path);
}

static Str base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return str_of(slash ? slash + 1 : path);
}

/* What is in quarantine, then blocks with frames that could not be read since they were opened. */
static void add_damage(const Store *store, const BlockList *blocks, Arena *arena,
                       StoreStats *stats) {
    char path[PATH_MAX];
    Str *names = NULL;
    size_t count = 0;
    Err err;
    snprintf(path, sizeof path, "%s/quarantine", store->dir);
    if (!dir_list(arena, path, &names, &count, &err)) {
        count = 0;
    }
    stats->quarantined = count;
    stats->damage = arena_array(arena, StoreDamage, count + blocks->count + 1);
    for (size_t i = 0; i < count; i++) {
        stats->damage[i] = (StoreDamage){.block = names[i], .set_aside = true};
    }
    for (size_t i = 0; i < blocks->count; i++) {
        const Block *block = blocks->entries[i].block;
        if (block_damaged(block) > 0) {
            stats->damage[count++] =
                (StoreDamage){.block = arena_str(arena, base_name(block_path(block))),
                              .frames = block_damaged(block)};
        }
    }
    stats->damage_count = count;
}

void store_stats(Store *store, size_t top_max, Arena *arena, StoreStats *ret_stats) {
    StoreStats stats = {0};
    add_head(store, &stats);
    headflush_range(&store->head, &stats.head_min, &stats.head_max);
    add_cardinality(&store->head, top_max, arena, &stats);
    stats.series_created_hour = churn_hour(&store->churn, clock_monotonic_ns());
    BlockList *blocks = blocks_list(store);
    stats.blocks = blocks->count;
    for (size_t i = 0; i < blocks->count; i++) {
        stats.block_bytes += block_info(blocks->entries[i].block)->bytes;
        stats.index_bytes += block_info(blocks->entries[i].block)->index_bytes;
    }
    add_damage(store, blocks, arena, &stats);
    blocklist_unref(blocks);
    stats.log_bytes = journal_bytes(store->journal);
    stats.disk_bytes = stats.log_bytes + folder_bytes(store, "head") +
                       folder_bytes(store, "blocks") + folder_bytes(store, "quarantine");
    Err reason;
    stats.read_only = journal_failure(store->journal, &reason);
    if (stats.read_only) {
        snprintf(stats.read_only_reason, sizeof stats.read_only_reason, "%.255s", reason.text);
    }
    *ret_stats = stats;
}

/* ---- metrics ---- */

static void write_outcomes(Store *store, MetricWriter *out) {
    const struct {
        const char *outcome;
        const Counter *counter;
    } outcomes[] = {
        {"stored", &store->stored},   {"duplicate", &store->duplicates},
        {"dropped", &store->dropped}, {"too_old", &store->too_old},
        {"too_new", &store->too_new}, {"over_limit", &store->over_limit},
        {"invalid", &store->invalid},
    };
    metric_family(out, "belfry_store_samples_total", "counter", "Samples by what became of them.");
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
        MetricLabel label = {"outcome", str_of(outcomes[i].outcome)};
        metric_value(out, "", &label, 1, (double)counter_get(outcomes[i].counter));
    }
}

static void write_damage(const StoreStats *stats, MetricWriter *out) {
    metric_family(out, "belfry_store_damaged_block", "gauge",
                  "1 for each block that was set aside in quarantine/ (set_aside=\"true\") or has "
                  "frames that cannot be read.");
    for (size_t i = 0; i < stats->damage_count; i++) {
        const StoreDamage *damage = &stats->damage[i];
        MetricLabel labels[] = {{"block", damage->block},
                                {"set_aside", damage->set_aside ? STR("true") : STR("false")}};
        metric_value(out, "", labels, 2, 1);
    }
}

void store_metrics(Store *store, MetricWriter *out) {
    StoreStats stats = {0};
    add_head(store, &stats);
    JournalStats journal = journal_stats(store->journal);
    Err reason;
    write_outcomes(store, out);
    metric_counter(out, "belfry_store_batches_total", "Batches appended.",
                   counter_get(&store->batches));
    metric_gauge(out, "belfry_store_head_series", "Active series.", (double)stats.head_series);
    metric_gauge(out, "belfry_store_head_chunks", "Chunks in memory.", (double)stats.head_chunks);
    metric_gauge(out, "belfry_store_head_samples", "Samples in memory.",
                 (double)stats.head_samples);
    metric_gauge(out, "belfry_store_head_bytes", "Memory of the head.",
                 (double)head_bytes(&store->head));
    metric_counter(out, "belfry_store_log_syncs_total", "Syncs of the log.", journal.syncs);
    metric_counter(out, "belfry_store_log_bytes_total", "Bytes written to the log.", journal.bytes);
    metric_counter(out, "belfry_store_log_failures_total", "Failed writes and syncs of the log.",
                   journal.failures);
    metric_family(out, "belfry_store_log_sync_seconds_total", "counter",
                  "Time spent in syncs of the log.");
    metric_value(out, "", NULL, 0, (double)journal.sync_ns / 1e9);
    metric_counter(out, "belfry_store_checkpoints_total", "Checkpoints of the head.",
                   counter_get(&store->checkpoints));
    metric_counter(out, "belfry_store_flushes_total", "Blocks written from the head.",
                   counter_get(&store->flushes));
    metric_counter(out, "belfry_store_merges_total", "Blocks written from other blocks.",
                   counter_get(&store->merges));
    BlockList *blocks = blocks_list(store);
    uint64_t damaged = counter_get(&store->damaged);
    for (size_t i = 0; i < blocks->count; i++) {
        damaged += block_damaged(blocks->entries[i].block);
    }
    metric_gauge(out, "belfry_store_blocks", "Blocks.", (double)blocks->count);
    metric_gauge(out, "belfry_store_block_bytes", "Bytes of all blocks.",
                 (double)blocks_bytes(blocks));
    AUTO(arena_finish) Arena arena = {0};
    add_damage(store, blocks, &arena, &stats);
    blocklist_unref(blocks);
    metric_counter(out, "belfry_store_damaged_total",
                   "Damaged places found in log, checkpoints and blocks.", damaged);
    write_damage(&stats, out);
    metric_gauge(out, "belfry_store_read_only", "1 while nothing can be written.",
                 journal_failure(store->journal, &reason));
}
