/* The tables of functions and aggregations. */

#include "promql/functions.h"

#include <assert.h>
#include <strings.h>

#include "promql/ast.h"

/* Argument letters: v instant vector, m window, s scalar, t text. */
static const Function functions[] = {
    /* name, id, flavours, returns, variadic, arguments */
    {"abs", FUNC_ABS, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"absent", FUNC_ABSENT, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"absent_over_time", FUNC_ABSENT_OVER_TIME, IN_BOTH, VALUE_VECTOR, 0, "m"},
    {"acos", FUNC_ACOS, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"acosh", FUNC_ACOSH, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"asin", FUNC_ASIN, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"asinh", FUNC_ASINH, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"atan", FUNC_ATAN, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"atanh", FUNC_ATANH, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"avg_over_time", FUNC_AVG_OVER_TIME, IN_BOTH, VALUE_VECTOR, 0, "m"},
    {"ceil", FUNC_CEIL, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"changes", FUNC_CHANGES, IN_BOTH, VALUE_VECTOR, 0, "m"},
    {"clamp", FUNC_CLAMP, IN_PROMETHEUS, VALUE_VECTOR, 0, "vss"},
    {"clamp_max", FUNC_CLAMP_MAX, IN_BOTH, VALUE_VECTOR, 0, "vs"},
    {"clamp_min", FUNC_CLAMP_MIN, IN_BOTH, VALUE_VECTOR, 0, "vs"},
    {"cos", FUNC_COS, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"cosh", FUNC_COSH, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"count_over_time", FUNC_COUNT_OVER_TIME, IN_BOTH, VALUE_VECTOR, 0, "m"},
    {"day_of_month", FUNC_DAY_OF_MONTH, IN_BOTH, VALUE_VECTOR, 1, "v"},
    {"day_of_week", FUNC_DAY_OF_WEEK, IN_BOTH, VALUE_VECTOR, 1, "v"},
    {"day_of_year", FUNC_DAY_OF_YEAR, IN_BOTH, VALUE_VECTOR, 1, "v"},
    {"days_in_month", FUNC_DAYS_IN_MONTH, IN_BOTH, VALUE_VECTOR, 1, "v"},
    {"deg", FUNC_DEG, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"delta", FUNC_DELTA, IN_BOTH, VALUE_VECTOR, 0, "m"},
    {"deriv", FUNC_DERIV, IN_BOTH, VALUE_VECTOR, 0, "m"},
    {"double_exponential_smoothing", FUNC_DOUBLE_EXPONENTIAL_SMOOTHING, IN_PROMETHEUS, VALUE_VECTOR,
     0, "mss"},
    {"end", FUNC_END, IN_BOTH, VALUE_SCALAR, 0, ""},
    {"exp", FUNC_EXP, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"first_over_time", FUNC_FIRST_OVER_TIME, IN_BOTH, VALUE_VECTOR, 0, "m"},
    {"floor", FUNC_FLOOR, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"histogram_avg", FUNC_HISTOGRAM_AVG, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"histogram_count", FUNC_HISTOGRAM_COUNT, IN_PROMETHEUS, VALUE_VECTOR, 0, "v"},
    {"histogram_fraction", FUNC_HISTOGRAM_FRACTION, IN_PROMETHEUS, VALUE_VECTOR, 0, "ssv"},
    {"histogram_quantile", FUNC_HISTOGRAM_QUANTILE, IN_PROMETHEUS, VALUE_VECTOR, 0, "sv"},
    {"histogram_quantiles", FUNC_HISTOGRAM_QUANTILES, IN_PROMETHEUS, VALUE_VECTOR, 9, "vtss"},
    {"histogram_stddev", FUNC_HISTOGRAM_STDDEV, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"histogram_stdvar", FUNC_HISTOGRAM_STDVAR, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"histogram_sum", FUNC_HISTOGRAM_SUM, IN_PROMETHEUS, VALUE_VECTOR, 0, "v"},
    {"hour", FUNC_HOUR, IN_BOTH, VALUE_VECTOR, 1, "v"},
    {"idelta", FUNC_IDELTA, IN_BOTH, VALUE_VECTOR, 0, "m"},
    {"increase", FUNC_INCREASE, IN_BOTH, VALUE_VECTOR, 0, "m"},
    {"info", FUNC_INFO, IN_PROMETHEUS, VALUE_VECTOR, 1, "vv"},
    {"irate", FUNC_IRATE, IN_BOTH, VALUE_VECTOR, 0, "m"},
    {"label_join", FUNC_LABEL_JOIN, IN_PROMETHEUS, VALUE_VECTOR, -1, "vttt"},
    {"label_replace", FUNC_LABEL_REPLACE, IN_BOTH, VALUE_VECTOR, 0, "vtttt"},
    {"last_over_time", FUNC_LAST_OVER_TIME, IN_BOTH, VALUE_VECTOR, 0, "m"},
    {"ln", FUNC_LN, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"log10", FUNC_LOG10, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"log2", FUNC_LOG2, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"mad_over_time", FUNC_MAD_OVER_TIME, IN_BOTH, VALUE_VECTOR, 0, "m"},
    {"max_of", FUNC_MAX_OF, IN_PROMETHEUS, VALUE_SCALAR, 0, "ss"},
    {"max_over_time", FUNC_MAX_OVER_TIME, IN_BOTH, VALUE_VECTOR, 0, "m"},
    {"min_of", FUNC_MIN_OF, IN_PROMETHEUS, VALUE_SCALAR, 0, "ss"},
    {"min_over_time", FUNC_MIN_OVER_TIME, IN_BOTH, VALUE_VECTOR, 0, "m"},
    {"minute", FUNC_MINUTE, IN_BOTH, VALUE_VECTOR, 1, "v"},
    {"month", FUNC_MONTH, IN_BOTH, VALUE_VECTOR, 1, "v"},
    {"pi", FUNC_PI, IN_BOTH, VALUE_SCALAR, 0, ""},
    {"predict_linear", FUNC_PREDICT_LINEAR, IN_BOTH, VALUE_VECTOR, 0, "ms"},
    {"present_over_time", FUNC_PRESENT_OVER_TIME, IN_BOTH, VALUE_VECTOR, 0, "m"},
    {"quantile_over_time", FUNC_QUANTILE_OVER_TIME, IN_BOTH, VALUE_VECTOR, 0, "sm"},
    {"rad", FUNC_RAD, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"range", FUNC_RANGE, IN_PROMETHEUS, VALUE_SCALAR, 0, ""},
    {"rate", FUNC_RATE, IN_BOTH, VALUE_VECTOR, 0, "m"},
    {"resets", FUNC_RESETS, IN_BOTH, VALUE_VECTOR, 0, "m"},
    {"round", FUNC_ROUND, IN_BOTH, VALUE_VECTOR, 1, "vs"},
    {"scalar", FUNC_SCALAR, IN_BOTH, VALUE_SCALAR, 0, "v"},
    {"sgn", FUNC_SGN, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"sin", FUNC_SIN, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"sinh", FUNC_SINH, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"sort", FUNC_SORT, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"sort_by_label", FUNC_SORT_BY_LABEL, IN_BOTH, VALUE_VECTOR, -1, "vt"},
    {"sort_by_label_desc", FUNC_SORT_BY_LABEL_DESC, IN_BOTH, VALUE_VECTOR, -1, "vt"},
    {"sort_desc", FUNC_SORT_DESC, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"sqrt", FUNC_SQRT, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"start", FUNC_START, IN_BOTH, VALUE_SCALAR, 0, ""},
    {"start_timestamp", FUNC_START_TIMESTAMP, IN_PROMETHEUS, VALUE_VECTOR, 0, "v"},
    {"stddev_over_time", FUNC_STDDEV_OVER_TIME, IN_BOTH, VALUE_VECTOR, 0, "m"},
    {"stdvar_over_time", FUNC_STDVAR_OVER_TIME, IN_BOTH, VALUE_VECTOR, 0, "m"},
    {"step", FUNC_STEP, IN_BOTH, VALUE_SCALAR, 0, ""},
    {"sum_over_time", FUNC_SUM_OVER_TIME, IN_BOTH, VALUE_VECTOR, 0, "m"},
    {"tan", FUNC_TAN, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"tanh", FUNC_TANH, IN_BOTH, VALUE_VECTOR, 0, "v"},
    {"time", FUNC_TIME, IN_BOTH, VALUE_SCALAR, 0, ""},
    {"timestamp", FUNC_TIMESTAMP, IN_PROMETHEUS, VALUE_VECTOR, 0, "v"},
    {"ts_of_first_over_time", FUNC_TS_OF_FIRST_OVER_TIME, IN_PROMETHEUS, VALUE_VECTOR, 0, "m"},
    {"ts_of_last_over_time", FUNC_TS_OF_LAST_OVER_TIME, IN_PROMETHEUS, VALUE_VECTOR, 0, "m"},
    {"ts_of_max_over_time", FUNC_TS_OF_MAX_OVER_TIME, IN_PROMETHEUS, VALUE_VECTOR, 0, "m"},
    {"ts_of_min_over_time", FUNC_TS_OF_MIN_OVER_TIME, IN_PROMETHEUS, VALUE_VECTOR, 0, "m"},
    {"vector", FUNC_VECTOR, IN_PROMETHEUS, VALUE_VECTOR, 0, "s"},
    {"year", FUNC_YEAR, IN_BOTH, VALUE_VECTOR, 1, "v"},

    /* over a window of one series */
    {"aggr_over_time", FUNC_AGGR_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "tm"},
    {"ascent_over_time", FUNC_ASCENT_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"changes_prometheus", FUNC_CHANGES_PROMETHEUS, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"count_eq_over_time", FUNC_COUNT_EQ_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "ms"},
    {"count_gt_over_time", FUNC_COUNT_GT_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "ms"},
    {"count_le_over_time", FUNC_COUNT_LE_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "ms"},
    {"count_ne_over_time", FUNC_COUNT_NE_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "ms"},
    {"count_values_over_time", FUNC_COUNT_VALUES_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "tm"},
    {"decreases_over_time", FUNC_DECREASES_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"default_rollup", FUNC_DEFAULT_ROLLUP, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"delta_prometheus", FUNC_DELTA_PROMETHEUS, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"deriv_fast", FUNC_DERIV_FAST, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"descent_over_time", FUNC_DESCENT_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"distinct_over_time", FUNC_DISTINCT_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"duration_over_time", FUNC_DURATION_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 1, "ms"},
    {"geomean_over_time", FUNC_GEOMEAN_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"histogram_over_time", FUNC_HISTOGRAM_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"hoeffding_bound_lower", FUNC_HOEFFDING_BOUND_LOWER, IN_METRICSQL, VALUE_VECTOR, 0, "sm"},
    {"hoeffding_bound_upper", FUNC_HOEFFDING_BOUND_UPPER, IN_METRICSQL, VALUE_VECTOR, 0, "sm"},
    {"holt_winters", FUNC_HOLT_WINTERS, IN_METRICSQL, VALUE_VECTOR, 0, "mss"},
    {"ideriv", FUNC_IDERIV, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"increase_prometheus", FUNC_INCREASE_PROMETHEUS, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"increase_pure", FUNC_INCREASE_PURE, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"increases_over_time", FUNC_INCREASES_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"integrate", FUNC_INTEGRATE, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"iqr_over_time", FUNC_IQR_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"lag", FUNC_LAG, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"lifetime", FUNC_LIFETIME, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"median_over_time", FUNC_MEDIAN_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"mode_over_time", FUNC_MODE_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"outlier_iqr_over_time", FUNC_OUTLIER_IQR_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"quantiles_over_time", FUNC_QUANTILES_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, -1, "tsm"},
    {"range_over_time", FUNC_RANGE_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"rate_over_sum", FUNC_RATE_OVER_SUM, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"rate_prometheus", FUNC_RATE_PROMETHEUS, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"rollup", FUNC_ROLLUP, IN_METRICSQL, VALUE_VECTOR, 1, "mt"},
    {"rollup_candlestick", FUNC_ROLLUP_CANDLESTICK, IN_METRICSQL, VALUE_VECTOR, 1, "mt"},
    {"rollup_delta", FUNC_ROLLUP_DELTA, IN_METRICSQL, VALUE_VECTOR, 1, "mt"},
    {"rollup_deriv", FUNC_ROLLUP_DERIV, IN_METRICSQL, VALUE_VECTOR, 1, "mt"},
    {"rollup_increase", FUNC_ROLLUP_INCREASE, IN_METRICSQL, VALUE_VECTOR, 1, "mt"},
    {"rollup_rate", FUNC_ROLLUP_RATE, IN_METRICSQL, VALUE_VECTOR, 1, "mt"},
    {"rollup_scrape_interval", FUNC_ROLLUP_SCRAPE_INTERVAL, IN_METRICSQL, VALUE_VECTOR, 1, "mt"},
    {"scrape_interval", FUNC_SCRAPE_INTERVAL, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"share_eq_over_time", FUNC_SHARE_EQ_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "ms"},
    {"share_gt_over_time", FUNC_SHARE_GT_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "ms"},
    {"share_le_over_time", FUNC_SHARE_LE_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "ms"},
    {"stale_samples_over_time", FUNC_STALE_SAMPLES_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"sum2_over_time", FUNC_SUM2_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"sum_eq_over_time", FUNC_SUM_EQ_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "ms"},
    {"sum_gt_over_time", FUNC_SUM_GT_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "ms"},
    {"sum_le_over_time", FUNC_SUM_LE_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "ms"},
    {"tfirst_over_time", FUNC_TFIRST_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"timestamp", FUNC_TIMESTAMP, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"timestamp_with_name", FUNC_TIMESTAMP_WITH_NAME, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"tlast_change_over_time", FUNC_TLAST_CHANGE_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"tlast_over_time", FUNC_TLAST_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"tmax_over_time", FUNC_TMAX_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"tmin_over_time", FUNC_TMIN_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "m"},
    {"zscore_over_time", FUNC_ZSCORE_OVER_TIME, IN_METRICSQL, VALUE_VECTOR, 0, "m"},

    /* over values, labels and whole graphs */
    {"bitmap_and", FUNC_BITMAP_AND, IN_METRICSQL, VALUE_VECTOR, 0, "vs"},
    {"bitmap_or", FUNC_BITMAP_OR, IN_METRICSQL, VALUE_VECTOR, 0, "vs"},
    {"bitmap_xor", FUNC_BITMAP_XOR, IN_METRICSQL, VALUE_VECTOR, 0, "vs"},
    {"buckets_limit", FUNC_BUCKETS_LIMIT, IN_METRICSQL, VALUE_VECTOR, 0, "sv"},
    {"clamp", FUNC_CLAMP, IN_METRICSQL, VALUE_VECTOR, 0, "vss"},
    {"drop_common_labels", FUNC_DROP_COMMON_LABELS, IN_METRICSQL, VALUE_VECTOR, -1, "v"},
    {"drop_empty_series", FUNC_DROP_EMPTY_SERIES, IN_METRICSQL, VALUE_VECTOR, 0, "v"},
    {"histogram_quantile", FUNC_HISTOGRAM_QUANTILE, IN_METRICSQL, VALUE_VECTOR, 1, "svt"},
    {"histogram_fraction", FUNC_HISTOGRAM_FRACTION, IN_METRICSQL, VALUE_VECTOR, 0, "ssv"},
    {"histogram_quantiles", FUNC_HISTOGRAM_QUANTILES, IN_METRICSQL, VALUE_VECTOR, -1, "tsv"},
    {"histogram_share", FUNC_HISTOGRAM_SHARE, IN_METRICSQL, VALUE_VECTOR, 1, "svt"},
    {"interpolate", FUNC_INTERPOLATE, IN_METRICSQL, VALUE_VECTOR, 0, "v"},
    {"keep_last_value", FUNC_KEEP_LAST_VALUE, IN_METRICSQL, VALUE_VECTOR, 0, "v"},
    {"keep_next_value", FUNC_KEEP_NEXT_VALUE, IN_METRICSQL, VALUE_VECTOR, 0, "v"},
    {"label_copy", FUNC_LABEL_COPY, IN_METRICSQL, VALUE_VECTOR, -1, "vt"},
    {"label_del", FUNC_LABEL_DEL, IN_METRICSQL, VALUE_VECTOR, -1, "vt"},
    {"label_graphite_group", FUNC_LABEL_GRAPHITE_GROUP, IN_METRICSQL, VALUE_VECTOR, -1, "vs"},
    {"label_join", FUNC_LABEL_JOIN, IN_METRICSQL, VALUE_VECTOR, -1, "vttt"},
    {"label_keep", FUNC_LABEL_KEEP, IN_METRICSQL, VALUE_VECTOR, -1, "vt"},
    {"label_lowercase", FUNC_LABEL_LOWERCASE, IN_METRICSQL, VALUE_VECTOR, -1, "vt"},
    {"label_map", FUNC_LABEL_MAP, IN_METRICSQL, VALUE_VECTOR, -1, "vtt"},
    {"label_match", FUNC_LABEL_MATCH, IN_METRICSQL, VALUE_VECTOR, 0, "vtt"},
    {"label_mismatch", FUNC_LABEL_MISMATCH, IN_METRICSQL, VALUE_VECTOR, 0, "vtt"},
    {"label_move", FUNC_LABEL_MOVE, IN_METRICSQL, VALUE_VECTOR, -1, "vt"},
    {"label_set", FUNC_LABEL_SET, IN_METRICSQL, VALUE_VECTOR, -1, "vt"},
    {"label_transform", FUNC_LABEL_TRANSFORM, IN_METRICSQL, VALUE_VECTOR, 0, "vttt"},
    {"label_uppercase", FUNC_LABEL_UPPERCASE, IN_METRICSQL, VALUE_VECTOR, -1, "vt"},
    {"label_value", FUNC_LABEL_VALUE, IN_METRICSQL, VALUE_VECTOR, 0, "vt"},
    {"labels_equal", FUNC_LABELS_EQUAL, IN_METRICSQL, VALUE_VECTOR, -1, "vt"},
    {"limit_offset", FUNC_LIMIT_OFFSET, IN_METRICSQL, VALUE_VECTOR, 0, "ssv"},
    {"now", FUNC_NOW, IN_METRICSQL, VALUE_SCALAR, 0, ""},
    {"prometheus_buckets", FUNC_PROMETHEUS_BUCKETS, IN_METRICSQL, VALUE_VECTOR, 0, "v"},
    {"rand", FUNC_RAND, IN_METRICSQL, VALUE_SCALAR, 1, "s"},
    {"rand_exponential", FUNC_RAND_EXPONENTIAL, IN_METRICSQL, VALUE_SCALAR, 1, "s"},
    {"rand_normal", FUNC_RAND_NORMAL, IN_METRICSQL, VALUE_SCALAR, 1, "s"},
    {"range_avg", FUNC_RANGE_AVG, IN_METRICSQL, VALUE_VECTOR, 0, "v"},
    {"range_first", FUNC_RANGE_FIRST, IN_METRICSQL, VALUE_VECTOR, 0, "v"},
    {"range_last", FUNC_RANGE_LAST, IN_METRICSQL, VALUE_VECTOR, 0, "v"},
    {"range_linear_regression", FUNC_RANGE_LINEAR_REGRESSION, IN_METRICSQL, VALUE_VECTOR, 0, "v"},
    {"range_mad", FUNC_RANGE_MAD, IN_METRICSQL, VALUE_VECTOR, 0, "v"},
    {"range_max", FUNC_RANGE_MAX, IN_METRICSQL, VALUE_VECTOR, 0, "v"},
    {"range_min", FUNC_RANGE_MIN, IN_METRICSQL, VALUE_VECTOR, 0, "v"},
    {"range_normalize", FUNC_RANGE_NORMALIZE, IN_METRICSQL, VALUE_VECTOR, -1, "v"},
    {"range_quantile", FUNC_RANGE_QUANTILE, IN_METRICSQL, VALUE_VECTOR, 0, "sv"},
    {"range_stddev", FUNC_RANGE_STDDEV, IN_METRICSQL, VALUE_VECTOR, 0, "v"},
    {"range_stdvar", FUNC_RANGE_STDVAR, IN_METRICSQL, VALUE_VECTOR, 0, "v"},
    {"range_sum", FUNC_RANGE_SUM, IN_METRICSQL, VALUE_VECTOR, 0, "v"},
    {"range_trim_outliers", FUNC_RANGE_TRIM_OUTLIERS, IN_METRICSQL, VALUE_VECTOR, 0, "sv"},
    {"range_trim_spikes", FUNC_RANGE_TRIM_SPIKES, IN_METRICSQL, VALUE_VECTOR, 0, "sv"},
    {"range_trim_zscore", FUNC_RANGE_TRIM_ZSCORE, IN_METRICSQL, VALUE_VECTOR, 0, "sv"},
    {"range_zscore", FUNC_RANGE_ZSCORE, IN_METRICSQL, VALUE_VECTOR, 0, "v"},
    {"remove_resets", FUNC_REMOVE_RESETS, IN_METRICSQL, VALUE_VECTOR, 0, "v"},
    {"running_avg", FUNC_RUNNING_AVG, IN_METRICSQL, VALUE_VECTOR, 0, "v"},
    {"running_max", FUNC_RUNNING_MAX, IN_METRICSQL, VALUE_VECTOR, 0, "v"},
    {"running_min", FUNC_RUNNING_MIN, IN_METRICSQL, VALUE_VECTOR, 0, "v"},
    {"running_sum", FUNC_RUNNING_SUM, IN_METRICSQL, VALUE_VECTOR, 0, "v"},
    {"smooth_exponential", FUNC_SMOOTH_EXPONENTIAL, IN_METRICSQL, VALUE_VECTOR, 0, "vs"},
    {"sort_by_label_numeric", FUNC_SORT_BY_LABEL_NUMERIC, IN_METRICSQL, VALUE_VECTOR, -1, "vt"},
    {"sort_by_label_numeric_desc", FUNC_SORT_BY_LABEL_NUMERIC_DESC, IN_METRICSQL, VALUE_VECTOR, -1,
     "vt"},
    {"timezone_offset", FUNC_TIMEZONE_OFFSET, IN_METRICSQL, VALUE_SCALAR, 0, "t"},
    {"union", FUNC_UNION, IN_METRICSQL, VALUE_VECTOR, -1, "v"},
    {"vector", FUNC_VECTOR, IN_METRICSQL, VALUE_VECTOR, 0, "v"},
};

