/* The plan as JSON, with what each operator did: for people who wonder why a query is slow. */

#include <stdlib.h>

#include "base/json.h"
#include "promql/exec.h"

/* Deeper plans are cut here: a reader would not follow further, and a JsonWriter neither. */
enum { EXPLAIN_DEPTH_MAX = 24 };

static void put_node(JsonWriter *json, const PlanNode *node, uint8_t *seen, int depth);

static void put_numbers(JsonWriter *json, const PlanNode *node) {
    json_put_int(json, "steps", (int64_t)node->grid.count);
    if (node->range) {
        json_put_int(json, "rangeMs", node->range);
    }
    if (node->offset) {
        json_put_int(json, "offsetMs", node->offset);
    }
    if (node->state == NODE_DONE) {
        json_put_int(json, "series", (int64_t)node->frame.count);
        json_put_int(json, "bytes", (int64_t)node->frame_bytes);
        json_put_int(json, "microseconds", node->run_ns / 1000);
    }
    if (node->samples_read) {
        json_put_int(json, "samplesRead", (int64_t)node->samples_read);
    }
}

static void put_text(JsonWriter *json, const PlanNode *node) {
    Buf text = {0};
    expr_print(&text, node->expr, false);
    json_put_str(json, "expr", buf_view(&text));
    buf_finish(&text);
}

static void put_inputs(JsonWriter *json, const PlanNode *node, uint8_t *seen, int depth) {
    json_put_array(json, "inputs");
    if (node->subquery) {
        put_node(json, node->subquery, seen, depth + 1);
    }
    for (size_t i = 0; i < node->arg_count; i++) {
        if (node->args[i]) {
            put_node(json, node->args[i], seen, depth + 1);
        }
    }
    json_end(json);
}

/* A shared operator is written out where it stands first. */
static void put_node(JsonWriter *json, const PlanNode *node, uint8_t *seen, int depth) {
    json_object(json);
    json_put_int(json, "id", node->id);
    json_put_str(json, "op", plan_node_name(node));
    if (seen[node->id]) {
        json_put_bool(json, "shared", true);
    } else {
        seen[node->id] = 1;
        put_text(json, node);
        put_numbers(json, node);
        if (node->selector && node->selector->selection) {
            json_put_int(json, "selected", (int64_t)selection_count(node->selector->selection));
        }
        if (depth < EXPLAIN_DEPTH_MAX) {
            put_inputs(json, node, seen, depth);
        }
    }
    json_end(json);
}

bool promql_explain(const Expr *expr, StoreSnapshot *snapshot, QueryRange range,
                    const QueryOptions *options, Pool *pool, Arena *arena, JsonWriter *json,
                    Err *err) {
    QueryOptions with_times = *options;
    with_times.explain = true;
    Plan plan;
    Exec exec;
    PlanRoot root = {.err = err};
    plan_init(&plan, arena, range, &with_times);
    bool ok = plan_add(&plan, expr, &root);
    if (ok && root.node) {
        exec_init(&exec, &plan, arena, snapshot, pool, &with_times);
        ok = exec_node(&exec, root.node, err);
    }
    if (ok && root.node) {
        uint8_t *seen = arena_array(arena, uint8_t, plan.nodes_count);
        put_node(json, root.node, seen, 0);
    } else if (ok) {
        json_null(json);
    }
    plan_root_finish(&root);
    plan_finish(&plan);
    return ok;
}
