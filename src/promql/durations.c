/* Durations of ranges, steps and offsets, literal or computed (`[5m + step()]`). */

#include <assert.h>
#include <math.h>

#include "promql/parse.h"

/* Go's time.Duration counts int64 nanoseconds; seconds beyond are refused. */
#define DURATION_SECONDS_MAX 9223372036.854775807

/* What a duration expression is computed from. */
typedef struct DurationInputs {
    double step, range; /* seconds */
    Err *err;
} DurationInputs;

static bool complain(const Expr *expr, Err *err, const char *what) {
    return err_set(err, ERR_INVALID, "%u:%u: %s", expr->span.start, expr->span.end, what);
}

static bool compute(const Expr *expr, const DurationInputs *in, double *ret_seconds) {
    if (expr->kind == EXPR_NUMBER) {
        *ret_seconds = expr->number.value;
        return true;
    }
    assert(expr->kind == EXPR_DURATION);
    const ExprDuration *duration = &expr->duration;
    double left = 0;
    double right = 0;
    if ((duration->left && !compute(duration->left, in, &left)) ||
        (duration->right && !compute(duration->right, in, &right))) {
        return false;
    }
    switch (duration->op) {
    case DURATION_ADD:
        *ret_seconds = left + right;
        return true;
    case DURATION_SUB:
        *ret_seconds = left - right;
        return true;
    case DURATION_MUL:
        *ret_seconds = left * right;
        return true;
    case DURATION_DIV:
        *ret_seconds = left / right;
        return right != 0 || complain(expr, in->err, "division by zero");
    case DURATION_MOD:
        *ret_seconds = fmod(left, right);
        return right != 0 || complain(expr, in->err, "modulo by zero");
    case DURATION_POW:
        *ret_seconds = pow(left, right);
        return true;
    case DURATION_NEG:
        *ret_seconds = -right;
        return true;
    case DURATION_PLUS:
        *ret_seconds = right;
        return true;
    case DURATION_STEP:
        *ret_seconds = in->step;
        return true;
    case DURATION_RANGE:
        *ret_seconds = in->range;
        return true;
    case DURATION_MIN:
        *ret_seconds = fmin(left, right);
        return true;
    case DURATION_MAX:
        *ret_seconds = fmax(left, right);
        return true;
    }
    return false;
}

static bool is_dynamic(const Expr *expr) {
    if (expr->kind != EXPR_DURATION) {
        return false;
    }
    const ExprDuration *duration = &expr->duration;
    return duration->op == DURATION_STEP || duration->op == DURATION_RANGE ||
           (duration->left && is_dynamic(duration->left)) ||
           (duration->right && is_dynamic(duration->right));
}

static bool resolve(const Expr *expr, const DurationInputs *in, bool positive,
                    DurationMs *ret_value) {
    double seconds;
    if (!compute(expr, in, &seconds)) {
        return false;
    }
    if (!isfinite(seconds)) {
        return complain(expr, in->err, "duration is NaN or infinite");
    }
    if (positive && seconds <= 0) {
        return complain(expr, in->err, "duration must be greater than 0");
    }
    if (fabs(seconds) > DURATION_SECONDS_MAX) {
        return complain(expr, in->err, "duration is out of range");
    }
    *ret_value = (DurationMs)(seconds * 1000);
    return true;
}

void duration_spec_of_seconds(DurationSpec *spec, double seconds) {
    *spec = (DurationSpec){.given = true, .value = (DurationMs)round(seconds * 1000)};
}

void duration_spec_of_expr(DurationSpec *spec, const Expr *expr, bool positive) {
    *spec = (DurationSpec){.given = true, .dynamic = is_dynamic(expr), .expr = expr};
    Err err;
    DurationInputs nothing = {.err = &err};
    /* A bad constant is complained of when it is run, as Prometheus does. */
    if (!spec->dynamic && !resolve(expr, &nothing, positive, &spec->value)) {
        spec->dynamic = true;
    }
}

bool duration_spec_resolve(const DurationSpec *spec, DurationMs step, DurationMs range,
                           bool positive, DurationMs *ret_value, Err *err) {
    if (!spec->dynamic) {
        *ret_value = spec->value;
        return true;
    }
    DurationInputs in = {.step = (double)step / 1000, .range = (double)range / 1000, .err = err};
    return resolve(spec->expr, &in, positive, ret_value);
}
