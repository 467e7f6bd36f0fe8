#pragma once

/*
 * PromQL: text -> expression tree -> plan -> values, over a snapshot of the store.
 *
 * Parsing and evaluation are apart: an expression is parsed once (rules at load, queries per
 * request), never changes and may be evaluated from many threads. Several expressions can be
 * evaluated as one program: selectors, windows and sub-expressions they share are computed once,
 * and each result is what it would be alone.
 *
 * The tree's nodes are in promql/ast.h.
 */

#include "base/pool.h"
#include "promql/value.h"
#include "store/store.h"

typedef struct Expr Expr;

typedef enum PromqlFlavour {
    PROMQL_PROMETHEUS, /* Prometheus 3.x, experimental functions on */
    PROMQL_METRICSQL,  /* and the parts of MetricsQL listed in docs/promql.md */
} PromqlFlavour;

/* Parses and type-checks. The tree and its matchers' regexes live until expr_finish(); its text is
 * copied into `arena`. Errors are ERR_INVALID with Prometheus' words: `1:5: parse error: unexpected
 * ...`. */
bool promql_parse(Arena *arena, Str text, PromqlFlavour flavour, const Expr **ret_expr,
                  Err *err) MUST_CHECK;
/* One selector, as `match[]` takes it; the sets (series match any of them) belong to the
 * expression. */
bool promql_parse_selector(Arena *arena, Str text, PromqlFlavour flavour, const Expr **ret_expr,
                           const MatcherSet **ret_sets, size_t *ret_count, Err *err) MUST_CHECK;
/* Frees what an arena cannot (regexes). Accepts NULL. */
void expr_finish(const Expr *expr);

ValueType expr_type(const Expr *expr);

/* Canonical text; `pretty` breaks long ones as promtool promql format does. */
void expr_print(Buf *buf, const Expr *expr, bool pretty);

/* The JSON of /api/v1/parse_query. */
struct JsonWriter;
void expr_json(struct JsonWriter *json, const Expr *expr);

/* The names a flavour knows, in the order of its tables: functions; aggregations and operators. */
void promql_function_names(PromqlFlavour flavour, void (*visit)(void *ctx, const char *name),
                           void *ctx);
void promql_operator_names(PromqlFlavour flavour, void (*visit)(void *ctx, const char *name),
                           void *ctx);

/* Every vector selector in the tree, for dependency analysis and lint: calls `visit(ctx, matchers,
 * range)`; range 0 = instant. */
void expr_selectors(const Expr *expr,
                    void (*visit)(void *ctx, const MatcherSet *matchers, DurationMs range),
                    void *ctx);

/* Limits of one query; 0 = none. Of a program each expression has its own. */
typedef struct QueryBudget {
    uint64_t series_max;
    uint64_t samples_max;
    uint64_t bytes_max;
    int64_t deadline_ns;           /* on clock_monotonic_ns(); 0 = none */
    int64_t timeout_ns;            /* of each expression of a program, besides; 0 = none */
    const _Atomic bool *cancelled; /* NULL, or set when the asker went away */
} QueryBudget;

typedef struct QueryOptions {
    DurationMs lookback;     /* 5 m */
    DurationMs default_step; /* of subqueries without one: the evaluation interval, 1 m */
    QueryBudget budget;
    bool explain;          /* fill promql_explain()'s numbers */
    bool count_samples;    /* of a single expression: fill QueryStats.steps */
    bool group_timeout;    /* of a remote engine: when one expression of a group (those of equal
                              `extra`) takes too long, the rest of the group is not asked */
    bool start_timestamps; /* use created timestamps where a test asks for it */
    bool closed_windows;   /* Prometheus 2's windows and lookback: a sample exactly that old still
                              counts */
} QueryOptions;

/* An instant query is a range of one step: from = to, step 0. */
typedef struct QueryRange {
    TimeMs from, to;
    DurationMs step;
} QueryRange;

/* Evaluates `count` expressions as one program. Each has its own answer or error: `ret_ok[i]` tells
 * which of `ret_values[i]` and `errs[i]` was filled (of failures, `stats.eval_ns` too). Kinds:
 * ERR_INVALID (execution error, Prometheus' words), ERR_LIMIT (names the limit and the option),
 * ERR_TIMEOUT, ERR_CANCELLED. `pool` may be NULL. */
void promql_run(const Expr *const *exprs, size_t count, StoreSnapshot *snapshot, QueryRange range,
                const QueryOptions *options, Pool *pool, Arena *arena, Value *ret_values,
                bool *ret_ok, Err *errs);

/* The plan of one expression with series, samples, bytes and time per node as JSON, after running
 * it. */
bool promql_explain(const Expr *expr, StoreSnapshot *snapshot, QueryRange range,
                    const QueryOptions *options, Pool *pool, Arena *arena, struct JsonWriter *json,
                    Err *err) MUST_CHECK;

/* The test language of Prometheus (promqltest): runs one script over a store of its own in a
 * temporary folder; reports each failed case into `report`, a line each. */
typedef struct PromqlTestResult {
    size_t passed, failed;
} PromqlTestResult;
bool promql_test_script(Str file, Str text, Buf *report, PromqlTestResult *ret_result,
                        Err *err) MUST_CHECK;

/* Instant vectors in JSON and friends: Prometheus' `data` object of an answer
 * ({"resultType":...,"result":...}). `instant` tells how a vector or scalar is written; at most
 * `limit` series (0 = all). */
void value_json(struct JsonWriter *json, const Value *value, bool instant, size_t limit);
/* Only the members `resultType` and `result`, into an object that is open already. */
void value_json_members(struct JsonWriter *json, const Value *value, bool instant, size_t limit);

/* One native histogram as the API writes it. */
void histogram_json(struct JsonWriter *json, const Histogram *histogram);
/* As PromQL prints it: {count:4, sum:8, (0.5,1]:2...}. */
void histogram_print(Buf *buf, const Histogram *histogram);
