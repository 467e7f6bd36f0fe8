/*
 * An alert that never rang: is all well, or does it look at nothing? Its selectors are asked for at
 * many times of the period.
 */

#include <stdlib.h>

#include "rules/replay_internal.h"

enum { LOOKS = 50 };

static int by_text(const void *a, const void *b) {
    return str_cmp(*(const Str *)a, *(const Str *)b);
}

/* `{__name__="up",job="a"}` as `up{job="a"}`. */
static void put_selector(Buf *out, const RuleSelector *selector) {
    const char *comma = "";
    buf_str(out, selector->metric);
    if (selector->metric.len && selector->matchers->count == 1) {
        return;
    }
    buf_byte(out, '{');
    for (size_t i = 0; i < selector->matchers->count; i++) {
        const Matcher *matcher = &selector->matchers->items[i];
        if (selector->metric.len && str_eq(matcher->name, LABEL_METRIC_NAME)) {
            continue;
        }
        buf_str(out, str_of(comma));
        matcher_print(out, matcher);
        comma = ",";
    }
    buf_byte(out, '}');
}

static bool matches_something(const RuleSelector *selector, Engine *base, TimeMs from, TimeMs to) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(buf_finish) Buf text = {0};
    buf_str(&text, STR("count({"));
    for (size_t i = 0; i < selector->matchers->count; i++) {
        buf_str(&text, i ? STR(",") : STR(""));
        matcher_print(&text, &selector->matchers->items[i]);
    }
    buf_str(&text, STR("})"));
    DurationMs step = (to - from) / LOOKS;
    QueryRange range = {from, to, step > SECOND_MS ? step : SECOND_MS};
    QueryOptions options = {.lookback = 5 * MINUTE_MS, .default_step = MINUTE_MS};
    const Expr *expr = NULL;
    Value value = {0};
    Err err = {0};
    bool ok = promql_parse(&arena, buf_view(&text), PROMQL_PROMETHEUS, &expr, &err) &&
              engine_range(base, &(EngineExpr){.expr = expr, .text = buf_view(&text)}, range,
                           &options, &arena, &value, &err);
    expr_finish(expr);
    return !ok || value.series_count > 0;
}

Str replay_unmatched(const RuleDef *rule, Engine *base, TimeMs from, TimeMs to, const Str *recorded,
                     size_t recorded_count, Arena *arena) {
    AUTO(buf_finish) Buf text = {0};
    for (size_t i = 0; i < rule->selector_count; i++) {
        const RuleSelector *selector = &rule->selectors[i];
        AUTO(buf_finish) Buf name = {0};
        bool is_own = recorded_count && bsearch(&selector->metric, recorded, recorded_count,
                                                sizeof *recorded, by_text);
        if (is_own || matches_something(selector, base, from, to)) {
            continue;
        }
        put_selector(&name, selector);
        if (!memmem(text.ptr ? text.ptr : "", text.len, name.ptr, name.len)) {
            buf_str(&text, text.len ? STR(", ") : STR(""));
            buf_str(&text, buf_view(&name));
        }
    }
    return arena_str(arena, buf_view(&text));
}
