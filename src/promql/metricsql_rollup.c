#include "promql/metricsql_rollup.h"

#include <math.h>

#include "base/go_text.h"
#include "base/mem.h"
#include "base/number.h"
#include "promql/metricsql_calls.h"

/* ---- what functions are like ---- */

/* Their windows, where not given, are widened until two samples fit. */
static bool may_widen(FunctionId id) {
    switch (id) {
    case FUNC_DEFAULT_ROLLUP:
    case FUNC_DERIV:
    case FUNC_DERIV_FAST:
    case FUNC_IDERIV:
    case FUNC_IRATE:
    case FUNC_RATE:
    case FUNC_RATE_OVER_SUM:
    case FUNC_ROLLUP:
    case FUNC_ROLLUP_CANDLESTICK:
    case FUNC_ROLLUP_DERIV:
    case FUNC_ROLLUP_RATE:
    case FUNC_ROLLUP_SCRAPE_INTERVAL:
    case FUNC_SCRAPE_INTERVAL:
    case FUNC_TIMESTAMP:
        return true;
    default:
        return false;
    }
}

static bool is_of_counters(FunctionId id) {
    switch (id) {
    case FUNC_INCREASE:
    case FUNC_INCREASE_PROMETHEUS:
    case FUNC_INCREASE_PURE:
    case FUNC_IRATE:
    case FUNC_RATE:
    case FUNC_RATE_PROMETHEUS:
    case FUNC_ROLLUP_INCREASE:
    case FUNC_ROLLUP_RATE:
        return true;
    default:
        return false;
    }
}

/* ---- samples made ready ---- */

/* A counter without its falls. One that falls by less than an eighth lost part of what it counted;
 * further down it began anew. */
static void remove_resets(double *values, size_t count) {
    double lost = 0, before = count ? values[0] : 0;
    for (size_t i = 0; i < count; i++) {
        double now = values[i];
        if (now < before) {
            lost += (before - now) * 8 < before ? before - now : before;
        }
        before = now;
        values[i] = now + lost;
        if (i > 0 && values[i] < values[i - 1]) {
            values[i] = values[i - 1];
        }
    }
}

static void take_differences(double *values, size_t count) {
    double difference = 0;
    for (size_t i = 0; i + 1 < count; i++) {
        difference = values[i + 1] - values[i];
        values[i] = difference;
    }
    if (count) {
        values[count - 1] = difference;
    }
}

static void take_derivatives(double *values, const TimeMs *times, size_t count) {
    double slope = 0;
    for (size_t i = 0; i + 1 < count; i++) {
        slope = (values[i + 1] - values[i]) / ((double)(times[i + 1] - times[i]) / 1e3);
        values[i] = slope;
    }
    if (count) {
        values[count - 1] = slope;
    }
}

static void take_intervals(double *values, const TimeMs *times, size_t count) {
    for (size_t i = 1; i < count; i++) {
        values[i] = (double)(times[i] - times[i - 1]) / 1e3;
    }
    if (count) {
        values[0] = count > 1 ? values[1] : value_nan();
    }
}

static FloatPoints prepare_points(Arena *arena, FunctionId id, const FloatPoints *points) {
    double *values = arena_raw(arena, (points->count + 1) * sizeof *values);
    TimeMs *times = arena_raw(arena, (points->count + 1) * sizeof *times);
    size_t count = 0;
    for (size_t i = 0; i < points->count; i++) {
        if (!isnan(points->values[i]) || id == FUNC_STALE_SAMPLES_OVER_TIME) {
            values[count] = points->values[i];
            times[count++] = points->times[i];
        }
    }
    if (is_of_counters(id)) {
        remove_resets(values, count);
    }
    if (id == FUNC_ROLLUP_INCREASE || id == FUNC_ROLLUP_DELTA) {
        take_differences(values, count);
    } else if (id == FUNC_ROLLUP_RATE || id == FUNC_ROLLUP_DERIV) {
        take_derivatives(values, times, count);
    } else if (id == FUNC_ROLLUP_SCRAPE_INTERVAL) {
        take_intervals(values, times, count);
    }
    return (FloatPoints){times, values, NULL, count};
}

/* ---- windows ---- */

