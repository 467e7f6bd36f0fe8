/*
 * Expressions written back: on one line, as Expr.String() of Prometheus, and broken over lines, as
 * `promtool promql format`.
 *
 * Pretty text breaks whatever is longer than a line: aggregations and calls put their arguments on
 * lines of their own, binary expressions put the operator between its operands, each indented by
 * its depth.
 */

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/go_text.h"
#include "base/number.h"
#include "promql/metricsql.h"
#include "promql/print.h"

enum { LINE_MAX_DEFAULT = 100 };

/* ---- pieces ---- */

static void put(Buf *buf, const char *text) {
    buf_str(buf, str_of(text));
}

void print_label_list(Buf *buf, const Str *labels, size_t count) {
    for (size_t i = 0; i < count; i++) {
        put(buf, i ? ", " : "");
        if (label_name_is_legacy(labels[i])) {
            buf_str(buf, labels[i]);
        } else {
            go_quote(buf, labels[i], 0);
        }
    }
}

void print_matcher(Buf *buf, const Matcher *matcher) {
    print_label_list(buf, &matcher->name, 1);
    put(buf, match_type_text(matcher->type));
    go_quote(buf, matcher->value, 0);
}

static void print_one(Buf *buf, const Expr *expr);

/* Seconds as a duration: -5m. */
static void print_seconds(Buf *buf, double seconds) {
    if (seconds < 0) {
        buf_byte(buf, '-');
        seconds = -seconds;
    }
    duration_put(buf, (DurationMs)(seconds * 1000 + 1e-6));
}

static void print_number(Buf *buf, const Expr *expr) {
    if (expr->number.is_duration) {
        print_seconds(buf, expr->number.value);
    } else {
        number_put(buf, expr->number.value);
    }
}

static const char *duration_op_text(DurationOp op) {
    static const char *const texts[] = {
        [DURATION_ADD] = "+",       [DURATION_SUB] = "-",      [DURATION_MUL] = "*",
        [DURATION_DIV] = "/",       [DURATION_MOD] = "%",      [DURATION_POW] = "^",
        [DURATION_NEG] = "-",       [DURATION_PLUS] = "+",     [DURATION_STEP] = "step",
        [DURATION_RANGE] = "range", [DURATION_MIN] = "min_of", [DURATION_MAX] = "max_of",
    };
    return texts[op];
}

static void print_duration(Buf *buf, const ExprDuration *duration) {
    put(buf, duration->wrapped ? "(" : "");
    switch (duration->op) {
    case DURATION_STEP:
    case DURATION_RANGE:
        buf_printf(buf, "%s()", duration_op_text(duration->op));
        break;
    case DURATION_MIN:
    case DURATION_MAX:
        buf_printf(buf, "%s(", duration_op_text(duration->op));
        print_one(buf, duration->left);
        put(buf, ", ");
        print_one(buf, duration->right);
        buf_byte(buf, ')');
        break;
    case DURATION_NEG:
        buf_byte(buf, '-');
        print_one(buf, duration->right);
        break;
    case DURATION_PLUS:
        print_one(buf, duration->right);
        break;
    default:
        print_one(buf, duration->left);
        buf_printf(buf, " %s ", duration_op_text(duration->op));
        print_one(buf, duration->right);
        break;
    }
    put(buf, duration->wrapped ? ")" : "");
}

static void print_spec(Buf *buf, const DurationSpec *spec) {
    if (spec->expr) {
        print_one(buf, spec->expr);
    } else {
        print_seconds(buf, (double)spec->value / 1000);
    }
}

static void print_at(Buf *buf, const AtModifier *at) {
    switch (at->kind) {
    case AT_NONE:
    case AT_EXPR:
        break;
    case AT_TIME:
        buf_printf(buf, " @ %.3f", (double)at->time / 1000);
        break;
    case AT_START:
        put(buf, " @ start()");
        break;
    case AT_END:
        put(buf, " @ end()");
        break;
    }
}

