#pragma once

/*
 * MetricsQL text -> tokens. Unlike PromQL's this lexer knows no places: a word is a word
 * everywhere, and the parser decides whether it is a keyword. Words may hold any letters of
 * Unicode, dots, colons, and escaped characters (foo\-bar).
 */

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

typedef enum MqlKind {
    MQL_ERROR,
    MQL_EOF,
    MQL_WORD,
    MQL_STRING,   /* with quotes */
    MQL_NUMBER,   /* 12, 0x1F, 1.5Ki */
    MQL_DURATION, /* 5m, 1h30m, 2i, 1h-5m */
    MQL_INTERVAL, /* $__interval, $__rate_interval */
    MQL_PUNCT,    /* an operator or bracket */
} MqlKind;

typedef struct MqlToken {
    MqlKind kind;
    uint32_t start, end;
    Str text; /* MQL_ERROR: what is wrong */
} MqlToken;

typedef struct MqlLexer {
    Str text;
    uint32_t at;
} MqlLexer;

MqlToken mql_next(MqlLexer *lexer);

/* A word without its escapes, and with those it needs. */
Str mql_word_unescape(Arena *arena, Str word);
void mql_word_print(Buf *buf, Str word);

/* Length of the number or duration that `text` begins with; 0 if it begins with none. A duration of
 * `allow_sign` may begin with a minus. */
size_t mql_number_length(Str text);
size_t mql_duration_length(Str text);

/* The value of a MQL_NUMBER. */
bool mql_number_value(Str text, double *ret_value) MUST_CHECK;

/* A duration is `ms` plus `steps` times the query's step: 1h30m, 2i, 1h-5m, -5m, 300 (seconds). */
typedef struct MqlSpan {
    double ms, steps;
} MqlSpan;
bool mql_duration_value(Str text, MqlSpan *ret_span) MUST_CHECK;
