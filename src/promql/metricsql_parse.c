/*
 * MetricsQL as written: recursive descent, operators by precedence. Follows the grammar of
 * VictoriaMetrics' metricsql package, with positions in its errors.
 */

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "base/go_text.h"
#include "base/number.h"
#include "promql/metricsql_syntax.h"

/* ---- ground ---- */

bool mql_fail(MqlParser *parser, uint32_t at, const char *fmt, ...) {
    char message[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    AUTO(buf_finish) Buf position = {0};
    size_t length = parser->source->text.len;
    expr_position(&position, parser->source->text, at <= length ? at : 0);
    return err_set(parser->err, ERR_INVALID, "%.*s: parse error: %s", STR_ARG(buf_view(&position)),
                   message);
}

bool mql_enter(MqlParser *parser, uint32_t at) {
    parser->depth++;
    parser->nodes++;
    if (parser->depth > EXPR_DEPTH_MAX) {
        return mql_fail(parser, at, "expression is nested more than %d levels deep",
                        EXPR_DEPTH_MAX);
    }
    return mql_count_parts(parser, 0, at);
}

bool mql_count_parts(MqlParser *parser, size_t count, uint32_t at) {
    size_t room =
        EXPR_NODES_MAX + 1 - (parser->nodes < EXPR_NODES_MAX ? parser->nodes : EXPR_NODES_MAX);
    parser->nodes += (uint32_t)(count < room ? count : room);
    return parser->nodes <= EXPR_NODES_MAX ||
           mql_fail(parser, at, "expression has more than %d parts", EXPR_NODES_MAX);
}

static void leave(MqlParser *parser) {
    parser->depth--;
}

MqlNode *mql_node(MqlParser *parser, MqlNodeKind kind, uint32_t at) {
    MqlNode *node = arena_new(parser->arena, MqlNode);
    node->kind = kind;
    node->at = at;
    node->end = parser->last_end;
    node->height = 1;
    return node;
}

void mql_list_add(Arena *arena, MqlNodeList *list, const MqlNode *node) {
    if (list->count == list->cap) {
        list->cap = list->cap ? 2 * list->cap : 4;
        const MqlNode **items = arena_alloc(arena, list->cap * sizeof *items);
        if (list->count) {
            memcpy(items, list->items, list->count * sizeof *items);
        }
        list->items = items;
    }
    list->items[list->count++] = node;
}

bool mql_word_is(Str word, const char *known) {
    return strlen(known) == word.len && strncasecmp(known, word.ptr, word.len) == 0;
}

static MqlToken take(MqlParser *parser) {
    MqlToken token = parser->token;
    parser->last_end = token.end;
    parser->token = mql_next(&parser->lexer);
    return token;
}

static bool unexpected(MqlParser *parser, const char *want) {
    const MqlToken *token = &parser->token;
    if (token->kind == MQL_ERROR) {
        return mql_fail(parser, token->start, "%.*s", STR_ARG(token->text));
    }
    if (token->kind == MQL_EOF) {
        return mql_fail(parser, token->start, "unexpected end of input, expected %s", want);
    }
    return mql_fail(parser, token->start, "unexpected \"%.*s\", expected %s",
                    token->text.len < 40 ? (int)token->text.len : 40, token->text.ptr, want);
}

static bool is_punct(const MqlToken *token, const char *punct) {
    return token->kind == MQL_PUNCT && str_eq(token->text, str_of(punct));
}

static bool next_is(const MqlParser *parser, const char *punct) {
    return is_punct(&parser->token, punct);
}

static bool accept(MqlParser *parser, const char *punct) {
    if (!next_is(parser, punct)) {
        return false;
    }
    take(parser);
    return true;
}

static bool next_word_is(const MqlParser *parser, const char *word) {
    return parser->token.kind == MQL_WORD && mql_word_is(parser->token.text, word);
}

static bool accept_word(MqlParser *parser, const char *word) {
    if (!next_word_is(parser, word)) {
        return false;
    }
    take(parser);
    return true;
}

/* The token behind the next one. */
static MqlToken token_after(const MqlParser *parser) {
    MqlLexer ahead = parser->lexer;
    return mql_next(&ahead);
}

/* ---- operators ---- */

typedef struct OperatorRow {
    const char *text;
    BinaryOp op;
    int precedence;
} OperatorRow;

enum { PRECEDENCE_MINUS = 6 };

static const OperatorRow operators[] = {
    {"default", OP_DEFAULT, 1},
    {"if", OP_IF, 2},
    {"ifnot", OP_IFNOT, 2},
    {"or", OP_OR, 3},
    {"and", OP_AND, 4},
    {"unless", OP_UNLESS, 4},
    {"==", OP_EQ, 5},
    {"!=", OP_NE, 5},
    {"<", OP_LT, 5},
    {">", OP_GT, 5},
    {"<=", OP_LE, 5},
    {">=", OP_GE, 5},
    {"+", OP_ADD, 6},
    {"-", OP_SUB, 6},
    {"*", OP_MUL, 7},
    {"/", OP_DIV, 7},
    {"%", OP_MOD, 7},
    {"atan2", OP_ATAN2, 7},
    {"^", OP_POW, 8},
};

static const OperatorRow *operator_of(const MqlToken *token) {
    if (token->kind != MQL_PUNCT && token->kind != MQL_WORD) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        if (mql_word_is(token->text, operators[i].text)) {
            return &operators[i];
        }
    }
    return NULL;
}

