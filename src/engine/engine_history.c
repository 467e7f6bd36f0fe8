#include "engine/engine_history.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "promql/ast.h"

/* The first range is short, to learn how large answers are; then as long as fits. A point takes 16
 * bytes. */
enum { STEPS_FIRST = 16, STEPS_MAX = 2000, POINTS_AHEAD = 4 << 20 };
#define BYTES_AHEAD (UINT64_C(512) << 20)

/* Samples of a source are counted over this span, to know how often it sends. */
enum { COUNT_SPAN_MS = 10 * 60 * 1000 };

/* The answers of one range query, shared by the expressions that were asked together. */
typedef struct Ahead {
    Arena arena;
    size_t refs;
} Ahead;

typedef struct HistoryEntry {
    EngineExpr expr;
    DurationMs step;
    uint64_t timing;
    Ahead *ahead; /* NULL: nothing is known yet */
    const Value *value;
    bool failed; /* some step did: each is asked on its own */
    TimeMs from, to;
    size_t *cursors; /* per series, the next point; in the ahead's arena */
} HistoryEntry;

typedef struct HistorySource {
    char *name;
    TimeMs newest;
    double count_max; /* samples in COUNT_SPAN_MS, at best */
} HistorySource;

static void ahead_unref(Ahead *ahead) {
    if (ahead && --ahead->refs == 0) {
        arena_finish(&ahead->arena);
        free(ahead);
    }
}

/* ---- what can be asked ahead, and how far back it looks ---- */

static bool shift_is_fixed(const TimeShift *shift) {
    return !shift->offset.dynamic && (shift->at.kind == AT_NONE || shift->at.kind == AT_TIME);
}

static void find_step_bound(void *ctx, const Expr *expr) {
    bool *found = ctx;
    switch (expr->kind) {
    case EXPR_SELECTOR:
        *found |= !shift_is_fixed(&expr->selector.shift);
        break;
    case EXPR_MATRIX:
        *found |= expr->matrix.range.dynamic;
        break;
    case EXPR_SUBQUERY:
        *found |= expr->subquery.range.dynamic || expr->subquery.step.dynamic ||
                  !shift_is_fixed(&expr->subquery.shift);
        break;
    default:
        break;
    }
    if (!*found) {
        expr_children(expr, find_step_bound, found);
    }
}

static bool fits_ranges(const Expr *expr) {
    bool is_bound = expr->flavour != PROMQL_PROMETHEUS ||
                    (expr->type != VALUE_VECTOR && expr->type != VALUE_SCALAR);
    if (!is_bound) {
        find_step_bound(&is_bound, expr);
    }
    return !is_bound;
}

typedef struct Reach {
    DurationMs above; /* of the nodes around */
    DurationMs most;
} Reach;

static DurationMs forward_only(const TimeShift *shift) {
    return shift->offset.value > 0 ? shift->offset.value : 0;
}

static void add_reach(void *ctx, const Expr *expr) {
    Reach *reach = ctx;
    Reach below = {.above = reach->above};
    if (expr->kind == EXPR_SELECTOR) {
        below.above += forward_only(&expr->selector.shift);
    } else if (expr->kind == EXPR_MATRIX) {
        below.above += expr->matrix.range.value;
    } else if (expr->kind == EXPR_SUBQUERY) {
        below.above += expr->subquery.range.value + forward_only(&expr->subquery.shift);
    } else if (expr->kind == EXPR_SHIFT) {
        below.above += forward_only(&expr->shift.shift);
    }
    below.most = below.above;
    expr_children(expr, add_reach, &below);
    reach->most = below.most > reach->most ? below.most : reach->most;
}

DurationMs expr_reach(const Expr *expr, DurationMs lookback) {
    Reach reach = {0};
    add_reach(&reach, expr);
    return reach.most + lookback;
}

/* ---- entries ---- */

static int by_expr(const void *a, const void *b) {
    const Expr *x = (*(HistoryEntry *const *)a)->expr.expr;
    const Expr *y = (*(HistoryEntry *const *)b)->expr.expr;
    return ((uintptr_t)x > (uintptr_t)y) - ((uintptr_t)x < (uintptr_t)y);
}

