/*
 * Expanded MetricsQL -> expression tree: metrics become selectors, brackets matrices or subqueries,
 * windows that are not written are put in empty where a function needs one, and what is constant is
 * computed.
 */

#include <assert.h>
#include <math.h>

#include "base/number.h"
#include "promql/metricsql.h"
#include "promql/metricsql_syntax.h"

static Expr *new_expr(MqlParser *parser, const MqlNode *node, ExprKind kind, ValueType type) {
    Expr *expr = arena_new(parser->arena, Expr);
    expr->kind = kind;
    expr->type = type;
    expr->flavour = PROMQL_METRICSQL;
    expr->height = 1;
    expr->span = (ExprSpan){node->at, node->end};
    expr->source = parser->source;
    parser->nodes++;
    return expr;
}

static bool adopt(MqlParser *parser, Expr *expr, const Expr *child) {
    if (expr->height <= child->height) {
        expr->height = child->height + 1;
    }
    if (expr->height > EXPR_DEPTH_MAX) {
        return mql_fail(parser, expr->span.start, "expression is nested more than %d levels deep",
                        EXPR_DEPTH_MAX);
    }
    return parser->nodes <= EXPR_NODES_MAX ||
           mql_fail(parser, expr->span.start, "expression has more than %d parts", EXPR_NODES_MAX);
}

/* ---- durations ---- */

static Expr *duration_expr(MqlParser *parser, const MqlNode *node, DurationOp op, Expr *left,
                           Expr *right) {
    Expr *expr = new_expr(parser, node, EXPR_DURATION, VALUE_SCALAR);
    expr->duration = (ExprDuration){.op = op, .left = left, .right = right};
    return expr;
}

static Expr *number_expr(MqlParser *parser, const MqlNode *node, double value) {
    Expr *expr = new_expr(parser, node, EXPR_NUMBER, VALUE_SCALAR);
    expr->number.value = value;
    expr->number.text = (Str){"", 0};
    return expr;
}

/* Durations in steps (2i) are computed when the query's step is known. */
static bool lower_span(MqlParser *parser, const MqlNode *node, bool negative,
                       DurationSpec *ret_spec) {
    MqlSpan span;
    if (!mql_duration_value(node->duration, &span)) {
        return mql_fail(parser, node->at, "bad duration \"%.*s\"", STR_ARG(node->duration));
    }
    double sign = negative ? -1 : 1;
    if (!(fabs(span.ms) < 9e15) || !(fabs(span.steps) < 1e9)) {
        return mql_fail(parser, node->at, "duration out of range");
    }
    *ret_spec = (DurationSpec){.given = true, .value = (DurationMs)(sign * span.ms)};
    if (span.steps != 0) {
        Expr *steps = duration_expr(parser, node, DURATION_MUL,
                                    duration_expr(parser, node, DURATION_STEP, NULL, NULL),
                                    number_expr(parser, node, sign * span.steps));
        Expr *fixed = number_expr(parser, node, sign * span.ms / 1000);
        duration_spec_of_expr(ret_spec, duration_expr(parser, node, DURATION_ADD, steps, fixed),
                              false);
    }
    ret_spec->text =
        negative ? arena_printf(parser->arena, "-%.*s", STR_ARG(node->duration)) : node->duration;
    return true;
}

/* 5m as a value: its seconds; 2i: twice step(). */
static Expr *lower_duration(MqlParser *parser, const MqlNode *node) {
    MqlSpan span;
    if (!mql_duration_value(node->duration, &span)) {
        mql_fail(parser, node->at, "bad duration \"%.*s\"", STR_ARG(node->duration));
        return NULL;
    }
    Expr *seconds = number_expr(parser, node, span.ms / 1000);
    seconds->number.is_duration = true;
    seconds->number.text = node->duration;
    if (span.steps == 0) {
        return seconds;
    }
    if (span.ms != 0) {
        mql_fail(parser, node->at, "steps and other units cannot be mixed in a value");
        return NULL;
    }
    seconds->number.value = span.steps;
    Expr *step = new_expr(parser, node, EXPR_CALL, VALUE_SCALAR);
    step->call.function = function_find(STR("step"), true);
    Expr *product = new_expr(parser, node, EXPR_BINARY, VALUE_SCALAR);
    product->binary = (ExprBinary){.op = OP_MUL, .left = step, .right = seconds};
    product->height = 2;
    return product;
}

/* ---- metrics ---- */

