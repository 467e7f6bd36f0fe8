#include "promql/plan_scope.h"

#include <stdlib.h>

#include "base/mem.h"
#include "promql/binary.h"
#include "promql/metricsql_rollup.h"
#include "promql/scalar_ops.h"

/* ---- what does not depend on the step ---- */

/* Functions whose answer changes with the evaluation time even where their arguments do not
 * (Prometheus' AtModifierUnsafeFunctions). */
static bool is_time_bound(FunctionId id) {
    switch (id) {
    case FUNC_DAYS_IN_MONTH:
    case FUNC_DAY_OF_MONTH:
    case FUNC_DAY_OF_WEEK:
    case FUNC_DAY_OF_YEAR:
    case FUNC_HOUR:
    case FUNC_MINUTE:
    case FUNC_MONTH:
    case FUNC_YEAR:
    case FUNC_PREDICT_LINEAR:
    case FUNC_TIME:
    case FUNC_TIMESTAMP:
    case FUNC_RAND:
    case FUNC_RAND_NORMAL:
    case FUNC_RAND_EXPONENTIAL:
        return true;
    default:
        return false;
    }
}

static bool is_invariant(const Expr *expr);

static bool call_is_invariant(const Expr *expr) {
    const ExprCall *call = &expr->call;
    for (size_t i = 0; i < call->arg_count; i++) {
        if (!is_invariant(call->args[i])) {
            return false;
        }
    }
    if (call->function->id == FUNC_TIMESTAMP) {
        return call->arg_count == 1 && expr_unwrap(call->args[0])->kind == EXPR_SELECTOR;
    }
    return !is_time_bound(call->function->id);
}

static bool is_invariant(const Expr *expr) {
    switch (expr->kind) {
    case EXPR_NUMBER:
    case EXPR_STRING:
        return true;
    case EXPR_SELECTOR:
        return expr->selector.shift.at.kind != AT_NONE;
    case EXPR_MATRIX:
        return is_invariant(expr->matrix.selector);
    case EXPR_SUBQUERY:
        return expr->subquery.shift.at.kind != AT_NONE;
    case EXPR_CALL:
        return call_is_invariant(expr);
    case EXPR_AGGREGATE:
        return expr->flavour == PROMQL_PROMETHEUS && is_invariant(expr->aggregate.expr) &&
               (!expr->aggregate.param || is_invariant(expr->aggregate.param));
    case EXPR_BINARY:
        return is_invariant(expr->binary.left) && is_invariant(expr->binary.right);
    case EXPR_UNARY:
        return is_invariant(expr->unary.expr);
    case EXPR_PAREN:
        return is_invariant(expr->paren);
    case EXPR_SHIFT:
        return expr->shift.shift.at.kind != AT_NONE;
    case EXPR_DURATION:
        return false;
    }
    return false;
}

/* ---- selectors and vectors ---- */

static void note_origin(Scope scope, PlanNode *node, const Expr *expr) {
    PlanOrigin origin = {node, expr};
    VEC_PUSH(*scope.root, origins, origin);
}

static PlanNode *plan_select(Scope scope, const Expr *expr, SelectMode mode) {
    PlanNode *node = plan_new_node(scope, PLAN_SELECT, expr, 0);
    node->mode = mode;
    if (!plan_resolve_shift(scope, &expr->selector.shift, node)) {
        return NULL;
    }
    plan_attach_selector(scope, node, &expr->selector);
    return plan_intern(scope, node);
}

/* An operand or argument that has to be a vector. Only MetricsQL lets a number stand there. */
static PlanNode *vector_of(Scope scope, const Expr *expr, PlanNode *number) {
    PlanNode *node = plan_new_node(scope, PLAN_VECTOR_OF, expr, 1);
    node->type = VALUE_VECTOR;
    node->args[0] = number;
    return plan_intern(scope, node);
}

PlanNode *plan_vector(Scope scope, const Expr *expr) {
    PlanNode *inner = plan_expr(scope, expr);
    return inner && inner->type == VALUE_SCALAR ? vector_of(scope, expr, inner) : inner;
}

/* ---- calls ---- */