/* ---- strings ---- */

bool mql_string_value(Arena *arena, Str literal, Str *ret_value) {
    return go_unquote(arena, literal, ret_value);
}

/* "a" + name + "b": words are templates. Stops before `+ m(` and `+ m{`, which are no strings. */
static MqlNode *parse_string(MqlParser *parser) {
    MqlNode *node = mql_node(parser, MQL_NODE_STRING, parser->token.start);
    for (;;) {
        MqlToken token = parser->token;
        Str value;
        if (token.kind != MQL_STRING && token.kind != MQL_WORD) {
            unexpected(parser, "a string");
            return NULL;
        }
        if (token.kind == MQL_STRING && !mql_string_value(parser->arena, token.text, &value)) {
            mql_fail(parser, token.start, "bad string literal");
            return NULL;
        }
        str_list_add(parser->arena, &node->string.tokens, token.text);
        take(parser);
        if (!next_is(parser, "+")) {
            break;
        }
        MqlLexer ahead = parser->lexer;
        MqlToken next = mql_next(&ahead);
        MqlToken behind = mql_next(&ahead);
        bool joins = next.kind == MQL_STRING ||
                     (next.kind == MQL_WORD && !is_punct(&behind, "(") && !is_punct(&behind, "{"));
        if (!joins) {
            break;
        }
        take(parser);
    }
    node->end = parser->last_end;
    return node;
}

/* ---- label lists ---- */

/* A quoted word without quotes, or a word without escapes. */
static Str plain_word(MqlParser *parser, const MqlToken *token) {
    Str text = token->text;
    if (token->kind == MQL_STRING) {
        text = (Str){text.ptr + 1, text.len - 2};
    }
    return mql_word_unescape(parser->arena, text);
}

/* (a, "b", c) */
static bool parse_words(MqlParser *parser, StrList *ret_words) {
    if (!accept(parser, "(")) {
        return unexpected(parser, "\"(\"");
    }
    while (!accept(parser, ")")) {
        if (parser->token.kind != MQL_WORD && parser->token.kind != MQL_STRING) {
            return unexpected(parser, "a label name");
        }
        MqlToken word = take(parser);
        str_list_add(parser->arena, ret_words, plain_word(parser, &word));
        if (!next_is(parser, ")") && !accept(parser, ",")) {
            return unexpected(parser, "\",\" or \")\"");
        }
    }
    return true;
}

/* ---- metrics ---- */

static void add_filter(Arena *arena, MqlFilterSet *set, MqlFilter filter) {
    if (set->count == set->cap) {
        set->cap = set->cap ? 2 * set->cap : 4;
        MqlFilter *items = arena_array(arena, MqlFilter, set->cap);
        if (set->count) {
            memcpy(items, set->items, set->count * sizeof *items);
        }
        set->items = items;
    }
    set->items[set->count++] = filter;
}

static void add_set(Arena *arena, MqlMetric *metric, MqlFilterSet set) {
    if (metric->count == metric->cap) {
        metric->cap = metric->cap ? 2 * metric->cap : 2;
        MqlFilterSet *sets = arena_array(arena, MqlFilterSet, metric->cap);
        if (metric->count) {
            memcpy(sets, metric->sets, metric->count * sizeof *sets);
        }
        metric->sets = sets;
    }
    metric->sets[metric->count++] = set;
}