/* The usual distance of samples: the 0.6 quantile of the last 20. */
static DurationMs usual_interval(const FloatPoints *points, DurationMs fallback) {
    double gaps[20];
    size_t count = 0;
    for (size_t i = points->count; i > 1 && count < 20; i--) {
        gaps[count++] = (double)(points->times[i - 1] - points->times[i - 2]);
    }
    DurationMs interval = count ? (DurationMs)quantile_of(0.6, gaps, count) : 0;
    return interval > 0 ? interval : fallback;
}

/* How far before a window its predecessor may lie: an interval and some jitter, relatively more for
 * short ones. */
static DurationMs with_jitter(DurationMs interval) {
    if (interval <= 2000) {
        return interval * 5;
    }
    if (interval <= 4000) {
        return interval * 3;
    }
    if (interval <= 8000) {
        return interval * 2;
    }
    if (interval <= 16000) {
        return interval + interval / 2;
    }
    return interval <= 32000 ? interval + interval / 4 : interval + interval / 8;
}

DurationMs metricsql_lookback(const Grid *grid, const TimeMs *times, size_t count,
                              DurationMs lookback) {
    if (grid->count == 1) {
        return lookback;
    }
    FloatPoints points = {times, NULL, NULL, count};
    DurationMs reach = with_jitter(usual_interval(&points, grid->step));
    reach = reach > grid->step ? reach : grid->step;
    return reach < lookback ? reach : lookback;
}

typedef struct Stepping {
    DurationMs window, reach; /* how far before the window the sample before may lie */
} Stepping;

static Stepping find_stepping(const RollupCall *call, const FloatPoints *points) {
    const PlanNode *node = call->node;
    DurationMs lookback = call->worker->exec->plan->lookback;
    bool instant = node->grid.count == 1;
    DurationMs step = instant ? lookback : node->grid.step;
    DurationMs reach = instant ? step : with_jitter(usual_interval(points, step));
    DurationMs window = node->range;
    if (window == 0) {
        window = may_widen(call->id) && step < reach ? reach : step;
    }
    return (Stepping){window, reach};
}

/* Calls `fn` at every step. */
static void roll(const RollupCall *call, const FloatPoints *points, RollupFn *fn, double *out) {
    const PlanNode *node = call->node;
    Stepping stepping = find_stepping(call, points);
    RollupView view = {.window = stepping.window, .call = call};
    size_t from = 0, to = 0, looked_at = 0;
    for (size_t step = 0; step < node->grid.count; step++) {
        view.now = plan_node_ref(node, step);
        TimeMs start = view.now - stepping.window;
        while (from < points->count && points->times[from] <= start) {
            from++;
        }
        to = to < from ? from : to;
        while (to < points->count && points->times[to] <= view.now) {
            to++;
        }
        view.values = points->values + from;
        view.times = points->times + from;
        view.count = to - from;
        view.prev_value = value_nan();
        view.prev_time = start - stepping.reach;
        if (from > 0 && from < points->count && points->times[from - 1] > view.prev_time) {
            view.prev_value = points->values[from - 1];
            view.prev_time = points->times[from - 1];
        }
        view.real_prev = from > 0 ? points->values[from - 1] : value_nan();
        view.real_next = to < points->count ? points->values[to] : value_nan();
        view.step = step;
        double value = fn(&view);
        out[step] = isnan(value) ? value_none() : value;
        call->worker->samples_seen += view.count;
        exec_count(call->worker->exec, call->node, step, view.count, view.count);
        looked_at += view.count;
        if (looked_at > ROLLUP_SAMPLES_AT_ONCE) {
            looked_at = 0;
            if (!exec_check(call->worker->exec, &call->worker->err)) {
                return;
            }
        }
    }
}

bool metricsql_column(const RollupCall *call, const FloatPoints *points, Column *column) {
    FloatPoints ready = prepare_points(&call->worker->scratch, call->id, points);
    roll(call, &ready, metricsql_rollup_fn(call->id), column->values);
    return column_any(column, call->node->grid.count);
}

/* ---- several series for one ---- */

