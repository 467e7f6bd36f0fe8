/* The nodes of a plan, and how equal ones are found to be one. */

#include "promql/plan_scope.h"

#include <assert.h>

#include "base/mem.h"

/* A node's key: equal keys compute equal frames. Arguments stand by their number. What a key is
 * made of are numbers as they lie in memory: there is one for every node of every rule in every
 * round. */
static void put_numbers(Buf *key, const int64_t *numbers, size_t count) {
    buf_put(key, (const char *)numbers, count * sizeof *numbers);
}

#define PUT_NUMBERS(key, ...)                                                                      \
    put_numbers(key, (const int64_t[]){__VA_ARGS__},                                               \
                sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

static void put_key_labels(Buf *key, const Str *names, size_t count) {
    PUT_NUMBERS(key, (int64_t)count);
    for (size_t i = 0; i < count; i++) {
        PUT_NUMBERS(key, (int64_t)names[i].len);
        buf_str(key, names[i]);
    }
}

static void put_key_binary(Buf *key, const ExprBinary *binary) {
    PUT_NUMBERS(key, EXPR_BINARY, binary->op, binary->return_bool, binary->card, binary->on,
                binary->keep_metric_names, binary->include_all, binary->fill_left_given,
                binary->fill_left_given ? (int64_t)value_bits(binary->fill_left) : 0,
                binary->fill_right_given,
                binary->fill_right_given ? (int64_t)value_bits(binary->fill_right) : 0);
    put_key_labels(key, binary->match_labels, binary->match_label_count);
    put_key_labels(key, binary->include, binary->include_count);
    put_key_labels(key, &binary->include_prefix, 1);
}

static void put_key_aggregate(Buf *key, const ExprAggregate *aggregate) {
    PUT_NUMBERS(key, EXPR_AGGREGATE, aggregate->aggregate->id, aggregate->without,
                aggregate->grouped, (int64_t)aggregate->limit);
    put_key_labels(key, aggregate->labels, aggregate->label_count);
    if (aggregate->param && aggregate->param->type == VALUE_STRING) {
        expr_print(key, aggregate->param, false);
    }
}

static void put_key_call(Buf *key, const Expr *expr) {
    const ExprCall *call = &expr->call;
    PUT_NUMBERS(key, EXPR_CALL, call->function->id, call->keep_metric_names);
    for (size_t i = 0; i < call->arg_count; i++) {
        const Expr *arg = expr_unwrap(call->args[i]);
        /* Texts are read from the tree; absent() and info() read their selectors. */
        bool read_from_tree = arg->kind == EXPR_STRING || call->function->id == FUNC_ABSENT ||
                              call->function->id == FUNC_ABSENT_OVER_TIME ||
                              call->function->id == FUNC_INFO;
        if (read_from_tree) {
            expr_print(key, arg, false);
            buf_byte(key, ',');
        }
    }
}

static void put_key_expr(Buf *key, const PlanNode *node) {
    switch (node->expr->kind) {
    case EXPR_BINARY:
        put_key_binary(key, &node->expr->binary);
        return;
    case EXPR_AGGREGATE:
        put_key_aggregate(key, &node->expr->aggregate);
        return;
    case EXPR_CALL:
        put_key_call(key, node->expr);
        return;
    default:
        return;
    }
}

static Hash128 node_key(const PlanNode *node) {
    Buf key = {0};
    PUT_NUMBERS(&key, node->op, node->grid.start, node->grid.step, (int64_t)node->grid.count,
                (int64_t)value_bits(node->number), node->mode, node->swapped, node->has_at,
                node->at, node->offset, node->range, node->anchored, node->smoothed, node->stats,
                node->expr->flavour, node->counting, (int64_t)(intptr_t)node->selector,
                node->subquery ? node->subquery->id : INT64_MAX, (int64_t)node->arg_count);
    for (size_t i = 0; i < node->arg_count; i++) {
        PUT_NUMBERS(&key, node->args[i] ? node->args[i]->id : INT64_MAX);
    }
    if (node->op != PLAN_SPREAD && node->op != PLAN_NUMBER && node->op != PLAN_VECTOR_OF) {
        put_key_expr(&key, node);
    }
    Hash128 hash = hash128(buf_view(&key));
    buf_finish(&key);
    return hash;
}

static void release_args(PlanNode *node) {
    for (size_t i = 0; i < node->arg_count; i++) {
        if (node->args[i]) {
            node->args[i]->uses--;
        }
    }
    if (node->subquery) {
        node->subquery->uses--;
    }
}

PlanNode *plan_intern(Scope scope, PlanNode *node) {
    Plan *plan = scope.plan;
    bool is_new;
    uint32_t id = hash_index_add(&plan->index, node_key(node), &is_new);
    if (is_new) {
        assert(id == plan->nodes_count);
        node->id = id;
        node->notes.arena = plan->arena;
        VEC_PUSH(*plan, nodes, node);
    } else {
        release_args(node);
        node = plan->nodes[id];
    }
    node->uses++;
    node->places++;
    return node;
}

PlanNode *plan_new_node(Scope scope, PlanOp op, const Expr *expr, size_t arg_count) {
    PlanNode *node = arena_new(scope.plan->arena, PlanNode);
    node->op = op;
    node->expr = expr;
    node->type = expr->type;
    node->grid = scope.grid;
    node->counting = scope.counting;
    node->arg_count = arg_count;
    node->args = arena_array(scope.plan->arena, PlanNode *, arg_count ? arg_count : 1);
    return node;
}

PlanNode *plan_number(Scope scope, const Expr *expr, double number) {
    PlanNode *node = plan_new_node(scope, PLAN_NUMBER, expr, 0);
    node->type = VALUE_SCALAR;
    node->number = number;
    node->state = NODE_DONE;
    return plan_intern(scope, node);
}