static bool lower_set(MqlParser *parser, const MqlFilterSet *from, MatcherSet *ret_set) {
    ret_set->items = arena_array(parser->arena, Matcher, from->count);
    for (size_t i = 0; i < from->count; i++) {
        const MqlFilter *filter = &from->items[i];
        MatcherLink *link = arena_new(parser->arena, MatcherLink);
        Err err = {0};
        if (!matcher_init(parser->arena, filter->type, filter->label, filter->value->string.value,
                          &link->matcher, &err)) {
            return mql_fail(parser, filter->at, "%s", err.text);
        }
        link->next = parser->source->matchers;
        parser->source->matchers = link;
        ret_set->items[ret_set->count++] = link->matcher;
        parser->nodes++;
    }
    return true;
}

static bool sets_equal(const MatcherSet *a, const MatcherSet *b) {
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (a->items[i].type != b->items[i].type || !str_eq(a->items[i].name, b->items[i].name) ||
            !str_eq(a->items[i].value, b->items[i].value)) {
            return false;
        }
    }
    return true;
}

static bool is_name_matcher(const Matcher *matcher) {
    return matcher->type == MATCH_EQ && str_eq(matcher->name, LABEL_METRIC_NAME);
}

/* The name all sets have as their first matcher. */
static Str common_name(const ExprSelector *selector) {
    Str name = {"", 0};
    for (size_t i = 0; i < selector->set_count; i++) {
        const MatcherSet *set = &selector->sets[i];
        bool named = set->count && is_name_matcher(&set->items[0]);
        if (!named || (i && !str_eq(set->items[0].value, name))) {
            return (Str){"", 0};
        }
        name = set->items[0].value;
    }
    return name;
}

static Expr *lower_metric(MqlParser *parser, const MqlNode *node) {
    Expr *expr = new_expr(parser, node, EXPR_SELECTOR, VALUE_VECTOR);
    ExprSelector *selector = &expr->selector;
    selector->sets = arena_array(parser->arena, MatcherSet, node->metric.count);
    for (size_t i = 0; i < node->metric.count; i++) {
        MatcherSet *set = &selector->sets[selector->set_count];
        *set = (MatcherSet){0};
        if (!lower_set(parser, &node->metric.sets[i], set)) {
            return NULL;
        }
        bool known = selector->set_count && sets_equal(set, &selector->sets[0]);
        selector->set_count += !known;
    }
    selector->name = common_name(selector);
    return expr;
}

/* ---- windows ---- */

static bool lower_at(MqlParser *parser, const MqlNode *node, AtModifier *ret_at) {
    Expr *expr = mql_lower(parser, node);
    if (!expr) {
        return false;
    }
    *ret_at = (AtModifier){.kind = AT_EXPR, .expr = expr};
    bool literal = expr->kind == EXPR_NUMBER && !expr->number.is_duration;
    if (expr->kind == EXPR_CALL && expr->call.function->id == FUNC_START) {
        ret_at->kind = AT_START;
    } else if (expr->kind == EXPR_CALL && expr->call.function->id == FUNC_END) {
        ret_at->kind = AT_END;
    } else if (literal && fabs(expr->number.value) < 9e12) {
        ret_at->kind = AT_TIME;
        ret_at->time = (TimeMs)llround(expr->number.value * 1000);
    }
    return true;
}

static bool lower_shift(MqlParser *parser, const MqlRollup *rollup, TimeShift *ret_shift) {
    *ret_shift = (TimeShift){0};
    return (!rollup->offset ||
            lower_span(parser, rollup->offset, rollup->offset_negative, &ret_shift->offset)) &&
           (!rollup->at || lower_at(parser, rollup->at, &ret_shift->at));
}

static Expr *lower_subquery(MqlParser *parser, const MqlNode *node, Expr *inner,
                            const TimeShift *shift) {
    const MqlRollup *rollup = &node->rollup;
    Expr *expr = new_expr(parser, node, EXPR_SUBQUERY, VALUE_MATRIX);
    ExprSubquery *subquery = &expr->subquery;
    *subquery =
        (ExprSubquery){.expr = inner, .shift = *shift, .inherit_step = rollup->inherit_step};
    if ((rollup->window && !lower_span(parser, rollup->window, false, &subquery->range)) ||
        (rollup->step && !lower_span(parser, rollup->step, false, &subquery->step)) ||
        !adopt(parser, expr, inner)) {
        return NULL;
    }
    return expr;
}

static Expr *lower_matrix(MqlParser *parser, const MqlNode *node, Expr *selector) {
    Expr *expr = new_expr(parser, node, EXPR_MATRIX, VALUE_MATRIX);
    expr->matrix.selector = selector;
    if (node->rollup.window &&
        !lower_span(parser, node->rollup.window, false, &expr->matrix.range)) {
        return NULL;
    }
    return adopt(parser, expr, selector) ? expr : NULL;
}