bool metricsql_is_multi(FunctionId id) {
    switch (id) {
    case FUNC_AGGR_OVER_TIME:
    case FUNC_COUNT_VALUES_OVER_TIME:
    case FUNC_HISTOGRAM_OVER_TIME:
    case FUNC_QUANTILES_OVER_TIME:
    case FUNC_ROLLUP:
    case FUNC_ROLLUP_CANDLESTICK:
    case FUNC_ROLLUP_DELTA:
    case FUNC_ROLLUP_DERIV:
    case FUNC_ROLLUP_INCREASE:
    case FUNC_ROLLUP_RATE:
    case FUNC_ROLLUP_SCRAPE_INTERVAL:
        return true;
    default:
        return false;
    }
}

static bool check_part(const Expr *expr, Err *err) {
    static const char *const parts[] = {"min", "max", "avg", NULL};
    static const char *const candle[] = {"open", "close", "low", "high", NULL};
    bool is_candle = expr->call.function->id == FUNC_ROLLUP_CANDLESTICK;
    const char *const *known = is_candle ? candle : parts;
    Str asked = expr_unwrap(expr->call.args[1])->string;
    for (size_t i = 0; known[i]; i++) {
        if (str_eq(asked, str_of(known[i]))) {
            return true;
        }
    }
    return err_set(err, ERR_INVALID, "%s: unexpected second arg \"%.*s\"; want one of %s",
                   expr->call.function->name, STR_ARG(asked),
                   is_candle ? "\"open\", \"close\", \"low\", \"high\""
                             : "\"min\", \"max\", \"avg\"");
}

static bool check_aggregate(const Expr *name, Err *err) {
    const Function *function = name->kind == EXPR_STRING ? function_find(name->string, true) : NULL;
    bool plain = function && strcmp(function->args, "m") == 0; /* no numbers beside the window */
    if (plain && metricsql_rollup_fn(function->id)) {
        return true;
    }
    return name->kind == EXPR_STRING
               ? err_set(err, ERR_INVALID,
                         "aggr_over_time: no rollup function of a window alone: \"%.*s\"",
                         STR_ARG(name->string))
               : err_set(err, ERR_INVALID,
                         "aggr_over_time: the first arg must be a name or a list of names of "
                         "rollup functions");
}

bool metricsql_check_multi(const Expr *expr, Err *err) {
    const ExprCall *call = &expr->call;
    if (call->function->id != FUNC_AGGR_OVER_TIME) {
        bool parts = call->function->args[0] == 'm' && call->arg_count > 1;
        return !parts || check_part(expr, err);
    }
    const Expr *names = expr_unwrap(call->args[0]);
    if (names->kind != EXPR_CALL) {
        return check_aggregate(names, err);
    }
    for (size_t i = 0; i < names->call.arg_count; i++) {
        if (!check_aggregate(expr_unwrap(names->call.args[i]), err)) {
            return false;
        }
    }
    return true;
}

/* Candlesticks see the sample before the window as its first, and not what lies on its end. */
static size_t candle_count(const RollupView *view) {
    size_t count = view->count;
    while (count && view->times[count - 1] >= view->now) {
        count--;
    }
    return count;
}

static double candle_first(const RollupView *view) {
    return view->prev_time + view->window >= view->now ? view->prev_value : value_nan();
}

static double candle_open(const RollupView *view) {
    double value = candle_first(view);
    return !isnan(value) || candle_count(view) == 0 ? value : view->values[0];
}

static double candle_close(const RollupView *view) {
    size_t count = candle_count(view);
    return count ? view->values[count - 1] : candle_first(view);
}

static double candle_extreme(const RollupView *view, double sign) {
    double found = candle_first(view);
    for (size_t i = 0; i < candle_count(view); i++) {
        bool better = isnan(found) || sign * view->values[i] > sign * found;
        found = better ? view->values[i] : found;
    }
    return found;
}

static double candle_high(const RollupView *view) {
    return candle_extreme(view, 1);
}

static double candle_low(const RollupView *view) {
    return candle_extreme(view, -1);
}

typedef struct Part {
    const char *tag;
    RollupFn *fn;
} Part;

typedef struct MultiRun {
    Exec *exec;
    PlanNode *node;
    Arena *arena;
    RollupCall call;
    LabelSet labels; /* of the series at hand */
    bool drop_name;
    size_t cap;
} MultiRun;

