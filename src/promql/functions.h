#pragma once

/*
 * The names of the language: functions and aggregations with what they take and give, by flavour.
 *
 * The parser looks names up here and checks calls against the row; the evaluator has a table of
 * bodies by the same ids. Where a name means the same kind of thing in both flavours it has one id
 * (the evaluator may still treat it differently by `Expr.flavour`: MetricsQL's rate() does not
 * extrapolate); where it takes other arguments it has a row for each.
 *
 * Prometheus: all of 3.x, experimental ones included. MetricsQL: the functions listed in
 * docs/promql.md.
 */

#include <stdbool.h>
#include <stdint.h>

#include "promql/value.h"

typedef enum FunctionId {
    /* Prometheus; most of them in MetricsQL too */
    FUNC_ABS,
    FUNC_ABSENT,
    FUNC_ABSENT_OVER_TIME,
    FUNC_ACOS,
    FUNC_ACOSH,
    FUNC_ASIN,
    FUNC_ASINH,
    FUNC_ATAN,
    FUNC_ATANH,
    FUNC_AVG_OVER_TIME,
    FUNC_CEIL,
    FUNC_CHANGES,
    FUNC_CLAMP,
    FUNC_CLAMP_MAX,
    FUNC_CLAMP_MIN,
    FUNC_COS,
    FUNC_COSH,
    FUNC_COUNT_OVER_TIME,
    FUNC_DAY_OF_MONTH,
    FUNC_DAY_OF_WEEK,
    FUNC_DAY_OF_YEAR,
    FUNC_DAYS_IN_MONTH,
    FUNC_DEG,
    FUNC_DELTA,
    FUNC_DERIV,
    FUNC_DOUBLE_EXPONENTIAL_SMOOTHING,
    FUNC_END,
    FUNC_EXP,
    FUNC_FIRST_OVER_TIME,
    FUNC_FLOOR,
    FUNC_HISTOGRAM_AVG,
    FUNC_HISTOGRAM_COUNT,
    FUNC_HISTOGRAM_FRACTION,
    FUNC_HISTOGRAM_QUANTILE,
    FUNC_HISTOGRAM_QUANTILES,
    FUNC_HISTOGRAM_STDDEV,
    FUNC_HISTOGRAM_STDVAR,
    FUNC_HISTOGRAM_SUM,
    FUNC_HOUR,
    FUNC_IDELTA,
    FUNC_INCREASE,
    FUNC_INFO,
    FUNC_IRATE,
    FUNC_LABEL_JOIN,
    FUNC_LABEL_REPLACE,
    FUNC_LAST_OVER_TIME,
    FUNC_LN,
    FUNC_LOG10,
    FUNC_LOG2,
    FUNC_MAD_OVER_TIME,
    FUNC_MAX_OF,
    FUNC_MAX_OVER_TIME,
    FUNC_MIN_OF,
    FUNC_MIN_OVER_TIME,
    FUNC_MINUTE,
    FUNC_MONTH,
    FUNC_PI,
    FUNC_PREDICT_LINEAR,
    FUNC_PRESENT_OVER_TIME,
    FUNC_QUANTILE_OVER_TIME,
    FUNC_RAD,
    FUNC_RANGE,
    FUNC_RATE,
    FUNC_RESETS,
    FUNC_ROUND,
    FUNC_SCALAR,
    FUNC_SGN,
    FUNC_SIN,
    FUNC_SINH,
    FUNC_SORT,
    FUNC_SORT_BY_LABEL,
    FUNC_SORT_BY_LABEL_DESC,
    FUNC_SORT_DESC,
    FUNC_SQRT,
    FUNC_START,
    FUNC_START_TIMESTAMP,
    FUNC_STDDEV_OVER_TIME,
    FUNC_STDVAR_OVER_TIME,
    FUNC_STEP,
    FUNC_SUM_OVER_TIME,
    FUNC_TAN,
    FUNC_TANH,
    FUNC_TIME,
    FUNC_TIMESTAMP,
    FUNC_TS_OF_FIRST_OVER_TIME,
    FUNC_TS_OF_LAST_OVER_TIME,
    FUNC_TS_OF_MAX_OVER_TIME,
    FUNC_TS_OF_MIN_OVER_TIME,
    FUNC_VECTOR,
    FUNC_YEAR,
    /* MetricsQL: over a window of one series */
    FUNC_AGGR_OVER_TIME,
    FUNC_ASCENT_OVER_TIME,
    FUNC_CHANGES_PROMETHEUS,
    FUNC_COUNT_EQ_OVER_TIME,
    FUNC_COUNT_GT_OVER_TIME,
    FUNC_COUNT_LE_OVER_TIME,
    FUNC_COUNT_NE_OVER_TIME,
    FUNC_COUNT_VALUES_OVER_TIME,
    FUNC_DECREASES_OVER_TIME,
    FUNC_DEFAULT_ROLLUP,
    FUNC_DELTA_PROMETHEUS,
    FUNC_DERIV_FAST,
    FUNC_DESCENT_OVER_TIME,
    FUNC_DISTINCT_OVER_TIME,
    FUNC_DURATION_OVER_TIME,
    FUNC_GEOMEAN_OVER_TIME,
    FUNC_HISTOGRAM_OVER_TIME,
    FUNC_HOEFFDING_BOUND_LOWER,
    FUNC_HOEFFDING_BOUND_UPPER,
    FUNC_HOLT_WINTERS,
    FUNC_IDERIV,
    FUNC_INCREASE_PROMETHEUS,
    FUNC_INCREASE_PURE,
    FUNC_INCREASES_OVER_TIME,
    FUNC_INTEGRATE,
    FUNC_IQR_OVER_TIME,
    FUNC_LAG,
    FUNC_LIFETIME,
    FUNC_MEDIAN_OVER_TIME,
    FUNC_MODE_OVER_TIME,
    FUNC_OUTLIER_IQR_OVER_TIME,
    FUNC_QUANTILES_OVER_TIME,
    FUNC_RANGE_OVER_TIME,
    FUNC_RATE_OVER_SUM,
    FUNC_RATE_PROMETHEUS,
    FUNC_ROLLUP,
    FUNC_ROLLUP_CANDLESTICK,
    FUNC_ROLLUP_DELTA,
    FUNC_ROLLUP_DERIV,
    FUNC_ROLLUP_INCREASE,
    FUNC_ROLLUP_RATE,
    FUNC_ROLLUP_SCRAPE_INTERVAL,
    FUNC_SCRAPE_INTERVAL,
    FUNC_SHARE_EQ_OVER_TIME,
    FUNC_SHARE_GT_OVER_TIME,
    FUNC_SHARE_LE_OVER_TIME,
    FUNC_STALE_SAMPLES_OVER_TIME,
    FUNC_SUM2_OVER_TIME,
    FUNC_SUM_EQ_OVER_TIME,
    FUNC_SUM_GT_OVER_TIME,
    FUNC_SUM_LE_OVER_TIME,
    FUNC_TFIRST_OVER_TIME,
    FUNC_TIMESTAMP_WITH_NAME,
    FUNC_TLAST_CHANGE_OVER_TIME,
    FUNC_TLAST_OVER_TIME,
    FUNC_TMAX_OVER_TIME,
    FUNC_TMIN_OVER_TIME,
    FUNC_ZSCORE_OVER_TIME,
    /* MetricsQL: over values, labels and whole graphs */
    FUNC_BITMAP_AND,
    FUNC_BITMAP_OR,
    FUNC_BITMAP_XOR,
    FUNC_BUCKETS_LIMIT,
    FUNC_DROP_COMMON_LABELS,
    FUNC_DROP_EMPTY_SERIES,
    FUNC_HISTOGRAM_SHARE,
    FUNC_INTERPOLATE,
    FUNC_KEEP_LAST_VALUE,
    FUNC_KEEP_NEXT_VALUE,
    FUNC_LABEL_COPY,
    FUNC_LABEL_DEL,
    FUNC_LABEL_GRAPHITE_GROUP,
    FUNC_LABEL_KEEP,
    FUNC_LABEL_LOWERCASE,
    FUNC_LABEL_MAP,
    FUNC_LABEL_MATCH,
    FUNC_LABEL_MISMATCH,
    FUNC_LABEL_MOVE,
    FUNC_LABEL_SET,
    FUNC_LABEL_TRANSFORM,
    FUNC_LABEL_UPPERCASE,
    FUNC_LABEL_VALUE,
    FUNC_LABELS_EQUAL,
    FUNC_LIMIT_OFFSET,
    FUNC_NOW,
    FUNC_PROMETHEUS_BUCKETS,
    FUNC_RAND,
    FUNC_RAND_EXPONENTIAL,
    FUNC_RAND_NORMAL,
    FUNC_RANGE_AVG,
    FUNC_RANGE_FIRST,
    FUNC_RANGE_LAST,
    FUNC_RANGE_LINEAR_REGRESSION,
    FUNC_RANGE_MAD,
    FUNC_RANGE_MAX,
    FUNC_RANGE_MIN,
    FUNC_RANGE_NORMALIZE,
    FUNC_RANGE_QUANTILE,
    FUNC_RANGE_STDDEV,
    FUNC_RANGE_STDVAR,
    FUNC_RANGE_SUM,
    FUNC_RANGE_TRIM_OUTLIERS,
    FUNC_RANGE_TRIM_SPIKES,
    FUNC_RANGE_TRIM_ZSCORE,
    FUNC_RANGE_ZSCORE,
    FUNC_REMOVE_RESETS,
    FUNC_RUNNING_AVG,
    FUNC_RUNNING_MAX,
    FUNC_RUNNING_MIN,
    FUNC_RUNNING_SUM,
    FUNC_SMOOTH_EXPONENTIAL,
    FUNC_SORT_BY_LABEL_NUMERIC,
    FUNC_SORT_BY_LABEL_NUMERIC_DESC,
    FUNC_TIMEZONE_OFFSET,
    FUNC_UNION,
    FUNC_COUNT,
} FunctionId;