static HistoryEntry *find_entry(History *history, const Expr *expr) {
    if (!history->is_sorted && history->entries_count) {
        qsort(history->entries, history->entries_count, sizeof *history->entries, by_expr);
        history->is_sorted = true;
    }
    size_t low = 0, high = history->entries_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((uintptr_t)history->entries[middle]->expr.expr < (uintptr_t)expr) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < history->entries_count && history->entries[low]->expr.expr == expr
               ? history->entries[low]
               : NULL;
}

bool history_expect(History *history, const EngineExpr *expr, DurationMs step, uint64_t timing) {
    assert(step > 0);
    if (!expr->expr || !fits_ranges(expr->expr)) {
        return false;
    }
    HistoryEntry *entry = arena_new(&history->arena, HistoryEntry);
    *entry = (HistoryEntry){.expr = *expr, .step = step, .timing = timing};
    VEC_PUSH(*history, entries, entry);
    history->is_sorted = false;
    return true;
}

static bool covers(const HistoryEntry *entry, TimeMs time) {
    return entry->ahead && time >= entry->from && time <= entry->to &&
           (time - entry->from) % entry->step == 0;
}

/* ---- asking ahead ---- */

static uint64_t count_points(const Value *value) {
    uint64_t points = 0;
    for (size_t i = 0; i < value->series_count; i++) {
        points += value->series[i].count;
    }
    return points;
}

static void choose_steps(History *history, uint64_t points, uint64_t bytes_peak) {
    size_t steps = history->steps_ahead;
    if (points > POINTS_AHEAD || bytes_peak > BYTES_AHEAD) {
        steps /= 2;
    } else if (points * 2 <= POINTS_AHEAD && bytes_peak * 2 <= BYTES_AHEAD) {
        steps *= 2;
    }
    history->steps_ahead = steps < 1 ? 1 : steps > STEPS_MAX ? STEPS_MAX : steps;
}

static void take_answers(History *history, HistoryEntry **entries, size_t count, QueryRange range,
                         Ahead *ahead, const Value *values, const bool *ok) {
    uint64_t points = 0;
    uint64_t bytes_peak = 0;
    for (size_t i = 0; i < count; i++) {
        HistoryEntry *entry = entries[i];
        ahead_unref(entry->ahead);
        ahead->refs++;
        entry->ahead = ahead;
        entry->value = &values[i];
        entry->failed = !ok[i];
        entry->from = range.from;
        entry->to = range.to;
        if (ok[i]) {
            points += count_points(&values[i]);
            bytes_peak =
                values[i].stats.bytes_peak > bytes_peak ? values[i].stats.bytes_peak : bytes_peak;
            entry->cursors = arena_array(&ahead->arena, size_t, values[i].series_count + 1);
        }
    }
    choose_steps(history, points, bytes_peak);
}

/* Evaluates all expressions of this timing that are not known at `time`. */
static void ask_ahead(History *history, uint64_t timing, DurationMs step, TimeMs time,
                      const QueryOptions *options) {
    Ahead *ahead = mem_zero(1, sizeof *ahead);
    Arena *arena = &ahead->arena;
    HistoryEntry **entries = arena_array(arena, HistoryEntry *, history->entries_count);
    EngineExpr *exprs = arena_array(arena, EngineExpr, history->entries_count);
    size_t count = 0;
    for (size_t i = 0; i < history->entries_count; i++) {
        HistoryEntry *entry = history->entries[i];
        if (entry->timing == timing && entry->step == step && !covers(entry, time)) {
            entries[count] = entry;
            exprs[count++] = entry->expr;
        }
    }
    TimeMs to = time + (DurationMs)(history->steps_ahead - 1) * step;
    to = to > history->until ? time + (history->until - time) / step * step : to;
    QueryRange range = {.from = time, .to = to < time ? time : to, .step = step};
    Value *values = arena_array(arena, Value, count);
    bool *ok = arena_array(arena, bool, count);
    Err *errs = mem_zero(count, sizeof *errs);
    ahead->refs = 1;
    engine_program(history->base, exprs, count, range, options, arena, values, ok, errs);
    take_answers(history, entries, count, range, ahead, values, ok);
    free(errs);
    ahead_unref(ahead);
}