static Column *add_column(MultiRun *run, Str name, Str value) {
    Frame *frame = &run->node->frame;
    if (frame->count == run->cap) {
        size_t cap = run->cap ? run->cap * 2 : 32;
        Column *columns = arena_array(run->arena, Column, cap);
        if (frame->count) {
            memcpy(columns, frame->columns, frame->count * sizeof *columns);
        }
        frame->columns = columns;
        run->cap = cap;
    }
    LabelSet labels = labels_copy(run->arena, run->labels);
    if (name.len) {
        labels = labels_with(run->arena, labels, name, arena_str(run->arena, value));
    }
    Column *column = &frame->columns[frame->count++];
    *column = (Column){.labels = labels,
                       .drop_name = run->drop_name,
                       .values = column_alloc(run->arena, run->node->grid.count)};
    return column;
}

static void add_part(MultiRun *run, const FloatPoints *points, Part part, Str tag_label) {
    Column *column = add_column(run, tag_label, str_of(part.tag));
    roll(&run->call, points, part.fn, column->values);
    run->node->frame.count -= !column_any(column, run->node->grid.count);
}

static void add_rollup_parts(MultiRun *run, const FloatPoints *points, Str asked) {
    static const Part spread[] = {{"min", NULL}, {"max", NULL}, {"avg", NULL}};
    static const FunctionId ids[] = {FUNC_MIN_OVER_TIME, FUNC_MAX_OVER_TIME, FUNC_AVG_OVER_TIME};
    static const Part candle[] = {
        {"open", candle_open}, {"close", candle_close}, {"low", candle_low}, {"high", candle_high}};
    bool is_candle = run->call.id == FUNC_ROLLUP_CANDLESTICK;
    size_t count = is_candle ? 4 : 3;
    for (size_t i = 0; i < count; i++) {
        Part part = is_candle ? candle[i] : spread[i];
        part.fn = is_candle ? part.fn : metricsql_rollup_fn(ids[i]);
        if (asked.len == 0 || str_eq(asked, str_of(part.tag))) {
            /* Asked for alone, min, max and avg carry no label. */
            bool plain = asked.len && !is_candle;
            add_part(run, points, part, plain ? STR("") : STR("rollup"));
        }
    }
}

static void add_aggregates(MultiRun *run, const FloatPoints *points) {
    const Expr *names = expr_unwrap(run->node->expr->call.args[0]);
    bool list = names->kind == EXPR_CALL; /* ("min_over_time", "max_over_time") */
    size_t count = list ? names->call.arg_count : 1;
    for (size_t i = 0; i < count; i++) {
        const Expr *name = list ? expr_unwrap(names->call.args[i]) : names;
        const Function *function =
            name->kind == EXPR_STRING ? function_find(name->string, true) : NULL;
        RollupFn *fn = function ? metricsql_rollup_fn(function->id) : NULL;
        if (!fn) {
            continue;
        }
        RollupCall call = run->call;
        run->call.id = function->id;
        FloatPoints ready = prepare_points(&call.worker->scratch, function->id, points);
        add_part(run, &ready, (Part){function->name, fn}, STR("rollup"));
        run->call = call;
    }
}

static double wanted_quantile(const RollupView *view) {
    double q = rollup_number(view->call, (size_t)view->call->window_arg, 0);
    double *copy = arena_raw(&view->call->worker->scratch, (view->count + 1) * sizeof *copy);
    memcpy(copy, view->values, view->count * sizeof *copy);
    return view->count ? quantile_of(q, copy, view->count) : value_nan();
}

/* quantiles_over_time("label", q1, q2, ..., window): `window_arg` of the call tells which q is at
 * hand. */
static void add_quantiles(MultiRun *run, const FloatPoints *points) {
    Str label = call_text(run->node, 0);
    RollupCall kept = run->call;
    for (size_t i = 1; i + 1 < run->node->arg_count; i++) {
        Buf text = {0};
        number_put_general(&text, exec_scalar(run->node->args[i], 0), GO_EXPONENT_MIN);
        Column *column = add_column(run, label, buf_view(&text));
        buf_finish(&text);
        run->call.window_arg = (int)i;
        roll(&run->call, points, wanted_quantile, column->values);
        run->node->frame.count -= !column_any(column, run->node->grid.count);
    }
    run->call = kept;
}

