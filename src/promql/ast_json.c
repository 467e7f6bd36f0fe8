/*
 * The JSON of /api/v1/parse_query: one object per node, keys in byte order, as Go marshals maps.
 *
 * Written into a text of its own and handed over whole: a tree may be deeper than a JsonWriter
 * goes.
 */

#include "base/json.h"
#include "base/number.h"
#include "promql/parse.h"

static void put(Buf *buf, const char *text) {
    buf_str(buf, str_of(text));
}

/* `"key":` behind a comma unless it is the first. */
static void key(Buf *buf, const char *name) {
    if (buf->len && buf->ptr[buf->len - 1] != '{') {
        buf_byte(buf, ',');
    }
    buf_printf(buf, "\"%s\":", name);
}

static void key_bool(Buf *buf, const char *name, bool value) {
    key(buf, name);
    put(buf, value ? "true" : "false");
}

static void key_text(Buf *buf, const char *name, Str text) {
    key(buf, name);
    json_quote(buf, text);
}

static void key_ms(Buf *buf, const char *name, int64_t value) {
    key(buf, name);
    buf_printf(buf, "%lld", (long long)value);
}

static void key_labels(Buf *buf, const char *name, const Str *labels, size_t count) {
    key(buf, name);
    buf_byte(buf, '[');
    for (size_t i = 0; i < count; i++) {
        put(buf, i ? "," : "");
        json_quote(buf, labels[i]);
    }
    buf_byte(buf, ']');
}

static void put_node(Buf *buf, const Expr *expr);

static void key_node(Buf *buf, const char *name, const Expr *expr) {
    key(buf, name);
    if (expr) {
        put_node(buf, expr);
    } else {
        put(buf, "null");
    }
}

static void put_number_node(Buf *buf, const Expr *expr, bool in_duration) {
    buf_byte(buf, '{');
    if (in_duration) {
        key_bool(buf, "duration", expr->number.is_duration);
    }
    key_text(buf, "type", STR("numberLiteral"));
    key(buf, "val");
    buf_byte(buf, '"');
    number_put(buf, expr->number.value);
    put(buf, "\"}");
}

static void put_duration_node(Buf *buf, const Expr *expr) {
    static const char *const ops[] = {
        [DURATION_ADD] = "+",       [DURATION_SUB] = "-",      [DURATION_MUL] = "*",
        [DURATION_DIV] = "/",       [DURATION_MOD] = "%",      [DURATION_POW] = "^",
        [DURATION_NEG] = "-",       [DURATION_PLUS] = "+",     [DURATION_STEP] = "step",
        [DURATION_RANGE] = "range", [DURATION_MIN] = "min_of", [DURATION_MAX] = "max_of",
    };
    if (!expr) {
        put(buf, "null");
        return;
    }
    if (expr->kind == EXPR_NUMBER) {
        put_number_node(buf, expr, true);
        return;
    }
    buf_byte(buf, '{');
    key(buf, "lhs");
    put_duration_node(buf, expr->duration.left);
    key_text(buf, "op", str_of(ops[expr->duration.op]));
    key(buf, "rhs");
    put_duration_node(buf, expr->duration.right);
    key_text(buf, "type", STR("durationExpr"));
    key_bool(buf, "wrapped", expr->duration.wrapped);
    buf_byte(buf, '}');
}

static void key_duration(Buf *buf, const char *name, const DurationSpec *spec) {
    key(buf, name);
    put_duration_node(buf, spec->expr);
}

/* A computed duration counts 0 until it runs. */
static void key_spec(Buf *buf, const char *name, const char *expr_name, const DurationSpec *spec) {
    key_ms(buf, name, spec->expr ? 0 : spec->value);
    key_duration(buf, expr_name, spec);
}

static void key_at(Buf *buf, const AtModifier *at) {
    key(buf, "startOrEnd");
    put(buf, at->kind == AT_START ? "\"start\"" : at->kind == AT_END ? "\"end\"" : "null");
}

static void key_time(Buf *buf, const AtModifier *at) {
    key(buf, "timestamp");
    if (at->kind == AT_TIME) {
        buf_printf(buf, "%lld", (long long)at->time);
    } else {
        put(buf, "null");
    }
}

static void key_matchers(Buf *buf, const ExprSelector *selector) {
    key(buf, "matchers");
    buf_byte(buf, '[');
    const char *comma = "";
    for (size_t s = 0; s < selector->set_count; s++) {
        for (size_t i = 0; i < selector->sets[s].count; i++) {
            const Matcher *matcher = &selector->sets[s].items[i];
            put(buf, comma);
            buf_byte(buf, '{');
            key_text(buf, "name", matcher->name);
            key_text(buf, "type", str_of(match_type_text(matcher->type)));
            key_text(buf, "value", matcher->value);
            buf_byte(buf, '}');
            comma = ",";
        }
    }
    buf_byte(buf, ']');
}

static void put_selector(Buf *buf, const ExprSelector *selector, const DurationSpec *range) {
    key_bool(buf, "anchored", selector->anchored);
    key_matchers(buf, selector);
    key_text(buf, "name", selector->name);
    key_spec(buf, "offset", "offsetExpr", &selector->shift.offset);
    if (range) {
        key_spec(buf, "range", "rangeExpr", range);
    }
    key_bool(buf, "smoothed", selector->smoothed);
    key_at(buf, &selector->shift.at);
    key_time(buf, &selector->shift.at);
    key_text(buf, "type", range ? STR("matrixSelector") : STR("vectorSelector"));
}

