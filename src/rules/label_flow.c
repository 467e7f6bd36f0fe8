#include "rules/label_flow.h"

static bool has_name(const LabelFlow *flow, Str name) {
    for (size_t i = 0; i < flow->count; i++) {
        if (str_eq(flow->names[i], name)) {
            return true;
        }
    }
    return false;
}

bool label_flow_may_have(const LabelFlow *flow, Str name) {
    return has_name(flow, name) == flow->is_closed;
}

static void open_up(LabelFlow *flow) {
    *flow = (LabelFlow){0};
}

static void add_name(LabelFlow *flow, Str name) {
    if (has_name(flow, name)) {
        return;
    }
    if (flow->count == LABEL_FLOW_MAX) {
        open_up(flow);
        return;
    }
    flow->names[flow->count++] = name;
}

static void remove_name(LabelFlow *flow, Str name) {
    for (size_t i = 0; i < flow->count; i++) {
        if (str_eq(flow->names[i], name)) {
            flow->names[i] = flow->names[--flow->count];
            return;
        }
    }
}

/* The result may have the label from here on, or cannot any more. */
static void gain(LabelFlow *flow, Str name) {
    if (flow->is_closed) {
        add_name(flow, name);
    } else {
        remove_name(flow, name);
    }
}

static void lose(LabelFlow *flow, Str name) {
    if (flow->is_closed) {
        remove_name(flow, name);
    } else {
        add_name(flow, name);
    }
}

static LabelFlow closed(const Str *names, size_t count) {
    LabelFlow flow = {.is_closed = true};
    for (size_t i = 0; i < count; i++) {
        add_name(&flow, names[i]);
    }
    return flow;
}

static LabelFlow flow_aggregate(const ExprAggregate *aggregate) {
    Str name = str_of(aggregate->aggregate->name);
    static const char *const keepers[] = {"topk", "bottomk", "limitk", "limit_ratio", NULL};
    for (size_t i = 0; keepers[i]; i++) {
        if (str_eq(name, str_of(keepers[i]))) {
            return label_flow(aggregate->expr); /* picks series as they are */
        }
    }
    if (!aggregate->without) {
        LabelFlow flow = closed(aggregate->labels, aggregate->label_count);
        if (aggregate->param && aggregate->param->kind == EXPR_STRING) {
            gain(&flow, aggregate->param->string); /* count_values */
        }
        return flow;
    }
    LabelFlow flow = label_flow(aggregate->expr);
    for (size_t i = 0; i < aggregate->label_count; i++) {
        lose(&flow, aggregate->labels[i]);
    }
    return flow;
}

static const Expr *first_vector(const ExprCall *call) {
    for (size_t i = 0; i < call->arg_count; i++) {
        if (call->args[i]->type == VALUE_VECTOR || call->args[i]->type == VALUE_MATRIX) {
            return call->args[i];
        }
    }
    return NULL;
}

static LabelFlow flow_absent(const Expr *arg) {
    LabelFlow flow = {.is_closed = true};
    arg = arg ? expr_unwrap(arg) : NULL;
    const Expr *selector = arg && arg->kind == EXPR_MATRIX ? arg->matrix.selector : arg;
    for (size_t s = 0;
         selector && selector->kind == EXPR_SELECTOR && s < selector->selector.set_count; s++) {
        const MatcherSet *set = &selector->selector.sets[s];
        for (size_t i = 0; i < set->count; i++) {
            if (set->items[i].type == MATCH_EQ) {
                gain(&flow, set->items[i].name);
            }
        }
    }
    return flow;
}