static void put_point(const ValueSeries *series, size_t at, ValueSeries *ret) {
    *ret = (ValueSeries){
        .labels = series->labels,
        .times = &series->times[at],
        .values = &series->values[at],
        .histograms = series->histograms && series->histograms[at] ? &series->histograms[at] : NULL,
        .count = 1,
    };
}

/* The answer of one step of what is known. Points borrow from it. */
static void take_step(HistoryEntry *entry, TimeMs time, Arena *arena, Value *ret_value) {
    const Value *value = entry->value;
    *ret_value = (Value){.type = entry->expr.expr->type, .time = time};
    ret_value->stats.series = value->stats.series;
    if (value->series_count == 0) {
        return;
    }
    ret_value->series = arena_array(arena, ValueSeries, value->series_count);
    for (size_t i = 0; i < value->series_count; i++) {
        const ValueSeries *series = &value->series[i];
        size_t *cursor = &entry->cursors[i];
        if (*cursor > 0 && series->times[*cursor - 1] >= time) {
            *cursor = 0; /* another rule of the same text asked for this step or an earlier one */
        }
        while (*cursor < series->count && series->times[*cursor] < time) {
            ++*cursor;
        }
        if (*cursor < series->count && series->times[*cursor] == time) {
            put_point(series, *cursor, &ret_value->series[ret_value->series_count++]);
        }
    }
    if (ret_value->type == VALUE_SCALAR && ret_value->series_count) {
        ret_value->scalar = ret_value->series[0].values[0];
    }
}

void history_instant(History *history, const EngineExpr *exprs, size_t count, TimeMs time,
                     const QueryOptions *options, Arena *arena, Value *ret_values, bool *ret_ok,
                     Err *errs) {
    EngineExpr *rest = arena_array(arena, EngineExpr, count + 1);
    size_t *places = arena_array(arena, size_t, count + 1);
    size_t rest_count = 0;
    for (size_t i = 0; i < count; i++) {
        HistoryEntry *entry = find_entry(history, exprs[i].expr);
        if (entry && !covers(entry, time)) {
            ask_ahead(history, entry->timing, entry->step, time, options);
        }
        if (entry && !entry->failed) {
            take_step(entry, time, arena, &ret_values[i]);
            ret_ok[i] = true;
        } else {
            places[rest_count] = i;
            rest[rest_count++] = exprs[i];
        }
    }
    if (rest_count == 0) {
        return;
    }
    Value *values = arena_array(arena, Value, rest_count);
    bool *ok = arena_array(arena, bool, rest_count);
    Err *rest_errs = arena_array(arena, Err, rest_count);
    engine_instant(history->base, rest, rest_count, time, options, arena, values, ok, rest_errs);
    for (size_t i = 0; i < rest_count; i++) {
        ret_values[places[i]] = values[i];
        ret_ok[places[i]] = ok[i];
        errs[places[i]] = rest_errs[i];
    }
}

/* ---- sources ---- */

#define SOURCES_TIMING UINT64_MAX

static bool parse_source_expr(History *history, const char *format, Str selector,
                              EngineExpr *ret_expr, Err *err) {
    char text[8192];
    int len =
        snprintf(text, sizeof text, format, STR_ARG(history->source_label), STR_ARG(selector));
    if (len < 0 || (size_t)len >= sizeof text) {
        return err_set(err, ERR_LIMIT, "the source label is too long");
    }
    ret_expr->text = arena_str(&history->arena, (Str){text, (size_t)len});
    return promql_parse(&history->arena, ret_expr->text, PROMQL_PROMETHEUS, &ret_expr->expr, err) &&
           (history_expect(history, ret_expr, history->step, SOURCES_TIMING), true);
}

/* Does `up` tell sources apart? Looked at ten times over the span. */
static bool up_has_sources(const History *history, const HistoryOptions *options) {
    AUTO(arena_finish) Arena arena = {0};
    Str text = arena_printf(&arena, "count by (%.*s) (up{%.*s!=\"\"})",
                            STR_ARG(history->source_label), STR_ARG(history->source_label));
    DurationMs step = (options->until - options->from) / 10;
    QueryRange range = {options->from, options->until, step > SECOND_MS ? step : SECOND_MS};
    QueryOptions query = {.lookback = 5 * MINUTE_MS, .default_step = MINUTE_MS};
    const Expr *expr = NULL;
    Err err = {0};
    Value value = {0};
    bool found = promql_parse(&arena, text, PROMQL_PROMETHEUS, &expr, &err) &&
                 engine_range(history->base, &(EngineExpr){.expr = expr, .text = text}, range,
                              &query, &arena, &value, &err) &&
                 value.series_count > 0;
    expr_finish(expr);
    return found;
}

