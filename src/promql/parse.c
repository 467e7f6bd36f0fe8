/*
 * Expressions: a Pratt parser (Pratt, "Top Down Operator Precedence", 1973). An operand is read,
 * then operators are taken as long as they bind more tightly than what waits on the left. Modifiers
 * behind an operand (ranges, offsets) bind most tightly.
 */

#include "promql/parse.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

#include "base/go_text.h"
#include "base/number.h"
#include "promql/metricsql.h"

typedef struct OperatorRow {
    TokenKind token;
    BinaryOp op;
    int precedence; /* higher binds more tightly */
} OperatorRow;

enum { PRECEDENCE_UNARY = 6, PRECEDENCE_POW = 6 };

static const OperatorRow operators[] = {
    {TOKEN_LOR, OP_OR, 1},
    {TOKEN_LAND, OP_AND, 2},
    {TOKEN_LUNLESS, OP_UNLESS, 2},
    {TOKEN_EQLC, OP_EQ, 3},
    {TOKEN_NEQ, OP_NE, 3},
    {TOKEN_GTR, OP_GT, 3},
    {TOKEN_LSS, OP_LT, 3},
    {TOKEN_GTE, OP_GE, 3},
    {TOKEN_LTE, OP_LE, 3},
    {TOKEN_TRIM_UPPER, OP_TRIM_UPPER, 3},
    {TOKEN_TRIM_LOWER, OP_TRIM_LOWER, 3},
    {TOKEN_ADD, OP_ADD, 4},
    {TOKEN_SUB, OP_SUB, 4},
    {TOKEN_MUL, OP_MUL, 5},
    {TOKEN_DIV, OP_DIV, 5},
    {TOKEN_MOD, OP_MOD, 5},
    {TOKEN_ATAN2, OP_ATAN2, 5},
    {TOKEN_POW, OP_POW, PRECEDENCE_POW},
};

static const OperatorRow *operator_of(TokenKind token) {
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        if (operators[i].token == token) {
            return &operators[i];
        }
    }
    return NULL;
}

/* ---- numbers ---- */

/* Underscores between digits are taken out, as Go's literals have them: into `plain`, which has
 * room for all. */
static size_t strip_underscores(Str text, char *plain) {
    size_t length = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '_') {
            plain[length++] = text.ptr[i];
        }
    }
    plain[length] = '\0';
    return length;
}

/* Whole numbers in base 8, 10 or 16, as strconv.ParseInt(text, 0, 64). */
static bool parse_integer(const char *plain, double *ret_value) {
    char *end;
    errno = 0;
    long long whole = strtoll(plain, &end, 0);
    if (errno || *end || end == plain) {
        return false;
    }
    *ret_value = (double)whole;
    return true;
}

static bool fail_number(Parser *parser, const Token *token, const char *why) {
    return parser_fail(parser, token->start,
                       "error parsing number: strconv.ParseFloat: parsing \"%.*s\": %s",
                       STR_ARG(token->text), why);
}

static bool parse_float(Parser *parser, const Token *token, const char *plain, size_t length,
                        double *ret_value) {
    if (number_parse((Str){plain, length}, ret_value)) {
        return true;
    }
    return fail_number(parser, token,
                       isinf(strtod(plain, NULL)) ? "value out of range" : "invalid syntax");
}

bool parse_number_text(Parser *parser, const Token *token, double *ret_value) {
    if (token->kind == TOKEN_DURATION) {
        DurationMs span;
        Err err;
        if (!duration_parse(token->text, &span, &err)) {
            return parser_fail(parser, token->start, "%s", err.text);
        }
        *ret_value = (double)span / 1000;
        return true;
    }
    char *plain = arena_alloc(parser->arena, token->text.len + 1);
    size_t length = strip_underscores(token->text, plain);
    return parse_integer(plain, ret_value) || parse_float(parser, token, plain, length, ret_value);
}

static Expr *parse_number(Parser *parser) {
    Token token = parser_take(parser);
    double value;
    if (!parse_number_text(parser, &token, &value)) {
        return NULL;
    }
    Expr *number = parser_node(parser, EXPR_NUMBER, token.start);
    number->number.value = value;
    number->number.is_duration = token.kind == TOKEN_DURATION;
    return number;
}