static const Aggregate aggregates[] = {
    {"avg", AGGREGATE_AVG, IN_BOTH, PARAM_NONE},
    {"bottomk", AGGREGATE_BOTTOMK, IN_BOTH, PARAM_SCALAR},
    {"count", AGGREGATE_COUNT, IN_BOTH, PARAM_NONE},
    {"count_values", AGGREGATE_COUNT_VALUES, IN_BOTH, PARAM_STRING},
    {"group", AGGREGATE_GROUP, IN_BOTH, PARAM_NONE},
    {"limit_ratio", AGGREGATE_LIMIT_RATIO, IN_PROMETHEUS, PARAM_SCALAR},
    {"limitk", AGGREGATE_LIMITK, IN_BOTH, PARAM_SCALAR},
    {"max", AGGREGATE_MAX, IN_BOTH, PARAM_NONE},
    {"min", AGGREGATE_MIN, IN_BOTH, PARAM_NONE},
    {"quantile", AGGREGATE_QUANTILE, IN_BOTH, PARAM_SCALAR},
    {"stddev", AGGREGATE_STDDEV, IN_BOTH, PARAM_NONE},
    {"stdvar", AGGREGATE_STDVAR, IN_BOTH, PARAM_NONE},
    {"sum", AGGREGATE_SUM, IN_BOTH, PARAM_NONE},
    {"topk", AGGREGATE_TOPK, IN_BOTH, PARAM_SCALAR},

    {"any", AGGREGATE_ANY, IN_METRICSQL, PARAM_NONE},
    {"bottomk_avg", AGGREGATE_BOTTOMK_AVG, IN_METRICSQL, PARAM_SCALAR},
    {"bottomk_last", AGGREGATE_BOTTOMK_LAST, IN_METRICSQL, PARAM_SCALAR},
    {"bottomk_max", AGGREGATE_BOTTOMK_MAX, IN_METRICSQL, PARAM_SCALAR},
    {"bottomk_median", AGGREGATE_BOTTOMK_MEDIAN, IN_METRICSQL, PARAM_SCALAR},
    {"bottomk_min", AGGREGATE_BOTTOMK_MIN, IN_METRICSQL, PARAM_SCALAR},
    {"distinct", AGGREGATE_DISTINCT, IN_METRICSQL, PARAM_NONE},
    {"geomean", AGGREGATE_GEOMEAN, IN_METRICSQL, PARAM_NONE},
    {"histogram", AGGREGATE_HISTOGRAM, IN_METRICSQL, PARAM_NONE},
    {"mad", AGGREGATE_MAD, IN_METRICSQL, PARAM_NONE},
    {"median", AGGREGATE_MEDIAN, IN_METRICSQL, PARAM_NONE},
    {"mode", AGGREGATE_MODE, IN_METRICSQL, PARAM_NONE},
    {"outliers_iqr", AGGREGATE_OUTLIERS_IQR, IN_METRICSQL, PARAM_NONE},
    {"outliers_mad", AGGREGATE_OUTLIERS_MAD, IN_METRICSQL, PARAM_SCALAR},
    {"outliersk", AGGREGATE_OUTLIERSK, IN_METRICSQL, PARAM_SCALAR},
    {"quantiles", AGGREGATE_QUANTILES, IN_METRICSQL, PARAM_MANY},
    {"share", AGGREGATE_SHARE, IN_METRICSQL, PARAM_NONE},
    {"sum2", AGGREGATE_SUM2, IN_METRICSQL, PARAM_NONE},
    {"topk_avg", AGGREGATE_TOPK_AVG, IN_METRICSQL, PARAM_SCALAR},
    {"topk_last", AGGREGATE_TOPK_LAST, IN_METRICSQL, PARAM_SCALAR},
    {"topk_max", AGGREGATE_TOPK_MAX, IN_METRICSQL, PARAM_SCALAR},
    {"topk_median", AGGREGATE_TOPK_MEDIAN, IN_METRICSQL, PARAM_SCALAR},
    {"topk_min", AGGREGATE_TOPK_MIN, IN_METRICSQL, PARAM_SCALAR},
    {"zscore", AGGREGATE_ZSCORE, IN_METRICSQL, PARAM_NONE},
};

