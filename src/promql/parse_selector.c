/* Selectors, and what may stand behind an operand: ranges, subqueries, offset, @, anchored and
 * smoothed. */

#include "promql/parse.h"

#include <assert.h>
#include <math.h>

#include "base/go_text.h"
#include "base/number.h"

/* ---- selectors ---- */

/* A growing list of matchers in the arena. */
typedef struct MatcherList {
    Matcher *items;
    size_t count, cap;
} MatcherList;

static void matcher_list_add(Arena *arena, MatcherList *list, const Matcher *matcher) {
    if (list->count == list->cap) {
        list->cap = list->cap ? 2 * list->cap : 4;
        Matcher *items = arena_array(arena, Matcher, list->cap);
        if (list->count) {
            memcpy(items, list->items, list->count * sizeof *items);
        }
        list->items = items;
    }
    list->items[list->count++] = *matcher;
}

static bool match_type_of(TokenKind token, MatchType *ret_type) {
    switch (token) {
    case TOKEN_EQL:
        *ret_type = MATCH_EQ;
        return true;
    case TOKEN_NEQ:
        *ret_type = MATCH_NE;
        return true;
    case TOKEN_EQL_REGEX:
        *ret_type = MATCH_RE;
        return true;
    case TOKEN_NEQ_REGEX:
        *ret_type = MATCH_NRE;
        return true;
    default:
        return false;
    }
}

static bool unquote(Parser *parser, const Token *token, Str *ret_text) {
    return go_unquote(parser->arena, token->text, ret_text) ||
           parser_fail(parser, token->start, "error unquoting string %.*s: invalid syntax",
                       STR_ARG(token->text));
}

static bool add_matcher(Parser *parser, MatcherList *list, MatchType type, Str name, Str value,
                        uint32_t at) {
    Matcher *matcher = parser_matcher(parser, type, name, value, at);
    if (!matcher) {
        return false;
    }
    matcher_list_add(parser->arena, list, matcher);
    return true;
}

/* name="value", "quoted name"=~"value", or "metric name" alone. */
static bool parse_matcher(Parser *parser, MatcherList *list) {
    Token label = parser->token;
    bool quoted = label.kind == TOKEN_STRING;
    if (!quoted && label.kind != TOKEN_IDENTIFIER) {
        return parser_unexpected_in(parser, "label matching", "identifier or \"}\"");
    }
    parser_take(parser);
    Str name = label.text;
    if (quoted && !unquote(parser, &label, &name)) {
        return false;
    }
    MatchType type;
    if (!match_type_of(parser->token.kind, &type)) {
        if (!quoted) {
            return parser_unexpected_in(parser, "label matching", "label matching operator");
        }
        return add_matcher(parser, list, MATCH_EQ, LABEL_METRIC_NAME, name, label.start);
    }
    parser_take(parser);
    if (parser->token.kind != TOKEN_STRING) {
        return parser_unexpected_in(parser, "label matching", "string");
    }
    Token text = parser_take(parser);
    Str value;
    return unquote(parser, &text, &value) &&
           add_matcher(parser, list, type, name, value, label.start);
}

/* {...}; the brace is the next token. */
static bool parse_matchers(Parser *parser, MatcherList *list) {
    parser_take(parser);
    if (parser_accept(parser, TOKEN_RIGHT_BRACE)) {
        return true;
    }
    do {
        if (!parse_matcher(parser, list)) {
            return false;
        }
        if (parser_accept(parser, TOKEN_RIGHT_BRACE)) {
            return true;
        }
        if (!parser_accept(parser, TOKEN_COMMA)) {
            return parser_unexpected_in(parser, "label matching", "\",\" or \"}\"");
        }
    } while (!parser_accept(parser, TOKEN_RIGHT_BRACE));
    return true;
}

Expr *parse_selector(Parser *parser, const Token *name) {
    uint32_t start = name ? name->start : parser->token.start;
    MatcherList list = {0};
    if (parser->token.kind == TOKEN_LEFT_BRACE && !parse_matchers(parser, &list)) {
        return NULL;
    }
    if (name && !add_matcher(parser, &list, MATCH_EQ, LABEL_METRIC_NAME, name->text, start)) {
        return NULL;
    }
    Expr *node = parser_node(parser, EXPR_SELECTOR, start);
    MatcherSet *set = arena_new(parser->arena, MatcherSet);
    *set = (MatcherSet){.items = list.items, .count = list.count};
    node->selector.name = name ? name->text : STR("");
    node->selector.sets = set;
    node->selector.set_count = 1;
    return node;
}

