/* What operators read and when: times, selectors, and the grids of subqueries. */

#include "promql/plan_scope.h"

#include <assert.h>

#include "base/mem.h"
#include "promql/metricsql_rollup.h"

/* ---- times ---- */

static bool resolve_duration(Scope scope, const DurationSpec *spec, bool positive,
                             DurationMs *ret_value) {
    QueryRange range = scope.plan->range;
    *ret_value = 0;
    if (!spec->given) {
        return true;
    }
    return duration_spec_resolve(spec, range.step, range.to - range.from, positive, ret_value,
                                 scope.root->err);
}

static bool resolve_at_expr(Scope scope, const Expr *expr, TimeMs *ret_at) {
    Scope single = {scope.plan, scope.root, {scope.plan->range.from, 1, 1},
                    false,      false,      scope.counting};
    PlanNode *node = plan_expr(single, expr);
    if (!node) {
        return false;
    }
    if (node->op != PLAN_NUMBER) {
        return err_set(scope.root->err, ERR_UNSUPPORTED,
                       "@ modifier with an expression that is not a constant");
    }
    *ret_at = (TimeMs)(node->number * 1000);
    return true;
}

bool plan_resolve_shift(Scope scope, const TimeShift *shift, PlanNode *node) {
    QueryRange range = scope.plan->range;
    node->has_at = shift->at.kind != AT_NONE;
    switch (shift->at.kind) {
    case AT_NONE:
        break;
    case AT_TIME:
        node->at = shift->at.time;
        break;
    case AT_START:
        node->at = range.from;
        break;
    case AT_END:
        node->at = range.to;
        break;
    case AT_EXPR:
        if (!resolve_at_expr(scope, shift->at.expr, &node->at)) {
            return false;
        }
        break;
    }
    return resolve_duration(scope, &shift->offset, false, &node->offset);
}

void plan_node_span(const Plan *plan, const PlanNode *node, TimeMs *ret_from, TimeMs *ret_to) {
    TimeMs first = plan_node_ref(node, 0);
    TimeMs last = plan_node_ref(node, node->grid.count ? node->grid.count - 1 : 0);
    bool windowed = node->op == PLAN_ROLLUP || node->op == PLAN_RAW;
    DurationMs back = windowed ? node->range + plan->closed : plan->lookback;
    if (node->op == PLAN_ROLLUP && node->expr->flavour == PROMQL_METRICSQL) {
        DurationMs implicit = node->grid.count > 1 ? node->grid.step : plan->lookback;
        back = (back > implicit ? back : implicit) + metricsql_silence;
    }
    if (windowed && (node->anchored || node->smoothed)) {
        back += plan->lookback;
    }
    *ret_from = first - back + 1;
    *ret_to = last + (node->smoothed ? plan->lookback : 0);
    if (node->smoothed) {
        *ret_from -= 1;
    }
    if (*ret_to < *ret_from) {
        *ret_to = *ret_from;
    }
}

/* ---- selectors ---- */

static Hash128 selector_key(const MatcherSet *sets, size_t set_count) {
    AUTO(buf_finish) Buf key = {0};
    for (size_t i = 0; i < set_count; i++) {
        for (size_t j = 0; j < sets[i].count; j++) {
            const Matcher *matcher = &sets[i].items[j];
            size_t sizes[] = {(size_t)matcher->type, matcher->name.len, matcher->value.len};
            buf_put(&key, (const char *)sizes, sizeof sizes);
            buf_str(&key, matcher->name);
            buf_str(&key, matcher->value);
        }
        buf_byte(&key, '|');
    }
    return hash128(buf_view(&key));
}

/* One resolution serves readers whose spans lie near each other; a reader of last week has its own,
 * or today's would look at every series of the week. */
static PlanSelector *share_selector(Plan *plan, const ExprSelector *selector, TimeMs from,
                                    TimeMs to) {
    bool is_new;
    uint32_t id = hash_index_add(&plan->selector_index,
                                 selector_key(selector->sets, selector->set_count), &is_new);
    for (PlanSelector *known = is_new ? NULL : plan->selectors[id]; known; known = known->next) {
        if (from <= known->to + MINUTE_MS && to >= known->from - MINUTE_MS) {
            known->from = from < known->from ? from : known->from;
            known->to = to > known->to ? to : known->to;
            return known;
        }
    }
    PlanSelector *fresh = arena_new(plan->arena, PlanSelector);
    *fresh = (PlanSelector){
        .sets = selector->sets, .set_count = selector->set_count, .from = from, .to = to};
    if (is_new) {
        assert(id == plan->selectors_count);
        VEC_PUSH(*plan, selectors, fresh);
    } else {
        fresh->next = plan->selectors[id];
        plan->selectors[id] = fresh;
    }
    return fresh;
}