/* What flavours a row belongs to: a set of bits. */
typedef enum FunctionFlavours {
    IN_PROMETHEUS = 1,
    IN_METRICSQL = 2,
    IN_BOTH = 3,
} FunctionFlavours;

typedef struct Function {
    const char *name;
    FunctionId id;
    FunctionFlavours flavours;
    ValueType returns;
    /* 0: exactly the listed arguments. n > 0: the last listed is optional and may stand up to n
     * times. -1: any number of it, none included. (MetricsQL's *quantiles* functions, whose last is
     * the vector, repeat the one before.) */
    int variadic;
    /* A letter each: v instant vector, m window, s scalar, t text. A window is a range selector or
     * subquery, and in MetricsQL any expression (its window is implicit). For MetricsQL the others
     * only say what is meant: a vector of one series does for a scalar. */
    const char *args;
} Function;

/* NULL if there is none. MetricsQL names are found in any case. */
const Function *function_find(Str name, bool metricsql);

/* Of the listed arguments, and the type of the one at `index` (the last listed, for those beyond).
 */
int function_arg_count(const Function *function);
ValueType function_arg_type(const Function *function, int index);

/* Index of the window argument among `arg_count` given ones; -1 if the function has none. */
int function_window_arg(const Function *function, int arg_count);

/* The known name nearest to a misspelt one, or NULL. */
const char *function_suggest(Str name, bool metricsql);

