/* Functions of one sample: mathematics, dates, parts of native histograms. */

#include <math.h>

#include "base/number.h"
#include "promql/calls.h"
#include "promql/histogram_ops.h"
#include "promql/scalar_ops.h"

static double to_rad(double value) {
    return value * 3.14159265358979323846 / 180;
}

static double to_deg(double value) {
    return value * 180 / 3.14159265358979323846;
}

static double sign(double value) {
    return value < 0 ? -1 : value > 0 ? 1 : value;
}

/* ---- dates ---- */

/* Go's int64(float): values out of its range give its smallest. */
static CivilTime civil_of_seconds(double seconds) {
    bool fits = seconds >= -0x1p52 && seconds <= 0x1p52;
    return civil_of(fits ? (TimeMs)seconds * 1000 : 0);
}

static double day_of_month(double value) {
    return civil_of_seconds(value).day;
}

static double day_of_week(double value) {
    return civil_of_seconds(value).weekday;
}

static double day_of_year(double value) {
    return civil_of_seconds(value).yearday;
}

static double days_in_month(double value) {
    CivilTime civil = civil_of_seconds(value);
    return civil_days_in_month(civil.year, civil.month);
}

static double hour(double value) {
    return civil_of_seconds(value).hour;
}

static double minute(double value) {
    return civil_of_seconds(value).minute;
}

static double month(double value) {
    return civil_of_seconds(value).month;
}

static double year(double value) {
    return (double)civil_of_seconds(value).year;
}

typedef struct SampleRow {
    FunctionId id;
    SampleFn *fn;
} SampleRow;

static const SampleRow plain[] = {
    {FUNC_ABS, fabs},
    {FUNC_ACOS, acos},
    {FUNC_ACOSH, acosh},
    {FUNC_ASIN, asin},
    {FUNC_ASINH, asinh},
    {FUNC_ATAN, atan},
    {FUNC_ATANH, atanh},
    {FUNC_CEIL, ceil},
    {FUNC_COS, cos},
    {FUNC_COSH, cosh},
    {FUNC_DAY_OF_MONTH, day_of_month},
    {FUNC_DAY_OF_WEEK, day_of_week},
    {FUNC_DAY_OF_YEAR, day_of_year},
    {FUNC_DAYS_IN_MONTH, days_in_month},
    {FUNC_DEG, to_deg},
    {FUNC_EXP, exp},
    {FUNC_FLOOR, floor},
    {FUNC_HOUR, hour},
    {FUNC_LN, log},
    {FUNC_LOG10, log10},
    {FUNC_LOG2, log2},
    {FUNC_MINUTE, minute},
    {FUNC_MONTH, month},
    {FUNC_RAD, to_rad},
    {FUNC_SGN, sign},
    {FUNC_SIN, sin},
    {FUNC_SINH, sinh},
    {FUNC_SQRT, sqrt},
    {FUNC_TAN, tan},
    {FUNC_TANH, tanh},
    {FUNC_YEAR, year},
};

SampleFn *sample_function(FunctionId id) {
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        if (plain[i].id == id) {
            return plain[i].fn;
        }
    }
    return NULL;
}

/* ---- with numbers beside ---- */

static double number_at(const PlanNode *node, size_t arg, size_t step, double fallback) {
    return arg < node->arg_count && node->args[arg] ? exec_scalar(node->args[arg], step) : fallback;
}

/* Ties go up; the inverse is multiplied with as that loses less. */
static double round_to(double value, double nearest) {
    double inverse = 1 / nearest;
    return floor(value * inverse + 0.5) / inverse;
}

/* MetricsQL: ties go away from zero, and the result has no more decimals than `nearest`. */
static double round_decimal(double value, double nearest) {
    Buf text = {0};
    number_put(&text, nearest);
    Str digits = buf_view(&text);
    size_t dot = str_find(digits, '.'), zeros = 0;
    while (dot == digits.len && zeros + 1 < dot && digits.ptr[dot - 1 - zeros] == '0') {
        zeros++;
    }
    double decimals = dot < digits.len ? (double)(digits.len - dot - 1) : -(double)zeros;
    buf_finish(&text);
    double scale = pow(10, decimals);
    value += 0.5 * copysign(nearest, value);
    value -= fmod(value, nearest);
    return trunc(value * scale) / scale;
}