static void put_subquery(Buf *buf, const ExprSubquery *subquery) {
    key_node(buf, "expr", subquery->expr);
    key_spec(buf, "offset", "offsetExpr", &subquery->shift.offset);
    key_spec(buf, "range", "rangeExpr", &subquery->range);
    key_at(buf, &subquery->shift.at);
    key_spec(buf, "step", "stepExpr", &subquery->step);
    key_time(buf, &subquery->shift.at);
    key_text(buf, "type", STR("subquery"));
}

static void put_aggregate(Buf *buf, const ExprAggregate *aggregate) {
    key_node(buf, "expr", aggregate->expr);
    key_labels(buf, "grouping", aggregate->labels, aggregate->label_count);
    key_text(buf, "op", str_of(aggregate->aggregate->name));
    key_node(buf, "param", aggregate->param);
    key_text(buf, "type", STR("aggregation"));
    key_bool(buf, "without", aggregate->without);
}

/* Go refuses to marshal NaN and infinities as numbers; they are left null. */
static void key_fill(Buf *buf, const char *name, bool given, double value) {
    key(buf, name);
    if (given && value - value == 0) {
        number_put(buf, value);
    } else {
        put(buf, "null");
    }
}

static void put_matching(Buf *buf, const ExprBinary *binary) {
    static const char *const cards[] = {
        [CARD_ONE_TO_ONE] = "one-to-one",
        [CARD_MANY_TO_ONE] = "many-to-one",
        [CARD_ONE_TO_MANY] = "one-to-many",
        [CARD_MANY_TO_MANY] = "many-to-many",
    };
    if (binary->left->type != VALUE_VECTOR || binary->right->type != VALUE_VECTOR) {
        put(buf, "null");
        return;
    }
    buf_byte(buf, '{');
    key_text(buf, "card", str_of(cards[binary->card]));
    key(buf, "fillValues");
    buf_byte(buf, '{');
    key_fill(buf, "lhs", binary->fill_left_given, binary->fill_left);
    key_fill(buf, "rhs", binary->fill_right_given, binary->fill_right);
    buf_byte(buf, '}');
    key_labels(buf, "include", binary->include, binary->include_count);
    key_labels(buf, "labels", binary->match_labels, binary->match_label_count);
    key_bool(buf, "on", binary->on);
    buf_byte(buf, '}');
}

static void put_binary(Buf *buf, const ExprBinary *binary) {
    key_bool(buf, "bool", binary->return_bool);
    key_node(buf, "lhs", binary->left);
    key(buf, "matching");
    put_matching(buf, binary);
    key_text(buf, "op", str_of(binary_op_text(binary->op)));
    key_node(buf, "rhs", binary->right);
    key_text(buf, "type", STR("binaryExpr"));
}

static void put_function(Buf *buf, const Function *function) {
    buf_byte(buf, '{');
    key(buf, "argTypes");
    buf_byte(buf, '[');
    for (int i = 0; i < function_arg_count(function); i++) {
        put(buf, i ? "," : "");
        json_quote(buf, str_of(value_type_name(function_arg_type(function, i))));
    }
    buf_byte(buf, ']');
    key_text(buf, "name", str_of(function->name));
    key_text(buf, "returnType", str_of(value_type_name(function->returns)));
    key_ms(buf, "variadic", function->variadic);
    buf_byte(buf, '}');
}

static void put_call(Buf *buf, const ExprCall *call) {
    key(buf, "args");
    buf_byte(buf, '[');
    for (size_t i = 0; i < call->arg_count; i++) {
        put(buf, i ? "," : "");
        put_node(buf, call->args[i]);
    }
    buf_byte(buf, ']');
    key(buf, "func");
    put_function(buf, call->function);
    key_text(buf, "type", STR("call"));
}

static void put_node(Buf *buf, const Expr *expr) {
    if (expr->kind == EXPR_NUMBER) {
        put_number_node(buf, expr, false);
        return;
    }
    if (expr->kind == EXPR_DURATION) {
        put_duration_node(buf, expr);
        return;
    }
    buf_byte(buf, '{');
    switch (expr->kind) {
    case EXPR_STRING:
        key_text(buf, "type", STR("stringLiteral"));
        key_text(buf, "val", expr->string);
        break;
    case EXPR_SELECTOR:
        put_selector(buf, &expr->selector, NULL);
        break;
    case EXPR_MATRIX:
        put_selector(buf, &expr->matrix.selector->selector, &expr->matrix.range);
        break;
    case EXPR_SUBQUERY:
        put_subquery(buf, &expr->subquery);
        break;
    case EXPR_CALL:
        put_call(buf, &expr->call);
        break;
    case EXPR_AGGREGATE:
        put_aggregate(buf, &expr->aggregate);
        break;
    case EXPR_BINARY:
        put_binary(buf, &expr->binary);
        break;
    case EXPR_UNARY:
        key_node(buf, "expr", expr->unary.expr);
        key_text(buf, "op", expr->unary.negate ? STR("-") : STR("+"));
        key_text(buf, "type", STR("unaryExpr"));
        break;
    case EXPR_PAREN:
        key_node(buf, "expr", expr->paren);
        key_text(buf, "type", STR("parenExpr"));
        break;
    case EXPR_SHIFT:
        key_node(buf, "expr", expr->shift.expr);
        key_spec(buf, "offset", "offsetExpr", &expr->shift.shift.offset);
        key_text(buf, "type", STR("shiftExpr"));
        break;
    case EXPR_NUMBER:
    case EXPR_DURATION:
        break;
    }
    buf_byte(buf, '}');
}

void expr_json(JsonWriter *json, const Expr *expr) {
    AUTO(buf_finish) Buf text = {0};
    put_node(&text, expr);
    json_raw(json, buf_view(&text));
}
