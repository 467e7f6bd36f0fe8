/* Walking and naming the parts of an expression tree. */

#include "promql/ast.h"

#include <assert.h>

#include "promql/parse.h"

static const char *const op_texts[OP_COUNT] = {
    [OP_ADD] = "+",
    [OP_SUB] = "-",
    [OP_MUL] = "*",
    [OP_DIV] = "/",
    [OP_MOD] = "%",
    [OP_POW] = "^",
    [OP_ATAN2] = "atan2",
    [OP_EQ] = "==",
    [OP_NE] = "!=",
    [OP_GT] = ">",
    [OP_LT] = "<",
    [OP_GE] = ">=",
    [OP_LE] = "<=",
    [OP_TRIM_UPPER] = "</",
    [OP_TRIM_LOWER] = ">/",
    [OP_AND] = "and",
    [OP_OR] = "or",
    [OP_UNLESS] = "unless",
    [OP_DEFAULT] = "default",
    [OP_IF] = "if",
    [OP_IFNOT] = "ifnot",
};

const char *binary_op_text(BinaryOp op) {
    assert(op < OP_COUNT);
    return op_texts[op];
}

bool binary_op_is_comparison(BinaryOp op) {
    return op >= OP_EQ && op <= OP_LE;
}

bool binary_op_is_set(BinaryOp op) {
    return op >= OP_AND && op < OP_COUNT;
}

void expr_position(Buf *buf, Str text, uint32_t offset) {
    if (text.len == 0) {
        buf_str(buf, STR("unknown position"));
        return;
    }
    assert(offset <= text.len);
    uint32_t line = 1;
    uint32_t line_start = 0;
    for (uint32_t i = 0; i < offset; i++) {
        if (text.ptr[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    }
    buf_printf(buf, "%u:%u", line, offset - line_start + 1);
}

ValueType expr_type(const Expr *expr) {
    return expr->type;
}

void expr_source_finish(ExprSource *source) {
    for (MatcherLink *link = source->matchers; link; link = link->next) {
        matcher_finish(&link->matcher);
    }
    source->matchers = NULL;
}

void expr_finish(const Expr *expr) {
    if (expr) {
        expr_source_finish(expr->source);
    }
}

const Expr *expr_unwrap(const Expr *expr) {
    while (expr->kind == EXPR_PAREN) {
        expr = expr->paren;
    }
    return expr;
}

void expr_children(const Expr *expr, void (*visit)(void *ctx, const Expr *child), void *ctx) {
    switch (expr->kind) {
    case EXPR_MATRIX:
        visit(ctx, expr->matrix.selector);
        break;
    case EXPR_SUBQUERY:
        visit(ctx, expr->subquery.expr);
        break;
    case EXPR_CALL:
        for (size_t i = 0; i < expr->call.arg_count; i++) {
            visit(ctx, expr->call.args[i]);
        }
        break;
    case EXPR_AGGREGATE:
        if (expr->aggregate.exprs) {
            for (size_t i = 0; i < expr->aggregate.expr_count; i++) {
                visit(ctx, expr->aggregate.exprs[i]);
            }
            break;
        }
        if (expr->aggregate.param) {
            visit(ctx, expr->aggregate.param);
        }
        visit(ctx, expr->aggregate.expr);
        break;
    case EXPR_BINARY:
        visit(ctx, expr->binary.left);
        visit(ctx, expr->binary.right);
        break;
    case EXPR_UNARY:
        visit(ctx, expr->unary.expr);
        break;
    case EXPR_PAREN:
        visit(ctx, expr->paren);
        break;
    case EXPR_SHIFT:
        visit(ctx, expr->shift.expr);
        break;
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_SELECTOR:
    case EXPR_DURATION:
        break;
    }
}

/* What expr_selectors() carries down. */
typedef struct SelectorVisit {
    void (*visit)(void *ctx, const MatcherSet *matchers, DurationMs range);
    void *ctx;
    DurationMs range;
} SelectorVisit;

static void visit_selectors(void *ctx, const Expr *expr) {
    SelectorVisit *outer = ctx;
    if (expr->kind == EXPR_SELECTOR) {
        if (!expr->selector.metadata_only) {
            for (size_t i = 0; i < expr->selector.set_count; i++) {
                outer->visit(outer->ctx, &expr->selector.sets[i], outer->range);
            }
        }
        return;
    }
    SelectorVisit inner = *outer;
    inner.range = expr->kind == EXPR_MATRIX ? expr->matrix.range.value : 0;
    expr_children(expr, visit_selectors, &inner);
}

void expr_selectors(const Expr *expr,
                    void (*visit)(void *ctx, const MatcherSet *matchers, DurationMs range),
                    void *ctx) {
    SelectorVisit top = {.visit = visit, .ctx = ctx};
    visit_selectors(&top, expr);
}

bool aggregate_is_folded(const ExprAggregate *aggregate) {
    for (size_t i = 0; i < aggregate->label_count; i++) {
        if (str_eq(aggregate->labels[i], LABEL_METRIC_NAME)) {
            return false;
        }
    }
    return aggregate->aggregate->flavours == IN_BOTH && aggregate->aggregate->param == PARAM_NONE &&
           aggregate->expr_count == 1 && aggregate->limit == 0;
}