static Expr *parse_string(Parser *parser) {
    Token token = parser_take(parser);
    Expr *string = parser_node(parser, EXPR_STRING, token.start);
    if (!go_unquote(parser->arena, token.text, &string->string)) {
        parser_fail(parser, token.start, "error unquoting string %.*s: invalid syntax",
                    STR_ARG(token.text));
        return NULL;
    }
    return string;
}

/* ---- label lists ---- */

/* Tokens that may be label names in grouping lists though they are keywords elsewhere. */
static bool is_label_token(TokenKind kind) {
    switch (kind) {
    case TOKEN_IDENTIFIER:
    case TOKEN_METRIC_IDENTIFIER:
    case TOKEN_AGGREGATE:
    case TOKEN_LAND:
    case TOKEN_LOR:
    case TOKEN_LUNLESS:
    case TOKEN_ATAN2:
        return true;
    default:
        return kind >= TOKEN_BOOL && kind <= TOKEN_MIN_OF && kind != TOKEN_WITHOUT;
    }
}

static bool parse_grouping_label(Parser *parser, StrList *labels) {
    Token token = parser->token;
    Str name = token.text;
    if (token.kind == TOKEN_STRING) {
        if (!go_unquote(parser->arena, token.text, &name)) {
            return parser_fail(parser, token.start, "error unquoting string %.*s: invalid syntax",
                               STR_ARG(token.text));
        }
    } else if (!is_label_token(token.kind)) {
        return parser_unexpected_in(parser, "grouping opts", "label");
    }
    if (name.len == 0 || !str_is_utf8(name)) {
        AUTO(buf_finish) Buf quoted = {0};
        go_quote(&quoted, name, 0);
        return parser_fail(parser, token.start, "invalid label name for grouping: %.*s",
                           STR_ARG(buf_view(&quoted)));
    }
    parser_take(parser);
    str_list_add(parser->arena, labels, name);
    return true;
}

bool parse_grouping_labels(Parser *parser, StrList *ret_labels) {
    *ret_labels = (StrList){0};
    if (!parser_accept(parser, TOKEN_LEFT_PAREN)) {
        return parser_unexpected_in(parser, "grouping opts", "\"(\"");
    }
    while (!parser_accept(parser, TOKEN_RIGHT_PAREN)) {
        if (!parse_grouping_label(parser, ret_labels)) {
            return false;
        }
        if (parser->token.kind != TOKEN_RIGHT_PAREN && !parser_accept(parser, TOKEN_COMMA)) {
            return parser_unexpected_in(parser, "grouping opts", "\",\" or \")\"");
        }
    }
    return true;
}

/* ---- calls and aggregations ---- */

static bool begins_operand(TokenKind kind) {
    switch (kind) {
    case TOKEN_IDENTIFIER:
    case TOKEN_METRIC_IDENTIFIER:
    case TOKEN_AGGREGATE:
    case TOKEN_NUMBER:
    case TOKEN_DURATION:
    case TOKEN_STRING:
    case TOKEN_LEFT_PAREN:
    case TOKEN_LEFT_BRACE:
    case TOKEN_ADD:
    case TOKEN_SUB:
    case TOKEN_LAND:
    case TOKEN_LOR:
    case TOKEN_LUNLESS:
    case TOKEN_BY:
    case TOKEN_OFFSET:
    case TOKEN_WITHOUT:
    case TOKEN_FILL:
    case TOKEN_FILL_LEFT:
    case TOKEN_FILL_RIGHT:
    case TOKEN_SMOOTHED:
    case TOKEN_ANCHORED:
        return true;
    default:
        return kind >= TOKEN_START;
    }
}

/* ( expression, expression ... ) */
static bool parse_args(Parser *parser, ExprList *ret_args) {
    *ret_args = (ExprList){0};
    if (!parser_expect(parser, TOKEN_LEFT_PAREN)) {
        return false;
    }
    if (parser_accept(parser, TOKEN_RIGHT_PAREN)) {
        return true;
    }
    for (;;) {
        Expr *arg = parse_expression(parser);
        if (!arg) {
            return false;
        }
        expr_list_add(parser->arena, ret_args, arg);
        Token comma = parser->token;
        if (!parser_accept(parser, TOKEN_COMMA)) {
            return parser_expect(parser, TOKEN_RIGHT_PAREN);
        }
        if (!begins_operand(parser->token.kind) && parser->token.kind != TOKEN_ERROR) {
            return parser_fail(parser, comma.start,
                               "trailing commas not allowed in function call args");
        }
    }
}

