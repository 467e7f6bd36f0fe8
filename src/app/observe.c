#include "app/observe.h"

#include <stdlib.h>

#include "base/mem.h"

typedef struct Observation {
    App *app;
    Arena *arena;
    TimeMs now;
    Str source_label;
    StoreSource *sources;
    size_t source_count;
    Flag *flags;
    size_t flags_count, flags_cap;
    int64_t deadline_ns; /* of all questions together; 0 = none */
} Observation;

/* Rules wait meanwhile, so a remote engine has to answer soon. */
static const int64_t PATIENCE_NS = INT64_C(5000000000);

static bool ask(const Observation *observation, Str text, Value *ret_value, Err *err) {
    const Expr *tree;
    if (!promql_parse(observation->arena, text, PROMQL_PROMETHEUS, &tree, err)) {
        return false;
    }
    QueryOptions options = {.lookback = app_generation(observation->app)->config->query.lookback,
                            .budget = {.deadline_ns = observation->deadline_ns}};
    bool ok = false;
    engine_instant(observation->app->engine, &(EngineExpr){.expr = tree, .text = text}, 1,
                   observation->now, &options, observation->arena, ret_value, &ok, err);
    expr_finish(tree);
    return ok;
}

/* The value of the series of this source, 0 where there is none. */
static double value_of(const Observation *observation, const Value *value, Str source) {
    for (size_t i = 0; i < value->series_count; i++) {
        const ValueSeries *series = &value->series[i];
        if (series->count &&
            str_eq(labels_get(series->labels, observation->source_label), source)) {
            return series->values[0];
        }
    }
    return 0;
}

static void add_source_flag(Observation *observation, Str source, Str sign, FlagMode mode) {
    Arena *arena = observation->arena;
    SilenceMatcher *matcher = arena_new(arena, SilenceMatcher);
    *matcher = (SilenceMatcher){
        .name = observation->source_label, .value = arena_str(arena, source), .is_equal = true};
    Flag flag = {.matchers = matcher,
                 .matcher_count = 1,
                 .mode = mode,
                 .reason = arena_printf(arena, "its series carry %.*s", STR_ARG(sign)),
                 .owner = matcher->value,
                 .origin = STR("label")};
    VEC_PUSH(*observation, flags, flag);
}

/* Sources without an `up` series: whatever they write speaks for them. */
static bool observe_without_up(Observation *observation, const Value *up, Str sign, FlagMode mode,
                               Err *err) {
    bool any = false;
    for (size_t i = 0; i < observation->source_count; i++) {
        Str source = observation->sources[i].source;
        any |= source.len && value_of(observation, up, source) == 0;
    }
    Value off;
    Str text = arena_printf(observation->arena, "group by (%.*s) ({%.*s})",
                            STR_ARG(observation->source_label), STR_ARG(sign));
    if (!any) {
        return true;
    }
    if (!ask(observation, text, &off, err)) {
        return false;
    }
    for (size_t i = 0; i < off.series_count; i++) {
        Str source = labels_get(off.series[i].labels, observation->source_label);
        if (source.len && value_of(observation, up, source) == 0) {
            add_source_flag(observation, source, sign, mode);
        }
    }
    return true;
}

static bool observe_label(Observation *observation, Str sign, FlagMode mode, Err *err) {
    Value up, off;
    Str label = observation->source_label;
    Str all_text = arena_printf(observation->arena, "count by (%.*s) (up)", STR_ARG(label));
    Str off_text = arena_printf(observation->arena, "count by (%.*s) (up{%.*s})", STR_ARG(label),
                                STR_ARG(sign));
    if (!ask(observation, all_text, &up, err) || !ask(observation, off_text, &off, err)) {
        return false;
    }
    for (size_t i = 0; i < off.series_count; i++) {
        Str source = labels_get(off.series[i].labels, label);
        if (source.len && off.series[i].count &&
            off.series[i].values[0] == value_of(observation, &up, source)) {
            add_source_flag(observation, source, sign, mode);
        }
    }
    return observe_without_up(observation, &up, sign, mode, err);
}

static bool is_matcher_label(Str name) {
    static const char *const others[] = {"__name__", "job", "instance", "mode", "reason", "owner"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (str_eq(name, str_of(others[i]))) {
            return false;
        }
    }
    return true;
}