static void print_offset(Buf *buf, const DurationSpec *offset) {
    if (offset->expr || offset->value) {
        put(buf, " offset ");
        print_spec(buf, offset);
    }
}

static void print_extension(Buf *buf, const ExprSelector *selector) {
    put(buf, selector->anchored ? " anchored" : selector->smoothed ? " smoothed" : "");
}

/* ---- selectors ---- */

static int compare_texts(const void *a, const void *b) {
    return str_cmp(*(const Str *)a, *(const Str *)b);
}

/* The matcher that the name before the braces stands for. */
static bool says_name(const ExprSelector *selector, const Matcher *matcher) {
    return matcher->type == MATCH_EQ && matcher->value.len &&
           str_eq(matcher->name, LABEL_METRIC_NAME) && str_eq(matcher->value, selector->name);
}

static void print_matchers(Buf *buf, const ExprSelector *selector) {
    const MatcherSet *set = &selector->sets[0];
    Arena arena = {0};
    Str *texts = arena_array(&arena, Str, set->count);
    size_t count = 0;
    for (size_t i = 0; i < set->count; i++) {
        if (!says_name(selector, &set->items[i])) {
            AUTO(buf_finish) Buf text = {0};
            print_matcher(&text, &set->items[i]);
            texts[count++] = arena_str(&arena, buf_view(&text));
        }
    }
    if (count) {
        qsort(texts, count, sizeof *texts, compare_texts);
    }
    for (size_t i = 0; i < count; i++) {
        buf_byte(buf, i ? ',' : '{');
        buf_str(buf, texts[i]);
    }
    /* info(a, {}) has a selector of neither name nor matchers: the braces are what is left of it.
     */
    put(buf, count ? "}" : selector->name.len ? "" : "{}");
    arena_finish(&arena);
}

static void print_selector(Buf *buf, const ExprSelector *selector) {
    buf_str(buf, selector->name);
    print_matchers(buf, selector);
    print_at(buf, &selector->shift.at);
    print_extension(buf, selector);
    print_offset(buf, &selector->shift.offset);
}

static void print_matrix(Buf *buf, const ExprMatrix *matrix) {
    const ExprSelector *selector = &matrix->selector->selector;
    buf_str(buf, selector->name);
    print_matchers(buf, selector);
    buf_byte(buf, '[');
    print_spec(buf, &matrix->range);
    buf_byte(buf, ']');
    print_extension(buf, selector);
    print_at(buf, &selector->shift.at);
    print_offset(buf, &selector->shift.offset);
}

static void print_subquery_suffix(Buf *buf, const ExprSubquery *subquery) {
    buf_byte(buf, '[');
    print_spec(buf, &subquery->range);
    buf_byte(buf, ':');
    if (subquery->step.given) {
        print_spec(buf, &subquery->step);
    }
    buf_byte(buf, ']');
    print_at(buf, &subquery->shift.at);
    print_offset(buf, &subquery->shift.offset);
}

/* ---- compound expressions ---- */

/* `sum by (job) ` without the parentheses of its arguments. */
static void print_aggregate_head(Buf *buf, const ExprAggregate *aggregate) {
    put(buf, aggregate->aggregate->name);
    if (aggregate->without || aggregate->label_count) {
        put(buf, aggregate->without ? " without (" : " by (");
        print_label_list(buf, aggregate->labels, aggregate->label_count);
        put(buf, ") ");
    }
}

/* Go's %v of a float. */
static void print_fill_value(Buf *buf, const char *name, double value) {
    buf_printf(buf, " %s (", name);
    number_put_general(buf, value, GO_EXPONENT_MIN);
    buf_byte(buf, ')');
}

static void print_fill(Buf *buf, const ExprBinary *binary) {
    bool left = binary->fill_left_given;
    bool right = binary->fill_right_given;
    if (left && right && binary->fill_left == binary->fill_right) {
        print_fill_value(buf, "fill", binary->fill_left);
        return;
    }
    if (left) {
        print_fill_value(buf, "fill_left", binary->fill_left);
    }
    if (right) {
        print_fill_value(buf, "fill_right", binary->fill_right);
    }
}