static bool adopt_all(Parser *parser, Expr *node, const ExprList *children) {
    for (size_t i = 0; i < children->count; i++) {
        if (!parser_adopt(parser, node, children->items[i])) {
            return false;
        }
    }
    return true;
}

static Expr *parse_call(Parser *parser) {
    Token name = parser_take(parser);
    ExprList args;
    if (!parse_args(parser, &args)) {
        return NULL;
    }
    const Function *function = function_find(name.text, false);
    if (!function) {
        parser_fail(parser, name.start, "unknown function with name \"%.*s\"", STR_ARG(name.text));
        return NULL;
    }
    Expr *call = parser_node(parser, EXPR_CALL, name.start);
    call->call.function = function;
    call->call.args = args.items;
    call->call.arg_count = args.count;
    return adopt_all(parser, call, &args) ? call : NULL;
}

/* by (...) or without (...), if it stands here. */
static bool parse_aggregate_modifier(Parser *parser, ExprAggregate *aggregate) {
    if (parser->token.kind != TOKEN_BY && parser->token.kind != TOKEN_WITHOUT) {
        return true;
    }
    aggregate->without = parser_take(parser).kind == TOKEN_WITHOUT;
    aggregate->grouped = true;
    StrList labels;
    if (!parse_grouping_labels(parser, &labels)) {
        return false;
    }
    aggregate->labels = labels.items;
    aggregate->label_count = labels.count;
    return true;
}

static bool set_aggregate_args(Parser *parser, Expr *node, const ExprList *args) {
    ExprAggregate *aggregate = &node->aggregate;
    if (args->count == 0) {
        return parser_fail(parser, node->span.start,
                           "no arguments for aggregate expression provided");
    }
    size_t wanted = aggregate->aggregate->param == PARAM_NONE ? 1 : 2;
    if (args->count != wanted) {
        return parser_fail(parser, node->span.start,
                           "wrong number of arguments for aggregate expression provided, "
                           "expected %zu, got %zu",
                           wanted, args->count);
    }
    aggregate->expr = args->items[wanted - 1];
    aggregate->param = wanted == 2 ? args->items[0] : NULL;
    return adopt_all(parser, node, args);
}

static Expr *parse_aggregate(Parser *parser, const Token *name) {
    ParseContext outer = parser->context;
    parser->context = (ParseContext){.where = "aggregation"};
    ExprAggregate aggregate = {.aggregate = aggregate_find(name->text, false)};
    ExprList args;
    if (!parse_aggregate_modifier(parser, &aggregate) || !parse_args(parser, &args)) {
        return NULL;
    }
    parser->context = outer;
    if (!aggregate.grouped && !parse_aggregate_modifier(parser, &aggregate)) {
        return NULL;
    }
    Expr *node = parser_node(parser, EXPR_AGGREGATE, name->start);
    node->aggregate = aggregate;
    return set_aggregate_args(parser, node, &args) ? node : NULL;
}

/* ---- operands ---- */

static Expr *parse_paren(Parser *parser) {
    uint32_t start = parser_take(parser).start;
    Expr *inner = parse_expression(parser);
    if (!inner || !parser_expect(parser, TOKEN_RIGHT_PAREN)) {
        return NULL;
    }
    Expr *paren = parser_node(parser, EXPR_PAREN, start);
    paren->paren = inner;
    return parser_adopt(parser, paren, inner) ? paren : NULL;
}

/* A name: a call, an aggregation or a selector, which only the next token tells. */
static Expr *parse_named(Parser *parser) {
    Token name = parser->token;
    bool callable = name.kind == TOKEN_IDENTIFIER || name.kind >= TOKEN_START;
    Lexer ahead = parser->lexer;
    TokenKind next = lexer_next(&ahead).kind;
    if (callable && next == TOKEN_LEFT_PAREN) {
        return parse_call(parser);
    }
    parser_take(parser);
    bool aggregated = next == TOKEN_LEFT_PAREN || next == TOKEN_BY || next == TOKEN_WITHOUT;
    if (name.kind == TOKEN_AGGREGATE && aggregated) {
        return parse_aggregate(parser, &name);
    }
    return parse_selector(parser, &name);
}

