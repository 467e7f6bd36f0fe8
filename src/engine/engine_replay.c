#include "engine/engine_replay.h"

#include <stdlib.h>

#include "base/mem.h"
#include "engine/engine_backfill.h"

/* Copied ahead of the evaluation at a time: what is later than an evaluation does not change it. */
#define FEED_SPAN HOUR_MS

enum { FEED_ROWS_MAX = 1 << 18 };

struct ReplayEngine {
    EngineReplayOptions options;
    const MatcherSet **feeds; /* what has to be copied over for expressions that read recordings */
    size_t feeds_count, feeds_cap;
    DurationMs reach;
    TimeMs fed_until;
    bool reads_own; /* some expression does */
    Backfill backfill;
};

ReplayEngine *replay_engine_new(const EngineReplayOptions *options) {
    ReplayEngine *engine = mem_zero(1, sizeof *engine);
    engine->options = *options;
    engine->fed_until = TIME_MIN;
    engine->backfill = (Backfill){
        .to = options->write_to, .from = options->write_from, .cancelled = options->cancelled};
    return engine;
}

void replay_engine_free(ReplayEngine *engine) {
    if (engine) {
        free(engine->feeds);
        backfill_finish(&engine->backfill);
        free(engine);
    }
}

/* ---- who reads what ---- */

static bool is_listed(const Str *sorted, size_t count, Str name) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(sorted[middle], name);
        if (order == 0) {
            return true;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return false;
}

static bool is_alerts_metric(Str name) {
    return str_eq(name, STR("ALERTS")) || str_eq(name, STR("ALERTS_FOR_STATE"));
}

/* The literal name a set asks for, or "". */
static Str literal_name(const MatcherSet *set) {
    for (size_t i = 0; i < set->count; i++) {
        if (set->items[i].type == MATCH_EQ && str_eq(set->items[i].name, LABEL_METRIC_NAME)) {
            return set->items[i].value;
        }
    }
    return STR("");
}

static bool allows_name(const MatcherSet *set, Str name) {
    for (size_t i = 0; i < set->count; i++) {
        if (str_eq(set->items[i].name, LABEL_METRIC_NAME) &&
            !matcher_matches(&set->items[i], name)) {
            return false;
        }
    }
    return true;
}

static bool reads_own(const ReplayEngine *engine, const MatcherSet *set) {
    const EngineReplayOptions *options = &engine->options;
    Str name = literal_name(set);
    if (name.len) {
        return is_alerts_metric(name) ||
               is_listed(options->recorded, options->recorded_count, name);
    }
    for (size_t i = 0; i < options->recorded_count; i++) {
        if (allows_name(set, options->recorded[i])) {
            return true;
        }
    }
    return allows_name(set, STR("ALERTS")) || allows_name(set, STR("ALERTS_FOR_STATE"));
}

typedef struct Visit {
    ReplayEngine *engine;
    bool found;
} Visit;

static void find_own(void *ctx, const MatcherSet *set, DurationMs range) {
    (void)range;
    Visit *visit = ctx;
    visit->found = visit->found || reads_own(visit->engine, set);
}

static bool expr_reads_own(ReplayEngine *engine, const Expr *expr) {
    Visit visit = {.engine = engine};
    expr_selectors(expr, find_own, &visit);
    return visit.found;
}

static void add_feed(void *ctx, const MatcherSet *set, DurationMs range) {
    (void)range;
    Visit *visit = ctx;
    const EngineReplayOptions *options = &visit->engine->options;
    if (!is_listed(options->recorded, options->recorded_count, literal_name(set))) {
        VEC_PUSH(*visit->engine, feeds, set);
    }
}

void replay_engine_expect(ReplayEngine *engine, const EngineExpr *expr, DurationMs step,
                          uint64_t timing) {
    if (!expr_reads_own(engine, expr->expr)) {
        (void)history_expect(engine->options.history, expr, step, timing);
        return;
    }
    Visit visit = {.engine = engine};
    expr_selectors(expr->expr, add_feed, &visit);
    DurationMs reach = expr_reach(expr->expr, 5 * MINUTE_MS);
    engine->reach = reach > engine->reach ? reach : engine->reach;
    engine->reads_own = true;
}

/* ---- copying over ---- */