enum {
    FUNCTION_ROWS = sizeof functions / sizeof functions[0],
    AGGREGATE_ROWS = sizeof aggregates / sizeof aggregates[0],
};

static const FunctionId experimental[] = {
    FUNC_DOUBLE_EXPONENTIAL_SMOOTHING,
    FUNC_END,
    FUNC_FIRST_OVER_TIME,
    FUNC_HISTOGRAM_QUANTILES,
    FUNC_INFO,
    FUNC_MAD_OVER_TIME,
    FUNC_MAX_OF,
    FUNC_MIN_OF,
    FUNC_RANGE,
    FUNC_SORT_BY_LABEL,
    FUNC_SORT_BY_LABEL_DESC,
    FUNC_START,
    FUNC_START_TIMESTAMP,
    FUNC_STEP,
    FUNC_TS_OF_FIRST_OVER_TIME,
    FUNC_TS_OF_LAST_OVER_TIME,
    FUNC_TS_OF_MAX_OVER_TIME,
    FUNC_TS_OF_MIN_OVER_TIME,
};

static FunctionFlavours flavour_bit(bool metricsql) {
    return metricsql ? IN_METRICSQL : IN_PROMETHEUS;
}

static bool name_is(const char *known, Str name, bool any_case) {
    if (strlen(known) != name.len) {
        return false;
    }
    return (any_case ? strncasecmp(known, name.ptr, name.len)
                     : strncmp(known, name.ptr, name.len)) == 0;
}

