#include "promql/scalar_ops.h"

#include <assert.h>
#include <math.h>

bool scalar_compare(BinaryOp op, double left, double right) {
    switch (op) {
    case OP_EQ:
        return left == right;
    case OP_NE:
        return left != right;
    case OP_GT:
        return left > right;
    case OP_LT:
        return left < right;
    case OP_GE:
        return left >= right;
    case OP_LE:
        return left <= right;
    default:
        assert(false);
        return false;
    }
}

double scalar_binary(BinaryOp op, double left, double right) {
    switch (op) {
    case OP_ADD:
        return left + right;
    case OP_SUB:
        return left - right;
    case OP_MUL:
        return left * right;
    case OP_DIV:
        return left / right;
    case OP_MOD:
        return fmod(left, right);
    case OP_POW:
        return pow(left, right);
    case OP_ATAN2:
        return atan2(left, right);
    default:
        return scalar_compare(op, left, right) ? 1 : 0;
    }
}

double go_max(double a, double b) {
    if (isinf(a) && a > 0) {
        return a;
    }
    if (isinf(b) && b > 0) {
        return b;
    }
    if (isnan(a) || isnan(b)) {
        return value_of_bits(NORMAL_NAN_BITS);
    }
    if (a == 0 && a == b) {
        return signbit(a) ? b : a;
    }
    return a > b ? a : b;
}

double go_min(double a, double b) {
    if (isinf(a) && a < 0) {
        return a;
    }
    if (isinf(b) && b < 0) {
        return b;
    }
    if (isnan(a) || isnan(b)) {
        return value_of_bits(NORMAL_NAN_BITS);
    }
    if (a == 0 && a == b) {
        return signbit(a) ? a : b;
    }
    return a < b ? a : b;
}