void plan_attach_selector(Scope scope, PlanNode *node, const ExprSelector *selector) {
    TimeMs from, to;
    node->anchored = selector->anchored;
    node->smoothed = selector->smoothed;
    node->stats = scope.stats && !scope.needs_buckets;
    plan_node_span(scope.plan, node, &from, &to);
    node->selector = share_selector(scope.plan, selector, from, to);
    VEC_PUSH(*scope.root, selectors, node->selector);
}

/* ---- subqueries ---- */

/* The steps inside a subquery: multiples of its step after the first window's beginning. As in
 * Prometheus the division truncates, and the end lies on the outer grid's last step. */
static Grid subquery_grid(TimeMs outer_first, TimeMs outer_last, DurationMs offset,
                          DurationMs range, DurationMs step) {
    TimeMs after = outer_first - offset - range;
    TimeMs start = step * (after / step);
    if (start <= after) {
        start += step;
    }
    TimeMs end = outer_last - offset;
    size_t count = end < start ? 0 : (size_t)((end - start) / step) + 1;
    return (Grid){start, step, count};
}

/* MetricsQL: multiples of the step, from far enough back to see the sample before the first window,
 * to one step beyond the last. */
static Grid metricsql_grid(TimeMs first, TimeMs last, DurationMs range, DurationMs step) {
    TimeMs start = first - range - step - metricsql_silence, end = last + step;
    start -= ((start % step) + step) % step;
    end += (step - ((end % step) + step) % step) % step;
    return (Grid){start, step, (size_t)((end - start) / step) + 1};
}

/* The step of the query; an instant one counts as far apart as its lookback. */
static DurationMs metricsql_step(Scope scope) {
    return scope.plan->range.step ? scope.plan->range.step : scope.plan->lookback;
}

static bool check_grid(Scope scope, Grid grid) {
    /* What a run could not hold anyway; an error here rather than a number that wraps. */
    if (grid.count > 50 * 1000 * 1000) {
        return err_set(scope.root->err, ERR_LIMIT,
                       "subquery has %zu steps, more than the 50000000 allowed: use a larger step",
                       grid.count);
    }
    return true;
}

/* Plans what stands inside the subquery, on its own grid; range, offset and time go to `node`. */
static bool plan_subquery(Scope scope, const Expr *expr, PlanNode *node) {
    const ExprSubquery *subquery = &expr->subquery;
    DurationMs step;
    if (!plan_resolve_shift(scope, &subquery->shift, node) ||
        !resolve_duration(scope, &subquery->range, true, &node->range) ||
        !resolve_duration(scope, &subquery->step, true, &step)) {
        return false;
    }
    TimeMs first = node->has_at ? node->at : scope.grid.start;
    TimeMs last = node->has_at ? node->at : grid_last(&scope.grid);
    Grid grid;
    if (expr->flavour == PROMQL_METRICSQL) {
        step = step ? step : metricsql_step(scope);
        grid = metricsql_grid(first - node->offset, last - node->offset, node->range, step);
    } else {
        step = step ? step : scope.plan->default_step;
        grid = subquery_grid(first, last, node->offset, node->range + scope.plan->closed, step);
    }
    if (!check_grid(scope, grid)) {
        return false;
    }
    /* As an answer it has no windows. */
    Counting counting = node->op == PLAN_RAW ? COUNT_AT_EVERY : COUNT_READ_ONLY;
    Scope inner = {scope.plan, scope.root, grid, false, true, counting};
    node->subquery = plan_vector(inner, subquery->expr);
    return node->subquery != NULL;
}

/* ---- windows ---- */

bool plan_window(Scope scope, const Expr *window, PlanNode *node) {
    window = expr_unwrap(window);
    if (window->kind == EXPR_SUBQUERY) {
        return plan_subquery(scope, window, node);
    }
    assert(window->kind == EXPR_MATRIX);
    const Expr *selector = window->matrix.selector;
    if (!plan_resolve_shift(scope, &selector->selector.shift, node) ||
        !resolve_duration(scope, &window->matrix.range, true, &node->range)) {
        return false;
    }
    plan_attach_selector(scope, node, &selector->selector);
    return true;
}
