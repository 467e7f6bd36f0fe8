/* Any text as PromQL: refused, or printed to a text that parses and prints the same. */

#include <stdlib.h>

#include "base/json.h"
#include "promql/promql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    AUTO(arena_finish) Arena arena = {0};
    Err err = {0};
    const Expr *expr;
    if (!promql_parse(&arena, (Str){(const char *)data, size}, PROMQL_PROMETHEUS, &expr, &err)) {
        return 0;
    }
    AUTO(buf_finish) Buf once = {0};
    AUTO(buf_finish) Buf pretty = {0};
    AUTO(buf_finish) Buf tree = {0};
    JsonWriter json = json_writer(&tree);
    expr_print(&once, expr, false);
    expr_print(&pretty, expr, true);
    expr_json(&json, expr);
    expr_finish(expr);

    /* Label values may be any bytes, which a printed string shows as escapes: it always parses. */
    AUTO(buf_finish) Buf twice = {0};
    if (!promql_parse(&arena, buf_view(&once), PROMQL_PROMETHEUS, &expr, &err)) {
        abort();
    }
    expr_print(&twice, expr, false);
    expr_finish(expr);
    if (!str_eq(buf_view(&once), buf_view(&twice))) {
        abort();
    }
    return 0;
}