static Expr *parse_operand(Parser *parser) {
    switch (parser->token.kind) {
    case TOKEN_NUMBER:
    case TOKEN_DURATION:
        return parse_number(parser);
    case TOKEN_STRING:
        return parse_string(parser);
    case TOKEN_LEFT_PAREN:
        return parse_paren(parser);
    case TOKEN_LEFT_BRACE:
        return parse_selector(parser, NULL);
    default:
        if (begins_operand(parser->token.kind)) {
            return parse_named(parser);
        }
        parser_unexpected(parser);
        return NULL;
    }
}

static Expr *parse_binding(Parser *parser, int precedence_min);

/* + and - in front bind like *, so -a^b is -(a^b). A sign becomes part of a number. */
static Expr *parse_unary(Parser *parser) {
    Token sign = parser_take(parser);
    Expr *inner = parse_binding(parser, PRECEDENCE_UNARY);
    if (!inner) {
        return NULL;
    }
    bool negate = sign.kind == TOKEN_SUB;
    if (inner->kind == EXPR_NUMBER) {
        inner->number.value = negate ? -inner->number.value : inner->number.value;
        inner->span.start = sign.start;
        return inner;
    }
    Expr *unary = parser_node(parser, EXPR_UNARY, sign.start);
    unary->unary.negate = negate;
    unary->unary.expr = inner;
    return parser_adopt(parser, unary, inner) ? unary : NULL;
}

/* ---- binary operators ---- */

/* (5), (-2m) */
static bool parse_fill_value(Parser *parser, double *ret_value) {
    if (!parser_expect(parser, TOKEN_LEFT_PAREN)) {
        return false;
    }
    bool negate = parser->token.kind == TOKEN_SUB;
    if (negate || parser->token.kind == TOKEN_ADD) {
        parser_take(parser);
    }
    if (parser->token.kind != TOKEN_NUMBER && parser->token.kind != TOKEN_DURATION) {
        return parser_unexpected(parser);
    }
    Token number = parser_take(parser);
    double value;
    if (!parse_number_text(parser, &number, &value)) {
        return false;
    }
    *ret_value = negate ? -value : value;
    return parser_expect(parser, TOKEN_RIGHT_PAREN);
}

/* fill(x), fill_left(x), fill_right(y), the latter two in any order. */
static bool parse_fill(Parser *parser, ExprBinary *binary) {
    if (parser_accept(parser, TOKEN_FILL)) {
        binary->fill_left_given = binary->fill_right_given = true;
        if (!parse_fill_value(parser, &binary->fill_left)) {
            return false;
        }
        binary->fill_right = binary->fill_left;
        return true;
    }
    for (;;) {
        bool left = parser->token.kind == TOKEN_FILL_LEFT && !binary->fill_left_given;
        bool right = parser->token.kind == TOKEN_FILL_RIGHT && !binary->fill_right_given;
        if (!left && !right) {
            return true;
        }
        parser_take(parser);
        *(left ? &binary->fill_left_given : &binary->fill_right_given) = true;
        if (!parse_fill_value(parser, left ? &binary->fill_left : &binary->fill_right)) {
            return false;
        }
    }
}

static bool parse_group_side(Parser *parser, ExprBinary *binary) {
    TokenKind side = parser->token.kind;
    if (side != TOKEN_GROUP_LEFT && side != TOKEN_GROUP_RIGHT) {
        return true;
    }
    parser_take(parser);
    binary->card = side == TOKEN_GROUP_LEFT ? CARD_MANY_TO_ONE : CARD_ONE_TO_MANY;
    StrList include = {0};
    if (parser->token.kind == TOKEN_LEFT_PAREN && !parse_grouping_labels(parser, &include)) {
        return false;
    }
    binary->include = include.items;
    binary->include_count = include.count;
    return true;
}

