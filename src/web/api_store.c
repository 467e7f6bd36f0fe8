/* What the store is full of: Prometheus' /api/v1/status/tsdb, and our own /api/v1/status/store with
 * sizes, sources, churn, and who uses each metric. */

#include <stdlib.h>

#include "base/mem.h"
#include "base/number.h"
#include "web/api.h"
#include "web/server.h"

enum { LIMIT_DEFAULT = 10, LIMIT_MAX = 10000, METRICS_MAX = 1000 * 1000 };

static bool read_limit(const Request *request, size_t *ret_limit, Err *err) {
    Str text = params_get(&request->params, STR("limit"));
    int64_t limit = LIMIT_DEFAULT;
    if (text.len && (!number_parse_int(text, &limit) || limit < 1)) {
        return err_set(err, ERR_INVALID, "limit must be a positive number");
    }
    if (limit > LIMIT_MAX) {
        return err_set(err, ERR_INVALID, "limit must not exceed %d", LIMIT_MAX);
    }
    *ret_limit = (size_t)limit;
    return true;
}

/* ---- Prometheus' shape ---- */

static void put_top(JsonWriter *json, const char *key, const StoreTop *tops, size_t count) {
    json_put_array(json, key);
    for (size_t i = 0; i < count; i++) {
        json_object(json);
        json_put_str(json, "name", tops[i].name);
        json_put_int(json, "value", (int64_t)tops[i].count);
        json_end(json);
    }
    json_end(json);
}

void handle_tsdb(Web *web, Request *request) {
    Err err = {0};
    size_t limit = LIMIT_DEFAULT;
    if (!read_limit(request, &limit, &err)) {
        respond_error(request, &err);
        return;
    }
    AUTO(arena_finish) Arena arena = {0};
    StoreStats stats;
    store_stats(web_doors(web)->store, limit, &arena, &stats);
    JsonWriter json = respond_success(request);
    json_object(&json);
    json_put_object(&json, "headStats");
    json_put_int(&json, "numSeries", (int64_t)stats.head_series);
    json_put_int(&json, "numLabelPairs", (int64_t)stats.label_pairs);
    json_put_int(&json, "chunkCount", (int64_t)stats.head_chunks);
    json_put_int(&json, "minTime", stats.head_min);
    json_put_int(&json, "maxTime", stats.head_max);
    json_end(&json);
    put_top(&json, "seriesCountByMetricName", stats.metrics, stats.metrics_count);
    put_top(&json, "labelValueCountByLabelName", stats.label_values, stats.label_values_count);
    put_top(&json, "memoryInBytesByLabelName", stats.label_bytes, stats.label_bytes_count);
    put_top(&json, "seriesCountByLabelValuePair", stats.pairs, stats.pairs_count);
    json_end(&json);
    respond_success_end(&json);
}

/* ---- who uses a metric: rules ---- */

/* What one selector of one rule asks for. */
typedef struct RuleUse {
    const Matcher *name;
    const GroupView *group;
    const RuleView *rule;
} RuleUse;

typedef struct RuleUses {
    Arena arena;
    const Expr **exprs; /* own the matchers */
    size_t exprs_count, exprs_cap;
    RuleUse *names; /* selectors of one name, by name; on the heap */
    size_t names_count, names_cap;
    RuleUse *patterns; /* others; on the heap */
    size_t patterns_count, patterns_cap;
    const GroupView *group; /* while gathering */
    const RuleView *rule;
} RuleUses;

static void add_use(void *ctx, const Matcher *name) {
    RuleUses *uses = ctx;
    RuleUse use = {name, uses->group, uses->rule};
    if (name && name->type == MATCH_EQ) {
        VEC_PUSH(*uses, names, use);
    } else if (name && name->type == MATCH_RE && !name->any) {
        VEC_PUSH(*uses, patterns, use); /* any name at all tells nothing about one */
    }
}

static int by_name(const void *left, const void *right) {
    const RuleUse *a = left, *b = right;
    int order = str_cmp(a->name->value, b->name->value);
    return order ? order : (a->rule > b->rule) - (a->rule < b->rule);
}

