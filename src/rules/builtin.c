/*
 * The rule Belfry brings along: a source that sends nothing any more is an alert of its own,
 * because all others about it are held.
 *
 * It is an ordinary rule but for its results, which come from what is known of the sources. Its
 * expression shows the same in the store, from Belfry's own metrics.
 */

#include <assert.h>

#include "base/mem.h"
#include "rules/label_overlay.h"
#include "rules/rules_internal.h"

static const char file_text[] = "groups:\n"
                                "- name: belfry telemetry\n"
                                "  hold: false\n"
                                "  rules:\n"
                                "  - alert: TelemetryLost\n"
                                "    expr: belfry_source_lost == 1\n"
                                "    labels:\n"
                                "      severity: critical\n"
                                "    annotations:\n"
                                "      summary: 'No telemetry from {{ index $labels \"%.*s\" }}'\n"
                                "      description: 'The newest sample is {{ $value | "
                                "humanizeDuration }} old. Alerts of this source are\n"
                                "        held as they were until it sends again.'\n";

bool builtin_rules_load(const RulesOptions *options, RuleFile **ret_file, Err *err) {
    AUTO(problems_finish) Problems problems = {0};
    AUTO(arena_finish) Arena arena = {0};
    Str text = arena_printf(&arena, file_text, STR_ARG(options->source_label));
    if (!rule_file_load(RULE_BUILTIN_FILE, text, RULES_PROMETHEUS, ret_file, &problems)) {
        return problems_err(&problems, err);
    }
    return true;
}

static bool was_told(const RuleState *state, Str label, Str source) {
    for (size_t i = 0; i < state->alerts_count; i++) {
        if (str_eq(labels_get(state->alerts[i]->labels, label), source)) {
            return true;
        }
    }
    return false;
}

static TimeMs dark_since(const HoldSource *source) {
    const HoldGap *last = source->gap_count ? &source->gaps[source->gap_count - 1] : NULL;
    return last && last->to == TIME_MAX ? last->from : TIME_MAX;
}

static ValueSeries lost_series(Str label, Str source, TimeMs newest, TimeMs now, Arena *arena) {
    Label *labels = arena_new(arena, Label);
    *labels = (Label){label, arena_str(arena, source)};
    double *age = arena_new(arena, double);
    *age = (double)(now - newest) / (double)SECOND_MS;
    return (ValueSeries){.labels = {labels, 1}, .values = age, .count = 1};
}

/* A source counts as lost no sooner than some time after the start, but one that was told to be
 * stays so until it sends again: a restart is no return. */
RuleHits builtin_hits(const Rules *rules, const LiveGroup *group, const LiveRule *rule,
                      const RuleWorld *world, Arena *arena) {
    const Hold *hold = &rules->hold;
    Str label = rules->options.source_label;
    ValueSeries *series =
        arena_array(arena, ValueSeries, hold->items_count + hold->restored_count + 1);
    size_t count = 0;
    for (size_t i = 0; i < hold->items_count; i++) {
        const HoldSource *source = &hold->items[i];
        if (source->is_lost || (source->is_late && was_told(rule->state, label, source->name))) {
            series[count++] = lost_series(label, source->name, source->newest, world->slot, arena);
        }
    }
    /* Known from before the start, and nobody could be asked about them yet. */
    for (size_t i = 0; i < hold->restored_count; i++) {
        const HoldSource *source = &hold->restored[i];
        TimeMs since = dark_since(source);
        if (since != TIME_MAX && was_told(rule->state, label, source->name)) {
            series[count++] = lost_series(label, source->name, since, world->slot, arena);
        }
    }
    Value value = {.type = VALUE_VECTOR, .series = series, .series_count = count};
    RuleHits hits = {0};
    Err err = {0};
    bool ok = rule_hits(group->def, rule->def, &value, world, arena, &hits, &err);
    assert(ok); /* sources are distinct */
    (void)ok;
    return hits;
}
