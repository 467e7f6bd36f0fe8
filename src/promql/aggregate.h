#pragma once

/* What the kinds of aggregation share: groups. */

#include "promql/exec.h"

typedef struct AggregateGroup {
    LabelSet labels;
    bool drop_name;
    void *cells; /* of the operator */
} AggregateGroup;

typedef struct AggregateGroups {
    Arena *arena;
    const ExprAggregate *aggregate;
    HashIndex index;
    AggregateGroup *items;
    size_t count, cap;
} AggregateGroups;

/* The hash of the labels a column is grouped by. */
Hash128 aggregate_key(const ExprAggregate *aggregate, LabelSet labels);

/* The group of a column, new or known; labels are copied. `key` is aggregate_key(). */
AggregateGroup *aggregate_group(AggregateGroups *groups, const Column *column, Hash128 key,
                                bool *ret_new);

/* Numbers of the parameter over all steps. */
typedef struct ParamRange {
    double min, max;
    bool any_nan;
} ParamRange;
ParamRange aggregate_param_range(const PlanNode *node);

/* By frame: topk, bottomk, limitk, limit_ratio, quantile, count_values. */
bool run_aggregate_frame(Exec *exec, PlanNode *node, Err *err) MUST_CHECK;
/* MetricsQL's own, and its union of several arguments. */
bool run_aggregate_metricsql(Exec *exec, PlanNode *node, Err *err) MUST_CHECK;