static bool match_type_of(const MqlParser *parser, MatchType *ret_type) {
    static const struct {
        const char *text;
        MatchType type;
    } rows[] = {{"=", MATCH_EQ}, {"!=", MATCH_NE}, {"=~", MATCH_RE}, {"!~", MATCH_NRE}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (next_is(parser, rows[i].text)) {
            *ret_type = rows[i].type;
            return true;
        }
    }
    return false;
}

static bool parse_filter(MqlParser *parser, MqlFilterSet *set) {
    if (parser->token.kind != MQL_WORD && parser->token.kind != MQL_STRING) {
        return unexpected(parser, "a label name");
    }
    MqlToken label = take(parser);
    MqlFilter filter = {
        .label = plain_word(parser, &label), .quoted = label.kind == MQL_STRING, .at = label.start};
    if (match_type_of(parser, &filter.type)) {
        take(parser);
        filter.value = parse_string(parser);
        if (!filter.value) {
            return false;
        }
    } else if (!next_is(parser, ",") && !next_is(parser, "}") && !next_word_is(parser, "or")) {
        return unexpected(parser, "a label matching operator");
    }
    add_filter(parser->arena, set, filter);
    return true;
}

/* The filters up to `or` or the closing brace. */
static bool parse_filter_set(MqlParser *parser, MqlFilterSet *set) {
    for (;;) {
        if (!parse_filter(parser, set)) {
            return false;
        }
        if (accept(parser, ",")) {
            if (next_is(parser, "}")) {
                return true;
            }
        } else if (next_is(parser, "}") || next_word_is(parser, "or")) {
            return true;
        } else {
            return unexpected(parser, "\",\", \"or\" or \"}\"");
        }
    }
}

/* {...}; with the name before the braces as the first filter of each set. */
static bool parse_filters(MqlParser *parser, const MqlFilter *name, MqlMetric *metric) {
    take(parser);
    if (accept(parser, "}")) {
        MqlFilterSet only = {0};
        if (name) {
            add_filter(parser->arena, &only, *name);
            add_set(parser->arena, metric, only);
        }
        return true;
    }
    for (;;) {
        MqlFilterSet set = {0};
        if (name) {
            add_filter(parser->arena, &set, *name);
        }
        if (!parse_filter_set(parser, &set)) {
            return false;
        }
        add_set(parser->arena, metric, set);
        if (accept(parser, "}")) {
            return true;
        }
        if (!accept_word(parser, "or")) {
            return unexpected(parser, "\"or\" or \"}\"");
        }
    }
}

static MqlNode *string_node(MqlParser *parser, Str value, uint32_t at) {
    MqlNode *node = mql_node(parser, MQL_NODE_STRING, at);
    node->string.value = value;
    node->expanded = true;
    return node;
}

static MqlNode *parse_metric(MqlParser *parser) {
    uint32_t start = parser->token.start;
    MqlMetric metric = {0};
    MqlFilter name = {.label = LABEL_METRIC_NAME, .type = MATCH_EQ, .at = start};
    bool named = parser->token.kind == MQL_WORD;
    if (named) {
        MqlToken word = take(parser);
        name.value = string_node(parser, mql_word_unescape(parser->arena, word.text), start);
    }
    if (next_is(parser, "{")) {
        if (!parse_filters(parser, named ? &name : NULL, &metric)) {
            return NULL;
        }
    } else {
        assert(named);
        MqlFilterSet only = {0};
        add_filter(parser->arena, &only, name);
        add_set(parser->arena, &metric, only);
    }
    MqlNode *node = mql_node(parser, MQL_NODE_METRIC, start);
    node->metric = metric;
    return node;
}

/* ---- calls ---- */

static bool parse_args(MqlParser *parser, MqlNodeList *args) {
    take(parser);
    while (!accept(parser, ")")) {
        const MqlNode *arg = mql_parse_expression(parser);
        if (!arg) {
            return false;
        }
        mql_list_add(parser->arena, args, arg);
        if (!next_is(parser, ")") && !accept(parser, ",")) {
            return unexpected(parser, "\",\" or \")\"");
        }
    }
    return true;
}

static bool parse_call_modifier(MqlParser *parser, MqlCall *call) {
    bool without = next_word_is(parser, "without");
    if (!without && !next_word_is(parser, "by")) {
        return true;
    }
    take(parser);
    call->grouped = true;
    call->without = without;
    return parse_words(parser, &call->labels);
}