static LabelFlow flow_call(const ExprCall *call) {
    Str name = str_of(call->function->name);
    const Expr *vector = first_vector(call);
    if (str_eq(name, STR("absent")) || str_eq(name, STR("absent_over_time"))) {
        return flow_absent(vector);
    }
    if (str_eq(name, STR("info"))) {
        return (LabelFlow){0};
    }
    LabelFlow flow = vector ? label_flow(vector) : (LabelFlow){.is_closed = true};
    bool sets_label = str_eq(name, STR("label_replace")) || str_eq(name, STR("label_join"));
    if (sets_label && call->arg_count > 1 && call->args[1]->kind == EXPR_STRING) {
        gain(&flow, call->args[1]->string);
    }
    if (str_starts(name, STR("histogram_quantile"))) {
        lose(&flow, STR("le"));
    }
    /* What else only MetricsQL has may rewrite labels in ways not followed here. */
    if (str_starts(name, STR("label_")) && !sets_label) {
        open_up(&flow);
    }
    return flow;
}

static LabelFlow flow_union(LabelFlow a, LabelFlow b) {
    if (a.is_closed && b.is_closed) {
        for (size_t i = 0; i < b.count; i++) {
            gain(&a, b.names[i]);
        }
        return a;
    }
    LabelFlow flow = {0};
    const LabelFlow *open = a.is_closed ? &b : &a;
    const LabelFlow *other = a.is_closed ? &a : &b;
    for (size_t i = 0; i < open->count; i++) {
        if (!label_flow_may_have(other, open->names[i])) {
            add_name(&flow, open->names[i]);
        }
    }
    return flow;
}

static LabelFlow flow_one_to_one(const ExprBinary *binary, LabelFlow left) {
    if (binary->on) {
        LabelFlow flow = closed(binary->match_labels, binary->match_label_count);
        for (size_t i = 0; i < binary->match_label_count; i++) {
            if (!label_flow_may_have(&left, binary->match_labels[i])) {
                lose(&flow, binary->match_labels[i]);
            }
        }
        return flow;
    }
    for (size_t i = 0; i < binary->match_label_count; i++) {
        lose(&left, binary->match_labels[i]);
    }
    return left;
}

static LabelFlow flow_binary(const ExprBinary *binary) {
    bool left_scalar = binary->left->type == VALUE_SCALAR,
         right_scalar = binary->right->type == VALUE_SCALAR;
    if (left_scalar || right_scalar) {
        return label_flow(left_scalar ? binary->right : binary->left);
    }
    LabelFlow left = label_flow(binary->left);
    if (binary->op == OP_AND || binary->op == OP_UNLESS || binary->op == OP_IF ||
        binary->op == OP_IFNOT) {
        return left;
    }
    LabelFlow right = label_flow(binary->right);
    if (binary->op == OP_OR || binary->op == OP_DEFAULT || binary->fill_left_given ||
        binary->fill_right_given) {
        return flow_union(left, right);
    }
    if (binary->card == CARD_ONE_TO_ONE) {
        return flow_one_to_one(binary, left);
    }
    LabelFlow flow = binary->card == CARD_ONE_TO_MANY ? right : left;
    for (size_t i = 0; i < binary->include_count; i++) {
        gain(&flow, binary->include[i]);
    }
    if (binary->include_all || binary->include_prefix.len) {
        open_up(&flow);
    }
    return flow;
}

LabelFlow label_flow(const Expr *expr) {
    switch (expr->kind) {
    case EXPR_AGGREGATE:
        /* MetricsQL's aggregates over several vectors are not followed. */
        return expr->aggregate.exprs ? (LabelFlow){0} : flow_aggregate(&expr->aggregate);
    case EXPR_CALL:
        return flow_call(&expr->call);
    case EXPR_BINARY:
        return flow_binary(&expr->binary);
    case EXPR_UNARY:
        return label_flow(expr->unary.expr);
    case EXPR_PAREN:
        return label_flow(expr->paren);
    case EXPR_SUBQUERY:
        return label_flow(expr->subquery.expr);
    case EXPR_SHIFT:
        return label_flow(expr->shift.expr);
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_DURATION:
        return (LabelFlow){.is_closed = true};
    case EXPR_SELECTOR:
    case EXPR_MATRIX:
        return (LabelFlow){0};
    }
    return (LabelFlow){0};
}
