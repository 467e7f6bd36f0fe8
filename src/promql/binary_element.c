/* One operation on two samples, and operators between a vector and a number. */

#include "promql/binary.h"
#include "promql/histogram_ops.h"
#include "promql/scalar_ops.h"

bool binary_op_drops_name(BinaryOp op) {
    switch (op) {
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_DIV:
    case OP_MOD:
    case OP_POW:
    case OP_ATAN2:
        return true;
    default:
        return false;
    }
}

static const char *kind_name(Element element) {
    return element.histogram ? "histogram" : "float";
}

static bool incompatible(BinaryOp op, Element left, Element right, Notes *notes) {
    note_incompatible_types(notes, kind_name(left), binary_op_text(op), kind_name(right));
    return false;
}

static bool of_floats(BinaryOp op, Element left, Element right, Notes *notes, Element *ret_result,
                      bool *ret_keep) {
    if (op == OP_TRIM_LOWER || op == OP_TRIM_UPPER) {
        return incompatible(op, left, right, notes);
    }
    if (binary_op_is_comparison(op)) {
        *ret_keep = scalar_compare(op, left.value, right.value);
        *ret_result = (Element){left.value, NULL};
        return true;
    }
    *ret_result = (Element){scalar_binary(op, left.value, right.value), NULL};
    return true;
}

static bool of_histogram_and_float(Arena *arena, BinaryOp op, Element left, Element right,
                                   Notes *notes, Element *ret_result) {
    const Histogram *histogram = left.histogram;
    switch (op) {
    case OP_MUL:
        ret_result->histogram = histogram_scale(arena, histogram, right.value);
        return true;
    case OP_DIV:
        ret_result->histogram = histogram_divide(arena, histogram, right.value);
        return true;
    case OP_TRIM_UPPER:
    case OP_TRIM_LOWER:
        ret_result->histogram = histogram_trim(arena, histogram, right.value, op == OP_TRIM_UPPER);
        return true;
    default:
        return incompatible(op, left, right, notes);
    }
}

static bool add_histograms(Arena *arena, BinaryOp op, const Histogram *left, const Histogram *right,
                           Notes *notes, Element *ret_result) {
    bool negative = op == OP_SUB;
    HistogramSum sum;
    HistogramMeet meet;
    histogram_sum_start(arena, left, &sum);
    if (!histogram_sum_add(&sum, right, negative, &meet)) {
        note_incompatible_buckets(notes, binary_op_text(op), NOTE_SELF);
        return false;
    }
    if (meet.reset_collision) {
        note_reset_collision(notes, negative ? "subtraction" : "addition", NOTE_SELF);
    }
    if (meet.reconciled) {
        note_reconciled_buckets(notes, negative ? "subtraction" : "addition", NOTE_SELF);
    }
    if (negative) {
        sum.hint = RESET_GAUGE;
    }
    histogram_sum_compact(&sum);
    ret_result->histogram = histogram_sum_result(&sum);
    return true;
}

static bool of_histograms(Arena *arena, BinaryOp op, Element left, Element right, Notes *notes,
                          Element *ret_result, bool *ret_keep) {
    switch (op) {
    case OP_ADD:
    case OP_SUB:
        return add_histograms(arena, op, left.histogram, right.histogram, notes, ret_result);
    case OP_EQ:
    case OP_NE:
        *ret_keep = histogram_same(left.histogram, right.histogram) == (op == OP_EQ);
        ret_result->histogram = left.histogram;
        return true;
    default:
        return incompatible(op, left, right, notes);
    }
}

bool binary_element(Arena *arena, BinaryOp op, Element left, Element right, Notes *notes,
                    Element *ret_result, bool *ret_keep) {
    *ret_keep = true;
    *ret_result = (Element){value_none(), NULL};
    if (!left.histogram && !right.histogram) {
        return of_floats(op, left, right, notes, ret_result, ret_keep);
    }
    if (left.histogram && right.histogram) {
        return of_histograms(arena, op, left, right, notes, ret_result, ret_keep);
    }
    if (left.histogram) {
        return of_histogram_and_float(arena, op, left, right, notes, ret_result);
    }
    if (op != OP_MUL) {
        return incompatible(op, left, right, notes);
    }
    ret_result->histogram = histogram_scale(arena, right.histogram, left.value);
    return true;
}

/* ---- a vector and a number ---- */

static void vector_scalar_step(Worker *worker, PlanNode *node, Column *column, size_t step) {
    const ExprBinary *binary = &node->expr->binary;
    Element own = column_element(column, step);
    Element number = {exec_scalar(node->args[1], step), NULL};
    Element left = node->swapped ? number : own, right = node->swapped ? own : number;
    Element result;
    bool keep;
    column->values[step] = value_none();
    if (column->histograms) {
        column->histograms[step] = NULL;
    }
    Notes *notes = worker_notes(worker, node);
    if (!binary_element(&worker->out, binary->op, left, right, notes, &result, &keep)) {
        return;
    }
    if (binary->return_bool) {
        column->values[step] = keep ? 1 : 0;
        return;
    }
    if (!keep) {
        return;
    }
    /* A comparison keeps the vector's value, on whichever side it stands. */
    result = binary_op_is_comparison(binary->op) ? own : result;
    if (result.histogram) {
        column_set_histogram(&worker->out, column, node->grid.count, step, result.histogram);
    } else {
        column->values[step] = result.value;
    }
}

static double float_step(const ExprBinary *binary, double left, double right, double own) {
    if (!binary_op_is_comparison(binary->op)) {
        return scalar_binary(binary->op, left, right);
    }
    bool holds = scalar_compare(binary->op, left, right);
    if (binary->return_bool) {
        return holds ? 1 : 0;
    }
    return holds ? own : value_none();
}

bool vector_scalar_column(Worker *worker, PlanNode *node, Column *column) {
    const ExprBinary *binary = &node->expr->binary;
    size_t steps = node->grid.count;
    bool trims = binary->op == OP_TRIM_LOWER || binary->op == OP_TRIM_UPPER;
    column_own(&worker->out, column, steps);
    for (size_t step = 0; step < steps; step++) {
        if ((column->histograms && column->histograms[step]) ||
            (trims && !value_is_none(column->values[step]))) {
            vector_scalar_step(worker, node, column, step);
        } else if (!value_is_none(column->values[step])) {
            double own = column->values[step], number = exec_scalar(node->args[1], step);
            column->values[step] = node->swapped ? float_step(binary, number, own, own)
                                                 : float_step(binary, own, number, own);
        }
    }
    if (binary_op_drops_name(binary->op) || binary->return_bool) {
        column->drop_name = column->drop_name || !binary->keep_metric_names;
    }
    return node->expr->flavour == PROMQL_METRICSQL || column_any(column, steps);
}

bool negate_column(Worker *worker, PlanNode *node, Column *column) {
    size_t steps = node->grid.count;
    column_own(&worker->out, column, steps);
    for (size_t step = 0; step < steps; step++) {
        if (column->histograms && column->histograms[step]) {
            HistogramSum sum;
            histogram_sum_start(&worker->out, column->histograms[step], &sum);
            histogram_sum_scale(&sum, -1);
            column->histograms[step] = histogram_sum_result(&sum);
        } else if (!value_is_none(column->values[step])) {
            column->values[step] = -column->values[step];
        }
    }
    column->drop_name = true;
    return true;
}