static bool parse_limit(MqlParser *parser, MqlCall *call) {
    if (!accept_word(parser, "limit")) {
        return true;
    }
    int64_t limit;
    if (parser->token.kind != MQL_NUMBER || !number_parse_int(parser->token.text, &limit)) {
        return unexpected(parser, "a limit");
    }
    take(parser);
    call->limit = limit > 0 ? (uint64_t)limit : 0;
    return true;
}

static MqlNode *parse_aggregate(MqlParser *parser) {
    MqlToken name = take(parser);
    MqlCall call = {.name = mql_word_unescape(parser->arena, name.text), .aggregate = true};
    if (!next_is(parser, "(") && !parse_call_modifier(parser, &call)) {
        return NULL;
    }
    if (!next_is(parser, "(")) {
        unexpected(parser, "\"(\"");
        return NULL;
    }
    if (!parse_args(parser, &call.args) || (!call.grouped && !parse_call_modifier(parser, &call)) ||
        !parse_limit(parser, &call)) {
        return NULL;
    }
    MqlNode *node = mql_node(parser, MQL_NODE_CALL, name.start);
    node->call = call;
    return node;
}

static MqlNode *parse_function(MqlParser *parser) {
    MqlToken name = take(parser);
    MqlCall call = {.name = mql_word_unescape(parser->arena, name.text)};
    if (!parse_args(parser, &call.args)) {
        return NULL;
    }
    call.keep_metric_names = accept_word(parser, "keep_metric_names");
    MqlNode *node = mql_node(parser, MQL_NODE_CALL, name.start);
    node->call = call;
    return node;
}

/* A word is a metric, a function or an aggregation: what follows tells. */
static MqlNode *parse_named(MqlParser *parser) {
    MqlToken next = token_after(parser);
    Str name = mql_word_unescape(parser->arena, parser->token.text);
    bool aggregate = aggregate_find(name, true) != NULL;
    if (is_punct(&next, "(")) {
        return aggregate ? parse_aggregate(parser) : parse_function(parser);
    }
    bool word = next.kind == MQL_WORD && !mql_word_is(next.text, "offset");
    if (word && aggregate && !operator_of(&next)) {
        return parse_aggregate(parser);
    }
    return parse_metric(parser);
}

/* ---- WITH ---- */

bool mql_parse_template(MqlParser *parser, MqlTemplate *ret_template) {
    if (parser->token.kind != MQL_WORD) {
        return unexpected(parser, "a template's name");
    }
    MqlToken name = take(parser);
    MqlTemplate template = {.name = mql_word_unescape(parser->arena, name.text)};
    if (next_is(parser, "(") && !parse_words(parser, &template.args)) {
        return false;
    }
    if (template.args.count > MQL_TEMPLATES_MAX) {
        return mql_fail(parser, name.start, "template \"%.*s\" has more than %d arguments",
                        STR_ARG(template.name), MQL_TEMPLATES_MAX);
    }
    for (size_t i = 0; i < template.args.count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (str_eq(template.args.items[i], template.args.items[j])) {
                return mql_fail(parser, name.start, "template \"%.*s\" has two arguments \"%.*s\"",
                                STR_ARG(template.name), STR_ARG(template.args.items[i]));
            }
        }
    }
    if (!accept(parser, "=")) {
        return unexpected(parser, "\"=\"");
    }
    template.expr = mql_parse_expression(parser);
    *ret_template = template;
    return template.expr != NULL;
}

static bool add_template(MqlParser *parser, MqlWith *with, MqlTemplate template, uint32_t at) {
    if (with->count == MQL_TEMPLATES_MAX) {
        return mql_fail(parser, at, "more than %d templates are defined here", MQL_TEMPLATES_MAX);
    }
    for (size_t i = 0; i < with->count; i++) {
        if (str_eq(with->templates[i].name, template.name)) {
            return mql_fail(parser, at, "template \"%.*s\" is defined twice",
                            STR_ARG(template.name));
        }
    }
    if (with->count == with->cap) {
        with->cap = with->cap ? 2 * with->cap : 4;
        MqlTemplate *templates = arena_array(parser->arena, MqlTemplate, with->cap);
        if (with->count) {
            memcpy(templates, with->templates, with->count * sizeof *templates);
        }
        with->templates = templates;
    }
    with->templates[with->count++] = template;
    return true;
}

