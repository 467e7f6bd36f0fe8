/* Any text as MetricsQL: refused, or printed. */

#include "promql/promql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    AUTO(arena_finish) Arena arena = {0};
    Err err = {0};
    const Expr *expr;
    if (promql_parse(&arena, (Str){(const char *)data, size}, PROMQL_METRICSQL, &expr, &err)) {
        AUTO(buf_finish) Buf text = {0};
        expr_print(&text, expr, false);
        expr_finish(expr);
    }
    return 0;
}