/* ---- duration expressions ---- */

typedef struct DurationRow {
    TokenKind token;
    DurationOp op;
    int precedence;
} DurationRow;

static const DurationRow duration_operators[] = {
    {TOKEN_ADD, DURATION_ADD, 1}, {TOKEN_SUB, DURATION_SUB, 1}, {TOKEN_MUL, DURATION_MUL, 2},
    {TOKEN_DIV, DURATION_DIV, 2}, {TOKEN_MOD, DURATION_MOD, 2}, {TOKEN_POW, DURATION_POW, 3},
};
enum { DURATION_UNARY = 3 };

static const DurationRow *duration_operator(TokenKind token) {
    for (size_t i = 0; i < sizeof duration_operators / sizeof duration_operators[0]; i++) {
        if (duration_operators[i].token == token) {
            return &duration_operators[i];
        }
    }
    return NULL;
}

static Expr *parse_duration(Parser *parser, int precedence_min);

static Expr *duration_node(Parser *parser, DurationOp op, uint32_t start, const Expr *left,
                           const Expr *right) {
    Expr *node = parser_node(parser, EXPR_DURATION, start);
    node->duration = (ExprDuration){.op = op, .left = left, .right = right};
    bool fits = (!left || parser_adopt(parser, node, left)) &&
                (!right || parser_adopt(parser, node, right));
    return fits ? node : NULL;
}

static bool check_literal(Parser *parser, const Expr *number, uint32_t at) {
    /* Durations are int64 nanoseconds in Go. */
    return fabs(number->number.value) <= 9223372036.854775807 ||
           parser_fail(parser, at, "duration out of range");
}

static Expr *parse_duration_literal(Parser *parser) {
    Token token = parser_take(parser);
    double seconds;
    if (!parse_number_text(parser, &token, &seconds)) {
        return NULL;
    }
    Expr *number = parser_node(parser, EXPR_NUMBER, token.start);
    number->number.value = seconds;
    number->number.is_duration = token.kind == TOKEN_DURATION;
    return check_literal(parser, number, token.start) ? number : NULL;
}

/* step(), range() */
static Expr *parse_duration_name(Parser *parser) {
    Token name = parser_take(parser);
    if (!parser_expect(parser, TOKEN_LEFT_PAREN) || !parser_expect(parser, TOKEN_RIGHT_PAREN)) {
        return NULL;
    }
    return duration_node(parser, name.kind == TOKEN_STEP ? DURATION_STEP : DURATION_RANGE,
                         name.start, NULL, NULL);
}

/* min_of(a, b), max_of(a, b) */
static Expr *parse_duration_choice(Parser *parser) {
    Token name = parser_take(parser);
    if (!parser_expect(parser, TOKEN_LEFT_PAREN)) {
        return NULL;
    }
    Expr *left = parse_duration(parser, 0);
    if (!left || !parser_expect(parser, TOKEN_COMMA)) {
        return NULL;
    }
    Expr *right = parse_duration(parser, 0);
    if (!right || !parser_expect(parser, TOKEN_RIGHT_PAREN)) {
        return NULL;
    }
    return duration_node(parser, name.kind == TOKEN_MIN_OF ? DURATION_MIN : DURATION_MAX,
                         name.start, left, right);
}

/* Parentheses are kept for printing: around a number as a plus sign that is not shown. */
static Expr *wrap_duration(Parser *parser, Expr *inner, uint32_t start) {
    Expr *node = inner;
    if (inner->kind == EXPR_NUMBER) {
        node = duration_node(parser, DURATION_PLUS, start, NULL, inner);
    }
    if (node) {
        node->duration.wrapped = true;
    }
    return node;
}

static Expr *parse_duration_paren(Parser *parser) {
    uint32_t start = parser_take(parser).start;
    Expr *inner = parse_duration(parser, 0);
    if (!inner || !parser_expect(parser, TOKEN_RIGHT_PAREN)) {
        return NULL;
    }
    return wrap_duration(parser, inner, start);
}