/* The operator with its modifiers: `+ on (job) group_left ()`. */
static void print_operator(Buf *buf, const ExprBinary *binary) {
    put(buf, binary_op_text(binary->op));
    put(buf, binary->return_bool ? " bool" : "");
    bool grouped = binary->card == CARD_MANY_TO_ONE || binary->card == CARD_ONE_TO_MANY;
    if (binary->match_label_count || binary->on || grouped) {
        put(buf, binary->on ? " on (" : " ignoring (");
        print_label_list(buf, binary->match_labels, binary->match_label_count);
        buf_byte(buf, ')');
    }
    if (grouped) {
        put(buf, binary->card == CARD_MANY_TO_ONE ? " group_left (" : " group_right (");
        print_label_list(buf, binary->include, binary->include_count);
        buf_byte(buf, ')');
    }
    print_fill(buf, binary);
}

/* "+Inf ^ x" is read as +(Inf ^ x), so infinity has no sign there. */
static bool is_bare_infinity(const ExprBinary *binary) {
    return binary->op == OP_POW && binary->left->kind == EXPR_NUMBER &&
           !binary->left->number.is_duration && binary->left->number.value == INFINITY;
}

static void print_left(Buf *buf, const ExprBinary *binary) {
    if (is_bare_infinity(binary)) {
        put(buf, "Inf");
    } else {
        print_one(buf, binary->left);
    }
}

static void print_one(Buf *buf, const Expr *expr) {
    switch (expr->kind) {
    case EXPR_NUMBER:
        print_number(buf, expr);
        break;
    case EXPR_STRING:
        go_quote(buf, expr->string, 0);
        break;
    case EXPR_SELECTOR:
        print_selector(buf, &expr->selector);
        break;
    case EXPR_MATRIX:
        print_matrix(buf, &expr->matrix);
        break;
    case EXPR_SUBQUERY:
        print_one(buf, expr->subquery.expr);
        print_subquery_suffix(buf, &expr->subquery);
        break;
    case EXPR_CALL:
        buf_printf(buf, "%s(", expr->call.function->name);
        for (size_t i = 0; i < expr->call.arg_count; i++) {
            put(buf, i ? ", " : "");
            print_one(buf, expr->call.args[i]);
        }
        buf_byte(buf, ')');
        break;
    case EXPR_AGGREGATE:
        print_aggregate_head(buf, &expr->aggregate);
        buf_byte(buf, '(');
        if (expr->aggregate.param) {
            print_one(buf, expr->aggregate.param);
            put(buf, ", ");
        }
        print_one(buf, expr->aggregate.expr);
        buf_byte(buf, ')');
        break;
    case EXPR_BINARY:
        print_left(buf, &expr->binary);
        buf_byte(buf, ' ');
        print_operator(buf, &expr->binary);
        buf_byte(buf, ' ');
        print_one(buf, expr->binary.right);
        break;
    case EXPR_UNARY:
        buf_byte(buf, expr->unary.negate ? '-' : '+');
        print_one(buf, expr->unary.expr);
        break;
    case EXPR_PAREN:
        buf_byte(buf, '(');
        print_one(buf, expr->paren);
        buf_byte(buf, ')');
        break;
    case EXPR_DURATION:
        print_duration(buf, &expr->duration);
        break;
    case EXPR_SHIFT:
        assert(false); /* MetricsQL only */
        break;
    }
}

/* ---- pretty ---- */

typedef struct Pretty {
    Buf *buf;
    size_t line_max;
} Pretty;

static void indent(const Pretty *pretty, int level) {
    for (int i = 0; i < level; i++) {
        put(pretty->buf, "  ");
    }
}