static Expr *lower_rollup(MqlParser *parser, const MqlNode *node) {
    const MqlRollup *rollup = &node->rollup;
    Expr *inner = mql_lower(parser, rollup->expr);
    TimeShift shift;
    if (!inner || !lower_shift(parser, rollup, &shift)) {
        return NULL;
    }
    bool subquery = rollup->step || rollup->inherit_step;
    bool plain = inner->kind == EXPR_SELECTOR && !inner->selector.shift.offset.given &&
                 inner->selector.shift.at.kind == AT_NONE;
    if (plain && !subquery) {
        inner->selector.shift = shift;
        inner->span = (ExprSpan){node->at, node->end};
        return rollup->window ? lower_matrix(parser, node, inner) : inner;
    }
    if (subquery || rollup->window) {
        return lower_subquery(parser, node, inner, &shift);
    }
    Expr *expr = new_expr(parser, node, EXPR_SHIFT, VALUE_VECTOR);
    expr->shift = (ExprShift){.expr = inner, .shift = shift};
    return adopt(parser, expr, inner) ? expr : NULL;
}

/* The argument of a window function that has no window: one is put around it, to be chosen when it
 * runs. */
static Expr *with_window(MqlParser *parser, const MqlNode *node, Expr *arg) {
    if (arg->kind == EXPR_MATRIX || arg->kind == EXPR_SUBQUERY) {
        return arg;
    }
    Expr *expr;
    if (arg->kind == EXPR_SELECTOR) {
        expr = new_expr(parser, node, EXPR_MATRIX, VALUE_MATRIX);
        expr->matrix.selector = arg;
        return adopt(parser, expr, arg) ? expr : NULL;
    }
    expr = new_expr(parser, node, EXPR_SUBQUERY, VALUE_MATRIX);
    expr->subquery.expr = arg;
    if (arg->kind == EXPR_SHIFT) {
        expr->subquery = (ExprSubquery){.expr = arg->shift.expr, .shift = arg->shift.shift};
    }
    return adopt(parser, expr, expr->subquery.expr) ? expr : NULL;
}

/* ---- calls ---- */

static bool lower_args(MqlParser *parser, Expr *expr, const MqlNodeList *args, int window,
                       const Expr *const **ret_args) {
    const Expr **out = arena_alloc(parser->arena, (args->count + 1) * sizeof *out);
    for (size_t i = 0; i < args->count; i++) {
        Expr *arg = mql_lower(parser, args->items[i]);
        if (arg && (int)i == window) {
            arg = with_window(parser, args->items[i], arg);
        }
        if (!arg || !adopt(parser, expr, arg)) {
            return false;
        }
        out[i] = arg;
    }
    *ret_args = out;
    return true;
}

static bool fail_unknown(MqlParser *parser, const MqlNode *node) {
    const char *near = function_suggest(node->call.name, true);
    return mql_fail(parser, node->at, "unknown function with name \"%.*s\"%s%s%s",
                    STR_ARG(node->call.name), near ? "; did you mean \"" : "", near ? near : "",
                    near ? "\"?" : "");
}

static Expr *lower_aggregate(MqlParser *parser, const MqlNode *node, const Aggregate *aggregate) {
    const MqlCall *call = &node->call;
    Expr *expr = new_expr(parser, node, EXPR_AGGREGATE, VALUE_VECTOR);
    ExprAggregate *out = &expr->aggregate;
    *out = (ExprAggregate){
        .aggregate = aggregate,
        .without = call->without,
        .grouped = call->grouped,
        .labels = call->labels.items,
        .label_count = call->labels.count,
        .expr_count = call->args.count,
        .limit = call->limit,
    };
    if (!lower_args(parser, expr, &call->args, -1, &out->exprs)) {
        return NULL;
    }
    size_t vector = aggregate->param == PARAM_NONE   ? 0
                    : aggregate->param == PARAM_MANY ? call->args.count - 1
                                                     : 1;
    out->expr = vector < call->args.count ? out->exprs[vector] : NULL;
    out->param = vector > 0 && call->args.count ? out->exprs[0] : NULL;
    return expr;
}

static Expr *lower_call(MqlParser *parser, const MqlNode *node) {
    const MqlCall *call = &node->call;
    if (call->aggregate) {
        return lower_aggregate(parser, node, aggregate_find(call->name, true));
    }
    const Function *function = function_find(call->name, true);
    if (!function || call->name.len == 0) {
        fail_unknown(parser, node);
        return NULL;
    }
    Expr *expr = new_expr(parser, node, EXPR_CALL, function->returns);
    expr->call.function = function;
    expr->call.name = call->name;
    expr->call.arg_count = call->args.count;
    expr->call.keep_metric_names = call->keep_metric_names;
    int window = function_window_arg(function, (int)call->args.count);
    return lower_args(parser, expr, &call->args, window, &expr->call.args) ? expr : NULL;
}

