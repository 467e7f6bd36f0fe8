#pragma once

/*
 * A plan is what one or several expressions come to for one time range: operators over frames, as a
 * DAG.
 *
 * What the tree leaves open is settled here: `@`, `offset` and duration expressions become times,
 * subqueries get their own grid, constants are folded, parts that do not depend on the step are
 * computed on a grid of one and spread. Equal operators over equal inputs are one node, within an
 * expression and across those of one program, so shared selectors, windows and sub-expressions are
 * computed once (hash-consing: Ershov, "On programming of arithmetic operations", CACM 1958).
 *
 * Threads: a plan is built by one thread. Portions of it (portions.h) may be run by several at
 * once; their workers read nodes only. Constants belong to no portion: they are never written to.
 */

#include "promql/annotations.h"
#include "promql/ast.h"
#include "promql/frame.h"

typedef enum PlanOp {
    PLAN_NUMBER, /* a constant scalar */
    PLAN_TIME,   /* time(): each step's own */
    PLAN_SELECT, /* instant selector */
    PLAN_RAW,    /* range selector as an answer */
    PLAN_ROLLUP, /* window function over a selector or a subquery's frame */
    PLAN_MAP,    /* a function of one sample: abs, clamp, hour, histogram_sum... */
    PLAN_NEGATE,
    PLAN_SCALAR_BINARY, /* scalar op scalar */
    PLAN_VECTOR_SCALAR, /* vector op scalar, either side */
    PLAN_BINARY,        /* vector op vector */
    PLAN_AGGREGATE,
    PLAN_CALL,      /* functions of a whole vector: absent, sort, label_replace... */
    PLAN_SPREAD,    /* args[0] has one step: the same at every step */
    PLAN_VECTOR_OF, /* MetricsQL: the number args[0] where a vector is wanted */
} PlanOp;

/* What a PLAN_SELECT gives. */
typedef enum SelectMode {
    SELECT_VALUE,
    SELECT_TIME,       /* timestamp(x): the sample's own time */
    SELECT_START_TIME, /* start_timestamp(x) */
} SelectMode;

/* The series of one matcher list, resolved once for all operators that read them. */
typedef struct PlanNode PlanNode;

typedef struct PlanSelector {
    const MatcherSet *sets;
    size_t set_count;
    TimeMs from, to;           /* inclusive, over all who read it */
    StoreSelection *selection; /* opened when first needed */
    bool opened;
    const Err *err;            /* why opening failed; NULL = it did not. In the Exec's arena */
    PlanNode *reader;          /* one of those who read it (portions.c) */
    struct PlanSelector *next; /* the same matchers, of another time */
} PlanSelector;

/* Where `stats` counts what a node reads. */
typedef enum Counting {
    COUNT_AT_STEP,
    COUNT_AT_EVERY,  /* it is the same for all steps */
    COUNT_READ_ONLY, /* of a subquery: what is in its windows is counted there */
} Counting;

typedef enum NodeState { NODE_PENDING, NODE_DONE, NODE_FAILED } NodeState;

struct PlanNode {
    PlanOp op;
    const Expr *expr; /* where it stood first: function, matching and grouping are read from here */
    ValueType type;
    Grid grid;
    PlanNode **args; /* a window function's non-window arguments keep their index; NULL for texts
                        and the window */
    size_t arg_count;
    uint32_t id;
    uint32_t uses; /* by other nodes and roots, not yet satisfied */

    double number;          /* PLAN_NUMBER */
    SelectMode mode;        /* PLAN_SELECT */
    bool swapped;           /* PLAN_VECTOR_SCALAR: the scalar stands left */
    PlanSelector *selector; /* PLAN_SELECT, PLAN_RAW, PLAN_ROLLUP over a selector */
    PlanNode *subquery;     /* PLAN_ROLLUP over a subquery */
    bool has_at;
    TimeMs at;
    DurationMs offset;
    DurationMs range; /* of a window */
    bool anchored, smoothed;
    bool stats; /* only counts and sums of histograms are asked for */
    Counting counting;
    uint32_t places; /* of the texts where it stands */

    NodeState state;
    Frame frame;
    Notes notes;
    const Err *err; /* of NODE_FAILED; in the Exec's arena: nodes are many, failures few */
    uint64_t series_read, samples_read; /* for explain */
    int64_t run_ns;
    size_t frame_bytes;
};

/* A place in a root's text where a node stands: for its annotations. */
typedef struct PlanOrigin {
    PlanNode *node;
    const Expr *expr;
} PlanOrigin;

typedef struct PlanRoot {
    PlanNode *node; /* NULL: `*err` says why not */
    const Expr *expr;
    PlanOrigin *origins; /* in order of evaluation */
    size_t origins_count, origins_cap;
    PlanSelector **selectors; /* one for each selector of the text, in its order */
    size_t selectors_count, selectors_cap;
    Err *err; /* the asker's: what plan_add() says */
} PlanRoot;

typedef struct Plan {
    Arena *arena;
    QueryRange range;
    DurationMs lookback, default_step;
    DurationMs closed; /* 1 where windows have their left end, else 0 */
    PlanNode **nodes;
    size_t nodes_count, nodes_cap;
    PlanSelector **selectors; /* one chain for each list of matchers */
    size_t selectors_count, selectors_cap;
    HashIndex selector_index;
    HashIndex index;
} Plan;

/* `plan` is empty but for arena, range and the two durations. */
void plan_init(Plan *plan, Arena *arena, QueryRange range, const QueryOptions *options);
void plan_finish(Plan *plan);

/* Adds one expression. `root` is empty but for `err`. False: *root->err (ERR_INVALID, Prometheus'
 * words). The expression outlives the plan. */
bool plan_add(Plan *plan, const Expr *expr, PlanRoot *root);
void plan_root_finish(PlanRoot *root);

/* The range of sample times an operator over samples reads, inclusive. */
void plan_node_span(const Plan *plan, const PlanNode *node, TimeMs *ret_from, TimeMs *ret_to);

/* The time a step's lookup refers to. */
static inline TimeMs plan_node_ref(const PlanNode *node, size_t step) {
    return (node->has_at ? node->at : grid_time(&node->grid, step)) - node->offset;
}

/* True for nodes that give one series at a time, without looking at others. */
bool plan_is_streamed(const PlanNode *node);

/* A short name for explain: "rate", "sum", "selector". */
Str plan_node_name(const PlanNode *node);
