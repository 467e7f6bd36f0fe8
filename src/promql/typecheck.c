/* Types: what may stand where. Checked depth first, in the order and with the sentences of
 * Prometheus. */

#include <assert.h>

#include "base/go_text.h"
#include "promql/parse.h"

const char *value_type_words(ValueType type) {
    switch (type) {
    case VALUE_SCALAR:
        return "scalar";
    case VALUE_STRING:
        return "string";
    case VALUE_VECTOR:
        return "instant vector";
    case VALUE_MATRIX:
        return "range vector";
    }
    return "none";
}

/* The short names Prometheus uses in a few places, and in its JSON. */
const char *value_type_name(ValueType type) {
    switch (type) {
    case VALUE_SCALAR:
        return "scalar";
    case VALUE_STRING:
        return "string";
    case VALUE_VECTOR:
        return "vector";
    case VALUE_MATRIX:
        return "matrix";
    }
    return "none";
}

/* The tree was made a moment ago by the same parser, which hands it out as const only afterwards.
 */
static Expr *own(const Expr *expr) {
    return (Expr *)expr;
}

/* Of a node whose children are checked. */
static ValueType type_of(const Expr *expr) {
    switch (expr->kind) {
    case EXPR_NUMBER:
    case EXPR_DURATION:
        return VALUE_SCALAR;
    case EXPR_STRING:
        return VALUE_STRING;
    case EXPR_MATRIX:
    case EXPR_SUBQUERY:
        return VALUE_MATRIX;
    case EXPR_CALL:
        return expr->call.function->returns;
    case EXPR_BINARY: {
        ValueType left = expr->binary.left->type;
        ValueType right = expr->binary.right->type;
        return left == VALUE_SCALAR && right == VALUE_SCALAR ? VALUE_SCALAR : VALUE_VECTOR;
    }
    case EXPR_UNARY:
        return expr->unary.expr->type;
    case EXPR_PAREN:
        return expr->paren->type;
    case EXPR_SELECTOR:
    case EXPR_AGGREGATE:
    case EXPR_SHIFT:
        return VALUE_VECTOR;
    }
    return VALUE_VECTOR;
}

static bool fail_at(Parser *parser, const Expr *expr, const char *message) {
    return parser_fail(parser, expr->span.start, "%s", message);
}

static bool expect_type(Parser *parser, const Expr *expr, ValueType want, const char *context) {
    if (!expr_typecheck(parser, own(expr))) {
        return false;
    }
    return expr->type == want ||
           parser_fail(parser, expr->span.start, "expected type %s in %s, got %s",
                       value_type_words(want), context, value_type_words(expr->type));
}

static bool check_aggregate(Parser *parser, const Expr *expr) {
    const ExprAggregate *aggregate = &expr->aggregate;
    if (!expect_type(parser, aggregate->expr, VALUE_VECTOR, "aggregation expression")) {
        return false;
    }
    if (!aggregate->param) {
        return true;
    }
    bool text = aggregate->aggregate->param == PARAM_STRING;
    return expect_type(parser, aggregate->param, text ? VALUE_STRING : VALUE_SCALAR,
                       "aggregation parameter");
}

static bool check_label_clash(Parser *parser, const ExprBinary *binary) {
    for (size_t i = 0; binary->on && i < binary->match_label_count; i++) {
        for (size_t j = 0; j < binary->include_count; j++) {
            if (str_eq(binary->match_labels[i], binary->include[j])) {
                return parser_fail(parser, binary->op_at,
                                   "label \"%.*s\" must not occur in ON and GROUP clause at once",
                                   STR_ARG(binary->match_labels[i]));
            }
        }
    }
    return true;
}

static bool is_operand_type(ValueType type) {
    return type == VALUE_SCALAR || type == VALUE_VECTOR;
}

/* Matching and filling make sense only between vectors; what is left of them otherwise is
 * forgotten. */
static bool check_scalar_matching(Parser *parser, Expr *expr) {
    ExprBinary *binary = &expr->binary;
    if (binary->match_label_count) {
        return fail_at(parser, expr, "vector matching only allowed between instant vectors");
    }
    if (binary->fill_left_given || binary->fill_right_given) {
        return fail_at(parser, expr,
                       "filling in missing series only allowed between instant vectors");
    }
    binary->matching_given = binary->on = false;
    binary->card = CARD_ONE_TO_ONE;
    binary->include = NULL;
    binary->include_count = 0;
    if (binary_op_is_set(binary->op)) {
        return parser_fail(parser, expr->span.start,
                           "set operator \"%s\" not allowed in binary scalar expression",
                           binary_op_text(binary->op));
    }
    return true;
}

static bool check_set_matching(Parser *parser, Expr *expr) {
    ExprBinary *binary = &expr->binary;
    if (binary->card != CARD_ONE_TO_ONE) {
        return parser_fail(parser, expr->span.start, "no grouping allowed for \"%s\" operation",
                           binary_op_text(binary->op));
    }
    if (binary->fill_left_given || binary->fill_right_given) {
        return fail_at(parser, expr, "filling in missing series not allowed for set operators");
    }
    binary->card = CARD_MANY_TO_MANY;
    return true;
}