/* A batch under construction. */
typedef struct Feed {
    Engine *own;
    Arena arena; /* of labels and histograms */
    BatchSeries *series;
    size_t series_count, series_cap;
    TimeMs *times;
    size_t times_count, times_cap;
    double *values;
    size_t values_count, values_cap;
    const Histogram **histograms;
    size_t histograms_count, histograms_cap;
    bool has_histograms;
} Feed;

static void feed_finish(Feed *feed) {
    free(feed->series);
    free(feed->times);
    free(feed->values);
    free(feed->histograms);
    arena_finish(&feed->arena);
}

static bool feed_flush(Feed *feed, TimeMs now, Err *err) {
    SampleBatch batch = {
        .series = feed->series,
        .series_count = feed->series_count,
        .times = feed->times,
        .values = feed->values,
        .histograms = feed->has_histograms ? feed->histograms : NULL,
        .row_count = feed->times_count,
    };
    uint64_t lsn = 0;
    bool ok = feed->series_count == 0 || engine_write(feed->own, &batch, now, &lsn, err);
    feed->series_count = feed->times_count = feed->values_count = feed->histograms_count = 0;
    feed->has_histograms = false;
    arena_reset(&feed->arena);
    return ok;
}

static void feed_add(Feed *feed, LabelSet labels, const SeriesData *data) {
    VEC_PUSH(*feed, series,
             ((BatchSeries){.labels = labels,
                            .row_first = (uint32_t)feed->times_count,
                            .row_count = (uint32_t)data->count}));
    for (size_t i = 0; i < data->count; i++) {
        const Histogram *histogram = data->histograms ? data->histograms[i] : NULL;
        VEC_PUSH(*feed, times, data->times[i]);
        VEC_PUSH(*feed, values, data->values[i]);
        VEC_PUSH(*feed, histograms, histogram);
        feed->has_histograms |= histogram != NULL;
    }
}

/* Would the replayed rules have written this series? */
static bool is_hidden(const ReplayEngine *engine, LabelSet labels) {
    const EngineReplayOptions *options = &engine->options;
    Str name = labels_get(labels, LABEL_METRIC_NAME);
    if (is_alerts_metric(name)) {
        return is_listed(options->alerts, options->alert_count,
                         labels_get(labels, STR("alertname")));
    }
    return is_listed(options->recorded, options->recorded_count, name);
}

static bool feed_from_store(ReplayEngine *engine, Feed *feed, TimeMs from, TimeMs to, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    MatcherSet *sets = arena_array(&arena, MatcherSet, engine->feeds_count);
    for (size_t i = 0; i < engine->feeds_count; i++) {
        sets[i] = *engine->feeds[i];
    }
    AUTO(snapshot_releasep)
    StoreSnapshot *snapshot = store_snapshot(engine->options.history->store);
    AUTO(selection_freep) StoreSelection *selection = NULL;
    if (!snapshot_select(snapshot, sets, engine->feeds_count, from, to, 0, &selection, err)) {
        return false;
    }
    for (size_t i = 0; i < selection_count(selection); i++) {
        LabelSet labels = selection_labels(selection, i);
        SeriesData data = {0};
        if (is_hidden(engine, labels)) {
            continue;
        }
        selection_read(selection, i, from, to, &feed->arena, &data);
        if (data.count) {
            feed_add(feed, labels, &data);
        }
        if (feed->times_count > FEED_ROWS_MAX && !feed_flush(feed, to, err)) {
            return false;
        }
    }
    return feed_flush(feed, to, err);
}

static Str window_text(Arena *arena, const MatcherSet *set, DurationMs window) {
    AUTO(buf_finish) Buf text = {0};
    buf_byte(&text, '{');
    for (size_t i = 0; i < set->count; i++) {
        buf_str(&text, i ? STR(",") : STR(""));
        matcher_print(&text, &set->items[i]);
    }
    buf_printf(&text, "}[%lldms]", (long long)window);
    return arena_str(arena, buf_view(&text));
}