static void gather_uses(Rules *rules, RuleUses *uses) {
    GroupView *groups;
    size_t count;
    rules_view(rules, &uses->arena, &groups, &count);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < groups[i].rule_count; k++) {
            const Expr *expr;
            Err ignored;
            uses->group = &groups[i];
            uses->rule = &groups[i].rules[k];
            if (promql_parse(&uses->arena, uses->rule->query, PROMQL_METRICSQL, &expr, &ignored) ||
                promql_parse(&uses->arena, uses->rule->query, PROMQL_PROMETHEUS, &expr, &ignored)) {
                VEC_PUSH(*uses, exprs, expr);
                usage_names(expr, add_use, uses);
            }
        }
    }
    if (uses->names_count) {
        qsort(uses->names, uses->names_count, sizeof *uses->names, by_name);
    }
}

static void uses_finish(RuleUses *uses) {
    for (size_t i = 0; i < uses->exprs_count; i++) {
        expr_finish(uses->exprs[i]);
    }
    free(uses->exprs);
    free(uses->names);
    free(uses->patterns);
    arena_finish(&uses->arena);
}

/* How many rules use a metric, and the one that was evaluated last. */
typedef struct MetricUse {
    uint64_t rules;
    const RuleUse *last;
    UsageView query;
} MetricUse;

/* A rule that asks twice counts once: its selectors stand together. */
static void count_use(MetricUse *found, const RuleUse *use, const RuleView **counted) {
    if (use->rule == *counted) {
        return;
    }
    *counted = use->rule;
    found->rules++;
    if (!found->last || use->rule->last_evaluation > found->last->rule->last_evaluation) {
        found->last = use;
    }
}