static bool check_binary(Parser *parser, Expr *expr) {
    ExprBinary *binary = &expr->binary;
    if (!expr_typecheck(parser, own(binary->left)) || !expr_typecheck(parser, own(binary->right))) {
        return false;
    }
    ValueType left = binary->left->type;
    ValueType right = binary->right->type;
    bool comparison = binary_op_is_comparison(binary->op);
    if (binary->return_bool && !comparison) {
        return parser_fail(parser, binary->op_at,
                           "bool modifier can only be used on comparison operators");
    }
    if (comparison && !binary->return_bool && left == VALUE_SCALAR && right == VALUE_SCALAR) {
        return parser_fail(parser, binary->op_at,
                           "comparisons between scalars must use BOOL modifier");
    }
    if (!check_label_clash(parser, binary)) {
        return false;
    }
    if (!is_operand_type(left) || !is_operand_type(right)) {
        return fail_at(parser, is_operand_type(left) ? binary->right : binary->left,
                       "binary expression must contain only scalar and instant vector types");
    }
    if (left != VALUE_VECTOR || right != VALUE_VECTOR) {
        return check_scalar_matching(parser, expr);
    }
    return !binary_op_is_set(binary->op) || check_set_matching(parser, expr);
}

static bool check_arg_count(Parser *parser, const Expr *expr) {
    const Function *function = expr->call.function;
    size_t listed = (size_t)function_arg_count(function);
    size_t given = expr->call.arg_count;
    const char *bound = "";
    size_t wanted = listed;
    if (function->variadic == 0) {
        if (given == listed) {
            return true;
        }
    } else if (given < listed - 1) {
        bound = "at least ";
        wanted = listed - 1;
    } else {
        wanted = listed - 1 + (size_t)function->variadic;
        if (function->variadic < 0 || given <= wanted) {
            return true;
        }
        bound = "at most ";
    }
    return parser_fail(parser, expr->span.start,
                       "expected %s%zu argument(s) in call to \"%s\", got %zu", bound, wanted,
                       function->name, given);
}

/* The second argument of info() only lists label matchers. */
static bool check_info_arg(Parser *parser, const Expr *expr) {
    Expr *arg = own(expr->call.args[1]);
    if (arg->kind != EXPR_SELECTOR) {
        if (!expr_typecheck(parser, arg)) {
            return false;
        }
        return arg->type == VALUE_VECTOR
                   ? fail_at(parser, arg, "expected label selectors only")
                   : parser_fail(
                         parser, expr->span.start,
                         "expected type instant vector in call to function \"info\", got %s",
                         value_type_words(arg->type));
    }
    if (arg->selector.name.len) {
        return fail_at(parser, arg, "expected label selectors only, got vector selector instead");
    }
    arg->selector.metadata_only = true;
    return true;
}

static bool check_call(Parser *parser, const Expr *expr) {
    const ExprCall *call = &expr->call;
    if (!check_arg_count(parser, expr)) {
        return false;
    }
    if (call->function->id == FUNC_INFO && call->arg_count > 1 && !check_info_arg(parser, expr)) {
        return false;
    }
    for (size_t i = 0; i < call->arg_count; i++) {
        const Expr *arg = call->args[i];
        if (!expr_typecheck(parser, own(arg))) {
            return false;
        }
        ValueType want = function_arg_type(call->function, (int)i);
        if (arg->type != want) {
            return parser_fail(
                parser, arg->span.start, "expected type %s in call to function \"%s\", got %s",
                value_type_words(want), call->function->name, value_type_words(arg->type));
        }
    }
    return true;
}

static bool check_unary(Parser *parser, const Expr *expr) {
    if (!expr_typecheck(parser, own(expr->unary.expr))) {
        return false;
    }
    return is_operand_type(expr->unary.expr->type) ||
           parser_fail(parser, expr->span.start,
                       "unary expression only allowed on expressions of type scalar or instant "
                       "vector, got \"%s\"",
                       value_type_words(expr->unary.expr->type));
}

static bool check_subquery(Parser *parser, const Expr *expr) {
    if (!expr_typecheck(parser, own(expr->subquery.expr))) {
        return false;
    }
    return expr->subquery.expr->type == VALUE_VECTOR ||
           parser_fail(parser, expr->span.start,
                       "subquery is only allowed on instant vector, got %s instead",
                       value_type_name(expr->subquery.expr->type));
}

/* A typing slip must not select every series there is. */
static bool check_selector(Parser *parser, const Expr *expr) {
    const ExprSelector *selector = &expr->selector;
    const MatcherSet *set = &selector->sets[0];
    bool named = selector->name.len > 0;
    for (size_t i = 0; named && i + 1 < set->count; i++) {
        if (str_eq(set->items[i].name, LABEL_METRIC_NAME)) {
            AUTO(buf_finish) Buf names = {0};
            go_quote(&names, selector->name, 0);
            buf_str(&names, STR(" or "));
            go_quote(&names, set->items[i].value, 0);
            return parser_fail(parser, expr->span.start, "metric name must not be set twice: %.*s",
                               STR_ARG(buf_view(&names)));
        }
    }
    if (named || selector->metadata_only) {
        return true;
    }
    for (size_t i = 0; i < set->count; i++) {
        if (!set->items[i].matches_empty) {
            return true;
        }
    }
    return fail_at(parser, expr, "vector selector must contain at least one non-empty matcher");
}

bool expr_typecheck(Parser *parser, Expr *expr) {
    bool ok = true;
    switch (expr->kind) {
    case EXPR_AGGREGATE:
        ok = check_aggregate(parser, expr);
        break;
    case EXPR_BINARY:
        ok = check_binary(parser, expr);
        break;
    case EXPR_CALL:
        ok = check_call(parser, expr);
        break;
    case EXPR_PAREN:
        ok = expr_typecheck(parser, own(expr->paren));
        break;
    case EXPR_UNARY:
        ok = check_unary(parser, expr);
        break;
    case EXPR_SUBQUERY:
        ok = check_subquery(parser, expr);
        break;
    case EXPR_MATRIX:
        ok = expr_typecheck(parser, own(expr->matrix.selector));
        break;
    case EXPR_SELECTOR:
        ok = check_selector(parser, expr);
        break;
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_DURATION:
    case EXPR_SHIFT:
        break;
    }
    if (ok) {
        expr->type = type_of(expr);
    }
    return ok;
}
