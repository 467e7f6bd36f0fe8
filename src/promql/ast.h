#pragma once

/*
 * The expression tree: what the parser makes of a text, the printer writes back and the evaluator
 * runs.
 *
 * One tree serves both flavours. What only MetricsQL has is marked so; a tree of PROMQL_PROMETHEUS
 * never has it. WITH templates are expanded while parsing, so nothing of them is left here.
 *
 * Threads: a tree never changes after promql_parse() and may be read from anywhere. It lives in the
 * arena it was parsed into; only the regexes of its matchers do not: expr_finish().
 *
 * Depth is bounded by EXPR_DEPTH_MAX, so walking it recursively is safe.
 */

#include "promql/functions.h"
#include "promql/promql.h"

enum {
    EXPR_DEPTH_MAX = 1000,       /* levels from the root to a leaf; `a + b + c` has three */
    EXPR_NODES_MAX = 100 * 1000, /* per expression, after WITH expansion */
    EXPR_BYTES_MAX = 1 << 20,
};

/* What all nodes of a tree share. */
typedef struct MatcherLink MatcherLink;
typedef struct ExprSource {
    Str text;              /* as parsed, for positions in annotations */
    MatcherLink *matchers; /* what expr_finish() frees */
} ExprSource;

/* Where a node stands in the text: bytes [start, end). Positions in annotations ("1:5") are of
 * `start`: expr_position(). In MetricsQL they are those of the text that was written, WITH
 * templates pointing into their definition. */
typedef struct ExprSpan {
    uint32_t start, end;
} ExprSpan;

typedef enum ExprKind {
    EXPR_NUMBER,
    EXPR_STRING,
    EXPR_SELECTOR, /* instant vector selector: foo{a="b"} */
    EXPR_MATRIX,   /* range vector selector: foo[5m] */
    EXPR_SUBQUERY, /* (...)[5m:1m] */
    EXPR_CALL,
    EXPR_AGGREGATE,
    EXPR_BINARY,
    EXPR_UNARY,
    EXPR_PAREN,
    EXPR_DURATION, /* only below a DurationSpec, never evaluated as a value */
    EXPR_SHIFT,    /* MetricsQL: `offset` and `@` behind anything: sum(x) offset 5m */
} ExprKind;

/* A duration in the text. For a plain literal `expr` is NULL. A duration expression keeps its tree
 * for printing; if it knows neither step() nor range(), `value` is right all the same, else
 * `dynamic` is set: duration_spec_resolve(). */
typedef struct DurationSpec {
    bool given; /* false: `[5m:]` has no step, most selectors no offset */
    bool dynamic;
    DurationMs value; /* offsets may be negative */
    const Expr *expr;
    Str text; /* MetricsQL: as written */
} DurationSpec;

typedef enum AtKind {
    AT_NONE,
    AT_TIME,  /* @ 1603774568.123 */
    AT_START, /* @ start() */
    AT_END,
    AT_EXPR, /* MetricsQL: any expression that is a number at the query's start */
} AtKind;

typedef struct AtModifier {
    AtKind kind;
    TimeMs time;
    const Expr *expr;
} AtModifier;

typedef struct TimeShift {
    DurationSpec offset;
    AtModifier at;
} TimeShift;

typedef struct ExprSelector {
    Str name; /* as written before the braces; "" if it was not. The matcher on __name__ is in the
                 sets either way */
    /* Series matching any of the sets. Prometheus: exactly one set. MetricsQL: {a="b" or c="d"} has
     * more; none at all (`{}` through WITH) selects everything. */
    MatcherSet *sets;
    size_t set_count;
    TimeShift shift;
    bool anchored, smoothed;
    bool
        metadata_only; /* the second argument of info(): label matchers, not evaluated on its own */
} ExprSelector;

typedef struct ExprMatrix {
    const Expr *selector; /* EXPR_SELECTOR; its shift and modifiers are the whole's */
    DurationSpec
        range; /* MetricsQL: not given where a rollup function's window is implicit: rate(foo) */
} ExprMatrix;

typedef struct ExprSubquery {
    const Expr *expr;
    DurationSpec range; /* MetricsQL: not given where a rollup function stands over an expression:
                           rate(sum(foo)) */
    DurationSpec
        step; /* not given: the default step of the options (MetricsQL: the query's step) */
    bool inherit_step; /* MetricsQL: `[5m:]` was written, not `[5m]` */
    TimeShift shift;
} ExprSubquery;

typedef struct ExprCall {
    const Function *function;
    const Expr *const *args;
    size_t arg_count;
    Str name;               /* MetricsQL: as written; "" for a union in parentheses: (a, b) */
    bool keep_metric_names; /* MetricsQL */
} ExprCall;