/* The first selector of this name, or of one behind it. */
static size_t first_of(const RuleUses *uses, Str metric) {
    size_t low = 0;
    size_t high = uses->names_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (str_cmp(uses->names[middle].name->value, metric) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static MetricUse use_of(const RuleUses *uses, Usage *usage, Str metric, Arena *arena) {
    MetricUse found = {.query = usage_find(usage, metric, arena)};
    const RuleView *counted = NULL;
    for (size_t i = first_of(uses, metric);
         i < uses->names_count && str_eq(uses->names[i].name->value, metric); i++) {
        count_use(&found, &uses->names[i], &counted);
    }
    counted = NULL;
    for (size_t i = 0; i < uses->patterns_count; i++) {
        if (matcher_matches(uses->patterns[i].name, metric)) {
            count_use(&found, &uses->patterns[i], &counted);
        }
    }
    return found;
}

/* ---- our own page ---- */

static void put_metric(JsonWriter *json, const StoreTop *metric, const MetricUse *use) {
    json_object(json);
    json_put_str(json, "name", metric->name);
    json_put_int(json, "series", (int64_t)metric->count);
    json_put_int(json, "rules", (int64_t)use->rules);
    if (use->last) {
        json_put_object(json, "lastRule");
        json_put_str(json, "name", use->last->rule->name);
        json_put_str(json, "group", use->last->group->name);
        json_put_str(json, "file", use->last->group->file);
        json_put_time(json, "at", use->last->rule->last_evaluation);
        json_end(json);
    }
    if (use->query.at) {
        json_put_object(json, "lastQuery");
        json_put_str(json, "query", use->query.text);
        json_put_time(json, "at", use->query.at);
        json_end(json);
    }
    json_end(json);
}

/* All metrics are asked for, as what nobody uses is a number about all; only the first `limit` (of
 * the unused ones, with `unused`) are told. */
static void put_metrics(Web *web, JsonWriter *json, const StoreStats *stats, size_t limit,
                        bool unused_only, Arena *arena) {
    RuleUses uses = {0};
    size_t told = 0;
    uint64_t unused_metrics = 0;
    uint64_t unused_series = 0;
    gather_uses(web_doors(web)->rules, &uses);
    json_put_array(json, "metrics");
    for (size_t i = 0; i < stats->metrics_count; i++) {
        MetricUse use = use_of(&uses, web->usage, stats->metrics[i].name, arena);
        bool unused = use.rules == 0 && use.query.at == 0;
        unused_metrics += unused;
        unused_series += unused ? stats->metrics[i].count : 0;
        if (told < limit && (unused || !unused_only)) {
            put_metric(json, &stats->metrics[i], &use);
            told++;
        }
    }
    json_end(json);
    json_put_object(json, "unused");
    json_put_int(json, "metrics", (int64_t)unused_metrics);
    json_put_int(json, "series", (int64_t)unused_series);
    json_put_time(json, "since", web_options(web)->started_at);
    json_end(json);
    uses_finish(&uses);
}

/* Values and bytes of a label name, which the store ranks apart. */
static void put_labels(JsonWriter *json, const StoreStats *stats, size_t limit) {
    json_put_array(json, "labels");
    for (size_t i = 0; i < stats->label_values_count && i < limit; i++) {
        const StoreTop *label = &stats->label_values[i];
        json_object(json);
        json_put_str(json, "name", label->name);
        json_put_int(json, "values", (int64_t)label->count);
        for (size_t k = 0; k < stats->label_bytes_count; k++) {
            if (str_eq(stats->label_bytes[k].name, label->name)) {
                json_put_int(json, "bytes", (int64_t)stats->label_bytes[k].count);
                break;
            }
        }
        json_end(json);
    }
    json_end(json);
}

static void put_pairs(JsonWriter *json, const StoreStats *stats, size_t limit) {
    json_put_array(json, "pairs");
    for (size_t i = 0; i < stats->pairs_count && i < limit; i++) {
        json_object(json);
        json_put_str(json, "name", stats->pairs[i].name);
        json_put_int(json, "series", (int64_t)stats->pairs[i].count);
        json_end(json);
    }
    json_end(json);
}

static int by_series(const void *left, const void *right) {
    const StoreSource *a = left, *b = right;
    if (a->series != b->series) {
        return a->series < b->series ? 1 : -1;
    }
    return str_cmp(a->source, b->source);
}

static void put_sources(Web *web, JsonWriter *json, size_t limit, Arena *arena) {
    StoreSource *sources;
    size_t count;
    store_sources(web_doors(web)->store, arena, &sources, &count);
    qsort(sources, count, sizeof *sources, by_series);
    json_put_array(json, "sources");
    for (size_t i = 0; i < count && i < limit; i++) {
        json_object(json);
        json_put_str(json, "source", sources[i].source);
        json_put_int(json, "series", (int64_t)sources[i].series);
        json_put_int(json, "seriesCreatedLastHour", (int64_t)sources[i].series_created_hour);
        json_put_int(json, "samplesTotal", (int64_t)sources[i].samples_total);
        json_put_int(json, "refusedTotal", (int64_t)sources[i].refused_total);
        json_end(json);
    }
    json_end(json);
}

static void put_sizes(JsonWriter *json, const StoreStats *stats) {
    json_put_int(json, "series", (int64_t)stats->head_series);
    json_put_int(json, "seriesCreatedLastHour", (int64_t)stats->series_created_hour);
    json_put_int(json, "headSamples", (int64_t)stats->head_samples);
    json_put_int(json, "diskBytes", (int64_t)stats->disk_bytes);
    json_put_int(json, "logBytes", (int64_t)stats->log_bytes);
    json_put_int(json, "blockBytes", (int64_t)stats->block_bytes);
    json_put_int(json, "indexBytes", (int64_t)stats->index_bytes);
    json_put_int(json, "blocks", (int64_t)stats->blocks);
    json_put_int(json, "quarantinedBlocks", (int64_t)stats->quarantined);
    json_put_bool(json, "readOnly", stats->read_only);
    json_put_str(json, "readOnlyReason", str_of(stats->read_only_reason));
}

static void put_damage(JsonWriter *json, const StoreStats *stats) {
    json_put_array(json, "damagedBlocks");
    for (size_t i = 0; i < stats->damage_count; i++) {
        const StoreDamage *damage = &stats->damage[i];
        json_object(json);
        json_put_str(json, "block", damage->block);
        json_put_bool(json, "setAside", damage->set_aside);
        json_put_int(json, "frames", (int64_t)damage->frames);
        json_end(json);
    }
    json_end(json);
}

void handle_store_status(Web *web, Request *request) {
    Err err = {0};
    size_t limit = LIMIT_DEFAULT;
    if (!read_limit(request, &limit, &err)) {
        respond_error(request, &err);
        return;
    }
    AUTO(arena_finish) Arena arena = {0};
    StoreStats stats;
    store_stats(web_doors(web)->store, METRICS_MAX, &arena, &stats);
    bool unused_only = str_eq(params_get(&request->params, STR("unused")), STR("true"));
    JsonWriter json = respond_success(request);
    json_object(&json);
    put_sizes(&json, &stats);
    put_damage(&json, &stats);
    put_metrics(web, &json, &stats, limit, unused_only, &arena);
    put_labels(&json, &stats, limit);
    put_pairs(&json, &stats, limit);
    put_sources(web, &json, limit, &arena);
    json_end(&json);
    respond_success_end(&json);
}