/* Counts one sample at each step whose window it is in, in the column for its text. */
static void count_sample(MultiRun *run, HashIndex *index, size_t first, Str label, Str text,
                         TimeMs time, DurationMs window) {
    bool is_new;
    size_t at = hash_index_add(index, hash128(text), &is_new);
    if (is_new) {
        add_column(run, label, text);
    }
    double *values = run->node->frame.columns[first + at].values;
    const PlanNode *node = run->node;
    TimeMs ahead = time - plan_node_ref(node, 0);
    size_t step =
        node->has_at || ahead <= 0 ? 0 : (size_t)((ahead + node->grid.step - 1) / node->grid.step);
    for (; step < node->grid.count && (node->has_at || time > plan_node_ref(node, step) - window);
         step++) {
        TimeMs end = plan_node_ref(run->node, step);
        if (time > end - window && time <= end) {
            values[step] = value_is_none(values[step]) ? 1 : values[step] + 1;
        }
    }
}

/* A window's values, counted by value. */
static void add_value_counts(MultiRun *run, const FloatPoints *points) {
    Stepping stepping = find_stepping(&run->call, points);
    HashIndex index = {.arena = &run->call.worker->scratch};
    size_t first = run->node->frame.count;
    for (size_t i = 0; i < points->count; i++) {
        Str text = mql_number_text(&run->call.worker->scratch, points->values[i]);
        count_sample(run, &index, first, call_text(run->node, 0), text, points->times[i],
                     stepping.window);
    }
}

/* ... by VictoriaMetrics' ranges of values. */
static void add_ranges(MultiRun *run, const FloatPoints *points) {
    Stepping stepping = find_stepping(&run->call, points);
    HashIndex index = {.arena = &run->call.worker->scratch};
    size_t first = run->node->frame.count;
    for (size_t i = 0; i < points->count; i++) {
        Str text = mql_vmrange(&run->call.worker->scratch, points->values[i]);
        if (text.len) {
            count_sample(run, &index, first, STR("vmrange"), text, points->times[i],
                         stepping.window);
        }
    }
}

static void add_series(MultiRun *run, const SeriesPoints *points) {
    FunctionId id = run->node->expr->call.function->id;
    Arena *scratch = &run->call.worker->scratch;
    run->labels = points->labels;
    run->call.metric = labels_get(points->labels, LABEL_METRIC_NAME);
    FloatPoints ready = prepare_points(scratch, id, &points->floats);
    switch (id) {
    case FUNC_AGGR_OVER_TIME:
        add_aggregates(run, &points->floats);
        return;
    case FUNC_QUANTILES_OVER_TIME:
        add_quantiles(run, &ready);
        return;
    case FUNC_COUNT_VALUES_OVER_TIME:
        add_value_counts(run, &ready);
        return;
    case FUNC_HISTOGRAM_OVER_TIME:
        add_ranges(run, &ready);
        return;
    default:
        add_rollup_parts(run, &ready, run->node->arg_count > 1 ? call_text(run->node, 1) : STR(""));
        return;
    }
}

static bool keeps_name(FunctionId id) {
    return id == FUNC_ROLLUP || id == FUNC_ROLLUP_CANDLESTICK || id == FUNC_QUANTILES_OVER_TIME;
}

bool run_metricsql_multi(Exec *exec, PlanNode *node, Err *err) {
    const ExprCall *expr = &node->expr->call;
    if (!exec_prepare_window(exec, node, err)) {
        return false;
    }
    Worker worker = {.exec = exec};
    FunctionId id = expr->function->id;
    MultiRun run = {.exec = exec,
                    .node = node,
                    .arena = frame_arena(&node->frame),
                    .drop_name = !expr->keep_metric_names && !keeps_name(id)};
    run.call =
        (RollupCall){.worker = &worker,
                     .node = node,
                     .id = id,
                     .window_arg = function_window_arg(expr->function, (int)expr->arg_count)};
    bool ok = true;
    size_t count = exec_series_count(node);
    for (size_t i = 0; ok && i < count; i++) {
        SeriesPoints points;
        arena_reset(&worker.scratch);
        if (rollup_points(&worker, node, i, &points)) {
            add_series(&run, &points);
            ok = exec_check(exec, err);
        }
    }
    mql_drop_empty(&node->frame, node->grid.count);
    arena_finish(&worker.scratch);
    arena_finish(&worker.note_arena);
    return ok && exec_charge_samples(exec, worker.samples_seen, err);
}
