#pragma once

/* Functions of a whole vector. Each fills node->frame from node->args' frames. */

#include "promql/exec.h"

/* exec's table: NULL for functions that are none of these. */
typedef bool CallFn(Exec *exec, PlanNode *node, Err *err);
CallFn *label_call(FunctionId id);
CallFn *histogram_call(FunctionId id);
CallFn *metricsql_call(FunctionId id);

bool run_info(Exec *exec, PlanNode *node, Err *err) MUST_CHECK;

/* The text argument at `index`. */
Str call_text(const PlanNode *node, size_t index);

/* Copies the argument's columns (not their values) into the node's frame, for functions that change
 * labels or order. */
void call_share_columns(PlanNode *node, const Frame *from);

/* A function of one sample with no other arguments, e.g. hour; NULL if it is none. */
typedef double SampleFn(double value);
SampleFn *sample_function(FunctionId id);