/* WITH (templates) expression */
static MqlNode *parse_with(MqlParser *parser) {
    uint32_t start = take(parser).start;
    take(parser);
    MqlWith with = {0};
    while (!accept(parser, ")")) {
        MqlTemplate template;
        uint32_t at = parser->token.start;
        if (!mql_parse_template(parser, &template) || !add_template(parser, &with, template, at)) {
            return NULL;
        }
        if (!next_is(parser, ")") && !accept(parser, ",")) {
            unexpected(parser, "\",\" or \")\"");
            return NULL;
        }
    }
    with.expr = mql_parse_expression(parser);
    if (!with.expr) {
        return NULL;
    }
    MqlNode *node = mql_node(parser, MQL_NODE_WITH, start);
    node->with = with;
    return node;
}

/* ---- windows ---- */

static MqlNode *duration_node(MqlParser *parser, Str text, uint32_t at, bool is_word) {
    MqlNode *node = mql_node(parser, MQL_NODE_DURATION, at);
    node->duration = text;
    node->is_word = is_word;
    return node;
}

/* 5m, 300, a template's name. A colon inside a word ends it: [w:5m] */
static MqlNode *parse_span(MqlParser *parser) {
    MqlToken token = parser->token;
    MqlSpan span;
    switch (token.kind) {
    case MQL_WORD: {
        size_t colon = str_find(token.text, ':');
        if (colon == 0) {
            break;
        }
        take(parser);
        if (colon < token.text.len) {
            /* Goes back to the colon. */
            parser->lexer.at = token.start + (uint32_t)colon;
            parser->token = mql_next(&parser->lexer);
        }
        return duration_node(parser, (Str){token.text.ptr, colon}, token.start, true);
    }
    case MQL_INTERVAL:
        take(parser);
        return duration_node(parser, STR("1i"), token.start, false);
    case MQL_DURATION:
    case MQL_NUMBER:
        take(parser);
        if (!mql_duration_value(token.text, &span)) {
            mql_fail(parser, token.start, "bad duration \"%.*s\"", STR_ARG(token.text));
            return NULL;
        }
        return duration_node(parser, token.text, token.start, false);
    default:
        break;
    }
    unexpected(parser, "a duration");
    return NULL;
}

/* The step behind `:`, which stands alone or begins a word: ":3s" is one. */
static bool parse_step(MqlParser *parser, MqlRollup *rollup) {
    parser->lexer.at = parser->token.start + 1;
    parser->token = mql_next(&parser->lexer);
    if (next_is(parser, "]")) {
        rollup->inherit_step = true;
        return true;
    }
    rollup->step = parse_span(parser);
    return rollup->step != NULL;
}

static bool at_colon(const MqlParser *parser) {
    return parser->token.kind == MQL_WORD && parser->token.text.ptr[0] == ':';
}

/* [window:step] */
static bool parse_window(MqlParser *parser, MqlRollup *rollup) {
    take(parser);
    rollup->brackets = true;
    if (parser->token.kind == MQL_INTERVAL) {
        take(parser);
    } else if (!at_colon(parser)) {
        rollup->window = parse_span(parser);
        if (!rollup->window) {
            return false;
        }
    }
    if (at_colon(parser) && !parse_step(parser, rollup)) {
        return false;
    }
    return accept(parser, "]") || unexpected(parser, "\"]\"");
}

static const MqlNode *parse_operand(MqlParser *parser);

static bool parse_offset(MqlParser *parser, MqlRollup *rollup) {
    take(parser);
    rollup->offset_negative = accept(parser, "-");
    rollup->offset = parse_span(parser);
    return rollup->offset != NULL;
}

static bool parse_at(MqlParser *parser, MqlRollup *rollup) {
    if (rollup->at) {
        return mql_fail(parser, parser->token.start, "@ may not be set multiple times");
    }
    take(parser);
    rollup->at = parse_operand(parser);
    return rollup->at != NULL;
}

static bool begins_rollup(const MqlParser *parser) {
    return next_is(parser, "[") || next_is(parser, "@") || next_word_is(parser, "offset");
}