static const char *const anchored_functions = "changes, delta, increase, rate, resets";
static const char *const smoothed_functions = "delta, increase, rate";

static bool check_modifiers(Scope scope, const PlanNode *node) {
    FunctionId id = node->expr->call.function->id;
    bool smoothed_ok = id == FUNC_DELTA || id == FUNC_INCREASE || id == FUNC_RATE;
    bool anchored_ok = smoothed_ok || id == FUNC_CHANGES || id == FUNC_RESETS;
    const char *name = node->expr->call.function->name;
    if (node->anchored && !anchored_ok) {
        return err_set(scope.root->err, ERR_INVALID,
                       "anchored modifier can only be used with: %s - not with %s",
                       anchored_functions, name);
    }
    if (node->smoothed && !smoothed_ok) {
        return err_set(scope.root->err, ERR_INVALID,
                       "smoothed modifier can only be used with: %s - not with %s",
                       smoothed_functions, name);
    }
    return true;
}

static bool plan_args(Scope scope, const Expr *expr, PlanNode *node, int skip) {
    const ExprCall *call = &expr->call;
    for (size_t i = 0; i < call->arg_count; i++) {
        const Expr *arg = expr_unwrap(call->args[i]);
        bool metadata = arg->kind == EXPR_SELECTOR && arg->selector.metadata_only;
        bool names = call->function->id == FUNC_AGGR_OVER_TIME && i == 0;
        if ((int)i == skip || arg->type == VALUE_STRING || metadata || names) {
            continue;
        }
        bool vector = function_arg_type(call->function, (int)i) == VALUE_VECTOR;
        node->args[i] = vector ? plan_vector(scope, arg) : plan_expr(scope, arg);
        if (!node->args[i]) {
            return false;
        }
    }
    return true;
}

static PlanNode *plan_rollup(Scope scope, const Expr *expr, int window_arg) {
    PlanNode *node = plan_new_node(scope, PLAN_ROLLUP, expr, expr->call.arg_count);
    if (!plan_window(scope, expr->call.args[window_arg], node) || !check_modifiers(scope, node) ||
        !plan_args(scope, expr, node, window_arg)) {
        return NULL;
    }
    return plan_intern(scope, node);
}

static bool is_sample_function(FunctionId id) {
    switch (id) {
    case FUNC_ABS:
    case FUNC_ACOS:
    case FUNC_ACOSH:
    case FUNC_ASIN:
    case FUNC_ASINH:
    case FUNC_ATAN:
    case FUNC_ATANH:
    case FUNC_CEIL:
    case FUNC_CLAMP:
    case FUNC_CLAMP_MAX:
    case FUNC_CLAMP_MIN:
    case FUNC_COS:
    case FUNC_COSH:
    case FUNC_DEG:
    case FUNC_EXP:
    case FUNC_FLOOR:
    case FUNC_LN:
    case FUNC_LOG10:
    case FUNC_LOG2:
    case FUNC_RAD:
    case FUNC_ROUND:
    case FUNC_SGN:
    case FUNC_SIN:
    case FUNC_SINH:
    case FUNC_SQRT:
    case FUNC_TAN:
    case FUNC_TANH:
    case FUNC_TIMESTAMP:
    case FUNC_START_TIMESTAMP:
    case FUNC_DAY_OF_MONTH:
    case FUNC_DAY_OF_WEEK:
    case FUNC_DAY_OF_YEAR:
    case FUNC_DAYS_IN_MONTH:
    case FUNC_HOUR:
    case FUNC_MINUTE:
    case FUNC_MONTH:
    case FUNC_YEAR:
    case FUNC_HISTOGRAM_AVG:
    case FUNC_HISTOGRAM_COUNT:
    case FUNC_HISTOGRAM_STDDEV:
    case FUNC_HISTOGRAM_STDVAR:
    case FUNC_HISTOGRAM_SUM:
    case FUNC_BITMAP_AND:
    case FUNC_BITMAP_OR:
    case FUNC_BITMAP_XOR:
        return true;
    default:
        return false;
    }
}