static bool needs_split(const Pretty *pretty, const Expr *expr) {
    AUTO(buf_finish) Buf line = {0};
    print_one(&line, expr);
    return line.len > pretty->line_max;
}

static void pretty_one(const Pretty *pretty, const Expr *expr, int level);

static void pretty_list(const Pretty *pretty, const Expr *const *items, size_t count, int level) {
    for (size_t i = 0; i < count; i++) {
        put(pretty->buf, i ? ",\n" : "");
        pretty_one(pretty, items[i], level);
    }
}

/* head( newline args newline ) */
static void pretty_call(const Pretty *pretty, const Expr *const *args, size_t count, int level) {
    put(pretty->buf, "(\n");
    pretty_list(pretty, args, count, level + 1);
    buf_byte(pretty->buf, '\n');
    indent(pretty, level);
    buf_byte(pretty->buf, ')');
}

/* The sign takes its operand's first line. */
static void pretty_unary(const Pretty *pretty, const Expr *expr, int level) {
    AUTO(buf_finish) Buf text = {0};
    Pretty inner = {.buf = &text, .line_max = pretty->line_max};
    pretty_one(&inner, expr->unary.expr, level);
    indent(pretty, level);
    buf_byte(pretty->buf, expr->unary.negate ? '-' : '+');
    buf_str(pretty->buf, str_trim(buf_view(&text)));
}

static void pretty_split(const Pretty *pretty, const Expr *expr, int level) {
    const ExprAggregate *aggregate = &expr->aggregate;
    const Expr *args[2] = {aggregate->param, aggregate->expr};
    switch (expr->kind) {
    case EXPR_AGGREGATE:
        indent(pretty, level);
        print_aggregate_head(pretty->buf, aggregate);
        pretty_call(pretty, args + !aggregate->param, aggregate->param ? 2 : 1, level);
        break;
    case EXPR_CALL:
        indent(pretty, level);
        put(pretty->buf, expr->call.function->name);
        pretty_call(pretty, expr->call.args, expr->call.arg_count, level);
        break;
    case EXPR_PAREN:
        indent(pretty, level);
        pretty_call(pretty, &expr->paren, 1, level);
        break;
    case EXPR_BINARY:
        if (is_bare_infinity(&expr->binary)) {
            indent(pretty, level + 1);
            print_left(pretty->buf, &expr->binary);
        } else {
            pretty_one(pretty, expr->binary.left, level + 1);
        }
        buf_byte(pretty->buf, '\n');
        indent(pretty, level);
        print_operator(pretty->buf, &expr->binary);
        buf_byte(pretty->buf, '\n');
        pretty_one(pretty, expr->binary.right, level + 1);
        break;
    case EXPR_SUBQUERY:
        pretty_one(pretty, expr->subquery.expr, level);
        print_subquery_suffix(pretty->buf, &expr->subquery);
        break;
    default:
        indent(pretty, level);
        print_one(pretty->buf, expr);
        break;
    }
}

static void pretty_one(const Pretty *pretty, const Expr *expr, int level) {
    if (expr->kind == EXPR_UNARY) {
        pretty_unary(pretty, expr, level);
    } else if (needs_split(pretty, expr)) {
        pretty_split(pretty, expr, level);
    } else {
        /* A short subquery is not indented by Prometheus either. */
        indent(pretty, expr->kind == EXPR_SUBQUERY ? 0 : level);
        print_one(pretty->buf, expr);
    }
}

void expr_print_lines(Buf *buf, const Expr *expr, size_t line_max) {
    Pretty pretty = {.buf = buf, .line_max = line_max};
    pretty_one(&pretty, expr, 0);
}

void expr_print(Buf *buf, const Expr *expr, bool pretty) {
    if (expr->flavour == PROMQL_METRICSQL) {
        metricsql_print(buf, expr);
    } else if (pretty) {
        expr_print_lines(buf, expr, LINE_MAX_DEFAULT);
    } else {
        print_one(buf, expr);
    }
}
