#pragma once

/*
 * Tokens of Go's text/template (https://pkg.go.dev/text/template, "Text and spaces", "Actions").
 *
 * Text between actions is one token, already trimmed where `{{-` or `-}}` ask for it. Inside an
 * action spaces are tokens too, because the grammar needs them: `f .x` are two operands, `f.x` is
 * one with a field.
 */

#include "base/arena.h"
#include "base/err.h"

typedef enum TokenType {
    TOKEN_ERROR, /* `text` is the complaint */
    TOKEN_EOF,
    TOKEN_TEXT,
    TOKEN_LEFT,  /* {{ */
    TOKEN_RIGHT, /* }} */
    TOKEN_SPACE,
    TOKEN_PIPE,
    TOKEN_DECLARE, /* := */
    TOKEN_ASSIGN,
    TOKEN_COMMA,
    TOKEN_LEFT_PAREN,
    TOKEN_RIGHT_PAREN,
    TOKEN_DOT,
    TOKEN_FIELD,    /* .name */
    TOKEN_VARIABLE, /* $name or $ */
    TOKEN_IDENTIFIER,
    TOKEN_BOOL,
    TOKEN_NIL,
    TOKEN_NUMBER,
    TOKEN_CHAR,   /* 'x' */
    TOKEN_STRING, /* "x", quotes included */
    TOKEN_RAW,    /* `x`, quotes included */
    TOKEN_OTHER,  /* a printable character that means nothing */
    /* keywords */
    TOKEN_BLOCK,
    TOKEN_BREAK,
    TOKEN_CONTINUE,
    TOKEN_DEFINE,
    TOKEN_ELSE,
    TOKEN_END,
    TOKEN_IF,
    TOKEN_RANGE,
    TOKEN_TEMPLATE,
    TOKEN_WITH,
} TokenType;

typedef struct Token {
    TokenType type;
    Str text;
    uint32_t pos; /* byte offset */
    uint32_t line;
} Token;

typedef struct Lexer {
    Arena *arena; /* for complaints */
    Str input;
    Str left, right; /* delimiters */
    size_t at;
    uint32_t line;
    int parens;
    bool in_action;
    bool trim_next; /* the text that follows begins after `-}}` */
} Lexer;

Token tmpl_lexer_next(Lexer *lexer);

/* As Go shows a token in "unexpected ...": <keyword>, quoted text cut at 10, EOF. */
Str tmpl_token_show(Arena *arena, Token token);