static double bits_of(FunctionId id, double value, double mask) {
    if (isnan(value) || isnan(mask)) {
        return value_none();
    }
    uint64_t a = (uint64_t)value, b = (uint64_t)mask;
    return (double)(id == FUNC_BITMAP_AND ? a & b : id == FUNC_BITMAP_OR ? a | b : a ^ b);
}

static double clamp(double value, double low, double high) {
    return high < low ? value_none() : go_max(low, go_min(high, value));
}

/* VALUE_NONE: no result. */
static double with_numbers(const PlanNode *node, FunctionId id, size_t step, double value) {
    switch (id) {
    case FUNC_CLAMP:
        return clamp(value, number_at(node, 1, step, 0), number_at(node, 2, step, 0));
    case FUNC_CLAMP_MIN:
        return clamp(value, number_at(node, 1, step, 0), INFINITY);
    case FUNC_CLAMP_MAX:
        return clamp(value, -INFINITY, number_at(node, 1, step, 0));
    case FUNC_ROUND:
        return (node->expr->flavour == PROMQL_METRICSQL ? round_decimal : round_to)(
            value, number_at(node, 1, step, 1));
    case FUNC_BITMAP_AND:
    case FUNC_BITMAP_OR:
    case FUNC_BITMAP_XOR:
        return bits_of(id, value, number_at(node, 1, step, 0));
    default:
        return value_none(); /* start_timestamp() of anything but a selector */
    }
}

/* ---- native histograms ---- */

static double of_histogram(Arena *arena, FunctionId id, const Histogram *histogram) {
    switch (id) {
    case FUNC_HISTOGRAM_COUNT:
        return histogram->count;
    case FUNC_HISTOGRAM_SUM:
        return histogram->sum;
    case FUNC_HISTOGRAM_AVG:
        return histogram->sum / histogram->count;
    case FUNC_HISTOGRAM_STDVAR:
        return histogram_variance(arena, histogram);
    default:
        return sqrt(histogram_variance(arena, histogram));
    }
}

static bool is_of_histograms(FunctionId id) {
    switch (id) {
    case FUNC_HISTOGRAM_AVG:
    case FUNC_HISTOGRAM_COUNT:
    case FUNC_HISTOGRAM_STDDEV:
    case FUNC_HISTOGRAM_STDVAR:
    case FUNC_HISTOGRAM_SUM:
        return true;
    default:
        return false;
    }
}

/* ---- the column ---- */

static void map_histograms(Worker *worker, FunctionId id, Column *column, size_t steps) {
    for (size_t step = 0; step < steps; step++) {
        const Histogram *histogram = column->histograms ? column->histograms[step] : NULL;
        column->values[step] =
            histogram ? of_histogram(&worker->scratch, id, histogram) : value_none();
    }
}

static void map_timestamps(const PlanNode *node, Column *column) {
    for (size_t step = 0; step < node->grid.count; step++) {
        if (column_has(column, step)) {
            column->values[step] = (double)grid_time(&node->grid, step) / 1000;
        }
    }
}

static void map_floats(const PlanNode *node, FunctionId id, Column *column) {
    SampleFn *fn = sample_function(id);
    for (size_t step = 0; step < node->grid.count; step++) {
        double value = column->values[step];
        if (!value_is_none(value)) {
            column->values[step] = fn ? fn(value) : with_numbers(node, id, step, value);
        }
    }
}

/* MetricsQL: what is rounded or held within bounds is still the same thing. */
static bool keeps_name(const PlanNode *node) {
    if (node->expr->flavour == PROMQL_METRICSQL) {
        switch (node->expr->call.function->id) {
        case FUNC_CEIL:
        case FUNC_CLAMP:
        case FUNC_CLAMP_MAX:
        case FUNC_CLAMP_MIN:
        case FUNC_FLOOR:
        case FUNC_ROUND:
            return true;
        default:
            break;
        }
    }
    return node->expr->call.keep_metric_names;
}

bool map_column(Worker *worker, PlanNode *node, Column *column) {
    FunctionId id = node->expr->call.function->id;
    column_own(&worker->out, column, node->grid.count);
    if (is_of_histograms(id)) {
        map_histograms(worker, id, column, node->grid.count);
    } else if (id == FUNC_TIMESTAMP) {
        map_timestamps(node, column);
    } else {
        map_floats(node, id, column);
    }
    column->histograms = NULL;
    column->drop_name = column->drop_name || !keeps_name(node);
    return node->expr->flavour == PROMQL_METRICSQL || column_any(column, node->grid.count);
}