/* start(), end(), range(), step(), pi(): numbers once the range is known. */
static bool fold_query_function(const Plan *plan, bool metricsql, FunctionId id,
                                double *ret_number) {
    QueryRange range = plan->range;
    switch (id) {
    case FUNC_START:
        *ret_number = (double)range.from / 1000;
        return true;
    case FUNC_END:
    case FUNC_NOW:
        *ret_number = (double)range.to / 1000;
        return true;
    case FUNC_RANGE:
        *ret_number = (double)(range.to - range.from) / 1000;
        return true;
    case FUNC_STEP:
        if (metricsql) {
            DurationMs step = range.step ? range.step : plan->lookback;
            *ret_number = (double)step / 1000;
            return true;
        }
        *ret_number = range.from == range.to ? 0 : (double)range.step / 1000;
        return true;
    case FUNC_PI:
        *ret_number = 3.14159265358979323846;
        return true;
    default:
        return false;
    }
}

/* Of native ones; in MetricsQL the same names are of series with `le`. */
static bool is_of_histograms(FunctionId id) {
    return id == FUNC_HISTOGRAM_AVG || id == FUNC_HISTOGRAM_STDDEV || id == FUNC_HISTOGRAM_STDVAR;
}

static PlanNode *plan_plain_call(Scope scope, const Expr *expr) {
    FunctionId id = expr->call.function->id;
    bool per_sample = is_sample_function(id) && expr->call.arg_count > 0 &&
                      !(expr->flavour == PROMQL_METRICSQL && is_of_histograms(id));
    PlanNode *node =
        plan_new_node(scope, per_sample ? PLAN_MAP : PLAN_CALL, expr, expr->call.arg_count);
    if (!plan_args(scope, expr, node, -1)) {
        return NULL;
    }
    return plan_intern(scope, node);
}

static void look_at_buckets(FunctionId id, Scope *scope) {
    switch (id) {
    case FUNC_HISTOGRAM_AVG:
    case FUNC_HISTOGRAM_COUNT:
    case FUNC_HISTOGRAM_SUM:
        scope->stats = true;
        return;
    case FUNC_HISTOGRAM_FRACTION:
    case FUNC_HISTOGRAM_QUANTILE:
    case FUNC_HISTOGRAM_QUANTILES:
        scope->needs_buckets = true;
        return;
    default:
        return;
    }
}

/* MetricsQL: as many arguments as the function takes; the parser lets any number pass. */
static bool check_arity(Scope scope, const Expr *expr) {
    const Function *function = expr->call.function;
    size_t listed = (size_t)function_arg_count(function), given = expr->call.arg_count;
    size_t least = listed - (function->variadic != 0);
    size_t most = function->variadic < 0 ? SIZE_MAX : least + (size_t)function->variadic;
    most = function->variadic == 0 ? listed : most;
    if (given >= least && given <= most) {
        return true;
    }
    return err_set(scope.root->err, ERR_INVALID,
                   "%s: unexpected number of args; got %zu; want %s%zu", function->name, given,
                   given < least ? (most > least ? "at least " : "")
                                 : (most > least ? "at most " : ""),
                   given < least ? least : most);
}

/* Texts have to be written as such. */
static bool check_texts(Scope scope, const Expr *expr) {
    const Function *function = expr->call.function;
    for (size_t i = 0; i < expr->call.arg_count; i++) {
        const Expr *arg = expr_unwrap(expr->call.args[i]);
        if (function_arg_type(function, (int)i) == VALUE_STRING && arg->kind != EXPR_STRING &&
            function->id != FUNC_AGGR_OVER_TIME) {
            return err_set(scope.root->err, ERR_INVALID, "%s: arg #%zu must be a string",
                           function->name, i + 1);
        }
    }
    Err *err = scope.root->err;
    return !metricsql_is_multi(function->id) || metricsql_check_multi(expr, err);
}