/* What Prometheus marks as experimental. */
bool function_is_experimental(const Function *function);

typedef enum AggregateId {
    AGGREGATE_AVG,
    AGGREGATE_BOTTOMK,
    AGGREGATE_COUNT,
    AGGREGATE_COUNT_VALUES,
    AGGREGATE_GROUP,
    AGGREGATE_LIMIT_RATIO,
    AGGREGATE_LIMITK,
    AGGREGATE_MAX,
    AGGREGATE_MIN,
    AGGREGATE_QUANTILE,
    AGGREGATE_STDDEV,
    AGGREGATE_STDVAR,
    AGGREGATE_SUM,
    AGGREGATE_TOPK,
    /* MetricsQL */
    AGGREGATE_ANY,
    AGGREGATE_BOTTOMK_AVG,
    AGGREGATE_BOTTOMK_LAST,
    AGGREGATE_BOTTOMK_MAX,
    AGGREGATE_BOTTOMK_MEDIAN,
    AGGREGATE_BOTTOMK_MIN,
    AGGREGATE_DISTINCT,
    AGGREGATE_GEOMEAN,
    AGGREGATE_HISTOGRAM,
    AGGREGATE_MAD,
    AGGREGATE_MEDIAN,
    AGGREGATE_MODE,
    AGGREGATE_OUTLIERS_IQR,
    AGGREGATE_OUTLIERS_MAD,
    AGGREGATE_OUTLIERSK,
    AGGREGATE_QUANTILES,
    AGGREGATE_SHARE,
    AGGREGATE_SUM2,
    AGGREGATE_TOPK_AVG,
    AGGREGATE_TOPK_LAST,
    AGGREGATE_TOPK_MAX,
    AGGREGATE_TOPK_MEDIAN,
    AGGREGATE_TOPK_MIN,
    AGGREGATE_ZSCORE,
    AGGREGATE_ID_COUNT,
} AggregateId;

typedef enum AggregateParam {
    PARAM_NONE,
    PARAM_SCALAR, /* before the vector: topk(3, x) */
    PARAM_STRING, /* count_values("label", x) */
    PARAM_MANY,   /* MetricsQL: quantiles("phi", 0.5, 0.9, x) */
} AggregateParam;

typedef struct Aggregate {
    const char *name;
    AggregateId id;
    FunctionFlavours flavours;
    AggregateParam param;
} Aggregate;

/* MetricsQL's aggregations that give series in order: topk, topk_max, outliersk... */
bool aggregate_is_ranking(AggregateId id);

/* Both in any case, as both languages have it. */
const Aggregate *aggregate_find(Str name, bool metricsql);
