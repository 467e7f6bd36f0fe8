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

/* A label that every series of the rule has as it is written, so that matchers tell. */
static bool is_fixed(const RuleText *label) {
    return !label->tmpl && !str_eq(label->name, STR("alertname")) &&
           !str_eq(label->name, STR("alertstate")) && !str_eq(label->name, STR("alertgroup"));
}

/* Rules of many clusters are often one file per cluster, with the cluster in all selectors and
 * labels: then they read nothing of each other, though all record the same names. */
static bool matches_labels(const RuleSelector *selector, const RuleDef *rule) {
    for (size_t i = 0; i < rule->labels.count; i++) {
        const RuleText *label = &rule->labels.items[i];
        for (size_t k = 0; is_fixed(label) && k < selector->matchers->count; k++) {
            const Matcher *matcher = &selector->matchers->items[k];
            if (str_eq(matcher->name, label->name) && !matcher_matches(matcher, label->text)) {
                return false;
            }
        }
    }
    return true;
}

/* May `selector` select what `rule` writes? */
static bool reads(const RuleSelector *selector, const RuleDef *rule) {
    if (!rule->is_alert) {
        return matches_name(selector, rule->name) && matches_labels(selector, rule);
    }
    return (matches_name(selector, STR("ALERTS")) ||
            matches_name(selector, STR("ALERTS_FOR_STATE"))) &&
           matches_alertname(selector, rule->name) && matches_labels(selector, rule);
}

/* What a rule writes, sorted by metric and source: to find it without comparing all with all. */
typedef struct Writer {
    Str metric;
    Str source; /* where the rule fixes it; else empty */
    uint32_t group, rule;
} Writer;

static int compare_key(const Writer *a, const Writer *b) {
    int order = str_cmp(a->metric, b->metric);
    return order ? order : str_cmp(a->source, b->source);
}

static int by_key(const void *a, const void *b) {
    const Writer *x = a, *y = b;
    int order = compare_key(x, y);
    order = order ? order : (x->group > y->group) - (x->group < y->group);
    return order ? order : (x->rule > y->rule) - (x->rule < y->rule);
}

static Str fixed_source(const RuleDef *rule, Str source_label) {
    for (size_t i = 0; i < rule->labels.count; i++) {
        const RuleText *label = &rule->labels.items[i];
        if (str_eq(label->name, source_label) && is_fixed(label)) {
            return label->text;
        }
    }
    return STR("");
}

static size_t put_writers(Writer *writers, const LiveGroup *group, uint32_t number,
                          Str source_label) {
    for (size_t i = 0; i < group->rule_count; i++) {
        const RuleDef *rule = group->rules[i].def;
        writers[i] = (Writer){.metric = rule->is_alert ? STR("ALERTS") : rule->name,
                              .source = fixed_source(rule, source_label),
                              .group = number,
                              .rule = (uint32_t)i};
    }
    return group->rule_count;
}

static Writer *list_writers(Arena *arena, const LiveGroup *group) {
    Writer *writers = arena_array(arena, Writer, group->rule_count + 1);
    qsort(writers, put_writers(writers, group, 0, STR("")), sizeof *writers, by_key);
    return writers;
}

