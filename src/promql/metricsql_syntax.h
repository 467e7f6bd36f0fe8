#pragma once

/*
 * MetricsQL between text and expression tree: the tree as written, with WITH templates in it.
 *
 *   parse  ->  MqlNode  ->  expand: templates put in, strings joined  ->  MqlNode  ->  lower:
 * folded, checked  ->  Expr
 *
 * Expanding shares what a template stands for, so the second tree may be a graph; lowering makes
 * own nodes of each use and counts them, which bounds what `WITH (a=x+x, b=a+a, c=b+b...)` can do.
 */

#include "promql/frame.h"
#include "promql/metricsql_lex.h"
#include "promql/parse.h"

/* Templates are looked for one by one, from the newest back. */
enum { MQL_TEMPLATES_MAX = 1000 };

typedef enum MqlNodeKind {
    MQL_NODE_NUMBER,
    MQL_NODE_DURATION, /* 5m as a value or in brackets; a word until expanded: m[w] */
    MQL_NODE_STRING,
    MQL_NODE_METRIC,
    MQL_NODE_CALL, /* functions and aggregations */
    MQL_NODE_PARENS,
    MQL_NODE_BINARY,
    MQL_NODE_ROLLUP, /* [window:step] offset @ */
    MQL_NODE_WITH,
} MqlNodeKind;

typedef struct MqlNode MqlNode;

typedef struct MqlNodeList {
    const MqlNode **items;
    size_t count, cap;
} MqlNodeList;

/* One filter in braces: name op value; or a word alone: a template, or where it was quoted the
 * metric's name. */
typedef struct MqlFilter {
    Str label;
    MatchType type;
    const MqlNode *value; /* MQL_NODE_STRING; NULL for a word alone */
    bool quoted;
    uint32_t at;
} MqlFilter;

/* Filters between two `or`. */
typedef struct MqlFilterSet {
    MqlFilter *items;
    size_t count, cap;
    HashIndex *seen; /* of the expanded tree, where there are many: what is in it */
} MqlFilterSet;

typedef struct MqlMetric {
    MqlFilterSet *sets;
    size_t count, cap;
} MqlMetric;

typedef struct MqlCall {
    Str name;
    MqlNodeList args;
    bool keep_metric_names;
    bool aggregate; /* written as one: by, without and limit are allowed */
    bool grouped, without;
    StrList labels;
    uint64_t limit;
} MqlCall;

typedef struct MqlBinary {
    BinaryOp op;
    const MqlNode *left, *right;
    bool return_bool, keep_metric_names;
    bool grouped, on;
    StrList labels;
    MatchCard card;
    StrList include;
    bool include_all;
    const MqlNode *prefix; /* MQL_NODE_STRING or NULL */
    bool fill_left_given, fill_right_given;
    double fill_left, fill_right;
    uint32_t op_at;
} MqlBinary;

typedef struct MqlRollup {
    const MqlNode *expr;
    const MqlNode *window, *step, *offset; /* MQL_NODE_DURATION or NULL */
    bool brackets;     /* there were some: m[$__interval] has brackets, but no window */
    bool inherit_step; /* [5m:] */
    bool offset_negative;
    const MqlNode *at;
} MqlRollup;

/* name(args) = expr */
typedef struct MqlTemplate {
    Str name;
    StrList args;
    const MqlNode *expr;
} MqlTemplate;

typedef struct MqlWith {
    MqlTemplate *templates;
    size_t count, cap;
    const MqlNode *expr;
} MqlWith;

struct MqlNode {
    MqlNodeKind kind;
    bool expanded;
    uint32_t at, end; /* in the text */
    uint32_t height;
    union {
        struct {
            double value;
            Str text;
        } number;
        Str duration; /* text; a word where `is_word` */
        struct {
            StrList tokens; /* literals with quotes, words; until expanded */
            Str value;
        } string;
        MqlMetric metric;
        MqlCall call;
        MqlNodeList parens;
        MqlBinary binary;
        MqlRollup rollup;
        MqlWith with;
    };
    bool is_word; /* of a duration */
};

typedef struct MqlParser {
    Arena *arena;
    ExprSource *source;
    Err *err;
    MqlLexer lexer;
    MqlToken token;
    uint32_t last_end;
    uint32_t depth, nodes;
    size_t text_bytes; /* of strings that expanding joined */
    bool builtin; /* parsing the templates every query may use: their positions are of no text */
} MqlParser;

/* `LINE:COLUMN: parse error: ...`. Returns false. */
bool mql_fail(MqlParser *parser, uint32_t at, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Counts a node; false where there are too many or they are nested too deep. */
bool mql_enter(MqlParser *parser, uint32_t at) MUST_CHECK;
/* Counts what a template puts in besides nodes: filters, labels. */
bool mql_count_parts(MqlParser *parser, size_t count, uint32_t at) MUST_CHECK;
MqlNode *mql_node(MqlParser *parser, MqlNodeKind kind, uint32_t at);
void mql_list_add(Arena *arena, MqlNodeList *list, const MqlNode *node);

/* metricsql_parse.c: NULL on failure. */
const MqlNode *mql_parse_expression(MqlParser *parser);
bool mql_parse_template(MqlParser *parser, MqlTemplate *ret_template) MUST_CHECK;
/* The value of a string literal; false if it is none. */
bool mql_string_value(Arena *arena, Str literal, Str *ret_value) MUST_CHECK;
bool mql_word_is(Str word, const char *known); /* in any case */

/* metricsql_expand.c */
const MqlNode *mql_expand(MqlParser *parser, const MqlNode *node);

/* metricsql_lower.c */
Expr *mql_lower(MqlParser *parser, const MqlNode *node);

/* metricsql_fold.c */
Expr *mql_fold(MqlParser *parser, Expr *binary);
