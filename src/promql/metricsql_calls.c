/* MetricsQL's own functions. */

#include "promql/aggregate.h"
#include "promql/calls.h"
#include "promql/range_functions.h"

CallFn *metricsql_call(FunctionId id) {
    (void)id;
    return NULL;
}

bool run_aggregate_metricsql(Exec *exec, PlanNode *node, Err *err) {
    (void)exec;
    return err_set(err, ERR_UNSUPPORTED, "aggregation %s is not supported",
                   node->expr->aggregate.aggregate->name);
}
