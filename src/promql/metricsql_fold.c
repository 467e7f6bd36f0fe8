/* Constants of MetricsQL computed while parsing: 2 * 1Ki, "a" == "b". */

#include <math.h>

#include "promql/metricsql_syntax.h"
#include "promql/scalar_ops.h"

static bool compare(BinaryOp op, double left, double right) {
    switch (op) {
    case OP_EQ:
        return left == right || (isnan(left) && isnan(right));
    case OP_NE:
        return isnan(left) ? !isnan(right) : isnan(right) || left != right;
    case OP_GT:
        return left > right;
    case OP_LT:
        return left < right;
    case OP_GE:
        return left >= right;
    default:
        return left <= right;
    }
}

/* What the operator makes of two numbers; NaN stands for "no value". */
static double compute(BinaryOp op, double left, double right, bool return_bool) {
    if (binary_op_is_comparison(op)) {
        bool holds = compare(op, left, right);
        if (return_bool) {
            return holds ? 1 : 0;
        }
        return holds ? left : NAN;
    }
    switch (op) {
    case OP_AND:
        return isnan(left) || isnan(right) ? NAN : left;
    case OP_OR:
    case OP_DEFAULT:
        return isnan(left) ? right : left;
    case OP_UNLESS:
    case OP_IFNOT:
        return isnan(right) ? left : NAN;
    case OP_IF:
        return isnan(right) ? NAN : left;
    default:
        return scalar_binary(op, left, right);
    }
}

static bool is_number(const Expr *expr) {
    return expr->kind == EXPR_NUMBER && !expr->number.is_duration;
}

static Expr *make_number(MqlParser *parser, const Expr *at, double value) {
    Expr *number = arena_new(parser->arena, Expr);
    *number = *at;
    number->kind = EXPR_NUMBER;
    number->type = VALUE_SCALAR;
    number->height = 1;
    number->number.value = value;
    number->number.is_duration = false;
    number->number.text = (Str){"", 0};
    return number;
}

Expr *mql_fold(MqlParser *parser, Expr *expr) {
    const ExprBinary *binary = &expr->binary;
    const Expr *left = binary->left;
    const Expr *right = binary->right;
    if (is_number(left) && is_number(right)) {
        return make_number(
            parser, expr,
            compute(binary->op, left->number.value, right->number.value, binary->return_bool));
    }
    bool strings = left->kind == EXPR_STRING && right->kind == EXPR_STRING;
    if (!strings || !binary_op_is_comparison(binary->op)) {
        return expr;
    }
    double order = str_cmp(left->string, right->string);
    bool holds = compare(binary->op, order, 0);
    return make_number(parser, expr, holds ? 1 : binary->return_bool ? 0 : NAN);
}