/* bool, on(..) or ignoring(..), group_left(..), fill(..) */
static bool parse_binary_modifiers(Parser *parser, ExprBinary *binary) {
    binary->return_bool = parser_accept(parser, TOKEN_BOOL);
    if (parser->token.kind == TOKEN_ON || parser->token.kind == TOKEN_IGNORING) {
        binary->on = parser_take(parser).kind == TOKEN_ON;
        binary->matching_given = true;
        StrList labels;
        if (!parse_grouping_labels(parser, &labels)) {
            return false;
        }
        binary->match_labels = labels.items;
        binary->match_label_count = labels.count;
        if (!parse_group_side(parser, binary)) {
            return false;
        }
    }
    return parse_fill(parser, binary);
}

static Expr *parse_binary(Parser *parser, const Expr *left, const OperatorRow *row) {
    ExprBinary binary = {.op = row->op, .left = left, .op_at = parser_take(parser).start};
    if (!parse_binary_modifiers(parser, &binary)) {
        return NULL;
    }
    /* ^ alone binds to the right. */
    binary.right = parse_binding(parser, row->precedence + (row->token != TOKEN_POW));
    if (!binary.right) {
        return NULL;
    }
    Expr *node = parser_node(parser, EXPR_BINARY, left->span.start);
    node->span.end = binary.right->span.end;
    node->binary = binary;
    bool fits = parser_adopt(parser, node, left) && parser_adopt(parser, node, binary.right);
    return fits ? node : NULL;
}

/* An operand and all operators behind it that bind at least so tightly. */
static Expr *parse_binding(Parser *parser, int precedence_min) {
    if (!parser_enter(parser)) {
        return NULL;
    }
    bool sign = parser->token.kind == TOKEN_ADD || parser->token.kind == TOKEN_SUB;
    Expr *left = NULL;
    if (sign) {
        left = parse_unary(parser);
    } else {
        left = parse_operand(parser);
        left = left ? parse_postfix(parser, left) : NULL;
    }
    while (left) {
        const OperatorRow *row = operator_of(parser->token.kind);
        if (!row || row->precedence < precedence_min) {
            break;
        }
        left = parse_binary(parser, left, row);
    }
    parser_leave(parser);
    return left;
}

Expr *parse_expression(Parser *parser) {
    return parse_binding(parser, 0);
}

static Expr *parse_all(Parser *parser) {
    if (parser->token.kind == TOKEN_EOF) {
        parser_fail(parser, 0, "no expression found in input");
        return NULL;
    }
    Expr *expr = parse_expression(parser);
    if (expr && parser->token.kind != TOKEN_EOF) {
        parser_unexpected(parser);
        return NULL;
    }
    return expr && expr_typecheck(parser, expr) ? expr : NULL;
}

static bool parse_prometheus(Arena *arena, Str text, const Expr **ret_expr, Err *err) {
    ExprSource *source = arena_new(arena, ExprSource);
    source->text = arena_str(arena, text);
    Parser parser = {
        .arena = arena,
        .flavour = PROMQL_PROMETHEUS,
        .source = source,
        .err = err,
        .lexer = lexer_of(arena, source->text),
    };
    parser.token = lexer_next(&parser.lexer);
    Expr *expr = parse_all(&parser);
    if (!expr) {
        expr_source_finish(source);
        return false;
    }
    *ret_expr = expr;
    return true;
}

bool promql_parse(Arena *arena, Str text, PromqlFlavour flavour, const Expr **ret_expr, Err *err) {
    if (text.len > EXPR_BYTES_MAX) {
        return err_set(err, ERR_LIMIT, "expression has %zu bytes, more than the %d allowed",
                       text.len, EXPR_BYTES_MAX);
    }
    if (flavour == PROMQL_METRICSQL) {
        return metricsql_parse(arena, text, ret_expr, err);
    }
    return parse_prometheus(arena, text, ret_expr, err);
}

bool promql_parse_selector(Arena *arena, Str text, PromqlFlavour flavour, const Expr **ret_expr,
                           const MatcherSet **ret_sets, size_t *ret_count, Err *err) {
    const Expr *expr;
    if (!promql_parse(arena, text, flavour, &expr, err)) {
        return false;
    }
    if (expr->kind != EXPR_SELECTOR) {
        expr_finish(expr);
        return err_set(err, ERR_INVALID, "\"%.*s\" is no selector", STR_ARG(text));
    }
    *ret_sets = expr->selector.sets;
    *ret_count = expr->selector.set_count;
    *ret_expr = expr;
    return true;
}
