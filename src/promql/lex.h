#pragma once

/*
 * PromQL text -> tokens, one at a time.
 *
 * The same characters mean different things in three places, so the lexer keeps a state: outside,
 * inside the braces of a selector (identifiers are never keywords there, `=~` exists only there),
 * and at the start of a range (`[`), where only durations and their operators may stand. What is
 * complained of and where follows Prometheus' lexer, since people look for its sentences.
 *
 * A plain value over the text, which has to outlive it.
 */

#include "base/arena.h"
#include "base/err.h"

typedef enum TokenKind {
    TOKEN_ERROR, /* `message` says what is wrong at `start` */
    TOKEN_EOF,
    TOKEN_IDENTIFIER,
    TOKEN_METRIC_IDENTIFIER, /* with a colon */
    TOKEN_NUMBER,
    TOKEN_DURATION,
    TOKEN_STRING, /* with its quotes */

    TOKEN_LEFT_PAREN,
    TOKEN_RIGHT_PAREN,
    TOKEN_LEFT_BRACE,
    TOKEN_RIGHT_BRACE,
    TOKEN_LEFT_BRACKET,
    TOKEN_RIGHT_BRACKET,
    TOKEN_COMMA,
    TOKEN_COLON,
    TOKEN_EQL, /* = */

    /* operators, of expressions and matchers */
    TOKEN_ADD,
    TOKEN_SUB,
    TOKEN_MUL,
    TOKEN_DIV,
    TOKEN_MOD,
    TOKEN_POW,
    TOKEN_ATAN2,
    TOKEN_EQLC, /* == */
    TOKEN_NEQ,
    TOKEN_GTR,
    TOKEN_LSS,
    TOKEN_GTE,
    TOKEN_LTE,
    TOKEN_TRIM_UPPER, /* </ */
    TOKEN_TRIM_LOWER, /* >/ */
    TOKEN_LAND,
    TOKEN_LOR,
    TOKEN_LUNLESS,
    TOKEN_EQL_REGEX,
    TOKEN_NEQ_REGEX,
    TOKEN_AT,

    TOKEN_AGGREGATE, /* sum, topk... */

    /* keywords */
    TOKEN_BOOL,
    TOKEN_BY,
    TOKEN_GROUP_LEFT,
    TOKEN_GROUP_RIGHT,
    TOKEN_FILL,
    TOKEN_FILL_LEFT,
    TOKEN_FILL_RIGHT,
    TOKEN_IGNORING,
    TOKEN_OFFSET,
    TOKEN_SMOOTHED,
    TOKEN_ANCHORED,
    TOKEN_ON,
    TOKEN_WITHOUT,

    /* names with a meaning of their own in ranges or behind @ */
    TOKEN_START,
    TOKEN_END,
    TOKEN_STEP,
    TOKEN_RANGE,
    TOKEN_MAX_OF,
    TOKEN_MIN_OF,
} TokenKind;

typedef struct Token {
    TokenKind kind;
    uint32_t start, end; /* bytes of the text */
    Str text;
    Str message; /* TOKEN_ERROR, in the lexer's arena */
} Token;

typedef enum LexState { LEX_OUTSIDE, LEX_BRACES, LEX_DURATION } LexState;

typedef struct Lexer {
    Str text;
    Arena *arena; /* for messages */
    uint32_t at;
    LexState state;
    int paren_depth;
    bool bracket_open, got_colon, got_duration;
    bool ended; /* an error was told: only TOKEN_EOF from now on */
} Lexer;

/* `text` has at most UINT32_MAX bytes. */
Lexer lexer_of(Arena *arena, Str text);
Token lexer_next(Lexer *lexer);

/* As errors name a token: `identifier "foo"`, `<op:+>`, `end of input`. In `arena`. */
Str token_describe(Arena *arena, const Token *token);

/* Spaces and line comments as both flavours have them. */
static inline bool lex_is_space(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}
static inline bool lex_is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}
static inline bool lex_is_alpha(char byte) {
    return byte == '_' || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}
static inline bool lex_is_alnum(char byte) {
    return lex_is_alpha(byte) || lex_is_digit(byte);
}