static size_t first_writer(const Writer *writers, size_t count, Str metric, Str source) {
    const Writer key = {.metric = metric, .source = source};
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_key(&writers[middle], &key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The name under which a selector's writers are listed. */
static Str written_name(const RuleSelector *selector) {
    return str_eq(selector->metric, STR("ALERTS_FOR_STATE")) ? STR("ALERTS") : selector->metric;
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
    Str metric = written_name(selector);
    for (size_t i = first_writer(writers, group->rule_count, metric, STR(""));
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

typedef struct Planner {
    Arena *arena;
    Slot *slot;
    Str source_label;
    LiveGroup **deep; /* groups with ranks above 0 */
    size_t deep_count;
    Writer *writers; /* of them all */
    size_t writer_count;
    bool *precedes;    /* [reader * deep_count + writer]: it has to be through before that writes */
    uint32_t *waiting; /* for how many groups each still has to wait */
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

/* ---- which group goes before which ---- */

static void note_writer(Planner *planner, size_t reader, const RuleSelector *selector,
                        const Writer *writer) {
    size_t n = planner->deep_count, w = writer->group;
    const LiveRule *source = &planner->deep[w]->rules[writer->rule];
    bool writes = !source->def->is_alert || source->writes_alerts_inline;
    bool *precedes = &planner->precedes[reader * n + w];
    if (w != reader && !*precedes && writes && reads(selector, source->def)) {
        *precedes = true;
        planner->waiting[w]++;
    }
}

/* The value of the source label that a selector asks for; empty if for several. */
static Str wanted_source(const Planner *planner, const RuleSelector *selector) {
    for (size_t i = 0; i < selector->matchers->count; i++) {
        const Matcher *matcher = &selector->matchers->items[i];
        if (matcher->type == MATCH_EQ && str_eq(matcher->name, planner->source_label)) {
            return matcher->value;
        }
    }
    return STR("");
}

/* The writers of a metric with this source. */
static void note_source(Planner *planner, size_t reader, const RuleSelector *selector, Str source) {
    const Writer key = {.metric = written_name(selector), .source = source};
    size_t from = first_writer(planner->writers, planner->writer_count, key.metric, source);
    for (size_t i = from; i < planner->writer_count; i++) {
        if (compare_key(&planner->writers[i], &key) != 0) {
            return;
        }
        note_writer(planner, reader, selector, &planner->writers[i]);
    }
}

static void note_all(Planner *planner, size_t reader, const RuleSelector *selector) {
    Str metric = written_name(selector);
    size_t from = first_writer(planner->writers, planner->writer_count, metric, STR(""));
    for (size_t i = from; i < planner->writer_count; i++) {
        if (metric.len && !str_eq(planner->writers[i].metric, metric)) {
            return;
        }
        note_writer(planner, reader, selector, &planner->writers[i]);
    }
}

static void note_selector(Planner *planner, size_t reader, const RuleSelector *selector) {
    Str source = wanted_source(planner, selector);
    if (source.len == 0 || selector->metric.len == 0) {
        note_all(planner, reader, selector);
    } else {
        note_source(planner, reader, selector, STR("")); /* those that may write any source */
        note_source(planner, reader, selector, source);
    }
}

static void note_order(Planner *planner) {
    size_t n = planner->deep_count, rules = 0;
    for (size_t g = 0; g < n; g++) {
        rules += planner->deep[g]->rule_count;
    }
    planner->precedes = arena_array(planner->arena, bool, n *n + 1);
    planner->waiting = arena_array(planner->arena, uint32_t, n + 1);
    planner->done = arena_array(planner->arena, bool, n + 1);
    planner->writers = arena_array(planner->arena, Writer, rules + 1);
    for (size_t g = 0; g < n; g++) {
        planner->writer_count += put_writers(planner->writers + planner->writer_count,
                                             planner->deep[g], (uint32_t)g, planner->source_label);
    }
    qsort(planner->writers, planner->writer_count, sizeof *planner->writers, by_key);
    for (size_t g = 0; g < n; g++) {
        for (size_t i = 0; i < planner->deep[g]->rule_count; i++) {
            const LiveRule *rule = &planner->deep[g]->rules[i];
            for (size_t k = 0; rule->rank && k < rule->def->selector_count; k++) {
                note_selector(planner, g, &rule->def->selectors[k]);
            }
        }
    }
}

static void mark_done(Planner *planner, size_t reader) {
    planner->done[reader] = true;
    for (size_t w = 0; w < planner->deep_count; w++) {
        planner->waiting[w] -= planner->precedes[reader * planner->deep_count + w];
    }
}

/* The groups that nobody has to precede any more; of a circle, the first. */
static size_t next_wave(Planner *planner, LiveGroup **wave, size_t *members) {
    size_t count = 0, first_left = planner->deep_count;
    for (size_t i = 0; i < planner->deep_count; i++) {
        if (planner->done[i]) {
            continue;
        }
        first_left = first_left == planner->deep_count ? i : first_left;
        if (planner->waiting[i] == 0) {
            members[count++] = i;
        }
    }
    if (count == 0 && first_left < planner->deep_count) {
        members[count++] = first_left;
    }
    for (size_t i = 0; i < count; i++) {
        mark_done(planner, members[i]);
        wave[i] = planner->deep[members[i]];
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

void plan_slot(Arena *arena, Slot *slot, Str source_label) {
    Planner planner = {.arena = arena, .slot = slot, .source_label = source_label};
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

    note_order(&planner);
    LiveGroup **wave = arena_array(arena, LiveGroup *, planner.deep_count + 1);
    size_t *members = arena_array(arena, size_t, planner.deep_count + 1);
    for (size_t count = next_wave(&planner, wave, members); count;
         count = next_wave(&planner, wave, members)) {
        plan_wave(&planner, wave, count);
    }
}
