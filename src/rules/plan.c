#include "rules/plan.h"

#include <stdlib.h>

static bool matches_name(const RuleSelector *selector, Str metric) {
    if (selector->metric.len) {
        return str_eq(selector->metric, metric);
    }
    for (size_t i = 0; i < selector->matchers->count; i++) {
        const Matcher *matcher = &selector->matchers->items[i];
        if (str_eq(matcher->name, LABEL_METRIC_NAME) && !matcher_matches(matcher, metric)) {
            return false;
        }
    }
    return true;
}

static bool matches_alertname(const RuleSelector *selector, Str name) {
    for (size_t i = 0; i < selector->matchers->count; i++) {
        const Matcher *matcher = &selector->matchers->items[i];
        if (str_eq(matcher->name, STR("alertname")) && !matcher_matches(matcher, name)) {
            return false;
        }
    }
    return true;
}

/* May `selector` select what `rule` writes? */
static bool reads(const RuleSelector *selector, const RuleDef *rule) {
    if (!rule->is_alert) {
        return matches_name(selector, rule->name);
    }
    return (matches_name(selector, STR("ALERTS")) ||
            matches_name(selector, STR("ALERTS_FOR_STATE"))) &&
           matches_alertname(selector, rule->name);
}

/* The rules of a group by the metric they write, to find without comparing all with all. */
typedef struct Writer {
    Str metric;
    uint32_t rule;
} Writer;

static int by_metric(const void *a, const void *b) {
    const Writer *x = a, *y = b;
    int order = str_cmp(x->metric, y->metric);
    return order ? order : (x->rule > y->rule) - (x->rule < y->rule);
}

static Writer *list_writers(Arena *arena, const LiveGroup *group) {
    Writer *writers = arena_array(arena, Writer, group->rule_count + 1);
    for (size_t i = 0; i < group->rule_count; i++) {
        const RuleDef *rule = group->rules[i].def;
        writers[i] = (Writer){rule->is_alert ? STR("ALERTS") : rule->name, (uint32_t)i};
    }
    qsort(writers, group->rule_count, sizeof *writers, by_metric);
    return writers;
}