typedef struct ExprAggregate {
    const Aggregate *aggregate;
    const Expr *expr;  /* the vector; MetricsQL aggregates over several: the union of `exprs` */
    const Expr *param; /* k, phi, ratio, label name; NULL where it takes none */
    bool without;
    bool grouped; /* `by` or `without` was written */
    const Str *labels;
    size_t label_count;
    const Expr *const
        *exprs; /* MetricsQL: all arguments as written, param included; NULL otherwise */
    size_t expr_count;
    uint64_t limit; /* MetricsQL `limit N`: output groups; 0 = all */
} ExprAggregate;

typedef enum BinaryOp {
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_MOD,
    OP_POW,
    OP_ATAN2,
    OP_EQ,
    OP_NE,
    OP_GT,
    OP_LT,
    OP_GE,
    OP_LE,
    OP_TRIM_UPPER, /* </ : keeps what a native histogram has below */
    OP_TRIM_LOWER, /* >/ */
    OP_AND,
    OP_OR,
    OP_UNLESS,
    OP_DEFAULT,
    OP_IF,
    OP_IFNOT, /* MetricsQL */
    OP_COUNT,
} BinaryOp;

const char *binary_op_text(BinaryOp op);
bool binary_op_is_comparison(BinaryOp op); /* == != > < >= <= */
bool binary_op_is_set(BinaryOp op);        /* and, or, unless; and MetricsQL's default, if, ifnot */

typedef enum MatchCard {
    CARD_ONE_TO_ONE,
    CARD_MANY_TO_ONE,  /* group_left */
    CARD_ONE_TO_MANY,  /* group_right */
    CARD_MANY_TO_MANY, /* set operators */
} MatchCard;

typedef struct ExprBinary {
    BinaryOp op;
    uint32_t op_at; /* byte in the text */
    const Expr *left, *right;
    bool return_bool;
    /* Only for two vectors: */
    MatchCard card;
    bool on;             /* else ignoring */
    bool matching_given; /* on() or ignoring() was written */
    const Str *match_labels;
    size_t match_label_count;
    const Str *include; /* of group_left(...) */
    size_t include_count;
    bool include_all;   /* MetricsQL: group_left(*) */
    Str include_prefix; /* MetricsQL: group_left(...) prefix "p" */
    bool fill_left_given, fill_right_given;
    double fill_left, fill_right;
    bool keep_metric_names; /* MetricsQL */
} ExprBinary;

typedef struct ExprUnary {
    bool negate; /* else plus */
    const Expr *expr;
} ExprUnary;

/* An operator or function inside a duration: operands are EXPR_NUMBER (seconds) or EXPR_DURATION.
 */
typedef enum DurationOp {
    DURATION_ADD,
    DURATION_SUB,
    DURATION_MUL,
    DURATION_DIV,
    DURATION_MOD,
    DURATION_POW,
    DURATION_NEG,
    DURATION_PLUS, /* `right` only */
    DURATION_STEP,
    DURATION_RANGE, /* no operands */
    DURATION_MIN,
    DURATION_MAX,
} DurationOp;

typedef struct ExprDuration {
    DurationOp op;
    const Expr *left, *right;
    bool wrapped; /* stood in parentheses */
} ExprDuration;

typedef struct ExprShift {
    const Expr *expr;
    TimeShift shift;
} ExprShift;

struct Expr {
    ExprKind kind;
    ValueType type;        /* as the type check found it */
    PromqlFlavour flavour; /* the same in all nodes of a tree */
    uint32_t height;       /* levels below, itself included: at most EXPR_DEPTH_MAX */
    ExprSpan span;
    ExprSource *source;
    union {
        struct {
            double value;
            bool is_duration; /* written as 5m: printed so */
            Str text;         /* MetricsQL: as written, 5Ki */
        } number;
        Str string;
        ExprSelector selector;
        ExprMatrix matrix;
        ExprSubquery subquery;
        ExprCall call;
        ExprAggregate aggregate;
        ExprBinary binary;
        ExprUnary unary;
        const Expr *paren;
        ExprDuration duration;
        ExprShift shift;
    };
};

/* "line:column" of a byte offset in `text`, both from 1, columns in bytes, as Prometheus counts. */
void expr_position(Buf *buf, Str text, uint32_t offset);

/* The value of a duration in a query with this `step` (0 for instant ones: the options' default
 * step) and `range` (to - from). ERR_INVALID in Prometheus' words where a range or step comes out
 * zero or negative (`positive`) or anything out of bounds. */
bool duration_spec_resolve(const DurationSpec *spec, DurationMs step, DurationMs range,
                           bool positive, DurationMs *ret_value, Err *err) MUST_CHECK;

/* Calls `visit` for each direct child, in text order (duration expressions are no children). */
void expr_children(const Expr *expr, void (*visit)(void *ctx, const Expr *child), void *ctx);

/* Without parentheses around it. */
const Expr *expr_unwrap(const Expr *expr);

/* MetricsQL: an aggregation of one vector and with nothing that only metricsql_aggregates.c knows
 * of. Names are dropped there before series are grouped by them. */
bool aggregate_is_folded(const ExprAggregate *aggregate);