static bool feed_from_remote(ReplayEngine *engine, Feed *feed, const MatcherSet *set, TimeMs from,
                             TimeMs to, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    EngineExpr expr = {.text = window_text(&arena, set, to - from + 1)};
    QueryOptions options = {.lookback = 5 * MINUTE_MS, .default_step = MINUTE_MS};
    Value value = {0};
    bool ok = false;
    engine_instant(engine->options.history->base, &expr, 1, to, &options, &arena, &value, &ok, err);
    for (size_t i = 0; ok && i < value.series_count; i++) {
        const ValueSeries *series = &value.series[i];
        if (series->count && !is_hidden(engine, series->labels)) {
            feed_add(feed, series->labels,
                     &(SeriesData){.times = series->times,
                                   .values = series->values,
                                   .histograms = series->histograms,
                                   .count = series->count});
        }
        if (feed->times_count > FEED_ROWS_MAX && !feed_flush(feed, to, err)) {
            return false;
        }
    }
    return ok && feed_flush(feed, to, err);
}

static bool feed_until(ReplayEngine *engine, TimeMs time, Err *err) {
    if (engine->feeds_count == 0 || engine->fed_until >= time) {
        return true;
    }
    AUTO(feed_finish) Feed feed = {.own = engine->options.own};
    TimeMs from = engine->fed_until == TIME_MIN ? engine->options.from - engine->reach
                                                : engine->fed_until + 1;
    TimeMs to = time + FEED_SPAN;
    bool ok = true;
    if (engine->options.history->store) {
        ok = feed_from_store(engine, &feed, from, to, err);
    } else {
        for (size_t i = 0; ok && i < engine->feeds_count; i++) {
            ok = feed_from_remote(engine, &feed, engine->feeds[i], from, to, err);
        }
    }
    if (ok) {
        engine->fed_until = to;
    }
    return ok;
}

/* ---- asking and writing ---- */

/* Some of the expressions asked for, and where their answers belong. */
typedef struct Share {
    EngineExpr *exprs;
    size_t *places;
    size_t count;
} Share;

static void share_add(Share *share, const EngineExpr *expr, size_t place) {
    share->places[share->count] = place;
    share->exprs[share->count++] = *expr;
}

void replay_instant(ReplayEngine *engine, const EngineExpr *exprs, size_t count, TimeMs time,
                    const QueryOptions *options, Arena *arena, Value *ret_values, bool *ret_ok,
                    Err *errs) {
    Share shares[2]; /* history, own */
    for (size_t s = 0; s < 2; s++) {
        shares[s] = (Share){.exprs = arena_array(arena, EngineExpr, count + 1),
                            .places = arena_array(arena, size_t, count + 1)};
    }
    for (size_t i = 0; i < count; i++) {
        share_add(&shares[expr_reads_own(engine, exprs[i].expr)], &exprs[i], i);
    }
    Value *values = arena_array(arena, Value, count + 1);
    bool *ok = arena_array(arena, bool, count + 1);
    Err *own_errs = arena_array(arena, Err, count + 1);
    for (size_t s = 0; s < 2; s++) {
        Share *share = &shares[s];
        Err err = {0};
        bool fed = s == 0 || share->count == 0 || feed_until(engine, time, &err);
        if (fed && s == 0) {
            history_instant(engine->options.history, share->exprs, share->count, time, options,
                            arena, values, ok, own_errs);
        } else if (fed && share->count) {
            engine_instant(engine->options.own, share->exprs, share->count, time, options, arena,
                           values, ok, own_errs);
        }
        for (size_t i = 0; i < share->count; i++) {
            ret_values[share->places[i]] = fed ? values[i] : (Value){0};
            ret_ok[share->places[i]] = fed && ok[i];
            errs[share->places[i]] = fed ? own_errs[i] : err;
        }
    }
}

bool replay_write(ReplayEngine *engine, const SampleBatch *batch, TimeMs now, uint64_t *ret_lsn,
                  Err *err) {
    backfill_add(&engine->backfill, batch);
    return !engine->reads_own || engine_write(engine->options.own, batch, now, ret_lsn, err);
}

bool replay_backfill(ReplayEngine *engine, bool all, TimeMs now, uint64_t *ret_written, Err *err) {
    bool ok = backfill_write(&engine->backfill, all, now, err);
    *ret_written = engine->backfill.written;
    return ok;
}

void replay_sources(const ReplayEngine *engine, Arena *arena, StoreSource **ret_sources,
                    size_t *ret_count) {
    history_sources(engine->options.history, arena, ret_sources, ret_count);
}