static size_t first_writer(const Writer *writers, size_t count, Str metric) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (str_cmp(writers[middle].metric, metric) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void depend_on(LiveGroup *group, size_t reader, size_t writer) {
    if (writer >= reader) {
        return;
    }
    uint32_t rank = group->rules[writer].rank + 1;
    if (group->rules[reader].rank < rank) {
        group->rules[reader].rank = rank;
    }
    group->rules[writer].writes_alerts_inline |= group->rules[writer].def->is_alert;
}

static void rank_selector(LiveGroup *group, size_t reader, const RuleSelector *selector,
                          const Writer *writers) {
    if (selector->metric.len == 0) {
        for (size_t i = 0; i < reader; i++) {
            if (reads(selector, group->rules[i].def)) {
                depend_on(group, reader, i);
            }
        }
        return;
    }
    Str metric = selector->metric;
    if (str_eq(metric, STR("ALERTS_FOR_STATE"))) {
        metric = STR("ALERTS");
    }
    for (size_t i = first_writer(writers, group->rule_count, metric);
         i < group->rule_count && str_eq(writers[i].metric, metric); i++) {
        if (reads(selector, group->rules[writers[i].rule].def)) {
            depend_on(group, reader, writers[i].rule);
        }
    }
}

void plan_ranks(LiveGroup *group) {
    AUTO(arena_finish) Arena arena = {0};
    Writer *writers = list_writers(&arena, group);
    for (size_t i = 0; i < group->rule_count; i++) {
        const RuleDef *rule = group->rules[i].def;
        for (size_t k = 0; k < rule->selector_count; k++) {
            rank_selector(group, i, &rule->selectors[k], writers);
        }
        if (group->rank_max < group->rules[i].rank) {
            group->rank_max = group->rules[i].rank;
        }
    }
}

/* Has `reader` to be through before `writer` writes? */
static bool must_precede(const LiveGroup *reader, const LiveGroup *writer) {
    for (size_t i = 0; i < reader->rule_count; i++) {
        const LiveRule *rule = &reader->rules[i];
        for (size_t k = 0; rule->rank && k < rule->def->selector_count; k++) {
            for (size_t w = 0; w < writer->rule_count; w++) {
                const LiveRule *source = &writer->rules[w];
                bool writes = !source->def->is_alert || source->writes_alerts_inline;
                if (writes && reads(&rule->def->selectors[k], source->def)) {
                    return true;
                }
            }
        }
    }
    return false;
}

typedef struct Planner {
    Arena *arena;
    Slot *slot;
    LiveGroup **deep; /* groups with ranks above 0 */
    size_t deep_count;
    bool *precedes; /* [reader * deep_count + writer] */
    bool *done;
} Planner;

static PlanStage *add_stage(Planner *planner) {
    return &planner->slot->stages[planner->slot->stage_count++];
}

static void add_items(Planner *planner, PlanStage *stage, LiveGroup *const *groups, size_t count,
                      uint32_t rank) {
    size_t total = 0;
    for (size_t g = 0; g < count; g++) {
        for (size_t i = 0; i < groups[g]->rule_count; i++) {
            total += groups[g]->rules[i].rank == rank;
        }
    }
    stage->items = arena_array(planner->arena, PlanItem, total + 1);
    for (size_t g = 0; g < count; g++) {
        for (size_t i = 0; i < groups[g]->rule_count; i++) {
            if (groups[g]->rules[i].rank == rank) {
                stage->items[stage->count++] = (PlanItem){groups[g], &groups[g]->rules[i]};
            }
        }
    }
}

static bool is_waiting(const Planner *planner, size_t writer) {
    for (size_t i = 0; i < planner->deep_count; i++) {
        if (i != writer && !planner->done[i] &&
            planner->precedes[i * planner->deep_count + writer]) {
            return true;
        }
    }
    return false;
}

/* The groups that nobody has to precede any more; of a circle, the first. */
static size_t next_wave(Planner *planner, LiveGroup **wave) {
    size_t count = 0, first_left = planner->deep_count;
    bool *ready = arena_array(planner->arena, bool, planner->deep_count + 1);
    for (size_t i = 0; i < planner->deep_count; i++) {
        if (planner->done[i]) {
            continue;
        }
        first_left = first_left == planner->deep_count ? i : first_left;
        ready[i] = !is_waiting(planner, i);
        count += ready[i];
    }
    if (count == 0 && first_left < planner->deep_count) {
        ready[first_left] = true;
    }
    count = 0;
    for (size_t i = 0; i < planner->deep_count; i++) {
        if (ready[i]) {
            planner->done[i] = true;
            wave[count++] = planner->deep[i];
        }
    }
    return count;
}

static void plan_wave(Planner *planner, LiveGroup **wave, size_t count) {
    for (uint32_t rank = 1;; rank++) {
        LiveGroup **left = arena_array(planner->arena, LiveGroup *, count + 1);
        size_t left_count = 0;
        for (size_t i = 0; i < count; i++) {
            if (wave[i]->rank_max >= rank) {
                left[left_count++] = wave[i];
            }
        }
        if (left_count == 0) {
            return;
        }
        PlanStage *stage = add_stage(planner);
        stage->flush = left;
        stage->flush_count = left_count;
        add_items(planner, stage, left, left_count, rank);
    }
}

void plan_slot(Arena *arena, Slot *slot) {
    Planner planner = {.arena = arena, .slot = slot};
    planner.deep = arena_array(arena, LiveGroup *, slot->group_count + 1);
    size_t stages_max = 1;
    for (size_t i = 0; i < slot->group_count; i++) {
        if (slot->groups[i]->rank_max) {
            planner.deep[planner.deep_count++] = slot->groups[i];
            stages_max += slot->groups[i]->rank_max;
        }
    }
    slot->stages = arena_array(arena, PlanStage, stages_max);
    slot->stage_count = 0;
    add_items(&planner, add_stage(&planner), slot->groups, slot->group_count, 0);

    size_t n = planner.deep_count;
    planner.precedes = arena_array(arena, bool, n *n + 1);
    planner.done = arena_array(arena, bool, n + 1);
    for (size_t r = 0; r < n; r++) {
        for (size_t w = 0; w < n; w++) {
            planner.precedes[r * n + w] = r != w && must_precede(planner.deep[r], planner.deep[w]);
        }
    }
    LiveGroup **wave = arena_array(arena, LiveGroup *, n + 1);
    for (size_t count = next_wave(&planner, wave); count; count = next_wave(&planner, wave)) {
        plan_wave(&planner, wave, count);
    }
}