static const MqlNode *parse_rollup(MqlParser *parser, const MqlNode *expr) {
    if (!begins_rollup(parser)) {
        return expr;
    }
    MqlRollup rollup = {.expr = expr};
    if ((next_is(parser, "[") && !parse_window(parser, &rollup)) ||
        (next_is(parser, "@") && !parse_at(parser, &rollup)) ||
        (next_word_is(parser, "offset") && !parse_offset(parser, &rollup)) ||
        (next_is(parser, "@") && !parse_at(parser, &rollup))) {
        return NULL;
    }
    MqlNode *node = mql_node(parser, MQL_NODE_ROLLUP, expr->at);
    node->rollup = rollup;
    return node;
}

/* ---- operands ---- */

static MqlNode *number_node(MqlParser *parser, double value, Str text, uint32_t at) {
    MqlNode *node = mql_node(parser, MQL_NODE_NUMBER, at);
    node->number.value = value;
    node->number.text = text;
    return node;
}

static MqlNode *parse_number(MqlParser *parser) {
    MqlToken token = take(parser);
    double value;
    if (!mql_number_value(token.text, &value)) {
        mql_fail(parser, token.start, "bad number \"%.*s\"", STR_ARG(token.text));
        return NULL;
    }
    return number_node(parser, value, token.text, token.start);
}

/* (a, b); a binary expression in parentheses of its own may be followed by keep_metric_names. */
static MqlNode *parse_parens(MqlParser *parser) {
    uint32_t start = parser->token.start;
    MqlNodeList list = {0};
    if (!parse_args(parser, &list)) {
        return NULL;
    }
    bool binary = list.count == 1 && list.items[0]->kind == MQL_NODE_BINARY;
    if (binary && accept_word(parser, "keep_metric_names")) {
        MqlNode *inner = mql_node(parser, MQL_NODE_BINARY, list.items[0]->at);
        *inner = *list.items[0];
        inner->binary.keep_metric_names = true;
        list.items[0] = inner;
    }
    MqlNode *node = mql_node(parser, MQL_NODE_PARENS, start);
    node->parens = list;
    return node;
}

static const MqlNode *parse_single(MqlParser *parser);

/* -x is 0 - x. */
static const MqlNode *negated(MqlParser *parser, const MqlNode *right, uint32_t start) {
    if (!right) {
        return NULL;
    }
    MqlNode *node = mql_node(parser, MQL_NODE_BINARY, start);
    node->binary = (MqlBinary){.op = OP_SUB,
                               .left = number_node(parser, 0, STR("0"), start),
                               .right = right,
                               .op_at = start};
    return node;
}

/* An operand without window, offset and @. */
static const MqlNode *parse_operand(MqlParser *parser) {
    const MqlToken *token = &parser->token;
    bool named_number = token->kind == MQL_WORD &&
                        (mql_word_is(token->text, "inf") || mql_word_is(token->text, "nan"));
    switch (token->kind) {
    case MQL_DURATION:
    case MQL_INTERVAL:
        return parse_span(parser);
    case MQL_STRING:
        return parse_string(parser);
    case MQL_NUMBER:
        return parse_number(parser);
    case MQL_WORD:
        return named_number ? parse_number(parser) : parse_named(parser);
    default:
        break;
    }
    if (next_is(parser, "(")) {
        return parse_parens(parser);
    }
    if (next_is(parser, "{")) {
        return parse_metric(parser);
    }
    if (next_is(parser, "-")) {
        uint32_t start = take(parser).start;
        return negated(parser, parse_single(parser), start);
    }
    if (accept(parser, "+")) {
        return parse_single(parser);
    }
    unexpected(parser, "an expression");
    return NULL;
}

static const MqlNode *parse_single(MqlParser *parser) {
    if (!mql_enter(parser, parser->token.start)) {
        return NULL;
    }
    MqlToken next = token_after(parser);
    const MqlNode *node = NULL;
    if (next_word_is(parser, "with") && is_punct(&next, "(")) {
        node = parse_with(parser);
    } else {
        node = parse_operand(parser);
        node = node ? parse_rollup(parser, node) : NULL;
    }
    leave(parser);
    return node;
}

/* ---- binary expressions ---- */