const Function *function_find(Str name, bool metricsql) {
    FunctionFlavours wanted = flavour_bit(metricsql);
    for (size_t i = 0; i < FUNCTION_ROWS; i++) {
        if ((functions[i].flavours & wanted) && name_is(functions[i].name, name, metricsql)) {
            return &functions[i];
        }
    }
    return NULL;
}

int function_arg_count(const Function *function) {
    return (int)strlen(function->args);
}

ValueType function_arg_type(const Function *function, int index) {
    int count = function_arg_count(function);
    assert(count > 0);
    switch (function->args[index < count ? index : count - 1]) {
    case 'm':
        return VALUE_MATRIX;
    case 's':
        return VALUE_SCALAR;
    case 't':
        return VALUE_STRING;
    default:
        return VALUE_VECTOR;
    }
}

int function_window_arg(const Function *function, int arg_count) {
    const char *window = strchr(function->args, 'm');
    if (!window) {
        return -1;
    }
    return window[1] == '\0' && function->variadic < 0 ? arg_count - 1
                                                       : (int)(window - function->args);
}

const char *function_suggest(Str name, bool metricsql) {
    const char *known[FUNCTION_ROWS + AGGREGATE_ROWS + 1];
    size_t count = 0;
    FunctionFlavours wanted = flavour_bit(metricsql);
    for (size_t i = 0; i < FUNCTION_ROWS; i++) {
        if (functions[i].flavours & wanted) {
            known[count++] = functions[i].name;
        }
    }
    for (size_t i = 0; i < AGGREGATE_ROWS; i++) {
        if (aggregates[i].flavours & wanted) {
            known[count++] = aggregates[i].name;
        }
    }
    known[count] = NULL;
    return str_suggest(name, known);
}