static PlanNode *plan_call(Scope scope, const Expr *expr) {
    const ExprCall *call = &expr->call;
    FunctionId id = call->function->id;
    if (expr->flavour == PROMQL_METRICSQL &&
        (!check_arity(scope, expr) || !check_texts(scope, expr))) {
        return NULL;
    }
    look_at_buckets(id, &scope);
    double number;
    if (fold_query_function(scope.plan, expr->flavour == PROMQL_METRICSQL, id, &number)) {
        return plan_number(scope, expr, number);
    }
    if (id == FUNC_TIME) {
        return plan_intern(scope, plan_new_node(scope, PLAN_TIME, expr, 0));
    }
    const Expr *first = call->arg_count ? expr_unwrap(call->args[0]) : NULL;
    if (first && first->kind == EXPR_SELECTOR && id == FUNC_TIMESTAMP) {
        return plan_select(scope, first, SELECT_TIME);
    }
    if (first && first->kind == EXPR_SELECTOR && id == FUNC_START_TIMESTAMP) {
        return plan_select(scope, first, SELECT_START_TIME);
    }
    int window_arg = function_window_arg(call->function, (int)call->arg_count);
    if (window_arg >= 0) {
        return plan_rollup(scope, expr, window_arg);
    }
    return plan_plain_call(scope, expr);
}

/* ---- operators ---- */

static PlanNode *plan_scalar_binary(Scope scope, const Expr *expr, PlanNode *left,
                                    PlanNode *right) {
    if (left->op == PLAN_NUMBER && right->op == PLAN_NUMBER) {
        left->uses--;
        right->uses--;
        return plan_number(scope, expr,
                           scalar_binary(expr->binary.op, left->number, right->number));
    }
    PlanNode *node = plan_new_node(scope, PLAN_SCALAR_BINARY, expr, 2);
    node->args[0] = left;
    node->args[1] = right;
    return plan_intern(scope, node);
}

static PlanNode *plan_binary(Scope scope, const Expr *expr) {
    if (expr->binary.op == OP_TRIM_LOWER || expr->binary.op == OP_TRIM_UPPER) {
        scope.needs_buckets = true;
    }
    bool set = binary_op_is_set(expr->binary.op) || binary_is_membership(&expr->binary);
    PlanNode *left = (set ? plan_vector : plan_expr)(scope, expr->binary.left);
    PlanNode *right = left ? (set ? plan_vector : plan_expr)(scope, expr->binary.right) : NULL;
    if (!right) {
        return NULL;
    }
    if (expr->type == VALUE_VECTOR && left->type == VALUE_SCALAR && right->type == VALUE_SCALAR) {
        /* MetricsQL: 123 < time() keeps times, as a constant is not what is looked for. */
        PlanNode **kept = expr->binary.left->kind == EXPR_NUMBER ? &right : &left;
        *kept = vector_of(scope, expr, *kept);
    }
    bool left_scalar = left->type == VALUE_SCALAR, right_scalar = right->type == VALUE_SCALAR;
    if (left_scalar && right_scalar && !set) {
        return plan_scalar_binary(scope, expr, left, right);
    }
    bool mixed = (left_scalar || right_scalar) && !set;
    PlanNode *node = plan_new_node(scope, mixed ? PLAN_VECTOR_SCALAR : PLAN_BINARY, expr, 2);
    node->swapped = mixed && left_scalar;
    node->args[0] = node->swapped ? right : left;
    node->args[1] = node->swapped ? left : right;
    return plan_intern(scope, node);
}

static PlanNode *plan_unary(Scope scope, const Expr *expr) {
    PlanNode *inner = plan_expr(scope, expr->unary.expr);
    if (!inner || !expr->unary.negate) {
        return inner;
    }
    if (inner->op == PLAN_NUMBER) {
        inner->uses--;
        return plan_number(scope, expr, -inner->number);
    }
    PlanNode *node = plan_new_node(scope, PLAN_NEGATE, expr, 1);
    node->args[0] = inner;
    return plan_intern(scope, node);
}

static PlanNode *plan_aggregate_metricsql(Scope scope, const Expr *expr) {
    const ExprAggregate *aggregate = &expr->aggregate;
    PlanNode *node = plan_new_node(scope, PLAN_AGGREGATE, expr, aggregate->expr_count);
    for (size_t i = 0; i < aggregate->expr_count; i++) {
        if (expr_unwrap(aggregate->exprs[i])->type == VALUE_STRING) {
            continue;
        }
        node->args[i] = plan_vector(scope, aggregate->exprs[i]);
        if (!node->args[i]) {
            return NULL;
        }
    }
    return plan_intern(scope, node);
}

