#pragma once

/*
 * What MetricsQL's functions of whole vectors and its aggregations share. After VictoriaMetrics'
 * documentation of MetricsQL.
 *
 * In MetricsQL a number is a vector of one series without labels, and where a number is asked for
 * any such vector does. Names are dropped at once, not at the end as in Prometheus, so a label set
 * in a frame is what it says.
 */

#include "promql/calls.h"

/* ---- arguments ---- */

/* The text at `index`. False: it is none. */
bool mql_text(const PlanNode *node, size_t index, Str *ret_text, Err *err) MUST_CHECK;
/* Texts from `first` to the last argument, in the frame's arena. */
bool mql_texts(PlanNode *node, size_t first, Str **ret_texts, size_t *ret_count,
               Err *err) MUST_CHECK;
/* Checks that exec_scalar(node->args[index], step) is the number asked for. */
bool mql_number(const PlanNode *node, size_t index, Err *err) MUST_CHECK;
/* The number at the first step as an integer; NaN is 0. */
bool mql_integer(const PlanNode *node, size_t index, int64_t *ret_number, Err *err) MUST_CHECK;
/* `unexpected number of args`; false. */
bool mql_arity(const PlanNode *node, size_t least, Err *err);

/* ---- columns ---- */

/* The argument's columns with values of their own, to be changed in place; what they take is
 * counted. */
bool mql_take(Exec *exec, PlanNode *node, const Frame *from, Err *err) MUST_CHECK;
/* One column of numbers without labels. */
double *mql_new_column(PlanNode *node);
void mql_drop_name(Arena *arena, Column *column);
/* Drops columns without any sample. */
void mql_drop_empty(Frame *frame, size_t steps);

/* The q-quantile of those values that are numbers, which it leaves as they are. */
double mql_quantile(Arena *scratch, double q, const double *values, size_t count);
/* The numbers among `values` into `out`; how many. */
size_t mql_numbers(const double *values, size_t count, double *out);
/* A text by value, as VictoriaMetrics writes 0.9 into a label: Go's %g. */
Str mql_number_text(Arena *arena, double value);
/* Sorts by value. */
void mql_sort(double *values, size_t count);
/* The value seen most often; of equally frequent ones the least. `sorted` is not empty. */
double mql_mode(const double *sorted, size_t count);

/* ---- buckets ---- */

/* Series with a `vmrange` label become such with `le`, cumulative; those with `le` stay as they
 * are, others go. Replaces the frame's columns, whose values are their own. */
void mql_buckets_to_le(Arena *arena, Frame *frame, size_t steps);
/* The vmrange of a value as VictoriaMetrics' histograms have it: 18 a decade from 1e-9 to 1e18.
 * Empty for NaN and negative numbers. */
Str mql_vmrange(Arena *arena, double value);
enum { MQL_VMRANGES_MAX = 27 * 18 + 2 }; /* how many different ones there are */

/* ---- tables ---- */

CallFn *mql_label_call(FunctionId id);
CallFn *mql_graph_call(FunctionId id);
CallFn *mql_bucket_call(FunctionId id);