static Expr *apply_sign(Parser *parser, const Token *sign, Expr *inner) {
    bool negate = sign->kind == TOKEN_SUB;
    if (inner->kind == EXPR_NUMBER) {
        inner->number.value = negate ? -inner->number.value : inner->number.value;
        inner->span.start = sign->start;
        return check_literal(parser, inner, sign->start) ? inner : NULL;
    }
    return negate ? duration_node(parser, DURATION_NEG, sign->start, NULL, inner) : inner;
}

static Expr *parse_duration_operand(Parser *parser) {
    switch (parser->token.kind) {
    case TOKEN_NUMBER:
    case TOKEN_DURATION:
        return parse_duration_literal(parser);
    case TOKEN_STEP:
    case TOKEN_RANGE:
        return parse_duration_name(parser);
    case TOKEN_MIN_OF:
    case TOKEN_MAX_OF:
        return parse_duration_choice(parser);
    case TOKEN_LEFT_PAREN:
        return parse_duration_paren(parser);
    case TOKEN_ADD:
    case TOKEN_SUB: {
        Token sign = parser_take(parser);
        Expr *inner = parse_duration(parser, DURATION_UNARY);
        return inner ? apply_sign(parser, &sign, inner) : NULL;
    }
    default:
        parser_unexpected(parser);
        return NULL;
    }
}

/* Operators behind `left`, which was read. */
static Expr *parse_duration_rest(Parser *parser, Expr *left, int precedence_min) {
    while (left) {
        const DurationRow *row = duration_operator(parser->token.kind);
        if (!row || row->precedence < precedence_min) {
            break;
        }
        uint32_t at = parser_take(parser).start;
        Expr *right = parse_duration(parser, row->precedence + (row->op != DURATION_POW));
        if (!right) {
            return NULL;
        }
        bool zero = right->kind == EXPR_NUMBER && right->number.value == 0;
        if (zero && (row->op == DURATION_DIV || row->op == DURATION_MOD)) {
            parser_fail(parser, at,
                        row->op == DURATION_DIV ? "division by zero" : "modulo by zero");
            return NULL;
        }
        left = duration_node(parser, row->op, left->span.start, left, right);
    }
    return left;
}

static Expr *parse_duration(Parser *parser, int precedence_min) {
    if (!parser_enter(parser)) {
        return NULL;
    }
    Expr *left = parse_duration_operand(parser);
    left = parse_duration_rest(parser, left, precedence_min);
    parser_leave(parser);
    return left;
}

/* In a range: not zero, not negative. */
static bool parse_positive_duration(Parser *parser, DurationSpec *ret_spec) {
    Expr *expr = parse_duration(parser, 0);
    if (!expr) {
        return false;
    }
    if (expr->kind != EXPR_NUMBER) {
        duration_spec_of_expr(ret_spec, expr, true);
        return true;
    }
    if (expr->number.value <= 0) {
        return parser_fail(parser, expr->span.start, "duration must be greater than 0");
    }
    duration_spec_of_seconds(ret_spec, expr->number.value);
    return true;
}

/* Behind `offset` a sign binds to one operand only and operators go on with the expression: foo
 * offset -2 ^ 2 is (foo offset -2) ^ 2. Only unsigned parentheses go on, as Prometheus' grammar has
 * it. */
static Expr *parse_offset_duration(Parser *parser) {
    if (!parser_enter(parser)) {
        return NULL;
    }
    Token sign = parser->token;
    bool has_sign = sign.kind == TOKEN_ADD || sign.kind == TOKEN_SUB;
    if (has_sign) {
        parser_take(parser);
    }
    bool paren = parser->token.kind == TOKEN_LEFT_PAREN;
    bool twice = parser->token.kind == TOKEN_ADD || parser->token.kind == TOKEN_SUB;
    Expr *expr = NULL;
    if (has_sign && twice) {
        expr = parse_duration(parser, DURATION_UNARY);
    } else {
        expr = parse_duration_operand(parser);
    }
    if (expr && has_sign) {
        expr = apply_sign(parser, &sign, expr);
    } else if (expr && paren) {
        expr = parse_duration_rest(parser, expr, 0);
    }
    parser_leave(parser);
    return expr;
}

/* ---- ranges ---- */