/* args[0] is the vector, args[1] the parameter if it is a number. */
static PlanNode *plan_aggregate(Scope scope, const Expr *expr) {
    const ExprAggregate *aggregate = &expr->aggregate;
    if (expr->flavour == PROMQL_METRICSQL && !aggregate_is_folded(aggregate)) {
        return plan_aggregate_metricsql(scope, expr);
    }
    PlanNode *node = plan_new_node(scope, PLAN_AGGREGATE, expr, 2);
    if (aggregate->param && aggregate->param->type != VALUE_STRING) {
        node->args[1] = plan_expr(scope, expr_unwrap(aggregate->param));
        if (!node->args[1]) {
            return NULL;
        }
    }
    node->args[0] = plan_vector(scope, expr_unwrap(aggregate->expr));
    return node->args[0] ? plan_intern(scope, node) : NULL;
}

static PlanNode *plan_raw(Scope scope, const Expr *expr) {
    PlanNode *node = plan_new_node(scope, PLAN_RAW, expr, 0);
    return plan_window(scope, expr, node) ? plan_intern(scope, node) : NULL;
}

static Expr *expr_like(Scope scope, const Expr *expr, ExprKind kind, ValueType type) {
    Expr *made = arena_new(scope.plan->arena, Expr);
    *made = *expr;
    made->kind = kind;
    made->type = type;
    return made;
}

/* MetricsQL: a window that no function asks for, x[5m] + 1, is default_rollup() of it. */
static PlanNode *plan_default_rollup(Scope scope, const Expr *window) {
    const Expr **args = arena_alloc(scope.plan->arena, sizeof *args);
    args[0] = window;
    Expr *call = expr_like(scope, window, EXPR_CALL, VALUE_VECTOR);
    call->call = (ExprCall){.function = function_find(STR("default_rollup"), true),
                            .args = args,
                            .arg_count = 1,
                            .name = STR("default_rollup")};
    return plan_rollup(scope, call, 0);
}

/* sum(x) offset 5m: the same over an implicit window of its steps. */
static PlanNode *plan_shift(Scope scope, const Expr *expr) {
    Expr *window = expr_like(scope, expr, EXPR_SUBQUERY, VALUE_MATRIX);
    window->subquery = (ExprSubquery){.expr = expr->shift.expr, .shift = expr->shift.shift};
    return plan_default_rollup(scope, window);
}

/* An instant query of a window is answered with what is in it. */
static bool is_default_rollup(Scope scope, const Expr *expr) {
    return expr->flavour == PROMQL_METRICSQL &&
           (scope.plan->range.step > 0 || expr != scope.root->expr);
}

static PlanNode *plan_kind(Scope scope, const Expr *expr) {
    switch (expr->kind) {
    case EXPR_NUMBER:
        return plan_number(scope, expr, expr->number.value);
    case EXPR_SELECTOR:
        return plan_select(scope, expr, SELECT_VALUE);
    case EXPR_MATRIX:
    case EXPR_SUBQUERY:
        return (is_default_rollup(scope, expr) ? plan_default_rollup : plan_raw)(scope, expr);
    case EXPR_CALL:
        return plan_call(scope, expr);
    case EXPR_AGGREGATE:
        return plan_aggregate(scope, expr);
    case EXPR_BINARY:
        return plan_binary(scope, expr);
    case EXPR_UNARY:
        return plan_unary(scope, expr);
    case EXPR_PAREN:
        return plan_expr(scope, expr->paren);
    case EXPR_SHIFT:
        return plan_shift(scope, expr);
    case EXPR_STRING:
        if (expr->flavour == PROMQL_METRICSQL) {
            return plan_number(scope, expr, value_nan());
        }
        break;
    case EXPR_DURATION:
        break;
    }
    err_set(scope.root->err, ERR_UNSUPPORTED, "a text cannot stand here");
    return NULL;
}

static bool is_worth_spreading(const Expr *expr) {
    switch (expr_unwrap(expr)->kind) {
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_MATRIX:
    case EXPR_SUBQUERY:
        return false;
    default:
        return true;
    }
}