/* (a, b) is union(a, b); (a) is a. */
static Expr *lower_parens(MqlParser *parser, const MqlNode *node) {
    if (node->parens.count == 1) {
        return mql_lower(parser, node->parens.items[0]);
    }
    Expr *expr = new_expr(parser, node, EXPR_CALL, VALUE_VECTOR);
    expr->call.function = function_find(STR("union"), true);
    expr->call.name = (Str){"", 0};
    expr->call.arg_count = node->parens.count;
    return lower_args(parser, expr, &node->parens, -1, &expr->call.args) ? expr : NULL;
}

/* ---- operators ---- */

static Expr *lower_binary(MqlParser *parser, const MqlNode *node) {
    const MqlBinary *from = &node->binary;
    Expr *left = mql_lower(parser, from->left);
    Expr *right = left ? mql_lower(parser, from->right) : NULL;
    if (!right) {
        return NULL;
    }
    /* A comparison of numbers keeps some of them, which makes it a vector. */
    bool filters = binary_op_is_comparison(from->op) && !from->return_bool;
    bool scalar = left->type != VALUE_VECTOR && left->type != VALUE_MATRIX &&
                  right->type != VALUE_VECTOR && right->type != VALUE_MATRIX && !filters;
    Expr *expr = new_expr(parser, node, EXPR_BINARY, scalar ? VALUE_SCALAR : VALUE_VECTOR);
    bool set = from->op == OP_AND || from->op == OP_OR || from->op == OP_UNLESS;
    expr->binary = (ExprBinary){
        .op = from->op,
        .op_at = from->op_at,
        .left = left,
        .right = right,
        .return_bool = from->return_bool,
        .card = set ? CARD_MANY_TO_MANY : from->card,
        .on = from->on,
        .matching_given = from->grouped,
        .match_labels = from->labels.items,
        .match_label_count = from->labels.count,
        .include = from->include.items,
        .include_count = from->include.count,
        .include_all = from->include_all,
        .include_prefix = from->prefix ? from->prefix->string.value : (Str){"", 0},
        .fill_left_given = from->fill_left_given,
        .fill_right_given = from->fill_right_given,
        .fill_left = from->fill_left,
        .fill_right = from->fill_right,
        .keep_metric_names = from->keep_metric_names,
    };
    if (!adopt(parser, expr, left) || !adopt(parser, expr, right)) {
        return NULL;
    }
    return mql_fold(parser, expr);
}

static Expr *lower_kind(MqlParser *parser, const MqlNode *node) {
    Expr *expr;
    switch (node->kind) {
    case MQL_NODE_NUMBER:
        expr = number_expr(parser, node, node->number.value);
        expr->number.text = node->number.text;
        return expr;
    case MQL_NODE_DURATION:
        return lower_duration(parser, node);
    case MQL_NODE_STRING:
        expr = new_expr(parser, node, EXPR_STRING, VALUE_STRING);
        expr->string = node->string.value;
        return expr;
    case MQL_NODE_METRIC:
        return lower_metric(parser, node);
    case MQL_NODE_CALL:
        return lower_call(parser, node);
    case MQL_NODE_PARENS:
        return lower_parens(parser, node);
    case MQL_NODE_BINARY:
        return lower_binary(parser, node);
    case MQL_NODE_ROLLUP:
        return lower_rollup(parser, node);
    case MQL_NODE_WITH:
        break; /* expanded */
    }
    assert(false);
    return NULL;
}

Expr *mql_lower(MqlParser *parser, const MqlNode *node) {
    if (!mql_enter(parser, node->at)) {
        return NULL;
    }
    Expr *expr = lower_kind(parser, node);
    parser->depth--;
    return expr;
}

bool metricsql_parse(Arena *arena, Str text, const Expr **ret_expr, Err *err) {
    ExprSource *source = arena_new(arena, ExprSource);
    source->text = arena_str(arena, text);
    MqlParser parser = {.arena = arena, .source = source, .err = err};
    parser.lexer.text = source->text;
    parser.token = mql_next(&parser.lexer);
    const MqlNode *node = mql_parse_expression(&parser);
    if (node && parser.token.kind != MQL_EOF) {
        mql_fail(&parser, parser.token.start, "unexpected \"%.*s\" behind the expression",
                 parser.token.text.len < 40 ? (int)parser.token.text.len : 40,
                 parser.token.text.ptr);
        node = NULL;
    }
    parser.depth = 0;
    parser.nodes = 0;
    node = node ? mql_expand(&parser, node) : NULL;
    parser.depth = 0;
    parser.nodes = 0;
    Expr *expr = node ? mql_lower(&parser, node) : NULL;
    if (!expr) {
        expr_source_finish(source);
        return false;
    }
    *ret_expr = expr;
    return true;
}
