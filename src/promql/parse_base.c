/* Errors, tokens, nodes: what all parts of the parser stand on. */

#include <stdarg.h>
#include <stdio.h>

#include "base/go_text.h"
#include "promql/parse.h"

bool parser_fail(Parser *parser, uint32_t at, const char *fmt, ...) {
    char message[sizeof parser->err->text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);

    AUTO(buf_finish) Buf position = {0};
    expr_position(&position, parser->source->text, at);
    return err_set(parser->err, ERR_INVALID, "%.*s: parse error: %s", STR_ARG(buf_view(&position)),
                   message);
}

bool parser_unexpected_in(Parser *parser, const char *where, const char *expected) {
    Str token = token_describe(parser->arena, &parser->token);
    if (parser->token.kind == TOKEN_ERROR) {
        return parser_fail(parser, parser->token.start, "%.*s", STR_ARG(token));
    }
    return parser_fail(parser, parser->token.start, "unexpected %.*s%s%s%s%s", STR_ARG(token),
                       where ? " in " : "", where ? where : "", expected ? ", expected " : "",
                       expected ? expected : "");
}

bool parser_unexpected(Parser *parser) {
    return parser_unexpected_in(parser, parser->context.where, parser->context.expected);
}

Token parser_take(Parser *parser) {
    Token token = parser->token;
    parser->last_end = token.end;
    parser->token = lexer_next(&parser->lexer);
    return token;
}

bool parser_accept(Parser *parser, TokenKind kind) {
    if (parser->token.kind != kind) {
        return false;
    }
    parser_take(parser);
    return true;
}

bool parser_expect(Parser *parser, TokenKind kind) {
    return parser_accept(parser, kind) || parser_unexpected(parser);
}

static bool too_deep(Parser *parser, uint32_t at) {
    return parser_fail(parser, at, "expression is nested more than %d levels deep", EXPR_DEPTH_MAX);
}

bool parser_enter(Parser *parser) {
    parser->depth++;
    return parser->depth <= EXPR_DEPTH_MAX || too_deep(parser, parser->token.start);
}

void parser_leave(Parser *parser) {
    parser->depth--;
}

Expr *parser_node(Parser *parser, ExprKind kind, uint32_t start) {
    Expr *node = arena_new(parser->arena, Expr);
    node->kind = kind;
    node->flavour = parser->flavour;
    node->height = 1;
    node->span = (ExprSpan){start, parser->last_end};
    node->source = parser->source;
    parser->nodes++;
    return node;
}

bool parser_adopt(Parser *parser, Expr *node, const Expr *child) {
    if (node->height <= child->height) {
        node->height = child->height + 1;
    }
    if (node->height > EXPR_DEPTH_MAX) {
        return too_deep(parser, node->span.start);
    }
    if (parser->nodes > EXPR_NODES_MAX) {
        return parser_fail(parser, node->span.start, "expression has more than %d parts",
                           EXPR_NODES_MAX);
    }
    return true;
}

Matcher *parser_matcher(Parser *parser, MatchType type, Str name, Str value, uint32_t at) {
    MatcherLink *link = arena_new(parser->arena, MatcherLink);
    Err err = {0};
    if (!matcher_init(parser->arena, type, name, value, &link->matcher, &err)) {
        AUTO(buf_finish) Buf words = {0};
        go_regex_error(&words, str_of(err.text));
        parser_fail(parser, at, "%.*s", STR_ARG(buf_view(&words)));
        return NULL;
    }
    link->next = parser->source->matchers;
    parser->source->matchers = link;
    return &link->matcher;
}

static size_t grown(size_t cap) {
    return cap ? 2 * cap : 4;
}

void str_list_add(Arena *arena, StrList *list, Str text) {
    if (list->count == list->cap) {
        list->cap = grown(list->cap);
        Str *items = arena_array(arena, Str, list->cap);
        if (list->count) {
            memcpy(items, list->items, list->count * sizeof *items);
        }
        list->items = items;
    }
    list->items[list->count++] = text;
}

void expr_list_add(Arena *arena, ExprList *list, const Expr *expr) {
    if (list->count == list->cap) {
        list->cap = grown(list->cap);
        const Expr **items = arena_alloc(arena, list->cap * sizeof *items);
        if (list->count) {
            memcpy(items, list->items, list->count * sizeof *items);
        }
        list->items = items;
    }
    list->items[list->count++] = expr;
}