/* group_left(..) or group_right(..), with `*` and a prefix for the labels it copies. */
static bool parse_join(MqlParser *parser, MqlBinary *binary) {
    bool left = next_word_is(parser, "group_left");
    if (!left && !next_word_is(parser, "group_right")) {
        return true;
    }
    if (binary->op == OP_AND || binary->op == OP_OR || binary->op == OP_UNLESS) {
        return unexpected(parser, "an operand of a set operator");
    }
    take(parser);
    binary->card = left ? CARD_MANY_TO_ONE : CARD_ONE_TO_MANY;
    MqlToken behind = token_after(parser);
    if (next_is(parser, "(") && is_punct(&behind, "*")) {
        take(parser);
        take(parser);
        binary->include_all = true;
        if (!accept(parser, ")")) {
            return unexpected(parser, "\")\"");
        }
    } else if (next_is(parser, "(") && !parse_words(parser, &binary->include)) {
        return false;
    }
    if (accept_word(parser, "prefix")) {
        binary->prefix = parse_string(parser);
        return binary->prefix != NULL;
    }
    return true;
}

/* (0), (-1.5) */
static bool parse_fill_value(MqlParser *parser, double *ret_value) {
    take(parser);
    bool negative = accept(parser, "-");
    bool named = next_word_is(parser, "nan") || next_word_is(parser, "inf");
    if ((parser->token.kind != MQL_NUMBER && !named) ||
        !mql_number_value(parser->token.text, ret_value)) {
        return unexpected(parser, "a number");
    }
    take(parser);
    *ret_value = negative ? -*ret_value : *ret_value;
    return accept(parser, ")") || unexpected(parser, "\")\"");
}

/* fill(x), fill_left(x), fill_right(x): keywords only before a parenthesis. */
static bool parse_fill(MqlParser *parser, MqlBinary *binary) {
    for (;;) {
        MqlToken behind = token_after(parser);
        bool both = next_word_is(parser, "fill");
        bool left = both || next_word_is(parser, "fill_left");
        bool right = both || next_word_is(parser, "fill_right");
        if ((!left && !right) || !is_punct(&behind, "(")) {
            return true;
        }
        take(parser);
        double value;
        if (!parse_fill_value(parser, &value)) {
            return false;
        }
        binary->fill_left = left ? value : binary->fill_left;
        binary->fill_right = right ? value : binary->fill_right;
        binary->fill_left_given |= left;
        binary->fill_right_given |= right;
    }
}

static bool parse_modifiers(MqlParser *parser, MqlBinary *binary) {
    if (next_word_is(parser, "bool")) {
        if (!binary_op_is_comparison(binary->op)) {
            return mql_fail(parser, parser->token.start,
                            "bool modifier can only be used on comparison operators");
        }
        take(parser);
        binary->return_bool = true;
    }
    bool on = next_word_is(parser, "on");
    if (on || next_word_is(parser, "ignoring")) {
        take(parser);
        binary->grouped = true;
        binary->on = on;
        if (!parse_words(parser, &binary->labels) || !parse_join(parser, binary)) {
            return false;
        }
    }
    return parse_fill(parser, binary);
}

static const MqlNode *parse_binding(MqlParser *parser, int precedence_min);

/* What stands before the first operator. As 0 - x the minus binds like a binary one: -a * b is 0 -
 * (a * b). */
static const MqlNode *parse_left(MqlParser *parser, int precedence_min) {
    if (!next_is(parser, "-")) {
        return parse_single(parser);
    }
    uint32_t start = take(parser).start;
    int above = PRECEDENCE_MINUS + 1;
    return negated(parser, parse_binding(parser, precedence_min > above ? precedence_min : above),
                   start);
}

static const MqlNode *parse_binding(MqlParser *parser, int precedence_min) {
    if (!mql_enter(parser, parser->token.start)) {
        return NULL;
    }
    const MqlNode *left = parse_left(parser, precedence_min);
    const OperatorRow *row;
    while (left && (row = operator_of(&parser->token)) && row->precedence >= precedence_min) {
        MqlBinary binary = {.op = row->op, .left = left, .op_at = take(parser).start};
        if (!parse_modifiers(parser, &binary)) {
            return NULL;
        }
        binary.right = parse_binding(parser, row->precedence + (row->op != OP_POW));
        if (!binary.right) {
            return NULL;
        }
        binary.keep_metric_names = accept_word(parser, "keep_metric_names");
        MqlNode *node = mql_node(parser, MQL_NODE_BINARY, left->at);
        node->binary = binary;
        left = node;
    }
    leave(parser);
    return left;
}

const MqlNode *mql_parse_expression(MqlParser *parser) {
    return parse_binding(parser, 0);
}