PlanNode *plan_expr(Scope scope, const Expr *expr) {
    if (scope.grid.count > 1 && is_worth_spreading(expr) && is_invariant(expr)) {
        Scope single = scope;
        single.grid.count = 1;
        if (single.counting == COUNT_AT_STEP) {
            single.counting = COUNT_AT_EVERY;
        }
        PlanNode *inner = plan_expr(single, expr);
        if (!inner) {
            return NULL;
        }
        if (inner->op == PLAN_NUMBER) {
            inner->uses--;
            return plan_number(scope, expr, inner->number);
        }
        PlanNode *node = plan_new_node(scope, PLAN_SPREAD, expr, 1);
        node->args[0] = inner;
        return plan_intern(scope, node);
    }
    PlanNode *node = plan_kind(scope, expr);
    if (node) {
        note_origin(scope, node, expr);
    }
    return node;
}

/* ---- the verbs ---- */

void plan_init(Plan *plan, Arena *arena, QueryRange range, const QueryOptions *options) {
    *plan = (Plan){.arena = arena,
                   .range = range,
                   .lookback = (options->lookback ? options->lookback : 5 * MINUTE_MS) +
                               options->closed_windows,
                   .closed = options->closed_windows,
                   .default_step = options->default_step ? options->default_step : MINUTE_MS};
    plan->index.arena = arena;
    plan->selector_index.arena = arena;
}

bool plan_add(Plan *plan, const Expr *expr, PlanRoot *root) {
    QueryRange range = plan->range;
    DurationMs step = range.step > 0 ? range.step : 1;
    size_t count = range.to < range.from ? 0 : (size_t)((range.to - range.from) / step) + 1;
    Grid grid = {range.from, step, range.from == range.to ? 1 : count};
    root->expr = expr;
    if (expr->type == VALUE_STRING) {
        return true; /* answered from the tree */
    }
    root->node = plan_expr((Scope){plan, root, grid, false, false, COUNT_AT_STEP}, expr);
    return root->node != NULL;
}

void plan_root_finish(PlanRoot *root) {
    free(root->origins);
    free(root->selectors);
}

void plan_finish(Plan *plan) {
    for (size_t i = 0; i < plan->nodes_count; i++) {
        frame_finish(&plan->nodes[i]->frame);
    }
    for (size_t i = 0; i < plan->selectors_count; i++) {
        for (PlanSelector *each = plan->selectors[i]; each; each = each->next) {
            selection_free(each->selection);
        }
    }
    free(plan->nodes);
    free(plan->selectors);
}

bool plan_is_streamed(const PlanNode *node) {
    switch (node->op) {
    case PLAN_SELECT:
    case PLAN_MAP:
    case PLAN_NEGATE:
    case PLAN_VECTOR_SCALAR:
        return node->type != VALUE_SCALAR;
    case PLAN_ROLLUP:
        return node->expr->call.function->id != FUNC_ABSENT_OVER_TIME &&
               !metricsql_is_multi(node->expr->call.function->id);
    default:
        return false;
    }
}

Str plan_node_name(const PlanNode *node) {
    switch (node->op) {
    case PLAN_NUMBER:
        return STR("number");
    case PLAN_TIME:
        return STR("time");
    case PLAN_SELECT:
        return node->mode == SELECT_VALUE ? STR("selector") : STR("timestamps");
    case PLAN_RAW:
        return STR("samples");
    case PLAN_ROLLUP:
    case PLAN_MAP:
    case PLAN_CALL:
        return str_of(node->expr->call.function->name);
    case PLAN_NEGATE:
        return STR("negate");
    case PLAN_SCALAR_BINARY:
    case PLAN_VECTOR_SCALAR:
    case PLAN_BINARY:
        return str_of(binary_op_text(node->expr->binary.op));
    case PLAN_AGGREGATE:
        return str_of(node->expr->aggregate.aggregate->name);
    case PLAN_SPREAD:
        return STR("spread");
    case PLAN_VECTOR_OF:
        return STR("vector");
    }
    return STR("");
}
