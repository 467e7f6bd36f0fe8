#include "rules/for_state.h"

#include "rules/alert_state.h"
#include "rules/hash_index.h"

/* How old the last sample may be: Prometheus' --rules.alert.for-outage-tolerance. */
static const DurationMs OUTAGE_MAX = HOUR_MS;

/* `ALERTS_FOR_STATE{alertname="..."}`, its values or its samples' times. */
static bool ask(const RuleDef *rule, const RuleWorld *world, bool times, Arena *arena,
                Value *ret_value) {
    AUTO(buf_finish) Buf text = {0};
    Matcher name = {.type = MATCH_EQ, .name = STR("alertname"), .value = rule->name};
    buf_str(&text, times ? STR("timestamp(ALERTS_FOR_STATE{") : STR("ALERTS_FOR_STATE{"));
    matcher_print(&text, &name);
    buf_str(&text, times ? STR("})") : STR("}"));
    const Expr *expr = NULL;
    Err err = {0};
    if (!promql_parse(arena, buf_view(&text), PROMQL_PROMETHEUS, &expr, &err)) {
        return false;
    }
    /* With so long a lookback the newest sample counts, unless it is a marker: ended. */
    QueryOptions options = world->query;
    options.lookback = OUTAGE_MAX;
    bool ok = false;
    engine_instant(world->engine, &(EngineExpr){.expr = expr, .text = buf_view(&text)}, 1,
                   world->time, &options, arena, ret_value, &ok, &err);
    expr_finish(expr);
    return ok && ret_value->type == VALUE_VECTOR;
}

/* The alert's identity; vmalert's label is left out where our alert has none. */
static Hash128 identity(Arena *arena, LabelSet labels, bool with_group) {
    Label *kept = arena_array(arena, Label, labels.count + 1);
    size_t count = 0;
    for (size_t i = 0; i < labels.count; i++) {
        bool is_name = str_eq(labels.items[i].name, LABEL_METRIC_NAME);
        bool is_group = str_eq(labels.items[i].name, STR("alertgroup"));
        if (!is_name && (with_group || !is_group)) {
            kept[count++] = labels.items[i];
        }
    }
    return labels_hash((LabelSet){kept, count});
}

void for_state_fill(const GroupDef *group, const RuleDef *rule, const RuleWorld *world,
                    Arena *arena, RuleHits *hits) {
    Value since = {0}, seen = {0};
    if (hits->count == 0 || rule->hold == 0 || !ask(rule, world, false, arena, &since) ||
        since.series_count == 0 || !ask(rule, world, true, arena, &seen)) {
        return;
    }
    AUTO(hash_index_finish) HashIndex index = {0};
    for (size_t i = 0; i < seen.series_count; i++) {
        Hash128 id = identity(arena, seen.series[i].labels, group->vmalert);
        (void)!hash_index_put(&index, id, (uint32_t)i);
    }
    AUTO(hash_index_finish) HashIndex wanted = {0};
    for (size_t i = 0; i < hits->count; i++) {
        (void)!hash_index_put(&wanted, hits->items[i].id, (uint32_t)i);
    }
    for (size_t i = 0; i < since.series_count; i++) {
        Hash128 id = identity(arena, since.series[i].labels, group->vmalert);
        uint32_t at = hash_index_get(&index, id), hit = hash_index_get(&wanted, id);
        if (at == HASH_INDEX_NONE || hit == HASH_INDEX_NONE) {
            continue;
        }
        AlertRecord record = {.active_at = (TimeMs)(since.series[i].values[0] * 1000),
                              .seen_at = (TimeMs)(seen.series[at].values[0] * 1000)};
        hits->items[hit].active_since =
            alert_taken_over(record, rule->hold, group->vmalert, world->slot);
    }
}
