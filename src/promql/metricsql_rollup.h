#pragma once

/*
 * MetricsQL's functions of a window.
 *
 * They differ from Prometheus' in what they look at: the sample before the window counts, where it
 * is near enough, so that rate() and increase() miss no step between windows and need no
 * extrapolation; a window that is not given is as wide as the step (or as the distance of samples,
 * where a function needs two). After VictoriaMetrics' documentation of MetricsQL.
 *
 * Some give several series for one (rollup: min, max and avg): those run over all series at once,
 * not streamed.
 */

#include "promql/range_functions.h"

/* Silence after which a series is taken to have begun anew. */
static const DurationMs metricsql_silence = 5 * MINUTE_MS;

/* What a function sees at one step. Missing values are NaN. */
typedef struct RollupView {
    const double *values;
    const TimeMs *times;
    size_t count;
    double prev_value; /* the sample before the window, if it is near */
    TimeMs prev_time;
    double real_prev; /* ... if it is there at all */
    double real_next; /* the sample after the window */
    TimeMs now;
    DurationMs window;
    size_t step;
    const RollupCall *call;
} RollupView;

/* NaN: no result. */
typedef double RollupFn(const RollupView *view);

/* NULL if `id` is none. */
RollupFn *metricsql_rollup_fn(FunctionId id);

/* How old a sample a plain selector still shows: on a graph a step or the usual distance of
 * samples, whichever is longer, and at most `lookback`; at one instant that. */
DurationMs metricsql_lookback(const Grid *grid, const TimeMs *times, size_t count,
                              DurationMs lookback);

/* Functions that give several series. */
bool metricsql_is_multi(FunctionId id);
/* Whether the texts of a call of such a function name what it has: rollup(x, "max"),
 * aggr_over_time("rate", x). */
bool metricsql_check_multi(const Expr *expr, Err *err) MUST_CHECK;
bool run_metricsql_multi(Exec *exec, PlanNode *node, Err *err) MUST_CHECK;

/* The column of one series whose samples are `points`; false: nothing. */
bool metricsql_column(const RollupCall *call, const FloatPoints *points, Column *column);