static void add_metric_flag(Observation *observation, LabelSet labels, Str metric) {
    Arena *arena = observation->arena;
    Flag flag = {.matchers = arena_array(arena, SilenceMatcher, labels.count + 1),
                 .reason = labels_get(labels, STR("reason")),
                 .owner = labels_get(labels, STR("owner")),
                 .origin = STR("metric")};
    for (size_t i = 0; i < labels.count; i++) {
        if (is_matcher_label(labels.items[i].name)) {
            flag.matchers[flag.matcher_count++] = (SilenceMatcher){
                .name = labels.items[i].name, .value = labels.items[i].value, .is_equal = true};
        }
    }
    if (!flag_mode_of(labels_get(labels, STR("mode")), &flag.mode)) {
        flag.mode = FLAG_ALL;
    }
    flag.reason = flag.reason.len ? flag.reason
                                  : arena_printf(arena, "the metric %.*s says so", STR_ARG(metric));
    flag.owner = flag.owner.len ? flag.owner : STR("its source");
    if (flag.matcher_count) { /* without any it would be about everything */
        VEC_PUSH(*observation, flags, flag);
    }
}

static bool observe_metric(Observation *observation, Str metric, Err *err) {
    Value value;
    if (!ask(observation, metric, &value, err)) {
        return false;
    }
    for (size_t i = 0; i < value.series_count; i++) {
        const ValueSeries *series = &value.series[i];
        bool says_so = series->count && (!series->histograms || !series->histograms[0]) &&
                       series->values[0] != 0;
        if (says_so) {
            add_metric_flag(observation, series->labels, metric);
        }
    }
    return true;
}

/* True if nothing has come from the source lately; it may speak again. */
static bool is_dark(const Observation *observation, Str source) {
    DurationMs lost = app_generation(observation->app)->config->sources.lost;
    for (size_t i = 0; i < observation->source_count; i++) {
        const StoreSource *known = &observation->sources[i];
        if (str_eq(known->source, source)) {
            return known->newest + lost < observation->now;
        }
    }
    return !engine_is_local(observation->app->engine); /* forgotten, or not ours to know */
}

static Str source_of(const Observation *observation, const Flag *flag) {
    for (size_t i = 0; i < flag->matcher_count; i++) {
        if (str_eq(flag->matchers[i].name, observation->source_label)) {
            return flag->matchers[i].value;
        }
    }
    return STR("");
}

/* Flags of sources that are dark stay. One that is observed, too, is there twice; that harms
 * nobody. */
static void keep_dark(Observation *observation) {
    Flag *flags;
    size_t count;
    notify_flag_list(observation->app->notify, observation->now, observation->arena, &flags,
                     &count);
    for (size_t i = 0; i < count; i++) {
        bool observed =
            str_eq(flags[i].origin, STR("label")) || str_eq(flags[i].origin, STR("metric"));
        Str source = source_of(observation, &flags[i]);
        if (observed && source.len && is_dark(observation, source)) {
            VEC_PUSH(*observation, flags, flags[i]);
        }
    }
}

static void observe(App *app, TimeMs now) {
    AUTO(arena_finish) Arena arena = {0};
    Observation observation = {.app = app,
                               .arena = &arena,
                               .now = now,
                               .source_label = app_generation(app)->config->sources.label};
    Str signs[FLAG_MODES], metric;
    Err err = {0};
    if (!engine_is_local(app->engine)) {
        observation.deadline_ns = clock_monotonic_ns() + PATIENCE_NS;
    }
    engine_known_sources(app->engine, &arena, &observation.sources, &observation.source_count);
    notify_flag_signs(app->notify, &arena, signs, &metric);
    bool ok = true;
    for (int mode = 0; mode < FLAG_MODES && observation.source_label.len; mode++) {
        ok = ok &&
             (!signs[mode].len || observe_label(&observation, signs[mode], (FlagMode)mode, &err));
    }
    ok = ok && (!metric.len || observe_metric(&observation, metric, &err));
    if (ok) {
        keep_dark(&observation);
        ok = notify_flags_observed(app->notify, observation.flags, observation.flags_count, now,
                                   &err);
    }
    if (!ok) {
        log_event(LOG_WARN, "maintenance flags of sources not looked up",
                  LOG_STR("reason", str_of(err.text)));
    }
    free(observation.flags);
}

void observe_flags(App *app, TimeMs now) {
    pthread_mutex_lock(&app->observe_lock);
    observe(app, now);
    pthread_mutex_unlock(&app->observe_lock);
}
