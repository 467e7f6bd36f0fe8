#pragma once

/*
 * The parser's inside: what its parts (expressions, selectors, durations; MetricsQL) share.
 *
 * Errors: the first one ends the parse. A function returns NULL or false after parser_fail(), and
 * everyone above does the same. The sentences are Prometheus'; its generated parser names the
 * construct it was in ("in aggregation, expected ..."), which `Parser.context` keeps.
 */

#include "promql/ast.h"
#include "promql/lex.h"

/* What an unexpected token is said to be unexpected in, and what was expected there. NULLs are left
 * out. */
typedef struct ParseContext {
    const char *where;
    const char *expected;
} ParseContext;

struct MatcherLink {
    Matcher matcher;
    MatcherLink *next;
};

typedef struct Parser {
    Arena *arena;
    PromqlFlavour flavour;
    ExprSource *source;
    Err *err;
    Lexer lexer;
    Token token;       /* the next one, not yet taken */
    uint32_t last_end; /* end of the token taken last */
    ParseContext context;
    uint32_t depth; /* of recursion */
    uint32_t nodes;
} Parser;

/* `LINE:COLUMN: parse error: ...` at a byte of the text. Returns false. */
bool parser_fail(Parser *parser, uint32_t at, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Complains of the next token, in the parser's context. */
bool parser_unexpected(Parser *parser);
bool parser_unexpected_in(Parser *parser, const char *where, const char *expected);

/* Takes the next token. A token that is an error ends the parse where it is looked at, not here. */
Token parser_take(Parser *parser);
/* Takes it if it is of that kind. */
bool parser_accept(Parser *parser, TokenKind kind);
bool parser_expect(Parser *parser, TokenKind kind) MUST_CHECK;

/* A level deeper; false with an error where there were too many. parser_leave() goes back. */
bool parser_enter(Parser *parser) MUST_CHECK;
void parser_leave(Parser *parser);

Expr *parser_node(Parser *parser, ExprKind kind, uint32_t start);
/* Notes that `child` is below `node`. False where the tree got too deep or too big. */
bool parser_adopt(Parser *parser, Expr *node, const Expr *child) MUST_CHECK;

/* A matcher in the arena whose regex expr_finish() will free. */
Matcher *parser_matcher(Parser *parser, MatchType type, Str name, Str value, uint32_t at);

/* Frees the regexes; for a parse that failed. */
void expr_source_finish(ExprSource *source);

/* A growing list in the arena: strings and expressions. */
typedef struct StrList {
    Str *items;
    size_t count, cap;
} StrList;
void str_list_add(Arena *arena, StrList *list, Str text);
typedef struct ExprList {
    const Expr **items;
    size_t count, cap;
} ExprList;
void expr_list_add(Arena *arena, ExprList *list, const Expr *expr);

/* ---- parse.c ---- */
Expr *parse_expression(Parser *parser);
bool parse_grouping_labels(Parser *parser, StrList *ret_labels) MUST_CHECK;
/* The value of a TOKEN_NUMBER or TOKEN_DURATION. */
bool parse_number_text(Parser *parser, const Token *token, double *ret_value) MUST_CHECK;

/* ---- parse_selector.c ---- */
/* A selector; `name` is the token before the braces, or NULL. */
Expr *parse_selector(Parser *parser, const Token *name);
/* [..], offset, @, anchored and smoothed, as many as follow. Returns the outermost expression. */
Expr *parse_postfix(Parser *parser, Expr *expr);

/* ---- typecheck.c ---- */
bool expr_typecheck(Parser *parser, Expr *expr) MUST_CHECK;
/* "instant vector", as messages name types; "vector", as JSON does. */
const char *value_type_words(ValueType type);
const char *value_type_name(ValueType type);

/* ---- durations.c ---- */
/* A literal; and a tree, whose value is computed at once where it can be. */
void duration_spec_of_seconds(DurationSpec *spec, double seconds);
void duration_spec_of_expr(DurationSpec *spec, const Expr *expr, bool positive);