static Expr *make_matrix(Parser *parser, Expr *inner, uint32_t bracket, const DurationSpec *range) {
    const char *refusal = NULL;
    if (inner->kind != EXPR_SELECTOR) {
        refusal = "ranges only allowed for vector selectors";
    } else {
        const DurationSpec *offset = &inner->selector.shift.offset;
        if (offset->value || offset->expr) {
            refusal = "no offset modifiers allowed before range";
        } else if (inner->selector.shift.at.kind != AT_NONE) {
            refusal = "no @ modifiers allowed before range";
        }
    }
    if (refusal) {
        parser_fail(parser, bracket, "%s", refusal);
        return NULL;
    }
    Expr *node = parser_node(parser, EXPR_MATRIX, inner->span.start);
    node->matrix = (ExprMatrix){.selector = inner, .range = *range};
    return parser_adopt(parser, node, inner) ? node : NULL;
}

static Expr *make_subquery(Parser *parser, Expr *inner, const DurationSpec *range,
                           const DurationSpec *step) {
    Expr *node = parser_node(parser, EXPR_SUBQUERY, inner->span.start);
    node->subquery = (ExprSubquery){.expr = inner, .range = *range, .step = *step};
    return parser_adopt(parser, node, inner) ? node : NULL;
}

/* The step of a subquery up to its bracket; the colon was taken. */
static bool parse_subquery_step(Parser *parser, DurationSpec *step) {
    parser->context =
        (ParseContext){"subquery selector", "number, duration, step(), range(), or \"]\""};
    if (parser_accept(parser, TOKEN_RIGHT_BRACKET)) {
        return true;
    }
    if (!parse_positive_duration(parser, step)) {
        return false;
    }
    return parser_accept(parser, TOKEN_RIGHT_BRACKET) ||
           parser_unexpected_in(parser, "subquery selector", "\"]\"");
}

static Expr *parse_range(Parser *parser, Expr *inner) {
    uint32_t bracket = parser_take(parser).start;
    ParseContext outer = parser->context;
    parser->context =
        (ParseContext){"subquery or range selector", "number, duration, step(), or range()"};
    DurationSpec range = {0};
    DurationSpec step = {0};
    if (!parse_positive_duration(parser, &range)) {
        return NULL;
    }
    bool subquery = parser_accept(parser, TOKEN_COLON);
    if (subquery) {
        if (!parse_subquery_step(parser, &step)) {
            return NULL;
        }
    } else if (!parser_accept(parser, TOKEN_RIGHT_BRACKET)) {
        parser_unexpected_in(parser, "subquery or range", "\":\" or \"]\"");
        return NULL;
    }
    parser->context = outer;
    return subquery ? make_subquery(parser, inner, &range, &step)
                    : make_matrix(parser, inner, bracket, &range);
}

/* ---- offset and @ ---- */

/* Where a selector, range or subquery keeps its offset and @. NULL for anything else. */
static TimeShift *shift_of(Expr *expr) {
    switch (expr->kind) {
    case EXPR_SELECTOR:
        return &expr->selector.shift;
    case EXPR_MATRIX:
        /* The parser owns what it has just made. */
        return &((Expr *)expr->matrix.selector)->selector.shift;
    case EXPR_SUBQUERY:
        return &expr->subquery.shift;
    default:
        return NULL;
    }
}

static bool refuse_shift(Parser *parser, const Expr *expr, const char *what) {
    return parser_fail(parser, expr->span.start,
                       "%s modifier must be preceded by an instant vector selector or range vector "
                       "selector or a subquery",
                       what);
}

static bool parse_offset(Parser *parser, Expr *expr) {
    parser_take(parser);
    ParseContext outer = parser->context;
    parser->context = (ParseContext){"offset", "number, duration, step(), or range()"};
    Expr *duration = parse_offset_duration(parser);
    if (!duration) {
        return false;
    }
    parser->context = outer;
    TimeShift *shift = shift_of(expr);
    if (!shift) {
        return refuse_shift(parser, expr, "offset");
    }
    if (shift->offset.value || shift->offset.expr) {
        return parser_fail(parser, expr->span.start, "offset may not be set multiple times");
    }
    if (duration->kind == EXPR_NUMBER) {
        duration_spec_of_seconds(&shift->offset, duration->number.value);
    } else {
        duration_spec_of_expr(&shift->offset, duration, false);
    }
    return true;
}