static Str source_selector(History *history, const HistoryOptions *options) {
    if (options->metric_count == 0 || up_has_sources(history, options)) {
        return STR("up");
    }
    enum { NAMES_MAX = 20 };
    AUTO(buf_finish) Buf text = {0};
    buf_str(&text, STR("{__name__=~\""));
    for (size_t i = 0; i < options->metric_count && i < NAMES_MAX; i++) {
        buf_printf(&text, "%s%.*s", i ? "|" : "", STR_ARG(options->metrics[i]));
    }
    buf_str(&text, STR("\"}"));
    return arena_str(&history->arena, buf_view(&text));
}

bool history_init(History *history, const HistoryOptions *options, Err *err) {
    *history = (History){
        .base = options->base,
        .store = options->store,
        .until = options->until,
        .step = options->step,
        .steps_ahead = STEPS_FIRST,
    };
    history->source_label = arena_str(&history->arena, options->source_label);
    if (options->source_label.len == 0) {
        return true;
    }
    Str selector = source_selector(history, options);
    return parse_source_expr(history, "max by (%.*s) (timestamp(%.*s))", selector, &history->newest,
                             err) &&
           parse_source_expr(history, "max by (%.*s) (count_over_time(%.*s[10m]))", selector,
                             &history->counted, err);
}

void history_finish(History *history) {
    for (size_t i = 0; i < history->entries_count; i++) {
        ahead_unref(history->entries[i]->ahead);
    }
    free(history->entries);
    for (size_t i = 0; i < history->sources_count; i++) {
        free(history->sources[i].name);
    }
    free(history->sources);
    expr_finish(history->newest.expr);
    expr_finish(history->counted.expr);
    arena_finish(&history->arena);
    *history = (History){0};
}

static HistorySource *find_source(History *history, LabelSet labels) {
    Str name = labels_get(labels, history->source_label);
    for (size_t i = 0; i < history->sources_count; i++) {
        if (str_eq(str_of(history->sources[i].name), name)) {
            return &history->sources[i];
        }
    }
    AUTO(arena_finish) Arena arena = {0};
    HistorySource source = {.name = mem_strdup(arena_cstr(&arena, name))};
    VEC_PUSH(*history, sources, source);
    return &history->sources[history->sources_count - 1];
}

void history_look(History *history, TimeMs now, const QueryOptions *options) {
    if (!history->newest.expr || !history->counted.expr) {
        return;
    }
    AUTO(arena_finish) Arena arena = {0};
    EngineExpr exprs[2] = {history->newest, history->counted};
    Value values[2] = {0};
    bool ok[2] = {false, false};
    Err errs[2] = {0};
    TimeMs time = now - now % history->step;
    history_instant(history, exprs, 2, time, options, &arena, values, ok, errs);
    for (size_t i = 0; ok[0] && i < values[0].series_count; i++) {
        HistorySource *source = find_source(history, values[0].series[i].labels);
        TimeMs newest = (TimeMs)(values[0].series[i].values[0] * 1000);
        source->newest = newest > source->newest ? newest : source->newest;
    }
    for (size_t i = 0; ok[1] && i < values[1].series_count; i++) {
        HistorySource *source = find_source(history, values[1].series[i].labels);
        double samples = values[1].series[i].values[0];
        source->count_max = samples > source->count_max ? samples : source->count_max;
    }
}

void history_sources(const History *history, Arena *arena, StoreSource **ret_sources,
                     size_t *ret_count) {
    StoreSource *sources = arena_array(arena, StoreSource, history->sources_count + 1);
    for (size_t i = 0; i < history->sources_count; i++) {
        const HistorySource *source = &history->sources[i];
        sources[i] = (StoreSource){
            .source = str_of(source->name),
            .newest = source->newest,
            .received_at = source->newest,
            .interval = source->count_max > 0 ? (DurationMs)(COUNT_SPAN_MS / source->count_max) : 0,
        };
    }
    *ret_sources = sources;
    *ret_count = history->sources_count;
}
