/* MetricsQL written back, in the form VictoriaMetrics writes it. */

#include <assert.h>
#include <strings.h>

#include "base/go_text.h"
#include "base/number.h"
#include "promql/metricsql.h"
#include "promql/metricsql_lex.h"

static void put(Buf *buf, const char *text) {
    buf_str(buf, str_of(text));
}

static void put_words(Buf *buf, const Str *words, size_t count) {
    buf_byte(buf, '(');
    for (size_t i = 0; i < count; i++) {
        put(buf, i ? "," : "");
        mql_word_print(buf, words[i]);
    }
    buf_byte(buf, ')');
}

/* ---- metrics ---- */

static void put_filters(Buf *buf, const MatcherSet *set, size_t from) {
    for (size_t i = from; i < set->count; i++) {
        put(buf, i > from ? "," : "");
        mql_word_print(buf, set->items[i].name);
        put(buf, match_type_text(set->items[i].type));
        go_quote(buf, set->items[i].value, 0);
    }
}

static void put_selector(Buf *buf, const ExprSelector *selector) {
    size_t from = selector->name.len ? 1 : 0;
    mql_word_print(buf, selector->name);
    bool bare = from == 1;
    for (size_t i = 0; i < selector->set_count; i++) {
        bare &= selector->sets[i].count == 1;
    }
    if (bare) {
        return;
    }
    buf_byte(buf, '{');
    const char *separator = "";
    for (size_t i = 0; i < selector->set_count; i++) {
        if (selector->sets[i].count > from) {
            put(buf, separator);
            put_filters(buf, &selector->sets[i], from);
            separator = " or ";
        }
    }
    buf_byte(buf, '}');
}

/* ---- windows ---- */

static void put_shift(Buf *buf, const TimeShift *shift) {
    if (shift->offset.given) {
        buf_printf(buf, " offset %.*s", STR_ARG(shift->offset.text));
    }
    if (shift->at.kind != AT_NONE) {
        bool wrap = shift->at.expr->kind == EXPR_BINARY;
        put(buf, wrap ? " @ (" : " @ ");
        metricsql_print(buf, shift->at.expr);
        put(buf, wrap ? ")" : "");
    }
}

static bool has_shift(const TimeShift *shift) {
    return shift->offset.given || shift->at.kind != AT_NONE;
}

/* [5m:1m] around something that is no metric, which needs parentheses if it could be read
 * otherwise. */
static void put_wrapped(Buf *buf, const Expr *expr) {
    bool shifted = (expr->kind == EXPR_SELECTOR && has_shift(&expr->selector.shift)) ||
                   expr->kind == EXPR_MATRIX || expr->kind == EXPR_SUBQUERY ||
                   expr->kind == EXPR_SHIFT;
    bool wrap = shifted || expr->kind == EXPR_BINARY ||
                (expr->kind == EXPR_AGGREGATE && expr->aggregate.grouped);
    put(buf, wrap ? "(" : "");
    metricsql_print(buf, expr);
    put(buf, wrap ? ")" : "");
}

static void put_subquery(Buf *buf, const ExprSubquery *subquery) {
    bool brackets = subquery->range.given || subquery->step.given || subquery->inherit_step;
    if (!brackets && !has_shift(&subquery->shift)) {
        metricsql_print(buf, subquery->expr);
        return;
    }
    put_wrapped(buf, subquery->expr);
    if (brackets) {
        buf_byte(buf, '[');
        buf_str(buf, subquery->range.given ? subquery->range.text : STR(""));
        if (subquery->step.given || subquery->inherit_step) {
            buf_byte(buf, ':');
            buf_str(buf, subquery->step.given ? subquery->step.text : STR(""));
        }
        buf_byte(buf, ']');
    }
    put_shift(buf, &subquery->shift);
}

static void put_matrix(Buf *buf, const ExprMatrix *matrix) {
    put_selector(buf, &matrix->selector->selector);
    if (matrix->range.given) {
        buf_printf(buf, "[%.*s]", STR_ARG(matrix->range.text));
    }
    put_shift(buf, &matrix->selector->selector.shift);
}

/* ---- calls ---- */

static void put_args(Buf *buf, const Expr *const *args, size_t count) {
    buf_byte(buf, '(');
    for (size_t i = 0; i < count; i++) {
        put(buf, i ? ", " : "");
        metricsql_print(buf, args[i]);
    }
    buf_byte(buf, ')');
}

static void put_aggregate(Buf *buf, const ExprAggregate *aggregate) {
    put(buf, aggregate->aggregate->name);
    put_args(buf, aggregate->exprs, aggregate->expr_count);
    if (aggregate->grouped) {
        put(buf, aggregate->without ? " without" : " by");
        put_words(buf, aggregate->labels, aggregate->label_count);
    }
    if (aggregate->limit) {
        buf_printf(buf, " limit %llu", (unsigned long long)aggregate->limit);
    }
}

/* ---- operators ---- */

/* 2i is kept as step() * 2. */
static const Str *steps_text(const Expr *expr) {
    if (expr->kind != EXPR_BINARY || expr->binary.right->kind != EXPR_NUMBER) {
        return NULL;
    }
    const Str *text = &expr->binary.right->number.text;
    bool steps = expr->binary.right->number.is_duration && text->len &&
                 (text->ptr[text->len - 1] | 0x20) == 'i';
    return steps ? text : NULL;
}