/* The time behind @: a signed number, start() or end(). */
static bool parse_at_time(Parser *parser, const Expr *expr, AtModifier *ret_at) {
    if (parser->token.kind == TOKEN_START || parser->token.kind == TOKEN_END) {
        bool start = parser_take(parser).kind == TOKEN_START;
        *ret_at = (AtModifier){.kind = start ? AT_START : AT_END};
        return parser_expect(parser, TOKEN_LEFT_PAREN) && parser_expect(parser, TOKEN_RIGHT_PAREN);
    }
    bool negate = parser->token.kind == TOKEN_SUB;
    if (negate || parser->token.kind == TOKEN_ADD) {
        parser_take(parser);
    }
    if (parser->token.kind != TOKEN_NUMBER && parser->token.kind != TOKEN_DURATION) {
        return parser_unexpected(parser);
    }
    Token number = parser_take(parser);
    double seconds;
    if (!parse_number_text(parser, &number, &seconds)) {
        return false;
    }
    seconds = negate ? -seconds : seconds;
    double ms = round(seconds * 1000);
    if (!(fabs(seconds) < 9223372036854775807.0)) {
        AUTO(buf_finish) Buf text = {0};
        if (isfinite(seconds)) {
            buf_printf(&text, "%f", seconds);
        } else {
            number_put(&text, seconds);
        }
        return parser_fail(parser, expr->span.start, "timestamp out of bounds for @ modifier: %.*s",
                           STR_ARG(buf_view(&text)));
    }
    *ret_at = (AtModifier){.kind = AT_TIME,
                           .time = ms >= 9.2e18    ? TIME_MAX
                                   : ms <= -9.2e18 ? TIME_MIN
                                                   : (TimeMs)ms};
    return true;
}

static bool parse_at(Parser *parser, Expr *expr) {
    parser_take(parser);
    ParseContext outer = parser->context;
    parser->context = (ParseContext){"@", "timestamp"};
    AtModifier at;
    if (!parse_at_time(parser, expr, &at)) {
        return false;
    }
    parser->context = outer;
    TimeShift *shift = shift_of(expr);
    if (!shift) {
        /* Prometheus complains of the range first where there is one: rate(x[1m])[1h] @ 1. */
        return refuse_shift(parser, expr, "@");
    }
    if (shift->at.kind != AT_NONE) {
        return parser_fail(parser, expr->span.start, "@ <timestamp> may not be set multiple times");
    }
    shift->at = at;
    return true;
}

/* ---- anchored and smoothed ---- */

static bool parse_extension(Parser *parser, Expr *expr) {
    bool anchored = parser_take(parser).kind == TOKEN_ANCHORED;
    const char *name = anchored ? "anchored" : "smoothed";
    if (expr->kind == EXPR_SUBQUERY) {
        return parser_fail(parser, expr->span.start, "%s modifier is not supported for subqueries",
                           name);
    }
    if (expr->kind != EXPR_SELECTOR && expr->kind != EXPR_MATRIX) {
        return parser_fail(parser, expr->span.start, "%s modifier not implemented", name);
    }
    Expr *holder = expr->kind == EXPR_MATRIX ? (Expr *)expr->matrix.selector : expr;
    *(anchored ? &holder->selector.anchored : &holder->selector.smoothed) = true;
    if (holder->selector.anchored && holder->selector.smoothed) {
        return parser_fail(parser, expr->span.start,
                           "anchored and smoothed modifiers cannot be used together");
    }
    return true;
}

Expr *parse_postfix(Parser *parser, Expr *expr) {
    while (expr) {
        bool ok = true;
        switch (parser->token.kind) {
        case TOKEN_LEFT_BRACKET:
            expr = parse_range(parser, expr);
            continue;
        case TOKEN_OFFSET:
            ok = parse_offset(parser, expr);
            break;
        case TOKEN_AT:
            ok = parse_at(parser, expr);
            break;
        case TOKEN_ANCHORED:
        case TOKEN_SMOOTHED:
            ok = parse_extension(parser, expr);
            break;
        default:
            return expr;
        }
        if (!ok) {
            return NULL;
        }
        expr->span.end = parser->last_end;
    }
    return NULL;
}