bool function_is_experimental(const Function *function) {
    for (size_t i = 0; i < sizeof experimental / sizeof experimental[0]; i++) {
        if (experimental[i] == function->id) {
            return true;
        }
    }
    return false;
}

const Aggregate *aggregate_find(Str name, bool metricsql) {
    FunctionFlavours wanted = flavour_bit(metricsql);
    for (size_t i = 0; i < AGGREGATE_ROWS; i++) {
        if ((aggregates[i].flavours & wanted) && name_is(aggregates[i].name, name, true)) {
            return &aggregates[i];
        }
    }
    return NULL;
}

bool aggregate_is_ranking(AggregateId id) {
    switch (id) {
    case AGGREGATE_BOTTOMK:
    case AGGREGATE_BOTTOMK_AVG:
    case AGGREGATE_BOTTOMK_LAST:
    case AGGREGATE_BOTTOMK_MAX:
    case AGGREGATE_BOTTOMK_MEDIAN:
    case AGGREGATE_BOTTOMK_MIN:
    case AGGREGATE_OUTLIERSK:
    case AGGREGATE_TOPK:
    case AGGREGATE_TOPK_AVG:
    case AGGREGATE_TOPK_LAST:
    case AGGREGATE_TOPK_MAX:
    case AGGREGATE_TOPK_MEDIAN:
    case AGGREGATE_TOPK_MIN:
        return true;
    default:
        return false;
    }
}

void promql_function_names(PromqlFlavour flavour, void (*visit)(void *ctx, const char *name),
                           void *ctx) {
    FunctionFlavours wanted = flavour_bit(flavour == PROMQL_METRICSQL);
    for (size_t i = 0; i < FUNCTION_ROWS; i++) {
        if (functions[i].flavours & wanted) {
            visit(ctx, functions[i].name);
        }
    }
}

void promql_operator_names(PromqlFlavour flavour, void (*visit)(void *ctx, const char *name),
                           void *ctx) {
    FunctionFlavours wanted = flavour_bit(flavour == PROMQL_METRICSQL);
    for (size_t i = 0; i < AGGREGATE_ROWS; i++) {
        if (aggregates[i].flavours & wanted) {
            visit(ctx, aggregates[i].name);
        }
    }
    BinaryOp end = flavour == PROMQL_METRICSQL ? OP_COUNT : OP_DEFAULT;
    for (BinaryOp op = OP_ADD; op < end; op++) {
        visit(ctx, binary_op_text(op));
    }
}