static const TimeShift *shift_of(const Expr *expr) {
    switch (expr->kind) {
    case EXPR_SELECTOR:
        return &expr->selector.shift;
    case EXPR_MATRIX:
        return &expr->matrix.selector->selector.shift;
    case EXPR_SUBQUERY:
        return &expr->subquery.shift;
    case EXPR_SHIFT:
        return &expr->shift.shift;
    default:
        return NULL;
    }
}

static bool is_reserved(Str word) {
    static const char *const words[] = {"on",          "ignoring", "group_left",
                                        "group_right", "bool",     "prefix"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strlen(words[i]) == word.len && strncasecmp(words[i], word.ptr, word.len) == 0) {
            return true;
        }
    }
    return false;
}

static bool needs_parens(const Expr *operand) {
    const TimeShift *shift = shift_of(operand);
    return (operand->kind == EXPR_BINARY && !steps_text(operand)) || (shift && has_shift(shift));
}

static bool right_needs_parens(const ExprBinary *binary) {
    const Expr *right = binary->right;
    if (needs_parens(right)) {
        return true;
    }
    if (right->kind == EXPR_SELECTOR) {
        return is_reserved(right->selector.name);
    }
    return right->kind == EXPR_CALL && (is_reserved(right->call.name) ||
                                        right->call.keep_metric_names || binary->keep_metric_names);
}

static void put_operand(Buf *buf, const Expr *operand, bool wrap) {
    put(buf, wrap ? "(" : "");
    metricsql_print(buf, operand);
    put(buf, wrap ? ")" : "");
}

static void put_fill(Buf *buf, const char *name, double value) {
    buf_printf(buf, " %s(", name);
    number_put_general(buf, value, GO_EXPONENT_MIN);
    buf_byte(buf, ')');
}

static void put_operator(Buf *buf, const ExprBinary *binary) {
    buf_printf(buf, " %s%s", binary_op_text(binary->op), binary->return_bool ? "bool" : "");
    if (binary->matching_given) {
        put(buf, binary->on ? " on" : " ignoring");
        put_words(buf, binary->match_labels, binary->match_label_count);
    }
    if (binary->card == CARD_MANY_TO_ONE || binary->card == CARD_ONE_TO_MANY) {
        put(buf, binary->card == CARD_MANY_TO_ONE ? " group_left" : " group_right");
        if (binary->include_all) {
            put(buf, "(*)");
        } else {
            put_words(buf, binary->include, binary->include_count);
        }
        if (binary->include_prefix.len) {
            put(buf, " prefix ");
            go_quote(buf, binary->include_prefix, 0);
        }
    }
    bool both = binary->fill_left_given && binary->fill_right_given &&
                binary->fill_left == binary->fill_right;
    if (both) {
        put_fill(buf, "fill", binary->fill_left);
    }
    if (binary->fill_left_given && !both) {
        put_fill(buf, "fill_left", binary->fill_left);
    }
    if (binary->fill_right_given && !both) {
        put_fill(buf, "fill_right", binary->fill_right);
    }
    buf_byte(buf, ' ');
}

static void put_binary(Buf *buf, const Expr *expr) {
    const ExprBinary *binary = &expr->binary;
    const Str *steps = steps_text(expr);
    if (steps) {
        buf_str(buf, *steps);
        return;
    }
    put(buf, binary->keep_metric_names ? "(" : "");
    put_operand(buf, binary->left, needs_parens(binary->left));
    put_operator(buf, binary);
    put_operand(buf, binary->right, right_needs_parens(binary));
    put(buf, binary->keep_metric_names ? ") keep_metric_names" : "");
}

void metricsql_print(Buf *buf, const Expr *expr) {
    switch (expr->kind) {
    case EXPR_NUMBER:
        if (expr->number.text.len) {
            buf_str(buf, expr->number.text);
        } else {
            number_put_general(buf, expr->number.value, GO_EXPONENT_MIN);
        }
        break;
    case EXPR_STRING:
        go_quote(buf, expr->string, 0);
        break;
    case EXPR_SELECTOR:
        put_selector(buf, &expr->selector);
        put_shift(buf, &expr->selector.shift);
        break;
    case EXPR_MATRIX:
        put_matrix(buf, &expr->matrix);
        break;
    case EXPR_SUBQUERY:
        put_subquery(buf, &expr->subquery);
        break;
    case EXPR_CALL:
        mql_word_print(buf, expr->call.name);
        put_args(buf, expr->call.args, expr->call.arg_count);
        put(buf, expr->call.keep_metric_names ? " keep_metric_names" : "");
        break;
    case EXPR_AGGREGATE:
        put_aggregate(buf, &expr->aggregate);
        break;
    case EXPR_BINARY:
        put_binary(buf, expr);
        break;
    case EXPR_SHIFT:
        put_wrapped(buf, expr->shift.expr);
        put_shift(buf, &expr->shift.shift);
        break;
    case EXPR_UNARY:
    case EXPR_PAREN:
    case EXPR_DURATION:
        assert(false); /* made by PromQL's parser only */
        break;
    }
}
